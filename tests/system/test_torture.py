"""A short torture run, and what makes sure that a long one could find something. `./dev torture` is the long one."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from system.torture import damage, plan, verdict  # noqa: E402 (the path is set just above)

SEED = 7                                # in whose 20 seconds every kind of fault comes
SECONDS = 20.0
RUN_TIMEOUT_S = 300


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The lines of a history in which nothing was wrong."""
    path = tmp_path_factory.mktemp("torture") / "history.txt"
    done = subprocess.run(
        [sys.executable, "-m", "system.torture", "--minutes", "%g" % (SECONDS / 60), "--seed", str(SEED),
         "--history", str(path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=RUN_TIMEOUT_S, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
    return path.read_text().splitlines()


def test_engines_under_torture_keep_what_they_promise(history):
    assert sum(line.startswith("op ") for line in history) > 1000, "that was no load"


def test_short_run_has_faults_of_every_kind():
    assert {fault.kind for fault in plan.draw(SEED, SECONDS)} == set(plan.KINDS)


def test_seed_decides_all_faults():
    assert plan.draw(5, 120) == plan.draw(5, 120) != plan.draw(6, 120)
    assert plan.draw(5, 120)[:10] == plan.draw(5, 60)[:10]


@pytest.mark.parametrize("harm", damage.KINDS, ids=lambda harm: harm.__name__)
def test_damaged_history_is_found(history, harm, tmp_path):
    path = tmp_path / "damaged.txt"
    path.write_text("\n".join(harm(history)) + "\n")
    assert "ended with 1" in verdict.check_history(path)
