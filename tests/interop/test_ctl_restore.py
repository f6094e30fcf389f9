"""batonctl restore: a snapshot, or a copy of a data directory, where a server starts on it."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from conftest import need
from harness import ctl as ctl_harness
from harness import servers
from harness.waiting import wait_until


def restore(*arguments, status=0):
    done = subprocess.run([str(servers.ENGINE.parent / "batonctl"), "restore", *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=ctl_harness.TIMEOUT_S)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_39])
def backup(request, module_lab):
    """The data directory of a server that has been stopped, with a snapshot and a log behind it."""
    one = module_lab.ensemble({1: need(request.param)}, snap_count=50).start()[1]
    ctl = ctl_harness.Ctl(one.host)
    ctl("create", "/a", "first", "world:anyone:r")
    for batch in range(8):
        ctl("multi", "-", stdin="create /b%d x\n" % batch + "set /b%d y\n" % batch * 9)
    for n in range(120):
        ctl("set", "/b0", str(n)) if n % 30 == 0 else None
    one.stop()
    if one.kind != servers.BATON:           # a start writes a snapshot
        one.start()
        one.wait_serving()
        one.stop()
    yield one.data_dir


@pytest.fixture
def target(lab):
    return lab.ensemble({1: servers.BATON})[1]


def check_serves(target):
    target.start()
    target.wait_serving()
    ctl = ctl_harness.Ctl(target.host)
    assert ctl("get", "/a") == "first" and ctl("getacl", "/a") == "world:anyone:r\n"
    assert ctl("get", "/b7") == "y"
    ctl("create", "/new")
    target.stop()
    target.start()                      # what came after the snapshot is kept as ever
    target.wait_serving()
    assert "new" in ctl("ls", "/")


def test_a_directory_is_restored_with_its_log(backup, target):
    said = json.loads(restore("--data-dir", target.data_dir, "--id", 1, "--json", backup))
    assert said["znodes"] == 5 + 9 and said["exact"]
    check_serves(target)


def test_a_snapshot_is_restored_alone(backup, target):
    newest = max((backup / "version-2").glob("snapshot.*"), key=lambda p: int(p.name.partition(".")[2], 16))
    said = restore("--data-dir", target.data_dir, "--id", 1, newest)
    assert "server 1 starts at zxid 0x%x" % int(newest.name.partition(".")[2], 16) in said
    assert "every voting server" in said
    target.start()
    target.wait_serving()


def test_a_directory_with_anything_in_it_is_refused(backup, target):
    restore("--data-dir", target.data_dir, "--id", 1, backup)
    before = sorted(p.name for p in target.data_dir.rglob("*"))
    assert "is not empty" in restore("--data-dir", target.data_dir, "--id", 1, backup, status=1)
    assert sorted(p.name for p in target.data_dir.rglob("*")) == before
    shutil.rmtree(target.data_dir / "version-2")
    assert "given up" in restore("--data-dir", target.data_dir, "--id", 1, backup, status=1)
    (target.data_dir / "baton.history").unlink()
    assert "myid" in restore("--data-dir", target.data_dir, "--id", 2, backup, status=1)
    (target.data_dir / "myid").rename(target.data_dir / "myid.tmp")     # killed while it was made
    restore("--data-dir", target.data_dir, "--id", 1, backup)


def test_a_server_that_runs_is_left_alone(backup, target):
    target.start()
    target.wait_serving()
    assert "is not empty" in restore("--data-dir", target.data_dir, "--id", 1, backup, status=1)


def test_damage_is_found_before_anything_starts(backup, target, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    newest = max((copy / "version-2").glob("snapshot.*"), key=lambda p: int(p.name.partition(".")[2], 16))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    said = restore("--data-dir", target.data_dir, "--id", 1, newest, status=1)
    assert "damaged" in said and "nothing was restored" in said
    assert list((target.data_dir / "version-2").iterdir()) == [] and not (target.data_dir / "baton.history").exists()
    newest.write_bytes(bytes(data[:100]))
    assert newest.name in restore("--data-dir", target.data_dir, "--id", 1, newest, status=1)
    newest.unlink()
    for other in (copy / "version-2").glob("snapshot.*"):
        other.unlink()
    assert "holds no snapshot" in restore("--data-dir", target.data_dir, "--id", 1, copy, status=1)
    (copy / "odd").write_bytes(bytes(data))
    assert "is not called snapshot.ZXID" in restore("--data-dir", target.data_dir, "--id", 1, copy / "odd", status=1)
    assert "No such file" in restore("--data-dir", target.data_dir, "--id", 1, copy / "none", status=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_leaves_the_directory_empty(backup, target, tmp_path, number):
    newest = max((backup / "version-2").glob("snapshot.*"), key=lambda p: int(p.name.partition(".")[2], 16))
    half = newest.read_bytes()[:newest.stat().st_size // 2]
    slow = tmp_path / newest.name       # the one that reads it waits for the rest
    os.mkfifo(slow)
    running = subprocess.Popen([str(servers.ENGINE.parent / "batonctl"), "restore", "--data-dir", str(target.data_dir),
                                "--id", "1", str(slow)], stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))   # nohup's child ignores it
    try:
        with open(slow, "wb") as rest:
            rest.write(half)
            rest.flush()
            made = target.data_dir / "version-2" / "tmp.snapshot"
            wait_until(lambda: made.exists() and made.stat().st_size == len(half), 20, "a part is copied")
            running.send_signal(number)
        said = running.communicate(timeout=ctl_harness.TIMEOUT_S)[1]
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 1 and "interrupted" in said and "empty again" in said
    assert list((target.data_dir / "version-2").iterdir()) == [] and not (target.data_dir / "baton.history").exists()
    restore("--data-dir", target.data_dir, "--id", 1, backup)


def test_which_directory_must_be_known(tmp_path):
    assert "--data-dir and --id" in restore(tmp_path, status=2)
    assert "-i wants a number" in restore("--data-dir", tmp_path, "--id", 0, tmp_path, status=2)
