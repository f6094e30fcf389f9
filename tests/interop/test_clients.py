"""Real clients against one server and against three: kazoo, and the C client library.

What a client sees byte by byte is in test_wire.py; here the servers are used as programs use them.
"""
import os
import queue
import subprocess
import threading
from pathlib import Path

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (BadArgumentsError, BadVersionError, InvalidACLError,
                              NoChildrenForEphemeralsError, NodeExistsError, NoNodeError,
                              NotEmptyError, RolledBackError)
from kazoo.protocol.states import EventType
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from harness import wire
from harness.waiting import wait_until

SESSION_TIMEOUT_S = 10.0
EVENT_TIMEOUT_S = 10.0


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)})
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def connect():
    """Makes started kazoo clients; all are ended with the test."""
    clients = []

    def make(hosts, timeout=SESSION_TIMEOUT_S, **more):
        client = KazooClient(hosts=hosts, timeout=timeout, connection_retry=KazooRetry(
            max_tries=-1, delay=0.02, backoff=1.5, max_delay=0.5), **more)
        clients.append(client)
        client.start(timeout=30)
        return client

    yield make
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def zk(cluster, connect):
    return connect(cluster.hosts())


@pytest.fixture
def root(zk, request):
    path = "/" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    zk.create(path)
    yield path
    zk.delete(path, recursive=True)


# --- data -------------------------------------------------------------------------------------

def test_node_is_created_read_changed_and_deleted(zk, root):
    path, stat = zk.create(root + "/a", b"one", include_data=True)
    assert path == root + "/a"
    assert (stat.version, stat.cversion, stat.dataLength, stat.numChildren) == (0, 0, 3, 0)
    assert zk.get(path) == (b"one", stat)
    changed = zk.set(path, b"three", version=0)
    assert (changed.version, changed.dataLength, changed.czxid) == (1, 5, stat.czxid)
    assert changed.mzxid > stat.mzxid and changed.mtime >= stat.mtime
    assert zk.exists(path) == changed
    zk.delete(path, version=1)
    assert zk.exists(path) is None


def test_errors_are_the_ones_programs_rely_on(zk, root):
    zk.create(root + "/a/b", makepath=True)
    with pytest.raises(NodeExistsError):
        zk.create(root + "/a")
    with pytest.raises(NoNodeError):
        zk.create(root + "/nope/b")
    with pytest.raises(NoNodeError):
        zk.get(root + "/nope")
    with pytest.raises(NoNodeError):
        zk.get_children(root + "/nope")
    with pytest.raises(NotEmptyError):
        zk.delete(root + "/a")
    with pytest.raises(BadVersionError):
        zk.set(root + "/a", b"", version=7)
    with pytest.raises(BadVersionError):
        zk.delete(root + "/a/b", version=7)
    with pytest.raises(InvalidACLError):
        zk.create(root + "/acl", acl=[make_acl("nonsense", "x", all=True)])
    with pytest.raises(BadArgumentsError):
        zk.delete("/zookeeper")
    zk.create(root + "/e", ephemeral=True)
    with pytest.raises(NoChildrenForEphemeralsError):
        zk.create(root + "/e/child")


def test_empty_and_large_data_survive_the_way(zk, root):
    zk.create(root + "/empty", b"")
    assert zk.get(root + "/empty")[0] == b""
    large = os.urandom(900 * 1024)
    zk.create(root + "/large", large)
    assert zk.get(root + "/large")[0] == large
    zk.set(root + "/large", b"small")
    assert zk.get(root + "/large")[0] == b"small"


def test_children_are_listed_with_the_parents_stat(zk, root):
    names = sorted("n%d" % n for n in range(50))
    for name in names:
        zk.create(root + "/" + name)
    zk.delete(root + "/n7")
    children, stat = zk.get_children(root, include_data=True)
    assert sorted(children) == sorted(set(names) - {"n7"})
    assert stat.numChildren == 49 and stat.cversion == 51


def test_open_acl_is_reported(zk, root):
    acls, stat = zk.get_acls(root)
    assert [(a.perms, a.id.scheme, a.id.id) for a in acls] == [(31, "world", "anyone")]
    assert stat.aversion == 0


def test_sequence_numbers_count_every_create(zk, root):
    zk.create(root + "/plain")
    first = zk.create(root + "/s-", sequence=True)
    zk.delete(first)
    second = zk.create(root + "/s-", sequence=True, ephemeral=True)
    assert (first, second) == (root + "/s-0000000001", root + "/s-0000000002")


def test_sequence_numbers_stay_unique_under_many_clients(cluster, connect, zk, root):
    made = []

    def create(client):
        made.extend([client.create(root + "/q-", sequence=True) for _ in range(50)])

    threads = [threading.Thread(target=create, args=(connect(cluster.hosts()),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == [root + "/q-%010d" % n for n in range(200)]


def test_transaction_happens_whole(zk, root):
    zk.create(root + "/guard", b"x")
    t = zk.transaction()
    t.check(root + "/guard", 0)
    t.create(root + "/a", b"1")
    t.set_data(root + "/a", b"2")
    t.create(root + "/a/s-", sequence=True)
    t.delete(root + "/guard")
    results = t.commit()
    assert results[0] is True and results[1] == root + "/a" and results[4] is True
    assert results[3] == root + "/a/s-0000000000"
    assert zk.get(root + "/a")[0] == b"2" and zk.exists(root + "/guard") is None


def test_transaction_happens_not_at_all(zk, root):
    zk.create(root + "/guard", b"x")
    t = zk.transaction()
    t.create(root + "/a")
    t.check(root + "/guard", 9)
    t.create(root + "/b")
    results = t.commit()
    assert [type(r) for r in results][:2] == [RolledBackError, BadVersionError]
    assert zk.get_children(root) == ["guard"]
    assert zk.create(root + "/s-", sequence=True).endswith("s-0000000001")


# --- watches ----------------------------------------------------------------------------------

def test_data_watch_fires_once_for_a_change(cluster, connect, zk, root):
    events = queue.Queue()
    other = connect(cluster.hosts())
    zk.create(root + "/a", b"1")
    other.sync(root)
    other.get(root + "/a", watch=events.put)
    zk.set(root + "/a", b"2")
    event = events.get(timeout=EVENT_TIMEOUT_S)
    assert (event.type, event.path) == (EventType.CHANGED, root + "/a")
    zk.set(root + "/a", b"3")
    other.sync(root)
    assert other.get(root + "/a")[0] == b"3"
    assert events.empty()


def test_exists_watch_sees_creation_change_and_deletion(cluster, connect, zk, root):
    events = queue.Queue()
    other = connect(cluster.hosts())
    path = root + "/a"
    for act, expected in ((lambda: zk.create(path), EventType.CREATED),
                          (lambda: zk.set(path, b"x"), EventType.CHANGED),
                          (lambda: zk.delete(path), EventType.DELETED)):
        other.sync(root)
        other.exists(path, watch=events.put)
        act()
        assert events.get(timeout=EVENT_TIMEOUT_S).type == expected


def test_child_watch_sees_children_come_and_go_and_the_parents_end(cluster, connect, zk, root):
    events = queue.Queue()
    other = connect(cluster.hosts())
    path = root + "/p"
    zk.create(path)
    for act, expected in ((lambda: zk.create(path + "/c"), EventType.CHILD),
                          (lambda: zk.delete(path + "/c"), EventType.CHILD),
                          (lambda: zk.delete(path), EventType.DELETED)):
        other.sync(root)
        other.get_children(path, watch=events.put)
        act()
        assert events.get(timeout=EVENT_TIMEOUT_S).type == expected


def test_every_server_sees_a_write_after_sync(cluster, connect, zk, root):
    for n, server in enumerate(cluster):
        zk.create("%s/%d" % (root, n), b"%d" % n)
        client = connect(server.host)
        client.sync(root)
        assert client.get("%s/%d" % (root, n))[0] == b"%d" % n


def test_kazoo_recipes_work(cluster, connect, zk, root):
    """A lock and an election are what most programs want: both live on sequences and watches."""
    holders = []
    lock_of = [connect(cluster.hosts()).Lock(root + "/lock", "c%d" % n) for n in range(3)]

    def take(lock):
        with lock:
            holders.append(lock)
            assert len(holders) == 1
            holders.remove(lock)

    threads = [threading.Thread(target=lambda lock=lock: [take(lock) for _ in range(10)])
               for lock in lock_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    counter = zk.Counter(root + "/counter")
    counter += 3
    assert counter.value == 3


# --- sessions ---------------------------------------------------------------------------------

def test_ephemeral_lives_as_long_as_its_session(cluster, connect, zk, root):
    owner = connect(cluster.hosts())
    owner.create(root + "/e", ephemeral=True)
    zk.sync(root)
    assert zk.exists(root + "/e").ephemeralOwner == owner.client_id[0]
    gone = threading.Event()
    zk.exists(root + "/e", watch=lambda event: gone.set())
    owner.stop()
    assert gone.wait(EVENT_TIMEOUT_S)
    assert zk.exists(root + "/e") is None


def test_silent_session_expires_with_its_ephemerals(cluster, zk, root):
    """The client says nothing more, as if its machine had died (wire: no pings)."""
    for server in cluster:
        silent = wire.Client(server.address, timeout_ms=400)
        assert silent.timeout_ms == 400
        silent.create(root + "/e", flags=wire.EPHEMERAL)
        silent.sync()
        gone = threading.Event()
        zk.sync(root)
        assert zk.exists(root + "/e", watch=lambda event: gone.set())
        assert gone.wait(EVENT_TIMEOUT_S)
        silent.expect_close()
        silent.close()
        for any_server in cluster:
            with pytest.raises(wire.Expired):
                wire.Client(any_server.address, session=silent.session)


def test_watches_are_set_again_after_a_reconnect(cluster, connect, zk, root):
    """kazoo keeps its recipes' watches over a lost connection; what changed meanwhile is told."""
    watcher = connect(cluster.hosts())
    zk.create(root + "/a", b"1")
    watcher.sync(root)
    seen = queue.Queue()
    watcher.DataWatch(root + "/a", lambda data, stat: seen.put(data))
    assert seen.get(timeout=EVENT_TIMEOUT_S) == b"1"
    watcher._connection._socket.shutdown(2)
    zk.set(root + "/a", b"2")
    wait_until(lambda: seen.get(timeout=EVENT_TIMEOUT_S) == b"2", EVENT_TIMEOUT_S, "the change")


@pytest.fixture
def three(lab, ours):
    """Three servers of this test's own, to be ill-treated."""
    return lab.ensemble({1: ours, 2: ours, 3: ours}).start()


def _client_on(connect, ensemble, server):
    """A client connected to `server`, which knows all servers."""
    rest = [s.host for s in ensemble if s is not server]
    return connect(",".join([server.host] + rest), randomize_hosts=False)


@pytest.mark.parametrize("victim", ["follower", "leader"])
def test_session_survives_the_kill_of_its_server(three, connect, victim):
    leader = three.wait_leader()
    server = leader if victim == "leader" else three.followers()[0]
    client = _client_on(connect, three, server)
    states = queue.Queue()
    client.add_listener(states.put)
    identity = client.client_id
    client.create("/e", b"mine", ephemeral=True)
    server.kill()
    assert states.get(timeout=EVENT_TIMEOUT_S) == KazooState.SUSPENDED
    assert states.get(timeout=20) == KazooState.CONNECTED
    assert client.client_id == identity
    assert client.exists("/e").ephemeralOwner == identity[0]
    client.set("/e", b"still mine")
    server.start()
    server.wait_serving()
    with wire.Client(server.address) as direct:
        direct.sync()
        assert direct.get_data("/e")[0] == b"still mine"


def test_acknowledged_writes_survive_the_kill_of_all(three, connect):
    client = connect(three.hosts(), timeout=30)
    for n in range(200):
        client.create("/n%03d" % n, b"%d" % n)
    client.create("/e", ephemeral=True)
    identity = client.client_id
    for server in three:
        server.kill()
    for server in three:
        server.start()
    for server in three:
        server.wait_serving()
    wait_until(lambda: client.connected, 20, "kazoo is back")
    client.sync("/")
    assert client.client_id == identity and client.exists("/e").ephemeralOwner == identity[0]
    assert [client.get("/n%03d" % n)[0] for n in range(200)] == [b"%d" % n for n in range(200)]


def test_minority_serves_nobody(three):
    leader = three.wait_leader()
    alone = three.followers()[0]
    client = wire.Client(alone.address, timeout_ms=20000)
    for server in three:
        if server is not alone:
            server.kill()
    client.expect_close()
    wait_until(lambda: (alone.word("srvr") or "").startswith("This ZooKeeper instance is not currently"),
               20, "the lone server says that it does not serve")
    assert alone.word("ruok") == "imok"
    with pytest.raises((wire.Disconnected, OSError)):
        wire.Client(alone.address)
    leader.start()
    leader.wait_serving()
    wire.Client(alone.address, session=client.session).close_session()


# --- the C client -----------------------------------------------------------------------------

@pytest.fixture(scope="session")
def c_client(tmp_path_factory):
    """Our C program, compiled against Debian's libzookeeper-mt-dev."""
    if not Path("/usr/include/zookeeper/zookeeper.h").exists():
        pytest.fail("libzookeeper-mt-dev is not installed (./dev setup installs it)")
    program = tmp_path_factory.mktemp("c") / "c_client"
    source = Path(__file__).with_name("c_client.c")
    subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O1", "-DTHREADED",
                    "-I/usr/include/zookeeper", "-o", str(program), str(source),
                    "-lzookeeper_mt"], check=True)
    return program


def test_c_client_gets_all_it_asks_for(cluster, c_client, zk, root):
    done = subprocess.run([str(c_client), "all", cluster.hosts(), root], timeout=60, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    for part in ("data", "ephemeral", "sequence", "watch", "multi", "sync", "errors"):
        assert "ok %s\n" % part in done.stdout, done.stdout


def test_c_client_keeps_its_session_when_its_server_is_killed(three, c_client):
    """The program says where it is connected, waits until it has lost that server and is back,
    and checks its session, ephemeral and watch."""
    hosts = three.hosts()
    with subprocess.Popen([str(c_client), "survive", hosts, "/c"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as program:
        try:
            line = program.stdout.readline()
            assert line.startswith("connected "), line
            port = int(line.split(":")[1])
            next(s for s in three if s.client_port == port).kill()
            assert program.stdout.readline() == "same session\n"
            with wire.Client(three.running()[0].address) as other:
                other.sync()
                other.set_data("/c/watched", b"changed")
            assert program.stdout.readline() == "watch fired\n"
            assert program.wait(20) == 0
        finally:
            program.kill()


def test_apache_command_line_client_connects(cluster, zk, root):
    """Debian's C command line shell, a program we did not write."""
    shell = "/usr/bin/cli_mt" if Path("/usr/bin/cli_mt").exists() else "/usr/lib/zookeeper/bin/cli_mt"
    if not Path(shell).exists():
        pytest.skip("no cli_mt on this machine (package zookeeper-bin)")
    done = subprocess.run([shell, cluster.hosts(), "cmd:create %s/cli" % root], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    zk.sync(root)
    assert zk.exists(root + "/cli"), done.stdout
