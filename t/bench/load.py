"""A slice of load: wrk for some seconds, and what it cost."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from processes import busy_time, cpu_time, foremost
from stage import HERE, PATH

FOREIGN = 0.10   # cores that others may take during a slice that counts
SPEED = 0.85     # of its best that each core must have


class Machine:
    """
    Tells when the machine can't be measured with.  A neighbour of a virtual
    machine slows everything in it, CPU time a request included, and no counter
    in here shows it; so a fixed piece of work is timed on each core.
    """

    def __init__(self, cores, tries):
        self.cores = cores
        self.tries = tries
        self.best = {}
        self.slices = 0
        self.disturbed = 0

        for _ in range(10):
            self.speed()

    def speed(self):
        """The slower core's part of the best seen of it."""
        slowest = 1.0
        allowed = os.sched_getaffinity(0)

        try:
            for core in self.cores:
                os.sched_setaffinity(0, {core})
                took = min(fixed_work() for _ in range(3))
                self.best[core] = min(took, self.best.get(core, took))
                slowest = min(slowest, self.best[core] / took)
        finally:
            os.sched_setaffinity(0, allowed)

        return slowest

    def measure(self, run):
        """The first undisturbed run() of some tries, or the best of them."""
        tried = []

        for _ in range(self.tries):
            before = self.speed()
            result = run()
            speed = min(before, self.speed())

            tried.append((max(result["foreign"] / FOREIGN, 1)
                          * max(SPEED / speed, 1), len(tried), result))

            if tried[-1][0] == 1:
                break

        self.slices += 1
        self.disturbed += min(tried)[0] > 1

        return min(tried)[2]


def fixed_work():
    left, right = socket.socketpair()
    data = bytes(2048)
    start = time.perf_counter()

    with left, right:
        for _ in range(400):
            left.send(data[:256])
            right.recv(512)
            hashlib.sha256(data).digest()

    return time.perf_counter() - start


def wrk(stage, gateway, keys, connections, seconds):
    return ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds,
            "--timeout", "10s", "-s", os.path.join(HERE, "keys.lua"),
            "http://127.0.0.1:%d%s" % (gateway.port, PATH),
            "--", stage.files[keys]]


def flooded(stage, gateway, keys, connections, seconds):
    """What a good client gets while others send such keys; None: nobody."""
    flood = keys and subprocess.Popen(
        wrk(stage, gateway, keys, connections, seconds + 2),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **foremost(stage.other_core))

    try:
        if flood:
            time.sleep(0.5)

        return load(stage, gateway, 8, seconds)

    finally:
        if flood:
            flood.communicate()


def load(stage, gateway, connections, seconds):
    """Runs wrk against a gateway; what its worker and Redis spent meanwhile."""
    argv = wrk(stage, gateway, gateway.keys, connections, seconds)

    cores = [stage.gateway_core, stage.other_core]
    ours = {stage.redis.pid}

    for process in stage.running:
        ours.update(process.children() or [process.pid])

    def used():
        return (sum(map(cpu_time, ours)) / 1e6 + sum(os.times()[:4]),
                cpu_time(gateway.worker), cpu_time(stage.redis.pid))

    mine, worker, redis = used()
    busy, start = busy_time(cores), time.monotonic()

    out = subprocess.run(argv, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True,
                         **foremost(stage.other_core)).stdout

    wall, busy = time.monotonic() - start, busy_time(cores) - busy
    mine, worker, redis = (b - a for a, b in zip((mine, worker, redis), used()))

    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out)

    if found is None or found[1] == "0":
        raise RuntimeError("wrk: " + out.strip()[-500:])

    requests, duration, p50, p99, errors, refused = map(int, found.groups())

    return {
        "requests": requests,
        "rps": requests / duration * 1e6,
        "cpu": worker / requests,
        "redis": redis / requests,
        "p50": p50,
        "p99": p99,
        "wrong": errors + (refused if gateway.status == 200
                           else requests - refused),
        "foreign": max(busy - mine, 0) / wall,
    }


def system_calls(stage, gateway, connections, seconds=1):
    """
    Calls a request, counted by perf, which slows nothing down, or by strace;
    None where neither may look at the worker.
    """
    for tracer, calls in (
        (["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter"],
         r"^(\d+),.*sys_enter"),
        (["strace", "-c", "-f"],
         r"^100\.00 +\S+ +\d+ +(\d+) .*total"),
    ):
        if shutil.which(tracer[0]) is None:
            continue

        out = stage.write(tracer[0], "")
        tracer = subprocess.Popen(
            tracer + ["-o", out, "-p", str(gateway.worker)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        try:
            time.sleep(0.5)
            requests = load(stage, gateway, connections, seconds)["requests"]
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            tracer.wait()

        with open(out) as f:
            found = re.search(calls, f.read(), re.MULTILINE)

        if found:
            return int(found[1]) / requests

    return None
