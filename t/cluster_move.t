#!/usr/bin/perl

# Slots of a Redis Cluster on their way from node to node: MOVED, ASK, and
# limits that hold meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $long = 25920000;
my $cluster = cluster(replicas => 0);
my @nodes = $cluster->masters;
my $port = free_port();

nginx(<<"CONF", workers => 2);
    apikey_plan small 100/$long;
    apikey_plan large 2000/$long;
    apikey_plan org 2000/$long per=org;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;

        location / {
            apikey_usage off;
            empty_gif;
        }

        location /used {
            try_files /none =204;
        }
    }
CONF

sub remaining {
    my ($key) = @_;
    my $r = get($port, '/', 'X-API-Key' => $key->{key});

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}

# The name of its record.

sub name {
    my ($key) = @_;

    for my $node (@nodes) {
        for my $name (@{$node->cmd('KEYS', 'apikey:{*')}) {
            return $name if $node->cmd('HGET', $name, 'id') eq $key->{id};
        }
    }
}

# The nodes that have and don't have it.

sub between {
    my ($name) = @_;
    my $from = $cluster->node($name);

    return ($from, grep { $_ != $from } @nodes);
}

# How often the nodes have answered with this error.

sub errors {
    my ($error) = @_;
    my $sum = 0;

    $sum += $_ for map { $_->cmd('INFO', 'errorstats')
                             =~ /^errorstat_$error:count=(\d+)/m } @nodes;
    return $sum;
}


# A slot has moved.

my $key = create_key('--plan', 'small');
my $name = name($key);
my ($from, $to) = between($name);

is(remaining($key), '200 99', 'a key is counted');
remaining($key) for 1 .. 20;
is(errors('MOVED'), 0, 'on the node that has it');

# A worker that has just asked for the map needn't be told: then it moves back.

my $left = 79;
my ($before, $told);

ok(wait_for(sub {
    $cluster->move($cluster->slot($name), $to);
    ($from, $to) = ($to, $from);
    $before = errors('MOVED');
    $told = remaining($key);

    return $told ne '200 ' . --$left || errors('MOVED') > $before;
}), 'its slot has moved: the former node tells it');
is($told, "200 $left", 'it is counted there');

remaining($key) for 1 .. 40;
cmp_ok(errors('MOVED') - $before, '<=', 2, 'once to each worker');
$left -= 41;
is(remaining($key), "200 $left", 'nothing is counted twice');


# A slot is about to move: what is there, is counted there; what has gone, where
# it went, though neither the slot nor the script is known there.

$key = create_key('--plan', 'small');
$name = name($key);
($from, $to) = between($name);

my $slot = $cluster->slot($name);

is(remaining($key), '200 99', 'another key');

$cluster->begin_move($slot, $to);
is(remaining($key), '200 98', 'its slot is about to move');

$to->cmd('SCRIPT', 'FLUSH');
$cluster->move_names($slot, $to, $name);
is(remaining($key), '200 97', 'it has gone ahead of its slot');
is(remaining($key), '200 96', 'and is counted there');

my $asked = errors('ASK');

cmp_ok($asked, '>=', 2, 'as each time is told');

$cluster->end_move($slot, $to);
is(remaining($key), '200 95', 'its slot has followed');
is(errors('ASK'), $asked, 'and nobody is told so any more');


# Slots move under load, from node to node.

for my $plan (qw(large org)) {
    my $key = create_key('--plan', $plan, '--org', "acme-$plan");

    is(remaining($key), '200 1999', "$plan: a key under load");

    my $name = $plan eq 'org' ? "apikey:org:{acme-$plan}:$plan" : name($key);
    my $slot = $cluster->slot($name);
    my $load = in_background(sub {
        my %status;

        for (1 .. 30) {
            $status{$_->status}++
                for burst($port, 100, '/used', 'X-API-Key' => $key->{key});
        }

        return \%status;
    });

    my $rounds = 0;

    while ($rounds < 12) {
        my (undef, @to) = between($name);
        my $to = $to[$rounds++ % 2];

        $cluster->move($slot, $to);
    }

    is_deeply($load->result, { 204 => 1999, 429 => 1001 },
              "$plan: its slot moves under load, and its limit holds");
}

done_testing();
