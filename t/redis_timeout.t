#!/usr/bin/perl

# A slow Redis: 503 after the timeout, and no reply is ever taken for the answer
# to another question.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my ($port, $patient_port) = (free_port(), free_port());

my $conf = <<"CONF";
    server {
        listen 127.0.0.1:PORT;
        apikey on;

        location / {
            add_header X-Id \$apikey_id;
            add_header X-Time \$apikey_time always;
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 204;
        }
    }
CONF

my $address = "apikey_redis 127.0.0.1:$fake->{port} connect_timeout=60s";
my $nginx = nginx("$address timeout=300ms;" . $conf =~ s/PORT/$port/r);

my @keys = map { create_key('--permissions', 'read', '--limits', '1000r/d') }
               1 .. 5;


sub ask { get($_[0], '/', 'X-API-Key' => $_[1]{key}) }

sub asking {
    my ($at, $key) = @_;

    return dial($at)->send(
        Test::Apikey::HTTP::bytes('GET', '/', 'X-API-Key' => $key->{key}));
}

sub known {
    my ($at) = @_;

    $fake->script({ ask => 1 });

    for my $key (@keys) {
        my $r;

        ok(wait_for(sub { ($r = ask($at, $key))->status == 204 }), 'answered');
        is($r->header('X-Id'), $key->{id}, 'with its own record');
    }

    $fake->forget;
}


# Each of them once; those of a machine that stood still don't count.

sub timeouts { scalar(() = $nginx->log =~ /no reply in time/g) }

my ($held, $lines) = (0, 0);

sub holds {
    my ($code) = @_;
    my $before = timeouts();

    $code->();
    $held++;
    $lines += timeouts() - $before;
}


known($port);

# Slower than the timeout.

my $r;

holds(sub {
    $fake->script({ ask => 1, hold => 1 });
    $r = ask($port, $keys[0]);
});

is($r->status, 503, 'no reply in time: 503');
cmp_ok($r->header('X-Time'), '>=', 0.3, 'not before the timeout');
cmp_ok($r->header('X-Time'), '<', 60, 'not long after it');
is($r->header('Retry-After'), 1, 'Retry-After');

# Its reply comes when others are asking, on a connection that is closed.

$fake->script({ ask => 1 });
$fake->release;
known($port);

for my $round (1 .. 3) {
    $fake->forget;
    $fake->script({ ask => 1, hold => 1 });

    holds(sub {
        my @clients = map { asking($port, $_) } @keys, @keys;

        is(get($port, '/open')->status, 204, 'other locations go on');
        is(join(' ', map { $_->response->status } @clients),
           join(' ', (503) x 10), 'ten at the same time: 503');
    });

    $fake->script({ ask => 1 });
    $fake->release;
    known($port);
}

# The oldest is late, the others are younger: the connection is lost to all.

is($lines, $held, 'each time-out is logged once') or diag $nginx->log;

$nginx->stop;


# Slow, but in time: each reply finds its question.

$nginx = nginx("$address timeout=60s;" . $conf =~ s/PORT/$patient_port/r);
known($patient_port);

$fake->script({ ask => 1, hold => 1 });
my @asked = map { @keys[map { int rand @keys } 1 .. 10] } 1 .. 10;
my @clients = map { asking($patient_port, $_) } @asked;

$fake->wait_scripts(100);
is(get($patient_port, '/open')->status, 204,
   'a hundred wait, nobody else does');

$fake->script({ ask => 1 });
$fake->release;

my $own = grep {
    ($clients[$_]->response->header('X-Id') // '') eq $asked[$_]{id}
} 0 .. $#asked;

is($own, 100, 'each has its own answer');


# So it is when the replies come in small pieces.

$fake->script({ ask => 1, hold => 1 });
$fake->forget;
@clients = map { asking($patient_port, $_) } @keys;
$fake->wait_scripts(5);
$fake->script({ ask => 1 });
$fake->trickle;

$own = grep {
    ($clients[$_]->response->header('X-Id') // '') eq $keys[$_]{id}
} 0 .. $#keys;

is($own, 5, 'byte by byte');

done_testing();
