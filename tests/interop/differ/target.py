"""One server (or ensemble) that a sequence is played against, and what it answered.

Whatever comes back is written down so that two servers that behave alike give equal words: a zxid
counts from the beginning of the sequence, a session is named after the slot that made it, a time
is only held against the clock and against the other times of the same transaction.
"""
import collections
import socket
import struct
import time

from harness import wire
from harness.wire import Reader, Session, i32, password_of

from . import record

ANSWER_TIMEOUT_S = 5.0                  # no reply for so long is one that never comes
CLOSE_TIMEOUT_S = 1.0                   # how long a close may take that belongs to a reply
CLOCK_SLACK_MS = 2000
SESSION_TIMEOUT_MS = 30000
SHARED = ("/", "/zookeeper", "/zookeeper/quota")
GONE = (wire.NODE_DELETED, wire.NODE_CHILDREN_CHANGED)
SYNC_XID = 2**30                        # of syncs that no sequence asked for

# After these errors, an unknown opcode's, and closeSession, a server closes the connection.
CLOSING_ERRORS = (-115, -124)

Message = collections.namedtuple("Message", "kind fields")       # fields: (name, value) pairs
CLOSED, SILENT = Message("closed", ()), Message("no answer", ())
NO_CONNECTION = Message("no connection", ())


class Link:
    """A socket and the frames on it; None instead of a frame means closed."""

    def __init__(self, address, source=None):
        self.sock = socket.create_connection(
            address, ANSWER_TIMEOUT_S, None if source is None else (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass                        # the close is seen by whoever reads

    def frame(self, timeout=ANSWER_TIMEOUT_S):
        """The next payload; None when the server closed; raises socket.timeout."""
        while True:
            if len(self.buffer) >= 4:
                length = struct.unpack_from(">i", self.buffer)[0]
                if length < 0:
                    raise AssertionError("the server sent a frame of length %d" % length)
                if len(self.buffer) >= 4 + length:
                    payload = bytes(self.buffer[4:4 + length])
                    del self.buffer[:4 + length]
                    return payload
            self.sock.settimeout(timeout)
            try:
                part = self.sock.recv(1 << 16)
            except ConnectionError:
                return None
            if not part:
                return None
            self.buffer += part

    def close(self):
        self.sock.close()


class Slot:
    """One session of a sequence as this server knows it."""

    def __init__(self, name):
        self.name = name
        self.link = None
        self.session = Session(0, bytes(16))
        self.xid = 0
        self.seen = 0                   # the greatest zxid in a reply
        self.server = 0
        self.source = None
        self.waiting = []               # (xid, opcode) of requests without a reply


class Target:
    """`addresses` are the servers; slot n uses number n modulo their count. `event_zxids`: whether both
    sides put them into events. `is_ensemble`: more servers decide, so that this one may lag. `is_alone`:
    nobody else changes its tree. `alter` is a canary's: it is given every payload from the server and
    returns what is to be taken for it, or None."""

    def __init__(self, name, addresses, event_zxids=True, is_ensemble=False, is_alone=True, alter=None):
        self.name = name
        self.addresses = addresses
        self.event_zxids = event_zxids
        self.is_ensemble = is_ensemble
        self.is_alone = is_alone
        self.alter = alter
        self.settle = None              # awaits what a change of an access list needs, where it needs anything
        self.control = None
        self.slots = {}
        self.sent = 0                   # requests, of all sequences

    # --- the life of a sequence

    def begin(self, root):
        """Makes `root` (its parents too) and starts counting."""
        self.root = root
        self.slots = {}
        self.labels = {0: "none"}
        self.times = {}
        self.closes = set()             # zxids of the sessions' ends
        self.began_ms = time.time() * 1000
        self._control_ready()
        if self.is_ensemble:
            self.control.sync()
        at = ""
        for part in root.strip("/").split("/"):
            at += "/" + part
            if self.control.exists(at) is None:
                self.control.create(at)
        self.base = self.control.ping().zxid

    def _control_ready(self):
        if self.control is not None:
            try:
                self.control.ping()
                return
            except (wire.Disconnected, socket.timeout):
                self.control.close()
        self.control = wire.Client(self.addresses[0], timeout_ms=40000)

    def end(self):
        """Ends every session of the sequence, so that none expires in the midst of another."""
        for slot in self.slots.values():
            if slot.link is not None:
                slot.link.close()
        for session in self.labels:
            if session == 0:
                continue
            try:
                again = wire.Client(self.addresses[0], session=Session(session, password_of(session)))
                again.close_session()
            except (wire.Expired, wire.Disconnected, socket.timeout):
                pass                    # it was closed already
        self.slots = {}

    def close(self):
        if self.control is not None:
            self.control.close()
            self.control = None

    def slot(self, name):
        if name not in self.slots:
            self.slots[name] = Slot(name)
            self.slots[name].server = name % len(self.addresses)
        return self.slots[name]

    # --- connecting

    def connect(self, name, timeout=SESSION_TIMEOUT_MS, session=None, read_only=False, seen=0,
                source=None, server=None, raw=None):
        """Sends a ConnectRequest on a new connection. `session` None: a new one; else a function
        of the slots' sessions. `raw` is sent in place of a ConnectRequest."""
        slot = self.slot(name)
        if slot.link is not None:
            slot.link.close()
        if server is not None:
            slot.server = server % len(self.addresses)
        slot.source = source
        slot.link = Link(self.addresses[slot.server], source)
        slot.waiting = []
        slot.xid = 0
        slot.wanted = Session(0, bytes(16)) if session is None else session(self)
        slot.read_only = read_only
        slot.link.send(raw or wire.connect_frame(timeout, slot.wanted, seen(self) if callable(seen) else seen, read_only))

    def connected(self, name):
        """What became of it."""
        slot = self.slot(name)
        payload = self._frame(slot)
        if not isinstance(payload, bytes):
            return [payload]
        r = Reader(payload)
        version, timeout, session, password = r.i32(), r.i32(), r.i64(), r.buf()
        good = password == (password_of(session) if session else bytes(16))
        fields = [("version", version), ("timeout", timeout), ("password", "right" if good else password),
                  ("rest", payload[r.at:])]
        if session and session not in self.labels:
            self.labels[session] = "session %d" % name
        fields.append(("session", self.labels.get(session, "0x%x" % session)))
        out = [Message("connected", tuple(fields))]
        if session:
            slot.session = Session(session, password)
        else:
            out += self._until_closed(slot)
        return out

    # --- requests

    def send(self, name, requests):
        """Sends all of them at once."""
        slot = self.slot(name)
        if slot.link is None:
            return
        out = b""
        for req in requests:
            if req.xid is None:
                slot.xid += 1
            xid = slot.xid if req.xid is None else req.xid
            body = record.body_of(req, self.root, self.zxid_of(slot))
            out += wire.frame(i32(xid) + i32(req.op) + body)
            slot.waiting.append((xid, req.op))
            self.sent += 1
        slot.link.send(out)

    def send_raw(self, name, data):
        slot = self.slot(name)
        if slot.link is not None:
            slot.link.send(data)

    def answers(self, name):
        """Everything up to the last reply that is due, or to the end."""
        slot = self.slot(name)
        if slot.link is None:
            return [NO_CONNECTION]
        out = []
        while slot.waiting:
            payload = self._frame(slot)
            if not isinstance(payload, bytes):
                out.append(payload)
                return out
            message, closing = self._read(slot, payload)
            out.append(message)
            if closing:
                return out + self._until_closed(slot)
        return out

    def fence(self, name):
        """What is on its way to this slot: all that comes before the reply of a ping."""
        slot = self.slot(name)
        if slot.link is None:
            return []
        self.send(name, [record.request(wire.PING, xid=wire.XID_PING)])
        return [m for m in self.answers(name) if not _is_ping(m)]

    def synced(self, name):
        """As fence(), but what the ensemble has decided so far has come too."""
        slot = self.slot(name)
        if slot.link is None:
            return []
        self.send(name, [record.request(wire.SYNC, xid=SYNC_XID, path="/")])
        return [m for m in self.answers(name) if m.fields[:1] != (("xid", SYNC_XID),)]

    def until_closed(self, name):
        slot = self.slot(name)
        return [NO_CONNECTION] if slot.link is None else self._until_closed(slot)

    def drop(self, name):
        """The client's end of the connection goes, the session stays."""
        slot = self.slot(name)
        if slot.link is not None:
            slot.link.close()
            slot.link = None

    def _until_closed(self, slot):
        out = []
        while True:
            payload = self._frame(slot, CLOSE_TIMEOUT_S)
            if payload is SILENT:
                return out + [Message("still open", ())]
            if not isinstance(payload, bytes):
                return out + [payload]
            out.append(self._read(slot, payload)[0])

    def _frame(self, slot, timeout=ANSWER_TIMEOUT_S):
        try:
            payload = slot.link.frame(timeout)
            while payload is not None and self.alter is not None:
                altered = self.alter(payload)
                if altered is not None:
                    payload = altered
                    break
                payload = slot.link.frame(timeout)
        except socket.timeout:
            slot.waiting = []
            return SILENT
        if payload is None:
            slot.link.close()
            slot.link = None
            slot.waiting = []
            return CLOSED
        return payload

    # --- replies made comparable

    def _read(self, slot, payload):
        """A message, and whether the connection should end after it."""
        if len(payload) < 16:
            return Message("short frame", (("bytes", payload),)), False
        xid, zxid, err = struct.unpack_from(">iqi", payload)
        body = payload[16:]
        first = next((n for n, (x, _) in enumerate(slot.waiting) if x == xid), None)
        if first is None and xid == wire.XID_NOTIFICATION:
            return self._event(zxid, err, body), False
        op = None
        if first is not None:
            op = slot.waiting.pop(first)[1]
        if zxid > 0:
            slot.seen = max(slot.seen, zxid)
        fields = [("xid", xid), ("zxid", self.zxid(zxid)), ("err", err),
                  ("place", first)]     # 0: in turn
        if err and op != record.MULTI_READ:
            fields += [("body", body)] if body else []
        elif body or not err:
            try:
                fields += record.decode(op, body, self.stat)
            except ValueError:
                fields.append(("unreadable body", body))
        name = record.NAMES.get(op, "op %s" % op)
        if op == wire.CLOSE_SESSION:
            self.closes.add(self.zxid(zxid))
        closing = (err in CLOSING_ERRORS or (err, zxid) == (wire.UNIMPLEMENTED, -1) or op == wire.CLOSE_SESSION)
        return Message("reply to %s" % name, self._local(fields)), closing

    def _event(self, zxid, err, body):
        r = Reader(body)
        fields = (("type", r.i32()), ("state", r.i32()), ("path", record.text(r)), ("zxid", self.zxid(zxid) if self.event_zxids else "not compared"),
                  ("err", err), ("rest", body[r.at:]))
        return Message("event", self._local(fields))

    def _local(self, fields):
        """With "~" for the directory of the sequence, which is another one on either side of a mixed ensemble."""
        return tuple((name, self._local_text(value)) for name, value in fields)

    def _local_text(self, value):
        if isinstance(value, str):
            for sign, place in record.places(self.root):
                if value.startswith(place):
                    return sign + value[len(place):]
            side = self.root[1:self.root.index("/", 1) + 1]     # a spoilt body may have it without the rest,
            if value.startswith("/" + side[:2]):                # and with other bytes in it
                value = "/?" + value[2:]
            return value.replace(side, "?" + side[1:])
        if isinstance(value, list):
            return [self._local_text(item) for item in value]
        return value

    def zxid(self, value):
        if value <= 0:
            return value
        return "+%d" % (value - self.base) if value > self.base else "before"

    def zxid_of(self, slot):
        """Turns ("+", n) into the n-th transaction of the sequence, "seen" into the last zxid the
        slot has seen; a number stays."""
        def turn(value):
            if value == "seen":
                return slot.seen
            return self.base + value[1] if isinstance(value, tuple) else value
        return turn

    def stat(self, s):
        return [("czxid", self.zxid(s.czxid)), ("mzxid", self.zxid(s.mzxid)),
                ("ctime", self.time(s.czxid, s.ctime)), ("mtime", self.time(s.mzxid, s.mtime)),
                ("version", s.version), ("cversion", s.cversion), ("aversion", s.aversion),
                ("owner", self.labels.get(s.ephemeral_owner, "0x%x" % s.ephemeral_owner)),
                ("dataLength", s.data_length), ("numChildren", s.num_children),
                ("pzxid", self.zxid(s.pzxid))]

    def time(self, zxid, ms):
        """A transaction has one time, and it is now."""
        if ms == 0 or zxid <= self.base:
            return "none" if ms == 0 else "before"
        if self.times.setdefault(zxid, ms) != ms:
            return "two times for one transaction: %d, %d" % (self.times[zxid], ms)
        if not self.began_ms - CLOCK_SLACK_MS <= ms <= time.time() * 1000 + CLOCK_SLACK_MS:
            return "not now: %d" % ms
        return "now"

    def tidied(self, messages):
        """The ephemerals of a session go in no particular order, so what tells of it is sorted."""
        out, run = [], []
        for slot, m in messages:
            fields = dict(m.fields) if m.kind == "event" else {}
            if fields.get("type") in GONE and (fields["zxid"] in self.closes or not self.event_zxids):
                run.append((slot, m))
                continue
            out += sorted(run) + [(slot, m)]
            run = []
        return out + sorted(run)

    # --- what is left in the end

    def tree(self):
        """Every node below the root of the sequence: its data, ACL, children and Stat; and the Stat of
        those that all sequences share."""
        if self.is_ensemble:
            self.control.sync()
        out, level = [], [self.root, record.QUOTA + self.root]
        while level:
            for op in (wire.GET_DATA, wire.GET_ACL, wire.GET_CHILDREN2):
                fields = b"" if op == wire.GET_ACL else b"\x00"
                for path in level:
                    self.control.submit(op, wire.ustr(path) + fields)
            found = [[self.control.read_reply() for _ in level] for _ in range(3)]
            deeper = []
            for path, data, acl, children in zip(level, *found):
                node = []
                for op, reply in ((wire.GET_DATA, data), (wire.GET_ACL, acl), (wire.GET_CHILDREN2, children)):
                    node.append(("err", reply.err))
                    if reply.err == 0:
                        node += record.decode(op, reply.body, self.stat)
                out.append(Message("node %s" % self._local_text(path), self._local(node)))
                if children.err == 0:
                    deeper += ["%s/%s" % (path, name) for name in sorted(Reader(children.body).strings())]
            level = deeper
        for path in SHARED if self.is_alone else ():
            reply = self.control.request(wire.EXISTS, wire.ustr(path) + b"\x00")
            out.append(Message("node %s" % path, tuple(self.stat(Reader(reply.body).stat()))))
        out.append(Message("end", (("zxid", self.zxid(self.control.ping().zxid)),)))
        return out


def _is_ping(message):
    return message.kind == "reply to ping" and message.fields[0] == ("xid", wire.XID_PING)
