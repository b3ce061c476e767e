#!/usr/bin/perl

# The console over other Redis than one server open to all: with the rights
# that README.md gives to the program, behind sentinels, and over a Cluster.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;
use Test::Apikey::Console;
use Test::Apikey::Sentinel;

# What it does, whatever stands behind it.

sub works {
    my ($console, $name) = @_;
    my $r = $console->call('POST', '/api/keys', { name => "of $name" });
    my $id = $r->json->{id};

    is($r->status, 201, "$name: a key is made") or diag($r->body);
    is($console->call('GET', "/api/keys/$id")->status, 200, 'shown');
    ok(wait_for(sub { found($console, "of $name") }), 'found');
    is($console->call('PATCH', "/api/keys/$id", { name => "now $name" })
       ->status, 200, 'edited');
    ok(wait_for(sub { found($console, "now $name") }), 'and found so');
    is($console->call('POST', "/api/keys/$id/revoke", {})->status, 200,
       'revoked');
    is($console->call('GET', "/api/keys/$id/limits")->status, 200, 'limits');
    is($console->call('GET', '/api/facets')->status, 200, 'facets');
    is($console->call('GET', '/api/templates')->status, 200, 'templates');
    is($console->call('GET', '/api/gateways')->status, 200, 'gateways');
    is($console->call('GET', "/api/events?key=$id")->json->{events}[0]{type},
       'revoked', 'events');
    is($console->call('DELETE', "/api/keys/$id")->json->{deleted}, 1,
       'deleted');
    ok(wait_for(sub { !found($console, "now $name") }), 'and found no more');
}

sub found {
    my ($console, $name) = @_;
    my $r = $console->call('GET', '/api/keys?q=' . $name =~ s/ /+/gr);

    return $r->status == 200 && $r->json->{total};
}


# A user with the rights of README.md.

my ($rights) = slurp("$Test::Apikey::ROOT/README.md")
               =~ /the program\s+`([^`]+)`/;
my $redis = redis();

$redis->cmd('ACL', 'SETUSER', 'operator', 'reset', 'on', '>secret',
            split ' ', $rights);
{
    package Operator;
    our @ISA = 'Test::Apikey::Redis';

    sub url { "redis://operator:secret\@127.0.0.1:$_[0]{port}" }
}

works(console(redis => bless { %$redis }, 'Operator'), 'a user');

is_deeply([ map { my %entry = @$_; $entry{object} }
            @{$redis->cmd('ACL', 'LOG')} ], [], 'nothing was refused');


# Sentinels, whose master is replaced; the kept connections are to the old one.

my $group = sentinels();
my $console = console(redis => $group);

works($console, 'a master');
$group->replicated;
$group->failover;
ok(wait_for(sub {
    $console->call('POST', '/api/keys', { name => 'x' })->status == 201
}, 60), 'another master is found');
works($console, 'the new master');


# A Cluster, whose masters fail over.

my $cluster = cluster();
$console = console(redis => $cluster);

works($console, 'a Cluster');

$cluster->failover($_) for $cluster->masters;
works($console, 'another');

done_testing();
