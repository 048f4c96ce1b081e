#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""IPv6 of uplinks: router advertisements of dnsmasq and of worse ones, static addresses, adoption."""
import random
import socket
import struct
import subprocess
import time

import netd_peer as n
from netd_peer import Container, Echo, Engine, Machine, sh, talk, tap

n.enter()
UPLINK = "[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
machine = Machine(UPLINK)
box = {}
PREFIX = "2001:db8:5::"


def addresses():
    """Global IPv6 addresses of the uplink: {address: rest of the line}."""
    lines = sh("ip -6 -o addr show dev up0 scope global").splitlines()
    return {line.split()[3].split("/")[0]: line for line in lines}


def routes():
    return sh("ip -6 route show dev up0")


def resolv():
    with open("/run/hoy/net/etc/resolv.conf", encoding="ascii") as f:
        return f.read()


def checksum(data):
    total = sum(struct.unpack(">%dH" % ((len(data) + 1) // 2), data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def prefix_option(prefix, length=64, flags=0xc0, valid=86400, preferred=14400):
    return struct.pack(">BBBBIII", 3, 4, length, flags, valid, preferred, 0) + socket.inet_pton(
        socket.AF_INET6, prefix)


def advert(options, lifetime=1800, source=None, hops=255, code=0, kind=134, wrong_sum=False,
           preference=0, size=None):
    """A whole IPv6 packet."""
    head = struct.pack(">BBHBBHII", kind, code, 0, 64, preference << 3, lifetime, 0, 0)
    body = head + options
    source = socket.inet_pton(socket.AF_INET6, source or box["router"])
    target = socket.inet_pton(socket.AF_INET6, "ff02::1")
    total = checksum(source + target + struct.pack(">II", len(body), 58) + body)
    body = body[:2] + struct.pack(">H", total ^ (0x1234 if wrong_sum else 0)) + body[4:]
    return struct.pack(">IHBB", 6 << 28, len(body) if size is None else size, 58, hops) + (
        source + target + body)


def send(*packets):
    with machine.lan.inside():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    for packet in packets:
        s.sendto(packet, ("lan0", 0x86dd, 0, 0, bytes.fromhex("333300000001")))
    s.close()


def flipped(options, at, bit):
    """An advertisement with one bit turned over, and the checksum that fits it."""
    packet = bytearray(advert(options))
    packet[at] ^= 1 << bit
    packet[42:44] = b"\0\0"
    packet[42:44] = struct.pack(">H", checksum(bytes(packet[8:40]) + struct.pack(
        ">II", len(packet) - 40, 58) + bytes(packet[40:])))
    return bytes(packet)


@tap.test("SLAAC: address, default route and name server by the advertisements of dnsmasq")
def slaac():
    machine.lan.sh("ip -6 addr add %s1/64 dev lan0 nodad; sysctl -qw net.ipv6.conf.all.forwarding=1"
                   % PREFIX)
    n.wait_for("the router's address", lambda: "tentative" not in machine.lan.sh(
        "ip -6 addr show dev lan0"))
    box["router"] = machine.lan.sh("ip -6 -o addr show dev lan0 scope link").split()[3].split("/")[0]
    machine.serve("--enable-ra", "--dhcp-range=%s,ra-only,64,1h" % PREFIX,
                  "--dhcp-option=option6:dns-server,[%s1]" % PREFIX, "--port=0")
    machine.start()
    n.wait_for("an address", lambda: [a for a, line in addresses().items()
                                      if a.startswith("2001:db8:5:") and "tentative" not in line])
    box["address"] = next(iter(addresses()))
    tap.check("valid_lft forever" not in addresses()[box["address"]], "with its lifetime")
    mac = sh("cat /sys/class/net/up0/address").strip().split(":")
    tap.check("ff:fe" not in box["address"], "not made of the MAC address %s" % mac)
    tap.check("default via %s" % box["router"] in routes(), routes())
    n.wait_for("the name server", lambda: "nameserver %s1" % PREFIX in resolv())
    tap.check(sh("cat /proc/sys/net/ipv6/conf/up0/accept_ra").strip() == "0", "the kernel stays out")
    shown = Engine().show("leases")
    tap.check("router %s" % box["router"] in shown and "prefix %s/64" % PREFIX in shown, shown)


@tap.test("a container reaches the outside over it, with the uplink's address")
def outside():
    Echo(machine.lan, "tcp", 4000, "outside", "::")
    web = Container("web")
    Engine().attach(web)
    tap.check(talk(web.ns, PREFIX + "1", 4000) == "outside %s hello" % box["address"], "translated")


@tap.test("kill -9: addresses and routes of routers are not touched")
def kill():
    monitor = subprocess.Popen(["ip", "-6", "monitor", "address", "route", "dev", "up0"],
                               stdout=open("/run/monitor.log", "wb"))
    machine.kill()
    machine.start()
    n.wait_for("the record", lambda: "router" in Engine().show("leases"))
    time.sleep(0.5)
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        log = f.read()
    tap.check("Deleted" not in log, log)
    tap.check(list(addresses()) == [box["address"]], "the same address: %s" % addresses())


@tap.test("advertisements that a host must not believe change nothing, 400 of them")
def rogue():
    machine.stop_serving()
    good = prefix_option("2001:db8:bad::")
    bad = [advert(good, hops=64), advert(good, source="2001:db8:5::1"), advert(good, code=1),
           advert(good, wrong_sum=True), advert(good, kind=133), advert(good, size=2000),
           advert(good, size=15), advert(b"\3\0" + good[2:]), advert(good + b"\5\4"),
           advert(good[:20]), advert(prefix_option("fe80::")), advert(prefix_option("ff02::")),
           advert(prefix_option("2001:db8:bad::", valid=1, preferred=2)),
           advert(prefix_option("2001:db8:bad::", length=129)),
           advert(b"\x19\3\0\0" + struct.pack(">I", 99) + socket.inet_pton(socket.AF_INET6, "ff02::9")),
           advert(b"\x1f\2\0\0" + struct.pack(">I", 99) + b"\x07a\nb.com\0"),
           advert(b"\x1f\2\0\0" + struct.pack(">I", 99) + b"\x3fabcdefg")]
    dice = random.Random(7)
    # Each bit without which it is no advertisement for this link, the checksum being right: version,
    # length, next header, hop limit, link-local source, type, code, length of the option.
    bits = [(at, bit) for at in (4, 6, 7, 8, 40, 41, 57) for bit in range(8)]
    bits += [(0, bit) for bit in range(4, 8)] + [(9, 6), (9, 7)]
    bad += [flipped(good, at, bit) for at, bit in bits]
    while len(bad) < 400:  # what a bit flips to, with a checksum that does not fit
        packet = bytearray(advert(good, wrong_sum=True))
        packet[dice.randrange(8, len(packet))] ^= 1 << dice.randrange(8)
        bad.append(bytes(packet))
    before = (addresses().keys(), resolv())
    send(*bad)
    # The last one is good, so that all the others were read before it shows.
    send(advert(b"\x19\3\0\0" + struct.pack(">I", 900) + socket.inet_pton(
        socket.AF_INET6, PREFIX + "2")))
    n.wait_for("the good one", lambda: "nameserver %s2" % PREFIX in resolv())
    tap.check(addresses().keys() == before[0], "addresses: %s" % addresses())
    tap.check("ff02" not in resolv() and "com" not in resolv(), resolv())
    tap.check("bad" not in Engine().show("leases"), Engine().show("leases"))


@tap.test("300 flipped bits under a right checksum: what may be believed stays bounded, nothing is lost")
def flips():
    dice = random.Random(11)
    good = prefix_option("2001:db8:f00::", valid=3600, preferred=60)
    send(*[flipped(good, dice.randrange(42, 56 + 32), dice.randrange(8)) for _ in range(300)])
    send(advert(b"\x19\3\0\0" + struct.pack(">I", 900) + socket.inet_pton(
        socket.AF_INET6, PREFIX + "3")))
    n.wait_for("all of them", lambda: "nameserver %s3" % PREFIX in resolv())
    tap.check(box["address"] in addresses() and len(addresses()) <= 8, str(addresses()))
    shown = Engine().show("leases")
    tap.check(shown.count("router") <= 4 and shown.count("prefix") <= 8, shown)


@tap.test("a forged end of the prefix leaves two hours; many prefixes and routers are capped")
def flood():
    send(advert(prefix_option(PREFIX, valid=0, preferred=0)))
    n.wait_for("deprecation", lambda: "deprecated" in addresses()[box["address"]])
    tap.check("valid_lft 0" not in addresses()[box["address"]], addresses()[box["address"]])
    send(advert(prefix_option(PREFIX, valid=86400)))
    n.wait_for("the prefix again", lambda: "deprecated" not in addresses()[box["address"]])
    send(*[advert(b"".join(prefix_option("2001:db8:%x::" % (k * 20 + i), valid=3600, preferred=60)
                           for i in range(20)), source="fe80::%x" % (k + 1)) for k in range(50)])
    send(advert(prefix_option(PREFIX, valid=90000)))
    n.wait_for("all of them", lambda: int(
        addresses()[box["address"]].split("valid_lft ")[1].split("sec")[0]) > 86400)
    tap.check(len(addresses()) <= 8, "%d addresses" % len(addresses()))
    tap.check(Engine().show("leases").count("router") <= 4, Engine().show("leases"))


def route_option(prefix, length, preference=0, lifetime=600):
    return struct.pack(">BBBBI", 24, 3, length, preference << 3, lifetime) + socket.inet_pton(socket.AF_INET6, prefix)


@tap.test("routes of routers (RFC 4191): the better one where UseRoutePrefix asks for them, never into a container network")
def told_routes():
    inside = next(line.split()[0] for line in sh("ip -6 route").splitlines() if "dev hoy0" in line and
                  line.startswith("fd"))
    network = inside.split("/")[0]
    told = (advert(route_option("fd07::", 16) + route_option("fd07:1::", 32, 1), source="fe80::71", lifetime=0),
            advert(route_option("fd07::", 16, 1) + route_option(network, 80), source="fe80::72", lifetime=0))
    send(*told)
    n.wait_for("them to be told of", lambda: "route fd07::/16 via fe80::72 not used" in Engine().show("leases"))
    tap.check("fd07" not in routes(), routes())
    machine.configure(UPLINK + "IPv6AcceptRA.UseRoutePrefix = yes\n")
    machine.init.send(n.RELOAD)
    n.wait_for("them to be used", lambda: "fd07::/16 via fe80::72" in routes() and
               "fd07:1::/32 via fe80::71" in routes())
    tap.check(network + "/80" not in routes(), routes())
    machine.kill()
    machine.start()
    n.wait_for("the record", lambda: "route fd07::/16 via fe80::72\n" in Engine().show("leases"))
    tap.check("fd07::/16 via fe80::72" in routes(), routes())
    send(advert(route_option("fd07::", 16, 1, 0), source="fe80::72", lifetime=0))
    n.wait_for("the other router", lambda: "fd07::/16 via fe80::71" in routes())
    send(*[advert(b"".join(route_option("fd08:%x::" % (k * 10 + i), 32) for i in range(10)), source="fe80::%x" % (k + 1),
                  lifetime=0) for k in range(20)])
    send(advert(route_option("fd07:1::", 32, 1, 0) + route_option("fd07::", 16, 1, 0), source="fe80::71",
                lifetime=0))
    n.wait_for("an end", lambda: "fd07" not in routes())
    tap.check(Engine().show("leases").count(" route fd") <= 8, Engine().show("leases"))
    machine.configure(UPLINK)
    machine.init.send(n.RELOAD)
    n.wait_for("none", lambda: " via fe80" not in "".join(line for line in routes().splitlines() if "fd0" in line))


@tap.test("no default route any more when the routers say so, and when one is gone")
def withdrawn():
    send(*[advert(b"", lifetime=0, source="fe80::%x" % (k + 1)) for k in range(50)])
    send(advert(b"", lifetime=0))
    n.wait_for("the route to go", lambda: "default" not in routes())
    send(advert(b"", lifetime=1))
    n.wait_for("a router for a second", lambda: "default" in routes())
    n.wait_for("its end", lambda: "default" not in routes())
    send(advert(b"", lifetime=600, preference=3), advert(b"", source="fe80::77", preference=1))
    n.wait_for("the preferred one", lambda: "default via fe80::77" in routes())


def anew(prefix, other_than):
    """netd of another boot hears of a prefix; the usable address it takes."""
    machine.stop()
    sh("rm -f /run/hoy/netd/routers.up0; ip -6 addr flush dev up0 scope global")
    machine.start()

    def taken():
        send(advert(prefix_option(prefix, valid=7000, preferred=600)))
        return [a for a, line in addresses().items() if a.startswith(prefix[:-1]) and
                a != other_than and "tentative" not in line]
    return n.wait_for("an address of " + prefix, taken)[0]


@tap.test("an address that somebody else has gives way to another one")
def conflict():
    prefix = "2001:db8:abc::"
    first = anew(prefix, None)
    machine.lan.sh("ip -6 addr add %s/64 dev lan0 nodad" % first)
    anew(prefix, first)
    n.wait_for("the end of the first", lambda: first not in addresses())
    tap.check("somebody else has" in machine.log_text(), "it is said")


@tap.test("Token: an address by advertisements ends as network.ini says")
def token():
    machine.configure(UPLINK + "IPv6AcceptRA.Token = static:::10\n")
    tap.check(anew("2001:db8:ac1::", None) == "2001:db8:ac1::10", str(addresses()))
    machine.configure(UPLINK)


def resident_kib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int([line for line in f if line.startswith("VmRSS")][0].split()[1])


@tap.test("20,000 advertisements of as many routers, with names, routes and prefixes of their own: no more memory than before")
def endless():
    def wave(number, count):
        packets = [advert(
            prefix_option("2001:db8:%x:%x::" % (number, k), valid=3600 + k, preferred=60) + route_option("2001:db8:a%x:%x::" % (number, k), 64) +
            b"\x19\3\0\0" + struct.pack(">I", 900) + socket.inet_pton(socket.AF_INET6, "2001:db8:53:%x::%x" % (number, k + 1)) +
            b"\x1f\3\0\0" + struct.pack(">I", 900) + b"\4x%03x\7example\0\0\0" % (k % 4096),
            source="fe80::%x:%x" % (number + 1, k + 1)) for k in range(count)]
        for at in range(0, count, 100):
            send(*packets[at:at + 100])
            if at % 1000 == 0:
                Engine().show("leases")
    pids = [machine.child.pid, n.helper_pid(b"dhcp")]
    wave(0, 2000)
    before = [resident_kib(pid) for pid in pids]
    wave(1, 20000)
    after = [resident_kib(pid) for pid in pids]
    tap.note("KiB of main and dhcp: %s, then %s" % (before, after))
    tap.check(pids == [machine.child.pid, n.helper_pid(b"dhcp")], "the same processes")
    tap.check(all(b - a < 8192 for a, b in zip(before, after)), "%s KiB, then %s" % (before, after))
    tap.check(len(addresses()) <= 8 and Engine().show("leases").count("router") <= 4, Engine().show("leases"))


@tap.test("static IPv6: address, gateway, name server, route; IPv6AcceptRA and LinkLocalAddressing = no")
def static():
    machine.configure(UPLINK + "Address = 2001:db8:9::2/64\nGateway = 10.9.0.1\n"
                      "Gateway = 2001:db8:9::1\nDNS = 2001:db8:9::53\nIPv6AcceptRA = no\n"
                      "[route far]\nNetwork = up\nDestination = 2001:db8:f::/48\n"
                      "Gateway = 2001:db8:9::7\nMetric = 7\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the address", lambda: list(addresses()) == ["2001:db8:9::2"])
    n.wait_for("the routes", lambda: "default via 2001:db8:9::1" in routes() and
               "2001:db8:f::/48 via 2001:db8:9::7" in routes())
    n.wait_for("the name server", lambda: "nameserver 2001:db8:9::53" in resolv())
    send(advert(prefix_option("2001:db8:abc::")))
    machine.configure(UPLINK + "LinkLocalAddressing = no\n")
    machine.init.send(n.RELOAD)
    n.wait_for("no IPv6", lambda: "inet6" not in sh("ip -6 addr show dev up0"))
    machine.configure(UPLINK)
    machine.init.send(n.RELOAD)
    n.wait_for("IPv6 again", lambda: "fe80" in sh("ip -6 addr show dev up0"))


@tap.test("nothing of it in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
