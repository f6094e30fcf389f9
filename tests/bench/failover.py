#!/usr/bin/python3
"""How long an ensemble of three cannot write when its leader goes away under load.

The clock runs from the signal to the leader until a surviving server acknowledges a write that a
new leader committed (its zxid has a later epoch). Prints a table, beside ZooKeeper's own figures on
the same machine and settings, and writes JSON.

    python3 tests/bench/failover.py [-n ROUNDS] [--zookeeper-rounds N] [--ways kill,stop,pause]
                                    [--json FILE] [--check]
"""
import argparse
import itertools
import json
import multiprocessing
import select
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

import phases  # noqa: E402 (the path is set just above)
from harness import jars, servers, wire  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

TICK_MS, INIT_LIMIT, SYNC_LIMIT = 200, 10, 5
TARGETS_MS = {"kill": 60.0, "stop": 30.0, "pause": 1.2 * SYNC_LIMIT * TICK_MS}
WAY_NAMES = {"kill": "SIGKILL", "stop": "clean stop (SIGTERM)", "pause": "SIGSTOP"}
ROUND_TIMEOUT_S = 30.0
POLL_MS = 1
LOAD_INTERVAL_S = 0.002                 # between two writes of a load process
LOAD_WINDOW = 16
# A survivor that took a probe in and does not answer gets another one beside it: what an election leaves unanswered
# is no gap for a client that asks again.
ANOTHER_S, UNANSWERED_MAX = 0.02, 64
SETTLE_WRITES = 50                      # that must be acknowledged before the leader goes


# --- the load ---------------------------------------------------------------------------------

def load(address, path, acknowledged, end):
    """One process: writes through one server for ever, reconnecting, until `end` is set."""
    while not end.is_set():
        try:
            with wire.Client(address, timeout_ms=4000, timeout=2.0) as client:
                if client.exists(path) is None:
                    client.create(path)
                under_way = 0
                while not end.is_set():
                    client.submit(wire.SET_DATA, wire.ustr(path) + wire.buf(b"x" * 100) + wire.i32(-1))
                    under_way += 1
                    while under_way and (under_way >= LOAD_WINDOW or client.ready()):
                        if client.read_reply().err == wire.OK:
                            acknowledged.value += 1
                        under_way -= 1
                    time.sleep(LOAD_INTERVAL_S)
        except (OSError, wire.Disconnected, wire.Expired, wire.ZkError):
            time.sleep(0.01)


class Load:
    """A load process for each server."""

    def __init__(self, ensemble):
        context = multiprocessing.get_context("spawn")
        self.end = context.Event()
        self.counts = [context.Value("q", 0) for _ in ensemble]
        self.processes = [
            context.Process(target=load, daemon=True,
                            args=(server.address, "/load-%d" % server.sid, count, self.end))
            for server, count in zip(ensemble, self.counts)]
        for process in self.processes:
            process.start()

    def acknowledged(self):
        return [count.value for count in self.counts]

    def wait_flowing(self):
        """Until every process has had some more writes acknowledged."""
        before = self.acknowledged()
        wait_until(lambda: all(now >= then + SETTLE_WRITES
                               for now, then in zip(self.acknowledged(), before)), 60, "load flows")

    def stop(self):
        self.end.set()
        for process in self.processes:
            process.join(20)


# --- the probe --------------------------------------------------------------------------------

class Attempt:
    """One connection that asks for a new session and a write in one go, and never blocks."""

    def __init__(self, address, paths):
        self.address, self.paths = address, paths
        self.sock, self.received = None, b""
        self.open()

    def open(self):
        """With a path of its own each time: the one before may have been made and its answer lost."""
        self.close()
        self.request = wire.connect_frame(4000) + wire.frame(
            wire.i32(1) + wire.i32(wire.CREATE) + wire.create_body(next(self.paths), flags=wire.EPHEMERAL))
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.sent, self.opened = b"", False, time.monotonic()
        self.sock.connect_ex(self.address)

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def step(self, writable, readable):
        """What poll() said is done. Returns the zxid of an acknowledged write, or None."""
        try:
            if writable and not self.sent:
                self.sock.send(self.request)
                self.sent = True
            if readable:
                part = self.sock.recv(4096)
                if not part:
                    raise ConnectionError("closed")
                self.received += part
        except BlockingIOError:
            return None
        except OSError:
            self.close()
            return None
        return self._answer()

    def _answer(self):
        frames, rest = [], self.received
        while len(rest) >= 4:
            length = int.from_bytes(rest[:4], "big")
            if len(rest) < 4 + length:
                break
            frames.append(rest[4:4 + length])
            rest = rest[4 + length:]
        if len(frames) < 2:
            return None
        reply = wire.Reader(frames[1])
        reply.i32()
        zxid, err = reply.i64(), reply.i32()
        if err != wire.OK:
            self.close()
            return None
        return zxid


def first_write(survivors, old_epoch, path):
    """Tries the survivors without pause until one acknowledges a write of a later epoch."""
    paths = ("%s-%d" % (path, number) for number in itertools.count())
    trying = [Attempt(server.address, paths) for server in survivors]
    waiting = []                        # taken in, and not answered yet
    deadline = time.monotonic() + ROUND_TIMEOUT_S
    try:
        while time.monotonic() < deadline:
            for i, attempt in enumerate(trying):
                if attempt.sock is None:
                    attempt.open()
                elif (attempt.sent and len(waiting) < UNANSWERED_MAX and
                      time.monotonic() - attempt.opened >= ANOTHER_S):
                    waiting.append(attempt)
                    trying[i] = Attempt(attempt.address, paths)
            waiting = [attempt for attempt in waiting if attempt.sock is not None]
            ended = _look(trying + waiting, old_epoch)
            if ended:
                return ended
            if all(attempt.sock is None for attempt in trying):
                time.sleep(POLL_MS / 1000)
        raise AssertionError("no write in %g s" % ROUND_TIMEOUT_S)
    finally:
        for attempt in trying + waiting:
            attempt.close()


def _look(attempts, old_epoch):
    """Does what can be done, after at most POLL_MS. Returns the time of a write of a later epoch, or None."""
    poller = select.poll()
    for attempt in attempts:
        poller.register(attempt.sock, select.POLLIN if attempt.sent else select.POLLIN | select.POLLOUT)
    ready = dict(poller.poll(POLL_MS))
    for attempt in attempts:
        got = ready.get(attempt.sock.fileno(), 0)
        zxid = attempt.step(got & select.POLLOUT, got & ~select.POLLOUT) if got else None
        if zxid is None:
            continue
        if zxid >> 32 > old_epoch:
            return time.monotonic()
        attempt.close()                 # the old leader's last words
    return None


# --- the rounds -------------------------------------------------------------------------------

def all_synced(ensemble):
    leader = ensemble.leader()
    if leader is None or len(ensemble.running()) < len(ensemble):
        return None
    synced = float(leader.monitor().get("synced_followers", 0))
    return leader if synced == len(ensemble) - 1 else None


def one_round(ensemble, way, number, flow):
    leader = wait_until(lambda: all_synced(ensemble), 60, "all three are in sync", interval=0.05)
    flow.wait_flowing()
    survivors = [server for server in ensemble if server is not leader]
    with wire.Client(leader.address) as client:
        old_epoch = client.create2("/round-%d" % number)[1].czxid >> 32
        client.close_session()

    marks = {server: server.log_mark() for server in survivors}
    began = time.monotonic()
    if way == "kill":
        leader.process.kill()
    elif way == "stop":
        leader.ask_to_end()
    else:
        leader.process.send_signal(servers.signal.SIGSTOP)
        leader.paused = True
    ended = first_write(survivors, old_epoch, "/probe-%d" % number)

    if way == "kill":
        leader.kill()
    elif way == "stop":
        leader.wait_exit()
        leader.exits.clear()
    if way == "pause":
        leader.resume()
    else:
        leader.start()
    leader.wait_serving()
    # By now the lines of the gap are long in the logs.
    logs = [server.log_text(mark) for server, mark in marks.items()]
    return {"gap_ms": (ended - began) * 1000, "parts_ms": phases.split(logs, began, ended)}


def measure(kind, ways, rounds, home, **settings):
    """Way -> each round's gap_ms and, where the logs tell them, parts_ms (phases.py), on one ensemble under constant load.
    `settings` as for the harness."""
    lab = servers.Lab(home)
    results = {}
    try:
        ensemble = lab.ensemble({1: kind, 2: kind, 3: kind}, **{
            "tick_time": TICK_MS, "init_limit": INIT_LIMIT, "sync_limit": SYNC_LIMIT,
            "log_filter": phases.COMMAND, **settings})
        ensemble.start()
        flow = Load(ensemble)
        try:
            number = 0
            for way in ways:
                results[way] = []
                for _ in range(rounds):
                    number += 1
                    results[way].append(one_round(ensemble, way, number, flow))
                    progress("%s %s: round %d, %.0f ms" % (
                        kind, WAY_NAMES[way], len(results[way]), results[way][-1]["gap_ms"]))
        finally:
            flow.stop()
    finally:
        lab.close()
    return results


def progress(text):
    if sys.stderr.isatty():
        print("\r\033[K" + text, end="", file=sys.stderr, flush=True)


def summary(rounds):
    samples = [found["gap_ms"] for found in rounds]
    return {"rounds": len(samples), "min_ms": min(samples), "median_ms": statistics.median(samples),
            "max_ms": max(samples), "samples_ms": samples, "parts_ms": median_parts(rounds)}


def median_parts(rounds):
    """The median of each part, of the rounds that tell them."""
    told = [found["parts_ms"] for found in rounds if found.get("parts_ms")]
    return {part: statistics.median(parts[part] for parts in told) for part in phases.PARTS} if told else {}


def print_table(figures):
    progress("")
    print("Leader of three goes away under load; tick %d ms, sync_limit %d. Milliseconds until a\n"
          "surviving server acknowledges a write under a new leader.\n" % (TICK_MS, SYNC_LIMIT))
    print("%-22s %-14s %6s %8s %8s %8s   %s" % ("leader leaves by", "servers", "rounds", "min",
                                                "median", "max", "target (median)"))
    for way in WAY_NAMES:
        for kind, ways in figures.items():
            if way not in ways:
                continue
            f = ways[way]
            verdict = ""
            if kind == servers.BATON:
                verdict = "%.0f: %s" % (TARGETS_MS[way], "met" if met(f, way) else "MISSED")
            print("%-22s %-14s %6d %8.1f %8.1f %8.1f   %s" % (
                WAY_NAMES[way], kind, f["rounds"], f["min_ms"], f["median_ms"], f["max_ms"], verdict))


def print_parts(figures):
    print("\nMedians of their parts, as far as the servers' log lines tell them.\n")
    print("%-22s %-14s %s" % ("leader leaves by", "servers", " ".join("%16s" % part for part in phases.PARTS)))
    for way in WAY_NAMES:
        for kind, ways in figures.items():
            if way in ways and ways[way]["parts_ms"]:
                print("%-22s %-14s %s" % (WAY_NAMES[way], kind, " ".join(
                    "%16.1f" % ways[way]["parts_ms"][part] for part in phases.PARTS)))


def met(figure, way):
    return figure["median_ms"] <= TARGETS_MS[way]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=20, help="rounds for each way (default 20)")
    parser.add_argument("--zookeeper-rounds", type=int, default=7, help="0 leaves ZooKeeper out")
    parser.add_argument("--ways", default="kill,stop,pause")
    parser.add_argument("--kinds", default="%s,%s" % (servers.BATON, servers.ZOOKEEPER_38))
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench" / "failover.json")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    ways = options.ways.split(",")
    figures = {}
    for kind in options.kinds.split(","):
        rounds = options.n if kind == servers.BATON else options.zookeeper_rounds
        if rounds == 0:
            continue
        try:
            with tempfile.TemporaryDirectory(prefix="failover-") as home:
                samples = measure(kind, ways, rounds, home)
        except jars.Unavailable as e:
            print("%s left out: %s" % (kind, e))
            continue
        figures[kind] = {way: summary(values) for way, values in samples.items()}
    print_table(figures)
    print_parts(figures)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({
        "tick_ms": TICK_MS, "init_limit": INIT_LIMIT, "sync_limit": SYNC_LIMIT,
        "targets_ms": TARGETS_MS, "figures": figures}, indent=2) + "\n")
    missed = [way for way in ways
              if servers.BATON in figures and not met(figures[servers.BATON][way], way)]
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
