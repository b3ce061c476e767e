#!/usr/bin/perl

# A key in a header: what is taken for a key, what is missing, what is
# malformed, and that neither of these is asked of Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $underscores = free_port();

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey on;
    add_header X-Result \$apikey_result always;
    large_client_header_buffers 8 32k;

    server {
        listen 127.0.0.1:$port;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /realm {
            apikey_realm "the \$5 API";
        }

        location /any {
            apikey_format any;
        }

        location /named {
            apikey_source header:Api-Token;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }

    server {
        listen 127.0.0.1:$underscores;
        underscores_in_headers on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $key = create_key('--permissions', 'read')->{key};

sub result {
    my ($r) = @_;

    return $r->status . ' ' . ($r->header('X-Result') // '');
}

sub sent { result(get($port, '/', @_)) }


# Whatever stands around a key, it is the same key.

my @keys = (
    [ 'a key', 'X-API-Key' => $key ],
    [ 'the name in lower case', 'x-api-key' => $key ],
    [ 'the name in upper case', 'X-API-KEY' => $key ],
    [ 'spaces around', 'X-API-Key' => "   $key  " ],
    [ 'tabs around', 'X-API-Key' => "\t$key\t" ],
    [ 'tabs and spaces around', 'X-API-Key' => " \t $key\t \t" ],
);

is(sent(@$_[1 .. 2]), '200 ok', "$_->[0]: passes") for @keys;
is(result(get($port, '/named', 'API-TOKEN' => $key)), '200 ok',
   'a header of another name');
is(result(get($port, '/named', 'X-API-Key' => $key)), '401 missing',
   'then the usual one is none');


# What isn't a key never costs Redis a command.

my $monitor = $redis->monitor;

# But for what a worker tells of itself, and of the keys before.

sub asked { grep { /"evalsha?"/i && !/usage|gateways/ } $monitor->lines }

my @missing = (
    [ 'no header' ],
    [ 'an empty header', 'X-API-Key' => '' ],
    [ 'spaces', 'X-API-Key' => '    ' ],
    [ 'a tab', 'X-API-Key' => "\t" ],
    [ 'tabs and spaces', 'X-API-Key' => " \t \t" ],
    [ 'a header whose name begins so', 'X-API-Key-2' => $key ],
    [ 'a header whose name ends so', 'My-X-API-Key' => $key ],
    [ 'a shorter name', 'X-API-Ke' => $key ],
    [ 'a source that is not configured', Authorization => "Bearer $key" ],
);

for (@missing) {
    my ($name, @headers) = @$_;

    is(sent(@headers), '401 missing', "$name: missing");
}

my $last = substr $key, -1;
my $other = $last eq '0' ? '1' : '0';
my $wrong = substr($key, 0, -1) . $other;
my ($left, $right) = (substr($key, 0, 10), substr $key, 10);

my @malformed = (
    [ 'a wrong checksum', 'X-API-Key' => $wrong ],
    [ 'a wrong prefix', 'X-API-Key' => "b$key" ],
    [ 'another case', 'X-API-Key' => uc $key ],
    [ 'a part of a key', 'X-API-Key' => substr $key, 0, -1 ],
    [ 'more than a key', 'X-API-Key' => "${key}0" ],
    [ 'one byte', 'X-API-Key' => 'x' ],
    [ 'quotes', 'X-API-Key' => qq("$key") ],
    [ 'a scheme', 'X-API-Key' => "Bearer $key" ],
    [ 'a space inside', 'X-API-Key' => "$left $right" ],
    [ 'a tab inside', 'X-API-Key' => "$left\t$right" ],
    [ 'a comma inside', 'X-API-Key' => "$left,$right" ],
    [ 'two keys in one header', 'X-API-Key' => "$key, $key" ],
    [ 'a comma behind', 'X-API-Key' => "$key," ],
    [ 'a byte above ASCII', 'X-API-Key' => "$left\xe9$right" ],
    [ 'a no-break space behind', 'X-API-Key' => "$key\xc2\xa0" ],
    [ 'a control character', 'X-API-Key' => "$left\x01$right" ],
    [ 'DEL', 'X-API-Key' => "$key\x7f" ],
    [ 'a percent-encoded key', 'X-API-Key' => "%61$key" ],
    [ '8 KB', 'X-API-Key' => $key x 200 ],
    [ '30 KB', 'X-API-Key' => 'x' x 30000 ],
    [ 'the same key twice', 'X-API-Key' => $key, 'X-API-Key' => $key ],
    [ 'the same key in another case of the name',
      'X-API-Key' => $key, 'x-api-KEY' => $key ],
    [ 'two keys, the first good', 'X-API-Key' => $key, 'X-API-Key' => 'x' ],
    [ 'two keys, the second good', 'X-API-Key' => 'x', 'X-API-Key' => $key ],
    [ 'an empty one first', 'X-API-Key' => '', 'X-API-Key' => $key ],
    [ 'an empty one behind', 'X-API-Key' => $key, 'X-API-Key' => '' ],
    [ 'the second far behind', 'X-API-Key' => $key,
      (map { ("X-Filler-$_" => $_) } 1 .. 60), 'X-API-Key' => $key ],
);

for (@malformed) {
    my ($name, @headers) = @$_;

    is(sent(@headers), '401 malformed', "$name: malformed");
}

# Where keys of any form are keys, 256 bytes are still the most.

is(result(get($port, '/any', 'X-API-Key' => 'x' x 257)), '401 malformed',
   '257 bytes: malformed');
is(result(get($port, '/any', 'X-API-Key' => "a\x80")), '401 malformed',
   'a byte above ASCII: malformed in any form');
is(result(get($port, '/any', 'X-API-Key' => 'a b')), '401 malformed',
   'a space inside: malformed in any form');
is(result(get($port, '/any', 'X-API-Key' => 'a,b')), '401 malformed',
   'a comma: malformed in any form');

is(join("\n", asked()), '', 'nothing of that was asked of Redis');

is(result(get($port, '/any', 'X-API-Key' => 'x' x 256)), '401 unknown',
   '256 bytes: a key, though unknown');

my $gone = create_key('--permissions', 'read');
apikey('delete', $gone->{id});

is(sent('X-API-Key' => $gone->{key}), '401 unknown', 'a deleted key: unknown');

ok(scalar(asked()), 'an unknown key was asked of Redis');


# A name that has underscores is another name, unless configured so.

is(result(get($underscores, '/', 'X_API_KEY' => $key)), '401 missing',
   'X_API_KEY is not X-API-Key');
is(result(get($underscores, '/', 'X_API_KEY' => 'x', 'X-API-Key' => $key)),
   '200 ok', 'X_API_KEY does not stand in its way');
is(result(get($port, '/', 'X_API_KEY' => 'x', 'X-API-Key' => $key)),
   '200 ok', 'nor where nginx ignores it');


# Nobody learns why a key is bad.

my $missing = get($port, '/');
my @bad = map { get($port, '/', 'X-API-Key' => $_) }
              $wrong, 'x', $gone->{key}, 'x' x 300;

is($missing->body, '{"statusCode":401,"message":"Missing API key"}',
   'missing: the body');
is($_->body, '{"statusCode":401,"message":"Invalid API key"}',
   'invalid: one body for all') for @bad;

for my $r ($missing, @bad) {
    is_deeply([ $r->all('WWW-Authenticate') ], [ 'ApiKey realm="api"' ],
              'the challenge, once');
    is($r->header('Content-Type'), 'application/json', 'JSON');
    is($r->header('Cache-Control'), 'no-store', 'not to be stored');
    is($r->header('Content-Length'), length $r->body, 'its length');
}

my %heads;

for my $r (@bad) {
    my $head = $r->head;

    $head =~ s/^(Date|X-Result):.*\r\n//mg;
    $heads{$head} = 1;
}

is(keys %heads, 1, 'one head for all bad keys');

is(get($port, '/realm')->header('WWW-Authenticate'),
   'ApiKey realm="the $5 API"', 'a realm of one\'s own');

my $head = request($port, 'HEAD', '/');
is($head->status . $head->body, '401', 'HEAD: no body');
is($head->header('Content-Length'), length $missing->body,
   'HEAD: but its length');

is(scalar($up->requests), @keys + 3, 'only good keys went upstream');

done_testing();
