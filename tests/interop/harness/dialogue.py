"""A client program of the tests, in whatever language: it reads a line, does what it says, and answers in one line.
Most read the name of a step and answer "ok", or what failed."""
import os
import select
import subprocess

from .servers import die_with_parent

ANSWER_TIMEOUT_S = 60.0


class Dialogue:
    def __init__(self, command, log_path, cwd=None, environment=None):
        self.log_path = log_path
        self.buffer = b""
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log_path, "wb"), cwd=cwd,
            env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)

    def _line(self, timeout):
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            if not select.select([descriptor], [], [], timeout)[0]:
                raise AssertionError("no answer within %g s\n%s" % (timeout, self.log_tail()))
            part = os.read(descriptor, 65536)
            if not part:
                raise AssertionError("the client ended with %s\n%s" % (self.process.wait(), self.log_tail()))
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode("utf-8", "replace")

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def heard(self, timeout=ANSWER_TIMEOUT_S):
        """Its answer to what it was told."""
        return self._line(timeout)

    def do(self, step, timeout=ANSWER_TIMEOUT_S):
        """Has one step carried out; whatever is not "ok" fails the test, with the end of what the client logged."""
        self.tell(step)
        answer = self.heard(timeout)
        assert answer == "ok", "%s: %s\n%s" % (step, answer, self.log_tail())

    def kill(self):
        """SIGKILL: whatever it holds is left as it is."""
        self.process.kill()
        self.process.wait()

    def log_tail(self, lines=40):
        return "\n".join(self.log_path.read_text("utf-8", "replace").splitlines()[-lines:])

    def close(self):
        """Tells it to end by closing its input."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
