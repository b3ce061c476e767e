#!/usr/bin/perl

# Where else a key may stand: Authorization: Bearer, the query, a cookie;
# and which source decides when several are configured.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        add_header X-Result \$apikey_result always;

        location /bearer {
            apikey_source bearer;
            try_files /none =204;
        }

        location /query {
            apikey_source query:api_key;
            try_files /none =204;
        }

        location /cookie {
            apikey_source cookie:key;
            try_files /none =204;
        }

        location /several {
            apikey_source header:X-API-Key bearer query:api_key query:key
                          cookie:key;
            try_files /none =204;
        }

        location /several/cookie {
            apikey_source cookie:key query:key;
            try_files /none =204;
        }
    }
CONF

my $key = create_key('--permissions', 'read')->{key};
my $bad = substr($key, 0, -1) . (substr($key, -1) eq '0' ? '1' : '0');
my ($left, $right) = (substr($key, 0, 10), substr $key, 10);
my $encoded = join '', map { sprintf '%%%02x', ord } split //, $key;

sub is_result {
    my ($expected, $name, $uri, @headers) = @_;
    my $r = get($port, $uri, @headers);

    is($r->header('X-Result'), $expected, "$name: $expected");
    is($r->status, $expected eq 'ok' ? 204 : 401, "$name: the status");
}


# Authorization: Bearer

is_result($_->[0], $_->[1], '/bearer', map { (Authorization => $_) }
                                           @$_[2 .. $#$_])
    for [ 'ok', 'Bearer', "Bearer $key" ],
        [ 'ok', 'bearer', "bearer $key" ],
        [ 'ok', 'BEARER', "BEARER $key" ],
        [ 'ok', 'bEaReR', "bEaReR $key" ],
        [ 'ok', 'several spaces', "Bearer    $key  " ],
        [ 'ok', 'a tab', "Bearer\t$key\t" ],
        [ 'missing', 'no Authorization' ],
        [ 'missing', 'the scheme alone', 'Bearer' ],
        [ 'missing', 'the scheme and blanks', "Bearer \t " ],
        [ 'missing', 'no scheme', $key ],
        [ 'missing', 'another scheme', "Basic $key" ],
        [ 'missing', 'a longer scheme', "BearerToken $key" ],
        [ 'missing', 'no blank behind the scheme', "Bearer$key" ],
        [ 'missing', 'a colon behind the scheme', "Bearer: $key" ],
        [ 'missing', 'empty', '' ],
        [ 'malformed', 'a wrong checksum', "Bearer $bad" ],
        [ 'malformed', 'the scheme twice', "Bearer Bearer $key" ],
        [ 'malformed', 'a space inside', "Bearer $left $right" ],
        [ 'malformed', 'a comma', "Bearer $key, Bearer $key" ],
        [ 'malformed', '8 KB', 'Bearer ' . 'x' x 7000 ];


# Query

is_result($_->[0], $_->[1], "/query$_->[2]")
    for [ 'ok', 'alone', "?api_key=$key" ],
        [ 'ok', 'first', "?api_key=$key&a=1" ],
        [ 'ok', 'last', "?a=1&api_key=$key" ],
        [ 'ok', 'in between', "?a=1&api_key=$key&b=2" ],
        [ 'ok', 'among empty ones', "?&&api_key=$key&" ],
        [ 'ok', 'the whole value encoded', "?api_key=$encoded" ],
        [ 'ok', 'in upper case', '?api_key=' . uc($encoded) =~ s/X/x/gr ],
        [ 'ok', 'the name encoded', "?%61pi%5Fkey=$key" ],
        [ 'ok', 'the name encoded in lower case', "?api%5fkey=$key" ],
        [ 'ok', 'blanks around, encoded', "?api_key=%20$key%09" ],
        [ 'missing', 'no query', '' ],
        [ 'missing', 'an empty query', '?' ],
        [ 'missing', 'an empty value', '?api_key=' ],
        [ 'missing', 'the name alone', '?api_key' ],
        [ 'missing', 'a blank, encoded', '?api_key=%20' ],
        [ 'missing', 'the name in another case', "?API_KEY=$key" ],
        [ 'missing', 'a longer name', "?api_key2=$key" ],
        [ 'missing', 'a name before it', "?my_api_key=$key" ],
        [ 'missing', 'a shorter name', "?api_ke=$key" ],
        [ 'missing', 'another separator', "?a=1;api_key=$key" ],
        [ 'missing', 'the encoded "="', "?api_key%3d$key" ],
        [ 'missing', 'encoded twice', "?api%255Fkey=$key" ],
        [ 'malformed', 'a wrong checksum', "?api_key=$bad" ],
        [ 'malformed', 'twice the same', "?api_key=$key&api_key=$key" ],
        [ 'malformed', 'twice, one name encoded',
          "?api_key=$key&api%5fkey=$key" ],
        [ 'malformed', 'twice, the first empty', "?api_key=&api_key=$key" ],
        [ 'malformed', 'twice, the second empty', "?api_key=$key&api_key" ],
        [ 'malformed', 'a zero byte', "?api_key=$key%00" ],
        [ 'malformed', 'half an encoding', "?api_key=$key%4" ],
        [ 'malformed', 'no encoding', "?api_key=$key%zz" ],
        [ 'malformed', 'a lone percent sign', "?api_key=$key%" ],
        [ 'malformed', 'an encoded "&"', "?api_key=$key%26a=1" ],
        [ 'malformed', 'a plus', "?api_key=$left+$right" ],
        [ 'malformed', 'a space inside', "?api_key=$left%20$right" ],
        [ 'malformed', 'a comma', "?api_key=$key%2c" ],
        [ 'malformed', '7 KB', '?api_key=' . 'x' x 7000 ];


# Cookie

is_result($_->[0], $_->[1], '/cookie', map { (Cookie => $_) } @$_[2 .. $#$_])
    for [ 'ok', 'alone', "key=$key" ],
        [ 'ok', 'first', "key=$key; a=1" ],
        [ 'ok', 'last', "a=1; key=$key" ],
        [ 'ok', 'in between', "a=1; key=$key; b=2" ],
        [ 'ok', 'without spaces', "a=1;key=$key;b=2" ],
        [ 'ok', 'blanks around', "a=1;  key = $key  ; b=2" ],
        [ 'ok', 'in a second header', 'a=1', "key=$key" ],
        [ 'ok', 'in a first header', "key=$key", 'a=1' ],
        [ 'missing', 'no cookie' ],
        [ 'missing', 'other cookies', 'a=1; b=2' ],
        [ 'missing', 'an empty value', 'key=; a=1' ],
        [ 'missing', 'the name alone', 'a=1; key' ],
        [ 'missing', 'another case', "Key=$key" ],
        [ 'missing', 'a longer name', "key2=$key" ],
        [ 'missing', 'a name before it', "my-key=$key" ],
        [ 'missing', 'a comma between', "a=1, key=$key" ],
        [ 'malformed', 'a wrong checksum', "key=$bad" ],
        [ 'malformed', 'twice', "key=$key; key=$key" ],
        [ 'malformed', 'twice, in two headers', "key=$key", "key=$key" ],
        [ 'malformed', 'twice, one empty', "key=$key; key=" ],
        [ 'malformed', 'in quotes', qq(key="$key") ];


# The first that is present decides, good or bad; an empty one isn't present.

my @header = ('X-API-Key' => $key);
my @bearer = (Authorization => "Bearer $key");
my @cookie = (Cookie => "key=$key");
my @all_bad = ('X-API-Key' => $bad, Authorization => "Bearer $bad",
               Cookie => "key=$bad");

is_result(@$_)
    for [ 'ok', 'the header', '/several', @header ],
        [ 'ok', 'the bearer', '/several', @bearer ],
        [ 'ok', 'the query', "/several?api_key=$key" ],
        [ 'ok', 'the second query', "/several?key=$key" ],
        [ 'ok', 'the cookie', '/several', @cookie ],
        [ 'ok', 'the header before the others',
          "/several?api_key=$bad&key=$bad",
          @header, @all_bad[2 .. 5] ],
        [ 'malformed', 'a bad header before the others',
          "/several?api_key=$key",
          'X-API-Key' => $bad, @bearer, @cookie ],
        [ 'malformed', 'two headers before the others', '/several', @header,
          @header, @bearer ],
        [ 'ok', 'the bearer before the query', "/several?api_key=$bad",
          @bearer ],
        [ 'malformed', 'a bad bearer before the query',
          "/several?api_key=$key", Authorization => "Bearer $bad" ],
        [ 'ok', 'the first query before the second',
          "/several?key=$bad&api_key=$key" ],
        [ 'malformed', 'a bad first query before the second',
          "/several?key=$key&api_key=$bad" ],
        [ 'ok', 'the query before the cookie', "/several?key=$key",
          Cookie => "key=$bad" ],
        [ 'ok', 'the order is that of the directive',
          "/several/cookie?key=$bad", @cookie ],
        [ 'ok', 'an empty header, then the bearer', '/several',
          'X-API-Key' => '', @bearer ],
        [ 'ok', 'a blank header, then the query', "/several?api_key=$key",
          'X-API-Key' => " \t" ],
        [ 'ok', 'an empty bearer, then the query', "/several?api_key=$key",
          Authorization => 'Bearer ' ],
        [ 'ok', 'another scheme, then the query', "/several?api_key=$key",
          Authorization => 'Basic dTpw' ],
        [ 'ok', 'an empty query, then the cookie', '/several?api_key=&key=',
          @cookie ],
        [ 'ok', 'all others empty', '/several?api_key&key=', @cookie,
          'X-API-Key' => '', Authorization => 'Bearer' ],
        [ 'missing', 'all empty', '/several?api_key&key=', 'X-API-Key' => '',
          Authorization => 'Bearer', Cookie => 'key=' ];

done_testing();
