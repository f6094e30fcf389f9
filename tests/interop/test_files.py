"""The files on disk: what one program wrote, the other starts on, and ZooKeeper's own tools read."""
import re
import subprocess

import pytest

from harness import jars, wire
from harness.tree import assert_equal_trees, differences, read_tree
from harness.txnlog import read_log

TIMES = {"tick_time": 400, "init_limit": 25, "sync_limit": 10}
SNAP_COUNT = 200
TOOL_TIMEOUT_S = 60
FILES_PER_TOOL = 3                      # each look costs the start of a Java machine


def fill(server):
    """Every kind of record that a log can hold, and enough of them for logs and snapshots."""
    with wire.Client(server.address, timeout_ms=40000) as client:
        client.create("/files", b"")
        client.create("/files/null", None)
        client.create("/files/umlaut-\u00e4", "\u4e2d".encode())
        client.create("/files/acl", b"", acl=[*wire.OPEN_ACL, (1, "digest", "u:x"), (0, "ip", "10.0.0.0/8")])
        client.create("/files/acl/again", b"", acl=[*wire.OPEN_ACL, (1, "digest", "u:x"), (0, "ip", "10.0.0.0/8")])
        client.set_acl("/files/null", [*wire.OPEN_ACL, (255, "digest", "v:y")])
        client.carry_out((wire.CREATE, wire.create_body("/files/n%03d" % n, b"x" * n)) for n in range(600))
        client.carry_out((wire.SET_DATA, wire.ustr("/files/n%03d" % n) + wire.buf(b"again %d" % n) + wire.i32(-1))
                         for n in range(0, 600, 3))
        client.carry_out((wire.DELETE, wire.ustr("/files/n%03d" % n) + wire.i32(-1)) for n in range(0, 600, 7))
        for _ in range(5):
            client.create("/files/s-", b"", wire.SEQUENTIAL)
        assert client.error_of(wire.CREATE, wire.create_body("/files")) == wire.NODE_EXISTS
        client.multi((wire.CREATE, wire.create_body("/files/multi")),
                     (wire.SET_DATA, wire.ustr("/files/multi") + wire.buf(b"m") + wire.i32(0)))
        client.multi((wire.CREATE, wire.create_body("/files/never")),
                     (wire.DELETE, wire.ustr("/files/nope") + wire.i32(-1)))
        with wire.Client(server.address) as brief:
            brief.create("/files/gone", flags=wire.EPHEMERAL)
            brief.close_session()
        client.create("/files/ephemeral", b"", wire.EPHEMERAL)
        return client.session


def end(server, crash):
    if crash:
        server.kill()
    else:
        server.stop()


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("size", [1, 3])
def test_each_starts_on_what_the_other_wrote(lab, ours, theirs, size, crash):
    """ZooKeeper writes, we go on, ZooKeeper goes on: the same tree, sessions and ephemerals."""
    ensemble = lab.ensemble({sid: theirs for sid in range(1, size + 1)}, snap_count=SNAP_COUNT, **TIMES)
    ensemble.start()
    session = fill(ensemble.wait_leader())
    written = assert_equal_trees(ensemble)
    for turn, kind in enumerate((ours, theirs)):
        for server in ensemble:
            end(server, crash)
            server.kind = kind
        ensemble.start()
        for server in ensemble:
            found = differences(written, read_tree(server))
            assert not found, "\n".join(found)
        with wire.Client(ensemble[1].address, timeout_ms=40000, session=session) as resumed:
            assert resumed.exists("/files/ephemeral").ephemeral_owner == session.id
            resumed.carry_out((wire.CREATE, wire.create_body("/files/turn%d-%d" % (turn, n), b"y")) for n in range(300))
        written = assert_equal_trees(ensemble)


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_our_own_file_raises_no_alarm_after_a_stay_with_zookeeper(lab, ours, theirs, crash):
    """It says where the log ended (baton.ends); ZooKeeper knows nothing of it and goes on."""
    ensemble = lab.ensemble({1: ours, 2: ours, 3: ours}, snap_count=SNAP_COUNT, **TIMES)
    ensemble.start()
    fill(ensemble.wait_leader())
    for kind in (theirs, ours, theirs, ours):
        for server in ensemble:
            end(server, crash)
            server.kind = kind
        marks = {server.sid: server.log_mark() for server in ensemble}
        ensemble.start()
        with wire.Client(ensemble.wait_leader().address, timeout_ms=40000) as client:
            for n in range(20):
                client.create("/files/stay-", b"y", wire.SEQUENTIAL)
        assert_equal_trees(ensemble)
        for server in ensemble:
            assert (server.data_dir / "version-2" / "baton.ends").exists()
            if kind == ours:
                said = server.log_text(marks[server.sid])
                assert not re.search(r"baton\.ends|damaged|lost a part", said), said


@pytest.mark.parametrize("keep", [1, 5, 11, 12, 13, 40, -1])
def test_a_write_of_zookeepers_that_was_cut_short_is_torn(lab, ours, theirs, keep):
    """The beginning of its last record, at any byte, and zeros: no loss. One changed byte is one."""
    ensemble = lab.ensemble({1: theirs}, snap_count=100000, **TIMES)
    ensemble.start()
    with wire.Client(ensemble[1].address) as client:
        client.create("/torn", b"x" * 50)
    ensemble[1].kill()
    server = ensemble[1]
    server.kind = ours
    path = server.log_files()[-1]
    record = read_log(path)[-1]
    size = 13 + len(record.payload)
    whole = path.read_bytes()
    at = record.offset + keep % size
    path.write_bytes(whole[:at] + bytes(len(whole) - at))
    server.start()
    server.wait_serving()
    server.kill()
    (server.data_dir / "baton.history").unlink(missing_ok=True)
    spoiled = bytearray(whole)
    spoiled[at] ^= 0x04
    path.write_bytes(bytes(spoiled))
    for later in server.log_files():
        if later.name > path.name or len(later.name) > len(path.name):
            later.unlink()
    (server.data_dir / "version-2" / "baton.ends").unlink(missing_ok=True)
    mark = server.log_mark()
    server.start()
    assert server.wait_exit(20) == 3
    server.exits.clear()
    assert "it is damaged" in server.log_text(mark)


@pytest.fixture(scope="module")
def our_files(module_lab, ours):
    """Data directories of three servers of ours: full, restarted, filled again and stopped."""
    ensemble = module_lab.ensemble({1: ours, 2: ours, 3: ours}, snap_count=SNAP_COUNT, **TIMES)
    ensemble.start()
    fill(ensemble.wait_leader())
    ensemble.restart(1)
    with wire.Client(ensemble[1].address) as client:
        client.carry_out((wire.CREATE, wire.create_body("/files/later%d" % n)) for n in range(300))
        client.close_session()
    ensemble.stop()
    return ensemble


def run_tool(version, folder, name, *arguments):
    done = subprocess.run([*jars.java_command(version, folder), name, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=TOOL_TIMEOUT_S, check=False)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, text[-2000:]
    assert not re.search(r"Exception|CRC ERROR|EOF reached after 0 txns|corrupt", text), text[-2000:]
    return text


def version_of(kind):
    return kind.rpartition("-")[2]


def tool_lines(text):
    """The lines a log formatter prints for transactions: each carries its zxid."""
    return re.findall(r"zxid 0x([0-9a-f]+)", text)


def test_zookeepers_log_formatter_reads_our_logs(our_files, theirs, tmp_path):
    """Every record, in order, nothing left over; and the tests' own reading of the format agrees."""
    for path in our_files[1].log_files()[-FILES_PER_TOOL:]:
        text = run_tool(version_of(theirs), tmp_path,
                        "org.apache.zookeeper.server.persistence.TxnLogToolkit", path)
        assert [int(zxid, 16) for zxid in tool_lines(text)] == [r.zxid for r in read_log(path)]


def test_zookeepers_snapshot_formatter_reads_our_snapshots(our_files, theirs, tmp_path):
    found = our_files[1].snapshot_files()
    assert len(found) >= 2, "snap_count %d gave only %s" % (SNAP_COUNT, found)
    for path in found[-FILES_PER_TOOL:]:
        text = run_tool(version_of(theirs), tmp_path,
                        "org.apache.zookeeper.server.SnapshotFormatter", path)
        assert "/zookeeper/quota" in text
    assert "/files/multi" in text and "/files/ephemeral" in text and "Session Details" in text


def test_logs_of_all_servers_hold_the_same_records(our_files):
    """The payload is byte for byte what the leader proposed (storage format 2.1), on every server."""
    by_zxid = {}
    for server in our_files:
        zxids = []
        for path in server.log_files():
            records = read_log(path)
            assert records and records[0].zxid == int(path.name.partition(".")[2], 16), path
            zxids += [record.zxid for record in records]
            for record in records:
                assert by_zxid.setdefault(record.zxid, record.payload) == record.payload
        assert zxids == sorted(set(zxids)), "zxids of %r do not rise" % server


def test_names_and_epoch_files_are_zookeepers(our_files):
    """Storage format 1.1 and 8: nothing half-written is left, the epochs are plain numbers."""
    for server in our_files:
        folder = server.data_dir / "version-2"
        epochs = [(folder / name).read_text() for name in ("currentEpoch", "acceptedEpoch")]
        assert all(re.fullmatch(r"[0-9]+", text) for text in epochs)
        assert int(epochs[0]) <= int(epochs[1])
        assert (server.data_dir / "myid").read_text().strip() == str(server.sid)
        for path in list(folder.glob("log.*")) + list(folder.glob("snapshot.*")):
            assert path.stat().st_size > 0, path
            assert re.fullmatch(r"(log|snapshot)\.(0|[1-9a-f][0-9a-f]*)", path.name), path
