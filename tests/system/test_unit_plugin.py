"""The plugin `unit` on a real systemd, alone: unit_plugin.c, on a host of its own."""
import shutil

import pytest

from harness.cluster import BUILD
from harness.hosts import Host

PROGRAMS = ("bin/unit_plugin", "plugins/unit.so")
PLACE = "/usr/lib/baton-test"                       # on the host; see CMakeLists.txt


@pytest.fixture(scope="module")
def host(network, home):
    tree = home / "programs"
    place = tree / PLACE.lstrip("/")
    place.mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy2(BUILD / name, place)
    h = Host(network, 1, home, trees=[tree])
    try:
        h.boot()
        h.wait_booted()
        yield h
    finally:
        h.lose_power()


def test_units_of_a_real_systemd(host):
    host.run("systemctl", "enable", "nginx")        # as Debian's package leaves it
    done = host.run(f"{PLACE}/unit_plugin", check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stderr + done.stdout
