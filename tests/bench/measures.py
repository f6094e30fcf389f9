"""Measures that are not one run of the load generator: memory, idling, starting, gaps."""
import os
import tempfile
import time
from pathlib import Path

import etcd_servers
import failover
import fleet
import plan

IDLE_SECONDS, IDLE_SESSIONS = 8, 1000
SESSIONS, WATCHES_PER_CONNECTION, WATCH_CONNECTIONS = 5000, 2000, 100
SETTLE_S = 1.0                          # what a server does after the last reply is over by then
WARMING_S = 4.0
# Settled are the servers of a kind that used no more than so much (a tick is 10 ms) while they were looked at.
SETTLE_LOOK_S, SETTLE_TICKS, SETTLE_MAX_S = 0.3, 2, 30
# No snapshots: each costs in proportion to the tree, and a short run beside a large tree would tell of nothing else.
GROWING_SNAP_COUNT = 100_000_000
GROWING_PROPERTIES = ("-Dzookeeper.snapSizeLimitInKb=-1",)      # nor by the log's size
# etcd's compaction after each run goes through all keys, and sleeps 10 ms after each thousand of them.
GROWING_ETCD = {"compaction-batch-limit": "100000"}


def rss(made):
    """Resident bytes of the largest server."""
    return max(server.rss_bytes() for server in made)


def _cpu_ticks(pid):
    fields = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _ran_ns(pid):
    """Exactly, and with threads that have ended: its processor clock, numbered as clock_getcpuclockid(3) does. Ticks say only
    who was running at their moment, and an idle server wakes up just then."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def _switches(pid):
    """Times that any thread of a process gave up the processor by itself: it slept, and was woken up."""
    total = 0
    for task in Path("/proc/%d/task" % pid).iterdir():
        try:
            status = (task / "status").read_text()
        except OSError:
            continue                    # it has just ended
        total += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return total


def settle(*ensembles):
    """Until the servers do nothing of their own any more, such as writing a snapshot of what was just made: a run then
    begins with idle servers, of all kinds, and with a disk that owes nobody anything. Not for ever."""
    pids, deadline = [server.pid for made in ensembles for server in made], time.monotonic() + SETTLE_MAX_S
    while time.monotonic() < deadline:
        os.sync()
        ticks = sum(map(_cpu_ticks, pids))
        time.sleep(SETTLE_LOOK_S)
        if sum(map(_cpu_ticks, pids)) - ticks <= SETTLE_TICKS * len(ensembles):
            return


def start_empty(lab, kind):
    made = fleet.ensemble(lab, kind, 3)
    seconds = fleet.start(made)
    time.sleep(SETTLE_S)
    found = {"seconds": seconds, "rss_bytes": rss(made)}
    made.stop()
    return found


def after_load(made):
    return {"rss_bytes": rss(made)}


def idle(made):
    pids = [server.pid for server in made]
    with fleet.Held(made, "sessions --connections %d" % IDLE_SESSIONS):
        time.sleep(SETTLE_S)
        ran, switches, began = sum(map(_ran_ns, pids)), sum(map(_switches, pids)), time.monotonic()
        time.sleep(IDLE_SECONDS)
        took = time.monotonic() - began
        return {"cpu_percent": (sum(map(_ran_ns, pids)) - ran) / took / 1e7,
                "wakeups_per_second": (sum(map(_switches, pids)) - switches) / took}


def _each(lab, kind, words, count):
    """What one server, fresh, takes for each of `count` that are held."""
    made = fleet.ensemble(lab, kind, 1)
    fleet.start(made)
    time.sleep(SETTLE_S)
    before = rss(made)
    with fleet.Held(made, words, in_peace=False):
        time.sleep(SETTLE_S)
        found = {"bytes_each": (rss(made) - before) / count, "before_bytes": before}
    made.stop()
    return found


def session_memory(lab, kind):
    return _each(lab, kind, "sessions --connections %d" % SESSIONS, SESSIONS)


def watch_memory(lab, kind):
    count = WATCHES_PER_CONNECTION * WATCH_CONNECTIONS
    return _each(lab, kind, "watches --connections %d --keys %d" % (WATCH_CONNECTIONS, WATCHES_PER_CONNECTION), count)


def filled(count):
    """What measures one server: filled with `count` znodes, looked at, stopped cleanly, killed, and started each time."""
    def measure(lab, kind):
        made = fleet.ensemble(lab, kind, 1)
        fleet.start(made)
        time.sleep(SETTLE_S)
        before = rss(made)
        fleet.load(made, plan.fill(kind, count))
        time.sleep(SETTLE_S)
        found = {"rss_bytes": rss(made), "bytes_each": (rss(made) - before) / count}
        made.stop()
        found["start_seconds"] = fleet.start(made)
        time.sleep(SETTLE_S)
        found["rss_after_start_bytes"] = rss(made)
        made[1].kill()
        found["recovery_seconds"] = fleet.start(made)
        made.stop()
        return found
    return measure


def gap(lab, kind, way):
    """Milliseconds without a write when the leader of a new ensemble goes, under the settings that each kind has by
    default, and the parts of it where the servers' logs tell them."""
    if kind == plan.ETCD:
        return etcd_servers.gap(lab, way)
    with tempfile.TemporaryDirectory(prefix="bench-gap-") as home:
        return failover.measure(kind, [way], 1, home, **fleet.settings(home))[way][0]


class Growing:
    """One server of a kind to which more and more of something is added, up to a level."""

    def __init__(self, lab, kind, word):
        self.kind, self.word, self.level, self.held = kind, word, 0, None
        self.made = fleet.ensemble(lab, kind, 1, GROWING_PROPERTIES, GROWING_ETCD, snap_count=GROWING_SNAP_COUNT)
        fleet.start(self.made)
        # Or the first level would tell of compilers and of memory that the first load takes for good.
        for words in plan.GROWTH_LOADS.values():
            fleet.load(self.made, words, seconds=WARMING_S, warmup=0)

    def grow(self, level):
        if self.word == "grow-znodes":
            fleet.load(self.made, plan.fill(self.kind, level - self.level))
        else:
            self.let_go()
            words = ("sessions --connections %d" % level if self.word == "grow-sessions" else
                     "watches --connections %d --keys %d" % (WATCH_CONNECTIONS, level // WATCH_CONNECTIONS))
            self.held = fleet.Held(self.made, words, in_peace=level != plan.GROWTHS[self.word].levels[-1])
        self.level = level
        settle(self.made)
        found = {"rss_bytes": rss(self.made)}
        self.assert_held()
        return found

    def assert_held(self):
        """A figure beside something that was gone by then is none."""
        if self.held and not self.held.holds():
            raise fleet.Failed("what was to be held beside the load has gone: %d %s" % (self.level, self.word))

    def load(self, words):
        settle(self.made)
        found = fleet.load(self.made, words, seconds=plan.CURVE_SECONDS, warmup=plan.CURVE_WARMUP)
        self.assert_held()
        return found

    def let_go(self):
        held, self.held = self.held, None
        if held:
            held.close()

    def stop(self):
        try:
            self.let_go()
        finally:
            self.made.stop()


# Those that look at the ensemble which is under load anyway, and those that bring servers of their own.
ON_ENSEMBLE = {"after-load": after_load, "idle": idle}
ALONE = {"start-empty": start_empty, "session-memory": session_memory, "watch-memory": watch_memory,
         **{name: filled(count) for name, count in plan.ZNODES.items()}}
GAPS = {"gap-kill": "kill", "gap-stop": "stop", "gap-freeze": "pause"}
