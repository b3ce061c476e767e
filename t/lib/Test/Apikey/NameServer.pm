package Test::Apikey::NameServer;

# A name server: all names have the same addresses.
#
#   use Test::Apikey::NameServer;
#
#   my $dns = name_server('127.0.0.1', ...);
#   $dns->{port}
#   $dns->points_to('127.0.0.2', ...)   no address: there is no such name
#   $dns->silent                        until ->points_to

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;

use Test::Apikey ();

our @EXPORT = qw(name_server);

my $count = 0;


sub name_server {
    my $self = bless { port => Test::Apikey::free_port(),
                       zone => Test::Apikey::dir() . '/zone' . $count++ },
                     __PACKAGE__;

    $self->points_to(@_);

    my $socket = IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => '127.0.0.1', LocalPort => $self->{port})
        or die "name server: $!";

    $self->{child} =
        Test::Apikey::in_background(sub { $self->_serve($socket) });

    return $self;
}

sub points_to {
    my ($self, @addresses) = @_;
    my ($name) = $self->{zone} =~ m{([^/]+)$};

    # whole at any time
    rename Test::Apikey::file("$name.new", join ' ', @addresses),
           $self->{zone} or die "$self->{zone}: $!";
}

sub silent { unlink $_[0]{zone} }

sub _serve {
    my ($self, $socket) = @_;

    while (defined $socket->recv(my $query, 512)) {
        open my $zone, '<', $self->{zone} or next;

        my @addresses = map { split } <$zone>;
        my ($id, $question) = $query =~ /^(..).{10}(.*?\0....)/s;
        my $flags = @addresses ? 0x8180 : 0x8183;

        $socket->send($id . pack('n5', $flags, 1, scalar @addresses, 0, 0)
                      . $question
                      . join '', map { pack 'n3Nna4', 0xc00c, 1, 1, 0, 4,
                                       pack 'C4', split /\./ } @addresses);
    }
}


1;
