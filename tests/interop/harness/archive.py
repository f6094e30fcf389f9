"""An archive of ZooKeeper's classes: a server starts with a third less work where Java need not parse and verify them.

Made once for each Java and each set of jars, by a server that is started, asked and ended. Only the tests use it:
figures of Java's memory would not be those of anybody's server.
"""
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import jars
from .ports import free_port
from .waiting import wait_until
from .wire import Client, Disconnected, four_letter_word

FOLDER = jars.BUILD / "class-archives"
MAKING_TIMEOUT_S = 60

enabled = False
_flags = {}                             # version -> what java is told


def flags(version):
    """What java is told to use it: nothing where there is none, and none can be made."""
    if not enabled:
        return []
    if version not in _flags:
        _flags[version] = _find(version)
    return _flags[version]


def _find(version):
    archive = FOLDER / ("zookeeper-%s-%s.jsa" % (version, _fingerprint(version)))
    try:
        if not archive.exists():
            _make(version, archive)
    except (OSError, AssertionError, Disconnected, subprocess.SubprocessError) as e:
        print("no archive of ZooKeeper %s's classes, so it starts slower: %s" % (version, e))
        return []
    return ["-XX:SharedArchiveFile=%s" % archive]


def _fingerprint(version):
    """Changes with whatever an archive depends on: Java takes no other one, but goes on without."""
    what = hashlib.sha256()
    for path in [Path(shutil.which("java")).resolve(), *jars.files(version)]:
        stat = path.stat()
        what.update(b"%s %d %d\n" % (os.fsencode(path), stat.st_size, stat.st_mtime_ns))
    return what.hexdigest()[:16]


def _make(version, archive):
    """A server in an ensemble of one: all that the members of larger ones need when they start."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    aside = archive.with_name("%s.%d" % (archive.name, os.getpid()))
    with tempfile.TemporaryDirectory(prefix="baton-archive-") as home:
        port = free_port()
        config = Path(home) / "zoo.cfg"
        config.write_text("dataDir=%s\nstandaloneEnabled=false\ntickTime=200\ninitLimit=50\nsyncLimit=50\n"
                          "server.1=127.0.0.1:%d:%d;127.0.0.1:%d\n" % (home, free_port(), free_port(), port))
        (Path(home) / "myid").write_text("1\n")
        command = [*jars.java_command(version, Path(home), "-XX:ArchiveClassesAtExit=%s" % aside,
                                      "-Dzookeeper.admin.enableServer=false"),
                   "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)]
        with subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as java:
            try:
                wait_until(lambda: "Mode: leader" in (four_letter_word(("127.0.0.1", port), "srvr") or ""),
                           MAKING_TIMEOUT_S, "a server that leads itself")
                with Client(("127.0.0.1", port)) as client:
                    client.create("/a")
                    client.close_session()
                java.terminate()
                java.wait(MAKING_TIMEOUT_S)
                aside.rename(archive)   # whole or not at all
            finally:
                java.kill()
                aside.unlink(missing_ok=True)
