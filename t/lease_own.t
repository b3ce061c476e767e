#!/usr/bin/perl

# A key's own limits are counted as the plan says that would hold without them:
# the key's, or the location's default.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();

nginx(<<"CONF", workers => 1);
    apikey_cache zone=keys:1m;

    apikey_plan leased 10r/d mode=leased;
    apikey_plan exact  10r/d;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / { try_files /none =204; }

        location /leased {
            apikey_default_plan leased;
            try_files /none =204;
        }

        location /exact {
            apikey_default_plan exact;
            try_files /none =204;
        }
    }
CONF


# Asks so often, and says how much Redis has counted.

sub counted {
    my ($count, $uri, @options) = @_;
    my $key = create_key('--permissions', 'full', '--limits',
                         '1000/25920000', @options);
    my $r;

    $r = get($port, $uri, 'X-API-Key' => $key->{key}) for 1 .. $count;

    is($r->header('X-RateLimit-Remaining'), 1000 - $count,
       "$uri @options: what the client is told");

    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return $limits->{windows}[0]{used};
}

is(counted(3, '/'), 3, 'no plan: one by one');
is(counted(3, '/exact'), 3, 'an exact default plan: one by one');
cmp_ok(counted(3, '/leased'), '>', 3, 'a leased default plan: ahead');
is(counted(3, '/leased', '--plan', 'exact'), 3, 'its own plan goes before');
cmp_ok(counted(3, '/exact', '--plan', 'leased'), '>', 3, 'in either mode');

done_testing();
