#!/usr/bin/perl

# The debug log shows how a connection to Redis comes about and what becomes of
# each command, without a key, its digest or the password.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

plan skip_all => 'nginx without --with-debug'
    if run(Test::Apikey::Nginx::binary(), '-V')->{err} !~ /--with-debug/;

my $redis = redis(conf => "requirepass quite-secret\n",
                  password => 'quite-secret');
my $password = file('password', "quite-secret\n");
my $port = free_port();

chmod 0600, $password;

my $nginx = nginx(<<"CONF", log => 'debug');
    apikey_redis localhost:$redis->{port} password_file=$password db=1
                 connect_timeout=60s timeout=60s;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

my $key = create_key({ redis => bless { url => $redis->url . '/1' }, 'At' });

sub At::url { $_[0]{url} }

is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204, 'a request');
is(apikey({ redis => bless { url => $redis->url . '/1' }, 'At' }, 'revoke',
          $key->{id})->{exit}, 0, 'and a message');

my $name = qr/redis "localhost:$redis->{port}"/;

ok($nginx->wait_log(qr/$name: message of \d+ bytes/), 'the message is logged');

my @states = ('attempt after 0 failures', '\d+ addresses', 'connected',
              'greeting of 3 commands', 'command \S+ sent, \d+ bytes',
              'command \S+ answered, type \d', 'ready, \d+ commands waited',
              'subscribed to "apikey:changes"');
my $log = $nginx->log;

for my $state (@states) {
    ok($log =~ /\G.*?\[debug\][^\n]* $name: $state/sgc, $state);
}

my ($sent) = $log =~ /$name: command (\S+) sent, \d{3,} bytes/;
ok($sent && $log =~ /$name: command $sent sent.*$name: command $sent answered/s,
   'a command is followed by its reply');

my $digest = do { $redis->cmd('SELECT', 1); $redis->digest($key->{id}) };
$nginx->stop;

# what nginx itself logs of a request's headers isn't ours

my @ours = grep { / redis / } split /\n/, $nginx->log;
cmp_ok(@ours, '>', 10, 'lines');

my $lines = join "\n", @ours;
is(index($lines, $_->[1]), -1, "no $_->[0]")
    for [ key => $key->{key} ], [ digest => $digest ],
        [ password => 'quite-secret' ];

done_testing();
