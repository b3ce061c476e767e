#!/usr/bin/perl

# Rotated keys in a Cluster, where the old one and the new one are on different
# nodes: one allowance all the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $long = 25920000;

my $cluster = cluster(replicas => 0);
my ($asking, $cached) = map { free_port() } 1 .. 2;

sub gateway {
    my ($port, $cache) = @_;

    nginx(<<"CONF");
        $cache

        apikey_plan exact   10/$long;
        apikey_plan default 10/$long;

        server {
            listen 127.0.0.1:$port;
            apikey on;
            apikey_default_plan default;

            location / {
                try_files /none =204;
            }
        }
CONF
}

gateway($asking, '');
gateway($cached, 'apikey_cache zone=keys:1m;');

sub ask { get($_[1] || $asking, '/', 'X-API-Key' => $_[0]{key})->status }

sub passed {
    my ($count, @more) = @_;

    return scalar grep { $_ == 204 } map { ask(@more) } 1 .. $count;
}

sub done {
    my $r = apikey(@_);

    is($r->{exit}, 0, $_[0]) or diag $r->{err};

    return $r->{out};
}

sub node {
    my ($key) = @_;

    for my $node ($cluster->masters) {
        for (@{$node->cmd('KEYS', 'apikey:{*')}) {
            return $node if ($node->cmd('HGET', $_, 'id') // '') eq $key->{id};
        }
    }

    die "$key->{id} is not there";
}

# Until the new key is on another node.

sub rotate {
    my (@more) = @_;

    for (1 .. 50) {
        my $old = create_key(@more);
        my $new = decode_json(done('--json', 'rotate', $old->{id}, '--grace',
                                   '1h'));

        return ($old, $new) if node($old) != node($new);
    }

    die 'all on one node';
}

ok(wait_for(sub { apikey('gateways')->{out} =~ tr/\n// == 3 }),
   'the gateways are registered');

for ([ 'a plan', '--plan', 'exact' ], [ 'a default plan' ]) {
    my ($what, @args) = @$_;
    my ($old, $new) = rotate(@args);

    is(passed(2, $old) + passed(2, $new) + passed(2, $old, $cached)
       + passed(2, $new, $cached), 8, "$what: both are used");
    is(passed(9, $new) + passed(9, $old, $cached), 2,
       "$what: of one allowance");

    like(done('limits', $_->{id}), qr/ 10 +10 +0 /, "$what: both show it")
        for $old, $new;

    done('limits', $new->{id}, '--reset');
    is(passed(5, $old) + passed(9, $new, $cached), 10, "$what: reset for both");

    done('limits', $old->{id}, '--reset');
    is(passed(6, $new), 6, "$what: by either");

    done('delete', $old->{id});
    is(ask($old), 401, "$what: deleted");
    is(ask($old, $cached), 401, "$what: at both");
    is(passed(9, $new, $cached), 4, "$what: the new one goes on");
}

done_testing();
