#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stateful fuzz of the Docker API against the real engine and netd: every route of the API's description.

tests/fixture/docker_api.tsv lists the routes. Each call is drawn from what is known of the engine's
objects, right or spoilt in one place; each route is called ROUTE_CALLS times, then as chance has it. HOY_FUZZ_CALLS
and HOY_FUZZ_SEED change number and seed (always the same one here, the time's in torture); the matrix of route and
status stands in build/engine-api-fuzz/matrix.
"""
import collections
import http.client
import io
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import deb, engine, image, tap  # noqa: E402

CALLS = int(os.environ.get("HOY_FUZZ_CALLS", "20000"))
STRICT = bool(os.environ.get("HOY_FUZZ_STRICT"))
SEED = os.environ.get("HOY_FUZZ_SEED") or (str(time.time_ns()) if STRICT else "1")
BUDGET_S = float(os.environ.get("HOY_FUZZ_SECONDS", "60"))
THREADS = 4
ROUTE_CALLS = 5  # of each, whatever the time; more than half of them have to be answered
# An object that another thread ended between two looks at it; the only 500 that is let through, a few times.
RACES_MAX = 5
RACE = re.compile(rb"no such|not found|is not running|is gone|has ended", re.IGNORECASE)
CALL_LIMIT_S = 120
# A registry that is not there answers these: 500 is what Docker says then.
REGISTRY = {"/images/create", "/images/search", "/auth", "/distribution/{name}/json", "/images/{name}/push", "/build"}
SWARM = ("/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs")
STREAMS = {"/events", "/containers/{id}/stats", "/containers/{id}/logs", "/containers/{id}/attach", "/containers/{id}/wait",
           "/exec/{id}/start", "/containers/{id}/attach/ws", "/session"}
NOWHERE = "127.0.0.1:1/none"


def routes():
    with open(os.path.join(os.path.dirname(HERE), "fixture", "docker_api.tsv"), encoding="ascii") as f:
        for line in f:
            if not line.startswith("#"):
                method, path, statuses, parameters = line.rstrip("\n").split("\t")
                yield (method, path), statuses.split(","), [p.split(":") for p in parameters.split()]


ROUTES = list(routes())
# How often a route is drawn: what starts processes or walks over files costs more than a list.
RARE = {"/build": 1, "/commit": 1, "/images/load": 1, "/images/get": 1, "/images/{name}/get": 1, "/containers/{id}/export": 1,
        "/containers/{id}/start": 3, "/containers/{id}/restart": 1, "/containers/{id}/stop": 2, "/containers/{id}/attach": 2,
        "/exec/{id}/start": 2, "/containers/{id}/archive": 2, "/containers/prune": 1, "/images/prune": 1, "/volumes/prune": 1,
        "/networks/prune": 1, "/networks/create": 2, "/build/prune": 1, "/system/df": 1, "/containers/{id}/changes": 1, "/images/create": 1,
        "/images/search": 1, "/auth": 1, "/distribution/{name}/json": 1, "/images/{name}/push": 1, "/containers/{id}/wait": 3,
        "/containers/{id}/pause": 2, "/containers/{id}/top": 3, "/containers/{id}/stats": 3, "/networks/{id}/connect": 2,
        "/networks/{id}/disconnect": 2, "/containers/{id}/exec": 6, "/containers/create": 12}


class Plain(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL_LIMIT_S)
        folder = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH)
        try:
            self.sock.connect("/proc/self/fd/%d/docker.sock" % folder)
        finally:
            os.close(folder)


class World:
    """What was made so far, as far as the answers told."""

    def __init__(self):
        self.boxes, self.execs = {}, collections.deque(maxlen=16)
        self.volumes, self.networks, self.tags = set(), set(), {"busybox:latest"}

    def box(self, rng):
        names = list(self.boxes)
        return rng.choice(names) if names else "box-0"

    def exec(self, rng):
        return rng.choice(list(self.execs)) if self.execs else "0" * 64


def archive(rng):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n in range(rng.randrange(4)):
            info = tarfile.TarInfo("f%d" % n)
            info.size = rng.randrange(3000)
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


def context(rng):
    text = b"FROM busybox\nENV A=%d\nLABEL l=%d\nCMD [\"true\"]\n" % (rng.randrange(5), rng.randrange(5))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def create(rng):
    host = {"NetworkMode": rng.choice(["none", "none", "none", "bridge", "host"])}
    for key, values in (("Memory", [0, 64 << 20]), ("AutoRemove", [False, True]), ("Privileged", [False, True]), ("ReadonlyRootfs", [False, True]),
                        ("CapAdd", [[], ["NET_ADMIN"]]), ("Binds", [[], ["vol-%d:/v" % rng.randrange(4)]]), ("Tmpfs", [{}, {"/t": "size=64k"}]),
                        ("PidsLimit", [0, 50]), ("Init", [False, True]), ("LogConfig", [{}, {"Type": "none"}]), ("GroupAdd", [[], ["12"]]),
                        ("RestartPolicy", [{}, {"Name": "no"}]), ("Ulimits", [[], [{"Name": "nofile", "Soft": 64, "Hard": 64}]])):
        if rng.random() < 0.2:
            host[key] = rng.choice(values)
    body = {"Image": "busybox", "HostConfig": host, "Labels": {"n": str(rng.randrange(3))},
            "Cmd": rng.choice([["sleep", "1000"], ["sh", "-c", "echo out; echo err >&2; sleep 1000"], ["true"], ["seq", "1", "100"]])}
    for key in ("Tty", "OpenStdin"):
        body[key] = rng.random() < 0.2
    return body


BODIES = {
    ("POST", "/containers/create"): create,
    ("POST", "/containers/{id}/update"): lambda rng: {"Memory": rng.choice([0, 96 << 20]), "MemorySwap": -1 if rng.random() < .1 else 0},
    ("POST", "/containers/{id}/exec"): lambda rng: {"Cmd": rng.choice([["true"], ["echo", "x"], ["nothing-here"]]), "AttachStdout": True, "Tty": rng.random() < .2},
    ("POST", "/exec/{id}/start"): lambda rng: {"Detach": rng.random() < .7},
    ("POST", "/volumes/create"): lambda rng: {"Name": "vol-%d" % rng.randrange(6), "Labels": {"a": "b"}},
    ("POST", "/networks/create"): lambda rng: {"Name": "net-%d" % rng.randrange(3), "Internal": rng.random() < .3},
    ("POST", "/networks/{id}/connect"): lambda rng: {"Container": W.box(rng)},
    ("POST", "/networks/{id}/disconnect"): lambda rng: {"Container": W.box(rng), "Force": True},
    ("POST", "/auth"): lambda rng: {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1"},
    ("POST", "/commit"): lambda rng: {"Cmd": ["true"]},
}
RAW = {("PUT", "/containers/{id}/archive"): archive, ("POST", "/build"): context, ("POST", "/images/load"): lambda rng: LOADABLE}
VALUES = {"path": lambda rng: rng.choice(["/", "/tmp", "/bin", "/bin/busybox"]), "name": lambda rng: "box-%d" % rng.randrange(14),
          "signal": lambda rng: rng.choice(["KILL", "TERM", "9", "SIGUSR1"]), "t": lambda rng: "0", "condition": lambda rng: rng.choice(["not-running", "removed"]),
          "repo": lambda rng: "tag-%d" % rng.randrange(4), "tag": lambda rng: "v%d" % rng.randrange(3), "container": lambda rng: W.box(rng),
          "names": lambda rng: "busybox", "term": lambda rng: NOWHERE, "fromImage": lambda rng: NOWHERE, "tail": lambda rng: "5",
          "filters": lambda rng: rng.choice(["", '{"label":["a=b"]}', '{"label":{"n=1":true}}']), "h": lambda rng: "24", "w": lambda rng: "80",
          "type": lambda rng: rng.choice(["container", "volume", "image"]), "until": lambda rng: "1", "since": lambda rng: "0", "ps_args": lambda rng: ""}
# What a client asks for where it matters, beside what is drawn.
FIXED = {"/containers/{id}/archive": ["path"], "/images/{name}/tag": ["repo", "tag"], "/containers/{id}/rename": ["name"], "/images/get": ["names"],
         "/commit": ["container", "repo"], "/containers/{id}/logs": ["stdout", "tail"], "/images/search": ["term"], "/images/create": ["fromImage"],
         "/containers/{id}/stop": ["t"], "/containers/{id}/restart": ["t"], "/containers/{id}/resize": ["h", "w"], "/exec/{id}/resize": ["h", "w"],
         "/containers/create": ["name"], "/containers/{id}/stats": ["one-shot"]}
DROPPED = {"platform", "ps_args", "fromSrc", "remote", "memory", "memswap", "cpushares", "cpusetcpus", "cpuperiod", "cpuquota", "shmsize", "squash",
           "networkmode", "outputs", "version", "cachefrom", "buildargs", "labels", "extrahosts", "dockerfile", "target", "keep-storage",
           "reserved-space", "max-used-space", "min-free-space", "changes", "platforms", "all", "detachKeys", "noOverwriteDirNonDir", "t", "message"}
ODD = ["", " ", "%", "%00", "..", "../../etc", "a" * 300, "-1", "99999999999999999999", "\u00e4", "{", "[]", "null", "UPPER/x:y:z", "%2e%2e%2f"]


def argument(method, path, rng):
    if (method, path) == ("DELETE", "/images/{name}"):  # the one that all need stays
        return rng.choice(sorted(W.tags - {"busybox:latest"}) or ["tag-0:v0"])
    if path.startswith("/containers"):
        return W.box(rng)
    if path.startswith("/exec"):
        return W.exec(rng)
    if path.startswith("/images"):
        return rng.choice(sorted(W.tags)) if path != "/images/{name}/push" else NOWHERE
    if path.startswith("/volumes"):
        return rng.choice(sorted(W.volumes) or ["vol-0"])
    if path.startswith("/networks"):
        return rng.choice(sorted(W.networks) or ["net-0"])
    return NOWHERE if path.startswith("/distribution") else "x%d" % rng.randrange(4)


def draw(rng, number):
    """(route, target, body, headers) of call `number`"""
    first = number < ROUTE_CALLS * len(ROUTES)
    (method, path), _, parameters = ROUTES[number % len(ROUTES)] if first else rng.choices(ROUTES, WEIGHTS)[0]
    spoilt = rng.random() < 0.3
    query, body, headers = {}, None, {}
    wanted = FIXED.get(path, [])
    for name, kind in parameters:
        if kind == "j" or (name in DROPPED and name not in wanted) or (name not in wanted and rng.random() < 0.7):
            continue
        if kind == "b":
            query[name] = rng.choice("01") if name not in wanted else "1"
        elif name in VALUES:
            query[name] = VALUES[name](rng)
        elif kind == "i":
            query[name] = str(rng.randrange(10))
    if path == "/events":
        query["until"] = "%d" % time.time()
    if path == "/build":
        query["t"] = "tag-%d:b" % rng.randrange(3)
    if (method, path) in BODIES:
        body = json.dumps(BODIES[method, path](rng)).encode()
        headers["Content-Type"] = "application/json"
    elif (method, path) in RAW:
        body = RAW[method, path](rng)
        headers["Content-Type"] = "application/x-tar"
    where = argument(method, path, rng)
    if spoilt:
        where, body = spoil(rng, path, where, query, body, [p[0] for p in parameters if p[1] != "j"])
    target = "/v1.%d" % rng.choice([24, 40, 43, 47, 51]) + path.replace("{id}", urllib.parse.quote(where, safe="/:@"))
    target = target.replace("{name}", urllib.parse.quote(where, safe="/:@"))
    if query:
        target += "?" + urllib.parse.urlencode(query)
    return (method, path), target, body, headers


def spoil(rng, path, where, query, body, names):
    """One place of a call that was right."""
    ways = ["name"] * ("{" in path) + ["query"] * bool(names) + ["body"] * (body is not None)
    way = rng.choice(ways or ["query"])
    if way == "name":
        where = rng.choice(["nothing", "0" * 64] + ODD) or "nothing"
    elif way == "query" and names:
        query[rng.choice(names)] = rng.choice(ODD)
    elif way == "body":
        body = rng.choice([b"", b"{", b"[]", b"null", b"\xff\xfe", body[:len(body) // 2], b'{"Image":1}', b'{"Image":"busybox","HostConfig":[]}',
                           body.replace(b'"', b"'"), json.dumps({"Cmd": {"a": []}, "Name": 7, "Image": "none:1"}).encode(), body + body])
    return where, body


class Run:
    """What all threads count."""

    def __init__(self):
        self.lock = threading.Lock()
        self.matrix = collections.Counter()
        self.taken, self.bad, self.races, self.hung = 0, [], [], []
        self.end = time.monotonic() + BUDGET_S

    def take(self):
        """The number of the next call, None when there shall be no more."""
        with self.lock:
            late = time.monotonic() > self.end and self.taken >= ROUTE_CALLS * len(ROUTES)
            if self.taken >= CALLS or len(self.bad) > 20 or self.hung or late:
                return None
            self.taken += 1
            return self.taken - 1

    def note(self, route, target, body, status, data):
        with self.lock:
            self.matrix[route, status] += 1
            method, path = route
            known = status < 500 or (path in REGISTRY and status in (500, 503)) or (status == 503 and (path.startswith(SWARM) or route == ("PUT", "/volumes/{name}"))) or status == 501
            race = status == 500 and "{" in path and RACE.search(data)
            if not known or (status >= 400 and method != "HEAD" and not has_message(data)):
                (self.races if race else self.bad).append("%d %r: %s %.300s %r" % (status, data[:300], method, target, (body or b"")[:200]))


def has_message(data):
    try:
        return isinstance(json.loads(data)["message"], str)
    except (ValueError, KeyError, TypeError):
        return False


def learn(route, target, status, data):
    """Keeps the world up to date; several threads do: a name that is gone costs a 404."""
    name = urllib.parse.unquote(target.split("?")[0].rsplit("/", 1)[1])
    if route == ("POST", "/containers/create") and status == 201:
        W.boxes[json.loads(data)["Id"]] = True
    elif route == ("DELETE", "/containers/{id}") and status in (204, 404):
        W.boxes.pop(name, None)
    elif route == ("POST", "/containers/{id}/exec") and status == 201:
        W.execs.append(json.loads(data)["Id"])
    elif route == ("POST", "/volumes/create") and status == 201:
        W.volumes.add(json.loads(data)["Name"])
    elif route == ("DELETE", "/volumes/{name}") and status == 204:
        W.volumes.discard(name)
    elif route == ("POST", "/networks/create") and status == 201:
        W.networks.add(json.loads(data)["Id"])
    elif route == ("POST", "/images/{name}/tag") and status == 201:
        query = urllib.parse.parse_qs(target.split("?")[1])
        W.tags.add("%s:%s" % (query["repo"][0], query.get("tag", ["latest"])[0]))
    elif route == ("DELETE", "/images/{name}") and status == 200:
        W.tags.discard(name)
    elif route == ("DELETE", "/networks/{id}") and status == 204:
        W.networks.discard(name)
    if len(W.boxes) > 40:
        for ident in list(W.boxes)[:20]:
            ask("DELETE", "/containers/%s?force=1" % ident)
            W.boxes.pop(ident, None)


def ask(method, target, body=None, headers=None):
    connection = Plain("docker", timeout=CALL_LIMIT_S)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def one(connection, rng, number):
    """One call; a stream is read for a moment and left. Returns whether the connection can be used again."""
    route, target, body, headers = draw(rng, number)
    streams = route[1] in STREAMS
    if streams and rng.random() < 0.3:
        headers.update({"Connection": "Upgrade", "Upgrade": "tcp"})
    connection.request(route[0], target, body, headers)
    answer = connection.getresponse()
    if streams and answer.status in (101, 200):
        connection.sock.settimeout(0.05) if connection.sock else None
        data = b""
        try:
            if answer.status == 200:
                data = answer.read(2000)
        except (OSError, http.client.HTTPException, AttributeError):
            pass
        R.note(route, target, body, answer.status, data)
        return False
    data = answer.read()
    R.note(route, target, body, answer.status, data)
    learn(route, target, answer.status, data)
    return not answer.will_close


def work(number):
    rng = random.Random("%s/%d" % (SEED, number))
    connection = None
    while (call := R.take()) is not None:
        try:
            connection = connection or Plain("docker", timeout=CALL_LIMIT_S)
            keep = one(connection, rng, call)
        except (ConnectionError, http.client.HTTPException) as e:
            keep = False
            with R.lock:
                R.matrix["", "connection"] += 1
                if R.matrix["", "connection"] > CALLS // 50:
                    R.bad.append("connections end without an answer: %r" % e)
        except OSError as e:
            keep = False
            with R.lock:
                R.hung.append("no answer within %d s: %r" % (CALL_LIMIT_S, e))
        if not keep and connection:
            connection.close()
            connection = None


if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
E = engine.Engine("api-fuzz", images=[(image.busybox(), "busybox:latest")])
W, R = World(), Run()
WEIGHTS = [1 if path.startswith(SWARM + ("/plugins",)) else RARE.get(path, 10) for (_, path), _, _ in ROUTES]
LOADABLE = b""


def pids(role):
    found = []
    for pid in (int(n) for n in os.listdir("/proc") if n.isdigit()):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[:2] == [b"hoy-engine", role.encode()]:
                    found.append(pid)
        except OSError:
            continue
    return found


def holds(pid):
    """(number of fds, KiB of its own)"""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        rss = [int(line.split()[1]) for line in f if line.startswith("RssAnon:")]
    return len(os.listdir("/proc/%d/fd" % pid)), rss[0]


def clean():
    """Everything that was made goes; what is left is the engine."""
    for row in json.loads(ask("GET", "/containers/json?all=1")[1]):
        ask("DELETE", "/containers/%s?force=1&v=1" % row["Id"])
    for path in ("/networks/prune", "/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D"):
        ask("POST", path)


BEFORE = {}


@tap.test("the engine starts; its image is there")
def _start():
    global LOADABLE
    E.start()
    engine.wait_for("the image", lambda: b"busybox" in ask("GET", "/images/json")[1])
    LOADABLE = ask("GET", "/images/get?names=busybox")[1]
    # Everything that is made once stays: one of each, before it is counted.
    status, data = ask("POST", "/containers/create", json.dumps({"Image": "busybox", "Cmd": ["true"]}), {"Content-Type": "application/json"})
    tap.check(status == 201, data)
    ident = json.loads(data)["Id"]
    tap.check(ask("POST", "/containers/%s/start" % ident)[0] == 204, "start")
    ask("POST", "/containers/%s/wait" % ident)
    clean()
    for role in ("api", "main"):
        tap.check(len(pids(role)) == 1, role)
        BEFORE[role] = pids(role)[0], holds(pids(role)[0])
    # A prune must not take the image that all others are made of: this one runs, and no call knows of it.
    status, data = ask("POST", "/containers/create", json.dumps({"Image": "busybox", "Cmd": ["sleep", "100000"]}), {"Content-Type": "application/json"})
    tap.check(status == 201 and ask("POST", "/containers/%s/start" % json.loads(data)["Id"])[0] == 204, data)


@tap.test("calls of every route, right and spoilt: none crashes, hangs or is answered by 500")
def _fuzz():
    print("# seed %s" % SEED)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CALL_LIMIT_S + BUDGET_S + 60)
        tap.check(not thread.is_alive(), "a thread still waits for its answer; seed %s" % SEED)
    done = sum(R.matrix.values())
    fine = sum(n for (_, status), n in R.matrix.items() if status in (101, 200, 201, 204, 304))
    with open(os.path.join(E.work, "matrix"), "w", encoding="ascii") as f:
        for (method, path), documented, _ in ROUTES:
            row = sorted((s, n) for (route, s), n in R.matrix.items() if route == (method, path))
            missed = set(documented) - {str(s) for s, _ in row} - {"500"}
            f.write("%-6s %-32s %s%s\n" % (method, path, " ".join("%s:%d" % one for one in row), "  not reached: " + ",".join(sorted(missed)) if missed else ""))
    print("# %d calls, %d %% right; matrix in %s" % (done, 100 * fine // max(done, 1), os.path.join(E.work, "matrix")))
    for text in R.hung + R.bad + R.races:
        print("# " + text)
    tap.check(not R.hung and not R.bad, "seed %s\n%s" % (SEED, "\n".join(R.hung + R.bad)))
    tap.check(len(R.races) <= (0 if STRICT else RACES_MAX), "seed %s\n%s" % (SEED, "\n".join(R.races)))
    for route, _, _ in ROUTES:
        answers = sum(n for (answered, _), n in R.matrix.items() if answered == route)
        tap.check(answers > ROUTE_CALLS // 2, "%s %s: only %d answers; seed %s" % (*route, answers, SEED))
    tap.check(fine * 100 >= done * 40, "only %d of %d calls were right" % (fine, done))
    for role, (pid, _) in BEFORE.items():
        tap.check(pids(role) == [pid], "role %s has ended; seed %s\n%s" % (role, SEED, E.log()[-2000:]))


@tap.test("nothing is left behind: fds of the roles api and main, and memory within its bound")
def _left():
    clean()
    for role, (pid, (fds, kib)) in BEFORE.items():
        engine.wait_for("fds of role %s: %d before, now %d" % (role, fds, holds(pid)[0]), lambda pid=pid, fds=fds: holds(pid)[0] <= fds + 2)
        tap.check(holds(pid)[1] < kib + (24 << 10), "role %s: %d KiB before, %d now; seed %s" % (role, kib, holds(pid)[1], SEED))
    tap.check(ask("GET", "/_ping") == (200, b"OK"), "ping")


try:
    tap.run()
finally:
    E.stop()
    shutil.rmtree(os.path.join(E.root, "data"), ignore_errors=True)
