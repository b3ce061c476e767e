#!/usr/bin/perl

# Usage and events over a Redis Cluster: each key's on its own node, the stream
# on another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $cluster = cluster();
my $port = free_port();
my $long = 25920000;

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_redis @{[ $cluster->servers ]} connect_timeout=60s timeout=60s;
    apikey_plan ten 10/$long;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;

        location / {
            empty_gif;
        }
    }
CONF

# all of it on one day

left(86400, 60);

my @keys = map { create_key('--permissions', 'read', '--plan', 'ten',
                            '--org', $_ % 2 ? 'acme' : 'globex') } 1 .. 9;

for my $key (@keys) {
    get($port, '/', 'X-API-Key' => $key->{key}) for 1 .. 9;
}

sub usage {
    return decode_json(apikey('--json', 'usage', $_[0]{id}, '--days', 1)->{out})
        ->{total};
}

for my $key (@keys) {
    ok(wait_for(sub { usage($key)->{requests} == 9 }, 10), 'counted');
}

my %near;

wait_for(sub {
    %near = ();
    $near{$_->{key}}++ for map { decode_json($_) } split /^/,
        apikey('--json', 'events', '--type', 'near_limit')->{out};

    return keys %near == @keys;
});

is_deeply(\%near, { map { $_->{id} => 1 } @keys }, 'each is told of, once');

sub kept { grep { /:usage:/ } map { @$_ } $cluster->each('KEYS', '*') }


is(scalar(kept()), 2 * @keys, 'a day and the past of each is kept');


# All together, also when they are deleted.

sub orgs {
    my $json = decode_json(apikey('--json', 'usage', '--by', 'org')->{out});

    return { map { $_->{org} => "$_->{keys} $_->{requests}" }
             @{$json->{rows}} };
}

is_deeply(orgs(), { acme => '5 45', globex => '4 36' }, 'by organization');
is(apikey('delete', map { $_->{id} } @keys)->{exit}, 0, 'deleted');
is_deeply(orgs(), { acme => '5 45', globex => '4 36' }, 'nothing is missing');

done_testing();
