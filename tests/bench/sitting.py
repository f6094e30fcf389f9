"""All that is measured in one go: what fails, fails alone, and what takes too long keeps nothing from the rest."""
import json
import sys
import time

import ceilings
import etcd_servers
import fleet
import measures
import plan
import tables
from harness import servers

# The limit is so much more than what is expected: a busy machine is no reason to lose the end.
LIMIT_FACTOR, LIMIT_LEAST_S = 2.0, 120


class Sitting:
    """`results`: what was measured -> kind -> results of the rounds."""

    def __init__(self, kinds, reference, rounds, home, least=1, command=""):
        self.kinds, self.reference, self.rounds = kinds, reference, rounds
        self.least, self.command = least, command       # rounds of each measure; what was typed
        self.lab = servers.Lab(home)
        self.results, self.limits, self.errors = {}, {"echo": {}, "disk": {}}, []
        self.versions = {}              # kind -> what a server of it says
        self.groups = {}                # (workload, kind) -> records for each sync, of those the disk is compared with
        self.machine = {}
        self.up = {}                    # kind -> its ensemble, of those that take turns now
        self.began = time.monotonic()
        self.ends = float("inf")
        self.keeping = lambda: None     # called when there is something new to be kept

    def bound(self, seconds):
        """Begins nothing new when so many seconds are over."""
        self.ends = self.began + seconds

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.began, text), file=sys.stderr, flush=True)

    def keep(self, name, kind, result):
        self.results.setdefault(name, {}).setdefault(kind, []).append(result)
        self.keeping()

    def failed(self, name, kind, error):
        """A run that went wrong is no figure: it is told, and counts as a failure of the whole."""
        self.errors.append("%s, %s: %s" % (name, kind, error))
        self.say("FAILED %s" % self.errors[-1])

    def attempt(self, name, kind, do, *args):
        """Whether do() went well. Whatever goes wrong in it, even a fault of the measuring, is told and stays there."""
        if time.monotonic() > self.ends:
            if ("%s, %s" % (name, kind)) not in " ".join(self.errors):
                self.failed(name, kind, "left out, or fewer rounds: the time is over")
            return False
        self.say("%s, %s" % (name, kind))
        try:
            do(*args)
            return True
        except Exception as e:          # noqa: BLE001 (see above)
            self.failed(name, kind, e if isinstance(e, fleet.Failed) else "%s: %s" % (type(e).__name__, e))
            return False

    def of(self, name):
        """The kinds that are measured there."""
        return [kind for kind in self.kinds if plan.can(kind, name)]

    def turns(self, name):
        """The kinds, once for each round in which they are."""
        rounds = {kind: plan.rounds_of(name, kind, self.rounds, self.least) for kind in self.of(name)}
        return [kind for turn in range(max(rounds.values(), default=0)) for kind in rounds if turn < rounds[kind]]

    # --- one after the other

    def measure(self, names):
        for name in [n for n in names if n in measures.ALONE and n != "million"]:
            self.alone(name)
        for count in (3, 1, 5):
            # In the order given: what looks at servers after a load means the load before it.
            here = [n for n in names if n in plan.WORKLOADS and plan.WORKLOADS[n].servers == count or
                    n in measures.ON_ENSEMBLE and count == 3]
            if here:
                self.on_ensembles(count, here)
        if "million" in names:
            self.alone("million")
        for name in [n for n in names if n in measures.GAPS]:
            for kind in self.turns(name):
                self.attempt(name, kind, self.gap, name, kind)
        for name in [n for n in names if n in plan.WORKLOADS and not plan.WORKLOADS[n].rate_of]:
            if name in self.results and plan.WORKLOADS[name].load.split()[0] in ceilings.LOADS:
                self.attempt(name, "echo", self.echo, name)
        for name, kind in self.groups:
            self.attempt("disk as in " + name, kind, self.disk, name, kind)
        for name in [n for n in names if n in plan.GROWTHS]:
            self.growth(name)

    def alone(self, name):
        for kind in self.turns(name):
            self.attempt(name, kind, lambda kind=kind: self.keep(name, kind, measures.ALONE[name](self.lab, kind)))

    # --- ensembles that stay up while kinds take turns

    def on_ensembles(self, count, names):
        made = self.up = {}
        what = "%d server%s" % (count, "s" if count > 1 else "")
        for kind in self.kinds:
            if any(plan.can(kind, name) for name in names):
                self.attempt(what, kind, self.start, made, kind, count)
        for name in names:
            run = self.look if name in measures.ON_ENSEMBLE else self.load
            for kind in self.turns(name):
                # One that could not be replaced is no longer among them.
                if kind in made and not self.attempt(name, kind, run, name, kind, made[kind]) and (
                        not fleet.sound(made[kind])):
                    self.attempt(what + " anew", kind, self.replace, made, kind, count)
        for kind, ensemble in made.items():
            self.attempt_stop(what, kind, ensemble)

    def start(self, made, kind, count):
        ensemble = fleet.ensemble(self.lab, kind, count)
        made[kind] = ensemble
        fleet.start(ensemble)
        self.versions[kind] = fleet.version(ensemble[1])

    def replace(self, made, kind, count):
        """A server is gone or hangs: what comes next gets servers of its own."""
        for server in made.pop(kind):
            server.kill()
        self.start(made, kind, count)

    def attempt_stop(self, what, kind, ensemble):
        """Also when the time is over."""
        try:
            ensemble.stop()
        except (AssertionError, fleet.Failed) as e:
            self.failed(what, kind, e)

    def look(self, name, kind, ensemble):
        self.keep(name, kind, measures.ON_ENSEMBLE[name](ensemble))

    def load(self, name, kind, ensemble):
        work = plan.WORKLOADS[name]
        watched = name in plan.DISK_WORKLOADS
        measures.settle(*self.up.values())
        before = fleet.log_position(ensemble[1]) if watched else None
        found = fleet.load(ensemble, work.load, seconds=work.seconds, warmup=work.warmup, rate=self.rate(work, kind))
        if before:
            # Making the znodes is in both numbers; it is little beside the load.
            transactions, synced = (now - then for now, then in zip(fleet.log_position(ensemble[1]), before))
            if synced > 0:
                self.groups.setdefault((name, kind), []).append(transactions / synced)
        self.keep(name, kind, found)

    def rate(self, work, kind):
        if not work.rate_of:
            return None
        of = kind if work.rate_own or self.reference not in self.kinds else self.reference
        samples = tables.samples_of(self.results, work.rate_of, of, "per_second")
        if not samples:
            raise fleet.Failed("no throughput of %s to take a part of" % work.rate_of)
        return work.rate_part * tables.spread(samples)["median"]

    def gap(self, name, kind):
        self.keep(name, kind, measures.gap(self.lab, kind, measures.GAPS[name]))

    # --- growth

    def growth(self, word):
        growing = {}
        for kind in self.of(word):
            self.attempt(word, kind, lambda kind=kind: growing.update({kind: measures.Growing(self.lab, kind, word)}))
        for level in plan.GROWTHS[word].levels:
            for kind in list(growing):
                if not self.attempt("%s to %d" % (word, level), kind, self.grow, growing, kind, word, level):
                    self.attempt_stop(word, kind, growing.pop(kind))
            for turn in range(plan.GROWTH_ROUNDS):
                here = [kind for kind in growing if turn < plan.rounds_of(word, kind, self.rounds)]
                for what, words in plan.GROWTH_LOADS.items():
                    for kind in here:
                        name = plan.growth_name(word, level, what)
                        self.attempt(name, kind, self.beside, growing[kind], name, kind, words)
        for kind, one in growing.items():
            self.attempt_stop(word, kind, one)

    def grow(self, growing, kind, word, level):
        self.keep(plan.growth_name(word, level, "held"), kind, growing[kind].grow(level))

    def beside(self, one, name, kind, words):
        self.keep(name, kind, one.load(words))

    # --- limits

    def echo(self, name):
        work = plan.WORKLOADS[name]
        self.limits["echo"][name] = ceilings.echo(work.load, work.seconds, work.warmup)
        self.keeping()

    def disk(self, name, kind):
        group = tables.spread(self.groups[name, kind])["median"]
        self.limits["disk"].setdefault(name, {})[kind] = ceilings.disk(
            plan.DISK_WORKLOADS[name], group, plan.WORKLOADS[name].servers)
        self.keeping()

    def close(self):
        """Ends everything; a server that ended in an unclean way is told like a run that went wrong."""
        try:
            self.lab.close()
        except AssertionError as e:
            self.failed("at the end", "baton", e)

    # --- as JSON

    def as_json(self):
        return json.dumps({
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "command": self.command, "versions": self.versions, "machine": self.machine,
            "kinds": self.kinds, "reference": self.reference,
            "settings": {**fleet.SETTINGS, "java": fleet.JAVA, "baton": fleet.BATON_EXTRA, "etcd": etcd_servers.SETTINGS},
            "seconds_taken": round(time.monotonic() - self.began), "results": self.results, "limits": self.limits,
            "errors": self.errors}, indent=1) + "\n"
