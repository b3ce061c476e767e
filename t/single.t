#!/usr/bin/perl

# One process without a master, and a configuration that asks for no keys any
# more: requests of connections from before are decided and counted as before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

sub conf {
    my ($keys, $size) = (@_, '1m');

    return <<"CONF";
    ${\ ($keys ? "apikey_cache zone=keys:$size;" : '') }

    server {
        listen 127.0.0.1:$port;
        ${\ ($keys ? 'apikey on; apikey_guard zone=bad:1m rate=20r/m;' : '') }

        location / {
            try_files /none =204;
        }
    }
CONF
}

my $nginx = nginx(conf(1), main => 'master_process off;');
my $key = create_key('--limits', '3/25920000');
my $there = dial($port);

sub ask {
    $there->send(Test::Apikey::HTTP::bytes('GET', '/',
                                           Connection => 'keep-alive',
                                           'X-API-Key' => $_[0]));
    return $there->response->status;
}

is(ask($key->{key}), 204, 'a key');

$nginx->write(conf(0));
$nginx->signal('HUP');
ok($nginx->wait_log(qr/reconfiguring\n.*using the "epoll"/), 'no keys now');

is(ask($key->{key}), 204, 'the connection from before: a key');
is(ask('bad'), 401, 'a bad key');

$nginx->write(conf(1, '2m'));
$nginx->signal('HUP');
expect_log(qr/size of zone "keys" can't change/);
ok($nginx->wait_log(qr/size of zone "keys" can't change/),
   'a zone in use stays as large as it is');

is(ask($key->{key}), 204, 'the last request');
is(ask($key->{key}), 429, 'and the limit');
ok(wait_for(sub { ($redis->usage($key)->{n} || 0) == 4 }, 60),
   'all of which is counted');

done_testing();
