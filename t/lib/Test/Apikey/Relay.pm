package Test::Apikey::Relay;

# A relay to a Redis that holds what that answers until it is told to go on.
# Who listens hears of changes all the same.
#
#   use Test::Apikey::Relay;
#
#   my $relay = relay($redis);      nginx(TEXT, redis => $relay)
#   $relay->hold                    answers, from now on
#   $relay->wait_held               until a record or a verdict is among them
#   $relay->release
#   $relay->deafen                  who listens is cut off, and listens in vain
#   $relay->listen                  until now

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Test::Apikey ();

our @EXPORT = qw(relay);

my $count = 0;


sub relay {
    my ($redis) = @_;
    my $self = bless { port => Test::Apikey::free_port(),
                       server => $redis->{port},
                       path => Test::Apikey::dir() . '/relay' . $count++ },
                     __PACKAGE__;

    $self->{child} = Test::Apikey::in_background(sub { $self->_serve });

    Test::Apikey::wait_for(sub { Test::Apikey::accepts($self->{port}) })
        or die 'no relay';

    return $self;
}

sub hold {
    my ($self) = @_;

    unlink "$self->{path}.held";
    $self->_touch('hold');
}

sub release { unlink "$_[0]{path}.hold" }

sub deafen { $_[0]->_touch('deaf') }

sub listen { unlink "$_[0]{path}.deaf" }

sub wait_held {
    my ($self) = @_;

    return Test::Apikey::wait_for(sub { -e "$self->{path}.held" });
}

sub _touch {
    my ($self, $what) = @_;

    open my $f, '>>', "$self->{path}.$what" or die "$self->{path}: $!";
    close $f;
}

sub _serve {
    my ($self) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1) or die $!;
    my (%at, @late);

    while (1) {
        my @ready = IO::Select->new($listen, map { $_->{socket} } values %at)
                    ->can_read(0.01);

        my $hold = -e "$self->{path}.hold";

        # before what comes later

        if (!$hold) {
            syswrite $_->[0], $_->[1] for splice @late;
        }

        for my $s (@ready) {
            if ($s == $listen) {
                my $client = $s->accept;
                my $server = Test::Apikey::accepts($self->{server});

                $at{$client} = { socket => $client, peer => $server };
                $at{$server} = { socket => $server, peer => $client,
                                 server => 1 };
                next;
            }

            my $c = $at{$s} or next;
            my $deaf = -e "$self->{path}.deaf";
            my $bytes;

            if (!sysread($s, $bytes, 65536)
                || ($deaf && ($c->{listens} || $bytes =~ /SUBSCRIBE/)))
            {
                delete @at{$s, $c->{peer}};
                close $_ for $s, $c->{peer};

            } elsif ($c->{server} && !$c->{listens} && $hold) {
                push @late, [ $c->{peer}, $bytes ];

                # longer than the answers to some heartbeats of workers
                $self->_touch('held') if length $bytes > 60
                                         || $bytes =~ /^\$(?:1[4-9]|[2-9]\d)/m;

            } else {
                $at{$c->{peer}}{listens} = 1 if $bytes =~ /SUBSCRIBE/;
                syswrite $c->{peer}, $bytes;
            }
        }

        if (-e "$self->{path}.deaf") {
            for my $c (grep { $_ && $_->{listens} } values %at) {
                delete @at{$c->{socket}, $c->{peer}};
                close $_ for $c->{socket}, $c->{peer};
            }
        }
    }
}


1;
