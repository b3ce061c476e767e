#!/usr/bin/perl

# Limits that start anew while gateways hold leases: they are reached to the
# last request again, and never exceeded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $long = 25920000;

my $redis = redis();

sub gateway {
    my ($port, %opt) = @_;

    return nginx(<<"CONF", workers => 2, %opt);
        apikey_cache zone=keys$port:1m;

        apikey_plan small 60/$long mode=leased;
        apikey_plan org   60/$long mode=leased per=org;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;
            apikey_format any;

            location / {
                empty_gif;
            }

            location /default {
                apikey_default_plan small;
                empty_gif;
            }
        }
CONF
}

sub key { create_key('--permissions', 'full', @_) }

sub used {
    my ($key) = @_;
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return $limits->{windows}[0]{used};
}

# How many of these requests pass.

sub passed {
    my ($port, $count, $key, $uri) = @_;

    return scalar grep {
        get($port, $uri || '/', 'X-API-Key' => $key->{key})->status == 200
    } 1 .. $count;
}

sub reset_key {
    my ($key) = @_;
    my $r = apikey('limits', $key->{id}, '--reset', '--wait', '20s');

    is($r->{exit}, 0, 'reset') or diag $r->{err};
    like($r->{out}, qr/^what was used is forgotten\nconfirmed by (\d) of \1 /,
         'and every worker knows');
}


my @ports = map { free_port() } 1 .. 2;
my @gateways = map { gateway($_) } @ports;

ok(wait_for(sub { apikey('gateways')->{out} =~ tr/\n// == 5 }),
   'all workers are registered');

for my $case ([ 'a plan', '/', '--plan', 'small' ],
              [ 'a default plan', '/default' ])
{
    my ($what, $uri, @args) = @$case;
    my $key = key(@args);

    passed($_, 10, $key, $uri) for @ports;
    cmp_ok(used($key), '>', 20, "$what: leases are held");

    reset_key($key);
    is(passed($ports[0], 80, $key, $uri), 60, "$what: its full limit");
    is(passed($ports[1], 10, $key, $uri), 0, "$what: and no more");
    is(used($key), 60, "$what: counted");
}


# What a gateway gives back that has not been asked since.

{
    my $key = key('--plan', 'small');
    my $port = free_port();
    my $gateway = gateway($port);

    passed($port, 10, $key);
    cmp_ok(used($key), '>', 10, 'an idle gateway holds a lease');

    ok(wait_for(sub { apikey('gateways')->{out} =~ tr/\n// == 7 }),
       'its workers are registered');
    reset_key($key);
    is(passed($ports[0], 60, $key), 60, 'the limit is used elsewhere');

    $gateway->stop;
    is(used($key), 60, 'what it gives back is not of these');
    is(passed($ports[0], 10, $key), 0, 'nothing passes beyond');
}


# A lease that is on its way meanwhile.

{
    my $fake = fake_redis(behind => $redis);
    my $port = free_port();
    my $gateway = gateway($port, redis => $fake, workers => 1);
    my $other = key('--plan', 'small');
    my $key = key('--plan', 'small');

    ok(wait_for(sub { $fake->listeners }), 'its worker listens');
    is(passed($port, 1, $other), 1, 'Redis knows the scripts');

    $fake->forget;
    $fake->script({ ask => 1 }, { ask => 1, hold => 1 });

    my $client = dial($port);
    $client->send("GET / HTTP/1.1\r\nHost: a\r\n"
                  . "X-API-Key: $key->{key}\r\n\r\n");
    $fake->wait_scripts(2);
    cmp_ok(used($key), '>', 1, 'a lease is on its way');

    reset_key($key);

    # it hears of that by way of this server only

    my ($digest) = map { $_->{id} eq $key->{id} ? $_->{digest} : () }
                   map { decode_json($_) }
                   split /\n/, apikey('export')->{out};

    $fake->publish('apikey:changes', "$digest 1 waiting");
    ok(wait_for(sub { grep { $_->[1] =~ /waiting$/ }
                      grep { $_->[0] eq 'PUBLISH' } @{$fake->words} }),
       'and this worker knows, too');

    $fake->script({ ask => 1 });
    $fake->release;
    is($client->response->status, 200, 'it arrives');

    is(passed($port, 80, $key), 60, 'the full limit after the reset');
    $gateway->stop;
    is(used($key), 60, 'counted');
}


# A key that was deleted and imported anew, a second later.

{
    my $text = 'imported-key-of-another-gateway';
    my $line = qq({"key":"$text","id":"again","plan":"small"}\n);
    my $import = sub {
        is(apikey({ stdin => $line }, 'import', '-')->{exit}, 0, 'imported');

        return decode_json(apikey('--json', 'show', 'again')->{out})->{created};
    };
    my $key = { key => $text, id => 'again' };
    my $created = $import->();

    passed($ports[0], 10, $key);
    cmp_ok(used($key), '>', 10, 'a lease is held');

    ok(wait_for(sub { ($redis->cmd('TIME')->[0] // 0) > $created }),
       'in the next second');
    is(apikey('delete', 'again', '--wait', '20s')->{exit}, 0, 'deleted');
    $import->();

    is(passed($ports[0], 80, $key), 60, 'the limit is that of the new key');
    is(used($key), 60, 'counted');
}


# What many keys share is not reset with one of them.

{
    my $key = key('--plan', 'org', '--org', 'acme');

    is(passed($ports[0], 10, $key), 10, 'per=org');
    reset_key($key);
    is(passed($ports[0], 80, $key), 50, 'goes on with what was used');
    is(used($key), 60, 'counted');
}

done_testing();
