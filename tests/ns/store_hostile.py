#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Malicious layers through the real unpack, files and pack roles: whatever a tar says, nothing outside of the
directory it is laid into changes, and no role dies. HOY_LAYERS random ones (500), by HOY_SEED."""
import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import shutil
import struct
import sys
import tarfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import mounts, tap  # noqa: E402

LAYERS = int(os.environ.get("HOY_LAYERS", "500"))
SEED = int(os.environ.get("HOY_SEED", "4"))
UNPACK_START = 1
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
MILD = ["a", "b", "d", "etc", "canary", "dev", ".", ""]
WILD = ["..", ".wh.a", ".wh..wh..opq", ".wh.", ".wh...", "n" * 255, "n" * 256, "\u00fc", "\x01"]
TARGETS = ["/", "..", "../..", "../../canary", "/canary", "../canary", "/etc", "d", "a", ".", "/proc/self/root",
           "../../../../../../..", "/dev/../../canary", "x" * 4095, "b/../../.."]
TYPES = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
         tarfile.FIFOTYPE, tarfile.REGTYPE, tarfile.SYMTYPE]
XATTRS = ["trusted.overlay.redirect", "user.overlay.redirect", "user.overlay.opaque", "user.overlay.metacopy",
          "security.capability", "user.ok", "system.posix_acl_access"]


class Place:
    """Canaries beside the directory that layers are laid into, and the three roles."""

    def __init__(self, name):
        self.root = peer.Root("hostile-" + name)

    def __enter__(self):
        self.root.__enter__()
        self.canary = os.path.join(self.root.data, "canary")
        with open(self.canary, "wb") as f:
            f.write(b"untouched")
        self.stage = os.path.join(self.root.data, "in", "stage")
        self.fresh()
        self.before = self.outside()
        self.roles = {n: peer.Role(self.root, n) for n in ("unpack", "files", "pack")}
        return self

    def __exit__(self, *_):
        status = [role.stop() for role in self.roles.values()]
        self.root.__exit__()
        tap.check(status == [0, 0, 0], "the roles end by themselves: %s" % status)

    def fresh(self):
        shutil.rmtree(self.stage, ignore_errors=True)
        os.makedirs(self.stage)

    def outside(self):
        """All there is beside the stage: names, inodes, owners, modes, times, content."""
        found = {}
        for folder, dirs, files in os.walk(self.root.data):
            if folder == os.path.dirname(self.stage):
                dirs[:] = []
            for name in dirs + files:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                found[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink)
        with open(self.canary, "rb") as f:
            return found, hashlib.sha256(f.read()).hexdigest(), os.stat(self.canary).st_mtime_ns

    def unpack(self, data, media=LAYER_TAR, layer=True, ratio=0, total=0):
        """(what unpack said or its error, records)."""
        feeder = peer.Feeder(data)
        read_fd, write_fd = os.pipe()
        body = peer.text(media) + struct.pack("<IQII", 1 if layer else 0, total, 0, ratio) + bytes(33)
        role = self.roles["unpack"]
        serial = role.send(UNPACK_START, body, [feeder.read_fd, write_fd])
        os.close(feeder.read_fd)
        feeder.read_fd = -1
        os.close(write_fd)
        records = []
        reader = threading.Thread(target=lambda: records.extend(iter(lambda: os.read(read_fd, 1 << 16), b"")))
        reader.start()
        try:
            result = role.wait(serial)[0]
        except peer.RoleError as error:
            result = error
        reader.join()
        os.close(read_fd)
        feeder.done()
        return result, b"".join(records)

    def feed(self, role, kind, body, records, fd):
        feeder = peer.Feeder(records)
        role = self.roles[role]
        serial = role.send(kind, body, [feeder.read_fd, fd])
        os.close(feeder.read_fd)
        feeder.read_fd = -1
        try:
            return role.wait(serial)[0]
        except peer.RoleError as error:
            return error
        finally:
            feeder.done()

    def lay(self, records):
        """Into the stage, and into an EROFS file."""
        fd = os.open(self.stage, os.O_RDONLY | os.O_DIRECTORY)
        laid = self.feed("files", peer.FILES_EXTRACT, peer.text("/") + peer.text(""), records, fd)
        os.close(fd)
        fd = os.open(os.path.join(self.root.path, "layer"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        packed = self.feed("pack", peer.PACK_START, b"\1", records, fd)
        os.close(fd)
        return laid, packed

    def take(self, data, **how):
        """One layer all the way; checks what is outside."""
        result, records = self.unpack(data, **how)
        laid = self.lay(records)
        tap.check(self.outside() == self.before, "something outside of the root has changed")
        return result, laid


def tar(members):
    """Members: (name, type, link, attributes) as they stand, hostile or not."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, kind, link, extra in members:
            m = tarfile.TarInfo(name)
            m.type, m.linkname = kind, link
            data = b"" if kind != tarfile.REGTYPE else extra.pop("data", b"changed")
            m.size = len(data)
            m.mode, m.devmajor, m.devminor = 0o6777, 1, 3
            for key, value in extra.items():
                setattr(m, key, value)
            t.addfile(m, io.BytesIO(data))
    return out.getvalue()


def reg(name, **extra):
    return (name, tarfile.REGTYPE, "", extra)


def link(name, target, hard=False):
    return (name, tarfile.LNKTYPE if hard else tarfile.SYMTYPE, target, {})


def random_member(rng):
    name = "/".join(rng.choice(WILD if rng.random() < 0.04 else MILD) for _ in range(rng.randrange(1, 5))) or "a"
    extra = {}
    if rng.random() < 0.2:
        extra["pax_headers"] = {"SCHILY.xattr." + rng.choice(XATTRS): rng.choice(["y", "../..", "/etc"])}
    if rng.random() < 0.1:
        extra["devmajor"] = extra["devminor"] = 0
    return (name, rng.choice(TYPES), rng.choice(TARGETS), extra)


@tap.test("B1 random layers of hostile names, links, devices and attributes change nothing outside of the root")
def _b1():
    rng = random.Random(SEED)
    taken = refused = 0
    with Place("random") as p:
        for number in range(LAYERS):
            if rng.random() < 0.5:
                p.fresh()  # else: upon what the layer before has left
            result, _ = p.take(tar(random_member(rng) for _ in range(rng.randrange(1, 8))))
            refused += isinstance(result, peer.RoleError)
            taken += not isinstance(result, peer.RoleError)
        tap.note("%d layers by seed %d: %d taken, %d refused" % (number + 1, SEED, taken, refused))
        tap.check(taken and refused, "the generator makes only one kind: %d, %d" % (taken, refused))


@tap.test("B1 ways out that others were open to: each leaves the canary alone")
def _b1_known():
    ways = [[link("x", "/"), reg("x/canary")], [link("x", "../.."), reg("x/canary")],
            [link("x/.", "../.."), reg("x/canary")], [link(".", "../.."), reg("canary")],
            [link("x", "../../canary"), reg("x")], [link("x", "../../canary", True), reg("x")],
            [link("x", "/../../canary", True), reg("x")], [link("d", ".."), link("d/e", ".."), reg("d/e/canary")],
            [link("x", "../.."), link("y", "x/canary", True), reg("y")], [reg("../../canary")],
            [reg("a/../../../canary")], [reg("/canary")], [link("x", "../.."), ("x/in", tarfile.DIRTYPE, "", {})]]
    with Place("known") as p:
        for way in ways:
            p.fresh()
            p.take(tar(way))
            first, second = way[:1], way[1:]
            p.fresh()
            p.take(tar(first))  # the same in two layers
            p.take(tar(second))


@tap.test("B2 absolute names and link targets are re-rooted, not refused")
def _b2():
    with Place("absolute") as p:
        result, laid = p.take(tar([reg("/bin/tool", data=b"tool"), link("/bin/other", "/bin/tool", True)]))
        tap.check(not isinstance(result, peer.RoleError), "unpack: %s" % result)
        tap.check(not any(isinstance(r, peer.RoleError) for r in laid), "%s" % (laid,))
        tap.check(os.stat(p.stage + "/bin/tool").st_nlink == 2, "the hard link")


@tap.test("B3 whiteouts that name nothing, the root, or what is outside are refused")
def _b3():
    with Place("whiteouts") as p:
        for name in (".wh.", ".wh...", ".wh..", "a/.wh.", ".wh.a/b", "../.wh.canary", "d/.wh.../x"):
            result, _ = p.take(tar([reg(name, data=b"")]))
            tap.check(isinstance(result, peer.RoleError), "%s was taken" % name)
        for name in (".wh.a", "d/.wh.x", "d/.wh..wh..opq"):
            result, _ = p.unpack(tar([reg(name, data=b"")]))
            tap.check(not isinstance(result, peer.RoleError), "%s: %s" % (name, result))


@tap.test("B4 attributes that mean something to overlayfs, and its whiteout device, do not get in")
def _b4():
    with Place("overlay") as p:
        headers = {"SCHILY.xattr." + name: "y" for name in XATTRS}
        result, records = p.unpack(tar([reg("f", pax_headers=headers)]))
        tap.check(not isinstance(result, peer.RoleError), "%s" % result)
        tap.check(b"overlay" not in records and b"user.ok" in records, "attributes in the records")
        result, _ = p.take(tar([("node", tarfile.CHRTYPE, "", {"devmajor": 0, "devminor": 0})]))
        tap.check(isinstance(result, peer.RoleError), "a device 0:0 was taken")


@tap.test("B6 owner, then mode, then attributes: setuid stays with its owner")
def _b6():
    with Place("modes") as p:
        p.take(tar([reg("su", mode=0o4755, uid=7, gid=8), reg("sg", mode=0o2755, uid=9, gid=10)]))
        st = os.stat(p.stage + "/su")
        tap.check((st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o4755, 7, 8), "su: %o" % st.st_mode)
        st = os.stat(p.stage + "/sg")
        tap.check((st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o2755, 9, 10), "sg: %o" % st.st_mode)


def status_kib(pid, key):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


@tap.test("B7 bombs are refused at their limit, in bounded memory")
def _b7():
    zeros = tar([reg("zeros", data=bytes(64 << 20))])
    bombs = [(gzip.compress(zeros, 9), "application/vnd.oci.image.layer.v1.tar+gzip", {}),
             (gzip.compress(gzip.compress(zeros, 9), 9), "application/vnd.oci.image.layer.v1.tar+gzip", {}),
             (zeros, LAYER_TAR, {"total": 1 << 20}),
             (tar([reg("p", pax_headers={"comment": "x" * (4 << 20)})]), LAYER_TAR, {}),
             (tar([reg("/".join(["d" * 200] * 30))]), LAYER_TAR, {})]
    with Place("bombs") as p:
        for number, (data, media, how) in enumerate(bombs):
            began = time.monotonic()
            result, records = p.unpack(data, media, **how)
            tap.check(isinstance(result, peer.RoleError), "bomb %d was taken" % number)
            tap.check(len(records) < 48 << 20, "bomb %d: %d bytes of records" % (number, len(records)))
            tap.note("bomb %d refused after %.1f s: %s" % (number, time.monotonic() - began, result))
        peak = status_kib(p.roles["unpack"].process.pid, "VmHWM")
        tap.check(peak < 64 << 10, "unpack took %d KiB" % peak)


def sparse(name, size, end):
    """GNU's sparse form: a file of `size` bytes of which only the last ones are in the archive."""
    head = bytearray(512)

    def put(at, width, value):
        head[at:at + width] = value
    put(0, 100, name.encode().ljust(100, b"\0"))
    for at, width, value in ((100, 8, 0o644), (108, 8, 0), (116, 8, 0), (124, 12, len(end)), (136, 12, 0),
                             (386, 12, size - len(end)), (398, 12, len(end)), (483, 12, size)):
        put(at, width, b"%0*o\0" % (width - 1, value))
    put(156, 1, b"S")
    put(257, 8, b"ustar  \0")
    put(148, 8, b" " * 8)
    put(148, 8, b"%06o\0 " % sum(head))
    return bytes(head) + end.ljust(512, b"\0")


@tap.test("B15 sizes around 2^31 and 2^32 are whole; what was written behind the store's back is noticed")
def _b15():
    sizes = [edge + off for edge in (1 << 31, 1 << 32) for off in (-1, 0, 1)]
    with Place("sizes") as p:
        layer = b"".join(sparse("f%d" % size, size, b"end of %d" % size) for size in sizes) + bytes(1024)
        result, records = p.unpack(layer)
        tap.check(not isinstance(result, peer.RoleError), "%s" % result)
        point, path = os.path.join(p.root.path, "mnt"), os.path.join(p.root.path, "layer")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        packed = p.feed("pack", peer.PACK_START, b"\0", records, fd)
        tap.check(not isinstance(packed, peer.RoleError), "%s" % packed)
        os.makedirs(point)
        mounts.mount_erofs(path, point)
        try:
            for size in sizes:
                with open("%s/f%d" % (point, size), "rb") as f:
                    end = b"end of %d" % size
                    tap.check(os.fstat(f.fileno()).st_size == size, "size of f%d" % size)
                    f.seek(-len(end) - 1, os.SEEK_END)
                    tap.check(f.read() == b"\0" + end, "end of f%d" % size)
        finally:
            peer.umount(point)
        # Verified and used are the same bytes: whoever still has the file open for writing changes nothing.
        with peer.Role(p.root, "store") as store:
            _, fds = store.call(peer.LAYER_NEW, struct.pack("<Q", 0))
            with open(path, "rb") as f:
                os.write(fds[0], f.read(4096))
            body = struct.pack("<Q", 0)
            digest = hashlib.sha256(b"key").digest()
            store.call(peer.LAYER_COMMIT, digest + bytes(32) + body, fds)
            try:
                os.pwrite(fds[0], b"changed", 2000)
            except OSError:
                pass  # the file system seals it: nothing can be written any more
            name = os.path.join(p.root.data, "store/layers/sha256", digest.hex() + ".erofs")
            with open(name, "rb") as f:
                changed = b"changed" in f.read()
            found = struct.unpack("<III", store.call(peer.CHECK, b"\0")[0][:12])
            tap.check(found[1] == int(changed), "changed: %s, damaged: %d" % (changed, found[1]))
            os.close(fds[0])


@tap.test("B16 only tar, gzip and zstd are read: nothing else is unpacked, no program is asked to do it")
def _b16():
    plain = tar([reg("a")])
    with Place("formats") as p:
        for name, data in (("bzip2", bz2.compress(plain)), ("xz", lzma.compress(plain)), ("zip", b"PK\3\4" + plain),
                           ("cpio", b"070701" + plain), ("noise", os.urandom(20000))):
            for media in ("", LAYER_TAR, "application/vnd.oci.image.layer.v1.tar+gzip"):
                result, _ = p.unpack(data, media)
                tap.check(isinstance(result, peer.RoleError), "%s as %s was taken" % (name, media or "any"))
        result, _ = p.unpack(gzip.compress(plain), "")
        tap.check(not isinstance(result, peer.RoleError), "gzip: %s" % result)


if __name__ == "__main__":
    mounts.go_private()
    tap.run()
