#!/usr/bin/perl

# Which scopes let which requests pass: apikey_resource and apikey_require.

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

        location /none {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /users {
            apikey_resource users;
            proxy_pass http://127.0.0.1:$up->{port};

            location /users/any {
                apikey_resource off;
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }

        location /two {
            apikey_require users:read projects:read;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /lines {
            apikey_require users:read;
            apikey_require methods=POST|PUT users:write;
            apikey_require methods=PUT projects:write;
            proxy_pass http://127.0.0.1:$up->{port};

            location /lines/own {
                apikey_require teams:read;
                proxy_pass http://127.0.0.1:$up->{port};
            }

            location /lines/none {
                apikey_require off;
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }

        location /methods {
            apikey_require methods=GET users:read;
            apikey_require methods=PROPFIND users:list;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /more {
            apikey_resource users;
            apikey_require methods=DELETE admin:confirm;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /star {
            apikey_require *:*;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my %keys;

sub status {
    my ($scopes, $method, $uri) = @_;

    $keys{$scopes} ||= create_key(map { ('--scope', $_) } split ' ', $scopes);

    return request($port, $method, $uri,
                   'X-API-Key' => $keys{$scopes}{key})->status;
}

# The methods that pass, of these.

sub passing {
    my ($scopes, $uri) = @_;

    return join ' ', grep { status($scopes, $_, $uri) == 200 }
           qw(GET HEAD OPTIONS POST PUT PATCH DELETE PROPFIND BREW);
}

my $all = 'GET HEAD OPTIONS POST PUT PATCH DELETE PROPFIND BREW';


# apikey_resource

is(passing('users:read', '/users'), 'GET HEAD OPTIONS', 'users:read');
is(passing('users:write', '/users'), 'POST PUT PATCH', 'users:write');
is(passing('users:delete', '/users'), 'DELETE', 'users:delete');
is(passing('users:*', '/users'), $all, 'users:*');
is(passing('*:read', '/users'), 'GET HEAD OPTIONS', '*:read');
is(passing('*:*', '/users'), $all, '*:*');
is(passing('users:read users:write users:delete', '/users'),
   'GET HEAD OPTIONS POST PUT PATCH DELETE', 'no sum of scopes is users:*');
is(passing('projects:*', '/users'), '', 'of another resource');
is(passing('user:read', '/users'), '', 'the name but its last letter');
is(passing('userss:read', '/users'), '', 'the name and one more letter');
is(passing('Users:read', '/users'), '', 'the name in another case');
is(passing('users:read', '/users/any'), $all, 'apikey_resource off');

for my $method (qw(POST PROPFIND)) {
    is(status('users:read', $method, '/users'), 403,
       "apikey_resource knows any method: $method is 403, not 405");
}

# a preflight it isn't, for it lacks Access-Control-Request-Method

is(request($port, 'OPTIONS', '/users', Origin => 'http://there')->status, 401,
   'OPTIONS that is no preflight needs a key');
is(request($port, 'OPTIONS', '/users', Origin => 'http://there',
       'X-API-Key' => $keys{'users:write'}{key})->status, 403,
   'and its scope');


# apikey_require

is(passing('users:read', '/none'), $all, 'no rules: any key');
is(passing('users:read', '/two'), '', 'one scope of two');
is(passing('users:read projects:read', '/two'), $all, 'two scopes of two');
is(passing('*:read', '/two'), $all, 'a wildcard for both');

is(passing('users:read', '/lines'),
   'GET HEAD OPTIONS PATCH DELETE PROPFIND BREW', 'a line for all methods');
is(passing('users:read users:write', '/lines'),
   'GET HEAD OPTIONS POST PATCH DELETE PROPFIND BREW', 'two lines for POST');
is(passing('users:read users:write projects:write', '/lines'), $all,
   'three lines for PUT');
is(passing('users:write projects:write', '/lines'), '',
   'no line is in place of another');

is(passing('teams:read', '/lines/own'), $all, 'lines of a location of its own');
is(passing('users:read', '/lines/own'), '', 'nothing is added from above');
is(passing('teams:read', '/lines/none'), $all, 'apikey_require off');

is(passing('users:*', '/methods'), 'GET HEAD PROPFIND',
   'methods without a line are refused');
is(status('users:*', 'POST', '/methods'), 405, 'with 405');
is(status('teams:read', 'POST', '/methods'), 405, 'whatever the scopes');
is(status('teams:read', 'GET', '/methods'), 403, 'a line not fulfilled is 403');

is(passing('users:read users:delete', '/more'), 'GET HEAD OPTIONS',
   'apikey_require adds to apikey_resource');
is(passing('users:delete admin:confirm', '/more'), 'DELETE', 'both at once');

is(passing('*:read users:*', '/star'), '', 'only *:* covers a required *:*');
is(passing('*:*', '/star'), $all, 'which it does');


# A key without any scope.

my $bare = create_key()->{key};
is(get($port, '/none', 'X-API-Key' => $bare)->status, 200,
   'no scopes, where none is required');
is(get($port, '/users', 'X-API-Key' => $bare)->status, 403,
   'no scopes, where one is');

done_testing();
