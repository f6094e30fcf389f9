"""batonctl's interactive shell, on a terminal."""
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from conftest import need
from harness import ctl as ctl_harness
from harness import servers
from harness.waiting import wait_until

TIMEOUT_S = 20
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x07")


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_39])
def server(request, module_lab):
    # The shell asks for more: an expiry is waited for here.
    ensemble = module_lab.ensemble({1: need(request.param)}, max_session_timeout=3000, **ctl_harness.SETTINGS).start()
    yield ensemble[1]
    ensemble.stop()


class Shell:
    """A shell on a terminal of its own: text in, what is shown out, without the terminal's control sequences."""

    def __init__(self, ctl, state, *options):
        self.master, slave = pty.openpty()
        # libedit forgets the names of functions that are added to it: two strings, at its end.
        (state / "lsan").write_text("leak:wcsdup\n")
        environment = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", XDG_STATE_HOME=str(state),
                           LSAN_OPTIONS="suppressions=%s:print_suppressions=0" % (state / "lsan"))
        self.process = subprocess.Popen([*ctl.command(), *options], stdin=slave, stdout=slave, stderr=slave,
                                        env=environment, start_new_session=True,
                                        preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0))     # TIOCSCTTY
        os.close(slave)
        self.seen = ""

    def expect(self, text):
        """Waits until it is shown, and returns all up to it."""
        end = time.monotonic() + TIMEOUT_S
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, "%r is not shown: %r" % (text, self.seen)
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += ESCAPES.sub("", os.read(self.master, 65536).decode("utf-8", "replace"))
                except OSError:         # the other end is closed
                    assert text in self.seen, "%r is not shown: %r" % (text, self.seen)
        before, _, self.seen = self.seen.partition(text)
        return before

    def prompt(self):
        """Waits for the prompt, and until keys are read one by one: only then ^D is a key. Returns what was shown before."""
        before = self.expect("> ")
        wait_until(lambda: not termios.tcgetattr(self.master)[3] & termios.ICANON, TIMEOUT_S, "the line is edited",
                   interval=0.001)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def run(self, line):
        """Types a line and returns what it prints, up to the next prompt."""
        self.type(line + "\r")
        self.expect(line)
        return self.prompt()

    def wait_end(self, status=0):
        while select.select([self.master], [], [], TIMEOUT_S)[0]:
            try:
                os.read(self.master, 65536)
            except OSError:             # the other end is closed
                break
        assert self.process.wait(TIMEOUT_S) == status
        os.close(self.master)


@pytest.fixture
def shell(ctl, tmp_path):
    made = []

    def start(*options):
        made.append(Shell(ctl, tmp_path, *options))
        made[-1].expect("127.0.0.1:")
        made[-1].prompt()
        return made[-1]
    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_commands_share_one_session(shell, ctl):
    sh = shell()
    assert "/e" in sh.run("create -e /e value")
    assert "value" in sh.run("get /e")
    assert ctl("get", "/e") == "value"
    assert "/e" in sh.run("getEphemerals /")
    assert "no such znode" in sh.run("get /none")
    assert "no such command" in sh.run("frobnicate")
    assert "is not closed" in sh.run('set /e "x')
    assert "two words" in sh.run('set /e "two words"') + sh.run("get /e")
    sh.type("quit\r")
    sh.wait_end()
    assert "no such znode" in ctl("get", "/e", status=1)


def test_names_and_flags_of_zkcli_do(shell):
    sh = shell()
    sh.run("create /z data")
    assert "/z/s0000000000" in sh.run("create -s /z/s data world:anyone:cdrwa")
    assert "data_length 4" in sh.run("stat /z") and "version 1" in sh.run("set -s /z more")
    assert "world:anyone:cdrwa" in sh.run("getAcl /z")
    assert "1" in sh.run("getAllChildrenNumber /z")
    sh.run("sync /z")
    sh.run("config")
    assert "batonctl" in sh.run("version") and "Usage" in sh.run("help")
    sh.run("deleteall /z")
    assert "z" not in sh.run("ls /").replace("zookeeper", "").replace("ls", "")


def test_a_value_has_no_say_over_the_terminal(shell, ctl):
    value = "a\x1b]0;title\x07b\u009bc é\ttab\nline"
    ctl("create", "/value", value)
    assert ctl("get", "/value") == value                # a program gets every byte
    assert "a?]0;title?b?c é" in shell().run("get /value")


def test_the_history_comes_back_and_holds_no_password(shell, tmp_path):
    sh = shell()
    sh.run("ls /zookeeper")
    for line in ("addauth digest user:secret", "add'auth'  digest  user:secret", '"\\x61ddauth" digest user:secret',
                 "adauth digest user:secret", '"addauth digest user:secret'):
        sh.type(line + "\r")
        sh.expect("secret")
        sh.prompt()
    sh.type("\x04")
    sh.wait_end()
    kept = tmp_path / "batonctl_history"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "ls" in kept.read_text() and "secret" not in kept.read_text()
    sh = shell()
    sh.type("\x10")                     # ^P
    sh.expect("ls /zookeeper")
    sh.type("\r")
    sh.expect("quota")
    sh.prompt()
    shown = sh.run("history")
    assert "ls /zookeeper" in shown and "secret" not in shown


def test_commands_and_paths_are_completed(shell, ctl):
    ctl("create", "-p", "/alpha/beta")
    ctl("create", "/alpha/bravo one")
    sh = shell()
    sh.type("getac\t")
    sh.expect("getacl ")
    sh.type("/al\t")
    sh.expect("/alpha/")
    sh.type("b\t")                      # two of them: both are shown
    sh.expect("beta  bravo one")
    sh.type("r\t")
    sh.expect("bravo\\ one ")
    sh.type("\r")
    sh.expect("world:anyone:cdrwa")
    sh.prompt()
    sh.type("get /none/x\tyz\r")        # nothing there: what was typed stays
    sh.expect("/none/xyz: no such znode")


def test_an_event_is_shown_above_the_line_that_is_typed(shell, ctl):
    ctl("create", "/w")
    sh = shell()
    sh.run("addWatch -m PERSISTENT /w")
    sh.run("get -w /w")
    sh.type("get /w/half")
    sh.expect("get /w/half")
    ctl("set", "/w", "x")
    sh.expect("watch: changed /w")
    sh.expect("watch: changed /w")      # of either watch
    sh.expect("get /w/half")            # the line is there again
    sh.type("-done\r")
    sh.expect("/w/half-done: no such znode")
    sh.prompt()
    assert "unwatched /w" in sh.run("removewatches /w")
    assert "no such watch" in sh.run("removewatches /w")


def test_interrupt_throws_the_line_away_and_end_of_file_ends(shell):
    sh = shell()
    sh.type("get /nonsense")
    sh.expect("get /nonsense")
    sh.type("\x03")
    sh.expect("^C")
    sh.prompt()
    assert "zookeeper" in sh.run("ls /")
    sh.type("\x04")
    sh.wait_end()


def test_interrupt_ends_a_command_that_waits_and_not_the_shell(shell, server):
    sh = shell("--wait", "60000", "shell")
    server.pause()
    sh.type("get /zookeeper\r")
    time.sleep(0.3)                     # that nothing happens can't be awaited
    sh.type("\x03")
    sh.expect("interrupted")
    server.resume()
    sh.prompt()
    assert "quota" in sh.run("ls /zookeeper")


def test_a_server_that_comes_back_is_found_again(shell, server):
    sh = shell()
    sh.run("create -e /mine")
    server.stop()
    sh.expect("connection lost")
    server.start()
    sh.expect("connected again")
    sh.prompt()
    assert "mine" in sh.run("ls /")


def test_a_session_that_expires_is_followed_by_another(shell, server, ctl):
    sh = shell()
    sh.run("create -e /mine")
    os.kill(sh.process.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    # The longest timeout of this server is shorter than what the shell asks for.
    while "mine" in ctl("ls", "/"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.kill(sh.process.pid, signal.SIGCONT)
    sh.expect("has expired")
    sh.prompt()
    assert "/mine" in sh.run("create -e /mine")


def test_lines_of_a_file_are_carried_out_too(ctl):
    done = subprocess.run(ctl.command("shell"), input="create /f x\nget /f\nget /none\n# end\n", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
    assert done.stdout.startswith("/f\nx") and "no such znode" in done.stderr
    assert done.returncode == 1         # that of the last command
