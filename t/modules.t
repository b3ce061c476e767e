#!/usr/bin/perl

# Beside the modules that gateways often have, loaded before them and after:
# Lua, headers-more, njs, ModSecurity, geoip2.  (nchan: build.t)  What they do with
# our headers they can do only if they were loaded before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $folder = '/usr/lib/nginx/modules';
my $module = Test::Apikey::Nginx::module();

plan skip_all => 'these are for the nginx of Debian'
    if $module eq '' || $ENV{TEST_NGINX_BINARY};

my $redis = redis();
my $up = upstream();
my $pepper = Test::Apikey::pepper_file();
my $key = create_key('--permissions', 'read', '--limits', '100/25920000');
my @key = ('X-API-Key' => $key->{key});

my $proxy = "proxy_pass http://127.0.0.1:$up->{port};";
my $used = 0;


# Calls the test for both orders; it returns what stands in http { }.

sub both {
    my ($name, $needs, $conf, $test) = @_;
    my @theirs = map { "$folder/$_.so" } @$needs;

  SKIP: {
        skip "no $_", 1 for grep { !-e } @theirs;

        for my $order ([ @theirs, $module ], [ $module, @theirs ]) {
            my $where = $order->[0] eq $module ? 'before' : 'after';
            my $port = free_port();
            my $nginx = nginx(<<"CONF", bare => 1,
                apikey_redis 127.0.0.1:$redis->{port} timeout=3s;
                apikey_pepper_file $pepper;

                server {
                    listen 127.0.0.1:$port;
                    apikey on;
                    $conf
                }
CONF
                main => join "\n", map { "load_module $_;" } @$order);

            is(get($port, '/')->status, 401, "$where $name: no key");
            passes("$where $name", get($port, '/', @key));

            $test->($port, "$where $name");

            ok(!$nginx->stop, "$where $name: stops");
        }
    }
}

sub passes {
    my ($name, $r, $what) = @_;

    is($r->status, 200, "$name: " . ($what || 'a key'));
    is($r->header('X-RateLimit-Remaining'), 100 - ++$used,
       "$name: counted once");
}


both('lua', [qw(ndk_http_module ngx_http_lua_module)], <<"CONF",
    location / { $proxy }

    location /identity {
        content_by_lua_block { ngx.say(ngx.var.apikey_id) }
    }

    location /exec {
        rewrite_by_lua_block { ngx.exec("/target") }
    }

    location /target { $proxy }

    location /capture {
        content_by_lua_block {
            ngx.print(ngx.location.capture("/target").status)
        }
    }

    location /refuse {
        access_by_lua_block { ngx.exit(403) }
        $proxy
    }

    location /set {
        rewrite_by_lua_block { ngx.req.set_header("X-API-Key", "nonsense") }
        $proxy
    }

    location /headers {
        header_filter_by_lua_block {
            ngx.header["X-Limit"] = ngx.header["X-RateLimit-Limit"]
        }
        $proxy
    }
CONF
sub {
    my ($port, $name) = @_;

    my $r = get($port, '/identity', @key);
    passes($name, $r, 'who it is');
    is($r->body, "$key->{id}\n", "$name: is known");

    is(get($port, '/exec')->status, 401, "$name: exec without a key");
    passes($name, get($port, '/exec', @key), 'exec');

    $r = get($port, '/capture', @key);
    passes($name, $r, 'capture');
    is($r->body, 200, "$name: is a subrequest");

    # it moves itself behind all who decide
    is(get($port, '/refuse', @key)->status, 403, "$name: refused by Lua");
    $used++;

    is(get($port, '/set', @key)->status, 401, "$name: a key that Lua sets");

    $r = get($port, '/headers', @key);
    passes($name, $r, 'headers');
    is($r->header('X-Limit'), 100, "$name: Lua sees the limit")
        if $name =~ /^after/;
});


both('headers-more', ['ngx_http_headers_more_filter_module'], <<"CONF",
    location / { $proxy }

    location /input {
        more_set_input_headers "X-Consumer: \$apikey_id";
        $proxy
    }

    location /quiet {
        more_clear_headers "X-RateLimit-*";
        $proxy
    }

    location /loud {
        more_set_headers -s "401 429" "X-Docs: /keys";
        $proxy
    }
CONF
sub {
    my ($port, $name) = @_;

    my $r = get($port, '/quiet', @key);
    $used++;
    is($r->status, 200, "$name: cleared headers");
    is($r->header('X-RateLimit-Limit'), undef, "$name: are gone")
        if $name =~ /^after/;

    is(get($port, '/loud')->header('X-Docs'), '/keys',
       "$name: a header of its own on 401");
    passes($name, get($port, '/input', @key), 'a header for the upstream');
});


file('key.js', <<'JS');
function content(r) { r.return(200, r.variables.apikey_id); }
function upper(r) { return (r.variables.apikey_name || '-').toUpperCase(); }
function filter(r) { r.headersOut['X-Limit'] = r.headersOut['X-RateLimit-Limit']; }
function redirect(r) { r.internalRedirect('/target'); }
export default { content, upper, filter, redirect };
JS

my $scripts = Test::Apikey::dir();

both('njs', ['ngx_http_js_module'], <<"CONF",
    js_path $scripts;
    js_import key.js;
    js_set \$upper key.upper;

    location / {
        proxy_set_header X-Name \$upper;
        $proxy
    }

    location /content { js_content key.content; }
    location /redirect { js_content key.redirect; }
    location /target { $proxy }

    location /filter {
        js_header_filter key.filter;
        $proxy
    }
CONF
sub {
    my ($port, $name) = @_;

    my $r = get($port, '/content', @key);
    passes($name, $r, 'who it is');
    is($r->body, $key->{id}, "$name: is known");

    passes($name, get($port, '/redirect', @key), 'a redirect');

    $r = get($port, '/filter', @key);
    passes($name, $r, 'headers');
    is($r->header('X-Limit'), 100, "$name: njs sees the limit")
        if $name =~ /^after/;
});


both('ModSecurity', ['ngx_http_modsecurity_module'], <<"CONF",
    modsecurity on;
    modsecurity_rules '
        SecRuleEngine On
        SecRequestBodyAccess On
        SecRule ARGS:evil "\@streq yes" "id:1,phase:1,deny,status:406"
        SecRule REQUEST_BODY "\@contains attack" "id:2,phase:2,deny,status:406"
    ';

    location / { $proxy }
CONF
sub {
    my ($port, $name) = @_;

    is(get($port, '/?evil=yes', @key)->status, 406, "$name: bad arguments");
    is(request($port, 'GET', '/?evil=yes')->status, 406,
       "$name: bad arguments without a key");

    is(request($port, 'POST', '/', { body => 'an attack' }, @key)->status, 406,
       "$name: a bad body");
    passes($name, get($port, '/?evil=no', @key), 'good arguments');
});


both('geoip2', ['ngx_http_geoip2_module'], "location / { $proxy }", sub { });

done_testing();
