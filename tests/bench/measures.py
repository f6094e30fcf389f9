"""Measures that are not one run of the load generator: memory, idling, starting, gaps."""
import tempfile
import time
from pathlib import Path

import failover
import fleet

IDLE_SECONDS, IDLE_SESSIONS = 8, 1000
SESSIONS, WATCHES_PER_CONNECTION, WATCH_CONNECTIONS = 5000, 2000, 100
ZNODES = 1000000
SETTLE_S = 1.0                          # what a server does after the last reply is over by then
GAP_ROUNDS = {"kill": 3, "stop": 3, "pause": 1}


def rss(made):
    """Resident bytes of the largest server."""
    return max(server.rss_bytes() for server in made)


def _cpu_ticks(pid):
    fields = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


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
        ticks, switches, began = sum(map(_cpu_ticks, pids)), sum(map(_switches, pids)), time.monotonic()
        time.sleep(IDLE_SECONDS)
        took = time.monotonic() - began
        return {"cpu_percent": (sum(map(_cpu_ticks, pids)) - ticks) / took,   # a tick is 10 ms
                "wakeups_per_second": (sum(map(_switches, pids)) - switches) / took}


def _each(lab, kind, words, count):
    """What one server, fresh, takes for each of `count` that are held."""
    made = fleet.ensemble(lab, kind, 1)
    fleet.start(made)
    time.sleep(SETTLE_S)
    before = rss(made)
    with fleet.Held(made, words):
        time.sleep(SETTLE_S)
        found = {"bytes_each": (rss(made) - before) / count, "before_bytes": before}
    made.stop()
    return found


def session_memory(lab, kind):
    return _each(lab, kind, "sessions --connections %d" % SESSIONS, SESSIONS)


def watch_memory(lab, kind):
    count = WATCHES_PER_CONNECTION * WATCH_CONNECTIONS
    return _each(lab, kind, "watches --connections %d --keys %d" % (WATCH_CONNECTIONS, WATCHES_PER_CONNECTION), count)


def million(lab, kind):
    """One server: filled, looked at, stopped cleanly and started again."""
    made = fleet.ensemble(lab, kind, 1)
    fleet.start(made)
    fleet.load(made, "create --size 100 --keep --operations %d" % ZNODES)
    time.sleep(SETTLE_S)
    found = {"rss_bytes": rss(made)}
    made.stop()
    found["start_seconds"] = fleet.start(made)
    time.sleep(SETTLE_S)
    found["rss_after_start_bytes"] = rss(made)
    made.stop()
    return found


def gaps(kind, way):
    """Milliseconds without a write when the leader goes, under the settings that each has by default."""
    with tempfile.TemporaryDirectory(prefix="bench-gap-") as home:
        samples = failover.measure(kind, [way], GAP_ROUNDS[way], home, **fleet.settings(home))
    return [{"gap_ms": ms} for ms in samples[way]]


# Those that look at the ensemble which is under load anyway, and those that bring servers of their own.
ON_ENSEMBLE = {"after-load": after_load, "idle": idle}
ALONE = {"start-empty": start_empty, "session-memory": session_memory, "watch-memory": watch_memory,
         "million": million}
GAPS = {"gap-kill": "kill", "gap-stop": "stop", "gap-freeze": "pause"}
# How often, whatever is asked for: they are long.
ROUNDS = {"start-empty": 3, "after-load": 1, "idle": 1, "session-memory": 1, "watch-memory": 1, "million": 1}
