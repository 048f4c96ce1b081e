#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The files role of the real engine: COPY, ADD, users, and no way out of a root."""
import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import sys
import tarfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
import store_records as records  # noqa: E402
from store_place import Trees, write, read, refused  # noqa: E402
from fixture import mounts, tap  # noqa: E402


@tap.test("COPY: files, directories' contents, wildcards, slashes")
def copy_forms():
    rows = [
        (["a"], "/x", ["x"]),
        (["a"], "/x/", ["x/", "x/a"]),
        (["a", "sub/b"], "/x/", ["x/", "x/a", "x/b"]),
        (["sub"], "/x", ["x/", "x/b", "x/deep/", "x/deep/c"]),
        (["sub"], "/", ["b", "deep/", "deep/c"]),
        (["."], "/x/", ["x/", "x/a", "x/sub/", "x/sub/b", "x/sub/deep/", "x/sub/deep/c"]),
        (["/sub/deep/../b"], "/p/q/r", ["p/", "p/q/", "p/q/r"]),
        (["*"], "/x/", ["x/", "x/a", "x/b", "x/deep/", "x/deep/c"]),
        (["s?b/*"], "/x/", ["x/", "x/b", "x/c"]),
        (["../../a"], "/x", ["x"]),
    ]
    for sources, dest, want in rows:
        with Trees("forms") as t:
            write(t.source + "/a", b"a")
            write(t.source + "/sub/b", b"b")
            write(t.source + "/sub/deep/c", b"c")
            t.copy(sources, dest)
            tap.check(t.tree() == want, "%r to %r: %r" % (sources, dest, t.tree()))


@tap.test("COPY: owner, mode, time, attributes; an existing directory keeps its own")
def copy_attributes():
    with Trees("attributes") as t:
        write(t.source + "/d/f", b"f", 0o4755)
        os.chown(t.source + "/d/f", 1234, 1234)
        os.chmod(t.source + "/d/f", 0o4755)  # the change of owner took the bit
        os.setxattr(t.source + "/d/f", "user.x", b"1")
        os.chmod(t.source + "/d", 0o750)
        os.symlink("f", t.source + "/d/link")
        os.mkfifo(t.source + "/d/fifo", 0o600)
        os.link(t.source + "/d/f", t.source + "/d/hard")
        os.utime(t.source + "/d/f", ns=(5, 1234567890123456789))
        write(t.dest + "/etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:33:44::/var/www:/bin/false\n")
        write(t.dest + "/etc/group", b"root:x:0:\nwebs:x:44:\nextra:x:55:web\n")
        t.copy(["d"], "/new")
        st = os.stat(t.dest + "/new/f")
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (0, 0, 0o4755), "root owns it, setuid stays")
        tap.check(st.st_mtime_ns == 1234567890123456789, "time")
        tap.check(os.getxattr(t.dest + "/new/f", "user.x") == b"1", "attribute")
        tap.check(stat.S_IMODE(os.stat(t.dest + "/new").st_mode) == 0o755, "the destination is new, whatever the source is")
        tap.check(os.readlink(t.dest + "/new/link") == "f", "a link below the source stays one")
        tap.check(os.stat(t.dest + "/new/hard").st_ino == st.st_ino and st.st_nlink == 2, "a hard link stays one")
        tap.check(stat.S_ISFIFO(os.stat(t.dest + "/new/fifo").st_mode), "fifo")
        t.copy(["d"], "/new2", context=False)
        tap.check(os.stat(t.dest + "/new2/f").st_uid == 1234, "from an image the owner stays")
        t.copy(["d"], "/own", chown="web", chmod="0640")
        st = os.stat(t.dest + "/own/f")
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (33, 44, 0o640), "by name")
        tap.check(os.lstat(t.dest + "/own/link").st_uid == 33, "links too")
        t.copy(["d/f"], "/num", chown="7")
        st = os.stat(t.dest + "/num")
        tap.check((st.st_uid, st.st_gid) == (7, 7), "a number is the group too")
        t.copy(["d/f"], "/num", chown="7:extra")
        tap.check(os.stat(t.dest + "/num").st_gid == 55, "a group's name")
        os.mkdir(t.dest + "/there", 0o700)
        t.copy(["d"], "/there")
        tap.check(stat.S_IMODE(os.stat(t.dest + "/there").st_mode) == 0o700, "what is there keeps its mode")
        refused(lambda: t.copy(["d"], "/x", chown="nobody"), errno.ENOENT,
                "unable to find user nobody: no matching entries in passwd file")
        refused(lambda: t.copy(["d"], "/x", chmod="9"), errno.EINVAL, "invalid chmod parameter: '9'")


@tap.test("COPY: holes stay holes, in front, between and behind, and the bytes are the same")
def copy_holes():
    with Trees("holes") as t:
        os.makedirs(t.source + "/d")
        for name, pieces, size in (("front", ((3 << 20, b"x" * 5000),), (3 << 20) + 5000), ("back", ((0, b"y" * 70000),), 5 << 20),
                                   ("mid", ((0, b"a"), (2 << 20, b"b" * 300000), (6 << 20, b"c")), (7 << 20) + 1), ("all", (), 1 << 20)):
            with open(t.source + "/d/" + name, "wb") as f:
                for at, data in pieces:
                    f.seek(at)
                    f.write(data)
                f.truncate(size)
        t.copy(["d"], "/d")
        for name in os.listdir(t.source + "/d"):
            one, two = t.source + "/d/" + name, t.dest + "/d/" + name
            tap.check(read(one) == read(two), name + ": the bytes differ")
            tap.check(os.stat(two).st_blocks <= os.stat(one).st_blocks + 256, "%s: %d blocks of %d" % (
                name, os.stat(two).st_blocks, os.stat(one).st_blocks))


@tap.test("COPY: a hard link to a name that was replaced meanwhile is the file it was")
def copy_link_replaced():
    with Trees("replaced") as t:
        write(t.source + "/x/a", b"old")
        os.link(t.source + "/x/a", t.source + "/x/z")
        write(t.source + "/y/a", b"new")
        t.copy(["x/a", "y/a", "x/z"], "/d/")
        tap.check(read(t.dest + "/d/a") == b"new" and read(t.dest + "/d/z") == b"old", "contents")


@tap.test("COPY: here-documents, --parents, --exclude, --chmod in letters")
def copy_flags():
    with Trees("flags") as t:
        for name in ("a.c", "a.h", "x/b.c", "x/b.h", "x/y/c.c", "x/y/c.h"):
            write(t.source + "/" + name, name.encode(), 0o640)
        write(t.source + "/run", b"", 0o751)
        rows = [
            (["x/b.c", "x/y/c.c"], {"parents": True}, ["x/", "x/b.c", "x/y/", "x/y/c.c"]),
            (["x/./y/c.c"], {"parents": True}, ["y/", "y/c.c"]),
            (["./x/y/"], {"parents": True}, ["x/", "x/y/", "x/y/c.c", "x/y/c.h"]),
            (["x/**/*.h"], {"parents": True}, ["x/", "x/b.h", "x/y/", "x/y/c.h"]),
            (["**/*.c"], {"parents": True}, ["a.c", "x/", "x/b.c", "x/y/", "x/y/c.c"]),
            (["."], {"exclude": ["**/*.h", "run"]}, ["a.c", "x/", "x/b.c", "x/y/", "x/y/c.c"]),
            (["."], {"exclude": ["x", "*.h", "run"]}, ["a.c"]),
            (["a.*"], {"exclude": ["*.h"]}, ["a.c"]),
            (["x"], {"exclude": ["y/*", "!y/c.h"]}, ["b.c", "b.h", "y/", "y/c.h"]),
            (["a.h"], {"files": [("doc", b"1"), ("other", b"")]}, ["a.h", "doc", "other"]),
        ]
        for number, (sources, flags, want) in enumerate(rows):
            t.copy(sources, "/r%d/" % number, **flags)
            found = sorted(n[len("r%d/" % number):] for n in t.tree() if n.startswith("r%d/" % number))
            tap.check(found[1:] == want, "%r %r: %r" % (sources, flags, found[1:]))
        t.copy([], "/doc", files=[("EOF", b"text\n")], chown="5:6", when=77)
        st = os.stat(t.dest + "/doc")
        tap.check(read(t.dest + "/doc") == b"text\n" and (st.st_uid, st.st_gid, st.st_mtime) == (5, 6, 77), "a file from the call")
        tap.check(stat.S_IMODE(st.st_mode) == 0o644, "its mode")
        for spec, run, plain, folder in (("u=rwX,go=rX", 0o755, 0o644, 0o755), ("a+w", 0o773, 0o662, 0o777),
                                         ("g-r,o=", 0o710, 0o600, 0o710), ("7777", 0o7777, 0o7777, 0o7777),
                                         ("+x,u+s", 0o4751, 0o4751, 0o4755), ("g=u", 0o771, 0o660, 0o775),
                                         ("o=g-r,u-x+o", 0o751, 0o640, 0o751), ("u=rwx,go=rX", 0o755, 0o744, 0o755),
                                         ("a=,o+s,u+t", 0o1000, 0o1000, 0o1000), ("-X", 0o640, 0o640, 0o644)):
            t.copy(["run", "x"], "/m/", chmod=spec)
            modes = [stat.S_IMODE(os.stat(t.dest + "/m/" + n).st_mode) for n in ("run", "b.c", "y")]
            tap.check(modes == [run, plain, folder], "%s: %s" % (spec, ["%o" % m for m in modes]))
            shutil.rmtree(t.dest + "/m")
        for spec in ("8", "u", "z+r", "u+q", "17777", "u=r,,g=r", "u=r,", "g=z", "a"):
            refused(lambda s=spec: t.copy(["run"], "/m", chmod=s), errno.EINVAL, "invalid chmod parameter" if spec[0].isdigit() else "invalid --chmod value")


def archive(path, members, packer=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tarfile.open(path, "w") as f:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mtime, info.uid, info.mode = kind, 1234567, 7, 0o640
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
                f.addfile(info)
            else:
                info.size = len(content)
                f.addfile(info, io.BytesIO(content))
    if packer:
        with open(path, "rb") as f:
            content = f.read()
        write(path, packer(content))


@tap.test("ADD: archives are told by their content and left to the caller, xz and bzip2 too")
def add_archives():
    with Trees("archives") as t:
        members = [("f", tarfile.REGTYPE, b"f")]
        archive(t.source + "/plain", members)
        archive(t.source + "/gz.bin", members, gzip.compress)
        archive(t.source + "/d/in.tar", members)
        write(t.source + "/text.tar", b"no archive" * 100)
        t.copy(["plain", "gz.bin", "text.tar"], "/x/", unpack=True)
        tap.check(t.archives == ["plain", "gz.bin"] and t.tree() == ["x/", "x/text.tar"], "told: %r" % t.archives)
        t.copy(["d"], "/y/", unpack=True)
        tap.check(t.archives == [] and "y/in.tar" in t.tree(), "only sources themselves")
        t.copy(["plain"], "/z", context=True)
        tap.check("z" in t.tree(), "COPY takes them as they are")
        archive(t.source + "/b", members, bz2.compress)
        archive(t.source + "/x", members, lzma.compress)
        t.copy(["b", "x"], "/q/", unpack=True)
        tap.check(t.archives == ["b", "x"], "told: %r" % t.archives)


def extract(t, stream, dest, chown=""):
    feeder = peer.Feeder(stream)
    root = os.open(t.dest, os.O_RDONLY | os.O_DIRECTORY)
    try:
        body = peer.text(dest) + peer.text(chown)
        return struct.unpack("<QQ", t.role.call(peer.FILES_EXTRACT, body, [feeder.read_fd, root])[0])
    finally:
        os.close(root)
        feeder.done()


@tap.test("EXTRACT: an archive's entries upon what is there; nothing leads out of the destination")
def extract_tree():
    with Trees("extract") as t:
        write(t.dest + "/d/old", b"old")
        write(t.dest + "/d/gone/deep", b"gone")
        os.symlink(t.root.data, t.dest + "/d/away")
        os.symlink("/canary", t.dest + "/d/canary")
        s = records.Stream()
        s.node(records.DIR, "sub", mode=0o750, uid=3, gid=4, mtime=(1000, 5))
        s.file("sub/f", b"x" * 100000, mode=0o4755, uid=3, gid=4, mtime=(2000, 0), xattrs=[("user.a", b"1")])
        s.node(records.HARDLINK, "hard", target=b"sub/f")
        s.node(records.SYMLINK, "link", target=b"../../canary", uid=8)
        s.node(records.FIFO, "pipe", mode=0o600)
        s.file("gone", b"a file")
        s.file("canary", b"mine")
        s.node(records.FILE, "holes", size=1 << 20)
        s.data(1 << 19, b"middle")
        s.file("link", b"a file again")
        counts = extract(t, s.end(), "/d")
        tap.check(counts[0] == 8, "files: %r" % (counts,))
        st = os.stat(t.dest + "/d/sub/f")
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_mtime) == (3, 4, 0o4755, 2000), "attributes")
        tap.check(os.getxattr(t.dest + "/d/sub/f", "user.a") == b"1" and st.st_nlink == 2, "attribute and hard link")
        sub = os.stat(t.dest + "/d/sub")
        tap.check((stat.S_IMODE(sub.st_mode), sub.st_mtime_ns) == (0o750, 1000 * 10**9 + 5), "a directory's own, its time too")
        tap.check(read(t.dest + "/d/gone") == b"a file" and read(t.dest + "/d/old") == b"old", "replaced and kept")
        tap.check(read(t.dest + "/d/canary") == b"mine" and not os.path.islink(t.dest + "/d/canary"), "a link is replaced, not followed")
        tap.check(read(t.dest + "/d/link") == b"a file again", "the later entry wins")
        s = records.Stream()
        s.file("away/f", b"outside")
        extract(t, s.end(), "/d")
        tap.check(not os.path.exists(t.root.data + "/f"), "a link on the way does not lead out")
        tap.check(read(t.dest + "/d" + t.root.data + "/f") == b"outside", "but to where it leads inside, made where it is missing")
        holes = read(t.dest + "/d/holes")
        tap.check(len(holes) == 1 << 20 and holes[1 << 19:][:6] == b"middle" and holes[:9] == b"\0" * 9, "holes")
        s = records.Stream()
        s.file("own", b"", uid=9)
        extract(t, s.end(), "/new/dir/", chown="11:12")
        st = os.stat(t.dest + "/new/dir/own")
        tap.check((st.st_uid, st.st_gid) == (11, 12), "--chown")
        s = records.Stream()
        s.mark(records.WHITEOUT, "own")
        refused(lambda: extract(t, s.end(), "/new/dir"), errno.EBADMSG, "a layer's mark")
        refused(lambda: extract(t, s.end()[:-1], "/new/dir"), errno.EBADMSG, "")


@tap.test("COPY: what is missing or clashes is named")
def copy_errors():
    with Trees("errors") as t:
        write(t.source + "/a", b"a")
        write(t.source + "/b", b"b")
        os.makedirs(t.dest + "/dir/a")
        refused(lambda: t.copy(["none"], "/x"), errno.ENOENT, "none: not found in the build context")
        t.copy(["*.c"], "/nothing/")
        tap.check(not os.path.exists(t.dest + "/nothing"), "a wildcard that nothing fits is no error and makes nothing")
        t.copy(["?"], "/last")
        tap.check(read(t.dest + "/last") == b"b", "several to a name: the last one counts, as at BuildKit")
        t.copy(["?"], "/dir2/")
        t.copy(["?"], "/dir2")
        tap.check(sorted(os.listdir(t.dest + "/dir2")) == ["a", "b"], "several to a directory that is there")
        refused(lambda: t.copy(["a"], "/dir/"), errno.EISDIR, "over the directory /dir/a")
        t.copy(["a"], "/file")
        refused(lambda: t.copy(["a"], "/file/x/y"), errno.ENOTDIR, "/file is there and is no directory")
        t.copy(["b"], "/file")
        tap.check(read(t.dest + "/file") == b"b", "a file is replaced")


@tap.test("COPY: links in source and destination lead nowhere outside")
def copy_escape():
    with Trees("escape") as t:
        write(t.source + "/f", b"evil")
        os.symlink("/../../canary", t.source + "/out")
        os.symlink(t.canary, t.source + "/abs")
        os.symlink("f", t.source + "/in")
        os.symlink("..", t.dest + "/up")
        os.symlink(t.root.data, t.dest + "/away")
        os.symlink("../../canary", t.dest + "/file")
        os.makedirs(t.dest + "/usr/bin")
        os.symlink("usr/bin", t.dest + "/bin")
        for name in ("out", "abs"):
            refused(lambda n=name: t.copy([n], "/x"), errno.ENOENT, "not found")
        t.copy(["in"], "/followed")
        tap.check(read(t.dest + "/followed") == b"evil", "a source that is a link is followed inside")
        t.copy(["f"], "/up/canary")
        tap.check(read(t.dest + "/canary") == b"evil", "'..' of the root is the root")
        t.copy(["f"], "/away/new")
        tap.check(not os.path.exists(t.root.data + "/new") and read(t.dest + t.root.data + "/new") == b"evil",
                  "the target of a link is made inside of the root, and nothing outside")
        os.symlink("around/x", t.dest + "/around")
        refused(lambda: t.copy(["f"], "/around/x/"), errno.ELOOP, "")
        t.copy(["f"], "/file")
        tap.check(os.readlink(t.dest + "/file") == "../../canary" and read(t.dest + "/canary") == b"evil",
                  "a destination that is a link is what it leads to, inside of the root")
        os.symlink("/new/one", t.dest + "/dangling")
        t.copy(["f"], "/dangling")
        tap.check(read(t.dest + "/new/one") == b"evil", "also when that is not there yet")
        os.symlink("loop", t.dest + "/loop")
        refused(lambda: t.copy(["f"], "/loop/x"), errno.ELOOP, "loop")
        refused(lambda: t.copy(["f"], "/loop"), errno.ELOOP, "destination /loop: too many links")
        write(t.source + "/d/file", b"below")
        t.copy(["d"], "/")
        tap.check(not os.path.islink(t.dest + "/file") and read(t.dest + "/file") == b"below",
                  "a link in the place of a file below a source is replaced")
        t.copy(["f"], "/bin/tool")
        tap.check(os.path.exists(t.dest + "/usr/bin/tool"), "links to directories inside are followed")


@tap.test("COPY: .dockerignore leaves out, exceptions bring back")
def copy_ignore():
    with Trees("ignore") as t:
        for name in ("a.o", "a.c", "keep.o", "mod/x", "mod/y/z", "docs/a.md", "docs/README.md"):
            write(t.source + "/" + name, b"x")
        ignore = ("*.o", "!keep.o", "mod", "!mod/y/z", "docs/*", "!docs/README.md")
        t.copy(["."], "/", ignore=ignore)
        tap.check(t.tree() == ["a.c", "docs/", "docs/README.md", "keep.o", "mod/", "mod/y/", "mod/y/z"], t.tree())
        refused(lambda: t.copy(["a.o"], "/", ignore=ignore), errno.ENOENT, "excluded by .dockerignore")
    with Trees("ignore-above") as t:
        write(t.source + "/mod/y/z", b"x")
        write(t.source + "/gone/y/z", b"x")
        os.chmod(t.source + "/mod", 0o750)
        os.utime(t.source + "/mod/y", (5, 1234567890))
        t.copy(["."], "/", ignore=("mod", "gone", "!mod/y/z", "!gone/none"))
        made = os.stat(t.dest + "/mod"), os.stat(t.dest + "/mod/y")
        tap.check(t.tree() == ["mod/", "mod/y/", "mod/y/z"], t.tree())
        tap.check(made[0].st_mode & 0o777 == 0o750 and made[1].st_mtime == 1234567890,
                  "directories above what came back are as they were: %r" % (made,))
    with Trees("below") as t:
        write(t.source + "/d/b/f", b"x")
        for path in ("/t", "/t/b"):
            os.mkdir(t.dest + path, 0o700)
        t.copy(["d"], "/t")
        tap.check(os.stat(t.dest + "/t").st_mode & 0o777 == 0o700, "the destination keeps its mode")
        tap.check(os.stat(t.dest + "/t/b").st_mode & 0o777 == 0o755, "what is below has the source's")


@tap.test("HASH: changes with content, name, mode and link, not with owner and time")
def hashes():
    with Trees("hash") as t:
        write(t.source + "/d/a", b"1")
        os.symlink("a", t.source + "/d/l")
        seen = [t.hash(["d"], "/x")]
        os.utime(t.source + "/d/a", (1, 1))
        os.chown(t.source + "/d/a", 5, 5)
        tap.check(t.hash(["d"], "/y") == seen[0], "owner, time, destination")
        def changed(what):
            now = t.hash(["d"], "/x")
            tap.check(now not in seen, what)
            seen.append(now)
        write(t.source + "/d/a", b"2")
        changed("content")
        os.chmod(t.source + "/d/a", 0o755)
        changed("mode")
        os.rename(t.source + "/d/a", t.source + "/d/b")
        changed("name")
        os.unlink(t.source + "/d/l")
        os.symlink("b", t.source + "/d/l")
        changed("link")
        write(t.source + "/d/new", b"")
        changed("a new file")
        tap.check(t.hash(["d"], "/x", ignore=("d/new",)) == seen[-2], "an ignored one does not count")


def user(t, spec):
    body = t.call(peer.FILES_PASSWD, peer.text(spec), t.source)
    uid, gid, count = struct.unpack("<III", body[:12])
    groups = struct.unpack("<%dI" % count, body[12:12 + 4 * count])
    at = 12 + 4 * count
    length = struct.unpack("<I", body[at:at + 4])[0]
    return uid, gid, groups, body[at + 4:at + 4 + length].decode()


@tap.test("PASSWD: names, numbers, groups; only bounded regular files inside the root")
def passwd():
    with Trees("passwd") as t:
        tap.check(user(t, "") == (0, 0, (), "/"), "no files at all")
        tap.check(user(t, "12:34") == (12, 34, (), "/"), "numbers need none")
        write(t.source + "/etc/passwd", b"# c\nroot:x:0:0:r:/root:/bin/sh\nweb:x:33:44:w:/www:/x\nbad:x:-1:0::/:\n")
        write(t.source + "/etc/group", b"root:x:0:\nwebs:x:44:\nb:x:9:web\na:x:7:x,web\n9:x:70:\n")
        tap.check(user(t, "web") == (33, 44, (7, 9), "/www"), "name with its groups")
        tap.check(user(t, "33") == (33, 44, (7, 9), "/www"), "number that has a name")
        tap.check(user(t, "web:b") == (33, 9, (), "/www"), "a group by name")
        tap.check(user(t, "web:9") == (33, 9, (), "/www"), "digits are a number, whatever name there is")
        tap.check(user(t, "77") == (77, 0, (), "/"), "an unknown number")
        refused(lambda: user(t, "who"), errno.ENOENT, "unable to find user who: no matching entries in passwd")
        refused(lambda: user(t, "web:who"), errno.ENOENT, "unable to find group who")
        refused(lambda: user(t, "bad"), errno.EINVAL, "bad uid")
        os.unlink(t.source + "/etc/passwd")
        os.mkfifo(t.source + "/etc/passwd")
        refused(lambda: user(t, "web"), errno.EINVAL, "not a regular file")
        os.unlink(t.source + "/etc/passwd")
        os.symlink("/../../../../etc/passwd", t.source + "/etc/passwd")
        refused(lambda: user(t, "web"), errno.ELOOP, "passwd")
        os.unlink(t.source + "/etc/passwd")
        write(t.source + "/etc/passwd", b"x" * ((1 << 20) + 1))
        refused(lambda: user(t, "web"), errno.EFBIG, "larger than")


@tap.test("READ and MKDIR stay inside their root")
def read_mkdir():
    with Trees("misc") as t:
        def get(path, most=100):
            return t.call(peer.FILES_READ, peer.text(path) + struct.pack("<I", most), t.source)
        write(t.source + "/Dockerfile", b"FROM x\n")
        tap.check(get("Dockerfile") == b"\x01" + peer.text("FROM x\n"), "content")
        tap.check(get("none")[0] == 0, "missing")
        os.symlink("../canary", t.source + "/link")
        tap.check(get("link")[0] == 0, "a link out of the root finds nothing")
        refused(lambda: get("Dockerfile", 3), errno.EFBIG, "larger than 3 bytes")
        os.makedirs(t.dest + "/real")
        os.symlink("/real", t.dest + "/via")
        t.call(peer.FILES_MKDIR, peer.text("/via/a/b") + peer.text("12:13"), t.dest)
        st = os.stat(t.dest + "/real/a/b")
        tap.check((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (12, 13, 0o755), "made, with its owner")
        os.symlink("../../out", t.dest + "/trap")
        t.call(peer.FILES_MKDIR, peer.text("/trap/x") + peer.text(""), t.dest)
        tap.check(os.path.isdir(t.dest + "/out/x"), "what a link leads to is made inside of the root")
        for outside in ("/..", "/../.."):
            tap.check(not os.path.lexists(t.dest + outside + "/out"), "and nothing outside of it")


if __name__ == "__main__":
    mounts.go_private()
    tap.run()
