#!/usr/bin/perl

# A key of a query is in no log, though its request fails before its location,
# its server or even its method is known.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $plain) = map { free_port() } 1 .. 2;
my $dead = 1;           # no test listens there

my $nginx = nginx(<<"CONF", log => 'info');
    log_format all '\$request|\$request_uri|\$args|\$query_string|\$arg_key|'
                   '\$apikey_args|\$apikey_request_uri|\$http_referer|\$status';
    access_log combined.log combined;
    access_log all.log all;
    large_client_header_buffers 2 1k;
    client_header_buffer_size 1k;
    client_header_timeout 1s;
    client_max_body_size 10;
    limit_req_zone \$binary_remote_addr zone=slow:1m rate=1r/m;
    limit_req_zone \$request_uri zone=uris:1m rate=1000r/s;

    map \$request_uri \$is { default other; ~key has; }

    server {
        listen 127.0.0.1:$port default_server;
        server_name first;
        access_log combined.log combined;
        access_log all.log all;
    }

    server {
        listen 127.0.0.1:$port;
        server_name api;

        location / {
            apikey on;
            apikey_source query:key;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /other {
            apikey on;
            apikey_source query:other;
            limit_req zone=uris;
            if (\$is = nothing) { return 404; }
            proxy_pass http://127.0.0.1:$dead;
        }

        location /off { proxy_pass http://127.0.0.1:$dead; }

        location /shown {
            apikey on;
            apikey_source query:key;
            apikey_hide off;
            proxy_pass http://127.0.0.1:$dead;
        }

        location /returned { return 402; }
        location /slow { limit_req zone=slow; limit_req_status 503; }
        location /denied { deny all; }
        location /missing { root html; }
    }
CONF

my $key = create_key('--permissions', 'full')->{key};
my $hex = join '', map { sprintf '%%%02x', ord } split //, $key;
my $host = "Host: api\r\nConnection: close\r\n";
my $long = 'x' x 3000;


# Whatever is wrong with them, and however the key is written.

my @requests = map { my $q = $_; (
    "get /?$q HTTP/1.1\r\n$host\r\n",
    "GE^T /?$q HTTP/1.1\r\n$host\r\n",
    "GET /?$q HTTP/9.9\r\n$host\r\n",
    "GET /?$q XTTP/1.1\r\n$host\r\n",
    "GET /?$q a b HTTP/1.1\r\n$host\r\n",
    "GET /?a b=&$q HTTP/1.1\r\n$host\r\n",
    "GET /?a=1& $q HTTP/1.1\r\n$host\r\n",
    "GET http://api/?$q HTTP/1.1\r\n$host\r\n",
    "GET http://?$q HTTP/1.1\r\n$host\r\n",
    "GET /%zz?$q HTTP/1.1\r\n$host\r\n",
    "GET /../../?$q HTTP/1.1\r\n$host\r\n",
    "GET /?$q HTTP/1.1\r\n\r\n",
    "GET /?$q HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET /?$q HTTP/1.1\r\n${host}Host: other\r\n\r\n",
    "GET /?$q HTTP/1.1\r\n${host}Content-Length: x\r\n\r\n",
    "POST /?$q HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\n",
    "POST /off?$q HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\n",
    "POST /?$q HTTP/1.1\r\n${host}Transfer-Encoding: x\r\n\r\n",
    "GET /?$q HTTP/1.1\r\n${host}Expect: nothing\r\nBad header\r\n\r\n",
    "GET /?$q HTTP/1.1\r\n${host}X-A: $long\r\n\r\n",
    "GET /?$q&a=$long HTTP/1.1\r\n$host\r\n",
    "GET /?a=$long&$q HTTP/1.1\r\n$host\r\n",
    "TRACE /?$q HTTP/1.1\r\n$host\r\n",
    "CONNECT /?$q HTTP/1.1\r\n$host\r\n",
    "GET /?$q\r\n",
    "GET /$long?$q",
    "GET /?$q HTTP/1.1\r\nHost: api\r\nX-A:",
    "GET /?$q HTTP/1.1\r\nHost: api\r\n",
    (map { "GET $_?$q HTTP/1.1\r\n$host\r\n" }
         qw(/other /off /shown /returned /slow /slow /denied /missing /a%2e)),
    "GET /off HTTP/1.1\r\n${host}Referer: http://x/?$q\r\n\r\n",
    "GET /shown HTTP/1.1\r\n${host}Referer: http://x/?$q\r\n\r\n",
    "GET /other HTTP/1.1\r\n${host}Referer: http://x/?b=1&$q\r\n\r\n",
) } "key=$key", "k%65y=$key&a=1", "a=1&key=$hex", "other=$key",
  "other=&key=$key";

# Some clients go away in their headers, which nginx is to notice.

exchange($port, \@requests, 10);

for my $request (@requests) {
    my $c = dial($port);

    $c->send($request);
    $c->close;
}

wait_for(sub { my $log = slurp("$nginx->{dir}/all.log");
               2 * @requests * 0.8 <= ($log =~ tr/\n//) }, 10);
$nginx->stop;


for my $name (qw(combined all error)) {
    my $log = slurp("$nginx->{dir}/$name.log");
    my @found = grep { index(s/%([0-9a-fA-F]{2})/chr hex $1/ger, $key) >= 0 }
                     split /\n/, $log;

    is(join("\n", map { substr $_, 0, 300 } @found[0 .. ($#found < 9
                                                         ? $#found : 9)]), '',
       "$name.log has no key");
    like($log, qr/key=\*\*\*/, '... but a mask');
    like($log, qr/other=\*\*\*/, '... of every name');

    next if $name eq 'error';

    like($log, qr/$_/, "... and $_") for qw(400 402 403 404 405 408 413 414 502
                                            503 505);
}

my $log = $nginx->log;

like($log, qr/$_/, "the error log has: $_")
    for 'invalid method', 'too large body', 'invalid version', 'too long URI',
        'prematurely closed', 'connect\(\) failed',
        'upstream: "http://[^"]*key=\*\*\*', 'referrer: "[^"]*key=\*\*\*',
        'limiting requests', 'No such file', 'forbidden by rule';

done_testing();
