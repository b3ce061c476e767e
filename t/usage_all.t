#!/usr/bin/perl

# The usage of a month, of all keys: what was served is what an accountant
# finds, by whatever it is summed up.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

# all of this on one day

left(86400, 120);

my $redis = redis();
my $now = $redis->cmd('TIME')->[0];
my $port = free_port();

my $nginx = nginx(<<"CONF", workers => 2);
    apikey_plan three 3/25920000;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        location / { try_files /none =204; }
        location /missing { try_files /none =404; }
    }
CONF

sub key { create_key('--permissions', 'read', @_) }
sub day { strftime('%Y-%m-%d', gmtime($now - 86400 * $_[0])) }
sub past_of { 'apikey:usage:{' . $_[0] . '}' }

sub csv {
    my $r = apikey('usage', @_, '--format', 'csv');

    is($r->{exit}, 0, "usage @_") or diag($r->{err});

    my ($names, @lines) = map { [ split /,/, $_, -1 ] }
                          split /\r\n/, $r->{out};

    return map { my %row; @row{@$names} = @$_; \%row } @lines;
}

sub usage { decode_json(apikey('--json', 'usage', @_)->{out}) }

sub by {
    my $by = shift;

    return map { $_->{$by eq 'key' ? 'id' : $by} => $_->{requests} }
           csv('--by', $by, @_);
}

my %key = (
    one => key('--name', 'one', '--org', 'acme', '--project', 'default'),
    two => key('--name', 'two', '--org', 'acme', '--plan', 'three'),
    other => key('--name', 'three', '--org', 'globex', '--project', 'default'),
    none => key('--name', 'four'),
);

sub ask { get($port, $_[1] || '/', 'X-API-Key' => $_[0]{key})->status }

my %statuses;

$statuses{ask($key{one})}++ for 1 .. 20;
$statuses{ask($key{one}, '/missing')}++ for 1 .. 5;
$statuses{ask($key{two})}++ for 1 .. 7;
$statuses{ask($key{other})}++ for 1 .. 11;
$statuses{ask($key{none})}++ for 1 .. 2;

is_deeply(\%statuses, { 204 => 36, 404 => 5, 429 => 4 }, 'what was served');
ok(wait_for(sub { usage('--by', 'org')->{total}{requests} == 45 }, 30),
   'all of it is counted');


# Summed up by each, the most used first.

my @orgs = csv('--by', 'org');
my $bytes = 0;

is_deeply([ map { [ @$_{qw(org keys requests denied errors error_rate)} ] }
            @orgs ],
          [ [ 'acme', 2, 32, 4, 5, '0.1786' ],
            [ 'globex', 1, 11, 0, 0, '0.0000' ],
            [ '', 1, 2, 0, 0, '0.0000' ] ], 'by organization');
$bytes += $_->{bytes} for @orgs;

is_deeply([ map { join '/', @$_{qw(org project requests)} }
            csv('--by', 'project') ],
          [ 'acme/default/25', 'globex/default/11', 'acme//7', '//2' ],
          'by project, those of the same name apart');

is_deeply({ by('key') },
          { $key{one}{id} => 25, $key{two}{id} => 7, $key{other}{id} => 11,
            $key{none}{id} => 2 }, 'by key');
is_deeply({ by('endpoint') }, { 'GET /' => 40, 'GET /missing' => 5 },
          'by endpoint');

my @days = csv('--by', 'day', '--days', 3);

is_deeply([ map { "$_->{day} $_->{keys} $_->{requests}" } @days ],
          [ day(2) . ' 0 0', day(1) . ' 0 0', day(0) . ' 4 45' ],
          'by day, also those without use');
is($days[2]{bytes}, $bytes, 'the same bytes');

my $json = usage('--by', 'org', '--limit', 1);
my $timed = 0;

$timed += $_ for @{$json->{total}{latency}{count}};

is($json->{count}, 3, 'of three organizations');
is(@{$json->{rows}}, 1, 'only the first');
is($json->{rows}[0]{org}, 'acme', 'which was the busiest');
is($json->{total}{requests}, 45, 'the total is of all');
is($timed, 41, 'those let through were timed');
is_deeply({ by('org', '--org', 'acme') }, { acme => 32 },
          'of one organization');
is_deeply({ by('org', '--search', 'two') }, { acme => 7 },
          'of keys that match');
is(usage('--org', 'acme')->{total}{denied}{limited}, 4, 'with all details');
is(usage()->{keys}, 4, 'of all');
like(apikey('usage', '--by', 'org')->{out},
     qr/^ORG +REQUESTS +KEYS .*\nacme +32 +2 +4 +5 +17\.9% .*^total +45 +4 /ms,
     'a table');


# Any span.

sub used {
    my ($key, $day, $n) = @_;

    $redis->set_usage(past_of($redis->digest($key->{id})) . ":$day",
                      n => $n, l0 => $n, s200 => $n);
}

used($key{other}, 20250131, 1);
used($key{other}, 20250201, 10);
used($key{other}, 20250228, 100);
used($key{other}, 20250301, 1000);

sub total { usage('--by', 'key', @_)->{total}{requests} }

is(total('--month', '2025-02'), 110, 'a month');
is(total('--from', '2025-01-31', '--to', '2025-02-01'), 11, 'two days');
is(total('--from', '2025-01-31'), 1111 + 45, 'until today');
is(scalar(csv('--by', 'day', '--month', '2024-02')), 29, 'a leap year');

for ([ '--month', '2025-13' ], [ '--month', '25-01' ], [ '--to', '2025-01-01' ],
     [ '--from', '2025-02-30' ], [ '--from', '7d' ], [ '--by', 'week' ],
     [ '--from', '2025-02-01', '--to', '2025-01-01' ], [ '--limit', 0 ],
     [ '--days', 3, '--month', '2025-02' ], [ '--from', day(-5) ],
     [ '--by', 'key', '--limit', 0 ], [ '--from', '2001-01-01' ])
{
    is(apikey('usage', @$_)->{exit}, 2, "refused: @$_");
}


# The console gives the same.

my $console = console();

sub asked { $console->call('GET', "/api/usage?$_[0]") }

is_deeply(asked("by=$_")->json, usage('--by', $_), "by $_, by the API")
    for qw(key org project day endpoint);
is_deeply(asked('by=key&org=acme&from=' . day(1) . '&limit=2')->json,
          usage('--by', 'key', '--org', 'acme', '--from', day(1), '--limit', 2),
          'of one organization');
is_deeply(asked('')->json, usage(), 'without by');

for my $wrong ([ 'by' => 'by=week' ], [ month => 'month=x' ],
               [ from => 'from=x' ], [ limit => 'by=key&limit=0' ],
               [ org => 'by=key&org=' ], [ days => 'days=0' ])
{
    my ($field, $query) = @$wrong;
    my $r = asked($query);

    is($r->status, 400, "refused: $query");
    is($r->json->{field}, $field, "for $field");
}

done_testing();
