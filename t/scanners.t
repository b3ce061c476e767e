#!/usr/bin/perl

# A key that got into a repository is found by the scanners people have, with
# the rules in contrib/, and what they report revokes it, as README.md says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

my $root = $Test::Apikey::ROOT;
my $redis = redis();
my $dir = Test::Apikey::dir();
my $bin = "$dir/bin";
my @keys;

mkdir $_ or die "$_: $!" for $bin, "$dir/tree";

chmod 0755, file('bin/apikey',
    "#!/bin/sh\nexec $Test::Apikey::BUILD/apikey --redis ${\ $redis->url} "
    . "--pepper-file ${\ Test::Apikey::pepper_file()} \"\$@\"\n");


# Keys as they stand in files, and what looks like one.

sub leak {
    @keys = map { create_key('--name', $_, '--prefix', $_) }
                qw(ak acme_sk_live a1 x);

    file('tree/config.py', "KEY = '$keys[0]{key}'\nkey_id = "
         . "'$keys[0]{id}'\n");
    file('tree/run.sh', "curl -H X-API-Key:$keys[1]{key} "
         . "https://api.example.com/?api_key=$keys[2]{key}&x=1\n");
    file('tree/data.json', qq({"keys":["$keys[3]{key}","$keys[0]{key}"]}\n));
    file('tree/none.txt', join "\n",
         'ak_short', 'a' x 39, 'ak_' . 'b' x 38, 'ak_' . 'b' x 40,
         'sha256:' . '0123456789abcdef' x 4, '');
}

sub works {
    my ($key) = @_;

    return apikey({ stdin => $key->{key} }, 'verify')->{exit} == 0;
}

# The command of README.md with this scanner in it.

sub revoke_by {
    my ($scanner, $path) = @_;
    my ($section) = slurp("$root/README.md")
                    =~ /^### Keys that leaked\n(.*?)^#/ms;
    my ($command) = grep { /^    \Q$scanner\E / } split /\n\n/, $section;

    die "no command of $scanner in README.md" if !defined $command;

    local $ENV{PATH} = "$bin:$path:$ENV{PATH}";

    return run('bash', '-c', "cd $dir/tree && ln -sfn $root/contrib contrib "
               . "&& $command");
}


# gitleaks' rule, by what it does with one: keywords, the expression, entropy.

my $rule = <<'PYTHON';
import collections, json, math, pathlib, re, sys, tomllib

rules = tomllib.load(open(sys.argv[1], "rb"))["rules"]
found = []

for rule in rules:
    for path in pathlib.Path(".").iterdir():
        text = path.read_text() if path.is_file() else ""

        if not any(k in text.lower() for k in rule["keywords"]):
            continue

        for secret in re.findall(rule["regex"], text):
            counts = collections.Counter(secret).values()
            entropy = -sum(n / len(secret) * math.log2(n / len(secret))
                           for n in counts)

            if entropy > rule["entropy"]:
                found.append({"RuleID": rule["id"], "Secret": secret})

json.dump(found, open("report.json", "w"))
PYTHON

SKIP: {
    skip 'python3 has no tomllib', 3
        if run('python3', '-c', 'import tomllib')->{exit};

    leak();
    file('bin/rule.py', $rule);
    chmod 0755, file('bin/gitleaks', "#!/bin/sh\n"
        . "test \"\$*\" = 'git -c contrib/gitleaks.toml -f json "
        . "-r report.json' || exit 2\n"
        . "python3 $bin/rule.py contrib/gitleaks.toml\n");

    my $r = revoke_by('gitleaks', $bin);
    is($r->{exit}, 0, 'gitleaks') or diag $r->{err};
    is(() = $r->{out} =~ /^revoked \S+$/mg, 4, 'finds each key once');
    is((grep { works($_) } @keys), 0, 'and none works any more');
    unlink "$dir/tree/report.json";
}


# The real secretlint.

SKIP: {
    my $npm = "$root/build/npm/node_modules/.bin";

    skip 'there is no secretlint: make deps-npm', 4
        if !-x "$npm/secretlint";
    skip 'secretlint needs another Node.js', 4
        if run("$npm/secretlint", '--version')->{exit};

    leak();

    my $r = revoke_by('secretlint', $npm);
    is($r->{exit}, 0, 'secretlint') or diag $r->{err};
    is(() = $r->{out} =~ /^revoked \S+$/mg, 4, 'finds each key once');
    is((grep { works($_) } @keys), 0, 'and none works any more');

    my $none = run("$npm/secretlint", '--secretlintrc',
                   "$root/contrib/secretlintrc.json", "$dir/tree/none.txt");
    is($none->{exit}, 0, 'and nothing that only looks like one')
        or diag $none->{out};
}

done_testing();
