# SPDX-License-Identifier: Apache-2.0
"""Plays engine main towards one role process of the real engine, in a root of its own."""
import ctypes
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys

from fixture import BUILD

ENGINE = os.environ.get("ENGINE", os.path.join(BUILD, "x86_64/bin/engine"))
LIBC = ctypes.CDLL(None, use_errno=True)
REPLY, ERROR, MORE, MEMFD, CALL = 1, 2, 4, 8, 16
(BLOB_HAVE, BLOB_PUT, BLOB_OPEN, LAYER_NEW, LAYER_COMMIT, LAYER_HAVE, LAYER_OPEN, IMAGE_SET,
 IMAGE_GET, IMAGE_LIST, IMAGE_REMOVE, CACHE_GET, CACHE_SET, LEASE, GC, CHECK,
 SPACE) = range(0x400, 0x411)
PACK_START, PACK_TAR = 0x420, 0x421
(FILES_DIFF, FILES_COPY, FILES_HASH, FILES_PASSWD, FILES_READ, FILES_MKDIR,
 FILES_FILL) = range(0x440, 0x447)
FILES_OPEN, FILES_EXTRACT, FILES_TREE, FILES_STAT, FILES_CHANGES, FILES_USAGE = range(0x450, 0x456)


class RoleError(Exception):
    """What a role answered instead of a result."""

    def __init__(self, code, text):
        super().__init__("%d: %s" % (code, text))
        self.code = -code
        self.text = text


def mount(source, target, kind, flags=0, data=None):
    args = [a.encode() if isinstance(a, str) else a for a in (source, target, kind)]
    if LIBC.mount(args[0], args[1], args[2], flags, data.encode() if data else None) != 0:
        raise OSError(ctypes.get_errno(), "mount %s on %s" % (source, target))


def umount(target):
    LIBC.umount2(target.encode(), 2)


class Root:
    """A root directory with the engine, /proc and /data, for the length of a block."""

    def __init__(self, name, data_mib=0, data_inodes=0):
        program = os.path.basename(sys.argv[0]).replace(".py", "")
        self.path = os.path.join(BUILD, "ns-" + program + os.environ.get("HOY_PLACE", ""), name)
        self.data = os.path.join(self.path, "data")
        self.data_mib, self.data_inodes = data_mib, data_inodes  # 0 = the disk's own

    def __enter__(self):
        self.clear()
        for folder in ("proc", "data", "var/empty"):
            os.makedirs(os.path.join(self.path, folder))
        shutil.copy(ENGINE, os.path.join(self.path, "engine"))
        mount("proc", os.path.join(self.path, "proc"), "proc")
        if self.data_mib:
            mount("tmpfs", self.data, "tmpfs", 0, "size=%dm,nr_inodes=%d" % (self.data_mib, self.data_inodes))
        return self

    def clear(self):
        for folder in ("data", "proc"):
            umount(os.path.join(self.path, folder))
        shutil.rmtree(self.path, ignore_errors=True)

    def __exit__(self, *_):
        self.clear()


class Role:
    """One role process; call() sends a message and waits for the answer."""

    def __init__(self, root, name):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = os.path.join(root.path, name + ".log")
        number = theirs.fileno()

        def child():
            os.chroot(root.path)
            os.chdir("/")
            # Only then inheritable: fd 3 is what the role knows.
            os.dup2(number, 3)

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["/engine", name], preexec_fn=child, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=(3,))
        theirs.close()
        self.socket = ours
        self.socket.settimeout(250)
        self.serial = 0
        self.replies = {}
        self.lines = []  # bodies of answers that others follow

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, kill=False):
        """Closes the socket; the exit status, with which a role that is not killed ends by itself."""
        self.socket.close()
        if kill:
            self.process.kill()
        return self.process.wait(timeout=120)

    def send(self, kind, body=b"", fds=()):
        self.serial += 1
        head = struct.pack("<4sHHIIHH", b"HOY1", kind, CALL, self.serial, len(body), len(fds), 0)
        socket.send_fds(self.socket, [head + body], list(fds))
        return self.serial

    def receive(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 1 << 20, 8)
        except OSError as error:
            raise AssertionError(self.why(str(error))) from error
        if not data:
            raise AssertionError(self.why("the role is gone"))
        _, _, flags, serial, length, _, _ = struct.unpack("<4sHHIIHH", data[:20])
        body = data[20:]
        if flags & MEMFD:
            with os.fdopen(fds.pop(0), "rb") as f:
                f.seek(0)
                body = f.read(length)
        return serial, flags, body, fds

    def why(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "%s\n%s" % (text, f.read()[-3000:])

    def wait(self, serial):
        while serial not in self.replies:
            number, flags, body, fds = self.receive()
            if flags & MORE:
                self.lines.append(body)
            else:
                self.replies[number] = (flags, body, fds)
        flags, body, fds = self.replies.pop(serial)
        if flags & ERROR:
            code, length = struct.unpack("<iI", body[:8])
            raise RoleError(code, body[8:8 + length].decode())
        return body, fds

    def call(self, kind, body=b"", fds=()):
        return self.wait(self.send(kind, body, fds))


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(data)) + data


def sha256(data):
    return hashlib.sha256(data).digest()


class Feeder:
    """Writes bytes into a pipe from a process of its own; read_fd is the other end."""

    def __init__(self, data):
        self.read_fd, write_fd = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 0
            try:
                # Other pipes' ends must not live on in here.
                for fd in range(3, 256):
                    if fd != write_fd:
                        try:
                            os.close(fd)
                        except OSError:
                            pass
                view = memoryview(data)
                while view:
                    view = view[os.write(write_fd, view[:1 << 16]):]
            except OSError:
                status = 1
            os._exit(status)
        os.close(write_fd)

    def done(self):
        if self.read_fd >= 0:
            os.close(self.read_fd)
            self.read_fd = -1
        return os.waitpid(self.pid, 0)[1]


def put(role, data, digest=None, size=None, keep=1, tee=None):
    """BLOB_PUT of these bytes; returns the size the store reports."""
    feeder = Feeder(data)
    body = (digest or sha256(data)) + struct.pack("<QB", len(data) if size is None else size, keep)
    serial = role.send(BLOB_PUT, body, [feeder.read_fd] + ([tee] if tee is not None else []))
    os.close(feeder.read_fd)
    feeder.read_fd = -1
    if tee is not None:
        os.close(tee)
    try:
        reply, _ = role.wait(serial)
        return struct.unpack("<Q", reply)[0]
    finally:
        feeder.done()


def patterns(rows):
    body = struct.pack("<I", len(rows))
    for pattern in rows:
        body += struct.pack("<B", pattern.startswith("!")) + text(pattern.lstrip("!"))
    return body


def copy_body(sources, dest, chown="", chmod="", context=True, ignore=(), exclude=(), files=(),
              parents=False, unpack=False, when=0):
    body = struct.pack("<I", len(sources)) + b"".join(text(s) for s in sources)
    body += text(dest) + text(chown) + text(chmod) + struct.pack("<B", context)
    body += patterns(ignore) + patterns(exclude) + struct.pack("<I", len(files))
    for name, data in files:
        body += text(name) + struct.pack("<I", len(data)) + data
    return body + struct.pack("<BBq", parents, unpack, when)
