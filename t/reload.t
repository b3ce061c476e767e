#!/usr/bin/perl

# Reloads, another binary and a worker that is killed, all under load: no
# request is lost, and each that passed is counted once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep);

use Test::Apikey;

my $redis = redis();
my $port = free_port();

my $conf = <<"CONF";
    keepalive_requests 20;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }
    }
CONF

my $nginx = nginx($conf, workers => 2, daemon => 1);
my $key = create_key('--permissions', 'read', '--limits', '1000000/25920000');

my $load = file('load', '');
my $request = Test::Apikey::HTTP::bytes('GET', '/',
    'X-API-Key' => $key->{key}, Connection => 'keep-alive');


# Asks until the file is gone.  A server may close an idle connection at any
# time: who sent a request there at that very moment sends it again (RFC 9112).

sub client {
    my ($c, $used, %count);

    while (-e $load) {
        $c ||= eval { dial($port) } or $count{refused}++, next;

        my $r = $c->send($request)->response;

        if ($r->status) {
            $count{$r->status}++;
            $used = lc($r->header('Connection') // '') ne 'close';

        } else {
            $count{lost}++ unless $used;
            $used = 0;
        }

        undef $c unless $used;
    }

    return \%count;
}

# Runs the code while four clients ask; returns what they have seen.

sub under_load {
    my ($code) = @_;
    my %all;

    file('load', '');

    my @clients = map { in_background(\&client) } 1 .. 4;

    $code->();
    unlink $load;

    for my $count (map { $_->result } @clients) {
        $all{$_} += $count->{$_} for keys %$count;
    }

    return \%all;
}

sub used {
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return $limits->{windows}[0]{used};
}


my $reloads = 0;
my $seen = under_load(sub { $reloads += $nginx->reload for 1 .. 20 });
my $passed = $seen->{204};

is($reloads, 20, 'reloaded 20 times');
is_deeply([ keys %$seen ], [ 204 ], 'no request is lost') or diag explain $seen;
cmp_ok($passed, '>', 0, 'under load');
is(used(), $passed, 'each is counted once');


# A configuration that is refused changes nothing.

ok(!$nginx->reload("apikey_plan x;\n$conf"), 'a bad configuration is refused');
expect_log(qr/invalid number of arguments in "apikey_plan"/);
$seen = under_load(sub { $nginx->reload($conf) });
is_deeply([ keys %$seen ], [ 204 ], 'and the old one goes on');
$passed += $seen->{204};


# The other directives of this module may change, and Redis's address.

my $other = redis();
is(apikey({ redis => $other, stdin => "$key->{key}\n" }, 'verify')->{exit}, 1,
   'another Redis knows no key');
$nginx->reload("    apikey_redis 127.0.0.1:$other->{port};\n$conf");
is(get($port, '/', 'X-API-Key' => $key->{key})->status, 401,
   'a reload leads to another Redis');
$nginx->reload($conf);
$passed++;
is(get($port, '/', 'X-API-Key' => $key->{key})->status, 204, 'and back');


# Another binary.

my $old = $nginx->{pid};
$seen = under_load(sub { $nginx->upgrade });

isnt($nginx->{pid}, $old, 'another binary takes over');
is_deeply([ keys %$seen ], [ 204 ], 'and loses no request')
    or diag explain $seen;
$passed += $seen->{204};


# WINCH: the workers of the old one end first.

$old = $nginx->{pid};
my @workers = $nginx->workers;

$seen = under_load(sub {
    $nginx->signal('USR2');
    wait_for(sub { ($nginx->_master || $old) != $old && accepted() }, 60);
    kill 'WINCH', $old;
    wait_for(sub { !grep { kill 0, $_ } @workers }, 60);
});

is_deeply([ keys %$seen ], [ 204 ], 'the old workers lose no request')
    or diag explain $seen;
$passed += $seen->{204};
is(used(), $passed, 'all are counted once');

kill 'QUIT', $old;
$nginx->{pid} = $nginx->_master;
wait_for(sub { !kill 0, $old }, 60);

sub accepted { scalar(Test::Apikey::Nginx::_children($nginx->_master)) == 2 }


# A worker that is killed.

expect_log(qr/worker process \d+ exited on signal 9/);
@workers = $nginx->workers;
kill 'KILL', $workers[0];

ok(wait_for(sub {
    my @now = $nginx->workers;
    @now == 2 && !grep { $_ == $workers[0] } @now;
}), 'another takes the place of a worker that was killed');

$seen = under_load(sub { sleep 0.2 });
is_deeply([ keys %$seen ], [ 204 ], 'and answers') or diag explain $seen;

done_testing();
