#!/usr/bin/perl

# A CSV file as a spreadsheet writes it is imported: whatever separates its
# fields, whatever it is encoded in, however its columns are written.  What the
# spreadsheet has spoilt is refused by its line.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(encode);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $r;


sub import_csv {
    my ($text, @args) = @_;

    $redis->cmd('FLUSHALL');

    return apikey({ stdin => $text }, 'import', '-', @args);
}

sub keys_now {
    return { map { $_->{id} => $_ }
                 @{decode_json(apikey('--json', 'list')->{out})} };
}


# The same two keys in all these forms.

my $csv = "key,id,name,expires\n"
    . "k-1,c1,\"M\xfcller; Zo\xeb, \x{1f600}\",2030-01-01\n"
    . "k-2,c2,,\n";

my %forms = (
    'commas' => encode('UTF-8', $csv),
    'semicolons' => encode('UTF-8', separated($csv, ';')),
    'tabs' => encode('UTF-8', separated($csv, "\t")),
    'sep=;' => "sep=;\r\n" . encode('UTF-8', separated($csv, ';')),
    'sep=|' => "SEP=|\n" . encode('UTF-8', separated($csv, '|')),
    'a mark of UTF-8' => "\xef\xbb\xbf" . encode('UTF-8', $csv),
    'a mark, and sep=' => "\xef\xbb\xbfsep=;\n"
                          . encode('UTF-8', separated($csv, ';')),
    'UTF-16, and tabs' => encode('UTF-16', separated($csv, "\t")),
    'UTF-16LE' => "\xff\xfe" . encode('UTF-16LE', $csv),
    'UTF-16LE without a mark' => encode('UTF-16LE', $csv),
    'UTF-16BE without a mark' => encode('UTF-16BE', $csv),
    'CRLF, and blank lines' => "\r\n\r\n"
                               . encode('UTF-8', $csv =~ s/\n/\r\n/gr),
    'headers as people write them' => encode('UTF-8',
        $csv =~ s/^.*/ KEY , Id,NAME,Expires /r),
    'blanks around' => encode('UTF-8', $csv =~ s/^k-(.),/ k-$1 ,/mgr),
);

for my $form (sort keys %forms) {
    $r = import_csv($forms{$form});
    is($r->{out}, "2 imported, 0 known already, 0 refused\n", $form)
        or diag $r->{err};

    my $keys = keys_now();

    is_deeply([ @{$keys->{c1}}{qw(name expires)}, $keys->{c2}{name} ],
              [ "M\xfcller; Zo\xeb, \x{1f600}", 1893456000, 'c2' ],
              "$form: all of it");
}

# Commas stay in quotes, and aren't the separator then.

sub separated {
    my ($text, $separator) = @_;

    return $text =~ s/("[^"]*")|,/$1 || $separator/ger;
}


# What a spreadsheet has made of keys, and of rows whose end was empty.

$r = import_csv("key;id;name\n"
    . "1.23E+15;c1;a\n" . "1,23457E+19;c2;b\n" . "########;c3;c\n"
    . "1.5e+3x;c4;d\n" . "k-5\n" . "k-6;c6\n" . "k-7;c7;\n");
is($r->{exit}, 1, 'what a spreadsheet has spoilt');
is($r->{out}, "2 imported, 0 known already, 5 refused\n", 'is refused');
like($r->{err}, qr/line $_: key: was shortened by a spreadsheet/, "line $_")
    for 2 .. 4;
like($r->{err}, qr/line 6: 1 field, but 3 columns$/m, 'a row cut short');
like($r->{err}, qr/line 7: 2 fields, but 3 columns$/m, 'and another');
is_deeply([ sort keys %{keys_now()} ], [ 'c4', 'c7' ], 'the others are there');


# Half of a character isn't taken for another.

$r = import_csv("\xff\xfe" . encode('UTF-16LE', "key,name\nk-1,a")
    . "\x3d\xd8" . encode('UTF-16LE', "\nk-2,b\n") . 'x');
is($r->{out}, "1 imported, 0 known already, 2 refused\n",
   'what isn\'t UTF-16');
like($r->{err}, qr/line 2: name: a name is/, 'is no name');


# Columns that aren't known.

my $unknown = "key;Colour;id;size\nk-1;red;c1;9\n";

$r = import_csv($unknown);
is($r->{err},
   "apikey: \"-\", line 1: columns \"Colour\", \"size\": no such fields\n",
   'are named, all of them');
is($r->{out}, "0 imported, 0 known already, 1 refused\n", 'and refused');
is(import_csv($unknown, '--skip-unknown')->{out},
   "1 imported, 0 known already, 0 refused\n", 'unless they are passed by');
is(import_csv('{"key":"k","colour":"red"}', '--skip-unknown')->{exit}, 0,
   'in JSON, too');


# A JSON array.

$r = import_csv(<<'JSON');
 [
  {"key": "k-1", "id": "c1",
   "name": "a ] , \" } b"},
  {"key": "k-2", "id": "c2"}, {"key": "k-3"
  , "id": "c3"},
  {"key": "k 4"}, "k-5",

  {"key": "k-6",
   "colour": "red"}
]
JSON
is($r->{out}, "3 imported, 0 known already, 3 refused\n", 'a JSON array')
    or diag $r->{err};
is(keys_now()->{c1}{name}, 'a ] , " } b', 'whatever is in its texts');
like($r->{err}, qr/line 6: key: not 1 to 256/, 'by the line where');
like($r->{err}, qr/line 6: not JSON, at column/m, 'each value');
like($r->{err}, qr/line 8: colour: no such field$/m, 'begins');
unlike($r->{err}, qr/k 4|k-5/, 'without a key');

is(import_csv('[]')->{out}, "0 imported, 0 known already, 0 refused\n",
   'an empty one');

for my $cut ('[{"key":"k-1"},', '[{"key":"k-1"},{"key":"k-', '[') {
    $r = import_csv($cut);
    is($r->{exit}, 1, "cut short: $cut");
    like($r->{err}, qr/line 1: the array isn't closed: is the file whole\?$/m,
         'is seen');
}


# A dry run says what would be done, also of rows that come twice.

my $rows = "key,id\nk-1,c1\nk-1,c1\nk-2,c1\nk-3,c3\nk-4,c0\n";

import_csv("key,id\nk-3,c3\nk-0,c0\n");

my $before = $redis->dump;

$r = apikey({ stdin => $rows }, 'import', '-', '--dry-run');
is($r->{out}, "1 to be imported, 2 known already, 2 refused\n", 'a dry run');
ok($redis->dump eq $before, 'writes nothing');

is(apikey({ stdin => $rows }, 'import', '-')->{out},
   "1 imported, 2 known already, 2 refused\n", 'and is right');

done_testing();
