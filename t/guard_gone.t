#!/usr/bin/perl

# "apikey_guard": a bad key counts, though the client hangs up before Redis has
# answered; a good one doesn't.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$port;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        add_header X-Result \$apikey_result always;

        location / {
            apikey on;
            apikey_format any;
            apikey_guard zone=bad:1m rate=3/90000;
            try_files /none =204;
        }
    }
CONF

my $key = create_key()->{key};
my $gone = 0;

sub result {
    my ($address, $key) = @_;

    $fake->script({ ask => 1 });

    return get($port, '/', 'X-API-Key' => $key, 'X-Real-IP' => $address)
               ->header('X-Result');
}

# Clients of an address that don't wait for what Redis says of these keys.

sub hang_up {
    my ($address, @keys) = @_;

    $fake->forget;
    $fake->script({ ask => 1, hold => 1 });

    my @clients = map {
        dial($port)->send(Test::Apikey::HTTP::bytes('GET', '/',
            'X-API-Key' => $_, 'X-Real-IP' => $address))
    } @keys;

    $fake->wait_scripts(scalar @keys) or die 'not asked';
    $_->close for @clients;

    $gone += @keys;
    wait_for(sub { (() = $nginx->log =~ /prematurely closed/g) == $gone }, 10)
        or die 'not gone';

    $fake->release;
}

is(result('192.0.2.1', $key), 'ok', 'a good key');

hang_up('192.0.2.1', ($key) x 5);
is(result('192.0.2.1', $key), 'ok', 'may be shown by who does not wait');

hang_up('192.0.2.1', 'bad-1', 'bad-2');
is(result('192.0.2.1', $key), 'ok', 'fewer bad keys than the rate says');

hang_up('192.0.2.1', 'bad-3');
ok(wait_for(sub { result('192.0.2.1', $key) eq 'guarded' }, 10), 'as many');
is(result('192.0.2.2', $key), 'ok', 'and another address');

done_testing();
