"""The house rules, each a function from a source tree to a list of violations.

A rule takes the root of a tree and yields one line per violation, `file:line: what is wrong`; an empty
list means the tree obeys. test_house.py applies them to this project, and to small trees with a
violation planted in each, since a rule that cannot fail says nothing.
"""
import os
import re
import subprocess

# Where source is looked for. Build output, version control and caches are none of it.
SOURCE_DIRS = ("conf.d", "daemon", "docs", "election", "plugins", "tests", "units", ".ci")
SOURCE_SUFFIXES = (".c", ".h", ".py", ".sh", ".cmake", ".txt", ".in", ".md", ".conf", ".example", ".service",
                   ".1", ".5", ".8")
SKIPPED_DIRS = {"__pycache__", ".pytest_cache"}

LINES_MAX = 900

# The design fixes what stands at the top; CMake itself asks for the presets there.
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "dev",
    "conf.d", "daemon", "docs", "election", "plugins", "tests", "units",
    "build",
}

# The core: what it may include, and nothing else. stdio.h is for snprintf; the symbols say if it is not.
ELECTION_HEADERS = {
    "assert.h", "errno.h", "inttypes.h", "limits.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
    "stdio.h", "stdlib.h", "string.h", "strings.h", "zlib.h",
    "malloc.h",  # how large a block is
    "libdeflate.h",  # checksums
    # the hash of scheme digest
    "nettle/md5.h", "nettle/nettle-meta.h", "nettle/sha1.h", "nettle/sha2.h", "nettle/sha3.h",
}

# And what it may call. Everything here computes; nothing asks the system for anything but memory.
ELECTION_SYMBOLS = {
    "memchr", "memcmp", "memcpy", "memmem", "memmove", "memrchr", "memset", "bcmp", "explicit_bzero",
    "strcasecmp", "strchr", "strcmp", "strcspn", "strlen", "strncasecmp", "strncmp", "strnlen", "strrchr", "strspn", "strstr",
    "strtol", "strtoul", "strtoll", "strtoull",
    "snprintf", "vsnprintf", "qsort", "bsearch",
    "malloc", "malloc_usable_size", "calloc", "realloc", "free", "abort",
    "adler32", "adler32_combine", "adler32_z", "crc32", "crc32_z", "libdeflate_adler32", "libdeflate_crc32",
    "inflate", "inflateEnd", "inflateInit2_", "strerror",
    "__assert_fail", "__ctype_b_loc", "__errno_location", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
    "__tls_get_addr",  # see THREAD_LOCAL_FILES
}
# What compilers add by themselves: sanitizers, checked variants (_FORTIFY_SOURCE), C23 names of strtol.
ELECTION_SYMBOLS_ADDED = re.compile(
    r"__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov)_\w+"
    r"|__(mem(cpy|move|set|chr|pcpy)|v?snprintf)_chk|__explicit_bzero_chk"
    r"|__isoc23_strtou?ll?"
    r"|nettle_(md5|sha[0-9_]+)"  # its tables of hashes: what they point to computes
)

# Where the core may keep something for each thread: what is kept there changes nothing that the core computes.
THREAD_LOCAL_FILES = ("election/base/pool.c",)

BANNED_CALLS = (
    "alloca", "asctime", "atof", "atoi", "atol", "atoll", "ctime", "gets", "gmtime", "localtime", "popen",
    "sprintf", "strcat", "strcpy", "strtok", "system", "tmpnam", "vsprintf",
)

# Spelt in pieces, so that this file obeys too.
MARKS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")


def sources(root, suffixes=SOURCE_SUFFIXES, under=SOURCE_DIRS):
    """Paths, relative to `root`, of the tree's files with these suffixes; scripts without one are `.sh`."""
    found = []
    if under is SOURCE_DIRS:
        for name in sorted(os.listdir(root)):
            if os.path.isfile(os.path.join(root, name)) and (name.endswith(suffixes) or name == "dev" and ".sh" in suffixes):
                found.append(name)
    for top in under:
        for folder, dirs, files in os.walk(os.path.join(root, top)):
            dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS)
            for name in sorted(files):
                if name.endswith(suffixes) or (top == ".ci" and ".sh" in suffixes):
                    found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


def text_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_of(text):
    """C text with comments, strings and character constants blanked; line breaks stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def numbered(text):
    return enumerate(text.split("\n"), start=1)


def includes_of(root, path):
    """(line, name, quoted) of each #include."""
    for number, line in numbered(text_of(root, path)):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if m:
            yield number, m.group(2), m.group(1) == '"'


def rule_core_includes_only_computing_headers(root):
    """election/ has no loop, socket, file, clock, thread or systemd header, and uses no room outside."""
    bad = []
    for path in sources(root, (".c", ".h"), ("election",)):
        for number, name, quoted in includes_of(root, path):
            if quoted and not name.startswith("election/"):
                bad.append(f"{path}:{number}: includes \"{name}\", which is not below election/")
            elif not quoted and name not in ELECTION_HEADERS:
                bad.append(f"{path}:{number}: includes <{name}>, which the core may not use")
    return bad


def rule_rooms_form_no_cycle(root):
    """Rooms of election/ use each other in one direction only."""
    uses = {}
    for path in sources(root, (".c", ".h"), ("election",)):
        parts = path.split(os.sep)
        if len(parts) < 3:
            continue
        for number, name, _ in includes_of(root, path):
            target = name.split("/")
            if len(target) >= 3 and target[0] == "election" and target[1] != parts[1]:
                uses.setdefault(parts[1], {}).setdefault(target[1], f"{path}:{number}")

    bad = []

    def walk(room, trail):
        if room in trail:
            start = trail.index(room)
            cycle = trail[start:] + [room]
            if min(trail[start:]) == room:      # each cycle is told once
                bad.append(f"{uses[trail[-1]][room]}: rooms in a circle: {' -> '.join(cycle)}")
            return
        for target in sorted(uses.get(room, ())):
            walk(target, trail + [room])

    for room in sorted(uses):
        walk(room, [])
    return bad


def rule_internal_headers_stay_in_their_room(root):
    """x_internal.h is included from its own folder, from that room's unit tests, by the fuzzers and the simulator."""
    bad = []
    for path in sources(root, (".c", ".h")):
        for number, name, quoted in includes_of(root, path):
            if not quoted or not name.endswith("_internal.h"):
                continue
            room = os.path.dirname(name)
            allowed = (room, "tests/unit/" + os.path.basename(room), "tests/fuzz")
            looks_in = path.startswith("tests/sim/") or (room.startswith("tests/") and path.startswith("tests/"))
            if os.path.dirname(path) not in allowed and not looks_in:
                bad.append(f"{path}:{number}: includes {name}, which is private to {room}")
    return bad


def rule_plugins_know_only_their_header(root):
    """plugins/ includes nothing of daemon/ or election/."""
    bad = []
    for path in sources(root, (".c", ".h"), ("plugins",)):
        for number, name, quoted in includes_of(root, path):
            if quoted and not name.startswith("plugins/"):
                bad.append(f"{path}:{number}: includes \"{name}\"; a plugin needs plugins/baton/plugin.h only")
    return bad


def rule_no_banned_calls(root):
    """No call that overruns, is not reentrant, or starts a shell."""
    call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
    bad = []
    for path in sources(root, (".c", ".h")):
        for number, line in numbered(code_of(text_of(root, path))):
            for m in call.finditer(line):
                bad.append(f"{path}:{number}: calls {m.group(1)}()")
    return bad


def rule_core_knows_no_threads(root):
    """Nothing in the core differs between threads, but where memory comes from."""
    return [f"{path}:{number}: something for each thread"
            for path in sources(root, (".c", ".h"), ("election",)) if path not in THREAD_LOCAL_FILES
            for number, line in numbered(code_of(text_of(root, path)))
            if re.search(r"\b(_Thread_local|__thread|thread_local)\b", line)]


def rule_no_marks_of_unfinished_work(root):
    mark = re.compile(r"\b(" + "|".join(MARKS) + r")\b")
    bad = []
    for path in sources(root):
        for number, line in numbered(text_of(root, path)):
            m = mark.search(line)
            if m:
                bad.append(f"{path}:{number}: {m.group(1)}")
    return bad


def rule_files_hold_one_thing(root):
    bad = []
    for path in sources(root, (".c", ".h", ".py", ".sh")):
        lines = text_of(root, path).count("\n")
        if lines > LINES_MAX:
            bad.append(f"{path}:{lines}: more than {LINES_MAX} lines")
    return bad


def rule_top_level_is_as_designed(root):
    """Beside the rooms only what the design names; dot files are free."""
    return [f"{name}:1: does not belong at the top level"
            for name in sorted(os.listdir(root)) if not name.startswith(".") and name not in TOP_LEVEL]


def rule_every_unit_test_is_registered(root):
    """A test file that no CMakeLists.txt names is never run."""
    bad = []
    for path in sources(root, (".c",), ("tests/unit",)):
        folder, name = os.path.split(path)
        stem, _ = os.path.splitext(name)
        if not stem.startswith("test_"):
            continue
        lists = os.path.join(root, folder, "CMakeLists.txt")
        known = text_of(root, os.path.join(folder, "CMakeLists.txt")) if os.path.exists(lists) else ""
        if not re.search(r"\b" + re.escape(stem) + r"\b", known):
            bad.append(f"{path}:1: not named in {folder}/CMakeLists.txt")
    return bad


def rule_every_fuzzer_is_registered(root):
    """A fuzzer that its CMakeLists.txt does not build is never run; one without inputs begins at nothing each time."""
    bad = []
    for path in sources(root, (".c",), ("tests/fuzz",)):
        folder, name = os.path.split(path)
        if not name.startswith("fuzz_"):
            continue
        target = name[len("fuzz_"):-len(".c")]
        lists = os.path.join(root, folder, "CMakeLists.txt")
        known = text_of(root, os.path.join(folder, "CMakeLists.txt")) if os.path.exists(lists) else ""
        if not re.search(r"^baton_fuzz\(" + re.escape(target) + r"\b", known, re.MULTILINE):
            bad.append(f"{path}:1: not named in {folder}/CMakeLists.txt")
        elif not os.path.isdir(os.path.join(root, folder, "corpus", target)):
            bad.append(f"{path}:1: no inputs are kept in {folder}/corpus/{target}")
    return bad


def rule_headers_are_guarded(root):
    """Every header can be included twice."""
    bad = []
    for path in sources(root, (".h",)):
        if not re.search(r"^#ifndef (BATON_\w+_H)\n#define \1$", text_of(root, path), re.MULTILINE):
            bad.append(f"{path}:1: has no include guard BATON_..._H")
    return bad


# ---- rules on what was built ----

def symbols_of(archive, readelf):
    """(defined, undefined) names of a static library. Not nm's: of objects made for optimising across files it reads what
    their compiler noted, and there the functions that a compiler knows, printf() too, are not undefined."""
    out = subprocess.run([readelf, "--symbols", "--wide", archive], check=True, capture_output=True, text=True).stdout
    defined, undefined = set(), set()
    for line in out.splitlines():
        fields = line.split()           # number, value, size, type, binding, visibility, section, name
        if len(fields) >= 8 and fields[4] in ("GLOBAL", "WEAK"):
            (undefined if "UND" in fields[6:-1] else defined).add(fields[-1].split("@")[0])
    return defined, undefined


def core_archives(binary_dir):
    """The libraries of election/ that this build makes; one left over from a room since renamed is none."""
    with open(os.path.join(binary_dir, "build.ninja"), encoding="utf-8") as f:
        made = set(re.findall(r"^build (election/\S+\.a):", f.read(), re.MULTILINE))
    return [os.path.join(binary_dir, path) for path in sorted(made)]


def rule_core_calls_only_what_computes(archives, readelf):
    """The core's libraries need nothing of the system but memory, strings and checksums."""
    tables = {archive: symbols_of(archive, readelf) for archive in archives}
    own = set().union(*(defined for defined, _ in tables.values())) if tables else set()
    bad = []
    for archive, (defined, undefined) in tables.items():
        if not defined or "__gnu_lto_slim" in defined:
            bad.append(f"{os.path.basename(archive)}: shows no symbols, so that it cannot be judged")
        for name in sorted(undefined - own - ELECTION_SYMBOLS):
            if not ELECTION_SYMBOLS_ADDED.fullmatch(name):
                bad.append(f"{os.path.basename(archive)}: calls {name}, which the core may not use")
    return bad


def rule_assertions_stay_on(commands):
    """No file is compiled with NDEBUG. `commands`: the entries of compile_commands.json."""
    return [f"{entry['file']}:1: compiled with NDEBUG, assertions would be off"
            for entry in commands if re.search(r"(^|\s)-DNDEBUG\b", entry["command"])]


TREE_RULES = [
    rule_core_includes_only_computing_headers,
    rule_rooms_form_no_cycle,
    rule_internal_headers_stay_in_their_room,
    rule_plugins_know_only_their_header,
    rule_no_banned_calls,
    rule_core_knows_no_threads,
    rule_no_marks_of_unfinished_work,
    rule_files_hold_one_thing,
    rule_top_level_is_as_designed,
    rule_every_unit_test_is_registered,
    rule_every_fuzzer_is_registered,
    rule_headers_are_guarded,
]
