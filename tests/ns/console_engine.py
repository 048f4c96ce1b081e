#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The image's `hoy` against the real engine and netd: metrics, logs of several containers."""
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, pulling, tap  # noqa: E402

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


def hoy(*words):
    """What it prints; its exit code stands in `hoy.code`."""
    hoy.code, text = E.hoy(*words)
    return text


@tap.test("services run and hoy reaches the engine")
def _start():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("both services", lambda: len(re.findall(r"(?m)^(one|two)\s.*running", hoy("ps"))) == 2)
    engine.wait_for("their last lines", lambda: "two says 4" in hoy("logs", "two"))


@tap.test("cp: what is copied out of a container and into it is root's; what is not there is named, and no build is spoken of")
def _copied():
    folder = os.path.join(E.root, "data/transfer")
    hoy("exec", "one", "sh", "-c", "echo one > /copied; chown 7:8 /copied")
    tap.check(" 1 files" in " " + hoy("cp", "one:/copied", "/data/transfer/out") and hoy.code == 0, "out")
    got = os.stat(os.path.join(folder, "out"))
    tap.check((got.st_uid, got.st_gid) == (0, 0), "owner outside: %d:%d" % (got.st_uid, got.st_gid))
    os.chown(os.path.join(folder, "out"), 7, 8)
    hoy("cp", "/data/transfer/out", "two:/back")
    tap.check(hoy("exec", "two", "stat", "-c", "%u:%g", "/back").strip() == "0:0", "owner inside")
    for words in (("one:/absent", "/data/transfer/no"), ("/data/transfer/absent", "one:/no")):
        text = hoy("cp", *words)
        tap.check(hoy.code == 3 and text == "absent: not found\n", "%s: %d: %s" % (words, hoy.code, text))


@tap.test("an answer that lets itself be waited for is taken, also when init was asked in between whether the engine runs")
def _late():
    main = E.engine.process.pid
    os.kill(main, signal.SIGSTOP)
    threading.Timer(3, os.kill, (main, signal.SIGCONT)).start()
    text = hoy("ps")
    tap.check(hoy.code == 0 and re.search(r"(?m)^one\s", text), text)


@tap.test("a pull by hand that fails names the image, its registry and the cause, and that it is not tried again")
def _pull_fails():
    text = hoy("pull", "127.0.0.1:1/shop/web:1")
    tap.check(hoy.code == 4 and re.search(r"127\.0\.0\.1:1/shop/web:1.*refused.*; it is not tried again$", text.strip()), (hoy.code, text))


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
    with open(os.path.join(E.root, "run/hoy/syslog"), "w", encoding="ascii") as file:  # as init's role writes it
        file.write("connected 1\nqueue_lines 7\nqueue_bytes 700\ndropped 3\n")
    text = hoy("metrics")
    check_metrics(text)
    for line in ("server_connected 1", "queue_lines 7", "queue_bytes 700", "dropped_total 3"):
        tap.check_match("(?m)^hoy_log_%s$" % line, text, "the log on its way")
    done = subprocess.run([deb.file("prometheus", "usr/bin/promtool"), "check", "metrics"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    # node_exporter's own names are not in promtool's taste.
    left = [line for line in done.stdout.decode().splitlines()
            if not re.match(r"node_memory_\w+ .*(camelCase|snake_case)", line)]
    tap.check(done.returncode in (0, 3) and not left, "exit code %d: %s" % (done.returncode, left))


@tap.test("containers of the Docker API stand in ps beside declared ones and obey the same verbs")
def _both():
    def row():
        return re.search(r"(?m)^made .*", hoy("ps")).group(0)

    sock = os.path.join(E.root, "run/hoy/docker.sock")
    curl = ["curl", "-sS", "--max-time", str(engine.LIMIT_S), "--unix-socket", sock, "-H", "Content-Type: application/json"]
    done = subprocess.run(curl + ["http://d/containers/create?name=made", "-d", json.dumps(
        {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}})],
        stdout=subprocess.PIPE, check=True)
    ident = json.loads(done.stdout)["Id"]
    tap.check_match(r"made +busybox:latest +created +-", row(), "made")
    hoy("start", "made")
    tap.check(hoy.code == 0, "exit code %d" % hoy.code)
    tap.check_match(r"made +busybox:latest +running +up \d+ s", row(), "running")
    rows = {r["name"]: r for r in map(json.loads, hoy("ps", "-a", "--json").splitlines())}
    tap.check(rows["made"]["declared"] is False and rows["one"]["declared"] is True, rows)
    hoy("kill", "made", "TERM")
    hoy("stop", ident[:12])
    engine.wait_for("its end", lambda: re.match(r"made +busybox:latest +exited +exit code (137|143), \d+ s ago", row()))
    tap.check_match(r"exit code 1(37|43)", hoy("history", "made"), "how it ended")
    hoy("restart", "made")
    engine.wait_for("its new start", lambda: " running " in row())
    hoy("kill", "made")
    engine.wait_for("its end", lambda: "exit code 137" in row())
    tap.check("'mad'; did you mean" in hoy("stop", "mad") or "no container is called 'mad'" in hoy("stop", "mad"), "a wrong name")
    hoy("ps", "all")
    tap.check(hoy.code == 2, "exit code %d" % hoy.code)


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


def listed(*types):
    """An index of one manifest of each type."""
    return json.dumps({"schemaVersion": 2, "mediaType": image.INDEX, "manifests": [
        {"mediaType": image.MANIFEST, "digest": image.digest(kind.encode()), "size": len(kind), "artifactType": kind}
        for kind in types]}).encode()


@tap.test("image referrers: what refers to an image in its registry, by the API, page after page, and by the tag")
def _referrers():
    subject = image.digest(b"subject")
    pages = {"": (listed("application/sig"), '</v2/a/b/referrers/%s?last=1>; rel="next"' % subject),
             "last=1": (listed("application/sbom"), "")}

    def act(handler, api):
        path, _, query = handler.path.partition("?")
        if path.endswith("/manifests/1"):
            handler.answer(200, b"{}", [("Docker-Content-Digest", subject)])
        elif api and path.endswith("/referrers/" + subject):
            body, link = pages[query]
            handler.answer(200, body, [("Content-Type", image.INDEX)] + ([("Link", link)] if link else []))
        elif not api and path.endswith("/manifests/" + subject.replace(":", "-")):
            handler.answer(200, listed("application/sbom", "application/\x1b[2J"), [("Content-Type", image.INDEX)])
        else:
            handler.answer(404, b"{}")

    for api in (True, False):
        with pulling.Server(lambda h, api=api: act(h, api)) as server:
            ref = "127.0.0.1:%d/a/b" % server.port
            E.write("engine.ini", "[registry 127.0.0.1:%d]\ninsecure = yes\n" % server.port)
            E.engine.send(RELOAD)
            engine.wait_for("the new registry", lambda: hoy("image", "referrers", ref + ":1") and hoy.code == 0)
            rows = [json.loads(line) for line in hoy("image", "referrers", ref + ":1", "--json").splitlines()]
            wanted = ["application/sig", "application/sbom"] if api else ["application/sbom", ""]
            tap.check([row["artifact_type"] for row in rows] == wanted, rows)
            text = hoy("image", "referrers", "%s@%s" % (ref, subject), "application/sbom")
            tap.check(text == "%s\n    application/sbom, 16 bytes\n" % image.digest(b"application/sbom"), text)
            text = hoy("image", "referrers", ref + ":1", "application/none")
            tap.check(text == "nothing refers to %s as application/none\n" % subject, text)
            text = hoy("image", "referrers", ref + ":2")
            tap.check(hoy.code == 3 and "manifest unknown" in text, "%d: %s" % (hoy.code, text))
    E.write("engine.ini", "")
    E.engine.send(RELOAD)


@tap.test("hoy top prints what lies between two samples, as JSON too")
def _top():
    text = hoy("top")
    tap.check_match(r"(?m)^cpu +\d+% of [1-9]\d* \[.{16}\]  memory \S+ of \S+  network", text, "the machine")
    tap.check_match(r"(?m)^one +\d+\.\d% .{16}  +\S+ +\S+ +\d+ +\S+ +\S+$", text, "a container")
    rows = {row["name"]: row for row in map(json.loads, hoy("top", "--json").splitlines())}
    tap.check(sorted(rows) == ["one", "two"] and set(rows["two"]) >= {"cpu_permille", "memory_bytes", "processes"}, rows)


@tap.test("hoy stats prints one row for each container as docker does, or those that are named")
def _stats():
    text = hoy("stats")
    tap.check_match(r"^NAME +CPU% +MEM +LIMIT +NET IN / OUT +BLOCK IN / OUT +PIDS\n", text, "the head")
    tap.check_match(r"(?m)^one +\d+\.\d% +\S+ +\S+ +\S+ / \S+ +\S+ / \S+ +\d+$", text, "a row")
    tap.check(all(len(line) <= 80 for line in text.splitlines()), text)
    rows = [json.loads(line) for line in hoy("stats", "two", "--json").splitlines()]
    tap.check([row["name"] for row in rows] == ["two"] and rows[0]["receive_bytes"] >= 0 and
              {"read_bytes", "written_bytes", "pids", "cpu_permille"} <= set(rows[0]), rows)
    hoy("stats", "nobody")
    tap.check(hoy.code == 3, "exit code %d" % hoy.code)


def api(method, path, body=None):
    connection = http.client.HTTPConnection("hoy", timeout=engine.LIMIT_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    folder = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
    connection.sock.connect("/proc/self/fd/%d/docker.sock" % folder)
    os.close(folder)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text else None


@tap.test("hoy pause, unpause and rm: containers that no section declares, and no others")
def _rm():
    status, made = api("POST", "/containers/create?name=loose", {"Image": "busybox:latest", "Cmd": ["sleep", "100000"]})
    tap.check(status == 201, made)
    tap.check(api("POST", "/containers/loose/start")[0] == 204, "start")
    for verb, state in (("pause", "paused"), ("unpause", "running")):
        tap.check(hoy(verb, "loose") == "" and hoy.code == 0, verb)
        tap.check(api("GET", "/containers/loose/json")[1]["State"]["Status"] == state, state)
    text = hoy("rm", "loose")
    tap.check(hoy.code != 0 and "loose" in text, "it runs: %d %s" % (hoy.code, text))
    tap.check(hoy("rm", "-f", "loose") == "" and hoy.code == 0, "by force")
    tap.check(api("GET", "/containers/loose/json")[0] == 404, "it is gone")
    for words in (("rm", "-f", "one"), ("pause", "one")):
        tap.check_match("declared in services.ini", hoy(*words), words[0])
    hoy("rm", "-x", "loose")
    tap.check(hoy.code == 2, "exit code %d" % hoy.code)


def rows(*words):
    """What it prints with --json, an object for each line."""
    text = hoy(*words, "--json")
    tap.check(hoy.code == 0, "%s: %s" % (words, text))
    return [json.loads(line) for line in text.splitlines()]


@tap.test("--json: df, steps, diff, commit, cp, export, save, history, prune, metrics, access and sbom have names of their own")
def _json_names():
    room = rows("df")
    tap.check({r["kind"] for r in room if "kind" in r} >= {"image", "container", "store"}, room)
    one = [r for r in room if r.get("name") == "one"][0]
    tap.check(set(one) == {"kind", "name", "bytes", "shared_bytes", "containers"} and one["kind"] == "container", one)
    steps = rows("steps", "debian:12")
    tap.check(steps and set(steps[0]) == {"id", "created", "created_by", "bytes"}, steps)
    tap.check(E.hoy("exec", "one", "touch", "/made here")[0] == 0, "a change")
    tap.check({"kind": "added", "path": "/made here"} in rows("diff", "one"), rows("diff", "one"))
    tap.check(re.fullmatch(r"sha256:[0-9a-f]{64}", rows("commit", "one", "made:1")[0]["id"]), "commit")
    copied = rows("cp", "one:/made here", "/data/transfer/")
    tap.check(set(copied[0]) == {"files", "bytes"} and copied[0]["files"] >= 1, copied)
    tap.check(rows("export", "one", "one.tar")[0]["bytes"] > 0, "export")
    saved = rows("save", "made.tar", "made:1")
    tap.check(set(saved[-1]) == {"text"} and all(set(r) == {"progress"} for r in saved[:-1]), saved)
    tap.check(rows("history", "one")[0] == {"name": "one", "ends": 0}, rows("history", "one"))
    tap.check(rows("rmi", "made:1") == [], "rmi has nothing to say")
    gone = rows("prune")[-1]
    tap.check(set(gone) == {"kind", "count", "bytes"} and gone["kind"] == "unused", gone)
    tap.check(rows("prune", "cache")[-1]["kind"] == "cache", "prune of one kind")
    counters = {r["name"]: r for r in rows("metrics")}
    tap.check(counters["node_load1"]["labels"] == "" and float(counters["node_load1"]["value"]) >= 0, counters["node_load1"])
    tap.check('name="' in counters["container_last_seen"]["labels"], counters["container_last_seen"])
    tap.check(rows("access", "list") == [] and set(rows("store", "check")[-1]) == {"text"}, "access, store")
    tap.check(rows("image", "sbom", "debian:12")[0]["spdxVersion"] == "SPDX-2.3", "the document on one line")
    tap.check(set(rows("version")[0]) == {"version"} and {r["name"] for r in rows("help")} > {"access", "users"}, "version, help")


@tap.test("hoy prune containers: what does not run and all filters let through; no filter is left out in silence")
def _prune():
    def make(name, **labels):
        status, made = api("POST", "/containers/create?name=" + name, {"Image": "busybox:latest", "Cmd": ["sleep", "100000"], "Labels": labels})
        tap.check(status == 201, made)

    make("kept", a="1", stay="")
    make("first", a="1", b="2")
    make("other", a="2", b="2")
    make("runs", a="1", b="2")
    tap.check(api("POST", "/containers/runs/start")[0] == 204, "start")
    for filters, gone in ((("until=1h",), []), (("until=1970-01-01",), []), (("label=a=1", "label=b=3"), []), (("label=a=1", "label!=stay"), ["first"]),
                          (("label=b",), ["other"]), (("label=stay",), ["kept"])):
        text = hoy("prune", "containers", *(word for f in filters for word in ("--filter", f)))
        tap.check(hoy.code == 0 and text.split("\n") == gone + ["%d containers removed" % len(gone), ""], "%s: %r" % (filters, text))
    tap.check(hoy("rm", "-f", "runs") == "", "runs")
    for words in (("volumes", "--filter", "label=a"), ("cache", "--filter", "until=1h"), ("images", "--filter", "colour=red"),
                  ("images", "--filter", "until=soon"), ("images", "--filter", "label"), ("containers", "-a"), ("nothing",)):
        hoy("prune", *words)
        tap.check(hoy.code == 2, "%s: exit code %d" % (words, hoy.code))
    tap.check(re.search(r"(?m)^one .* running", hoy("ps")), "what is declared stays")


@tap.test("other names: containers is ps, keys is access list, and help says so")
def _alias():
    names = [re.findall(r"(?m)^\w+", hoy(verb)) for verb in ("containers", "ps")]
    tap.check(names[0] == names[1] and names[0][:3] == ["NAME", "one", "two"], names)
    tap.check(hoy("keys") == hoy("access", "list") and hoy("keys").startswith("NAME "), hoy("keys"))
    tap.check_match(r"the same as `access list`", hoy("help", "keys"), "help")
    wide = [line for line in hoy("help").splitlines() if len(line) > 80]
    tap.check(not wide, "more than a terminal shows of a line: %r" % wide)


def on_terminal(*words):
    """What hoy prints on a terminal of 80 columns."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("<4H", 24, 80, 0, 0))
    done = subprocess.Popen(["chroot", E.root, "/usr/bin/hoy"] + list(words), stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(master)
    done.wait()
    return text.decode().replace("\r", "")


@tap.test("ps on a terminal: no row is wider than it; with --no-trunc, through a pipe and as JSON it is whole")
def _width():
    name = "busybox-of-a-very-long-repository/with-another-long-part"
    tap.check("" == hoy("tag", "busybox:latest", name + ":1") or hoy.code == 0, "tag")
    E.write("services.ini", SERVICES + "\n[service a-service-with-a-long-name]\nimage = %s:1\nports = 127.0.0.1:18080:80\n"
            "ports = 127.0.0.1:18443:443\ncommand = sleep 100000\nstop_grace_period = 1s\n" % name)
    E.engine.send(RELOAD)
    engine.wait_for("its row", lambda: re.search(r"(?m)^a-service-with.*running.*18443", hoy("ps")))
    lines = on_terminal("ps").splitlines()
    tap.check(len(lines) > 3 and not [line for line in lines if len(line) > 80], lines)
    row = next(line for line in lines if line.startswith("a-service-with"))
    tap.check(row.endswith("..") and "running" in row, row)
    whole = next(line for line in hoy("ps").splitlines() if line.startswith("a-service-with"))
    tap.check("18443" in whole and "18443" in on_terminal("ps", "--no-trunc") and "18443" in on_terminal("--json", "ps"), whole)
    E.write("services.ini", SERVICES)
    E.engine.send(RELOAD)
    engine.wait_for("it to go", lambda: "a-service-with" not in hoy("ps"))


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


@tap.test("zero bytes and a section without a name cost what they stand in: said with file and line, all else runs")
def _bytes():
    E.write("services.ini", SERVICES + "\n[service]\nimage = busybox:latest\n\n[service torn]\nimage = busy\0box\n"
            "\n[serv\0ice lost]\nimage = busybox:latest\n")
    E.engine.send(RELOAD)
    engine.wait_for("torn to be refused", lambda: re.search(r"(?m)^torn\s.*refused", hoy("ps")))
    rows = [json.loads(line)["name"] for line in hoy("ps", "--json").splitlines()]
    tap.check(sorted(row for row in rows if row in ("one", "two", "torn", "")) == ["one", "torn", "two"], rows)
    tap.check(len(re.findall(r"(?m)^(one|two)\s.*running", hoy("ps"))) == 2, hoy("ps"))
    issues = E.log()
    first = SERVICES.count("\n") + 2
    for line, words in ((first, r"1: \[service\] needs a name: \[service NAME\]"), (first + 4, r"13: the line contains the control character \\x00"),
                        (first + 6, r"6: the line contains the control character \\x00")):
        tap.check_match(r"services\.ini:%d:%s" % (line, words), issues, "the log")
    E.write("services.ini", SERVICES)
    E.engine.send(RELOAD)
    engine.wait_for("it to go", lambda: "torn" not in hoy("ps"))


@tap.test("compose takes a word that is no file for none: it says what there is; app is another name for it")
def _compose_words():
    for line in (("compose", "ls"), ("app", "ls")):
        text = hoy(*line)
        tap.check(hoy.code == 2 and text.startswith("ls is no file here; usage: compose FILE"), text)
    tap.check("/config/none.yaml" in hoy("app", "up", "/config/none.yaml"), "app up reads a file")


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



COMPOSE = """
services:
  web:
    image: busybox:${TAG:-latest}
    command: ["sh", "-c", "echo $$WORD; exec sleep 1000"]
    environment: {WORD: composed}
    depends_on: {db: {condition: service_healthy}}
    deploy: {resources: {limits: {memory: 32m}}}
    build: .
  db:
    image: busybox
    command: sleep 1000
    healthcheck: {test: ["CMD", "true"], interval: 1s, retries: 60}
"""


@tap.test("compose: a file as sections that run; what is not taken is said with its line, and what is no YAML")
def _compose():
    path = os.path.join(E.root, "config/compose.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(COMPOSE)
    text = hoy("compose", "/config/compose.yaml")
    tap.check(hoy.code == 1 and "# line 9: service web: build: .: not taken" in text and "1 of its keys is not taken" in text, text)
    with open(path, "w", encoding="ascii") as f:
        f.write(COMPOSE.replace("    build: .\n", ""))
    sections = hoy("compose", "/config/compose.yaml")
    tap.check(hoy.code == 0 and "#" not in sections and "depends_on = db:healthy\nmem_limit = 32m\n" in sections, sections)
    E.write("services.ini", sections)
    E.engine.send(RELOAD)
    engine.wait_for("what the web says", lambda: "composed" in hoy("logs", "web"))
    with open(path, "w", encoding="ascii") as f:
        f.write("services: {web: {image: [")
    text = hoy("compose", "/config/compose.yaml")
    tap.check(hoy.code == 2 and "line " in text, "%d %r" % (hoy.code, text))


@tap.test("save and load: the file stands first or behind Docker's -o and -i; another option is named")
def _archived():
    path = "/data/transfer/archived.tar"
    for words in (("save", path, "alpine:3"), ("save", "-o", path, "alpine:3"),
                  ("save", "debian:12", "alpine:3", "--output", path)):
        text = hoy(*words)
        tap.check(hoy.code == 0 and re.search(r"\d{4,} bytes", text), "%s: %s" % (words, text))
        text = hoy("load", "-i", path)
        tap.check(hoy.code == 0 and "alpine:3" in text, text)
        tap.check(("debian:12" in text) == ("debian:12" in words), text)
        os.unlink(E.root + path)
    for words, said in ((("save", "-x", path, "alpine:3"), "no option -x; `help save` lists them"),
                        (("save", "alpine:3", "-o"), "-o is followed by a file"),
                        (("load", "-i"), "-i is followed by a file"), (("save", path), "usage: save")):
        text = hoy(*words)
        tap.check(hoy.code == 2 and said in text, "%s: %d: %s" % (words, hoy.code, text))


try:
    tap.run()
finally:
    E.stop()
