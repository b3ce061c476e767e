#!/usr/bin/perl

# Keys beside nginx's own ways to let somebody in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $lonely) = map { free_port() } 1 .. 2;
my $nobody = 1;         # no test listens there

my $users = file('users', "anna:{PLAIN}secret\n");
chmod 0644, $users;

my $pass = "proxy_pass http://127.0.0.1:$up->{port};";
my $basic = "auth_basic inner; auth_basic_user_file $users;";
my $asks = 'auth_request /auth;';


sub conf {
    my ($port) = @_;

    return <<"CONF";
    apikey_plan many 1000/25920000;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_resource users;

        location /all/basic { $basic $pass }
        location /all/deny { deny all; $pass }
        location /all/allow { allow 127.0.0.1; deny all; $pass }
        location /all/request { $asks $pass }
        location /all/delay { auth_delay 1s; $pass }

        location /any/basic { satisfy any; $basic $pass }
        location /any/deny { satisfy any; deny all; $pass }
        location /any/allow { satisfy any; allow 127.0.0.1; deny all; $pass }
        location /any/request { satisfy any; $asks $pass }
        location /any/three { satisfy any; deny all; $asks $basic $pass }
        location /any/alone { satisfy any; $pass }
        location /any/optional { satisfy any; apikey optional; deny all; $pass }

        location /page { error_page 401 403 /any/allow; $pass }
        location /page/other { error_page 403 = /any/allow; $pass }

        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_set_header X-Echo-Status \$http_x_auth;
            proxy_set_header X-Echo-Header "WWW-Authenticate: Asked x=1";
        }
    }
CONF
}


my $nginx = nginx(conf($port));
nginx("apikey_redis 127.0.0.1:$nobody;\n" . conf($lonely));

my $good = create_key('--scope', 'users:*', '--plan', 'many')->{key};
my $weak = create_key('--scope', 'teams:*', '--plan', 'many')->{key};

my @key = ('X-API-Key' => $good);
my @weak = ('X-API-Key' => $weak);
my @bad = ('X-API-Key' => 'rubbish');

my @anna = (Authorization => 'Basic ' . encode_base64('anna:secret', ''));
my @evil = (Authorization => 'Basic ' . encode_base64('anna:guess', ''));
my @yes = ('X-Auth' => 200);
my @no = ('X-Auth' => 401);

my $json = qr/^\{"statusCode":/;



# The status, the challenges, and whose body it is.

sub told {
    my ($uri, @headers) = @_;
    my $r = get($port, $uri, @headers);
    my $body = $r->body =~ $json ? 'ours' : $r->body =~ /^<html>/ ? 'nginx'
               : 'upstream';

    return join ' ', $r->status, $body,
           map { s/ .*//r } $r->all('WWW-Authenticate');
}

# The same, which has to leave all counters alone.

sub free {
    my $before = $redis->dump;
    my $told = told(@_);

    return $redis->dump eq $before ? $told : "counted, $told";
}


# satisfy all: whatever refuses.

is(told('/all/basic', @key, @anna), '200 upstream', 'all: key and password');
is(free('/all/basic', @key), '401 nginx Basic', 'all: no password');
is(free('/all/basic', @key, @evil), '401 nginx Basic', 'all: a wrong one');
is(free('/all/basic', @anna), '401 ours ApiKey', 'all: no key');
is(free('/all/basic', @bad, @anna), '401 ours ApiKey', 'all: a bad key');
is(free('/all/basic', @weak, @anna), '403 ours', 'all: no scope');
is(free('/all/deny', @key), '403 nginx', 'all: a denied address');
is(told('/all/allow', @key), '200 upstream', 'all: an allowed address');
is(free('/all/allow'), '401 ours ApiKey', 'all: an allowed address, no key');
is(told('/all/request', @key, @yes), '200 upstream',
   'all: auth_request agrees');
is(free('/all/request', @key, @no), '401 nginx Asked',
   'all: auth_request does not');
is(free('/all/request', @yes), '401 ours ApiKey',
   'all: auth_request agrees, no key');


# satisfy any: whatever admits.

is(told('/any/basic', @key), '200 upstream', 'any: a key');
is(free('/any/basic', @anna), '200 upstream', 'any: a password');
is(free('/any/basic', @bad, @anna), '200 upstream',
   'any: a bad key and a password');
is(free('/any/basic', @weak, @anna), '200 upstream',
   'any: a key without the scope and a password');
is(told('/any/basic', @key, @evil), '200 upstream',
   'any: a key and a wrong password');
is(free('/any/basic'), '401 ours Basic ApiKey', 'any: nothing');
is(free('/any/basic', @bad, @evil), '401 ours Basic ApiKey', 'any: all wrong');
is(free('/any/basic', @weak), '401 nginx Basic',
   'any: a key without the scope, and a password would help');

is(told('/any/deny', @key), '200 upstream', 'any: a denied address with a key');
is(free('/any/deny'), '401 ours ApiKey', 'any: a denied address without');
is(free('/any/deny', @weak), '403 ours', 'any: a denied address, no scope');
is(free('/any/allow'), '200 upstream', 'any: an allowed address');
is(free('/any/allow', @bad), '200 upstream',
   'any: an allowed address with a bad key');

is(told('/any/request', @key, @no), '200 upstream',
   'any: a key, auth_request refuses');
is(free('/any/request', @yes), '200 upstream', 'any: auth_request agrees');
is(free('/any/request', @bad, @yes), '200 upstream',
   'any: auth_request agrees, a bad key');
is(free('/any/request', @no), '401 ours Asked ApiKey',
   'any: no key, auth_request refuses');

like(told('/any/three', @key, @no), qr/^200 upstream/, 'any of four: the key');
is(free('/any/three', @no, @anna), '200 upstream', 'any of four: the password');
is(free('/any/three', @yes), '200 upstream', 'any of four: auth_request');
is((split ' ', free('/any/three', @no))[0], 401, 'any of four: none');

is(told('/any/alone', @key), '200 upstream', 'any: the key alone');
is(free('/any/alone'), '401 ours ApiKey', 'any: alone and missing');
is(free('/any/alone', @weak), '403 ours', 'any: alone and weak');

is(free('/any/optional'), '200 upstream', 'any: no key, where none is needed');
is(free('/any/optional', @bad), '401 ours ApiKey', 'any: a bad key there');


# What an upstream answers is its own, whoever has admitted the request.

for my $status (401, 403, 405, 429, 503) {
    my @echo = ('X-Echo-Status' => $status, 'X-Echo-Body' => 'upstream');

    is(told('/any/basic', @key, @echo), "$status upstream",
       "the upstream's $status to a key");
    is(told('/any/basic', @anna, @echo), "$status upstream",
       "the upstream's $status to a password");
    is(told('/any/basic', @bad, @anna, @echo), "$status upstream",
       "the upstream's $status to a password with a bad key");
}


# Nor is the page of an error that somebody else admits to.

is(free('/page', @bad), '401 upstream ApiKey', 'a page for 401');
is(free('/page', @weak), '403 upstream', 'a page for 403');
is(free('/page/other', @weak), '200 upstream', 'a page in place of 403');


# A key that nobody asked for goes no further than any other.

$up->forget;
told('/any/allow', @key);
unlike(($up->requests)[-1]{raw}, qr/\Q$good/, 'the key is hidden nevertheless');


# Limits are nothing that another way replaces; a password needs none.

$good = create_key('--scope', 'users:*', '--limits', '1/25920000')->{key};
@key = ('X-API-Key' => $good);
is(told('/any/basic', @key), '200 upstream', 'any: the last request');
like(free('/any/basic', @key), qr/^429 ours/, 'any: the limit is reached');
is(free('/any/basic', @key, @anna), '200 upstream',
   'any: the password goes on');


# Without Redis.

sub lonely { get($lonely, @_)->status }

is(lonely('/any/basic', @key), 503, 'Redis away: a key');
is(lonely('/any/basic', @anna), 200, 'Redis away: a password');
is(lonely('/any/basic'), 401, 'Redis away: nothing');
is(lonely('/all/basic', @key, @anna), 503, 'Redis away: both are required');


# auth_delay

my $start = time;
is(told('/all/delay', @bad), '401 ours ApiKey', 'auth_delay: a bad key');
cmp_ok(time - $start, '>=', 0.9, 'waits for its answer');

$start = time;
is(free('/all/delay', @weak), '403 ours', 'auth_delay: 403 is not delayed');

done_testing();
