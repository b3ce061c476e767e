#!/usr/bin/perl

# Clients that go away while Redis is being asked leave nothing behind, and
# each request that stays gets its own answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my ($port, $h2_port, $other) = map { free_port() } 1 .. 3;

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

    log_format decided '\$status \$apikey_result \$apikey_id';
    access_log decided.log decided;

    server {
        listen 127.0.0.1:$port;
        listen 127.0.0.1:$h2_port http2;

        location / {
            apikey on;
            add_header X-Id \$apikey_id;
            try_files /none =204;
        }

        location /open {
            return 200 open;
        }
    }
CONF

my @keys = map { create_key('--permissions', 'read', '--limits', '1000r/d') }
               1 .. 3;


sub bytes {
    my ($key, @more) = @_;

    return Test::Apikey::HTTP::bytes('GET', '/', 'X-API-Key' => $key->{key},
                                     @more);
}

# As many requests, all of them held in Redis.

sub held {
    my ($count, $key) = @_;

    $fake->forget;
    $fake->script({ ask => 1, hold => 1 });

    my @clients = map { dial($port)->send(bytes($key)) } 1 .. $count;

    $fake->wait_scripts($count) or die 'not asked';

    return @clients;
}

sub own_answers {
    my ($name) = @_;

    $fake->script({ ask => 1 });

    for my $key (@keys) {
        my $r = get($port, '/', 'X-API-Key' => $key->{key});

        is($r->header('X-Id'), $key->{id}, "$name: own answer");
    }
}

sub count_gone { scalar(() = $nginx->log =~ /prematurely closed/g) }

sub descriptors {
    my ($worker) = $nginx->workers;

    return scalar(() = glob "/proc/$worker/fd/*");
}

own_answers('before');
wait_for(sub { $fake->open == 1 && $fake->listeners == 1 })
    or die 'not connected';
my $descriptors = descriptors();


# Gone first, answered afterwards.

my @clients = held(50, $keys[0]);
my $last = dial($port)->send(bytes($keys[1]));
$fake->wait_scripts(51);

$_->close for @clients;
ok(wait_for(sub { count_gone() == 50 }), 'each request ends with its client');
is(get($port, '/open')->status, 200, 'while Redis is silent');

$fake->release;
is($last->response->header('X-Id'), $keys[1]{id},
   'the answer of another is not taken by who is still there');
own_answers('after the clients');


# Reset, not closed.

@clients = held(20, $keys[0]);

for my $c (@clients) {
    setsockopt $c->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    $c->close;
}

ok(wait_for(sub { count_gone() == 70 }), 'a reset ends the request');
$fake->release;
own_answers('after resets');


# Half of them gone; those that stay are answered, in any order.

@clients = held(20, $keys[2]);
$clients[2 * $_]->close for 0 .. 9;
ok(wait_for(sub { count_gone() == 80 }), 'every other one');
$fake->script({ ask => 1 });
$fake->release;

is(scalar(grep { $clients[2 * $_ + 1]->response->status == 204 } 0 .. 9), 10,
   'those that stayed are answered');


# Gone with Redis's answer to nobody: the connection ends in between.

@clients = held(20, $keys[0]);
$_->close for @clients[0 .. 9];
ok(wait_for(sub { count_gone() == 90 }), 'gone');
$fake->cut;
is(scalar(grep { $_->response->status == 503 } @clients[10 .. 19]), 10,
   'a lost connection is 503 to those that stayed');

ok(wait_for(sub {
    $fake->script({ ask => 1 });
    get($port, '/', 'X-API-Key' => $keys[0]{key})->status == 204;
}), 'and asked anew');


# Before Redis was ever connected.

$fake->greet(PING => { say => "+PONG\r\n", hold => 1 });
my $connections = $fake->connections;
$fake->cut;
ok(wait_for(sub { $fake->connections > $connections }), 'it is greeted again');

my $fresh = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$other;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

@clients = map { dial($other)->send(bytes($keys[0])) } 1 .. 5;
$_->close for @clients[0 .. 2];
ok(wait_for(sub { (() = $fresh->log =~ /prematurely closed/g) == 3 }),
   'gone before Redis was connected');
$fake->greet(PING => "+PONG\r\n");
$fake->forget;
$fake->script({ ask => 1 });
$fake->release;
is(scalar(grep { $_->response->status == 204 } @clients[3, 4]), 2,
   'those that stayed are asked for when it is');

# once more, if the worker hears of changes only since then
cmp_ok(scalar(grep { $_->[0] =~ /^EVAL/ } @{$fake->words}), '<=', 6,
       'nothing is asked for those who left');
$fresh->stop;


# HTTP/2: a stream that is reset, a connection that ends.

sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}

# A literal without indexing: the name, the value.
sub field { "\0" . join '', map { pack('C', length $_) . $_ } @_ }

sub h2_request {
    my ($stream, $key) = @_;

    return frame(1, 5, $stream, "\x82\x84\x86" . field(':authority', 'x')
                                . field('x-api-key', $key->{key}));
}

ok(wait_for(sub {
    get($port, '/', 'X-API-Key' => $keys[0]{key})->status == 204;
}), 'Redis is there');

$fake->forget;
$fake->script({ ask => 1, hold => 1 });

my $preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '');
my $h2 = dial($h2_port)->send($preface . h2_request(1, $keys[0])
                              . h2_request(3, $keys[1]));

$fake->wait_scripts(2);

my $logged = sub { scalar(() = slurp("$nginx->{dir}/decided.log") =~ /\n/g) };
my $before = $logged->();

$h2->send(frame(3, 0, 1, pack 'N', 8));
ok(wait_for(sub { $logged->() == $before + 1 }),
   'a stream reset is a request ended');

$fake->script({ ask => 1 });
$fake->release;

ok(wait_for(sub { $logged->() == $before + 2 }), 'the other one goes on');

my @lines = (split /\n/, slurp("$nginx->{dir}/decided.log"))[-2, -1];
is("@lines", "499 - - 204 ok $keys[1]{id}", 'with its own answer');

$fake->forget;
$fake->script({ ask => 1, hold => 1 });
$h2->send(join '', map { h2_request(2 * $_ + 1, $keys[0]) } 2 .. 9);
$fake->wait_scripts(8);
$before = $logged->();
$h2->close;
ok(wait_for(sub { $logged->() == $before + 8 }),
   'the end of the connection ends all of its requests');
$fake->release;
own_answers('after HTTP/2');


# A half-closed client is one that has gone, as for nginx's own modules.

my ($half) = held(1, $keys[0]);
shutdown $half->{socket}, 1;
ok($half->closed, 'a half-closed client is gone');
$fake->release;
own_answers('after a half-closed client');


ok(wait_for(sub { descriptors() <= $descriptors }), 'no descriptor is left')
    or diag descriptors(), " not $descriptors";

$nginx->stop;
like($nginx->log, qr/exited with code 0/, 'the worker ends well');

done_testing();
