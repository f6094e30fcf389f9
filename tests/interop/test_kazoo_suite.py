"""Kazoo's own tests with its cluster pointed at ours: every test that passes on ZooKeeper 3.9 passes here.

Those that do not pass are named in clients/kazoo_known.txt, each with the reason; the list is checked too. With
`--ours zookeeper-3.9` the suite runs against ZooKeeper, and so tells whether the list is right about it.
"""
import time

import pytest

from clients import kazoo_suite

# Most of its time the suite waits, so that several share a core well.
PROCESSES = 4


@pytest.mark.parametrize("size", [3, 1], ids=["three-servers", "one-server"])
def test_kazoo_suite(ours, size, full, tmp_path, capsys):
    if size == 1 and not full:
        pytest.skip("with --full")
    began = time.monotonic()
    version, tests, faults = kazoo_suite.run(ours, size, tmp_path / "suite", PROCESSES, full)
    passed = sum(result["outcome"] == "passed" for result in tests.values())
    with capsys.disabled():
        print("kazoo %s, %d servers: %d passed, %d known not to, %.0f s" % (
            version, size, passed, len(tests) - passed, time.monotonic() - began))
    wrong = faults + kazoo_suite.judge(ours, size, version, tests)
    assert not wrong, "\n\n".join(wrong)
    assert passed > 200, "most of the suite is missing"
