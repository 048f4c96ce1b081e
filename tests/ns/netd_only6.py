#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Container networks with IPv6 alone on a real kernel: addresses, names, ports, exposure, adoption, errors."""
import socket
import struct

import netd_peer as n
from netd_peer import TCP, UDP, Container, Echo, Engine, Machine, Refused, sh, talk, tap

n.enter()
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
                  "[bridge six]\nipv4 = no\n[bridge other]\nipv4 = no\nsubnet6 = fd12:6:0:1::/64\n"
                  "[bridge closed]\nipv4 = no\ninternal = yes\n"
                  "[bridge routed]\nipv4 = no\nsubnet6 = 2001:db8:7::/64\n"
                  "[bridge wrong]\nipv4 = no\nsubnet = 172.30.0.0/24\n")
box = {}
PORTS = [(TCP, "*", 8080, 80, 1), (UDP, "*", 5300, 5353, 1), (TCP, "::", 8083, 80, 1), (TCP, "::1", 8090, 80, 1)]


def refused(function, *words):
    try:
        function()
    except Refused as e:
        for word in words:
            tap.check(word in str(e), "'%s' names %s" % (e, word))
        return
    raise AssertionError("it was not refused")


def says(address, port, proto="tcp", ns=None):
    return talk(ns, address, port, proto) or ""


def bridge_of(name):
    return {line.split()[0]: line.split() for line in Engine().show("networks").splitlines()}[name]


@tap.test("ipv4 = no: bridge, guard and table know the network by its IPv6 subnet alone")
def ready():
    machine.start()
    six = bridge_of("six")
    box["subnet"] = six[3]
    box["prefix"] = six[3].replace("/64", "")
    tap.check(six[2] == "-" and six[3].startswith("fd") and six[4] == "open", str(six))
    on = sh("ip -o addr show dev " + six[1])
    tap.check("inet " not in on and box["prefix"] + "1/64" in on, on)
    tap.check("prohibit " + box["subnet"] in sh("ip -6 route"), sh("ip -6 route"))
    tap.check(sh("ip -4 route show type prohibit").split()[1] == "172.17.0.0/16" and
              len(sh("ip -4 route show type prohibit").splitlines()) == 1, sh("ip -4 route"))
    nets4 = n.nft("list", "set", "inet", "hoy", "nets4")
    tap.check("elements = { 172.17.0.0/16 }" in nets4, nets4)
    rows = {row["name"]: row for row in Engine().rows("networks")}
    tap.check("subnet" not in rows["six"] and rows["six"]["subnet6"] == box["subnet"], str(rows["six"]))
    wall = {row["network"]: row for row in Engine().rows("firewall")}
    tap.check(not wall["six"]["ip4_translated"] and wall["six"]["ip6_translated"] and
              not wall["routed"]["ip6_translated"], str(wall))
    show = Engine().show("firewall")
    tap.check("IPv6 translated, no IPv4" in show and "IPv6 as it is, no IPv4" in show, show)
    tap.check(set(rows["wrong"]) == {"name", "refused"} and "ipv4 = no takes away" in rows["wrong"]["refused"], str(rows["wrong"]))
    tap.check("ipv4 = no takes away" in machine.log_text(), machine.log_text())


@tap.test("ipv4 = no: a container has one address and one default route, of IPv6; nothing of IPv4 but lo")
def attach():
    machine.lan.sh("ip -6 addr add fd99::1/64 dev lan0 nodad")
    sh("ip -6 addr add fd99::2/64 dev up0 nodad")
    box["engine"] = Engine()
    for name, network, ports in (("web", "six", PORTS), ("mate", "six", ()), ("peer", "other", ()),
                                 ("inner", "closed", ()), ("open", "routed", ())):
        box[name] = Container(name)
        row = box["engine"].attach(box[name], [network], ports=ports)[0]
        box[name].mac = row["mac"]
        tap.check((row["ip"], row["prefix"], row["gateway"]) == ("", 0, ""), str(row))
        tap.check((row["gateway6"] == "") == (name == "inner") and row["prefix6"] == 64, str(row))
    tap.check(box["web"].mac != box["mate"].mac and box["web"].mac.startswith("02:42:"), "MAC addresses of their own")
    four = box["web"].ns.sh("ip -4 -o addr; ip -4 route")
    tap.check(four.count("inet ") == 1 and "127.0.0.1/8" in four and "default" not in four, four)
    inside = box["web"].ns.sh("ip -6 -o addr show dev eth0 scope global; ip -6 route; ip link show dev eth0")
    tap.check(box["web"].ip6 + "/64" in inside and "tentative" not in inside and box["web"].mac in inside and
              "default via %s1" % box["prefix"] in inside, inside)
    for proto, port in (("tcp", 80), ("udp", 5353), ("tcp", 22)):
        Echo(box["web"].ns, proto, port, "web", "::")
    Echo(box["open"].ns, "tcp", 80, "open", "::")
    Echo(machine.lan, "tcp", 4000, "outside", "::")
    tap.check(says(box["web"].ip6, 80).startswith("web"), "from the host")
    tap.check(says(box["web"].ip6, 80, ns=box["mate"].ns).startswith("web " + box["mate"].ip6), "from its network")


@tap.test("ipv4 = no: published ports from the LAN (its address is kept), the host, ::1, other networks and the container")
def published():
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "TCP")
    tap.check(says("fd99::2", 5300, "udp", machine.lan) == "web fd99::1 hello", "UDP")
    tap.check(says("fd99::2", 8083, ns=machine.lan) == "web fd99::1 hello", "IPv6 alone")
    for ns in (None, box["web"].ns, box["mate"].ns, box["peer"].ns):
        tap.check(says("fd99::2", 8080, ns=ns).startswith("web"), "the host, hairpin, its network, another network")
    n.wait_for("::1", lambda: says("::1", 8080).startswith("web") and says("::1", 8090).startswith("web"))
    tap.check(not n.answering((machine.lan, "10.9.0.2", 8080), (None, "127.0.0.1", 8080)), "nothing on IPv4")
    table = n.nft("list", "map", "inet", "hoy", "any4")
    tap.check("elements" not in table, table)


@tap.test("ipv4 = no: closed to all who go another way; what leaves carries the host's address, or its own where routed")
def closed():
    machine.lan.sh("ip -6 route add %s via fd99::2; ip -6 route add 2001:db8:7::/64 via fd99::2" % box["subnet"])
    gateway = bridge_of("closed")[3].replace("/64", "1")
    box["inner"].ns.sh("ip -6 route add default via " + gateway)
    heard = n.answering(
        (machine.lan, box["web"].ip6, 80), (machine.lan, box["web"].ip6, 22), (machine.lan, "fd99::2", 22),
        (machine.lan, "fd99::2", 8090), (machine.lan, box["open"].ip6, 80), (box["peer"].ns, box["web"].ip6, 80),
        (box["inner"].ns, "fd99::1", 4000), (box["inner"].ns, box["web"].ip6, 80))
    tap.check(not heard, "open: %s" % heard)
    tap.check(says("fd99::1", 4000, ns=box["web"].ns) == "outside fd99::2 hello", "translated")
    tap.check(says("fd99::1", 4000, ns=box["open"].ns) == "outside %s hello" % box["open"].ip6, "routed")


def ask(container, name, kind):
    """Answer code and records' data of a question to the container's resolver."""
    with container.ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(n.LIMIT_S)
    wire = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + wire + struct.pack(">HH", kind, 1), ("127.0.0.11", 53))
    answer = s.recv(4096)
    s.close()
    at, rows = 12 + len(wire) + 4, []
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        size = struct.unpack(">H", answer[at + 10:at + 12])[0]
        rows.append(answer[at + 12:at + 12 + size])
        at += 12 + size
    return answer[3] & 15, rows


@tap.test("ipv4 = no: AAAA and PTR of its containers, NODATA for A, the resolver answers inside")
def names():
    web = socket.inet_pton(socket.AF_INET6, box["web"].ip6)
    tap.check(ask(box["mate"], "web", 28) == (0, [web]), "AAAA")
    tap.check(ask(box["mate"], "web", 1) == (0, []), "A: NODATA")
    tap.check(ask(box["mate"], ".".join(web.hex()[::-1]) + ".ip6.arpa", 12) == (0, [b"\x03web\0"]), "PTR")
    code, rows = ask(box["peer"], "web", 28)
    tap.check(not rows and code != 0, "not of another network: %d" % code)
    told = box["engine"].show("dns")
    tap.check("name web %s on six" % box["web"].ip6 in told, told)


@tap.test("ipv4 = no: beside a network with both, each family leaves by the first network that has it")
def both():
    mixed = Container("mixed")
    rows = box["engine"].attach(mixed, ["six", "bridge"], ports=[(TCP, "*", 8100, 80, 1)])
    tap.check(rows[0]["gateway6"] and not rows[1]["gateway6"] and rows[1]["gateway"], str(rows))
    routes = mixed.ns.sh("ip route; ip -6 route")
    tap.check("default via 172.17.0.1 dev eth1" in routes and "default via %s1 dev eth0" % box["prefix"] in routes, routes)
    Echo(mixed.ns, "tcp", 80, "mixed", "::")
    tap.check(says("10.9.0.2", 8100, ns=machine.lan).startswith("mixed"), "IPv4")
    tap.check(says("fd99::2", 8100, ns=machine.lan).startswith("mixed"), "IPv6")
    left = box["engine"].disconnect(mixed, "six")
    routes = mixed.ns.sh("ip -6 route")
    tap.check(left[0]["gateway6"] and "default via" in routes and "eth1" in routes, routes)
    tap.check(says("fd99::2", 8100, ns=machine.lan).startswith("mixed"), "the port went along")
    box["engine"].detach(mixed)
    mixed.close()


@tap.test("ipv4 = no: what does not fit is refused; wishes of IPv6 are kept")
def wishes():
    one, two = Container("one"), Container("two")
    mine = box["prefix"] + "abcd"
    engine = box["engine"]
    refused(lambda: engine.attach(one, [("six", [], "172.17.0.9")]), "six has IPv6 alone")
    refused(lambda: engine.attach(one, ["six"], ports=[(TCP, "0.0.0.0", 99, 99, 1)]), "ipv4 = yes", "99")
    refused(lambda: engine.attach(one, ["six"], ports=[(TCP, "127.0.0.1", 99, 99, 1)]), "ipv4 = yes")
    row = engine.attach(one, [("six", [], "", mine)])[0]
    tap.check(row["ip6"] == mine, str(row))
    refused(lambda: engine.attach(two, [("six", [], "", mine)]), "taken by container one")
    more = n.text("") * 7 + struct.pack("<I", 0)  # subnet6, driver, mode, parent, gateway, range, rate, MTU
    no_ip4 = b"\0" + more + b"\1"
    refused(lambda: engine.network_set("none", more=b"\1" + more + b"\1"), "neither")
    refused(lambda: engine.network_set("four", "172.29.0.0/24", more=no_ip4), "no IPv4")
    tap.check(engine.network_set("made", more=no_ip4) == ("", ""), "by call")
    tap.check(engine.network_set("made", more=no_ip4) == ("", ""), "again")
    refused(lambda: engine.network_set("made", more=b"\0" + more + b"\0"), "exists", "no IPv4")
    row = engine.attach(two, ["made"])[0]
    tap.check(row["ip"] == "" and row["ip6"], str(row))
    box["made"] = two
    engine.detach(one)
    one.close()


@tap.test("ipv4 = no: kill -9 of netd changes nothing; a new namespace of the container has the old address")
def adopt():
    look = "ip -o addr show scope global | sed 's/valid.*//'; ip -6 route | grep -v fe80 | sed 's/ linkdown//' | sort"
    before, address = sh(look), box["web"].ip6
    machine.kill()
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "without netd")
    machine.start()
    tap.check(sh(look) == before, before + sh(look))
    engine = box["engine"] = Engine()
    tap.check(engine.attach(box["web"], ["six"], ports=PORTS)[0]["ip6"] == address, "adopted")
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "and served")
    tap.check(engine.attach(box["made"], ["made"])[0]["ip"] == "", "the network that was made by call")
    again = Container("web", box["web"].ident)
    row = engine.attach(again, ["six"], ports=PORTS)[0]
    tap.check((row["ip6"], row["mac"]) == (address, box["web"].mac), str(row))
    box["web"].close()
    box["web"] = again
    Echo(again.ns, "tcp", 80, "next", "::")
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "next fd99::1 hello", "the next start of it")


@tap.test("ipv4 = no: network why and trace; what is taken away comes back")
def told():
    engine = box["engine"]
    why = engine.show("why [fd99::2]:8080")
    tap.check("any6" in why and "[%s]:80" % box["web"].ip6 in why, why)
    why = engine.show("why 10.9.0.2:8080")
    tap.check("no container publishes" in why, why)
    why = engine.show("why 10.1.2.3:80")
    tap.check("not on this machine" in why, why)
    trace = engine.show("trace %s -> [fd99::1]:4000" % box["web"].ip6)
    tap.check("pst" in trace and "verdict" in trace, trace)
    dev = bridge_of("six")[1]
    sh("ip link del " + dev)
    n.wait_for("the bridge", lambda: box["prefix"] + "1/64" in sh("ip -6 -o addr"))
    sh("ip -6 route del prohibit %s metric 4294967280" % box["subnet"])
    n.wait_for("the guard", lambda: "prohibit " + box["subnet"] in sh("ip -6 route"))
    for name in ("web", "mate", "peer", "inner", "open", "made"):
        engine.detach(box[name])
        box[name].close()
    engine.network_remove("made")
    machine.stop()
    machine.check_log()


tap.run()
