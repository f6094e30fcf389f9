"""Clients in Go (go-zookeeper/zk), JavaScript (node-zookeeper-client) and Rust (zookeeper-client), against one server and
against three.

Their programs are clients/go, clients/node and clients/rust. Each needs its language on this machine and a registry at first
use; the releases are pinned. Rust's takes a minute to build, so it is left out without --full unless it has been built.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.dialogue import Dialogue
from harness.jars import BUILD

CLIENTS = Path(__file__).resolve().parent / "clients"
NODE_CLIENT = "node-zookeeper-client@1.1.3"
FETCH_TIMEOUT_S = 300
RUST_BUILD_TIMEOUT_S = 600              # some ninety crates

STEPS = {
    "go": ("nodes", "kinds", "multi", "watches", "acls", "locks", "words", "config"),
    "node": ("nodes", "transactions", "watches", "acls"),
    "rust": ("nodes", "kinds", "multi", "watches", "acls", "locks", "config", "resumed"),
}

JAVA = ("-Dzookeeper.extendedTypesEnabled=true", "-Dznode.container.checkIntervalMs=200")
BATON = {"extended_types": "yes", "container_check_interval": 200}


def fetched(command, what, **more):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False, **more)
    if done.returncode != 0:
        pytest.skip("%s cannot be had here: %s" % (what, done.stdout.decode("utf-8", "replace")[-500:]))


@pytest.fixture(scope="module")
def go():
    """The command that starts the Go program."""
    if shutil.which("go") is None:
        pytest.skip("no Go (`go`) on this machine")
    program = BUILD / "clients" / "go-client"
    # The release of the module is in go.mod, what it must contain in go.sum; the toolchain is the one that is here.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    fetched(["go", "mod", "download"], "go-zookeeper/zk", cwd=CLIENTS / "go", env=environment)
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=CLIENTS / "go", env=environment, check=True,
                   timeout=FETCH_TIMEOUT_S)
    return [program], {}


@pytest.fixture(scope="module")
def node():
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node (`node`, `npm`) on this machine")
    place = BUILD / "clients" / "node"
    modules = place / "node_modules"
    if not (modules / "node-zookeeper-client").is_dir():
        place.mkdir(parents=True, exist_ok=True)
        fetched(["npm", "install", "--silent", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", place,
                 NODE_CLIENT], NODE_CLIENT, cwd=place)
    return ["node", CLIENTS / "node" / "main.js"], {"NODE_PATH": str(modules)}


@pytest.fixture(scope="module")
def rust(full):
    if shutil.which("cargo") is None:
        pytest.skip("no Rust (`cargo`) on this machine")
    built = BUILD / "clients" / "rust"
    program = built / "debug" / "rust-client"
    if not full and not program.exists():
        pytest.skip("not built yet, and that takes a minute: --full")
    # The releases of all crates are in Cargo.lock.
    cargo = {"cwd": CLIENTS / "rust", "env": {**os.environ, "CARGO_TARGET_DIR": str(built)}}
    fetched(["cargo", "fetch", "--locked"], "zookeeper-client", **cargo)
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--offline"], check=True, timeout=RUST_BUILD_TIMEOUT_S, **cargo)
    return [program], {}


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)}, java_properties=JAVA, baton_extra=BATON,
                                   words="srvr,ruok,cons")
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture(scope="module", params=list(STEPS))
def language(request):
    return request.param


@pytest.fixture(scope="module")
def program(request, language, cluster, tmp_path_factory):
    command, environment = request.getfixturevalue(language)
    log = tmp_path_factory.mktemp("program") / ("%s.log" % language)
    made = Dialogue([*command, cluster.hosts()], log, environment=environment)
    yield made
    made.close()


def test_client(program, language):
    for step in STEPS[language]:
        program.do(step)


def test_sessions_and_watches_outlive_the_kill_of_a_leader(program, cluster):
    program.do("before")
    leader = cluster.leader()
    leader.kill()
    if len(cluster) > 1:
        cluster.wait_leader(other_than=leader)
    leader.start()
    leader.wait_serving()
    program.do("after")
