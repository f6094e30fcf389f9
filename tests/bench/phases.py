"""The parts of a gap: when the servers' own log lines, stamped as they came, say that a phase was over.

    detection         from the signal until the survivor that is to lead looks for a leader
    election          until it knows that it leads
    synchronisation   until it says that a quorum has its history
    first commit      until a client has a write acknowledged

Neither kind of server puts a monotonic time into its lines (ZooKeeper's have the wall clock's milliseconds, baton's none):
stamp.py, a process beside each server, puts one before each line when it comes. Both kinds are treated alike.
"""
import re
import sys
from pathlib import Path

PARTS = ("detection", "election", "synchronisation", "first commit")
COMMAND = (sys.executable, "-S", "-E", str(Path(__file__).resolve().parent / "stamp.py"))
# A line of a busy machine may come behind what it tells of: so much later it still counts, as if at the end.
LATE_S = 0.05
STAMP = re.compile(r"^(\d+\.\d{6}) (.*)$")
# What each kind says when it begins to look, knows that it leads, and has a quorum: baton or ZooKeeper.
LOOKS = re.compile(r"^baton-engine: looking$| - LOOKING$")
LEADS = re.compile(r"^baton-engine: election: leading,| - LEADING$")
SYNCED = re.compile(r"^baton-engine: zab: leading \(synchronization\) -> leading \(broadcast\)| - Have quorum of supporters")


def _moments(text, began, ended):
    """The last time that a survivor came to lead between `began` and `ended`: when it looked, led and had a quorum."""
    looked = led = synced = None
    for line in text.splitlines():
        found = STAMP.match(line)
        if not found or not began <= float(found.group(1)) <= ended + LATE_S:
            continue
        at, said = min(float(found.group(1)), ended), found.group(2)
        if LOOKS.search(said):
            looked, led, synced = at, None, None
        elif LEADS.search(said) and looked is not None:
            led, synced = at, None
        elif SYNCED.search(said) and led is not None:
            synced = at
    return (looked, led, synced) if synced is not None else None


def split(texts, began, ended):
    """Milliseconds of each part, from the survivors' stamped logs; times as of time.monotonic(). Empty where none of them
    says that it came to lead."""
    found = [moments for moments in (_moments(text, began, ended) for text in texts) if moments]
    if not found:
        return {}
    marks = [began, *max(found, key=lambda moments: moments[-1]), ended]
    return {part: (marks[i + 1] - marks[i]) * 1000 for i, part in enumerate(PARTS)}
