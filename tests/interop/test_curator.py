"""Apache Curator's recipes against one server and against three; over the kill of a leader and of everybody.

The program is clients/curator/Recipes.java, one step a test. It needs a Java compiler, and maven for Curator's jars.
"""
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import jars
from harness.dialogue import Dialogue

SOURCE = Path(__file__).resolve().parent / "clients" / "curator" / "Recipes.java"
STEPS = ("nodes", "transactions", "latch", "selector", "locks", "barriers", "counters", "queue", "caches", "persistent",
         "acls", "watchers", "ensemble")
COMPILE_TIMEOUT_S = 120

# TTL nodes, and a sweep that comes while a test waits. Not for the other recipes: they make their directories as containers,
# and some do not survive that such a one goes before they put something into it.
JAVA = ("-Dzookeeper.extendedTypesEnabled=true", "-Dznode.container.checkIntervalMs=200")
BATON = {"extended_types": "yes", "container_check_interval": 200}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler (`javac`) on this machine")
    try:
        path = jars.curator()
    except jars.Unavailable as e:
        pytest.skip(str(e))
    classes = tmp_path_factory.mktemp("curator")
    subprocess.run(["javac", "-nowarn", "-cp", path, "-d", str(classes), str(SOURCE)], check=True, timeout=COMPILE_TIMEOUT_S,
                   stdin=subprocess.DEVNULL, capture_output=True)
    return "%s:%s" % (classes, path)


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours, compiled):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)})
    ensemble.start()
    yield ensemble
    ensemble.stop()


def started(compiled, hosts, log):
    return Dialogue(["java", *jars.JAVA_FLAGS, "-cp", compiled, "Recipes", hosts], log)


@pytest.fixture(scope="module")
def program(cluster, compiled, tmp_path_factory):
    made = started(compiled, cluster.hosts(), tmp_path_factory.mktemp("program") / "curator.log")
    yield made
    made.close()


@pytest.mark.parametrize("step", STEPS)
def test_recipe(program, step):
    program.do(step)


def test_times_to_live(compiled, lab, ours, tmp_path):
    ensemble = lab.ensemble({1: ours}, java_properties=JAVA, baton_extra=BATON).start()
    program = started(compiled, ensemble.hosts(), tmp_path / "curator.log")
    program.do("ttl")
    program.close()


def test_nothing_is_lost_when_the_leader_is_killed(program, cluster):
    program.do("before")
    leader = cluster.leader()
    leader.kill()
    if len(cluster) > 1:
        cluster.wait_leader(other_than=leader)
    leader.start()
    leader.wait_serving()
    program.do("after")


def test_nothing_is_lost_when_all_are_killed(program, cluster):
    program.do("before")
    for server in cluster:
        server.kill()
    cluster.start()
    program.do("after")
