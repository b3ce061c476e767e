#!/usr/bin/perl

# Where in Redis the keys are, and how the gateway gets there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $up = upstream();
my $redis = redis(conf => "bind 127.0.0.1 -::1\n");
my $locked = redis(password => 'secret', conf => <<'CONF');
requirepass secret
user gateway on >gate-secret ~test:* &test:* +@all -@dangerous
CONF

sub secret {
    my ($name, $text) = @_;
    my $path = file($name, $text);

    chmod 0600, $path;

    return $path;
}

my $password = secret('password', "secret\n");
my $gate = secret('gate', 'gate-secret');
my $wrong = secret('wrong', 'guess');


# A key made over that URL with that prefix.

sub key {
    my ($url, @options) = @_;
    my $r = run("$Test::Apikey::BUILD/apikey", '--json', '--redis', $url,
                '--pepper-file', Test::Apikey::pepper_file(), @options,
                'create', '--name', 'x', '--limits', '10/25920000');

    die $r->{err} if $r->{exit};

    return decode_json($r->{out})->{key};
}

# A gateway with these lines; the status for each key.

sub gateway {
    my ($lines, @keys) = @_;
    my $port = free_port();

    # a slow machine is no failure of Redis
    $lines =~ s/(apikey_redis \S[^\s;]*)/$1 connect_timeout=60s timeout=60s/;

    my $nginx = nginx(<<"CONF");
$lines
    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

    my @status = map { get($port, '/', 'X-API-Key' => $_)->status } @keys;
    my $log = $nginx->log;

    $nginx->stop;

    unlike($log, qr/secret|guess/, 'no password in the log');

    return "@status";
}


# Prefixes and databases are apart from each other.

my $port = $redis->{port};
my $plain = key("redis://127.0.0.1:$port");
my $mine = key("redis://127.0.0.1:$port", '--redis-prefix', 'mine:');
my $third = key("redis://127.0.0.1:$port/3");

is_deeply([ grep { !/^(apikey|mine):/ } @{$redis->cmd('KEYS', '*')} ], [],
          'every name begins with the prefix');

is(gateway("apikey_redis 127.0.0.1:$port;", $plain, $mine, $third),
   '200 401 401', 'the default prefix, database 0');
is(gateway("apikey_redis 127.0.0.1:$port;\napikey_prefix mine:;",
           $plain, $mine, $third), '401 200 401', 'apikey_prefix');
is(gateway("apikey_redis 127.0.0.1:$port db=3;", $plain, $mine, $third),
   '401 401 200', 'db=3');

is_deeply([ grep { !/^(apikey|mine):/ } @{$redis->cmd('KEYS', '*')} ], [],
          'and counts under names that do');


# Addresses.

is(gateway("apikey_redis unix:$redis->{socket};", $plain), 200,
   'a unix socket');
is(gateway("apikey_redis unix:$redis->{socket} db=3;", $third), 200,
   'a unix socket, db=3');
is(gateway("apikey_redis localhost:$port;", $plain), 200, 'a name');

my $over_unix = key("unix:$redis->{socket}");
is(gateway("apikey_redis 127.0.0.1:$port;", $over_unix), 200,
   'a key made over a unix socket');

SKIP: {
    my $six = eval { require IO::Socket::IP;
                     IO::Socket::IP->new(PeerHost => '::1',
                                         PeerPort => $port) };

    skip 'no IPv6 here', 2 unless $six;

    is(gateway("apikey_redis [::1]:$port;", $plain), 200, 'an IPv6 address');
}


# Passwords and users.

$port = $locked->{port};
$plain = key("redis://:secret\@127.0.0.1:$port");
$mine = key("redis://:secret\@127.0.0.1:$port", '--redis-prefix', 'test:');
$third = key("redis://:secret\@127.0.0.1:$port/3");

my $at = "apikey_redis 127.0.0.1:$port";

is(gateway("$at password_file=$password;", $plain), 200, 'a password');
is(gateway("$at db=3 password_file=$password;", $third), 200,
   'a password, db=3');
is(gateway("apikey_redis unix:$locked->{socket} password_file=$password;",
           $plain), 200, 'a password over a unix socket');
is(gateway("$at user=default password_file=$password;", $plain), 200,
   'the default user, named');
is(gateway("$at user=gateway password_file=$gate;\napikey_prefix test:;",
           $mine), 200, 'a user with the rights to its prefix alone');
is(key("redis://gateway:gate-secret\@127.0.0.1:$port", '--redis-prefix',
       'test:') ? 1 : 0, 1, 'who may make keys');

# what Redis doesn't let in is no bad key

is(gateway("$at password_file=$wrong;", $plain), 503, 'a wrong password');
is(gateway("$at;", $plain), 503, 'no password');
is(gateway("$at user=nobody password_file=$password;", $plain), 503,
   'a user unknown');
is(gateway("$at user=gateway password_file=$gate;", $plain), 503,
   'a user without the rights');
is(gateway("$at db=99 password_file=$password;", $plain), 503,
   'a database that there is not');

done_testing();
