"""Cleans up after the tests, however they end: a process that waits until its standard input is closed.

Lines on it name what there is to remove: `dir PATH`, `netns NAME`, `cgroup NAME`. By then the hosts are gone, since
each dies with the process that booted it. Runs in a mount namespace of its own, to see the control groups of the hosts.
"""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
GONE_TIMEOUT_S = 10.0


class Janitor:
    """The tests' side of it."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", sys.executable, __file__], stdin=subprocess.PIPE,
            text=True, start_new_session=True)

    def remember(self, kind, name):
        self.process.stdin.write("%s %s\n" % (kind, name))
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0, "something is left behind: see above"


def remove_cgroup(name):
    """A killed process leaves its group a moment after it has died; nothing announces that to a stranger."""
    end = time.monotonic() + GONE_TIMEOUT_S
    top = CGROUPS / name
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as e:
                if time.monotonic() > end:
                    return "control group %s: %s" % (folder, e)
        if top.exists():
            time.sleep(0.02)
    return None


def remove_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    return "directory %s" % path if os.path.exists(path) else None


def remove_netns(name):
    if not os.path.exists("/run/netns/" + name):
        return None
    done = subprocess.run(["ip", "netns", "del", name], check=False)
    return "network namespace %s" % name if done.returncode != 0 else None


def main():
    subprocess.run(["umount", "-R", str(CGROUPS)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(CGROUPS)], check=True)
    things = [line.rstrip("\n").split(" ", 1) for line in sys.stdin]
    left = []
    for kind, order in (("cgroup", remove_cgroup), ("netns", remove_netns), ("dir", remove_dir)):
        left += [problem for k, name in dict.fromkeys(map(tuple, things)) if k == kind for problem in [order(name)] if problem]
    for problem in left:
        print("left behind: " + problem, file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
