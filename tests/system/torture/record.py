"""What clients asked and were told, as lines of text. tests/sim/history/README.md says what each line means."""
import time

EVENT_NAMES = {1: "created", 2: "deleted", 3: "changed", 4: "children"}
UNKNOWN = "?"

_ESCAPED = {byte: "%%%02X" % byte for byte in (*range(0x21), 0x7F, ord("%"), ord("="), ord(","))}


def now_us():
    """The one clock of all histories."""
    return time.monotonic_ns() // 1000


def text(value):
    """A text, or bytes that are UTF-8, as it stands behind an equals sign."""
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    return value.translate(_ESCAPED)


def texts(values):
    return ",".join(text(value) for value in values)


def number(value):
    return "0x%x" % (value & 0xFFFFFFFFFFFFFFFF) if value else "0"


def acl(entries):
    return texts([" ".join("%d:%s:%s" % entry for entry in entries)])


def stat(s):
    return "c:%s,m:%s,p:%s,v:%d,cv:%d,av:%d,o:%s,len:%d,kids:%d" % (
        number(s.czxid), number(s.mzxid), number(s.pzxid), s.version, s.cversion, s.aversion,
        number(s.ephemeral_owner), s.data_length, s.num_children)


class Recorder:
    """The lines of one client. Connections are numbered by `numbers`, an iterator that all clients share."""

    def __init__(self, client, numbers):
        self.client = client
        self.numbers = numbers
        self.lines = []

    def connected(self, call, session, server, timeout_ms, seen=None):
        """A new session, or, with what it has `seen`, one that goes on. Returns the connection's number."""
        k = next(self.numbers)
        line = "call=%d at=%d k=%d c=%d s=%s srv=%d timeout=%d" % (
            call, now_us(), k, self.client, number(session), server, timeout_ms)
        self.lines.append("open " + line if seen is None else "resume %s seen=%s" % (line, number(seen)))
        return k

    def refused(self, call, session, server):
        self.lines.append("refuse call=%d at=%d k=%d c=%d s=%s srv=%d" % (
            call, now_us(), next(self.numbers), self.client, number(session), server))

    def lost(self, k):
        self.lines.append("lost at=%d k=%d" % (now_us(), k))

    def op(self, call, k, session, xid, asked, err, zxid=0, answered="", subs=()):
        """`asked` and `answered` are fields already; `subs` those of a multi's parts."""
        line = "op call=%d ret=%d k=%d s=%s x=%d %s err=%s" % (call, now_us(), k, number(session), xid, asked, err)
        if zxid > 0:
            line += " zxid=" + number(zxid)
        self.lines.append(line + answered)
        self.lines.extend("sub " + fields for fields in subs)

    def event(self, k, kind, path):
        self.lines.append("event at=%d k=%d type=%s path=%s" % (now_us(), k, EVENT_NAMES[kind], text(path)))


def final(server, tree, acls):
    """The lines of one server's whole tree."""
    lines = ["final at=%d srv=%d" % (now_us(), server)]
    for path, node in sorted(tree.items()):
        data = "" if node.data is None else " data=" + text(node.data)
        lines.append("node path=%s%s stat=%s acl=%s" % (text(path), data, stat(node.stat), acl(acls[path])))
    return lines
