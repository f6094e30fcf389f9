"""docs/compatibility.md is complete: whoever adds an opcode or a setting says there how it stands to ZooKeeper's.

And its tables keep to three verdicts, so that a row can't be read as more than it says.
"""
import os
import re

from rules import numbered, text_of

PAGE = "docs/compatibility.md"
OPCODES = "election/jute/record.h"
SETTINGS = "daemon/engine/engine_config.c"
VERDICTS = ("works", "differs", "not there")


def page_of(root):
    return text_of(root, PAGE) if os.path.exists(os.path.join(root, PAGE)) else ""


def opcodes_of(text):
    """(name, number) of the enumeration of opcodes."""
    found = re.search(r"enum opcode \{(.*?)\}", text, re.DOTALL)
    return [(name, int(number)) for name, number in re.findall(r"(OP_\w+) = (-?\d+)", found.group(1))] if found else []


def settings_of(text):
    """Keys of the table of settings: rows such as {"ensemble", "tick_time", SETTING_NUMBER, …"""
    return re.findall(r'\{"\w+",\s*"(\w+)",\s*SETTING_', text)


def rows_of(page):
    """(line number, cells) of each row of its tables; heads and rules are none."""
    lines = list(numbered(page))
    for (number, line), (_, following) in zip(lines, lines[1:] + [(0, "")]):
        if line.startswith("|") and not line.startswith("| ---") and not following.startswith("| ---"):
            yield number, [cell.strip() for cell in line.strip("|").split("|")]


def rule_compatibility_names_every_opcode(root):
    if not os.path.exists(os.path.join(root, OPCODES)):
        return []
    told = {cells[0].replace("−", "-") for _, cells in rows_of(page_of(root))}
    return [f"{OPCODES}:1: {name} ({number}) has no row in {PAGE}"
            for name, number in opcodes_of(text_of(root, OPCODES)) if str(number) not in told]


def rule_compatibility_names_every_setting(root):
    if not os.path.exists(os.path.join(root, SETTINGS)):
        return []
    told = set(re.findall(r"`(\w+)`", page_of(root)))
    return [f"{SETTINGS}:1: the setting {key} stands in no row of {PAGE}"
            for key in settings_of(text_of(root, SETTINGS)) if key not in told]


def rule_compatibility_has_three_verdicts(root):
    """In each table with a column `here` it holds one of them."""
    column, bad = None, []
    for number, line in numbered(page_of(root)):
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            column = None
        elif "here" in cells:
            column = cells.index("here")
        elif column is not None and cells[0].strip("-") and (len(cells) <= column or cells[column] not in VERDICTS):
            bad.append(f"{PAGE}:{number}: is it {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}?")
    return bad


RULES = [
    rule_compatibility_names_every_opcode,
    rule_compatibility_names_every_setting,
    rule_compatibility_has_three_verdicts,
]
