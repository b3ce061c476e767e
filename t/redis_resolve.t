#!/usr/bin/perl

# A host name leads to wherever it points when the connection is made again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $first = fake_redis();
my $second = fake_redis(address => '127.0.0.2', port => $first->{port});
my ($dns_port, $port) = (free_port(), free_port());

$first->script(record(rev => 1, id => 'first', status => 'active'));
$second->script(record(rev => 2, id => 'second', status => 'active'));


# A name server.  The file holds the address of every name; empty: there is no
# such name; none: no answer.

my $zone = file('address', '127.0.0.1');

my $dns = in_background(sub {
    my $socket = IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => '127.0.0.1', LocalPort => $dns_port) or die "dns: $!";

    while (defined $socket->recv(my $query, 512)) {
        my $address = slurp($zone);

        next if !-e $zone;

        my ($id, $question) = $query =~ /^(..).{10}(.*?\0....)/s;
        my $found = $address ne '';

        $socket->send($id . pack('n5', $found ? 0x8180 : 0x8183, 1,
                                 $found ? 1 : 0, 0, 0) . $question
                      . ($found ? pack('n3Nna4', 0xc00c, 1, 1, 0, 4,
                                       pack 'C4', split /\./, $address) : ''));
    }
});

sub points_to { file('address', $_[0]) }


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

my $nginx = nginx("resolver 127.0.0.1:$dns_port ipv6=off;\n$conf");


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

points_to('127.0.0.2');
is(who(), 'first', 'a connection that there is stays');

follows('second', 'the next one is made to where the name points now', $first);

$second->cut;
follows('second', 'and again');


# A name that moves while its server is away.

$second->refuse;
$second->cut;
ok(wait_for(sub { who() eq '' }, 60), 'nobody is there');
points_to('127.0.0.1');
follows('first', 'the name is asked for again with each attempt');


# The name server knows nothing, or doesn't answer.

points_to('');
$second->listen;
$first->refuse;
$first->cut;
ok(wait_for(sub { errors() }, 60), 'no such name: logged');

my $before = attempts();
ok(wait_for(sub { attempts() > $before + 2 }, 60), 'attempts go on');
is(errors(), 1, 'one error, though');
$first->listen;
follows('first', 'the address known before is used');

unlink $zone;
$first->cut;
follows('first', 'also when no name server answers');

points_to('127.0.0.2');
$first->refuse;
$first->cut;
follows('second', 'until one does');


# A worker may end while it asks.

unlink $zone;
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
