#!/usr/bin/perl

# What a refused client sees: status, headers and body.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my ($port, $lonely) = map { free_port() } 1 .. 2;
my $nobody = 1;         # no test listens there


sub conf {
    my ($port) = @_;
    my $text = '';

    for my $form (qw(json problem off)) {
        $text .= <<"CONF";
        location /$form {
            apikey_error $form;
            apikey_methods GET POST;
            apikey_require users:read;
            proxy_pass http://127.0.0.1:$up->{port};
        }
CONF
    }

    return <<"CONF";
    apikey_plan single 1/25920000;

    server {
        listen 127.0.0.1:$port;
        apikey on;
        $text

        location /default {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /realm {
            apikey_realm "billing v2";
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF
}


nginx(conf($port));
nginx("apikey_redis 127.0.0.1:$nobody;\n" . conf($lonely));

my $key = create_key('--permissions', 'read')->{key};
my $weak = create_key('--scope', 'projects:read')->{key};
my $spent = create_key('--permissions', 'read', '--plan', 'single')->{key};

get($port, '/json', 'X-API-Key' => $spent)->status == 200 or die;
$up->forget;

my $unknown = create_key('--permissions', 'read');
apikey('delete', $unknown->{id})->{exit} and die;

my $challenge = qr/^ApiKey realm="api"$/;

my @refusals = (
    # what, port, method, key, status, title, message, headers of its own

    [ 'missing', $port, 'GET', undef, 401, 'Unauthorized',
      'Missing API key', { 'WWW-Authenticate' => $challenge } ],

    [ 'malformed', $port, 'GET', 'rubbish', 401, 'Unauthorized',
      'Invalid API key', { 'WWW-Authenticate' => $challenge } ],

    [ 'unknown', $port, 'GET', $unknown->{key}, 401, 'Unauthorized',
      'Invalid API key', { 'WWW-Authenticate' => $challenge } ],

    [ 'scope', $port, 'GET', $weak, 403, 'Forbidden',
      'Insufficient permissions', {} ],

    [ 'method', $port, 'PUT', $key, 405, 'Method Not Allowed',
      'Method not allowed', { 'Allow' => qr/^GET, HEAD, POST$/ } ],

    [ 'limited', $port, 'GET', $spent, 429, 'Too Many Requests',
      'Rate limit exceeded',
      { 'Retry-After' => qr/^[1-9]\d*$/, 'X-RateLimit-Limit' => qr/^1$/,
        'X-RateLimit-Remaining' => qr/^0$/,
        'X-RateLimit-Reset' => qr/^\d{10}$/ } ],

    [ 'unavailable', $lonely, 'GET', $key, 503, 'Service Unavailable',
      'API key service unavailable', { 'Retry-After' => qr/^[1-9]\d*$/ } ],
);

my @own = qw(WWW-Authenticate Allow Retry-After X-RateLimit-Limit
             X-RateLimit-Remaining X-RateLimit-Reset RateLimit
             RateLimit-Policy);

my %type = (json => 'application/json', problem => 'application/problem+json',
            off => 'text/html');


for my $refusal (@refusals) {
    my ($what, $port, $method, $key, $status, $title, $message, $headers)
        = @$refusal;
    my @key = defined $key ? ('X-API-Key' => $key) : ();

    for my $form (qw(json problem off)) {
        my $name = "$what, $form";
        my $r = request($port, $method, "/$form", @key);

        is($r->status, $status, "$name: $status");
        is_deeply([ $r->all('Content-Type') ], [ $type{$form} ],
                  "$name: Content-Type");
        is_deeply([ $r->all('Cache-Control') ], [ 'no-store' ],
                  "$name: is not to be stored");
        is($r->header('Content-Length'), length $r->body,
           "$name: Content-Length");

        for (@own) {
            my @values = $r->all($_);

            if (!$headers->{$_}) {
                is(@values, 0, "$name: no $_");
                next;
            }

            is(@values, 1, "$name: $_ once");
            like($values[0], $headers->{$_}, "$name: its value");
        }

        if ($form eq 'json') {
            is($r->body, qq({"statusCode":$status,"message":"$message"}),
               "$name: body");

        } elsif ($form eq 'problem') {
            is_deeply($r->json, { type => 'about:blank', title => $title,
                                  status => $status, detail => $message },
                      "$name: body");
        } else {
            like($r->body, qr/<center>nginx/, "$name: nginx's own page");
        }

        next if $method ne 'GET';

        my $head = request($port, 'HEAD', "/$form", @key);

        is($head->status, $status, "$name: HEAD, the same status");
        is(told($head), told($r), "$name: HEAD, the same headers");
    }
}

# The head but for what goes with the time.

sub told {
    my ($r) = @_;
    my $head = $r->head;

    $head =~ s/^(Date|Retry-After):.*\r\n//mg;

    return $head;
}


# HEAD has no body on the wire either: the connection goes on.

my $c = dial($port);

for (1 .. 2) {
    $c->send("HEAD /json HTTP/1.1\r\nHost: localhost\r\n\r\n"
             . "GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n");

    my $head = $c->response('HEAD');
    my $get = $c->response('GET');

    is($head->status, 401, 'HEAD on a connection that is kept');
    is($get->body, '{"statusCode":401,"message":"Missing API key"}',
       'the response behind it begins where it should');
}


# What nobody has configured.

is(get($port, '/default')->header('Content-Type'), 'application/json',
   'JSON is the default');
is(get($port, '/realm')->header('WWW-Authenticate'),
   'ApiKey realm="billing v2"', 'apikey_realm');

my @old = map { get($port, '/json', 'X-API-Key' => $_)->body }
          'rubbish', $unknown->{key};
is($old[0], $old[1], 'a key of no form and an unknown one get one answer');

is(scalar $up->requests, 0, 'no refused request came through');

done_testing();
