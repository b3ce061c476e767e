#!/usr/bin/perl

# The gateway finds the master through any sentinel, uses nothing that isn't a
# master, looks again when it is a replica, and goes on when no sentinel is
# left.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;
use Test::Apikey::Sentinel;

my $secret = file('secret', "pass word\n");
chmod 0600, $secret;


# A gateway with these sentinels.

sub gateway {
    my ($sentinels, $more, %opt) = @_;
    my $port = free_port();

    my $nginx = nginx(<<"CONF", %opt);
    apikey_redis $sentinels mode=sentinel master=main
                 connect_timeout=3s timeout=60s ${\ ($more || '')};
    apikey_format any;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        add_header X-Id \$apikey_id always;

        location / {
            try_files /none =204;
        }

        location /open {
            apikey off;
            return 204;
        }
    }
CONF

    return ($nginx, $port);
}

sub ask { get($_[0], '/', 'X-API-Key' => $_[1] || 'some-key') }

sub is_found {
    my ($port, $id, $name) = @_;

    ok(wait_for(sub { (ask($port)->header('X-Id') // '') eq $id }, 60), $name);
}


# Real ones.  The first that is listed isn't there, another is silent, both want
# a password.

my $group = sentinels(password => 'pass word', sentinels => 2,
                      sentinel_password => 'pass word');
my $key = create_key({ redis => $group }, '--limits', '100r/d');

$group->sentinel(0)->pause;

my ($nginx, $port) = gateway('127.0.0.1:1 ' . $group->addresses,
                             "password_file=$secret", workers => 2);

ok(wait_for(sub { ask($port, $key->{key})->status == 204 }, 60),
   'the master is found');
my $r = ask($port, $key->{key});
is($r->status, 204, 'and used');
is($r->header('X-RateLimit-Limit'), 100, 'for counting, too');
is($r->header('X-Id'), $key->{id}, 'for this key');
like($nginx->log, qr/the master "main" is at 127\.0\.0\.1:\d+/, 'it is logged');
unlike($nginx->log, qr/pass word/, 'without the password');

# No sentinel is left.

$group->sentinel($_)->kill for 0, 1;
ok($nginx->wait_log(qr/\[warn\].*no[ ]sentinel[ ]answers[ ]about[ ]the
                        [ ]master[ ]"main":[ ]it[ ]is[ ]taken[ ]to[ ]stay/x),
   'no sentinel is left: logged');
is(ask($port, $key->{key})->status, 204, 'the master is used as before')
    for 1 .. 10;

$group->redis(0)->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
ok(wait_for(sub { ask($port, $key->{key})->status == 204 }),
   'and where it was after a connection is lost');

$group->sentinel(1)->start;
ok($nginx->wait_log(qr/\[notice\].*sentinel \S+ knows the master "main" again/),
   'a sentinel comes back: logged');
ok($nginx->reload, 'a reload');
ok(wait_for(sub { ask($port, $key->{key})->status == 204 }), 'finds it again');
$nginx->stop;


# Sentinels that say what the test wants; two servers, and what is no master.

my ($first, $second) = map { fake_redis() } 1, 2;
my @sentinels = map { fake_redis() } 1, 2;
my $both = join ' ', map { "127.0.0.1:$_->{port}" } @sentinels;

$first->script(record(rev => 1, id => 'first', status => 'active'));
$second->script(record(rev => 1, id => 'second', status => 'active'));

my $replica = { say => resp([ 'slave', '127.0.0.1', '1' ]) };
my $master = { say => resp([ 'master', '0' ]) };

sub name {
    my ($there, @by) = @_;

    $_->greet(SENTINEL => resp($there ? [ '127.0.0.1', "$there->{port}" ]
                                      : undef))
        for @by ? @by : @sentinels;
}


name($first);
($nginx, $port) = gateway($both);
is_found($port, 'first', 'as they say');

# What asks once a second hears of it, too; what is heard holds at once.

name($second);
is_found($port, 'second', 'they are asked again while all is well');
ok(wait_for(sub { !$first->listeners && $second->listeners }),
   'both connections have moved');
ok(wait_for(sub { !$first->open }), 'and none is left');
like($nginx->log, qr/\[notice\].*the[ ]master[ ]"main"
                     [ ]is[ ]at[ ]\S+:$second->{port}\ now,
                     [ ]it[ ]was[ ]at[ ]\S+:$first->{port}/x,
     'one line names both addresses');
is(scalar(() = $nginx->log =~ /the master "main" is at \S+ now/g), 1, 'once');

name($first);
is_found($port, 'first', 'and back');

sub switches { scalar(() = $nginx->log =~ /is at \S+:$second->{port} now/g) }

my %where = (other => 9, main => $second->{port});
my $switches = switches();

ok(wait_for(sub {
    for my $sentinel (@sentinels) {
        $sentinel->publish('+switch-master', "$_ 127.0.0.1 $first->{port} "
                                             . "127.0.0.1 $where{$_}")
            for 'other', 'main';
    }

    return switches() > $switches;
}), 'a switch that is published, whatever they answer');
unlike($nginx->log, qr/ 127\.0\.0\.1:9 /, 'but not of another master');
is_found($port, 'first', 'and what they answer afterwards');

# READONLY: at once, without a word from the sentinels.

$_->greet(SENTINEL => { say => resp([ '127.0.0.1', "$second->{port}" ]),
                        hold => 1 }) for @sentinels;
$first->forget;
$first->script(resp(\"READONLY You can't write against a read only replica."));
is(ask($port)->status, 503, 'READONLY: 503');
like($nginx->log, qr/\[error\].*can't be used: it is a replica now/,
     'the connection is closed');
name($second);
$_->release for @sentinels;
is_found($port, 'second', 'and the other one found');
is($first->scripts, 1, 'who has refused it is not asked again');

# In a script, as Redis 6 says it.

$first->script(record(rev => 1, id => 'first', status => 'active'));
name($first);
$second->script(resp(\('ERR Error running script (call to f_1): '
                        . "\@user_script:1: -READONLY You can't write against "
                        . 'a read only replica.')));
is_found($port, 'first', 'READONLY in a script');
$nginx->stop;


# A replica is refused, and the other sentinel asked.

$second->script(record(rev => 1, id => 'second', status => 'active'));
$second->greet(ROLE => $replica);
$second->forget;
name($second);
($nginx, $port) = gateway($both);
ok($nginx->wait_log(qr/\[error\].*redis[ ]"\S+:$second->{port}"
                        [ ]is[ ]a[ ]replica:[ ]it[ ]isn't[ ]used/x),
   'a replica is refused');
is(ask($port)->status, 503, 'nobody is asked instead') for 1 .. 5;
is(scalar(() = $nginx->log =~ /is a replica: it isn't used/g), 1,
   'it is logged once');
is($second->scripts, 0, 'the replica is asked for nothing');

name($first, $sentinels[1]);
is_found($port, 'first', 'one sentinel knows better');

$second->greet(ROLE => $master);
name($second);
is_found($port, 'second', 'a replica that was promoted');
$nginx->stop;


# Nobody knows.

name(undef);
($nginx, $port) = gateway($both);
ok($nginx->wait_log(qr/\[error\].*no sentinel knows the master "main"/),
   'an unknown master: logged');
is(ask($port)->status, 503, 'nobody can be asked') for 1 .. 5;
name($first);
is_found($port, 'first', 'until one knows it');
is(scalar(() = $nginx->log =~ /no sentinel knows/g), 1, 'logged once');
$nginx->stop;

for my $nonsense ("+OK\r\n", resp([ 'a', 'b', 'c' ]), resp([ '', '6379' ]),
                  resp([ '127.0.0.1', '0' ]), resp([ '127.0.0.1', '70000' ]),
                  resp([ '127.0.0.1', 'x' ]), resp(\'ERR unknown command'),
                  resp([ 'x' x 300, '6379' ]), "what?\r\n")
{
    $sentinels[0]->greet(SENTINEL => $nonsense);
    ($nginx, $port) = gateway($both);
    is_found($port, 'first', 'in spite of ' . substr $nonsense =~ s/\s+/ /gr,
             0, 40);
    $nginx->stop;
}

# The name of a host.

$_->greet(SENTINEL => resp([ 'localhost', "$first->{port}" ])) for @sentinels;
($nginx, $port) = gateway($both);
is_found($port, 'first', 'a host name');
$_->greet(SENTINEL => resp([ 'no-such.invalid', '1' ])) for @sentinels;
ok($nginx->wait_log(qr/"no-such.invalid" could not be resolved/),
   'that is none');
name($second);
is_found($port, 'second', 'and an address again');
$nginx->stop;


# An end while it searches: nobody waits for it.

for my $signal ('QUIT', 'TERM') {
    $_->greet(SENTINEL => { say => '', hold => 1 }) for @sentinels;
    ($nginx, $port) = gateway($both, 'timeout=2s');
    ok(wait_for(sub { grep { $_->[0] eq 'SENTINEL' }
                      map { @{$_->words} } @sentinels }), 'it searches');
    my $client = dial($port)->send(Test::Apikey::HTTP::bytes('GET', '/',
                                   'X-API-Key' => 'some-key'));
    is(get($port, '/open')->status, 204, 'others are served');
    $nginx->stop($signal);
    is($nginx->{wrong}[0], undef, "$signal during the search: a good end");
    $_->forget for @sentinels;
}

# A worker that is killed has a successor.

name($first);
($nginx, $port) = gateway($both);
is_found($port, 'first', 'a worker');
expect_log(qr/exited on signal 9/);
kill 'KILL', $nginx->workers;
is_found($port, 'first', 'and its successor');

done_testing();
