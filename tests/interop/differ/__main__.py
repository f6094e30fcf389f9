"""./dev differ: the differential test by hand. See tests/interop/README.md."""
import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differ import lab, matrix, sequence, shrink  # noqa: E402 (the path is set just above)
from harness import servers  # noqa: E402

ENDS_MAX = 5                            # of servers: more say nothing new, and each start of a Java takes its time


def arguments():
    parser = argparse.ArgumentParser(prog="./dev differ", description=(
        "Plays sequences of requests, drawn from seeds, against baton and against ZooKeeper, and compares the answers."))
    parser.add_argument("--seeds", type=int, default=10000, metavar="N", help="how many sequences (10000)")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="S", help="the first seed (1)")
    parser.add_argument("--seed", type=int, metavar="S", help="only this one")
    parser.add_argument("--trace", action="store_true", help="show all that was said")
    parser.add_argument("--keep", metavar="N,N…", help="with --seed: only these of its steps")
    parser.add_argument("--areas", default=",".join(sequence.AREAS), metavar="A,A…",
                        help="what to draw from: %s (all)" % ", ".join(sequence.AREAS))
    parser.add_argument("--setup", choices=sorted(lab.SETUPS), default="usual", help="settings of the servers")
    parser.add_argument("--ours", choices=servers.KINDS, default=servers.BATON, help="what is tested (baton)")
    parser.add_argument("--against", choices=servers.KINDS, default=servers.ZOOKEEPER_39,
                        help="the reference (zookeeper-3.9)")
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1, help="how many on either side (1)")
    parser.add_argument("--mixed", choices=("ours", "theirs"), metavar="LEADER",
                        help="one ensemble of three, led by ours or theirs: clients of a member of either kind")
    parser.add_argument("--matrix", nargs="?", const="", metavar="NAME",
                        help="bad input by system: all groups of cases, or those with NAME in theirs")
    parser.add_argument("--stop-after", type=int, default=10, metavar="N", help="end after so many differences (10)")
    parser.add_argument("--minutes", type=float, metavar="M", help="end after so long")
    return parser.parse_args()


def main():
    args = arguments()
    areas = [a for a in args.areas.split(",") if a]
    unknown = set(areas) - set(sequence.AREAS)
    if unknown:
        sys.exit("differ: no area %s; there are %s" % (", ".join(sorted(unknown)), ", ".join(sequence.AREAS)))
    rig = lab.Rig(args.ours, args.against, args.setup, args.servers, args.mixed)
    try:
        differences = run(args, areas, rig) if args.matrix is None else run_matrix(args, rig)
    finally:
        rig.close()
    sys.exit(1 if differences else 0)


def run(args, areas, rig):
    began = time.monotonic()
    differences, ends = {}, 0
    seeds = [args.seed] if args.seed is not None else range(args.first, args.first + args.seeds)
    done = 0
    for seed in seeds:
        steps = rig.sequence(seed, areas)
        if args.keep:
            steps = [steps[int(n)] for n in args.keep.split(",")]
        try:
            examine(rig, seed, steps, args, differences)
        except lab.Ended as ended:
            differences.setdefault(ended.what, []).append(seed)
            print("\nseed %d: %s\nreplay: %s" % (seed, ended, replay_command(seed, args)), flush=True)
            ends += 1
            rig.recover(ended)
        done += 1
        if len(differences) >= args.stop_after or ends >= ENDS_MAX:
            break
        if args.minutes and time.monotonic() - began > args.minutes * 60:
            break
    took = time.monotonic() - began
    print("%d sequences, %d requests, %.1f s: %s" % (
        done, rig.requests(), took, "no difference" if not differences else "%d kinds of difference" % len(differences)))
    for what, seeds in sorted(differences.items()):
        print("  %s: seeds %s" % (what, ", ".join(map(str, seeds[:10]))))
    return differences


def run_matrix(args, rig):
    began = time.monotonic()
    total = differences = ends = 0
    for name, prelude, cases in matrix.groups(args.matrix):
        total += len(cases)
        try:
            found = list(matrix.play(rig, name, prelude, cases))
        except lab.Ended as ended:
            found = [(str(ended), [])]
            ends += 1
            rig.recover(ended)
        differences += len(found)
        print("%s: %d cases%s" % (name, len(cases), ", %d differ" % len(found) if found else ""), flush=True)
        for label, transcript in found[:args.stop_after]:
            print("  %s\n%s" % (label, shrink.show(transcript, rig.names())), flush=True)
        if ends >= ENDS_MAX:
            break
    print("%d cases, %.1f s: %s" % (total, time.monotonic() - began, "%d differ" % differences if differences else
                                    "no difference"))
    return differences


def examine(rig, seed, steps, args, differences):
    """Notes the difference that this sequence shows, and shows it if it is none of those known."""
    transcript = [] if args.trace else None
    found = rig.play(steps, transcript)
    if args.trace:
        print(shrink.show(transcript, rig.names()))
    if not found:
        return
    seeds = differences.setdefault(found.what, [])
    seeds.append(seed)
    if len(seeds) == 1:                 # its name first: a server may end while it is made smaller
        print("\nseed %d, step %d: %s" % (seed, found.step, found.what), flush=True)
        less, _ = shrink.shrink(rig, steps, found)
        transcript = []
        rig.play(less, transcript)
        print("%s\nreplay: %s" % (shrink.show(transcript, rig.names()), replay_command(seed, args)), flush=True)
    rig.renew()


def replay_command(seed, args):
    parts = ["./dev differ --seed %d --trace" % seed]
    if args.areas != ",".join(sequence.AREAS):
        parts.append("--areas %s" % args.areas)
    for name, usual in (("setup", "usual"), ("ours", servers.BATON), ("against", servers.ZOOKEEPER_39), ("servers", 1),
                        ("mixed", None)):
        if getattr(args, name) != usual:
            parts.append("--%s %s" % (name, getattr(args, name)))
    return " ".join(parts)


if __name__ == "__main__":
    main()
