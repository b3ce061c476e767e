#!/usr/bin/perl

# Fixed windows: what passes, what the client is told, what is counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;

# Windows that no test sees the end of.
my ($half, $long) = (12960000, 25920000);

my $redis = redis();
my $up = upstream();
my $port = free_port();

nginx(<<"CONF");
    apikey_plan three 3/$long;
    apikey_plan two 5/$long 3/$half;
    apikey_plan equal 3/$half 3/$long;
    apikey_plan short 3/2;
    apikey_plan mixed 2/2 3/$long;
    apikey_plan basic 4/$long;
    apikey_plan better 6/$long;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /basic {
            apikey_default_plan basic;
            proxy_pass http://127.0.0.1:$up->{port};

            location /basic/better {
                apikey_default_plan better;
                proxy_pass http://127.0.0.1:$up->{port};
            }

            location /basic/off {
                apikey_default_plan off;
                proxy_pass http://127.0.0.1:$up->{port};
            }

            location /basic/unlimited {
                apikey_limit off;
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }
    }
CONF

sub key { create_key('--permissions', 'full', @_) }

sub ask {
    my ($key, $uri) = @_;

    return get($port, $uri || '/', 'X-API-Key' => $key->{key});
}

# "status limit remaining" of as many requests.

sub asked {
    my ($key, $count, $uri) = @_;

    return join ', ', map {
        my $r = ask($key, $uri);

        join ' ', $r->status, map { $r->header("X-RateLimit-$_") // () }
                                  qw(Limit Remaining);
    } 1 .. $count;
}

# What apikey knows to be used: "seconds:used ..."

sub used {
    my ($key) = @_;
    my $r = apikey('--json', 'limits', $key->{id});

    return join ' ', map { "$_->{seconds}:$_->{used}" }
                         @{decode_json($r->{out})->{windows}};
}

sub edit {
    my ($key, @args) = @_;
    my $r = apikey('edit', $key->{id}, @args);

    is($r->{exit}, 0, "edit @args") or diag $r->{err};
}


# One window.

my $key = key('--plan', 'three');
my $began = $redis->cmd('TIME')->[0];
my @r = map { ask($key) } 1 .. 5;

is(join(' ', map { $_->status } @r), '200 200 200 429 429', '3 of 3 pass');
is(join(' ', map { $_->header('X-RateLimit-Remaining') } @r), '2 1 0 0 0',
   'what remains');
is(join(' ', map { $_->header('X-RateLimit-Limit') } @r), '3 3 3 3 3',
   'the limit');

my $now = $redis->cmd('TIME')->[0];
my $reset = $now - $now % $long + $long;

is(join(' ', map { $_->header('X-RateLimit-Reset') } @r),
   "$reset " x 4 . $reset,
   'the reset is the end of the window on Redis\'s clock, throughout');

my ($retry) = map { $_->header('Retry-After') } $r[4];
ok($retry <= $reset - $began + 1 && $retry >= $reset - $now,
   'Retry-After tells the time until then');
is(used($key), "$long:3", 'what is denied is not counted');
is(defined $r[0]->header('Retry-After'), '', 'no Retry-After where it passed');


# Several windows: the one with the smallest remaining, or that refuses.

$key = key('--plan', 'two');
is(asked($key, 4), '200 3 2, 200 3 1, 200 3 0, 429 3 0',
   'the window with the smaller remaining');
is(used($key), "$half:3 $long:3", 'all windows count, or none');

$key = key('--plan', 'equal');
is(ask($key)->header('X-RateLimit-Reset'), $now - $now % $half + $half,
   'of two with the same remaining the shorter one');

# used up in the long window only, by hand: see core/limit.h

sub counter {
    my ($seconds, $start, $current, $previous) = @_;
    my $bytes = sub { substr pack('Q<', $_[0]), 0, $_[1] };

    return $bytes->($seconds, 4) . $bytes->($start, 5)
           . $bytes->($current, 6) . $bytes->($previous || 0, 6);
}

my ($at_half, $at_long) = ($now - $now % $half, $now - $now % $long);

sub stored {
    my ($key, @counters) = @_;
    my ($record) = grep { /^apikey:\{/
                          && $redis->cmd('HGET', $_, 'id') eq $key->{id} }
                        @{$redis->cmd('KEYS', '*')};

    $redis->cmd('HSET', $record, 'n', join '', @counters);
}

stored($key, counter($half, $at_half, 1), counter($long, $at_long, 3));
my $r = ask($key);
is($r->status, 429, 'one window refuses');
is($r->header('X-RateLimit-Reset'), $at_long + $long, 'of which it speaks');
is(used($key), "$half:1 $long:3", 'the other one has not counted it');


# What is stored of windows that are over, or lie ahead.

for ([ 'the window before', [ $long, $at_long - $long, 3 ], '200 3 2' ],
     [ 'a window long ago', [ $long, $at_long - 7 * $long, 3, 3 ], '200 3 2' ],
     [ 'a window ahead, the clock having gone back',
       [ $long, $at_long + $long, 2 ], '200 3 0' ],
     [ 'a window of another length', [ $half, $at_half, 3 ], '200 3 2' ],
     [ 'more than the limit', [ $long, $at_long, 1000 ], '429 3 0' ])
{
    my ($name, $counter, $told) = @$_;
    my $key = key('--plan', 'three');

    stored($key, counter(@$counter));
    is(asked($key, 1), $told, $name);
}


# Whose limits.

$key = key('--plan', 'three', '--limits', "2/$long");
is(asked($key, 3), '200 2 1, 200 2 0, 429 2 0',
   'limits of its own, in place of the plan\'s');

edit($key, '--limits', "4/$long");
is(asked($key, 3), '200 4 1, 200 4 0, 429 4 0',
   'a higher limit keeps what is used');
edit($key, '--limits', "2/$long 9/31104000");
is(asked($key, 1), '429 2 0', 'so does a lower one');
edit($key, '--limits', "9/31104000 9/$long");
is(used($key), "$long:4 31104000:0", 'a new window begins at nothing');
edit($key, '--limits', 'none');
is(asked($key, 1), '429 3 0', 'without limits of its own it is the plan\'s');

is(apikey('limits', '--reset', $key->{id})->{exit}, 0, 'limits --reset');
is(asked($key, 1), '200 3 2', 'begins anew');

$key = key();
is(asked($key, 3, '/basic'), '200 4 3, 200 4 2, 200 4 1', 'a default plan');
edit($key, '--limits', "5/$long");
is(asked($key, 3, '/basic'), '200 5 1, 200 5 0, 429 5 0',
   'limits of its own go on with what was used under it');

$key = key();
is(asked($key, 1), '200', 'no plan: unlimited, no headers');
is(asked($key, 2, '/basic'), '200 4 3, 200 4 2', 'the default plan');
is(asked($key, 1, '/basic/better'), '200 6 5',
   'another location, another default plan');
is(asked($key, 1, '/basic'), '200 4 1', 'they are counted each by itself');
is(asked($key, 1, '/basic/off'), '200', 'apikey_default_plan off');
is(asked($key, 1, '/basic/unlimited'), '200', 'apikey_limit off');

$key = key('--plan', 'nobody-knows', '--force');
is(asked($key, 1), '200', 'an unknown plan: unlimited');
is(asked($key, 1, '/basic'), '200 4 3', 'or the default plan');
is(asked(key('--plan', 'three'), 1, '/basic'), '200 3 2',
   'a plan that is known comes before the default');


# The end of a window, in short ones.  What the end has come between is asked
# again with another key.

sub in_one_window {
    my ($code) = @_;

    for (1 .. 20) {
        my @r = $code->();
        my %resets = map { $_->header('X-RateLimit-Reset') => 1 } @r;

        return @r if keys %resets == 1;
    }

    die 'no window is long enough';
}

@r = in_one_window(sub {
    $key = key('--plan', 'short');
    return map { ask($key) } 1 .. 4;
});

is(join(' ', map { $_->status } @r), '200 200 200 429', '3 in 2 seconds');
like($r[3]->header('Retry-After'), qr/^[12]$/, 'Retry-After of a short window');

sleep $r[3]->header('Retry-After');
$r = ask($key);
is($r->status, 200, 'a retry after that many seconds succeeds');
cmp_ok($r->header('X-RateLimit-Reset'), '>', $r[3]->header('X-RateLimit-Reset'),
       'in a window of its own');

@r = in_one_window(sub {
    $key = key('--plan', 'mixed');
    return map { ask($key) } 1 .. 3;
});

is($r[2]->header('X-RateLimit-Limit'), 2, 'the short window refuses');
sleep $r[2]->header('Retry-After');
is(asked($key, 1), '200 3 0', 'then the long one has the last request');
is(asked($key, 1), '429 3 0', 'and refuses');

done_testing();
