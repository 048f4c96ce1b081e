#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd's container networks on a real kernel: exposure, ports, adoption after kill -9, errors."""
import socket
import struct
import threading
import time

import netd_peer as n
from netd_peer import (TCP, UDP, Container, Echo, Engine, Machine, Refused, sh, silent, talk,
                       tap)

n.enter()
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
                  "Gateway = 10.9.0.1\nDNS = 10.9.0.1\n"
                  "[bridge other]\nsubnet = 172.30.0.0/24\n"
                  "[bridge closed]\nsubnet = 172.31.0.0/24\ninternal = yes\n")
box = {}


def refused(function, *words):
    try:
        function()
    except Refused as e:
        for word in words:
            tap.check(word in str(e), "'%s' names %s" % (e, word))
        return e
    raise AssertionError("it was not refused")


@tap.test("ready with lo, bridges and firewall, without an uplink")
def ready():
    machine.start()
    tap.check("state UP" in sh("ip link show lo") or "LOWER_UP" in sh("ip link show lo"), "lo is up")
    tap.check(machine.address("hoy0") == "172.17.0.1/16", "the default bridge has its gateway")
    table = n.nft("list", "table", "inet", "hoy")
    for word in ("flags owner", "map pub4", "map any4", "172.17.0.0/16", "172.30.0.0/24",
                 "policy drop", "masquerade"):
        tap.check(word in table, "%s in %s" % (word, table))
    tap.check(sh("cat /proc/sys/net/ipv4/ip_forward").strip() == "1", "forwarding is on")
    n.wait_for("the static address", lambda: machine.address() == "10.9.0.2/24")
    n.wait_for("resolv.conf", lambda: "nameserver 10.9.0.1" in open(
        "/run/hoy/net/etc/resolv.conf", encoding="ascii").read())


@tap.test("a container gets its interface, address and default route")
def attach():
    box["engine"] = Engine()
    box["web"] = Container("web")
    rows = box["engine"].attach(box["web"], ports=[
        (TCP, "0.0.0.0", 8080, 80, 1), (TCP, "127.0.0.1", 8081, 80, 1),
        (UDP, "0.0.0.0", 5300, 5353, 1), (TCP, "0.0.0.0", 9000, 100, 16)])
    tap.check(rows[0]["gateway"] == "172.17.0.1" and rows[0]["prefix"] == 16, str(rows))
    inside = box["web"].ns.sh("ip -4 addr show eth0; ip route; ip link show lo")
    tap.check(rows[0]["ip"] + "/16" in inside and "default via 172.17.0.1" in inside, inside)
    tap.check("LOWER_UP" in inside, "lo is up inside")
    Echo(box["web"].ns, "tcp", 80, "web")
    Echo(box["web"].ns, "udp", 5353, "web")
    Echo(box["web"].ns, "tcp", 22, "secret")
    Echo(box["web"].ns, "tcp", 115, "range")


@tap.test("probe: host to 127.0.0.1")
def probe_loopback():
    tap.check((talk(None, "127.0.0.1", 8081) or "").startswith("web"), "published on 127.0.0.1")
    tap.check((talk(None, "127.0.0.1", 8080) or "").startswith("web"), "published everywhere")


@tap.test("probe: host to its own address, last port of a range")
def probe_host():
    tap.check((talk(None, "10.9.0.2", 8080) or "").startswith("web"), "own address")
    tap.check((talk(None, "10.9.0.2", 9015) or "").startswith("range"), "end of the range")


@tap.test("probe: the LAN reaches a published port and its source address is kept")
def probe_lan():
    tap.check(talk(machine.lan, "10.9.0.2", 8080) == "web 10.9.0.1 hello", "TCP")
    tap.check(talk(machine.lan, "10.9.0.2", 5300, "udp") == "web 10.9.0.1 hello", "UDP")


@tap.test("probe: the LAN cannot reach what is published on 127.0.0.1")
def probe_lan_loopback():
    tap.check(silent(machine.lan, "10.9.0.2", 8081), "by the host's address")
    machine.lan.sh("ip route add 127.0.0.0/8 via 10.9.0.2 table 99 || true; "
                   "ip rule add to 127.0.0.1 lookup 99 pref 1; ip rule del pref 0; "
                   "ip rule add pref 2 lookup local; ip route add local 127.0.0.1 dev lo table 98;"
                   "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
    before = int(sh("cat /sys/class/net/up0/statistics/rx_packets"))
    quiet = silent(machine.lan, "127.0.0.1", 8081)
    after = int(sh("cat /sys/class/net/up0/statistics/rx_packets"))
    machine.lan.sh("ip rule del pref 2; ip rule add pref 0 lookup local; ip rule del pref 1")
    tap.check(after > before, "the forged packets did arrive at the uplink")
    tap.check(quiet, "by 127.0.0.1 sent over the wire")


@tap.test("probe: hairpin, a container reaches its own published port")
def probe_hairpin():
    tap.check((talk(box["web"].ns, "10.9.0.2", 8080) or "").startswith("web"), "TCP")
    tap.check((talk(box["web"].ns, "172.17.0.1", 8080) or "").startswith("web"), "by gateway")


@tap.test("probe: another network reaches a published port by the host's address only")
def probe_other():
    box["peer"] = Container("peer")
    box["engine"].attach(box["peer"], ["other"])
    tap.check((talk(box["peer"].ns, "10.9.0.2", 8080) or "").startswith("web"), "published")
    open_ones = n.answering((box["peer"].ns, box["web"].ip, 80), (box["peer"].ns, box["web"].ip, 22))
    tap.check(not open_ones, "not directly: %s" % open_ones)


@tap.test("probe: the LAN cannot reach container addresses, published or not")
def probe_direct():
    machine.lan.sh("ip route add 172.17.0.0/16 via 10.9.0.2")
    open_ones = n.answering((machine.lan, box["web"].ip, 80),  # the published port's inner side
                            (machine.lan, box["web"].ip, 22),  # an unpublished port
                            (machine.lan, "172.17.0.1", 8080))  # by the gateway's address
    tap.check(not open_ones, str(open_ones))
    machine.lan.sh("ip route del 172.17.0.0/16")


@tap.test("probe: of all 65,535 ports of a container the LAN's packets reach none")
def probe_all():
    source, target = socket.inet_aton("10.9.0.1"), socket.inet_aton(box["web"].ip)
    machine.lan.sh("ip route add 172.17.0.0/16 via 10.9.0.2")
    with box["web"].ns.inside():
        ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    ears.bind(("eth0", 0x0800))
    with machine.lan.inside():
        wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    # What does not change in the sum of a SYN from port 4444 beside its destination.
    words = source + target + struct.pack(">BBHHIIBBHHH", 0, 6, 20, 4444, 1, 0, 5 << 4, 2, 1024, 0, 0)
    fixed = sum(struct.unpack(">%dH" % (len(words) // 2), words))
    for port in range(1, 65536):
        total = fixed + port
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        wire.sendto(struct.pack(">HHIIBBHHH", 4444, port, 1, 0, 5 << 4, 2, 1024, ~total & 0xffff, 0), (box["web"].ip, 0))
    machine.lan.sh("ip route del 172.17.0.0/16")
    # An honest connection by the published port, from port 4445, comes behind them.
    tap.check(talk(machine.lan, "10.9.0.2", 8080, source=("10.9.0.1", 4445)), "published")
    reached = []
    ears.settimeout(n.LIMIT_S)
    while not reached or reached[-1][0] != 4445:
        packet = ears.recv(2048)
        head = (packet[0] & 15) * 4
        if packet[9] == 6 and packet[12:16] == source and packet[head + 13] & 0x12 == 2:  # a SYN
            reached.append(struct.unpack(">HH", packet[head:head + 4]))
    strays = [port for origin, port in reached if origin == 4444]
    tap.check(not strays and reached[-1][1] == 80, "reached: %s" % strays[:20])
    ears.close()
    wire.close()


@tap.test("probe: a forged 127.0.0.1 source from the LAN and from a container is dropped")
def probe_forged():
    counter = Echo(None, "udp", 7000, "host")
    for ns, target in ((machine.lan, "10.9.0.2"), (box["web"].ns, "172.17.0.1")):
        ns.sh("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
        tap.check(talk(ns, target, 7000, "udp") is not None, "an honest source gets through")
        tap.check(silent(ns, target, 7000, "udp", ("127.0.0.1", 0)), "a forged does not")
    counter.close()


@tap.test("a container reaches the outside, masqueraded; one on an internal network does not")
def outside():
    server = Echo(machine.lan, "tcp", 4000, "outside")
    tap.check(talk(box["web"].ns, "10.9.0.1", 4000) == "outside 10.9.0.2 hello", "masqueraded")
    box["inner"] = Container("inner")
    rows = box["engine"].attach(box["inner"], ["closed"])
    tap.check(rows[0]["gateway"] == "", "no gateway")
    box["inner"].ns.sh("ip route add default via 172.31.0.1")
    open_ones = n.answering((box["inner"].ns, "10.9.0.1", 4000), (box["inner"].ns, "172.31.0.1", 8080))
    tap.check(not open_ones, "internal stays inside: %s" % open_ones)
    server.close()


@tap.test("a port that another container holds is refused by name")
def port_taken():
    other = Container("rival")
    e = refused(lambda: box["engine"].attach(other, ports=[(TCP, "127.0.0.1", 8080, 1, 1)]),
                "8080/tcp", "web", "rival")
    tap.check(e.code == -98, "EADDRINUSE, got %d" % e.code)
    tap.check("v" not in other.ns.sh("ip -o link show | grep -c eth0 || true").strip(), "clean")
    tap.check("eth0" not in other.ns.sh("ip -o link"), "nothing of it is left")
    refused(lambda: box["engine"].attach(other, ports=[(TCP, "0.0.0.0", 9010, 1, 20)]),
            "9010/tcp", "web")
    box["engine"].attach(other, ports=[(UDP, "0.0.0.0", 8080, 80, 1)])
    box["engine"].detach(other)
    other.close()


@tap.test("a port that the host itself uses is refused by name")
def port_of_host():
    other = Container("rival")
    server = Echo(None, "tcp", 2376, "docker")
    refused(lambda: box["engine"].attach(other, ports=[(TCP, "0.0.0.0", 2376, 1, 1)]),
            "2376/tcp", "the host")
    server.close()
    box["engine"].attach(other, ports=[(TCP, "0.0.0.0", 2376, 1, 1)])
    box["engine"].detach(other)
    other.close()


@tap.test("one in the midst of many ports too: on every address, on IPv6 alone, by UDP, and not one that is in nobody's way")
def ports_of_host():
    other = Container("rival")
    for proto, port, ip, asked, free in ((TCP, 2376, "0.0.0.0", "0.0.0.0", None), (TCP, 2376, "::", "*", None),
                                         (UDP, 2399, "127.0.0.1", "127.0.0.1", "127.0.0.2"),
                                         (TCP, 2300, "127.0.0.1", "0.0.0.0", "10.9.0.2")):
        server = Echo(None, "udp" if proto == UDP else "tcp", port, "own", ip)
        refused(lambda p=proto, a=asked: box["engine"].attach(other, ports=[(p, a, 2300, 1, 100)]), str(port), "the host")
        if free:
            box["engine"].attach(other, ports=[(proto, free, 2300, 1, 100)])
            box["engine"].detach(other)
        server.close()
        box["engine"].attach(other, ports=[(proto, asked, 2300, 1, 100)])
        box["engine"].detach(other)
    other.close()


@tap.test("an unknown network is refused and the nearest named")
def unknown_network():
    other = Container("rival")
    e = refused(lambda: box["engine"].attach(other, ["bridges"]), "bridges", "did you mean 'bridge'")
    tap.check(e.code == -2, "ENOENT")
    other.close()


@tap.test("networks made by a call get a free subnet, refuse overlap and removal while in use")
def networks():
    subnet, gateway = box["engine"].network_set("shop")
    tap.check(subnet == "172.18.0.0/16" and gateway == "172.18.0.1", subnet)
    refused(lambda: box["engine"].network_set("clash", "172.17.5.0/24"), "network bridge")
    refused(lambda: box["engine"].network_set("clash", "10.9.0.0/16"), "up0")
    refused(lambda: box["engine"].network_set("x y"), "letters")
    other = Container("shopper")
    box["engine"].attach(other, ["shop", "bridge"])
    tap.check("eth1" in other.ns.sh("ip -o addr"), "two interfaces")
    refused(lambda: box["engine"].network_remove("shop"), "1 container")
    refused(lambda: box["engine"].network_remove("other"), "network.ini")
    box["engine"].detach(other)
    tap.check("eth0" not in other.ns.sh("ip -o link"), "detached")
    box["engine"].network_remove("shop")
    tap.check("172.18.0.0" not in n.nft("list", "table", "inet", "hoy"), "gone from the firewall")
    other.close()


@tap.test("malformed and oversized requests are answered, nothing breaks")
def malformed():
    refused(lambda: box["engine"].call(n.SHOW, n.text("prots")), "did you mean ports")
    refused(lambda: box["engine"].call(n.NETWORK_SET, b"\x02\0\0\0ab" + n.text("") + b"\7"),
            "malformed")
    for what in ("links", "addrs", "routes", "dns", "leases", "ports", "networks"):
        tap.check(box["engine"].show(what), what)
    tap.check("8080" in box["engine"].show("ports"), "ports are listed")
    e = Engine()
    e.sock.send(b"\xff" * 40)
    e.sock.close()
    tap.check("web" in box["engine"].show("dns"), "the others are served on")


@tap.test("network show for programs: rows of named fields for each word")
def rows():
    e = box["engine"]
    ports = [r for r in e.rows("ports") if r["port"] == 8081]
    tap.check(ports and ports[0]["address"] == "127.0.0.1" and ports[0]["container"] == "web" and
              ports[0]["ip4"] and not ports[0]["ip6"], str(ports))
    up0 = [r for r in e.rows("links") if r["name"] == "up0"][0]
    tap.check(up0["uplink"] == "up" and up0["up"] and up0["mtu"] == 1500, str(up0))
    tap.check([r for r in e.rows("addrs") if r["address"] == "10.9.0.2/24" and r["ours"]], "addrs")
    tap.check([r for r in e.rows("routes") if r["gateway"] == "10.9.0.1"], str(e.rows("routes")))
    names = {r["name"]: r for r in e.rows("networks")}
    tap.check(names["closed"]["internal"] and names["bridge"]["subnet"] == "172.17.0.0/16", str(names))
    tap.check({"server": "10.9.0.1", "tls": False, "state": ""} in e.rows("dns"), e.rows("dns"))
    for what in ("leases", "time", "firewall"):
        tap.check(isinstance(e.rows(what), list), what)
    refused(lambda: e.rows("prots"), "prots")


@tap.test("network why: which port, rule or absence decides")
def why():
    def asked(place):
        return box["engine"].show("why " + place)
    tap.check("published by container web" in asked("10.9.0.2:8080") and "any4" in
              asked("10.9.0.2:8080") and box["web"].ip + ":80" in asked("10.9.0.2:8080"), "TCP")
    tap.check("this machine only" in asked("127.0.0.1:8081"), asked("127.0.0.1:8081"))
    tap.check("on 127.0.0.1 alone" in asked("10.9.0.2:8081"), asked("10.9.0.2:8081"))
    tap.check(box["web"].ip + ":103" in asked("10.9.0.2:9003"), "inside a range")
    tap.check("web" in asked("10.9.0.2:5300/udp") and "for udp" in asked("10.9.0.2:5300"), "UDP")
    tap.check("no container publishes" in asked("10.9.0.2:22"), asked("10.9.0.2:22"))
    tap.check("chain guard drops" in asked(box["web"].ip + ":22"), asked(box["web"].ip + ":22"))
    tap.check("not on this machine" in asked("192.0.2.9:80"), asked("192.0.2.9:80"))
    for bad in ("", "x", "10.9.0.2", "10.9.0.2:0", "10.9.0.2:80/sctp", "10.9.0.2:80:90"):
        refused(lambda b=bad: asked(b), "address and a port")


@tap.test("a foreign flush does not touch the table")
def flush():
    n.nft("flush", "ruleset")
    tap.check("172.17.0.0/16" in n.nft("list", "table", "inet", "hoy"), "the table is there")
    tap.check((talk(machine.lan, "10.9.0.2", 8080) or "").startswith("web"), "and works")


class Stream(threading.Thread):
    """Talks over one connection without pause; counts answers, remembers the longest wait."""

    def __init__(self, address, fresh):
        super().__init__(daemon=True)
        self.address, self.fresh = address, fresh
        self.answers = self.failures = 0
        self.longest = 0.0
        self.quit = False

    def connect(self):
        s = socket.create_connection(self.address, 60)
        s.settimeout(60)
        return s

    def run(self):
        s = self.connect()
        while not self.quit:
            start = time.monotonic()
            try:
                if self.fresh:
                    s.close()
                    s = self.connect()
                s.sendall(b"x")
                tap.check(s.recv(100), "closed")
                self.answers += 1
            except (OSError, AssertionError):
                self.failures += 1
                s = self.connect()
            self.longest = max(self.longest, time.monotonic() - start)
            time.sleep(0.002)


@tap.test("kill -9 while traffic flows: flows and new connections go on, all is adopted")
def kill():
    streams = [Stream(("10.9.0.2", 8080), False), Stream(("127.0.0.1", 8081), True)]
    for s in streams:
        s.start()
    time.sleep(0.3)
    before = sh("ip -o link | sed 's/state.*//' | sort; ip -4 -o addr; ip route")
    mac = box["web"].ns.sh("ip -o link show eth0")
    for _ in range(5):
        machine.kill()
        time.sleep(0.1)
        machine.start()
    n.wait_for("traffic", lambda: all(s.answers > 50 or s.failures for s in streams))
    after = sh("ip -o link | sed 's/state.*//' | sort; ip -4 -o addr; ip route")
    for s in streams:
        s.quit = True
        s.join()
        tap.check(s.failures == 0 and s.answers > 50, "%d answers, %d failures" % (
            s.answers, s.failures))
        tap.note("longest wait %.0f ms" % (s.longest * 1000))
    tap.check(before == after, "the same links, addresses, routes:\n%s\n%s" % (before, after))
    box["engine"] = Engine()
    rows = box["engine"].attach(box["web"], ports=[
        (TCP, "0.0.0.0", 8080, 80, 1), (TCP, "127.0.0.1", 8081, 80, 1),
        (UDP, "0.0.0.0", 5300, 5353, 1), (TCP, "0.0.0.0", 9000, 100, 16)])
    tap.check(rows[0]["ip"] == box["web"].ip, "the same address")
    tap.check(mac == box["web"].ns.sh(
        "ip -o link show eth0"), "the same interface")


@tap.test("SYNC drops what the engine no longer has")
def sync():
    box["engine"].sync([box["web"], box["peer"]])
    tap.check("inner" not in box["engine"].show("dns"), "detached")
    tap.check("eth0" not in box["inner"].ns.sh("ip -o link"), "and its interface is gone")


@tap.test("a container that died while netd was dead is forgotten as soon as the engine says who lives")
def died():
    other = Container("ghost")
    box["engine"].attach(other, ports=[(TCP, "0.0.0.0", 7777, 1, 1)])
    machine.kill()
    other.close()
    machine.start()
    box["engine"] = Engine()
    box["engine"].sync([box["web"], box["peer"]])
    n.wait_for("the host end to go", lambda: sh("ip -o link").count("master hoy0") == 1)
    tap.check("7777" not in box["engine"].show("ports"), "no port of it")
    tap.check("7777" not in n.nft("list", "table", "inet", "hoy"), "none in the firewall")


@tap.test("a republished UDP port serves clients with a fixed source port at once")
def stale_udp():
    tap.check(talk(machine.lan, "10.9.0.2", 5300, "udp", source=("", 40001)) is not None, "first")
    second = Container("second")
    box["engine"].detach(box["web"])
    box["engine"].attach(second, ports=[(UDP, "0.0.0.0", 5300, 5353, 1)])
    Echo(second.ns, "udp", 5353, "second")
    got = talk(machine.lan, "10.9.0.2", 5300, "udp", source=("", 40001))
    tap.check(got == "second 10.9.0.1 hello", "the new container answers, got %s" % got)


@tap.test("1,000 ports are one batch, and published ports stay one lookup")
def many():
    def rules():
        return n.nft("-a", "list", "table", "inet", "hoy").count("handle")
    other = Container("wide")
    before = rules()
    box["engine"].attach(other, ports=[(TCP, "0.0.0.0", 20000, 20000, 1000)])
    Echo(other.ns, "tcp", 20999, "wide")
    tap.check((talk(machine.lan, "10.9.0.2", 20999) or "").startswith("wide"), "the last one")
    tap.check(rules() == before, "%d rules, chains and sets, %d before" % (rules(), before))
    box["engine"].detach(other)
    tap.check(silent(machine.lan, "10.9.0.2", 20999), "gone again")
    other.close()


@tap.test("RELOAD adds a network and keeps the rest; a mistake is named and the rest is used")
def reload_conf():
    machine.configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
                      "Gateway = 10.9.0.1\nDNS = 10.9.0.1\n[bridge late]\n"
                      "subnet = 172.29.0.0/24\n[bridge bad]\nsubnets = 1.2.3.0/24\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the new network", lambda: "late" in box["engine"].show("networks"))
    tap.check(machine.address() == "10.9.0.2/24", "the uplink is as it was")
    tap.check("network.ini:9" in machine.log_text() and "subnets" in machine.log_text(),
              machine.log_text()[-1500:])
    shown = box["engine"].show("networks")
    tap.check("\nbad " not in shown and "[bridge bad] is refused: " in shown, "the refused one is not there: " + shown)


@tap.test("STOP ends netd with 0; nothing in its log points at memory or a forbidden call")
def stop():
    machine.stop()
    tap.check((talk(machine.lan, "10.9.0.2", 5300, "udp") or "").startswith("second"),
              "containers are served on without netd")
    machine.check_log()


tap.run()
