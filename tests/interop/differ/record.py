"""Requests as values: how each is written to the wire, and how its reply is read.

A request is an opcode and a dict of fields. A path that begins with "~" stands below the directory
that a sequence has to itself, one with "Q" where the quota of that directory is kept ("Q0": its parent). Layouts: the client protocol, sections 4.1 to 4.3.
"""
import collections
import re

from harness import wire
from harness.wire import Reader, boolean, buf, i32, i64

CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL, MULTI_READ = 19, 20, 21, 22
RECONFIG, CHECK_WATCHES, REMOVE_WATCHES = 16, 17, 18
AUTH, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER = 100, 102, 103, 104
SET_WATCHES2, ADD_WATCH, WHO_AM_I = 105, 106, 107

CONFIG = "/zookeeper/config"
QUOTA = "/zookeeper/quota"

# The directory of a sequence. All are as long as this one: then a byte to be spoilt, drawn before there is a
# directory, is the same byte whenever the sequence is played.
SAMPLE_ROOT = "/xxxx/xxxx"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PLAYS_IN_ONE_PLACE = 200                # few enough for a list of children

NAMES = {
    wire.CREATE: "create", wire.DELETE: "delete", wire.EXISTS: "exists", wire.GET_DATA: "getData",
    wire.SET_DATA: "setData", wire.GET_ACL: "getACL", wire.SET_ACL: "setACL",
    wire.GET_CHILDREN: "getChildren", wire.SYNC: "sync", wire.PING: "ping",
    wire.GET_CHILDREN2: "getChildren2", wire.CHECK: "check", wire.MULTI: "multi",
    wire.CREATE2: "create2", RECONFIG: "reconfig", CHECK_WATCHES: "checkWatches",
    REMOVE_WATCHES: "removeWatches", CREATE_CONTAINER: "createContainer",
    DELETE_CONTAINER: "deleteContainer", CREATE_TTL: "createTTL", MULTI_READ: "multiRead",
    AUTH: "auth", wire.SET_WATCHES: "setWatches", SASL: "sasl", GET_EPHEMERALS: "getEphemerals",
    GET_ALL_CHILDREN_NUMBER: "getAllChildrenNumber", SET_WATCHES2: "setWatches2",
    ADD_WATCH: "addWatch", WHO_AM_I: "whoAmI", wire.CLOSE_SESSION: "closeSession"}

# What a field is on the wire: p path, b buffer, a ACL list, i int, l long, z zxid, w bool, s text,
# P list of paths, O operations of a multi.
LAYOUTS = {
    wire.CREATE: "path:p data:b acl:a flags:i", wire.CREATE2: "path:p data:b acl:a flags:i",
    CREATE_CONTAINER: "path:p data:b acl:a flags:i",
    CREATE_TTL: "path:p data:b acl:a flags:i ttl:l",
    wire.DELETE: "path:p version:i", wire.CHECK: "path:p version:i",
    wire.SET_DATA: "path:p data:b version:i", wire.SET_ACL: "path:p acl:a version:i",
    wire.EXISTS: "path:p watch:w", wire.GET_DATA: "path:p watch:w",
    wire.GET_CHILDREN: "path:p watch:w", wire.GET_CHILDREN2: "path:p watch:w",
    wire.GET_ACL: "path:p", wire.SYNC: "path:p", wire.PING: "", wire.CLOSE_SESSION: "",
    wire.MULTI: "ops:O", MULTI_READ: "ops:O",
    RECONFIG: "joining:s leaving:s members:s config:l",
    CHECK_WATCHES: "path:p type:i", REMOVE_WATCHES: "path:p type:i", ADD_WATCH: "path:p mode:i",
    AUTH: "type:i scheme:s auth:b", SASL: "token:b",
    wire.SET_WATCHES: "zxid:z data:P exist:P child:P",
    SET_WATCHES2: "zxid:z data:P exist:P child:P persistent:P recursive:P",
    GET_EPHEMERALS: "path:p", GET_ALL_CHILDREN_NUMBER: "path:p", WHO_AM_I: ""}
LAYOUTS = {op: [part.split(":") for part in text.split()] for op, text in LAYOUTS.items()}


class Request(collections.namedtuple("Request", "op fields xid mangle", defaults=(None, None))):
    """`xid` None: the next of its connection. `mangle` spoils the body: ("cut", n) keeps n bytes
    of it, ("add", bytes) appends some, ("put", at, bytes) overwrites some."""

    def __repr__(self):
        text = "%s(%s)" % (NAMES.get(self.op, "op %d" % self.op),
                           ", ".join("%s=%s" % (k, short(v)) for k, v in self.fields.items()))
        if self.xid is not None:
            text += " xid=%d" % self.xid
        if self.mangle is not None:
            text += " %s" % (short(self.mangle),)
        return text


def short(value):
    """A value as a transcript shows it."""
    text = repr(value)
    return text if len(text) <= 200 else "%s… (%d characters)" % (text[:180], len(text))


def request(op, xid=None, mangle=None, **fields):
    return Request(op, fields, xid, mangle)


def root_of(side, played):
    """The directory of a sequence: a place of its own for each."""
    return "/%sd%s/%s" % (side, _digits(played // PLAYS_IN_ONE_PLACE, 2), _digits(played, 4))


def _digits(n, count):
    out = ""
    for _ in range(count):
        n, digit = divmod(n, len(DIGITS))
        out = DIGITS[digit] + out
    return out


def places(root):
    """What the signs at the beginning of a path stand for."""
    return (("~", root), ("Q", QUOTA + root), ("Q0", QUOTA + root[:root.rindex("/")]))


def path_bytes(path, root):
    if path is None:
        return None
    path = path.encode("utf-8", "surrogatepass") if isinstance(path, str) else path
    for sign, place in sorted(places(root), reverse=True):      # "Q0" before "Q"
        if path.startswith(sign.encode()):
            return place.encode() + path[len(sign):]
    return path


def encode(op, fields, root, zxid_of):
    """The body of a request. `zxid_of` turns a symbolic zxid into this server's."""
    if "raw" in fields:
        return fields["raw"]
    out = b""
    for name, kind in LAYOUTS.get(op, ()):
        value = fields[name]
        if kind == "p":
            out += buf(path_bytes(value, root))
        elif kind in "bs":
            out += buf(value.encode() if isinstance(value, str) else value)
        elif kind == "i":
            out += i32(value)
        elif kind == "l":
            out += i64(value)
        elif kind == "z":
            out += i64(zxid_of(value))
        elif kind == "w":
            out += boolean(value)
        elif kind == "a":
            out += _acls(value)
        elif kind == "P":
            out += i32(-1) if value is None else i32(len(value)) + b"".join(
                buf(path_bytes(p, root)) for p in value)
        else:
            out += _operations(value, root, zxid_of)
    return out


def _acls(entries):
    if entries is None:
        return i32(-1)
    return i32(len(entries)) + b"".join(
        i32(perms) + wire.ustr_or_null(scheme) + wire.ustr_or_null(ident)
        for perms, scheme, ident in entries)


def _operations(ops, root, zxid_of):
    out = b"".join(i32(op) + b"\x00" + i32(-1) + encode(op, fields, root, zxid_of)
                   for op, fields in ops)
    return out + i32(-1) + b"\x01" + i32(-1)


def body_of(req, root, zxid_of):
    body = encode(req.op, req.fields, root, zxid_of)
    if req.mangle is None:
        return body
    if req.mangle[0] == "cut":
        return body[:req.mangle[1]]
    if req.mangle[0] == "add":
        return body + req.mangle[1]
    at = min(req.mangle[1], len(body))
    return body[:at] + req.mangle[2] + body[at + len(req.mangle[2]):]


# --- replies ----------------------------------------------------------------------------------

# What is no UTF-8, and what is beyond its first plane: ZooKeeper puts U+FFFD or two surrogates in its place,
# baton leaves it as it came (docs/compatibility.md).
ODD_TEXT = re.compile("[\ufffd\U00010000-\U0010ffff]+")


def text(r):
    data = r.buf()
    return None if data is None else ODD_TEXT.sub("\ufffd", data.decode("utf-8", "replace"))


def _texts(r):
    return [text(r) for _ in range(max(r.i32(), 0))]


def _children(r):
    return sorted(_texts(r))            # in no order that a client may rely on


def _acl_list(r):
    return [(r.i32(), text(r), text(r)) for _ in range(max(r.i32(), 0))]


def _data(r):
    data = r.buf()
    if data is not None and len(data) > 64:
        return "%d bytes, hash %x" % (len(data), hash(data))
    return data


def decode(op, body, stat):
    """The fields of a reply's body as (name, value) pairs. `stat` makes a Stat comparable."""
    r = Reader(body)
    if op == wire.CREATE or op == wire.SYNC:
        out = [("path", text(r))]
    elif op in (wire.CREATE2, CREATE_CONTAINER, CREATE_TTL):
        out = [("path", text(r))] + stat(r.stat())
    elif op in (wire.EXISTS, wire.SET_DATA, wire.SET_ACL):
        out = stat(r.stat())
    elif op in (wire.GET_DATA, RECONFIG):
        out = [("data", _data(r))] + stat(r.stat())
    elif op == wire.GET_ACL:
        out = [("acl", _acl_list(r))] + stat(r.stat())
    elif op == wire.GET_CHILDREN:
        out = [("children", _children(r))]
    elif op == wire.GET_CHILDREN2:
        out = [("children", _children(r))] + stat(r.stat())
    elif op in (wire.MULTI, MULTI_READ):
        out = _results(r, stat)
    elif op == SASL:
        out = [("token", r.buf())]
    elif op == GET_EPHEMERALS:
        out = [("ephemerals", _children(r))]
    elif op == GET_ALL_CHILDREN_NUMBER:
        out = [("number", r.i32())]
    elif op == ADD_WATCH:
        out = [("err", r.i32())]
    elif op == WHO_AM_I:
        out = [("ids", sorted((text(r), text(r)) for _ in range(max(r.i32(), 0))))]
    else:
        out = []
    if not r.at_end():
        out.append(("further bytes", body[r.at:]))
    return out


def _results(r, stat):
    """The entries of a multi, each as (n.type, …) pairs."""
    out = []
    for n in range(len(r.data)):
        kind, done, err = r.i32(), r.boolean(), r.i32()
        if done:
            return out + [("end", (kind, err))]
        out.append(("%d" % n, (kind, err)))
        if kind == wire.CREATE:
            fields = [("path", text(r))]
        elif kind == wire.CREATE2:
            fields = [("path", text(r))] + stat(r.stat())
        elif kind == wire.SET_DATA:
            fields = stat(r.stat())
        elif kind == wire.GET_CHILDREN:
            fields = [("children", _children(r))]
        elif kind == wire.GET_DATA:
            fields = [("data", _data(r))] + stat(r.stat())
        elif kind == -1:
            fields = [("err", r.i32())]
        else:
            fields = []
        out += [("%d.%s" % (n, name), value) for name, value in fields]
    return out
