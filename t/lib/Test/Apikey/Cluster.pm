package Test::Apikey::Cluster;

# A Redis Cluster of the test's own: masters, and as many replicas of each as
# wanted, without persistence.
#
#   use Test::Apikey::Cluster;
#
#   my $cluster = cluster();                # 3 masters with a replica each
#   my $cluster = cluster(masters => 2, replicas => 0, conf => TEXT,
#                         password => 'secret', tls => {...});
#       nothing fails over but by ->failover; the rest is as for redis().
#       ("user" is what ->cmd, ->url use, not the nodes.)
#
#   apikey(...), nginx(TEXT)    use it if it is the first
#   apikey({redis => $cluster}, ...), nginx(TEXT, redis => $cluster)
#   $cluster->url               redis-cluster://... of all nodes;
#   $cluster->url(NODE, ...)    of these;  ->servers: the same for apikey_redis
#
# Nodes are servers as of Test/Apikey/Redis.pm:
#
#   $cluster->nodes  ->masters  ->replicas      those that live, and aren't
#                               paused
#   $cluster->node(NAME)        the master that has this name's slot
#   $cluster->node_of(SLOT)
#   $cluster->replica(NODE)     a living replica of this master
#   $cluster->slot(NAME)
#   $cluster->name(NODE, PREFIX)
#                               a new name in a slot of that master
#   $cluster->cmd('GET', NAME)  on its node;  ->each(COMMAND): the replies of
#                               all masters, as a list
#   $cluster->dump              as of Redis.pm, of all masters
#
# What happens to it.  All but kill, begin_move and drop wait until all nodes
# that live agree:
#
#   $cluster->kill(NODE)        once a replica has got all it has
#   $cluster->failover(NODE)    its replica takes over, be it alive, dead or
#                               paused; returns the new master
#   $cluster->restart(NODE)     comes back empty, as a replica if another has
#                               its slots
#   $cluster->move(SLOT, NODE)  all of it; or step by step, so that ASK and
#                               TRYAGAIN can be had between:
#   $cluster->begin_move(SLOT, NODE)
#   $cluster->move_names(SLOT, NODE, NAME...)
#                               all names of the slot, unless given
#   $cluster->end_move(SLOT, NODE)
#   $cluster->end_moves(NODE, SLOT, ...)
#   $cluster->drop(SLOT)        no node has it any more: CLUSTERDOWN
#   $cluster->settle            waits until all is well

use strict;
use warnings;

use Exporter 'import';
use Test::Apikey ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(cluster);

use constant { SLOTS => 16384, TIMEOUT => 60 };

my $names = 0;


sub cluster {
    my $cluster = Test::Apikey::Cluster->new(@_);

    Test::Apikey::first_redis($cluster);

    return $cluster->_start;
}


sub new {
    my ($class, %opt) = @_;
    my $self = bless {
        masters => 3, replicas => 1, %opt, nodes => [],
    }, $class;

    for (1 .. $self->{masters} * (1 + $self->{replicas})) {
        my %node = map { $_ => $opt{$_} }
                   grep { defined $opt{$_} } qw(password user tls);

        push @{$self->{nodes}}, Test::Apikey::Redis->new(%node,
            conf => $self->_conf . ($opt{conf} // ''));
    }

    return $self;
}

sub _conf {
    my ($self) = @_;
    my $bus = Test::Apikey::free_port();
    my $timeout = TIMEOUT * 1000 * $Test::Apikey::PATIENCE;
    my $conf = <<"CONF";
cluster-enabled yes
cluster-port $bus
cluster-node-timeout $timeout
cluster-replica-validity-factor 0
cluster-migration-barrier 100
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-ping-replica-period 1
CONF

    $conf .= "requirepass $self->{password}\nmasterauth $self->{password}\n"
        if defined $self->{password} && !defined $self->{user};
    $conf .= "tls-cluster yes\ntls-replication yes\n" if $self->{tls};

    return $conf;
}

sub _start {
    my ($self) = @_;
    my @nodes = @{$self->{nodes}};
    my $masters = $self->{masters};

    for my $node (@nodes) {
        $node->start;
        ($node->{bus}) = $node->{conf} =~ /^cluster-port (\d+)/m;
        $node->{id} = $node->cmd('CLUSTER', 'MYID');
    }

    for my $i (0 .. $masters - 1) {
        my ($first, $end) = map { int(SLOTS * $_ / $masters) } $i, $i + 1;

        $nodes[$i]->cmd('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
        $nodes[$i]->cmd('CLUSTER', 'ADDSLOTS', $first .. $end - 1);
    }

    for my $node (@nodes) {
        $node->cmd('CLUSTER', 'MEET', '127.0.0.1', _port($_), $_->{bus})
            for grep { $_ != $node } @nodes;
    }

    for my $i ($masters .. $#nodes) {
        my $master = $nodes[$i % $masters];

        Test::Apikey::wait_for(sub {
            eval { $nodes[$i]->cmd('CLUSTER', 'REPLICATE', $master->{id}) };
        }) or die "no replica of $master->{port}: $@";
    }

    return $self->settle;
}

# Where nodes find each other, and clients that speak TLS.  Others are told the
# other port.

sub _port { $_[0]{tls} ? $_[0]{tls}{port} : $_[0]{port} }


# Each living node has all slots served by the same living masters as all the
# others, knows of every living node, and its replication goes on.

sub settle {
    my ($self) = @_;
    my $soon = time + 0.5;
    my $why;

    # whoever makes a change tells it, mostly to all

    while ($why = $self->_unsettled and time < $soon) {
        sleep 0.01;
    }

    # the more haste, the sooner who has to wait for the CPU is taken for dead

    for my $timeout (1, 1, 3, 10, 10) {
        return $self unless $why;

        $self->_timeout($timeout);
        $soon = time + (20 + 4 * $timeout) * $Test::Apikey::PATIENCE;

        while ($why = $self->_unsettled and time < $soon) {
            sleep 0.01;
        }

        $self->_timeout(TIMEOUT);
        $why = $self->_unsettled;
    }

    die "the cluster doesn't settle: $why\n" if $why;

    return $self;
}

# News spread with the pings, and the shorter the timeout the more there are.
# Nobody shall take over for that.

sub _timeout {
    my ($self, $seconds) = @_;
    my $timeout = 1000 * $Test::Apikey::PATIENCE * $seconds;
    my $hasty = $seconds < TIMEOUT;

    for my $node ($self->nodes) {
        $node->cmd('CONFIG', 'SET', @$_)
            for [ 'cluster-replica-no-failover', $hasty ? 'yes' : 'no' ],
                [ 'cluster-node-timeout', $timeout ];
    }
}

sub _unsettled {
    my ($self) = @_;

    return eval { $self->_disagreement } // $@;
}

sub _disagreement {
    my ($self) = @_;
    my @live = $self->nodes;
    my %lives = map { $_->{port} => 1 } @live;
    my $map;

    for my $node (@live) {
        my $info = $node->cmd('CLUSTER', 'INFO');

        return "$node->{port}: $1" if $info =~ /^(cluster_state:(?!ok)\w+)/m;

        my $slots = _slots($node);
        $map //= $slots;

        return "$node->{port}: has other slots\n$slots\n$map"
            if $slots ne $map;

        my %known = map { $_->{id} => 1 } _known($node);

        return "$node->{port} doesn't know all"
            if grep { !$known{$_->{id}} } @live;
        return "$node->{port} has lost its master"
            if $node->cmd('INFO', 'replication') =~ /link_status:down/;
    }

    my ($dead) = grep { !$lives{$_} } $map =~ /=(\d+)/g;

    return $dead ? "$dead has slots and is dead" : '';
}

# Its map of the slots: lines "FIRST-LAST=PORT REPLICAS".

sub _slots {
    my ($node) = @_;
    my @owner = ('') x SLOTS;

    for my $range (@{$node->cmd('CLUSTER', 'SLOTS')}) {
        my ($first, $last, $master, @replicas) = @$range;
        my $who = join ' ', $master->[1], sort map { $_->[1] } @replicas;

        @owner[$first .. $last] = ($who) x ($last - $first + 1);
    }

    my @lines;
    my $first = 0;

    for my $slot (1 .. SLOTS) {
        next if $slot < SLOTS && $owner[$slot] eq $owner[$first];

        push @lines, "$first-" . ($slot - 1) . "=$owner[$first]";
        $first = $slot;
    }

    return join '', map { "$_\n" } @lines;
}

# Of such a map; 0: nobody's.

sub _port_of {
    my ($map, $slot) = @_;

    while ($map =~ /^(\d+)-(\d+)=(\d+)/mg) {
        return $3 if $1 <= $slot && $slot <= $2;
    }

    return 0;
}

# Who is who, as this node tells it.

sub _known {
    my ($node) = @_;
    my @known;

    for (split /\n/, $node->cmd('CLUSTER', 'NODES')) {
        my ($id, undef, $flags, $master) = split / /;

        next if $flags =~ /\bfail\b(?!\?)|handshake|noaddr/;
        push @known, { id => $id, master => $master,
                       replica => scalar($flags =~ /slave/) };
    }

    return @known;
}


sub nodes { grep { $_->{pid} && !$_->{paused} } @{$_[0]{nodes}} }

sub masters { $_[0]->_role(0) }
sub replicas { $_[0]->_role(1) }

sub _role {
    my ($self, $replica) = @_;

    return grep { ($_->cmd('ROLE')->[0] eq 'slave') == $replica }
                $self->nodes;
}

sub slot {
    my ($self, $name) = @_;

    return ($self->nodes)[0]->cmd('CLUSTER', 'KEYSLOT', $name);
}

sub node { $_[0]->node_of($_[0]->slot($_[1])) }

# Asked are the masters themselves: they know it first.

sub node_of {
    my ($self, $slot) = @_;

    for my $node ($self->nodes) {
        return $node if _port_of(_slots($node), $slot) == $node->{port};
    }

    die "no node has slot $slot\n";
}

sub replica {
    my ($self, $master) = @_;

    for my $node ($self->nodes) {
        my ($own) = grep { $_->{id} eq $node->{id} } _known($node);

        return $node if $own->{replica} && $own->{master} eq $master->{id};
    }

    die "$master->{port} has no replica\n";
}

sub name {
    my ($self, $node, $prefix) = @_;

    while (1) {
        my $name = ($prefix // 'name') . $names++;

        return $name if $self->node($name) == $node;
    }
}

sub cmd {
    my ($self, @words) = @_;

    return $self->node($words[1])->cmd(@words);
}

sub each {
    my ($self, @words) = @_;

    return map { $_->cmd(@words) } $self->masters;
}

sub dump {
    my ($self) = @_;

    return join '', map { $_->dump } $self->masters;
}


sub servers {
    my ($self) = @_;

    return join(' ', map { '127.0.0.1:' . _port($_) } @{$self->{nodes}})
           . ' mode=cluster';
}

sub url {
    my ($self, @nodes) = @_;
    my $user = $self->{user} // '';
    my $login = defined $self->{password} ? "$user:$self->{password}@" : '';

    @nodes = @{$self->{nodes}} unless @nodes;

    return ($self->{tls} ? 'rediss' : 'redis') . "-cluster://$login"
           . join ',', map { '127.0.0.1:' . _port($_) } @nodes;
}


sub kill {
    my ($self, $master) = @_;
    my $replica = $self->replica($master);

    Test::Apikey::wait_for(sub {
        $replica->cmd('ROLE')->[4] >= $master->cmd('ROLE')->[1]
    }) or die "$replica->{port} is behind\n";

    $master->kill;

    return;
}

sub failover {
    my ($self, $master) = @_;
    my $replica = $self->replica($master);
    my $alive = $master->{pid} && !$master->{paused};
    my $order = 0;

    # A master that doesn't know its replica doesn't listen to it.

    Test::Apikey::wait_for(sub {
        grep { $_->{id} eq $replica->{id} && $_->{replica}
               && $_->{master} eq $master->{id} } _known($master);
    }) if $alive;

    # A dead master can't be asked to wait, and the others aren't asked to vote.
    # An order holds for five seconds.

    Test::Apikey::wait_for(sub {
        return 1 if $replica->cmd('ROLE')->[0] eq 'master';

        if (time > $order) {
            $replica->cmd('CLUSTER', 'FAILOVER', $alive ? () : 'TAKEOVER');
            $order = time + 6;
        }

        return 0;
    }) or die "$replica->{port} doesn't take over\n";

    $self->settle;

    return $replica;
}

sub restart {
    my ($self, $node) = @_;

    $node->restart;

    return $self->settle;
}


sub move {
    my ($self, $slot, $to) = @_;

    $self->begin_move($slot, $to);
    $self->move_names($slot, $to);

    return $self->end_move($slot, $to);
}

sub begin_move {
    my ($self, $slot, $to) = @_;
    my $from = $self->node_of($slot);

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});

    return;
}

sub move_names {
    my ($self, $slot, $to, @names) = @_;
    my $from = $self->node_of($slot);

    @names = @{$from->cmd('CLUSTER', 'GETKEYSINSLOT', $slot, 1000000)}
        unless @names;

    $from->cmd('MIGRATE', '127.0.0.1', _port($to), '', 0, 60000,
               defined $self->{password} ? ('AUTH', $self->{password}) : (),
               'KEYS', @names) if @names;

    return;
}

sub end_move {
    my ($self, $slot, $to) = @_;

    return $self->end_moves($to, $slot);
}

# Whoever gets slots is told first, lest nobody has them in between, and its
# claim is made the latest: another one, heard late, would empty them again.

sub end_moves {
    my ($self, $to, @slots) = @_;
    my @tell = map { [ 'CLUSTER', 'SETSLOT', $_, 'NODE', $to->{id} ] } @slots;

    $to->cmd(@$_) for @tell;
    $to->cmd('CLUSTER', 'BUMPEPOCH');

    for my $node (grep { $_ != $to } $self->masters) {
        $node->cmd(@$_) for @tell;
    }

    return $self->settle;
}

sub drop {
    my ($self, $slot) = @_;

    # who heard of it from another meanwhile is told again

    Test::Apikey::wait_for(sub {
        my @up = grep { $_->cmd('CLUSTER', 'INFO') =~ /cluster_state:ok/ }
                      $self->nodes;

        eval { $_->cmd('CLUSTER', 'DELSLOTS', $slot) } for @up;

        return !@up;
    }) or die "slot $slot is still there\n";

    return;
}


1;
