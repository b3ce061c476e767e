#!/usr/bin/perl

# "apikey optional": a request without any key passes as anonymous, counted
# for its client's address; one with a bad key is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my ($port, $unlimited) = (free_port(), free_port());

my $server = <<"CONF";
        apikey optional;
        apikey_source header:X-API-Key bearer query:key;
        add_header X-Result \$apikey_result always;
        add_header X-Plan \$apikey_plan always;

        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;

        location / {
            try_files /none =204;
        }
CONF

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan anonymous 3/25920000;
    apikey_plan basic 100/25920000;

    server {
        listen 127.0.0.1:$port;
        listen [::1]:$port;

$server

        location /required {
            apikey on;
        }

        location /methods {
            apikey_methods GET;
            try_files /none =204;
        }

        location /free {
            apikey_limit off;
            try_files /none =204;
        }

        location /dry {
            apikey_limit dry_run;
            try_files /none =204;
        }

        location /read {
            apikey optional methods=GET;
            apikey_resource things;
            try_files /none =204;

            location /read/inside {
                try_files /none =204;
            }
        }

        location /cost {
            apikey_cost \$arg_cost;
            try_files /none =204;
        }
    }
CONF

# without a plan "anonymous"
my $without = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan basic 1/25920000;
    apikey_default_plan basic;

    server {
        listen 127.0.0.1:$unlimited;
$server
    }
CONF

my $monitor = $redis->monitor;
my $key = create_key('--permissions', 'read', '--plan', 'basic')->{key};
my $revoked = create_key('--permissions', 'read');
apikey('revoke', $revoked->{id});

sub from {
    my ($address, $uri, @headers) = @_;

    return get($port, $uri, 'X-Real-IP' => $address, @headers);
}

sub result { $_[0]->status . ' ' . $_[0]->header('X-Result') }


# By some methods only.

my $writer = create_key('--scope', 'things:*')->{key};

my $n = 0;

sub other { 'X-Real-IP' => '192.0.2.' . (50 + $n++) }

is(result(request($port, $_, '/read', other())), '204 anonymous', $_)
    for qw(GET HEAD);
is(result(request($port, $_, '/read', other())), '401 missing',
   "$_ needs a key") for qw(POST PUT DELETE OPTIONS PROPFIND);
is(result(request($port, 'POST', '/read', 'X-API-Key' => $writer)), '204 ok',
   'which may');
is(result(request($port, 'POST', '/read', 'X-API-Key' => $key)), '403 scope',
   'or not');
is(result(request($port, 'POST', '/read/inside', other())), '401 missing',
   'a location inside');


# Counted by address.

my @answers = map { from('192.0.2.1', '/') } 1 .. 5;

is(result($answers[0]), '204 anonymous', 'no key: anonymous');
is($answers[0]->header('X-Plan'), 'anonymous', 'its plan');
is_deeply([ map { $_->status } @answers ], [ 204, 204, 204, 429, 429 ],
          'as often as the plan says');
is_deeply([ map { $_->header('X-RateLimit-Remaining') } @answers ],
          [ 2, 1, 0, 0, 0 ], 'the headers count');
is(result($answers[3]), '429 limited', 'then it is limited');
like($answers[3]->header('Retry-After'), qr/^[1-9]\d*$/, 'and told until when');

is(result(from('192.0.2.2', '/')), '204 anonymous',
   'another address is counted by itself');
is(result(from('192.0.2.1', '/')), '429 limited', 'and frees nobody');

# An IPv6 network of 64 bits is one client.

my @near = map { from("2001:db8:0:1:$_", '/') } ':1', ':ffff',
               'a:b:c:d', 'ffff:ffff:ffff:ffff';
is_deeply([ map { $_->status } @near ], [ 204, 204, 204, 429 ],
          'IPv6: all addresses of a network are one client');
is(result(from('2001:db8:0:2::1', '/')), '204 anonymous',
   'IPv6: the next network is another one');

is_deeply([ map { from($_, '/')->header('X-RateLimit-Remaining') }
                '::ffff:198.51.100.1', '198.51.100.1' ], [ 2, 1 ],
          'an IPv4 address in IPv6 is the same client');

SKIP: {
    my @curl = ('curl', '-gsS', '-o', '/dev/null', '-w',
                '%{http_code} %header{x-ratelimit-remaining}');
    my $r = run(@curl, "http://[::1]:$port/");

    skip 'no IPv6 here', 1 if $r->{exit};
    is($r->{out}, '204 2', 'over IPv6');
}


# Empty and blank is no key.

is(result(from('192.0.2.3', '/?key=', 'X-API-Key' => " \t",
               Authorization => 'Bearer ')), '204 anonymous',
   'empty keys: anonymous');
is(result(from('192.0.2.3', '/', Authorization => 'Basic eDp5')),
   '204 anonymous', 'another scheme: anonymous');


# A key, good or bad, is judged as one, and not counted for the address.

is(result(from('192.0.2.1', '/', 'X-API-Key' => $key)), '204 ok',
   'a good key passes, whatever the address has used');
is(from('192.0.2.1', '/', 'X-API-Key' => $key)
       ->header('X-RateLimit-Remaining'), 98, 'and is counted by itself');

my %bad = (
    malformed => 'x', unknown => undef, revoked => $revoked->{key},
);
my $gone = create_key('--permissions', 'read');
apikey('delete', $gone->{id});
$bad{unknown} = $gone->{key};

for my $result (sort keys %bad) {
    my $r = from('192.0.2.4', '/', 'X-API-Key' => $bad{$result});

    is(result($r), "401 $result", "$result: still refused");
    is($r->body, '{"statusCode":401,"message":"Invalid API key"}',
       "$result: the message");
    is($r->header('WWW-Authenticate'), 'ApiKey realm="api"',
       "$result: the challenge");
    is($r->header('X-RateLimit-Limit'), undef, "$result: nothing is counted");
}

is(result(from('192.0.2.4', '/?key=x')), '401 malformed',
   'a bad one in the last source');
is(result(from('192.0.2.4', "/?key=$key", 'X-API-Key' => 'x')),
   '401 malformed', 'a bad one before a good one');
is(from('192.0.2.4', '/')->header('X-RateLimit-Remaining'), 2,
   'bad keys have spent nothing of the address');


# Elsewhere.

is(result(from('192.0.2.5', '/required')), '401 missing',
   'where a key is required it is still missing');
is(result(from('192.0.2.5', '/methods')), '204 anonymous',
   'rules of a method it has');
is(result(from('192.0.2.6', '/free')), '204 anonymous', "$_ without limits")
    for 1 .. 5;
is(from('192.0.2.6', '/')->header('X-RateLimit-Remaining'), 2,
   'where nothing is counted, nothing was');

my @dry = map { from('192.0.2.7', '/dry') } 1 .. 5;
is_deeply([ map { result($_) } @dry[2 .. 4] ],
          [ '204 anonymous', '204 dry_run', '204 dry_run' ], 'dry_run');

is(from('192.0.2.8', '/cost?cost=3')->header('X-RateLimit-Remaining'), 0,
   'what a request costs');
is(from('192.0.2.8', '/cost?cost=0')->status, 204, 'a free one');
is(from('192.0.2.8', '/cost?cost=1')->status, 429, 'one too many');
is(from('192.0.2.9', '/cost?cost=x')->status, 500, 'what nobody can count');


# Without a plan of that name nothing limits them, nor is Redis asked.

$monitor->lines;
my @free = map { get($unlimited, '/') } 1 .. 5;

is_deeply([ map { result($_) } @free ], [ ('204 anonymous') x 5 ],
          'without a plan: unlimited');
is($free[0]->header('X-RateLimit-Limit'), undef, 'without headers');
# but for what workers say of themselves and of keys used before
is(join("\n", grep { /eval/i && !/:(?:gateways|usage|events|expiring)/ }
                   $monitor->lines), '', 'Redis is not asked');
is(result(get($unlimited, '/', 'X-API-Key' => 'x')), '401 malformed',
   'but bad keys are refused');

done_testing();
