#!/usr/bin/perl

# Who comes from Tyk brings sessions beside their keys: rates and quotas become
# limits that do the same, whatever Tyk has put into them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json encode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();


sub import_tyk {
    my ($text, @args) = @_;

    $redis->cmd('FLUSHALL');

    return apikey({ stdin => $text }, 'import', '--from', 'tyk', '-', @args);
}

sub keys_now {
    return { map { $_->{name} => $_ }
                 @{decode_json(apikey('--json', 'list')->{out})} };
}

sub valid { apikey({ stdin => $_[0] }, 'verify')->{exit} == 0 }


# A session as the gateway's API answers it, beside its key.

my $session = <<'JSON';
{"last_check":0,"allowance":5,"rate":5,"per":1,"expires":3789504000,
"quota_max":1000,"quota_renews":1458667309,"quota_remaining":1000,
"quota_renewal_rate":3600,"access_rights":{"e1d2":{"api_name":"Closed",
"api_id":"e1d2","versions":["Default"],"allowed_urls":null}},
"org_id":"53ac07777cbb8c2d53000002","oauth_client_id":"",
"basic_auth_data":{"password":"","hash_type":""},"jwt_data":{"secret":""},
"hmac_enabled":false,"hmac_string":"","is_inactive":false,
"apply_policy_id":"","apply_policies":["59672779fa4387000129507d","second"],
"data_expires":0,"monitor":{"trigger_limits":null},
"meta_data":{"test":"x"},"tags":["t"],"alias":"jo@example.com"}
JSON

my $r = import_tyk(qq({"54b53d3aeba6db5c3500000289a8fbc2":\n$session}\n)
    . '{"apikey-custom-key": {"rate": 1000, "per": 60, "expires": 0,'
    . '"quota_max": -1, "quota_renewal_rate": 3600, "org_id": "",'
    . '"is_inactive": true, "alias": "other"}}');

is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'two sessions')
    or diag $r->{err};
ok(valid('54b53d3aeba6db5c3500000289a8fbc2'), 'a key of Tyk');

my $keys = keys_now();

is_deeply([ @{$keys->{'jo@example.com'}}{qw(org plan limits expires status)} ],
          [ '53ac07777cbb8c2d53000002', '59672779fa4387000129507d',
            '5r/s 1000r/h', 3789504000, 'active' ], 'with its limits');
is_deeply([ @{$keys->{other}}{qw(org plan limits expires status)} ],
          [ undef, undef, '1000r/m', undef, 'disabled' ],
          'and one with hardly any');
like($r->{err}, qr/line 2: imported without its policies "second", its access/,
     'a key has one plan');
like($r->{err}, qr/ its access rights to "e1d2", its tags "t", its meta_data/,
     'what else is lost is named');


# Limits that would be refused as they are.

sub limits {
    my (%session) = @_;

    $r = import_tyk(encode_json({ key => { alias => 'a', %session } }));

    return keys_now()->{a}{limits};
}

is(limits(rate => 1000, per => 3600, quota_max => 500,
          quota_renewal_rate => 3600), '500r/h',
   'a rate and a quota over the same time');
is(limits(rate => 1000, per => 60, quota_max => 500,
          quota_renewal_rate => 3600), '500r/h',
   'a rate that the quota never lets come true');
is(limits(rate => 0.5, per => 1), '1/2', 'a rate below one');
is(limits(rate => 2.5, per => 60), '5r/2m', 'half a request');
is(limits(rate => 1000, per => 1, quota_max => 1000,
          quota_renewal_rate => 3600), '1000r/s 1000r/h', 'Tyk\'s own sample');
is(limits(rate => -1, per => -1, quota_max => -1, quota_renewal_rate => -1),
   undef, 'none at all');

# A quota that is never renewed isn't one that is renewed.

my $limits = limits(rate => 10, per => 1, quota_max => 1000,
                    quota_renewal_rate => 0) // '';

ok($limits eq '10r/s 1000r/total'
   || $r->{err} =~ m{line 1: limits "10/1 1000r/total": },
   'a quota that is never renewed') or diag $r->{err};


# As the Dashboard answers.

$r = import_tyk(qq({"keys":[{"key_id":"dash-key","data":$session},)
                . qq({"key_hash":"0123456789abcdef","data":$session}],)
                . '"pages":1}');
is($r->{out}, "1 imported, 0 known already, 1 refused\n", 'the Dashboard');
ok(valid('dash-key'), 'its keys work');
like($r->{err}, qr/key: is known to Tyk by its hash only/, 'but not hashes');


# What is no key, or not all of it.

for my $case (
    [ '{"keys":["k1","k2"]}', 'a key without its session', 2 ],
    [ $session, 'a session without its key', 1 ],
    [ '{"5c0ffee5":{"rate":1}}', 'key: is known to Tyk by its hash only', 1 ],
    [ '{"jo":{"rate":1,"basic_auth_data":{"password":"x"}}}',
      'a user of basic authentication', 1 ],
    [ '{"k":{"rate":1,"hmac_enabled":true}}', 'signs requests by HMAC', 1 ],
    [ '{"k":{"colour":1}}', 'not a session of Tyk', 1 ],
) {
    $r = import_tyk($case->[0]);
    is($r->{out}, "0 imported, 0 known already, $case->[2] refused\n",
       $case->[1]);
    like($r->{err}, qr/line 1: \Q$case->[1]\E/, 'is why');
}

done_testing();
