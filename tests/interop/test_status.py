"""The status call on runtime_dir/engine.sock, and batonctl status --engine and snapshot. Only baton has it."""
import errno
import json
import os
import select
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import servers, txnlog
from harness.waiting import wait_until
from harness.wire import Client

NOBODY = 65534                          # user and group

pytestmark = pytest.mark.usefixtures("only_baton")


def converse(server, said, timeout=20):
    """All that comes back before the engine closes."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(str(server.status_socket))
        s.sendall(said)
        while True:
            part = s.recv(1 << 16)
            if not part:
                return answer
            answer += part


def ask(server, line):
    answer = converse(server, line.encode() + b"\n")
    assert answer.endswith(b"\n") and answer.count(b"\n") == 1
    return json.loads(answer)


@pytest.fixture(scope="module")
def cluster(module_lab):
    ensemble = module_lab.ensemble({sid: servers.BATON for sid in (1, 2, 3)}, observers=(3,), words="*",
                                   status_socket=True)
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def leader(cluster):
    return cluster.wait_leader()


def test_socket_is_for_its_user_and_group(leader):
    found = os.stat(leader.status_socket)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o660


def ask_as(path, user, group):
    """Asks for `reset` in a child that is somebody else. Returns what came back, or the errno of connecting."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as s:
                error = s.connect_ex(path)
                s.settimeout(10)
                os.write(tell, b"%d" % error if error else s.sendall(b"reset\n") or s.recv(1000))
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_socket_is_closed_to_who_is_not_of_its_group(leader):
    run = os.open(leader.status_socket.parent, os.O_RDONLY)     # the directories above may be closed to all but root
    os.chmod(run, 0o755)
    try:
        path = "/proc/self/fd/%d/%s" % (run, leader.status_socket.name)
        assert ask_as(path, NOBODY, NOBODY) == errno.EACCES
        assert ask_as(path, NOBODY, os.stat(leader.status_socket).st_gid) == {"reset": True}
    finally:
        os.close(run)


def test_status_knows_what_the_words_know(cluster):
    with Client(cluster[1].address) as client:
        client.create("/known", b"x")
        client.delete("/known")
        for server in cluster:
            with Client(server.address) as there:
                there.sync()
            told, words = ask(server, "status"), server.monitor()
            assert (told["id"], told["mode"], told["serving"]) == (server.sid, server.mode(), True)
            plain = {key for key in words if key in told["monitor"] and not isinstance(told["monitor"][key], dict)}
            summaries = {"%s_%s" % (part, key) for key, value in told["monitor"].items() if isinstance(value, dict)
                         for part in value}
            assert plain | summaries == set(words)
            for key in ("znode_count", "ephemerals_count", "approximate_data_size", "quorum_size"):
                assert str(told["monitor"][key]) == words[key]
            conf = dict(line.split("=", 1) for line in server.word("conf").splitlines() if "=" in line)
            for key in ("clientPort", "tickTime", "initLimit", "peerType", "dataDir"):
                assert str(told["settings"][key]) == conf[key]
            assert "server.3=" in told["settings"]["membership"]


def test_leader_tells_how_far_its_learners_are(cluster, leader):
    with Client(leader.address) as client:
        client.create("/lag")
        for _ in range(20):
            client.set_data("/lag", b"x")
        client.delete("/lag")
    wait_until(lambda: all(l["lag"] in (0, None) for l in ask(leader, "status")["learners"]), 10, "all acknowledged")
    told = ask(leader, "status")
    by_id = {learner["id"]: learner for learner in told["learners"]}
    assert set(by_id) == {1, 2, 3} - {leader.sid}
    for sid, learner in by_id.items():
        assert learner["role"] == ("observer" if sid == 3 else "follower")
        assert (learner["state"], learner["synchronised_by"]) == ("active", "DIFF")
        assert learner["address"] == "127.0.0.1:%d" % cluster[sid].quorum_port
        assert learner["acked_zxid"] == (None if sid == 3 else told["last_logged"])
    other = next(server for server in cluster if server is not leader)
    assert ask(other, "status")["learners"] == [] and ask(other, "status")["leader"] == leader.sid


def test_lag_of_a_learner_that_stands_still_is_seen(cluster, leader):
    with Client(leader.address) as client:
        client.create("/still")
        follower = cluster[3 - leader.sid]
        before = ask(leader, "status")
        follower.pause()
        try:
            client.submit(5, b"\0\0\0\6/still\0\0\0\1y\xff\xff\xff\xff")
            told = wait_until(lambda: next((l for l in ask(leader, "status")["learners"]
                                            if l["id"] == follower.sid and l["lag"]), None), 10, "a lag")
            assert told["lag"] == 1 and int(told["sent_zxid"], 16) > int(before["last_logged"], 16)
        finally:
            follower.resume()
    wait_until(lambda: leader.mode() == "leader", 20, "the leader leads on")


def test_connections_come_in_pages(leader):
    clients = [Client(leader.address) for _ in range(7)]
    try:
        ports = sorted(client.sock.getsockname()[1] for client in clients)
        found, after = [], 0
        while after is not None:
            page = ask(leader, "connections %d 3" % after)
            assert len(page["connections"]) <= 3
            found += page["connections"]
            after = page["next"]
        assert sorted(c["port"] for c in found if "session" in c) == ports
        numbers = [c["number"] for c in found]
        assert numbers == sorted(set(numbers))
        mine = next(c for c in found if c["port"] == clients[0].sock.getsockname()[1])
        assert int(mine["session"], 16) == clients[0].session.id and mine["timeout_ms"] == clients[0].timeout_ms
        assert mine["last_operation"] == "SESS" and mine["address"] == "127.0.0.1"
        assert len(ask(leader, "connections")["connections"]) == len(found)
    finally:
        for client in clients:
            client.close()


def test_reset_begins_anew(leader):
    with Client(leader.address) as client:
        client.sync()
        assert ask(leader, "status")["monitor"]["packets_received"] > 0
        assert ask(leader, "reset") == {"reset": True}
        assert ask(leader, "status")["monitor"]["packets_received"] == 0
        assert ask(leader, "connections")["connections"][-1]["last_operation"] == "NA"


# --- snapshots ----------------------------------------------------------------------------------

def test_snapshot_is_durable_when_it_is_told(cluster):
    for server in cluster:
        with Client(server.address) as client:
            client.create("/snap-%d" % server.sid, b"x")
        told = ask(server, "snapshot")
        path = Path(told["file"])
        assert path in server.snapshot_files() and path.name == "snapshot.%x" % int(told["zxid"], 16)
        assert path.stat().st_size > 0
        assert ask(server, "status")["snapshots"]["last_zxid"] == told["zxid"]
        again = ask(server, "snapshot")                 # with nothing written since: the same file, once more
        assert again == told


def test_server_starts_from_a_snapshot_that_was_asked_for(lab):
    ensemble = lab.ensemble({1: servers.BATON}, words="*", status_socket=True).start()
    with Client(ensemble[1].address) as client:
        client.create("/kept", b"x")
    zxid = ask(ensemble[1], "snapshot")["zxid"]
    ensemble[1].stop()
    for log in ensemble[1].log_files():
        log.unlink()
    mark = ensemble[1].log_mark()
    ensemble[1].start()
    ensemble[1].wait_serving()
    assert "snapshot %s" % zxid in ensemble[1].log_text(mark)
    with Client(ensemble[1].address) as client:
        assert client.get_data("/kept")[0] == b"x"


def test_without_a_quorum_there_is_status_and_no_snapshot(lab):
    ensemble = lab.ensemble({sid: servers.BATON for sid in (1, 2, 3)}, words="*", status_socket=True)
    ensemble[1].start()
    wait_until(lambda: ensemble[1].word("ruok") == "imok", 20, "the port is open")
    told = ask(ensemble[1], "status")
    assert (told["mode"], told["serving"], told["leader"]) == ("looking", False, None)
    assert "does not serve" in ask(ensemble[1], "snapshot")["error"]


# --- manners ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, error", [("", "unknown command"), ("Status", "unknown command"),
                                         ("status now", "more words"), ("connections x", "two numbers"),
                                         ("connections 0 0", "two numbers"), ("connections 0 1001", "two numbers"),
                                         ("connections 99999999999999999999", "two numbers"), ("x" * 126, "unknown")])
def test_nonsense_is_answered(leader, line, error):
    assert error in ask(leader, line)["error"]


def test_lines_end_in_many_ways(leader):
    for said in (b"status\n", b"status\r\n", b"  status  \n", b"status\nand more"):
        assert json.loads(converse(leader, said))["id"] == leader.sid
    assert "127 bytes" in json.loads(converse(leader, b"x" * 1000))["error"]
    with socket.socket(socket.AF_UNIX) as s:            # no line end, but no more comes
        s.connect(str(leader.status_socket))
        s.sendall(b"reset")
        s.shutdown(socket.SHUT_WR)
        assert json.loads(s.recv(1000)) == {"reset": True}


def test_several_ask_at_once_and_too_many_are_sent_away(leader):
    with ThreadPoolExecutor(8) as pool:
        assert {told["id"] for told in pool.map(lambda _: ask(leader, "status"), range(40))} == {leader.sid}
    silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    try:
        for s in silent:
            s.connect(str(leader.status_socket))
        closed = wait_until(lambda: select.select(silent, [], [], 0)[0][3:], 10, "four are sent away")
        assert len(closed) == 1                         # 16 may wait to say something
    finally:
        for s in silent:
            s.close()
    wait_until(lambda: answers(leader), 10, "places again")


def answers(server):
    try:
        return converse(server, b"status\n") != b""
    except ConnectionResetError:                        # sent away before it was heard
        return False


# --- batonctl -----------------------------------------------------------------------------------------

def ctl(server, *arguments, status=0):
    program = servers.ENGINE.parent / "batonctl"
    if not program.exists():
        pytest.skip("no batonctl beside the engine")
    done = subprocess.run([str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def test_batonctl_shows_it(leader, tmp_path):
    path = str(leader.status_socket)
    text = ctl(leader, "status", "--engine", path)
    assert re_line(text, "server ").split()[1] == str(leader.sid) and "leading - broadcast, serving" in text
    assert len([line for line in text.splitlines() if " active " in line]) == 2
    assert json.loads(ctl(leader, "status", "--engine", path, "--json"))["id"] == leader.sid
    assert "snapshot." in ctl(leader, "snapshot", path)
    assert json.loads(ctl(leader, "--json", "snapshot", path))["zxid"].startswith("0x")
    assert "does the engine run?" in ctl(leader, "status", "--engine", str(tmp_path / "none"), status=3)
    assert "takes a SOCKET" in ctl(leader, "snapshot", "a", "b", status=2)


def test_batonctl_finds_the_socket_by_the_configuration(leader):
    text = ctl(leader, "--config", str(leader.config_path), "status", "--engine")
    assert re_line(text, "server ").split()[1] == str(leader.sid)


def re_line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))
