"""Sequences of steps, drawn from a seed. The same seed, areas and release give the same sequence.

Names are few, so that requests meet each other's nodes; what is drawn is valid more often than not,
since an error leaves nothing behind for the steps after it.
"""
import collections
import random

from harness import wire

from . import record
from .record import request

# connect: a new session. resume: a session of slot `of` on a new connection of `slot`; `how` is
# "right", "wrong password", "unknown" (a session that never was) or "ahead" (has seen more than
# there is). drop: the client's end goes. requests: sent at once. raw: bytes that end the connection.
# rawconnect: a new connection, and bytes in place of a ConnectRequest.
Connect = collections.namedtuple("Connect", "slot timeout read_only source")
Resume = collections.namedtuple("Resume", "slot of how timeout read_only server")
Drop = collections.namedtuple("Drop", "slot")
Requests = collections.namedtuple("Requests", "slot requests")
RawConnect = collections.namedtuple("RawConnect", "slot data")
Raw = collections.namedtuple("Raw", "slot data")

STEPS_MIN, STEPS_MAX = 6, 26
SLOTS_MAX = 3

AREAS = ("core", "watches", "auth", "special", "quota", "bad", "sessions")

NAMES = ("~", "~/a", "~/b", "~/a/b", "~/a/c", "~/a/b/c", "~/e", "~/q-", "~/a/q-", "~/missing/x", "~/a/b/c/d",
         "~/q-0000000001", "~/a/q-0000000000")
SHARED = ("/", "/zookeeper", "/zookeeper/quota")
BAD_PATHS = ("", "a", "~/", "~/a/", "~//a", "~/a/../b", "~/.", "~/..", "~/a/./b", "~/...", "~/\x00x", "~/\x01",
             "~/\x1f", "~/\x7f", "~/\x80", "~/\x9f", "~/\xa0", "~/é", "~/\ud800", "~/\ue000", "~/\uf8ff", "~/\uf900",
             "~/\ufff0", "~/\ufffd", "~/\uffff", "~/\U0001f600", b"~/\xff\xfe", b"~/\xed\xa0\xbd\xed\xb8\x80",
             "//", "/..", "/.", "~a", None)

WORLD = ("world", "anyone")
DIGESTS = ("ann:secret", "bob:word")
HASHED = {"ann:secret": "ann:FNaYVq6eNRTuBCKcw2wsWxI9ZKI=", "bob:word": "bob:KNbZI8yKhGIEAzmBvEHyMtHVMiI="}


class Draw:
    """What generating one sequence needs: the generator and the areas it may draw from."""

    def __init__(self, seed, areas, shared, ensemble):
        self.shared = SHARED if shared else NAMES
        self.ensemble = ensemble
        self.rng = random.Random("differ %d" % seed)
        self.areas = frozenset(areas)
        self.slots = self.rng.choice((1, 2, 2, SLOTS_MAX))
        self.there = ["~"]              # what exists, as far as was foreseen
        self.watched = []
        self.moved = set()              # slots whose session has gone to another one

    def has(self, area):
        return area in self.areas

    def chance(self, p):
        return self.rng.random() < p

    def choice(self, items):
        return self.rng.choice(items)

    def usual(self, paths, p):
        """One of the paths, or (and if there are none) any."""
        return self.choice(paths) if paths and self.chance(p) else self.path()

    def existing(self):
        return self.usual(self.there, 0.75)

    def removable(self):
        return self.usual([p for p in self.there if not any(q.startswith(p + "/") for q in self.there)], 0.75)

    def new(self):
        return self.usual([p for p in NAMES if p not in self.there and p.rpartition("/")[0] in self.there], 0.75)

    def path(self):
        at = self.rng.random()
        if at < 0.90:
            return self.choice(NAMES)
        if at < 0.95 or not self.has("bad"):
            return self.choice(self.shared)
        return self.choice(BAD_PATHS if self.shared is SHARED else [p for p in BAD_PATHS if p and p[0] in ("~", 126)])

    def watch(self):
        return self.has("watches") and self.chance(0.4)

    def path_to_read(self):
        return record.CONFIG if self.shared is SHARED and not self.ensemble and self.chance(0.01) else self.existing()

    def data(self):
        return self.choice((b"", b"x", b"hello", None, b"y" * 100, b"z" * self.rng.randrange(5000)))

    def version(self):
        return self.choice((-1, -1, -1, -1, -1, -1, 0, 0, 0, 1, 1, 2, -2, 2**31 - 1))

    def flags(self):
        if self.has("bad") and self.chance(0.03):
            return self.choice((7, 8, 255, -1, 2**31 - 1, -2**31))
        if self.has("special") and self.chance(0.1):
            return self.choice((4, 5, 6)[self.ensemble:])
        return self.choice((0, 0, 0, 1, 1, 2, 3))

    def acl(self):
        if self.chance(0.65):
            return [(31,) + WORLD]
        return [self.ace() for _ in range(self.choice((0, 1, 1, 2, 3)))] if self.chance(0.97) else None

    def ace(self):
        perms = self.choice((31, 31, 1, 2, 4, 8, 16, 15, 30, 0, 3, 255, -1))
        kinds = [WORLD, WORLD, WORLD, ("digest", "ann:x"), ("digest", HASHED[self.choice(DIGESTS)]),
                 ("ip", "127.0.0.1"), ("ip", "10.0.0.0/8"), ("ip", "127.0.0.0/8")]
        if self.has("auth"):
            kinds += [("auth", ""), ("auth", ""), ("ip", "127.0.0.2"), ("ip", "127.0.0.2/31"), ("ip", "::1")]
        if self.has("bad"):
            kinds += [("world", "x"), ("digest", "a"), ("digest", "a:"), ("digest", ":b"), ("digest", "a:b:c"),
                      ("digest", ""), ("ip", "1.2.3"), ("ip", "1.2.3.4/33"), ("ip", "1.2.3.4/0"), ("ip", "::1/64"),
                      ("ip", "300.1.1.1"), ("ip", ""), ("super", "x"), ("sasl", "x"), ("x509", "CN=x"), ("no", "x"),
                      ("", ""), (None, "x"), ("world", None), ("digest", None), ("ip", None), ("auth", None),
                      ("ip", "1.2.3.4/"), ("ip", "1.2.3.4/-1"), ("ip", "1.2.3.4/8/8"), ("ip", "fe80::1%lo")]
        return (perms,) + self.choice(kinds)


# --- single requests --------------------------------------------------------------------------

def create_fields(d):
    fields = {"path": d.new(), "data": d.data(), "acl": d.acl(), "flags": d.flags()}
    usable = fields["acl"] and all(scheme == "world" and ident == "anyone" for _, scheme, ident in fields["acl"])
    if usable and fields["flags"] in (0, 1, 4) and fields["path"] in NAMES and fields["path"] not in d.there:
        d.there.append(fields["path"])
    return fields


def create(d):
    op = d.choice((wire.CREATE, wire.CREATE, wire.CREATE2))
    return op, create_fields(d)


def create_container(d):
    fields = create_fields(d)
    fields["flags"] = d.choice((4, 4, 4, fields["flags"]))
    if fields["flags"] in (1, 3):       # which ZooKeeper takes for an ephemeral until it has been applied
        fields["flags"] = 0
    if d.ensemble:                      # with others its digest is wrong, and baton asks for a snapshot
        fields["flags"] = 4
    return record.CREATE_CONTAINER, fields


def create_ttl(d):
    fields = create_fields(d)
    fields["flags"] = d.choice((5, 5, 6, 6, fields["flags"]))
    fields["ttl"] = d.choice((10**9, 10**9, 0xffffffffff, 0x10000000000, 0, -1, -5, 1 << 62))
    if fields["flags"] not in (5, 6) and fields["ttl"] < 0:
        fields["ttl"] = 0               # ZooKeeper takes such a one and can't apply it (docs/compatibility.md)
    return record.CREATE_TTL, fields


def delete(d):
    fields = {"path": d.removable(), "version": d.version()}
    if fields["version"] == -1 and fields["path"] in d.there[1:] and d.chance(0.8):
        d.there.remove(fields["path"])
    return wire.DELETE, fields


def set_data(d):
    return wire.SET_DATA, {"path": d.existing(), "data": d.data(), "version": d.version()}


def set_acl(d):
    path = d.existing()
    if path in SHARED:                  # whose ACL the sequences after this one need
        path = "~"
    return wire.SET_ACL, {"path": path, "acl": d.acl(), "version": d.version()}


def check(d):
    return wire.CHECK, {"path": d.existing(), "version": d.version()}


def read(d):
    op = d.choice((wire.EXISTS, wire.GET_DATA, wire.GET_CHILDREN, wire.GET_CHILDREN2))
    fields = {"path": d.path_to_read(), "watch": d.watch()}
    if fields["watch"]:
        d.watched.append(fields["path"])
    return op, fields


def get_acl(d):
    return wire.GET_ACL, {"path": d.path_to_read()}


def sync(d):
    return wire.SYNC, {"path": d.path()}


def set_watches(d):
    fields = {"zxid": d.choice(("seen", "seen", ("+", d.rng.randrange(6)), 0, -1, 1 << 40))}
    lists = ["data", "exist", "child"]
    if d.chance(0.5):
        lists += ["persistent", "recursive"]
    for name in lists:
        fields[name] = [d.existing() for _ in range(d.choice((0, 0, 1, 2)))]
        fields[name] = [p for p in fields[name] if p is not None]
    return (record.SET_WATCHES2 if len(lists) > 3 else wire.SET_WATCHES), fields


def multi(d):
    ops = []
    for _ in range(d.choice((1, 1, 2, 2, 3, 3, 4, 6)) if d.chance(0.97) else 0):
        kinds = [create, create, delete, set_data, set_data, check]
        if d.has("special"):
            kinds += [create_container, create_ttl]
        if d.has("bad") and d.chance(0.03):
            kinds = [set_acl, read, sync, get_acl]
        ops.append(d.choice(kinds)(d))
        if d.ensemble and has_a_null(ops[-1][1].get("acl", ())):
            ops[-1][1]["acl"] = []
    return wire.MULTI, {"ops": ops}


def multi_read(d):
    kinds = [lambda d: (wire.GET_DATA, {"path": d.existing(), "watch": d.chance(0.4)}),
             lambda d: (wire.GET_CHILDREN, {"path": d.existing(), "watch": d.chance(0.4)})]
    if d.has("bad") and d.chance(0.1):
        kinds += [read, delete, create]
    return record.MULTI_READ, {"ops": [d.choice(kinds)(d) for _ in range(d.choice((0, 1, 2, 3)))]}


def reconfig(d):
    return record.RECONFIG, {"joining": d.choice((None, "", "server.2=h:1:2")), "leaving": d.choice((None, "2")),
                             "members": d.choice((None, "")), "config": d.choice((-1, 0))}


def add_watch(d):
    path = d.existing()
    d.watched.append(path)
    return record.ADD_WATCH, {"path": path, "mode": d.choice((0, 0, 0, 1, 1, 1, 1, 2))}


def removal(d):
    op = d.choice((record.REMOVE_WATCHES, record.REMOVE_WATCHES, record.CHECK_WATCHES))
    return op, {"path": d.usual(d.watched, 0.8), "type": d.choice((1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 0, 6, -1))}


def auth(d):
    good = [("digest", b"ann:secret"), ("digest", b"bob:word"), ("digest", b"ann:secret"), ("digest", b"super:admin"),
            ("ip", b""), ("digest", b"nocolon"), ("digest", b"")]
    if d.chance(0.05):
        good = [("no", b"x"), ("world", b"anyone"), ("sasl", b"x"), ("auth", b"x"), ("super", b"x"), ("", b""),
                ("digest", None), (None, b"x"), ("x509", b"CN=x")]
    scheme, data = d.choice(good)
    return record.AUTH, {"type": d.choice((0, 0, 0, 1, -1)), "scheme": scheme, "auth": data}


def who_am_i(_):
    return record.WHO_AM_I, {}


def sasl(d):
    return record.SASL, {"token": d.choice((None, b"", b"x"))}


def ephemerals(d):
    return record.GET_EPHEMERALS, {"path": d.choice((d.path(), "", "/", "~", None, " "))}


def descendants(d):
    return record.GET_ALL_CHILDREN_NUMBER, {"path": d.existing()}


LIMITS = (b"count=2,bytes=20", b"count=-1,bytes=100", b"count=1,bytes=5=;byteHardLimit=10;countHardLimit=3",
          b"count=-1,bytes=-1=;byteHardLimit=50;countHardLimit=4", b"count=3,bytes=30", b"count=0,bytes=0",
          b"count=-1,bytes=-1=;countHardLimit=2", b"count=-1,bytes=-1=;byteHardLimit=9;")
STATS = ("Q/zookeeper_stats", "Q/a/zookeeper_stats", "Q/b/zookeeper_stats")
ODD_LIMITS = (b"count=,bytes=", b"bytes=5", b"count=2;bytes=9", b"count=1,bytes=5,byteHardLimit=10")


def quota(d):
    """The nodes of a quota as clients make them."""
    limits = d.choice(ODD_LIMITS if d.has("bad") and d.chance(0.2) else LIMITS)
    of = d.choice(("Q", "Q/a", "Q/b"))
    nodes = [("Q0", b""), ("Q", b""), (of, b""), (of + "/zookeeper_limits", limits)]
    if d.chance(0.9):
        nodes.append((of + "/zookeeper_stats", d.choice((b"count=0,bytes=0", b"count=1,bytes=0", b""))))
    return [(wire.CREATE, {"path": p, "data": data, "acl": [(31,) + WORLD], "flags": 0}) for p, data in nodes]


def on_quota(d):
    of = d.choice(("Q", "Q/a", "Q/b")) + d.choice(("/zookeeper_stats", "/zookeeper_stats", "/zookeeper_limits", ""))
    return d.choice((
        (wire.GET_DATA, {"path": of, "watch": d.watch()}), (wire.GET_DATA, {"path": of, "watch": False}),
        (wire.EXISTS, {"path": of, "watch": d.watch()}), (wire.DELETE, {"path": of, "version": -1}),
        (wire.SET_DATA, {"path": of, "data": d.choice(LIMITS), "version": -1})))


def ping(_):
    return wire.PING, {}


CORE = [(create, 22), (delete, 7), (set_data, 12), (read, 18), (get_acl, 3), (set_acl, 4), (multi, 8), (sync, 1),
        (reconfig, 0.3)]
WATCHES = [(set_watches, 3), (add_watch, 8), (removal, 6)]
AUTH = [(auth, 6), (who_am_i, 1), (sasl, 0.3)]
SPECIAL = [(create_container, 3), (create_ttl, 3), (multi_read, 3), (ephemerals, 2), (descendants, 2)]


def kinds(d):
    out = list(CORE)
    for area, more in (("watches", WATCHES), ("auth", AUTH), ("special", SPECIAL)):
        if d.has(area):
            out += more
    if d.has("quota"):
        out.append((on_quota, 5))
    return out


WRITES = (wire.CREATE, wire.CREATE2, record.CREATE_CONTAINER, record.CREATE_TTL, wire.DELETE, wire.SET_DATA,
          wire.SET_ACL, wire.MULTI, record.RECONFIG)
UNKNOWN_OPCODES = (10, 23, 99, 108, 1000, 0, -1, -2, 2**31 - 1, wire.CHECK)
ODD_XIDS = (0, -3, -2, -4, -8, 2**31 - 1, -2**31, 77)


def mangle(d, op, fields):
    """A body that is not what it should be."""
    length = len(record.encode(op, fields, record.SAMPLE_ROOT, lambda z: 0))
    at = d.rng.randrange(length + 1)
    spoil = d.choice((("cut", at), ("cut", at), ("add", b"\x00" * d.choice((1, 4, 100))),
                     ("put", at, d.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00")))))
    return None if ends_zookeeper(record.Request(op, fields, None, spoil)) else spoil


def ends_zookeeper(req):
    """Whether it has been spoilt into what ZooKeeper takes, and ends of as soon as it applies it
    (docs/compatibility.md): a createTTL with other flags and a negative time, a new text for the stats of a quota."""
    if req.op == record.CREATE_TTL:
        return has_a_negative_time(record.body_of(req, record.SAMPLE_ROOT, lambda z: 0))
    if req.mangle[0] != "put":
        return False
    if req.op == wire.MULTI:            # whose operations may have moved: not looked at one by one
        return any(op == record.CREATE_TTL for op, _ in req.fields["ops"])
    return req.op == wire.SET_DATA and req.fields["path"] in STATS


def has_a_negative_time(create_ttl_body):
    """And the flags of another kind of node."""
    r = wire.Reader(create_ttl_body)
    try:
        for _ in ("path", "data"):
            r.buf()
        for _ in range(max(r.i32(), 0)):
            r.i32()
            for _ in ("scheme", "id"):
                r.buf()
        return r.i32() not in (5, 6) and r.i64() < 0
    except ValueError:                  # it can't be read
        return False


def one_request(d, drawn):
    op, fields = d.choice_of(drawn)(d)
    xid = spoil = None
    if d.has("bad") and d.chance(0.04) and op != record.AUTH and not (d.ensemble and op in WRITES):
        spoil = mangle(d, op, fields)
    if d.has("bad") and d.chance(0.02):
        xid = d.choice(ODD_XIDS)
    if op in (wire.SET_WATCHES, record.SET_WATCHES2) and d.chance(0.8):
        xid = wire.XID_SET_WATCHES
    if op == record.AUTH and d.chance(0.9):
        xid = -4
    return record.Request(op, fields, xid, spoil)


def weighted(d, table):
    names = [fn for fn, _ in table]
    weights = [weight for _, weight in table]
    return d.rng.choices(names, weights)[0]


Draw.choice_of = weighted


# --- whole sequences --------------------------------------------------------------------------

def has_a_null(acl):
    return acl is None or any(None in entry for entry in acl)


def fails_late(request):
    """Whether it is a multi that ZooKeeper fails at while it prepares it, by an ACL with a null in it: what the
    operations before that had foretold counts until the failure has been applied."""
    return request.op == wire.MULTI and any(has_a_null(fields.get("acl", ())) for _, fields in request.fields["ops"])


def requests_step(d, slot, drawn):
    alone = d.limited or slot in d.moved          # of several at once ZooKeeper answers some before it closes
    count = 1 if alone or d.chance(0.8) else d.rng.randrange(2, 6)
    batch = []
    while len(batch) < count:
        batch.append(one_request(d, drawn))
        if batch[-1].op == wire.SET_ACL:
            break                       # ZooKeeper may check what is behind it against the old ACL
        if fails_late(batch[-1]):
            break
    if any(r.op in (record.AUTH, record.SASL) for r in batch):
        batch = [r for r in batch if r.op in (record.AUTH, record.SASL)][:1]      # its reply may overtake others
    if len({r.xid for r in batch if r.xid is not None}) < len([r for r in batch if r.xid is not None]):
        batch = batch[:1]               # whose reply would be whose
    return Requests(slot, tuple(batch))


def taken_over(d, slot):
    return Resume(slot, d.rng.randrange(d.slots), "right", 30000, False, None)


def odd_step(d, slot):
    """Steps that most sequences have none of."""
    drawn = []
    if d.has("sessions"):
        drawn += [Drop(slot),
                  Resume(slot, slot, "right", d.choice((30000, 20000, 5000)), d.choice((False, None)), None),
                  taken_over(d, slot),
                  Resume(slot, slot, "wrong password", 30000, False, None),
                  Resume(slot, slot, d.choice(("unknown", "ahead")), 30000, d.choice((False, None)), None),
                  Requests(slot, (request(wire.CLOSE_SESSION),))]
        if slot not in d.moved:
            drawn += [
                  Requests(slot, (request(wire.CREATE, path="~/a", data=b"", acl=[(31,) + WORLD], flags=1),
                                  request(wire.CLOSE_SESSION)))]
    if d.has("bad"):
        drawn += [Requests(slot, (record.Request(d.choice(UNKNOWN_OPCODES), {"raw": d.choice((b"", b"\x00" * 20))}),)),
                  Raw(slot, d.choice((wire.i32(-1), wire.i32(0), wire.i32(7) + b"\x00" * 7, wire.i32(1 << 20),
                                      wire.i32(2**31 - 1), wire.i32(4) + wire.i32(5))))]
    return d.choice(drawn) if drawn else None


def generate(seed, areas=AREAS, shared=True, ensemble=False):
    """The steps of a sequence. `shared`: it may touch nodes outside its directory. `ensemble`: nothing is
    drawn that a ZooKeeper of more than one server never recovers from, or not without a snapshot. That is a
    write whose body can't be read, as its error takes the zxid of the transaction before it, and what comes with a
    digest that is wrong: a container by flags or opcode alone, a multi with a null in an ACL (3.9.5;
    docs/compatibility.md)."""
    d = Draw(seed, areas, shared, ensemble)
    drawn = kinds(d)
    steps = []
    for slot in range(d.slots):
        source = "127.0.0.2" if d.has("auth") and d.chance(0.2) else None
        steps.append(Connect(slot, d.choice((30000, 30000, 30000, 20000, 40000, 100000, 3000000)),
                             d.choice((False, False, None)), source))
    d.limited = d.has("quota") and d.chance(0.4)
    if d.limited:                       # what is under way is not counted, so nothing may be
        steps.append(("quota", 0))
    for _ in range(d.rng.randrange(STEPS_MIN, STEPS_MAX)):
        slot = d.rng.randrange(d.slots)
        if d.chance(0.05):
            step = odd_step(d, slot)
            if step is not None:
                steps.append(step)
                if isinstance(step, Resume) and step.how == "right" and step.of != slot:
                    d.moved.add(step.of)
                if ends(step):
                    again = Resume(slot, slot, "right", 30000, False, None) if d.chance(0.5) else Connect(
                        slot, 30000, False, None)
                    steps.append(again)
                continue
        steps.append(requests_step(d, slot, drawn))
    return spread_quota(d, steps)


def ends(step):
    """Whether the connection is gone after it."""
    if isinstance(step, (Drop, Raw)):
        return True
    if isinstance(step, Resume):
        return step.how != "right"
    return any(r.op == wire.CLOSE_SESSION or r.op in UNKNOWN_OPCODES for r in step.requests)


def spread_quota(d, steps):
    """Puts the creates of a quota in the place of its mark."""
    out = []
    for step in steps:
        if step[0] != "quota":
            out.append(step)
            continue
        for op, fields in quota(d):
            out.append(Requests(step[1], (record.Request(op, fields),)))
    return out
