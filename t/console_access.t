#!/usr/bin/perl

# The web console for who has no mouse, no sight, little contrast in his eyes,
# or only a phone: on each of its pages.

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

nginx(<<"CONF");
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

my $key = create_key('--name', 'A name without a single space in it, but for '
    . 'x' x 90, '--org', 'acme', '--template', 'Admin',
    '--limits', '60r/m 10000r/d', '--allow', '127.0.0.0/8');
apikey('revoke', create_key('--name', 'revoked')->{id});
apikey('disable', create_key('--name', 'disabled')->{id});
get($port, '/', 'X-API-Key' => $key->{key}) for 1 .. 3;

# The heading of each, and what shows that it has all it shows.
my @pages = (['#/keys', 'Keys', 'of 4'],
             ['#/create', 'Create key', 'Own limits'],
             ["#/keys/$key->{id}", $key->{name}, 'As a table'],
             ['#/events', 'Events', 'Live'],
             ['#/templates', 'Templates', 'mcp-server'],
             ['#/gateways', 'Gateways', '1 worker']);

sub at {
    my ($hash, $heading, $text) = @_;

    $browser->js('location.hash = arguments[0]', $hash);

    return $browser->until(<<'JS', $heading, $text);
        return document.querySelector('h1').textContent === arguments[0]
               && document.body.innerText.includes(arguments[1])
               && !document.querySelector('[aria-busy=true]');
JS
}

# The focused element, by what it says.

sub focused {
    return $browser->js(<<'JS');
        const e = document.activeElement;
        return (e.getAttribute('aria-label') || e.labels?.[0]?.textContent
                || e.textContent).trim();
JS
}

# The focus comes with what is drawn.

sub focus_is {
    my ($what, $name) = @_;

    wait_for(sub { focused() eq $what });
    is(focused(), $what, $name);
}

# Goes on with Tab until that has the focus.

sub tab_to {
    my ($name) = @_;

    for (1 .. 60) {
        return 1 if focused() =~ /^\Q$name\E/;
        $browser->press('Tab');
    }

    return 0;
}


# Without a mouse.

$browser->go($console->{url});
ok($browser->sees('Access token'), 'the console');
$browser->press($console->{admin}, 'Enter');
ok($browser->sees('1–3 of 3'), 'signed in to a list of three keys');
focus_is('Keys', 'the focus is at the heading of the page');

ok(tab_to('Create key'), 'Tab leads to the link');
$browser->press('Enter');
ok($browser->until('return document.activeElement.name === "name"'),
   'Enter to the form, whose first field has the focus');
$browser->press('by keyboard', 'Tab', 'Down', 'Down', 'Enter');
ok($browser->until('return document.querySelector("dialog .secret")'),
   'the arrows choose, Enter makes the key');
like($browser->js('return document.querySelector("dialog").innerText'),
     qr/Key created/, 'which the dialog shows');

$browser->press('Escape', 'Escape', 'Escape');
ok($browser->js('return document.querySelector("dialog .secret") !== null'),
   'Escape doesn\'t lose it');
ok(tab_to('Done'), 'the focus is in the dialog');
$browser->press('Enter', 'Enter');
ok($browser->sees('Identity'), 'it ends at the key');
like($browser->text, qr/^read-only$/m, 'which is as it was chosen');

ok(tab_to('Edit'), 'a button of it');
$browser->press('Enter');
ok($browser->until('return document.querySelector("dialog[open]")'),
   'opens a dialog');
focus_is('Name', 'with the focus in it');
$browser->press('Escape');
focus_is('Edit', 'Escape gives it back');

at(@{$pages[0]});
$browser->press('Control+k');
focus_is('Search keys', 'Ctrl+K to the search');
ok(tab_to('Created'), 'to a heading');
$browser->press('Enter');
ok($browser->until('return document.querySelector("[aria-sort=ascending]")'),
   'by which the list is sorted');
focus_is('Created↑', 'and which keeps the focus');


# Without sight.

my %NAMED = map { $_ => 1 } qw(button link textbox searchbox combobox checkbox
                               radio meter dialog table img navigation figure
                               spinbutton Date DateTime);

sub nameless {
    my %seen;

    return grep { !$seen{$_}++ }
           map { $_->{role} }
           grep { $NAMED{$_->{role} // ''} && $_->{role} ne 'figure'
                  && ($_->{name} // '') !~ /\S/ }
           @{$browser->tree};
}

for (@pages) {
    ok(at(@$_), $_->[0]);
    is_deeply([ nameless() ], [], 'each control has a name');

    my %roles;
    $roles{$_->{role} // ''}++ for @{$browser->tree};

    is($roles{main}, 1, 'one main part');
    ok($roles{navigation}, 'a navigation');
    is($browser->js('return document.querySelectorAll("h1").length'), 1,
       'one heading');
    is($browser->js('return document.title'), $browser->js(
       'return document.querySelector("h1").textContent + " · API keys"'),
       'which names the page');
}

at(@{$pages[0]});
my %roles;
$roles{$_->{role}}++ for grep { $_->{role} } @{$browser->tree};
is($roles{row}, 5, 'the list has rows');
is($roles{columnheader}, 8, 'and columns');


# On a phone.

$browser->size(360, 740);

sub overflow {
    return $browser->js(<<'JS');
        const wide = document.documentElement.scrollWidth;
        return wide <= 360 ? '' : [...document.querySelectorAll('main *')]
            .filter((e) => e.getBoundingClientRect().right > 360)
            .map((e) => e.outerHTML.slice(0, 80)).slice(0, 5).join(' ');
JS
}

for (@pages) {
    ok(at(@$_), "$_->[0] on a phone");
    is(overflow(), '', 'needs no scrolling to the side');
}

at(@{$pages[0]});
%roles = ();
$roles{$_->{role}}++ for grep { $_->{role} } @{$browser->tree};
is($roles{row}, 5, 'rows are rows there, too');

at(@{$pages[2]});
$browser->click('button', 'Edit');
ok($browser->until(<<'JS'), 'a dialog has room, too');
    const box = document.querySelector('dialog[open]').getBoundingClientRect();
    return box.left >= 0 && box.right <= 360;
JS
$browser->press('Escape');


# In both lights: 4.5 to 1 for each text that can be read, 3 to 1 for a large
# one; what is switched off is exempt.

my $CONTRAST = <<'JS';
    const parse = (c) => {
        const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number);
        return [r, g, b, a];
    };

    const over = (top, under) => [0, 1, 2].map((i) =>
        top[i] * top[3] + under[i] * (1 - top[3])).concat(1);

    const ground = (e) => {
        const layers = [];
        for (; e; e = e.parentElement) {
            layers.push(parse(getComputedStyle(e).backgroundColor));
        }
        return layers.reverse().reduce((under, top) => over(top, under),
                                       [255, 255, 255, 1]);
    };

    const light = (c) => {
        const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) =>
            v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };

    const ratio = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };

    const weak = [];
    const walk = document.createTreeWalker(document.body,
                                           NodeFilter.SHOW_TEXT);

    while (walk.nextNode()) {
        const e = walk.currentNode.parentElement;
        const style = getComputedStyle(e);

        if (!walk.currentNode.textContent.trim()
            || !e.checkVisibility({ visibilityProperty: true })
            || e.closest('.unseen, option, script, :disabled, '
                         + '[aria-disabled=true], [aria-busy=true]')
            || e instanceof SVGElement)
        {
            continue;
        }

        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        const under = ground(e);
        const found = ratio(over(parse(style.color), under), under);

        if (found < (large ? 3 : 4.5)) {
            weak.push(`${e.tagName}.${e.className} ${found.toFixed(2)}: `
                      + walk.currentNode.textContent.slice(0, 20));
        }
    }

    return weak;
JS

$browser->size(1280, 800);

my %ground;

for my $scheme ('light', 'dark') {
    $browser->media('prefers-color-scheme' => $scheme,
                    'prefers-reduced-motion' => 'reduce');

    $ground{$scheme} = $browser->js(
        'return getComputedStyle(document.documentElement).backgroundColor');

    for (@pages) {
        at(@$_);
        is_deeply($browser->js($CONTRAST), [], "$_->[0] in the $scheme");
    }

    at(@{$pages[2]});
    $browser->click('button', 'Revoke');
    $browser->fill('Type revoke to confirm', 'revoke');
    is_deeply($browser->js($CONTRAST), [], "a dialog in the $scheme");
    $browser->press('Escape');
}

isnt($ground{light}, $ground{dark}, 'light and dark differ');
is($browser->js('return getComputedStyle(document.body).animationName'),
   'none', 'nothing moves for who wants that');

is_deeply([ grep { !m{/api/session.*401} } $browser->complaints ], [],
          'the browser has nothing to complain about');

done_testing();
