#!/usr/bin/perl

# What a worker asks in one turn of its event loop is one call, and still each
# request gets its own answer, is counted once, and is never over its limit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Digest::SHA 'sha1_hex';
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake, workers => 1);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

    apikey_plan sliding 9/25920000 30/31536000 algorithm=sliding;
    apikey_plan shared  9/25920000 per=org;

    server {
        listen 127.0.0.1:$port backlog=2048;
        apikey on;

        location / {
            apikey_cost \$http_cost;
            add_header X-Id \$apikey_id always;
            try_files /none =204;
        }

        location /open { apikey off; return 204; }
    }
CONF

sub key { create_key('--permissions', 'full', @_) }

# All of these (a key and its cost) are read in one turn: while the worker is
# stopped, each is sent on a connection that it has accepted already.

sub ask {
    my @requests = @_;
    my @keep = (Host => 'localhost', Connection => 'keep-alive');
    my @clients = map {
        my $c = dial($port);

        $c->send(Test::Apikey::HTTP::bytes('GET', '/open', @keep))->response;
        $c;
    } @requests;

    my ($worker) = $nginx->workers;

    kill 'STOP', $worker;

    for my $i (0 .. $#requests) {
        my ($key, $cost) = @{$requests[$i]};

        $clients[$i]->send(Test::Apikey::HTTP::bytes('GET', '/', @keep,
            'X-API-Key' => $key->{key}, Cost => $cost // 1));
    }

    $fake->forget;
    kill 'CONT', $worker;

    return @clients;
}

sub turn { map { $_->response } ask(@_) }

# Of decide.lua: heartbeats and usage go the same way.

my $decide = slurp("$Test::Apikey::ROOT/src/redis/decide.lua");
my %decides = map { $_ => 1 } $decide, sha1_hex($decide);

sub calls {
    return map { $_->[0] } grep { $_->[0] =~ /^EVAL/ && $decides{$_->[1]} }
           @{$fake->words};
}

sub statuses { join ' ', map { $_->status } @_ }

sub used {
    my ($key) = @_;
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return join ' ', map { $_->{used} } @{$limits->{windows}};
}

sub writes {
    my ($calls) = $redis->cmd('INFO', 'commandstats')
                  =~ /cmdstat_hset:calls=(\d+)/;

    return $calls;
}


# One key: decided in order, on one write.

for my $case ([ 'fixed', '--limits', '9/25920000 30/31536000' ],
              [ 'three windows', '--limits',
                '9/25920000 30/31536000 40/31622400' ],
              [ 'one window', '--limits', '9/25920000' ],
              [ 'sliding', '--plan', 'sliding' ],
              [ 'shared', '--plan', 'shared', '--org', 'acme' ])
{
    my ($name, @options) = @$case;
    my $key = key(@options);

    statuses(turn([ $key, 0 ]));

    my $before = writes();
    my @r = turn(map { [ $key ] } 1 .. 20);

    is(statuses(@r), join(' ', (204) x 9, (429) x 11), "$name: nine pass");
    is(join(' ', map { $_->header('X-RateLimit-Remaining') } @r),
       join(' ', reverse(0 .. 8), (0) x 11), "$name: each is told its own");
    is_deeply([ calls() ], [ 'EVALSHA' ], "$name: in one call");
    is(writes() - $before, 1, "$name: on one write");
}

{
    my $key = key('--limits', '9/25920000');
    turn([ $key, 0 ]);

    my @r = turn(map { [ $key, $_ ] } 4, 4, 4, 0, 1, 1);

    is(statuses(@r), '204 204 429 204 204 429', 'costs are decided in order');
    is(join(' ', map { $_->header('X-RateLimit-Remaining') } @r),
       '5 1 1 1 0 0', 'and each is told what was left then');
    is(used($key), 9, 'all of it is used');
}


# Many keys: more than one call holds, and each its own answer.

my @keys = map { key('--limits', '2/25920000 9/31536000') } 1 .. 200;

statuses(turn(map { [ $_, 0 ] } @keys));

my (%expected, %digest);

for my $i (0 .. $#keys) {
    my ($kind, $id) = ($i % 7, $keys[$i]{id});
    my ($name) = map { $_->[0] } grep { $_->[1] eq $id }
        map { [ $_, $redis->cmd('HGET', $_, 'id') // '' ] }
        $i % 7 > 2 ? () : @{$redis->cmd('KEYS', 'apikey:{*}')};

    $expected{$id} = $kind < 2 ? 503 : $kind == 2 ? 401 : 204;

    $redis->cmd('HSET', $name, 'n', 'no counters') if $kind == 0;
    $redis->cmd('HSET', $name, 'rev', 1, 'status', 'good') if $kind == 1;
    $redis->cmd('DEL', $name) if $kind == 2;
}

my @r = turn(map { [ $_ ] } @keys);

is(statuses(@r), join(' ', map { $expected{$_->{id}} } @keys),
   'each of 200 keys has its own answer');
is((grep { $r[$_]->status == 204
           && $r[$_]->header('X-Id') ne $keys[$_]{id} } 0 .. $#keys), 0,
   'and is who it is');
is(scalar(calls()), 4, 'in as many calls as it takes');


# Scripts, replies and clients that get lost.

my $key = key('--limits', '1000/25920000');
my @other = map { key('--limits', '1000/25920000') } 1 .. 9;
my @ten = map { [ $_ ] } $key, @other;

turn(@ten);
$redis->cmd('SCRIPT', 'FLUSH');
is(statuses(turn(@ten)), join(' ', (204) x 10), 'a script that is not known');
is_deeply([ calls() ], [ qw(EVALSHA EVAL) ], 'is sent once');
is(used($key), 2, 'and counts once');

$fake->script({ say => "*10\r\n\$23\r\nMARK", close => 1 }, { ask => 1 });
is(statuses(turn(@ten)), join(' ', (503) x 10), 'a reply cut in the middle');
is_deeply([ calls() ], [ 'EVALSHA' ], 'nothing is sent again');
ok(wait_for(sub { statuses(turn(@ten)) !~ /503/ }), 'and it goes on');

my $count = used($key);

$fake->script({ ask => 1, hold => 1 });
my @clients = ask(@ten);
$fake->wait_scripts(10);
$_->close for @clients[0 .. 4];
ok(wait_for(sub { (() = $nginx->log =~ /prematurely closed/g) == 5 }), 'gone');
$fake->script({ ask => 1 });
$fake->release;
is(join(' ', map { $_->response->header('X-Id') } @clients[5 .. 9]),
   join(' ', map { $_->[0]{id} } @ten[5 .. 9]), 'those that stay are answered');
is(used($key), $count + 1, 'what was counted is counted');


# A well-formed answer to something else.

my $connections = $fake->connections;
my $said = verdict(0, pack 'VVCVvVv', 25920000, 0, 0, 1, 0, 0, 0);

$fake->script($said =~ s/MARK/\xff\xff\xff\xff/r, { ask => 1 });
is(statuses(turn([ $key ])), '503', 'an answer with the mark of another');
ok(wait_for(sub { statuses(turn([ $key ])) eq '204' }), 'and it goes on');
is($fake->connections, $connections + 1, 'on another connection');


# What can't be written fails by itself.

my $full = key('--limits', '1/25920000');
turn([ $full, 0 ]), turn([ $full ]);

$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
is(statuses(turn([ $full ], @ten, [ $full ])),
   join(' ', 429, (503) x 10, 429), 'out of memory: who is over is told so');
$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

$redis->cmd('REPLICAOF', '127.0.0.1', free_port());
is(statuses(turn([ $full ], @ten, [ $full ])),
   join(' ', 429, (503) x 10, 429), 'a replica: who is over is told so');
$redis->cmd('REPLICAOF', 'NO', 'ONE');
is(statuses(turn(@ten)), join(' ', (204) x 10), 'and it goes on');

done_testing();
