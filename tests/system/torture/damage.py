"""Damages a history so that it tells of a broken promise. What the checker must find, lest it be one that finds nothing.

Each takes the lines of a true history and returns those of a false one.
"""
import re

from . import workload

_ZXIDS = re.compile(r"c:(\w+),m:(\w+),p:\w+,v:(\d+)")


def fields(line):
    """The word of a line and its fields."""
    word, *pairs = line.split(" ")
    return word, dict(pair.split("=", 1) for pair in pairs)


def _with(line, **changed):
    word, found = fields(line)
    found.update(changed)
    return " ".join([word, *("%s=%s" % pair for pair in found.items())])


def _mzxid(stat):
    return int(_ZXIDS.match(stat).group(2), 16)


def _of(lines, word, **wanted):
    """(index, fields) of lines with this word and these values."""
    wanted_pairs = [" %s=%s" % pair for pair in wanted.items()]
    for index, line in enumerate(lines):
        if line.startswith(word + " ") and all(pair in line for pair in wanted_pairs):
            found = fields(line)[1]
            if all(found.get(key) == value for key, value in wanted.items()):
                yield index, found


def lose_last_write(lines):
    """The last acknowledged write of a node is in nobody's final tree: all show what was there before."""
    path = workload.HOT[0]
    acked = sorted(((_mzxid(found["stat"]), found) for _, found in _of(lines, "op", op="set", path=path, err="0")),
                   key=lambda pair: pair[0])
    before = acked[-2][1]
    changed = list(lines)
    for index, found in _of(lines, "node", path=path):
        assert _mzxid(found["stat"]) >= acked[-1][0], "the last write is none"
        changed[index] = _with(lines[index], data=before["data"], stat=before["stat"])
    return changed


def read_stale(lines):
    """A session reads what was there before something that it has seen already."""
    first, newer = {}, set()            # by session; those that have seen something newer than the first
    for index, found in _of(lines, "op", op="get", path=workload.HOT[0], err="0"):
        session = found["s"]
        if session in newer:
            before = first[session]
            changed = list(lines)
            changed[index] = _with(lines[index], got=before["got"], stat=before["stat"])
            return changed
        if _mzxid(first.setdefault(session, found)["stat"]) < _mzxid(found["stat"]):
            newer.add(session)
    raise AssertionError("no session has read a node three times")


def keep_ephemeral(lines):
    """A node of a closed session is in every final tree."""
    closed = {found["s"] for _, found in _of(lines, "op", op="close", err="0")}
    for _, found in _of(lines, "op", op="create", flags="e", err="0"):
        if found["s"] in closed and "stat" in found:
            node = "node path=%s data=%s stat=%s" % (found["path"], found["data"], found["stat"])
            changed = []
            for line in lines:
                changed.append(line)
                if line.startswith("node path=%s " % workload.EPHEMERALS):
                    changed.append(node)
            return changed
    raise AssertionError("no closed session had an ephemeral node")


def invent_event(lines):
    """A watch fires twice."""
    index, _ = list(_of(lines, "event"))[-1]
    return lines[:index + 1] + [lines[index]] + lines[index + 1:]


def renumber_write(lines):
    """Two writes have one zxid."""
    sets = list(_of(lines, "op", op="set", err="0", path=workload.HOT[0]))
    (_, first), (index, _) = sets[-2:]
    changed = list(lines)
    changed[index] = _with(lines[index], zxid=first["zxid"])
    return changed


KINDS = (lose_last_write, read_stale, keep_ephemeral, invent_event, renumber_write)
