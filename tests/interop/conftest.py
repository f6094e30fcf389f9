"""Options and fixtures of the interop tests. See README.md."""
import os
import shutil
import sys
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import archive, ctl as ctl_harness, jars, ports, servers  # noqa: E402 (the path is set just above)


def pytest_addoption(parser):
    parser.addoption("--ours", choices=servers.KINDS, default=servers.BATON,
                     help="what stands where the tests expect baton (ZooKeeper: to test the tests)")
    parser.addoption("--full", action="store_true", help="also what takes minutes: see README.md")
    parser.addoption("--engine", help="the baton-engine to test (default: build/release/bin)")


# Several processes may share the files (pytest-xdist, as ./dev test interop does): which one this is, of how many.
WORKER, WORKERS = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_configure(config):
    if config.getoption("--engine"):
        servers.ENGINE = Path(config.getoption("--engine")).resolve()
    archive.enabled = True
    if WORKER:
        ports.share(int(WORKER.removeprefix("gw")), WORKERS)
    elif config.getoption("numprocesses", None):
        for version in ("3.8", "3.9"):
            try:
                archive.flags(version)  # fetched and made once, before there are several who want it
            except jars.Unavailable:
                pass                    # the tests that need it say so


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
def full(request):
    """Whether the parts that take minutes were asked for."""
    return request.config.getoption("--full")


@pytest.fixture(scope="session")
def only_baton(ours):
    """For tests of what only baton promises."""
    if ours != servers.BATON:
        pytest.skip("a promise of baton's, not of ZooKeeper's")


@pytest.fixture
def ctl(server):
    """batonctl against the `server` of the test's file, on which nothing stays."""
    run = ctl_harness.Ctl(server.host)
    yield run
    boss = run.having("--auth", ctl_harness.SUPER)
    for name in boss("ls", "/").split():
        if name != "zookeeper":
            boss("rm", "-r", "/" + name)


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
    yield from closed_after_use(servers.Lab(tmp_path))


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory):
    yield from closed_after_use(servers.Lab(tmp_path_factory.mktemp("lab")))


def closed_after_use(made):
    """Servers' files take tens of gigabytes over a whole run: only those of tests that failed are kept."""
    yield made
    made.close()
    if not made.failed:
        shutil.rmtree(made.home)


# ---- a second run beside ZooKeeper ----

SECOND_RUNS_MAX = max(1, 2 // WORKERS)  # of all tests of a process together: more is no accident
second_runs = []                        # tests that had one
SECOND_RUN = "first run"                # the property of a report that says how the first one ended
told = []                               # (test, how its first run ended)


def with_zookeeper(item):
    return bool({"theirs", "zookeeper"} & set(item.fixturenames))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """ZooKeeper's own servers stall for good now and then under load, also with none of ours near. So a test with
    one of them may fail once; that it did, and how, is shown at the end. Tests of baton alone get no second run."""
    if not with_zookeeper(item) or len(second_runs) == SECOND_RUNS_MAX:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = [report for report in reports if report.failed]
    if failed:
        sections = ["---- %s ----\n%s" % section for section in failed[0].sections]
        item.user_properties.append((SECOND_RUN, "\n".join([failed[0].longreprtext, *sections])))
        second_runs.append(item.nodeid)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_runtest_logreport(report):
    """In the process that prints: what the workers tell of second runs."""
    if not WORKER and report.when == "teardown":
        told.extend((report.nodeid, text) for name, text in report.user_properties if name == SECOND_RUN)


def pytest_terminal_summary(terminalreporter):
    if told:
        terminalreporter.section("failed the first time, and run again")
    for test, text in told:
        terminalreporter.write_line(test)
        terminalreporter.write_line(text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the ends of its servers' logs."""
    report = (yield).get_result()
    if report.failed:
        for lab in servers.Lab.active:
            lab.failed = True
            for server in lab.servers():
                report.sections.append(("log of %r in %s" % (server, server.home), server.log_tail()))
