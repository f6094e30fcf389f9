#!/usr/bin/python3
"""Baton beside ZooKeeper on the same work, in turn on one machine in one sitting; a table, and JSON.

    ./dev bench                     the table of targets, about 10 minutes
    ./dev bench WORKLOAD…           some workloads, measures or curves; --list names them
    ./dev bench all                 everything, with a plot of each curve

Kinds of servers take turns in every round (A B A B); servers of all kinds stay up between their turns and idle. What is
printed is min / median / max over the rounds, and the ratio of the medians. The disk sync is on everywhere.
"""
import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import ceilings
import fleet
import measures
import plan
import plot
import tables
from harness import jars, servers

OUT = fleet.ROOT / "build" / "bench"
ROUNDS_MIN = 5


class Sitting:
    """All that is measured in one go. `results`: workload -> kind -> results of the rounds."""

    def __init__(self, kinds, reference, rounds, home):
        self.kinds, self.reference, self.rounds = kinds, reference, rounds
        self.lab = servers.Lab(home)
        self.results, self.limits, self.errors = {}, {"echo": {}, "disk": {}}, []
        self.versions = {}              # kind -> what a server of it says
        self.groups = {}                # kind -> records for each sync, in the workload that the disk is compared with
        self.began = time.monotonic()

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.began, text), file=sys.stderr, flush=True)

    def keep(self, name, kind, result):
        self.results.setdefault(name, {}).setdefault(kind, []).append(result)

    def failed(self, name, kind, error):
        """A run that went wrong is no figure: it is told, and counts as a failure of the whole."""
        self.errors.append("%s, %s: %s" % (name, kind, error))
        self.say("FAILED %s" % self.errors[-1])

    # --- one after the other

    def measure(self, names):
        for name in [n for n in names if n in measures.ALONE]:
            if name != "million":
                self.alone(name)
        for count in (3, 1, 5):
            here = [n for n in names if n in plan.WORKLOADS and plan.WORKLOADS[n].servers == count]
            if count == 3:
                here += [n for n in names if n in measures.ON_ENSEMBLE]
            if here:
                self.on_ensembles(count, here)
        if "million" in names:
            self.alone("million")
        for name in [n for n in names if n in measures.GAPS]:
            self.gaps(name)
        for name in [n for n in names if n in plan.WORKLOADS and not plan.WORKLOADS[n].rate_of]:
            self.echo(name)
        if plan.DISK_WORKLOAD in self.results:
            self.disk()

    def alone(self, name):
        for _ in range(measures.ROUNDS[name]):
            for kind in self.kinds:
                self.say("%s, %s" % (name, kind))
                try:
                    self.keep(name, kind, measures.ALONE[name](self.lab, kind))
                except fleet.Failed as e:
                    self.failed(name, kind, e)

    def on_ensembles(self, count, names):
        made = {kind: fleet.ensemble(self.lab, kind, count) for kind in self.kinds}
        for kind, ensemble in made.items():
            self.say("%d servers, %s" % (count, kind))
            fleet.start(ensemble)
            self.versions[kind] = fleet.version(ensemble[1])
        for name in names:
            once = name in measures.ON_ENSEMBLE
            for number in range(measures.ROUNDS[name] if once else plan.WORKLOADS[name].rounds or self.rounds):
                for kind in self.kinds:
                    self.say("%s, %s, round %d" % (name, kind, number + 1))
                    try:
                        self.keep(name, kind, measures.ON_ENSEMBLE[name](made[kind]) if once
                                  else self.load(name, kind, made[kind]))
                    except fleet.Failed as e:
                        self.failed(name, kind, e)
        for ensemble in made.values():
            ensemble.stop()

    def load(self, name, kind, ensemble):
        work = plan.WORKLOADS[name]
        watched = name == plan.DISK_WORKLOAD
        before = fleet.log_position(ensemble[1]) if watched else None
        found = fleet.load(ensemble, work.load, seconds=work.seconds, warmup=work.warmup, rate=self.rate(work, kind))
        if before:
            # Making the znodes is in both numbers; it is little beside the load.
            transactions, synced = (now - then for now, then in zip(fleet.log_position(ensemble[1]), before))
            if synced > 0:
                self.groups.setdefault(kind, []).append(transactions / synced)
        return found

    def rate(self, work, kind):
        if not work.rate_of:
            return None
        of = kind if work.rate_own or self.reference not in self.kinds else self.reference
        samples = tables.samples_of(self.results, work.rate_of, of, "per_second")
        if not samples:
            raise fleet.Failed("no throughput of %s to take a part of" % work.rate_of)
        return work.rate_part * tables.spread(samples)["median"]

    def gaps(self, name):
        for kind in self.kinds:
            self.say("%s, %s" % (name, kind))
            for result in measures.gaps(kind, measures.GAPS[name]):
                self.keep(name, kind, result)

    # --- limits

    def echo(self, name):
        self.say("%s, echo" % name)
        work = plan.WORKLOADS[name]
        if work.load.startswith("fanout"):
            return                      # an echo has no watches
        try:
            self.limits["echo"][name] = ceilings.echo(work.load, work.seconds, work.warmup)
        except fleet.Failed as e:
            self.failed(name, "echo", e)

    def disk(self):
        for kind, groups in self.groups.items():
            group = tables.spread(groups)["median"]
            self.say("disk, groups of %.0f as %s made" % (group, kind))
            self.limits["disk"][kind] = ceilings.disk(group)

    def close(self):
        self.lab.close()


def print_all(sitting):
    kinds, reference = sitting.kinds, sitting.reference
    for title, head, rows in sections(sitting.results, sitting.limits, kinds, reference):
        if rows:
            print("\n%s\n\n%s" % (title, tables.text_table(head, rows)))
    for error in sitting.errors:
        print("FAILED: %s" % error)


def sections(results, limits, kinds, reference):
    yield "Targets (ratio: baton to %s)" % reference, tables.target_head(kinds), \
        tables.target_rows(results, kinds, reference)
    yield "All work", tables.WORKLOAD_HEAD, tables.workload_rows(results, kinds, reference)
    yield "As a part of what the loopback and the disk allow", tables.LIMIT_HEAD, \
        tables.limit_rows(results, limits, kinds)


def write_json(sitting, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "versions": sitting.versions, "machine": sitting.machine, "kinds": sitting.kinds, "reference": sitting.reference,
        "settings": {**fleet.SETTINGS, "java": fleet.JAVA, "baton": fleet.BATON_EXTRA}, "seconds_taken":
        round(time.monotonic() - sitting.began), "results": sitting.results, "limits": sitting.limits,
        "errors": sitting.errors}, indent=1) + "\n")


def available(kinds):
    """Those that can be had here; the others are told."""
    found = []
    for kind in kinds:
        try:
            if kind != servers.BATON:
                jars.java_command(kind.rpartition("-")[2], Path(tempfile.gettempdir()))
            found.append(kind)
        except jars.Unavailable as e:
            print("%s is left out: %s" % (kind, e), file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--list", action="store_true", help="what can be named")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help="of each workload (default %(default)s)")
    parser.add_argument("--only", metavar="KIND", help="this kind of server alone: baton needs no Java")
    parser.add_argument("--against", default=servers.ZOOKEEPER_38, help="the reference (default %(default)s)")
    parser.add_argument("--also", default="", metavar="KIND,…", help="more kinds of servers")
    parser.add_argument("--json", type=Path, help="default: build/bench/bench.json")
    options = parser.parse_args()
    if options.list:
        print("workloads: %s\nmeasures:  %s\ncurves:    %s" % (
            " ".join(plan.WORKLOADS), " ".join(plan.MEASURES), " ".join(plan.CURVES)))
        return 0
    try:
        names = [name for word in options.words for name in plan.names_of(word)] or list(plan.TABLE)
    except KeyError as e:
        parser.error("no workload, measure or curve %s; --list names them" % e)
    kinds = [options.only] if options.only else [
        servers.BATON, options.against, *filter(None, options.also.split(","))]
    unknown = [kind for kind in kinds if kind not in servers.KINDS]
    if unknown or options.rounds < 1:
        parser.error("kinds of servers are %s; rounds are 1 or more" % ", ".join(servers.KINDS))
    return sit(options, available(kinds), plan.with_what_they_need(names))


def sit(options, kinds, names):
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        sitting = Sitting(kinds, options.against, options.rounds, home)
        sitting.machine = {"before": ceilings.machine()}
        try:
            sitting.measure(names)
        finally:
            sitting.machine["after"] = ceilings.machine()
            path = options.json or OUT / "bench.json"
            write_json(sitting, path)
            sitting.close()
    print_all(sitting)
    drawn = plot.draw_all(sitting.results, kinds, path.parent)
    print("\n%s%s" % (path, "".join("\n%s" % p for p in drawn)))
    return 1 if sitting.errors else 0


if __name__ == "__main__":
    sys.exit(main())
