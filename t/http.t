#!/usr/bin/perl

# HTTP/1 goes on working: connections kept alive, pipelining, slow clients,
# bodies of any size, "Expect: 100-continue", WebSocket.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $tight) = (free_port(), free_port());

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan counted 1000r/30d;

    apikey on;
    add_header X-Result \$apikey_result always;
    client_max_body_size 10m;
    keepalive_requests 10000;

    server {
        listen 127.0.0.1:$port;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /stream {
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_http_version 1.1;
            proxy_request_buffering off;
            client_body_buffer_size 8k;
        }

        location /static {
            try_files /none =204;
        }

        location /socket {
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection "upgrade";
        }
    }

    server {
        listen 127.0.0.1:$tight;
        client_header_buffer_size 64;
        large_client_header_buffers 8 512;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $key = create_key('--permissions', 'full', '--plan', 'counted')->{key};
my @key = ('X-API-Key' => $key);
my @keep = (Connection => 'keep-alive');

sub bytes { Test::Apikey::HTTP::bytes(@_) }

sub result { $_[0]->status . ' ' . ($_[0]->header('X-Result') // '') }

sub remaining { $_[0]->header('X-RateLimit-Remaining') }


# One connection, one request after the other; then all of them at once.

my @mixed = (
    [ [ '/', @keep, @key ], '200 ok' ],
    [ [ '/', @keep ], '401 missing' ],
    [ [ '/static', @keep, @key ], '204 ok' ],
    [ [ '/', @keep, 'X-API-Key' => 'x' ], '401 malformed' ],
    [ [ '/', @keep, @key, Authorization => "Bearer $key" ], '200 ok' ],
);
my @expected = map { $_->[1] } (@mixed) x 4;
my ($c, $r);

$c = dial($port);
is_deeply([ map { $c->send(bytes('GET', @{$_->[0]})); result($c->response) }
                (@mixed) x 4 ],
          \@expected, 'a connection is kept alive, passed and refused');

$c->send(join '', map { bytes('GET', @{$_->[0]}) } (@mixed) x 4);
is_deeply([ map { result($c->response) } 1 .. @expected ], \@expected,
          'pipelined requests are answered in order');

$c->send(bytes('GET', '/static', @keep, @key) x 100);
my @counted = map { remaining($c->response) } 1 .. 100;
is_deeply(\@counted, [ reverse $counted[99] .. $counted[0] ],
          'each pipelined request is counted once');
$c->close;

my $one = join '', map { bytes('GET', '/static', @key, @$_) } ([ @keep ]) x 9,
                   [];
$c = dial($port)->send($one);
is_deeply([ map { result($c->response) } 1 .. 10 ], [ ('204 ok') x 10 ],
          'the last of a pipeline closes');
ok($c->closed, 'and is closed');


# A key that arrives byte by byte, or lies across nginx's buffers.

$c = dial($port);
setsockopt $c->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
$c->send($_) for split //, bytes('GET', '/', @keep, @key, 'X-After' => 'b');
is(result($c->response), '200 ok', 'byte by byte');
$c->send($_) for split //, bytes('POST', '/', { body => 'abc' }, @keep, @key);
$r = $c->response('POST');
is($r->json->{body}, 'abc', 'byte by byte, with a body');
$c->close;

$up->forget;
my @answers = exchange($tight, [ map {
    bytes('GET', '/', 'X-Before' => 'x' x $_, @key, 'X-After' => 'y' x $_)
} 1 .. 200 ]);
is_deeply([ grep { $answers[$_]->status != 200 } 0 .. 199 ], [],
          'at any place of the buffers');
my @seen = $up->requests;
is(scalar @seen, 200, 'all of them went upstream');
is(scalar(grep { $_->{raw} =~ /\Q$key/ } @seen), 0, 'none with the key');


# Bodies, by length and in chunks, passed and refused, on one connection.

sub chunked {
    my ($body) = @_;
    my $text = '';

    for (my $at = 0; $at < length $body; $at += 70000) {
        my $chunk = substr $body, $at, 70000;
        $text .= sprintf "%x\r\n%s\r\n", length $chunk, $chunk;
    }

    return "${text}0\r\n\r\n";
}

for my $at ('/', '/stream') {
    my $c = dial($port);

    for my $size (0, 1, 100_000, 5_000_000) {
        my $body = 'b' x $size;

        for my $case ([ \@key, '200 ok' ], [ [], '401 missing' ],
                      [ [ 'X-API-Key' => 'x' ], '401 malformed' ])
        {
            my ($headers, $expected) = @$case;
            my %sent = (
                'by length' => bytes('POST', $at, { body => $body }, @keep,
                                     @$headers),
                'in chunks' => bytes('POST', $at, { body => chunked($body) },
                                     @keep, @$headers,
                                     'Transfer-Encoding' => 'chunked'),
            );

            for my $way (sort keys %sent) {
                my $name = "$at: $size bytes $way: $expected";
                my $r = $c->send($sent{$way})->response('POST', 120);

                is(result($r), $expected, $name);
                is($r->json->{body_length}, $size, "$name: all upstream")
                    if $r->status == 200;
            }
        }
    }

    $c->close;
}


# A body that comes while Redis is being asked, in pieces.

$redis->pause;
$c = dial($port);
my ($head, $rest) = bytes('POST', '/', { body => 'piece' x 20000 }, @keep,
                          @key) =~ /^(.*?\r\n\r\n)(.*)$/s;
$c->send($head)->send(substr $rest, 0, 30000);
is($c->read(0.05), '', 'no answer while Redis is silent');
$c->send(substr $rest, 30000)->send(bytes('GET', '/static', @keep, @key));
$redis->resume;
$r = $c->response('POST');
is(result($r), '200 ok', 'then the request passes');
is($r->json->{body_length}, 100000, 'with its body');
is(result($c->response), '204 ok', 'and the one that followed it');
$c->close;


# "Expect: 100-continue"

my @expect = (Expect => '100-continue', 'Content-Length' => 5);

$c = dial($port)->send(bytes('POST', '/', @keep, @key, @expect));
is($c->read(60), "HTTP/1.1 100 Continue\r\n\r\n", 'told to go on');
$r = $c->send('hello')->response('POST');
is(result($r), '200 ok', 'and passed');
is($r->json->{body}, 'hello', 'with the body');
is(result($c->send(bytes('GET', '/static', @key))->response), '204 ok',
   'the connection goes on');

$c = dial($port)->send(bytes('POST', '/', @expect));
is(result($c->response('POST')), '401 missing',
   'refused before it has sent the body');
$c->close;


# WebSocket

my @upgrade = (Upgrade => 'websocket', Connection => 'Upgrade',
               'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==',
               'Sec-WebSocket-Version' => 13);

$c = dial($port)->send(bytes('GET', '/socket', @upgrade, @key));
$r = $c->response;
is($r->status, 101, 'upgraded');
is($r->header('Upgrade'), 'websocket', 'to websocket');

for my $text ("\x81\x85\x01\x02\x03\x04abcde", "\0\xff" x 5000, 'last') {
    my $back = '';

    $c->send($text);
    while (length $back < length $text) {
        my $more = $c->read(60);
        last unless length $more;
        $back .= $more;
    }

    ok($back eq $text, length($text) . ' bytes there and back');
}

$c->close;
is(result(get($port, '/socket', @upgrade)), '401 missing',
   'without a key nothing is upgraded');
is(($up->requests)[-1]{method}, 'GET', 'the upgrade was seen upstream');
unlike(($up->requests)[-1]{raw}, qr/\Q$key/, 'without the key');

done_testing();
