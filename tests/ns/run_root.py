#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Roots from EROFS layers and overlays, and control groups, as engine main makes them."""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from run_box import Box, tap, tool  # noqa: E402

box.enter()
MKFS = os.path.join(box.BUILD, "x86_64/host-sysroot/bin/mkfs.erofs")
RUN = os.path.join(box.WORK, "run")
LAYERS = os.path.join(box.WORK, "layers")


def layer(name, fill):
    """An EROFS file of what fill(directory) makes."""
    os.makedirs(LAYERS, exist_ok=True)
    path = os.path.join(LAYERS, name + ".erofs")
    if not os.path.exists(path):
        tree = os.path.join(box.WORK, "tree-" + name)
        os.makedirs(tree)
        fill(tree)
        subprocess.run([MKFS, path, tree], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
    return path


def base(tree):
    shutil.rmtree(tree)
    box.make_tree(tree)
    with open(os.path.join(tree, "etc/version"), "w", encoding="ascii") as f:
        f.write("one\n")
    with open(os.path.join(tree, "etc/gone"), "w", encoding="ascii") as f:
        f.write("still here\n")


def top(tree):
    os.makedirs(os.path.join(tree, "etc"))
    with open(os.path.join(tree, "etc/version"), "w", encoding="ascii") as f:
        f.write("two\n")
    os.mknod(os.path.join(tree, "etc/gone"), 0o020000, 0)


def mounted(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [line for line in f if line.split()[4] == path]


def prepare(name="c"):
    """Run directory with two mounted layers, and an upper and work directory."""
    os.makedirs(RUN, exist_ok=True)
    for number, fill in (("a" * 64, base), ("b" * 64, top)):
        tool("layer", RUN, number, layer(number[:8], fill))
    dirs = []
    for kind in ("upper", "work"):
        dirs.append(os.path.join(box.WORK, kind + "-" + name))
        os.makedirs(dirs[-1], exist_ok=True)
    return dirs


def clear():
    tool("prune", RUN)
    tap.check(not [m for m in open("/proc/self/mountinfo", encoding="utf-8") if RUN in m],
              "mounts are left")


@tap.test("container-on-two-layers-and-an-upper")
def overlay():
    upper, work = prepare()
    tool("root", RUN, "c", upper, work, "a" * 64, "b" * 64)
    root = os.path.join(RUN, "mnt/c")
    line = mounted(root)[0]
    for option in ("userxattr", "xino=on"):
        tap.check(option in line, "%s is missing in %s" % (option, line))
    tap.note(line)
    script = "cat /etc/version; cat /etc/gone; echo new > /etc/version; rm /tmp -r; ls -d /tmp"
    with Box(root=root, command=("sh", "-c", script)) as c:
        _, out, err = c.run()
        tap.check(out == "two\n" and "gone" in err and "/tmp" in err, out + err)
    with open(os.path.join(upper, "etc/version"), encoding="ascii") as f:
        tap.check(f.read() == "new\n", "the upper has no change")
    tool("umount", RUN, "c")
    tap.check(not mounted(root), "still mounted")
    clear()


@tap.test("calls-are-idempotent-and-adopt-what-is-there")
def idempotent():
    upper, work = prepare("i")
    for _ in range(2):
        tool("layer", RUN, "a" * 64, layer("aaaaaaaa", base))
        tool("root", RUN, "i", upper, work, "a" * 64)
    tap.check(len(mounted(os.path.join(RUN, "layers", "a" * 64))) == 1, "the layer twice")
    tap.check(len(mounted(os.path.join(RUN, "mnt/i"))) == 1, "the overlay twice")
    for _ in range(2):
        tool("umount", RUN, "i")
    out = tool("prune", RUN, "a" * 64).stdout.decode()
    tap.check(out == "0 mounts\n1 layers\n", out)
    clear()


@tap.test("read-only-views")
def readonly():
    prepare()
    tool("root", RUN, "one", "-", "-", "a" * 64)
    tool("root", RUN, "two", "-", "-", "a" * 64, "b" * 64)
    for name, text in (("one", "one\n"), ("two", "two\n")):
        root = os.path.join(RUN, "mnt", name)
        with open(os.path.join(root, "etc/version"), encoding="ascii") as f:
            tap.check(f.read() == text, name)
        try:
            os.mkdir(os.path.join(root, "x"))
        except OSError as error:
            tap.check(error.errno == 30, str(error))
        else:
            raise AssertionError("%s is writable" % name)
    for name in ("one", "two"):
        tool("umount", RUN, name)
    clear()


@tap.test("a-layer-on-tmpfs-goes-over-a-loop-device")
def loop():
    path = layer("aaaaaaaa", base)
    folder = os.path.join(box.WORK, "tmpfs")
    os.makedirs(folder)
    os.makedirs(RUN, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        shutil.copy(path, os.path.join(folder, "l.erofs"))
        tool("layer", RUN, "l", os.path.join(folder, "l.erofs"))
        line = mounted(os.path.join(RUN, "layers/l"))[0]
        tap.check("/dev/loop" in line, line)
        clear()
    finally:
        subprocess.run(["umount", folder], check=True)


@tap.test("damaged-layer-and-missing-layer-are-named")
def damaged():
    os.makedirs(RUN, exist_ok=True)
    os.makedirs(LAYERS, exist_ok=True)
    path = os.path.join(LAYERS, "junk")
    with open(path, "wb") as f:
        f.write(os.urandom(8192))
    done = tool("layer", RUN, "c" * 64, path, check=False)
    tap.check(done.returncode == 1 and b"layer cccccccccccc" in done.stderr, str(done.stderr))
    upper, work = prepare("d")
    done = tool("root", RUN, "d", upper, work, "f" * 64, check=False)
    tap.check(done.returncode == 1 and b"ffffffffffff is not mounted" in done.stderr,
              str(done.stderr))
    clear()


@tap.test("a-hundred-layers")
def many():
    upper, work = prepare("m")
    names = []
    for i in range(100):
        names.append("%064d" % i)
        tool("layer", RUN, names[-1], layer("aaaaaaaa", base))
    tool("root", RUN, "m", upper, work, *names)
    tap.check(os.path.exists(os.path.join(RUN, "mnt/m/etc/version")), "content")
    tool("umount", RUN, "m")
    clear()


@tap.test("overlay-stays-while-its-layers-are-unmounted")
def busy():
    upper, work = prepare("b")
    tool("root", RUN, "b", upper, work, "a" * 64)
    out = tool("prune", RUN, "b").stdout.decode()
    tap.check(out == "0 mounts\n2 layers\n", out)
    with open(os.path.join(RUN, "mnt/b/etc/version"), encoding="ascii") as f:
        tap.check(f.read() == "one\n", "the overlay lost its layer")
    tool("umount", RUN, "b")
    clear()


@tap.test("control-groups-of-a-container-are-removed-with-theirs-below")
def nested_groups():
    group = box.GROUP
    tool("cgroup", "make", group, "n")
    path = os.path.join("/sys/fs/cgroup", group, "n")
    os.makedirs(os.path.join(path, "x/y/z"))
    os.makedirs(os.path.join(path, "w"))
    sleeper = subprocess.Popen(["sleep", "60"])
    with open(os.path.join(path, "x/y/cgroup.procs"), "w", encoding="ascii") as f:
        f.write(str(sleeper.pid))
    done = tool("cgroup", "remove", group, "n", check=False)
    tap.check(done.returncode == 1, "a group with a process in it was removed")
    tool("cgroup", "kill", group, "n")
    tap.check(sleeper.wait() == -9, "cgroup.kill did not reach it")
    tool("cgroup", "remove", group, "n")
    tap.check(not os.path.exists(path), "it is still there")


@tap.test("a-hybrid-host-has-groups-devices-and-a-word-for-each-limit-it-lacks")
def hybrid():
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup"], check=True)
    os.makedirs("/sys/fs/cgroup/unified")
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup/unified"], check=True)
    path = os.path.join("/sys/fs/cgroup/unified", box.GROUP)
    shown, box.TOP = box.TOP, "/sys/fs/cgroup/unified"
    try:
        with open("/sys/fs/cgroup/unified/cgroup.controllers", encoding="ascii") as f:
            here = f.read().split()
        script = "(exec 3</dev/full) && echo full; mknod /tmp/n c 1 11; (exec 3</tmp/n) || echo denied"
        with Box(memory=64 << 20, pids=100, command=("sh", "-c", script)) as c:
            want = [w for w in ("memory", "pids") if w not in here]
            tap.check(c.missing == "missing=" + ", ".join(want), "%s, of %s" % (c.missing, here))
            _, out, err = c.run()
            tap.check(out == "full\ndenied\n", out + err)
        tap.check(os.listdir(path) and not [n for n in os.listdir(path) if os.path.isdir(
            os.path.join(path, n))], "a group is left")
    finally:
        box.TOP = shown
        os.rmdir(path)
        subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)
        subprocess.run(["umount", "/sys/fs/cgroup"], check=True)


@tap.test("a-host-without-cgroup-v2-is-told-what-to-do")
def no_v2():
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup"], check=True)
    try:
        done = tool("cgroup", "make", "x", "y", check=False)
        tap.check(done.returncode == 1 and b"no cgroup v2" in done.stderr
                  and b"cgroup_no_v1" in done.stderr, str(done.stderr))
    finally:
        subprocess.run(["umount", "/sys/fs/cgroup"], check=True)


box.run()
