#!/usr/bin/perl

# A limit of N lets N requests pass, however many come at once, over any
# number of workers and gateways.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my @ports = map { free_port() } 1 .. 2;


sub conf {
    my ($port) = @_;

    return <<"CONF";
    apikey_plan fixed 20/25920000;
    apikey_plan sliding 20/25920000 algorithm=sliding;
    apikey_plan two 20/12960000 30/25920000;
    apikey_plan shared 20/25920000 per=org;

    server {
        listen 127.0.0.1:$port backlog=2048;
        apikey on;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF
}


nginx(conf($_), workers => 2) for @ports;


# Sorted: what each of them was answered, and what was said to remain.

sub statuses {
    my %count;

    $count{$_->status}++ for @_;

    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}

sub remaining {
    return join ' ', sort { $a <=> $b }
                     map { $_->header('X-RateLimit-Remaining') }
                     grep { $_->status == 200 } @_;
}


my $each = join ' ', 0 .. 19;

for my $plan (qw(fixed sliding two)) {
    my $key = create_key('--permissions', 'full', '--plan', $plan);
    my @r = burst($ports[0], 200, '/', 'X-API-Key' => $key->{key});

    is(statuses(@r), '200:20 429:180', "$plan: exactly N of 10 N pass");
    is(remaining(@r), $each, "$plan: each is told its own remainder");
    is(get($ports[1], '/', 'X-API-Key' => $key->{key})->status, 429,
       "$plan: another gateway refuses at once");
}


# Both gateways at the same time.

for my $plan (qw(fixed sliding)) {
    my $key = create_key('--permissions', 'full', '--plan', $plan);

    my $other = in_background(sub {
        return map { [ $_->status, $_->header('X-RateLimit-Remaining') ] }
               burst($ports[1], 100, '/', 'X-API-Key' => $key->{key});
    });

    my @r = burst($ports[0], 100, '/', 'X-API-Key' => $key->{key});
    my @told = map { [ $_->status, $_->header('X-RateLimit-Remaining') ] } @r;

    push @told, $other->result;

    is(@told, 200, "$plan: all were answered");
    is(grep({ $_->[0] == 200 } @told), 20,
       "$plan: exactly N of 10 N pass two gateways");
    is(join(' ', sort { $a <=> $b } map { $_->[1] }
                 grep { $_->[0] == 200 } @told), $each,
       "$plan: none of them was told the same");
}


# Two keys of an organization, from two gateways.

my @keys = map { create_key('--permissions', 'full', '--plan', 'shared',
                            '--org', 'acme') } 1 .. 2;

my $other = in_background(sub {
    return map { $_->status }
           burst($ports[1], 100, '/', 'X-API-Key' => $keys[1]{key});
});

my @r = burst($ports[0], 100, '/', 'X-API-Key' => $keys[0]{key});
my $passed = grep { $_ == 200 } (map { $_->status } @r), $other->result;

is($passed, 20, 'an organization has one limit for all of its keys');

done_testing();
