#!/usr/bin/perl

# Each parser of what comes from outside, t/fuzz/fuzz_NAME.c, fed by libFuzzer
# for a while from the inputs kept in t/fuzz/corpus/NAME, with the words of
# t/fuzz/NAME.dict.  Those in t/fuzz/nginx run inside nginx.
# TEST_FUZZ_SECONDS: how long each.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

my $seconds = $ENV{TEST_FUZZ_SECONDS} || 10;
my $fuzz = "$FindBin::Bin/fuzz";
my $built = "$Test::Apikey::ROOT/build/fuzz";
my $dir = Test::Apikey::dir();

for my $name (names($fuzz)) {
    fuzzed($name, "$built/fuzz_$name", options($name));
}

for my $name (names("$fuzz/nginx")) {
    local $ENV{LD_PRELOAD} = "$built/nginx/libfuzzer.so " . sanitizer();
    local $ENV{ASAN_OPTIONS} =
        'verify_asan_link_order=0:detect_odr_violation=0';

    fuzzed($name, '/usr/sbin/nginx', '-t', '-e', '/dev/null', '-c',
           configuration($name));
}

done_testing();


sub names { map { m{fuzz_([^/]+)\.c$} } glob "$_[0]/fuzz_*.c" }

sub options {
    my ($name) = @_;
    my $new = "$dir/$name";
    my $kept = "$fuzz/corpus/$name";
    my $words = "$fuzz/$name.dict";

    mkdir $new or die "$new: $!";

    return ("-max_total_time=$seconds", '-timeout=60', '-rss_limit_mb=1024',
            "-artifact_prefix=$new/", -e $words ? "-dict=$words" : (), $new,
            -d $kept ? $kept : ());
}

sub fuzzed {
    my ($name, @command) = @_;
    my $r = run({ timeout => $seconds + 600 }, @command);
    my ($runs) = $r->{err} =~ /Done (\d+) runs/;

    ok($r->{exit} == 0 && $runs, "$name: " . ($runs // 0) . ' inputs')
        or diag($r->{err});
}

sub sanitizer {
    my ($path) = run('clang', '-print-resource-dir')->{out} =~ /(.+)/;

    my @found = glob "$path/lib/linux/libclang_rt.asan-*64.so";

    return "@found";
}


# The directive "fuzz" doesn't return.

sub configuration {
    my ($name) = @_;
    my $options = join ' ', options($name);
    my $pepper = Test::Apikey::pepper_file();

    return file("$name.conf", <<"CONF");
load_module $built/nginx/ngx_http_apikey_module.so;
load_module $built/nginx/ngx_http_apikey_fuzz_module.so;
error_log /dev/null emerg;
pid $dir/nginx.pid;
events { }

http {
    apikey_redis 127.0.0.1:1;
    apikey_pepper_file $pepper;
    fuzz $name $options;

    server {
        listen unix:$dir/socket;
        apikey on;

        location /header {
            fuzz_location;
        }

        location /everywhere {
            apikey_format any;
            apikey_source query:key header:X-API-Key bearer cookie:k;
            fuzz_location;
        }

        location /shown {
            apikey_format any;
            apikey_hide off;
            apikey_source query:key cookie:k bearer header:A;
            fuzz_location;
        }
    }
}
CONF
}
