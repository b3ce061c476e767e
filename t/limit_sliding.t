#!/usr/bin/perl

# Sliding windows: what the window before has used counts for as long as it
# is in reach.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(ceil);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;

# A window that no test sees the end of.
my $long = 25920000;

my $redis = redis();
my $up = upstream();
my $port = free_port();

nginx(<<"CONF");
    apikey_plan three 3/$long algorithm=sliding;
    apikey_plan thousand 1000/$long algorithm=sliding;
    apikey_plan both 10/12960000 algorithm=sliding 1000/$long;
    apikey_plan short 1/2 algorithm=sliding;
    apikey_plan several 4/2 algorithm=sliding;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_headers both;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--permissions', 'full', @_) }

sub ask { get($port, '/', 'X-API-Key' => $_[0]{key}) }

sub asked {
    my ($key, $count) = @_;

    return join ', ', map {
        my $r = ask($key);

        join ' ', $r->status, map { $r->header("X-RateLimit-$_") }
                                  qw(Limit Remaining);
    } 1 .. $count;
}


is(asked(key('--plan', 'three'), 4), '200 3 2, 200 3 1, 200 3 0, 429 3 0',
   'a window by itself is as a fixed one');
is(asked(key('--limits', "2/$long algorithm=sliding"), 3),
   '200 2 1, 200 2 0, 429 2 0', 'limits of a key may slide, too');


# The weight of the window before: see core/limit.h for what is stored.

sub counter {
    my ($seconds, $start, $current, $previous) = @_;
    my $bytes = sub { substr pack('Q<', $_[0]), 0, $_[1] };

    return $bytes->($seconds, 4) . $bytes->($start, 5)
           . $bytes->($current, 6) . $bytes->($previous || 0, 6);
}

sub stored {
    my ($key, @counters) = @_;
    my ($record) = grep { /^apikey:\{/
                          && $redis->cmd('HGET', $_, 'id') eq $key->{id} }
                        @{$redis->cmd('KEYS', '*')};

    $redis->cmd('HSET', $record, 'n', join '', @counters);
}

my $now = $redis->cmd('TIME')->[0];
my $start = $now - $now % $long;
my $left = ($start + $long - $now) / $long;

for ([ 'a part of the window before', $start, 0, 600, ceil(600 * $left) ],
     [ 'and what this one has used', $start, 100, 600,
       100 + ceil(600 * $left) ],
     [ 'this window has become the one before', $start - $long, 700, 999,
       ceil(700 * $left) ],
     [ 'two windows ago is forgotten', $start - 2 * $long, 999, 999, 0 ],
     [ 'a window ahead, the clock having gone back', $start + $long, 100, 0,
       100 ])
{
    my ($name, $began, $current, $previous, $used) = @$_;
    my $key = key('--plan', 'thousand');

    stored($key, counter($long, $began, $current, $previous));

    my $r = ask($key);

    is($r->status, 200, $name);

    # a second of so long a window is less than one request
    ok(abs($r->header('X-RateLimit-Remaining') - (999 - $used)) <= 1,
       "$name: as much remains")
        or diag $r->header('X-RateLimit-Remaining'), ', not ', 999 - $used;
    is($r->header('X-RateLimit-Reset'), $start + $long, "$name: the reset");
}

my $key = key('--plan', 'thousand');
stored($key, counter($long, $start, 1000 - ceil(600 * $left), 600));

my $r = ask($key);
is($r->status, 429, 'both windows together are over the limit');

my $retry = $r->header('Retry-After');
cmp_ok($retry, '<=', ceil($long / 600) + 1,
       'Retry-After: when so much of the window before is out of reach');
cmp_ok($retry, '>=', 1, 'at least a second');
is($r->header('X-RateLimit-Reset'), $start + $long,
   'the reset is the end of the window, which comes later');

# What this window has used is in the way in the next one, too.

$key = key('--plan', 'thousand');
stored($key, counter($long, $start, 1000, 0));

my $asked = $redis->cmd('TIME')->[0];

$r = ask($key);
$retry = $r->header('Retry-After');

is($r->status, 429, 'a full window');
cmp_ok($asked + $retry, '>', $start + $long,
       'Retry-After: not before the next one');
cmp_ok($r->header('X-RateLimit-Reset'), '>=', $asked + $retry,
       'X-RateLimit-Reset is not before it');

my ($t) = $r->header('RateLimit') =~ /;t=(\d+)/;

is($t, $retry, 'nor is t');

$key = key('--plan', 'thousand');
stored($key, counter($long, $start - $long, 1000, 0));
is(ask($key)->status, 200, 'not even a full window before fills this one');

$key = key('--plan', 'both');
my $half_start = $now - $now % 12960000;
stored($key, counter(12960000, $half_start, 2, 0),
             counter($long, $start, 1000, 0));
is(asked($key, 1), '429 1000 0', 'windows refuse each by itself');


# In short windows.  With a limit of one the next window is closed from its
# begin to its end; who has come too late for it tries again.

sub redis_time { my $t = $redis->cmd('TIME'); return $t->[0] + $t->[1] / 1e6 }

my ($first, $end);

for (1 .. 20) {
    $key = key('--plan', 'short');
    $first = ask($key);
    $end = $first->header('X-RateLimit-Reset');
    wait_for(sub { redis_time() >= $end }, 60);

    $r = ask($key);
    last if $r->header('X-RateLimit-Reset') <= $end + 2;
}

is($first->status, 200, 'one in a window of 2 seconds');
is($r->status, 429, 'a new window has not forgotten the one before');
is($r->header('X-RateLimit-Reset'), $end + 2, 'though it has its own end');

sleep $r->header('Retry-After') || 0;
is(ask($key)->status, 200, 'a retry after Retry-After succeeds');


# The same with more than one.

$key = key('--plan', 'several');

for (1 .. 1000) {
    $r = ask($key);
    last if $r->status == 429;
}

is($r->status, 429, 'the limit is reached');
sleep $r->header('Retry-After');
is(ask($key)->status, 200, 'a retry after Retry-After succeeds');

done_testing();
