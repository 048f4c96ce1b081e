#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Role syslog against servers that are away, come, go and come again, on TCP and TLS.

The test plays PID 1 on fd 3 and the servers on loopback, in namespaces of its own; the role runs
with sanitizers in a root of its own, which holds its queue."""
import fcntl
import itertools
import os
import re
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


def wait_for(what, condition):
    end = time.monotonic() + LIMIT_S
    while True:
        value = condition()
        if value:
            return value
        tap.check(time.monotonic() < end, "waited %d s for %s" % (LIMIT_S, what))
        time.sleep(0.02)


def text(value):
    data = value.encode()
    return struct.pack("<I", len(data)) + data


class Root:
    """What the role sees as its machine: a disk, a boot id, the certificates."""

    def __init__(self, name):
        self.path, self.port = os.path.join(WORK, name), next(PORTS)
        for folder in ("run/hoy/net/etc", "data/state", "config", "proc/sys/kernel/random"):
            os.makedirs(os.path.join(self.path, folder))
        out = subprocess.run(["ldd", ROLE], stdout=subprocess.PIPE, check=True).stdout.decode()
        for library in re.findall(r"(/\S+)", out):
            target = self.path + library
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(library, target)
        shutil.copy(ROLE, os.path.join(self.path, "role"))
        with open(os.path.join(self.path, "run/hoy/net/etc/hosts"), "w", encoding="ascii") as f:
            f.write("127.0.0.1 log.test\n")
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

    def __init__(self, root, host="127.0.0.1", tls=False, ca="", queue=1 << 20, lines=None):
        self.lines = lines if lines is not None else []  # of this boot, the first has number 1
        self.status, self.asked, self.serial, self.sent = "", None, None, 0
        self.peer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        wish = text(host) + struct.pack("<HB", root.port, tls) + text(ca) + struct.pack("<BBQ", 16, 6, queue)
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
        wait_for("status %r, not %r; %s" % (pattern, self.status, self.log), lambda: re.search(pattern, self.status))

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
    wait_for("300 lines", lambda: len(server.got()) >= 300)
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
    wait_for("a connection", lambda: servers[-1].frames)
    for _ in range(2):
        for _ in range(20):
            role.say(20)
            time.sleep(0.01)
        servers[-1].go()
        role.say(50)
        role.until("not|closed|refused|reset|Reset|ECONN")
        role.say(50)
        servers.append(syslog.Server(root.port))
        wait_for("a connection", lambda: servers[-1].frames)
    role.say(10)
    total = len(role.lines)
    wait_for("the last line", lambda: any(n == total for n, _ in servers[-1].got()))
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
    wait_for("its question", lambda: role.asked)
    tap.check(role.asked == 101, role.asked)
    role.say(20)
    role.until("^120 lines wait")
    role.stop()
    root.boot("two")
    role = Role(root)
    wait_for("its question", lambda: role.asked)
    tap.check(role.asked == 1, "a new boot counts its lines anew")
    role.say(30)
    server = syslog.Server(root.port)
    wait_for("all lines", lambda: len(server.got()) >= 150)
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
    wait_for("the last line", lambda: role.sent == 8000)
    wait_for("a status of them all", lambda: sum(map(int, re.findall(r"(\d+) (?:lines|dropped)", role.status))) == 8000)
    dropped = int(re.search(r"(\d+) dropped", role.status).group(1))
    tap.check(os.path.getsize(os.path.join(root.path, "data/state/syslog")) == 4096 + (256 << 10), "its file")
    server = syslog.Server(root.port)
    wait_for("the rest", lambda: len(server.got()) >= 8000 - dropped + 1)
    rows = server.got()
    tap.check(rows[0] == (0, "%d lines were dropped before the next one" % dropped), rows[0])
    tap.check([n for n, _ in rows[1:]] == list(range(dropped + 1, 8001)), rows[1:3])
    wait_for("the log", lambda: "lines of the log were dropped: the queue was full" in role.log)
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
        wait_for("the log", lambda: re.search(r"the queue is in memory and ends with the machine: no room .* smaller queue_size", role.log))
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
    wait_for("a connection", lambda: server.connections)
    role.say(60000)
    wait_for("the last line", lambda: role.sent == 60000)
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
    wait_for("515 lines", lambda: len(server.got()) >= 515)
    tap.check([n for n, _ in server.got()] == list(range(1, 516)), server.got()[:3])
    role.until("^0 lines wait.* connected$")
    server.go()
    role.say(10)
    server = syslog.Server(root.port, pair("good"))
    wait_for("the rest", lambda: any(n == 525 for n, _ in server.got()))
    role.stop()
    tap.check(set(server.names) == {"log.test"}, server.names)
    role = Role(root, "127.0.0.1", True, "/config/ca.pem", lines=lines)
    role.say(5)
    wait_for("lines by the address", lambda: any(n == 530 for n, _ in server.got()))
    role.stop()
    tap.check(set(server.names) == {"log.test", None}, "an address was asked for as a name: %s" % server.names)
    role = Role(root, "log.test", True, "/config/nothing.pem")
    role.until("nothing is sent: ")
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
template(name="t" type="string" string="%%syslogpriority%% %%syslogfacility-text%% %%app-name%% %%structured-data%% %%msg%%\\n")
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="r")
ruleset(name="r") { action(type="omfile" file="%s" template="t") }
""" % (root.port, out))
    with subprocess.Popen([program, "-n", "-f", conf, "-M", modules, "-i", os.path.join(root.path, "pid")], env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        role = Role(root)
        role.say(300)

        def rows():
            tap.check(child.poll() is None, child.poll() is not None and child.stderr.read().decode())
            return open(out, encoding="ascii").read().splitlines() if os.path.exists(out) else []

        wait_for("its file", lambda: len(rows()) >= 300)
        tap.check(len(rows()) == 300, len(rows()))
        for n, row in enumerate(rows(), 1):
            tap.check_match(r"6 local0 unit \[meta sequenceId=\"%d\" sysUpTime=\"\d+\"\] ?line %d$" % (n, n), row, "row")
        role.stop()
        child.terminate()
        child.wait(LIMIT_S)


try:
    tap.run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
