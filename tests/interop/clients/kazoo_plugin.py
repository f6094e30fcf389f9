"""A plugin for pytest that gives kazoo's own tests servers of ours: loaded with `-p kazoo_plugin` into the process that
runs them, before anything of kazoo is imported.

Kazoo's tests ask `kazoo.testing.common` for a cluster, which starts Java from a class path. The class below stands in
that module's place, so that the tests run as they were written. Several processes share the work, class by class. What
each test came to goes into a file, a line of JSON for each, since the numbers that pytest prints say too little.

KAZOO_SERVERS is the kind of server, KAZOO_HOME where they live, KAZOO_SHARE which of how many processes this is, KAZOO_CLAIMS
and KAZOO_RESULTS a directory and a file that they have in common.
"""
import itertools
import json
import os
import shutil
import sys
import tempfile
import types
import unittest.mock
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import ports, servers  # noqa: E402 (the path is set just above)
from harness.waiting import wait_until  # noqa: E402

# Servers come back on the ports they had, so none of those may go to another process meanwhile.
ports.share(*map(int, os.environ["KAZOO_SHARE"].split("/")))

# The name "super", its password "test": kazoo's tests log in with them.
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
TICK_MS = 2000                          # what kazoo's own harness writes

faults = []                             # servers of ours that ended as they should not


class Node:
    """One server, in the words of kazoo's tests."""

    host = "127.0.0.1"

    def __init__(self, server):
        self.server = server
        self.client_port = server.client_port
        # No TLS here: what asks for it fails on a ZooKeeper that was not given any, too.
        self.address = self.secure_address = server.host

    @property
    def running(self):
        return self.server.process is not None

    def run(self):
        if self.running:
            return
        mark = self.server.log_mark()
        self.server.start()
        # A test may end, and its servers with it, at once: from its first line on baton-engine heeds a signal.
        if self.server.kind == servers.BATON:
            wait_until(lambda: "\nbaton-engine: " in self.server.log_text(mark) or not self.server.running(),
                       servers.START_TIMEOUT_S, "%r begins" % self.server)

    def stop(self):
        code = self.server.stop()
        if self.server.kind == servers.BATON and code not in (None, 0):
            faults.append("%r ended with %s:\n%s" % (self.server, code, self.server.log_tail()))

    def destroy(self):
        self.stop()
        data = self.server.data_dir
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        (data / "myid").write_text("%d\n" % self.server.sid)

    reset = destroy


class Cluster:
    """Heeds, of what kazoo's harness says, the size and what it wants of sessions. Dynamic reconfiguration is off here as
    there, so that ZooKeeper is the one that baton is compared with: without it, without TLS and without SASL."""

    def __init__(self, size=3, configuration_entries=(), **_):
        sessions = [line for line in configuration_entries if line.startswith("localSessions")]
        settings = servers.Settings(
            tick_time=TICK_MS, init_limit=4, sync_limit=2, min_session_timeout=2 * TICK_MS,
            max_session_timeout=20 * TICK_MS, java_properties=JAVA_PROPERTIES,
            baton_extra=BATON_SETTINGS, zookeeper_extra=sessions, words="*")
        kind, home = os.environ["KAZOO_SERVERS"], tempfile.mkdtemp(prefix="cluster-", dir=os.environ["KAZOO_HOME"])
        self.ensemble = servers.Ensemble(home, dict.fromkeys(range(1, size + 1), kind), settings=settings)
        self.nodes = [Node(server) for server in self.ensemble]

    def __getitem__(self, index):
        return self.nodes[index]

    def __iter__(self):
        return iter(self.nodes)

    def start(self):
        for node in self.nodes:
            node.run()
        for node in self.nodes:
            node.server.wait_serving()

    def stop(self):
        for node in self.nodes:
            if node.running:
                node.server.ask_to_end()
        for node in self.nodes:
            node.stop()

    def terminate(self):
        self.stop()
        for node in self.nodes:
            node.destroy()

    def get_logs(self):
        return [node.server.log_tail() for node in self.nodes]


JAVA_PROPERTIES = ("-Dzookeeper.DigestAuthenticationProvider.superDigest=" + SUPER_DIGEST,
                   "-Dreadonlymode.enabled=true", "-Dfile.encoding=UTF-8")
BATON_SETTINGS = {"super_digest": SUPER_DIGEST, "read_only_mode": "yes"}

sys.modules.setdefault("mock", unittest.mock)   # of which kazoo 2.8 asks for the edition of its own
stand_in = types.ModuleType("kazoo.testing.common")
stand_in.ZookeeperCluster = Cluster
sys.modules["kazoo.testing.common"] = stand_in


# ---- who runs what ----

def claimed(group):
    """Whether this process runs the tests of `group`: who asks first, does."""
    try:
        os.close(os.open(Path(os.environ["KAZOO_CLAIMS"]) / group, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """As pytest's own loop, class by class: with each its servers begin and end."""
    if session.testsfailed:
        raise session.Interrupted("the suite could not be read")
    for group, items in itertools.groupby(session.items, lambda item: name_of(item).rpartition("::")[0]):
        if not claimed(group):
            continue
        items = list(items)
        for item, following in zip(items, items[1:] + [None]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return True


# ---- what came of each test ----

def note(**what):
    with open(os.environ["KAZOO_RESULTS"], "a", encoding="utf-8") as f:
        f.write(json.dumps(what) + "\n")


def name_of(item):
    """File, class and test, whatever directory kazoo was found in."""
    return item.nodeid.rpartition("tests/")[2] if "tests/" in item.nodeid else item.nodeid


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed":
        note(test=name_of(item), outcome=report.outcome, seconds=round(report.duration, 1),
             text=report.longreprtext if report.failed else str(report.longrepr or ""))


def pytest_sessionfinish(session, exitstatus):
    note(faults=faults, status=int(exitstatus))
