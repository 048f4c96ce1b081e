#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Networks that share an interface of the host (macvlan; ipvlan where the kernel has it), limits of
bandwidth, MTU: on a real kernel, with a neighbour on the shared segment."""
import contextlib
import socket
import struct
import threading
import time

import netd_peer as n
from netd_peer import TCP, Container, Echo, Engine, Machine, Refused, sh, talk, tap

n.enter()
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
                  "[bridge segment]\ndriver = macvlan\nparent = up0\nsubnet = 10.9.0.0/24\n"
                  "gateway = 10.9.0.1\nip_range = 10.9.0.128/26\n"
                  "[bridge later]\ndriver = macvlan\nparent = up7\nsubnet = 10.7.0.0/24\n"
                  "[bridge slow]\nsubnet = 172.30.0.0/24\nrate = 16M\nmtu = 1400\n")
box, KINDS = {}, {}
RATE = 16000000


def more(driver="", mode="", parent="", gateway="", ip_range="", rate="", mtu=0):
    """The end of NETWORK_SET."""
    texts = ("", driver, mode, parent, gateway, ip_range, rate)
    return b"\1" + b"".join(n.text(t) for t in texts) + struct.pack("<I", mtu)


def refused(function, *words):
    try:
        function()
    except Refused as e:
        for word in words:
            tap.check(word in str(e), "'%s' names %s" % (e, word))
        return
    raise AssertionError("it was not refused")


def index(ns, ifname="eth0"):
    return ns.sh("ip -o link show %s | cut -d: -f1" % ifname).strip()


def needs(kind):
    """Skips the test where the kernel has no such interfaces."""
    if not KINDS.setdefault(kind, has_kind(kind)):
        raise tap.Skip("this kernel has no " + kind)


def has_kind(kind):
    try:
        sh("ip link add link up0 name probe0 type %s && ip link del probe0" % kind)
    except AssertionError:
        return False
    return True


def has_tbf():
    """Can this kernel limit how fast an interface sends?"""
    try:
        sh("unshare -n tc qdisc add dev lo root tbf rate 1mbit burst 16kb latency 50ms")
    except AssertionError:
        return False
    return True


@tap.test("macvlan: containers are machines of the shared segment, with addresses out of the range")
def macvlan():
    machine.start()
    engine = box["engine"] = Engine()
    needs("macvlan")
    box["a"], box["b"] = Container("a"), Container("b")
    rows = engine.attach(box["a"], ["segment"])[0]
    engine.attach(box["b"], ["segment"])
    for name in ("a", "b"):
        last = int(box[name].ip.split(".")[3])
        tap.check(box[name].ip.startswith("10.9.0.") and 128 <= last < 192, box[name].ip)
    tap.check(rows["gateway"] == "10.9.0.1" and rows["ifname"] == "eth0", str(rows))
    inside = box["a"].ns.sh("ip -d link show eth0; ip route")
    for word in ("macvlan mode bridge", rows["mac"], "default via 10.9.0.1"):
        tap.check(word in inside, "%s in %s" % (word, inside))
    Echo(box["b"].ns, "tcp", 80, "b")
    Echo(machine.lan, "tcp", 4000, "lan")
    n.wait_for("the neighbour, with its own address",
               lambda: talk(box["a"].ns, "10.9.0.1", 4000) == "lan %s hello" % box["a"].ip)
    tap.check(talk(machine.lan, box["b"].ip, 80) == "b 10.9.0.1 hello", "and back")
    tap.check(talk(box["a"].ns, box["b"].ip, 80) == "b %s hello" % box["a"].ip, "each other")


@tap.test("macvlan: the table knows nothing of the segment, ports are refused, names resolve")
def macvlan_rules():
    needs("macvlan")
    engine = box["engine"]
    tap.check("10.9.0.0" not in n.nft("list", "table", "inet", "hoy"), "not in the table")
    tap.check("10.9.0.0/24 " not in sh("ip route show type prohibit"), "no guard either")
    other = Container("ports")
    refused(lambda: engine.attach(other, ["segment"], [(TCP, "0.0.0.0", 8080, 80, 1)]),
            "no bridge network")
    tap.check("eth0" not in other.ns.sh("ip link"), "nothing is left behind")
    names = engine.show("dns")
    tap.check("b" in names and box["b"].ip in names, names)
    row = [r for r in engine.rows("networks") if r["name"] == "segment"][0]
    tap.check((row["driver"], row["mode"], row["bridge"]) == ("macvlan", "bridge", "up0"), str(row))
    other.close()


@tap.test("macvlan: connect, disconnect; kill -9 keeps interface and address")
def macvlan_live():
    needs("macvlan")
    engine = box["engine"]
    box["c"] = Container("c")
    engine.attach(box["c"])
    row = engine.connect(box["c"], ("segment", [], "10.9.0.150"))[1]
    tap.check((row["ifname"], row["ip"]) == ("eth1", "10.9.0.150"), str(row))
    before = index(box["c"].ns, "eth1"), index(box["a"].ns)
    machine.kill()
    machine.start()
    engine = box["engine"] = Engine()
    engine.attach(box["a"], ["segment"])
    engine.attach(box["b"], ["segment"])
    engine.attach(box["c"], ["bridge", ("segment", [], "10.9.0.150")])
    engine.sync([box["a"], box["b"], box["c"]])
    tap.check((index(box["c"].ns, "eth1"), index(box["a"].ns)) == before, "the same interfaces")
    tap.check(talk(box["a"].ns, box["b"].ip, 80) is not None, "and they carry")
    engine.disconnect(box["c"], "segment")
    links = box["c"].ns.sh("ip -o link")
    tap.check("eth1" not in links and "eth0" in links, links)
    engine.disconnect(box["c"], "bridge")
    row = engine.connect(box["c"], "segment")[0]
    tap.check(row["ifname"] == "eth0" and "macvlan" in box["c"].ns.sh("ip -d link show eth0"),
              "in the place of a bridge's")
    row = engine.attach(box["c"], ["bridge"])[0]
    tap.check("veth" in box["c"].ns.sh("ip -d link show eth0"), "and the other way round")


@tap.test("an interface to share that is not there: the network waits and says so, then it is used")
def later():
    needs("macvlan")
    engine, d = box["engine"], Container("d")
    line = [l for l in engine.show("networks").splitlines() if l.startswith("later ")][0]
    tap.check("waits" in line and "up7" in line, line)
    refused(lambda: engine.attach(d, ["later"]), "later", "up7", "not there")
    sh("ip link add up7 type veth peer name far7; ip link set up7 up; ip link set far7 up")
    n.wait_for("up7 to be seen", lambda: "waits" not in engine.show("networks"))
    tap.check(engine.attach(d, ["later"])[0]["ip"].startswith("10.7.0."), "attached")
    d.close()


@tap.test("networks by call: driver, mode, parent, gateway, range, rate, MTU; nonsense is refused")
def by_call():
    engine = box["engine"]
    for words, end in ((("driver",), more("overlay")), (("mode",), more("macvlan", "l2", "up0")),
                       (("parent",), more("macvlan")), (("parent",), more("", "", "up0")),
                       (("gateway",), more(gateway="10.77.1.1")),
                       (("range",), more(ip_range="10.78.0.0/24")), (("rate",), more(rate="fast")),
                       (("rate",), more(rate="1G1")), (("mtu",), more(mtu=100)),
                       (("interface",), more("macvlan", "", "a/b")),
                       (("bridge, private or vepa",), more("macvlan", "passthru", "up0")),
                       (("segment", "up0"), more("ipvlan", "", "up0"))):
        refused(lambda end=end: engine.network_set("bad", "10.77.0.0/24", False, end), *words)
    refused(lambda: engine.network_set("bad", "10.77.0.0/24", True, more("macvlan", "", "up5")),
            "internal is for bridges")
    tap.check("bad" not in engine.show("networks"), "nothing of it stays")
    limit = "1M" if has_tbf() else ""
    engine.network_set("mine", "10.77.0.0/24", False,
                       more(gateway="10.77.0.254", ip_range="10.77.0.64/30", rate=limit, mtu=1300))
    e = Container("e")
    row = engine.attach(e, ["mine"])[0]
    tap.check(row["gateway"] == "10.77.0.254", str(row))
    tap.check(row["ip"] in ["10.77.0.%d" % i for i in range(64, 68)], row["ip"])
    tap.check("mtu 1300" in e.ns.sh("ip link show eth0"), "its MTU")
    machine.kill()
    machine.start()
    engine = box["engine"] = Engine()
    row = [r for r in engine.rows("networks") if r["name"] == "mine"][0]
    tap.check((row["rate"], row["mtu"]) == (1000000 if limit else 0, 1300), "kept over kill -9: %s" % row)
    engine.sync([])
    engine.network_remove("mine")
    e.close()


def transfer(ns_from, ns_to, ip, seconds):
    """Bits per second that arrive over one TCP connection."""
    got = [0]
    with ns_to.inside():
        server = socket.create_server((ip, 9100))

    def receive():
        c, _ = server.accept()
        while True:
            data = c.recv(1 << 16)
            if not data:
                return
            got[0] += len(data)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    with ns_from.inside():
        s = socket.socket()
    s.settimeout(n.LIMIT_S)
    s.connect((ip, 9100))
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        s.sendall(bytes(1 << 14))
    s.close()
    receiver.join(n.LIMIT_S)
    took = time.monotonic() - start
    server.close()
    return got[0] * 8 / took


@tap.test("rate: what a container sends and is sent stays below it, each way; others go as they like")
def rate():
    if not has_tbf():
        raise tap.Skip("this kernel has no tbf")
    engine = box["engine"]
    slow, free = Container("slow"), Here()
    row = engine.attach(slow, ["slow"])[0]
    tap.check("mtu 1400" in slow.ns.sh("ip link show eth0"), "the network's MTU")
    # A bucket that is full at first and what the queue holds come on top of it.
    most = RATE * 1.5 + (RATE / 10 + 8 * (64 << 10)) / 1.0
    sent = transfer(slow.ns, machine.lan, "10.9.0.1", 1.0)
    tap.check(0 < sent < most, "sent %d of %d bits per second" % (sent, RATE))
    qdiscs = sh("tc qdisc show") + slow.ns.sh("tc qdisc show dev eth0")
    tap.check(qdiscs.count("tbf") == 2, "one at each end: " + qdiscs)
    before = [line for line in qdiscs.splitlines() if "tbf" in line]
    engine.attach(slow, ["slow"])
    after = sh("tc qdisc show") + slow.ns.sh("tc qdisc show dev eth0")
    tap.check([line for line in after.splitlines() if "tbf" in line] == before, "once is enough")
    got = transfer(free, slow.ns, row["ip"], 1.0)
    tap.check(0 < got < most, "was sent %d of %d bits per second" % (got, RATE))
    tap.note("%d and %d of %d bits per second" % (sent, got, RATE))


class Here:
    """The machine's own namespace."""

    @staticmethod
    def inside():
        return contextlib.nullcontext()


@tap.test("ipvlan: l2 is the segment with the host's MAC address, l3 routes without a gateway")
def ipvlan():
    needs("ipvlan")
    engine = box["engine"]
    engine.sync([])
    sh("ip link add up8 type veth peer name far8 netns %s; ip link set up8 up" % machine.lan.path())
    machine.lan.sh("ip link set far8 up; ip addr add 10.8.0.1/24 dev far8;"
                   "ip route add 10.88.0.0/24 dev far8")
    for name, mode, subnet in (("l2", "l2", "10.8.0.0/24"), ("l3", "l3", "10.88.0.0/24")):
        engine.network_set(name, subnet, False, more("ipvlan", mode, "up8",
                                                     "10.8.0.1" if mode == "l2" else ""))
        c = box[name] = Container("i" + name)
        engine.attach(c, [name])
        link = c.ns.sh("ip -d link show eth0; ip route")
        tap.check("ipvlan" in link and "mode " + mode in link, link)
        tap.check(("default via 10.8.0.1" if mode == "l2" else "default dev eth0") in link, link)
        Echo(c.ns, "tcp", 80, name)
        n.wait_for(mode, lambda c=c: talk(machine.lan, c.ip, 80) is not None)
        other = "l3" if mode == "l2" else "l2"
        refused(lambda other=other: engine.network_set("more", "10.78.0.0/24", False, more("ipvlan", other, "up8")),
                "network " + name, "up8")
        engine.sync([])
        engine.network_remove(name)
        c.close()


@tap.test("no sanitizer report, no forbidden system call")
def clean():
    machine.check_log()


tap.run()
