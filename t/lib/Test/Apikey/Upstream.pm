package Test::Apikey::Upstream;

# An HTTP/1.1 server that answers with what it was sent, as JSON:
#
#   {"method", "uri", "headers": [[NAME, VALUE], ...], "raw": the head as it
#    came, "body_length", "body" (its first 1000 bytes)}
#
# Headers of the request tell it otherwise: X-Echo-Status: 404, X-Echo-Delay:
# 0.3, X-Echo-Header: Name: value (any number of them), X-Echo-Body: text,
# X-Echo-Length: 100000 (of a body of "x").  "Upgrade: websocket" is accepted;
# then every byte comes back.
#
#   my $up = upstream();    $up->{port}
#   $up->requests           what it was sent so far, decoded, in order
#   $up->forget             starts that list anew
#   $up->stop  ->start
#
# capture(protocol => 'fastcgi' | 'uwsgi' | 'scgi' | 'raw') records the bytes of
# another protocol and answers 200 "captured" in it ("raw": closes).
#
#   $capture->{port}        $capture->bytes     all it was sent

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

my $count = 0;


sub new {
    my ($class, %opt) = @_;

    return bless { port => Test::Apikey::free_port(), %opt,
                   record => Test::Apikey::dir() . '/upstream' . $count++ },
                 $class;
}

sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 4096, ReuseAddr => 1)
        or die "upstream on $self->{port}: $!";

    open my $record, '>>', $self->{record} or die "$self->{record}: $!";
    $record->autoflush(1);

    $self->{pid} = Test::Apikey::fork_child(sub {
        $SIG{PIPE} = 'IGNORE';
        $listen->blocking(0);
        $self->_serve($listen, $record);
    });

    close $listen;
    Test::Apikey::started($self) unless $self->{registered}++;

    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;

    kill 'TERM', $pid;
    Test::Apikey::wait_pid($pid);

    return;
}

sub requests {
    my ($self) = @_;

    return map { JSON::PP::decode_json($_) }
               split /\n/, Test::Apikey::slurp($self->{record});
}

sub forget { truncate $_[0]{record}, 0 }


# The child: one loop over all connections.  One of them is
#   {socket, in, out, due => when to send, over => close after that}

sub _serve {
    my ($self, $listen, $record) = @_;
    my %at;

    while (1) {
        my $now = time;
        my ($readers, $writers) = (IO::Select->new($listen), IO::Select->new);
        my $next = $now + 60;

        for my $c (values %at) {
            $readers->add($c->{socket});

            if (length $c->{out} && $c->{due} <= $now) {
                $writers->add($c->{socket});

            } elsif (length $c->{out} && $c->{due} < $next) {
                $next = $c->{due};
            }
        }

        my ($r, $w) = IO::Select->select($readers, $writers, undef,
                                         $next - $now);

        for my $s (@{$w || []}) {
            my $c = $at{$s};
            my $n = syswrite $s, $c->{out};

            substr $c->{out}, 0, $n, '' if $n;
            delete $at{$s} if !length $c->{out} && $c->{over};
            $self->_answer($c, $record) if !length $c->{out};
        }

        for my $s (@{$r || []}) {
            if ($s == $listen) {
                while (my $new = $listen->accept) {
                    $new->blocking(0);
                    $at{$new} = { socket => $new, in => '', out => '' };
                }

                next;
            }

            my $c = $at{$s} or next;
            my $n = sysread $s, $c->{in}, 65536, length $c->{in};

            if (!$n) {
                delete $at{$s} unless !defined $n && $!{EAGAIN};
                next;
            }

            $self->_answer($c, $record) if !length $c->{out};
        }
    }
}

sub _answer {
    my ($self, $c, $record) = @_;

    if ($c->{upgraded}) {
        $c->{out} = $c->{in};
        $c->{in} = '';
        return;
    }

    my ($head) = $c->{in} =~ /^(.*?\r\n\r\n)/s or return;
    my @headers = map { /^([^:]+):\s*(.*?)\s*$/ ? [ $1, $2 ] : () }
                      split /\r\n/, $head;
    my %first = map { lc $_->[0] => $_->[1] } reverse @headers;

    my ($body, $size) = _body(substr($c->{in}, length $head), \%first)
        or return;

    substr $c->{in}, 0, length($head) + $size, '';

    my ($method, $uri) = $head =~ /^(\S+) (\S+)/;
    my $echo = JSON::PP->new->latin1->canonical->encode({
        method => $method, uri => $uri, headers => \@headers, raw => $head,
        body_length => length $body, body => substr($body, 0, 1000),
    });

    print $record "$echo\n";

    $c->{due} = time + ($first{'x-echo-delay'} || 0);
    $c->{over} = lc($first{connection} // '') eq 'close';

    if (lc($first{upgrade} // '') eq 'websocket') {
        $c->{upgraded} = 1;
        $c->{out} = "HTTP/1.1 101 Switching Protocols\r\n"
                    . "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        return;
    }

    my $text = defined $first{'x-echo-length'} ? 'x' x $first{'x-echo-length'}
               : $first{'x-echo-body'} // $echo;
    my $status = $first{'x-echo-status'} || 200;

    $c->{out} = join "\r\n", "HTTP/1.1 $status Echo",
        'Content-Type: application/json', 'Content-Length: ' . length $text,
        (map { $_->[1] } grep { lc $_->[0] eq 'x-echo-header' } @headers),
        '', $method eq 'HEAD' ? '' : $text;
}

# The body, and how many bytes it took; nothing while some are missing.

sub _body {
    my ($rest, $first) = @_;

    if (lc($first->{'transfer-encoding'} // '') eq 'chunked') {
        my ($body, $at) = ('', 0);

        while (substr($rest, $at, 20) =~ /^([0-9A-Fa-f]+)\r\n/) {
            my ($size, $line) = (hex $1, length $&);

            return if length $rest < $at + $line + $size + 2;

            $body .= substr $rest, $at + $line, $size;
            $at += $line + $size + 2;

            return ($body, $at) if !$size;
        }

        return;
    }

    my $length = $first->{'content-length'} || 0;

    return if length $rest < $length;
    return (substr($rest, 0, $length), $length);
}


package Test::Apikey::Capture;

use strict;
use warnings;

our @ISA = ('Test::Apikey::Upstream');

my $TEXT = "Content-Type: text/plain\r\n\r\ncaptured";

my %ANSWER = (
    # the records STDOUT and END_REQUEST of request 1
    fastcgi => pack('CCnnxx', 1, 6, 1, length "Status: 200\r\n$TEXT")
               . "Status: 200\r\n$TEXT" . pack('CCnnxx', 1, 3, 1, 8)
               . "\0" x 8,
    uwsgi   => "HTTP/1.1 200 OK\r\n$TEXT",
    scgi    => "Status: 200\r\n$TEXT",
    raw     => '',
);

# All of the request's parameters are there.

my %COMPLETE = (
    fastcgi => sub { $_[0] =~ /\x01\x05\x00\x01\x00\x00..$/s },
    uwsgi   => sub { length $_[0] >= 4
                     && length $_[0] >= 4 + unpack 'xv', $_[0] },
    scgi    => sub { $_[0] =~ /^(\d+):/
                     && length $_[0] >= length($1) + $1 + 2 },
    raw     => sub { length $_[0] },
);


sub bytes { Test::Apikey::slurp($_[0]{record}) }

sub _answer {
    my ($self, $c, $record) = @_;
    my $protocol = $self->{protocol};

    $c->{seen} .= $c->{in};
    print $record $c->{in};
    $c->{in} = '';

    return unless $COMPLETE{$protocol}->($c->{seen});

    $c->{due} = time;
    $c->{over} = 1;
    $c->{out} = $ANSWER{$protocol};

    shutdown $c->{socket}, 2 if $protocol eq 'raw';
}


1;
