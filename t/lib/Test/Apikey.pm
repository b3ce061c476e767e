package Test::Apikey;

# What the tests in t/ stand on: a private Redis, an upstream, an nginx with
# the module and the program "apikey", each started for one test file in a
# folder of its own and stopped, by its pid, when the file ends.
#
#   use Test::More;
#   use FindBin;
#   use lib "$FindBin::Bin/lib";
#   use Test::Apikey;
#
#   my $redis = redis();                    # see Test/Apikey/Redis.pm
#   my $up = upstream();                    # an echo, see .../Upstream.pm
#   my $port = free_port();
#
#   my $nginx = nginx(<<"CONF");            # see Test/Apikey/Nginx.pm
#       apikey_plan small 5r/m;
#
#       server {
#           listen 127.0.0.1:$port;
#           apikey on;
#
#           location / {
#               proxy_pass http://127.0.0.1:$up->{port};
#           }
#       }
#   CONF
#
#   my $key = create_key('--permissions', 'read', '--plan', 'small');
#   my $r = get($port, '/x', 'X-API-Key' => $key->{key});
#   is($r->status, 200);                    # see Test/Apikey/HTTP.pm
#   is($r->header('X-RateLimit-Limit'), 5);
#
#   my $done = apikey('revoke', $key->{id});
#   is($done->{exit}, 0, 'revoked') or diag($done->{err});
#
#   done_testing();
#
# apikey(ARG...)        runs build/apikey against the first Redis and the
#                       pepper of this test; returns {exit, out, err}.  A hash
#                       before the arguments: {redis => $other, stdin => TEXT}.
#                       Workers have long to confirm, unless --wait is given
# create_key(ARG...)    "apikey create", the decoded JSON: {key, id, ...}
# run(COMMAND...)       any program; returns {exit, out, err}; {stdin => TEXT}
#                       may stand first
# free_port()           a port nobody listens on, nor will any other test
# file(NAME, TEXT)      writes a file in this test's folder, returns its path
# slurp(PATH)
# wait_for(CODE, SECONDS)
#                       calls it until it returns something true; returns that.
#                       For a minute at least: when all is well that costs
#                       nothing
# left(WINDOW, SECONDS) waits until so much is left of a window of so many
#                       seconds, lest it ends while the test counts on it
# in_background(CODE)   runs it in a child; ->result waits for what it returned
# expect_log(REGEX)     such lines of an error log are no failure of the test
#
# After each file: no [alert], no [emerg], no report of a sanitizer or of
# valgrind in any log, nginx ended with status 0, none of its workers is left;
# else the file fails.
#
# Environment: TEST_NGINX_BINARY and TEST_NGINX_MODULE choose another nginx and
# module (an empty TEST_NGINX_MODULE: linked into nginx), TEST_BUILD another
# build/, TEST_NGINX_USER another user for its workers; TEST_PATIENCE=10
# multiplies every time-out (valgrind); TEST_KEEP=1 keeps the folder.

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use File::Path ();
use File::Temp ();
use Cwd qw(abs_path);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use List::Util qw(max);
use POSIX ();
use Socket qw(inet_aton pack_sockaddr_in PF_INET SOCK_DGRAM);
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    redis upstream capture nginx nginx_test
    get request dial burst exchange
    apikey create_key run free_port file slurp wait_for left in_background
    expect_log
);

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
our $BUILD = $ENV{TEST_BUILD} || "$ROOT/build";
our $PATIENCE = $ENV{TEST_PATIENCE} || 1;

my $owner = $$;
my $dir;
my @started;            # in order; stopped from the last to the first
my @expected;
my $first_redis;

require Test::Apikey::HTTP;
require Test::Apikey::Nginx;
require Test::Apikey::Redis;
require Test::Apikey::Upstream;

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';

# the program is this test's alone, whatever is set up on this machine
delete @ENV{grep { /^APIKEY_/ } keys %ENV};
$ENV{APIKEY_CONFIG} = '/dev/null';


sub redis {
    my $redis = Test::Apikey::Redis->new(@_);

    first_redis($redis);

    return $redis->start;
}

sub upstream   { Test::Apikey::Upstream->new(@_)->start }
sub capture    { Test::Apikey::Capture->new(@_)->start }
sub nginx      { Test::Apikey::Nginx->new(@_)->start }
sub nginx_test { Test::Apikey::Nginx->new(@_)->test }

sub get      { Test::Apikey::HTTP::request(shift, 'GET', @_) }
sub request  { Test::Apikey::HTTP::request(@_) }
sub dial     { Test::Apikey::HTTP::Connection->new(@_) }
sub burst    { Test::Apikey::HTTP::burst(@_) }
sub exchange { Test::Apikey::HTTP::exchange(@_) }


sub first_redis { $first_redis ||= $_[0] }

sub pepper_file {
    my $path = dir() . '/pepper';

    if (!-e $path) {
        my $mask = umask 0077;
        file('pepper', 'a pepper for the tests: ' . 'x' x 40 . "\n");
        umask $mask;
    }

    return $path;
}


my $CONFIRMED = qr/^(?:delete|disable|edit|enable|revoke|rotate|--reset)\z/;

sub apikey {
    my %opt = ref $_[0] ? %{+shift} : ();
    my @args = @_;
    my $redis = $opt{redis} || $first_redis;

    push @args, '--wait', 60 * $PATIENCE . 's'
        if grep({ $_ =~ $CONFIRMED } @args) && !grep { /^--wait\b/ } @args;

    return run({ stdin => $opt{stdin} }, "$BUILD/apikey",
               $redis ? ('--redis', $redis->url) : (),
               '--pepper-file', pepper_file(), @args);
}


sub create_key {
    my %opt = ref $_[0] ? %{+shift} : ();
    my @args = @_;

    unshift @args, '--name', 'test' unless grep { $_ eq '--name' } @args;

    my $r = apikey(\%opt, '--json', 'create', @args);

    die "apikey create @args: exit $r->{exit}: $r->{err}" if $r->{exit};

    return JSON::PP::decode_json($r->{out});
}


sub run {
    my %opt = ref $_[0] ? %{+shift} : ();
    my @command = @_;

    pipe my $in_r, my $in_w or die "pipe: $!";
    my ($out, $err) = map { File::Temp->new(DIR => dir()) } 1 .. 2;

    my $pid = fork_child(sub {
        open STDIN, '<&', $in_r;
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err;
        close $in_w;
        exec { $command[0] } @command or die "$command[0]: $!\n";
    });

    close $in_r;
    print $in_w $opt{stdin} if defined $opt{stdin};
    close $in_w;

    my $status = wait_pid($pid, $opt{timeout} || 120);

    return {
        exit => defined $status && !($status & 127) ? $status >> 8 : -1,
        out  => slurp($out->filename),
        err  => slurp($err->filename),
    };
}


sub dir {
    if (!$dir) {
        $dir = File::Temp::tempdir('apikey-test-XXXXXX', TMPDIR => 1);
        chmod 0755, $dir;       # nginx's workers are another user
    }

    return $dir;
}

sub file {
    my ($name, $text) = @_;
    my $path = dir() . "/$name";

    open my $f, '>', $path or die "$path: $!";
    binmode $f;
    print $f $text;
    close $f or die "$path: $!";

    return $path;
}

sub slurp {
    my ($path) = @_;

    open my $f, '<', $path or return '';
    binmode $f;
    local $/;

    return scalar(<$f>) // '';
}


# Below the ports that connections get on their own, so that a server can come
# back on its port.  Until this test ends it is taken, as the others see by a
# socket of UDP at an address that nobody uses.

my %taken;

sub free_port {
    for (1 .. 200) {
        my $port = 10000 + int rand 20000;

        next if $taken{$port};

        socket my $claim, PF_INET, SOCK_DGRAM, 0 or die "socket: $!";
        bind $claim, pack_sockaddr_in($port, inet_aton('127.255.10.10'))
            or next;

        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;

        close $s;
        $taken{$port} = $claim;

        return $port;
    }

    die 'no free port';
}


sub wait_for {
    my ($code, $seconds) = @_;
    my $end = time + max($seconds || 0, 60) * $PATIENCE;

    while (1) {
        my $late = time > $end;
        my $value = $code->();

        return $value if $value || $late;

        sleep 0.01;
    }
}


sub left {
    my ($window, $seconds) = @_;

    sleep 0.1 until $window - time % $window > $seconds * $PATIENCE;
}


sub expect_log { push @expected, @_ }


# Processes.

sub fork_child {
    my ($code) = @_;

    STDOUT->flush;
    STDERR->flush;

    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
    srand;

    my $ok = eval { $code->(); 1 };
    print STDERR $@ unless $ok;
    STDOUT->flush;
    STDERR->flush;

    POSIX::_exit($ok ? 0 : 127);
}

# The wait status of a child, or nothing if it had to be killed.

sub wait_pid {
    my ($pid, $seconds) = @_;
    my $status;

    my $ended = wait_for(sub {
        my $rc = waitpid $pid, POSIX::WNOHANG();
        $status = $? if $rc == $pid;
        return $rc != 0;
    }, $seconds);

    return $status if $ended;

    kill 'CONT', $pid;
    kill 'KILL', $pid;
    waitpid $pid, 0;

    return undef;
}

# Anything with a method "stop", which returns what went wrong.

sub started {
    my ($server) = @_;

    push @started, $server;
}

sub accepts {
    my ($port) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                 Timeout => 30 * $PATIENCE);
}


sub in_background { Test::Apikey::Background->new(@_) }


sub wrong_lines {
    my ($text) = @_;
    my @wrong;

    for my $line (split /\n/, $text) {
        next unless $line =~ /\[alert\]|\[emerg\]|AddressSanitizer
            |LeakSanitizer|runtime[ ]error:|^==\d+==[ ]/x;
        next if grep { $line =~ $_ } @expected;

        push @wrong, $line;
    }

    return @wrong;
}


END {
    if ($$ == $owner) {
        my $exit = $?;
        my @wrong = map { $_->stop } reverse @started;

        if (@wrong) {
            print STDERR map { "# $_\n" } "after the tests:", @wrong;
            $exit ||= 1;
        }

        if ($dir && $ENV{TEST_KEEP}) {
            print STDERR "# kept: $dir\n";

        } elsif ($dir) {
            File::Path::remove_tree($dir);
        }

        $? = $exit;
    }
}


package Test::Apikey::Background;

use strict;
use warnings;

sub new {
    my ($class, $code) = @_;

    pipe my $r, my $w or die "pipe: $!";

    my $pid = Test::Apikey::fork_child(sub {
        close $r;
        my @result = $code->();
        print $w JSON::PP->new->allow_nonref->encode(\@result);
        close $w;
    });

    close $w;

    my $self = bless { pid => $pid, from => $r }, $class;
    Test::Apikey::started($self);

    return $self;
}

# What the code returned; in scalar context the first of it.

sub result {
    my ($self) = @_;

    local $/;
    my $text = readline $self->{from};
    $self->stop;

    my $result = JSON::PP::decode_json($text || '[]');

    return wantarray ? @$result : $result->[0];
}

# Asks it to end; the code may catch it.

sub signal {
    my ($self, $name) = @_;

    kill $name, $self->{pid} if $self->{pid};
}

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    Test::Apikey::wait_pid($pid);

    return;
}


1;
