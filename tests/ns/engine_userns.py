#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""userns_mode = auto: containers with a user namespace of their own. Real engine, shim and netd; files are looked at on the disk."""
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, tap  # noqa: E402

CONSOLE_GID, RELOAD = 900, 0x112
FIRST, IDS = 0x80000, 65536  # the first range, and how many ids one has
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
OWNED = {"srv": image.Owned(None, 0o750, 1000, 1000), "srv/mine": image.Owned(b"of 1000\n", 0o600, 1000, 1000),
         "srv/last": image.Owned(b"", 0o644, 65535, 65535), "etc/of-root": image.Owned(b"old\n", 0o600, 0, 0)}
PASSWD = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nmine:x:1000:1000::/srv:/bin/sh\n"}
IMAGE = image.Image([image.busybox_layer(), OWNED, PASSWD], {"Cmd": ["sleep", "100000"]})
SERVICES = """
[service own]
image = owned:latest
userns_mode = auto
volumes = kept:/srv
volumes = /data/shared:/shared
tmpfs = /fast
stop_grace_period = 1s

[service open]
image = owned:latest
stop_grace_period = 1s
"""
E = engine.Engine("userns", images=[(IMAGE, "owned:latest")], services=SERVICES)


class Docker(http.client.HTTPConnection):
    """A client of docker.sock, whose path may be longer than a socket's can be."""

    def connect(self):
        place = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(engine.LIMIT_S)
        self.sock.connect("/proc/self/fd/%d/docker.sock" % place)
        os.close(place)


def api(method, path, body=None, kind="application/json"):
    """(status, bytes)"""
    client = Docker("docker")
    if isinstance(body, dict):
        body = json.dumps(body)
    client.request(method, "/v1.51" + path, body, {"Content-Type": kind})
    answer = client.getresponse()
    data = answer.read()
    client.close()
    return answer.status, data


def done(method, path, body=None, kind="application/json"):
    status, data = api(method, path, body, kind)
    tap.check(status < 300, "%s %s: %d %r" % (method, path, status, data))
    return json.loads(data) if data[:1] in (b"{", b"[") else data


def hoy(*words):
    """What it prints; its exit code stands in `hoy.code`."""
    hoy.code, text = E.hoy(*words)
    return text


def inside(name, script, *options):
    text = hoy("exec", *options, name, "sh", "-c", script)
    tap.check(hoy.code == 0, "%s: %s: %d %s" % (name, script, hoy.code, text))
    return text.replace("\r", "")


def ident(name):
    return done("GET", "/containers/%s/json" % name)["Id"]


def upper(name, path=""):
    """A path of a container as it lies on the disk."""
    return os.path.join(E.root, "data/containers", ident(name), "upper", path)


def owner(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid


def first_of(name):
    """The first id of its range, as the kernel has it."""
    row = inside(name, "cat /proc/self/uid_map").split()
    tap.check(row == inside(name, "cat /proc/self/gid_map").split() and row[0] == "0", row)
    return int(row[1]) if row[2] == str(IDS) else None


def running(name):
    engine.wait_for(name, lambda: re.search(r"(?m)^%s .* running " % name, hoy("ps")))


def create(name, **host):
    return api("POST", "/containers/create?name=" + name, {"Image": "owned", "HostConfig": host})


def run(name, **host):
    status, data = create(name, **host)
    tap.check(status == 201, "%s: %d %r" % (name, status, data))
    done("POST", "/containers/%s/start" % name)


def remove(*names):
    for name in names:
        done("DELETE", "/containers/%s?force=1&v=1" % name)


def default(word):
    E.write("engine.ini", "[engine]\nuserns_mode = %s\n" % word)
    E.engine.send(RELOAD)
    engine.wait_for("the default " + word, lambda: (run("try"), first_of("try"), remove("try"))[1] == (None if word == "host" else FIRST + IDS))


@tap.test("a service with userns_mode = auto has ids of its own, the one beside it those of the machine")
def _start():
    os.makedirs(os.path.join(E.root, "data/shared/below"))
    for path, number in (("data/shared", 0), ("data/shared/below", 1000)):
        os.chmod(os.path.join(E.root, path), 0o700)
        os.chown(os.path.join(E.root, path), number, number)
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    for name in ("own", "open"):
        running(name)
    tap.check(first_of("own") == FIRST, inside("own", "cat /proc/self/uid_map"))
    tap.check(first_of("open") is None, inside("open", "cat /proc/self/uid_map"))
    pid = done("GET", "/containers/own/json")["State"]["Pid"]
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        ids = dict(line.split(":\t") for line in f if line.startswith(("Uid", "Gid")))
    tap.check(set("".join(ids.values()).split()) == {str(FIRST)}, ids)


@tap.test("what the image holds has its owners inside, what is written has them on the disk")
def _files():
    for name in ("own", "open"):
        tap.check(inside(name, "stat -c %u:%g / /etc/of-root /bin/busybox") == "0:0\n0:0\n0:0\n", name)
        tap.check(inside(name, "stat -c %u:%g%a /srv /srv/mine /srv/last") == "1000:1000750\n1000:1000600\n65535:65535644\n", name)
        inside(name, "echo new >/etc/of-root && mkdir /made && touch /made/a /made/b && chown 1000:7 /made/a && chown 65535 /made/b"
                     " && rm /etc/group && mv /www /moved && ln /made/a /made/c && mkfifo /made/pipe && chmod 4755 /made/b")
        for path, ids in (("", (0, 0)), ("etc/of-root", (0, 0)), ("made", (0, 0)), ("made/a", (1000, 7)), ("made/b", (65535, 0)),
                          ("moved", (0, 0)), ("moved/index.html", (0, 0)), ("made/pipe", (0, 0))):
            tap.check(owner(upper(name, path)) == ids, "%s: %s is of %s" % (name, path, owner(upper(name, path))))
        tap.check(inside(name, "stat -c %u:%g /made/a /made/c; test -e /etc/group || echo gone") == "1000:7\n1000:7\ngone\n", name)
    hoy("exec", "own", "sh", "-c", "chown 65536 /made/a")
    tap.check(hoy.code != 0, "an id beyond the range")


@tap.test("volumes, binds and tmpfs of a container with ids of its own: files keep their owners on the disk")
def _mounts():
    volume = os.path.join(E.root, "data/volumes/kept")
    tap.check([owner(os.path.join(volume, n)) for n in (".", "mine", "last")] == [(1000, 1000)] * 2 + [(65535, 65535)], "filled from the image")
    inside("own", "echo x >/srv/as-root && chown 33:44 /srv/as-root && mkdir /srv/sub")
    tap.check(owner(volume + "/as-root") == (33, 44) and owner(volume + "/sub") == (0, 0), "written by its root")
    tap.check(inside("own", "stat -c %u:%g /shared /shared/below") == "0:0\n1000:1000\n", "a bind")
    inside("own", "touch /shared/a /shared/below/b && chown 1000 /shared/below/b")
    shared = os.path.join(E.root, "data/shared")
    tap.check(owner(shared + "/a") == (0, 0) and owner(shared + "/below/b") == (1000, 0), "written through a bind")
    tap.check(inside("own", "touch /fast/a && chown 1000 /fast/a && stat -c %u:%g /fast /fast/a") == "0:0\n1000:0\n", "tmpfs")
    tap.check(inside("own", "stat -c %u:%g /etc/hosts /etc/resolv.conf /dev /dev/pts/ptmx /dev/shm; echo 10.9.8.7 other >>/etc/hosts").split()[:3] ==
              ["0:0"] * 3, "what the engine makes")
    inside("own", "echo x >/dev/null && head -c 4 /dev/urandom | wc -c && touch /dev/shm/x")


@tap.test("exec in a user namespace: by name and number, with a terminal")
def _exec():
    tap.check(inside("own", "id -u; id -g; cat /srv/mine", "-u", "mine") == "1000\n1000\nof 1000\n", "by name")
    tap.check(inside("own", "id -u; cat /proc/self/uid_map", "-u", "1234").split() == ["1234", "0", str(FIRST), str(IDS)], "by number")
    made = done("POST", "/containers/own/exec", {"Cmd": ["sh", "-c", "tty; stat -c %u:%g $(tty); echo x >/dev/tty"], "Tty": True,
                                                 "AttachStdout": True, "User": "1000"})["Id"]
    text = done("POST", "/exec/%s/start" % made, {"Tty": True}).replace(b"\r", b"")
    tap.check(text.startswith(b"/dev/pts/") and text.endswith(b"\n1000:5\nx\n"), text)


@tap.test("the network namespace belongs to the container: low ports, ping, sysctls")
def _network():
    run("net", UsernsMode="", Sysctls={"net.core.somaxconn": "77"})
    tap.check(first_of("net") is None, "the engine's default is host")
    remove("net")
    default("auto")
    run("net", Sysctls={"net.core.somaxconn": "77", "kernel.shm_rmid_forced": "1"}, CapAdd=["NET_ADMIN"])
    tap.check(inside("net", "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced") == "77\n1\n", "sysctls")
    inside("net", "httpd -p 80 -h /www && wget -qO- http://127.0.0.1/ && ping -c 1 127.0.0.1 && ip link add dummy-own type dummy || "
                  "ip addr add 10.99.0.1/32 dev lo")
    address = done("GET", "/containers/net/json")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    tap.check("hello from the image" in inside("own", "wget -qO- http://%s/" % address), "its port 80 from another container")
    tap.check(inside("own", "ip -o addr show dev eth0"), "an interface of netd's")


@tap.test("each container has a range of its own, kept over a restart, given on when it is gone")
def _ranges():
    names = ["r%d" % n for n in range(3)]
    for name in names:
        run(name)
    before = [first_of(n) for n in ["own", "net"] + names]
    tap.check(before == [FIRST + n * IDS for n in range(5)], before)
    done("POST", "/containers/r1/restart?t=0")
    tap.check(first_of("r1") == before[3], "after a restart")
    done("POST", "/containers/r0/stop?t=0")
    run("r3")
    tap.check(first_of("r3") == FIRST + 5 * IDS, "the range of one that is stopped is not given away")
    remove("r1")
    run("r4")
    tap.check(first_of("r4") == before[3], "that of one that is gone is")
    E.kill_engine()
    E.start_engine()
    os.chown(os.path.join(E.root, "run/hoy/engine.sock"), 0, CONSOLE_GID)
    engine.wait_for("the engine", lambda: api("GET", "/containers/own/json")[0] == 200)
    running("own")
    tap.check([first_of(n) for n in ("own", "net", "r2", "r3", "r4")] == [before[0], before[1], before[4], FIRST + 5 * IDS, before[3]],
              "those of before after an engine that was killed")
    done("POST", "/containers/r0/start")
    run("r5")
    tap.check((first_of("r0"), first_of("r5")) == (before[2], FIRST + 6 * IDS), "it knows the old ones")
    tap.check(inside("own", "id -u; cat /srv/mine") == "0\nof 1000\n", "exec after an engine that was killed")
    remove("r0", "r2", "r3", "r4", "r5")


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name.lstrip("./").rstrip("/"): (m.uid, m.gid) for m in tar}


def archive(**entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, (number, data) in entries.items():
            info = tarfile.TarInfo(name)
            info.uid = info.gid = number
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@tap.test("copies, archives, diff, export and commit count ids as the container does, running or not")
def _trees():
    run("copy")
    inside("copy", "mkdir /made && touch /made/a && chown 1000:7 /made/a && rm /etc/group")
    for state in ("running", "stopped"):
        got = members(done("GET", "/containers/copy/archive?path=/made"))
        tap.check(got["made"] == (0, 0) and got["made/a"] == (1000, 7), "%s: %s" % (state, got))
        done("PUT", "/containers/copy/archive?path=/made", archive(**{state: (1234, b"x\n")}), "application/x-tar")
        done("PUT", "/containers/copy/archive?path=/made&copyUIDGID=1", archive(**{"keep-" + state: (1234, b"x\n")}), "application/x-tar")
        tap.check(owner(upper("copy", "made/" + state)) == owner(upper("copy", "made/keep-" + state)) == (1234, 1234),
                  "%s: put: %s %s" % (state, owner(upper("copy", "made/" + state)), owner(upper("copy", "made/keep-" + state))))
        rows = {(row["Path"], row["Kind"]) for row in done("GET", "/containers/copy/changes")}
        tap.check({("/made", 1), ("/made/a", 1), ("/etc/group", 2)} <= rows and ("/srv/mine", 0) not in rows, rows)
        got = members(done("GET", "/containers/copy/export"))
        tap.check(got["srv/mine"] == (1000, 1000) and got["made/a"] == (1000, 7) and got["bin/busybox"] == (0, 0), "export")
        if state == "running":
            tap.check(inside("copy", "stat -c %u /made/running /made/keep-running; cat /made/running") == "1234\n1234\nx\n", "seen inside")
            done("POST", "/containers/copy/stop?t=0")
    done("POST", "/commit?container=copy&repo=taken&tag=1")
    for name, mode in (("as-auto", ""), ("as-host", "host")):
        status, data = api("POST", "/containers/create?name=" + name, {"Image": "taken:1", "HostConfig": {"UsernsMode": mode}})
        tap.check(status == 201, data)
        done("POST", "/containers/%s/start" % name)
        tap.check(inside(name, "stat -c %u:%g /made /made/a /made/keep-stopped; test -e /etc/group || echo gone") ==
                  "0:0\n1000:7\n1234:1234\ngone\n", name)
        tap.check((first_of(name) is None) == (mode == "host"), name)
    remove("copy", "as-auto", "as-host")
    hoy("image", "rm", "taken:1")


@tap.test("a copy to the machine and back by the console keeps to the ids of the disk")
def _console():
    run("copy")
    inside("copy", "echo one >/a && chown 1000:7 /a")
    place = os.path.join(E.root, "data/transfer")
    os.makedirs(place, exist_ok=True)
    tap.check("cannot" not in hoy("cp", "copy:/a", "/data/transfer/out") and hoy.code == 0, "out")
    with open(os.path.join(place, "out"), encoding="ascii") as f:
        tap.check(f.read() == "one\n", "its bytes")
    hoy("cp", "/data/transfer/out", "copy:/back")
    tap.check(hoy.code == 0 and owner(upper("copy", "back")) == (0, 0), "back")
    tap.check(inside("copy", "cat /back; stat -c %u /back") == "one\n0\n", "inside")
    remove("copy")


@tap.test("one that joins the namespaces of another joins its user namespace")
def _joined():
    run("first")
    base = first_of("first")
    run("second", NetworkMode="container:first", PidMode="container:first")
    tap.check(first_of("second") == base, "the same range")
    inside("second", "touch /x && chown 5 /x && httpd -p 81 -h /www")
    tap.check(owner(upper("second", "x")) == (5, 0) and "hello" in inside("first", "wget -qO- http://127.0.0.1:81/"), "its files, its port")
    status, data = create("third", NetworkMode="container:open")
    tap.check(status == 201, data)
    status, data = api("POST", "/containers/third/start")
    tap.check(status >= 400 and b"it has no user namespace" in data, data)
    remove("third", "second", "first")


@tap.test("privileged and the host's namespaces are refused beside a user namespace, in Docker's words")
def _refused():
    for host, words in (({"Privileged": True}, b"privileged mode is incompatible with user namespaces"),
                        ({"NetworkMode": "host"}, b"cannot share the host's network namespace when user namespaces are enabled"),
                        ({"PidMode": "host"}, b"cannot share the host PID namespace when user namespaces are enabled"),
                        ({"IpcMode": "host"}, b"cannot share the host IPC namespace when user namespaces are enabled")):
        status, data = create("no", **host)
        tap.check(status == 400 and words in data, "%s: %d %r" % (host, status, data))
        run("yes", UsernsMode="host", **host)
        tap.check(done("GET", "/containers/yes/json")["HostConfig"]["UsernsMode"] == "host", "inspect")
        tap.check(first_of("yes") is None, "host opts out")
        remove("yes")
    E.write("services.ini", SERVICES + "[service bad]\nimage = owned:latest\nuserns_mode = auto\nprivileged = yes\n")
    E.engine.send(RELOAD)
    engine.wait_for("the refusal", lambda: "privileged mode is incompatible" in E.log())
    E.write("services.ini", SERVICES)
    E.engine.send(RELOAD)


@tap.test("its root is nobody on the machine: what the machine's root keeps to itself it does not read")
def _nobody():
    for path, mode in (("data/secret", 0o600), ("data/secrets", 0o700)):
        path = os.path.join(E.root, path)
        if mode == 0o700:
            os.makedirs(path)
        else:
            with open(path, "w", encoding="ascii") as f:
                f.write("secret\n")
        os.chmod(path, mode)
    pid = done("GET", "/containers/own/json")["State"]["Pid"]
    script = "cat %s/secret; ls %s/secrets; kill -0 1" % (("/proc/self/cwd",) * 2)
    # A process with all that its root is, and the machine's files before it.
    data = os.path.join(E.root, "data")
    got = subprocess.run(["nsenter", "-t", str(pid), "-U", "-S", "0", "-G", "0", "sh", "-c", script], cwd=data, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False).stdout.decode()
    tap.check("secret\n" not in got and got.count("ermission denied") >= 2, got)


@tap.test("nothing is left: no mount of a layer's, no range of one that is gone")
def _left():
    tap.check(not os.listdir(os.path.join(E.root, "run/hoy/engine/mapped")), "mounts")
    with open("/proc/%d/mountinfo" % E.engine.process.pid, encoding="ascii") as f:
        tap.check("/mapped/" not in f.read(), "mounts in the engine's namespace")
    remove("net")


try:
    tap.run()
finally:
    E.stop()
