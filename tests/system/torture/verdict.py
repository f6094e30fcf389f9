"""What is looked at when a torture run is over: trees, what the engines say of themselves, and the history."""
import os
import re
import subprocess
from pathlib import Path

from interop.harness import servers, tree, wire
from interop.harness.wire import Reader, ustr

from . import plan, record

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BATON_BUILD") or ROOT / "build" / "release")
CHECKER = BUILD / "bin" / "baton-history-check"
CHECK_TIMEOUT_S = 300
SHOWN_LINES_MAX = 60
MUST_NOT_SAY = re.compile(r"digest|assert|baton-engine: error:", re.I)
FULL = "No space left on device"        # what a server on the small disk may say


def acls_of(server, paths):
    """Path -> ACL of these nodes, as `server` has them."""
    client = wire.Client(server.address, timeout_ms=30000, timeout=30.0)
    try:
        found, paths = {}, list(paths)
        for begin in range(0, len(paths), tree.WINDOW):
            part = paths[begin:begin + tree.WINDOW]
            for path in part:
                client.submit(wire.GET_ACL, ustr(path))
            for path in part:
                reply = client.read_reply()
                assert reply.err == wire.OK, (path, reply)
                found[path] = Reader(reply.body).acls()
        return found
    finally:
        client.close_session()


def read_all(engines):
    """Server number -> (tree, ACLs), without what is each server's own."""
    found = {}
    for engine in engines:
        nodes = {path: node for path, node in tree.read_tree(engine).items() if path not in tree.LOCAL_NODES}
        found[engine.sid] = (nodes, acls_of(engine, nodes))
    return found


def unequal(trees):
    """Lines that say where the servers' trees differ."""
    lines = []
    (first, (nodes, acls)), *others = sorted(trees.items())
    for sid, (other_nodes, other_acls) in others:
        found = tree.differences(nodes, other_nodes)
        found += ["%s has another ACL: %s and %s" % (path, acls[path], other_acls[path])
                  for path in sorted(set(acls) & set(other_acls)) if acls[path] != other_acls[path]]
        lines += ["servers %d and %d: %s" % (first, sid, line) for line in found]
    return lines


def changed(before, after):
    """Lines that say what of the servers' trees is not as it was."""
    lines = []
    for sid in sorted(before):
        lines += ["server %d, before and after: %s" % (sid, line)
                  for line in tree.differences(before[sid][0], after[sid][0])]
        if before[sid][1] != after[sid][1]:
            lines.append("server %d: ACLs are not what they were" % sid)
    return lines


def owned(trees):
    """Ephemeral nodes that are still there."""
    return sorted({path for nodes, _ in trees.values() for path, node in nodes.items() if node.stat.ephemeral_owner})


def said(engine):
    """Lines of an engine's log that must not be there, and counters that must be 0."""
    found = ["%r said: %s" % (engine, line) for line in engine.log_text().splitlines()
             if servers.CRASH_MARKS.search(line)
             or MUST_NOT_SAY.search(line) and not (FULL in line and engine.sid == plan.SMALL_DISK)]
    if engine.running():
        counters = engine.monitor()
        found += ["%r counts %s %s" % (engine, counters[name], name)
                  for name in ("digest_mismatches_count", "bad_input_client", "bad_input_election", "bad_input_quorum")
                  if counters.get(name) != "0"]
    return found


def write_history(path, head, recorders, trees, log):
    """`log` are the lines of the committed transactions; none if it is not known."""
    with open(path, "w", encoding="utf-8") as out:
        out.writelines("# %s\n" % line for line in head)
        for recorder in recorders:
            out.writelines(line + "\n" for line in recorder.lines)
        out.writelines(line + "\n" for line in log)
        for sid, (nodes, acls) in sorted(trees.items()):
            out.writelines(line + "\n" for line in record.final(sid, nodes, acls))


def check_history(path):
    """What is wrong with a history, in the words of the simulator's checker; "" for nothing."""
    if not CHECKER.exists():
        return "%s is not there: build first (./dev build)" % CHECKER
    done = subprocess.run([CHECKER, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=CHECK_TIMEOUT_S, check=False)
    if done.returncode == 0:
        return ""
    lines = done.stdout.splitlines()
    more = ["... and %d lines more" % (len(lines) - SHOWN_LINES_MAX)] if len(lines) > SHOWN_LINES_MAX else []
    return "%s ended with %d:\n%s" % (CHECKER.name, done.returncode, "\n".join(lines[:SHOWN_LINES_MAX] + more))
