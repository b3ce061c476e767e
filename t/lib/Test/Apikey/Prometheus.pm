package Test::Apikey::Prometheus;

# What apikey_status prometheus answers, read as Prometheus would, but stricter:
# dies of what is wrong.
#
#   my $metrics = metrics(PORT, URI);
#   $metrics->value('apikey_requests_total{result="ok"}')
#   $metrics->sum('apikey_requests_total')     of all its series
#   $metrics->names           of the series, without labels, in order
#   $metrics->text

use strict;
use warnings;

use Exporter 'import';

use Test::Apikey;

our @EXPORT = qw(metrics);

my $NAME = qr/[a-z][a-z0-9_]*/;
my $LABEL = qr/$NAME="(?:[^"\\\n]|\\[\\n"])*"/;


sub metrics {
    my ($port, $uri) = @_;
    my $r = get($port, $uri);

    die "$uri: ", $r->status, "\n" if $r->status != 200;
    die "$uri: ", $r->header('Content-Type'), "\n"
        if $r->header('Content-Type')
           ne 'text/plain; version=0.0.4; charset=utf-8';

    return bless _parse($r->body), __PACKAGE__;
}

sub _parse {
    my ($text) = @_;
    my (%type, %value, %names, $family);

    die "not UTF-8\n" unless utf8::decode(my $copy = $text);
    die "no end of line at the end\n" unless $text =~ /\n\z/;

    for my $line (split /\n/, $text) {
        if ($line =~ /^# HELP ($NAME) \S/) {
            die "twice: $line\n" if exists $type{$1};
            ($family, $type{$1}) = ($1, '');

        } elsif ($line =~ /^# TYPE ($NAME) (counter|gauge|histogram)$/) {
            my ($name, $type) = ($1, $2);

            die "not after its HELP: $line\n"
                if $name ne $family || $type{$name};
            die "not named as a counter: $line\n"
                if ($type eq 'counter') != ($name =~ /_total$/);
            $type{$name} = $type;

        } elsif ($line =~ /^(($NAME)(?:\{$LABEL(?:,$LABEL)*\})?) (\S+)$/) {
            my ($series, $name, $number) = ($1, $2, $3);
            my $of = $type{$family} eq 'histogram'
                     ? qr/_(?:bucket|sum|count)/ : '';

            die "not of its family: $line\n" if $name !~ /^$family(?:$of)$/;
            die "not a number: $line\n" if $number !~ /^\d+(?:\.\d+)?$/;
            die "twice: $line\n" if exists $value{$series};

            $value{$series} = $number;
            $names{$name} = 1;

        } else {
            die "what is this: $line\n";
        }
    }

    _histogram($_, \%value) for grep { $type{$_} eq 'histogram' } keys %type;

    return { value => \%value, names => \%names, text => $text };
}

sub _histogram {
    my ($name, $value) = @_;
    my %le = map { /^\Q$name\E_bucket\{le="(.+)"\}$/
                   ? ($1 eq '+Inf' ? 9**9**9 : $1, $value->{$_}) : () }
             keys %$value;
    my @counts = @le{sort { $a <=> $b } keys %le};

    die "$name has no +Inf\n" unless exists $le{9**9**9};
    die "$name: no sum\n" unless exists $value->{"${name}_sum"};
    die "$name: +Inf is not its count\n"
        if $counts[-1] != $value->{"${name}_count"};

    for (1 .. $#counts) {
        die "$name is not cumulative\n" if $counts[$_] < $counts[$_ - 1];
    }
}


sub value { $_[0]{value}{$_[1]} }
sub text { $_[0]{text} }
sub names { sort keys %{$_[0]{names}} }

sub sum {
    my ($self, $name) = @_;
    my $sum = 0;

    $sum += $self->{value}{$_}
        for grep { /^\Q$name\E(?:\{|$)/ } keys %{$self->{value}};

    return $sum;
}


1;
