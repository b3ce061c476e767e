#!/usr/bin/perl

# Where Redis and the pepper are, templates, the doctor, and help.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $pepper = Test::Apikey::pepper_file();
my $program = "$Test::Apikey::BUILD/apikey";
my $r;


# Redis by any URL.

$redis->cmd('ACL', 'SETUSER', 'u@x', 'on', '>p/w:@', '~*', '&*', '+@all');

my $at = "127.0.0.1:$redis->{port}";

for (
    "redis://$at", "redis://$at/", "redis://$at/0", "redis://localhost:"
    . $redis->{port}, "redis://u%40x:p%2fw%3A%40\@$at", "unix:$redis->{socket}",
    "unix://$redis->{socket}", "unix:$redis->{socket}?db=0",
    "unix://u%40x:p%2Fw:\@\@$redis->{socket}",
) {
    $r = run($program, '--redis', $_, '--pepper-file', $pepper, 'create',
             '--name', 'x');
    is($r->{exit}, 0, $_) or diag $r->{err};
}

is(@{decode_json(run($program, '--redis', "redis://$at/0", '--json',
                     'list')->{out})}, 9, 'all of them the same');
is(run($program, '--redis', "redis://$at/3", '--json', 'list')->{out},
   "[]\n", 'another database');
is(run($program, '--redis', "unix:$redis->{socket}?db=3", '--json',
       'list')->{out}, "[]\n", 'by socket, too');
is(run($program, '--redis', "redis://$at/99", 'list')->{exit}, 3,
   'no such database');
is(run($program, '--redis', "redis://u%40x:secret\@$at", 'list')->{exit}, 3,
   'a wrong password');

for (
    [ 'redis://', 'host' ], [ 'redis://:6379', 'host' ],
    [ 'redis://h:0', 'port' ], [ 'redis://h:x', 'port' ],
    [ 'redis://h:70000', 'port' ], [ 'redis://h/x', 'database' ],
    [ 'redis://[::1', ']' ], [ 'redis://h?x', 'stands behind' ],
    [ 'redis://a:%zz@h', 'password' ], [ 'redis://a:%00@h', 'password' ],
    [ 'unix:run/redis', 'path' ], [ 'unix:/' . 'x' x 120, 'too long' ],
    [ 'unix:/x?a=1', '?db=N' ], [ 'http://h', 'redis://HOST' ],
    [ 'h:6379', 'redis://HOST' ], [ 'rediss://', 'host' ],
    [ 'redis-cluster://h,', 'host' ], [ 'redis-cluster://h,g:x', 'port' ],
    [ 'redis-cluster://h,g/x', 'the database is not a number' ],
    [ 'rediss-cluster://h?x', 'stands behind' ],
) {
    $r = run($program, '--redis', $_->[0], 'list');
    is($r->{exit}, 2, "$_->[0]");
    like($r->{err}, qr/\Q$_->[1]\E/, 'and why');
}

$r = run($program, '--redis', 'redis://u:topsecret@h:x', 'list');
unlike($r->{err}, qr/topsecret/, 'a password is not shown');


# Options, environment, file: in this order; options anywhere.

my $conf = file('apikey.conf', <<"CONF");
# where things are

redis = redis://127.0.0.1:1
  pepper_file=$pepper\t
redis_prefix = conf:
CONF

$r = run($program, '--config', $conf, 'list');
is($r->{exit}, 3, 'from the file');
like($r->{err}, qr/127\.0\.0\.1:1:/, 'its Redis');

{
    local $ENV{APIKEY_CONFIG} = $conf;

    $r = run($program, 'list');
    is($r->{exit}, 3, 'from the file that the environment names');
    like($r->{err}, qr/127\.0\.0\.1:1:/, 'its Redis');

    $r = run($program, '--config', '/dev/null', '--redis', "redis://$at",
             'list');
    is($r->{exit}, 0, 'unless an option names one') or diag $r->{err};

    $ENV{APIKEY_CONFIG} = '/nonexistent';
    is(run($program, 'list')->{exit}, 2, 'where there has to be one');
}

{
    local $ENV{APIKEY_REDIS} = "redis://$at";

    $r = run($program, 'create', "--config=$conf", '--name', 'c');
    is($r->{exit}, 0, 'the environment comes first') or diag $r->{err};
    ok((grep { /^conf:\{/ } @{$redis->cmd('KEYS', '*')}), 'prefix of the file');

    local $ENV{APIKEY_REDIS_PREFIX} = 'env:';
    local $ENV{APIKEY_PEPPER_FILE} = '/nonexistent';

    $r = run($program, 'create', '--name', 'c', '--config', $conf);
    is($r->{exit}, 2, 'pepper of the environment');
    like($r->{err}, qr{"/nonexistent": No such file}, 'which is named');

    $r = run($program, '--pepper-file', $pepper, '--name', 'c', 'create',
             '--redis-prefix', 'opt:', '--redis', "redis://$at", '--json');
    is($r->{exit}, 0, 'options come first of all') or diag $r->{err};
    ok((grep { /^opt:\{/ } @{$redis->cmd('KEYS', '*')}), 'their prefix');

    local $ENV{APIKEY_REDIS} = '';
    $r = run($program, 'list', '--config', $conf);
    like($r->{err}, qr/127\.0\.0\.1:1:/, 'what is empty is not given');
}

for ([ "redis\n", 1 ], [ "\nredis = \n", 2 ], [ "colour = red\n", 1 ],
     [ "redis = redis://a\nredis = redis://b\n", 2 ])
{
    $r = run($program, '--config', file('wrong.conf', $_->[0]), 'list');
    is($r->{exit}, 2, 'a wrong line');
    like($r->{err}, qr/wrong\.conf", line $_->[1]: /, 'and its number');
}

is(run($program, '--config', '/nonexistent', 'list')->{exit}, 2, 'no file');

for ([ "a{b" ], [ "a b" ], [ 'x' x 65 ]) {
    is(run($program, '--redis-prefix', @$_, 'list')->{exit}, 2,
       "prefix @$_");
}

# Secrets that others can read.

my $open = file('open.conf', "redis = redis://u%40x:p%2Fw%3A%40\@$at\n");
chmod 0644, $open;
$r = run($program, '--config', $open, 'list');
is($r->{exit}, 2, 'a password in a file that others can read');
like($r->{err}, qr/chmod 640/, 'and what to do');
chmod 0640, $open;
is(run($program, '--config', $open, 'list')->{exit}, 0, 'one they can not');

sub with_pepper {
    my ($path) = @_;

    return run($program, '--redis', "redis://$at",
               $path ? ('--pepper-file', $path) : (), 'create', '--name', 'x');
}

for (
    [ 0644, 'x' x 32, 'open to others' ], [ 0641, 'x' x 32, 'others' ],
    [ 0600, 'x' x 31, '' ], [ 0600, '', '' ], [ 0600, 'x' x 4097, '4096' ],
) {
    my $path = file('wrong.pepper', $_->[1]);

    chmod $_->[0], $path;
    $r = with_pepper($path);
    is($r->{exit}, 2, sprintf 'a pepper of %d bytes and mode %o',
       length $_->[1], $_->[0]);
    like($r->{err}, qr/"\Q$path\E": .*$_->[2]/, 'and why');
}

is(with_pepper(Test::Apikey::dir())->{exit}, 2, 'a pepper that is a folder');
is(with_pepper()->{exit}, 2, 'no pepper at all');
is(run($program, '--redis', "redis://$at", 'list')->{exit}, 0,
   'a list needs none');

my $other = file('other.pepper', 'y' x 40);
chmod 0640, $other;
my $key = create_key('--name', 'x');
$r = run({ stdin => $key->{key} }, $program, '--redis', "redis://$at",
         '--pepper-file', $other, 'verify');
is($r->{exit}, 1, 'under another pepper a key is unknown');


# Templates.

$r = apikey('--json', 'template', 'list');
my %shipped = map { $_->{name} => $_ } @{decode_json($r->{out})};

is_deeply([ sort keys %shipped ],
          [ qw(admin apps-sdk full-access mcp-server read-only) ], 'shipped');
is_deeply($shipped{'mcp-server'},
          { name => 'mcp-server', title => 'MCP Server', binds => 'project',
            scopes => [ '*:read', '*:write', '*:delete' ],
            stored => JSON::PP::false }, 'one of them');
is_deeply([ sort grep { $shipped{$_}{binds} } keys %shipped ],
          [ qw(apps-sdk mcp-server) ], 'those that bind');

$r = apikey('--json', 'template', 'set', 'team', '--scope', 'a:read',
            '--scope', 'b:*', '--binds', 'org');
is_deeply(decode_json($r->{out}), { name => 'team', title => undef,
          scopes => [ 'a:read', 'b:*' ], binds => 'org',
          stored => JSON::PP::true }, 'set');
is(apikey('create', '--name', 'x', '--template', 'team')->{exit}, 2,
   'it binds to an org');
is_deeply(create_key('--template', 'team', '--org', 'o')->{scopes},
          [ 'a:read', 'b:*' ], 'and gives its scopes');
like(apikey('template', 'list')->{out}, qr/^team +- +org +a:read b:\*$/m,
     'listed');

apikey('template', 'set', 'Read Only', '--scope', 'docs:read');
is_deeply(create_key('--template', 'read-only')->{scopes}, [ 'docs:read' ],
          'a shipped one replaced');
ok(decode_json(apikey('--json', 'template', 'show', 'read-only')->{out})
   ->{stored}, 'which is said');
$r = apikey('template', 'remove', 'read-only');
like($r->{out}, qr/shipped one holds again/, 'and removed');
is_deeply(create_key('--template', 'read-only')->{scopes}, [ '*:read' ],
          'is as it was shipped');

is(apikey('template', 'remove', 'team')->{exit}, 0, 'remove');
is(apikey('template', 'show', 'team')->{exit}, 1, 'it is gone');
is(apikey('template', 'remove', 'team')->{exit}, 1, 'twice');
is(apikey('template', 'remove', 'admin')->{exit}, 1, 'one that is shipped');

$redis->cmd('HSET', 'apikey:templates', 'bad', '{"scopes":["x y"]}');
is(apikey('create', '--name', 'x', '--template', 'bad')->{exit}, 1,
   'one that something else wrote');
$redis->cmd('HDEL', 'apikey:templates', 'bad');


# The doctor.

sub doctor {
    my ($check, @args) = @_;
    my $r = apikey('--json', 'doctor', @args);
    my ($found) = grep { $_->{check} eq $check }
                  @{decode_json($r->{out})->{checks}};

    ok(!$found->{mend} == ($found->{result} eq 'ok'),
       "$check: a mend if wrong");

    return "$r->{exit} $found->{result}";
}

my $before = $redis->dump;

is(doctor($_), '0 ok', "doctor: $_")
    for qw(pepper redis version rights eviction clock keys);
is(doctor('persistence'), '0 warning', 'doctor: no persistence');
ok($redis->dump eq $before, 'its probe is gone');

$redis->cmd('CONFIG', 'SET', 'save', '3600 1');
is(doctor('persistence'), '0 ok', 'doctor: snapshots');
$redis->cmd('CONFIG', 'SET', 'save', '');

$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
is(doctor('eviction'), '1 wrong', 'doctor: keys may be evicted');
like(apikey('doctor')->{out}, qr/^wrong +eviction .*\n +-> CONFIG SET /m,
     'for people');
$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
is(doctor('eviction'), '0 warning', 'doctor: counters may be evicted');
$redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');

$redis->cmd('ACL', 'SETUSER', 'poor', 'on', '>poor', '~apikey:*',
            'resetchannels', '+@all', '-info', '-config');
my @poor = ('--redis', "redis://poor:poor\@$at");
my $poor = run($program, @poor, '--json', 'doctor');
my %found = map { $_->{check} => $_->{result} }
            @{decode_json($poor->{out})->{checks}};
is_deeply(\%found, { pepper => 'wrong', redis => 'ok', version => 'unknown',
          rights => 'wrong', gateways => 'warning', eviction => 'unknown',
          persistence => 'unknown', clock => 'ok', keys => 'ok' },
          'doctor: a user with few rights');
is($poor->{exit}, 1, 'its exit status');
ok($redis->dump eq $before, 'its probe is gone, too');

my ($name) = grep { /^apikey:\{/ } @{$redis->cmd('KEYS', '*')};
$redis->cmd('HSET', $name, 'status', 'bogus');
is(doctor('keys'), '1 wrong', 'doctor: a record that can\'t be read');
like(apikey('list')->{out}, qr/ unreadable /, 'list shows it, too');

$r = run($program, '--redis', 'redis://127.0.0.1:1', '--pepper-file', $pepper,
         'doctor');
is($r->{exit}, 3, 'doctor: no Redis');
like($r->{out}, qr/^ok +pepper .*\nwrong +redis .*Connection refused/,
     'what can be known is told');


# Help.

for ([ 'help' ], [ '--help' ], [ '-h' ]) {
    $r = run($program, @$_);
    is($r->{exit}, 0, "@$_");
    like($r->{out}, qr/^Usage: /m, 'usage');
}

my @commands = run($program, 'help')->{out} =~ /^  ([a-z]+) /mg;
is("@commands", 'create list show verify edit disable enable rotate revoke '
   . 'delete limits usage import export events gateways template serve doctor',
   'every command');

for (@commands) {
    is(run($program, 'help', $_)->{out}, run($program, $_, '--help')->{out},
       "help $_");
}

like(run($program, 'help', 'create')->{out}, qr/^  --permissions read\|/m,
     'its options');
is(run($program, 'help', 'nonsense')->{exit}, 2, 'help of nothing');
is(run($program)->{exit}, 2, 'no command');
like(run($program, '--version')->{out}, qr/^apikey \d+\.\d+\.\d+$/, 'version');

done_testing();
