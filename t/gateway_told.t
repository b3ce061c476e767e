#!/usr/bin/perl

# What gateways tell of themselves keeps the program from making keys that they
# would refuse, or let pass without the limits that were meant; and when the
# first of them starts, what expires anyway is no news.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $port = free_port();
my $other = file('other.pepper', 'z' x 40);
my $program = "$Test::Apikey::BUILD/apikey";
my $r;

chmod 0600, $other;

sub with_other {
    return run(ref $_[0] ? shift : {}, $program, '--redis', $redis->url,
               '--pepper-file', $other, @_);
}

# Before there is a gateway, nobody knows better.

is(with_other('create', '--name', 'x')->{exit}, 0, 'any pepper');
is(apikey('create', '--name', 'x', '--plan', 'pro')->{exit}, 0, 'any plan');

my @soon = map { create_key('--expires', '3d')->{id} } 1 .. 120;

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_plan professional 60r/m;
    apikey_plan free 5r/m;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

ok(wait_for(sub {
    my $told = $redis->cmd('HVALS', 'apikey:gateways');

    return @$told == 2 && !grep({ !/ [0-9a-f]{16}$/ } @$told)
           && $redis->cmd('HLEN', 'apikey:plans');
}), 'workers say which pepper they have');

my $pepper = slurp(Test::Apikey::pepper_file());
unlike(join(' ', @{$redis->cmd('HVALS', 'apikey:gateways')}), qr/\Q$pepper\E/,
       'but not what it is');


# Another pepper.

my $old = create_key();
my $differs = qr/^apikey: the pepper isn't that of the gateway "\S+:\d+"/;

for ([ 'create', '--name', 'x' ], [ 'rotate', $old->{id} ],
     [ 'serve', '--listen', '127.0.0.1:' . free_port() ])
{
    $r = with_other(@$_);
    is($r->{exit}, 1, "$_->[0] with another pepper");
    like($r->{err}, $differs, 'and why');
}

$r = with_other({ stdin => "{\"key\":\"legacy-key-17\"}\n" }, 'import', '-');
is($r->{exit}, 1, 'import');
like($r->{err}, $differs, 'and why');
like($r->{out}, qr/^0 imported/, 'nothing of it');
is(with_other({ stdin => '{"digest":"' . 'a' x 64 . "\"}\n" },
              'import', '-')->{exit}, 0, 'of digests it needs none');

$r = with_other('--json', 'doctor');
my ($finding) = grep { $_->{check} eq 'gateways' }
                @{decode_json($r->{out})->{checks}};
is($finding->{result}, 'wrong', 'doctor');
like($finding->{text}, qr/^the pepper isn't that of/, 'says so');

is(with_other('create', '--name', 'x', '--force')->{exit}, 0,
   'one who knows better');
is(apikey('rotate', $old->{id})->{exit}, 0, 'the same pepper');


# A plan that is misspelt.

$r = apikey('create', '--name', 'x', '--plan', 'profesional');
is("$r->{exit} $r->{out}", '1 ', 'refused');
like($r->{err}, qr/^apikey: --plan "profesional": no gateway has this plan: (?#
    )did you mean "professional"\?$/m, 'with the nearest name');
unlike(apikey('create', '--name', 'x', '--plan', 'gold')->{err}, qr/mean/,
       'or none');

my $key = create_key('--plan', 'professional');
is(apikey('edit', $key->{id}, '--plan', 'fre')->{exit}, 1, 'edited');
is(decode_json(apikey('--json', 'show', $key->{id})->{out})->{plan},
   'professional', 'it stays what it was');
is(apikey('edit', $key->{id}, '--plan', 'none')->{exit}, 0, 'none');
is(apikey('edit', $key->{id}, '--plan', 'gold', '--force')->{exit}, 0,
   'one that will come');

my $console = console();
my $call = sub { $console->call(@_) };

$r = $call->('POST', '/api/keys', { name => 'x', plan => 'profesional' });
is($r->status, 400, 'by the API');
is($r->json->{field}, 'plan', 'the plan');
like($r->json->{message}, qr/did you mean "professional"\?$/, 'and which');
is($call->('PATCH', "/api/keys/$key->{id}", { plan => 'fre' })->status, 400,
   'edited');
is($call->('POST', '/api/keys', { name => 'x', plan => 'gold',
                                  force => JSON::PP::true })->status, 201,
   'who knows better');
is($call->('POST', '/api/keys', { name => 'x', force => 1 })->json->{field},
   'force', 'who does not say so');


# What was about to expire is told of the day before; what is made now, at once.

ok(wait_for(sub { $redis->cmd('ZSCORE', 'apikey:expiring', '*') }),
   'the first gateway has looked');

my $late = create_key('--expires', '2d');

ok($nginx->reload, 'the next one looks');
ok(wait_for(sub { grep { $_->{type} eq 'expiring' } $redis->events }),
   'a key that expires soon');
is_deeply([ map { $_->{key} } grep { $_->{type} eq 'expiring' }
            $redis->events ], [ $late->{id} ], 'that one, and no other');

my %when = @{$redis->cmd('ZRANGE', 'apikey:expiring', 0, -1, 'WITHSCORES')};
my $expires = decode_json(apikey('--json', 'show', $soon[0])->{out})->{expires};

is($when{$soon[0]}, $expires + 6 * 86400, 'the others a day before');
is(grep({ $when{$_} } @soon), 120, 'all of them');


# A worker that has to end has no say.

$nginx->stop;
is(with_other('create', '--name', 'x')->{exit}, 0, 'no gateway, no pepper');

done_testing();
