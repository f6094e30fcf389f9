"""Containers and nodes with a time to live in ensembles of baton and Apache ZooKeeper: made through a member of
either kind, swept by a leader of either kind, kept in files that either kind reads.

Sources: the client protocol, 6.1 and 6.2; the storage format, 3, 4 and 7 (digests).
"""
import subprocess

import pytest

from conftest import need
from harness import jars
from harness.servers import BATON, ZOOKEEPER_38, ZOOKEEPER_39
from harness.tree import assert_equal_trees
from harness.waiting import wait_until
from harness.wire import (CREATE, CREATE_CONTAINER, CREATE_TTL, DELETE_CONTAINER, MULTI, OK, UNIMPLEMENTED, Client,
                          Disconnected, buf, create_body, i64, multi_body, multi_results, ustr)

CONTAINER, TTL = 4, 5
LONG_MS = 10**9
SETTINGS = {
    # Java needs longer than a tick of 200 ms lets it on two busy cores.
    "tick_time": 400, "init_limit": 25, "sync_limit": 10, "snap_count": 40,
    "java_properties": ["-Dzookeeper.extendedTypesEnabled=true", "-Dznode.container.checkIntervalMs=50"],
    "baton_extra": {"extended_types": "yes", "container_check_interval": "50"},
}


@pytest.fixture
def zookeepers():
    """One of either version."""
    return need(ZOOKEEPER_38), need(ZOOKEEPER_39)


def ttl_body(path, ttl_ms):
    return create_body(path, b"t", TTL) + i64(ttl_ms)


def make_special(server, root):
    """Through `server`: one of each kind that goes, and one of each that stays."""
    with Client(server.address) as client:
        client.create(root)
        for op, body in ((CREATE_TTL, ttl_body(root + "/brief", 300)), (CREATE_TTL, ttl_body(root + "/long", LONG_MS)),
                         (CREATE_CONTAINER, create_body(root + "/never-used", flags=CONTAINER)),
                         (CREATE_CONTAINER, create_body(root + "/empty", flags=CONTAINER)),
                         (CREATE_CONTAINER, create_body(root + "/full", flags=CONTAINER)),
                         (CREATE, create_body(root + "/full/child")), (CREATE, create_body(root + "/empty/child"))):
            assert client.error_of(op, body) == OK, (op, body)
        results = client.multi((CREATE_TTL, ttl_body(root + "/long-multi", LONG_MS)),
                               (CREATE, create_body(root + "/empty-multi", flags=CONTAINER)),
                               (CREATE, create_body(root + "/empty-multi/child")),
                               (CREATE_TTL, ttl_body(root + "/brief-multi", 300)))
        assert [err for _, err, _ in results] == [OK] * 4
        client.delete(root + "/empty/child")
        client.delete(root + "/empty-multi/child")
        client.close_session()


STAYS = ["full", "long", "long-multi", "never-used"]


def wait_swept(ensemble, root):
    def is_swept():
        return all(children(server, root) == STAYS for server in ensemble.running())
    wait_until(is_swept, 15, lambda: "%s is swept: %s" % (root, [children(s, root) for s in ensemble.running()]))


def children(server, path):
    with Client(server.address, timeout_ms=30000) as client:
        client.sync()
        return sorted(client.get_children(path))


def assert_same_everywhere(ensemble):
    assert_equal_trees(ensemble)
    for server in ensemble.running():
        assert server.monitor().get("digest_mismatches_count") == "0", server
        assert "digest differs" not in server.log_text()


def exercise(ensemble, name):
    for server in ensemble.running():
        make_special(server, "/%s-%d" % (name, server.sid))
    for server in ensemble.running():
        wait_swept(ensemble, "/%s-%d" % (name, server.sid))
    assert_same_everywhere(ensemble)


def formatted(version, folder, path):
    """What ZooKeeper's own formatter makes of a snapshot: ephemeralOwner as stored, by path."""
    done = subprocess.run([*jars.java_command(version, folder), "org.apache.zookeeper.server.SnapshotFormatter",
                           str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=True)
    owners, at = {}, None
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("/"):
            at = line
        elif "ephemeralOwner" in line:
            owners[at] = int(line.split()[-1], 16)
    return owners


def test_either_kind_sweeps_what_was_made_through_either(lab, ours, zookeepers, tmp_path):
    old, new = zookeepers
    ensemble = lab.ensemble({1: old, 2: new, 3: ours}, **SETTINGS)
    ensemble.start(2, 3)
    ensemble.start(1)
    assert ensemble[3].mode() == "leader"
    exercise(ensemble, "first")
    # A leader of the other kind goes on with what the first one left.
    with Client(ensemble[1].address) as client:
        client.call(CREATE_TTL, ttl_body("/left", 4000))
        client.close_session()
    ensemble[3].stop()
    assert ensemble.wait_leader().sid == 2
    ensemble.start(3)
    exercise(ensemble, "second")
    wait_until(lambda: "left" not in children(ensemble[3], "/"), 15, "/left is swept")
    ensemble.stop()
    check_files(ensemble, tmp_path)
    swap_files(ensemble)


def check_files(ensemble, folder):
    """3.9's formatter on the newest snapshot that each kind wrote."""
    for sid in (2, 3):
        owners = formatted("3.9", folder, ensemble[sid].snapshot_files()[-1])
        assert owners["/first-1/long"] == 0xFF << 56 | LONG_MS
        assert owners["/first-2/never-used"] == 1 << 63
        assert owners["/first-3/full/child"] == 0


def swap_files(ensemble):
    """Each on what the other wrote."""
    kinds = {1: ensemble[3].kind, 2: ensemble[1].kind, 3: ensemble[2].kind}
    for sid, kind in kinds.items():
        ensemble[sid].kind = kind
    ensemble.start()
    with Client(ensemble.wait_leader().address) as client:
        client.delete("/first-1/full/child")
        client.close_session()
    wait_until(lambda: all("full" not in children(server, "/first-1") for server in ensemble), 15,
               "a container of before is swept")
    assert_same_everywhere(ensemble)


def test_a_client_that_deletes_containers_by_itself(lab, only_baton, zookeepers):
    """4.2. A ZooKeeper that follows forwards it: the leader says no, and the client hears of it."""
    ensemble = lab.ensemble({1: zookeepers[1], 3: BATON}, **SETTINGS)
    ensemble.start()
    assert ensemble[3].mode() == "leader"
    with Client(ensemble[1].address) as client:
        client.create("/plain")
        assert client.error_of(DELETE_CONTAINER, buf(b"/plain")) == UNIMPLEMENTED
        assert client.exists("/plain") is not None
        client.close_session()
    assert_same_everywhere(ensemble)


def test_nodes_with_a_time_outlive_a_server_without_extended_types(lab, only_baton):
    """6.1: a ZooKeeper takes them for ephemerals whose session is gone, and deletes them when it begins to lead."""
    ensemble = lab.ensemble({1: BATON}, **SETTINGS)
    ensemble.start()
    with Client(ensemble[1].address) as client:
        client.call(CREATE_TTL, ttl_body("/brief", 2000))
        client.close_session()
    ensemble.settings.baton_extra = {"container_check_interval": "50"}
    mark = ensemble[1].log_mark()
    ensemble.restart(1)
    assert "extended_types is off" in ensemble[1].log_text(mark)
    with Client(ensemble[1].address) as client:
        stat = client.exists("/brief")
        client.create("/brief/child")
        client.delete("/brief/child")
        assert stat.ephemeral_owner == 0
        written = client.set_data("/brief", b"x").mtime
        wait_until(lambda: client.set_data("/", b"").mtime > written + 2500, 10, "its time is over", interval=0.1)
        assert client.exists("/brief") is not None
        client.close_session()
    ensemble.settings.baton_extra = SETTINGS["baton_extra"]
    ensemble.restart(1)
    wait_until(lambda: children(ensemble[1], "/") == ["zookeeper"], 10, "it is swept")
