#!/usr/bin/perl

# A key with a list of networks is good from there only.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $plain) = map { free_port() } 1 .. 2;

my $socket = Test::Apikey::dir() . '/gateway.sock';

nginx(<<"CONF");
    server {
        listen 127.0.0.1:$port;
        listen unix:$socket;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from unix:;
        real_ip_header X-Real-IP;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }

    server {
        listen 127.0.0.1:$plain;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key {
    return create_key('--permissions', 'full', map { ('--allow', $_) } @_);
}

sub from {
    my ($key, $address) = @_;

    return get($port, '/', 'X-API-Key' => $key->{key},
               'X-Real-IP' => $address)->status;
}


my $key = key('10.0.0.0/8', '192.0.2.7', '2001:db8::/32', 'fd00::1');

for (qw(10.0.0.0 10.255.255.255 192.0.2.7 2001:db8::1
        2001:db8:ffff:ffff:ffff:ffff:ffff:ffff fd00::1 ::ffff:10.1.2.3))
{
    is(from($key, $_), 200, "allowed from $_");
}

for (qw(11.0.0.0 9.255.255.255 192.0.2.8 2001:db9::1 fd00::2 ::10.1.2.3
        ::ffff:11.0.0.1 ::1))
{
    is(from($key, $_), 403, "refused from $_");
}

is(get($plain, '/', 'X-API-Key' => $key->{key},
       'X-Real-IP' => '10.0.0.1')->status, 403,
   'a header that nobody trusts changes nothing');
is(get($plain, '/', 'X-API-Key' => key('127.0.0.1')->{key})->status, 200,
   'the address of the connection');
is(get($plain, '/', 'X-API-Key' => key('127.0.0.0/8')->{key})->status, 200,
   'a network of that address');

is(from(key('0.0.0.0/0'), '::1'), 403, 'all of IPv4 is nothing of IPv6');
is(from(key('::/0'), '10.0.0.1'), 403, 'all of IPv6 is nothing of IPv4');
is(from(key('::/0'), '::1'), 200, 'all of IPv6');
is(from(key(), '::1'), 200, 'a key without a list is good from everywhere');


# A unix socket has no address.

sub over_unix {
    my ($key, @headers) = @_;
    my $s = IO::Socket::UNIX->new($socket) or die $!;

    syswrite $s, join "\r\n", 'GET / HTTP/1.1', 'Host: localhost',
        'Connection: close', "X-API-Key: $key->{key}", @headers, '', '';

    local $/;
    return Test::Apikey::HTTP::Response->parse(scalar <$s>)->status;
}

is(over_unix(key()), 200, 'a key without a list over a unix socket');
is(over_unix(key('0.0.0.0/0', '::/0')), 403,
   'a unix socket is in no network');
is(over_unix($key, 'X-Real-IP: 10.0.0.1'), 200,
   'unless a trusted proxy says what address');


# As soon as it is changed.

my $edited = key('10.0.0.0/8');
is(from($edited, '10.0.0.1'), 200, 'before the change');
is(apikey('edit', $edited->{id}, '--allow', '192.0.2.0/24')->{exit}, 0,
   'apikey edit --allow');
is(from($edited, '10.0.0.1'), 403, 'the next request is refused');
is(from($edited, '192.0.2.1'), 200, 'and one from there passes');

done_testing();
