#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signatures as cosign leaves them beside an image, made with OpenSSL, on Debian's docker-registry
and on a registry with the referrers API."""
import base64
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import image, pulling, registry, tap  # noqa: E402
from fixture.pulling import (Server, check_blobs, folder, host_args, noise, pull,  # noqa: E402
                             refused, serve_image)

WORK = pulling.work("ns-pull-signed")
SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"


class Stand:
    def __init__(self):
        folder("")
        for key in ("good", "other"):
            registry.openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                              key + ".key"], WORK)
            registry.openssl(["ec", "-in", key + ".key", "-pubout", "-out", key + ".pub"], WORK)
        self.reg = registry.Registry(os.path.join(WORK, "registry"))
        self.reg.start()
        self.host = "127.0.0.1:%d" % self.reg.port


S = Stand()


def key(name):
    return os.path.join(WORK, name + ".pub")


def signature(digest, by):
    """The manifest and blobs of a signature of the digest by a key."""
    payload = json.dumps({"critical": {"identity": {"docker-reference": ""}, "image": {
        "docker-manifest-digest": digest}, "type": "cosign container image signature"},
        "optional": None}).encode()
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", os.path.join(WORK, by + ".key")],
                          input=payload, stdout=subprocess.PIPE, check=True).stdout
    config = b"{}"
    manifest = {"schemaVersion": 2, "mediaType": image.MANIFEST, "artifactType": ARTIFACT,
                "config": {"mediaType": image.CONFIG, "digest": image.digest(config),
                           "size": len(config)},
                "layers": [{"mediaType": SIGNING, "digest": image.digest(payload),
                            "size": len(payload), "annotations": {
                                "dev.cosignproject.cosign/signature":
                                base64.b64encode(made).decode()}}]}
    return json.dumps(manifest).encode(), [payload, config]


def new_image(seed, *signers, of=None):
    """An image in its own repository, signed by the keys (what `of` names, else itself)."""
    img, name = image.Image([{"f": noise(3000, seed)}]), "signed/n%d" % seed
    S.reg.push(img, name, "1")
    whole = None
    for by in signers:
        manifest, blobs = signature(of or image.digest(img.manifest), by)
        for blob in blobs:
            S.reg.push_blob(name, image.digest(blob), blob)
        if whole is None:
            whole = json.loads(manifest)
        else:
            whole["layers"] += json.loads(manifest)["layers"]
    if whole:
        status, _, body = S.reg.request(
            "PUT", "/v2/%s/manifests/%s.sig" % (name, image.digest(img.manifest).replace(":", "-")),
            json.dumps(whole).encode(), {"Content-Type": image.MANIFEST})
        tap.check(status == 201, body)
    return img, "%s/%s:1" % (S.host, name)


def signed_pull(ref, where, policy, name="good", *more):
    return pull(ref, where, "--signature", policy, "--signature-key", key(name), *more,
                *host_args(S.reg))


def comes(result, where, img):
    code, text = result
    tap.check(code == 0, text)
    check_blobs(where, img)
    return text


@tap.test("require: an image signed by the key comes, also as one of two signatures")
def _signed():
    for seed, signers in ((1, ("good",)), (2, ("other", "good"))):
        img, ref = new_image(seed, *signers)
        where = folder("signed")
        text = comes(signed_pull(ref, where, "require"), where, img)
        tap.check("unsigned" not in text, text)


@tap.test("require: no signature, another key, another image's signature: nothing is unpacked")
def _refused():
    for seed, signers, of, words in (
            (3, (), None, ("has no signature",)),
            (4, ("other",), None, ("has 1 signatures", "none of a key in signature_key=")),
            (5, ("good",), image.digest(b"another"), ("none of a key in signature_key=",))):
        img, ref = new_image(seed, *signers, of=of)
        where = folder("refused")
        refused(signed_pull(ref, where, "require"), "EBADMSG", "registry " + S.host,
                image.digest(img.manifest), *words)
        tap.check(os.listdir(where) == [], "kept: %s" % os.listdir(where))


@tap.test("warn: it comes, and the log says that it is not signed; off: nothing is looked for")
def _warn():
    img, ref = new_image(6)
    where = folder("warn")
    text = comes(signed_pull(ref, where, "warn"), where, img)
    tap.check("has no signature" in text, text)
    where = folder("off")
    text = comes(pull(ref, where, *host_args(S.reg)), where, img)
    tap.check("signature" not in text, text)


@tap.test("keys: none given, of another kind")
def _keys():
    img, ref = new_image(7, "good")
    refused(pull(ref, folder("keys"), "--signature", "require", *host_args(S.reg)), "EINVAL",
            "give a key with signature_key= in [registry %s]" % S.host)
    registry.openssl(["genrsa", "-out", "rsa.key", "2048"], WORK)
    registry.openssl(["rsa", "-in", "rsa.key", "-pubout", "-out", "rsa.pub"], WORK)
    refused(signed_pull(ref, folder("keys"), "require", "rsa"), "EINVAL", "no ECDSA P-256")


@tap.test("an image that is here already has to be signed as well once that is wanted")
def _known():
    img, ref = new_image(8)
    where, record = folder("known"), os.path.join(WORK, "record")
    comes(pull(ref, where, "--save", record, *host_args(S.reg)), where, img)
    refused(signed_pull(ref, where, "require", "good", "--known", record), "EBADMSG",
            "has no signature")


@tap.test("the index is signed: the manifest that it names is good; and by the referrers API")
def _index():
    img = image.Image([{"f": noise(3000, 9)}])
    index = json.dumps({"schemaVersion": 2, "mediaType": image.INDEX, "manifests": [{
        "mediaType": image.MANIFEST, "digest": image.digest(img.manifest),
        "size": len(img.manifest), "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
    manifest, blobs = signature(image.digest(index), "good")
    texts = {image.digest(b): b for b in blobs + [manifest]}
    listed = json.dumps({"schemaVersion": 2, "mediaType": image.INDEX, "manifests": [
        {"mediaType": image.MANIFEST, "digest": image.digest(b"x"), "size": 1,
         "artifactType": "application/x"},
        {"mediaType": image.MANIFEST, "digest": image.digest(manifest), "size": len(manifest),
         "artifactType": ARTIFACT}]}).encode()
    fallback = "sha256-" + image.digest(index)[7:]

    def act(handler, api):
        kind, name = handler.path.split("/")[-2:]
        if kind == "referrers" and api and name == image.digest(index):
            handler.answer(200, listed, [("Content-Type", image.INDEX)])
        elif name == "1":
            handler.answer(200, index, [("Content-Type", image.INDEX)])
        elif name == fallback and not api:
            handler.answer(200, listed, [("Content-Type", image.INDEX)])
        elif name in texts:
            handler.answer(200, texts[name], [("Content-Type", image.MANIFEST)])
        else:
            serve_image(handler, img, "none")

    for api in (True, False):
        with Server(lambda h: act(h, api)) as server:
            host = "127.0.0.1:%d" % server.port
            args = ["--signature", "require", "--host", host, "--insecure"]
            where = folder("index")
            comes(pull(host + "/a/b:1", where, "--signature-key", key("good"), *args), where, img)
            refused(pull(host + "/a/b:1", folder("index"), "--signature-key", key("other"), *args),
                    "EBADMSG", "none of a key in signature_key=")


try:
    tap.run()
finally:
    S.reg.stop()
    shutil.rmtree(WORK, ignore_errors=True)
