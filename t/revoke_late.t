#!/usr/bin/perl

# A key is revoked while Redis's answer about it is on its way: once that is
# confirmed no request passes, whatever the answer said.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Relay;

my $redis = redis();
my $relay = relay($redis);
my @patient = ('connect_timeout=60s', 'timeout=60s');
my %port = map { $_ => free_port() } qw(plain cache);

my %nginx = map { $_ => nginx(<<"CONF") } qw(plain cache);
    apikey_redis 127.0.0.1:$relay->{port} @patient;
    @{[ $_ eq 'cache' ? 'apikey_cache zone=keys:1m valid=1h;' : '' ]}
    apikey_plan counted 1000/25920000;

    server {
        listen 127.0.0.1:$port{$_};
        apikey on;
        add_header X-Result \$apikey_result always;

        location / {
            empty_gif;
        }
    }
CONF

ok(wait_for(sub {
    $redis->cmd('HLEN', 'apikey:gateways') == 2
    && $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == 2
}), 'two workers, which listen');

# Redis knows the script, whose answers are what is held.

is(get($_, '/', 'X-API-Key' => create_key()->{key})->status, 200, 'a key')
    for values %port;

# The results of six requests whose answers are overtaken by the change.

sub overtaken {
    my ($name, $key, @change) = @_;
    my @clients = map { dial($port{$name}) } 1 .. 6;

    $relay->hold;

    for my $client (@clients) {
        $client->send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      . "X-API-Key: $key\r\n\r\n");
    }

    my $held = $relay->wait_held;
    my $r = apikey(@change);

    $relay->release;

    return 'nothing was asked' unless $held;
    return "exit $r->{exit}: $r->{err}" if $r->{exit};
    return "not by all: $r->{out}" if $r->{out} =~ /confirmed by (?!2 of 2)/;

    my %seen = map {
        my $r = $_->response;
        $r->status . ' ' . $r->header('X-Result') => 1;
    } @clients;

    return join ', ', sort keys %seen;
}

for my $name (qw(plain cache)) {
    for my $known (0, 1) {
        for my $plan (0, 1) {
            my $key = create_key($plan ? ('--plan', 'counted') : ());
            my $what = "$name, " . ($known ? 'known' : 'unknown')
                       . ($plan ? ', counted' : '');

            # a record that is known, but not by the other worker's zone
            get($port{$name}, '/', 'X-API-Key' => $key->{key}) if $known;
            apikey('edit', $key->{id}, '--name', 'other') if $known;

            is(overtaken($name, $key->{key}, 'revoke', $key->{id}),
               '401 revoked', "a revocation ($what)");
        }
    }

    my $key = create_key();
    is(overtaken($name, $key->{key}, 'disable', $key->{id}), '401 disabled',
       "it is disabled ($name)");

    $key = create_key();
    is(overtaken($name, $key->{key}, 'delete', $key->{id}), '401 unknown',
       "it is deleted ($name)");

    $key = create_key();
    is(overtaken($name, $key->{key}, 'edit', $key->{id}, '--name', 'x'),
       '200 ok', "a change that doesn't matter ($name)");

    my ($one, $other) = (create_key('--plan', 'counted'), create_key());
    is(overtaken($name, $one->{key}, 'revoke', $other->{id}), '200 ok',
       "a change of another key ($name)");
    is(get($port{$name}, '/', 'X-API-Key' => $one->{key})
           ->header('X-RateLimit-Remaining'), 993,
       'which doesn\'t make a request count twice');
}

done_testing();
