"""Kazoo's own tests with its cluster pointed at ours: every test that passes on ZooKeeper 3.9 passes here.

Those that do not pass are named in clients/kazoo_known.txt, each with the reason; the list is checked too, and with
`--full` against ZooKeeper itself: whether it is right about that.
"""
import time

import pytest

from clients import kazoo_suite
from conftest import need
from harness.servers import ZOOKEEPER_39

# Most of its time the suite waits, so that several share a core well.
PROCESSES = 4


@pytest.mark.parametrize("size", [3, 1], ids=["three-servers", "one-server"])
def test_kazoo_suite(ours, size, full, tmp_path, capsys):
    if size == 1 and not full:
        pytest.skip("with --full")
    run_suite(ours, size, full, tmp_path, capsys)


@pytest.mark.parametrize("size", [3, 1], ids=["three-servers", "one-server"])
def test_kazoo_suite_on_zookeeper(ours, size, full, tmp_path, capsys):
    if not full or ours == ZOOKEEPER_39:
        pytest.skip("with --full, where ours is another kind")
    run_suite(need(ZOOKEEPER_39), size, full, tmp_path, capsys, reference=True)


def run_suite(kind, size, full, tmp_path, capsys, reference=False):
    began = time.monotonic()
    version, tests, faults = kazoo_suite.run(kind, size, tmp_path / "suite", PROCESSES, full)
    passed = sum(result["outcome"] == "passed" for result in tests.values())
    with capsys.disabled():
        print("kazoo %s, %d servers (%s): %d passed, %d not, %.0f s" % (
            version, size, kind, passed, len(tests) - passed, time.monotonic() - began))
    wrong = faults + kazoo_suite.judge(kind, size, version, tests, reference)
    assert not wrong, "\n\n".join(wrong)
    assert passed > 200, "most of the suite is missing"
