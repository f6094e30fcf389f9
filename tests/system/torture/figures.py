"""What a torture run tells of itself at its end."""
import collections
import re

from . import plan

SYNCHRONISED = re.compile(r"synchronising from leader \d+ by (\w+)")


def leaderless_s(engines, began_ns, ended_ns):
    """The longest time in which no server that ran said that it leads, and how often leadership began."""
    changes = sorted((at, engine.sid, role, epoch) for engine in engines for at, role, epoch in list(engine.roles))
    leads, longest, since = set(), 0, began_ns
    epochs = set()
    for at, sid, role, epoch in changes:
        led = bool(leads)
        (leads.add if role == "leading" else leads.discard)(sid)
        if role == "leading" and epoch:
            epochs.add(epoch)
        if led and not leads:
            since = at
        elif leads and not led and since < ended_ns and at > began_ns:
            longest = max(longest, at - max(since, began_ns))
    return longest / 1e9, len(epochs)


def longest_gap_s(times_ns, began_ns, ended_ns):
    times = [began_ns, *sorted(t for t in times_ns if began_ns < t < ended_ns), ended_ns]
    return max(after - before for before, after in zip(times, times[1:])) / 1e9


def table(run):
    counts = run.tally.counts
    seconds = max(run.ended_ns - run.began_ns, 1) / 1e9
    leaderless, epochs = leaderless_s(run.field.engines.values(), run.began_ns, run.ended_ns)
    asked = counts["acknowledged"] + counts["refused"] + counts["unknown"]
    faults = run.nemesis.done
    yield "seed %d, %.0f s, %d clients" % (run.seed, seconds, len(run.clients))
    yield "operations        %d (%.0f a second): %d acknowledged, %d refused, %d of unknown outcome" % (
        asked, asked / seconds, counts["acknowledged"], counts["refused"], counts["unknown"])
    yield "sessions          %d opened, %d resumed, %d closed, %d expired; %d connections lost, %d haunted" % (
        counts["sessions opened"], counts["sessions resumed"], counts["sessions closed"], counts["sessions refused"],
        counts["connections lost"], counts["ghosts"])
    yield "transactions      %d%s" % (run.committed, "" if run.committed else ": the whole log could not be put together")
    yield "watch events      %d" % counts["watch events"]
    yield "faults            %s" % ", ".join("%d %s" % (faults[kind], kind) for kind in plan.KINDS)
    yield "                  %d more met nobody" % run.nemesis.missed
    yield "engines           %d started again; ended with %s" % (run.nemesis.restarts, ", ".join(
        "%s (%d times)" % (what.rpartition(" ")[2], n) for what, n in sorted(faults.items()) if "code" in what))
    ways = collections.Counter(way for e in run.field.engines.values() for way in SYNCHRONISED.findall(e.log_text()))
    yield "synchronised by   %s" % ", ".join("%d %s" % (ways[way], way) for way in ("DIFF", "TRUNC", "SNAP"))
    yield "leaders           %d, one after the other" % epochs
    yield "without a leader  %.2f s at the longest" % leaderless
    yield "without a write   %.2f s at the longest" % longest_gap_s(run.tally.write_acks_ns, run.began_ns, run.ended_ns)
    yield "served again      %.2f s after everything was healed" % run.served_again_s
