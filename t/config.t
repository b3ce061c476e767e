#!/usr/bin/perl

# nginx -t refuses what is wrong, and says which value and why.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $port = free_port();
my $dir = Test::Apikey::dir();
my $pepper = Test::Apikey::pepper_file();

sub secret {
    my ($name, $text, $mode) = @_;
    my $path = file($name, $text);

    chmod $mode // 0600, $path;

    return $path;
}

my $open = secret('open', 'x' x 40, 0604);
my $short = secret('short', 'x' x 31);
my $long = secret('long', 'x' x 5000);
my $empty = secret('empty', '');
my $password = secret('password', "secret\n");

sub server { "server { listen 127.0.0.1:$port; $_[0] }\n" }

sub refused {
    my ($text, $value, $why, $name) = @_;
    my $r = nginx_test("$text\n");

    $name //= $text =~ s/\Q$dir\E\///gr;
    is($r->{exit}, 1, "refused: $name");
    like($r->{err}, qr/\[emerg\].*"\Q$value\E".*$why/, "why: $name");
}

sub accepted {
    my ($text, $name) = @_;
    my $r = nginx_test("$text\n");

    is($r->{exit}, 0, 'accepted: ' . ($name // $text)) or diag $r->{err};
}


# In a server: the directive, its value, the value that is named, why.

for (
    [ 'apikey', 'maybe', qr/one of "off", "on", "optional"/ ],
    [ 'apikey', 'on methods=GET', qr/unknown parameter/, 'methods=GET' ],
    [ 'apikey', 'optional GET', qr/unknown parameter/, 'GET' ],
    [ 'apikey', 'optional methods=HEAD', qr/list GET/, 'methods=HEAD' ],
    [ 'apikey', 'optional methods=', qr/empty/, 'methods=' ],
    [ 'apikey_cut', 'maybe', qr/"on" or "off"/ ],
    [ 'apikey_hide', 'maybe', qr/"on" or "off"/ ],
    [ 'apikey_format', 'hex', qr/one of "checksum", "any"/ ],
    [ 'apikey_limit', 'dry', qr/one of "off", "on", "dry_run"/ ],
    [ 'apikey_limit_failure', 'open', qr/one of "deny", "allow", "local"/ ],
    [ 'apikey_limit_failure', 'local', qr/needs "apikey_cache"/ ],
    [ 'apikey_headers', 'all', qr/one of "legacy", "ietf", "both", "off"/ ],
    [ 'apikey_error', 'xml', qr/one of "off", "json", "problem"/ ],
    [ 'apikey_preflight', 'never', qr/one of "pass", "check"/ ],

    [ 'apikey_methods', 'get', qr/other characters than A-Z/ ],
    [ 'apikey_methods', '"GET||PUT"', qr/a method is empty/, 'GET||PUT' ],
    [ 'apikey_methods', 'HEAD', qr/counts as GET/ ],
    [ 'apikey_resource', 'a:b', qr/not the name of a resource/ ],
    [ 'apikey_resource', '""', qr/not the name of a resource/, '' ],
    [ 'apikey_require', 'users', qr/not RESOURCE:ACTION/ ],
    [ 'apikey_require', 'a:b c', qr/not RESOURCE:ACTION/, 'c' ],
    [ 'apikey_require', 'a:b:c', qr/not RESOURCE:ACTION/ ],
    [ 'apikey_require', 'methods=GET', qr/no scope/ ],
    [ 'apikey_require', 'methods=get a:b', qr/other characters/,
      'methods=get' ],
    [ 'apikey_require', 'methods=GET methods=PUT a:b', qr/duplicate/,
      'methods=PUT' ],
    [ 'apikey_bind', 'team $1', qr/one of "org", "project", "service"/,
      'team' ],
    [ 'apikey_bind', 'org', qr/needs a value/, 'apikey_bind' ],
    [ 'apikey_default_plan', 'gold', qr/not defined/ ],

    (map { [ $_->[0], $_->[1], qr/whole number/ ] }
     map { my $v = $_; map { [ $_, $v ] } qw(apikey_cost apikey_charge) }
         qw(-1 1.5 many 140737488355329)),
    [ 'apikey_cost', '""', qr/whole number/, '' ],

    [ 'apikey_guard', 'on', qr/unknown parameter/ ],
    [ 'apikey_guard', 'zone=a:1m', qr/needs zone.*rate/, 'apikey_guard' ],
    [ 'apikey_guard', 'rate=1r/s', qr/needs zone.*rate/, 'apikey_guard' ],
    (map { [ 'apikey_guard', "$_->[0] rate=1r/s", $_->[1], $_->[0] ] }
         [ 'zone=a', qr/not zone=NAME:SIZE/ ],
         [ 'zone=:1m', qr/not zone=NAME:SIZE/ ],
         [ 'zone=a:big', qr/not a size/ ],
         [ 'zone=a:4k', qr/smaller than \d+k/ ]),
    (map { [ 'apikey_guard', "zone=a:1m rate=$_->[0]", $_->[1],
             "rate=$_->[0]" ] }
         [ 'fast', qr/not a limit/ ], [ '0r/s', qr/count is not a number/ ],
         [ '1000001r/s', qr/over a million a second/ ]),
    [ 'apikey_guard', 'rate=1r/s rate=1r/s', qr/duplicate/, 'rate=1r/s' ],

    [ 'apikey_realm', q('a"b'), qr/can't be quoted/, 'a"b' ],
    [ 'apikey_source', 'header', qr/one of "header:NAME"/ ],
    [ 'apikey_source', 'body:key', qr/one of "header:NAME"/ ],
    [ 'apikey_source', 'query:', qr/name is empty/ ],
    [ 'apikey_source', '"header:X Y"', qr/forbidden character/, 'header:X Y' ],
    [ 'apikey_source', 'header:X-Key header:x-key', qr/duplicate/,
      'header:x-key' ],
) {
    my ($directive, $value, $why, $named) = @$_;

    refused(server("$directive $value;"), $named // $value, $why,
            "$directive $value");
}


# a zone is what it was when it was first named

refused(server('apikey_guard zone=a:1m rate=1r/s;'
               . "location / { apikey_guard zone=a$_->[0]; }"), 'a', $_->[1])
    for [ ' rate=2r/s', qr/another rate/ ],
        [ ':2m rate=1r/s', qr/conflicts/ ];
refused('apikey_cache zone=a:1m;' . server('apikey_guard zone=a:1m rate=1r/s;'),
        'a', qr/already declared for a different use/);

refused(server('apikey_bind org $1; apikey_bind org $2;'), 'org', qr/twice/);
refused(server("$_ $_;"), $_, qr/not allowed here/)
    for qw(apikey_redis apikey_prefix apikey_pepper_file);

# once in a place, unless several lines add up

refused(server("$_; $_;"), (split ' ')[0], qr/duplicate/)
    for 'apikey on', 'apikey_source bearer', 'apikey_hide on',
        'apikey_format any', 'apikey_methods GET', 'apikey_resource users',
        'apikey_default_plan off', 'apikey_limit on', 'apikey_cost 1',
        'apikey_charge 1', 'apikey_limit_failure deny', 'apikey_guard off',
        'apikey_headers off',
        'apikey_error off', 'apikey_realm a', 'apikey_preflight pass';

refused("$_; $_;", (split ' ')[0], qr/duplicate/)
    for 'apikey_prefix a:', "apikey_pepper_file $pepper",
        'apikey_redis 127.0.0.1';


# Plans.

for (
    [ '"" 1r/s', '', qr/not the name of a plan/ ],
    [ '"a b" 1r/s', 'a b', qr/not the name of a plan/ ],
    [ 'p algorithm=fixed', 'p', qr/no limit/ ],
    (map { [ "p $_", $_, qr/not a limit/ ] } qw(x 10 10r/ 10r/y burst=5)),
    (map { [ "p $_", $_, qr/count is not a number/ ] }
         qw(0r/s r/m -1r/d 1.5r/s 140737488355329r/d)),
    (map { [ "p $_", $_, qr/window is not a number/ ] }
         qw(10/0 10r/0d 10/31622401 10r/367d)),
    [ 'p 10r/m 20/60', '20/60', qr/same window twice/ ],
    [ 'p 10r/m 9r/h', '9r/h', qr/longer window.*smaller/ ],
    [ 'p 9r/h 10r/m', '10r/m', qr/longer window.*smaller/ ],
    [ 'p 1/1 2/2 3/3 4/4 5/5 6/6 7/7 8/8 9/9', '9/9', qr/more than 8/ ],
    [ 'p 1r/s algorithm=leaky', 'algorithm=leaky', qr/"fixed", "sliding"/ ],
    [ 'p 1r/s per=user', 'per=user', qr/"key", "org", "project"/ ],
    [ 'p 1r/s mode=fast', 'mode=fast', qr/"exact", "leased"/ ],
) {
    my ($plan, $value, $why) = @$_;

    refused("apikey_plan $plan;", $value, $why);
}

refused('apikey_plan p 1r/s; apikey_plan p 2r/s;', 'p', qr/twice/);


# Redis, and files.

for (
    [ '127.0.0.1 127.0.0.2', '127.0.0.2', qr/one address/ ],
    [ '127.0.0.1:99999', '127.0.0.1:99999', qr/invalid port/ ],
    [ '[::1', '[::1', qr/invalid host/ ],
    [ 'unix:', 'unix:', qr/no path/ ],
    [ 'no-such-host.invalid', 'no-such-host.invalid', qr/host not found/ ],
    [ 'db=1', 'apikey_redis', qr/no address/ ],
    [ '127.0.0.1 color=red', 'color=red', qr/unknown parameter/ ],
    [ '127.0.0.1 mode=any', 'mode=any', qr/mode/ ],
    [ '127.0.0.1 mode=sentinel', 'apikey_redis',
      qr/"mode=sentinel" without "master"/ ],
    [ '127.0.0.1 master=main', 'master=main', qr/mode isn't "sentinel"/ ],
    [ '127.0.0.1 mode=cluster master=m', 'master=m', qr/isn't "sentinel"/ ],
    [ '127.0.0.1 mode=sentinel master=', 'master=', qr/empty/ ],
    [ 'mode=sentinel master=main', 'apikey_redis', qr/no address/ ],
    [ '127.0.0.1 localhost:0 mode=sentinel master=main', 'localhost:0',
      qr/invalid port/ ],
    [ '127.0.0.1 mode=cluster no-such-host.invalid', 'no-such-host.invalid',
      qr/host not found/ ],
    [ '127.0.0.1 mode=single 127.0.0.2', '127.0.0.2', qr/one address/ ],
    [ 'mode=cluster', 'apikey_redis', qr/no address/ ],
    [ '127.0.0.1 user=joe', 'apikey_redis', qr/without "password_file"/ ],
    (map { [ "127.0.0.1 db=$_", "db=$_", qr/not the number/ ] }
         qw(x -1 1x 99999999999999999999)),
    (map { [ "127.0.0.1 $_", $_, qr/not a time above zero/ ] }
         qw(timeout=0 timeout=fast timeout=-1s connect_timeout=0)),
    (map { [ "127.0.0.1 $_=", "$_=", qr/empty/ ] }
         qw(db user password_file timeout connect_timeout mode)),
) {
    my ($redis, $value, $why) = @$_;

    refused("apikey_redis $redis;", $value, $why);
}

for ([ "$dir/none", qr/can't be opened.*No such file/ ],
     [ $open, qr/others may use it/ ], [ $dir, qr/is a directory/ ],
     [ $empty, qr/./ ], [ $long, qr/too long/ ])
{
    my ($file, $why) = @$_;

    refused("apikey_pepper_file $file;", $file, $why);
    refused("apikey_redis 127.0.0.1 password_file=$file;",
            "password_file=$file", $why);
}

refused("apikey_pepper_file $short;", $short, qr/shorter than 32 bytes/);

refused("apikey_prefix \"$_\";", $_, qr/1 to 64 printable ASCII characters/)
    for '', 'a b', 'a{b', 'x' x 65;


# What a key can't be checked without.

SKIP: {
    skip 'the module is linked into nginx', 4
        if Test::Apikey::Nginx::module() eq '';

    my @bare = (bare => 1, main => 'load_module '
                . Test::Apikey::Nginx::module() . ';');

    my $r = nginx_test("apikey_pepper_file $pepper;\n" . server('apikey on;'),
                       @bare);
    like($r->{err}, qr/\[emerg\].*no "apikey_redis"/, 'apikey without Redis');

    $r = nginx_test("apikey_redis 127.0.0.1;\n"
                    . server('location / { apikey optional; }'), @bare);
    like($r->{err}, qr/\[emerg\].*no "apikey_pepper_file"/,
         'apikey without a pepper');

    $r = nginx_test(server('apikey off;'), @bare);
    is($r->{exit}, 0, 'apikey off needs neither') or diag $r->{err};

    $r = nginx_test("apikey_redis 127.0.0.1;\n" . server(''), @bare);
    is($r->{exit}, 0, 'nor does no apikey at all') or diag $r->{err};
}


# What is right.

accepted("apikey_redis $_;")
    for '127.0.0.1', '127.0.0.1:7000', 'localhost', 'localhost:7000', '[::1]',
        '[::1]:7000', "unix:$dir/redis.sock", '127.0.0.1 mode=single db=15',
        'mode=sentinel master=main 127.0.0.1',
        '127.0.0.1 [::1]:7000 localhost mode=sentinel db=1 master=main',
        '127.0.0.1 mode=cluster', 'mode=cluster 127.0.0.1 [::1]:7000 db=2',
        '127.0.0.1 timeout=1s connect_timeout=50ms',
        "127.0.0.1 password_file=$password",
        "127.0.0.1 user=gateway password_file=$password";

accepted("apikey_plan p $_;")
    for '60r/m', '10000r/d', '5r/s', '100r/h', '1000000r/30d', '10/90',
        '60r/m 60r/h 10000r/d', '10000r/d 60r/m',
        '1r/s algorithm=sliding per=org mode=exact',
        'per=project algorithm=fixed 1r/s', '140737488355328r/366d';

accepted(server($_))
    for 'apikey_methods GET POST|PUT PROPFIND;', 'apikey_methods all;',
        'apikey_require methods=GET|PUT a:read b:*;',
        'apikey_require a:b; apikey_require *:*;',
        'apikey_bind org $host; apikey_bind project p; apikey_bind service "";',
        'apikey_source header:X-Key bearer query:key cookie:key;',
        'apikey_cost "$arg_cost"; apikey_charge 0;', 'apikey_realm "";',
        'apikey_resource off; apikey_require off; apikey_bind off;';

accepted('apikey_cache off;', 'no cache, in so many words');
accepted('apikey_cache zone=keys:1m;' . server('apikey_limit_failure local;'),
         'local with a cache');
accepted(server('apikey_guard zone=a:1m rate=20r/m;'
                . "location /$_->[0] { apikey_guard $_->[1]; }"),
         "a guard, and in a location $_->[1]")
    for [ a => 'off' ], [ b => 'zone=a rate=20r/m' ],
        [ c => 'rate=20/60 zone=a:1m' ], [ d => 'zone=b:1m rate=5r/s' ];

accepted('apikey_prefix "' . 'x' x 64 . '";', 'a prefix of 64 bytes');
accepted(server('apikey_default_plan p;') . 'apikey_plan p 1r/s;',
         'a plan that is defined further down');

# Anonymous requests are bound by no rule for keys.

for my $rule ('apikey_require a:read', 'apikey_resource a',
              'apikey_bind org a') {
    my ($name) = $rule =~ /(\w+)/;

    for (
        [ "location /a { apikey optional; $rule; }", 1, 'location "/a"' ],
        [ "apikey optional; location /a { $rule; }", 1, 'location "/a"' ],
        [ "apikey optional; $rule; location /a { }", 1, 'server "here"' ],
        [ "$rule; location /a { apikey optional methods=GET; }", 0 ],
        [ "apikey optional methods=GET; location /a { $rule; }", 0 ],
        [ "apikey on; $rule; location /a { }", 0 ],
    ) {
        my ($text, $warned, $where) = @$_;
        my $r = nginx_test(server("server_name here; $text") . "\n");
        my @warnings = $r->{err} =~ /\[warn\].*not bound by.*/g;

        is("$r->{exit} " . @warnings, "0 $warned", $text);
        like($warnings[0], qr/\Q$where\E: .*"$name"/, 'where, and by what')
            if $warned;
    }
}

done_testing();
