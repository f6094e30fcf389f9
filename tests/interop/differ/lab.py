"""The servers of a differential test: two sides with the same settings, in memory."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import servers, wire
from harness.waiting import wait_until

from . import sequence, shrink
from .pair import Pair
from .target import Target

NEVER_MS = 10**9                        # of sweeps: none while a test runs
SUPER_DIGEST = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="      # super:admin

# Settings by name: (ZooKeeper's properties, baton's keys).
QUIET = (("-Dzookeeper.forceSync=no", "-Dznode.container.checkIntervalMs=%d" % NEVER_MS),
         {"container_check_interval": NEVER_MS})
SETUPS = {
    "default": QUIET,
    "usual": (QUIET[0] + ("-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.enforceQuota=true",
                          "-Dzookeeper.DigestAuthenticationProvider.superDigest=%s" % SUPER_DIGEST),
              {**QUIET[1], "extended_types": "yes", "enforce_quota": "yes", "super_digest": SUPER_DIGEST}),
}


MEMORY = "/dev/shm"                     # where files cost no disk: thousands of transactions are synced


def mixed_of(leader, ours, theirs):
    """An ensemble of both kinds: 1 is ours, 2 is theirs; 3, the greatest, leads at first."""
    return {1: ours, 2: theirs, 3: ours if leader == "ours" else theirs}


def by_role(ensemble):
    """Its addresses, that of the leader last: what is asked of a leader goes another way."""
    return [s.address for s in sorted(ensemble, key=lambda s: (s.mode() in ("leader", "standalone"), s.sid))]


def settings(setup, ensemble):
    """Where several servers decide, the one that checks a quota may not have applied yet what its client was
    told of (docs/compatibility.md); so nothing is refused there."""
    properties, keys = SETUPS[setup]
    if ensemble:
        properties = tuple(p for p in properties if "enforceQuota" not in p)
        keys = {k: v for k, v in keys.items() if k != "enforce_quota"}
    return properties, keys


SETTLE_TIMEOUT_S = 10.0
END_TIMEOUT_S = 3.0                     # how long a server that serves no more may take to be gone


class Ended(Exception):
    """Servers serve no more: which, at what, and what they said. `transcript` has what was answered by then."""

    def __init__(self, ended, steps, transcript, names):
        self.servers = ended
        self.what = "%s stopped serving" % " and ".join(map(repr, ended))
        last = [shrink.show_step(step) for step in steps[len(transcript):][:1]]
        super().__init__("\n".join([self.what, shrink.show(transcript, names)] + last + [_end_of(s) for s in ended]))


def _end_of(server):
    try:
        how = "ended with code %d" % server.process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        how = "runs, but does not serve"
    return "%r %s; its log:\n%s" % (server, how, server.log_of_end())


def _zxid(server):
    """The last that it has applied; None where it does not answer."""
    found = re.search(r"^Zxid: 0x([0-9a-f]+)", server.word("srvr") or "", re.M)
    return int(found.group(1), 16) if found else None


def settling(ensemble):
    """What waits until the leader has applied what any member has. A ZooKeeper that leads checks against the old access list
    until it has applied the new one (docs/compatibility.md), which may be after a member has answered."""
    leader = ensemble.leader() if len(ensemble) > 1 else None
    if leader is None or leader.kind == servers.BATON:
        return None

    def settle():
        newest = max(_zxid(server) or 0 for server in ensemble)

        def settled():
            zxid = _zxid(leader)
            return zxid is None or zxid >= newest
        wait_until(settled, SETTLE_TIMEOUT_S, "the leader has applied 0x%x" % newest)
    return settle


class Rig:
    """Both sides, started; renew() gives fresh ones. `mixed`: both are members of one ensemble, led by
    "ours" or "theirs"."""

    def __init__(self, ours, theirs, setup="usual", count=1, mixed=None):
        self.home = Path(tempfile.mkdtemp(prefix="baton-differ-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.kinds = (ours, theirs)
        self.setup = setup
        self.count = count
        self.mixed = mixed
        self.lab = None
        self.pair = None
        self.times = 0
        self.sent = 0
        self.renew()

    def names(self):
        return tuple("zk" + k[-3:] if k != servers.BATON else k for k in self.kinds)

    def requests(self):
        return self.sent + (self.pair.ours.sent if self.pair else 0)

    def sequence(self, seed, areas=sequence.AREAS):
        """The steps of a seed, but for what these servers must not be asked."""
        return sequence.generate(seed, areas, not self.mixed, bool(self.mixed) or self.count > 1)

    def play(self, steps, transcript=None):
        """As Pair.play(). Raises Ended where a server has stopped serving."""
        transcript = [] if transcript is None else transcript
        try:
            found = self.pair.play(steps, transcript)
        except (OSError, wire.Disconnected, wire.Expired) as e:
            self._assert_served(steps, transcript, e)
            raise
        if found:                       # perhaps of that
            self._assert_served(steps, transcript)
        return found

    def _assert_served(self, steps, transcript, cause=None):
        ended = [s for s in self.lab.servers() if s.mode() is None]
        if ended:
            raise Ended(ended, steps, transcript, self.names()) from cause

    def recover(self, ended):
        """Fresh servers after an end that is told of elsewhere."""
        try:
            self._stop()
        except AssertionError:          # how servers of ours ended
            if not any(s.kind == servers.BATON for s in ended.servers):
                raise
        self.renew()

    def renew(self):
        self._stop()
        self.times += 1
        self.lab = servers.Lab(self.home / str(self.times))
        properties, keys = settings(self.setup, self.mixed or self.count > 1)
        dealt = [mixed_of(self.mixed, *self.kinds)] if self.mixed else [dict.fromkeys(range(1, self.count + 1), k) for k in self.kinds]
        made = [self.lab.ensemble(kinds, java_properties=properties, baton_extra=keys) for kinds in dealt]
        for ensemble in made:
            for server in ensemble:
                server.start()
        for ensemble in made:
            for server in ensemble:
                server.wait_serving()
        sides = [made[0].addresses(1), made[0].addresses(2)] if self.mixed else [by_role(e) for e in made]
        event_zxids = servers.ZOOKEEPER_38 not in self.kinds
        targets = [Target(kind, addresses, event_zxids, self.mixed or self.count > 1, not self.mixed)
                   for kind, addresses in zip(self.kinds, sides)]
        for target, ensemble in zip(targets, made * 2 if self.mixed else made):
            target.settle = settling(ensemble)
        self.pair = Pair(*targets, spread=self.count > 1 and not self.mixed, in_turn=self.mixed)

    def close(self):
        self._stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _stop(self):
        if self.pair is not None:
            self.sent += self.pair.ours.sent
            for target in self.pair.both():
                target.close()
            self.pair = None
        lab, self.lab = self.lab, None
        if lab is not None:
            lab.close()
