# SPDX-License-Identifier: Apache-2.0
"""Entry records (engine/api/entry.h) written a second time, for tests: trees in, byte streams out."""
import struct

FILE, DIR, SYMLINK, HARDLINK, CHAR, BLOCK, FIFO, WHITEOUT, OPAQUE, DATA, END = range(1, 12)
DATA_MAX = 65536


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(data)) + data


def record(kind, body):
    return struct.pack("<IB", len(body), kind) + body


class Stream:
    """Collects records; the totals of the end record are counted along."""

    def __init__(self):
        self.parts = []
        self.entries = 0
        self.bytes = 0

    def node(self, kind, path, mode=0o644, uid=0, gid=0, mtime=(0, 0), target=b"", rdev=(0, 0),
             size=0, xattrs=()):
        body = text(path) + text(target)
        body += struct.pack("<IIIqIIIQ", mode, uid, gid, mtime[0], mtime[1], rdev[0], rdev[1], size)
        body += struct.pack("<I", len(xattrs))
        for name, value in xattrs:
            body += text(name) + text(value)
        self.parts.append(record(kind, body))
        self.entries += 1

    def data(self, offset, content):
        for at in range(0, len(content), DATA_MAX):
            piece = content[at:at + DATA_MAX]
            self.parts.append(record(DATA, struct.pack("<Q", offset + at) + piece))
            self.bytes += len(piece)

    def file(self, path, content, **attributes):
        self.node(FILE, path, size=len(content), **attributes)
        self.data(0, content)

    def mark(self, kind, path):
        self.parts.append(record(kind, text(path)))
        self.entries += 1

    def end(self):
        self.parts.append(record(END, struct.pack("<QQ", self.entries, self.bytes)))
        return b"".join(self.parts)
