#!/usr/bin/perl

# The console's events: listed, the newest first, and followed as they come,
# through an end of Redis, until the session, the client or the server ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Console;

my $redis = redis();
my $console = console();

sub list {
    my ($query) = @_;

    return @{$console->call('GET', "/api/events?$query")->json->{events}};
}

sub add { $redis->cmd('XADD', 'apikey:events', '*', @_) }


# Listed.

my $made = $console->call('POST', '/api/keys', { name => 'first',
                          org => 'acme' })->json;
my @got = list('');

is(@got, 1, 'an event');
is_deeply([ @{$got[0]}{qw(type key name org project actor)} ],
          [ 'created', $made->{id}, 'first', 'acme', undef, 'ops' ],
          'of what was done here');
is_deeply($got[0], decode_json(apikey('--json', 'events')->{out}),
          'as the command line shows it');

add(type => 'near_limit', key => 'k' . $_ % 3, name => "n$_") for 1 .. 2500;

is(@got = list(''), 100, 'the latest');
is($got[0]{name}, 'n2500', 'the newest first');
is((list('limit=1000'))[-1]{name}, 'n1501', 'as many as asked for');
is((list("limit=2&before=$got[-1]{id}"))[0]{name}, 'n2400', 'those before');
is_deeply([ map { $_->{name} } list("key=$made->{id}") ], [ 'first' ],
          'of one key, however far back');
is_deeply([ map { $_->{name} } list('type=near_limit&key=k0&limit=2') ],
          [ 'n2499', 'n2496' ], 'of a type and key');

for my $wrong ('limit=0', 'limit=1001', 'before=x', 'before=', 'type=x',
               'nosuch=1')
{
    is($console->call('GET', "/api/events?$wrong")->status, 400,
       "?$wrong: 400");
}


# Followed.

my @streams;

sub follow {
    my ($query, @headers) = @_;
    my $c = dial($console->{port});
    my %given = @headers;

    push @headers, Authorization => "Bearer $console->{admin}"
        unless $given{Cookie};

    my $stream = { c => $c, text => '' };

    push @streams, $stream;
    $c->send(Test::Apikey::HTTP::bytes('GET', "/api/events/stream$query",
                                       Connection => 'keep-alive', @headers));
    until_has($stream, qr/\r\n\r\n/);

    return $stream;
}

sub until_has {
    my ($stream, $what) = @_;

    wait_for(sub {
        $stream->{text} .= $stream->{c}->read(0.1) // '';
        return $stream->{text} =~ $what;
    }, 60);

    return $stream->{text};
}

sub ended {
    my ($stream) = @_;

    return until_has($stream, qr/\r\n0\r\n\r\n$/) =~ /\r\n0\r\n\r\n$/;
}

my $all = follow('');
like($all->{text}, qr{^HTTP/1.1 200}, 'a stream');
like($all->{text}, qr{^Content-Type: text/event-stream\r$}m, 'of events');
like($all->{text}, qr{^Cache-Control: no-store\r$}m, 'kept by no cache');

my $some = follow('?type=revoked&key=k1');
my $id = add(type => 'near_limit', key => 'k1', name => 'not this');

like(until_has($all, qr/not this/),
     qr/^id:\ \Q$id\E\n
        data:\ (\{"id":"\Q$id\E",.*"name":"not\ this".*\})\n\n/mx,
     'an event as it comes');

add(type => 'revoked', key => 'k1', name => 'this');
like(until_has($some, qr/"this"/), qr/"name":"this"/, 'of a key and type');
unlike($some->{text}, qr/not this/, 'and no other');
unlike($all->{text}, qr/n2500/, 'nothing of before');

my $since = follow('', 'Last-Event-ID' => $id);
like(until_has($since, qr/"this"/), qr/"name":"this"/, 'what was missed');
unlike($since->{text}, qr/not this/, 'and nothing twice');

is($console->call('GET', '/api/events/stream', undef,
                  'Last-Event-ID' => 'x')->status, 400, 'no id of an event');


# Redis goes and comes back, with what happened meanwhile.

$redis->stop;
is($console->call('GET', '/api/events/stream')->status, 503,
   'no stream without Redis');
is($console->call('GET', '/api/events')->status, 503, 'and no list');

$redis->start;
my $next = $redis->cmd('XADD', 'apikey:events', '9' x 14 . '-1', 'type',
                       'expiring', 'key', 'k2', 'name', 'after');
like(until_has($all, qr/"after"/), qr/"name":"after"/, 'the stream goes on');


# Its end: with the session, which it doesn't keep alive; and a bound.

my $r = $console->call('POST', '/api/session', { token => $console->{viewer} });
my ($cookie) = $r->header('Set-Cookie') =~ /^([^;]+)/;
my $session = follow('', Cookie => $cookie);

like($session->{text}, qr{^HTTP/1.1 200}, 'a viewer follows, too');
$console->call('DELETE', '/api/session', undef, Cookie => $cookie,
               'X-CSRF-Token' => $r->json->{csrf});
ok(ended($session), 'the stream ends with its session');

my @more = map { follow('') } @streams .. 8;

push @more, follow('', Authorization => "Bearer $console->{viewer}")
    for 1 .. 8;

my @refused = grep { $_->{text} =~ m{^HTTP/1.1 429} } @more;

ok(!@refused, 'streams') or diag(scalar @refused);
is($console->call('GET', '/api/events/stream')->status, 429, 'one too many');

# Who has gone makes room, though nothing happens.

$more[0]{c}->close;
ok(wait_for(sub {
    my $stream = follow('');

    return 1 if $stream->{text} =~ m{^HTTP/1.1 200};
    pop(@streams)->{c}->close;
    return;
}, 60), 'a client that has gone makes room');


# The server ends in spite of them.

is_deeply([ $console->stop ], [], 'it ends when it is told to');
ok(ended($all), 'and the streams in good order');

done_testing();
