package Test::Apikey::Sentinel;

# A master, its replicas and the sentinels that watch over them.
#
#   use Test::Apikey::Sentinel;
#
#   my $group = sentinels();
#   my $group = sentinels(replicas => 2, sentinels => 3, conf => TEXT,
#                         sentinel_conf => TEXT, password => TEXT,
#                         sentinel_password => TEXT,
#                         tls => {cert => FILE, key => FILE, ca => FILE})
#       "conf" is more of each Redis's configuration, "sentinel_conf" of each
#       sentinel's; "password" is what each Redis wants of everybody,
#       "sentinel_password" what each sentinel wants; with "tls" all of them
#       speak it, among themselves, too, and the addresses are those of TLS
#   $group->{name}              of the master: "main"
#   $group->addresses           "127.0.0.1:PORT ...", of the sentinels
#   $group->url                 redis-sentinel://...
#   $group->redis(N)            the Nth Redis, a Test::Apikey::Redis; the master
#                               of the beginning is 0
#   $group->sentinel(N)         the Nth sentinel, another such object
#   $group->master              the Redis that all living sentinels call so and
#                               that agrees
#   $group->replicated          waits until the replicas have all that there is
#   $group->failover            by a sentinel's order; returns the new master
#   $group->wait_failover(OLD)  of a master that is gone: until another is the
#                               master; returns that
#   $group->quick               who is silent for a moment is taken for down, as
#                               else only ->wait_failover has it;  ->quick(0)

use strict;
use warnings;

use Exporter 'import';
use Test::Apikey ();

our @EXPORT = qw(sentinels);

# Milliseconds of silence.

use constant { QUICK => 700, SLOW => 60000 };

my $runs = 0;


sub sentinels { Test::Apikey::Sentinel->new(@_) }

sub new {
    my ($class, %opt) = @_;
    my $self = bless { name => 'main', replicas => 1, sentinels => 3, %opt },
                     $class;

    my $secret = $self->{password};
    my @login = defined $secret ? (password => $secret) : ();
    my $common = "repl-diskless-sync-delay 0\n" . ($self->{conf} // '');

    $common .= qq{requirepass "$secret"\nmasterauth "$secret"\n} if @login;

    if ($self->{tls}) {
        $common .= "tls-replication yes\n";
        push @login, tls => $self->{tls};
    }

    $self->{redis} = [ Test::Apikey::redis(conf => $common, @login) ];
    my $port = _port($self->{redis}[0]);

    push @{$self->{redis}},
         Test::Apikey::redis(conf => "${common}replicaof 127.0.0.1 $port\n",
                             @login)
        for 1 .. $self->{replicas};

    $self->replicated;
    $self->_watch;

    return $self;
}

sub _sentinel {
    my ($self) = @_;
    my %one = (id => sprintf('%08x%032x', $$, $runs++),
               port => Test::Apikey::free_port());

    $one{tls} = { %{$self->{tls}}, port => Test::Apikey::free_port() }
        if $self->{tls};

    return \%one;
}

# They know one another from the beginning, which spares them seconds.

sub _watch {
    my ($self) = @_;
    my ($name, $secret) = @$self{qw(name password)};
    my ($master, @replicas) = map { _port($_) } @{$self->{redis}};
    my @all = map { $self->_sentinel } 1 .. $self->{sentinels};
    my $quorum = int($self->{sentinels} / 2) + 1;
    my $wanted = defined $self->{sentinel_password}
                 ? qq{requirepass "$self->{sentinel_password}"\n} : '';

    my $common = join '', map { "sentinel $_\n" }
        "monitor $name 127.0.0.1 $master $quorum",
        "down-after-milliseconds $name " . SLOW * $Test::Apikey::PATIENCE,
        "failover-timeout $name 3000",
        (defined $secret ? qq{auth-pass $name "$secret"} : ()),
        map { "known-replica $name 127.0.0.1 $_" } @replicas;

    for my $one (@all) {
        my $known = join '', map {
            "sentinel known-sentinel $name 127.0.0.1 " . _port($_)
            . " $_->{id}\n"
        } grep { $_ != $one } @all;

        push @{$self->{all}}, Test::Apikey::Sentinel::One->new(
            port => $one->{port}, tls => $one->{tls},
            conf => "sentinel myid $one->{id}\n$common$known"
                    . ($self->{sentinel_conf} // '') . $wanted,
            password => $self->{sentinel_password})->start;
    }
}


# Those that can be asked.

sub _sentinels { grep { $_->{pid} && !$_->{paused} } @{$_[0]{all}} }

sub redis     { $_[0]{redis}[$_[1]] }
sub sentinel  { $_[0]{all}[$_[1]] }
sub addresses { join ' ', map { '127.0.0.1:' . _port($_) } @{$_[0]{all}} }

sub _port { $_[0]{tls} ? $_[0]{tls}{port} : $_[0]{port} }

sub url {
    my ($self) = @_;
    my $scheme = ($self->{tls} ? 'rediss' : 'redis') . '-sentinel';
    my $login = defined $self->{password} ? ":$self->{password}@" : '';
    my $addresses = $self->addresses =~ tr/ /,/r;

    return "$scheme://$login$addresses/$self->{name}";
}

sub master {
    my ($self) = @_;
    my %said;

    for my $sentinel ($self->_sentinels) {
        my $at = eval { $sentinel->cmd('SENTINEL', 'get-master-addr-by-name',
                                       $self->{name}) } or return;
        $said{$at->[1]} = 1;
    }

    return if keys %said != 1;

    my ($master) = grep { $said{_port($_)} } @{$self->{redis}};
    my $role = eval { $master->cmd('ROLE') } or return;

    return $role->[0] eq 'master' ? $master : undef;
}

# All that the master has said by now is heard by every replica.

sub replicated {
    my ($self) = @_;

    return Test::Apikey::wait_for(sub {
        my $master = $self->{all} ? $self->master : $self->{redis}[0];

        return 0 unless $master;

        my ($said) = (eval { $master->cmd('INFO', 'replication') } // '')
                     =~ /^master_repl_offset:(\d+)/m or return 0;
        my @heard = grep {
            /^master_link_status:up/m
            && /^slave_repl_offset:(\d+)/m && $1 >= $said
        } map { eval { $_->cmd('INFO', 'replication') } // '' }
          @{$self->{redis}};

        return @heard >= $self->{replicas};
    }) || die 'the replicas are not in step';
}

sub quick {
    my ($self, $on) = @_;
    my $after = $on // 1 ? QUICK : SLOW;

    $_->cmd('SENTINEL', 'SET', $self->{name}, 'down-after-milliseconds',
            $after * $Test::Apikey::PATIENCE) for $self->_sentinels;

    return;
}

sub failover {
    my ($self) = @_;
    my $old = $self->master or die 'no master';
    my ($sentinel) = $self->_sentinels;

    # one that has just ended a failover, or knows of no good replica, refuses,
    # or gives up

    return Test::Apikey::wait_for(sub {
        my $now = $self->_calm;

        return $now if $now && $now != $old;

        eval { $sentinel->cmd('SENTINEL', 'FAILOVER', $self->{name}) } if $now;

        return;
    }) || die 'no failover';
}

sub wait_failover {
    my ($self, $old) = @_;

    return Test::Apikey::wait_for(sub {
        $self->quick;

        my $now = Test::Apikey::wait_for(sub {
            my $now = $self->master;

            return $now && $now != $old && $now;
        });

        # lest the new one is taken for down, too, if it has to wait
        $self->quick(0);

        $now = Test::Apikey::wait_for(sub { $self->_calm });

        return $now && $now != $old && $now;
    }) || die 'no failover';
}

# The master, if no sentinel thinks it down, nor is about to change it.

sub _calm {
    my ($self) = @_;
    my $now = $self->master or return;

    for my $sentinel ($self->_sentinels) {
        my $said = eval { $sentinel->cmd('SENTINEL', 'MASTER', $self->{name}) }
            or return;
        my %master = @$said;

        return if $master{flags} ne 'master' || $master{port} != _port($now);
    }

    return $now;
}


package Test::Apikey::Sentinel::One;

# Like a Redis, but for its program and its configuration, which it rewrites.

use strict;
use warnings;

our @ISA = ('Test::Apikey::Redis');

my $count = 0;


sub new {
    my ($class, %opt) = @_;
    my $dir = Test::Apikey::dir() . '/sentinel' . $count++;

    mkdir $dir or die "$dir: $!";

    open my $f, '>', "$dir/sentinel.conf" or die "$dir: $!";
    print $f <<"CONF", $opt{conf};
bind 127.0.0.1
port $opt{port}
dir $dir
logfile $dir/sentinel.log
daemonize no
CONF
    print $f <<"CONF" if $opt{tls};
tls-port $opt{tls}{port}
tls-cert-file $opt{tls}{cert}
tls-key-file $opt{tls}{key}
tls-ca-cert-file $opt{tls}{ca}
tls-auth-clients no
tls-replication yes
CONF
    close $f;

    return bless { %opt, dir => $dir }, $class;
}

sub start {
    my ($self) = @_;
    my $dir = $self->{dir};

    $self->{pid} = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        exec 'redis-sentinel', "$dir/sentinel.conf"
            or die "redis-sentinel: $!\n";
    });

    Test::Apikey::started($self) unless $self->{registered}++;

    Test::Apikey::wait_for(sub {
        waitpid($self->{pid}, POSIX::WNOHANG()) == 0 or die
            "redis-sentinel didn't start:\n",
            Test::Apikey::slurp("$dir/sentinel.log");

        return Test::Apikey::accepts($self->{port});
    }) or die "redis-sentinel doesn't listen";

    # Redis 7.  While a master is down, replicas are asked once a second,
    # whatever INFO-PERIOD says: an answer must hold for longer, which is five
    # periods of PING, and so must a promotion, which is four of PUBLISH.
    eval { $self->cmd(qw(SENTINEL DEBUG), @$_) }
        for [ 'ASK-PERIOD', 100 ], [ 'INFO-PERIOD', 100 ],
            [ 'PING-PERIOD', 300 ], [ 'PUBLISH-PERIOD', 500 ],
            # one that was stopped, or waited for the CPU, goes on
            [ 'TILT-TRIGGER', 600000 ];

    return $self;
}


1;
