#!/usr/bin/perl

# Nodes of a Redis Cluster that want a password, or speak TLS: each by itself
# has to be the one that was expected.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;
use Test::Apikey::Cluster;
use Test::Apikey::FakeRedis;

sub keys_of {
    my ($cluster) = @_;
    my @nodes = $cluster->masters;
    my (@keys, %count);

    for (1 .. 200) {
        my $key = create_key({ redis => $cluster });

        for my $i (grep { !$keys[$_] } 0 .. $#nodes) {
            my $n = @{$nodes[$i]->cmd('KEYS', 'apikey:{*')};

            $keys[$i] = $key if $n > ($count{$i} // 0);
            $count{$i} = $n;
        }

        last if @nodes == grep { $_ } @keys;
    }

    return @keys;
}

sub gateway {
    my ($where, $how) = @_;
    my $port = free_port();

    return (nginx(<<"CONF"), $port);
    apikey_redis $where timeout=60s connect_timeout=60s $how;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            empty_gif;
        }
    }
CONF
}

sub statuses {
    my ($port, @keys) = @_;

    return join ' ', map { get($port, '/', 'X-API-Key' => $_->{key})->status }
                         @keys;
}

sub passes {
    my ($name, $port, @keys) = @_;

    ok(wait_for(sub { statuses($port, @keys) eq '200 200 200' }, 10), $name)
        or diag(statuses($port, @keys));
}


# A password, wrong on one of the nodes.

my $cluster = cluster(replicas => 0, password => 'secret');
my @nodes = $cluster->masters;
my @keys = keys_of($cluster);
my ($right, $wrong) = map { file($_, "$_\n") } qw(secret wrong);

chmod 0600, $right, $wrong;

$nodes[1]->cmd('CONFIG', 'SET', 'requirepass', 'another');

my $seeds = "127.0.0.1:$nodes[1]{port} 127.0.0.1:$nodes[0]{port} mode=cluster";
my ($nginx, $port) = gateway($seeds, "password_file=$right");

is(statuses($port, @keys), '200 503 200', 'one node has another password');
ok($nginx->wait_log(qr/redis refused the connection: "WRONGPASS/),
   'it is logged');

$nodes[1]->cmd('CONFIG', 'SET', 'requirepass', 'secret');
passes('it has the same again', $port, @keys);
$nginx->stop;

($nginx, $port) = gateway($seeds, "password_file=$wrong");

is(statuses($port, @keys), '503 503 503', 'a wrong password');
ok($nginx->wait_log(qr/no node of the redis cluster tells where its slots/),
   'no node tells where the slots are, says the log');
is(statuses($port, @keys), '503 503 503', 'it goes on so');
is(() = $nginx->log =~ /\[error\].*tells where its slots/g, 1,
   'which is told once');
$nginx->stop;


# Another database: servers that have it are asked for it, and the reason of
# those that don't is logged.

($nginx, $port) = gateway($seeds, "password_file=$right db=2");

is(statuses($port, @keys), '503 503 503', 'no such database');
ok($nginx->wait_log(qr/redis refused the connection: "ERR .*SELECT.*cluster/),
   'why is logged');
$nginx->stop;

my $valkey = fake_redis();

$valkey->greet(CLUSTER => "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n"
                          . resp('127.0.0.1') . ":$valkey->{port}\r\n");
$valkey->script(record(rev => 1, id => 'some', status => 'active'));

($nginx, $port) = gateway("127.0.0.1:$valkey->{port} mode=cluster", 'db=2');

is(statuses($port, @keys), '200 200 200', 'a Cluster with databases');
is((grep { $_->[0] eq 'SELECT' } @{$valkey->words})[0][1], 2,
   'is asked for it');
$nginx->stop;


# No more rights than README.md gives.

my ($least) = slurp("$FindBin::Bin/../README.md")
                  =~ /a gateway needs\s+`([^`]+)`;/ or die 'no rights';

$_->cmd('ACL', 'SETUSER', 'gateway', 'on', '>secret', split(' ', $least),
        '+cluster|slots', '+asking') for @nodes;

($nginx, $port) = gateway($seeds, "user=gateway password_file=$right");
passes('the least rights', $port, @keys);

my $slot = $cluster->slot('apikey:gateways');
my ($to) = grep { $_ != $cluster->node('apikey:gateways') } @nodes;

$cluster->begin_move($slot, $to);
$cluster->move_names($slot, $to);
ok(wait_for(sub {
    $to->cmd('INFO', 'commandstats') =~ /^cmdstat_asking:calls=[1-9]/m
}, 10), 'are enough to follow a slot');
$cluster->end_move($slot, $to);


my @denied = grep { my %entry = @$_; $entry{username} eq 'gateway' }
                  map { @{$_->cmd('ACL', 'LOG')} } @nodes;

is(@denied, 0, 'nothing is denied') or diag(explain(@denied));
unlike($nginx->log, qr/NOPERM/, 'nor needed');
$nginx->stop;


# TLS, with the names that the nodes tell.

my $ca = authority('authority');

for my $by (qw(address hostname)) {
    my $cert = $ca->issue($by eq 'address' ? 'IP:127.0.0.1' : 'DNS:localhost');
    my $host = $by eq 'address' ? '127.0.0.1' : 'localhost';
    my $tls = cluster(
        replicas => 0, tls => { %$cert, ca => $ca->{cert} },
        conf => $by eq 'address' ? '' : "cluster-announce-hostname localhost\n"
                . "cluster-preferred-endpoint-type hostname\n");
    my @nodes = $tls->masters;

    # records as they are in the other cluster, where they are looked for

    for my $node ($cluster->masters) {
        for my $name (@{$node->cmd('KEYS', 'apikey:{*')}) {
            $tls->cmd('HSET', $name, @{$node->cmd('HGETALL', $name)});
        }
    }

    my $seed = "$host:$nodes[0]{tls}{port} mode=cluster tls=on "
               . "tls_ca=$ca->{cert}";

    ($nginx, $port) = gateway($seed, '');
    passes("TLS: nodes known by their $by", $port, @keys);
    is(() = $nginx->log =~ /refused for/g, 0, 'none is refused');
    $nginx->stop;

    ($nginx, $port) = gateway($seed, 'tls_name=redis.test');
    is(statuses($port, @keys), '503 503 503', 'TLS: another name');
    ok($nginx->wait_log(qr/certificate of redis is refused for "redis\.test"/),
       'is logged');
    $nginx->stop;
}

done_testing();
