#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""DHCPv6 of uplinks: addresses and names by dnsmasq, a delegated prefix by a server of few words,
worse servers, adoption, conflicts."""
import subprocess
import sys
import time

import netd_peer as n
from netd_peer import Container, Echo, Engine, Machine, sh, talk, tap

n.enter()
UPLINK = "[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
machine = Machine(UPLINK)
box = {}


def addresses():
    lines = sh("ip -6 -o addr show dev up0 scope global").splitlines()
    return {line.split()[3]: line for line in lines}


def resolv():
    with open("/run/hoy/net/etc/resolv.conf", encoding="ascii") as f:
        return f.read()


class Server6:
    """A DHCPv6 server that delegates a prefix and gives an address; or what `mode` says."""

    SCRIPT = r"""
import random, socket, struct, sys
prefix, valid, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 25, b"lan0\0")
s.bind(("::", 547))
index = socket.if_nametoindex("lan0")
group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("@I", index)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
def option(code, data):
    return struct.pack(">HH", code, len(data)) + data
def ia(code, iaid, t1, t2, items, status=None):
    body = iaid + struct.pack(">II", t1, t2) + items
    if status is not None:
        body += option(13, struct.pack(">H", status))
    return option(code, body)
pool = socket.inet_pton(socket.AF_INET6, prefix)
dice = random.Random(6)
print("up", flush=True)
while True:
    p, peer = s.recvfrom(2000)
    options, at = {}, 4
    while at + 4 <= len(p):
        code, size = struct.unpack(">HH", p[at:at + 4])
        options[code] = p[at + 4:at + 4 + size]
        at += 4 + size
    print(p[0], len(options.get(3, b"")), len(options.get(25, b"")), flush=True)
    kind = 2 if p[0] == 1 else 7
    body = option(1, options[1]) + option(2, b"\0\1rogue" if mode == "rogue" else b"\0\1server")
    times = struct.pack(">II", valid // 2, valid)
    t1, t2 = max(valid // 4, 1), max(valid // 3, 1)
    if 3 in options:
        one = option(5, pool[:15] + b"\x99" + times)
        body += ia(3, options[3][:4], t1, t2, one)
    if 25 in options:
        one = option(26, times + b"\x38" + pool)
        body += ia(25, options[25][:4], t1, t2, b"" if mode == "none" else one,
                   6 if mode == "none" else None)
    body += option(23, socket.inet_pton(socket.AF_INET6, "2001:db8:53::53"))
    body += option(24, b"\3six\7example\0")
    answer = bytes([kind]) + p[1:4] + body
    if mode == "rogue":
        for i in range(220):
            bad = bytearray(answer)
            case = i % 5
            if case == 0:
                bad[1 + dice.randrange(3)] ^= 1 << dice.randrange(8)
            elif case == 1:
                bad[8 + dice.randrange(struct.unpack(">H", p[6:8])[0])] ^= 1 << dice.randrange(8)
            elif case == 2:
                bad = bad[:-dice.randrange(1, 16)]  # within the last option
            elif case == 3:
                bad[0] = dice.choice([1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 200])
            else:
                at = bytes(bad).index(option(3, b"")[:2], 4 + 4 + len(options[1]))
                bad[at + 2:at + 4] = struct.pack(">H", 0x7fff)
            s.sendto(bytes(bad), peer)
        continue
    s.sendto(answer, peer)
"""

    def __init__(self, prefix, valid=3600, mode=""):
        self.log = "/run/dhcp6-server.log"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(["nsenter", "--net=" + machine.lan.path(), sys.executable,
                                           "-c", self.SCRIPT, prefix, str(valid), mode], stdout=log)
        n.wait_for("the DHCPv6 server", lambda: "up" in self.text())

    def text(self):
        with open(self.log, encoding="ascii") as f:
            return f.read()

    def kinds(self):
        return [int(line.split()[0]) for line in self.text().splitlines() if line[0].isdigit()]

    def close(self):
        self.child.kill()
        self.child.wait()


def shown(what):
    """What netd shows; nothing where it lets go of its clients at that moment, so that they come anew."""
    try:
        return Engine().show(what)
    except (ConnectionError, AssertionError):
        return ""


@tap.test("DHCPv6 where a router calls for it: address, name server and domain by dnsmasq")
def managed():
    machine.lan.sh("ip -6 addr add 2001:db8:6::1/64 dev lan0 nodad;"
                   "sysctl -qw net.ipv6.conf.all.forwarding=1")
    n.wait_for("the router's address", lambda: "tentative" not in machine.lan.sh(
        "ip -6 addr show dev lan0"))
    machine.serve("--port=0", "--enable-ra", "--dhcp-range=2001:db8:6::100,2001:db8:6::100,64,1h",
                  "--dhcp-option=option6:dns-server,[2001:db8:6::1]",
                  "--dhcp-option=option6:domain-search,six.example")
    machine.start()
    n.wait_for("the address", lambda: "2001:db8:6::100/128" in addresses())
    n.wait_for("it to be usable", lambda: "tentative" not in addresses()["2001:db8:6::100/128"])
    tap.check("valid_lft forever" not in addresses()["2001:db8:6::100/128"], "with its lifetime")
    n.wait_for("the names", lambda: "nameserver 2001:db8:6::1" in resolv() and
               "search six.example" in resolv())
    n.wait_for("it to be shown", lambda: "2001:db8:6::100" in shown("leases"))


@tap.test("kill -9: the DHCPv6 lease is taken over without a packet, the address is never touched")
def kill():
    with open("/run/dnsmasq.log", encoding="utf-8") as f:
        before = f.read().count("DHCPSOLICIT")
    monitor = subprocess.Popen(["ip", "-6", "monitor", "address", "dev", "up0"],
                               stdout=open("/run/monitor.log", "wb"))
    machine.kill()
    machine.start()
    n.wait_for("bound", lambda: "DHCPv6 bound" in shown("leases"))
    time.sleep(0.3)
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        tap.check("Deleted" not in f.read(), "never removed")
    with open("/run/dnsmasq.log", encoding="utf-8") as f:
        tap.check(f.read().count("DHCPSOLICIT") == before, "the server heard no SOLICIT")


def anew(config):
    """netd as on a machine that never had a lease, and without dnsmasq's advertisements."""
    machine.stop()
    machine.stop_serving()
    sh("rm -f /run/hoy/netd/lease6.up0 /run/hoy/netd/routers.up0 /run/hoy/netd/delegated;"
       "ip -6 addr flush dev up0 scope global")
    machine.configure(config)
    machine.start()


@tap.test("a delegated prefix: a network lives below it, containers have global addresses, no translation")
def delegated():
    machine.stop_serving()  # it has the port
    server = box["server"] = Server6("2001:db8:aa00::")
    anew(UPLINK + "Address = 2001:db8:6::2/64\nDHCPv6.WithoutRA = solicit\n"
         "DHCPv6.PrefixDelegationHint = ::/56\n[bridge wide]\nsubnet6 = delegated\n")
    n.wait_for("the prefix", lambda: "2001:db8:aa" in shown("networks"))
    n.wait_for("the address", lambda: any(a.endswith("99/128") for a in addresses()))
    web = box["web"] = Container("web")
    rows = Engine().attach(web, ["wide"])
    tap.check(rows[0]["ip6"].startswith("2001:db8:aa"), str(rows))
    machine.lan.sh("ip -6 route add 2001:db8:aa00::/56 via 2001:db8:6::2")
    Echo(machine.lan, "tcp", 4000, "outside", "::")
    Echo(web.ns, "tcp", 80, "web", "::")
    n.wait_for("a way out", lambda: talk(web.ns, "2001:db8:6::1", 4000, limit_s=3) ==
               "outside %s hello" % rows[0]["ip6"])
    tap.check(not n.answering((machine.lan, rows[0]["ip6"], 80)), "closed from outside")
    tap.check(1 in server.kinds() and "prefix 2001:db8:aa00::/56" in Engine().show("leases"),
              Engine().show("leases"))


def globals_of(container=None):
    """Interface and address of each; what else is said of them changes by itself."""
    shown = (container.ns.sh if container else sh)("ip -6 -o addr show scope global")
    return sorted(tuple(line.split()[1:4:2]) for line in shown.splitlines())


@tap.test("kill -9 with a delegated prefix: bridge and container keep their addresses")
def delegated_kill():
    before, inside = globals_of(), globals_of(box["web"])
    machine.kill()
    machine.start()
    n.wait_for("bound", lambda: "DHCPv6 bound" in shown("leases"))
    time.sleep(0.3)
    tap.check(before == globals_of(), "the host's: %s, %s" % (before, globals_of()))
    tap.check(inside == globals_of(box["web"]), "the container's: %s" % inside)


@tap.test("another prefix: networks are renumbered and the engine is made to attach again")
def renumbered():
    box["server"].close()
    engine = Engine()
    rows = engine.attach(box["web"], ["wide"])
    box["server"] = Server6("2001:db8:bb00::")
    machine.lan.sh("ip link set cable down")
    n.wait_for("netd to notice", lambda: "DHCPv6 idle" in shown("leases"))
    machine.lan.sh("ip link set cable up")
    n.wait_for("the new prefix", lambda: "2001:db8:bb" in shown("networks"))
    n.wait_for("the connection to end", lambda: n.select.select([engine.sock], [], [], 0)[0] and
               not engine.sock.recv(1 << 17))
    again = Engine().attach(box["web"], ["wide"])
    tap.check(again[0]["ip6"].startswith("2001:db8:bb") and again[0]["ip"] == rows[0]["ip"],
              str(again))
    inside = box["web"].ns.sh("ip -6 addr show eth0")
    tap.check(again[0]["ip6"] in inside and "2001:db8:aa" not in inside, inside)


@tap.test("lifetimes: renewed before the end; lost when no server answers any more")
def lifetimes():
    box["server"].close()
    box["server"] = Server6("2001:db8:cc00::", valid=5)
    anew(UPLINK + "Address = 2001:db8:6::2/64\nDHCPv6.WithoutRA = solicit\n")
    n.wait_for("the address", lambda: any(a.endswith("99/128") for a in addresses()))
    n.wait_for("a RENEW", lambda: 5 in box["server"].kinds())
    box["server"].close()
    n.wait_for("its end", lambda: not any(a.endswith("99/128") for a in addresses()))
    tap.check("DHCPv6 lease lost" in n.wait_for("word of it", lambda: "DHCPv6 lease lost" in
                                                machine.log_text() and machine.log_text()), "said")


@tap.test("220 answers that a client must not believe change nothing")
def rogue():
    server = Server6("2001:db8:dd00::", mode="rogue")
    n.wait_for("a SOLICIT to it", lambda: 1 in server.kinds())
    server.close()
    time.sleep(0.3)
    tap.check(not any("2001:db8:dd" in a for a in addresses()), str(addresses()))
    tap.check(3 not in server.kinds(), "nothing was asked of it")
    good = Server6("2001:db8:ee00::")
    n.wait_for("an honest one", lambda: any("2001:db8:ee" in a for a in addresses()))
    good.close()


@tap.test("the log points at no memory error and no forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
