#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Declared services in a real run: in which order they start and stop, which profiles count, fifty that crash."""
import os
import re
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, tap  # noqa: E402

CONSOLE_GID = 900
RELOAD = 0x112
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()

# What ends first says so first: the one that has to wait for the others is the quickest.
WRITER = "trap 'sleep %d; echo %s-ends >> /w/log; exit 0' TERM; echo %s-begins >> /w/log; %s while :; do sleep 1 & wait $!; done"
SECTION = """
[service %s]
image = busybox:latest
command = ["sh", "-c", "%s"]
volumes = /order:/w
stop_grace_period = %s
%s
"""


def service(name, script, keys="", grace="60s"):
    return SECTION % (name, script, grace, keys)


ORDER = (service("base", WRITER % (0, "base", "base", "sleep 1;"))
         + service("job", "sleep 1; echo job-ends >> /w/log", "restart = no")
         + service("mid", WRITER % (1, "mid", "mid", ""), "depends_on = base:started\ndepends_on = job:completed")
         + service("top", WRITER % (2, "top", "top", ""), "depends_on = mid:started")
         + service("deaf", "trap '' TERM; while :; do sleep 1; done", grace="1s"))
E = engine.Engine("order", images=[(image.busybox("order"), "busybox:latest")], services=ORDER)
os.makedirs(os.path.join(E.root, "order"))


def hoy(*words):
    return E.hoy(*words)[1]


def written():
    try:
        with open(os.path.join(E.root, "order/log"), encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def state(name, pattern):
    return re.search(r"(?m)^%s +\S+ +%s" % (name, pattern), hoy("ps", "-a"))


@tap.test("depends_on = NAME:started and NAME:completed: nobody begins before what it waits for")
def _start():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("the last one", lambda: "top-begins" in written())
    lines = written()
    tap.check(lines.index("mid-begins") > lines.index("job-ends") and lines.index("mid-begins") > lines.index("base-begins"), lines)
    tap.check(lines.index("top-begins") > lines.index("mid-begins"), lines)
    engine.wait_for("the one that hears nothing", lambda: state("deaf", "running"))


@tap.test("the machine goes down: stopped in the reverse order, each with its grace, one that hears nothing is killed behind it")
def _stop():
    E.engine.send(0x111, struct.pack("<q", 300000))
    E.engine.process.wait(engine.LIMIT_S)
    E.engine.stop()
    ends = [line for line in written() if line.endswith("-ends") and line != "job-ends"]
    tap.check(ends == ["top-ends", "mid-ends", "base-ends"], written())
    E.start_engine()
    engine.wait_for("its end", lambda: re.search(r"137|SIGKILL|killed", hoy("history", "deaf")))


@tap.test("profiles: a service counts while [engine] profiles names one of its own")
def _profiles():
    E.write("services.ini", service("plain", "exec sleep 100000", grace="1s")
            + service("helper", "exec sleep 100000", "profiles = debug\nprofiles = lab", "1s")
            + service("other", "exec sleep 100000", "profiles = factory", "1s"))
    E.write("engine.ini", "[engine]\nprofiles = lab\n")
    E.engine.send(RELOAD)
    engine.wait_for("both", lambda: state("plain", "running") and state("helper", "running"))
    tap.check(not state("other", "running"), hoy("ps", "-a"))
    E.write("engine.ini", "[engine]\nprofiles = factory\n")
    E.engine.send(RELOAD)
    engine.wait_for("the other one", lambda: state("other", "running") and not state("helper", "running"))
    tap.check(state("plain", "running"), hoy("ps", "-a"))


def crashing():
    """Rows of ps that say how their service ended, whether it waits or is looked at again just now."""
    return set(re.findall(r"(?m)^(crash\d+) +\S+ +(?:waiting|restarting|starting) +.*exit code \d+", hoy("ps")))


@tap.test("fifty services that crash at once: ps and history say of each how it ended, none is said to be pulled, the others run")
def _crashing():
    E.write("engine.ini", "")
    E.write("services.ini", service("calm", "exec sleep 100000", grace="1s")
            + "".join(service("crash%d" % n, "exit %d" % (n + 1), "restart = always", "1s") for n in range(50)))
    E.engine.send(RELOAD)
    seen = set()
    engine.wait_for("each of them", lambda: not seen.update(crashing()) and len(seen) == 50)
    tap.check(not state(r"crash\d+", "pulling"), hoy("ps"))
    tap.check(state("calm", "running"), hoy("ps"))
    tap.check_match(r"exit code 8\b", hoy("history", "crash7"), "why it ended")


@tap.test("a section head that is none, a line in front of all sections: the log names file and line, the others run")
def _lost():
    E.write("services.ini", "stray = 1\n[service bad name!]\nimage = x\n[unclosed\n" + service("calm", "exec sleep 100000", grace="1s"))
    E.engine.send(RELOAD)
    for place in (r"services\.ini:1:1: ", r"services\.ini:2:\d+: expected a section head", r"services\.ini:4:\d+: the section head has no '\]'"):
        engine.wait_for(place, lambda place=place: re.search(place, E.log()))
    engine.wait_for("the right one", lambda: state("calm", "running"))


try:
    tap.run()
finally:
    E.stop()
