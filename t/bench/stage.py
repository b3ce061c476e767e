"""What is measured: keys, Redis, the upstream, and the gateways before it."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import shutil
import socket
import string
import subprocess
import tempfile
import zlib

from processes import Process

HERE = os.path.dirname(os.path.abspath(__file__))
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
LIMITS = {"minute": 100000000, "day": 1000000000}
PATH = "/orders"


class Stage:
    """A folder with all that runs; stop() leaves nothing of it."""

    def __init__(self, build, cores, count, tcp):
        self.build = build
        self.gateway_core, self.other_core = cores
        self.nginx = nginx_program()
        self.running = []
        self.dir = tempfile.mkdtemp(prefix="apikey-bench-")
        os.chmod(self.dir, 0o711)

        redis_port = free_port()
        redis = ("127.0.0.1:%d" % redis_port if tcp
                 else "unix:%s/redis.sock" % self.dir)
        pepper = "".join(random.SystemRandom().choices(BASE62, k=44))

        self.names = {
            "BENCH": HERE,
            "DIR": self.dir,
            "LUA": os.path.join(os.path.abspath(build), "lua/usr"),
            "MODULE": shutil.copy(
                os.path.join(build, "ngx_http_apikey_module.so"), self.dir),
            "PEPPER": pepper,
            "PEPPER_FILE": self.write("pepper", pepper),
            "REDIS": redis,
            "REDIS_PORT": redis_port,
            "UPSTREAM_PORT": free_port(),
            "USAGE": "on",
        }

        try:
            self.make_keys(count)
            self.start_redis()
            self.populate()

            self.render("gateways/main.conf", "main.conf")
            self.render("gateways/http.conf", "http.conf")
            self.start_nginx("upstream", self.names["UPSTREAM_PORT"],
                             self.other_core)
        except BaseException:
            self.stop()
            raise

    def write(self, name, text):
        path = os.path.join(self.dir, name)

        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600 if name == "pepper" else 0o644)

        return path

    def render(self, template, name, **more):
        """Writes a file of ours with its @NAME@s replaced."""
        names = dict(self.names, **more)

        with open(os.path.join(HERE, template)) as f:
            text = re.sub("@([A-Z_]+)@", lambda m: str(names[m[1]]), f.read())

        return self.write(name, text)

    def make_keys(self, count):
        """Good keys; as many that aren't, by a digit of their checksum; others
        that nobody has stored."""
        self.keys = [new_key() for _ in range(count)]
        self.files = {
            "good": self.write("good", "\n".join(self.keys) + "\n"),
            "hot": self.write("hot", self.keys[0] + "\n"),
            "malformed": self.write("malformed", "".join(
                key[:-1] + ("0" if key[-1] == "1" else "1") + "\n"
                for key in self.keys)),
            "unknown": self.write("unknown", "".join(
                new_key() + "\n" for _ in range(count))),
        }

    def start_redis(self):
        sock = os.path.join(self.dir, "redis.sock")

        conf = self.render("redis.conf", "redis.conf")

        self.redis = Process(["redis-server", conf], self.other_core,
                             self.dir + "/redis.log")
        self.running.append(self.redis)
        self.redis.wait_until(lambda: answers(socket.AF_UNIX, sock))

    def populate(self):
        """The keys as this module, limit-req and lua-strict have them."""
        ids = ["bench-%d" % n for n in range(len(self.keys))]
        scopes = ["orders:read", "orders:write", "users:read"]

        records = self.write("records", "".join(json.dumps({
            "key": key, "id": i, "name": i, "org": "acme", "plan": "large",
            "scopes": scopes}) + "\n" for key, i in zip(self.keys, ids)))

        empty = self.redis_memory()

        self.run([os.path.join(self.build, "apikey"),
                  "--redis", "unix:%s/redis.sock" % self.dir,
                  "--pepper-file", self.names["PEPPER_FILE"],
                  "import", records])

        self.bytes_a_key = (self.redis_memory() - empty) / len(self.keys)

        self.write("limit-req.map", "".join(
            '"%s" "%s";\n' % pair for pair in zip(self.keys, ids)))

        pepper = self.names["PEPPER"].encode()
        commands = []

        for key, i in zip(self.keys, ids):
            digest = hmac.new(pepper, key.encode(), hashlib.sha1).digest()
            commands.append(
                'HSET lua:{%s} id %s status active expires 0 scopes "%s"'
                ' minute %d day %d\n' % (
                    base64.b64encode(digest).decode(), i, " ".join(scopes),
                    LIMITS["minute"], LIMITS["day"]))

        self.run(["redis-cli", "-s", self.dir + "/redis.sock", "--pipe"],
                 "".join(commands))

    def redis_memory(self):
        info = self.run(["redis-cli", "-s", self.dir + "/redis.sock",
                         "info", "memory"])

        return int(re.search(r"used_memory:(\d+)", info)[1])

    def run(self, argv, text=""):
        done = subprocess.run(argv, input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError("%s: %s" % (argv[0], done.stdout.strip()))

        return done.stdout

    def start_nginx(self, name, port, core, conf=None, build=None):
        prefix = os.path.join(self.dir, name + ".d")
        os.makedirs(prefix)
        os.chmod(prefix, 0o755)

        names = {"PORT": port,
                 "USAGE": "off" if name.endswith("-off") else "on"}

        if build:
            names["MODULE"] = shutil.copy(
                os.path.join(build, "ngx_http_apikey_module.so"), prefix)

        conf = self.render("gateways/%s.conf" % (conf or name),
                           name + ".conf", **names)
        log = prefix + "/error.log"

        process = Process([self.nginx, "-p", prefix, "-c", conf, "-e", log],
                          core, log)
        self.running.append(process)

        process.wait_until(lambda: (process.children()
                           and answers(socket.AF_INET, ("127.0.0.1", port))))
        return process

    def start_gateway(self, name, conf, build=None):
        """
        Returns its port and the pid of its worker.  build: where the module
        is, if it isn't the one that is measured.
        """
        port = free_port()
        process = self.start_nginx(name, port, self.gateway_core, conf, build)

        return port, process.children()[0]

    def a_key(self, keys):
        with open(self.files[keys]) as f:
            return f.readline().strip()

    def stop(self):
        for process in reversed(self.running):
            process.stop()

        shutil.rmtree(self.dir, ignore_errors=True)


def new_key():
    """As "apikey create" makes them: see src/core/token.h."""
    body = "bench_" + "".join(random.SystemRandom().choices(BASE62, k=33))
    crc, digits = zlib.crc32(body.encode()), ""

    for _ in range(6):
        crc, digit = divmod(crc, 62)
        digits = BASE62[digit] + digits

    return body + digits


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(family, address):
    with socket.socket(family) as s:
        s.settimeout(1)
        return s.connect_ex(address) == 0


def ask(port, key):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    try:
        connection.request("GET", PATH, headers={"X-API-Key": key})
        return connection.getresponse().status
    finally:
        connection.close()


def nginx_program():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    program = os.environ.get("TEST_NGINX_BINARY") or "nginx"

    return shutil.which(program, path=path) or program
