#!/usr/bin/perl

# apikey_status: each request of a client is counted once, by the location that
# decided it, over all workers and over reloads.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Prometheus;

my $redis = redis();
my $up = upstream();
my ($port, $other) = (free_port(), free_port());

sub conf {
    my ($locations) = @_;

    return <<"CONF";
    apikey_plan one 1/25920000;

    server {
        listen 127.0.0.1:$port reuseport;
        server_name api.test;

        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;

        apikey on;

        location / { proxy_pass http://127.0.0.1:$up->{port}; }
        location /dry { apikey_limit dry_run; try_files /none =204; }
        location = /here { try_files /none /scope; }
        location /scope { apikey_require a:write; try_files /none =204; }
        location /methods { apikey_methods GET; try_files /none =204; }
        location /tenant { apikey_bind org \$arg_org; try_files /none =204; }
        location /optional { apikey optional; try_files /none =204; }
        location /free { apikey off; return 204; }
        location ~ "^/q\\"\\\\d\xff" { try_files /none =204; }

        location /guarded {
            apikey_guard zone=bad:64k rate=1r/h;
            try_files /none =204;
        }

        location /status { apikey off; apikey_status; }
        location /metrics { apikey off; apikey_status prometheus; }
        location /own { apikey_status json; }

        $locations
    }

    server {
        listen 127.0.0.1:$other;
        apikey on;
        return 204;
        location /none { return 204; }
    }
CONF
}

my $nginx = nginx(conf(''), workers => 2);

sub status { get($port, '/status')->json }

# What is counted is counted when the response has been sent.

sub is_counted {
    my ($expected, $name) = @_;
    my $seen;

    my $counted = sub {
        my %of = map { ("$_->{server} $_->{location}" => $_->{results}) }
                 @{status()->{locations}};

        return { map { ($_ => $of{$_} || {}) } keys %$expected };
    };

    my $text = sub { JSON::PP->new->canonical->encode($_[0]) };

    wait_for(sub { $text->($seen = $counted->()) eq $text->($expected) }, 60);
    is_deeply($seen, $expected, $name);
}

sub ask {
    my ($uri, $key, @more) = @_;

    return get($port, $uri, $key ? ('X-API-Key' => $key) : (), @more)->status;
}

my $made = create_key('--permissions', 'read', '--org', 'acme');
my $key = $made->{key};

sub key { create_key('--permissions', 'read', @_)->{key} }

sub changed {
    my ($command) = @_;
    my $made = create_key('--permissions', 'read');

    apikey($command, $made->{id});
    return $made->{key};
}


# Each result.

my $first = status();

is($first->{requests}, 0, 'nothing yet');
is_deeply($first->{locations}, [], 'nowhere');
is(join(' ', sort keys %{$first->{results}}),
   'address anonymous disabled dry_run expired guarded limited malformed '
   . 'method missing ok preflight revoked scope tenant unavailable unknown',
   'every result is there from the start');

my $early = key('--not-before', '2099-01-01');
my $one = key('--plan', 'one');
my $lost = changed('delete');

is(ask('/', $key), 200, 'ok');
is(ask('/'), 401, 'missing');
is(ask('/', 'made up'), 401, 'malformed');
is(ask('/', $lost), 401, 'unknown');
is(ask('/', changed('revoke')), 401, 'revoked');
is(ask('/', changed('disable')), 401, 'disabled');
is(ask('/', $early), 401, 'expired');
is(ask('/', key('--allow', '10.0.0.0/8')), 403, 'address');
is(ask('/', $one), 200, 'the only one');
is(ask('/', $one), 429, 'limited');
is(ask('/dry', $one), 204, 'dry_run');
is(ask('/tenant?org=evil', $key), 403, 'tenant');
is(ask('/scope', $key), 403, 'scope');
is(request($port, 'POST', '/methods', 'X-API-Key' => $key)->status, 405,
   'method');
is(ask('/optional'), 204, 'anonymous');
is(request($port, 'OPTIONS', '/', 'Origin' => 'http://a.test',
           'Access-Control-Request-Method' => 'GET')->status, 200,
   'preflight');
is(ask('/guarded', $lost, 'X-Real-IP' => '10.1.1.1'), 401, 'a bad key');
is(ask('/guarded', $key, 'X-Real-IP' => '10.1.1.1'), 429, 'guarded');
is(ask('/free', $key), 204, 'a location that asks for no key');

my $each = {
    'api.test /' => { ok => 2, missing => 1, malformed => 1, unknown => 1,
                      revoked => 1, disabled => 1, expired => 1, address => 1,
                      limited => 1, preflight => 1 },
    'api.test /dry' => { dry_run => 1 },
    'api.test /tenant' => { tenant => 1 },
    'api.test /scope' => { scope => 1 },
    'api.test /methods' => { method => 1 },
    'api.test /optional' => { anonymous => 1 },
    'api.test /guarded' => { unknown => 1, guarded => 1 },
};

is_counted($each, 'each result at its location');

my $all = status();

is($all->{requests}, 18, 'all of them');
is_deeply($all->{results},
          { (map { $_ => 1 } keys %{$all->{results}}), ok => 2, unknown => 2,
            unavailable => 0 }, 'and by result');
is_deeply($all->{guards}, [ { zone => 'bad', addresses => 1 } ],
          'the addresses of a guard');


# Once a request.

is(ask('/here', $key), 403, 'redirected to where it is refused');
$each->{'api.test /scope'}{scope} = 2;
is_counted({ %$each, 'api.test = /here' => {} },
           'counted once, where it was decided');

burst($port, 100, '/scope', 'X-API-Key' => $key) for 1 .. 3;
$each->{'api.test /scope'}{scope} = 302;
is_counted($each, 'over all workers, at the same time');

is(ask('/q%225%ff', $key), 204, 'a location with an odd name');
is(get($other, '/')->status, 204, 'a server without a name');
is_counted({ 'api.test ~ ^/q"\\d?' => { ok => 1 } }, 'what is not UTF-8');


# As Prometheus reads it.

my $m = metrics($port, '/metrics');

is($m->value('apikey_requests_total{result="scope"}'), 302, 'by result');
is($m->value('apikey_location_requests_total{server="api.test",'
             . 'location="/scope",result="scope"}'), 302, 'and by location');
is($m->sum('apikey_requests_total'),
   $m->sum('apikey_location_requests_total'), 'the sums are the same');
like($m->text, qr/location="~ \^\/q\\"\\\\d\?"/, 'labels are escaped');
is($m->value('apikey_guard_addresses{zone="bad"}'), 1, 'the guard');

for my $uri ('/status', '/metrics') {
    my $r = get($port, $uri);

    unlike($r->body, qr/\Q$_\E/, "$uri tells no key and no id")
        for $key, $made->{id}, 'acme';

    my $head = request($port, 'HEAD', $uri);
    is($head->status, 200, "HEAD $uri");
    is($head->body, '', 'without a body');
    is($head->header('Content-Type'), $r->header('Content-Type'),
       'of the same type');
    is(request($port, 'POST', $uri)->status, 405, "POST $uri");
}

is(get($port, '/own')->status, 401, 'it may ask for a key');
is(get($port, '/own', 'X-API-Key' => $key)->json->{version},
   $all->{version}, 'and tells who has one');


# Over reloads.

my $passed = () = $up->requests;
my $slow = in_background(sub {
    get($port, '/', 'X-API-Key' => $key, 'X-Echo-Delay' => 2)->status;
});

ok(wait_for(sub { $up->requests > $passed }, 60), 'a request is under way');
ok($nginx->reload(conf('location /new { try_files /none =204; }')),
   'a location more');
is(status()->{loads}, 2, 'the load is counted');
is(ask('/new', $key), 204, 'it is asked');
is($slow->result, 200, 'an old worker ends its request');

$each->{'api.test /'}{ok} = 3;
is_counted({ %$each, 'api.test /new' => { ok => 1 } },
           'none of them is lost, none is another');

my $before = status()->{requests};

ok($nginx->reload(conf('location /newer { try_files /none =204; }')),
   'another instead');
is(ask('/newer', $key), 204, 'it is asked');
is_counted({ %$each, 'api.test /new' => { ok => 1 },
             'api.test /newer' => { ok => 1 } },
           'what is gone still counts');

ok($nginx->reload(conf('location /new { try_files /none =204; }')), 'back');
is(ask('/new', $key), 204, 'it is asked again');
is_counted({ %$each, 'api.test /new' => { ok => 2 } }, 'and goes on');
is(status()->{requests}, $before + 2, 'the sum, too');
is(status()->{started}, $first->{started}, 'all that since the start');

ok(!$nginx->reload(conf('location /bad { apikey_status perl; }')),
   'a wrong configuration');
is(status()->{loads}, 4, 'is none');
expect_log(qr/invalid value "perl" of "apikey_status"/);


# Workers.

sub workers {
    my ($count, $name) = @_;

    ok(wait_for(sub { status()->{workers} == $count }, 60), $name);
}

workers(2, 'two workers');

my ($victim) = $nginx->workers;
kill 'KILL', $victim;
expect_log(qr/worker process $victim exited on signal 9/);
ok(wait_for(sub { grep({ $_ != $victim } $nginx->workers) == 2 }, 60),
   'another one takes the place of one that was killed');
workers(2, 'still two');
is_counted($each, 'and what was counted');

$nginx->{workers} = 1;
ok($nginx->reload(conf('')), 'fewer');
workers(1, 'one');
is_counted($each, 'and all that was counted');

done_testing();
