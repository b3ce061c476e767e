package Test::Apikey::Browser;

# A real browser: Chromium without a window, driven through chromedriver by the
# W3C WebDriver protocol.
#
#   use Test::Apikey::Browser;
#
#   my $b = browser();                  # one for the test file; ends with it
#   $b->go('http://127.0.0.1:8401/');
#   $b->fill('Access token', $token);   # the control of that label or name
#   $b->click('button', 'Sign in');     # by role and accessible name
#   ok($b->sees('Every key of this'));  # waits for a text on the page
#   $b->js('return document.title');
#   $b->until('return document.querySelectorAll("tr").length > 3');
#   $b->press("\t", "a", "Enter");       # pressed wherever the focus is
#   $b->size(360, 740);  $b->media('prefers-color-scheme' => 'dark');
#   $b->shot(PATH);                     # a PNG
#   $b->tree                            # [{role, name}, ...] of the page, as a
#                                       # screen reader gets them
#   $b->complaints                      # what the browser's console has said:
#                                       # errors, refusals by the CSP
#   $b->cdp('Network.enable', {...})
#
# Whatever waits does so for a condition, for long; fill and click die when
# there is no such control by then.  A browser that doesn't start is started
# again.

use strict;
use warnings;

use Exporter 'import';
use Encode ();
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

our @EXPORT = qw(browser);

my $SECONDS = 120;
my $STARTS = 5;
my $ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
my $JSON = JSON::PP->new->utf8->allow_nonref;

my %KEY = (Enter => "\x{e007}", Tab => "\t", Escape => "\x{e00c}",
           Space => ' ', Down => "\x{e015}", Up => "\x{e013}",
           Left => "\x{e012}", Right => "\x{e014}", Shift => "\x{e008}",
           Control => "\x{e009}", Backspace => "\x{e003}");

my $count = 0;


sub browser { __PACKAGE__->new(@_) }

sub new {
    my ($class, %opt) = @_;
    my $dir = Test::Apikey::dir() . '/browser' . $count++;
    my $port = Test::Apikey::free_port();

    mkdir $dir or die "$dir: $!";

    my $self = bless { dir => $dir, at => "http://127.0.0.1:$port" }, $class;

    $self->{http} = HTTP::Tiny->new(
        timeout => 2 * $SECONDS * $Test::Apikey::PATIENCE,
        proxy => undef, http_proxy => undef);

    $self->{pid} = Test::Apikey::fork_child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/driver.log";
        open STDERR, '>&', \*STDOUT;
        $ENV{HOME} = $ENV{TMPDIR} = $dir;
        exec 'chromedriver', "--port=$port" or die "chromedriver: $!\n";
    });

    Test::Apikey::started($self);

    Test::Apikey::wait_for(sub { Test::Apikey::accepts($port) }, $SECONDS)
        or die "chromedriver doesn't start:\n", $self->_driver_log;

    $self->_open(%opt);

    return $self;
}

sub _open {
    my ($self, %opt) = @_;
    my @args = qw(--headless --disable-gpu --no-first-run --disable-sync
                  --disable-background-networking --disable-component-update
                  --disable-dev-shm-usage --force-color-profile=srgb
                  --disable-hang-monitor --disable-renderer-backgrounding
                  --disable-background-timer-throttling --no-proxy-server);

    push @args, '--no-sandbox' if $> == 0;
    push @args, '--lang=' . ($opt{lang} || 'en-US');

    for my $start (1 .. $STARTS) {
        last if eval { $self->_session($start, @args); 1 };
        die $@, $self->_driver_log if $start == $STARTS;
    }
}

# Each time with a profile of its own: what has crashed may hold the last one.

sub _session {
    my ($self, $start, @args) = @_;
    my $patience = 1000 * $SECONDS * $Test::Apikey::PATIENCE;

    push @args, "--user-data-dir=$self->{dir}/profile$start";

    my $session = $self->_ask(POST => '/session', { capabilities => {
        alwaysMatch => {
            browserName => 'chrome',
            timeouts => { script => $patience, pageLoad => $patience },
            'goog:chromeOptions' => { args => \@args },
            'goog:loggingPrefs' => { browser => 'ALL' },
        },
    } });

    $self->{session} = "/session/$session->{sessionId}";
    $self->size(1280, 800);
}

sub _driver_log { Test::Apikey::slurp("$_[0]{dir}/driver.log") }


# One command; what WebDriver calls an error dies with its message.

sub _ask {
    my ($self, $method, $path, $body) = @_;

    my $r = $self->{http}->request($method, $self->{at} . $path, {
        headers => { 'Content-Type' => 'application/json' },
        $method eq 'POST' ? (content => $JSON->encode($body || {})) : (),
    });

    my $json = eval { $JSON->decode($r->{content}) }
        or die "chromedriver: $r->{status}: $r->{content}\n";

    my $value = $json->{value};

    if (!$r->{success}) {
        my ($first) = split /\n/, $value->{message} // '';
        die "browser: $value->{error}: $first\n";
    }

    return $value;
}

sub command {
    my ($self, $method, $path, $body) = @_;

    return $self->_ask($method, "$self->{session}$path", $body);
}

sub cdp {
    my ($self, $name, $params) = @_;

    return $self->command(POST => '/goog/cdp/execute',
                          { cmd => $name, params => $params || {} });
}


sub go {
    my ($self, $url) = @_;

    $self->command(POST => '/url', { url => $url });
}

sub js {
    my ($self, $script, @args) = @_;

    return $self->command(POST => '/execute/sync',
                          { script => $script, args => \@args });
}

# A page that is just being left has no answer: ask again.

sub until {
    my ($self, $script, @args) = @_;

    return Test::Apikey::wait_for(sub {
        my $value = eval { $self->js($script, @args) };
        ref $value && JSON::PP::is_bool($value) ? !!$value : $value;
    }, $SECONDS);
}

sub sees {
    my ($self, $text) = @_;

    return $self->until('return document.body.innerText.includes('
                        . 'arguments[0])', $text);
}

sub text { $_[0]->js('return document.body.innerText') }


# By role and accessible name, as who can't see finds it.  A visible one, of
# the dialog if there is one open.

sub find {
    my ($self, $role, $name) = @_;

    my $id = Test::Apikey::wait_for(sub { $self->_seek($role, $name) },
                                    $SECONDS)
        or die "no $role \"$name\" on the page:\n", $self->text, "\n";

    return { $ELEMENT => $id };
}

sub has {
    my ($self, $role, $name) = @_;

    return $self->_seek($role, $name) ? 1 : 0;
}

my %SELECTOR = (
    button => 'button, summary, [role=button]',
    link => 'a[href]',
    control => 'input, select, textarea',
);

sub _seek {
    my ($self, $role, $name) = @_;

    my $found = eval { $self->js(<<'JS', $SELECTOR{$role} || $role, $name) };
        const [selector, name] = arguments;
        const dialogs = document.querySelectorAll('dialog[open]');
        const root = dialogs[dialogs.length - 1] || document;
        const said = (e) => (e.getAttribute('aria-label')
            || [...(e.labels || [])].map((l) => l.textContent).join(' ')
            || e.textContent).replace(/\s+/g, ' ').trim();
        const all = [...root.querySelectorAll(selector)].filter((e) =>
            e.checkVisibility({ visibilityProperty: true }) && !e.disabled);
        return all.find((e) => said(e) === name)
               || all.find((e) => said(e).startsWith(name)) || null;
JS

    return ref $found eq 'HASH' ? $found->{$ELEMENT} : undef;
}

sub click {
    my ($self, $role, $name) = @_;

    $self->_on($role, $name, sub {
        my ($id) = @_;

        $self->js('arguments[0].scrollIntoView({ block: "center" })',
                  { $ELEMENT => $id });
        $self->command(POST => "/element/$id/click");
    });
}

sub fill {
    my ($self, $name, $text) = @_;

    $self->_on('control', $name, sub {
        my ($id) = @_;

        $self->command(POST => "/element/$id/clear")
            unless $self->js('return arguments[0].type === "date"',
                             { $ELEMENT => $id });
        $self->command(POST => "/element/$id/value", { text => $text });
    });
}

sub choose {
    my ($self, $name, $option) = @_;

    $self->_on('control', $name, sub {
        my ($id) = @_;

        $self->js(<<'JS', { $ELEMENT => $id }, $option) or die "no $option\n";
            const [select, text] = arguments;
            const option = [...select.options].find((o) => o.text === text);
            if (!option) return false;
            select.value = option.value;
            select.dispatchEvent(new Event('input', { bubbles: true }));
            select.dispatchEvent(new Event('change', { bubbles: true }));
            return true;
JS
    });
}

# The page may draw itself anew between the finding and the doing.

sub _on {
    my ($self, $role, $name, $do) = @_;
    my $why;

    Test::Apikey::wait_for(sub {
        my $element = $self->find($role, $name);

        return 1 if eval { $do->($element->{$ELEMENT}); 1 };
        $why = $@;
        return 0;
    }, $SECONDS) or die "$role \"$name\": $why";
}


# Each pressed and let go; "Shift+Tab" together.

sub press {
    my ($self, @keys) = @_;
    my @actions;

    for my $key (@keys) {
        my @held = split /(?<=\w)\+/, $key;
        my $last = pop @held;
        my @down = map { $KEY{$_} } @held;

        push @actions, map { { type => 'keyDown', value => $_ } } @down;

        for my $c ($KEY{$last} // split //, $last) {
            push @actions, { type => 'keyDown', value => $c },
                           { type => 'keyUp', value => $c };
        }

        push @actions, map { { type => 'keyUp', value => $_ } } reverse @down;
    }

    $self->command(POST => '/actions', { actions => [
        { type => 'key', id => 'keyboard', actions => \@actions } ] });
}


sub size {
    my ($self, $width, $height) = @_;

    $self->cdp('Emulation.setDeviceMetricsOverride', {
        width => $width, height => $height, deviceScaleFactor => 1,
        mobile => JSON::PP::false });
}

sub media {
    my ($self, %features) = @_;

    $self->cdp('Emulation.setEmulatedMedia', { features => [
        map { { name => $_, value => $features{$_} } } sort keys %features ] });
}

sub shot {
    my ($self, $path, %opt) = @_;

    my $shot = $self->cdp('Page.captureScreenshot', { format => 'png',
        captureBeyondViewport => $opt{whole} ? JSON::PP::true
                                             : JSON::PP::false });

    open my $f, '>', $path or die "$path: $!";
    binmode $f;
    print $f decode_base64($shot->{data});
    close $f;
}


sub tree {
    my ($self) = @_;
    my $tree = $self->cdp('Accessibility.getFullAXTree');

    return [ map { { role => $_->{role}{value}, name => $_->{name}{value} } }
             grep { !$_->{ignored} } @{$tree->{nodes}} ];
}

# Each is told once.

sub complaints {
    my ($self) = @_;

    # a browser without a network complains of its own first page
    return grep { !m{^chrome://} } map { $_->{message} }
           @{$self->command(POST => '/se/log', { type => 'browser' })};
}


# By pid: the driver, and all that came of it.

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    my @all = ($pid, _descendants($pid));

    $self->{http}{timeout} = 5;
    eval { $self->command(DELETE => '') if $self->{session} };

    kill 'TERM', $pid;
    Test::Apikey::wait_pid($pid);

    # nothing of it is kept, so whoever is left needs no time to end
    kill 'KILL', $_ for grep { _runs($_) } @all;
    Test::Apikey::wait_for(sub { !grep { _runs($_) } @all });

    return;
}

sub _descendants {
    my ($pid) = @_;
    my @children = split ' ',
        Test::Apikey::slurp("/proc/$pid/task/$pid/children");

    # threads have children, too
    for my $task (glob "/proc/$pid/task/*/children") {
        push @children, split ' ', Test::Apikey::slurp($task);
    }

    my %seen;
    @children = grep { !$seen{$_}++ } @children;

    return map { ($_, _descendants($_)) } @children;
}

sub _runs {
    my ($pid) = @_;

    return Test::Apikey::slurp("/proc/$pid/stat") =~ /\) [^ZX] /;
}


1;
