#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ways out of a container that were open somewhere once, tried on hoy-oci as it is shipped, with and
without a user namespace. The letter and number of a test are those of docs/confinement.md."""
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time

os.environ.setdefault("HOY_OCI", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "build/x86_64/bin/hoy-oci"))
sys.dont_write_bytecode = True
import oci_box as box  # noqa: E402
from oci_box import Bundle, good, refused, tap, wait_for  # noqa: E402


def in_user_namespace(b):
    """The same container, its root being nobody outside."""
    b.namespace("user")
    rows = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    b.linux.update(uidMappings=rows, gidMappings=rows)


def with_caps(b, *names):
    caps = b.process["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        caps[kind] = sorted(set(caps.get(kind, [])) | set(names))


def own_root(b):
    """Its own root, with the places that the root of a user namespace could not make."""
    path = b.own_root()
    for name in ("proc", "sys", "dev"):
        os.makedirs(os.path.join(path, name))
    os.chmod(os.path.join(path, "tmp"), 0o777)
    return path


def both(*command, **process):
    """A bundle without and one with a user namespace."""
    for user in (False, True):
        with Bundle(*command, **process) as b:
            if user:
                in_user_namespace(b)
            yield b


ATTACK = """
mkfifo -m 666 /tmp/hold; echo ready
while :; do for p in /proc/[0-9]*; do
 exe=$(readlink $p/exe) || continue
 case $exe in */busybox) continue;; esac
 exec 9<$p/exe && break 2
done; done
echo "holds $exe"
for i in $(seq 200); do
 kill -9 ${p#/proc/} 2>/dev/null
 if (printf overwritten >>/proc/self/fd/9) 2>/tmp/error; then echo WROTE; break; fi
 grep -q busy /tmp/error || break
 sleep 0.05
done
echo over; sleep 1000
"""


@tap.test("A1-the-runtime-is-executed-and-not-overwritten")
def own_file():
    # On a file system that can be written to, as on any host but Hoy itself.
    path = os.path.join(box.WORK, "runtime")
    shipped, box.RUNTIME = box.RUNTIME, path
    try:
        shutil.copy(shipped, path)
        for b in both("sh", "-c", ATTACK):
            root = own_root(b)
            with open(root + "/bin/self", "w", encoding="ascii") as f:
                f.write("#!/proc/self/exe --root\n")
            os.chmod(root + "/bin/self", 0o755)
            b.start()
            wait_for("the attacker", lambda b=b: "ready" in b.output())
            # The script's interpreter is the runtime; it waits where the attacker wants it to.
            b.exec("/bin/self", "--log", "/tmp/hold", "state", "x")
            wait_for("the attack", lambda b=b: "over" in b.output())
            tap.note(b.output())
            tap.check("holds" in b.output(), "the attacker never saw the runtime: " + b.output())
            with open(path, "rb") as now, open(shipped, "rb") as then:
                same = hashlib.sha256(now.read()).digest() == hashlib.sha256(then.read()).digest()
            tap.check(same and "WROTE" not in b.output(), "the runtime was overwritten")
    finally:
        box.RUNTIME = shipped


@tap.test("A2-the-waiting-runtime-cannot-be-read")
def hidden():
    # As many rights as the young process itself has, but the one that may read everything.
    script = "cd /proc/1; for f in exe cwd root fd/0 fd/1 fd/3 fd/4; do readlink $f; done"
    for b in both("true"):
        with_caps(b, "CAP_SYS_ADMIN")
        good(b.create())
        good(b.exec("sh", "-c", "[ -d /proc/1 ]"))
        done = b.exec("sh", "-c", script)
        tap.check(done.out == "", str(done))


CLOSED = """
for n in 0 1 2; do held="$held $(readlink /proc/$$/fd/$n)"; done
echo $held >/tmp/held
"""


@tap.test("A3-standard-fds-that-are-closed-become-the-null-device")
def closed_fds():
    def call(*args):
        return subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", box.RUNTIME, "--root", box.ROOT]
                              + list(args), env=box.ENV, check=False, timeout=box.LIMIT_S).returncode
    for b in both("sh", "-c", CLOSED):
        root = own_root(b)
        held = os.path.join(root, "tmp/held")

        def look(code):
            with open(held, encoding="ascii") as f:
                text = f.read().split()
            os.unlink(held)
            tap.check(code == 0 and text == ["/dev/null"] * 3, "the container holds %s" % text)
        b.write()
        look(call("run", "--bundle", b.dir, b.id))
        b.process["args"] = ["sleep", "1000"]
        b.start()
        look(call("exec", b.id, "sh", "-c", CLOSED))


@tap.test("A16-no-socket-without-a-file")
def sockets():
    with Bundle("cat", "/proc/net/unix") as b:
        b.namespace("network", remove=True)
        good(b.create())
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
            rows = f.read()
        tap.check("@" not in rows, "abstract sockets: " + rows)
        gate = os.path.join(box.ROOT, b.id)
        tap.check(os.stat(gate).st_mode & 0o077 in (0, 0o011), "%s is open to others: %o" % (
            gate, os.stat(gate).st_mode))
        good(b.call("start"))
        wait_for("its output", lambda: b.status() == "stopped")
        tap.check("@" not in b.output() and "Num" in b.output(), b.output())


@tap.test("A18-annotations-stay-text")
def annotations():
    evil = {'k": "v"}, "status": "stopped", "pid": 1, "x': 'a", "status": "stopped", "pid": 1, "b": "c',
            "run.oci.handler": "krun", "run.oci.hooks.stdout": "/tmp/out", "org.hoy.privileged": "true"}
    out = os.path.join(box.WORK, "hook-state")
    for b in both("sh", "-c", "grep -c . /proc/self/status; exec sleep 1000"):
        b.config["annotations"] = evil
        b.config["hooks"] = {"poststart": [{"path": "/bin/sh", "args": ["sh", "-c", "cat > " + out]}]}
        b.start()
        with open(out, encoding="utf-8") as f:
            seen = [json.loads(f.read(), object_pairs_hook=unique)]
        done = b.call("state")
        seen.append(json.loads(done.out, object_pairs_hook=unique))
        for state in seen:
            tap.check(state["annotations"] == evil, "annotations: %s" % state)
            tap.check(state["status"] == "running" and state["pid"] > 1, "a field: %s" % state)
        tap.check(not os.path.exists("/tmp/out"), "an annotation became a path")


def unique(pairs):
    tap.check(len({k for k, _ in pairs}) == len(pairs), "a key twice: %s" % pairs)
    return dict(pairs)


@tap.test("A22-the-operators-terminal-is-out-of-reach")
def terminal():
    script = ("(exec 3<>/dev/tty) 2>/tmp/error && echo REACHED; cat /tmp/error >&2;"
              "ps -o tty= 2>/dev/null; cut -d' ' -f7 /proc/self/stat")
    for b in both("sh", "-c", script):
        own_root(b)
        b.write()
        pid, master = pty.fork()
        if pid == 0:  # the operator's session; the container's output goes elsewhere
            out = os.open(os.path.join(b.dir, "out"), os.O_CREAT | os.O_WRONLY, 0o600)
            null = os.open("/dev/null", os.O_RDONLY)
            for fd, number in ((null, 0), (out, 1), (out, 2)):
                os.dup2(fd, number)
            os.execve(box.RUNTIME, [box.RUNTIME, "--root", box.ROOT, "run", "--bundle", b.dir, b.id],
                      box.ENV)
        tap.check(os.waitpid(pid, 0)[1] == 0, "run failed: " + b.output())
        os.close(master)
        tap.check("REACHED" not in b.output(), "the container opened the operator's terminal")
        tap.check(b.output().split()[-1] == "0", "it has a terminal: " + b.output())


@tap.test("A23-a-number-that-is-another-process-by-now")
def recycled():
    with Bundle("sleep", "1000") as b:
        b.start()
        pid = b.state()["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for("its end", lambda: not os.path.exists("/proc/%d" % pid))
        # A start is dated to a hundredth of a second, and no kernel gives a number again so soon.
        time.sleep(0.05)
        victim = None
        for _ in range(200):  # others of this namespace may take the number meanwhile
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as f:
                f.write(str(pid - 1))
            made = os.fork()
            if made == 0:
                signal.pause()
            if made == pid:
                victim = made
                break
            os.kill(made, signal.SIGKILL)
            os.waitpid(made, 0)
        tap.check(victim, "the number was never given again")
        try:
            refused(b.call("kill", ), "not running")
            refused(b.exec("true"), "stopped", code=255)
            tap.check(b.status() == "stopped", "status")
            good(b.call("delete"))
            tap.check(os.waitpid(victim, os.WNOHANG) == (0, 0), "the other process was killed")
        finally:
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)


box.enter()
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
tap.run()
