#!/usr/bin/perl

# Servers that aren't Redis: doctor says which it is, and a database of a
# Cluster is used where the server has it, or refused with its reason.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);

$fake->greet($_ => { ask => 1 }) for qw(TIME HGET HGETALL);

sub server {
    my ($url) = @_;

    return { redis => bless { url => $url }, 'Server' };
}

{
    package Server;
    sub url { $_[0]{url} }
}


# Valkey tells a version of Redis's as well.

sub version {
    my ($info) = @_;

    $fake->greet(INFO => resp("# Server\r\n$info"));

    my $r = apikey(server("redis://127.0.0.1:$fake->{port}"), 'doctor');

    return $r->{out} =~ /^\w+ +version +(.*)/m ? $1 : $r->{err};
}

is(version("redis_version:7.2.4\r\nserver_name:valkey\r\n"
           . "valkey_version:8.1.1\r\n"), 'Valkey 8.1.1', 'Valkey');
is(version("redis_version:8.0.2\r\n"), 'Redis 8.0.2', 'Redis');
is(version("redis_version:4.0.1\r\n"), 'Redis 4.0.1 is too old', 'an old one');


# A node of a Cluster that has databases, as Valkey 9, and one that hasn't.

$fake->greet(CLUSTER => "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n"
                        . resp('127.0.0.1') . ":$fake->{port}\r\n");

sub listed {
    my ($db) = @_;

    $fake->forget;

    return apikey(server("redis-cluster://127.0.0.1:$fake->{port}$db"),
                  'list');
}

sub selected { join ' ', map { "@$_" } grep { $_->[0] eq 'SELECT' }
                                            @{$fake->words} }

is(listed('/5')->{exit}, 0, 'a database of a Cluster');
is(selected(), 'SELECT 5', 'is selected before anything is asked');

for my $db ('', '/', '/0') {
    is(listed($db)->{exit}, 0, "\"$db\" behind the nodes");
    is(selected(), '', 'is the database that there always is');
}

$fake->greet(SELECT => resp(\'ERR SELECT is not allowed in cluster mode'));

my $r = listed('/5');
is($r->{exit}, 3, 'a Cluster without databases');
like($r->{err}, qr/SELECT: ERR SELECT is not allowed in cluster mode$/,
     'says so');

done_testing();
