#!/usr/bin/perl

# What is done with keys is told as events, with who did it; apikey events
# shows them, and goes on as they come.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $program = "$Test::Apikey::BUILD/apikey";
my $r;


sub jo { apikey('--actor', 'jo', @_) }

sub events {
    return map { decode_json($_) }
           split /\n/, apikey('--json', 'events', @_)->{out};
}

sub types { join ' ', map { $_->{type} } events(@_) }

# As a gateway does.

sub notice {
    my ($type, @fields) = @_;

    return $redis->cmd('XADD', 'apikey:events', 'MAXLEN', '~', 100000, '*',
                       type => $type, @fields);
}


like(apikey('events')->{err}, qr/^apikey: no events$/m, 'no events');
is(apikey('--json', 'events')->{out}, '', 'no lines');


# What the program does.

my $key = decode_json(jo('--json', 'create', '--name', "Zo\x{c3}\x{ab}",
                         '--org', 'acme', '--project', 'apollo')->{out});
my $id = $key->{id};
my $made = (events())[0];

like(delete $made->{id}, qr/^\d+-\d+$/, 'an event has an id');
cmp_ok(abs($made->{time} - time), '<', 60, 'a time');
delete $made->{time};
is_deeply($made, { type => 'created', key => $id, name => "Zo\x{eb}",
                   org => 'acme', project => 'apollo', actor => 'jo',
                   detail => {} }, 'the key, and who did it');

jo('edit', $id, '--name', 'new', '--limits', '5r/m', '--expires', 'none');
jo('disable', $id, $id);
jo('enable', $id);
my $new = decode_json(jo('--json', 'rotate', $id, '--grace', '1h')->{out});
jo('revoke', $id);
jo('revoke', $id);
jo('revoke', 'nobody');
jo('delete', $id);
jo('delete', $id);
jo('delete', '--project', 'apollo', '--yes');

is(types(), 'created edited disabled enabled rotated created revoked '
   . 'deleted deleted', 'each change once, and none that was not made');

my @events = events();

is_deeply($events[1]{detail}, { changed => 'name limits expires' },
          'what was edited');
is($events[1]{name}, 'new', 'with the new name');
is_deeply([ @{$events[4]{detail}}{qw(rotated_to)} ], [ $new->{id} ],
          'what it was rotated to');
is_deeply($events[5]{detail}, { rotated_from => $id }, 'and what from');
is($events[8]{key}, $new->{id}, 'a key of a project, deleted');
is_deeply([ map { $_->{actor} } @events ], [ ('jo') x 9 ], 'always by whom');

apikey({ stdin => "key\n" . join '', map { "key-$_\n" } 1 .. 1500 },
       '--actor', 'jo', 'import', '-');
is_deeply((events())[-1]{detail}, { imported => 1500, refused => 0 },
          'an import is one event');
apikey({ stdin => "key\nkey-1\n" }, 'import', '-');
is(@{[ events() ]}, 10, 'and none if it imported nothing');
apikey('doctor');
is(@{[ events() ]}, 10, 'nor has the doctor done anything');


# Who it was.

{
    local $ENV{APIKEY_ACTOR} = 'env';
    run($program, '--redis', $redis->url, '--pepper-file',
        Test::Apikey::pepper_file(), 'create', '--name', 'x');
    is((events())[-1]{actor}, 'env', 'APIKEY_ACTOR');
}

create_key();
like((events())[-1]{actor}, qr/^\S+$/, 'else whoever it is');
is(apikey('--actor', "a\nb", 'list')->{exit}, 2, 'no control characters');


# Which of them.

$redis->cmd('DEL', 'apikey:events');

my @ids = map { notice($_ % 2 ? 'near_limit' : 'expiring', key => "k$_",
                       window => 60, rotated_to => '7', old => '007') }
          1 .. 2500;

is(@{[ events() ]}, 100, 'the latest hundred');
is((events())[-1]{key}, 'k2500', 'in order');
is_deeply([ map { $_->{key} } events('--count', 3, '--type', 'near_limit') ],
          [ qw(k2495 k2497 k2499) ], 'the latest three of a type');
is(types('--id', 'k2', '--count', 10), 'expiring', 'of one key, long ago');
is(@{[ events('--since', $ids[9]) ]}, 2490, 'after an event');
is_deeply([ map { $_->{key} } events('--since', $ids[9], '--count', 2) ],
          [ qw(k2499 k2500) ], 'the latest two after it');
is(@{[ events('--since', $ids[2497], '--count', 3) ]}, 2, 'or fewer');
is_deeply([ events('--since', $ids[2499]) ], [], 'none after the last');
is(@{[ events('--since', '1h') ]}, 2500, 'of an hour');
is(@{[ events('--since', time + 1000) ]}, 0, 'of the future');
is_deeply([ events('--count', 0) ], [], 'none at all');
is_deeply((events('--count', 1))[0]{detail},
          { window => 60, rotated_to => '7', old => '007' },
          'numbers are numbers, but ids are not');

my ($head, $line) = split /\n/, apikey('events', '--count', 1)->{out};
like($head, qr/^TIME +TYPE +KEY +NAME +ACTOR +DETAIL$/, 'a table for people');
like($line, qr/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  expiring +k2500 +- +- +(?#
    )window=60 rotated_to=7 old=007$/, 'a line each');

is(apikey('events', @$_)->{exit}, 2, "@$_")
    for [ '--type', 'near-limit' ], [ '--since', 'yesterday' ],
        [ '--count', 'all' ], [ 'x' ];


# As they come, and over an outage of Redis.

my ($out, $err) = map { file($_, '') } qw(out err);

sub follow {
    my @args = @_;

    return Test::Apikey::fork_child(sub {
        open STDOUT, '>', $out;
        open STDERR, '>', $err;
        exec $program, '--redis', $redis->url, '--json', 'events',
            '--follow', @args;
    });
}

sub followed { map { decode_json($_)->{key} } split /\n/, slurp($out) }

my $pid = follow('--since', $ids[2498]);

ok(wait_for(sub { followed() == 1 }), 'what was there');
notice('expiring', key => 'later');
ok(wait_for(sub { followed() == 2 }), 'what comes');

$redis->restart;
ok(wait_for(sub { slurp($err) =~ /trying again/ }), 'Redis goes');
ok(wait_for(sub { slurp($err) =~ /answers again/ }), 'and comes');
notice('expiring', key => 'afterwards');
ok(wait_for(sub { followed() == 3 }), 'it goes on');
is(join(' ', followed()), 'k2500 later afterwards', 'with each once');

kill 'TERM', $pid;
is(Test::Apikey::wait_pid($pid, 10), 0, 'SIGTERM ends it in good order');

$redis->stop;
is(apikey('events', '--follow')->{exit}, 3, 'no Redis at all');
$redis->start;


# An event that can't be written.

$redis->cmd('SET', 'apikey:events', 'of another kind');

$r = apikey('create', '--name', 'x');
is($r->{exit}, 0, 'a key is made');
like($r->{err}, qr/^apikey: warning: it is done, but this isn't written: (?#
    )its event: WRONGTYPE/m, 'with a warning');

done_testing();
