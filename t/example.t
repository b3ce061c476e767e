#!/usr/bin/perl

# conf.example is accepted by "nginx -t" with nothing but its paths, ports and
# user changed, and does what its comments say.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $port = free_port();
my $nginx = Test::Apikey::Nginx->new('', bare => 1);
my $dir = $nginx->{dir};
my $module = Test::Apikey::Nginx::module();
my $pepper = Test::Apikey::pepper_file();

my $example = slurp("$Test::Apikey::ROOT/conf.example");

for ([ 'load_module /usr/lib/nginx/modules/ngx_http_apikey_module.so;',
       $module eq '' ? '' : "load_module $module;" ],
     [ 'user www-data;', $> == 0 ? 'user nobody nogroup;' : '' ],
     [ 'worker_processes auto;', 'worker_processes 1; daemon off;' ],
     [ 'pid /run/nginx.pid;', "pid $dir/nginx.pid;" ],
     [ '/var/log/nginx/error.log', "$dir/error.log" ],
     [ '/var/log/nginx/access.log', "$dir/access.log" ],
     [ "http {\n", join '', "http {\n",
       map { "${_}_temp_path $dir/$_;\n" }
           qw(client_body proxy fastcgi uwsgi scgi) ],
     [ '127.0.0.1:6379 connect_timeout=250ms timeout=100ms;',
       "127.0.0.1:$redis->{port} connect_timeout=60s timeout=60s;" ],
     [ 'apikey_pepper_file /etc/nginx/apikey.pepper;',
       "apikey_pepper_file $pepper;" ],
     [ 'server 127.0.0.1:8081;', "server 127.0.0.1:$up->{port};" ],
     [ 'listen 80;', "listen 127.0.0.1:$port;" ],
     [ 'root /usr/share/nginx/html;', "root $dir;" ])
{
    my ($from, $to) = @$_;

    is($example =~ s/^(?!\s*#)(.*?)\Q$from\E/$1$to/mg, 1, "has $from");
}

open my $f, '>', "$dir/nginx.conf" or die "$dir/nginx.conf: $!";
print $f $example;
close $f;

mkdir "$dir/errors";
file(substr("$dir/errors/denied.html", 1 + length Test::Apikey::dir()),
     'a page of our own');
chmod 0755, "$dir/errors";

my $r = $nginx->test;

is($r->{exit}, 0, 'nginx -t accepts it') or BAIL_OUT($r->{err});
unlike($r->{err}, qr/\[warn\]/, 'without a warning');

# So it is with what stands in comments, where that needs no file or name.

my @modes = $example =~ /^ +#  +(apikey_redis .* mode=.*;)$/mg;

is(@modes, 2, 'other modes of Redis');
is(nginx_test($_)->{exit}, 0, $_) for @modes;

$nginx->{ports} = [ $port ];
$nginx->start;


sub key { ('X-API-Key' => create_key(@_)->{key}) }

# The last request that came through, its headers by their lower case names.

sub passed {
    my ($request) = ($up->requests)[-1];

    return { map { lc $_->[0] => $_->[1] } @{$request->{headers}} };
}


is(get($port, '/health')->body, "ok\n", '/health needs no key');
is(get($port, '/users')->status, 401, '/users needs one');
is(get($port, '/anything')->header('WWW-Authenticate'),
   'ApiKey realm="api.example.com"', 'so does anything else');

my $user = create_key('--scope', 'users:read', '--org', 'acme');
my @user = ('X-API-Key' => $user->{key}, 'X-Consumer-Id' => 'forged');

$r = get($port, '/users', @user);
is($r->status, 200, 'users:read reads users');
is($r->header('X-RateLimit-Limit'), 60, 'by the default plan');
is(passed()->{'x-consumer-id'}, $user->{id}, 'the upstream learns who calls');
is(passed()->{'x-consumer-org'}, 'acme', 'and of which organisation');
is(passed()->{'x-api-key'}, undef, 'but not the key');
is(get($port, '/users', Authorization => "Bearer $user->{key}")->status, 200,
   'the key as a bearer');
is(request($port, 'POST', '/users', @user)->status, 403,
   'users:read does not write users');

my $bound = create_key('--permissions', 'full', '--project', 'apollo');
my @bound = ('X-API-Key' => $bound->{key});

is(get($port, '/projects/apollo/x', @bound)->status, 200, 'its own project');
is(get($port, '/projects/gemini/x', @bound)->status, 403, 'another project');

ok(wait_for(sub {
    my $r = apikey('--json', 'usage', $bound->{id}, '--days', 2);

    return $r->{out} =~ m{"GET /projects": ?2\b};
}), 'usage has a name for projects');

is(request($port, 'POST', '/billing',
           key('--scope', 'billing:write'))->status, 403,
   'one of two scopes is too little');
is(request($port, 'DELETE', '/billing', @bound)->header('Allow'),
   'GET, HEAD, POST, PUT', 'a method that no rule covers');

my @team = map { [ key('--permissions', 'read', '--plan', 'team', '--org',
                       'acme') ] } 1 .. 2;

# all three of them in the same minute

my @left;

do {
    my @r = (get($port, '/reports/one', @{$team[0]}),
             get($port, '/reports/all', @{$team[1]}),
             get($port, '/reports/one', @{$team[0]}));
    my %reset = map { $_->header('X-RateLimit-Reset') => 1 } @r;

    @left = %reset == 1 ? map { $_->header('X-RateLimit-Remaining') } @r : ();
} until @left;

is($left[0] - $left[1], 10, 'a batch counts ten');
is($left[1] - $left[2], 1, 'a team shares its limits');

my @llm = key('--permissions', 'full');
my @tokens = ('X-Echo-Header' => 'X-Tokens: 12345');

$r = get($port, '/completions', @llm, @tokens);
is($r->header('X-RateLimit-Remaining'), 9999, 'a completion counts one');
like($r->header('RateLimit'), qr/^"60";r=9999;t=/, 'and so says the IETF');
is($r->header('X-Tokens'), undef, 'what it has cost is not shown');
ok(wait_for(sub {
    get($port, '/completions', @llm, @tokens)->status == 429
}), 'but charged: who is in debt is refused');

is(get($port, '/catalog')->header('X-RateLimit-Limit'), 10,
   '/catalog without a key');
is(get($port, '/catalog', 'X-API-Key' => 'wrong')->status, 401,
   'but not with a bad one');

my $old = '{"key":"an-old-key","id":"old-client","scopes":["*:*"]}';

is(apikey({ stdin => "$old\n" }, 'import', '-')->{exit}, 0, 'an import');
is(get($port, '/v1/x?api_key=an-old-key')->status, 200, 'an imported key');
$r = get($port, '/v1/limits?api_key=an-old-key');
is($r->status, 200, '/v1/limits');
like($r->body, qr/^\{"id":"old-client",.*"limit":60,"used":1,/,
     'tells it what it has used');
is(get($port, '/users', 'X-API-Key' => 'an-old-key')->status, 401,
   'only where any form is accepted');

my @two = key('--permissions', 'full', '--limits', '1/25920000');

is_deeply([ map { get($port, '/v2/x', @two)->status } 1 .. 2 ], [ 200, 200 ],
          'nothing is refused in a dry run');
is(get($port, '/users', @two)->status, 429, 'but elsewhere');

my $c = dial($port);

$c->send("GET /events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
         . "Connection: Upgrade\r\nX-API-Key: $llm[1]\r\n\r\n");
is($c->response('GET')->status, 101, 'a WebSocket');
$c->close;

is(get($port, '/problems')->header('Content-Type'), 'application/problem+json',
   'a problem');

$r = get($port, '/downloads/x');
is($r->status, 401, 'a page of our own keeps the status');
is($r->body, 'a page of our own', 'and is what is sent');

like(get($port, '/apikey/metrics')->body,
     qr/^apikey_requests_total\{result="tenant"\} 1$/m, 'metrics');

my $log = $nginx->access_log;

like($log, qr{ 200 .* key=$user->{id} org=acme plan=free result=ok left=59/60 },
     'the log names the key by its id');
like($log, qr/GET \/v1\/x\?api_key=\*\*\* HTTP.* key=old-client /,
     'and hides the one of the query');
like($log, qr/GET \/v2\/x .* result=dry_run /,
     'and tells what a dry run would have refused');
unlike($log, qr/an-old-key|$user->{key}/, 'no key is in it');

done_testing();
