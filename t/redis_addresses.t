#!/usr/bin/perl

# Every address of a name is tried at once, by every kind of connection: one
# that refuses is logged with its reason, and costs no request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;
use Test::Apikey::Certificates;
use Test::Apikey::FakeRedis;
use Test::Apikey::NameServer;

# Seven that refuse before or after the one that answers: nginx begins anywhere.

my @none = map { "127.0.1.$_" } 1 .. 7;
my $dns = name_server(@none, '127.0.0.1');
my $some = record(rev => 1, id => 'some', status => 'active');

sub gateway {
    my ($redis) = @_;
    my $port = free_port();

    my $nginx = nginx(<<"CONF");
    resolver 127.0.0.1:$dns->{port} ipv6=off;
    apikey_redis $redis timeout=60s;
    apikey_format any;

    server {
        listen 127.0.0.1:$port;

        location / {
            apikey on;
            add_header X-Id \$apikey_id;
            try_files /none =204;
        }
    }
CONF

    return ($nginx, sub { get($port, '/', 'X-API-Key' => 'a-key')->status });
}

my $next = qr/\[error\].*connection[ ]failed,
              [ ]its[ ]next[ ]address[ ]is[ ]tried
              .*redis:[ ]"[^"]+",[ ]address:[ ]127\.0\.1\.\d:\d+/x;

sub tried { scalar(() = $_[0]->log =~ /$next/g) }

# Connections that have served for a second are lost, again and again, until an
# address has refused: what asks meanwhile waits.

sub cut_until {
    my ($nginx, $done, @servers) = @_;

    return wait_for(sub {
        my $made = tried($nginx) . join ' ', map { $_->connections } @servers;

        sleep 1.1;
        $_->cut for @servers;

        wait_for(sub { $made ne tried($nginx) . join ' ',
                           map { $_->connections } @servers });

        return $done->();
    });
}


# One server.

my $redis = fake_redis();
$redis->script($some);

my ($nginx, $ask) = gateway("localhost:$redis->{port} connect_timeout=60s");

is($ask->(), 204, 'one server');
ok(cut_until($nginx, sub { tried($nginx) > 3 }, $redis),
   'addresses that refuse: the next is tried');
is($ask->(), 204, 'and used');
ok(wait_for(sub { $redis->listeners }), 'it listens there, too');
like($nginx->log, qr/\[error\].*connect\(\) failed .*address: 127\.0\.1\./,
     'why one failed is logged');
unlike($nginx->log, qr/can't be used: connection failed/,
       'that is no failure of the server');
$nginx->stop;


# Sentinels, and a master that they call by a name.

my @sentinels = map { fake_redis() } 1, 2;
$_->greet(SENTINEL => resp([ 'redis.test', "$redis->{port}" ])) for @sentinels;

my $names = join ' ', map { "localhost:$_->{port}" } @sentinels;
($nginx, $ask) = gateway("$names mode=sentinel master=main "
                         . 'connect_timeout=60s');

is($ask->(), 204, 'sentinels');
ok(cut_until($nginx, sub { tried($nginx) > 6 }, @sentinels, $redis),
   'addresses that refuse');
is($ask->(), 204, 'the master is found');
unlike($nginx->log, qr/no sentinel answers|can't be used: connection failed/,
       'each sentinel has all its addresses');
$nginx->stop;


# Nodes of a Cluster, and what listens to one.

my @nodes = map { fake_redis() } 1, 2;

for my $node (@nodes) {
    $node->script($some);
    $node->greet(CLUSTER => "*2\r\n" . join '', map {
        my ($first, $last) = $_ ? (8192, 16383) : (0, 8191);

        "*3\r\n:$first\r\n:$last\r\n*2\r\n" . resp('redis.test')
        . ":$nodes[$_]{port}\r\n";
    } 0, 1);
}

$names = join ' ', map { "localhost:$_->{port}" } @nodes;
($nginx, $ask) = gateway("$names mode=cluster connect_timeout=60s");

is($ask->(), 204, 'a Cluster');
ok(wait_for(sub { $nodes[0]->listeners + $nodes[1]->listeners }),
   'it listens to a node');
is($ask->(), 204, 'again');
ok(tried($nginx) || cut_until($nginx, sub { tried($nginx) }, @nodes),
   'addresses that refuse');
unlike($nginx->log, qr/can't be used: connection failed|[ ]tells where/,
       'each node has all its addresses');
$nginx->stop;


# Two servers of that name whose certificates are no good, each in its way.

my ($ca, $other) = map { authority($_) } 'ours', 'another';

$redis = redis(tls => { %{$ca->issue('DNS:localhost')}, ca => $ca->{cert} });

for ([ '127.0.2.1', $ca->issue('DNS:redis.test') ],
     [ '127.0.2.2', $other->issue('DNS:localhost') ])
{
    my ($address, $is) = @$_;

    started(Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec qw(openssl s_server -quiet -accept),
             "$address:$redis->{tls}{port}", '-cert', $is->{cert}, '-key',
             $is->{key} or die "openssl: $!\n";
    }));

    ok(wait_for(sub { IO::Socket::INET->new(PeerAddr => $address,
                          PeerPort => $redis->{tls}{port}) }), "$address");
}

sub started {
    my ($pid) = @_;

    Test::Apikey::started(bless \$pid, 'Child');
}

sub Child::stop {
    kill 'TERM', ${$_[0]};
    Test::Apikey::wait_pid(${$_[0]});

    return;
}

$dns->points_to('127.0.0.1');
($nginx) = gateway("localhost:$redis->{tls}{port} tls=on tls_ca=$ca->{cert} "
                   . 'connect_timeout=60s');
ok(wait_for(sub { $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] }),
   'TLS');

$dns->points_to('127.0.2.1', '127.0.2.2');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');

for ([ '127.0.2.1', 'hostname mismatch' ],
     [ '127.0.2.2', '(?:self.signed|unable to get local issuer) certificate' ])
{
    my ($address, $why) = @$_;

    ok($nginx->wait_log(qr/\[error\].*$why.*address: \Q$address\E:/),
       "why the certificate of $address is refused is logged");
}

$dns->points_to('127.0.0.1');
ok($nginx->wait_log(qr/answers again/), 'until the name has another');

done_testing();
