# SPDX-License-Identifier: Apache-2.0
"""The rules about everything that is not C: READMEs, words, scripts, man pages, the trace table."""
import ast
import os
import re
import subprocess

from source import TOP_FOLDERS, Finding, code

HERE = os.path.dirname(os.path.abspath(__file__))
README_MAX = 60
SOURCE_ENDINGS = (".c", ".h", ".py", ".sh", ".ini", ".5", ".8", ".config")
BINARY_ENDINGS = (".svg", ".png", ".gz", ".tar", ".zst", ".pem", ".bin")
WORDS_FREE = ("tests/lint/words.txt", "tests/lint/bad/")


def readmes(tree):
    """Each folder of sources has a README.md of at most 60 lines (test areas share tests/unit's)."""
    folders = {os.path.dirname(p) for p in tree.paths if p.endswith(SOURCE_ENDINGS)}
    for folder in sorted(folders):
        if re.match(r"tests/(unit|fuzz|golden|ns)/|config/demo/hello|tests/lint/bad", folder):
            continue
        if folder.split("/")[0] in TOP_FOLDERS and not tree.exists(folder + "/README.md"):
            yield Finding(folder + "/README.md", 1, "missing: map, layers, invariants, how to add")
    for path in tree.matching("README.md"):
        count = len(tree.lines(path)) - 1
        if path != "README.md" and count > README_MAX:
            yield Finding(path, count, "%d lines, the limit is %d" % (count, README_MAX))


def read_words():
    with open(os.path.join(HERE, "words.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                pattern, why = line.rstrip("\n").split("\t")
                yield re.compile(pattern), why


def words(tree):
    found = list(read_words())
    for path in tree.paths:
        if path.startswith(WORDS_FREE) or path.endswith(BINARY_ENDINGS) or "/corpus/" in path:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            for pattern, why in found:
                m = pattern.search(line)
                if m:
                    yield Finding(path, number, "%r: %s" % (m.group(0), why))


def shebang(tree, path):
    with open(os.path.join(tree.root, path), "rb") as f:
        line = f.readline(80)
    return line.decode("ascii", "replace") if line.startswith(b"#!") else ""


def scripts(tree):
    """sh -n for shell scripts, a parse for Python ones, the licence line in both."""
    for path in tree.paths:
        if path.split("/")[0] not in TOP_FOLDERS or "/corpus/" in path:
            continue
        head = shebang(tree, path)
        if path.endswith(".py") or "python" in head:
            try:
                ast.parse(tree.text(path), path)
            except SyntaxError as e:
                yield Finding(path, e.lineno or 1, "python: %s" % e.msg)
        elif path.endswith(".sh") or re.search(r"/(ba)?sh\b", head):
            shell = "bash" if "bash" in head else "sh"
            done = subprocess.run([shell, "-n", path], cwd=tree.root, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                yield Finding(path, 1, done.stdout.decode("utf-8", "replace").strip())
        else:
            continue
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(tree.lines(path)[:2]):
            yield Finding(path, 1, "no SPDX licence line at the top")


def schema_keys(tree, path):
    """(file, section, key, line) of the struct ini_key tables of one C file."""
    text = tree.text(path)
    tables = {m.group(2): m.group(1) for m in re.finditer(
        r"struct ini_schema\s+\w+\s*=\s*\{\s*(?:\.file\s*=\s*)?\"(\w+)\",\s*(?:\.keys\s*=\s*)?(\w+)",
        text)}
    for m in re.finditer(r"struct ini_key\s+(\w+)\[\]\s*=\s*\{(.*?)\n\};", text, re.DOTALL):
        for k in re.finditer(r"\.section\s*=\s*\"(\w+)\",\s*\.key\s*=\s*\"([^\"]+)\"|"
                             r"\{\s*\"(\w+)\",\s*\"([^\"]+)\",", m.group(2)):
            line = text[:m.start(2) + k.start()].count("\n") + 1
            yield (tables.get(m.group(1)), k.group(1) or k.group(3), k.group(2) or k.group(4), line)


def page_of(tree, file):
    """Path of the man page of FILE.ini, wherever it stands; where it should when there is none."""
    names = ("hoy-%s.5" % file, "%s.ini.5" % file)
    for path in tree.matching(".5"):
        if os.path.basename(path) in names:
            return path
    return "config/hoy-%s.5" % file


def man_pages(tree):
    """Every key of a schema table stands in its file's man page, and there is at least one table."""
    count = 0
    missing = set()
    for path in tree.matching(".c", under=("engine", "init", "netd")):
        if "struct ini_key" not in code(tree, path):
            continue
        for file, section, key, line in schema_keys(tree, path):
            count += 1
            page = page_of(tree, file)
            if file is None:
                yield Finding(path, line, "no struct ini_schema names the table of %s" % key)
            elif not tree.exists(page):
                if page not in missing:
                    yield Finding(page, 1, "missing: %s.ini has no man page" % file)
                missing.add(page)
            else:
                word = key[:-2] if key.endswith(".*") else key
                if not re.search(r"(?<![\w.])%s(?![\w])" % re.escape(word), tree.text(page)):
                    yield Finding(page, 1, "[%s] %s is not described" % (section, key))
    if count == 0:
        yield Finding("engine/service/schema.c", 1, "no schema table was found")


def trace(tree):
    """Each row of tests/trace.tsv names a test program that exists and holds the test's name."""
    path = "tests/trace.tsv"
    rows = [(n, line.split("\t")) for n, line in enumerate(tree.lines(path), 1)
            if line and not line.startswith("#")] if tree.exists(path) else []
    if not rows:
        yield Finding(path, 1, "missing or empty")
    for number, row in rows:
        if len(row) != 3 or ":" not in row[2]:
            yield Finding(path, number, "a row is: issue, sentence, SUITE/PROGRAM:TEST NAME")
            continue
        program, name = row[2].split(":", 1)
        source = next((s for s in ("tests/" + program, "tests/%s.c" % program) if tree.exists(s)),
                      None)
        if program.startswith("torture/"):
            yield Finding(path, number, "%s: not a part of `make test`, which has to run it" % program)
        elif source is None:
            yield Finding(path, number, "%s: no such test program" % program)
        elif (name[:-len(" holds")] if program == "lint/tree" else name) not in tree.text(source):
            yield Finding(path, number, "%s: has no test %r" % (source, name))
