#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Row B13 of malicious images: what somebody else made is never taken for a step of a build. The image's
own engine builds, in namespaces; that its cache works at all is shown beside each refusal to use it."""
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import building, engine, image, tap  # noqa: E402

SHOW = 'RUN echo "<$A $(pwd) $(id -u) $0>"'
STEPS = "FROM base:plain\nRUN echo honest > /result\nRUN cat /result\n"
# What a base's configuration says -> what a RUN upon it sees. The layers are the same bytes in all.
BASES = {
    "env": ({"Env": ["PATH=/bin", "A=evil"]}, "<evil / 0 /bin/sh>"),
    "path": ({"Env": ["PATH=/usr/bin"]}, "< / 0 /bin/sh>"),
    "workdir": ({"WorkingDir": "/tmp"}, "< /tmp 0 /bin/sh>"),
    "user": ({"User": "65534"}, "< / 65534 /bin/sh>"),
    "shell": ({"Shell": ["/bin/busybox", "sh", "-c"]}, "< / 0 sh>"),
}
CONSOLE_GID = 900
PLAIN = image.busybox()  # before the network is away
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
E = engine.Engine("store-cache", images=[(PLAIN, "base:plain")] + [
    (image.busybox(config=config), "base:" + name) for name, (config, _) in BASES.items()] + [
    (image.busybox(config={"Cmd": ["other"], "Labels": {"a": "b"}}), "base:command")])
E.start()
B = building.Builder(E)


class Docker(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(engine.LIMIT_S)
        folder = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
        self.sock.connect("/proc/self/fd/%d/docker.sock" % folder)
        os.close(folder)


def api(method, path, body=None, kind="application/json"):
    connection = Docker("docker")
    connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
    reply = connection.getresponse()
    data = reply.read()
    tap.check(reply.status < 300, "%s %s: %d %r" % (method, path, reply.status, data[:800]))
    return data


def build(dockerfile, tag="built:latest"):
    return B.good(B.context("context", {"Dockerfile": dockerfile}), tags=(tag,))


def made(result):
    """How many of its steps were taken from the cache."""
    return len(result.of(building.CACHED))


def load(img, name):
    path = os.path.join(E.work, "forged.tar")
    image.write_archive(img, name, path)
    with open(path, "rb") as f:
        answer = api("POST", "/images/load", f.read(), "application/x-tar")
    tap.check(b"error" not in answer, "%r" % answer)


def saved(name):
    """Layers (as their tars) and configuration of an image here."""
    with tarfile.open(fileobj=io.BytesIO(api("GET", "/images/%s/get" % name))) as tar:
        row = json.load(tar.extractfile("manifest.json"))[0]
        return row["Layers"], json.load(tar.extractfile(row["Config"]))


def forge(config):
    """The honest image's own configuration and history over a layer with another result, and all that
    builders of today and of before look at: parent, the command's configuration, an inline cache."""
    img = image.Image([image.busybox_layer(), {"result": b"evil\n"}])
    fake = dict(config, rootfs=json.loads(img.config)["rootfs"])
    fake["parent"] = image.digest(PLAIN.config)
    fake["container_config"] = dict(fake["config"], Cmd=["/bin/sh", "-c", "echo honest > /result"])
    fake["moby.buildkit.cache.v0"] = "eyJsYXllcnMiOltdLCJyZWNvcmRzIjpbXX0="
    fake["history"] = config["history"][:2]
    img.config = json.dumps(fake).encode()
    img.add(img.config)
    img.seal()
    return img


def bases_are_there():
    return all(("base:" + name) in E.log() for name in list(BASES) + ["plain", "command"])


engine.wait_for("the base images", lambda: bases_are_there() and not B.run(
    B.context("ready", {"Dockerfile": "FROM base:command\n"})).error)


@tap.test("B13 an image that claims to be a step of a build is not taken for one")
def _forged():
    first = build(STEPS)
    tap.check(first.output() == "honest\n" and made(first) == 0, first.output())
    tap.check(made(build(STEPS)) == 2, "the cache does not work: nothing is shown here")
    layers, config = saved("built:latest")
    tap.check(len(layers) >= 2 and "honest" in json.dumps(config["history"]), "%s" % config["history"])
    api("DELETE", "/images/built:latest?force=1")
    api("POST", "/build/prune?all=1")
    for name in ("built:latest", "base:evil"):
        load(forge(config), name)
    again = build(STEPS, "again:latest")
    tap.check(made(again) == 0 and again.output() == "honest\n", "%d cached: %s" % (made(again), again.output()))


@tap.test("B13 a base of the same layers and another configuration is another key")
def _configuration():
    plain = build("FROM base:plain\n" + SHOW)
    tap.check(made(plain) == 0 and "< / 0 /bin/sh>" in plain.output(), plain.output())
    tap.check(made(build("FROM base:plain\n" + SHOW)) == 1, "the cache does not work: nothing is shown here")
    for name, (_, sees) in BASES.items():
        result = build("FROM base:%s\n%s" % (name, SHOW))
        tap.check(made(result) == 0 and sees in result.output(), "%s: %d cached: %s" % (name, made(result), result.output()))
    # What no RUN sees: its layer is the same one, and the rest comes from this base all the same.
    tap.check(made(build("FROM base:command\n" + SHOW, "command:latest")) == 1, "another command")
    config = json.loads(api("GET", "/images/command:latest/json"))["Config"]
    tap.check(config["Cmd"] == ["other"] and config["Labels"] == {"a": "b"}, "%s" % config)


@tap.test("B13 a name that means other layers now is another base")
def _moved():
    for text in (b"one\n", b"two\n"):
        load(image.Image([image.busybox_layer(), {"text": text}]), "moved:latest")
        result = build("FROM moved\nRUN cat /text\n")
        tap.check(made(result) == 0 and result.output() == text.decode(), "%d cached: %s" % (made(result), result.output()))
    tap.check(made(build("FROM moved\nRUN cat /text\n")) == 1, "the cache does not work: nothing is shown here")


@tap.test("prune: steps whose layers an image has stay cached, they take no room; what nothing uses goes")
def _pruned():
    steps = "FROM base:plain\nRUN echo kept > /kept\nRUN true\nRUN echo last > /last\n"
    build(steps, "kept:latest")
    build("FROM base:plain\nRUN echo gone > /gone\n", "gone:latest")
    api("DELETE", "/images/gone:latest?force=1")
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    code, text = E.hoy("prune")
    tap.check(code == 0 and "given back" in text and not text.startswith("0 KiB"), text)
    again = build(steps, "kept:again")
    tap.check(made(again) == 3, "%d of its three steps are cached" % made(again))
    tap.check(made(build("FROM base:plain\nRUN echo gone > /gone\n")) == 0, "what nothing used is made again")
    code, text = E.hoy("prune", "cache")
    tap.check(code == 0 and made(build(steps, "kept:again")) == 3, text)


try:
    tap.run()
finally:
    E.stop()
