#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`hoy store check --repair` on the image's own engine, whatever was done to the files of its store: what was
damaged is found and pulled again, the image runs, and the next check finds nothing. HOY_DAMAGE chooses."""
import os
import random
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, registry, tap  # noqa: E402

CONSOLE_GID = 900
deb.tree("busybox-static")
deb.tree("docker-registry")
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
E = engine.Engine("store-damage")
SERVER = registry.Registry(os.path.join(E.work, "registry"))
HOST = "127.0.0.1:%d" % SERVER.port
with open(os.path.join(E.root, "config/ca.pem"), "w", encoding="ascii") as ca:
    ca.write(SERVER.ca_pem())
E.config = "[engine]\nkeep_blobs = yes\ncleanup_at = 0\n[registry %s]\nca_file = /config/ca.pem\nusername = %s\npassword = %s\n" % (
    HOST, registry.USER, registry.PASSWORD)
E.write("engine.ini", E.config)
IMAGE = image.Image([image.busybox_layer(), {"one": random.Random(1).randbytes(1 << 20)},
                     {"two": random.Random(2).randbytes(300000)}], {"Cmd": ["true"]})
REF = HOST + "/shop/web:1"
STORE = os.path.join(E.root, "data/store")


def blob(digest):
    return os.path.join(STORE, "blobs/sha256", digest[7:])


def layer(number):
    return os.path.join(STORE, "layers/sha256", IMAGE.layers[number]["digest"][7:] + ".erofs")


def change(path, how):
    """Another file of the same name: the old one may be sealed."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    was = os.stat(path)
    with open(path + ".new", "wb") as f:
        f.write(how(data))
    os.chown(path + ".new", was.st_uid, was.st_gid)
    os.rename(path + ".new", path)


def flipped(data):
    data[len(data) // 3] ^= 0xff
    return data


def crossed(data):
    data[4096:8192], data[8192:12288] = data[8192:12288], data[4096:8192]
    return data


def swap(one, other):
    os.rename(one, one + ".t")
    os.rename(other, one)
    os.rename(one + ".t", other)


def instead(path, make):
    os.unlink(path)
    make(path)


CONFIG, MANIFEST = blob(image.digest(IMAGE.config)), blob(image.digest(IMAGE.manifest))
BLOB, OTHER = blob(IMAGE.layers[1]["digest"]), blob(IMAGE.layers[2]["digest"])
EROFS = layer(1)
DAMAGES = (
    ("a flipped bit in a layer", lambda: change(EROFS, flipped)),
    ("a layer without its head", lambda: change(EROFS, lambda data: bytes(8192) + data[8192:])),
    ("a layer cut short", lambda: change(EROFS, lambda data: data[:len(data) // 8192 * 4096])),
    ("an empty layer", lambda: change(EROFS, lambda data: b"")),
    ("a layer with a block more", lambda: change(EROFS, lambda data: data + bytes(4096))),
    ("two blocks of a layer in each other's place", lambda: change(EROFS, crossed)),
    ("two layers in each other's place", lambda: swap(EROFS, layer(2))),
    ("no layer", lambda: os.unlink(EROFS)),
    ("a link for a layer", lambda: instead(EROFS, lambda path: os.symlink("/etc/passwd", path))),
    ("a fifo for a layer", lambda: instead(EROFS, os.mkfifo)),
    ("a folder for a layer", lambda: instead(EROFS, os.mkdir)),
    ("a layer that may not be read", lambda: os.chmod(EROFS, 0)),
    ("a flipped bit in a layer's blob", lambda: change(BLOB, flipped)),
    ("a layer's blob cut short", lambda: change(BLOB, lambda data: data[:1000])),
    ("two blobs in each other's place", lambda: swap(BLOB, OTHER)),
    ("a fifo for a blob", lambda: instead(BLOB, os.mkfifo)),
    ("a flipped bit in the config", lambda: change(CONFIG, flipped)),
    ("a config of 32 MiB", lambda: os.truncate(CONFIG, 32 << 20)),
    ("a folder for the config", lambda: instead(CONFIG, os.mkdir)),
    ("an empty manifest", lambda: change(MANIFEST, lambda data: b"")),
)


def hoy(*words, code=0):
    got, text = E.hoy(*words)
    tap.check(code is None or got == code, "hoy %s: exit %d: %s" % (" ".join(words), got, text))
    return text


def start():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)


def listed():
    with open(os.path.join(STORE, "index.json"), encoding="utf-8") as f:
        return image.digest(IMAGE.manifest) in f.read()


def mend(name):
    text = hoy("store", "check", "--repair")
    tap.check(re.search(r"\d+ checked, [1-9]\d* damaged, 1 repaired", text) and REF + " was pulled again" in text,
              "%s: %s" % (name, text))
    text = hoy("store", "check")
    tap.check(" 0 damaged" in text, "%s, afterwards: %s" % (name, text))
    tap.check(listed(), "%s: the layout has its index again" % name)
    hoy("run", "--rm", REF, "true")


@tap.test("an image is pulled, and all of it kept")
def _begin():
    SERVER.start()
    SERVER.push(IMAGE, "shop/web", "1")
    start()
    hoy("pull", REF)
    tap.check(" 0 damaged" in hoy("store", "check") and listed(), "whole")


@tap.test("each damage is found, repaired from the registry, and gone: the image runs")
def _each():
    for name, act in DAMAGES:
        if os.environ.get("HOY_DAMAGE", "") in name:
            act()
            mend(name)


@tap.test("a pull alone makes whole again what a check would have found missing or of another size")
def _pull():
    for path in (EROFS, BLOB, CONFIG, MANIFEST):
        os.unlink(path)
        hoy("pull", REF)
        tap.check(os.path.exists(path) and " 0 damaged" in hoy("store", "check"), path)
    change(BLOB, lambda data: data[:1000])
    hoy("pull", REF)
    tap.check(" 0 damaged" in hoy("store", "check"), "a blob cut short")


@tap.test("a document that cannot be had again takes nothing from an image whose layers are whole")
def _offline():
    SERVER.stop()
    change(CONFIG, flipped)
    text = hoy("store", "check", "--repair")
    tap.check_match(r"image %s cannot be repaired: .*it has all its layers and runs" % REF, text, "why")
    hoy("run", "--rm", REF, "true")
    SERVER.start()
    hoy("pull", REF)


@tap.test("what lies where it does not belong keeps nobody from anything, and no restart")
def _foreign():
    for folder in ("blobs/sha256", "layers/sha256"):
        with open(os.path.join(STORE, folder, "junk"), "wb") as f:
            f.write(b"junk")
    os.makedirs(os.path.join(STORE, "trash/0/of/someone"))
    for name in ("refs/aside", "index.json"):
        path = os.path.join(STORE, name)
        if os.path.exists(path):
            os.unlink(path)
        os.mkfifo(path)
    E.reboot()
    os.chown(os.path.join(E.root, "run/hoy/engine.sock"), 0, CONSOLE_GID)
    os.chmod(os.path.join(E.root, "run/hoy/engine.sock"), 0o660)
    hoy("store", "check", "--repair")
    hoy("tag", REF, "kept:1")
    hoy("run", "--rm", "kept:1", "true")
    tap.check(" 0 damaged" in hoy("store", "check") and listed(), "whole")
    E.stop()
    SERVER.stop()


tap.run()
