#!/usr/bin/perl

# The program speaks TLS by rediss://, with a server whose certificate is of
# the right authority, for the right name, and valid, and with no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;

my $ca = authority('right authority');
my $stranger = authority('another authority');
my $program = "$Test::Apikey::BUILD/apikey";
my $pepper = Test::Apikey::pepper_file();

sub server {
    my ($cert, %opt) = @_;
    my $redis = redis(tls => { %$cert, ca => $ca->{cert}, %opt });

    return ($redis, $redis->{tls}{port});
}

sub program { run($program, '--pepper-file', $pepper, @_) }

my ($redis, $port) = server($ca->issue('DNS:localhost,DNS:redis.test,'
                                       . 'IP:127.0.0.1'));
my $url = "rediss://127.0.0.1:$port";
my @ca = ('--tls-ca', $ca->{cert});


# Used.

my $r = program('--redis', $url, @ca, '--json', 'create', '--name', 'x');
is($r->{exit}, 0, 'by address') or diag($r->{err});
my $key = decode_json($r->{out});

is(program('--redis', "rediss://localhost:$port/0", @ca, 'list')->{exit}, 0,
   'by name');
is(program('--redis', $url, @ca, '--tls-name', 'redis.test', 'list')->{exit},
   0, 'by another name');

{
    local $ENV{SSL_CERT_FILE} = $ca->{cert};
    is(program('--redis', $url, 'list')->{exit}, 0,
       'by an authority of the system');
}

{
    local $ENV{APIKEY_REDIS} = $url;
    local $ENV{APIKEY_TLS_CA} = $stranger->{cert};
    is(program('list')->{exit}, 3, 'the environment: another authority');
    is(program(@ca, 'list')->{exit}, 0, 'an option goes before it');

    $ENV{APIKEY_TLS_CA} = $ca->{cert};
    is(program('list')->{exit}, 0, 'the environment');

    local $ENV{APIKEY_TLS_NAME} = 'other.test';
    is(program('list')->{exit}, 3, 'the environment: another name');
}

my $conf = file('apikey.conf', "redis = $url\ntls_ca = $ca->{cert}\n"
                               . "tls_name = redis.test\n");
is(program('--config', $conf, 'show', $key->{id})->{exit}, 0, 'a file');

# Long, both ways.

my $lines = join '', map { qq({"key":"imported-key-number-$_"}\n) } 1 .. 20000;
$r = run({ stdin => $lines }, $program, '--pepper-file', $pepper, '--config',
         $conf, 'import', '-');
is($r->{exit}, 0, 'a long import') or diag($r->{err});
is(@{decode_json(program('--config', $conf, '--json', 'list')->{out})}, 20001,
   'and as long a list');

# A gateway hears of changes.

my $at = free_port();
my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$port connect_timeout=60s timeout=60s tls=on
                 tls_ca=$ca->{cert};
    apikey_cache zone=keys:1m;

    server {
        listen 127.0.0.1:$at;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

ok(wait_for(sub {
    get($at, '/', 'X-API-Key' => $key->{key})->status == 204
}), 'a gateway');
ok(wait_for(sub {
    program('--config', $conf, 'gateways')->{out} =~ /:\d+ /
}), 'listens');

$r = program('--config', $conf, 'revoke', $key->{id}, '--wait', '60s');
is($r->{exit}, 0, 'a revocation');
like($r->{out} . $r->{err}, qr/confirmed by 1 of 1/, 'is confirmed');
is(get($at, '/', 'X-API-Key' => $key->{key})->status, 401, 'and holds');


# Not used.

sub refused {
    my ($name, $why, @args) = @_;
    my $r = program(@args, 'list');

    subtest $name => sub {
        is($r->{exit}, 3, 'exit status 3');
        is($r->{out}, '', 'nothing on standard output');
        like($r->{err}, qr/^apikey: Redis at \S+: [^\n]*$why[^\n]*\n$/,
             'the reason');
    };
}

my $unknown = '(?:self-signed certificate|unable to get local issuer)';

refused('another authority',
        qq{its certificate is refused for "127.0.0.1": $unknown},
        '--redis', $url, '--tls-ca', $stranger->{cert});
refused('none of the system\'s', $unknown, '--redis', $url);
refused('another name', 'refused for "other.test": [Hh]ostname mismatch',
        '--redis', $url, @ca, '--tls-name', 'other.test');
refused('another address', 'refused for "127.0.0.2": IP address mismatch',
        '--redis', $url, @ca, '--tls-name', '127.0.0.2');

my (undef, $expired) = server($ca->issue('IP:127.0.0.1', expired => 1));
refused('expired', 'certificate has expired',
        '--redis', "rediss://127.0.0.1:$expired", @ca);

my (undef, $own) = server($stranger->issue('IP:127.0.0.1'));
refused('of nobody we know', $unknown, '--redis', "rediss://127.0.0.1:$own",
        @ca);

refused('a server that speaks no TLS', 'does it speak TLS there',
        '--redis', "rediss://127.0.0.1:$redis->{port}", @ca);
refused('a server that speaks nothing else', '\S', '--redis',
        "redis://127.0.0.1:$port");

my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5);
refused('a server that is silent', 'no TLS handshake within', '--redis',
        'rediss://127.0.0.1:' . $silent->sockport, @ca);

refused('no file of authorities', 'tls_ca "/nonexistent": No such file',
        '--redis', $url, '--tls-ca', '/nonexistent');


# Certificates of clients.

my (undef, $strict) = server($ca->issue('IP:127.0.0.1'), clients => 'yes');
my @strict = ('--redis', "rediss://127.0.0.1:$strict", @ca);
my $mine = $ca->issue('DNS:operator');
my $not_mine = $stranger->issue('DNS:operator');

is(program(@strict, '--tls-cert', $mine->{cert}, '--tls-key', $mine->{key},
           'list')->{exit}, 0, 'a certificate of our own');
refused('no certificate of our own', 'alert certificate required', @strict)
    for 1 .. 5;
refused('one that they refuse', 'alert unknown ca', @strict, '--tls-cert',
        $not_mine->{cert}, '--tls-key', $not_mine->{key});
refused('a key that is another\'s', '(?i)key values mismatch', @strict,
        '--tls-cert', $mine->{cert}, '--tls-key', $ca->{own});
refused('no such certificate', 'tls_cert "/nonexistent": No such file',
        @strict, '--tls-cert', '/nonexistent', '--tls-key', $mine->{key});
refused('no such key', 'tls_key "/nonexistent": No such file',
        @strict, '--tls-cert', $mine->{cert}, '--tls-key', '/nonexistent');


# Usage.

for (
    [ 'TLS is set up, but the Redis URL is not rediss', @ca ],
    [ 'needs its key', '--redis', $url, '--tls-cert', $mine->{cert} ],
    [ 'needs its certificate', '--redis', $url, '--tls-key', $mine->{key} ],
) {
    my ($why, @args) = @$_;
    my $r = program(@args, 'list');

    is($r->{exit}, 2, $why);
    like($r->{err}, qr/^apikey: [^\n]*\Q$why\E[^\n]*\n$/, 'told');
}

done_testing();
