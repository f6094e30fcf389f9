"""The plugin `unit` on a real systemd, alone: unit_plugin.c, on a host of its own."""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BATON_BUILD", HERE.parent.parent / "build" / "release"))


def test_units_of_a_real_systemd():
    done = subprocess.run([sys.executable, str(HERE / "one_host.py"), str(BUILD / "bin" / "unit_plugin")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
