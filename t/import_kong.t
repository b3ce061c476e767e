#!/usr/bin/perl

# Who comes from Kong brings the file that decK dumps, YAML or JSON, or that
# "kong config db_export" writes: the keys work, live as long and have the same
# limits; what they can't have here is named by their line.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();


sub import_kong {
    my ($text, @args) = @_;

    return apikey({ stdin => $text }, 'import', '--from', 'kong', '-', @args);
}

sub named {
    my ($name) = @_;
    my @keys = grep { $_->{name} eq $name }
               @{decode_json(apikey('--json', 'list')->{out})};

    return @keys == 1 ? $keys[0] : {};
}

sub valid { apikey({ stdin => $_[0] }, 'verify')->{exit} == 0 }


# deck gateway dump

my $yaml = <<'YAML';
_format_version: "3.0"
_info:
  defaults: {}
consumers:
- acls:
  - group: gold
  custom_id: c-17
  keyauth_credentials:
  - key: ariel-key
    tags:
    - mobile
    ttl: 86400
  plugins:
  - config:
      day: null
      error_code: 429
      fault_tolerant: true
      hour: 1000
      limit_by: consumer
      minute: 60
      policy: local
    enabled: true
    name: rate-limiting
    protocols:
    - http
    - https
  username: ariel
- keyauth_credentials:
  - key: "0123456"
  - key: '{vault://env/rosario}'
  plugins:
  - config:
      limit:
      - 10
      - 5
      window_size:
      - 60
      - 3600
      window_type: sliding
    name: rate-limiting-advanced
  - config: {}
    name: request-size-limiting
  username: "Zo\xEB\U0001F600"
- jwt_secrets:
  - key: no-key-auth
  username: bob
services:
- host: example.com
  name: s
  plugins:
  - name: key-auth
YAML

my $r = import_kong($yaml, '--dry-run');
is($r->{exit}, 1, 'tried first: a row is refused');
is($r->{out}, "2 to be imported, 0 known already, 1 refused\n",
   'and what would be done is said');
is_deeply($redis->cmd('KEYS', '*'), [], 'but nothing is');

my $before = time;
$r = import_kong($yaml);
is($r->{out}, "2 imported, 0 known already, 1 refused\n", 'YAML of decK')
    or diag $r->{err};
ok(valid($_), "$_ works") for qw(ariel-key 0123456);

my $key = named('ariel');
my $left = $key->{expires} - $before;

ok($left >= 86400 && $left < 86400 + 600, 'ttl is what is left of its life');
is_deeply([ @$key{qw(limits scopes status)} ],
          [ '60r/m 1000r/h', [ '*:*' ], 'active' ], 'its limits');
is(named("Zo\x{eb}\x{1f600}")->{limits}, '5r/h algorithm=sliding',
   'a limit that never decides is left out');

like($r->{err}, qr/line 9: imported without its custom_id "c-17", its tags/,
     'what is lost is named');
like($r->{err}, qr/line 9: .*, its tags "mobile", its ACL groups "gold"$/m,
     'each of it');
like($r->{err}, qr/line 29: .* its plugin "request-size-limiting", counting/,
     'of each key');
like($r->{err}, qr/line 29: .*, counting its consumer's keys together$/m,
     'and that each has the limit for itself');
like($r->{err}, qr/line 30: key: is a reference, "\{vault:\/\/\.\.\.", to/,
     'a reference isn\'t a key');
like($r->{err}, qr/line 44: consumer "bob" has no key of key-auth$/m,
     'nor are other credentials');
unlike($r->{err}, qr/ariel-key|0123456/, 'no key is shown');

$r = import_kong($yaml);
is($r->{out}, "0 imported, 2 known already, 1 refused\n",
   'once more, though what is left has become less');


# The same as JSON; one plan in place of the file's limits, and other scopes.

$redis->cmd('FLUSHALL');
$r = import_kong(<<'JSON', '--plan', 'pro', '--scope', 'projects:read');
{ "_format_version": "3.0",
  "consumers": [
    { "custom_id": "only-an-id", "keyauth_credentials": [ { "key": "k3" } ],
      "plugins": [ { "name": "rate-limiting", "config": { "minute": 5 } } ] },
    { "username": "\ud83d\ude00 \u00e9\/",
      "keyauth_credentials": [
        { "created_at": 1734329245, "ttl": 3000000000,
          "id": "6b9443ae-73f0-4db6-af00-4f1e3a415dbb",
          "key": "4174348a-9222-4e81-b33e-5d72d2fd7f1e" } ] } ] }
JSON

is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'JSON of decK')
    or diag $r->{err};
is_deeply([ @{named('only-an-id')}{qw(plan limits scopes)} ],
          [ 'pro', undef, [ 'projects:read' ] ], 'as the operator wants them');

$key = named("\x{1f600} \x{e9}/");
is_deeply([ @$key{qw(id created)} ],
          [ '6b9443ae-73f0-4db6-af00-4f1e3a415dbb', 1734329245 ],
          'with what is known of it');
cmp_ok($key->{expires}, '>=', $before + 3000000000,
       'ttl counts from now, not from its creation');


# kong config db_export

$redis->cmd('FLUSHALL');
$r = import_kong(<<'YAML');
_format_version: '3.0'
_transform: false
consumers:
- id: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  username: mia
  custom_id: ~
acls:
- group: silver
  consumer: 59d1ef15-24a5-4373-b957-e8192c15ff6e
plugins:
- name: rate-limiting
  enabled: true
  consumer: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  service: ~
  config:
    second: 5
- name: rate-limiting
  enabled: true
  consumer: ~
  config:
    second: 1
keyauth_credentials:
- created_at: 1734329245
  key: mia-key
  tags: ~
  id: 6b9443ae-73f0-4db6-af00-4f1e3a415dbb
  consumer: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  ttl: ~
YAML

is($r->{out}, "1 imported, 0 known already, 0 refused\n", 'an export of Kong')
    or diag $r->{err};
is_deeply([ @{named('mia')}{qw(limits expires)} ], [ '5r/s', undef ],
          'with the limits of its consumer alone');
like($r->{err}, qr/line 23: imported without its ACL groups "silver"$/m,
     'and its groups named');


# Files that aren't what they should be: by the line, and nothing is done.

for my $case (
    [ "consumers:\n- a: [1\n", qr/line 3: did not find expected/ ],
    [ "consumers:\n- &a {}\n- *a\n", qr/line 3: an alias of YAML/ ],
    [ "services: []\n", qr/line 1: no "consumers" of Kong/ ],
    [ '{"consumers":[{"keyauth_credentials":[{"key":"secret-1"}',
      qr/line \d+: did not find expected/ ],
) {
    $r = import_kong($case->[0]);
    is($r->{exit}, 1, "refused: $case->[1]");
    like($r->{err}, $case->[1], 'is why');
    unlike($r->{err}, qr/secret/, 'without the key');
}

is(import_kong($yaml, '--from', 'nginx')->{exit}, 2, '--from twice');
like(apikey({ stdin => '' }, 'import', '-', '--from', 'x')->{err},
     qr/must be kong, apisix, tyk, aws, unkey or zuplo/, 'no other gateway');

done_testing();
