#!/usr/bin/perl

# Nodes of a Redis Cluster that die, hang or hand over: only what they serve is
# affected, and no longer than until another serves it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $long = 25920000;
my $cluster = cluster(conf => "cluster-require-full-coverage no\n");
my ($port, $hasty) = map { free_port() } 1 .. 2;

sub gateway {
    my ($port, $timeout) = @_;

    return nginx(<<"CONF", workers => 2);
    apikey_redis ${\ $cluster->servers} timeout=$timeout
                 connect_timeout=$timeout;
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan exact 1000/$long;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        apikey_default_plan exact;

        location / {
            empty_gif;
        }
    }
CONF
}

# The hasty one is for a node that hangs; the other waits for one that is slow.

my $nginx = gateway($port, '60s');
my $other = gateway($hasty, '1s');

# A key with a record on that node.

sub key_on {
    my ($node) = @_;

    while (1) {
        my %before = map { $_ => 1 } @{$node->cmd('KEYS', 'apikey:{*')};
        my $key = create_key();
        my ($name) = grep { !$before{$_} } @{$node->cmd('KEYS', 'apikey:{*')};

        return $key if $name;
    }
}

sub status { get($port, '/', 'X-API-Key' => $_[0]{key})->status }

sub statuses { join ' ', map { status($_) } @_ }

sub serves {
    my ($key, $at) = @_;

    # by both workers

    return wait_for(sub {
        !grep { $_->status != 200 }
              burst($at || $port, 16, '/', 'X-API-Key' => $key->{key});
    });
}

# A node's subscribers that are gateways.

sub listeners {
    my ($node) = @_;

    return () = $node->cmd('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /^id=/mg;
}


my @nodes = $cluster->masters;
my @keys = map { key_on($_) } @nodes;

is(statuses(@keys), '200 200 200', 'a key on each node');

my $served = 0;

$served += grep { $_->status == 200 }
                burst($port, 20, '/', 'X-API-Key' => $_->{key}) for @keys;
is($served, 60, 'both workers know them');


# A master dies.

$nodes[0]->kill;

is(status($keys[0]), 503, 'a dead master\'s key');
is(statuses(@keys[1, 2]), '200 200', 'does not affect the others');
$cluster->failover($nodes[0]);
ok(serves($keys[0]), 'its replica takes over, and serves it');
is(statuses(@keys), '200 200 200', 'all is well');
ok($nginx->wait_log(qr/redis "127\.0\.0\.1:$nodes[0]{port}" can't be used/),
   'the node is named in the log');

$cluster->restart($nodes[0]);
is(statuses(@keys), '200 200 200', 'it comes back as a replica');


# A master hangs.

ok(serves($_, $hasty), 'a hasty gateway') for @keys;
$nodes[1]->pause;
is(get($hasty, '/', 'X-API-Key' => $keys[1]{key})->status, 503,
   'a hanging master\'s key');
is(statuses(@keys[0, 2]), '200 200', 'does not affect the others');
$cluster->failover($nodes[1]);
ok(serves($keys[1], $hasty), 'its replica takes over');
$nodes[1]->resume;
$cluster->settle;
is(statuses(@keys), '200 200 200', 'it wakes up as a replica');
$other->stop;


# A master hands over under load.  It keeps its clients waiting meanwhile.

my $key = key_on($nodes[2]);
my $patient = free_port();

$other = nginx(<<"CONF", workers => 2);
    apikey_redis ${\ $cluster->servers} timeout=60s connect_timeout=60s;
    apikey_plan exact 1000/$long;

    server {
        listen 127.0.0.1:$patient reuseport;
        apikey on;
        apikey_default_plan exact;

        location / {
            empty_gif;
        }
    }
CONF

my $load = in_background(sub {
    my %status;

    for (1 .. 30) {
        $status{$_->status}++
            for burst($patient, 50, '/', 'X-API-Key' => $key->{key});
    }

    return \%status;
});

my $new = $cluster->failover($nodes[2]);

$cluster->failover($new);
is_deeply($load->result, { 200 => 1000, 429 => 500 },
          'handed over twice under load: every request is decided, no more '
          . 'pass than may');
$other->stop;


# The node that a worker listens to dies.

my ($heard) = grep { listeners($_) } $cluster->masters;

ok($heard, 'a node is listened to');
$heard->kill;
$cluster->failover($heard);
ok(wait_for(sub {
    my $n = 0;
    $n += listeners($_) for $cluster->masters;
    return $n == 2;
}, 10), 'both workers listen to other nodes');

my $revoked = create_key();

ok(serves($revoked), 'a cached key');
ok(wait_for(sub {
    apikey('revoke', $revoked->{id})->{out} =~ /^confirmed by 2 of 2/m;
}, 10), 'both confirm that it is revoked');
is($_->status, 401, 'and refuse it')
    for burst($port, 4, '/', 'X-API-Key' => $revoked->{key});

$cluster->restart($heard);


# A slot that no node has takes the whole cluster down.

my $slot = $cluster->slot('lost');
my $owner = $cluster->node('lost');

$_->cmd('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes')
    for $cluster->nodes;
$cluster->drop($slot);
ok(wait_for(sub { statuses(@keys) eq '503 503 503' }), 'CLUSTERDOWN');
like($nginx->log, qr/redis could not decide: "CLUSTERDOWN/,
     'told in the log');

$owner->cmd('CLUSTER', 'ADDSLOTS', $slot);
ok(serves($_), 'it is up again') for @keys;

done_testing();
