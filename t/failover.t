#!/usr/bin/perl

# What stands in for Redis is seen: in apikey_status while it lasts, in its
# counters, and by one line in the log when it begins and ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Prometheus;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_cache zone=keys:1m stale=1h;
    apikey_plan plenty 1000/25920000;

    log_format result '\$uri \$apikey_result \$apikey_failover';
    access_log results result;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;

        location /deny { try_files /none =204; }
        location /allow { apikey_limit_failure allow; try_files /none =204; }
        location /local { apikey_limit_failure local; try_files /none =204; }
        location /free { apikey_limit off; try_files /none =204; }
        location /metrics { apikey off; apikey_status prometheus; }
        location /status { apikey off; apikey_status; }
    }
CONF

my $key = create_key('--permissions', 'read', '--plan', 'plenty')->{key};

sub ask {
    my ($uri) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key);

    return $r->status . ' ' . ($r->header('X-RateLimit-Remaining') // '-');
}

my %LOG = (
    stale => [ qr/\[warn\].*redis can't confirm records: those from before/,
               qr/\[notice\].*records are confirmed by redis again/ ],
    allow => [ qr/\[warn\].*redis can't count: requests pass uncounted/,
               qr/\[notice\].*limits are counted in redis again/ ],
    local => [ qr/\[warn\].*redis can't count: limits are counted in the mem/,
               qr/\[notice\].*limits are counted in redis again/ ],
);

sub logged { scalar(() = $nginx->log =~ /$_[0]/g) }

# POLICY => COUNT; those that aren't named are over.

sub is_seen {
    my ($name, %active) = @_;
    my (%seen, %expected);

    for my $policy (keys %LOG) {
        $expected{$policy} = exists $active{$policy} ? 1 : 0;
        $expected{"$policy requests"} = $active{$policy}
            if exists $active{$policy};
    }

    my $look = sub {
        my $m = metrics($port, '/metrics');

        for my $policy (keys %LOG) {
            $seen{$policy} =
                $m->value("apikey_failover_active{policy=\"$policy\"}");
            $seen{"$policy requests"} = $m->value(
                "apikey_failover_requests_total{policy=\"$policy\"}")
                if exists $active{$policy};
        }

        return !grep { $seen{$_} != $expected{$_} } keys %expected;
    };

    wait_for($look, 10);
    is_deeply(\%seen, \%expected, $name);
}


is(ask($_), '204 ' . (/free/ ? '-' : /allow/ ? 998 : /local/ ? 997 : 999),
   "$_, with Redis") for '/deny', '/allow', '/local', '/free';
is_seen('nothing stands in');


# Redis can read, and not count.

$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);

is(ask('/deny'), '503 -', 'deny');
is_seen('deny is no failover');
is(ask('/allow'), '204 -', 'allow') for 1 .. 3;
is_seen('allow is seen', allow => 3);
is(ask('/local'), "204 $_", 'local') for 999, 998;
is_seen('so is local', allow => 3, local => 2);
is(get($port, '/status')->json->{failover}{local}{active}, 1, 'in JSON, too');
is(logged($LOG{$_}[0]), 1, "that $_ begins is logged once")
    for 'allow', 'local';
is(logged($LOG{allow}[1]), 0, 'and no end');

$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

is_seen('it is over, though nobody has asked');
is(logged($LOG{allow}[1]), 2, 'the end of both is logged');


# Redis is away: the record is one from before, too.

is(ask('/deny'), '204 996', 'Redis counts');
$redis->kill;
ok(wait_for(sub { $nginx->log =~ /can't be used/ }), 'Redis is away');

is(ask('/free'), '204 -', 'a stale record') for 1 .. 20;
is_seen('stale is seen', stale => 20);
is(logged($LOG{stale}[0]), 1, 'and logged once a gateway, not a request');
is(ask('/deny'), '503 -', 'where limits deny');
is(ask('/allow'), '204 -', 'where they do not');
is_seen('both are seen', stale => 21, allow => 4);
is(logged($LOG{allow}[0]), 2, 'logged again');

$redis->start;
is_seen('all is over');
is(logged($LOG{stale}[1]), 1, 'stale has ended, once');

my @results = split /\n/, slurp("$nginx->{dir}/results");
my %results = map { $_ => 1 } grep { !/status|metrics/ } @results;

is_deeply([ sort keys %results ],
          [ '/allow ok -', '/allow ok allow', '/allow ok stale,allow',
            '/deny ok -', '/deny unavailable -', '/free ok -',
            '/free ok stale', '/local ok -', '/local ok local' ],
          '$apikey_result and $apikey_failover');

done_testing();
