#!/usr/bin/perl

# However nginx redirects a request internally, its key is looked up and
# charged once, and the rules of where it arrives apply.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();

my $files = Test::Apikey::dir() . '/files';
mkdir $_ or die for $files, "$files/dir", "$files/open";
chmod 0644, file('files/dir/index.html', 'the index'),
            file('files/dir/page.html', 'a page'),
            file('files/open/login.html', 'please log in');

my $pass = "proxy_pass http://127.0.0.1:$up->{port};";

my $nginx = nginx(<<"CONF");
    apikey_plan ten 10/25920000;
    apikey_plan single 1/25920000;

    add_header X-Result \$apikey_result always;

    server {
        listen 127.0.0.1:$port;
        root $files;
        apikey on;
        apikey_resource users;

        location / { $pass }

        # where redirects lead to

        location /teams {
            apikey_resource teams;
            apikey_cost 5;
            proxy_ignore_headers X-Accel-Redirect;
            $pass
        }
        location \@teams { apikey_resource teams; apikey_cost 5; $pass }
        location /open { apikey off; }
        location \@open { apikey off; $pass }

        # where they come from

        location /dir/ { index index.html; }
        location = /dir/index.html { apikey_resource teams; apikey_cost 5; }

        location /try/uri { try_files /none /teams/tried; }
        location /try/named { try_files /none \@teams; }
        location /try/open { try_files /none \@open; }
        location /try/file { try_files /dir/page.html =404; }
        location /try/code { try_files /none =404; }

        location /error/uri {
            error_page 404 /teams/missed;
            proxy_intercept_errors on;
            $pass
        }

        location /error/ok {
            error_page 404 =200 /teams/missed;
            proxy_intercept_errors on;
            $pass
        }

        location /error/other {
            error_page 404 =410 \@teams;
            proxy_intercept_errors on;
            $pass
        }

        location /error/named {
            error_page 404 = \@teams;
            proxy_intercept_errors on;
            $pass
        }

        location /accel { $pass }

        location /rewrite {
            apikey_cost 2;
            rewrite ^ /teams/rewritten last;
        }

        location /unchecked {
            apikey off;
            try_files /none /teams/tried;
        }

        # refusals that are redirected

        location /refused/free { error_page 401 /free/login.html; }
        location /free { apikey optional; alias $files/open; }
        location /refused/page { error_page 401 403 429 /open/login.html; }
        location /refused/checked { error_page 401 403 /dir/page.html; }
        location /refused/other { error_page 403 = /teams/refused; $pass }
        location /refused/named { error_page 403 = \@teams; $pass }
        location /refused/away { error_page 401 http://login.test/; }
    }
CONF

sub key {
    return create_key('--plan', 'ten', map { ('--scope', "$_:*") } @_)->{key};
}

sub ask {
    my ($key, $uri, @headers) = @_;

    return get($port, $uri, defined $key ? ('X-API-Key' => $key) : (),
               @headers);
}

sub told {
    my ($r) = @_;

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}


# Once, and by the rules of both locations.

my @missing = ('X-Echo-Status' => 404);
my @accel = ('X-Echo-Header' => 'X-Accel-Redirect: /teams/accel');

for ([ 'index', '200', '/dir/' ],
     [ 'try_files uri', '200', '/try/uri' ],
     [ 'try_files @named', '200', '/try/named' ],
     [ 'error_page uri', '404', '/error/uri', @missing ],
     [ 'error_page =200 uri', '200', '/error/ok', @missing ],
     [ 'error_page =410 @named', '410', '/error/other', @missing ],
     [ 'error_page = @named', '404', '/error/named', @missing ],
     [ 'X-Accel-Redirect', '200', '/accel', @accel ])
{
    my ($name, $status, $uri, @headers) = @$_;

    my $key = key('users', 'teams');
    is(told(ask($key, $uri, @headers)), "$status 9", "$name: counted, told");
    is(told(ask($key, '/')), '200 8', "$name: once");

    my $r = ask(key('teams'), $uri, @headers);
    is(told($r), '403', "$name: the rules of where it begins");

    $r = ask(key('users'), $uri, @headers);
    is($r->header('X-Result'), 'scope', "$name: the rules of where it arrives");
    is($r->header('X-RateLimit-Remaining'), undef,
       "$name: a refusal tells no limits");

    is(ask(undef, $uri, @headers)->status, 401, "$name: no key");
}


# The record is asked for once.

my $key = key('users', 'teams');
ask($key, '/try/uri');      # now the worker knows it, and Redis the script
my $monitor = $redis->monitor;
ask($key, '/try/uri');
is(grep({ /"EVALSHA"/ && !/:(?:gateways|usage|events|expiring)/ }
       $monitor->lines), 1, 'one question to Redis');


# Before the access phase there is but one location.

$key = key('teams');
is(told(ask($key, '/rewrite')), '200 5',
   'rewrite last: the cost of the new one');
is(told(ask(key('users'), '/rewrite')), '403', 'rewrite last: its rules');

$key = key('teams');
is(told(ask($key, '/unchecked')), '200 5', 'from where nobody is checked');
is(told(ask(key('users'), '/unchecked')), '403', 'to where everybody is');
is(told(ask(undef, '/unchecked')), '401', 'even without a key');

$key = key('users');
is(told(ask($key, '/try/open')), '200 9', 'from where everybody is checked');
is(told(ask(undef, '/try/open')), '401', 'to where nobody is');

is(told(ask($key, '/try/file')), '200 8', 'try_files finds a file');
is(told(ask($key, '/try/code')), '404 7', 'try_files =404');
is(told(ask($key, '/dir/page.html')), '200 6', 'no redirect at all');


# error_page of a refusal.

my $login = "please log in";
my $r = ask(undef, '/refused/page');
is(told($r), '401', 'error_page of 401');
is($r->body, $login, 'to a page that is open');
like($r->header('WWW-Authenticate'), qr/^ApiKey/, 'with its headers');

$r = ask(undef, '/refused/free');
is(told($r), '401', 'error_page that is checked, and passes');
is($r->body, $login, 'shows the page');
like($r->header('WWW-Authenticate'), qr/^ApiKey/, 'with the headers');

$r = ask(key('teams'), '/refused/page');
is(told($r), '403', 'error_page of 403');
is($r->body, $login, 'to a page that is open');

$key = create_key('--plan', 'single', '--scope', 'users:*')->{key};
is(told(ask($key, '/')), '200 0', 'a limit reached');
$r = ask($key, '/refused/page');
is(told($r), '429 0', 'error_page of 429, with the headers of limits');
is($r->body, $login, 'to a page that is open');
like($r->header('Retry-After'), qr/^\d+$/, 'with its headers');

for ([ 'no key', 401, undef ], [ 'a bad key', 401, 'rubbish' ],
     [ 'a key without the scope', 403, key('teams') ])
{
    my ($name, $status, $key) = @$_;

    $r = ask($key, '/refused/checked');
    is($r->status, $status, "$name: a page that isn't open");
    is($r->header('Content-Type'), 'application/json', "$name: isn't shown");
    is($r->json->{statusCode}, $status, "$name: but the refusal");
}

$key = key('teams');
is(told(ask($key, '/refused/other')), '200 5',
   'refused here, allowed where error_page leads');
is(told(ask($key, '/refused/named')), '200 0', 'or @named, each at its cost');
is(told(ask(key('projects'), '/refused/other')), '403',
   'refused here and there');

$r = ask(undef, '/refused/away');
is($r->status, 302, 'error_page to another server');
is($r->header('WWW-Authenticate'), undef, 'is no refusal');

done_testing();
