#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""IPv6 of container networks on a real kernel: addresses, names, ports, exposure, adoption, errors."""
import os
import shutil
import socket
import struct
import threading

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


@tap.test("published on ::1: spliced for the machine itself, TCP; its flows end with the role")
def splice():
    machine.helper = lambda: n.helper_pid(b"splice")
    local = box["local"] = Container("local")
    box["engine"].attach(local, ports=[(TCP, "::1", 8090, 80, 1), (TCP, "*", 8091, 81, 4)])
    Echo(local.ns, "tcp", 80, "six", "::")
    Echo(local.ns, "tcp", 83, "four")
    n.wait_for("::1", lambda: (talk(None, "::1", 8090) or "").startswith("six"))
    tap.check((talk(None, "::1", 8093) or "").startswith("four"), "a server on IPv4 alone, in a range")
    tap.check(talk(None, "::1", 8092) is None, "nobody listens there")
    try:  # says nothing: the end alone tells, and it may come before the connection was seen to stand
        with n.socket.create_connection(("::1", 8092), n.LIMIT_S) as s:
            tap.check(False, "an end in order: %r" % s.recv(1))
    except ConnectionResetError:
        pass
    tap.check(not n.answering((machine.lan, "fd99::2", 8090)), "the LAN does not reach it")
    s = n.socket.create_connection(("::1", 8090), n.LIMIT_S)
    s.settimeout(n.LIMIT_S)
    big, got = bytes(3000000), 0
    sender = threading.Thread(target=lambda: (s.sendall(big), s.shutdown(n.socket.SHUT_WR)), daemon=True)
    sender.start()
    while got <= len(big):  # each answer is longer than the question
        data = s.recv(1 << 16)
        tap.check(data, "all of it: %d" % got)
        got += len(data)
    s.close()
    s = n.socket.create_connection(("::1", 8090), n.LIMIT_S)
    s.settimeout(n.LIMIT_S)
    s.sendall(b"x")
    tap.check(s.recv(100).startswith(b"six"), "a flow")
    os.kill(machine.helper(), 9)
    try:
        tap.check(not s.recv(100), "ended")
    except ConnectionError:
        pass
    n.wait_for("the next role", lambda: (talk(None, "::1", 8090) or "").startswith("six"))
    machine.kill()
    tap.check(talk(None, "::1", 8090, limit_s=1.0) is None, "without netd nobody answers on ::1")
    machine.start()
    box["engine"] = Engine()
    n.wait_for("kill -9 of netd", lambda: (talk(None, "::1", 8090) or "").startswith("six"))
    box["engine"].detach(local)
    tap.check(talk(None, "::1", 8090) is None, "published no more")
    local.close()


def asked(s, port, word=b"hello", limit_s=1.0):
    """One question over this UDP socket to a port on ::1, again until it is answered: (answer, port it came from)."""
    def once():
        s.settimeout(limit_s)
        try:
            s.sendto(word, ("::1", port))
            while True:
                data, peer = s.recvfrom(8192)
                if data.endswith(b" " + word) and peer[1] == port:
                    return data.decode().split()[0]
        except OSError:
            return None
    return n.wait_for("an answer from port %d" % port, once)


def client():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::1", 0))
    return s


def flows(ip6):
    """UDP sockets of the host that lead to that address."""
    words = struct.unpack("@4I", socket.inet_pton(socket.AF_INET6, ip6))
    return open("/proc/net/udp6", encoding="ascii").read().count(" %08X%08X%08X%08X:" % words)


@tap.test("published on ::1: UDP, a flow for each client; they end with the role, with the port and when they are idle")
def splice_udp():
    first = Container("dgram")
    box["engine"].attach(first, ports=[(UDP, "::1", 5390, 7053, 1), (UDP, "*", 5391, 7054, 3)])
    servers = [Echo(first.ns, "udp", 7053, "six", "::"), Echo(first.ns, "udp", 7055, "four")]
    one, other = client(), client()
    tap.check(asked(one, 5390) == "six", "IPv6")
    tap.check(asked(one, 5392) == "four", "the same client asks another port, of a server on IPv4 alone")
    tap.check(asked(one, 5390, b"x" * 4000) == "six" and asked(other, 5390) == "six", "long ones, other clients")
    tap.check(talk(None, "::1", 5391, "udp", 0.5) is None, "nobody listens there")
    tap.check(not n.answering((machine.lan, "fd99::2", 5390, "udp", None)), "the LAN does not reach it")
    tap.check("role splice carries it" in box["engine"].show("why [::1]:5390/udp"), "network why")
    many = [client() for _ in range(300)]
    for s in many:
        tap.check(asked(s, 5390) == "six", "more clients than flows")
    tap.check(0 < flows(first.ip6) <= 256, "their number is bounded: %d" % flows(first.ip6))
    tap.check(asked(many[0], 5390) == "six", "who was let go comes back")
    before = machine.helper()
    os.kill(before, 9)
    n.wait_for("the role's end", lambda: not flows(first.ip6))
    tap.check(asked(one, 5390) == "six" and machine.helper() != before, "the next role")
    machine.kill()
    sh("echo 3 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout")
    machine.start()
    box["engine"] = Engine()
    tap.check(asked(one, 5390) == "six" and asked(other, 5392) == "four", "kill -9 of netd")
    n.wait_for("idle flows to end", lambda: not flows(first.ip6))
    tap.check(asked(one, 5392) == "four" and asked(one, 5390) == "six", "and new ones")
    box["engine"].detach(first)
    n.wait_for("the flows' end", lambda: not flows(first.ip6))
    tap.check(talk(None, "::1", 5390, "udp", 0.5) is None, "published no more")
    second = Container("second")
    box["engine"].attach(second, ports=[(UDP, "::1", 5390, 7053, 1)])
    servers.append(Echo(second.ns, "udp", 7053, "second", "::"))
    tap.check(asked(one, 5390) == "second", "another container, the same client")
    box["engine"].detach(second)
    for s in many + [one, other]:
        s.close()
    for server in servers:
        server.close()


def frames(source):
    """Frames to everybody from that MAC address: advertisement, redirect, DHCP and DHCPv6 as servers send them, and an honest one."""
    def ip6(protocol, body):
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 255) + socket.inet_pton(socket.AF_INET6, "fe80::bad") + socket.inet_pton(
            socket.AF_INET6, "ff02::1") + body
    udp4 = struct.pack(">HHHH", 67, 68, 8, 0)
    ip4 = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp4), 1, 0, 64, 17, 0) + bytes([172, 20, 0, 99]) + b"\xff" * 4
    total = sum(struct.unpack(">10H", ip4))
    ip4 = ip4[:10] + struct.pack(">H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + ip4[12:]
    for kind, data in ((0x86dd, ip6(58, bytes([134]) + bytes(15))), (0x86dd, ip6(58, bytes([137]) + bytes(39))),
                       (0x0800, ip4 + udp4), (0x86dd, ip6(17, struct.pack(">HHHH", 547, 546, 8, 0))), (0x88b5, b"honest" + bytes(40))):
        yield b"\xff" * 6 + source + struct.pack(">H", kind) + data


@tap.test("a container is no router and no DHCP server to its bridge: neither the host nor its neighbours hear it")
def rogue():
    rogue = Container("rogue")
    box["engine"].attach(rogue)
    source = bytes.fromhex(rogue.ns.sh("ip -o link show eth0").split("link/ether ")[1].split()[0].replace(":", ""))
    ears = []
    for ns, dev in ((None, "hoy0"), (box["web"].ns, "eth0")):
        with (ns.inside() if ns else n.contextlib.nullcontext()):
            ears.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        ears[-1].bind((dev, 3))
        ears[-1].settimeout(n.LIMIT_S)
    with rogue.ns.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    for frame in frames(source):
        wire.send(frame)
    for s in ears:
        heard = []
        while b"honest" not in b"".join(heard):
            frame = s.recv(2048)
            if frame[6:12] == source and frame[:6] == b"\xff" * 6:
                heard.append(frame)
        tap.check(len(heard) == 1, "heard: %s" % heard)
        s.close()
    wire.close()
    box["engine"].detach(rogue)
    rogue.close()


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
    rows = box["engine"].attach(other, [("bridge", [], "172.17.7.7", mine, "02:00:00:00:07:07")])
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
    tap.check("no IPv6" in rows["four"] and rows["closed"].split().count("closed") == 3,
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
    one = (UDP, "fd99::2", 5301, 5353, 1)  # on one address, too
    box["engine"].attach(second, ports=[one])
    tap.check((says("fd99::2", 5301, "udp", machine.lan, client) or "").startswith("second"), "one address")
    box["engine"].attach(second)
    box["engine"].attach(box["web"], ports=PORTS[:1] + PORTS[2:] + [one])
    tap.check((says("fd99::2", 5301, "udp", machine.lan, client) or "").startswith("web"), "one address, new")
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
