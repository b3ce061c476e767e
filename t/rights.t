#!/usr/bin/perl

# The rights that README.md gives to users of Redis are enough for all that a
# gateway and the program do, and the gateway's are not one too many.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $readme = slurp("$Test::Apikey::ROOT/README.md");
my ($gateway) = $readme =~ /a gateway needs\s+`([^`]+)`/;
my ($program) = $readme =~ /the program\s+`([^`]+)`/;
my ($doctor) = $readme =~ /,\s+and `([^`]+)` for `apikey doctor`/;

ok($gateway && $program && $doctor, 'README.md names them');

my $redis = redis();

sub user {
    my ($name, $rights) = @_;

    $redis->cmd('ACL', 'SETUSER', $name, 'reset', 'on', ">$name-secret",
                split ' ', $rights);

    # of the test's own commands, the default user goes on
    return bless { %$redis, login => $name }, 'Login';
}

{
    package Login;
    our @ISA = 'Test::Apikey::Redis';

    sub url {
        "redis://$_[0]{login}:$_[0]{login}-secret\@127.0.0.1:$_[0]{port}"
    }
}

my $operator = user('operator', $program);
user('gateway', $gateway);

# Nothing of these two was refused.

sub enough {
    my ($name) = @_;
    my @refused = map { my %entry = @$_; "$entry{username}: $entry{object}" }
                      @{$redis->cmd('ACL', 'LOG')};

    is_deeply(\@refused, [], "$name: nothing was refused");
}

sub operate {
    my ($args, %opt) = @_;
    my $r = apikey({ redis => $operator, %opt }, '--json', @$args);

    is($r->{exit}, $opt{exit} // 0, "apikey $args->[0]")
        or diag($r->{err}, $r->{out});

    return $r->{out};
}

sub create { decode_json(operate([ 'create', '--name', 'x', @_ ])) }


# The gateway: all of its ways to count, and what it hears and says.

my $password = file('password', 'gateway-secret');
chmod 0600, $password;

my $port = free_port();

$redis->cmd('SELECT', 1);
$operator->{port} .= '/1';

my %key = map { $_ => create('--permissions', 'read', '--org', 'acme',
                             $_ eq 'free' ? () : ('--plan', $_)) }
          qw(exact sliding leased free);

# One that expires soon, which the gateway tells of.
my $soon = create('--permissions', 'read', '--expires', '1d');
$redis->cmd('ZADD', 'apikey:expiring', $soon->{expires}, $soon->{id});

$redis->cmd('CONFIG', 'RESETSTAT');

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} db=1 user=gateway
                 password_file=$password connect_timeout=60s timeout=60s;
    apikey_cache zone=keys:1m;
    apikey_plan exact 100r/m per=org;
    apikey_plan sliding 100r/m algorithm=sliding;
    apikey_plan leased 1000r/d mode=leased;
    apikey_plan anonymous 100r/d;

    server {
        listen 127.0.0.1:$port;
        apikey optional;
        apikey_country DE;

        location / {
            try_files /none =204;
        }

        location /charge {
            apikey_charge 5;
            try_files /none =204;
        }
    }
CONF

sub ask {
    my ($key, $uri) = @_;

    return get($port, $uri || '/', $key ? ('X-API-Key' => $key->{key}) : ())
        ->status;
}

for my $plan (sort keys %key) {
    ok(wait_for(sub { ask($key{$plan}) == 204 }), "a key of plan $plan");
    is(ask($key{$plan}, '/charge'), 204, 'and a charge') for 1 .. 3;
}

is(ask(), 204, 'anonymous');
ok(wait_for(sub { $redis->cmd('PUBSUB', 'NUMSUB', 'apikey:changes')->[1] }),
   'it listens');
ok(wait_for(sub { @{$redis->cmd('HKEYS', 'apikey:gateways')} }),
   'and is registered');

ok(wait_for(sub { $redis->events }), 'it has told of what expires soon');
ok(wait_for(sub { $redis->usage($key{free})->{cDE} }), 'and counted a use');

# What it has used, as Redis counts; two of them come later.

my @unused;

wait_for(sub {
    my $used = $redis->cmd('INFO', 'commandstats');

    @unused = grep { $used !~ /^cmdstat_\Q$_\E:/m } $gateway =~ /\+(\w+)/g;
    return @unused == 2;
});

is_deeply([ sort @unused ], [ qw(hdel publish) ], 'it needs every right');


# The program: every command.

my $id = $key{free}{id};
my $file = file('import', qq({"key":"imported-key-0123456789"}\n));

operate([ 'list' ]);
operate([ 'show', $id ]);
operate([ 'verify' ], stdin => $key{free}{key});
operate([ 'edit', $id, '--plan', 'exact', '--expires', '30d' ]);
operate([ 'disable', $id ]);
operate([ 'enable', $id ]);
operate([ 'rotate', $id, '--grace', '1h' ]);
operate([ 'limits', $key{exact}{id} ]);
operate([ 'limits', $key{leased}{id}, '--reset' ]);
operate([ 'template', 'set', 't', '--scope', 'a:b' ]);
operate([ 'template', 'list' ]);
operate([ 'template', 'show', 't' ]);
operate([ 'template', 'remove', 't' ]);
operate([ 'import', $file ]);
operate([ 'export' ]);
operate([ 'events' ]);
operate([ 'gateways' ]);
like(operate([ 'revoke', $key{sliding}{id} ]), qr/confirmed/,
     'and the gateway confirms it');
operate([ 'revoke', '--key-stdin' ], stdin => "$key{exact}{key}\n");
operate([ 'delete', $id ]);
is(ask($key{sliding}), 401, 'what is revoked is revoked');

enough('so far');

user('operator', "$program $doctor");
operate([ 'doctor' ], exit => 0);

$nginx->stop;
is_deeply($redis->cmd('HKEYS', 'apikey:gateways'), [],
          'the gateway leaves no trace');

enough('at the end');

user('operator', "$program $doctor -zadd");
my $said = operate([ 'doctor' ], exit => 1);

like($said, qr/besides a probe.*zadd/, 'a right that is missing is told');

# Doctor's own list, where a prefix has its place.

my ($needs) = $said =~ /this user needs (.*?), and in a Cluster/;
my $prefixed = $program =~ s/apikey:/PREFIX/gr;

is_deeply([ sort split ' ', $needs // '' ],
          [ sort split ' ', "$prefixed $doctor" ],
          'with all that README.md gives to the program and to doctor');

unlike("$gateway $program $doctor", qr/[~&]\*|\@all|allkeys/,
       'and none is for all keys, channels or commands');

done_testing();
