"""The requests that torture clients make: how each is sent, and what is recorded of it and of its answer."""
from interop.harness import wire
from interop.harness.wire import Reader, boolean, buf, i32, ustr

from . import record

FLAG_LETTERS = {wire.PERSISTENT: "", wire.EPHEMERAL: "e", wire.SEQUENTIAL: "s", wire.EPHEMERAL_SEQUENTIAL: "es"}


class Request:
    """`asked` is what is recorded of the question; `answer` makes of the reply's body what is recorded of that.
    `watch` is what an answer leaves behind at the server: (kind, path)."""

    writes = False
    watch = None
    made = None                         # path of a node that its answer told of

    def __init__(self, code, body, asked, answer=None, writes=False, watch=None, xid=None):
        self.code = code
        self.body = body
        self.asked = asked
        self.answer = answer or (lambda reader: "")
        self.writes = writes
        self.watch = watch
        self.xid = xid
        self.subs = ()

    def judge(self, reply):
        """(err, fields of the answer, parts of a multi) of a reply."""
        if reply.err != wire.OK:
            return reply.err, "", [sub.asked + " err=%d" % reply.err for sub in self.subs]
        return wire.OK, self.answer(Reader(reply.body)), ()

    def unanswered(self):
        return [sub.asked + " err=" + record.UNKNOWN for sub in self.subs]


def _with_stat(reader):
    return " stat=" + record.stat(reader.stat())


def create(path, data, flags=wire.PERSISTENT, with_stat=False):
    asked = "op=create path=%s data=%s" % (record.text(path), record.text(data))
    if flags:
        asked += " flags=" + FLAG_LETTERS[flags]
    request = Request(wire.CREATE2 if with_stat else wire.CREATE, wire.create_body(path, data, flags), asked, writes=True)

    def answer(reader):
        request.made = reader.ustr()
        return " name=" + record.text(request.made) + (_with_stat(reader) if with_stat else "")
    request.answer = answer
    return request


def _version(version):
    return "" if version == -1 else " version=%d" % version


def delete(path, version=-1):
    return Request(wire.DELETE, ustr(path) + i32(version), "op=delete path=%s%s" % (record.text(path), _version(version)),
                   writes=True)


def set_data(path, data, version=-1):
    return Request(wire.SET_DATA, ustr(path) + buf(data) + i32(version),
                   "op=set path=%s data=%s%s" % (record.text(path), record.text(data), _version(version)),
                   _with_stat, writes=True)


def set_acl(path, entries, version=-1):
    return Request(wire.SET_ACL, ustr(path) + wire.acls(entries) + i32(version),
                   "op=setacl path=%s acl=%s%s" % (record.text(path), record.acl(entries), _version(version)),
                   _with_stat, writes=True)


def check(path, version):
    return Request(wire.CHECK, ustr(path) + i32(version), "op=check path=%s%s" % (record.text(path), _version(version)))


class Multi(Request):
    def __init__(self, *subs):
        super().__init__(wire.MULTI, wire.multi_body(*((sub.code, sub.body) for sub in subs)), "op=multi", writes=True)
        self.subs = subs

    def judge(self, reply):
        if reply.err != wire.OK:
            return super().judge(reply)
        lines, failed = [], wire.OK
        for sub, (kind, err, value) in zip(self.subs, wire.multi_results(reply.body)):
            answered = ""
            if kind == -1:
                err = value
            elif kind == wire.CREATE:
                sub.made = value
                answered = " name=" + record.text(value)
            elif kind == wire.CREATE2:
                sub.made = value[0]
                answered = " name=%s stat=%s" % (record.text(value[0]), record.stat(value[1]))
            elif kind == wire.SET_DATA:
                answered = " stat=" + record.stat(value)
            if failed == wire.OK and err != wire.RUNTIME_INCONSISTENCY:
                failed = err
            lines.append("%s err=%d%s" % (sub.asked, err, answered))
        return failed, "", lines


def _watch_field(watch):
    return " watch=1" if watch else ""


def get(path, watch=False):
    def answer(reader):
        data = reader.buf()
        return ("" if data is None else " got=" + record.text(data)) + _with_stat(reader)
    return Request(wire.GET_DATA, ustr(path) + boolean(watch), "op=get path=" + record.text(path) + _watch_field(watch),
                   answer, watch=("data", path) if watch else None)


def exists(path, watch=False):
    return Request(wire.EXISTS, ustr(path) + boolean(watch), "op=exists path=" + record.text(path) + _watch_field(watch),
                   _with_stat, watch=("exist", path) if watch else None)


def children(path, watch=False, with_stat=False):
    def answer(reader):
        return " kids=" + record.texts(reader.strings()) + (_with_stat(reader) if with_stat else "")
    return Request(wire.GET_CHILDREN2 if with_stat else wire.GET_CHILDREN, ustr(path) + boolean(watch),
                   "op=children path=" + record.text(path) + _watch_field(watch),
                   answer, watch=("child", path) if watch else None)


def get_acl(path):
    def answer(reader):
        return " acl=" + record.acl(reader.acls()) + _with_stat(reader)
    return Request(wire.GET_ACL, ustr(path), "op=getacl path=" + record.text(path), answer)


def sync(path="/"):
    return Request(wire.SYNC, ustr(path), "op=sync path=" + record.text(path))


def ping():
    return Request(wire.PING, b"", "op=ping", xid=wire.XID_PING)


def set_watches(rel, data, exist, child):
    return Request(wire.SET_WATCHES, wire.set_watches_body(rel, data, exist, child),
                   "op=setwatches rel=%s dw=%s ew=%s cw=%s" % (
                       record.number(rel), record.texts(data), record.texts(exist), record.texts(child)),
                   xid=wire.XID_SET_WATCHES)


def close():
    return Request(wire.CLOSE_SESSION, b"", "op=close", writes=True)
