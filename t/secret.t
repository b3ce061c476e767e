#!/usr/bin/perl

# No key and no digest in any log, error page or header, nor a key in Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis(conf => "rdbcompression no\n");
my $monitor = $redis->monitor;
my $up = upstream();
my $dead = 1;           # no test listens there

my $servers = sub {
    my ($port, $redis) = @_;

    return <<"CONF";
    apikey_redis 127.0.0.1:$redis->{port} timeout=60s connect_timeout=60s;

    log_format all '\$request|\$args|\$query_string|\$request_uri|\$uri|'
                   '\$apikey_args|\$apikey_request_uri|\$apikey_id|'
                   '\$http_x_api_key|\$http_authorization|\$http_cookie|'
                   '\$arg_key|\$cookie_key|\$apikey_result|\$remote_user|'
                   '\$http_user_agent|\$status|\$upstream_status';

    log_format masked '\$request|\$apikey_args|\$apikey_request_uri';

    access_log combined.log combined;
    access_log masked.log masked;

    map \$apikey_result \$reached { default 1; - 0; }
    limit_req_zone \$uri zone=users:1m rate=1r/m;
    proxy_intercept_errors on;

    server {
        listen 127.0.0.1:$port;

        apikey on;
        apikey_source header:X-API-Key bearer query:key cookie:key;
        apikey_format any;

        # what a location doesn't hide before it refuses, it has to mask
        access_log combined.log combined;
        access_log masked.log masked;
        access_log all.log all if=\$reached;

        location /ok { proxy_pass http://127.0.0.1:$up->{port}; }
        location /dead { proxy_pass http://127.0.0.1:$dead; }
        location /checksum { apikey_format checksum; return 200; }
        location /file { root html; }
        location /returned {
            apikey_source query:key query:other;
            return 403;
        }

        location /directory/ { alias ./; index none; }
        location /off { apikey off; proxy_pass http://127.0.0.1:$dead; }

        location /dropped {
            rewrite ^ /dead? last;
        }

        location /denied {
            deny all;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /busy {
            limit_req zone=users;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /any {
            satisfy any;
            auth_basic here;
            auth_basic_user_file users;
            proxy_pass http://127.0.0.1:$dead;
        }

        location /page {
            apikey_methods POST;
            error_page 401 405 = \@page;
        }

        location \@page {
            apikey off;
            return 401 "\$request \$request_uri \$args \$http_x_api_key";
        }

        location /problem {
            apikey_error problem;
            apikey_methods POST;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /plain {
            apikey_error off;
            apikey_methods POST;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF
};

my $revoked = create_key('--permissions', 'full');
apikey('revoke', $revoked->{id});

my @keys = (create_key('--permissions', 'full')->{key},
            create_key('--permissions', 'read', '--expires', '1d')->{key},
            $revoked->{key}, 'an-unknown-key-of-another-form',
            'ak_thischecksumcannotberightatall0000000000');
my @malformed = ("two $keys[0]", "$keys[1],comma", 'long' x 100);


# Each key in each place at each location: all bytes that came back.

sub talk {
    my ($port) = @_;
    my @requests;

    for my $at (qw(/ok /dead /checksum /file /returned /directory/ /dropped
                   /denied /busy /any /page /problem /plain))
    {
        for my $key (@keys, @malformed) {
            my $hex = join '', map { sprintf '%%%02x', ord } split //, $key;

            push @requests,
                map { Test::Apikey::HTTP::bytes('GET', @$_) }
                [ $at, 'X-API-Key' => $key ],
                [ $at, Authorization => "Bearer $key" ],
                [ $at, Cookie => "a=1; key=$key" ],
                [ $at =~ s/$/?a=1&key=$hex/r ],
                $key =~ / / ? () : [ "$at?a=1&key=$key&b=2" ],
                $key =~ / / ? () : [ "$at?a=1&k%65y=$key&key=" ],
                $at ne '/returned' ? () : [ "$at?other=$hex" ],
                [ $at, 'X-API-Key' => $key, 'X-API-Key' => $key ];
        }
    }

    return join "\n", map { $_->head . $_->body }
                      map { exchange($port, [ $_ ]) } @requests;
}

sub secrets_in {
    my ($text, @secrets) = @_;
    my $plain = $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger;
    my %found;

    for my $line (split /\n/, $plain) {
        for my $secret (grep { index($line, $_) >= 0 } @secrets) {
            $found{substr $line, 0, 300} = 1;
        }
    }

    return grep { defined } (sort keys %found)[0 .. 5];
}

sub is_clean {
    my ($text, $name, @secrets) = @_;

    ok(length $text, "$name: there is something to look at");
    is(join("\n", secrets_in($text, @secrets)), '', $name);
}

# Of all keys that Redis was asked for, known or not.

sub digests {
    my %digest = map { lc($_) => 1 }
                     map { /apikey:\{([0-9a-f]{64})\}/gi } @_;

    return keys %digest;
}


my $port = free_port();
my $nginx = nginx($servers->($port, $redis));
Test::Apikey::file("nginx0/users", 'user:{PLAIN}word' . "\n");

my $answers = talk($port);
$nginx->stop;

my @lines = $monitor->lines;
my @digests = digests(@lines);
my @secrets = (@keys, @malformed, @digests, map { pack 'H*', $_ } @digests);

cmp_ok(scalar @digests, '>=', @keys, 'the digests of all keys are known');

my %log = map { $_ => slurp("$nginx->{dir}/$_.log") }
              qw(error combined masked all);

ok($log{error} =~ /$_/, "the error log has: $_")
    for 'apikey refused the request', 'connect\(\) failed', 'No such file',
        'access forbidden by rule', 'limiting requests';
for my $at (qw(ok returned busy dropped)) {
    ok($log{$_} =~ m{/$at\?a=1&k%65y=\*\*\*&key=}, "$_.log: /$at is masked")
        for qw(combined masked);
}

ok($log{masked} =~ m{/returned\?other=\*\*\* HTTP/1.1\|other=\*\*\*\|},
   "a location's own source is masked, too");

ok($log{all} =~ /\|$_\|/, "and the result $_")
    for qw(ok unknown revoked malformed);

is_clean($log{$_}, "$_.log", @secrets) for sort keys %log;
is_clean($answers, 'what the client is answered', @secrets);
is_clean(join("\n", map { $_->{raw} } $up->requests), 'what upstream is sent',
         @secrets);


# Redis.

is_clean(join("\n", @lines), 'what MONITOR shows', @keys, @malformed);
is($redis->cmd('SAVE'), 'OK', 'saved');
is_clean(slurp("$redis->{dir}/dump.rdb"), 'the dump', @keys, @malformed);
is_clean(slurp("$redis->{dir}/redis.log"), "Redis's log", @secrets);

my ($stored) = digests(map { /^(\S+)/ } split /\n(?! )/, $redis->dump);
ok(slurp("$redis->{dir}/dump.rdb") =~ /$stored/, 'the dump can be searched');


# An error of Redis may repeat what it was asked.

my $strange = redis(conf => "rename-command EVALSHA none\n"
                            . "rename-command EVAL nothing\n");
$port = free_port();
$nginx = nginx($servers->($port, $strange));

is(get($port, '/ok', 'X-API-Key' => $keys[0])->status, 503,
   'Redis refuses a command');
ok($nginx->log =~ /redis could not decide: "ERR unknown command/,
   'which is logged');
is_clean($nginx->log, "the error log has nothing else of Redis's error",
         @secrets);
$nginx->stop;


# nginx itself writes what it reads to a log of the level debug, the module
# adds nothing.

$port = free_port();
$nginx = nginx($servers->($port, $redis), log => 'debug');
Test::Apikey::file("nginx2/users", 'user:{PLAIN}word' . "\n");
talk($port);
$nginx->stop;

my $debug = $nginx->log;

$debug =~ s/^.*\[debug\].* http (header: "|request line: "|args: "|copy).*$//mg;

SKIP: {
    skip 'nginx has no debug log', 3 unless $debug =~ /\[debug\]/;

    ok($debug =~ /\[debug\].*apikey/, 'the module writes to the debug log');
    is_clean($debug, 'debug log', @digests, map { pack 'H*', $_ } @digests);
}

done_testing();
