#!/usr/bin/perl

# Calls go one way, as README.md says under Developing: no circle of files
# within a folder of src/, and no arrow from a folder to one above it.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

my $tree = Test::Apikey::dir() . '/tree';

my $r = run("$FindBin::Bin/arrows", $Test::Apikey::ROOT,
            $Test::Apikey::BUILD);

is($r->{exit}, 0, 'no circle, and no arrow back') or diag($r->{out}, $r->{err});


# A tree with one file that calls nobody, and what is added to it.

sub arrows {
    my %files = ('src/core/base.c' => 'int base(void) { return 1; }', @_);

    run('rm', '-rf', $tree);
    run('mkdir', '-p', map { ("$tree/build/obj/$_", "$tree/$_") }
                       map { "src/$_" } qw(core store));

    for my $file (keys %files) {
        open my $f, '>', "$tree/$file" or die "$file: $!";
        print $f "$files{$file}\n";
        close $f or die "$file: $!";
    }

    for my $file (grep { /\.c$/ } keys %files) {
        (my $object = "$tree/build/obj/$file") =~ s/\.c$/.o/;

        my $cc = run('cc', '-I', "$tree/src", '-c', '-o', $object,
                     "$tree/$file");
        die "$file: $cc->{err}" if $cc->{exit};
    }

    return run("$FindBin::Bin/arrows", $tree);
}

$r = arrows('src/store/keep.c'
            => 'int base(void); int keep(void) { return base(); }',
            'src/store/get.c'
            => 'int keep(void); int get(void) { return keep(); }');

is($r->{exit}, 0, 'downwards anything may call') or diag($r->{out});
is($r->{out}, '', 'which needs no word');

$r = arrows('src/core/a.c' => 'int b(void); int a(void) { return b(); }',
            'src/core/b.c' => 'int c(void); int b(void) { return c(); }',
            'src/core/c.c' => 'int a(void); int c(void) { return a(); }');

is($r->{exit}, 1, 'three files in a circle');
is($r->{out}, "circle of 3 files in src/core:\n    src/core/a.c\n"
              . "    -> src/core/b.c: b\n    -> src/core/c.c: c\n"
              . "    -> src/core/a.c: a\n", 'the way round, by its symbols');

$r = arrows('src/core/a.c' => 'int keep; int a(void) { return keep; }',
            'src/core/b.c' => 'extern int keep; int b(void) { return keep; }');

is($r->{exit}, 0, 'one arrow between two files') or diag($r->{out});

$r = arrows('src/core/up.c'
            => 'int keep(void); int up(void) { return keep(); }',
            'src/store/keep.c' => 'int keep(void) { return 2; }');

is($r->{exit}, 1, 'an arrow back');
is($r->{out}, "src/core/up.c -> src/store/keep.c: keep\n", 'is named');

$r = arrows('src/core/a.c' => '#include "store/keep.h"',
            'src/store/keep.h' => 'typedef int keep_t;');

is($r->{exit}, 1, 'so is a header that is above');
is($r->{out}, "src/core/a.c -> src/store: #include \"store/keep.h\"\n",
   'though it has no symbols');

unlink "$tree/build/obj/src/core/base.o";
$r = run("$FindBin::Bin/arrows", $tree);

isnt($r->{exit}, 0, 'what is not built is not passed over');
like($r->{err}, qr{^src/core/base\.c isn't built}, 'but asked for');

done_testing();
