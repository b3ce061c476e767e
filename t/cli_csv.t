#!/usr/bin/perl

# Keys are imported from CSV, in all the forms that RFC 4180 knows; an import
# that was interrupted goes on where it stopped.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $program = "$Test::Apikey::BUILD/apikey";
my $r;


sub import_csv {
    my ($text, @args) = @_;

    return apikey({ stdin => $text }, 'import', '-', @args);
}

sub show { decode_json(apikey('--json', 'show', $_[0])->{out}) }

sub names {
    return join ' ', sort map { $_->{name} }
                     @{decode_json(apikey('--json', 'list')->{out})};
}


# Columns in any order, fields in any form.

$r = import_csv(<<'CSV' =~ s/\n/\r\n/gr =~ s/\\n/\n/r);
plan,scopes,key,name,id,expires,last_used,allow
pro,a:read b:read,"legacy/""1""","Smith, ""Jo""",c1,2030-01-01,,"10.0.0.0/8 ::1"
,,legacy-2,"",c2,1893456000,1700000000,

,"*:read\nusers:*",legacy-3,,c3,,,
CSV

is($r->{exit}, 1, 'three rows, one of which is bad');
is($r->{out}, "2 imported, 0 known already, 1 refused\n", 'which is said');
like($r->{err}, qr/^apikey: "-", line 5: scopes: /m,
     'by the number of its first line');

my $key = show('c1');

is_deeply([ @$key{qw(name plan scopes expires allow)} ],
          [ 'Smith, "Jo"', 'pro', [ 'a:read', 'b:read' ],
            1893456000, [ '10.0.0.0/8', '::1' ] ], 'quotes and commas');

is(apikey({ stdin => 'legacy/"1"' }, 'verify')->{exit}, 0,
   'and in a key itself');
is(show('c2')->{name}, 'c2', 'an empty field is absent');

$r = import_csv("digest,id\n" . 'AB' x 32 . ",d1\n");
is($r->{exit}, 0, 'digests') or diag $r->{err};

$r = import_csv("\xef\xbb\xbf" . "key\n \nlast-line-without-end");
is($r->{out}, "1 imported, 0 known already, 0 refused\n",
   'a byte order mark, one column, no newline at the end');

$r = import_csv("key\nlast-line-without-end\n");
is($r->{out}, "0 imported, 1 known already, 0 refused\n", 'once more');


# The format is seen, or said.

is(import_csv("\n  {\"key\":\"json-1\"}\n")->{exit}, 0, 'JSON is seen');
is(import_csv("key\ncsv-1\n", '--format', 'csv')->{exit}, 0, 'CSV is said');
like(import_csv("key\ncsv-1\n", '--format', 'json')->{err},
     qr/line 1: not JSON.*line 2: not JSON/s, 'and isn\'t JSON');
is(import_csv('', '--format', 'xml')->{exit}, 2, 'no other format');
is(import_csv('')->{out}, "0 imported, 0 known already, 0 refused\n",
   'an empty file');


# Headers that can't be used: nothing is imported, no key is shown.

for my $case (
    [ 'key,colour', 'column "colour": no such field' ],
    [ "key,a\e[1m", 'column "a?[1m": no such field' ],
    [ 'key,id,key', 'column "key": is there twice' ],
    [ 'id,name', 'the first line names no column "key" or "digest"' ],
    [ 'secret-1,Jo', 'the first line names no column "key" or "digest"' ],
    [ '"key"x', 'text behind the closing quote of a field' ],
) {
    my ($header, $why) = @$case;
    my $before = $redis->dump;

    $r = import_csv("$header\nsecret-2,b\n");
    is($r->{exit}, 1, "header $why");
    is($r->{err}, "apikey: \"-\", line 1: $why\n", 'is why');
    ok($redis->dump eq $before, 'nothing is imported');
}


# Rows that can't; those around them are imported.

my @bad = (
    [ 'secret-3', '1 field, but 2 columns' ],
    [ 'secret-3,a,b', '3 fields, but 2 columns' ],
    [ 'secret"3,a', 'a quote within a field that isn\'t quoted' ],
    [ '"secret-3"x,a', 'text behind the closing quote of a field' ],
    [ "\"secret-3\"\rx,a", 'text behind the closing quote of a field' ],
    [ 'secret 3,a', 'key: not 1 to 256' ],
    [ "secret\0,a", 'key: not 1 to 256' ],
    [ "secret-3,a\0", 'name: ' ],
    [ ',a', 'neither a key nor a digest' ],
    [ 'secret-3,' . 'x' x 70000, 'longer than 65536 bytes' ],
    [ 'secret-3' . ',' x 70, 'more than 64 fields' ],
);

my $n = 0;
$r = import_csv("key,name\n" . join '', map { $n++;
    "good-$n,good\n$_->[0]\n" } @bad);

is($r->{out}, @bad . " imported, 0 known already, ${\ scalar @bad} refused\n",
   'bad rows between good ones');

for my $i (0 .. $#bad) {
    my $line = 3 + 2 * $i;

    like($r->{err}, qr/^apikey: "-", line $line: \Q$bad[$i][1]\E/m,
         "refused: $bad[$i][1]");
}

unlike($r->{err}, qr/secret/, 'no key is shown');


# A client that could choose its name makes no key of it.

$redis->cmd('FLUSHALL');
$r = import_csv("key,name,scopes\n"
    . "k1,\"${\ ('x' x 70000)}\nevil,evil,*:*\n\",\n"
    . "k2,\"x\"\"\nevil,evil,*:*\n\"\"\",\n"
    . "k3,good,\n"
    . "k4,\"open\nevil,evil,*:*\n");
is($r->{out}, "1 imported, 0 known already, 3 refused\n",
   'what stands in quotes');
is(names(), 'good', 'never is a row');
like($r->{err}, qr/line 9: a quote is opened and never closed\n\z/,
     'and where it was opened is told');


# Interrupted, and run again.

$redis->cmd('FLUSHALL');

my @rows = map { "key-$_,id-$_\n" } 1 .. 2500;

pipe my $out, my $in or die "pipe: $!";

my $result = file('result', '');
my $pid = Test::Apikey::fork_child(sub {
    close $in;
    open STDIN, '<&', $out;
    open STDOUT, '>', $result;
    open STDERR, '>&', STDOUT;
    exec $program, '--redis', $redis->url, '--pepper-file',
        Test::Apikey::pepper_file(), 'import', '-';
});

syswrite $in, "key,id\n" . join('', @rows[0 .. 1499]) . 'key-1501,id-15';
ok(wait_for(sub { $redis->cmd('DBSIZE') > 1000 }), 'half of it is there');
kill 'INT', $pid;

my $status = Test::Apikey::wait_pid($pid, 10);
my ($imported) = slurp($result) =~ /^(\d+) imported/m;

is($status, 1 << 8, 'an interrupted import ends, and says it isn\'t done');
like(slurp($result), qr/interrupted behind line \d+: import it again/,
     'and where');

my ($line) = slurp($result) =~ /behind line (\d+)/;
is($imported, $line - 1, 'all up to there is imported, the cut row isn\'t');

$r = import_csv(join '', "key,id\n", @rows);
is($r->{out}, (2500 - $imported) . " imported, $imported known already, "
   . "0 refused\n", 'run again it does the rest');


# Progress is for a terminal.

my $file = file('rows.csv', join '', "key,id\n", @rows);
my @command = ($program, '--redis', $redis->url, '--pepper-file',
               Test::Apikey::pepper_file(), 'import', $file);

unlike(run(@command)->{err}, qr/%/, 'no progress in a log');
like(run('python3', '-c', 'import pty, sys; pty.spawn(sys.argv[1:])',
         @command)->{out},
     qr/\r\e\[K1000 keys, \d+ %.*\r\e\[K0 imported, 2500 known already/s,
     'but on a terminal');

done_testing();
