#!/usr/bin/perl

# A change is confirmed by every worker of every gateway, and holds in all of
# them when the command returns, though they cache.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my (@ports, @gateways);

for (1 .. 2) {
    push @ports, my $port = free_port();
    push @gateways, nginx(<<"CONF", workers => 2);
        apikey_cache zone=keys$_:1m valid=1h;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;

            location / {
                empty_gif;
            }
        }
CONF
}

sub gateways {
    return sort map { $_->{name} =~ /:(\d+)$/ }
           @{decode_json(apikey('--json', 'gateways')->{out})};
}

sub workers { return sort map { $_->workers } @gateways }

sub registered {
    return wait_for(sub { join(' ', gateways()) eq join(' ', workers()) }, 10);
}

# The statuses of some requests to both gateways, each on a connection of its
# own, so that all workers are asked.

sub statuses {
    my ($key, $count) = @_;
    my %seen;

    for my $port (@ports) {
        $seen{get($port, '/', 'X-API-Key' => $key->{key})->status}++
            for 1 .. $count;
    }

    return join ' ', sort keys %seen;
}


ok(registered(), 'apikey gateways lists the workers of all gateways')
    or diag join ' ', 'listed', gateways(), 'running', workers();

# Containers share the names of their hosts, and pids: names have more.

my %known = map {
    my $gateway = $_;
    map { $_ => $gateway } $gateway->workers;
} @gateways;
my %tags;

for my $name (@{$redis->cmd('HKEYS', 'apikey:gateways')}) {
    my ($tag, $pid) = $name =~ /^[^:]+:(\w{6}):(\d+)$/ or next;
    $tags{$tag}{$known{$pid}} = 1;
}

is_deeply([ map { scalar keys %$_ } values %tags ], [ 1, 1 ],
          'each gateway has a name of its own');

my ($passed, $confirmed, $after) = (0, 0, '');

for (1 .. 50) {
    my $key = create_key();

    $passed++ if statuses($key, 4) eq '200';

    my $r = apikey('revoke', $key->{id});

    $confirmed++ if $r->{exit} == 0 && $r->{err} eq ''
                    && $r->{out} =~ /^confirmed by 4 of 4 workers in \d+ ms$/m;
    $after .= statuses($key, 4) . ' ';
}

is($passed, 50, 'keys are let in, and cached');
is($confirmed, 50, 'each revocation is confirmed by all workers');
is($after, '401 ' x 50, 'and lets nobody in who comes after it');

my $key = create_key();

for (1 .. 20) {
    statuses($key, 2);
    apikey('disable', $key->{id})->{exit} == 0 or fail('disable');
    my $disabled = statuses($key, 2);
    apikey('enable', $key->{id})->{exit} == 0 or fail('enable');
    my $enabled = statuses($key, 2);

    "$disabled $enabled" eq '401 200' or fail("$disabled $enabled");
}

pass('disabled and enabled again and again');


# A worker that hangs is named; then it goes on, and is known again.

my ($pid) = $gateways[0]->workers;

kill 'STOP', $pid;
wait_for(sub { slurp("/proc/$pid/stat") =~ /\) T / });

# to whoever looks, though late, it has just been there
my ($name) = grep { /:$pid$/ } @{$redis->cmd('HKEYS', 'apikey:gateways')};
my $just_now = join ' ', $redis->cmd('TIME')->[0] + 5, '1.0.0 1';
$redis->cmd('HSET', 'apikey:gateways', $name, $just_now);

# the others may have to wait for the CPU

my $r;

for my $wait (1, 10, 60) {
    $r = apikey('--json', 'disable', $key->{id}, '--wait', "${wait}s");
    last if $r->{err} !~ /answer from .*answer from/s;
}

kill 'CONT', $pid;

my $told = decode_json($r->{out})->{workers};
is($r->{exit}, 1, 'a worker hangs');
is("@{$told->{missing}}" =~ s/.*://r, $pid, 'and is named');
is(@{$told->{confirmed}}, 3, 'the others have confirmed');
like($r->{err}, qr/^apikey: no answer from \S+:$pid\napikey: the change stands/,
     'in words');

ok(wait_for(sub {
    apikey('enable', $key->{id})->{out} =~ /confirmed by 4 of 4/
    && $redis->cmd('HGET', 'apikey:gateways', $name) ne $just_now
}), 'it answers again');


# One that is killed isn't known for long; one that leaves, not at all.

expect_log(qr{worker process $pid exited on signal 9});
kill 'KILL', $pid;
ok(registered(), 'a worker that was killed is replaced and forgotten');
is(apikey('disable', $key->{id})->{exit}, 0, 'and is not waited for');

$gateways[0]->reload;
ok(registered(), 'after a reload the new workers are known, the old are not');
like(apikey('enable', $key->{id})->{out}, qr/confirmed by 4 of 4/,
     'they answer');

my @leaving = $gateways[-1]->workers;

pop(@gateways)->stop;
pop @ports;

# which Redis may hear a moment later
ok(wait_for(sub {
    my $known = join ' ', @{$redis->cmd('HKEYS', 'apikey:gateways')};
    return !grep { $known =~ /:$_\b/ } @leaving;
}), 'a gateway that is stopped takes its workers off the register');
is(join(' ', gateways()), join(' ', workers()), 'the others are there');
like(apikey('revoke', $key->{id})->{out}, qr/confirmed by 2 of 2/,
     'the other one goes on');
is(statuses($key, 4), '401', 'and knows');

done_testing();
