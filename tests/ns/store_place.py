# SPDX-License-Identifier: Apache-2.0
"""A files role with two trees in its root, for tests/ns/store_files.py and store_upper.py."""
import errno
import os
import struct
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import tap  # noqa: E402


class Trees:
    """A root with a files role and two trees in it."""

    def __init__(self, name):
        self.root = peer.Root("files-" + name)

    def __enter__(self):
        self.root.__enter__()
        self.source, self.dest = (os.path.join(self.root.data, n) for n in ("source", "dest"))
        os.makedirs(self.source)
        os.makedirs(self.dest)
        self.canary = os.path.join(self.root.data, "canary")
        write(self.canary, b"untouched")
        self.role = peer.Role(self.root, "files")
        return self

    def __exit__(self, *_):
        status = self.role.stop()
        with open(self.canary, "rb") as f:
            intact = f.read() == b"untouched"
        self.root.__exit__()
        tap.check(intact, "what is beside the roots is untouched")
        tap.check(status == 0, "the role ends by itself: %d" % status)

    def call(self, kind, body, *paths):
        fds = [os.open(p, os.O_RDONLY | os.O_DIRECTORY) for p in paths]
        try:
            return self.role.call(kind, body, fds)[0]
        finally:
            for fd in fds:
                os.close(fd)

    def copy(self, *args, **named):
        body = self.call(peer.FILES_COPY, peer.copy_body(*args, **named), self.source, self.dest)
        self.archives = []
        at = 20
        for _ in range(struct.unpack("<I", body[16:20])[0]):
            size = struct.unpack("<I", body[at:at + 4])[0]
            self.archives.append(body[at + 4:at + 4 + size].decode())
            at += 4 + size
        return struct.unpack("<QQ", body[:16])

    def hash(self, *args, **named):
        return self.call(peer.FILES_HASH, peer.copy_body(*args, **named), self.source)[:32]

    def tree(self):
        found = []
        for folder, dirs, files in os.walk(self.dest):
            for name in dirs + files:
                path = os.path.join(folder, name)
                end = "/" if os.path.isdir(path) and not os.path.islink(path) else ""
                found.append(os.path.relpath(path, self.dest) + end)
        return sorted(found)


def write(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def refused(call, code, pattern):
    try:
        call()
    except peer.RoleError as error:
        tap.check(error.code == code, "%s instead of %s" % (error, errno.errorcode[code]))
        tap.check_match(pattern, error.text, "message")
        return
    raise AssertionError("was not refused: " + pattern)
