"""One server of an ensemble as a child process, of either kind.

A server keeps its data directory, ports and log file for life; what it *is* (baton, ZooKeeper 3.8
or 3.9) may change between two starts. That is what a migration is.
"""
import ctypes
import os
import re
import signal
import subprocess
from pathlib import Path

from . import archive, jars
from .ports import free_port
from .waiting import wait_until
from .wire import four_letter_word

ROOT = Path(__file__).resolve().parents[3]
ENGINE = Path(os.environ.get("BATON_ENGINE") or ROOT / "build" / "release" / "bin" / "baton-engine")

BATON, ZOOKEEPER_38, ZOOKEEPER_39 = "baton", "zookeeper-3.8", "zookeeper-3.9"
KINDS = (BATON, ZOOKEEPER_38, ZOOKEEPER_39)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
JAVA_LOOK_S = 0.03                      # how often a starting Java is looked at: looking takes its time
PR_SET_PDEATHSIG = 1

# The four-letter words both kinds are told to answer (the others must be refused alike).
WORDS = "ruok,srvr,stat,mntr,conf,isro"

# How the two programs log the way a learner was synchronised, on either side of the connection.
SYNC_WAYS = {
    "DIFF": re.compile(r"(?i)sending diff|getting a diff|by diff"),
    "TRUNC": re.compile(r"(?i)sending trunc|truncating log|by trunc"),
    "SNAP": re.compile(r"(?i)sending snapshot|getting a snapshot|by snap"),
}

_libc = ctypes.CDLL(None)


def die_with_parent():
    # Runs in the child: a test run that is killed leaves no servers behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def sanitized():
    """Whether the engine was built with a sanitizer: its memory tells nothing then."""
    program = ENGINE.read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


class Settings:
    """What all members of an ensemble have in common. Times as the configuration states them."""

    def __init__(self, tick_time=200, init_limit=10, sync_limit=5, min_session_timeout=400,
                 max_session_timeout=40000, snap_count=100000, java_properties=(), baton_extra=None,
                 zookeeper_extra=(), words=WORDS, status_socket=False, log_filter=()):
        self.tick_time = tick_time
        self.init_limit = init_limit
        self.sync_limit = sync_limit
        self.min_session_timeout = min_session_timeout
        self.max_session_timeout = max_session_timeout
        self.snap_count = snap_count
        self.java_properties = tuple(java_properties)
        self.baton_extra = dict(baton_extra or {})      # more keys of [ensemble]
        self.zookeeper_extra = tuple(zookeeper_extra)   # more lines of zoo.cfg
        self.words = words              # the four-letter words that are answered
        self.status_socket = status_socket      # whether baton makes Server.status_socket
        self.log_filter = tuple(log_filter)     # a command that copies what servers say to their logs, changed


class Server:
    """`members` is the ensemble's shared dict sid -> Server, filled by whoever makes servers."""

    def __init__(self, sid, kind, home, settings, members, observer=False):
        self.sid = sid
        self.kind = kind
        self.home = Path(home)
        self.settings = settings
        self.members = members
        self.observer = observer
        self.quorum_port, self.election_port, self.client_port = free_port(), free_port(), free_port()
        self.data_dir = self.home / "data"
        self.log_path = self.home / "server.log"
        self.status_socket = self.home / "run" / "engine.sock"
        self.process = None
        self.log_filter = None
        self.paused = False
        self.asked_to_end = False
        self.exits = []                 # (kind, exit code) of every end we did not force
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "myid").write_text("%d\n" % sid)

    def __repr__(self):
        return "%s %d" % (self.kind, self.sid)

    # --- addresses

    @property
    def address(self):
        return ("127.0.0.1", self.client_port)

    @property
    def host(self):
        return "127.0.0.1:%d" % self.client_port

    def member_text(self):
        return "127.0.0.1:%d:%d:%s;127.0.0.1:%d" % (
            self.quorum_port, self.election_port, "observer" if self.observer else "participant",
            self.client_port)

    # --- life

    @property
    def config_path(self):
        return self.home / ("baton.conf" if self.kind == BATON else "zoo.cfg")

    def write_config(self):
        text = baton_config(self) if self.kind == BATON else zookeeper_config(self)
        self.config_path.write_text(text)

    def command(self):
        if self.kind == BATON:
            if not ENGINE.exists():
                raise AssertionError("%s is not there: build first (./dev build)" % ENGINE)
            return [str(ENGINE), "--config", str(self.config_path)]
        version = self.kind.rpartition("-")[2]
        properties = ["-Dzookeeper.admin.enableServer=false",
                      "-Dzookeeper.4lw.commands.whitelist=%s" % self.settings.words,
                      *self.settings.java_properties]
        return [*jars.java_command(version, self.home, *archive.flags(version), *properties),
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.config_path)]

    def start(self, write_config=True):
        assert self.process is None, "%r runs already" % self
        if write_config:
            self.write_config()
        command = self.command()
        self.asked_to_end = False
        with open(self.log_path, "ab") as log:
            log.write(b"--- start as %s\n" % self.kind.encode())
            log.flush()
            said = self._filtered(log)
            self.process = subprocess.Popen(
                command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
            said.close()

    def _filtered(self, log):
        """Where to write so that it comes to `log` through the filter, if there is one. The filter ends with the last
        process that can write to it."""
        if not self.settings.log_filter:
            return log
        if self.log_filter is not None:
            self.log_filter.wait(STOP_TIMEOUT_S)
        self.log_filter = subprocess.Popen(self.settings.log_filter, stdin=subprocess.PIPE, stdout=log,
                                           preexec_fn=die_with_parent)
        return self.log_filter.stdin

    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def stop(self, timeout=STOP_TIMEOUT_S):
        """SIGTERM and wait. Returns the exit code."""
        if self.process is None:
            return None
        self.ask_to_end()
        return self.wait_exit(timeout)

    def ask_to_end(self):
        """SIGTERM, once."""
        self.resume()
        if not self.asked_to_end and self.process.poll() is None:
            self.asked_to_end = True
            self.process.terminate()

    def wait_exit(self, timeout=STOP_TIMEOUT_S):
        """Waits for the process to end by itself and returns its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%r did not end within %g s" % (self, timeout)) from None
        self.exits.append((self.kind, code))
        self.process = None
        return code

    def kill(self):
        """SIGKILL: nothing is flushed, nobody is told."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        self.paused = False

    def pause(self):
        """SIGSTOP. Returns when every thread has stopped: some may run on for a moment."""
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True
        tasks = Path("/proc/%d/task" % self.pid)
        wait_until(lambda: all(_thread_state(task) in "TZX" for task in tasks.iterdir()), 10,
                   "%r stops" % self, interval=0.001)

    def resume(self):
        if self.paused and self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.paused = False

    # --- looking at it

    def word(self, word, timeout=5.0):
        return four_letter_word(self.address, word, timeout)

    def mode(self):
        """standalone, leader, follower or observer; None while it does not serve."""
        answer = self.word("srvr", 2.0) or ""
        found = re.search(r"^Mode: (\S+)", answer, re.M)
        return found.group(1) if found else None

    def monitor(self):
        """The lines of `mntr` as a dict of texts, without the zk_ prefix."""
        lines = (self.word("mntr") or "").splitlines()
        pairs = (line.partition("\t") for line in lines if "\t" in line)
        return {key[len("zk_"):]: value for key, _, value in pairs if key.startswith("zk_")}

    def bad_inputs(self):
        """How many times it says it closed a connection for bad input: all such counters added."""
        return sum(int(value) for key, value in self.monitor().items() if "bad_input" in key)

    def wait_serving(self, timeout=START_TIMEOUT_S):
        def serving():
            if not self.running():
                raise AssertionError("%r ended with code %s instead of serving:\n%s" % (
                    self, self.process and self.process.returncode, self.log_tail()))
            return self.mode()
        return wait_until(serving, timeout, lambda: "%r serves:\n%s" % (self, self.log_tail()),
                          0.01 if self.kind == BATON else JAVA_LOOK_S)

    def rss_bytes(self):
        return self._status_bytes("VmRSS")

    def forget_peak(self):
        """Lets peak_rss_bytes() count from now on."""
        Path("/proc/%d/clear_refs" % self.pid).write_text("5")

    def peak_rss_bytes(self):
        return self._status_bytes("VmHWM")

    def _status_bytes(self, key):
        status = Path("/proc/%d/status" % self.pid).read_text()
        return int(re.search(r"^%s:\s+(\d+) kB" % key, status, re.M).group(1)) * 1024

    def log_text(self, since=0):
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(since)
            return log.read().decode("utf-8", "replace")

    def log_mark(self):
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def log_tail(self, lines=40):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def log_of_end(self, lines=40):
        """What it said of why it ended, if it did: from there on, else the tail. Lines are cut: some dump requests."""
        text = self.log_text().splitlines()
        at = next((n for n, line in enumerate(text) if END_MARKS.search(line)), len(text) - lines)
        return "\n".join(line[:200] for line in text[max(at, 0):][:lines])

    def sync_ways(self, since=0):
        """DIFF, TRUNC, SNAP in the order the log names them, from either side of a sync."""
        ways = []
        for line in self.log_text(since).splitlines():
            ways += [way for way, pattern in SYNC_WAYS.items() if pattern.search(line)]
        return ways

    def log_files(self):
        """The transaction logs, oldest first."""
        return _by_zxid(self.data_dir / "version-2", "log.")

    def snapshot_files(self):
        return _by_zxid(self.data_dir / "version-2", "snapshot.")


def _thread_state(task):
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"                      # it has just ended


def _by_zxid(folder, prefix):
    named = [p for p in folder.glob(prefix + "*") if re.fullmatch(r"[0-9a-f]+", p.name[len(prefix):])]
    return sorted(named, key=lambda p: int(p.name[len(prefix):], 16))


def baton_config(server):
    s = server.settings
    lines = ["[node]", "name = n%d" % server.sid, "id = %d" % server.sid,
             "data_dir = %s" % server.data_dir]
    if s.status_socket:
        server.status_socket.parent.mkdir(exist_ok=True)
        lines.append("runtime_dir = %s" % server.status_socket.parent)
    lines.append("[ensemble]")
    for key in ("tick_time", "init_limit", "sync_limit", "min_session_timeout",
                "max_session_timeout", "snap_count"):
        lines.append("%s = %d" % (key, getattr(s, key)))
    for sid, member in sorted(server.members.items()):
        lines.append("server.%d = %s" % (sid, member.member_text()))
    lines += ["%s = %s" % pair for pair in s.baton_extra.items()]
    lines.append("four_letter_words = %s" % s.words)
    return "\n".join(lines) + "\n"


def zookeeper_config(server):
    s = server.settings
    lines = ["tickTime=%d" % s.tick_time, "initLimit=%d" % s.init_limit,
             "syncLimit=%d" % s.sync_limit, "minSessionTimeout=%d" % s.min_session_timeout,
             "maxSessionTimeout=%d" % s.max_session_timeout, "snapCount=%d" % s.snap_count,
             "maxClientCnxns=0", "dataDir=%s" % server.data_dir, *s.zookeeper_extra]
    if len(server.members) == 1:
        lines += ["clientPort=%d" % server.client_port, "clientPortAddress=127.0.0.1"]
    else:
        if server.observer:
            lines.append("peerType=observer")
        lines += ["server.%d=%s" % (sid, m.member_text()) for sid, m in sorted(server.members.items())]
    return "\n".join(lines) + "\n"


class Ensemble:
    """Servers that know each other. `kinds` maps sid to kind; `observers` are sids among them."""

    def __init__(self, home, kinds, observers=(), settings=None):
        self.settings = settings or Settings()
        self.members = {}
        for sid, kind in sorted(kinds.items()):
            self.members[sid] = Server(sid, kind, Path(home) / str(sid), self.settings, self.members,
                                       observer=sid in observers)

    def __getitem__(self, sid):
        return self.members[sid]

    def __iter__(self):
        return iter(self.members.values())

    def __len__(self):
        return len(self.members)

    def start(self, *sids):
        """Starts the named servers (all, if none is named) and waits until they serve."""
        chosen = [self[sid] for sid in sids] or list(self)
        for server in chosen:
            server.start()
        for server in chosen:
            server.wait_serving()
        return self

    def stop(self):
        for server in self:
            if server.process is not None:
                server.stop()

    def restart(self, sid, kind=None):
        """Stops one server cleanly and starts it again, perhaps as another kind."""
        server = self[sid]
        server.stop()
        server.kind = kind or server.kind
        server.start()
        server.wait_serving()

    def running(self):
        return [server for server in self if server.running() and not server.paused]

    def leader(self):
        """The server that says it leads (or is alone), or None."""
        for server in self.running():
            if server.mode() in ("leader", "standalone"):
                return server
        return None

    def wait_leader(self, timeout=START_TIMEOUT_S, other_than=None):
        def led():
            leader = self.leader()
            return leader if leader is not other_than else None
        return wait_until(led, timeout, "a leader")

    def followers(self):
        return [server for server in self.running() if server.mode() == "follower"]

    def hosts(self, *sids):
        """A connect string as ZooKeeper clients take it."""
        return ",".join(s.host for s in self if not sids or s.sid in sids)

    def addresses(self, *sids):
        return [s.address for s in self if not sids or s.sid in sids]


class Lab:
    """The servers of one test (or module): made below `home`, all ended by close()."""

    active = []                         # labs whose logs a failing test shows

    def __init__(self, home):
        self.home = Path(home)
        self.ensembles = []
        self.failed = False             # a test that uses it did
        Lab.active.append(self)

    def ensemble(self, kinds, observers=(), **settings):
        made = Ensemble(self.home / ("e%d" % len(self.ensembles)), kinds, observers,
                        Settings(**settings))
        self.ensembles.append(made)
        return made

    def servers(self):
        return [server for ensemble in self.ensembles for server in ensemble]

    def close(self):
        """Ends everything, and asserts that no baton server ended in an unclean way."""
        Lab.active.remove(self)
        faults = []
        for server in self.servers():
            if server.kind != BATON:
                server.kill()           # how ZooKeeper ends is not what we test
            elif server.process is not None:
                server.ask_to_end()
        for server in self.servers():
            try:
                server.stop()
            except AssertionError as e:
                faults.append(str(e))
            found = baton_faults(server)
            faults += found + ([server.log_tail()] if found else [])
        assert not faults, "\n".join(faults)


CRASH_MARKS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed")
END_MARKS = re.compile(CRASH_MARKS.pattern + "|unrecoverable error|OutOfMemoryError|StackOverflowError")


def baton_faults(server):
    """What a baton server must never do: crash, or end with a code nobody expected. Tests that
    provoke an exit take it out of `exits`."""
    found = ["%r ended with code %d" % (server, code)
             for kind, code in server.exits if kind == BATON and code != 0]
    if server.log_path.exists():
        found += ["%r: %s" % (server, line) for line in server.log_text().splitlines()
                  if CRASH_MARKS.search(line)]
    return found
