#!/usr/bin/perl

# Two gateways of two workers cache records and hold leases: a thousand times a
# key is revoked, and no worker lets it in after the command has said so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;

my $rounds = 1000;

my $redis = redis();
my @ports;

for (1 .. 2) {
    push @ports, my $port = free_port();

    nginx(<<"CONF", workers => 2);
        apikey_cache zone=keys:1m valid=1h;
        apikey_plan leased 1000000/25920000 mode=leased;

        keepalive_requests 100000;
        keepalive_timeout 1h;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;
            add_header X-Worker \$pid always;

            location / {
                empty_gif;
            }
        }
CONF
}

sub ask {
    my ($client, $key) = @_;

    $client->send("GET / HTTP/1.1\r\nHost: a\r\n"
                  . "X-API-Key: $key->{key}\r\n\r\n");

    return $client->response;
}

# A connection to each worker.

my $first = create_key();
my %worker;

for my $port (@ports) {
    for (1 .. 200) {
        my $client = dial($port);

        $worker{ask($client, $first)->header('X-Worker')} ||= $client;
    }
}

is(keys %worker, 4, 'four workers');
ok(wait_for(sub {
    my $listed = decode_json(apikey('--json', 'gateways')->{out});

    return join(' ', sort map { $_->{name} =~ /:(\d+)$/ } @$listed)
           eq join(' ', sort keys %worker);
}), 'are listed');

# Whoever was silent for five seconds isn't waited for, and trusts nothing: so
# are all workers of a machine that stood still.

my ($passed, $confirmed, $refused, $still, %wrong) = (0, 0, 0, 0);
my $last = time;

sub stood_still {
    my $now = time;

    $still = $now if $now > $last + 1;
    $last = $now;

    return $now < $still + 5;
}

for my $round (1 .. $rounds) {
    my $key = create_key($round % 2 ? ('--plan', 'leased') : ());

    for my $client (values %worker) {
        $passed += grep { ask($client, $key)->status == 200 } 1 .. 3;
        stood_still();
    }

    my $r = apikey('revoke', $key->{id});
    my $all = $r->{out} =~ /^confirmed by 4 of 4 workers in \d+ ms$/m;

    $confirmed++ if $r->{exit} == 0 && ($all || stood_still());
    stood_still();

    for my $pid (keys %worker) {
        my $status = ask($worker{$pid}, $key)->status;

        $status == 401 ? $refused++ : $wrong{"$pid: $status"}++;
    }
}

is($passed, 12 * $rounds, 'every worker has let the keys in');
is($confirmed, $rounds, 'every worker has confirmed');
is($refused, 4 * $rounds, 'and lets nobody in afterwards')
    or diag explain \%wrong;

done_testing();
