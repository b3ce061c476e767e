"""Programs that run beside each other, and the CPU time they take."""

import os
import resource
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


PRIORITY = -15


def foremost(core):
    """
    For Popen: keeps a program on this core, before all others if we may.  The
    kernel shares a core between sessions first, so the program gets its own.
    """
    def prepare():
        os.sched_setaffinity(0, {core})

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, hard), hard))

        try:
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
            with open("/proc/self/autogroup", "w") as f:
                f.write(str(PRIORITY))
        except OSError:
            pass

    return {"start_new_session": True, "preexec_fn": prepare}


class Process:
    """A program in the background, its output in a file."""

    def __init__(self, argv, core, log):
        self.log = log

        with open(log, "ab") as out:
            self.program = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out,
                                            **foremost(core))

        self.pid = self.program.pid

    def wait_until(self, ready):
        """Until ready() is true; an error, with the log, if it never is."""
        end = time.monotonic() + 10

        while time.monotonic() < end and self.program.poll() is None:
            if ready():
                return
            time.sleep(0.02)

        with open(self.log, errors="replace") as log:
            raise RuntimeError(log.read().strip()[-1000:] or "does not start")

    def children(self):
        found = []

        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    parent = f.read().rpartition(")")[2].split()[1]
            except OSError:
                continue

            if int(parent) == self.pid:
                found.append(int(pid))

        return found

    def stop(self, how=signal.SIGTERM):
        if self.program.poll() is None:
            self.program.send_signal(how)
            try:
                self.program.wait(10)
            except subprocess.TimeoutExpired:
                self.program.kill()

        self.program.wait()


def cpu_time(pid):
    """Microseconds on a core, of all threads; exact, unlike stat's ticks."""
    used = 0

    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            used += int(f.read().split()[0])

    return used / 1000


def busy_time(cores):
    """Seconds these cores weren't idle, what other guests took included."""
    busy = 0

    with open("/proc/stat") as f:
        for line in f:
            name, *ticks = line.split()
            if name in ["cpu%d" % core for core in cores]:
                ticks = [int(n) for n in ticks[:8]]
                busy += sum(ticks) - ticks[3] - ticks[4]

    return busy / TICK
