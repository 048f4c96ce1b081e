#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program over a limit of somebody else's: SIGTERM to its group ends its box, with all that is in it."""
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)
from fixture import tap  # noqa: E402

LIMIT_S = 60
# The box, as its PID 1: it listens for a daemon, which the group's signal ends, and asks it afterwards.
INSIDE = """
import socket, subprocess
listener = socket.socket(socket.AF_UNIX)
listener.bind("")
listener.listen(1)
daemon = subprocess.Popen(["sleep", "1000"])
print("ready", flush=True)
daemon.wait()
client = socket.socket(socket.AF_UNIX)
client.connect(listener.getsockname())
client.recv(1)
"""
OUTSIDE = """
import sys
sys.path.insert(0, sys.argv[1])
from fixture import engine
try:
    status = engine.box_call(["unshare", "-p", "-f", "--kill-child", sys.executable, "-c", sys.argv[2]])
finally:
    print("cleared", flush=True)
raise SystemExit(status)
"""


@tap.test("a group's SIGTERM ends a box at once, and it is cleared up behind it")
def _told():
    with subprocess.Popen([sys.executable, "-B", "-c", OUTSIDE, TESTS, INSIDE], stdout=subprocess.PIPE,
                          start_new_session=True) as program:
        tap.check(program.stdout.readline() == b"ready\n", "the box does not begin")
        os.killpg(program.pid, signal.SIGTERM)
        try:  # to the end of the pipe: nobody is left who holds it
            said = program.communicate(timeout=LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            raise AssertionError("the box lives on") from None
        finally:
            try:
                os.killpg(program.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    tap.check(said == b"cleared\n" and program.returncode == 128 + signal.SIGTERM, "%r, exit %d" % (said, program.returncode))


tap.run()
