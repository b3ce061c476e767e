#!/usr/bin/perl

# Events are sent to a webhook: signed, in order, none left out, however often
# the other side or this one fails.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;

use Test::Apikey;
use Test::Apikey::Certificates;

# What the environment says of proxies isn't for these servers.

delete @ENV{grep { /_proxy$/i } keys %ENV};

my $redis = redis();
my $program = "$Test::Apikey::BUILD/apikey";
my $port = free_port();
my $url = "http://127.0.0.1:$port/events?token=hidden";
my $log = file('requests', '');
my ($r, $server);


# A server that gives these answers in turn, the last one for ever: a status,
# with more of its header, "never", or "held", until there is a file "go".  Each
# request is a line of the log.

sub serve {
    my @answers = @_;

    $server->stop if $server;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 9,
        LocalPort => $port, ReuseAddr => 1) or die "port $port: $!";

    file('requests', '');

    $server = in_background(sub {
        my @open;

        while (my $c = $listen->accept) {
            my ($head, $body) = ('', '');

            $head .= readline($c) // last until $head =~ /\r\n\r\n$/;
            $head =~ /^Content-Length: (\d+)/mi;
            read $c, $body, $1;

            open my $f, '>>', $log;
            print $f JSON::PP::encode_json([ $head, $body ]), "\n";
            close $f;

            my $answer = @answers > 1 ? shift @answers : $answers[0];

            if ($answer eq 'never') {
                push @open, $c;
                next;
            }

            if ($answer eq 'held') {
                wait_for(sub { -e Test::Apikey::dir() . '/go' });
                $answer = '200 OK';
            }

            print $c "HTTP/1.1 $answer\r\nContent-Length: 2\r\n",
                     "Connection: close\r\n\r\nok";
            close $c;
        }
    });
    close $listen;
}

sub requests { map { decode_json($_) } split /\n/, slurp($log) }

sub keys_sent {
    return join ' ', map { decode_json($_->[1])->{key} } requests();
}

my $mask = umask 0077;
my $secret = file('secret', "a secret of the webhook\n");
umask $mask;

my @options = ('--webhook', $url, '--webhook-secret-file', $secret,
               '--webhook-name', 'w');

sub webhook { apikey('events', @options, @_) }

sub background {
    my @args = @_;

    return Test::Apikey::fork_child(sub {
        open STDOUT, '>', file('out', '');
        open STDERR, '>', file('err', '');
        exec $program, '--redis', $redis->url, 'events', '--follow',
            @options, '--webhook-timeout', '600s', @args;
    });
}

sub err { slurp(Test::Apikey::dir() . '/err') }
sub place { $redis->cmd('HGET', 'apikey:webhooks', 'w') }

sub event {
    return $redis->cmd('XADD', 'apikey:events', '*', type => 'expiring',
                       key => $_[0], @_[1 .. $#_]);
}


# It begins with what happens from then on.

event('before');
serve('200 OK');

$r = webhook();
is($r->{exit}, 0, 'a new webhook') or diag $r->{err};
is($r->{out}, "0 sent\n", 'is sent nothing old');
like($r->{err}, qr{^apikey: webhook http://127.0.0.1:$port is new}m,
     'which is said');

create_key('--name', "Zo\x{c3}\x{ab}");
event('k2', window => 60);

$r = webhook();
is($r->{out}, "2 sent\n", 'then all that happens') or diag $r->{err};

my @requests = requests();
my ($head, $body) = @{$requests[0]};

is_deeply([ map { decode_json($_->[1]) } @requests ],
          [ map { decode_json($_) }
            split /\n/, apikey('--json', 'events', '--count', 2)->{out} ],
          'each event a JSON, as apikey events prints it, in order');
like($head, qr{^POST /events\?token=hidden HTTP/1}, 'by POST');
like($head, qr{^Content-Type: application/json\r$}m, 'as JSON');
like($head, qr{^Apikey-Event: \Q${\ decode_json($body)->{id}}\E\r$}m,
     'with its id');

my ($time, $mac) = $head =~ /^Apikey-Signature: t=(\d+),v1=([0-9a-f]{64})\r$/m;

cmp_ok(abs(time - $time), '<', 60, 'signed just now');
utf8::downgrade($body);
is($mac, hmac_sha256_hex("$time.$body", 'a secret of the webhook'),
   'over time and body, with the secret');

is(webhook()->{out}, "0 sent\n", 'and never again');
is(webhook('--json')->{out}, "{\"sent\":0}\n", 'for programs');


# It fails, and comes back.

event('k3');
event('k4');
serve('500 Oops', '503 Busy', '200 OK');

$r = webhook();
is($r->{out}, "2 sent\n", 'after errors');
is(keys_sent(), 'k3 k3 k3 k4', 'the same one again, then the next');
like($r->{err},
     qr{: it answered 500\n.*: it answered 503\n.*takes events again},
     'with each reason said') or diag $r->{err};
unlike($r->{err}, qr/hidden/, 'and no secret of the URL');

my $before = place();
my $id = event('k5');

serve('302 Found' . "\r\nLocation: http://127.0.0.1:$port/elsewhere");
$r = webhook();
is($r->{exit}, 1, 'a redirect');
like($r->{err}, qr/it answered 302, and redirects aren't followed/, 'is none');
is(keys_sent(), 'k5 k5 k5', 'three attempts');
is(scalar(grep { $_->[0] =~ /elsewhere/ } requests()), 0, 'none elsewhere');
is(place(), $before, 'and it stays where it was');

$server->stop;
$server = undef;
$r = webhook();
is($r->{exit}, 1, 'nobody is there');
like($r->{err}, qr/connect/i, 'which is said');

# who answers in time may have to wait for the CPU all the same

for my $patience (1, 10, 60) {
    serve('never', '200 OK');
    $id = event('k5') if place() eq $id;
    $r = webhook('--webhook-timeout', "${patience}s");
    last if keys_sent() eq 'k5 k5';
}

is($r->{out}, "1 sent\n", 'one that answers too late, and then in time');
like($r->{err}, qr/time/i, 'which is said');
is(keys_sent(), 'k5 k5', 'the same event');
is(place(), $id, 'it goes on behind it');

event('k6');
serve("429 Slow\r\nRetry-After: 1", '200 OK');
is(webhook()->{out}, "1 sent\n", 'one that asks for a pause');


# It goes on as events come; killed in the middle, it begins there.

serve('200 OK', 'never');
event('k7');

my $pid = background();
ok(wait_for(sub { keys_sent() eq 'k7' && place() ne $id }), 'an event');

event('k8');
event('k9');
ok(wait_for(sub { keys_sent() eq 'k7 k8' }), 'the next one is being sent');
kill 'KILL', $pid;
Test::Apikey::wait_pid($pid, 10);

serve('200 OK', '200 OK', '500 Oops', '200 OK', 'never');
$pid = background();
ok(wait_for(sub { keys_sent() eq 'k8 k9' }), 'from where it was killed');

event('k10');
ok(wait_for(sub { keys_sent() eq 'k8 k9 k10 k10' }), 'an error on the way');
ok(wait_for(sub { err() =~ /takes events again/ }), 'it goes on');

event('k11');
ok(wait_for(sub { keys_sent() =~ /k11$/ }), 'one is being sent');
$id = place();
kill 'TERM', $pid;
is(Test::Apikey::wait_pid($pid, 10), 0, 'SIGTERM ends it in good order');
is(place(), $id, 'what was not answered is not taken');

serve('200 OK');
is(webhook()->{out}, "1 sent\n", 'and is sent again');
is(keys_sent(), 'k11', 'which it is');


# Redis goes while an event is being sent: its place is written later.

serve('held');
$pid = background();
$id = event('held');
ok(wait_for(sub { keys_sent() eq 'held' }), 'an event is being sent');

$redis->stop;
file('go', '');
ok(wait_for(sub { err() =~ /trying again/ }), 'it is taken, but Redis went');
$redis->start;
ok(wait_for(sub { (place() // '') eq $id }), 'its place is written then');

kill 'TERM', $pid;
is(Test::Apikey::wait_pid($pid, 10), 0, 'and all is well');
serve('200 OK');


# Some of them.

event('k4');
$id = event('k12');
$r = webhook('--type', 'revoked');
is($r->{out}, "0 sent\n", 'no event of that type') or diag $r->{err};
is(place(), $id, 'those before are done with');

is(apikey('events', '--webhook', $url, '--webhook-secret-file', $secret,
          '--since', '1h', '--id', 'k4')->{out}, "1 sent\n",
   'another name begins where it is told to');
is(apikey('events', '--webhook', $url, '--webhook-secret-file', $secret,
          '--since', '1h', '--id', 'k4')->{out}, "0 sent\n", 'once');


# https is verified.

my $ca = authority('of the webhook');
my $cert = $ca->issue('IP:127.0.0.1');
my $tls = free_port();
my $taken = file('taken', '');

my $https = Test::Apikey::fork_child(sub {
    open STDERR, '>', '/dev/null';
    exec 'python3', '-c', <<'PY', $tls, @$cert{qw(cert key)}, $taken;
import http.server, ssl, sys

class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[4], "ab") as f:
            f.write(body)
        self.send_response(204)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Taker)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
});

wait_for(sub { Test::Apikey::accepts($tls) });
event('secure');
@options[1, 5] = ("https://127.0.0.1:$tls/", 'tls');

$r = webhook('--since', $id);
is($r->{exit}, 1, 'a certificate of a stranger');
like($r->{err}, qr/certificate/, 'is refused');
is(slurp($taken), '', 'and told nothing');

$r = webhook('--since', $id, '--webhook-ca', $ca->{cert});
is($r->{out}, "1 sent\n", 'one of the right authority') or diag $r->{err};
like(slurp($taken), qr/"key":"secure"/, 'is trusted');

$options[1] = "https://localhost:$tls/";
event('secure');
is(webhook('--webhook-ca', $ca->{cert})->{exit}, 1, 'another name is not');

kill 'TERM', $https;
Test::Apikey::wait_pid($https, 10);


# What can't be.

my $exposed = file('exposed', 'x' x 32);
chmod 0644, $exposed;
my $short = file('short', "x\n");
chmod 0600, $short;

for my $case (
    [ 'no secret', '--webhook', $url ],
    [ 'a secret that others can read', '--webhook', $url,
      '--webhook-secret-file', $exposed ],
    [ 'a short one', '--webhook', $url, '--webhook-secret-file', $short ],
    [ 'none there', '--webhook', $url, '--webhook-secret-file', '/none' ],
    [ 'no URL', '--webhook', 'example', '--webhook-secret-file', $secret ],
    [ 'no http', '--webhook', 'ftp://127.0.0.1/', '--webhook-secret-file',
      $secret ],
    [ 'a file', '--webhook', 'file:///etc/passwd', '--webhook-secret-file',
      $secret ],
    [ 'a count', @options, '--count', 5 ],
    [ 'no webhook', '--webhook-name', 'w' ],
    [ 'a bad name', '--webhook', $url, '--webhook-secret-file', $secret,
      '--webhook-name', 'a b' ],
    [ 'a bad time', @options, '--webhook-timeout', '1h' ],
) {
    my ($what, @args) = @$case;

    $r = apikey('events', @args);
    is($r->{exit}, 2, $what);
    unlike($r->{err}, qr/hidden|xxx/, 'its secrets stay secret');
}

done_testing();
