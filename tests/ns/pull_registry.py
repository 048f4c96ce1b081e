#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pull role against Debian's docker-registry: TLS by a private CA, htpasswd and token logins.

The driver plays engine main and keeps a blob only when size and digest are right; here its blobs are
compared with what was pushed. The role's code runs under ASan and UBSan inside the driver.
"""
import base64
import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import image, port as ports, pulling, registry, tap, tokens  # noqa: E402
from fixture.pulling import (BIG, DRIVER, LIMIT_S, Server, check_blobs, drive, folder, host_args, noise,  # noqa: E402
                             pull, refused, serve_image)

WORK = pulling.work("ns-pull-registry")


class Stand:
    """What all tests share: one registry with three images."""

    def __init__(self):
        folder("")
        self.reg = registry.Registry(os.path.join(WORK, "registry"))
        self.reg.start()
        self.host = "127.0.0.1:%d" % self.reg.port
        self.small = image.Image([{"etc": None, "etc/x": b"x\n"}, {"etc/y": b"y\n"}])
        self.big = image.Image([{"data": noise(BIG)}, {"etc/z": b"z\n"}])
        self.reg.push(self.small, "shop/small", "1")
        self.reg.push(self.big, "shop/big", "1")
        self.ref = self.host + "/shop/small:1"
        self.big_ref = self.host + "/shop/big:1"


S = Stand()


@tap.test("an image comes byte for byte")
def _whole():
    where = folder("whole")
    code, text = pull(S.ref, where, *host_args(S.reg))
    tap.check(code == 0, text)
    check_blobs(where, S.small)
    order = [line.split()[1] for line in text.splitlines() if line.startswith("blob ")]
    tap.check(order == ["config", "layer", "layer", "manifest"], "order: %s" % order)
    tap.check("image %s %s %s %s 2 linux/amd64" % (
        S.ref, image.digest(S.small.manifest), image.digest(S.small.manifest),
        image.digest(S.small.config)) in text, text)
    code, text = pull(S.ref, where, *host_args(S.reg))
    # A layer is asked for twice: once for the room it will take, once for itself.
    there = {line for line in text.splitlines() if line.startswith("have ")}
    tap.check(code == 0 and len(there) == 4 and "blob " not in text, text)


@tap.test("by digest, and a digest that does not exist")
def _by_digest():
    where = folder("digest")
    name = S.host + "/shop/small@"
    code, text = pull(name + image.digest(S.small.manifest), where, *host_args(S.reg))
    tap.check(code == 0, text)
    check_blobs(where, S.small)
    refused(pull(name + image.digest(b"nothing"), where, *host_args(S.reg)), "ENOENT",
            "manifest unknown")


@tap.test("missing tag and missing repository are named")
def _missing():
    refused(pull(S.host + "/shop/small:nope", folder("missing"), *host_args(S.reg)), "ENOENT",
            "registry %s: manifest unknown: no tag 'nope' in shop/small" % S.host)
    refused(pull(S.host + "/shop/none:1", folder("missing"), *host_args(S.reg)), "ENOENT",
            "no tag '1' in shop/none", S.host)


@tap.test("wrong password and missing login")
def _login():
    refused(pull(S.ref, folder("login"), *host_args(S.reg, password="wrong")), "EACCES",
            "registry %s: 401: user or password refused" % S.host)
    refused(pull(S.ref, folder("login"), *host_args(S.reg, user=None)), "EACCES", "401",
            "give username= and password= in [registry %s]" % S.host)


@tap.test("certificates: foreign CA, none given, expired, for another name")
def _certificates():
    refused(pull(S.ref, folder("cert"), *host_args(S.reg, ca=None)), "EKEYREJECTED",
            "registry %s: certificate is not trusted (self-signed or foreign CA); give ca_file= in "
            "[registry %s]" % (S.host, S.host))
    reg = registry.Registry(os.path.join(WORK, "certs"))
    host = "127.0.0.1:%d" % reg.port
    cases = (("foreign", {"ca": "other"}, ("not trusted", "not signed by the CA in ca_file=")),
             ("old", {"end": "20210304000000Z"}, ("certificate expired on 2021-03-04",)),
             ("name", {"names": "DNS:other.example"}, ("certificate is not for 127.0.0.1",
                                                       "other.example")))
    for name, options, words in cases:
        reg.use_certificate(name, **options)
        reg.start()
        try:
            refused(pull(host + "/a/b:1", folder("cert"), *host_args(reg)), "EKEYREJECTED", host,
                    *words)
        finally:
            reg.stop()


@tap.test("the system's bundle is trusted as well")
def _bundle():
    where = folder("bundle")
    code, text = pull(S.ref, where, "--system", S.reg.path("ca.pem"), *host_args(S.reg, ca=None))
    tap.check(code == 0, text)
    check_blobs(where, S.small)


@tap.test("registry down, name not found, no TLS there")
def _down():
    port = ports.hold()
    host = "127.0.0.1:%d" % port
    refused(pull(host + "/a/b:1", folder("down"), *host_args(S.reg, host=host)), "ECONNREFUSED",
            "registry %s: connection refused" % host)
    refused(pull("nowhere.invalid/a:1", folder("down"), "--host", "nowhere.invalid"),
            "registry nowhere.invalid: ", "nowhere.invalid")
    with Server(lambda h: h.answer(200, b"{}")) as server:
        host = "127.0.0.1:%d" % server.port
        refused(pull(host + "/a/b:1", folder("down"), "--host", host), "EPROTO",
                "TLS 1.2 or 1.3 is not spoken there")


def damaged(name, change):
    img = image.Image([{"etc/%s" % name: noise(100000, len(name))}])
    S.reg.push(img, "shop/" + name, "1")
    digest = img.layers[-1]["digest"]
    with open(S.reg.blob_file(digest), "wb") as f:
        f.write(change(img).blobs[digest])
    return S.host + "/shop/%s:1" % name, digest


@tap.test("wrong digest and truncated layer: nothing of them is kept as good")
def _damaged():
    for name, change, words in (("wrong", image.wrong_digest, ("digest", "layer 1/1")),
                                ("short", image.truncated, ("bytes", "the manifest says"))):
        ref, digest = damaged(name, change)
        where = folder(name)
        refused(pull(ref, where, *host_args(S.reg)), "EBADMSG", *words)
        tap.check(digest[7:] not in os.listdir(where), "the damaged layer is there")


@tap.test("main refuses a layer: its reason is the pull's")
def _refuse():
    refused(pull(S.big_ref, folder("refuse"), "--refuse", *host_args(S.reg)), "ENOSPC",
            "the data partition is full")


@tap.test("another platform is refused by name")
def _platform():
    refused(pull(S.ref, folder("platform"), "--arch", "arm64", *host_args(S.reg)), "ENOENT",
            "linux/amd64", "linux/arm64")


@tap.test("the role killed in the middle of a layer leaves nothing that counts")
def _killed():
    where = folder("killed")
    code, text = pull(S.big_ref, where, "--kill", "1000000", *host_args(S.reg))
    tap.check(code == 2 and "gone" in text and "short layer" in text, text)
    layer = S.big.layers[0]["digest"][7:]
    tap.check(layer not in os.listdir(where), "half a layer is there")
    code, text = pull(S.big_ref, where, *host_args(S.reg))
    tap.check(code == 0 and "have config" in text, text)
    check_blobs(where, S.big)


@tap.test("registry restarted in the middle of a layer: the rest is fetched, no byte twice")
def _restarted():
    where = folder("restarted")
    child = subprocess.Popen([DRIVER, "--pause", "500000"] + host_args(S.reg) +
                             ["pull", S.big_ref, where], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, bufsize=0)
    try:
        text = b""
        while b"paused" not in text:
            tap.check(select.select([child.stdout], [], [], LIMIT_S)[0], "nothing comes: %r" % text)
            some = child.stdout.read(4096)
            tap.check(some, "ended: %r" % text)
            text += some
        # Back before the role goes on: how long a server takes to start is no matter of this test.
        S.reg.stop()
        S.reg.start()
        child.stdin.write(b"go\n")
        child.stdin.flush()
        text += child.communicate(timeout=LIMIT_S)[0]
    finally:
        child.kill()
    tap.check(child.returncode == 0, text.decode())
    check_blobs(where, S.big)


def cert():
    return S.reg.path("server")


@tap.test("token login: Bearer by GET with user and password, by POST with an identity token")
def _token():
    def token(handler):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        form = urllib.parse.parse_qs(handler.form)
        basic = "Basic " + base64.b64encode(b"u:p").decode()
        good = handler.headers.get("Authorization") == basic or \
            form.get("refresh_token") == ["id-token"]
        asked = query if handler.command == "GET" else form
        if not good or asked.get("scope") != ["repository:a/b:pull"] or \
                asked.get("service") != ["the service"]:
            handler.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}')
        else:
            handler.answer(200, b'{"access_token":"tok","expires_in":60}')

    def act(handler):
        if handler.path.startswith("/token"):
            token(handler)
        elif handler.headers.get("Authorization") == "Bearer tok":
            serve_image(handler, S.small)
        else:
            handler.answer(401, b"{}", [("WWW-Authenticate", 'Bearer realm="https://127.0.0.1:%d/'
                                         'token",service="the service",'
                                         'scope="repository:a/b:pull"' % server.port)])

    with Server(act, cert()) as server:
        host = "127.0.0.1:%d" % server.port
        ca = ["--host", host, "--ca", S.reg.path("ca.pem")]
        for login in (["--user", "u", "--password", "p"], ["--token", "id-token"]):
            where = folder("token")
            code, text = pull(host + "/a/b:1", where, *ca, *login)
            tap.check(code == 0, text)
            check_blobs(where, S.small)
        refused(pull(host + "/a/b:1", folder("token"), *ca, "--user", "u", "--password", "no"),
                "EACCES", "401 from the token server: user or password refused")
        refused(pull(host + "/a/b:1", folder("token"), *ca), "EACCES", "a login is needed")


@tap.test("docker-registry's own token mode: pull and push by signed tokens, a right for each; who may not is told so")
def _token_mode():
    reg = registry.Registry(os.path.join(WORK, "tokens"))
    reg.start()
    reg.push(S.small, "public/app", "1")
    reg.push(S.small, "shop/app", "1")
    reg.stop()
    tokens_of = tokens.Tokens(reg.folder)
    record, where = os.path.join(WORK, "token-record"), folder("token-mode")
    try:
        with Server(tokens_of.act, reg.path("server")) as server:
            reg.auth = tokens_of.auth("https://127.0.0.1:%d/token" % server.port)
            reg.start()
            name = "127.0.0.1:%d/" % reg.port
            code, text = pull(name + "shop/app:1", where, "--save", record, *host_args(reg))
            tap.check(code == 0, text)
            check_blobs(where, S.small)
            code, text = pull(name + "public/app:1", folder("token-public"), *host_args(reg, user=None))
            tap.check(code == 0, text)
            code, text = drive(["--known", record] + host_args(reg) + ["push", name + "shop/copy:1", where])
            tap.check(code == 0 and "pushed" in text, text)
            refused(pull(name + "shop/app:1", folder("token-no"), *host_args(reg, user=None)), "EACCES", "401")
            refused(pull(name + "shop/app:1", folder("token-no"), *host_args(reg, password="wrong")), "EACCES",
                    "401 from the token server: user or password refused")
            refused(drive(["--known", record] + host_args(reg, user=None) + ["push", name + "public/app:2", where]),
                    "EACCES", "401")
            given = {(row["name"], *row["actions"]) for access in tokens_of.given for row in access}
            tap.check({("shop/app", "pull"), ("public/app", "pull"), ("shop/copy", "pull", "push"), ("shop/app",)} <= given, given)
    finally:
        reg.remove()


@tap.test("a token server on another site never sees the login, one without TLS is not asked")
def _foreign_realm():
    def challenge(realm):
        return lambda h: h.answer(401, b"{}", [("WWW-Authenticate", 'Bearer realm="%s"' % realm)])

    with Server(lambda h: h.answer(200, b'{"token":"x"}'), cert()) as evil:
        for realm, words in (("https://localhost:%d/t" % evil.port, ("EACCES",)),
                             ("http://127.0.0.1:%d/t" % evil.port, ("without TLS",))):
            with Server(challenge(realm), cert()) as server:
                host = "127.0.0.1:%d" % server.port
                refused(pull(host + "/a/b:1", folder("realm"), "--host", host, "--ca",
                             S.reg.path("ca.pem"), "--user", "u", "--password", "canary"), *words)
        tap.check(evil.seen, "the foreign token server was not even asked")
        for r in evil.seen:
            tap.check(not r.login and "canary" not in r.path + r.form, "it saw a login: %s" % r.path)


@tap.test("redirects: to another origin without the login, never from https to http, five at most")
def _redirects():
    with Server(lambda h: serve_image(h, S.small), cert()) as store, \
            Server(lambda h: serve_image(h, S.small)) as plain:
        targets = {"good": "https://localhost:%d" % store.port,
                   "plain": "http://127.0.0.1:%d" % plain.port}

        def act(handler):
            name = handler.path.split("/")[2]
            if handler.headers.get("Authorization") is None:
                handler.answer(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
            elif name == "loop":
                handler.answer(302, b"", [("Location", handler.path)])
            elif "/blobs/" in handler.path:
                handler.answer(307, b"", [("Location", targets[name] + handler.path)])
            else:
                serve_image(handler, S.small)

        with Server(act, cert()) as server:
            host = "127.0.0.1:%d" % server.port
            args = ["--host", host, "--ca", S.reg.path("ca.pem"), "--user", "u", "--password", "p"]
            where = folder("redirect")
            code, text = pull(host + "/good/b:1", where, *args)
            tap.check(code == 0, text)
            check_blobs(where, S.small)
            refused(pull(host + "/plain/b:1", folder("redirect"), *args), "from https to http")
            refused(pull(host + "/loop/b:1", folder("redirect"), *args), "ELOOP", "5 redirects")
        tap.check(store.seen and not plain.seen, "redirected to the wrong place")
        tap.check(not any(r.login for r in store.seen), "the login was passed on")


@tap.test("a line that breaks again and again: each piece is asked for once, by Range")
def _pieces():
    layer = S.big.layers[0]["digest"]
    data = S.big.blobs[layer]

    def act(handler):
        if not handler.path.endswith(layer):
            serve_image(handler, S.big)
            return
        handler.cut(data, 700000, handler.start())

    with Server(act) as server:
        host = "127.0.0.1:%d" % server.port
        where = folder("pieces")
        code, text = pull(host + "/a/b:1", where, "--host", host, "--insecure")
        tap.check(code == 0, text)
        check_blobs(where, S.big)
        ranges = [r.range for r in server.seen if r.path.endswith(layer)]
        tap.check(ranges[0] == "" and ranges[1] == "bytes=700000-", "ranges: %s" % ranges)


@tap.test("a registry that lies: type, digest header, size, encoding of the body")
def _lies():
    both = json.dumps(dict(json.loads(S.small.manifest), manifests=[])).encode()
    twice = S.small.manifest.replace(b'"schemaVersion": 2', b'"schemaVersion": 2, "schemaVersion": 2')
    digest = [("Docker-Content-Digest", image.digest(b"other"))]
    cases = ((S.small.manifest, image.INDEX, (), "does not fit"),
             (both, image.MANIFEST, (), "both"), (twice, image.MANIFEST, (), "stands twice"),
             (S.small.manifest, image.MANIFEST, digest, "Docker-Content-Digest"),
             (b"[" * 100 + b"]" * 100, image.MANIFEST, (), "nested"),
             (b" " * (5 << 20), image.MANIFEST, (), "over"))
    for body, kind, more, word in cases:
        with Server(lambda h: h.answer(200, body, [("Content-Type", kind)] + list(more))) as server:
            host = "127.0.0.1:%d" % server.port
            refused(pull(host + "/a/b:1", folder("lies"), "--host", host, "--insecure"), word)


@tap.test("an index: the machine's platform is taken, an unknown one is refused with what there is")
def _index():
    entry = {"mediaType": image.MANIFEST, "digest": image.digest(S.small.manifest),
             "size": len(S.small.manifest), "platform": {"os": "linux", "architecture": "amd64"}}
    other = dict(entry, digest=image.digest(b"x"), platform={"os": "linux", "architecture": "s390x"})
    index = json.dumps({"schemaVersion": 2, "mediaType": image.INDEX,
                        "manifests": [other, entry]}).encode()

    def act(handler):
        if handler.path.endswith("/manifests/1"):
            handler.answer(200, index, [("Content-Type", image.INDEX)])
        else:
            serve_image(handler, S.small, "none")

    with Server(act) as server:
        host = "127.0.0.1:%d" % server.port
        args = ["--host", host, "--insecure"]
        where = folder("index")
        code, text = pull(host + "/a/b:1", where, *args)
        tap.check(code == 0 and image.digest(index) in text, text)
        check_blobs(where, S.small)
        refused(pull(host + "/a/b:1", folder("index"), "--arch", "arm64", *args), "ENOENT",
                "it has: linux/s390x, linux/amd64")


@tap.test("a mirror that is down is passed over")
def _mirror():
    where = folder("mirror")
    port = ports.hold()
    code, text = pull(S.ref, where, "--host", "127.0.0.1:%d" % port, *host_args(S.reg))
    tap.check(code == 0, text)
    check_blobs(where, S.small)


class Open(registry.Registry):
    """A registry without a login; with an upstream it is a pull-through mirror of that one."""

    def __init__(self, name, upstream=None):
        self.upstream = upstream
        super().__init__(os.path.join(WORK, name))

    def write_config(self):
        super().write_config()
        with open(self.path("config.yml"), encoding="ascii") as f:
            text = f.read()
        text = text[:text.index("auth:")]
        if self.upstream:
            text += "proxy: {remoteurl: 'https://127.0.0.1:%d'}\n" % self.upstream.port
        with open(self.path("config.yml"), "w", encoding="ascii") as f:
            f.write(text)

    def start(self):
        if not self.upstream:
            return super().start()
        os.environ["SSL_CERT_FILE"] = self.upstream.path("ca.pem")
        try:
            return super().start()
        finally:
            del os.environ["SSL_CERT_FILE"]


@tap.test("a pull-through mirror by docker-registry fetches what it lacks, and gives it when the registry is gone")
def _pull_through():
    origin = Open("origin").start()
    mirror = Open("through", origin)
    try:
        mirror.start()
        origin.push(S.small, "shop/small", "1")
        ref = "127.0.0.1:%d/shop/small:1" % origin.port
        hosts = host_args(mirror, user=None) + host_args(origin, user=None)
        where = folder("through-1")
        code, text = pull(ref, where, *hosts)
        tap.check(code == 0, text)
        check_blobs(where, S.small)
        for server, ours in ((mirror, True), (origin, False)):
            with open(server.path("log"), encoding="utf-8", errors="replace") as f:
                log = f.read()
            tap.check(('"hoy/' in log) == ours, "not the mirror alone was asked by Hoy: " + log[-2000:])
        # The mirror writes down what it has given behind its answer.
        for blob in S.small.blobs:
            end = time.monotonic() + LIMIT_S
            while not os.path.exists(mirror.blob_file(blob)):
                tap.check(time.monotonic() < end, "the mirror did not keep " + blob)
                time.sleep(0.05)
        origin.stop()
        where = folder("through-2")
        code, text = pull(ref, where, *hosts)
        tap.check(code == 0, text)
        check_blobs(where, S.small)
    finally:
        mirror.remove()
        origin.remove()


@tap.test("a server that says nothing or answers garbage is left with a clear error")
def _garbage():
    for answer, words in ((b"SSH-2.0-x\r\n", ("HTTP",)),
                          (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", ("without CR",)),
                          (b"", ("cut off",)),
                          (b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", ("EAGAIN", "503"))):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                with contextlib.suppress(OSError):  # the listener is gone: all was asked
                    while True:
                        conn = listener.accept()[0]
                        conn.recv(4096)
                        conn.sendall(answer)
                        conn.close()
            threading.Thread(target=serve, daemon=True).start()
            host = "127.0.0.1:%d" % listener.getsockname()[1]
            refused(pull(host + "/a/b:1", folder("garbage"), "--host", host, "--insecure"), host,
                    *words)


def finish():
    S.reg.stop()
    shutil.rmtree(WORK, ignore_errors=True)


try:
    tap.run()
finally:
    finish()
