#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who gets to see what: logins, client certificates, proxies of the pull role."""
import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import image, port as ports, pulling, registry, tap  # noqa: E402
from fixture.pulling import Server, check_blobs, folder, noise, pull, refused, serve_image  # noqa: E402

WORK = pulling.work("ns-pull-auth")
CANARY = "canary-secret"


class Stand:
    """A real registry with a login, an image in it, certificates for all others."""

    def __init__(self):
        folder("")
        self.reg = registry.Registry(os.path.join(WORK, "registry"))
        self.reg.start()
        self.host = "127.0.0.1:%d" % self.reg.port
        self.image = image.Image([{"l%d" % n: noise(100000, n)} for n in range(3)])
        self.reg.push(self.image, "shop/app", "1")
        self.ca = self.reg.path("ca.pem")
        registry.make_server(self.reg.folder, "ca", "v6", names="IP:::1")
        registry.make_server(self.reg.folder, "ca", "client", usage="clientAuth")

    def cert(self, name="server"):
        return self.reg.path(name)

    def write(self, name, text):
        with open(os.path.join(WORK, name), "w", encoding="ascii") as f:
            f.write(text)
        return os.path.join(WORK, name)


S = Stand()


def basic(user, password):
    return base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


def good(ref, *args):
    where = folder("good")
    code, text = pull(ref, where, *args)
    tap.check(code == 0, text)
    check_blobs(where, S.image)
    return text


@tap.test("config.json: its login opens the registry it names, and no other")
def _docker_config():
    auths = {S.host: {"auth": basic(registry.USER, registry.PASSWORD)},
             "https://index.docker.io/v1/": {"auth": basic("hub", CANARY)}}
    config = S.write("config.json", json.dumps({"auths": auths, "credsStore": "desktop"}))
    host = ["--docker-config", config, "--host", S.host, "--ca", S.ca]
    good(S.host + "/shop/app:1", *host)
    refused(pull(S.host + "/shop/app:1", folder("wrong"), *host, "--user", "x", "--password", "y"),
            "EACCES", "user or password refused")
    with Server(lambda h: h.answer(401, b"", [("WWW-Authenticate", "Basic")]), S.cert()) as other:
        name = "127.0.0.1:%d" % other.port
        refused(pull(name + "/a/b:1", folder("wrong"), "--docker-config", config, "--host", name,
                     "--ca", S.ca), "EACCES", "a login is needed")
        tap.check(other.seen and not any(r.login for r in other.seen), "it saw a login")
    broken = S.write("broken.json", '{"auths": {"%s": {"auth": "%%"}}}' % S.host)
    refused(pull(S.host + "/shop/app:1", folder("wrong"), "--docker-config", broken, "--host",
                 S.host, "--ca", S.ca), "EACCES", "docker_config", "not base64")


def token_server(handler, state):
    """Bearer tokens that serve three requests each; anonymous, or for an identity token."""
    form = urllib.parse.parse_qs(handler.form)
    if handler.path.startswith("/token"):
        state["given"] += 1
        state["forms"].append(form.get("refresh_token", [""])[0])
        state["logins"].append(handler.headers.get("Authorization", ""))
        state["left"] = 3
        handler.answer(200, json.dumps({"token": "t%d" % state["given"]}).encode())
    elif handler.headers.get("Authorization") == "Bearer t%d" % state["given"] and state["left"]:
        state["left"] -= 1
        serve_image(handler, S.image)
    else:
        handler.answer(401, b"{}", [("WWW-Authenticate", 'Bearer realm="https://127.0.0.1:%d/token"'
                                     ',service="s",scope="repository:a/b:pull"' % state["port"])])


@tap.test("bearer: anonymous, by an identity token of config.json; a token that ran out is renewed")
def _bearer():
    for identity in ("", "identity-token"):
        state = {"given": 0, "left": 0, "forms": [], "logins": []}
        with Server(lambda h: token_server(h, state), S.cert()) as server:
            state["port"] = server.port
            host = "127.0.0.1:%d" % server.port
            args = ["--host", host, "--ca", S.ca]
            if identity:
                auths = {host: {"auth": basic("<token>", ""), "identitytoken": identity}}
                args = ["--docker-config", S.write("id.json", json.dumps({"auths": auths}))] + args
            good(host + "/a/b:1", *args)
        tap.check(state["given"] >= 2, "one token for all: %s" % state)
        tap.check(set(state["forms"]) == {identity}, "identity tokens: %s" % state["forms"])
        tap.check(set(state["logins"]) == {""}, "logins: %s" % state["logins"])


@tap.test("a mirror never sees the registry's login, nor the registry the mirror's")
def _mirror():
    def wants_login(handler):
        if handler.headers.get("Authorization"):
            handler.answer(404)
        else:
            handler.answer(401, b"", [("WWW-Authenticate", "Basic")])

    with Server(wants_login, S.cert()) as mirror:
        name = "127.0.0.1:%d" % mirror.port
        own = ["--host", S.host, "--ca", S.ca, "--user", registry.USER, "--password",
               registry.PASSWORD]
        good(S.host + "/shop/app:1", "--host", name, "--ca", S.ca, *own)
        tap.check(not any(r.login for r in mirror.seen), "the mirror saw a login")
        del mirror.seen[:]
        good(S.host + "/shop/app:1", "--host", name, "--ca", S.ca, "--user", "m", "--password",
             CANARY, *own)
        seen = {r.login for r in mirror.seen} - {""}
        tap.check(seen == {"Basic " + basic("m", CANARY)}, "the mirror saw: %s" % seen)


@tap.test("a client certificate is shown to the registry that wants it, in TLS 1.2 and 1.3")
def _client_certificate():
    key = ["--cert", S.cert("client") + ".pem", "--key", S.cert("client") + ".key"]
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with Server(lambda h: serve_image(h, S.image), S.cert(), client_ca=S.ca,
                    tls=version) as server:
            host = "127.0.0.1:%d" % server.port
            args = ["--host", host, "--ca", S.ca]
            good(host + "/a/b:1", *args, *key)
            refused(pull(host + "/a/b:1", folder("cert"), *args), "EACCES",
                    "give client_cert= and client_key= in [registry %s]" % host)
            refused(pull(host + "/a/b:1", folder("cert"), *args, key[0], key[1], "--key",
                         S.cert() + ".key"), "EINVAL", "client_key is not the key of client_cert")
            refused(pull(host + "/a/b:1", folder("cert"), *args, "--cert", key[3], "--key", key[3]),
                    "EINVAL", "client_cert holds no readable certificate")


@tap.test("where a redirect leads the client certificate is not shown")
def _client_redirect():
    with Server(lambda h: serve_image(h, S.image), S.cert(), client_ca=S.ca) as store:
        def act(handler):
            if "/blobs/" in handler.path:
                handler.answer(307, b"", [("Location", "https://localhost:%d%s" % (store.port,
                                                                                  handler.path))])
            else:
                serve_image(handler, S.image)

        with Server(act, S.cert()) as server:
            host = "127.0.0.1:%d" % server.port
            refused(pull(host + "/a/b:1", folder("cert"), "--host", host, "--ca", S.ca, "--cert",
                         S.cert("client") + ".pem", "--key", S.cert("client") + ".key"),
                    "EACCES", "redirected to localhost")
            tap.check(not store.seen, "the certificate was shown elsewhere")


@tap.test("IPv6 literals: registry and mirror by [::1]")
def _ip6():
    with Server(lambda h: serve_image(h, S.image), S.cert("v6"), "::1") as server, \
            Server(lambda h: h.answer(404), address="::1") as mirror:
        host = "[::1]:%d" % server.port
        good(host + "/a/b:1", "--host", "[::1]:%d" % mirror.port, "--insecure", "--host", host,
             "--ca", S.ca)
        tap.check(mirror.seen, "the mirror was not asked")
        tap.check(set(server.names) == {None}, "an address was asked for as a name: %s" % server.names)
    with Server(lambda h: serve_image(h, S.image), S.cert(), "::1") as server:
        host = "[::1]:%d" % server.port
        refused(pull(host + "/a/b:1", folder("ip6"), "--host", host, "--ca", S.ca), "EKEYREJECTED",
                "certificate is not for ::1")


class Proxy:
    """A proxy that takes every name for this machine: CONNECT, and whole URLs of plain HTTP."""

    def __init__(self, login=None, broken=False):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = "127.0.0.1:%d" % self.port
        self.login, self.broken, self.seen = login, broken, []

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def serve(self):
        while True:
            try:
                conn = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.take, args=(conn,), daemon=True).start()

    def take(self, conn):
        try:
            with conn:
                while self.request(conn):
                    pass
        except OSError:
            pass

    def request(self, conn):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = conn.recv(1)
            if not byte:
                return False
            head += byte
        self.seen.append(head.decode())
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        if self.broken:
            conn.sendall(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        elif self.login and ("\r\nProxy-Authorization: Basic %s\r\n" % self.login) not in self.seen[-1]:
            conn.sendall(b"HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            self.tunnel(conn, int(target.rsplit(":", 1)[1]))
        else:
            return self.fetch(conn, target, self.seen[-1])
        return False

    @staticmethod
    def tunnel(conn, port):
        with socket.create_connection(("127.0.0.1", port)) as far:
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def copy(source, target):
                try:
                    while True:
                        data = source.recv(65536)
                        if not data:
                            break
                        target.sendall(data)
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            back = threading.Thread(target=copy, args=(far, conn), daemon=True)
            back.start()
            copy(conn, far)
            back.join(60)

    @staticmethod
    def fetch(conn, target, head):
        url = urllib.parse.urlsplit(target)
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        fields.pop("Proxy-Authorization", None)
        far = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
        far.request(head.split(" ")[0], url.path, headers=fields)
        answer = far.getresponse()
        body = answer.read()
        conn.sendall(b"HTTP/1.1 %d x\r\n" % answer.status + b"".join(
            b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in answer.getheaders()) + b"\r\n" + body)
        far.close()
        return True


@tap.test("HTTPS registry through a proxy: a tunnel, in which the login stays")
def _tunnel():
    name = "registry.example:%d" % S.reg.port
    args = ["--host", name, "--ca", S.ca, "--user", registry.USER, "--password", registry.PASSWORD]
    with Proxy() as proxy:
        good(name + "/shop/app:1", "--https-proxy", "http://" + proxy.url, *args)
        tap.check(proxy.seen, "the proxy was not asked")
        for head in proxy.seen:
            tap.check(head.startswith("CONNECT " + name + " "), "asked: %r" % head)
            tap.check("\r\nAuthorization" not in head, "the login goes to the proxy: %r" % head)
    with Proxy(login=basic("me", "p@ss")) as proxy:
        good(name + "/shop/app:1", "--https-proxy", "http://me:p%40ss@" + proxy.url, *args)
        refused(pull(name + "/shop/app:1", folder("proxy"), "--https-proxy", proxy.url, *args),
                "EACCES", "proxy 127.0.0.1: 407", "http://user:password@host:port")
    with Proxy(broken=True) as proxy:
        refused(pull(name + "/shop/app:1", folder("proxy"), "--https-proxy", proxy.url, *args),
                "EAGAIN", "proxy 127.0.0.1: answers 503")
    port = ports.hold()
    refused(pull(name + "/shop/app:1", folder("proxy"), "--https-proxy", "127.0.0.1:%d" % port,
                 *args), "ECONNREFUSED", "proxy 127.0.0.1: connection refused")


@tap.test("HTTP registry through a proxy: the whole URL; the proxy's login stays with it")
def _plain_proxy():
    with Server(lambda h: serve_image(h, S.image)) as server, Proxy(basic("me", CANARY)) as proxy:
        name = "registry.example:%d" % server.port
        proxy_args = ["--http-proxy", "http://me:%s@%s" % (CANARY, proxy.url)]
        good(name + "/a/b:1", *proxy_args, "--host", name, "--insecure")
        tap.check(proxy.seen and all(" http://%s/v2/a/b/" % name in h for h in proxy.seen),
                  "asked: %s" % proxy.seen[:1])
        tap.check(len(server.seen) >= len(proxy.seen) > 0 and
                  CANARY not in str([tuple(r) for r in server.seen]), "the registry saw the login")


@tap.test("no_proxy, and this machine itself: no proxy is asked")
def _no_proxy():
    with Server(lambda h: serve_image(h, S.image)) as server, Proxy() as proxy:
        local = "127.0.0.1:%d" % server.port
        good(local + "/a/b:1", "--http-proxy", proxy.url, "--host", local, "--insecure")
        refused(pull("reg.invalid/a/b:1", folder("none"), "--http-proxy", proxy.url, "--no-proxy",
                     "x.example, reg.invalid", "--host", "reg.invalid", "--insecure"),
                "reg.invalid")
        tap.check(not proxy.seen, "the proxy was asked: %s" % proxy.seen)


try:
    tap.run()
finally:
    S.reg.stop()
    shutil.rmtree(WORK, ignore_errors=True)
