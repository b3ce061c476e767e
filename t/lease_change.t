#!/usr/bin/perl

# Leases that are out while their key is made anew, or its limits change: what
# was leased before is never spent on top, and never in the way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $long = 25920000;
my $year = 31536000;

my $redis = redis();
my $port = free_port();

nginx(<<"CONF");
    apikey_cache zone=keys:1m;

    apikey_plan big    1000/$long mode=leased;
    apikey_plan small  100/$long mode=leased;
    apikey_plan larger 110/$long mode=leased;
    apikey_plan other  1000/$year mode=leased;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_format any;
        keepalive_requests 100000;

        location / {
            try_files /none =204;
        }
    }
CONF

ok(wait_for(sub { apikey('gateways')->{out} =~ tr/\n// == 2 }),
   'the gateway is registered');

sub ask { get($port, '/', 'X-API-Key' => $_[0]) }

sub passed {
    my ($count, $key) = @_;

    return scalar grep { ask($key)->status == 204 } 1 .. $count;
}

sub done {
    my $r = apikey(@_);

    is($r->{exit}, 0, $_[0]) or diag $r->{err};
}


# Deleted and imported by the same line, with and without its own "created".

for (', "created":1767225600', '') {
    my $line = file('line.jsonl', qq({"key":"customer-key-1","id":"c1",)
                                  . qq("plan":"big"$_}\n));

    for my $time (1 .. 2) {
        done('import', $line);

        is(passed($time == 1 ? 300 : 1200, 'customer-key-1'),
           $time == 1 ? 300 : 1000,
           $time == 1 ? 'a lease is held'
                      : 'imported again: its limit, and nothing on top');

        done('delete', 'c1');
    }
}


# No 429 before the limit, with what a lease of the limits before holds.

for my $case ([ 'a larger limit', 'small', 'larger', 110 ],
              [ 'a smaller limit', 'larger', 'small', 100 ],
              [ 'another window', 'other', 'small', 100 ])
{
    my ($what, $before, $after, $limit) = @$case;
    my $key = create_key('--plan', $before);
    my $used = $before eq 'other' ? 0 : 60;

    is(passed(60, $key->{key}), 60, "$what: a lease is held");
    done('edit', $key->{id}, '--plan', $after);

    my $first = 0;

    $first++ while $first < 200 && ask($key->{key})->status == 204;
    is($first, $limit - $used, "$what: passes to the last one, at once");
}


# A single request that fits only without the lease.

{
    my $key = create_key('--limits', "1000/$long", '--plan', 'big');

    is(passed(300, $key->{key}), 300, 'a lease is held');
    done('edit', $key->{id}, '--limits', "301/$long");

    is(ask($key->{key})->status, 204, 'the last one under the new limit');
    is(ask($key->{key})->status, 429, 'and no other');
}

done_testing();
