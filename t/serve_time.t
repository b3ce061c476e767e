#!/usr/bin/perl

# What ends by time in the console: sessions that are idle or old, and the
# refusal of who gave wrong tokens.  Its clock is set by this test.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

# A library that adds the seconds in a file to what the clock says.

my $ahead = file('ahead', "0\n");
my $source = file('clock.c', <<'C');
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    char  text[32];
    int   fd, n;

    if (syscall(SYS_clock_gettime, clock, ts) != 0) {
        return -1;
    }

    fd = open(getenv("TEST_CLOCK"), O_RDONLY|O_CLOEXEC);
    n = (fd == -1) ? 0 : read(fd, text, sizeof(text) - 1);
    close(fd);

    if (clock == CLOCK_MONOTONIC && n > 0) {
        text[n] = '\0';
        ts->tv_sec += atol(text);
    }

    return 0;
}
C

my $library = $source =~ s/\.c$/.so/r;
my $r = run('cc', '-shared', '-fPIC', '-o', $library, $source);

is($r->{exit}, 0, 'a clock') or diag($r->{err});

my $redis = redis();
my $console;
my @tokens = map { $_ x 32 } 'a' .. 'i';

{
    local $ENV{LD_PRELOAD} = $library;
    local $ENV{TEST_CLOCK} = $ahead;
    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} || (),
                                         'verify_asan_link_order=0';

    $console = console(admin => $tokens[0], tokens => join '', map {
        "ops$_ admin $tokens[$_]\n" } 0 .. $#tokens);
}

my $now = 0;

sub later {
    my ($seconds) = @_;

    $now += $seconds;

    # never empty
    rename file('ahead.new', "$now\n"), $ahead or die "$ahead: $!";
}

sub login { $console->call('POST', '/api/session', { token => $_[0] }) }

sub session {
    my ($cookie) = login($_[0] || $tokens[0])->header('Set-Cookie')
                   =~ /^([^;]+)/;

    return $cookie;
}

sub status {
    my ($cookie, @headers) = @_;

    $console->call('GET', '/api/session', undef, Cookie => $cookie,
                   @headers)->status;
}


# Idle for half an hour.

my ($idle, $used, $watched, $streaming) = map { session() } 1 .. 4;

for my $part (1 .. 3) {
    is(status($used), 200, "in use: $part");
    status($watched, 'X-Unasked' => 1);
    dial($console->{port})->send("GET /api/events/stream HTTP/1.1\r\n"
        . "Host: localhost\r\nCookie: $streaming\r\n\r\n")->read(5);
    later(900);
}

is(status($used), 200, 'one that is used goes on');
is(status($idle), 401, 'one that is not ends');
is(status($watched), 401, 'what the page asks for by itself is no use');
is(status($streaming), 401, 'nor are its streams');

# Twelve hours.

for my $part (1 .. 26) {
    later(1700);
    status($used);
}

is(status($used), 401, 'one that is old ends, however much it is used');


# More sessions than there is room for: the one longest idle goes.

my @sessions = map { later(1) if $_ < 2; session($tokens[$_ % 8]) } 0 .. 255;

later(1);
is(status($sessions[0]), 200, 'room for 256');
session($tokens[8]);
is(status($sessions[0]), 200, 'one more: who was here last stays');
is(status($sessions[1]), 401, 'who was not goes');


# Wrong tokens.

is(login('x' x 32)->status, 401, "guess $_") for 1 .. 10;
is(login($console->{admin})->status, 429, 'too many');
later(30);
is(login($console->{admin})->status, 429, 'even a little later');
later(31);
is(login($console->{admin})->status, 200, 'until the minute is over');
is(login('x' x 32)->status, 401, 'and they count anew');
is(login($console->{admin})->status, 200, 'from the beginning');


# Requests and answers that take forever, a byte every now and then.

my $c = dial($console->{port});

for my $byte (split //, 'GET') {
    $c->send($byte);
    later(25);
}

ok($c->closed(60), 'a request that trickles in is cut off');

$c = dial($console->{port});
$c->send("GET /api/events/stream HTTP/1.1\r\nHost: localhost\r\n"
         . "Authorization: Bearer $tokens[0]\r\n\r\n");
like($c->read(60), qr/^HTTP\/1\.1 200/, 'a stream');

for my $event (1 .. 4) {
    later(20);
    $redis->cmd('XADD', 'apikey:events', '*', 'type', 'created', 'name',
                "event $event");
    my $text = '';

    ok(wait_for(sub { ($text .= $c->read(1) // '') =~ /event $event/ }),
       'goes on as long as it takes');
}

done_testing();
