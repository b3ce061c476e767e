#!/usr/bin/perl

# A command that changes a key ends when every registered worker has confirmed
# that it knows, and names those that don't answer.  The workers are played by
# this test.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my @workers;
my $r;


# Subscribed, and answers; "gated": each answer waits for an element of the
# list "gate", and is noted in "answered", then in "published"; "deaf" to the
# Nth message.

sub worker {
    my ($name, %opt) = @_;

    push @workers, in_background(sub {
        my ($in, $out) = ($redis->client, $redis->client);
        my $count = 0;

        $in->cmd('SUBSCRIBE', 'apikey:changes');

        while (my $message = $in->reply(3600)) {
            my ($digest, $rev, $token) = split / /, $message->[2];

            next if !defined $token || ++$count == ($opt{deaf} || 0);

            if ($opt{gated}) {
                $out->send('BLPOP', 'gate', 0);
                $out->reply(3600);
                $out->cmd('INCR', 'answered');
            }

            $out->cmd('PUBLISH', "apikey:acks:$token", $name);
            $out->cmd('INCR', 'published') if $opt{gated};
        }
    });

    wait_for(sub {
        $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == @workers
    }) or die 'a worker did not subscribe';
}

# Registered are these, with as many seconds since their last heartbeat; those
# of the near future get old later.

my @beaten;

sub beat {
    my %silent = @beaten = @_;
    my $now = $redis->cmd('TIME')->[0];

    $redis->cmd('DEL', 'apikey:gateways');

    $redis->cmd('HSET', 'apikey:gateways', $_,
                join(' ', $now - $silent{$_}, '1.0.0', $now - 3600))
        for keys %silent;

    return $now;
}

sub stored { $redis->cmd('HGET', record($_[0]), $_[1]) }

sub record {
    my ($id) = @_;
    my $bucket = (grep { $redis->cmd('HEXISTS', $_, $id) }
                  @{$redis->cmd('KEYS', 'apikey:ids:*')})[0];

    return 'apikey:{' . $redis->cmd('HGET', $bucket, $id) . '}';
}

sub workers { decode_json($_[0]{out})->{workers} }

# Where one worker won't answer, but the others have to: with a longer wait, if
# they had to wait for the CPU.

sub but_for_one {
    my (@args) = @_;
    my $r;

    for my $wait (1, 10, 60) {
        beat(@beaten);
        $r = apikey(@args, '--wait', "${wait}s");
        last if (() = $r->{err} =~ /no answer from/g) == 1;
    }

    return $r;
}

# Runs it in the background, until it waits for answers.

sub waiting {
    my (@args) = @_;
    my $run = in_background(sub {
        my $r = apikey(@args, '--wait', '60s');

        return { %$r, answered => $redis->client->cmd('GET', 'answered') };
    });

    wait_for(sub {
        @{$redis->cmd('PUBSUB', 'CHANNELS', 'apikey:acks:*')}
        && stored($args[-1], 'status') eq 'revoked'
    }) or die 'nobody waits';

    return $run;
}


# Nobody is registered.

my $key = create_key();

$r = apikey('disable', $key->{id});
is("$r->{exit} $r->{out}",
   "0 disabled $key->{id}\nno gateway is registered\n", 'no gateway');

$r = apikey('--json', 'enable', $key->{id});
is($r->{exit}, 0, 'no gateway, as JSON');
is_deeply([ @{workers($r)}{qw(confirmed missing)} ], [ [], [] ], 'is nobody');


# All of them answer.

worker("gw1:$_") for 1, 2;
worker('gw2:1');

my @all = ('gw1:1' => -4, 'gw1:2' => -4, 'gw2:1' => -4);
my $all = [ 'gw1:1', 'gw1:2', 'gw2:1' ];
my $three = qr/^confirmed by 3 of 3 workers in \d+ ms\n\z/m;

for my $command ('disable', 'enable', 'revoke') {
    beat(@all);
    $r = apikey($command, $key->{id});
    is("$r->{exit} $r->{err}", '0 ', $command);
    like($r->{out}, qr/^${command}d $key->{id}\n$three/, 'all confirm');
}

beat(@all);
$r = apikey('revoke', $key->{id});
like($r->{out}, qr/^already revoked $key->{id}\n$three/,
     'what is revoked already is told again');

$key = create_key();
$r = apikey('edit', $key->{id}, '--name', 'x');
like($r->{out}, $three, 'edit');

$r = apikey('--json', 'edit', $key->{id}, '--name', 'y');
is(decode_json($r->{out})->{name}, 'y', 'edit, as JSON');
is_deeply([ @{workers($r)}{qw(confirmed missing)} ], [ $all, [] ],
          'has the workers');
like(workers($r)->{ms}, qr/^\d+$/, 'and the time');

my $changes = $redis->subscribe('apikey:changes');
push @workers, $changes;

beat(@all);
$r = apikey('--json', 'rotate', $key->{id});
my $new = decode_json($r->{out});
is_deeply($new->{workers}{confirmed}, $all, 'rotate');
like($new->{key}, qr/^ak_/, 'prints the new key');
like($changes->message, qr/^[0-9a-f]{64} \d+$/, 'nobody waits for that');

my ($token) = $changes->message =~ /^[0-9a-f]{64} \d+ ([0-9A-Za-z]{16})$/;
ok($token, 'but for the old one');
like(apikey('rotate', $new->{id})->{out}, qr/^key .*\nid .*\n$three/,
     'rotate, for people');
$changes->message for 1, 2;

my @ids = map { create_key()->{id} } 1 .. 3;
$changes->message for @ids;

$r = apikey('revoke', @ids);
like($r->{out}, qr/^revoked $ids[0]\nrevoked $ids[1]\nrevoked $ids[2]\n$three/,
     'several keys are confirmed together');

my %tokens = map { ((split / /, $changes->message)[2] => 1) } @ids;
is(keys %tokens, 1, 'with one token');
ok(!$tokens{$token}, 'which is another each time');

$r = apikey('--json', 'delete', $ids[0], 'nosuch', $ids[1]);
is($r->{exit}, 1, 'delete, one unknown');
is_deeply([ decode_json($r->{out})->{deleted}, workers($r)->{confirmed} ],
          [ 2, $all ], 'the others are confirmed');
$changes->message for 1, 2;

$r = apikey('--json', 'delete', 'nosuch');
is_deeply(decode_json($r->{out}),
          { deleted => 0, workers => undef, replicas => undef },
          'nothing to confirm');


# Not waiting, and for how long.

$r = apikey('--json', 'disable', $ids[2] = create_key()->{id}, '--wait', 0);
is($r->{exit}, 0, 'no waiting');
is(workers($r), undef, 'asks nobody');
$changes->message;
like($changes->message, qr/^[0-9a-f]{64} \d+$/, 'not even for an answer');

for (qw(2 -1s 1.5s soon 2d 99999999999ms), '') {
    $r = apikey('enable', $ids[2], "--wait=$_");
    is($r->{exit}, 2, "--wait \"$_\"");
    like($r->{err}, qr/^apikey: --wait "\Q$_\E": not like/, 'is told');
}

is(stored($ids[2], 'status'), 'disabled', 'and nothing is changed');


# One doesn't answer; one was killed some time ago; others aren't workers.

$redis->cmd('HSET', 'apikey:gateways', 'gw:x', 'nonsense', 'g w', '1 1 1');
beat(@all, 'gw3:1' => -4, 'gw4:1' => 7);

$r = but_for_one('enable', $ids[2]);
is($r->{exit}, 1, 'no answer from one');
like($r->{out}, qr/enabled .*\nconfirmed by 3 of 4 workers in \d+ ms\n\z/,
     'the others have confirmed');
like($r->{err}, qr/^apikey: no answer from gw3:1\napikey: the change stands/,
     'it is named');
unlike($r->{err}, qr/gw4/, 'who was silent before is not');
is(stored($ids[2], 'status'), 'active', 'the change stands');

beat(@all, 'gw3:1' => -4);
$r = but_for_one('--json', 'revoke', @ids);
is($r->{exit}, 1, 'as JSON');

my ($json) = map { decode_json($_) } split /\n/, $r->{out};
is_deeply([ @$json{qw(id status)}, @{$json->{workers}}{qw(confirmed missing)} ],
          [ $ids[2], 'revoked', $all, [ 'gw3:1' ] ], 'with the names');
cmp_ok($json->{workers}{ms}, '>=', 1000, 'and for how long it was waited');


# It waits for the slowest, who may leave; who comes later isn't waited for.

worker('slow:1', gated => 1);
beat(@all, 'slow:1' => -4, 'leaves:1' => -4);

my $run = waiting('--json', 'revoke', create_key()->{id});
$redis->cmd('HDEL', 'apikey:gateways', 'leaves:1');
$redis->cmd('HSET', 'apikey:gateways', 'late:1',
            join ' ', $redis->cmd('TIME')->[0], '1.0.0 1');
$redis->cmd('RPUSH', 'gate', 'open');

$r = $run->result;
is("$r->{exit} $r->{err}", '0 ', 'one is slow');
is($r->{answered}, 1, 'but was waited for');
is_deeply([ @{workers($r)}{qw(confirmed missing)} ],
          [ [ @$all, 'slow:1' ], [] ], 'who left or came meanwhile was not');


# Who had to wait for the CPU reads later what has come in time.

my ($out, $status);

worker('slow:2', gated => 1);

for my $wait (2, 20) {
    my $id = create_key()->{id};
    my $answered = $redis->cmd('GET', 'answered');
    my $published = sub { $redis->cmd('GET', 'published') };

    wait_for(sub { $published->() == $answered });
    beat(@all, 'slow:1' => -4, 'slow:2' => -4);
    $out = file('out', '');

    my $pid = Test::Apikey::fork_child(sub {
        open STDOUT, '>', $out;
        exec "$Test::Apikey::BUILD/apikey", '--redis', $redis->url, 'revoke',
             $id, '--wait', "${wait}s";
    });

    wait_for(sub { stored($id, 'status') eq 'revoked' }) or die 'not revoked';
    kill 'STOP', $pid;

    my $stopped = wait_for(sub {
        slurp("/proc/$pid/stat") =~ /\) ([TZ]) / && $1
    });

    $redis->cmd('RPUSH', 'gate', 'open', 'open');
    wait_for(sub { $published->() == $answered + 2 }) or die 'no answer';
    sleep $wait + 1;
    kill 'CONT', $pid;
    $status = Test::Apikey::wait_pid($pid);

    last if $stopped eq 'T';
}

is($status, 0, 'a program that stands still');
like(slurp($out), qr/^confirmed by 5 of 5 workers/m, 'has heard all the same');


# Answers that can't be heard any longer.

beat(@all, 'slow:1' => -4);
$run = waiting('revoke', create_key()->{id});
my ($last) = sort { $b <=> $a } map { /^id=(\d+) .* sub=1 / ? $1 : () }
             split /\n/, $redis->cmd('CLIENT', 'LIST');
$redis->cmd('CLIENT', 'KILL', 'ID', $last);

$r = $run->result;
is($r->{exit}, 1, 'a connection that is cut');
like($r->{out}, qr/^revoked .*\nconfirmed by [0-3] of 4 workers /, 'is told');
like($r->{err}, qr/no answer from slow:1\n.*can't be heard: closed/, 'and why');
$redis->cmd('RPUSH', 'gate', 'open');

$redis->cmd('ACL', 'SETUSER', 'poor', 'on', '>poor', '~*', '&*', '+@all',
            '-subscribe');
my $poor = { redis => bless { %$redis, user => 'poor', password => 'poor' },
                      'Test::Apikey::Redis' };
my $id = create_key()->{id};

beat(@all);
$r = apikey($poor, 'revoke', $id);
is($r->{exit}, 1, 'a user who may not subscribe');
like($r->{err}, qr/can't be heard: NOPERM/, 'is told');
is(stored($id, 'status'), 'revoked', 'the key is revoked');

$r = apikey($poor, 'doctor');
like($r->{out}, qr/^wrong +rights +.*NOPERM.*\n.*\+subscribe/m, 'doctor');


# Many at once: each worker answers each.

my $lines = join '', map { qq({"key":"bulk-$_","service":"bulk"}\n) } 1 .. 1000;
my $file = file('bulk.json', $lines);

is(apikey('import', $file)->{exit}, 0, 'many keys');
beat(@all);
$r = apikey('delete', '--service', 'bulk', '--yes', '--wait', '60s');
is("$r->{exit} $r->{err}", '0 ', 'are deleted');
like($r->{out}, qr/^deleted 1000 keys\n$three/, 'and all confirmed');

worker('deaf:1', deaf => 7);
@ids = map { create_key()->{id} } 1 .. 9;
beat(@all, 'deaf:1' => -4);
$r = apikey('revoke', @ids, '--wait', '1s');
is($r->{exit}, 1, 'a worker that missed one of many');
like($r->{err}, qr/^apikey: no answer from deaf:1$/m, 'is named');


# apikey gateways, and doctor.

my $now = beat(@all, 'old:1' => 10, 'gone:1' => 61, 'gone:2' => 9999);
$redis->cmd('HSET', 'apikey:gateways', 'junk:1', 'nonsense', "j\e[1m", '1 1 1');

my $list = decode_json(apikey('--json', 'gateways')->{out});

is_deeply([ map { $_->{name} } @$list ], $all, 'gateways, in order');
is($list->[1]{version}, '1.0.0', 'version');
is($list->[1]{since}, $now - 3600, 'since');
is($list->[1]{last_seen}, $now + 4, 'last seen');
is_deeply([ sort @{$redis->cmd('HKEYS', 'apikey:gateways')} ],
          [ sort @$all, 'old:1', 'junk:1', "j\e[1m" ],
          'the gone are forgotten');

beat(@all);
like(apikey('gateways')->{out}, qr/^NAME +VERSION +SINCE +LAST SEEN
gw1:1 +1\.0\.0 +[-\d]{10} [:\d]{8} +0 s ago
/,
     'a table');
like(apikey('doctor')->{out}, qr/^ok +gateways +3 workers are registered$/m,
     'doctor');

$redis->cmd('DEL', 'apikey:gateways');
is(apikey('--json', 'gateways')->{out}, "[]\n", 'no gateways');
is(apikey('gateways')->{out}, "no gateway is registered\n", 'in words');
is(apikey('gateways', 'x')->{exit}, 2, 'usage');

done_testing();
