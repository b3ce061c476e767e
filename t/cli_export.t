#!/usr/bin/perl

# What export writes, import takes into another Redis: the same keys work
# there, with the same ids and all that was known of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $other = redis();
my ($r, @keys);


sub here  { apikey(@_) }
sub there { apikey({ redis => $other }, @_) }

sub moved {
    my ($export, @args) = @_;

    $other->cmd('FLUSHALL');

    return apikey({ redis => $other, stdin => $export }, 'import', '-',
                  @args);
}

sub result {
    my ($redis, $key) = @_;
    my $r = apikey({ redis => $redis, stdin => $key }, '--json', 'verify');

    return decode_json($r->{out})->{result};
}


is(here('export')->{out}, '', 'no keys, no lines');
is(here('export', '--format', 'csv')->{out} =~ tr/\n//, 1,
   'and in CSV a header');

push @keys, create_key('--name', 'everything "and, more"', '--scope', 'a:b',
    '--scope', 'c:*', '--org', 'acme', '--project', 'apollo', '--service',
    'shop', '--plan', 'pro', '--limits', '60r/m 10000r/d algorithm=sliding',
    '--expires', '30d', '--not-before', '1d', '--allow', '10.0.0.0/8',
    '--allow', '2001:db8::/32');
push @keys, create_key('--template', 'mcp-server', '--project', 'apollo');
push @keys, create_key('--name', "Zo\x{c3}\x{ab}", '--org', 'acme') for 1 .. 4;

here('disable', $keys[2]{id});
here('revoke', $keys[3]{id});
push @keys, decode_json(here('--json', 'rotate', $keys[4]{id}, '--grace',
                             '1h')->{out});
push @keys, decode_json(here('--json', 'rotate', $keys[5]{id})->{out});

apikey({ stdin => qq({"key":"legacy","id":"c1","created":1500000000,)
               . qq("expires":1600000000}\n) }, 'import', '-');

my $shown = decode_json(here('--json', 'list')->{out});
my @results = map { result($redis, $_->{key}) } @keys;

is("@results", 'early ok disabled revoked ok revoked ok ok',
   'keys of all kinds');


# There and back.

for my $format (qw(json csv)) {
    my $export = here('export', '--format', $format)->{out};

    is($export =~ tr/\n//, 9 + ($format eq 'csv'), "$format: all keys");
    unlike($export, qr/ak_|legacy/, 'no key is in it');

    $r = moved($export);
    is($r->{out}, "9 imported, 0 known already, 0 refused\n", 'are imported')
        or diag $r->{err};

    is_deeply([ sort { $a->{id} cmp $b->{id} }
                     @{decode_json(there('--json', 'list')->{out})} ],
              [ sort { $a->{id} cmp $b->{id} } @$shown ],
              'and are what they were');
    is_deeply([ map { result($other, $_->{key}) } @keys ], \@results,
              'their texts too');

    ok(there('export', '--format', $format)->{out} eq $export,
       'an export of them is the same');

    $r = apikey({ redis => $other, stdin => $export }, 'import', '-');
    is($r->{out}, "0 imported, 9 known already, 0 refused\n",
       'and nothing new');
}

is(here('export', '--json')->{out}, here('export')->{out},
   'JSON lines unless CSV is asked for');

my ($line) = grep { /everything/ } split /\n/, here('export')->{out};
my $record = decode_json($line);

is_deeply([ sort keys %$record ],
          [ sort qw(digest id status name prefix hint org project service scopes
                    plan limits allow created expires not_before) ],
          'members that the key has, and no other');
is_deeply($record->{scopes}, [ 'a:b', 'c:*' ], 'lists are arrays');


# Some of them.

sub ids {
    return join ' ', sort map { decode_json($_)->{id} }
                     split /\n/, here('export', @_)->{out};
}

is(ids('--project', 'apollo'), join(' ', sort map { $_->{id} } @keys[0, 1]),
   'of a project');
is(ids('--org', 'acme', '--status', 'revoked'),
   join(' ', sort map { $_->{id} } @keys[3, 5]), 'of an org and a status');
is(ids('--service', 'none'), '', 'of no service');


# What can't be done.

is(here('export', '--format', 'xml')->{exit}, 2, 'no other format');
is(here('export', '--format', 'csv', '--json')->{exit}, 2, 'nor two');
is(here('export', 'file')->{exit}, 2, 'no operand');
is(here('export', '--status', 'blue')->{exit}, 2, 'no such status');

my ($name) = grep { $redis->cmd('HGET', $_, 'id') eq 'c1' }
             grep { /\{/ } @{$redis->cmd('KEYS', '*')};
$redis->cmd('HSET', $name, 'status', 'odd');

$r = here('export');
is($r->{exit}, 1, 'a record that nobody can read');
like($r->{err}, qr/^apikey: the key "c1" is left out: /m, 'is told');
is($r->{out} =~ tr/\n//, 8, 'and the others are written');

is(run("$Test::Apikey::BUILD/apikey", '--redis', $redis->url, 'export')
       ->{exit}, 1, 'no pepper is needed');


# A reader that goes away.

$r = run('sh', '-c', 'exec "$@" > /dev/full', '-',
         "$Test::Apikey::BUILD/apikey", '--redis', $other->url, 'export');
is($r->{exit}, 1, 'a full disk');
like($r->{err}, qr/No space left/, 'is told');

done_testing();
