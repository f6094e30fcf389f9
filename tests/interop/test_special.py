"""Container and TTL nodes and what sweeps them, and the reads about many nodes at a time: byte by byte on
one server and on three, then among ZooKeeper's own servers.

Sources: the client protocol, sections 4.2, 4.3, 5.3, 6.1 and 6.2. What is asserted is what ZooKeeper 3.9.5
does: all of it runs against that too (--ours zookeeper-3.9).
"""
import time

import pytest

from harness.waiting import wait_until
from harness.wire import (BAD_ARGUMENTS, CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL, DELETE, DELETE_CONTAINER,
                          EPHEMERAL, EPHEMERAL_SEQUENTIAL, GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_DATA,
                          GET_EPHEMERALS, INVALID_ACL, MARSHALLING, MULTI, MULTI_READ, NO_AUTH, NO_NODE, NODE_CREATED,
                          NODE_DELETED, NODE_EXISTS, OK, PERSISTENT, RUNTIME_INCONSISTENCY, SEQUENTIAL, SET_DATA,
                          SYNC_CONNECTED, UNIMPLEMENTED, Client, Reader, boolean, buf, create_body, i32, i64,
                          multi_body, multi_results, ustr)

CONTAINER, TTL, TTL_SEQUENTIAL = 4, 5, 6        # create flags
TTL_MAX = 0xFFFFFFFFFF
NEVER = 10**9                                   # a time to live that no test sees the end of

# Sweeps that a test can wait for.
SWEEPING = {"java_properties": ["-Dzookeeper.extendedTypesEnabled=true", "-Dznode.container.checkIntervalMs=50"],
            "baton_extra": {"extended_types": "yes", "container_check_interval": "50"}}


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)}, **SWEEPING)
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def address(cluster):
    """A server that does not lead, where there is one."""
    return (cluster.followers() or [cluster.leader()])[0].address


@pytest.fixture
def client(address):
    with Client(address) as made:
        yield made


@pytest.fixture
def root(client, request):
    return client.create("/" + "".join(c if c.isalnum() else "-" for c in request.node.name))


# --- multiRead: 4.3 ---------------------------------------------------------------------------

def read_op(op, path, watch=False):
    return (op, ustr(path) + boolean(watch))


def test_multi_read_answers_each_by_itself(client, root):
    client.create(root + "/a", b"data")
    client.create(root + "/secret", b"x", acl=((31, "digest", "u:p"),))
    reply = client.request(MULTI_READ, multi_body(
        read_op(GET_DATA, root + "/a"), read_op(GET_DATA, root + "/none"),
        read_op(GET_CHILDREN, root), read_op(GET_CHILDREN, root + "/secret"), read_op(GET_DATA, "no path")))
    assert (reply.err, reply.zxid) == (OK, client.ping().zxid)
    data, none, children, refused, odd = multi_results(reply.body)
    assert data == (GET_DATA, OK, (b"data", client.exists(root + "/a")))
    assert none == (-1, NO_NODE, NO_NODE) and odd == none
    assert children[:2] == (GET_CHILDREN, OK) and sorted(children[2]) == ["a", "secret"]
    assert refused == (-1, NO_AUTH, NO_AUTH)


def test_empty_multi_read(client):
    reply = client.request(MULTI_READ, multi_body())
    assert (reply.err, multi_results(reply.body)) == (OK, [])


def test_multi_read_sets_no_watch(client, root):
    client.request(MULTI_READ, multi_body(read_op(GET_DATA, root, True), read_op(GET_CHILDREN, root, True)))
    client.set_data(root, b"new")
    client.create(root + "/child")
    client.no_event()


@pytest.mark.parametrize("ops", [
    [read_op(GET_DATA, "/"), (DELETE, ustr("/nope") + i32(-1))],
    [(DELETE, ustr("/nope") + i32(-1)), read_op(GET_DATA, "/")],
    [(3, ustr("/") + boolean(False))],                          # exists
    [(GET_DATA, ustr("/"))],                                    # a byte is missing
], ids=["read-then-write", "write-then-read", "exists", "short"])
def test_multi_read_of_what_it_cannot_hold_fails_as_a_whole(client, ops):
    reply = client.request(MULTI_READ, multi_body(*ops))
    assert (reply.err, reply.body) == (MARSHALLING, b"")
    client.ping()


@pytest.mark.parametrize("op", [(CREATE, create_body("/mr")), (DELETE, ustr("/mr") + i32(-1)),
                                (SET_DATA, ustr("/") + ustr("x") + i32(-1))],
                         ids=["create", "delete", "setData"])
def test_writes_in_a_multi_read_come_with_the_empty_results(client, op):
    reply = client.request(MULTI_READ, multi_body(op))
    assert (reply.err, multi_results(reply.body)) == (MARSHALLING, [])
    assert client.exists("/mr") is None


def test_null_path_in_a_multi_read_ends_it(client, root):
    reply = client.request(MULTI_READ, multi_body(read_op(GET_CHILDREN, root), read_op(GET_DATA, None),
                                                  read_op(GET_CHILDREN, root)))
    assert reply.err == MARSHALLING
    assert multi_results(reply.body) == [(GET_CHILDREN, OK, [])]


# --- getEphemerals: 4.2 -----------------------------------------------------------------------

def ephemerals(client, prefix):
    return sorted(Reader(client.call(GET_EPHEMERALS, ustr(prefix)).body).strings())


def test_ephemerals_are_the_sessions_own(client, address, root):
    client.create(root + "/a", flags=EPHEMERAL)
    client.create(root + "/ab", flags=EPHEMERAL, acl=((31, "digest", "u:p"),))
    client.create(root + "/lasting")
    with Client(address) as other:
        other.create(root + "/other", flags=EPHEMERAL)
        assert ephemerals(other, "/") == [root + "/other"]
    both = [root + "/a", root + "/ab"]
    for everything in (None, "", " \t", "/", " /\n", root, root + "/", root[:5]):
        assert ephemerals(client, everything) == both, everything
    assert ephemerals(client, root + "/ab") == both[1:]
    for nothing in (root + "/ab/", "a", " " + root, "//", "\u2003"):
        assert ephemerals(client, nothing) == [], nothing
    assert client.error_of(GET_EPHEMERALS, b"\x00") == MARSHALLING


# --- getAllChildrenNumber: 4.2 ----------------------------------------------------------------

def descendants(client, path):
    return Reader(client.call(GET_ALL_CHILDREN_NUMBER, ustr(path)).body).i32()


def test_all_children_number_counts_every_depth(client, root):
    before = descendants(client, "/")
    for path in ("/a", "/a/b", "/a/b/c", "/d", "/a/b/e"):
        client.create(root + path)
    assert descendants(client, root) == 5 and descendants(client, root + "/a") == 3
    assert descendants(client, root + "/d") == 0
    assert descendants(client, "/") == before + 5
    assert descendants(client, "") == before + 6
    client.delete(root + "/a/b/c")
    assert descendants(client, root) == 4


def test_all_children_number_of_what_cannot_be_read(client, root):
    client.create(root + "/secret", acl=((4, "world", "anyone"),))
    assert client.error_of(GET_ALL_CHILDREN_NUMBER, ustr(root + "/secret")) == NO_AUTH
    for path in (root + "/none", root + "/", "a", "//"):
        assert client.error_of(GET_ALL_CHILDREN_NUMBER, ustr(path)) == NO_NODE
    assert client.error_of(GET_ALL_CHILDREN_NUMBER, ustr(None)) == MARSHALLING


# --- createTTL: 5.3, 6.1 ----------------------------------------------------------------------

def ttl_body(path, ttl, flags=TTL, data=b"", **more):
    return create_body(path, data, flags, **more) + i64(ttl)


def created(reply):
    """What create2 and its like answer."""
    assert reply.err == OK
    r = Reader(reply.body)
    path, stat = r.ustr(), r.stat()
    assert r.at_end()
    return path, stat


@pytest.mark.parametrize("ttl", [1, NEVER, TTL_MAX])
def test_ttl_node_looks_like_any_other(client, root, ttl):
    path, stat = created(client.request(CREATE_TTL, ttl_body(root + "/t", ttl, data=b"abc")))
    assert path == root + "/t"
    assert (stat.ephemeral_owner, stat.version, stat.data_length, stat.num_children) == (0, 0, 3, 0)
    assert stat.czxid == stat.mzxid == stat.pzxid and stat.ctime == stat.mtime
    if ttl != 1:
        assert client.exists(path) == stat
        assert client.exists(root).pzxid == stat.czxid


def test_sequential_ttl_nodes_and_their_children(client, root):
    first, _ = created(client.request(CREATE_TTL, ttl_body(root + "/t-", NEVER, TTL_SEQUENTIAL)))
    second, _ = created(client.request(CREATE_TTL, ttl_body(root + "/t-", NEVER, TTL_SEQUENTIAL)))
    assert (first, second) == (root + "/t-0000000000", root + "/t-0000000001")
    client.create(first + "/child", flags=EPHEMERAL)
    assert client.get_children(first) == ["child"]


@pytest.mark.parametrize("flags, ttl, err", [
    (TTL, 0, BAD_ARGUMENTS), (TTL, -1, BAD_ARGUMENTS), (TTL, TTL_MAX + 1, BAD_ARGUMENTS),
    (TTL_SEQUENTIAL, 0, BAD_ARGUMENTS), (PERSISTENT, 1000, BAD_ARGUMENTS), (EPHEMERAL, 0, BAD_ARGUMENTS),
    (CONTAINER, 1, BAD_ARGUMENTS), (7, 1000, BAD_ARGUMENTS), (-1, 1000, BAD_ARGUMENTS),
])
def test_ttl_out_of_bounds_or_out_of_place(client, root, flags, ttl, err):
    """5.3 rows 1 to 3."""
    assert client.error_of(CREATE_TTL, ttl_body(root + "/t", ttl, flags)) == err
    assert client.exists(root + "/t") is None


@pytest.mark.parametrize("op", [CREATE, CREATE2, CREATE_CONTAINER])
@pytest.mark.parametrize("flags", [TTL, TTL_SEQUENTIAL])
def test_ttl_flags_without_a_ttl(client, root, op, flags):
    assert client.error_of(op, create_body(root + "/t", flags=flags)) == BAD_ARGUMENTS


def test_order_of_a_ttl_creates_checks(client, root):
    """5.3: time, path, ACL, parent, permission, strict path, node."""
    client.create(root + "/there")
    client.create(root + "/closed", acl=((1, "world", "anyone"),))
    for path, ttl, acl, err in (
            ("no-slash", 0, None, BAD_ARGUMENTS), ("no-slash", 5, None, BAD_ARGUMENTS),
            (root + "/none/t", 5, (), INVALID_ACL), (root + "/none/t", 5, None, INVALID_ACL),
            (root + "/closed/t", 5, ((31, "world", "anyone"),), NO_AUTH),
            (root + "/none/t", 5, ((31, "world", "anyone"),), NO_NODE),
            (root + "/there/", 5, ((31, "world", "anyone"),), BAD_ARGUMENTS),
            (root + "/there", 5, ((31, "world", "anyone"),), NODE_EXISTS)):
        assert client.error_of(CREATE_TTL, ttl_body(path, ttl, acl=acl)) == err, (path, ttl)


def test_ttl_create_without_its_last_field(client, root, only_baton):
    """1. A ZooKeeper that follows forwards it, and its ensemble is stuck from then on."""
    assert client.error_of(CREATE_TTL, create_body(root + "/t", flags=TTL)) == MARSHALLING


def test_ttl_nodes_in_a_multi(client, root):
    ok = client.multi((CREATE_TTL, ttl_body(root + "/a", NEVER)),
                      (CREATE, create_body(root + "/a/b")),
                      (CREATE_TTL, ttl_body(root + "/a/s-", NEVER, TTL_SEQUENTIAL)))
    assert [kind for kind, _, _ in ok] == [CREATE2, CREATE, CREATE2]
    assert ok[2][2][0] == root + "/a/s-0000000001" and ok[0][2][1].ephemeral_owner == 0
    assert client.multi((CREATE, create_body(root + "/c")), (CREATE_TTL, ttl_body(root + "/d", 0))) == [
        (-1, OK, OK), (-1, BAD_ARGUMENTS, BAD_ARGUMENTS)]
    assert client.exists(root + "/c") is None


@pytest.mark.parametrize("op", [CREATE, CREATE2, CREATE_CONTAINER])
def test_ttl_flags_without_a_ttl_in_a_multi(client, root, op):
    reply = client.request(MULTI, multi_body((op, create_body(root + "/t", flags=TTL))))
    assert (reply.err, reply.body) == (MARSHALLING, b"")


# --- containers: 4.2, 5.3 ---------------------------------------------------------------------

@pytest.mark.parametrize("flags, name", [(CONTAINER, "c"), (SEQUENTIAL, "c0000000000")])
def test_create_container(client, root, flags, name):
    path, stat = created(client.request(CREATE_CONTAINER, create_body(root + "/c", b"x", flags)))
    assert (path, stat.ephemeral_owner) == (root + "/" + name, 0)
    assert client.exists(path) == stat
    client.create(path + "/child", flags=EPHEMERAL)
    client.create(path + "/child2")
    client.delete(path + "/child2")


def test_containers_in_a_multi(client, root):
    results = client.multi((CREATE_CONTAINER, create_body(root + "/a", flags=CONTAINER)),
                           (CREATE, create_body(root + "/b", flags=CONTAINER)),
                           (CREATE, create_body(root + "/a/child")))
    assert [kind for kind, _, _ in results] == [CREATE2, CREATE2, CREATE]
    client.delete(root + "/a/child")
    for name in "ab":
        client.create(root + "/" + name + "/x")
        client.delete(root + "/" + name + "/x")
        gone(client, root + "/" + name)


def test_container_is_no_parent_of_its_own_error(client, root):
    """5.3: the same checks as any create."""
    client.create(root + "/there")
    for path, acl, err in ((root + "/there", ((31, "world", "anyone"),), NODE_EXISTS),
                           (root + "/none/c", ((31, "world", "anyone"),), NO_NODE), ("", None, BAD_ARGUMENTS),
                           (root + "/none/c", (), INVALID_ACL)):
        assert client.error_of(CREATE_CONTAINER, create_body(path, flags=CONTAINER, acl=acl)) == err
    assert client.error_of(CREATE_CONTAINER, create_body(root + "/c", flags=8)) == BAD_ARGUMENTS


# --- sweeps: 6.2 ------------------------------------------------------------------------------

def gone(client, path, timeout=10):
    def is_gone():
        client.sync()
        return client.exists(path) is None
    wait_until(is_gone, timeout, path + " is swept")


def stays(client, path, sweeps=4):
    """So many sweeps of others' later it is still there."""
    for n in range(sweeps):
        other = "%s-sweep-%d" % (path, n)
        client.request(CREATE_CONTAINER, create_body(other, flags=CONTAINER))
        client.create(other + "/x")
        client.delete(other + "/x")
        gone(client, other)
    assert client.exists(path) is not None


def make_container(client, path):
    client.call(CREATE_CONTAINER, create_body(path, flags=CONTAINER))


def make_ttl(client, path, ttl_ms):
    client.call(CREATE_TTL, ttl_body(path, ttl_ms))


def test_container_goes_with_its_last_child(client, root):
    make_container(client, root + "/c")
    client.create(root + "/c/a")
    client.create(root + "/c/b")
    client.delete(root + "/c/a")
    stays(client, root + "/c")
    client.exists(root + "/c", watch=True)
    client.get_children(root, watch=True)
    client.delete(root + "/c/b")
    event = client.next_event()
    assert (event.type, event.state, event.path) == (NODE_DELETED, SYNC_CONNECTED, root + "/c")
    assert client.next_event().path == root
    assert client.get_children(root) == []


def test_container_that_was_never_used_stays(client, root):
    make_container(client, root + "/c")
    stays(client, root + "/c")


def test_ttl_node_goes_when_its_time_is_over(client, root):
    began = time.monotonic()
    make_ttl(client, root + "/t", 800)
    client.exists(root + "/t", watch=True)
    event = client.next_event()
    assert (event.type, event.path) == (NODE_DELETED, root + "/t")
    assert 0.8 <= time.monotonic() - began < 8


def test_writing_a_ttl_node_starts_its_time_anew(client, root):
    make_ttl(client, root + "/t", 700)
    for _ in range(3):
        time.sleep(0.3)                 # time is what is tested
        client.set_data(root + "/t", b"x")
    written = time.monotonic()
    gone(client, root + "/t")
    assert time.monotonic() - written > 0.65


def test_ttl_node_with_a_child_stays(client, root):
    make_ttl(client, root + "/t", 1)
    # It may have gone already: then anew.
    wait_until(lambda: client.error_of(CREATE, create_body(root + "/t/child")) == OK
               or make_ttl(client, root + "/t", 100), 10, "a child in time", interval=0)
    stays(client, root + "/t")
    client.delete(root + "/t/child")
    gone(client, root + "/t")


def test_nested_containers_go_one_after_the_other(client, root):
    path = root
    for _ in range(4):
        path += "/c"
        make_container(client, path)
    client.create(path + "/x")
    client.delete(path + "/x")
    gone(client, root + "/c", timeout=20)


def test_delete_container_is_not_for_clients(client, root, only_baton):
    """4.2: a ZooKeeper deletes any node for it, without an ACL."""
    reply = client.request(DELETE_CONTAINER, buf(root.encode()))
    assert (reply.err, reply.body) == (UNIMPLEMENTED, b"")
    client.expect_close()


# --- without extended types -------------------------------------------------------------------

@pytest.fixture(scope="module")
def plain(module_lab, ours):
    """A server with its defaults."""
    ensemble = module_lab.ensemble({1: ours})
    ensemble.start()
    yield ensemble[1].address
    ensemble.stop()


def test_ttl_without_extended_types(plain):
    """5.3 row 2: before any look at the time, but after the flags."""
    with Client(plain) as client:
        for op, body in ((CREATE_TTL, ttl_body("/t", 1000)), (CREATE_TTL, ttl_body("no-slash", 0)),
                         (CREATE_TTL, ttl_body("/t", -5, TTL_SEQUENTIAL)), (CREATE, create_body("/t", flags=TTL)),
                         (CREATE2, create_body("/t", flags=TTL_SEQUENTIAL))):
            assert client.error_of(op, body) == UNIMPLEMENTED
        assert client.error_of(CREATE_TTL, ttl_body("/t", 1000, flags=9)) == BAD_ARGUMENTS
        assert client.error_of(CREATE_TTL, ttl_body("/t", 1000, flags=PERSISTENT)) == BAD_ARGUMENTS
        assert client.multi((CREATE, create_body("/c")), (CREATE_TTL, ttl_body("/t", 1000)),
                            (CREATE, create_body("/d"))) == [
            (-1, OK, OK), (-1, UNIMPLEMENTED, UNIMPLEMENTED), (-1,) + 2 * (RUNTIME_INCONSISTENCY,)]
        reply = client.request(MULTI, multi_body((CREATE, create_body("/t", flags=TTL))))
        assert (reply.err, reply.body) == (MARSHALLING, b"")
