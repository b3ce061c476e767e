#!/usr/bin/perl

# A request that passes as anonymous, for its key isn't where its location looks
# for one, and that is redirected to a location which looks elsewhere: what was
# decided without the key doesn't hold for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();

sub conf {
    my ($port, $cache) = @_;

    return <<"CONF";
    $cache
    apikey_plan anonymous 1000/25920000;
    add_header X-Result \$apikey_result always;

    server {
        listen 127.0.0.1:$port;

        location /keys {
            apikey on;
            apikey_source header:X-Key;
            empty_gif;
        }

        location /anybody {
            apikey optional;
            apikey_source header:X-Other;
            try_files /none /keys;
        }
    }
CONF
}

for my $cache ('', 'apikey_cache zone=keys:1m;') {
    my $name = $cache ? 'with a cache' : 'without one';
    my $port = free_port();

    nginx(conf($port, $cache));

    my $key = create_key('--limits', '3/25920000');
    my @to = ($port, '/anybody', 'X-Key' => $key->{key});

    my $r = get(@to);
    is($r->status, 200, "$name: a key");
    is($r->header('X-Result'), 'ok', 'is found where the request arrives');
    is($r->header('X-RateLimit-Remaining'), 2, 'and counted by its own limits');

    $r = get(@to);
    is($r->header('X-RateLimit-Remaining'), 1, 'each time');

    is(apikey('revoke', $key->{id})->{exit}, 0, 'it is revoked');

    $r = get(@to);
    is($r->status, 401, 'and refused');
    is($r->header('X-Result'), 'revoked', 'from the next request on');

    $r = get($port, '/anybody', 'X-Key' => "ak_$key->{key}");
    is($r->header('X-Result'), 'malformed', 'what is no key is none there');

    $r = get($port, '/anybody');
    is($r->header('X-Result'), 'missing', 'and no key is missing');
}

done_testing();
