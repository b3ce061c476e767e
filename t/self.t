#!/usr/bin/perl

# apikey_self tells a client of its own key and what is left of its limits, at
# no cost and at the limit, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use JSON::PP qw(decode_json);

use Test::Apikey;

my ($half, $long) = (12960000, 25920000);

my $redis = redis();
my $up = upstream();
my $port = free_port();

sub conf {
    my ($failure) = @_;

    return <<"CONF";
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_cache zone=keys:1m;

    apikey_plan two 3/$half 9/$long;
    apikey_plan spare 7/$long;
    apikey_plan leased 100/$long mode=leased;
    apikey_plan sliding 3/$long algorithm=sliding;
    apikey_plan team 5/$long per=org;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_cost 2;
        apikey_charge 1;
        apikey_methods GET POST;
        apikey_limit_failure $failure;

        location / { apikey_cost 1; apikey_charge 0; try_files /none =204; }
        location = /v1/limits { apikey_self; }
        location = /spare { apikey_default_plan spare; apikey_self; }
        location = /dry { apikey_limit dry_run; apikey_self; }
        location = /optional { apikey optional; apikey_self; }
        location = /scoped { apikey_require a:write; apikey_self; }
        location = /used { apikey_usage on; apikey_self; }
        location = /any { satisfy any; allow all; apikey_self; }
        location = /page {
            apikey_cost 1;
            error_page 429 /v1/limits;
            try_files /none =204;
        }
        location = /sub { auth_request /v1/limits; try_files /none =204; }
    }
CONF
}

my $nginx = nginx(conf('deny'));

sub key { create_key('--scope', 'a:read', @_)->{key} }

# The response, what it tells, and in short: what is used of each window.

sub self {
    my ($uri, $key) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key);
    my $told = $r->status == 200 || $r->body =~ /^\{"id"/
               ? decode_json($r->body) : {};

    return ($r, $told, join ' ', map { "$_->{used}/$_->{limit}" }
                                 @{$told->{limits} || []});
}

sub status { get($port, $_[0], 'X-API-Key' => $_[1])->status }

my $now = $redis->cmd('TIME')->[0];
my %end = map { $_ => $now - $now % $_ + $_ } $half, $long;


# All that it tells.

my $made = create_key('--name', 'Jo "the" Könner', '--scope', 'a:read',
                      '--scope', 'b:*', '--plan', 'two', '--expires', '30d');
my $key = $made->{key};

is(status('/', $key), 204, 'a request');

for my $time (1 .. 2) {
    my ($r, $told) = self('/v1/limits', $key);

    is($r->status, 200, 'a client asks');
    is($r->header('Content-Type'), 'application/json', 'JSON');
    is($r->header('Cache-Control'), 'no-store', 'not to be kept');
    is($r->header('X-RateLimit-Remaining'), 2, 'with the usual headers');
    is_deeply($told, {
        id => $made->{id}, name => $made->{name}, plan => 'two',
        scopes => $made->{scopes}, expires => $made->{expires},
        limits => [
            { window => "$half", limit => 3, used => 1, remaining => 2,
              reset => $end{$half} },
            { window => "$long", limit => 9, used => 1, remaining => 8,
              reset => $end{$long} },
        ],
    }, "which costs nothing, $time");
}

status('/', $key) for 1 .. 2;
is(status('/', $key), 429, 'the limit is reached');

my ($r, $told, $used) = self('/v1/limits', $key);
is($r->status, 200, 'at the limit it answers still');
is($used, '3/3 3/9', 'and what is refused is not used');
is((self('/v1/limits', $key))[2], '3/3 3/9', 'nor asking');

$r = get($port, '/page', 'X-API-Key' => $key);
is($r->status, 429, 'as the error_page of 429');
like($r->body, qr/^\{"id":"\Q$made->{id}\E"/, 'it says why');

$r = request($port, 'HEAD', '/v1/limits', 'X-API-Key' => $key);
is($r->status, 200, 'HEAD');
is($r->body, '', 'has no body');

for my $method ('POST', 'DELETE', 'OPTIONS') {
    $r = request($port, $method, '/v1/limits', 'X-API-Key' => $key);
    is($r->status, 405, "$method: 405");
    is($r->header('Allow'), 'GET, HEAD', "$method: Allow");
}

$r = request($port, 'OPTIONS', '/v1/limits', Origin => 'https://a',
             'Access-Control-Request-Method' => 'GET');
is($r->status, 405, 'a preflight: 405');


# By which limits.

is((self('/v1/limits', key()))[2], '', 'no plan: no limits');
is((self('/v1/limits', key()))[1]{expires}, undef, 'does not expire');
is((self('/v1/limits', key()))[1]{plan}, undef, 'no plan');
is((self('/spare', key()))[2], '0/7', 'of the default plan');
is((self('/spare', key()))[1]{plan}, 'spare', 'which it names');
is((self('/v1/limits', key('--limits', "4/$long")))[2], '0/4', 'its own');
is((self('/dry', key('--plan', 'two')))[2], '0/3 0/9', 'dry_run');

for my $plan (qw(leased sliding)) {
    my $key = key('--plan', $plan);

    my $limit = $plan eq 'leased' ? 100 : 3;

    is((self('/v1/limits', $key))[2], "0/$limit", "$plan: nothing used");
    is(status('/', $key), 204, "$plan: a request");
    is((self('/v1/limits', $key))[2], "1/$limit", "$plan: it is used")
        for 1 .. 2;
}

my @team = map { key('--plan', 'team', '--org', 'acme') } 1 .. 2;
is(status('/', $team[0]), 204, 'a request of an organization');
is((self('/v1/limits', $team[1]))[2], '1/5', 'is used by all its keys');


# Who is told, and when nothing can be.

is(get($port, $_)->status, 401, "$_: no key") for '/v1/limits', '/optional',
                                                  '/any';
is(status($_, 'bad'), 401, "$_: a bad key") for '/v1/limits', '/optional';
is(status('/optional', key()), 200, 'optional: a good key');
is(status('/scoped', key()), 403, 'a scope that it needs here');
is(status('/sub', key()), 403, 'not as a subrequest');

my $idle = create_key('--scope', 'a:read');
is(status('/v1/limits', $idle->{key}), 200, 'asking is no use');
is(status('/used', $idle->{key}), 200, 'unless "apikey_usage" is on there');
ok(wait_for(sub {
    my $usage = apikey('--json', 'usage', $idle->{id})->{out};

    return $usage =~ m{"GET /used": ?1\b} && $usage !~ m{/v1/limits};
}), 'which is counted');

my $revoked = create_key('--scope', 'a:read');
is(apikey('revoke', $revoked->{id})->{exit}, 0, 'a key is revoked');
is(status('/v1/limits', $revoked->{key}), 401, 'and is not told a thing');

my %status = (deny => 503, allow => 503, local => 200);

for my $failure (qw(deny allow local)) {
    $nginx->reload(conf($failure) =~ s/keys:1m/keys:1m stale=1h/r);

    ok(wait_for(sub {
        $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == 1
    }), "$failure: a worker that hears of changes");

    # the second time what is new of the keys has been heard, and they are kept

    my @known = map { key('--plan', $_) } 'two', 'leased';
    is(status('/v1/limits', $_), 200, "$failure: with Redis")
        for @known, @known;

    $redis->stop;
    is(status('/v1/limits', $_), $status{$failure},
       "$failure: without Redis") for @known;

    $redis->start;
    ok(wait_for(sub { status('/v1/limits', key()) == 200 }),
       "$failure: Redis is there again");
}


# nginx -t

for ([ 'server { listen 127.0.0.1:1; location / { apikey_self; } }',
       qr/"apikey_self" needs "apikey" "on"/ ],
     [ 'server { listen 127.0.0.1:1; location / '
       . '{ apikey on; apikey_self; apikey_self; } }',
       qr/"apikey_self" directive is duplicate/ ],
     [ 'server { listen 127.0.0.1:1; apikey on; apikey_self; }',
       qr/"apikey_self" directive is not allowed here/ ])
{
    my ($conf, $why) = @$_;
    my $test = nginx_test("apikey_redis 127.0.0.1:1; $conf");

    isnt($test->{exit}, 0, "nginx -t refuses: $conf");
    like($test->{err}, $why, 'and says why');
}

done_testing();
