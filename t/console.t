#!/usr/bin/perl

# The life of a key in the web console, in a real browser: made, shown once,
# used at a gateway, found, looked at, rotated, revoked.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Browser;
use Test::Apikey::Console;

# what is used is counted by days

left(86400, 120);

my $redis = redis();
my $port = free_port();

nginx(<<"CONF", workers => 2);
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan small 1000r/d;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_resource projects;

        location /v1/ {
            empty_gif;
        }
    }
CONF

my $console = console();
my $browser = browser();

sub status { get($port, '/v1/x', 'X-API-Key' => $_[0])->status }

# The key that a dialog shows.

sub shown {
    return $browser->until(
        'return document.querySelector("dialog .secret")?.textContent');
}

sub heading { $browser->js('return document.querySelector("h1").textContent') }


# Gateways tell their plans once they have registered.

ok(wait_for(sub { @{$console->call('GET', '/api/plans')->json} }, 30),
   'a gateway with plans');


# Signing in.

$browser->go($console->{url});
$browser->fill('Access token', 'x' x 40);
$browser->click('button', 'Sign in');
ok($browser->sees('This token isn\'t known.'), 'a wrong token is refused');

$browser->fill('Access token', $console->{admin});
$browser->click('button', 'Sign in');
ok($browser->sees('There are no keys yet.'),
   'the right one leads to an empty list');


# Making a key, whose name would be a script.

my $name = '<img src=x onerror="document.title=\'owned\'">Acme & Söhne';

$browser->click('link', 'Create key');
$browser->fill('Name', $name);
$browser->click('label', 'Apps/SDK');
$browser->click('button', 'Create key');
ok($browser->sees('This is needed.'),
   'a template that binds to a project asks for one');

$browser->fill('Project', 'apollo');
$browser->fill('Plan', 'smaller');
ok($browser->sees('No gateway has this plan'),
   'a plan that nobody knows is told of');
$browser->fill('Plan', 'small');
ok($browser->sees('1,000 a day'), 'and what the gateways\' plan is');
$browser->click('button', 'Create key');

my $key = shown();

like($key, qr/^ak_[0-9A-Za-z]{39}$/, 'the key is shown');
ok($browser->sees("curl -i -H 'X-API-Key: $key'"), 'with a line for curl');
is(status($key), 200, 'a gateway takes it');

$browser->click('button', 'Done');
ok($browser->sees('The key hasn\'t been copied'),
   'who closes without having copied it is warned');
$browser->click('button', 'Close without copying');
ok($browser->sees('Identity'), 'then there is the page of the key');

my $everywhere = $browser->js(<<'JS');
    return [document.documentElement.outerHTML, location.href,
            JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
            [...document.querySelectorAll('input')].map((e) => e.value)].join();
JS

is(index($everywhere, substr $key, 10), -1, 'the key is nowhere any more');
is(heading(), $name, 'its name is text');
unlike($browser->js('return document.title'), qr/^owned/, 'and not a script');

my ($id) = $browser->js('return location.hash') =~ m{^#/keys/(\w+)$};

ok($id, 'the address names the key by its public id');


# Looked for, by a part of its name.

create_key('--name', "other $_") for 1 .. 60;

$browser->click('link', 'Keys');
ok($browser->sees('1–50 of 61'), 'sixty-one keys');
$browser->click('button', 'Next page');
ok($browser->sees('51–61 of 61'), 'the rest on the next page');

$browser->fill('Search keys', 'söhne');
ok($browser->sees('1–1 of 1'), 'one of them is found by its name');
ok($browser->sees($id), 'with its public id');
ok($browser->sees('*:read'), 'scopes');
ok($browser->sees('apollo'), 'and project');

$browser->click('link', $name);
ok($browser->sees('Identity'), 'the link leads to the key');


# Its use.

is(status($key), 200, 'used') for 1 .. 3;

# Counted within a second; the page asks when it is drawn.
ok(Test::Apikey::wait_for(sub {
    $browser->js('location.reload()');
    $browser->sees('Usage');
    $browser->until('return !document.querySelector(".usage[aria-busy]")');
    $browser->text =~ /^Requests\n+4$/m;
}, 30), 'four requests are counted') or diag($browser->text);

$browser->click('button', 'As a table');
ok(wait_for(sub { $browser->text =~ /\b4\t0\t0$/m }),
   'and stand in a table, too');
ok($browser->sees('Last used'), 'last used');
ok($browser->sees('from 127.0.0.1'), 'from where');
ok($browser->sees('a day, plan small'), 'the limits of its plan');
ok($browser->sees('4 used, 996 left'), 'what is used of them, and left');


# Edited.

$browser->click('button', 'Edit');
$browser->fill('Own limits', 'as many as you like');
$browser->click('button', 'Save');
ok($browser->until(<<'JS'), 'a wrong value is told at its field');
    const limits = document.querySelector('dialog [name=limits]');
    return limits.getAttribute('aria-invalid') === 'true'
           && limits === document.activeElement
           && limits.closest('.field').querySelector('.wrong').textContent;
JS

$browser->fill('Own limits', '60r/m');
$browser->click('button', 'Save');
ok($browser->sees('Saved. Confirmed by 2 of 2 workers'), 'saved');
ok($browser->sees('60 a minute'), 'with its new limits');
is(get($port, '/v1/', 'X-API-Key' => $key)->header('X-RateLimit-Limit'), 60,
   'which hold at the gateway');


# Disabled and enabled; rotated; revoked.

$browser->click('button', 'Disable');
$browser->click('button', 'Disable');
ok($browser->sees('Disabled. Confirmed by 2 of 2 workers in'), 'disabled');
is(status($key), 401, 'at the gateway, too');

$browser->click('button', 'Enable');
$browser->click('button', 'Enable');
ok($browser->sees('Enabled. Confirmed by 2 of 2 workers'), 'enabled');
is(status($key), 200, 'it may be used again');

$browser->click('button', 'Rotate');
$browser->choose('The old key still works for', '1 hour');
$browser->click('button', 'Rotate');

my $new = shown();

like($new, qr/^ak_/, 'rotated: the new key is shown');
isnt($new, $key, 'which is another one');
is(status($_), 200, 'both may be used') for $key, $new;

$browser->click('button', 'Copy the key');
$browser->click('button', 'Done');
ok($browser->sees('Replaced by'), 'the old one names the new one');

$browser->click('button', 'Revoke');
ok($browser->until('return document.querySelector("dialog .danger")?.disabled'),
   'revoking takes more than a click');
$browser->fill('Type revoke to confirm', 'revoke');
$browser->click('button', 'Revoke');
ok($browser->sees('Revoked. Confirmed by 2 of 2 workers in'),
   'the page says who has confirmed');
is(status($key), 401, 'from then on it is refused');
is(status($new), 200, 'the new one is not');
ok(wait_for(sub { !$browser->has('button', 'Rotate') }),
   'nothing but deleting is left');

$browser->click('button', 'Delete');
$browser->fill('Type delete to confirm', 'delete');
$browser->click('button', 'Delete');
ok($browser->sees('is forgotten.'), 'deleted');
is(apikey('show', $id)->{exit}, 1, 'for good');


# Who asked whether he is signed in was told no, and so was a wrong limit.

is_deeply([ grep { !m{/api/session.*401|/api/keys/$id .*400} }
            $browser->complaints ], [],
          'the browser has nothing to complain about');

$browser->click('button', 'Sign out');
ok($browser->sees('Access token'), 'signed out');
$browser->go($console->{url});
ok($browser->sees('Access token'), 'for good');

done_testing();
