"""One client of a torture run: writes and reads by chance over a session that goes on at other servers, and records
every question with its answer, or that none came.
"""
import collections
import random
import socket
import threading
import time

from interop.harness import wire

from . import field, plan, record, requests
from .workload import Workload

CONNECT_TIMEOUT_S = 1.0
RECONNECT_PAUSE_S = (0.01, 0.1)
GHOST_PATIENCE_S = 0.3                  # for an answer on a connection that the session has left
NO_SESSION = wire.Session(0, bytes(16))

Sent = collections.namedtuple("Sent", "call xid request")
Ghost = collections.namedtuple("Ghost", "client k session_id xid")


class Tally:
    """What all clients together have met."""

    def __init__(self):
        self.counts = collections.Counter()
        self.write_acks_ns = []         # when a write was acknowledged, at whichever client

    def add(self, what, count=1):
        self.counts[what] += count


class Watches:
    """What the client has set and not heard of since, as ZooKeeper's clients remember it."""

    def __init__(self):
        self.paths = {"data": set(), "exist": set(), "child": set()}

    def answered(self, watch, err):
        kind, path = watch
        if kind == "exist":
            kind = "data" if err == wire.OK else "exist" if err == wire.NO_NODE else None
        elif err != wire.OK:
            kind = None
        if kind:
            self.paths[kind].add(path)

    def fired(self, event):
        if event.type != wire.NODE_CHILDREN_CHANGED:
            self.paths["data"].discard(event.path)
            self.paths["exist"].discard(event.path)
        if event.type in (wire.NODE_CHILDREN_CHANGED, wire.NODE_DELETED):
            self.paths["child"].discard(event.path)

    def __bool__(self):
        return any(self.paths.values())


class TortureClient(threading.Thread):
    """Runs until calm() is said, then finishes: it is connected, reads after a sync, writes, and goes. `problem` says
    what kept it from that."""

    def __init__(self, number, seed, numbers, tally):
        super().__init__(daemon=True, name="client %d" % number)
        self.number = number
        self.rng = random.Random("client %d of %d" % (number, seed))
        self.recorder = record.Recorder(number, numbers)
        self.tally = tally
        self.workload = Workload(number, self.rng)
        self.timeout_ms = self.rng.choice((1500, 2500, 4000))
        self.depth = self.rng.choice((1, 2, 4, 8))
        # Some come now and then only: a question of theirs may wait for a server that has slept through a change of leaders.
        self.think_s = self.rng.choice((0.005, 0.01, 0.02)) if number % 4 else 0.5
        self.restores = self.rng.random() < 0.8
        self.leaves_open = self.rng.random() < 0.5      # at the end: its session is left to expire
        self.is_calm = threading.Event()
        self.sleep_s = 0.0              # without a connection, perhaps for longer than the session lives
        self.ghost = None               # a connection that was left open
        self.finish_by = None
        self.done = False
        self.problem = None
        self._forget_session()

    def _forget_session(self):
        self.session, self.last_zxid, self.xid = NO_SESSION, 0, 0
        self.watches = Watches()
        self.workload.new_session()

    # --- for the main thread

    def calm(self, finish_by):
        """No more load. It has to have finished by this time of the monotonic clock."""
        self.finish_by = finish_by
        self.is_calm.set()

    # --- its own

    def run(self):
        try:
            while not self._finished():
                connection = self._connect()
                if connection is None:
                    self.is_calm.wait(self.rng.uniform(*RECONNECT_PAUSE_S))
                    if self.is_calm.is_set():
                        time.sleep(RECONNECT_PAUSE_S[0])
                    continue
                self._use(connection)
                self.is_calm.wait(self.sleep_s)
                self.sleep_s = 0.0
        except Exception as e:          # a thread's last words: the run fails with them
            self.problem = "%s: %r" % (type(e).__name__, e)
            raise

    def _finished(self):
        if self.done or self.finish_by is None or time.monotonic() < self.finish_by:
            return self.done
        self.problem = "client %d could not finish in time" % self.number
        return True

    def _connect(self):
        server = self.rng.choice(plan.SERVERS)
        call = record.now_us()
        try:
            client = wire.Client((field.address(server), field.CLIENT_PORT), self.timeout_ms, self.session,
                                 self.last_zxid, timeout=CONNECT_TIMEOUT_S)
        except wire.Expired:
            self.recorder.refused(call, self.session.id, server)
            self.tally.add("sessions refused")
            self._forget_session()
            return None
        except (OSError, wire.Disconnected):
            return None
        goes_on = self.session.id != 0
        self.k = self.recorder.connected(call, client.session.id, server, client.timeout_ms,
                                         self.last_zxid if goes_on else None)
        self.tally.add("sessions resumed" if goes_on else "sessions opened")
        self.session = client.session
        client.xid = self.xid
        client.sock.settimeout(client.timeout_ms / 1000 * 2 / 3)
        return client

    def _haunt(self, client, k, session_id, xid):
        """A write on the connection that the session has left for another: it must not be carried out any more."""
        request = self.workload.ghost()
        call, answer = record.now_us(), (record.UNKNOWN,)
        try:
            client.sock.settimeout(GHOST_PATIENCE_S)
            client.submit(request.code, request.body, xid)
            while not isinstance(message := client.read_message(), wire.Reply):
                self.recorder.event(k, message.type, message.path)
            err, answered, _ = request.judge(message)
            answer = (err, message.zxid, answered)
        except (wire.Disconnected, OSError):
            pass                        # as it should be: nobody listens there any more
        self.recorder.op(call, k, session_id, xid, request.asked, *answer)
        self.tally.add("ghosts")

    def _lay_to_rest(self, ghost):
        if ghost is not None:
            self.recorder.lost(ghost.k)
            ghost.client.close()

    def _use(self, client):
        self.sent = collections.deque()
        ghost, self.ghost = self.ghost, None
        try:
            self._restore_watches(client)
            if ghost is not None:
                self._burst(client, self.workload.burst(self.depth))
                self._haunt(*ghost)
            while not self.is_calm.is_set():
                self._burst(client, self.workload.burst(self.depth))
                if self.workload.wants_to_close():
                    self._burst(client, [requests.close()])
                    self._forget_session()
                    self.tally.add("sessions closed")
                    return
                if self.workload.wants_to_move():
                    if self.workload.keeps_ghosts():
                        client.xid += 1
                        self.ghost = Ghost(client, self.k, self.session.id, client.xid)
                    return
                if self.workload.wants_to_sleep():
                    self.sleep_s = self.timeout_ms / 1000 * self.rng.uniform(0.5, 2.0)
                    return
                self._think(client)
            self._finish(client)
        except (wire.Disconnected, OSError):
            self.tally.add("connections lost")
        finally:
            self._lay_to_rest(ghost)
            for sent in self.sent:
                self.recorder.op(sent.call, self.k, self.session.id, sent.xid, sent.request.asked, record.UNKNOWN,
                                 subs=sent.request.unanswered())
                self.tally.add("unknown")
            if self.ghost is None:
                self.recorder.lost(self.k)
                client.close()
            self.last_zxid, self.xid = (client.last_zxid, client.xid) if self.session.id else (0, 0)

    def _finish(self, client):
        self._burst(client, self.workload.last())
        if not self.leaves_open:
            self._burst(client, [requests.close()])
        self.done = True

    def _restore_watches(self, client):
        if not self.watches:
            return
        if not self.restores:
            self.watches = Watches()
            return
        paths = {kind: sorted(found) for kind, found in self.watches.paths.items()}
        self._burst(client, [requests.set_watches(self.last_zxid, paths["data"], paths["exist"], paths["child"])])

    def _burst(self, client, burst):
        """Sends all of them, then reads all answers."""
        for request in burst:
            call = record.now_us()
            # A request that fails while it is sent may still have arrived.
            xid = request.xid if request.xid is not None else client.xid + 1
            self.sent.append(Sent(call, xid, request))
            client.submit(request.code, request.body, request.xid)
        while self.sent:
            self._read(client)

    def _think(self, client):
        until = time.monotonic() + self.rng.expovariate(1 / self.think_s)
        while not self.is_calm.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            if client.ready(left):
                self._read(client)

    def _read(self, client):
        message = client.read_message()
        if isinstance(message, wire.Event):
            self.recorder.event(self.k, message.type, message.path)
            self.watches.fired(message)
            self.tally.add("watch events")
            return
        assert self.sent and message.xid == self.sent[0].xid, "an answer to nothing: %r" % (message,)
        sent = self.sent.popleft()
        request = sent.request
        err, answered, subs = request.judge(message)
        self.recorder.op(sent.call, self.k, self.session.id, sent.xid, request.asked, err, message.zxid, answered, subs)
        if request.watch:
            self.watches.answered(request.watch, err)
        self.workload.answered(request, err)
        self.tally.add("acknowledged" if err == wire.OK else "refused")
        if request.writes and err == wire.OK:
            self.tally.write_acks_ns.append(time.monotonic_ns())


def crowd(count, seed, numbers, tally):
    return [TortureClient(n, seed, numbers, tally) for n in range(1, count + 1)]


class Errand(TortureClient):
    """A client that asks for certain things, whatever it takes, and goes. Runs where run() is called."""

    def __init__(self, number, seed, numbers, tally, wanted, finish_by):
        super().__init__(number, seed, numbers, tally)
        self.workload.last = lambda: wanted
        self.leaves_open = False
        self.calm(finish_by)
