#!/usr/bin/perl

# Sentinels that say nothing while the master is away: each attempt waits for
# them no longer than it may, and goes where the master was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $master = fake_redis(behind => $redis);
my $sentinel = fake_redis();
my $port = free_port();

$sentinel->greet(SENTINEL => resp([ '127.0.0.1', $master->{port} ]));

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$sentinel->{port} mode=sentinel master=main
                 connect_timeout=250ms timeout=60s;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        location / { try_files /none =204; }
    }
CONF

my $key = create_key();

sub answers {
    ok(wait_for(sub {
        get($port, '/', 'X-API-Key' => $key->{key})->status eq 204;
    }, 60), $_[0]);
}

answers('the master is found');

my ($worker) = $nginx->workers;

$sentinel->greet(PING => { lose => 1 });
$master->refuse;
$_->cut for $sentinel, $master;
ok($nginx->wait_log(qr/no sentinel answers/, 60), 'nobody knows the master');

# attempts of the sentinel's and of the master's connections, out of step
my $before = $sentinel->connections;
ok(wait_for(sub { $sentinel->connections > $before + 6 }, 60),
   'the sentinel is asked again and again');

$master->listen;
answers('the master is where it was');
is_deeply([ $nginx->workers ], [ $worker ], 'by the same worker');

done_testing();
