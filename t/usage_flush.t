#!/usr/bin/perl

# Usage on its way to Redis: nothing is lost on a reload or at the end, nothing
# is sent twice, what couldn't be sent waits, and all of it is bounded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my ($port, $direct) = map { free_port() } 1 .. 2;

my $locations = <<'CONF';
    apikey on;
    apikey_format any;

    location / {
        apikey_endpoint "$arg_e";
        apikey_country "$arg_c";
        try_files /none =204;
    }
CONF

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=500ms connect_timeout=60s;
    apikey_cache zone=keys:32m valid=1h stale=1h;

    server {
        listen 127.0.0.1:$port;
        $locations
    }
CONF

my $other = nginx(<<"CONF", workers => 2);
    server {
        listen 127.0.0.1:$direct reuseport;
        $locations
    }
CONF

sub key { create_key('--permissions', 'read') }

sub ask {
    my ($key, $times, $at) = @_;

    return join ' ', map {
        get($at || $port, '/?e=x', 'X-API-Key' => $key->{key})->status
    } 1 .. $times;
}

sub counted {
    my ($key, $count, $name) = @_;
    my $n;

    wait_for(sub { ($n = $redis->usage($key)->{n} || 0) >= $count }, 10);
    is($n, $count, $name);
}


# A second later, at each worker; a reload, and the end.

my $key = key();

ask($key, 10, $direct);
counted($key, 10, 'counted soon, without another request');

for (1 .. 5) {
    ask($key, 4, $direct);
    $other->reload;
}

ask($key, 4, $direct);
$other->stop;
is($redis->usage($key)->{n}, 34, 'reloads and the end lose nothing');

$other->start;


# Labels: at once, and one by one.

sub labels { grep { /^e/ } keys %{$redis->usage($_[0])} }

$key = key();

my @bytes = map { Test::Apikey::HTTP::bytes('GET', "/?e=label$_",
                                            'X-API-Key' => $key->{key}) }
            1 .. 150;

exchange($direct, [ @bytes[0 .. 59] ]);
counted($key, 60, 'some labels');
exchange($direct, [ @bytes[30 .. 149] ]);
counted($key, 180, 'and more');

my $usage = $redis->usage($key);

is(scalar(labels($key)), 101, 'a hundred of them are told apart');
is($usage->{eother}, 50, 'the others are counted together');
is($usage->{elabel31}, 2, 'those that were there go on');
$other->stop;


# Redis can't be reached, and comes back.

$key = key();
is(ask($key, 1), '204', 'a key that is known');
counted($key, 1, 'and counted');

$fake->refuse;
$fake->cut;
is(ask($key, 5), '204 204 204 204 204', 'used while Redis is away');
$fake->listen;
counted($key, 6, 'is counted when it is back');


# An answer that is lost.

$fake->usage({ ask => 1, lose => 1 }, { ask => 1 });
ask($key, 3);
counted($key, 9, 'written, and the answer is lost');
ok($nginx->wait_log(qr/no reply in time/, 10), 'which the worker notices');

ask($key, 1);
counted($key, 10, 'it was not sent again');


# What Redis refuses for now, and what for good.

my $sent = $fake->usages;

$fake->usage(resp(\'OOM no memory'), resp(\'READONLY not now'),
             { ask => 1 });
ask($key, 2);
counted($key, 12, 'what Redis refused is sent again');
is($fake->usages, $sent + 3, 'until it is taken');

my $complaints = () = $nginx->log =~ /\[error\].*could not count usage/g;
is($complaints, 1, 'which is told once');

$fake->usage(resp(\'ERR never'), { ask => 1 });
$sent = $fake->usages;
ask($key, 1);
ok(wait_for(sub { $fake->usages == $sent + 1 }), 'what it never takes');
ask($key, 1);
counted($key, 13, 'is dropped, what comes later is not');


# What waits goes together: sixteen keys in a call, if they may.

sub calls {
    my ($count, $expected, $name, @rules) = @_;
    my @keys = map { key() } 1 .. $count;

    ask($_, 1) for @keys;
    wait_for(sub { !grep { !$redis->usage($_)->{n} } @keys }, 20);

    $fake->refuse;
    $fake->cut;
    ask($_, 2) for @keys;
    sleep 1;    # until all are due

    my $sent = $fake->usages;

    $fake->usage(@rules, { ask => 1 });
    $fake->listen;
    wait_for(sub { !grep { $redis->usage($_)->{n} < 3 } @keys }, 20);

    is(join(' ', map { $redis->usage($_)->{n} } @keys),
       join(' ', (3) x @keys), "$name: counted");
    is($fake->usages - $sent, $expected, "$name: by so many calls");
}

calls(20, 2, 'many keys');
calls(3, 4, 'keys of several slots', resp(\'CROSSSLOT not together'));
calls(3, 3, 'and from then on');


# More than there is memory for: the oldest goes, which is told once.

{
    my $kept = redis(conf => "appendonly yes\n");
    my $full = free_port();
    my $nginx = nginx(<<"CONF", redis => $kept);
        apikey_redis 127.0.0.1:$kept->{port} timeout=60s connect_timeout=60s;
        apikey_cache zone=keys:96m valid=1h stale=1h;

        server {
            listen 127.0.0.1:$full;
            $locations
            location /status { apikey off; apikey_status; }
        }
CONF

    my $scopes = join ',', map { qq("resource-number-$_:read") } 1 .. 140;
    my @keys = map { { id => "big$_", key => "big-key-number-$_" } } 1 .. 4500;

    is(apikey({ redis => $kept }, 'import', file('big', join '', map {
            qq({"id":"$_->{id}","key":"$_->{key}","scopes":[$scopes]}\n)
       } @keys))->{exit}, 0, 'keys with large records');

    my @asked = map { Test::Apikey::HTTP::bytes('GET', '/?e=x',
                          'X-API-Key' => $_->{key}) } @keys;
    my $ask_all = sub {
        my @some = @asked;
        my $count = 0;

        while (my @few = splice @some, 0, 200) {
            $count += grep { $_->status == 204 } exchange($full, \@few);
        }

        return $count;
    };
    my $counts = sub { map { $kept->usage($_)->{n} || 0 } @keys };

    is($ask_all->(), 4500, 'they are known');
    ok(wait_for(sub { !grep { $_ != 1 } $counts->() }, 30), 'and counted');

    $kept->stop;
    is($ask_all->(), 4500, 'used while Redis is away');

    my $usage = get($full, '/status')->json->{usage};

    cmp_ok($usage->{waiting_bytes}, '>', 7e6, 'much of that waits');

    # labels of what waits

    for my $label (map { 'x' x 50 . $_ } 1 .. 14) {
        exchange($full, [ map {
            Test::Apikey::HTTP::bytes('GET', "/?e=$label&c=$label",
                                      'X-API-Key' => $_->{key})
        } @keys[-300 .. -1] ]);
    }

    $usage = get($full, '/status')->json->{usage};
    cmp_ok($usage->{waiting_bytes}, '<', 25.5e6, 'and no more than may');

    $kept->start;
    wait_for(sub { eval { $kept->cmd('PING'); 1 } });
    ok(wait_for(sub { !grep { $_ < 2 } ($counts->())[-200 .. -1] }, 30),
       'the last are counted when it is back');

    my @counts = $counts->();
    my @dropped = grep { $counts[$_] < 2 } 0 .. $#counts;

    cmp_ok(scalar @dropped, '>', 0, 'some were dropped');
    cmp_ok(scalar @dropped, '<', 4000, 'as few as have to be');
    is(get($full, '/status')->json->{usage}{dropped}, @dropped,
       'apikey_status tells how many');

    # those of a batch come in no order
    is_deeply([ grep { $_ > @dropped + 200 } @dropped ], [], 'the oldest');

    $kept->cmd('CONFIG', 'SET', 'maxmemory', 1);
    is($ask_all->(), 4500, 'used while Redis has no memory');
    ok($nginx->wait_log(qr/could not count usage: "OOM/, 10), 'which it says');
    $kept->cmd('CONFIG', 'SET', 'maxmemory', 0);
    $nginx->stop;

    my $gained = 0;
    $gained += $_ for $counts->();
    $gained -= $_ for @counts;

    cmp_ok($gained, '>', 100, 'is counted later, as far as there was room');
    cmp_ok($gained, '<', 4500, 'and no further');

    my $told = () = $nginx->log =~ /usage of too many keys waits/g;
    is($told, 2, 'which is told once each time');
}


# A Redis that doesn't answer holds up no worker that ends.

$fake->usage({ lose => 1 });
ask($key, 1);
is(join(' ', $nginx->stop), '', 'a worker ends, though Redis is silent');
like($nginx->log, qr/\[warn\].*usage of 1 keys is lost/,
     'and says what is lost');

done_testing();
