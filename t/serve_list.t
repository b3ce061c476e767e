#!/usr/bin/perl

# The console finds keys: searched, filtered, sorted and paged, as they are now,
# whoever has changed them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();

# 2500 keys: three organisations, seven plans, made one second after another,
# the newest first in the file.

my $first = 1700000000;
my @keys = map { {
    key => sprintf('legacy-key-%04d', $_), id => sprintf('id-%04d', $_),
    name => sprintf('Name %04d', $_ * 7 % 2500), created => $first + $_,
    org => ('acme', 'Beta', 'gamma')[$_ % 3], plan => 'plan' . $_ % 7,
    $_ % 2 ? (project => 'odd') : (),
    $_ % 10 == 0 ? (service => "s/$_") : (),
    status => $_ % 5 ? 'active' : 'disabled',
    $_ % 4 == 0 ? (expires => $first + 5000 - $_) : (),
} } reverse 0 .. 2499;

my $import = apikey('import', file('keys', join "\n", map { encode_json($_) }
                                           @keys));
is($import->{exit}, 0, 'keys') or diag($import->{err});

my $console = console();

sub list {
    my ($query) = @_;
    my $r = $console->call('GET', "/api/keys?$query");

    return $r->status == 200 ? $r->json : { total => $r->status, keys => [] };
}

sub ids { map { $_->{id} } @{list($_[0])->{keys}} }

sub numbers { map { s/^id-0*(?=\d)//r } ids($_[0]) }


# Pages.

my $all = list('');
is($all->{total}, 2500, 'all of them');
is(@{$all->{keys}}, 50, 'a page');
is_deeply($all->{keys}[0], $console->call('GET', '/api/keys/id-2499')->json,
          'the newest first, each as it is shown');

my @seen;

for (my $offset = 0; $offset < 2500; $offset += 500) {
    push @seen, numbers("limit=500&offset=$offset&sort=name");
}

my %seen = map { $_ => 1 } @seen;
is(keys %seen, 2500, 'every key is on a page, once');
is_deeply([ map { $_ * 7 % 2500 } @seen ], [ 0 .. 2499 ], 'in order');

is_deeply([ numbers('limit=2&offset=2499') ], [ 0 ], 'the last page');
is_deeply([ numbers('offset=2500') ], [], 'behind it');
is(list('offset=2500')->{total}, 2500, 'of as many');


# Orders: what a key hasn't stands last in both directions.

is_deeply([ numbers("limit=3&$_->[0]") ], $_->[1], $_->[0])
    for [ 'sort=created', [ 2499, 2498, 2497 ] ],
        [ 'sort=created&order=asc', [ 0, 1, 2 ] ],
        [ 'sort=expires', [ 0, 4, 8 ] ],
        [ 'sort=expires&order=asc', [ 2496, 2492, 2488 ] ],
        [ 'sort=service', [ 0, 10, 100 ] ],
        [ 'sort=status&order=desc', [ 4, 8, 12 ] ];

is((ids('sort=expires&order=asc&offset=2499'))[0] =~ /(\d+)/ && $1 % 4 != 0,
   1, 'keys that do not expire stand last');
is((ids('sort=expires&order=desc&offset=2499'))[0] =~ /(\d+)/ && $1 % 4 != 0,
   1, 'in the other direction, too');
is(list('sort=org&limit=1')->{keys}[0]{org}, 'acme', 'by organisation');
is(list('sort=org&limit=1&offset=834')->{keys}[0]{org}, 'Beta',
   'whatever the case');


# Filters and search.

is(list($_->[0])->{total}, $_->[1], $_->[0])
    for [ 'org=acme', 834 ], [ 'org=beta', 0 ], [ 'project=odd', 1250 ],
        [ 'plan=plan3', 357 ], [ 'service=s%2F100', 1 ],
        [ 'org=acme&plan=plan3', 119 ], [ 'status=disabled', 500 ],
        [ 'status=expired', 500 ], [ 'status=active', 1500 ],
        [ 'status=revoked', 0 ], [ 'status=unreadable', 0 ],
        [ 'q=id-24', 100 ], [ 'q=ID-249', 10 ], [ 'q=name%200', 1000 ],
        [ 'q=name+0', 1000 ], [ 'q=GAMM', 833 ], [ 'q=s/10', 12 ],
        [ 'q=odd', 1250 ], [ 'q=plan3', 0 ], [ 'q=nosuch', 0 ],
        [ 'q=id-24&org=acme', 34 ], [ 'q=', 2500 ], [ 'q=%25', 0 ];

is_deeply([ numbers('q=id-001&sort=created&order=asc&limit=2&offset=3') ],
          [ 13, 14 ], 'all together');

for my $wrong ('limit=0', 'limit=501', 'limit=x', 'limit=', 'offset=-1',
               'offset=99999999999', 'sort=id', 'sort=', 'order=up',
               'status=x', 'status=', 'nosuch=1', 'q=%ff', 'q=%0', 'q=%00',
               'Q=x')
{
    my $r = $console->call('GET', "/api/keys?$wrong");

    is($r->status, 400, "?$wrong: 400");
    is($r->json->{field}, $wrong =~ s/=.*//r, 'and where');
}

my $facets = $console->call('GET', '/api/facets')->json;

is_deeply($facets->{org}, [ { value => 'acme', keys => 834 },
          { value => 'Beta', keys => 833 }, { value => 'gamma', keys => 833 } ],
          'values to filter by');
is(@{$facets->{plan}}, 7, 'of the plan');
is(@{$facets->{service}}, 100, 'of many, 100');


# As they are now: what others do is seen with the next look.

is(list('q=nosuch')->{total}, 0, 'not there');

my $id = create_key('--name', 'nosuch', '--org', 'delta')->{id};
is_deeply([ ids('q=nosuch') ], [ $id ], 'made');
is(list('')->{keys}[0]{id}, $id, 'the newest');

apikey('edit', $id, '--name', 'other');
is_deeply([ ids('q=nosuch') ], [], 'edited');
is(list('org=delta')->{keys}[0]{name}, 'other', 'as it was said');

apikey('disable', $id);
is(list('org=delta&status=disabled')->{total}, 1, 'disabled');

apikey('delete', $id);
is(list('org=delta')->{total}, 0, 'deleted');

is(apikey('delete', '--project', 'odd', '--yes')->{exit}, 0, 'half of them');
is(list('')->{total}, 1250, 'more than is heard of one by one');

is($console->call('POST', '/api/keys', { name => "now$_" })->status, 201,
   'made here') for 1 .. 3;
is(list('q=now')->{total}, 3, 'and seen here');

$redis->cmd('HSET', record('id-0000'), 'expires', 'soon', 'rev', 1);
$redis->cmd('PUBLISH', 'apikey:changes', digest('id-0000') . ' 1');
is_deeply([ ids('status=unreadable') ], [ 'id-0000' ], 'unreadable');

sub digest {
    my ($id) = @_;
    my ($bucket) = grep { $redis->cmd('HEXISTS', $_, $id) }
                   @{$redis->cmd('KEYS', 'apikey:ids:*')};

    return $redis->cmd('HGET', $bucket, $id);
}

sub record { 'apikey:{' . digest($_[0]) . '}' }


# When keys were last used, which isn't told, is looked for all the same.

my $used = record('id-0002');

$redis->cmd('HSET', $used, 'used', '1800000000 192.0.2.1');
ok(wait_for(sub { (ids('sort=last_used'))[0] eq 'id-0002' }, 600),
   'by last use');

done_testing();
