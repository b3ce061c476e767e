#!/usr/bin/perl

# Gateways tell Redis their plans, so that what is left of them can be shown.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $long = 25920000;

my $redis = redis();
my $port = free_port();

nginx(<<"CONF");
    apikey_cache zone=keys:1m;
    apikey_plan free  9/$long 99/31104000;
    apikey_plan slide 9/$long algorithm=sliding mode=leased;
    apikey_plan team  9/$long per=org;
    apikey_plan crew  9/$long per=project mode=leased;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_default_plan slide;

        location / {
            try_files /none =204;
        }
    }
CONF

sub told { return { @{$redis->cmd('HGETALL', 'apikey:plans')} } }

my $plans = {
    free => '9r/300d 99r/360d',
    slide => '9r/300d algorithm=sliding mode=leased',
    team => '9r/300d per=org',
    crew => '9r/300d per=project mode=leased',
};

ok(wait_for(sub { keys %{told()} == 4 }), 'a gateway tells its plans');
is_deeply(told(), $plans, 'as the directive has them');

$redis->cmd('FLUSHALL');

ok(wait_for(sub { keys %{told()} == 4 }), 'again, when Redis has lost them');


sub key { create_key('--permissions', 'full', @_) }
sub ask { get($port, '/', 'X-API-Key' => $_[0]{key})->status }

sub limits {
    my ($key) = @_;
    my $r = apikey('--json', 'limits', $key->{id});

    is($r->{exit}, 0, 'limits') or diag $r->{err};

    return [ map { my $w = $_; join ' ', map { $w->{$_} // '-' }
                   qw(plan per seconds limit used remaining) }
             @{decode_json($r->{out})->{windows}} ];
}

my $free = key('--plan', 'free', '--org', 'acme');

is_deeply(limits($free), [ "free key $long 9 0 9",
                           'free key 31104000 99 0 99' ],
          'of a plan not used yet, all is left');

is(ask($free), 204, 'a request');
is(limits($free)->[0], "free key $long 9 1 8", 'is used, the rest is left');
like(apikey('limits', $free->{id})->{out}, qr/^free +$long +9 +1 +8 +\d{4}-/m,
     'as a table');

is_deeply(console()->call('GET', "/api/keys/$free->{id}/limits")->json,
          decode_json(apikey('--json', 'limits', $free->{id})->{out}),
          'and in the console');

my $none = key();

is(ask($none), 204, 'a key without a plan');
like(limits($none)->[0], qr/^slide key $long 9 [1-9] [0-8]$/,
     'has the limits of the default plan');

my @team = map { key('--plan', 'team', '--org', 'acme') } 1 .. 2;
my $alone = key('--plan', 'team');

is(ask($_), 204, 'a key of a shared plan') for @team, $alone;
is_deeply(limits($_), [ "team org $long 9 2 7" ], 'what all of them have used')
    for @team;
is_deeply(limits($alone), [ "team key $long 9 1 8" ],
          'a key that belongs to nobody is by itself');

is_deeply(limits(key('--plan', 'crew', '--project', 'p')),
          [ "crew project $long 9 0 9" ], 'a project, not used yet');


# A plan that is mistyped would be no limit.

my $warned = qr/^apikey: warning: no gateway has told of a plan "fre"/m;

for my $args ([ 'create', '--name', 'x' ], [ 'edit', $free->{id} ]) {
    my $r = apikey(@$args, '--plan', 'fre');

    is($r->{exit}, 0, "$args->[0] with a plan that nobody has told of");
    like($r->{err}, $warned, 'is done, with a warning');
    unlike(apikey(@$args, '--plan', $_)->{err}, qr/warning/,
           "but not of the plan \"$_\"") for 'free', 'slide';
    apikey(@$args, '--plan', 'free');
}

unlike(apikey('edit', $free->{id}, '--name', 'y')->{err}, qr/warning/,
       'nor without a plan');


for my $unknown ('', 'nonsense', 'per=org') {
    $redis->cmd('HSET', 'apikey:plans', 'free', $unknown);
    is(limits($free)->[0], "free key $long - 1 -",
       "of a plan told as \"$unknown\", only what is used");
}

my $new = redis();

unlike(apikey({ redis => $new }, 'create', '--name', 'x', '--plan', 'p')->{err},
       qr/warning/, 'nor before there is a gateway');

done_testing();
