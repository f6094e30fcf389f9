"""What may go wrong on the host that is active, one thing after the other and two at once: a probe that asks all three
nginx every 20 ms never sees two serve, and it ends with exactly one."""
import time

import pytest

from harness import contract
from harness.cluster import now, wait_moved
from harness.hosts import wait_until
from harness.probe import Probe

SIGNALS = {"kill": "KILL", "stop": "STOP"}
PARTS = ("batond", "engine", "agent", "nginx")       # nginx: the worker of that name
FIREWALL = "table inet cut {\n chain in {\n type filter hook input priority 0\n %s\n }\n}\n"
CUT_ENGINE = "tcp dport { 2888, 3888 } drop\n tcp sport { 2888, 3888 } drop"
CUT_AGENT = "tcp dport 2181 drop\n tcp sport 2181 drop"


class Watched:
    """One test's look at the cluster: who is active, what is promised, and a probe."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.active = cluster.wait_settled()
        self.promised = contract.promised(cluster, self.active)
        self.parts = cluster.children(self.active)
        self.probe = Probe(cluster.hosts)

    def __enter__(self):
        self.probe.__enter__()
        wait_until(lambda: self.probe.active() == [self.active.name], "the probe sees it")
        self.nginx = self.main_pid()
        self.began = now()
        return self

    def __exit__(self, *failure):
        self.probe.__exit__(*failure)

    def main_pid(self):
        return self.active.out("systemctl", "show", "-P", "MainPID", "nginx").strip()

    def signal(self, name, *parts):
        self.active.signal(name, *(self.parts[p] for p in parts))

    def assert_stayed(self, what):
        assert self.cluster.wait_settled() is self.active
        contract.assert_kept(what, self.probe.away(self.began)[0], self.promised["lost_worst"])
        assert {a.host for a in self.probe.seen(self.began) if a.served} == {self.active}
        assert self.probe.overlaps() == []

    def assert_served_on(self, what):
        """Here or elsewhere, but no longer away than promised."""
        self.cluster.wait_settled()
        contract.assert_kept(what, self.probe.away(self.began)[0], self.promised["lost_worst"])
        assert self.probe.overlaps() == []

    def moved(self, what):
        """Awaits that another host serves in time, and returns it."""
        other, took = wait_moved(self.probe, self.active, self.began, 30)
        contract.assert_kept(what, took, self.promised["lost_worst"], contract.start_of(other))
        return other

    def assert_one_in_the_end(self, on=None):
        host = self.cluster.wait_settled()
        assert on is None or host is on
        assert self.probe.overlaps() == []
        assert self.probe.active() == [host.name]


@pytest.fixture
def watched(cluster):
    with Watched(cluster) as w:
        yield w


# ---- one part ----

@pytest.mark.parametrize("fault", SIGNALS)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fails_is_replaced(cluster, watched, part, fault):
    watched.signal(SIGNALS[fault], part)
    wait_until(lambda: cluster.children(watched.active).get(part) not in (watched.parts[part], 0),
               "%s is replaced" % part, 30, step=0.1)
    if (part, fault) == ("nginx", "stop"):
        # It is killed when it misses its deadline, and then its successor stops the service: the group may move.
        watched.assert_served_on("stop of nginx")
    else:
        watched.assert_stayed("%s of %s" % (fault, part))


def test_all_of_batond_killed_at_once_is_taken_up_again(watched):
    watched.active.run("systemctl", "kill", "--signal=KILL", "batond")
    wait_until(lambda: watched.cluster.children(watched.active)["batond"] != watched.parts["batond"], "it is replaced")
    watched.assert_stayed("kill of all")
    assert watched.main_pid() == watched.nginx


def test_all_of_batond_stopped_at_once(cluster, watched):
    """Nobody is left on the host but systemd, whose watchdog must act before another host takes over."""
    pids = cluster.processes(watched.active)
    watched.active.signal("STOP", *pids)
    wait_until(lambda: cluster.children(watched.active)["batond"] != watched.parts["batond"], "it is replaced", 30)
    watched.active.signal("CONT", *pids)
    watched.assert_one_in_the_end()


# ---- the network ----

def test_a_cut_cable_moves_the_service(watched):
    watched.active.cable(False)
    other = watched.moved("cut cable")
    assert not watched.cluster.serves(watched.active)
    watched.active.cable(True)
    watched.assert_one_in_the_end(on=other)


@pytest.fixture
def firewall(watched):
    """Rules that cut off single processes of the active host; they are gone with the test."""
    def cut(rules):
        watched.active.run("nft", "-f", "-", input=FIREWALL % rules)

    yield cut
    watched.active.run("nft", "delete", "table", "inet", "cut", check=False)


def test_an_engine_that_is_cut_off_moves_nothing(watched, firewall):
    firewall(CUT_ENGINE)
    time.sleep(watched.promised["lost_worst"])      # the others would have waited so long: nothing announces "not"
    watched.assert_stayed("engine cut off")


def test_an_agent_that_is_cut_off_moves_the_service(watched, firewall):
    firewall(CUT_AGENT)
    other = watched.moved("agent cut off")
    watched.active.run("nft", "delete", "table", "inet", "cut")
    watched.assert_one_in_the_end(on=other)


# ---- a part and the network ----

@pytest.mark.parametrize("fault", SIGNALS)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fails_behind_a_cut_cable(watched, part, fault):
    """Whoever stops the service at the deadline is hurt itself. A stopped part goes on once another host serves."""
    watched.signal(SIGNALS[fault], part)
    watched.active.cable(False)
    other = watched.moved("%s of %s, cable cut" % (fault, part))
    if fault == "stop":
        watched.signal("CONT", part)
    watched.active.cable(True)
    watched.assert_one_in_the_end(on=other)


def test_all_of_batond_stopped_behind_a_cut_cable(cluster, watched):
    pids = cluster.processes(watched.active)
    watched.active.signal("STOP", *pids)
    watched.active.cable(False)
    other = watched.moved("stop of all, cable cut")
    watched.active.signal("CONT", *pids)
    watched.active.cable(True)
    watched.assert_one_in_the_end(on=other)


# ---- nobody comes back ----

@pytest.fixture
def drop_in(watched):
    """Changes the unit of batond on the active host, until the test is over."""
    host = watched.active
    path = host.path("/run/systemd/system/batond.service.d/of-this-test.conf")

    def write(text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        host.run("systemctl", "daemon-reload")

    yield write
    path.unlink(missing_ok=True)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reset-failed", "batond", check=False)
    host.run("systemctl", "start", "batond")


def test_batond_that_does_not_come_back_leaves_its_guard(watched, drop_in):
    """No restart by systemd: the guard stops nginx by the deadline, and another host takes over."""
    drop_in("[Service]\nRestart=no\n")
    watched.began = now()
    watched.active.run("systemctl", "kill", "--signal=KILL", "batond")
    watched.moved("kill of all, no restart")
    assert not watched.cluster.serves(watched.active)
    wait_until(lambda: "nginx was not taken up again" in watched.active.journal("-t", "baton-guard"), "it was said", 5)
    assert watched.probe.overlaps() == []


def test_batond_that_is_killed_too_often_leaves_its_guard(watched, drop_in):
    """systemd restarts it no more; the last guard stands for all."""
    drop_in("[Unit]\nStartLimitBurst=3\n")

    def gave_up():
        watched.active.run("systemctl", "kill", "--signal=KILL", "batond", check=False)
        return watched.active.out("systemctl", "show", "-P", "ActiveState", "batond").strip() == "failed"

    wait_until(gave_up, "systemd gave up", 30, step=0.2)
    watched.began = now()
    watched.moved("killed too often")
    assert not watched.cluster.serves(watched.active)
    assert watched.probe.overlaps() == []


# ---- the whole machine ----

def test_a_paused_machine_stops_what_it_lost(watched):
    """Until its clock is read again a machine that was paused may answer: no lease can prevent that, the token is
    there for it. It must stop then, on its own."""
    watched.active.freeze(True)
    other = watched.moved("machine paused")
    woke = now()
    watched.active.freeze(False)
    watched.cluster.wait_settled()
    late = [a.ended - woke for a in watched.probe.seen(woke) if a.served and a.host is watched.active]
    print("after a pause: answered %d times, the last %.2f s after it woke" % (len(late), max(late, default=0)))
    assert max(late, default=0) <= watched.promised["stop_budget"]
    assert watched.probe.active() == [other.name]
