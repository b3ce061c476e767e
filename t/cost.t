#!/usr/bin/perl

# apikey_cost: what a request counts; never a way past the limit.

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
    apikey_plan ten 10/25920000;
    apikey_plan shared 10/25920000 per=org;

    add_header X-Result \$apikey_result always;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /three {
            apikey_cost 3;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /free {
            apikey_cost 0;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /given {
            apikey_cost \$http_x_cost;
            apikey_require users:read;
            proxy_pass http://127.0.0.1:$up->{port};

            location /given/more {
                apikey_cost "1\$http_x_cost";
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }
    }
CONF

sub key {
    my ($plan, @more) = @_;

    return create_key('--permissions', 'read', '--plan', $plan || 'ten',
                      @more)->{key};
}

sub asked {
    my ($key, $uri, $cost) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key,
                defined $cost ? ('X-Cost' => $cost) : ());

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}


my $key = key();
is(asked($key, '/'), '200 9', 'one, unless told otherwise');
is(asked($key, '/three'), '200 6', 'a constant');
is(asked($key, '/free'), '200 6', 'nothing');
is(asked($key, '/given', 2), '200 4', 'a variable');
is(asked($key, '/given', '002'), '200 2', 'with zeros in front');
is(asked($key, '/three'), '429 2', 'more than is left is refused');
is(asked($key, '/'), '200 1', 'and has spent nothing');
is(asked($key, '/'), '200 0', 'the last one');
is(asked($key, '/free'), '200 0', 'what is free passes still');
is(asked($key, '/given', 0), '200 0', 'also by a variable');
is(asked($key, '/'), '429 0', 'and nothing else');

$key = key();
is(asked($key, '/given/more', 0), '200 0', 'text and a variable');

$key = key();
is(asked($key, '/given', 11), '429 10', 'more than the limit never passes');
is(asked($key, '/given', 140737488355328), '429 10', 'the most that can be');
is(asked($key, '/given', 10), '200 0', 'the limit itself does');


# What is no whole number.

my @bad = ('', '-1', '+1', '1.0', '1e2', '0x1', '1 2', '1,2', 'one', '1;',
           140737488355329, 4294967296 * 4294967296, '18446744073709551617',
           '9' x 100);

for my $plan (qw(ten shared)) {
    $key = key($plan, '--org', 'acme');
    my $before = $redis->dump;

    $up->forget;

    is(asked($key, '/given', $_), '500', "$plan: \"$_\" is an error")
        for @bad;
    is(asked($key, '/given'), '500', "$plan: so is nothing at all");

    is($redis->dump, $before, "$plan: none of them is counted");
    is(scalar $up->requests, 0, "$plan: none of them came through");
}

like($nginx->log, qr/\[error\].*"1e2".*apikey_cost/,
     'which is logged, with the value');
unlike($nginx->log, qr/\Q$key/, 'without the key');


# Bad keys come first.

sub refused {
    my ($status, $name, @headers) = @_;

    is(get($port, '/given', 'X-Cost' => 'one', @headers)->status, $status,
       $name);
}

refused(401, 'no key and a bad cost');
refused(401, 'a malformed key and a bad cost', 'X-API-Key' => 'rubbish');

my $gone = create_key('--permissions', 'read', '--plan', 'ten');
refused(500, 'a good key and a bad cost', 'X-API-Key' => $gone->{key});
is(apikey('revoke', $gone->{id})->{exit}, 0, 'revoke');
refused(401, 'a revoked key and a bad cost', 'X-API-Key' => $gone->{key});
is(apikey('delete', $gone->{id})->{exit}, 0, 'delete');
refused(401, 'an unknown key and a bad cost', 'X-API-Key' => $gone->{key});
refused(403, 'a key without the scope and a bad cost', 'X-API-Key' =>
        create_key('--scope', 'teams:read', '--plan', 'ten')->{key});

done_testing();
