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

my $conf = <<"CONF";
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

my $nginx = nginx($conf, workers => 2);
my $up = upstream();

sub told { return { @{$redis->cmd('HGETALL', 'apikey:plans')} } }

my $plans = <<'PLANS';
free 9r/300d 99r/360d
slide 9r/300d algorithm=sliding mode=leased default
team 9r/300d per=org
crew 9r/300d per=project mode=leased
PLANS

ok(wait_for(sub { keys %{told()} == 1 }), 'one worker tells the plans');

my ($teller) = keys %{told()};

is(told()->{$teller}, $plans, 'as the directive has them');
like(apikey('gateways')->{out}, qr/^\Q$teller\E /m, 'a worker that registers');

$redis->cmd('FLUSHALL');

ok(wait_for(sub { keys %{told()} == 1 }), 'again, when Redis has lost them');


sub key { create_key('--permissions', 'full', @_) }
sub ask { get($port, '/', 'X-API-Key' => $_[0]{key})->status }

sub limits {
    my ($key) = @_;
    my $r = apikey('--json', 'limits', $key->{id});

    is($r->{exit}, 0, 'limits') or diag $r->{err};

    return [ map { my $w = $_; join ' ', (map { $w->{$_} // '-' }
                   qw(plan per seconds limit used remaining)),
                   $w->{default} ? 'default' : (),
                   map { s/:.*//r } @{$w->{gateways} || []} }
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

is_deeply(limits($none), [ "slide key $long 9 0 9 default" ],
          'a key without a plan has the default plan');
is(ask($none), 204, 'it uses that');
like(limits($none)->[0], qr/^slide key $long 9 [1-9] [0-8] default$/,
     'and less of it is left');
like(apikey('limits', $none->{id})->{out}, qr/^slide \(default\) +$long +9 /m,
     'as a table');

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

my $refused = qr/^apikey: --plan "fre": .*did you mean "free"\?$/m;

for my $args ([ 'create', '--name', 'x' ], [ 'edit', $free->{id} ]) {
    my $r = apikey(@$args, '--plan', 'fre');

    is($r->{exit}, 1, "$args->[0] with a plan that nobody has told of");
    like($r->{err}, $refused, 'is refused');
    is(apikey(@$args, '--plan', $_)->{exit}, 0,
       "but not of the plan \"$_\"") for 'free', 'slide';
    is(apikey(@$args, '--plan', 'fre', '--force')->{exit}, 0, 'nor by force');
    apikey(@$args, '--plan', 'free');
}

is(apikey('edit', $free->{id}, '--name', 'y')->{exit}, 0, 'nor without a plan');


# Several gateways.

sub gateway {
    my ($name, $plans, $silent) = @_;
    my $time = $redis->cmd('TIME')->[0] - ($silent || 0);

    $redis->cmd('HSET', 'apikey:gateways', "$name:1", "$time 1.0.0 $time");
    $redis->cmd('HSET', 'apikey:plans', "$name:1", $plans);
}

my ($host) = $teller =~ /^([^:]+)/;

gateway('~other', "free 9r/300d 99r/360d\nslide 9r/300d algorithm=sliding\n");
is(@{limits($free)}, 2, 'a plan that two gateways have alike');

gateway('~other', "free 30r/300d\n");
is_deeply(limits($free), [ "free key $long 9 1 8 $host",
                           "free key 31104000 99 1 98 $host",
                           "free key $long 30 1 29 ~other" ],
          'and otherwise: both are shown, with who has them');
like(apikey('limits', $free->{id})->{out},
     qr/^free at \Q$teller\E +$long +9 .*\n.*\nfree at ~other:1 +$long +30 /m,
     'as a table');

gateway('third', "free 30r/300d mode=leased default\n");
like(apikey('limits', $free->{id})->{out},
     qr/^free at third:1 and 1 more +$long +30 .*\nfree at \Q$teller\E /m,
     'that of most gateways first');

is_deeply(limits($none)->[0], "free key $long 30 0 30 default third ~other",
          'the default plan of some gateways, as these have it');
like(limits($none)->[1], qr/^slide key $long 9 [1-9] [0-8] default$/,
     'and of others');

gateway($_, "free 30r/300d default\n", 61) for qw(~other third);
is_deeply(limits($free)->[0], "free key $long 9 1 8",
          'a gateway that has gone counts no longer');
like(limits($none)->[0], qr/^slide /, 'nor do its default plans');

is(apikey('gateways')->{exit}, 0, 'gateways');
is_deeply([ keys %{told()} ], [ $teller ], 'forgets what it has told');

gateway('pool', "sum 9r/300d per=org default\n");

my @pool = map { key('--org', 'umbrella') } 1 .. 2;

$redis->cmd('HSET', 'apikey:org:{umbrella}:sum', 'n',
            $redis->cmd('HGET', 'apikey:org:{acme}:team', 'n'));
is(limits($_)->[1], "sum org $long 9 2 7 default",
   'what an organisation has used of a default plan') for @pool;

my $stranger = key('--plan', 'nowhere', '--force', '--org', 'umbrella');
is(limits($stranger)->[1], "sum org $long 9 2 7 default",
   'also of a key whose plan no gateway knows');


# What a gateway tells that can't be read, or no more.

for my $unknown ('', 'free', 'free nonsense', 'free per=org', "fr{e 1r/s") {
    $redis->cmd('HSET', 'apikey:plans', $teller, $unknown);
    is(limits($free)->[0], "free key $long - 1 -",
       "of a plan told as \"$unknown\", only what is used");
}

$conf =~ s/free  9/free  12/;
$nginx->write($conf);
ok($nginx->reload, 'reloaded with another limit');
ok(wait_for(sub { join(',', @{limits($free)})
                  eq "free key $long 12 1 11,free key 31104000 99 1 98" }),
   'the new one is shown, and no other');

my ($new) = keys %{told()};
isnt($new, $teller, 'by a new worker');

$redis->cmd('HDEL', 'apikey:plans', 'pool:1');
$nginx->stop;
is_deeply(told(), {}, 'a gateway that ends takes its plans along');


# A worker that has to end, but still serves a client.

my $other = free_port();
my $slow = nginx(<<"CONF");
    apikey_plan slow 9/$long;

    server {
        listen 127.0.0.1:$other;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

ok(wait_for(sub { keys %{told()} }), 'another gateway');
($teller) = keys %{told()};

my $client = dial($other);
$client->send("POST / HTTP/1.1\r\nHost: a\r\nX-API-Key: $free->{key}\r\n"
              . "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
is($client->read(10), "HTTP/1.1 100 Continue\r\n\r\n", 'a request begins');

ok($slow->reload, 'reloaded');
ok(wait_for(sub { !told()->{$teller} }), 'who has to end tells no plans');
ok(wait_for(sub { keys %{told()} }), 'the new worker does');

my $gateways = apikey('gateways')->{out};
like($gateways, qr/^\Q$teller\E /m, 'though it is still there');

$client->send('hello');
is($client->response->status, 200, 'and serves its client');


my $empty = redis();

my $r = apikey({ redis => $empty }, 'create', '--name', 'x', '--plan', 'p');
unlike($r->{err}, qr/warning/, 'nor before there is a gateway');

done_testing();
