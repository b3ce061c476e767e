#!/usr/bin/perl

# A Redis that answers a PING and nothing else in time makes one request wait,
# and no other: each new connection is tried with one question.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$fake->{port} connect_timeout=60s timeout=1s;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_usage off;

        location / { try_files /none =204; }
        location /status { apikey off; apikey_status; }
    }
CONF

my $key = create_key('--permissions', 'read');

sub statuses {
    my ($count) = @_;
    my %seen;

    $seen{$_->status}++
        for burst($port, $count, '/', 'X-API-Key' => $key->{key});

    return \%seen;
}

sub logged { scalar(() = $nginx->log =~ /\[(?:error|notice)\].*$_[0]/g) }

sub status { get($port, '/status')->json }


# All of them, but for a machine that stood still meanwhile.

sub all_pass {
    ok(wait_for(sub { (statuses(50)->{204} || 0) == 50 }, 60), $_[0]);
}


ok(wait_for(sub { statuses(1)->{204} }, 60), 'it answers');
all_pass('however many ask');

# Nor is what workers say of themselves answered.

$fake->script({ ask => 1, hold => 1 });
$fake->greet($_ => { say => "+OK\r\n", hold => 1 })
    for 'gateways', 'events';
is_deeply(statuses(50), { 503 => 50 }, 'then it does not, in time');

my $connections = $fake->connections;
my ($failed, $ended) = (logged(qr/can't be used: no reply in time/),
                        logged(qr/answers again/));

is($failed, $ended + 1, 'an outage');
$fake->forget;
is_deeply(statuses(100), { 503 => 100 }, 'a hundred at the same time')
    for 1 .. 10;

my $asked = $fake->scripts;
my $made = $fake->connections - $connections;

cmp_ok($asked, '<=', $made + 1,
       'a thousand requests, one question a connection')
    or diag("$asked questions, $made connections");

ok(wait_for(sub { statuses(10); $fake->scripts > $asked + 1 }, 60),
   'it is asked again, now and then');
is(logged(qr/can't be used: no reply in time/), $failed, 'that is one outage');
is(logged(qr/answers again/), $ended, 'which a PING does not end');
cmp_ok(status()->{redis}{failing_seconds}, '>', 0, 'nor in apikey_status');
cmp_ok(status()->{redis}{refused}, '>=', 900, 'the others are refused at once');
cmp_ok(status()->{redis}{lost}, '>=', 1, 'those without a reply are lost');


# It has recovered.

$fake->script({ ask => 1 });
$fake->greet(gateways => { say => "\$1\r\n1\r\n" });
$fake->greet(events => { say => "+OK\r\n" });
$fake->release;

ok(wait_for(sub { statuses(1)->{204} }, 60), 'one answer');
all_pass('and all are asked again');
is(logged(qr/answers again/), logged(qr/can't be used: no reply in time/),
   'the end is logged, once');
is(status()->{redis}{failing_seconds}, 0, 'and told');

done_testing();
