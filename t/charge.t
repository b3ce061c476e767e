#!/usr/bin/perl

# apikey_charge: what a response has turned out to cost is added afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_plan ten 10/25920000;
    apikey_plan shared 10/25920000 per=org;
    apikey_plan short 10/2;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_cut off;
        apikey_charge \$upstream_http_x_tokens;
        log_subrequest on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /constant {
            apikey_charge 3;
            apikey_require users:read;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /free {
            apikey_cost 0;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /off {
            apikey_limit off;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /asks {
            apikey_charge 3;
            auth_request /auth;
            mirror /auth;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /moved {
            apikey_charge 3;
            error_page 404 = /constant;
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key {
    my ($plan, @more) = @_;

    return create_key('--permissions', 'read', '--plan', $plan || 'ten',
                      @more)->{key};
}

sub asked {
    my ($key, $uri, $tokens, @headers) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key, @headers, defined $tokens
                ? ('X-Echo-Header' => "X-Tokens: $tokens") : ());

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}


my $key = key();
is(asked($key, '/', 4), '200 9', 'the response itself knows nothing of it');
is(asked($key, '/'), '200 4', 'the next one does');
is(asked($key, '/', 0), '200 3', 'a charge of nothing');
is(asked($key, '/constant'), '200 2', 'a charge that is always the same');
is(asked($key, '/'), '429 0', 'has used up the rest');

$key = key();
is(asked($key, '/', 1000), '200 9', 'a charge over the limit');
is(asked($key, '/'), '429 0', 'is a debt, which refuses');
is(asked($key, '/free'), '200 0', 'but not what is free');

$key = key();
is(asked($key, '/free', 4), '200 10', 'what is free may be charged');
is(asked($key, '/'), '200 5', 'which counts');
is(asked($key, '/off', 4), '200', 'where nothing is counted');
is(asked($key, '/'), '200 4', 'nothing is charged');

$key = key('shared', '--org', 'acme');
my $other = key('shared', '--org', 'acme');
is(asked($key, '/', 4), '200 9', 'a limit that keys share');
is(asked($other, '/'), '200 4', 'is charged for all of them');


# Errors of the upstream are charged, refusals are not.

$key = key();
is(asked($key, '/', 4, 'X-Echo-Status' => 500), '500 9', 'an error');
is(asked($key, '/'), '200 4', 'is charged as it says');

$key = key();
my $weak = create_key('--scope', 'teams:read', '--plan', 'ten')->{key};
my $before = $redis->dump;

is(asked($weak, '/constant'), '403', 'refused for its scope');
is(asked("${weak}x", '/constant'), '401', 'refused for its form');
is($redis->dump, $before, 'neither is charged');

asked($key, '/', 20);
is(asked($key, '/free'), '200 0', 'a debt');
$before = $redis->dump;
is(asked($key, '/constant'), '429 0', 'refused for the limit');
is($redis->dump, $before, 'is not charged either');


# Once for each request of a client.

$key = key();
is(asked($key, '/asks'), '200 9', 'with subrequests that are logged');
is(asked($key, '/'), '200 5', 'charged once');

$key = key();
is(asked($key, '/moved', undef, 'X-Echo-Status' => 404), '404 9',
   'with an internal redirect');
is(asked($key, '/'), '200 5', 'charged once');


# What is no charge.

$key = key();
my $left = 10;

for ('', '-1', '1.5', 'many', 140737488355329, '9' x 40) {
    asked($key, '/free', $_);
    is(asked($key, '/free'), '200 10', "\"$_\" adds nothing");
}

is(asked($key, '/'), '200 9', 'nor does a response without it');
like($nginx->log, qr/\[error\].*"many".*apikey_charge/,
     'which is logged, with the value');


# The greatest charges make no count go round.

$key = key();

for (1 .. 3) {
    asked($key, '/free', 140737488355328);
    is(asked($key, '/'), '429 0', "a huge debt, $_ times");
}


# A debt ends with its window.

my $r;
$key = key('short');

for (1 .. 100) {
    $r = get($port, '/', 'X-API-Key' => $key,
             'X-Echo-Header' => 'X-Tokens: 1000');
    last if $r->status == 429;
}

is($r->status, 429, 'a debt in a short window');
sleep $r->header('Retry-After');
is(asked($key, '/'), '200 9', 'is over with it');


# A key that is deleted while it is used.

my $gone = create_key('--permissions', 'read', '--plan', 'ten');

my $slow = in_background(sub {
    return asked($gone->{key}, '/', 5, 'X-Echo-Delay' => 1);
});

$up->forget;
wait_for(sub { scalar $up->requests });
is(apikey('delete', $gone->{id})->{exit}, 0, 'a key deleted meanwhile');

$key = key();
my $after = $redis->dump;
is($slow->result, '200 9', 'the response comes through');
is(asked($key, '/free'), '200 10', 'its charge has been sent');
is($redis->dump, $after, 'and has brought nothing back to life');

done_testing();
