#!/usr/bin/perl

# The dashboard, the alerts and the README name the metrics that there are, and
# no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use JSON::PP qw(decode_json);

use Test::Apikey;
use Test::Apikey::Prometheus;

my $redis = redis();
my $port = free_port();

nginx(<<"CONF");
    apikey_cache zone=keys:1m;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / { apikey_guard zone=bad:64k rate=1r/s; return 204; }
        location /keys { try_files /none =204; }
        location /metrics { apikey off; apikey_status prometheus; }
    }
CONF

is(get($port, '/keys')->status, 401, 'something to count');

my $found = sub {
    my $m = metrics($port, '/metrics');

    return $m->sum('apikey_location_requests_total') && $m;
};

my $metrics = wait_for($found);
my %exists = map { $_ => 1 } $metrics->names;

my $dashboard = decode_json(slurp("$Test::Apikey::ROOT/contrib/grafana.json"));
my %shown;

for my $panel (@{$dashboard->{panels}}) {
    ok(@{$panel->{targets}}, "panel: $panel->{title}");
    $shown{$_} = 1 for map { $_->{expr} =~ /\b(apikey_\w+)/g }
                           @{$panel->{targets}};
}

cmp_ok(keys %shown, '>', 20, 'it shows many');
is_deeply([ grep { !$exists{$_} } sort keys %shown ], [],
          'the dashboard shows no metric that there is not');

# Alerts.

my $alerts = slurp("$Test::Apikey::ROOT/contrib/alerts.yml");
my @rules = $alerts =~ /^      - alert: (\w+)$/mg;
my @exprs = $alerts =~ /^        expr: (?:>-\n +)?(.*)$/mg;
my %watched = map { $_ => 1 } map { /\b(apikey_\w+)/g } @exprs;

cmp_ok(@rules, '>', 5, 'there are alerts');
is(@exprs, @rules, 'each has an expression');
is_deeply([ grep { !$exists{$_} } sort keys %watched ], [],
          'of no metric that there is not');

my %results = map { /result="(\w+)"/ ? ($1 => 1) : () }
              split /\n/, $metrics->text;

is_deeply([ grep { !$results{$_} }
            map { map { split /\|/ } /result=~?"([^"]+)"/g } @exprs ], [],
          'and of no result');

SKIP: {
    skip 'no promtool', 1
        unless grep { -x "$_/promtool" } split /:/, $ENV{PATH};

    my $r = run('promtool', 'check', 'rules',
                "$Test::Apikey::ROOT/contrib/alerts.yml");
    is($r->{exit}, 0, 'promtool accepts them') or diag $r->{out}, $r->{err};
}


# What a histogram consists of goes by one name.

my ($section) = slurp("$Test::Apikey::ROOT/README.md")
                =~ /^## Metrics\n(.*?)^## /ms;
my %told = map { $_ => 1 } map { /`(apikey_\w+)/g }
               map { /^\|([^|]+)\|/ } $section =~ /^(\|.*)$/mg;
my %named = map { $_ => 1 }
            map { s/(_seconds)_(?:bucket|sum|count)$/$1/r } keys %exists;

is_deeply([ sort keys %told ], [ sort keys %named ],
          'README.md tells of each metric that there is, and of no other');

done_testing();
