#!/usr/bin/perl

# The console's API does with keys what the command line does: made, found,
# changed, rotated, refused and deleted; and it says who of the gateways knows.

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
my $r;

sub call { $console->call(@_) }

sub shown { decode_json(apikey('--json', 'show', $_[0])->{out}) }

sub is_error {
    my ($r, $status, $field, $name) = @_;

    is($r->status, $status, "$name: $status");
    is($r->json->{field}, $field, 'and where') if defined $field;
    like($r->json->{message}, qr/^(?!.* --\w)./s,
         'and why, without an option of the program');
}

sub verify {
    my ($key) = @_;

    return apikey({ stdin => "$key\n" }, 'verify')->{exit};
}


# Made: what the command line shows, and the key this once.

$r = call('POST', '/api/keys', {
    name => "M\x{fc}ller <b>", template => 'Read Only', org => 'acme',
    permissions => { users => [ 'read', 'write' ] }, scopes => [ 'a:b' ],
    project => 'p1', service => 's/1', plan => 'pro',
    limits => '60r/m 1000r/d', expires => '30d', not_before => undef,
    allow => [ '10.0.0.0/8', '192.0.2.1' ], prefix => 'apso_sk_live',
});
is($r->status, 201, 'made');
is($r->header('Cache-Control'), 'no-store', 'kept by no cache');

my $made = $r->json;
my $key = delete $made->{key};
my $id = $made->{id};

like($key, qr/^apso_sk_live_\w+$/, 'with its key');
is(verify($key), 0, 'which is good');
is_deeply($made, shown($id), 'the record is as the command line shows it');
is_deeply([ sort @{$made->{scopes}} ],
          [ sort '*:read', 'users:read', 'users:write', 'a:b' ], 'scopes');
is_deeply(call('GET', "/api/keys/$id")->json, $made, 'and as it is shown');
unlike(call('GET', "/api/keys/$id")->body, qr/\Q$key\E/, 'without the key');

$r = call('POST', '/api/keys', { name => 'x', expires => $made->{expires},
                                 permissions => 'write' });
is($r->json->{expires}, $made->{expires}, 'a time in seconds');
is_deeply($r->json->{scopes}, [ '*:write', '*:delete' ], 'a word');

for my $wrong (
    [ 'name', {} ], [ 'name', { name => 1 } ], [ 'name', { name => '' } ],
    [ 'nosuch', { nosuch => 1 } ], [ 'status', { status => 'active' } ],
    [ 'limits', { limits => '60r/x' } ], [ 'limits', { limits => 60 } ],
    [ 'expires', { expires => 'soon' } ], [ 'expires', { expires => 1 } ],
    [ 'expires', { expires => -1 } ], [ 'expires', { expires => 1.5 } ],
    [ 'allow', { allow => [ '10.0.0.1/8' ] } ], [ 'allow', { allow => 'x' } ],
    [ 'scopes', { scopes => [ 'x' ] } ], [ 'scopes', { scopes => [ 1 ] } ],
    [ 'scopes', { scopes => {} } ], [ 'prefix', { prefix => 'A-B' } ],
    [ 'permissions', { permissions => 'all' } ],
    [ 'permissions', { permissions => { a => 'read' } } ],
    [ 'permissions', { permissions => { 'a:b *' => [ '*' ] } } ],
    [ 'template', { template => 'nosuch' } ],
    [ 'template', { template => 'mcp-server' } ], [ 'org', { org => 'a b' } ],
    [ 'plan', { plan => [ 'pro' ] } ],
) {
    my ($field, $body) = @$wrong;

    $body = { name => 'x', %$body } unless $field eq 'name';
    is_error(call('POST', '/api/keys', $body), 400, $field,
             'made with a wrong ' . JSON::PP->new->canonical->encode($body));
}

is(call('GET', '/api/keys')->json->{total}, 2, 'nothing was made of that');


# Edited: what is given, and nothing else.

$r = call('PATCH', "/api/keys/$id", { name => 'new', limits => undef,
                                      expires => '60d', allow => [] });
is($r->status, 200, 'edited');

my $edited = shown($id);

is_deeply([ @$edited{qw(name limits plan org)} ],
          [ 'new', undef, 'pro', 'acme' ], 'as it was said');
is_deeply($edited->{allow}, [], 'from everywhere');
ok($edited->{expires} > $made->{expires}, 'and for longer');
is_deeply({ %{$r->json}, workers => undef },
          { %$edited, workers => undef, replicas => undef },
          'which is the answer');

for my $wrong ([ undef, {} ], [ 'name', { name => undef } ],
               [ 'org', { org => 'x' } ], [ 'scopes', { scopes => [] } ],
               [ 'limits', { limits => 'x' } ],
               [ 'expires', { expires => 'x' } ])
{
    is_error(call('PATCH', "/api/keys/$id", $wrong->[1]), 400, $wrong->[0],
             'edited with ' . JSON::PP->new->encode($wrong->[1]));
}

is_deeply(shown($id), $edited, 'nothing came of that');


# Disabled, enabled, rotated, revoked, deleted.

$r = call('POST', "/api/keys/$id/disable", {});
is_deeply($r->json->{workers}{missing}, [], 'of no gateways all know');
is_deeply({ %{$r->json}, workers => undef },
          { id => $id, status => 'disabled', changed => JSON::PP::true,
            workers => undef, replicas => undef }, 'disabled');
is(verify($key), 1, 'and refused');
is(call('POST', "/api/keys/$id/disable", {})->json->{changed},
   JSON::PP::false, 'already');
is(call('POST', "/api/keys/$id/enable", undef,
        'Content-Type' => 'application/json')->json->{status}, 'active',
   'enabled, with no body');
is_error(call('POST', "/api/keys/$id/enable", { x => 1 }), 400, 'x',
         'a body that means something else');

$r = call('POST', "/api/keys/$id/rotate", { grace => 3600 });
is($r->status, 201, 'rotated');

my $next = $r->json;

is($next->{rotated_from}, $id, 'a successor');
is(verify($next->{key}), 0, 'whose key is good');
is(verify($key), 0, 'and the old one, for the grace');
ok(shown($id)->{expires} < $edited->{expires}, 'which ends');
is_error(call('POST', "/api/keys/$id/rotate", {}), 409, undef,
         'rotated twice');
is_error(call('POST', "/api/keys/$next->{id}/rotate", { grace => $_ }), 400,
         'grace', "a grace of $_") for 'x', -1;

$r = call('POST', "/api/keys/$next->{id}/rotate", { grace => 0 });
is(shown($next->{id})->{status}, 'revoked', 'without a grace, at once');

my $last = $r->json->{id};

is(call('POST', "/api/keys/$last/revoke", {})->json->{status}, 'revoked',
   'revoked');
is_error(call('POST', "/api/keys/$last/enable", {}), 409, undef,
         'that is final');
is_error(call('PATCH', "/api/keys/$last", { name => 'x' }), 409, undef,
         'for an edit, too');
is(call('DELETE', "/api/keys/$last")->json->{deleted}, 1, 'deleted');

is_error($_->[0], 404, undef, $_->[1])
    for [ call('GET', "/api/keys/$last"), 'gone' ],
        [ call('DELETE', "/api/keys/$last"), 'deleted twice' ],
        [ call('PATCH', '/api/keys/nosuch', { name => 'x' }), 'an edit' ],
        [ call('POST', '/api/keys/nosuch/revoke', {}), 'a revocation' ],
        [ call('GET', '/api/keys/nosuch/limits'), 'limits' ],
        [ call('GET', '/api/keys/a%20b'), 'no id' ],
        [ call('GET', '/api/keys/%zz'), 'what can\'t be decoded' ];

is_error(call('GET', "/api/keys/$key"), 400, undef, 'a key in the URL');


# Limits.

my $limited = create_key('--limits', '5r/m 100r/d')->{id};

$r = call('GET', "/api/keys/$limited/limits");
is_deeply([ map { [ @$_{qw(seconds limit used remaining)} ] }
                @{$r->json->{windows}} ],
          [ [ 60, 5, 0, 5 ], [ 86400, 100, 0, 100 ] ], 'limits');
$r = call('POST', "/api/keys/$limited/limits/reset", {})->json;
is_deeply((delete $r->{workers})->{missing}, [], 'reset, and gateways know');
is_deeply($r, { id => $limited, reset => JSON::PP::true, replicas => undef },
          'as the program');


is_error(call('GET', "/api/keys/$limited/usage?days=$_"), 400, 'days',
         "usage of $_ days") for 0, 'x', '';


# All of a service or project.

create_key('--service', 'a/b', '--project', 'q') for 1 .. 3;
create_key('--service', 'a', '--project', 'q');

is(call('DELETE', '/api/services/a%2Fb')->json->{deleted}, 3, 'a service');
is(call('DELETE', '/api/projects/q')->json->{deleted}, 1, 'a project');
is(call('DELETE', '/api/services/none')->json->{deleted}, 0, 'of none');
is(call('DELETE', '/api/services/%zz')->status, 400, 'no name');
is(call('DELETE', '/api/services/')->status, 404, 'an empty one');


# Templates.

$r = call('PUT', '/api/templates/team', { scopes => [ 'a:read', 'b:*' ],
                                          binds => 'org' });
is_deeply($r->json, { name => 'team', title => undef, binds => 'org',
          scopes => [ 'a:read', 'b:*' ], stored => JSON::PP::true }, 'set');
is_deeply([ map { $_->{name} } @{call('GET', '/api/templates')->json} ],
          [ qw(apps-sdk mcp-server read-only admin full-access team) ],
          'listed');
is_error(call('PUT', '/api/templates/t', $_->[1]), 400, $_->[0],
         "a template with a wrong $_->[0]")
    for [ 'scopes', {} ], [ 'scopes', { scopes => [] } ],
        [ 'scopes', { scopes => [ 'x' ] } ],
        [ 'binds', { scopes => [ 'a:b' ], binds => 'x' } ],
        [ 'title', { scopes => [ 'a:b' ], title => 'x' } ];
is_deeply(call('DELETE', '/api/templates/team')->json, { removed => 'team' },
          'removed');
is_error(call('DELETE', '/api/templates/team'), 404, undef, 'twice');
is_error(call('DELETE', '/api/templates/admin'), 409, undef, 'a shipped one');


# Gateways: who has confirmed, and who has not.

my $now = $redis->cmd('TIME')->[0];

$redis->cmd('HSET', 'apikey:gateways', "gw$_:1",
            join ' ', $now, '1.0.0', $now) for 1 .. 2;

my $gateway = in_background(sub {
    my ($in, $out) = ($redis->client, $redis->client);

    $in->cmd('SUBSCRIBE', 'apikey:changes');

    while (my $message = $in->reply(3600)) {
        my $token = (split / /, $message->[2])[2];

        $out->cmd('PUBLISH', "apikey:acks:$token", 'gw1:1') if $token;
    }
});

# Those that are registered go on beating.

my $beat = in_background(sub {
    my $client = $redis->client;

    while (1) {
        $client->cmd('EVAL', <<'LUA', 1, 'apikey:gateways');
local time = redis.call('TIME')[1]

for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    redis.call('HSET', KEYS[1], name, time .. ' 1.0.0 ' .. time)
end
LUA
        select undef, undef, undef, 0.5;
    }
});

wait_for(sub { $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] == 2 })
    or die 'the gateway did not subscribe';

is_deeply([ map { $_->{name} } @{call('GET', '/api/gateways')->json} ],
          [ 'gw1:1', 'gw2:1' ], 'gateways');

is_deeply(call('GET', '/api/plans')->json, [], 'no plans');
$redis->cmd('HSET', 'apikey:plans',
            'gw1:1', "pro 10r/m 500r/d mode=leased default\nfree 5r/s\nbad x\n",
            'gw2:1', "free 5r/s\npro 20/60 algorithm=sliding per=org\n",
            'gone:1', "old 1r/s\n");

sub told { { name => $_[0], algorithm => 'fixed', per => 'key',
             default => JSON::PP::false, @_[1 .. $#_] } }

sub windows {
    my %windows = @_;

    return (windows => [ map { { limit => $windows{$_}, seconds => $_ } }
                         sort { $a <=> $b } keys %windows ]);
}

is_deeply(call('GET', '/api/plans')->json, [
    told('free', windows(1 => 5), gateways => [ 'gw1:1', 'gw2:1' ]),
    told('pro', windows(60 => 10, 86400 => 500), default => JSON::PP::true,
         gateways => [ 'gw1:1' ]),
    told('pro', windows(60 => 20), algorithm => 'sliding', per => 'org',
         gateways => [ 'gw2:1' ]),
], 'plans, by name, as each of the gateways has them');

# One that stands still for two seconds hasn't confirmed: another key is tried.

sub workers_say {
    my ($method, $what, $confirmed, $missing, $name) = @_;
    my $of = $id;
    my $workers;

    wait_for(sub {
        $r = call($method, "/api/keys/$of$what",
                  $method eq 'POST' ? {} : undef);
        $of = create_key()->{id};
        $workers = $r->json->{workers};
        return "@{$workers->{confirmed}}" eq $confirmed;
    });
    is($r->status, 200, 'the change stands');
    is_deeply([ @$workers{qw(confirmed missing)} ],
              [ [ $confirmed ], $missing ], $name);

    return $workers;
}

cmp_ok(workers_say('POST', '/revoke', 'gw1:1', [ 'gw2:1' ],
                   'with who has confirmed, who not')->{ms}, '>=', 2000,
       'after waiting');

$redis->cmd('HDEL', 'apikey:gateways', 'gw2:1');
workers_say('DELETE', '', 'gw1:1', [], 'all have confirmed');

$gateway->stop;


# Who has done it stands in the events.

my @events = @{call('GET', '/api/events?limit=1000')->json->{events}};
my %actor = map { $_->{actor} => 1 } grep { $_->{key} eq $id } @events;

is_deeply(\%actor, { ops => 1 }, 'the name of the token');
is_deeply([ map { $_->{type} } grep { $_->{key} eq $id } @events ],
          [ qw(deleted revoked rotated enabled disabled edited created) ],
          'for each thing done');

done_testing();
