#!/usr/bin/perl

# An upstream's own X-RateLimit headers aren't let through in its early hints
# either, where the module sets them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;

use Test::Apikey;

my ($version) = run(Test::Apikey::Nginx::binary(), '-v')->{err}
                    =~ m{nginx/1\.(\d+)};

plan skip_all => 'nginx before 1.29 passes no early hints' if $version < 29;

my $redis = redis();
my ($port, $behind) = (free_port(), free_port());

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $behind, Listen => 10, ReuseAddr => 1) or die "upstream: $!";

my $upstream = in_background(sub {
    while (my $client = $listen->accept) {
        my $limits = join '', map { "$_: 7\r\n" }
            'X-RateLimit-Limit', 'x-ratelimit-remaining', 'X-RateLimit-Reset',
            'RateLimit', 'RateLimit-Policy';

        1 while defined($_ = <$client>) && !/^\r\n/;
        print $client "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n$limits",
                      "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n$limits\r\n";
        close $client;
    }
});

my $nginx = nginx(<<"CONF");
    server {
        listen 127.0.0.1:$port;
        early_hints 1;

        location / {
            apikey on;
            proxy_pass http://127.0.0.1:$behind;
        }

        location /open/ {
            proxy_pass http://127.0.0.1:$behind;
        }
    }
CONF

my $key = create_key('--limits', '1000r/d');

sub answers {
    my ($uri) = @_;
    my $client = Test::Apikey::accepts($port);

    print $client "GET $uri HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  . "X-API-Key: $key->{key}\r\n\r\n";

    return split /\r\n\r\n/, join '', <$client>;
}

my ($hints, $final) = answers('/');

like($hints, qr/^HTTP\/1\.1 103 .*^Link: /ms, 'early hints');
unlike($hints, qr/RateLimit/i, 'have no limits');
like($final, qr/^HTTP\/1\.1 200 .*^X-RateLimit-Limit: 1000\r$/ms,
     'the response has those of the module');
is(scalar(() = $final =~ /^x-ratelimit-limit:/gmi), 1, 'once');

($hints) = answers('/open/');
like($hints, qr/^X-RateLimit-Limit: 7/m, 'where it sets none, they pass');

done_testing();
