# SPDX-License-Identifier: Apache-2.0
"""The rules about C files: layers, banned calls, path calls, sizes, names, format.

Each rule is a function (tree) -> findings. A rule belongs here only with a sample below bad/NAME/
that breaks it: `tests/lint/tree` runs every rule on the tree and on its sample.
"""
import os
import re
import shutil
import subprocess

from source import C_FOLDERS, Finding, code, function_at, functions

HERE = os.path.dirname(os.path.abspath(__file__))
FUNCTION_MAX, FUNCTION_WARN = 100, 60
C_MAX, C_WARN, H_MAX = 1000, 600, 200
MAKEFILE_MAX = 200
BANNED = re.compile(r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|"
                    r"strtol|strtoul|strtoll|strtoull|alloca|system|popen|tmpnam|"
                    r"mktemp|pthread_create)\s*\(")
PATH_CALLS = re.compile(r"\b(open|openat|creat|fopen|opendir|mkdir|mkdirat|mount|umount2?|chmod|"
                        r"fchmodat|chown|lchown|fchownat|rename|renameat2?|unlink|unlinkat|rmdir|"
                        r"symlink|link|truncate|mknod|mknodat|chroot|pivot_root|chdir|readlink|"
                        r"stat|lstat|access)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
PRIVATE = "lib/sys.h"
GUARD = re.compile(r"#\s*ifndef\s+HOY_\w+_H$")
CONDITIONAL = re.compile(r"^\s*#\s*(ifdef|ifndef|if|elif)\b")
BAD_NAMES = re.compile(r"(?:^|/|_)(util|utils|common|misc|helper|helpers)(?:_|\.|/|$)")
TYPEDEF = re.compile(r"^\s*typedef\s+(?:struct|union|enum)\b")
CLANG_FORMAT_MAJOR = "14"


def read_layers():
    with open(os.path.join(HERE, "layers.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return {row[0]: int(row[1]) for row in rows}


def level(layers, path):
    """Level of a file: its own row in layers.tsv, else its folder's, else None."""
    return layers.get(path, layers.get(os.path.dirname(path)))


def include_fault(layers, path, target):
    """Why `path` may not include `target`, or None."""
    folder, other = os.path.dirname(path), os.path.dirname(target)
    if level(layers, target) is None:
        return "%s: includes are written from the top, from a folder of layers.tsv" % target
    mine, theirs = path.split("/")[0], target.split("/")[0]
    if target == PRIVATE and mine != "lib":
        return "%s is for lib only: fs, spawn and msg are built on it, everybody else on those" % target
    if theirs == "lib" or folder == other:
        return None
    if mine == "lib":
        return "lib includes only lib, not %s" % target
    if mine != theirs:
        if other.endswith("/api") and target.endswith("_msg.h"):
            return None
        return "%s includes %s of another program: only its api/*_msg.h is shared" % (mine, target)
    if level(layers, target) > level(layers, path):
        return "%s (level %d) includes upward %s (level %d)" % (path, level(layers, path), target,
                                                                level(layers, target))
    return None


def layering(tree):
    layers = read_layers()
    for path in tree.c_files():
        if level(layers, path) is None:
            yield Finding(path, 1, "its folder is not in tests/lint/layers.tsv")
            continue
        for number, line in enumerate(tree.lines(path), 1):
            m = INCLUDE.match(line)
            fault = include_fault(layers, path, m.group(1)) if m else None
            if fault:
                yield Finding(path, number, fault)


def netlink_only_in_nl(tree):
    for path in tree.c_files():
        if path.startswith("netd/nl/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if re.match(r"\s*#\s*include\s+<linux/(rtnetlink|netfilter/)", line):
                yield Finding(path, number, "netlink is encoded and decoded only in netd/nl")


def banned_calls(tree):
    for path in tree.c_files():
        for number, line in enumerate(code(tree, path).split("\n"), 1):
            for m in BANNED.finditer(line):
                yield Finding(path, number, "%s() is banned" % m.group(1))


def read_path_allow(tree):
    own = os.path.join(tree.root, "tests", "lint", "path-allow.txt")
    allowed = {}
    if os.path.exists(own):
        with open(own, encoding="utf-8") as f:
            for line in f:
                fields = line.split(None, 2)
                if fields and not line.startswith("#"):
                    allowed[tuple(fields[:2])] = fields[2].strip() if len(fields) == 3 else ""
    return allowed


def literal_path(tree, path, number, call, column):
    """True when the path argument of the call is a string literal: nobody else chose it."""
    raw = " ".join(tree.lines(path)[number - 1:number + 2])[column:]
    arguments = raw[raw.index("(") + 1:].split(",")
    place = 1 if call.endswith("at") and call != "stat" and call != "lstat" or call == "mount" else 0
    return len(arguments) > place and arguments[place].strip().startswith('"')


def path_calls(tree):
    allowed = read_path_allow(tree)
    for entry, reason in allowed.items():
        if len(reason) < 10:
            yield Finding("tests/lint/path-allow.txt", 1, "%s %s: no reason given" % entry)
    for path in tree.c_files():
        if re.match(r"lib/(fs[_a-z]*|sys)\.[ch]$", path):
            continue
        for number, line in enumerate(code(tree, path).split("\n"), 1):
            for m in PATH_CALLS.finditer(line):
                before = line[:m.start()]
                # Members, our own functions of that name and declarations are no calls of libc.
                if before.endswith(("->", ".")) or re.search(r"\b(?:int|struct|static)\s+$", before):
                    continue
                if literal_path(tree, path, number, m.group(1), m.start()):
                    continue
                if (path, m.group(1)) not in allowed:
                    where = function_at(tree, path, number)
                    yield Finding(path, number, "%s() in %s: paths are resolved by lib/fs, or the "
                                  "reason stands in tests/lint/path-allow.txt"
                                  % (m.group(1), where or "the file"))


MESSAGE = re.compile(r"\b([A-Z]+_MSG)_([A-Z0-9_]+)\s*(?:=\s*(0x[0-9a-fA-F]+|\d+))?\s*[,}]")


def message_numbers(tree):
    """Two messages of one program with the same number: the second is taken for the first."""
    known = {}
    for path in tree.c_files():
        if not path.endswith("_msg.h") or "/api/" not in path:
            continue
        next_number = 0
        for number, line in enumerate(code(tree, path).split("\n"), 1):
            if re.match(r"\s*enum\b", line):
                next_number = 0
            for m in MESSAGE.finditer(line):
                value = int(m.group(3), 0) if m.group(3) else next_number
                next_number = value + 1
                other = known.setdefault((m.group(1), value), m.group(2))
                if other != m.group(2):
                    yield Finding(path, number, "%s_%s has the number %#x of %s_%s" % (
                        m.group(1), m.group(2), value, m.group(1), other))


def function_length(tree):
    for path in tree.c_files():
        for name, line, length in functions(tree, path):
            if length > FUNCTION_WARN:
                yield Finding(path, line, "%s() has %d lines, the limit is %d (aim: %d)" % (
                    name, length, FUNCTION_MAX, FUNCTION_WARN), length > FUNCTION_MAX)


def file_length(tree):
    for path in tree.c_files():
        count = len(tree.lines(path)) - 1
        limit, warn = (H_MAX, H_MAX) if path.endswith(".h") else (C_MAX, C_WARN)
        if count > warn:
            yield Finding(path, count, "%d lines, the limit is %d" % (count, limit), count > limit)
    if tree.exists("Makefile") and len(tree.lines("Makefile")) > MAKEFILE_MAX:
        yield Finding("Makefile", MAKEFILE_MAX, "over %d lines" % MAKEFILE_MAX)


def file_names(tree):
    for path in tree.paths:
        if BAD_NAMES.search(path) or not re.fullmatch(r"[A-Za-z0-9_.@+/-]+", path):
            yield Finding(path, 1, "no file is named util, common, misc or helpers")


def conditionals(tree):
    for path in tree.c_files():
        if path.startswith("lib/"):
            continue
        for number, line in enumerate(code(tree, path).split("\n"), 1):
            if CONDITIONAL.match(line) and not GUARD.match(line.strip()):
                yield Finding(path, number, "no conditional compilation outside lib/")


def typedefs(tree):
    for path in tree.c_files():
        for number, line in enumerate(code(tree, path).split("\n"), 1):
            if TYPEDEF.match(line):
                yield Finding(path, number, "no typedef of struct, union or enum")


def opening_comment(tree):
    for path in tree.c_files():
        text = tree.text(path)
        if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"):
            yield Finding(path, 1, "the first line is not the SPDX licence line")
        elif path.endswith(".c"):
            m = re.match(r"[^\n]*\n\s*/\*(.*?)\*/", text, re.DOTALL)
            if not m or len(m.group(1)) < 60:
                yield Finding(path, 2, "no opening comment that says what the file owns, which role "
                              "runs it and what it must never do")


def formatted(tree):
    """clang-format finds nothing to change; only by the version that the tree is formatted with."""
    files = [p for p in tree.matching(".c", ".h") if p.split("/")[0] in C_FOLDERS + ("tests",)]
    style = "file:" + os.path.join(os.path.dirname(os.path.dirname(HERE)), ".clang-format")
    for first in range(0, len(files), 40):
        done = subprocess.run(["clang-format", "--dry-run", "-style=" + style]
                              + files[first:first + 40], cwd=tree.root, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        seen = set()
        for m in re.finditer(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*)$",
                             done.stdout.decode("utf-8", "replace"), re.MULTILINE):
            if m.group(1) not in seen:
                seen.add(m.group(1))
                yield Finding(m.group(1), int(m.group(2)), "not formatted: run clang-format -i")


def format_version():
    """Major version of clang-format, None when it is not installed."""
    if shutil.which("clang-format") is None:
        return None
    out = subprocess.run(["clang-format", "--version"], stdout=subprocess.PIPE, check=False)
    m = re.search(r"version (\d+)", out.stdout.decode())
    return m.group(1) if m else None
