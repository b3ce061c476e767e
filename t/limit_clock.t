#!/usr/bin/perl

# Redis's clock is set: what a key has used doesn't lock it out for longer than
# its window, and Retry-After says when that is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis(clock => 1);
my $port = free_port();

nginx(<<"CONF", workers => 1);
    apikey_cache zone=keys:1m;

    apikey_plan fixed   3/600;
    apikey_plan sliding 3/600 algorithm=sliding;
    apikey_plan leased  100/600 mode=leased;
    apikey_plan org     3/600 per=org;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            empty_gif;
        }
    }
CONF

sub key { create_key('--permissions', 'full', @_) }
sub ask { get($port, '/', 'X-API-Key' => $_[0]{key}) }

# Sets the clock; the time by it, at the begin of a window.

sub set {
    my ($seconds) = @_;
    my $time = int time;

    $seconds -= ($time + $seconds) % 600;
    $redis->clock($seconds);

    wait_for(sub { abs($redis->cmd('TIME')->[0] - $time - $seconds) < 10 })
        or die 'the clock is not set';

    return $seconds;
}

sub exhaust {
    my ($key) = @_;
    my $r;

    for (1 .. 200) {
        $r = ask($key);
        return if $r->status == 429;
    }

    die 'no limit: ' . $r->status;
}


for (qw(fixed sliding leased org)) {
    my $now = set(0);
    my $key = key('--plan', $_, '--org', "org-$_");

    exhaust($key);
    set($now - 7200);

    my $r = ask($key);

    is($r->status, 429, "$_: the clock is set back: its limit is reached");
    cmp_ok($r->header('Retry-After'), '<=', $_ eq 'sliding' ? 1200 : 600,
           "$_: for a window");
    cmp_ok($r->header('X-RateLimit-Reset'), '>=',
           $redis->cmd('TIME')->[0] + $r->header('Retry-After') - 1,
           "$_: not reset before");

    $redis->clock($now - 7200 + $r->header('Retry-After'));
    is(ask($key)->status, 200, "$_: a retry after Retry-After succeeds");
}


for (qw(fixed sliding leased org)) {
    my $now = set(0);
    my $key = key('--plan', $_, '--org', "ahead-$_");

    is(ask($key)->status, 200, "$_: it is used");

    set($now + 86400);
    exhaust($key);
    set($now);

    my $r = ask($key);

    is($r->status, 429, "$_: the clock was ahead: its limit is reached");

    $redis->clock($now + $r->header('Retry-After'));
    is(ask($key)->status, 200, "$_: a retry after Retry-After succeeds");
}


# What passes while the clock is set counts in the window that it is then.

{
    my $now = set(0);
    my $key = key('--plan', 'fixed');

    ask($key);
    set($now - 3600);

    is(join(' ', map { ask($key)->status } 1 .. 3), '200 200 429',
       'a clock set back renews no limit');

    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});
    is($limits->{windows}[0]{used}, 3, 'and the program sees it');
}

done_testing();
