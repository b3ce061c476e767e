#!/usr/bin/perl

# The man page tells of each command, option and setting that the program has,
# and of no other; groff has nothing to say against it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $root = $Test::Apikey::ROOT;
my $path = "$Test::Apikey::BUILD/apikey.1";
my $page = slurp($path);

my $printed = run('groff', '-man', '-rLL=78n', '-ww', '-Tascii', '-P-cbou',
                  $path);

is($printed->{exit}, 0, 'groff prints it');
is($printed->{err}, '', 'without a warning');
is_deeply([ $printed->{out} =~ /^(.{79}.*)$/mg ], [], 'on 78 columns');
is(join(' ', $printed->{out} =~ /^([A-Z][A-Z ]+)$/mg),
   'NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS ENVIRONMENT FILES EXIT STATUS '
   . 'EXAMPLES SECURITY SEE ALSO', 'with the usual sections');

my $version = apikey('--version')->{out};

chomp $version;
like($page, qr/^\.TH APIKEY 1 "\S+" "\Q$version\E" /, 'it is of this version');


# What is a tag of a list, with its argument: "--name TEXT".

sub tags {
    my ($text) = @_;

    return sort map { s/\\-/-/gr =~ s/"//gr =~ s/ +/ /gr }
           $text =~ /^\.T[PQ]\n\.BI? (\\-\\-.*)$/mg;
}

# The same of a list in the program's help, "--name TEXT   what it does".

sub options {
    my ($text) = @_;

    return sort $text =~ /^  (--[a-z-]+(?: \S+)?)  /mg;
}

my ($commands) = $page =~ /^\.SH COMMANDS\n(.*?)^\.SH /ms;
my ($global) = $page =~ /^\.SH OPTIONS\n(.*?)^\.SH /ms;
my %sections = $commands =~ /^\.SS (\w+)\n(.*?)(?=^\.SS |\z)/msg;

my $help = apikey('--help')->{out};
my ($listed, $every) = $help =~ /^Commands:\n(.*?)\n\n(.*)/ms;
my @listed = $listed =~ /^  (\w+) /mg;

cmp_ok(@listed, '>', 15, 'the program lists its commands');
is_deeply([ $commands =~ /^\.SS (.*)$/mg ], \@listed,
          'each command that there is, and no other, in the same order');
is_deeply([ tags($global) ], [ options($every) ],
          'each option of all commands, and no other');

my %known = map { /^(\S+)/ => 1 } options($every);

for my $command (@listed) {
    my $own = apikey($command, '--help')->{out} =~ s/^Options of every.*//msr;
    my @options = options($own);

    is_deeply([ tags($sections{$command} // '') ], \@options,
              "$command: each of its options, and no other");
    like($sections{$command} // '', qr/\A\.B apikey \Q$command\E\b/,
         "$command: how it is called");

    $known{$_} = 1 for map { /^(\S+)/ } @options;
}

my @named = map { s/\\-/-/gr } $page =~ /(\\-\\-[a-z](?:\\-|[a-z])+)/g;

is_deeply([ grep { !$known{$_} } @named ], [],
          'no option is named that there is not');


# Settings, by the table that the program reads them by.

my $code = slurp("$root/src/cli/settings.c");
my ($environment) = $page =~ /^\.SH ENVIRONMENT\n(.*?)^\.SH /ms;
my ($files) = $page =~ /^\.SH FILES\n(.*?)^\.SH /ms;

is_deeply([ sort $environment =~ /\bAPIKEY_\w+/g ],
          [ sort $code =~ /"(APIKEY_[A-Z_]+)"/g ],
          'each variable of the environment, and no other');

my ($table) = $code =~ /settings_known\[\] = \{(.*?)^\};/ms;

is_deeply([ sort $files =~ /\b([a-z_]+) = [A-Z]+/g ],
          [ sort $table =~ /"([a-z_]+)",\s+offsetof/g ],
          'each line of the configuration file, and no other');

done_testing();
