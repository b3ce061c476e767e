#!/usr/bin/perl

# Windows that a request isn't counted in keep their count: a plan that is
# rolled out gateway by gateway, limits that change and change back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;

# Windows that no test sees the end of.
my ($day30, $day100, $year) = (2592000, 8640000, 31536000);

my $redis = redis();
my $held = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8)
    or die "listen: $!";

sub gateway {
    my ($port, $plans, %opt) = @_;

    return nginx(conf(@_), %opt);
}

sub conf {
    my ($port, $plans) = @_;

    return <<"CONF";
        apikey_cache zone=keys$port:1m stale=1h;
        $plans

        server {
            listen 127.0.0.1:$port;
            apikey on;

            location / { try_files /none =204; }
            location /off { apikey_limit off; try_files /none =204; }

            location /local {
                apikey_limit_failure local;
                try_files /none =204;
            }

            location /held {
                apikey_charge 3;
                proxy_pass http://127.0.0.1:${\ $held->sockport};
            }
        }
CONF
}

sub key { create_key('--permissions', 'full', @_) }

sub ask { get($_[0], $_[2] || '/', 'X-API-Key' => $_[1]{key}) }

# How many of so many requests pass.

sub passed {
    my ($count, $port, @more) = @_;

    return scalar grep { ask($port, @more)->status == 204 } 1 .. $count;
}

sub used {
    my ($key) = @_;
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return join ' ', map { "$_->{seconds}:$_->{used}" } @{$limits->{windows}};
}

sub edit {
    my ($key, $limits) = @_;
    my $r = apikey('edit', $key->{id}, '--limits', $limits);

    is($r->{exit}, 0, "limits are $limits now") or diag $r->{err};
}


my ($here, $there) = map { free_port() } 1 .. 2;

gateway($here, <<"PLANS");
    apikey_plan moved   5/$day100;
    apikey_plan grown   20/$year;
    apikey_plan sliding 5/$day100 algorithm=sliding;
    apikey_plan leased  100/$year mode=leased;
    apikey_plan org     5/$day100 per=org;
PLANS

gateway($there, <<"PLANS");
    apikey_plan moved   5/$year;
    apikey_plan grown   5/$day100 20/$year;
    apikey_plan sliding 5/$year algorithm=sliding;
    apikey_plan leased  20/$day100 100/$year mode=leased;
    apikey_plan org     5/$day30 per=org;
PLANS

for (qw(moved sliding org)) {
    my $key = key('--plan', $_, '--org', 'acme');

    is(passed(1, $here, $key) + passed(1, $there, $key), 2,
       "$_: both gateways count");
    passed(20, $_, $key) for $here, $there, $here;

    is(passed(5, $here, $key) + passed(5, $there, $key), 0,
       "$_: and neither forgets what the other has counted");
}

{
    my $name = 'apikey:org:{acme}:org';

    cmp_ok($redis->cmd('TTL', $name), '>', $day100,
           'shared counters live as long as the longest of them');
}

{
    my $key = key('--plan', 'grown');

    is(passed(3, $there, $key), 3, 'a plan with one more window');
    is(passed(10, $here, $key), 10, 'where it is not there yet');
    is(passed(9, $there, $key), 2, 'what it has counted is kept');
}

{
    my $key = key('--plan', 'leased');
    my $passed = 0;

    for (1 .. 20) {
        $passed += passed(3, $there, $key);
        passed(1, $here, $key);
    }

    is($passed, 20, 'leased: no more, and to the last one');
}


# Limits changed there and back.

{
    my $key = key('--limits', "5/$day30");

    is(passed(9, $here, $key), 5, 'all of its limit');

    edit($key, "100/$year");
    is(passed(9, $here, $key), 9, 'which is another one now');

    edit($key, "5/$day30");
    is(passed(9, $here, $key), 0, 'there and back: nothing was forgotten');
    is(used($key), "$day30:5", 'the program says so, too');

    edit($key, "100/$year");
    is(used($key), "$year:9", 'nor of the other');
}


# A charge of a request that began before them.

{
    my $key = key('--limits', "10/$day30");
    my $request = in_background(sub { ask($here, $key, '/held')->status });
    my $client = $held->accept;

    edit($key, "10/$year");
    passed(4, $here, $key);

    print $client "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    close $client;
    is($request->result, 200, 'a request that takes its time');

    edit($key, "10/$day30");
    ok(wait_for(sub { used($key) eq "$day30:4" }), 'its charge is counted');

    edit($key, "10/$year");
    is(used($key), "$year:4", 'and what was counted meanwhile is there');
}


# In the gateway's memory.

{
    my $port = free_port();
    my @plans = ("apikey_plan local 3/$day30;",
                 "apikey_plan local 100/$year;");
    my $nginx = gateway($port, $plans[0], workers => 1);
    my $key = key('--plan', 'local');

    ask($port, $key, '/off');
    $redis->stop;

    is(passed(9, $port, $key, '/local'), 3, 'local: all of its limit');

    ok($nginx->reload(conf($port, $plans[1])), 'another plan');
    is(passed(9, $port, $key, '/local'), 9, 'local: which is another one now');

    ok($nginx->reload(conf($port, $plans[0])), 'and the first again');
    is(passed(9, $port, $key, '/local'), 0, 'local: nothing was forgotten');
}

done_testing();
