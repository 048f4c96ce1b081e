#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""IPv6 of container networks on a real kernel: addresses, names, ports, exposure, adoption, errors."""
import os
import shutil
import socket
import struct

import netd_peer as n
from netd_peer import TCP, UDP, Container, Echo, Engine, Machine, Refused, sh, talk, tap

n.enter()
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
                  "[bridge other]\nsubnet = 172.30.0.0/24\n"
                  "[bridge closed]\nsubnet = 172.31.0.0/24\ninternal = yes\n"
                  "[bridge routed]\nsubnet = 172.29.0.0/24\nsubnet6 = 2001:db8:7::/64\n"
                  "[bridge four]\nsubnet = 172.28.0.0/24\nipv6 = no\n")
box = {}
PORTS = [(TCP, "*", 8080, 80, 1), (UDP, "*", 5300, 5353, 1), (TCP, "fd99::2", 8082, 80, 1),
         (TCP, "::", 8083, 80, 1)]


def refused(function, *words):
    try:
        function()
    except Refused as e:
        for word in words:
            tap.check(word in str(e), "'%s' names %s" % (e, word))
        return e
    raise AssertionError("it was not refused")


def says(address, port, proto="tcp", ns=None, source=None):
    return talk(ns, address, port, proto, source=source)


@tap.test("IPv6: a network has a subnet below the machine's own prefix, or the given one, or none")
def ready():
    machine.start()
    bridge = sh("ip -6 -o addr show dev hoy0 scope global")
    tap.check(" fd" in bridge and "::1/64" in bridge and "tentative" not in bridge, bridge)
    box["prefix"] = bridge.split()[3].split("/")[0][:-1]
    networks = sh("ip -6 -o addr show scope global")
    tap.check("2001:db8:7::1/64" in networks, networks)
    rows = {line.split()[0]: line.split() for line in Engine().show("networks").splitlines()}
    four, box["closed"] = rows["four"][1], rows["closed"][3].replace("/64", "1")
    tap.check("inet6" not in sh("ip -6 addr show dev " + four), "none on the bridge without")
    table = n.nft("list", "table", "inet", "hoy")
    for word in ("map pub6", "map any6", box["prefix"] + "/64", "2001:db8:7::/64"):
        tap.check(word in table, "%s in %s" % (word, table))
    tap.check(sh("cat /proc/sys/net/ipv6/conf/all/forwarding").strip() == "1", "forwarding is on")
    tap.check("prohibit %s/64" % box["prefix"] in sh("ip -6 route"), sh("ip -6 route"))


@tap.test("IPv6: a container gets its address and default route, usable at once")
def attach():
    machine.lan.sh("ip -6 addr add fd99::1/64 dev lan0 nodad")
    sh("ip -6 addr add fd99::2/64 dev up0 nodad")
    box["engine"] = Engine()
    for name, networks, ports in (("web", ["bridge"], PORTS), ("peer", ["other"], ()),
                                  ("inner", ["closed"], ()), ("open", ["routed"], ())):
        box[name] = Container(name)
        box["rows"] = box["engine"].attach(box[name], networks, ports=ports)
        if name == "web":
            web = box["rows"][0]
            tap.check(web["gateway6"] == box["prefix"] + "1" and web["prefix6"] == 64, str(web))
        if name == "inner":
            tap.check(box["rows"][0]["gateway6"] == "", "an internal network has no gateway")
    inside = box["web"].ns.sh("ip -6 addr show dev eth0 scope global; ip -6 route")
    tap.check(box["web"].ip6 + "/64" in inside and "tentative" not in inside and
              "default via %s1" % box["prefix"] in inside, inside)
    Echo(box["web"].ns, "tcp", 80, "web", "::")
    Echo(box["web"].ns, "udp", 5353, "web", "::")
    Echo(box["web"].ns, "tcp", 22, "secret", "::")
    Echo(box["open"].ns, "tcp", 80, "open", "::")
    Echo(machine.lan, "tcp", 4000, "outside", "::")
    tap.check(says(box["web"].ip6, 80).startswith("web"), "from the host")


@tap.test("IPv6 probes: published ports from the LAN (its address is kept), the host and the container")
def published():
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "TCP")
    tap.check(says("fd99::2", 5300, "udp", machine.lan) == "web fd99::1 hello", "UDP")
    tap.check(says("fd99::2", 8082, ns=machine.lan) == "web fd99::1 hello", "one address")
    tap.check(says("fd99::2", 8083, ns=machine.lan) == "web fd99::1 hello", "IPv6 alone")
    tap.check(says("10.9.0.2", 8080, ns=machine.lan) == "web ::ffff:10.9.0.1 hello", "IPv4 too")
    tap.check(says("fd99::2", 8080).startswith("web"), "the host by its own address")
    tap.check(says("fd99::2", 8080, ns=box["web"].ns).startswith("web"), "hairpin")
    tap.check(says("fd99::2", 8080, ns=box["peer"].ns).startswith("web"), "another network")


@tap.test("IPv6 probes: closed to all who go another way")
def closed():
    machine.lan.sh("ip -6 route add %s/64 via fd99::2; ip -6 route add 2001:db8:7::/64 via fd99::2"
                   % box["prefix"])
    box["inner"].ns.sh("ip -6 route add default via " + box["closed"])
    heard = n.answering(
        (machine.lan, box["web"].ip6, 80), (machine.lan, box["web"].ip6, 22),
        (machine.lan, box["prefix"] + "1", 8080), (machine.lan, box["open"].ip6, 80),
        (machine.lan, "10.9.0.2", 8082), (machine.lan, "10.9.0.2", 8083),
        (machine.lan, "fd99::2", 22), (box["peer"].ns, box["web"].ip6, 80),
        (box["peer"].ns, box["open"].ip6, 80), (box["inner"].ns, "fd99::1", 4000),
        (box["inner"].ns, box["web"].ip6, 80))
    tap.check(not heard, "open: %s" % heard)


@tap.test("IPv6: what leaves a local prefix carries the host's address, a routed one its own")
def outside():
    tap.check(says("fd99::1", 4000, ns=box["web"].ns) == "outside fd99::2 hello", "translated")
    tap.check(says("fd99::1", 4000, ns=box["open"].ns) ==
              "outside %s hello" % box["open"].ip6, "routed")


def ask(container, name, kind):
    """Answer code and records' data of a question to the container's resolver."""
    with container.ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(n.LIMIT_S)
    wire = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + wire + struct.pack(">HH", kind, 1),
             ("127.0.0.11", 53))
    answer = s.recv(4096)
    s.close()
    at, rows = 12 + len(wire) + 4, []
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        size = struct.unpack(">H", answer[at + 10:at + 12])[0]  # behind a pointer as the name
        rows.append(answer[at + 12:at + 12 + size])
        at += 12 + size
    return answer[3] & 15, rows


@tap.test("IPv6 names: AAAA and PTR of containers, NODATA where there is none")
def names():
    other = Container("plain")
    box["engine"].attach(other, ["bridge", "four"])
    lonely = Container("lonely")
    rows = box["engine"].attach(lonely, ["four"])
    tap.check(rows[0]["ip6"] == "", str(rows))

    tap.check(ask(other, "web", 28) == (0, [socket.inet_pton(socket.AF_INET6, box["web"].ip6)]),
              "AAAA")
    tap.check(ask(other, "web", 1) == (0, [socket.inet_aton(box["web"].ip)]), "A as before")
    digits = socket.inet_pton(socket.AF_INET6, box["web"].ip6).hex()[::-1]
    tap.check(ask(other, ".".join(digits) + ".ip6.arpa", 12) == (0, [b"\x03web\0"]), "PTR")
    tap.check(ask(other, "lonely", 28) == (0, []), "NODATA")
    for one in (other, lonely):
        box["engine"].detach(one)
        one.close()


@tap.test("IPv6: a container's own address and MAC are kept; wrong, taken and foreign ones refused")
def wishes():
    other = Container("wish")
    mine = box["prefix"] + "abcd"
    rows = box["engine"].attach(other, [("bridge", [], "172.20.7.7", mine, "02:00:00:00:07:07")])
    tap.check(rows[0]["ip6"] == mine and rows[0]["mac"] == "02:00:00:00:07:07", str(rows))
    inside = other.ns.sh("ip addr show dev eth0")
    tap.check(mine in inside and "02:00:00:00:07:07" in inside, inside)
    third = Container("third")
    refused(lambda: box["engine"].attach(third, [("bridge", [], "", mine)]), "wish", mine)
    refused(lambda: box["engine"].attach(third, [("bridge", [], "", "fd77::9")]), "fd77::9", "bridge")
    refused(lambda: box["engine"].attach(third, [("four", [], "", "fd77::9")]), "four")
    refused(lambda: box["engine"].attach(third, [("bridge", [], "", "", "ff:ff:ff:ff:ff:ff")]), "MAC")
    refused(lambda: box["engine"].attach(third, ["four"], ports=[(TCP, "::", 99, 99, 1)]), "ipv6 = yes")
    refused(lambda: box["engine"].attach(third, ports=[(TCP, "fd99::2", 8080, 99, 1)]), "8080", "web")
    server = Echo(None, "tcp", 2376, "docker", "::1")
    refused(lambda: box["engine"].attach(third, ports=[(TCP, "::1", 2376, 9, 1)]), "2376/tcp", "the host")
    server.close()
    for one in (other, third):
        box["engine"].detach(one)
        one.close()


@tap.test("IPv6 networks by call: picked, given, without; overlap and nonsense refused")
def calls():
    subnet, gateway, subnet6, gateway6 = box["engine"].network_set6("shop")
    tap.check(subnet6.startswith("fd") and subnet6.endswith("::/64") and
              gateway6 == subnet6[:-3] + "1" and gateway and subnet, subnet6)
    tap.check(box["engine"].network_set6("shop") == (subnet, gateway, subnet6, gateway6), "again")
    tap.check(box["engine"].network_set("shop") == (subnet, gateway), "the short form as well")
    refused(lambda: box["engine"].network_set6("shop", no_ip6=True), "exists")
    tap.check(box["engine"].network_set6("bare", no_ip6=True)[2:] == ("", ""), "without")
    tap.check(box["engine"].network_set6("given", "fd12:3456::/56")[2] == "fd12:3456::/56", "given")
    refused(lambda: box["engine"].network_set6("clash", "fd12:3456::/64"), "network given")
    refused(lambda: box["engine"].network_set6("clash", "fd99::/64"), "up0")
    for bad in ("fd12::1/64", "fd12::/120", "ff02::/64", "fe80::/64", "10.0.0.0/8", "x"):
        refused(lambda b=bad: box["engine"].network_set6("clash", b), "fd12:3456:789a:1::/64")
    for name in ("shop", "bare", "given"):
        box["engine"].network_remove(name)
    tap.check("fd12:3456" not in sh("ip -6 route") + n.nft("list", "table", "inet", "hoy"), "gone")


@tap.test("IPv6: network why")
def why():
    def asked(place):
        return box["engine"].show("why " + place)
    tap.check("any6" in asked("[fd99::2]:8080") and "[%s]:80" % box["web"].ip6 in
              asked("[fd99::2]:8080"), asked("[fd99::2]:8080"))
    tap.check("pub6" in asked("[fd99::2]:8082"), asked("[fd99::2]:8082"))
    tap.check("network bridge" in asked("[%s]:80" % box["web"].ip6), "inside")
    tap.check("not on this machine" in asked("[fd98::1]:1"), "elsewhere")
    refused(lambda: asked("[fd99::2:80"), "address and a port")


@tap.test("network show firewall: what each network lets in and out")
def firewall():
    rows = {line.split()[0]: line for line in box["engine"].show("firewall").splitlines()}
    owned = "flags owner" in n.nft("list", "table", "inet", "hoy")
    tap.check(("not owned" in rows["table"]) != owned, rows["table"])
    # 8080 and 5300 in both families, 8082 and 8083 on IPv6 alone.
    tap.check("6 published ports" in rows["bridge"] and "both families" in rows["bridge"],
              rows["bridge"])
    tap.check("0 published ports" in rows["routed"] and "IPv6 as it is" in rows["routed"],
              rows["routed"])
    tap.check("no IPv6" in rows["four"] and rows["closed"].split().count("closed") == 4,
              rows["closed"])


@tap.test("IPv6: a republished UDP port serves clients with a fixed source port at once")
def stale_udp():
    client = ("fd99::1", 40001)
    tap.check(says("fd99::2", 5300, "udp", machine.lan, client) is not None, "first")
    second = Container("second")
    box["engine"].attach(box["web"], ports=PORTS[:1] + PORTS[2:])
    box["engine"].attach(second, ports=[PORTS[1]])
    Echo(second.ns, "udp", 5353, "second", "::")
    tap.check((says("fd99::2", 5300, "udp", machine.lan, client) or "").startswith("second"), "new")
    box["engine"].detach(second)
    second.close()


@tap.test("IPv6: what somebody takes away comes back; kill -9 changes nothing")
def heal():
    sh("ip -6 addr del %s1/64 dev hoy0" % box["prefix"])
    n.wait_for("the gateway", lambda: box["prefix"] + "1/64" in sh("ip -6 addr show dev hoy0"))
    sh("ip -6 route del prohibit %s/64 metric 4294967280" % box["prefix"])
    n.wait_for("the guard", lambda: "prohibit %s/64" % box["prefix"] in sh("ip -6 route"))
    look = "ip -6 -o addr show scope global | sed 's/valid.*//'; ip -6 route | grep -v fe80 | sort"
    before = sh(look)
    machine.kill()
    tap.check(says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "without netd")
    machine.start()
    tap.check(before == sh(look), before + sh(look))
    box["engine"] = Engine()
    rows = box["engine"].attach(box["web"], ports=PORTS)
    tap.check(rows[0]["ip6"] == box["web"].ip6 and
              says("fd99::2", 8080, ns=machine.lan) == "web fd99::1 hello", "adopted")


def data(ready_now):
    machine.init.send(n.DATA, bytes([ready_now]) + n.text(""))


@tap.test("IPv6: the prefix is kept on the data partition and is the machine's from boot to boot")
def stable():
    os.makedirs("/data", exist_ok=True)
    sh("mount -t tmpfs tmpfs /data && mkdir /data/state")
    data(1)
    n.wait_for("the kept prefix", lambda: os.path.exists("/data/state/ip6"))
    box["engine"].sync([])
    machine.stop()
    shutil.rmtree("/run/hoy/netd")
    machine.start()
    fresh = sh("ip -6 -o addr show dev hoy0 scope global")
    tap.check(box["prefix"] not in fresh or len(fresh.splitlines()) > 1, "another boot, no data yet")
    data(1)
    n.wait_for("the machine's own", lambda: sh(
        "ip -6 -o addr show dev hoy0 scope global").split()[3:4] == [box["prefix"] + "1/64"])
    tap.check(sh("ip -6 -o addr show dev hoy0 scope global").count("inet6") == 1, "and only that")
    tap.check(sh("ip -6 route").count("prohibit") == 4, sh("ip -6 route"))
    tap.check(box["prefix"] + "/64" in n.nft("list", "table", "inet", "hoy"), "in the firewall")


@tap.test("IPv6: nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
