#!/usr/bin/python3
"""Resident memory of a server: idle, with 100,000 znodes of 100 bytes, and after a restart on them.

    python3 tests/bench/memory.py [--zookeeper] [--json FILE] [--check]
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from harness import jars, servers, wire  # noqa: E402 (the path is set just above)

NODES, NODE_BYTES, PER_PARENT = 100000, 100, 1000
WINDOW = 200
MIB = 1 << 20
TARGETS_BYTES = {"idle, alone": 8 * MIB, "idle, one of three": 8 * MIB, "100,000 znodes": 60 * MIB,
                 "100,000 znodes, after a restart": 60 * MIB}


def fill(server):
    with wire.Client(server.address, timeout_ms=40000, timeout=60.0) as client:
        for parent in range(NODES // PER_PARENT):
            client.create("/p%03d" % parent)
        under_way = 0
        for n in range(NODES - NODES // PER_PARENT):
            path = "/p%03d/n%06d" % (n % (NODES // PER_PARENT), n)
            client.submit(wire.CREATE, wire.create_body(path, b"x" * NODE_BYTES))
            under_way += 1
            if under_way == WINDOW:
                assert client.read_reply().err == wire.OK
                under_way -= 1
        for _ in range(under_way):
            assert client.read_reply().err == wire.OK
        client.close_session()


def measure(kind, home):
    """State -> resident bytes."""
    lab = servers.Lab(home)
    try:
        found = {}
        alone = lab.ensemble({1: kind}).start()
        found["idle, alone"] = alone[1].rss_bytes()
        three = lab.ensemble({1: kind, 2: kind, 3: kind}).start()
        found["idle, one of three"] = max(server.rss_bytes() for server in three)
        three.stop()
        fill(alone[1])
        found["100,000 znodes"] = alone[1].rss_bytes()
        alone.restart(1)
        found["100,000 znodes, after a restart"] = alone[1].rss_bytes()
        return found
    finally:
        for server in lab.servers():
            server.exits = [e for e in server.exits if e[0] == servers.BATON]
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--zookeeper", action="store_true", help="ZooKeeper's figures too")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench" / "memory.json")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    figures = {}
    for kind in [servers.BATON] + ([servers.ZOOKEEPER_38] if options.zookeeper else []):
        try:
            with tempfile.TemporaryDirectory(prefix="memory-") as home:
                figures[kind] = measure(kind, home)
        except jars.Unavailable as e:
            print("%s left out: %s" % (kind, e))
    print("Resident memory in MiB.\n")
    print("%-34s %s   %s" % ("", "".join("%14s" % kind for kind in figures), "target"))
    missed = False
    for state, target in TARGETS_BYTES.items():
        ours = figures[servers.BATON][state]
        missed = missed or ours >= target
        print("%-34s %s   under %d: %s" % (
            state, "".join("%14.1f" % (f[state] / MIB) for f in figures.values()), target // MIB,
            "met" if ours < target else "MISSED"))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"targets_bytes": TARGETS_BYTES, "figures_bytes": figures},
                                       indent=2) + "\n")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
