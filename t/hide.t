#!/usr/bin/perl

# With "apikey_hide on" no upstream of any protocol ever sees the key, and
# all else that the client has sent arrives, to the byte, as it does where the
# module is off and the client has sent no key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $bare, $h2c) = map { free_port() } 1 .. 3;
my @cgi = qw(fastcgi uwsgi scgi);
my %capture = map { $_ => capture(protocol => $_) } @cgi;
my $echo = "http://127.0.0.1:$up->{port}";

my $locations = <<"CONF" . join '', map { cgi_location($_) } @cgi;
        large_client_header_buffers 16 32k;
        access_log off;

        location /h10 { proxy_pass $echo; }
        location /h11 { proxy_pass $echo; proxy_http_version 1.1; }
        location /uri/ { proxy_pass $echo/other/; }
        location /variable { proxy_pass $echo\$request_uri; }
        location /args { proxy_pass $echo/x?\$args&y=\$arg_api_key; }
        location /grpc { grpc_pass grpc://127.0.0.1:$h2c; }

        location /set {
            proxy_pass $echo;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header X-Args \$is_args\$args/\$query_string;
            proxy_set_header X-Key \$http_x_api_key\$arg_api_key\$cookie_key;
            proxy_set_header X-Bearer \$http_authorization;
            proxy_set_header X-Cookies \$http_cookie;
        }

        location /rewritten {
            rewrite ^ /uri/new?c=1 last;
        }

        location /accel {
            proxy_pass $echo;
            proxy_set_header X-Echo-Header "X-Accel-Redirect: /h11/target";
        }

        location /also {
            mirror /other;
            auth_request /other;
            proxy_pass $echo;
        }

        location /other {
            internal;
            proxy_pass $echo;
            proxy_set_header X-Original \$request_uri;
        }
CONF

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key bearer query:api_key cookie:key;

        location /shown { proxy_pass $echo; apikey_hide off; }

        location /line {
            proxy_pass $echo;
            proxy_set_header X-Line \$request;
        }

$locations
    }

    server {
        listen 127.0.0.1:$bare;

        location /shown { proxy_pass $echo; }
$locations
    }

    server {
        listen 127.0.0.1:$h2c http2;
        large_client_header_buffers 16 32k;

        location / { proxy_pass $echo; }
    }
CONF

my $key = create_key('--permissions', 'read')->{key};
my @header = ('X-API-Key' => $key);
my @bearer = (Authorization => "Bearer $key");


sub cgi_location {
    my ($protocol) = @_;
    my $params = join ' ', map { "${protocol}_param $_;" }
        'REQUEST_METHOD $request_method', 'QUERY_STRING $query_string',
        'REQUEST_URI $request_uri', 'DOCUMENT_URI $document_uri',
        'ARG_KEY $arg_api_key', 'A_COOKIE $cookie_key';

    return "location /$protocol {
        ${protocol}_pass 127.0.0.1:$capture{$protocol}{port};
        $params
    }\n";
}

sub bytes {
    my ($uri, @headers) = @_;
    my $text = "GET $uri HTTP/1.0\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    return "$text\r\n";
}

# All that upstreams were sent for one request, in an order of its own.

sub upstream_saw {
    my ($to, $uri, @headers) = @_;

    $up->forget;
    $_->forget for values %capture;

    my ($r) = exchange($to, [ bytes($uri, @headers) ]);

    return "status " . $r->status if $r->status != 200;
    return join "\n", sort grep { length } (map { $_->{raw} } $up->requests),
                           map { $_->bytes } values %capture;
}

sub hidden {
    my ($name, $with, $without) = @_;
    my $expected = upstream_saw($bare, @$without);

    is(upstream_saw($port, @$with), $expected, $name);
}


# In every protocol, from every place; several places at once.

my @others = ('User-Agent' => 'test/1.0', Accept => '*/*', 'X-A' => '1',
              'X-Api-Key-2' => 'other', Referer => 'http://x/?a=b',
              'X-A' => '2', 'Content-Type' => 'text/plain', 'x-empty' => '');

for my $at (qw(/h10 /h11 /uri/a%20b /variable /args /set /grpc /fastcgi /uwsgi
               /scgi /rewritten /accel /also))
{
    my @plain = ($at, @others, Authorization => 'Basic dTpw', Cookie => 'a=1');

    hidden("$at: a header", [ $at, @header, @plain[1 .. $#plain] ], \@plain);
    hidden("$at: a bearer", [ $at, @bearer, @others ], [ $at, @others ]);
    hidden("$at: a cookie", [ $at, @others, Cookie => "a=1; key=$key; b=2" ],
           [ $at, @others, Cookie => 'a=1; b=2' ]);
    hidden("$at: a query", [ "$at?a=1&api_key=$key&b=2", @others ],
           [ "$at?a=1&b=2", @others ]);
    hidden("$at: everywhere",
           [ "$at?api_key=$key", @others, @header, Cookie => "key=$key",
             @bearer ],
           [ $at, @others ]);
}

isnt(upstream_saw($bare, $_), '', "$_ was seen at all")
    for '/grpc', map { "/$_" } @cgi;

like(upstream_saw($port, '/accel', @header),
     qr{^GET /accel.*^GET /h11/target}ms,
     'both requests of X-Accel-Redirect were seen');
is(() = upstream_saw($port, '/also', @header) =~ m{^GET }mg, 3,
   'the mirror and auth_request were seen');

my $line = upstream_saw($port, "/line?a=1&api_key=$key&b=2");
like($line, qr{^X-Line: GET /line\?a=1&api_key=\*\*\*&b=2 HTTP/1.0\r$}m,
     'a request line sent upstream is masked');
unlike($line, qr/$key/, 'the key is nowhere in it');


# Every other parameter and every byte of the query stays.

my $hex = join '', map { sprintf '%%%02X', ord } split //, $key;

for my $at (qw(/h11 /uri/x /variable /set /fastcgi)) {
    hidden("$at$_->[0]", [ "$at$_->[0]" =~ s/KEY/$key/gr ], [ "$at$_->[1]" ])
        for [ '?api_key=KEY', '' ],
            [ '?api_key=KEY&a=1', '?a=1' ],
            [ '?a=1&api_key=KEY', '?a=1' ],
            [ '?&a=1&&api_key=KEY&', '?&a=1&&' ],
            [ '?a&a=&=1&api_key=KEY&=&a=b=c', '?a&a=&=1&=&a=b=c' ],
            [ '?a=%20%26+&api_key=KEY&b=%41', '?a=%20%26+&b=%41' ],
            [ '?api%5fk%65y=KEY&c=3', '?c=3' ],
            [ "?api_key=$hex&c=3", '?c=3' ],
            [ '?Api_key=1&api_key=KEY&api_key2=2', '?Api_key=1&api_key2=2' ];
}

hidden('an empty one beside the header',
       [ '/h11?a=1&api_key=&api_key&b', @header ], [ '/h11?a=1&b' ]);
hidden('behind a "#"', [ "/h11?a=1#&api_key=$key", @header ],
       [ '/h11?a=1#' ]);


# Every other cookie stays.

for my $case ([ 'KEY', '' ], [ 'KEY; a=1', 'a=1' ], [ 'a=1; KEY', 'a=1' ],
              [ 'a=1; KEY; b=2', 'a=1; b=2' ], [ 'a=1;KEY;b=2', 'a=1;b=2' ],
              [ 'KEY;a=1;b=2', 'a=1;b=2' ], [ 'a=1;b=2;KEY', 'a=1;b=2' ],
              [ 'a=1;  b="2 , "; KEY;c', 'a=1;  b="2 , ";c' ],
              [ 'k=1; key2=2; KEY; =3; ;', 'k=1; key2=2; =3; ;' ])
{
    my ($with, $without) = map { s/KEY/key=$key/r } @$case;

    for my $at ('/h11', '/set', '/fastcgi') {
        hidden("$at: $case->[0]", [ $at, 'X-A' => 1, Cookie => $with ],
               [ $at, 'X-A' => 1,
                 length $without ? (Cookie => $without) : () ]);
    }
}

hidden('several cookie headers',
       [ '/h11', Cookie => 'a=1', Cookie => "b=2; key=$key", Cookie => 'c=3' ],
       [ '/h11', Cookie => 'a=1', Cookie => 'b=2', Cookie => 'c=3' ]);
hidden('a cookie header of its own',
       [ '/set', Cookie => 'a=1', Cookie => "key=$key", Cookie => 'c=3' ],
       [ '/set', Cookie => 'a=1', Cookie => 'c=3' ]);


# Wherever it stands in nginx's list of headers, of which a part has room for
# 20: alone, first, last and at each place between.

sub numbered { map { ("X-H-$_" => "value $_") } 1 .. $_[0] }

for my $count (0 .. 3, 18 .. 22, 39 .. 42, 60, 130) {
    my @list = numbered($count);
    my @places = $count < 60 ? 0 .. $count
                 : (0, 1, 18 .. 22, 39 .. 41, 59, 60, $count);
    my ($expected) = exchange($bare, [ bytes('/h11', @list) ]);

    my @got = exchange($port, [ map {
        bytes('/h11', @list[0 .. 2 * $_ - 1], @header,
              @list[2 * $_ .. 2 * $count - 1])
    } @places ]);

    is_deeply([ grep { $got[$_]->body ne $expected->body } 0 .. $#got ], [],
              "$count headers, and the key at each place");
}

# Several keys in several places: all pairs, and a cookie behind or before.

for my $count (1, 2, 19, 20, 21, 40) {
    my @list = numbered($count);
    my ($expected) = exchange($bare, [ bytes('/h11', @list) ]);
    my @requests;

    for my $i (0 .. $count) {
        for my $k (grep { $_ < 3 || $_ > $count - 3 || abs($_ - $i) < 3
                          || abs($_ - 20) < 3 } 0 .. $count)
        {
            my @with = @list;

            splice @with, 2 * $i, 0, @header;
            splice @with, 2 * $k, 0, @bearer;
            splice @with, 2 * (($i * 7 + $k) % ($count + 2)), 0,
                Cookie => "key=$key";
            push @requests, bytes('/h11', @with);
        }
    }

    my @got = exchange($port, \@requests);

    is_deeply([ grep { $got[$_]->body ne $expected->body } 0 .. $#got ], [],
              "$count headers, and keys at two and three places");
}


# "apikey_hide off" changes nothing.

for (my @all = ([ "/shown?a=1&api_key=$key", @others ],
                [ '/shown', @header, @others ], [ '/shown', @others, @bearer ],
                [ '/shown', @others, Cookie => "a=1;  key=$key;b" ]))
{
    my $seen = upstream_saw($port, @$_);

    is($seen, upstream_saw($bare, @$_), 'apikey_hide off passes all');
    like($seen, qr/\Q$key/, 'the key too');
}

done_testing();
