#!/usr/bin/perl

# What keys were used for is still found, for those who pay, when the keys are
# rotated or deleted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::More;

use Test::Apikey;

# all of this on one day

left(86400, 120);

my $redis = redis();
my $now = $redis->cmd('TIME')->[0];
my $port = free_port();

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_plan three 3/25920000;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        location / { try_files /none =204; }
    }
CONF

sub key { create_key('--permissions', 'read', @_) }

sub csv {
    my $r = apikey('usage', @_, '--format', 'csv');

    is($r->{exit}, 0, "usage @_") or diag($r->{err});

    my ($names, @lines) = map { [ split /,/, $_, -1 ] }
                          split /\r\n/, $r->{out};

    return map { my %row; @row{@$names} = @$_; \%row } @lines;
}

sub usage { decode_json(apikey('--json', 'usage', @_)->{out}) }

sub by {
    my $by = shift;

    return map { $_->{$by eq 'key' ? 'id' : $by} => $_->{requests} }
           csv('--by', $by, @_);
}

my %key = (
    one => key('--name', 'one', '--org', 'acme', '--project', 'default'),
    two => key('--name', 'two', '--org', 'acme', '--plan', 'three'),
    other => key('--name', 'three', '--org', 'globex', '--project', 'default'),
    none => key('--name', 'four'),
);

sub ask { get($port, $_[1] || '/', 'X-API-Key' => $_[0]{key})->status }

ask($key{one}) for 1 .. 25;
ask($key{two}) for 1 .. 7;
ask($key{other}) for 1 .. 11;
ask($key{none}) for 1 .. 2;

ok(wait_for(sub { usage('--by', 'org')->{total}{requests} == 45 }, 30),
   'all of it is counted');


# What was used stays: a rotated key's under its customer, a deleted one's too.

my $new = decode_json(apikey('--json', 'rotate', $key{two}{id})->{out});

is(ask($new), 429, 'a rotated key, which goes on with what was used');
ok(wait_for(sub { usage('--by', 'org')->{total}{requests} == 46 }, 30),
   'is counted');
is_deeply({ by('org') }, { acme => 33, globex => 11, '' => 2 },
          'for its customer');
is_deeply({ by('key', '--org', 'acme') },
          { $key{one}{id} => 25, $key{two}{id} => 7, $new->{id} => 1 },
          'with both ids');

my $digest = $redis->digest($key{one}{id});

is(ask($key{one}), 204, 'one more, which workers have not told of');
is(apikey('delete', $key{one}{id})->{exit}, 0, 'when its key is deleted');
is(apikey('delete', '--org', 'globex', '--yes')->{exit}, 0, 'and another');
is(ask($key{one}), 401, 'which is gone');
ok(wait_for(sub { usage('--by', 'org')->{total}{requests} == 47 }, 30),
   'that is counted all the same');
is_deeply({ by('org') }, { acme => 34, globex => 11, '' => 2 },
          'nothing is missing');
is_deeply({ map { $_->{id} => $_->{deleted} } csv('--by', 'key') },
          { $key{one}{id} => 1, $key{two}{id} => 0, $new->{id} => 0,
            $key{other}{id} => 1, $key{none}{id} => 0 },
          'which of them are deleted');
is_deeply([ map { $_->{project} } grep { $_->{org} eq 'globex' }
            csv('--by', 'project') ], [ 'default' ], 'with their project');
is(usage($key{one}{id})->{total}{requests}, 26, 'by its id');
is(usage($key{one}{id})->{id}, $key{one}{id}, 'as any other');
is(apikey('usage', 'no-such-id')->{exit}, 1, 'not one that never was');
is(usage('--status', 'active', '--by', 'org')->{total}{keys}, 2,
   'a deleted key has no status');
ok(!$redis->cmd('EXISTS', "apikey:{$digest}"), 'there is no record');
cmp_ok($redis->cmd('TTL', $_), '>', 86400 * 30, "$_ expires")
    for @{$redis->cmd('KEYS', 'apikey:gone:*')};


# A key that is deleted twice is counted once.

apikey('import', file('again', join '', '{"key":"', $key{one}{key},
                       qq(","id":"again","org":"acme"}\n)));
is_deeply({ by('org') }, { acme => 34, globex => 11, '' => 2 }, 'made anew');
is(apikey('delete', 'again')->{exit}, 0, 'deleted again');
$redis->cmd('HSET', 'apikey:gone:' . strftime('%Y%m', gmtime($now)), $digest,
            '{"id":"again","org":"acme"}');
is_deeply({ by('org') }, { acme => 34, globex => 11, '' => 2 },
          'once, though it is remembered twice');

done_testing();
