#!/usr/bin/perl

# What is judged is what is sent: a path with dot segments, in whatever
# spelling, reaches upstreams as the one that chose the location.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $fastcgi = capture(protocol => 'fastcgi');
my $grpc = capture(protocol => 'raw');
my $port = free_port();

my $nginx = nginx(<<"CONF");
    map \$request_uri \$early {
        default 1;
        ~nowhere 0;
    }

    server {
        listen 127.0.0.1:$port;
        apikey on;
        set \$asked \$request_uri;

        location ~ ^/orgs/([^/]+)/projects/([^/]+) {
            apikey_bind org \$1;
            apikey_bind project \$2;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /var/ {
            proxy_pass http://127.0.0.1:$up->{port}\$request_uri;
        }

        location /fastcgi/ {
            fastcgi_pass 127.0.0.1:$fastcgi->{port};
            fastcgi_param REQUEST_URI \$request_uri;
        }

        location /grpc/ {
            grpc_pass grpc://127.0.0.1:$grpc->{port};
        }

        location /open/ {
            apikey off;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $key = create_key('--permissions', 'read', '--org', 'acme', '--project',
                     'apollo');

sub sent {
    my ($uri) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key->{key});

    return $r->status == 200 ? $r->json->{uri} : $r->status;
}

my $here = '/orgs/acme/projects/apollo';
my $there = '/orgs/victim/projects/secret';

for my $dots ('../../../..', '%2e%2e/%2E%2E/.%2e/%2e.', '..%2f..%2F..%2f..',
              './.././../..//./..', '..//../../..')
{
    is(sent("$there/export/../$dots/orgs/acme/projects/apollo/x"), "$here/x",
       "to another tenant by $dots");
    is(sent("$here/export/../$dots/orgs/victim/projects/secret/x"), 403,
       'and back');
}

is(sent("$here/a/../b?c=../d"), "$here/b?c=../d", 'with a query');
is(sent("$here/a/./b%20c%3Fd%25/.."), "$here/a/", 'at the end');
is(sent("$here/a/../b%20c%3Fd%25"), "$here/b%20c%3Fd%25",
   'what has to be escaped is');
is(sent("$here/x/.."), "$here/", 'which ends by dots');
is(sent("$here/a%2Fb"), "$here/a%2Fb", 'an encoded slash stays');
is(sent("$here/.well-known/..a/b../..."), "$here/.well-known/..a/b../...",
   'other dots stay');
is(sent("$here/a%2eb//c"), "$here/a%2eb//c", 'and so does all else');
is(sent('/var/a/../b'), '/var/b', 'proxy_pass with $request_uri');
is(sent('/open/a/../b'), '/open/a/../b', 'not where no key is asked for');

get($port, '/fastcgi/a/%2e./b?c', 'X-API-Key' => $key->{key});
like($fastcgi->bytes, qr{REQUEST_URI/fastcgi/b\?c}, 'FastCGI\'s REQUEST_URI');

get($port, $_, 'X-API-Key' => $key->{key},
    'Content-Type' => 'application/grpc') for '/grpc/b', '/grpc/a/../b';
ok($grpc->bytes =~ /\A(.+)\1\z/s, 'gRPC');

done_testing();
