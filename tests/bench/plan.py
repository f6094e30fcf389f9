"""What is measured, under which names, and the targets that are set for it. Data only."""
from dataclasses import dataclass, field

# The reference that ratios are made with.
BATON, ETCD = "baton", "etcd"


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
    around: float = 0.8                 # seconds that a run takes besides, about


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
class Line:
    points: tuple                       # (x, what is measured there)
    metric: str = ""                    # "": the curve's


@dataclass(frozen=True)
class Curve:
    title: str
    x_title: str
    metric: str
    unit: str
    lines: dict = field(default_factory=dict)   # label -> Line
    scale: float = 1.0
    log_x: bool = True

    def names(self):
        return [name for line in self.lines.values() for _, name in line.points]


@dataclass(frozen=True)
class Measure:
    """What is not one run of the load generator (measures.py)."""
    title: str
    seconds: float                      # that it takes for each kind and round, about
    rounds: int = 1                     # in the table, whatever is asked for: they are long


@dataclass(frozen=True)
class Growth:
    """One server of each kind, and more and more of something that the load on it does not touch."""
    title: str
    x_title: str
    levels: tuple
    seconds: float                      # that bringing one kind to the last level takes, about


# As expiry.h: the connections that live on.
EXPIRY_SESSIONS, EXPIRY_OTHERS = 5000, 6

WORKLOADS = {
    "set-1": Workload("setData 1 KiB, 1 client, 1 outstanding", "set --connections 1 --outstanding 1", around=3.5),
    "set-512": Workload("setData 1 KiB, 32 x 16", "set --connections 32 --outstanding 16"),
    "read-1": Workload("getData 1 KiB, 1 client, 1 outstanding", "read --connections 1 --outstanding 1", around=1.3),
    "read-512": Workload("getData 1 KiB, 32 x 16", "read --connections 32 --outstanding 16"),
    "mixed-10": Workload("90 % getData, 10 % setData, 32 x 16", "mixed --writes 10"),
    "mixed-30": Workload("70 % getData, 30 % setData, 32 x 16", "mixed --writes 30"),
    "set-half": Workload("setData 1 KiB at half the reference's maximum, 32 x 16", "set",
                         rate_of="set-512", rate_part=0.5, seconds=5.0),
    "create-512": Workload("create 1 KiB, 32 x 16", "create"),
    "seq-512": Workload("sequential ephemerals, 32 x 16", "seq"),
    "churn": Workload("connect, create an ephemeral, close: 32 at once", "churn --connections 33"),
    "storm": Workload("5,000 sessions, 32 being made at once", "storm --connections 5000 --outstanding 32"),
    "fanout-1000": Workload("one write, 1,000 watchers", "fanout --connections 1000", seconds=1.5, warmup=0.5),
    "fanout-10000": Workload("one write, 10,000 watchers", "fanout --connections 10000", warmup=0.0, around=15.0),
    "expiry": Workload("5,000 sessions cut off at once: until the last ephemeral is gone",
                       "expiry --connections %d --timeout 20000" % (EXPIRY_SESSIONS + EXPIRY_OTHERS), rounds=3,
                       around=26.0),
    "set-512-alone": Workload("setData 1 KiB, 32 x 16, one server", "set", servers=1),
}

# The clients of the curves: so many connections, each with one request under way.
CLIENTS = (1, 10, 100, 1000)
SERVERS = (1, 3, 5)
RATE_PARTS = (0.25, 0.5, 0.75)
# Runs of the curves are shorter, since they are many.
CURVE_SECONDS, CURVE_WARMUP = 1.0, 0.5


def _curve_of_clients(word, load, title):
    lines = {}
    for servers in SERVERS:
        points = []
        for clients in CLIENTS:
            name = "%s-%ds-%dc" % (word, servers, clients)
            WORKLOADS[name] = Workload("%s, %d clients, %d servers" % (title, clients, servers),
                                       "%s --connections %d --outstanding 1" % (load, clients), servers=servers,
                                       seconds=CURVE_SECONDS, warmup=CURVE_WARMUP)
            points.append((clients, name))
        lines["%d server%s" % (servers, "s" if servers > 1 else "")] = Line(tuple(points))
    return Curve(title, "clients, one request under way each", "per_second", "operations/s", lines)


def _curve_of_rates(metric, title):
    points = [(100, "set-512")]
    for part in RATE_PARTS:
        name = "set-rate-%d" % round(100 * part)
        WORKLOADS[name] = Workload("setData 1 KiB at %d %% of its own maximum" % round(100 * part), "set",
                                   rate_of="set-512", rate_part=part, rate_own=True)
        points.append((100 * part, name))
    return Curve("setData 1 KiB, 3 servers: %s at a rate" % title, "% of its own maximum", metric, "ms",
                 {"": Line(tuple(points))}, 1e-3, False)


# ---- growth: what a write, a read and the server itself cost while something else grows

GROWTHS = {
    "grow-znodes": Growth("znodes of 100 bytes", "other znodes", (10000, 100000, 1000000), 75),
    "grow-sessions": Growth("idle sessions", "idle sessions", (100, 1000, 10000), 30),
    "grow-watches": Growth("watches on other znodes", "watches on other znodes", (1000, 10000, 100000, 1000000), 55),
}
# Loads at each level, in turns, and their rounds; few keys, so that they are not what grows.
GROWTH_LOADS = {"write": "set --keys 100", "read": "read --keys 100"}
GROWTH_ROUNDS = 5


def growth_name(word, level, what):
    """The name of a result at one level: `what` is one of GROWTH_LOADS, or "held" for the server's memory."""
    return "%s/%d/%s" % (word, level, what)


def source_of(name):
    """What has to be measured to get that result."""
    return name.partition("/")[0]


def _curves_of_growth(word):
    growth = GROWTHS[word]

    def line(what, metric=""):
        return Line(tuple((level, growth_name(word, level, what)) for level in growth.levels), metric)
    both = {what: line(what) for what in GROWTH_LOADS}
    return {word + "-time": Curve("Server time for an operation beside %s" % growth.title, growth.x_title,
                                  "servers_us_per_operation", "us", both),
            word + "-p50": Curve("p50, 32 x 16, beside %s" % growth.title, growth.x_title, "latency_us.p50", "ms", both,
                                 1e-3),
            word + "-memory": Curve("Resident memory with %s" % growth.title, growth.x_title, "rss_bytes", "MiB",
                                    {"": line("held")}, 1 / 1048576)}


def _curves_of_servers():
    def lines(clients):
        return {what: Line(tuple((n, "%s-%ds-%dc" % (word, n, clients)) for n in SERVERS))
                for what, word in (("write", "set"), ("read", "read"))}
    return {"grow-servers-time": Curve("Time of all servers for an operation, 100 clients", "servers",
                                       "servers_us_per_operation", "us", lines(100), 1.0, False),
            "grow-servers-p50": Curve("p50, one client", "servers", "latency_us.p50", "ms", lines(1), 1e-3, False)}


# Znodes of 100 bytes on one server: what each takes, and how soon a server that has them serves again.
ZNODES = {"start-10k": 10000, "start-100k": 100000, "million": 1000000}


def _curves_of_znodes():
    def line(metric):
        return Line(tuple((count, name) for name, count in ZNODES.items()), metric)
    return {"starts": Curve("Start to serving, one server", "znodes", "", "s", {
                "after a clean stop": line("start_seconds"), "after kill -9": line("recovery_seconds")}),
            "znodes-memory": Curve("Resident memory", "znodes", "", "MiB", {
                "filled": line("rss_bytes"), "started": line("rss_after_start_bytes")}, 1 / 1048576)}


CURVES = {
    "writes": _curve_of_clients("set", "set", "setData 1 KiB"),
    "creates": _curve_of_clients("create", "create", "create 1 KiB"),
    "ephemerals": _curve_of_clients("seq", "seq", "sequential ephemerals"),
    "reads": _curve_of_clients("read", "read", "getData 1 KiB"),
    "mixed": _curve_of_clients("mixed", "mixed --writes 30", "70 % getData, 30 % setData"),
    "rates-p50": _curve_of_rates("latency_us.p50", "p50"),
    "rates-p99": _curve_of_rates("latency_us.p99", "p99"),
    "rates-p99.9": _curve_of_rates("latency_us.p99.9", "p99.9"),
    **_curves_of_znodes(),
    **_curves_of_servers(),
    **{name: curve for word in GROWTHS for name, curve in _curves_of_growth(word).items()},
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
    Target("resident memory, 1 M znodes of 100 B, one server", "million", "rss_bytes", "<=", 0.33, "MiB", 1 / 1048576),
    Target("memory per idle session", "session-memory", "bytes_each", "<=", 0.2, "B"),
    Target("memory per watch", "watch-memory", "bytes_each", "<=", 0.3, "B"),
    Target("processor when idle, 1,000 sessions", "idle", "cpu_percent", "<=", 0.1, "%"),
    Target("wake-ups when idle, 1,000 sessions", "idle", "wakeups_per_second", "<=", 0.5, "/s"),
    Target("start to all serving, empty", "start-empty", "seconds", "<=", 0.05, "s"),
    Target("start to serving, 1 M znodes, one server", "million", "start_seconds", "<=", 0.3, "s"),
)

MEASURES = {
    "start-empty": Measure("start of three empty servers", 3, 3),
    "after-load": Measure("memory after this load", 0.1),
    "idle": Measure("idle, 1,000 sessions", 11),
    "session-memory": Measure("memory of 5,000 sessions", 4),
    "watch-memory": Measure("memory of 200,000 watches", 5),
    "start-10k": Measure("10,000 znodes", 8),
    "start-100k": Measure("100,000 znodes", 14),
    "million": Measure("1,000,000 znodes", 29),
    "gap-kill": Measure("leader killed", 5, 3),
    "gap-stop": Measure("leader stopped cleanly", 7, 3),
    "gap-freeze": Measure("leader frozen", 13),
}
# Rounds of each measure when everything is measured, at least.
ROUNDS_OF_ALL = 3
# The order in which the table's are made.
TABLE = ("start-empty", "set-1", "set-512", "read-1", "read-512", "mixed-10", "set-half", "churn", "storm",
         "fanout-1000", "after-load", "idle", "session-memory", "watch-memory", "set-512-alone", "million", "gap-kill",
         "gap-stop", "gap-freeze")

# Writes per second as a part of what append and fdatasync of the same groups do, in as many processes at once as there
# are servers; the target is that of one server. With the bytes that a record of each has in the log: values of 1 KiB,
# but in sequential ephemerals, and what stands around them.
DISK_WORKLOADS = {"set-1": 1110, "set-512": 1110, "create-512": 1145, "seq-512": 125, "set-512-alone": 1110}
DISK_TARGET, DISK_PART = "set-512-alone", 0.5

# What is measured of etcd: the loads that its generator has (etcd/load), and all that is no load.
ETCD_LOADS = {"set", "read", "mixed", "create", "churn", "storm", "fanout", "expiry"}


@dataclass(frozen=True)
class Long:
    """What takes etcd longer than it takes the others: the most rounds that it gets, and the seconds of each, about; of
    growth those that bringing it to the last level takes."""
    seconds: float
    rounds: int


ETCD_LONG = {
    "storm": Long(16, 3),
    "expiry": Long(42, 1),
    "idle": Long(13, 1),
    "session-memory": Long(10, 1),
    "watch-memory": Long(8, 1),
    "start-10k": Long(7, 1),
    "start-100k": Long(8, 1),
    "million": Long(50, 1),
    "grow-znodes": Long(35, 2),
    "grow-sessions": Long(28, 2),
    "grow-watches": Long(28, 2),
}


def can(kind, name):
    """Whether a kind of server is measured there."""
    if kind != ETCD:
        return True
    if name in WORKLOADS:
        # A connection of gRPC takes so much of the generator's memory that 10,000 are not worth it.
        return WORKLOADS[name].load.split()[0] in ETCD_LOADS and name != "fanout-10000"
    return True


def fill(kind, count):
    """The load that fills a server with znodes. Nothing of it is measured: etcd, which would take minutes for a million,
    gets ten keys in a transaction. More would leave long entries in its log, which it keeps in memory."""
    words = "create --size 100 --keep --operations %d"
    return words % (count // 10) + " --together 10" if kind == ETCD else words % count


def names_of(word):
    """What a word of the command line stands for: a workload, a curve, a measure, a growth, or all of them."""
    if word == "all":
        return list(dict.fromkeys([*TABLE, *WORKLOADS, *MEASURES, *GROWTHS]))
    if word in CURVES:
        return list(dict.fromkeys(source_of(name) for name in CURVES[word].names()))
    if word in WORKLOADS or word in MEASURES or word in GROWTHS:
        return [word]
    raise KeyError(word)


def with_what_they_need(names):
    """A rate needs the throughput it is a part of: that comes before."""
    ordered = []
    for name in names:
        needed = WORKLOADS[name].rate_of if name in WORKLOADS else ""
        ordered += [needed, name] if needed else [name]
    return list(dict.fromkeys(ordered))


# ---- how long it takes

DISK_SECONDS = 4.0                      # the disk's limit, of a kind in a workload
ENSEMBLE_SECONDS = 5.0                  # three servers of a kind, started and stopped
ECHO_SECONDS = 1.0                      # an echo, besides the load on it


def rounds_of(name, kind, rounds, least=1):
    """Of `rounds` that were asked for, and of measures `least`."""
    if name in MEASURES:
        wanted = max(MEASURES[name].rounds, least)
    else:
        wanted = GROWTH_ROUNDS if name in GROWTHS else WORKLOADS[name].rounds or rounds
    return min(wanted, ETCD_LONG[name].rounds) if kind == ETCD and name in ETCD_LONG else wanted


def _seconds_of_round(name, kind):
    long = ETCD_LONG.get(name) if kind == ETCD else None
    if name in GROWTHS:
        return len(GROWTHS[name].levels) * len(GROWTH_LOADS) * (CURVE_SECONDS + CURVE_WARMUP + 1.6)
    if long:
        return long.seconds
    work = WORKLOADS.get(name)
    return work.seconds + work.warmup + work.around if work else MEASURES[name].seconds


def seconds_of(name, kinds, rounds, least=1):
    """How long all rounds of all kinds take, about."""
    kinds = [kind for kind in kinds if can(kind, name)]
    seconds = sum(_seconds_of_round(name, kind) * rounds_of(name, kind, rounds, least) for kind in kinds)
    if name in GROWTHS:
        return seconds + sum(ETCD_LONG[name].seconds if kind == ETCD else GROWTHS[name].seconds for kind in kinds)
    if name in WORKLOADS:
        work = WORKLOADS[name]
        seconds += 0 if work.rate_of else work.seconds + work.warmup + ECHO_SECONDS
        seconds += DISK_SECONDS * len(kinds) if name in DISK_WORKLOADS else 0
    return seconds


def seconds_of_all(names, kinds, rounds, least=1):
    sizes = {WORKLOADS[name].servers for name in names if name in WORKLOADS}
    return sum(seconds_of(name, kinds, rounds, least) for name in names) + ENSEMBLE_SECONDS * len(sizes) * len(kinds)
