#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One system call of hoy-oci, of its parser, of the container's first process or of the shim fails,
or its process is killed there: the error has one line that names the step, and nothing is left. Of
all calls HOY_POINTS (24) for each command, spread evenly; 0 = every one of them, with every action."""
import os
import re
import subprocess
import sys
import time

os.environ.setdefault("HOY_OCI", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "build/x86_64/bin/hoy-oci"))
sys.dont_write_bytecode = True
import oci_box as box  # noqa: E402
from oci_box import Bundle, Result, good, tap  # noqa: E402

POINTS = int(os.environ.get("HOY_POINTS", "24"))
ACTIONS = ("12", "kill", "5", "4")  # ENOMEM, EIO, EINTR
FIRST = 8  # these all, what happens before there is a step
SET_THREAD = 158
LINE = re.compile(r"hoy-oci: ([^:]+: .+|cannot start .+)")
LIMIT_S = 60
TOOL = os.path.join(box.WORK, "run_fault")
LOG = os.path.join(box.WORK, "fault-log")


def broken(number, action, *args):
    """(result, number of calls, call that was hit) of a command one call of which is broken."""
    with open(os.path.join(box.WORK, "out"), "wb+") as out:
        code = subprocess.run([TOOL, str(number), action, box.RUNTIME, "--root", box.ROOT]
                              + [str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out, check=False, timeout=LIMIT_S,
                              env=dict(box.ENV, RUN_FAULT_LOG=LOG)).returncode
        out.seek(0)
        done = Result(code, b"", out.read())
    with open(LOG, encoding="ascii") as f:
        words = f.read().split()
    return done, int(words[1]), int(words[3])


def machine():
    """What could be left: processes, mounts, control groups, namespaces that something holds."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and box.alive(int(name)) and int(name) != os.getpid():
            found.add("process " + name)
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        found.update("mount " + line.split()[4] for line in f)
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        found.update("group %s/%s" % (folder, n) for n in names if box.GROUPS in folder + n)
    if os.path.isdir(box.ROOT):
        found.update("state " + n for n in os.listdir(box.ROOT))
    return found


def gone(before, why):
    end = time.monotonic() + LIMIT_S
    while machine() - before:
        tap.check(time.monotonic() < end, "%s left %s" % (why, sorted(machine() - before)))
        time.sleep(0.01)


def points(total):
    """(number of the call, action): all of them, or some of both."""
    if POINTS == 0:
        return [(n, a) for n in range(1, total + 1) for a in ACTIONS]
    step = max(1, total // POINTS)
    numbers = list(range(1, FIRST)) + list(range(FIRST, total + 1, step))
    return [(n, ACTIONS[i % len(ACTIONS)]) for i, n in enumerate(numbers)]


def judge(done, why, before, ident, dies=False):
    """After an error nothing is there; after a death of hoy-oci itself delete --force finds all."""
    if done.code > 128 and dies:
        good(box.runtime("delete", "--force", ident))
    elif done.code != 0:
        lines = done.err.strip().split("\n")
        tap.check(LINE.match(lines[-1]), "%s: no line that names the step: %s" % (why, done))
        if why.startswith("start"):  # what was created is there until it is deleted
            good(box.runtime("delete", "--force", ident))
    else:
        good(box.runtime("delete", "--force", ident))
    gone(before, why)


def every(name, prepare, *args):
    """The command with each call broken once; counts how it ended."""
    with Bundle("true") as b:
        b.config["hooks"] = {"poststop": [{"path": "/bin/true"}]} if name == "run" else {}
        b.write()
        with Bundle("true") as warm:  # the parents of groups and the empty directory are made once
            good(warm.run())
        before = machine()
        prepare(b)
        done, total, _ = broken(0, "0", *args, b.id)
        tap.check(done.code == 0 and total > 50, "%d calls: %s" % (total, done))
        judge(done, "nothing", before, b.id)
        ends = {}
        for number, action in points(total):
            prepare(b)
            done, _, hit = broken(number, action, *args, b.id)
            why = "%s: call %d of %d (%d), %s" % (name, number, total, hit, action)
            # Without a thread pointer the C library ends the program before it begins.
            judge(done, why, before, b.id, action == "kill" or hit == SET_THREAD)
            ends[done.code] = ends.get(done.code, 0) + 1
        tap.note("%d calls, ends by exit status: %s" % (total, ends))
        tap.check(ends.get(1, 0) > 0, "no fault had an effect")


@tap.test("a-fault-at-any-call-of-run-leaves-nothing")
def run():
    folder = os.path.join(box.WORK, "bundle-run")
    every_in(folder, "run", lambda b: None, "run")


@tap.test("a-fault-at-any-call-of-create-leaves-nothing")
def create():
    folder = os.path.join(box.WORK, "bundle-create")
    every_in(folder, "create", lambda b: None, "create")


@tap.test("a-fault-at-any-call-of-start-leaves-nothing")
def start():
    def prepare(b):
        good(b.create())
    every("start", prepare, "start")


def every_in(folder, name, prepare, command):
    """The same for a command that takes a bundle."""
    def link(b):
        if not os.path.islink(folder):
            os.symlink(b.dir, folder)
        prepare(b)
    every(name, link, command, "--bundle", folder)


box.enter()
subprocess.run(["gcc", "-static", "-D_GNU_SOURCE", "-O1", "-o", TOOL,
                os.path.join(box.HERE, "run_fault.c")], check=True)
tap.run()
