#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Engine main killed and replaced over running containers: a hundred at once, and by one of another version."""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import BUILD, deb, engine, image, tap  # noqa: E402

BOXES = 100
IN_SECTION = 50
CONSOLE_GID = 900
MUTANT = os.path.join(BUILD, os.uname().machine, "mutant/engine")
SECTION = """[service %s]
image = busybox:latest
networks = none
replicas = %d
stop_grace_period = 1s
command = ["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 100 & wait $!; done"]
"""
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()
E = engine.Engine("adopt", images=[(image.busybox(), "busybox:latest")],
                  services="".join(SECTION % ("s%d" % n, IN_SECTION) for n in range(BOXES // IN_SECTION)))


def firsts():
    """{container id: pid of its first process}, out of the control groups."""
    top = E.root + "/sys/fs/cgroup/containers/"
    found = {}
    for name in os.listdir(top):
        try:
            with open(top + name + "/cgroup.procs", encoding="ascii") as f:
                pids = f.read().split()
        except OSError:
            continue
        if pids:
            found[name] = min(map(int, pids))
    return found


def running():
    return len(re.findall(r"(?m)^s\S+ .*\brunning\b", E.hoy("ps")[1]))


def execute(name):
    """A process in a container, for somebody who stays to see it: (exit code, output and errors)."""
    process = subprocess.Popen(["chroot", E.root, "/usr/bin/hoy", "exec", name, "echo", "here"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read().decode()
    process.stdin.close()
    process.stdout.close()
    return process.wait(engine.LIMIT_S), said


def replace(program, version=None):
    """kill -9 of engine main, and another one in its place; what the log says from there on."""
    E.kill_engine()
    seen = len(E.log())
    target = E.root + "/usr/lib/hoy/engine"
    os.unlink(target)
    shutil.copy(program, target)
    if version is not None:
        os.environ["HOY_SHIM_VERSION"] = str(version)
    E.start_engine()
    os.environ.pop("HOY_SHIM_VERSION", None)
    return lambda: E.log()[seen:]


@tap.test("a restarted engine finds a hundred containers again, each as it was")
def _hundred():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("all to run", lambda: running() == BOXES)
    before = firsts()
    tap.check(len(before) == BOXES, "%d of %d have processes" % (len(before), BOXES))
    log = replace(engine.ENGINE)
    line = engine.wait_for("all to be found", lambda: re.search(
        r"(\d+) containers found again, (\d+) ms after", log()))
    tap.check(int(line.group(1)) == BOXES, line.group(0))
    tap.note("adopted %s containers %s ms after the engine's start (goal 500)" % line.groups())
    engine.wait_for("all to be listed", lambda: running() == BOXES)
    tap.check(firsts() == before, "a first process is another one now")
    code, said = execute("s0-1")
    tap.check(code == 0 and "here" in said, "exit %d: %s" % (code, said))


@tap.test("an engine of a newer version keeps what runs, says so, and can end it")
def _newer():
    before = firsts()
    log = replace(MUTANT, 2)
    engine.wait_for("all to be found", lambda: "%d containers found again" % BOXES in log())
    engine.wait_for("each to be said", lambda: log().count(
        "its shim speaks version 1, this engine version 2: it is kept") == BOXES)
    engine.wait_for("all to be listed", lambda: running() == BOXES)
    tap.check(firsts() == before, "one was lost")
    code, said = execute("s0-1")
    tap.check(code != 0 and "speaks version 1, this engine version 2: restart the container" in said, said)
    code, said = E.hoy("stop", "s0-1")
    engine.wait_for("its end", lambda: re.search(r"(?m)^s0-1 .*stopped", E.hoy("ps")[1]))
    tap.check(len(firsts()) == BOXES - 1, "more than one has ended")
    code, said = E.hoy("start", "s0-1")
    engine.wait_for("the refusal", lambda: "the shim on disk speaks version 1, this engine version 2" in log())


@tap.test("an engine of an older version keeps them, too; the right one has them back whole")
def _older():
    before = firsts()
    log = replace(MUTANT, 0)
    engine.wait_for("all to be found", lambda: "%d containers found again" % len(before) in log())
    engine.wait_for("it to be said", lambda: "its shim speaks version 1, this engine version 0: it is kept" in log())
    tap.check(before.items() <= firsts().items(), "one was lost")
    log = replace(engine.ENGINE)
    engine.wait_for("all to run", lambda: running() == BOXES)
    tap.check(before.items() <= firsts().items() and "its shim speaks" not in log(), log()[-2000:])
    code, said = execute("s1-1")
    tap.check(code == 0 and "here" in said, "exit %d: %s" % (code, said))


try:
    tap.run()
finally:
    E.stop()
