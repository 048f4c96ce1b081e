#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pull role against registries and mirrors that are busy, break off or give wrong bytes."""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import image, port as ports, pulling, tap  # noqa: E402
from fixture.pulling import (Server, check_blobs, folder, noise, pull, refused,  # noqa: E402
                             serve_image)

WORK = pulling.work("ns-pull-faults")
WAIT_S = 30


def plain(*servers):
    """The hosts' arguments, in their order."""
    args = []
    for server in servers:
        args += ["--host", "127.0.0.1:%d" % server.port, "--insecure"]
    return args


def ref(server):
    return "127.0.0.1:%d/a/b:1" % server.port


def asked(server, digest):
    """What was asked for a blob: the ranges, in order."""
    return [r.range for r in server.seen if r.path.endswith(digest)]


folder("")
IMG = image.Image([{"l%d" % n: noise(200000, n)} for n in range(6)])
LAYERS = [d["digest"] for d in IMG.layers]


@tap.test("layers come side by side, no more than three at once, each once")
def _parallel():
    state = {"now": 0, "most": 0}
    lock, pair = threading.Lock(), threading.Event()

    def act(handler):
        name = handler.path.split("/")[-1]
        if name not in LAYERS:
            serve_image(handler, IMG)
            return
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
            if state["now"] > 1:
                pair.set()
        body = IMG.blobs[name]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:1000])
        tap.check(pair.wait(WAIT_S), "no second layer is asked for meanwhile")
        with lock:
            state["now"] -= 1
        handler.wfile.write(body[1000:])

    with Server(act) as server:
        where = folder("parallel")
        code, text = pull(ref(server), where, *plain(server))
        tap.check(code == 0, text)
        check_blobs(where, IMG)
        tap.check(2 <= state["most"] <= 3, "%d at once" % state["most"])
        for digest in LAYERS:
            tap.check(asked(server, digest) == [""], "asked: %s" % asked(server, digest))
    order = [line.split()[1] for line in text.splitlines() if line.startswith("blob ")]
    tap.check(order == ["config"] + ["layer"] * 6 + ["manifest"], "order: %s" % order)


@tap.test("lines of several layers that break: each goes on where it was")
def _cuts():
    def act(handler):
        name = handler.path.split("/")[-1]
        if name in LAYERS:
            handler.cut(IMG.blobs[name], 70000, handler.start())
        else:
            serve_image(handler, IMG)

    with Server(act) as server:
        where = folder("cuts")
        code, text = pull(ref(server), where, *plain(server))
        tap.check(code == 0, text)
        check_blobs(where, IMG)
        for digest in LAYERS:
            starts = [int(r[6:-1] or 0) if r else 0 for r in asked(server, digest)]
            tap.check(len(starts) >= 3 and starts == sorted(set(starts)), "ranges: %s" % starts)


def busy(kinds, after, code=429):
    """Says once for each of the kinds of path that it is busy."""
    told = {}

    def act(handler):
        name = handler.path.split("/")[-1]
        kind = "layer" if name in LAYERS else handler.path.split("/")[-2]
        if kind in kinds and name not in told and handler.command == "GET":
            told[name] = time.monotonic()
            handler.answer(code, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
                           [("Retry-After", after)] if after else [])
            return
        if name in told:
            told[name] = time.monotonic() - told[name] if told[name] > 0 else told[name]
        serve_image(handler, IMG)

    return act, told


@tap.test("429 and 503 with Retry-After: asked again, not before the time that was named")
def _retry_after():
    for kinds, code in ((("manifests",), 429), (("layer",), 429), (("layer", "manifests"), 503)):
        act, told = busy(kinds, "1", code)
        with Server(act) as server:
            where = folder("busy")
            code, text = pull(ref(server), where, *plain(server))
            tap.check(code == 0, text)
            check_blobs(where, IMG)
        tap.check(len(told) >= 1, "nobody was told to wait")
        for name, waited in told.items():
            tap.check(waited >= 1, "%s was asked for again after %.2f s" % (name, waited))


@tap.test("a registry that wants an hour is not waited for, and the error says what it wants")
def _retry_later():
    for kinds in (("manifests",), ("layer",)):
        act, _ = busy(kinds, "3600")
        with Server(act) as server:
            refused(pull(ref(server), folder("later"), *plain(server)), "EAGAIN",
                    "registry 127.0.0.1:%d" % server.port, "429: too many requests",
                    "asks to wait 3600 s", "slow down")
            layers = [d for d in LAYERS if len(asked(server, d)) > 1]
            tap.check(not layers, "asked again at once: %s" % layers)


def known_pull(where, server, *more):
    record = os.path.join(WORK, "record")
    return pull(ref(server), where, "--known", record, "--save", record, *plain(server), *more)


@tap.test("nothing has changed: one HEAD and no more; a missing layer alone is fetched")
def _unchanged():
    with Server(lambda h: serve_image(h, IMG)) as server:
        where, record = folder("unchanged"), os.path.join(WORK, "record")
        code, text = pull(ref(server), where, "--save", record, *plain(server))
        tap.check(code == 0, text)
        with open(record, "rb") as f:
            before = f.read()
        del server.seen[:]
        code, text = known_pull(where, server)
        tap.check(code == 0 and "blob " not in text, text)
        tap.check([r.method for r in server.seen] == ["HEAD"], "asked: %s" % server.seen)
        with open(record, "rb") as f:
            tap.check(f.read() == before, "the record is another one")
        os.unlink(os.path.join(where, LAYERS[2][7:]))
        code, text = known_pull(where, server)
        tap.check(code == 0 and text.count("blob ") == 1 and "have not layer" in text, text)
        check_blobs(where, IMG)
        del server.seen[:]
        name = ref(server).rsplit(":", 1)[0] + "@" + image.digest(IMG.manifest)
        code, text = pull(name, where, "--known", record, *plain(server))
        tap.check(code == 0 and not server.seen, "by digest: %s\n%s" % (server.seen, text))


@tap.test("an image that does not fit is refused before its first layer is asked for")
def _room():
    with Server(lambda h: serve_image(h, IMG)) as server:
        where, total = folder("room"), sum(d["size"] for d in IMG.layers)
        refused(pull(ref(server), where, "--room", str(total - 1), *plain(server)), "ENOSPC", "no room for the image")
        tap.check(not any(asked(server, d) for d in LAYERS), "layers were asked for: %s" % server.seen)
        code, text = pull(ref(server), where, "--room", str(total), *plain(server))
        tap.check(code == 0 and "need %d" % total in text, text)
        os.unlink(os.path.join(where, LAYERS[1][7:]))
        code, text = pull(ref(server), where, "--room", str(IMG.layers[1]["size"]), *plain(server))
        tap.check(code == 0 and "need %d" % IMG.layers[1]["size"] in text, "only what is missing counts: " + text)


@tap.test("a tag that moved, and a registry that knows no HEAD: the new image comes")
def _moved():
    new = image.Image([{"new": noise(1000, 77)}])

    def act(handler):
        if handler.command == "HEAD":
            handler.answer(405)
        else:
            serve_image(handler, new)

    with Server(lambda h: serve_image(h, IMG)) as server:
        record = os.path.join(WORK, "record")
        code, text = pull(ref(server), folder("moved"), "--save", record, *plain(server))
        tap.check(code == 0, text)
    for answer in (lambda h: serve_image(h, new), act):
        with Server(answer) as server:
            where = folder("moved")
            code, text = pull(ref(server), where, "--known", record, *plain(server))
            tap.check(code == 0 and image.digest(new.manifest) in text, text)
            check_blobs(where, new)


def asked_of_manifest(server):
    return ["%s %s" % (r.method, r.path.split("/")[-1]) for r in server.seen if "/manifests/" in r.path]


@tap.test("HEAD first, also where nothing is here: the manifest is fetched by the digest that it told, else by the tag")
def _head_first():
    digest = image.digest(IMG.manifest)
    plain_type = [("Content-Type", image.MANIFEST)]

    def lost(handler):  # told by HEAD, and not kept under its digest
        if handler.command == "GET" and handler.path.endswith(digest):
            handler.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"x"}]}')
        else:
            serve_image(handler, IMG)

    heads = ((None, ["HEAD 1", "GET " + digest]),
             (lambda h: h.answer(405), ["HEAD 1", "GET 1"]),
             (lambda h: h.answer(500), ["HEAD 1", "GET 1"]),
             (lambda h: h.answer(200, IMG.manifest, plain_type), ["HEAD 1", "GET 1"]),
             (lambda h: h.connection.shutdown(socket.SHUT_RDWR), ["HEAD 1", "GET 1"]),
             (lost, ["HEAD 1", "GET " + digest, "GET 1"]))
    for head, wanted in heads:
        def act(handler, head=head):
            if head and (head is lost or handler.command == "HEAD"):
                head(handler)
            else:
                serve_image(handler, IMG)

        with Server(act) as server:
            where = folder("head")
            code, text = pull(ref(server), where, *plain(server))
            tap.check(code == 0 and digest in text, text)
            check_blobs(where, IMG)
            tap.check(asked_of_manifest(server) == wanted, "asked: %s" % asked_of_manifest(server))


@tap.test("a HEAD that wants an hour, and a digest with other bytes: the pull fails and says why")
def _head_refused():
    def busy_head(handler):
        if handler.command == "HEAD":
            handler.answer(429, b"", [("Retry-After", "3600")])
        else:
            serve_image(handler, IMG)

    other = image.Image([{"other": noise(1000, 78)}])

    def lies(handler):
        if handler.command == "HEAD":
            serve_image(handler, IMG)
        else:
            handler.answer(200, other.manifest, [("Content-Type", image.MANIFEST)])

    with Server(busy_head) as server:
        refused(pull(ref(server), folder("head"), *plain(server)), "EAGAIN", "429", "asks to wait 3600 s")
        tap.check(asked_of_manifest(server) == ["HEAD 1"], "asked: %s" % asked_of_manifest(server))
    with Server(lies) as server:
        refused(pull(ref(server), folder("head"), *plain(server)), "EBADMSG", "other bytes than the digest's",
                image.digest(IMG.manifest))


@tap.test("a mirror dies in the middle of a layer: the registry gives the rest, no byte twice")
def _mirror_dies():
    layer = LAYERS[0]
    one = image.Image([{"l0": noise(200000, 0)}])
    tap.check(one.layers[0]["digest"] == layer, "the layer differs")
    body = one.blobs[layer]

    def mirror(handler):
        if not handler.path.endswith(layer):
            serve_image(handler, one)
        elif handler.start() == 0:
            handler.cut(body, 90000)
        else:
            handler.answer(404)

    with Server(mirror) as near, Server(lambda h: h.cut(body, len(body), h.start())
                                        if h.path.endswith(layer) else serve_image(h, one)) as far:
        where = folder("mirror")
        code, text = pull(ref(far), where, *plain(near, far))
        tap.check(code == 0, text)
        check_blobs(where, one)
        tap.check(asked(far, layer) == ["bytes=90000-"], "asked: %s" % asked(far, layer))
        tap.check(len(far.seen) == 1, "the registry was asked for more: %s" % (far.seen,))


@tap.test("mirrors with a wrong layer, without the image, in error: the next one is asked")
def _mirror_lies():
    layer = LAYERS[3]
    wrong = dict(IMG.blobs, **{layer: bytes(len(IMG.blobs[layer]))})

    def liar(handler):
        name = handler.path.split("/")[-1]
        if name == layer:
            handler.answer(200, wrong[layer])
        else:
            serve_image(handler, IMG)

    with Server(lambda h: h.answer(404)) as empty, Server(lambda h: h.answer(500)) as broken, \
            Server(liar) as liar_server, Server(lambda h: serve_image(h, IMG)) as far:
        where = folder("liar")
        code, text = pull(ref(far), where, *plain(empty, broken, liar_server, far))
        tap.check(code == 0 and "wrong layer" in text, text)
        check_blobs(where, IMG)
        tap.check(asked(far, layer) == [""], "asked: %s" % asked(far, layer))
        where = folder("liar")
        refused(pull(ref(far), where, *plain(liar_server)), "EBADMSG", "digest", layer,
                "registry 127.0.0.1:%d" % liar_server.port)
        tap.check(layer[7:] not in os.listdir(where), "the wrong layer is there")
    with Server(lambda h: h.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')) as far:
        port = ports.hold()
        refused(pull(ref(far), where, "--host", "127.0.0.1:%d" % port, *plain(far)), "ENOENT",
                "registry 127.0.0.1:%d: manifest unknown" % far.port)


DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def variant_image(name, variant, docker):
    """An image for arm; Docker schema 2 or OCI with a zstd layer."""
    img = image.Image([{"v": name.encode()}])
    config = json.loads(img.config)
    config.update(architecture="arm", variant=variant)
    layer = dict(img.layers[0])
    if not docker:
        data = subprocess.run(["zstd", "-q", "-c"], input=image.tar_bytes({"v": name.encode()}),
                              stdout=subprocess.PIPE, check=True).stdout
        layer = {"mediaType": image.LAYER.replace("gzip", "zstd"), "digest": image.digest(data),
                 "size": len(data)}
        img.blobs[layer["digest"]] = data
    else:
        layer["mediaType"] = DOCKER_LAYER
    img.config = json.dumps(config).encode()
    img.manifest = json.dumps({
        "schemaVersion": 2, "mediaType": DOCKER if docker else image.MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG if docker else image.CONFIG,
                   "digest": image.digest(img.config), "size": len(img.config)},
        "layers": [layer]}).encode()
    img.blobs = {image.digest(d): d for d in (img.config, img.manifest,
                                              img.blobs[layer["digest"]])}
    return img


@tap.test("Docker and OCI indexes: the variant that fits, schema 2 and zstd layers")
def _variants():
    for docker in (True, False):
        images = {v: variant_image("arm" + v, v, docker) for v in ("v5", "v6", "v8")}
        index = json.dumps({
            "schemaVersion": 2, "mediaType": DOCKER_LIST if docker else image.INDEX,
            "manifests": [{"mediaType": DOCKER if docker else image.MANIFEST,
                           "digest": image.digest(img.manifest), "size": len(img.manifest),
                           "platform": {"os": "linux", "architecture": "arm", "variant": v}}
                          for v, img in images.items()]}).encode()

        def act(handler):
            name = handler.path.split("/")[-1]
            kinds = {image.digest(index): DOCKER_LIST if docker else image.INDEX}
            blobs = {image.digest(index): index, "1": index}
            for img in images.values():
                blobs.update(img.blobs)
                kinds[image.digest(img.manifest)] = DOCKER if docker else image.MANIFEST
            kind = kinds.get(image.digest(blobs[name]), "application/octet-stream")
            handler.answer(200, blobs[name], [("Content-Type", kind)])

        with Server(act) as server:
            for wanted, got in (("v7", "v6"), ("v5", "v5"), ("v8", "v8")):
                where = folder("variant")
                code, text = pull(ref(server), where, "--arch", "arm", "--variant", wanted,
                                  *plain(server))
                tap.check(code == 0, text)
                check_blobs(where, images[got])


try:
    tap.run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
