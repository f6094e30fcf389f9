"""Disks that are full, read-only or damaged, directories that are taken, configurations that are
wrong: the server says what it met and what to do, and nothing acknowledged is ever missing.

Promises of baton's: these tests do not run against ZooKeeper.
"""
import os
import re
import socket
import struct
import subprocess
import time
import zlib

import pytest

from harness import servers, wire
from harness.tree import assert_equal_trees
from harness.txnlog import HEADER_SIZE, read_log
from harness.waiting import wait_until

pytestmark = pytest.mark.usefixtures("only_baton")

DISK_SIZE = "48m"
PREALLOCATE = {"preallocate_kb": 1024}
LUMP = b"x" * 400 * 1024
EXIT_TIMEOUT_S = 20
NOBODY_S = 2.0                          # many times what an election takes


# --- full and read-only disks -------------------------------------------------------------------

@pytest.fixture
def mount():
    """Mounts small file systems in memory on given folders; all are gone with the test."""
    mounted = []

    def do(folder, options):
        if os.geteuid() != 0:
            pytest.skip("mounting a small disk needs root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            pytest.skip("no mount allowed here: %s" % done.stdout.strip())
        mounted.append(folder)

    yield do
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def on_small_disk(server, mount):
    mount(server.data_dir, "size=" + DISK_SIZE)
    (server.data_dir / "myid").write_text("%d\n" % server.sid)


def fill_up(folder):
    """Takes all the space that is left; returns the file to delete."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as f:
        for size in (1 << 20, 4096):
            try:
                while f.write(b"\0" * size) == size:
                    pass
            except OSError:
                pass
    return filler


def write_until_refused(server, root, tries_max=500):
    """Fills the disk of `server` and writes through it until it stops acknowledging. Returns the
    acknowledged paths and the file that takes the space."""
    acked = []
    with wire.Client(server.address, timeout_ms=40000, timeout=15) as client:
        client.create(root)
        filler = fill_up(server.data_dir)
        try:
            for n in range(tries_max):
                client.create("%s/%d" % (root, n), LUMP)
                acked.append("%s/%d" % (root, n))
        except (wire.Disconnected, socket.timeout, wire.ZkError):
            return acked, filler
    raise AssertionError("%d writes of %d bytes fitted on a full disk" % (tries_max, len(LUMP)))


def gone_for(server, reason):
    """Waits until the server has left, one way or the other, and said why."""
    wait_until(lambda: not server.running() or server.mode() is None, EXIT_TIMEOUT_S, "%r leaves" % server)
    wait_until(lambda: re.search(reason, server.log_text(), re.I), EXIT_TIMEOUT_S,
               lambda: "%r says why:\n%s" % (server, server.log_tail()))
    if server.running():
        server.stop()
    elif server.process is not None:
        assert server.wait_exit() != 0
    server.exits.clear()                # provoked, and judged here


def test_full_disk_of_a_lone_server_loses_nothing_acknowledged(lab, mount):
    ensemble = lab.ensemble({1: servers.BATON}, baton_extra=PREALLOCATE)
    server = ensemble[1]
    on_small_disk(server, mount)
    ensemble.start()
    acked, filler = write_until_refused(server, "/full")
    gone_for(server, r"no space left")
    filler.unlink()
    server.start()
    server.wait_serving()
    with wire.Client(server.address) as client:
        missing = [path for path in acked if client.exists(path) is None]
        assert not missing
        client.create("/full/again", LUMP)


@pytest.mark.parametrize("victim", ["follower", "leader"])
def test_member_with_a_full_disk_leaves_and_the_others_go_on(lab, mount, victim):
    ensemble = lab.ensemble({1: servers.BATON, 2: servers.BATON, 3: servers.BATON},
                            baton_extra=PREALLOCATE)
    server = ensemble[3] if victim == "leader" else ensemble[1]
    on_small_disk(server, mount)
    ensemble.start(1, 3)                # the greater id leads
    ensemble.start(2)
    assert server.mode() == victim
    acked, filler = write_until_refused(server, "/full")
    gone_for(server, r"no space left")

    leader = ensemble.wait_leader()
    with wire.Client(leader.address) as client:
        client.sync()
        missing = [path for path in acked if client.exists(path) is None]
        assert not missing
        client.create("/full/two-go-on")
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=512m", str(server.data_dir)], check=True)
    server.start()
    server.wait_serving()
    tree = assert_equal_trees(ensemble)
    assert set(acked) <= set(tree)


def run_to_exit(server, expected=None):
    """Starts a server that must not come up; returns its exit code and what it said."""
    mark = server.log_mark()
    server.start()
    code = server.wait_exit(EXIT_TIMEOUT_S)
    server.exits.clear()
    text = server.log_text(mark)
    assert code != 0 and (expected is None or code == expected), (code, text)
    return text


def test_read_only_directory_is_refused(lab, mount):
    ensemble = lab.ensemble({1: servers.BATON})
    server = ensemble[1]
    if os.geteuid() == 0:
        mount(server.data_dir, "ro,size=1m")
    else:
        server.data_dir.chmod(0o500)
    text = run_to_exit(server)
    assert re.search(r"read-only|permission denied", text, re.I) and str(server.data_dir) in text, text


def test_directory_that_cannot_be_made_is_said_with_the_reason(lab, mount):
    ensemble = lab.ensemble({1: servers.BATON})
    server = ensemble[1]
    mount(server.data_dir, "ro,size=1m")
    server.data_dir = server.data_dir / "below"
    text = run_to_exit(server)
    assert "%s can't be opened or created: Read-only file system" % server.data_dir in text, text


# --- damaged files ----------------------------------------------------------------------------

RECORDS = 60


@pytest.fixture
def crashed(lab):
    """A lone server with one log of RECORDS creates and more, killed. No snapshot but the first."""
    ensemble = lab.ensemble({1: servers.BATON}).start()
    server = ensemble[1]
    with wire.Client(server.address) as client:
        client.create("/d")
        for n in range(RECORDS):
            client.create("/d/%03d" % n, b"data of %d" % n)
    server.kill()
    return server


def newest_log(server):
    path = server.log_files()[-1]
    return path, read_log(path)


def children(server):
    with wire.Client(server.address) as client:
        return sorted(client.get_children("/d"))


@pytest.mark.parametrize("damage", ["payload", "checksum", "length-huge", "length-negative", "end-mark",
                                    "zeros", "type"])
def test_damage_in_the_middle_refuses_to_start(crashed, damage):
    """It says which file, which offset, and what to do; it never goes on with less."""
    path, records = newest_log(crashed)
    record = records[len(records) // 2]
    whole = path.read_bytes()
    spoiled = bytearray(whole)
    length = len(record.payload)
    if damage == "payload":
        spoiled[record.offset + 12 + length // 2] ^= 0x55
    elif damage == "checksum":
        spoiled[record.offset + 6] ^= 0x01
    elif damage == "length-huge":
        spoiled[record.offset + 8:record.offset + 12] = struct.pack(">i", 2**30)
    elif damage == "length-negative":
        spoiled[record.offset + 8:record.offset + 12] = struct.pack(">i", -3)
    elif damage == "end-mark":
        spoiled[record.offset + 12 + length] = 0
    elif damage == "zeros":
        spoiled[record.offset:record.offset + 12 + length + 1] = bytes(12 + length + 1)
    else:
        payload = bytearray(record.payload)
        payload[28:32] = struct.pack(">i", 4711)
        spoiled[record.offset:record.offset + 12] = struct.pack(">qi", zlib.adler32(bytes(payload)), length)
        spoiled[record.offset + 12:record.offset + 12 + length] = payload
    path.write_bytes(bytes(spoiled))
    text = run_to_exit(crashed)
    assert path.name in text, text
    offsets = (str(record.offset), "%x" % record.offset)
    assert any(re.search(r"\b(0x)?%s\b" % offset, text) for offset in offsets), (record.offset, text)
    assert path.read_bytes() == bytes(spoiled), "it changed the file it refused"

    path.write_bytes(whole)             # the mend: a good copy of the file
    crashed.start()
    crashed.wait_serving()
    assert children(crashed) == ["%03d" % n for n in range(RECORDS)]


@pytest.mark.parametrize("tail", ["cut-in-payload", "cut-in-header", "half-then-zeros"])
def test_torn_tail_is_cut_with_a_warning(crashed, tail):
    """A write that a crash interrupted: what stands before it is all that was ever promised."""
    path, records = newest_log(crashed)
    last = records[-1]
    assert b"/d/%03d" % (RECORDS - 1) in last.payload
    data = path.read_bytes()
    if tail == "cut-in-payload":
        data = data[:last.offset + 12 + 10]
    elif tail == "cut-in-header":
        data = data[:last.offset + 6]
    else:
        data = data[:last.offset + 12 + 10] + bytes(len(data) - last.offset - 12 - 10)
    path.write_bytes(data)
    mark = crashed.log_mark()
    crashed.start()
    crashed.wait_serving()
    said = [line for line in crashed.log_text(mark).splitlines() if path.name in line]
    assert any(re.search(r"torn|tail|cut|incomplete|truncat", line, re.I) for line in said), \
        crashed.log_text(mark)
    assert children(crashed) == ["%03d" % n for n in range(RECORDS - 1)]
    with wire.Client(crashed.address) as client:
        client.create("/d/after")
    crashed.kill()
    crashed.start()
    crashed.wait_serving()
    assert children(crashed) == ["%03d" % n for n in range(RECORDS - 1)] + ["after"]


def flip_last_record(server):
    """One byte of the last record changes: nothing that a crash does. Returns the record."""
    path, records = newest_log(server)
    data = bytearray(path.read_bytes())
    data[records[-1].offset + 12 + len(records[-1].payload) - 1] ^= 0xFF
    path.write_bytes(bytes(data))
    return records[-1]


def test_damage_in_the_last_record_of_a_lone_server_is_refused(crashed):
    """What stood there was acknowledged. A person restores it, or gives it up."""
    path, _ = newest_log(crashed)
    whole = path.read_bytes()
    record = flip_last_record(crashed)
    spoiled = path.read_bytes()
    text = run_to_exit(crashed, 3)
    assert path.name in text and "damaged" in text and "truncate -s %d" % record.offset in text, text
    assert path.read_bytes() == spoiled, "it changed the file it refused"
    path.write_bytes(whole)
    crashed.start()
    crashed.wait_serving()
    assert children(crashed) == ["%03d" % n for n in range(RECORDS)]


def assert_nobody_serves(*those):
    end = time.monotonic() + NOBODY_S
    while time.monotonic() < end:
        assert not [server for server in those if server.mode()]
        time.sleep(0.05)                # that nothing happens can't be awaited


def test_damage_in_the_last_record_costs_the_vote_until_synchronised(lab):
    """Its server and one that never had the record make no quorum that forgets it."""
    ensemble = lab.ensemble({1: servers.BATON, 2: servers.BATON, 3: servers.BATON}).start()
    ensemble.wait_leader()
    ensemble[3].stop()
    ensemble[1].wait_serving()
    ensemble[2].wait_serving()
    with wire.Client(ensemble[1].address) as client:
        client.create("/acked")
        ensemble[1].kill()
        ensemble[2].kill()
    assert b"/acked" in flip_last_record(ensemble[2]).payload
    since = ensemble[2].log_mark()
    ensemble[2].start()
    ensemble[3].start()
    assert_nobody_serves(ensemble[2], ensemble[3])
    said = ensemble[2].log_text(since)
    assert "is damaged, not torn" in said and "neither votes nor counts" in said, said
    ensemble[1].start()
    for server in ensemble:
        server.wait_serving()
    assert "/acked" in assert_equal_trees(ensemble)
    assert (ensemble[2].data_dir / "baton.history").read_text() == "whole\n"


def test_header_only_and_empty_last_logs_are_no_obstacle(crashed):
    """What a crash right after the creation of a file leaves."""
    last = newest_log(crashed)[1][-1].zxid
    folder = crashed.data_dir / "version-2"
    (folder / ("log.%x" % (last + 1))).write_bytes(b"ZKLG" + struct.pack(">iq", 2, 0))
    assert (folder / ("log.%x" % (last + 1))).stat().st_size == HEADER_SIZE
    crashed.start()
    crashed.wait_serving()
    assert children(crashed) == ["%03d" % n for n in range(RECORDS)]
    crashed.kill()
    (folder / ("log.%x" % (1 << 40))).write_bytes(b"")
    crashed.start()
    crashed.wait_serving()
    assert children(crashed) == ["%03d" % n for n in range(RECORDS)]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_newest_snapshot_falls_back_to_the_one_before(lab, damage):
    ensemble = lab.ensemble({1: servers.BATON}, snap_count=100).start()
    server = ensemble[1]
    with wire.Client(server.address) as client:
        client.create("/d")
        for n in range(500):
            client.create("/d/%03d" % n, b"x")
        wait_until(lambda: len(server.snapshot_files()) >= 2, 10, "two snapshots")
    server.kill()
    newest = server.snapshot_files()[-1]
    data = bytearray(newest.read_bytes())
    if damage == "cut":
        data = data[:len(data) // 2]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0x10
    else:
        data = b""
    newest.write_bytes(bytes(data))
    mark = server.log_mark()
    server.start()
    server.wait_serving()
    assert children(server) == ["%03d" % n for n in range(500)]
    assert newest.name in server.log_text(mark), server.log_text(mark)


# --- lost files -----------------------------------------------------------------------------------

def empty(server):
    """As after a new file system mounted there: version-2 is there, nothing is in it."""
    folder = server.data_dir / "version-2"
    for path in folder.iterdir():
        path.unlink()
    return server.data_dir / "baton.history"


def test_server_that_lost_its_files_makes_no_quorum_with_a_stale_one(lab):
    """Or what it had acknowledged would be lost, and the trees go different ways."""
    ensemble = lab.ensemble({1: servers.BATON, 2: servers.BATON, 3: servers.BATON}).start()
    with wire.Client(ensemble[1].address) as client:
        client.create("/before")
    ensemble[3].stop()
    ensemble[1].wait_serving()
    ensemble[2].wait_serving()
    with wire.Client(ensemble[1].address) as client:
        for n in range(50):
            client.create("/acked-%02d" % n)
    ensemble[1].stop()
    ensemble[2].stop()
    mark = empty(ensemble[2])
    assert mark.read_text() == "whole\n"
    since = ensemble[2].log_mark()
    ensemble[2].start()
    ensemble[3].start()
    assert_nobody_serves(ensemble[2], ensemble[3])
    said = ensemble[2].log_text(since)
    assert "baton.history" in said and "quorum" in said, said
    ensemble[2].kill()                  # which makes it forget nothing
    ensemble[2].start()
    assert_nobody_serves(ensemble[2], ensemble[3])
    assert mark.read_text() == "lost\n"

    ensemble[1].start()
    for server in ensemble:
        server.wait_serving()
    assert ensemble[2].mode() == "follower"
    with wire.Client(ensemble[2].address) as client:
        client.create("/after")
    tree = assert_equal_trees(ensemble)
    assert {"/acked-%02d" % n for n in range(50)} <= set(tree)
    assert mark.read_text() == "whole\n"

    leader = ensemble.wait_leader()     # and it counts again
    other = next(server for server in (ensemble[1], ensemble[3]) if server is not leader)
    other.stop()
    leader.wait_serving()
    ensemble[2].wait_serving()
    with wire.Client(ensemble[2].address) as client:
        client.create("/counts")


def test_lone_server_that_lost_its_files_refuses_to_start(crashed):
    """Until a person restores them, or says that nothing is to be restored."""
    mark = empty(crashed)
    text = run_to_exit(crashed, 3)
    assert str(crashed.data_dir) in text and "remove baton.history" in text, text
    assert not any((crashed.data_dir / "version-2").iterdir())
    mark.unlink()
    crashed.start()
    crashed.wait_serving()
    with wire.Client(crashed.address) as client:
        assert client.exists("/d") is None


# --- directories and configurations -----------------------------------------------------------

def test_second_server_on_a_directory_is_refused(lab):
    """And the first one does not notice."""
    first = lab.ensemble({1: servers.BATON}).start()[1]
    second = lab.ensemble({1: servers.BATON})[1]
    second.data_dir = first.data_dir
    with wire.Client(first.address) as client:
        text = run_to_exit(second)
        assert str(first.data_dir) in text and re.search(r"lock|in use|another", text, re.I), text
        client.create("/mine")
    first.kill()                        # a lock that a dead server leaves is no lock
    first.start()
    first.wait_serving()


GOOD = """\
[node]
name = n1
id = 1
data_dir = {dir}
[ensemble]
tick_time = 200
init_limit = 10
sync_limit = 5
server.1 = 127.0.0.1:{a}:{b}:participant;127.0.0.1:{c}
server.2 = 127.0.0.1:{d}:{e}:participant;127.0.0.1:{f}
"""

# What is replaced, by what, and the line that must be named.
BAD_CONFIGURATIONS = {
    "unknown-key": ("sync_limit = 5", "sync_limt = 5", 8),
    "unknown-section": ("[ensemble]", "[ensembel]", None),
    "id-is-no-number": ("id = 1", "id = one", 3),
    "id-out-of-range": ("id = 1", "id = 256", 3),
    "id-is-no-member": ("id = 1", "id = 7", None),
    "tick-is-negative": ("tick_time = 200", "tick_time = -200", 6),
    "tick-with-rubbish": ("tick_time = 200", "tick_time = 200ms", 6),
    "tick-is-zero": ("tick_time = 200", "tick_time = 0", 6),
    "limit-overflows": ("init_limit = 10", "init_limit = 99999999999999999999", 7),
    "member-without-ports": ("server.2 = 127.0.0.1:{d}:{e}:participant;127.0.0.1:{f}", "server.2 = 127.0.0.1", 10),
    "member-with-bad-port": ("server.2 = 127.0.0.1:{d}:", "server.2 = 127.0.0.1:70000:", 10),
    "member-with-bad-role": (":participant;127.0.0.1:{f}", ":spectator;127.0.0.1:{f}", 10),
    "member-twice": ("server.2 =", "server.1 =", 10),
    "member-number-is-text": ("server.2 =", "server.two =", 10),
    "no-data-dir": ("data_dir = {dir}\n", "", None),
    "relative-data-dir": ("data_dir = {dir}", "data_dir = here/there", 4),
    "no-id": ("id = 1\n", "", None),
    "no-equals-sign": ("init_limit = 10", "init_limit 10", 7),
    "sessions-cross": ("sync_limit = 5", "min_session_timeout = 9000\nmax_session_timeout = 8000", None),
}


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_bad_configuration_is_named_by_file_and_line(tmp_path, name):
    """`FILE:LINE: what is wrong`, exit 2, nothing touched."""
    old, new, line = BAD_CONFIGURATIONS[name]
    assert old in GOOD
    ports = {key: servers.free_port() for key in "abcdef"}
    data_dir = tmp_path / "data"
    path = tmp_path / "baton.conf"
    path.write_text(GOOD.replace(old, new).format(dir=data_dir, **ports))
    done = subprocess.run([str(servers.ENGINE), "--config", str(path)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10,
                          cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stdout
    found = re.search(r"^%s:(\d+): \S" % re.escape(str(path)), done.stdout, re.M)
    assert found, done.stdout
    if line is not None:
        assert int(found.group(1)) == line, done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["baton.conf"]


def test_wrong_arguments_are_told(tmp_path):
    for arguments in ([], ["--config"], ["--config", str(tmp_path / "nope")], ["--nonsense"]):
        done = subprocess.run([str(servers.ENGINE), *arguments], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10)
        assert done.returncode in (1, 2) and done.stdout, (arguments, done)


def test_taken_port_is_named(lab):
    server = lab.ensemble({1: servers.BATON})[1]
    with socket.create_server(("127.0.0.1", server.client_port)):
        text = run_to_exit(server)
    assert str(server.client_port) in text and re.search(r"in use|listens", text, re.I), text
