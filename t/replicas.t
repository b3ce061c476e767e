#!/usr/bin/perl

# Who changes a key is told whether the replicas have got that, too: else a
# failover could lose it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $redis = redis(conf => "repl-diskless-sync-delay 0\n");

sub said {
    my ($opt, @args) = @_;
    my $r = apikey($opt, @args);

    return join '|', $r->{exit}, $r->{err}, $r->{out};
}

sub digest {
    my ($opt, $key) = @_;
    my ($digest) = map { $_->{id} eq $key->{id} ? $_->{digest} : () }
                   map { decode_json($_) }
                   split /\n/, apikey($opt, 'export')->{out};

    return $digest;
}

my $key = create_key();
my $id = $key->{id};
my $alone = 'no gateway is registered';

is(said({}, 'disable', $id), "0||disabled $id\n$alone\n",
   'without replicas nothing is said of them');

my $r = decode_json(apikey('--json', 'enable', $id)->{out});
ok(exists $r->{replicas} && !defined $r->{replicas}, 'as JSON: null');


# With one.

my $replica = redis(conf => "replicaof 127.0.0.1 $redis->{port}\n");

ok(wait_for(sub { @{$redis->cmd('ROLE')->[2]} }, 30), 'a replica is there');

my $got = 0;

for (1 .. 20) {
    my $key = create_key();
    my $name = 'apikey:{' . digest({}, $key) . '}';
    my $said = said({}, 'revoke', $key->{id}, '--wait', '20s');

    $got++ if $said eq "0||revoked $key->{id}\n$alone\n"
                       . "replicated to 1 of 1 replicas\n"
              && $replica->cmd('HGET', $name, 'status') eq 'revoked';
}

is($got, 20, 'what it is told to have, it has');

for my $args ([ 'edit', $id, '--name', 'x' ], [ 'disable', $id ],
              [ 'enable', $id ], [ 'limits', $id, '--reset' ],
              [ 'rotate', $id ], [ 'delete', $id ])
{
    $r = decode_json(apikey('--json', @$args, '--wait', '20s')->{out});
    is_deeply($r->{replicas}, { confirmed => 1, total => 1 }, $args->[0]);
}


# One that hangs.

my $warning = 'apikey: warning: a failover to a replica that hasn\'t got the '
              . "change yet would lose it\n";

$id = create_key()->{id};
$replica->pause;
is(said({}, 'revoke', $id, '--wait', '300ms'),
   "0|$warning|revoked $id\n$alone\nreplicated to 0 of 1 replicas\n",
   'a replica hangs: a warning');
is(said({}, 'revoke', $id, '--wait', '0'), "0||already revoked $id\n",
   'not if nobody is waited for');
$replica->resume;


# Who may not ask.

for my $right ('role', 'wait') {
    my $id = create_key()->{id};

    $redis->cmd('ACL', 'SETUSER', "no-$right", 'on', '>secret', '~*', '&*',
                '+@all', "-$right");

    my $user = bless { %$redis, user => "no-$right", password => 'secret' },
               ref $redis;

    is(said({ redis => $user }, 'revoke', $id), "0||revoked $id\n$alone\n",
       "without the right to $right nothing is said");
}


# In a Cluster: the replicas of the masters that have the keys.

my $cluster = cluster();
my $opt = { redis => $cluster };

ok(wait_for(sub {
    my @online = map { @{$_->cmd('ROLE')->[2]} } $cluster->masters;

    return @online == 3;
}, 30), 'a cluster with replicas');

my %on;

until (keys %on == 3) {
    my $key = create_key($opt);
    my $master = $cluster->node('apikey:{' . digest($opt, $key) . '}');

    push @{$on{$master->{port}}}, $key->{id};
}

my ($one, @others) = sort keys %on;

like(said($opt, 'limits', '--reset', '--wait', '20s', $on{$one}[0]),
     qr/^0\|\|.*\nreplicated to 1 of 1 replicas\n\z/s, 'of one master');
like(said($opt, 'disable', '--wait', '20s', map { @{$on{$_}} } $one, @others),
     qr/^0\|\|.*\nreplicated to 3 of 3 replicas\n\z/s, 'of three');

my ($master) = grep { $_->{port} == $one } $cluster->masters;
my $hangs = $cluster->replica($master);

$hangs->pause;
like(said($opt, 'enable', '--wait', '3s', map { @{$on{$_}} } $one, @others),
     qr/^0\|\Q$warning\E\|.*\nreplicated to [0-2] of 3 replicas\n\z/s,
     'one of them hangs');
like(said($opt, 'disable', '--wait', '20s', map { @{$on{$_}} } @others),
     qr/^0\|\|.*\nreplicated to 2 of 2 replicas\n\z/s,
     'which is nothing to others');
$hangs->resume;

done_testing();
