package Test::Apikey::Npm;

# Programs for Node.js that use packages of build/npm ("make deps-npm").
#
# npm_missing(PACKAGE...)  why a test that needs them is skipped, if it is
# node(SCRIPT, ARG...)     runs a module of t/npm, as run() does

use strict;
use warnings;

use Exporter 'import';

use Test::Apikey ();

our @EXPORT = qw(npm_missing node);

my $npm = "$Test::Apikey::ROOT/build/npm";


sub npm_missing {
    my @packages = @_;

    for my $package (@packages) {
        return "there is no $package: make deps-npm"
            if !-e "$npm/node_modules/$package/package.json";
    }

    return;
}


# As a module read from standard input it finds what its folder has.

sub node {
    my ($script, @args) = @_;
    my $text = Test::Apikey::slurp("$Test::Apikey::ROOT/t/npm/$script");

    return Test::Apikey::run({ stdin => $text }, 'sh', '-c',
        'cd "$0" && exec node --input-type=module - "$@"', $npm, @args);
}


1;
