#!/usr/bin/perl

# Redis over TLS: used if its certificate is of the right authority, for the
# right name, and valid; else nobody passes, and the log says why, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;

my $ca = authority('right authority');
my $stranger = authority('another authority');

sub server {
    my ($cert, %opt) = @_;

    return redis(tls => { %$cert, ca => $ca->{cert}, %opt });
}

my $redis = server($ca->issue('DNS:localhost,DNS:redis.test,IP:127.0.0.1'));
my $tls = $redis->{tls}{port};
my $key = create_key('--permissions', 'read', '--limits', '1000r/d');

sub conf {
    my ($how, $address) = @_;
    my $port = free_port();
    my $conf = <<"CONF";
    apikey_redis $address connect_timeout=60s timeout=60s $how;
    apikey_cache zone=keys:1m;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 204;
        }
    }
CONF

    return ($conf, $port);
}

sub gateway {
    my ($how, $address, %opt) = @_;
    my ($conf, $port) = conf($how, $address || "127.0.0.1:$tls");

    return (nginx($conf, %opt), $port);
}

sub ask { get($_[0], '/', 'X-API-Key' => ($_[1] || $key)->{key})->status }

sub passes {
    my ($name, $port, @key) = @_;

    ok(wait_for(sub { ask($port, @key) == 204 }, 60), $name);
}

sub refused {
    my ($name, $why, @gateway) = @_;
    my ($nginx, $port) = gateway(@gateway);

    is(ask($port), 503, "$name: 503");
    is(get($port, '/open')->status, 204, "$name: other locations go on");
    ok($nginx->wait_log(qr/\[\w+\].*$why/), "$name: logged")
        or diag($nginx->log);

    # it tries again and again meanwhile
    ok(wait_for(sub { (() = $nginx->log =~ /\[info\].*lost/g) > 4 }),
       "$name: it tries again");

    # nobody reads what Redis has closed
    my @told = grep { /\[(?:error|crit)\]/
                      && !/can't be used|SSL_write\(\) failed/ }
                    split /\n/, $nginx->log;

    is(@told, 1, "$name: told once") or diag("@told");
    is(ask($port), 503, "$name: still 503");
    $nginx->stop;
}


# Used.

my ($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert}");
passes('by address', $port);
ok(wait_for(sub { $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] }),
   'it listens to changes, too');

my $list = $redis->cmd('CLIENT', 'LIST');
unlike($list, qr/laddr=\S+:$redis->{port} .* cmd=(?:evalsha|subscribe)/,
       'and nothing goes beside TLS');

my $short = create_key('--permissions', 'read', '--limits', '1/25920000');
is(ask($port, $short), 204, 'a key is counted');
is(ask($port, $short), 429, 'to its limit');

ok(wait_for(sub { $redis->cmd('HLEN', 'apikey:gateways') }),
   'the gateway is registered');

my $r = apikey('revoke', $short->{id});
like($r->{out} . $r->{err}, qr/confirmed by 1 of 1/, 'a change is confirmed');

# Many at once, in more than one record of TLS.

my @answers = burst($port, 500, '/', 'X-API-Key' => $key->{key});
is(scalar(grep { $_->status == 204 } @answers), 500, 'many at once');

$redis->restart;
$key = create_key('--permissions', 'read', '--limits', '1000r/d');
passes('Redis restarts', $port);

{
    my ($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert} timeout=1s");

    passes('before it hangs', $port);
    $redis->pause;
    is(ask($port, $short), 503, 'Redis hangs: 503');
    $redis->resume;
    passes('Redis goes on', $port);
    $nginx->stop;
}

my ($text) = conf("tls=on tls_ca=$ca->{cert} tls_name=redis.test",
                  "127.0.0.1:$tls");
$text =~ s/listen [\d.:]+/listen 127.0.0.1:$port/;
ok($nginx->reload($text), 'a reload, with a name');
passes('by that name', $port);
$nginx->stop;

($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert}", "localhost:$tls");
passes('by the name of the host', $port);
$nginx->stop;

{
    # of the system, which is OpenSSL's own directories, or these
    local $ENV{SSL_CERT_FILE} = $ca->{cert};

    ($nginx, $port) = gateway('tls=on', undef, main => 'env SSL_CERT_FILE;');
    passes('by an authority of the system', $port);
    $nginx->stop;
}

($nginx, $port) = gateway('tls=off', "127.0.0.1:$redis->{port}");
passes('tls=off', $port);
$nginx->stop;


# Not used.

# what OpenSSL says depends on whether Redis shows the authority, too
my $unknown = '(?:self-signed certificate|unable to get local issuer)';

refused('another authority',
        qq{certificate of redis is refused for "127.0.0.1": $unknown},
        "tls=on tls_ca=$stranger->{cert}");

refused('none of the system\'s authorities', $unknown, 'tls=on');

refused('another name', 'refused for "other.test": [Hh]ostname mismatch',
        "tls=on tls_ca=$ca->{cert} tls_name=other.test");

refused('another address', 'refused for "127.0.0.2": IP address mismatch',
        "tls=on tls_ca=$ca->{cert} tls_name=127.0.0.2");

my $named = server($ca->issue('DNS:*.redis.test'));
refused('a name, but not the address', 'IP address mismatch',
        "tls=on tls_ca=$ca->{cert}", "127.0.0.1:$named->{tls}{port}");
refused('a wildcard of another level', '[Hh]ostname mismatch',
        "tls=on tls_ca=$ca->{cert} tls_name=a.b.redis.test",
        "127.0.0.1:$named->{tls}{port}");

my $expired = server($ca->issue('IP:127.0.0.1', expired => 1));
refused('expired', 'certificate has expired',
        "tls=on tls_ca=$ca->{cert}", "127.0.0.1:$expired->{tls}{port}");

my $own = server($stranger->issue('IP:127.0.0.1'));
refused('of nobody we know', $unknown,
        "tls=on tls_ca=$ca->{cert}", "127.0.0.1:$own->{tls}{port}");

# Redis takes it for a command that goes on.

($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert} connect_timeout=100ms",
                          "127.0.0.1:$redis->{port}");
is(ask($port), 503, 'a server that speaks no TLS: 503');
ok($nginx->wait_log(qr/\[error\].*can't be used: the TLS handshake timed out/),
   'and logged');
$nginx->stop;

($nginx, $port) = gateway('', "127.0.0.1:$tls");
is(ask($port), 503, 'a server that speaks nothing else: 503');
ok($nginx->wait_log(qr/\[error\].*can't be used: connection closed/),
   'and logged');
$nginx->stop;


# A server that says nothing is given up.

my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5);
($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert} connect_timeout=100ms",
                          '127.0.0.1:' . $silent->sockport);
is(ask($port), 503, 'a server that is silent: 503');
ok($nginx->wait_log(qr/\[error\].*the TLS handshake timed out/), 'and logged');
$nginx->stop;


# Certificates of clients.

my $strict = server($ca->issue('IP:127.0.0.1'), clients => 'yes');
my $address = "127.0.0.1:$strict->{tls}{port}";
my $mine = $ca->issue('DNS:gateway');
my $not_mine = $stranger->issue('DNS:gateway');
my $cert = "tls_cert=$mine->{cert} tls_key=$mine->{key}";

create_key({ redis => $strict }, '--permissions', 'read');
my $there = create_key({ redis => $strict }, '--permissions', 'read');

($nginx, $port) = gateway("tls=on tls_ca=$ca->{cert} $cert", $address);
passes('a certificate of our own', $port, $there);
$nginx->stop;

refused('no certificate of our own', 'alert certificate required',
        "tls=on tls_ca=$ca->{cert}", $address);
refused('a certificate of our own that they refuse', 'alert unknown ca',
        "tls=on tls_ca=$ca->{cert} tls_cert=$not_mine->{cert} "
        . "tls_key=$not_mine->{key}", $address);


# nginx -t.

for (
    [ 'tls=yes', 'invalid "tls=yes" in .*: neither "on" nor "off"' ],
    [ 'tls=', 'invalid "tls=" in "apikey_redis": the value is empty' ],
    [ 'tls_file=x', 'invalid "tls_file=x" .*: unknown parameter' ],
    [ "tls_ca=$ca->{cert}", 'has parameters of TLS without "tls=on"' ],
    [ 'tls_name=x', 'has parameters of TLS without "tls=on"' ],
    [ "tls=on tls_cert=$mine->{cert}", 'has "tls_cert" without "tls_key"' ],
    [ "tls=on tls_key=$mine->{key}", 'has "tls_key" without "tls_cert"' ],
    [ 'tls=on tls_name=' . 'x' x 256, 'longer than a name may be' ],
    [ 'tls=on tls_ca=/nonexistent', '/nonexistent' ],
    [ "tls=on tls_ca=$mine->{key}", $mine->{key} ],
    [ "tls=on tls_cert=/nonexistent tls_key=$mine->{key}", '/nonexistent' ],
    [ "tls=on tls_cert=$mine->{cert} tls_key=/nonexistent", '/nonexistent' ],
    [ "tls=on tls_cert=$mine->{cert} tls_key=$ca->{own}",
      '(?i:key values mismatch)' ],
) {
    my ($how, $why) = @$_;
    my $r = nginx_test((conf($how, '127.0.0.1:1'))[0]);

    isnt($r->{exit}, 0, "nginx -t refuses " . substr $how, 0, 40);
    like($r->{err}, qr/\[emerg\].*$why/, 'and says why');
}

$r = nginx_test((conf('tls=on', "unix:$redis->{socket}"))[0]);
like($r->{err}, qr/"tls=on" for a unix socket without "tls_name"/,
     'a unix socket needs a name');
is(nginx_test((conf("tls=off tls_ca=$ca->{cert}", '127.0.0.1:1'))[0])->{exit},
   0, 'switched off, the rest may stay');

done_testing();
