"""Fixtures of the system tests. See README.md."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import contract
from harness.cluster import Cluster, install
from harness.hosts import Network
from harness.janitor import Janitor


@pytest.fixture(scope="session", autouse=True)
def machine():
    """What the hosts need of this machine, said before anything is tried."""
    if os.geteuid() != 0:
        pytest.exit("the system tests boot machines: they need root", 1)
    for program in ("systemd-nspawn", "nsenter", "ip", "nft", "nginx"):
        if not shutil.which(program):
            pytest.exit("%s is missing: ./dev setup installs it" % program, 1)


@pytest.fixture(scope="session")
def janitor():
    j = Janitor()
    yield j
    j.close()


@pytest.fixture(scope="session")
def workplace(janitor):
    """All files of a run. On a real disk: the engine preallocates, and journals are read when a test fails."""
    path = Path(tempfile.mkdtemp(prefix="baton-system-"))
    janitor.remember("dir", path)
    return path


@pytest.fixture(scope="session")
def tree(workplace):
    return install(workplace / "installed")


@pytest.fixture(scope="session")
def network(janitor):
    return Network("baton-%d" % os.getpid(), janitor)


@pytest.fixture(scope="module")
def home(workplace, request):
    path = workplace / request.module.__name__
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def cluster(network, tree, home):
    """One cluster for a whole file: every test leaves it settled."""
    c = Cluster(network, home, tree)
    try:
        c.boot()
        c.enable()
        c.wait_settled()
        yield c
    finally:
        c.close()


def pytest_terminal_summary(terminalreporter):
    """What was measured beside what `batonctl config check` promises."""
    lines = contract.table()
    if lines:
        terminalreporter.section("failover times")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows what the hosts say."""
    report = (yield).get_result()
    if report.failed:
        for value in list(getattr(item, "funcargs", {}).values()):
            if isinstance(value, Cluster):
                report.sections.append(("the hosts", value.describe()))
