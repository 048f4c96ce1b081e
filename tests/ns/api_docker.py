#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The api role of the real engine: HTTP in, checked messages to engine main (played here), JSON out."""
import fcntl
import http.client
import json
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import store_peer as peer  # noqa: E402
from fixture import tap  # noqa: E402

(VIEWS, CREATE, START, STOP, RESTART, KILL, REMOVE, PAUSE, CHANGE, ATTACH, CANCEL, TTY, EVENTS,
 RECORDS) = range(0x360, 0x36E)
LOGS, VIEWS_BRIEF = 0x302, 0x35F
VOLUMES, VOLUME_MAKE, VOLUME_REMOVE, NETWORKS, NETWORK_MAKE, NETWORK_REMOVE = range(0x371, 0x377)
PULL_AS, ID, ATTACH_TOLD, EXEC_TOLD, EXEC_ENDED = 0x377, 0x379, 0x37A, 0x37C, 0x37D
IMAGE_DROP, PRUNE, USAGE, CACHE_PRUNE = 0x3C0, 0x30D, 0x39B, 0x3C5
CLIENTS_MAX = 1024  # DOCKER_CLIENTS_MAX
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def image_row(reference, config, created, architecture, disk, labels=(), made=0):
    """One row of STORE_MSG_IMAGE_LIST; the record is written as engine/oci/image.c does."""
    pairs = struct.pack("<I", len(labels)) + b"".join(peer.text(k) + peer.text(v) for k, v in labels)
    blank, none, text = bytes(32), struct.pack("<I", 0), peer.text
    record = (b"\x01" + text("" if reference.startswith("sha256:") else reference) + blank + bytes([config ^ 255]) * 32 + bytes([config]) * 32 + struct.pack("<QQ", 0, 0) +
              text("") + text("") + text(created) + text("") + text("linux") + text(architecture) + text("") + none +
              none * 7 + pairs + text("") * 3 + none + struct.pack("<qqqqI", 0, 0, 0, 0, 0) + none)
    return text(reference) + text(record) + struct.pack("<Qq", disk, made)


def view(name, state, number, started=1, code=0):
    """A container without a definition, as engine/api/view_msg.c writes it."""
    ident = ("%02x" % number) * 32
    row = (peer.text(ident) + peer.text(name) + peer.text("docker.io/library/x:1") + peer.text("") +
           peer.text("") + peer.text("none") + struct.pack("<BBBIiI", state, 0, 0, 77 if state == 1 else 0, code, 0) +
           peer.text("") + struct.pack("<IqqqI", 0, number * 10**9, started * 10**9, 0, 0) +
           struct.pack("<IQ", 0, number % 3))
    return peer.text(row)


def stage(layer, what, number, done, total):
    """How far a layer is: struct pull_progress, written as engine/api/pull_msg.c does."""
    return bytes([layer]) * 32 + struct.pack("<QQQ", done, total, 0) + peer.text(what) + bytes([number])


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Api:
    """The role with docker.sock, and a thread that answers as engine main would."""

    def __init__(self, name, answers, progress=()):
        self.root = peer.Root("api-" + name)
        self.answers = answers
        self.progress = dict(progress)
        self.asked, self.serials = [], []
        self.gate = threading.Event()
        self.gate.set()

    def __enter__(self):
        self.root.__enter__()
        listener = socket.socket(socket.AF_UNIX)
        # A path below the checkout may be longer than a socket's can be.
        folder = os.open(self.root.path, os.O_RDONLY)
        self.path = "/proc/%d/fd/%d/docker.sock" % (os.getpid(), folder)
        listener.bind(self.path)
        listener.listen(256)
        self.main, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = (theirs.fileno(), listener.fileno())
        root = self.root.path

        def child():
            os.chroot(root)
            os.chdir("/")
            high = [fcntl.fcntl(n, fcntl.F_DUPFD, 50) for n in numbers]  # not over one that is still to come
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        with open(os.path.join(root, "api.log"), "ab") as log:
            self.process = subprocess.Popen(["/engine", "api"], preexec_fn=child, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=(3, 4))
        theirs.close()
        listener.close()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.main.shutdown(socket.SHUT_RDWR)
        status = self.process.wait(timeout=60)
        self.thread.join(60)
        self.main.close()
        self.root.__exit__()
        tap.check(status == 0, "the role ends by itself: %d" % status)

    def serve(self):
        while True:
            data = self.main.recv(1 << 20)
            if not data:
                return
            _, kind, _, serial, length, _, _ = struct.unpack("<4sHHIIHH", data[:20])
            if kind == EVENTS:
                continue  # a subscription: nothing happens
            kind = VIEWS if kind == VIEWS_BRIEF else kind  # without a definition both are one
            self.asked.append((kind, data[20:20 + length]))
            self.serials.append((kind, serial))
            self.gate.wait(60)
            for body in self.progress.get(kind, ()):
                head = struct.pack("<4sHHIIHH", b"HOY1", kind, peer.REPLY | 4, serial, len(body), 0, 0)
                self.main.send(head + body)
            if kind in self.progress and kind not in self.answers:
                continue  # more is to come, and never does
            body = self.answers.get(kind, OSError(38, "the test has no answer to call %#x" % kind))
            if callable(body):
                body = body(data[20:20 + length])
            if body is None:
                continue  # engine main takes its time
            if isinstance(body, OSError):
                body = struct.pack("<i", -body.errno) + peer.text(body.strerror)
                head = struct.pack("<4sHHIIHH", b"HOY1", kind, peer.REPLY | 2, serial, len(body), 0, 0)
                self.main.send(head + body)
                continue
            head = struct.pack("<4sHHIIHH", b"HOY1", kind, peer.REPLY, serial, len(body), 0, 0)
            self.main.send(head + body)

    def get(self, path):
        connection = Connection(self.path)
        connection.request("GET", path)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def post(self, path, body=None):
        connection = Connection(self.path)
        connection.request("POST", path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def json(self, path):
        status, data = self.get(path)
        tap.check(status == 200, "%s: %d %r" % (path, status, data))
        return json.loads(data)


@tap.test("version and info name the machine that runs")
def machine():
    own = os.uname()
    views = struct.pack("<I", 3) + view("a", 1, 1) + view("b", 2, 2) + view("c", 5, 3)
    with Api("machine", {VIEWS: views, RECORDS: struct.pack("<I", 0), ID: peer.text("one-of-all")}) as api:
        for path in ("/version", "/v1.43/version"):
            version = api.json(path)
            tap.check(version["Arch"] == MACHINES[own.machine], version)
            tap.check(version["KernelVersion"] == own.release and version["Os"] == "linux", version)
        info = api.json("/info")
        tap.check(info["Architecture"] == own.machine and info["KernelVersion"] == own.release, info)
        counts = [info["Containers" + k] for k in ("", "Running", "Paused", "Stopped")]
        tap.check(counts == [3, 1, 1, 1] and info["Images"] == 0, info)
        tap.check(info["Swarm"]["LocalNodeState"] == "inactive", info)
        tap.check([k for k, _ in api.asked] == [ID, VIEWS, RECORDS], "version asks nobody")
        tap.check(info["ID"] == "one-of-all" == api.json("/info")["ID"] and [k for k, _ in api.asked].count(ID) == 1, "asked once")


@tap.test("images have the time their config says and what they take on the disk")
def images():
    rows = [("a:1", "2026-01-02T03:04:05.678+02:00", 1767315845), ("b:1", "", 0), ("c:1", "yesterday", 0),
            ("d:1", "1970-01-01T00:00:00Z", 0), ("e:1", "2000-02-29T12:00:00Z", 951825600)]
    body = struct.pack("<I", len(rows)) + b"".join(image_row("docker.io/library/" + r, n + 1, c, "arm64", 4096 + n)
                                                   for n, (r, c, _) in enumerate(rows))
    with Api("images", {RECORDS: body}) as api:
        got = api.json("/v1.51/images/json")
        tap.check(len(got) == len(rows), got)
        tap.check([row["Created"] for row in got] == sorted((r[2] for r in rows), reverse=True), "the newest first")
        for n, (row, (reference, _, seconds)) in enumerate(zip(sorted(got, key=lambda row: row["RepoTags"]), rows)):
            tap.check(row["RepoTags"] == [reference] and row["Created"] == seconds and row["Size"] == 4096 + n, row)
            tap.check(row["Id"] == "sha256:" + ("%02x" % (n + 1)) * 32, row)
        for name in ("c:1", "docker.io/library/c:1", "sha256:" + "03" * 32, "03" * 6):
            one = api.json("/images/%s/json" % name)
            tap.check(one["RepoTags"] == ["c:1"] and one["Architecture"] == "arm64" and one["Os"] == "linux", one)
        for name, want, text in (("z", 404, "No such image: z:latest"), ("UPPER", 400, "invalid reference format: repository name (library/UPPER) must be lowercase")):
            status, data = api.get("/images/%s/json" % name)
            tap.check(status == want and json.loads(data)["message"] == text, data)


@tap.test("ps: the newest first, all or those that run, limit and filters")
def listed():
    views = struct.pack("<I", 4) + view("old", 5, 1, code=3) + view("up", 1, 2) + view("held", 2, 3) + view("new", 0, 4)
    with Api("listed", {VIEWS: views}) as api:
        def names(query):
            return [row["Names"][0] for row in api.json("/v1.51/containers/json" + query)]
        tap.check(names("") == ["/held", "/up"], names(""))
        tap.check(names("?all=1") == ["/new", "/held", "/up", "/old"], names("?all=1"))
        tap.check(names("?limit=1") == ["/new"], names("?limit=1"))
        table = (({"status": ["exited"]}, ["/old"]), ({"name": ["^/?ne"]}, []), ({"name": ["e"]}, ["/new", "/held"]),
                 ({"exited": {"3": True}}, ["/old"]), ({"id": ["0202"]}, ["/up"]), ({"before": ["held"]}, ["/up", "/old"]),
                 ({"since": ["up"]}, ["/new", "/held"]), ({"label": ["a=b"]}, []))
        for wanted, want in table:
            got = names("?all=1&filters=" + urllib.parse.quote(json.dumps(wanted)))
            tap.check(got == want, "%s: %s" % (wanted, got))
        for path, status in (("?filters=%7B%22no%22%3A%5B%22a%22%5D%7D", 400), ("?filters=%5B", 400), ("?limit=x", 400)):
            got, data = api.get("/containers/json" + path)
            tap.check(got == status and "message" in json.loads(data), "%s: %d %r" % (path, got, data))
        row = api.json("/containers/json?all=1")[3]
        tap.check(row["State"] == "exited" and row["Status"].startswith("Exited (3) "), row)


def volume(name, users=0, labels=None, created=1):
    api = json.dumps({"Labels": labels or {}, "Options": None})
    return peer.text(name) + peer.text("/data/volumes/" + name) + peer.text(api) + struct.pack("<qI", created, users)


def network(name, labels=None, created=1, fixed=0):
    api = json.dumps({"Labels": labels or {}, "Options": {}})
    return (b"".join(peer.text(t) for t in (name, "", "10.9.0.0/24", "10.9.0.1", "hoy-x", api)) +
            struct.pack("<BBq", 0, fixed, created) + b"".join(peer.text(t) for t in ("bridge", "", "")))


def rows(*parts):
    return struct.pack("<I", len(parts)) + b"".join(parts)


def first_text(body):
    return body[4:4 + struct.unpack("<I", body[:4])[0]].decode()


def filtered(path, filters):
    return path + "?filters=" + urllib.parse.quote(json.dumps(filters))


def refuse(*names):
    """Engine main's answer to a removal: no for these, yes for all others."""
    return lambda body: OSError(17, "in use") if first_text(body) in names else b""


HELD = "0a" * 32  # a name that nobody gave


@tap.test("ps again and again: what was written before is what would be written now, whatever came, went or changed")
def ps_again():
    chance = random.Random(5)
    rows = {n: (1, 1) for n in range(1, 41)}  # state, start
    answer = {}
    with Api("again", answer) as api:
        for turn in range(60):
            for _ in range(turn % 4):
                n = chance.randrange(1, 61)
                act = chance.randrange(3)
                if act == 0:
                    rows.pop(n, None)
                else:
                    rows[n] = (chance.choice((0, 1, 2, 5)), chance.randrange(1, 9))
            body = struct.pack("<I", len(rows)) + b"".join(view("box%d" % n, rows[n][0], n, rows[n][1]) for n in chance.sample(sorted(rows), len(rows)))
            answer[VIEWS] = body
            for version in ("/v1.43", "/v1.51"):
                plain = api.json(version + "/containers/json?all=1")
                filtered = api.json(version + "/containers/json?limit=1000")
                for row in plain + filtered:  # a minute may pass in between
                    row["Status"] = row["Status"].split()[0]
                tap.check(plain == filtered and len(plain) == len(rows), (turn, version))
            up = api.json("/v1.51/containers/json")
            tap.check([row["Id"] for row in up] == [row["Id"] for row in plain if row["State"] in ("running", "paused", "restarting")], turn)


@tap.test("prune: only what all filters let through goes, and only what went is listed")
def prunes():
    old, now = 10**9, 2 * 10**9  # seconds
    volumes = rows(volume("plain"), volume(HELD, labels={"keep": "1", "a": "b"}), volume("0b" * 32, labels={"a": "b"}),
                   volume("0c" * 32, users=1, labels={"a": "b"}))
    networks = rows(network("bridge", fixed=1), network("old", {"x": "y", "keep": ""}, old), network("new", {"x": "y"}, now),
                    network("bare", created=old))
    views = rows(view("gone", 5, 1), view("up", 1, 2), view("new", 0, 3))
    # What stays has a size too: it must not count.
    usage = (struct.pack("<Q", 1 << 40) + rows() +
             rows(*(peer.text(i * 32) + peer.text("") * 3 + struct.pack("<qQ", 1, n) for i, n in (("01", 7), ("03", 300)))) +
             rows(*(peer.text(name) + struct.pack("<QI", n, 0) for name, n in (("plain", 1000), ("0b" * 32, 7), (HELD, 20)))))
    answers = {VIEWS: views, RECORDS: rows(), VOLUMES: volumes, NETWORKS: networks, VOLUME_REMOVE: refuse("0b" * 32),
               NETWORK_REMOVE: refuse("bare"), REMOVE: refuse("01" * 32), USAGE: usage,
               CACHE_PRUNE: struct.pack("<Q", 77) + rows(b"\xab" * 32 + struct.pack("<Q", 70))}
    sizes = {"plain": 1000, HELD: 20, "03" * 32: 300}  # of what goes
    many = {"label": ["l%d=x" % n for n in range(100)]}
    table = (("/v1.51/volumes/prune", {}, "VolumesDeleted", [HELD]),
             ("/v1.51/volumes/prune", {"label!": ["keep"]}, "VolumesDeleted", []),
             ("/v1.51/volumes/prune", {"label!": ["keep=2"]}, "VolumesDeleted", [HELD]),
             ("/v1.51/volumes/prune", {"label": ["a=c"]}, "VolumesDeleted", []),
             ("/v1.51/volumes/prune", {"all": ["1"]}, "VolumesDeleted", ["plain", HELD]),
             ("/v1.41/volumes/prune", {}, "VolumesDeleted", ["plain", HELD]),
             ("/v1.51/volumes/prune", many, "VolumesDeleted", []),
             ("/v1.51/networks/prune", {"label": ["x"]}, "NetworksDeleted", ["old", "new"]),
             ("/v1.51/networks/prune", {"label": ["x=y"], "label!": ["keep"]}, "NetworksDeleted", ["new"]),
             ("/v1.51/networks/prune", {"until": ["1500000000"]}, "NetworksDeleted", ["old"]),
             ("/v1.51/networks/prune", {"until": ["2017-07-14"]}, "NetworksDeleted", ["old"]),
             ("/v1.51/networks/prune", {"until": ["1000000h"]}, "NetworksDeleted", None),
             ("/v1.51/networks/prune", {}, "NetworksDeleted", ["old", "new"]),
             ("/v1.51/containers/prune", {}, "ContainersDeleted", ["03" * 32]),
             ("/v1.51/containers/prune", {"until": ["2.5"]}, "ContainersDeleted", None),
             ("/v1.51/containers/prune", {"label": ["a"]}, "ContainersDeleted", None),
             ("/v1.51/containers/prune", {"label!": ["a"]}, "ContainersDeleted", ["03" * 32]))
    with Api("prunes", answers) as api:
        for path, filters, key, want in table:
            status, data = api.post(filtered(path, filters))
            tap.check(status == 200 and json.loads(data)[key] == want, "%s %s: %d %r" % (path, filters, status, data))
            if key != "NetworksDeleted":
                tap.check(json.loads(data)["SpaceReclaimed"] == sum(sizes[name] for name in want or ()), data)
        for path, filters in (("/volumes/prune", {"until": ["1h"]}), ("/volumes/prune", {"all": ["maybe"]}),
                              ("/networks/prune", {"until": ["soon"]}), ("/networks/prune", {"colour": ["red"]}),
                              ("/networks/prune", {"until": ["1h", "2h"]}), ("/containers/prune", {"until": ["1x"]}),
                              ("/containers/prune", {"status": ["exited"]}), ("/build/prune", {"colour": ["red"]}),
                              ("/images/prune", {"dangling": ["true", "false"]}), ("/images/prune", {"before": ["x"]})):
            before = len(api.asked)
            status, data = api.post(filtered(path, filters))
            kinds = {kind for kind, _ in api.asked[before:]}
            tap.check(status == 400 and not kinds & {REMOVE, VOLUME_REMOVE, NETWORK_REMOVE, IMAGE_DROP, PRUNE},
                      "%s %s: %d %r" % (path, filters, status, data))
        status, data = api.post(filtered("/build/prune", {"label": ["a"], "type": ["regular"]}))
        tap.check(status == 400 and b"leave out the filter 'type'" in data, "a part of it is not to be had: %r" % data)
        for filters in ({"label": ["a"]}, {"label!": ["a"]}):  # of `system prune`: nothing is lost by them
            status, data = api.post(filtered("/build/prune", filters))
            tap.check(status == 200 and json.loads(data)["SpaceReclaimed"] == 0, data)
        status, data = api.post("/build/prune?min-free-space=1000")
        tap.check(status == 400 and CACHE_PRUNE not in [kind for kind, _ in api.asked], data)
        for query, wish in (("", (0, 0, 0)), ("?all=1&keep-storage=1000", (1, 0, 1000)), ("?max-used-space=7&reserved-space=5", (0, 0, 7)),
                            (filtered("", {"until": ["1500000000"]}), (0, 1500000000, 0))):
            status, data = api.post("/build/prune" + query)
            tap.check(status == 200 and json.loads(data) == {"CachesDeleted": ["ab" * 12 + "a"], "SpaceReclaimed": 77}, data)
            tap.check(struct.unpack("<BqQ", api.asked[-1][1]) == wish, "%s: %r" % (query, api.asked[-1]))


@tap.test("image prune: dangling, labels, until; one that stays does not stop the others")
def image_prunes():
    full = "docker.io/library/"
    records = rows(image_row("sha256:" + "05" * 32, 5, "2020-01-01T00:00:00Z", "amd64", 50),
                   image_row("sha256:" + "06" * 32, 6, "2022-01-01T00:00:00Z", "amd64", 60, [("a", "b")]),
                   image_row(full + "one:1", 1, "2020-01-01T00:00:00Z", "amd64", 10, [("a", "b"), ("c", "d")]),
                   image_row(full + "one:2", 1, "2020-01-01T00:00:00Z", "amd64", 10, [("a", "b"), ("c", "d")]),
                   image_row(full + "two:1", 2, "2022-01-01T00:00:00Z", "amd64", 20),
                   image_row(full + "built:1", 3, "2020-01-01T00:00:00Z", "amd64", 30, made=1656633600))  # 2022-07-01
    ids = {n: "sha256:" + ("%02x" % n) * 32 for n in (1, 2, 3, 5, 6)}

    def drop(body):
        return OSError(17, "in use") if first_text(body) == ids[5] else b"\1"

    table = (({}, [6]), ({"dangling": ["true"]}, [6]), ({"dangling": ["0"]}, [6, 1, 2, 3]),
             ({"dangling": ["false"], "label": ["a=b"]}, [6, 1]), ({"dangling": ["false"], "label!": ["a"]}, [2, 3]),
             ({"dangling": ["false"], "label": ["a", "c=d"]}, [1]), ({"dangling": ["false"], "until": ["2021-01-01T00:00:00Z"]}, [1]),
             ({"dangling": ["false"], "until": ["2022-06-01T00:00:00Z"]}, [6, 1, 2]),  # the date of a built one is its base's
             ({"dangling": ["false"], "until": ["2022-08-01T00:00:00Z"]}, [6, 1, 2, 3]), ({"until": ["2021-01-01"]}, []))
    with Api("image-prunes", {RECORDS: records, IMAGE_DROP: drop}) as api:
        for filters, want in table:
            status, data = api.post(filtered("/v1.51/images/prune", filters))
            got = [row["Deleted"] for row in json.loads(data)["ImagesDeleted"] or [] if "Deleted" in row]
            tap.check(status == 200 and got == [ids[n] for n in want], "%s: %d %r" % (filters, status, data))
        names = json.loads(api.post(filtered("/images/prune", {"dangling": ["0"], "label": ["c"]}))[1])
        tap.check(names["ImagesDeleted"][:2] == [{"Untagged": "one:1"}, {"Untagged": "one:2"}], names)
        tap.check(names["SpaceReclaimed"] == 10, names)


@tap.test("images: before, since, until, reference, label and dangling narrow the list")
def image_filters():
    full = "docker.io/library/"
    records = rows(image_row(full + "a:1", 1, "2020-01-01T00:00:00.5Z", "amd64", 1, [("k%d" % n, "v") for n in range(100)]),
                   image_row(full + "b:1", 2, "2020-01-01T00:00:00.7Z", "amd64", 1),
                   image_row("host:5000/team/c:2", 3, "2024-01-01T00:00:00Z", "amd64", 1),
                   image_row("sha256:" + "04" * 32, 4, "2023-01-01T00:00:00Z", "amd64", 1))
    table = (({"before": ["b:1"]}, [1]), ({"since": ["a"]}, None), ({"since": ["a:1"]}, [2, 3, 4]),
             ({"since": ["a:1"], "before": ["host:5000/team/c:2"]}, [2, 4]), ({"until": ["2023-06-01"]}, [1, 2, 4]),
             ({"reference": ["a"]}, [1]), ({"reference": ["*:1"]}, [1, 2]), ({"reference": ["host:5000/*/c"]}, [3]),
             ({"reference": ["host:5000/*"]}, []), ({"reference": ["[ab]"]}, [1, 2]), ({"label": ["k99=v"]}, [1]),
             ({"label!": ["k99"]}, [2, 3, 4]), ({"dangling": ["true"]}, [4]), ({"dangling": ["false"]}, [1, 2, 3]),
             ({"before": ["nothing"]}, None), ({"until": ["never"]}, None), ({"dangling": ["maybe"]}, None))
    with Api("image-filters", {RECORDS: records}) as api:
        for filters, want in table:
            status, data = api.get(filtered("/v1.51/images/json", filters))
            got = sorted(int(row["Id"][7:9], 16) for row in json.loads(data)) if status == 200 else None
            tap.check(got == want, "%s: %d %s instead of %s" % (filters, status, got, want))


@tap.test("errors have Docker's status and its JSON body, whatever engine main says")
def errors():
    table = ((2, 404), (16, 409), (17, 409), (22, 400), (114, 304), (11, 503), (12, 500), (95, 400))
    for number, want in table:
        with Api("errors", {START: OSError(number, "why \"not\"")}) as api:
            status, data = api.post("/v1.51/containers/x/start")
            tap.check(status == want, "%d: %d instead of %d" % (number, status, want))
            if want != 304:
                tap.check(json.loads(data) == {"message": "why \"not\""}, data)


@tap.test("wait has its head before the end, and its body after it")
def waits():
    with Api("waits", {VIEWS: struct.pack("<I", 1) + view("gone", 5, 9, code=7)}) as api:
        status, data = api.post("/v1.51/containers/gone/wait")
        tap.check(status == 200 and json.loads(data) == {"StatusCode": 7}, data)
        status, data = api.post("/v1.51/containers/gone/wait?condition=sometime")
        tap.check(status == 400, data)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"POST /v1.51/containers/gone/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n")
            tap.check(b"200 OK" in s.recv(4096), "no head")


@tap.test("versions below 1.24 and above 1.51 are refused by name")
def versions():
    with Api("versions", {}) as api:
        for version, word in (("1.23", "too old"), ("1.52", "too new")):
            status, data = api.get("/v%s/version" % version)
            tap.check(status == 400 and word in json.loads(data)["message"], data)
        for version in ("1.24", "1.51"):
            tap.check(api.get("/v%s/version" % version)[0] == 200, version)


@tap.test("a request that is cut into single bytes, and two in one write, are served as they are")
def pieces():
    with Api("pieces", {VIEWS: struct.pack("<I", 0)}) as api:
        ask = b"GET /v1.51/containers/json HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(api.path)
            for i in range(len(ask)):
                s.sendall(ask[i:i + 1])
            s.sendall(ask + ask)
            data = b""
            while data.count(b"[]\n") < 3:
                part = s.recv(4096)
                tap.check(part, "no answer: %r" % data)
                data += part
            tap.check(data.count(b"HTTP/1.1 200") == 3, data)


@tap.test("more clients at once than calls that engine main takes: each has its answer")
def crowd():
    with Api("crowd", {VIEWS: struct.pack("<I", 0)}) as api:
        sockets = []
        api.gate.clear()  # nobody is answered until all have asked
        for _ in range(150):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"GET /v1.51/containers/json HTTP/1.1\r\nHost: x\r\n\r\n")
            sockets.append(s)
        sockets.pop().close()  # one of those that wait gives up
        api.gate.set()
        for s in sockets:
            data = b""
            while b"[]\n" not in data:
                part = s.recv(4096)
                tap.check(part, "no answer: %r" % data)
                data += part
            tap.check(data.startswith(b"HTTP/1.1 200"), data)
            s.close()


@tap.test("calls that take their time have a share of the places: however many, another's question is answered")
def share():
    with Api("share", {VIEWS: struct.pack("<I", 0), STOP: lambda _: None}) as api:
        sockets = []
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"POST /v1.51/containers/slow/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            sockets.append(s)
        for _ in range(20):
            tap.check(api.get("/v1.51/containers/json") == (200, b"[]\n"), "while others wait")
        stops = [kind for kind, _ in api.asked].count(STOP)
        tap.check(0 < stops <= 32, stops)
        for s in sockets[:100]:
            s.close()  # their places are free for those behind them
        until = lambda: [kind for kind, _ in api.asked].count(STOP) > stops  # noqa: E731
        for _ in range(600):
            if until():
                break
            tap.check(api.get("/v1.51/containers/json")[0] == 200, "while places are handed on")
            time.sleep(0.1)
        tap.check(until(), "those who waited come next")
        for s in sockets[100:]:
            s.close()


@tap.test("clients that wait for a container's start, and processes that run, hold no place of a call; one client has not all of them")
def held():
    seen = lambda kind: [k for k, _ in api.asked].count(kind)  # noqa: E731
    answers = {VIEWS: struct.pack("<I", 1) + view("box", 1, 1), LOGS: b"", ATTACH_TOLD: b"", EXEC_TOLD: b"", CANCEL: b""}
    with Api("held", answers) as api:
        sockets = []
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"POST /v1.51/containers/box/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            tap.check(b"HTTP/1.1 200" in s.recv(4096), "taken over")
            sockets.append(s)
        tap.check(api.get("/v1.51/containers/json")[0] == 200, "while 200 wait")
        ended = [s for s in sockets[192:] if s.recv(10) == b""]
        tap.check(seen(ATTACH_TOLD) == 192 and len(ended) == 8, "%d wait, %d were let go" % (seen(ATTACH_TOLD), len(ended)))
        for s in sockets:
            s.close()
        codes = []
        for _ in range(100):
            made = json.loads(api.post("/v1.51/containers/box/exec", json.dumps({"Cmd": ["sleep", "9"]}))[1])
            codes.append(api.post("/v1.51/exec/%s/start" % made["Id"], json.dumps({"Detach": True}))[0])
        tap.check(codes == [200] * 96 + [503] * 4, codes)
        tap.check(seen(CANCEL) == 192, "those that went away are not waited for: %d" % seen(CANCEL))
        serials = [serial for kind, serial in api.serials if kind == EXEC_TOLD]
        body = struct.pack("<Ii", serials[0], 7)
        api.main.send(struct.pack("<4sHHIIHH", b"HOY1", EXEC_ENDED, 0, 0, len(body), 0, 0) + body)
        made = json.loads(api.post("/v1.51/containers/box/exec", json.dumps({"Cmd": ["sleep", "9"]}))[1])
        for _ in range(100):
            if api.post("/v1.51/exec/%s/start" % made["Id"], json.dumps({"Detach": True}))[0] == 200:
                break
            time.sleep(0.1)
        tap.check(seen(EXEC_TOLD) == 97, "one that ended makes room: %d" % seen(EXEC_TOLD))


def told(api, path):
    """The objects of the stream that a POST is answered with."""
    status, body = api.post("/v1.51" + path)
    tap.check(status == 200, "%d %r" % (status, body))
    return [json.loads(line) for line in body.splitlines()]


PULL_STAGES = [stage(0, "config", 0, 9, 9), stage(0xAB, "layer 1/2", 1, 0, 2500000), stage(0xCD, "layer 2/2", 1, 0, 30),
               stage(0xCD, "layer 2/2", 4, 0, 30), stage(0xAB, "layer 1/2", 0, 1250000, 2500000),
               stage(0xAB, "layer 1/2", 2, 2500000, 2500000), stage(0xAB, "layer 1/2", 3, 2500000, 2500000)]


@tap.test("a pull tells of each layer by its id, as Docker does, and whether the name means the same as before")
def pull_layers():
    answer = lambda same: peer.text("sha256:" + "ef" * 32) + bytes([same]) + struct.pack("<Q", 0)  # noqa: E731
    with Api("pull", {PULL_AS: answer(0)}, {PULL_AS: PULL_STAGES}) as api:
        lines = told(api, "/images/create?fromImage=shop/web&tag=1.4")
        half = {"current": 1250000, "total": 2500000}
        bar = "[" + "=" * 25 + ">" + " " * 25 + "]   1.25MB/2.5MB"
        tap.check(lines == [
            {"status": "Pulling from shop/web", "id": "1.4"},
            {"status": "Pulling fs layer", "progressDetail": {}, "id": "ab" * 6},
            {"status": "Pulling fs layer", "progressDetail": {}, "id": "cd" * 6},
            {"status": "Already exists", "progressDetail": {}, "id": "cd" * 6},
            {"status": "Downloading", "progressDetail": half, "progress": bar, "id": "ab" * 6},
            {"status": "Download complete", "progressDetail": {}, "id": "ab" * 6},
            {"status": "Pull complete", "progressDetail": {}, "id": "ab" * 6},
            {"status": "Digest: sha256:" + "ef" * 32},
            {"status": "Status: Downloaded newer image for shop/web:1.4"}], lines)
    with Api("pull-same", {PULL_AS: answer(1)}) as api:
        lines = told(api, "/images/create?fromImage=busybox&tag=latest")
        tap.check(lines == [{"status": "Pulling from library/busybox", "id": "latest"}, {"status": "Digest: sha256:" + "ef" * 32},
                            {"status": "Status: Image is up to date for busybox:latest"}], lines)


@tap.test("a push tells of each layer by its diffID, then digest and size of the manifest")
def push_layers():
    stages = [stage(0xAB, "layer 1/3", 1, 0, 9), stage(0xAB, "layer 1/3", 0, 9, 9), stage(0xAB, "layer 1/3", 3, 9, 9),
              stage(0xBC, "layer 2/3", 4, 0, 9), stage(0xCD, "layer 3/3", 5, 0, 9)]
    last = peer.text("sha256:" + "ef" * 32) + b"\0" + struct.pack("<Q", 528)
    with Api("push", {PULL_AS: last}, {PULL_AS: stages}) as api:
        lines = told(api, "/images/localhost:5000/shop/web/push?tag=1.4")
        tap.check([(line.get("status"), line.get("id")) for line in lines[:-1]] == [
            ("The push refers to repository [localhost:5000/shop/web]", None), ("Preparing", "ab" * 6), ("Pushing", "ab" * 6),
            ("Pushed", "ab" * 6), ("Layer already exists", "bc" * 6), ("Mounted from another repository", "cd" * 6),
            ("1.4: digest: sha256:%s size: 528" % ("ef" * 32), None)], lines)
        tap.check(lines[-1] == {"progressDetail": {}, "aux": {"Tag": "1.4", "Digest": "sha256:" + "ef" * 32, "Size": 528}}, lines)


@tap.test("a call counts until its last reply: pulls that stall behind their first line leave others their places")
def stalled():
    with Api("stalled", {VIEWS: struct.pack("<I", 0)}, {PULL_AS: [stage(7, "layer 1/1", 1, 0, 5)]}) as api:
        sockets = []
        for _ in range(100):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"POST /v1.51/images/create?fromImage=slow&tag=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            sockets.append(s)

        def pulls():
            return [kind for kind, _ in api.asked].count(PULL_AS)

        def answered(s):
            data = b""
            while b"Pulling fs layer" not in data:
                part = s.recv(4096)
                tap.check(part, "no progress: %r" % data)
                data += part
        for s in sockets[:32]:
            answered(s)
        for _ in range(20):
            tap.check(api.get("/v1.51/containers/json") == (200, b"[]\n"), "while pulls stall")
        tap.check(pulls() == 32, pulls())
        for s in sockets[:10]:
            s.close()
        for s in sockets[32:42]:
            answered(s)  # the oldest of those that wait, as many as went
        tap.check(pulls() == 42, pulls())
        for s in sockets[10:]:
            s.close()


@tap.test("slow clients beyond the bound: those that waited longest give way, a new one is served at once")
def _slow_clients():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with Api("slow", {VIEWS: struct.pack("<I", 0)}) as api:
        held = []
        for number in range(CLIENTS_MAX + 200):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(api.path)
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: x"[:1 + number % 28])
            held.append(sock)
            if number % 100 == 0:
                tap.check(api.get("/_ping") == (200, b"OK"), "beside %d" % number)
        tap.check(api.get("/containers/json")[0] == 200, "when all places are taken")
        held[0].settimeout(60)
        try:
            tap.check(held[0].recv(100) == b"", "the first one has gone")
        except ConnectionResetError:
            pass
        for sock in held:
            sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@tap.test("what is no request and no route is refused, and the next client is served")
def refused():
    with Api("refused", {VIEWS: struct.pack("<I", 0)}) as api:
        for path, want in (("/nowhere", 404), ("/containers/%zz/json", 400), ("/containers/a%00/json", 400),
                           ("/" + "x" * 5000, 400), ("/images/json/", 404)):
            status, data = api.get(path)
            tap.check(status == want and "message" in json.loads(data), "%s: %d %r" % (path[:40], status, data))
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(api.path)
            s.sendall(b"\0\1\2 garbage\r\n\r\n")
            tap.check(b"400" in s.recv(4096), "garbage")
        tap.check(api.json("/containers/json?all=1") == [], "an empty list")
        tap.check([k for k, _ in api.asked] == [VIEWS], "nothing else reached engine main")


if __name__ == "__main__":
    tap.run()
