#!/usr/bin/perl

# Workers that end while Redis doesn't take their usage: each ends soon, and
# says what is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=1s connect_timeout=3s;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        location / { try_files /none =204; }
    }
CONF

my $key = create_key();

# The usage of a request is still this worker's when it ends.

sub ends {
    my ($rule, $name) = @_;

    $fake->usage($rule);
    is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204,
       "a request: $name");
    $nginx->signal('QUIT');
}

ends(resp(\'NOPERM no rights'), 'Redis refuses');
ok($nginx->wait_log(qr/\[warn\].*usage of 1 keys is lost/, 10),
   'what is lost is told');
is(join(' ', $nginx->stop), '', 'the worker ends');

my $sent = $fake->usages;
cmp_ok($sent, '<=', 2, 'it was not sent again and again');

$nginx->start;
ends({ say => ":1\r\n", hold => 1 }, 'Redis is late');
ok(wait_for(sub { 2 == (() = $nginx->log =~ /usage of 1 keys is lost/g) }, 10),
   'it is lost');
$fake->release;
is(join(' ', $nginx->stop), '', 'an answer after that harms nobody');


# A node of a Cluster whose slot is being moved.

my $node = fake_redis();
my $cluster = free_port();

$node->greet(CLUSTER => "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n"
                        . resp('127.0.0.1') . ":$node->{port}\r\n");
$node->script(record(rev => 1, id => 'one', status => 'active'));
$node->usage("-TRYAGAIN\r\n", "-TRYAGAIN\r\n", ":1\r\n");

my $other = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$node->{port} mode=cluster timeout=1s;
    apikey_format any;

    server {
        listen 127.0.0.1:$cluster;
        apikey on;
        location / { try_files /none =204; }
    }
CONF

is(get($cluster, '/', 'X-API-Key' => 'some-key')->status, 204, 'a Cluster');
is(join(' ', $other->stop), '', 'its worker ends');
is($node->usages, 3, 'and tries again until it is counted');
unlike($other->log, qr/is lost/, 'so nothing is lost');

done_testing();
