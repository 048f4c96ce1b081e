# SPDX-License-Identifier: Apache-2.0
"""What the tests of netd stand on: a machine of namespaces, and peers that play init and the engine.

enter() moves the test into network, mount and PID namespaces of its own. There netd runs as on the
machine: fd 3 to init, fd 4 netd.sock, /run/hoy a fresh tmpfs. `up0` is its uplink; behind it stands
namespace "lan" with a neighbour and a DHCP and DNS server (dnsmasq, unpacked and never installed).
"""
import array
import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, deb, tap  # noqa: E402

NETD = os.environ.get("NETD", os.path.join(BUILD, os.uname().machine, "san/bin/netd/test-netd"))
HEADER = struct.Struct("<4sHHIIHH")
REPLY, ERROR, MORE, CALL = 1, 2, 4, 16
ATTACH, DETACH, SYNC, NETWORK_SET, NETWORK_REMOVE, NETWORK_LIST, SUBSCRIBE, SHOW = range(1, 9)
CHECK, CONNECT, DISCONNECT, ROWS = 9, 10, 11, 12
READY, STATUS, ALIVE, HOSTNAME, STOP, RELOAD, CLOCK, DATA, OFF = (
    0x101, 0x102, 0x103, 0x104, 0x111, 0x112, 0x113, 0x114, 0x116)
TCP, UDP = 6, 17
PROGRAMS = (("nftables", "usr/sbin/nft"), ("dnsmasq-base", "usr/sbin/dnsmasq"),
            ("bind9-dnsutils", "usr/bin/dig"))
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_CAPBSET_DROP, CAP_SYS_TIME = 24, 25


class Refused(Exception):
    """An error that netd answered with."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def enter():
    """Re-executes the test in its own namespaces (as root)."""
    if os.environ.get("HOY_NETD_BOX") == "in":
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
        return
    if os.geteuid() != 0:
        raise SystemExit("needs root: namespaces are made")
    for package, path in PROGRAMS:  # there is no network inside
        deb.program(package, path)
    deb.seal()
    os.environ["HOY_NETD_BOX"] = "in"
    os.execvp("unshare", ["unshare", "-n", "-m", "-u", "-p", "-f", "--mount-proc", "--kill-child",
                          "--propagation", "private", sys.executable] + sys.argv)


def sh(command, **more):
    """Runs a shell command; its output."""
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **more)
    text = done.stdout.decode("utf-8", "replace")
    tap.check(done.returncode == 0, "%s: exit %d: %s" % (command, done.returncode, text))
    return text


def tool(package, path, *arguments):
    """Output of a program of a Debian package that is not installed."""
    program, env = deb.program(package, path)
    done = subprocess.run([program] + list(arguments), env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    tap.check(done.returncode == 0, "%s %s: %s" % (path, arguments, done.stdout.decode()))
    return done.stdout.decode()


def nft(*arguments):
    return tool("nftables", "usr/sbin/nft", *arguments)


# The least of every wait for a condition: only what hangs gets that far, however loaded the machine.
LIMIT_S = 120


def wait_for(what, condition, limit_s=LIMIT_S):
    """tap's, never less patient than LIMIT_S."""
    return tap.wait_for(what, condition, max(limit_s, LIMIT_S))


class Netns:
    """A network namespace, held open by a sleeping process."""

    def __init__(self, name):
        self.name = name
        self.child = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        mine = os.readlink("/proc/self/ns/net")
        wait_for("namespace " + name, lambda: os.readlink(self.path()) != mine)

    def path(self):
        return "/proc/%d/ns/net" % self.child.pid

    def sh(self, command):
        return sh("nsenter --net=%s sh -c %r" % (self.path(), command))

    def popen(self, argv, **more):
        return subprocess.Popen(["nsenter", "--net=" + self.path()] + argv, **more)

    @contextlib.contextmanager
    def inside(self):
        """Within this block sockets are made in the namespace."""
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(self.path(), os.O_RDONLY)
        try:
            tap.check(LIBC.setns(there, CLONE_NEWNET) == 0, "setns")
            yield
        finally:
            tap.check(LIBC.setns(here, CLONE_NEWNET) == 0, "setns back")
            os.close(here)
            os.close(there)

    def close(self):
        self.child.kill()
        self.child.wait()


def text(s):
    data = s.encode() if isinstance(s, str) else s
    return struct.pack("<I", len(data)) + data


class Cursor:
    def __init__(self, data):
        self.data = data

    def take(self, fmt):
        size = struct.calcsize("<" + fmt)
        value = struct.unpack("<" + fmt, self.data[:size])
        self.data = self.data[size:]
        return value[0] if len(value) == 1 else value

    def text(self):
        size = self.take("I")
        value, self.data = self.data[:size], self.data[size:]
        return value.decode()


class Peer:
    """One end of a SEQPACKET connection that speaks lib/msg."""

    def __init__(self, sock):
        self.sock = sock
        self.serial = 0
        self.events = []

    def send(self, kind, body=b"", fds=(), flags=0):
        self.serial += 1
        head = HEADER.pack(b"HOY1", kind, flags, self.serial, len(body), len(fds), 0)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([head + body], rights)
        return self.serial

    def settle(self, other):
        """Until what was sent is handled: it is read, and the one thread answers `other` again."""
        def unread():
            return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))[0]
        wait_for("its messages to be read", lambda: unread() == 0)
        other.show("links")

    def receive(self, limit_s=LIMIT_S):
        ready, _, _ = select.select([self.sock], [], [], limit_s)
        tap.check(ready, "no message within %d s" % limit_s)
        data = self.sock.recv(1 << 17)
        tap.check(data, "the peer closed the connection")
        _, kind, flags, serial, size, _, _ = HEADER.unpack(data[:HEADER.size])
        return kind, flags, serial, data[HEADER.size:HEADER.size + size]

    def call(self, kind, body=b"", fds=()):
        mine = self.send(kind, body, fds, CALL)
        while True:
            got, flags, serial, answer = self.receive()
            if serial != mine:
                self.events.append((got, answer))
                continue
            if flags & ERROR:
                c = Cursor(answer)
                raise Refused(c.take("i"), c.text())
            return answer


class Container:
    """A namespace with what an engine passes for it."""

    def __init__(self, name, ident=None, redirect=False):
        self.name = name
        self.redirect = redirect  # the resolver's sockets on other ports, behind a redirection
        self.ident = ident or (name.encode().hex() * 32)[:64]
        self.ns = Netns(name)
        self.ns.sh("ip link set lo up")
        self.ip = self.ip6 = None

    def fds(self):
        """netns, rtnetlink, UDP and TCP resolver sockets, netfilter, as the contract says."""
        netns = os.open(self.ns.path(), os.O_RDONLY)
        with self.ns.inside():
            route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            route.bind((0, 0))
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            more = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)] if self.redirect else []
        for s in (udp, tcp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
            s.bind(("127.0.0.11", 0 if self.redirect else 53))
        tcp.listen(16)
        return netns, [route, udp, tcp] + more

    def close(self):
        self.ns.close()


def ip_number(dotted):
    return struct.unpack(">I", socket.inet_aton(dotted))[0]


def attach_network(entry):
    """name or (name, [aliases], ip, ip6, mac, ifname) as struct netd_attach_network."""
    name, aliases, ip, ip6, mac, ifname = ((entry, [], "", "", "", "") if isinstance(entry, str) else
                                           (tuple(entry) + ("", "", "", ""))[:6])
    return (text(name) + struct.pack("<I", len(aliases)) + b"".join(text(a) for a in aliases) +
            text(ip) + text(ip6) + text(mac) + text(ifname))


class Engine(Peer):
    """Plays the engine on netd.sock."""

    def __init__(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect("/run/hoy/netd.sock")
        super().__init__(sock)

    def attach(self, box, networks=("bridge",), ports=(), flags=0):
        """networks: name or (name, [aliases], ip, ip6, mac, ifname); ports: (proto, host, host port,
        container port, number), host "*" = both families, "0.0.0.0", "::" or an address."""
        body = text(box.ident) + text(box.name) + struct.pack("<BI", flags, len(networks))
        body += b"".join(attach_network(entry) for entry in networks)
        body += struct.pack("<I", len(ports))
        for proto, host_ip, host, inner, count in ports:
            v6 = ":" in host_ip
            number = 0 if v6 or host_ip == "*" else ip_number(host_ip)
            body += struct.pack("<BIHHHB", proto, number, host, inner, count,
                                0 if host_ip == "*" else 2 if v6 else 1)
            body += socket.inet_pton(socket.AF_INET6, host_ip if v6 else "::")
        rows = self.call_inside(ATTACH, body, box)
        box.ip = rows[0]["ip"] if rows else None
        box.ip6 = rows[0]["ip6"] if rows else None
        return rows

    def call_inside(self, kind, body, box, limit=5):
        """A call with the first `limit` fds of the container; what it is attached to then."""
        netns, sockets = box.fds()
        try:
            fds = [netns] + [s.fileno() for s in sockets]
            answer = Cursor(self.call(kind, body, fds[:limit]))
        finally:
            os.close(netns)
            for s in sockets:
                s.close()
        rows = []
        for _ in range(answer.take("I")):
            row = {"network": answer.text(), "ip": answer.text(), "prefix": answer.take("B")}
            row.update(gateway=answer.text(), mac=answer.text(), ifname=answer.text())
            row.update(ip6=answer.text(), prefix6=answer.take("B"), gateway6=answer.text(),
                       host_ip=answer.text(), flags=answer.take("B"))
            rows.append(row)
        return rows

    def connect(self, box, network):
        return self.call_inside(CONNECT, text(box.ident) + attach_network(network), box, 2)

    def disconnect(self, box, name):
        return self.call_inside(DISCONNECT, text(box.ident) + text(name), box, 2)

    def detach(self, box):
        self.call(DETACH, text(box.ident))

    def sync(self, boxes):
        self.call(SYNC, struct.pack("<I", len(boxes)) + b"".join(text(b.ident) for b in boxes))

    def network_set(self, name, subnet="", internal=False, more=b""):
        """more: {u8 no IPv6, text subnet6}, which a caller may leave out."""
        c = Cursor(self.call(NETWORK_SET, text(name) + text(subnet) + bytes([internal]) + more))
        return c.text(), c.text()

    def network_set6(self, name, subnet6="", no_ip6=False):
        c = Cursor(self.call(NETWORK_SET, text(name) + text("") + bytes([0, no_ip6]) +
                             text(subnet6)))
        return c.text(), c.text(), c.text(), c.text()

    def network_remove(self, name):
        self.call(NETWORK_REMOVE, text(name))

    def show(self, what):
        return Cursor(self.call(SHOW, text(what))).text()


    def issues(self):
        """Mistakes of the network.ini in force."""
        c = Cursor(self.call(CHECK, b"\1"))
        return [c.text() for _ in range(c.take("I"))]

    def rows(self, what):
        """What SHOW prints, as dictionaries."""
        c, rows, row = Cursor(self.call(ROWS, text(what))), [], {}
        while c.data:
            kind = c.take("B")
            if not kind:
                rows.append(row)
                row = {}
                continue
            name = c.text()
            row[name] = c.text() if kind == 1 else c.take("q") if kind == 2 else bool(c.take("q"))
        return rows


def helper_pid(role):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[:2] == [b"hoy-netd", role]:
                    return int(pid)
        except OSError:
            pass
    return 0


class Machine:
    """netd with its uplink and the neighbour behind it."""

    def __init__(self, config=""):
        os.makedirs("/run/hoy/config/20-data", exist_ok=True)
        self.configure(config)
        self.lan = Netns("lan")
        sh("ip link set lo down; ip link add up0 type veth peer name cable netns %s"
           % self.lan.path())
        self.lan.sh("ip link set lo up; ip link add lan0 type bridge; ip link set lan0 up;"
                    "ip addr add 10.9.0.1/24 dev lan0; ip link set cable master lan0 up")
        self.dhcp_server = None
        self.child = None
        self.listener = None
        self.kept = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # init holds it
        self.init = None
        self.log = open("/run/netd.log", "ab", buffering=0)

    def configure(self, config):
        with open("/run/hoy/config/20-data/network.ini", "w", encoding="utf-8") as f:
            f.write(config)

    def start(self, data=False):
        """Starts netd and waits for READY; the socket outlives it as on the machine."""
        if self.listener is None:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.listener.bind("/run/hoy/netd.sock")
            self.listener.listen(16)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def arrange():
            given = [theirs, self.listener] + list(self.kept)
            for i, s in enumerate(given):
                os.dup2(s.fileno(), 100 + i)
            for i in range(len(given)):
                os.dup2(100 + i, 3 + i)
            os.closerange(3 + len(given), 256)
            LIBC.prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0)  # the clock is everybody's

        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:quarantine_size_mb=1")
        self.child = subprocess.Popen([NETD, "main"], stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=self.log, preexec_fn=arrange, close_fds=False, env=env)
        theirs.close()
        self.init = Peer(ours)
        if data:
            os.makedirs("/run/data/state", exist_ok=True)
        self.wait_message(READY)

    def wait_message(self, wanted, limit_s=LIMIT_S):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                kind, _, _, body = self.init.receive(limit_s)
            except AssertionError:
                raise AssertionError("netd: %s\n%s" % (wanted, self.log_text())) from None
            if kind == wanted:
                return body
        raise AssertionError("no message %#x from netd\n%s" % (wanted, self.log_text()))

    def log_text(self):
        with open("/run/netd.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        """kill -9 of role main; its roles end with it."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def stop(self):
        self.init.send(STOP, struct.pack("<q", 1000))
        tap.check(self.child.wait(10) == 0, "netd ends with 0 when told to stop")

    def serve(self, *options):
        """dnsmasq on the neighbour: 10.9.0.50-60, itself router and name server."""
        self.stop_serving()
        program, env = deb.program("dnsmasq-base", "usr/sbin/dnsmasq")
        argv = [program, "-k", "-C", "/dev/null", "--user=root", "--interface=lan0",
                "--bind-interfaces", "--no-hosts", "--no-resolv", "--pid-file=",
                "--dhcp-leasefile=/run/dnsmasq.leases", "--log-facility=/run/dnsmasq.log",
                "--log-dhcp", "--log-queries", "--dhcp-no-override", "--no-ping"]
        argv += list(options) or ["--dhcp-range=10.9.0.50,10.9.0.60,2h"]
        self.dhcp_server = self.lan.popen(argv, env=env)

    def stop_serving(self):
        if self.dhcp_server:
            self.dhcp_server.kill()
            self.dhcp_server.wait()
            self.dhcp_server = None

    def address(self, dev="up0"):
        for line in sh("ip -4 -o addr show dev %s" % dev).splitlines():
            return line.split()[3]
        return None

    def check_log(self):
        """No sanitizer report, no forbidden system call in all that was logged."""
        log = self.log_text()
        for bad in ("ERROR: AddressSanitizer", "runtime error", "is forbidden"):
            tap.check(bad not in log, log[-4000:])


class DhcpServer:
    """A DHCPv4 server of few words: one address, any times, and refusal when told to."""

    SCRIPT = r"""
import socket, struct, sys
ip, lease, t1, t2, mode = sys.argv[1:6]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, 25, b"lan0\0")
s.bind(("", 67))
me = socket.inet_aton("10.9.0.1")
print("up", flush=True)
while True:
    p, peer = s.recvfrom(2000)
    options, at = {}, 240
    while at < len(p) and p[at] != 255:
        if p[at]:
            options[p[at]] = p[at + 2:at + 2 + p[at + 1]]
            at += 1 + p[at + 1]
        at += 1
    kind = options[53][0]
    print(kind, peer[0], flush=True)
    if kind not in (1, 3):
        continue
    answer = 2 if kind == 1 else 6 if mode == "nak" else 5
    out = b"\2\1\6\0" + p[4:8] + bytes(8) + (socket.inet_aton(ip) if answer != 6 else bytes(4))
    out += bytes(8) + p[28:44] + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, answer, 54, 4]) + me
    if answer != 6:
        for code, value in ((51, lease), (58, t1), (59, t2)):
            if int(value):
                out += struct.pack(">BBI", code, 4, int(value))
        out += b"\1\4\xff\xff\xff\0\3\4" + me
    renewing = p[12:16] != bytes(4)
    try:
        s.sendto(out + b"\xff", (peer[0] if renewing else "255.255.255.255", 68))
    except PermissionError:  # a rule of the test dropped it: lost on the way
        pass
"""

    def __init__(self, ns, ip, lease=3600, t1=0, t2=0, mode=""):
        argv = ["nsenter", "--net=" + ns.path(), sys.executable, "-c", self.SCRIPT, ip, str(lease),
                str(t1), str(t2), mode]
        self.log = "/run/dhcp-server.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(argv, stdout=log)
        wait_for("the DHCP server", lambda: "up" in self.text())

    def text(self):
        with open(self.log, encoding="ascii") as f:
            return f.read()

    def requests(self):
        return [line.split() for line in self.text().splitlines() if line[0].isdigit()]

    def close(self):
        self.child.kill()
        self.child.wait()


class Echo:
    """A TCP or UDP server inside a namespace that answers each message with its name and the peer."""

    SCRIPT = r"""
import socket, sys
proto, ip, port, name = sys.argv[1:5]
kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((ip, int(port)))
if proto == "tcp":
    import threading
    s.listen(64)
    def serve(c, peer):
        while True:
            data = c.recv(4096)
            if not data:
                return
            c.sendall(("%s %s" % (name, peer[0])).encode() + b" " + data)
    print("up", flush=True)
    while True:
        c, peer = s.accept()
        threading.Thread(target=serve, args=(c, peer), daemon=True).start()
print("up", flush=True)
while True:
    data, peer = s.recvfrom(4096)
    s.sendto(("%s %s" % (name, peer[0])).encode() + b" " + data, peer)
"""

    def __init__(self, ns, proto, port, name, ip="0.0.0.0"):
        argv = [sys.executable, "-c", self.SCRIPT, proto, ip, str(port), name]
        if ns:
            argv = ["nsenter", "--net=" + ns.path()] + argv
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE)
        tap.check(self.child.stdout.readline() == b"up\n", "echo server %s is up" % name)

    def close(self):
        self.child.kill()
        self.child.wait()


def talk(ns, ip, port, proto="tcp", limit_s=60.0, source=None):
    """What an Echo server answers as seen from a namespace (None = this one); None: no answer."""
    with (ns.inside() if ns else contextlib.nullcontext()):
        s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET,
                          socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(limit_s)
    try:
        if source:
            s.bind(source)
        s.connect((ip, port))
        s.send(b"hello")
        return s.recv(4096).decode()
    except OSError:
        return None
    finally:
        s.close()


QUIET_S = 0.7  # long for a machine's own namespaces


def echoed(ns, ip):
    """Does an ICMP echo request from a namespace come back? (What a ping program does, which not every machine has.)"""
    with ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.settimeout(LIMIT_S)
    ask = struct.pack(">BBHHH", 8, 0, ~0x0f01 & 0xffff, 0x0700, 1)
    s.sendto(ask, (ip, 0))
    try:
        while True:
            answer, peer = s.recvfrom(2048)
            if peer[0] == ip and answer[20] == 0 and answer[24:28] == ask[4:8]:
                return True
    except OSError:
        return False
    finally:
        s.close()


def answering(*probes):
    """Those of (namespace, address, port[, proto[, source]]) that answer; all are asked at once."""
    waiting, heard = {}, []
    for probe in probes:
        ns, ip, port, proto, source = (tuple(probe) + ("tcp", None))[:5] if len(probe) < 5 else probe
        with (ns.inside() if ns else contextlib.nullcontext()):
            s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET,
                              socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        s.setblocking(False)
        if source:
            s.bind(source)
        s.connect_ex((ip, port))
        waiting[s] = [probe, proto == "tcp"]
        if proto == "udp":
            with contextlib.suppress(OSError):
                s.send(b"hello")
    end = time.monotonic() + QUIET_S
    while waiting and time.monotonic() < end:
        unsent = [s for s in waiting if waiting[s][1]]
        readable, writable, _ = select.select(list(waiting), unsent, [], end - time.monotonic())
        for s in writable:
            waiting[s][1] = False
            with contextlib.suppress(OSError):
                s.send(b"hello")
        for s in readable:
            with contextlib.suppress(OSError):
                if s.recv(4096):
                    heard.append(waiting[s][0])
            del waiting[s]
            s.close()
    for s in waiting:
        s.close()
    return heard


def silent(ns, ip, port, proto="tcp", source=None):
    """No answer within QUIET_S."""
    return talk(ns, ip, port, proto, QUIET_S, source) is None
