"""batonctl against real servers, ours and Apache's: what people and programs get to read."""
import json
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import need
from harness import servers

BATONCTL = servers.ENGINE.parent / "batonctl"
TIMEOUT_S = 20


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_38])
def ensemble(request, module_lab):
    made = module_lab.ensemble({sid: need(request.param) for sid in (1, 2, 3)}).start()
    made.wait_leader()
    yield made
    made.stop()


@pytest.fixture
def ctl(ensemble):
    def run(*arguments, status=0, stdin=None):
        done = subprocess.run([str(BATONCTL), "--hosts", ensemble.hosts(), *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, input=stdin)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr
    return run


def test_znodes_are_made_read_changed_and_removed(ctl):
    assert ctl("create", "/a", "one") == "/a\n"
    assert ctl("get", "/a") == "one"
    ctl("set", "/a", "-", stdin="two\nlines")
    assert ctl("get", "/a") == "two\nlines"
    assert ctl("create", "-s", "/a/s-", "x") == "/a/s-0000000000\n"
    assert ctl("create", "-p", "/a/b/c/d") == "/a/b/c/d\n"
    assert ctl("ls", "/a") == "b\ns-0000000000\n"
    assert ctl("ls", "-R", "/a") == "/a/b\n/a/b/c\n/a/b/c/d\n/a/s-0000000000\n"
    node = json.loads(ctl("get", "/a", "--json"))
    assert node["value"] == "two\nlines" and node["stat"]["version"] == 1
    assert json.loads(ctl("create", "-s", "/a/j-", "--json")) == {"path": "/a/j-0000000002"}
    assert json.loads(ctl("delete", "-R", "/a", "--json"))["deleted"] == "/a"
    assert "no such znode" in ctl("get", "/a", status=1)


def test_what_the_ensemble_refuses_is_status_1(ctl):
    ctl("create", "/r")
    assert "exists already" in ctl("create", "/r", status=1)
    assert "another version" in ctl("set", "-v", "7", "/r", "x", status=1)
    assert "create -p" in ctl("create", "/none/child", status=1)
    ctl("create", "/r/child")
    assert "delete -R" in ctl("delete", "/r", status=1)
    ctl("delete", "-R", "/r")


def test_wrong_usage_is_status_2(ctl):
    assert "no path" in ctl("get", "relative", status=2)
    assert "which path" in ctl("get", status=2)
    assert "no such command" in ctl("frobnicate", status=2)
    assert "HOST:PORT" in subprocess.run([str(BATONCTL), "--hosts", "nonsense", "ls", "/"], stderr=subprocess.PIPE,
                                         text=True, timeout=TIMEOUT_S).stderr


def test_configuration_is_made_where_it_is_missing(ctl):
    ctl("set", "/baton/config/a/b", "value")
    assert ctl("get", "/baton/config/a/b") == "value"
    assert "no such znode" in ctl("set", "/elsewhere/a", "value", status=1)


def test_a_watch_tells_every_change(ensemble, ctl):
    ctl("create", "/w", "0")
    watch = subprocess.Popen([str(BATONCTL), "--hosts", ensemble.hosts(), "watch", "/w"], stdout=subprocess.PIPE, text=True)
    assert watch.stdout.readline() == "is /w version 0, 0 children: 0\n"
    ctl("set", "/w", "1")
    assert watch.stdout.readline() == "changed /w version 1, 0 children: 1\n"
    ctl("create", "/w/c")
    assert watch.stdout.readline() == "children /w version 1, 1 children: 1\n"
    ctl("delete", "-R", "/w")
    assert watch.stdout.readlines()[-1].startswith("deleted /w")
    assert watch.wait(TIMEOUT_S) == 0


def test_an_ephemeral_lives_as_long_as_the_command(ensemble, ctl):
    make = subprocess.Popen([str(BATONCTL), "--hosts", ensemble.hosts(), "create", "-e", "/e"], stdout=subprocess.PIPE,
                            text=True)
    assert make.stdout.readline() == "/e\n"
    assert ctl("ls", "/").count("e\n") >= 1
    make.send_signal(signal.SIGINT)
    assert make.wait(TIMEOUT_S) == 0
    assert "no such znode" in ctl("get", "/e", status=1)


def test_foreign_values_do_not_reach_the_terminal_raw(ctl):
    ctl("create", "-p", "/baton/members/evil", json.dumps({"role": "leading", "version": "\x1b[2Jboo"}))
    table = ctl("members")
    assert "\x1b" not in table and "?[2Jboo" in table
    ctl("set", "/baton/members/evil", "no json")
    assert "evil" in ctl("members")
    ctl("delete", "/baton/members/evil")


def test_nobody_there_is_status_3():
    done = subprocess.run([str(BATONCTL), "--hosts", "127.0.0.1:1", "--wait", "300", "ls", "/"], stderr=subprocess.PIPE,
                          text=True, timeout=TIMEOUT_S)
    assert done.returncode == 3 and "none of 1 server answered within 300 ms" in done.stderr
    done = subprocess.run([str(BATONCTL), "--hosts", "127.0.0.1:1", "--wait", "300", "check"], stdout=subprocess.PIPE,
                          text=True, timeout=TIMEOUT_S)
    assert done.returncode == 2 and done.stdout.startswith("BATON CRITICAL - no quorum")


def test_the_help_names_every_command():
    text = subprocess.run([str(BATONCTL), "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for command in ("status members groups plugins check config shell ls get stat set create delete rm cp multi export import restore "
                    "watch removewatches getacl setacl addauth whoami setquota listquota delquota count ephemerals "
                    "sync").split():
        assert "\n  %s " % command in text
    assert Path(BATONCTL).exists()
