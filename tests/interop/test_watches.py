"""Watches of all five kinds, on one server and on three: sections 4.2 and 7 of the client protocol.

What one-shot watches do stands in test_wire.py. Here are those that stay, how watches are checked, removed and
set again, and who is told of what. ZooKeeper 3.8 does some of it otherwise (one kind per connection and path,
no zxid, no look at who may read): these tests are about 3.9.
"""
import pytest

from harness.servers import ZOOKEEPER_38
from harness.waiting import wait_until
from harness.wire import (ADD_WATCH, CHECK_WATCHES, CREATE, DELETE, EPHEMERAL, EXISTS, GET_DATA, MARSHALLING,
                          MODE_PERSISTENT, MODE_RECURSIVE, MULTI, NO_WATCHER, NODE_CHILDREN_CHANGED, NODE_CREATED,
                          NODE_DATA_CHANGED, NODE_DELETED, OK, REMOVE_WATCHES, SET_ACL, SET_DATA, SET_WATCHES,
                          SET_WATCHES2, SYNC_CONNECTED, WATCH_ANY, WATCH_CHILDREN, WATCH_DATA, WATCH_PERSISTENT,
                          WATCH_RECURSIVE, XID_SET_WATCHES, Client, Event, acls, boolean, buf, create_body, i32, i64,
                          multi_body, strings, ustr)

SEQUENTIAL_TYPES = (WATCH_CHILDREN, WATCH_DATA, WATCH_PERSISTENT, WATCH_RECURSIVE)
NULL = i32(-1)


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    if ours == ZOOKEEPER_38:
        pytest.skip("3.8 keeps watches in another way")
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
def writer(cluster):
    """Somebody else, at another server where there is one."""
    with Client(cluster.leader().address) as made:
        yield made


@pytest.fixture
def root(writer, client, request):
    made = writer.create("/" + "".join(c if c.isalnum() else "-" for c in request.node.name))
    client.sync()
    return made


def events(client, *expected):
    """Asserts that just these came, in this order, all of transactions; returns their zxids."""
    client.sync()
    got = [client.events.popleft() for _ in range(len(client.events))]
    assert [(e.type, e.path) for e in got] == list(expected), got
    assert all(e.state == SYNC_CONNECTED for e in got), got
    return [e.zxid for e in got]


# --- what they tell ---------------------------------------------------------------------------

def test_persistent_watch_tells_everything_of_its_node(client, writer, root):
    a = root + "/a"
    client.add_watch(a, MODE_PERSISTENT)
    for _ in range(2):
        writer.create(a)
        created = writer.exists(a).czxid
        changed = writer.set_data(a, b"x").mzxid
        writer.create(a + "/b")
        writer.create(a + "/b/c")
        writer.set_data(a + "/b", b"x")
        writer.delete(a + "/b/c")
        unchild = writer.delete(a + "/b")
        child = writer.exists(a).pzxid
        deleted = writer.delete(a)
        zxids = events(client, (NODE_CREATED, a), (NODE_DATA_CHANGED, a), (NODE_CHILDREN_CHANGED, a),
                       (NODE_CHILDREN_CHANGED, a), (NODE_DELETED, a))
        assert child == unchild and zxids[:2] + zxids[3:] == [created, changed, unchild, deleted]


def test_recursive_watch_tells_of_all_below_but_not_of_children(client, writer, root):
    a = root + "/a"
    client.add_watch(root, MODE_RECURSIVE)
    for _ in range(2):
        writer.create(a)
        writer.create(a + "/b")
        writer.set_data(a + "/b", b"x")
        writer.set_data(root, b"x")
        writer.create(root + "x")               # a name that only begins like the watched one
        writer.delete(root + "x")
        writer.delete(a + "/b")
        writer.delete(a)
        events(client, (NODE_CREATED, a), (NODE_CREATED, a + "/b"), (NODE_DATA_CHANGED, a + "/b"),
               (NODE_DATA_CHANGED, root), (NODE_DELETED, a + "/b"), (NODE_DELETED, a))


def test_recursive_watch_of_the_root_tells_of_all(client, writer, root):
    client.add_watch("/", MODE_RECURSIVE)
    writer.create(root + "/a")
    writer.set_data("/", b"")
    events(client, (NODE_CREATED, root + "/a"), (NODE_DATA_CHANGED, "/"))


def test_one_copy_however_many_watches_match(client, writer, root):
    """7.3: the path is that of the node, and the one-shot watch is used up with the others' copy."""
    a = root + "/a"
    writer.create(a)
    client.sync()
    for path in ("/", root, a):
        client.add_watch(path, MODE_RECURSIVE)
    for path in (root, a):
        client.add_watch(path, MODE_PERSISTENT)
        client.get_data(path, watch=True)
        client.get_children(path, watch=True)
    writer.delete(a)
    events(client, (NODE_DELETED, a), (NODE_CHILDREN_CHANGED, root))
    assert client.check_watches(a, WATCH_DATA) == client.check_watches(a, WATCH_CHILDREN) == NO_WATCHER
    assert client.check_watches(root, WATCH_CHILDREN) == NO_WATCHER
    assert client.check_watches(root, WATCH_DATA) == OK
    writer.create(a)
    events(client, (NODE_CREATED, a), (NODE_CHILDREN_CHANGED, root))


def test_persistent_watches_tell_before_the_reply(client, root):
    """7.5: and a multi's in its order."""
    client.add_watch(root, MODE_RECURSIVE)
    client.submit(MULTI, multi_body((CREATE, create_body(root + "/a")), (SET_DATA, ustr(root + "/a") + buf(b"x") + i32(-1)),
                                    (DELETE, ustr(root + "/a") + i32(-1))))
    got = [client.read_message() for _ in range(4)]
    assert [type(m) for m in got] == [Event] * 3 + [type(got[3])]
    assert [m.type for m in got[:3]] == [NODE_CREATED, NODE_DATA_CHANGED, NODE_DELETED]
    assert {m.zxid for m in got} == {got[3].zxid} and got[3].err == OK


def test_end_of_a_session_tells_of_its_ephemerals(cluster, client, root):
    owner = Client(cluster.leader().address)
    owner.create(root + "/e", flags=EPHEMERAL)
    client.sync()
    client.add_watch(root, MODE_RECURSIVE)
    owner.close_session()
    assert client.next_event()[:3] == (NODE_DELETED, SYNC_CONNECTED, root + "/e")


# --- adding, checking, removing ---------------------------------------------------------------

@pytest.mark.parametrize("path", ["/nowhere", "", "no//path/", "/\x00", None])
def test_any_path_can_be_watched(client, path):
    """7.2: nothing is checked, not even that there is a path."""
    body = NULL if path is None else ustr(path)
    for mode, kind in ((MODE_PERSISTENT, WATCH_PERSISTENT), (MODE_RECURSIVE, WATCH_RECURSIVE)):
        assert client.error_of(CHECK_WATCHES, body + i32(kind)) == NO_WATCHER
        assert client.request(ADD_WATCH, body + i32(mode))[2:] == (OK, i32(0))
        assert client.error_of(CHECK_WATCHES, body + i32(kind)) == OK
    assert client.error_of(CHECK_WATCHES, body + i32(WATCH_ANY)) == OK
    assert client.error_of(CHECK_WATCHES, body + i32(WATCH_DATA)) == NO_WATCHER
    assert client.error_of(REMOVE_WATCHES, body + i32(WATCH_ANY)) == OK
    assert client.error_of(REMOVE_WATCHES, body + i32(WATCH_ANY)) == NO_WATCHER


def test_unknown_modes_and_types_and_short_bodies(client):
    """4.2, 5.1: -5, header only, and nothing is set."""
    cases = [(ADD_WATCH, ustr("/x") + i32(n)) for n in (-1, 2, 3)]
    for op in (CHECK_WATCHES, REMOVE_WATCHES):
        cases += [(op, ustr("/x") + i32(n)) for n in (-1, 0, 6, 7)]
    for op in (ADD_WATCH, CHECK_WATCHES, REMOVE_WATCHES):
        cases += [(op, b""), (op, ustr("/x")), (op, i32(5) + b"/x" + i32(1))]
    for op, body in cases:
        assert client.request(op, body)[2:] == (MARSHALLING, b""), (op, body)
    assert client.check_watches("/x", WATCH_ANY) == NO_WATCHER


@pytest.mark.parametrize("removed", SEQUENTIAL_TYPES)
def test_each_kind_is_removed_by_itself(client, writer, root, removed):
    """7.3, removeWatches of 3.9."""
    client.get_data(root, watch=True)
    client.get_children(root, watch=True)
    client.add_watch(root, MODE_PERSISTENT)
    client.add_watch(root, MODE_RECURSIVE)
    assert [client.check_watches(root, kind) for kind in SEQUENTIAL_TYPES] == [OK] * 4
    assert client.remove_watches(root, removed) == OK
    assert client.remove_watches(root, removed) == NO_WATCHER
    assert [client.check_watches(root, kind) for kind in SEQUENTIAL_TYPES] == [
        NO_WATCHER if kind == removed else OK for kind in SEQUENTIAL_TYPES]
    writer.set_data(root, b"x")
    writer.create(root + "/a")
    below = [] if removed == WATCH_RECURSIVE else [(NODE_CREATED, root + "/a")]
    events(client, (NODE_DATA_CHANGED, root), *below, (NODE_CHILDREN_CHANGED, root))
    assert client.remove_watches(root, WATCH_ANY) == OK
    assert client.check_watches(root, WATCH_ANY) == NO_WATCHER
    writer.set_data(root, b"y")
    writer.delete(root + "/a")
    events(client)


def test_other_connections_watches_are_their_own(address, client, writer, root):
    client.add_watch(root, MODE_PERSISTENT)
    with Client(address) as other:
        assert other.check_watches(root, WATCH_ANY) == NO_WATCHER
        assert other.remove_watches(root, WATCH_PERSISTENT) == NO_WATCHER
    writer.set_data(root, b"x")
    events(client, (NODE_DATA_CHANGED, root))


def test_requests_about_watches_keep_their_place(client, root):
    """9: behind the writes before them."""
    set_data = ustr(root) + buf(b"x") + i32(-1)
    client.submit(SET_DATA, set_data)
    client.submit(ADD_WATCH, ustr(root) + i32(MODE_PERSISTENT))
    client.submit(SET_DATA, set_data)
    client.submit(REMOVE_WATCHES, ustr(root) + i32(WATCH_PERSISTENT))
    client.submit(SET_DATA, set_data)
    got = [client.read_message() for _ in range(6)]
    assert [isinstance(m, Event) for m in got] == [False, False, True, False, False, False]


# --- setting them again -----------------------------------------------------------------------

def test_watches_do_not_outlive_the_connection_and_are_set_again(address, writer, root):
    """7.2, 7.4: persistent ones are registered and nothing else, whatever happened."""
    with Client(address) as first:
        first.add_watch(root, MODE_RECURSIVE)
        first.add_watch(root, MODE_PERSISTENT)
        seen = first.sync() and first.ping().zxid
    writer.create(root + "/a")
    with Client(address, session=first.session) as second:
        second.sync()
        assert second.check_watches(root, WATCH_ANY) == NO_WATCHER
        assert second.set_watches2(seen, persistent=[root], recursive=[root]).err == OK
        assert [second.check_watches(root, kind) for kind in SEQUENTIAL_TYPES] == [NO_WATCHER, NO_WATCHER, OK, OK]
        events(second)
        writer.set_data(root + "/a", b"x")
        writer.delete(root + "/a")
        events(second, (NODE_DATA_CHANGED, root + "/a"), (NODE_DELETED, root + "/a"), (NODE_CHILDREN_CHANGED, root))


def test_set_watches2_tells_what_was_missed_before_its_reply(client, writer, root):
    """7.4: in the order of the lists, of no transaction."""
    seen = client.ping().zxid
    writer.create(root + "/new")
    client.sync()
    client.submit(SET_WATCHES2, i64(seen) + strings([root + "/gone", root]) + strings([root + "/new"])
                  + strings([root, root + "/new"]) + strings([root + "/new"]) + strings([root]), xid=XID_SET_WATCHES)
    got = [client.read_message() for _ in range(5)]
    assert [(m.type, m.path, m.zxid) for m in got[:4]] == [
        (NODE_DELETED, root + "/gone", -1), (NODE_CREATED, root + "/new", -1),
        (NODE_CHILDREN_CHANGED, root, -1), (NODE_CHILDREN_CHANGED, root + "/new", -1)]
    assert (got[4].xid, got[4].err, got[4].body) == (XID_SET_WATCHES, OK, b"")
    assert client.check_watches(root, WATCH_DATA) == OK


def test_null_in_set_watches_ends_it_where_it_stands(client, root):
    """Trap 19: an error after what came before has been done; watches that look for no node may have no path."""
    none = strings([])
    gone = root + "/gone"
    assert client.error_of(SET_WATCHES, i64(0) + NULL + strings([gone]) + none) == MARSHALLING
    assert client.check_watches(gone, WATCH_ANY) == NO_WATCHER
    assert client.error_of(SET_WATCHES, i64(0) + strings([gone]) + strings([gone]) + NULL) == MARSHALLING
    assert client.next_event() == (NODE_DELETED, SYNC_CONNECTED, gone, -1)
    assert client.remove_watches(gone, WATCH_DATA) == OK
    body = i64(0) + none + i32(3) + ustr(gone) + NULL + ustr(gone + "2") + none
    assert client.error_of(SET_WATCHES, body) == MARSHALLING
    assert (client.remove_watches(gone, WATCH_DATA), client.check_watches(gone + "2", WATCH_DATA)) == (OK, NO_WATCHER)
    assert client.error_of(SET_WATCHES2, i64(0) + none * 3 + NULL + strings([gone])) == MARSHALLING
    assert client.check_watches(gone, WATCH_ANY) == NO_WATCHER
    assert client.error_of(SET_WATCHES2, i64(0) + none * 3 + i32(1) + NULL + i32(2) + NULL + ustr(gone)) == OK
    assert client.check_watches(gone, WATCH_RECURSIVE) == OK
    for kind in (WATCH_PERSISTENT, WATCH_RECURSIVE):
        assert client.error_of(REMOVE_WATCHES, NULL + i32(kind)) == OK
    assert client.error_of(SET_WATCHES2, i64(0) + none * 3) == MARSHALLING


def test_set_watches_does_not_look_at_who_may_read(address, writer, root):
    """7.4: unlike with events of transactions."""
    private = root + "/private"
    seen = writer.ping().zxid
    writer.create(private, acl=[(30, "world", "anyone"), (1, "ip", "127.0.0.9")])
    with Client(address) as client:
        client.sync()
        client.set_watches(seen, exist=[private], data=[private])
        assert [e[:3] for e in client.events] == [(NODE_DATA_CHANGED, 3, private), (NODE_CREATED, 3, private)]


# --- who is told ------------------------------------------------------------------------------

READER = "127.0.0.9"
PRIVATE = ((30, "world", "anyone"), (1, "ip", READER))


@pytest.fixture
def reader(address):
    """The one who may read what is private."""
    with Client(address, source=READER) as made:
        yield made


def test_events_are_for_those_who_may_read(client, reader, writer, root):
    """7.3: the node's list, or the parent's for its children; used up without a word."""
    private = root + "/private"
    for each in (client, reader):
        each.sync()
        each.add_watch(root, MODE_PERSISTENT)
        each.add_watch(private, MODE_PERSISTENT)
        each.exists(private, watch=True)
    writer.create(private, acl=PRIVATE)
    writer.set_data(private, b"x")
    writer.create(private + "/c")
    writer.delete(private + "/c")
    writer.delete(private)
    events(client, (NODE_CHILDREN_CHANGED, root), (NODE_CHILDREN_CHANGED, root))
    events(reader, (NODE_CREATED, private), (NODE_CHILDREN_CHANGED, root), (NODE_DATA_CHANGED, private),
           (NODE_CHILDREN_CHANGED, private), (NODE_CHILDREN_CHANGED, private), (NODE_DELETED, private),
           (NODE_CHILDREN_CHANGED, root))
    assert client.check_watches(private, WATCH_DATA) == NO_WATCHER


def test_recursive_watchers_see_only_what_they_may_read(client, reader, writer, root):
    for each in (client, reader):
        each.sync()
        each.add_watch(root, MODE_RECURSIVE)
    writer.create(root + "/a", acl=PRIVATE)
    writer.create(root + "/a/b")                # open, below one that is not
    writer.set_data(root + "/a", b"x")
    events(client, (NODE_CREATED, root + "/a/b"))
    events(reader, (NODE_CREATED, root + "/a"), (NODE_CREATED, root + "/a/b"), (NODE_DATA_CHANGED, root + "/a"))


def test_lists_count_as_they_were_at_the_change(client, writer, root):
    """Also where the same transaction, or the next one, replaces them."""
    a = root + "/a"
    writer.create(a, acl=PRIVATE)
    client.sync()
    client.add_watch(root, MODE_RECURSIVE)
    writer.multi((DELETE, ustr(a) + i32(-1)), (CREATE, create_body(a)))
    writer.multi((DELETE, ustr(a) + i32(-1)), (CREATE, create_body(a, acl=PRIVATE)))
    assert writer.error_of(SET_ACL, ustr(a) + acls(((31, "world", "anyone"),)) + i32(-1)) == OK
    writer.set_data(a, b"x")
    events(client, (NODE_CREATED, a), (NODE_DELETED, a), (NODE_DATA_CHANGED, a))


# --- figures ----------------------------------------------------------------------------------

def test_watches_are_counted_and_go_with_their_connection(cluster, address, root):
    """`watch_count` counts a path once per table and connection, whatever the kinds."""
    server = next(s for s in cluster if s.address == address)

    def count():
        return int(server.monitor()["watch_count"])

    wait_until(lambda: count() == 0, 10, "no watches left by the tests before")
    with Client(address) as client:
        client.get_data(root, watch=True)
        client.add_watch(root, MODE_PERSISTENT)
        client.add_watch(root, MODE_RECURSIVE)
        assert count() == 2
        client.add_watch(root + "/deep", MODE_RECURSIVE)
        assert count() == 3
        assert client.remove_watches(root, WATCH_PERSISTENT) == OK
        assert count() == 2
    wait_until(lambda: count() == 0, 10, "watches go with their connection")
