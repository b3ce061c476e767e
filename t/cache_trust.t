#!/usr/bin/perl

# What is cached is trusted only by a worker that hears of changes, and that
# Redis knows of; "stale" is for when Redis is away.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;

my $redis = redis();
my ($port, $single, $stale) = map { free_port() } 1 .. 3;

sub gateway {
    my ($port, $workers, $more) = @_;

    return nginx(<<"CONF", workers => $workers);
        apikey_cache zone=keys:1m valid=1h $more;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;

            location / {
                empty_gif;
            }
        }
CONF
}

gateway($port, 2, '');
gateway($stale, 2, 'stale=1h');
my $alone = gateway($single, 1, '');

sub ask { get($_[0], '/', 'X-API-Key' => $_[1]{key})->status }

sub statuses {
    my ($port, $key) = @_;
    my %seen = map { ask($port, $key) => 1 } 1 .. 12;

    return join ' ', sort keys %seen;
}

sub questions {
    my ($port, $key) = @_;
    my $monitor = $redis->monitor;

    ask($port, $key) for 1 .. 20;

    return scalar grep { /\] "evalsha?"/i && !/gateways|usage/ }
                       $monitor->lines;
}

sub trusting {
    my ($port, $key) = @_;

    return wait_for(sub { questions($port, $key) == 0 });
}

# Nobody is told: only who asks knows.

my $revision = 1;

sub set_silently {
    my ($key, $status) = @_;

    for my $name (grep { /\{/ } @{$redis->cmd('KEYS', 'apikey:{*')}) {
        next if $redis->cmd('HGET', $name, 'id') ne $key->{id};

        $redis->cmd('HSET', $name, 'status', $status, 'rev', $revision++);
    }
}


my $key = create_key();

is(statuses($port, $key), '200', 'a key');

# A worker that had to wait for the CPU trusts nothing for a while.

ok(wait_for(sub {
    set_silently($key, 'active');
    apikey('edit', $key->{id}, '--name', 'told')->{exit} == 0 or die 'edit';
    trusting($port, $key) or die 'it is not cached';
    set_silently($key, 'disabled');

    return statuses($port, $key) eq '200';
}), 'is cached, and trusted, without being asked for');


# The subscription is cut, and comes back.

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
ok(wait_for(sub { statuses($port, $key) eq '401' }),
   'the subscription is cut: the record is asked for');
set_silently($key, 'active');


# It does not come back.

$redis->cmd('ACL', 'SETUSER', 'default', '-subscribe');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
ok(wait_for(sub { questions($port, $key) == 20 }),
   'without a subscription each request is a question');
set_silently($key, 'disabled');
is(statuses($port, $key), '401', 'and each change holds at once');

set_silently($key, 'active');
$redis->cmd('ACL', 'SETUSER', 'default', '+subscribe');
ok(trusting($port, $key), 'with the subscription back it is cached again');
is(statuses($port, $key), '200', 'as it is now');


# Redis doesn't know the worker.

$redis->cmd('ACL', 'SETUSER', 'default', '-hset');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
ok(wait_for(sub {
    $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == 5
}), 'all workers listen again');
is(questions($port, $key), 20,
   'but trust nothing before Redis is known to know them');

ok(wait_for(sub { questions($port, $key) == 20 }, 10),
   'a worker that can not register trusts nothing');
$redis->cmd('ACL', 'SETUSER', 'default', '+hset');
ok(trusting($port, $key), 'until it can');


# A worker that has slept.

my ($pid) = $alone->workers;

is(statuses($single, $key), '200', 'a gateway of one worker');
ok(trusting($single, $key), 'has cached a key');

kill 'STOP', $pid;
wait_for(sub { slurp("/proc/$pid/stat") =~ /\) T / });

my $client = dial($single);
$client->send("GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: $key->{key}\r\n\r\n");

# to whoever looks, though late, it has just been there
my ($name) = grep { /:$pid$/ } @{$redis->cmd('HKEYS', 'apikey:gateways')};
$redis->cmd('HSET', 'apikey:gateways', $name,
            join ' ', $redis->cmd('TIME')->[0] + 5, '1.0.0 1');

is(apikey('disable', $key->{id}, '--wait', '1ms')->{exit}, 1,
   'a worker sleeps while the key is disabled');
sleep 3;
kill 'CONT', $pid;
is($client->response->status, 401, 'and knows when it wakes up');

is(apikey('enable', $key->{id})->{exit}, 0, 'it has answered');
is(statuses($single, $key), '200', 'and goes on');


# Redis away, restarted, empty.

is(statuses($stale, $key), '200', 'a gateway that may serve what is stale');
ok(trusting($stale, $key), 'has cached a key');
ok(trusting($port, $key), 'another has, too');

$redis->stop;
is(statuses($stale, $key), '200', 'Redis is away: it serves');
is(statuses($port, $key), '503', 'the other does not');
is(statuses($stale, create_anew()), '503', 'nor does it what it never saw');

$redis->start;
ok(wait_for(sub { statuses($stale, $key) eq '401' }, 10),
   'Redis is back and knows nothing: no more does the gateway');
ok(wait_for(sub { statuses($port, $key) eq '401' }, 10), 'nor the other');

$key = create_key();
# each worker finds Redis again by itself
ok(wait_for(sub { statuses($port, $key) eq '200' }, 10), 'a new key');
ok(trusting($port, $key), 'is cached');

# A key of the right form.

sub create_anew {
    my ($text) = $key->{key} =~ /^(.*).{6}$/;

    substr $text, -1, 1, substr($text, -1) eq 'x' ? 'y' : 'x';

    # CRC-32, as base62
    my $crc = 0xffffffff;

    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte;
        $crc = $crc & 1 ? ($crc >> 1) ^ 0xedb88320 : $crc >> 1 for 1 .. 8;
    }

    $crc ^= 0xffffffff;

    my $check = '';
    my @digits = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');

    for (1 .. 6) {
        $check = $digits[$crc % 62] . $check;
        $crc = int($crc / 62);
    }

    return { key => $text . $check };
}

done_testing();
