#!/usr/bin/perl

# What usage.lua does for each of the keys that it is given: none is in the
# way of another, the latest use stays, and what is stored stays small.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $now = $redis->cmd('TIME')->[0];
my $midnight = $now - $now % 86400;

open my $f, '<', "$FindBin::Bin/../src/redis/usage.lua" or die $!;
my $script = do { local $/; <$f> };

open $f, '<', "$FindBin::Bin/../src/core/usage.h" or die $!;
my %defined = do { local $/; <$f> =~ /#define APIKEY_USAGE_(\w+) +(\d+)/g };

like($script,
     qr/^local LABELS, PAST, \w+ = $defined{LABELS}, $defined{PAST},/m,
     'the program reads as many labels and days as the script keeps');

sub key { create_key('--permissions', 'read') }
sub record { 'apikey:{' . $redis->digest($_[0]{id}) . '}' }

sub day {
    my ($key, $ago) = @_;

    return 'apikey:usage:{' . $redis->digest($key->{id}) . '}:'
           . strftime('%Y%m%d', gmtime $now - 86400 * ($ago || 0));
}

sub number { substr pack('Q<', $_[0]), 0, $_[1] }

# As a gateway packs it: see apikey_tally_pack().

sub tally {
    my (%of) = @_;
    my $used = $of{used} // "$now 127.0.0.1";
    my ($second) = $used =~ /^(\d+)/;
    my @labels = grep { /^[dsec]./ && $_ ne 's200' } sort keys %of;
    my ($slow) = (grep({ $of{'l' . (4 + $_)} } reverse 1 .. 9), 0);

    return join '', number($of{n} || 0, 5), number($of{b} || 0, 7),
                map({ number($of{$_} || 0, 5) }
                    'x', 's200', map { "l$_" } 0 .. 4),
                number($second % 86400, 3), pack('Cv', $of{late} || 0,
                                               scalar @labels),
                pack('C C/a*', $slow, $used),
                map({ pack('C/a*', $_) . number($of{$_}, 5) } @labels),
                map({ number($of{'l' . (4 + $_)} || 0, 5) } 1 .. $slow),
                map { pack('C/a*', $_) . number($of{"!$_"}, 6) }
                map { /^!(.+)/s ? $1 : () } sort keys %of;
}

sub count {
    my (@keys, @tallies);

    while (my ($key, $day, $tally) = splice @_, 0, 3) {
        push @keys, record($key), $day;
        push @tallies, tally(%$tally);
    }

    return $redis->cmd('EVAL', $script, scalar @keys, @keys, 86400 * 90,
                       @tallies);
}

sub counted { $redis->usage($_[0], $now) }
sub used { $redis->cmd('HGET', record($_[0]), 'used') }


# Several keys in one call.

my ($one, $two, $gone, $odd, $wrong) = map { key() } 1 .. 5;

is(count($one, day($one), { n => 2, b => 300, s200 => 2, l0 => 2, eA => 2 },
         $two, day($two), { n => 1, s404 => 1, x => 1, l13 => 1, cDE => 1 }),
   1, 'all are counted, and nothing is to be told');
is(count($one, day($one), { n => 1, b => 44, l5 => 1, eA => 1, eB => 1 },
         $one, day($one), { n => 1, l5 => 1, l0 => 1 }),
   1, 'and again, one of them twice');

is_deeply(counted($one), { n => 4, b => 344, s200 => 2, l0 => 3, l5 => 2,
                                 eA => 3, eB => 1 }, 'one');
count($two, day($two), { l6 => 2 }, $one, day($one), { l5 => 1, l6 => 3 });
is_deeply(counted($one), { n => 4, b => 344, s200 => 2, l0 => 3, l5 => 3,
                           l6 => 3, eA => 3, eB => 1 }, 'of other latencies');
is_deeply(counted($two), { n => 1, l6 => 2, s404 => 1, x => 1, l13 => 1,
                                 cDE => 1 }, 'the other');

my $record = record($gone);

apikey('delete', $gone->{id});
$redis->cmd('SET', day($odd), 'a string');
$redis->cmd('HSET', day($wrong), 'n', '7', 's404', '3', 'l', '123',
            'eother', '9');

my $answer = count($gone, day($gone), { n => 1 }, $odd, day($odd), { n => 1 },
                   $wrong, day($wrong), { n => 1, s404 => 1, l5 => 1,
                                          eother => 1 },
                   $one, day($one), { n => 1 });

is($answer->[0], 0, 'a key that has no record');
like(${$answer->[1]}, qr/^WRONGTYPE /, 'a day that is no hash');
is($answer->[3], 1, 'are not in the way of others');
is($answer->[2], 1, 'numbers that nobody can read');
is_deeply(counted($wrong), { n => 1, s404 => 1, l5 => 1, eother => 1 },
          'begin anew');
is(counted($one)->{n}, 5, 'which are counted');
is($redis->cmd('EXISTS', $record, day($gone)), 0,
   'who has no record leaves no trace');

$gone = key();
$record = record($gone);

count($gone, day($gone), { n => 1 });
$redis->cmd('DEL', $record);
is_deeply(count($gone, day($gone), { n => 1, used => $now + 1 . ' ::1' }),
          [ 0 ], 'deleted, but for what was counted');
is($redis->cmd('EXISTS', $record), 0, 'it does not come back');


for ([ 'HSET', 'n', '7' ], [ 'SET', 'a string' ]) {
    my ($how, @what) = @$_;
    my $odd = key();

    count($odd, day($odd, 1), { n => 1, used => $midnight - 1 . ' ::5' });
    $redis->cmd('DEL', day($odd, 1));
    $redis->cmd($how, day($odd, 1), @what);

    is(count($odd, day($odd), { n => 1 }), 1,
       "the day after one that nobody can read: $how");
}


# The last use.

my $noon = $midnight + 43200;
my $used = key();

for ([ "$noon ::1", 'a first use' ],
     [ $noon + 5 . ' ::2', 'a later one' ],
     [ $noon + 3 . ' ::3', 'an earlier one, of another worker',
       $noon + 5 . ' ::2' ],
     [ $noon + 6 . ' ::4', 'a later one again' ])
{
    my ($latest, $name, $expected) = @$_;

    count($used, day($used), { n => 1, used => $latest });
    is(used($used), $expected // $latest, $name);
}

count($used, day($used, 1), { n => 1, late => 1,
                              used => $midnight - 1 . ' ::5' }) for 1 .. 2;
is(used($used), $noon + 6 . ' ::4', 'one of the day before');
is(counted($used)->{n}, 6, 'which is counted');
is(count($used, day($used, 1), { n => 1, used => "$midnight ::6" }), 1,
   'on its day');

$redis->cmd('HDEL', record($used), 'used');
count($used, day($used), { n => 1, used => $noon + 7 . ' ::7' });
is(used($used), $noon + 7 . ' ::7', 'a record without');


# What is stored.

my $much = key();
my $most = 2 ** 40 - 2;

for (1 .. 2) {
    count($much, day($much), { n => $most / 2, b => 2 ** 46, s200 => $most / 2,
                               'e' . 'x' x 60 => $most / 2,
                               map { $_ => $most / 2 } map { "l$_" } 0 .. 13 });
}

is_deeply(counted($much),
          { n => $most, b => 2 ** 47, s200 => $most, 'e' . 'x' x 60 => $most,
            map { $_ => $most } map { "l$_" } 0 .. 13 }, 'much');
like($redis->cmd('OBJECT', 'ENCODING', day($much)), qr/listpack|ziplist/,
     'is kept as compactly as little');


# The rate of errors is told once a day, and others aren't held up by it.

my $failing = key();
$answer = count($failing, day($failing), { n => 60, x => 60, s500 => 60 },
                $one, day($one), { n => 1 });

is($answer->[0][0], $failing->{id}, 'whose event it is');
is($answer->[0][4][0], 'high_error_rate', 'and which');
is($answer->[1], 1, 'another key has none');
is(count($failing, day($failing), { n => 60, x => 60, s500 => 60 }), 1,
   'it is told once');

my $busy = key();
is(count($busy, day($busy), { n => 4e7, x => 4e6 }), 1, 'a tenth of very many');
is(count($busy, day($busy), { n => 1e7, x => 1e7 })->[0][4][0],
   'high_error_rate', 'and when they are a fifth');

$answer = count($failing, day($failing), { n => 1, '!r' => 1 },
                $two, day($two), { n => 1, '!d' => 1 });
is_deeply([ map { $_->[4] } @$answer ],
          [ map { [ 'revoked_used', status => $_, address => '127.0.0.1' ] }
            qw(revoked disabled) ], 'each key has its own');


# What workers still have of a key when it is deleted.

apikey('delete', $failing->{id}, $two->{id});

my $n = counted($failing)->{n};

is(count($failing, day($failing), { n => 2, '!r' => 1, cFR => 1 },
         $two, day($two, -1), { n => 3 }), 1,
   'a deleted key that was used: nothing to be told');
is(counted($failing)->{n}, $n + 2, 'it is counted');
is(substr($redis->cmd('HGET', day($two, -1), 'n'), 0, 5), number(3, 5),
   'on a day that begins, too');
is($redis->cmd('EXISTS', record($failing)), 0, 'and has no record again');

done_testing();
