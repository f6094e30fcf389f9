"""A smaller sequence with the same difference, and how a difference is shown."""
from .sequence import Requests

PLAYS_MAX = 150


def shrink(rig, steps, found):
    """Takes away steps, then requests of a batch, then operations of a multi, as long as the same
    thing differs. Returns (steps, difference)."""
    plays = 0

    def still(candidate):
        nonlocal plays
        plays += 1
        again = rig.play(candidate)
        return again if again and again.what == found.what else None

    steps = steps[:found.step + 1]
    changed = True
    while changed and plays < PLAYS_MAX:
        changed = False
        for candidate in smaller(steps):
            again = still(candidate)
            if again:
                steps, found, changed = candidate, again, True
                break
            if plays >= PLAYS_MAX:
                break
    return steps, found


def smaller(steps):
    """Candidates, the coarser ones first."""
    n = len(steps)
    for size in (8, 4, 2, 1):
        for at in range(n - size, -1, -size):
            yield steps[:at] + steps[at + size:]
    for n, step in enumerate(steps):
        if not isinstance(step, Requests):
            continue
        for m in range(len(step.requests)) if len(step.requests) > 1 else ():
            yield steps[:n] + [Requests(step.slot, step.requests[:m] + step.requests[m + 1:])] + steps[n + 1:]
        for m, req in enumerate(step.requests):
            ops = req.fields.get("ops")
            for k in range(len(ops)) if ops else ():
                less = req._replace(fields={**req.fields, "ops": ops[:k] + ops[k + 1:]})
                yield steps[:n] + [Requests(step.slot, step.requests[:m] + (less,) + step.requests[m + 1:])] + \
                    steps[n + 1:]


def show(transcript, names):
    """A transcript as text: what both say once, what differs twice."""
    lines = []
    for step, ours, theirs in transcript:
        lines.append(step if isinstance(step, str) else show_step(step))
        for a, b in zip(ours, theirs):
            if a == b:
                lines.append("      = %s" % show_message(a))
            else:
                lines.append("    %8s: %s" % (names[0], show_message(a)))
                lines.append("    %8s: %s" % (names[1], show_message(b)))
        common = min(len(ours), len(theirs))
        lines += ["    %8s: %s" % (names[0], show_message(m)) for m in ours[common:]]
        lines += ["    %8s: %s" % (names[1], show_message(m)) for m in theirs[common:]]
    return "\n".join(lines)


def show_step(step):
    if isinstance(step, Requests):
        return "[%d] %s" % (step.slot, "; ".join(repr(r) for r in step.requests))
    rest = ", ".join("%s=%r" % pair for pair in zip(step._fields[1:], step[1:]))
    return "[%d] %s(%s)" % (step.slot, type(step).__name__.lower(), rest)


def show_message(entry):
    slot, message = entry
    fields = " ".join("%s=%s" % (k, v if isinstance(v, str) else repr(v)[:300]) for k, v in message.fields
                      if (k, v) not in (("place", 0), ("rest", b"")))
    return "%s%s %s" % ("" if slot is None else "[%d] " % slot, message.kind, fields)
