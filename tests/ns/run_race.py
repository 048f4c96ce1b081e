#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Containers that start while somebody exchanges what they are made of: links against directories,
devices and files, and processes that look for young ones. HOY_ROUNDS starts each
(fixture/rounds.py), which one process makes many of, some side by side: a start waits for the kernel much
of its time, and the attacker needs a processor all of it."""
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import sys

# As the product is compiled: a race needs its speed.
os.environ.setdefault("RUN_DIRECT", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "build/x86_64/plain/run_direct"))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from run_box import tap  # noqa: E402
from direct_box import (DIRECT, FILES, FULL, NEW, ROOT, USER, again, direct, direct_root,  # noqa: E402
                        volume)
from fixture.rounds import ROUNDS, rounds  # noqa: E402

STEP = 20 if ROUNDS <= 10000 else 200  # starts by one process, which does nothing else
ABREAST = 3  # of those that have a /dev of their own: in one of the root they would meet
ATTEMPTS = 10000
UPDATES = 4 * STEP  # exchanges of a device program beside so many starts
PIDS = ["--new", "pid"]

box.enter()


def build(name, root=ROOT):
    """A small static program in the bin of a root."""
    kept, path = os.path.join(box.WORK, name), os.path.join(root, "bin", name)
    if not os.path.exists(kept):
        subprocess.run(["gcc", "-static", "-O1", "-o", kept, os.path.join(box.HERE, "run_%s.c" % name)],
                       check=True)
    if not os.path.exists(path):
        shutil.copy(kept, path)


def swapping(first, second):
    """A process that exchanges two names as fast as it can."""
    swapper = os.fork()
    if swapper == 0:
        libc = ctypes.CDLL(None)
        while True:
            libc.renameat2(-100, first.encode(), -100, second.encode(), 2)  # RENAME_EXCHANGE
    return swapper


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def settle(path, make):
    """Nobody exchanges any more: what stands at `path` is what belongs there, and a start is no race."""
    if os.path.islink(path) or not os.path.exists(path):
        if os.path.lexists(path):
            os.unlink(path)
        make(path)


def empty(folder):
    """What the containers made in a folder that stays, whatever its name leads to by now."""
    for name in os.listdir(folder):
        if name.startswith("made"):
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def empty_file(path):
    with open(path, "w", encoding="ascii"):
        pass


@tap.test("A4-A9-targets-and-missing-directories-while-links-are-swapped-in")
def swapped():
    shared = volume("swapped")
    canary = volume("canary-swapped")
    other = volume("planted", file="x")
    # The longer the way behind the name, the longer is it between a look and the use.
    way = "sub/" + "d/" * 60
    os.makedirs(os.path.join(shared, way))
    for folder, _, _ in os.walk(shared + "/sub"):
        os.chown(folder, 100000, 100000)  # the root of USER writes there as well
    os.symlink(canary, shared + "/evil")
    made = os.open(os.path.join(shared, way), os.O_RDONLY)
    swapper = swapping(shared + "/sub", shared + "/evil")
    good = refused = 0
    try:
        more = [w for n in range(4) for w in (
            "--mount", "bind|%s|/v/%smade%%-%d|" % (other, way, n), "--mount",
            "bind|%s/file|/v/%sfile%%-%d|" % (other, way, n))]
        for i in rounds("A4-A9", DIRECT, STEP):
            user = USER if i // STEP % 4 == 0 else []
            outs = again(i, STEP, *user, "--mount", "bind|%s|/v|" % shared, *more, files=FILES[2:4],
                         abreast=ABREAST)
            wrong = [out for out in outs if out and not out.startswith("mounts: mount /v/sub/")]
            tap.check(not wrong, "refused for something else: %s" % wrong)
            good += outs.count("")
            refused += STEP - outs.count("")
            tap.check(os.listdir(canary) == [], "the host was written to, round %d: %s" % (
                i + 1, os.listdir(canary)))
            empty(made)
    finally:
        end(swapper)
        os.close(made)
    tap.note("%d started, %d refused" % (good, refused))
    settle(shared + "/sub", os.mkdir)
    direct("--mount", "bind|%s|/v|" % shared, "--mount", "bind|%s|/v/sub/last|" % other)
    tap.check(os.path.isdir(shared + "/sub/last"), "the start without a race made nothing")
    tap.check(not [f for f in os.listdir(canary)], "the host was written to")


def masked(tree, first=0, count=1):
    return again(first, count, "--masked", "/proc/keys", "--caps", "%d:%d:%d:0:0" % ((FULL,) * 3),
                 files=FILES[:2], root=tree, command=("/bin/seen", "mask", "/proc/keys"))


@tap.test("A5-null-of-a-root-is-swapped-while-containers-start")
def swapped_null():
    tree = box.make_tree(os.path.join(box.WORK, "root-null"))
    build("seen", tree)
    os.makedirs(os.path.join(tree, "dev"))
    os.mknod(os.path.join(tree, "dev/null"), 0o20666, os.makedev(1, 3))
    os.symlink("/proc/sys/kernel/core_pattern", os.path.join(tree, "dev/evil"))
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as f:
        before = f.read()
    good = 0
    swapper = swapping(os.path.join(tree, "dev/null"), os.path.join(tree, "dev/evil"))
    try:
        for i in rounds("A5", DIRECT, STEP):
            for number, out in enumerate(masked(tree, i, STEP), i + 1):
                tap.check(out.startswith("0\n") or "/dev/null" in out, "no mask, round %d: %s" % (number, out))
                good += out.startswith("0\n")
    finally:
        end(swapper)
    tap.note("%d started" % good)
    settle(os.path.join(tree, "dev/null"), lambda p: os.mknod(p, 0o20666, os.makedev(1, 3)))
    tap.check(masked(tree)[0].startswith("0\n"), "no start without a race either: nothing was tried")
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as f:
        tap.check(f.read() == before, "the host's core_pattern was written")


def terminals(tree, first=0, count=1):
    outs = again(first, count, *PIDS, "--tty", files=FILES[:2] + FILES[4:6], root=tree,
                 command=("/bin/seen", "lines", " - devpts ", "/proc/self/mountinfo"))
    return [out.strip() for out in outs]


@tap.test("A6-console-is-swapped-for-a-link-while-terminals-are-made")
def swapped_console():
    tree = box.make_tree(os.path.join(box.WORK, "root-console"))
    build("seen", tree)
    canary = os.path.join(volume("canary-console", file="mine"), "file")
    for name in ("proc", "dev", "dev/pts"):
        os.makedirs(os.path.join(tree, name))
    with open(os.path.join(tree, "dev/console"), "w", encoding="ascii"):
        pass
    os.symlink(canary, os.path.join(tree, "dev/evil"))
    good = refused = 0
    swapper = swapping(os.path.join(tree, "dev/console"), os.path.join(tree, "dev/evil"))
    try:
        for i in rounds("A6", DIRECT, STEP):
            outs = terminals(tree, i, STEP)
            for number, out in enumerate(outs, i + 1):
                # Wherever the names are by now: the terminal is mounted somewhere in the container.
                tap.check(out == "2" or "console" in out,
                          "no console in the container, round %d: %s" % (number, out))
            good += outs.count("2")
            refused += STEP - outs.count("2")
            tap.check(os.stat(canary).st_uid == 0 and os.path.getsize(canary) == 4, "the canary")
    finally:
        end(swapper)
    tap.note("%d started, %d refused" % (good, refused))
    settle(os.path.join(tree, "dev/console"), empty_file)
    tap.check(terminals(tree) == ["2"], "no start without a race either: nothing was tried")


def mounted(shared, user, first=0, count=1):
    outs = again(first, count, *PIDS, *user, "--mount", "bind|%s|/v|" % shared, "--mount", "tmpfs||/v/t|",
                 files=FILES[:4], command=("/bin/seen", "lines", " /proc/", "/proc/mounts"), abreast=ABREAST)
    return [out.strip() for out in outs]


@tap.test("A7-a-directory-becomes-a-link-into-proc-while-it-is-mounted-on")
def swapped_place():
    shared = volume("swapped-place")
    build("seen")
    os.makedirs(shared + "/t")
    os.symlink("/proc/sys/kernel", shared + "/evil")
    good = refused = 0
    swapper = swapping(shared + "/t", shared + "/evil")
    try:
        for i in rounds("A7", DIRECT, STEP):
            outs = mounted(shared, USER if i // STEP % 4 == 0 else [], i, STEP)
            for number, out in enumerate(outs, i + 1):
                tap.check(out == "0" or "link" in out, "mounted in /proc, round %d: %s" % (number, out))
            good += outs.count("0")
            refused += STEP - outs.count("0")
    finally:
        end(swapper)
    tap.note("%d started, %d refused" % (good, refused))
    settle(shared + "/t", os.mkdir)
    tap.check(mounted(shared, []) == ["0"], "no start without a race either: nothing was tried")


def bpf(command, form, *values):
    """bpf(2) with the union's first members; what it answers, and the union."""
    union = ctypes.create_string_buffer(struct.pack(form, *values), 64)
    return ctypes.CDLL(None).syscall(321, command, union, 64), union


def program_of(group):
    """An fd of the one device program that hangs on a control group."""
    ids = (ctypes.c_uint32 * 4)()
    answer, _ = bpf(16, "<IIIIQI", group, 6, 0, 0, ctypes.addressof(ids), 4)
    tap.check(answer == 0 and ids[0] and not ids[1], "one program hangs there")
    return bpf(13, "<I", ids[0])[0]


def exchange_in_two(path, seen):
    """An exchange that takes the old program off before it hangs the new one there, until the hunter saw it."""
    group = os.open(path, os.O_RDONLY)
    program = program_of(group)
    try:
        for number in range(1, ATTEMPTS):
            off, on = bpf(9, "<III", group, program, 6)[0], bpf(8, "<IIII", group, program, 6, 2)[0]
            tap.check(off == 0 and on == 0, "it was not exchanged")
            if seen():
                return number
    finally:
        os.close(program)
        os.close(group)
    raise AssertionError("nobody saw the moment without a program")


@tap.test("A21-the-device-program-of-a-running-container-is-replaced")
def replaced():
    group = "/sys/fs/cgroup/hoy-oci-race-" + os.environ["HOY_RUN_BOX"]
    os.makedirs(group)
    os.mknod(os.path.join(ROOT, "fuse"), 0o20666, os.makedev(10, 229))
    build("hunter")
    proc = subprocess.Popen([DIRECT] + FILES + NEW + ["--cgroup", group, ROOT, "--", "/bin/hunter", "/fuse"],
                            stdout=subprocess.PIPE, env=box.ENV)
    try:
        tap.check(proc.stdout.readline() == b"hunts\n", "the hunter runs")
        with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid), encoding="ascii") as f:
            child = f.read().split()[0]
        os.set_blocking(proc.stdout.fileno(), False)
        # Another container in its group exchanges the program, and so does an update.
        for i in rounds("A21", DIRECT, STEP + UPDATES):
            outs = again(i, STEP, *PIDS, "--cgroup", group, files=FILES[2:4])
            tap.check(outs == [""] * STEP, "a start failed: %s" % outs)
            direct("--exchange", UPDATES, "--cgroup", group)
            tap.check(not proc.stdout.read(), "a device was open for a moment, round %d" % (i + 1))
        # Not so the hunter: a moment without a program is enough for it.
        tap.note("in two calls it is seen in exchange %d" % exchange_in_two(group, proc.stdout.read))
    finally:
        os.kill(int(child), signal.SIGKILL)
        proc.wait(box.LIMIT_S)
        proc.stdout.close()
        os.unlink(os.path.join(ROOT, "fuse"))
        box.wait_for("the group to be empty", lambda: not box.others_alive())
        os.rmdir(group)


@tap.test("A2-young-processes-are-hunted")
def hunted():
    build("hunter")
    # All rights of a young process but the one to look at everything.
    caps = FULL & ~(1 << 19)
    rights = ["--caps", "%d:%d:%d:0:0" % (caps, caps, caps)]
    # A filter as long as they come is what a young process is busy with.
    path = os.path.join(box.WORK, "long-filter")
    with open(path, "wb") as f:
        f.write(struct.pack("<HBBI", 0x20, 0, 0, 0) * 1000 + struct.pack("<HBBI", 6, 0, 0, 0x7fff0000))
    proc = subprocess.Popen([DIRECT] + FILES + NEW + rights + [ROOT, "--", "/bin/hunter"],
                            stdout=subprocess.PIPE, env=box.ENV)
    try:
        tap.check(proc.stdout.readline() == b"hunts\n", "the hunter runs")
        with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid), encoding="ascii") as f:
            child = f.read().split()[0]
        os.set_blocking(proc.stdout.fileno(), False)
        for i in rounds("A2", DIRECT, STEP):
            outs = again(i, STEP, "--exec", child, *rights, "--seccomp", path, files=[],
                         abreast=ABREAST)
            tap.check(outs == [""] * STEP, "an exec failed: %s" % outs)
            seen = proc.stdout.read()
            tap.check(not seen, "a young process was seen, round %d: %s" % (i + 1, seen))
    finally:
        os.kill(int(child), signal.SIGKILL)
        proc.wait(box.LIMIT_S)
        proc.stdout.close()


# A disk's journal would only be in the way of both sides.
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", box.WORK], check=True)
direct_root()
os.makedirs(os.path.join(ROOT, "v"))
box.run()
