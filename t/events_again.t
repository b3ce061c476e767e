#!/usr/bin/perl

# An event that Redis doesn't take is added later; one whose acknowledgement was
# lost, once more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $long = 25920000;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_plan two 2/$long;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

my $refused = { say => resp(\'OOM command not allowed') };
my $taken = { ask => 1 };

# Both of its limit's events, once the gateway is connected.
sub exhaust {
    my $key = create_key('--permissions', 'read', '--plan', 'two');

    wait_for(sub { get($port, '/', 'X-API-Key' => $key->{key})->status == 429 })
        or diag 'the limit is not reached';

    return $key->{id};
}

sub told {
    my ($id) = @_;

    return join ' ', sort map { $_->{key} eq $id ? $_->{type} : () }
           $redis->events;
}

sub complaints { scalar(() = $nginx->log =~ /\Q$_[0]\E/g) }

my $both = 'limit_reached near_limit';


$fake->greet(events => $refused);

my @ids = map { exhaust() } 1 .. 3;

ok(wait_for(sub { complaints('could not add an event: "OOM') >= 6 }),
   'Redis takes no events');
is(scalar(() = $nginx->log =~ /\[error\].*could not add an event/g), 1,
   'that is told once');

$fake->greet(events => $taken);

for my $id (@ids) {
    ok(wait_for(sub { told($id) eq $both }), 'they are added later')
        or diag told($id);
}


# Added, but the connection ends before that is heard.

$fake->greet(events => { ask => 1, lose => 1, close => 1 });

my $id = exhaust();

ok(wait_for(sub { told($id) =~ / / }), 'an acknowledgement is lost');
$fake->greet(events => $taken);

my $last = exhaust();

ok(wait_for(sub { told($last) eq $both }), 'Redis goes on');
like(told($id), qr/^(limit_reached )+near_limit( near_limit)*$/,
     'no event is missing');

my @alike = grep { $_->{key} eq $id } $redis->events;
my %alike = map { $_->{type} => { %$_ } } @alike;

cmp_ok(@alike, '>', 2, 'one is there twice');
is_deeply($_, $alike{$_->{type}}, 'alike') for @alike;


# At the end of the worker.

$fake->greet(events => $refused);

my $before = complaints('could not add an event');

$id = exhaust();
ok(wait_for(sub { complaints('could not add an event') > $before + 1 }),
   'Redis takes none again');
$fake->greet(events => $taken);
$nginx->stop;
is(told($id), $both, 'what waits is added when nginx ends');

$fake->greet(events => $refused);
$nginx->start;

$before = complaints('could not add an event');
$id = exhaust();
ok(wait_for(sub { complaints('could not add an event') > $before + 1 }),
   'Redis takes none, to the end');
$nginx->stop;
like($nginx->log, qr/\[warn\].* 2 events are lost, for this worker ends/,
     'what is lost then is told');

done_testing();
