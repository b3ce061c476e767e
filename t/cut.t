#!/usr/bin/perl

# What goes on for long, a WebSocket, a stream, a download, ends when its key
# is no good any more; what was not answered yet is answered 401.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;
use Test::Apikey::Relay;

my $redis = redis();
my $relay = relay($redis);
my $up = upstream();
my ($port, $h2) = map { free_port() } 1 .. 2;
my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
                                 LocalPort => free_port()) or die $!;

my $dir = Test::Apikey::dir();
file('file', 'x' x 100000);

my $locations = <<"CONF";
        apikey on;
        add_header X-Result \$apikey_result always;

        location / {
            proxy_pass http://127.0.0.1:@{[ $slow->sockport ]};
            proxy_http_version 1.1;
            proxy_buffering off;
        }

        location /socket {
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection "upgrade";
        }

        location /file {
            root $dir;
            limit_rate_after 1k;
            limit_rate 1;
        }

        location /kept {
            apikey_cut off;
            proxy_pass http://127.0.0.1:@{[ $slow->sockport ]};
            proxy_buffering off;
        }
CONF

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$relay->{port} connect_timeout=60s timeout=60s;
    apikey_cache zone=keys:1m valid=1h;

    server {
        listen 127.0.0.1:$port;
        $locations
    }

    server {
        listen 127.0.0.1:$h2 http2;
        $locations
    }
CONF

# Each begins something with a key and returns what tells that it has ended.

my @upstreams;

sub answers {
    my ($bytes) = @_;

    push @upstreams, my $s = $slow->accept;
    sysread $s, my $head, 65536;
    syswrite $s, $bytes;
}

sub head { "GET $_[0] HTTP/1.1\r\nHost: a\r\nX-API-Key: $_[1]{key}\r\n" }

sub socket_with {
    my $c = dial($port)->send(head('/socket', @_)
                . "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");

    $c->response->status == 101 or return sub { 'not upgraded' };
    $c->send('hello');
    $c->read(60) eq 'hello' or return sub { 'no echo' };

    return sub { $c->closed ? 'closed' : 'open' };
}

sub stream_with {
    my ($key, $uri) = @_;
    my $c = dial($port)->send(head($uri // '/', $key) . "\r\n");

    answers("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            . "data: 1\n\n");
    my $got = $c->read(60);
    $got .= $c->read(60) until $got =~ /data: 1/;

    return sub { $c->closed($_[0]) ? 'closed' : 'open' };
}

sub download_with {
    my $c = dial($port)->send(head('/file', @_) . "\r\n");

    $c->read(60) =~ /^HTTP.1.1 200 OK/ or return sub { 'no answer' };

    return sub { $c->closed ? 'closed' : 'open' };
}

sub wait_with {
    my $c = dial($port)->send(head('/', @_) . "\r\n");

    answers('');

    return sub {
        my $r = $c->response;
        $r->status . ' ' . ($r->header('X-Result') // '');
    };
}

sub upload_with {
    my ($key) = @_;
    my $c = dial($port)->send("POST / HTTP/1.1\r\nHost: a\r\n"
        . "X-API-Key: $key->{key}\r\nContent-Length: 10\r\n\r\nhalf ");

    return sub {
        my $r = $c->response('POST');
        $r->status . ' ' . ($r->header('X-Result') // '')
            . ($c->closed ? ', closed' : '');
    };
}

# HTTP/2: a request as literals, and the types of the frames that come.

sub stream2_with {
    my ($key) = @_;
    my $c = dial($h2)->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    my $headers = join '', "\x82\x86\x84", map {
        "\x00" . pack('C/a* C/a*', @$_)
    } [ ':authority', 'a' ], [ 'x-api-key', $key->{key} ];

    my $frame = sub {
        my ($type, $flags, $stream, $payload) = @_;
        substr(pack('N', length $payload), 1)
            . pack('CCN', $type, $flags, $stream) . $payload;
    };

    $c->send($frame->(4, 0, 0, '') . $frame->(1, 5, 1, $headers));
    answers("HTTP/1.1 200 OK\r\n\r\nhello");

    my ($got, @seen) = '';
    my $next = sub {
        while (length $got < 9 || length $got < 9 + unpack 'N', "\0$got") {
            my $more = $c->read(60);
            return 'closed' unless length $more;
            $got .= $more;
        }
        my ($type, $payload) = (ord substr($got, 3, 1),
                                substr $got, 9, unpack 'N', "\0$got");
        substr $got, 0, 9 + length $payload, '';
        return $type == 3 ? 'reset' : $type == 0 ? $payload : '';
    };

    1 until $next->() eq 'hello';

    return sub {
        my $seen;
        do { $seen = $next->() } until $seen eq 'closed' || $seen eq 'reset';
        return $seen;
    };
}

no warnings 'redundant';

my %kinds = (socket => [ \&socket_with, 'closed' ],
             stream => [ \&stream_with, 'closed' ],
             download => [ \&download_with, 'closed' ],
             waiting => [ \&wait_with, '401 %s' ],
             upload => [ \&upload_with, '401 %s, closed' ],
             http2 => [ \&stream2_with, 'reset' ]);

sub all_with {
    my ($key) = @_;
    return map { [ $_, $kinds{$_}[0]->($key) ] } sort keys %kinds;
}

sub ended {
    my ($name, $result, @all) = @_;

    is($_->[1]->(), sprintf($kinds{$_->[0]}[1], $result), "$name: $_->[0]")
        for @all;
}

my $good = create_key();
my @good = map { [ $_, $kinds{$_}[0]->($good) ] } qw(socket stream);

for my $change (qw(revoke disable delete)) {
    my $key = create_key();
    my @all = all_with($key);

    sleep 1.2 if $change eq 'revoke';

    is(apikey($change, $key->{id})->{exit}, 0, $change);
    ended($change, { revoke => 'revoked', disable => 'disabled',
                     delete => 'unknown' }->{$change}, @all);
}

my $key = create_key('--expires', '2s');
ended('expired', 'expired', all_with($key));

# Changes that were missed.

$key = create_key();
my @all = all_with($key);

$relay->deafen;
ok(wait_for(sub { $nginx->log =~ /closed|lost|reset|refused/ }), 'deaf');
apikey({ stdin => '' }, '--wait', '0', 'revoke', $key->{id});
$relay->listen;
ended('missed', 'revoked', @all);

# What isn't to be ended.

$key = create_key();
my $kept = stream_with($key, '/kept');
is(apikey('revoke', $key->{id})->{exit}, 0, 'revoked');
is($kept->(2), 'open', 'apikey_cut off');

is(apikey('edit', $good->{id}, '--name', 'other')->{exit}, 0, 'edited');
is($good[1][1]->(2), 'open', 'a good key\'s stream goes on');

is(apikey('revoke', $good->{id})->{exit}, 0, 'then it is revoked');
ended('at last', 'revoked', @good);

done_testing();
