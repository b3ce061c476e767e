#!/usr/bin/perl

# Who comes from a cloud brings AWS's CSV or its list of keys, or what Unkey's
# and Zuplo's APIs answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

my $redis = redis();
my $r;


sub import_from {
    my ($from, $text, @args) = @_;

    $redis->cmd('FLUSHALL');

    return apikey({ stdin => $text }, 'import', '--from', $from, '-', @args);
}

sub keys_now {
    return { map { $_->{name} => $_ }
                 @{decode_json(apikey('--json', 'list')->{out})} };
}

sub valid { apikey({ stdin => $_[0] }, 'verify')->{exit} == 0 }


# The CSV that AWS API Gateway imports: names in any case, columns that it
# doesn't know, quotes of both kinds.

$r = import_from('aws', <<"CSV" =~ s/\n/\r\n/gr);
Name,key,description,Enabled,usageplanIds,Owner
First,apikey1234abcdefghij0123456789,An imported key,TRUE,c7y23b,me
Second,apikey1234abcdefghij0123456790,,false,"c7y23b,glvrsr",me
Third,apikey1234abcdefghij0123456791,,true,'c7y23b,glvrsr,x1',
Fourth,apikey1234abcdefghij0123456792,,,,
Fifth,1.23E+29,,,,
Sixth,apikey1234abcdefghij0123456793
Seventh,apikey1234abcdefghij0123456794,,perhaps,,
CSV

is($r->{exit}, 1, 'AWS\'s CSV');
is($r->{out}, "4 imported, 0 known already, 3 refused\n", 'is imported')
    or diag $r->{err};
ok(valid('apikey1234abcdefghij012345678' . $_), "the key of line $_")
    for 9;
ok(!valid('apikey1234abcdefghij0123456790'), 'one that isn\'t enabled');

my $keys = keys_now();

is_deeply([ map { $keys->{$_}{plan} } qw(First Second Third Fourth) ],
          [ 'c7y23b', 'c7y23b', 'c7y23b', undef ], 'their usage plans');
is($keys->{Second}{status}, 'disabled', 'whether they are enabled');
like($r->{err}, qr/line 2: imported without its description$/m,
     'what is lost is named');
like($r->{err}, qr/line 4: .* its usage plan "glvrsr", its usage plan "x1"$/m,
     'a key has one plan');
like($r->{err}, qr/line 6: key: was shortened by a spreadsheet/,
     'a key that is none any more');
like($r->{err}, qr/line 7: 2 fields, but 6 columns$/m, 'a row cut short');
like($r->{err}, qr/line 8: enabled: neither true nor false$/m,
     'what isn\'t known');
like(import_from('aws', "Name\nFirst\n")->{err},
     qr/line 1: the first line names no column "key"$/m, 'no keys');


# aws apigateway get-api-keys --include-values

$r = import_from('aws', <<'JSON');
{ "items": [
    { "id": "2x4abc", "value": "apikey1234abcdefghij0123456789",
      "name": "First", "enabled": true, "stageKeys": [ "a1/prod" ],
      "createdDate": "2021-04-01T15:31:49-07:00",
      "lastUpdatedDate": "2021-04-01T15:31:49-07:00" },
    { "id": "2x4abd", "name": "Second", "enabled": false,
      "createdDate": 1556728489 } ] }
JSON
is($r->{out}, "1 imported, 0 known already, 1 refused\n", 'a list of AWS');
is_deeply([ @{keys_now()->{First}}{qw(id created status)} ],
          [ '2x4abc', 1617316309, 'active' ], 'with what is known');
like($r->{err}, qr/line 6: has no value: get-api-keys --include-values/,
     'a list without the keys');


# Unkey: /v2/apis.listKeys with decrypt.

$r = import_from('unkey', <<'JSON');
{"meta":{"requestId":"req_1"},"data":[
{"keyId":"key_1","start":"sk_abc","enabled":true,"name":"Production",
 "plaintext":"sk_abcdefghijklmnop","createdAt":1701425400000,
 "expires":3789504000000,"permissions":["documents.read","a:b"],
 "roles":["editor"],"identity":{"id":"id_1","externalId":"acme"},
 "ratelimits":[{"name":"requests","limit":100,"duration":60000},
               {"name":"burst","limit":1,"duration":500}],
 "credits":{"remaining":5}},
{"keyId":"key_2","start":"sk_xyz","enabled":false,"createdAt":1701425400000}
],"pagination":{"hasMore":false}}
JSON
is($r->{out}, "1 imported, 0 known already, 1 refused\n", 'Unkey')
    or diag $r->{err};
is_deeply([ @{keys_now()->{Production}}
              {qw(id org scopes limits created expires)} ],
          [ 'key_1', 'acme', [ 'documents:read', 'a:b' ], '2r/s 100r/m',
            1701425400, 3789504000 ], 'with its permissions and limits');
like($r->{err}, qr/line 2: imported without its roles "editor", its credits$/m,
     'what is lost is named');
like($r->{err}, qr/line 9: has no plaintext: list with decrypt/,
     'a key that isn\'t recoverable');


# Zuplo: consumers with include-api-keys=true&key-format=visible.

$r = import_from('zuplo', <<'JSON');
{"data":[
{"id":"csmr_1","name":"acme-corp","createdOn":"2023-04-18T05:54:34.408Z",
 "tags":{"plan":"enterprise"},"metadata":{"customerId":17},
 "apiKeys":[{"id":"key_1","key":"zpka_d67b7e241bb948758f415b79aa8ec_1",
             "createdOn":"2023-04-18T05:54:34.408Z",
             "expiresOn":"2090-01-31T00:00:00.000Z"},
            {"id":"key_2","key":"zpka_******_2"}]},
{"id":"csmr_2","name":"none"}
],"limit":1000,"offset":0,"total":2}
JSON
is($r->{out}, "1 imported, 0 known already, 1 refused\n", 'Zuplo')
    or diag $r->{err};
is_deeply([ @{keys_now()->{'acme-corp'}}{qw(id created expires)} ],
          [ 'key_1', 1681797274, 3789504000 ], 'with its times');
like($r->{err}, qr/line 4: .* its tags "plan", its metadata "customerId"$/m,
     'what is lost is named');
like($r->{err}, qr/line 7: its key isn't in it: list with key-format=visible/,
     'a masked key');


# A page of several isn't taken for all keys.

for my $case (
    [ 'zuplo', '{"data":[{"name":"a"}],"limit":1,"offset":0,"total":2}',
      'there are more pages, behind its offset' ],
    [ 'unkey', '{"data":[],"pagination":{"hasMore":true,"cursor":"x"}}',
      'there are more pages, behind its cursor' ],
) {
    my ($from, $text, $why) = @$case;

    $r = import_from($from, $text);
    is($r->{exit}, 1, "$from: one page of several");
    like($r->{err}, qr/line 1: $why$/m, 'is said');
}

done_testing();
