"""The committed transactions, put together from the servers' log files when all is over.

A server that was sent a snapshot has a hole in its log: what the snapshot stood for is in the log of the leader that
sent it, who may have had such a hole itself. What was truncated, or lay behind a snapshot's zxid, was never committed.
"""
import re
import time

from interop.harness import wire
from interop.harness.txnlog import TXN, read_log
from interop.harness.wire import Reader

from . import record

SYNCHRONISING = re.compile(
    r"^([\d.]+) baton-engine: synchronising from leader (\d+) by (\w+) 0x([0-9a-f]+), own log ends at 0x([0-9a-f]+)", re.M)
ERROR = -1


class Incomplete(Exception):
    """Some of it is in nobody's log any more."""


def _follows(zxid, last):
    return zxid == last + 1 or (zxid >> 32 > last >> 32 and zxid & 0xFFFFFFFF == 1)


class Logs:
    """What `engines` have logged, as their files say (those that are kept), and what became of it, as they say."""

    def __init__(self, engines):
        self.records = {}               # server -> zxid -> Record
        self.snapshots = {}             # server -> [(leader, zxid)] that it has made its own, in order of time
        self.problems = []
        everywhere = {}
        for engine in engines:
            files = []                  # (last written, zxid -> Record)
            for path in sorted(engine.kept_logs.iterdir()):
                found = {r.zxid: r for r in read_log(path)}
                files.append((path.stat().st_mtime, found))
                for zxid, r in found.items():
                    if everywhere.setdefault(zxid, r).payload != r.payload:
                        self.problems.append("Z10: two records of 0x%x; one is in %s" % (zxid, path))
            self.snapshots[engine.sid] = self._follow_syncs(engine, files)
            self.records[engine.sid] = {zxid: r for _, found in files for zxid, r in found.items()}

    @staticmethod
    def _follow_syncs(engine, files):
        """Takes out of `files` what the engine has thrown away. Returns the snapshots that it has made its own."""
        monotonic = time.time() - time.monotonic()
        syncs = [(monotonic + float(at), int(leader), way, int(zxid, 16), int(end, 16))
                 for at, leader, way, zxid, end in SYNCHRONISING.findall(engine.log_text())]
        ends = [sync[-1] for sync in syncs[1:]] + [max((zxid for _, found in files for zxid in found), default=0)]
        snapshots = []
        for (at, leader, way, zxid, end), next_end in zip(syncs, ends):
            if way == "SNAP" and (next_end == end or next_end < zxid):
                continue                # that snapshot did not come to its end
            if way == "SNAP":
                snapshots.append((leader, zxid))
            if way == "DIFF":
                continue
            # A file written since has been cut. Others were removed; the same may have been received again since.
            for written, found in files:
                if written < at:
                    for gone in [z for z in found if zxid < z <= end]:
                        del found[gone]
        return snapshots

    def committed(self):
        """All records in order, from the first one on."""
        ends = {sid: max(found, default=0) for sid, found in self.records.items()}
        sid = max(ends, key=ends.get)
        parts, end = [], ends[sid]
        snapshots = list(self.snapshots[sid])
        while True:
            leader, begin = snapshots.pop() if snapshots else (None, 0)
            parts.append([r for zxid, r in sorted(self.records[sid].items()) if begin < zxid <= end])
            if leader is None:
                break
            # The leader had all of it then, with what it had from snapshots before that one.
            sid, end = leader, begin
            snapshots = [(from_whom, at) for from_whom, at in self.snapshots[leader] if at < begin]
        records = [r for part in reversed(parts) for r in part]
        last = 0
        for r in records:
            if not _follows(r.zxid, last):
                raise Incomplete("nobody has what lies between 0x%x and 0x%x" % (last, r.zxid))
            last = r.zxid
        return records


# --- as text ---

def _create(reader, flags=""):
    fields = "op=create path=%s" % record.text(reader.ustr())
    data = reader.buf()
    if data is not None:
        fields += " data=" + record.text(data)
    fields += " acl=" + record.acl(reader.acls())
    if not flags:
        flags = "e" if reader.boolean() else ""
    return fields + (" flags=" + flags if flags else "") + " pcv=%d" % reader.i32()


def _set(reader):
    path, data, version = reader.ustr(), reader.buf(), reader.i32()
    return "op=set path=%s%s version=%d" % (
        record.text(path), "" if data is None else " data=" + record.text(data), version)


KINDS = {
    wire.CREATE: _create, wire.CREATE2: _create,
    wire.DELETE: lambda reader: "op=delete path=" + record.text(reader.ustr()),
    wire.SET_DATA: _set,
    wire.SET_ACL: lambda reader: "op=setacl path=%s acl=%s version=%d" % (
        record.text(reader.ustr()), record.acl(reader.acls()), reader.i32()),
    wire.CHECK: lambda reader: "op=check path=%s version=%d" % (record.text(reader.ustr()), reader.i32()),
    wire.CREATE_SESSION: lambda reader: "op=open timeout=%d" % reader.i32(),
    wire.CLOSE_SESSION: lambda reader: "op=close",
    ERROR: lambda reader: "op=error err=%d" % reader.i32(),
}


def lines(r):
    """The lines of one record."""
    reader = Reader(r.payload)
    reader.take(TXN.size)
    line = "txn zxid=%s s=%s x=%d " % (record.number(r.zxid), record.number(r.session), r.cxid)
    if r.type != wire.MULTI:
        return [line + KINDS[r.type](reader)]
    parts = [(reader.i32(), reader.buf()) for _ in range(reader.i32())]
    return [line + "op=multi"] + ["sub " + KINDS[kind](Reader(body)) for kind, body in parts]
