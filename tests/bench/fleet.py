"""Servers of each kind as they are measured: the disk sync on, each product's defaults, on loopback."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

import etcd_servers  # noqa: E402 (the path is set just above)
from harness import jars, servers  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

BUILD = Path(os.environ.get("BATON_BUILD") or ROOT / "build" / "release")
LOAD, ECHO, DISK = (BUILD / "bin" / ("baton-bench-" + name) for name in ("load", "echo", "disk"))
# Of a load by time, of one by number, which may be a million znodes, and of a start.
RUN_TIMEOUT_S, LOAD_TIMEOUT_S, START_TIMEOUT_S = 180, 600, 60
# Who was killed closes its sockets before it can be waited for.
GONE_S = 0.2

# The tests' harness gives Java a small heap and its cheap compiler: here it gets what zkServer.sh would give it (a heap
# of 1000 MB, the collector and compilers the JVM chooses). The last of two contradicting flags holds.
JAVA = ("-Xmx1000m", "-XX:-UseSerialGC", "-XX:TieredStopAtLevel=4",
        "-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.quorum.LearnerHandler=info")
LOG4J = """\
log4j.rootLogger=INFO, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.Target=System.err
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} - %-5p [%t:%C{1}@%L] - %m%n
"""
# Both are told the same; the rest is left at the defaults (sync on, snapshots each 100,000 transactions).
SETTINGS = {"tick_time": 2000, "init_limit": 10, "sync_limit": 5, "min_session_timeout": 4000,
            "max_session_timeout": 40000}
# As many connections from one address as the load makes: the limit of 60 is lifted on both.
BATON_EXTRA = {"max_client_connections": 0, "max_connections": 15000}


KINDS = (*servers.KINDS, etcd_servers.ETCD)


class Failed(Exception):
    """The load generator found something wrong; the text says what."""


def require(kind):
    """Raises jars.Unavailable where a kind cannot be had; the text says why."""
    if kind == etcd_servers.ETCD:
        etcd_servers.require()
    elif kind != servers.BATON:
        jars.java_command(kind.rpartition("-")[2], Path(tempfile.gettempdir()))


def ensemble(lab, kind, count, properties=(), etcd_options=None, **changed):
    """An ensemble of `count` servers of a kind, not started. `etcd_options` are more of etcd's."""
    if kind == etcd_servers.ETCD:
        return etcd_servers.ensemble(lab, count, etcd_options)
    return lab.ensemble({sid: kind for sid in range(1, count + 1)}, **settings(lab.home, properties, **changed))


def settings(home, properties=(), **changed):
    """As the harness takes them; `properties` are more of Java's. `home` gets a file that Java's logging is configured
    with."""
    logging = Path(home) / "log4j.properties"
    logging.write_text(LOG4J)
    return {**SETTINGS, "baton_extra": BATON_EXTRA,
            "java_properties": (*JAVA, "-Dlog4j.configuration=file:%s" % logging, *properties), **changed}


def start(made):
    """Starts them all; returns the seconds until each serves. Then waits until all followers are in sync."""
    began = time.monotonic()
    made.start()
    took = time.monotonic() - began
    wait_until(lambda: _synced(made), START_TIMEOUT_S, "the followers are in sync")
    return took


def _synced(made):
    leader = made.leader()
    return leader and (len(made) == 1 or float(leader.monitor().get("synced_followers", 0)) == len(made) - 1)


_roots = [0]


def _new_root():
    _roots[0] += 1
    return "/bench%d" % _roots[0]


def load_command(words, hosts, pids, seconds=None, warmup=None, rate=None, program=LOAD):
    command = [str(program), "--servers", hosts, "--root", _new_root(), "--workload", *words.split()]
    if pids:
        command += ["--pids", ",".join(str(pid) for pid in pids)]
    for option, value in (("--seconds", seconds), ("--warmup", warmup), ("--rate", rate)):
        if value is not None:
            command += [option, "%.6g" % value]
    return command


def run_load(command):
    """Returns the generator's JSON."""
    timeout = LOAD_TIMEOUT_S if "--operations" in command else RUN_TIMEOUT_S
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise Failed("%s: %s" % (" ".join(command[1:]), done.stderr.strip()))
    found = json.loads(done.stdout)
    if found.get("stalls"):
        # Its rates and latencies would be those of the pause. Of baton it would be a bug.
        raise Failed("an answer came only after a ping, %d times" % found["stalls"])
    return found


def command_for(made, words, **how):
    program = etcd_servers.LOAD if isinstance(made[1], etcd_servers.Server) else LOAD
    return load_command(words, made.hosts(), [server.pid for server in made], program=program, **how)


def load(made, words, **how):
    return run_load(command_for(made, words, **how))


def sound(made):
    """Whether all of an ensemble still run, and one leads."""
    time.sleep(GONE_S)
    return len(made.running()) == len(made) and made.leader() is not None


class Held:
    """Sessions or watches that the generator holds while the servers are looked at."""

    def __init__(self, made, words, in_peace=True):
        """In peace each session is closed at the end. That takes long with etcd, whose backend is synced for each lease
        that is revoked, and is for nothing where the server ends as well."""
        self.in_peace = in_peace
        command = command_for(made, words)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        if line != "holding":
            self.process.communicate()
            raise Failed("%s: does not hold ('%s')" % (" ".join(command[1:]), line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def holds(self):
        return self.process.poll() is None

    def close(self):
        """Raises Failed when it did not hold until now, or could not let go: what was measured meanwhile is no figure."""
        held = self.holds()
        if held and not self.in_peace:
            self.process.kill()
        self.process.stdin.close()
        try:
            code = self.process.wait(LOAD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()         # or it would hold them beside all that is measured next
            code = self.process.wait()
        self.process.stdout.close()
        if not held or self.in_peace and code != 0:
            raise Failed("%s: did not hold to the end" % " ".join(self.process.args[1:]))


def version(server):
    """As it says itself."""
    if isinstance(server, etcd_servers.Server):
        return server.version()
    found = re.search(r"version: ([^,\n]+)", server.word("srvr") or "")
    return found.group(1).partition("-$")[0] if found else "unknown"    # Debian's ends with an unexpanded variable


def log_position(server):
    """How many transactions a server has, and how many disk syncs it made, as it says; or None."""
    if isinstance(server, etcd_servers.Server):
        return server.log_position()
    found = re.search(r"^Zxid: 0x([0-9a-f]+)", server.word("srvr") or "", re.M)
    count = server.monitor().get("cnt_fsynctime")
    if not found or count is None:
        return None
    return int(found.group(1), 16) & 0xffffffff, float(count)
