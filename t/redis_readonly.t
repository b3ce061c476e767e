#!/usr/bin/perl

# A Redis that can read but not write, being a replica or full: keys with limits
# get 503, or pass without limits where the location says so and Redis confirms
# the key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_plan anonymous 1000r/d;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /allow {
            apikey_limit_failure allow;
            try_files /none =204;
        }

        location /write {
            apikey_limit_failure allow;
            apikey_require data:write;
            try_files /none =204;
        }

        location /index/ {
            apikey_limit_failure allow;
            try_files /none /allow;
        }

        location /optional/deny {
            apikey optional;
            try_files /none =204;
        }

        location /optional/allow {
            apikey optional;
            apikey_limit_failure allow;
            try_files /none =204;
        }
    }
CONF

my @limits = ('--permissions', 'read', '--limits', '1000r/d');
my $key = create_key(@limits);
my $fresh = create_key(@limits);
my $free = create_key('--permissions', 'read');
my $revoked = create_key(@limits);
my $expired = create_key(@limits, '--expires', '1s');
my $made_up = $key->{key} =~ s/.{10}$/0000000000/r;

# the worker knows some of the records, and none of the others
get($port, '/', 'X-API-Key' => $_->{key}) for $key, $revoked, $expired;
apikey('revoke', $revoked->{id});


sub ask { get($port, $_[1] || '/', 'X-API-Key' => $_[0]{key}) }

sub read_only {
    my ($name) = @_;
    my $r = ask($key);

    is($r->status, 503, "$name: limits can't be counted: 503");
    is($r->header('Retry-After'), 1, "$name: Retry-After");
    is(ask($free)->status, 204, "$name: a key without limits needs no write");

    for my $known ($key, $fresh) {
        for my $uri ('/allow', '/index/x') {
            $r = ask($known, $uri);
            is($r->status, 204, "$name: allowed, a good key passes at $uri");
            is($r->header('X-RateLimit-Limit'), undef, "$name: without limits");
        }
    }

    is(ask($revoked, '/allow')->status, 401, "$name: a revoked key does not");
    is(ask($expired, '/allow')->status, 401, "$name: nor an expired one");
    is(ask($key, '/write')->status, 403, "$name: nor one without the scope");
    is(get($port, '/allow', 'X-API-Key' => $made_up)->status, 401,
       "$name: nor one that is none");
    is(get($port, '/optional/deny')->status, 503, "$name: anonymous: 503");
    is(get($port, '/optional/allow')->status, 204, "$name: anonymous, allowed");

    # a machine that stood still for a second has had none for so long
    my $errors = () = $nginx->log =~ /\[error\].*redis could not decide/g;
    my $ends = () = $nginx->log =~ /answers as expected again/g;

    ok($errors == $ends || $errors == $ends + 1, "$name: one error is logged")
        or diag("$errors errors, $ends ends");
}

sub writable {
    my ($name) = @_;
    my $r = ask($key);

    is($r->status, 204, "$name: again");
    is($r->header('X-RateLimit-Limit'), 1000, "$name: with limits");
}


wait_for(sub { ask($expired)->status == 401 }, 60);

writable('before');

# of a master that is away
$redis->cmd('REPLICAOF', '127.0.0.1', 1);
$redis->cmd('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
read_only('a replica');
like($nginx->log, qr/redis could not decide: "READONLY|can't write/,
     'a replica: the log says why');

$redis->cmd('REPLICAOF', 'NO', 'ONE');
writable('promoted');

ok(wait_for(sub { ask($key); $nginx->log =~ /answers as expected again/ }, 60),
   'that it answers again is logged');
$nginx->stop;
unlink "$nginx->{dir}/error.log";
$nginx->start;
writable('another start');

$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
read_only('out of memory');

$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
writable('memory');

done_testing();
