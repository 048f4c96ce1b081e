#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`hoy store check --repair` on the image's own engine, whatever was done to the files of its store: what was
damaged is found and pulled again, the image runs, and the next check finds nothing. HOY_DAMAGE chooses."""
import os
import random
import re
import shutil
import socket
import stat
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


def listening(path):
    name = os.open(os.path.dirname(path), os.O_PATH)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("/proc/self/fd/%d/%s" % (name, os.path.basename(path)))
    os.close(name)


def device(path):
    os.mknod(path, 0o644 | stat.S_IFCHR, os.makedev(1, 5))


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
    ("a socket for a layer", lambda: instead(EROFS, listening)),
    ("a device for a layer", lambda: instead(EROFS, device)),
    ("a link that leads nowhere for a blob", lambda: instead(BLOB, lambda path: os.symlink("/nowhere", path))),
    ("a folder for a blob", lambda: instead(BLOB, os.mkdir)),
    ("a device for the config", lambda: instead(CONFIG, device)),
    ("a fifo for the config", lambda: instead(CONFIG, os.mkfifo)),
    ("a socket for the manifest", lambda: instead(MANIFEST, listening)),
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


def again():
    E.reboot()
    os.chown(os.path.join(E.root, "run/hoy/engine.sock"), 0, CONSOLE_GID)
    os.chmod(os.path.join(E.root, "run/hoy/engine.sock"), 0o660)


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
    # What was dropped before goes at leisure, by numbers from 0 on.
    tap.wait_for("the trash to be empty", lambda: not os.listdir(os.path.join(STORE, "trash")))
    os.makedirs(os.path.join(STORE, "trash/0/of/someone"))
    for name in ("refs/aside", "index.json"):
        path = os.path.join(STORE, name)
        if os.path.exists(path):
            os.unlink(path)
        os.mkfifo(path)
    again()
    hoy("store", "check", "--repair")
    hoy("tag", REF, "kept:1")
    hoy("run", "--rm", "kept:1", "true")
    tap.check(" 0 damaged" in hoy("store", "check") and listed(), "whole")


def folder_of_a_stranger(path):
    os.makedirs(os.path.join(path, "of/someone"))
    os.chmod(path, 0)


# Every path of the layout at the head of store.c that has a name of its own; none of a row lies in another of it.
FOLDERS = (("blobs/sha256", "layers/sha256", "trash"), ("blobs", "layers", "refs"), ("",))
FILES = ("refs/table.0", "refs/table.1", "refs/aside", "refs/spare", "oci-layout", "index.json")
KEPT = HOST + "/shop/kept:1"
OTHERS = {
    "a file": lambda path: open(path, "wb").close(),
    "a fifo": os.mkfifo,
    "a socket": listening,
    "a device": device,
    "a link that leads nowhere": lambda path: os.symlink("nowhere", path),
    "a link out": lambda path: os.symlink("/etc", path),
    "a folder": folder_of_a_stranger,
}


def put(place, make):
    path = os.path.join(STORE, place).rstrip("/")
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    make(path)


def works_again(what):
    """A start ends, the check answers, and what was lost can be had again."""
    again()
    hoy("store", "check", "--repair")
    hoy("pull", REF)
    hoy("tag", REF, KEPT)
    hoy("run", "--rm", KEPT, "true")
    hoy("rmi", KEPT)
    tap.check(" 0 damaged" in hoy("store", "check") and listed(), what + ": whole")


@tap.test("whatever stands in the place of one of the store's own folders and files, the machine starts and works")
def _layout():
    was = sorted(os.listdir("/etc"))
    hoy("rmi", "kept:1")  # nobody is asked for it again
    for kind, make in OTHERS.items():
        rows = (() if kind == "a folder" else FOLDERS) + (() if kind == "a file" else (FILES,))
        for row in rows:
            for place in row:
                put(place, make)
            works_again("%s for %s" % (kind, row))
    tap.check(sorted(os.listdir("/etc")) == was, "a link out was followed")


@tap.test("a store whose folders and tables are another user's becomes the role's again")
def _owners():
    for place in sum(FOLDERS, FILES):
        path = os.path.join(STORE, place)
        if os.path.exists(path):
            os.chown(path, 0, 0)
            os.chmod(path, 0o700 if os.path.isdir(path) else 0o400)
    works_again("owners")
    E.stop()
    SERVER.stop()


tap.run()
