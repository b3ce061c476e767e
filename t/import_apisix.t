#!/usr/bin/perl

# Who comes from APISIX brings what its Admin API answers, a file of the
# standalone mode or of ADC, or what etcd holds: keys of consumers and of
# credentials work, with the limits of their consumers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();


sub import_apisix {
    my ($text, @args) = @_;

    $redis->cmd('FLUSHALL');

    return apikey({ stdin => $text }, 'import', '--from', 'apisix', '-',
                  @args);
}

sub keys_now {
    return { map { $_->{id} => $_ }
                 @{decode_json(apikey('--json', 'list')->{out})} };
}

sub valid { apikey({ stdin => $_[0] }, 'verify')->{exit} == 0 }


# The Admin API.

my $r = import_apisix(<<'JSON');
{"total":6,"list":[
{"key":"/apisix/consumers/jack","createdIndex":12,"modifiedIndex":12,
 "value":{"username":"jack","create_time":1737451569,"update_time":1737451570,
  "plugins":{"key-auth":{"key":"auth-one"},
             "limit-count":{"count":200,"time_window":60,
                            "key":"remote_addr","policy":"local"}}}},
{"key":"/apisix/consumers/tom","createdIndex":14,"modifiedIndex":14,
 "value":{"username":"tom",
          "plugins":{"basic-auth":{"username":"tom","password":"x"}}}},
{"key":"/apisix/consumers/jill","createdIndex":15,"modifiedIndex":15,
 "value":{"username":"jill","create_time":1737451569,
  "plugins":{"limit-count":{"rules":[
     {"count":10,"time_window":1,"key":"${consumer_name}"},
     {"count":"1000","time_window":"3600","key":"${consumer_name} h"}],
    "policy":"redis","redis_host":"10.0.0.1"},
   "limit-conn":{"conn":5,"burst":1,"key":"consumer_name"}}}},
{"key":"/apisix/consumers/jill/credentials/cred-jill","createdIndex":16,
 "value":{"id":"cred-jill","create_time":1737451600,
          "plugins":{"key-auth":{"key":"c2l4dGVlbiBieXRlcyEhIQ=="}}}},
{"key":"/apisix/consumers/vic","createdIndex":17,
 "value":{"username":"vic","plugins":{"key-auth":{"key":"auth-vic"},
  "limit-count":{"count":"${http_count}","time_window":60}}}},
{"key":"/apisix/consumers/pam","createdIndex":18,
 "value":{"username":"pam",
          "plugins":{"key-auth":{"key":"$secret://vault/1/pam/key"}}}}
]}
JSON

is($r->{exit}, 1, 'an answer of the Admin API');
is($r->{out}, "2 imported, 0 known already, 2 refused\n", 'is imported')
    or diag $r->{err};
ok(valid($_), "$_ works") for qw(auth-one c2l4dGVlbiBieXRlcyEhIQ==);

my $keys = keys_now();

is_deeply([ @{$keys->{jack}}{qw(name limits created scopes)} ],
          [ 'jack', '200r/m', 1737451569, [ '*:*' ] ], 'with its limit');
is_deeply([ @{$keys->{'cred-jill'}}{qw(name limits created)} ],
          [ 'jill', '10r/s 1000r/h', 1737451600 ],
          'a credential has the rules of its consumer');

like($r->{err}, qr/line 3: imported without counting by "remote_addr"$/m,
     'that it counted addresses is said');
like($r->{err}, qr/line 18: imported without its plugin "limit-conn"$/m,
     'what can\'t be had is named');
like($r->{err}, qr/line 8: consumer "tom" has no key of key-auth$/m,
     'other credentials');
like($r->{err}, qr/line 21: limit-count: "\$\{http_count\}" is not a number$/m,
     'a variable is no limit');
like($r->{err}, qr/line 24: key: is a reference, "\$secret:\/\/\.\.\.", to/,
     'a reference is no key');
unlike($r->{err}, qr/auth-|c2l4/, 'no key is shown');


# One consumer's credentials, and one key.

$r = import_apisix(<<'JSON', '--plan', 'pro');
{"total":1,"list":[{"key":"/apisix/consumers/jill/credentials/c1",
 "value":{"id":"c1","plugins":{"key-auth":{"key":"auth-two"}}}}]}
{"key":"/apisix/consumers/vic","value":{"username":"vic",
 "plugins":{"key-auth":{"key":"auth-vic","_meta":{"disable":true}},
            "limit-count":{"count":"$x","time_window":60}}}}
JSON
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'two answers')
    or diag $r->{err};
is(keys_now()->{c1}{name}, 'jill', 'the name is in its path');
is_deeply([ @{keys_now()->{vic}}{qw(plan status limits)} ],
          [ 'pro', 'disabled', undef ],
          'with --plan, the limits of the file don\'t matter');


# apisix.yaml, and ADC's.

$r = import_apisix(<<'YAML');
consumers:
  - username: jack
    plugins:
      key-auth:
        key: auth-one
  - id: jack/credentials/second
    plugins:
      key-auth:
        key: auth-two
#END
YAML
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'apisix.yaml')
    or diag $r->{err};
is(keys_now()->{second}{name}, 'jack', 'with a credential');

$r = import_apisix(<<'YAML');
services: []
consumers:
  - username: jack
    plugins:
      limit-count:
        count: 5
        time_window: 30
        key: consumer_name
    credentials:
      - name: one
        type: key-auth
        config:
          key: auth-one
      - name: two
        type: jwt-auth
        config:
          key: other
consumer_groups:
  - name: gold
    plugins: {}
    consumers:
      - username: jane
        credentials:
          - name: three
            type: key-auth
            config: { key: auth-three }
YAML
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'adc dump')
    or diag $r->{err};
is(keys_now()->{one}{limits}, '5/30', 'with the limits of its consumer');
like($r->{err}, qr/line 14: a credential of "jack" isn't one of key-auth$/m,
     'other credentials');


# etcd has keys that are encrypted, which is seen.

$r = import_apisix(<<'JSON');
{"username":"jack","plugins":{"key-auth":{"key":"lDJJR5NH8B3gssvm2/IW6w=="}}}
{"username":"jane","plugins":{"key-auth":{"key":"auth-three"}}}
JSON
is($r->{out}, "1 imported, 0 known already, 1 refused\n", 'etcd\'s values');
like($r->{err}, qr/line 1: key: is encrypted, as etcd holds it/, 'and why');

$r = import_apisix('{"services":[]}');
like($r->{err}, qr/line 1: no consumers of APISIX$/m, 'nothing of APISIX');
is($r->{exit}, 1, 'is refused');

done_testing();
