#!/usr/bin/perl

# The commands that README.md gives for keys of other gateways, just as they are
# there, beside programs that answer as the gateways do: the keys work then,
# where their clients have always sent them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $redis = redis();
my $up = upstream();
my $dir = Test::Apikey::dir();
my $bin = "$dir/bin";
my ($section) = slurp("$Test::Apikey::ROOT/README.md")
                =~ /^### From other gateways\n(.*?)^### /ms;

mkdir $bin or die "$bin: $!";


# What the commands call.

sub program {
    my ($name, $text) = @_;

    chmod 0755, file("bin/$name", "#!/bin/sh\n$text");
}

sub recipe {
    my ($begin) = @_;
    my ($command) = grep { /^\s+\Q$begin\E/ } split /\n\n/, $section;

    die "no command that begins with $begin" if !defined $command;

    local $ENV{PATH} = "$bin:$ENV{PATH}";
    local $ENV{TYK_SECRET} = 'secret';

    return run('bash', '-e', '-c', 'cd "$0" && set -o pipefail && ' . $command,
               $dir);
}

program('apikey', "exec $Test::Apikey::BUILD/apikey --redis ${\ $redis->url} "
        . "--pepper-file ${\ Test::Apikey::pepper_file()} \"\$@\"\n");


# Kong: tried first.

file('kong.yaml', <<'YAML');
_format_version: "3.0"
consumers:
- keyauth_credentials:
  - key: ariel-key
  username: ariel
YAML

my $r = recipe('apikey import --from kong');
is($r->{out}, "1 to be imported, 0 known already, 0 refused\n"
              . "1 imported, 0 known already, 0 refused\n", 'Kong')
    or diag $r->{err};


# Tyk: keys and sessions are got one by one.

program('curl', <<'SH');
test "$1 $2 $3" = '-s -H X-Tyk-Authorization: secret' || exit 2
case "$4" in
http://127.0.0.1:8080/tyk/keys)
    echo '{"keys":["54b53d3aeba6db5c3500000289a8fbc2","custom-key"]}' ;;
http://127.0.0.1:8080/tyk/keys/custom-key)
    echo '{"rate":1000,"per":60,"expires":0,"quota_max":-1,"org_id":"",' \
         '"access_rights":{},"is_inactive":true,"alias":""}' ;;
http://127.0.0.1:8080/tyk/keys/54b53d3aeba6db5c3500000289a8fbc2)
    echo '{"rate":5,"per":1,"expires":3789504000,"quota_max":1000,' \
         '"quota_renewal_rate":3600,"access_rights":{},"org_id":"o",' \
         '"is_inactive":false,"apply_policies":[],"alias":"jo"}' ;;
*)  exit 2 ;;
esac
SH

$r = recipe('curl -s -H "X-Tyk-Authorization');
is($r->{out}, "2 imported, 0 known already, 0 refused\n", 'Tyk')
    or diag $r->{err};


# Each gateway's place of the key, in nginx.

my ($table) = $section =~ /^\| gateway \| `apikey_source` \|\n(.*?)\n\n/ms;
my %sources = $table =~ /^\| ([^|`]+) \| `([^|`]+)` \|$/mg;

cmp_ok(keys %sources, '>=', 9, 'the table is read');

my (%ports, $servers);

for my $gateway (sort keys %sources) {
    $ports{$gateway} = free_port();
    $servers .= <<"CONF";
        server {
            listen 127.0.0.1:$ports{$gateway};
            apikey on;
            apikey_source $sources{$gateway};
            apikey_format any;

            location / {
                proxy_pass http://127.0.0.1:$up->{port};
            }
        }
CONF
}

nginx($servers);

for my $gateway (sort keys %sources) {
    for my $source (split ' ', $sources{$gateway}) {
        my ($kind, $name) = split /:/, $source;
        my $path = $kind eq 'query' ? "/?$name=ariel-key" : '/';
        my @header = $kind eq 'header' ? ($name => 'ariel-key')
                   : $kind eq 'bearer' ? (Authorization => 'Bearer ariel-key')
                   : ();

        is(get($ports{$gateway}, $path, @header)->status, 200,
           "$gateway: $source");
    }
}

done_testing();
