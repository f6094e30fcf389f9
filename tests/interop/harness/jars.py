"""Where the jars of Apache ZooKeeper come from: Debian's 3.8, and 3.9 and Curator through Maven.

What Maven brings is optional: without maven or a registry its tests are skipped with the reason. The jars are
kept below build/, so that they are fetched once.
"""
import os
import shutil
import subprocess
from pathlib import Path

INTEROP = Path(__file__).resolve().parent.parent
ROOT = INTEROP.parent.parent
BUILD = ROOT / "build"
DEBIAN = Path("/usr/share/java")
FETCH_TIMEOUT_S = 300

# Small heaps and the cheap compiler: three servers share two cores with everything else.
JAVA_FLAGS = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

# A leader says on debug level only that it sends TRUNC.
LOG4J = """\
log4j.rootLogger=INFO, OUT
log4j.logger.org.apache.zookeeper.server.quorum.LearnerHandler=DEBUG
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.Target=System.err
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{HH:mm:ss.SSS} %-5p [%t] %c{1} - %m%n
"""

SIMPLE_LOGGER = ["-Dorg.slf4j.simpleLogger.showDateTime=true",
                 "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
                 "-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.quorum.LearnerHandler=debug"]

_failed = {}


class Unavailable(Exception):
    """This version cannot be had here; the text says why."""


def java_command(version, config_dir, *properties):
    """The start of a java command line for ZooKeeper `version` ("3.8" or "3.9"): flags, logging
    and class path. `config_dir` takes the logging configuration."""
    if shutil.which("java") is None:
        raise Unavailable("no java on this machine")
    if version == "3.8":
        logging = config_dir / "log4j.properties"
        logging.write_text(LOG4J)
        extra = ["-Dlog4j.configuration=file:%s" % logging]
    else:
        extra = SIMPLE_LOGGER
    return ["java", *JAVA_FLAGS, *extra, *properties, "-cp", _class_path(version)]


def require(version):
    """Raises Unavailable when `version` cannot be had."""
    _class_path(version)


def files(version):
    """The jars of `version`. Raises Unavailable when it cannot be had."""
    parts = _class_path(version).split(":")
    return sorted(file for part in parts for file in (Path(part).parent.glob("*.jar") if part.endswith("/*") else [Path(part)]))


def curator():
    """The class path of Apache Curator. Raises Unavailable when it cannot be had."""
    return _maven(INTEROP / "clients" / "curator" / "pom.xml", "curator-recipes-*.jar", "Curator")


def _class_path(version):
    if version == "3.9":
        return _maven(INTEROP / "zookeeper-3.9" / "pom.xml", "zookeeper-3.9*.jar", "ZooKeeper 3.9")
    # Debian's own script names log4j through its configuration directory; we name it here.
    names = ("slf4j-log4j12.jar", "log4j-1.2.jar", "zookeeper.jar")
    missing = [name for name in names if not (DEBIAN / name).exists()]
    if missing:
        raise Unavailable("Debian's package `zookeeper` is not installed (no %s)" % missing[0])
    return ":".join(str(DEBIAN / name) for name in names)


def _maven(pom, jar, what):
    """The jars that a pom.xml names, kept below build/ in a directory of its directory's name."""
    cache = BUILD / pom.parent.name
    if pom in _failed:
        raise Unavailable(_failed[pom])
    if not list(cache.glob(jar)):
        try:
            _fetch(pom, cache, jar, what)
        except Unavailable as e:
            _failed[pom] = str(e)       # ask a registry once, not once a test
            raise
    return "%s/*" % cache


def _fetch(pom, cache, jar, what):
    if shutil.which("mvn") is None:
        raise Unavailable("%s needs maven (`mvn`) to be fetched" % what)
    aside = cache.with_name("%s.%d" % (cache.name, os.getpid()))
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime",
               "-DoutputDirectory=%s" % aside]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=FETCH_TIMEOUT_S, check=False)
        if done.returncode != 0 or not list(aside.glob(jar)):
            tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[:2]
            raise Unavailable("maven could not fetch %s: %s" % (what, " ".join(tail)))
        shutil.rmtree(cache, ignore_errors=True)
        aside.rename(cache)             # whole or not at all
    except subprocess.TimeoutExpired as e:
        raise Unavailable("maven did not fetch %s in %d s" % (what, FETCH_TIMEOUT_S)) from e
    finally:
        shutil.rmtree(aside, ignore_errors=True)
