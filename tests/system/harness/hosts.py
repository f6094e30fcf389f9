"""Real systemd machines on this one: systemd-nspawn on an overlay of this machine's own files.

A Network is a network namespace of its own with a bridge; each Host is booted in it and hangs on the bridge by a
cable that can be pulled. Nothing outside the namespace is reached or changed. Hosts end with the process that made
them, however it ends.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOOT_TIMEOUT_S = 60.0
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# What this machine starts at boot is not to start in the hosts: these directories of links are hidden.
HIDDEN = (
    "etc/systemd/system/multi-user.target.wants",
    "etc/systemd/system/timers.target.wants",
    "etc/systemd/system/network-online.target.wants",
    "etc/systemd/system/sockets.target.wants",
)


# A link in here starts a unit at boot: it stands for the directories above.
BOOT_WANTS = "etc/systemd/system/basic.target.wants/"


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def enter_network(path):
    """Moves the calling thread, and no other, into a network namespace."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns: %s" % path)
    finally:
        os.close(fd)


def wait_until(condition, what, timeout=30.0, step=0.02):
    """For what announces itself nowhere: asks until `condition` yields something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("after %g s: not %s" % (timeout, what() if callable(what) else what))
        time.sleep(step)


class Network:
    """A namespace with a bridge. Addresses are 10.91.0.N, N being the number of the host."""

    def __init__(self, name, janitor):
        self.name = name
        self.bridge = "br0"
        self.janitor = janitor
        janitor.remember("netns", name)
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", self.bridge, "type", "bridge", "forward_delay", "0")
        self.run("ip", "addr", "add", "10.91.0.254/24", "dev", self.bridge)
        self.run("ip", "link", "set", self.bridge, "up")

    def run(self, *command, **more):
        return subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, **more)

    def popen(self, *command, **more):
        """A process in it, that ends with the tests."""
        return subprocess.Popen(["nsenter", "--net=/run/netns/" + self.name, *command], stdin=subprocess.DEVNULL,
                                preexec_fn=die_with_parent, **more)


class Host:
    """One machine. Laid over this machine's own files before each boot: `trees` (an installation made with DESTDIR),
    then `files`, path -> text, and `links`, path -> target. What the host writes is lost with its power, but for /var/lib/baton."""

    def __init__(self, network, number, home, trees=(), files=None, links=None):
        self.network = network
        self.number = number
        self.name = "n%d" % number
        self.machine = "b%s-%s" % (network.name.rpartition("-")[2], self.name)    # its cable is vb-MACHINE: 15 bytes
        self.address = "10.91.0.%d" % number
        network.janitor.remember("cgroup", self.machine)
        self.home = Path(home) / self.name
        self.trees = [str(t) for t in trees]
        self.files = dict(files or {})
        self.links = dict(links or {})
        self.nspawn = None
        self.pid = None
        self.boots = 0

    # --- life

    def _lay(self):
        top = self.home / "lay"
        if top.exists():
            shutil.rmtree(top)
        for path in HIDDEN:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            os.mknod(top / path, 0o600 | 0o020000, os.makedev(0, 0))     # overlayfs: "not there"
        basics = {
            "etc/machine-id": uuid.uuid5(uuid.NAMESPACE_OID, self.machine).hex + "\n",
            "etc/hostname": self.name + "\n",
            "etc/fstab": "",
            "etc/systemd/network/80-host0.network":
                "[Match]\nName=host0\n[Network]\nAddress=%s/24\nLinkLocalAddressing=no\n" % self.address,
            "etc/systemd/system/host-address.service":
                "[Unit]\nDescription=Address of this test host\nBefore=network.target network-online.target\n"
                "Wants=network.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                "ExecStart=/bin/ip addr add %s/24 dev host0\nExecStart=/bin/ip link set host0 up\n"
                "ExecStart=/bin/ip link set lo up\n[Install]\nWantedBy=multi-user.target\n" % self.address,
        }
        for path, text in {**basics, **self.files}.items():
            target = top / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        starts = {BOOT_WANTS + "host-address.service": "/etc/systemd/system/host-address.service"}
        for path, target in {**starts, **self.links}.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).symlink_to(target)
        return top

    def boot(self):
        assert self.nspawn is None, "%s runs already" % self.name
        self.boots += 1
        top = self._lay()
        work = self.home / "work"
        work.mkdir(parents=True, exist_ok=True)
        data = self.home / "disk"
        data.mkdir(parents=True, exist_ok=True)
        with open(self.home / "console.log", "ab") as log:
            self.nspawn = subprocess.Popen(
                ["nsenter", "--net=/run/netns/" + self.network.name, "unshare", "--mount", "--propagation", "private",
                 "sh", str(HERE / "host.sh"), self.machine, str(work), self.network.bridge, str(data),
                 *self.trees, str(top)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        self.pid = wait_until(self._find_pid, "%s has a PID 1" % self.name, BOOT_TIMEOUT_S)

    def _find_pid(self):
        if self.nspawn.poll() is not None:
            raise AssertionError("%s did not boot: %s" % (self.name, self.console()))
        try:
            children = Path("/proc/%d/task/%d/children" % (self.nspawn.pid, self.nspawn.pid)).read_text().split()
        except OSError:
            return None
        for child in children:
            try:
                if Path("/proc/%s/comm" % child).read_text().strip() == "systemd":
                    return int(child)
            except OSError:
                pass
        return None

    def wait_booted(self):
        """Until the boot's jobs are done; which of them failed is not our matter."""
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                   in ("running", "degraded"), "%s is up" % self.name, BOOT_TIMEOUT_S, step=0.1)

    def lose_power(self):
        """Everything in it dies at once, and its cable goes with it."""
        if self.pid is None:
            self.nspawn.kill()
        else:
            os.kill(self.pid, signal.SIGKILL)
        self.nspawn.wait()
        self.nspawn = self.pid = None

    def wait_off(self):
        """Until a shutdown from inside is done."""
        self.nspawn.wait(BOOT_TIMEOUT_S)
        self.nspawn = self.pid = None

    # --- inside

    def run(self, *command, check=True, timeout=60, input=None):
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout, text=True, input=input)
        if check and done.returncode != 0:
            raise AssertionError("%s: %s ended with %d\n%s%s" % (
                self.name, " ".join(command), done.returncode, done.stdout, done.stderr))
        return done

    def out(self, *command, **more):
        return self.run(*command, **more).stdout

    def path(self, path):
        """A file of the host, seen from outside."""
        return Path("/proc/%d/root/%s" % (self.pid, path.lstrip("/")))

    def signal(self, name, *pids):
        """Of processes of the host, by their numbers there; those that are gone meanwhile are none."""
        self.run("kill", "-" + name, *map(str, pids), check=False)

    def cable(self, plugged):
        self.network.run("ip", "link", "set", "vb-" + self.machine, "up" if plugged else "down")

    def freeze(self, frozen):
        """Pauses the whole machine, or lets it go on; its clocks run meanwhile."""
        # The nspawn process stands in the host's group of the outer machine, in the mount namespace it was made in.
        path = "/proc/%d/root/sys/fs/cgroup/%s/cgroup.freeze" % (self.nspawn.pid, self.machine)
        Path(path).write_text("1" if frozen else "0")

    def console(self, lines=40):
        try:
            return "\n".join((self.home / "console.log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def journal(self, *more):
        return self.run("journalctl", "--no-pager", "-o", "short-precise", *more, check=False).stdout
