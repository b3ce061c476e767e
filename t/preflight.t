#!/usr/bin/perl

# A browser's CORS preflight can't carry a key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

nginx(<<"CONF");
    apikey_plan one 1/25920000;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_methods GET;
        apikey_require users:read;
        add_header X-Result \$apikey_result always;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /check {
            apikey_preflight check;
            apikey_methods all;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my @preflight = (Origin => 'https://app.test',
                 'Access-Control-Request-Method' => 'PUT');

sub asked {
    my ($method, $uri, @headers) = @_;
    my $r = request($port, $method, $uri, @headers);

    return join ' ', $r->status, $r->header('X-Result'),
                     $r->header('X-RateLimit-Limit') // ();
}

my $key = create_key('--permissions', 'read', '--plan', 'one')->{key};
my $weak = create_key('--scope', 'teams:read')->{key};
my $before = $redis->dump;
my $monitor = $redis->monitor;


# Neither judged nor counted.

is(asked('OPTIONS', '/', @preflight), '200 preflight', 'without a key');
is(asked('OPTIONS', '/', 'ORIGIN' => 'null',
         'access-control-request-method' => 'GET'), '200 preflight',
   'whatever the case of its headers');
is(asked('OPTIONS', '/', @preflight, 'X-API-Key' => 'rubbish'),
   '200 preflight', 'with a bad key');
is(asked('OPTIONS', '/', @preflight, 'X-API-Key' => $weak), '200 preflight',
   'with a key without the scope');
is(asked('OPTIONS', '/', @preflight, 'X-API-Key' => $key), '200 preflight',
   'with a good key, which it does not need') for 1 .. 2;

is(grep({ /EVAL/i && !/:(?:gateways|usage|events|expiring)/ } $monitor->lines),
   0, 'Redis has nothing to do with it');
is($redis->dump, $before, 'nothing is counted');
unlike(($up->requests)[-1]{raw}, qr/\Q$key/, 'the key is hidden nevertheless');


# What is no preflight.

is(asked('OPTIONS', '/', @preflight[0, 1]), '401 missing', 'Origin alone');
is(asked('OPTIONS', '/', @preflight[2, 3]), '401 missing',
   'Access-Control-Request-Method alone');
is(asked('OPTIONS', '/', Origin => '', @preflight[2, 3]), '401 missing',
   'an empty Origin');
is(asked('OPTIONS', '/', @preflight[0, 1],
         'Access-Control-Request-Method' => ''), '401 missing',
   'an empty Access-Control-Request-Method');
is(asked('OPTIONS', '/'), '401 missing', 'OPTIONS alone');
is(asked('GET', '/', @preflight), '401 missing', 'GET');
is(asked('HEAD', '/', @preflight), '401 missing', 'HEAD');
is(asked('PUT', '/', @preflight), '401 missing', 'PUT');
is(asked('OPTIONSX', '/', @preflight), '401 missing', 'a longer name');


# apikey_preflight check

is(asked('OPTIONS', '/check', @preflight), '401 missing', 'check: no key');
is(asked('OPTIONS', '/check', @preflight, 'X-API-Key' => $weak), '403 scope',
   'check: a key without the scope');
is(asked('OPTIONS', '/check', @preflight, 'X-API-Key' => $key), '200 ok 1',
   'check: a good key');
is(asked('OPTIONS', '/check', @preflight, 'X-API-Key' => $key),
   '429 limited 1', 'check: is counted');

done_testing();
