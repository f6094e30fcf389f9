#!/usr/bin/env python3
"""One real systemd host on this machine, for as long as a command in it runs.

    one_host.py [--host-dir DIR:PATH]... COMMAND [ARG...]

Boots systemd in a container over a copy-on-write view of this machine's own root, waits until it is up, runs the
command in it as root and ends with its status. As root only; needs the package systemd-container. The machine's own
PID 1 and control groups don't matter: the host gets a cgroup2 tree of its own, in a mount namespace that ends with
this program, and a network of its own with nothing but loopback. What the command writes below the root is gone
afterwards; DIR, however, appears in the host at PATH and stays.
"""
import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BOOT_SECONDS = 60

# Of the machine around: what has no business in a host whose every unit a test knows.
MASKED = (
    "nginx.service", "zookeeper.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "fstrim.timer", "man-db.timer", "systemd-networkd-wait-online.service", "systemd-resolved.service",
    "getty.target", "console-getty.service", "systemd-logind.service", "polkit.service",
)
MASKED_KEPT = ("nginx.service", "polkit.service", "systemd-logind.service")


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def private_mounts():
    """A mount namespace of our own (unshare(2)); mounts made in it end with its last process."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns = 0x00020000
    if libc.unshare(clone_newns) != 0:
        raise OSError(ctypes.get_errno(), "unshare: are you root?")
    run("mount", "--make-rprivate", "/")


def own_cgroup(name):
    """A cgroup2 tree at /sys/fs/cgroup, and a group of the host's own in it, which this process enters."""
    subprocess.run(("umount", "-R", "/sys/fs/cgroup"), stderr=subprocess.DEVNULL, check=False)
    run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    group = "/sys/fs/cgroup/" + name
    os.mkdir(group)
    with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(os.getpid()))
    return group


def own_root(work, name, shared):
    """The machine's root with a layer above it that takes all writes."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", work)
    for part in ("upper", "work", "root"):
        os.mkdir(f"{work}/{part}")
    os.makedirs(f"{work}/upper/etc")
    open(f"{work}/upper/etc/machine-id", "w", encoding="ascii").close()
    with open(f"{work}/upper/etc/hostname", "w", encoding="ascii") as f:
        f.write(name + "\n")
    root = f"{work}/root"
    run("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={work}/upper,workdir={work}/work", "overlay", root)
    binds = []
    for pair in shared:
        inner = pair.partition(":")[2]
        os.makedirs(root + inner, exist_ok=True)
        binds.append("--bind=" + pair)
    return root, binds


def child_of(pid):
    """The container's PID 1: the one child of nspawn's process. None while there is none."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            children = f.read().split()
    except FileNotFoundError:
        return None
    return int(children[0]) if children else None


def wait_for_boot(nspawn):
    """Returns the host's PID 1 once all its units have been started."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and nspawn.poll() is None:
        init = child_of(nspawn.pid)
        if init is not None:
            state = subprocess.run(("nsenter", "-t", str(init), "-a", "systemctl", "is-system-running"), check=False,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
            if state in ("running", "degraded"):
                return init
        # Its console says something when it gets on; and it is asked again anyway.
        select.select([], [], [], 0.1)
    raise RuntimeError(f"the host did not come up within {BOOT_SECONDS} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host-dir", action="append", default=[], metavar="DIR:PATH")
    parser.add_argument("--console", default=os.devnull, help="file that gets what the host prints")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    name = f"baton-one-{os.getpid()}"
    nspawn = group = None
    work = tempfile.mkdtemp(prefix="baton-one-")
    private_mounts()
    try:
        group = own_cgroup(name)
        root, binds = own_root(work, name, args.host_dir)
        masks = ["systemd.mask=" + unit for unit in MASKED if unit not in MASKED_KEPT]
        with open(args.console, "wb") as console:
            nspawn = subprocess.Popen(
                ("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", root, "--machine=" + name,
                 "--private-network", *binds, "-b", "--console=pipe", *masks),
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        init = wait_for_boot(nspawn)
        return subprocess.run(("nsenter", "-t", str(init), "-a", *args.command), check=False).returncode
    finally:
        if nspawn is not None:
            init = child_of(nspawn.pid)
            os.kill(init if init is not None else nspawn.pid, signal.SIGKILL)
            nspawn.wait()
        if group is not None:
            with open("/sys/fs/cgroup/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(os.getpid()))
            # The host's groups are empty by now; below them are those that systemd made.
            for folder, _, _ in sorted(os.walk(group), reverse=True):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
        subprocess.run(("umount", "-R", "-l", work), check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
