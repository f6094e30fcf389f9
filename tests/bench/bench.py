#!/usr/bin/python3
"""Baton beside ZooKeeper and etcd on the same work, in turn on one machine in one sitting; a table, and JSON.

    ./dev bench                     the table of targets: under twenty minutes, ten without etcd
    ./dev bench WORKLOAD…           some workloads, measures or curves; --list names them
    ./dev bench all                 everything, with a plot of each curve

Kinds of servers take turns in every round (A B A B); servers of all kinds stay up between their turns and idle. What is
printed is min / median / max over the rounds, and the ratio of the medians. The disk sync is on everywhere. What fails is
told at the end and keeps nothing else from being measured; build/bench/bench.json is written after each run.
"""
import argparse
import shlex
import sys
import tempfile
from pathlib import Path

import ceilings
import fleet
import plan
import plot
import sitting
import tables
from harness import jars, servers

OUT = fleet.ROOT / "build" / "bench"
ROUNDS_MIN = 5


def print_all(one):
    for title, head, rows in sections(one.results, one.limits, one.kinds, one.reference):
        if rows:
            print("\n%s\n\n%s" % (title, tables.text_table(head, rows)))
    for error in one.errors:
        print("FAILED: %s" % error)


def sections(results, limits, kinds, reference):
    yield "Targets (ratio: baton to %s)" % reference, tables.target_head(kinds), \
        tables.target_rows(results, kinds, reference) + tables.disk_target_rows(results, limits, kinds)
    yield "All work", tables.WORKLOAD_HEAD, tables.workload_rows(results, kinds, reference)
    for other in [kind for kind in kinds if kind not in (plan.BATON, reference)]:
        yield "Baton beside %s" % other, tables.other_head(other), tables.other_rows(results, other)
    yield "From a write to its last watcher", tables.FANOUT_HEAD, tables.fanout_rows(results, kinds)
    yield "The parts of a gap: medians in ms", tables.GAP_HEAD, tables.gap_rows(results, kinds)
    yield "5,000 sessions that lose their connections at once: medians in ms", tables.EXPIRY_HEAD, \
        tables.expiry_rows(results, kinds)
    yield "Znodes of 100 bytes on one server: medians", tables.ZNODES_HEAD, tables.znodes_rows(results, kinds)
    yield "What a write and a read cost beside something that grows: medians, one server, 32 x 16", tables.GROWTH_HEAD, \
        tables.growth_rows(results, kinds)
    yield "As a part of what the loopback and the disk allow", tables.LIMIT_HEAD, \
        tables.limit_rows(results, limits, kinds)


def write_json(sitting, path):
    """Whole or not at all: it is written after each run, so that what is measured stays, whatever comes."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(sitting.as_json())
    aside.replace(path)


def available(kinds):
    """Those that can be had here; the others are told."""
    found = []
    for kind in kinds:
        try:
            fleet.require(kind)
            found.append(kind)
        except jars.Unavailable as e:
            print("%s is left out: %s" % (kind, e), file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--list", action="store_true", help="what can be named")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help="of each workload (default %(default)s)")
    parser.add_argument("--only", metavar="KIND", help="this kind of server alone: baton needs neither Java nor Go")
    parser.add_argument("--against", default=servers.ZOOKEEPER_38, help="the reference (default %(default)s)")
    parser.add_argument("--also", default=plan.ETCD, metavar="KIND,…", help="more kinds (default %(default)s, \"\" for none)")
    parser.add_argument("--minutes", type=float, help="begins nothing new after so many (default: twice what is expected)")
    parser.add_argument("--json", type=Path, help="default: build/bench/bench.json")
    options = parser.parse_args()
    if options.list:
        print("workloads: %s\nmeasures:  %s\ngrowths:   %s\ncurves:    %s" % tuple(
            " ".join(names) for names in (plan.WORKLOADS, plan.MEASURES, plan.GROWTHS, plan.CURVES)))
        return 0
    try:
        names = [name for word in options.words for name in plan.names_of(word)] or list(plan.TABLE)
    except KeyError as e:
        parser.error("no workload, measure or curve %s; --list names them" % e)
    kinds = [options.only] if options.only else list(dict.fromkeys([
        servers.BATON, options.against, *filter(None, options.also.split(","))]))
    unknown = [kind for kind in kinds if kind not in fleet.KINDS]
    if unknown or options.rounds < 1 or options.minutes is not None and options.minutes <= 0:
        parser.error("kinds of servers are %s; rounds are 1 or more, minutes more than 0" % ", ".join(fleet.KINDS))
    return sit(options, available(kinds), plan.with_what_they_need(names))


def sit(options, kinds, names):
    path = options.json or OUT / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        least = plan.ROUNDS_OF_ALL if "all" in options.words else 1
        one = sitting.Sitting(kinds, options.against, options.rounds, home, least, "./dev bench " + shlex.join(sys.argv[1:]))
        expected = plan.seconds_of_all(names, kinds, options.rounds, least)
        limit = options.minutes * 60 if options.minutes else (
            sitting.LIMIT_LEAST_S + sitting.LIMIT_FACTOR * expected)
        print("%d things to measure, of %s: about %.0f minutes; nothing new is begun after %.0f" % (
            len(names), ", ".join(kinds), max(1, expected / 60), limit / 60), file=sys.stderr, flush=True)
        one.bound(limit)
        one.machine["before"] = one.machine["after"] = ceilings.machine()
        one.machine["others"] = ceilings.others()
        one.keeping = lambda: write_json(one, path)
        try:
            one.measure(names)
        finally:
            one.machine["after"] = ceilings.machine()
            one.close()
            write_json(one, path)
    print_all(one)
    drawn = plot.draw_all(one.results, kinds, path.parent)
    print("\n%s%s" % (path, "".join("\n%s" % p for p in drawn)))
    return 1 if one.errors else 0


if __name__ == "__main__":
    sys.exit(main())
