"""The manual pages say what the programs do: every command, every option and every setting that --help knows stands in
the page of it, with no other names beside them, and groff has nothing to object to.

The programs are those of this build.
"""
import json
import os
import re
import subprocess
import unittest
from pathlib import Path

BINARY_DIR = Path(os.environ["BATON_BINARY_DIR"])
MAN = Path(__file__).resolve().parents[2] / "docs" / "man"
PLUGINS = ("unit", "process", "exec", "file")


def output_of(*command):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout


def page(name):
    return (MAN / name).read_text(encoding="utf-8")


def long_options(text):
    return set(re.findall(r"--([a-z][a-z-]+)", text))


def page_options(name):
    return {name[1:] for name in re.findall(r"(?<=Fl )(-[a-z][a-z-]+)", page(name))}


def help_settings(text):
    """{section: keys} of the tables in --help; what is no key (the rest of a plugin's section) is left out."""
    found, section = {}, None
    for line in text.splitlines():
        head = re.fullmatch(r"\[([^\]]+)\]", line)
        row = re.match(r"  ([a-z][A-Za-z_.]*) ", line)
        if head:
            section = found.setdefault(head.group(1).split()[0], set())
        elif row and section is not None:
            section.add(row.group(1))
    return found


def page_settings(text):
    """{section: keys} of baton.conf(5): the items below each .Ss."""
    found, keys = {}, set()
    for line in text.splitlines():
        section = re.match(r"\.Ss (?:Bq (\w+)|module = (\w+))", line)
        item = re.match(r"\.It (Ic .*)", line)
        if section:
            keys = found.setdefault(section.group(1) or "module " + section.group(2), set())
        elif item:
            keys.update(re.findall(r"Ic ([\w.]+)", item.group(1)))
    return found


class ManualPages(unittest.TestCase):
    def test_every_command_of_batonctl(self):
        told = output_of(BINARY_DIR / "bin" / "batonctl", "--help")
        commands = re.findall(r"^  ([a-z]+) ", told.split("Options:")[0], re.MULTILINE)
        self.assertGreater(len(commands), 10)
        written = [m.split()[0] for m in re.findall(r"^\.It Cm (.*)", page("batonctl.1"), re.MULTILINE)]
        self.assertEqual(sorted(written), sorted(commands))

    def test_letters_of_each_command(self):
        told = output_of(BINARY_DIR / "bin" / "batonctl", "--help").split("Options:")[0]
        for command, rest in re.findall(r"^  ([a-z]+) (.*)", told, re.MULTILINE):
            item = re.search(r"^\.It Cm %s\b(.*)" % command, page("batonctl.1"), re.MULTILINE).group(1)
            with self.subTest(command=command):
                self.assertEqual(set(re.findall(r"Fl ([a-zA-Z])", item)), set(re.findall(r"-([a-zA-Z])\b", rest)))

    def test_every_option(self):
        for program, name in (("batonctl", "batonctl.1"), ("batond", "batond.8")):
            with self.subTest(program=program):
                told = output_of(BINARY_DIR / "bin" / program, "--help")
                self.assertEqual(page_options(name), long_options(told))

    def test_every_setting(self):
        told = help_settings(output_of(BINARY_DIR / "bin" / "batond", "--help"))
        written = page_settings(page("baton.conf.5"))
        self.assertEqual(set(told), {"node", "ensemble", "supervisor", "engine", "agent", "group", "plugin"})
        for section, keys in told.items():
            with self.subTest(section=section):
                self.assertEqual(written[section], keys)

    def test_every_setting_of_the_plugins(self):
        written = page_settings(page("baton.conf.5"))
        for name in PLUGINS:
            with self.subTest(plugin=name):
                module = BINARY_DIR / "plugins" / (name + ".so")
                told = json.loads(output_of(BINARY_DIR / "bin" / "batonctl", "plugins", module, "--json"))
                self.assertEqual(told["name"], name)
                self.assertEqual(written["module " + name], {s["name"] for s in told["settings"]})

    def test_groff_has_no_warning(self):
        for path in sorted(MAN.iterdir()):
            with self.subTest(page=path.name):
                done = subprocess.run(["groff", "-mdoc", "-ww", "-Tutf8", "-z", str(path)], stderr=subprocess.PIPE, text=True,
                                      check=True, timeout=30)
                self.assertEqual(done.stderr, "")


class PluginsModule(unittest.TestCase):
    """batonctl plugins MODULE, which the pages send their readers to."""

    def ctl(self, *arguments, status=0):
        done = subprocess.run([str(BINARY_DIR / "bin" / "batonctl"), *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=30)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_settings_are_shown_with_range_default_and_need(self):
        text = self.ctl("plugins", BINARY_DIR / "plugins" / "process.so")
        self.assertRegex(text, r"\n  command +program and arguments.*; must be given\n")
        self.assertRegex(text, r"\n  stop_timeout +milliseconds.*; 0\.\.3600000; default 2000\n")

    def test_what_is_not_there_or_no_plugin_is_status_1(self):
        self.assertIn("/nowhere/x.so", self.ctl("plugins", "/nowhere/x.so", status=1))
        self.assertIn("README.md", self.ctl("plugins", MAN.parents[1] / "README.md", status=1))

    def test_the_configuration_says_where_modules_are(self):
        self.assertIn("no such file", self.ctl("--config", "/nowhere/baton.conf", "plugins", "unit", status=2).lower())


if __name__ == "__main__":
    unittest.main()
