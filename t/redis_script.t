#!/usr/bin/perl

# The script is sent when Redis doesn't know it; what may have been counted is
# never sent again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $redis = redis();
my $fake = fake_redis(behind => $redis);
my $port = free_port();

my $nginx = nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=60s connect_timeout=60s;

    server {
        listen 127.0.0.1:$port;
        apikey on;

        location / {
            try_files /none =204;
        }

        location /failover {
            apikey_limit_failure allow;
            try_files /none =204;
        }
    }
CONF

my $key = create_key('--permissions', 'read', '--limits', '100000/25920000');
my @headers = ('X-API-Key' => $key->{key});


sub used {
    my $limits = decode_json(apikey('--json', 'limits', $key->{id})->{out});

    return $limits->{windows}[0]{used};
}

sub back {
    $fake->script({ ask => 1 });
    ok(wait_for(sub { get($port, '/', @headers)->status == 204 }, 60),
       "$_[0]: back");
    return used();
}

# The names of the commands and their tails: without what names the script.

sub sent {
    my @words = grep { $_->[0] =~ /^EVAL/ } @{$fake->words};

    return ([ map { $_->[0] } @words ], map { [ @$_[2 .. $#$_] ] } @words);
}


is(get($port, '/', @headers)->status, 204, 'Redis has never seen the script');
is_deeply((sent())[0], [ qw(EVALSHA EVAL EVALSHA) ], 'it is sent once');
is(used(), 1, 'and counts once');

$redis->cmd('SCRIPT', 'FLUSH');
$fake->forget;
is(get($port, '/', @headers)->status, 204, 'SCRIPT FLUSH between requests');

my ($names, @tails) = sent();
is_deeply($names, [ qw(EVALSHA EVAL) ], 'the script is sent again');
is_deeply($tails[0], $tails[1], 'with the same words');
is(used(), 2, 'and counts once');

my $load = in_background(sub {
    my %status;
    $status{$_->status}++ for map { burst($port, 50, '/', @headers) } 1 .. 10;
    return \%status;
});

my $flushed = 0;
wait_for(sub { $redis->cmd('SCRIPT', 'FLUSH'); ++$flushed; used() >= 502 }, 60);

is_deeply($load->result, { 204 => 500 }, "flushed $flushed times under load");
is(used(), 502, 'each is counted once');


# Replies that are lost: counted or not, nobody knows, so it isn't sent again.

for my $rule ({ ask => 1, lose => 1, close => 1 }, { lose => 1, close => 1 }) {
    my $asked = $rule->{ask} ? 'counted' : 'not counted';
    my $before = back($asked);

    $fake->forget;
    $fake->script($rule);

    is(get($port, '/', @headers)->status, 503,
       "$asked, and the reply lost: 503");
    is($fake->scripts, 1, "$asked: asked once");
    is(back($asked), $before + 1 + ($rule->{ask} || 0),
       "$asked: not sent again");
}

my $before = back('many');
$fake->forget;
$fake->script({ ask => 1, hold => 1 });

my @clients = map {
    dial($port)->send(Test::Apikey::HTTP::bytes('GET', '/', @headers))
} 1 .. 30;

$fake->wait_scripts(30);
$fake->cut;
is(scalar(grep { $_->response->status == 503 } @clients), 30, 'many: all lost');
is($fake->scripts, 30, 'many: asked once');
is(back('many'), $before + 31, 'many: counted once');


# The text was sent, and its reply is lost.

$before = back('EVAL');
$redis->cmd('SCRIPT', 'FLUSH');
$fake->forget;
$fake->script({ ask => 1 }, { ask => 1, lose => 1, close => 1 });
is(get($port, '/', @headers)->status, 503, 'the reply to EVAL lost: 503');
is_deeply((sent())[0], [ qw(EVALSHA EVAL) ], 'EVAL: asked once');
is(back('EVAL'), $before + 2, 'EVAL: counted once');


# Allowed to pass uncounted, if only Redis says that the key is good.

$before = back('allow');
$fake->forget;
$fake->script({ ask => 1, lose => 1, close => 1 }, { ask => 1 });
$fake->refuse;
is(get($port, '/failover', @headers)->status, 503,
   'nobody confirms the key: 503');
$fake->listen;
is(back('allow'), $before + 2, 'counted once');

$fake->forget;
$fake->script(resp(\'OOM no more'), { ask => 1 });
my $r = get($port, '/failover', @headers);
is($r->status, 204, 'the key is confirmed without counting');
is($r->header('X-RateLimit-Limit'), undef, 'no limits are told');
($names, @tails) = sent();
is($tails[1][3], undef, 'the second question names no counters');
is(used(), $before + 2, 'nothing is counted');

done_testing();
