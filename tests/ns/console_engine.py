#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The image's `hoy` against the real engine and netd: metrics, logs of several containers."""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, tap  # noqa: E402

CONSOLE_GID = 900
RELOAD = 0x112
METRICS_PORT = 9100  # in a network namespace of its own
SERVICES = """
[service one]
image = busybox:latest
command = ["sh", "-c", "echo one says 1; sleep 1; echo one says 3; exec sleep 100000"]
stop_grace_period = 1s

[service two]
image = busybox:latest
command = ["sh", "-c", "sleep 0.5; echo two says 2 >&2; sleep 1.5; echo two says 4; exec sleep 100000"]
stop_grace_period = 1s
"""
if not os.environ.get("HOY_ENGINE_BOX"):
    for package in ("busybox-static", "prometheus"):  # there is no network in the box
        deb.tree(package)
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
DPKG = (b"Package: libc6\nStatus: install ok installed\nVersion: 2.36-9+deb12u1\nArchitecture: amd64\n\n"
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n")
DEBIAN = image.Image([image.busybox_layer(), {"var/lib/dpkg/status": DPKG,
                                              "etc/os-release": b"ID=debian\nVERSION_ID=12\n"}])
ALPINE = image.Image([{"lib/apk/db/installed": b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n"}])
E = engine.Engine("console", images=[(image.busybox(), "busybox:latest"), (DEBIAN, "debian:12"),
                                     (ALPINE, "alpine:3")], services=SERVICES)
os.makedirs(os.path.join(E.root, "usr/bin"))
shutil.copy(os.path.join(engine.PROGRAMS, "hoy"), os.path.join(E.root, "usr/bin/hoy"))


def hoy(*words):
    """What it prints; its exit code stands in `hoy.code`."""
    done = subprocess.run(["chroot", E.root, "/usr/bin/hoy"] + list(words), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=engine.LIMIT_S,
                          check=False)
    hoy.code = done.returncode
    return done.stdout.decode()


@tap.test("services run and hoy reaches the engine")
def _start():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("both services", lambda: len(re.findall(r"(?m)^(one|two)\s.*running", hoy("ps"))) == 2)
    engine.wait_for("their last lines", lambda: "two says 4" in hoy("logs", "two"))


@tap.test("logs of several containers come in the order of their times, each line with its name")
def _logs():
    lines = [re.sub(r"\s+", " ", line) for line in hoy("logs", "two", "one").splitlines()]
    tap.check(lines == ["one | one says 1", "two | two says 2", "one | one says 3", "two | two says 4"], lines)
    tap.check(hoy("logs", "one", "--grep", "SAYS 3") == "one says 3\n", "chosen by text")
    tap.check(hoy("logs", "one", "-n", "1") == "one says 3\n", "the newest")
    tap.check(hoy("logs", "one", "--since", "1h", "--until", "2020-01-01") == "", "chosen by time")
    rows = [json.loads(line) for line in hoy("logs", "two", "--json").splitlines()]
    tap.check([r["stream"] for r in rows] == ["stderr", "stdout"] and rows[0]["name"] == "two", rows)
    hoy("logs", "nobody")
    tap.check(hoy.code == 3, "exit code %d" % hoy.code)


def check_metrics(text):
    for pattern in (r"node_boot_time_seconds \d{9,}$", r"node_memory_MemAvailable_bytes [1-9]\d+$",
                    r'node_cpu_seconds_total\{cpu="0",mode="user"\} \d+\.\d\d$', r"node_load1 \d+\.\d\d$",
                    r'node_filesystem_avail_bytes\{.*mountpoint="/data"\} \d+$',
                    r'container_start_time_seconds\{id="[0-9a-f]{64}",image="\S*busybox\S*",name="one"\} [1-9]\d+\.\d{3}$',
                    r'container_last_seen\{.*name="two"\} [1-9]\d+$', r'container_health_state\{.*name="two"\} 1$',
                    r'hoy_container_restarts_total\{.*name="one"\} 0$',
                    r'container_network_receive_bytes_total\{.*name="one",interface="\w+"\} \d+$'):
        tap.check_match("(?m)^" + pattern, text, "metrics")


@tap.test("metrics have the names of node_exporter and cAdvisor, and are promtool-clean")
def _metrics():
    text = hoy("metrics")
    check_metrics(text)
    done = subprocess.run([deb.file("prometheus", "usr/bin/promtool"), "check", "metrics"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    # node_exporter's own names are not in promtool's taste.
    left = [line for line in done.stdout.decode().splitlines()
            if not re.match(r"node_memory_\w+ .*(camelCase|snake_case)", line)]
    tap.check(done.returncode in (0, 3) and not left, "exit code %d: %s" % (done.returncode, left))


@tap.test("image sbom: packages of an image from its dpkg or apk database, as SPDX")
def _sbom():
    document = json.loads(hoy("image", "sbom", "debian:12"))
    tap.check(document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0", document)
    tap.check(document["documentNamespace"].endswith("sha256%3A" + image.digest(DEBIAN.manifest)[7:]), document)
    found = [p["externalRefs"][0]["referenceLocator"] for p in document["packages"] if "externalRefs" in p]
    tap.check(found == ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12"], found)
    names = {p["SPDXID"] for p in document["packages"]} | {"SPDXRef-DOCUMENT"}
    tap.check(all({r["spdxElementId"], r["relatedSpdxElement"]} <= names for r in document["relationships"]), document)
    document = json.loads(hoy("image", "sbom", "alpine:3"))
    tap.check([p["name"] for p in document["packages"]] == ["alpine:3", "musl"], document)
    text = hoy("image", "sbom", "busybox:latest")
    tap.check(hoy.code == 3 and "neither dpkg's nor apk's" in text, "%d: %s" % (hoy.code, text))
    hoy("image", "sbom", "nowhere:1")
    tap.check(hoy.code == 3, "exit code %d" % hoy.code)


@tap.test("hoy top prints what lies between two samples, as JSON too")
def _top():
    text = hoy("top")
    tap.check_match(r"(?m)^cpu +\d+% of [1-9]\d* \[.{16}\]  memory \S+ of \S+  network", text, "the machine")
    tap.check_match(r"(?m)^one +\d+\.\d% .{16}  +\S+ +\S+ +\d+ +\S+ +\S+$", text, "a container")
    rows = {row["name"]: row for row in map(json.loads, hoy("top", "--json").splitlines())}
    tap.check(sorted(rows) == ["one", "two"] and set(rows["two"]) >= {"cpu_permille", "memory_bytes", "processes"}, rows)


@tap.test("config pin: a service nobody declares is refused, without init nothing is kept")
def _pin():
    text = hoy("config", "pin", "two")
    tap.check(hoy.code != 0 and "init cannot be reached" in text, "without init nothing is kept: " + text)
    hoy("config", "pin", "nobody")
    tap.check(hoy.code == 3, "exit code %d" % hoy.code)


@tap.test("GET /metrics on the API's socket gives the same")
def _http():
    connection = http.client.HTTPConnection("hoy", timeout=engine.LIMIT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    folder = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
    connection.sock.connect("/proc/self/fd/%d/docker.sock" % folder)
    os.close(folder)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    tap.check(answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"),
              "%d %s" % (answer.status, answer.headers))
    check_metrics(answer.read().decode())
    connection.close()


def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=engine.LIMIT_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@tap.test("[metrics] listen: /metrics on loopback when it is asked for, and nothing but that")
def _listen():
    try:
        get("/metrics")
        raise AssertionError("it listens by itself")
    except OSError:
        pass
    E.write("engine.ini", "[metrics]\nlisten = 127.0.0.1:%d\n" % METRICS_PORT)
    E.engine.send(RELOAD)
    engine.wait_for("the listener", lambda: "/metrics is served on" in E.log())
    status, text = get("/metrics")
    tap.check(status == 200, "%d: %s" % (status, text))
    check_metrics(text)
    for path in ("/containers/json", "/version", "/containers/one/logs?stdout=1"):
        status, text = get(path)
        tap.check(status == 403 and "this needs the role reader" in text, "%s: %d %s" % (path, status, text))
    E.write("engine.ini", "[metrics]\nlisten = 0.0.0.0:%d\n" % METRICS_PORT)
    E.engine.send(RELOAD)
    engine.wait_for("the refusal", lambda: "127.0.0.1:PORT: from elsewhere" in E.log())
    try:
        get("/metrics")
        raise AssertionError("it still listens")
    except OSError:
        pass


@tap.test("what is kept of a service's trials goes with its section")
def _gone():
    good = os.path.join(E.root, "data/state/good")
    os.makedirs(good, exist_ok=True)
    with open(os.path.join(good, "two"), "wb") as f:
        f.write(b"kept")
    E.write("services.ini", SERVICES[:SERVICES.index("[service two]")])
    E.engine.send(RELOAD)
    engine.wait_for("the file to go", lambda: not os.path.exists(os.path.join(good, "two")))
    tap.check(os.path.isdir(good), "the folder too")


try:
    tap.run()
finally:
    E.stop()
