#!/usr/bin/perl

# What make promises: a copy of the tree builds, with clang and without a
# warning; nothing is written outside build/; a second make does nothing; the
# module keeps its hiredis to itself, beside another module's.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Apikey;

my $clone = Test::Apikey::dir() . '/clone';
my $source = $ENV{NGINX_SRC};
my $nchan = "$Test::Apikey::BUILD/nchan/usr/lib/nginx/modules/"
            . 'ngx_nchan_module.so';

# a make that runs the tests has its own options for its children

my ($given) = ($ENV{MAKEFLAGS} || '') =~ /(?:^|\s)NGINX_SRC=(\S+)/;
$source //= $given;
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES NGINX_SRC)};

sub make { run({ timeout => 1200 }, 'make', '-j2', '-C', $clone, @_) }

sub files {
    my $r = run('find', $clone, '-name', 'build', '-prune', '-o', '-type', 'f',
                '-printf', '%P %s %T@\n');

    return join "\n", sort split /\n/, $r->{out};
}


# A copy, without what is built and without git.

mkdir $clone or die "$clone: $!";
run('sh', '-c', 'cd "$1" && tar -c --exclude=./build --exclude=./.git . '
                . '| tar -xC "$2"', 'sh', $Test::Apikey::ROOT, $clone);

my $before = files();
my $r = make('CC=clang');

is($r->{exit}, 0, 'builds with clang') or diag($r->{err});
unlike($r->{err}, qr/warning:/, 'without a warning');
is(files(), $before, 'nothing is written outside build/');

for my $file (qw(ngx_http_apikey_module.so apikey)) {
    ok(-s "$clone/build/$file", "build/$file");
}

$r = make('CC=clang');
like($r->{out}, qr/^make: Nothing to be done for 'all'\.$/m,
     'make again does nothing') or diag($r->{out});

# A copy of that, with what is built of the first: it isn't taken for its own.

my $copy = Test::Apikey::dir() . '/copy';

run('cp', '-a', $clone, $copy);
$r = run('make', '-n', '-C', $copy, 'CC=clang');
like($r->{out}, qr{--add-dynamic-module=\Q$copy\E\s},
     'a copy builds its own module');
unlike($r->{out}, qr/--add-dynamic-module=\Q$clone\E\s/, 'not the first');
File::Path::remove_tree($copy);

my ($script) = glob "$clone/src/redis/*.lua";
open my $f, '>>', $script or die "$script: $!";
print $f "-- a change of the script\n";
close $f;

$r = make('CC=clang');
is($r->{exit}, 0, 'builds again') or diag($r->{err});
is(run('grep', '-q', 'a change of the script',
       "$clone/build/module/apikey/scripts.h")->{exit}, 0,
   'with the script that was changed');


# Installed.

my @where = ("DESTDIR=$clone/root", 'PREFIX=/usr');

$r = make('install', 'CC=clang', 'MODULES_DIR=/modules', @where);
is($r->{exit}, 0, 'make install') or diag($r->{err});
is_deeply([ sort map { chomp; s{^\Q$clone\E/root}{}r }
            split /^/, run('find', "$clone/root", '-type', 'f')->{out} ],
          [ '/modules/ngx_http_apikey_module.so', '/usr/bin/apikey',
            '/usr/share/man/man1/apikey.1' ],
          'the module, the program and its man page');

$r = make('install', 'CC=clang', 'MODULES_DIR=', @where);
isnt($r->{exit}, 0, 'but not to where nobody knows');
like($r->{err}, qr/MODULES_DIR=DIR/, 'and says what is to be given');


# The module's symbols.

SKIP: {
    my $module = Test::Apikey::Nginx::module();

    skip 'the module is linked into nginx', 3 if $module eq '';

    my $symbols = run('nm', '-D', $module)->{out};

    like($symbols, qr/ ngx_modules$/m, 'it is a module');
    unlike($symbols, qr/ [A-Z] (?:__)?redis[A-Z]/, 'no function of hiredis');
    unlike($symbols, qr/ [A-Z] (?:hi_)?sds/, 'nor of its strings');
}


# Beside nchan, which exports a hiredis of its own.

SKIP: {
    my $module = Test::Apikey::Nginx::module();

    skip 'nchan is of Debian\'s nginx', 4
        if $module eq '' || $ENV{TEST_NGINX_BINARY};

    # on Debian 12 it has nginx make /var/lib/nginx/body
    skip 'nginx was never started by root', 4
        if $> && -d '/var/lib/nginx' && !-d '/var/lib/nginx/body';

    my $redis = redis();
    my $up = upstream();
    my $key = create_key('--permissions', 'full');
    my $pepper = Test::Apikey::pepper_file();

    for my $order ([ $nchan, $module ], [ $module, $nchan ]) {
        my $port = free_port();
        my $name = $order->[0] eq $nchan ? 'after nchan' : 'before nchan';
        my $main = join "\n", map { "load_module $_;" } @$order;
        my $nginx = nginx(<<"CONF", bare => 1, main => $main);
            apikey_redis 127.0.0.1:$redis->{port} connect_timeout=60s
                         timeout=60s;
            apikey_pepper_file $pepper;

            server {
                listen 127.0.0.1:$port;

                location / {
                    apikey on;
                    proxy_pass http://127.0.0.1:$up->{port};
                }

                location /messages {
                    nchan_pubsub;
                    nchan_channel_id test;
                    nchan_redis_pass messages;
                }
            }

            upstream messages {
                nchan_redis_server redis://127.0.0.1:$redis->{port};
            }
CONF

        is($nginx->test->{exit}, 0, "loads $name");
        is(get($port, '/', 'X-API-Key' => $key->{key})->status, 200,
           "works $name");
    }
}


# A whole nginx, where there is its source.

SKIP: {
    skip 'NGINX_SRC is not set', 2 unless $source;

    $r = make('static', "NGINX_SRC=$source");
    is($r->{exit}, 0, 'builds into nginx') or diag($r->{err});

    $r = run("$clone/build/static/nginx", '-V');
    like($r->{err}, qr/^configure arguments: .*--add-module=/m, 'which runs');
}

done_testing();
