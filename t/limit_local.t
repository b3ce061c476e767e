#!/usr/bin/perl

# "apikey_limit_failure local": while Redis can't count, a gateway's workers
# count together in its memory, as Redis would.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;

my $redis = redis();
my $port = free_port();

sub conf {
    my ($cache) = @_;

    return <<"CONF";
    $cache

    apikey_plan fixed 3/25920000 5/31536000;
    apikey_plan sliding 3/25920000 algorithm=sliding;
    apikey_plan leased 10/25920000 mode=leased;
    apikey_plan team 3/25920000 per=org;
    apikey_plan anonymous 3/25920000;

    server {
        listen 127.0.0.1:$port;

        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        keepalive_requests 10000;

        add_header X-Result \$apikey_result always;

        apikey on;
        apikey_limit_failure local;

        location / { try_files /none =204; }
        location /redirected { try_files /none /; }
        location /dry { apikey_limit dry_run; try_files /none =204; }
        location /two { apikey_cost 2; try_files /none =204; }
        location /charged { apikey_charge 2; try_files /none =204; }
        location /scope { apikey_require a:write; try_files /none =204; }
        location /optional { apikey optional; try_files /none =204; }
        location /deny { apikey_limit_failure deny; try_files /none =204; }
        location /off { apikey_limit off; try_files /none =204; }
    }
CONF
}

my $nginx = nginx(conf('apikey_cache zone=keys:1m stale=1h;'), workers => 2);

sub key { create_key('--scope', 'a:read', '--plan', @_)->{key} }

# They are known, or with stale they would not be trusted later.

sub known {
    my $key = key(@_);

    get($port, '/off', 'X-API-Key' => $key);
    return $key;
}

sub ask { get($port, $_[1] // '/', 'X-API-Key' => $_[0]) }

sub seen {
    my ($r) = @_;

    return join ' ', $r->header('X-Result'), $r->status,
                     map { $r->header($_) // '-' }
                         qw(X-RateLimit-Limit X-RateLimit-Remaining);
}

sub seen_of { my $key = shift; map { seen(ask($key, $_)) } @_ }

sub logged { scalar(() = $nginx->log =~ /$_[0]/g) }

my $BEGINS = qr/\[warn\].*redis can't count: limits are counted in the memory/;
my $ENDS = qr/\[notice\].*limits are counted in redis again/;


# How it counts, whatever is wrong with Redis.

sub counts {
    my ($name, $keys) = @_;
    my %key = %$keys;

    is_deeply([ seen_of($key{fixed}, ('/') x 5) ],
              [ 'ok 204 3 2', 'ok 204 3 1', 'ok 204 3 0',
                ('limited 429 3 0') x 2 ], "$name: as many pass as may");

    my $began = time;
    my $r = ask($key{fixed});
    my $at = $r->header('X-RateLimit-Reset') - $r->header('Retry-After');

    ok($at >= $began - 2 && $at <= time + 2,
       "$name: Retry-After is the window's end") or diag($r->head);
    is($r->header('X-RateLimit-Reset') % 25920000, 0,
       "$name: which lies on the grid");

    is_deeply([ seen_of($key{sliding}, ('/') x 4) ],
              [ 'ok 204 3 2', 'ok 204 3 1', 'ok 204 3 0',
                'limited 429 3 0' ], "$name: a sliding window");
    is_deeply([ seen_of($key{org1}, '/', '/'), seen_of($key{org2}, '/', '/') ],
              [ 'ok 204 3 2', 'ok 204 3 1', 'ok 204 3 0', 'limited 429 3 0' ],
              "$name: keys of an organisation share");
    is_deeply([ seen_of($key{two}, ('/two') x 2, ('/') x 2) ],
              [ 'ok 204 3 1', 'limited 429 3 1', 'ok 204 3 0',
                'limited 429 3 0' ],
              "$name: what costs more counts more, and not if it is refused");
    is_deeply([ seen_of($key{charged}, ('/charged') x 2) ],
              [ 'ok 204 3 2', 'limited 429 3 0' ], "$name: a charge");
    is_deeply([ seen_of($key{dry}, ('/dry') x 4) ],
              [ 'ok 204 3 2', 'ok 204 3 1', 'ok 204 3 0', 'dry_run 204 3 0' ],
              "$name: a dry run");
    is_deeply([ seen_of($key{redirected}, ('/redirected') x 2) ],
              [ 'ok 204 3 2', 'ok 204 3 1' ],
              "$name: redirected, counted once");
    is_deeply([ seen_of($key{scope}, '/scope', '/') ],
              [ 'scope 403 - -', 'ok 204 3 2' ],
              "$name: what is refused isn't counted");
    is_deeply([ seen_of($key{scope}, '/deny') ], [ 'unavailable 503 - -' ],
              "$name: nor does it count elsewhere");

    my @anonymous = map { seen(get($port, '/optional',
                                   'X-Real-IP' => "$_.0.0.1")) }
                        (10) x 4, 11;

    is_deeply(\@anonymous,
              [ 'anonymous 204 3 2', 'anonymous 204 3 1', 'anonymous 204 3 0',
                'limited 429 3 0', 'anonymous 204 3 2' ],
              "$name: anonymous clients, each address by itself");

    is(grep({ $_->status == 204 }
            burst($port, 30, '/', 'X-API-Key' => $key{burst})), 3,
       "$name: over all workers, at the same time");
}

sub keys_of_all_kinds {
    my ($org) = @_;

    return {
        (map { $_ => known('fixed') }
             qw(fixed two charged dry redirected scope burst)),
        sliding => known('sliding'),
        org1 => known('team', '--org', $org),
        org2 => known('team', '--org', $org),
    };
}


# Redis can't write.

my $keys = keys_of_all_kinds('acme');
my ($half, $leased) = (known('fixed'), known('leased'));

is_deeply([ seen_of($half, ('/') x 2) ], [ 'ok 204 3 2', 'ok 204 3 1' ],
          'Redis counts');

is(grep({ ask($leased)->status == 204 } 1 .. 6), 6, 'so it does for leases');

$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);

is(grep({ ask($leased)->status == 204 } 1 .. 8), 4,
   'what is known of a lease counts: the limit holds');

counts('out of memory', $keys);

is(logged($BEGINS), 1, 'that it counts here is logged once');
is(logged($ENDS), 0, 'and not that it is over');

$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

is(seen(ask($half)), 'ok 204 3 0',
   'then Redis goes on with what it has counted');

my $other = key('sliding');

ok(wait_for(sub { ask($other); logged($ENDS) }, 60), 'the log says so');
ask($other) for 1 .. 3;
is(logged($ENDS), 1, 'once');


# Redis is away: what is known is served as long as it may be stale.

$keys = keys_of_all_kinds('evil');
my $unknown = key('fixed');

ok($nginx->reload(conf('apikey_cache zone=others:1m stale=1h;')),
   'another zone');
ask($_, '/off') for values %$keys;
$redis->kill;

counts('away', $keys);
is(seen(ask($unknown)), 'unavailable 503 - -',
   'a key that the gateway does not know does not pass');
is(logged($BEGINS), 2, 'it is logged again');


# Without "stale" only anonymous clients are let in.

$redis->start;
ok($nginx->reload(conf('apikey_cache zone=small:32k;')), 'a small zone');
my $fresh = key('fixed');
ok(wait_for(sub { ask($fresh, '/off')->status == 204 }, 60), 'Redis is back');
$redis->kill;

is(seen(ask($fresh)), 'unavailable 503 - -', 'without "stale" no key passes');

my $c = dial($port);
my %count;

for my $n (0 .. 999) {
    my $client = join '.', 13, 0, int $n / 250, $n % 250;

    $c->send(Test::Apikey::HTTP::bytes('GET', '/optional',
                 'X-Real-IP' => $client, Connection => 'keep-alive'));
    $count{seen($c->response('GET'))}++;
}

is_deeply(\%count, { 'anonymous 204 3 2' => 1000 },
          'a zone that is full forgets others, and fails nobody');

done_testing();
