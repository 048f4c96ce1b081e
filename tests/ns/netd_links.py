#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Uplinks beyond a plain interface: bridges and their ports, addresses and routes in sections of
their own, renames, many flaps; macvlan and veth of the machine's own; what only some kernels have."""
import os
import subprocess
import time

import netd_peer as n
from netd_peer import Container, Echo, Engine, Machine, sh, talk, tap

NOWHERE = ("blackhole", "unreachable", "prohibit", "throw")
n.enter()
machine = Machine()


def kernel_has(kind):
    probe = "ip link add probe0 type bridge && " if kind in ("vlan", "macvlan", "ipvlan") else ""
    more = "link probe0 " if kind in ("vlan", "macvlan", "ipvlan") else ""
    made = subprocess.run("unshare -n sh -c '%sip link add %sname probe1 type %s%s'" % (
        probe, more, kind, " id 5" if kind == "vlan" else ""), shell=True, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return made.returncode == 0


def configure(config):
    machine.configure(config)
    machine.init.send(n.RELOAD)


def there(dev):
    """sysfs shows a link before it is one, and after."""
    return any(line.split()[1].split("@")[0].rstrip(":") == dev
               for line in sh("ip -o link").splitlines())


def has(dev, cidr):
    return any(line.split()[1] == dev and line.split()[3] == cidr
               for line in sh("ip -4 -o addr").splitlines())


def shown(what):
    return Engine().show(what)


@tap.test("a bridge as uplink: made, its port joins, the address and the way out are the bridge's")
def bridge():
    machine.configure("[netdev br0]\nKind = bridge\n[network port]\nMatch.Name = up0\nBridge = br0\n"
                      "[network lan]\nMatch.Name = br0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n")
    machine.start()
    n.wait_for("the address", lambda: has("br0", "10.9.0.2/24"))
    n.wait_for("the port", lambda: "master br0" in sh("ip link show up0"))
    n.wait_for("the route", lambda: "default via 10.9.0.1 dev br0" in sh("ip route"))
    tap.check("inet" not in sh("ip addr show up0"), "nothing on the port itself")
    Echo(machine.lan, "tcp", 4000, "outside")
    web = Container("web")
    Engine().attach(web)
    tap.check(talk(web.ns, "10.9.0.1", 4000) == "outside 10.9.0.2 hello", "containers get out")
    tap.check("uplink [network lan]" in shown("links"), shown("links"))


@tap.test("kill -9: the bridge, its port and address stay; who deletes it gets it back")
def adopt():
    before = sh("ip -o link | grep -v '@if' | sed 's/state.*//'; ip -4 -o addr; ip route")
    machine.kill()
    machine.start()
    n.wait_for("netd to look", lambda: "uplink [network port]" in shown("links"))
    tap.check(before == sh("ip -o link | grep -v '@if' | sed 's/state.*//'; ip -4 -o addr; ip route"),
              "nothing changed")
    start = time.monotonic()
    sh("ip link del br0")
    n.wait_for("the bridge", lambda: has("br0", "10.9.0.2/24") and "master br0" in sh("ip link show up0"))
    tap.note("%.0f ms until it was back" % ((time.monotonic() - start) * 1000))
    n.wait_for("the route", lambda: "default via 10.9.0.1 dev br0" in sh("ip route"))


@tap.test("STP changes on a bridge that is there; a VLAN says what it waits for")
def flags():
    index = sh("cat /sys/class/net/br0/ifindex")
    configure("[netdev br0]\nKind = bridge\nBridge.STP = yes\n"
              "[network port]\nMatch.Name = up0\nBridge = br0\n"
              "[network lan]\nMatch.Name = br0\nAddress = 10.9.0.2/24\n[netdev mine]\nKind = vlan\n"
              "VLAN.Id = 7\n")
    n.wait_for("STP", lambda: sh("cat /sys/class/net/br0/bridge/stp_state").strip() != "0")
    tap.check(index == sh("cat /sys/class/net/br0/ifindex"), "it is the same bridge")
    n.wait_for("what a VLAN waits for", lambda: "mine" in shown("links") and
               "VLAN = mine" in shown("links"))
    sh("ip link add other0 type bridge; ip link set other0 up")


@tap.test("what is declared no more goes, and the port is an uplink of its own again")
def undeclared():
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
              "[address second]\nNetwork = up\nAddress = 10.9.0.3/24\nLabel = up0:b\n"
              "PreferredLifetime = 0\n[address six]\nNetwork = up\nAddress = 2001:db8:7::3/64\n"
              "DuplicateAddressDetection = none\n[route far]\nNetwork = up\n"
              "Destination = 10.55.0.0/16\nGateway = 192.0.2.1\nGatewayOnLink = yes\nTable = 300\n"
              "PreferredSource = 10.9.0.3\n")
    n.wait_for("the bridge to go", lambda: not there("br0"))
    n.wait_for("the address", lambda: has("up0", "10.9.0.2/24"))
    tap.check(there("other0"), "a foreign bridge stays")


@tap.test("[address] and [route]: label, deprecated, no probing, another table, source, on-link gateway")
def sections():
    n.wait_for("the second address", lambda: "10.9.0.3/24" in sh("ip -4 addr show up0"))
    line = [row for row in sh("ip -4 -o addr show up0").splitlines() if "10.9.0.3" in row][0]
    tap.check("up0:b" in line and "deprecated" in line, line)
    n.wait_for("IPv6", lambda: "2001:db8:7::3/64" in sh("ip -6 addr show up0"))
    tap.check("tentative" not in sh("ip -6 addr show up0 scope global"), "usable at once")
    n.wait_for("the route", lambda: "10.55.0.0/16" in sh("ip route show table 300 || true"))
    route = sh("ip route show table 300")
    for word in ("via 192.0.2.1", "dev up0", "src 10.9.0.3", "onlink"):
        tap.check(word in route, "%s in %s" % (word, route))
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n")
    n.wait_for("its end", lambda: "10.55" not in sh("ip route show table 300 || true"))
    n.wait_for("and that of the address", lambda: "10.9.0.3" not in sh("ip addr show up0"))


@tap.test("[route] Type: where packets go no further, also while the interface is away; guards of networks stay")
def nowhere():
    guards = sh("ip route show type prohibit")
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n[network gone]\nMatch.Name = wan7\n" + "".join(
        "[route %s]\nNetwork = gone\nDestination = 10.6%d.0.0/16\nType = %s\n[route %s6]\nNetwork = up\n"
        "Destination = 2001:db8:%d::/48\nType = %s\nMetric = 7\n" % (word, i, word, word, i + 1, word)
        for i, word in enumerate(NOWHERE)))
    for i, word in enumerate(NOWHERE):
        n.wait_for(word, lambda w=word, k=i: "10.6%d.0.0/16" % k in sh("ip route show type %s" % w) and
                   "2001:db8:%d::/48" % (k + 1) in sh("ip -6 route show type %s" % w))
        tap.check("metric 7" in sh("ip -6 route show type " + word), "its metric")
    tap.check(sh("ip route get 10.62.0.1 2>&1 || true").count("Permission denied"), "prohibit refuses")
    rows = [row for row in Engine().rows("routes") if row["destination"].startswith("10.6")]
    tap.check(sorted(row["type"] for row in rows) == sorted(NOWHERE), "network show names them: %s" % rows)
    Engine().network_set("inside", "10.60.7.0/24")  # a way to nowhere is in no network's way
    Engine().network_remove("inside")
    machine.kill()
    machine.start()
    sh("ip route del blackhole 10.60.0.0/16 metric 100")
    n.wait_for("one that was deleted", lambda: "10.60.0.0/16" in sh("ip route show type blackhole"))
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n")
    n.wait_for("their end", lambda: not any(sh("ip route show type %s; ip -6 route show type %s" % (w, w)).count("10.6") +
                                            sh("ip -6 route show type " + w).count("2001:db8") for w in NOWHERE))
    tap.check(guards == sh("ip route show type prohibit"), "the networks' own are as they were")


@tap.test("macvlan and veth of the machine's own: made with addresses, a changed mode makes anew, gone with their sections")
def own_links():
    if not kernel_has("macvlan"):
        raise tap.Skip("this kernel has no macvlan")
    text = ("[network up]\nMatch.Name = up0\nMatch.Type = ether\nAddress = 10.9.0.2/24\nMACVLAN = mv0\n"
            "[netdev mv0]\nKind = macvlan\nMACVLAN.Mode = %s\n[network side]\nMatch.Name = mv0\n"
            "Address = 10.9.0.7/24\n[netdev pair0]\nKind = veth\nPeer.Name = pair1\n"
            "[network one]\nMatch.Name = pair0\nAddress = 10.77.0.1/24\n"
            "[network other]\nMatch.Name = pair1\nMatch.Type = bridge\nAddress = 10.77.1.1/24\n")
    configure(text % "bridge")
    n.wait_for("both", lambda: has("mv0", "10.9.0.7/24") and has("pair0", "10.77.0.1/24"))
    tap.check("macvlan mode bridge" in sh("ip -d link show mv0"), "its mode")
    tap.check(there("pair1") and "10.77.1.1" not in sh("ip addr show pair1"), "a veth is no bridge")
    server = Echo(machine.lan, "tcp", 4010, "lan")
    tap.check(talk(None, "10.9.0.1", 4010) == "lan 10.9.0.2 hello", "up0 still answers")
    server.close()
    index = sh("cat /sys/class/net/mv0/ifindex; cat /sys/class/net/pair0/ifindex")
    machine.kill()
    machine.start()
    n.wait_for("netd to look", lambda: "uplink [network side]" in shown("links"))
    tap.check(index == sh("cat /sys/class/net/mv0/ifindex; cat /sys/class/net/pair0/ifindex"), "the same ones after kill -9")
    configure(text % "private")
    n.wait_for("another mode", lambda: there("mv0") and "mode private" in sh("ip -d link show mv0 || true") and has("mv0", "10.9.0.7/24"))
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n")
    n.wait_for("their end", lambda: not there("mv0") and not there("pair0") and not there("pair1"))


@tap.test("a dummy holds an address, an ipvlan shares its parent's MAC address, where the kernel has them")
def dummy():
    if not kernel_has("dummy") or not kernel_has("ipvlan"):
        raise tap.Skip("this kernel has no dummy or no ipvlan")
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nIPVLAN = iv0\n[netdev iv0]\nKind = ipvlan\n"
              "[network iv]\nMatch.Name = iv0\nAddress = 10.9.0.8/24\n[netdev hold0]\nKind = dummy\n"
              "[network hold]\nMatch.Name = hold0\nAddress = 192.0.2.53/32\n")
    n.wait_for("both", lambda: has("hold0", "192.0.2.53/32") and has("iv0", "10.9.0.8/24"))
    tap.check(sh("cat /sys/class/net/iv0/address") == sh("cat /sys/class/net/up0/address"), "one MAC address")
    configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n")
    n.wait_for("their end", lambda: not there("iv0") and not there("hold0"))


@tap.test("a renamed interface keeps its lease and is served on under its new name")
def rename():
    configure("[network any]\nMatch.Name = up0 up7\nDHCP = yes\n")
    machine.serve("--port=0", "--dhcp-range=10.9.0.50,10.9.0.50,2h", "--dhcp-option=3,10.9.0.1")
    n.wait_for("a lease", lambda: has("up0", "10.9.0.50/24"))
    sh("ip link set up0 down; ip link set up0 name up7; ip link set up7 up")
    n.wait_for("the new name", lambda: "up7" in shown("leases") and "up0" not in shown("leases"))
    n.wait_for("the address", lambda: has("up7", "10.9.0.50/24"))
    n.wait_for("the route", lambda: "default via 10.9.0.1 dev up7" in sh("ip route"))
    tap.check(os.path.exists("/run/hoy/netd/lease.up7") and
              not os.path.exists("/run/hoy/netd/lease.up0"), "so is its file")
    sh("ip link set up7 down; ip link set up7 name up0; ip link set up0 up")
    n.wait_for("the old name", lambda: has("up0", "10.9.0.50/24"))


@tap.test("a VLAN on an uplink carries its own address, and goes with its section")
def vlan():
    if not kernel_has("vlan"):
        raise tap.Skip("this kernel has no VLANs")
    configure("[network trunk]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nVLAN = up0.5\n"
              "[netdev up0.5]\nKind = vlan\nVLAN.Id = 5\n"
              "[network five]\nMatch.Name = up0.5\nAddress = 10.5.0.2/24\n")
    machine.lan.sh("ip link add link lan0 name lan5 type vlan id 5; ip link set lan5 up;"
                   "ip addr add 10.5.0.1/24 dev lan5")
    n.wait_for("the address", lambda: has("up0.5", "10.5.0.2/24"))
    Echo(machine.lan, "tcp", 4005, "five", "10.5.0.1")
    n.wait_for("an answer", lambda: talk(None, "10.5.0.1", 4005) == "five 10.5.0.2 hello")
    configure("[network trunk]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n")
    n.wait_for("its end", lambda: not there("up0.5"))


@tap.test("a bond: its parts join, one without a cable gives way to the other")
def bond():
    if not kernel_has("bond"):
        raise tap.Skip("this kernel has no bonds")
    sh("ip link add up1 type veth peer name cable1 netns %s" % machine.lan.path())
    machine.lan.sh("ip link set cable1 master lan0 up")
    configure("[netdev bond0]\nKind = bond\nBond.Mode = active-backup\n"
              "[network parts]\nMatch.Name = up0 up1\nBond = bond0\n"
              "[network all]\nMatch.Name = bond0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n")
    n.wait_for("the address", lambda: has("bond0", "10.9.0.2/24"))
    n.wait_for("both parts", lambda: sh("ip -o link").count("master bond0") == 2)
    Echo(machine.lan, "tcp", 4006, "bond")
    n.wait_for("an answer", lambda: talk(None, "10.9.0.1", 4006) == "bond 10.9.0.2 hello")
    machine.lan.sh("ip link set cable down")
    n.wait_for("an answer over the other", lambda: talk(
        None, "10.9.0.1", 4006, limit_s=5) == "bond 10.9.0.2 hello")
    machine.lan.sh("ip link set cable up")


@tap.test("the log points at no memory error and no forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
