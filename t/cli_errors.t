#!/usr/bin/perl

# Bad input is told in one line that names it, and nothing is half-written,
# whatever Redis does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $key = create_key('--name', 'there');
my $before = $redis->dump;
my $r;


sub wrong {
    my ($exit, $like, @args) = @_;
    my $r = apikey({ stdin => 'nonsense' }, @args);

    subtest "@args" => sub {
        is($r->{exit}, $exit, 'exit status');
        is($r->{out}, '', 'nothing on standard output');
        like($r->{err}, qr/^apikey: [^\n]*\n$/, 'one line');
        like($r->{err}, $like, 'which names what is wrong');
    };
}


# Usage.

wrong(2, qr/"nonsense"/, 'nonsense');
wrong(2, qr/"--nonsense"/, 'list', '--nonsense=1');
wrong(2, qr/"-x"/, 'list', '-x');
wrong(2, qr/list takes no option --name/, 'list', '--name', 'x');
wrong(2, qr/--json takes no value/, '--json=1', 'list');
wrong(2, qr/--plan is given twice/, 'edit', 'x', '--plan=a', '--plan=b');
wrong(2, qr/--org needs a value/, 'list', '--org');
wrong(2, qr/options only/, 'list', 'x');
wrong(2, qr/show needs/, 'show');
wrong(2, qr/show takes the id of one key/, 'show', 'x', 'y');
wrong(2, qr/edit needs/, 'edit', 'x');
wrong(2, qr/edit can't change --$_: scopes and bindings are for life/,
      'edit', $key->{id}, "--$_", 'read')
    for 'permissions', 'scope', 'permissions-json', 'template', 'org',
        'project', 'service';
wrong(2, qr/delete needs/, 'delete');
wrong(1, qr/there is no key "nope"/, $_, 'nope')
    for 'show', 'delete', 'revoke', 'disable', 'rotate', 'usage', 'limits';
wrong(2, qr/create needs --name/, 'create');
wrong(2, qr/template needs/, 'template', 'show');
wrong(2, qr/--status "alive"/, 'list', '--status', 'alive');
wrong(2, qr/--method "get"/, 'verify', '--method', 'get');
wrong(2, qr/--require "a:b:c"/, 'verify', '--require', 'a:b:c');
wrong(2, qr/--require ""/, 'verify', '--require', '');

# A key among the arguments is not repeated on the terminal.

$r = apikey('show', $key->{key});
is($r->{exit}, 2, 'a key in place of an id');
like($r->{err}, qr/a key stands among the arguments/, 'which is said');
unlike($r->{err}, qr/\Q$key->{key}\E/, 'without showing it');


# Values, of create and, where it has them, of edit.

for (
    [ 'permissions', 'all', 'not read, write or full' ],
    [ 'permissions', '', '' ],
    [ 'scope', 'projects', 'a scope is' ],
    [ 'scope', '', 'is empty' ],
    [ 'scope', 'a:b:c', '' ],
    [ 'scope', 'a' x 65 . ':read', '' ],
    [ 'permissions-json', '/nonexistent', '' ],
    [ 'permissions-json', file('a', '{'), '' ],
    [ 'permissions-json', file('b', '{"projects":["read"]}'), 'not like' ],
    [ 'permissions-json', file('c', '{"permissions":{"a":"read"}}'),
      'a resource has no list' ],
    [ 'permissions-json', file('d', '{"permissions":{"a":["b c:d"]}}'), '' ],
    [ 'permissions-json', file('e', '{"permissions":{"a b":["c"]}}'), '' ],
    [ 'permissions-json', file('f', '{"permissions":{"a":[1]}}'),
      'an action is not a text' ],
    [ 'template', 'nosuch', 'there is no template', 1 ],
    [ 'prefix', 'Upper', 'a prefix is' ],
    [ 'prefix', 'p' x 33, '' ],
    [ 'org', 'a b', 'a label is' ],
    [ 'project', 'a,b', 'a label is' ],
    [ 'service', '', 'is empty' ],
    [ 'plan', 'x' x 65, 'a label is', 1 ],
    [ 'plan', '{x}', 'a label is', 1 ],
    [ 'limits', '60', '', 1 ],
    [ 'limits', '60r/m 5r/d', '', 1 ],
    [ 'limits', '0r/m', '', 1 ],
    [ 'limits', 'algorithm=sliding', '', 1 ],
    [ 'expires', 'soon', 'not like', 1 ],
    [ 'expires', '2020-01-01', 'not in the future', 1 ],
    [ 'expires', '0d', 'not in the future', 1 ],
    [ 'expires', '30', 'not in the future', 1 ],
    [ 'expires', '-30d', 'not like', 1 ],
    [ 'expires', '2090-02-30', 'not like', 1 ],
    [ 'expires', '2090-01-31T25:00:00Z', 'not like', 1 ],
    [ 'expires', '2090-01-31T12:00:00', 'not like', 1 ],
    [ 'expires', '99999999w', '', 1 ],
    [ 'not-before', 'never', 'not like', 1 ],
    [ 'not-before', '2020-01-01', 'not in the future', 1 ],
    [ 'allow', '10.0.0.0/33', '', 1 ],
    [ 'allow', '10.0.0.1/8', '', 1 ],
    [ 'allow', 'localhost', '', 1 ],
) {
    my ($option, $value, $why, $edit) = @$_;
    my ($exit, $named) = $option eq 'template'
        ? (1, qr/"\Q$value\E"/)
        : (2, qr/^apikey: --$option "\Q$value\E": $why/);

    wrong($exit, $named, 'create', '--name', 'x', "--$option", $value);
    wrong(2, $named, 'edit', $key->{id}, "--$option", $value)
        if $edit && $option ne 'template';
}

wrong(2, qr/--name ""/, 'create', '--name', '');
wrong(2, qr/--$_ ""/, 'create', '--name', 'x', "--$_", '')
    for qw(expires not-before allow limits plan org scope);
wrong(2, qr/--name "a\?"/, 'create', '--name', "a\x{7}");
wrong(2, qr/--name "\?"/, 'create', '--name', "\xff");
wrong(2, qr/--name/, 'create', '--name', 'x' x 257);
wrong(2, qr/would expire before/, 'create', '--name', 'x',
      '--expires', '1h', '--not-before', '2h');
wrong(2, qr/binds "team"/, 'template', 'set', 't', '--scope', 'a:b',
      '--binds', 'team');
wrong(2, qr/"a b"/, 'template', 'set', 'a b', '--scope', 'a:b');
wrong(2, qr/--scope/, 'template', 'set', 't');

ok($redis->dump eq $before, 'none of that has written anything');


# What Redis refuses.

my $NO_RIGHT = $Test::Apikey::Redis::NO_RIGHT;

sub refused {
    my ($what, $like, $redis, @args) = @_;

    my $before = $redis->dump;
    my $r = apikey({ redis => $redis, stdin => $key->{key} }, @args);

    subtest "$what: $args[0]" => sub {
        is($r->{exit}, 3, 'exit status 3');
        is($r->{out}, '', 'nothing on standard output');
        like($r->{err}, $like, 'the reason');
        ok($redis->dump eq $before, 'nothing is half-written');
    };
}

sub user {
    my ($name, @rules) = @_;

    $redis->cmd('ACL', 'SETUSER', $name, 'reset', 'on', ">$name", '~apikey:*',
                '&apikey:*', '+@all', @rules);

    # as itself it couldn't dump
    return bless { %$redis, login => $name }, 'Login';
}

{
    package Login;
    our @ISA = 'Test::Apikey::Redis';
    sub url { "redis://$_[0]{login}:$_[0]{login}\@127.0.0.1:$_[0]{port}" }
}

my @writes = (
    [ 'create', '--name', 'x' ], [ 'edit', $key->{id}, '--plan', 'x' ],
    [ 'disable', $key->{id} ], [ 'revoke', $key->{id} ],
    [ 'revoke', '--key-stdin' ], [ 'rotate', $key->{id} ],
    [ 'rotate', $key->{id}, '--grace', '1h' ], [ 'delete', $key->{id} ],
);

for my $args (@writes) {
    refused('no scripts', qr/NOPERM/,
            user('noscript', '-eval', '-evalsha'), @$args);
    refused('no publishing', $NO_RIGHT, user('mute', '-publish'), @$args);
    refused('no channel', $NO_RIGHT, user('deaf', 'resetchannels'),
            @$args);
    refused('no writing', $NO_RIGHT, user('reader', '-@write'), @$args);
}

refused('wrong password', qr/WRONGPASS/,
        bless({ %$redis, login => 'nobody' }, 'Login'), 'list');

my $shut = redis(conf => "requirepass secret\n");
$r = apikey({ redis => $shut }, 'list');
is($r->{exit}, 3, 'a password is needed');
like($r->{err}, qr/^apikey: Redis at 127\.0\.0\.1:\d+: NOAUTH/, 'and told');
$shut->{password} = 'secret';
is(apikey({ redis => $shut }, 'list')->{exit}, 0, 'a password alone');

for my $args (@writes) {
    $redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 1);
    refused('no replicas', qr/NOREPLICAS/, $redis, @$args);
    $redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 0);
}

my $down = redis();
$down->stop;
$r = apikey({ redis => $down }, 'list');
is($r->{exit}, 3, 'Redis is down');
like($r->{err}, qr/^apikey: Redis at \S+: Connection refused$/, 'and told');

$down->start;
$down->pause;
$r = apikey({ redis => $down }, 'list');
is($r->{exit}, 3, 'Redis hangs');
like($r->{err}, qr/no answer within \d+ seconds/, 'and told');
$down->resume;


# The connection is cut at the first script to be run, or a later one: before
# Redis gets it, or before its answer.

sub cutting {
    my ($after, $nth) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                       Listen => 1);
    my $proxy = in_background(sub {
        while (my $client = $listen->accept) {
            my $server = Test::Apikey::accepts($redis->{port});
            my $select = IO::Select->new($client, $server);
            my $open = 1;

            while ($open) {
                for my $from ($select->can_read) {
                    $open = sysread $from, my $data, 65536 or last;

                    if ($data =~ /EVALSHA/ && --$nth <= 0) {
                        syswrite $server, $data if $after;
                        sysread $server, $data, 65536 if $after;
                        $open = 0;
                        last;
                    }

                    syswrite $from == $client ? $server : $client, $data;
                }
            }
        }
    });

    return ($proxy, { redis => bless { %$redis, port => $listen->sockport },
                                     'Test::Apikey::Redis' });
}

my ($proxy, $to) = cutting(0);
$r = apikey($to, 'create', '--name', 'cut');
is($r->{exit}, 3, 'cut between index and record');
is($r->{out}, '', 'no key is printed');

my ($id) = $r->{err} =~ /whether the key "(\w+)" was stored/;
ok($id, 'its id is told');
like($redis->dump, qr/\Q$id\E/, 'the index has it');
is(apikey('show', $id)->{exit}, 1, 'but there is no such key');
is(@{decode_json(apikey('--json', 'list')->{out})}, 1, 'nor is it listed');
is(apikey('delete', $id)->{exit}, 0, 'it can be deleted');
ok($redis->dump eq $before, 'then nothing is left');
$proxy->stop;

($proxy, $to) = cutting(1);
$r = apikey($to, 'create', '--name', 'cut');
is($r->{exit}, 3, 'cut after the record');

($id) = $r->{err} =~ /whether the key "(\w+)" was stored/;
is(apikey('show', $id)->{exit}, 0, 'the key is listed');
is(apikey('delete', $id)->{exit}, 0, 'and can be deleted');
ok($redis->dump eq $before, 'then nothing is left');
$proxy->stop;

($proxy, $to) = cutting(0, 2);
$r = apikey($to, 'rotate', $key->{id});
is($r->{exit}, 3, 'a rotation is cut');
is($r->{out}, '', 'the new key is not printed');

($id) = $r->{err} =~ /the new key "(\w+)", which was not shown, is left/;
is(apikey({ stdin => $key->{key} }, 'verify')->{exit}, 0,
   'the old one lives on');
is(apikey('delete', $id)->{exit}, 0, 'the new one can be deleted');
ok($redis->dump eq $before, 'then all is as before');
$proxy->stop;


# A key that couldn't be printed is taken back.

$r = run('sh', '-c', 'exec "$0" "$@" > /dev/full',
         "$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
         '--pepper-file', Test::Apikey::pepper_file(),
         'create', '--name', 'x');
is($r->{exit}, 1, 'standard output is full');
like($r->{err}, qr/can't be printed and is deleted again/, 'which is told');
ok($redis->dump eq $before, 'the key is gone');

# An entry of the index that names another key's record is no key.

apikey('import', file('index.jsonl', qq({"key":"of-another-form","id":"x"}\n)));

my ($ids) = grep { $redis->cmd('HEXISTS', $_, 'x') }
    @{$redis->cmd('KEYS', 'apikey:ids:*')};
my ($digest) = map { $_->{digest} } grep { $_->{id} eq $key->{id} }
    map { decode_json($_) } split /\n/, apikey('export')->{out};

$redis->cmd('HSET', $ids, 'x', $digest);

for my $command (qw(show limits usage disable rotate)) {
    wrong(1, qr/there is no key "x"/, $command, 'x');
}


done_testing();
