"""The servers of a differential test: two sides with the same settings, in memory."""
import os
import shutil
import tempfile
from pathlib import Path

from harness import servers

from .pair import Pair
from .target import Target

NEVER_MS = 10**9                        # of sweeps: none while a test runs
SUPER_DIGEST = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="      # super:admin

# Settings by name: (ZooKeeper's properties, baton's keys).
QUIET = (("-Dzookeeper.forceSync=no", "-Dznode.container.checkIntervalMs=%d" % NEVER_MS), {})
SETUPS = {
    "default": QUIET,
    "usual": (QUIET[0] + ("-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.enforceQuota=true",
                          "-Dzookeeper.DigestAuthenticationProvider.superDigest=%s" % SUPER_DIGEST), {}),
}


MEMORY = "/dev/shm"                     # where files cost no disk: thousands of transactions are synced


class Rig:
    """Both sides, started; renew() gives fresh ones."""

    def __init__(self, ours, theirs, setup="usual", count=1, mixed=False):
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

    def renew(self):
        self._stop()
        self.times += 1
        self.lab = servers.Lab(self.home / str(self.times))
        properties, keys = SETUPS[self.setup]
        made = [self.lab.ensemble({sid: kind for sid in range(1, self.count + 1)}, java_properties=properties,
                                  baton_extra=keys) for kind in self.kinds]
        for ensemble in made:
            for server in ensemble:
                server.start()
        targets = []
        for kind, ensemble in zip(self.kinds, made):
            for server in ensemble:
                server.wait_serving()
            targets.append(Target(kind, ensemble.addresses(), event_zxids=servers.ZOOKEEPER_38 not in self.kinds))
        self.pair = Pair(*targets, spread=self.count > 1)

    def close(self):
        self._stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _stop(self):
        if self.pair is not None:
            self.sent += self.pair.ours.sent
            for target in self.pair.both():
                target.close()
            self.pair = None
        if self.lab is not None:
            self.lab.close()
            self.lab = None
