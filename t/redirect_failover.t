#!/usr/bin/perl

# While commands don't reach Redis, but changes are still heard: what stands in
# for Redis where a request begins stands in where it is redirected to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_cache zone=keys:1m valid=1h;
    add_header X-Failover \$apikey_failover always;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_limit_failure local;

        location / { try_files /none =204; }
        location /redirected { try_files /none /; }
    }
CONF

my @key = ('X-API-Key' => create_key('--limits', '1000r/d')->{key});

sub told {
    my $r = get($port, $_[0], @key);

    return join ' ', $r->status, $r->header('X-Failover');
}

# A worker trusts what is cached for seconds only, which may pass meanwhile.

my $told = wait_for(sub {
    $redis->cmd('ACL', 'SETUSER', 'default', '+ping');
    wait_for(sub { told('/') eq '204 -' }, 10) or return;

    $redis->cmd('ACL', 'SETUSER', 'default', '-ping');
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
    wait_for(sub { told('/') ne '204 -' }, 10) or return;

    my @all = map { told($_) } '/', '/redirected', '/';

    return $all[0] eq '204 local' && $all[2] eq '204 local' && $all[1];
}, 60);

is($told, '204 local', 'a request that is redirected is counted here, too');

expect_log(qr/redis refused the connection|greeting refused/);

done_testing();
