#!/usr/bin/perl

# Plans that the keys of an organization or a project share.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $long = 25920000;

my $redis = redis();
my $up = upstream();
my $port = free_port();

nginx(<<"CONF");
    apikey_plan org 4/$long per=org;
    apikey_plan org2 4/$long per=org;
    apikey_plan project 4/$long per=project;
    apikey_plan slide 4/$long per=org algorithm=sliding;
    apikey_plan single 4/$long per=key;
    apikey_plan short 4/2 per=org;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /default {
            apikey_default_plan org;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

sub key { create_key('--permissions', 'full', @_) }

sub asked {
    my ($key, $uri) = @_;
    my $r = get($port, $uri || '/', 'X-API-Key' => $key->{key});

    return $r->status . ' ' . $r->header('X-RateLimit-Remaining');
}


for my $plan (qw(org slide)) {
    my @acme = map { key('--plan', $plan, '--org', 'acme') } 1 .. 2;
    my $other = key('--plan', $plan, '--org', 'acm');

    is(asked($acme[0]), '200 3', "$plan: a key of an organization");
    is(asked($acme[1]), '200 2', "$plan: another key of it");
    is(asked($other), '200 3', "$plan: a key of another organization");
    is(asked($acme[0]), '200 1', "$plan: the first again");
    is(asked($acme[1]), '200 0', "$plan: the last one");
    is(asked($acme[0]), '429 0', "$plan: reached for one key");
    is(asked($acme[1]), '429 0', "$plan: and for the other");
    is(asked($other), '200 2', "$plan: not for the other organization");
}


# Who shares with whom.

my $acme = key('--plan', 'org2', '--org', 'acme');
is(asked($acme), '200 3', 'another plan has its own count');

is(asked(key('--org', 'acme'), '/default'), '429 0',
   'a default plan is the same one');

my @single = map { key('--plan', 'single', '--org', 'acme') } 1 .. 2;
is(asked($single[0]), '200 3', 'per=key: a key');
is(asked($single[1]), '200 3', 'per=key: another one of the organization');

my $own = key('--plan', 'org', '--org', 'acme', '--limits', "2/$long");
is(asked($own), '200 1', 'limits of its own are not shared');

my @free = map { key('--plan', 'org') } 1 .. 2;
is(asked($free[0]), '200 3', 'a key without an organization');
is(asked($free[1]), '200 3', 'is counted by itself');

my @project = map { key('--plan', 'project', '--project', 'apollo') } 1 .. 2;
my $gemini = key('--plan', 'project', '--project', 'gemini');
is(asked($project[0]), '200 3', 'per=project: a key');
is(asked($project[1]), '200 2', 'another one of the project');
is(asked($gemini), '200 3', 'one of another project');

my $same = key('--plan', 'project', '--project', 'acme', '--org', 'acme');
is(asked($same), '200 3', 'a project of the same name as an organization');


# A shared count outlives no key, but no longer than it is of use.

is(apikey('revoke', $acme->{id})->{exit}, 0, 'revoke');
is(get($port, '/', 'X-API-Key' => $acme->{key})->status, 401,
   'a revoked key of an organization');
is(asked(key('--plan', 'org2', '--org', 'acme')), '200 2',
   'a new key finds what is used, but for what was refused');

my ($ttl) = grep { $_ > 0 } map { $redis->cmd('TTL', $_) }
                                @{$redis->cmd('KEYS', '*{acme}*')};
cmp_ok($ttl, '>', $long, 'a shared count stays longer than its window');
cmp_ok($ttl, '<=', 2 * $long, 'but not for ever');

my $brief = key('--plan', 'short', '--org', 'brief');

ok(wait_for(sub {
    asked($brief);
    @{$redis->cmd('KEYS', '*{brief}*')} == 1;
}, 60), 'a short one is there');
ok(wait_for(sub { !@{$redis->cmd('KEYS', '*{brief}*')} }, 60),
   'and goes by itself');

done_testing();
