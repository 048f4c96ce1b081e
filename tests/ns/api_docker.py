#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The api role of the real engine: HTTP in, checked messages to engine main (played here), JSON out."""
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import tap  # noqa: E402

PS, ACT, LOGS, EXEC, RESIZE, IMAGES, PULL, IMAGE_REMOVE, ISSUES, INFO = range(0x300, 0x30A)
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def image_row(reference, created, architecture, disk):
    return (peer.text(reference) + peer.text("sha256:" + "ab" * 32) + peer.text(created) +
            peer.text(architecture) + struct.pack("<QQI", 7, disk, 1))


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Api:
    """The role with docker.sock, and a thread that answers as engine main would."""

    def __init__(self, name, answers):
        self.root = peer.Root("api-" + name)
        self.answers = answers
        self.asked = []

    def __enter__(self):
        self.root.__enter__()
        listener = socket.socket(socket.AF_UNIX)
        # A path below the checkout may be longer than a socket's can be.
        folder = os.open(self.root.path, os.O_RDONLY)
        self.path = "/proc/%d/fd/%d/docker.sock" % (os.getpid(), folder)
        listener.bind(self.path)
        listener.listen(8)
        self.main, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = (theirs.fileno(), listener.fileno())
        root = self.root.path

        def child():
            os.chroot(root)
            os.chdir("/")
            high = [os.dup2(n, 50 + i) for i, n in enumerate(numbers)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        with open(os.path.join(root, "api.log"), "ab") as log:
            self.process = subprocess.Popen(["/engine", "api"], preexec_fn=child, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=(3, 4))
        theirs.close()
        listener.close()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.main.shutdown(socket.SHUT_RDWR)
        status = self.process.wait(timeout=60)
        self.thread.join(60)
        self.main.close()
        self.root.__exit__()
        tap.check(status == 0, "the role ends by itself: %d" % status)

    def serve(self):
        while True:
            data = self.main.recv(1 << 20)
            if not data:
                return
            _, kind, _, serial, length, _, _ = struct.unpack("<4sHHIIHH", data[:20])
            self.asked.append((kind, data[20:20 + length]))
            body = self.answers[kind]
            head = struct.pack("<4sHHIIHH", b"HOY1", kind, peer.REPLY, serial, len(body), 0, 0)
            self.main.send(head + body)

    def get(self, path):
        connection = Connection(self.path)
        connection.request("GET", path)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def json(self, path):
        status, data = self.get(path)
        tap.check(status == 200, "%s: %d %r" % (path, status, data))
        return json.loads(data)


@tap.test("version and info name the machine that runs")
def machine():
    own = os.uname()
    with Api("machine", {INFO: struct.pack("<IIQQ", 1, 3, 0, 0) + peer.text("ready")}) as api:
        for path in ("/version", "/v1.43/version"):
            version = api.json(path)
            tap.check(version["Arch"] == MACHINES[own.machine], version)
            tap.check(version["KernelVersion"] == own.release and version["Os"] == "linux", version)
        info = api.json("/info")
        tap.check(info["Architecture"] == own.machine and info["KernelVersion"] == own.release, info)
        tap.check((info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (3, 1, 2), info)
        tap.check([k for k, _ in api.asked] == [INFO], "version asks nobody")


@tap.test("images have the time their config says and what they take on the disk")
def images():
    rows = [("a:1", "2026-01-02T03:04:05.678+02:00", 1767315845), ("b:1", "", 0), ("c:1", "yesterday", 0),
            ("d:1", "1970-01-01T00:00:00Z", 0), ("e:\"1\\", "2000-02-29T12:00:00Z", 951825600)]
    body = struct.pack("<I", len(rows)) + b"".join(image_row(r, c, "arm64", 4096 + n)
                                                   for n, (r, c, _) in enumerate(rows))
    with Api("images", {IMAGES: body}) as api:
        got = api.json("/v1.51/images/json")
    tap.check(len(got) == len(rows), got)
    for n, (row, (reference, _, seconds)) in enumerate(zip(got, rows)):
        tap.check(row["RepoTags"] == [reference] and row["Created"] == seconds and row["Size"] == 4096 + n, row)
        tap.check(row["Id"] == "sha256:" + "ab" * 32, row)


@tap.test("what is no request and no route is refused, and the next client is served")
def refused():
    with Api("refused", {PS: struct.pack("<I", 0)}) as api:
        for path, want in (("/nowhere", 404), ("/containers/%zz/json", 400), ("/containers/a%00/json", 400),
                           ("/" + "x" * 2000, 400), ("/images/json/", 404)):
            status, data = api.get(path)
            tap.check(status == want and "message" in json.loads(data), "%s: %d %r" % (path[:40], status, data))
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"\0\1\2 garbage\r\n\r\n")
            tap.check(b"400" in s.recv(4096), "garbage")
        tap.check(api.json("/containers/json?all=1") == [], "an empty list")
        tap.check([k for k, _ in api.asked] == [PS], "nothing else reached engine main")


if __name__ == "__main__":
    tap.run()
