#!/usr/bin/perl

# Each parser of what comes from outside, t/fuzz/fuzz_NAME.c, fed by libFuzzer
# for a while from the inputs kept in t/fuzz/corpus/NAME.  TEST_FUZZ_SECONDS:
# how long each.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

my $seconds = $ENV{TEST_FUZZ_SECONDS} || 10;
my @names = map { m{fuzz_([^/]+)\.c$} } glob "$FindBin::Bin/fuzz/*.c";

for my $name (@names) {
    my $new = Test::Apikey::dir() . "/$name";
    my $kept = "$FindBin::Bin/fuzz/corpus/$name";

    mkdir $new or die "$new: $!";

    my $r = run({ timeout => $seconds + 60 },
                "$Test::Apikey::ROOT/build/fuzz/fuzz_$name",
                "-max_total_time=$seconds", '-timeout=5', '-rss_limit_mb=1024',
                "-artifact_prefix=$new/", $new, -d $kept ? $kept : ());

    my ($runs) = $r->{err} =~ /Done (\d+) runs/;

    ok($r->{exit} == 0 && $runs, "$name: " . ($runs // 0) . ' inputs')
        or diag($r->{err});
}

done_testing();
