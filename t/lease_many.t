#!/usr/bin/perl

# Four gateways of two workers on one Redis: a limit is never exceeded, and is
# reached to the last request, in exact and in leased mode.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $limit = 400;
my $long = 25920000;

my $redis = redis();
my @ports = map { free_port() } 1 .. 4;

for my $port (@ports) {
    nginx(<<"CONF", workers => 2);
        apikey_cache zone=keys:1m;

        apikey_plan exact   $limit/$long;
        apikey_plan leased  $limit/$long mode=leased;
        apikey_plan sliding $limit/$long mode=leased algorithm=sliding;
        apikey_plan org     $limit/$long mode=leased per=org;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;

            location / {
                empty_gif;
            }

            location /three {
                apikey_cost 3;
                empty_gif;
            }
        }
CONF
}

# So many requests to each gateway, all gateways at once: what has passed.

sub load {
    my ($count, $keys, $cost) = @_;

    my @children = map { my $port = $_; in_background(sub {
        my $passed = 0;

        for my $batch (1 .. $count / 100) {
            my @requests = map {
                my $dear = $cost && $_ % $cost == 0;

                Test::Apikey::HTTP::bytes('GET', $dear ? '/three' : '/',
                    'X-API-Key' => $keys->[$_ % @$keys]{key});
            } 1 .. 100;

            my @got = exchange($port, \@requests);

            for my $i (0 .. $#got) {
                next if $got[$i]->status == 429;
                return "status " . $got[$i]->status
                    if $got[$i]->status != 200;

                $passed += $cost && ($i + 1) % $cost == 0 ? 3 : 1;
            }
        }

        return $passed;
    }) } @ports;

    my $sum = 0;

    for (map { $_->result } @children) {
        return $_ if /status/;
        $sum += $_;
    }

    return $sum;
}

sub key { create_key('--plan', @_) }


my @exact = (key('exact'));

is(load(1000, \@exact), $limit, 'exact: all that fit pass, and no more');

for my $plan (qw(leased sliding org)) {
    my @keys = map { key($plan, '--org', 'acme') }
                   1 .. ($plan eq 'org' ? 3 : 1);

    my $passed = load($plan eq 'leased' ? 1000 : 300, \@keys);
    cmp_ok($passed, '<=', $limit, "$plan: no more than fit pass");

    # gateways that were ready earlier may hold leases

    for (1 .. 5) {
        my $more = load(100, \@keys) or last;
        $passed += $more;
    }

    is($passed, $limit, "$plan: and under load all of them");
}

my @dear = (key('leased'));
my $passed = load(300, \@dear, 5);

for (1 .. 5) {
    my $more = load(100, \@dear) or last;
    $passed += $more;
}

is($passed, $limit, 'the same with costs of one and of three');

done_testing();
