package Test::Apikey::Root;

# A minimal root of a Debian release, and a shell in it that stays: what one
# command starts, the next one finds running.
#
#   my $root = Test::Apikey::Root->new('trixie', 'make');
#   $root->copy($path, '/root');            # a file or a folder
#   my $other = $root->twin;                # the same, as it is on disk now
#   my $r = $root->online('apt-get update');    # a shell of its own, with the
#                                           # machine's network
#   $r = $root->sh('nginx -t');             # no network but the loopback
#   is($r->{exit}, 0) or diag($r->{out});
#   $root->gone;                            # with all that runs there
#
# Users are root.  "out" holds standard error, too.

use strict;
use warnings;

use IPC::Open2;

my $tool = "$Test::Apikey::ROOT/t/root";
my $count = 0;


sub new {
    my ($class, $suite, $packages) = @_;
    my $self = bless { dir => Test::Apikey::dir() . '/root' . $count++ },
                     $class;

    checked({ timeout => 900 }, $tool, 'make', $self->{dir}, $suite, $packages);

    return $self;
}

sub twin {
    my ($self) = @_;
    my $dir = Test::Apikey::dir() . '/root' . $count++;

    checked({ timeout => 600 }, 'cp', '-a', '--reflink=auto', $self->{dir},
            $dir);

    return bless { dir => $dir }, ref $self;
}

sub copy {
    my ($self, $path, $to) = @_;

    checked('cp', '-r', $path, "$self->{dir}$to");
}

sub path { "$_[0]->{dir}$_[1]" }


sub online {
    my ($self, $command) = @_;
    my $r = Test::Apikey::run({ timeout => 1800 }, $tool, 'run', $self->{dir},
                              'root', "exec 2>&1; $command");

    $r->{out} .= $r->{err};

    return $r;
}

sub sh {
    my ($self, $command) = @_;
    my $out = '';

    if (!$self->{pid}) {
        $self->{pid} = open2($self->{from}, $self->{to}, $tool, 'run',
                             $self->{dir}, 'root', 'exec bash 2>&1', '--net');
        $self->{to}->autoflush;
    }

    print { $self->{to} } "( $command\n) < /dev/null; echo \"ends: \$?\"\n";

    local $SIG{ALRM} = sub { die "\"$command\" takes too long: $out\n" };
    alarm 1200;

    while (my $line = readline $self->{from}) {
        if ($line =~ /^(.*)ends: (\d+)$/) {
            alarm 0;
            return { exit => $2, out => $out . $1 };
        }

        $out .= $line;
    }

    die "the shell ends in \"$command\": $out\n";
}

sub gone {
    my ($self) = @_;

    if ($self->{pid}) {
        close $self->{to};
        waitpid $self->{pid}, 0;
        delete $self->{pid};
    }

    checked({ timeout => 600 }, 'rm', '-rf', '--one-file-system',
            $self->{dir});
}


sub checked {
    my $r = Test::Apikey::run(@_);

    die "@_[1 .. $#_]: $r->{out}$r->{err}\n" if $r->{exit} != 0;
}

1;
