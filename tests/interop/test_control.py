"""baton-engine as batond starts it: its configuration in a memfd, its conversation over a socketpair.

The test is the supervisor: it speaks the messages of daemon/common/message.h byte by byte.
"""
import array
import os
import select
import signal
import socket
import struct
import subprocess

import pytest

from harness import servers
from harness.ports import free_port

pytestmark = pytest.mark.usefixtures("only_baton")

PING, STOP, LINK, PONG, READY, UNREADY, STATUS, HOLDING, ROLE = range(9)
ROLE_LOOKING, ROLE_LEADING = 1, 4
TIMEOUT_S = 30.0


def text(data, at):
    (length,) = struct.unpack_from(">i", data, at)
    return data[at + 4:at + 4 + length].decode(), at + 4 + length


class Ear:
    """One end of a conversation: whole messages, as (type, body)."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT_S)
        self.buffer = b""

    def read(self, count):
        while len(self.buffer) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def message(self):
        (length,) = struct.unpack(">i", self.read(4))
        body = self.read(length)
        return struct.unpack_from(">i", body)[0], body[4:]

    def wait(self, wanted):
        """The body of the next message of that type; others are passed over."""
        while True:
            kind, body = self.message()
            if kind == wanted:
                return body

    def wait_role(self, wanted):
        while True:
            body = self.wait(ROLE)
            (role,) = struct.unpack_from(">i", body)
            if role == wanted:
                return text(body, 4)[0]

    def say(self, kind, body=b"", fd=None):
        message = struct.pack(">i", kind) + body
        ancillary = []
        if fd is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.sock.sendmsg([struct.pack(">i", len(message)) + message], ancillary)


class Engine:
    def __init__(self, home):
        self.port = free_port()
        config = ("[node]\nname=n1\nid=1\ndata_dir=%s\n[ensemble]\ntick_time=200\nclient=127.0.0.1:%d\n"
                  "[engine]\nuser=nobody\n[supervisor]\n[agent]\n" % (home / "data", self.port))
        (home / "data").mkdir(exist_ok=True)
        fd = os.memfd_create("engine.conf", 0)
        os.write(fd, config.encode())
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [str(servers.ENGINE), "--config", "/proc/self/fd/%d" % fd, "--control-fd", str(theirs.fileno())],
                pass_fds=[fd, theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(fd)
        self.ear = Ear(ours)

    def end(self):
        self.ear.sock.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path)
    yield made
    made.end()


def test_it_tells_its_role_answers_pings_and_ends_when_told(engine):
    ear = engine.ear
    assert ear.wait_role(ROLE_LEADING).startswith("leading, epoch ")
    assert ear.wait(READY) == b""
    ear.say(PING, struct.pack(">q", 12345))
    assert ear.wait(PONG) == struct.pack(">q", 12345)
    ear.say(STOP, struct.pack(">i", 0))
    assert engine.process.wait(TIMEOUT_S) == 0
    with pytest.raises(EOFError):
        ear.wait(PONG)


def test_a_link_hears_the_role_at_once(engine):
    engine.ear.wait_role(ROLE_LEADING)
    ours, theirs = socket.socketpair()
    with theirs:
        engine.ear.say(LINK, struct.pack(">i", 5) + b"agent", theirs.fileno())
    agent = Ear(ours)
    assert agent.wait_role(ROLE_LEADING).startswith("leading, epoch ")
    engine.process.terminate()
    assert engine.process.wait(TIMEOUT_S) == 0
    with pytest.raises(EOFError):
        agent.wait(ROLE)
    ours.close()


def test_a_stopped_engine_answers_no_ping(engine):
    """Pings are answered by the loop: a process that hangs is silent, and speaks again when it goes on."""
    engine.ear.wait(READY)
    engine.process.send_signal(signal.SIGSTOP)
    os.waitpid(engine.process.pid, os.WUNTRACED)
    engine.ear.say(PING, struct.pack(">q", 1))
    assert select.select([engine.ear.sock], [], [], 0.3)[0] == []
    engine.process.send_signal(signal.SIGCONT)
    assert engine.ear.wait(PONG) == struct.pack(">q", 1)


def test_it_ends_cleanly_when_its_supervisor_is_gone(engine):
    engine.ear.wait(READY)
    engine.ear.sock.close()
    assert engine.process.wait(TIMEOUT_S) == 0
    assert b"the supervisor is gone: stopping" in engine.process.stderr.read()


@pytest.mark.parametrize("value", ["2", "x", "99"])
def test_a_descriptor_that_was_not_given_is_refused(value):
    done = subprocess.run([str(servers.ENGINE), "--config", "/nowhere", "--control-fd", value], stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == 1
    assert b"no such descriptor was given to it" in done.stderr
