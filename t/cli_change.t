#!/usr/bin/perl

# Keys are edited, disabled, rotated, revoked and deleted, and each change
# is told to the gateways.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $changes = $redis->subscribe('apikey:changes');
my $r;


sub result {
    my ($key, @args) = @_;
    my $r = apikey({ stdin => $key->{key} }, '--json', 'verify', @args);

    return decode_json($r->{out})->{result};
}

sub show { decode_json(apikey('--json', 'show', $_[0])->{out}) }

sub record {
    my ($id) = @_;
    my ($name) = grep { $redis->cmd('HGET', $_, 'id') eq $id }
                 grep { /\{/ } @{$redis->cmd('KEYS', '*')};

    return $name;
}

# Nothing is listed, stored or indexed of it.

sub gone {
    my ($id) = @_;

    return $redis->dump !~ /\Q$id\E/;
}


# Each write has a rev of its own, published with the digest.

my $key = create_key('--name', 'one', '--plan', 'pro', '--expires', '30d');
my $name = record($key->{id});
my ($digest) = $name =~ /\{(.*)\}/;

sub told {
    my $rev = $redis->cmd('HGET', $name, 'rev');

    is($changes->message, "$digest $rev", "$_[0]: told at once");

    return $rev;
}

my $rev = told('create');
cmp_ok($rev, '>', 1e15, 'rev is in microseconds');

# A clock that went back doesn't bring an old rev back.

my $ahead = $rev + 3600e6;
$redis->cmd('HSET', $name, 'rev', sprintf '%.0f', $ahead);


# edit

$redis->cmd('HSET', $name, 'n', "binary\0counters");

$r = apikey('--json', 'edit', $key->{id}, '--name', 'two', '--plan', 'max',
            '--limits', '5r/s', '--expires', '2d', '--not-before', '1h',
            '--allow', '10.0.0.1', '--allow', '::1');
is($r->{exit}, 0, 'edit') or diag $r->{err};
is(told('edit'), sprintf('%.0f', $ahead + 1), 'rev only grows');

my $json = decode_json($r->{out});
is_deeply([ @$json{qw(name plan limits status scopes)}, @{$json->{allow}} ],
          [ 'two', 'max', '5r/s', 'early', [], '10.0.0.1', '::1' ],
          'the record as changed');
is($redis->cmd('HGET', $name, 'n'), "binary\0counters", 'what is used stays');

$r = apikey('edit', $key->{id}, map { ("--$_", 'none') }
            qw(plan limits expires not-before allow));
is($r->{exit}, 0, 'none removes');
is(join(' ', grep { !/^\d+$/ } @{$redis->cmd('HKEYS', $name)}),
   'rev id status name prefix hint created n', 'removed fields are absent');
told('edit');

for my $option (qw(plan limits expires not-before allow)) {
    $r = apikey('edit', $key->{id}, "--$option", '');
    is($r->{exit}, 2, "edit --$option with a variable that isn't set, maybe");
    like($r->{err}, qr/^apikey: --$option ""/, 'removes nothing');
}

for my $option ('--scope=a:b', '--permissions=read', '--org=o',
                '--project=p', '--service=s', '--template=admin')
{
    $r = apikey('edit', $key->{id}, $option);
    is($r->{exit}, 2, "edit $option");
    like($r->{err}, qr/make a new key$/, 'make a new key');
}

is_deeply([ $changes->messages ], [], 'nothing was written');

is(apikey('edit', $key->{id})->{exit}, 2, 'edit without a change');
is(apikey('edit', $key->{id}, '--name', '')->{exit}, 2, 'a key has a name');
is(apikey('edit', 'nosuch', '--name', 'x')->{exit}, 1, 'an unknown key');

apikey('edit', $key->{id}, '--not-before', '20d');
$r = apikey('edit', $key->{id}, '--expires', '10d');
is($r->{exit}, 2, 'it would expire before it begins');
is(show($key->{id})->{expires}, undef, 'nothing is changed then');
apikey('edit', $key->{id}, '--not-before', 'none');


# disable, enable

is(result($key), 'ok', 'a key');
$r = apikey('disable', $key->{id});
is("$r->{exit} $r->{out}",
   "0 disabled $key->{id}\nno gateway is registered\n", 'disable');
is(result($key), 'disabled', 'is refused');
$r = apikey('disable', $key->{id});
is("$r->{exit} $r->{out}", "0 already disabled $key->{id}\n", 'twice');
$r = apikey('--json', 'enable', $key->{id}, '--wait', 0);
is_deeply(decode_json($r->{out}), { id => $key->{id}, status => 'active',
          changed => JSON::PP::true, workers => undef, replicas => undef },
          'enable as JSON');
is(result($key), 'ok', 'is let in again');


# limits

my $time = $redis->cmd('TIME')->[0];

# Seconds (4 bytes), start (5), current (6), previous (6), little-endian.
sub counter {
    my ($seconds, $current) = @_;

    return pack('V', $seconds) . substr(pack('Q<', $time - $time % $seconds),
           0, 5) . substr(pack('Q<', $current), 0, 6) . "\0" x 6;
}

apikey('edit', $key->{id}, '--limits', '5r/30d 20r/360d');
$redis->cmd('HSET', $name, 'n', counter(30 * 86400, 3),
            'n:free', counter(90 * 86400, 7));

$r = apikey('--json', 'limits', $key->{id});
is($r->{exit}, 0, 'limits');

my @none = (default => JSON::PP::false);
my $reset = sub { $time - $time % $_[0] + $_[0] };

is_deeply(decode_json($r->{out}), { id => $key->{id}, windows => [
    { plan => undef, @none, per => 'key', seconds => 30 * 86400,
      limit => 5, used => 3, remaining => 2, reset => $reset->(30 * 86400) },
    { plan => undef, @none, per => 'key', seconds => 360 * 86400,
      limit => 20, used => 0, remaining => 20, reset => $reset->(360 * 86400) },
    { plan => 'free', @none, per => 'key', seconds => 90 * 86400,
      limit => undef, used => 7, remaining => undef,
      reset => $reset->(90 * 86400) },
]}, 'what is used and left');

like(apikey('limits', $key->{id})->{out},
     qr/^its own +2592000 +5 +3 +2 +\d{4}-.*\n.*\nfree +7776000 +- +7 +- /m,
     'as a table');

is(apikey('limits', $key->{id}, '--reset')->{exit}, 0, 'limits --reset');
is(decode_json(apikey('--json', 'limits', $key->{id})->{out})
   ->{windows}[0]{used}, 0, 'nothing is used now');
is($redis->cmd('HEXISTS', $name, 'n:free'), 0, 'of plans neither');


# rotate

my $old = create_key('--name', 'r', '--prefix', 'shop_key', '--scope', 'a:b',
    '--org', 'acme', '--project', 'p', '--service', 's', '--plan', 'pro',
    '--limits', '7r/d', '--allow', '::1', '--expires', '9d',
    '--template', 'admin');

$r = apikey('--json', 'rotate', $old->{id});
is($r->{exit}, 0, 'rotate') or diag $r->{err};

my $new = decode_json($r->{out});
isnt($new->{id}, $old->{id}, 'a new id');
like($new->{key}, qr/^shop_key_/, 'a new key of the same prefix');
isnt($new->{key}, $old->{key}, 'which is another');
is($new->{rotated_from}, $old->{id}, 'which knows where it comes from');
is_deeply([ map { $new->{$_} } qw(name org project service plan limits allow
                                  scopes expires template status) ],
          [ map { $old->{$_} } qw(name org project service plan limits allow
                                  scopes expires template status) ],
          'everything else is the same');
is(result($new), 'ok', 'the new one is let in');
is(result($old), 'revoked', 'the old one is out, at once');
is(show($old->{id})->{rotated_to}, $new->{id}, 'and knows its successor');

$r = apikey('rotate', $old->{id});
is($r->{exit}, 1, 'a key rotated already');
like($r->{err}, qr/\Q$new->{id}\E/, 'its successor is named');

my $count = @{decode_json(apikey('--json', 'list')->{out})};

$r = apikey('--json', 'rotate', $new->{id}, '--grace', '24h');
my $third = decode_json($r->{out});
is(result($new), 'ok', 'with grace, the old one lives on');
cmp_ok(abs(show($new->{id})->{expires} - time - 86400), '<', 60, 'for a day');
is($third->{expires}, $old->{expires}, 'the new one as long as it would');

my $short = create_key('--expires', '1h');
apikey('rotate', $short->{id}, '--grace', '24h');
is(show($short->{id})->{expires}, $short->{expires}, 'never for longer');

is(apikey('rotate', $third->{id}, '--grace', 'a day')->{exit}, 2, 'bad grace');
is(apikey('rotate', 'nosuch')->{exit}, 1, 'rotate an unknown key');

apikey('revoke', $third->{id});
$r = apikey('rotate', $third->{id});
is($r->{exit}, 1, 'a revoked key is not rotated');
is(@{decode_json(apikey('--json', 'list')->{out})}, $count + 3,
   'what failed left no key');


# revoke

$r = apikey('revoke', 'nosuch', $key->{id});
is($r->{exit}, 1, 'one of the ids is unknown');
like($r->{out}, qr/^revoked $key->{id}$/m, 'the other is revoked');
is(result($key), 'revoked', 'for the next request');
cmp_ok(abs(show($key->{id})->{revoked} - time), '<', 60, 'with the time');

$r = apikey('revoke', $key->{id});
is("$r->{exit} $r->{out}", "0 already revoked $key->{id}\n", 'twice');
is(apikey('enable', $key->{id})->{exit}, 1, 'it is final: enable');
is(apikey('disable', $key->{id})->{exit}, 1, 'it is final: disable');
is(apikey('edit', $key->{id}, '--name', 'x')->{exit}, 1, 'it is final: edit');
is(result($key), 'revoked', 'and it stays');

my @keys = map { create_key() } 1 .. 2;
$r = apikey({ stdin => "$keys[0]{key}\r\n\n  $keys[1]{key}\n" },
            'revoke', '--key-stdin');
is($r->{exit}, 0, 'revoke --key-stdin');
is(result($_), 'revoked', 'revoked by its text') for @keys;

$r = apikey({ stdin => "leaked_nosuchkey\n$keys[0]{key}" },
            'revoke', '--key-stdin');
is($r->{exit}, 1, 'a key that nobody knows');
is($r->{err}, "apikey: line 1: this key is unknown\n", 'is not shown');
is($r->{out}, "already revoked $keys[0]{id}\n", 'the others are done');
is(apikey({ stdin => '' }, 'revoke', '--key-stdin')->{exit}, 2, 'no key');


# delete

my $dead = create_key();
($name, $digest) = record($dead->{id}) =~ /(.*\{(.*)\})/;
$changes->messages;

$r = apikey('delete', $dead->{id});
like("$r->{exit} $r->{out}", qr/^0 deleted 1 key$/m, 'delete');
like($changes->message, qr/^$digest \d{16}$/, 'told at once');
ok(gone($dead->{id}), 'nothing of it is left');
is(result($dead), 'unknown', 'it is unknown');
is(apikey('delete', $dead->{id})->{exit}, 1, 'twice');

create_key('--service', 'shop', '--project', $_) for qw(p1 p1 p2);

is(apikey('delete', '--service', 'sho')->{out}, "deleted 0 keys\n",
   'of no such service');
is(apikey('delete', '--service', '')->{exit}, 2, 'of a service without name');
$r = apikey('--json', 'delete', '--service', 'shop', '--project', 'p1',
            '--yes');
is(decode_json($r->{out})->{deleted}, 2, 'of service and project');
like(apikey('delete', '--service', 'shop', '--yes')->{out},
     qr/^deleted 1 key$/m, 'of a service');
is(apikey('delete')->{exit}, 2, 'of nothing');


# Two at once: whoever reads an old record decides anew.

my $both = create_key();
my @done = map { my $n = $_; in_background(sub {
    map { apikey('edit', $both->{id}, $n % 2 ? ('--plan', "p$_")
                                             : ('--limits', "${_}r/d"))->{exit}
    } 1 .. 10;
}) } 1 .. 4;

my @exits = map { $_->result } @done;
is(join('', @exits), '0' x 40, 'edits at the same time');
is_deeply([ @{show($both->{id})}{qw(plan limits)} ], [ 'p10', '10r/d' ],
          'none of them is lost');

done_testing();
