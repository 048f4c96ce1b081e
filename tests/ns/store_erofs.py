#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random trees through the EROFS writer, mounted by the kernel and compared with what went in."""
import ctypes
import os
import random
import shutil
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_records as rec  # noqa: E402
from fixture import BUILD, mounts, tap  # noqa: E402

WORK = os.path.join(BUILD, "ns-store-erofs")
TOOL = os.environ.get("STORE_TOOL", os.path.join(BUILD, "x86_64/san/bin/tests/tool/store_tool"))
FSCK = os.path.join(BUILD, "x86_64/host-sysroot/bin/fsck.erofs")
LIBC = ctypes.CDLL(None, use_errno=True)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


class Mount:
    """A file-backed (or loop) EROFS mount for the length of a block."""

    def __init__(self, image):
        self.image = image
        self.dir = image + ".mnt"

    def __enter__(self):
        os.makedirs(self.dir, exist_ok=True)
        mounts.mount_erofs(self.image, self.dir)
        return self.dir

    def __exit__(self, *_):
        mounts.umount(self.dir)
        os.rmdir(self.dir)


def pack(name, stream):
    """Packs a stream; the path of the image and what the tool printed."""
    os.makedirs(WORK, exist_ok=True)
    image = os.path.join(WORK, name + ".erofs")
    done = subprocess.run([TOOL, "pack", image], input=stream, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    return image, done


def packed(name, stream):
    image, done = pack(name, stream)
    tap.check(done.returncode == 0, "pack %s: %s" % (name, done.stderr.decode()))
    fsck = subprocess.run([FSCK, image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    tap.check(fsck.returncode == 0, "fsck.erofs %s: %s" % (name, fsck.stdout.decode()))
    return image


# ---- a model of a tree: path -> attributes ----

class Model:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes = {}
        self.dirs = [b""]
        self.stream = rec.Stream()

    def name(self):
        r = self.random
        length = r.choice((1, 2, 3, 8, 20, 80, 255))
        alphabet = b"abcXYZ019-_. !~+" + bytes(range(0xc0, 0xd0)) + b"\n\x01"
        name = bytes(r.choice(alphabet) for _ in range(length))
        return b"x" + name[1:] if name in (b".", b"..") else name

    def path(self):
        while True:
            parent = self.random.choice(self.dirs[-40:] + [b""])
            path = (parent + b"/" if parent else b"") + self.name()
            if path not in self.nodes and len(path) < 1500:
                return path

    def xattrs(self):
        r = self.random
        if r.random() > 0.2:
            return []
        names = r.sample([b"user.a", b"user.bb", b"user." + b"n" * 200, b"user.z"], r.randint(1, 3))
        result = [(n, bytes(r.getrandbits(8) for _ in range(r.choice((0, 1, 5, 300, 3900)))))
                  for n in names]
        if r.random() < 0.3:
            result.append((b"security.capability", CAPABILITY))
        return result

    def attributes(self):
        r = self.random
        return {"mode": r.choice((0o644, 0o755, 0o4755, 0o2711, 0o1777, 0, 0o7777)),
                "uid": r.choice((0, 1000, 65536, 3000000, 2**32 - 2)),
                "gid": r.choice((0, 5, 70000, 2**31 - 2)),
                "mtime": (r.choice((0, 1, 1700000000, 2**33, -5)), r.choice((0, 1, 999999999))),
                "xattrs": self.xattrs()}

    def add(self):
        r = self.random
        kind = r.choices(("file", "dir", "symlink", "special", "hardlink"), (60, 15, 12, 5, 8))[0]
        files = [p for p, n in self.nodes.items() if n["kind"] not in ("dir",)]
        path = self.path()
        if kind == "hardlink" and files:
            target = r.choice(files)
            self.stream.node(rec.HARDLINK, path, target=target)
            self.nodes[path] = self.nodes[target]
            return
        node = dict(self.attributes(), kind=kind)
        attributes = {k: node[k] for k in ("mode", "uid", "gid", "mtime", "xattrs")}
        if kind == "dir":
            self.stream.node(rec.DIR, path, **attributes)
            self.dirs.append(path)
        elif kind == "symlink":
            node["xattrs"] = attributes["xattrs"] = []
            node["target"] = b"t" * r.choice((1, 10, 59, 60, 1000, 4000, 4032, 4033, 4095))
            self.stream.node(rec.SYMLINK, path, target=node["target"], **attributes)
        elif kind == "special":
            code, bits, rdev = r.choice(((rec.FIFO, stat.S_IFIFO, (0, 0)),
                                         (rec.CHAR, stat.S_IFCHR, (5, 1)),
                                         (rec.CHAR, stat.S_IFCHR, (4095, 70000)),
                                         (rec.BLOCK, stat.S_IFBLK, (259, 300))))
            node["bits"], node["rdev"] = bits, rdev
            node["xattrs"] = attributes["xattrs"] = []  # the kernel knows user.* on files only
            self.stream.node(code, path, rdev=rdev, **attributes)
        else:
            node["kind"] = "file"
            size = r.choice((0, 1, 100, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 70000,
                             r.randint(0, 300000)))
            node["content"] = content = r.randbytes(size)
            self.stream.file(path, content, **attributes)
        self.nodes[path] = node


def check_node(root, path, node, inodes):
    full = os.path.join(root.encode(), path)
    st = os.lstat(full)
    bits = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    want = bits.get(node["kind"], node.get("bits"))
    tap.check(stat.S_IFMT(st.st_mode) == want, "%r: type %o" % (path, st.st_mode))
    if node["kind"] != "symlink":
        tap.check(stat.S_IMODE(st.st_mode) == node["mode"], "%r: mode %o" % (path, st.st_mode))
    tap.check((st.st_uid, st.st_gid) == (node["uid"], node["gid"]), "%r: owner" % path)
    tap.check(st.st_mtime_ns == node["mtime"][0] * 10**9 + node["mtime"][1], "%r: mtime" % path)
    if node["kind"] == "file":
        with open(full, "rb") as f:
            tap.check(f.read() == node["content"], "%r: content" % path)
    if node["kind"] == "symlink":
        tap.check(os.readlink(full) == node["target"], "%r: target" % path)
    if node["kind"] == "special" and node["bits"] != stat.S_IFIFO:
        tap.check((os.major(st.st_rdev), os.minor(st.st_rdev)) == node["rdev"], "%r: rdev" % path)
    if node["kind"] != "dir":
        seen = inodes.setdefault(id(node), (st.st_ino, st.st_nlink))
        tap.check(seen == (st.st_ino, st.st_nlink), "%r: hard link" % path)
    have = {n: os.getxattr(full, n, follow_symlinks=False)
            for n in os.listxattr(full, follow_symlinks=False)}
    tap.check(have == {n.decode(): v for n, v in node["xattrs"]}, "%r: xattrs" % path)


def compare(root, model):
    inodes = {}
    children = {}
    for path, node in model.nodes.items():
        check_node(root, path, node, inodes)
        children.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for path in model.dirs:
        have = set(os.listdir(os.path.join(root.encode(), path)))
        tap.check(have == children.get(path, set()), "%r: names" % path)
    links = {}
    for node in model.nodes.values():
        links[id(node)] = links.get(id(node), 0) + 1
    for key, (_, nlink) in inodes.items():
        tap.check(nlink == links[key], "%d links, not %d" % (nlink, links[key]))


def random_tree(seed, count):
    model = Model(seed)
    for _ in range(count):
        model.add()
    image = packed("random%d" % seed, model.stream.end())
    with Mount(image) as root:
        compare(root, model)
    os.unlink(image)


@tap.test("random trees come back from the kernel as they went in")
def random_trees():
    for seed in range(12):
        random_tree(seed, 400)


@tap.test("a directory of 20,000 names, and names that sort around the dots")
def big_directory():
    model = Model(77)
    names = [b"big/%06d%s" % (i, b"x" * (i % 90)) for i in range(20000)]
    names += [b"big/" + n for n in (b"!", b"-", b"...", b".a", b"..a", b".-", b"0", b"\xff")]
    attributes = {"mode": 0o600, "uid": 1, "gid": 2, "mtime": (3, 4), "xattrs": []}
    model.stream.node(rec.DIR, b"big", **attributes)
    model.nodes[b"big"] = dict(attributes, kind="dir")
    model.dirs.append(b"big")
    for name in names:
        model.stream.file(name, name, **attributes)
        model.nodes[name] = dict(attributes, kind="file", content=name)
    image = packed("big", model.stream.end())
    with Mount(image) as root:
        compare(root, model)
    os.unlink(image)


@tap.test("the same records give the same bytes")
def deterministic():
    images = []
    for name in ("same1", "same2"):
        model = Model(5)
        for _ in range(200):
            model.add()
        with open(packed(name, model.stream.end()), "rb") as f:
            images.append(f.read())
    tap.check(images[0] == images[1], "two runs differ")


def overlay(lowers, name):
    """Mounts images as an overlay with userxattr; (mount point, undo)."""
    point = os.path.join(WORK, name)
    dirs = []
    for image in lowers:
        mount = Mount(image)
        dirs.append(mount)
        mount.__enter__()
    os.makedirs(point, exist_ok=True)
    options = "userxattr,xino=on,lowerdir=" + ":".join(m.dir for m in dirs)
    result = LIBC.mount(b"overlay", point.encode(), b"overlay", 0, options.encode())
    code = ctypes.get_errno()

    def undo():
        LIBC.umount2(point.encode(), 2)
        os.rmdir(point)
        for mount in dirs:
            mount.__exit__()
    if result != 0:
        for mount in dirs:
            mount.__exit__()
        raise OSError(code, "overlay mount")
    return point, undo


@tap.test("whiteouts and opaque directories hide what lies below, foreign marks do not")
def overlay_marks():
    lower = rec.Stream()
    for path in ("gone", "stays", "opaque/old", "both/old", "dir/gone", "dir/kept", "fake/kept"):
        lower.file(path, path.encode())
    upper = rec.Stream()
    upper.mark(rec.WHITEOUT, "gone")
    upper.mark(rec.WHITEOUT, "dir/gone")
    upper.file("opaque/new", b"new")
    upper.mark(rec.OPAQUE, "opaque")
    upper.mark(rec.WHITEOUT, "both")
    upper.file("both/new", b"new")
    upper.node(rec.DIR, "fake", mode=0o755, xattrs=[(b"security.selinux", b"z"), (b"user.ok", b"1")])
    low, up = packed("lower", lower.end()), packed("upper", upper.end())
    with Mount(up) as root:
        tap.check(os.listxattr(root + "/fake") == ["user.ok"], "foreign xattrs stay out")
        tap.check(os.lstat(root + "/gone").st_rdev == 0, "whiteout is a device 0:0")
    point, undo = overlay([up, low], "merged")
    try:
        found = sorted(os.path.relpath(os.path.join(d, f), point)
                       for d, _, fs in os.walk(point) for f in fs)
    finally:
        undo()
    tap.check(found == ["both/new", "dir/kept", "fake/kept", "opaque/new", "stays"], repr(found))


@tap.test("a path that comes again: the later record wins")
def later_wins():
    s = rec.Stream()
    s.file("a", b"first")
    s.file("a", b"second")
    s.file("d/x", b"x")
    s.node(rec.DIR, "d", mode=0o700)
    s.file("e/below", b"1")
    s.file("e", b"now a file")
    s.file("h", b"linked")
    s.node(rec.HARDLINK, "h2", target="h")
    s.file("h", b"other")
    with Mount(packed("later", s.end())) as root:
        def read(name):
            with open(os.path.join(root, name), "rb") as f:
                return f.read()
        tap.check(read("a") == b"second", "file over file")
        tap.check(read("d/x") == b"x", "directory over directory keeps its content")
        tap.check(stat.S_IMODE(os.stat(root + "/d").st_mode) == 0o700, "and takes the new mode")
        tap.check(read("e") == b"now a file", "file over directory")
        tap.check(read("h2") == b"linked" and read("h") == b"other", "a link survives its name")
        tap.check(os.stat(root + "/h2").st_nlink == 1, "link count after the name is gone")


@tap.test("a sparse file of 1 TiB takes no room")
def sparse():
    s = rec.Stream()
    size = 1 << 40
    s.node(rec.FILE, "sparse", size=size)
    s.data(size // 2, b"middle")
    s.data(size - 3, b"end")
    image = packed("sparse", s.end())
    with Mount(image) as root, open(root + "/sparse", "rb") as f:
        tap.check(os.fstat(f.fileno()).st_size == size, "size")
        f.seek(size // 2)
        tap.check(f.read(8) == b"middle\0\0", "middle")
        f.seek(size - 4)
        tap.check(f.read() == b"\0end", "end")
    tap.check(os.stat(image).st_blocks * 512 < 1 << 20, "the image is sparse too")


@tap.test("bad streams are refused with a reason")
def refused():
    def stream(build):
        s = rec.Stream()
        build(s)
        return s.end()
    cases = {
        "an xattr of overlayfs":
            stream(lambda s: s.node(rec.DIR, "a", xattrs=[(b"user.overlay.opaque", b"y")])),
        "which is not in the layer":
            stream(lambda s: s.node(rec.HARDLINK, "a", target="missing")),
        "below something that is no directory":
            stream(lambda s: (s.file("f", b""), s.file("f/x", b""))),
        "exceeds 4096 GiB": stream(lambda s: s.node(rec.FILE, "f", size=1 << 60)),
        "stop before their end": rec.Stream().end()[:-1],
        "go on behind their end": rec.Stream().end() + b"x" * 200000,
        "no plain path": stream(lambda s: s.file("../x", b"")),
    }
    for text, data in cases.items():
        _, done = pack("bad", data)
        tap.check(done.returncode == 1 and text in done.stderr.decode(),
                  "%s: %d %s" % (text, done.returncode, done.stderr.decode()))


@tap.test("an empty layer is a mountable image")
def empty():
    with Mount(packed("empty", rec.Stream().end())) as root:
        tap.check(os.listdir(root) == [], "nothing in it")
        tap.check(stat.S_IMODE(os.stat(root).st_mode) == 0o755, "root is 0755")


if __name__ == "__main__":
    mounts.go_private()
    shutil.rmtree(WORK, ignore_errors=True)
    tap.run()
