#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile registry, by the rows of its class: where a login goes, and what of a pull is ever printed."""
import itertools
import json
import os
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import image, pulling, registry, tap  # noqa: E402
from fixture.pulling import Server, check_blobs, folder, pull, serve_image  # noqa: E402

USER, SECRET = "canary-user", "canary-secret"
TOKEN = "canary-token"
WORK = pulling.work("ns-pull-rows")
SMALL = image.Image([{"hello": b"hello\n"}], {"Cmd": ["/hello"]})


def make_certificate():
    os.makedirs(WORK, exist_ok=True)
    registry.make_ca(WORK, "ca")
    registry.make_server(WORK, "ca", "server")
    return os.path.join(WORK, "server")


CERT = make_certificate()
CA = os.path.join(WORK, "ca.pem")


def saw_secret(server):
    """Requests in which any part of a login stands, as it is, in base64 or in a form."""
    return [r for r in server.seen if r.login or any(
        word in r.path + r.form for word in (USER, SECRET, TOKEN, "Y2FuYXJ5"))]


def login(server, ca=True):
    host = "127.0.0.1:%d" % server.port
    return host, ["--host", host] + (["--ca", CA] if ca else ["--insecure"]) + ["--user", USER, "--password", SECRET]


@tap.test("B10 foreign urls of a layer are not asked, whatever the registry says of its own")
def _urls():
    with Server(lambda h: h.answer(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])) as evil:
        manifest = json.loads(SMALL.manifest)
        manifest["layers"][0]["urls"] = ["http://127.0.0.1:%d/layer" % evil.port, "http://%s:%s@127.0.0.1:%d/l" % (
            USER, SECRET, evil.port)]
        body = json.dumps(manifest).encode()
        for missing in (False, True):
            def act(handler):
                if handler.headers.get("Authorization") is None:
                    handler.answer(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
                elif "/manifests/" in handler.path:
                    handler.answer(200, body, [("Content-Type", image.MANIFEST)])
                elif missing and manifest["layers"][0]["digest"] in handler.path:
                    handler.answer(404, b"{}")
                else:
                    serve_image(handler, SMALL)

            with Server(act, CERT) as server:
                host, args = login(server)
                code, text = pull(host + "/a/b:1", folder("urls"), *args)
                tap.check(code == (1 if missing else 0), text)
        tap.check(not evil.seen, "the foreign place was asked: %s" % evil.seen)


@tap.test("B11 no login leaves its origin: three kinds of leading away, four places, two schemes")
def _origins():
    answers = lambda h: h.answer(200, json.dumps({"token": TOKEN, "access_token": TOKEN}).encode())  # noqa: E731
    with Server(answers, CERT) as other, Server(answers) as plain:
        places = ["https://127.0.0.1:%d" % other.port, "https://localhost:%d" % other.port,
                  "http://127.0.0.1:%d" % plain.port, "http://localhost:%d" % plain.port]
        for place, how in itertools.product(places, (302, 307, 401)):
            def act(handler):
                name = urllib.parse.urlsplit(handler.path).path
                if handler.headers.get("Authorization") is None and how != 401:
                    handler.answer(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
                elif how == 401:
                    handler.answer(401, b"{}", [("WWW-Authenticate", 'Bearer realm="%s/t",service="s"' % place)])
                else:
                    handler.answer(how, b"", [("Location", place + name)])

            with Server(act, CERT) as server:
                host, args = login(server)
                code, text = pull(host + "/a/b:1", folder("origins"), *args)
                tap.check(code == 1, "%d to %s: %s" % (how, place, text))
                tap.check(SECRET not in text and TOKEN not in text, text)
                tap.check(how == 401 or saw_secret(server), "the registry itself has the login")
        # A token server of the same site (same host, TLS) may have it: that is how registries do it.
        for r in saw_secret(plain) + [r for r in saw_secret(other) if not r.path.startswith("/t")]:
            raise AssertionError("a login at another place: %s" % (r,))
        tap.check(not plain.seen, "https led to http: %s" % plain.seen)


@tap.test("B12 neither login nor token nor the query of a URL is printed, however the pull ends")
def _printed():
    query = "X-Signature=canary-signature&sig=%s" % SECRET
    for status in (200, 401, 403, 404, 500, 307):
        def act(handler):
            if handler.headers.get("Authorization") is None:
                handler.answer(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
            elif "/blobs/" in handler.path and "?" not in handler.path:
                handler.answer(307, b"", [("Location", handler.path + "?" + query)])
            elif "/blobs/" in handler.path and status == 307:
                handler.answer(307, b"", [("Location", "http://%s:%s@127.0.0.1:1/x?%s" % (USER, SECRET, query))])
            elif "/blobs/" in handler.path and status != 200:
                handler.answer(status, ('{"errors":[{"code":"X","message":"%s %s"}]}' % (handler.path, handler.headers[
                    "Authorization"])).encode())
            else:
                serve_image(handler, SMALL)

        with Server(act, CERT) as server:
            host, args = login(server)
            where = folder("printed")
            code, text = pull(host + "/a/b:1", where, *args)
            tap.check(code == (0 if status == 200 else 1), "%d: %s" % (status, text))
            if status == 200:
                check_blobs(where, SMALL)
            for word in (SECRET, "canary-signature", "Y2FuYXJ5"):
                tap.check(word not in text, "%d: %r is printed:\n%s" % (status, word, text))


if __name__ == "__main__":
    tap.run()
