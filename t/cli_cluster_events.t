#!/usr/bin/perl

# Import, export and events over a Cluster: many keys at once on all of its
# nodes, and one stream that goes on elsewhere when its node dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $cluster = cluster();
my $single = redis();
my $rows = join '', "key,id,expires\n",
                map { "key-$_,id-$_," . (4000000000 + $_) . "\n" } 1 .. 2500;
my $r;


# From one server to the Cluster, and back.

$r = apikey({ stdin => $rows }, 'import', '-');
is($r->{out}, "2500 imported, 0 known already, 0 refused\n", 'import')
    or diag $r->{err};
is($r->{err}, '', 'without a warning');

my @here = map { scalar grep { /:\{/ } @{$_->cmd('KEYS', '*')} }
           $cluster->masters;
is(scalar(grep { $_ > 500 } @here), 3, 'to all nodes');

$r = apikey({ stdin => $rows }, 'import', '-');
is($r->{out}, "0 imported, 2500 known already, 0 refused\n", 'again');

my $export = apikey('export')->{out};
is(scalar(split /\n/, $export), 2500, 'export');

$r = apikey({ stdin => $export, redis => $single }, 'import', '-');
is($r->{out}, "2500 imported, 0 known already, 0 refused\n",
   'into one server');
is(apikey({ redis => $single }, 'export')->{out}, $export,
   'and that exports the same');
is($cluster->cmd('ZCARD', 'apikey:expiring'), 2500, 'all will expire');


# Events, while the node of their stream dies.

my ($out, $err) = map { file($_, '') } qw(out err);

my $pid = Test::Apikey::fork_child(sub {
    open STDOUT, '>', $out;
    open STDERR, '>', $err;
    exec "$Test::Apikey::BUILD/apikey", '--redis', $cluster->url, '--json',
        'events', '--follow', '--since', 0;
});

sub types {
    return join ' ', map { decode_json($_)->{type} } split /\n/, slurp($out);
}

my $key = create_key('--expires', '30d');
ok(wait_for(sub { types() eq 'imported created' }), 'events')
    or diag(types(), slurp($err));

my $node = $cluster->node('apikey:events');

$cluster->kill($node);
$cluster->failover($node);

is(apikey('disable', $key->{id})->{exit}, 0, 'the node has died');
ok(wait_for(sub { types() eq 'imported created disabled' }, 20),
   'it goes on with the next one') or diag(types(), slurp($err));

kill 'TERM', $pid;
is(Test::Apikey::wait_pid($pid, 10), 0, 'and ends in good order');
is(scalar(split /\n/, apikey('--json', 'events')->{out}), 3,
   'none is lost');

done_testing();
