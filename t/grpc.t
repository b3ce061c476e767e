#!/usr/bin/perl

# A gRPC client is refused in gRPC's own way, unary or streaming: it learns
# what it would have learnt of HTTP, and 429 is RESOURCE_EXHAUSTED.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use JSON::PP qw(decode_json encode_json);

use Test::Apikey;
use Test::Apikey::Npm;

my $redis = redis();
my ($port, $plain, $upstream) = (free_port(), free_port(), free_port());

my $nginx = nginx(<<"CONF");
    apikey_plan one 1/25920000;

    log_format told '\$uri \$status \$apikey_result';
    access_log told.log told;

    server {
        listen 127.0.0.1:$port http2;
        listen 127.0.0.1:$plain;

        apikey on;
        apikey_headers both;

        location / { grpc_pass grpc://127.0.0.1:$upstream; }

        location /echo.Scoped/ {
            apikey_require echo:write;
            grpc_pass grpc://127.0.0.1:$upstream;
        }

        location /echo.Read/ {
            apikey_methods GET;
            grpc_pass grpc://127.0.0.1:$upstream;
        }

        location /echo.Off/ {
            apikey_error off;
            grpc_pass grpc://127.0.0.1:$upstream;
        }

        location /echo.Page/ {
            error_page 401 = \@page;
            grpc_pass grpc://127.0.0.1:$upstream;
        }

        location \@page {
            apikey off;
            default_type application/grpc;
            add_header grpc-status 2;
            add_header grpc-message ours;
            return 204;
        }
    }
CONF

my $good = create_key('--scope', 'echo:read')->{key};
my @kinds = qw(Unary Server Client Both);
my %echoed = (Unary => [ 'one' ], Server => [ 'one', 'one' ],
              Client => [ 'onetwo' ], Both => [ 'one', 'two' ]);

# A call of each kind, and how they ended.

sub called {
    my ($service, $key) = @_;
    my @calls = map { [ "/$service/$_", $key ? { 'x-api-key' => $key } : {} ] }
                @kinds;
    my $r = node('grpc.mjs', $port, $upstream, encode_json(\@calls));

    is($r->{exit}, 0, "$service: calls") or diag($r->{err});

    my $ended = decode_json($r->{out} || '[]');

    return map { $kinds[$_] => $ended->[$_] } 0 .. $#kinds;
}

sub refused {
    my ($what, $code, $details, %call) = @_;

    for my $kind (@kinds) {
        is($call{$kind}{code}, $code, "$what, $kind: $code");
        is($call{$kind}{details}, $details, "$what, $kind: $details");
        is_deeply($call{$kind}{messages}, [], "$what, $kind: no message");
    }
}


SKIP: {
    my $why = npm_missing('@grpc/grpc-js');
    skip($why, 1) if $why;

    my %call = called('echo.Echo', $good);

    for my $kind (@kinds) {
        is($call{$kind}{code}, 0, "$kind: OK");
        is_deeply($call{$kind}{messages}, $echoed{$kind}, "$kind: its answer");
    }

    refused('no key', 16, 'Missing API key', %call = called('echo.Echo'));
    is($call{Unary}{headers}{'www-authenticate'}, 'ApiKey realm="api"',
       'no key: WWW-Authenticate');
    refused('a bad key', 16, 'Invalid API key', called('echo.Echo', 'bad'));
    refused('a scope', 7, 'Insufficient permissions',
            called('echo.Scoped', $good));
    refused('a method', 12, 'Method not allowed',
            %call = called('echo.Read', $good));
    is($call{Both}{headers}{allow}, 'GET, HEAD', 'a method: Allow');
    refused('apikey_error off', 16, 'Missing API key', called('echo.Off'));

    my $one = create_key('--plan', 'one', '--scope', '*:*')->{key};
    is(request($plain, 'POST', '/echo.Echo/x', 'X-API-Key' => $one)->status,
       502, 'what the plan allows');
    refused('a limit', 8, 'Rate limit exceeded',
            %call = called('echo.Echo', $one));
    like($call{Server}{headers}{'retry-after'}, qr/^[1-9]\d*$/,
         'a limit: Retry-After');
    is($call{Server}{headers}{'x-ratelimit-remaining'}, 0,
       'a limit: X-RateLimit');
    like($call{Server}{headers}{ratelimit}, qr/^"25920000";r=0;/,
         'a limit: RateLimit');

    refused('error_page', 2, 'ours', called('echo.Page'));

    my $log = slurp("$nginx->{dir}/told.log");
    like($log, qr{^/echo.Echo/Unary 401 missing$}m, 'the log has the status');
    like($log, qr{^/echo.Echo/Both 429 limited$}m, 'of each refusal');
}


# Any client that says so, gRPC-Web too.

for my $type ('application/grpc', 'application/grpc+proto',
              'application/grpc-web', 'application/grpc-web-text+proto',
              'Application/gRPC; x=1')
{
    my $r = request($plain, 'POST', '/echo.Echo/Unary',
                    'Content-Type' => $type);
    is($r->status, 200, "$type: 200");
    is($r->header('Content-Type'), $type, "$type: in kind");
    is($r->header('grpc-status'), 16, "$type: grpc-status");
    is($r->header('grpc-message'), 'Missing API key', "$type: grpc-message");
    is($r->header('Cache-Control'), 'no-store', "$type: Cache-Control");
    is($r->body, '', "$type: no body");
}

for my $type ('application/grpcish', 'application/grp', 'text/plain') {
    my $r = request($plain, 'POST', '/echo.Echo/Unary',
                    'Content-Type' => $type);
    is($r->status, 401, "$type: 401");
    is($r->header('grpc-status'), undef, "$type: no gRPC");
    is($r->body, '{"statusCode":401,"message":"Missing API key"}',
       "$type: its body");
}

$redis->stop;

my $r = request($plain, 'POST', '/echo.Echo/Unary', 'X-API-Key' => $good,
                'Content-Type' => 'application/grpc');
is($r->header('grpc-status'), 14, 'Redis is gone: UNAVAILABLE');
is($r->header('Retry-After'), 1, 'Redis is gone: Retry-After');

done_testing();
