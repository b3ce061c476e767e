#!/usr/bin/perl

# A master of which the Cluster knows no address: keys of others are served,
# the node is named, and so it is when it alone is asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $half = 8192;
my $id = '07c37dfeb235213a872192d90877d0cd55635b91';

my $redis = redis();
my $fake = fake_redis(behind => $redis);

$fake->greet($_ => { ask => 1 })
    for qw(TIME HGET HGETALL INFO CONFIG PUBLISH HSETNX HDEL EXISTS), 'events';
$fake->script({ ask => 1 });

{
    package Node;
    sub url { "redis-cluster://127.0.0.1:$_[0]{port}" }
}

my $node = { redis => bless({ port => $fake->{port} }, 'Node') };


# The second half of the slots is on a master with this address.

sub lost {
    my ($host, $port) = @_;

    $fake->greet(CLUSTER =>
        "*2\r\n*3\r\n:0\r\n:" . ($half - 1) . "\r\n*2\r\n"
        . resp('127.0.0.1') . ":$fake->{port}\r\n"
        . "*3\r\n:$half\r\n:16383\r\n*3\r\n$host:$port\r\n" . resp($id));
}

# That of a name in Redis: CRC16, XMODEM.

sub slot {
    my ($name) = @_;
    my $crc = 0;

    $name = $1 if $name =~ /\{([^}]+)\}/;

    for my $byte (unpack 'C*', $name) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }

    return $crc % 16384;
}

# Keys of which index and record are in one half, and a key of the other.

my %keys;

until ($keys{here} && $keys{there}) {
    my $key = create_key();
    my @halves = map { slot($_) < $half ? 'here' : 'there' }
        grep { /\{/ ? ($redis->cmd('HGET', $_, 'id') // '') eq $key->{id}
                    : $redis->cmd('HEXISTS', $_, $key->{id}) }
        @{$redis->cmd('KEYS', 'apikey:{*')},
        @{$redis->cmd('KEYS', 'apikey:ids:*')};

    $keys{$halves[0]} = $key if @halves == 2 && $halves[0] eq $halves[1];
    $redis->cmd('FLUSHALL') unless %keys;
}

for ([ 'port 0', resp('127.0.0.1'), 0 ], [ 'nothing', resp(''), 0 ],
     [ 'a question mark', resp('?'), $fake->{port} ])
{
    my ($name, @address) = @$_;

    lost(@address);

    my $r = apikey($node, 'show', $keys{here}{id});
    is($r->{exit}, 0, "$name: a key of another master") or diag($r->{err});
}

my $r = apikey($node, 'show', $keys{there}{id});
is($r->{exit}, 3, 'a key of its own');
like($r->{err}, qr/: node "$id": the Cluster knows no address of it$/,
     'the node is named');

$r = apikey($node, 'doctor');
is($r->{exit}, 1, 'doctor');
like($r->{out}, qr/^wrong +cluster +node "$id": the Cluster knows no address/m,
     'names it');
like($r->{out}, qr/^ +-> start it, with cluster-announce-ip/m, 'and the mend');

done_testing();
