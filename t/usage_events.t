#!/usr/bin/perl

# Events that a gateway finds in the use of keys: each is told once for a key
# and a window or a day, by whatever worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

# Errors are looked at hour by hour, use day by day.
left(3600, 60);

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $long = 25920000;

# Keys that expire, as the program lists them.

my %soon = map { $_->[0] => create_key('--permissions', 'read',
                                       '--expires', $_->[1]) }
           [ soon => '6d' ], [ later => '8d' ], [ revoked => '1d' ];

apikey('revoke', $soon{revoked}{id});
$redis->cmd('ZADD', 'apikey:expiring',
            map({ ($_->{expires}, $_->{id}) } values %soon),
            time + 60, 'no-such-key');

# A gateway has told of such keys before.
$redis->cmd('ZADD', 'apikey:expiring', '+inf', '*');

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_cache zone=keys:1m;
    apikey_plan ten 10/$long;
    apikey_plan both 10/$long 20/31104000;
    apikey_plan slow 10/$long algorithm=sliding;
    apikey_plan leased 10/$long mode=leased;
    apikey_plan second 2r/s;
    apikey_plan free 1000000/$long;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        apikey_country \$http_x_country;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /dry {
            apikey_limit dry_run;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /off {
            apikey_usage off;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--permissions', 'read', @_) }
sub digest { $redis->digest($_[0]{id}) }
sub past_of { 'apikey:usage:{' . digest($_[0]) . '}' }
sub events_of { grep { $_->{key} eq $_[0]{id} } $redis->events }

# What is done with a key, in steps, each of which is [NAME, what is asked,
# what is told then]: [TIMES, URI, HEADERS...] or code.  What is told is a list
# of types, or code that judges the events.  All keys take a step, then it is
# looked what was told.

my @stories;

sub story { push @stories, { key => shift, asked => 0, told => 0,
                             steps => [ @_ ] } }

sub ask {
    my ($story, $times, $uri, @headers) = @_;

    get($port, $uri, 'X-API-Key' => $story->{key}{key}, @headers)
        for 1 .. $times;

    $story->{asked} += $times unless $uri eq '/off';
}

sub step {
    for my $story (grep { @{$_->{steps}} } @stories) {
        my (undef, @asked) = @{$story->{steps}[0]};

        for my $asked (@asked[0 .. $#asked - 1]) {
            ref $asked eq 'CODE' ? $asked->($story->{key})
                                 : ask($story, @$asked);
        }
    }

    for my $story (grep { @{$_->{steps}} } @stories) {
        my ($name, @rest) = @{shift @{$story->{steps}}};
        my $expected = pop @rest;
        my $key = $story->{key};
        my @events;

        ok(wait_for(sub { ($redis->usage($key)->{n} || 0)
                          == $story->{asked} }), "$name: counted");

        wait_for(sub { (@events = events_of($key)) >= @$expected });

        # two workers may tell of them, in either order
        is_deeply([ sort map { $_->{type} } @events ],
                  [ sort grep { !ref } @$expected ], "$name: told")
            unless ref $expected->[-1];
        $expected->[-1]->(@events) if ref $expected->[-1];

        $story->{told} = @events;
    }
}


# Limits.

my $limited = key('--plan', 'ten', '--org', 'acme');

story($limited,
      [ 'under four fifths of a limit', [ 7, '/' ], [] ],
      [ 'four fifths', [ 1, '/' ], [ 'near_limit' ] ],
      [ 'more of them', [ 2, '/' ], [ 'near_limit' ] ],
      [ 'more than all', [ 5, '/' ], [ 'near_limit', 'limit_reached' ] ],
      [ 'again', [ 5, '/' ], [ 'near_limit', 'limit_reached' ] ],
      [ 'after a reload', [ 5, '/' ], [ 'near_limit', 'limit_reached' ] ],

      # as if that mark were of the window before
      [ 'in another window',
        sub {
            $redis->cmd('HINCRBY', past_of($_[0]), "tlimit_reached:$long",
                        -$long)
        },
        [ 1, '/' ], [ 'near_limit', 'limit_reached', 'limit_reached' ] ]);

story(key('--plan', $_), [ "plan $_", [ 12, '/' ],
                           [ 'near_limit', 'limit_reached' ] ])
    for qw(both slow leased);

story(key('--plan', 'ten'), [ 'a dry run', [ 12, '/dry' ],
                              [ 'near_limit', 'limit_reached' ] ]);
story(key('--plan', 'ten'), [ 'without usage', [ 12, '/off' ], [] ]);

my $minutes = -int($redis->cmd('TIME')->[0] / 60);

story(key('--plan', 'second'), [ 'a short window', [ 100, '/' ], [ sub {
    $minutes += 1 + int($redis->cmd('TIME')->[0] / 60);
    cmp_ok(scalar @_, '<=', 2 * $minutes + 2, 'is told of once a minute');
} ] ]);


# Keys that are not to be used any more.

story(key(),
      [ 'disabled', sub { apikey('disable', $_[0]{id}) }, [ 2, '/' ],
        [ 'revoked_used' ] ]);

story(key(),
      [ 'not revoked yet', [ 1, '/' ], [] ],
      [ 'revoked', sub { apikey('revoke', $_[0]{id}) }, [ 2, '/' ],
        [ 'revoked_used' ] ],
      [ 'revoked, again', [ 2, '/' ], [ 'revoked_used' ] ]);

my $expired = key('--org', 'acme', '--project', 'apollo');
$redis->cmd('HSET', 'apikey:{' . digest($expired) . '}', 'expires', 1000000000);

story($expired, [ 'expired', [ 2, '/' ], [ 'expired_used' ] ]);
story(key('--not-before', '2100-01-01'), [ 'not valid yet', [ 2, '/' ], [] ]);


# Errors.

my $wrong = key('--plan', 'free');

story($wrong,
      [ 'few errors', [ 60, '/' ], [ 1, '/', 'X-Echo-Status' => 500 ],
        [ 30, '/' ], [ 2, '/', 'X-Echo-Status' => 404 ], [] ],
      [ 'many errors', [ 60, '/', 'X-Echo-Status' => 404 ],
        [ 'high_error_rate' ] ],
      [ 'more errors', [ 60, '/', 'X-Echo-Status' => 404 ],
        [ 'high_error_rate' ] ]);


# More than usual: days before this one.

sub past {
    my ($key, @requests) = @_;
    my $name = past_of($key);

    $redis->set_usage("$name:20200101", n => pop @requests);
    $redis->cmd('HSET', $name, 'day', '20200101', 'past', "@requests");

    return $key;
}

my $unusual = past(key(), 10, 20, 30);

story($unusual,
      [ 'five times as much as usual', [ 100, '/' ], [] ],
      [ 'more than that', [ 2, '/' ], [ 'unusual_use' ] ],
      [ 'and more', [ 2, '/' ], [ 'unusual_use' ] ]);

my $long_used = past(key(), 1 .. 9);

story($long_used, [ 'used for long', [ 10, '/' ], [] ]);
story(past(key(), 1, 2), [ 'used on two days', [ 110, '/' ], [] ]);
story(past(key(), 1, 1, 1), [ 'few requests', [ 90, '/' ], [] ]);


# Countries.

my $travelled = key();

story($travelled,
      [ 'the first countries', [ 1, '/', 'X-Country' => 'DE' ],
        [ 1, '/', 'X-Country' => 'FR' ], [] ],
      [ 'on a later day',
        sub { $redis->cmd('HSET', past_of($_[0]), 'since', '20200101') },
        [ 1, '/', 'X-Country' => 'DE' ], [ 2, '/', 'X-Country' => 'US' ],
        [ 'new_country' ] ],
      [ 'again', [ 1, '/', 'X-Country' => 'US' ], [ 'new_country' ] ]);


ok(wait_for(sub { $redis->cmd('ZCARD', 'apikey:expiring') == 2 }, 60),
   'what expires soon is taken off the list');
wait_for(sub { events_of($soon{soon}) });
is_deeply([ events_of($soon{soon}) ],
          [ { type => 'expiring', key => $soon{soon}{id},
              expires => $soon{soon}{expires} } ], 'and told of');

step() for 1 .. 5;
ok($nginx->reload, 'reloaded');
step() for 1 .. 2;

sub first {
    my ($event) = events_of($_[0]);

    delete @$event{qw(type key)};

    return $event;
}

my $near = first($limited);

is(delete($near->{reset}) % $long, 0, 'near_limit: the end of the window');
is_deeply($near, { org => 'acme', window => $long, limit => 10, used => 8 },
          'near_limit: whose, and what of it');
is_deeply(first($expired), { org => 'acme', project => 'apollo',
                             address => '127.0.0.1' }, 'expired_used');
is_deeply(first($travelled), { country => 'US', address => '127.0.0.1' },
          'new_country');

my $jump = first($unusual);
cmp_ok(delete $jump->{requests}, '>', 100, 'unusual_use: how many');
is_deeply($jump, { average => 20 }, 'and what was usual');

is($redis->cmd('HGET', past_of($long_used), 'past'), '3 4 5 6 7 8 9',
   'seven days are remembered');

my $rate = first($wrong);
cmp_ok($rate->{requests}, '>=', 50, 'high_error_rate: of fifty or more');
cmp_ok($rate->{errors}, '>=', $rate->{requests} / 5, 'a fifth or more');


# Those nobody knows; and what was told by now is all.

get($port, '/', 'X-API-Key' => "ak_$_") for 1 .. 10;
get($port, '/', 'X-API-Key' => key()->{key} . 'x');

$nginx->stop;

my (%found, %told);

$found{$_->{key}}++ for $redis->events;
$told{$soon{soon}{id}} = 1;
$told{$_->{key}{id}} = $_->{told} for grep { $_->{told} } @stories;

is_deeply(\%found, \%told, 'nothing is told twice, or of anybody else');

done_testing();
