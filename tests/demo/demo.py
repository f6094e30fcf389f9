"""Three nodes on this machine, each with batond and a tiny web server under it; one of them serves. The serving node
is killed without a word (SIGKILL to all of its processes), and another one takes over.

A table shows who is there and who has the baton; press Enter to kill the serving node, q to end. With --for SECONDS it
kills by itself every few seconds, ends with a summary, and says by its exit status whether all of it came true.
"""
import argparse
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from harness.ports import free_port  # noqa: E402 (the path is set just above)
from harness.wire import four_letter_word  # noqa: E402

BUILD = Path(os.environ["BATON_BUILD"])
NODES = (1, 2, 3)
SESSION_TIMEOUT_MS = 2000
STOP_BUDGET_MS = 500
# What docs/failover.md promises for the loss of a node, and a second for the start of the web server.
AWAY_LIMIT_S = (SESSION_TIMEOUT_MS + STOP_BUDGET_MS * 1.1 / 0.9) / 1000 + 1.0
START_TIMEOUT_S = 30.0
TAKEOVER_TIMEOUT_S = 20.0
PERIOD_S = 0.02
REDRAW_S = 0.25
FAILOVERS_MIN = 3

# The resource: answers every connection with its node's name. One address for all nodes, so two could not even start.
WEB_SERVER = """\
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(64)
while True:
    c, _ = s.accept()
    c.sendall(sys.argv[2].encode())
    c.close()
"""

CONFIG = """\
[node]
name = n{number}
id = {number}
data_dir = {home}/data
runtime_dir = {home}/run
[ensemble]
tick_time = 200
init_limit = 25
sync_limit = 4
{members}
four_letter_words = srvr
[supervisor]
plugin_dir = {build}/plugins
libexec_dir = {build}/bin
[agent]
session_timeout = {session}
[group web]
stop_budget = {budget}
[plugin web]
module = process
group = web
command = {python} {home}/../web.py {port} n{number}
stop_timeout = 200
"""


def say(text=""):
    print(text, flush=True)


class Node:
    def __init__(self, number, home):
        self.number = number
        self.name = "n%d" % number
        self.home = home / self.name
        self.ports = (free_port(), free_port(), free_port())
        self.process = None

    def member(self):
        return "server.%d = 127.0.0.1:%d:%d:participant;127.0.0.1:%d" % (self.number, *self.ports)

    def configure(self, nodes, port, connect):
        self.home.mkdir(parents=True)
        members = "\n".join(n.member() for n in nodes)
        text = CONFIG.format(number=self.number, home=self.home, build=BUILD, members=members, port=port,
                             session=SESSION_TIMEOUT_MS, budget=STOP_BUDGET_MS, python=sys.executable)
        if connect:
            ensemble = text[text.index("[ensemble]"):text.index("[supervisor]")]
            text = text.replace(ensemble, "[ensemble]\nconnect = %s\n" % connect).replace("id = %d\n" % self.number, "")
        (self.home / "baton.conf").write_text(text)

    def start(self):
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen([str(BUILD / "bin" / "batond"), "--config", str(self.home / "baton.conf")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def status(self):
        """What batond says of itself, as far as it has said anything."""
        try:
            return json.loads((self.home / "run" / "status.json").read_text())
        except (OSError, ValueError):
            return {}

    def kill(self):
        """As if the machine had gone: all processes at once. The web server goes with its worker."""
        pids = [c["pid"] for c in self.status().get("children", []) if c["pid"] > 0]
        for pid in [self.process.pid, *pids]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TAKEOVER_TIMEOUT_S) if self.process else 0

    # --- for the table

    def zab(self):
        try:
            text = four_letter_word(("127.0.0.1", self.ports[2]), "srvr", 0.2) or ""
        except OSError:
            return "-", "-"
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        return fields.get("Mode", "-"), fields.get("Zxid", "-")

    def grant_left(self):
        """Seconds until the grant runs out if it is not renewed, from the worker's record; None: holds none."""
        try:
            record = (self.home / "run" / "grants" / "web").read_bytes()
        except OSError:
            return None
        if len(record) < 160:
            return None
        state, _token, deadline_ms = struct.unpack_from(">iqQ", record, 140)
        left = deadline_ms / 1000 - time.clock_gettime(time.CLOCK_BOOTTIME)
        return left if state != 1 and left > 0 else None        # 1: stopped


class Cluster:
    def __init__(self, home, connect=None):
        self.port = free_port()
        self.nodes = [Node(n, home) for n in NODES]
        self.connect = connect
        (home / "web.py").write_text(WEB_SERVER)
        for node in self.nodes:
            node.configure(self.nodes, self.port, connect)

    def serving(self):
        """The node that answers now; None: none does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2) as s:
                s.settimeout(0.2)
                name = s.recv(16).decode()
        except OSError:
            return None
        return next((n for n in self.nodes if n.name == name), None)

    def wait_serving(self, timeout, other_than=None, meanwhile=lambda: None):
        """(node, seconds it took)."""
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            node = self.serving()
            if node is not None and node is not other_than:
                return node, time.monotonic() - began
            meanwhile()
            time.sleep(PERIOD_S)
        raise AssertionError("nobody serves after %g s" % timeout)

    def wait_member(self, node, timeout):
        began = time.monotonic()
        while node.status().get("state") != "member" or node.status().get("pid") != node.process.pid:
            if not node.alive():
                raise AssertionError("batond of %s has ended with %s" % (node.name, node.process.poll()))
            if time.monotonic() - began > timeout:
                raise AssertionError("%s is no member after %g s" % (node.name, timeout))
            time.sleep(PERIOD_S)

    def table(self):
        serving = self.serving()
        rows = [("NODE", "ENGINE", "ZXID", "WEB SERVER", "GRANT LEFT", "STATUS")]
        for node in self.nodes:
            left = node.grant_left() if node.alive() else None
            mode, zxid = node.zab() if node.alive() and not self.connect else ("-", "-")
            rows.append((node.name, mode if node.alive() else "gone", zxid,
                         "serving" if node is serving else "-",
                         "%.2f s" % left if left is not None else "-",
                         node.status().get("status", "") if node.alive() else ""))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


class Show:
    """The table, redrawn in place on a terminal; elsewhere only what happens is printed."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.lines = 0
        self.terminal = sys.stdout.isatty()
        self.due = 0.0

    def event(self, text):
        self.clear()
        say(text)
        if not self.terminal:
            for line in self.cluster.table():
                say("    " + line)

    def clear(self):
        if self.lines:
            sys.stdout.write("\x1b[%dA\x1b[J" % self.lines)
        self.lines = 0

    def draw(self, hint):
        if not self.terminal or time.monotonic() < self.due:
            return
        self.due = time.monotonic() + REDRAW_S
        table = ["", *self.cluster.table(), "", hint]
        self.clear()
        sys.stdout.write("\n".join(table) + "\n")
        sys.stdout.flush()
        self.lines = len(table)


def key_pressed(terminal):
    """The line typed by the user, None while there is none; ends of input are no keys."""
    if not terminal or not select.select([sys.stdin], [], [], 0)[0]:
        return None
    line = sys.stdin.readline()
    return line.strip() if line else None


def fail_over(cluster, show, away):
    serving = cluster.serving()
    if serving is None:
        return
    began = time.monotonic()
    serving.kill()
    show.event("%s is killed: batond, engine, agent and worker." % serving.name)
    other, _ = cluster.wait_serving(TAKEOVER_TIMEOUT_S, serving, lambda: show.draw("Waiting for another node …"))
    away.append(time.monotonic() - began)
    show.event("%s has taken over: the service was away %.2f s." % (other.name, away[-1]))
    serving.start()
    cluster.wait_member(serving, START_TIMEOUT_S)
    assert cluster.serving() is other, "the node that came back disturbed the service"
    show.event("%s is back, as standby." % serving.name)


def play(cluster, seconds, pause):
    show, away = Show(cluster), []
    began = time.monotonic()
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        cluster.wait_member(node, START_TIMEOUT_S)
    first, _ = cluster.wait_serving(START_TIMEOUT_S)
    show.event("Three nodes; %s serves on 127.0.0.1:%d, %.1f s after the first was started." % (
        first.name, cluster.port, time.monotonic() - began))
    next_kill = time.monotonic() + pause
    interactive = sys.stdin.isatty() and seconds is None
    hint = "Enter: kill the node that serves; q: end." if interactive else "It is killed every few seconds."
    while True:
        show.draw(hint)
        key = key_pressed(interactive)
        show.lines += key is not None and show.lines > 0     # the line that the key's echo has ended
        over = seconds is not None and time.monotonic() - began >= seconds and len(away) >= FAILOVERS_MIN
        if over or key == "q":
            break
        if key == "" or (not interactive and time.monotonic() >= next_kill):
            fail_over(cluster, show, away)
            next_kill = time.monotonic() + pause
        time.sleep(PERIOD_S)
    show.clear()
    return away


def summary(away):
    say()
    say("FAILOVER  AWAY")
    for number, seconds in enumerate(away, 1):
        say("%-8d  %.2f s" % (number, seconds))
    if away:
        say("%d failover%s: the service was away %.2f s at least, %.2f s at most; the contract is %.2f s." % (
            len(away), "" if len(away) == 1 else "s", min(away), max(away), AWAY_LIMIT_S))


def main():
    options = argparse.ArgumentParser(description="Exactly one node holds the baton.")
    options.add_argument("--for", dest="seconds", type=float, help="end by itself after so many seconds")
    options.add_argument("--every", type=float, default=2.0, help="seconds of rest between two failovers")
    options.add_argument("--connect", help="HOST:PORT,… of a ZooKeeper ensemble elsewhere: no engines then")
    arguments = options.parse_args()

    home = Path(tempfile.mkdtemp(prefix="baton-demo-"))
    cluster = Cluster(home, arguments.connect)
    ended = False
    try:
        away = play(cluster, arguments.seconds, arguments.every)
        summary(away)
        for node in cluster.nodes:
            code = node.stop()
            assert code == 0, "batond of %s ended with %s" % (node.name, code)
        assert cluster.serving() is None, "the service outlived its nodes"
        late = [a for a in away if a > AWAY_LIMIT_S]
        assert not late, "the service was away longer than promised"
        ended = True
    except (AssertionError, subprocess.TimeoutExpired) as e:
        say("\nThe demo failed: %s" % e)
        for node in cluster.nodes:
            say("--- %s\n%s" % (node.name, "\n".join((node.home / "log").read_text(errors="replace").splitlines()[-25:])))
        say("Logs are left in %s" % home)
        return 1
    except KeyboardInterrupt:
        ended = True
    finally:
        for node in cluster.nodes:
            if node.alive():
                node.kill()
    if ended:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
