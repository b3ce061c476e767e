#!/usr/bin/perl

# A worker without a file descriptor left can't reach Redis again: it refuses,
# serves what needs no key, and comes back when there are descriptors again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

plan skip_all => 'valgrind keeps descriptors for itself'
    if ($ENV{TEST_NGINX_BINARY} // '') =~ m{/valgrind/};

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF", main => 'worker_rlimit_nofile 40;');
    client_header_timeout 1h;
    keepalive_timeout 1h;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 200;
        }
    }
CONF

expect_log(qr/failed \(24: Too many open files\)/);

# nginx's own, when it ends just after that
expect_log(qr/accept4\(\) failed \(9: Bad file descriptor\)/);

my $key = create_key('--permissions', 'read');
my $client = dial($port);

sub ask {
    return $client->send(Test::Apikey::HTTP::bytes('GET', shift,
                             'X-API-Key' => $key->{key},
                             'Connection' => 'keep-alive'))->response;
}

is(ask('/')->status, 204, 'a key passes');

# More clients than descriptors, who say nothing.

my @crowd = map { dial($port) } 1 .. 60;

ok($nginx->wait_log(qr/accept4\(\) failed \(24:/, 10),
   'no descriptor is left for clients');
is(ask('/')->status, 204, 'the connection to Redis stays');

$redis->stop;
is(ask('/')->status, 503, 'Redis goes: 503');

# Attempts to reach Redis end at once; what stays is clients'.

my ($worker) = $nginx->workers;
my $full = 0;

ok(wait_for(sub {
    my @open = glob "/proc/$worker/fd/*";
    $full = @open >= 40 ? $full + 1 : 0;
    return $full > 10;
}, 20), 'the crowd takes its descriptors');
$redis->start;

is(ask('/')->status, 503, 'still 503');
is(ask('/open')->status, 200, 'other locations go on');

$_->close for @crowd;

ok(wait_for(sub { ask('/')->status != 503 }, 10),
   'Redis is found when there are descriptors');
is(ask('/')->status, 401, 'and asked: it has lost the key');
is(scalar $nginx->workers, 1, 'by the same worker');

done_testing();
