"""Where the time goes: perf looks at the workers and at Redis under load."""

import collections
import os
import re
import shutil
import signal
import subprocess
import time

from load import load

LINES = 30


def profile(stage, gateways, connections, seconds):
    """Prints microseconds a request, by function, beside the base's."""
    if shutil.which("perf") is None:
        raise SystemExit("bench: --profile needs perf: apt-get install "
                         "linux-perf")

    load(stage, gateways[0], connections, 1)

    seen = [record(stage, gateway, connections, seconds)
            for gateway in gateways]
    base, mine = seen[0], seen[-1]

    print("%s at %d connections, microseconds of CPU a request; functions "
          "that a stripped\nprogram doesn't name count with their neighbours"
          % (gateways[-1].name, connections))

    table("worker of %s, and what it is more than %s"
          % (gateways[-1].name, gateways[0].name),
          mine["worker"], base["worker"])
    table("Redis", mine["redis"], collections.Counter())


def record(stage, gateway, connections, seconds):
    """{"worker": {(object, function): µs}, "redis": ...}"""
    pids = {"worker": gateway.worker, "redis": stage.redis.pid}
    files = {name: os.path.join(stage.dir, name + ".perf") for name in pids}

    recording = [subprocess.Popen(
        ["perf", "record", "-q", "-F", "1999", "-p", str(pid),
         "-o", files[name]], stderr=subprocess.DEVNULL)
        for name, pid in pids.items()]

    try:
        time.sleep(0.5)
        cost = load(stage, gateway, connections, seconds)
    finally:
        for tracer in recording:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()

    return {"worker": functions(files["worker"], cost["cpu"]),
            "redis": functions(files["redis"], cost["redis"])}


def functions(path, cost):
    out = subprocess.run(
        ["perf", "report", "--stdio", "-i", path, "--sort", "dso,symbol",
         "-t", ";"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True).stdout

    found = collections.Counter()

    for line in out.splitlines():
        m = re.match(r" *([\d.]+)% *;(\S+) *;\[.\] ([^;]*\S) *(;|$)", line)
        if m:
            name = "(no symbol)" if m[3].startswith("0x") else m[3]
            found[m[2], name] += float(m[1]) / 100 * cost

    return found


def table(title, mine, base):
    print("\n%s\n\n%8s %8s %8s" % (title, "µs", "base", "more"))

    more = {key: mine[key] - base[key] for key in set(mine) | set(base)}
    objects = collections.Counter()

    for (shared_object, _), cost in mine.items():
        objects[shared_object] += cost

    print("%8.2f %8.2f %8.2f  all" % (
        sum(mine.values()), sum(base.values()), sum(more.values())))

    for shared_object, cost in objects.most_common(8):
        its = sum(c for (o, _), c in base.items() if o == shared_object)
        print("%8.2f %8.2f %8.2f  %s" % (cost, its, cost - its,
                                         shared_object))
    print()

    for key in sorted(more, key=more.get, reverse=True)[:LINES]:
        print("%8.2f %8.2f %8.2f  %-40s %s" % (
            mine[key], base[key], more[key], key[1], key[0]))
