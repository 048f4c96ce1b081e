#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of the firewall table is needed: without it a probe fails that holds with it.

netd sets everything up and is killed; its table stays. Then the whole table is loaded again and again,
each time without one rule, and the probe that this rule is for has to change its answer.
"""
import contextlib
import os
import socket
import struct
import subprocess

import netd_peer as n
from netd_peer import TCP, Container, Echo, Engine, Machine, sh, talk, tap

n.enter()
MUTANT = os.path.join(n.BUILD, os.uname().machine, "san/bin/tests/tool/netd_mutant")
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
                  "Gateway = 10.9.0.1\nDNS = 10.9.0.1\n"
                  "[bridge bridge]\nsubnet6 = %s/64\n"
                  "[bridge other]\nsubnet = 172.30.0.0/24\nipv6 = no\n"
                  "[bridge closed]\nsubnet = 172.31.0.0/24\nsubnet6 = %s/64\ninternal = yes\n"
                  "[bridge routed]\nsubnet = 172.28.0.0/24\nsubnet6 = fd00:28::/64\ngateway_mode = routed\n"
                  "gateway_mode6 = routed\n"
                  "[bridge bare]\nsubnet = 172.27.0.0/24\nipv6 = no\ngateway_mode = nat-unprotected\n"
                  % ("fd00:20::", "fd00:31::"))
box = {}
QUIET_S = 0.7  # what has not answered by then is closed: long for namespaces of one machine
OPEN_S = 60.0  # what shall answer has time, however loaded the machine
HOME6, INNER6 = "fd00:20::", "fd00:31::"


def load(without=-1, policy=()):
    """Loads the table as netd would, but for one rule; the chains of all rules that are not the operator's."""
    words = ["net", "hoy0", "172.17.0.0/16", HOME6 + "/64", "open",
             "net", box["other"], "172.30.0.0/24", "::/0", "open",
             "net", box["closed"], "172.31.0.0/24", INNER6 + "/64", "internal", "splice", "7200",
             "net", box["routed"], "172.28.0.0/24", "fd00:28::/64", "routed",
             "net", box["bare br"], "172.27.0.0/24", "::/0", "unprotected",
             "reach", str(TCP), box["way"].ip, "80", "reach", str(TCP), box["way"].ip6, "80"]
    for host, port in (("0.0.0.0", 8080), ("127.0.0.1", 8081), ("::", 8080), ("fd99::2", 8082), ("::1", 8083)):
        to = box["web"].ip6 if ":" in host else box["web"].ip
        words += ["port", str(TCP), host, str(port), to, "80"]
    words += (["policy"] + list(policy)) if policy else []
    done = subprocess.run([MUTANT, str(without)] + words, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    tap.check(done.returncode == 0, done.stderr.decode())
    return [chain for chain in done.stdout.decode().split() if not chain.startswith("op")]


def answers(ns, ip, port, proto="tcp", expected="web"):
    return (talk(ns, ip, port, proto, box["patience"]) or "").startswith(expected)


def try_probe(probe, expected):
    """Does it give what is expected? A yes has time, a no is one after QUIET_S."""
    box["patience"] = OPEN_S if expected else QUIET_S
    return probe() == expected


def arrives(listener, send):
    """Does what send() sends reach this socket?"""
    listener.settimeout(0)
    with contextlib.suppress(OSError):
        while True:
            listener.recv(2048)
    send()
    listener.settimeout(box["patience"])
    try:
        return b"probe" in listener.recv(2048)
    except OSError:
        return False


def sent_from(ns, source, target, port):
    """A datagram with this source address."""
    with ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(b"probe", (target, port))
    s.close()


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def stray_reset(target):
    """A TCP reset that belongs to no connection, from inside the container."""
    with box["web"].ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    head = struct.pack(">HHIIBBHHH", 4444, 5555, 1, 0, 5 << 4, 4, 0, 0, 0) + b"probe!"
    pseudo = socket.inet_aton(box["web"].ip) + socket.inet_aton(target) + struct.pack(
        ">BBH", 0, socket.IPPROTO_TCP, len(head))
    s.sendto(head[:16] + struct.pack(">H", checksum(pseudo + head)) + head[18:], (target, 0))
    s.close()


def from_loopback():
    return arrives(box["host"], lambda: sent_from(box["web"].ns, "127.0.0.1", "172.17.0.1", 7000))


def wire_loopback():
    """The neighbour sends packets for 127.0.0.1 over the wire."""
    machine.lan.sh("ip rule add to 127.0.0.1 lookup 99 pref 1; ip rule del pref 0; "
                   "ip rule add pref 2 lookup local")
    try:
        return answers(machine.lan, "127.0.0.1", 8081)
    finally:
        machine.lan.sh("ip rule del pref 2; ip rule add pref 0 lookup local; ip rule del pref 1")


def same_bridge():
    """Two containers of one network, routed over the gateway."""
    with box["peer"].ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return arrives(box["sink"], lambda: (s.sendto(b"probe", (box["web"].ip, 7001)), s.close()))


def own_socket():
    """The host hears a neighbour on a port of its own."""
    return arrives(box["host"], lambda: sent_from(machine.lan, "10.9.0.1", "10.9.0.2", 7000))


def neighbours():
    """The host's IPv6 address is found by a neighbour who does not know it yet."""
    machine.lan.sh("ip -6 neigh flush dev lan0")
    return answers(machine.lan, "fd99::2", 8082)


def to_client(server, target, port):
    """A DHCP server speaks to the client's port from its own."""
    with machine.lan.inside():
        s = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(server)
    s.sendto(b"probe", (target[0], port) + tuple(target[1:]))
    s.close()


def from_dhcp():
    return arrives(box["dhcp"], lambda: to_client(("10.9.0.1", 67), ("10.9.0.2",), 68))


def from_dhcp6():
    scope = int(machine.lan.sh("ip -o link show lan0").split(":")[0])
    return arrives(box["dhcp6"], lambda: to_client(("fe80::1", 547, 0, scope),
                                                   ("fe80::2", 0, scope), 546))


# (chain, what the rule is for, probe, its answer while the rule is there), in the table's order.
RULES = [
    ("guard", "127/8 does not come in over a wire", wire_loopback, False),
    ("guard", "nobody comes from 127/8 over a wire", from_loopback, False),
    ("guard", "nobody outside reaches a container network's address",
     lambda: answers(machine.lan, "172.17.0.1", 8080), False),
    ("guard", "nobody outside reaches a container network's translated IPv6 address",
     lambda: answers(machine.lan, HOME6 + "1", 8080), False),
    ("pub", "published on one address", lambda: answers(None, "127.0.0.1", 8081), True),
    ("pub", "published on every address", lambda: answers(machine.lan, "10.9.0.2", 8080), True),
    ("pub", "published on one IPv6 address", lambda: answers(machine.lan, "fd99::2", 8082), True),
    ("pub", "published on every IPv6 address", lambda: answers(machine.lan, "fd99::2", 8080), True),
    ("pre", "published for the LAN", lambda: answers(machine.lan, "10.9.0.2", 8080), True),
    ("out", "published on ::1", lambda: answers(None, "::1", 8083, expected="splice"), True),
    ("out", "published on every address, so on ::1", lambda: answers(None, "::1", 8080, expected="splice"), True),
    ("out", "published for the host", lambda: answers(None, "10.9.0.2", 8080), True),
    ("reach", "a container reaches what is published in another network that is routed",
     lambda: answers(box["far"].ns, box["way"].ip, 80, expected="way"), True),
    ("reach", "so does the LAN", lambda: answers(machine.lan, box["way"].ip, 80, expected="way"), True),
    ("in", "the host talks to itself", lambda: answers(None, "127.0.0.1", 7100, expected="own"), True),
    ("in", "answers to the host pass",
     lambda: answers(None, "10.9.0.1", 4000, expected="outside"), True),
    ("in", "neighbours of IPv6 find the host", neighbours, True),
    ("in", "a DHCP server is heard", from_dhcp, True),
    ("in", "a DHCPv6 server is heard", from_dhcp6, True),
    ("in", "nobody else reaches a socket of the host", own_socket, False),
    ("fwdc", "answers of a connection pass",
     lambda: answers(box["web"].ns, "10.9.0.1", 4000, expected="outside"), True),
    ("fwdc", "what belongs to no connection does not leave with its inner address",
     lambda: arrives(box["wire"], lambda: stray_reset("10.9.0.1")), False),
    ("fwdc", "containers of one network reach each other over the gateway", same_bridge, True),
    ("fwdc", "an internal network does not reach out",
     lambda: answers(box["inner"].ns, "10.9.0.1", 4000, expected="outside"), False),
    ("fwdc", "nor is it reached, whoever translates the address",
     lambda: answers(machine.lan, "10.9.0.2", 6000, expected="inner"), False),
    ("fwdc", "a container reaches a port that one of another network publishes",
     lambda: answers(box["far"].ns, "10.9.0.2", 8080), True),
    ("fwdc", "published connections pass", lambda: answers(machine.lan, "10.9.0.2", 8080), True),
    ("fwdc", "a network that is not protected is open to the LAN",
     lambda: answers(machine.lan, box["bare"].ip, 80, expected="bare"), True),
    ("fwdc", "what is published in a routed network is reached there",
     lambda: answers(machine.lan, box["way"].ip, 80, expected="way"), True),
    ("fwdc", "and over IPv6", lambda: answers(machine.lan, box["way"].ip6, 80, expected="way"), True),
    ("fwdc", "containers reach out",
     lambda: answers(box["web"].ns, "10.9.0.1", 4000, expected="outside"), True),
    ("fwdc", "what is routed passes", lambda: answers(machine.lan, "10.8.0.1", 4000, expected="beyond"),
     True),
    ("pst", "published on 127.0.0.1 answers to the host",
     lambda: answers(None, "127.0.0.1", 8081), True),
    ("pst", "a container reaches its own published port",
     lambda: answers(box["web"].ns, "10.9.0.2", 8080), True),
    ("pst", "what leaves carries the host's address",
     lambda: answers(box["web"].ns, "10.9.0.1", 4000, expected="outside"), True),
    ("pst", "a container reaches its own port that is published on IPv6",
     lambda: answers(box["web"].ns, "fd99::2", 8080), True),
    ("pst", "what leaves over IPv6 carries the host's address",
     lambda: answers(box["web"].ns, "fd99::1", 4000, expected="outside"), True),
]


def policy_of(chain, what):
    """What the operator has to have said for a rule to matter."""
    if chain == "in":
        return "inbound", "drop"
    if "another network" in what:
        return "published", "drop"
    return ("routed", "accept") if "routed" in what else ()


def bound(ns, port, ip="0.0.0.0"):
    with (ns.inside() if ns else contextlib.nullcontext()):
        s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ip, port))
    return s


def link_beyond():
    """A second neighbour of the host, to whom it may route."""
    box["beyond"] = n.Netns("beyond")
    sh("ip link add up1 type veth peer name wire1 netns %s; ip addr add 10.8.0.2/24 dev up1;"
       "ip link set up1 up" % box["beyond"].path())
    box["beyond"].sh("ip addr add 10.8.0.1/24 dev wire1; ip link set wire1 up; ip link set lo up;"
                     "ip route add default via 10.8.0.2")
    machine.lan.sh("ip route add 10.8.0.0/24 via 10.9.0.2")
    Echo(box["beyond"], "tcp", 4000, "beyond")


def prepare():
    """Everything a probe needs, set up in the way that hides a missing rule worst."""
    machine.start()
    engine = Engine()
    for name, networks in (("web", ["bridge"]), ("peer", ["bridge"]), ("inner", ["closed"]),
                           ("far", ["other"]), ("way", ["routed"]), ("bare", ["bare"])):
        box[name] = Container(name)
        engine.attach(box[name], networks)
    rows = {row["name"]: row["bridge"] for row in engine.rows("networks")}
    for name in ("closed", "other", "routed"):
        box[name] = rows[name]
    box["bare br"] = rows["bare"]
    Echo(box["web"].ns, "tcp", 80, "web", "::")
    for name in ("inner", "way", "bare"):
        Echo(box[name].ns, "tcp", 80, name, "::")
    Echo(machine.lan, "tcp", 4000, "outside", "::")
    Echo(None, "tcp", 7100, "own")
    Echo(None, "tcp", 7200, "splice", "::1")  # in the role's place
    link_beyond()
    box["host"], box["sink"] = bound(None, 7000), bound(box["web"].ns, 7001)
    with machine.lan.inside():
        box["wire"] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    # What the kernel would refuse by itself is allowed here: the rule alone has to hold.
    sh("for i in all default up0 hoy0; do cd /proc/sys/net/ipv4/conf/$i; echo 0 > rp_filter; "
       "echo 1 > accept_local; done; echo 1 > /proc/sys/net/ipv4/conf/up0/route_localnet")
    for ns in (machine.lan, box["web"].ns):
        ns.sh("echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
    machine.lan.sh("ip route add 172.17.0.0/16 via 10.9.0.2; ip route add 172.28.0.0/24 via 10.9.0.2; "
                   "ip route add 172.27.0.0/24 via 10.9.0.2; "
                   "ip route add 127.0.0.0/8 via 10.9.0.2 table 99; "
                   "ip route add local 127.0.0.1 dev lo table 98")
    box["peer"].ns.sh("ip route add %s/32 via 172.17.0.1" % box["web"].ip)
    box["inner"].ns.sh("ip route add default via 172.31.0.1")
    machine.lan.sh("ip -6 addr add fd99::1/64 dev lan0 nodad; ip -6 route add fd00:20::/64 via fd99::2;"
                   "ip -6 route add fd00:28::/64 via fd99::2")
    sh("ip -6 addr add fd99::2/64 dev up0 nodad; ip -6 addr add fe80::2/64 dev up0 nodad")
    machine.lan.sh("ip -6 addr add fe80::1/64 dev lan0 nodad")
    box["dhcp"], box["dhcp6"] = bound(None, 68), bound(None, 546, "::")
    n.wait_for("the uplink", lambda: machine.address() == "10.9.0.2/24")
    machine.kill()
    n.nft("add", "table", "ip", "foreign")
    n.nft("add chain ip foreign pre { type nat hook prerouting priority -101; }")
    n.nft("add rule ip foreign pre tcp dport 6000 dnat to %s:80" % box["inner"].ip)


@tap.test("with all rules every probe holds")
def whole():
    prepare()
    chains = load()
    tap.check(chains == [r[0] for r in RULES], "one probe for each rule, in order: %s" % chains)
    for chain, what, probe, expected in RULES:
        if policy_of(chain, what):
            load(-1, policy_of(chain, what))
        tap.check(try_probe(probe, expected), "%s: %s" % (chain, what))
        if policy_of(chain, what):
            load()


def register(number, chain, what, probe, expected):
    @tap.test("rule %d of %s: %s" % (number + 1, chain, what))
    def one():
        load(number, policy_of(chain, what))
        tap.check(try_probe(probe, not expected), "nothing changes without it")


for index, row in enumerate(RULES):
    register(index, *row)


@tap.test("netd takes the table over and makes it whole again")
def again():
    machine.start()
    for chain, what, probe, expected in [r for r in RULES if r[1].startswith("nobody") and r[0] == "guard"
                                         or "connection does not leave" in r[1]]:
        tap.check(try_probe(probe, expected), "%s: %s" % (chain, what))
    machine.check_log()


tap.run()
