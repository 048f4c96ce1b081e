# SPDX-License-Identifier: Apache-2.0
"""The tree as the rules see it: which files there are, and C text without comments and strings."""
import os
import re
import subprocess

TOP_FOLDERS = (".ci", "config", "docs", "engine", "init", "lib", "netd", "qemu", "rootfs", "tests")
C_FOLDERS = ("engine", "init", "lib", "netd")
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


class Finding:
    """One breach of a rule: where and what; `hard` fails the rule, else it is only a note."""

    def __init__(self, path, line, text, hard=True):
        self.path = path
        self.line = line
        self.text = text
        self.hard = hard

    def __str__(self):
        return "%s:%d: %s" % (self.path, self.line, self.text)


class Tree:
    """A checkout, or a sample below bad/ that is laid out like one."""

    def __init__(self, root):
        self.root = root
        self.cache = {}
        self.paths = sorted(self.list())

    def list(self):
        """Paths of files: what git tracks or would track in a checkout, everything in a sample."""
        if os.path.exists(os.path.join(self.root, ".git")):
            out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], cwd=self.root, stdout=subprocess.PIPE,
                                 check=True).stdout.decode()
            for path in out.split("\0"):
                if path and "tests/lint/bad/" not in path and \
                        os.path.isfile(os.path.join(self.root, path)):
                    yield path
            return
        for folder, _, files in os.walk(self.root):
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def matching(self, *endings, under=None):
        for path in self.paths:
            if path.endswith(endings) and (under is None or path.split("/")[0] in under):
                yield path

    def c_files(self):
        return self.matching(".c", ".h", under=C_FOLDERS)

    def text(self, path):
        if path not in self.cache:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
                self.cache[path] = f.read()
        return self.cache[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code(tree, path):
    """The C text with comments and literals blanked; lines keep their numbers."""
    key = path + "\0code"
    if key not in tree.cache:
        tree.cache[key] = TOKEN.sub(blank, tree.text(path))
    return tree.cache[key]


def functions(tree, path):
    """(name, first line, length) of each function of a clang-formatted C file."""
    lines = code(tree, path).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 6):start - 1])
            names = re.findall(r"(\w+)\s*\(", head.rsplit(";", 1)[-1].rsplit("}", 1)[-1])
            if line.rstrip() == "}" and names:
                yield names[0], start, number - start + 1
            start = None


def function_at(tree, path, line):
    """Name of the function around a line, "" outside."""
    for name, start, length in functions(tree, path):
        if start <= line < start + length:
            return name
    return ""
