"""A running ZooKeeper ensemble becomes a baton ensemble, server by server, and goes back again.

Live clients see it only as lost connections: every session stays, every acknowledged write stays,
every ephemeral stays, nobody's view goes back in time.
"""
import threading

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.retry import KazooRetry

from harness import wire
from harness.tree import assert_equal_trees, differences
from harness.writer import SteadyWriter, Write, final_data, mixed_writes

TIMES = {"tick_time": 400, "init_limit": 25, "sync_limit": 10}
SESSION_TIMEOUT_S = 30
KAZOO_CLIENTS = 3
WRITES_PER_STEP = 400
OLD_DATA = 1500                         # nodes that are there before anything moves


class Bystander:
    """A kazoo client that holds an ephemeral and a data watch, as a service would."""

    def __init__(self, ensemble, name):
        self.path = "/live/%s" % name
        self.lost = threading.Event()
        self.seen = []
        self.zk = KazooClient(ensemble.hosts(), timeout=SESSION_TIMEOUT_S, connection_retry=KazooRetry(
            max_tries=-1, delay=0.05, max_delay=0.5))
        self.zk.add_listener(lambda state: state == KazooState.LOST and self.lost.set())
        self.zk.start(timeout=30)
        self.session = self.zk.client_id[0]
        self.zk.retry(self.zk.create, self.path, b"here", ephemeral=True, makepath=True)
        self.zk.DataWatch("/live-step", lambda data, stat: self.seen.append(data))

    def check(self):
        assert not self.lost.is_set(), "%s lost its session" % self.path
        stat = self.zk.retry(self.zk.exists, self.path)
        assert stat and stat.ephemeralOwner == self.session == self.zk.client_id[0]

    def end(self):
        self.zk.stop()
        self.zk.close()


def with_old_data(ensemble):
    """Data of an earlier life: enough for logs and several snapshots (snap_count is small)."""
    with wire.Client(ensemble.wait_leader().address, timeout=30.0) as client:
        client.create("/old")
        client.create("/live-step", b"start")
        client.carry_out((wire.CREATE, wire.create_body("/old/%04d" % n, b"old %d" % n)) for n in range(OLD_DATA))
        client.close_session()


def test_three_servers_become_ours_and_go_back(lab, ours, theirs):
    ensemble = lab.ensemble({1: theirs, 2: theirs, 3: theirs}, snap_count=300, **TIMES)
    ensemble.start()
    with_old_data(ensemble)
    bystanders = [Bystander(ensemble, "k%d" % n) for n in range(KAZOO_CLIENTS)]
    writes = [Write("create", "/w", b"")] + mixed_writes("/w", 5 * WRITES_PER_STEP, 2 * WRITES_PER_STEP)
    writer = SteadyWriter(ensemble.addresses(), writes, SESSION_TIMEOUT_S * 1000, limit=WRITES_PER_STEP)
    writer.start()
    try:
        steps = [(sid, ours) for sid in (1, 2, 3)] + [(sid, theirs) for sid in (2, 3, 1)]
        for n, (sid, kind) in enumerate(steps):
            writer.allow((n + 2) * WRITES_PER_STEP)
            writer.wait_acked(n * WRITES_PER_STEP + WRITES_PER_STEP // 2, 60)
            ensemble.restart(sid, kind)
            step = b"step %d" % n
            bystanders[0].zk.retry(bystanders[0].zk.set, "/live-step", step)
            for bystander in bystanders:
                bystander.check()
        writer.finish(120)
        for bystander in bystanders:
            bystander.check()
            bystander.zk.sync("/live-step")
            assert bystander.zk.get("/live-step")[0] == b"step 5"
        for bystander in bystanders:
            assert bystander.seen[-1] == b"step 5", bystander.seen
        tree = assert_equal_trees(ensemble)
    finally:
        writer.stop()
        for bystander in bystanders:
            bystander.end()
    assert len(set(writer.sessions)) == 1
    expected = final_data(writes)
    expected.update({"/old/%04d" % n: b"old %d" % n for n in range(OLD_DATA)})
    missing = [path for path, data in expected.items() if path not in tree or tree[path].data != data]
    assert not missing, "acknowledged writes are missing: %s" % missing[:20]
    assert {"/live/k%d" % n for n in range(KAZOO_CLIENTS)} <= set(tree)


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_whole_ensemble_changes_kind_at_once(lab, ours, zookeeper, crash):
    """All down, all up as the other kind, and back: epochs, logs and snapshots suffice."""
    ensemble = lab.ensemble({1: zookeeper, 2: zookeeper, 3: zookeeper}, snap_count=300, **TIMES)
    ensemble.start()
    with_old_data(ensemble)
    holder = wire.Client(ensemble[1].address, timeout_ms=40000)
    holder.create("/ephemeral", flags=wire.EPHEMERAL)
    before = assert_equal_trees(ensemble)
    for turn, kind in enumerate((ours, zookeeper)):
        for server in ensemble:
            server.kill() if crash else server.stop()
            server.kind = kind
        ensemble.start()
        found = differences(before, assert_equal_trees(ensemble))
        assert not found, "\n".join(found)
        with wire.Client(ensemble[2].address, session=holder.session) as resumed:
            assert resumed.exists("/ephemeral").ephemeral_owner == holder.session.id
            resumed.create("/turn-%d" % turn)
        before = assert_equal_trees(ensemble)
    holder.close()
