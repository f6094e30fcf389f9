"""Read-only mode: what a server without a leader shows, and to whom (zookeeper/client-protocol.md 2.8).

With `--ours zookeeper-3.9` ZooKeeper's own stand here; local sessions are on there, without which its read-only mode
opens none.
"""
import re

import pytest

from harness import wire
from harness.ctl import Ctl
from harness.servers import BATON
from harness.waiting import wait_until
from harness.wire import (CHECK, CLOSE_SESSION, CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL, DELETE,
                          DELETE_CONTAINER, EPHEMERAL, GET_DATA, MODE_PERSISTENT, MULTI, NO_NODE, OK, OPEN_ACL,
                          SET_ACL, SET_DATA, SYNC, Client, Disconnected, Event, Expired, Raw, Session, boolean, buf,
                          connect_frame, create_body, i32, i64, multi_body, password_of, ustr)

RECONFIG = 16
NOT_READ_ONLY = -119
SETTINGS = {"java_properties": ("-Dreadonlymode.enabled=true",),
            "zookeeper_extra": ("localSessionsEnabled=true", "localSessionsUpgradingEnabled=true"),
            "baton_extra": {"read_only_mode": "yes"}}


def read_only(server):
    return server.word("isro") == "ro"


def wait_read_only(server):
    wait_until(lambda: read_only(server), 20, "%r is read-only" % server)


class Left:
    """One server of three whose others were killed, and what they had agreed on."""

    def __init__(self, lab, ours):
        self.ensemble = lab.ensemble({1: ours, 2: ours, 3: ours}, words="*", **SETTINGS)
        self.ensemble.start()
        with Client(self.ensemble[1].address, timeout_ms=40000) as client:
            client.create("/a", b"x")
            client.create("/a/b", b"y")
            client.create("/e", b"", EPHEMERAL)
            self.zxid, self.session = client.last_zxid, client.session
        self.server = self.ensemble[1]
        self.address = self.server.address
        self.ensemble[2].kill()
        self.ensemble[3].kill()
        wait_read_only(self.server)

    def connect(self, **how):
        return Client(self.address, **{"read_only": True, **how})

    def refused(self, **how):
        """Whether a ConnectRequest finds its connection closed, and no byte before that."""
        with Raw(self.address) as raw:
            raw.send(connect_frame(**how))
            raw.expect_close()
        return True


@pytest.fixture(scope="module")
def left(module_lab, ours):
    made = Left(module_lab, ours)
    yield made
    made.ensemble.stop()


@pytest.fixture
def client(left):
    with left.connect() as made:
        yield made


# --- who is let in ----------------------------------------------------------------------------

def test_only_who_asks_for_no_more_is_let_in(left):
    assert left.refused() and left.refused(read_only=None)
    with Raw(left.address) as raw:
        raw.send(connect_frame(read_only=True))
        payload = raw.read_frame()
        assert len(payload) == 37 and payload[36:] == b"\x01"


def test_client_that_has_seen_more_is_refused(left):
    with left.connect(last_zxid=left.zxid):
        pass
    assert left.refused(read_only=True, last_zxid=left.zxid + 1)


def test_session_of_the_ensemble_is_refused(left):
    """Whatever its password: a bare close, so that the client goes on to another server."""
    assert left.refused(read_only=True, session=left.session)
    assert left.refused(read_only=True, session=Session(left.session.id, bytes(16)))


@pytest.mark.parametrize("password", [password_of(0x1234), bytes(16)], ids=["its-own", "wrong"])
def test_session_it_does_not_know(left, password):
    """It may live where there is a leader: baton lets the client go on to another server. ZooKeeper calls it expired."""
    if left.server.kind == BATON:
        assert left.refused(read_only=True, session=Session(0x1234, password))
        return
    with Raw(left.address) as raw:
        raw.send(connect_frame(read_only=True, session=Session(0x1234, password)))
        assert raw.read_frame() == i32(0) + i32(0) + i64(0) + buf(bytes(16)) + b"\x01"
        raw.expect_close()


# --- sessions ---------------------------------------------------------------------------------

def test_session_is_the_servers_own(left):
    with left.connect(timeout_ms=5000) as client:
        session = client.session
        assert client.timeout_ms == 5000 and session.password == password_of(session.id)
    with left.connect(session=session, timeout_ms=4000) as again:
        assert (again.session, again.timeout_ms) == (session, 4000)
        with left.connect(session=session) as last:
            again.expect_close()            # one connection at a time
            assert last.get_data("/a")[0] == b"x"


def test_wrong_password_is_no_way_into_a_session(left):
    with left.connect() as client:
        with pytest.raises(Expired):
            left.connect(session=Session(client.session.id, bytes(16)))
        client.expect_close()           # the connection before goes first, as everywhere


def test_session_that_is_closed_is_gone(left):
    client = left.connect()
    session = client.session
    reply = client.request(CLOSE_SESSION)
    assert (reply.zxid, reply.err, reply.body) == (left.zxid, OK, b"")
    client.expect_close()
    client.close()
    with pytest.raises(Expired):
        left.connect(session=session)


def test_session_that_is_silent_expires(left):
    with left.connect(timeout_ms=400) as client:
        client.expect_close()
        with pytest.raises(Expired):
            left.connect(session=client.session)


# --- requests ---------------------------------------------------------------------------------

@pytest.mark.parametrize("op, body", [
    pytest.param(CREATE, create_body("/n", b"", 0, OPEN_ACL), id="create"),
    pytest.param(CREATE2, create_body("/n", b"", 0, OPEN_ACL), id="create2"),
    pytest.param(CREATE_CONTAINER, create_body("/n", b"", 4, OPEN_ACL), id="createContainer"),
    pytest.param(CREATE_TTL, create_body("/n", b"", 5, OPEN_ACL) + i64(1000), id="createTTL"),
    pytest.param(DELETE, ustr("/a/b") + i32(-1), id="delete"),
    pytest.param(DELETE_CONTAINER, ustr("/a/b"), id="deleteContainer"),
    pytest.param(SET_DATA, ustr("/a") + buf(b"z") + i32(-1), id="setData"),
    pytest.param(SET_ACL, ustr("/a") + wire.acls(OPEN_ACL) + i32(-1), id="setACL"),
    pytest.param(RECONFIG, ustr("") + ustr("") + ustr("") + i64(-1), id="reconfig"),
    pytest.param(MULTI, multi_body(), id="multi"),
    pytest.param(SYNC, ustr("/"), id="sync"),
    pytest.param(CREATE, b"\x00", id="create-unreadable"),
    pytest.param(SYNC, b"", id="sync-unreadable"),
])
def test_what_needs_the_ensemble_is_refused(left, client, op, body):
    reply = client.request(op, body)
    assert (reply.zxid, reply.err, reply.body) == (left.zxid, NOT_READ_ONLY, b"")
    assert client.get_data("/a")[0] == b"x"     # and the connection stays


def test_unknown_request_ends_the_connection(client):
    reply = client.request(CHECK, ustr("/a") + i32(-1))
    assert (reply.zxid, reply.err) == (-1, wire.UNIMPLEMENTED)
    client.expect_close()


def test_reads_are_answered(left, client):
    data, stat = client.get_data("/a")
    assert data == b"x" and stat.num_children == 1
    assert client.exists("/e").ephemeral_owner == left.session.id   # its session is not there to go
    assert sorted(client.get_children("/")) == ["a", "e", "zookeeper"]
    assert tuple(client.get_acl("/a")[0]) == OPEN_ACL
    assert client.error_of(GET_DATA, ustr("/none") + boolean(False)) == NO_NODE
    assert client.ping().zxid == left.zxid
    client.authenticate("digest", b"a:b")
    assert ("digest", "a") in client.who_am_i()


def test_answers_are_those_of_the_requests(client):
    """In a pipeline; ZooKeeper's may answer a refusal before the read it came behind."""
    sent = [client.submit(GET_DATA, ustr("/a") + boolean(False)), client.submit(DELETE, ustr("/a/b") + i32(-1)),
            client.submit(GET_DATA, ustr("/a/b") + boolean(False))]
    got = {reply.xid: reply.err for reply in (client.read_reply() for _ in sent)}
    assert got == dict(zip(sent, (OK, NOT_READ_ONLY, OK)))


def test_watches_are_taken(left, client):
    client.get_data("/a", watch=True)
    client.add_watch("/a", MODE_PERSISTENT)
    client.no_event()
    client.set_watches(1, data=["/a"])  # seen before it was changed
    assert client.next_event() == Event(wire.NODE_DATA_CHANGED, wire.SYNC_CONNECTED, "/a", -1)
    assert re.match(r"1 connections watching \d paths", left.server.word("wchs"))


# --- four-letter words ------------------------------------------------------------------------

def test_words(left, client):
    server = left.server
    head = r"Zookeeper version: [^\n]+\nREAD-ONLY mode; serving only read-only clients\n"
    tail = r"Outstanding: \d+\nZxid: 0x%x\nMode: read-only\nNode count: 8\n\n?" % left.zxid
    assert re.fullmatch(head + r"Latency min.*\n" + tail, server.word("srvr"), re.S)
    assert re.fullmatch(head + r"Clients:\n.*\n\nLatency min.*\n" + tail, server.word("stat"), re.S)
    assert server.word("isro") == "ro" and server.word("ruok") == "imok"
    assert "sid=0x%x," % client.session.id in server.word("cons")
    told = server.monitor()
    assert (told["server_state"], told["global_sessions"]) == ("read-only", "1")
    assert int(told["local_sessions"]) >= 1 and "peer_state" not in told and "quorum_size" not in told
    conf = server.word("conf")
    assert "peerType=0\n" in conf and "membership" not in conf


def test_dump_tells_local_sessions_apart(left, client):
    text = left.server.word("dump")
    local, _, rest = text.partition("Global Sessions(1):\n")
    assert re.match(r"SessionTracker dump:\nLocal Session Sets \(\d+\)/\(\d+\):\n", local)
    assert "\t0x%x\n" % client.session.id in local
    assert rest.startswith("0x%x\t40000ms\n" % left.session.id)


# --- batonctl -----------------------------------------------------------------------------------

def test_batonctl_takes_such_a_server_when_it_is_told_to(left):
    ctl = Ctl(left.server.host, "--wait", "1000")
    assert "1 server answered" in ctl("get", "/a", status=3)
    ctl = ctl.having("--read-only")
    assert ctl("get", "/a") == Ctl(left.server.host, "-r")("get", "/a") == "x"
    told = ctl("set", "/a", "y", status=1)
    assert "has no leader: what it shows may be old" in told and "the server is read-only now" in told


# --- when it begins and ends ------------------------------------------------------------------

def test_leader_ends_it(left):
    """The last test of those on this ensemble: it has a leader again."""
    with left.connect(timeout_ms=40000) as client:
        left.ensemble[2].start()
        client.expect_close(60)
    left.server.wait_serving()
    wait_until(lambda: left.server.word("isro") == "rw", 20, "it serves all")
    with Client(left.address) as other:
        assert other.get_data("/a")[0] == b"x"
        other.create("/n")
    with Client(left.address, read_only=True) as other:    # who would take less gets all the same
        assert other.get_data("/n")[0] == b""
        other.delete("/n")
    with pytest.raises(Expired):
        Client(left.address, read_only=True, session=client.session)


def test_a_server_that_was_started_alone_shows_its_disk(lab, ours):
    """With what it has logged and nobody committed."""
    ensemble = lab.ensemble({1: ours, 2: ours, 3: ours}, words="*", **SETTINGS)
    ensemble.start()
    leader = ensemble.leader()
    others = [server for server in ensemble if server is not leader]
    with Client(leader.address) as client:
        client.create("/committed", b"x")
        for server in others:
            server.pause()
        client.submit(CREATE, create_body("/logged", b"y", 0, OPEN_ACL))
        with pytest.raises(Disconnected):
            client.read_reply()         # without a quorum it leads no longer
    for server in others:
        server.kill()
    wait_read_only(leader)
    with Client(leader.address, read_only=True) as client:
        assert client.get_data("/committed")[0] == b"x" and client.get_data("/logged")[0] == b"y"
    leader.kill()
    leader.start()
    wait_read_only(leader)
    with Client(leader.address, read_only=True) as client:
        assert client.get_data("/committed")[0] == b"x" and client.get_data("/logged")[0] == b"y"
    ensemble.stop()
