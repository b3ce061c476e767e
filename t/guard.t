#!/usr/bin/perl

# "apikey_guard": an address that has shown too many bad keys is refused without
# asking Redis, until it has room again; others are served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use IO::Socket::IP;

use Test::Apikey;

my $redis = redis();
my ($port, $port6) = (free_port(), free_port());

# Of 3 in 90000 seconds, that is 25 hours, none comes back while this runs.

my $conf = <<"CONF";
    apikey_plan anonymous 1000r/d;
    apikey_cache zone=keys:1m invalid=0;

    server {
        listen 127.0.0.1:$port;
        LISTEN6
        keepalive_requests 10000;

        set_real_ip_from 127.0.0.9;
        set_real_ip_from ::1;
        real_ip_header X-Real-IP;

        add_header X-Result \$apikey_result always;

        apikey on;
        apikey_format any;
        apikey_guard zone=bad:1m rate=3/90000;

        location / { try_files /none =204; }
        location /redirected { try_files /none /; }
        location /free { apikey_limit off; try_files /none =204; }
        location /same { apikey_guard zone=bad rate=3/90000;
                         try_files /none =204; }
        location /checksum { apikey_format checksum; try_files /none =204; }
        location /optional { apikey optional; try_files /none =204; }
        location /off { apikey_guard off; try_files /none =204; }
        location /problem { apikey_error problem; try_files /none =204; }

        location /page {
            error_page 401 /page/401;
            try_files /none =204;
        }

        location /page/401 { try_files /none =204; }

        location /soon { apikey_guard zone=soon:64k rate=2r/2s;
                         try_files /none =204; }
        location /one { apikey_guard zone=one:32k rate=1/90000;
                        try_files /none =204; }
    }
CONF

my $has6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1) ? 1 : 0;

$conf =~ s/LISTEN6/$has6 ? "listen [::1]:$port6;" : ''/e;

my $nginx = nginx($conf, workers => 2);
my $monitor = $redis->monitor;

my @limits = ('--permissions', 'read', '--limits', '1000r/d');
my $key = create_key(@limits)->{key};


# A request from one of our own addresses.

sub connection {
    my ($address) = @_;
    my @to = $address =~ /:/ ? ('::1', $port6) : ('127.0.0.1', $port);

    my $socket = IO::Socket::IP->new(LocalHost => $address,
        PeerHost => $to[0], PeerPort => $to[1]) or die "$address: $@";

    return bless { socket => $socket, buffer => '' },
                 'Test::Apikey::HTTP::Connection';
}

sub from {
    my ($address, $uri, $key, @headers) = @_;
    my $c = connection($address);

    push @headers, 'X-API-Key' => $key if defined $key;

    $c->send(Test::Apikey::HTTP::bytes('GET', $uri, @headers));

    return $c->response('GET');
}

# From one that a proxy tells of.

sub behind { from('127.0.0.9', $_[1], $_[2], 'X-Real-IP' => $_[0]) }

my $bad = 0;

sub bad { 'made-up-' . ++$bad }

sub result { $_[0]->header('X-Result') . ' ' . $_[0]->status }

sub results { join ', ', map { result($_) } @_ }

# What Redis was asked about keys.

sub questions { scalar grep { /apikey:\{/ && !/usage/ } $monitor->lines }


# The order: what has no key, or none that could be one, is told so.

questions();

is(results(map { from('127.0.0.2', '/', bad()) } 1 .. 3),
   'unknown 401, unknown 401, unknown 401',
   'as many bad keys as the rate says');
cmp_ok(questions(), '>=', 3, 'are asked for');

my $r = from('127.0.0.2', '/', bad());

is(result($r), 'guarded 429', 'one more is guarded');
is($r->header('Retry-After') > 29000 && $r->header('Retry-After') <= 30000, 1,
   'Retry-After is when there is room for one')
    or diag $r->header('Retry-After');
is_deeply($r->json, { statusCode => 429, message => 'Rate limit exceeded' },
          'the body');
is($r->header('X-RateLimit-Limit'), undef, 'no limits are told');
is($r->header('Cache-Control'), 'no-store', 'it is not stored');
is(result(from('127.0.0.2', '/', $key)), 'guarded 429',
   'so is a good key from that address');
is(from('127.0.0.2', '/problem', $key)->json->{status}, 429, 'as a problem');
is(questions(), 0, 'Redis is asked nothing');

is(result(from('127.0.0.2', '/')), 'missing 401', 'no key is missing');
is(result(from('127.0.0.2', '/', 'a b')), 'malformed 401',
   'what is no key is malformed');
is(result(from('127.0.0.2', '/optional')), 'anonymous 204',
   'anonymous clients pass');
is(result(from('127.0.0.2', '/optional', bad())), 'guarded 429',
   'with a key they are no such');
is(result(from('127.0.0.2', '/off', $key)), 'ok 204', '"off" is off');
is(result(from('127.0.0.2', '/free', $key)), 'guarded 429',
   'without limits, too');
is(result(from('127.0.0.2', '/same', $key)), 'guarded 429',
   'locations share a zone');
is(result(from('127.0.0.2', '/redirected', $key)), 'guarded 429',
   'redirected, too');

for my $n (1 .. 4) {
    is(result(from('127.0.0.3', '/', $key)), 'ok 204',
       "a good key from elsewhere passes: $n");
}

like($nginx->log, qr/apikey refused the request: guarded/, 'the log says so');


# What is bad, and what is not.

is(results(map { from('127.0.0.4', '/', $_) } (undef) x 5, $key),
   ('missing 401, ' x 5) . 'ok 204', 'that it is missing is not bad');

sub exhausts {
    my ($name, $address, $uri, $keys, $expected) = @_;

    is(results(map { from($address, $uri, $_) } @$keys),
       join(', ', ("$expected 401") x @$keys), "$name: 401");
    is(result(from($address, '/', $key)), 'guarded 429', "$name: then guarded");
}

my ($revoked, $disabled) = map { create_key(@limits) } 1 .. 2;
my $early = create_key(@limits, '--not-before', '2100-01-01');

apikey('revoke', $revoked->{id});
apikey('disable', $disabled->{id});

exhausts('malformed', '127.0.0.5', '/', [ ('a,b') x 3 ], 'malformed');
exhausts('a wrong checksum', '127.0.0.6', '/checksum',
         [ map { bad() } 1 .. 3 ], 'malformed');
exhausts('revoked', '127.0.0.7', '/', [ ($revoked->{key}) x 3 ], 'revoked');
exhausts('disabled', '127.0.0.8', '/', [ ($disabled->{key}) x 3 ], 'disabled');
exhausts('not valid', '127.0.0.10', '/', [ ($early->{key}) x 3 ], 'expired');

my $reader = create_key('--scope', 'a:read', '--allow', '10.0.0.0/8')->{key};

is(results(map { from('127.0.0.11', '/', $_) } ($reader) x 5, $key),
   ('address 403, ' x 5) . 'ok 204', 'a good key in a wrong place is not bad');

from('127.0.0.12', '/page', bad()) for 1 .. 2;
is(result(from('127.0.0.12', '/', $key)), 'ok 204',
   'a key is bad once, redirected or not');


# Who is one client.

behind('198.51.100.1', '/', bad()) for 1 .. 3;
is(result(behind('198.51.100.1', '/', $key)), 'guarded 429',
   'the address is that which realip has found');
is(result(behind('198.51.100.2', '/', $key)), 'ok 204',
   'others behind the same proxy are served');

behind("2001:db8:0:1::$_", '/', bad()) for 1 .. 3;
is(result(behind('2001:db8:0:1:ffff::9', '/', $key)), 'guarded 429',
   'an IPv6 network of 64 bits is one client');
is(result(behind('2001:db8:0:2::1', '/', $key)), 'ok 204',
   'another network is another');

behind('::ffff:198.51.100.3', '/', bad()) for 1 .. 3;
is(result(behind('198.51.100.3', '/', $key)), 'guarded 429',
   'an IPv4 address in IPv6 is that address');

SKIP: {
    skip 'no ::1 here', 2 unless $has6;

    is(result(from('::1', '/', $key)), 'ok 204', 'over IPv6');
    from('::1', '/', bad()) for 1 .. 3;
    is(result(from('::1', '/', $key)), 'guarded 429', 'over IPv6, guarded');
}


# Room comes back, as Retry-After says.

from('127.0.0.2', '/soon', bad()) for 1 .. 4;
$r = from('127.0.0.2', '/soon', $key);
ok($r->status == 204 || $r->header('Retry-After') == 1,
   'Retry-After is at least 1');
ok(wait_for(sub { from('127.0.0.2', '/soon', $key)->status == 204 }),
   'there is room again');


# A zone that is full forgets who was bad the longest ago, and fails nobody.

my @clients = map { my $n = $_; map { "10.$n.$_.1" } 0 .. 99 } 0 .. 19;


sub flood {
    my $c = connection('127.0.0.9');
    my %count;

    for my $client (@_) {
        $c->send(Test::Apikey::HTTP::bytes('GET', '/one',
                     'X-Real-IP' => $client, 'X-API-Key' => bad(),
                     Connection => 'keep-alive'));
        $count{$c->response('GET')->status}++;
    }

    return \%count;
}

is_deeply(flood(@clients), { 401 => 2000 }, 'a flood from many addresses');
is(result(behind($clients[-1], '/one', $key)), 'guarded 429',
   'who came last is guarded');
is(result(behind($clients[0], '/one', $key)), 'ok 204',
   'who came first is forgotten');
is(result(from('127.0.0.3', '/one', $key)), 'ok 204', 'a good key passes');


# A reload keeps what was counted, by the rate of now.

ok($nginx->reload($conf), 'reload');
is(result(from('127.0.0.2', '/', $key)), 'guarded 429',
   'a reload forgets nobody');

my $other = $conf =~ s{rate=3/90000}{rate=5/5}gr;

ok($nginx->reload($other), 'reload with another rate');
$r = from('127.0.0.2', '/', $key);
ok($r->status == 204 || $r->header('Retry-After') == 1,
   'who was guarded waits no longer than the new rate says');
ok(wait_for(sub { from('127.0.0.2', '/', $key)->status == 204 }), 'and passes');

done_testing();
