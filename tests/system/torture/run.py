"""Three baton engines under random faults, and clients that remember every answer.

For two minutes (--minutes) servers are killed, stopped and restarted, cut off and full, by a plan that is drawn from
the seed. Then all is healed: the ensemble must serve again within a bound, all servers must have the same tree, now
and after a restart, and the checker of the simulator must find nothing wrong with what the clients were told.
"""
import argparse
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from interop.harness import servers
from system.harness.hosts import enter_network
from system.harness.janitor import Janitor

from . import client, committed, figures, plan, requests, verdict, workload
from .field import MAX_SESSION_MS, Field, own_mounts
from .nemesis import Nemesis

CLIENTS = 8
START_BOUND_S = 20.0
SERVE_BOUND_S = 15.0                    # from healing to an acknowledged write by every client, at whichever server
EXPIRY_BOUND_S = MAX_SESSION_MS / 1000  # from the last client's end until no ephemeral node is there any more
END_BOUND_S = 15.0
KEPT = verdict.ROOT / "build" / "torture"


class Run:
    def __init__(self, seed, minutes, field, say):
        self.seed = seed
        self.seconds = 60 * minutes
        self.field = field
        self.say = say
        self.nemesis = Nemesis(field, say)
        self.tally = client.Tally()
        numbers = itertools.count(1)
        self.layout = client.Errand(0, seed, numbers, self.tally, [
            requests.create(path, b"w0-%d" % n) for n, path in enumerate(workload.NODES)], time.monotonic() + START_BOUND_S)
        self.clients = client.crowd(CLIENTS, seed, numbers, self.tally)
        self.problems = []
        self.trees = {}
        self.committed = 0              # transactions that the history has
        self.served_again_s = float("nan")
        self.began_ns = self.ended_ns = time.monotonic_ns()

    def problem(self, *what):
        self.problems.extend(one for one in what if one not in self.problems)

    def play(self):
        engines = self.field.engines.values()
        self.nemesis.start_all()
        if not self.nemesis.turn_until(lambda: all(e.role() for e in engines), START_BOUND_S):
            return self.problem("the servers did not begin to serve within %g s" % START_BOUND_S)
        self.layout.run()
        if self.layout.problem:
            return self.problem(self.layout.problem)
        self.began_ns = time.monotonic_ns()
        for one in self.clients:
            one.start()
        self.nemesis.run(plan.draw(self.seed, self.seconds), self.seconds)
        self.ended_ns = time.monotonic_ns()
        self.say("healing")
        self.nemesis.heal()
        self._settle(engines)
        self.problem(*self.nemesis.problems)

    def _settle(self, engines):
        healed = time.monotonic()
        for one in self.clients:
            one.calm(healed + SERVE_BOUND_S)
        # A client may be in the middle of a wait for an answer when its time is up.
        self.nemesis.turn_until(lambda: not any(one.is_alive() for one in self.clients), 2 * SERVE_BOUND_S)
        self.problem(*[one.problem or "client %d hangs" % one.number for one in self.clients if one.problem or one.is_alive()])
        if not self.nemesis.turn_until(lambda: all(e.role() for e in engines), healed + SERVE_BOUND_S - time.monotonic()):
            self.problem(*["%r does not serve %g s after all was healed:\n%s" % (e, SERVE_BOUND_S, e.log_tail())
                           for e in engines if not e.role()])
        self.served_again_s = time.monotonic() - healed
        if self.problems:
            return
        self.trees = self._gone_ephemerals(engines)
        self.problem(*verdict.unequal(self.trees))
        for engine in engines:
            self.problem(*verdict.said(engine))
        self._reopen(engines)

    def _gone_ephemerals(self, engines):
        """The trees, when all sessions that the clients have left are over."""
        self.say("waiting for the sessions that were left to expire")
        gone = self.nemesis.turn_until(
            lambda: all(e.monitor().get("ephemerals_count") == "0" for e in engines), EXPIRY_BOUND_S)
        trees = verdict.read_all(engines)
        if not gone:
            self.problem("%g s after the last client: ephemeral nodes %s" % (EXPIRY_BOUND_S, verdict.owned(trees)))
        return trees

    def _reopen(self, engines):
        """What is on the disks is what was served."""
        self.say("restarting all servers")
        if not self.nemesis.end_all(END_BOUND_S):
            return self.problem("the servers did not end within %g s" % END_BOUND_S)
        self.nemesis.start_all()
        if not self.nemesis.turn_until(lambda: all(e.role() for e in engines), START_BOUND_S):
            return self.problem("the servers did not serve within %g s of the last restart" % START_BOUND_S)
        self.problem(*verdict.changed(self.trees, verdict.read_all(engines)))
        for engine in engines:
            self.problem(*verdict.said(engine))

    def check(self, path):
        logs = committed.Logs(self.field.engines.values())
        self.problem(*logs.problems)
        try:
            records = logs.committed()
        except committed.Incomplete as e:
            self.say("the committed log can't be put together, and is not checked: %s" % e)
            records = []
        self.committed = len(records)
        verdict.write_history(path, ["seed %d" % self.seed], [self.layout.recorder] + [c.recorder for c in self.clients],
                              self.trees, itertools.chain.from_iterable(map(committed.lines, records)))
        found = verdict.check_history(path)
        if found:
            self.problem(found)


def keep(home, seed):
    """Moves what a failed run has left to where it stays. Returns that place."""
    kept = KEPT / ("seed-%d" % seed)
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(home, kept, ignore=shutil.ignore_patterns("filler"))
    return kept


def options(arguments):
    parser = argparse.ArgumentParser(prog="./dev torture", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long there are faults (default: 2)")
    parser.add_argument("--seed", type=int, help="what the faults and the load are drawn from (default: by chance)")
    parser.add_argument("--history", type=Path, metavar="FILE", help="where what clients were told is kept")
    return parser.parse_args(arguments)


def main(arguments=None):
    given = options(arguments)
    if os.geteuid() != 0:
        print("torture: makes network namespaces and mounts a small disk: it needs root", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    servers.ENGINE = Path(os.environ.get("BATON_ENGINE") or verdict.BUILD / "bin" / "baton-engine")
    again = "./dev torture --minutes %g --seed %d" % (given.minutes, seed)
    print("seed %d; the same choices again: %s" % (seed, again), flush=True)

    began = time.monotonic()

    def say(text):
        print("[%7.2f] %s" % (time.monotonic() - began, text), flush=True)

    janitor = Janitor()
    field = None
    try:
        own_mounts()
        # Not /tmp, which may be in memory: what an fsync costs is part of the matter.
        home = Path(tempfile.mkdtemp(prefix="baton-torture-", dir="/var/tmp"))
        janitor.remember("dir", home)
        field = Field("torture-%d" % os.getpid(), home, janitor)
        enter_network("/run/netns/" + field.network.name)
        return judge(Run(seed, given.minutes, field, say), home, again, given.history)
    finally:
        if field is not None:
            field.close()
        janitor.close()


def judge(run, home, again, history):
    try:
        run.play()
        if run.trees:
            run.check(home / "history.txt")
            if history:
                shutil.copyfile(home / "history.txt", history)
        print("\n" + "\n".join(figures.table(run)))
    except Exception:                   # what is there to look at is kept all the same
        run.problem(traceback.format_exc())
    if not run.problems:
        print("nothing is wrong")
        return 0
    print("\n%d things are wrong:\n%s" % (len(run.problems), "\n".join(run.problems)))
    print("\nhistory, logs and data: %s\nthe same choices again: %s" % (keep(home, run.seed), again))
    return 1
