package Test::Apikey::Nginx;

# An nginx with the module.  The test writes what stands in http { }; this adds
# what has to stand around it, and apikey_redis and apikey_pepper_file unless
# the test gives them.
#
#   nginx(TEXT, workers => 2, redis => $redis, log => 'debug', main => TEXT,
#         events => TEXT, bare => 1)
#       "main" stands at the top of the file; "bare": without module and Redis
#   nginx_test(TEXT, ...)     "nginx -t": {exit, err}
#   $nginx->reload(TEXT)      with the new text if given; returns when the old
#                             workers accept no more; false if it was refused
#   $nginx->upgrade           another binary takes over (USR2, QUIT); nginx
#                             refuses that unless made with "daemon => 1"
#   $nginx->signal(NAME)      to the master
#   $nginx->workers           their pids
#   $nginx->log  ->access_log
#   $nginx->wait_log(REGEX, SECONDS)
#   $nginx->stop(SIGNAL)      QUIT unless given; ->start again afterwards
#
# Files named in TEXT are relative to $nginx->{dir}.

use strict;
use warnings;

my $count = 0;


sub new {
    my ($class, $text, %opt) = @_;
    my $dir = Test::Apikey::dir() . '/nginx' . $count++;

    mkdir $dir or die "$dir: $!";
    chmod 0755, $dir;

    my $self = bless { dir => $dir, workers => 1, log => 'info', %opt }, $class;

    $self->write($text);

    return $self;
}

sub binary { $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx' }

sub module {
    return $ENV{TEST_NGINX_MODULE}
           // "$Test::Apikey::BUILD/ngx_http_apikey_module.so";
}


sub write {
    my ($self, $text) = @_;
    my $dir = $self->{dir};
    my $load = $self->{bare} || module() eq ''
               ? '' : 'load_module ' . module() . ';';
    my $level = $self->{log};
    my $workers = $self->{workers};
    my $daemon = $self->{daemon} ? 'on' : 'off';
    my $main = $self->{main} // '';
    my $files = $main =~ /worker_rlimit_nofile/ ? ''
                : 'worker_rlimit_nofile 8192;';
    my $events = $self->{events} // '';
    my $user = $> == 0 ? 'user ' . ($ENV{TEST_NGINX_USER} // 'nobody nogroup')
                         . ';' : '';
    my $temp = join '', map { "    ${_}_temp_path $dir/$_;\n" }
                   qw(client_body proxy fastcgi uwsgi scgi);

    $self->{ports} = [ $text =~ /\blisten\s+(?:127\.0\.0\.1:)?(\d+)\b/g ];

    open my $f, '>', "$dir/nginx.conf" or die "$dir/nginx.conf: $!";
    print $f <<"CONF";
$load
$main
$user
daemon $daemon;
worker_processes $workers;
$files
pid $dir/nginx.pid;
error_log $dir/error.log $level;

events {
    worker_connections 4096;
    $events
}

http {
    access_log $dir/access.log;
$temp
${\ $self->_apikey($text)}
$text
}
CONF
    close $f;

    return $self;
}

sub _apikey {
    my ($self, $text) = @_;
    my $redis = $self->{redis} || Test::Apikey::first_redis();
    my $lines = '';

    return '' if $self->{bare};

    # patient: a slow machine is no failure of Redis
    $lines .= '    apikey_redis '
              . ($redis->can('servers') ? $redis->servers
                                        : "127.0.0.1:$redis->{port}")
              . " connect_timeout=60s timeout=60s;\n"
        if $redis && $text !~ /^\s*apikey_redis\s/m;

    $lines .= '    apikey_pepper_file ' . Test::Apikey::pepper_file() . ";\n"
        if $text !~ /^\s*apikey_pepper_file\s/m;

    return $lines;
}


sub _command {
    my ($self, @more) = @_;
    my $dir = $self->{dir};

    return (binary(), '-p', $dir, '-e', "$dir/error.log", '-c',
            "$dir/nginx.conf", @more);
}

sub test {
    my ($self) = @_;

    # it leaves its memory to the exit
    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
                                         'detect_leaks=0';

    return Test::Apikey::run($self->_command('-t'));
}


sub start {
    my ($self) = @_;
    my @command = $self->_command;

    # nginx's own: it forgets a context of PCRE, and a worker its connections
    local $ENV{LSAN_OPTIONS} = 'suppressions='
        . Test::Apikey::file('leaks', "leak:ngx_regex_malloc\n"
                                      . "leak:ngx_event_process_init\n");

    $self->{pid} = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDERR, '>>', "$self->{dir}/stderr";
        exec @command or die "$command[0]: $!\n";
    });

    Test::Apikey::started($self) unless $self->{registered}++;

    if ($self->{daemon}) {
        my $status = Test::Apikey::wait_pid(delete $self->{pid});

        die "nginx didn't start:\n", $self->log if $status // 1;

        $self->{pid} = Test::Apikey::wait_for(sub { $self->_master });

    } else {
        $self->{child} = $self->{pid};
    }

    for my $port (@{$self->{ports}}) {
        Test::Apikey::wait_for(sub {
            if ($self->{child} && waitpid($self->{pid}, POSIX::WNOHANG())) {
                delete @$self{qw(pid child)};
                die "nginx didn't start:\n", $self->log;
            }

            return Test::Apikey::accepts($port);
        }) or die "nginx doesn't listen on $port:\n", $self->log;
    }

    # it listens before it has its workers
    Test::Apikey::wait_for(sub { $self->workers >= $self->_least })
        or die "nginx has too few workers:\n", $self->log
        unless ($self->{main} // '') =~ /\bmaster_process\s+off\b/;

    return $self;
}

# Workers, unless they are as many as nginx likes.

sub _least { $_[0]{workers} =~ /^(\d+)$/ ? $1 : 1 }

# As its pid file says.

sub _master {
    my ($self) = @_;

    return Test::Apikey::slurp("$self->{dir}/nginx.pid") =~ /^(\d+)$/ ? $1 : 0;
}


sub reload {
    my ($self, $text) = @_;
    my @old = $self->workers;
    my $seen = length $self->log;

    $self->write($text) if defined $text;
    $self->signal('HUP');

    # a worker told to end logs it when it has closed its listening sockets
    my $over = Test::Apikey::wait_for(sub {
        my $log = substr $self->log, $seen;

        return 'refused' if $log =~ /\[emerg\]/;
        return !grep { _alive($_)
                       && $log !~ / $_#\d+: gracefully shutting down/ } @old;
    });

    return $over && $over ne 'refused';
}

sub upgrade {
    my ($self) = @_;
    my $old = $self->{pid};

    $self->signal('USR2');

    my $new = Test::Apikey::wait_for(sub {
        my $pid = $self->_master;
        return $pid && $pid != $old
               && _children($pid) >= $self->_least ? $pid : 0;
    }) or die "no new master:\n", $self->log;

    kill 'QUIT', $old;
    Test::Apikey::wait_for(sub { !_alive($old) });

    $self->{pid} = $new;

    return $self;
}

sub signal {
    my ($self, $name) = @_;

    kill $name, $self->{pid};
}

sub workers { _children($_[0]{pid}) }

sub _children {
    my ($pid) = @_;

    return split ' ', Test::Apikey::slurp("/proc/$pid/task/$pid/children");
}

# A zombie is not.

sub _alive {
    my ($pid) = @_;

    return Test::Apikey::slurp("/proc/$pid/stat") =~ /\) [^ZX] /;
}


sub log        { Test::Apikey::slurp("$_[0]{dir}/error.log") }
sub access_log { Test::Apikey::slurp("$_[0]{dir}/access.log") }

sub wait_log {
    my ($self, $regex, $seconds) = @_;

    return Test::Apikey::wait_for(sub { $self->log =~ $regex }, $seconds);
}


# Returns what went wrong in its life.

sub stop {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return $self->_wrong;
    my @workers = _children($pid);
    my @wrong;

    kill $signal || 'QUIT', $pid;

    if (delete $self->{child}) {
        my $status = Test::Apikey::wait_pid($pid);

        push @wrong, 'nginx ended with status ' . ($status // 'none, killed')
            if $status // 1;

    } else {
        # a daemon isn't our child
        Test::Apikey::wait_for(sub { !_alive($pid) })
            or push @wrong, "nginx $pid goes on";
    }

    for my $worker (grep { _alive($_) } @workers) {
        push @wrong, "worker $worker is left";
        kill 'KILL', $worker;
    }

    push @{$self->{wrong}}, @wrong;

    return $self->_wrong;
}

sub _wrong {
    my ($self) = @_;
    my @lines = Test::Apikey::wrong_lines($self->log
                    . Test::Apikey::slurp("$self->{dir}/stderr"));

    return @{$self->{wrong} || []}, @lines;
}


1;
