#!/usr/bin/perl

# When keys expire is kept apart from their records, for gateways to tell of it
# in time: by whatever command it was set, and no longer than it matters.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $r;


sub expiring {
    return { @{$redis->cmd('ZRANGE', 'apikey:expiring', 0, -1,
                           'WITHSCORES')} };
}

sub show { decode_json(apikey('--json', 'show', $_[0])->{out}) }


create_key();
is_deeply(expiring(), {}, 'a key that never expires');

my $key = create_key('--expires', '30d');
my $id = $key->{id};

is_deeply(expiring(), { $id => $key->{expires} }, 'one that does');

apikey('edit', $id, '--name', 'new');
apikey('disable', $id);
apikey('enable', $id);
is_deeply(expiring(), { $id => $key->{expires} }, 'other changes');

apikey('edit', $id, '--expires', '2100-01-01');
is_deeply(expiring(), { $id => 4102444800 }, 'a later end');

apikey('edit', $id, '--expires', 'none');
is_deeply(expiring(), {}, 'no end any more');

my $new = decode_json(apikey('--json', 'rotate', $id, '--grace', '1d')->{out});
is_deeply(expiring(), { $id => show($id)->{expires} },
          'the old key of a rotation');

apikey('edit', $new->{id}, '--expires', '30d');
my $newer = decode_json(apikey('--json', 'rotate', $new->{id})->{out});
is_deeply(expiring(), { $id => show($id)->{expires},
                        $newer->{id} => $newer->{expires} },
          'what is revoked by one, and its successor');

apikey('revoke', $id);
apikey('delete', $newer->{id});
is_deeply(expiring(), {}, 'revoked and deleted keys');


# Imported ones, many at once.

my $rows = join '', map { "key-$_,id-$_," . (4000000000 + $_) . ",\n" }
                        1 .. 123;

$r = apikey({ stdin => "key,id,expires,status\n$rows"
              . "old,old,1500000000,\nrevoked,revoked,4000000000,revoked\n" },
            'import', '-');
is($r->{exit}, 0, 'an import') or diag $r->{err};
is_deeply(expiring(), { map { ("id-$_" => 4000000000 + $_) } 1 .. 123 },
          'all of them, but for what has ended already');


# A failure costs no more than that.

$redis->cmd('SET', 'apikey:expiring', 'of another kind');

$r = apikey('create', '--name', 'x', '--expires', '30d');
is($r->{exit}, 0, 'a key is made');
like($r->{err}, qr/^apikey: warning: it is done, but this isn't written: (?#
    )when keys expire: WRONGTYPE/m, 'with a warning');

done_testing();
