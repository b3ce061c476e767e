#!/usr/bin/perl

# apikey_limit dry_run: counted and told, never refused.

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
    apikey_plan two 2/25920000;

    log_format result '\$uri \$status \$apikey_result \$apikey_remaining';
    access_log results result;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /trial {
            apikey_limit dry_run;
            apikey_require users:read;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /off {
            apikey_limit off;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--plan', 'two', @_)->{key} }

sub asked {
    my ($key, $uri) = @_;
    my $r = get($port, $uri, 'X-API-Key' => $key);

    return join ' ', $r->status, map { $r->header($_) // '-' }
           qw(X-RateLimit-Limit X-RateLimit-Remaining Retry-After);
}


my $key = key('--permissions', 'read');
is(asked($key, '/trial'), '200 2 1 -', 'within the limit');
is(asked($key, '/trial'), '200 2 0 -', 'the last one of it');

my $before = $redis->dump;
is(asked($key, '/trial'), '200 2 0 -', 'over the limit it passes');
is($redis->dump, $before, 'and is not counted');

like(asked($key, '/'), qr/^429 2 0 \d+$/, 'where limits hold it is refused');
is(asked($key, '/off'), '200 - - -', 'apikey_limit off tells nothing');

my @log;

wait_for(sub { (@log = split /\n/, slurp("$nginx->{dir}/results")) == 5 });
is_deeply(\@log, [ '/trial 200 ok 1', '/trial 200 ok 0',
                   '/trial 200 dry_run 0', '/ 429 limited 0',
                   '/off 200 ok -' ], '$apikey_result says what it would be');


# Limits only: all else is refused.

is(get($port, '/trial')->status, 401, 'no key');
is(asked("${key}x", '/trial'), '401 - - -', 'a bad key');
is(asked(key('--scope', 'teams:read'), '/trial'), '403 - - -',
   'a key without the scope');

done_testing();
