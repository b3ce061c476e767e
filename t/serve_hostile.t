#!/usr/bin/perl

# The console among those who mean ill: requests that two servers would
# understand in two ways, a viewer who takes all there is, guesses that lock
# others out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use POSIX ();
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $console = console(args => [ '--host', 'keys.example.com' ]);
my $port = $console->{port};
my $admin = "Authorization: Bearer $console->{admin}";
my $r;

sub login {
    my ($token, @headers) = @_;

    return request($port, 'POST', '/api/session',
                   { body => encode_json({ token => $token }) },
                   'Content-Type' => 'application/json', @headers);
}

sub cookie { (login(@_)->header('Set-Cookie') // '') =~ /^([^;]+)/ ? $1 : '' }

sub session { $console->call('GET', '/api/session', undef, @_)->status }


# A name with something behind it is no name of the console.

is(request($port, 'GET', '/', Host => $_)->status, 403, "Host: $_")
    for '[::1]evil.example', 'localhost:80@evil.example', 'localhost:x',
        '[::1]:80x', '[', '[::1', ']', ':80';

is(request($port, 'GET', '/', Host => $_)->status, 200, "Host: $_")
    for 'localhost:', '[::1]', '[::1]:80';


# One request is one request, and its connection ends if that isn't sure.

my @json = ('Host: localhost', 'Content-Type: application/json', $admin);
my $hidden = "DELETE /api/keys/x HTTP/1.1\r\nHost: localhost\r\n$admin\r\n\r\n";

for my $smuggled (
    [ 'a length and chunks', [ @json, 'Content-Length: 4',
      'Transfer-Encoding: chunked' ], "0\r\n\r\n$hidden" ],
    [ 'another encoding', [ @json, 'Transfer-Encoding: xchunked' ],
      "0\r\n\r\n$hidden" ],
    [ 'two encodings', [ @json, 'Transfer-Encoding: gzip, chunked' ],
      "0\r\n\r\n$hidden" ],
    [ 'an encoding twice', [ @json, 'Transfer-Encoding: chunked',
      'Transfer-Encoding: identity' ], "0\r\n\r\n$hidden" ],
    [ 'two lengths', [ @json, 'Content-Length: 2', 'Content-Length: 3' ],
      "{}$hidden" ],
    [ 'two names', [ @json, 'Host: evil.example' ], $hidden ],
    [ 'two tokens', [ @json, 'Authorization: Bearer x' ], $hidden ],
    [ 'a space behind a name', [ @json, 'Transfer-Encoding : chunked',
      'Content-Length: 2' ], "{}$hidden" ],
    [ 'an encoding in two lines', [ @json, "Transfer-Encoding:\r\n chunked",
      'Content-Length: 5' ], "0\r\n\r\n$hidden" ],
    [ 'a header in two lines', [ @json, "X-A: b\r\n Origin: c" ], $hidden ],
    [ 'half an end of line', [ @json, "X-A: b\rOrigin: c" ], $hidden ],
) {
    my ($name, $headers, $rest) = @$smuggled;

    for my $method ('POST', 'GET') {
        my $c = dial($port)->send(join "\r\n", "$method /api/keys HTTP/1.1",
                                  @$headers, '', $rest);

        # libmicrohttpd 1.0 has a status for encodings that it doesn't know
        $r = $c->response;
        like($r->status, $name =~ /encoding/ ? qr/^(?:400|501)\z/ : qr/^400\z/,
             "$method: $name");
        ok($c->closed, 'the connection ends');
        is($c->read(0.01), '', 'and nothing follows');
    }
}

my $c = dial($port)->send(join "\r\n", 'POST /api/keys HTTP/1.1', @json,
                          'Transfer-Encoding: Chunked', '',
                          "5\r\n{\"nam\r\n8\r\ne\":\"ok\"}\r\n0\r\n\r\n");
is($c->response->status, 201, 'chunks are fine');


# A viewer can't take what others need.

my $mine = cookie($console->{admin});
my $first = cookie($console->{viewer});

login($console->{viewer}) for 1 .. 255;
is(session(Cookie => $mine), 200, 'many sessions end no other one');
is(session(Cookie => $first), 401, 'but the oldest of the same token');

my $bytes = "GET /api/events/stream HTTP/1.1\r\nHost: localhost\r\n"
            . "Authorization: Bearer $console->{viewer}\r\n\r\n";
my @streams;

sub begun {
    push @streams, dial($port)->send($_[0]);

    return ($streams[-1]->read(60) =~ /^HTTP\/1\.1 (\d+)/)[0];
}

is(begun($bytes), 200, "stream $_") for 1 .. 8;
is(begun($bytes), 429, 'one too many of a viewer');
is(begun($bytes =~ s/Bearer [^\r]+/Bearer $console->{admin}/r), 200,
   'an admin has one');

$_->close for splice @streams;
ok(wait_for(sub { begun($bytes) == 200 }, 60), 'those that end are free again');
$_->close for splice @streams;


# Guesses from everywhere lock out nobody who has been right before.

my @known = ('X-Forwarded-For' => '203.0.113.1');

is(login($console->{viewer}, @known)->status, 200, 'a right token');
login('x' x 40, 'X-Forwarded-For' => "198.51.100.$_") for 1 .. 100;
is(login($console->{admin}, 'X-Forwarded-For' => '203.0.113.2')->status, 429,
   'an address that nobody knows waits');
is(login($console->{admin}, @known)->status, 200,
   'one that was right does not');
is(login($console->{admin})->status, 200, 'nor does who is on this machine');
is(session(Cookie => $mine), 200, 'nor does who is logged in');
login('x' x 40, @known) for 1 .. 10;
is(login($console->{admin}, @known)->status, 429, 'but for its own guesses');


# Nor from the same address, behind a proxy that says no other: a browser in
# which a token was right is told from those that guess.

sub browser {
    my ($token, @headers) = @_;
    my ($known) = map { /^((?:__Host-)?apikey_browser=[0-9a-f]{64});/ }
                  login($token, @headers)->all('Set-Cookie');

    return $known;
}

my @shared = ('X-Forwarded-For' => '203.0.113.9');

$console->stop;
$console->start;

my $ops = browser($console->{admin}, @shared);
my $auditor = browser($console->{viewer}, @shared);

isnt($ops, $auditor, 'a browser is known by the token that was right in it');
login('x' x 40, @shared) for 1 .. 10;

is(login($console->{admin}, @shared)->status, 429, 'who guesses is locked out');
is(login($console->{admin}, @shared, Cookie => $ops)->status, 200,
   'who was right before is not');
is(login($console->{admin}, @shared, Cookie => $_)->status, 429,
   'with no other cookie')
    for 'apikey_browser=' . '0' x 64, 'apikey_browser=', "x$ops",
        substr($ops, 0, -1), "__Host-$ops";

login('x' x 40, @shared, Cookie => $auditor) for 1 .. 10;
is(login($console->{viewer}, @shared, Cookie => $auditor)->status, 429,
   'a browser has guesses of its own');
is(login($console->{admin}, @shared, Cookie => $ops)->status, 200,
   'which are not those of another one');

$console->stop;
$console->start;
login('x' x 40, @shared) for 1 .. 10;
is(login($console->{admin}, @shared, Cookie => $ops)->status, 429,
   'it is known until the server ends');

like(browser($console->{viewer}, 'X-Forwarded-For' => '203.0.113.10',
             'X-Forwarded-Proto' => 'https'), qr/^__Host-/,
     'over https its cookie is secure');


# What is in its memory stays there; unless no program leaves a core file here.

sub dumps {
    my ($command, $ready) = @_;
    my $said = file('said', '');
    my $folder = $said =~ s{/[^/]*$}{}r;
    my $pid = fork // die $!;

    exec 'sh', '-c', "cd $folder && ulimit -c unlimited && exec $command"
                     . " > $said" or POSIX::_exit(1) if !$pid;

    ok(wait_for(sub { slurp($said) =~ $ready }, 60), 'it runs');
    kill 'SEGV', $pid;
    waitpid $pid, 0;

    return $? & 128;
}

SKIP: {
    skip 'no core files here', 1
        unless dumps("$^X -e '\$| = 1; print 1; sleep 60'", qr/1/);

    my @args = ('--redis', $redis->url, '--pepper-file',
                Test::Apikey::pepper_file(), 'serve', '--listen',
                '127.0.0.1:0');

    ok(!dumps("$Test::Apikey::BUILD/apikey @args", qr/its token/),
       'the console leaves none');
}

done_testing();
