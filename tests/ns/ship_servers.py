#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Role syslog against servers that are away, come, go and come again, on TCP and TLS.

The test plays PID 1 on fd 3 and the servers on loopback, in namespaces of its own; the role runs
with sanitizers in a root of its own, which holds its queue."""
import fcntl
import itertools
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import BUILD, deb, registry, syslog, tap  # noqa: E402

ROLE = os.path.join(BUILD, os.uname().machine, "san/bin/tests/ns/ship_role")
HEADER = struct.Struct("<4sHHIIHH")
REPLY, MORE = 1, 4
SYSTEM, KERNEL, CONTAINERS = 1, 2, 4
PS, LOGS = 0x300, 0x302  # of the engine
READY, STATUS, STOP, CLOCK, SHIP, LOG_FROM = 0x101, 0x102, 0x111, 0x113, 0x117, 0x12F
LIMIT_S = 120  # of every wait for a condition: only what hangs gets that far
PORTS = itertools.count(5140)  # each test's own: what a failed one left open is in nobody's way


def enter():
    """Namespaces of its own, with a loopback that is up."""
    if os.environ.get("HOY_SHIP_BOX") == "in":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    if os.geteuid() != 0:
        raise SystemExit("needs root: namespaces are made")
    deb.program("rsyslog", "usr/sbin/rsyslogd")  # there is no network inside
    deb.seal()
    os.environ["HOY_SHIP_BOX"] = "in"
    os.execvp("unshare", ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child", "--propagation", "private",
                          sys.executable] + sys.argv)


def text(value):
    data = value.encode()
    return struct.pack("<I", len(data)) + data


class Root:
    """What the role sees as its machine: a disk, a boot id, the certificates."""

    def __init__(self, name):
        self.path, self.port = os.path.join(WORK, name), next(PORTS)
        for folder in ("run/hoy/net/etc", "data/state", "config", "proc/sys/kernel/random", "proc/self", "dev"):
            os.makedirs(os.path.join(self.path, folder))
        out = subprocess.run(["ldd", ROLE], stdout=subprocess.PIPE, check=True).stdout.decode()
        for library in re.findall(r"(/\S+)", out):
            target = self.path + library
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(library, target)
        shutil.copy(ROLE, os.path.join(self.path, "role"))
        with open(os.path.join(self.path, "run/hoy/net/etc/hosts"), "w", encoding="ascii") as f:
            f.write("127.0.0.1 log.test\n")
        for name in ("proc/self/oom_score_adj", "dev/null"):  # which a process that it starts opens
            open(os.path.join(self.path, name), "w", encoding="ascii").close()
        os.symlink("/role", os.path.join(self.path, "proc/self/exe"))
        self.boot("one")

    def boot(self, name):
        with open(os.path.join(self.path, "proc/sys/kernel/random/boot_id"), "w", encoding="ascii") as f:
            f.write(name.ljust(36, "-") + "\n")

    def shown(self):
        """What metrics are made of."""
        with open(os.path.join(self.path, "run/hoy/syslog"), encoding="ascii") as f:
            return f.read()


class Role:
    """One process of it, with PID 1 played on its fd 3."""

    def __init__(self, root, host="127.0.0.1", tls=False, ca="", queue=1 << 20, lines=None, send=SYSTEM, own=("", "")):
        self.lines = lines if lines is not None else []  # of this boot, the first has number 1
        self.status, self.asked, self.serial, self.sent = "", None, None, 0
        self.peer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        wish = text(host) + struct.pack("<HB", root.port, tls) + text(ca) + struct.pack("<BBQ", 16, 6, queue)
        wish += text(own[0]) + text(own[1]) + struct.pack("<B", send)
        self.send(SHIP, 0, 0, wish)
        self.send(CLOCK, 0, 0, b"\x02")
        path = root.path
        fd = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, 64)
        self.process = subprocess.Popen(["/usr/sbin/chroot", path, "/role"], pass_fds=[3], env={}, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, preexec_fn=lambda: os.dup2(fd, 3))
        os.close(fd)
        theirs.close()
        self.log = ""
        self.threads = [threading.Thread(target=self.listen, daemon=True), threading.Thread(target=self.read_log, daemon=True)]
        for thread in self.threads:
            thread.start()

    def send(self, kind, flags, serial, body):
        self.peer.send(HEADER.pack(b"HOY1", kind, flags, serial, len(body), 0, 0) + body)

    def listen(self):
        while True:
            try:
                data = self.peer.recv(65536)
            except OSError:
                return
            if not data:
                return
            _, kind, _, serial, _, _, _ = HEADER.unpack(data[:HEADER.size])
            body = data[HEADER.size:]
            if kind == STATUS:
                self.status = body[4:].decode()
            elif kind == LOG_FROM:
                self.asked = struct.unpack("<Q", body)[0]
                self.serial = serial
                self.sent = self.asked - 1
                self.push()

    def read_log(self):
        for line in self.process.stderr:
            self.log += line.decode("utf-8", "replace")

    def push(self):
        """The lines that it has not got yet, as PID 1 would send them."""
        with self.lock:
            while self.serial is not None and self.sent < len(self.lines):
                part = self.lines[self.sent:self.sent + 100]
                body = struct.pack("<QI", self.sent + 1, len(part))
                for n, (prio, line) in enumerate(part):
                    body += struct.pack("<qB", 10 * (self.sent + n), prio) + text("unit") + text(line)
                self.send(LOG_FROM, REPLY | MORE, self.serial, body)
                self.sent += len(part)

    def say(self, count, prio=6):
        first = len(self.lines) + 1
        self.lines += [(prio, "line %d" % n) for n in range(first, first + count)]
        self.push()

    def until(self, pattern):
        def there():
            tap.check(self.process.poll() is None, "it ended with %s: %s" % (self.process.poll(), self.log))
            return re.search(pattern, self.status)

        tap.wait_for("status %r, not %r; %s" % (pattern, self.status, self.log), there)

    def kill(self):
        self.process.kill()
        self.end()

    def stop(self):
        self.send(STOP, 0, 0, struct.pack("<q", 2000))
        self.end()

    def end(self):
        code = self.process.wait(LIMIT_S)
        for thread in self.threads:
            thread.join(LIMIT_S)
        self.peer.close()
        self.process.stderr.close()
        tap.check(code in (0, -9), "exit %d: %s" % (code, self.log))


class Engine:
    """What role syslog-files asks: the containers that there are, and their log files."""

    def __init__(self, root):
        self.root, self.boxes = root, {}
        path = os.path.join(root.path, "run/hoy/engine.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        while True:
            data = client.recv(65536)
            if not data:
                return
            _, kind, _, serial, _, _, _ = HEADER.unpack(data[:HEADER.size])
            fds = []
            if kind == PS:
                body = struct.pack("<I", len(self.boxes)) + b"".join(self.row(name) for name in self.boxes)
            else:
                box = next(b for b in self.boxes.values() if b.id.encode() == data[HEADER.size + 4:])
                fds = [os.open(path, os.O_RDONLY) for path in box.files()]
                body = b"\0"
            frame = HEADER.pack(b"HOY1", kind, REPLY, serial, len(body), len(fds), 0) + body
            socket.send_fds(client, [frame], fds)
            for fd in fds:
                os.close(fd)

    def row(self, name):
        words = (self.boxes[name].id, name, "image", "running", "up", "")
        return b"".join(map(text, words)) + struct.pack("<qqqIB", 0, 1, 0, 0, 1) + text("none")


class Box:
    """A container's log as its shim writes it."""

    def __init__(self, engine, name):
        self.id = (name.encode().hex() * 32)[:64]
        self.path = os.path.join(engine.root.path, "log-" + name)
        self.count = 0
        os.mkdir(self.path)
        open(os.path.join(self.path, "json.log"), "w", encoding="ascii").close()
        engine.boxes[name] = self

    def files(self):
        names = ["json.log.%d" % n for n in range(7, 0, -1)] + ["json.log"]
        return [p for p in (os.path.join(self.path, n) for n in names) if os.path.exists(p)]

    def write(self, line, stream="stdout"):
        with open(os.path.join(self.path, "json.log"), "a", encoding="utf-8") as f:
            f.write('{"log":%s,"stream":"%s","time":"2026-11-21T21:55:36.123456789Z"}\n' % (json.dumps(line + "\n"), stream))

    def say(self, count):
        for _ in range(count):
            self.count += 1
            self.write("said %d" % self.count)

    def rotate(self):
        for n in range(6, -1, -1):
            old = os.path.join(self.path, "json.log.%d" % n if n else "json.log")
            if os.path.exists(old):
                os.rename(old, os.path.join(self.path, "json.log.%d" % (n + 1)))
        open(os.path.join(self.path, "json.log"), "w", encoding="ascii").close()


FROM_BOX = re.compile(r'<(\d+)>1 (\S+) \S+ (\S+) (\S+) (\S+) \[meta sequenceId="(\d+)" sysUpTime="\d+"\] (.*)')


def rows_of(servers, name):
    """(priority, time, PROCID, MSGID, text) of all frames of one APP-NAME, each number once."""
    rows = {}
    for server in servers:
        for frames in list(server.frames):
            for frame in list(frames):
                m = FROM_BOX.fullmatch(frame)
                if m and m.group(3) == name:
                    rows[int(m.group(6))] = (int(m.group(1)), m.group(2), m.group(4), m.group(5), m.group(7))
    return [rows[n] for n in sorted(rows)]


def said(servers, name):
    return [row[4] for row in rows_of(servers, name)]


def numbered(rows):
    """Texts of the log's own lines by sequenceId, without those that came twice; their order is checked."""
    seen, last = {}, 0
    for number, line in rows:
        if not line.startswith("line "):
            continue
        if number not in seen:
            tap.check(number > last, "%d came behind %d" % (number, last))
            last = number
        tap.check(seen.setdefault(number, line) == line, "%d is two lines" % number)
    return seen


enter()
os.makedirs(os.path.join(BUILD, "test-tmp"), exist_ok=True)
WORK = tempfile.mkdtemp(prefix="ship-", dir=os.path.join(BUILD, "test-tmp"))
os.chmod(WORK, 0o755)


@tap.test("what is written while the server is away arrives once it is there, in order and in RFC 5424's form")
def _away():
    root = Root("away")
    role = Role(root)
    role.say(200)
    role.say(5, prio=7)  # less urgent than what is sent
    role.say(100)
    role.until(r"^300 lines wait, 0 dropped; tcp 127\.0\.0\.1:%d .*refused" % root.port)
    server = syslog.Server(root.port)
    tap.wait_for("300 lines", lambda: len(server.got()) >= 300)
    tap.check([n for n, _ in server.got()] == list(range(1, 301)), server.got()[:5])
    tap.check(server.got()[199][1] == "line 200" and server.got()[200][1] == "line 206", "the unwanted ones are left out")
    m = syslog.FRAME.fullmatch(server.frames[0][0])
    tap.check(m.group(1) == str(16 * 8 + 6) and m.group(4) == "unit" and m.group(3) == socket.gethostname(), m.groups())
    tap.check_match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", m.group(2), "time")
    role.until(r"^0 lines wait, 0 dropped; .* connected$")
    status = open("/proc/%d/status" % role.process.pid, encoding="ascii").read()
    for pattern in (r"CapEff:\s0+\n", r"CapBnd:\s0+\n", r"NoNewPrivs:\s1", r"Seccomp:\s2", r"Uid:\s936\s936\s936"):
        tap.check_match(pattern, status, "confinement")
    tap.check(os.readlink("/proc/%d/root" % role.process.pid).endswith("/run/hoy/net"), "its root")
    limits = open("/proc/%d/limits" % role.process.pid, encoding="ascii").read()
    tap.check_match(r"Max file size +%d +%d " % (4096 + (1 << 20), 4096 + (1 << 20)), limits, "no file grows beyond the queue")
    tap.check(root.shown() == "connected 1\nqueue_lines 0\nqueue_bytes 0\ndropped 0\n", root.shown())
    role.stop()
    tap.check(root.shown() == "", "it ended, and metrics still say: " + root.shown())
    server.go()


@tap.test("a server that goes and comes while lines are written gets each of them, in order")
def _comes_and_goes():
    root = Root("flap")
    role = Role(root)
    servers = [syslog.Server(root.port)]
    tap.wait_for("a connection", lambda: servers[-1].frames)
    for _ in range(2):
        for _ in range(20):
            role.say(20)
            time.sleep(0.01)
        servers[-1].go()
        role.say(50)
        role.until("not|closed|refused|reset|Reset|ECONN")
        role.say(50)
        servers.append(syslog.Server(root.port))
        tap.wait_for("a connection", lambda: servers[-1].frames)
    role.say(10)
    total = len(role.lines)
    tap.wait_for("the last line", lambda: any(n == total for n, _ in servers[-1].got()))
    seen = numbered([row for server in servers for row in server.got()])
    tap.check(sorted(seen) == list(range(1, total + 1)), "missing: %s" % (set(range(1, total + 1)) - set(seen)))
    tap.check(all(seen[n] == "line %d" % n for n in seen), "a number and its line")
    role.stop()
    servers[-1].go()


@tap.test("a killed role, a stopped one and a reboot lose no line that waits")
def _restarts():
    root = Root("restart")
    role = Role(root)
    role.say(100)
    role.until("^100 lines wait")
    time.sleep(1.2)  # PID 1 has its own; what is counted here is the queue's head once a second
    role.kill()
    lines = role.lines
    role = Role(root, lines=lines)
    tap.wait_for("its question", lambda: role.asked)
    tap.check(role.asked == 101, role.asked)
    role.say(20)
    role.until("^120 lines wait")
    role.stop()
    root.boot("two")
    role = Role(root)
    tap.wait_for("its question", lambda: role.asked)
    tap.check(role.asked == 1, "a new boot counts its lines anew")
    role.say(30)
    server = syslog.Server(root.port)
    tap.wait_for("all lines", lambda: len(server.got()) >= 150)
    seen = numbered(server.got())
    tap.check(sorted(seen) == list(range(1, 151)), sorted(seen))
    tap.check(seen[120] == "line 120" and seen[121] == "line 1", (seen[120], seen[121]))
    role.stop()
    server.go()


@tap.test("the queue is bounded: the oldest lines go, and how many is said to the server, in the status and in the log")
def _bounded():
    root = Root("bounded")
    role = Role(root, queue=256 << 10)
    role.say(8000)
    role.until(r"^\d+ lines wait, [1-9]\d* dropped")
    tap.wait_for("the last line", lambda: role.sent == 8000)
    tap.wait_for("a status of them all", lambda: sum(map(int, re.findall(r"(\d+) (?:lines|dropped)", role.status))) == 8000)
    dropped = int(re.search(r"(\d+) dropped", role.status).group(1))
    tap.check(os.path.getsize(os.path.join(root.path, "data/state/syslog")) == 4096 + (256 << 10), "its file")
    server = syslog.Server(root.port)
    tap.wait_for("the rest", lambda: len(server.got()) >= 8000 - dropped + 1)
    rows = server.got()
    tap.check(rows[0] == (0, "%d lines were dropped before the next one" % dropped), rows[0])
    tap.check([n for n, _ in rows[1:]] == list(range(dropped + 1, 8001)), rows[1:3])
    tap.wait_for("the log", lambda: "lines of the log were dropped: the queue was full" in role.log)
    said = sum(int(n) for n in re.findall(r"(\d+) lines of the log were dropped", role.log))
    tap.check(said == dropped, (said, dropped))
    role.stop()
    server.go()


@tap.test("a queue that would take more than a quarter of the free space is in memory, and the disk stays as it was")
def _no_room():
    root = Root("room")
    disk = os.path.join(root.path, "data/state")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        role = Role(root, queue=1 << 20)
        role.say(10)
        role.until("^10 lines wait, 0 dropped")
        tap.wait_for("the log", lambda: re.search(r"the queue is in memory and ends with the machine: no room .* smaller queue_size", role.log))
        tap.check(os.stat(os.path.join(disk, "syslog")).st_blocks == 0, "it took room")
        role.stop()
        role = Role(root, queue=900 << 10)
        role.say(10)
        role.until("^10 lines wait, 0 dropped")
        tap.check(os.path.getsize(os.path.join(disk, "syslog")) == 4096 + (900 << 10) and "in memory" not in role.log, role.log)
        role.stop()
    finally:
        subprocess.run(["umount", disk], check=True)


@tap.test("a server that takes nothing holds nobody up: PID 1's lines are taken, and counted when they do not fit")
def _slow():
    root = Root("slow")
    server = syslog.Server(root.port, reads=False)
    role = Role(root, queue=256 << 10)
    tap.wait_for("a connection", lambda: server.connections)
    role.say(60000)
    tap.wait_for("the last line", lambda: role.sent == 60000)
    role.until(r"^\d+ lines wait, [1-9]\d* dropped; .* connected$")
    role.kill()
    server.go()


@tap.test("TLS: only a server whose certificate is the authority's and bears its name gets a line")
def _tls():
    root = Root("tls")
    keys = os.path.join(root.path, "config")
    for name in ("ca", "foreign"):
        registry.make_ca(keys, name)
    registry.make_server(keys, "ca", "good", names="DNS:log.test,IP:127.0.0.1")
    registry.make_server(keys, "ca", "other", names="DNS:elsewhere.test")
    registry.make_server(keys, "foreign", "bad", names="DNS:log.test,IP:127.0.0.1")

    def pair(name):
        return os.path.join(keys, name + ".pem"), os.path.join(keys, name + ".key")

    lines = []
    for name, host in (("bad", "log.test"), ("other", "log.test"), ("other", "127.0.0.1")):
        server = syslog.Server(root.port, pair(name))
        role = Role(root, host, True, "/config/ca.pem", lines=lines)
        role.say(5)
        role.until(r"tls %s:%d the server's certificate is not good" % (re.escape(host), root.port))
        tap.check(not any(server.frames), "a line went to the wrong server")
        role.stop()
        server.go()
    with open(os.path.join(keys, "bundle.pem"), "w", encoding="ascii") as f:  # one that cannot be read is among them
        f.write("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n" + open(os.path.join(keys, "ca.pem"), encoding="ascii").read())
    server = syslog.Server(root.port, pair("good"))
    role = Role(root, "log.test", True, "/config/bundle.pem", lines=lines)
    role.say(500)
    tap.wait_for("515 lines", lambda: len(server.got()) >= 515)
    tap.check([n for n, _ in server.got()] == list(range(1, 516)), server.got()[:3])
    role.until("^0 lines wait.* connected$")
    server.go()
    role.say(10)
    server = syslog.Server(root.port, pair("good"))
    tap.wait_for("the rest", lambda: any(n == 525 for n, _ in server.got()))
    role.stop()
    tap.check(set(server.names) == {"log.test"}, server.names)
    role = Role(root, "127.0.0.1", True, "/config/ca.pem", lines=lines)
    role.say(5)
    tap.wait_for("lines by the address", lambda: any(n == 530 for n, _ in server.got()))
    role.stop()
    tap.check(set(server.names) == {"log.test", None}, "an address was asked for as a name: %s" % server.names)
    role = Role(root, "log.test", True, "/config/nothing.pem")
    role.until("nothing is sent: ")
    role.stop()
    server.go()


@tap.test("lines of containers come with the container's name, its id and its stream, over rotations and restarts each once")
def _containers():
    root = Root("boxes")
    engine = Engine(root)
    web, db = Box(engine, "web"), Box(engine, "db")
    web.say(10)
    web.rotate()
    web.say(10)
    db.write("it broke \u0000\u001b[2J", "stderr")
    db.write("x" * 8000)
    servers = [syslog.Server(root.port)]
    role = Role(root, send=SYSTEM | CONTAINERS)
    role.say(5)
    tap.wait_for("lines", lambda: len(said(servers, "web")) >= 20 and len(said(servers, "db")) >= 3 and len(said(servers, "unit")) >= 5)
    tap.check(rows_of(servers, "web")[0] == (16 * 8 + 6, "2026-11-21T21:55:36.123Z", web.id[:12], "stdout", "said 1"), rows_of(servers, "web")[0])
    tap.check(said(servers, "web") == ["said %d" % n for n in range(1, 21)], said(servers, "web"))
    tap.check(rows_of(servers, "db")[0][0] == 16 * 8 + 3 and rows_of(servers, "db")[0][3:] == ("stderr", "it broke ??[2J"), rows_of(servers, "db"))
    tap.check([len(line) for line in said(servers, "db")[1:]] == [7600, 400], "a line longer than a frame comes in pieces")
    for _ in range(3):  # as the shim does it: full, renamed, another one
        web.rotate()
        web.say(5)
        total = web.count
        tap.wait_for("lines behind a rotation", lambda: len(said(servers, "web")) >= total)
    status = [open("/proc/%d/status" % pid, encoding="ascii").read() for pid in children(role.process.pid)]
    tap.check(len(status) == 1, status)
    for pattern in (r"CapEff:\s0+\n", r"NoNewPrivs:\s1", r"Seccomp:\s2", r"Uid:\s937\s937\s937", r"Gid:\s900\s"):
        tap.check_match(pattern, status[0], "confinement of who asks the engine")
    role.until("^0 lines wait, 0 dropped; .* connected$")
    role.stop()
    web.say(3)
    root.boot("two")
    late = Box(engine, "late")
    late.say(2)
    role = Role(root, send=SYSTEM | CONTAINERS)
    tap.wait_for("lines of the time without it", lambda: len(said(servers, "web")) >= 38 and len(said(servers, "late")) >= 2)
    del engine.boxes["late"]
    web.say(1)
    tap.wait_for("the last line", lambda: len(said(servers, "web")) >= 39)
    tap.check(said(servers, "web") == ["said %d" % n for n in range(1, 40)], said(servers, "web"))
    tap.check(len(said(servers, "db")) == 3 and said(servers, "late") == ["said 1", "said 2"], "none twice")
    role.stop()
    servers[0].go()


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


@tap.test("containers that write while the server is away fill half of the queue, the rest waits in their files: none is lost")
def _containers_wait():
    root = Root("wait")
    engine = Engine(root)
    web = Box(engine, "web")
    web.say(1)
    role = Role(root, send=SYSTEM | CONTAINERS, queue=256 << 10)
    role.until("^1 lines wait")
    web.say(4000)
    role.until(r"^1\d\d\d lines wait, 0 dropped")
    role.say(100)
    tap.wait_for("PID 1's lines", lambda: role.sent == 100)
    server = syslog.Server(root.port)
    tap.wait_for("all of them", lambda: len(said([server], "web")) >= 4001)
    tap.check(said([server], "web") == ["said %d" % n for n in range(1, 4002)], "a line is missing, or not in order")
    tap.check(len(said([server], "unit")) == 100 and not any(n == 0 for n, _ in server.got()), "a line was dropped")
    role.stop()
    server.go()


@tap.test("the kernel's lines come with its facility, those that were overwritten are counted, none comes twice")
def _kernel():
    root = Root("kernel")
    path = os.path.join(root.path, "dev/kmsg")
    os.mkfifo(path)
    kmsg = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    server = syslog.Server(root.port)
    role = Role(root, send=KERNEL)

    def put(number, line, prio=4):
        os.write(kmsg, b"%d,%d,%d,-;%s\n KEY=value\n" % (prio, number, number * 1000, line))
        tap.wait_for("the record to be taken", lambda: not select.select([kmsg], [], [], 0)[0])

    for n in range(5):
        put(n, b"usb %d" % n)
    put(5, b"too small", 7)
    put(9, b"late")
    tap.wait_for("lines", lambda: len(said([server], "kernel")) >= 6)
    tap.check(said([server], "kernel") == ["usb %d" % n for n in range(5)] + ["late"], said([server], "kernel"))
    tap.check(rows_of([server], "kernel")[0][0] == 4, "facility kern, severity warning")
    tap.wait_for("the count of the lost ones", lambda: any(line == "3 lines were dropped before the next one" for _, line in server.got()))
    role.until("^0 lines wait, 3 dropped")
    tap.check(role.asked is None, "PID 1's lines were not wanted")
    role.stop()
    role = Role(root, send=KERNEL)
    role.until("connected$")
    put(9, b"late")  # as a reader that opens it anew gets all of it again
    put(10, b"new")
    tap.wait_for("the new one", lambda: "new" in said([server], "kernel"))
    tap.check(said([server], "kernel")[-2:] == ["late", "new"] and len(said([server], "kernel")) == 7, said([server], "kernel"))
    role.stop()
    os.close(kmsg)
    server.go()


@tap.test("each address of a server's name is tried")
def _addresses():
    root = Root("addresses")
    with open(os.path.join(root.path, "run/hoy/net/etc/hosts"), "w", encoding="ascii") as f:
        f.write("127.0.0.2 log.test\n127.0.0.3 log.test\n127.0.0.4 log.test\n")
    with open(os.path.join(root.path, "run/hoy/net/etc/host.conf"), "w", encoding="ascii") as f:
        f.write("multi on\n")  # glibc of this test's role: all lines of the name; musl takes them all
    lines = []
    for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        server = syslog.Server(root.port, address=address)
        role = Role(root, "log.test", lines=lines)
        role.say(5)
        tap.wait_for("lines at %s: %s %s" % (address, role.status, role.log), lambda: len(server.got()) >= 5)
        role.until("connected$")
        tap.check("refused" not in role.log, "an address that refuses is passed over in silence: " + role.log)
        role.stop()
        server.go()


@tap.test("a server that wants to know its clients is shown this machine's certificate")
def _own_certificate():
    root = Root("own")
    keys = os.path.join(root.path, "config")
    registry.make_ca(keys, "ca")
    registry.make_server(keys, "ca", "good", names="DNS:log.test,IP:127.0.0.1")
    registry.make_client(keys, "ca", "me", "boat", "syslog")
    server = syslog.Server(root.port, (os.path.join(keys, "good.pem"), os.path.join(keys, "good.key")),
                           clients=os.path.join(keys, "ca.pem"))
    lines = []
    role = Role(root, "log.test", True, "/config/ca.pem", lines=lines)
    role.say(5)
    tap.wait_for("a refusal", lambda: server.faults or any(not c.getpeercert() for c in server.connections) or
             re.search("tls log.test:%d (?!connected|connecting)" % root.port, role.status))
    tap.check(not any(server.frames), "a server that knows nobody took a line")
    role.stop()
    role = Role(root, "log.test", True, "/config/ca.pem", lines=lines, own=("/config/me.pem", "/config/me.key"))
    role.say(5)
    tap.wait_for("lines", lambda: any(n == 10 for n, _ in server.got()))
    role.stop()
    role = Role(root, "log.test", True, "/config/ca.pem", own=("/config/me.pem", "/config/ca.pem"))
    role.until("nothing is sent: key_file holds no readable private key")
    role.stop()
    role = Role(root, "log.test", True, "/config/ca.pem", own=("/config/me.pem", ""))
    role.until("nothing is sent: cert_file and key_file in .log. need")
    role.stop()
    server.go()


@tap.test("rsyslog takes the lines over TCP with octet counting, with their structured data")
def _rsyslog():
    program, env = deb.program("rsyslog", "usr/sbin/rsyslogd")
    root = Root("rsyslog")
    out = os.path.join(root.path, "out")
    conf = os.path.join(root.path, "rsyslog.conf")
    modules = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(program))), "usr/lib/%s-linux-gnu/rsyslog" % os.uname().machine)
    with open(conf, "w", encoding="ascii") as f:
        f.write("""module(load="imtcp")
template(name="t" type="string" string="%%syslogpriority%% %%syslogfacility-text%% %%app-name%% %%procid%% %%msgid%% %%structured-data%% %%msg%%\\n")
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="r")
ruleset(name="r") { action(type="omfile" file="%s" template="t") }
""" % (root.port, out))
    with subprocess.Popen([program, "-n", "-f", conf, "-M", modules, "-i", os.path.join(root.path, "pid")], env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        box = Box(Engine(root), "web")
        box.write("caf\u00e9 open", "stderr")
        role = Role(root, send=SYSTEM | CONTAINERS)
        role.say(300)

        def rows(name="unit"):
            tap.check(child.poll() is None, child.poll() is not None and child.stderr.read().decode())
            lines = open(out, encoding="utf-8").read().splitlines() if os.path.exists(out) else []
            return [line for line in lines if line.split(" ")[2] == name]

        tap.wait_for("its file", lambda: len(rows()) >= 300 and rows("web"))
        tap.check(len(rows()) == 300, len(rows()))
        tap.check_match(r"3 local0 web %s stderr \[meta sequenceId=\"\d+\" sysUpTime=\"\d+\"\] ?caf\u00e9 open$" % box.id[:12], rows("web")[0], "a container's row")
        for n, row in enumerate(rows(), 1):
            tap.check_match(r"6 local0 unit - - \[meta sequenceId=\"%d\" sysUpTime=\"\d+\"\] ?line %d$" % (n, n), row, "row")
        role.stop()
        child.terminate()
        child.wait(LIMIT_S)


try:
    tap.run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
