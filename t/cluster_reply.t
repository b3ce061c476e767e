#!/usr/bin/perl

# Whatever the nodes of a Redis Cluster say of its slots: what is refused is
# sent where it belongs, not for ever, and nonsense changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;
use Test::Apikey::FakeRedis;

my ($first, $second) = map { fake_redis() } 1 .. 2;
my $many = fake_redis(address => '0.0.0.0');
my ($port, $crowd) = map { free_port() } 1 .. 2;

my @record = (rev => 7, status => 'active');
my $first_says = record(@record, id => 'first');
my $second_says = record(@record, id => 'second');

# A reply to CLUSTER SLOTS: [FIRST, LAST, HOST, PORT], ...

sub slots {
    return '*' . @_ . "\r\n" . join '', map {
        my ($from, $to, $host, $port) = @$_;

        "*3\r\n:$from\r\n:$to\r\n*2\r\n" . resp($host) . ":$port\r\n";
    } @_;
}

my $all = slots([ 0, 16383, '127.0.0.1', $first->{port} ]);

sub slot_of {
    my ($name) = @_;
    my $crc = 0;

    for my $byte (unpack 'C*', $name =~ /\{(.+?)\}/ ? $1 : $name) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1 for 1 .. 8;
        $crc &= 0xffff;
    }

    return $crc % 16384;
}

sub conf {
    my ($listen, $seeds, $more, $timeout) = @_;

    $timeout //= '60s';

    return <<"CONF";
    apikey_redis $seeds mode=cluster timeout=$timeout
                 connect_timeout=$timeout;
    apikey_format any;
    ${\ ($more // '') }

    server {
        listen 127.0.0.1:$listen;
        add_header X-Id \$apikey_id;

        location / {
            apikey on;
            try_files /none =204;
        }
    }
CONF
}

$first->greet(CLUSTER => $all);
$second->greet(CLUSTER => $all);
$first->script($first_says);
$second->script($second_says);

my $nginx = nginx(conf($port, "127.0.0.1:$first->{port}"));

sub ask {
    my ($at) = @_;
    my $r = get($at || $port, '/', 'X-API-Key' => 'some-key');

    return join ' ', $r->status, $r->header('X-Id') // ();
}

# What takes until the time is over, for a gateway that waits no longer.

sub hasty {
    my ($code) = @_;
    my $at = free_port();
    my $gateway = nginx(conf($at, "127.0.0.1:$first->{port}", '', '2s'));

    $code->($at);
    $gateway->stop;
}

# The words that a node was sent, but for what is asked now and then.

sub heard {
    my ($fake) = @_;

    return join ' ', grep { !/^(CLUSTER|PING)$/ } map { $_->[0] }
                          @{$fake->words};
}

sub forget { $_->forget for $first, $second }


is(ask(), '204 first', 'a map of one node');

my ($asked) = grep { $_->[0] eq 'EVALSHA' } @{$first->words};
my $slot = slot_of($asked->[3]);
my $to_first = "$slot 127.0.0.1:$first->{port}\r\n";
my $to_second = "$slot 127.0.0.1:$second->{port}\r\n";


# Sent again.

forget();
$first->script("-ASK $to_second", $first_says);
is(ask(), '204 second', 'ASK');
is(heard($second), 'ASKING EVALSHA', 'goes with ASKING');
is(ask(), '204 first', 'only once');

forget();
$first->script("-ASK $to_second");
$second->script("-NOSCRIPT\r\n", $second_says);
is(ask(), '204 second', 'ASK, of a node without the script');
is(heard($second), 'ASKING EVALSHA ASKING EVAL', 'goes with ASKING again');

forget();
$first->script("-TRYAGAIN\r\n", "-TRYAGAIN\r\n", $first_says);
is(ask(), '204 first', 'TRYAGAIN');
is(heard($first), 'EVALSHA EVALSHA EVALSHA', 'is tried again');

forget();
$first->script("-ASK $to_second", $first_says);
$second->script("-TRYAGAIN\r\n", $second_says);
is(ask(), '204 first', 'TRYAGAIN of the node that was asked');

forget();
$first->script("-MOVED $slot :$first->{port}\r\n", $first_says);
is(ask(), '204 first', 'MOVED to the same host');

forget();
$first->script("-ASK $slot localhost:$second->{port}\r\n", $first_says);
is(ask(), '204 second', 'ASK of a host that has a name');


# Not for ever.

hasty(sub {
    $first->script("-TRYAGAIN\r\n");
    is(ask($_[0]), '503', 'TRYAGAIN for ever');
    $first->script($first_says);
});

for my $error ('MOVED', 'ASK') {
    forget();
    $first->script("-$error $to_second");
    $second->script("-$error $to_first");
    is(ask(), '503', "$error, from one to the other and back");
    is($first->scripts + $second->scripts, 6, 'five times');
}

ok(wait_for(sub {
    $first->script($first_says);
    $second->script($second_says);
    ask() eq '204 first';
}), 'the map is what it was');

for my $error ("MOVED 1 127.0.0.1:$second->{port}", "MOVED $slot", 'ASK',
               "ASK $slot ?:$second->{port}", "ASK $slot 127.0.0.1:0",
               "MOVED $slot 127.0.0.1:70000", "MOVED $slot 127.0.0.1 1",
               'CLUSTERDOWN', 'ERR')
{
    forget();
    $first->script("-$error\r\n", $first_says);
    is(ask(), '503', "error: $error");
    is($first->scripts + $second->scripts, 1, 'is not sent again');
    is(ask(), '204 first', 'nor changes anything');
}


# Maps that aren't.

for my $map ("*0\r\n", "-ERR This instance has cluster support disabled\r\n",
             "+OK\r\n", ":1\r\n", "\$-1\r\n", "*-1\r\n", resp([ 'a', 'b' ]),
             slots([ 5, 4, 'a', 1 ]), slots([ -1, 4, 'a', 1 ]),
             slots([ 0, 16384, 'a', 1 ]), slots([ 0, 1, 'a', -1 ]),
             slots([ 0, 1, 'a', 65536 ]), slots([ 0, 1, 'a b', 1 ]),
             slots([ 0, 1, 'x' x 256, 1 ]), slots([ 0, 1, '??', 1 ]),
             "*1\r\n*2\r\n:0\r\n:1\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
             "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n" . resp('a'),
             slots([ 0, 16383, '127.0.0.1', $second->{port} ],
                   [ 0, 99999, '127.0.0.1', $second->{port} ]))
{
    my $name = $map =~ s/\r\n/ /gr;
    my $told = () = $nginx->log =~ /does not tell/g;
    my $made = $first->connections;

    $first->greet(CLUSTER => $map);
    $first->script("-CLUSTERDOWN\r\n", $first_says);
    ask();
    ok(wait_for(sub {
        $told < (() = $nginx->log =~ /does not tell/g);
    }), 'told: ' . substr $name, 0, 60);
    ok(wait_for(sub { ask() eq '204 first' }), 'and nothing else');

    # it may have been the reply to something else
    cmp_ok($first->connections, '>', $made, 'by another connection')
        if $map !~ /^(?:\*0|-)/;
}

is(() = $nginx->log =~ /\[error\].*does not tell/g, 1, 'one error, no more');

$first->greet(CLUSTER => $all);

hasty(sub {
    my ($at) = @_;

    wait_for(sub { ask($at) eq '204 first' }) or die 'no map';
    $first->greet(CLUSTER => "*1\r\n");
    $first->script("-CLUSTERDOWN\r\n", $first_says);
    ask($at);
    $first->greet(CLUSTER => $all);
    ok(wait_for(sub { ask($at) eq '204 first' }), 'half a map');
});


# Slots that nobody has; nodes that come and go.

$first->greet(CLUSTER => slots([ 0, $slot - 1, '127.0.0.1', $first->{port} ]));
$first->script("-CLUSTERDOWN\r\n", $first_says);
ask();
ok(wait_for(sub { ask() eq '503' }), 'a slot that nobody has');

$first->greet(CLUSTER => slots([ 0, 16383, '', $second->{port} ]));
ok(wait_for(sub { ask() eq '204 second' }), 'somebody has it again');
ok(wait_for(sub { $first->open == 0 }, 10),
   'what has left the cluster is left');


# A node that hears nothing of the others, though it answers.

my $deaf = free_port();
my $listening = nginx(conf($deaf, "127.0.0.1:$first->{port}",
                           'apikey_cache zone=keys:1m valid=1h;'));

$first->greet(CLUSTER => slots([ 0, 8191, '127.0.0.1', $first->{port} ],
                               [ 8192, 16383, '127.0.0.1', $second->{port} ]));
$second->greet(CLUSTER => $all);

ok($listening->wait_log(qr/it doesn't hear other nodes/, 15),
   'a node that hears nothing of the others is left');

forget();
get($deaf, '/', 'X-API-Key' => 'some-key') for 1 .. 10;
is($first->scripts + $second->scripts, 10, 'and nothing cached is trusted');
$listening->stop;


# A hundred nodes, of which nobody needs to know but who asks.

my @hundred = map { [ int(16384 * $_ / 100), int(16384 * ($_ + 1) / 100) - 1,
                      '127.0.0.' . ($_ + 1), $many->{port} ] } 0 .. 99;

$many->greet(CLUSTER => slots(@hundred));
$many->script($first_says);

my $crowded = nginx(conf($crowd, "127.0.0.1:$many->{port}"));

sub crowd { get($crowd, '/', 'X-API-Key' => "key $_[0]" =~ s/ //r)->status }

is(crowd(1), 204, 'a hundred nodes');
cmp_ok($many->connections, '<=', 3, 'no more connections than are needed');
is(join(' ', map { crowd($_) } 1 .. 400), join(' ', (204) x 400),
   'all slots are served');
cmp_ok($many->connections, '<=', 101, 'by a connection each');

# The longest map there can be.

$many->greet(CLUSTER => slots(map { [ $_, $_, $hundred[$_ % 100][2],
                                      $many->{port} ] } 0 .. 16383));
$many->forget;
$many->script("-CLUSTERDOWN\r\n", $first_says);
crowd(1);
ok(wait_for(sub { grep { $_->[0] eq 'CLUSTER' } @{$many->words} }),
   'each slot is told by itself');
is(join(' ', map { crowd($_) } 1 .. 50), join(' ', (204) x 50),
   'and served');
unlike($crowded->log, qr/does not tell/, 'as is understood');
$many->greet(CLUSTER => slots(@hundred));

$many->forget;
$many->script((map { "-MOVED $_\r\n" } map { "$_ 127.0.0.1:$many->{port}" }
               0 .. 99), $first_says);

my $began = time;

crowd($_) for 1 .. 100;
cmp_ok(scalar(grep { $_->[0] eq 'CLUSTER' } @{$many->words}), '<=',
       2 + (time - $began) / 0.1,
       'a storm of MOVED asks for the map no more than every 100 ms');

done_testing();
