"""Three hosts without servers of their own, at an ensemble of Apache ZooKeeper; and the demo, at either."""
import re
import subprocess
import sys
import time

import pytest

from harness import contract
from harness.cluster import BUILD, ROOT, Cluster, now, wait_moved
from harness.hosts import wait_until
from harness.probe import Probe
from harness.zookeeper import JARS, Ensemble

DEMO_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def zookeeper(network, home):
    if not all(jar.exists() for jar in JARS):
        pytest.exit("Debian's package `zookeeper` is missing: ./dev setup installs it", 1)
    ensemble = Ensemble(network, home)
    try:
        ensemble.start()
        yield ensemble
    finally:
        ensemble.close()


@pytest.fixture(scope="module")
def cluster(network, tree, home, zookeeper):
    c = Cluster(network, home, tree, connect=zookeeper.connect())
    try:
        c.boot()
        c.enable()
        c.wait_settled()
        yield c
    finally:
        c.close()


def demo(network, home, *arguments):
    """The demo in the hosts' network. Its processes are in a namespace of their own, which ends with it; the shell is
    that one's PID 1 and reaps what the killed nodes leave."""
    process = network.popen(
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "env", "BATON_BUILD=%s" % BUILD,
        "TMPDIR=%s" % home,         "sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-B", str(ROOT / "tests" / "demo" / "demo.py"), *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = process.communicate(timeout=DEMO_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, out
    rows = re.findall(r"^(\d+) +(\d+\.\d+) s$", out[out.index("FAILOVER  AWAY"):], re.M)
    assert len(rows) >= 3, out
    return out


def test_the_demo_with_servers_of_its_own(network, home):
    demo(network, home, "--for", "30")


def test_the_demo_at_an_ensemble_elsewhere(network, home, zookeeper):
    """Before the hosts come: its nodes have the same names."""
    demo(network, home, "--for", "10", "--connect", zookeeper.connect())


def test_three_members_one_active(cluster):
    active = cluster.wait_settled()
    status = cluster.json(active, "status")
    assert sorted(status["members"]) == ["n1", "n2", "n3"]
    assert set(cluster.children(active)) == {"batond", "agent", "nginx", "motd"}     # no engine
    assert "active: web" in active.out("systemctl", "status", "--no-pager", "batond")
    check = cluster.ctl(active, "check")
    assert check.returncode == 0 and check.stdout.startswith("BATON OK"), check.stdout


def test_configuration_reaches_all_hosts(cluster):
    active = cluster.wait_settled()
    text = "hello %d" % time.time_ns()
    began = now()
    cluster.ctl(active, "set", "/baton/config/nginx/motd", text)
    for host in cluster.hosts:
        wait_until(lambda: host.path("/etc/nginx/motd").read_text() == text, "%s has it" % host.name, 5)
    assert now() - began <= 1.0


def test_power_loss_moves_the_service(cluster):
    active = cluster.wait_settled()
    promised = contract.promised(cluster, active)
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.lose_power()
        other, took = wait_moved(probe, active, began, 30)
        contract.assert_kept("power loss, Apache's ensemble", took, promised["lost_worst"], contract.start_of(other))
        cluster.come_back(active)
        assert cluster.wait_settled() is other
        assert probe.overlaps() == []


def test_the_loss_of_a_server_moves_nothing(cluster, zookeeper):
    active = cluster.wait_settled()
    pid = active.out("systemctl", "show", "-P", "MainPID", "nginx").strip()
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        zookeeper.leader().kill()
        wait_until(zookeeper.leader, "another one leads", 20, step=0.1)
        time.sleep(contract.promised(cluster, active)["lost_worst"])        # nothing announces that nothing happens
        assert cluster.wait_settled() is active
        assert active.out("systemctl", "show", "-P", "MainPID", "nginx").strip() == pid
        assert {a.host for a in probe.seen(began) if a.served} == {active}
