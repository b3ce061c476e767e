#!/usr/bin/perl

# An answer that is on its way while what it tells of changes isn't kept: a
# revoked key doesn't come back to life, an imported one isn't forgotten.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Test::More;

use Test::Apikey;

my $redis = redis();
my ($port, $between) = map { free_port() } 1 .. 2;
my $hold = file('hold', '');
my $held = file('held', '');
my $told = file('told', '');

unlink $hold, $held;

# Redis, but what it answers stops where the file "hold" is. Who listens hears
# of changes all the same, each a byte in the file "told".

sub relay {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $between, Listen => 64, ReuseAddr => 1) or die $!;
    my (%at, @late);

    while (1) {
        my @ready = IO::Select->new($listen, map { $_->{socket} } values %at)
                    ->can_read(0.01);
        my $holds = -e $hold;

        # in the order in which Redis said it
        if (!$holds) {
            syswrite $_->[0], $_->[1] for splice @late;
        }

        for my $s (@ready) {
            if ($s == $listen) {
                my $client = $s->accept;
                my $server = Test::Apikey::accepts($redis->{port});

                $at{$client} = { socket => $client, peer => $server };
                $at{$server} = { socket => $server, peer => $client,
                                 server => 1 };
                next;
            }

            my $c = $at{$s} or next;

            if (!sysread $s, my $bytes, 65536) {
                delete @at{$s, $c->{peer}};
                close $_ for $s, $c->{peer};

            } elsif ($c->{server} && !$c->{listens} && $holds) {
                push @late, [ $c->{peer}, $bytes ];

                # a record's answer is longer than some heartbeats of workers
                Test::Apikey::file('held', '') if length $bytes > 60;

            } else {
                $at{$c->{peer}}{listens} = 1 if $bytes =~ /SUBSCRIBE/;
                syswrite $c->{peer}, $bytes;

                if ($c->{listens} && $bytes =~ /\r\nmessage\r\n/) {
                    open my $f, '>>', $told or die "$told: $!";
                    print $f '.';
                }
            }
        }
    }
}

my $relay = in_background(\&relay);

wait_for(sub { Test::Apikey::accepts($between) }) or die 'no relay';

nginx(<<"CONF", workers => 2);
    apikey_redis 127.0.0.1:$between connect_timeout=60s timeout=60s;
    apikey_cache zone=keys:1m valid=1h invalid=1h;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        apikey_format any;

        location / {
            empty_gif;
        }
    }
CONF

# What the change comes to where a question is overtaken by it: the status
# afterwards, of several requests to both workers.

sub overtaken {
    my ($key, $change) = @_;

    file('hold', '');
    file('told', '');

    my $client = dial($port);
    $client->send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  . "X-API-Key: $key\r\n\r\n");

    wait_for(sub { -e $held }) or return 'nothing was asked';

    my $r = $change->();

    # to both workers, and only then the answer
    wait_for(sub { -s $told >= 2 }) or return 'nobody was told';

    unlink $hold, $held;
    return "exit $r->{exit}: $r->{err}" if $r->{exit};
    return 'no answer' unless $client->response->status;

    my %seen = map { get($port, '/', 'X-API-Key' => $key)->status => 1 }
               1 .. 12;

    return join ' ', sort keys %seen;
}


my $key = create_key();

is(get($port, '/', 'X-API-Key' => $key->{key})->status, 200, 'a key');
ok(wait_for(sub { apikey('gateways')->{out} =~ /(?:.*:\d+ .*\n){2}/ }),
   'the workers listen');

for my $round (1 .. 5) {
    my $key = create_key();

    is(overtaken($key->{key}, sub { apikey('revoke', $key->{id}) }), '401',
       "a revocation overtakes a question ($round)");
}

for my $round (1 .. 3) {
    my $text = "imported-$round";
    my $file = file('keys', qq({"key":"$text","name":"imported"}\n));

    is(overtaken($text, sub { apikey('import', $file) }), '200',
       "an import overtakes a question ($round)");
}

is(get($port, '/', 'X-API-Key' => $key->{key})->status, 200, 'others go on');

done_testing();
