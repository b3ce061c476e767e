#!/usr/bin/perl

# nginx as operators run it: as many workers as processors, and threads that
# read files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $big = join '', map { "$_ bottles\n" } 1 .. 100_000;

my $dir = Test::Apikey::dir() . '/files';
mkdir $dir or die "$dir: $!";
chmod 0755, $dir;
chmod 0644, file('files/big', $big);

my $nginx = nginx(<<"CONF", workers => 'auto',
    apikey_cache zone=keys:1m;
    apikey_plan fifty 50/25920000;
    apikey_plan leased 50/12960000 mode=leased;

    server {
        listen 127.0.0.1:$port backlog=2048;
        root $dir;
        apikey on;
        sendfile off;

        location / { proxy_pass http://127.0.0.1:$up->{port}; }

        location /threads/ {
            alias $dir/;
            aio threads=readers;
        }

        location /sendfile/ {
            alias $dir/;
            sendfile on;
            aio threads=readers;
        }
    }
CONF
    main => 'thread_pool readers threads=2;');

my ($cpus) = run('getconf', '_NPROCESSORS_ONLN')->{out} =~ /(\d+)/;

ok(wait_for(sub { $cpus == $nginx->workers }), 'a worker for each processor');

for my $plan ('fifty', 'leased') {
    my $key = create_key('--permissions', 'read', '--plan', $plan);
    my @all = burst($port, 500, '/', 'X-API-Key' => $key->{key});
    my $passed = grep { $_->status == 200 } @all;

    if ($plan eq 'fifty') {
        is($passed, 50, 'they pass exactly 50 of 500');

    } else {
        cmp_ok($passed, '<=', 50, 'they pass at most 50 of 500');
        wait_for(sub {
            $passed += grep { $_->status == 200 }
                       burst($port, 20, '/', 'X-API-Key' => $key->{key});
            return $passed >= 50;
        }, 60);
        is($passed, 50, 'and all 50 in the end');
    }
}

my $key = create_key('--permissions', 'read');
my @key = ('X-API-Key' => $key->{key});

for my $way (qw(threads sendfile)) {
    is(get($port, "/$way/big")->status, 401, "$way: no key");

    my $r = get($port, "/$way/big", @key);
    is($r->status, 200, "$way: a key");
    ok($r->body eq $big, "$way: the file");
}

done_testing();
