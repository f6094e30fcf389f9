"""Limits that clients notice, all of them small here: places, sizes, session timeouts, requests under way.

One server; run against ZooKeeper too (--ours zookeeper-3.9). Limits by default, and what concerns three servers, are in
test_wire.py and test_bad_input.py.
"""
import contextlib

import pytest

from harness import wire
from harness.waiting import wait_until
from harness.wire import (CREATE, EXISTS, GET_DATA, MARSHALLING, OK, PING, SET_DATA, Client, Disconnected, Raw, Reader,
                          boolean, connect_frame, create_body, frame, i32, ustr)

PER_ADDRESS, IN_TOTAL = 6, 9
MAX_BUFFER, EXTRA = 4096, 6000
MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 1234, 5678
OUTSTANDING = 10
PIPELINED = 1200                        # requests sent at once: far beyond that limit
RUSH, RUSH_REQUESTS = 300, 3000         # connections, and requests of one of them
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
CLOSE_TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def server(module_lab, ours):
    ensemble = module_lab.ensemble(
        {1: ours}, min_session_timeout=MIN_TIMEOUT_MS, max_session_timeout=MAX_TIMEOUT_MS,
        baton_extra={"max_client_connections": PER_ADDRESS, "max_connections": IN_TOTAL, "max_buffer": MAX_BUFFER,
                     "max_buffer_extra": EXTRA, "outstanding_limit": OUTSTANDING, "client_port_listen_backlog": 77},
        zookeeper_extra=["maxClientCnxns=%d" % PER_ADDRESS, "clientPortListenBacklog=77"],
        java_properties=["-Dzookeeper.maxCnxns=%d" % IN_TOTAL, "-Djute.maxbuffer=%d" % MAX_BUFFER,
                         "-Dzookeeper.jute.maxbuffer.extrasize=%d" % EXTRA,
                         "-Dzookeeper.globalOutstandingLimit=%d" % OUTSTANDING])
    ensemble.start()
    yield ensemble[1]
    ensemble.stop()


@pytest.fixture
def connect(server):
    """Opens sessions from either address, all closed in the end."""
    with contextlib.ExitStack() as opened:
        def one(source=HERE, **given):
            return opened.enter_context(Client(server.address, source=source, **given))
        wait_until(lambda: connections(server) == 0, CLOSE_TIMEOUT_S, "those of earlier tests are gone")
        yield one


def connections(server):
    """How many there are; the one that asks is not counted. None where it gets no place itself."""
    text = server.word("cons")
    return None if text is None else sum(1 for line in text.splitlines() if "sid=0x" in line)


def assert_no_place(address, source):
    """Accepted, and closed without a word; that may be seen at any step."""
    with contextlib.suppress(Disconnected, ConnectionError):
        with Raw(address, source=source) as raw:
            raw.send(connect_frame())
            raw.expect_close(CLOSE_TIMEOUT_S)


def place(server, source):
    with contextlib.suppress(Disconnected, OSError):
        Client(server.address, source=source).close()
        return True
    return False


# --- places -----------------------------------------------------------------------------------

def test_conf_shows_them(server):
    conf = dict(line.partition("=")[::2] for line in server.word("conf").splitlines())
    assert conf["maxClientCnxns"] == str(PER_ADDRESS)
    assert (conf["minSessionTimeout"], conf["maxSessionTimeout"]) == (str(MIN_TIMEOUT_MS), str(MAX_TIMEOUT_MS))
    assert conf["clientPortListenBacklog"] == "77"


def test_one_connection_more_than_an_address_may_have_is_closed(server, connect):
    """The others stay; other addresses have places of their own; one that ends is free for the next."""
    clients = [connect() for _ in range(PER_ADDRESS)]
    assert_no_place(server.address, HERE)
    other = connect(ELSEWHERE)
    for client in [*clients, other]:
        client.ping()
    clients.pop().close_session()
    wait_until(lambda: place(server, HERE), CLOSE_TIMEOUT_S, "a place for one more")


def test_one_connection_more_than_all_may_have_is_closed(server, connect):
    clients = [connect(HERE if n % 2 else ELSEWHERE) for n in range(IN_TOTAL)]
    assert_no_place(server.address, HERE)
    assert_no_place(server.address, ELSEWHERE)
    for client in clients:
        client.ping()
    clients.pop().close_session()
    wait_until(lambda: place(server, ELSEWHERE), CLOSE_TIMEOUT_S, "a place for one more")


# --- session timeouts -------------------------------------------------------------------------

@pytest.mark.parametrize("asked, given", [
    (-2**31, MIN_TIMEOUT_MS), (-1, MIN_TIMEOUT_MS), (0, MIN_TIMEOUT_MS), (MIN_TIMEOUT_MS - 1, MIN_TIMEOUT_MS),
    (MIN_TIMEOUT_MS, MIN_TIMEOUT_MS), (MIN_TIMEOUT_MS + 1, MIN_TIMEOUT_MS + 1),
    (MAX_TIMEOUT_MS - 1, MAX_TIMEOUT_MS - 1), (MAX_TIMEOUT_MS, MAX_TIMEOUT_MS),
    (MAX_TIMEOUT_MS + 1, MAX_TIMEOUT_MS), (2**31 - 1, MAX_TIMEOUT_MS)])
def test_timeout_is_within_the_bounds(connect, asked, given):
    """For a new session and for a resumed one, with the read-only byte and without."""
    client = connect(timeout_ms=asked)
    assert client.timeout_ms == given
    again = connect(timeout_ms=asked, session=client.session, read_only=None)
    assert (again.timeout_ms, again.session) == (given, client.session)
    again.close_session()


# --- sizes ------------------------------------------------------------------------------------

def sized(op, body_of, size):
    """A frame of that payload: body_of(n) makes the body around n bytes of data."""
    empty = len(i32(1) + i32(op) + body_of(b""))
    payload = i32(1) + i32(op) + body_of(b"x" * (size - empty))
    assert len(payload) == size
    return frame(payload)


@pytest.mark.parametrize("op", [CREATE, SET_DATA, EXISTS])
def test_frame_at_the_limit_is_taken_and_one_above_ends_the_connection(connect, op):
    bodies = {CREATE: lambda data: create_body("/at-limit", data),
              SET_DATA: lambda data: ustr("/at-limit") + wire.buf(data) + i32(-1),
              EXISTS: lambda data: ustr(b"/" + data) + boolean(False)}
    client, other = connect(), connect()
    if client.exists("/at-limit") is None:
        client.create("/at-limit")
    if op == CREATE:
        client.delete("/at-limit")
    client.send(sized(op, bodies[op], MAX_BUFFER))
    assert client.read_reply().err == (OK if op != EXISTS else wire.NO_NODE)
    with contextlib.suppress(Disconnected):
        other.send(sized(op, bodies[op], MAX_BUFFER + 1))
        other.expect_close(CLOSE_TIMEOUT_S)
    client.ping()


def test_connect_request_has_the_same_limit(server, connect):
    """A long password is read and, for a new session, not looked at."""
    overhead = len(connect_frame(session=wire.Session(0, b""))) - 4
    assert connect(session=wire.Session(0, bytes(MAX_BUFFER - overhead))).session.id != 0
    with Raw(server.address) as raw:
        with contextlib.suppress(Disconnected):
            raw.send(connect_frame(session=wire.Session(0, bytes(MAX_BUFFER - overhead + 1))))
            raw.expect_close(CLOSE_TIMEOUT_S)


@pytest.mark.parametrize("length", [MAX_BUFFER, MAX_BUFFER + 1, MAX_BUFFER + EXTRA, MAX_BUFFER + EXTRA + 1, 2**31 - 1,
                                    -2, -2**31])
@pytest.mark.parametrize("op", [CREATE, EXISTS])
def test_string_longer_than_its_frame_is_answered(connect, op, length):
    """Within the headroom or not: nothing is waited for, and the connection stays."""
    client = connect()
    reply = client.request(op, i32(length) + b"/x")
    assert (reply.err, reply.body) == (MARSHALLING, b"")
    client.ping()


def test_largest_requests_are_there_after_a_restart(server, connect):
    """In the log they are longer than the frame was: with the header of the transaction, or with the identities that
    an ACL of scheme auth stands for."""
    client = connect()
    if client.exists("/at-limit"):
        client.delete("/at-limit")
    client.send(sized(CREATE, lambda data: create_body("/at-limit", data), MAX_BUFFER))
    assert client.read_reply().err == OK
    for n in range(3):
        client.authenticate("digest", b"u%d:p" % n)
    client.send(sized(CREATE, lambda data: create_body("/auth", data, acl=[(31, "auth", "")]), MAX_BUFFER))
    assert client.read_reply().err == OK
    acl = client.get_acl("/auth")[0]
    data = client.get_data("/at-limit")[0]
    client.close_session()
    server.stop()
    server.start()
    server.wait_serving()
    with Client(server.address) as again:
        assert again.get_data("/at-limit")[0] == data and len(data) > MAX_BUFFER - 100
        for n in range(3):
            again.authenticate("digest", b"u%d:p" % n)
        assert again.get_acl("/auth")[0] == acl and len(acl) == 3
        again.delete("/at-limit")
        again.delete("/auth")


def test_transaction_that_no_server_could_read_again_is_refused(only_baton, server, connect):
    """Each identity of the connection stands in the log in place of each `auth`: together they are longer than a
    record may be. ZooKeeper logs it, and can't read its log at the next start."""
    client = connect()
    for n in range(10):
        client.authenticate("digest", b"%0300d:p" % n)
    ops = [(CREATE, create_body("/auth-%d" % n, acl=[(31, "auth", "")])) for n in range(8)]
    assert MARSHALLING in [err for _, _, err in wire.multi_results(client.call(wire.MULTI, wire.multi_body(*ops)).body)]
    assert all(client.exists("/auth-%d" % n) is None for n in range(8))
    assert client.multi(*ops[:2])


# --- requests under way -----------------------------------------------------------------------

def test_far_more_requests_than_may_be_under_way_are_answered_in_order(connect):
    """Nothing is refused: the server reads on when it has answered. Another client has its turn meanwhile."""
    client, other = connect(timeout=30.0), connect(timeout=30.0)
    root = client.create("/many-", flags=wire.SEQUENTIAL)
    kinds = [lambda n: (CREATE, create_body("%s/%d" % (root, n))),
             lambda n: (GET_DATA, ustr(root) + boolean(False)),
             lambda n: (SET_DATA, ustr("%s/%d" % (root, n - 2)) + wire.buf(b"%d" % n) + i32(0))]
    asked = b""
    for n in range(PIPELINED):
        op, body = kinds[n % 3](n)
        asked += frame(i32(n + 1) + i32(op) + body)
    client.send(asked + frame(i32(-2) + i32(PING)))
    before = other.last_zxid
    for n in range(20):
        other.set_data(root, b"%d" % n)
    zxids, written = [], []
    for n in range(PIPELINED):
        reply = client.read_reply()
        assert (reply.xid, reply.err) == (n + 1, OK)
        zxids.append(reply.zxid)
        if n % 3 == 2:
            assert Reader(reply.body).stat().mzxid == reply.zxid
        if n % 3 != 1:
            written.append(reply.zxid)
    assert zxids == sorted(zxids) and len(set(written)) == len(written) and zxids[0] > before
    pong = client.read_reply()
    assert (pong.xid, pong.err) == (-2, OK) and pong.zxid >= zxids[-1]
    assert client.exists(root).num_children == PIPELINED // 3


def test_mntr_counts_the_connections_that_clients_left(lab, ours):
    server = lab.ensemble({1: ours}, words="*").start()[1]

    def dropped():
        return float(server.monitor()["connection_drop_count"])
    before = dropped()
    with Client(server.address) as client:
        client.close_session()
    assert dropped() == before
    with Raw(server.address) as leaving:
        leaving.send(connect_frame())
        assert leaving.read_frame()
    wait_until(lambda: dropped() == before + 1, 10, "the connection that was left is counted")


def test_by_default_a_rush_is_neither_throttled_nor_refused(lab, ours):
    """Connections and requests far beyond what serves them at once: as ZooKeeper, whose throttles are off unless set."""
    server = lab.ensemble({1: ours}, words="*", baton_extra={"max_client_connections": 0}).start()[1]
    with contextlib.ExitStack() as opened:
        rush = [opened.enter_context(Raw(server.address)) for _ in range(RUSH)]
        for raw in rush:
            raw.send(connect_frame())
        assert all(raw.read_frame() for raw in rush)
        client = opened.enter_context(Client(server.address, timeout_ms=30000, timeout=30.0))
        client.send(b"".join(frame(i32(n) + i32(CREATE) + create_body("/r%d" % n)) for n in range(1, RUSH_REQUESTS + 1)))
        for n in range(1, RUSH_REQUESTS + 1):
            reply = client.read_reply()
            assert (reply.xid, reply.err) == (n, OK)
        figures = server.monitor()
    throttled = {"throttled_ops", "stale_requests_dropped", "request_throttle_wait_count", "connection_rejected",
                 "connection_drop_probability", "large_requests_rejected"}
    assert not [(name, figures[name]) for name in throttled & set(figures) if float(figures[name])]
