#!/usr/bin/perl

# A worker that is told to end, or whose nginx is, first answers those who wait
# for Redis, whatever state its connection is in.  After each nginx the library
# looks for "open socket left" in its log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $key = create_key('--permissions', 'read', '--limits', '1000r/d');

my ($fake, $port, $nginx);


# A gateway of its own before each test.

sub start {
    my (%opt) = @_;

    $fake = fake_redis(behind => $redis);
    $fake->greet(%{$opt{greet}}) if $opt{greet};
    $port = free_port();

    my $timeout = $opt{timeout} || '60s';

    $nginx = nginx(<<"CONF", redis => $fake, %opt);
    apikey_redis 127.0.0.1:$fake->{port} timeout=$timeout connect_timeout=60s;

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

        location /charged {
            apikey_charge 10;
            try_files /none =204;
        }
    }
CONF
}

sub bytes {
    return Test::Apikey::HTTP::bytes('GET', $_[0] || '/',
                                     'X-API-Key' => $key->{key});
}

sub quit {
    $nginx->signal('QUIT');
    $nginx->wait_log(qr/gracefully shutting down/) or die 'not told to end';
}

sub ended { $nginx->stop; is($nginx->{wrong}[0], undef, "$_[0]: a good end") }


start();
$fake->script({ ask => 1, hold => 1 });
my @clients = map { dial($port)->send(bytes()) } 1 .. 5;
$fake->wait_scripts(5);
quit();
$fake->script({ ask => 1 });
$fake->release;
is($_->response->status, 204, 'Redis was asked: answered') for @clients;
ended('asked');


start(greet => { PING => { say => "+PONG\r\n", hold => 1 } });
@clients = map { dial($port)->send(bytes()) } 1 .. 5;
wait_for(sub { grep { $_->[0] eq 'PING' } @{$fake->words} });
get($port, '/open');    # accepted after them
quit();
$fake->release;
is($_->response->status, 204, 'Redis was being greeted: answered')
    for @clients;
ended('greeting');


# A client in the middle of its request isn't idle.

start();
my ($head, $rest) = bytes() =~ /^(.{20})(.*)$/s;
my $slow = dial($port)->send($head);
is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204, 'connected');
quit();
$slow->send($rest);
is($slow->response->status, 204, 'a request that was under way is answered');
ended('late');


# Redis goes and comes back meanwhile.

start();
my @slow = map { dial($port)->send($head) } 1 .. 2;
$fake->script({ ask => 1, hold => 1 });
my $asked = dial($port)->send(bytes());
$fake->wait_scripts(1);
quit();
$fake->refuse;
$fake->cut;
is($asked->response->status, 503, 'Redis is lost: 503');
$slow[0]->send($rest);
is($slow[0]->response->status, 503, 'and for who asks later');
$fake->script({ ask => 1 });
$fake->listen;
ok($nginx->wait_log(qr/\[notice\].*answers again/),
   'a worker that is ending connects again');
$slow[1]->send($rest);
is($slow[1]->response->status, 204, 'for those it still serves');
ended('lost');


# What is charged at the very end isn't lost.

start();
$fake->script({ ask => 1 });
($head, $rest) = bytes('/charged') =~ /^(.{20})(.*)$/s;
$slow = dial($port)->send($head);
get($port, '/open');
quit();
$slow->send($rest);
is($slow->response->status, 204, 'the last request');
ok($fake->wait_scripts(3), 'is charged for');
ended('charged');


# Without a master, and not gracefully: nobody is answered, nothing crashes.

for my $opt ([ main => 'master_process off;' ], [ signal => 'TERM' ]) {
    my ($name, $value) = @$opt;
    my $killed = qr/worker process \d+ exited on signal 9/;

    # nginx kills who hasn't ended a second after TERM, whosever fault it is

    for (1 .. 5) {
        start(@$opt, timeout => '500ms');
        ok(wait_for(sub {
            get($port, '/', 'X-API-Key' => $key->{key})->status == 204;
        }), "$name");
        $fake->script({ ask => 1, hold => 1 });
        dial($port)->send(bytes()) for 1 .. 3;
        $fake->wait_scripts(5);
        $nginx->stop($name eq 'signal' ? $value : 'QUIT');
        last unless $nginx->log =~ $killed;
        expect_log($killed);
    }

    is($nginx->{wrong}[0], undef, "$value: a good end");
    unlike($nginx->log, $killed, "$value: by itself");
}

done_testing();
