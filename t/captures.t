#!/usr/bin/perl

# $1 of a location's regular expression, while others are tried: in a map of
# apikey_cost, of apikey_charge, of another apikey_bind, of a log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

my $nginx = nginx(<<"CONF");
    apikey_plan many 1000/25920000;

    map \$uri \$cost {
        default 1;
        ~^/orgs/\\w+/\\w+/(reports)\$ 10;
    }

    map \$uri \$free {
        default 0;
        ~reports\$ 0;
    }

    map \$host \$tenant {
        default "";
        ~^(\\w+)\\.test\$ \$1;
    }

    map \$uri \$kind {
        default other;
        ~(reports) \$1;
    }

    log_format kinds \$kind;

    map \$http_user_agent \$bot {
        default "";
        ~^bot-(.*)\$ \$1;
    }

    limit_req_zone \$bot zone=bots:1m rate=1000r/s;
    limit_conn_zone \$bot zone=many:1m;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        access_log kinds.log kinds;

        location ~ ^/orgs/(\\w+)/(\\w+) {
            apikey_bind org \$1;
            apikey_bind project \$2;
            apikey_cost \$cost;
            apikey_charge \$free;
            apikey_endpoint "\$1 of \$2";
            add_header X-Captures "\$1 \$2" always;
            try_files /none =204;
        }

        location ~ ^/hosts/(\\w+) {
            apikey_bind org \$tenant;
            apikey_bind project \$1;
            try_files /none =204;
        }

        location ~ ^/req/([^/]+)/ {
            limit_req zone=bots burst=1000;
            apikey_bind org \$1;
            try_files /none =204;
        }

        location ~ ^/conn/([^/]+)/ {
            limit_conn many 1000;
            apikey_bind org \$1;
            try_files /none =204;
        }

        location ~ ^/set/([^/]+)/ {
            set \$copy \$bot;
            apikey_bind org \$1;
            try_files /none =204;
        }

        location ~ ^/if/([^/]+)/ {
            if (\$http_user_agent ~ ^bot-(.*)\$) {
                set \$copy \$1;
            }

            apikey_bind org \$1;
            proxy_pass http://127.0.0.1:$up->{port};
            proxy_set_header X-Echo-Status 204;
        }

        location ~ ^/break/([^/]+)/([^/]+)/ {
            rewrite ^/break/[^/]+/(.*)/ /\$1 break;
            apikey_bind org \$1;
            try_files /none =204;
        }

        location ~ ^/named/([^/]+)/ {
            limit_req zone=bots burst=1000;
            try_files /none \@named;
        }

        location \@named {
            apikey_bind org \$1;
            try_files /none =204;
        }

        location /plain/ {
            apikey_bind org \$1;
            try_files /none =204;
        }

        location ~ ^/redirected/(\\w+)/(\\w+) {
            try_files /none /orgs/\$2/\$1/reports;
        }
    }
CONF

my $key = create_key('--plan', 'many', '--org', 'acme', '--project', 'apollo');

sub ask { get($port, shift, 'X-API-Key' => $key->{key}, @_) }

for my $time ('the first time', 'once the record is known') {
    my $r = ask('/orgs/acme/apollo/reports');

    is($r->status, 204, "a tenant's path, $time");
    is($r->header('X-Captures'), 'acme apollo', 'which is left as it was');
}

is(ask('/orgs/acme/apollo/reports')->header('X-RateLimit-Remaining'), 970,
   'at the cost that a map tells');
is(ask('/orgs/other/apollo/reports')->status, 403, 'another tenant');
is(ask('/orgs/acme/other/reports')->status, 403, 'another project');
is(ask('/hosts/apollo', Host => 'acme.test')->status, 204,
   'a tenant that a map tells, before one of the path');
is(ask('/hosts/other', Host => 'acme.test')->status, 403, 'and another');
is(ask('/redirected/apollo/acme')->status, 204, 'where a request arrives');
is(ask('/redirected/acme/apollo')->status, 403, 'and another tenant there');

# What a client may send isn't the tenant.

my $forger = create_key('--org', 'acme');

sub forge {
    my ($uri, $bot) = @_;

    return get($port, $uri, 'X-API-Key' => $forger->{key},
               'User-Agent' => "bot-$bot");
}

for my $by (qw(req conn set if break named)) {
    is(forge("/$by/victim/acme/", 'acme')->status, 403, "forged, by $by");
    is(forge("/$by/acme/victim/", 'victim')->status, 204, 'and not');
}

is(forge('/plain/x', 'acme')->status, 403, 'where the path gives no $1');

my $used;

wait_for(sub {
    $used = $redis->usage($key);
    return ($used->{n} || 0) == 9;
}, 30);

is_deeply({ map { $_ => $used->{$_} } grep { /^e/ } keys %$used },
          { 'eacme of apollo' => 4, 'eother of apollo' => 1,
            'eacme of other' => 1, 'eapollo of acme' => 1,
            'eGET ^/hosts/(\w+)' => 2 }, 'endpoints');

done_testing();
