#!/usr/bin/perl

# The debug log shows how a request is decided, step by step: where its key is,
# what is known of it, what Redis is asked and answers, what is counted, and
# what comes of it; without a key or its digest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

plan skip_all => 'nginx without --with-debug'
    if run(Test::Apikey::Nginx::binary(), '-V')->{err} !~ /--with-debug/;

my $redis = redis();
my $port = free_port();
my $nginx = nginx(<<"CONF", redis => $redis, log => 'debug');
    apikey_redis localhost:$redis->{port} connect_timeout=60s timeout=60s;
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan exact 2/25920000;
    apikey_plan ahead 1000/25920000 mode=leased;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /charge {
            apikey_charge 5;
            try_files /none =204;
        }
    }
CONF

# The steps of one request, which has a connection of its own, and what the
# worker has done meanwhile.

my $read = 0;

sub steps {
    my ($path, @headers) = @_;
    my $status = get($port, $path, @headers)->status;

    my $log;

    Test::Apikey::wait_for(sub {
        $log = substr $nginx->log, $read;
        $log =~ /\[debug\][^\n]*close http connection/;
    });

    $read += length $log;

    return ($status, $log =~ /\[debug\] \S+ (?:\*\d+ )?(apikey .*)/g);
}

sub follows {
    my ($name, $status, $steps, $path, @headers) = @_;
    my ($got, @got);

    # a worker trusts what is cached once it is known to listen

    Test::Apikey::wait_for(sub {
        ($got, @got) = steps($path, @headers);
        return !grep({ $_ eq 'zone: hit' } @$steps)
               || grep { /zone: hit/ } @got;
    });

    is($got, $status, "$name: $status");

    my $seen = join "\n", @got;

    for my $step (@$steps) {
        shift @got while @got && $got[0] !~ /^apikey $step/;
        ok(@got, "$name: $step") or diag($seen);
    }
}

my $exact = create_key('--plan', 'exact');
my $ahead = create_key('--plan', 'ahead');

my @begin = ('preaccess handler', 'credential in "x-api-key", 1 times',
             'credential: key 1, own form 1, malformed 0', 'access handler');

follows('a key that the gateway does not know', 204,
        [@begin, 'zone: miss', 'verdict "-", confirmed 0',
         'question 1: to count 0', 'answer: unknown 0, confirmed 1, counted 0',
         'access handler', 'verdict "ok", confirmed 1',
         'question 2: to count 1', 'answer: unknown 0, confirmed 1, counted 1',
         'result "ok", status 0, key "' . $exact->{id} . '"'],
        '/', 'X-API-Key' => $exact->{key});

follows('one that it knows', 204,
        [@begin, 'zone: ', 'verdict "ok"',
         'question 1: to count 1', 'answer: .* counted 1, limited 0',
         'result "ok"'],
        '/', 'X-API-Key' => $exact->{key});

follows('one too many', 429,
        [@begin, 'zone: ', 'question 1: to count 1',
         'answer: .* counted 0, limited 1', 'result "limited", status 429'],
        '/', 'X-API-Key' => $exact->{key});

follows('a lease', 204,
        [@begin, 'zone: miss', 'question 1: to count 0',
         'lease: 1 to spend don\'t fit, [1-9]\d* to ask for',
         'question 2: to count 1, for a lease [1-9]',
         'lease: [1-9]\d* taken of [1-9]', 'result "ok"'],
        '/', 'X-API-Key' => $ahead->{key});

follows('what it pays for', 204,
        [@begin, 'zone: hit', 'lease: 1 spent', 'result "ok"',
         'charge of 5, local 0'],
        '/charge', 'X-API-Key' => $ahead->{key});

follows('no key', 401,
        ['credential: key 0', 'result "missing", status 401, key ""'], '/');

follows('no key of ours', 401,
        ['credential in "x-api-key"', 'credential: key 0, .* malformed 1',
         'result "malformed", status 401'],
        '/', 'X-API-Key' => 'short');

is(apikey('revoke', $exact->{id})->{exit}, 0, 'a key is revoked');

follows('which is heard of', 401,
        ['change heard of a key', @begin, 'zone: miss',
         'question 1: to count 1', 'answer: unknown 0, confirmed 1',
         'result "revoked", status 401'],
        '/', 'X-API-Key' => $exact->{key});

follows('and kept', 401,
        [@begin, 'zone: hit', 'verdict "revoked", confirmed 1',
         'result "revoked"'],
        '/', 'X-API-Key' => $exact->{key});

my @digests = map { $redis->digest($_->{id}) } $exact, $ahead;

$nginx->stop;

like($nginx->log, qr/\[debug\][^\n]* apikey lease: [1-9]\d* returned/,
     'a worker that exits returns what it has left');

# what nginx itself logs of a request's headers isn't ours

my $ours = join "\n", grep { /: (?:\*\d+ )?apikey / } split /\n/, $nginx->log;

is(index($ours, $_), -1, 'no key and no digest')
    for @digests, map { $_->{key} } $exact, $ahead;

done_testing();
