#!/usr/bin/perl

# Usage: what is counted of a key's requests, exactly, over several workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_plan three 3/25920000;
    apikey_usage_days 30;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        apikey_resource users;
        apikey_country \$http_x_country;
        log_subrequest on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /v1/ {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location ~ ^/orgs/(\\w+)/ {
            apikey_endpoint "\$request_method orgs \$1";
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /off {
            apikey_usage off;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /dry {
            apikey_limit dry_run;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /moved {
            proxy_intercept_errors on;
            error_page 404 = /v1/instead;
            error_page 500 /errors/500.html;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /tried {
            try_files /none \@tried;
        }

        location \@tried {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /asks {
            auth_request /auth;
            mirror /auth;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /errors/ {
            apikey off;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /optional {
            apikey optional;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--permissions', 'read', @_) }

sub ask {
    my ($key, $uri, %opt) = @_;

    return request($port, $opt{method} || 'GET', $uri,
                   'X-API-Key' => $key->{key}, %{$opt{headers} || {}});
}

# To be compared when all is written.

my @expected;

sub is_counted { push @expected, [ @_ ] }

# "l..." together, for how long they took nobody knows.

sub compare {
    my ($key, $expected, $name) = @_;
    my $usage = $redis->usage($key);
    my @latencies = grep { /^l\d/ } keys %$usage;

    $usage->{l} += delete $usage->{$_} for @latencies;
    delete $usage->{b} unless $expected->{b};

    is_deeply($usage, $expected, $name);
}

sub size { length($_[0]->head) + length($_[0]->body) }


my $key = key();
my $sent = 0;

$sent += size(ask($key, '/v1/users')) for 1 .. 20;
$sent += size(ask($key, '/v1/users', method => 'HEAD')) for 1 .. 3;
$sent += size(ask($key, '/elsewhere'));

is_counted($key, { n => 24, l => 24, s200 => 24, b => $sent,
                   'eGET /v1/' => 20, 'eHEAD /v1/' => 3, 'eGET /' => 1 },
           'requests, bytes, statuses and endpoints, over two workers');

$key = key();
ask($key, '/', headers => { 'X-Echo-Status' => $_ })
    for 200, 204, 404, 500, 500;
is_counted($key, { n => 5, l => 5, s200 => 1, s204 => 1, s404 => 1,
                   s500 => 2, x => 3, 'eGET /' => 5 },
           'errors of the upstream');


# One kind of request after another, so that none follows its like.

$key = key();

for (1 .. 8) {
    ask($key, '/', headers => { 'X-Echo-Status' => 204 });
    ask($key, '/v1/');
    ask($key, '/', method => 'HEAD');
    ask($key, '/', method => $_) for qw(SHIFT STORE);
}

is_counted($key, { n => 40, l => 24, s204 => 8, s200 => 16, s403 => 16,
                   dscope => 16, 'eGET /' => 8, 'eGET /v1/' => 8,
                   'eHEAD /' => 8, 'eSHIFT /' => 8, 'eSTORE /' => 8 },
           'locations, statuses and methods in turn, of any name');


$key = key();
ask($key, '/', headers => { 'X-Country' => $_ }) for qw(DE DE FR), '';
is_counted($key, { n => 4, l => 4, s200 => 4, 'eGET /' => 4,
                   cDE => 2, cFR => 1 },
           'countries, none where there is none');


$key = key();
ask($key, "/orgs/$_/x") for qw(acme acme other);
ask($key, '/orgs/' . 'y' x 200 . '/x');
ask($key, '/', headers => { 'X-Country' => "A\xc3\xbc\x01\"{}" });
is_counted($key, { n => 5, l => 5, s200 => 5, 'eGET /' => 1,
                   'eGET orgs acme' => 2, 'eGET orgs other' => 1,
                   'eGET orgs ' . 'y' x 51 => 1, 'cA???"{}' => 1 },
           'labels of the operator, cleaned and cut');


# What the gateway has refused.

$key = key('--plan', 'three');
my $answers = join ' ', map { ask($key, '/')->status } 1 .. 5;
is($answers, '200 200 200 429 429', 'over the limit');
is_counted($key, { n => 5, l => 3, s200 => 3, s429 => 2, dlimited => 2,
                   'eGET /' => 5 },
           'is refused by reason, and no error');

$key = key('--plan', 'three');
ask($key, '/dry') for 1 .. 5;
is_counted($key, { n => 5, l => 5, s200 => 5, 'eGET /dry' => 5 },
           'a dry run refuses nothing');

$key = key('--allow', '10.0.0.0/8');
is(ask($key, '/')->status, 403, 'from another address');
is_counted($key, { n => 1, s403 => 1, daddress => 1, 'eGET /' => 1 },
           'is counted');

$key = key();
is(ask($key, '/', method => 'DELETE')->status, 403, 'without the scope');
apikey('disable', $key->{id});
is(ask($key, '/')->status, 401, 'disabled');
apikey('revoke', $key->{id});
is(ask($key, '/')->status, 401, 'revoked');
is_counted($key, { n => 3, s403 => 1, s401 => 2, dscope => 1, ddisabled => 1,
                   drevoked => 1, 'eGET /' => 2, 'eDELETE /' => 1 },
           'are counted by reason');


# Once for each request of a client.

$key = key();
is(ask($key, '/moved', headers => { 'X-Echo-Status' => 404 })->status, 404,
   'an internal redirect');
is_counted($key, { n => 1, l => 1, s404 => 1, x => 1, 'eGET /v1/' => 1 },
           'is counted once, where it came to');

$key = key();
is(ask($key, '/moved', method => 'HEAD',
       headers => { 'X-Echo-Status' => 500 })->status, 500, 'an error page');
is_counted($key, { n => 1, l => 1, s500 => 1, x => 1, 'eHEAD /moved' => 1 },
           'leaves status, location and method');

$key = key();
ask($key, '/tried');
is_counted($key, { n => 1, l => 1, s200 => 1, 'eGET @tried' => 1 },
           'a named location');

$key = key();
ask($key, '/asks');
is_counted($key, { n => 1, l => 1, s200 => 1, 'eGET /asks' => 1 },
           'subrequests are no requests');


# What isn't counted.

$key = key();
my $unknown = key();
my $digest = $redis->digest($unknown->{id});

ask($unknown, '/');
is(apikey('delete', $unknown->{id})->{exit}, 0, 'deleted just after its use');
is(ask($unknown, '/')->status, 401, 'a key that nobody knows');

ask($key, '/off');
ask({ key => 'ak_' . 'x' x 39 }, '/');
ask({ key => substr($key->{key}, 0, -1) }, '/');
get($port, '/');
get($port, '/optional');
request($port, 'OPTIONS', '/', Origin => 'https://x', 'X-API-Key' => '',
        'Access-Control-Request-Method' => 'GET');

is_counted($key, {}, 'a key where usage is off');

my %names = map { $_ => 1 } @{$redis->cmd('KEYS', '*')};

$nginx->stop;

compare(@$_) for @expected;

my %used = map { $redis->digest($_->[0]{id}) => 1 } @expected;
my @strange = grep { !/^apikey:usage:\{(\w+)\}(:\d{8})?$/ || !$used{$1} }
              grep { !$names{$_} && $_ ne "apikey:events" }
                   @{$redis->cmd('KEYS', '*')};

is_deeply(\@strange, [],
          'who has no record leaves no trace');

my $name = 'apikey:{' . $redis->digest($expected[0][0]{id}) . '}';
my ($seconds, $address) = split ' ',
    $redis->cmd('HGET', $name, 'used');

cmp_ok(abs($seconds - time), '<', 60, 'the last use: when');
is($address, '127.0.0.1', 'and from where');

my ($day) = @{$redis->cmd('KEYS', 'apikey:usage:*:????????')};
my $ttl = $redis->cmd('TTL', $day);

cmp_ok($ttl, '>', 30 * 86400 - 600, 'kept for as many days as configured');
cmp_ok($ttl, '<=', 30 * 86400, 'and no longer');

done_testing();
