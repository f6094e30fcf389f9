"""batonctl: requests that are longer than servers take unless they are told to."""
import base64
import hashlib
import json
import random
import subprocess

import pytest

from conftest import need
from harness import ctl as ctl_harness
from harness import servers

SERVERS_MAX = 6 << 20                   # what these servers take
LARGE = random.Random(1).randbytes(4 << 20)
ALLOW = ("--max-buffer", str(8 << 20))  # more than that


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_39])
def server(request, module_lab):
    ensemble = module_lab.ensemble({1: need(request.param)}, java_properties=["-Djute.maxbuffer=%d" % SERVERS_MAX],
                                   baton_extra={"max_buffer": SERVERS_MAX}).start()
    yield ensemble[1]
    ensemble.stop()


def run(ctl, *arguments, stdin=b"", status=0):
    """With bytes that are no text: what came on stdout, or on stderr where it must fail."""
    done = subprocess.run(ctl.command(*arguments), input=stdin, capture_output=True, timeout=ctl_harness.TIMEOUT_S,
                          check=False)
    assert done.returncode == status, (done.returncode, done.stdout[:200], done.stderr)
    return done.stdout if status == 0 else done.stderr.decode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_a_large_value_comes_from_stdin_and_is_read_again(ctl):
    able = ctl.having(*ALLOW)
    run(able, "create", "/a", "-", stdin=LARGE)
    assert digest(run(ctl, "get", "/a")) == digest(LARGE)
    run(able, "set", "/a", "-", stdin=LARGE[::-1])
    assert digest(run(ctl, "get", "/a")) == digest(LARGE[::-1])


def test_what_is_longer_than_allowed_is_not_sent(ctl):
    said = run(ctl, "create", "/a", "-", stdin=LARGE, status=2)
    assert "more than a request may hold, 1048575 bytes" in said and "--max-buffer" in said
    said = run(ctl, "create", "/a", "-", stdin=LARGE[:1048575], status=2)
    assert "longer than a request may be, 1048575 bytes" in said and "--max-buffer" in said
    assert "no such znode" in ctl("get", "/a", status=1)


def test_what_the_servers_do_not_take_is_said(ctl):
    said = run(ctl.having(*ALLOW), "create", "/a", "-", stdin=LARGE + LARGE[:3 << 20], status=3)
    assert "may have been carried out or not" in said
    assert "the request had %d bytes" % (len(LARGE) + (3 << 20) + 49) in said and "jute.maxbuffer" in said
    assert "no such znode" in ctl("get", "/a", status=1)


def test_multis_exports_and_copies_may_be_large(ctl, tmp_path):
    able = ctl.having(*ALLOW)
    text = base64.b64encode(LARGE).decode()
    able("multi", "-", stdin="create /m\ncreate -b /m/a %s\nset -b /m %s\n" % (text[:1 << 20], text[:2 << 20]))
    assert digest(run(ctl, "get", "/m")) == digest(base64.b64decode(text[:2 << 20]))
    assert "larger than any request" in ctl("multi", "-", stdin="create -b /m/b %s\n" % text, status=2)
    able("set", "/m", "-", stdin="x" * (3 << 20))
    ctl("export", "-o", str(tmp_path / "tree"), "/m")
    assert len(json.loads((tmp_path / "tree").read_text())["nodes"]) == 2
    said = ctl("import", str(tmp_path / "tree"), "/n", status=2)
    assert "--max-buffer" in said and "/n" in said
    able("import", str(tmp_path / "tree"), "/n")
    assert ctl("get", "/n") == "x" * (3 << 20)
    able("cp", "-r", "/m", "/copy")
    assert ctl("get", "/copy") == "x" * (3 << 20)


def test_a_size_that_makes_no_sense_is_refused(ctl):
    for wrong in ("0", "1023", str((48 << 20) + 1), "4M", ""):
        assert "1024 to 50331648" in ctl.having("--max-buffer", wrong)("ls", "/", status=2)


def test_a_directory_with_large_values_is_restored(lab, only_baton, tmp_path):
    settings = {"baton_extra": {"max_buffer": SERVERS_MAX}}
    one = lab.ensemble({1: servers.BATON}, **settings).start()[1]
    run(ctl_harness.Ctl(one.host, *ALLOW), "create", "/a", "-", stdin=LARGE)
    one.stop()
    other = lab.ensemble({1: servers.BATON}, **settings)[1]
    ctl = ctl_harness.Ctl(other.host)
    ctl("restore", "--data-dir", str(other.data_dir), "--id", "1", str(one.data_dir))
    other.start()
    other.wait_serving()
    assert digest(run(ctl, "get", "/a")) == digest(LARGE)
