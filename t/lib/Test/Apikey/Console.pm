package Test::Apikey::Console;

# "apikey serve" for a test, on a port of its own.
#
#   use Test::Apikey::Console;
#
#   my $console = console();
#   console(redis => $other, args => ['--config', FILE], tokens => TEXT)
#       "tokens" is what stands in the token file
#   $console->{port}  $console->{url} (http://127.0.0.1:PORT/)
#   $console->{admin}  $console->{viewer}
#       tokens, of "ops" and of "auditor", unless there are others
#   $console->call(METHOD, PATH, DATA, NAME => VALUE, ...)
#       as the admin, unless there is a header Authorization or Cookie; DATA is
#       sent as JSON, or as it is if it is text, or undef: not at all; a
#       response of Test/Apikey/HTTP.pm
#   $console->log                 what it has said
#   $console->signal(NAME)  ->stop  ->start on the same port

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();

our @EXPORT = qw(console);

my $count = 0;


sub console { __PACKAGE__->new(@_)->start }

sub new {
    my ($class, %opt) = @_;
    my $port = Test::Apikey::free_port();
    my $n = $count++;

    my $self = bless {
        port => $port, url => "http://127.0.0.1:$port/",
        admin => 'an-admin-of-the-tests-' . 'a' x 20,
        viewer => 'a-viewer-of-the-tests-' . 'v' x 20, %opt,
    }, $class;

    $self->{tokens} //= "ops admin $self->{admin}\n"
                        . "auditor viewer $self->{viewer}\n";

    my $mask = umask 0077;
    $self->{token_file} = Test::Apikey::file("tokens$n", $self->{tokens});
    $self->{log} = Test::Apikey::file("console$n.log", '');
    umask $mask;

    return $self;
}

sub start {
    my ($self) = @_;
    my $redis = $self->{redis} || Test::Apikey::first_redis();

    my @command = ("$Test::Apikey::BUILD/apikey", '--redis', $redis->url,
        '--pepper-file', Test::Apikey::pepper_file(), 'serve', '--listen',
        "127.0.0.1:$self->{port}", '--token-file', $self->{token_file},
        @{$self->{args} || []});

    $self->{pid} = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or die "$command[0]: $!\n";
    });

    Test::Apikey::started($self) unless $self->{registered}++;

    Test::Apikey::wait_for(sub { Test::Apikey::accepts($self->{port}) })
        or die "apikey serve doesn't listen:\n", $self->log;

    return $self;
}

sub call {
    my ($self, $method, $path, $data, @headers) = @_;
    my %given = map { lc $headers[2 * $_] => 1 } 0 .. @headers / 2 - 1;

    unshift @headers, Authorization => "Bearer $self->{admin}"
        unless $given{authorization} || $given{cookie};
    unshift @headers, 'Content-Type' => 'application/json'
        if defined $data && !$given{'content-type'};

    $data = JSON::PP->new->utf8->encode($data) if ref $data;

    return Test::Apikey::HTTP::request($self->{port}, $method, $path,
        defined $data ? { body => $data } : (), @headers);
}

sub log { Test::Apikey::slurp($_[0]{log}) }

sub signal {
    my ($self, $name) = @_;

    kill $name, $self->{pid};
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;

    kill 'TERM', $pid;

    my $status = Test::Apikey::wait_pid($pid);
    my @wrong = Test::Apikey::wrong_lines($self->log);

    push @wrong, 'apikey serve ended with status '
                 . ($status // 'none, killed') if $status // 1;

    return @wrong;
}


1;
