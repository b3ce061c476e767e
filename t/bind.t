#!/usr/bin/perl

# apikey_bind: a key that belongs to one tenant doesn't reach another's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

nginx(<<"CONF");
    map \$host \$tenant {
        default          "";
        ~^(.+)\\.test\$   \$1;
    }

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location ~ ^/projects/([^/]*) {
            apikey_bind project \$1;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /args {
            apikey_bind project \$arg_project;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /host {
            apikey_bind org \$tenant;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /shop {
            apikey_bind service shop;
            proxy_pass http://127.0.0.1:$up->{port};

            location /shop/open {
                apikey_bind off;
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }

        location ~ ^/orgs/(\\w+)/(\\w+) {
            apikey_bind org \$1;
            apikey_bind project \$2;
            apikey_bind service "\$1-\$2";
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location ~ ^/empty(.*) {
            apikey_bind org \$1;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--permissions', 'full', @_)->{key} }

my $free = key();
my $apollo = key('--project', 'apollo');
my $acme = key('--org', 'acme');
my $shop = key('--service', 'shop');
my $all = key('--org', 'acme', '--project', 'apollo', '--service',
              'acme-apollo');

sub check {
    my ($status, $key, $uri, $name, @headers) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key, @headers);

    is($r->status, $status, $name);
    is($r->json->{message}, 'Insufficient permissions', "$name: what it says")
        if $status == 403;
}


check(200, $apollo, '/projects/apollo/x', 'its own project, by $1');
check(403, $apollo, '/projects/gemini', 'another project');
check(403, $apollo, '/projects/apoll', 'the name but its last letter');
check(403, $apollo, '/projects/apollo2', 'the name and one more letter');
check(403, $apollo, '/projects/Apollo', 'the name in another case');
check(403, $apollo, '/projects/', 'no project at all');
check(200, $apollo, '/projects/%61pollo', 'the name as nginx decodes it');
check(200, $free, '/projects/gemini', 'a key that is not bound');
check(200, $free, '/projects/', 'a key that is not bound, without a project');
check(200, $acme, '/projects/gemini', 'a key bound in another respect');

check(200, $apollo, '/args?project=apollo', 'its own, by $arg_project');
check(403, $apollo, '/args?project=gemini', 'another one');
check(403, $apollo, '/args?project=', 'an empty argument');
check(403, $apollo, '/args', 'no such argument');
check(200, $free, '/args', 'no argument, a key that is not bound');

check(200, $acme, '/host', 'its own, by a map', Host => 'acme.test');
check(403, $acme, '/host', 'another one', Host => 'evil.test');
check(403, $acme, '/host', 'nothing in the map');

check(200, $shop, '/shop', 'a constant');
check(403, $all, '/shop', 'another service');
check(200, $all, '/shop/open', 'apikey_bind off');

check(200, $all, '/orgs/acme/apollo', 'three bindings');
check(403, $all, '/orgs/acme/gemini', 'two of them');
check(403, $all, '/orgs/evil/apollo', 'another two of them');
check(200, $acme, '/orgs/acme/gemini', 'only what a key is bound to counts');

check(403, $acme, '/empty', 'empty, while the key is bound');
check(200, $apollo, '/empty', 'empty, while the key is not');

# an argument as the upstream sees it

check(403, $apollo, '/args?project=gemini&project=apollo',
      'the first of two arguments, as nginx takes it');

is(grep({ $_->{uri} =~ /gemini/ && $_->{raw} =~ /\Q$apollo/ } $up->requests),
   0, 'no bound key came through to another project');

done_testing();
