#!/usr/bin/perl

# Every directive is inherited from http by servers, locations and locations
# in them, and each of these may have its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $nobody = free_port();
my $pass = "proxy_pass http://127.0.0.1:$up->{port};";


sub key { create_key('--scope', 'users:*', '--org', 'acme', @_)->{key} }

my $key = key();
my $foreign = 'a-key-from-elsewhere';

my $r = apikey({ stdin => qq({"key":"$foreign"}\n) }, 'import', '-');
is($r->{exit}, 0, 'a key of another form') or diag $r->{err};


# What is seen of a directive.

sub status { return sub { request($_[0], 'GET', $_[1], @_[2 .. $#_])->status } }

sub with_key {
    my ($name, $format) = @_;
    my $value = sprintf $format || '%s', $key;

    return sub { get(@_[0, 1], $name => $value)->status };
}

sub limited {
    my ($header) = @_;

    return sub {
        return get(@_, 'X-API-Key' => key())->header($header) // '-';
    };
}

my $good = with_key('X-API-Key');

my @directives = (
    # directive, two values, what is seen with each, how; what else is needed

    [ 'apikey', 'on', 'off', 401, 200, sub { get(@_)->status } ],
    [ 'apikey', 'off', 'optional', 200, 401,
      sub { get(@_, 'X-API-Key' => 'rubbish')->status } ],

    [ 'apikey_source', 'header:X-Own', 'query:k', 200, 401,
      with_key('X-Own') ],
    [ 'apikey_source', 'bearer', 'cookie:k', 401, 200,
      with_key('Cookie', 'k=%s') ],

    [ 'apikey_hide', 'on', 'off', 0, 1,
      sub { get(@_, 'X-API-Key' => $key)->json->{raw} =~ /\Q$key/ ? 1 : 0 } ],

    [ 'apikey_format', 'checksum', 'any', 401, 200,
      sub { get(@_, 'X-API-Key' => $foreign)->status } ],

    [ 'apikey_methods', 'GET', 'POST', 200, 405, $good ],
    [ 'apikey_resource', 'users', 'teams', 200, 403, $good ],
    [ 'apikey_require', 'users:read', 'teams:read', 200, 403, $good ],
    [ 'apikey_bind', 'org acme', 'org evil', 200, 403, $good ],

    [ 'apikey_default_plan', 'five', 'seven', 5, 7,
      limited('X-RateLimit-Limit') ],
    [ 'apikey_limit', 'on', 'off', 5, '-', limited('X-RateLimit-Limit'),
      'apikey_default_plan five;' ],
    [ 'apikey_cost', 1, 3, 4, 2, limited('X-RateLimit-Remaining'),
      'apikey_default_plan five;' ],

    [ 'apikey_charge', 1, 3, 2, 0,
      sub {
          my $key = key();

          get(@_, 'X-API-Key' => $key);
          return get(@_, 'X-API-Key' => $key)->header('X-RateLimit-Remaining');
      },
      'apikey_default_plan five;' ],

    [ 'apikey_limit_failure', 'deny', 'allow', 503, 200,
      sub { get(@_)->status },
      "apikey optional;\napikey_redis 127.0.0.1:$nobody;\n"
      . 'apikey_plan anonymous 5/25920000;' ],

    [ 'apikey_guard', 'zone=bad:64k rate=1r/d', 'off', 429, 200,
      sub {
          get(@_, 'X-API-Key' => 'rubbish');
          return get(@_, 'X-API-Key' => $key)->status;
      } ],

    [ 'apikey_headers', 'legacy', 'ietf', '-',
      '"25920000";q=5;w=25920000', limited('RateLimit-Policy'),
      'apikey_default_plan five;' ],

    [ 'apikey_error', 'json', 'problem', 'application/json',
      'application/problem+json', sub { get(@_)->header('Content-Type') } ],

    [ 'apikey_realm', 'a', 'b', 'ApiKey realm="a"', 'ApiKey realm="b"',
      sub { get(@_)->header('WWW-Authenticate') } ],

    [ 'apikey_preflight', 'pass', 'check', 200, 401,
      sub {
          request($_[0], 'OPTIONS', $_[1], Origin => 'null',
                  'Access-Control-Request-Method' => 'GET')->status
      } ],
);


for (@directives) {
    my ($directive, $one, $other, $is_one, $is_other, $see, $more) = @$_;
    my ($port, $port2) = map { free_port() } 1 .. 2;

    $more //= '';
    $more .= "\napikey on;" if $directive ne 'apikey' && $more !~ /^apikey opt/;

    my $nginx = nginx(<<"CONF");
    apikey_plan five 5/25920000;
    apikey_plan seven 7/25920000;
    $more
    $directive $one;

    server {
        listen 127.0.0.1:$port;

        location / {
            $pass

            location /in { $pass }
        }

        location /own {
            $directive $other;
            $pass

            location /own/in { $pass }
            location /own/back { $directive $one; $pass }
        }
    }

    server {
        listen 127.0.0.1:$port2;
        $directive $other;

        location / { $pass }
        location /own { $directive $one; $pass }
    }
CONF

    for ([ $port, '/', $is_one, 'a location has that of http' ],
         [ $port, '/in', $is_one, 'a location in it, too' ],
         [ $port, '/own', $is_other, 'a location has its own' ],
         [ $port, '/own/in', $is_other, 'which one in it inherits' ],
         [ $port, '/own/back', $is_one, 'unless it has its own' ],
         [ $port2, '/', $is_other, 'a server has its own' ],
         [ $port2, '/own', $is_one, 'of which a location has another' ])
    {
        my ($port, $uri, $expected, $name) = @$_;

        is($see->($port, $uri), $expected, "$directive $one: $name");
    }

    $nginx->stop;
}

done_testing();
