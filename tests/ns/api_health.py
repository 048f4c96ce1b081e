#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP health checks in the api role of the real engine: main (played here) hands it a connected socket."""
import fcntl
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

HTTP, CALL = 0x480, 16
PORT = 8080


class Api:
    def __enter__(self):
        self.root = peer.Root("api-health")
        self.root.__enter__()
        self.main, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.main.settimeout(60)
        docker = socket.socket(socket.AF_UNIX)
        docker.bind("")
        docker.listen(1)
        numbers, root = (theirs.fileno(), docker.fileno()), self.root.path

        def child():
            os.chroot(root)
            os.chdir("/")
            high = [fcntl.fcntl(n, fcntl.F_DUPFD, 50) for n in numbers]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        with open(os.path.join(root, "api.log"), "ab") as log:
            self.process = subprocess.Popen(["/engine", "api"], preexec_fn=child, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=(3, 4))
        theirs.close()
        docker.close()
        self.serial = 0
        return self

    def __exit__(self, *_):
        self.main.shutdown(socket.SHUT_RDWR)
        status = self.process.wait(timeout=60)
        self.main.close()
        self.root.__exit__()
        tap.check(status == 0, "the role ends by itself: %d" % status)

    def probe(self, server, path="/ok", timeout_ms=60000):
        """What the role makes of a server: server(socket) plays the container. (code, text)"""
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        thread = threading.Thread(target=server, args=(accepted,), daemon=True)
        thread.start()
        self.serial += 1
        body = peer.text("localhost:%d" % PORT) + peer.text(path) + struct.pack("<I", timeout_ms)
        head = struct.pack("<4sHHIIHH", b"HOY1", HTTP, CALL, self.serial, len(body), 1, 0)
        socket.send_fds(self.main, [head + body], [client.fileno()])
        client.close()
        data = self.main.recv(1 << 16)
        serial, length = struct.unpack("<II", data[8:16])
        tap.check(serial == self.serial, "the answer to another probe")
        answer = data[20:20 + length]
        code, size = struct.unpack("<iI", answer[:8])
        text = answer[8:8 + size]
        listener.close()
        thread.join(60)
        return code, text


def answers(data, seen=None):
    def server(s):
        request = b""
        while b"\r\n\r\n" not in request:
            request += s.recv(4096)
        if seen is not None:
            seen.append(request)
        try:
            s.sendall(data)
        except OSError:
            pass
        s.close()
    return server


def silent(s):
    while s.recv(4096):
        pass
    s.close()


@tap.test("a status from 200 to 399 is well, any other is not")
def status():
    with Api() as api:
        for line, code in (("200 OK", 0), ("204 No Content", 0), ("302 Found", 0), ("400 Bad Request", 1),
                           ("503 Service Unavailable", 1)):
            got = api.probe(answers(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % line.encode()))
            tap.check(got == (code, b"HTTP " + line.encode()), (line, got))


@tap.test("the request names the path and the host of the check")
def request():
    with Api() as api:
        seen = []
        api.probe(answers(b"HTTP/1.1 200 OK\r\n\r\n", seen), "/a?b=c")
        tap.check(seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\n"), seen)
        tap.check(b"\r\nHost: localhost:%d\r\n" % PORT in seen[0], seen)


@tap.test("an answer that is no HTTP, or too long, or cut off, is a failed check")
def bad():
    with Api() as api:
        for data in (b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * (1 << 20), b"HTTP/1.1 20", b""):
            code, text = api.probe(answers(data))
            tap.check(code == 1 and text, (data[:20], code, text))


@tap.test("a server that says nothing costs its time and no more")
def silent_server():
    with Api() as api:
        code, text = api.probe(silent, timeout_ms=100)
        tap.check(code == -1 and b"no answer" in text, (code, text))
        tap.check(api.probe(answers(b"HTTP/1.1 200 OK\r\n\r\n"))[0] == 0, "the role goes on")


if __name__ == "__main__":
    tap.run()
