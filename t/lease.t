#!/usr/bin/perl

# Leases: a gateway counts ahead and spends without asking, and the limit is
# what it is in exact mode.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $long = 25920000;

my $redis = redis();
my $up = upstream();

sub gateway {
    my ($port, %opt) = @_;

    return nginx(<<"CONF", workers => 2, %opt);
        apikey_cache zone=keys$port:1m valid=300ms;

        apikey_plan big    1000/$long mode=leased;
        apikey_plan large  1000000/$long mode=leased;
        apikey_plan small  60/$long mode=leased;
        apikey_plan both   60/$long 1000/31104000 mode=leased;
        apikey_plan slow   60/$long mode=leased algorithm=sliding;
        apikey_plan org    60/$long mode=leased per=org;
        apikey_plan round  40/2 100000/$long mode=leased;
        apikey_plan slide  40/2 mode=leased algorithm=sliding;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;

            location / {
                empty_gif;
            }

            location /cost {
                apikey_cost 7;
                empty_gif;
            }

            location /charge {
                apikey_charge 9;
                empty_gif;
            }

            location /slow {
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }
CONF
}

sub key { create_key('--permissions', 'full', '--plan', @_) }

# What Redis has counted, in the key's shortest window.

sub used {
    my ($key) = @_;
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});
    my ($window) = sort { $a->{seconds} <=> $b->{seconds} }
                   @{$limits->{windows}};

    return $window ? $window->{used} : 0;
}

# How many of these requests pass.

sub passed {
    my ($port, $count, $key, $uri) = @_;

    return scalar grep {
        get($port, $uri || '/', 'X-API-Key' => $key->{key})->status == 200
    } 1 .. $count;
}

# How many questions that takes, but for those of workers about themselves.

sub asked {
    my ($code) = @_;
    my $monitor = $redis->monitor;

    $code->();

    return scalar grep { /\] "evalsha?"/i && !/gateways|usage/ } $monitor->lines;
}

sub kill_gateway {
    my ($gateway) = @_;

    kill 'KILL', $gateway->{pid}, $gateway->workers;
    waitpid $gateway->{pid}, 0;
    delete @$gateway{qw(pid child)};
}


my @ports = map { free_port() } 1 .. 2;
my @gateways = map { gateway($_) } @ports;

my $idle = key('big');
is(passed($ports[0], 20, $idle), 20, 'a key that will be idle');
cmp_ok(used($idle), '>', 20, 'more is counted ahead');

my $returned = in_background(sub {
    wait_for(sub { sleep 0.3; used($idle) == 20 }, 20);

    return used($idle);
});


# Headers and commands.

{
    my $warm = key('big');
    my $key = key('big');

    # once the workers hear of changes, and Redis knows them

    wait_for(sub { asked(sub { passed($ports[0], 20, $warm) }) < 7 }, 10);

    my ($last, $wrong, $count) = (1000, '', 0);

    # for longer than a record is valid

    my $end = time + 1;
    my $asked = asked(sub {
        while (time < $end || $count < 300) {
            my $r = get($ports[0], '/', 'X-API-Key' => $key->{key});
            my $left = $r->header('X-RateLimit-Remaining');

            $count++;
            $wrong .= "$last to $left, " if $left >= $last;
            $last = $left;

            last if $count == 600;
            sleep 0.002;
        }
    });

    is($wrong, '', 'what remains falls with each request');
    is($last, 1000 - $count, 'and is right');
    cmp_ok($asked, '<', $count / 3, 'Redis is asked for few of them');
}


# The limit.

for my $plan (qw(small both slow)) {
    my $key = key($plan);

    is(passed($ports[0], 80, $key), 60, "$plan: passed to the last one");
    is(passed($ports[1], 10, $key), 0, "$plan: at no gateway more");
    is(used($key), 60, "$plan: counted");
}

{
    my @keys = map { key('org', '--org', 'acme') } 1 .. 2;

    is(passed($ports[0], 40, $keys[0]) + passed($ports[0], 40, $keys[1]), 60,
       'per=org: keys share what is leased');
}


# Cost and charge.

{
    my $key = key('small');
    my ($cheap, $dear) = (passed($ports[0], 10, $key), 0);

    $dear = passed($ports[0], 30, $key, '/cost');
    is($cheap + 7 * $dear, 59, 'dear requests pass as long as they fit');
    is(passed($ports[0], 5, $key), 1, 'a cheap one fits');

    $key = key('small');
    # on one connection: a charge comes after the response
    my $client = dial($ports[0]);
    my $passed = 0;

    for (1 .. 20) {
        $client->send("GET /charge HTTP/1.1\r\nHost: a\r\n"
                      . "X-API-Key: $key->{key}\r\n\r\n");
        $passed++ if $client->response->status == 200;
    }

    is($passed, 6, 'a charge is counted');

    ok(wait_for(sub { used($key) >= 60 }), 'in Redis, too');
}


# Windows that end under load.

{
    my $round = key('round');
    my $slide = key('slide');
    my $end = time + 7;

    my @load = map { my $port = $_; map { my $key = $_; in_background(sub {
        my %passed;

        while (time < $end) {
            my $r = get($port, '/', 'X-API-Key' => $key->{key});

            $passed{$r->header('X-RateLimit-Reset')}++ if $r->status == 200;
            sleep 0.004;
        }

        return \%passed;
    }) } $round, $slide } @ports;

    my (%round, %slide);

    for my $i (0 .. $#load) {
        my $passed = $load[$i]->result;
        my $sum = $i % 2 ? \%slide : \%round;

        $sum->{$_} += $passed->{$_} for keys %$passed;
    }

    # "round" tells of the shorter window, of which less is left

    my @resets = sort { $a <=> $b } keys %round;
    is_deeply([ grep { $_ > 40 } values %round ], [],
              'no window lets more pass than its limit');
    is_deeply([ map { $round{$_} } @resets[1 .. $#resets - 1] ],
              [ (40) x (@resets - 2) ], 'nor less, while there is load');
    cmp_ok(@resets, '>=', 3, 'several windows have passed');

    is_deeply([ grep { $_ > 40 } values %slide ], [],
              'nor do sliding windows');
    cmp_ok(scalar(grep { $_ } values %slide), '>=', 3, 'they go on');
}


# A client that goes away while a lease is on its way.

{
    my $fake = fake_redis(behind => $redis);
    my $port = free_port();
    my $gateway = gateway($port, redis => $fake, workers => 1);
    my $key = key('large');

    is(passed($port, 1, $key), 1, 'Redis knows the scripts');

    # its record, then the lease

    my $other = key('large');

    $fake->forget;
    $fake->script({ ask => 1 }, { ask => 1, hold => 1 });

    my $client = dial($port);
    $client->send("GET / HTTP/1.1\r\nHost: a\r\n"
                  . "X-API-Key: $other->{key}\r\n\r\n");
    $fake->wait_scripts(2);
    $client->close;
    ok(wait_for(sub { $gateway->access_log =~ / 499 / }),
       'a client has gone away');
    cmp_ok(used($other), '>', 1, 'while a lease is on its way');

    $fake->script({ ask => 1 });
    $fake->release;

    is(passed($port, 3, $other), 3, 'others spend it');
    $gateway->stop;
    is(used($other), 4, 'what is not spent is given back');
}


# Killed, reloaded, ended.

{
    my $port = free_port();
    my $gateway = gateway($port);
    my $key = key('small');

    is(passed($port, 10, $key), 10, 'a gateway with leases');
    my $counted = used($key);
    cmp_ok($counted, '>', 10, 'holds some');
    kill_gateway($gateway);

    is(passed($ports[0], 60, $key), 60 - $counted,
       'the gateway is killed: what it held is lost, but not given twice');
}

{
    my $key = key('big');

    is(passed($ports[1], 30, $key), 30, 'before a reload');
    my $held = used($key) - 30;
    cmp_ok($held, '>', 2, 'a lease is held');
    ok($gateways[1]->reload, 'reloaded');

    is(passed($ports[1], 4, $key), 4, 'after the reload');
    cmp_ok(used($key), '<=', 30 + $held + 4 + 1,
           'the lease is not taken anew');

    my ($pid) = $gateways[1]->workers;

    expect_log(qr{worker process $pid exited on signal 9});
    kill 'KILL', $pid;
    ok(wait_for(sub { !grep { $_ == $pid } $gateways[1]->workers }),
       'a worker is killed');
    is(passed($ports[1], 20, $key), 20, 'another takes its place');
    cmp_ok(used($key), '>', 54, 'a lease is held still');

    # as if it had never been asked to give back
    $redis->cmd('SCRIPT', 'FLUSH');
    $gateways[1]->stop;
    is(used($key), 54, 'at the end everything is given back');
}

# Another binary takes over; it has a memory of its own.

{
    my $port = free_port();
    my $gateway = gateway($port, daemon => 1);
    my $key = key('big');

    ok(wait_for(sub {
        passed($port, 1, $key);
        return used($key) > 60;
    }), 'a lease is held before an upgrade');

    my $before = 1000 - get($port, '/', 'X-API-Key' => $key->{key})
                        ->header('X-RateLimit-Remaining');

    $gateway->upgrade;
    is(passed($port, 20, $key), 20, 'after it');
    $gateway->stop;
    is(used($key), $before + 20, 'both have given back what they held');
}

is($returned->result, 20, 'what is idle is given back within 20 s');

done_testing();
