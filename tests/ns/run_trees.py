#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Foreign trees and the one who reads them for the engine, the files role: what their makers wrote
there to get out. The letter and number of a test are those of docs/confinement.md."""
import ctypes
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import tap  # noqa: E402
from fixture.rounds import rounds  # noqa: E402

RSS_SPARE_KIB = 8 << 10


class Trees:
    """A root with a files role, a tree that somebody else made, and a place for copies."""

    def __init__(self, name):
        self.root = peer.Root("trees-" + name)

    def __enter__(self):
        self.root.__enter__()
        self.source, self.dest = (os.path.join(self.root.data, n) for n in ("source", "dest"))
        os.makedirs(self.source + "/etc")
        os.makedirs(self.dest)
        self.role = peer.Role(self.root, "files")
        return self

    def __exit__(self, *_):
        self.role.stop(kill=True)
        self.root.__exit__()

    def call(self, kind, body, *paths):
        fds = [os.open(p, os.O_RDONLY | os.O_DIRECTORY) for p in paths]
        try:
            return self.role.call(kind, body, fds)[0]
        finally:
            for fd in fds:
                os.close(fd)

    def user(self, spec):
        return struct.unpack("<II", self.call(peer.FILES_PASSWD, peer.text(spec), self.source)[:8])

    def write(self, path, content):
        path = os.path.join(self.source, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, 0o755)

    def peak_kib(self):
        with open("/proc/%d/status" % self.role.process.pid, encoding="ascii") as f:
            return int([line for line in f if line.startswith("VmHWM")][0].split()[1])


def code_of(call):
    """The errno that a call was refused with, 0 when it was not."""
    try:
        call()
    except peer.RoleError as error:
        return error.code if error.code > 0 else -error.code
    return 0


@tap.test("A12-digits-are-a-number-and-nothing-else-is")
def numbers():
    with Trees("numbers") as t:
        t.write("etc/passwd", b"root:x:0:0::/root:\n1000:x:0:0::/root:\n4294967296:x:0:0::/:\n"
                              b"00:x:0:0::/:\n1e3:x:7:8::/:\n-1:x:9:9::/:\n")
        t.write("etc/group", b"root:x:0:\n20:x:0:\n")
        for spec, want in (("1", (1, 0)), ("1:0", (1, 0)), ("1000", (1000, 0)), ("1000:20", (1000, 20)),
                           ("00", (0, 0)), ("1e3", (7, 8)), ("4294967294", (4294967294, 0))):
            tap.check(t.user(spec) == want, "%r is %s, expected %s" % (spec, t.user(spec), want))
        for spec in ("0x0", "4294967295", "4294967296", " 0", "0 ", "+0", "1:4294967296", "99999999999999999999"):
            code = code_of(lambda spec=spec: t.user(spec))
            tap.check(code == errno.ENOENT, "%r: errno %d" % (spec, code))


@tap.test("A13-passwd-and-group-of-any-size-and-kind")
def bounded():
    with Trees("bounded") as t:
        t.write("etc/passwd", b"web:x:33:33::/:\n")
        tap.check(t.user("web") == (33, 33), "a plain one")
        before = t.peak_kib()

        def sparse(path):
            with open(path, "wb") as f:
                f.truncate(10 << 30)

        def line(path):
            with open(path, "wb") as f:
                f.write(b"x" * ((1 << 20) + 1))
        for name in ("passwd", "group"):
            path = os.path.join(t.source, "etc", name)
            for make, want in ((line, errno.EFBIG), (sparse, errno.EFBIG), (os.mkfifo, errno.EINVAL),
                               (lambda p: os.symlink("/dev/zero", p), 0),
                               (lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)), errno.EINVAL)):
                if os.path.lexists(path):
                    os.unlink(path)
                make(path)
                got = code_of(lambda: t.user("0"))
                tap.check(got == want, "%s: errno %d, expected %d" % (name, got, want))
                tap.check(t.peak_kib() - before < RSS_SPARE_KIB, "%d KiB more" % (t.peak_kib() - before))
            os.unlink(path)


@tap.test("A14-no-program-of-a-tree-is-ever-executed")
def programs():
    with Trees("programs") as t:
        trap = b"#!/bin/sh\ntouch /marker; touch \"$0.ran\"\n"
        for name in ("bin/sh", "bin/xz", "bin/gzip", "usr/bin/unpigz", "sbin/ldconfig",
                     "usr/bin/nsenter", "usr/bin/tar", "usr/bin/getent", "lib/libnss_files.so.2"):
            t.write(name, trap)
        t.write("etc/nsswitch.conf", b"passwd: files trap\ngroup: files trap\n")
        t.write("etc/passwd", b"web:x:33:33::/:\n")
        t.user("web")
        t.call(peer.FILES_COPY, peer.copy_body(["bin", "etc"], "/"), t.source, t.dest)
        t.call(peer.FILES_READ, peer.text("bin/xz") + struct.pack("<I", 100), t.source)
        t.call(peer.FILES_HASH, peer.copy_body(["bin"], "/"), t.source)
        ran = [n for folder, _, names in os.walk(t.root.path) for n in names
               if n.endswith(".ran") or n == "marker"]
        tap.check(not ran, "was executed: %s" % ran)
        # And if its content took the role over, it could not either.
        tool = os.path.join(t.root.path, "run_fault")
        subprocess.run(["gcc", "-static", "-D_GNU_SOURCE", "-O1", "-o", tool,
                        os.path.join(HERE, "run_fault.c")], check=True)
        taken = subprocess.Popen([tool, "take", str(t.role.process.pid)], stdout=subprocess.PIPE)
        signal_number = int(signal.SIGSYS)
        said = taken.stdout.read().decode()
        taken.wait()
        tap.check(said == "killed by signal %d\n" % signal_number, "a role that executes: " + said)


def swapping(first, second):
    """A process that exchanges two names as fast as it can."""
    swapper = os.fork()
    if swapper == 0:
        libc = ctypes.CDLL(None)
        while True:
            libc.renameat2(-100, first.encode(), -100, second.encode(), 2)  # RENAME_EXCHANGE
    return swapper


def copy_one(t, number):
    """Copies deep/dir/file, and says how many came; none may be the host's."""
    code_of(lambda: t.call(peer.FILES_COPY, peer.copy_body(["deep/dir/file"], "/"), t.source, t.dest))
    copied = 0
    for folder, _, names in os.walk(t.dest):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, encoding="ascii") as f:
                    tap.check(f.read() == "of the tree", "the host's file was copied, round %d" % number)
                    copied += 1
    shutil.rmtree(t.dest)
    os.makedirs(t.dest)
    return copied


@tap.test("A15-a-directory-becomes-a-link-while-it-is-copied")
def swapped():
    with Trees("swapped") as t:
        secret = os.path.join(t.root.data, "secret")
        os.makedirs(secret)
        with open(secret + "/file", "w", encoding="ascii") as f:
            f.write("of the host")
        t.write("deep/dir/file", b"of the tree")
        os.symlink("../../secret", t.source + "/deep/evil")
        swapper = swapping(t.source + "/deep/dir", t.source + "/deep/evil")
        copied = 0
        try:
            for i in rounds("A15", peer.ENGINE):
                copied += copy_one(t, i + 1)
        finally:
            os.kill(swapper, signal.SIGKILL)
            os.waitpid(swapper, 0)
        tap.note("%d files copied" % copied)
        if os.path.islink(t.source + "/deep/dir"):
            os.rename(t.source + "/deep/dir", t.source + "/deep/aside")
            os.rename(t.source + "/deep/evil", t.source + "/deep/dir")
        tap.check(copy_one(t, 0) == 1, "nothing is copied without a race either")


tap.run()
