#!/usr/bin/perl

# What changes of a record holds for the next request, although the worker knows
# the record; a record that nobody understands lets nobody in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_plan small 10/25920000;
    apikey_plan large 1000/25920000;

    log_format key '\$status \$apikey_result [\$apikey_plan]';

    server {
        listen 127.0.0.1:$port;
        access_log key.log key;

        location / {
            apikey on;
            apikey_resource data;
            add_header X-Id \$apikey_id;
            add_header X-Org \$apikey_org;
            try_files /none =204;
        }
    }
CONF


sub ask { get($port, '/', 'X-API-Key' => $_[0]{key}) }

sub change {
    my $r = apikey(@_);

    die "@_: $r->{err}" if $r->{exit};
}

sub import_key {
    my ($key, %fields) = @_;
    my $path = file('import.jsonl', encode_json({ key => $key->{key}, %fields })
                                    . "\n");
    change('import', $path);
}

sub record_of {
    my ($key) = @_;

    my ($name) = grep {
        $redis->cmd('TYPE', $_) eq 'hash'
            && ($redis->cmd('HGET', $_, 'id') // '') eq $key->{id}
    } @{$redis->cmd('KEYS', 'apikey:{*}')} or die "no record of $key->{id}";

    return $name;
}

# The log comes after the response.

sub logged {
    my ($line, $name) = @_;
    my $last = sub { (split /\n/, slurp("$nginx->{dir}/key.log"))[-1] // '' };

    wait_for(sub { $last->() eq $line }, 60);
    is($last->(), $line, $name);
}


# By the program, one step after another.

my $key = create_key('--permissions', 'read', '--limits', '10/25920000');
my $r = ask($key);

is($r->status, 204, 'the worker knows the record');
is($r->header('X-RateLimit-Limit'), 10, 'with its limits');

change('edit', $key->{id}, '--limits', '900/25920000');
$r = ask($key);
is($r->header('X-RateLimit-Limit'), 900, 'other limits');
is($r->header('X-RateLimit-Remaining'), 898, 'keep what is used');

change('disable', $key->{id});
is(ask($key)->status, 401, 'disabled');
change('enable', $key->{id});
is(ask($key)->status, 204, 'enabled');

change('edit', $key->{id}, '--allow', '192.0.2.0/24');
is(ask($key)->status, 403, 'other networks');
change('edit', $key->{id}, '--allow', '127.0.0.0/8');
is(ask($key)->status, 204, 'and this one');

change('edit', $key->{id}, '--expires', '1s');
ok(wait_for(sub { ask($key)->status == 401 }, 60), 'expires soon');
change('edit', $key->{id}, '--expires', '30d');
is(ask($key)->status, 204, 'and not any more');

for my $plan (qw(small large)) {
    my $planned = create_key('--permissions', 'read', '--plan', $plan);
    my $other = $plan eq 'small' ? 'large' : 'small';

    ask($planned);
    change('edit', $planned->{id}, '--plan', $other);
    ask($planned);
    logged("204 ok [$other]", "from plan $plan to $other");
}

change('revoke', $key->{id});
is(ask($key)->status, 401, 'revoked');
is(ask($key)->status, 401, 'for good');


# Deleted; imported again with other rights, which is another record.

$key = create_key('--permissions', 'read', '--plan', 'small',
                  '--limits', '10/25920000', '--org', 'acme');
is(ask($key)->header('X-Org'), 'acme', 'known');
logged('204 ok [small]', 'with its plan');

change('delete', $key->{id});
is(ask($key)->status, 401, 'deleted');

import_key($key, scopes => [ 'data:read' ], org => 'umbrella', plan => 'small',
           limits => '10/25920000');
$r = ask($key);
is($r->status, 204, 'imported anew');
is($r->header('X-Org'), 'umbrella', 'for another owner');
isnt($r->header('X-Id'), $key->{id}, 'under another id');

# In between nobody asks: the worker still knows the record that is gone.

for my $scope ('data:write', 'data:read') {
    my $id = ask($key)->header('X-Id') || last;

    change('delete', $id);
    import_key($key, scopes => [ $scope ], plan => 'large',
               limits => '5/25920000');

    if ($scope eq 'data:write') {
        is(ask($key)->status, 403, 'with other scopes');
        logged('403 scope [large]', 'and another plan');

        my ($name) = grep { $redis->cmd('HGET', $_, 'scopes') eq $scope }
                         @{$redis->cmd('KEYS', 'apikey:{*}')};
        $redis->cmd('HSET', $name, 'scopes', 'data:*', 'rev', 1);
        is(ask($key)->status, 204, 'another rev is another record');
    }
}

is(ask($key)->status, 204, 'and with those it had');


# What nobody understands.

my %broken = (
    'unreadable limits'      => [ limits => 'lots' ],
    'blank limits'           => [ limits => '  ' ],
    'an unknown status'      => [ status => 'blessed' ],
    'no status'              => [ status => '' ],
    'no id'                  => [ id => '' ],
    'a malformed id'         => [ id => 'a b' ],
    'unreadable scopes'      => [ scopes => 'data' ],
    'unreadable networks'    => [ allow => 'localhost' ],
    'an unreadable expiry'   => [ expires => 'tomorrow' ],
    'a malformed owner'      => [ org => "a\r\nb" ],
    'a malformed rev'        => [ rev => 'x' ],
);

for my $known (0, 1) {
    for my $name (sort keys %broken) {
        my $key = create_key('--permissions', 'read');
        my $record = record_of($key);
        my $what = ($known ? 'known, then ' : '') . $name;

        ask($key) if $known;
        $redis->cmd('HSET', $record, rev => 7, @{$broken{$name}});

        my $r = ask($key);
        is($r->status, 503, "$what: 503");
        is($r->header('X-Id'), undef, "$what: nobody's name");

        change('delete', $key->{id});
    }

    my $key = create_key('--permissions', 'read');
    my $record = record_of($key);

    ask($key) if $known;
    $redis->cmd('DEL', $record);
    $redis->cmd('SET', $record, 'not a hash');
    is(ask($key)->status, 503, 'another type: 503');

    $redis->cmd('DEL', $record);
    is(ask($key)->status, 401, 'nothing: 401');
}

like($nginx->log, qr/\[error\].*redis could not decide: "/, 'it is logged');


# Counters that can't be read are no free pass, nor an end.

$key = create_key('--permissions', 'read', '--limits', '10/25920000');
$redis->cmd('HSET', record_of($key), n => 'x' x 20);
is(ask($key)->status, 503, 'unreadable counters: 503');
$redis->cmd('HDEL', record_of($key), 'n');
is(ask($key)->header('X-RateLimit-Remaining'), 9, 'taken away: counted anew');


# Fields of other programs and counters of many plans are no obstacle.

$key = create_key('--permissions', 'read');
$redis->cmd('HSET', record_of($key), map { ("n:plan$_" => 'x' x 21) } 1 .. 40);
is(ask($key)->status, 204, 'a record of many fields');

done_testing();
