#!/usr/bin/python3
"""Puts the tables and plots of bench.py's JSON into docs/performance.md, between its markers.

    python3 tests/bench/page.py [FILE…]         default: build/bench/bench.json

Each file becomes tables under its date and machine; the page's own words are left as they are.
"""
import json
import re
import sys
from pathlib import Path

import bench
import fleet
import plot
import tables

PAGE = fleet.ROOT / "docs" / "performance.md"
PLOTS = fleet.ROOT / "docs" / "plots"
BEGIN, END = "<!-- what follows is written by tests/bench/page.py -->\n", "<!-- end -->\n"
# The part of the processors that others may use before the first server is started.
BUSY_PART = 0.05


def machine_line(found):
    before, after = found["machine"]["before"], found["machine"]["after"]
    busy = " **Other work ran on the machine at the same time: these figures are provisional.**" if (
        found["machine"].get("others", 0) > BUSY_PART) else ""
    return ("%s. %s, %d processors, %d GiB, Linux %s, file system %s; load average %.1f before, %.1f after. "
            "%d s in all.%s" % (
                found["date"], before["processor"], before["processors"], round(before["memory_bytes"] / 2 ** 30),
                before["kernel"], before["file_system"], before["load_average"][0], after["load_average"][0],
                found["seconds_taken"], busy))


def versions_line(found):
    """What was measured, and with which Java and Go."""
    parts = ["%s %s" % pair for pair in found["versions"].items()]
    return "Baton's commit is %s. Versions: %s." % (found["machine"]["before"].get("commit") or "unknown", ", ".join(
        [*parts, *filter(None, (found["machine"]["before"].get(name) for name in ("java", "go")))]))


def told(error):
    """Without the generator's command line: ports and processes of a machine that has forgotten them."""
    return re.sub(r": --servers .*? --pids \S+(?: --\w+ \S+)*: ", ": ", error)


def text_of(found):
    # Where the results went, and when they had to be there, is nobody's business but theirs who measured.
    command = re.sub(r" --(json|minutes)[ =]\S+", "", found["command"]).strip()
    parts = ["### `%s`" % command, machine_line(found), versions_line(found)]
    for title, head, rows in bench.sections(found["results"], found["limits"], found["kinds"], found["reference"]):
        if rows:
            parts += ["#### " + title, tables.markdown_table(head, rows)]
    if found["errors"]:
        parts += ["Runs that went wrong, and are not in the figures:", "\n".join("- " + told(e) for e in found["errors"])]
    PLOTS.mkdir(exist_ok=True)
    for path in plot.draw_all(found["results"], found["kinds"], PLOTS):
        parts.append("![%s](plots/%s)" % (path.stem, path.name))
    return "\n\n".join(parts)


def main():
    files = [Path(name) for name in sys.argv[1:]] or [bench.OUT / "bench.json"]
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit("%s has no place for tables (%s… %s)" % (PAGE, BEGIN.strip(), END.strip()))
    body = "\n\n".join(text_of(json.loads(path.read_text())) for path in files)
    PAGE.write_text(head + begin + "\n" + body + "\n\n" + end + tail)


if __name__ == "__main__":
    main()
