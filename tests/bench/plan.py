"""What is measured, under which names, and the targets that are set for it. Data only."""
from dataclasses import dataclass, field

# The reference that ratios are made with.
BATON = "baton"


@dataclass(frozen=True)
class Workload:
    """One run of the load generator against an ensemble of `servers`."""
    title: str
    load: str                           # baton-bench-load's arguments
    servers: int = 3
    seconds: float = 2.0
    warmup: float = 1.0
    rate_of: str = ""                   # the workload whose throughput is the rate's measure, and the part of it
    rate_part: float = 0.0
    rate_own: bool = False              # of each kind's own throughput, not of the reference's
    rounds: int = 0                     # 0: as many as are asked for
    x: float = 0                        # its place on the x axis of its curve


@dataclass(frozen=True)
class Target:
    """A ratio to the reference that is wanted; `metric` is a path into the result of `workload`."""
    text: str
    workload: str
    metric: str
    relation: str                       # "<=" or ">="
    ratio: float
    unit: str
    scale: float = 1.0                  # from the result's unit to the printed one


@dataclass(frozen=True)
class Curve:
    title: str
    x_title: str
    metric: str
    unit: str
    lines: dict = field(default_factory=dict)   # label -> names of workloads
    scale: float = 1.0
    log_x: bool = True


WORKLOADS = {
    "set-1": Workload("setData 1 KiB, 1 client, 1 outstanding", "set --connections 1 --outstanding 1"),
    "set-512": Workload("setData 1 KiB, 32 x 16", "set --connections 32 --outstanding 16"),
    "read-1": Workload("getData 1 KiB, 1 client, 1 outstanding", "read --connections 1 --outstanding 1"),
    "read-512": Workload("getData 1 KiB, 32 x 16", "read --connections 32 --outstanding 16"),
    "mixed-10": Workload("90 % getData, 10 % setData, 32 x 16", "mixed --writes 10"),
    "mixed-30": Workload("70 % getData, 30 % setData, 32 x 16", "mixed --writes 30"),
    "set-half": Workload("setData 1 KiB at half the reference's maximum, 32 x 16", "set",
                         rate_of="set-512", rate_part=0.5),
    "create-512": Workload("create 1 KiB, 32 x 16", "create"),
    "seq-512": Workload("sequential ephemerals, 32 x 16", "seq"),
    "churn": Workload("connect, create an ephemeral, close: 32 at once", "churn --connections 33"),
    "storm": Workload("5,000 sessions, 32 being made at once", "storm --connections 5000 --outstanding 32"),
    "fanout-1000": Workload("one write, 1,000 watchers", "fanout --connections 1000", seconds=1.5, warmup=0.5),
    "fanout-10000": Workload("one write, 10,000 watchers", "fanout --connections 10000", warmup=0.0),
    "set-512-alone": Workload("setData 1 KiB, 32 x 16, one server", "set", servers=1),
}

# The clients of the curves: so many connections, each with one request under way.
CLIENTS = (1, 10, 100, 1000)
SERVERS = (1, 3, 5)
RATE_PARTS = (0.25, 0.5, 0.75)


def _curve_of_clients(word, load, title):
    lines = {}
    for servers in SERVERS:
        names = []
        for clients in CLIENTS:
            name = "%s-%ds-%dc" % (word, servers, clients)
            WORKLOADS[name] = Workload("%s, %d clients, %d servers" % (title, clients, servers),
                                       "%s --connections %d --outstanding 1" % (load, clients), servers=servers,
                                       x=clients)
            names.append(name)
        lines["%d server%s" % (servers, "s" if servers > 1 else "")] = names
    return Curve(title, "clients, one request under way each", "per_second", "operations/s", lines)


def _curve_of_rates():
    names = []
    for part in RATE_PARTS:
        name = "set-rate-%d" % round(100 * part)
        WORKLOADS[name] = Workload("setData 1 KiB at %d %% of its own maximum" % round(100 * part), "set",
                                   rate_of="set-512", rate_part=part, rate_own=True, x=100 * part)
        names.append(name)
    return names


_rates = _curve_of_rates()
CURVES = {
    "writes": _curve_of_clients("set", "set", "setData 1 KiB"),
    "creates": _curve_of_clients("create", "create", "create 1 KiB"),
    "ephemerals": _curve_of_clients("seq", "seq", "sequential ephemerals"),
    "reads": _curve_of_clients("read", "read", "getData 1 KiB"),
    "mixed": _curve_of_clients("mixed", "mixed --writes 30", "70 % getData, 30 % setData"),
    "rates-p50": Curve("setData 1 KiB, 3 servers: p50 at a rate", "% of its own maximum", "latency_us.p50", "ms",
                       {"": ["set-512", *_rates]}, 1e-3, False),
    "rates-p99": Curve("setData 1 KiB, 3 servers: p99 at a rate", "% of its own maximum", "latency_us.p99", "ms",
                       {"": ["set-512", *_rates]}, 1e-3, False),
    "rates-p99.9": Curve("setData 1 KiB, 3 servers: p99.9 at a rate", "% of its own maximum", "latency_us.p99.9",
                         "ms", {"": ["set-512", *_rates]}, 1e-3, False),
}

TARGETS = (
    Target("writes, 1 client: p50", "set-1", "latency_us.p50", "<=", 0.65, "ms", 1e-3),
    Target("writes, 32 x 16", "set-512", "per_second", ">=", 5, "/s"),
    Target("server processor time per write", "set-512", "servers_us_per_operation", "<=", 0.15, "us"),
    Target("reads, 1 connection: p50", "read-1", "latency_us.p50", "<=", 0.5, "ms", 1e-3),
    Target("reads, 32 x 16", "read-512", "per_second", ">=", 4, "/s"),
    Target("server processor time per read", "read-512", "servers_us_per_operation", "<=", 0.2, "us"),
    Target("90 % reads, 10 % writes, 32 x 16", "mixed-10", "per_second", ">=", 5, "/s"),
    Target("writes at half the reference's maximum: p99.9", "set-half", "latency_us.p99.9", "<=", 0.2, "ms", 1e-3),
    Target("ephemeral churn, cycles", "churn", "per_second", ">=", 4, "/s"),
    Target("connect storm, sessions", "storm", "per_second", ">=", 3, "/s"),
    Target("watch fan-out, notifications", "fanout-1000", "per_second", ">=", 5, "/s"),
    Target("gap, leader killed", "gap-kill", "gap_ms", "<=", 0.1, "ms"),
    Target("gap, leader stopped cleanly", "gap-stop", "gap_ms", "<=", 0.03, "ms"),
    Target("gap, leader frozen, default settings", "gap-freeze", "gap_ms", "<=", 0.15, "ms"),
    Target("resident memory, idle", "start-empty", "rss_bytes", "<=", 0.06, "MiB", 1 / 1048576),
    Target("resident memory, after this load", "after-load", "rss_bytes", "<=", 0.1, "MiB", 1 / 1048576),
    Target("resident memory, 1 M znodes of 100 B", "million", "rss_bytes", "<=", 0.33, "MiB", 1 / 1048576),
    Target("memory per idle session", "session-memory", "bytes_each", "<=", 0.2, "B"),
    Target("memory per watch", "watch-memory", "bytes_each", "<=", 0.3, "B"),
    Target("processor when idle, 1,000 sessions", "idle", "cpu_percent", "<=", 0.1, "%"),
    Target("wake-ups when idle, 1,000 sessions", "idle", "wakeups_per_second", "<=", 0.5, "/s"),
    Target("start to all serving, empty", "start-empty", "seconds", "<=", 0.05, "s"),
    Target("start to serving, 1 M znodes", "million", "start_seconds", "<=", 0.3, "s"),
)

# Those that are not one run of the load generator (measures.py), and the order in which the table's are made.
MEASURES = ("start-empty", "after-load", "idle", "session-memory", "watch-memory", "million", "gap-kill", "gap-stop",
            "gap-freeze")
TABLE = ("start-empty", "set-1", "set-512", "read-1", "read-512", "mixed-10", "set-half", "churn", "storm",
         "fanout-1000", "after-load", "idle", "session-memory", "watch-memory", "set-512-alone", "million", "gap-kill",
         "gap-stop", "gap-freeze")

# Writes per second of one server, as a part of what append and fdatasync of the same groups do.
DISK_WORKLOAD, DISK_PART = "set-512-alone", 0.5


def names_of(word):
    """What a word of the command line stands for: a workload, a curve, a measure, or all of them."""
    if word == "all":
        curves = [name for curve in CURVES.values() for names in curve.lines.values() for name in names]
        return list(dict.fromkeys([*TABLE, *WORKLOADS, *MEASURES, *curves]))
    if word in CURVES:
        return list(dict.fromkeys(name for names in CURVES[word].lines.values() for name in names))
    if word in WORKLOADS or word in MEASURES:
        return [word]
    raise KeyError(word)


def with_what_they_need(names):
    """A rate needs the throughput it is a part of: that comes before."""
    ordered = []
    for name in names:
        needed = WORKLOADS[name].rate_of if name in WORKLOADS else ""
        ordered += [needed, name] if needed else [name]
    return list(dict.fromkeys(ordered))
