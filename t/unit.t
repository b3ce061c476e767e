#!/usr/bin/perl

# The core's own tests: t/unit/NAME.c is built as build/unit/NAME.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

my @names = map { m{([^/]+)\.c$} } glob "$FindBin::Bin/unit/*.c";

for my $name (@names) {
    my $r = run("$Test::Apikey::BUILD/unit/$name");
    my @tests = $r->{out} =~ /^(?:not )?ok .*$/mg;
    my ($planned) = $r->{out} =~ /^1\.\.(\d+)$/m;

    ok($r->{exit} == 0 && $planned && $planned == @tests
       && !grep({ /^not/ } @tests), "$name: " . @tests . ' tests')
        or diag("exit $r->{exit}\n", grep({ !/^ok / }
                split /^/, $r->{out}), $r->{err});
}

done_testing();
