#!/usr/bin/perl

# The headers that tell of limits: in which form, on which responses, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my ($half, $long) = (12960000, 25920000);

my $redis = redis();
my $up = upstream();
my $port = free_port();

mkdir Test::Apikey::dir() . '/files' or die;
my $file = file('files/file.txt', 'text');
my $files = Test::Apikey::dir() . '/files';
chmod 0644, $file;

my $forms = join '', map { <<"CONF" } qw(legacy ietf both off);
        location /$_ {
            apikey_headers $_;
            proxy_pass http://127.0.0.1:$up->{port};
        }
CONF

my $nobody = free_port();

nginx(<<"CONF");
    apikey_plan nine 9/$half 10/$long;
    apikey_plan single 1/$long;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

$forms
        location /files {
            alias $files;
        }

        location /nobody {
            proxy_pass http://127.0.0.1:$nobody;
        }
    }
CONF

my $now = $redis->cmd('TIME')->[0];
my ($half_end, $long_end) = map { $now - $now % $_ + $_ } $half, $long;

my @names = qw(X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset
               RateLimit-Policy RateLimit);

sub key { create_key('--permissions', 'full', @_)->{key} }

# Those headers of a response; the seconds that are left are T.

sub told {
    my ($r) = @_;
    my @told;

    for my $name (@names) {
        push @told, map { "$name: $_" } $r->all($name);
    }

    # each window has an end of its own

    my %end = ($half => $half_end, $long => $long_end);

    for (grep { /^RateLimit: / } @told) {
        s{"(\d+)";r=(\d+);t=(\d+)}{
            $3 > 0 && abs($3 - ($end{$1} - $now)) < 3600
                ? qq("$1";r=$2;t=T) : "not $3"
        }ge;
    }

    return \@told;
}

sub asked {
    my ($key, $uri, @headers) = @_;

    return told(get($port, $uri, 'X-API-Key' => $key, @headers));
}

sub legacy {
    my ($limit, $remaining, $reset) = @_;

    return ("X-RateLimit-Limit: $limit", "X-RateLimit-Remaining: $remaining",
            "X-RateLimit-Reset: $reset");
}

sub ietf {
    my ($remaining) = @_;

    return (qq(RateLimit-Policy: "$half";q=9;w=$half, "$long";q=10;w=$long),
            qq(RateLimit: "$half";r=$remaining;t=T, "$long";r=)
            . ($remaining + 1) . ';t=T');
}


# The forms.

my $key = key('--plan', 'nine');
is_deeply(asked($key, '/'), [ legacy(9, 8, $half_end) ], 'the default');
is_deeply(asked($key, '/legacy'), [ legacy(9, 7, $half_end) ], 'legacy');
is_deeply(asked($key, '/ietf'), [ ietf(6) ], 'ietf');
is_deeply(asked($key, '/both'), [ legacy(9, 5, $half_end), ietf(5) ], 'both');
is_deeply(asked($key, '/off'), [], 'off');
is_deeply(asked($key, '/'), [ legacy(9, 3, $half_end) ],
          'counted whatever is told');
is_deeply(asked(key(), '/both'), [], 'without limits there is nothing to tell');


# What an upstream says of limits.

my @upstream = map { ('X-Echo-Header' => $_) }
    'X-RateLimit-Limit: 777', 'x-ratelimit-remaining: 777',
    'X-RATELIMIT-RESET: 777', 'RateLimit-Policy: "x";q=777;w=7',
    'RateLimit: "x";r=777;t=7', 'X-RateLimit-Limit: 778', 'X-Other: 777';

$key = key('--plan', 'nine');
is_deeply(asked($key, '/legacy', @upstream), [ legacy(9, 8, $half_end) ],
          'legacy: in place of the upstream\'s own');
is_deeply(asked($key, '/ietf', @upstream), [ ietf(7) ],
          'ietf: in place of the upstream\'s own');
is_deeply(asked($key, '/both', @upstream),
          [ legacy(9, 6, $half_end), ietf(6) ],
          'both: in place of the upstream\'s own');
is(@{asked($key, '/off', @upstream)}, 6, 'off: the upstream\'s own stay');
is(get($port, '/', 'X-API-Key' => $key, @upstream)->header('X-Other'), 777,
   'other headers stay');


# On all that passes.

$key = key('--plan', 'nine');
my $r = request($port, 'HEAD', '/', 'X-API-Key' => $key);
is_deeply(told($r), [ legacy(9, 8, $half_end) ], 'HEAD');
is($r->body, '', 'HEAD has no body');

for my $status (404, 500) {
    $r = get($port, '/', 'X-API-Key' => $key, 'X-Echo-Status' => $status,
             @upstream);
    is($r->status, $status, "the upstream's $status");
    is_deeply(told($r), [ legacy(9, $status == 404 ? 7 : 6, $half_end) ],
              "$status: has them");
}

$r = get($port, '/nobody', 'X-API-Key' => $key);
is($r->status, 502, 'no upstream');
is_deeply(told($r), [ legacy(9, 5, $half_end) ], '502: has them');

$r = get($port, '/files/file.txt', 'X-API-Key' => $key);
is_deeply(told($r), [ legacy(9, 4, $half_end) ], 'a file');

$r = get($port, '/files/file.txt', 'X-API-Key' => $key,
         'If-Modified-Since' => $r->header('Last-Modified'));
is($r->status, 304, 'a file that has not changed');
is_deeply(told($r), [ legacy(9, 3, $half_end) ], '304: has them');

$r = get($port, '/files/file.txt', 'X-API-Key' => $key, Range => 'bytes=1-2');
is($r->status, 206, 'a part of a file');
is($r->body, 'ex', 'which it is');
is_deeply(told($r), [ legacy(9, 2, $half_end) ], '206: has them');


# On what is refused for the limit.

$key = key('--plan', 'single');
is(get($port, '/', 'X-API-Key' => $key)->status, 200, 'the last request');

my %told = (legacy => [ legacy(1, 0, $long_end) ], off => []);

for my $form (qw(legacy off)) {
    $r = get($port, "/$form", 'X-API-Key' => $key);
    is($r->status, 429, "$form: 429");
    is_deeply(told($r), $told{$form}, "$form: its headers");
    like($r->header('Retry-After'), qr/^[1-9]\d*$/, "$form: Retry-After");
}

$r = get($port, '/ietf', 'X-API-Key' => $key);
like($r->header('RateLimit'), qr/^"$long";r=0;t=[1-9]\d*$/, 'ietf: 429');
is($r->header('RateLimit-Policy'), qq("$long";q=1;w=$long), 'its policy');

is_deeply(told(get($port, '/both')), [], '401: none');

done_testing();
