#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The files role of the real engine: what an upper changed, and how a volume is filled."""
import hashlib
import os
import stat
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from store_place import Trees, write, read  # noqa: E402
from fixture import mounts, tap  # noqa: E402


def digest_tree(root):
    """Everything a reader can see of a tree, as a dictionary."""
    found = {}
    links = {}
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            what = [st.st_mode, st.st_uid, st.st_gid, st.st_rdev]
            if not stat.S_ISDIR(st.st_mode):
                what += [st.st_mtime_ns, links.setdefault(st.st_ino, os.path.relpath(path, root))]
            if stat.S_ISREG(st.st_mode):
                what += [st.st_size, hashlib.sha256(read(path)).hexdigest()]
                what += [(n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))]
            if stat.S_ISLNK(st.st_mode):
                what.append(os.readlink(path))
            found[os.path.relpath(path, root)] = what
    return found


def overlay(point, lowers, upper=None, work=None):
    options = "userxattr,xino=on,index=off,metacopy=off,redirect_dir=nofollow,lowerdir=" + ":".join(lowers)
    if upper:
        options += ",upperdir=%s,workdir=%s" % (upper, work)
    os.makedirs(point, exist_ok=True)
    peer.mount("overlay", point, "overlay", 0, options)


CHANGES = """
rm gone; rm -r dir; mkdir dir; echo new > dir/new; echo more >> changed; chmod 4755 setuid
ln base hard1; ln hard1 hard2; ln -s nowhere sym; mkfifo fifo; mknod null c 1 3
mkdir -p deep/a/b/c; echo x > deep/a/b/c/x; rmdir emptied; echo file > emptied
truncate -s 10M sparse; printf end >> sparse; mv moved renamed; touch 'odd
name'; chown 70000:80000 owned; python3 - <<'END'
import os, socket
os.setxattr('changed', 'user.note', b'v')
s = socket.socket(socket.AF_UNIX); s.bind('socket')
END
"""


@tap.test("DIFF: an upper becomes a layer that shows the same tree upon the same lower")
def diff():
    with Trees("diff") as t:
        base, upper, work, point, layer = (os.path.join(t.root.data, n)
                                           for n in ("base", "upper", "work", "point", "layer"))
        for name in ("gone", "dir/old", "dir/sub/old", "changed", "setuid", "base", "moved", "owned", "keep/x"):
            write(os.path.join(base, name), name.encode())
        os.makedirs(base + "/emptied")
        os.makedirs(upper)
        os.makedirs(work)
        overlay(point, [base], upper, work)
        try:
            subprocess.run(["sh", "-ec", CHANGES], cwd=point, check=True)
            os.unlink(point + "/socket")
            want = digest_tree(point)
        finally:
            peer.umount(point)
        read_fd, write_fd = os.pipe()
        upper_fd = os.open(upper, os.O_RDONLY)
        image = os.path.join(t.root.data, "layer.erofs")
        out = os.open(image, os.O_RDWR | os.O_CREAT)
        with peer.Role(t.root, "pack") as pack:
            packing = pack.send(peer.PACK_START, b"\1", [read_fd, out])
            walking = t.role.send(peer.FILES_DIFF, b"", [upper_fd, write_fd])
            for fd in (read_fd, write_fd, upper_fd, out):
                os.close(fd)
            entries = struct.unpack("<QQ", t.role.wait(walking)[0])[0]
            packed = struct.unpack("<QQQ", pack.wait(packing)[0][:24])[1]
        tap.check(entries == packed and entries > 20, "%d entries walked, %d packed" % (entries, packed))
        tap.check(os.stat(image).st_blocks * 512 < 1 << 20, "a sparse file stays sparse")
        os.makedirs(layer)
        mounts.mount_erofs(image, layer)
        try:
            overlay(point, [layer, base])
            try:
                got = digest_tree(point)
            finally:
                peer.umount(point)
        finally:
            peer.umount(layer)
        for path in sorted(set(want) | set(got)):
            tap.check(got.get(path) == want.get(path), "%s: %r, not %r" % (path, got.get(path), want.get(path)))


def count_entries(t, rules=b""):
    """How many entries a diff of the source tree has."""
    read_fd, write_fd = os.pipe()
    upper_fd = os.open(t.source, os.O_RDONLY)
    body = t.role.call(peer.FILES_DIFF, rules, [upper_fd, write_fd])[0]
    for fd in (read_fd, write_fd, upper_fd):
        os.close(fd)
    return struct.unpack("<QQ", body)[0]


@tap.test("DIFF: an upper without changes has no entries; mount points are no change")
def diff_empty():
    with Trees("nothing") as t:
        tap.check(count_entries(t) == 0, "nothing")
        for name in ("dev", "proc", "sys", "etc"):
            os.mkdir(os.path.join(t.source, name))
        for name in ("hostname", "hosts", "resolv.conf"):
            write(t.source + "/etc/" + name, b"")
            os.chmod(t.source + "/etc/" + name, 0o644)
        tap.check(count_entries(t) == 0, "mount points that a run leaves")
        os.chmod(t.source + "/etc", 0o700)
        tap.check(count_entries(t) == 2, "a change of /etc itself counts")
        write(t.source + "/etc/hosts", b"127.0.0.1 x")
        write(t.source + "/dev/x", b"")
        tap.check(count_entries(t) == 5, "and what is in them")


def fill(t, path):
    """FILL of dest with what source holds at path: found, files, bytes."""
    return struct.unpack("<BQQ", t.call(peer.FILES_FILL, peer.text(path), t.source, t.dest))


@tap.test("FILL: a volume gets the directory's content, owners, modes, links and its own attributes")
def fill_all():
    with Trees("fill") as t:
        write(t.source + "/srv/data/f", b"four")
        write(t.source + "/srv/data/deep/g", b"g")
        write(t.source + "/beside", b"not this")
        os.chown(t.source + "/srv/data/f", 1234, 5678)
        os.chmod(t.source + "/srv/data/f", 0o4750)
        os.setxattr(t.source + "/srv/data/f", "user.x", b"1")
        os.link(t.source + "/srv/data/f", t.source + "/srv/data/deep/hard")
        os.symlink("/etc/shadow", t.source + "/srv/data/link")
        os.mkfifo(t.source + "/srv/data/fifo", 0o620)
        os.chown(t.source + "/srv/data", 33, 44)
        os.chmod(t.source + "/srv/data", 0o3770)
        os.setxattr(t.source + "/srv/data", "user.y", b"2")
        os.utime(t.source + "/srv/data", ns=(5, 1234567890123456789))
        tap.check(fill(t, "/srv/data") == (1, 5, 5), "what was copied")
        tap.check(t.tree() == ["deep/", "deep/g", "deep/hard", "f", "fifo", "link"], "%r" % t.tree())
        st = os.stat(t.dest + "/f")
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_nlink) ==
                  (1234, 5678, 0o4750, 2), "owner, mode and hard link of a file")
        tap.check(os.getxattr(t.dest + "/f", "user.x") == b"1", "its attribute")
        tap.check(os.readlink(t.dest + "/link") == "/etc/shadow", "a link stays a link")
        st = os.stat(t.dest)
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (33, 44, 0o3770),
                  "owner and mode of the volume itself")
        tap.check(os.getxattr(t.dest, "user.y") == b"2", "its attribute")
        tap.check(st.st_mtime_ns == 1234567890123456789, "its time")


@tap.test("FILL: a path that is no directory gives an empty volume, a link leads nowhere outside")
def fill_none():
    with Trees("fill-none") as t:
        write(t.source + "/file", b"x")
        tap.check(fill(t, "/nothing/here") == (0, 0, 0), "a missing path")
        tap.check(fill(t, "/file") == (0, 0, 0), "a file")
        tap.check(t.tree() == [], "%r" % t.tree())
        os.symlink("../..", t.source + "/out")
        os.makedirs(t.source + "/in")
        write(t.source + "/in/a[b]*", b"y")
        tap.check(fill(t, "/out/in") == (1, 1, 1), "resolved with the root as /")
        tap.check(t.tree() == ["a[b]*"], "a name with wildcards in it is a name: %r" % t.tree())


def diff_rules(stubs, newest=(1 << 63) - 1):
    return struct.pack("<qI", newest, len(stubs)) + b"".join(peer.text(s) for s in stubs)


@tap.test("DIFF: a step's own mount points are no change, whatever it made of them is; times are cut")
def diff_mount_points():
    stubs = diff_rules(["cache", "a/b/c", "run/secret", "usr/x"])
    with Trees("points") as t:
        os.makedirs(t.source + "/cache")
        os.makedirs(t.source + "/a/b/c")
        os.makedirs(t.source + "/run")
        write(t.source + "/run/secret", b"")
        tap.check(count_entries(t) == 7 and count_entries(t, stubs) == 0, "what mounting made")
        os.rmdir(t.source + "/cache")
        os.symlink(t.canary, t.source + "/cache")
        tap.check(count_entries(t, stubs) == 2, "a link in a mount point's place stays, and is not followed")
        write(t.source + "/a/b/kept", b"")
        tap.check(count_entries(t, stubs) == 5, "what stands beside one keeps its directories")
        os.remove(t.source + "/a/b/kept")
        os.chmod(t.source + "/run", 0o700)
        tap.check(count_entries(t, stubs) == 3, "a directory with a mode of its own is a change")
        write(t.source + "/a/b/c/f", b"")
        tap.check(count_entries(t, stubs) == 7, "and one with something in it")
        now = records_of(t, diff_rules([]))
        cut = records_of(t, diff_rules([], 1000000000))
        early = struct.pack("<qI", 1000000000, 0)
        tap.check(early not in now and cut.count(early) >= 6, "SOURCE_DATE_EPOCH")


@tap.test("COPY and DIFF: the same context in two places gives the same bytes by SOURCE_DATE_EPOCH")
def same_bytes():
    found = []
    for place, when in (("one", 1600000000), ("two", 1700000000)):
        with Trees("same-" + place) as t:
            for name in ("b", "a", "d/x", "d/deep/y"):
                write(t.source + "/" + name, name.encode() * 3000)
                os.utime(t.source + "/" + name, (when, when))
            os.link(t.source + "/a", t.source + "/hard")
            os.symlink("b", t.source + "/link")
            t.copy(["."], "/app/", files=[("doc", b"text")])
            t.source = t.dest
            found.append(records_of(t, diff_rules([], 1500000000)))
    tap.check(len(found[0]) > 12000 and found[0] == found[1], "%d and %d bytes" % (len(found[0]), len(found[1])))


def records_of(t, rules):
    with tempfile.TemporaryFile(dir=t.root.data) as out:
        upper_fd = os.open(t.source, os.O_RDONLY)
        t.role.call(peer.FILES_DIFF, rules, [upper_fd, out.fileno()])
        os.close(upper_fd)
        out.seek(0)
        return out.read()


if __name__ == "__main__":
    mounts.go_private()
    tap.run()
