#!/usr/bin/perl

# The program finds the master through any sentinel that lives, uses nothing
# that isn't a master, follows a failover, and says what it couldn't find.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;
use Test::Apikey::FakeRedis;
use Test::Apikey::Sentinel;

my $group = sentinels();
my $program = "$Test::Apikey::BUILD/apikey";
my $pepper = Test::Apikey::pepper_file();
my @at = split ' ', $group->addresses;
my $key;

sub program {
    my ($url, @args) = @_;

    return run($program, '--redis', $url, '--pepper-file', $pepper, '--json',
               @args);
}

# Sentinels and servers that have to wait for the CPU are taken for silent: who
# asks once more finds them.

sub keys_at {
    my ($url) = @_;
    my $r;

    wait_for(sub { $r = program($url, 'list'); $r->{exit} == 0 });
    is($r->{exit}, 0, $url) or diag $r->{err};

    return scalar @{decode_json($r->{out} || '[]')};
}

# Exit status 3 and a reason, within a time that nobody minds.

sub fails {
    my ($url, $why, $name) = @_;
    my ($began, $r);

    wait_for(sub {
        $began = time;
        $r = program($url, 'list');
        $r->{err} =~ /: $why\n$/;
    });

    is($r->{exit}, 3, $name);
    like($r->{err}, qr/^apikey: Redis at \S+: $why\n$/, "$name: told");
    cmp_ok(time - $began, '<', 60, "$name: in time");
}


# The exit status of a change.

sub changed {
    my ($command) = @_;
    my $r;

    wait_for(sub {
        $r = program($group->url, $command, $key->{id});
        $r->{exit} != 3;
    });

    return $r->{exit};
}


# Found.

$key = create_key({ redis => $group }, '--limits', '5r/d');

ok($group->redis(0)->cmd('KEYS', "*{*")->[0], 'the master has the key');

is(keys_at("redis-sentinel://$_"), 1, 'the key is found')
    for join(',', @at) . '/main', "$at[2]/main", "$at[0]/main/0", "$at[0]#main",
        "$at[0]/0#main", "$at[0]/%6dain", "localhost:" . ($at[1] =~ /(\d+)$/)[0]
        . '/main', "127.0.0.1:1,$at[0]/main";
is(keys_at("redis-sentinel://$at[0]/main/3"), 0, 'another database');
is(keys_at("redis-sentinel://$at[0]/3#main"), 0, 'and so');

$group->sentinel(0)->pause;
is(keys_at($group->url), 1, 'a sentinel that is silent is passed by');
$group->sentinel(0)->resume;


# Not found.

fails('redis-sentinel://127.0.0.1:1,127.0.0.1:2/main',
      'no sentinel answers: 127.0.0.1:1: Connection refused, '
      . '127.0.0.1:2: Connection refused', 'no sentinel');
fails($group->url =~ s/main/other/r,
      'no sentinel knows the master "other"', 'another name');
fails("redis-sentinel://127.0.0.1:1,$at[0]/other",
      'no sentinel knows the master "other"', 'the one that answers decides');
fails('redis-sentinel://127.0.0.1:' . $group->redis(0)->{port} . '/main',
      'no sentinel answers: \S+ .*unknown command.*', 'a Redis');

# Sentinels that err: a replica, nobody, nonsense.

my $fake = fake_redis();

sub names { $fake->greet(SENTINEL => resp([ '127.0.0.1', "$_[0]" ])) }

my $replica = $group->redis(1)->{port};
my $liar = "redis-sentinel://127.0.0.1:$fake->{port}/main";
my $mixed = "redis-sentinel://127.0.0.1:$fake->{port},$at[1]/main";

names($replica);
fails($liar, "127.0.0.1:$replica: it is a replica", 'a replica');
is(keys_at($mixed), 1, 'another sentinel knows better');

names(1);
fails($liar, '127.0.0.1:1: Connection refused', 'nobody there');
is(keys_at($mixed), 1, 'another sentinel knows better');

for my $answer (':1', '*1 $1 x', '*2 $1 x :1', '*-1 ', '+') {
    $fake->greet(SENTINEL => $answer =~ s/ /\r\n/gr . "\r\n");
    is(keys_at($mixed), 1, "and also after \"$answer\"");
}


# Passwords.

my $secret = sentinels(password => 'a b@c', sentinels => 1,
                       sentinel_password => 'a b@c');
my ($there) = $secret->addresses;

is(keys_at("redis-sentinel://:a b\@c\@$there/main"), 0, 'both want a password');
fails("redis-sentinel://$there/main", 'no sentinel answers: \S+ NOAUTH .*',
      'none');
fails("redis-sentinel://:guess\@$there/main",
      'no sentinel answers: \S+ AUTH: WRONGPASS .*', 'a wrong one');


# The doctor: of the sentinels, and of who takes the master's place.

sub doctor {
    my ($url, $check, $result, $text) = @_;
    my $found;

    wait_for(sub {
        ($found) = grep { $_->{check} eq $check }
                   @{decode_json(program($url, 'doctor')->{out})->{checks}};
        $found->{text} =~ /$text/;
    });

    is($found->{result}, $result, "doctor: $text");
    like($found->{text}, qr/$text/, 'as it is told');
    ok(!$found->{mend} == ($result eq 'ok'), 'with a mend if wrong');
}

doctor($group->url, 'sentinels', 'ok', '3 of 3 answer, the master is 127');
doctor($group->url, 'replicas', 'ok', '1 connected');
doctor("redis-sentinel://127.0.0.1:1,$at[1]/main", 'sentinels', 'warning',
       '1 of 2 answer; 127.0.0.1:1: Connection refused');
names($replica);
doctor("redis-sentinel://$at[1],127.0.0.1:$fake->{port}/main", 'sentinels',
       'wrong', "they name 127.0.0.1:\\d+ and 127.0.0.1:$replica as");
$fake->greet(SENTINEL => resp(undef));
doctor($mixed, 'sentinels', 'wrong',
       "127.0.0.1:$fake->{port} doesn't know the master \"main\"");

$group->sentinel($_)->pause for 1, 2;
$group->quick;
my $alone = "redis-sentinel://$at[0]/main";
ok(wait_for(sub { program($alone, 'doctor')->{out} =~ /NOQUORUM/ }, 20),
   'sentinels are stopped');
doctor($alone, 'sentinels', 'wrong', "a failover can't be made: NOQUORUM");
$group->sentinel($_)->resume for 1, 2;
$group->quick(0);

$group->redis(1)->stop;
ok(wait_for(sub { !@{$group->redis(0)->cmd('ROLE')->[2]} }),
   'the replica stops');
doctor($group->url, 'replicas', 'warning', 'none is connected');
$group->redis(1)->start;


# A failover.

$group->replicated;
my $old = $group->master;
$old->kill;
$group->wait_failover($old);

is(keys_at($group->url), 1, 'after a failover the key is still there');
is(changed('disable'), 0,
   'and can be changed');

my $new = $group->master;
is($new->cmd('HGET', $new->cmd('KEYS', '*{*')->[0], 'status'), 'disabled',
   'at the new master');

$old->start;
$group->replicated;
is(changed('enable'), 0,
   'the old one is back, as a replica, and not used');

# The master is away and there is nobody to take its place.

$old->stop;
$new->stop;
fails($group->url, "127.0.0.1:$new->{port}: Connection refused",
      'nobody is left');


# URLs that are none.

for (
    [ 'redis-sentinel://', 'host' ], [ 'redis-sentinel://h', 'master' ],
    [ 'redis-sentinel://h/', 'master' ], [ 'redis-sentinel://h,/m', 'host' ],
    [ 'redis-sentinel://h:x/m', 'port' ], [ 'redis-sentinel://h#', 'master' ],
    [ 'redis-sentinel://h/m/x', 'database' ],
    [ 'redis-sentinel://h/x#m', 'database' ],
    [ 'redis-sentinel://h/%zz', 'name' ],
    [ 'redis-sentinel://h?x/m', 'master' ],
    [ 'redis-sentinel://a:%zz@h/m', 'password' ],
) {
    my $r = program($_->[0], 'list');

    is($r->{exit}, 2, $_->[0]);
    like($r->{err}, qr/\Q$_->[1]\E/, 'and why');
}

done_testing();
