#!/usr/bin/perl

# The file of tokens for the console, and what stands in for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my ($ops, $old, $look) = map { $_ x 32 } qw(o p v);

sub tokens {
    my ($text, $mode) = @_;

    my $path = file('tokens', $text);
    chmod $mode // 0640, $path;

    return run("$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
               '--pepper-file', Test::Apikey::pepper_file(), 'serve',
               '--listen', '127.0.0.1:0', '--token-file', $path);
}


# What isn't a file of tokens starts nothing.

my $good = "ops admin $ops\n";

for my $wrong (
    [ 'open to others', $good, qr/open to others \(mode 0644\)/, 0644 ],
    [ 'written by others', $good, qr/open to others \(mode 0642\)/, 0642 ],
    [ 'empty', '', qr/holds no token/ ],
    [ 'comments', "# ops\n\n  \n", qr/holds no token/ ],
    [ 'two words', "ops $ops\n", qr/line 1: not like "NAME ROLE TOKEN"/ ],
    [ 'four words', "ops admin $ops x\n", qr/line 1: not like/ ],
    [ 'a role', "${good}x root $look\n", qr/line 2: the role is neither/ ],
    [ 'a short token', "ops admin " . 'x' x 31, qr/line 1: a token has 32/ ],
    [ 'a long token', "ops admin " . 'x' x 257, qr/line 1: a token has 32/ ],
    [ 'a name twice', "${good}ops viewer $look\n", qr/line 2: this name/ ],
    [ 'a token twice', "${good}x viewer $ops\n", qr/line 2: this token/ ],
    [ 'a name', "a,b admin $ops\n", qr/line 1: a name is 1 to 64/ ],
) {
    my ($name, $text, $why, $mode) = @$wrong;
    my $r = tokens($text, $mode);

    is($r->{exit}, 2, "$name: not started");
    like($r->{err}, $why, 'and why');
    unlike($r->{err}, qr/o{32}|x{31}/, 'but no token');
}

is(run("$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
       '--pepper-file', Test::Apikey::pepper_file(), 'serve', '--token-file',
       '/nonexistent')->{exit}, 2, 'no file');


# Several, with blanks and comments.

my $console = console(admin => $ops, viewer => $look, tokens => <<"TOKENS");
# who may do what

ops    admin\t$ops
  old    admin  $old  \t
look   viewer $look\r
TOKENS

is($console->call('GET', '/api/session', undef,
                  Authorization => "Bearer $_->[2]")->json->{$_->[0]}, $_->[1],
   "$_->[0] is $_->[1]")
    for [ 'name', 'ops', $ops ], [ 'role', 'admin', $ops ],
        [ 'name', 'old', $old ], [ 'name', 'look', $look ],
        [ 'role', 'viewer', $look ];

# Nobody stands in front of it that was named: X-Forwarded-For is anybody's.

for my $n (1 .. 10) {
    $console->call('GET', '/api/session', undef,
                   Authorization => 'Bearer ' . 'x' x 32,
                   'X-Forwarded-For' => "192.0.2.$n");
}

is($console->call('GET', '/api/session', undef,
                  'X-Forwarded-For' => '192.0.2.99')->status, 429,
   'guesses are counted by the address they come from');

my $r = $console->call('POST', '/api/session', { token => $ops },
                       'X-Forwarded-Proto' => 'https');
unlike($r->header('Set-Cookie') // '', qr/Secure/, 'and so is https');


# A token made for once; a free port; the end by SIGINT.

sub serve_once {
    my ($signal, @args) = @_;
    my $out = file('out', '');

    my $pid = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        exec "$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
             '--pepper-file', Test::Apikey::pepper_file(), @args, 'serve',
             '--listen', '127.0.0.1:0' or die $!;
    });

    wait_for(sub { slurp($out) =~ /[0-9a-f]{64}.*\n/ })
        or fail('it starts');

    my $text = slurp($out);
    my ($port) = $text =~ /127\.0\.0\.1:(\d+)/;
    my ($token) = $text =~ /\b([0-9a-f]{64})\b/;

    is(get($port, '/api/session', Authorization => "Bearer $token")
       ->json->{role}, 'admin', 'an admin');

    kill $signal, $pid;
    is(Test::Apikey::wait_pid($pid, 10), 0, "SIG$signal ends it");

    return ($text, $token);
}

my ($text, $token) = serve_once('INT');
like($text, qr{^the web console is at http://127\.0\.0\.1:\d+/
its token, until it ends: [0-9a-f]{64}\n$}, 'for people');

my ($json, $other) = serve_once('TERM', '--json');
is_deeply([ sort keys %{decode_json($json)} ], [ qw(token url) ],
          'for programs');
isnt($other, $token, 'another one each time');


# Beyond this machine.

my $port = free_port();
my $err = file('err', '');
my $pid = Test::Apikey::fork_child(sub {
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', $err;
    exec "$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
         '--pepper-file', Test::Apikey::pepper_file(), 'serve', '--listen',
         "0.0.0.0:$port" or die $!;
});

ok(wait_for(sub { slurp($err) =~ /can be reached from other machines/ }),
   'another address than loopback: said');
kill 'TERM', $pid;
is(Test::Apikey::wait_pid($pid, 10), 0, 'ended');

done_testing();
