#!/usr/bin/perl

# A server that answers what Redis never does: no command of the program
# crashes, each says which reply it was, and none believes it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $keys = file('keys.jsonl', qq({"key":"of-another-form-1","id":"k9"}\n));

my @words = qw(TIME HGET HGETALL HKEYS HSET HSETNX HDEL XADD XREAD XREVRANGE
               ZADD ZREM DEL EXISTS PUBLISH INFO CONFIG ROLE WAIT SCAN EVAL);

my %lies = (
    'two integers'     => "*2\r\n:1\r\n:2\r\n",
    'nil and integer'  => "*3\r\n\$-1\r\n*-1\r\n:1\r\n",
    'a nil'            => "\$-1\r\n",
    'no list'          => "*-1\r\n",
    'an empty list'    => "*0\r\n",
    'one string'       => "*1\r\n\$1\r\nx\r\n",
    'three strings'    => "*3\r\n" . "\$1\r\nx\r\n" x 3,
    'a negative'       => ":-1\r\n",
    'a huge number'    => ":9223372036854775807\r\n",
    'a status'         => "+OK\r\n",
    'a string'         => "\$3\r\nabc\r\n",
    'nested lists'     => "*1\r\n" x 6 . ":1\r\n",
    'an error within'  => "*2\r\n\$1\r\nx\r\n-ERR x\r\n",
    'four of nothing'  => "*4\r\n" . "\$-1\r\n" x 4,
);

my @one = ('two integers', 'nil and integer', 'four of nothing',
           'a huge number');

# What isn't a reply at all; the connection is closed behind it.

my %broken = (
    'more elements than there are' => "*2147483647\r\n",
    'elements that are cut'        => "*2\r\n\$1\r\nx\r\n",
    'a string that is cut'         => "\$9999\r\nabc",
    'a length below nil'           => "\$-5\r\n",
    'lists too deep'               => "*1\r\n" x 40,
    'another protocol'             => "HTTP/1.1 400 Bad Request\r\n\r\n",
);

my $writes = qr/^(?:create|edit|rotate|revoke|delete|import|template [sr])/;

my %commands = map { ("@$_" => $_) } (
    [ 'list' ], [ 'show', 'k1' ], [ 'verify' ], [ 'create', '--name', 'n' ],
    [ 'create', '--name', 'n', '--expires', '30d', '--plan', 'p' ],
    [ 'edit', 'k1', '--name', 'n', '--expires', '9d' ], [ 'disable', 'k1' ],
    [ 'enable', 'k1' ], [ 'rotate', 'k1' ], [ 'revoke', 'k2' ],
    [ 'delete', 'k2' ], [ 'limits', 'k1' ], [ 'limits', 'k1', '--reset' ],
    [ 'usage', 'k1' ], [ 'import', $keys ], [ 'export' ], [ 'events' ],
    [ 'gateways' ], [ 'template', 'list' ], [ 'template', 'show', 'mine' ],
    [ 'template', 'set', 'mine', '--scope', 'a:read' ],
    [ 'template', 'remove', 'mine' ], [ 'doctor' ],
);


sub honest {
    $fake->greet($_ => { ask => 1 }) for @words, 'events';
    $fake->greet(SUBSCRIBE => undef);
    $fake->script({ ask => 1 });
}

# Keys, and a gateway whose answers are waited for, which never come.

apikey({ redis => $redis }, 'import', file('stored.jsonl', <<'KEYS'));
{"key":"of-another-form-2","id":"k1","name":"n","project":"p","plan":"p"}
{"key":"of-another-form-3","id":"k2","expires":4000000000}
KEYS

apikey({ redis => $redis }, 'template', 'set', 'mine', '--scope', 'b:read');
$redis->cmd('HSET', 'apikey:plans', 'host:1', 'p 60r/m per=project');
$redis->cmd('HSET', 'apikey:gateways', 'host:1', time + 600 . ' 1.0 ' . time);

my %stored = map { $_ => $redis->cmd('DUMP', $_) } @{$redis->cmd('KEYS', '*')};

sub stored {
    $redis->cmd('FLUSHALL');
    $redis->cmd('RESTORE', $_, 0, $stored{$_}) for keys %stored;
}

sub told {
    my (@args) = @_;

    push @args, '--wait', '0'
        if "@args" =~ /^(?:edit|disable|enable|rotate|revoke|delete)|reset/;

    return apikey({ redis => bless({ port => $fake->{port} }, 'Fake'),
                    stdin => "apso_sk_live_nothing\n" }, @args);
}

{
    package Fake;
    sub url { "redis://127.0.0.1:$_[0]{port}" }
}


# Which commands of Redis does each need?

my %needed;

for my $name (sort keys %commands) {
    stored();
    honest();
    $fake->forget;
    told(@{$commands{$name}});

    my %seen = map { $_->[0] => 1 } @{$fake->words};

    $needed{$name} = [ sort keys %seen ];
}

# The same lie to all questions, then to one of them, the others being true.
# What doctor hears of itself goes through no fake: that takes its time.

for my $name (sort keys %commands) {
    my $changes = $name =~ $writes;
    my @failed;

    stored();

    for my $word ('*', $name eq 'doctor' ? () : @{$needed{$name}}) {

        for my $lie ($word eq '*' ? (sort(keys %lies), sort keys %broken)
                                  : @one)
        {
            my $rule = exists $lies{$lie}
                ? { say => $lies{$lie} }
                : { say => $broken{$lie}, close => 1 };

            stored() if $changes;
            honest();

            if ($word eq '*') {
                $fake->greet($_ => $rule) for @words, 'events', 'SUBSCRIBE';
                $fake->script($rule);

            } elsif ($word =~ /^EVAL/) {
                $fake->script($rule);

            } else {
                $fake->greet($word => $rule);
                $fake->greet(events => $rule) if $word =~ /^[XZ]/;
            }

            my $r = told(@{$commands{$name}});

            push @failed, "$word: $lie: exit $r->{exit}: $r->{err}"
                unless $r->{exit} =~ /^[0-3]\z/
                       && $r->{err} !~ /Sanitizer|runtime error/
                       && ($word ne '*' || $r->{exit} != 0);
        }
    }

    is("@failed", '', $name);
}

done_testing();
