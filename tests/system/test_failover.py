"""The main job, on three machines that really boot systemd, with real nginx."""
import json
import re
import time

from harness import contract
from harness.cluster import lost_limit, now, wait_moved
from harness.hosts import wait_until
from harness.probe import Probe


def test_three_members_one_leader_one_active(cluster):
    active = cluster.wait_settled()
    status = cluster.json(active, "status")
    assert sorted(status["members"]) == ["n1", "n2", "n3"]
    assert status["leader"] in status["members"]
    lines = {h.name: h.out("systemctl", "status", "--no-pager", "batond") for h in cluster.hosts}
    assert all("active (running)" in text for text in lines.values())
    assert all("of 3" in text for text in lines.values()), lines
    assert re.search(r'Status: "(leader|follower) of 3, active: web"', lines[active.name]), lines
    assert [h.name for h in cluster.hosts if cluster.serves(h)] == [active.name]
    check = cluster.ctl(active, "check")
    assert check.returncode == 0 and check.stdout.startswith("BATON OK"), check.stdout

# daemon/common/events.h
EVENT_GROUP_ACTIVE = "aa54f1ab814843cfb9e243c0bf12f10b"
EVENT_CHILD_STARTED = "ec52d38b6dae4314b185bfde6054a675"


def journal_entries(host, *match):
    return [json.loads(line) for line in host.out("journalctl", "-o", "json", *match).splitlines()]


def test_the_journal_tells_who_and_what(cluster):
    active = cluster.wait_settled()
    taken, = journal_entries(active, "MESSAGE_ID=" + EVENT_GROUP_ACTIVE)[-1:]
    assert (taken["BATON_NODE"], taken["BATON_GROUP"]) == (active.name, "web")
    holder = json.loads(cluster.ctl(active, "get", "/baton/groups/web/holder").stdout)
    assert holder["node"] == active.name and int(taken["BATON_TOKEN"]) > 0
    assert {e["BATON_NODE"] for e in journal_entries(active, "BATON_GROUP=web")} == {active.name}
    assert {e["SYSLOG_IDENTIFIER"] for e in journal_entries(active, "BATON_PLUGIN=nginx")} >= {"baton-worker"}
    started = journal_entries(active, "MESSAGE_ID=" + EVENT_CHILD_STARTED, "BATON_CHILD=engine")
    assert started and all(e["SYSLOG_IDENTIFIER"] == "batond" for e in started)


def test_only_batond_and_its_root_workers_are_root(cluster):
    active = cluster.wait_settled()
    user = {name: active.out("ps", "-o", "user=", "-p", str(pid)).strip() for name, pid in cluster.children(active).items()}
    assert user == {"batond": "root", "engine": "baton", "agent": "baton", "nginx": "baton", "motd": "root"}


def test_power_loss_moves_the_service_once(cluster):
    active = cluster.wait_settled()
    promised = contract.promised(cluster, active)
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.lose_power()
        other, took = wait_moved(probe, active, began, 30)
        contract.assert_kept("power loss", took, promised["lost_worst"], contract.start_of(other))
        assert cluster.ctl(other, "check", check=False).returncode in (1, 2)     # a member is missing
        cluster.come_back(active)
        assert cluster.wait_settled() is other
        assert not cluster.serves(active)
        assert probe.overlaps() == []


def test_stopping_batond_moves_the_service_at_once(cluster):
    active = cluster.wait_settled()
    promised = contract.promised(cluster, active)
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.run("systemctl", "stop", "batond")
        assert not cluster.serves(active)
        other, took = wait_moved(probe, active, began, 30)
        contract.assert_kept("systemctl stop", probe.away(began)[0], promised["moved_worst"], contract.start_of(other))
        assert probe.away(began)[0] <= 1.0 + contract.stop_of(active) + contract.start_of(other)
        active.run("systemctl", "start", "batond")
        assert cluster.wait_settled() is other
        assert probe.overlaps() == []


def test_shutting_down_the_machine_moves_the_service_at_once(cluster):
    active = cluster.wait_settled()
    promised = contract.promised(cluster, active)
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.run("systemctl", "poweroff", "--no-block")
        other, _ = wait_moved(probe, active, began, 30)
        # Until the poweroff's jobs begin the service runs on: the silence counts, not the time since the command.
        contract.assert_kept("systemctl poweroff", probe.away(began)[0], promised["moved_worst"],
                             contract.start_of(other))
        active.wait_off()
        cluster.come_back(active)
        assert cluster.wait_settled() is other
        assert probe.overlaps() == []


def test_restarting_batond_moves_nothing(cluster):
    active = cluster.wait_settled()
    before = active.out("systemctl", "show", "-P", "MainPID", "nginx").strip()
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.run("systemctl", "restart", "batond")
        print("systemctl restart: %.2f s" % (now() - began))
        assert cluster.wait_settled() is active
        time.sleep(lost_limit())        # the time in which another host would have taken it: nothing announces "not"
        assert active.out("systemctl", "show", "-P", "MainPID", "nginx").strip() == before
        assert {a.host.name for a in probe.seen(began) if a.served} == {active.name}
        assert probe.away(began)[0] < 0.5


def test_configuration_reaches_all_hosts(cluster):
    active = cluster.wait_settled()
    other = next(h for h in cluster.hosts if h is not active)
    text = "hello %d" % time.time_ns()
    reloads = lambda h: h.journal("-u", "nginx").count("Reloaded nginx")
    before = {h.name: reloads(h) for h in cluster.hosts}
    began = now()
    cluster.ctl(other, "set", "/baton/config/nginx/motd", text)
    for host in cluster.hosts:
        wait_until(lambda: host.path("/etc/nginx/motd").read_text() == text, "%s has it" % host.name, 5)
    took = now() - began
    print("configuration: on all hosts after %.2f s" % took)
    assert took <= 1.0
    wait_until(lambda: reloads(active) == before[active.name] + 1, "reloaded on the active host", 10, step=0.1)
    cluster.ctl(active, "set", "/baton/config/nginx/motd", text)       # the same again: nothing to do
    cluster.ctl(active, "set", "/baton/config/nginx/other", "x")       # behind it in order, so it was seen
    cluster.ctl(active, "get", "/baton/config/nginx/other")
    time.sleep(1.0)                                                     # nothing announces that nothing happens
    after = {h.name: reloads(h) - before[h.name] for h in cluster.hosts}
    assert after == {h.name: int(h is active) for h in cluster.hosts}


def test_a_service_that_fails_again_and_again_is_given_up(cluster):
    active = cluster.wait_settled()
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        broken = active.path("/etc/nginx/sites-enabled/default")
        text = broken.read_text()
        broken.write_text("this is no configuration\n")
        active.run("systemctl", "kill", "--signal=KILL", "nginx")
        other, took = wait_moved(probe, active, began, 30)
        print("broken nginx: served by %s after %.2f s" % (other.name, took))
        shown = cluster.ctl(other, "groups").stdout
        assert active.name in shown and "nginx" in shown, shown
        broken.write_text(text)
        assert probe.overlaps() == []
        cluster.wait_settled()


def test_a_unit_started_by_hand_on_standby_is_stopped(cluster):
    active = cluster.wait_settled()
    standby = next(h for h in cluster.hosts if h is not active)
    standby.run("systemctl", "start", "nginx", check=False)     # its start may be called off while it waits
    wait_until(lambda: not cluster.serves(standby), "stopped again", 10)
    wait_until(lambda: "nginx" in standby.journal("-u", "batond", "-p", "warning"), "it was said", 10)
    assert cluster.wait_settled() is active
