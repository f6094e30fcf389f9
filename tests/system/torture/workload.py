"""What a torture client asks for, drawn by chance: everybody on the same few nodes, so that requests meet."""
from interop.harness import wire

from . import requests

TOP = "/torture"
HOT = ["%s/hot%d" % (TOP, n) for n in range(3)]         # always there; everybody sets and reads them
PARENTS = ["%s/p%d" % (TOP, n) for n in range(3)]       # of nodes that come and go
NAMES = 16                                              # below each of them
EPHEMERALS = TOP + "/e"
QUEUE = TOP + "/s"                                      # sequential nodes
OWN_MAX = 8                                             # nodes a client keeps, of each sort
NODES = (TOP, *HOT, *PARENTS, EPHEMERALS, QUEUE)

ACLS = ([(31, "world", "anyone")],
        [(31, "world", "anyone"), (1, "ip", "10.0.0.1")],
        [(31, "world", "anyone"), (3, "ip", "10.0.0.2"), (1, "ip", "10.0.0.1")])

# After each burst.
CLOSE_CHANCE, MOVE_CHANCE, SLEEP_CHANCE = 0.001, 0.01, 0.001
GHOST_CHANCE = 0.5                                      # with each move


class Workload:
    def __init__(self, number, rng):
        self.number = number
        self.rng = rng
        self.values = 0
        self.new_session()
        self.sequential = []            # made, not yet deleted
        kinds = {
            self._set_hot: 12, self._create: 12, self._delete: 9, self._set: 6, self._set_acl: 2,
            self._ephemeral: 6, self._drop_ephemeral: 3, self._sequential: 6, self._multi: 6, self._broken_multi: 3,
            self._get_hot: 14, self._get: 8, self._exists: 8, self._children: 8, self._get_acl: 2,
            self._sync_and_get: 8, self._ping: 1,
        }
        self.kinds, self.weights = list(kinds), list(kinds.values())

    def new_session(self):
        self.ephemerals = []            # of this session; perhaps there

    def burst(self, depth):
        """Some requests to be sent at once."""
        made = []
        for kind in self.rng.choices(self.kinds, self.weights, k=self.rng.randint(1, depth)):
            made.extend(kind())
        return made

    def answered(self, request, err):
        if err == wire.OK:
            made = [part.made for part in (request, *request.subs) if part.made]
            self.sequential.extend(path for path in made if path.startswith(QUEUE + "/"))

    def wants_to_close(self):
        return self.rng.random() < CLOSE_CHANCE

    def wants_to_move(self):
        return self.rng.random() < MOVE_CHANCE

    def keeps_ghosts(self):
        return self.rng.random() < GHOST_CHANCE

    def wants_to_sleep(self):
        return self.rng.random() < SLEEP_CHANCE

    def ghost(self):
        return requests.set_data(self.rng.choice(HOT), self._value())

    def last(self):
        """When all is well again: sees everything and writes once more."""
        return [requests.sync(), *(requests.get(path) for path in HOT),
                *(requests.children(path, with_stat=True) for path in (*PARENTS, EPHEMERALS, QUEUE)),
                requests.set_data(HOT[self.number % len(HOT)], self._value())]

    # --- drawing

    def _value(self):
        self.values += 1
        return b"w%d-%d" % (self.number, self.values)

    def _node(self):
        return "%s/n%d" % (self.rng.choice(PARENTS), self.rng.randrange(NAMES))

    def _any(self):
        return self.rng.choice((self._node, self._node, lambda: self.rng.choice(HOT),
                                lambda: self.rng.choice(self.ephemerals or HOT)))()

    def _version(self):
        """Mostly any; now and then one that may hold."""
        return -1 if self.rng.random() < 0.7 else self.rng.randrange(4)

    def _watch(self):
        return self.rng.random() < 0.3

    # --- kinds

    def _set_hot(self):
        yield requests.set_data(self.rng.choice(HOT), self._value())

    def _create(self):
        yield requests.create(self._node(), self._value(), with_stat=self.rng.random() < 0.5)

    def _delete(self):
        yield requests.delete(self._node(), self._version())

    def _set(self):
        yield requests.set_data(self._any(), self._value(), self._version())

    def _set_acl(self):
        yield requests.set_acl(self._any(), self.rng.choice(ACLS), self._version())

    def _ephemeral(self):
        if self.rng.random() < 0.2:
            yield requests.create(QUEUE + "/e", self._value(), wire.EPHEMERAL_SEQUENTIAL, self.rng.random() < 0.5)
            return
        path = "%s/c%d-%d" % (EPHEMERALS, self.number, self.rng.randrange(OWN_MAX))
        if path not in self.ephemerals:
            self.ephemerals.append(path)
        yield requests.create(path, self._value(), wire.EPHEMERAL, self.rng.random() < 0.5)

    def _drop_ephemeral(self):
        if self.ephemerals:
            yield requests.delete(self.ephemerals.pop(self.rng.randrange(len(self.ephemerals))))

    def _sequential(self):
        while len(self.sequential) >= OWN_MAX:
            yield requests.delete(self.sequential.pop(0))
        yield requests.create(QUEUE + "/q", self._value(), wire.SEQUENTIAL, self.rng.random() < 0.5)

    def _multi(self):
        parts = [requests.create(self._node(), self._value()), requests.set_data(self.rng.choice(HOT), self._value())]
        if self.rng.random() < 0.5:
            parts.append(requests.delete(self._node()))
        if self.rng.random() < 0.3:
            parts.append(requests.create(QUEUE + "/m", self._value(), wire.SEQUENTIAL))
        self.rng.shuffle(parts)
        yield requests.Multi(*parts)

    def _broken_multi(self):
        yield requests.Multi(requests.set_data(self.rng.choice(HOT), self._value()),
                             requests.create(QUEUE + "/b", self._value(), wire.SEQUENTIAL),
                             requests.check(self.rng.choice(HOT), 1 << 30))

    def _get_hot(self):
        yield requests.get(self.rng.choice(HOT), self._watch())

    def _get(self):
        yield requests.get(self._any(), self._watch())

    def _exists(self):
        yield requests.exists(self._any(), self._watch())

    def _children(self):
        yield requests.children(self.rng.choice((*PARENTS, EPHEMERALS, QUEUE)), self._watch(), self.rng.random() < 0.5)

    def _get_acl(self):
        yield requests.get_acl(self._any())

    def _sync_and_get(self):
        yield requests.sync()
        yield requests.get(self.rng.choice(HOT))

    def _ping(self):
        yield requests.ping()
