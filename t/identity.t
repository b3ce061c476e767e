#!/usr/bin/perl

# Who the client is comes from its key's record and from nowhere else, and
# only while the key is good.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $capture = capture(protocol => 'fastcgi');

my @names = qw(id name org project service scopes plan result limit remaining
               reset time args request_uri);
my $set = join "\n", map { "proxy_set_header X-Key-$_ \$apikey_$_;" } @names;
my $show = join "\n", map { "add_header X-$_ \$apikey_$_ always;" } @names;

my $nginx = nginx(<<"CONF");
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;
    apikey_plan basic 100r/m 1000r/d;
    apikey_plan tiny 1r/30d;
    apikey_plan anonymous 50r/30d;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key query:key;
        proxy_set_header X-Consumer-Id \$apikey_id;
        proxy_set_header X-Result \$apikey_result;
        $set
        $show

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /default {
            apikey_default_plan basic;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /scope {
            apikey_require admin:write;
        }

        location /method {
            apikey_methods DELETE;
        }

        location /bind {
            apikey_bind org other;
        }

        location /optional {
            apikey optional;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /off {
            apikey off;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /any {
            satisfy any;
            allow all;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /any/basic {
            satisfy any;
            auth_basic here;
            auth_basic_user_file users;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /fastcgi {
            fastcgi_pass 127.0.0.1:$capture->{port};
            fastcgi_param HTTP_X_CONSUMER_ID \$apikey_id;
        }

        location /page {
            apikey_require admin:write;
            error_page 403 /shown;
        }

        location /shown {
            apikey off;
            try_files /none =204;
        }

        location /ssi/ {
            ssi on;
            ssi_types *;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

Test::Apikey::file('nginx0/users', "user:{PLAIN}word\n");

my %of = (
    name => 'Billing service', org => 'acme', project => 'apollo',
    service => 'shop', plan => 'basic', scopes => 'users:read users:write',
);

my $good = create_key('--name', $of{name}, '--org', 'acme', '--project',
    'apollo', '--service', 'shop', '--plan', 'basic', '--scope', 'users:read',
    '--scope', 'users:write');
my $bare = create_key('--name', 'bare', '--permissions', 'read');

# of each name what upstream is told, or the client is shown

sub told { map { $_ => scalar told_all($_[0], $_) } @names }

sub told_all {
    my ($r, $name) = @_;
    my @values = map { $_->[1] }
                 grep { lc $_->[0] eq "x-key-$name" } @{$r->json->{headers}};

    return wantarray ? @values : $values[0];
}

sub shown { my $r = shift; map { $_ => scalar $r->header("X-$_") } @names }

my @identity = qw(id name org project service scopes plan);

sub no_identity {
    my ($name, %value) = @_;

    is(join(' ', grep { defined && length } @value{@identity}), '',
       "$name: no identity");
}


# A good key: all of its record.

my $r = get($port, "/x?a=1&key=$good->{key}&b=2");
my %told = told($r);
my $now = time;

is($told{id}, $good->{id}, '$apikey_id');
is($told{$_}, $of{$_}, "\$apikey_$_") for sort keys %of;
is($told{result}, 'ok', '$apikey_result');
is($told{limit}, 100, '$apikey_limit');
is($told{remaining}, 99, '$apikey_remaining');
ok($told{reset} > $now - 60 && $told{reset} < $now + 120, '$apikey_reset');
is($told{reset} % 60, 0, '$apikey_reset is the end of a minute');
like($told{time}, qr/^\d+\.\d{3}$/, '$apikey_time');
is($told{args}, 'a=1&key=***&b=2', '$apikey_args');
is($told{request_uri}, '/x?a=1&key=***&b=2', '$apikey_request_uri');

%told = told(get($port, '/x', 'X-API-Key' => $bare->{key}));
is($told{$_}, undef, "\$apikey_$_ is empty where there is nothing")
    for qw(org project service plan limit remaining reset args);
is($told{id}, $bare->{id}, 'but $apikey_id is there');
is($told{scopes}, '*:read', 'and $apikey_scopes');

%told = told(get($port, '/default', 'X-API-Key' => $bare->{key}));
is($told{plan}, 'basic', '$apikey_plan: the default plan');


# What the client says of itself doesn't arrive.

my @forged = map { ("X-Consumer-Id" => "forged$_", 'x-consumer-id' => 'forged',
                    'X-Key-Id' => 'forged', 'X-Key-Org' => 'forged') } 1 .. 2;

for my $case ([ 'with a key', '/', 1, $good->{id} ],
              [ 'without a key', '/optional', 0, '' ],
              [ 'where the module is off', '/off', 1, '' ],
              [ 'by another right', '/any', 0, '' ])
{
    my ($name, $uri, $key, $id) = @$case;

    $r = get($port, $uri, @forged[0 .. 7],
             $key ? ('X-API-Key' => $good->{key}) : (), @forged[8 .. 15]);

    is($r->status, 200, "forged, $name: passed");
    unlike($r->json->{raw}, qr/forged/, "forged, $name: nothing of it arrives");
    is(join(',', map { $_->[1] } grep { lc $_->[0] eq 'x-consumer-id' }
                 @{$r->json->{headers}}), $id, "forged, $name: the header");
}

get($port, '/fastcgi', @forged, 'X-API-Key' => $good->{key});
my ($sent) = $capture->bytes =~ /HTTP_X_CONSUMER_ID(.*?)HTTP_HOST/s;
like($sent, qr/^$good->{id}\W*$/, 'forged, FastCGI: the parameter, once');


# A good key that may not do this: its identity is known, and logged.

for my $case ([ '/scope', 403, 'scope' ], [ '/method', 405, 'method' ],
              [ '/bind', 403, 'tenant' ])
{
    my ($uri, $status, $result) = @$case;
    my %shown = shown($r = get($port, $uri, 'X-API-Key' => $good->{key}));

    is($r->status, $status, "$result: the status");
    is($shown{result}, $result, "$result: \$apikey_result");
    is($shown{id}, $good->{id}, "$result: \$apikey_id");
    is($shown{remaining}, undef, "$result: nothing was counted");
}

my $tiny = create_key('--permissions', 'read', '--plan', 'tiny');
my @tiny = map { get($port, '/x', 'X-API-Key' => $tiny->{key}) } 1 .. 2;
my %shown = shown($tiny[1]);

is_deeply([ map { $_->status } @tiny ], [ 200, 429 ], 'limited: the status');
is($shown{result}, 'limited', 'limited: $apikey_result');
is($shown{id}, $tiny->{id}, 'limited: $apikey_id');
is($shown{limit}, 1, 'limited: $apikey_limit');
is($shown{remaining}, 0, 'limited: $apikey_remaining');
is($shown{reset} % 86400, 0, 'limited: $apikey_reset');

%shown = shown($r = get($port, '/page', 'X-API-Key' => $good->{key}));
is($shown{result}, 'scope', 'error_page: $apikey_result is kept');
is($shown{id}, $good->{id}, 'error_page: $apikey_id is kept');


# A key that is good for nothing gives no identity, whoever lets it pass.

my %bad = (missing => undef, malformed => 'x');
my %make = (
    revoked => [ 'revoke' ], disabled => [ 'disable' ], unknown => [ 'delete' ],
);

for my $result (sort keys %make) {
    my $made = create_key('--permissions', 'full', '--org', 'acme', '--plan',
                          'basic');
    my $uri = '/x';

    # while it is good, so that the gateway has seen its record
    is(get($port, $uri, 'X-API-Key' => $made->{key})->status, 200,
       "$result: it was good");
    is(apikey(@{$make{$result}}, $made->{id})->{exit}, 0, "$result: made so");
    $bad{$result} = $made->{key};
}

for my $case ([ 'expired', '--expires', '2001-01-01' ],
              [ 'expired', '--not-before', '2090-01-01' ],
              [ 'address', '--allow', '10.0.0.0/8' ])
{
    my ($result, @args) = @$case;
    my $made = apikey('--json', 'create', '--name', 'x', '--permissions',
                      'full', '--org', 'acme', '--plan', 'basic', @args);

    next if $made->{exit};    # an expiry in the past may be refused
    $bad{"$result $args[0]"} = JSON::PP::decode_json($made->{out})->{key};
}

for my $name (sort keys %bad) {
    my ($result) = split / /, $name;
    my @key = defined $bad{$name} ? ('X-API-Key' => $bad{$name}) : ();

    $r = get($port, '/x', @key);
    %shown = shown($r);
    is($r->status, $result eq 'address' ? 403 : 401, "$name: refused");
    is($shown{result}, $result, "$name: \$apikey_result");
    no_identity($name, %shown);
    is($shown{remaining}, undef, "$name: nothing was counted");

    for my $uri ('/any', '/any/basic') {
        $r = get($port, $uri, @key, Authorization => 'Basic dXNlcjp3b3Jk');
        is($r->status, 200, "$name: $uri, passed by another right");
        no_identity("$name: $uri", told($r));
    }

    next if $result eq 'missing';

    $r = get($port, '/optional', @key);
    isnt($r->status, 200, "$name: not even where a key is optional");
    no_identity("$name: optional", shown($r));
}

%told = told($r = get($port, '/optional'));
no_identity('anonymous', %told, plan => '');
is($told{result}, 'anonymous', 'anonymous: $apikey_result');
is($told{plan}, 'anonymous', 'anonymous: $apikey_plan');
is($told{limit}, 50, 'anonymous: $apikey_limit');
is($told{remaining}, 48, 'anonymous: $apikey_remaining, after another one');

%told = told($r = get($port, '/off', 'X-API-Key' => $good->{key}));
no_identity('off', %told);
is($told{result}, '-', 'off: $apikey_result');
is($told{$_}, undef, "off: \$apikey_$_") for qw(limit remaining reset time);


# A subrequest is told of the client's key.

$r = get($port, '/ssi/', 'X-API-Key' => $good->{key}, 'X-Echo-Body' =>
    '<!--# echo var="apikey_id" --> <!--# echo var="apikey_result" -->');
is($r->body, "$good->{id} ok", 'server side includes');

done_testing();
