#!/usr/bin/perl

# What the console doesn't lose or break: a key that is being made, whatever the
# reader presses meanwhile; a list with odd records in it; tabs beside each
# other.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use Test::Apikey;
use Test::Apikey::Browser;
use Test::Apikey::Console;

my $redis = redis();
my $console = console();
my $browser = browser();

my $key = create_key('--name', 'Kept');
my $other = create_key('--name', 'Other');
my $wide = create_key('--name', 'w' x 256, '--org', 'o' x 64, '--project',
                      'p' x 64, map { ('--scope', "resource-$_:read") } 1 .. 9);

sub at {
    my ($hash, $text) = @_;

    $browser->js('location.hash = arguments[0]', $hash);

    return $browser->sees($text);
}

sub dialog { $browser->js('return document.querySelector("dialog[open]")') }

# Holds back the answer to the next change.

sub hold {
    $browser->js(<<'JS');
        const real = window.fetch;
        window.asked = false;
        window.fetch = (url, given) => {
            if (given.method === 'GET') return real(url, given);
            window.fetch = real;
            window.asked = true;
            return new Promise((resolve) => {
                window.release = () => resolve(real(url, given));
            });
        };
JS
}

$browser->go($console->{url});
$browser->fill('Access token', $console->{admin});
$browser->click('button', 'Sign in');
ok($browser->sees('1–3 of 3'), 'signed in');


# A key that is being made.

ok(at("#/keys/$key->{id}", 'Identity'), 'a key');
hold();
$browser->click('button', 'Rotate');
$browser->press('Tab', 'Tab', 'Enter');
ok($browser->until('return window.asked'), 'its rotation is under way');

$browser->press('Escape', 'Escape');
ok(dialog(), 'Escape is no way out of it');
$browser->click('button', 'Cancel');
ok(dialog(), 'nor is Cancel');
$browser->js('history.back()');
ok($browser->until('return location.hash === "#/keys"'), 'another page');
ok(dialog(), 'nor is that');

$browser->js('window.release()');
ok($browser->sees('Copy it now'), 'the new key is shown');

my $secret = 'return document.querySelector("dialog .secret").textContent';
my $text = $browser->js($secret);

$browser->js("location.hash = '#/events'");
ok($browser->until('return document.title.startsWith("Events")'),
   'on a page behind it');
is($browser->js($secret), $text, 'it stays');
is(apikey({ stdin => $text }, 'verify')->{exit}, 0, 'and works');

$browser->click('button', 'Done');
$browser->click('button', 'Close without');
ok($browser->until('return !document.querySelector("dialog")'),
   'until it is closed');

# What a screen reader is told has no address in it.

ok(at("#/keys/$key->{id}", 'Replaced by'), 'a key that was rotated');
ok(!$browser->has('button', 'Rotate'), 'is not rotated again');
ok(at("#/keys/$other->{id}", 'Identity'), 'another key');
$browser->click('button', 'Rotate');
$browser->click('button', 'Rotate');
ok($browser->sees('Copy it now'), 'is');
$browser->click('button', 'Done');
$browser->click('button', 'Close without');
ok($browser->until(<<'JS'), 'said in words');
    const said = document.getElementById('live').textContent;
    return /^The old key is this one; the new one is \w{16}\. /.test(said);
JS


# Lists.

for my $width (1000, 1024, 1279, 1280, 1440) {
    $browser->size($width, 700);
    at('#/keys', 'of 5');
    is($browser->js('const e = document.documentElement;
                     return Math.max(0, e.scrollWidth - e.clientWidth)'), 0,
       "the longest words fit, $width pixels wide");
}

$browser->js('location.hash = "#/keys?page=9"');
ok($browser->until('return location.hash === "#/keys"'),
   'behind the last page is the last one');
ok($browser->sees('1–5 of 5'), 'with its keys');

for my $name (@{$redis->cmd('KEYS', 'apikey:{*}')}) {
    $redis->cmd('HSET', $name, created => '9' x 15)
        if $redis->cmd('HGET', $name, 'id') eq $wide->{id};
}

ok(at('#/keys?q=w', '9' x 15), 'a time that no calendar has is shown');
ok(at("#/keys/$wide->{id}", '9' x 15), 'on the page of the key, too');


# A key that isn't valid yet.

my $soon = create_key('--name', 'Soon', '--expires', '5d', '--not-before',
                      POSIX::strftime('%Y-%m-%d', gmtime time + 3 * 86400));

ok(at("#/keys/$soon->{id}", 'Not yet valid'), 'a key for later');
$browser->click('button', 'Edit');
$browser->js('document.querySelector("dialog [name=not_before]").value = ""');
$browser->click('button', 'Save');
ok($browser->sees('Saved.'), 'is edited');
is(apikey({ stdin => $soon->{key} }, 'verify')->{exit}, 0, 'to hold at once');


# Tabs.

$browser->go('about:blank');
$browser->go("$console->{url}#/keys");
ok($browser->sees('of 6'), 'six keys');
$browser->js(<<'JS');
    window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(url) { super(url); window.streams.push(this); }
    };
    window.see = (is) => {
        Object.defineProperty(document, 'hidden', { value: !is,
                                                    configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    };
JS

ok(at('#/events', 'Live'), 'events');
is($browser->js('return window.streams.length'), 1, 'a stream of them');
$browser->js('window.see(false)');
is($browser->js('return window.streams[0].readyState'), 2,
   'ends while the tab is not seen');
apikey('disable', $key->{id});
$browser->js('window.see(true)');
ok($browser->until('return document.querySelector(".event .type").textContent'
                   . ' === "Disabled"'),
   'what happened meanwhile is there, on top');
is($browser->js('return window.streams.length'), 2, 'by another stream');


# A page is left while an answer to it is still coming.

at('#/keys', 'Create key');
$browser->js(<<'JS');
    const real = window.fetch;

    window.fetch = async (url, given) => {
        const reply = await real(url, given);

        if (!url.startsWith('api/events?') || !given.headers['X-Unasked']) {
            return reply;
        }

        window.fetch = real;
        window.coming = true;

        return new Response(new ReadableStream({ start(body) {
            given.signal.addEventListener('abort', () =>
                body.error(given.signal.reason));
        } }), reply);
    };
JS
$browser->js("location.hash = '#/events'");
ok($browser->until('return window.coming'), 'an answer is coming');
ok(at('#/keys', 'Create key'), 'when the page is left');
ok(at('#/events', 'Live'), 'which is there again');

my $first = $browser->command(GET => '/window');
my $second = $browser->command(POST => '/window/new', { type => 'tab' });

$browser->command(POST => '/window', { handle => $second->{handle} });
$browser->go($console->{url});
$browser->click('button', 'Sign out');
ok($browser->sees('Access token'), 'who signs out in one tab');
$browser->command(POST => '/window', { handle => $first });
ok($browser->sees('Access token'), 'does so in all of them');
unlike($browser->text, qr/Disabled/, 'which show nothing any more');

is_deeply([ grep { !m{/api/session.*401|/limits.*409} }
                $browser->complaints ], [],
          'the browser has nothing to complain about');

done_testing();
