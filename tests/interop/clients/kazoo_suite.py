"""Kazoo's own tests: where they come from, how they are run, and what is known of them beforehand."""
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from harness import ports, servers
from harness.jars import BUILD

HERE = Path(__file__).resolve().parent
KNOWN = HERE / "kazoo_known.txt"
VERSION = "2.11.0"
HASH = "sha256:aa6be17159540dae4087661b8d4e24c7b58d4dc26170a2d5b8468b06712d84a9"
CACHE = BUILD / ("kazoo-" + VERSION)
DEBIAN = Path("/usr/lib/python3/dist-packages")
FETCH_TIMEOUT_S = 120
RUN_TIMEOUT_S = 600

# Their subject is how kazoo sits in other event loops; each repeats the tests of the client.
OTHER_LOOPS = ("test_gevent_handler.py", "test_eventlet_handler.py")


def find():
    """(directory that holds the package, its version): the pinned release, or Debian's where no registry is reachable."""
    if not (CACHE / "kazoo" / "tests").is_dir() and not fetch():
        return DEBIAN, "2.8.0"
    return CACHE, VERSION


def fetch():
    aside = CACHE.with_name("%s.%d" % (CACHE.name, os.getpid()))
    aside.mkdir(parents=True)
    (aside / "wanted.txt").write_text("kazoo==%s --hash=%s\n" % (VERSION, HASH))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes",
         "-r", str(aside / "wanted.txt"), "-d", str(aside)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False)
    if done.returncode != 0:
        shutil.rmtree(aside)
        print("kazoo %s could not be fetched, Debian's is taken: %s" % (VERSION, done.stdout.decode("utf-8", "replace")))
        return False
    for wheel in aside.glob("*.whl"):
        with zipfile.ZipFile(wheel) as f:
            f.extractall(aside)
    aside.rename(CACHE)                 # whole or not at all
    return True


def known():
    """{test: (on which servers it does not pass, why)}"""
    rows = [re.split(r"\s\|\s", line) for line in KNOWN.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]
    return {test.strip(): (where.strip(), why.strip()) for test, where, why in rows}


def run(kind, size, home, processes, full):
    """Runs the suite against ensembles of `size` servers. Returns {test: result}, and what went wrong beside them."""
    package, version = find()
    results = home / "results"
    for directory in (home, home / "claims"):
        directory.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ, "KAZOO_SERVERS": kind, "KAZOO_HOME": str(home), "KAZOO_CLAIMS": str(home / "claims"),
        "KAZOO_RESULTS": str(results), "ZOOKEEPER_VERSION": "3.9.5", "ZOOKEEPER_CLUSTER_SIZE": str(size),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(package)])}
    environment.pop("CI", None)         # kazoo's tests do other things in a CI of theirs
    command = [sys.executable, "-m", "pytest", "-q", "-p", "kazoo_plugin", "-p", "no:cacheprovider", "-c", os.devnull,
               "--rootdir", str(package), str(package / "kazoo" / "tests")]
    for name in () if full else OTHER_LOOPS:
        command += ["--ignore", str(package / "kazoo" / "tests" / name)]
    # Some of these hang in an older kazoo, which does not know the error that it gets.
    for test in () if version == VERSION else known():
        command += ["--deselect", "kazoo/tests/" + test]
    running = []
    for n in range(processes):
        environment["KAZOO_SHARE"] = "%d/%d" % ports.share_of(n, processes)
        with open(home / ("suite.%d.log" % n), "wb") as log:
            running.append(subprocess.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, preexec_fn=servers.die_with_parent))
    ends = [ended(process) for process in running]
    tests, faults = {}, []
    for line in results.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        faults += result.get("faults", [])
        if "test" in result and tests.get(result["test"], {}).get("outcome") != "failed":
            tests[result["test"]] = result
    # 0 all passed, 1 some failed, which is judged by name; anything else says that the suite did not run.
    faults += ["process %d ended with %d, see %s" % (n, end, home) for n, end in enumerate(ends) if end not in (0, 1)]
    return version, tests, faults


def ended(process):
    """Its exit code; one that hangs is killed."""
    try:
        return process.wait(RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def judge(kind, size, version, tests, reference=False):
    """What is otherwise than known. Of a reference that does not pass a test nothing follows for us."""
    listed, wrong = known(), []
    for test, result in sorted(tests.items()):
        where, why = listed.get(test, ("", None))
        expected = "both" in where or ("baton" in where and kind == servers.BATON) or ("alone" in where and size == 1)
        if result["outcome"] == "passed" and expected:
            wrong.append("%s passes, though %s says it does not: %s" % (test, KNOWN.name, why))
        elif result["outcome"] == "skipped" and "not available" in result["text"]:
            continue                    # a module that kazoo can do without, and this machine does
        elif result["outcome"] != "passed" and not expected and not reference:
            wrong.append("%s %s\n%s" % (test, result["outcome"], result["text"]))
    if version == VERSION:
        files = {test.partition("::")[0] for test in tests}
        wrong += ["%s names %s, which is not there" % (KNOWN.name, test) for test in listed
                  if test not in tests and test.partition("::")[0] in files]
    return wrong
