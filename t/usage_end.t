#!/usr/bin/perl

# Workers that end while Redis doesn't take their usage: each ends soon, and
# says what is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

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

my $began = time;

ends(resp(\'NOPERM no rights'), 'Redis refuses');
ok($nginx->wait_log(qr/\[warn\].*usage of 1 keys is lost/, 60),
   'what is lost is told');
is(join(' ', $nginx->stop), '', 'the worker ends');


# once a second, and once at the end
cmp_ok($fake->usages, '<=', 2 + time - $began,
       'it was not sent again and again');

$nginx->start;
ends({ say => ":1\r\n", hold => 1 }, 'Redis is late');
ok(wait_for(sub { 2 == (() = $nginx->log =~ /usage of 1 keys is lost/g) }, 60),
   'it is lost');
$fake->release;
is(join(' ', $nginx->stop), '', 'an answer after that harms nobody');


# A machine that stood still is no Redis that is late.  A library that lets the
# worker's first look at Redis last for ten seconds.

my $source = file('still.c', <<'C');
#define _GNU_SOURCE
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int  looks;

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return looks++ ? syscall(SYS_poll, fds, n, timeout) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    if (syscall(SYS_clock_gettime, clock, ts) != 0) {
        return -1;
    }

    ts->tv_sec += looks ? 10 : 0;

    return 0;
}
C

my $library = $source =~ s/\.c$/.so/r;
my $made = run('cc', '-shared', '-fPIC', '-o', $library, $source);

is($made->{exit}, 0, 'a machine that stands still') or diag($made->{err});

{
    local $ENV{LD_PRELOAD} = $library;
    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (),
                                         'verify_asan_link_order=0';

    $nginx->start;
    ends({ ask => 1 }, 'when the worker has ended');
    is(join(' ', $nginx->stop), '', 'it ends');
    is($redis->usage($key)->{n}, 1, 'and this one is counted');
    is(scalar(() = $nginx->log =~ /is lost/g), 2, 'so nothing is lost');
}


# A node of a Cluster, though configured as a single server: what a worker has
# used one at a time comes together when it ends.

my @keys = map { create_key() } 1 .. 3;

$nginx->start;
$fake->usage({ ask => 1, slots => 1 });
get($port, '/', 'X-API-Key' => $_->{key}) for @keys;
is(join(' ', $nginx->stop), '', 'a worker ends with keys of several slots');
is(join(' ', map { $redis->usage($_)->{n} // 0 } @keys), '1 1 1',
   'which are counted');
is(scalar(() = $nginx->log =~ /is lost/g), 2, 'and not lost');


# A node of a Cluster whose slot is being moved.

my $node = fake_redis();
my $cluster = free_port();

$node->greet(CLUSTER => "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n"
                        . resp('127.0.0.1') . ":$node->{port}\r\n");
$node->script(record(rev => 1, id => 'one', status => 'active'));
$node->usage("-TRYAGAIN\r\n", "-TRYAGAIN\r\n", ":1\r\n");

my $other = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$node->{port} mode=cluster timeout=60s
                 connect_timeout=60s;
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
