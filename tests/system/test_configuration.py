"""What administrators do to a running cluster, and what they get wrong: said clearly, and nothing is hurt by it."""
import json

import pytest

from harness.cluster import CONFIG_PATH, lost_limit
from harness.hosts import BOOT_WANTS, wait_until
from harness.probe import Probe

SIDE_UNIT = "[Service]\nExecStart=/bin/sleep infinity\nTimeoutStopSec=200ms\n"
SIDE = """
[group side]
stop_budget = 1000

[plugin side]
module = unit
group = side
unit = side.service
"""


def line_of(text, words):
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def holder(cluster, host, group="web"):
    done = cluster.ctl(host, "get", "/baton/groups/%s/holder" % group, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def main_pid(host, unit="nginx"):
    return host.out("systemctl", "show", "-P", "MainPID", unit).strip()


def is_active(host, unit):
    return host.run("systemctl", "is-active", "--quiet", unit, check=False).returncode == 0


@pytest.fixture
def changed(cluster):
    """Changes configurations; they are what they were when the test is over."""
    before = {}

    def change(hosts, how):
        for name, text in cluster.reconfigure(hosts, how).items():
            before.setdefault(name, text)

    yield change
    for name, text in before.items():
        cluster.reconfigure([cluster[name]], lambda _: text)
    cluster.wait_settled()


# ---- reload ----

@pytest.mark.parametrize("wrong, says", [
    ("[agent]\nsesion_timeout = 2000\n", "sesion_timeout"),
    ("[group web]\nstop_budget = soon\n", "stop_budget"),
    ("[plugin other]\nmodule = nonesuch\n", "nonesuch"),
    ("[plugin other]\nmodule = unit\nunit = nginx.service\ncolour = red\n", "colour"),
    ("[plugin other]\nmodule = unit\nunit = nosuch.service\ngroup = web\n", "nosuch.service"),
])
def test_a_reload_of_a_wrong_file_changes_nothing(cluster, changed, wrong, says):
    active = cluster.wait_settled()
    pid, children = main_pid(active), cluster.children(active)
    changed([active], lambda text: text + "\n" + wrong)
    number = len(active.path(CONFIG_PATH).read_text().splitlines())
    said = active.journal("-t", "batond", "-t", "baton-worker", "-p", "err")
    found = [line for line in said.splitlines() if says in line and "baton.conf:" in line]
    assert found, said
    assert any("baton.conf:%d:" % n in line for line in found for n in range(number - 3, number + 1)), found
    assert cluster.wait_settled() is active
    assert (main_pid(active), cluster.children(active)) == (pid, children)
    judged = cluster.ctl(active, "config", "check", check=False)
    assert judged.returncode == 2 and says in judged.stderr, judged


def test_a_new_stop_budget_holds_from_the_next_grant_on(cluster, changed):
    active = cluster.wait_settled()
    pid = main_pid(active)
    assert holder(cluster, active)["budget_ms"] == 1500
    with Probe(cluster.hosts) as probe:
        changed(cluster.hosts, lambda text: text.replace("stop_budget = 1500", "stop_budget = 1000"))
        assert cluster.wait_settled() is active
        assert main_pid(active) == pid
        assert holder(cluster, active)["budget_ms"] == 1500
        active.run("systemctl", "stop", "batond")
        active.run("systemctl", "start", "batond")
        other = cluster.wait_settled()
        assert other is not active
        assert holder(cluster, other)["budget_ms"] == 1000
        assert probe.overlaps() == []


def test_plugins_come_and_go_with_a_reload(cluster, changed):
    active = cluster.wait_settled()
    pid = main_pid(active)
    for host in cluster.hosts:
        host.path("/run/systemd/system/side.service").write_text(SIDE_UNIT)
        host.run("systemctl", "daemon-reload")
    sides = lambda: [h for h in cluster.hosts if is_active(h, "side")]
    changed(cluster.hosts, lambda text: text + SIDE)
    first, = wait_until(lambda: len(sides()) == 1 and sides(), "side is active on one", 20)
    changed([first], lambda text: text.replace(SIDE, ""))
    assert not is_active(first, "side")                 # stopped before the reload was over
    wait_until(lambda: len(sides()) == 1 and sides() != [first], "side is active on another", 20)
    changed(cluster.hosts, lambda text: text.replace(SIDE, ""))
    assert sides() == []
    assert cluster.wait_settled() is active
    assert main_pid(active) == pid


def test_a_renamed_group_lets_the_old_one_go(cluster, changed):
    """Two names are two groups: nothing else could be meant. The new one has no node here that may take it."""
    active = cluster.wait_settled()
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        changed([active], lambda text: text.replace("[group web]", "[group web2]\nmembers = n9")
                .replace("group = web", "group = web2"))
        wait_until(lambda: len(probe.active()) == 1 and probe.active() != [active.name], "web is elsewhere", 20)
        assert not cluster.serves(active)
        assert probe.overlaps() == []


# ---- mistakes ----

def test_a_name_that_is_used_twice_is_told_by_name(cluster):
    active = cluster.wait_settled()
    standby = next(h for h in cluster.hosts if h is not active)
    pid = main_pid(active)
    path = standby.path(CONFIG_PATH)
    text = path.read_text()
    path.write_text(text.replace("name = " + standby.name, "name = " + active.name))
    standby.run("systemctl", "stop", "batond")
    standby.run("systemctl", "start", "--no-block", "batond")
    said = "the name %s is taken by another node" % active.name
    wait_until(lambda: said in standby.journal("-u", "batond"), "it was said", 20, step=0.1)
    status = standby.out("systemctl", "status", "--no-pager", "batond", check=False)
    assert said in status, status
    path.write_text(text)
    standby.run("systemctl", "stop", "batond")
    standby.run("systemctl", "start", "--no-block", "batond")
    assert cluster.wait_settled() is active
    assert main_pid(active) == pid


def test_a_service_that_is_enabled_at_boot_is_stopped_and_never_started(cluster):
    active = cluster.wait_settled()
    mistaken, third = (h for h in cluster.hosts if h is not active)
    mistaken.lose_power()
    before = dict(mistaken.links)
    mistaken.links.update({BOOT_WANTS + unit: "/lib/systemd/system/" + unit for unit in ("nginx.service", "batond.service")})
    mistaken.boot()
    mistaken.links = before
    mistaken.wait_booted()
    advice = "systemctl disable nginx.service"
    wait_until(lambda: advice in mistaken.journal("-u", "batond", "-p", "err"), "it says how to mend", 20, step=0.1)
    wait_until(lambda: not cluster.serves(mistaken), "it is stopped", 20, step=0.1)
    assert cluster.wait_settled() is active
    with Probe(cluster.hosts) as probe:
        active.run("systemctl", "stop", "batond")
        wait_until(lambda: probe.active() == [third.name], "the third takes it", lost_limit())
        active.run("systemctl", "start", "batond")
        assert cluster.wait_settled() is third
        assert {a.host for a in probe.seen() if a.served} <= {active, third}
    mistaken.run("systemctl", "disable", "nginx")
    mistaken.run("systemctl", "restart", "batond")
    cluster.wait_settled()
