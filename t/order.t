#!/usr/bin/perl

# When several things speak against a request, the first of the order of checks
# in docs/ARCHITECTURE.md is what it is refused for; and a refusal spends
# nothing.

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
    apikey_plan single 1/12960000 2/25920000;

    add_header X-Result \$apikey_result always;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location ~ ^/projects/(.*) {
            apikey_bind project \$1;
            apikey_methods GET HEAD;
            apikey_require users:read;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $key = create_key('--scope', 'projects:read', '--plan', 'single',
                     '--project', 'apollo');

my ($record) = grep { /^apikey:\{/ } @{$redis->cmd('KEYS', '*')};


sub ask {
    my ($method) = @_;

    return request($port, $method, '/projects/gemini',
                   'X-API-Key' => $key->{key});
}

# Changes the record, as apikey would if it let us.

sub store {
    my (%fields) = @_;

    $redis->cmd('HINCRBY', $record, 'rev', 1);
    $redis->cmd('HSET', $record, %fields) if %fields;
}

my @limits = qw(X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset
                RateLimit RateLimit-Policy);

sub refused {
    my ($result, $status, $method) = @_;
    my $before = $redis->dump;
    my $r = ask($method || 'PUT');

    is($r->header('X-Result'), $result, "$result comes first");
    is($r->status, $status, "$result: $status");
    is(grep({ defined $r->header($_) } @limits), 0,
       "$result: no limit headers");
    is($redis->dump, $before, "$result: nothing is spent");
}


# Everything is wrong with it; then one thing after the other is put right.

sub everything {
    store(status => 'revoked', expires => 1, allow => '10.0.0.0/8');
    refused('revoked', 401);

    store(status => 'disabled');
    refused('disabled', 401);

    store(status => 'active');
    refused('expired', 401);

    store(expires => '');
    store(not_before => time + 3600);
    refused('expired', 401);

    store(not_before => '');
    refused('address', 403);

    store(allow => '');
    refused('tenant', 403);

    store(project => 'gemini');
    refused('method', 405);

    refused('scope', 403, 'GET');

    store(scopes => 'users:read');
}

everything();

my $r = ask('GET');
is($r->status, 200, 'nothing speaks against it any more');
is($r->header('X-RateLimit-Remaining'), 0, 'the whole limit was left');

my $spent = $redis->dump;
$r = ask('GET');
is($r->header('X-Result'), 'limited', 'limits come last');
is($redis->dump, $spent, 'what is limited spends nothing, in no window');


# The same with a limit that is reached.

store(project => 'apollo', scopes => 'projects:read');
everything();
is(ask('GET')->status, 429, 'the limit is still reached');


# What comes before Redis is asked at all.

my $monitor = $redis->monitor;

for ([ 'missing' ], [ 'missing', 'X-API-Key' => ' ' ],
     [ 'malformed', 'X-API-Key' => 'nonsense' ],
     [ 'malformed', 'X-API-Key' => "$key->{key}x" ],
     [ 'malformed', ('X-API-Key' => $key->{key}) x 2 ],
     [ 'malformed', 'X-API-Key' => 'x' x 257 ])
{
    my ($result, @headers) = @$_;
    my $r = request($port, 'PUT', '/projects/gemini', @headers);

    is($r->header('X-Result'), $result, "$result before all else");
    is($r->status, 401, "$result: 401");
}

is(grep({ /EVAL/i && !/:(?:gateways|usage|events|expiring)/ } $monitor->lines),
   0, 'none of them reached Redis');

done_testing();
