"""Options and fixtures of the interop tests. See README.md."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import jars, servers  # noqa: E402 (the path is set just above)


def pytest_addoption(parser):
    parser.addoption("--ours", choices=servers.KINDS, default=servers.BATON,
                     help="what stands where the tests expect baton (ZooKeeper: to test the tests)")
    parser.addoption("--engine", help="the baton-engine to test (default: build/release/bin)")


def pytest_configure(config):
    if config.getoption("--engine"):
        servers.ENGINE = Path(config.getoption("--engine")).resolve()


@pytest.fixture(scope="session")
def ours(request):
    """The kind of server under test."""
    kind = request.config.getoption("--ours")
    if kind != servers.BATON:
        need(kind)
    elif not servers.ENGINE.exists():
        pytest.exit("%s is not there: build first (./dev build)" % servers.ENGINE, returncode=2)
    return kind


@pytest.fixture(scope="session")
def only_baton(ours):
    """For tests of what only baton promises."""
    if ours != servers.BATON:
        pytest.skip("a promise of baton's, not of ZooKeeper's")


def need(kind):
    """Skips the test when this kind of server cannot be had here."""
    if kind == servers.BATON:
        return kind
    try:
        jars.require(kind.rpartition("-")[2])
    except jars.Unavailable as e:
        pytest.skip(str(e))
    return kind


@pytest.fixture(scope="module", params=[servers.ZOOKEEPER_38, servers.ZOOKEEPER_39])
def theirs(request):
    """The kind of ZooKeeper that stands beside ours: each test runs once with either."""
    return need(request.param)


@pytest.fixture(scope="session")
def zookeeper():
    """Debian's ZooKeeper, for tests that need only one version."""
    return need(servers.ZOOKEEPER_38)


@pytest.fixture
def lab(tmp_path):
    made = servers.Lab(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory):
    made = servers.Lab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the ends of its servers' logs."""
    report = (yield).get_result()
    if report.failed:
        for lab in servers.Lab.active:
            for server in lab.servers():
                report.sections.append(("log of %r in %s" % (server, server.home), server.log_tail()))
