#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The api role of the real engine where a client makes it keep or repeat much: attach, BuildKit's calls, builds that end."""
import errno
import os
import resource
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import api_docker  # noqa: E402
import store_peer as peer  # noqa: E402
from fixture import tap  # noqa: E402

tap.TESTS.clear()  # those of api_docker run by themselves
BUILD_CONTEXT, BUILD_CANCEL = 0x3E0, 0x3E1
DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
CALLS_MAX = 64  # MSG_CALLS_MAX
LIMIT_S = 60
STACK = 512 << 10  # of the role: what calls itself once for each block is found soon


class Api(api_docker.Api):
    """Answers calls alone; where an answer is a list, it is the paths of files that ride along."""

    def __enter__(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, hard))
        try:
            return super().__enter__()
        finally:
            resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))

    def serve(self):
        while True:
            data = self.main.recv(1 << 20)
            if not data:
                return
            _, kind, flags, serial, length, _, _ = struct.unpack("<4sHHIIHH", data[:20])
            if kind == api_docker.EVENTS:
                continue
            kind = api_docker.VIEWS if kind == api_docker.VIEWS_BRIEF else kind
            self.asked.append((kind, data[20:20 + length]))
            if not flags & peer.CALL:
                continue
            self.gate.wait(LIMIT_S)
            answer, fds, code = self.answers[kind], [], 0
            if isinstance(answer, list):
                fds, answer = [os.open(path, os.O_RDONLY) for path in answer], b""
            elif isinstance(answer, OSError):
                code, answer = peer.ERROR, struct.pack("<i", -answer.errno) + peer.text(answer.strerror)
            head = struct.pack("<4sHHIIHH", b"HOY1", kind, peer.REPLY | code, serial, len(answer), len(fds), 0)
            socket.send_fds(self.main, [head + answer], fds)
            for fd in fds:
                os.close(fd)

    def client(self, request):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(LIMIT_S)
        s.connect(self.path)
        s.sendall(request)
        return s


@tap.test("attach with logs=1: several MiB of a log, to a reader that keeps up and to one that does not")
def _attach():
    answers = {api_docker.VIEWS: struct.pack("<I", 1) + api_docker.view("box", 5, 1)}
    with Api("attach", answers) as api:
        log = os.path.join(api.root.path, "log")
        with open(log, "w", encoding="ascii") as f:
            for n in range(250000):
                f.write('{"log":"%d %s\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n' % (n, "x" * 80))
        answers[api_docker.LOGS] = [log]
        want = b"".join(b"%d %s\n" % (n, b"x" * 80) for n in range(250000))
        for piece in (1 << 20, 5000):
            with api.client(b"POST /v1.41/containers/box/attach?logs=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n") as s:
                data = bytearray()
                while part := s.recv(piece):
                    data += part
            head, _, data = bytes(data).partition(b"\r\n\r\n")
            tap.check(head.startswith(b"HTTP/1.1 200"), head)
            out = bytearray()
            while data[:1] == b"\1" and len(out) < len(want):
                at = 0
                while at < len(data):
                    size = struct.unpack(">I", data[at + 4:at + 8])[0]
                    out += data[at + 8:at + 8 + size]
                    at += 8 + size
                data = b""
            tap.check(bytes(out) == want, "%d bytes of %d" % (len(out), len(want)))


class Calls:
    """A connection of /grpc, frame by frame."""

    def __init__(self, api):
        self.socket = api.client(b"POST /v1.51/grpc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.kept, self.frames = b"", []
        while b"\r\n\r\n" not in self.kept:
            self.more()
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        tap.check(head.startswith(b"HTTP/1.1 101"), head)
        self.frame(SETTINGS, 0, 0)
        self.frame(SETTINGS, 1, 0)
        self.turn()

    def more(self):
        data = self.socket.recv(1 << 16)
        tap.check(data, "the connection has ended")
        self.kept += data

    def frame(self, kind, flags, stream, data=b""):
        self.socket.sendall(struct.pack(">IBI", len(data) << 8 | kind, flags, stream) + data)

    def take(self):
        """The next frame: (kind, flags, stream, data)."""
        while len(self.kept) < 9 or len(self.kept) < 9 + (int.from_bytes(self.kept[:3], "big")):
            self.more()
        size = int.from_bytes(self.kept[:3], "big")
        found = self.kept[3], self.kept[4], int.from_bytes(self.kept[5:9], "big"), self.kept[9:9 + size]
        self.kept = self.kept[9 + size:]
        self.frames.append(found)
        return found

    def turn(self):
        """All that was sent before has been read, and answered where it is."""
        for _ in range(2):
            self.frame(PING, 0, 0, bytes(8))
            while self.take()[:2] != (PING, 1):
                pass

    def call(self, stream, path):
        fields = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("content-type", "application/grpc"))
        self.frame(HEADERS, 4, stream, b"".join(b"\0%c%s%c%s" % (len(n), n.encode(), len(v), v.encode()) for n, v in fields))

    def resets(self):
        return {stream: int.from_bytes(data, "big") for kind, _, stream, data in self.frames if kind == RST_STREAM}

    def ended(self):
        return {stream for kind, flags, stream, _ in self.frames if kind == HEADERS and flags & 1}


SOLVE, STATUS = "/moby.buildkit.v1.Control/Solve", "/moby.buildkit.v1.Control/Status"


@tap.test("a message of BuildKit's protocol over 1 MiB, and over 4 MiB of messages at once, end their calls and no other")
def _messages():
    with Api("messages", {}) as api:
        calls = Calls(api)
        calls.call(1, SOLVE)
        calls.frame(DATA, 0, 1, struct.pack(">BI", 0, (1 << 20) + 1))
        calls.turn()
        tap.check(calls.resets() == {1: 1}, calls.resets())
        for stream in range(3, 13, 2):
            calls.call(stream, SOLVE)
            calls.frame(DATA, 0, stream, struct.pack(">BI", 0, 1 << 20))
            for _ in range(60):
                calls.frame(DATA, 0, stream, bytes(16000))
                calls.turn()
        tap.check(calls.resets() == {1: 1, 11: 11}, calls.resets())
        calls.call(13, "/moby.buildkit.v1.Control/Nothing")
        for _ in range(60):
            calls.frame(DATA, 0, 13, bytes(16000))
            calls.turn()
        tap.check(calls.resets() == {1: 1, 11: 11} and 13 in calls.ended(), "what nobody reads is dropped: %r" % calls.resets())
        calls.socket.close()
        tap.check(api.get("/_ping") == (200, b"OK"), "ping")


@tap.test("builds that are spoken of and not asked for: eight of one client, and they end")
def _unasked():
    with Api("unasked", {}) as api:
        calls = Calls(api)
        for number in range(9):
            calls.call(2 * number + 1, STATUS)
            calls.frame(DATA, 1, 2 * number + 1, struct.pack(">BI", 0, 6) + b"\x0a\x04ref%d" % number)
        calls.turn()
        tap.check(calls.ended() == {17}, "refused: %r" % calls.ended())
        end = time.monotonic() + LIMIT_S
        while len(calls.ended()) < 9:
            tap.check(time.monotonic() < end, "they stay: %r" % calls.ended())
            calls.take()
        calls.call(19, STATUS)
        calls.frame(DATA, 1, 19, struct.pack(">BI", 0, 6) + b"\x0a\x04ref9")
        calls.turn()
        tap.check(19 not in calls.ended(), "and there is room again")
        calls.socket.close()


@tap.test("a build whose client leaves while it waits for its place is told to engine main and then taken back")
def _cancel():
    with Api("cancel", {api_docker.VIEWS: struct.pack("<I", 0), BUILD_CONTEXT: OSError(errno.ECANCELED, "canceled"), BUILD_CANCEL: b""}) as api:
        def settled():
            for _ in range(2):
                tap.check(api.get("/_ping") == (200, b"OK"), "ping")
        api.gate.clear()  # no call is answered: all places are taken
        crowd = [api.client(b"GET /v1.51/containers/json HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(CALLS_MAX)]
        settled()
        build = api.client(b"POST /v1.51/build HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"200\r\n" + bytes(512) + b"\r\n")
        settled()
        build.close()
        settled()
        api.gate.set()
        end = time.monotonic() + LIMIT_S
        while BUILD_CONTEXT not in [kind for kind, _ in api.asked] or api.asked[-1][0] != BUILD_CANCEL:
            tap.check(time.monotonic() < end, "%r" % [(hex(kind), body[:8]) for kind, body in api.asked if kind != api_docker.VIEWS])
            time.sleep(0.01)
        (_, wanted), = [one for one in api.asked if one[0] == BUILD_CONTEXT]
        tap.check(api.asked[-1][1] == wanted[:8], "of the same token")
        for s in crowd:
            s.close()


if __name__ == "__main__":
    tap.run()
