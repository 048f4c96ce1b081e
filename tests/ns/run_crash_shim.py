#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One system call of a shim or of its container's first process fails, or the process is killed
there: the one who asked for the start hears the step, or that the shim is gone, and what is left
goes with the control group. HOY_POINTS (24) of all calls, spread evenly; 0 = every one of them."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from fixture import mounts  # noqa: E402
from run_box import Box, Refused, tap  # noqa: E402

box.enter()
POINTS = int(os.environ.get("HOY_POINTS", "24"))
ACTIONS = ("12", "kill", "5", "4")  # ENOMEM, EIO, EINTR
LIMIT_S = 60
START = 32
TOOL = os.path.join(box.WORK, "run_fault")
LOG = os.path.join(box.WORK, "fault-log")
TREE = os.path.join(box.WORK, "tree")


def life(number, action):
    """How a container's life under a broken shim went, the number of calls, the one that was hit."""
    box.ENV.update(RUN_FAULT="%d %s" % (number, action), RUN_FAULT_PROGRAM=box.SHIPPED,
                   RUN_FAULT_LOG=LOG)
    with Box(root=TREE, command=("true",), shim=TOOL) as c:
        try:
            c.start()
            tap.check(c.wait(LIMIT_S)["code"] in (0, 137), "an end that is none")
            how = "ran"
        except Refused as error:
            tap.check(": " in str(error), "no step is named: %s" % error)
            how = "refused"
        except (AssertionError, OSError) as error:
            tap.check("gone" in str(error) or isinstance(error, OSError), str(error))
            how = "gone"
        if how == "gone":  # what main does then
            box.tool("cgroup", "kill", c.group, c.name)
            c.proc.wait(LIMIT_S)
    with open(LOG, encoding="ascii") as f:
        words = f.read().split()
    return how, int(words[1]), int(words[3])


@tap.test("a-fault-at-any-call-of-the-shim-leaves-nothing")
def shim():
    how, total, _ = life(0, "0")
    tap.check(how == "ran" and total > 100, "%s, %d calls" % (how, total))
    before = mounts.table()
    step = 1 if POINTS == 0 else max(1, total // POINTS)
    ends = {}
    # What it does before it is asked anything, call by call: the fds that it was given are at stake.
    numbers = sorted(set(range(1, total + 1, step)) | set(range(1, START + 1)))
    for i, number in enumerate(numbers):
        for action in ACTIONS if POINTS == 0 else (ACTIONS[i % len(ACTIONS)],):
            why = "call %d of %d, %s" % (number, total, action)
            try:
                how, _, hit = life(number, action)
            except AssertionError as error:
                raise AssertionError("%s: %s" % (why, error)) from None
            ends[how] = ends.get(how, 0) + 1
            box.wait_for("no process after " + why, lambda: not box.others_alive())
            tap.check(not mounts.changed(before), "%s (%d): mounts: %s" % (why, hit, mounts.changed(before)))
    tap.note("%d calls: %s" % (total, ends))
    tap.check(ends.get("refused", 0) > 0, "no fault had an effect")


subprocess.run(["gcc", "-static", "-D_GNU_SOURCE", "-O1", "-o", TOOL,
                os.path.join(box.HERE, "run_fault.c")], check=True)
box.make_tree(TREE)
box.run()
