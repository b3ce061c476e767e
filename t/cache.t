#!/usr/bin/perl

# Records in shared memory: what is cached isn't asked for, what changes is
# seen at once, and a zone that is full costs nothing but questions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

no warnings 'portable';        # addresses have 64 bits

use Test::Apikey;

my $long = 25920000;

my $redis = redis();
my ($port, $brief, $tiny) = map { free_port() } 1 .. 3;

sub conf {
    my ($port, $cache) = @_;

    return <<"CONF";
        apikey_cache $cache;
        apikey_plan leased 1000/$long mode=leased;

        server {
            listen 127.0.0.1:$port reuseport;
            apikey on;
            apikey_format any;
            add_header X-Worker \$pid always;

            location / {
                empty_gif;
            }

            location /write {
                apikey_require things:write;
                empty_gif;
            }
        }
CONF
}

sub gateway { nginx(conf(@_), workers => 2) }

my $kept = 'valid=1h invalid=1h stale=1h';
my $gateway = gateway($port, "zone=keys:1m $kept");
gateway($brief, 'zone=keys:1m valid=500ms invalid=500ms');

sub ask {
    my ($port, $key, $uri) = @_;

    return get($port, $uri || '/', 'X-API-Key' => $key->{key});
}

# What both workers say, as one text if it is the same.

sub both {
    my ($port, $key, $uri, $header) = @_;
    my (%worker, %said);

    for (1 .. 200) {
        my $r = ask($port, $key, $uri);

        $worker{$r->header('X-Worker')} = 1;
        $said{$header ? $r->header($header) : $r->status} = 1;

        last if keys %worker == 2;
    }

    return join ' ', sort keys %said;
}

# How many questions that takes, but for those of workers about themselves.

sub questions {
    my ($code) = @_;
    my $monitor = $redis->monitor;

    $code->();

    return scalar grep { /\] "evalsha?"/i && !/gateways|usage/ }
                       $monitor->lines;
}

# Workers trust what is cached once they are known to listen, and again when
# they had to wait for the CPU, and heard nothing meanwhile.

sub unasked {
    my (@what) = @_;

    return wait_for(sub { !questions(sub { ask(@what) for 1 .. 20 }) });
}


my $key = create_key('--permissions', 'read');

is(both($port, $key), '200', 'a key');
ok(unasked($port, $key), 'is not asked for again');
is(both($port, $key, '/write'), '403', 'a scope is missing');
ok(unasked($port, $key, '/write'), 'nor is it for what is refused');


# Unknown keys.

my $unknown = { key => 'nobody-knows-this-key' };

is(both($port, $unknown), '401', 'an unknown key');
ok(unasked($port, $unknown), 'is not asked for again');

my $file = file('keys', qq({"key":"$unknown->{key}","name":"known"}\n));
is(apikey('import', $file)->{exit}, 0, 'it is imported');
# what is imported is told, but nobody is waited for
ok(wait_for(sub { both($port, $unknown) eq '200' }), 'and is known');

$unknown = { key => 'nobody-knows-this-one' };
ok(wait_for(sub { !questions(sub { ask($brief, $unknown) }) }),
   'a gateway that keeps for a short while');
sleep 0.6;
cmp_ok(questions(sub { ask($brief, $unknown) }), '==', 1,
       'asks for an unknown key again after "invalid"');


# Changes, told and untold.

my $edited = create_key('--limits', "10/$long");
both($port, $edited);

for my $limit (20, 30) {
    apikey('edit', $edited->{id}, '--limits', "$limit/$long")->{exit} == 0
        or fail('edit');
    is(both($port, $edited, '/', 'X-RateLimit-Limit'), $limit,
       'a change holds in both workers');
}

my ($name) = map { $redis->cmd('HGET', $_, 'id') eq $key->{id} ? $_ : () }
             grep { /\{/ } @{$redis->cmd('KEYS', 'apikey:{*')};

ok(wait_for(sub {
    $redis->cmd('HSET', $name, 'status', 'active');
    apikey('edit', $key->{id}, '--name', 'another')->{exit} == 0 or die 'edit';

    # as both have it now
    unasked($port, $key) && both($brief, $key) eq '200' or die 'a record';

    $redis->cmd('HSET', $name, 'status', 'disabled', 'rev', '1');
    wait_for(sub { both($brief, $key) eq '401' })
        or die 'believed for longer than "valid"';

    return both($port, $key) eq '200';
}), 'a record is not believed for longer than "valid", which may be long');


# A record with more in it than this version knows.

my $rich = create_key();
my ($its) = map { $redis->cmd('HGET', $_, 'id') eq $rich->{id} ? $_ : () }
            grep { /\{/ } @{$redis->cmd('KEYS', 'apikey:{*')};

$redis->cmd('HSET', $its, "later-$_", $_) for 1 .. 60;
is(apikey('edit', $rich->{id}, '--allow', '192.0.2.0/24')->{exit}, 0,
   'a network is required, far behind in the record');
is(both($port, $rich), '403', 'and in both workers');


# Memory that another version has left.

my $header = slurp("$Test::Apikey::ROOT/src/gateway/ngx_http_apikey_zone.h");
my ($layout) = $header =~ /APIKEY_LAYOUT +(\d+)/;

SKIP: {
    my $pid = $gateway->{pid};

    open my $memory, '<:raw', "/proc/$pid/mem"
        or skip 'no way into the memory of nginx', 4;

    my $at = zone($pid, $memory);
    ok($at, 'what the zone begins with is found');

    expect_log(qr/holds what another version of the module has left/);
    poke($pid, $at, 77);
    ok(!$gateway->reload, 'a zone of another layout is refused');
    is(both($port, $rich), '403', 'and the gateway goes on');
    poke($pid, $at, $layout);
    ok($gateway->reload, 'one of the same is used');
}

# Its layout, the database, and the prefix with its length.

sub zone {
    my ($pid, $memory) = @_;
    my $begin = pack 'Q3a*', $layout, 0, 7, 'apikey:';

    for (split /\n/, slurp("/proc/$pid/maps")) {
        my ($from, $to) = /^(\w+)-(\w+) rw-s/ or next;
        my ($at, $size) = (hex $from, hex($to) - hex $from);

        next if $size != 1 << 20;

        sysseek $memory, $at, 0 or next;
        sysread $memory, my $bytes, $size or next;

        my $offset = index $bytes, $begin;
        return $at + $offset if $offset >= 0;
    }

    return;
}

sub poke {
    my ($pid, $at, $value) = @_;

    open my $memory, '+<:raw', "/proc/$pid/mem" or die "/proc/$pid/mem: $!";
    sysseek $memory, $at, 0;
    syswrite $memory, pack 'Q', $value;
}


# Records of other keys.

{
    my $same = conf($port, "zone=keys:1m $kept");
    my $another = conf($port, "zone=others:1m $kept");

    expect_log(qr/holds records of prefix "apikey:" in database 0/);

    for my $other ('apikey_prefix other:;',
                   "apikey_redis 127.0.0.1:$redis->{port} db=1;")
    {
        ok(!$gateway->reload("$other\n$same"), "a reload to $other is refused");
        is(both($port, $rich), '403', 'and the gateway goes on');
    }

    ok($gateway->reload("apikey_prefix other:;\n$another"),
       'with a zone of its own it is not');
    is(both($port, $rich), '401', 'and other keys are known');
    ok($gateway->reload($same), 'back again');
    is(both($port, $rich), '403', 'these are');
}


# A zone that is full.

{
    my $count = 3000;
    my $full = gateway($tiny, 'zone=keys:32k valid=1h invalid=1h');
    my @keys = map { { key => sprintf 'customer-%06d', $_ } } 1 .. $count;
    my $lines = join '', map { qq({"key":"$_->{key}","plan":"leased"}\n) }
                @keys;

    is(apikey('import', file('many', $lines))->{exit}, 0,
       'more keys than fit');

    my $passed = 0;

    while (my @some = splice @keys, 0, 250) {
        my @requests = map { Test::Apikey::HTTP::bytes('GET', '/',
                                 'X-API-Key' => $_->{key}) } @some;

        $passed += grep { $_->status == 200 } exchange($tiny, \@requests)
            for 1 .. 2;
    }

    is($passed, 2 * $count, 'nobody is turned away');

    my $good = create_key();
    my $strangers = 0;

    ok(unasked($tiny, $good), 'what is used is kept');
    ok(wait_for(sub {
        questions(sub {
            for my $i (1 .. 600) {
                ask($tiny, { key => 'stranger-' . ++$strangers });
                ask($tiny, $good) if $i % 10 == 0;
            }
        }) < 610;
    }), 'unknown keys do not push it out');

    $full->stop;

    # what the workers have said at their end may still be on its way
    my $used;

    wait_for(sub { ($used = leased()) == 2 * $count });
    is($used, 2 * $count, 'a lease that had to make room is given back');
}

# Requests that are counted for keys of that plan.

sub leased {
    my $sum = 0;

    for my $name (grep { /\{/ } @{$redis->cmd('KEYS', 'apikey:{*')}) {
        my ($plan, $n) = @{$redis->cmd('HMGET', $name, 'plan', 'n')};

        $sum += unpack 'x9 V', $n if ($plan // '') eq 'leased' && $n;
    }

    return $sum;
}


# Kept over a reload, which is to be seen when Redis is away.

is(both($port, $rich), '403', 'a record');
ok($gateway->reload, 'the gateway is reloaded');
$redis->stop;
is(both($port, $rich), '403', 'it knows what it knew');

done_testing();
