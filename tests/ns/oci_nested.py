#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hoy-oci started by the root of a user namespace, as podman without root starts it: it has a range
of ids and its own mount namespace, and only such control groups as somebody gave it."""
import os
import subprocess

import oci_box as box
from oci_box import Bundle, good, refused, tap, wait_for

FIRST, COUNT = 100000, 65536
STATES = os.path.join(box.WORK, "states")


def give(path):
    """To the root of the user namespace, with all that is below."""
    os.lchown(path, FIRST, FIRST)
    for top, folders, files in os.walk(path):
        for name in folders + files:
            os.lchown(os.path.join(top, name), FIRST, FIRST)


class Nested:
    """A user namespace that a sleeping process keeps; call() starts hoy-oci as its root."""

    def __enter__(self):
        self.keeper = subprocess.Popen(["unshare", "-U", "-m", "sleep", "1000"])
        proc = "/proc/%d/" % self.keeper.pid
        wait_for("the namespace", lambda: os.readlink(proc + "ns/mnt") != os.readlink("/proc/self/ns/mnt"))
        for kind in ("uid_map", "gid_map"):
            with open(proc + kind, "w", encoding="ascii") as f:
                f.write("0 %d %d" % (FIRST, COUNT))
        os.makedirs(STATES, exist_ok=True)
        give(STATES)
        return self

    def __exit__(self, *_):
        self.keeper.kill()
        self.keeper.wait()

    def call(self, *args, group=None, env=None, out=None, options=("--root", STATES)):
        """`out` takes the output of a container that goes on."""
        words = ["nsenter", "-t", str(self.keeper.pid), "-U", "-m", "-S", "0", "-G", "0", box.RUNTIME,
                 *options, *args]
        if group:
            words = ["sh", "-c", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "sh", group] + words
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out or subprocess.PIPE,
                              stderr=out or subprocess.PIPE, env=dict(box.ENV, **(env or {})), check=False,
                              timeout=box.LIMIT_S)
        return box.Result(done.returncode, done.stdout or b"", done.stderr or b"")


def bundle(*command):
    b = Bundle(*command)
    b.own_root()
    give(b.dir)
    return b


@tap.test("in-a-user-namespace-a-container-runs-without-a-control-group-and-says-so")
def without_group():
    script = "cat /proc/self/uid_map; echo x >/dev/null && head -c 1 /dev/zero | wc -c; test -c /dev/tty"
    with Nested() as users, bundle("sh", "-c", script) as b:
        b.write()
        done = good(users.call("run", "--bundle", b.dir, b.id))
        tap.check(done.out.split() == ["0", str(FIRST), str(COUNT), "1"], str(done))
        tap.check("warning: no control group may be made" in done.err, str(done))
        tap.check(not os.listdir(STATES) or os.listdir(STATES) == [".void"], "states are left")


@tap.test("in-a-user-namespace-the-life-of-a-container")
def life():
    with Nested() as users, bundle("sleep", "1000") as b:
        b.config["linux"]["devices"] = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 7}]
        b.namespace("user")
        rows = [{"containerID": 0, "hostID": 0, "size": 1000}]
        b.linux.update(uidMappings=rows, gidMappings=rows)
        b.write()
        with open(os.path.join(b.dir, "out"), "wb") as out:
            done = users.call("create", "--bundle", b.dir, b.id, out=out)
        tap.check(done.code == 0, b.output())
        for args in (("start", b.id), ("exec", b.id, "true"), ("exec", b.id, "test", "-c", "/dev/full")):
            good(users.call(*args))
        refused(users.call("pause", b.id), "control group")
        good(users.call("kill", b.id, "KILL"))
        wait_for("its end", lambda: '"stopped"' in users.call("state", b.id).out)
        good(users.call("delete", b.id))
        refused(users.call("state", b.id), "does not exist")


@tap.test("in-a-user-namespace-a-control-group-that-was-handed-over-is-used")
def handed_over():
    with Nested() as users, bundle("sleep", "1000") as b:
        above = b.group()
        os.makedirs(above + "/caller")
        give(above)
        b.linux["cgroupsPath"] += "/box"
        b.write()
        with open(os.path.join(b.dir, "out"), "wb") as out:
            done = users.call("run", "--detach", "--bundle", b.dir, b.id, group=above + "/caller", out=out)
        tap.check(done.code == 0 and "warning" not in b.output(), b.output())
        for command, frozen in (("pause", "1"), ("resume", "0")):
            good(users.call(command, b.id))
            with open(b.group() + "/cgroup.freeze", encoding="ascii") as f:
                tap.check(f.read().strip() == frozen, command)
        good(users.call("exec", b.id, "true", group=above + "/caller"))
        good(users.call("delete", "--force", b.id))
        b.check_clean()
        for name in ("/caller", ""):
            os.rmdir(above + name)


@tap.test("in-a-user-namespace-a-mount-stays-as-tight-as-the-machine-made-it")
def locked():
    script = "grep ' /v ' /proc/mounts; echo x 2>/dev/null >/v/file && echo written; cat /v/file"
    with bundle("sh", "-c", script) as b:
        place = os.path.join(b.dir, "locked")
        os.mkdir(place)
        with open(place + "/file", "w", encoding="ascii") as f:
            f.write("mine\n")
        os.chmod(place + "/file", 0o666)
        subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro,nosuid", place], check=True)
        try:
            with Nested() as users:
                for options in (["bind", "rw", "noexec", "rprivate"], ["rbind", "suid", "rrw", "slave"]):
                    b.config["mounts"].append({"destination": "/v", "type": "bind", "source": place,
                                               "options": options})
                    b.write()
                    done = good(users.call("run", "--bundle", b.dir, b.id))
                    told = set(done.out.split("\n")[0].split()[3].split(","))
                    tap.check({"ro", "nosuid"} | set(options) & {"noexec"} <= told, done.out)
                    tap.check(done.out.endswith("\nmine\n") and "written" not in done.out, done.out)
                    b.config["mounts"].pop()
        finally:
            subprocess.run(["umount", place], check=True)


@tap.test("in-a-user-namespace-the-states-are-where-the-user-may-write")
def states():
    with Nested() as users, bundle("true") as b:
        b.write()
        place = os.path.join(b.dir, "runtime")
        os.mkdir(place)
        give(place)
        env = {"XDG_RUNTIME_DIR": place, "USER": "somebody"}
        good(users.call("--rootless", "true", "run", "--bundle", b.dir, b.id, env=env, options=()))
        tap.check(os.listdir(place) == ["hoy-oci"], os.listdir(place))


@tap.test("without-root-one-line-says-what-is-needed")
def no_root():
    with bundle("true") as b:
        b.write()
        done = subprocess.run(["setpriv", "--reuid", str(FIRST), "--regid", str(FIRST), "--clear-groups", box.RUNTIME,
                               "--root", STATES, "run", "--bundle", b.dir, b.id], env=box.ENV, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        refused(box.Result(done.returncode, done.stdout, done.stderr), "needs root", "user namespace")


box.enter()
tap.run()
