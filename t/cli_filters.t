#!/usr/bin/perl

# What is done to many keys at once is done to those for which all that was
# asked for holds, and to no other: who types it is shown whose they are, and
# asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $day = 86400;
my $now = time;
my $r;

# Three organizations have a project of the same name.

my @keys = (
    [ 'a1', 'acme', 'rosetta', scopes => [ 'a:read' ], plan => 'pro' ],
    [ 'a2', 'acme', 'rosetta', scopes => [ '*:*' ], service => 'shop' ],
    [ 'a3', 'acme', 'apollo', name => 'Grafana' ],
    [ 'b1', 'beta', 'rosetta', expires => $now + 5 * $day ],
    [ 'b2', 'beta', 'rosetta', created => $now - 200 * $day ],
    [ 'c1', undef, 'rosetta', created => $now - 200 * $day ],
    [ 'd1', 'acme', 'rosetta', status => 'revoked' ],
);

sub fill {
    my $lines = join '', map {
        my ($id, $org, $project, %more) = @$_;
        my %line = (key => "legacy-key-of-$id", id => $id, name => $id,
                    project => $project, %more);

        $line{org} = $org if $org;
        encode_json(\%line) . "\n";
    } @keys;

    my $r = apikey({ stdin => $lines }, 'import', '-');

    is($r->{exit}, 0, 'keys') or diag($r->{err});
}

sub ids {
    my $r = apikey('--json', 'list', @_);

    return $r->{exit} ? "exit $r->{exit}"
                      : join ' ', sort map { $_->{id} }
                        @{decode_json($r->{out})};
}

sub keys_there { ids() }

# As from a terminal on which that is typed.

sub typed {
    my ($answer, @command) = @_;
    my $pepper = Test::Apikey::pepper_file();
    my $line = join ' ', "$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
                         '--pepper-file', $pepper, @command;

    return run({ stdin => $answer }, 'script', '-qec', $line, '/dev/null');
}

fill();


# Which they are.

is(ids('--project', 'rosetta', '--org', 'acme'), 'a1 a2 d1', 'both');
is(ids('--scope', 'a:read'), 'a1 a2', 'what may do that');
is(ids('--scope', 'a:read', '--scope', 'b:read'), 'a2', 'and that');
is(ids('--plan', 'pro'), 'a1', 'a plan');
is(ids('--search', 'graf'), 'a3', 'a part of the name');
is(ids('--search', 'f-b2'), 'b2', 'the end of the key');
is(ids('--search', 'F-B2'), '', 'which is as it is');
is(ids('--unused', '90d'), 'b2 c1', 'old and never used');
is(ids('--expires-within', '7d'), 'b1', 'what ends soon');
is(ids('--expires-within', '4d'), '', 'not so soon');
is(ids("--$_", ''), 'exit 2', "an empty --$_")
    for qw(org project service status plan scope search unused expires-within);
is(ids(@$_), 'exit 2', "@$_") for [ '--unused', 'long' ],
    [ '--unused', '0d' ], [ '--scope', 'a' ], [ '--status', 'gone' ];

my $used = 'apikey:{' . $redis->digest('c1') . '}';

$redis->cmd('HSET', $used, 'used', "$now 127.0.0.1");
is(ids('--unused', '90d'), 'b2', 'used since');
$redis->cmd('HDEL', $used, 'used');


# Without a terminal nothing is asked, and nothing done.

$r = apikey('delete', '--project', 'rosetta');
is($r->{exit}, 2, 'no terminal');
like($r->{err}, qr/^apikey: delete 6 keys of 3 organizations: 3 of acme, (?#
    )2 of beta, 1 of none: .*--yes$/, 'which keys, and whose');
is(keys_there(), 'a1 a2 a3 b1 b2 c1 d1', 'all are there');

$r = apikey('delete', '--project', 'rosetta', '--dry-run');
is("$r->{exit} $r->{out}", "0 would delete 6 keys of 3 organizations: "
   . "3 of acme, 2 of beta, 1 of none\n", 'only shown');

$r = apikey('--json', 'delete', '--project', 'rosetta', '--org', 'acme',
            '--dry-run');
my $shown = decode_json($r->{out});
$shown->{ids} = [ sort @{$shown->{ids}} ];
is_deeply($shown, { keys => 3, ids => [ qw(a1 a2 d1) ],
                    organizations => { acme => 3 } }, 'for programs');
$r = apikey('delete', 'a1', '--dry-run');
is("$r->{exit} $r->{out}", "0 would delete 1 key of acme\n", 'one by its id');
is(apikey('delete', 'nosuch', '--dry-run')->{exit}, 1, 'an unknown one');
is(keys_there(), 'a1 a2 a3 b1 b2 c1 d1', 'all are there still');

is(apikey('delete', 'a1', '--org', 'acme')->{exit}, 2, 'ids and filters');
is(apikey('revoke', '--yes')->{exit}, 2, 'neither');
is(apikey({ stdin => "legacy-key-of-a1\n" }, 'revoke', '--key-stdin', '--org',
          'acme')->{exit}, 2, 'keys and filters');


# On one it is asked.

$r = typed("n\n", 'delete', '--org', 'beta');
like($r->{out}, qr/delete 2 keys of beta\? \[y\/N\] /, 'the question');
is($r->{exit}, 1, 'no');
is(typed("\n", 'delete', '--org', 'beta')->{exit}, 1, 'no answer');
is(ids('--org', 'beta'), 'b1 b2', 'they are there');

$r = typed("y\n", 'disable', '--org', 'beta');
is($r->{exit}, 0, 'yes') or diag($r->{out});
is(ids('--status', 'disabled'), 'b1 b2', 'done');

$r = typed("y\n", 'disable', 'a1');
unlike($r->{out}, qr/\?/, 'of a key that is named nothing is asked');
is(apikey('enable', '--org', 'beta', '--yes')->{exit}, 0, 'enabled');
is(apikey('enable', 'a1')->{exit}, 0, 'one, too');


# Each command takes them; what is revoked already isn't meant.

is(apikey('edit', '--org', 'acme', '--plan', 'max', '--yes')->{exit}, 0,
   'edited');
is(ids('--plan', 'max'), 'a1 a2 a3', 'all but the revoked one');
is(apikey('edit', '--unused', '90d', '--search', 'c', '--name', 'old',
          '--yes')->{exit}, 0, 'edited by others');
is(ids('--search', 'old'), 'c1', 'that one');
is(apikey('edit', '--scope', 'a:b', '--name', 'x', '--yes')->{exit}, 2,
   'scopes never change');
is(apikey('edit', '--plan', 'max', '--yes')->{exit}, 2, 'a plan is no filter');
is(apikey('edit', 'a1', '--org', 'b')->{exit}, 2, 'nor what a key is bound to');

$r = apikey('--json', 'usage', '--project', 'rosetta', '--days', 2);
is(decode_json($r->{out})->{keys}, 6, 'usage of many');
is(@{decode_json($r->{out})->{days}}, 2, 'by days, together');
is(apikey('usage', '--org', '')->{exit}, 2, 'of none');

$r = apikey('revoke', '--org', 'acme', '--project', 'rosetta', '--yes');
is($r->{exit}, 0, 'revoked') or diag($r->{err});
is(join(' ', sort $r->{out} =~ /^revoked (\w+)$/mg), 'a1 a2',
   'those that were not');

$r = apikey('delete', '--project', 'rosetta', '--org', 'beta', '--yes');
like("$r->{exit} $r->{out}", qr/^0 deleted 2 keys$/m, 'deleted');
is(keys_there(), 'a1 a2 a3 c1 d1', 'and no others');
is(apikey('disable', '--org', 'nosuch')->{exit}, 0, 'of none');

done_testing();
