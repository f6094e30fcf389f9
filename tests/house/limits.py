"""Collects the named limits of the source into docs/limits.md.

Every queue, buffer, count and wait has a #define whose name says that it is a bound and whose comment
says of what and what happens at it. This page is those comments, so it cannot go stale: `./dev fmt`
writes it, and the house rules fail where it differs from the source.

    python3 tests/house/limits.py            print the page
    python3 tests/house/limits.py --write    write docs/limits.md
"""
import os
import re
import sys

import rules

PAGE = os.path.join("docs", "limits.md")
HEAD = """# Limits

Written by `./dev fmt` from the `#define`s of the source; edit the comment there, not this page.
"""

BOUND = re.compile(r"_(MAX|MIN|LIMIT|DEFAULT|BYTES|TXNS|TIMEOUT|MS|SECONDS|TICKS)(_|$)")
DEFINE = re.compile(r"#define\s+([A-Z][A-Z0-9_]*)\s+(.+?)\s*(?:/\*\s*(.*?)\s*\*/)?\s*$")


class Limit:
    def __init__(self, name, value, meaning, path):
        self.name = name
        self.value = value
        self.meaning = meaning
        self.path = path


def plain_comment(text):
    """A C comment as one line of prose."""
    text = re.sub(r"^/\*+|\*+/$", "", text.strip())
    return re.sub(r"\s*\n\s*\*?\s*", " ", text).strip()


def readable(value):
    """`(64u << 20)` is 64 MiB; whatever is no plain number stays as it is written."""
    text = value.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
    m = re.fullmatch(r"(?:\(\w+\)\s*)?(\d+)\s*<<\s*(10|20|30)", text)
    if m:
        return "%s %s" % (m.group(1), {"10": "KiB", "20": "MiB", "30": "GiB"}[m.group(2)])
    return "%d" % int(text, 16) if re.fullmatch(r"0x[0-9a-fA-F]+", text) else text


def limits_of(text, path):
    """The bounds one file defines. A comment holds for the #defines right below it that have none."""
    found, comment, inside = [], "", False
    for line in text.split("\n"):
        stripped = line.strip()
        if inside or stripped.startswith("/*"):
            comment = comment + "\n" + stripped if inside else stripped
            inside = "*/" not in stripped
            continue
        m = DEFINE.match(stripped)
        if not m:
            comment = ""
        elif BOUND.search(m.group(1)):
            found.append(Limit(m.group(1), readable(m.group(2)), m.group(3) or plain_comment(comment), path))
    return found


def limits(root):
    found = []
    for path in rules.sources(root, (".c", ".h"), ("election", "daemon", "plugins")):
        found += limits_of(rules.text_of(root, path), path)
    return found


def page(root):
    lines = [HEAD]
    folder = None
    explained = (l for l in limits(root) if l.meaning)
    for limit in sorted(explained, key=lambda l: (os.path.dirname(l.path), l.path, l.name)):
        if os.path.dirname(limit.path) != folder:
            folder = os.path.dirname(limit.path)
            lines.append("\n## %s\n\n| limit | value | of what | where |\n| --- | --- | --- | --- |" % folder)
        lines.append("| `%s` | %s | %s | %s |" % (
            limit.name, limit.value.replace("|", "\\|"), limit.meaning.replace("|", "\\|"), os.path.basename(limit.path)))
    return "\n".join(lines) + "\n"


def rule_limits_are_explained(root):
    """A limit in a header without a word about it helps nobody who meets it."""
    return ["%s:1: %s has no comment" % (l.path, l.name)
            for l in limits(root) if not l.meaning and l.path.endswith(".h")]


def rule_limits_page_is_current(root):
    path = os.path.join(root, PAGE)
    text = rules.text_of(root, PAGE) if os.path.exists(path) else ""
    wanted = page(root) if limits(root) else ""
    return [] if text == wanted else ["%s:1: differs from the source; ./dev fmt writes it" % PAGE]


if __name__ == "__main__":
    ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    if sys.argv[1:] == ["--write"]:
        with open(os.path.join(ROOT, PAGE), "w", encoding="utf-8") as f:
            f.write(page(ROOT))
    else:
        sys.stdout.write(page(ROOT))
