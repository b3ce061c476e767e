#!/usr/bin/perl

# Who may use the console: tokens and roles, sessions, forged requests, names
# that lead here, guesses, and what comes in too large.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $console = console(args => [ '--host', 'keys.example.com' ]);
my $port = $console->{port};
my @json = ('Content-Type' => 'application/json');
my $r;

sub call { $console->call(@_) }

sub login {
    my ($token, @headers) = @_;

    return request($port, 'POST', '/api/session',
                   { body => encode_json({ token => $token }) }, @json,
                   @headers);
}

sub cookie { ($_[0]->header('Set-Cookie') // '') =~ /^([^;]+)/ ? $1 : '' }

sub is_error {
    my ($r, $status, $name) = @_;

    is($r->status, $status, "$name: $status");
    is($r->json->{statusCode}, $status, 'as JSON');
    ok($r->json->{message}, 'with a message');
}


# Without a token there is nothing; the page itself holds no secret.

for my $request ([ 'GET', '/api/keys' ], [ 'GET', '/api/keys/x' ],
                 [ 'GET', '/api/session' ], [ 'GET', '/api/templates' ],
                 [ 'GET', '/api/events' ], [ 'GET', '/api/events/stream' ],
                 [ 'GET', '/api/gateways' ], [ 'GET', '/api/plans' ],
                 [ 'GET', '/api/doctor' ],
                 [ 'POST', '/api/keys' ], [ 'DELETE', '/api/keys/x' ],
                 [ 'DELETE', '/api/session' ])
{
    my ($method, $path) = @$request;

    is_error(request($port, $method, $path, @json), 401,
             "$method $path without a token");
}

$r = request($port, 'GET', '/api/keys');
is($r->header('WWW-Authenticate'), 'Bearer', 'what is needed');
is($r->header('Cache-Control'), 'no-store', 'kept by no cache');
is($r->header('X-Content-Type-Options'), 'nosniff', 'not sniffed');
is(get($port, '/api/openapi.json')->status, 200, 'but the description');

is(request($port, 'GET', '/api/session', Authorization => $_)->status, 401,
   "Authorization: $_")
    for 'Bearer', 'Bearer ', "Basic $console->{admin}", $console->{admin},
        "Bearer $console->{admin}x",
        'Bearer ' . substr $console->{admin}, 0, -1;

is_deeply(call('GET', '/api/session')->json,
          { name => 'ops', role => 'admin', csrf => undef,
            version => '1.0.0' }, 'a token of an admin');


# A viewer sees everything and changes nothing.

my $id = create_key('--name', 'seen')->{id};
my @viewer = (Authorization => "Bearer $console->{viewer}");

is(call('GET', $_, undef, @viewer)->status, 200, "a viewer: GET $_")
    for '/api/session', '/api/keys', '/api/facets', "/api/keys/$id",
        "/api/keys/$id/limits", '/api/templates', '/api/gateways', '/api/plans',
        '/api/events';

is(call('GET', '/api/session', undef, @viewer)->json->{role}, 'viewer',
   'the role');

my $openapi = call('GET', '/api/openapi.json')->json;

for my $path (sort grep { !m{^/api/(?:session|verify)$} }
              keys %{$openapi->{paths}})
{
    for my $method (grep { /^(?:post|put|patch|delete)$/ }
                    sort keys %{$openapi->{paths}{$path}})
    {
        my $uri = $path =~ s/\{id\}/$id/r =~ s/\{\w+\}/x/r;

        is_error(call(uc $method, $uri, {}, @viewer), 403,
                 "a viewer: \U$method\E $path");
    }
}

is_error(call('GET', '/api/doctor', undef, @viewer), 403, 'the doctor');
is(call('GET', "/api/keys/$id")->json->{status}, 'active', 'nothing changed');


# Sessions.

$r = login($console->{admin});
is($r->status, 200, 'a login');
like($r->header('Set-Cookie'),
     qr{^apikey_session=[0-9a-f]{64};\ Path=/;\ Max-Age=43200;\ HttpOnly;
        \ SameSite=Strict$}x, 'its cookie');

my $csrf = $r->json->{csrf};
my $cookie = cookie($r);
my @session = (Cookie => "a=1; $cookie; b=2");
my @proof = ('X-CSRF-Token' => $csrf);

unlike($r->body, qr/\Q$console->{admin}\E/, 'the token is not sent back');
is_deeply(call('GET', '/api/session', undef, @session)->json,
          { name => 'ops', role => 'admin', csrf => $csrf,
            version => '1.0.0' }, 'whose it is');

is(call('POST', '/api/keys', { name => 'by cookie' }, @session,
        @proof)->status, 201, 'a change');

my $other = login($console->{admin});
isnt(cookie($other), $cookie, 'another session');
isnt($other->json->{csrf}, $csrf, 'has another proof');

is_error(login('x' x 40), 401, 'a wrong token');
is(cookie(login('x' x 40)), '', 'gets no cookie');
is_error($_->[1], 400, "a login with $_->[0]")
    for [ 'nothing', request($port, 'POST', '/api/session', @json) ],
        [ 'no token', call('POST', '/api/session', {}) ],
        [ 'a number', call('POST', '/api/session', { token => 1 }) ],
        [ 'more', call('POST', '/api/session', { token => 'x', a => 1 }) ];

is_error(call('GET', '/api/session', undef,
              Cookie => 'apikey_session=' . '0' x 64), 401,
         'a session nobody has');


# Forged requests: what a page of another site may send with the cookie.

my $before = call('GET', '/api/keys')->json->{total};

for my $forged (
    [ 'no proof', @session ],
    [ 'a wrong proof', @session, 'X-CSRF-Token' => '0' x 64 ],
    [ 'half a proof', @session, 'X-CSRF-Token' => substr $csrf, 0, 32 ],
    [ "another session's proof", @session,
      'X-CSRF-Token' => $other->json->{csrf} ],
    [ 'another origin', @session, @proof, Origin => 'https://evil.example' ],
    [ 'no origin', @session, @proof, Origin => 'null' ],
    [ 'another port', @session, @proof, Origin => 'http://localhost:1' ],
    [ 'a sandboxed file', @session, @proof, Origin => 'file://localhost' ],
    [ 'another site', @session, @proof, 'Sec-Fetch-Site' => 'cross-site' ],
    [ 'a sister site', @session, @proof, 'Sec-Fetch-Site' => 'same-site' ],
) {
    my ($name, @headers) = @$forged;

    is_error(call('POST', '/api/keys', { name => 'forged' }, @headers), 403,
             "forged: $name");
    is(call('DELETE', "/api/keys/$id", undef, @headers)->status, 403,
       "$name: DELETE");
}

is_error(call('POST', '/api/keys', '{"name":"forged"}', @session, @proof,
              'Content-Type' => $_), 415, "forged: $_")
    for 'text/plain', 'application/x-www-form-urlencoded',
        'application/jsonp', '';

is_error(login($console->{admin}, Origin => 'https://evil.example'), 403,
         'a forged login');
is(call('GET', '/api/keys')->json->{total}, $before, 'nothing was made');

is(call('POST', '/api/keys', { name => 'own' }, @session, @proof,
        Origin => "http://localhost:$port", Host => "localhost:$port",
        'Sec-Fetch-Site' => 'same-origin')->status, 201, 'the own page');
is(call('POST', '/api/keys', '{"name":"own"}', @session, @proof,
        'Content-Type' => 'Application/JSON; charset=utf-8')->status, 201,
   'with a character set');


# The end of a session.

$r = call('DELETE', '/api/session', undef, @session, @proof);
is($r->status, 204, 'a logout');
like($r->header('Set-Cookie'), qr/^apikey_session=; .*Max-Age=0/,
     'takes the cookie away');
is_error(call('GET', '/api/keys', undef, @session), 401, 'it is over');
is(call('GET', '/api/session', undef, Cookie => cookie($other))->status, 200,
   'the other one is not');


# Names that lead here.

is(request($port, 'GET', '/', Host => $_)->status, 200, "Host: $_")
    for 'localhost', "127.0.0.1:$port", 'LOCALHOST:9', '[::1]:8401',
        'keys.example.com', 'Keys.Example.com:443';

is_error(request($port, 'GET', '/api/session', Host => $_,
                 Authorization => "Bearer $console->{admin}"), 403,
         "Host: $_")
    for 'evil.example', "evil.example:$port", 'localhost.evil.example',
        'keys.example.com.evil.example', 'xkeys.example.com', '[::2]', '',
        '127.0.0.1.evil.example';

is(request($port, 'GET', '/', Host => 'evil.example')->status, 403,
   'not even the page');


# Behind a proxy that has TLS.

$r = login($console->{admin}, 'X-Forwarded-Proto' => 'https',
           Host => 'keys.example.com', Origin => 'https://keys.example.com');
like($r->header('Set-Cookie'), qr/^__Host-apikey_session=.*; Secure$/,
     'https: a secure cookie');
is(call('GET', '/api/session', undef, Cookie => cookie($r),
        'X-Forwarded-Proto' => 'https')->status, 200, 'it holds');
is(call('GET', '/api/session', undef, Cookie => cookie($r))->status, 401,
   'but not without TLS');


# What is too large, or too deep.

is_error(call('POST', '/api/keys', '{"name":"' . 'x' x 70000 . '"}'), 413,
         'a body of 70 KB');
is_error(call('POST', '/api/keys', '[' x 60000), 400, 'a deep one');
is_error(call('POST', '/api/keys', '{"name":' x 9 . '1' . '}' x 9), 400,
         'a deep one that is whole');
is_error(call('POST', '/api/keys', $_), 400, "not JSON: $_")
    for '{', '[]', '1', '"x"', '{"name":"x"', '{"name":"a","name":"b"}',
        "{\"name\":\"\xff\"}", '{"name":"a\u0000b"}', '{"name":"x"}}';
is(get($port, '/', 'X-Long' => 'x' x 60000)->status, 431, 'a long header');


# Guesses: counted by address, here by what the proxy says.

my @from = ('X-Forwarded-For' => '10.0.0.1, 192.0.2.7');

is(login('x' x 40, @from)->status, 401, "guess $_") for 1 .. 10;

$r = login('x' x 40, @from);
is_error($r, 429, 'one too many');
ok($r->header('Retry-After') > 0 && $r->header('Retry-After') <= 60,
   'for how long');
is(login($console->{admin}, @from)->status, 429, 'even if it is right');
is(call('GET', '/api/keys', undef, @from,
        Authorization => "Bearer $console->{admin}")->status, 429,
   'or a bearer');
is(login($console->{admin}, 'X-Forwarded-For' => '192.0.2.8')->status, 200,
   'not from elsewhere');
is(call('GET', '/api/session', undef, @from, Cookie => cookie($other))
   ->status, 200, 'nor who is logged in');

is(login('x' x 40, 'X-Forwarded-For' => "2001:db8::$_")->status, 401,
   "guess $_ of a network") for 1 .. 10;
is(login('x' x 40, 'X-Forwarded-For' => '2001:db8::ffff')->status, 429,
   'of IPv6 the network counts');

login('x' x 40, 'X-Forwarded-For' => "198.51.100.$_") for 1 .. 90;
is(login($console->{admin}, 'X-Forwarded-For' => '203.0.113.1')->status, 429,
   'too many guesses of all together');
like($console->log, qr/^apikey: a wrong token from 192\.0\.2\.7$/m,
     'they are told of');
unlike($console->log, qr/x{40}/, 'but not what they were');

done_testing();
