"""Plays a sequence against two targets at once and tells where they part."""
import collections
import contextlib

from harness import wire
from harness.wire import Session

from . import record
from .sequence import Connect, Drop, Raw, RawConnect, Requests, Resume

# `step` is the number of the step, or the count of steps for what is looked at in the end.
Difference = collections.namedtuple("Difference", "step what ours theirs")

UNKNOWN_SESSION = 0x0123456789abcdef


class Pair:
    """`spread`: the targets are ensembles, so every session is brought up to date after each step.
    `in_turn`: they are members of one ensemble, so one side plays to the end before the other begins."""

    def __init__(self, ours, theirs, spread=False, in_turn=False):
        self.ours = ours
        self.theirs = theirs
        self.spread = spread
        self.in_turn = in_turn
        self.played = 0

    def both(self):
        return self.ours, self.theirs

    def play(self, steps, transcript=None):
        """The first Difference, or None. `transcript` gets (step, messages of ours, of theirs)."""
        self.played += 1
        if self.in_turn:
            sides = [list(rounds(steps, [target], record.root_of(side, self.played), self.spread))
                     for side, target in zip("ab", self.both())]
            together = ((a[0], a[1] + b[1]) for a, b in zip(*sides))
        else:
            together = rounds(steps, self.both(), record.root_of("a", self.played), self.spread)
        with contextlib.closing(together):      # here, so that what fails at the end of a sequence is heard of
            for n, (step, got) in enumerate(together):
                if transcript is not None:
                    transcript.append((step, got[0], got[1]))
                if got[0] != got[1]:
                    return Difference(n, what_differs(got[0], got[1]), got[0], got[1])
        return None


def rounds(steps, targets, root, spread):
    """Plays a sequence. Yields each step with the messages that each target had for it, and then what is
    there in the end."""
    for target in targets:
        target.begin(root)
    try:
        for step in steps:
            got = [start(target, step) for target in targets]
            for target, out in zip(targets, got):
                out += finish(target, step)
                if target.settle and changes_an_acl(step):
                    target.settle()
                if spread:
                    out += bring_up_to_date(target, step)
            yield step, [target.tidied(out) for target, out in zip(targets, got)]
        yield "events that were on their way", [
            target.tidied([(name, m) for name in sorted(target.slots) for m in target.fence(name)])
            for target in targets]
        yield "the tree", [[(None, m) for m in target.tree()] for target in targets]
    finally:
        for target in targets:
            target.end()


def what_differs(ours, theirs):
    """A short name for the first thing that differs: shrinking keeps to it."""
    for (_, a), (_, b) in zip(ours, theirs):
        if a == b:
            continue
        if a.kind != b.kind:
            return "%s / %s" % (kind_of(a), kind_of(b))
        for x, y in zip(a.fields, b.fields):
            if x != y:
                name = x[0] if x[0] == y[0] else "%s/%s" % (x[0], y[0])
                errors = " %s/%s" % (x[1], y[1]) if name == "err" else ""
                return "%s: %s%s" % (kind_of(a), name, errors)
        return "%s: count of fields" % kind_of(a)
    longer = ours if len(ours) > len(theirs) else theirs
    return "%s by %s alone" % (kind_of(longer[min(len(ours), len(theirs))][1]), "ours" if longer is ours else "theirs")


def kind_of(message):
    return "node" if message.kind.startswith("node ") else message.kind


def start(target, step):
    """The part of a step that sends. Messages that had to be fetched before are returned."""
    out = []
    if isinstance(step, (Drop, Resume, Connect, RawConnect)):
        # Events that are on their way to a connection that is about to go.
        for name in sorted(target.slots):
            out += [(name, m) for m in target.fence(name)]
    if isinstance(step, Connect):
        target.connect(step.slot, step.timeout, read_only=step.read_only, source=step.source)
    elif isinstance(step, RawConnect):
        target.connect(step.slot, raw=step.data)
    elif isinstance(step, Resume):
        target.slot(step.of)            # may have no session: asks for session 0 then
        target.connect(step.slot, step.timeout, resumed(step), step.read_only,
                       (lambda t: t.slot(step.of).seen + (1 << 62)) if step.how == "ahead" else 0,
                       server=step.server)
    elif isinstance(step, Drop):
        target.drop(step.slot)
    elif isinstance(step, Raw):
        target.send_raw(step.slot, step.data)
    else:
        target.send(step.slot, step.requests)
    return out


def resumed(step):
    def session(target):
        known = target.slot(step.of).session
        if step.how == "wrong password":
            return Session(known.id, b"\x07" * 16)
        if step.how == "unknown":
            return Session(UNKNOWN_SESSION, wire.password_of(UNKNOWN_SESSION))
        return known
    return session


def finish(target, step):
    if isinstance(step, Drop):
        return []
    if isinstance(step, (Connect, Resume, RawConnect)):
        return [(step.slot, m) for m in target.connected(step.slot)]
    if isinstance(step, Raw):
        return [(step.slot, m) for m in target.until_closed(step.slot)]
    return [(step.slot, m) for m in target.answers(step.slot)]


def changes_an_acl(step):
    return isinstance(step, Requests) and any(req.op == wire.SET_ACL for req in step.requests)


def bring_up_to_date(target, step):
    """A sync on every other connection: its server has applied then what this step has changed."""
    if not isinstance(step, (Requests, Resume)):
        return []
    out = []
    for name in sorted(target.slots):
        if name != step.slot:
            out += [(name, m) for m in target.synced(name)]
    return out
