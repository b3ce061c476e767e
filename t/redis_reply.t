#!/usr/bin/perl

# Whatever Redis answers: a key that it doesn't know never passes, a request
# that it didn't decide is 503, and the next good answer is used.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Apikey;
use Test::Apikey::FakeRedis;

my $fake = fake_redis();
my ($port, $hasty) = (free_port(), free_port());

sub gateway {
    my ($port, $timeout) = @_;

    return nginx(<<"CONF", redis => $fake);
    apikey_redis 127.0.0.1:$fake->{port} timeout=$timeout connect_timeout=60s;
    apikey_format any;

    apikey_plan anonymous 3r/m;

    server {
        listen 127.0.0.1:$port;

        location / {
            apikey on;
            add_header X-Id \$apikey_id;
            try_files /none =204;
        }

        location /optional {
            apikey optional;
            try_files /none =204;
        }

        location /open {
            return 200 open;
        }
    }
CONF
}

my $nginx = gateway($port, '60s');

my $made_up = 'no-such-key';
my @record = (rev => 7, id => 'someone', status => 'active');
my @limited = (@record, limits => '5r/m');
my @unknown = record();
my $counter = pack 'VVCVvVv', 60, 0, 0, 1, 0, 0, 0;


sub ask {
    my ($key, @rules) = @_;

    $fake->script(@rules);
    return get($port, '/', 'X-API-Key' => $key);
}


is(ask($made_up, @unknown)->status, 401, 'Redis knows no such key');

my $r = ask('good', record(@record), verdict(0));
is($r->status, 204, 'a record that Redis sent');
is($r->header('X-Id'), 'someone', 'is that of the key');


# Records that nobody can read, and errors.

my %reply = (
    'a record without rev'  => record(@record[2 .. $#record]),
    'a record without id'   => record(rev => 7, status => 'active'),
    'an unknown status'     => record(@record, plan => 'x', status => 'good'),
    'no status'             => record(rev => 7, id => 'someone'),
    'a field twice'         => record(@record, id => 'someone'),
    'unreadable limits'     => record(@record, limits => 'many'),
    'unreadable addresses'  => record(@record, allow => 'home'),
    'unreadable scopes'     => record(@record, scopes => 'everything'),
    'no end of new records' => record(@limited),
    map {; "error $_" => resp(\$_) } 'LOADING Redis is loading', 'ERR',
        'READONLY You can\'t write', 'OOM command not allowed',
        'NOAUTH Authentication required.', 'NOPERM', 'BUSY a script',
        'WRONGTYPE Operation', 'MASTERDOWN Link', 'NOSCRIPT', ''
);

for my $name (sort keys %reply) {
    my @rules = ref $reply{$name} ? @{$reply{$name}} : $reply{$name};
    my $r = ask($made_up, @rules);

    is($r->status, 503, "$name: 503") or diag $r->head;
}

is($fake->connections, 1, 'none of them was worth a new connection');

my @errors = $nginx->log =~ /(\[error\].*)/g;
is(@errors, 1, 'one error is logged until Redis decides again')
    or diag join "\n", @errors;

is(ask('good', verdict(0))->status, 204, 'a good answer is used again');
ok(wait_for(sub {
    ask('good', verdict(0));
    $nginx->log =~ /\[notice\].*redis answers as expected again/;
}, 60), 'and, when no error has come for a while, that is logged');


# Replies that aren't the answer to the question, or that leave nobody knowing
# where the next one begins: those to come may be anybody's.

my %broken = (
    'an integer'            => ":1\r\n",
    'a status'              => "+OK\r\n",
    'nil'                   => resp(undef),
    'a nil list'            => "*-1\r\n",
    'the empty list'        => resp([]),
    'the empty string'      => resp(''),
    'a short verdict'       => resp("\0\0\0"),
    'an unknown verdict'    => verdict(9),
    'a verdict on nothing'  => verdict(0),
    'too late, on nothing'  => verdict(2),
    'a list in a list'      => resp([ [ @record ] ]),
    'lists all the way'     => "*1\r\n" x 6 . ":1\r\n",
    'a list of integers'    => "*2\r\n:1\r\n:2\r\n",
    'a list with nil'       => resp([ 'rev', undef, 'now', '0123456' ]),
    'an odd list'           => resp([ 'rev' ]),
    'a record without time' => resp([ @record ]),
    'a short time'          => resp([ @record, now => 'x' ]),
    'malformed counters'
                            => [ record(@limited), verdict(0, 'x' x 20) ],
    'counters left out'     => [ record(@limited), verdict(0) ],
    'counters of a plan that has more windows'
                            => [ record(@limited), verdict(0, $counter x 2) ],
    'no protocol'        => "HTTP/1.1 400 Bad Request\r\n\r\n",
    'noise'              => join('', map { chr } reverse 1 .. 255) . "\r\n",
    'a huge list'        => "*2000000000\r\n",
    'the most that hiredis takes' => "*4294967295\r\n",
    'more than an int'   => "*4294967297\r\n+x\r\n",
    'a list, too long'   => "*99999999999999999999\r\n",
    'a negative list'    => "*-2\r\n",
    'a list of huge lists' => "*2\r\n*1024\r\n" . "*2000000\r\n" x 2,
    'a deep list'        => "*1\r\n" x 20 . ":1\r\n",
    'a string, too long' => "\$99999999999999999999\r\n",
    'a negative string'  => "\$-7\r\nx\r\n",
    'too many replies'   => record(@record) x 3,
    'half a reply'       => { say => substr(record(@record), 0, 30),
                              close => 1 },
    'half a line'        => { say => "*2", close => 1 },
    'no reply'           => { say => '', close => 1 },
);

for my $name (sort keys %broken) {
    my $before = $fake->connections;
    my @rules = ref $broken{$name} eq 'ARRAY' ? @{$broken{$name}}
                                              : $broken{$name};
    my $r = ask($made_up, @rules);

    # the first of too many replies is an answer
    is($r->status, $name eq 'too many replies' ? 204 : 503, $name)
        or diag $r->head;

    $fake->script(verdict(0));

    ok(wait_for(sub { get($port, '/', 'X-API-Key' => 'good')->status == 204 }),
       "$name: recovers") or last;
    cmp_ok($fake->connections, '>', $before, "$name: by another connection");

    is(get($port, '/open')->status, 200, "$name: other locations go on");
}


# One that never ends.

my $other = gateway($hasty, '1s');
$fake->script("\$9223372036854775807\r\nx\r\n");
is(get($hasty, '/', 'X-API-Key' => $made_up)->status, 503, 'a huge string');
$fake->script(record(@record), verdict(0));
ok(wait_for(sub { get($hasty, '/', 'X-API-Key' => 'good')->status == 204 }),
   'a huge string: recovers');
$other->stop;


# Unasked replies can't become an answer, nor can a stale one.

my $connections = $fake->connections;

$fake->say(record(@record));
ok(wait_for(sub { $fake->connections > $connections }),
   'an unasked reply ends the connection');
ok(wait_for(sub { ask($made_up, @unknown)->status == 401 }),
   'and is the answer to no question');


# A server that answers a PING and closes is tried ever less often: ten times by
# each of two connections take more than a second.

my $began = time;
$connections = $fake->connections;
$fake->greet(PING => { say => "+PONG\r\n", close => 1 });
$fake->cut;

ok(wait_for(sub { $fake->connections >= $connections + 20 }, 60),
   'a server that comes and goes is tried again');
cmp_ok(time - $began, '>', 1, 'at a slower and slower pace');

$fake->greet(PING => "+PONG\r\n");
ok(wait_for(sub { ask('good', verdict(0))->status == 204 }),
   'and is used again');


# Anonymous requests: there is no record to send.

for my $reply (record(@record), verdict(0), verdict(0, 'x'), ":1\r\n") {
    $fake->script($reply);
    is(get($port, '/optional')->status, 503, 'nobody is counted: 503');
}

done_testing();
