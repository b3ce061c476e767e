#!/usr/bin/perl

# A request whose body is still coming in when its key is revoked isn't sent
# on: neither one that nginx keeps until it is whole, nor one that is streamed.
# Nor does one pass whose upstream sends it elsewhere after that.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8,
                                 LocalPort => free_port()) or die $!;

my $nginx = nginx(<<"CONF");
    apikey_cache zone=keys:1m valid=1h;
    apikey_plan counted 1000/25920000;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_cut off;
        add_header X-Result \$apikey_result always;
        client_body_buffer_size 1k;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /stream {
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }

        location /sent {
            proxy_pass http://127.0.0.1:@{[ $slow->sockport ]};
        }

        location /here {
            internal;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $other = create_key();

# What became of 20 requests: the first part of each, a change, and the rest.

sub held {
    my ($uri, $key, $chunked, @change) = @_;
    my $body = 'x' x 3000;
    my $head = "POST $uri HTTP/1.1\r\nHost: a\r\nX-API-Key: $key->{key}\r\n"
               . "Connection: close\r\n"
               . ($chunked ? "Transfer-Encoding: chunked\r\n\r\nbb8\r\n"
                           : "Content-Length: 3000\r\n\r\n");

    my @clients = map { dial($port)->send($head . substr $body, 0, 2000) }
                  1 .. 20;

    wait_for(sub { judged() == 20 }) or return 'not judged';

    my $r = apikey(@change);
    return "exit $r->{exit}: $r->{err}" if $r->{exit};

    $_->send(substr($body, 2000) . ($chunked ? "\r\n0\r\n\r\n" : ''))
        for @clients;

    my %seen;
    $seen{$_->status . ' ' . ($_->header('X-Result') // '')}++
        for map { $_->response('POST') } @clients;

    return join ', ', map { "$seen{$_} x $_" } sort keys %seen;
}

# Requests that nginx has judged, by what they have spent of the limit.

my %before;

sub judged {
    my $r = get($port, '/', 'X-API-Key' => $before{key}{key});

    return 1000 - ++$before{own} - $r->header('X-RateLimit-Remaining');
}

sub key {
    %before = (key => create_key('--plan', 'counted'), own => 0);

    return $before{key};
}

for my $uri ('/whole', '/stream') {
    for my $chunked (0, 1) {
        my $how = $uri . ($chunked ? ', chunked' : '');
        my $key = key();

        is(held($uri, $key, $chunked, 'revoke', $key->{id}),
           '20 x 401 revoked', "a revoked key ($how)");

        $key = key();
        is(held($uri, $key, $chunked, 'edit', $key->{id}, '--name', 'x'),
           '20 x 200 ok', "a key that changes otherwise ($how)");
    }
}

my $key = key();
is(held('/whole', $key, 0, 'disable', $key->{id}), '20 x 401 disabled',
   'a disabled key');

$key = key();
is(held('/whole', $key, 0, 'delete', $key->{id}), '20 x 401 unknown',
   'a deleted key');

$up->forget;
$key = key();
is(held('/whole', $key, 0, 'revoke', $other->{id}), '20 x 200 ok',
   'when another key is revoked');
is((grep { $_->{method} eq 'POST' && $_->{body_length} == 3000 }
        $up->requests), 20, 'with all of its body');


# X-Accel-Redirect: judged once, sent on later.

for my $revoked (0, 1) {
    my $key = create_key();
    my $client = dial($port)->send(
        "GET /sent HTTP/1.1\r\nHost: a\r\nX-API-Key: $key->{key}\r\n\r\n");
    my $s = $slow->accept;

    sysread $s, my $head, 65536;
    apikey('revoke', $key->{id}) if $revoked;

    syswrite $s, "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /here\r\n"
                 . "Content-Length: 0\r\n\r\n";

    my $r = $client->response;
    is($r->status . ' ' . $r->header('X-Result'),
       $revoked ? '401 revoked' : '200 ok',
       'what an upstream sends elsewhere' . ($revoked ? ', too late' : ''));
}

done_testing();
