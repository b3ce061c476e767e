#!/usr/bin/perl

# What clients make of a 429: which of them try again by themselves, that they
# wait as long as Retry-After says, and that they pass then.  README.md has the
# table.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use JSON::PP qw(encode_json);

use Test::Apikey;
use Test::Apikey::Npm;

my $window = 10;
my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan one 1/$window;

    log_format runs '\$http_x_run: \$status \$sent_http_retry_after';
    access_log runs.log runs;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        location / { try_files /none =204; }
    }
CONF

my $url = "http://127.0.0.1:$port/";

# Runs clients with a key each whose window is spent, until all of them have
# met a 429 that asked for a wait of more than their own would be.  Returns what
# each was answered then, by its run.

sub ran {
    my ($code, @runs) = @_;
    my %answers;

    for (1 .. 20) {
        my @left = grep { !$answers{$_} } @runs or last;
        my %keys = map { $_ => create_key('--permissions', 'full', '--plan',
                                          'one')->{key} } @left;
        my $seen = length slurp("$nginx->{dir}/runs.log");

        left($window, $window - 2);
        get($port, '/', 'X-API-Key' => $_) for values %keys;
        $code->(%keys);

        my $log = substr slurp("$nginx->{dir}/runs.log"), $seen;

        for my $run (@left) {
            my ($wait) = $log =~ /^\Q$run\E: 429 (\d+)$/m;

            $answers{$run} = join ' ', $log =~ /^\Q$run\E: (\d+)/mg
                if ($wait || 0) > 3;
        }
    }

    return %answers;
}

sub is_answered {
    my ($expected, %answers) = @_;

    is($answers{$_}, $expected->{$_}, "$_: $expected->{$_}")
        for sort keys %$expected;
}


# Node.js

SKIP: {
    my $why = npm_missing(qw(axios axios-retry got ky undici));
    skip($why, 8) if $why;

    my %expected = ('got GET' => '429 204', 'got POST' => '429',
                    'ky GET' => '429 204', 'ky POST' => '429',
                    'RetryAgent GET' => '429 204', 'RetryAgent POST' => '429',
                    'axios-retry GET' => '429 204',
                    'axios-retry POST' => '429');

    is_answered(\%expected, ran(sub {
        my %keys = @_;
        my $r = node('retry.mjs', $url, encode_json(\%keys));
        is($r->{exit}, 0, 'clients of Node.js') or diag($r->{err});
    }, keys %expected));
}


# urllib3

SKIP: {
    skip('there is no urllib3: apt-get install python3-urllib3', 2)
        if run('python3', '-c', 'import urllib3')->{exit};

    my %expected = ('urllib3 GET' => '429 204', 'urllib3 POST' => '429');

    is_answered(\%expected, ran(sub {
        my %keys = @_;

        for my $run (keys %keys) {
            my ($method) = $run =~ /(\w+)$/;
            run('python3', '-c', <<'PYTHON', $method, $url, $keys{$run}, $run);
import sys, urllib3
method, url, key, run = sys.argv[1:]
urllib3.PoolManager().request(method, url,
                              headers={'X-API-Key': key, 'X-Run': run})
PYTHON
        }
    }, keys %expected));
}


# curl

my %expected = map { ("curl $_", '429', "curl --retry $_", '429 204') }
               qw(GET POST);

is_answered(\%expected, ran(sub {
    my %keys = @_;

    run('sh', '-c', join ' ', map({
        my ($retry, $method) = /^curl(?: --(retry))? (\w+)$/;
        "curl -s -X $method " . ($retry ? '--retry 3 ' : '')
        . "-H 'X-API-Key: $keys{$_}' -H 'X-Run: $_' $url &"
    } keys %keys), 'wait');
}, keys %expected));

done_testing();
