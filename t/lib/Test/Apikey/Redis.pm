package Test::Apikey::Redis;

# A redis-server of the test's own, on a port and a unix socket, without
# persistence.
#
#   redis()
#   redis(conf => "requirepass secret\n", password => 'secret', user => NAME)
#       "conf" is more of its configuration; "password" and "user" are what
#       ->cmd and ->url use
#   redis(tls => {cert => FILE, key => FILE, ca => FILE, clients => 'yes'})
#       speaks TLS on $redis->{tls}{port}, beside the other; "clients" is
#       whether they need a certificate
#   redis(clock => 1)   (with a C compiler)
#       its clock can be set: ->clock(SECONDS) to so much after the real one,
#       or before it
#   $redis->{port}  $redis->{socket}  $redis->url (redis://...)
#   $redis->cmd('GET', 'name')    the reply: a string, a number, undef, a list
#                                 as a reference; an error dies
#   $redis->client                a connection: ->cmd, ->send, ->reply
#   $redis->monitor               ->lines: what MONITOR has seen until now
#   $redis->subscribe(CHANNEL)    ->message: the next one;  ->messages: those
#                                 that have been published until now
#   $redis->dump                  every name and value, as one text, but for
#                                 what gateways tell of themselves when they
#                                 come to it, and for usage and events, written
#                                 later; ->dump(1): these, too
#   $redis->usage(KEY)  ->usage(KEY, TIME)
#                                 of that day (today) and the one before, lest a
#                                 day ends meanwhile, of a key as create_key()
#                                 gives it: a hash of counts that aren't 0, by
#                                 their names in a gateway: n, b, x, l0, s200,
#                                 "eGET /"
#   $redis->set_usage(NAME, COUNTS)
#                                 the same, left in a hash of that name
#   $redis->events                what gateways have told of, a list of hashes,
#                                 without "name"
#   $redis->stop  ->start  ->restart  ->kill  ->pause  ->resume
#       start comes back on the same port, empty
#   $Test::Apikey::Redis::NO_RIGHT
#       how a user is refused what it has no right to: Redis 7 and 8 have words
#       of their own where a script does that

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(time);

our $NO_RIGHT = qr/NOPERM|executing the script can't|ACL failure in script/;

my ($count, $marks) = (0, 0);


sub new {
    my ($class, %opt) = @_;
    my $dir = Test::Apikey::dir() . '/redis' . $count++;

    mkdir $dir or die "$dir: $!";
    chmod 0755, $dir;

    $opt{tls} = { %{$opt{tls}}, port => Test::Apikey::free_port() }
        if $opt{tls};

    return bless { port => Test::Apikey::free_port(), dir => $dir,
                   socket => "$dir/redis.sock", %opt }, $class;
}


sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $conf = "$dir/redis.conf";

    open my $f, '>', $conf or die "$conf: $!";
    print $f <<"CONF", $self->{conf} // '';
bind 127.0.0.1
port $self->{port}
unixsocket $self->{socket}
unixsocketperm 777
dir $dir
logfile $dir/redis.log
save ""
appendonly no
daemonize no
CONF
    print $f <<"CONF" if $self->{tls};
tls-port $self->{tls}{port}
tls-cert-file $self->{tls}{cert}
tls-key-file $self->{tls}{key}
tls-ca-cert-file $self->{tls}{ca}
tls-auth-clients ${\ ($self->{tls}{clients} || 'no')}
CONF
    close $f;

    my $library = $self->{clock} && $self->_clock;

    $self->{pid} = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        @ENV{qw(LD_PRELOAD CLOCK_FILE)} = ($library, "$dir/clock") if $library;
        exec 'redis-server', $conf or die "redis-server: $!\n";
    });

    Test::Apikey::started($self) unless $self->{registered}++;

    Test::Apikey::wait_for(sub {
        waitpid($self->{pid}, POSIX::WNOHANG()) == 0 or die
            "redis-server didn't start:\n",
            Test::Apikey::slurp("$dir/redis.log");

        return Test::Apikey::accepts($self->{port});
    }) or die "redis-server doesn't listen";

    return $self;
}

# See t/lib/clock.c.

sub _clock {
    my ($self) = @_;
    my $library = "$self->{dir}/clock.so";
    my $r = Test::Apikey::run(split(' ', $ENV{CC} || 'cc'), '-shared', '-fPIC',
                              '-O2', '-o', $library,
                              "$Test::Apikey::ROOT/t/lib/clock.c");

    die "$library: $r->{err}" if $r->{exit};

    $self->clock(0);

    return $library;
}

sub clock {
    my ($self, $seconds) = @_;
    my $file = "$self->{dir}/clock";

    # written over: redis-server has it mapped
    open my $f, -e $file ? '+<' : '>', $file or die "$file: $!";
    print $f pack 'q', $seconds;
    close $f or die "$file: $!";
}


sub url {
    my ($self) = @_;
    my $user = $self->{user} // '';
    my $login = defined $self->{password} ? "$user:$self->{password}@" : '';

    return "redis://${login}127.0.0.1:$self->{port}";
}


sub stop { $_[0]->_end('TERM') }
sub kill { $_[0]->_end('KILL') }

sub pause {
    my ($self) = @_;

    CORE::kill('STOP', $self->{pid});
    $self->{paused} = 1;

    # the signal is asynchronous
    Test::Apikey::wait_for(sub {
        Test::Apikey::slurp("/proc/$self->{pid}/stat") =~ /\) T /;
    });
}

sub resume {
    my ($self) = @_;

    CORE::kill('CONT', $self->{pid});
    delete $self->{paused};
}

sub restart { $_[0]->stop; $_[0]->start }

sub _end {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return;

    delete @$self{qw(own paused)};
    CORE::kill($signal, $pid);
    CORE::kill('CONT', $pid);
    Test::Apikey::wait_pid($pid);

    return;
}


sub client {
    my ($self) = @_;
    my $client = Test::Apikey::Redis::Client->new($self->{port});

    $client->cmd('AUTH', grep { defined } @$self{qw(user password)})
        if defined $self->{password};

    return $client;
}

sub cmd {
    my ($self, @words) = @_;

    $self->{own} ||= $self->client;

    my $reply = eval { $self->{own}->cmd(@words) };

    # a failover ends connections, too
    delete $self->{own} if $@ =~ /^redis: (?:closed|no reply)/;
    die $@ if $@;

    return $reply;
}

sub monitor {
    my ($self) = @_;
    my $client = $self->client;

    $client->cmd('MONITOR');

    return bless { client => $client, redis => $self },
                 'Test::Apikey::Redis::Monitor';
}

sub subscribe {
    my ($self, @channels) = @_;
    my $client = $self->client;

    $client->cmd('SUBSCRIBE', $_)
        for @channels, Test::Apikey::Redis::Subscription->MARKS;

    return bless { client => $client, redis => $self },
                 'Test::Apikey::Redis::Subscription';
}

sub dump {
    my ($self, $all) = @_;
    my $text = '';
    my $skip = $all ? qr/:(?:gateways|plans)$/
                    : qr/:(?:gateways|plans|events)$|:usage:/;
    my %read = (
        string => sub { $self->cmd('GET', $_[0]) },
        hash   => sub {
            my @fields = @{$self->cmd('HGETALL', $_[0])};
            my @pairs = map { [ @fields[2 * $_, 2 * $_ + 1] ] }
                            0 .. @fields / 2 - 1;

            return map { @$_ } grep { $all || $_->[0] ne 'used' } @pairs;
        },
        set    => sub { sort @{$self->cmd('SMEMBERS', $_[0])} },
        list   => sub { @{$self->cmd('LRANGE', $_[0], 0, -1)} },
        zset   => sub { @{$self->cmd('ZRANGE', $_[0], 0, -1, 'WITHSCORES')} },
        stream => sub { map { $_->[0], @{$_->[1]} }
                            @{$self->cmd('XRANGE', $_[0], '-', '+')} },
    );

    for my $name (sort grep { !/$skip/ } @{$self->cmd('KEYS', '*')})
    {
        my $type = $self->cmd('TYPE', $name);

        $text .= join("\n ", "$name ($type)", $read{$type}->($name)) . "\n";
    }

    return $text;
}


sub digest {
    my ($self, $id) = @_;
    my $known = $self->{digests} ||= {};

    if (!$known->{$id}) {
        %$known = map { @{$self->cmd('HGETALL', $_)} }
                      @{$self->cmd('KEYS', '*:ids:*')};
    }

    return $known->{$id} // die "no digest of $id";
}


# As core/usage.h says: what is packed in a field of a day, and how widely.

my %PACKED = (
    n => [ [ n => 5 ], [ b => 7 ], map { [ $_ => 5 ] } qw(x s200),
           map { "l$_" } 0 .. 4 ],
    l => [ map { [ "l$_" => 5 ] } 5 .. 13 ],
);

sub _number { unpack 'Q<', $_[0] . "\0" x (8 - length $_[0]) }

sub usage {
    my ($self, $key, $now) = @_;
    my $digest = $self->digest($key->{id});
    my %sum;

    ($now) = @{$self->cmd('TIME')} unless $now;

    for my $time ($now - 86400, $now) {
        my $day = POSIX::strftime('%Y%m%d', gmtime $time);
        my %fields = @{$self->cmd('HGETALL', "apikey:usage:{$digest}:$day")};

        delete @fields{"#e", "#c"};

        for my $name (keys %fields) {
            my $value = $fields{$name};

            for (@{$PACKED{$name} || [ [ $name => 5 ] ]}) {
                my $count = _number(substr $value, 0, $_->[1], '');

                $sum{$_->[0]} += $count if $count;
                last if $value eq '';
            }
        }
    }

    return \%sum;
}


sub set_usage {
    my ($self, $name, %counts) = @_;
    my %fields;

    for my $packed (keys %PACKED) {
        $fields{$packed} = join '', map {
            substr pack('Q<', delete $counts{$_->[0]} || 0), 0, $_->[1]
        } @{$PACKED{$packed}};
    }

    $fields{n} .= "\0" x 14;
    $fields{$_} = /^[dsec]./ ? substr(pack('Q<', $counts{$_}), 0, 5)
                             : $counts{$_} for keys %counts;

    $self->cmd('HSET', $name, %fields);
}


sub events {
    my ($self) = @_;
    my @events;

    for my $entry (@{$self->cmd('XRANGE', 'apikey:events', '-', '+')}) {
        my %event = @{$entry->[1]};

        delete $event{name};
        push @events, \%event unless exists $event{actor};
    }

    return @events;
}


package Test::Apikey::Redis::Client;

use strict;
use warnings;

use IO::Select;
use Time::HiRes qw(time);


sub new {
    my ($class, $port) = @_;
    my $socket = Test::Apikey::accepts($port) or die "redis at $port: $!";

    binmode $socket;

    return bless { socket => $socket, buffer => '' }, $class;
}

sub cmd {
    my ($self, @words) = @_;

    $self->send(@words);

    my $reply = $self->reply;
    die "redis: $$reply\n" if ref $reply eq 'SCALAR';

    return $reply;
}

# Several may be sent before the first reply is read.

sub send {
    my ($self, @words) = @_;
    my $bytes = '*' . @words . "\r\n";

    $bytes .= '$' . length($_) . "\r\n$_\r\n" for @words;
    syswrite $self->{socket}, $bytes;
}

# An error is a reference to its text.

sub reply {
    my ($self, $seconds) = @_;

    $self->{end} = time + ($seconds || 60) * $Test::Apikey::PATIENCE;

    return $self->_value;
}

sub _value {
    my ($self) = @_;
    my ($type, $rest) = $self->_line =~ /^(.)(.*)$/s;

    return $rest if $type eq '+' || $type eq ':';
    return \$rest if $type eq '-';
    return undef if $rest < 0;

    if ($type eq '$') {
        $self->_read while length $self->{buffer} < $rest + 2;
        my $value = substr $self->{buffer}, 0, $rest, '';
        substr $self->{buffer}, 0, 2, '';
        return $value;
    }

    return [ map { $self->_value } 1 .. $rest ];
}

sub _line {
    my ($self) = @_;

    $self->_read until $self->{buffer} =~ s/^(.*?)\r\n//s;

    return $1;
}

sub _read {
    my ($self) = @_;
    my $left = $self->{end} - time;

    IO::Select->new($self->{socket})->can_read($left > 0 ? $left : 0)
        or die "redis: no reply\n";

    sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer}
        or die "redis: closed\n";
}


package Test::Apikey::Redis::Monitor;

use strict;
use warnings;


# An ECHO on another connection marks the present.

sub lines {
    my ($self) = @_;
    my $mark = "mark-$$-" . $marks++;
    my @lines;

    $self->{redis}->cmd('ECHO', $mark);

    while (1) {
        my $line = $self->{client}->reply;

        return @lines if $line =~ /"ECHO" "\Q$mark\E"/;
        push @lines, $line;
    }
}


package Test::Apikey::Redis::Subscription;

use strict;
use warnings;

use constant MARKS => 'marks of the tests';


sub message {
    my ($self, $seconds) = @_;
    my $reply = eval { $self->{client}->reply($seconds) };

    return $reply && $reply->[2];
}

# A message on a channel of its own marks the present.

sub messages {
    my ($self) = @_;
    my $mark = "mark-$$-" . $marks++;
    my @messages;

    $self->{redis}->cmd('PUBLISH', MARKS, $mark);

    while (defined(my $message = $self->message)) {
        return @messages if $message eq $mark;
        push @messages, $message;
    }

    die "no mark\n";
}


1;
