"""What comes over the network must not hurt, whatever it is: only the connection it came on ends.

Every test keeps an innocent client writing and another one holding an ephemeral; afterwards neither
has noticed anything, the leader is still the same, the offence is counted and no memory has grown.
Promises of baton's: these tests do not run against ZooKeeper.
"""
import contextlib
import random
import socket
import struct
import time

import pytest

from harness import servers, wire
from harness.waiting import wait_until
from harness.writer import SteadyWriter, mixed_writes

pytestmark = pytest.mark.usefixtures("only_baton")

SEED = 20240607
ROUNDS = 40                             # of random bytes, on each port
CLOSE_TIMEOUT_S = 30.0                  # until silence must have been noticed
RSS_SLACK_BYTES = 2 << 20               # what a warm server may still grow by
WARM_UP_ROUNDS = 60
BURST = 1500                            # requests of some 40 bytes: one large read
GREEDY_BYTES_MAX = 64 << 20             # what one client that takes no answers may cost at most

PROTOCOL_VERSION = -65536               # of the election channel (quorum protocol 1.1)
NOTIFICATION = struct.Struct(">iqqqqii")
FOLLOWERINFO, OBSERVERINFO, ACKEPOCH, REQUEST = 11, 16, 18, 1
WRITES_BEFORE, WRITES_AFTER = 500, 200  # of the innocent writer: at most, while a test goes on; and when it is over


@pytest.fixture(scope="module")
def ensemble(module_lab):
    return module_lab.ensemble({1: servers.BATON, 2: servers.BATON, 3: servers.BATON}).start()


@pytest.fixture
def innocent(ensemble, request):
    """Clients that do no wrong; checks in the end that they were left alone."""
    root = "/" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    leader = ensemble.wait_leader()
    holder = wire.Client(leader.address, timeout_ms=40000)
    holder.create(root)
    holder.create(root + "/e", flags=wire.EPHEMERAL)
    writer = SteadyWriter([ensemble[1].address], mixed_writes(root, WRITES_BEFORE + WRITES_AFTER, 0), 40000,
                          limit=WRITES_BEFORE)
    writer.start()
    yield ensemble
    done = len(writer.acked)
    writer.allow(done + WRITES_AFTER)
    writer.wait_acked(done + WRITES_AFTER, 20)
    writer.stop()
    assert not writer.faults and writer.reconnects == 0 and len(writer.sessions) == 1
    assert holder.exists(root + "/e").ephemeral_owner == holder.session.id
    holder.close_session()
    assert ensemble.leader() is leader
    assert all(server.running() for server in ensemble)


def open_port(server, port):
    s = socket.create_connection(("127.0.0.1", port), 10)
    s.settimeout(CLOSE_TIMEOUT_S)
    return s


def is_closed(sock, timeout=CLOSE_TIMEOUT_S):
    """Whether the other side closes, after whatever it may have sent before."""
    deadline = time.monotonic() + timeout
    try:
        while True:
            sock.settimeout(max(deadline - time.monotonic(), 0.01))
            if not sock.recv(1 << 16):
                return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def offend(port, data):
    """Sends `data` and asserts that the connection is closed for it."""
    with open_port(None, port) as s:
        try:
            s.sendall(data)
        except ConnectionError:
            return
        assert is_closed(s), "still open after %s" % data[:64].hex()


def handshake(sid, address=b"127.0.0.1:1"):
    return struct.pack(">qqi", PROTOCOL_VERSION, sid, len(address)) + address


def notification(state=0, leader=9, config=b""):
    payload = NOTIFICATION.pack(state, leader, 1 << 40, 1 << 40, 1 << 20, 2, len(config)) + config
    return wire.frame(payload)


def quorum_packet(kind, zxid=0, data=None):
    return wire.i32(kind) + wire.i64(zxid) + wire.buf(data) + wire.i32(-1)


def learner_info(sid):
    return wire.i64(sid) + wire.i32(0x10000) + wire.i64(0)


CLIENT_OFFENCES = {
    "negative length": wire.i32(-5),
    "oversized length": wire.i32(wire.MAX_BUFFER + 1),
    "huge length": wire.i32(2**31 - 1),
    "no length": wire.i32(0),
    "a web request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": bytes.fromhex("1603010200010001fc0303") + bytes(50),
    "short connect request": wire.frame(bytes(10)),
    "password of negative length": wire.frame(bytes(24) + wire.i32(-7)),
    "password that is longer than the frame": wire.frame(bytes(24) + wire.i32(10**6) + bytes(16)),
}
SESSION_OFFENCES = {
    "negative length": wire.i32(-1),
    "oversized length": wire.i32(wire.MAX_BUFFER + 1),
    "no header": wire.frame(b"\x00"),
    "unknown opcode": wire.frame(wire.i32(1) + wire.i32(12345)),
}
ELECTION_OFFENCES = {
    "unknown version": struct.pack(">qqi", -7, 1, 5) + b"a:1:2",
    "text of negative length": struct.pack(">qqi", PROTOCOL_VERSION, 9, -1),
    "text of no length": struct.pack(">qqi", PROTOCOL_VERSION, 9, 0),
    "text of huge length": struct.pack(">qqi", PROTOCOL_VERSION, 9, 2**31 - 1),
    "a web request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}
QUORUM_OFFENCES = {
    "unknown first packet": quorum_packet(99),
    "a proposal first": quorum_packet(2, 1, bytes(40)),
    "data of negative length": wire.i32(FOLLOWERINFO) + wire.i64(0) + wire.i32(-9),
    "data of huge length": wire.i32(FOLLOWERINFO) + wire.i64(0) + wire.i32(2**31 - 1),
    "authinfo of huge count": wire.i32(FOLLOWERINFO) + wire.i64(0) + wire.i32(-1) + wire.i32(2**31 - 1),
    "a web request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(64),
}


def params(offences):
    return pytest.mark.parametrize("data", list(offences.values()),
                                   ids=[name.replace(" ", "-") for name in offences])


@params(CLIENT_OFFENCES)
def test_client_port_closes_on(innocent, data):
    for server in innocent:
        before = server.bad_inputs()
        offend(server.client_port, data)
        assert server.bad_inputs() > before


@params(SESSION_OFFENCES)
def test_session_is_cut_off_for(innocent, data):
    for server in innocent:
        with wire.Client(server.address) as client:
            before = server.bad_inputs()
            client.send(data)
            assert is_closed(client.sock)
            assert server.bad_inputs() > before


@params(ELECTION_OFFENCES)
def test_election_port_closes_on(innocent, data):
    for server in innocent:
        before = server.bad_inputs()
        offend(server.election_port, data)
        assert server.bad_inputs() > before


@params(QUORUM_OFFENCES)
def test_quorum_port_of_the_leader_closes_on(innocent, data):
    leader = innocent.leader()
    before = leader.bad_inputs()
    offend(leader.quorum_port, data)
    assert leader.bad_inputs() > before


@pytest.mark.parametrize("payload", [
    notification(state=7), notification(config=b"x" * 10), wire.frame(bytes(3)), wire.frame(b""),
    wire.i32(-1), wire.i32(2**31 - 1), wire.i32(524289)],
    ids=["state", "config", "short", "empty", "negative", "huge", "too-long"])
def test_election_channel_of_a_stranger_harms_nobody(innocent, payload):
    """The sid is in no configuration and larger than all, so its connection would be kept
    (quorum protocol 1.2); a server may drop the message, or the connection, or never keep it."""
    for server in innocent:
        with open_port(server, server.election_port) as s:
            try:
                s.sendall(handshake(200) + payload * 3)
                is_closed(s, 0.2)
            except ConnectionError:
                pass
        assert server.mode() in ("leader", "follower")


def test_stranger_cannot_become_a_voter(innocent):
    """A learner that nobody configured gets no say: whatever it acknowledges does not count."""
    leader = innocent.leader()
    with open_port(leader, leader.quorum_port) as s:
        s.sendall(quorum_packet(FOLLOWERINFO, 99 << 32, learner_info(77)))
        s.sendall(quorum_packet(ACKEPOCH, 2**62, wire.i32(99)))
        s.sendall(quorum_packet(REQUEST, -1, b"\x00" * 5))
        s.sendall(quorum_packet(77))
        assert is_closed(s)


@pytest.mark.parametrize("port", ["client_port", "election_port", "quorum_port"])
def test_random_bytes_are_survived(innocent, port):
    rng = random.Random("%s %d" % (port, SEED))
    target = innocent.leader() if port == "quorum_port" else innocent[2]
    before = target.bad_inputs()
    for _ in range(ROUNDS):
        data = rng.randbytes(rng.randrange(1, 4000))
        with open_port(target, getattr(target, port)) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                assert is_closed(s), "seed %d, %s: open after %s…" % (SEED, port, data[:32].hex())
            except ConnectionError:
                pass
    assert target.bad_inputs() > before


def test_random_requests_in_a_session_are_survived(innocent):
    """Well-framed, with known opcodes: the body is what is wrong."""
    rng = random.Random(SEED)
    opcodes = [1, 2, 3, 4, 5, 6, 8, 9, 12, 13, 14, 15, 101, -10, 99]
    for _ in range(ROUNDS):
        with wire.Client(innocent[2].address, timeout_ms=4000) as client:
            try:
                for _ in range(10):
                    body = rng.randbytes(rng.randrange(0, 80))
                    client.submit(rng.choice(opcodes), body)
                for _ in range(10):
                    client.read_reply()
            except wire.Disconnected:
                pass


def test_half_a_packet_then_silence_is_not_waited_for_without_end(innocent):
    """ZooKeeper closes connections without a session after 10 s in steps of 10 s (11)."""
    halves = {"client_port": [b"", b"\x00", wire.connect_frame()[:20]],
              "election_port": [b"", b"\xff\xff", handshake(200)[:15]],
              "quorum_port": [b"", b"\x00\x00", quorum_packet(FOLLOWERINFO, 0, learner_info(9))[:14]]}
    opened = []
    for port, beginnings in halves.items():
        target = innocent.leader() if port == "quorum_port" else innocent[2]
        for half in beginnings:
            s = open_port(target, getattr(target, port))
            s.sendall(half)
            opened.append((s, port, half))
    deadline = time.monotonic() + CLOSE_TIMEOUT_S
    for s, port, half in opened:
        assert is_closed(s, deadline - time.monotonic()), "%s: still open after %r" % (port, half)
        s.close()


def test_half_a_request_then_silence_ends_with_the_session(innocent):
    client = wire.Client(innocent[2].address, timeout_ms=1000)
    client.send(wire.i32(100) + b"half of it")
    assert is_closed(client.sock, 10)
    client.close()


def test_memory_does_not_grow(innocent):
    """The same offences over and over, after a first round that fills caches and pools."""
    if servers.sanitized():
        pytest.skip("a sanitizer keeps freed memory on purpose")
    leader = innocent.leader()

    def offend_all():
        for data in CLIENT_OFFENCES.values():
            offend(leader.client_port, data)
        for data in ELECTION_OFFENCES.values():
            offend(leader.election_port, data)
        for data in QUORUM_OFFENCES.values():
            offend(leader.quorum_port, data)
        with wire.Client(leader.address) as client:
            client.send(wire.i32(-1))
            assert is_closed(client.sock)

    for _ in range(WARM_UP_ROUNDS):
        offend_all()
    before = leader.rss_bytes()
    for _ in range(4 * WARM_UP_ROUNDS):
        offend_all()
    grown = leader.rss_bytes() - before
    assert grown < RSS_SLACK_BYTES, "%d KiB more than before" % (grown >> 10)


def test_client_that_reads_nothing_is_bounded_and_dropped(innocent):
    """It asks for 900 KiB a few thousand times and takes no answer. The server may stop reading,
    and must let it go; meanwhile its memory stays within a bound."""
    server = innocent[2]
    with wire.Client(server.address) as other:
        other.create("/large-%d" % SEED, b"x" * 900 * 1024)
    before = server.rss_bytes()
    server.forget_peak()
    greedy = wire.Client(server.address, timeout_ms=2000)
    request = wire.frame(wire.i32(1) + wire.i32(wire.GET_DATA) + wire.ustr("/large-%d" % SEED)
                         + wire.boolean(False))
    server.pause()                      # so that it finds a whole burst at its next look
    greedy.sock.settimeout(0.2)
    with contextlib.suppress(socket.timeout):
        greedy.sock.sendall(request * BURST)
    server.resume()
    deadline = time.monotonic() + CLOSE_TIMEOUT_S
    dropped = False
    while not dropped:
        assert time.monotonic() < deadline, "not dropped"
        try:
            greedy.sock.send(request * 50)
        except socket.timeout:
            pass
        except ConnectionError:
            dropped = True
    greedy.close()
    grown = server.peak_rss_bytes() - before
    if not servers.sanitized():
        assert grown < GREEDY_BYTES_MAX, "%d MiB for one client" % (grown >> 20)
    wait_until(lambda: server.word("ruok") == "imok", 10, "it answers")


def test_many_outstanding_requests_are_all_answered(innocent):
    """Above the limit the server stops reading until replies drain: no error, nothing lost."""
    with wire.Client(innocent[2].address, timeout_ms=30000, timeout=30) as client:
        root = client.create("/outstanding-", flags=wire.SEQUENTIAL)
        data = b"".join(wire.frame(wire.i32(n) + wire.i32(wire.CREATE) +
                                   wire.create_body("%s/%d" % (root, n))) for n in range(1, 5001))
        client.send(data)
        for n in range(1, 5001):
            reply = client.read_reply()
            assert (reply.xid, reply.err) == (n, wire.OK)
        assert client.exists(root).num_children == 5000
