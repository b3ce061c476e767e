#!/usr/bin/perl

# Slots that move and masters that fail over, between commands and in the
# middle of one: nothing is left out, nothing done twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $cluster = cluster();

# A key of this number is known by its id and its digest.

sub record { 'apikey:{' . sha256_hex($_[0]) . '}' }
sub line { qq({"digest":"${\ sha256_hex($_[0])}","id":"i$_[0]"}\n) }
sub lines { join '', map { line($_) } @_ }

sub ids { join ' ', sort map { $_->{id} } @{decode_json($_[0]{out} || '[]')} }

# All of 1 .. COUNT, each of them once.

sub complete {
    my ($count, $name) = @_;
    my $r = apikey('--json', 'list');

    is($r->{exit}, 0, $name) or diag($r->{err});
    ok(ids($r) eq join(' ', sort map { "i$_" } 1 .. $count),
       "$count keys, each once");
}

# A number that occurs on all masters.

sub stat_sum {
    my ($section, $pattern) = @_;
    my $sum = 0;

    $sum += $_->cmd('INFO', $section) =~ $pattern ? $1 : 0
        for $cluster->nodes;

    return $sum;
}

# An import whose lines come bit by bit: each thousand is written as it comes.

{
    package Feed;

    sub start {
        pipe my $r, my $w or die "pipe: $!";
        pipe my $err, my $err_w or die "pipe: $!";
        $w->autoflush(1);

        my $pid = Test::Apikey::fork_child(sub {
            close $w;
            open STDIN, '<&', $r;
            open STDOUT, '>', '/dev/null';
            open STDERR, '>&', $err_w;
            exec "$Test::Apikey::BUILD/apikey", '--redis', $cluster->url,
                 'import', '-';
        });

        close $_ for $r, $err_w;

        return bless { pid => $pid, to => $w, err => $err };
    }

    sub feed { print {$_[0]{to}} main::lines(@_[1 .. $#_]) }

    sub done {
        my ($self) = @_;

        close $self->{to};
        my $err = do { local $/; readline $self->{err} };
        my $status = Test::Apikey::wait_pid($self->{pid}, 20) // -1;

        return { exit => $status >> 8, err => $err };
    }
}

sub import_all {
    my ($first, $last, $between, $name) = @_;
    my $import = Feed::start();

    $import->feed($first .. $first + 999);
    ok(wait_for(sub {
        !grep { !$cluster->cmd('EXISTS', record($_)) } $first, $first + 999
    }, 20), 'a thousand keys');

    $between->($import);

    $import->feed($first + 1000 .. $last);
    my $r = $import->done;

    is($r->{exit}, 0, $name) or diag($r->{err});
    is($r->{err}, '', 'without a word');
}


# Slots that move while keys are imported.  Of some, what is there has moved,
# and of others not yet.

my @moving;

import_all(1, 2000, sub {
    my %seen;

    for my $name ('apikey:templates', map { record($_) } 1001 .. 1020) {
        my $slot = $cluster->slot($name);

        next if $seen{$slot}++;

        my ($to) = grep { $_ != $cluster->node($name) } $cluster->masters;

        $cluster->begin_move($slot, $to);
        push @moving, [ $slot, $to ];
    }
}, 'while slots move');

cmp_ok(stat_sum('commandstats', qr/^cmdstat_asking:calls=(\d+)/m), '>=', 20,
       'new ones are where their slots move to');
complete(2000, 'a list in between');

for my $n (0 .. 40) {
    my $name = sprintf 'apikey:ids:%04x', $n;
    my $slot = $cluster->slot($name);
    my $from = $cluster->node($name);
    my ($to) = grep { $_ != $from } $cluster->masters;

    next if grep { $_->[0] == $slot } @moving;

    $cluster->begin_move($slot, $to);
    $cluster->move_names($slot, $to) if $n % 2;
    push @moving, [ $slot, $to ];
}

complete(2000, 'a list of an index that moves');

my $r = apikey('revoke', 'i1001');
is($r->{exit}, 0, 'a key that moves is revoked') or diag($r->{err});
like(apikey('show', 'i1001')->{out}, qr/^status +revoked/m, 'and shown');

is(apikey('template', 'set', 'mine', '--scope', 'a:read')->{exit}, 0,
   'a template that moves');
like(apikey('template', 'show', 'mine')->{out}, qr/a:read/, 'is there');

import_all(2001, 4000, sub {
    $cluster->move_names(@$_) for @moving;

    for my $to ($cluster->masters) {
        $cluster->end_moves($to, map { $_->[0] }
                                 grep { $_->[1] == $to } @moving);
    }
}, 'slots that have moved');

cmp_ok(stat_sum('errorstats', qr/^errorstat_MOVED:count=(\d+)/m), '>', 0,
       'which the nodes said');
complete(4000, 'a list after that');


# Masters that others take over from.

import_all(4001, 6000, sub { $cluster->failover(($cluster->masters)[0]) },
           'a failover');

import_all(6001, 8000, sub {
    my ($master) = $cluster->masters;

    $cluster->kill($master);
    $cluster->failover($master);
    $cluster->restart($master);
}, 'a master that was killed, and replaced');

# While nobody has replaced it yet, the program waits.

import_all(8001, 10000, sub {
    my ($import) = @_;
    my ($master) = $cluster->masters;

    $cluster->kill($master);
    $import->feed(9001 .. 9999);
    $cluster->failover($master);
    $cluster->restart($master);
}, 'a master that is killed, and then replaced');

complete(10000, 'a list after all that');


# A master that dies with commands it was sent.  Which of them it did isn't
# known, so none is sent again.

my ($master) = $cluster->masters;
my $import = Feed::start();

$master->pause;
$import->feed(10001 .. 11000);

ok(wait_for(sub { unread($master->{port}) }, 20), 'commands on their way');

$master->kill;
$r = $import->done;

is($r->{exit}, 3, 'a master dies with them');
like($r->{err}, qr/: 127.0.0.1:$master->{port}: (?i:closed|.* reset)/,
     'the reason');

$cluster->failover($master);
$r = apikey({ stdin => lines(10001 .. 11000) }, 'import', '-');
is($r->{exit}, 0, 'once more') or diag($r->{err});
complete(11000, 'a list after an import in two goes');

# Bytes that have come to a port and that nobody has read.

sub unread {
    my $port = sprintf '%04X', $_[0];

    return grep { /^\s*\d+: \w+:$port \w+:\w+ 01 \w+:0*[1-9A-F]/ }
                split /\n/, slurp('/proc/net/tcp');
}

done_testing();
