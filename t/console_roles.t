#!/usr/bin/perl

# Who may only look has nothing to change with; what the console tells while
# Redis or a gateway is away; events as they come.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Browser;
use Test::Apikey::Console;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF", workers => 2);
    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            empty_gif;
        }
    }
CONF

my $console = console();
my $browser = browser();

my $key = create_key('--name', 'Grafana', '--service', 'billing');
create_key('--name', "billing $_", '--service', 'billing') for 1 .. 3;

sub enter {
    my ($token) = @_;

    $browser->go("$console->{url}#/keys");
    $browser->fill('Access token', $token);
    $browser->click('button', 'Sign in');
    $browser->sees('Sign out') or die 'not signed in';
}

# Goes there, and waits until the page has what it shows.

sub at {
    my ($hash, $text) = @_;

    $browser->js('location.hash = arguments[0]', $hash);

    # what was there before goes at once
    $browser->until('return location.hash === arguments[0]'
                    . ' || arguments[0] === "#/create"', $hash);

    return $browser->sees($text);
}

sub changing {
    return grep { $browser->has('button', $_) || $browser->has('link', $_) }
           'Create key', 'Edit', 'Rotate', 'Disable', 'Revoke', 'Delete',
           'Reset', 'New template', 'Check the set-up', 'More';
}


# A viewer.

enter($console->{viewer});

ok(at('#/keys?service=billing', '1–4 of 4'), 'a viewer sees the keys');
is_deeply([ changing() ], [], 'and nothing to change them with');
ok(at("#/keys/$key->{id}", 'Public ID'), 'a key');
is_deeply([ changing() ], [], 'as it is');
ok(at('#/templates', 'mcp-server'), 'templates');
is_deeply([ changing() ], [], 'as they are');
ok(at('#/gateways', '2 workers on 1 gateway'), 'gateways');
is_deeply([ changing() ], [], 'too');
ok(at('#/create', '1–4 of 4'), 'for the form of a new key he gets the list');

$browser->click('button', 'Sign out');


# An admin, whose gateway has a worker that doesn't answer.

enter($console->{admin});

my ($silent) = $nginx->workers;

kill 'STOP', $silent;
wait_for(sub { slurp("/proc/$silent/stat") =~ /\) T / });

# to whoever looks, though late, it has just been there
my ($its) = grep { /:$silent$/ } @{$redis->cmd('HKEYS', 'apikey:gateways')};
$redis->cmd('HSET', 'apikey:gateways', $its,
            join ' ', $redis->cmd('TIME')->[0] + 5, '1.0.0 1');

ok(at("#/keys/$key->{id}", 'Public ID'), 'an admin sees the key');

# the console waits for two seconds, in which the other may not get the CPU

my $done = 0;

ok(wait_for(sub {
    my $command = $done++ % 2 ? 'Enable' : 'Disable';

    $browser->click('button', $command) for 1, 2;
    $browser->sees("${command}d. Confirmed by") or return 0;

    return $browser->text =~ /Confirmed by 1 of 2 workers/;
}), 'one has confirmed');
like($browser->text, qr/No answer from \S+:$silent\. The change stands/,
     'who hasn\'t is named');
kill 'CONT', $silent;


# Events.

ok(at('#/events', 'Live'), 'events are followed');

my $seen = apikey('create', '--name', 'just made');

is($seen->{exit}, 0, 'meanwhile a key is made elsewhere');
ok($browser->sees('just made'), 'which is told at once');

$browser->choose('Type', 'Revoked');
ok($browser->until('return !document.body.innerText.includes("just made")'),
   'a filter keeps it away');
is($browser->js('return location.hash'), '#/events?type=revoked',
   'and stands in the address');
$browser->choose('Type', 'All types');
ok($browser->sees('just made'), 'without it the past is there, too');


# Templates.

at('#/templates', 'mcp-server');
$browser->click('button', 'New template');
$browser->fill('Name', 'reporting');
$browser->click('control', 'users:read');
$browser->fill('Another resource', 'reports');
$browser->click('button', 'Add');
$browser->click('control', 'reports:*');
$browser->fill('Other scopes', 'reports:export');
$browser->click('button', 'Save');
ok($browser->sees('reporting'), 'a template is made');
like(apikey('template', 'show', 'reporting')->{out},
     qr/users:read reports:\* reports:export/, 'with its scopes');


# Redis away.

at('#/keys', 'of 5');
$redis->stop;
$browser->click('button', 'Name');
ok($browser->sees('Trying again in'), 'that Redis is away is told');
ok($browser->sees('Grafana'), 'what was there stays there');
$redis->start;
ok($browser->until('return !document.querySelector("#trouble *")'),
   'until it is back');
ok(wait_for(sub { apikey('gateways')->{out} =~ /(?:.*:\d+ .*\n){2}/ }),
   'and so are the workers');


# Keys of a service together.

create_key('--name', "billing $_", '--service', 'billing') for 1 .. 3;
at('#/keys?service=billing', '1–3 of 3');
$browser->click('button', 'More');
$browser->click('button', 'Delete 3 keys…');
$browser->fill('Type delete 3 to confirm', 'delete 3');
$browser->click('button', 'Delete 3 keys');
ok($browser->sees('Deleted 3 keys. Confirmed by 2 of 2 workers'),
   'the keys of a service go together');
$browser->click('button', 'Close');
ok($browser->sees('No key is like that.'), 'all of them');

is_deeply([ grep { !m{/api/\S+ .*\b(401|503)\b} } $browser->complaints ], [],
          'the browser has nothing to complain about');

done_testing();
