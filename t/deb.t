#!/usr/bin/perl

# The Debian packages agree with the tree.  "make test-deb SUITE=trixie" builds
# them in a minimal root of that release, and in another one an operator
# installs them, puts keys before an API, upgrades, removes and purges.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;
use Test::Apikey::Root;

my $tree = $Test::Apikey::ROOT;
my $readme = slurp("$tree/README.md");
my $makefile = slurp("$tree/Makefile");
my $control = slurp("$tree/debian/control");
my $rules = slurp("$tree/debian/rules");

chomp(my $version = slurp("$tree/VERSION"));


# What is said in two places.

my ($package) = slurp("$tree/debian/changelog") =~ /^\S+ \(([^)]+)\) unstable;/;
my ($changes) = slurp("$tree/CHANGES") =~ /^Changes with \S+ (\S+) +\d/m;

like($package, qr/^\Q$version\E-\d+$/, "debian/changelog begins with $version");
is($changes, $version, 'so does the latest release in CHANGES');

my ($needed) = $makefile =~ /^BUILD_PACKAGES = ((?:.*\\\n)*.*)$/m;
my %essential = map { $_ => 1 } qw(gcc make libc6-dev nginx-dev);

is_deeply([ $control =~ /^ +(lib\S+-dev),?$/mg ],
          [ sort grep { !$essential{$_} } $needed =~ /([a-z][\w.-]+)/g ],
          'what building needs is what make deps-build installs');

is(join(' ', sort $rules =~ /^units = (.*)$/m),
   join(' ', map { m{/apikey-(\w+)\.service$} } glob "$tree/contrib/*.service"),
   'each unit is packaged');

my ($number) = slurp("$tree/debian/libnginx-mod-http-apikey.nginx")
               =~ /^mod debian\/mod-http-apikey\.conf (\d+)$/;
my $link = "$number-mod-http-apikey.conf";

is_deeply([ grep { $_ ne $link } $readme =~ /(\d+-mod-http-apikey\.conf)/g ],
          [], "README.md has the file in modules-enabled as $link, too");


SKIP: {
    my $suite = $ENV{TEST_DEB_SUITE};

    skip 'make test-deb SUITE=trixie installs them', 1 if !$suite;
    skip 'a root of Debian is made by root only', 1 if $> != 0;
    skip 'mmdebstrap is not installed', 1
        if run('sh', '-c', 'command -v mmdebstrap unshare')->{exit} != 0;

    my $builder = Test::Apikey::Root->new($suite, 'make');
    my $operator = $builder->twin;

    build($builder);
    story($operator, $builder->path('/root/apikey/build/deb'));
    $_->gone for $builder, $operator;
}

done_testing();


# A step that the next ones are built upon.

sub good {
    my ($r, $name) = @_;

    is($r->{exit}, 0, $name) or die substr($r->{out}, -3000), "\n";

    return $r->{out};
}

sub build {
    my ($root) = @_;

    mkdir $root->path('/root/apikey');
    good(run('sh', '-c', "tar -c -C '$tree' --exclude=./build"
                         . " --exclude=./.git . | tar -x -C "
                         . $root->path('/root/apikey')),
         'a copy of the tree');
    good($root->online('cd apikey && make deb'), 'make deb');
    good($root->online('apt-get -qq -y --no-install-recommends install '
                       . 'lintian'),
         'lintian is there');

    my $r = $root->online('cd apikey/build/deb && lintian --fail-on error'
                          . ' *.changes');

    is($r->{exit}, 0, 'and finds no error') or diag($r->{out});
}


# The packages, as a version before had them: with another /etc/apikey.conf.

sub before {
    my ($root) = @_;

    return good($root->sh(<<'END'), 'packages of a version before');
        set -e
        mkdir before

        for file in deb/*.deb; do
            dpkg-deb -R $file old
            sed -i 's/^Version: .*/Version: 0.9.0-1/' old/DEBIAN/control
            [ ! -f old/etc/apikey.conf ] \
            || echo '# of before' >> old/etc/apikey.conf
            dpkg-deb --root-owner-group -b old before/${file##*/}
            rm -r old
        done
END
}

sub story {
    my ($root, $built) = @_;
    my $apt = 'DEBIAN_FRONTEND=noninteractive apt-get -y -qq'
              . ' --no-install-recommends -o Dpkg::Options::=--force-confold';
    my $others = 'libnginx-mod-http-headers-more-filter libnginx-mod-http-lua';

    mkdir $root->path('/root/deb');
    $root->copy($_, '/root/deb') for grep { !/dbgsym/ } glob "$built/*.deb";
    good($root->online("apt-get -qq update && $apt --download-only install"
                       . " nginx redis-server curl $others ./deb/*.deb"),
         'what they need is of this release');
    before($root);

    # where there is no init, packages start and stop nothing without it
    good($root->sh('echo "#!/bin/true" > /usr/sbin/policy-rc.d;'
                   . ' chmod 755 /usr/sbin/policy-rc.d'), 'services may start');

    installed($root, $apt);
    my $key = served($root);
    upgraded($root, $apt, $key);
    after_others($root, $apt, $others, $key);
    removed($root, $apt);

    unlike($root->sh('cat /var/log/nginx/error.log')->{out},
           qr/\[(?:alert|crit)\]/, 'nginx had nothing to complain about');
}

sub installed {
    my ($root, $apt) = @_;

    good($root->sh("$apt install nginx redis-server curl"), 'nginx and Redis');
    good($root->sh('service redis-server start; for i in $(seq 60); do'
                   . ' redis-cli ping && exit; sleep 1; done;'
                   . ' cat /var/log/redis/*; exit 1'), 'Redis runs');
    good($root->sh("$apt install ./before/*.deb"), 'the packages');

    is($root->sh("readlink /etc/nginx/modules-enabled/$link")->{out},
       "/usr/share/nginx/modules-available/mod-http-apikey.conf\n",
       'the module is enabled');
    is($root->sh('stat -c "%U:%G %a" /etc/apikey.conf; id -Gn apikey')->{out},
       "root:apikey 640\napikey\n",
       '/etc/apikey.conf is for root and the group apikey');
    is($root->sh('grep -h ^ExecStart= /usr/lib/systemd/system/apikey-*.service'
                 . ' /lib/systemd/system/apikey-*.service'
                 . ' | cut -d" " -f1 | sort -u')->{out},
       "ExecStart=/usr/bin/apikey\n", 'units call the program of the package');
    good($root->sh('test -s /usr/share/man/man1/apikey.1.gz'), 'the man page');
    is($root->sh('ls /etc/systemd/system/*/apikey* 2> /dev/null')->{out}, '',
       'no service is enabled');
}

sub api {
    my ($root, $more) = @_;

    return $root->sh(<<"END");
        set -e
        cat > /etc/nginx/conf.d/api.conf <<'CONF'
apikey_redis 127.0.0.1:6379;
apikey_pepper_file /etc/nginx/apikey.pepper;
server {
    listen 127.0.0.1:8080;
    apikey on;
    location / { try_files /none =204; $more }
}
CONF
        nginx -t -q
        service nginx restart
END
}

sub ask {
    my ($root, $key) = @_;
    my $header = $key ? "-H 'X-API-Key: $key'" : '';

    return $root->sh("curl -si --retry 5 --retry-connrefused $header"
                     . ' http://127.0.0.1:8080/')->{out};
}

sub served {
    my ($root) = @_;

    good($root->sh('umask 027; head -c 32 /dev/urandom | base64'
                   . ' > /etc/nginx/apikey.pepper;'
                   . ' chgrp apikey /etc/nginx/apikey.pepper'), 'a pepper');
    good(api($root, ''), 'an API in a file of conf.d');

    my ($key) = good($root->sh('apikey create --name Acme --limits 9/25920000'),
                     'a key') =~ /^key +(\S+)$/m;

    like(ask($root, $key), qr/ 204 .*^X-RateLimit-Remaining: 8\r$/ms,
         'a request with it');
    like(ask($root), qr/ 401 /, 'and one without');
    like(good($root->sh('setpriv --reuid=apikey --regid=apikey --init-groups'
                        . ' apikey list'), 'the user of the services'),
         qr/Acme/, 'sees keys');

    return $key;
}

sub upgraded {
    my ($root, $apt, $key) = @_;
    my $mine = 'tail -n 1 /etc/apikey.conf;'
               . ' stat -c "%U:%G %a" /etc/apikey.conf';

    good($root->sh('echo actor = ops >> /etc/apikey.conf;'
                   . ' chgrp adm /etc/apikey.conf;'
                   . ' rm /etc/nginx/sites-enabled/*'),
         'an operator has it another way');

    my $link_is = "ls /etc/nginx/modules-enabled";
    my $links = $root->sh($link_is)->{out};

    good($root->sh("$apt install ./deb/*.deb"), 'the packages of this version');
    is($root->sh('dpkg-query -W -f \'${Version}\n\' apikey'
                 . ' libnginx-mod-http-apikey')->{out},
       "$package\n$package\n", "are $package");
    is($root->sh($mine)->{out}, "actor = ops\nroot:adm 640\n",
       'the operator\'s file is left as it is');
    is($root->sh($link_is)->{out}, $links, 'and the module where it was');
    is($root->sh('grep ngx_http_apikey /proc/$(cat /run/nginx.pid)/maps'
                 . ' | grep -c deleted')->{out}, "0\n",
       'nginx has loaded the new module');
    like(ask($root, $key), qr/ 204 .*^X-RateLimit-Remaining: 7\r$/ms,
         'the key goes on');
    good($root->sh('apikey doctor'), 'apikey doctor');
}

# Loaded earlier, it would set its headers when others have changed theirs.

sub after_others {
    my ($root, $apt, $others, $key) = @_;
    my $theirs = "more_set_headers 'X-RateLimit-Limit: hidden';"
                 . ' header_filter_by_lua_block {'
                 . ' ngx.header["X-RateLimit-Reset"] = nil }';

    good($root->sh("$apt install $others"), "$others");
    good(api($root, $theirs), 'both change headers of limits');

    my $r = ask($root, $key);

    like($r, qr/^X-RateLimit-Limit: hidden\r$/m, 'headers-more does');
    like($r, qr/^X-RateLimit-Remaining: \d+\r$/m, 'what is not theirs');
    unlike($r, qr/^X-RateLimit-Reset/m, 'Lua does');

    my $early = "50-mod-http-apikey.conf";

    good($root->sh("cd /etc/nginx/modules-enabled; mv $link $early;"
                   . ' service nginx restart'), 'loaded before them');
    like(ask($root, $key), qr/^X-RateLimit-Limit: 9\r$/m,
         'it would have the last word');
    good($root->sh("cd /etc/nginx/modules-enabled; mv $early $link"), 'back');
}

sub removed {
    my ($root, $apt) = @_;
    my $ours = 'find /etc -name "*apikey*" | sort';

    good($root->sh('rm /etc/nginx/conf.d/api.conf; service nginx restart'),
         'no keys any more');
    good($root->sh("$apt remove apikey libnginx-mod-http-apikey"), 'removed');
    good($root->sh('nginx -t -q && service nginx restart'), 'nginx starts');
    is($root->sh($ours)->{out}, <<"END", 'configuration is left');
/etc/apikey.conf
/etc/apikey.conf.dpkg-dist
/etc/nginx/apikey.pepper
/etc/nginx/modules-enabled/$link.removed
END

    good($root->sh("$apt purge apikey libnginx-mod-http-apikey"), 'purged');
    is($root->sh($ours)->{out}, "/etc/nginx/apikey.pepper\n",
       'what is not theirs is left, the pepper above all');
}
