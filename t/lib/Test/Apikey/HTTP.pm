package Test::Apikey::HTTP;

# A client that hides nothing: bytes out, a parsed response in.
#
#   get(PORT, URI, NAME => VALUE, ...)
#   request(PORT, METHOD, URI, {body => TEXT, timeout => S}, NAME => VALUE, ...)
#       one request on a connection of its own; the hash may be left out.
#       "Host: localhost" and "Connection: close" are sent unless given.
#   $r->status  $r->body  $r->json  $r->head (the raw head)
#   $r->header(NAME)        the first of that name, or undef
#   $r->all(NAME)           each of that name
#   dial(PORT)              a connection: ->send(BYTES), ->response(METHOD),
#                           ->read(SECONDS) what has come, ->closed, ->close
#   burst(PORT, COUNT, URI, NAME => VALUE, ...)
#       that many at the same time, each on a connection of its own; returns
#       the responses.  No answer: the status is 0.
#   exchange(PORT, [BYTES, ...], SECONDS)
#       the same with requests as bytes, ended by the server's close

use strict;
use warnings;

use IO::Poll qw(POLLIN POLLOUT POLLERR POLLHUP);
use IO::Socket::INET;
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time);


sub bytes {
    my ($method, $uri, @headers) = @_;
    my %opt = ref $headers[0] ? %{+shift @headers} : ();
    my %given = map { lc $headers[2 * $_] => 1 } 0 .. @headers / 2 - 1;

    unshift @headers, Host => 'localhost' unless $given{host};
    push @headers, Connection => 'close' unless $given{connection};
    push @headers, 'Content-Length' => length $opt{body}
        if defined $opt{body} && !$given{'content-length'}
           && !$given{'transfer-encoding'};

    my $head = "$method $uri HTTP/1.1\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $head .= "$name: $value\r\n";
    }

    return "$head\r\n" . ($opt{body} // '');
}


sub request {
    my ($port, $method, $uri, @headers) = @_;
    my $timeout = ref $headers[0] ? $headers[0]{timeout} : undef;

    my $c = Test::Apikey::HTTP::Connection->new($port);
    $c->send(bytes($method, $uri, @headers));

    return $c->response($method, $timeout);
}


sub burst {
    my ($port, $count, $uri, @headers) = @_;
    my $request = bytes('GET', $uri, @headers);

    return exchange($port, [ ($request) x $count ]);
}


sub exchange {
    my ($port, $requests, $seconds) = @_;
    my $end = time + ($seconds || 120) * $Test::Apikey::PATIENCE;
    my $poll = IO::Poll->new;
    my @got = ('') x @$requests;
    my %at;

    for my $i (0 .. $#$requests) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $port, Type => SOCK_STREAM) or next;

        $s->blocking(0);
        $at{$s} = { socket => $s, i => $i, out => $requests->[$i] };
        $poll->mask($s => POLLOUT);
    }

    while (%at && time < $end) {
        $poll->poll($end - time) > 0 or last;

        for my $s ($poll->handles(POLLIN | POLLOUT | POLLERR | POLLHUP)) {
            my $c = $at{$s};

            if (length $c->{out}) {
                my $n = syswrite $s, $c->{out};

                substr $c->{out}, 0, $n, '' if $n;
                $poll->mask($s => POLLIN) unless length $c->{out};

                next if $n || $!{EAGAIN};

            } else {
                my $n = sysread $s, $got[$c->{i}], 65536, length $got[$c->{i}];

                next if $n || (!defined $n && $!{EAGAIN});
            }

            $poll->remove($s);
            delete $at{$s};
            close $s;
        }
    }

    return map { Test::Apikey::HTTP::Response->parse($_) } @got;
}


package Test::Apikey::HTTP::Connection;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub new {
    my ($class, $port) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 60 * $Test::Apikey::PATIENCE)
        or die "connect to $port: $!";

    $s->autoflush(1);

    return bless { socket => $s, buffer => '' }, $class;
}

sub send {
    my ($self, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes or last;
        substr $bytes, 0, $n, '';
    }

    return $self;
}

# The next response: exactly one, what follows stays for the next call.

sub response {
    my ($self, $method, $seconds) = @_;

    $self->{end} = time + ($seconds || 60) * $Test::Apikey::PATIENCE;

    while (1) {
        my $r = Test::Apikey::HTTP::Response->parse($self->{buffer},
                    $method || 'GET', $self->{eof});

        if ($r->{complete} || $self->{eof}) {
            substr $self->{buffer}, 0, $r->{size}, '';
            return $r;
        }

        return $r unless $self->_more;
    }
}

# What arrives within this time, the rest of the buffer included.

sub read {
    my ($self, $seconds) = @_;

    $self->{end} = time + ($seconds || 0.2) * $Test::Apikey::PATIENCE;

    while (!length $self->{buffer}) {
        $self->_more or last;
    }

    return delete($self->{buffer}) . ($self->{buffer} = '');
}

# Has the server closed, within that time?

sub closed {
    my ($self, $seconds) = @_;

    $self->{end} = time + ($seconds || 60) * $Test::Apikey::PATIENCE;
    1 while $self->_more;

    return $self->{eof};
}

sub close {
    my ($self) = @_;

    close $self->{socket};
}

# False at the end: of the connection, or of the time.

sub _more {
    my ($self) = @_;
    my $left = $self->{end} - time;

    return 0 if $self->{eof} || $left <= 0;
    return 0 unless IO::Select->new($self->{socket})->can_read($left);

    my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                length $self->{buffer};

    $self->{eof} = 1 unless $n;

    return $n;
}


package Test::Apikey::HTTP::Response;

use strict;
use warnings;

use JSON::PP ();


# "complete" once all of it is there, "size" being how many bytes it has.  At
# the end of the connection a body without a length is complete.

sub parse {
    my ($class, $bytes, $method, $eof) = @_;
    my $self = bless { status => 0, headers => [], body => '', head => '',
                       complete => 0, size => length $bytes }, $class;

    my $at = 0;
    my $fields = qr/(?:[^\r\n]+\r\n)*/;

    while ($bytes =~ /\G(HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n$fields\r\n)/gc) {
        ($self->{head}, $self->{status}, $at) = ($1, $2, pos $bytes);

        # 100 Continue and the like come before the response
        last if $2 >= 200 || $2 == 101;
        push @{$self->{interim}}, $2;
        $self->{status} = 0;
    }

    return $self unless $self->{status};

    for (split /\r\n/, $self->{head}) {
        push @{$self->{headers}}, [ $1, $2 ] if /^([^:\s]+):\s*(.*?)\s*$/;
    }

    $self->_body(substr($bytes, $at), $at, $method || 'GET', $eof // 1);

    return $self;
}

sub _body {
    my ($self, $rest, $at, $method, $eof) = @_;
    my $length = $self->header('Content-Length');

    if ($method eq 'HEAD' || $self->{status} =~ /^(101|204|304)$/) {
        @$self{qw(complete size)} = (1, $at);

    } elsif (lc($self->header('Transfer-Encoding') // '') eq 'chunked') {
        my $pos = 0;

        while (substr($rest, $pos) =~ /^([0-9A-Fa-f]+)[^\r\n]*\r\n/) {
            my ($size, $line) = (hex $1, length $&);

            last if length $rest < $pos + $line + $size + 2;

            $self->{body} .= substr $rest, $pos + $line, $size;
            $pos += $line + $size + 2;

            if (!$size) {
                @$self{qw(complete size)} = (1, $at + $pos);
                last;
            }
        }

    } elsif (defined $length) {
        $self->{body} = substr $rest, 0, $length;
        @$self{qw(complete size)} = (1, $at + $length)
            if length $rest >= $length;

    } else {
        $self->{body} = $rest;
        $self->{complete} = $eof;
    }
}

sub status { $_[0]{status} }
sub body   { $_[0]{body} }
sub head   { $_[0]{head} }
sub json   { JSON::PP::decode_json($_[0]{body}) }

sub header {
    my ($self, $name) = @_;

    return ($self->all($name))[0];
}

sub all {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$self->{headers}};
}


1;
