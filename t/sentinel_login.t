#!/usr/bin/perl

# Users with the rights that README.md gives, at sentinels and servers, and TLS
# to both: for gateway and program.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;
use Test::Apikey::Sentinel;

my $ca = authority('right authority');
my $stranger = authority('another authority');
my $group = sentinels(sentinel_password => 'of the sentinels',
                      tls => { %{$ca->issue('IP:127.0.0.1')},
                               ca => $ca->{cert} });

my $readme = slurp("$Test::Apikey::ROOT/README.md");
my ($gateway) = $readme =~ /a gateway needs\s+`([^`]+)`/;
my ($program) = $readme =~ /the program\s+`([^`]+)`/;
my ($role) = $readme =~ /gateway's needs `([^`]+)` besides/;
my ($asks) = $readme =~ /the sentinels' user\s+`([^`]+)`/;
my ($doctor) = $readme =~ /\(and `([^`]+)` for `apikey doctor`\)/;

ok($gateway && $program && $role && $asks && $doctor, 'README.md names them');

sub user {
    my ($at, $name, @rights) = @_;

    $at->cmd('ACL', 'SETUSER', $name, 'reset', 'on', ">$name-secret",
             map { split } @rights);
}

for my $redis (map { $group->redis($_) } 0, 1) {
    user($redis, 'gateway', $gateway, $role);
    user($redis, 'program', $program, '+info +config|get');
}

for my $sentinel (map { $group->sentinel($_) } 0 .. 2) {
    user($sentinel, 'gateway', $asks);
    user($sentinel, 'program', $asks, $doctor);
}


# The program.

sub program {
    my ($authority, @args) = @_;

    return run("$Test::Apikey::BUILD/apikey", '--redis', $group->url
               =~ s{//}{//program:program-secret@}r, '--pepper-file',
               Test::Apikey::pepper_file(), '--tls-ca', $authority->{cert},
               '--json', @args);
}

my $r = program($ca, 'create', '--name', 'x', '--limits', '100r/d');
is($r->{exit}, 0, 'the program') or diag $r->{err};
my $key = decode_json($r->{out});

my %checks;

# who stood still for a moment may seem to be behind

wait_for(sub {
    %checks = map { $_->{check} => $_ }
              @{decode_json(program($ca, 'doctor')->{out})->{checks}};
    return !grep { $checks{$_}{result} ne 'ok' } qw(sentinels replicas rights);
});
is($checks{$_}{result}, 'ok', "doctor: $_") for qw(sentinels replicas rights);

$r = program($stranger, 'list');
is($r->{exit}, 3, 'another authority');
like($r->{err}, qr/no sentinel answers: \S+ its certificate is refused/,
     'and why');


# The gateway.

my $secret = file('secret', "gateway-secret\n");
chmod 0600, $secret;

sub gateway {
    my ($authority) = @_;
    my $port = free_port();

    my $nginx = nginx(<<"CONF");
    apikey_redis ${\ $group->addresses } mode=sentinel master=main
                 user=gateway password_file=$secret
                 tls=on tls_ca=$authority->{cert}
                 connect_timeout=60s timeout=60s;
    apikey_cache zone=keys:1m;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

    return ($nginx, $port);
}

sub ask { get($_[0], '/', 'X-API-Key' => $key->{key})->status }

my ($nginx, $port) = gateway($stranger);
ok($nginx->wait_log(qr/no sentinel answers about the master "main"/),
   'another authority: nobody answers');
like($nginx->log, qr/the certificate of redis is refused for "127.0.0.1"/,
     'and why');
is(ask($port), 503, 'nobody passes');
$nginx->stop;

($nginx, $port) = gateway($ca);
ok(wait_for(sub { ask($port) == 204 }, 60), 'the gateway');

$group->replicated;
my $new = $group->failover;
ok($nginx->wait_log(qr/the master "main" is at \S+:$new->{tls}{port} now/),
   'it follows the master');
ok(wait_for(sub { ask($port) == 204 }, 60), 'and goes on there');
ok(wait_for(sub {
    program($ca, 'disable', $key->{id})->{exit} == 0
}, 60), 'a change is confirmed there');
is(ask($port), 401, 'and holds');

unlike($nginx->log, qr/redis refused|register this worker|NOPERM/,
       'no right is missing');
unlike($nginx->log, qr/gateway-secret/, 'the password is not in the log');
is_deeply([ map { @{$_->cmd('ACL', 'LOG')} } $new,
            map { $group->sentinel($_) } 0 .. 2 ], [],
          'nor was anything refused');

done_testing();
