#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each defence of the runtime switched off by itself, in programs built for it: the test that is
named after it has to fail then, for what it says, and to pass in the same programs with all on."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, tap  # noqa: E402

MUTANT = os.path.join(BUILD, "x86_64/mutant")
PRODUCT = os.path.join(BUILD, "x86_64/bin")
PROGRAMS = {"HOY_OCI": "hoy-oci", "RUN_SHIM": "shim", "RUN_TOOL": "run_tool",
            "RUN_DIRECT": "run_direct", "ENGINE": "files"}
SWITCH = "HOY_DEFENCE_OFF"
LIMIT_S = 300
# Starts of a race without its defence, which ends with the first that the attacker wins.
ATTEMPTS = 10000

# The defence, the test and the program it stands in, a word of the failure that shows why.
ROWS = (
    ("A1_OWN_FILE", "run_rows", "A1-the-runtime-is-executed-and-not-overwritten", "overwritten"),
    ("A2_HIDDEN", "run_rows", "A2-the-waiting-runtime-cannot-be-read", "/"),
    ("A2_HIDDEN", "run_race", "A2-young-processes-are-hunted", "was seen"),
    ("A3_DIRECTORY", "run_guard", "A3-working-directory-is-no-way-out", "was taken"),
    ("A3_FILES", "run_oci", "A3-fds-are-preserved-as-asked-and-no-others", "threefour"),
    ("A3_STANDARD", "run_rows", "A3-standard-fds-that-are-closed-become-the-null-device", "holds"),
    ("A4_TARGET", "run_race", "A4-A9-targets-and-missing-directories-while-links-are-swapped-in",
     "the host was written to"),
    ("A5_NULL", "run_race", "A5-null-of-a-root-is-swapped-while-containers-start", "no mask"),
    ("A6_CONSOLE", "run_race", "A6-console-is-swapped-for-a-link-while-terminals-are-made",
     "no console"),
    ("A7_KERNELS", "run_race", "A7-a-directory-becomes-a-link-into-proc-while-it-is-mounted-on",
     "mounted in /proc"),
    ("A8_OWN_PLACES", "run_guard", "A8-images-with-links-or-files-in-the-engines-places", "unsafe"),
    ("A9_MADE", "run_race", "A4-A9-targets-and-missing-directories-while-links-are-swapped-in",
     "the host was written to"),
    ("A10_INHERITABLE", "run_guard", "A10-capabilities-in-run-and-exec-root-and-not", "CapInh"),
    ("A11_GROUPS", "run_guard", "A11-nothing-below-the-cgroup-tree-can-be-written", "WROTE"),
    ("A12_NUMBERS", "run_trees", "A12-digits-are-a-number-and-nothing-else-is", "expected"),
    ("A13_BOUNDED", "run_trees", "A13-passwd-and-group-of-any-size-and-kind", "errno"),
    ("A14_NO_PROGRAM", "run_trees", "A14-no-program-of-a-tree-is-ever-executed", "execve answered"),
    ("A15_IN_ROOT", "run_trees", "A15-a-directory-becomes-a-link-while-it-is-copied",
     "the host's file"),
    ("A16_NAMED", "run_rows", "A16-no-socket-without-a-file", "abstract"),
    ("A17_SOURCE", "run_guard", "A17-volumes-follow-links-inside-the-root-only", "bind source"),
    ("A18_TEXT", "run_rows", "A18-annotations-stay-text", "a key twice"),
    ("A19_SYSCTL", "run_guard", "A19-sysctls", "was planned"),
    ("A20_KEYRING", "run_guard", "A20-keyring-is-not-the-hosts", ""),
    ("A21_DEVICES", "run_guard", "A21-devices-are-denied-but-those-of-the-list", "OPENED"),
    ("A22_SESSION", "run_rows", "A22-the-operators-terminal-is-out-of-reach", "operator's terminal"),
    ("A23_SAME", "run_rows", "A23-a-number-that-is-another-process-by-now", "exit 0"),
    ("A24_MASKS", "run_guard", "A24-masked-and-read-only-paths", "NO MASK"),
    ("A25_USERS", "run_oci", "A25-user-namespace-with-mappings", "4294967295"),
)


def run(program, names, off=None):
    """Exit status and output of some tests of a program, over the mutants."""
    env = dict(os.environ, **{k: os.path.join(MUTANT, v) for k, v in PROGRAMS.items()})
    env["HOY_PLACE"] = "-mutant"  # the same program may be running over the product beside us
    for name in ("HOY_RUN_BOX", "HOY_OCI_BOX"):
        env.pop(name, None)
    if off:
        env.update({SWITCH: off, "HOY_ROUNDS": str(ATTEMPTS)})
    done = subprocess.run([os.path.join(HERE, program + ".py")] + list(names), env=env, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=LIMIT_S)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def mutation(off, program, name, word):
    def test():
        code, text = run(program, [name], off)
        tap.check(code == 1 and "\nnot ok 1 - %s\n" % name in text,
                  "the test does not need its defence: exit %d\n%s" % (code, text[-1500:]))
        reason = text.split("\nnot ok 1 - %s\n" % name, 1)[1].split("\n# at ", 1)[0]
        tap.check(word in reason and "AssertionError" in reason, "it failed for something else: "
                  + reason)
        tap.note(reason[:200])
    return test


@tap.test("every defence has its row")
def rows():
    with open(os.path.join(os.path.dirname(os.path.dirname(HERE)), "lib/defence_rows.h"),
              encoding="ascii") as f:
        listed = [w.strip(",") for w in f.read().split() if w.startswith("DEFENCE_A")]
    rows_of = list(dict.fromkeys(r[0] for r in ROWS))
    tap.check([w[8:] for w in listed] == rows_of, "in the header: %s" % listed)


@tap.test("with all defences on the tests pass over the same programs")
def baseline():
    for program in sorted({row[1] for row in ROWS}):
        names = sorted({row[2] for row in ROWS if row[1] == program})
        code, text = run(program, names)
        tap.check(code == 0, "%s: %s" % (program, text[-3000:]))


@tap.test("no product program has a switch")
def product():
    with open(os.path.join(MUTANT, "hoy-oci"), "rb") as f:
        tap.check(SWITCH.encode() in f.read(), "the mutant has none either: nothing is looked for")
    for name in sorted(os.listdir(PRODUCT)):
        with open(os.path.join(PRODUCT, name), "rb") as f:
            data = f.read()
        for word in (SWITCH, "defence_on", "A1_OWN_FILE"):
            tap.check(word.encode() not in data, "%s knows %s" % (name, word))


for row in ROWS:
    tap.test("%s: without it %s fails" % (row[0], row[2]))(mutation(*row))
tap.run()
