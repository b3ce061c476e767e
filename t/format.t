#!/usr/bin/perl

# "apikey_format": keys of our own by their checksum, or imported ones of any
# form.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key query:key cookie:key;
        add_header X-Result \$apikey_result always;
        add_header X-Id \$apikey_id always;

        location / {
            try_files /none =204;
        }

        location /checksum {
            apikey_format checksum;
            try_files /none =204;
        }

        location /any {
            apikey_format any;
            try_files /none =204;
        }

        location /any/checked {
            apikey_format any;
            try_files /none /checksum;
        }

        location /checked/any {
            try_files /none /any;
        }
    }
CONF

my $own = create_key('--permissions', 'full')->{key};
my $long = create_key('--permissions', 'full', '--prefix', 'x' x 32)->{key};
my $short = create_key('--permissions', 'full', '--prefix', '_')->{key};
my $unknown = create_key('--permissions', 'full');
apikey('delete', $unknown->{id});

my $typo = substr($own, 0, -1) . (substr($own, -1) eq '0' ? '1' : '0');

my %odd = (
    one     => 'x',
    number  => '42',
    uuid    => '123e4567-e89b-12d3-a456-426614174000',
    base64  => 'qL8R4QIcQ/ZsRqOAbeRfcZhilN/MksRtDaErMA==',
    jwt     => 'eyJhbGciOi.eyJzdWIiOiIx.dBjftJeZ4CVP-mB92K27uhbU',
    symbols => q(!"#$%&'()*+-./:;<=>?@[\\]^_`{|}~),
    stripe  => 'sk_test_4eC39HqLyjWDarjtT1zdp7dc',
    longest => 'y' x 256,
    typo    => $typo,
);

my $import = join '', map {
    encode_json({ id => $_, key => $odd{$_}, scopes => [ '*:*' ] }) . "\n"
} sort keys %odd;

my $done = apikey('import', file('import.json', $import));
is($done->{exit}, 0, 'keys of odd forms are imported') or diag $done->{err};


sub result {
    my ($uri, @headers) = @_;
    my $r = get($port, $uri, @headers);

    return join ' ', grep { length }
           map { $_ // '' } $r->header('X-Result'), $r->header('X-Id');
}


# Our own keys are good in both.

for my $key ($own, $long, $short) {
    like(result($_, 'X-API-Key' => $key), qr/^ok \w{16}$/,
         "$_: a key of our own") for '/', '/checksum', '/any';
}

is(result($_, 'X-API-Key' => $unknown->{key}), 'unknown',
   "$_: a deleted key") for '/checksum', '/any';


# All others are asked of Redis only where any form is a key.

my $monitor = $redis->monitor;

# But for what a worker tells of itself, and of the keys before.

sub asked { grep { /"evalsha?"/i && !/usage|gateways/ } $monitor->lines }

for my $name (sort keys %odd) {
    is(result($_, 'X-API-Key' => $odd{$name}), 'malformed',
       "$_: $name is malformed") for '/', '/checksum';
}

is(join("\n", asked()), '', 'Redis was not asked');

for my $name (sort keys %odd) {
    is(result('/any', 'X-API-Key' => $odd{$name}), "ok $name",
       "/any: $name is a key");
}

is(result('/any', 'X-API-Key' => "$odd{uuid}0"), 'unknown',
   '/any: an unknown key');
is(result('/any', 'X-API-Key' => uc $odd{uuid}), 'unknown',
   '/any: the case counts');
is(scalar(asked()), keys(%odd) + 2, 'Redis was asked for each, once');


# In other places.

my $encoded = $odd{symbols} =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;

is(result("/any?key=$encoded"), 'ok symbols', 'in a query, encoded');
is(result("/any?key=$odd{base64}"), 'ok base64', 'in a query, as it is');
is(result('/any', Cookie => "key=$odd{base64}; a=1"), 'ok base64',
   'in a cookie, with "="');
is(result('/any?key='), 'missing', 'an empty one is still missing');


# An internal redirect brings a key under the rules of the new location.

is(result('/any/checked', 'X-API-Key' => $odd{uuid}), 'malformed',
   'redirected to where it is malformed');
like(result('/any/checked', 'X-API-Key' => $own), qr/^ok /,
     'redirected, a key of our own');
is(result('/checked/any', 'X-API-Key' => $odd{uuid}), 'malformed',
   'malformed before it is redirected');


# A revoked one is told from an unknown one in nothing but the log.

is(apikey('revoke', 'uuid')->{exit}, 0, 'an imported key is revoked');
is(result('/any', 'X-API-Key' => $odd{uuid}), 'revoked', 'and refused');

done_testing();
