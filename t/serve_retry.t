#!/usr/bin/perl

# A back-end that doesn't know whether a key was made asks again: it gets the
# same key with another text, and the first one is good for nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $console = console();

sub ask {
    my ($retry, $path, $body, @headers) = @_;

    return $console->call('POST', $path, $body, 'Idempotency-Key' => $retry,
                          @headers);
}

sub create { ask($_[0], '/api/keys', { name => 'x', @_[1 .. $#_] }) }

sub result {
    return decode_json(apikey({ stdin => $_[0] }, '--json', 'verify')->{out})
           ->{result};
}

sub keys_there { $console->call('GET', '/api/keys')->json->{total} }


# Made twice, there is one.

my $first = create('r1', limits => '5r/d', org => 'acme');
is($first->status, 201, 'made') or diag($first->body);

my $id = $first->json->{id};
my $n = "\x80Q\1\0" . "\xff" x 17;
my $record = $redis->cmd('KEYS', 'apikey:{*')->[0];

$redis->cmd('HSET', $record, 'n', $n);
is(apikey('edit', $id, '--name', 'renamed')->{exit}, 0, 'changed since');

my $again = create('r1', org => 'acme', limits => '5r/d');
is($again->status, 201, 'asked again, in another order');
is($again->json->{id}, $id, 'the same key');
isnt($again->json->{key}, $first->json->{key}, 'by another text');
is(result($first->json->{key}), 'unknown', 'the first is good for nothing');
is(result($again->json->{key}), 'ok', 'the second is good');
is($again->json->{name}, 'renamed', 'what was changed stays');
is($again->json->{hint}, substr($again->json->{key}, -4), 'its own end');
is($redis->cmd('HGET', $redis->cmd('KEYS', 'apikey:{*')->[0], 'n'), $n,
   'and what is used');
is(keys_there(), 1, 'one key');

is(create('r1', org => 'acme', limits => '5r/d')->json->{id}, $id,
   'a third time');

my $r = create('r1', org => 'globex');
is($r->status, 422, 'another body');
like($r->json->{message}, qr/Idempotency-Key/, 'which is said');
is(keys_there(), 1, 'makes nothing');

cmp_ok($redis->cmd('PTTL', (grep { /:retry:/ } @{$redis->cmd('KEYS', '*')})[0]),
       '<=', 86400_000, 'for a day');
unlike($redis->dump, qr/\br1\b/, 'by a digest of it');

is(apikey('revoke', $id)->{exit}, 0, 'revoked');
$r = create('r1', org => 'acme', limits => '5r/d');
is($r->status, 409, 'that is final');


# An answer that never came: the key wasn't made, or only half.

my $lost = create('r2');
my $lost_id = $lost->json->{id};

$redis->cmd('DEL', map { @{$redis->cmd('KEYS', 'apikey:{*')} } 1);
$r = create('r2');
is($r->status, 201, 'made, though its record was lost');
is($r->json->{id}, $lost_id, 'under its id');


# With an id of one's own.

is(create('r3', id => 'order-17')->json->{id}, 'order-17', 'an id');
is(create('r3', id => 'order-17')->json->{id}, 'order-17', 'again');
$r = $console->call('POST', '/api/keys', { name => 'x', id => 'order-17' });
is($r->status, 409, 'the id of another');

my ($key) = map { $_->json->{key} } create('r3', id => 'order-17');

is(create('r4', id => 'order-17')->status, 409, 'nor by another request');
is(create('r4', id => 'order-17')->status, 409, 'as often as it asks');
is(result($key), 'ok', 'which does it no harm');
is(create('r4', id => 'order-18')->status, 201,
   'what was refused may be asked for otherwise');
is($console->call('POST', '/api/keys', { name => 'x', id => 'a b' })
   ->json->{field}, 'id', 'what is no id');


# Refused, it is no request that made a key.

is(create('r5', limits => 'x')->status, 400, 'wrong');
is(create('r5', limits => '5r/m')->status, 201, 'mended');
is(ask('', '/api/keys', { name => 'x' })->status, 400, 'an empty one');
is(ask('x' x 256, '/api/keys', { name => 'x' })->status, 400, 'a long one');


# Rotated.

my $old = create_key('--limits', '7r/d');
my $path = "/api/keys/$old->{id}/rotate";
my $new = ask('r6', $path, { grace => 3600 });
is($new->status, 201, 'rotated');

my $next = ask('r6', $path, { grace => 3600 });
is($next->status, 201, 'asked again') or diag($next->body);
is($next->json->{id}, $new->json->{id}, 'the same successor');
is(result($new->json->{key}), 'unknown', 'its first text');
is(result($next->json->{key}), 'ok', 'and its second');
is(result($old->{key}), 'ok', 'the old key, for its grace');
is(ask('r6', $path, { grace => 60 })->status, 422, 'another grace');
is(ask('r7', $path, { grace => 3600 })->status, 409, 'another request');
is(ask('r7', $path, { grace => 3600 })->status, 409, 'again');
is(ask('r6', '/api/keys', { name => 'x' })->status, 422, 'another path');

# Between the new key and the end of the old one.

my $half = create_key();
$path = "/api/keys/$half->{id}/rotate";
$new = ask('r8', $path, {});

my ($name) = grep { $redis->cmd('HGET', $_, 'id') eq $half->{id} }
             @{$redis->cmd('KEYS', 'apikey:{*')};
$redis->cmd('HDEL', $name, 'rotated_to', 'revoked');
$redis->cmd('HSET', $name, 'status', 'active');

$next = ask('r8', $path, {});
is($next->json->{id}, $new->json->{id}, 'interrupted: the same successor');
is(result($half->{key}), 'revoked', 'and the old key ends');

done_testing();
