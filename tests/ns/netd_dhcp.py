#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd's DHCP client against a real server: lease, renewal, refusal, conflict, restart, link flap."""
import os
import socket
import subprocess
import threading
import time

import netd_peer as n
from netd_peer import Engine, Machine, sh, tap

n.enter()
sh("hostname hoy-test")
DHCP = "[network up]\nMatch.Name = up0\nDHCP = yes\n"
OPTIONS = ["--dhcp-option=option:domain-name,lab.example", "--dhcp-option=option:mtu,1400",
           "--dhcp-option=option:dns-server,10.9.0.1"]
machine = Machine(DHCP)
box = {}


def resolv():
    with open("/run/hoy/net/etc/resolv.conf", encoding="ascii") as f:
        return f.read()


def hosts():
    with open("/run/hoy/net/etc/hosts", encoding="ascii") as f:
        return f.read()


def server_log():
    with open("/run/dnsmasq.log", encoding="utf-8", errors="replace") as f:
        return f.read()


def leased(limit_s=15):
    return n.wait_for("a lease", lambda: (machine.address() or "").startswith("10.9.0.5") and
                      machine.address(), limit_s)


class Watch:
    """ip monitor on addresses and routes of this namespace."""

    def __enter__(self):
        self.child = subprocess.Popen(["ip", "-4", "monitor", "address", "route"],
                                      stdout=subprocess.PIPE)
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.lines = self.child.communicate()[0].decode()


@tap.test("ready without a server; a lease as soon as one answers")
def late_server():
    start = time.monotonic()
    machine.start()
    tap.note("ready after %.0f ms" % ((time.monotonic() - start) * 1000))
    tap.check(machine.address() is None, "no address yet")
    box["engine"] = Engine()
    box["engine"].send(n.SUBSCRIBE, flags=n.CALL)
    kind, flags, _, body = box["engine"].receive()
    tap.check(kind == n.SUBSCRIBE and flags & n.MORE and body[0] == 2, "the uplink is down")
    box["engine"].receive()
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.50,2h", *OPTIONS)
    tap.check(leased() == "10.9.0.50/24", machine.address())
    tap.check(machine.wait_message(n.STATUS).endswith(b"up0 10.9.0.50/24"), "init is told")
    events = [box["engine"].receive()[3] for _ in range(2)]
    tap.check({e[0] for e in events} == {1, 3}, "the engine is told of uplink and servers")
    tap.check(any(b"up0 10.9.0.50/24" in e for e in events), str(events))


@tap.test("route, name server, domain and MTU of the lease are in force")
def values():
    route = sh("ip route")
    tap.check("default via 10.9.0.1 dev up0" in route and "metric 100" in route, route)
    tap.check("mtu 1400" in sh("ip link show up0"), "MTU")
    tap.check("nameserver 10.9.0.1\n" in resolv() and "search lab.example\n" in resolv(), resolv())
    tap.check("valid_lft forever" not in sh("ip -4 addr show up0"), "the address has a lifetime")
    tap.check("hoy-test" in server_log(), "the host name was sent")
    tap.check("bound" in Engine().show("leases"), Engine().show("leases"))
    tap.check("127.0.1.1 hoy-test" in hosts(), "hosts")


@tap.test("kill -9: address and routes are never touched, the lease is taken over without a packet")
def kill():
    before = server_log().count("DHCP")
    with Watch() as watch:
        for _ in range(3):
            machine.kill()
            machine.start()
            time.sleep(0.3)
    tap.check("Deleted" not in watch.lines, watch.lines)
    tap.check(machine.address() == "10.9.0.50/24", "the same address")
    tap.check(server_log().count("DHCP") == before, "the server heard nothing")
    n.wait_for("bound", lambda: "bound" in Engine().show("leases"))


@tap.test("a foreign address and route on the uplink stay through restart and renewal")
def foreign():
    sh("ip addr add 192.0.2.7/32 dev up0; ip route add 198.51.100.0/24 via 10.9.0.1")
    machine.kill()
    machine.start()
    time.sleep(0.5)
    tap.check("192.0.2.7/32" in sh("ip addr show up0"), "address")
    tap.check("198.51.100.0/24" in sh("ip route"), "route")


@tap.test("a flap of the link of less than five seconds keeps the lease; a longer one confirms it")
def flap():
    before = server_log().count("DHCPREQUEST")
    for _ in range(10):
        start = time.monotonic()
        machine.lan.sh("ip link set cable down")
        time.sleep(0.5)
        machine.lan.sh("ip link set cable up")
        if time.monotonic() - start < 3:
            break  # not held up by a loaded machine
        before = server_log().count("DHCPREQUEST")
    time.sleep(1)
    tap.check(machine.address() == "10.9.0.50/24", "kept")
    tap.check(server_log().count("DHCPREQUEST") == before, "without asking")
    machine.lan.sh("ip link set cable down")
    time.sleep(7)  # the kernel may report the loss a second late
    machine.lan.sh("ip link set cable up")
    n.wait_for("the question", lambda: server_log().count("DHCPREQUEST") > before, 15)
    tap.check(machine.address() == "10.9.0.50/24", "kept")


def fresh(config=DHCP):
    """Starts netd as on a machine that never had a lease."""
    machine.stop()
    machine.stop_serving()
    sh("ip -4 addr flush dev up0; rm -f /run/hoy/netd/lease.up0 /data/state/lease.up0")
    machine.configure(config)


@tap.test("a lease of an earlier boot is asked for again at once (INIT-REBOOT)")
def reboot():
    machine.stop()
    machine.stop_serving()
    os.makedirs("/data", exist_ok=True)
    sh("mount -t tmpfs tmpfs /data && mkdir /data/state && mv /run/hoy/netd/lease.up0 /data/state")
    sh("ip -4 addr flush dev up0")
    server = n.DhcpServer(machine.lan, "10.9.0.50")
    machine.lan.sh("ip link set cable down")
    machine.start()
    machine.init.send(n.DATA, b"\1" + n.text(""))
    time.sleep(0.3)
    machine.lan.sh("ip link set cable up")
    tap.check(leased() == "10.9.0.50/24", "the same address")
    # More than one only when the answer was slow; never a DISCOVER.
    tap.check(set(map(tuple, server.requests())) == {("3", "0.0.0.0")}, str(server.requests()))
    n.wait_for("its file", lambda: os.path.exists("/run/hoy/netd/lease.up0"))
    server.close()


class Load:
    """A TCP stream from the neighbour to the leased address, for as long as the block lasts."""

    def __init__(self, address):
        self.server = socket.create_server((address, 0))
        with machine.lan.inside():
            self.client = socket.create_connection(self.server.getsockname(), n.LIMIT_S)
        self.peer, _ = self.server.accept()
        self.peer.settimeout(n.LIMIT_S)
        self.bytes, self.failed, self.ends = 0, None, threading.Event()

    def send(self):
        try:
            while not self.ends.is_set():
                self.client.sendall(bytes(1 << 16))
                time.sleep(0.002)  # the machine has others to serve
            self.client.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.failed = e

    def read(self):
        try:
            while True:
                got = len(self.peer.recv(1 << 16))
                self.bytes += got
                if not got:
                    return
        except OSError as e:
            self.failed = e

    def __enter__(self):
        self.threads = [threading.Thread(target=act, daemon=True) for act in (self.send, self.read)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join(n.LIMIT_S)
        for s in (self.client, self.peer, self.server):
            s.close()


@tap.test("20 renewals by unicast under load: the address is never removed, the stream never breaks")
def renew():
    fresh()
    server = n.DhcpServer(machine.lan, "10.9.0.57", 60, 1, 40)
    machine.start()
    leased()
    with Watch() as watch, Load("10.9.0.57") as load:
        n.wait_for("20 renewals", lambda: len(server.requests()) >= 22)
    tap.check("Deleted" not in watch.lines, watch.lines)
    tap.check(not load.failed and load.bytes > 1 << 20, "%s after %d bytes" % (load.failed, load.bytes))
    tap.check(machine.address() == "10.9.0.57/24", "the address is there")
    asked = server.requests()
    while asked and asked[0] != ["3", "10.9.0.57"]:
        asked.pop(0)  # DISCOVER and the first REQUEST
    tap.check(len(asked) >= 20 and all(r == ["3", "10.9.0.57"] for r in asked), "unicast requests")
    server.close()


@tap.test("a refused renewal (NAK) drops the address; another is taken")
def nak():
    before = server = n.DhcpServer(machine.lan, "10.9.0.57", 60, 1, 40, "nak")
    n.wait_for("the address to go", lambda: machine.address() is None, 20)
    tap.check("refused" in machine.log_text()[-4000:], machine.log_text()[-4000:])
    tap.check(before.requests(), "asked")
    # A storm: this server offers and refuses for ever. The pauses grow; without them it would be thousands.
    asked = len(before.requests())
    time.sleep(4)
    tap.check(len(before.requests()) - asked < 20, "%d questions in 4 s" % (len(before.requests()) - asked))
    tap.check(machine.address() is None, "none is used")
    server.close()
    server = n.DhcpServer(machine.lan, "10.9.0.54", 60)
    n.wait_for("the new address", lambda: machine.address() == "10.9.0.54/24", 30)
    server.close()


@tap.test("without an answer the lease is rebound by broadcast, then it runs out")
def expire():
    fresh()
    server = n.DhcpServer(machine.lan, "10.9.0.53", 14, 1, 3)
    machine.start()
    leased()
    server.close()
    silent = n.DhcpServer(machine.lan, "10.9.0.53", 14, 1, 3, "nak")
    silent.child.send_signal(19)  # hears, and says nothing
    n.wait_for("the address to go", lambda: machine.address() is None, 25)
    tap.check("ran out" in machine.log_text()[-4000:], machine.log_text()[-4000:])
    silent.close()


@tap.test("an address that somebody uses is declined and not used")
def conflict():
    fresh()
    rival = n.Netns("rival")
    machine.lan.sh("ip link add r0 type veth peer name eth0 netns %s; ip link set r0 master lan0 up"
                   % rival.path())
    rival.sh("ip addr add 10.9.0.58/24 dev eth0; ip link set eth0 up")
    server = n.DhcpServer(machine.lan, "10.9.0.58", 3600)
    machine.start()
    n.wait_for("DECLINE", lambda: ["4", "0.0.0.0"] in server.requests(), 20)
    tap.check(machine.address() is None, "it was not used")
    machine.lan.sh("ip link del r0")
    n.wait_for("the address, once it is free", lambda: machine.address() == "10.9.0.58/24", 40)
    rival.close()
    server.close()


@tap.test("packets of strangers are ignored: wrong xid, no server id, FORCERENEW, garbage")
def strangers():
    before, logged = machine.address(), len(machine.log_text())
    with machine.lan.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    machine.stop_serving()
    s.bind(("10.9.0.1", 67))
    mac = bytes.fromhex(sh("cat /sys/class/net/up0/address").strip().replace(":", ""))
    head = b"\2\1\6\0" + b"\1\2\3\4" + bytes(8) + b"\x0a\x09\0\x99" + bytes(8) + mac + bytes(202)
    for tail in (b"\x63\x82\x53\x63\x35\1\5\x36\4\x0a\x09\0\1\x33\4\0\0\1\0\xff",
                 b"\x63\x82\x53\x63\x35\1\6\x36\4\x0a\x09\0\1\xff",
                 b"\x63\x82\x53\x63\x35\1\x09\x36\4\x0a\x09\0\1\xff", b"\x63\x82\x53\x63\x35\xff\1",
                 b""):
        for to in ("255.255.255.255", before.split("/")[0]):
            s.sendto(head + tail, (to, 68))
    s.sendto(os.urandom(1000), (before.split("/")[0], 68))
    s.settimeout(0.5)
    try:
        tap.check(not s.recv(2000), "FORCERENEW made it ask")
    except socket.timeout:
        pass
    tap.check(machine.address() == before, "the address stays")
    tap.check("lost" not in machine.log_text()[logged:], "nothing was lost")
    s.close()


@tap.test("a change from DHCP to a static address takes the leased one away and only that")
def static():
    sh("ip addr add 192.0.2.9/32 dev up0")
    machine.configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
                      "DNS = 10.9.0.1\nDomains = static.example\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the static address", lambda: "10.9.0.2/24" in sh("ip addr show up0"))
    n.wait_for("the leased one to go", lambda: "10.9.0.58/24" not in sh("ip addr show up0"))
    tap.check("192.0.2.9/32" in sh("ip addr show up0"), "a foreign address stays")
    n.wait_for("resolv.conf", lambda: "search static.example" in resolv())


@tap.test("routes of the server: the default route alone, until UseRoutes asks for all (TunnelVision)")
def routes():
    fresh()
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.50,2h", "--dhcp-option=3,10.9.0.9",
                  "--dhcp-option=121,0.0.0.0/0,10.9.0.1,198.51.100.0/24,10.9.0.3,"
                  "172.17.7.0/24,10.9.0.3,0.0.0.0/1,10.9.0.3")
    machine.start()
    leased()
    n.wait_for("the route", lambda: "default via 10.9.0.1 dev up0" in sh("ip route"))
    tap.check("198.51.100.0" not in sh("ip route") and "0.0.0.0/1" not in sh("ip route") and
              "10.9.0.9" not in sh("ip route"), sh("ip route"))
    # A network without IPv4 has no subnet that a route could lead into.
    machine.configure(DHCP + "DHCPv4.UseRoutes = yes\nDHCPv4.UseDNS = no\n[bridge six]\nipv4 = no\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the others", lambda: "198.51.100.0/24 via 10.9.0.3 dev up0" in sh("ip route"))
    tap.check("172.17.7.0" not in sh("ip route"), "no way into a container network by DHCP")
    tap.check("nameserver" not in resolv(), resolv())
    machine.configure(DHCP + "DHCPv4.UseRoutes = no\n[route far]\nNetwork = up\n"
                      "Destination = 203.0.113.0/24\nGateway = 10.9.0.7\nMTUBytes = 1300\n")
    machine.init.send(n.RELOAD)
    n.wait_for("its own", lambda: "203.0.113.0/24 via 10.9.0.7" in sh("ip route"))
    tap.check("mtu 1300" in sh("ip route") and "default" not in sh("ip route") and
              "198.51.100" not in sh("ip route"), sh("ip route"))


@tap.test("RequestOptions are asked for beside the others; SendDecline is DuplicateAddressDetection's other name")
def requested():
    fresh(DHCP + "DHCPv4.RequestOptions = 43 67\nDHCPv4.SendDecline = no\n")
    machine.serve()
    machine.start()
    leased()
    asked = [line for line in server_log().splitlines() if "requested options" in line]
    tap.check(any("43:vendor-encap" in line for line in asked) and any("67:bootfile" in line for line in asked), asked)
    machine.configure(DHCP + "DHCPv4.RequestOptions = 255\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the mistake", lambda: "254" in machine.log_text())


@tap.test("init is told what the server calls the machine, unless UseHostname = no; hosts follow the kernel's name")
def named():
    fresh(DHCP)
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.50,2h", "--dhcp-option-force=12,boat.lab.example")
    machine.start()
    leased()
    tap.check(machine.wait_message(n.HOSTNAME) == n.text("boat"), "one label of it")
    sh("hostname boat")  # as init does
    n.wait_for("hosts", lambda: "127.0.1.1 boat\n" in hosts())
    machine.configure(DHCP + "DHCPv4.UseHostname = no\n")
    machine.init.send(n.RELOAD)
    tap.check(machine.wait_message(n.HOSTNAME) == n.text(""), "taken back")
    sh("hostname hoy-test")
    n.wait_for("hosts again", lambda: "127.0.1.1 hoy-test\n" in hosts())


@tap.test("Match.Driver: only links that this driver carries")
def driver():
    machine.configure("[network other]\nMatch.Name = up0\nMatch.Driver = e1000*\nAddress = 10.9.0.8/24\n"
                      "[network mine]\nMatch.Name = up0\nMatch.Driver = !e1000* veth\nAddress = 10.9.0.8/24\n"
                      "[network up]\nMatch.Name = up0\nMatch.Driver = v?th\nAddress = 10.9.0.9/24\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the third section's address", lambda: machine.address() == "10.9.0.9/24")
    tap.check("[network other] waits" in Engine().show("links"), Engine().show("links"))


def forget_networks():
    sh("rm -f /run/hoy/netd/networks; ip route flush type prohibit; "
       "for b in $(ip -o link | grep -o 'br-[0-9a-f]*:'); do ip link del ${b%:}; done")


@tap.test("a lease in a container network's subnet: the machine stays reachable, the network is closed and says so")
def overlap():
    fresh(DHCP + "[bridge late]\nsubnet = 10.9.0.0/24\n")
    machine.start()
    web = n.Container("web")
    engine = Engine()
    engine.attach(web, ["late"], ports=[(n.TCP, "0.0.0.0", 8080, 80, 1)])
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.50,2h")
    n.wait_for("the network to give way", lambda: "network late is closed" in engine.show("networks"))
    tap.check("overlaps 10.9.0.50/24 of up0; give it another" in engine.show("networks"), engine.show("networks"))
    row = [r for r in engine.rows("networks") if r["name"] == "late"][0]
    tap.check(row["overlaps"] == "10.9.0.50/24 of up0", str(row))
    with machine.lan.inside():
        neighbour = socket.socket()
    neighbour.settimeout(60)
    try:
        neighbour.connect(("10.9.0.50", 9))
        tap.check(False, "nobody listens there")
    except ConnectionRefusedError:
        pass  # the machine itself answered
    table = n.nft("list", "table", "inet", "hoy")
    tap.check("10.9.0.0" not in table and "8080" not in table, table)
    try:
        engine.attach(web, ["late"], ports=[(n.TCP, "0.0.0.0", 8080, 80, 1)])
        tap.check(False, "ports of a closed network")
    except n.Refused as refused:
        tap.check("network late is closed" in str(refused), str(refused))
    machine.configure("[network up]\nMatch.Name = up0\nAddress = 192.0.2.7/24\n[bridge late]\nsubnet = 10.9.0.0/24\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the network to be open again", lambda: "closed" not in engine.show("networks"))
    n.wait_for("its bridge", lambda: "10.9.0.0/24 dev br-" in sh("ip route"))
    table = n.nft("list", "table", "inet", "hoy")
    tap.check("10.9.0.0/24" in table and "8080" in table, table)
    engine.detach(web)
    web.close()
    fresh()
    forget_networks()
    machine.start()


@tap.test("a network that network.ini declares and cannot have: told by name with the mistake, in force and by CHECK")
def refused():
    machine.configure(DHCP + "[bridge one]\nsubnet = 172.30.0.0/24\n[bridge two]\nsubnet = 172.30.0.128/25\n"
                      "[bridge three]\nnonsense = 1\n[bridge four]\nsubnet = 10.9.0.0/16\n")
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.50,2h")
    leased()
    machine.init.send(n.RELOAD)
    engine = Engine()
    shown = n.wait_for("the networks", lambda: "172.30.0.0/24" in engine.show("networks") and engine.show("networks"))
    for piece in ("[bridge two] is refused: ", "overlaps that of [bridge one]", "[bridge three] is refused: ",
                  "unknown key 'nonsense'", "[bridge four] is refused: network four: subnet 10.9.0.0/16 is used by interface up0"):
        tap.check(piece in shown, "%s: %s" % (piece, shown))
    tap.check(any(r.get("refused", "").endswith("choose another") for r in engine.rows("networks")), "rows")
    issues = engine.issues()
    tap.check(len(issues) == 3 and any("network.ini:7:" in text for text in issues), str(issues))
    box["two"] = n.Container("two")
    try:
        engine.attach(box["two"], ["two"])
        tap.check(False, "attached to a network that is not there")
    except n.Refused as refused_it:
        tap.check("network two is refused: " in str(refused_it), str(refused_it))
    box["two"].close()
    fresh()
    forget_networks()
    machine.start()


@tap.test("several uplinks: the lower metric leads; a dead cable gives way at once and keeps its address")
def several():
    fresh("[network a]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
          "[network b]\nMatch.Name = up1\nAddress = 10.8.0.2/24\nGateway = 10.8.0.1\n"
          "DNS = 10.8.0.1\n")
    second = n.Netns("second")
    sh("ip link add up1 type veth peer name cable netns %s" % second.path())
    second.sh("ip addr add 10.8.0.1/24 dev cable; ip link set cable up; ip link set lo up;"
              "ip addr add 192.0.2.1/32 dev lo")
    machine.lan.sh("ip addr add 192.0.2.1/32 dev lo")
    servers = [n.Echo(machine.lan, "udp", 9000, "first", "192.0.2.1"),
               n.Echo(second, "udp", 9000, "second", "192.0.2.1")]
    machine.start()
    n.wait_for("both", lambda: sh("ip route").count("default") == 2)
    tap.check("default via 10.9.0.1 dev up0 proto 72 metric 100" in sh("ip route") and
              "default via 10.8.0.1 dev up1 proto 72 metric 101" in sh("ip route"), sh("ip route"))
    tap.check((n.talk(None, "192.0.2.1", 9000, "udp") or "").startswith("first"), "the first leads")
    machine.lan.sh("ip link set cable down")
    n.wait_for("the second to lead",
               lambda: (n.talk(None, "192.0.2.1", 9000, "udp", 1) or "").startswith("second"))
    tap.check(machine.address() == "10.9.0.2/24", "the address stays")
    machine.lan.sh("ip link set cable up")
    n.wait_for("the first again",
               lambda: (n.talk(None, "192.0.2.1", 9000, "udp", 1) or "").startswith("first"))
    for s in servers:
        s.close()
    machine.lan.sh("ip addr del 192.0.2.1/32 dev lo")
    sh("ip link del up1")
    second.close()


@tap.test("power-off gives the lease back; a stop for another reason keeps it")
def release():
    fresh()
    server = n.DhcpServer(machine.lan, "10.9.0.52")
    machine.start()
    n.wait_for("a lease", lambda: machine.address() == "10.9.0.52/24")
    machine.stop()
    tap.check(not [r for r in server.requests() if r[0] == "7"], "no RELEASE by a mere stop")
    machine.start()
    n.wait_for("bound again", lambda: "bound" in Engine().show("leases"))
    machine.init.send(n.OFF)
    machine.stop()
    n.wait_for("RELEASE", lambda: ["7", "10.9.0.52"] in server.requests())
    tap.check(not os.path.exists("/run/hoy/netd/lease.up0"), "the next boot starts afresh")
    machine.configure(DHCP + "DHCPv4.SendRelease = no\nDHCPv4.SendHostname = no\n")
    machine.start()
    n.wait_for("a lease", lambda: "bound" in Engine().show("leases"))
    machine.init.send(n.OFF)
    machine.stop()
    tap.check(len([r for r in server.requests() if r[0] == "7"]) == 1, "not where it is told not to")
    tap.check(os.path.exists("/run/hoy/netd/lease.up0"), "and the lease is remembered")
    server.close()
    machine.start()


@tap.test("an interface that never appears: shown, and the rest works")
def absent():
    machine.configure("[network ghost]\nMatch.Name = wan7\n" + DHCP)
    machine.init.send(n.RELOAD)
    n.wait_for("it is shown", lambda: "wan7" in Engine().show("links"))
    tap.check("no interface matches" in Engine().show("links"), Engine().show("links"))
    tap.check("matches up0" not in Engine().show("links"), "nobody waits for what is there")
    n.wait_for("the other one works", lambda: "uplink [network up]" in Engine().show("links"))


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
