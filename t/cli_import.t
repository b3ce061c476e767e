#!/usr/bin/perl

# Existing keys are taken over from JSON lines, as often as it takes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $monitor = $redis->monitor;
my $r;


sub import_lines {
    my ($lines, @args) = @_;

    return apikey({ stdin => $lines }, 'import', '-', @args);
}

sub show { decode_json(apikey('--json', 'show', $_[0])->{out}) }

sub result {
    my ($key) = @_;
    my $r = apikey({ stdin => $key }, '--json', 'verify');

    return decode_json($r->{out})->{result};
}


# A line with everything, and one with next to nothing.

my %line = (
    key => 'legacy/key=1:~', id => 'c1', name => "Zo\x{eb}", org => 'acme',
    project => 'apollo', service => 'shop', scopes => [ 'projects:read' ],
    plan => 'pro', limits => '10000r/d 60r/m', expires => 3789504000,
    not_before => '2024-05-06T07:08:09Z', created => 1500000000,
    allow => [ '10.0.0.0/8' ], status => 'disabled',
);

$r = import_lines(encode_json(\%line) . "\n\n" . '{"key":"legacy-2"}');
is($r->{exit}, 0, 'two lines') or diag $r->{err};
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'which is said');

is_deeply(show('c1'), {
    %line{qw(id name org project service scopes plan expires created allow
             status)},
    limits => '60r/m 10000r/d', not_before => 1714979289, prefix => undef,
    template => undef, revoked => undef, rotated_to => undef,
    hint => '=1:~', rotated_from => undef, last_used => undef,
    last_address => undef,
}, 'every field');

is(result('legacy/key=1:~'), 'disabled', 'found by its text');
is(result('legacy-2'), 'ok', 'active unless said otherwise');

my ($other) = grep { $_->{id} ne 'c1' }
              @{decode_json(apikey('--json', 'list')->{out})};
like($other->{id}, qr/^\w{16}$/, 'without an id it gets one');
is($other->{name}, $other->{id}, 'and its name is the id');


# Hashed already, with this pepper.

my ($digest) = map { /\{(.*)\}/ } grep { /\{/ } @{$redis->cmd('KEYS', '*')};
$redis->cmd('FLUSHALL');

$r = run({ stdin => qq({"digest":"\U$digest\E","id":"d"}\n) },
         "$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
         'import', '-');
is($r->{exit}, 0, 'a digest, without a pepper') or diag $r->{err};
is($redis->cmd('HGET', "apikey:{$digest}", 'id'), 'd', 'in any case');

$r = run({ stdin => qq({"key":"k"}\n) }, "$Test::Apikey::BUILD/apikey",
         '--redis', $redis->url, 'import', '-');
is($r->{exit}, 2, 'a plain key without a pepper');


# Run again: nothing changes, no id is left behind.

$redis->cmd('FLUSHALL');

my $lines = join '', map { qq({"key":"key-$_","name":"n$_"}\n) } 1 .. 2500;
my $file = file('keys.jsonl', $lines);

$r = apikey('--json', 'import', $file);
is_deeply(decode_json($r->{out}),
          { imported => 2500, exists => 0, refused => 0 }, 'many');

my $before = $redis->dump;

$r = apikey('--json', 'import', $file);
is($r->{exit}, 0, 'again');
is_deeply(decode_json($r->{out}),
          { imported => 0, exists => 2500, refused => 0 }, 'all are known');
ok($redis->dump eq $before, 'and as they were');

$r = import_lines(qq({"key":"twice"}\n{"key":"twice"}\n));
is($r->{out}, "1 imported, 1 known already, 0 refused\n", 'twice in a file');

$r = import_lines(qq({"key":"twice","id":"x","name":"key-1","plan":"pro"}\n));
is($r->{exit}, 1, 'a key that is there and isn\'t as the line says');
like($r->{err}, qr/^apikey: "-", line 1: is there already, with another id, (?#
    )name, plan$/m, 'is refused, and what differs is told');
is(apikey('show', 'x')->{exit}, 1, 'the second id finds nothing');
unlike($redis->dump, qr/^ x$/m, 'and isn\'t left');

# Interrupted between index and record.


$redis->cmd('FLUSHALL');
import_lines(qq({"key":"cut","id":"cut"}\n));
my ($name) = grep { /\{/ } @{$redis->cmd('KEYS', '*')};
$redis->cmd('DEL', $name);

is(apikey('show', 'cut')->{exit}, 1, 'an id without a record');
is(apikey('--json', 'list')->{out}, "[]\n", 'is not listed');
like(apikey('doctor')->{out}, qr/^warning +keys +1 id without a key.*cut$/m,
     'the doctor sees it');

is(import_lines(qq({"key":"cut","id":"cut"}\n))->{exit}, 0, 'import again');
is(result('cut'), 'ok', 'completes it');


# Refused lines are told by number and reason; the others are taken over.

my @bad = (
    [ '{', 'not JSON' ],
    [ '["key"]', 'not a JSON object' ],
    [ '{"key":"x1","key":"x2"}', 'not JSON' ],
    [ '{"id":"x"}', 'neither a key nor a digest' ],
    [ '{"key":"x","digest":"' . 'a' x 64 . '"}', 'both a key and a digest' ],
    [ '{"digest":"' . 'g' x 64 . '"}', 'digest: ' ],
    [ '{"key":"secret one"}', 'key: ' ],
    [ '{"key":"secret,two"}', 'key: ' ],
    [ '{"key":"' . 's' x 257 . '"}', 'key: ' ],
    [ '{"key":7}', 'key: ' ],
    [ '{"key":"x","colour":"red"}', 'colour: no such field' ],
    [ '{"key":"x","id":"a b"}', 'id: ' ],
    [ '{"key":"x","id":"cut"}', 'id: is another key\'s' ],
    [ '{"key":"x","name":"a\u0007"}', 'name: ' ],
    [ '{"key":"x","org":"a b"}', 'org: ' ],
    [ '{"key":"x","scopes":["a"]}', 'scopes: ' ],
    [ '{"key":"x","scopes":{"a":1}}', 'scopes: ' ],
    [ '{"key":"x","scopes":[1]}', 'scopes: ' ],
    [ '{"key":"x","limits":"60"}', 'limits: ' ],
    [ '{"key":"x","limits":"9r/m 5r/d"}', 'limits: ' ],
    [ '{"key":"x","expires":"soon"}', 'expires: ' ],
    [ '{"key":"x","expires":"30d"}', 'expires: ' ],
    [ '{"key":"x","expires":-5}', 'expires: ' ],
    [ '{"key":"x","expires":1.5}', 'expires: ' ],
    [ '{"key":"x","expires":5,"not_before":5}', 'expires is not after' ],
    [ '{"key":"x","allow":["10.0.0.1/8"]}', 'allow: ' ],
    [ '{"key":"x","status":"expired"}', 'status: ' ],
);

$before = $redis->dump;
$r = import_lines(join "\n", map { $_->[0] } @bad);
is($r->{exit}, 1, 'refused lines');
like($r->{out}, qr/ 27 refused$/, 'are counted');
ok($redis->dump eq $before, 'and nothing of them is written');

for my $i (0 .. $#bad) {
    my $n = $i + 1;

    like($r->{err}, qr/^apikey: "-", line $n: \Q$bad[$i][1]\E/m,
         "refused: $bad[$i][1]");
}

unlike($r->{err}, qr/secret|x1/, 'no key is shown');

$r = import_lines(qq({"key":"good-1"}\n{"key":"b b"}\n{"key":"good-2"}\n));
is($r->{exit}, 1, 'one of three is bad');
is(result($_), 'ok', "$_ is taken over") for qw(good-1 good-2);

is(apikey('import', '/nonexistent')->{exit}, 2, 'no such file');


# Redis ends in the middle.

$redis->cmd('CONFIG', 'SET', 'maxmemory', '1');
$r = import_lines(qq({"key":"oom","id":"oom"}\n));
is($r->{exit}, 3, 'Redis is out of memory');
like($r->{err}, qr/OOM/, 'which is said');
$redis->cmd('CONFIG', 'SET', 'maxmemory', '0');
unlike($redis->dump, qr/oom/, 'nothing is left');

unlike(join("\n", $monitor->lines), qr/legacy|good-1|key-7/,
       'no key in MONITOR');

done_testing();
