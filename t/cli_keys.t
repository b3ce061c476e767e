#!/usr/bin/perl

# Keys are made, shown, listed and judged by the program.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $monitor = $redis->monitor;
my $r;


sub verify {
    my ($key, @args) = @_;
    my $r = apikey({ stdin => "$key\n" }, '--json', 'verify', @args);

    return "$r->{exit} " . decode_json($r->{out})->{result};
}


# For people, and for programs.

$r = apikey('create', '--name', 'Billing service', '--permissions', 'read');
is($r->{exit}, 0, 'a key is made') or diag $r->{err};
like($r->{out}, qr/^key +(ak_[0-9A-Za-z]{39})\nid +([0-9A-Za-z]{16})\n$/,
     'the key and its id are printed');
like($r->{err}, qr/shown this once/, 'once, it is said');

my ($text, $id) = $r->{out} =~ /(ak_\w+)\nid +(\w+)/;

my $full = create_key('--name', 'Zoë', '--permissions', 'write',
    '--scope', 'users:read', '--scope', '*:write', '--org', 'acme',
    '--project', 'apollo', '--service', 'shop', '--plan', 'pro',
    '--limits', '10000r/d 60r/m', '--expires', '30d', '--not-before', '12h',
    '--allow', '10.0.0.0/8', '--allow', '2001:db8::/32',
    '--prefix', 'apso_sk_live');

like($full->{key}, qr/^apso_sk_live_[0-9A-Za-z]{39}$/, 'a prefix');
is(delete $full->{hint}, substr(delete $full->{key}, -4), 'its end');

my $now = time;
ok(abs(delete($full->{created}) - $now) < 60, 'created now');
ok(abs(delete($full->{expires}) - $now - 30 * 86400) < 60, 'expires in 30d');
ok(abs(delete($full->{not_before}) - $now - 12 * 3600) < 60, 'begins in 12h');

my $full_id = delete $full->{id};

is_deeply($full, {
    name => "Zo\x{eb}", prefix => 'apso_sk_live', org => 'acme',
    project => 'apollo', service => 'shop', plan => 'pro',
    scopes => [ '*:write', '*:delete', 'users:read' ],
    limits => '60r/m 10000r/d', allow => [ '10.0.0.0/8', '2001:db8::/32' ],
    status => 'early', revoked => undef, template => undef,
    rotated_to => undef, rotated_from => undef, last_used => undef,
    last_address => undef,
}, 'every attribute, once');


# show and list never have the key.

$r = apikey('show', $full_id);
is($r->{exit}, 0, 'show');
like($r->{out}, qr/^name +Zo\xc3\xab$/m, 'show: the name');
like($r->{out}, qr/^status +early$/m, 'show: the status');
unlike($r->{out}, qr/apso_sk_live_/, 'show: not the key');

$r = apikey('--json', 'show', $full_id);
is(decode_json($r->{out})->{id}, $full_id, 'show as JSON');
ok(!exists decode_json($r->{out})->{key}, 'without the key');

$r = apikey('show', 'nosuchid');
is($r->{exit}, 1, 'show: not found');
is($r->{err}, qq(apikey: there is no key "nosuchid"\n), 'which is said');

$r = apikey('list');
is($r->{exit}, 0, 'list');
like($r->{out}, qr/^ID +NAME +STATUS +SCOPES .*\n$id +Billing service +active/,
     'a table, oldest first');

my $list = decode_json(apikey('list', '--json')->{out});
is(@$list, 2, 'list as a JSON array');
is($list->[1]{name}, "Zo\x{eb}", 'with the same names');

for ([ '--org', 'acme', 1 ], [ '--org', 'acm', 0 ],
     [ '--project', 'apollo', 1 ], [ '--service', 'shop', 1 ],
     [ '--service', 'apollo', 0 ], [ '--status', 'early', 1 ],
     [ '--status', 'active', 1 ], [ '--status', 'revoked', 0 ])
{
    my ($option, $value, $count) = @$_;
    my $found = decode_json(apikey('--json', 'list', $option, $value)->{out});

    is(@$found, $count, "list $option $value");
}


# verify

is(verify($text), '0 ok', 'verify');
is(verify("  $text\t\r"), '0 ok', 'blanks around a key');
is(verify(''), '1 missing', 'no key');
is(verify("$text $text"), '1 malformed', 'two keys');
is(verify('x' x 257), '1 malformed', 'an overlong key');
is(verify('x' x 9000), '1 malformed', 'a very long key');
is(verify(substr($text, 0, -1) . '_'), '1 unknown', 'another key');
is(verify($text, '--require', 'users:read'), '0 ok', 'a scope');
is(verify($text, '--require', 'users:write'), '1 scope', 'not that scope');
is(verify($text, '--require', 'users:read', '--require', 'users:write'),
   '1 scope', 'all scopes are required');
is(verify($text, '--method', 'HEAD', '--require', 'users'), '0 ok',
   'a resource, to be read');
is(verify($text, '--method', 'PUT', '--require', 'users'), '1 scope',
   'a resource, to be written');
is(verify($text, '--method', 'GET'), '0 ok', 'a method allowed somewhere');
is(verify($text, '--method', 'DELETE'), '1 scope', 'one allowed nowhere');

$r = apikey({ stdin => $text }, 'verify');
like($r->{out}, qr/^valid\nid +$id$/m, 'verify for people');
$r = apikey({ stdin => 'nonsense' }, 'verify');
is($r->{out}, "refused: unknown\n", 'refused for people');


# Permissions and templates.

sub scopes {
    return join ' ', @{create_key(@_)->{scopes}};
}

is(scopes('--permissions', 'read'), '*:read', 'read');
is(scopes('--permissions', 'write'), '*:write *:delete', 'write');
is(scopes('--permissions', 'full'), '*:*', 'full');

my $json = '{"permissions":{"projects":["read","write"],"users":["read"]}}';
is(scopes({ stdin => $json }, '--permissions-json', '-'),
   'projects:read projects:write users:read', 'permissions as JSON');
is(scopes('--permissions-json', file('permissions.json', $json),
          '--scope', 'users:read', '--template', 'read-only'),
   'users:read projects:read projects:write *:read', 'several ways add up');

is(scopes('--template', 'READ only'), '*:read', 'a template by its title');
is(scopes('--template', 'apps-sdk', '--project', 'p'), '*:read',
   'a template that binds');
is(create_key('--template', 'MCP Server', '--project', 'p')->{template},
   'mcp-server', 'the template is remembered');
unlike(scopes('--template', 'admin'), qr/billing|^\*|\*:/,
       'admin is not everything');

$r = apikey('create', '--name', 'x', '--template', 'apps-sdk');
is($r->{exit}, 2, 'a template that binds needs a project');
like($r->{err}, qr/"apps-sdk": .* the project is missing$/, 'which is said');

$r = apikey('create', '--name', 'bare');
is($r->{exit}, 0, 'a key without scopes');
like($r->{err}, qr/no scopes/, 'which is said');


# Times in all their forms.

for ([ '2090-01-31', 3789504000 ], [ '2090-01-31T12:00:00Z', 3789547200 ],
     [ '2090-01-31T12:00:00+02:00', 3789540000 ],
     [ '2090-01-31t10:00:00.5z', 3789540000 ], [ '3789540000', 3789540000 ])
{
    is(create_key('--expires', $_->[0])->{expires}, $_->[1], "expires $_->[0]");
}


# What is stored, as core/record.h says; and the key nowhere.

my ($name) = grep { $redis->cmd('HGET', $_, 'id') eq $id }
             grep { /^apikey:\{/ } @{$redis->cmd('KEYS', '*')};
like($name, qr/^apikey:\{[0-9a-f]{64}\}$/, 'the name of a record');

my @fields = @{$redis->cmd('HGETALL', $name)};
is_deeply([ @fields[map { $_ * 2 } 0 .. @fields / 2 - 1] ],
          [ qw(rev id status name prefix hint scopes created) ],
          'its fields, none of them empty');
is($redis->cmd('OBJECT', 'ENCODING', $name), 'listpack', 'small');

my $seen = join "\n", $monitor->lines, $redis->dump;
like($seen, qr/Billing service/, 'all of that was seen');
unlike($seen, qr/\Q$text\E/, 'no key in MONITOR, nor in the database');
unlike($seen, qr/\Q@{[substr $text, 3, 20]}\E/, 'nor a part of one');

done_testing();
