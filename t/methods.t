#!/usr/bin/perl

# apikey_methods: other methods are told which ones are allowed.

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
    server {
        listen 127.0.0.1:$port;
        apikey on;
        apikey_methods GET|POST DELETE;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /all {
            apikey_methods all;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /write {
            apikey_methods POST;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /dav {
            apikey_methods PROPFIND OPTIONS REPORT;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /open {
            apikey optional;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /rules {
            apikey_methods all;
            apikey_require methods=GET|PUT users:read;
            apikey_require methods=POST|PUT users:write;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /both {
            apikey_methods GET POST;
            apikey_require methods=POST|PUT users:write;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $key = create_key('--permissions', 'full')->{key};


sub allowed {
    my ($uri, @methods) = @_;

    for my $method (@methods) {
        is(request($port, $method, $uri, 'X-API-Key' => $key)->status, 200,
           "$uri: $method");
    }
}

sub refused {
    my ($uri, $allow, @methods) = @_;

    for my $method (@methods) {
        my $r = request($port, $method, $uri, 'X-API-Key' => $key);

        is($r->status, 405, "$uri: not $method");
        is_deeply([ $r->all('Allow') ], [ $allow ], "$uri: Allow");
    }
}


allowed('/', qw(GET HEAD POST DELETE));
refused('/', 'GET, HEAD, POST, DELETE', qw(PUT PATCH OPTIONS PROPFIND GETS GE));

allowed('/all', qw(GET HEAD PUT PATCH OPTIONS PROPFIND BREW M-SEARCH));

allowed('/write', qw(POST));
refused('/write', 'POST', qw(GET HEAD PUT));

allowed('/dav', qw(PROPFIND OPTIONS REPORT));
refused('/dav', 'PROPFIND, OPTIONS, REPORT', qw(GET HEAD PROPPATCH));


# Where rules of scopes name methods, there are no others.

allowed('/rules', qw(GET HEAD PUT POST));
refused('/rules', 'GET, HEAD, PUT, POST', qw(DELETE OPTIONS PROPFIND));

allowed('/both', qw(POST));
refused('/both', 'POST', qw(GET HEAD PUT));


# Only somebody with a key learns that.

is(request($port, 'PUT', '/')->status, 401, 'no key, another method: 401');
is(request($port, 'PUT', '/', 'X-API-Key' => "${key}x")->status, 401,
   'a bad key, another method: 401');

my $anonymous = request($port, 'PUT', '/open');
is($anonymous->status, 405, 'they hold for anonymous requests');
is($anonymous->header('Allow'), 'GET, HEAD, POST, DELETE', 'who are told, too');
is(request($port, 'DELETE', '/open')->status, 200, 'and pass with the others');

done_testing();
