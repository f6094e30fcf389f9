"""ZooKeeper's own command line, zkCli, asked the same of baton and of ZooKeeper 3.9: what it prints must be the same.

The script is clients/zkcli.txt. Both releases of the client are used, 3.8 (Debian's) and 3.9. Each server is fresh, so
zxids, versions and counts must run alike; what belongs to one server is replaced before the comparison: zxids by their
rank, session ids and ports by their order of appearance, times by the word for them.
"""
import re
import subprocess
from pathlib import Path

import pytest

from conftest import need
from harness import jars, servers

SCRIPT = Path(__file__).resolve().parent / "clients" / "zkcli.txt"
CLI_TIMEOUT_S = 90
# A line of the script is told from the next by asking for a node of this name, which is never there.
MARK = "/mark-%d"
# What follows the script; without a connection there are no marks.
LAST = "close\nget /a\nquit\n"

# What the servers need to know to answer all of the script.
JAVA = ("-Dzookeeper.extendedTypesEnabled=true",)
BATON = {"extended_types": "yes"}

ZXID = re.compile(r"(?<=[cmp]Zxid = )0x[0-9a-f]+|(?<=zxid: )-?\d+")
TIME = re.compile(r"(?<=time = )(?!Thu Jan 01 00:00:00 UTC 1970).*")
SESSION = re.compile(r"(?<=ephemeralOwner = )0x[0-9a-f]{2,}")
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
LIST = re.compile(r"\[([^\[\]]*)\]")


def commands():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def play(version, server, home):
    """What zkCli of this release prints."""
    asked = commands()
    text = "".join("%s\nget %s\n" % (line, MARK % n) for n, line in enumerate(asked)) + LAST
    (home / "quiet.properties").write_text("log4j.rootLogger=OFF\n")
    quiet = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-Dlog4j.configuration=file:%s" % (home / "quiet.properties"),
             "-Duser.timezone=UTC", "-Duser.language=en")
    done = subprocess.run(
        [*jars.java_command(version, home, *quiet), "org.apache.zookeeper.ZooKeeperMain", "-server", server.host],
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CLI_TIMEOUT_S, text=True, check=False)
    return done.stdout


def parted(text):
    """(answers, events): the lines between two marks, and what watches told, which comes between them as it likes."""
    answers, events, current = [], [], []
    for line in filter(None, text.splitlines()):
        mark = re.fullmatch(r".*Node does not exist: /mark-(\d+)", line) or re.fullmatch(r".*for /mark-(\d+)", line)
        if mark:
            assert int(mark.group(1)) == len(answers), "answer %s after %d of them" % (mark.group(1), len(answers))
            event = line.partition("Node does not exist")[0]    # of another thread, before it ended its line
            if event.startswith("WatchedEvent"):
                events.append(event)
            answers.append(current)
            current = []
        elif line.startswith("WatchedEvent"):
            events.append(line)
        elif line != "WATCHER::":
            current.append(line)
    return answers + [current], events


def ranks(pattern, text):
    """Each number replaced by its rank among all of them: their order must be the same, their values need not."""
    found = sorted({int(match, 0) for match in pattern.findall(text)})
    return pattern.sub(lambda m: "#%d" % found.index(int(m.group(), 0)), text)


def in_order(pattern, text):
    seen = {}
    return pattern.sub(lambda m: "<%d>" % seen.setdefault(m.group(), len(seen)), text)


def normal(text):
    text = ranks(ZXID, TIME.sub("TIME", text))
    text = in_order(PORT, in_order(SESSION, text))
    return LIST.sub(lambda m: "[%s]" % ", ".join(sorted(m.group(1).split(", "))), text)


@pytest.fixture(scope="module")
def reference(module_lab):
    need(servers.ZOOKEEPER_39)
    return module_lab


def transcript(lab, kind, client, tmp_path):
    ensemble = lab.ensemble({1: kind}, java_properties=JAVA, baton_extra=BATON)
    ensemble.start()
    text = play(client, ensemble[1], tmp_path)
    ensemble.stop()
    return parted(normal(text))


@pytest.mark.parametrize("client", ["3.9", "3.8"])
def test_zkcli_prints_the_same_of_both(reference, ours, client, tmp_path):
    need("zookeeper-" + client)
    expected, their_events = transcript(reference, servers.ZOOKEEPER_39, client, tmp_path)
    found, our_events = transcript(reference, ours, client, tmp_path)
    asked = commands() + [LAST]
    assert len(expected) == len(found) == len(asked)
    differing = ["> %s\n  ZooKeeper: %s\n  here:      %s" % (line, " | ".join(theirs), " | ".join(ours_))
                 for line, theirs, ours_ in zip(asked, expected, found) if theirs != ours_]
    assert not differing, "\n" + "\n".join(differing)
    assert our_events == their_events
