#!/usr/bin/perl

# A host name leads to wherever it points when the connection is made again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;
use Test::Apikey::NameServer;

my $first = fake_redis();
my $second = fake_redis(address => '127.0.0.2', port => $first->{port});
my $port = free_port();

$first->script(record(rev => 1, id => 'first', status => 'active'));
$second->script(record(rev => 2, id => 'second', status => 'active'));


my $dns = name_server('127.0.0.1');


my $conf = <<"CONF";
    apikey_redis localhost:$first->{port} connect_timeout=300ms timeout=60s;
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

my $nginx = nginx("resolver 127.0.0.1:$dns->{port} ipv6=off;\n$conf");


sub who {
    my $r = get($port, '/', 'X-API-Key' => 'some-key');

    return $r->header('X-Id') // '';
}

# Away from a server that may be found again while nginx remembers the name's
# address, which is for a second.

sub follows {
    my ($to, $name, $from) = @_;

    ok(wait_for(sub {
        return 1 if who() eq $to;
        $from->cut if $from;
        return 0;
    }, 60), $name) or diag $nginx->log;
}

sub attempts { scalar(() = $nginx->log =~ /: connection failed/g) }

sub errors { scalar(() = $nginx->log =~ /\[error\].*could not be resolved/g) }


follows('first', 'connected');

$dns->points_to('127.0.0.2');
is(who(), 'first', 'a connection that there is stays');

follows('second', 'the next one is made to where the name points now', $first);

$second->cut;
follows('second', 'and again');


# A name that moves while its server is away.

$second->refuse;
$second->cut;
ok(wait_for(sub { who() eq '' }, 60), 'nobody is there');
$dns->points_to('127.0.0.1');
follows('first', 'the name is asked for again with each attempt');


# The name server knows nothing, or doesn't answer.

$dns->points_to;
$second->listen;
$first->refuse;
$first->cut;
ok(wait_for(sub { errors() }, 60), 'no such name: logged');

my $before = attempts();
ok(wait_for(sub { attempts() > $before + 2 }, 60), 'attempts go on');
is(errors(), 1, 'one error, though');
$first->listen;
follows('first', 'the address known before is used');

$dns->silent;
$first->cut;
follows('first', 'also when no name server answers');

$dns->points_to('127.0.0.2');
$first->refuse;
$first->cut;
follows('second', 'until one does');


# A worker may end while it asks.

$dns->silent;
$second->cut;
$nginx->stop;
unlike($nginx->log, qr/\[alert\]/, 'a name still asked for is no obstacle');
$first->listen;


# Without "resolver" the system is asked.

$nginx = nginx($conf);
follows('first', 'of the system');
my $connections = $first->connections;
$first->cut;
ok(wait_for(sub { who(); $first->connections > $connections }, 60),
   'another connection');
follows('first', 'and again');

done_testing();
