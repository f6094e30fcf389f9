"""etcd beside the others: its servers and its load generator, built from the releases that etcd/go.mod names.

What is fetched and built is kept below build/, so that it is done once. It needs Go, and the Go module proxy at first use.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from harness import servers
from harness.jars import BUILD, Unavailable
from harness.waiting import wait_until

ETCD = "etcd"
SOURCE = Path(__file__).resolve().parent / "etcd"
PLACE = BUILD / "etcd"
SERVER, LOAD = PLACE / "etcd", PLACE / "baton-bench-etcd"
BUILD_TIMEOUT_S, SYNC_TIMEOUT_S, GAP_TIMEOUT_S = 900, 60, 120
# Its own defaults but for these: the sync to disk stays on, a heartbeat is 100 ms and an election begins after 1,000 ms.
# The quota is the largest that is recommended, so that no run ends at the default of 2 GiB.
SETTINGS = {"log-level": "warn", "quota-backend-bytes": str(8 << 30), "initial-cluster-state": "new"}
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM, "pause": signal.SIGSTOP}


def require():
    """Builds what is missing or older than its source. Raises Unavailable when it cannot be had."""
    if shutil.which("go") is None:
        raise Unavailable("no Go (`go`) on this machine")
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    PLACE.mkdir(parents=True, exist_ok=True)
    for program, source in ((SERVER, "./server"), (LOAD, "./load")):
        if _is_new(program, SOURCE / source):
            continue
        print("building %s: minutes, the first time" % program.name, file=sys.stderr, flush=True)
        try:
            done = subprocess.run(["go", "build", "-o", str(program), source], cwd=SOURCE, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=BUILD_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as e:
            raise Unavailable("go did not build etcd in %d s" % BUILD_TIMEOUT_S) from e
        if done.returncode != 0:
            raise Unavailable("go could not build etcd: %s" % done.stdout.strip()[-300:])


def _is_new(program, source):
    sources = [*source.glob("*.go"), SOURCE / "go.mod", SOURCE / "go.sum"]
    return program.exists() and program.stat().st_mtime >= max(path.stat().st_mtime for path in sources)


class Server(servers.Server):
    """A member as the harness knows one: its quorum port is etcd's peer port."""
    options = {}                        # more than SETTINGS

    def member_text(self):
        return "n%d=http://127.0.0.1:%d" % (self.sid, self.quorum_port)

    def write_config(self):
        """All of it is on the command line."""

    def command(self):
        client, peer = "http://%s" % self.host, "http://127.0.0.1:%d" % self.quorum_port
        options = {
            "name": "n%d" % self.sid, "data-dir": str(self.data_dir / "etcd"), "listen-client-urls": client,
            "advertise-client-urls": client, "listen-peer-urls": peer, "initial-advertise-peer-urls": peer,
            "initial-cluster": ",".join(m.member_text() for m in self.members.values()), **SETTINGS,
            **self.options}
        return [str(SERVER), *("--%s=%s" % pair for pair in options.items())]

    def status(self):
        """What it says of itself; None while it does not answer."""
        return self._ask("/v3/maintenance/status", b"{}")

    def _ask(self, path, body=None):
        try:
            with urllib.request.urlopen("http://%s%s" % (self.host, path), body, timeout=2) as answer:
                text = answer.read().decode()
                return text if path == "/metrics" else json.loads(text)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def mode(self):
        status = self.status()
        if not status or not int(status.get("leader", 0)):
            return None
        leads = status["leader"] == status["header"]["member_id"]
        return ("leader" if len(self.members) > 1 else "standalone") if leads else "follower"

    def monitor(self):
        """Of mntr's lines those that are asked for here."""
        others = [member for member in self.members.values() if member is not self and member.running()]
        return {"synced_followers": sum(member.mode() == "follower" for member in others)}

    def version(self):
        answer = self._ask("/version")
        return answer["etcdserver"] if answer else "unknown"

    def log_position(self):
        """How many entries it applied, and how many syncs its log made; or None."""
        status, metrics = self.status(), self._ask("/metrics")
        name = "etcd_disk_wal_fsync_duration_seconds_count "
        found = [line for line in (metrics or "").splitlines() if line.startswith(name)]
        return (int(status["raftAppliedIndex"]), float(found[0][len(name):])) if status and found else None


def ensemble(lab, count, options=None):
    made = servers.Ensemble(lab.home, {})
    home = Path(lab.home) / ("etcd%d" % len(lab.ensembles))
    for sid in range(1, count + 1):
        made.members[sid] = Server(sid, ETCD, home / str(sid), made.settings, made.members)
        made.members[sid].options = options or {}
    lab.ensembles.append(made)
    return made


def _gap(made, way):
    leader = wait_until(made.leader, SYNC_TIMEOUT_S, "a leader of etcd")
    wait_until(lambda: leader.monitor()["synced_followers"] == len(made) - 1, SYNC_TIMEOUT_S, "all of etcd follow")
    hosts = [leader.host, *(server.host for server in made if server is not leader)]
    command = [str(LOAD), "--workload", "gap", "--root", "/gap", "--servers", ",".join(hosts),
               "--leaves", str(leader.pid), "--signal", str(int(SIGNALS[way]))]
    if way == "pause":
        leader.paused = True
    leader.asked_to_end = way == "stop"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=GAP_TIMEOUT_S, check=False)
    if way == "pause":
        leader.resume()
    elif way == "kill":
        leader.kill()
    else:
        leader.wait_exit()
    if way != "pause":
        leader.start()
    leader.wait_serving()
    return done


def gap(lab, way):
    """The result of a round, of three servers under load. Raises what went wrong."""
    made = ensemble(lab, 3)
    try:
        made.start()
        done = _gap(made, way)
        if done.returncode != 0:
            raise AssertionError(done.stderr.strip())
    finally:
        made.stop()
    return json.loads(done.stdout)
