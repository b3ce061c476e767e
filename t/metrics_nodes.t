#!/usr/bin/perl

# apikey_status: each node of a Cluster, and sentinels, by name and role.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;
use Test::Apikey::Prometheus;
use Test::Apikey::Sentinel;

sub gateway {
    my ($servers, $conf) = @_;
    my $port = free_port();

    nginx(<<"CONF");
    apikey_redis $servers connect_timeout=60s timeout=60s;
    apikey_format any;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_usage off;

        location / { try_files /none =204; }
        location /metrics { apikey off; apikey_status prometheus; }
    }
CONF

    return $port;
}

sub ready {
    my ($port, $role, $server) = @_;

    return metrics($port, '/metrics')->value(
        "apikey_redis_connections{server=\"127.0.0.1:$server->{port}\","
        . "role=\"$role\",state=\"ready\"}") // 0;
}

sub value { 0 + metrics($_[0], '/metrics')->value("apikey_$_[1]") }


# A Cluster: nodes are connected to when there is something to ask them.

my $cluster = cluster(masters => 3, replicas => 0);
my $port = gateway($cluster->servers . ' mode=cluster');

ok(wait_for(sub { value($port, 'subscribed_workers') }, 60), 'a Cluster');
get($port, '/', 'X-API-Key' => "key-$_") for 1 .. 60;

for my $node ($cluster->masters) {
    ok(wait_for(sub { ready($port, 'commands', $node) == 1 }, 60),
       "node $node->{port}");
}

# counted when the response has been sent
ok(wait_for(sub { value($port, 'requests_total{result="unknown"}') == 60 }, 60),
   'all were asked');
is(value($port, 'redis_latency_seconds_count'), 60, 'and are measured');


# A slot is elsewhere.

my $key = create_key({ redis => $cluster }, '--permissions', 'read');

is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204, 'a key');

my ($record) = grep { /\{/ } map { @$_ } $cluster->each('KEYS', 'apikey:{*}');
my $from = $cluster->node($record);
my ($to) = grep { $_ != $from } $cluster->masters;
my $before = value($port, 'redis_redirects_total');

$cluster->move($cluster->slot($record), $to);
is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204, 'it has moved');
is(value($port, 'redis_redirects_total'), $before + 1,
   'one question is redirected');
get($port, '/', 'X-API-Key' => $key->{key});
is(value($port, 'redis_redirects_total'), $before + 1, 'and no other');


# Sentinels.

my $group = sentinels(replicas => 0, sentinels => 1);

$port = gateway($group->addresses . ' mode=sentinel master=main');

ok(wait_for(sub { value($port, 'subscribed_workers') }, 60), 'a master');
ok(wait_for(sub { ready($port, 'sentinel', $group->sentinel(0)) == 1 }, 60),
   'the sentinel');
ok(wait_for(sub { ready($port, $_, $group->master) == 1 }, 60),
   "the master: $_") for 'commands', 'subscription';
is(value($port, 'redis_connects_total{role="sentinel"}'), 1,
   'one sentinel is enough');

done_testing();
