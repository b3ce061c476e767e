#!/usr/bin/perl

# While Redis is away: 503, at once, and nothing else suffers; when it is back,
# so are the answers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Test::Apikey;

my $redis = redis();
my ($port, $unix_port) = (free_port(), free_port());

my $conf = <<"CONF";
    server {
        listen 127.0.0.1:PORT;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 204;
        }

        location /failover {
            apikey_limit_failure allow;
            try_files /none =204;
        }
    }
CONF

# Where Redis doesn't hang nobody has to wait for it.

my $patient = 'connect_timeout=60s timeout=60s';

sub conf {
    my ($where, $at) = @_;

    return "apikey_redis $where;" . $conf =~ s/PORT/$at/r;
}

my $nginx = nginx(conf("127.0.0.1:$redis->{port} $patient", $port));
my $key = create_key('--permissions', 'read', '--limits', '1000r/d');
my $gone = create_key('--permissions', 'read');

apikey('revoke', $gone->{id});
$redis->cmd('SAVE');


sub ask { get(shift || $port, '/', 'X-API-Key' => $key->{key}, @_) }

sub answers {
    my ($name, $at) = @_;

    ok(wait_for(sub { ask($at)->status == 204 }, 60), $name);
}

# But for why the first attempt failed, which comes in its time.

sub errors { scalar(grep { /\[error\]/ && !/connect\(\) failed/ }
                         split /\n/, $_[0]->log) }

# Since Redis has answered last.

sub failures {
    my ($now) = $_[0]->log =~ /(?:.*answers again after)?(.*)/s;

    return scalar(() = $now =~ /\[error\].*can't be used/g);
}

# As a client sees it: of a good key, a revoked one, one that never was.

sub is_down {
    my ($name, $of, $at) = @_;

    ok(wait_for(sub { failures($of) }, 60), "$name: noticed");

    my $errors = errors($of);
    my $slow = 0;

    for (1 .. 20) {
        my $began = time;
        my $r = ask($at);

        last if $r->status != 503;
        $slow++ if time - $began > 0.9;
    }

    # who does waits for a machine that stood still
    cmp_ok($slow, '<', 10, "$name: nobody waits for a timeout");

    my $r = ask($at);
    is($r->status, 503, "$name: 503");
    is($r->header('Retry-After'), 1, "$name: Retry-After");
    is($r->header('Content-Type'), 'application/json', "$name: JSON");
    is($r->header('X-RateLimit-Limit'), undef, "$name: no limits");
    is_deeply($r->json, { statusCode => 503,
              message => 'API key service unavailable' }, "$name: body");

    is(get($at, '/', 'X-API-Key' => $gone->{key})->status, 503,
       "$name: nor is a revoked key told from others");
    is(get($at, '/failover', 'X-API-Key' => $key->{key})->status, 503,
       "$name: only limits may fail open");
    is(get($at, '/', 'X-API-Key' => 'made-up')->status, 401,
       "$name: what is no key at all needs no Redis");
    is(get($at, '/')->status, 401, "$name: nor does none");
    is(get($at, '/open')->status, 204, "$name: other locations go on");

    is(failures($of), 1, "$name: one failure is logged");
    is(errors($of), $errors, "$name: no error for each request");
}


answers('it answers', $port);

$redis->kill;
is(ask()->status, 503, 'killed: the first request');
is_down('killed', $nginx, $port);

$redis->start;
answers('restarted with its data', $port);
is(get($port, '/', 'X-API-Key' => $gone->{key})->status, 401,
   'a revoked key is unauthorized again');
like($nginx->log, qr/\[notice\].*answers again after \d+ ms/,
     'the return is logged');


# Stopped: connections are accepted by the kernel, and nobody answers.

my $fresh_port = free_port();
my $fresh = nginx(conf("127.0.0.1:$redis->{port} connect_timeout=1s timeout=1s",
                       $fresh_port));

answers('before the stop', $fresh_port);

$redis->pause;
is(ask($fresh_port)->status, 503, 'stopped: after the timeout');
is_down('stopped', $fresh, $fresh_port);
$redis->resume;
answers('continued', $fresh_port);
answers('by every gateway', $port);


# It has never been there.

$redis->stop;

my $unix = nginx(conf("unix:$redis->{socket} $patient", $unix_port));
is_down('not there at the start', $unix, $unix_port);
$redis->start;
answers('it starts later', $unix_port);


# Restarted empty: it knows nobody, and says so.

$redis->kill;
unlink "$redis->{dir}/dump.rdb";
$redis->start;

ok(wait_for(sub { ask()->status == 401 }, 60), 'restarted empty: 401');
is(ask()->json->{message}, 'Invalid API key', 'as for any unknown key');


# A connection that Redis closes while nobody waits is made again unnoticed;
# it must have lasted for a second, else Redis is said to fail.

$key = create_key('--permissions', 'read');
answers('a new key', $port);
sleep 1.2;

my $errors = errors($nginx);
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');

is(ask()->status, 204, 'an idle connection that Redis has closed') for 1 .. 5;
is(errors($nginx), $errors, 'is no error');

done_testing();
