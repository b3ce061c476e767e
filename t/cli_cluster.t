#!/usr/bin/perl

# The program does with a Redis Cluster all that it does with one server,
# whichever node has the key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;
use Test::Apikey::Cluster;

my $cluster = cluster();
my @masters = $cluster->masters;

sub json {
    my ($args, %opt) = @_;
    my $r = apikey(\%opt, '--json', @$args);

    is($r->{exit}, $opt{exit} // 0, "@$args[0 .. $opt{words} // 0]")
        or diag($r->{err}, $r->{out});

    return $r->{out} =~ /^[\[{]/ ? decode_json($r->{out}) : undef;
}


# A key on each of the masters.

my ($r, %on);
my $long = 25920000;

until (keys %on == @masters) {
    my $key = create_key('--permissions', 'read', '--limits', "5/$long",
                         '--service', 'shop');
    my ($record) = map { /^\w+:\{\w+\}$/ ? $_ : () }
                   map { my $n = $_; grep {
                         /\{/ && $n->cmd('HGET', $_, 'id') eq $key->{id}
                         } @{$n->cmd('KEYS', '*')} } @masters;

    $key->{record} = $record;
    $on{$cluster->node($record)->{port}} = $key;
}

my @all = @{json([ 'list' ])};

for my $i (0 .. $#masters) {
    my $key = $on{$masters[$i]{port}};
    my $id = $key->{id};

    subtest "a key of master $i" => sub {
        my $show = json([ 'show', $id ]);
        is($show->{name}, 'test', 'its record');

        is(json([ 'verify' ], stdin => $key->{key})->{result}, 'ok', 'is ok');

        json([ 'edit', $id, '--name', 'other' ]);
        is(json([ 'show', $id ])->{name}, 'other', 'is another');

        json([ 'disable', $id ]);
        is(json([ 'verify' ], stdin => $key->{key}, exit => 1)->{result},
           'disabled', 'is disabled');
        json([ 'enable', $id ]);

        # counted, in its one window
        $cluster->cmd('HSET', $key->{record}, 'n',
                      pack('VVCVvVv', $long, time - time % $long, 0, 3, 0, 0,
                           0));
        is(json([ 'limits', $id ])->{windows}[0]{used}, 3, 'counters');
        json([ 'limits', $id, '--reset' ]);
        is(json([ 'limits', $id ])->{windows}[0]{used}, 0, 'are forgotten');

        is(json([ 'usage', $id ])->{total}{requests}, 0, 'usage');

        my $new = json([ 'rotate', $id ]);
        is(json([ 'verify' ], stdin => $new->{key})->{result}, 'ok',
           'its successor');
        is(json([ 'verify' ], stdin => $key->{key}, exit => 1)->{result},
           'revoked', 'in its place');

        json([ 'revoke', $new->{id} ]);
        is(json([ 'show', $new->{id} ])->{status}, 'revoked', 'is revoked');

        json([ 'delete', $id ]);
        json([ 'show', $id ], exit => 1);
        is($cluster->cmd('EXISTS', $key->{record}), 0, 'is gone');
    };
}

json([ 'template', 'set', 'mine', '--scope', 'a:read' ], words => 1);
is_deeply(json([ 'template', 'show', 'mine' ], words => 1)->{scopes},
          [ 'a:read' ], 'a template');
json([ 'template', 'remove', 'mine' ], words => 1);
is(@{json([ 'template', 'list' ], words => 1)}, 5, 'those that are shipped');
is_deeply(json([ 'gateways' ]), [], 'no gateway');

$r = apikey('--json', 'events');
is(() = $r->{out} =~ /"type":\s*"rotated"/g, 3, 'events') or diag($r->{err});

# rotated ones take the places of those that were deleted

is(@{json([ 'list' ])}, @all, 'as many keys as before');
is(json([ 'delete', '--service', 'shop', '--yes' ])->{deleted}, @all,
   'a service\'s are deleted');
is(join('', grep { /\{/ } split /\n/, $cluster->dump), '', 'on all nodes');


# A script that a node has forgotten, or has never known.

$cluster->each('SCRIPT', 'FLUSH');

my $lines = join '', map { qq({"key":"imported-key-$_","id":"i$_"}\n) }
                         1 .. 3000;

my $result = json([ 'import', '-' ], stdin => $lines);
is($result->{imported}, 3000, 'an import');

my %listed;
$listed{$_->{id}}++ for @{json([ 'list' ])};
is_deeply([ sort keys %listed ], [ sort map { "i$_" } 1 .. 3000 ],
          'a list is complete');
is_deeply([ grep { $_ != 1 } values %listed ], [], 'each of them once');

$r = apikey('export');
is(() = $r->{out} =~ /^\{.*"digest":/mg, 3000, 'an export, too')
    or diag($r->{err});

my @sizes = $cluster->each('DBSIZE');
is(scalar(grep { $_ > 3000 / 4 } @sizes), 3, "on all nodes: @sizes");

is(json([ 'import', '-' ], stdin => $lines)->{exists}, 3000, 'and again');


# Any node tells of all the others.

my $replica = $cluster->replica($masters[1]);
my $dead = free_port();

for ([ 'a replica', $replica ], [ 'a master', $masters[2] ]) {
    my ($name, $node) = @$_;
    my $r = run("$Test::Apikey::BUILD/apikey", '--redis',
                "redis-cluster://127.0.0.1:$dead,127.0.0.1:$node->{port}",
                '--json', 'list');

    is($r->{exit}, 0, "$name is enough") or diag($r->{err});
    is(@{decode_json($r->{out})}, 3000, 'for all keys');
}

sub fails {
    my ($name, $url, $why, @args) = @_;
    my $r = run("$Test::Apikey::BUILD/apikey", '--redis', $url, @args,
                'list');

    is($r->{exit}, 3, $name);
    like($r->{err}, qr/^apikey: Redis at [^\n]*$why[^\n]*\n$/, 'the reason')
        or diag($r->{err});
}

fails('nobody there', "redis-cluster://127.0.0.1:$dead,localhost:$dead",
      "127.0.0.1:$dead: Connection refused; localhost:$dead: Connection");
fails('one of its servers alone', "redis://127.0.0.1:$masters[0]{port}",
      'MOVED .*: a node of a Cluster, to be used by redis-cluster://');

my $single = redis();
fails('a server that is none of a Cluster',
      "redis-cluster://127.0.0.1:$single->{port}",
      'cluster support disabled');
fails('a wrong password', "redis-cluster://who:secret\@127.0.0.1:"
      . $masters[0]{port}, 'AUTH: WRONGPASS');


# As a user who may do no more than README.md says.

my ($rights, $more) = slurp("$Test::Apikey::ROOT/README.md")
    =~ /the program\s+`([^`]+)`.*in a Cluster\s+`([^`]+)`/s;

ok($rights && $more, 'README.md names rights');

$_->cmd('ACL', 'SETUSER', 'operator', 'on', '>operator-secret',
        split ' ', "$rights $more") for $cluster->nodes;

my $operator = { redis => bless({ %$cluster, user => 'operator',
                                  password => 'operator-secret' },
                                ref $cluster) };

my $slot = $cluster->slot('apikey:ids:0000');
my ($to) = grep { $_ != $cluster->node('apikey:ids:0000') } @masters;

my $key = create_key($operator);
$cluster->begin_move($slot, $to);
$r = apikey($operator, '--json', 'list');
is($r->{exit}, 0, 'least rights') or diag($r->{err});
is(@{decode_json($r->{out} || '[]')}, 3001, 'and all keys');
is(apikey($operator, 'revoke', $key->{id})->{exit}, 0, 'a revocation');
$cluster->move_names($slot, $to);
$cluster->end_move($slot, $to);


# By TLS.

my $ca = authority('authority of the cluster');
my $secure = cluster(replicas => 0, password => 'secret',
                     tls => { %{$ca->issue('IP:127.0.0.1')},
                              ca => $ca->{cert} });

$r = apikey({ redis => $secure, stdin => $lines }, '--tls-ca', $ca->{cert},
            'import', '-');
is($r->{exit}, 0, 'rediss-cluster://') or diag($r->{err});
$r = apikey({ redis => $secure }, '--tls-ca', $ca->{cert}, '--json', 'list');
is(@{decode_json($r->{out} || '[]')}, 3000, 'all keys by TLS');

fails('an authority that is none of ours', $secure->url,
      'its certificate is refused', '--tls-ca',
      authority('another')->{cert});

done_testing();
