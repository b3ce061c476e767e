#!/usr/bin/perl

# What each line of the tree looks like: at most 80 columns, no tabs, no blanks
# at its end; in C, nginx's blank lines.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

chdir $Test::Apikey::ROOT or die "$Test::Apikey::ROOT: $!";

# a copy of the tree may have no git

my @files = grep { -T } glob join ' ', qw(
    *.c *.md config conf.example Makefile VERSION CHANGES LICENSE
    src/*/*.[ch] src/*/*.lua src/*/*.js src/*/*.css src/*/*.html src/*/embed
    t/*.t t/lib/Test/*.pm t/lib/Test/*/*.pm t/unit/* t/fuzz/*.[ch]
    t/fuzz/nginx/*.[ch] t/fuzz/nginx/*/*.[ch] t/bench/* t/demo/* t/deps
    t/debian t/root t/unpack t/walk
    debian/* debian/source/*
    contrib/* docs/*.md docs/apikey.1
);

cmp_ok(@files, '>', 400, 'the files are found');

my %kinds = map { $_ => [ grep { /\.$_$/ } @files ] } qw(c h lua js css t pm);

# Rows of tables of Markdown, and of tests that show messages, can't be folded.

my $code = qr/\.(?:[ch]|lua|js|css|t|pm)$/;

my %wrong;

for my $file (@files) {
    my $n = 0;

    for my $line (split /\n/, slurp($file), -1) {
        $n++;

        my $width = length($line =~ s/[\x80-\xbf]//gr);

        push @{$wrong{columns}}, "$file:$n" if $width > 80 && $file =~ $code;
        push @{$wrong{tabs}}, "$file:$n"
            if $line =~ /\t/
               && $file !~ m{^Makefile$|^debian/rules$|^contrib/|\.html$};
        push @{$wrong{blanks}}, "$file:$n" if $line =~ /[ \t]$/;
    }
}

is_deeply($wrong{columns} // [], [], 'at most 80 columns');
is_deeply($wrong{tabs} // [], [], 'no tabs, but of make');
is_deeply($wrong{blanks} // [], [], 'no blanks at the end of a line');
is_deeply([ grep { slurp($_) !~ /[^\n]\n\z/ } @files ], [],
          'each file ends with one newline');

# In C: two blank lines after a function and nowhere more than two, no blank
# line at the end of a block.

for my $file (@{$kinds{c}}, @{$kinds{h}}) {
    my $text = slurp($file);

    push @{$wrong{spread}}, $file if $text =~ /\n\n\n\n/;
    push @{$wrong{close}}, $file
        if $text =~ /^\}\n(?!\z|\n\n(?=[^\n])|\n?#)/m;
    push @{$wrong{inside}}, $file if $text =~ /\n\n +\}/;
}

is_deeply($wrong{spread} // [], [], 'no three blank lines in C');
is_deeply($wrong{close} // [], [], 'two blank lines after a function');

is_deeply($wrong{inside} // [], [], 'no blank line at the end of a block');

done_testing();
