"""Container and TTL nodes and what sweeps them, and the reads about many nodes at a time: byte by byte on
one server and on three, then among ZooKeeper's own servers.

Sources: the client protocol, sections 4.2, 4.3, 5.3, 6.1 and 6.2. What is asserted is what ZooKeeper 3.9.5
does: all of it runs against that too (--ours zookeeper-3.9).
"""
import pytest

from harness.wire import (CREATE, DELETE, EPHEMERAL, GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_DATA,
                          GET_EPHEMERALS, MARSHALLING, MULTI_READ, NO_AUTH, NO_NODE, OK, SET_DATA, Client,
                          Reader, boolean, create_body, i32, multi_body, multi_results, ustr)


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)})
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
