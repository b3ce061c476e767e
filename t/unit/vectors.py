#!/usr/bin/env python3
"""Writes vectors.h: what Python's own libraries say the core should answer."""

import binascii
import hashlib
import ipaddress
import math
import random
import re
import unicodedata
import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

rng = random.Random(20260101)


def c_string(data):
    """A C literal of any bytes."""
    if isinstance(data, str):
        data = data.encode()
    return '"' + "".join("\\%03o" % byte for byte in data) + '"'


def c_text(data):
    if isinstance(data, str):
        data = data.encode()
    return "{ %s, %d }" % (c_string(data), len(data))


def table(name, members, rows):
    print("\nstatic const struct {")
    for member in members.split(";"):
        print("    %s;" % member.strip())
    print("} %s[] = {" % name)
    for row in rows:
        print("    { %s }," % ", ".join(row))
    print("};")


def u64(number):
    return "%dULL" % number


# Keys

def base62(number, digits):
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return text


def token(prefix):
    text = prefix + "_" + "".join(rng.choice(BASE62) for _ in range(33))
    return text + base62(zlib.crc32(text.encode()), 6)


def tokens():
    prefixes = ["ag", "apso_sk_live", "a", "_", "0", "__", "a_", "_9_z_",
                "z" * 32, "_" * 32, "abcdefghijklmnopqrstuvwxyz_01234"]
    return [[c_text(token(p))] for p in prefixes * 3]


def digests():
    rows = []
    for size in (32, 33, 63, 64, 65, 66, 127, 128, 129, 4095, 4096):
        for length in (1, 40, 127, 128, 129, 256):
            content = rng.randbytes(size - 1) + b"p"
            text = "".join(chr(rng.randrange(0x21, 0x7f))
                           for _ in range(length))
            key = content
            if len(key) > 64:
                key = hashlib.blake2b(key, digest_size=64).digest()
            digest = hashlib.blake2b(text.encode(), key=key, digest_size=32)
            rows.append([c_text(content), c_text(text),
                         c_string(digest.hexdigest())])
    return rows


# Names

def slots():
    """What counts, found by a regular expression as Redis's manual tells it."""
    names = ["", "a", "{", "}", "{}", "{}a", "a{}{b}", "{a", "a}", "}{a}",
             "{a}", "{a}b", "x{a}b", "{{a}}", "{a}{b}", "x{a", "{a{b}c}",
             "apikey:ids:0fff", "apikey:templates", "foo{}{bar}"]
    names += ["".join(rng.choice("{}ab\0\xff") for _ in range(rng.randrange(12)))
              for _ in range(2000)]
    rows = []
    for name in names:
        data = name.encode("latin-1")
        tag = re.match(rb"[^{]*\{([^}]+)\}", data, re.S)
        crc = binascii.crc_hqx(tag.group(1) if tag else data, 0)
        rows.append([c_text(data), str(crc % 16384)])
    return rows


def buckets():
    ids = ["a", "123456789", "0" * 16, "z" * 64, "c1", "A.b_c-d"]
    ids += ["".join(rng.choice(BASE62) for _ in range(16)) for _ in range(40)]
    return [[c_text(i), str(binascii.crc_hqx(i.encode(), 0) % 4096)]
            for i in ids]


def names():
    """UTF-8 or not, with or without control characters."""
    samples = [b"a", b"\x00", b"\x1f", b" ", b"\x7f", b"\xc2\x80", b"\xc2\x9f",
               b"\xc2\xa0", b"\xc0\x80", b"\xc1\xbf", b"\xdf\xbf",
               b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
               b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xee\x80\x80",
               b"\xef\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80",
               b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
               b"\xf8\x88\x80\x80\x80", b"\xff", b"\x80", b"\xc3", b"\xe2\x82",
               b"\xf0\x9f\x94", b"\xc3\x28", b"\xe2\x28\xa1", b"ok\xf0\x9f",
               "clé 🔑 ключ 鍵".encode(), b"tab\there", b"line\n"]
    for _ in range(400):
        good = bytearray("".join(chr(rng.choice(
            [rng.randrange(0x20, 0x80), rng.randrange(0x80, 0x800),
             rng.randrange(0x800, 0xd800), rng.randrange(0x10000, 0x110000)]))
            for _ in range(rng.randrange(1, 5))).encode())
        if rng.random() < 0.6:
            good[rng.randrange(len(good))] = rng.randrange(256)
        samples.append(bytes(good))

    rows = []
    for sample in samples:
        try:
            text = sample.decode()
            good = not any(unicodedata.category(c) == "Cc" for c in text)
        except UnicodeDecodeError:
            good = False
        rows.append([c_text(sample), str(int(good))])
    return rows


# Networks

def networks():
    rows = []
    for _ in range(600):
        version = rng.choice([4, 6])
        width = 32 if version == 4 else 128
        kind = ipaddress.ip_network
        bits = rng.choice([0, 1, 7, 8, 9, width - 1, width,
                           rng.randrange(width + 1)])
        address = rng.getrandbits(width)
        if version == 6:
            address |= 1 << 125  # not an IPv4-mapped one
        address = address >> (width - bits) << (width - bits)
        packed = address.to_bytes(width // 8, "big")
        network = kind((packed, bits))

        # An address beside the network, or just out of it, or anywhere.
        other = address
        if rng.random() < 0.8:
            other ^= rng.getrandbits(width - bits) if bits < width else 0
        if bits > 0 and rng.random() < 0.5:
            other ^= 1 << (width - 1 - rng.randrange(bits))
        client = ipaddress.ip_address(other.to_bytes(width // 8, "big"))
        if client.version == 6 and client.ipv4_mapped:
            continue

        rows.append([c_text(str(network)), c_text(client.packed),
                     str(int(client in network))])
    return rows


# Limits

def moved(start, current, previous, seconds, now):
    """The window that holds now, as (start, current, previous)."""
    begin = now // 1000000 // seconds * seconds
    if start >= begin:
        return begin, current, previous
    if start == begin - seconds:
        return begin, 0, current
    return begin, 0, 0


def used(start, current, previous, seconds, now, sliding):
    start, current, previous = moved(start, current, previous, seconds, now)
    if not sliding:
        return current
    left = (start + seconds) * 1000000 - now
    share = float(previous) * float(left) / float(seconds * 1000000)
    return current + math.ceil(share)


def instants(start, seconds):
    begin, end = start * 1000000, (start + seconds) * 1000000
    return [begin, begin + 1, begin + seconds * 500000, end - 1, end, end + 1,
            end + seconds * 999999, end + seconds * 1000000 - 1,
            end + seconds * 1000000, end + 5 * seconds * 1000000,
            rng.randrange(begin, end), rng.randrange(begin, end),
            begin - 1, begin - 3 * seconds * 1000000]


def counters():
    rows = []
    for seconds in (1, 7, 60, 90, 3600, 86400, 30 * 86400, 366 * 86400):
        for current, previous in ((0, 0), (1, 0), (0, 1), (5, 60), (100, 99),
                                  (2 ** 47, 2 ** 47), (0, 2 ** 48 - 1),
                                  (2 ** 48 - 1, 0),
                                  (rng.randrange(10 ** 6),
                                   rng.randrange(10 ** 6)),
                                  (rng.randrange(2 ** 48),
                                   rng.randrange(2 ** 48))):
            start = rng.randrange(1767225600, 2 ** 32) // seconds * seconds
            packed = (seconds.to_bytes(4, "little")
                      + start.to_bytes(5, "little")
                      + current.to_bytes(6, "little")
                      + previous.to_bytes(6, "little"))
            for now in instants(start, seconds):
                state = (start, current, previous, seconds, now)
                rows.append([c_text(packed), u64(seconds), u64(now)]
                            + [u64(n) for n in moved(*state)]
                            + [u64(used(*state, False)),
                               u64(used(*state, True))])
    return rows


print("/* Made by t/unit/vectors.py. */\n")
print('#include "core/text.h"')

table("vector_tokens", "apikey_text_t token", tokens())
table("vector_digests",
      "apikey_text_t pepper; apikey_text_t token; const char *hex", digests())
table("vector_slots", "apikey_text_t name; unsigned slot", slots())
table("vector_buckets", "apikey_text_t id; unsigned bucket", buckets())
table("vector_names", "apikey_text_t name; int good", names())
table("vector_networks",
      "apikey_text_t network; apikey_text_t addr; int inside", networks())
table("vector_counters",
      "apikey_text_t packed; uint32_t seconds; uint64_t now; uint64_t start;"
      "uint64_t current; uint64_t previous; uint64_t fixed; uint64_t sliding",
      counters())
