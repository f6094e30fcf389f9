"""What the loopback and the disk allow: an echo of the same sizes, and appending with a sync in the same groups."""
import json
import os
import socket
import subprocess
import tempfile
import time

import fleet
from harness.ports import free_port

# What an echo can stand in for: it has no sessions that end.
LOADS = {"set", "create", "seq", "read", "mixed", "churn", "storm", "fanout"}
DISK_SECONDS, DISK_RUNS = 1, 3
PREALLOCATED_BYTES = 64 << 20


class Echo:
    """baton-bench-echo on a port of its own."""

    def __init__(self, value_bytes=1024):
        self.port = free_port()
        self.process = subprocess.Popen([str(fleet.ECHO), str(self.port), str(value_bytes)], stdin=subprocess.PIPE)

    @property
    def hosts(self):
        return "127.0.0.1:%d" % self.port

    def wait_listening(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def __enter__(self):
        return self.wait_listening()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def echo(words, seconds, warmup):
    """The same load on one echo server."""
    with Echo() as server:
        command = fleet.load_command(words, server.hosts, [server.process.pid], seconds=seconds, warmup=warmup)
        return fleet.run_load([*command, "--canned"])


def disk(record_bytes, group, processes, folder=None):
    """Records a second of a process that appends and syncs them in groups of `group`, where servers keep their data, while
    so many do: of the slowest that a majority needs, in the middle run."""
    group = max(1, round(group))
    rates = []
    with tempfile.TemporaryDirectory(prefix="bench-disk-", dir=folder) as home:
        command = [str(fleet.DISK), home, str(record_bytes), str(group), str(DISK_SECONDS), str(PREALLOCATED_BYTES)]
        for _ in range(DISK_RUNS):
            running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
            said = [process.communicate()[0] for process in running]
            if any(process.returncode for process in running):
                raise fleet.Failed("%s: a process of %d failed" % (" ".join(command), processes))
            each = sorted((json.loads(text)["records_per_second"] for text in said), reverse=True)
            rates.append(each[processes // 2])
    return {"group": group, "processes": processes, "records_per_second": sorted(rates)[DISK_RUNS // 2]}


def _busy_jiffies():
    user, nice, system, _, _, interrupts, soft = map(int, open("/proc/stat", encoding="utf-8").readline().split()[1:8])
    return user + nice + system + interrupts + soft


def others():
    """The part of all processors that is used while nothing is measured yet, over a second."""
    began, before = time.monotonic(), _busy_jiffies()
    time.sleep(1)
    used = (_busy_jiffies() - before) / os.sysconf("SC_CLK_TCK")
    return used / (time.monotonic() - began) / os.cpu_count()


def _said(*command, word=""):
    """The first line with a word of what a program says about itself, on either output; or "" where there is none."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, cwd=fleet.ROOT)
        return next((line.strip() for line in done.stdout.splitlines() if word in line), "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _file_system(folder):
    """The type of what `folder` is on: of the longest mount point that it is below."""
    mounts = [line.split()[1:3] for line in open("/proc/self/mounts", encoding="utf-8")]
    above = [(len(at), number, kind) for number, (at, kind) in enumerate(mounts)
             if (folder + "/").startswith(at.rstrip("/") + "/")]
    return max(above)[2]                # of two at one place the later covers the earlier


def machine():
    """What the figures were measured on, and with."""
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), "unknown")
    return {"processor": cpu, "processors": os.cpu_count(), "kernel": os.uname().release,
            "file_system": _file_system(os.path.realpath(tempfile.gettempdir())),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "commit": _said("git", "describe", "--always", "--dirty"),
            "java": _said("java", "-version", word=" version "), "go": _said("go", "version"),
            "load_average": list(os.getloadavg())}
