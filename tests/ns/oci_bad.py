#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hoy-oci and what it should refuse: hostile configs, broken bundles and states; and its own death at
any moment, which leaves nothing that `delete --force` does not find."""
import json
import os
import random
import signal
import subprocess
import time

import oci_box as box
from oci_box import Bundle, good, refused, runtime, tap, wait_for


@tap.test("hostile-configs-have-one-clear-line")
def configs():
    deep = "[" * 100000
    rows = (
        ("", "JSON: the text is empty"),
        ("{", "config.json: JSON:"),
        (deep, "nested deeper than 64"),
        ('{"ociVersion":"1.0.0","ociVersion":"1.0.0"}', "stands twice"),
        ('{"ociVersion":"1.\\u0000"}', "NUL"),
        ('{"ociVersion":"3.0"}', "ociVersion"),
        ('{"ociVersion":[]}', "config.json: ociVersion: expected text, found list"),
    )
    with Bundle() as b:
        for text, want in rows:
            b.write(text)
            refused(runtime("run", "--bundle", b.dir, b.id), want)
            b.check_clean()
        changes = (
            (("process", "args"), [1], "process.args[0]: expected text, found number"),
            (("process", "args"), [], "process.args: no command"),
            (("process", "cwd"), "x", "process.cwd: expected an absolute path"),
            (("process", "user"), {"uid": 1 << 40}, "process.user.uid"),
            (("process", "oomScoreAdj"), 10 ** 30, "process.oomScoreAdj"),
            (("root", "path"), "nowhere", "root.path", ),
            (("linux", "cgroupsPath"), "/../../x", "cgroupsPath"),
            (("linux", "namespaces"), [{"type": "bogus"}], "linux.namespaces[0].type"),
            (("linux", "intelRdt"), {"closID": "x"}, "linux.intelRdt"),
            (("linux", "memoryPolicy"), {"mode": "MPOL_BOGUS", "nodes": "0"}, "memoryPolicy"),
            (("linux", "netDevices"), {"eth0": {"name": "e"}}, "linux.netDevices"),
            (("process", "apparmorProfile"), "x", "pparmor"),
            (("process", "selinuxLabel"), "x", "elinux"),
        )
        for (section, key), value, want in changes:
            config = box.clone(b.config)
            config[section][key] = value
            b.write(json.dumps(config))
            refused(runtime("run", "--bundle", b.dir, b.id), want)
            b.check_clean()


@tap.test("broken-bundles")
def bundles():
    with Bundle() as b:
        refused(runtime("run", "--bundle", b.dir, b.id), "config.json", "no such file or directory")
        refused(runtime("run", "--bundle", b.dir + "/nowhere", b.id), "--bundle")
        os.mkdir(os.path.join(b.dir, "config.json"))
        refused(runtime("run", "--bundle", b.dir, b.id), "config.json", "directory")
        os.rmdir(os.path.join(b.dir, "config.json"))
        os.symlink(os.path.join(box.WORK, "rootfs"), os.path.join(b.dir, "link"))
        b.config["root"]["path"] = "link"
        refused(b.run(), "link", "root.path")
        b.config["root"]["path"] = os.path.join(box.WORK, "rootfs")
        for target in ("/proc/sys", "/proc", "/"):
            config = box.clone(b.config)
            config["mounts"].append({"destination": target, "source": b.dir, "type": "bind",
                                     "options": ["bind"]})
            b.write(json.dumps(config))
            done = runtime("run", "--bundle", b.dir, b.id)
            tap.check(done.code == 1, "a bind over %s: %s" % (target, done))
            b.check_clean()
        for name in ("", "a/b", "..", "a b", "x" * 300):
            b.write()
            done = runtime("run", "--bundle", b.dir, name)
            tap.check(done.code == 1, "id %r: %s" % (name, done))


@tap.test("a-damaged-state-is-named-and-can-be-removed")
def damaged():
    with Bundle("sleep", "1000") as b:
        b.start()
        path = os.path.join(box.ROOT, b.id, "state")
        with open(path, "rb") as f:
            content = f.read()
        for broken in (b"", content[:-1], content[:40] + b"x" + content[41:]):
            with open(path, "wb") as f:
                f.write(broken)
            refused(b.call("state"), b.id, "state file")
            refused(b.call("start"), "state file")
        with open(path, "wb") as f:
            f.write(content)
        tap.check(b.status() == "running", "the good state is read again")
    with Bundle("sleep", "1000") as b:
        os.makedirs(os.path.join(box.ROOT, b.id))
        refused(b.call("state"), "delete --force")
        refused(b.create(), "already exists")
        good(runtime("delete", "--force", b.id))


def processes(group):
    pids = []
    for folder, _, _ in os.walk(group):
        with open(folder + "/cgroup.procs", encoding="ascii") as f:
            pids += f.read().split()
    return pids


@tap.test("killed-at-any-moment-nothing-is-left")
def killed():
    chance = random.Random(4711)
    seen = set()
    for _ in range(60):
        with Bundle("sleep", "1000") as b:
            b.write()
            with subprocess.Popen([box.RUNTIME, "--root", box.ROOT, "create", "--bundle", b.dir, b.id],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=box.ENV) as p:
                time.sleep(chance.random() * 0.15)
                p.send_signal(signal.SIGKILL)
                p.wait()
            seen.add((p.returncode, os.path.exists(os.path.join(box.ROOT, b.id, "state"))))
            good(runtime("delete", "--force", b.id))
            b.check_clean()
    tap.note("ends seen: %s" % sorted(seen))
    wait_for("the processes' end", lambda: not processes_named("sleep"))


def processes_named(name):
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open("/proc/%s/comm" % pid, encoding="ascii") as f:
                    if f.read().strip() == name and box.alive(int(pid)):
                        found.append(pid)
            except OSError:
                pass
    return found


@tap.test("the-parser-is-in-its-sandbox")
def sandbox():
    """What the kernel says of the parser behind its filter. It lives for some milliseconds, and we may
    not run in them: then another one is looked at."""
    status = None
    for _ in range(100):
        with Bundle("sleep", "1000") as b:
            b.write(" " * (3 << 20) + json.dumps(b.config))
            status = watch_parser(b)
        if status:
            break
    tap.check(status is not None, "no sandboxed parser was seen")
    tap.check("CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status
              and "NoNewPrivs:\t1" in status, status)


def watch_parser(b):
    """The status file of create's parser, None when it was gone before it was seen."""
    p = subprocess.Popen([box.RUNTIME, "--root", box.ROOT, "create", "--bundle", b.dir, b.id],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=box.ENV)
    status = None
    while p.poll() is None and status is None:
        for child in children(p.pid):
            text = read_status(child)
            if "\nSeccomp:\t2" in text and "\nUid:\t65534" in text:
                status = text
    tap.check(p.wait(box.LIMIT_S) == 0, "create")
    return status


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
            return f.read().split()
    except OSError:
        return []


def read_status(pid):
    try:
        with open("/proc/%s/status" % pid, encoding="ascii") as f:
            return f.read()
    except OSError:
        return ""


if __name__ == "__main__":
    box.enter()
    tap.run()
