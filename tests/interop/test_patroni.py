"""Patroni's own code for ZooKeeper, three nodes of it without PostgreSQL: who initializes, who leads, who takes over.

Patroni is fetched by pip at first use (clients/patroni.txt); without a registry the tests are skipped.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clients import kazoo_suite
from harness.dialogue import Dialogue
from harness.jars import BUILD
from harness.waiting import wait_until

HERE = Path(__file__).resolve().parent
WANTED = HERE / "clients" / "patroni.txt"
FETCH_TIMEOUT_S = 300
NAMES = ("pg1", "pg2", "pg3")
TTL_S = 5


@pytest.fixture(scope="module")
def patroni():
    """The directory that holds Patroni."""
    place = BUILD / "patroni"
    mark = place / WANTED.name
    if not mark.exists() or mark.read_bytes() != WANTED.read_bytes():
        shutil.rmtree(place, ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--no-compile",
             "--root-user-action", "ignore", "--target", str(place), "-r", str(WANTED)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False)
        if done.returncode != 0:
            shutil.rmtree(place, ignore_errors=True)
            pytest.skip("Patroni cannot be had here: %s" % done.stdout.decode("utf-8", "replace")[-500:])
        shutil.copy(WANTED, mark)
    return place


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)})
    ensemble.start()
    yield ensemble
    ensemble.stop()


class Node(Dialogue):
    def __init__(self, name, hosts, path, log):
        super().__init__([sys.executable, HERE / "clients" / "patroni_node.py", name, hosts], log,
                         environment={"PYTHONPATH": path})
        self.name = name

    def ready(self):
        assert json.loads(self.heard()) == "ready"

    def begin(self, *words):
        self.tell(json.dumps(words))

    def end(self):
        return json.loads(self.heard())

    def ask(self, *words):
        self.begin(*words)
        return self.end()


def race(nodes, *words):
    """Asks all at the same time. Returns those that were told yes."""
    for node in nodes:
        node.begin(*words)
    return [node for node, answer in [(node, node.end()) for node in nodes] if answer is True]


@pytest.fixture
def nodes(cluster, patroni, tmp_path):
    package, _ = kazoo_suite.find()
    path = os.pathsep.join([str(patroni), str(package)])
    made = [Node(name, cluster.hosts(), path, tmp_path / (name + ".log")) for name in NAMES]
    for node in made:
        node.ready()
    yield made
    made[0].close()
    for node in made[1:]:
        node.close()


def sees(node, **expected):
    """Waits until the node's view has these values, and returns it."""
    def as_expected():
        state = node.ask("cluster")
        return state if all(state.get(key) == value for key, value in expected.items()) else None
    return wait_until(as_expected, 10, lambda: "%s sees %s, not %s" % (node.name, node.ask("cluster"), expected))


def test_a_cluster_of_patroni_lives_and_fails_over(nodes, cluster):
    # One of them initializes the cluster, and gives it its identity.
    chosen = race(nodes, "initialize", True, "")
    assert len(chosen) == 1
    assert chosen[0].ask("initialize", False, "7000000000000000001") is not False
    for node in nodes:
        node.ask("cluster")
        assert node.ask("touch_member", {"conn_url": "postgres://%s" % node.name, "state": "running"}) is True
    for node in nodes:
        sees(node, initialize="7000000000000000001", members=list(NAMES), leader=None)

    # One leads, and says how far it is.
    leaders = race(nodes, "attempt_to_acquire_leader")
    assert len(leaders) == 1
    leader = leaders[0]
    others = [node for node in nodes if node is not leader]
    sees(leader, leader=leader.name)
    assert leader.ask("update_leader", 4711) is True
    for node in others:
        sees(node, leader=leader.name, last_lsn=4711)

    # Configuration, history and the state of synchronous replication are written by version.
    assert leader.ask("set_config_value", json.dumps({"ttl": TTL_S})) is True
    assert leader.ask("set_config_value", json.dumps({"ttl": 6}), 0) is True
    version = sees(others[0], config={"ttl": 6})["config_version"]
    assert version == 1
    assert others[0].ask("set_config_value", json.dumps({"ttl": 7}), 9) is False
    assert leader.ask("set_history_value", json.dumps([[1, 4711, "no recovery target specified"]])) is True
    synced = leader.ask("write_sync_state", leader.name, [others[0].name], None)
    assert isinstance(synced, int)
    sees(others[1], sync=[leader.name, others[0].name], history=[[1, 4711, "no recovery target specified"]])
    assert others[1].ask("write_sync_state", others[1].name, [], synced + 5) is None

    # A switchover by hand: the leader sees the request, and its standbys wake when it goes.
    assert others[0].ask("manual_failover", leader.name, others[1].name) is True
    sees(leader, failover=[leader.name, others[1].name])
    waiting = sees(others[1], leader=leader.name)
    others[1].begin("watch", waiting["leader_version"], 30)
    assert leader.ask("delete_leader") is True
    assert others[1].end() is True
    sees(others[1], leader=None)
    assert others[1].ask("attempt_to_acquire_leader") is True
    assert others[1].ask("manual_failover", "", "") is True
    leader, others = others[1], [node for node in nodes if node is not others[1]]
    for node in nodes:
        sees(node, leader=leader.name, failover=None)


def test_patroni_keeps_its_leader_over_the_kill_of_zookeepers_and_loses_a_dead_one(nodes, cluster):
    for node in nodes:
        node.ask("cluster")
        assert node.ask("touch_member", {"conn_url": "postgres://%s" % node.name}) is True
    # The one of the test before is gone with its session.
    sees(nodes[0], leader=None)
    leader = race(nodes, "attempt_to_acquire_leader")[0]
    others = [node for node in nodes if node is not leader]
    session = leader.ask("session")
    sees(leader, leader=leader.name)

    ours_leads = cluster.leader()
    ours_leads.kill()
    if len(cluster) > 1:
        cluster.wait_leader(other_than=ours_leads)
    ours_leads.start()
    ours_leads.wait_serving()
    wait_until(lambda: leader.ask("session") == session, 2 * TTL_S, "the leader goes on with its session")
    assert leader.ask("update_leader", 4712) is True
    for node in others:
        sees(node, leader=leader.name, last_lsn=4712, members=list(NAMES))

    leader.kill()
    survivor = others[0]
    sees(survivor, leader=None, members=sorted(node.name for node in others))
    assert len(race(others, "attempt_to_acquire_leader")) == 1
    assert survivor.ask("cancel_initialization") is True
    survivor.ask("delete_cluster")
    sees(others[1], initialize=None, leader=None, members=[])
