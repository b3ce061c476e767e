#!/usr/bin/perl

# A key that somebody pastes into the console is found, and stands in no
# address, no history and no request's line; keys are told apart by how they
# end, deleted within what is shown, and changed as they were read.

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
my $console = console();
my $browser = browser();

my %key = map { $_ => create_key('--name', "Key of $_", '--org', $_,
                                 '--project', 'rosetta') } qw(acme globex);
create_key('--name', 'Key of nobody', '--project', 'rosetta');

sub at {
    $browser->js("location.hash = '$_[0]'");
    return $browser->sees($_[1]);
}

# Where the browser has been and what it has asked for.

sub trace {
    return $browser->js(<<'JS');
        return [location.href, JSON.stringify(history.state),
                ...performance.getEntriesByType('resource').map((e) => e.name),
                JSON.stringify({...localStorage, ...sessionStorage})]
               .join(' ');
JS
}

$browser->go($console->{url});
$browser->fill('Access token', $console->{admin});
$browser->click('button', 'Sign in');
ok($browser->sees('Key of acme'), 'the list');
ok($browser->sees("…$key{acme}{hint}"), 'with the end of each key');


# Pasted, even with what stood around it.

my $text = $key{acme}{key};

$browser->fill('Search keys', "X-API-Key: $text");
ok($browser->until('return location.hash.startsWith("#/keys/")'), 'found');
is($browser->js('return location.hash'), "#/keys/$key{acme}{id}",
   'its page');
ok($browser->sees('Ends with'), 'where the end stands, too');
unlike(trace(), qr/\Q$text\E/, 'it stands nowhere');

at('#/keys', 'Key of globex');
$browser->fill('Search keys', substr($text, 0, -1));
ok($browser->sees('No record belongs to this key.'), 'a part of it');
unlike(trace(), qr/\Q@{[substr $text, 3, 20]}\E/, 'is as secret');

$browser->js("location.hash = '#/keys?q=$text'");
ok($browser->until("return location.hash === '#/keys/$key{acme}{id}'"),
   'in the address, it goes out of it');

at('#/keys', 'Key of globex');
$browser->js("location.hash = '#/keys/$text'");
ok($browser->until("return location.hash === '#/keys/$key{acme}{id}'"),
   'or in the place of an id');
unlike(join(' ', grep { !/^http\S+#/ } split ' ', trace()), qr/\Q$text\E/,
       'and is asked for in no URL');

at('#/keys', 'Key of globex');
$browser->fill('Search keys', $key{globex}{hint});
ok($browser->until('return document.querySelectorAll(".keys tbody tr").length'
                   . ' === 1'), 'its end alone finds it');
ok($browser->sees('Key of globex'), 'that one');


# Errors are a share of what was let through, as the program says: 40 requests,
# 30 of them denied, 10 errors.

my @today = gmtime $redis->cmd('TIME')->[0];
my $day = sprintf 'apikey:usage:{%s}:%04d%02d%02d',
          $redis->digest($key{globex}{id}), $today[5] + 1900, $today[4] + 1,
          $today[3];

sub little { substr pack('Q<', $_[0]), 0, $_[1] }

$redis->cmd('HSET', $day, 'n', little(40, 5) . little(0, 7) . little(10, 5)
            . "\0" x 44, 'dlimited', little(30, 5));

like(apikey('usage', $key{globex}{id})->{out},
     qr/^total +40 +30 +10 +100\.0%/m, 'the program');
at("#/keys/$key{globex}{id}", 'Identity');
ok($browser->until('return [...document.querySelectorAll(".sums dt")].some('
                   . '(e) => e.textContent === "Errors" && '
                   . 'e.nextSibling.textContent === "10100 %")'),
   'the console');


# Two change the same key: the later one is told.

at("#/keys/$key{globex}{id}", 'Identity');
$browser->click('button', 'Edit');
is(apikey('edit', $key{globex}{id}, '--limits', '5r/m')->{exit}, 0,
   'changed by another');
$browser->fill('Name', 'Mine');
$browser->click('button', 'Save');
ok($browser->sees('The key was changed meanwhile'), 'it is said');
unlike(apikey('show', $key{globex}{id})->{out}, qr/Mine/, 'and not changed');
$browser->click('button', 'Cancel');


# Deleted within what is shown, and whose they are.

at('#/keys', 'Key of nobody');
ok(!$browser->js('return document.querySelector(".menu") !== null'),
   'of all keys there is nothing to delete');

at('#/keys?project=rosetta&org=acme', '1–1 of 1');
ok($browser->until('return document.querySelector(".menu")'), 'of some');
unlike(join("\n", map { $_->{name} // '' } @{$browser->tree}), qr/^Delete/m,
       'it takes a click to see it');
$browser->click('button', 'More');
$browser->click('button', 'Delete 1 key…');
ok($browser->sees('acme – 1 key'), 'whose it is');
$browser->fill('Type delete 1 to confirm', 'delete 1');
$browser->click('button', 'Delete 1 key');
ok($browser->sees('Deleted 1 key.'), 'deleted');
is($console->call('GET', '/api/keys?project=rosetta')->json->{total}, 2,
   'the others of the project are there');

is_deeply([ grep { !m{/api/\S+ .*\b(401|412)\b} } $browser->complaints ], [],
          'the browser has nothing to complain about');

done_testing();
