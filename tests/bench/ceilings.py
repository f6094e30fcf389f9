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
DISK_SECONDS, DISK_RUNS = 2, 3
# A setData of 1 KiB as a record of the log: its header, path, version, digest and checksum beside the value.
RECORD_BYTES = 1024 + 96
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


def disk(group, folder=None):
    """Records a second, appended and synced in groups of `group`, where servers keep their data: the middle run."""
    with tempfile.TemporaryDirectory(prefix="bench-disk-", dir=folder) as home:
        command = [str(fleet.DISK), home, str(RECORD_BYTES), str(max(1, round(group))), str(DISK_SECONDS),
                   str(PREALLOCATED_BYTES)]
        runs = [json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
                for _ in range(DISK_RUNS)]
        return sorted(runs, key=lambda run: run["records_per_second"])[DISK_RUNS // 2]


def _busy_jiffies():
    user, nice, system, _, _, interrupts, soft = map(int, open("/proc/stat", encoding="utf-8").readline().split()[1:8])
    return user + nice + system + interrupts + soft


def others():
    """The part of all processors that is used while nothing is measured yet, over a second."""
    began, before = time.monotonic(), _busy_jiffies()
    time.sleep(1)
    used = (_busy_jiffies() - before) / os.sysconf("SC_CLK_TCK")
    return used / (time.monotonic() - began) / os.cpu_count()


def machine():
    """What the figures were measured on."""
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), "unknown")
    return {"processor": cpu, "processors": os.cpu_count(), "kernel": os.uname().release,
            "file_system": subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], stdout=subprocess.PIPE,
                                          check=True, text=True).stdout.strip(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "load_average": list(os.getloadavg())}
