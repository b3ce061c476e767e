#!/usr/bin/perl

# The units for systemd call apikey as it wants to be called, with files that
# README.md tells of, and have no rights that they don't need.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $root = $Test::Apikey::ROOT;
my $readme = slurp("$root/README.md");
my ($global) = apikey('help')->{out} =~ /^Options of every(.*)/ms;

for my $path (glob "$root/contrib/*.service") {
    my ($name) = $path =~ m{([^/]+)$};
    my $unit = slurp($path) =~ s/\\\n\s*/ /gr;
    my ($program, $command, $rest) =
        $unit =~ m{^ExecStart=(\S+) (\S+) (.*)$}m;

    is($program, '/usr/local/bin/apikey', "$name: what make install installs");

    my $help = apikey($command, '--help');
    my %options = map { $_ => 1 }
                  map { /^  (--[a-z-]+)/mg } $help->{out}, $global;

    is($help->{exit}, 0, "$name: $command is a command");
    is_deeply([ grep { !$options{$_} } $rest =~ /(--[a-z-]+)/g ], [],
              'with options that it takes');

    like($readme, qr/\Q$_\E/, "README.md tells of $_")
        for "contrib/$name", $rest =~ m{(/etc/\S+)}g;

    # the group may be there before the user, for those who manage keys
    my $made = qr/groupadd\ --system\ apikey\n
                  .*useradd\ --system\ --gid\ apikey\ .*/sx;

    like($_, $made, 'its user is made in its group') for $unit, $readme;

    like($unit, qr/^User=(?!root)\w/m, 'not as root');
    like($unit, qr/^$_$/m, $_)
        for 'CapabilityBoundingSet=', 'NoNewPrivileges=yes',
            'ProtectSystem=strict', 'Restart=on-failure';
}

done_testing();
