#!/usr/bin/perl

# Who is waited for, and who isn't: a registration of the future is no sign of
# life, nor is one of a moment ago none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();

# A worker, which answers; from the Nth message on it has registered again.

sub worker {
    my ($name) = @_;
    my $child = in_background(sub {
        my ($in, $out) = ($redis->client, $redis->client);

        $in->cmd('SUBSCRIBE', 'apikey:changes');

        while (my $message = $in->reply(3600)) {
            my ($digest, $rev, $token) = split / /, $message->[2];

            $out->cmd('PUBLISH', "apikey:acks:$token", $name) if $token;
        }
    });

    wait_for(sub {
        $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1]
    }) or die 'it did not subscribe';

    return $child;
}

sub beat {
    my ($name, $ahead) = @_;
    my $now = $redis->cmd('TIME')->[0] + $ahead;

    $redis->cmd('HSET', 'apikey:gateways', $name, "$now 1.0.0 1");
}

sub change {
    my ($command, @args) = @_;
    my $r = apikey('edit', create_key()->{id}, '--name', 'x', '--wait', '1s');

    return join ' ', $r->{exit}, $r->{out} =~ /(confirmed by \d of \d|no gate)/,
                     $r->{err} =~ /(no answer from \S+)/;
}

# Nobody is there, but was.

is(change(), '0 no gate', 'nobody ever was');

beat('gw:1', -20);
is(change(), '1 confirmed by 0 of 1 no answer from gw:1',
   'one was, twenty seconds ago');

beat('gw:1', -90);
is(change(), '0 no gate', 'one was, long ago');

$redis->cmd('DEL', 'apikey:gateways');
my $gw = worker('gw:2');

beat('gw:2', -20);
is(change(), '0 confirmed by 1 of 1', 'one is there though it is silent');

beat('gw:2', 0);
beat('gw:1', -20);
is(change(), '0 confirmed by 1 of 1', 'one of two is there');

# Redis's clock was set back.

$redis->cmd('DEL', 'apikey:gateways');
beat('gw:1', 4000);
is(change(), '0 no gate', 'a registration of the future');
is($redis->cmd('HLEN', 'apikey:gateways'), 0, 'which is forgotten');

beat('gw:1', 4000);
beat('gw:2', 0);
is(change(), '0 confirmed by 1 of 1', 'beside one of now');

beat('gw:2', 4000);
my $beats = in_background(sub {
    my $redis = $redis->client;

    while (1) {
        my $now = $redis->cmd('TIME')->[0];

        $redis->cmd('HSET', 'apikey:gateways', 'gw:2', "$now 1.0.0 1");
        select undef, undef, undef, 0.1;
    }
});
is(change(), '0 confirmed by 1 of 1', 'who registers again is waited for');

beat('gw:1', 4000);
is_deeply([ map { $_->{name} }
                @{decode_json(apikey('--json', 'gateways')->{out})} ],
          [ 'gw:2' ], 'only that one is listed');

done_testing();
