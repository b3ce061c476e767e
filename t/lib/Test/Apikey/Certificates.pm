package Test::Apikey::Certificates;

# Authorities and certificates, made by openssl(1).
#
#   my $ca = authority(NAME)
#   $ca->{cert}                   its file
#   $ca->issue(SANS, days => 1)   {cert, key}: files; SANS is like
#                                 "DNS:redis.test,IP:127.0.0.1"; expired if
#                                 days is negative; shares the authority's key

use strict;
use warnings;

use Exporter 'import';

use Test::Apikey ();

our @EXPORT = qw(authority);

my $count = 0;


sub authority {
    my ($name) = @_;
    my $path = Test::Apikey::dir() . '/tls' . $count++;
    my $self = bless { name => $name, cert => "$path.crt", key => "$path.key",
                       own => "$path.ca.key" }, __PACKAGE__;

    for my $key (@$self{qw(own key)}) {
        _openssl(qw(genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256
                    -out), $key);
    }

    _openssl(qw(req -x509 -days 2 -subj), "/CN=$name", '-key', $self->{own},
             '-out', $self->{cert});

    return $self;
}

sub issue {
    my ($self, $sans, %opt) = @_;
    my $path = Test::Apikey::dir() . '/tls' . $count++;
    my $days = $opt{days} // 1;
    my $ext = $sans ? "subjectAltName=$sans\n" : "basicConstraints=CA:FALSE\n";

    _openssl(qw(req -new -subj /CN=redis -key), $self->{key}, '-out',
             "$path.csr");
    Test::Apikey::file(($path =~ m{([^/]+)$})[0] . '.ext', $ext);
    _openssl(qw(x509 -req -in), "$path.csr", '-CA', $self->{cert}, '-CAkey',
             $self->{own}, '-set_serial', $count, '-days', $days, '-extfile',
             "$path.ext", '-out', "$path.crt");

    return { cert => "$path.crt", key => $self->{key} };
}

sub _openssl {
    my $r = Test::Apikey::run('openssl', @_);

    die "openssl @_: $r->{err}" if $r->{exit};
}


1;
