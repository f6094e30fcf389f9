"""A client that keeps writing whatever happens to the servers, and remembers every answer."""
import collections
import socket
import threading
import time

from . import wire

WINDOW = 32                             # writes under way at a time
RECONNECT_PAUSE_S = 0.01
IDLE_LOOK_S = 0.05                      # how often an idle writer looks whether it is still connected
NO_SESSION = wire.Session(0, bytes(16))

Write = collections.namedtuple("Write", "kind path data")


class SteadyWriter(threading.Thread):
    """Carries out `writes` in order over one session, reconnecting as real clients do: same
    session, next server, last zxid seen. A write counts as acknowledged when its own reply said
    so, or, for a create sent again after a lost connection, when the node is there.

    It goes no further than `limit` writes until allow() says so: a test can keep load on its
    servers for as long as it needs. `faults` collects what must not happen: a lost session, a zxid
    that goes back, an error."""

    def __init__(self, addresses, writes, timeout_ms=30000, limit=None):
        super().__init__(daemon=True)
        self.addresses = list(addresses)
        self.todo = collections.deque(writes)
        self.total = len(self.todo)
        self.timeout_ms = timeout_ms
        self.limit = self.total if limit is None else limit
        self.acked = []
        self.sessions = []
        self.faults = []
        self.reconnects = 0
        self.changed = threading.Condition()
        self.stopping = False
        self._sent = collections.deque()
        self._ambiguous = set()

    # --- for the test's thread

    def wait_acked(self, count, timeout):
        with self.changed:
            done = self.changed.wait_for(
                lambda: len(self.acked) >= count or not self.is_alive(), timeout)
        assert done and len(self.acked) >= count, "%d of %d writes acknowledged in %g s; %s" % (
            len(self.acked), count, timeout, self.faults)

    def allow(self, limit):
        with self.changed:
            self.limit = limit
            self.changed.notify_all()

    def finish(self, timeout):
        """Waits until all writes are acknowledged and asserts that nothing went wrong."""
        self.allow(self.total)
        self.wait_acked(self.total, timeout)
        self.join(timeout)
        assert not self.faults, self.faults

    def stop(self):
        self.stopping = True
        self.join(30)
        assert not self.is_alive(), "the writer does not stop"

    # --- its own thread

    def run(self):
        session, last_zxid, place = NO_SESSION, 0, 0
        try:
            while (self.todo or self._sent) and not self.stopping:
                address = self.addresses[place % len(self.addresses)]
                place += 1
                try:
                    client = wire.Client(address, self.timeout_ms, session, last_zxid, timeout=5.0)
                except (OSError, wire.Disconnected):
                    time.sleep(RECONNECT_PAUSE_S)
                    continue
                except wire.Expired:
                    self.faults.append("session 0x%x is lost" % session.id)
                    return
                session = client.session
                self.sessions.append(session.id)
                try:
                    self._write_on(client)
                except (wire.Disconnected, socket.timeout):
                    self.reconnects += 1
                finally:
                    last_zxid = max(last_zxid, client.last_zxid)
                    client.close()
                    self._take_back()
        finally:
            with self.changed:
                self.changed.notify_all()

    def _write_on(self, client):
        while (self.todo or self._sent) and not self.stopping:
            while self.todo and len(self._sent) < WINDOW and self._allowed():
                self._submit(client, self.todo.popleft())
                if client.ready():
                    break
            if not self._sent and not client.ready():
                with self.changed:
                    self.changed.wait_for(self._allowed, IDLE_LOOK_S)
                continue
            before = client.last_zxid
            reply = client.read_reply()
            write = self._sent.popleft()
            if reply.zxid < before:
                self.faults.append("zxid went back from %x to %x" % (before, reply.zxid))
            self._judge(write, reply)

    def _allowed(self):
        return len(self.acked) + len(self._sent) < self.limit

    def _submit(self, client, write):
        self._sent.append(write)
        if write.kind == "create":
            client.submit(wire.CREATE, wire.create_body(write.path, write.data))
        else:
            client.submit(wire.SET_DATA, wire.ustr(write.path) + wire.buf(write.data) + wire.i32(-1))

    def _judge(self, write, reply):
        if reply.err == wire.NODE_EXISTS and write in self._ambiguous:
            pass                        # the first attempt did it
        elif reply.err != wire.OK:
            self.faults.append("%s %s: error %d" % (write.kind, write.path, reply.err))
            return
        with self.changed:
            self.acked.append(write)
            self.changed.notify_all()

    def _take_back(self):
        """What was sent and not answered is sent again first, in the same order."""
        self._ambiguous.update(self._sent)
        self.todo.extendleft(reversed(self._sent))
        self._sent.clear()


def mixed_writes(root, creates, sets):
    """Creates below `root` with rewrites of earlier nodes between them."""
    writes = []
    per_create = sets / max(creates, 1)
    owed = 0.0
    for n in range(creates):
        writes.append(Write("create", "%s/n%05d" % (root, n), b"%d" % n))
        owed += per_create
        while owed >= 1.0:
            writes.append(Write("set", "%s/n%05d" % (root, (n * 7919) % (n + 1)), b"set %d" % len(writes)))
            owed -= 1.0
    return writes


def final_data(writes):
    """Path -> data after all of `writes`, in order."""
    return {write.path: write.data for write in writes}
