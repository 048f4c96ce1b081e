#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes by itself and what is repaired, by the image's own engine in namespaces: images that nothing
uses go at their age and for a pull that does not fit; damaged ones are pulled again, or mean again what
they meant before; also after the engine was cut off."""
import contextlib
import glob
import http.client
import json
import os
import pty
import random
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import store_peer as peer  # noqa: E402
from fixture import deb, engine, image, pulling, registry, tap  # noqa: E402

CHECK_LATE_S = 30
CUT = []  # when the engine was started after it was cut off
CHECK, CLEAN, RELOAD = 0x39d, 0x39e, 0x112
MIB = 1 << 20
CONSOLE_GID = 900
deb.tree("busybox-static")
deb.tree("docker-registry")
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def make(seed, size=MIB, under=()):
    return image.Image(list(under) + [{"data%d" % seed: random.Random(seed).randbytes(size)}], {"Cmd": ["true"]}, compress=False)


class Socket(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(engine.LIMIT_S)
        folder = os.open(os.path.join(self.host, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
        self.sock.connect("/proc/self/fd/%d/docker.sock" % folder)
        os.close(folder)


def api(e, method, path, body=None, status=(200, 201, 204)):
    connection = Socket(e.root)
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json", "Host": "docker"})
    reply = connection.getresponse()
    text = reply.read().decode("utf-8", "replace")
    tap.check(reply.status in status, "%s %s: %d %s" % (method, path, reply.status, text))
    return text


def names(e):
    return {tag for row in json.loads(api(e, "GET", "/images/json")) for tag in row["RepoTags"] or ()}


def until_names(e, wanted, unwanted=()):
    def fits():
        have = names(e)
        return set(wanted) <= have and not have & set(unwanted)
    engine.wait_for("images %s without %s; there are %s; %s" % (wanted, unwanted, names(e), e.log()[-800:]), fits)


def pull(e, ref):
    text = api(e, "POST", "/images/create?fromImage=" + ref.replace("/", "%2F"), status=(200, 500))
    return "error" not in text and "missing" not in text, text


class Console:
    """The console's connection to engine main: lines of a call, then its last body."""

    def __init__(self, e):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(engine.LIMIT_S)
        folder = os.open(os.path.join(e.root, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
        self.socket.connect("/proc/self/fd/%d/engine.sock" % folder)
        os.close(folder)

    def call(self, kind, body=b""):
        self.socket.send(struct.pack("<4sHHIIHH", b"HOY1", kind, peer.CALL, 1, len(body), 0, 0) + body)
        lines = []
        while True:
            data = self.socket.recv(1 << 20)
            tap.check(len(data) >= 20, "the engine is gone: " + E.log()[-2000:])
            flags, body = struct.unpack("<4sHHIIHH", data[:20])[2], data[20:]
            tap.check(not flags & peer.ERROR, repr(body))
            if not flags & peer.MORE:
                return lines, body
            lines.append(body[4:].decode())


def check(e, repair):
    console = Console(e)
    lines, body = console.call(CHECK, bytes([repair]))
    console.socket.close()
    return "\n".join(lines + [body[4:].decode()])


def damage(e, img):
    """One byte in the middle of the EROFS file of the image's last layer."""
    path = os.path.join(e.root, "data/store/layers/sha256", img.layers[-1]["digest"][7:] + ".erofs")
    size = os.path.getsize(path)
    # In place, even where the file is sealed: another file of the same name, one byte off.
    with open(path, "rb") as f:
        data = bytearray(f.read())
    data[size // 2] ^= 0xff
    owner = os.stat(path)
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.chown(path + ".new", owner.st_uid, owner.st_gid)
    os.rename(path + ".new", path)


HELD, SPARE, IDLE, REFUSED, MADE = make(1, 8 * MIB), make(2, 12 * MIB), make(3), make(4), make(5)
V1, V2 = make(11), make(12)
E = engine.Engine("store-clean", images=[(HELD, "kept:1"), (SPARE, "spare:1"), (IDLE, "idle:1"),
                                         (REFUSED, "refused:1"), (MADE, "made:1")])
SERVER = registry.Registry(os.path.join(E.work, "registry"))
HOST = "127.0.0.1:%d" % SERVER.port
WEB = HOST + "/shop/web:1"
with open(os.path.join(E.root, "config/ca.pem"), "w", encoding="ascii") as ca:
    ca.write(SERVER.ca_pem())
LOGIN = "[registry %s]\nca_file = /config/ca.pem\nusername = %s\npassword = %s\n" % (
    HOST, registry.USER, registry.PASSWORD)
E.services = ("[service d]\nimage = kept:1\nprofiles = never\n[service w]\nimage = %s\nprofiles = never\n"
              "[service r]\nimage = refused:1\nmem_limit = lots\n" % WEB)
E.write("services.ini", E.services)


def configure(lines):
    E.config = "[engine]\n" + lines + LOGIN
    E.write("engine.ini", E.config)


def push(img, name):
    SERVER.push(img, name, "1")
    return "%s/%s:1" % (HOST, name)


@tap.test("a pull that does not fit makes unused images go; a declared one stays")
def _room():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=56m", "tmpfs", E.root + "/data"], check=True)
    configure("cleanup_keep = 0s\ncleanup_at = 99\ncleanup_to = 98\n")
    SERVER.start()
    E.start()
    until_names(E, ["kept:1", "spare:1", "refused:1"])
    ref = push(make(23, 15 * MIB), "shop/big")
    tap.check(*pull(E, ref))
    until_names(E, ["kept:1", "refused:1", ref], ["spare:1"])
    tap.check_match(r"clean-up: docker\.io/library/spare:1 \(.*\): room was needed", E.log(), "log")
    good, text = pull(E, push(make(24, 30 * MIB), "shop/huge"))
    tap.check(not good and "MiB are missing" in text, text)
    until_names(E, ["kept:1", "refused:1"])


@tap.test("a damaged image is pulled again; without its registry its name means the image before it again")
def _repair():
    subprocess.run(["umount", "-l", E.root + "/data"], check=True)
    configure("cleanup_at = 0\n")
    E.reboot()
    push(V1, "shop/web")
    tap.check(*pull(E, WEB))
    push(V2, "shop/web")
    tap.check(*pull(E, WEB))
    damage(E, V2)
    text = check(E, 0)
    tap.check("has another content" in text and " 0 repaired" in text, text)
    text = check(E, 1)
    tap.check("%s was pulled again" % WEB in text and " 1 repaired" in text, text)
    tap.check(" 0 damaged" in check(E, 0), "whole again")
    damage(E, V2)
    SERVER.stop()
    text = check(E, 1)
    tap.check_match(r"image %s means the image before it again, %s" % (WEB, image.digest(V1.config)), text, "fall back")
    found = json.loads(api(E, "GET", "/images/%s/json" % WEB.replace("/", "%2F")))
    tap.check(found["Id"] == image.digest(V1.config), "the image before serves: " + found["Id"])
    tap.check(" 0 damaged" in check(E, 0), "whole again")
    damage(E, V1)
    tap.check_match(r"cannot be repaired: .*there is no image before it", check(E, 1), "nothing is left to go back to")
    SERVER.start()
    text = check(E, 1)
    tap.check("%s was pulled again" % WEB in text, text)


@tap.test("the engine is cut off while an image is damaged")
def _cut():
    damage(E, V2)
    tap.check("store check after an unclean stop" not in E.log(), "not after a stop in order")
    E.kill_engine()
    configure("cleanup_age = 2s\ncleanup_keep = 1s\ncleanup_at = 0\n")
    E.start_engine()
    CUT.append(time.monotonic())


@tap.test("images that nothing uses go at their age: not a declared, a refused section's or a container's one")
def _age():
    stay = ["kept:1", "made:1", "refused:1"]
    until_names(E, stay + ["idle:1"])
    api(E, "POST", "/containers/create?name=box", {"Image": "made:1"})
    E.engine.send(engine.CLOCK, b"\2")
    until_names(E, stay, ["idle:1"])
    tap.check_match(r"clean-up: docker\.io/library/idle:1 \(.*\): its age", E.log(), "log")
    layer = os.path.join(E.root, "data/store/layers/sha256", IDLE.layers[-1]["digest"][7:] + ".erofs")
    tap.check(not os.path.exists(layer), "its layer is gone too")
    time.sleep(5)  # more than twice the age: what is used has none
    until_names(E, stay)
    _, body = Console(E).call(CLEAN)
    tap.check(b"those unused for" in body and b"none goes for room" in body and b"idle:1" in body, repr(body))


@tap.test("B5 nobody but the engine reaches what images and containers consist of")
def _closed():
    layer = os.path.join(E.root, "data/store/layers/sha256")
    tap.check(os.listdir(layer), "there is something to hide")
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        found = 0
        for folder, dirs, files in os.walk(os.path.join(E.root, "data")):
            # A named volume may be looked up, as Docker's may: what is in it is its owner's matter.
            dirs[:] = [d for d in dirs if d != "volumes"]
            found += len(files)
        os._exit(min(found, 99))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tap.check(status == 0, "%d files below /data can be listed by anybody" % status)
    for folder, _, _ in os.walk(os.path.join(E.root, "data/store")):
        tap.check(os.stat(folder).st_mode & 0o077 == 0, "%s is open" % folder)


def kill_store():
    """Ends the store role, where there is one at the moment."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/cmdline" % pid, "rb") as f:
            if f.read() == b"hoy-engine\0store\0":
                os.kill(int(pid), signal.SIGKILL)


@tap.test("after the engine was cut off the store is checked and repaired by itself")
def _unclean():
    # The moment at which it would be looked at passes without a store: it is looked at later.
    time.sleep(max(0, CUT[0] + CHECK_LATE_S - 1 - time.monotonic()))
    while time.monotonic() < CUT[0] + CHECK_LATE_S + 0.5:
        kill_store()
        time.sleep(0.02)
    engine.wait_for("the check", lambda: "store check after an unclean stop" in E.log())
    tap.check_match(r"store check: image \S+/shop/web:1 was pulled again", E.log(), "log")
    tap.check(" 0 damaged" in check(E, 0), "whole again")


@tap.test("archives of the config media are taken in once: the next boot takes what is new")
def _preload():
    def taken():
        return E.log().count("taken in from the config media")
    before = taken()
    tap.check(before >= 5, "those of the first boot: %d" % before)
    # The last by its name: once it is in, all the others had their turn.
    image.write_archive(make(31), "new:1", os.path.join(E.root, "config/images/9.tar"))
    configure("cleanup_at = 0\n")
    E.reboot()
    engine.wait_for("the new archive", lambda: taken() > before)
    until_names(E, ["new:1"], ["idle:1"])
    tap.check(taken() == before + 1, "taken in: %d, then %d" % (before, taken()))


def on_terminal(*words):
    """What the image's console program shows on a terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(["chroot", E.root, "/usr/bin/hoy"] + list(words), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # nobody has the other end any more
            part = b""
        if not part:
            break
        shown += part
    os.close(ours)
    child.wait(engine.LIMIT_S)
    return shown.decode("utf-8", "replace")


@tap.test("progress of a pull: a bar drawn over and over on a terminal, plain lines otherwise, JSON for the API")
def _progress():
    bar = r"layer 1/1 \[=+>? *\] [\d.]+ of 2\.0 MiB"
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    _, text = pull(E, push(make(41, 2 * MIB), "shop/json"))
    rows = [json.loads(line) for line in text.splitlines() if line]
    moves = [row for row in rows if row.get("status") == "Downloading"]
    tap.check(moves and all(row["progressDetail"]["total"] <= 2 * MIB + 65536 for row in moves), text)
    tap.check(moves[-1]["progressDetail"]["current"] == moves[-1]["progressDetail"]["total"], text)
    tap.check({"status": "Pull complete", "progressDetail": {}, "id": moves[0]["id"]} in rows, text)
    code, text = E.hoy("pull", push(make(42, 2 * MIB), "shop/plain"))
    tap.check(code == 0 and "\r" not in text and "\x1b" not in text, repr(text))
    tap.check_match("(?m)^" + bar, text, "plain lines")
    text = on_terminal("pull", push(make(43, 2 * MIB), "shop/drawn"))
    tap.check_match("\r\x1b\\[K" + bar, text, "a line drawn over")


@tap.test("a container whose image's name was given to another one by load is committed upon the image that it was made from")
def _renamed():
    path = os.path.join(E.root, "config/twice.tar")
    for seed in (61, 62):
        image.write_archive(make(seed), "twice:1", path)
        code, text = E.hoy("load", "/config/twice.tar")
        tap.check(code == 0, text)
        if seed == 61:
            api(E, "POST", "/containers/create?name=twice", {"Image": "twice:1", "Cmd": ["true"]})
    made = json.loads(api(E, "POST", "/commit?container=twice&repo=snap&tag=1"))
    layers = json.loads(api(E, "GET", "/images/snap:1/json"))["RootFS"]["Layers"]
    tap.check(layers[0] == make(61).layers[0]["digest"], "%s: %s" % (made, layers))
    api(E, "DELETE", "/containers/twice")


def unnamed_bytes(e):
    """What is written of files without a name yet, below the store: of each once, by the processes that have it open."""
    sizes = {}
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            st = os.stat(path)
            if stat.S_ISREG(st.st_mode) and not st.st_nlink and st.st_dev == os.stat(e.root + "/data/store").st_dev:
                sizes[st.st_ino] = st.st_blocks * 512
    return sorted(sizes.values())


@tap.test("one pass: while the end of a layer is still to come all before it lies in its EROFS file, and nowhere else on the disk")
def _one_pass():
    img = image.Image([{"one": random.Random(51).randbytes(4 * MIB)}], {"Cmd": ["true"]})
    layer, waited = img.layers[0]["digest"], threading.Event()
    body, answer = img.blobs[layer], []
    before = sum(unnamed_bytes(E))

    def act(handler):
        if not handler.path.endswith(layer):
            pulling.serve_image(handler, img)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:-100])
        handler.wfile.flush()
        waited.wait(engine.LIMIT_S)
        handler.wfile.write(body[-100:])

    with pulling.Server(act) as server:
        host = "127.0.0.1:%d" % server.port
        configure("[registry %s]\ninsecure = yes\n" % host)
        E.engine.send(RELOAD)
        thread = threading.Thread(target=lambda: answer.append(pull(E, host + "/shop/one:1")))
        thread.start()
        engine.wait_for("the layer's files", lambda: sum(unnamed_bytes(E)) - before >= 3 * MIB)
        tap.check(sum(unnamed_bytes(E)) - before < 5 * MIB, "it is there twice: %s" % unnamed_bytes(E))
        held = os.listdir(E.root + "/data/store/blobs/sha256") + os.listdir(E.root + "/data/store/layers/sha256")
        tap.check(not [name for name in held if name.startswith(layer[7:])], "it has a name before its digest is known")
        waited.set()
        thread.join(engine.LIMIT_S)
    tap.check(answer and answer[0][0], answer)
    tap.check(os.path.exists(E.root + "/data/store/layers/sha256/%s.erofs" % layer[7:]), "no layer")
    tap.check(not os.path.exists(E.root + "/data/store/blobs/sha256/" + layer[7:]), "the compressed layer is kept")
    tap.check(" 0 damaged" in check(E, False), "check")


@tap.test("a store that cannot start: who asks for a check hears so at once, and it is checked once it is back")
def _cannot_start():
    data = os.path.join(E.root, "data")
    E.kill_engine()
    subprocess.run(["mount", "--bind", data, data], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", data], check=True)  # what the kernel makes of a disk that fails
    E.start_engine()
    engine.wait_for("the store's end", lambda: "cannot give /data/store" in E.log())
    for _ in range(3):
        code, text = E.hoy("store", "check")
        tap.check(code and ("store is not there" in text or "other side is gone" in text), "%d: %s" % (code, text))
    E.kill_engine()
    subprocess.run(["umount", data], check=True)
    E.start_engine()
    engine.wait_for("the store", lambda: E.hoy("store", "check")[0] == 0)


try:
    tap.run()
finally:
    E.stop()
    SERVER.stop()
