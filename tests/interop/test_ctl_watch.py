"""batonctl watch: events as they come."""
import json
import os
import signal
import subprocess

import pytest

from conftest import need
from harness import ctl as ctl_harness
from harness import servers


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_39])
def server(request, module_lab):
    ensemble = module_lab.ensemble({1: need(request.param)}, **ctl_harness.SETTINGS).start()
    yield ensemble[1]
    ensemble.stop()


class Watching:
    """A `batonctl watch` under way."""

    def __init__(self, ctl, *arguments):
        self.process = subprocess.Popen(ctl.command("watch", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def end(self, status=0):
        out, err = self.process.communicate(timeout=ctl_harness.TIMEOUT_S)
        assert self.process.returncode == status, (out, err)
        return out + err


def test_a_persistent_watch_tells_all_of_one_znode(ctl):
    watching = Watching(ctl, "--persistent", "--count", "4", "/w")
    assert watching.line() == "watching /w"
    ctl("create", "/w")
    ctl("set", "/w", "1")
    ctl("create", "/w/c")
    ctl("set", "/w/c", "x")
    ctl("rm", "/w/c")
    assert watching.end() == "created /w\nchanged /w\nchildren /w\nchildren /w\n"


def test_a_recursive_watch_tells_what_happens_below(ctl):
    watching = Watching(ctl, "--recursive", "/", "--json")
    assert json.loads(watching.line()) == {"event": "watching", "path": "/"}
    ctl("create", "-p", "/a/b")
    ctl("set", "/a/b", "x")
    ctl("rm", "-r", "/a")
    seen = [json.loads(watching.line()) for _ in range(5)]
    assert [(e["event"], e["path"]) for e in seen] == [
        ("created", "/a"), ("created", "/a/b"), ("changed", "/a/b"), ("deleted", "/a/b"), ("deleted", "/a")]
    watching.process.send_signal(signal.SIGINT)
    assert watching.end() == ""


def test_a_watch_may_end_in_time(ctl):
    assert Watching(ctl, "-p", "-t", "200", "/w").end() == "watching /w\n"
    assert Watching(ctl, "-p", "-t", "200", "-n", "1", "/w").end(status=1) == "watching /w\n"
    assert "--timeout goes with" in ctl("watch", "-t", "5", "/w", status=2)
    assert "only a shell" in ctl("removewatches", "/w", status=2)
    assert ctl_mode(ctl, "PERSISTENT") == ctl_mode(ctl, "persistent_recursive") == "watching /w\n"
    assert "-m wants" in ctl("addWatch", "-m", "STANDARD", "/w", status=2)


def ctl_mode(ctl, mode):
    return ctl("addWatch", "-m", mode, "-t", "1", "/w")


def test_a_watch_outlives_its_connection_and_says_so(server, ctl):
    watching = Watching(ctl, "--recursive", "/")
    assert watching.line() == "watching /"
    server.pause()                      # longer than 2/3 of the session timeout: the client leaves it
    assert "events are missed" in watching.process.stderr.readline()
    server.resume()
    assert watching.line() == "resumed"
    ctl("create", "/after")
    assert watching.line() == "created /after"
    os.kill(watching.process.pid, signal.SIGTERM)
    watching.end()
