"""The client protocol byte by byte, on one server and on three.

Each test's source is the section of the client protocol named in its comment. All of them run
against ZooKeeper too (--ours zookeeper-3.8): what they assert is what the original does.
"""
import socket
import struct

import pytest

from harness import wire
from harness.servers import ZOOKEEPER_38, ZOOKEEPER_39
from harness.waiting import wait_until
from harness.wire import (BAD_ARGUMENTS, BAD_VERSION, CHECK, CREATE, CREATE2, DELETE, EPHEMERAL,
                          EPHEMERAL_SEQUENTIAL, EXISTS, GET_CHILDREN, GET_DATA, INVALID_ACL,
                          MARSHALLING, MULTI, NO_NODE, NODE_CHILDREN_CHANGED, NODE_CREATED,
                          NODE_DATA_CHANGED, NODE_DELETED, NODE_EXISTS, NOT_EMPTY, OK, PING,
                          RUNTIME_INCONSISTENCY, SEQUENTIAL, SET_DATA, SYNC, SYNC_CONNECTED,
                          UNIMPLEMENTED, Client, Disconnected, Expired, Raw, Reader, Session,
                          boolean, buf, connect_frame, create_body, four_letter_word, frame, i32,
                          i64, multi_body, multi_results, password_of, strings, ustr)


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)})
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def address(cluster):
    """A server that does not lead, where there is one: what it answers has gone the longer way."""
    return (cluster.followers() or [cluster.leader()])[0].address


@pytest.fixture
def client(address):
    with Client(address) as made:
        yield made


@pytest.fixture
def root(client, request):
    return client.create("/" + "".join(c if c.isalnum() else "-" for c in request.node.name))


# --- section 2: connecting --------------------------------------------------------------------

@pytest.mark.parametrize("read_only, length", [(False, 37), (None, 36)])
def test_connect_response_has_the_byte_only_if_asked(address, read_only, length):
    """2.3; trap 18."""
    with Raw(address) as raw:
        raw.send(connect_frame(10000, read_only=read_only))
        payload = raw.read_frame()
        version, timeout, session = struct.unpack(">iiq", payload[:16])
        assert len(payload) == length and (version, timeout) == (0, 10000) and session != 0
        assert payload[16:36] == i32(16) + password_of(session)
        assert payload[36:] == (b"\x00" if length == 37 else b"")


@pytest.mark.parametrize("asked, given", [(-5, 400), (0, 400), (100, 400), (7000, 7000),
                                          (10**6, 40000)])
def test_timeout_is_brought_within_bounds(address, asked, given):
    """2.4 step 5."""
    with Client(address, timeout_ms=asked) as client:
        assert client.timeout_ms == given


@pytest.mark.parametrize("password", [None, b"", b"x" * 40])
def test_new_session_may_send_any_password(address, password):
    """2.2."""
    with Client(address, session=Session(0, password)) as client:
        client.ping()


def test_protocol_version_is_not_looked_at(address):
    with Raw(address) as raw:
        payload = bytearray(connect_frame())
        payload[4:8] = i32(99)
        raw.send(bytes(payload))
        assert struct.unpack(">i", raw.read_frame()[:4])[0] == 0


def test_session_ids_carry_the_servers_id(cluster):
    """3.1; a lone ZooKeeper uses 1."""
    for server in cluster:
        with Client(server.address) as a, Client(server.address) as b:
            assert a.session.id >> 56 == (server.sid if len(cluster) > 1 else 1)
            assert a.session.id != b.session.id


def test_requests_may_follow_the_connect_request_at_once(address):
    """2.3: what is pipelined behind the ConnectRequest is kept and handled afterwards."""
    with Raw(address) as raw:
        raw.send(connect_frame() + frame(i32(1) + i32(EXISTS) + ustr("/") + boolean(False))
                 + frame(i32(-2) + i32(PING)))
        assert len(raw.read_frame()) == 37
        assert raw.read_frame()[:4] == i32(1)
        assert raw.read_frame()[:4] == i32(-2)


def test_connect_request_in_many_pieces_is_understood(address):
    with Raw(address) as raw:
        for byte in connect_frame():
            raw.send(bytes([byte]))
        assert len(raw.read_frame()) == 37


def test_client_that_has_seen_more_is_refused(address, client):
    """2.4 step 4: closed without a word, new session or not."""
    seen = client.sync() and client.ping().zxid
    for session in (Session(0, bytes(16)), client.session):
        with Raw(address) as raw:
            raw.send(connect_frame(session=session, last_zxid=seen + 1000))
            raw.expect_close()


def test_session_is_resumed_with_its_password(cluster, client, root):
    """2.4 step 7: same id, same password, perhaps another timeout; any server."""
    client.create(root + "/e", flags=EPHEMERAL)
    for server in cluster:
        with Client(server.address, timeout_ms=5000, session=client.session) as again:
            assert again.session == client.session and again.timeout_ms == 5000
            again.sync()
            assert again.exists(root + "/e").ephemeral_owner == client.session.id
            again.set_data(root + "/e", b"x")


def test_wrong_password_gets_the_empty_response(address):
    """2.4 step 7 and trap 2: 0/0, 16 zero bytes, close; and the old connection is gone already."""
    old = Client(address)
    with Raw(address) as raw:
        raw.send(connect_frame(session=Session(old.session.id, b"\x01" * 16)))
        assert raw.read_frame() == i32(0) + i32(0) + i64(0) + buf(bytes(16)) + b"\x00"
        raw.expect_close()
    old.expect_close()
    with Client(address, session=old.session) as again:
        assert again.session == old.session


def test_unknown_session_gets_the_empty_response(cluster):
    """2.3: never a fresh id (trap 2)."""
    unknown = 0x0100000000123456
    for server in cluster:
        with Raw(server.address) as raw:
            raw.send(connect_frame(session=Session(unknown, password_of(unknown)), read_only=None))
            assert raw.read_frame() == i32(0) + i32(0) + i64(0) + buf(bytes(16))
            raw.expect_close()


def test_moved_session_is_closed_at_its_first_write(cluster, root):
    """2.7: a bare close on the old server; reads there go on until then."""
    if len(cluster) == 1:
        pytest.skip("needs two servers")
    old_server, new_server = list(cluster)[:2]
    with Client(old_server.address) as old:
        old.create(root + "/a")
        with Client(new_server.address, session=old.session) as new:
            new.set_data(root + "/a", b"moved")
            old.sock.settimeout(10)
            with pytest.raises(Disconnected):
                old.set_data(root + "/a", b"stale")
            new.sync()
            assert new.get_data(root + "/a")[0] == b"moved"


def test_resuming_on_the_same_server_closes_the_old_connection(address):
    """2.4 step 7."""
    old = Client(address)
    with Client(address, session=old.session) as new:
        old.expect_close()
        new.ping()


def test_closed_session_is_answered_and_gone(cluster, address, root):
    """2.7: reply, then close; its ephemerals go with it (3.2)."""
    with Client(address) as leaving:
        leaving.create(root + "/e", flags=EPHEMERAL)
        leaving.close_session()
    with pytest.raises(Expired):
        Client(address, session=leaving.session)
    for server in cluster:
        with Client(server.address) as any_client:
            any_client.sync()
            assert any_client.exists(root + "/e") is None


# --- section 1: frames ------------------------------------------------------------------------

@pytest.mark.parametrize("head", [i32(-1), i32(-2**31), i32(wire.MAX_BUFFER + 1), b"abcd",
                                  i32(2**31 - 1), i32(0)])
def test_impossible_frame_length_closes_without_reply(address, head):
    """1, limits; an unknown word is just such a length (2.1). Before and after connecting."""
    with Raw(address) as raw:
        raw.send(head)
        raw.expect_close()
    with Client(address) as client:
        client.send(head)
        client.expect_close()


def test_largest_frame_is_accepted_and_one_more_is_not(client, address, root):
    """1, limits: jute.maxbuffer counts the whole payload."""
    overhead = len(i32(1) + i32(CREATE) + create_body(root + "/big", b""))
    largest = b"x" * (wire.MAX_BUFFER - overhead)
    client.create(root + "/big", largest)
    assert client.get_data(root + "/big")[0] == largest
    with Client(address) as other:
        with pytest.raises((Disconnected, ConnectionError)):
            other.create(root + "/too", largest + b"x")
    assert client.exists(root + "/too") is None


def test_short_header_closes(address):
    with Client(address) as client:
        client.send(frame(b"\x00\x00\x00\x01\x00\x00"))
        client.expect_close()


@pytest.mark.parametrize("op, body", [
    (CREATE, b""), (CREATE, ustr("/x")), (GET_DATA, i32(100) + b"/x"), (SET_DATA, ustr("/x") + i32(-7)),
    (DELETE, ustr("/x")), (EXISTS, i32(2**31 - 1)), (MULTI, i32(CREATE) + boolean(False) + i32(-1))])
def test_undecodable_body_is_answered_and_the_connection_stays(ours, cluster, client, op, body):
    """1, limits: header decodes, body does not: -5, header only."""
    if ours == ZOOKEEPER_39 and len(cluster) > 1:
        pytest.skip("a 3.9 leader never commits anything again after it (quorum protocol 5.1)")
    reply = client.request(op, body)
    assert (reply.err, reply.body) == (MARSHALLING, b"")
    client.ping()


def test_bytes_after_a_record_are_ignored(client):
    reply = client.request(EXISTS, ustr("/") + boolean(False) + b"more than asked")
    assert reply.err == OK


@pytest.mark.parametrize("op", [10, 23, 42, 99, 999, -7, 2**31 - 1])
def test_unknown_opcode_is_answered_and_closed(address, op):
    """2.7 and trap 10: -6 with zxid -1, then close."""
    with Client(address) as client:
        client.submit(op)
        assert client.read_reply() == (1, -1, UNIMPLEMENTED, b"")
        client.expect_close()


@pytest.mark.parametrize("op, body", [(CHECK, ustr("/") + i32(-1)), (-10, i32(10000)), (20, b"/x")])
def test_internal_opcodes_are_refused_from_clients(only_baton, address, op, body):
    """Traps 26 and 27: the original's defects are not copied."""
    with Client(address) as client:
        client.submit(op, body)
        assert client.read_reply() == (1, -1, UNIMPLEMENTED, b"")
        client.expect_close()


# --- section 2.6: headers ---------------------------------------------------------------------

@pytest.mark.parametrize("xid", [0, 7, 2**31 - 1, -3, -99])
def test_any_xid_is_echoed(client, xid):
    assert client.request(EXISTS, ustr("/") + boolean(False), xid=xid).xid == xid


def test_writes_report_their_own_zxid_and_reads_the_last_applied(client, root):
    """2.6; failed writes use a zxid too (trap 15). Others may write meanwhile: expiries do."""
    made = client.request(CREATE, create_body(root + "/a"))
    failed = client.request(CREATE, create_body(root + "/a"))
    assert failed.err == NODE_EXISTS and failed.zxid > made.zxid
    read = client.request(GET_DATA, ustr(root + "/a") + boolean(False))
    assert read.zxid >= failed.zxid
    r = Reader(read.body)
    assert r.buf() == b"" and r.stat().czxid == made.zxid and r.at_end()


def test_ping_keeps_its_place(client, root):
    """3.3: it queues behind the session's earlier requests."""
    xids = [client.submit(CREATE, create_body("%s/n%d" % (root, n))) for n in range(20)]
    client.submit(PING, xid=wire.XID_PING)
    assert [client.read_reply().xid for _ in range(21)] == xids + [wire.XID_PING]


def test_replies_come_in_the_order_of_requests(client, root):
    """9: per session strict FIFO; a read behind a write sees it."""
    asked = []
    for n in range(300):
        path = "%s/n%d" % (root, n)
        asked.append(client.submit(CREATE, create_body(path, b"%d" % n)))
        asked.append(client.submit(GET_DATA, ustr(path) + boolean(False)))
        asked.append(client.submit(SYNC, ustr(path)) if n % 50 == 0 else asked.pop())
    replies = [client.read_reply() for _ in range(len(asked))]
    assert [reply.xid for reply in replies] == asked
    assert all(reply.err == OK for reply in replies)
    zxids = [reply.zxid for reply in replies]
    assert zxids == sorted(zxids)


def test_sync_echoes_any_path(client):
    for path in ("/", "/nowhere", "", "not a path"):
        assert client.sync(path) == path


# --- section 5: errors and their order --------------------------------------------------------

@pytest.mark.parametrize("path, flags, expected", [
    ("/", 0, NODE_EXISTS), ("", 0, BAD_ARGUMENTS), ("nope", 0, BAD_ARGUMENTS), ("a/b", 0, NO_NODE),
    ("{}/a/", 0, BAD_ARGUMENTS), ("{}/nope/", 0, NO_NODE), ("//a", 0, BAD_ARGUMENTS),
    ("{}/a/../b", 0, NO_NODE), ("{}/a/.", 0, BAD_ARGUMENTS), ("{}/a/...", 0, OK),
    ("{}/a\0", 0, BAD_ARGUMENTS), ("{}/\x01", 0, BAD_ARGUMENTS), ("{}/\x7f", 0, BAD_ARGUMENTS),
    ("{}/\ue000", 0, BAD_ARGUMENTS), ("{}/\uffff", 0, BAD_ARGUMENTS), ("{}/\U0001f600", 0, BAD_ARGUMENTS),
    ("{}/\u00e4\u4e2d", 0, OK), ("{}/a/", SEQUENTIAL, OK), ("{}/x", 7, BAD_ARGUMENTS),
    ("{}/x", -1, BAD_ARGUMENTS), ("{}/a", 0, NODE_EXISTS), ("/zookeeper", 0, NODE_EXISTS)])
def test_create_judges_paths_and_flags(client, root, path, flags, expected):
    """5.2 and 5.3, create."""
    client.create(root + "/a")
    assert client.error_of(CREATE, create_body(path.format(root), flags=flags)) == expected


def test_malformed_utf8_in_a_path_is_a_bad_argument(client, root):
    assert client.error_of(CREATE, create_body(root.encode() + b"/\xff\xfe")) == BAD_ARGUMENTS


@pytest.mark.parametrize("acl", [None, (), ((31, "nonsense", "x"),), ((31, "world", "somebody"),)])
def test_unusable_acl_is_judged_before_the_parent(client, root, acl):
    """5.3 steps 6 and 7."""
    assert client.error_of(CREATE, create_body(root + "/no/where", acl=acl)) == INVALID_ACL


def test_ephemerals_have_no_children(client, root):
    client.create(root + "/e", flags=EPHEMERAL)
    body = create_body(root + "/e/c")
    assert client.error_of(CREATE, body) == wire.NO_CHILDREN_FOR_EPHEMERALS


@pytest.mark.parametrize("path, version, expected", [
    ("/", -1, BAD_ARGUMENTS), ("/zookeeper", -1, BAD_ARGUMENTS), ("/zookeeper/quota", -1, BAD_ARGUMENTS),
    ("/zookeeper/config", -1, BAD_ARGUMENTS), ("nope", -1, BAD_ARGUMENTS), ("", -1, BAD_ARGUMENTS),
    ("{}/no/where", -1, NO_NODE), ("{}/nope", -1, NO_NODE), ("{}/a", 5, BAD_VERSION),
    ("{}/a", -1, NOT_EMPTY), ("{}/a/b", 0, OK)])
def test_delete_judges_in_this_order(client, root, path, version, expected):
    """5.3, delete: path, parent, node, version, children."""
    client.create(root + "/a")
    client.create(root + "/a/b")
    assert client.error_of(DELETE, ustr(path.format(root)) + i32(version)) == expected


@pytest.mark.parametrize("path, version, expected", [
    ("{}/", -1, BAD_ARGUMENTS), ("{}//a", -1, BAD_ARGUMENTS), ("{}/./a", -1, BAD_ARGUMENTS),
    ("", -1, BAD_ARGUMENTS), ("{}/nope", -1, NO_NODE), ("{}/a", 3, BAD_VERSION), ("{}/a", 0, OK),
    ("{}/a", -1, OK)])
def test_set_data_judges_in_this_order(client, root, path, version, expected):
    client.create(root + "/a")
    assert client.error_of(SET_DATA, ustr(path.format(root)) + buf(b"") + i32(version)) == expected


@pytest.mark.parametrize("op", [EXISTS, GET_DATA, GET_CHILDREN])
@pytest.mark.parametrize("path", ["{}/", "a", "//", "{}/nope", ""])
def test_reads_of_bad_paths_just_find_nothing(client, root, op, path):
    """5.2: reads validate nothing; trap 20. "" is another name of the root."""
    found = client.error_of(op, ustr(path.format(root)) + boolean(False))
    assert found == (OK if path == "" else NO_NODE)


# --- section 6: Stat --------------------------------------------------------------------------

def test_stat_counts_as_the_original_does(client, root):
    """6.1; trap 3: pzxid moves on child create and delete, cversion counts both."""
    path, made = client.create2(root + "/p", b"abc")
    assert made == (made.czxid, made.czxid, made.ctime, made.ctime, 0, 0, 0, 0, 3, 0, made.czxid)
    child_zxid = client.request(CREATE, create_body(path + "/c")).zxid
    after_create = client.exists(path)
    assert after_create == made._replace(cversion=1, num_children=1, pzxid=child_zxid)
    client.set_data(path + "/c", b"x")
    assert client.exists(path) == after_create
    delete_zxid = client.delete(path + "/c")
    assert client.exists(path) == made._replace(cversion=2, num_children=0, pzxid=delete_zxid)
    changed = client.set_data(path, b"1")
    assert changed.version == 1 and changed.mzxid > delete_zxid and changed.pzxid == delete_zxid


def test_null_data_is_not_empty_data(cluster, client, root):
    """6.1: kept apart."""
    client.create(root + "/null", None)
    client.create(root + "/empty", b"")
    for server in cluster:
        with Client(server.address) as any_client:
            any_client.sync()
            assert any_client.get_data(root + "/null")[0] is None
            assert any_client.get_data(root + "/empty")[0] == b""


def test_create_gives_a_path_and_create2_a_stat_too(client, root):
    """4.2; traps 8 and 9."""
    body = create_body(root + "/n-", b"x", EPHEMERAL_SEQUENTIAL)
    first, second = client.call(CREATE, body), client.call(CREATE2, body)
    assert first.body == ustr(root + "/n-0000000000")
    r = Reader(second.body)
    assert r.ustr() == root + "/n-0000000001"
    stat = r.stat()
    assert r.at_end() and stat.ephemeral_owner == client.session.id and stat.czxid == second.zxid


def test_reserved_nodes_are_there(client):
    """6.3; traps 20 and 24."""
    assert "zookeeper" in client.get_children("/")
    assert sorted(client.get_children("/zookeeper")) == ["config", "quota"]
    assert client.exists("/zookeeper").cversion == -2
    acl, stat = client.get_acl("/zookeeper/config")
    assert acl == [(1, "world", "anyone")] and stat.aversion == -1
    assert client.error_of(CREATE, create_body("/zookeeper/config/x")) == -102
    assert client.error_of(SET_DATA, ustr("/zookeeper/config") + buf(b"") + i32(-1)) == -102


def test_config_node_names_the_members(cluster, client):
    """12; an ensemble's text has a line per member, the version last, no newline at the end. A server that is alone names
    nobody (6.3)."""
    data, stat = client.get_data("/zookeeper/config")
    if len(cluster) == 1:
        assert (data, stat.version, stat.mtime) == (b"", 0, 0)
        return
    assert stat.version == -1
    lines = data.decode().split("\n")
    assert lines[:-1] == ["server.%d=%s" % (s.sid, s.member_text()) for s in cluster]
    assert lines[-1].startswith("version=")


# --- multi ------------------------------------------------------------------------------------

def test_multi_answers_per_operation(ours, client, root):
    """4.3: types, errors and records of a success; one zxid for all. 3.8.0 answers a create2 as
    if it were a create; later releases do as documented."""
    reply = client.call(MULTI, multi_body(
        (CREATE, create_body(root + "/a", b"1")), (SET_DATA, ustr(root + "/a") + buf(b"2") + i32(0)),
        (CHECK, ustr(root + "/a") + i32(1)), (CREATE2, create_body(root + "/b")),
        (CREATE, create_body(root + "/s", flags=SEQUENTIAL)), (DELETE, ustr(root + "/b") + i32(-1))))
    results = multi_results(reply.body)
    create2_kind = CREATE if ours == ZOOKEEPER_38 else CREATE2
    assert [(kind, err) for kind, err, _ in results] == [
        (CREATE, 0), (SET_DATA, 0), (CHECK, 0), (create2_kind, 0), (CREATE, 0), (DELETE, 0)]
    assert results[0][2] == root + "/a" and results[4][2] == root + "/s0000000002"
    stat = results[1][2]
    assert (stat.version, stat.czxid, stat.mzxid) == (1, reply.zxid, reply.zxid)
    if create2_kind == CREATE2:
        assert results[3][2][1].czxid == reply.zxid


def test_failed_multi_has_no_header_error_and_no_effect(client, root):
    """4.3: 0 before the failing operation, its code there, -2 after it."""
    reply = client.request(MULTI, multi_body(
        (CREATE, create_body(root + "/a")), (DELETE, ustr(root + "/nope") + i32(-1)),
        (CREATE, create_body(root + "/b")), (CHECK, ustr(root) + i32(9))))
    assert reply.err == OK
    assert multi_results(reply.body) == [(-1, code, code) for code in
                                         (0, NO_NODE, RUNTIME_INCONSISTENCY, RUNTIME_INCONSISTENCY)]
    assert client.get_children(root) == []
    assert client.create(root + "/s", flags=SEQUENTIAL) == root + "/s0000000000"


def test_multi_bytes_are_the_documented_ones(client, root):
    """A: the reply to one successful delete."""
    client.create(root + "/a")
    reply = client.call(MULTI, multi_body((DELETE, ustr(root + "/a") + i32(-1))))
    assert reply.body.hex() == "000000020000000000ffffffff01ffffffff"
    reply = client.call(MULTI, multi_body((DELETE, ustr(root + "/a") + i32(-1))))
    assert reply.body.hex() == "ffffffff00ffffff9bffffff9bffffffff01ffffffff"


def test_empty_multi_is_answered_with_its_end(client):
    assert client.call(MULTI, multi_body()).body == i32(-1) + boolean(True) + i32(-1)


@pytest.mark.parametrize("op, body", [(EXISTS, ustr("/") + boolean(False)), (7, ustr("/")),
                                      (GET_DATA, ustr("/") + boolean(False)), (4711, b"")])
def test_multi_refuses_what_cannot_be_in_it(client, root, op, body):
    """4.3, whole-multi failure: -5, header only; the connection stays."""
    reply = client.request(MULTI, multi_body((CREATE, create_body(root + "/a")), (op, body)))
    assert (reply.err, reply.body) == (MARSHALLING, b"")
    assert client.exists(root + "/a") is None


# --- section 7: watches -----------------------------------------------------------------------

def event_is(event, kind, path):
    assert (event.type, event.state, event.path) == (kind, SYNC_CONNECTED, path), event
    return True


def test_notification_precedes_the_reply_of_the_write_that_caused_it(client, root):
    """7.5; trap 5."""
    client.create(root + "/a")
    client.get_data(root + "/a", watch=True)
    client.submit(SET_DATA, ustr(root + "/a") + buf(b"x") + i32(-1))
    event, reply = client.read_message(), client.read_message()
    assert event_is(event, NODE_DATA_CHANGED, root + "/a")
    assert reply.err == OK


def test_notification_follows_the_reply_of_the_read_that_set_it(address, client, root):
    """7.5 point 4, with the change on its way from another connection."""
    client.create(root + "/a")
    with Client(address) as other:
        for n in range(50):
            other.submit(SET_DATA, ustr(root + "/a") + buf(b"%d" % n) + i32(-1))
            xid = client.submit(GET_DATA, ustr(root + "/a") + boolean(True))
            message = client.read_message()
            if isinstance(message, wire.Event):
                message = client.read_message()     # the watch of the round before
            assert message.xid == xid
            assert other.read_reply().err == OK
    client.set_data(root + "/a", b"last")


def test_watch_fires_once(client, root):
    client.create(root + "/a")
    client.get_data(root + "/a", watch=True)
    client.set_data(root + "/a", b"1")
    client.set_data(root + "/a", b"2")
    assert event_is(client.next_event(), NODE_DATA_CHANGED, root + "/a")
    client.no_event()


def test_exists_watches_a_missing_node_and_other_reads_do_not(client, root):
    """7.2; trap 22."""
    assert client.exists(root + "/x", watch=True) is None
    assert client.error_of(GET_DATA, ustr(root + "/y") + boolean(True)) == NO_NODE
    assert client.error_of(GET_CHILDREN, ustr(root + "/y") + boolean(True)) == NO_NODE
    client.create(root + "/y")
    client.no_event()
    client.create(root + "/x")
    assert event_is(client.next_event(), NODE_CREATED, root + "/x")
    client.no_event()


def test_several_watches_on_a_path_give_one_event(client, root):
    """7.2: a watcher is a connection."""
    client.create(root + "/a")
    for _ in range(3):
        client.get_data(root + "/a", watch=True)
        client.exists(root + "/a", watch=True)
    client.set_data(root + "/a", b"x")
    assert event_is(client.next_event(), NODE_DATA_CHANGED, root + "/a")
    client.no_event()


def test_deletion_is_told_once_and_then_to_the_parents_watch(client, root):
    """7.3: data, then child watch without a second copy, then the parent's child watch."""
    client.create(root + "/a")
    client.get_data(root + "/a", watch=True)
    client.get_children(root + "/a", watch=True)
    client.get_children(root, watch=True)
    client.delete(root + "/a")
    assert event_is(client.next_event(), NODE_DELETED, root + "/a")
    assert event_is(client.next_event(), NODE_CHILDREN_CHANGED, root)
    client.create(root + "/a")
    client.no_event()


def test_child_watch_ignores_a_childs_data(client, root):
    """Trap 6."""
    client.create(root + "/a")
    client.get_children(root, watch=True)
    client.set_data(root + "/a", b"x")
    client.no_event()
    client.create(root + "/b")
    assert event_is(client.next_event(), NODE_CHILDREN_CHANGED, root)


def test_multi_fires_in_order_before_its_reply(client, root):
    """7.3, last row."""
    client.create(root + "/a")
    client.get_data(root + "/a", watch=True)
    client.exists(root + "/b", watch=True)
    client.submit(MULTI, multi_body((CREATE, create_body(root + "/b")),
                                    (SET_DATA, ustr(root + "/a") + buf(b"") + i32(-1))))
    assert event_is(client.read_message(), NODE_CREATED, root + "/b")
    assert event_is(client.read_message(), NODE_DATA_CHANGED, root + "/a")
    assert client.read_message().err == OK


def test_end_of_a_session_fires_watches(cluster, client, root):
    owner = Client(list(cluster)[-1].address)
    owner.create(root + "/e", flags=EPHEMERAL)
    client.sync()
    assert client.exists(root + "/e", watch=True)
    client.get_children(root, watch=True)
    owner.close_session()
    assert event_is(client.next_event(), NODE_DELETED, root + "/e")
    assert event_is(client.next_event(), NODE_CHILDREN_CHANGED, root)


def test_watches_do_not_outlive_the_connection(address, client, root):
    """7.2: a resumed session starts with none; trap 13."""
    client.create(root + "/a")
    with Client(address) as first:
        first.get_data(root + "/a", watch=True)
    with Client(address, session=first.session) as second:
        second.set_data(root + "/a", b"x")
        second.no_event()


def test_set_watches_fires_what_was_missed_and_registers_the_rest(address, client, root):
    """7.4: lists in order data, exist, child; events before the reply; trap 7."""
    for name in ("changed", "deleted", "same", "parent", "parent2"):
        client.create(root + "/" + name)
    seen = client.request(EXISTS, ustr("/") + boolean(False)).zxid
    client.set_data(root + "/changed", b"x")
    client.delete(root + "/deleted")
    client.create(root + "/created")
    client.create(root + "/parent/c")
    with Client(address) as other:
        other.sync()
        other.submit(wire.SET_WATCHES, wire.set_watches_body(
            seen, data=[root + "/changed", root + "/deleted", root + "/same"],
            exist=[root + "/created", root + "/missing"],
            child=[root + "/parent", root + "/parent2", root + "/deleted"]), xid=wire.XID_SET_WATCHES)
        for kind, name in ((NODE_DATA_CHANGED, "changed"), (NODE_DELETED, "deleted"),
                           (NODE_CREATED, "created"), (NODE_CHILDREN_CHANGED, "parent"),
                           (NODE_DELETED, "deleted")):
            event = other.read_message()
            assert event_is(event, kind, root + "/" + name) and event.zxid == -1
        assert other.read_message()[::2] == (wire.XID_SET_WATCHES, OK)
        other.set_data(root + "/same", b"x")
        other.create(root + "/missing")
        other.create(root + "/parent2/c")
        for kind, name in ((NODE_DATA_CHANGED, "same"), (NODE_CREATED, "missing"),
                           (NODE_CHILDREN_CHANGED, "parent2")):
            assert event_is(other.next_event(), kind, root + "/" + name)
        other.no_event()


# --- section 9: several clients ---------------------------------------------------------------

def test_sequence_suffix_counts_what_is_still_under_way(client, root):
    """6.1: the counter includes changes in flight."""
    for _ in range(100):
        client.submit(CREATE, create_body(root + "/s", flags=SEQUENTIAL))
    made = [Reader(client.read_reply().body).ustr() for _ in range(100)]
    assert made == ["%s/s%010d" % (root, n) for n in range(100)]


def test_writes_read_before_the_connection_drops_are_carried_out(cluster, client, root):
    """Trap 16."""
    with Client(list(cluster)[0].address) as hasty:
        for n in range(50):
            hasty.submit(CREATE, create_body("%s/n%d" % (root, n)))
        hasty.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(Disconnected):
            while True:
                hasty.read_reply()
    wait_until(lambda: client.sync() and len(client.get_children(root)) == 50, 10, "all 50 nodes")


# --- section 10: four-letter words ------------------------------------------------------------

def test_words_answer_as_scripts_expect(cluster):
    for server in cluster:
        assert server.word("ruok") == "imok"
        assert server.word("isro") == "rw"
        lines = server.word("srvr").splitlines()
        assert lines[0].startswith("Zookeeper version: ")
        keys = [line.partition(":")[0] for line in lines[1:]]
        assert keys[:8] == ["Latency min/avg/max", "Received", "Sent", "Connections", "Outstanding",
                            "Zxid", "Mode", "Node count"]
        assert lines[6].startswith("Zxid: 0x")
        conf = dict(line.partition("=")[::2] for line in server.word("conf").splitlines())
        assert conf["clientPort"] == str(server.client_port) and conf["tickTime"] == "200"


def test_mode_is_told(cluster):
    modes = sorted(server.mode() for server in cluster)
    if len(cluster) == 3:
        assert modes == ["follower", "follower", "leader"]
    else:
        assert modes in (["standalone"], ["leader"])


def test_stat_lists_its_clients(address, client):
    answer = four_letter_word(address, "stat")
    port = client.sock.getsockname()[1]
    assert "Clients:\n" in answer and " /127.0.0.1:%d[" % port in answer


def test_mntr_has_the_keys_that_monitoring_reads(cluster):
    for server in cluster:
        found = server.monitor()
        for key in ("version", "server_state", "avg_latency", "packets_received", "packets_sent",
                    "num_alive_connections", "outstanding_requests", "znode_count", "watch_count",
                    "ephemerals_count", "approximate_data_size", "open_file_descriptor_count"):
            assert key in found, key
        if found["server_state"] == "leader" and len(cluster) > 1:
            assert float(found["synced_followers"]) == len(cluster) - 1


@pytest.mark.parametrize("word", ["cons", "dump", "envi", "wchs", "wchc", "wchp", "crst", "srst",
                                  "dirs", "gtmk", "hash"])
def test_words_outside_the_whitelist_are_refused_by_name(address, word):
    """10.1."""
    expected = "%s is not executed because it is not in the whitelist.\n" % word
    assert four_letter_word(address, word) == expected


def test_word_with_a_line_end_is_answered_whole(address):
    """Trap 29: the unread byte must not turn the close into a reset that eats the answer."""
    for _ in range(20):
        with Raw(address) as raw:
            raw.send(b"srvr\r\n")
            answer = b""
            while True:
                part = raw.sock.recv(65536)
                if not part:
                    break
                answer += part
            assert b"Node count: " in answer


def test_words_are_only_words_before_the_connect_request(address):
    """2.1."""
    with Client(address) as client:
        client.send(b"ruok")
        client.expect_close()


def test_vectors_of_a_negative_count_are_empty(client):
    """1, table: counts below zero read as empty; trap 19."""
    body = i64(0) + i32(-2) + i32(-5) + strings([])
    assert client.request(wire.SET_WATCHES, body, xid=wire.XID_SET_WATCHES).err == OK
