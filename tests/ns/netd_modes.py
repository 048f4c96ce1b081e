#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the machine is to a network (gateway modes, masquerade), and what bridges and interfaces are called."""
import json
import os
import signal
import socket
import struct

import netd_peer as n
from netd_peer import TCP, UDP, Container, Echo, Engine, Machine, Refused, sh, talk, tap, text

n.enter()
NETS = ("[bridge ways]\nsubnet = 10.50.0.0/24\nsubnet6 = fd50::/64\ngateway_mode = routed\ngateway_mode6 = routed\n"
        "[bridge bare]\nsubnet = 10.51.0.0/24\nsubnet6 = fd51::/64\ngateway_mode = nat-unprotected\n"
        "[bridge alone]\nsubnet = 10.52.0.0/24\nsubnet6 = fd52::/64\ninternal = yes\ngateway_mode = isolated\n"
        "gateway_mode6 = isolated\n"
        "[bridge plain]\nsubnet = 10.53.0.0/24\nipv6 = no\nmasquerade = no\nbridge_name = br7\nifname_prefix = net\n"
        "[bridge a-network-with-quite-a-long-name]\nsubnet = 10.56.0.0/29\nsubnet6 = fd56::/64\ngateway6 = fd56::f\ninhibit_ipv4 = yes\n"
        "reserved = 10.56.0.2\nreserved = 10.56.0.3\nreserved = fd56::4\n")
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nAddress = fd99::2/64\nGateway = 10.9.0.1\n" + NETS)
machine.lan.sh("ip -6 addr add fd99::1/64 dev lan0 nodad")
machine.start()
n.wait_for("the address", lambda: machine.address() == "10.9.0.2/24")
n.wait_for("its IPv6 address", lambda: "fd99::2" in sh("ip -6 -o addr show dev up0 -tentative"))
for number in (50, 51, 52, 53):
    machine.lan.sh("ip route add 10.%d.0.0/24 via 10.9.0.2; ip -6 route add fd%d::/64 via fd99::2" % (number, number))
box = {"engine": Engine()}


def attach(name, network, ports=()):
    box[name] = Container(name)
    rows = box["engine"].attach(box[name], [(network, [name])], ports)
    for proto, port in (("tcp", 80), ("tcp", 81), ("udp", 80)):
        Echo(box[name].ns, proto, port, name)
        if box[name].ip6:
            Echo(box[name].ns, proto, port, name, box[name].ip6)
    return rows


def again():
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    box["engine"].sync([b for b in box.values() if isinstance(b, Container)])


def ping(ns, ip):
    """Does an echo request come back?"""
    v6 = ":" in ip
    with ns.inside():
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    s.connect((ip, 0))
    s.settimeout(n.LIMIT_S)
    s.send(struct.pack(">BBHHH", 128 if v6 else 8, 0, 0 if v6 else 0xe5ca, 0x1234, 1))
    with s:
        while True:
            answer = s.recv(2048)
            if answer[0 if v6 else 20] == (129 if v6 else 0):
                return True


def refused(what, words, *arguments, **more):
    try:
        what(*arguments, **more)
    except Refused as e:
        tap.check(words in str(e), str(e))
        return
    tap.check(False, "taken, where %r was expected" % words)


def routed_probes():
    way = box["way"]
    for ip in (way.ip, way.ip6):
        tap.check(talk(machine.lan, ip, 80) in ("way 10.9.0.1 hello", "way fd99::1 hello"), "the LAN, by %s" % ip)
        tap.check((talk(box["far"].ns, ip, 80) or "").startswith("way"), "another network, by %s" % ip)
        tap.check((talk(None, ip, 81) or "").startswith("way"), "the machine, unpublished: %s" % ip)
        tap.check(ping(machine.lan, ip), "ICMP from the LAN: %s" % ip)
    heard = n.answering((machine.lan, way.ip, 81), (machine.lan, way.ip6, 81), (box["far"].ns, way.ip, 81),
                        (box["far"].ns, way.ip6, 81), (machine.lan, "10.9.0.2", 8080), (None, "127.0.0.1", 8080),
                        (None, "::1", 8080), (None, "10.9.0.2", 8080))
    tap.check(not heard, "not published, or by the host's address: %s" % heard)


@tap.test("routed: published is the container's own address, to the LAN and other networks; nothing else, and no port of the host")
def routed():
    ports = [(TCP, "*", 8080, 80, 1), (TCP, "*", 8081, 80, 1)]
    attach("far", "bridge")
    attach("way", "ways", ports)
    attach("way2", "ways", ports)  # the host's ports are nobody's: two may name the same
    routed_probes()
    tap.check(talk(box["way"].ns, "10.9.0.1", 9) is None, "nobody listens there")
    outside = Echo(machine.lan, "tcp", 4000, "outside")
    tap.check(talk(box["way"].ns, "10.9.0.1", 4000) == "outside %s hello" % box["way"].ip, "out with its own address")
    outside.close()
    outside = Echo(machine.lan, "tcp", 4000, "outside", "fd99::1")
    tap.check(talk(box["way"].ns, "fd99::1", 4000) == "outside %s hello" % box["way"].ip6, "over IPv6 too")
    outside.close()


@tap.test("routed: kill -9, a port less, a network more and its end leave no hole and no rest")
def routed_live():
    again()
    routed_probes()
    box["engine"].attach(box["way"], [("ways", ["way"])], [(TCP, "*", 8081, 80, 1)])
    routed_probes()  # one of the two rows that stand for port 80 is gone
    box["engine"].attach(box["way"], [("ways", ["way"])], [(UDP, "0.0.0.0", 8081, 80, 1)])
    heard = n.answering((machine.lan, box["way"].ip, 80), (machine.lan, box["way"].ip6, 80))
    tap.check(not heard, "TCP is not published any more: %s" % heard)
    tap.check((talk(machine.lan, box["way"].ip, 80, "udp") or "").startswith("way"), "UDP is")
    tap.check("reach4" in n.nft("list", "table", "inet", "hoy"), "the set")
    box["engine"].detach(box["way2"])
    rows = json.loads(n.nft("-j", "list", "set", "inet", "hoy", "reach4"))["nftables"][1]["set"]["elem"]
    tap.check(rows == [{"concat": [box["way"].ip, "udp", 80]}], rows)
    box["engine"].attach(box["way"], [("ways", ["way"])], [(TCP, "*", 8080, 80, 1)])


@tap.test("routed: why and trace say so, and what the firewall does to each network")
def told():
    why = box["engine"].show("why %s:80" % box["way"].ip)
    tap.check("container way publishes it there, and ways is routed" in why, why)
    why = box["engine"].show("why [%s]:81" % box["way"].ip6)
    tap.check("closed to everybody outside: nothing publishes it" in why, why)
    trace = box["engine"].show("trace 10.9.0.1 -> %s:80" % box["way"].ip)
    tap.check("set reach4: published" in trace and "it goes on over" in trace, trace)
    trace = box["engine"].show("trace 10.9.0.1 -> %s:81" % box["way"].ip)
    tap.check("it does not get through" in trace, trace)
    shown = {row["network"]: row for row in box["engine"].rows("firewall")}
    tap.check(shown["ways"]["gateway_mode"] == "routed" and not shown["ways"]["ip4_translated"], shown["ways"])
    tap.check(shown["bare"]["gateway_mode"] == "nat-unprotected" and shown["bare"]["ip4_translated"], shown["bare"])
    lines = box["engine"].show("firewall")
    tap.check("2 published ports, routed" in lines and "both families as it is" in lines, lines)


@tap.test("nat-unprotected: every port of IPv4 is open to who has a route, IPv6 is closed, other networks are; out it is translated")
def unprotected():
    attach("bare", "bare", [(TCP, "*", 8090, 80, 1)])
    for probe in ((machine.lan, box["bare"].ip, 81), (machine.lan, "10.9.0.2", 8090), (machine.lan, "fd99::2", 8090)):
        tap.check((talk(*probe) or "").startswith("bare"), "%s" % (probe[1:],))
    tap.check(ping(machine.lan, box["bare"].ip), "ICMP")
    heard = n.answering((machine.lan, box["bare"].ip6, 81), (box["far"].ns, box["bare"].ip, 81),
                        (box["way"].ns, box["bare"].ip, 81))
    tap.check(not heard, "open: %s" % heard)
    outside = Echo(machine.lan, "tcp", 4000, "outside")
    tap.check(talk(box["bare"].ns, "10.9.0.1", 4000) == "outside 10.9.0.2 hello", "translated")
    outside.close()
    why = box["engine"].show("why %s:81" % box["bare"].ip)
    tap.check("gateway mode nat-unprotected" in why, why)


@tap.test("isolated: containers reach each other and not the machine, which has no address there")
def isolated():
    attach("one", "alone")
    attach("two", "alone")
    bridge = {row["name"]: row["bridge"] for row in box["engine"].rows("networks")}["alone"]
    tap.check("inet" not in sh("ip addr show dev " + bridge), sh("ip addr show dev " + bridge))
    host = Echo(None, "tcp", 4001, "host")
    for ip in (box["two"].ip, box["two"].ip6):
        tap.check((talk(box["one"].ns, ip, 80) or "").startswith("two"), "each other, by %s" % ip)
    box["one"].ns.sh("ip route add 10.9.0.2/32 dev eth0; ip -6 route add fd99::2/128 dev eth0")
    heard = n.answering((box["one"].ns, "10.9.0.2", 4001), (None, box["one"].ip, 80), (None, box["one"].ip6, 80),
                        (machine.lan, box["one"].ip, 80))
    tap.check(not heard, "open: %s" % heard)
    host.close()
    again()
    tap.check("inet" not in sh("ip addr show dev " + bridge), "after kill -9")
    tap.check((talk(box["one"].ns, box["two"].ip, 80) or "").startswith("two"), "each other, after kill -9")


@tap.test("masquerade = no: what leaves has its own address, answers come back, nobody else comes in")
def plain():
    rows = attach("plain", "plain", [(TCP, "*", 8095, 80, 1)])
    tap.check(rows[0]["ifname"] == "net0" and "net0" in box["plain"].ns.sh("ip -o link"), rows)
    tap.check("br7" in sh("ip -o link show type bridge"), "bridge_name")
    outside = Echo(machine.lan, "tcp", 4000, "outside")
    tap.check(talk(box["plain"].ns, "10.9.0.1", 4000) == "outside %s hello" % box["plain"].ip, "its own address")
    outside.close()
    heard = n.answering((machine.lan, box["plain"].ip, 80), (machine.lan, box["plain"].ip, 81))
    tap.check(not heard, "open: %s" % heard)
    tap.check((talk(machine.lan, "10.9.0.2", 8095) or "").startswith("plain"), "published as ever")
    sh("ip link del br7")
    n.wait_for("the bridge to be back", lambda: (talk(machine.lan, "10.9.0.2", 8095, limit_s=1) or "") or
               "br7" in sh("ip -o link show type bridge"))


@tap.test("an interface has the name that was asked for, over kill -9 and beside others; two of one name, lo and nonsense are refused")
def named():
    engine = box["engine"]
    box["named"] = Container("named")
    rows = engine.attach(box["named"], [("bridge", [], "", "", "", "wan"), "plain", "ways"])
    tap.check([row["ifname"] for row in rows] == ["wan", "net1", "eth2"], rows)
    before = box["named"].ns.sh("ip -o link")
    again()
    engine = box["engine"]
    engine.attach(box["named"], [("bridge", [], "", "", "", "wan"), "plain", "ways"])
    tap.check(box["named"].ns.sh("ip -o link") == before, "adopted")
    engine.disconnect(box["named"], "ways")
    engine.connect(box["named"], ("bare", [], "", "", "", "dmz.1"))
    tap.check("dmz.1" in box["named"].ns.sh("ip -o link"), "connect")
    refused(engine.connect, "would be called wan", box["named"], ("ways", [], "", "", "", "wan"))
    refused(engine.connect, "and not lo", box["named"], ("ways", [], "", "", "", "lo"))
    refused(engine.connect, "interface name", box["named"], ("ways", [], "", "", "", "a/b"))
    tap.check("eth2" not in box["named"].ns.sh("ip -o link"), "nothing is left of it")


def traits(bridge="", prefix="", gate4="", gate6="", no_masquerade=0, driver="", parent=""):
    return (b"\0" + text("") + text(driver) + text("") + text(parent) + text("") + text("") + text("") +
            struct.pack("<I", 0) + b"\0" + b"\0" + text("") + text(bridge) + text(prefix) + text(gate4) + text(gate6) +
            bytes([no_masquerade]))


@tap.test("by a call: kept over kill -9; another value is another network; wrong ones and taken names are refused, and nothing is deleted")
def by_call():
    engine = box["engine"]
    engine.network_set("called", "10.54.0.0/24", more=traits("br8", "lan", "routed", "", 1))
    again()
    engine = box["engine"]
    engine.network_set("called", "10.54.0.0/24", more=traits("br8", "lan", "routed", "", 1))
    refused(engine.network_set, "other values", "called", "10.54.0.0/24", more=traits("br8", "lan", "", "", 1))
    tap.check(attach("called", "called")[0]["ifname"] == "lan0", "ifname_prefix")
    refused(engine.network_set, "interface br8 is network called's", "other", more=traits("br8"))
    sh("ip link add dummy8 type bridge; ip link add pair8 type veth peer name pair9")
    for name in ("dummy8", "pair8", "up0"):
        refused(engine.network_set, "is there already and is not its bridge", "other", more=traits(name))
        sh("ip link show dev " + name)
    refused(engine.network_set, "expected nat", "other", more=traits(gate4="open"))
    refused(engine.network_set, "for internal networks", "other", more=traits(gate4="isolated"))
    refused(engine.network_set, "are for bridges", "other", "10.9.0.0/24",
            more=traits(gate4="routed", driver="macvlan", parent="up0"))
    refused(engine.network_set, "name of its bridge", "other", more=traits("a/b"))
    refused(engine.network_set, "prefix of interfaces", "other", more=traits(prefix="thirteenbytes"))
    engine.detach(box.pop("called"))
    engine.network_remove("called")
    tap.check("br8" not in sh("ip -o link"), "removed")


@tap.test("names of 127 bytes: a network, a container and an alias")
def long_names():
    name = "n" * 127
    box["engine"].network_set(name, "10.55.0.0/24")
    box["long"] = Container("c" * 127)
    rows = box["engine"].attach(box["long"], [(name, ["a" * 127])], [(TCP, "*", 8099, 80, 1)])
    tap.check(rows[0]["network"] == name, rows)
    Echo(box["long"].ns, "tcp", 80, "long")
    tap.check((talk(machine.lan, "10.9.0.2", 8099) or "").startswith("long"), "published")
    refused(box["engine"].network_set, "malformed", "n" * 128)
    again()
    tap.check(name in box["engine"].show("networks"), "kept")
    box["engine"].detach(box.pop("long"))
    box["engine"].network_remove(name)


LONG = "a-network-with-quite-a-long-name"


@tap.test("reserved, gateway6, inhibit_ipv4: no container gets such an address, and the machine has none of IPv4, over kill -9 too")
def reserved():
    def names(bridge):
        return sh("ip -4 -o addr show dev %s; ip -6 -o addr show dev %s" % (bridge, bridge))
    bridge = [line.split()[1] for line in box["engine"].show("networks").splitlines() if line.startswith(LONG)][0]
    n.wait_for("its address", lambda: "fd56::f/64" in names(bridge))
    tap.check("10.56.0." not in names(bridge) and "fd56::1/" not in names(bridge), names(bridge))
    rows = attach("r0", LONG) + attach("r1", LONG) + attach("r2", LONG)
    tap.check({r["ip"] for r in rows} == {"10.56.0.4", "10.56.0.5", "10.56.0.6"}, rows)
    tap.check(not {r["ip6"] for r in rows} & {"fd56::4", "fd56::f"} and {r["gateway6"] for r in rows} == {"fd56::f"}, rows)
    refused(attach, "no free address", "r3", LONG)
    again()
    tap.check("10.56.0." not in names(bridge), "the next one leaves it so: " + names(bridge))
    refused(box["engine"].attach, "10.56.0.2 is reserved", Container("r4"), [(LONG, [], "10.56.0.2")])
    box["engine"].detach(box.pop("r2"))
    refused(box["engine"].attach, "fd56::4 is reserved", Container("r5"), [(LONG, [], "", "fd56::4")])
    sh("ip addr add 10.56.0.1/29 dev " + bridge)  # somebody else's is nobody's business
    tap.check("10.56.0.1/29" in names(bridge), names(bridge))
    for name in ("r0", "r1", "r3"):
        box["engine"].detach(box.pop(name))


@tap.test("long names and addresses stay in their columns")
def columns():
    box["engine"].attach(box["way"], [("ways", ["way"])], [(TCP, "fd99::2", 8080, 80, 1), (TCP, "10.9.0.2", 8081, 80, 1)])
    for what, second in (("firewall", "FROM OUTSIDE"), ("networks", "INTERFACE"), ("ports", "PORT")):
        lines = [line for line in box["engine"].show(what).splitlines() if not line.startswith("table ")]
        column = lines[0].index(second)
        tap.check(len(lines) > 2 and all(line[column - 1] == " " and line[column] != " " for line in lines), "\n".join(lines))


@tap.test("a role that a fault of its own ends says so, with the place; the rest goes on with a new one")
def last_words():
    def roles(name):
        pids = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
            if words[0].endswith(b"netd") and words[1:2] == [name.encode()]:
                pids.append(int(pid))
        return pids
    for name, said in (("dns", "dns"), ("dhcp", "dhcp"), ("main", "netd")):
        before = n.wait_for(name, lambda name=name: roles(name))
        os.kill(before[0], signal.SIGSEGV)
        n.wait_for("its last words", lambda said=said: "<3>%s: ended by signal 11: at +0x" % said in machine.log_text())
        if name != "main":
            n.wait_for("another one", lambda name=name, before=before: roles(name) and roles(name) != before)
    again()


@tap.test("the log points at no memory error and no forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
