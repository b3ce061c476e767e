#!/usr/bin/perl

# A Redis Cluster: keys, their counters and shared limits are on whatever node
# has their slots.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Cluster;

my $long = 25920000;
my $cluster = cluster();
my @seeds = map { $_->{port} } @{$cluster->{nodes}};
my $up = upstream();
my $port = free_port();
my $dead = free_port();

# The first seed is dead, the second knows the way.

my $conf = <<"CONF";
    apikey_redis 127.0.0.1:$dead 127.0.0.1:$seeds[4] mode=cluster
                 connect_timeout=60s timeout=60s;

    apikey_cache zone=keys:1m valid=1h;
    apikey_plan own 10/$long;
    apikey_plan org 20/$long per=org;
    apikey_plan both 8/$long 9/31104000 per=project;
    apikey_plan leased 300/$long mode=leased;
    apikey_plan shared 300/$long per=project mode=leased;
    apikey_plan anonymous 3/$long;

    server {
        listen 127.0.0.1:$port reuseport;
        apikey on;
        add_header X-Worker \$pid always;

        location / {
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /open {
            apikey optional;
            proxy_pass http://127.0.0.1:$up->{port};
        }

        location /cached {
            apikey_usage off;
            empty_gif;
        }

        location /charged {
            apikey_charge 5;
            proxy_pass http://127.0.0.1:$up->{port};
        }
    }
CONF

my $nginx = nginx($conf, workers => 2);

sub key { create_key('--permissions', 'full', @_) }

sub asked {
    my ($key, $uri) = @_;
    my $r = get($port, $uri || '/', 'X-API-Key' => $key->{key});

    return join ' ', $r->status, $r->header('X-RateLimit-Remaining') // ();
}

sub passed {
    my ($key, $count) = @_;

    return scalar grep { $_->status == 200 }
                       burst($port, $count, '/', 'X-API-Key' => $key->{key});
}

# How many of the nodes have names like that?

sub spread {
    my ($pattern) = @_;

    return scalar grep { @$_ } $cluster->each('KEYS', $pattern);
}


# Records on every node.

my @keys = map { key('--plan', 'own') } 1 .. 24;

is(spread('apikey:{*'), 3, 'each node has records');
is_deeply([ map { asked($_) } @keys ], [ ('200 9') x @keys ],
          'each is found, and counted');
is_deeply([ map { asked($_) } @keys ], [ ('200 8') x @keys ],
          'and again');
is_deeply([ map { passed($_, 20) } @keys[0 .. 5] ], [ (8) x 6 ],
          'limits are exact over two workers');

is(asked({ key => "$keys[0]{key}x" }), '401', 'malformed');

my $gone = key();
is(apikey('delete', $gone->{id})->{exit}, 0, 'a key is deleted');
is(asked($gone), '401', 'and unknown then');


# What is cached is trusted.

sub questions {
    my $sum = 0;

    $sum += $_ for map { /^cmdstat_evalsha:calls=(\d+)/m ? $1 : 0 }
                   $cluster->each('INFO', 'commandstats');
    return $sum;
}

my $free = key();

ok(wait_for(sub {
    my $before = questions();

    $_->status == 200 or return
        for burst($port, 100, '/cached', 'X-API-Key' => $free->{key});

    # workers say now and then that they are there
    return questions() - $before < 20;
}, 10), 'a cached record takes no question');


# Shared limits, on whatever node they are.

my @acme = map { key('--plan', 'org', '--org', 'acme') } 1 .. 12;

is(join(' ', map { asked($_) =~ / (\d+)/ } @acme),
   join(' ', reverse 8 .. 19), 'an organization\'s keys share a limit');
is(asked({ key => $acme[0]{key} }, '/charged'), '200 7', 'one is charged');
ok(wait_for(sub {
    # of its one window, packed: seconds (4), start (5), used
    my $packed = $cluster->cmd('HGET', 'apikey:org:{acme}:org', 'n');
    return unpack('x9 V', $packed) == 18;
}), 'what it is charged is counted');
is(asked($acme[1]), '200 1', 'for all');

for my $project (map { "p$_" } 1 .. 12) {
    my @two = map { key('--plan', 'both', '--project', $project) } 1 .. 2;

    asked($two[0]);
    is(passed($two[0], 5) + passed($two[1], 20), 7,
       "$project: exact over two keys and two workers");
}

is(spread('apikey:project:*'), 3, 'each node has shared counters');

my $other = key('--plan', 'org', '--org', 'acme2');
is(apikey('revoke', $other->{id})->{exit}, 0, 'a revoked key');
is(asked($other), '401', 'counts nowhere');
is($cluster->cmd('EXISTS', 'apikey:org:{acme2}:org'), 0, 'of its organization');

is_deeply([ map { get($port, '/open')->status } 1 .. 4 ],
          [ 200, 200, 200, 429 ], 'anonymous clients');


# Leases.

for my $key (map({ key('--plan', 'leased') } 1 .. 3),
             map({ key('--plan', 'shared', '--project', "l$_") } 1 .. 3))
{
    my $count = 0;

    $count += passed($key, 60) for 1 .. 7;
    is($count, 300, 'leases: to the last request, and no further');
}


# Revocation reaches all workers, whichever node it is said to.

my %worker;

for (1 .. 200) {
    my $c = dial($port);

    $c->send("GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: $keys[9]{key}\r\n\r\n");
    $worker{$c->response->header('X-Worker')} ||= $c;
}

is(keys %worker, 2, 'two workers');
ok(wait_for(sub {
    apikey('gateways')->{out} =~ /\Q$_\E/ or return 0 for keys %worker;
    return 1;
}), 'are registered');

my ($confirmed, $refused) = (0, 0);

for my $key (map { key() } 1 .. 30) {
    my $ask = sub {
        $_[0]->send("GET / HTTP/1.1\r\nHost: a\r\n"
                    . "X-API-Key: $key->{key}\r\n\r\n");
        return $_[0]->response->status;
    };

    $ask->($_) == 200 or diag('refused') for values %worker;
    $confirmed += apikey('revoke', $key->{id})->{out}
                      =~ /^confirmed by 2 of 2/m;
    $refused += $ask->($_) == 401 for values %worker;
}

is($confirmed, 30, 'both confirm each revocation');
is($refused, 60, 'and let nobody in afterwards');


# A new worker knows no map, and no request is lost for that.

my $stop = Test::Apikey::dir() . '/stop';

my $load = in_background(sub {
    my $end = time + 60;
    my %status;

    until (-e $stop || time > $end) {
        $status{$_->status}++
            for burst($port, 20, '/', 'X-API-Key' => key()->{key});
    }

    return \%status;
});

for (1 .. 5) {
    ok($nginx->reload($conf), 'reload');
}

file('stop', '');
my $status = $load->result;
is(join(' ', sort keys %$status), '200', 'reloaded five times under load')
    or diag(explain($status));

done_testing();
