#!/usr/bin/perl

# A failover under load: nobody passes who mustn't, what was replicated stays
# counted, requests are answered 503 until there is a new master and then by
# that, and nothing cached outlives what the new master is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;
use Test::Apikey::Sentinel;

my $group = sentinels();
my $port = free_port();
my $clients = 4;

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_redis ${\ $group->addresses } mode=sentinel master=main
                 connect_timeout=500ms timeout=60s;
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan leased 300/25920000 mode=leased;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 204;
        }
    }
CONF

sub program { apikey({ redis => $group }, @_) }
sub create  { create_key({ redis => $group }, @_) }
sub ask     { get($port, '/', 'X-API-Key' => $_[0]{key})->status }

# Of both workers, as far as connections come to both.

sub statuses {
    my ($key, $count) = @_;
    my %seen = map { ask($key) => 1 } 1 .. $count || 12;

    return join ' ', sort keys %seen;
}

sub answers {
    my ($key, $name) = @_;

    ok(wait_for(sub { statuses($key) eq '204' }, 60), $name);
}

# A server that becomes a replica, or is told once more that it is one, closes
# its connections.

sub answer_of {
    my ($redis, @words) = @_;

    return ${wait_for(sub { eval { \$redis->cmd(@words) } })};
}

sub listeners { answer_of($_[0], 'PUBSUB', 'NUMSUB', 'apikey:changes')->[1] }

# Scripts that a server was asked for since it started.

sub scripts {
    my ($redis) = @_;
    my $calls = 0;

    $calls += $_ for answer_of($redis, 'INFO', 'commandstats')
                     =~ /^cmdstat_eval(?:sha)?:calls=(\d+)/mg;
    return $calls;
}

sub load {
    my ($key) = @_;
    my $until = Test::Apikey::dir() . '/until';

    unlink $until;

    my @running = map { in_background(sub {
        my %count;

        until (-e $until) {
            $count{ask($key)}++;
            sleep 0.002;
        }

        return \%count;
    }) } 1 .. $clients;

    return sub {
        my %count;

        file('until', '');

        for my $part (map { $_->result } @running) {
            $count{$_} += $part->{$_} for keys %$part;
        }

        return \%count;
    };
}


my $free = create();
my $limited = create('--limits', '400/25920000');
my $exact = create('--limits', '30/25920000');
my $leased = create('--plan', 'leased');
my $revoked = create();

answers($free, 'it answers');
is(program('revoke', $revoked->{id})->{exit}, 0, 'a key is revoked');


# The master dies.  What was counted before is on the replica.

my $passed = grep { ask($exact) == 204 } 1 .. 10;
my $spent = grep { ask($leased) == 204 } 1 .. 40;
is("$passed $spent", '10 40', 'some requests');
$group->replicated;

my $old = $group->redis(0);
my $results = load($limited);
wait_for(sub { ask($limited) == 204 });
sleep 0.3;
$old->kill;

my %refused = map { ask($revoked) => 1 } 1 .. 5;
ok(wait_for(sub { ask($free) == 503 }), 'no master: 503');
is(get($port, '/open')->status, 204, 'other locations go on');
ok($nginx->reload, 'a reload meanwhile');

my $new = $group->wait_failover($old);
answers($free, 'a new master: it answers');

$refused{ask($revoked)} = 1 for 1 .. 20;
ok(!$refused{204}, 'a revoked key never passes');
like($nginx->log, qr/can't be used: .*commands lost/, 'the loss is logged');

$passed += grep { ask($exact) == 204 } 1 .. 60;
is($passed, 30, 'exact: what was replicated stays counted');
ok(wait_for(sub {
    $spent += grep { ask($leased) == 204 } 1 .. 50;
    ask($leased) == 429;
}, 60), 'leased: used up');
cmp_ok($spent, '<=', 300, 'leased: and no more');

# A reply that was sent before its write was replicated: of one turn of Redis's
# loop, so no more than there were requests under way.

ok(wait_for(sub { ask($limited) == 429 }, 60), 'the load reaches the limit');
my $count = $results->();
is(join(' ', grep { !/^(?:204|429|503)$/ } keys %$count), '',
   'under load: 204, 429 or 503');
cmp_ok($count->{204}, '<=', 400 + $clients,
       "under load: $count->{204} of 400 passed, and $count->{503} got 503");


# The old master comes back, as one; it is made a replica, and never asked.

$old->start;
$group->replicated;
is(statuses($free, 30), '204', 'the old master is back');
is(answer_of($old, 'ROLE')->[0], 'slave', 'as a replica');
is(scripts($old), 0, 'and is not asked');


# By order, while the old master lives: both connections move.

wait_for(sub { listeners($old) == 0 });
my $cached = create();
answers($cached, 'a key is cached');
$group->replicated;
my $asked = scripts($old);
$results = load($free);
my $now = $group->failover;
is($now->{port}, $old->{port}, 'a failover by order');
ok($nginx->wait_log(qr/\[notice\].*the[ ]master[ ]"main"
                        [ ]is[ ]at[ ]\S+:$old->{port}\ now,
                        [ ]it[ ]was[ ]at[ ]\S+:$new->{port}/x),
   'it is logged');
ok(wait_for(sub {
    listeners($now) == 2
    && listeners($new) == 0
}, 60), 'both workers listen to the new master');
answers($free, 'and answer');
$count = $results->();
is(join(' ', grep { !/^(?:204|503)$/ } keys %$count), '',
   'under load: 204 or 503');

$asked = scripts($new);
is(statuses($free, 30), '204', 'requests');
is(scripts($new), $asked, 'nobody asks the old one');


# What is cached isn't trusted before the new master can tell of changes.

answers($cached, 'the key is cached');
$group->replicated;
$now->kill;
$new = $group->wait_failover($now);
my $revoke = program('revoke', $cached->{id});
isnt($revoke->{exit}, 3, 'it is revoked at once') or diag $revoke->{err};
unlike(statuses($cached, 40), qr/204/, 'and passes nowhere any more');
ok(wait_for(sub { statuses($cached) eq '401' }, 60), 'for that reason');

answers($free, 'another key is cached');
ok(wait_for(sub { listeners($new) == 2 }),
   'both workers listen');
my $r;
ok(wait_for(sub {
    $r = program('disable', $free->{id});
    $r->{out} =~ /confirmed by 2 of 2/;
}, 60), 'both confirm a change') or diag "$r->{out}$r->{err}";
is(statuses($free, 40), '401', 'which holds');

done_testing();
