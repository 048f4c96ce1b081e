#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Newer images of services that run: pull = always and schedule, update_window, pinned digests."""
import os
import re
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, pulling, tap  # noqa: E402

CONSOLE_GID = 900
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
SLEEP = "exec sleep 100000"


def version(word, command="echo version %s; " + SLEEP):
    return image.busybox(page=word, config={"Cmd": ["sh", "-c", command.replace("%s", word)]})


OLD, NEW, NEWEST = version("one"), version("two"), version("three")
BROKEN = version("broken", "echo version %s; exit 7")
GIVEN = {"old": OLD, "now": OLD}  # what each tag means by now


def serve(handler):
    for tag, made in GIVEN.items():
        if handler.path.endswith("/manifests/" + tag):
            return pulling.serve_image(handler, made, tag)
    known = [m for m in (OLD, NEW, NEWEST, BROKEN) if handler.path.split("/")[-1] in m.blobs]
    return pulling.serve_image(handler, (known + [OLD])[0], "-")


R = pulling.Server(serve).__enter__()
HOST = "127.0.0.1:%d" % R.port
SECTION = """
[service %s]
image = %s
stop_grace_period = 1s
%s
"""
E = engine.Engine("update", images=[(OLD, HOST + "/app:now")],
                  config="[registry %s]\ninsecure = yes\n" % HOST)


def hoy(*words):
    return E.hoy(*words)[1]


def apply(name, keys, ref=HOST + "/app:now"):
    """One service and no other."""
    E.write("services.ini", SECTION % (name, ref, keys))
    E.engine.send(0x112)


def says(name, word):
    engine.wait_for("%s of %s" % (word, name), lambda: "version " + word in hoy("logs", name))


def manifests(tag):
    return len([r for r in R.seen if r.path.endswith("/manifests/" + tag)])


@tap.test("pull = missing: what the store has is started, nobody is asked")
def _missing():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    E.engine.send(engine.CLOCK, struct.pack("<B", 2))
    GIVEN["now"] = NEW
    apply("calm", "")
    says("calm", "one")
    tap.check(not R.seen, R.seen)


@tap.test("pull = always: a newer image is fetched before the start")
def _always():
    apply("eager", "pull = always")
    says("eager", "two")
    tap.check(manifests("now") > 0, "the registry was asked")


@tap.test("pull = always: without the registry what the store has is started")
def _always_away():
    apply("away", "pull = always", HOST.replace("127.0.0.1", "127.0.0.2") + "/other:1")
    engine.wait_for("the failure", lambda: re.search(r"(?m)^away .*waiting", hoy("ps")))
    hoy("tag", HOST + "/app:now", HOST.replace("127.0.0.1", "127.0.0.2") + "/other:1")
    hoy("start", "away")
    says("away", "two")
    tap.check("starting with what the store has" in E.log(), "it is said")


@tap.test("pull = schedule: a newer image replaces the running one in its update_window")
def _schedule():
    GIVEN["now"] = NEWEST
    apply("timely", "pull = schedule\nupdate_window = 00:00-24:00\ntrial = 2s")
    says("timely", "three")
    tap.check("there is a newer" in E.log(), "the log says so")


@tap.test("pull = schedule: outside its update_window nobody is asked")
def _shut():
    seen = len(R.seen)
    shut = "%02d:00-%02d:00" % ((time.gmtime().tm_hour + 12) % 24, (time.gmtime().tm_hour + 13) % 24 or 24)
    apply("shut", "pull = schedule\nupdate_window = " + shut)
    says("shut", "three")
    apply("shut", "pull = schedule\nupdate_window = %s\ntrial = 3s" % shut)
    engine.wait_for("it", lambda: re.search(r"(?m)^shut .*running", hoy("ps")))
    tap.check(len(R.seen) == seen, R.seen[seen:])


@tap.test("a newer image that fails its trial makes room for the last good one")
def _trial():
    apply("tried", "pull = schedule\nupdate_window = 00:00-24:00\ntrial = 2s\nrestart = always")
    says("tried", "three")
    good = os.path.join(E.root, "data/state/good/tried")
    engine.wait_for("the good one to be kept", lambda: os.path.exists(good))
    GIVEN["now"] = BROKEN
    E.kill_engine()  # it looks again in a new life, and takes over what runs
    E.start_engine()
    E.engine.send(engine.CLOCK, struct.pack("<B", 2))
    engine.wait_for("the last good one", lambda: re.search(
        r"(?m)^tried .*running.*the last good definition, the newer one failed", hoy("ps")))


@tap.test("an image named by its digest is pinned: it stays what it is")
def _pinned():
    seen = manifests("now")
    apply("pinned", "pull = always", "%s/app@%s" % (HOST, image.digest(NEW.manifest)))
    says("pinned", "two")
    tap.check(manifests("now") == seen, "the tag was asked for")


try:
    tap.run()
finally:
    E.stop()
    R.__exit__()
