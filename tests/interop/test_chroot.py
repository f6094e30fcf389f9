"""Clients whose connect string ends with a path: all they name lies below it, and servers know nothing
of that. Through kazoo, with a quota at the path itself.
"""
import queue

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import EventType

from harness.waiting import wait_until
from harness.wire import CREATE, Client, create_body

EVENT_TIMEOUT_S = 10.0
QUOTA = "/zookeeper/quota"
QUOTA_EXCEEDED = -125


@pytest.fixture(scope="module")
def cluster(module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in (1, 2, 3)},
                                   java_properties=["-Dzookeeper.enforceQuota=true"],
                                   baton_extra={"enforce_quota": "yes"})
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def connect(cluster):
    """Makes started kazoo clients; all are ended with the test."""
    clients = []

    def make(chroot=""):
        client = KazooClient(hosts=cluster.hosts() + chroot)
        clients.append(client)
        client.start(timeout=30)
        return client

    yield make
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def outside(connect):
    return connect()


@pytest.fixture
def chroot(outside, request):
    path = "/" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    outside.create(path)
    return path


def test_paths_are_stripped_and_added(connect, outside, chroot):
    inside = connect(chroot)
    assert inside.create("/a", b"1") == "/a"
    assert inside.create("/a/s-", b"", sequence=True) == "/a/s-0000000000"
    assert inside.create("/e", b"", ephemeral=True) == "/e"
    assert sorted(inside.get_children("/")) == ["a", "e"]
    assert inside.sync("/a") == "/a"
    outside.sync("/")
    assert outside.get(chroot + "/a")[0] == b"1"
    assert outside.exists(chroot + "/e").ephemeralOwner == inside.client_id[0]
    results = inside.transaction()
    results.create("/m", b"")
    results.set_data("/a", b"2")
    results.delete("/a/s-0000000000")
    answers = results.commit()
    assert answers[0] in ("/m", chroot + "/m")      # kazoo gives it as it came
    assert [str(a) for a in answers[2:]] == ["True"]
    inside.stop()
    wait_until(lambda: outside.sync("/") and not outside.exists(chroot + "/e"), 10, "the ephemeral is gone")


def test_events_come_with_the_clients_own_paths(connect, outside, chroot):
    inside = connect(chroot)
    events = queue.Queue()
    assert inside.exists("/a", watch=events.put) is None
    assert inside.get_children("/", watch=events.put) == []
    outside.create(chroot + "/a")
    seen = {(e.type, e.path) for e in (events.get(timeout=EVENT_TIMEOUT_S) for _ in range(2))}
    assert seen == {(EventType.CREATED, "/a"), (EventType.CHILD, "/")}
    inside.get("/a", watch=events.put)
    outside.set(chroot + "/a", b"x")
    assert events.get(timeout=EVENT_TIMEOUT_S)[::2] == (EventType.CHANGED, "/a")
    inside.get("/", watch=events.put)
    outside.delete(chroot + "/a")
    outside.delete(chroot)
    assert events.get(timeout=EVENT_TIMEOUT_S)[::2] == (EventType.DELETED, "/")


def test_a_chroot_that_is_not_there_has_nothing(connect, outside, chroot):
    inside = connect(chroot + "/none")
    assert inside.exists("/") is None
    with pytest.raises(NoNodeError):
        inside.create("/a")
    inside.ensure_path("/")
    inside.create("/a")
    outside.sync("/")
    assert outside.get_children(chroot + "/none") == ["a"]


def test_a_quota_at_the_chroot_holds_its_clients(cluster, connect, outside, chroot):
    outside.create(QUOTA + chroot)
    outside.create(QUOTA + chroot + "/zookeeper_limits", b"count=-1,bytes=-1=;countHardLimit=3")
    outside.create(QUOTA + chroot + "/zookeeper_stats", b"count=0,bytes=0")
    inside = connect(chroot)
    inside.create("/a", b"12")
    inside.create("/q-", b"345", sequence=True)
    wait_until(lambda: outside.sync("/") and outside.get(QUOTA + chroot + "/zookeeper_stats")[0] == b"count=3,bytes=5",
               10, "both are counted")
    # kazoo has no error of that number, and ends its connection.
    with Client(cluster.leader().address) as client:
        assert client.error_of(CREATE, create_body(chroot + "/b")) == QUOTA_EXCEEDED
    assert sorted(inside.get_children("/")) == ["a", "q-0000000001"]
    inside.delete("/a")
    outside.sync("/")
    assert outside.get(QUOTA + chroot + "/zookeeper_stats")[0] == b"count=2,bytes=3"
