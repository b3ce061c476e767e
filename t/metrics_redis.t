#!/usr/bin/perl

# apikey_status: how the workers stand with Redis, and what they have asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Prometheus;

my $redis = redis();
my ($port, $pair) = (free_port(), free_port());

sub conf {
    my ($port) = @_;

    return <<"CONF";
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan plenty 100000/25920000;
    apikey_plan leased 100000/25920000 mode=leased;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        apikey_usage off;

        location / { try_files /none =204; }
        location /metrics { apikey off; apikey_status prometheus; }
        location /status { apikey off; apikey_status; }
    }
CONF
}

# The one worker that is asked is the one that answers.
my $nginx = nginx(conf($port), workers => 1);

my $key = create_key('--permissions', 'read', '--plan', 'plenty');
my $leased = create_key('--permissions', 'read', '--plan', 'leased');

sub ask { get($port, '/', 'X-API-Key' => $_[0]{key})->status }

sub value {
    my ($name, $at) = @_;

    return 0 + metrics($at || $port, '/metrics')->value("apikey_$name");
}

sub becomes {
    my ($name, $expected, $why, $at) = @_;
    my $value;

    wait_for(sub { ($value = value($name, $at)) == $expected }, 60);
    is($value, $expected, $why);
}

sub connections {
    my ($role, $state, $count, $why, $at) = @_;

    becomes("redis_connections{server=\"127.0.0.1:$redis->{port}\","
            . "role=\"$role\",state=\"$state\"}", $count, $why, $at);
}


# Connected.

is(ask($key), 204, 'a key');
connections($_, 'ready', 1, "$_: connected") for 'commands', 'subscription';
connections($_, 'failing', 0, "$_: not failing")
    for 'commands', 'subscription';
becomes('subscribed_workers', 1, 'the worker hears of changes');
becomes('trusting_workers', 1, 'and trusts what is cached');
ok(wait_for(sub { value('subscription_age_seconds') < 5 }, 60),
   'it has heard of late');
is(value('redis_failing_seconds'), 0, 'nothing fails');


# Round trips, and what saves them.

sub rises {
    my ($by, $why, $name, $code) = @_;
    my $before = value($name);

    $code->();
    is(value($name) - $before, $by, $why);
}

my $ask = sub { ask($key) for 1 .. 20 };

rises(20, 'each decision is measured', 'redis_latency_seconds_count', $ask);

# A machine that stands still has heard nothing of Redis for so long that it
# trusts no record.
sub undisturbed { ok(wait_for($_[1], 60), $_[0]) }

undisturbed('each record is found', sub {
    my $before = value('cache_hits_total');

    $ask->();
    return value('cache_hits_total') - $before == 20;
});

cmp_ok(value('redis_latency_seconds_sum'), '>', 0, 'it takes some time');
is(value('cache_entries'), 1, 'one record');

rises(1, 'one that was not there', 'cache_misses_total', sub {
    ask($leased);
});

sub gone {
    my $m = metrics($port, '/metrics');

    return $m->value('apikey_lease_tokens_taken_total')
           - $m->value('apikey_lease_tokens');
}

undisturbed('what was taken of a lease and is not there was spent', sub {
    ask($leased) == 204 && value('lease_tokens') > 40 or return;

    my $gone = gone();

    ask($leased) for 1 .. 20;
    return value('leases') == 1 && gone() == $gone + 20;
});

# one look after the other, with nothing on its way

my $json;

undisturbed('JSON tells the same', sub {
    my $m = metrics($port, '/metrics');
    my $sum = 0;

    $json = get($port, '/status')->json;
    $sum += $_ for @{$json->{latency}{count}};

    return $json->{leases}{tokens} == $m->value('apikey_lease_tokens')
           && $sum == $m->value('apikey_redis_latency_seconds_count');
});

is(@{$json->{latency}{count}}, @{$json->{latency}{le}} + 1,
   'with a place for those beyond');
is_deeply([ sort map { "$_->{role} $_->{ready} $_->{failing}" }
                     @{$json->{connections}} ],
          [ 'commands 1 0', 'subscription 1 0' ], 'and of connections');


# Redis has forgotten the scripts: that of decisions, that of beats, and
# perhaps the one that gives back.

my $loads = value('redis_script_loads_total');
my $monitor = $redis->monitor;
my @sent;

cmp_ok($loads, '>=', 2, 'scripts were sent in full');
$redis->cmd('SCRIPT', 'FLUSH');
is(ask($key), 204, 'Redis has forgotten them');
ok(wait_for(sub {
    push @sent, map { /\] "EVAL" ("(?:[^"\\]|\\.)*")/ } $monitor->lines;
    @sent >= 2 && value('redis_script_loads_total') == $loads + @sent;
}, 60), 'they are sent in full again');

my %sent = map { $_ => 1 } @sent;
is(keys %sent, @sent, 'each of them once');


# The subscription is lost, and comes back.

my $heard = 'redis_connects_total{role="subscription"}';
my $before = value($heard);

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
becomes($heard, $before + 1, 'the subscription is cut and made again');
becomes('trusting_workers', 1, 'and trusted again');

$redis->cmd('ACL', 'SETUSER', 'default', '-subscribe');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
becomes('subscribed_workers', 0, 'it is not allowed any more');
is(value('trusting_workers'), 0, 'so nothing cached is trusted');
connections('subscription', 'ready', 1, 'though it is connected');
$redis->cmd('ACL', 'SETUSER', 'default', '+subscribe');
becomes('subscribed_workers', 1, 'it is again');


# Somebody waits.

$redis->pause;

my $waiting = in_background(sub { ask($key) });

ok(wait_for(sub { value('redis_pending_commands') }, 60),
   'a command waits');
$redis->resume;
is($waiting->result, 204, 'and is answered');
becomes('redis_pending_commands', 0, 'none waits');


# Redis is away.

my $made = value('redis_connects_total{role="commands"}');
my $failed = value('redis_failures_total{role="commands"}');

$redis->kill;
connections('commands', 'failing', 1, 'Redis is away: it is failing');
becomes('subscribed_workers', 0, 'nobody hears anything');

my $refused = value('redis_refused_commands_total');

is(ask($key), 503, 'a request is refused') for 1 .. 5;

# so are beats
cmp_ok(value('redis_refused_commands_total'), '>=', $refused + 5,
       'commands are refused, and that is counted');
cmp_ok(value('redis_failures_total{role="commands"}'), '>', $failed,
       'failures are counted');
ok(wait_for(sub { value('redis_failing_seconds') > 0 }, 60), 'and how long');
becomes('requests_total{result="unavailable"}', 5, 'that is a result');

$redis->start;
connections('commands', 'ready', 1, 'it is back');
is(value('redis_failing_seconds'), 0, 'nothing fails');
is(value('redis_connects_total{role="commands"}'), $made + 1,
   'one connection more');
becomes('subscribed_workers', 1, 'and it hears of changes');


# Over workers.

my $two = nginx(conf($pair), workers => 2);

for my $role ('commands', 'subscription') {
    connections($role, 'ready', 2, "$role: those of two workers", $pair);
}

becomes('subscribed_workers', 2, 'both hear of changes', $pair);

my ($victim) = $two->workers;

kill 'KILL', $victim;
expect_log(qr/worker process $victim exited on signal 9/);

becomes('redis_connects_total{role="commands"}', 3,
        'a worker is killed, the one in its place goes on counting', $pair);
connections('commands', 'ready', 2, 'and no connection is told twice',
            $pair);

done_testing();
