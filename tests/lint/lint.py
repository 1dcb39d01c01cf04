#!/usr/bin/env python3
"""Rules of the tree that a script can hold. Prints path:line: what is wrong; exits 1.

    tests/lint/lint.py [--rule=NAME ...] [--build=DIR] [--cc=CC] [--cxx=CXX]
    tests/lint/lint.py --self-test

Rules: doors arrows headers names sizes chance threads format log-ids.
Without --rule all of them. --build is where generated headers lie.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

FOLDERS = ("actor", "common", "judge", "launch", "learner", "schemas", "tests")
SOURCES = (".c", ".h", ".cc", ".hh")

# A header of a library outside, and the only files that may include it.
DOORS = [
    (r"zmq\.h", ["common/wire/bus*.c", "common/wire/bus*.h"]),
    (r"lmdb\.h", ["learner/store/db.c"]),
    (r"mpi\.h", ["learner/train/ranks*.c", "learner/train/ranks*.h", "common/base/mpijob.c"]),
    (r"cblas\.h|openblas.*\.h", ["common/nn/mat.c"]),
    (r"(flatbuffers/.*|.*_generated\.h)", ["common/wire/codec*.cc", "common/wire/codec*.hh"]),
    (r"ini\.h", ["common/base/option.c"]),
    (r"curl/.*", ["judge/backends/llm/http.c", "judge/backends/llm/url.c"]),
]

# Who may include whom. The keys are matched longest first.
ARROWS = {
    "common/base": ["common/base"],
    "common/wire": ["common/base", "common/wire"],
    "common/nn": ["common/base", "common/nn"],
    "actor": ["common", "actor"],
    "judge": ["common/base", "common/wire", "judge"],
    "launch": ["common/base", "common/wire", "launch"],
    "learner": ["common", "learner"],
    # The learner's folders are its threads and its path: store <- intake and
    # store <- reward <- train; all may read the two contracts that lie above them.
    "learner/store": ["common", "learner/store", "learner/options.h", "learner/rings.h"],
    "learner/intake": [
        "common", "learner/store", "learner/intake", "learner/options.h", "learner/rings.h",
    ],
    "learner/reward": [
        "common", "learner/store", "learner/reward", "learner/options.h", "learner/rings.h",
    ],
    "learner/train": [
        "common", "learner/store", "learner/reward", "learner/train", "learner/options.h",
        "learner/rings.h",
    ],
}

# Time and chance come from struct clock and struct rng alone, so that a run repeats.
CHANCE = re.compile(
    r"(?<![\w.>])(clock_gettime|gettimeofday|timespec_get|ftime|time|s?rand|s?random|rand_r"
    r"|[dlm]rand48|getrandom|arc4random)\s*\("
)
# The NetHack shim stands in for the game's own time() and random().
CHANCE_MAY = ["common/base/clock.c", "common/base/rng.c", "actor/envs/nethack/shim*.c"]

THREADS = re.compile(r"\b(stdatomic\.h|_Atomic|atomic_\w+|pthread_(mutex|cond|rwlock)\w*|mtx_\w+)\b")
THREADS_MAY = [
    "common/base/ring.c",
    "common/base/log.c",
    "common/base/stop.c",
    "common/base/mem.c",  # counts allocations of all threads
    "common/nn/snapshot.c",  # publishes immutable weights to another thread
    "learner/intake/io_report.c",  # publishes immutable counters to the other thread
    "actor/envs/nethack/*",  # shares a page with the game's process
    "tests/*",
]

MANY = {"main", "options", "options_table"}  # every program has its own


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def sources(root):
    found = []
    for folder in FOLDERS:
        for at, dirs, names in os.walk(os.path.join(root, folder)):
            dirs.sort()
            for name in sorted(names):
                if name.endswith(SOURCES):
                    found.append(os.path.relpath(os.path.join(at, name), root))
    return found


def read(root, path):
    with open(os.path.join(root, path), encoding="latin-1") as f:
        return f.read()


def without_comments(text, keep_strings=False):
    """Comments and, unless kept, what stands in quotes become blanks; lines stay."""

    def blank(m):
        s = m.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s if keep_strings else s[0] + " " * (len(s) - 2) + s[-1]

    return re.sub(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S
    )


def includes(root, path):
    text = without_comments(read(root, path), keep_strings=True)
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
        if m:
            yield n, m.group(1), m.group(2)


def lint_doors(root, options):
    for path in sources(root):
        if path.startswith("tests/"):
            continue
        for line, _, name in includes(root, path):
            for pattern, may in DOORS:
                if re.fullmatch(pattern, name) and not matches(path, may):
                    yield path, line, f"{name} is included only by {', '.join(may)}"


def lint_arrows(root, options):
    for path in sources(root):
        folder = max((k for k in ARROWS if path.startswith(k + "/")), key=len, default=None)
        for line, quote, name in includes(root, path):
            if quote == "<" or name.endswith("_generated.h"):
                continue
            if name.startswith(".") or not os.path.exists(os.path.join(root, name)):
                yield path, line, f'"{name}" is not a path from the top of the tree'
            elif folder and not any(
                name == a or name.startswith(a + "/") for a in ARROWS[folder]
            ):
                yield path, line, f"{folder} may not include {name}"


def lint_headers(root, options):
    """Every header compiles alone and is guarded by its path."""
    flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Wno-psabi", "-Werror", "-D_GNU_SOURCE", "-I", root]
    if options.build:
        flags += ["-I", options.build]
        flags += ["-I", os.path.join(options.build, "schemas")]

    def compile_one(path):
        cxx = path.endswith(".hh")
        std = ["-x", "c++", "-std=c++17"] if cxx else ["-x", "c", "-std=c11"]
        # Included, not compiled, so that `#pragma once`-like warnings do not arise.
        r = subprocess.run(
            [options.cxx if cxx else options.cc, *std, *flags, "-include",
             os.path.join(root, path), os.devnull],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        errors = [e for e in r.stderr.split("\n") if "error:" in e] or r.stderr.split("\n")
        return errors[0] if r.returncode else None

    headers = [p for p in sources(root) if p.endswith((".h", ".hh"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, error in zip(headers, pool.map(compile_one, headers)):
            if error:
                yield path, 1, f"does not compile alone: {error}"
    for path in headers:
        guard = re.sub(r"\W", "_", path).upper()
        if not re.match(rf"#ifndef {guard}\n#define {guard}\n", read(root, path)):
            yield path, 1, f"does not begin with the guard {guard}"


def lint_names(root, options):
    seen = {}
    for path in sources(root):
        name = os.path.basename(path)
        if os.path.splitext(name)[0] not in MANY:
            if name in seen:
                yield path, 1, f"has the name of {seen[name]}; names are unique in the tree"
            seen.setdefault(name, path)


def functions(text):
    """(name, first line, lines) of each function: its braces stand alone in column 0."""
    lines = text.split("\n")
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{":
            start = n
        elif line == "}" and start is not None:
            head = n_head = start - 1
            while n_head > 0 and not re.match(r"[A-Za-z_]", lines[n_head - 1]):
                n_head -= 1
            m = re.search(r"(\w+)\(", lines[n_head - 1]) if n_head else None
            yield (m.group(1) if m else "?"), head, lines[start - 1 : n]
            start = None


def is_table(body):
    rows = sum(
        1
        for line in body
        if re.match(r"\s*(\{.*|case .*|return .*|[\w.\"&(){}\[\], :=+*-]+,|.*\},?)$", line)
    )
    return rows * 2 >= len(body)


def lint_sizes(root, options):
    for path in sources(root):
        text = read(root, path)
        count = text.count("\n")
        most = 150 if path.endswith((".h", ".hh")) else 600
        if count > most:
            yield path, count, f"{count} lines; the ceiling is {most}"
        if path.endswith((".c", ".cc")):
            for name, line, body in functions(without_comments(text)):
                roomy = path.startswith("common/nn/") or is_table(body)
                if len(body) > (120 if roomy else 70):
                    yield path, line, (
                        f"{name}() has {len(body)} lines; the ceiling is 70"
                        " (120 in common/nn and for tables)"
                    )


def search(root, pattern, may, what):
    for path in sources(root):
        if matches(path, may):
            continue
        for n, line in enumerate(without_comments(read(root, path)).split("\n"), 1):
            m = pattern.search(line)
            if m:
                yield path, n, f"{m.group(1)}: {what}"


def lint_chance(root, options):
    return search(
        root, CHANCE, CHANCE_MAY, "time comes from common/base/clock.h, chance from rng.h"
    )


def lint_threads(root, options):
    return search(
        root, THREADS, THREADS_MAY, "no lock or atomic outside " + ", ".join(THREADS_MAY[:-1])
    )


def lint_format(root, options):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        yield ".clang-format", 1, "clang-format is not installed (sh launch/setup.sh)"
        return
    if not os.path.exists(os.path.join(root, ".clang-format")):
        yield ".clang-format", 1, "is missing"
        return
    r = subprocess.run(
        [tool, "--dry-run", "-Werror", "--ferror-limit=1", *sources(root)],
        cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    for m in re.finditer(r"^(\S+?):(\d+):\d+: error:", r.stderr, flags=re.M):
        yield m.group(1), int(m.group(2)), "is not as clang-format -i leaves it"


def lint_log_ids(root, options):
    """Every id in a log line stands in launch/README.md, and no other."""
    table = "launch/README.md"
    listed = {}
    if os.path.exists(os.path.join(root, table)):
        for n, line in enumerate(read(root, table).split("\n"), 1):
            m = re.match(r"\|\s*`?([A-Z0-9]+(?:-[A-Z0-9]+)+)`?\s*\|", line)
            if m:
                listed[m.group(1)] = n
    used = set()
    for path in sources(root):
        if path.startswith("tests/"):
            continue
        text = without_comments(read(root, path), keep_strings=True)
        for m in re.finditer(r"\b(?:LOG_\w+\(|log_line\([^,]+,)\s*\"([^\"]+)\"", text):
            used.add(m.group(1))
            if m.group(1) not in listed:
                line = text.count("\n", 0, m.start()) + 1
                yield path, line, f"log id {m.group(1)} is not in the table of {table}"
    for name, line in listed.items():
        if name not in used:
            yield table, line, f"log id {name} is written by no program"


RULES = {
    "doors": lint_doors,
    "arrows": lint_arrows,
    "headers": lint_headers,
    "names": lint_names,
    "sizes": lint_sizes,
    "chance": lint_chance,
    "threads": lint_threads,
    "format": lint_format,
    "log-ids": lint_log_ids,
}


def run(root, rules, options):
    wrong = 0
    for rule in rules:
        for path, line, what in RULES[rule](root, options):
            print(f"{path}:{line}: {rule}: {what}")
            wrong += 1
    return wrong


GUARDED = "#ifndef {0}\n#define {0}\n{1}#endif\n"
LONG = "void f(void);\nvoid f(void)\n{\n" + "    f();\n" * 70 + "}\n"
TABLE = "int x[] = {0};\nvoid f(void);\nvoid f(void)\n{\n" + "    {1, 2},\n" * 70 + "}\n"

# (rule, path, text, is it wrong)
PLANTED = [
    ("doors", "actor/a.c", "#include <zmq.h>\n", True),
    ("doors", "common/wire/bus_zmq.c", "#include <zmq.h>\n", False),
    ("doors", "learner/store/replay.c", "#include <lmdb.h>\n", True),
    ("doors", "learner/store/db.c", "#include <lmdb.h>\n", False),
    ("doors", "learner/main.c", "#include <mpi.h>\n", True),
    ("doors", "common/nn/conv.c", "#include <cblas.h>\n", True),
    ("doors", "common/wire/bus.c", '#include "schemas/segment_generated.h"\n', True),
    ("doors", "judge/options.c", "#include <ini.h>\n", True),
    ("doors", "judge/b.c", "// #include <ini.h>\n", False),
    ("arrows", "common/base/a.c", '#include "common/wire/x.h"\n', True),
    ("arrows", "common/nn/a.c", '#include "common/wire/x.h"\n', True),
    ("arrows", "judge/a.c", '#include "common/nn/x.h"\n', True),
    ("arrows", "actor/a.c", '#include "learner/rings.h"\n', True),
    ("arrows", "actor/a.c", '#include "common/nn/x.h"\n', False),
    ("arrows", "learner/train/a.c", '#include "learner/intake/x.h"\n', True),
    ("arrows", "learner/train/a.c", '#include "learner/reward/x.h"\n', False),
    ("arrows", "learner/intake/a.c", '#include "learner/reward/x.h"\n', True),
    ("arrows", "learner/store/a.c", '#include "learner/train/x.h"\n', True),
    ("arrows", "learner/store/a.c", '#include "learner/rings.h"\n', False),
    ("arrows", "learner/main.c", '#include "learner/intake/x.h"\n', False),
    ("arrows", "judge/a.c", '#include "../common/base/x.h"\n', True),
    ("headers", "judge/a.h", GUARDED.format("JUDGE_A_H", "size_t f(void);\n"), True),
    ("headers", "judge/a.h", GUARDED.format("JUDGE_B_H", "int f(void);\n"), True),
    ("headers", "judge/a.h", GUARDED.format("JUDGE_A_H", "int f(void);\n"), False),
    ("names", "judge/x.h", "", True),
    ("names", "judge/main.c", "", False),
    ("sizes", "judge/a.c", LONG, True),
    ("sizes", "common/nn/a.c", LONG, False),
    ("sizes", "judge/a.c", TABLE, False),
    ("sizes", "judge/a.c", "\n" * 601, True),
    ("sizes", "judge/a.h", "\n" * 151, True),
    ("chance", "judge/a.c", "int x = rand();\n", True),
    ("chance", "judge/a.c", "long x = time(NULL);\n", True),
    ("chance", "judge/a.c", 'clock_gettime(0, &t); // "\n', True),
    ("chance", "judge/a.c", '// rand()\nchar *x = "time()"; x_time(); c->time(c);\n', False),
    ("chance", "actor/envs/nethack/shim.c", "long x = time(0);\n", False),
    ("threads", "judge/a.c", "pthread_mutex_t m;\n", True),
    ("threads", "common/base/ring.c", "#include <stdatomic.h>\n", False),
    ("format", "judge/a.c", "int  x;\n", True),
    ("format", "judge/a.c", "int x;\n", False),
    ("log-ids", "judge/a.c", 'LOG_WARN("JUDGE-NEW",\n "x");\n', True),
    ("log-ids", "judge/a.c", 'LOG_WARN("JUDGE-OLD", "x");\n', False),
    ("log-ids", "launch/README.md", "| `JUDGE-OLD` | x |\n| `JUDGE-GONE` | x |\n", True),
]


def self_test(root, options):
    """Each planted violation is found, and each permitted twin is not."""
    failed = 0
    for rule, path, text, wrong in PLANTED:
        with tempfile.TemporaryDirectory() as tree:

            def put(name, content):
                os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
                with open(os.path.join(tree, name), "w") as f:
                    f.write(content)

            for folder in ("common/base", "common/wire", "common/nn", "learner/intake",
                           "learner/reward", "learner/train"):
                put(folder + "/x.h", "")
                if rule in ("headers", "names"):
                    os.remove(os.path.join(tree, folder, "x.h"))
            put("learner/rings.h", GUARDED.format("LEARNER_RINGS_H", ""))
            put("actor/main.c", "int x;\n")
            if rule == "names":
                put("actor/x.h", "")
            put("launch/README.md", "| `JUDGE-OLD` | what to do |\n")
            if path == "launch/README.md":
                put("judge/b.c", 'LOG_WARN("JUDGE-OLD", "x");\n')
            elif rule == "log-ids":
                put("judge/b.c", 'LOG_WARN("JUDGE-OLD", "x");\n')
            shutil.copy(os.path.join(root, ".clang-format"), tree)
            put(path, text)
            found = list(RULES[rule](tree, options))
            if bool(found) != wrong:
                print(f"self-test: {rule}: {path} {text[:60]!r} gave {found[:3]}")
                failed += 1
    print(f"self-test: {len(PLANTED) - failed} of {len(PLANTED)} as expected")
    return failed


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rule", action="append", choices=sorted(RULES), default=[])
    p.add_argument("--source", default=os.path.dirname(os.path.dirname(here)))
    p.add_argument("--build", help="build directory, for generated headers")
    p.add_argument("--cc", default="cc")
    p.add_argument("--cxx", default="c++")
    p.add_argument("--self-test", action="store_true")
    options = p.parse_args()
    if options.self_test:
        return 1 if self_test(options.source, options) else 0
    rules = options.rule or list(RULES)
    return 1 if run(options.source, rules, options) else 0


if __name__ == "__main__":
    sys.exit(main())
