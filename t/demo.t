#!/usr/bin/perl

# make demo: every answer of its tour is as it has to be; it serves until it is
# stopped, and then leaves nothing behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Apikey;

plan skip_all => 'a tour that has a patience of its own'
    if $Test::Apikey::PATIENCE > 1;
plan skip_all => 'the module is linked into nginx'
    if Test::Apikey::Nginx::module() eq '';

my $dir = Test::Apikey::dir();

# All processes of the tour hold its end of a pipe.

$^F = 99;

sub demo {
    my ($once) = @_;
    my $tmp = "$dir/demo$once";

    mkdir $tmp or die "$tmp: $!";
    pipe my $alive, my $end or die "pipe: $!";
    my @ports = map { free_port() } 1 .. 3;

    my $pid = Test::Apikey::fork_child(sub {
        open STDOUT, '>', "$tmp.out";
        open STDERR, '>&', \*STDOUT;
        close $alive;

        exec { 'env' } 'env', "TMPDIR=$tmp", "BUILD=$Test::Apikey::BUILD",
            "ONCE=$once", "PORTS=@ports", "$Test::Apikey::ROOT/t/demo/run";
    });

    close $end;

    return { pid => $pid, tmp => $tmp, alive => $alive };
}

sub printed { slurp("$_[0]{tmp}.out") }

sub ended_well {
    my ($demo, $name) = @_;
    my $status = Test::Apikey::wait_pid($demo->{pid}, 600);

    is($status, 0, "$name: exit status 0") or diag(printed($demo));

    ok(wait_for(sub {
        my $bits = '';

        vec($bits, fileno $demo->{alive}, 1) = 1;

        return select($bits, undef, undef, 0);
    }), "$name: nothing is left running");

    is_deeply([ glob "$demo->{tmp}/*" ], [], "$name: nor a file");
}


# Once.

my $demo = demo(1);

ended_well($demo, 'once');

my $tour = printed($demo);

unlike($tour, qr/not as expected:|\e/, 'no answer was wrong');
like($tour, qr/^Every answer was as expected\.\n\z/m, 'and it says so');
like($tour, qr/^    HTTP\/1.1 $_ /m, "it shows a $_")
    for 200, 401, 403, 405, 429, 503;
like($tour, qr/^429 +1 /m, 'and usage');
like($tour, qr/^    \S+ \S+ +limit_reached +\S+ +tiny /m, 'events');
like($tour, qr/^    apikey_requests_total\{result="limited"\} 1$/m, 'metrics');


# Until it is stopped.

$demo = demo('');

my $serves = wait_for(sub { printed($demo) =~ /until Ctrl-C.*list\n/s }, 600);

ok($serves, 'the tour ends') or diag(printed($demo));

my ($port) = printed($demo) =~ m{http://127.0.0.1:(\d+)/users +X-API-Key: }m;
my ($key) = printed($demo) =~ m{/users +X-API-Key: (\S+)}m;
my ($console, $token) = printed($demo)
    =~ m{^    http://127.0.0.1:(\d+)/\n    its token: (\S+)$}m;

is(get($port, '/users', 'X-API-Key' => $key)->status, 200,
   'the gateway goes on serving');
is(get($console, '/api/keys', Authorization => "Bearer $token")->status, 200,
   'and so does the console');

kill 'TERM', $demo->{pid};
ended_well($demo, 'stopped');

done_testing();
