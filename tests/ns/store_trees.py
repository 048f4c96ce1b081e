#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trees that leave the machine: layers and containers' roots as tars, what a container changed."""
import errno
import hashlib
import io
import os
import stat
import struct
import sys
import tarfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import mounts, tap  # noqa: E402

LAYER, PLAIN = b"\0", b"\1"


class Place:
    """A root with a files and a pack role and one tree."""

    def __init__(self, name):
        self.root = peer.Root("trees-" + name)

    def __enter__(self):
        self.root.__enter__()
        self.tree = os.path.join(self.root.data, "tree")
        os.makedirs(self.tree)
        self.files = peer.Role(self.root, "files")
        return self

    def __exit__(self, *_):
        status = self.files.stop()
        self.root.__exit__()
        tap.check(status == 0, "the role ends by itself: %d" % status)

    def call(self, kind, body, *paths):
        fds = [os.open(p, os.O_RDONLY | os.O_DIRECTORY) for p in paths]
        try:
            return self.files.call(kind, body, fds)[0]
        finally:
            for fd in fds:
                os.close(fd)

    def records(self, kind, body, tree=None):
        """What the files role writes into its pipe, and its answer."""
        read_fd, write_fd = os.pipe()
        folder = os.open(tree or self.tree, os.O_RDONLY | os.O_DIRECTORY)
        serial = self.files.send(kind, body, [folder, write_fd])
        os.close(write_fd)
        os.close(folder)
        data = b"".join(iter(lambda: os.read(read_fd, 1 << 16), b""))
        os.close(read_fd)
        return data, self.files.wait(serial)[0]

    def pack(self, kind, body, data, name):
        """Records through a pack role into a file; (answer, path)."""
        path = os.path.join(self.root.data, name)
        out = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        feeder = peer.Feeder(data)
        with peer.Role(self.root, "pack") as pack:
            serial = pack.send(kind, body, [feeder.read_fd, out])
            try:
                answer, _ = pack.wait(serial)
            finally:
                feeder.done()
                os.close(out)
        return answer, path

    def tar(self, path, name, kind=PLAIN):
        data, answer = self.records(peer.FILES_TREE, kind + peer.text(path) + peer.text(name))
        said, file = self.pack(peer.PACK_TAR, b"\0", data, "out.tar")
        with open(file, "rb") as f:
            content = f.read()
        tap.check(said == hashlib.sha256(content).digest() + struct.pack("<Q", len(content)), "digest and size")
        return tarfile.open(fileobj=io.BytesIO(content)), answer


def write(path, content=b"", mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, mode)


def fill(tree, marks):
    """One of each kind; with marks also what overlayfs leaves in an upper."""
    def at(name):
        return os.path.join(tree, name)
    write(at("bin/su"), b"#!" + os.urandom(100000), 0o4755)
    os.link(at("bin/su"), at("bin/zu"))
    os.symlink("../bin/su", at("bin/link"))
    os.symlink("/etc/" + "l" * 300, at("long"))
    write(at("etc/" + "n" * 200), b"long name")
    write(at("etc/hostname"))
    os.makedirs(at("proc"))
    os.makedirs(at("var/empty"))
    os.chmod(at("var/empty"), 0o1777)
    os.chown(at("var/empty"), 3000000, 4000000)
    with open(at("var/sparse"), "wb") as f:
        f.truncate(3 << 20)
        f.seek(1 << 20)
        f.write(b"in the middle")
    os.mkfifo(at("var/fifo"))
    os.setxattr(at("bin/su"), "user.note", b"a\0b")
    for name, when in (("bin/su", -7.5), ("etc", 1e9 + 0.25), ("var", 2e9)):
        os.utime(at(name), (0, when))
    if marks:
        os.mknod(at("var/gone"), stat.S_IFCHR, os.makedev(0, 0))
        os.makedirs(at("opaque"))
        os.setxattr(at("opaque"), "user.overlay.opaque", b"y")
        write(at("opaque/new"), b"1")


@tap.test("a layer made here has the digest of its tar, which comes out of the EROFS file again")
def layer_again():
    with Place("again") as p:
        fill(p.tree, True)
        data, _ = p.records(peer.FILES_DIFF, b"")
        answer, image = p.pack(peer.PACK_START, b"\1", data, "layer.erofs")
        digest, size = answer[24:56], struct.unpack("<Q", answer[56:64])[0]
        point = os.path.join(p.root.data, "point")
        os.makedirs(point)
        mounts.mount_erofs(image, point)
        try:
            again, _ = p.records(peer.FILES_TREE, LAYER + peer.text("") + peer.text(""), point)
        finally:
            mounts.umount(point)
        said, tar = p.pack(peer.PACK_TAR, b"\1", again, "layer.tar")
        tap.check(said == digest + struct.pack("<Q", size), "the same digest and size")
        with open(tar, "rb") as f:
            tap.check(hashlib.sha256(f.read()).digest() == digest, "the file has that digest")
        with tarfile.open(tar) as t:
            names = t.getnames()
            tap.check("var/.wh.gone" in names and "opaque/.wh..wh..opq" in names, "marks: %s" % names)
            tap.check("proc" not in names, "an empty mount point is no part of it")
            tap.check(t.getmember("bin/zu").islnk(), "a hard link stays one")


@tap.test("a root as a tar: names, owners, modes, links, attributes, content")
def whole_root():
    with Place("whole") as p:
        fill(p.tree, False)
        tar, _ = p.tar("", "")
        for member in tar:
            st = os.lstat(os.path.join(p.tree, member.name))
            tap.check((member.mode, member.uid, member.gid) == (st.st_mode & 0o7777, st.st_uid, st.st_gid),
                      "%s: %o %d" % (member.name, member.mode, member.uid))
        tap.check(tar.getmember("bin/su").pax_headers["SCHILY.xattr.user.note"] == "a\0b", "an attribute")
        tap.check(tar.extractfile("var/sparse").read()[(1 << 20):(1 << 20) + 13] == b"in the middle", "a hole")
        tap.check("proc" in tar.getnames() and "etc/hostname" in tar.getnames(), "nothing is left out")
        tap.check(len(tar.getnames()) == sum(len(d) + len(f) for _, d, f in os.walk(p.tree)) + 1, "all")


@tap.test("a part of a root as a tar, named by its last component; links are not followed")
def part():
    with Place("part") as p:
        fill(p.tree, False)
        os.symlink("/bin", os.path.join(p.tree, "sbin"))
        os.symlink("/../../../etc", os.path.join(p.tree, "out"))
        rows = [("/bin/su", "su", ["su"]), ("/sbin/su", "su", ["su"]), ("/sbin", "sbin", ["sbin"]),
                ("/bin", "x", ["x", "x/link", "x/su", "x/zu"]),
                ("/sbin/", "sbin", ["sbin", "sbin/link", "sbin/su", "sbin/zu"]),
                ("/bin/.", "", [".", "link", "su", "zu"]),
                ("/out/hostname", "hostname", ["hostname"]), ("/../../bin/su", "su", ["su"])]
        for path, name, want in rows:
            tar, _ = p.tar(path, name)
            tap.check(tar.getnames() == want, "%s: %s" % (path, tar.getnames()))
        tar, answer = p.tar("/sbin", "sbin")
        tap.check(tar.getmember("sbin").issym(), "the link itself")
        tap.check(answer[-8:] == peer.text("/bin"), "and its target is told")
        for path in ("/nothing", "/bin/su/x", "/nothing/x"):
            try:
                p.records(peer.FILES_TREE, PLAIN + peer.text(path) + peer.text("x"))
            except peer.RoleError as error:
                tap.check(error.code in (errno.ENOENT, errno.ENOTDIR), "%s: %s" % (path, error))
            else:
                raise AssertionError(path + " was found")


@tap.test("what a path is: size, mode, time, target")
def path_stat():
    with Place("stat") as p:
        write(os.path.join(p.tree, "a/b"), b"12345", 0o640)
        os.utime(os.path.join(p.tree, "a/b"), (1, 1700000000))
        os.symlink("b", os.path.join(p.tree, "a/link"))
        body = p.call(peer.FILES_STAT, peer.text("/a/b"), p.tree)
        tap.check(struct.unpack("<QIq", body[:20]) == (5, stat.S_IFREG | 0o640, 1700000000), "a file")
        body = p.call(peer.FILES_STAT, peer.text("/a/link"), p.tree)
        tap.check(stat.S_ISLNK(struct.unpack("<QIq", body[:20])[1]) and body[20:] == peer.text("b"), "a link")
        body = p.call(peer.FILES_STAT, peer.text("/"), p.tree)
        tap.check(stat.S_ISDIR(struct.unpack("<QIq", body[:20])[1]), "the root")


@tap.test("what a container changed: modified, added, deleted, its mount points left out")
def changes():
    with Place("changes") as p:
        below = os.path.join(p.root.data, "below")
        for name in ("etc/passwd", "etc/old", "bin/su", "lib/x"):
            write(os.path.join(below, name), b"1")
        os.symlink("lib", os.path.join(below, "lib64"))
        write(os.path.join(p.tree, "etc/passwd"), b"2")
        write(os.path.join(p.tree, "etc/new"), b"3")
        write(os.path.join(p.tree, "etc/hosts"))
        os.mknod(os.path.join(p.tree, "etc/old"), stat.S_IFCHR, os.makedev(0, 0))
        write(os.path.join(p.tree, "lib64/x"), b"a directory where a link was")
        os.makedirs(os.path.join(p.tree, "sys"))
        body = p.call(peer.FILES_CHANGES, b"", p.tree, below)
        found, at = [], 4
        while at < len(body):
            size = struct.unpack("<I", body[at + 1:at + 5])[0]
            found.append("CAD"[body[at]] + " " + body[at + 5:at + 5 + size].decode())
            at += 5 + size
        want = ["C etc", "A etc/new", "D etc/old", "C etc/passwd", "C lib64", "A lib64/x"]
        tap.check(found == want and struct.unpack("<I", body[:4])[0] == 6, "found %s" % found)


@tap.test("a name that would be a whiteout in a tar is refused in a layer, not in an export")
def hidden_names():
    with Place("hidden") as p:
        write(os.path.join(p.tree, "a/.wh.b"), b"1")
        tar, _ = p.tar("", "")
        tap.check("a/.wh.b" in tar.getnames(), "exported as it is")
        data, _ = p.records(peer.FILES_TREE, LAYER + peer.text("") + peer.text(""))
        try:
            p.pack(peer.PACK_TAR, b"\1", data, "x.tar")
        except peer.RoleError as error:
            tap.check_match(r"begins with \.wh\.", error.text, "message")
        else:
            raise AssertionError("was taken")


@tap.test("the room of a tree: blocks, each hard link once")
def usage():
    with Place("usage") as p:
        write(os.path.join(p.tree, "a/b"), os.urandom(1 << 20))
        os.link(os.path.join(p.tree, "a/b"), os.path.join(p.tree, "a/c"))
        names, size = struct.unpack("<QQ", p.call(peer.FILES_USAGE, b"", p.tree))
        tap.check(names == 3 and 1 << 20 <= size < (1 << 20) + 65536, "%d names, %d bytes" % (names, size))


if __name__ == "__main__":
    mounts.go_private()
    tap.run()
