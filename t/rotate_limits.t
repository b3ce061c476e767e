#!/usr/bin/perl

# A key that is rotated renews nothing: the new one goes on with what the old
# one has used, and as long as both live they spend from one allowance.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $long = 25920000;

my $redis = redis();
my ($one, $two) = map { free_port() } 1 .. 2;

nginx(<<"CONF") for $one, $two;
    apikey_cache zone=keys:1m;

    apikey_plan exact   10/$long;
    apikey_plan leased  200/$long mode=leased;
    apikey_plan default 10/$long;
    apikey_plan org     10/$long per=org;

    server {
        listen 127.0.0.1:$_;
        apikey on;
        apikey_default_plan default;

        location / {
            try_files /none =204;
        }
    }
CONF

ok(wait_for(sub { apikey('gateways')->{out} =~ tr/\n// == 3 }),
   'the gateways are registered');

sub key { create_key('--permissions', 'full', @_) }

sub ask { get($_[1] || $one, '/', 'X-API-Key' => $_[0]{key})->status }

sub passed {
    my ($count, @more) = @_;

    return scalar grep { $_ == 204 } map { ask(@more) } 1 .. $count;
}

sub rotate {
    my ($key, @more) = @_;
    my $r = apikey('--json', 'rotate', $key->{id}, @more);

    is($r->{exit}, 0, "rotated @more") or diag $r->{err};

    return decode_json($r->{out});
}

sub done {
    my $r = apikey(@_);

    is($r->{exit}, 0, $_[0]) or diag $r->{err};
}

sub used {
    my ($key) = @_;
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return $limits->{windows}[0]{used};
}


for ([ 'a plan', '--plan', 'exact' ], [ 'own limits', '--limits', "10/$long" ],
     [ 'a default plan' ], [ 'a plan of an org', '--plan', 'org' ])
{
    my ($what, @args) = @$_;
    my $old = key(@args, '--org', 'once');

    is(passed(6, $old), 6, "$what: the old key is used");

    my $new = rotate($old);

    is(ask($old), 401, "$what: and is over");
    is(used($new), 6, "$what: what it has used is the new one's");
    is(passed(9, $new), 4, "$what: which goes on with it");

    $old = key(@args, '--org', 'grace');
    is(passed(3, $old), 3, "$what: the old key is used");
    $new = rotate($old, '--grace', '1h');
    is(passed(2, $new, $two) + passed(2, $old), 4, "$what: both are");
    is(passed(9, $new) + passed(9, $old, $two), 3, "$what: of one allowance");
    is(used($_), 10, "$what: and both are shown so") for $old, $new;
}


# A key that gets limits of its own.

{
    my $old = key();
    my $new = rotate($old, '--grace', '1h');

    is(passed(4, $old) + passed(4, $new), 8, 'a default plan');
    done('edit', $new->{id}, '--limits', "12/$long");
    is(passed(9, $new), 4, 'limits of its own go on with what it has used');
}


# Leases of the old key are also the new one's.

for my $grace ([], [ '--grace', '1h' ]) {
    my $old = key('--plan', 'leased');
    my $passed = passed(30, $old) + passed(30, $old, $two);

    cmp_ok(used($old), '>', 60, 'leases are held');

    my $new = rotate($old, @$grace);

    for (1 .. 40) {
        $passed += passed(5, $new) + passed(5, $new, $two);
        $passed += passed(2, $old) if @$grace;
    }

    is($passed, 200, 'all of them pass, and no more');
}


# A chain of them, of which some are deleted.

{
    my $old = key('--plan', 'exact');
    my @chain = ($old);

    push @chain, rotate($chain[-1], '--grace', '1h') for 1 .. 2;

    is(passed(2, $_), 2, 'each is used') for @chain;

    done('delete', $chain[0]{id});
    is(ask($chain[0]), 401, 'the first is gone');
    is(used($chain[2]), 6, 'what it has used is not');

    push @chain, rotate($chain[2]);
    done('delete', $chain[2]{id});
    is(passed(9, $chain[1]), 4, 'it is the limit of all that are left');
    is(ask($chain[3]), 429, 'the last one, too');

    my ($name) = grep { /^apikey:\{/ && !$redis->cmd('HGET', $_, 'id') }
                      @{$redis->cmd('KEYS', '*')};

    cmp_ok($redis->cmd('TTL', $name), '>', $long,
           'what a deleted key has left lives as long as it counts');

    done('limits', $chain[3]{id}, '--reset');
    is(passed(1, $chain[1]) + passed(1, $chain[3]), 2, 'reset for all');
    is(used($chain[3]), 2, 'and counted anew');
}


# Reset by any of them, with leases held.

for my $by (0, 1, 2) {
    my @chain = (key('--plan', 'leased'));

    push @chain, rotate($chain[-1], '--grace', '1h') for 1 .. 2;
    passed(20, $_), passed(20, $_, $two) for @chain;

    done('limits', $chain[$by]{id}, '--reset');

    my $passed = 0;

    for (1 .. 40) {
        $passed += passed(2, $_) + passed(2, $_, $two) for @chain;
    }

    is($passed, 200, 'the full limit again, and no more');
}


# A line that is imported again is a key of its own, but for what its family
# still counts.

{
    my $old = key('--plan', 'exact');
    my $new = rotate($old, '--grace', '1h');

    passed(5, $new);
    done('delete', $old->{id});

    my $line = file('again.jsonl', qq({"key":"$old->{key}","plan":"exact"}\n));

    done('import', $line);
    is(passed(9, $old) + passed(9, $new), 5, 'imported again: one allowance');
}

is(apikey('doctor')->{exit}, 0, 'doctor finds nothing wrong');

done_testing();
