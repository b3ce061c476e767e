#!/usr/bin/perl

# A master that a Cluster gives no address of: a worker that starts serves the
# slots of the others, and the log names the node, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my ($first, $second) = map { fake_redis() } 1, 2;
my $id = '0123456789abcdef' x 2 . '01234567';

sub node {
    my ($from, $to, $host, $port, $id) = @_;

    return "*3\r\n:$from\r\n:$to\r\n*3\r\n" . resp($host) . ":$port\r\n"
           . resp($id);
}

sub map_with {
    $_->greet(CLUSTER => "*2\r\n" . node(0, 8191, '127.0.0.1', $first->{port},
                                         'f' x 40) . node(8192, 16383, @_))
        for $first, $second;
}

$_->script(record(rev => 1, id => 'some', status => 'active'))
    for $first, $second;

for ([ '?', $second->{port} ], [ '', 0 ], [ '127.0.0.1', 0 ]) {
    my ($host, $there) = @$_;
    my $port = free_port();

    map_with($host, $there, $id);

    my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$first->{port} mode=cluster connect_timeout=60s
                 timeout=60s;
    apikey_format any;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

    my $ask = sub {
        return join ' ',
                    map { get($port, '/', 'X-API-Key' => "key-$_")->status }
                        1 .. 20;
    };

    my $answers = $ask->();
    my $lines = sub { scalar(() = $nginx->log =~ /$_[0]/g) };

    like($answers, qr/204/, "\"$host:$there\": the others' slots are served");
    like($answers, qr/503/, 'its own are refused');
    ok($nginx->wait_log(qr/\[error\].*
                           redis[ ]"127\.0\.0\.1:$first->{port}"[ ]knows
                           [ ]no[ ]address[ ]of[ ]node[ ]"$id",[ ]which[ ]has
                           [ ]the[ ]slots[ ]8192[ ]to[ ]16383/x),
       'the node is named');

    $first->forget;
    wait_for(sub { $ask->(); grep { $_->[0] eq 'CLUSTER' } @{$first->words} });
    is($ask->(), $answers, 'so it stays');
    is($lines->(qr/\[error\].*knows no address/), 1, 'it is logged once');

    map_with('127.0.0.1', $second->{port}, $id);
    ok(wait_for(sub { $ask->() !~ /503/ }), 'until the address is known');
    $nginx->stop;
}

done_testing();
