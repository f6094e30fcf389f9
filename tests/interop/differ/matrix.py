"""Bad input by system, not by chance: every request with every fault, one after the other.

A group is a prelude and cases; a case is a label and the steps that show it. Where a case makes a
difference, the rest of its group is played again without it.
"""
from harness import wire

from . import record
from .record import request
from .sequence import BAD_PATHS, HASHED, SHARED, Connect, Drop, Raw, RawConnect, Requests, Resume

OPEN = [(31, "world", "anyone")]
CONNECT = Connect(0, 30000, False, None)
AGAIN = Resume(0, 0, "right", 30000, False, None)

# What a group finds: a node with a child, one without, an ephemeral.
PRELUDE = [CONNECT,
           Requests(0, (request(wire.CREATE, path="~/a", data=b"x", acl=OPEN, flags=0),
                        request(wire.CREATE, path="~/a/b", data=b"", acl=OPEN, flags=0),
                        request(wire.CREATE, path="~/b", data=b"y", acl=OPEN, flags=0),
                        request(wire.CREATE, path="~/e", data=b"z", acl=OPEN, flags=1)))]

# A good body of each request.
GOOD = {
    wire.CREATE: {"path": "~/n", "data": b"data", "acl": OPEN, "flags": 0},
    wire.CREATE2: {"path": "~/n", "data": b"data", "acl": OPEN, "flags": 2},
    record.CREATE_CONTAINER: {"path": "~/n", "data": b"data", "acl": OPEN, "flags": 4},
    record.CREATE_TTL: {"path": "~/n", "data": b"data", "acl": OPEN, "flags": 5, "ttl": 10**9},
    wire.DELETE: {"path": "~/n", "version": -1},
    wire.EXISTS: {"path": "~/b", "watch": False}, wire.GET_DATA: {"path": "~/b", "watch": False},
    wire.GET_CHILDREN: {"path": "~/a", "watch": False}, wire.GET_CHILDREN2: {"path": "~/a", "watch": False},
    wire.SET_DATA: {"path": "~/b", "data": b"data", "version": -1},
    wire.SET_ACL: {"path": "~/b", "acl": OPEN, "version": -1},
    wire.GET_ACL: {"path": "~/b"}, wire.SYNC: {"path": "~/b"},
    wire.MULTI: {"ops": [(wire.CHECK, {"path": "~/b", "version": -1}), (wire.DELETE, {"path": "~/n", "version": 5}),
                         (wire.SET_DATA, {"path": "~/b", "data": b"d", "version": 0})]},
    record.MULTI_READ: {"ops": [(wire.GET_DATA, {"path": "~/b", "watch": False}),
                                (wire.GET_CHILDREN, {"path": "~/a", "watch": False})]},
    record.RECONFIG: {"joining": "server.2=h:1:2", "leaving": "2", "members": None, "config": -1},
    record.CHECK_WATCHES: {"path": "~/b", "type": 1}, record.REMOVE_WATCHES: {"path": "~/b", "type": 1},
    record.ADD_WATCH: {"path": "~/b", "mode": 0},
    wire.SET_WATCHES: {"zxid": 1 << 40, "data": ["~/b"], "exist": ["~/no"], "child": ["~/a"]},
    record.SET_WATCHES2: {"zxid": 1 << 40, "data": ["~/b"], "exist": [], "child": ["~/a"], "persistent": ["~/b"],
                          "recursive": ["~/b"]},
    record.GET_EPHEMERALS: {"path": "~"}, record.GET_ALL_CHILDREN_NUMBER: {"path": "~"}, record.WHO_AM_I: {},
}
# After a fault in these the connection is closed.
CLOSING = {record.AUTH: {"type": 0, "scheme": "digest", "auth": b"ann:secret"}, record.SASL: {"token": b"abc"}}

PATCHES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x1f\xff\xff")


def one(op, fields, mangle=None, xid=None):
    return [Requests(0, (record.Request(op, fields, xid, mangle),))]


def length_of(op, fields):
    return len(record.encode(op, fields, record.SAMPLE_ROOT, lambda z: 0))


def name_of(op):
    return record.NAMES.get(op, "op %d" % op)


def bodies():
    """Cut at every byte, lengths that are wrong at every byte, and bytes too many."""
    for table, after in ((GOOD, []), (CLOSING, [AGAIN])):
        for op, fields in table.items():
            length = length_of(op, fields)
            cases = [("cut %d" % n, one(op, fields, ("cut", n)) + after) for n in range(length)]
            for patch in PATCHES:
                cases += [("put %s at %d" % (patch.hex(), n), one(op, fields, ("put", n, patch)) + after)
                          for n in range(length)]
            cases += [("add %d" % n, one(op, fields, ("add", b"\x01" * n)) + after) for n in (1, 4, 1000)]
            yield "body of %s" % name_of(op), PRELUDE, cases


EDGES = ["~/x%cy" % c for c in (0x1f, 0x20, 0x7e, 0x7f, 0x9f, 0xa0, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xf8ff, 0xf900,
                                0xffef, 0xfff0, 0xfffd, 0xffff, 0x10000, 0x10ffff)]
PATHS = tuple(BAD_PATHS) + tuple(EDGES) + SHARED + (
    "~", "~/a", "~/a/b", "~/n", "~/no/n", "~/e/n", "~/...", "~/a/..b", "~/.a", "~/a ", "~/ ", "~/-", "/a/..", "/zookeeper/",
    "/zookeeper/config/x", "/zookeeper/x/y", "/zookeeper/config/", "~/n/", "~/no/n/", "~/e/", b"~/\xc0\x80",
    b"~/\xed\xa0\x80", b"~/\xf4\x90\x80\x80", b"~/\xc3", b"~/\xe2\x82")


def paths():
    """Every path rule, in every request with a path."""
    for op, fields in GOOD.items():
        if "path" not in fields:
            continue
        tries = [(repr(path), {**fields, "path": path}) for path in PATHS]
        if op == wire.CREATE:
            tries += [("sequential %r" % (p,), {**fields, "path": p, "flags": 2}) for p in PATHS]
        if op == wire.SET_ACL:          # the ACLs of what all share stay
            tries = [t for t in tries if t[1]["path"] not in SHARED]
        yield "paths of %s" % name_of(op), PRELUDE, [(label, one(op, f)) for label, f in tries]
    for op in (wire.CREATE, wire.DELETE, wire.SET_DATA, wire.CHECK):
        fields = GOOD.get(op, GOOD[wire.DELETE])
        yield "paths of %s in a multi" % name_of(op), PRELUDE, [
            (repr(path), one(wire.MULTI, {"ops": [(op, {**fields, "path": path})]})) for path in PATHS]
    yield "paths of setWatches", PRELUDE, [
        ("%s %r" % (name, path), one(wire.SET_WATCHES, {"zxid": 0, "data": [], "exist": [], "child": [], name: [path]}))
        for path in PATHS for name in ("data", "exist", "child")]


VERSIONS = (-1, 0, 1, 2, -2, 7, 2**31 - 1, -2**31)


def versions():
    for op, fields in ((wire.DELETE, {"path": "~/b"}), (wire.SET_DATA, {"path": "~/b", "data": b"1"}),
                       (wire.SET_ACL, {"path": "~/b", "acl": OPEN}), (wire.CHECK, {"path": "~/b"}),
                       (wire.DELETE, {"path": "~/a"}), (wire.DELETE, {"path": "~/no"})):
        cases = []
        for version in VERSIONS:
            if op != wire.CHECK:
                cases.append(("%d" % version, one(op, {**fields, "version": version})))
            if op != wire.SET_ACL:
                cases.append(("%d in a multi" % version, one(wire.MULTI, {"ops": [(op, {**fields, "version": version})]})))
        yield "versions of %s %s" % (name_of(op), fields["path"]), PRELUDE, cases


FLAGS = tuple(range(256)) + (-1, -2, -2**31, 2**31 - 1, 256, 1 << 16)
TTLS = (1, 10**9, 0xffffffffff, 0x10000000000, 0, -1, -2**63, 2**63 - 1)


def flags():
    for op in (wire.CREATE, wire.CREATE2, record.CREATE_CONTAINER):
        for multi in (False, True):
            cases = []
            for flag in FLAGS:
                fields = {"path": "~/f%d-" % flag, "data": b"", "acl": OPEN, "flags": flag}
                cases.append(("%d" % flag, one(wire.MULTI, {"ops": [(op, fields)]}) if multi else one(op, fields)))
            yield "flags of %s%s" % (name_of(op), " in a multi" if multi else ""), PRELUDE, cases
    for multi in (False, True):
        cases = []
        for flag in FLAGS:
            for ttl in TTLS if flag in range(-1, 8) else (1, 0):
                if 0 <= flag <= 4 and ttl < 0 and not multi:
                    continue            # ends a ZooKeeper for good (docs/compatibility.md)
                fields = {"path": "~/f%d-%d-" % (flag, ttl), "data": b"", "acl": OPEN, "flags": flag, "ttl": ttl}
                cases.append(("%d for %d" % (flag, ttl), one(wire.MULTI, {"ops": [(record.CREATE_TTL, fields)]}) if multi
                              else one(record.CREATE_TTL, fields)))
        yield "flags of createTTL%s" % (" in a multi" if multi else ""), PRELUDE, cases


def ids():
    """(scheme, id) pairs of ACL entries."""
    for scheme in ("world", "auth", "digest", "ip", "super", "sasl", "x509", "no", "", None, "World", "IP"):
        for ident in ("", None, "anyone", "x", "a:b", "a:", ":b", ":", "a:b:c", "127.0.0.1", HASHED["ann:secret"]):
            yield scheme, ident
    for ident in ("1.2.3.4/0", "1.2.3.4/32", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/8/8", "/8", "1.2.3",
                  "1.2.3.4.5", "256.1.1.1", "01.02.03.04", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ", "1..2.3", "+1.2.3.4", "0x1.2.3.4",
                  "1.2.3.4/+8", "1.2.3.4/08", "::1", "::", "::1/64", "::1/128", "::1/129", "::1/-1", "fe80::1%lo", "1::2::3",
                  "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "[::1]", "localhost", "1.2.3.4:5",
                  ":", ":::", "1:2:3:4:5:6:7", "::1.2.3.4", "::1.2.3", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4"):
        yield "ip", ident
    for ident in ("a:b\n", "é:x", b"\xff:x", "\U0001f600:x", "a: ", " :b", "a:b:", "::"):
        yield "digest", ident


def acls():
    single = [((scheme, ident), [(31, scheme, ident)]) for scheme, ident in ids()]
    lists = [("null", None), ("empty", []), ("twice", OPEN * 2), ("twice and another", OPEN * 2 + [(1, "ip", "1.2.3.4")]),
             ("other order", [(1, "ip", "1.2.3.4")] + OPEN), ("good and bad", OPEN + [(31, "no", "x")]),
             ("two bits", [(1, "world", "anyone"), (2, "world", "anyone")]),
             ("same but perms", [(1, "ip", "1.2.3.4"), (3, "ip", "1.2.3.4"), (1, "ip", "1.2.3.4")]),
             ("auth and auth", [(31, "auth", ""), (31, "auth", "x")])]
    lists += [("perms %d" % p, [(p, "world", "anyone"), (31, "ip", "127.0.0.1")]) for p in (0, -1, 32, 255, 2**31 - 1, -2**31)]
    wanted = [(repr(label), acl) for label, acl in single + lists]
    for op in (wire.CREATE, wire.SET_ACL):
        for multi in (False, True):
            if multi and op == wire.SET_ACL:
                continue
            cases = []
            for n, (label, acl) in enumerate(wanted):
                fields = {"path": "~/acl%d" % n, "data": b"", "acl": acl, "flags": 0}
                if op == wire.SET_ACL:
                    fields = {"path": "~/e", "acl": acl, "version": -1}
                steps = one(wire.MULTI, {"ops": [(op, fields)]}) if multi else one(op, fields)
                cases.append((label, steps + one(wire.GET_ACL, {"path": fields["path"]})))
            yield "ACLs of %s%s" % (name_of(op), " in a multi" if multi else ""), PRELUDE, cases


MAX = wire.MAX_BUFFER
HEADER = 8


def sizes():
    """Around jute.maxbuffer: frames of one byte less, as many, one more; and what is long inside."""
    def padded(op, fields, field, total):
        free = total - HEADER - length_of(op, fields)
        value = fields[field]
        more = "p" * free if isinstance(value, str) else b"p" * free
        return {**fields, field: value + more}

    for op, field in ((wire.CREATE, "data"), (wire.CREATE, "path"), (wire.SET_DATA, "data"), (wire.EXISTS, "path"),
                      (wire.DELETE, "path"), (wire.SYNC, "path"), (record.GET_EPHEMERALS, "path"), (record.ADD_WATCH, "path")):
        cases = []
        for total in (MAX - 1, MAX, MAX + 1, MAX + 2):
            steps = one(op, padded(op, GOOD[op], field, total))
            if total > MAX:
                steps.append(AGAIN)     # it has ended the connection
            cases.append(("%d" % total, steps))
        yield "size of %s by its %s" % (name_of(op), field), PRELUDE, cases
    for field in ("data", "path"):
        cases = []
        for total in (MAX - 1, MAX):
            fields = {"ops": [(wire.CREATE, {"path": "~/m", "data": b"", "acl": OPEN, "flags": 2})]}
            free = total - HEADER - length_of(wire.MULTI, fields)
            fields["ops"][0][1][field] += b"p" * free if field == "data" else "p" * free
            cases.append(("%d" % total, one(wire.MULTI, fields)))
        yield "size of multi by the %s of a create" % field, PRELUDE, cases
    yield "size of multi by its operations", PRELUDE, [
        ("%d checks" % n, one(wire.MULTI, {"ops": [(wire.CHECK, {"path": "~/b", "version": -1})] * n})) for n in (1000, 20000)]


def mixed_up():
    """What has no place in a multi or in a multiRead, and what can't be decoded there."""
    def create(op, acl, flag=0, **more):
        return op, {"path": "~/m", "data": b"", "acl": acl, "flags": flag, **more}

    ttl = {"ttl": 5}
    ops = [create(wire.CREATE, None), create(wire.CREATE2, None, 7), create(record.CREATE_CONTAINER, OPEN, 5),
           create(record.CREATE_CONTAINER, None, 6), create(record.CREATE_TTL, None, 5, **ttl),
           create(record.CREATE_TTL, OPEN, 9, **ttl), create(wire.CREATE, OPEN, 2)]
    ops += [(op, GOOD[op]) for op in GOOD if op not in (wire.MULTI, record.MULTI_READ)]
    ops += [(wire.DELETE, {"path": None, "version": -1}), (wire.GET_DATA, {"path": None, "watch": False})]
    for multi in (wire.MULTI, record.MULTI_READ):
        for beside in (wire.GET_DATA, wire.CHECK):
            other = (beside, GOOD.get(beside, {"path": "~/b", "version": -1}))
            yield "operations of %s beside %s" % (name_of(multi), name_of(beside)), PRELUDE, [
                ("%s %s" % (name_of(op[0]), place), one(multi, {"ops": both}))
                for op in ops for place, both in (("alone", [op]), ("first", [op, other]), ("last", [other, op]))]


def opcodes():
    """All numbers near those in use, but for the internal ones that ZooKeeper takes from any client."""
    skip = set(GOOD) | set(CLOSING) | {wire.PING, wire.CLOSE_SESSION, wire.CREATE_SESSION, record.DELETE_CONTAINER}
    cases = []
    for op in list(range(-20, 130)) + [1000, 2**31 - 1, -2**31]:
        if op in skip:
            continue
        for body in (b"", record.encode(wire.EXISTS, {"path": "/zookeeper", "watch": False}, "/x/y", None)):
            cases.append(("%d with %d bytes" % (op, len(body)), one(op, {"raw": body}) + [AGAIN]))
    yield "opcodes", PRELUDE, cases


def xids():
    yield "xids", PRELUDE, [
        ("%s %d" % (name_of(op), xid), one(op, GOOD[op], None, xid))
        for op in (wire.EXISTS, wire.SET_DATA, wire.MULTI, wire.SYNC, wire.SET_WATCHES, record.WHO_AM_I, wire.CREATE)
        for xid in (0, -2, -3, -4, -8, -9, 2**31 - 1, -2**31)]


def connecting():
    """ConnectRequests that are not whole, or odd."""
    whole = wire.connect_frame()[4:]
    cases = [("cut %d" % n, [RawConnect(0, wire.frame(whole[:n]))]) for n in range(len(whole))]
    cases += [("add %d" % n, [RawConnect(0, wire.frame(whole + b"\x02" * n))]) for n in (1, 4, 100)]
    for patch in PATCHES + (b"\x00\x00\x00\x00",):
        cases += [("put %s at %d" % (patch.hex(), n), [RawConnect(0, wire.frame(whole[:n] + patch + whole[n + 4:]))])
                  for n in (0, 12, 24, 40) if not (n == 24 and patch == b"\x00\x1f\xff\xff")]
    cases += [("password of %d bytes" % n, [RawConnect(0, wire.connect_frame(session=wire.Session(0, b"p" * n)))])
              for n in (0, 1, 15, 17, 1000)]
    cases += [("frame length %d" % n, [RawConnect(0, wire.i32(n) + whole)]) for n in (-1, 0, 1, 28, MAX + 1, 2**31 - 1)]
    cases += [("read-only byte %d" % n, [RawConnect(0, wire.frame(whole[:-1] + bytes([n])))]) for n in (0, 1, 2, 255)]
    cases += [("timeout %d" % n, [Connect(0, n, False, None)]) for n in (-2**31, -1, 0, 1, 399, 400, 40000, 40001, 2**31 - 1)]
    yield "connecting", [], cases


def sessions():
    """Requests of sessions that are closing, unknown, gone, or taken over."""
    create = request(wire.CREATE, path="~/c", data=b"", acl=OPEN, flags=1)
    reads = tuple(request(op, **GOOD[op]) for op in (wire.EXISTS, wire.GET_DATA))
    close = request(wire.CLOSE_SESSION)
    cases = [
        ("a close with a body", [Requests(0, (record.Request(wire.CLOSE_SESSION, {}, None, ("add", b"1234")),)), CONNECT]),
        ("close", [Requests(0, (create, close)), CONNECT]),
        ("resume of a closed session", [Requests(0, (close,)), AGAIN, CONNECT]),
        ("resume with a wrong password", [Resume(1, 0, "wrong password", 30000, False, None), AGAIN]),
        ("resume of no session", [Resume(1, 0, "unknown", 30000, False, None)]),
        ("resume ahead", [Resume(1, 0, "ahead", 30000, False, None)]),
        ("take over", [Resume(1, 0, "right", 30000, False, None), Requests(1, reads), Requests(0, reads), AGAIN]),
        ("take over and back", [Resume(1, 0, "right", 30000, None, None), AGAIN, Requests(0, reads + (create,))]),
        ("drop and resume", [Drop(0), AGAIN, Requests(0, reads)]),
        ("bytes that are no frame", [Raw(0, wire.i32(-5)), AGAIN]),
        ("a frame without a header", [Raw(0, wire.i32(7) + b"1234567"), AGAIN]),
    ]
    yield "sessions", PRELUDE, cases


ALL = (bodies, paths, versions, flags, acls, sizes, mixed_up, opcodes, xids, connecting, sessions)


def groups(wanted=""):
    for make in ALL:
        for name, prelude, cases in make():
            if wanted in name:
                yield name, prelude, cases


def play(rig, name, prelude, cases):
    """Plays a group. Yields (label, transcript) of each case that makes a difference."""
    while cases:
        steps, owner = list(prelude), [None] * len(prelude)
        for case in cases:
            steps += case[1]
            owner += [case] * len(case[1])
        transcript = []
        found = rig.play(steps, transcript)
        if not found:
            return
        if found.step >= len(steps):    # seen in the end only: the cases one by one, if there are more
            if len(cases) > 1:
                for case in cases:
                    yield from play(rig, name, prelude, [case])
            else:
                yield cases[0][0], transcript[len(prelude):]
            return
        case = owner[found.step]
        if case is None:
            yield "the prelude", transcript
            return
        yield case[0], [t for t, of in zip(transcript, owner) if of is case]
        cases = cases[cases.index(case) + 1:]
