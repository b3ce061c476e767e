#!/usr/bin/perl

# Nodes that refuse for a while, or for ever, or are lost with a command: the
# program goes on where nothing was done, gives up in time, and never sends
# anything twice that may have been done.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

# A node before a server, which says that all slots are its own.

my @words = qw(TIME HGET HGETALL HSET HSETNX HDEL ZADD ZREM);
my $redis = redis();
my $fake = fake_redis(behind => $redis);

sub slots {
    my ($port, $host) = @_;

    return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" . resp($host // '127.0.0.1')
           . ":$port\r\n";
}

sub all_its_own {
    my ($fake) = @_;

    $fake->greet($_ => { ask => 1 }) for @words;
    $fake->greet(CLUSTER => slots($fake->{port}));
    $fake->script({ ask => 1 });
}

sub node { bless { port => $_[0] }, 'Node' }

{
    package Node;
    sub url { "redis-cluster://127.0.0.1:$_[0]{port}" }
}

sub error { "-$_[0]\r\n" }
sub count { scalar grep { $_->[0] =~ /^$_[1]/ } @{$_[0]->words} }

all_its_own($fake);

my $node = { redis => node($fake->{port}) };


# What lasts for ever is waited for meanwhile.

sub for_ever {
    my ($reply) = @_;
    my $other = fake_redis(behind => $redis);

    all_its_own($other);
    $other->greet(HGETALL => $reply->($other));

    my $run = in_background(sub {
        my $r = apikey({ redis => node($other->{port}) }, 'list');
        return [ $r, $other->words ];
    });

    return sub { [ $other, @{$run->result} ] };
}

my %ever = (
    CLUSTERDOWN => for_ever(sub { error('CLUSTERDOWN The cluster is down') }),
    MOVED => for_ever(sub { error("MOVED 1 127.0.0.1:$_[0]{port}") }),
    ASK => for_ever(sub { error("ASK 1 127.0.0.1:$_[0]{port}") }),
    TRYAGAIN => for_ever(sub { error('TRYAGAIN Multiple keys request') }),
);


# What passes.  The script is known.

create_key({ redis => $redis });
$fake->forget;
$fake->script(error('TRYAGAIN Multiple keys request'),
              error('CLUSTERDOWN Hash slot not served'),
              error('CLUSTERDOWN The cluster is down'),
              error("MOVED 1 127.0.0.1:$fake->{port}"),
              error("MOVED 1 :$fake->{port}"),
              error("ASK 1 :$fake->{port}"), { ask => 1 });

my $r = apikey($node, '--json', 'create', '--name', 'x');
is($r->{exit}, 0, 'refusals that pass') or diag($r->{err});
is(count($fake, 'EVAL'), 7, 'each is tried again');
is(count($fake, 'ASKING'), 1, 'asking where it is to be asked');
is(decode_json($r->{out})->{status}, 'active', 'a key is made');

# A node that isn't told what it is called is called as it was asked.

for ([ 'nothing', '' ], [ 'nil', undef ]) {
    my ($name, $host) = @$_;
    my $slots = slots($fake->{port}, $host // '-');

    $slots =~ s/\$1\r\n-/\$-1/ if !defined $host;
    $fake->greet(CLUSTER => $slots);
    is(apikey($node, 'list')->{exit}, 0, "a host that is $name");
}

$fake->greet(CLUSTER => slots($fake->{port}));


# A command that is lost with its connection.

sub lost {
    my ($name, $rule) = @_;

    $redis->cmd('FLUSHALL');
    $fake->forget;
    $fake->script({ %$rule, close => 1 }, { ask => 1 });

    my $r = apikey($node, 'create', '--name', 'x');
    my ($id) = $r->{err} =~ /whether the key "(\w+)" was stored is not known/;

    is($r->{exit}, 3, $name);
    like($r->{err}, qr/^apikey: Redis at \S+ 127.0.0.1:$fake->{port}: closed/,
         'the reason');
    ok($id, 'nobody knows whether it was done') or diag($r->{err});
    is(count($fake, 'EVAL'), 1, 'it is sent once');

    return $id;
}

my $id = lost('lost before it was done', { lose => 1 });
is(apikey('show', $id)->{exit}, 1, 'there is no key');

# Redis knows the script by now.

$id = lost('lost when it was done', { ask => 1, lose => 1 });
is(apikey('show', $id)->{exit}, 0, 'there is one, which can be found');
is(apikey('revoke', $id)->{exit}, 0, 'and revoked');


# What makes no sense.

for (
    [ 'no list', "+OK\r\n" ], [ 'no slots', "*0\r\n" ],
    [ 'a slot too many', slots($fake->{port}) =~ s/16383/16384/r ],
    [ 'a negative slot', slots($fake->{port}) =~ s/:0/:-1/r ],
    [ 'no port', slots('') =~ s/:\r\n$/\$1\r\nx\r\n/r ],
    [ 'no node', "*1\r\n*2\r\n:0\r\n:16383\r\n" ],
) {
    my ($name, $slots) = @$_;

    $fake->greet(CLUSTER => $slots);
    my $r = apikey($node, 'list');

    is($r->{exit}, 3, "slots that are $name");
    like($r->{err}, qr/unexpected reply to CLUSTER SLOTS: /, 'told');
}

$fake->greet(CLUSTER => slots($fake->{port}));

for ([ 'no node', 'MOVED 1' ], [ 'no port', 'MOVED 1 127.0.0.1' ],
     [ 'nothing', 'ASK ' ])
{
    my ($name, $error) = @$_;

    $fake->greet(HGETALL => error($error));
    my $r = apikey($node, 'list');

    is($r->{exit}, 3, "a redirection to $name");
    like($r->{err}, qr/: $error/, 'told');
}


# A node of the list that is there, but silent.

for (sort keys %ever) {
    my ($other, $r, $words) = @{$ever{$_}->()};
    my $tries = grep { $_->[0] eq 'HGETALL' } @$words;

    is($r->{exit}, 3, "$_ for ever");
    like($r->{err}, qr/127.0.0.1:$other->{port}: $_ /, 'told');
    ok($tries >= 2 * 16 && $tries < 60 * 16, "tried, not in a hurry: $tries");
}

done_testing();
