#!/usr/bin/perl

# The commands that README.md gives for keys of other gateways, as they stand
# there, on exports of those gateways: the keys work then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $readme = slurp("$Test::Apikey::ROOT/README.md");
my $bin = Test::Apikey::dir() . '/bin';

mkdir $bin or die "$bin: $!";


# What the commands call: programs that answer as the gateways do.

sub program {
    my ($name, $text) = @_;

    chmod 0755, file("bin/$name", "#!/bin/sh\n$text");
}

sub recipe {
    my ($heading) = @_;
    my ($section) = $readme =~ /^### \Q$heading\E\n(.*?)^#/ms or die $heading;
    my ($command) = $section =~ /^((?:    .*\n)+)/m or die $heading;

    $redis->cmd('FLUSHALL');
    local $ENV{PATH} = "$bin:$ENV{PATH}";
    local @ENV{qw(ADMIN_KEY TYK_SECRET)} = ('secret') x 2;

    return run('bash', '-e', '-c', 'cd "$0" && set -o pipefail && ' . $command,
               Test::Apikey::dir());
}

sub keys_now {
    return { map { $_->{name} => $_ }
                 @{decode_json(apikey('--json', 'list')->{out})} };
}

sub valid { apikey({ stdin => $_[0] }, 'verify')->{exit} == 0 }

program('apikey', "exec $Test::Apikey::BUILD/apikey --redis ${\ $redis->url} "
        . "--pepper-file ${\ Test::Apikey::pepper_file()} \"\$@\"\n");


# Kong: as deck writes it.

program('deck', <<'SH');
test "$*" = 'gateway dump --format json -o kong.json' || exit 2
cat > kong.json <<'JSON'
{
  "_format_version": "3.0",
  "_info": { "defaults": {} },
  "consumers": [
    {
      "custom_id": "c-17", "username": "ariel",
      "acls": [ { "group": "gold" } ],
      "keyauth_credentials": [
        { "key": "ariel-key" },
        { "created_at": 1734329245, "ttl": 3000000000, "tags": [ "t" ],
          "id": "6b9443ae-73f0-4db6-af00-4f1e3a415dbb",
          "key": "4174348a-9222-4e81-b33e-5d72d2fd7f1e" }
      ]
    },
    { "custom_id": "only-an-id", "keyauth_credentials": [ { "key": "k3" } ] },
    { "username": "rosario", "jwt_secrets": [ { "key": "no-key-auth" } ] }
  ],
  "services": [ { "host": "example.com", "name": "s", "port": 80 } ]
}
JSON
SH

my $r = recipe('From Kong');
is($r->{out}, "3 imported, 0 known already, 0 refused\n", 'Kong')
    or diag $r->{err};
ok(valid($_), $_) for qw(ariel-key 4174348a-9222-4e81-b33e-5d72d2fd7f1e k3);

my $key = decode_json(apikey('--json', 'show',
                             '6b9443ae-73f0-4db6-af00-4f1e3a415dbb')->{out});
is_deeply([ @$key{qw(name created expires scopes)} ],
          [ 'ariel', 1734329245, 4734329245, [ '*:*' ] ],
          'with what is known of it');
ok(keys_now()->{'only-an-id'}, 'a consumer without a name');


# APISIX: as its admin API answers.

program('curl', <<'SH');
test "$*" = '-s -H X-API-KEY: secret http://127.0.0.1:9180/apisix/admin/consumers' || exit 2
cat <<'JSON'
{"total":4,"list":[
{"key":"/apisix/consumers/jack","createdIndex":12,"modifiedIndex":12,
 "value":{"username":"jack","create_time":1737451569,"update_time":1737451570,
  "plugins":{"key-auth":{"key":"auth-one"},
             "limit-count":{"count":200,"time_window":60,"key":"remote_addr","policy":"local"}}}},
{"key":"/apisix/consumers/tom","createdIndex":14,"modifiedIndex":14,
 "value":{"username":"tom","create_time":1737451569,"plugins":{"basic-auth":{"username":"tom","password":"x"}}}},
{"key":"/apisix/consumers/jill","createdIndex":15,"modifiedIndex":15,
 "value":{"username":"jill","create_time":1737451569,"desc":"with credentials"}},
{"key":"/apisix/consumers/jill/credentials/cred-jill","createdIndex":16,"modifiedIndex":16,
 "value":{"id":"cred-jill","create_time":1737451600,"plugins":{"key-auth":{"key":"auth-two"}}}}
]}
JSON
SH

$r = recipe('From APISIX');
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'APISIX')
    or diag $r->{err};
ok(valid($_), $_) for qw(auth-one auth-two);
is_deeply([ @{keys_now()->{jack}}{qw(id limits created)} ],
          [ 'jack', '200r/m', 1737451569 ], 'with its limit');
is(keys_now()->{jill}{id}, 'cred-jill', 'a credential of a consumer');


# Tyk: as its gateway API answers.

program('curl', <<'SH');
test "$1 $2 $3" = '-s -H X-Tyk-Authorization: secret' || exit 2
case "$4" in
http://127.0.0.1:8080/tyk/keys)
    echo '{"keys":["54b53d3aeba6db5c3500000289a8fbc2","custom-key"]}' ;;
http://127.0.0.1:8080/tyk/keys/custom-key)
    cat <<'JSON' ;;
{"last_check":0,"allowance":1000,"rate":1000,"per":60,"expires":0,"quota_max":-1,"quota_renews":1458667309,
"quota_remaining":-1,"quota_renewal_rate":3600,"access_rights":{},"org_id":"","is_inactive":true,
"apply_policies":[],"tags":[],"alias":""}
JSON
http://127.0.0.1:8080/tyk/keys/54b53d3aeba6db5c3500000289a8fbc2)
    cat <<'JSON' ;;
{"last_check":0,"allowance":5,"rate":5,"per":1,"expires":3789504000,"quota_max":1000,"quota_renews":1458667309,
"quota_remaining":1000,"quota_renewal_rate":3600,"access_rights":{"e1d2":{"api_name":"Closed","api_id":"e1d2",
"versions":["Default"],"allowed_urls":null}},"org_id":"53ac07777cbb8c2d53000002","oauth_client_id":"",
"hmac_enabled":false,"is_inactive":false,"apply_policy_id":"","apply_policies":["59672779fa4387000129507d"],
"data_expires":0,"monitor":{"trigger_limits":null},"meta_data":{"test":"x"},"tags":["t"],"alias":"jo@example.com"}
JSON
*)  exit 2 ;;
esac
SH

$r = recipe('From Tyk');
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'Tyk')
    or diag $r->{err};
ok(valid('54b53d3aeba6db5c3500000289a8fbc2'), 'a key of Tyk');

my $keys = keys_now();
my ($other) = grep { $_ ne 'jo@example.com' } keys %$keys;

is_deeply([ @{$keys->{'jo@example.com'}}{qw(org plan limits expires status)} ],
          [ '53ac07777cbb8c2d53000002', '59672779fa4387000129507d',
            '5r/s 1000r/h', 3789504000, 'active' ], 'with its limits');
is_deeply([ @{$keys->{$other}}{qw(org plan limits expires status)} ],
          [ undef, undef, '1000r/m', undef, 'disabled' ],
          'and one with hardly any');

done_testing();
