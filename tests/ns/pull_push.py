#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pushing: to Debian's docker-registry, and to one in Python that breaks uploads off."""
import json
import os
import shutil
import socket
import sys
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import image, pulling, registry, tap  # noqa: E402
from fixture.pulling import (Server, check_blobs, drive, folder, host_args, noise, pull,  # noqa: E402
                             refused)

WORK = pulling.work("ns-pull-push")
RECORD = os.path.join(WORK, "record")
CHUNK = 8 << 20


class Stand:
    """A registry, and an image out of it that lies in a folder: a small and a big layer."""

    def __init__(self):
        folder("")
        self.reg = registry.Registry(os.path.join(WORK, "registry"))
        self.reg.start()
        self.host = "127.0.0.1:%d" % self.reg.port
        self.image = image.Image([{"s": noise(5000)}, {"b": noise(CHUNK + (3 << 20), 2)}])
        self.big = self.image.layers[1]["digest"]
        self.reg.push(self.image, "shop/app", "1")
        self.where = folder("blobs")
        code, text = pull(self.host + "/shop/app:1", self.where, "--save", RECORD,
                          *host_args(self.reg))
        tap.check(code == 0, text)


S = Stand()


def push(ref, *args):
    return drive(["--known", RECORD] + list(args) + ["push", ref, S.where])


def pushed(ref, *args):
    code, text = push(ref, *args)
    tap.check(code == 0 and "pushed" in text, text)
    return text


@tap.test("an image is pushed to a second registry, chunk by chunk, and pulled again as it was")
def _push():
    reg = registry.Registry(os.path.join(WORK, "second"))
    reg.start()
    try:
        ref = "127.0.0.1:%d/other/place:2" % reg.port
        text = pushed(ref, *host_args(reg))
        tap.check(text.count("source ") == 4 and "progress" in text, text)
        where = folder("again")
        code, text = pull(ref, where, *host_args(reg))
        tap.check(code == 0 and image.digest(S.image.manifest) in text, text)
        check_blobs(where, S.image)
        text = pushed(ref.replace(":2", ":3"), *host_args(reg))
        tap.check(text.count("source ") == 2, "blobs were sent twice:\n" + text)
        refused(push(ref, *host_args(reg, password="wrong")), "EACCES",
                "registry 127.0.0.1:%d: " % reg.port, "user or password refused")
    finally:
        reg.remove()


@tap.test("within one registry blobs are mounted, not sent")
def _mount():
    ref = S.host + "/copy/app:1"
    text = pushed(ref, *host_args(S.reg))
    tap.check(text.count("source ") == 2, "blobs were sent:\n" + text)
    where = folder("copy")
    code, text = pull(ref, where, *host_args(S.reg))
    tap.check(code == 0, text)
    check_blobs(where, S.image)


class Uploads:
    """Blob uploads as the distribution spec has them, with faults; what they end in."""

    def __init__(self, cut_at=(), lose=False, busy=False):
        self.cuts, self.lose, self.busy = list(cut_at), lose, busy
        self.blobs, self.sessions, self.log, self.manifest, self.bytes = {}, {}, [], None, 0

    def take(self, handler, data):
        """The body as far as it is wanted; cuts the line when a fault is due."""
        size, got = int(handler.headers.get("Content-Length", 0)), b""
        limit = self.cuts[0] if self.cuts and handler.command == "PATCH" else size
        while len(got) < min(size, limit):
            some = handler.rfile.read(min(65536, min(size, limit) - len(got)))
            if not some:
                break
            got += some
        data += got
        self.bytes += len(got)
        if limit < size:
            self.cuts.pop(0)
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return False
        return True

    def place(self, number, status, handler):
        done = len(self.sessions[number])
        handler.answer(status, b"", [("Location", "/v2/u/%d?state=x" % number),
                                     ("Range", "0-%d" % max(done - 1, 0))])

    def act(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = urllib.parse.parse_qs(url.query)
        name = url.path.split("/")[-1]
        self.log.append("%s %s" % (handler.command, handler.headers.get("Content-Range", "")))
        if handler.command == "HEAD":
            handler.answer(200 if name in self.blobs else 404)
        elif handler.command == "POST" and self.busy:
            self.busy = False
            handler.answer(429, b"", [("Retry-After", "1")])
        elif handler.command == "POST":
            self.sessions[len(self.sessions) + 1] = bytearray()
            self.place(len(self.sessions), 202, handler)
        elif handler.command == "PUT" and "/manifests/" in url.path:
            self.manifest = bytearray()
            self.take(handler, self.manifest)
            handler.answer(201)
        elif self.sessions.get(int(name)) is None:
            handler.answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
        else:
            self.upload(handler, int(name), query)

    def upload(self, handler, number, query):
        data = self.sessions[number]
        wanted = handler.headers.get("Content-Range")
        if handler.command == "GET":
            self.place(number, 204, handler)
        elif handler.command == "PATCH" and int(wanted.split("-")[0]) != len(data):
            handler.answer(416, b"")
        elif handler.command == "PATCH":
            if self.take(handler, data):
                self.place(number, 202, handler)
            elif self.lose:
                self.sessions[number] = None
        elif handler.command == "PUT" and self.take(handler, data):
            self.blobs[query["digest"][0]] = bytes(data)
            good = image.digest(data) == query["digest"][0]
            handler.answer(201 if good else 400)

    def check(self):
        wanted = {d["digest"]: S.image.blobs[d["digest"]] for d in S.image.layers}
        wanted[image.digest(S.image.config)] = S.image.config
        tap.check(self.blobs == wanted, "other blobs: %s" % sorted(self.blobs))
        tap.check(self.manifest == S.image.manifest, "another manifest")


def to_python(uploads):
    with Server(uploads.act) as server:
        server.http.raw = True
        host = "127.0.0.1:%d" % server.port
        pushed(host + "/a/b:1", "--host", host, "--insecure")
    uploads.check()


@tap.test("an upload that breaks off goes on where the registry has it; a lost one begins anew")
def _resume():
    total = sum(len(b) for b in S.image.blobs.values())
    uploads = Uploads(cut_at=(3 << 20, 1 << 20))
    to_python(uploads)
    tap.check(uploads.bytes == total, "%d bytes for %d" % (uploads.bytes, total))
    starts = [int(line[6:].split("-")[0]) for line in uploads.log if line.startswith("PATCH")]
    tap.check(starts[:3] == [0, 3 << 20, 4 << 20], "chunks: %s" % starts)
    uploads = Uploads(cut_at=(3 << 20,), lose=True)
    to_python(uploads)
    tap.check(uploads.bytes == total + (3 << 20), "%d bytes for %d" % (uploads.bytes, total))


@tap.test("a busy registry is asked again; small blobs go in one request, big ones in chunks")
def _busy():
    uploads = Uploads(busy=True)
    to_python(uploads)
    methods = [line.split()[0] for line in uploads.log]
    tap.check(methods.count("PATCH") == 2 and methods.count("PUT") == 4, "asked: %s" % methods)


@tap.test("the token is asked for with the right to push; a registry that refuses is told so")
def _token():
    scopes, uploads = [], Uploads()

    def act(handler):
        if handler.path.startswith("/token"):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
            scopes.append(query["scope"])
            handler.answer(200, b'{"token":"t"}')
        elif handler.headers.get("Authorization") != "Bearer t":
            handler.answer(401, b"", [("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:%d/token",'
                                       'scope="repository:a/b:pull"' % server.port)])
            handler.close_connection = True
        else:
            uploads.act(handler)

    with Server(act) as server:
        server.http.raw = True
        host = "127.0.0.1:%d" % server.port
        pushed(host + "/a/b:1", "--host", host, "--insecure")
    uploads.check()
    tap.check(scopes == [["repository:a/b:pull,push"]], "scopes: %s" % scopes)
    body = json.dumps({"errors": [{"code": "DENIED", "message": "read only"}]}).encode()
    with Server(lambda h: h.answer(404 if h.command == "HEAD" else 403, body)) as server:
        host = "127.0.0.1:%d" % server.port
        refused(push(host + "/a/b:1", "--host", host, "--insecure"), "EACCES", "registry " + host,
                "403", "DENIED: read only")


class Referring(image.Image):
    """An image whose manifest has a subject, as a signature or a list of packages has."""

    def seal(self):
        super().seal()
        manifest = dict(json.loads(self.blobs.pop(image.digest(self.manifest))), annotations={"made.by": "test"}, subject={
            "mediaType": image.MANIFEST, "digest": image.digest(S.image.manifest), "size": len(S.image.manifest)})
        self.manifest = json.dumps(manifest).encode()
        self.add(self.manifest)


def pulled(img, name):
    """The image out of a registry, for a push: its folder and the driver's arguments."""
    S.reg.push(img, name, "1")
    where, record = folder("pulled-" + name), os.path.join(WORK, "record-" + name)
    code, text = pull("%s/%s:1" % (S.host, name), where, "--save", record, *host_args(S.reg))
    tap.check(code == 0, text)
    return where, ["--known", record]


@tap.test("a manifest with a subject: a registry without the referrers API gets it into the tag, beside what is there")
def _referrers():
    tag = "/v2/shop/app/manifests/" + image.digest(S.image.manifest).replace(":", "-")
    sizes = []
    for n in (1, 2, 2):
        img = Referring([{"f%d" % n: noise(2000, n)}])
        where, known = pulled(img, "refers%d" % n)
        code, text = drive(known + host_args(S.reg) + ["push", S.host + "/shop/app:r%d" % n, where])
        tap.check(code == 0, text)
        status, _, body = S.reg.request("GET", tag, None, {"Accept": image.INDEX})
        tap.check(status == 200, body)
        rows = json.loads(body)["manifests"]
        sizes.append(len(rows))
        tap.check(rows[-1] == {"mediaType": image.MANIFEST, "digest": image.digest(img.manifest), "size": len(img.manifest),
                               "artifactType": image.CONFIG, "annotations": {"made.by": "test"}}, rows)
    tap.check(sizes == [1, 2, 2], "a push again lists it again: %s" % sizes)


@tap.test("a registry that keeps lists of referrers itself is left to it")
def _referrers_kept():
    puts, uploads = [], Uploads()

    def act(handler):
        if handler.command == "PUT" and "/manifests/" in handler.path:
            puts.append(handler.path)
            uploads.take(handler, bytearray())
            handler.answer(201, b"", [("OCI-Subject", image.digest(S.image.manifest))])
        else:
            uploads.act(handler)

    where, known = pulled(Referring([{"f": noise(2000, 3)}]), "refers3")
    with Server(act) as server:
        server.http.raw = True
        host = "127.0.0.1:%d" % server.port
        code, text = drive(known + ["--host", host, "--insecure", "push", host + "/a/b:1", where])
        tap.check(code == 0 and puts == ["/v2/a/b/manifests/1"], "%s\n%s" % (puts, text))


@tap.test("a layer that is not kept: its number and what to do")
def _not_kept():
    os.rename(os.path.join(S.where, S.big[7:]), os.path.join(WORK, "away"))
    try:
        with Server(Uploads().act) as server:
            server.http.raw = True
            host = "127.0.0.1:%d" % server.port
            refused(push(host + "/a/b:1", "--host", host, "--insecure"), "ENOENT", "layer 2/2",
                    "keep_blobs = yes")
    finally:
        os.rename(os.path.join(WORK, "away"), os.path.join(S.where, S.big[7:]))


try:
    tap.run()
finally:
    S.reg.stop()
    shutil.rmtree(WORK, ignore_errors=True)
