package Test::Apikey::Certificates;

# Authorities and certificates, made by openssl(1).
#
#   my $ca = authority(NAME)
#   $ca->{cert}                   its file
#   $ca->issue(SANS)              {cert, key}: files; SANS is like
#                                 "DNS:redis.test,IP:127.0.0.1"; all of them
#                                 have the same key
#   $ca->issue(SANS, expired => 1)

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
    my $ext = $sans ? "subjectAltName=$sans" : 'basicConstraints=CA:FALSE';
    my @valid = $opt{expired}
                ? qw(-startdate 20200101000000Z -enddate 20200102000000Z)
                : qw(-days 1);
    my ($name) = $path =~ m{([^/]+)$};

    _openssl(qw(req -new -subj /CN=redis -key), $self->{key}, '-out',
             "$path.csr");

    # x509 -req makes no expired ones in OpenSSL 3.5
    mkdir $path or die "$path: $!";
    Test::Apikey::file("$name/index", '');
    Test::Apikey::file("$name/conf", <<"CONF");
[ ca ]
default_ca = this

[ this ]
database = $path/index
new_certs_dir = $path
certificate = $self->{cert}
private_key = $self->{own}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = of_a_server

[ any ]
commonName = supplied

[ of_a_server ]
$ext
CONF
    _openssl(qw(ca -batch -notext -config), "$path/conf", @valid, '-in',
             "$path.csr", '-out', "$path.crt");

    return { cert => "$path.crt", key => $self->{key} };
}

sub _openssl {
    my $r = Test::Apikey::run('openssl', @_);

    die "openssl @_: $r->{err}" if $r->{exit};
}


1;
