"""The project obeys its house rules, and each rule notices a violation planted for it.

Run by ctest as `house`; by hand: ./dev test house. BATON_BINARY_DIR and BATON_READELF come from CMake; without
a build the rules on sources are still applied, and those on libraries fail.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import compatibility
import limits
import rules

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BINARY_DIR = os.environ.get("BATON_BINARY_DIR", os.path.join(ROOT, "build", "release"))
READELF = os.environ.get("BATON_READELF", "readelf")
RULES = rules.TREE_RULES + compatibility.RULES + [limits.rule_limits_are_explained, limits.rule_limits_page_is_current]
OPCODES = "enum opcode {\n        OP_CREATE = 1,\n        OP_CREATE_SESSION = -10,\n};"
SETTINGS = '{"ensemble", "tick_time", SETTING_NUMBER, RAW(tick_time), 10, 600000, "2000", "milliseconds"},\n'
GUARDED = "/* x */\n#ifndef BATON_X_H\n#define BATON_X_H\n{}\n#endif\n"

# rule -> trees {path: text} in which it must find exactly one violation.
PLANTED = {
    rules.rule_core_includes_only_computing_headers: [
        {"election/vote/vote.c": "#include <sys/socket.h>\n"},
        {"election/vote/vote.c": "#include <time.h>\n"},
        {"election/vote/vote.c": "#include <pthread.h>\n"},
        {"election/vote/vote.c": "#  include <uv.h>\n"},
        {"election/vote/vote.h": "#include <systemd/sd-daemon.h>\n"},
        {"election/vote/vote.c": "#include <fcntl.h>\n"},
        {"election/vote/vote.c": '#include "daemon/common/config.h"\n'},
        {"election/vote/vote.c": '#include "vote.h"\n'},
    ],
    rules.rule_rooms_form_no_cycle: [
        {"election/a/a.h": '#include "election/b/b.h"\n', "election/b/b.h": '#include "election/a/a.h"\n'},
        {"election/a/a.c": '#include "election/b/b.h"\n', "election/b/b.h": '#include "election/c/c.h"\n',
         "election/c/c.c": '#include "election/a/a.h"\n'},
    ],
    rules.rule_internal_headers_stay_in_their_room: [
        {"election/zab/leader.c": '#include "election/vote/vote_internal.h"\n'},
        {"tests/unit/zab/test_leader.c": '#include "election/vote/vote_internal.h"\n'},
    ],
    rules.rule_plugins_know_only_their_header: [
        {"plugins/unit.c": '#include "daemon/common/log.h"\n'},
    ],
    rules.rule_no_banned_calls: [
        {"daemon/engine/main.c": f"void f(void)\n{{\n        {name}(x);\n}}\n"} for name in rules.BANNED_CALLS
    ] + [
        {"election/vote/vote.c": "        x = strcpy (a, b);\n"},
        {"tests/unit/vote/test_vote.c": "        (void)sprintf(a, b);\n"},
    ],
    rules.rule_core_knows_no_threads: [
        {"election/tree/tree.c": "static _Thread_local int last;\n"},
        {"election/vote/vote.c": "static __thread int last;\n"},
    ],
    rules.rule_no_marks_of_unfinished_work: [
        {"election/vote/vote.c": f"/* {mark}: later */\n"} for mark in rules.MARKS
    ] + [
        {"dev": f"# {rules.MARKS[0]}\n"},
        {".ci/run": f"# {rules.MARKS[1]}\n"},
        {"docs/architecture.md": f"{rules.MARKS[0]}\n"},
    ],
    rules.rule_files_hold_one_thing: [
        {"election/vote/vote.c": "\n" * (rules.LINES_MAX + 1)},
        {"tests/interop/test_mixed.py": "\n" * (rules.LINES_MAX + 1)},
        {"dev": "\n" * (rules.LINES_MAX + 1)},
    ],
    rules.rule_top_level_is_as_designed: [
        {"scripts/run.sh": "\n"},
        {"notes.md": "\n"},
    ],
    rules.rule_every_unit_test_is_registered: [
        {"tests/unit/vote/test_tally.c": "\n", "tests/unit/vote/CMakeLists.txt": "baton_unit_test(vote/test_channel)\n"},
        {"tests/unit/vote/test_tally.c": "\n"},
    ],
    rules.rule_every_fuzzer_is_registered: [
        {"tests/fuzz/fuzz_jute.c": "\n"},
        {"tests/fuzz/fuzz_jute.c": "\n", "tests/fuzz/CMakeLists.txt": "baton_fuzz(jute_x DEPENDS baton_jute)\n",
         "tests/fuzz/corpus/jute/a": "\n"},
        {"tests/fuzz/fuzz_jute.c": "\n", "tests/fuzz/CMakeLists.txt": "baton_fuzz(jute DEPENDS baton_jute)\n"},
    ],
    rules.rule_headers_are_guarded: [
        {"election/vote/vote.h": "struct vote;\n"},
        {"daemon/common/log.h": "#ifndef BATON_A_H\n#define BATON_B_H\n#endif\n"},
    ],
    compatibility.rule_compatibility_names_every_opcode: [
        {"election/jute/record.h": GUARDED.format(OPCODES), "docs/compatibility.md": "| 1 | create | works |\n"},
        {"election/jute/record.h": GUARDED.format(OPCODES), "docs/compatibility.md": "| -10 | createSession | works |\n"},
    ],
    compatibility.rule_compatibility_names_every_setting: [
        {"daemon/engine/engine_config.c": SETTINGS, "docs/compatibility.md": "| tickTime | works | `tick` |\n"},
    ],
    compatibility.rule_compatibility_has_three_verdicts: [
        {"docs/compatibility.md": "| word | here |\n| --- | --- |\n| srvr | works |\n| stat | mostly |\n"},
    ],
    limits.rule_limits_are_explained: [
        {"election/vote/vote.h": "/* Peers. */\n#define VOTE_PEERS_MAX 9\n\n#define VOTE_FRAME_MAX 512\n"},
    ],
    limits.rule_limits_page_is_current: [
        {"election/vote/vote.h": "/* Peers. */\n#define VOTE_PEERS_MAX 9\n", "docs/limits.md": "# Limits\n"},
        {"election/vote/vote.h": "/* Peers. */\n#define VOTE_PEERS_MAX 9\n"},
    ],
}

# A tree that breaks no rule, though it comes near.
CLEAN = {
    "CMakeLists.txt": "project(x)\n",
    ".hidden": "\n",
    "election/vote/vote.h": GUARDED.format('#include "election/base/blob.h"\n#include <stdint.h>'),
    "election/vote/vote.c": '/* never call strcpy(a, b) */\n#include "election/vote/vote_internal.h"\n'
                            'const char *s = "system(1)"; int my_gets(int x); int y = ctx->system(1);\n',
    "election/base/blob.h": GUARDED.format("#include <string.h>"),
    "tests/unit/vote/test_vote.c": '#include "election/vote/vote_internal.h"\n#include <time.h>\n',
    "tests/unit/vote/CMakeLists.txt": "baton_unit_test(vote/test_vote DEPENDS baton_vote)\n",
    "tests/fuzz/fuzz_vote.c": '#include "election/vote/vote_internal.h"\n',
    "tests/fuzz/CMakeLists.txt": "baton_fuzz(vote DEPENDS baton_vote)\n",
    "tests/fuzz/corpus/vote/a": "\n",
    "daemon/engine/loop.c": "#include <uv.h>\n#include <sys/socket.h>\n",
    "election/jute/record.h": GUARDED.format(OPCODES),
    "daemon/engine/engine_config.c": SETTINGS,
    "docs/compatibility.md": "| opcode | here |\n| --- | --- |\n| 1 | works |\n| −10 | not there |\n\n| a | b |\n| --- | --- |\n"
                             "| tickTime | `tick_time` |\n",
    "plugins/unit.c": '#include "plugins/baton/plugin.h"\n#include <systemd/sd-bus.h>\n',
}


class Tree:
    """A source tree made for one test."""

    def __init__(self, files):
        self.root = tempfile.mkdtemp(prefix="baton-house-")
        for path, text in files.items():
            full = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)

    def __enter__(self):
        return self.root

    def __exit__(self, *_):
        shutil.rmtree(self.root)


class ProjectObeys(unittest.TestCase):
    def obeys(self, bad):
        if bad:
            self.fail("\n" + "\n".join(bad))

    def test_core_libraries_call_only_what_computes(self):
        archives = rules.core_archives(BINARY_DIR)
        self.assertIn("libbaton_base.a", [os.path.basename(a) for a in archives], f"no core built in {BINARY_DIR}")
        self.obeys(rules.rule_core_calls_only_what_computes(archives, READELF))

    def test_assertions_stay_on(self):
        with open(os.path.join(BINARY_DIR, "compile_commands.json"), encoding="utf-8") as f:
            self.obeys(rules.rule_assertions_stay_on(json.load(f)))


def project_test(rule):
    return lambda self: self.obeys(rule(ROOT))


for each in RULES:
    setattr(ProjectObeys, each.__name__.replace("rule_", "test_"), project_test(each))


class RulesNotice(unittest.TestCase):
    def test_every_rule_has_a_planted_violation(self):
        self.assertEqual(set(PLANTED), set(RULES))

    def test_each_planted_violation_is_noticed(self):
        for rule, trees in PLANTED.items():
            for files in trees:
                with self.subTest(rule=rule.__name__, files=list(files)), Tree(files) as root:
                    self.assertEqual(len(rule(root)), 1, rule(root))

    def test_a_clean_tree_passes(self):
        with Tree(CLEAN) as root:
            for rule in RULES:
                with self.subTest(rule=rule.__name__):
                    self.assertEqual(rule(root), [])

    def test_all_source_files_are_seen(self):
        seen = rules.sources(ROOT)
        for path in ("dev", ".ci/run", "CMakeLists.txt", "README.md", "tests/house/rules.py", "election/base/blob.h"):
            self.assertIn(path, seen)

    def test_limits_are_read_with_their_comments(self):
        text = ("/* Bytes of\n * a frame. */\n#define A_FRAME_MAX (8u << 20)\n"
                "#define A_WAIT_MS 0x10 /* until it is given up */\n#define A_KEY (-1)\n")
        found = [(l.name, l.value, l.meaning) for l in limits.limits_of(text, "a.h")]
        self.assertEqual(found, [("A_FRAME_MAX", "8 MiB", "Bytes of a frame."), ("A_WAIT_MS", "16", "until it is given up")])

    def test_ndebug_is_noticed(self):
        self.assertEqual(len(rules.rule_assertions_stay_on([{"file": "a.c", "command": "cc -O2 -DNDEBUG -c a.c"}])), 1)
        self.assertEqual(rules.rule_assertions_stay_on([{"file": "a.c", "command": "cc -UNDEBUG -c a.c"}]), [])


class SymbolRuleNotices(unittest.TestCase):
    """Compiles a line, makes a library of it, and looks at it as at the core's."""

    def violations(self, code, *options):
        with Tree({"core.c": code}) as root:
            run = lambda *command: subprocess.run(command, cwd=root, check=True)
            run("cc", "-w", "-O1", *options, "-c", "core.c", "-o", "core.o")
            run("ar", "rc", "libcore.a", "core.o")
            return rules.rule_core_calls_only_what_computes([os.path.join(root, "libcore.a")], READELF)

    def test_system_calls_and_clocks_are_noticed(self):
        for name in ("rand", "random", "getrandom", "time", "clock_gettime", "open", "read", "write", "fopen", "printf",
                     "socket", "pthread_create", "pthread_mutex_lock", "uv_run", "sd_notify", "getenv", "exit"):
            with self.subTest(name=name):
                bad = self.violations(f"void {name}(void); void core(void) {{ {name}(); }}\n")
                self.assertEqual(len(bad), 1, bad)
                self.assertIn(f"calls {name},", bad[0])

    def test_fat_objects_hide_nothing(self):
        bad = self.violations('int printf(const char *, ...); void core(int n) { printf("%d", n); }\n', "-flto",
                              "-ffat-lto-objects")
        self.assertEqual(len(bad), 1, bad)
        self.assertIn("calls printf,", bad[0])

    def test_objects_that_cannot_be_judged_are_noticed(self):
        self.assertEqual(len(self.violations("void core(void) { }\n", "-flto", "-fno-fat-lto-objects")), 1)

    def test_computing_is_let_through(self):
        code = ("void *memcpy(void *, const void *, unsigned long); void *malloc(unsigned long); void abort(void);\n"
                "static void own(void *p) { if (!p) abort(); }\n"
                "void core(void *a, void *b, unsigned long n) { void *p = malloc(n); own(p); memcpy(a, b, n); }\n")
        self.assertEqual(self.violations(code), [])


if __name__ == "__main__":
    unittest.main()
