#!/usr/bin/perl

# A Redis that needs a password, or a user with few rights: whoever may not ask
# it gets 503, and the password is nowhere to be read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $secret = 'pass w0rd with spaces';
my $redis = redis(conf => qq{requirepass "$secret"\n}, password => $secret);

# What a gateway needs, and no more.
$redis->cmd(qw(ACL SETUSER gateway on >gw-secret resetkeys ~apikey:* -@all
    +ping +select +eval +evalsha +hget +hmget +hgetall +hset +expire +time));
$redis->cmd(qw(ACL SETUSER reader on >rd-secret ~apikey:* -@all
    +ping +eval +evalsha +hget +hmget +hgetall +time));
$redis->cmd(qw(ACL SETUSER stranger on >st-secret ~other:* +@all));
$redis->cmd(qw(ACL SETUSER nobody on >no-secret ~* -@all +ping));

my $key = create_key('--permissions', 'read', '--limits', '1000r/d');
my $free = create_key('--permissions', 'read');


sub password {
    my ($name, $text) = @_;
    my $path = file($name, $text);

    chmod 0600, $path;
    return $path;
}

# A gateway that logs in like this.

sub gateway {
    my ($how) = @_;
    my $port = free_port();

    my $nginx = nginx(<<"CONF", log => 'debug');
    apikey_redis 127.0.0.1:$redis->{port} $how connect_timeout=60s timeout=60s;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /failover {
            apikey_limit_failure allow;
            try_files /none =204;
        }
    }
CONF

    return ($nginx, $port);
}

sub ask {
    my ($port, $key, $uri) = @_;

    return get($port, $uri || '/', 'X-API-Key' => $key->{key})->status;
}

sub passes {
    my ($name, $port) = @_;

    ok(wait_for(sub { ask($port, $key) == 204 }), "$name: answers");
}

# Nobody gets in, and the log says why, once for all attempts to connect.

sub refused {
    my ($name, $nginx, $port, $why) = @_;

    ok($nginx->wait_log(qr/\[error\].*refused the connection: "$why/),
       "$name: logged");
    is(ask($port, $key), 503, "$name: 503") for 1 .. 5;

    # it tries again and again meanwhile
    my $tries = 0;
    wait_for(sub {
        $tries = () = $nginx->log =~ /greeting refused/g;
        $tries > 2;
    });

    is(scalar(() = $nginx->log =~ /\[error\].*refused the connection/g), 1,
       "$name: one error, $tries attempts");
}


my $right = password('right', "$secret\n");

my ($nginx, $port) = gateway("password_file=$right");
passes('the password', $port);
unlike($nginx->log, qr/\Q$secret/, 'the password is not in the log');

refused('no password', gateway(''), 'NOAUTH');

my $wrong = password('wrong', 'guess');
my ($failing, $failing_port) = gateway("password_file=$wrong");
refused('a wrong password', $failing, $failing_port, 'WRONGPASS');
unlike($failing->log, qr/guess/, 'a wrong password is not in the log');


# Another password: the connection that there is lives on, the next one fails
# until nginx has read the file again.

$redis->cmd('CONFIG', 'SET', 'requirepass', 'another');
is(ask($port, $key), 204, 'the password changes: a connection stays');

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
$redis->{password} = 'another';
ok($nginx->wait_log(qr/refused the connection: "WRONGPASS/),
   'the next one is refused');
is(ask($port, $key), 503, 'and nobody passes');

password('right', 'another');
ok($nginx->reload, 'a reload');
passes('the new password', $port);


# Users.

($nginx, $port) = gateway('user=gateway password_file='
                          . password('gw', 'gw-secret'));
passes('a user with the rights it needs', $port);
is(ask($port, $free), 204, 'and without limits');
ok($nginx->wait_log(qr/\[info\][^\n]* refused the subscription: "NOPERM/, 60),
   'it may not subscribe, however often it asks');
is(scalar(() = $nginx->log =~ /\[error\][^\n]* refused the subscription/g), 1,
   'which is one error');

($nginx, $port) = gateway('db=0 user=reader password_file='
                          . password('rd', 'rd-secret'));
ok(wait_for(sub { ask($port, $free) == 204 }), 'may read: a key of no limits');
is(ask($port, $key), 503, 'may not count: 503');
is(ask($port, $key, '/failover'), 204, 'or no limits, if told so');
like($nginx->log, qr/could not decide: ".*$Test::Apikey::Redis::NO_RIGHT/,
     'the log says why');

$redis->cmd(qw(ACL SETUSER reader +hset +expire));
is(ask($port, $key), 204, 'rights given count at once');

($nginx, $port) = gateway('user=stranger password_file='
                          . password('st', 'st-secret'));
is(ask($port, $_), 503, 'may not touch our keys: 503') for $key, $free;
is(ask($port, $free, '/failover'), 503, 'whatever happens to limits');

($nginx, $port) = gateway('user=nobody password_file='
                          . password('no', 'no-secret'));
is(ask($port, $_), 503, 'may not run scripts: 503') for $key, $free;

refused('an unknown user', gateway("user=who password_file=$right"),
        'WRONGPASS');
refused('a database that is none', gateway("db=999 password_file=$right"),
        'ERR DB index');

done_testing();
