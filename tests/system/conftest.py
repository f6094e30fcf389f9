import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness.cluster import Cluster, install
from harness.hosts import Network


@pytest.fixture(scope="session", autouse=True)
def machine():
    """What the hosts need of this machine, said before anything is tried."""
    if os.geteuid() != 0:
        pytest.exit("the system tests boot machines: they need root", 1)
    for program in ("systemd-nspawn", "nsenter", "ip", "nginx"):
        if not shutil.which(program):
            pytest.exit("%s is missing: ./dev setup installs it" % program, 1)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def network():
    net = Network("baton-%d" % os.getpid())
    yield net
    net.close()


@pytest.fixture
def home():
    """Short-lived and on a real disk: the engine preallocates, and journals are read when a test fails."""
    path = Path(tempfile.mkdtemp(prefix="baton-hosts-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(network, tree, tmp_path_factory):
    """One cluster for a whole file: every test leaves it settled."""
    c = Cluster(network, tmp_path_factory.mktemp("hosts"), tree)
    try:
        c.boot()
        c.enable()
        c.wait_settled()
        yield c
    finally:
        c.close()
