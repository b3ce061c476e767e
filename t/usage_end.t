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

done_testing();
