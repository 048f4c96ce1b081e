#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The store, pack and files roles of the real engine, sandboxed, with a test in main's place."""
import errno
import hashlib
import os
import stat
import struct
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
import store_records as rec  # noqa: E402
from fixture import mounts, tap  # noqa: E402

ZERO = bytes(32)


def refused(call, code, pattern):
    try:
        call()
    except peer.RoleError as error:
        tap.check(error.code == code, "%s instead of %s" % (error, errno.errorcode[code]))
        tap.check_match(pattern, error.text, "message")
        return
    raise AssertionError("was not refused: " + pattern)


def blobs(root):
    return sorted(os.listdir(os.path.join(root.data, "store/blobs/sha256")))


def make_layer(root, store, records, digest=None, diff=ZERO):
    """Records through pack into the store; (digest, the EROFS file's path)."""
    _, fds = store.call(peer.LAYER_NEW, struct.pack("<Q", 0))
    feeder = peer.Feeder(records)
    with peer.Role(root, "pack") as pack:
        serial = pack.send(peer.PACK_START, b"\1", [feeder.read_fd, fds[0]])
        try:
            body, _ = pack.wait(serial)
        finally:
            feeder.done()
    digest = digest or body[24:56]
    try:
        store.call(peer.LAYER_COMMIT, digest + diff + struct.pack("<Q", 0), fds)
    finally:
        os.close(fds[0])
    return digest, os.path.join(root.data, "store/layers/sha256", digest.hex() + ".erofs")


@tap.test("a blob is stored and handed on while it comes, then found again")
def blob_put():
    data = os.urandom(3 << 20)
    with peer.Root("store-put") as root, peer.Role(root, "store") as store:
        out_read, out_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(out_write)
            got = b""
            while piece := os.read(out_read, 1 << 16):
                got += piece
            os._exit(0 if got == data else 1)
        os.close(out_read)
        tap.check(peer.put(store, data, tee=out_write) == len(data), "size")
        tap.check(os.waitpid(pid, 0)[1] == 0, "the second pipe got the same bytes")
        body, _ = store.call(peer.BLOB_HAVE, peer.sha256(data))
        tap.check(struct.unpack("<BQ", body) == (1, len(data)), "have")
        _, fds = store.call(peer.BLOB_OPEN, peer.sha256(data))
        with os.fdopen(fds[0], "rb") as f:
            tap.check(f.read() == data, "content")
        st = os.stat(os.path.join(root.data, "store"))
        tap.check(stat.S_IMODE(st.st_mode) == 0o700 and st.st_uid != 0, "the store is private")
        tap.check(store.stop() == 0, "ends when main is gone")


@tap.test("wrong digest, too short, too long: refused, and nothing stays")
def blob_bad():
    data = b"x" * 100000
    with peer.Root("store-bad") as root, peer.Role(root, "store") as store:
        refused(lambda: peer.put(store, data, digest=ZERO), errno.EBADMSG, "has the content of sha256:")
        refused(lambda: peer.put(store, data, size=len(data) + 1), errno.EBADMSG,
                "ended after 100000 of 100001 bytes")
        refused(lambda: peer.put(store, data, size=len(data) - 1), errno.EBADMSG, "is longer than its 99999")
        peer.put(store, data, keep=0)
        tap.check(blobs(root) == [], "nothing was stored")
        refused(lambda: store.call(peer.BLOB_OPEN, ZERO), errno.ENOENT, "No such file")


@tap.test("many blobs at once; one with a stuck reader does not hold up the others")
def blob_many():
    with peer.Root("store-many") as root, peer.Role(root, "store") as store:
        stuck_read, stuck_write = os.pipe()
        stuck = peer.Feeder(b"s" * 400000)
        head = peer.sha256(b"s" * 400000) + struct.pack("<QB", 400000, 1)
        serial = store.send(peer.BLOB_PUT, head, [stuck.read_fd, stuck_write])
        os.close(stuck_write)
        pieces = [os.urandom(200000) for _ in range(10)]
        feeders = [peer.Feeder(p) for p in pieces]
        serials = [store.send(peer.BLOB_PUT, peer.sha256(p) + struct.pack("<QB", len(p), 1), [f.read_fd])
                   for p, f in zip(pieces, feeders)]
        for number, feeder in zip(serials, feeders):
            store.wait(number)
            feeder.done()
        tap.check(len(blobs(root)) == 10, "ten are there, the stuck one is not")
        os.close(stuck_read)  # its reader ends: the blob itself is fine
        store.wait(serial)
        stuck.done()
        tap.check(len(blobs(root)) == 11, "and then it is")


@tap.test("a full disk: the message says how much is missing, nothing is left behind")
def disk_full():
    with peer.Root("store-full", data_mib=24) as root, peer.Role(root, "store") as store:
        refused(lambda: peer.put(store, b"a" * 1000, size=100 << 20), errno.ENOSPC,
                r"no room for sha256:\w+: 8\d MiB are missing on the data partition")
        refused(lambda: peer.put(store, os.urandom(30 << 20), size=2**64 - 1), errno.ENOSPC, "MiB are missing")
        refused(lambda: store.call(peer.LAYER_NEW, struct.pack("<Q", 1 << 30)), errno.ENOSPC,
                "no room for a layer")
        tap.check(blobs(root) == [], "nothing is left")
        peer.put(store, b"small")
        tap.check(len(blobs(root)) == 1, "a small one fits")


@tap.test("kill -9 in the middle of a blob: nothing half-made, the next start goes on")
def killed():
    with peer.Root("store-kill") as root:
        store = peer.Role(root, "store")
        peer.put(store, b"kept")
        feeder = peer.Feeder(b"y" * (8 << 20))
        store.send(peer.BLOB_PUT, peer.sha256(b"") + struct.pack("<QB", 8 << 20, 1), [feeder.read_fd])
        time.sleep(0.05)
        store.stop(kill=True)
        feeder.done()
        with peer.Role(root, "store") as again:
            body, _ = again.call(peer.BLOB_HAVE, peer.sha256(b"kept"))
            tap.check(body[0] == 1, "what was answered is there")
            tap.check(len(blobs(root)) == 1, "nothing else is")


def set_key(store, number):
    """A change of the table of names: an entry of the build cache."""
    store.call(peer.CACHE_SET, hashlib.sha256(b"%d" % number).digest() + b"\0" + 2 * ZERO + bytes(8))


def has_key(store, number):
    return store.call(peer.CACHE_GET, hashlib.sha256(b"%d" % number).digest())[0][0] == 1


@tap.test("a disk without one free inode: names change all the same, and stand there after a restart")
def no_inode():
    with peer.Root("store-inodes", data_mib=8, data_inodes=64) as root:
        with peer.Role(root, "store") as store:
            for number in range(2):
                set_key(store, number)
            for number in range(100):
                try:
                    os.close(os.open(os.path.join(root.data, "fill%d" % number), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                except OSError as full:
                    tap.check(full.errno == errno.ENOSPC, "%s" % full)
                    break
            tap.check(os.statvfs(root.data).f_ffree == 0, "the disk has inodes left")
            for number in range(2, 9):
                set_key(store, number)
        with peer.Role(root, "store") as store:
            set_key(store, 9)
            tap.check(all(has_key(store, n) for n in range(10)) and not has_key(store, 10), "other names than were set")


@tap.test("records become a layer that is checked, found, mounted and collected")
def layer():
    s = rec.Stream()
    s.file("etc/hello", b"hello\n", mode=0o4755, uid=70000)
    with peer.Root("store-layer") as root, peer.Role(root, "store") as store:
        digest, path = make_layer(root, store, s.end())
        body, _ = store.call(peer.LAYER_HAVE, digest)
        size = struct.unpack("<B32s32sQ", body)[3]
        tap.check(body[0] == 1 and os.stat(path).st_size == size + 4096, "have, with its trailer")
        body, fds = store.call(peer.LAYER_OPEN, digest)
        point = os.path.join(root.path, "mnt")
        os.makedirs(point)
        mounts.mount_erofs("/proc/%d/fd/%d" % (os.getpid(), fds[0]), point)
        with open(point + "/etc/hello", encoding="utf-8") as f:
            tap.check(f.read() == "hello\n", "content")
        st = os.stat(point + "/etc/hello")
        tap.check(stat.S_IMODE(st.st_mode) == 0o4755 and st.st_uid == 70000, "attributes")
        peer.umount(point)
        os.close(fds[0])
        body, _ = store.call(peer.CHECK, b"\0")
        tap.check(struct.unpack("<III", body) == (1, 0, 0), "check finds it whole")
        store.call(peer.LEASE, peer.text("job") + struct.pack("<I", 1) + digest)
        body, _ = store.call(peer.GC)
        tap.check(struct.unpack("<QII", body)[1:] == (0, 1), "a lease keeps it, and that is said")
        store.call(peer.LEASE, peer.text("job") + struct.pack("<I", 0))
        body, _ = store.call(peer.GC)
        tap.check(struct.unpack("<QII", body)[1:] == (1, 0) and not os.path.exists(path), "then it goes")
        deadline = time.monotonic() + 120
        while os.listdir(root.data + "/store/trash") and time.monotonic() < deadline:
            time.sleep(0.05)
        tap.check(os.listdir(root.data + "/store/trash") == [], "and the trash is emptied")


@tap.test("B14 a flipped byte or a cut layer is noticed; a damaged one is made again")
def damaged():
    s = rec.Stream()
    s.file("a", b"content" * 1000)
    records = s.end()
    with peer.Root("store-damage") as root, peer.Role(root, "store") as store:
        digest, path = make_layer(root, store, records)
        with open(path, "r+b") as f:
            f.seek(4096 + 10)
            f.write(b"X")
        body, _ = store.call(peer.CHECK, b"\0")
        tap.check(struct.unpack("<III", body) == (1, 1, 0), "check finds the flipped byte")
        tap.check(digest.hex().encode() in store.lines[0], "and names the layer")
        os.truncate(path, os.stat(path).st_size - 4096)
        refused(lambda: store.call(peer.LAYER_OPEN, digest), errno.EBADMSG, "trailer|size|bytes")
        body, _ = store.call(peer.LAYER_HAVE, digest)
        tap.check(body[0] == 0, "a cut one counts as missing")
        make_layer(root, store, records)
        body, _ = store.call(peer.CHECK, b"\0")
        tap.check(struct.unpack("<III", body)[1] == 0, "and is whole after it was made again")


@tap.test("a check with repair takes damaged files away and names the images that lack them")
def repaired():
    s = rec.Stream()
    s.file("a", b"content" * 1000)
    records = s.end()
    with peer.Root("store-repair") as root, peer.Role(root, "store") as store:
        digest, path = make_layer(root, store, records)
        blob = os.urandom(5000)
        peer.put(store, blob)
        store.call(peer.LEASE, peer.text("job") + struct.pack("<I", 1) + digest)
        other = os.path.join(root.data, "store/blobs/sha256", hashlib.sha256(blob).hexdigest())
        for name in (path, other):
            with open(name, "r+b") as f:
                f.seek(4096 + 10 if name == path else 10)
                f.write(b"XYZ")
        body, _ = store.call(peer.CHECK, b"\0")
        tap.check(struct.unpack("<III", body) == (2, 2, 0) and os.path.exists(path), "found, left alone")
        tap.check(any(b"1 files that nothing uses" in line for line in store.lines), "the blob is nobody's")
        body, _ = store.call(peer.CHECK, b"\1")
        tap.check(struct.unpack("<III", body) == (2, 2, 0), "found again")
        tap.check(not os.path.exists(path) and not os.path.exists(other), "both are gone")
        body, _ = store.call(peer.CHECK, b"\1")
        tap.check(struct.unpack("<III", body) == (0, 0, 0), "nothing is left to find")
        body, _ = store.call(peer.LAYER_HAVE, digest)
        tap.check(body[0] == 0, "the layer is missing now")


@tap.test("pack refuses a stream that just stops")
def pack_cut():
    s = rec.Stream()
    s.file("a", b"x" * 100)
    with peer.Root("store-cut") as root, peer.Role(root, "store") as store:
        refused(lambda: make_layer(root, store, s.end()[:-4]), errno.EBADMSG, "stop before their end")
        tap.check(os.listdir(root.data + "/store/layers/sha256") == [], "no layer came of it")


if __name__ == "__main__":
    mounts.go_private()
    tap.run()
