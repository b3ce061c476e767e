#!/usr/bin/perl

# What stands in Redis can't speak to the terminal it is shown on, nor make
# JSON that can't be read: no control character and nothing but UTF-8 comes
# through, whoever has written it there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $id = create_key('--name', 'Bücher')->{id};
my $csi = "\xc2\x9b";
my $evil = "a\e]0;title\a\e[2J\nb\r${csi}31m\x7f\xff";

my ($record) = grep { /\{/ } @{$redis->cmd('KEYS', 'apikey:*')};

sub is_tame {
    my ($text, $name) = @_;

    unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]/, "$name: no control character");
    unlike($text, qr/$csi/, 'nor those of C1');
    ok(utf8::decode(my $copy = $text), 'and it is UTF-8');
}


like(apikey('list')->{out}, qr/Bücher/, 'what is no such character is shown');

$redis->cmd('HSET', $record, $_, $evil) for 'name', 'org', 'scopes';
$redis->cmd('HSET', $record, 'used', "1 \e[31m");
$redis->cmd('XADD', 'apikey:events', '*', 'type', $evil, 'key', $evil,
            'name', $evil, 'org', $evil, 'actor', $evil, "x$evil", $evil);

for my $command ([ 'list' ], [ 'show', $id ], [ 'events' ]) {
    my $r = apikey(@$command);

    is($r->{exit}, 0, "@$command");
    like($r->{out}, qr/a\?\]0;title\?\?\[2J\?b\?\?\?31m/, 'is shown as far');
    is_tame($r->{out}, "@$command");
}

is(scalar split(/\n/, apikey('list')->{out}), 2, 'a key is one line');
is(scalar split(/\n/, apikey('events')->{out}), 3, 'and so is an event');

my $r = apikey('show', $evil);
like($r->{err}, qr/^apikey: there is no key "a\?[^\n]*"\n$/,
     'a complaint is one line');
is_tame($r->{err}, 'a complaint');

$r = decode_json(apikey('--json', 'show', $id)->{out});
is_deeply([ exists $r->{name}, $r->{name} ], [ 1, undef ],
          'as JSON what is no text is null');
is(scalar @{decode_json(apikey('--json', 'list')->{out})}, 1, 'in a list');

done_testing();
