#!/usr/bin/perl

# What is done by the console's API is what its caller has seen: a change of the
# record that was read, the keys that were counted, each of a list once; and a
# key is asked for in a body, not in a URL.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $console = console();
my $r;

sub call { $console->call(@_) }


# A change of the record as it was read.

my $key = create_key('--name', 'one', '--org', 'acme');
my $id = $key->{id};
my $path = "/api/keys/$id";

my $seen = call('GET', $path)->header('ETag');
like($seen, qr/^"\d+"$/, 'a tag of what is read');

$r = call('PATCH', $path, { name => 'two' }, 'If-Match' => $seen);
is($r->status, 200, 'changed as it was read');
isnt($r->header('ETag'), $seen, 'and another one now');

my $new = $r->header('ETag');
is(call('GET', $path)->header('ETag'), $new, 'which is that of the record');

for my $tag ($seen, '"nonsense"', 'nonsense', "W/$new") {
    $r = call('PATCH', $path, { name => 'three' }, 'If-Match' => $tag);
    is($r->status, 412, "If-Match: $tag");
}

is(call('GET', $path)->json->{name}, 'two', 'nothing was changed');
is(call('POST', "$path/disable", {}, 'If-Match' => $seen)->status, 412,
   'disabled');
is(call('POST', "$path/rotate", {}, 'If-Match' => $seen)->status, 412,
   'rotated');
is(call('DELETE', $path, undef, 'If-Match' => $seen)->status, 412, 'deleted');
is(call('GET', '/api/keys')->json->{total}, 1, 'and no key was left of that');
is(call('PATCH', $path, { name => 'four' }, 'If-Match' => $_)->status, 200,
   "If-Match: $_") for "$seen, " . call('GET', $path)->header('ETag'), '*';


# Found by its text.

$r = call('POST', '/api/verify', { key => $key->{key} });
is($r->status, 200, 'a key is found');
is_deeply([ @{$r->json}{qw(id valid result)} ], [ $id, JSON::PP::true, 'ok' ],
          'which one it is');
unlike($r->body, qr/\Q$key->{key}\E/, 'without its text');
is(call('POST', '/api/verify', { key => $key->{key}, require => [ 'a:b' ] })
   ->json->{result}, 'scope', 'what it may do');

$r = call('POST', '/api/verify', { key => substr($key->{key}, 0, -1) . '~' });
is($r->status, 200, 'one that is unknown');
is($r->json->{result}, 'unknown', 'is an answer');
is(call('POST', '/api/verify', $_)->json->{field}, 'key', 'no key')
    for {}, { key => 1 };
is(call('POST', '/api/verify', { key => $key->{key} },
        Authorization => "Bearer $console->{viewer}")->json->{id}, $id,
   'for viewers, too');

$r = call('GET', "/api/keys?q=$key->{key}");
is($r->status, 400, 'in a URL');
is($r->json->{field}, 'q', 'it is refused');
unlike($r->body, qr/\Q$key->{key}\E/, 'and not shown');
is(call('GET', "/api/keys?q=$key->{hint}")->json->{total}, 1,
   'its end finds it');


# A list by pages, while keys come and go.

my $first = 1700000000;

sub import_keys {
    my $lines = join '', map { encode_json({ key => "legacy-key-$_->[0]",
        id => $_->[0], name => "n$_->[0]", created => $_->[1], @$_[2 .. $#$_] })
        . "\n" } @_;

    is(apikey({ stdin => $lines }, 'import', '-')->{exit}, 0, 'keys');
}

import_keys(map { [ sprintf('p%03d', $_), $first + int($_ / 7),
                    org => 'paged', $_ % 3 ? (project => "q$_") : () ] }
            0 .. 299);

sub pages {
    my ($query, $between) = @_;
    my $cursor = '';
    my @ids;

    for my $page (1 .. 100) {
        my $r = call('GET', "/api/keys?org=paged&limit=40&$query$cursor")->json;

        push @ids, map { $_->{id} } @{$r->{keys}};
        last unless $r->{next};
        $cursor = "&cursor=$r->{next}";
        $between->($page, $ids[-1]) if $between;
    }

    return @ids;
}

for my $query (qw(sort=created order=asc sort=name sort=project&order=desc
                  sort=status sort=last_used))
{
    my @ids = pages($query);
    my %once = map { $_ => 1 } @ids;

    is(scalar @ids, 300, "all of them, $query");
    is(keys %once, 300, 'each once');
}

my @ids = pages('order=asc', sub {
    my ($page, $last) = @_;

    import_keys([ "new$page", $first - $page, org => 'paged' ]);
    is(apikey('delete', sprintf('p%03d', $page * 3))->{exit}, 0, 'deleted');
    is(apikey('delete', $last)->{exit}, 0, 'the last one, too')
        if $page == 1;
});

my %count;
$count{$_}++ for @ids;
is_deeply([ grep { $count{$_} > 1 } sort keys %count ], [], 'none twice');

my %gone = map { $_ => 1 } 'p039', map { sprintf 'p%03d', $_ * 3 } 1 .. 20;
is_deeply([ grep { !$count{$_} && !$gone{$_} }
            map { sprintf 'p%03d', $_ } 0 .. 299 ], [], 'and none missed');

my $next = call('GET', '/api/keys?org=paged&limit=40')->json->{next};
is(call('GET', "/api/keys?limit=40&$_")->json->{field}, 'cursor', $_)
    for 'cursor=x', "cursor=$next&sort=name", "cursor=$next&offset=40",
        "cursor=$next&order=asc";
is(call('GET', '/api/keys?org=paged&limit=500')->json->{next}, undef,
   'the last page has no next one');


# Deleted are those within the filters, and as many as were seen.

import_keys(map { [ "d$_->[0]", $first, org => $_->[1], project => 'apollo' ] }
            [ 1, 'acme' ], [ 2, 'acme' ], [ 3, 'globex' ]);

my $facets = call('GET', '/api/facets?project=apollo')->json;
is_deeply($facets->{org}, [ { value => 'acme', keys => 2 },
                            { value => 'globex', keys => 1 } ],
          'whose keys they are');

my $filter = 'project=apollo&org=acme';
is(call('DELETE', '/api/keys')->status, 400, 'of no filter');
is(call('DELETE', "/api/keys?$_")->status, 400, $_)
    for 'keys=3', 'org=', 'project=apollo&org=', "$filter&nosuch=1",
        "$filter&keys=x";
is(call('DELETE', "/api/keys?$filter&keys=3")->status, 409, 'others by now');
is(call('DELETE', "/api/keys?$filter&keys=2",
        undef, Authorization => "Bearer $console->{viewer}")->status, 403,
   'by a viewer');
is(call('GET', '/api/keys?project=apollo')->json->{total}, 3, 'all are there');
is(call('DELETE', "/api/keys?$filter&keys=2")->json->{deleted}, 2, 'deleted');
is(call('GET', '/api/keys?project=apollo')->json->{total}, 1, 'and no other');
is(call('DELETE', '/api/projects/apollo?org=acme')->json->{deleted}, 0,
   'a project of one organization');
is(call('DELETE', '/api/projects/apollo?org=globex')->json->{deleted}, 1,
   'and of the other');

done_testing();
