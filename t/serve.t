#!/usr/bin/perl

# "apikey serve": its routes are those of openapi.json, its pages those of
# src/console; it ends when it is told to, and outlives Redis.

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


# The description and the routes: those of the one are those of the other.

$r = $console->call('GET', '/api/openapi.json');
is($r->status, 200, 'the API is described');
is($r->header('Content-Type'), 'application/json', 'as JSON');

my $openapi = $r->json;
my %described = map { $_ => [ sort grep { /^[a-z]+$/ && $_ ne 'parameters' }
                              keys %{$openapi->{paths}{$_}} ] }
                keys %{$openapi->{paths}};

for my $path (sort keys %described) {
    my $uri = $path =~ s/\{\w+\}/x/gr;

    $r = $console->call('TRACK', $uri);
    is($r->status, 405, "$path: another method");
    is(join(', ', sort grep { $_ ne 'head' }
                  split /, /, lc($r->header('Allow') // '')),
       join(', ', @{$described{$path}}), "$path: the methods described");
}

my $code = slurp("$Test::Apikey::ROOT/src/web/api.c");
my %routes;

$routes{$2}{lc $1} = 1 while $code =~ /^    \{ "([A-Z]+)", "(\S+)"/mg;

$routes{'/api/openapi.json'}{get} = 1;

is_deeply({ map { $_ => [ sort keys %{$routes{$_}} ] } keys %routes },
          \%described, 'every route is described, and no other');

sub references {
    my ($value) = @_;

    return map { references($_) } @$value if ref $value eq 'ARRAY';
    return map { $_ eq '$ref' ? $value->{$_} : references($value->{$_}) }
           keys %$value if ref $value eq 'HASH';
    return;
}

for my $reference (references($openapi)) {
    my $to = $openapi;

    $to = ref $to && $to->{$_} for split m{/}, $reference =~ s{^#/}{}r;

    fail("openapi.json: nothing is at $reference") unless $to;
}

is($console->call('GET', $_)->status, 404, "$_: there is no such page")
    for '/api', '/api/', '/api/keys/', '/api/keys/a/b', '/nosuch',
        '/index.html/', '/../README.md', '/api/keys/a/limits/reset/x';


# The page: to the byte, and not sent twice.

$r = get($console->{port}, '/');
is($r->status, 200, 'the page');
is($r->header('Content-Type'), 'text/html; charset=utf-8', 'is HTML');
is($r->body, slurp("$Test::Apikey::ROOT/src/console/index.html"),
   'to the byte');
is($r->header('Cache-Control'), 'no-cache', 'asked for each time');

my %type = (css => 'text/css; charset=utf-8', svg => 'image/svg+xml',
            js => 'text/javascript; charset=utf-8');

for my $file (glob "$Test::Apikey::ROOT/src/console/*.{css,js,svg}") {
    my ($name, $end) = $file =~ m{([^/]+\.(\w+))$};

    $r = get($console->{port}, "/$name");
    is($r->body, slurp($file), "/$name");
    is($r->header('Content-Type'), $type{$end}, "/$name: its type");
}

my $tag = get($console->{port}, '/')->header('ETag');
$r = get($console->{port}, '/', 'If-None-Match' => $tag);
is($r->status, 304, 'not sent twice');
is($r->body, '', 'and empty');
is(get($console->{port}, '/', 'If-None-Match' => '"x"')->status, 200,
   'but when it has changed');

$r = request($console->{port}, 'HEAD', '/');
is($r->status, 200, 'HEAD');
is($r->body, '', 'has no body');
is(request($console->{port}, 'POST', '/')->status, 405, 'POST');

like($r->header($_->[0]), $_->[1], $_->[0])
    for [ 'Content-Security-Policy', qr/^default-src 'none'; / ],
        [ 'Content-Security-Policy', qr/script-src 'self';/ ],
        [ 'Content-Security-Policy', qr/frame-ancestors 'none'/ ],
        [ 'X-Content-Type-Options', qr/^nosniff$/ ],
        [ 'Referrer-Policy', qr/^no-referrer$/ ],
        [ 'Cross-Origin-Opener-Policy', qr/^same-origin$/ ],
        [ 'Cross-Origin-Resource-Policy', qr/^same-origin$/ ];


# Redis goes, and comes back.

is($console->call('GET', '/api/keys')->status, 200, 'with Redis');
$redis->stop;

for my $path ('/api/keys', '/api/keys/x', '/api/templates', '/api/facets') {
    $r = $console->call('GET', $path);
    is($r->status, 503, "$path without Redis: 503");
    is($r->json->{statusCode}, 503, 'as JSON');
    ok($r->header('Retry-After'), 'and may be asked again');
}

is($console->call('GET', '/api/session')->status, 200,
   'what needs no Redis goes on');
ok(!$console->call('GET', '/api/doctor')->json->{ok}, 'the doctor says it');

$redis->start;

for my $path ('/api/keys', '/api/templates', '/api/facets') {
    is($console->call('GET', $path)->status, 200, "$path with Redis again");
}

my $id = create_key('--name', 'after')->{id};
is($console->call('GET', '/api/keys')->json->{total}, 1, 'and up to date');

# A kept connection that Redis has closed isn't a request's problem.

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
is($console->call('GET', "/api/keys/$id")->status, 200,
   'a connection that has ended is replaced');

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
apikey('edit', $id, '--name', 'later');
is($console->call('GET', '/api/keys?q=later')->json->{total}, 1,
   'what is changed while nothing is heard is seen all the same');


# Signals, and what can't be served.

my $open = dial($console->{port});
$open->send("GET /api/keys HTTP/1.1\r\n");
is_deeply([ $console->stop ], [], 'it ends when it is told to, with status 0');
like($open->read(60) // '', qr/^(?:HTTP|$)/, 'with what is open');

sub serve {
    my ($args, %opt) = @_;

    return run("$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
               '--pepper-file', $opt{pepper} || Test::Apikey::pepper_file(),
               'serve', @$args);
}

for my $listen ('', '8401', 'localhost', '127.0.0.1:', ':8401', '::1:8401',
                '127.0.0.1:65536', '[::1:8401', '127.0.0.1:x')
{
    $r = serve([ '--listen', $listen ]);
    is($r->{exit}, 2, "--listen \"$listen\"");
    like($r->{err}, qr/--listen "\Q$listen\E": not like/, 'is said');
}

$r = serve([ '--listen', "127.0.0.1:$redis->{port}" ]);
is($r->{exit}, 2, 'a port in use');
like($r->{err}, qr/:$redis->{port}: Address already in use/, 'is said');

is(serve([ '--host', $_ ])->{exit}, 2, "--host \"$_\"")
    for '', 'a:80', 'http://a';
is(serve([ 'x' ])->{exit}, 2, 'an operand');
is(serve([], pepper => '/nonexistent')->{exit}, 2, 'no pepper');

done_testing();
