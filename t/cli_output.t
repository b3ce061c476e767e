#!/usr/bin/perl

# Standard output may be closed, full, no longer read, or a terminal: nothing
# that is printed gets to another place, nothing that was lost is passed over,
# and tables have straight columns in any script.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(decode_utf8);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my @apikey = ("$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
              '--pepper-file', Test::Apikey::pepper_file());
my $r;

# The program, with its output redirected as a shell says.

sub shell {
    my ($redirect, @args) = @_;

    return run('sh', '-c', "\"\$\@\" $redirect", '-', @apikey, @args);
}


# A stream that is closed isn't the connection to Redis.

$redis->cmd('CONFIG', 'RESETSTAT');

for my $args ([ 'create', '--name', 'x' ],
              [ '--json', 'create', '--name', 'x' ])
{
    $r = shell('>&-', @$args);
    is($r->{exit}, 1, "@$args >&-");
    like($r->{err}, qr/can't be printed and is deleted again/,
         'the key that nobody has is deleted');
    unlike($r->{err}, qr/ak_/, 'and not told');
}

unlike($redis->cmd('INFO', 'errorstats'), qr/errorstat_ERR/,
       'Redis was sent nothing but commands');
is(apikey('--json', 'list')->{out}, "[]\n", 'and has no key');

create_key('--name', "key $_") for 1 .. 3;

for my $args ([ 'list' ], [ 'export' ], [ 'events' ], [ 'doctor' ],
              [ '--help' ])
{
    $r = shell('>&-', @$args);
    is($r->{exit}, 1, "@$args >&-");
    like($r->{err}, qr/^apikey: standard output: \w/m,
         'is told');

    $r = shell('>/dev/full', @$args);
    is($r->{exit}, 1, "@$args >/dev/full");
    like($r->{err}, qr/^apikey: standard output: \w/m,
         'is told');
}

SKIP: {
    skip 'valgrind needs the stream of errors', 1
        if $Test::Apikey::BUILD =~ m{/valgrind$};

    is(shell('2>&-', 'show', 'nope')->{exit}, 1, 'nor the one of errors');
}

is(shell('<&-', 'verify')->{exit}, 1, 'nor standard input');


# Who has read enough isn't told that there was more.

my $rows = join '', map { qq({"key":"old-$_","name":"$_"}\n) } 1 .. 2000;

is(apikey({ stdin => $rows }, 'import', '-')->{exit}, 0, 'many keys');

for my $args ([ 'list' ], [ '--json', 'list' ], [ 'export' ]) {
    $r = run('bash', '-c', '"$@" | head -n 1; echo ${PIPESTATUS[0]}', '-',
             @apikey, @$args);
    like($r->{out}, qr/^.+\n1\n\z/, "@$args | head -n 1");
    is($r->{err}, '', 'without a word');
}

# head ends with the header, and nothing is written after that.

$r = run('bash', '-c', '"$@" | head -n 1; echo ${PIPESTATUS[0]}', '-',
         @apikey, 'events', '--follow');
like($r->{out}, qr/^TIME .*\n1\n\z/, 'who follows ends with the reader');
is($r->{err}, '', 'without a word');

apikey('delete', map { $_->{id} }
                 @{decode_json(apikey('--json', 'list')->{out})});


# Columns.

my @names = ('plain', "\x{e9}t\x{e9}", "e\x{301}te\x{301}",
             "\x{65e5}\x{672c}\x{8a9e}", "\x{d55c}\x{ae00} key",
             "\x{1f511} key", "\x{202e}yek");
my @width = (5, 3, 3, 6, 8, 6, 6);
my ($widest) = sort { $b <=> $a } @width;

for my $name (@names) {
    utf8::encode(my $bytes = $name);
    create_key('--name', $bytes, '--permissions', 'read');
}

for my $locale ('C', 'C.UTF-8') {
    local $ENV{LC_ALL} = $locale;

    my (undef, @lines) = split /\n/, decode_utf8(apikey('list')->{out});

    s/\x{202e}/???/ for my @shown = @names;

    is_deeply([ map { (split / {2}/, $_, 2)[1] =~ s/active.*//r } @lines ],
              [ map { $shown[$_] . ' ' x ($widest - $width[$_] + 2) }
                0 .. $#names ],
              "names take what a terminal gives them, LC_ALL=$locale");
}


# On a terminal a cell that is too wide is cut, between characters.

utf8::encode(my $long = "\x{65e5}" x 30);
apikey('delete', map { $_->{id} }
                 @{decode_json(apikey('--json', 'list')->{out})});
create_key('--name', $long);

$r = run('script', '-qec', join(' ', @apikey, 'list'), '/dev/null');
like(decode_utf8($r->{out}),
     qr/^\S+  \x{65e5}{11}\x{2026}   active/m, 'a wide name is cut');


# Who types a key is asked for it.

my $key = create_key('--name', 'typed')->{key};

$r = run({ stdin => "$key\n" }, 'script', '-qec', join(' ', @apikey, 'verify'),
         '/dev/null');
like($r->{out}, qr/key: .*?valid\r?$/ms, 'a key that is typed');

$r = apikey({ stdin => "$key\n" }, 'verify');
is($r->{err}, '', 'and no other');


# Help.

for my $command ('', apikey('--help')->{out} =~ /^  ([a-z]+) +[A-Z]/mg) {
    my $help = apikey(split(' ', $command), '--help')->{out};

    is_deeply([ $help =~ /^(.{81,})$/mg ], [], "help $command: 80 columns");
}

unlike(apikey('edit', '--help')->{out}, qr/^  --(?:scope|template)/m,
       'edit names no option that it refuses');

unlike(apikey('doctor')->{out}, qr/-0\.000/,
       'a clock that is right is not -0.000 seconds away');

done_testing();
