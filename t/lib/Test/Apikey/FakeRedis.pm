package Test::Apikey::FakeRedis;

# A server that speaks as Redis does until the test tells it otherwise; it runs
# in a child.
#
#   use Test::Apikey::FakeRedis;
#
#   my $fake = fake_redis();
#   my $fake = fake_redis(behind => $redis);    # asks that one
#   my $fake = fake_redis(address => '127.0.0.2', port => PORT);
#   nginx(TEXT, redis => $fake);
#
#   $fake->script(RULE, ...)    what the next scripts (EVALSHA, EVAL) get, the
#                               last one for all that follow; a rule is bytes
#                               or a hash of
#                     say => BYTES      the reply
#                     ask => 1          the reply of the server behind
#                     slots => 1        keys are of several slots: not together
#                     hold => 1         not before ->release
#                     lose => 1         never, though the server was asked
#                     clock => SECONDS  the time so far ahead, as TIME tells it
#                     close => 1        and then the connection is closed
#   $fake->usage(RULE, ...)     the same for what writes usage
#   $fake->usages               how many of those it was sent so far
#   $fake->greet(WORD => RULE)  the same for AUTH, SELECT, PING, or any other
#                               command; ROLE says master without; "gateways"
#                               is the script that registers a worker, "events"
#                               all that events need
#   $fake->publish(CHANNEL, TEXT)  to whoever listens
#   $fake->release              what is held, on every connection
#   $fake->trickle              the same, each byte by itself
#   $fake->say(BYTES)           unasked, on every connection
#   $fake->cut                  closes every connection
#   $fake->refuse  ->listen     accepts nobody; accepts again
#   $fake->scripts              how many questions it was sent so far; what is
#                               asked in one turn is one script
#   $fake->wait_scripts(N)      until it was sent that many since the last
#                               ->forget
#   $fake->words                the commands it was sent, as lists of words
#   $fake->forget               starts that list anew
#   $fake->connections          how many were made so far;  ->open: are there
#   $fake->listeners            those that have subscribed
#
#   resp(VALUE)     bytes of a reply: a string, undef, a list as a reference,
#                   an error as a reference to its text
#   record(NAME => VALUE, ...)  a reply of decide.lua: this record
#   verdict(CODE, COUNTERS)     or this decision: 0 passed, 1 limited, 2 out of
#                               its time
#
# Without a rule a server behind is asked; without one, nothing is said.
# Connections that subscribe, the scripts by which workers register, usage and
# events are served without these rules and not counted.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC IPPROTO_TCP TCP_NODELAY);
use Test::Apikey ();
use Time::HiRes qw(time);

our @EXPORT = qw(fake_redis resp record verdict);

my $json = JSON::PP->new->latin1->allow_nonref;


sub fake_redis { Test::Apikey::FakeRedis->new(@_) }

sub resp {
    my ($value) = @_;

    return "\$-1\r\n" unless defined $value;
    return "-$$value\r\n" if ref $value eq 'SCALAR';
    return '$' . length($value) . "\r\n$value\r\n" unless ref $value;
    return '*' . @$value . "\r\n" . join '', map { resp($_) } @$value;
}

sub record { resp([ @_, now => 'MARK' . _microseconds() ]) }

sub verdict {
    my ($code, $counters) = @_;

    # nothing is leased; of one question none or one has passed
    return resp('MARK' . pack('C', $code == 2) . _microseconds() . "\0" x 6
                . pack('C', $code == 0) . ($counters // ''));
}

sub _microseconds { substr pack('Q<', time * 1000000), 0, 7 }


sub new {
    my ($class, %opt) = @_;
    my $self = bless { address => '127.0.0.1',
                       port => Test::Apikey::free_port(), %opt }, $class;

    $self->{listen} = $self->_listen;

    socketpair my $ours, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!";

    $self->{pid} = Test::Apikey::fork_child(sub {
        $SIG{PIPE} = 'IGNORE';
        close $ours;
        $self->_serve($its);
    });

    close $its;
    close delete $self->{listen};

    $self->{control} = $ours;
    Test::Apikey::started($self);

    return $self;
}

sub _listen {
    my ($self) = @_;

    return IO::Socket::INET->new(LocalAddr => $self->{address},
        LocalPort => $self->{port}, Listen => 1024, ReuseAddr => 1)
        // die "fake redis on $self->{port}: $!";
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;

    kill 'TERM', $pid;
    Test::Apikey::wait_pid($pid);

    return;
}


# The test's side: one line there, one line back.

for my $order (qw(script usage usages greet publish release trickle say cut
                  refuse listen scripts
                  words forget connections open listeners))
{
    no strict 'refs';
    *$order = sub { my $self = shift; $self->_order($order, @_) };
}

sub _order {
    my ($self, @words) = @_;

    syswrite $self->{control}, $json->encode(\@words) . "\n";

    my $line = readline $self->{control};
    defined $line or die "the fake redis has ended\n";

    return $json->decode($line);
}

sub wait_scripts {
    my ($self, $count) = @_;

    return Test::Apikey::wait_for(sub { $self->scripts >= $count });
}


# The child.  A connection is {socket, in, held => [BYTES, ...]}.

sub _serve {
    my ($self, $control) = @_;
    my $in = '';

    $self->{at} = {};
    $self->forget_all;

    while (1) {
        my @ready = IO::Select->new($control, $self->{listen} // (),
                        map { $_->{socket} } values %{$self->{at}})->can_read;

        for my $s (@ready) {
            if ($s == $control) {
                sysread $control, $in, 65536, length $in or return;
                $self->_obey($control, $1) while $in =~ s/^(.*)\n//;

            } elsif ($self->{listen} && $s == $self->{listen}) {
                my $new = $s->accept or next;

                $self->{connections}++;
                setsockopt $new, IPPROTO_TCP, TCP_NODELAY, 1;
                $self->{at}{$new} = { socket => $new, in => '', held => [] };

            } elsif (my $c = $self->{at}{$s}) {
                if (!sysread $s, $c->{in}, 65536, length $c->{in}) {
                    delete $self->{at}{$s};
                    next;
                }

                while ($self->{at}{$s} and my @words = _take(\$c->{in})) {
                    $self->_command($c, @words);
                }
            }
        }
    }
}

sub forget_all { @{$_[0]}{qw(words scripts)} = ([], 0) }

sub _obey {
    my ($self, $control, $line) = @_;
    my ($order, @words) = @{$json->decode($line)};
    my @at = values %{$self->{at}};
    my $answer = 1;

    if ($order eq 'script' || $order eq 'usage') {
        $self->{$order} = [ map { ref ? $_ : { say => $_ } } @words ];

    } elsif ($order eq 'greet') {
        my ($word, $rule) = @words;
        $self->{greet}{$word} = ref $rule ? $rule : { say => $rule };

    } elsif ($order eq 'publish') {
        syswrite $_->{socket}, resp([ 'message', @words ])
            for grep { $_->{listens} } @at;

    } elsif ($order eq 'release' || $order eq 'trickle') {
        for my $c (@at) {
            my $bytes = join '', splice @{$c->{held}};

            syswrite $c->{socket}, $_
                for $order eq 'release' ? $bytes : split //, $bytes;
        }

    } elsif ($order eq 'say') {
        syswrite $_->{socket}, $words[0] for grep { !$_->{listens} } @at;

    } elsif ($order eq 'cut') {
        $self->{at} = {};

    } elsif ($order eq 'refuse') {
        close delete $self->{listen} if $self->{listen};

    } elsif ($order eq 'listen') {
        $self->{listen} ||= $self->_listen;

    } elsif ($order eq 'forget') {
        $self->forget_all;

    } elsif ($order eq 'listeners') {
        $answer = grep { $_->{listens} } @at;

    } elsif ($order eq 'open') {
        $answer = grep { !$_->{listens} } @at;

    } else {
        # scripts, usages, words, connections
        $answer = $self->{$order} // 0;
    }

    syswrite $control, $json->encode($answer) . "\n";
}

sub _command {
    my ($self, $c, @words) = @_;
    my $rule;

    if ($words[0] eq 'SUBSCRIBE') {
        $self->{connections}-- unless $c->{listener}++;
        $c->{listens} = 1;
        $rule = $self->{greet}{SUBSCRIBE}
            || { say => "*3\r\n" . resp('subscribe') . resp($words[1])
                        . ":1\r\n" };

    } elsif ($words[0] eq 'UNSUBSCRIBE') {
        $c->{listens} = 0;
        $rule = { say => "*3\r\n" . resp('unsubscribe') . resp('all')
                         . ":0\r\n" };

    } elsif ($c->{listens}) {
        $rule = { say => resp([ 'pong', '' ]) };

    } elsif (($words[3] // '') =~ /gateways$/) {
        $rule = $self->{greet}{gateways} || { say => resp(time) };

    } elsif (($words[4] // '') =~ /:usage:/) {
        $self->{usages}++;
        $rule = $self->_rule('usage') || { say => ":1\r\n" };

    } elsif (($words[1] // '') =~ /:(events|expiring)$/) {
        $rule = $self->{greet}{events} || { say => "+OK\r\n" };

    } else {
        push @{$self->{words}}, \@words;
    }

    if ($rule) {
        # as it is

    } elsif ($words[0] =~ /^eval/i) {
        $self->{scripts} += _questions($words[3 + $words[2]]);

        $rule = $self->_rule('script') || {};

    } else {
        $rule = $self->{greet}{$words[0]} || { say =>
            $words[0] eq 'PING' ? "+PONG\r\n"
            : $words[0] eq 'ROLE' ? resp([ 'master', '0' ]) : "+OK\r\n" };
    }

    my $reply = $rule->{say} // '';

    # the record that was asked for, and the mark of the first question

    if ($words[0] =~ /^eval/i) {
        my $mark = substr $words[3 + $words[2]] // '', 0, 4;

        $reply =~ s/\$3\r\nnow\r\n/resp($words[3])/e;
        $reply =~ s/MARK/$mark/;
    }

    $reply = $self->_ask(@words)
        if $rule->{ask} && !($rule->{slots} && $words[2] > 2);
    $reply = resp([ split /\./, sprintf '%.6f', time + $rule->{clock} ])
        if defined $rule->{clock};
    $reply = resp(\'CROSSSLOT not together') if $rule->{slots} && $words[2] > 2;
    $reply = '' if $rule->{lose};

    # what is held holds up what comes after it

    if ($rule->{hold} || @{$c->{held}}) {
        push @{$c->{held}}, $reply;

    } elsif (length $reply) {
        syswrite $c->{socket}, $reply;
    }

    delete $self->{at}{$c->{socket}} if $rule->{close};
}

sub _rule {
    my ($self, $name) = @_;
    my $rules = $self->{$name};

    return $self->{behind} && { ask => 1 } unless $rules && @$rules;
    return @$rules > 1 ? shift @$rules : $rules->[0];
}

sub _ask {
    my ($self, @words) = @_;

    $self->{own} ||= Test::Apikey::accepts($self->{behind}{port})
        or die "the redis behind: $!\n";

    syswrite $self->{own}, resp(\@words);

    my $reply = '';

    until (my $size = _size(\$reply, 0)) {
        sysread $self->{own}, $reply, 65536, length $reply
            or die "the redis behind has closed\n";
    }

    return $reply;
}

# The words of the first command, taken away; none: it isn't complete.

sub _take {
    my ($in) = @_;
    my $size = _size($in, 0) or return;
    my $bytes = substr $$in, 0, $size, '';
    my @words;

    $bytes =~ /^\*\d+\r\n/g;

    while ($bytes =~ /\G\$(\d+)\r\n/gc) {
        push @words, substr $bytes, pos $bytes, $1;
        pos($bytes) += $1 + 2;
    }

    return @words;
}

# How many are asked by a call of decide.lua; any other script is one.

sub _questions {
    my ($packed) = @_;
    my ($at, $count) = (4, 0);

    return 1 if length $packed < 32;

    while ($at < length $packed) {
        my ($rule, $n, $more, $rev) = unpack "x$at x C x17 C C C/a", $packed;

        $at += 22 + length $rev;
        $count += $n;

        for (1 .. $more) {
            $count += unpack "x$at x6 C", $packed;
            $at += 7;
        }

        $at += 6 if $rule == 2;
    }

    return $count;
}

# Where what begins there ends; 0: it isn't complete.

sub _size {
    my ($bytes, $at) = @_;

    pos($$bytes) = $at;
    $$bytes =~ /\G(.)(.*?)\r\n/gcs or return 0;

    my ($type, $n, $end) = ($1, $2, pos $$bytes);

    if ($type eq '$' && $n >= 0) {
        $end += $n + 2;

    } elsif ($type eq '*') {
        for (1 .. $n) {
            $end = _size($bytes, $end) or return 0;
        }
    }

    return $end <= length $$bytes ? $end : 0;
}


1;
