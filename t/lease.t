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

            location /status {
                apikey off;
                apikey_status;
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

    return scalar grep { /\] "evalsha?"/i && !/gateways|usage/ }
                       $monitor->lines;
}

# What a gateway holds of all keys, and what it did.

sub held { get($_[0], '/status')->json->{leases}{tokens} }

sub had {
    my $leases = get($_[0], '/status')->json->{leases};

    return $leases->{tokens} + $leases->{returned};
}

# When nothing is on its way: what Redis has counted was spent or is held.

sub is_spent {
    my ($port, $key, $spent, $name) = @_;
    my ($used, $held);

    wait_for(sub {
        ($used, $held) = (used($key), held($port));
        return $used - $held == $spent;
    }, 60);
    is($used - $held, $spent, $name) or diag("used $used, held $held");
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
my $busy = 20;
is(passed($ports[0], $busy, $idle), $busy, 'a key that will be idle');
ok(wait_for(sub {
    return 1 if used($idle) > $busy;
    $busy += passed($ports[0], 1, $idle);
    return 0;
}, 60), 'more is counted ahead');

my $returned = in_background(sub {
    wait_for(sub { sleep 0.3; used($idle) == $busy }, 60);

    return used($idle);
});


# Headers and commands.

{
    my $key = key('large');
    my ($last, $wrong, $count) = (1000000, '', 0);

    # Each time for longer than a record is valid, which is asked for anew then.
    # Not before the workers hear of changes, and Redis knows them; nor by a
    # machine that stood still, whose workers trust no record, and may hear late
    # of more that was shown as used.

    ok(wait_for(sub {
        my ($began, $before, $same) = (time, $count, 0);
        my $asked = asked(sub {
            while (time < $began + 1 || $count < $before + 300) {
                my $r = get($ports[0], '/', 'X-API-Key' => $key->{key});
                my $left = $r->header('X-RateLimit-Remaining');

                $count++;
                $wrong .= "$last to $left, " if $left > $last;
                $same++ if $left == $last;
                $last = $left;

                sleep 0.002;
            }
        });

        return !$same
               && $asked - (time - $began) / 0.3 < ($count - $before) / 3;
    }, 60), 'what remains falls with each, Redis is asked for few of them');

    is($wrong, '', 'and it never rises');
    is($last, 1000000 - $count, 'and is right');
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

    ok(wait_for(sub { used($key) >= 60 }, 60), 'in Redis, too');
}


# Windows that end under load.

{
    my $loads = file('loads', '');
    my $goes = file('load', '');
    my @keys = (key('round'), key('slide'));

    my @load = map { my $port = $_; map { my $plan = $_; in_background(sub {
        open my $told, '>>', $loads or die $!;
        $told->autoflush(1);

        while (-e $goes) {
            my $r = get($port, '/', 'X-API-Key' => $keys[$plan]{key});

            print $told join(' ', $plan, $port, time, $r->status,
                             $r->header('X-RateLimit-Reset')) . "\n";
            sleep 0.004;
        }
    }) } 0, 1 } @ports;

    # Of each window: how many have passed, and whether both gateways have been
    # asked all the time, and for more, which a machine that stands still
    # doesn't do.

    my $seen = sub {
        my ($plan) = @_;
        my (%passed, %refused, %gap, %last);

        for (split /\n/, slurp($loads)) {
            my ($of, $port, $at, $status, $reset) = split / /;

            next if !defined $reset || $of != $plan;

            $passed{$reset} += $status == 200;
            $refused{$reset}{$port}++ if $status == 429;

            # of the window before it, too
            my $gap = $at - ($last{$port} || 0);
            my $first = !exists $gap{$reset}{$port};

            $last{$port} = $at;
            $gap{$_}{$port} = $gap for grep { ($gap{$_}{$port} || 0) < $gap }
                                            $reset, $first ? $reset - 2 : ();
        }

        my @loaded = grep {
            my $reset = $_;
            my $ends = 0;

            $ends += $_ > $reset for values %last;
            exists $passed{$reset} && $ends == @ports
                && !grep { ($gap{$reset}{$_} || 9) > 0.2
                           || ($refused{$reset}{$_} || 0) < 5 } @ports;
        } keys %passed;

        return (\%passed, sort { $a <=> $b } @loaded);
    };

    # "round" tells of the shorter window, of which less is left

    wait_for(sub {
        my (undef, @loaded) = $seen->(0);
        my ($slide) = $seen->(1);

        sleep 0.2;
        return @loaded >= 3 && 3 <= grep { $_ } values %$slide;
    }, 120);
    unlink $goes;
    $_->result for @load;

    my ($round, @loaded) = $seen->(0);
    my ($slide) = $seen->(1);

    is_deeply([ grep { $_ > 40 } values %$round ], [],
              'no window lets more pass than its limit');
    is_deeply([ @$round{@loaded} ], [ (40) x @loaded ],
              'nor less, while there is load');
    cmp_ok(@loaded, '>=', 3, 'several windows have passed');

    is_deeply([ grep { $_ > 40 } values %$slide ], [],
              'nor do sliding windows');
    cmp_ok(scalar(grep { $_ } values %$slide), '>=', 3, 'they go on');
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
    ok(wait_for(sub { $gateway->access_log =~ / 499 / }, 60),
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
    kill_gateway($gateway);

    # all that it had sent was read when its connections are gone

    ok(wait_for(sub {
        $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == 2 * @ports
    }, 60), 'is killed');

    my $counted = used($key);
    cmp_ok($counted, '>', 10, 'it held some');

    is(passed($ports[0], 60, $key), 60 - $counted,
       'what it held is lost, but not given twice');
}

# One of the first gateways' making would hold leases of other keys, too.

{
    my $port = free_port();
    my $gateway = gateway($port);
    my $key = key('big');
    my $passed = passed($port, 30, $key);

    is($passed, 30, 'before a reload');
    ok(wait_for(sub {
        return 1 if held($port) > 2;
        $passed += passed($port, 1, $key);
        return 0;
    }, 60), 'a lease is held');
    is_spent($port, $key, $passed, 'of what is counted');
    my $had = had($port);
    ok($gateway->reload, 'reloaded');
    is(had($port), $had, 'the lease is there');

    is(passed($port, 4, $key), 4, 'after the reload');
    is_spent($port, $key, $passed += 4, 'it is spent');
    $had = had($port);

    my ($pid) = $gateway->workers;

    expect_log(qr{worker process $pid exited on signal 9});
    kill 'KILL', $pid;
    ok(wait_for(sub { !grep { $_ == $pid } $gateway->workers }, 60),
       'a worker is killed');
    is(had($port), $had, 'the lease is there still');
    is(passed($port, 20, $key), 20, 'another takes its place');
    is_spent($port, $key, $passed += 20, 'and spends it');

    # as if it had never been asked to give back
    $redis->cmd('SCRIPT', 'FLUSH');
    $gateway->stop;
    is(used($key), $passed, 'at the end everything is given back');
}

# Another binary takes over; it has a memory of its own.

{
    my $port = free_port();
    my $gateway = gateway($port, daemon => 1);
    my $key = key('big');

    ok(wait_for(sub {
        passed($port, 1, $key);
        return used($key) > 60;
    }, 60), 'a lease is held before an upgrade');

    my $before = 1000 - get($port, '/', 'X-API-Key' => $key->{key})
                        ->header('X-RateLimit-Remaining');

    $gateway->upgrade;
    is(passed($port, 20, $key), 20, 'after it');
    $gateway->stop;
    is(used($key), $before + 20, 'both have given back what they held');
}

is($returned->result, $busy, 'what is idle is given back');

done_testing();
