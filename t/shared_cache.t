#!/usr/bin/perl

# nginx's caches never hand one key's response to another, unless the response,
# the cache key or the operator says so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my @cgi = qw(fastcgi uwsgi scgi);
my %capture = map { $_ => capture(protocol => $_) } @cgi;
my $cached = "proxy_pass http://127.0.0.1:$up->{port}; proxy_cache c;";
my $others = join '', map { cgi($_) } @cgi;

sub cgi {
    my ($protocol) = @_;
    my $to = "${protocol}_pass 127.0.0.1:$capture{$protocol}{port};
              ${protocol}_cache $protocol; ${protocol}_cache_valid 1m;
              ${protocol}_param REQUEST_METHOD GET;";

    return "location = /$protocol {
                ${protocol}_cache_key $protocol; $to
            }
            location = /$protocol/id {
                ${protocol}_cache_key $protocol\$apikey_id; $to
            }\n";
}

my $nginx = nginx(<<"CONF");
    proxy_cache_path cache keys_zone=c:1m;
${\ join '', map { "    ${_}_cache_path of-$_ keys_zone=$_:1m;\n" } @cgi}
    proxy_cache_valid any 1m;
    proxy_set_header X-Id \$apikey_id;

    map \$apikey_org \$tenant { default "of \$apikey_org"; }

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key bearer query:key cookie:key;
        add_header X-Cache \$upstream_cache_status always;

        location / { $cached }
        location /header { $cached proxy_cache_key \$uri|\$http_x_api_key; }
        location /bearer { $cached proxy_cache_key \$uri|\$http_authorization; }
        location /query { $cached proxy_cache_key \$uri|\$arg_key; }
        location /cookie { $cached proxy_cache_key \$uri|\$cookie_key; }
        location /shared { $cached apikey_shared_cache on; }

        location /id { $cached proxy_cache_key "\$apikey_id \$uri"; }
        location /tenant { $cached proxy_cache_key "\$tenant \$uri"; }
        location /text { $cached proxy_cache_key "c1 \$uri"; }
        location /project { $cached proxy_cache_key "\$apikey_project \$uri"; }

        location /set {
            set \$id \$apikey_id;
            $cached
            proxy_cache_key "\$id \$uri";
        }

        location /kept { $cached apikey_hide off; }
        location /ignored {
            $cached
            proxy_ignore_headers Cache-Control X-Accel-Expires Vary;
        }

        location /optional { $cached apikey optional; }
$others
    }
CONF

my ($acme, $evil) = map { create_key('--permissions', 'full', '--org', $_) }
                        qw(acme evil);
my $mate = create_key('--permissions', 'full', '--org', 'acme');

# Whose response that is, and where it comes from.

sub asked {
    my ($uri, $key, @headers) = @_;
    my $r = get($port, $uri, $key ? ('X-API-Key' => $key->{key}) : (),
                @headers);
    my ($id) = $r->body =~ /^(?:.*)\["X-Id","(\w+)"\]/s;

    return join ' ', $r->header('X-Cache') // $r->status,
               !$id ? 'nobody' : $id eq $acme->{id} ? 'acme'
               : $id eq $mate->{id} ? 'mate' : 'evil';
}

sub says { map { ('X-Echo-Header' => $_) } @_ }


# Nothing says that it may be shared.

for my $uri (qw(/default /header /text /set /project /kept /ignored)) {
    is(asked($uri, $acme), 'MISS acme', "$uri: the first");
    is(asked($uri, $evil), 'MISS evil', "$uri: another key has its own");
    is(asked($uri, $acme), 'MISS acme', "$uri: and the first again");
}

for my $case ([ '/bearer', '', Authorization => 'Bearer KEY' ],
              [ '/default', '?key=KEY' ], [ '/query', '?key=KEY' ],
              [ '/default', '', Cookie => 'key=KEY' ],
              [ '/cookie', '', Cookie => 'key=KEY' ])
{
    for my $key ($acme, $evil, $acme) {
        my ($at, $query, @headers) = map { s/KEY/$key->{key}/r } @$case;
        my $name = $key == $evil ? 'evil' : 'acme';

        is(asked("$at$query", undef, @headers), "MISS $name",
           "$at$query @headers[0 .. $#headers - 1]: $name");
    }
}

is(grep({ /\[notice\].* aren't stored in the cache: .*"GET \/header / }
        split /\n/, $nginx->log), 1, 'a location says so once');


# The response says so, or doesn't.

my $n = 0;

for my $case ([ 'HIT', 'public' ], [ 'HIT', 'Public, max-age=60' ],
              [ 'HIT', 'max-age=60, s-maxage=60' ],
              [ 'HIT', 'max-age=60, must-revalidate' ],
              [ 'HIT', 'max-age=60', 'Cache-Control: public' ],
              [ 'MISS', 'max-age=60' ], [ 'MISS', 'max-age=60, x="public"' ],
              [ 'MISS', 'max-age=60, republic' ],
              [ 'MISS', 'max-age=60', 'X-Accel-Expires: 60' ],
              [ 'MISS', 'public', 'Vary: Accept, x-api-key' ],
              [ 'MISS', 'public', 'Vary: Authorization' ],
              [ 'MISS', 'public', 'Vary: Cookie' ],
              [ 'HIT', 'public', 'Vary: Accept' ])
{
    my ($expected, $control, @more) = @$case;
    my @says = says("Cache-Control: $control", @more);
    my $uri = '/said/' . $n++;

    asked($uri, $acme, @says);
    is(asked($uri, $evil, @says),
       $expected eq 'HIT' ? 'HIT acme' : 'MISS evil', "$control @more");
}

for my $control ('no-store, no-cache, must-revalidate', 'private, s-maxage=9') {
    my $uri = '/ignored/' . $n++;

    asked($uri, $acme, says("Cache-Control: $control"));
    is(asked($uri, $evil), 'MISS evil', "ignored by nginx: $control");
}

asked('/ignored/vary', $acme, says('Cache-Control: public', 'Vary: X-API-Key'));
is(asked('/ignored/vary', $evil), 'HIT acme', 'a Vary that is ignored');

is(asked('/shared', $acme), 'MISS acme', 'apikey_shared_cache on');
is(asked('/shared', $evil), 'HIT acme', '... shares');


# The cache key tells keys apart.

is(asked('/id', $acme), 'MISS acme', '$apikey_id');
is(asked('/id', $_->[0]), $_->[1], "... then $_->[1]")
    for [ $acme, 'HIT acme' ], [ $mate, 'MISS mate' ], [ $evil, 'MISS evil' ],
        [ $mate, 'HIT mate' ];

is(asked('/tenant', $acme), 'MISS acme', 'a map of $apikey_org');
is(asked('/tenant', $_->[0]), $_->[1], "... then $_->[1]")
    for [ $mate, 'HIT acme' ], [ $evil, 'MISS evil' ], [ $evil, 'HIT evil' ];


# What a request without a key has stored serves all, nothing else serves it.

is(asked('/optional/1'), 'MISS nobody', 'an anonymous request');
is(asked('/optional/1', $acme), 'HIT nobody', '... serves a key');
is(asked('/optional/2', $acme), 'MISS acme', 'a key');
is(asked('/optional/2'), 'MISS nobody', '... serves no anonymous request');

asked('/optional/3', undef, says('Vary: X-API-Key'));
is(asked('/optional/3', $acme), 'MISS acme', 'unless it varies by the key');


# Other protocols.

for my $protocol (@cgi) {
    asked("/$protocol", $acme);
    is(asked("/$protocol", $evil), 'MISS nobody', "$protocol: not shared");

    asked("/$protocol/id", $acme);
    is(asked("/$protocol/id", $evil), 'MISS nobody', "$protocol: by key");
    is(asked("/$protocol/id", $acme), 'HIT nobody', "$protocol: stored");
}

done_testing();
