#!/usr/bin/perl

# The doctor looks at every master of a Cluster, and at the Cluster itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;
use Test::Apikey::FakeRedis;

# The lines of this check, "RESULT TEXT".

sub doctor {
    my ($check, %opt) = @_;
    my $r = apikey(\%opt, '--json', 'doctor');
    my $said = decode_json($r->{out} || '{}');

    return join "\n", "exit $r->{exit}", map { "$_->{result} $_->{text}" }
        grep { $_->{check} eq $check } @{$said->{checks}};
}

my $cluster = cluster(conf => "cluster-require-full-coverage no\n");
my ($one, $two, $three) = $cluster->masters;
my %name = map { $_->{port} => "127.0.0.1:$_->{port}" } $cluster->masters;

sub names { join ', ', map { $name{$_->{port}} } @_ }

is(doctor('cluster'), "exit 0\nok all slots are on 3 masters", 'the slots');
is(doctor('state'), "exit 0\nok cluster_state is ok", 'its state');

# A replica is none before it has got something.

ok(wait_for(sub { doctor('replicas') eq "exit 0\nok 1 in reserve" }, 10),
   'its replicas');
like(doctor('version'), qr/^exit 0\nok Redis [\d.]+$/, 'one version');
like(doctor('clock'), qr/^exit 0\nok \S+ to \S+ seconds from this one$/,
     'its clocks');
like(doctor('rights'), qr/^exit 0\nok a probe was written/, 'its rights');
is(join('', grep { /^\w+:(?:\{|ids)/ } split /\n/, $cluster->dump), '',
   'no probe is left');

# The order of masters is that of the nodes given.

$two->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
is(doctor('eviction'), "exit 1\nok " . names($one, $three)
   . ": maxmemory-policy is noeviction\nwrong " . names($two)
   . ': maxmemory-policy is allkeys-lru: keys are lost when memory is full',
   'one master forgets keys');
$two->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');

$one->cmd('CONFIG', 'SET', 'appendonly', 'yes');
is(doctor('persistence'), "exit 0\nok " . names($one) . ": appendonly is on\n"
   . 'warning ' . names($two, $three)
   . ': neither appendonly nor save: keys are lost with Redis',
   'two masters forget all of them');
$one->cmd('CONFIG', 'SET', 'appendonly', 'no');

$three->cmd('ACL', 'SETUSER', 'default', '-publish');
my $others = names($one, $two);
my $refused = names($three);
my $no_right = $Test::Apikey::Redis::NO_RIGHT;
like(doctor('rights'), qr/^exit 1\nok \Q$others\E: a probe.*
wrong \Q$refused\E: a probe can't be .*$no_right/, 'one master refuses');
$three->cmd('ACL', 'SETUSER', 'default', '+publish');

$three->cmd('ACL', 'SETUSER', 'default', '-subscribe', '-cluster|info');
like(doctor('state'), qr/\nok .*\nunknown \Q${\ names($three)}\E: .*NOPERM/,
     'one doesn\'t tell');
$three->cmd('ACL', 'SETUSER', 'default', '+subscribe', '+cluster|info');

my $replica = $cluster->replica($one);
$replica->cmd('CLUSTER', 'REPLICATE', $two->{id});
$cluster->settle;
is(doctor('replicas'), "exit 0\nwarning " . names($one)
   . ": none in reserve: its keys can't be used when it fails\nok "
   . names($two) . ": 2 in reserve\nok " . names($three) . ': 1 in reserve',
   'a master without a replica');

my $slot = $cluster->slot('apikey:ids:0000');
$cluster->node('apikey:ids:0000')->cmd('CLUSTER', 'DELSLOTS', $slot);
like(doctor('cluster'), qr/^exit 1\nwrong 1 of 16384 slots is on no node/,
     'a slot that is nowhere');

$_->cmd('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes')
    for $cluster->nodes;
$cluster->drop($slot + 1);
like(doctor('state'), qr/wrong .*cluster_state isn't ok/, 'it is down');
is(doctor('keys'), 'exit 1', 'no more can be told');

$one->kill;
is_deeply([grep { /\Q$name{$one->{port}}\E/ && !/^ok +redis / }
               split /\n/, apikey('doctor')->{out}],
          ["wrong    cluster      $name{$one->{port}}: Connection refused"],
          'a master that isn\'t there is told of once');


# Clocks.  Two that say they are a Cluster, before one server.

my $redis = redis();
my @fakes = map { fake_redis(behind => $redis) } 1 .. 2;

sub fake_slots {
    my ($first, $last, $fake) = @_;

    return "*3\r\n:$first\r\n:$last\r\n*2\r\n\$9\r\n127.0.0.1\r\n"
           . ":$fake->{port}\r\n";
}

for my $fake (@fakes) {
    $fake->greet($_ => { ask => 1 }) for qw(
        TIME INFO CONFIG HGET HGETALL HSET HSETNX HDEL HMGET ZADD ZREM PUBLISH
    );
    $fake->greet(CLUSTER => "*2\r\n" . fake_slots(0, 8191, $fakes[0])
                            . fake_slots(8192, 16383, $fakes[1]));
}

{
    package Fakes;
    sub url { "redis-cluster://127.0.0.1:$fakes[0]{port}" }
}

sub clock {
    $fakes[$_]->greet(TIME => { clock => $_[$_] }) for 0, 1;

    return doctor('clock', redis => bless({}, 'Fakes'));
}

my @at = map { "127.0.0.1:$_->{port}" } @fakes;

# A stall between the questions takes something off that.

sub clock_warns {
    my ($clocks, $like, $name) = @_;
    my $said;

    wait_for(sub { ($said = clock(@$clocks)) =~ $like });
    like($said, $like, $name);
}

like(clock(0, 10), qr/warning the clock of $at[1] is \S+ seconds ahead of this/,
     'a clock that is fast');
like(clock(-10, 0), qr/warning the clock of $at[0] is \S+ seconds behind this/,
     'a clock that is slow');
clock_warns([ -1.5, 1.5 ],
            qr/the clock of $at[1] is [23].\d seconds ahead of $at[0]/,
            'clocks that differ from each other');

# Two seconds are the most that clocks may differ by.  The second question is
# that of the clock.

$fakes[0]->greet(TIME => { ask => 1 });
$fakes[1]->greet(TIME => { ask => 1, hold => 1 });
$fakes[1]->forget;

my $slow = in_background(sub {
    return doctor('clock', redis => bless({}, 'Fakes'));
});

for my $question (1, 2) {
    wait_for(sub {
        $question == grep { $_->[0] eq 'TIME' } @{$fakes[1]->words};
    }) or die "question $question isn't asked";

    sleep 3 if $question == 2;
    $fakes[1]->release;
}

like($slow->result, qr/^exit \d\nok /, 'an answer that takes long is no drift');

done_testing();
