#!/usr/bin/perl

# By whatever way a response reaches nginx's cache, or leaves it: redirects,
# subrequests, slices, updates, errors that a page replaces.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $files) = map { free_port() } 1 .. 2;
my $pass = "proxy_pass http://127.0.0.1:$up->{port};";
my $cached = "$pass proxy_cache c;";

my $nginx = nginx(<<"CONF");
    proxy_cache_path cache keys_zone=c:1m;
    proxy_cache_valid any 1m;
    proxy_set_header X-Id \$apikey_id;

    map \$apikey_id \$whose { default "key \$apikey_id"; }

    upstream kept {
        server 127.0.0.1:$up->{port};
        keepalive 4;
    }

    server {
        listen 127.0.0.1:$port;

        apikey on;
        add_header X-Cache \$upstream_cache_status always;
        proxy_cache_key "\$uri \$slice_range";

        location / { $cached }
        location /lock { $cached proxy_cache_lock on; }
        location /post { $cached proxy_cache_methods GET POST; }

        location /update {
            $cached
            apikey optional;
            proxy_cache_use_stale updating error;
            proxy_cache_background_update on;
        }

        location /tenant/update {
            $cached
            proxy_cache_key "\$whose \$uri";
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }

        location /revalidate {
            $cached
            apikey optional;
            proxy_cache_revalidate on;
        }

        location /accel {
            $pass
            proxy_set_header X-Echo-Header "X-Accel-Redirect: /internal\$uri";
        }

        location /internal { internal; apikey off; $cached }

        location /also {
            auth_request /auth;
            auth_request_set \$as \$upstream_cache_status;
            add_header X-Auth \$as;
            $pass
        }

        location /auth { internal; $cached proxy_cache_key auth; }

        location /errors {
            proxy_pass http://kept;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Id \$apikey_id;
            proxy_cache c;
            proxy_intercept_errors on;
            error_page 404 403 \@page;
        }

        location \@page { return 200 "a page"; }

        location /slice {
            slice 4;
            proxy_pass http://127.0.0.1:$files;
            proxy_cache c;
            proxy_set_header Range \$slice_range;
        }

        location /tenant/slice {
            slice 4;
            proxy_pass http://127.0.0.1:$files;
            proxy_cache c;
            proxy_cache_key "\$whose \$uri \$slice_range";
            proxy_set_header Range \$slice_range;
        }
    }

    server {
        listen 127.0.0.1:$files;
        access_log files.log;
        location / { root .; try_files /sliced =404; }
    }
CONF

file('nginx0/sliced', 'abcdefghij');

my ($a, $b) = map { create_key('--permissions', 'full') } 1 .. 2;

sub key { $_[0] ? ('X-API-Key' => $_[0]{key}) : () }

sub asked {
    my ($method, $uri, $key, @more) = @_;
    my $r = request($port, $method, $uri, key($key), @more);
    my $status = $r->header('X-Cache') // $r->status;

    return "$status " . ($r->body =~ /\["X-Id","(\w+)"\]/
                         ? $1 eq $a->{id} ? 'a' : 'b' : 'nobody');
}

sub says { map { ('X-Echo-Header' => $_) } @_ }


# Methods.

is(asked('HEAD', '/head', $a), 'MISS nobody', 'HEAD, which nginx makes GET');
is(asked('GET', '/head', $b), 'MISS b', '... stores nothing for others');
is(asked('POST', '/post', $a, 'X-A' => 1), 'MISS a', 'POST');
is(request($port, 'POST', '/post', { body => 'x' x 100_000 }, key($b))
       ->header('X-Cache'), 'MISS', '... and one with a body');


# Requests that wait for the first one.

my @waiting = map { my $key = $_; in_background(sub {
    asked('GET', '/lock', $key, 'X-Echo-Delay' => 0.2);
}) } $a, $b, $a, $b;

is_deeply([ map { $_->result } @waiting ], [ ('MISS a', 'MISS b') x 2 ],
          'each that waits has its own');


# What an anonymous request has stored grows old.

asked('GET', '/update', undef, says('Cache-Control: max-age=1'));
wait_for(sub { asked('GET', '/update', $a) =~ /^STALE nobody|^UPDATING/ }, 10);
is(asked('GET', '/update', $a) =~ /nobody/, 1, 'a stale response of nobody');

wait_for(sub { grep { $_->{raw} =~ m{^GET /update.*X-Id: $a->{id}}s }
                    $up->requests }, 10);
is(asked('GET', '/update', $b) =~ /nobody/, 1,
   'an update in the background, for a key, is not kept');

asked('GET', '/revalidate', undef,
      says('Cache-Control: max-age=1', 'ETag: "1"'));
wait_for(sub { asked('GET', '/revalidate', $a, 'X-Echo-Status' => 304)
               =~ /^REVALIDATED nobody/ }, 10);
is(asked('GET', '/revalidate', $b), 'HIT nobody', 'what is revalidated serves');


# A map is asked once a request, its updates and slices included.

asked('GET', '/tenant/update', $a, says('Cache-Control: max-age=1'));
is(asked('GET', '/tenant/update', $a), 'HIT a', 'stored by a map');
ok(wait_for(sub { asked('GET', '/tenant/update', $a) =~ /^STALE a/ }, 10),
   'grown old');
ok(wait_for(sub { asked('GET', '/tenant/update', $a) eq 'HIT a' }, 10),
   'updated in the background');

# How many of three slices were fetched.

sub fetched {
    my ($uri, $key) = @_;
    my $before = () = slurp("$nginx->{dir}/files.log") =~ /\n/g;

    is(get($port, $uri, key($key))->body, 'abcdefghij', "$uri: all slices");

    my $after = () = slurp("$nginx->{dir}/files.log") =~ /\n/g;

    return $after - $before;
}

is(fetched('/slice', $_), 3, 'slices are not shared') for $a, $b, $a;
is(fetched('/tenant/slice', $a), 3, 'slices by a map');
is(fetched('/tenant/slice', $b), 3, '... are not shared');
is(fetched('/tenant/slice', $a), 0, '... but stored, each of them');


# Redirects and subrequests are the request's.

is(asked('GET', '/accel', $a), 'MISS a', 'redirected to where no key is asked');
is(asked('GET', '/accel', $b), 'MISS b', '... and still with a key');

for my $key ($a, $b, $a) {
    is(get($port, '/also', key($key))->header('X-Auth'), 'MISS',
       'what auth_request is told is of one key');
}


# Errors that a page replaces.

for my $status (404, 403) {
    my @echo = ('X-Echo-Status' => $status);

    is(get($port, "/errors/$status", key($a), @echo)->body, 'a page',
       "$status is replaced");
    is(asked('GET', "/errors/$status", $b), 'MISS b', '... for that key');

    asked('GET', "/errors/shared/$status", $a, @echo,
          says('Cache-Control: public'));
    is(get($port, "/errors/shared/$status", key($b))->body, 'a page',
       '... and for others if it says so');
}

is(asked('GET', '/errors/no', $a), 'MISS a', 'no error');
is(asked('GET', '/errors/no', $b), 'MISS b', '... is not shared either');


# Conditions are the client's own affair.

my $r = get($port, '/condition', key($a), says('ETag: "1"'),
            'If-None-Match' => '"1"');
is($r->status, 304, 'a client that has it already');

done_testing();
