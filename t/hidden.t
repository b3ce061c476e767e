#!/usr/bin/perl

# A variable that reads a hidden key gives a stand-in: it tells keys apart, and
# nothing else.  What goes upstream has neither, whenever it was first read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $other, $first, $second) = map { free_port() } 1 .. 4;
my $pass = "proxy_pass http://127.0.0.1:$up->{port};";

my $nginx = nginx(<<"CONF");
    log_format read '\$uri|\$http_x_api_key|\$arg_key|\$cookie_key|'
                    '\$http_authorization|\$request_uri|\$http_cookie|'
                    '\$http_referer';
    access_log read.log read;

    proxy_cache_path cache keys_zone=c:1m;
    proxy_cache_valid any 1m;
    limit_req_zone \$request_uri zone=uris:1m rate=100r/s;
    limit_conn_zone \$http_x_api_key zone=keys:1m;
    limit_req_zone \$server_name zone=one:1m rate=1r/m;

    map \$http_x_api_key \$whose { "" nobody; default \$http_x_api_key; }
    map \$http_x_own \$arg_own { default "of the operator"; }
    split_clients \$http_x_api_key \$part { 50% one; * other; }

    upstream parts {
        hash \$http_x_api_key;
        server 127.0.0.1:$first;
        server 127.0.0.1:$second;
    }

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key bearer query:key cookie:key query:own;

        add_header X-Header \$http_x_api_key;
        add_header X-Bearer \$http_authorization;
        add_header X-Arg \$arg_key;
        add_header X-Cookie \$cookie_key;
        add_header X-Whose \$whose;
        add_header X-Own \$arg_own;
        add_header X-Part \$part;
        add_header X-Cache \$upstream_cache_status;

        location / { $pass }
        location /hash { proxy_pass http://parts; }
        location /counted { limit_conn keys 9; $pass }

        location /early {
            limit_req zone=uris;

            if (\$request_uri ~ nothing) { return 404; }
            if (\$http_referer ~ nothing) { return 404; }
            if (\$http_x_api_key\$cookie_key\$arg_key = nothing) { return 404; }
            if (\$http_authorization\$http_cookie = nothing) { return 404; }

            $pass
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header X-Referer \$http_referer;
            proxy_set_header X-Key \$http_x_api_key\$arg_key\$cookie_key;
            proxy_set_header X-Auth \$http_authorization\$http_cookie;
        }

        location /sent {
            proxy_pass http://127.0.0.1:$up->{port}/?k=\$arg_key;
            proxy_cache c;
            proxy_cache_key "\$apikey_id \$uri \$http_x_api_key \$arg_key";
            proxy_set_header X-Key \$http_x_api_key\$arg_key\$cookie_key;
            proxy_set_header X-Auth \$http_authorization;
            proxy_set_body "\$http_x_api_key\$arg_key";
        }

        location /limited { limit_req zone=one; $pass }
        location /returned { return 402; }

        location /unstored {
            $pass
            apikey_shared_cache on;
            proxy_cache c;
            proxy_no_cache \$http_authorization;
        }

        location /bypassed {
            $pass
            apikey_shared_cache on;
            proxy_cache c;
            proxy_cache_bypass \$http_authorization;
        }
    }

    server { listen 127.0.0.1:$first; return 200 first; }
    server { listen 127.0.0.1:$second; return 200 second; }
CONF

my @keys = map { create_key('--permissions', 'full')->{key} } 1 .. 24;
my $stand = qr/^[0-9a-f]{32}\z/;


# The same for a key wherever it is sent, another for another key.

my %header = ('X-API-Key' => 'X-Header', Authorization => 'X-Bearer',
              Cookie => 'X-Cookie');
my %seen;

for my $key (@keys) {
    my %standin;

    for my $name (sort keys %header) {
        my $value = $name eq 'Cookie' ? "a=1; key=$key"
                    : $name eq 'Authorization' ? "Bearer $key" : $key;

        $standin{get($port, '/', $name => $value)->header($header{$name})} = 1;
    }

    $standin{get($port, "/?a=1&key=$key")->header('X-Arg')} = 1;
    is(keys %standin, 1, 'one for a key in each place');

    $seen{(keys %standin)[0]} = $key;
}

is(keys %seen, @keys, 'another for each key');
is(grep({ $_ !~ $stand } keys %seen), 0, '32 digits');

my @digests = map { /apikey:\{([0-9a-f]{64})\}/g } $redis->dump;
my $digests = join ' ', @digests;

cmp_ok(scalar @digests, '>', 0, 'there are digests');
is(grep({ index($digests, $_) >= 0 } keys %seen), 0, 'of no digest a part');

my $r = get($port, '/', Authorization => 'Basic dTpw', 'X-API-Key' => $keys[0]);
is($r->header('X-Bearer'), 'Basic dTpw', 'what is no key stays');
is($r->header('X-Arg'), undef, 'what was not sent is not there');
is($r->header('X-Own'), 'of the operator', 'a variable of the operator, too');

nginx(<<"CONF");
    server {
        listen 127.0.0.1:$other;
        apikey on;
        location / { $pass add_header X-Header \$http_x_api_key; }
    }
CONF

is(get($other, '/', 'X-API-Key' => $keys[0])->header('X-Header'),
   $r->header('X-Header'), 'the same at another gateway');


# What is made of it tells keys apart.

my (%part, %hashed);

for my $key (@keys) {
    my $r = get($port, '/', 'X-API-Key' => $key);

    is($seen{$r->header('X-Whose')}, $key, 'a map');
    $part{$r->header('X-Part')}++;
    $hashed{get($port, '/hash', 'X-API-Key' => $key)->body}++;
    is(get($port, '/counted', 'X-API-Key' => $key)->status, 200, 'limit_conn');
}

is(keys %part, 2, 'split_clients') or diag(explain(\%part));
is(keys %hashed, 2, 'hash') or diag(explain(\%hashed));

my @bearer = (Authorization => "Bearer $keys[0]");

for (1 .. 2) {
    is(get($port, '/unstored', @bearer)->header('X-Cache'), 'MISS',
       'proxy_no_cache');
    is(get($port, '/bypassed', @bearer)->header('X-Cache'), 'BYPASS',
       'proxy_cache_bypass');
}


# Nothing of it goes upstream, nor into a log.

my $page = "http://x/?b=2&key=$keys[0]";

for my $at ('/early', '/sent') {
    for my $key ($keys[0], $keys[1]) {
        $up->forget;

        get($port, "$at?a=1&key=$key", 'X-API-Key' => $key, Referer => $page,
            Cookie => "key=$key; c=3");
        get($port, "$at?key=$key", Authorization => "Bearer $key");

        my $sent = join '', map { "$_->{raw}$_->{body}" } $up->requests;

        is(() = $sent =~ /^(?:GET|POST) /mg, 2, "$at: sent");
        unlike($sent, qr/\Q$_/, "$at: no key nor stand-in")
            for $key, grep { $seen{$_} eq $key } keys %seen;
    }
}

like(join('', map { $_->{raw} } $up->requests), qr/^Referer: .*\?b=2\r$/m,
     'a page that holds the key is named without it');


# Nor if the request ends before the key is hidden.

for my $at ('/limited', '/limited', '/returned', '/\x01') {
    get($port, "$at?key=$keys[0]", Cookie => "key=$keys[0]",
        'X-API-Key' => $keys[0], Authorization => "Bearer $keys[0]", @$_)
        for [], [ 'Content-Length' => 'x' ];
}

$nginx->stop;

my $log = slurp("$nginx->{dir}/read.log") . $nginx->log;

like($log, qr/\?a=1/, 'there is a log');
unlike($log, qr/\Q$_/, 'which has no key') for @keys;

done_testing();
