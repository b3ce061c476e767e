#!/usr/bin/perl

# A server that has become a replica: what it is asked for meanwhile it answers,
# then both connections are made again where its name points now.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;
use Test::Apikey::FakeRedis;
use Test::Apikey::NameServer;

my $first = fake_redis();
my $second = fake_redis(address => '127.0.0.2', port => $first->{port});
my $dns = name_server('127.0.0.1');
my $port = free_port();

my $readonly = resp(\"READONLY You can't write against a read only replica.");
my $record = record(rev => 1, id => 'first', status => 'active');

$first->script($record);
$second->script(record(rev => 2, id => 'second', status => 'active'));

my $nginx = nginx(<<"CONF");
    resolver 127.0.0.1:$dns->{port} ipv6=off;
    apikey_redis localhost:$first->{port} connect_timeout=60s timeout=60s;
    apikey_format any;

    server {
        listen 127.0.0.1:$port;

        location / {
            apikey on;
            add_header X-Id \$apikey_id;
            try_files /none =204;
        }
    }
CONF

sub send_one {
    return dial($port)->send(Test::Apikey::HTTP::bytes('GET', '/',
                             'X-API-Key' => "key-$_[0]"));
}

sub who { get($port, '/', 'X-API-Key' => 'some-key')->header('X-Id') // '' }

is(who(), 'first', 'the master');
ok(wait_for(sub { $first->listeners }), 'it is listened to');


# It becomes a replica while two requests are under way; the name stays.

sleep 1.1;
$first->forget;
$first->script({ say => $readonly, hold => 1 }, { say => $record, hold => 1 });

my $connections = $first->connections;
my @clients = (send_one(1));
ok($first->wait_scripts(1), 'a request');
push @clients, send_one(2);
ok($first->wait_scripts(2), 'and another');
$first->script($record);
$first->release;

is($clients[0]->response->status, 503, 'READONLY: 503');
is($clients[1]->response->status, 204, 'the reply after it is used');
ok(wait_for(sub { $first->connections > $connections }),
   'another connection is made');
is(who(), 'first', 'to the same server, as long as it is there');
ok(wait_for(sub { $first->listeners }), 'which is listened to again');
unlike($nginx->log, qr/can't be used/, 'that is no outage');


# The name points to the new master.

$dns->points_to('127.0.0.2');
$first->script($readonly);
sleep 1.1;

ok(wait_for(sub { who() eq 'second' }), 'the name is resolved again');
ok(wait_for(sub { $second->listeners && !$first->listeners }),
   'by what listens, too');
is($first->open, 0, 'no connection is left');
is(who(), 'second', 'and no request is lost') for 1 .. 3;

done_testing();
