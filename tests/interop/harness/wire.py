"""A small ZooKeeper client that hides nothing: one socket, explicit frames, every field visible.

Tests use it where a real client would retry, reorder or hide what the server did. Source of every
layout: the client protocol, sections 1, 2 and 4.
"""
import base64
import collections
import hashlib
import itertools
import select
import socket
import struct
import time

# Opcodes.
CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL = 1, 2, 3, 4, 5, 6, 7
GET_CHILDREN, SYNC, PING, GET_CHILDREN2, CHECK, MULTI, CREATE2 = 8, 9, 11, 12, 13, 14, 15
CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL, MULTI_READ = 19, 20, 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER, WHO_AM_I = 100, 101, 102, 103, 104, 107
CHECK_WATCHES, REMOVE_WATCHES, SET_WATCHES2, ADD_WATCH = 17, 18, 105, 106
CREATE_SESSION, CLOSE_SESSION = -10, -11

# Fixed xids.
XID_NOTIFICATION, XID_PING, XID_AUTH, XID_SET_WATCHES = -1, -2, -4, -8

# Create flags.
PERSISTENT, EPHEMERAL, SEQUENTIAL, EPHEMERAL_SEQUENTIAL = 0, 1, 2, 3

# Error codes.
OK, RUNTIME_INCONSISTENCY, MARSHALLING, UNIMPLEMENTED, BAD_ARGUMENTS = 0, -2, -5, -6, -8
NO_NODE, NO_AUTH, BAD_VERSION, NO_CHILDREN_FOR_EPHEMERALS = -101, -102, -103, -108
NODE_EXISTS, NOT_EMPTY, SESSION_EXPIRED, INVALID_ACL, AUTH_FAILED = -110, -111, -112, -114, -115
NO_WATCHER, SESSION_CLOSED_REQUIRE_SASL_AUTH = -121, -124

# Rights.
READ, WRITE, CREATE_CHILD, DELETE_CHILD, ADMIN, ALL = 1, 2, 4, 8, 16, 31

# Watch events.
NODE_CREATED, NODE_DELETED, NODE_DATA_CHANGED, NODE_CHILDREN_CHANGED = 1, 2, 3, 4
SYNC_CONNECTED = 3

# Modes of addWatch, types of checkWatches and removeWatches.
MODE_PERSISTENT, MODE_RECURSIVE = 0, 1
WATCH_CHILDREN, WATCH_DATA, WATCH_ANY, WATCH_PERSISTENT, WATCH_RECURSIVE = 1, 2, 3, 4, 5

MAX_BUFFER = 0xFFFFF            # jute.maxbuffer: the largest frame a server accepts
PIPELINED_MAX = 100             # requests of carry_out() sent in one piece
OPEN_ACL = ((31, "world", "anyone"),)

_HEADER = struct.Struct(">iqi")
_STAT = struct.Struct(">qqqqiiiqiiq")

Stat = collections.namedtuple("Stat", (
    "czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion",
    "ephemeral_owner", "data_length", "num_children", "pzxid"))
Reply = collections.namedtuple("Reply", "xid zxid err body")
Event = collections.namedtuple("Event", "type state path zxid")
Session = collections.namedtuple("Session", "id password")


class Disconnected(Exception):
    """The server closed the connection."""


class Expired(Exception):
    """The server answered the connect request with session 0."""


class ZkError(Exception):
    """A reply with an error code."""

    def __init__(self, code, zxid):
        super().__init__("error %d at zxid 0x%x" % (code, zxid & 0xFFFFFFFFFFFFFFFF))
        self.code = code
        self.zxid = zxid


# --- encoding ---------------------------------------------------------------------------------

def i32(value):
    return struct.pack(">i", value)


def i64(value):
    return struct.pack(">q", value)


def boolean(value):
    return b"\x01" if value else b"\x00"


def buf(data):
    return i32(-1) if data is None else i32(len(data)) + data


def ustr(text):
    return buf(text.encode("utf-8") if isinstance(text, str) else text)


def ustr_or_null(text):
    return buf(None) if text is None else ustr(text)


def strings(items):
    return i32(len(items)) + b"".join(ustr(item) for item in items)


def acls(entries):
    if entries is None:
        return i32(-1)
    return i32(len(entries)) + b"".join(
        i32(perms) + ustr(scheme) + ustr(ident) for perms, scheme, ident in entries)


def auth_body(scheme, data):
    return i32(0) + (i32(-1) if scheme is None else ustr(scheme)) + buf(data)


def digest_identity(text, algorithm="sha1"):
    """What an access list has for whoever knows this `user:password`."""
    made = hashlib.new(algorithm, text.encode("utf-8")).digest()
    return text.partition(":")[0] + ":" + base64.b64encode(made).decode("ascii")


def frame(payload):
    return i32(len(payload)) + payload


def connect_frame(timeout_ms=10000, session=Session(0, bytes(16)), last_zxid=0, read_only=False):
    """`read_only=None` leaves the byte out, as clients before 3.4 do."""
    payload = i32(0) + i64(last_zxid) + i32(timeout_ms) + i64(session.id) + buf(session.password)
    if read_only is not None:
        payload += boolean(read_only)
    return frame(payload)


def create_body(path, data=b"", flags=PERSISTENT, acl=OPEN_ACL):
    return ustr(path) + buf(data) + acls(acl) + i32(flags)


def multi_body(*ops):
    """`ops` are (opcode, body) pairs."""
    out = b"".join(i32(op) + boolean(False) + i32(-1) + body for op, body in ops)
    return out + i32(-1) + boolean(True) + i32(-1)


def set_watches_body(zxid, data=(), exist=(), child=()):
    return i64(zxid) + strings(data) + strings(exist) + strings(child)


def password_of(session_id):
    """The 16 bytes that Java's Random(id ^ 0xB3415C00).nextBytes() gives (section 2.5)."""
    seed = ((session_id ^ 0xB3415C00) ^ 0x5DEECE66D) & ((1 << 48) - 1)
    out = b""
    for _ in range(4):
        seed = (seed * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        out += struct.pack("<I", (seed >> 16) & 0xFFFFFFFF)
    return out


# --- decoding ---------------------------------------------------------------------------------

class Reader:
    """Reads fields one after the other and complains about what is missing."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("record too short: %s" % self.data.hex())
        part = self.data[self.at:self.at + count]
        self.at += count
        return part

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        return struct.unpack(">q", self.take(8))[0]

    def boolean(self):
        return self.take(1) != b"\x00"

    def buf(self):
        length = self.i32()
        return None if length == -1 else self.take(length)

    def ustr(self):
        return self.buf().decode("utf-8")

    def strings(self):
        return [self.ustr() for _ in range(max(self.i32(), 0))]

    def stat(self):
        return Stat(*_STAT.unpack(self.take(_STAT.size)))

    def acls(self):
        return [(self.i32(), self.ustr(), self.ustr()) for _ in range(max(self.i32(), 0))]

    def at_end(self):
        return self.at == len(self.data)


def multi_results(body):
    """The entries of a multi or multiRead reply as (type, err, value): path, (path, Stat), Stat, (data, Stat),
    children or error code."""
    r = Reader(body)
    results = []
    while True:
        kind, done, err = r.i32(), r.boolean(), r.i32()
        if done:
            assert (kind, err) == (-1, -1) and r.at_end(), body.hex()
            return results
        value = None
        if kind == CREATE:
            value = r.ustr()
        elif kind == CREATE2:
            value = (r.ustr(), r.stat())
        elif kind == SET_DATA:
            value = r.stat()
        elif kind == GET_DATA:
            value = (r.buf(), r.stat())
        elif kind == GET_CHILDREN:
            value = r.strings()
        elif kind == -1:
            value = r.i32()
        results.append((kind, err, value))


# --- the connection ---------------------------------------------------------------------------

class Raw:
    """A socket with frames. Nothing is sent that the caller did not ask for."""

    def __init__(self, address, timeout=10.0, source=None):
        self.sock = socket.create_connection(address, timeout, source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        self.buffer = bytearray()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionError, BrokenPipeError) as e:
            raise Disconnected(str(e)) from e

    def _fill(self):
        try:
            part = self.sock.recv(1 << 16)
        except ConnectionError as e:
            raise Disconnected(str(e)) from e
        if not part:
            raise Disconnected("end of stream")
        self.buffer += part

    def read_frame(self):
        """The payload of the next frame. Raises Disconnected, or socket.timeout."""
        while len(self.buffer) < 4:
            self._fill()
        length = struct.unpack(">i", self.buffer[:4])[0]
        while len(self.buffer) < 4 + length:
            self._fill()
        payload = bytes(self.buffer[4:4 + length])
        del self.buffer[:4 + length]
        return payload

    def ready(self, timeout=0.0):
        """Whether bytes (or an end of stream) are there to be read."""
        return bool(self.buffer) or bool(select.select([self.sock], [], [], timeout)[0])

    def expect_close(self, timeout=10.0):
        """Asserts that the server closes without sending a further byte."""
        self.sock.settimeout(timeout)
        try:
            rest = bytes(self.buffer) + self.sock.recv(1 << 16)
        except ConnectionError:
            rest = bytes(self.buffer)
        assert rest == b"", "bytes before the close: %s" % rest.hex()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client(Raw):
    """A connected session. Requests are numbered 1, 2, 3 …; notifications are kept in `events`."""

    def __init__(self, address, timeout_ms=10000, session=Session(0, bytes(16)), last_zxid=0,
                 read_only=False, timeout=10.0, source=None):
        super().__init__(address, timeout, source)
        self.events = collections.deque()
        self.xid = 0
        self.last_zxid = last_zxid
        try:
            self.send(connect_frame(timeout_ms, session, last_zxid, read_only))
            self._connected(Reader(self.read_frame()))
        except BaseException:
            self.close()
            raise

    def _connected(self, r):
        r.i32()
        self.timeout_ms = r.i32()
        self.session = Session(r.i64(), r.buf())
        if self.session.id == 0:
            raise Expired("session refused")

    def submit(self, op, body=b"", xid=None):
        """Sends a request and returns its xid; the reply is left to read_reply()."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send(frame(i32(xid) + i32(op) + body))
        return xid

    def submit_all(self, requests):
        """Sends each (op, body), all in one piece; the replies are left to read_reply()."""
        pieces = []
        for op, body in requests:
            self.xid += 1
            pieces.append(frame(i32(self.xid) + i32(op) + body))
        self.send(b"".join(pieces))

    def read_message(self):
        """The next Reply or Event, whatever comes first."""
        payload = self.read_frame()
        xid, zxid, err = _HEADER.unpack_from(payload)
        body = payload[_HEADER.size:]
        if xid == XID_NOTIFICATION:
            r = Reader(body)
            return Event(r.i32(), r.i32(), r.ustr(), zxid)
        if xid >= 0 and zxid > 0:
            self.last_zxid = max(self.last_zxid, zxid)
        return Reply(xid, zxid, err, body)

    def read_reply(self):
        while True:
            message = self.read_message()
            if isinstance(message, Reply):
                return message
            self.events.append(message)

    def carry_out(self, requests):
        """Many (op, body) in order, some at a time: waiting for each costs a synced disk each. All must succeed."""
        requests = iter(requests)
        while some := list(itertools.islice(requests, PIPELINED_MAX)):
            self.submit_all(some)
            for _ in some:
                assert self.read_reply().err == OK

    def request(self, op, body=b"", xid=None):
        """Sends, waits, and returns the Reply whatever its error code."""
        sent = self.submit(op, body, xid)
        reply = self.read_reply()
        assert reply.xid == sent, "reply %r to request %d" % (reply, sent)
        return reply

    def call(self, op, body=b""):
        reply = self.request(op, body)
        if reply.err != OK:
            assert reply.body == b"", "an error reply with a body: %r" % (reply,)
            raise ZkError(reply.err, reply.zxid)
        return reply

    def error_of(self, op, body=b""):
        """The error code of a request; 0 when it succeeded."""
        return self.request(op, body).err

    def next_event(self, timeout=10.0):
        if self.events:
            return self.events.popleft()
        self.sock.settimeout(timeout)
        message = self.read_message()
        assert isinstance(message, Event), message
        return message

    def no_event(self):
        """Asserts that no notification is on its way: a ping's reply comes after what is due."""
        self.ping()
        assert not self.events, list(self.events)

    # The usual requests.

    def create(self, path, data=b"", flags=PERSISTENT, acl=OPEN_ACL):
        return Reader(self.call(CREATE, create_body(path, data, flags, acl)).body).ustr()

    def create2(self, path, data=b"", flags=PERSISTENT, acl=OPEN_ACL):
        r = Reader(self.call(CREATE2, create_body(path, data, flags, acl)).body)
        return r.ustr(), r.stat()

    def delete(self, path, version=-1):
        return self.call(DELETE, ustr(path) + i32(version)).zxid

    def set_data(self, path, data, version=-1):
        return Reader(self.call(SET_DATA, ustr(path) + buf(data) + i32(version)).body).stat()

    def get_data(self, path, watch=False):
        r = Reader(self.call(GET_DATA, ustr(path) + boolean(watch)).body)
        return r.buf(), r.stat()

    def exists(self, path, watch=False):
        reply = self.request(EXISTS, ustr(path) + boolean(watch))
        if reply.err == NO_NODE:
            return None
        if reply.err:
            raise ZkError(reply.err, reply.zxid)
        return Reader(reply.body).stat()

    def get_children(self, path, watch=False):
        return Reader(self.call(GET_CHILDREN, ustr(path) + boolean(watch)).body).strings()

    def get_children2(self, path, watch=False):
        r = Reader(self.call(GET_CHILDREN2, ustr(path) + boolean(watch)).body)
        return r.strings(), r.stat()

    def get_acl(self, path):
        r = Reader(self.call(GET_ACL, ustr(path)).body)
        return r.acls(), r.stat()

    def set_acl(self, path, acl, version=-1):
        return Reader(self.call(SET_ACL, ustr(path) + acls(acl) + i32(version)).body).stat()

    def authenticate(self, scheme, data):
        reply = self.request(AUTH, auth_body(scheme, data), xid=XID_AUTH)
        assert (reply.zxid, reply.err, reply.body) == (0, OK, b""), reply

    def who_am_i(self):
        r = Reader(self.call(WHO_AM_I).body)
        return [(r.ustr(), r.ustr()) for _ in range(max(r.i32(), 0))]

    def multi(self, *ops):
        reply = self.call(MULTI, multi_body(*ops))
        return multi_results(reply.body)

    def sync(self, path="/"):
        return Reader(self.call(SYNC, ustr(path)).body).ustr()

    def ping(self):
        reply = self.request(PING, xid=XID_PING)
        assert (reply.err, reply.body) == (OK, b""), reply
        return reply

    def set_watches(self, zxid, data=(), exist=(), child=()):
        return self.request(SET_WATCHES, set_watches_body(zxid, data, exist, child),
                            xid=XID_SET_WATCHES)

    def set_watches2(self, zxid, data=(), exist=(), child=(), persistent=(), recursive=()):
        body = i64(zxid) + b"".join(map(strings, (data, exist, child, persistent, recursive)))
        return self.request(SET_WATCHES2, body, xid=XID_SET_WATCHES)

    def add_watch(self, path, mode):
        reply = self.call(ADD_WATCH, ustr(path) + i32(mode))
        assert reply.body == i32(0), reply      # trap 1: clients look for it

    def check_watches(self, path, kind):
        return self.error_of(CHECK_WATCHES, ustr(path) + i32(kind))

    def remove_watches(self, path, kind):
        return self.error_of(REMOVE_WATCHES, ustr(path) + i32(kind))

    def close_session(self):
        reply = self.request(CLOSE_SESSION)
        assert (reply.err, reply.body) == (OK, b""), reply
        self.expect_close()
        self.close()


def four_letter_word(address, word, timeout=5.0):
    """The whole answer to a four-letter word, or None when nobody answers."""
    deadline = time.monotonic() + timeout
    answer = b""
    try:
        with socket.create_connection(address, timeout) as s:
            s.sendall(word if isinstance(word, bytes) else word.encode("ascii"))
            while True:
                s.settimeout(max(deadline - time.monotonic(), 0.01))
                part = s.recv(1 << 16)
                if not part:
                    return answer.decode("utf-8")
                answer += part
    except OSError:
        return None
