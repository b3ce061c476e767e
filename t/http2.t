#!/usr/bin/perl

# HTTP/2 and gRPC go on working: many streams at once, bodies, streams that
# are reset, trailers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $grpc) = (free_port(), free_port());

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan small 30r/30d;

    server {
        listen 127.0.0.1:$port http2;

        apikey on;
        apikey_source header:X-API-Key bearer query:key cookie:key;
        client_max_body_size 10m;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /static {
            try_files /none =204;
        }

        location /grpc {
            grpc_pass grpc://127.0.0.1:$grpc;
        }
    }
CONF

my $key = create_key('--permissions', 'full')->{key};
my $small = create_key('--permissions', 'full', '--plan', 'small')->{key};


# As little of HTTP/2 (RFC 9113, 7541) as it takes: headers are literals, and
# of a response only its status is decoded.

my %TYPE = (DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6,
            WINDOW_UPDATE => 8);
my %STATUS = (8 => 200, 9 => 204, 12 => 400, 13 => 404, 14 => 500);

sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $TYPE{$type}, $flags, $stream) . $payload;
}

sub literal {
    my ($text) = @_;
    my $n = length $text;

    return ($n < 127 ? chr $n
                     : "\x7f" . chr(($n - 127) % 128 | 128)
                       . chr int(($n - 127) / 128)) . $text;
}

sub block {
    my $block = '';

    while (my ($name, $value) = splice @_, 0, 2) {
        $block .= "\0" . literal($name) . literal($value);
    }

    return $block;
}

# A request: HEADERS, and DATA when there is a body.

sub stream {
    my ($id, $method, $path, $body, @headers) = @_;
    my $flags = defined $body ? 4 : 5;

    return frame('HEADERS', $flags, $id,
                 block(':method' => $method, ':scheme' => 'http', ':authority'
                       => 'localhost', ':path' => $path, @headers))
           . (defined $body ? frame('DATA', 1, $id, $body) : '');
}

sub h2 {
    return dial($_[0])->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . frame('SETTINGS', 0, 0, '')
        . frame('WINDOW_UPDATE', 0, 0, pack 'N', 1 << 30));
}

# Reads frames until the given streams are closed, or until the sub says so.

sub answers {
    my ($c, $until) = @_;
    my %at;
    my %open = map { $_ => 1 } ref $until eq 'ARRAY' ? @$until : 'until';

    while (%open) {
        my $bytes = $c->read(60);

        last unless length $bytes;
        $c->{frames} .= $bytes;

        while (length $c->{frames} >= 9) {
            my ($size, $type, $flags, $id)
                = unpack 'NCCN', "\0" . substr $c->{frames}, 0, 9;

            last if length $c->{frames} < 9 + $size;

            my $payload = substr substr($c->{frames}, 0, 9 + $size, ''), 9;
            my $r = $at{$id} ||= { headers => 0, body => '', status => 0 };

            if ($type == $TYPE{HEADERS}) {
                $r->{status} ||= status($payload);
                $r->{headers}++;
            }

            $r->{body} .= $payload if $type == $TYPE{DATA};
            $r->{reset} = 1 if $type == $TYPE{RST_STREAM};

            delete $open{$id} if $type == $TYPE{RST_STREAM}
                                 || ($flags & 1 && $type <= $TYPE{HEADERS});
            return \%at if ref $until eq 'CODE' && $until->($type, $flags);
        }
    }

    return \%at;
}

sub status {
    my ($block) = @_;

    return $2 // $STATUS{ord($1) - 128}
        if $block =~ /^[\x20-\x3f]*(?:([\x88-\x8e])|[\x48\x08\x18]\x03(\d{3}))/;
    return 0;
}

sub statuses {
    my ($answers, @streams) = @_;

    return join ' ', map { $answers->{$_}{status} } @streams;
}


# Each stream has its own key, or none.

my $c = h2($port);
my @streams = map { 2 * $_ + 1 } 0 .. 99;
my @kinds = (
    [ 204, '/static', 'x-api-key' => $key ],
    [ 401, '/static' ],
    [ 204, '/static', authorization => "Bearer $key" ],
    [ 401, '/static', 'x-api-key' => 'x' ],
    [ 204, "/static?key=$key" ],
    [ 204, '/static', cookie => 'a=1', cookie => "key=$key", cookie => 'b=2' ],
    [ 401, '/static', 'x-api-key' => $key, 'x-api-key' => $key ],
);
my @kind = map { $kinds[$_ % @kinds] } 0 .. $#streams;

$c->send(join '', map {
    my ($status, $path, @headers) = @{$kind[$_]};
    stream($streams[$_], 'GET', $path, undef, @headers);
} 0 .. $#streams);

is(statuses(answers($c, \@streams), @streams),
   join(' ', map { $_->[0] } @kind), '100 streams at once');

@streams = map { 2 * $_ + 201 } 0 .. 99;
$c->send(join '', map { stream($_, 'GET', '/static', undef,
                               'x-api-key' => $small) } @streams);
my $answers = answers($c, \@streams);
is(scalar(grep { $answers->{$_}{status} == 204 } @streams), 30,
   'a limit of 30 lets 30 of 100 streams pass');
is(scalar(grep { $answers->{$_}{status} == 429 } @streams), 70,
   'and refuses all others');


# Upstream is not sent the key.

$c->send(join '', map { stream($$_[0], 'GET', $$_[1], undef, 'x-a' => 1,
                               @$_[2 .. $#$_], 'x-b' => 2) }
    [ 401, '/a', 'x-api-key' => $key ], [ 403, "/b?c=1&key=$key&d=2" ],
    [ 405, '/c', cookie => 'a=1', cookie => "key=$key", cookie => 'b=2' ],
    [ 407, '/d', authorization => "Bearer $key" ]);
@streams = (401, 403, 405, 407);
is(statuses(answers($c, \@streams), @streams), '200 200 200 200',
   'passed to upstream');

my %seen = map { $_->{uri} => $_->{raw} } $up->requests;
is(join(' ', sort keys %seen), '/a /b?c=1&d=2 /c /d', 'with these URIs');
unlike(join('', values %seen), qr/\Q$key/, 'without the key');
like($seen{'/c'}, qr/^cookie: a=1; b=2\r$/mi, 'with the other cookies');
like($seen{$_}, qr/^x-a: 1\r\nx-b: 2\r\n/mi, "$_: with the other headers")
    for qw(/a /d);


# Bodies.

my $size = 60_000;
my $body = join '', map { frame('DATA', 0, 501, 'b' x 10_000) } 1 .. 6;

$c->send(stream(501, 'POST', '/', undef, 'x-api-key' => $key)
             =~ s/^(....)\x05/$1\x04/sr . $body . frame('DATA', 1, 501, ''));
$answers = answers($c, [ 501 ]);
is($answers->{501}{status}, 200, 'a body of several frames');
like($answers->{501}{body}, qr/"body_length":$size/, 'all of it upstream');

$c->send(stream(503, 'POST', '/', 'abc'));
is(statuses(answers($c, [ 503 ]), 503), 401, 'a body that is refused');
$c->send(stream(505, 'POST', '/', '', 'x-api-key' => $key));
is(statuses(answers($c, [ 505 ]), 505), 200, 'an empty body');


# Streams that are reset while Redis is being asked hold up nobody.

$redis->pause;
@streams = map { 2 * $_ + 601 } 0 .. 39;
$c->send(join '', map { stream($_, 'GET', '/static', undef,
                               'x-api-key' => $key) } @streams);
$c->send(frame('RST_STREAM', 0, $_, pack 'N', 8)) for @streams[0 .. 19];
$c->send(frame('PING', 0, 0, 'all read'));
answers($c, sub { $_[0] == $TYPE{PING} });
$redis->resume;
is(statuses(answers($c, [ @streams[20 .. 39] ]), @streams[20 .. 39]),
   join(' ', (204) x 20), 'the other streams are answered');

$redis->pause;
$c->send(join '', map { stream($_ + 200, 'GET', '/static', undef,
                               'x-api-key' => $key) } @streams);
$c->send(frame('PING', 0, 0, 'all read'));
answers($c, sub { $_[0] == $TYPE{PING} });
$c->close;
$redis->resume;

$c = h2($port)->send(stream(1, 'GET', '/static', undef, 'x-api-key' => $key));
is(statuses(answers($c, [ 1 ]), 1), 204,
   'a connection is closed with 40 streams waiting: nginx goes on');


# gRPC: a server that answers each call with a message and its trailers.

my $message = "\0\0\0\0\x05hello";
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $grpc, Listen => 10, ReuseAddr => 1) or die "listen: $!";

my $server = in_background(sub {
    my $calls;

    for ($calls = 0; $calls < 2; $calls++) {
        my $socket = $listen->accept;
        my $bytes = '';

        # preface, SETTINGS, HEADERS, and DATA with END_STREAM
        sysread $socket, $bytes, 65536, length $bytes or last
            until $bytes =~ /\0\x01\0\0\0\x01(?:\0\0\0\0\x05.*)?$/s;

        syswrite $socket, frame('SETTINGS', 0, 0, '')
            . frame('SETTINGS', 1, 0, '')
            . frame('HEADERS', 4, 1, "\x88"
                    . block('content-type' => 'application/grpc'))
            . frame('DATA', 0, 1, $message)
            . frame('HEADERS', 5, 1, block('grpc-status' => '0'));
        sysread $socket, $bytes, 65536;
    }

    return $calls;
});
close $listen;

my @grpc = (te => 'trailers', 'content-type' => 'application/grpc');

$c = h2($port);
$c->send(stream(1, 'POST', '/grpc/call', $message, @grpc));
my $refused = answers($c, [ 1 ])->{1};
is($refused->{status}, 200, 'gRPC: a call without a key, in its own way');
is($refused->{headers}, 1, 'gRPC: a response of headers only');

for my $id (3, 5) {
    $c->send(stream($id, 'POST', '/grpc/call', $message, @grpc,
                    $id == 3 ? ('x-api-key' => $key)
                             : (authorization => "Bearer $key")));
    my $r = answers($c, [ $id ])->{$id};

    is($r->{status}, 200, 'gRPC: a call');
    is($r->{body}, $message, 'gRPC: its answer');
    is($r->{headers}, 2, 'gRPC: and its trailers');
}

is($server->result, 2, 'gRPC: only these reached upstream');

done_testing();
