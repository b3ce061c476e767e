#!/usr/bin/perl

# RateLimit and RateLimit-Policy tell of all windows, as structured fields that
# a parser of others reads; X-RateLimit-* as one that clients use has them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use JSON::PP qw(decode_json encode_json);

use Test::Apikey;
use Test::Apikey::Npm;

if (my $why = npm_missing('structured-headers', 'ratelimit-header-parser')) {
    plan(skip_all => $why);
}

my ($half, $long) = (12960000, 25920000);
my $most = 2 ** 47;

my $redis = redis();
my $port = free_port();

nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan two 5/$half 6/$long;
    apikey_plan most $most/$long;
    apikey_plan sliding 1/$half 2/$long algorithm=sliding;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            apikey_headers both;
            try_files /none =204;
        }

        location /legacy { try_files /none =204; }
        location /ten { apikey_headers both; apikey_cost 10;
                        try_files /none =204; }
    }
CONF

my @names = qw(RateLimit RateLimit-Policy X-RateLimit-Limit
               X-RateLimit-Remaining X-RateLimit-Reset);

# What a client reads, and the response.

sub read_by_client {
    my ($uri, $key) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key);
    my %headers = map { my $name = $_; map { $name => $_ } $r->header($name) }
                  grep { defined $r->header($_) } @names;
    my $read = node('fields.mjs', encode_json(\%headers));

    is($read->{exit}, 0, "$uri: a client reads it") or diag($read->{err});

    return (decode_json($read->{out} || '{}'), $r);
}

sub key { create_key('--permissions', 'full', '--plan', @_)->{key} }

# The end of each window that is told, by its name.

sub ends {
    my ($read) = @_;
    my $now = $redis->cmd('TIME')->[0];

    return { map { $_->[0] => $now + delete $_->[1]{t} }
             @{$read->{RateLimit}} };
}

my $now = $redis->cmd('TIME')->[0];
my %end = map { $_ => $now - $now % $_ + $_ } $half, $long;


my $key = key('two');
my ($read, $r) = read_by_client('/', $key);
my $ends = ends($read);

is_deeply($read->{'RateLimit-Policy'},
          [ [ $half, { q => 5, w => $half } ],
            [ $long, { q => 6, w => $long } ] ], 'the policies');
is_deeply($read->{RateLimit}, [ [ $half, { r => 4 } ],
                                [ $long, { r => 5 } ] ],
          'what is left of each');
cmp_ok(abs($ends->{$_} - $end{$_}), '<', 3600, "when $_ ends")
    for $half, $long;

($read) = read_by_client('/legacy', $key);
is($read->{limits}{limit}, 5, 'X-RateLimit: the limit');
is($read->{limits}{used}, 2, 'used');
is($read->{limits}{remaining}, 3, 'remaining');
like($read->{limits}{reset}, qr/^\d{4}-\d\d-\d\dT/, 'reset is a date');

get($port, '/legacy', 'X-API-Key' => $key) for 1 .. 3;
($read, $r) = read_by_client('/', $key);
is($r->status, 429, 'over the limit');
is_deeply([ map { $_->[1]{r} } @{$read->{RateLimit}} ], [ 0, 1 ],
          '429: what is left of each window');
is($read->{RateLimit}[0][1]{t}, $r->header('Retry-After'),
   '429: t of the one that refused is Retry-After');

($read, $r) = read_by_client('/ten', key('two'));
is($r->status, 429, 'a request that no window has room for');
is_deeply([ map { $_->[1]{r} } @{$read->{RateLimit}} ], [ 5, 6 ],
          'all is left of each');

($read) = read_by_client('/', key('most'));
is_deeply($read->{'RateLimit-Policy'},
          [ [ $long, { q => $most, w => $long } ] ], 'the largest limit');
is($read->{RateLimit}[0][1]{r}, $most - 1, 'and what is left of it');

$key = key('sliding');
get($port, '/', 'X-API-Key' => $key);
($read, $r) = read_by_client('/', $key);
is($r->status, 429, 'sliding: over the limit');
is($read->{RateLimit}[0][1]{t}, $r->header('Retry-After'),
   'sliding: t is Retry-After, which may come after the end of the window');

done_testing();
