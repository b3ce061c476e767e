#!/usr/bin/perl

# apikey usage: what gateways have counted of a key, by days, and when it was
# used last.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

# all of this on one day

left(86400, 120);

my $redis = redis();
my $now = $redis->cmd('TIME')->[0];

sub key { create_key('--permissions', 'read', @_) }
sub day { strftime('%Y-%m-%d', gmtime($now - 86400 * $_[0])) }

sub past_of { 'apikey:usage:{' . $redis->digest($_[0]{id}) . '}' }

# As a gateway leaves it, so many days ago.

sub used {
    my ($key, $ago, @fields) = @_;
    my $day = day($ago) =~ s/-//gr;

    $redis->set_usage(past_of($key) . ":$day", @fields);
    $redis->cmd('HSET', past_of($key), 'day', $day);
}

sub usage {
    my ($key, @args) = @_;
    my $r = apikey('--json', 'usage', $key->{id}, @args);

    is($r->{exit}, 0, "usage @args") or diag($r->{err});

    return decode_json($r->{out});
}

my $key = key('--name', 'busy');
my $digest = $redis->digest($key->{id});

used($key, 0, n => 10, b => 123456, x => 2, dlimited => 3, dscope => 1,
     s200 => 4, s404 => 2, s429 => 4, l0 => 5, l13 => 1,
     'eGET /v1/' => 9, eother => 1, cDE => 8, cFR => 2,
     '#e' => 1, '#c' => 2, later => 'unknown');
used($key, 2, n => 5, b => 44, s200 => 5, l3 => 5, 'eGET /v1/' => 5, cDE => 5);
used($key, 40, n => 1000, s200 => 1000, l0 => 1000);

$redis->cmd('HSET', "apikey:{$digest}", 'used', '1795304100 2001:db8::1');

my @le = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000);
my $json = usage($key);

is(scalar @{$json->{days}}, 30, 'thirty days');
is($json->{days}[-1]{day}, day(0), 'today is the last');
is($json->{days}[0]{day}, day(29), 'the oldest is the first');
is_deeply($json->{days}[-1],
          { day => day(0), requests => 10, bytes => 123456, errors => 2,
            denied => { limited => 3, scope => 1 },
            statuses => { 200 => 4, 404 => 2, 429 => 4 },
            endpoints => { 'GET /v1/' => 9, other => 1 },
            countries => { DE => 8, FR => 2 },
            latency => { le => \@le, count => [ 5, (0) x 12, 1 ] } },
          'what was counted today');
is_deeply($json->{days}[-2],
          { day => day(1), requests => 0, bytes => 0, errors => 0,
            denied => {}, statuses => {}, endpoints => {}, countries => {},
            latency => { le => \@le, count => [ (0) x 14 ] } },
          'a day without use');
is_deeply($json->{total},
          { requests => 15, bytes => 123500, errors => 2,
            denied => { limited => 3, scope => 1 },
            statuses => { 200 => 9, 404 => 2, 429 => 4 },
            endpoints => { 'GET /v1/' => 14, other => 1 },
            countries => { DE => 13, FR => 2 },
            latency => { le => \@le, count => [ 5, 0, 0, 5, (0) x 9, 1 ] } },
          'and all together');
is_deeply([ @$json{qw(id last_used last_address)} ],
          [ $key->{id}, 1795304100, '2001:db8::1' ], 'whose, and the last use');

is(usage($key, '--days', 41)->{total}{requests}, 1015, 'more days');
is(usage($key, '--days', 1)->{total}{requests}, 10, 'today alone');
is(@{usage($key, '--days', 3650)->{days}}, 3650, 'ten years');


# For people, and as CSV.

my $text = apikey('usage', $key->{id}, '--days', 3)->{out};

like($text, qr/^DAY +REQUESTS +DENIED +ERRORS +ERROR RATE +SENT\n/,
     'a table of days, without bars where nobody looks');
like($text, qr/^@{[ day(0) ]} +10 +4 +2 +33\.3% +123\.5 KB$/m, 'a day');
like($text, qr/^@{[ day(1) ]} +0 +0 +0 +- +0 B$/m, 'a day without use');
like($text, qr/^total +15 +4 +2 +18\.2% +123\.5 KB$/m, 'the total');
like($text, qr/^ENDPOINT .*\nGET \/v1\/ +14 +93\.3%\nother +1 +6\.7%$/m,
     'endpoints, the most frequent first');
like($text, qr/^COUNTRY .*\nDE +13 +86\.7%\nFR +2 +13\.3%$/m, 'countries');
like($text, qr/^STATUS .*\n200 +9 .*\n429 +4 .*\n404 +2 /m, 'statuses');
like($text, qr/^DENIED .*\nlimited +3 +75\.0%\nscope +1 +25\.0%$/m, 'denied');
like($text,
     qr/^MILLISECONDS .*\nup to 1 +5 .*\nup to 10 +5 .*\nover 10000 +1 /m,
     'latencies');
like($text, qr/^last used 2026-11-21 \d\d:\d\d:\d\d UTC from 2001:db8::1$/m,
     'the last use');

my $seen = run('script', '-qec', join(' ', "$Test::Apikey::BUILD/apikey",
               '--redis', $redis->url, 'usage', $key->{id}, '--days', 3),
               '/dev/null');

like($seen->{out}, qr/^@{[ day(0) ]} .* \#{30}\r?$/m, 'a terminal shows bars');
like($seen->{out}, qr/^@{[ day(2) ]} .* \#{15}\r?$/m, 'half as long for half');

my @lines = split /\r\n/, apikey('usage', $key->{id}, '--days', 2, '--format',
                                 'csv')->{out};

is_deeply([ sort @lines ], [ sort 'day,what,label,count',
    map({ day(0) . ",$_" } 'requests,,10', 'bytes,,123456', 'errors,,2',
        'denied,limited,3', 'denied,scope,1', 'statuses,200,4',
        'statuses,404,2', 'statuses,429,4', 'endpoints,GET /v1/,9',
        'endpoints,other,1', 'countries,DE,8', 'countries,FR,2',
        'latency,1,5', 'latency,,1'),
    map({ day(1) . ",$_" } 'requests,,0', 'bytes,,0', 'errors,,0') ], 'CSV');


# The last use, wherever a key is shown.

my ($listed) = grep { $_->{id} eq $key->{id} }
               @{decode_json(apikey('--json', 'list')->{out})};

is($listed->{last_used}, 1795304100, 'list --json: when');
is($listed->{last_address}, '2001:db8::1', 'and from where');
like(apikey('list')->{out}, qr/^$key->{id} .* 2026-11-21 \d\d:\d\d$/m, 'list');
like(apikey('show', $key->{id})->{out},
     qr/^last_used +2026-11-21 .* UTC\nlast_address +2001:db8::1$/m, 'show');


# Keys that were never used, and what can't be.

my $unused = key();
$json = usage($unused);
is($json->{total}{requests}, 0, 'never used');
is($json->{last_used}, undef, 'at no time');
is($json->{last_address}, undef, 'from nowhere');
like(apikey('usage', $unused->{id})->{out}, qr/^never used$/m, 'which it says');

$redis->cmd('HSET', "apikey:{" . $redis->digest($unused->{id}) . "}", 'used',
            'nonsense');
is(usage($unused)->{last_used}, undef, 'a last use that nobody can read');

for ([ 1, 'no-such-id' ], [ 1, 'a', 'b' ], [ 2, 'a', '--org', 'acme' ],
     [ 2, $key->{id}, '--days', 0 ], [ 2, $key->{id}, '--days', 3651 ],
     [ 2, $key->{id}, '--days', 'x' ], [ 2, $key->{id}, '--format', 'xml' ],
     [ 2, $key->{id}, '--json', '--format', 'csv' ])
{
    my ($exit, @args) = @$_;
    my $r = apikey('usage', @args);

    is($r->{exit}, $exit, "usage @args") or diag($r->{err});
    is($r->{out}, '', 'prints nothing');
}


# The console gives the same.

my $console = console();
my $path = "/api/keys/$key->{id}/usage";

is_deeply($console->call('GET', "$path?days=7")->json,
          usage($key, '--days', 7), 'by the console: the same');
is_deeply($console->call('GET', $path)->json, usage($key), 'thirty days');
is($console->call('GET', "$path?$_")->status, 400, "not with $_")
    for 'days=0', 'days=x', 'weeks=1';
is($console->call('GET', '/api/keys/AAAAAAAAAAAAAAAA/usage')->status, 404,
   'nor of a key that nobody has');


# A rotated key begins anew; what a deleted one was used for stays.

my $new = decode_json(apikey('--json', 'rotate', $key->{id})->{out});
is(usage($new)->{total}{requests}, 0, 'a rotated key begins anew');
is($new->{last_used}, undef, 'and was never used');
is(usage($key)->{total}{requests}, 15, 'the old one keeps what it has');

is(apikey('delete', $key->{id})->{exit}, 0, 'a key is deleted');
$json = usage($key);
is($json->{total}{requests}, 15, 'its usage is still there');
is($json->{last_used}, undef, 'its last use is not');

done_testing();
