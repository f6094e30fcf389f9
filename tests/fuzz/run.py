"""Runs the fuzzers of the build in build/fuzz (../../dev builds it).

    run.py list                     the targets, and what each is about
    run.py run TARGET [SECONDS] [-- LIBFUZZER-OPTION…]
                                    fuzzes: goes on from all inputs kept so far, says what came of it
    run.py smoke [SECONDS]          every target over its kept inputs and a few seconds beyond; the canaries
    run.py keep TARGET…             the inputs that matter, found ones included, into corpus/TARGET, none of them twice

Three sets of inputs: seeds written by fuzz_seeds from the real encoders, corpus/TARGET in the repository, and
build/fuzz/corpus/TARGET, which grows while fuzzing. An input that fails is kept in build/fuzz/findings, with the command
that repeats it.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
BUILD = os.path.join(ROOT, "build", "fuzz")
FINDINGS = os.path.join(BUILD, "findings")

# What one input may take: more is a finding too.
TIMEOUT_S = 20
MEMORY_MB = 1024
ALLOCATION_MB = 256
# Bytes of an input; whole conversations need some, and nothing here needs more.
INPUT_BYTES = 8192
# The canaries are found in far less.
CANARY_S = 30
CORPUS_BYTES_MAX = 1 << 20
# Words that an input may need and that nobody guesses: the short strings of these sources.
WORDS_OF = {
    "status_line": ("daemon/engine/status_request.c",),
    "config": ("daemon/common/node_table.c", "daemon/common/node_judge.c", "daemon/common/node_ensemble.c",
               "daemon/engine/engine_config.c"),
    "values": ("daemon/agent/member_value.c", "daemon/agent/group_value.c", "daemon/common/message.c"),
}
SANITIZERS = {
    # Small quarantine and short stacks: the same faults are found, several times as many inputs are tried.
    "ASAN_OPTIONS": "quarantine_size_mb=8:malloc_context_size=12:detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def targets():
    return sorted(name[5:-2] for name in os.listdir(HERE) if name.startswith("fuzz_") and name.endswith(".c"))


def canaries():
    return ["canary_" + kind for kind in ("overflow", "overrun", "leak", "assert")]


def first_sentence(target):
    with open(os.path.join(HERE, f"fuzz_{target}.c"), encoding="utf-8") as f:
        comment = f.read().split("*/")[0].lstrip("/* ")
    text = re.sub(r"\s*\n \*\s*", " ", comment).strip()
    return re.split(r"(?<=[^.]{3}[.:;]) ", text)[0].rstrip(":;.")


def program(target):
    path = os.path.join(BUILD, "bin", "fuzz_" + target)
    if not os.access(path, os.X_OK):
        sys.exit(f"there is no {path}; ./dev fuzz builds it")
    return path


def shown(path):
    return os.path.relpath(path, ROOT)


def kept(target):
    return os.path.join(HERE, "corpus", target)


def grown(target):
    return os.path.join(BUILD, "corpus", target)


class Seeds:
    """Written anew by each run, where no other one that goes on at the same time takes them away."""
    folder = None


def write_seeds():
    Seeds.folder = tempfile.TemporaryDirectory(prefix="seeds-", dir=BUILD)
    subprocess.run([os.path.join(BUILD, "bin", "fuzz_seeds"), Seeds.folder.name], check=True)


def dictionary(target):
    """The option that names the target's words, if it has any."""
    words = set()
    for source in WORDS_OF.get(target, ()):
        with open(os.path.join(ROOT, source), encoding="utf-8") as f:
            words.update(re.findall(r'"([\w.-]{2,24})"', f.read()))
    if not words:
        return []
    path = os.path.join(BUILD, target + ".dict")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f'"{word}"\n' for word in sorted(words))
    return ["-dict=" + path]


def inputs(target):
    return [path for path in (os.path.join(Seeds.folder.name, target), kept(target)) if os.path.isdir(path)]


class Run:
    """One libFuzzer process and what it said."""

    def __init__(self, target, folders, options, findings=FINDINGS):
        os.makedirs(findings, exist_ok=True)
        self.target = target
        command = [program(target), f"-artifact_prefix={findings}/{target}-", f"-timeout={TIMEOUT_S}",
                   f"-rss_limit_mb={MEMORY_MB}", f"-malloc_limit_mb={ALLOCATION_MB}", f"-max_len={INPUT_BYTES}",
                   "-print_final_stats=1", *dictionary(target), *options, *folders]
        began = time.monotonic()
        done = subprocess.run(command, cwd=BUILD, env={**os.environ, **SANITIZERS}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        self.seconds = time.monotonic() - began
        self.text = done.stdout.decode("utf-8", "replace")
        self.failed = done.returncode != 0
        self.executions = self.number(r"stat::number_of_executed_units: (\d+)")
        self.edges = max([int(n) for n in re.findall(r"cov: (\d+)", self.text)] or [0])
        found = re.search(r"Test unit written to (\S+)", self.text)
        self.artifact = found.group(1) if found else None

    def number(self, pattern):
        found = re.search(pattern, self.text)
        return int(found.group(1)) if found else 0

    def line(self):
        return (f"{self.target:<14} {self.executions:>9} inputs  {self.edges:>5} edges  {self.seconds:5.1f} s"
                + ("  FAILED" if self.failed else ""))

    def why(self):
        """The last words of a run that failed, and how to repeat it."""
        log = os.path.join(FINDINGS, self.target + ".log")
        with open(log, "w", encoding="utf-8") as f:
            f.write(self.text)
        telling = [line for line in self.text.split("\n")
                   if re.search(r"ERROR:|SUMMARY:|Assertion|runtime error", line)]
        lines = [f"{self.target}: {line.strip()[:300]}" for line in telling[:4]] or [self.text[-2000:]]
        lines.append(f"    all of it: {shown(log)}")
        if self.artifact:
            lines.append(f"    repeat:    {shown(program(self.target))} {shown(self.artifact)}")
        return "\n".join(lines)


def run(target, seconds, options):
    if target not in targets():
        sys.exit(f"no target '{target}': {', '.join(targets())}")
    write_seeds()
    os.makedirs(grown(target), exist_ok=True)
    result = Run(target, [grown(target), *inputs(target)], [f"-max_total_time={seconds}", "-len_control=20", *options])
    print(result.line())
    if result.failed:
        print(result.why())
    return result.failed


# ---- smoke ----

def smoke_one(target, seconds):
    """New inputs are thrown away: what was worth keeping is found again, or by a longer run."""
    with tempfile.TemporaryDirectory(prefix="baton-fuzz-") as scratch:
        return Run(target, [scratch, *inputs(target)], [f"-max_total_time={seconds}", "-len_control=20"])


def canary_one(target):
    findings = os.path.join(BUILD, "canaries")
    return Run(target, [], [f"-max_total_time={CANARY_S}"], findings)


def corpus_fault():
    size = sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(os.path.join(HERE, "corpus")) for name in names)
    return f"tests/fuzz/corpus has {size} bytes, at most {CORPUS_BYTES_MAX} are wanted" if size > CORPUS_BYTES_MAX else None


def smoke(seconds):
    write_seeds()
    bad = []
    jobs = max(1, min(os.cpu_count() or 1, 4))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # The canaries first: where they are not found nothing else means anything.
        for result in pool.map(canary_one, canaries()):
            found = result.failed and result.artifact
            print(f"{result.target:<14} {'found' if found else 'NOT FOUND'} after {result.seconds:.1f} s")
            if not found:
                bad.append(f"{result.target}: a planted bug was not found: the fuzzers are blind\n{result.text[-1000:]}")
        for result in pool.map(lambda target: smoke_one(target, seconds), targets()):
            print(result.line(), flush=True)
            if result.failed:
                bad.append(result.why())
    if corpus_fault():
        bad.append(corpus_fault())
    for text in bad:
        print(text)
    print("fuzz smoke: " + (f"{len(bad)} FAILED" if bad else "all well"))
    return bool(bad)


# ---- keeping ----

def keep_one(target, merged):
    """What reaches code that the seeds do not; inputs that once failed stay, whatever they reach: they have names."""
    folders = inputs(target)
    seeds = folders[0]
    shutil.copytree(seeds, merged)
    named = [name for name in (os.listdir(kept(target)) if os.path.isdir(kept(target)) else []) if "-" in name]
    for name in named:
        shutil.copy(os.path.join(kept(target), name), merged)
    result = Run(target, [merged, *folders[1:], *([grown(target)] if os.path.isdir(grown(target)) else [])],
                 ["-merge=1", "-use_counters=0"])
    if result.failed:
        sys.exit(result.why())
    for name in os.listdir(seeds):
        os.remove(os.path.join(merged, name))
    shutil.rmtree(kept(target), ignore_errors=True)
    shutil.copytree(merged, kept(target))


def keep(names):
    write_seeds()
    for target in names:
        with tempfile.TemporaryDirectory(prefix="baton-fuzz-") as scratch:
            keep_one(target, os.path.join(scratch, "merged"))
        files = [os.path.join(kept(target), name) for name in os.listdir(kept(target))]
        print(f"{target:<14} {len(files):>4} inputs  {sum(map(os.path.getsize, files)):>7} bytes")
    return False


def seconds_of(word):
    if not word.isdecimal() or int(word) == 0:
        sys.exit(f"'{word}' is no number of seconds")
    return int(word)


def main(words):
    options = words[words.index("--") + 1:] if "--" in words else []
    words = words[:words.index("--")] if "--" in words else words
    if words[:1] == ["list"]:
        for target in targets():
            print(f"  {target:<14} {first_sentence(target)}")
        return 0
    if words[:1] == ["run"] and len(words) in (2, 3):
        return run(words[1], seconds_of(words[2]) if len(words) == 3 else 60, options)
    if words[:1] == ["smoke"] and len(words) <= 2:
        return smoke(seconds_of(words[1]) if len(words) == 2 else 4)
    if words[:1] == ["keep"] and len(words) > 1:
        return keep(targets() if words[1:] == ["all"] else words[1:])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
