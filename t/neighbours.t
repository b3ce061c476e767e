#!/usr/bin/perl

# Keys beside other modules of nginx: each does what it does without them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $lonely) = map { free_port() } 1 .. 2;
my $nobody = 1;         # no test listens there

my $files = Test::Apikey::dir() . '/files';
my $cache = Test::Apikey::dir() . '/cache';
mkdir $files or die;
chmod 0644, file('files/error.html', 'our own page'),
            file('files/page.html',
                 'one <!--# include virtual="/secret/part" --> two');

my $pass = "proxy_pass http://127.0.0.1:$up->{port};";


sub conf {
    my ($port) = @_;

    return <<"CONF";
    apikey_plan ten 10/25920000;
    limit_req_zone \$binary_remote_addr zone=req:1m rate=1r/m;
    proxy_cache_path $cache$port keys_zone=cache:1m;

    server {
        listen 127.0.0.1:$port;
        root $files;
        apikey on;

        location / { $pass }

        location /secret {
            apikey_require secrets:read;
            proxy_pass_request_headers off;
            $pass
        }

        location /limit_req { limit_req zone=req; $pass }

        location /limit_except {
            limit_except GET { deny all; }
            $pass
        }

        location = /page.html { ssi on; }
        location /mirror { mirror /secret; $pass }
        location /asks { auth_request /secret; $pass }
        location /return { return 403 "no"; }

        location /intercept {
            proxy_intercept_errors on;
            error_page 401 404 429 /error;
            $pass
        }

        location /error {
            apikey off;
            try_files /error.html =404;
        }

        location /pages {
            apikey_methods GET;
            apikey_resource users;
            error_page 401 403 405 429 503 /error;
            $pass
        }

        location /named {
            apikey_methods GET;
            apikey_resource users;
            error_page 401 403 405 429 503 \@error;
            $pass
        }

        location \@error {
            apikey off;
            proxy_set_header X-Echo-Body "the page of an upstream";
            $pass
        }

        location /add_header {
            apikey_resource users;
            add_header X-Added yes;
            add_header X-Always \$apikey_result always;
            $pass
        }

        location /gzip {
            apikey_resource users;
            gzip on;
            gzip_min_length 1;
            gzip_types application/json;
            $pass
        }

        location /sub_filter {
            apikey_resource users;
            sub_filter_types application/json;
            sub_filter permissions rights;
            $pass
        }

        location /charset {
            charset utf-8;
            apikey_resource users;
            $pass
        }

        location /cache {
            proxy_cache cache;
            proxy_cache_valid 1h;
            add_header X-Cache \$upstream_cache_status;
            $pass
        }
    }
CONF
}


my $nginx = nginx(conf($port));
nginx("apikey_redis 127.0.0.1:$nobody;\n" . conf($lonely));

sub key { create_key('--plan', 'ten', @_)->{key} }

sub told {
    my ($r) = @_;

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}

my $key = key('--scope', 'users:*');
my $weak = key('--scope', 'teams:*');
my @key = ('X-API-Key' => $key);
my @weak = ('X-API-Key' => $weak);
my $r;


# Limits of nginx's own come first.

is(told(get($port, '/limit_req', @key)), '200 9', 'limit_req lets one pass');
$r = get($port, '/limit_req', @key);
is(told($r), '503', 'limit_req refuses');
like($r->body, qr/^<html>/, 'with a page of nginx');
is($r->header('Retry-After'), undef, 'and no word of ours');
is(told(get($port, '/', @key)), '200 8', 'nothing was spent');

is(told(get($port, '/limit_except', @key)), '200 7', 'limit_except: GET');
is(get($port, '/limit_except')->status, 401, 'limit_except: GET, no key');
is(told(request($port, 'POST', '/limit_except', @key)), '403',
   'limit_except: POST');

is(get($port, '/return')->body, 'no', 'return comes before any key');


# Subrequests are not checked.

$key = key('--scope', 'users:*');
@key = ('X-API-Key' => $key);

$r = get($port, '/page.html', @key);
is(told($r), '200 9', 'SSI: counted once');
like($r->body, qr(^one \{.*"uri":"/secret/part".*\} two$), 'with its part');

$up->forget;
is(told(get($port, '/mirror', @key)), '200 8', 'mirror: counted once');
ok(wait_for(sub { grep { $_->{uri} eq '/secret' } $up->requests }),
   'and mirrored');

is(told(get($port, '/asks', @key)), '200 7', 'auth_request: counted once');
is(get($port, '/asks')->status, 401, 'auth_request agrees, no key');
is(get($port, '/secret', @key)->status, 403,
   'the same location is closed to the client itself');
unlike(join('', map { $_->{raw} } $up->requests), qr/\Q$key/,
       'no subrequest carries the key');


# Errors of the upstream.

for my $status (401, 404, 429) {
    $r = get($port, '/intercept', @key, 'X-Echo-Status' => $status);
    is($r->status, $status, "proxy_intercept_errors: $status");
    is($r->body, 'our own page', 'the page of it');
    is($r->header('X-RateLimit-Limit'), 10, 'limits are told nevertheless');
    is($r->header('Cache-Control'), undef, 'it is no refusal of ours');
}


# error_page wins over our body, and keeps our headers.

my $spent = key('--scope', 'users:*', '--limits', '1/25920000');
get($port, '/', 'X-API-Key' => $spent);

my %body = ('/pages' => 'our own page', '/named' => 'the page of an upstream');

for ([ 401, 'WWW-Authenticate', $port, 'GET' ],
     [ 401, 'WWW-Authenticate', $port, 'GET', 'X-API-Key' => 'rubbish' ],
     [ 403, undef, $port, 'GET', @weak ],
     [ 405, 'Allow', $port, 'PUT', @key ],
     [ 429, 'Retry-After', $port, 'GET', 'X-API-Key' => $spent ],
     [ 503, 'Retry-After', $lonely, 'GET', @key ])
{
    my ($status, $header, $port, $method, @headers) = @$_;

    for my $uri (sort keys %body) {
        $r = request($port, $method, $uri, @headers);

        is($r->status, $status, "error_page, $uri: $status");
        is($r->body, $body{$uri}, "$status: its body");
        is($r->all($header), 1, "$status: $header once") if $header;
        is($r->header('Cache-Control'), 'no-store',
           "$status: not to be stored");
        is(scalar(grep { defined $r->header("X-RateLimit-$_") }
                       qw(Limit Remaining Reset)),
           $status == 429 ? 3 : 0, "$status: limits");
    }
}


# Filters, of what we answer.

$r = get($port, '/add_header', @weak);
is($r->header('X-Always'), 'scope', 'add_header always');
is($r->header('X-Added'), undef, 'add_header is not for errors');
is(get($port, '/add_header', @key)->header('X-Added'), 'yes',
   'but for what passes');

my $json = '{"statusCode":403,"message":"Insufficient permissions"}';

$r = get($port, '/gzip', @weak, 'Accept-Encoding' => 'gzip');
is($r->header('Content-Encoding'), 'gzip', 'gzip');
gunzip(\($r->body) => \my $text);
is($text, $json, 'of our body');
is(get($port, '/gzip', @weak)->body, $json, 'not unless asked for');

is(get($port, '/sub_filter', @weak)->body, $json =~ s/permissions/rights/r,
   'sub_filter');

$r = get($port, '/charset', @weak);
is($r->body, $json, 'charset');
is(scalar($r->all('Content-Type')), 1, 'one Content-Type');


# A cache knows nothing of keys, so only what is public is shared.

my @limits = ('X-Echo-Header' => 'X-RateLimit-Limit: 777',
              'X-Echo-Header' => 'Cache-Control: public');
my $first = key('--scope', 'users:*');
is(told(get($port, '/cache', 'X-API-Key' => $first, @limits)), '200 9',
   'proxy_cache: from the upstream');
$r = get($port, '/cache', 'X-API-Key' => $first);
is(told($r), '200 8', 'proxy_cache: counted');
is($r->header('X-Cache'), 'HIT', 'from the cache');
is($r->header('X-RateLimit-Limit'), 10, 'with the limit of this key');
is(get($port, '/cache')->status, 401, 'not without a key');

done_testing();
