"""Where a torture run takes place: three engines, each in a network namespace of its own, on a bridge in another one
where the clients are. What comes in anywhere can be lost or refused; cables can be pulled; one disk can be filled.
"""
import ctypes
import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path

from interop.harness import servers
from system.harness.hosts import Network, die_with_parent

from . import plan

CLIENTS = 0                             # in place of a server's number
CLIENTS_ADDRESS = "10.91.0.254"
CLIENT_PORT, QUORUM_PORT, ELECTION_PORT = 2181, 2888, 3888
SMALL_DISK_SIZE = "64m"
COMMIT_LOG_COUNT = 500                  # few: whoever was away for a second or two is sent a snapshot
MIN_SESSION_MS, MAX_SESSION_MS = 400, 20000
CLONE_NEWNS = 0x20000

ROLE = re.compile(r"^baton-engine: (?:(leading|following), epoch (\d+)|left the ensemble|looking)")
_libc = ctypes.CDLL(None, use_errno=True)


def own_mounts():
    """Gives this process and its children mounts of their own: they vanish with the last of them."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def address(number):
    return CLIENTS_ADDRESS if number == CLIENTS else "10.91.0.%d" % number


class Engine(servers.Server):
    """A server in a namespace of its own. What it says and how it ends goes to `happened`, a queue of
    (engine, line or None at its end, exit code)."""

    def __init__(self, sid, home, settings, members, netns, happened):
        super().__init__(sid, servers.BATON, home, settings, members)
        self.quorum_port, self.election_port, self.client_port = QUORUM_PORT, ELECTION_PORT, CLIENT_PORT
        self.netns = netns
        self.happened = happened
        self.roles = []                 # (monotonic ns, "leading" and so on or None, epoch)
        self.kept_logs = self.home / "kept"

    def __repr__(self):
        return "server %d" % self.sid

    @property
    def address(self):
        return (address(self.sid), self.client_port)

    def member_text(self):
        at = address(self.sid)
        return "%s:%d:%d:participant;%s:%d" % (at, self.quorum_port, self.election_port, at, self.client_port)

    def start(self, write_config=True):
        """Main thread: an engine ends with the thread that has started it."""
        assert self.process is None, "%r runs already" % self
        if write_config:
            self.write_config()
        self.asked_to_end = False
        self.process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + self.netns, *self.command()], cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process):
        with open(self.log_path, "ab") as log:
            log.write(b"%.6f --- start\n" % time.monotonic())
            for line in process.stdout:
                now = time.monotonic_ns()
                log.write(b"%.6f %s" % (now / 1e9, line))
                log.flush()
                said = ROLE.match(line.decode("utf-8", "replace"))
                if said:
                    self.roles.append((now, said.group(1), int(said.group(2) or 0)))
                self.happened.put((self, line, None))
            code = process.wait()
            self.roles.append((time.monotonic_ns(), None, 0))
            log.write(b"%.6f --- ended with code %d\n" % (time.monotonic(), code))
        self.happened.put((self, None, code))

    def keep_logs(self):
        """A second name for every log file, so that it is still there when the engine has no more need of it."""
        for path in self.log_files():
            try:
                os.link(path, self.kept_logs / ("%s.%d" % (path.name, path.stat().st_ino)))
            except FileExistsError:
                pass
            except OSError:
                return                  # gone already, or the disk is full: the log will not be complete

    def role(self):
        """What it says it is, "leading" or "following"; None for neither."""
        return self.roles[-1][1] if self.roles else None

    def pause(self):
        before = self.role()
        super().pause()
        self.roles.append((time.monotonic_ns(), None, 0))
        self.role_when_paused = before

    def resume(self):
        if self.paused and self.process is not None and self.roles and self.roles[-1][1] is None:
            self.roles.append((time.monotonic_ns(), self.role_when_paused, 0))
        super().resume()


class Cuts:
    """What is lost or refused on its way in, at whom and from whom."""

    def __init__(self, namespaces):
        self.namespaces = namespaces    # number -> name
        self.active = {}                # token -> [(at, sender, what becomes of it)]
        self.tokens = 0
        for number in namespaces:
            self._nft(number, "add table inet torture\n"
                              "add chain inet torture input { type filter hook input priority 0; policy accept; }\n")

    def _nft(self, number, text):
        subprocess.run(["nsenter", "--net=/run/netns/" + self.namespaces[number], "nft", "-f", "-"], input=text,
                       text=True, check=True)

    def add(self, pairs, verdict="drop"):
        """`pairs` are (at, sender). Returns what remove() wants."""
        self.tokens += 1
        self.active[self.tokens] = [(at, sender, verdict) for at, sender in pairs]
        self._apply({at for at, _ in pairs})
        return self.tokens

    def remove(self, token):
        rules = self.active.pop(token, [])
        self._apply({at for at, _, _ in rules})

    def clear(self):
        self.active.clear()
        self._apply(set(self.namespaces))

    def _apply(self, numbers):
        for number in sorted(numbers):
            rules = [rule for cut in self.active.values() for rule in cut if rule[0] == number]
            self._nft(number, "flush chain inet torture input\n" + "".join(
                "add rule inet torture input ip saddr %s %s\n" % (address(sender), verdict)
                for _, sender, verdict in rules))


class Field:
    """All of it. Made and ended by the main thread."""

    def __init__(self, name, home, janitor):
        self.home = Path(home)
        self.happened = queue.SimpleQueue()
        self.network = Network(name, janitor)
        namespaces = {CLIENTS: name}
        members = {}
        for sid in plan.SERVERS:
            namespaces[sid] = self._plug(sid, janitor)
            small = sid == plan.SMALL_DISK
            settings = servers.Settings(
                min_session_timeout=MIN_SESSION_MS, max_session_timeout=MAX_SESSION_MS, snap_count=1000,
                baton_extra={"preallocate_kb": 16 if small else 1024, "commit_log_count": COMMIT_LOG_COUNT})
            members[sid] = Engine(sid, self.home / str(sid), settings, members, namespaces[sid], self.happened)
        self.engines = members
        self.cuts = Cuts(namespaces)
        self.filler = members[plan.SMALL_DISK].data_dir / "filler"
        self._mount_small_disk()
        for engine in members.values():
            engine.kept_logs.mkdir()

    def _plug(self, sid, janitor):
        name = "%s-%d" % (self.network.name, sid)
        janitor.remember("netns", name)
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.network.run("ip", "link", "add", self._cable(sid), "type", "veth", "peer", "name", "eth0", "netns", name)
        self.network.run("ip", "link", "set", self._cable(sid), "master", self.network.bridge, "up")
        for command in (("ip", "addr", "add", address(sid) + "/24", "dev", "eth0"),
                        ("ip", "link", "set", "eth0", "up"), ("ip", "link", "set", "lo", "up")):
            subprocess.run(["ip", "netns", "exec", name, *command], check=True)
        return name

    @staticmethod
    def _cable(sid):
        return "cable%d" % sid

    def cable(self, sid, plugged):
        self.network.run("ip", "link", "set", self._cable(sid), "up" if plugged else "down")

    # --- the small disk

    def _mount_small_disk(self):
        engine = self.engines[plan.SMALL_DISK]
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + SMALL_DISK_SIZE, "tmpfs", str(engine.data_dir)],
                       check=True)
        (engine.data_dir / "myid").write_text("%d\n" % engine.sid)
        engine.kept_logs = engine.data_dir / "kept"     # a file has its names on one disk

    def fill_disk(self):
        """Takes all the space that is left."""
        with open(self.filler, "ab", buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while f.write(b"\0" * size) == size:
                        pass
                except OSError:
                    pass                # that was the point

    def free_disk(self):
        self.filler.unlink(missing_ok=True)

    # --- who is what

    def leader(self):
        """The server that says it leads, the one of the latest epoch if several do; None for nobody."""
        leading = [(e.roles[-1][2], e.sid) for e in self.engines.values() if e.role() == "leading"]
        return max(leading)[1] if leading else None

    def close(self):
        for engine in self.engines.values():
            if engine.process is not None:
                engine.process.kill()
                engine.process.wait()
