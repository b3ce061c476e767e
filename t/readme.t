#!/usr/bin/perl

# README.md speaks of every directive, variable and command that there is, and
# of no other; nginx -t accepts its examples; its keys are keys.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Compress::Zlib qw(crc32);

use Test::Apikey;
use Test::Apikey::Certificates;

my $root = $Test::Apikey::ROOT;
my $readme = slurp("$root/README.md");
my $module = slurp("$root/ngx_http_apikey_module.c");


# Directives: in a section each, with the contexts they have.

my %contexts = ('NGX_HTTP_MAIN_CONF' => 'http',
                'NGX_HTTP_APIKEY_MSL_CONF' => 'http, server, location',
                'NGX_HTTP_LOC_CONF' => 'location');

my %exists = $module =~ /\{ ngx_string\("(apikey\w*)"\),\s+(NGX_HTTP_\w+)/g;
my %described;

while ($readme =~ /^### (apikey\w*)\n(.*?)(?=^##)/msg) {
    my ($name, $text) = ($1, $2);

    $described{$name} = 1;

    like($text, qr/^\*\*Syntax:\*\* `$name[ ;]/m, "$name: Syntax");
    like($text, qr/^\*\*Default:\*\* (?:`$name .*;`|—)<br>$/m,
         "$name: Default");

    my ($context) = $text =~ /^\*\*Context:\*\* (.*)$/m;
    is($context, $contexts{$exists{$name} // ''}, "$name: Context");

    my ($default) = $text =~ /^\*\*Default:\*\* `(.*)`<br>$/m;

    is(nginx_test($default)->{exit}, 0, "$name: the default is accepted")
        if $default;
}

is_deeply([ sort keys %described ], [ sort keys %exists ],
          'each directive that there is, and no other');


# Variables, results, commands.

my ($variables) = $readme =~ /^## Variables\n(.*?)^## /ms;
my %named = map { $_ => 1 } $variables =~ /^\|[^|]*\$(apikey_\w+)`.*$/mg;

$named{$_} = 1 for map { /\$(apikey_\w+)/g } $variables =~ /^\|([^|]+)\|/mg;

my $code = slurp("$root/src/gateway/ngx_http_apikey_variables.c");

is_deeply([ sort keys %named ],
          [ sort { $a cmp $b } $code =~ /ngx_string\("(apikey_\w+)"\)/g ],
          'each variable that there is, and no other');

my $help = apikey('help')->{out};
my %commands = map { $_ => 1 } $help =~ /^  ([a-z]+) +[A-Z]/mg;
my ($section) = $readme =~ /^## The command line\n(.*?)^## /ms;
my %sections = map { $_ => 1 } map { split /, / } $section =~ /^### (.*)$/mg;

is_deeply([ sort keys %sections ], [ sort keys %commands ],
          'each command that there is, and no other');

my %options = map { $_ => 1 }
    map { apikey('help', $_)->{out} =~ /^  (--[a-z-]+)/mg } keys %commands;

my @used = $section =~ /(?<![\w-])(--[a-z][a-z-]+)/g;

is_deeply([ grep { !$options{$_} } @used ], [], 'no option that there is not');


# Examples, at whatever level they stand.

my $pepper = Test::Apikey::pepper_file();
my $authority = authority('of this test');
my $certificate = $authority->issue('DNS:keys.example.com');
my $mask = umask 0027;
my $password = file('password', "secret\n");
umask $mask;

sub accepted {
    my ($text) = @_;
    my $port = free_port();
    my $listen = "listen 127.0.0.1:$port;";
    my $why;

    $text =~ s{/etc/nginx/apikey.pepper}{$pepper};
    $text =~ s{/etc/nginx/apikey.redis}{$password};
    $text =~ s{/etc/nginx/redis-ca.pem}{$authority->{cert}};
    $text =~ s{/etc/nginx/keys.pem}{$certificate->{cert}};
    $text =~ s{/etc/nginx/keys.key}{$certificate->{key}};
    $text =~ s/^(\s*)listen \d+/$1listen 127.0.0.1:$port/m
        or $text =~ s/^(\s*server \{)/$1 $listen/m;

    my $redis = $text =~ /^apikey_redis /m ? '' : 'apikey_redis 127.0.0.1:1;';

    for my $level ($text, "server { $listen\n$text }",
                   "server { $listen location / {\n$text } }")
    {
        my $r = nginx_test("$redis\n$level");

        return if $r->{exit} == 0;

        $why //= $r->{err};
    }

    return $why;
}

my @examples = $readme =~ /^```nginx\n(.*?)^```$/msg;

ok(@examples > 10, 'there are examples');

for my $example (grep { !/^load_module/ } @examples) {
    my ($line) = $example =~ /^(.*)$/m;
    my $why = accepted($example);

    ok(!$why, "nginx -t: $line") or diag($why);
}


# Keys.

sub checksum {
    my ($n, $digits) = (crc32($_[0]), '');

    for (1 .. 6) {
        $digits = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z')[$n % 62] . $digits;
        $n = int($n / 62);
    }

    return $digits;
}

my @keys = $readme =~ /\b([a-z0-9_]{1,32}_[0-9A-Za-z]{39})\b/g;

ok(@keys > 1, 'there are keys');
is(substr($_, -6), checksum(substr $_, 0, -6), "the checksum of $_") for @keys;


# Links.

for my $to ($readme =~ /\]\(([^)]+)\)/g) {
    if ($to =~ /^#(.*)/) {
        my $anchor = $1;
        my %anchors = map { lc(s/[^\w -]//gr) =~ s/ /-/gr => 1 }
                      $readme =~ /^#+ (.*)$/mg;

        ok($anchors{$anchor}, "there is $to");

    } else {
        ok(-e "$root/$to", "there is $to");
    }
}

done_testing();
