#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd's DHCP clients against kea, and its router discovery against radvd: leases, renewals, who it says
it is, refusals, delegated prefixes, time servers, routes that routers tell of."""
import os
import socket
import subprocess

import netd_peer as n
import netd_servers as servers
from netd_peer import Engine, Machine, sh, tap

if os.environ.get("HOY_NETD_BOX") != "in":
    servers.fetch()
n.enter()
sh("hostname hoy-kea")
UP = "[network up]\nMatch.Name = up0\n"
machine = Machine(UP)
box = {}


def options(**more):
    return [{"name": name.replace("_", "-"), "data": data} for name, data in more.items()]


def subnet4(address, *more):
    return {"subnet": "10.9.0.0/24", "pools": [{"pool": "%s - %s" % (address, address)}],
            "option-data": options(routers="10.9.0.1", domain_name_servers="10.9.0.1",
                                   domain_name="kea.example", ntp_servers="10.9.0.1") + list(more)}


ROUTER = ("AdvManagedFlag on; AdvDefaultPreference high; prefix 2001:db8:7::/64 { AdvAutonomous off; };"
          "route fd07:7::/48 { AdvRoutePreference high; AdvRouteLifetime 600; };")
ND_ROUTER_ADVERT = 134
TIMES = {"valid-lifetime": 60, "renew-timer": 1, "rebind-timer": 40, "authoritative": True}


def shown(what):
    """What netd shows; nothing where it lets go of its clients at that moment."""
    try:
        return Engine().show(what)
    except (ConnectionError, AssertionError):
        return ""


def resolv():
    with open("/run/hoy/net/etc/resolv.conf", encoding="ascii") as f:
        return f.read()


@tap.test("kea: a lease with its route, names and time server, and the host name is told")
def lease():
    # 0.0.0.0/0 by 10.9.0.1 and 198.51.100.0/24 by 10.9.0.3, as option 121 has them.
    routes = {"code": 121, "csv-format": False, "data": "000a09000118c633640a090003"}
    box["kea"] = servers.Kea(machine.lan, 4, subnet4("10.9.0.70", routes), **TIMES)
    machine.start()
    n.wait_for("the lease", lambda: machine.address() == "10.9.0.70/24")
    n.wait_for("the route", lambda: "default via 10.9.0.1 dev up0" in sh("ip route"))
    tap.check("198.51.100.0" not in sh("ip route"), sh("ip route"))
    n.wait_for("the names", lambda: "nameserver 10.9.0.1\n" in resolv() and "search kea.example" in resolv())
    n.wait_for("the time server", lambda: "server 10.9.0.1" in shown("time"))
    row = box["kea"].leases()[-1]
    tap.check(row["hostname"].startswith("hoy-kea"), str(row))
    tap.check(row["client_id"].lower().startswith("01:"), "the hardware address: %s" % row)


@tap.test("kea: ten renewals; address and routes are never touched, their lifetime goes on")
def renew():
    with open("/run/monitor.log", "wb") as log:
        monitor = subprocess.Popen(["ip", "-4", "monitor", "address", "route"], stdout=log)
    before = len(box["kea"].leases())
    n.wait_for("ten renewals", lambda: len(box["kea"].leases()) >= before + 10)
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        tap.check("Deleted" not in f.read(), "something went")
    tap.check(machine.address() == "10.9.0.70/24" and "default via 10.9.0.1" in sh("ip route"), sh("ip route"))


@tap.test("kea refuses a renewal where its pool is another: the address goes, one of the new pool comes")
def refused():
    box["kea"].close(True)
    box["kea"] = servers.Kea(machine.lan, 4, subnet4("10.9.0.80"), **TIMES)
    n.wait_for("the new address", lambda: machine.address() == "10.9.0.80/24")
    tap.check("10.9.0.70" not in sh("ip addr show up0"), "the old one is gone")


@tap.test("ClientIdentifier = duid: kea knows the machine by the DUID that DHCPv6 would show (RFC 4361)")
def duid():
    machine.stop()
    sh("ip -4 addr flush dev up0; rm -f /run/hoy/netd/lease.up0")
    box["kea"].close(True)
    box["kea"] = servers.Kea(machine.lan, 4, subnet4("10.9.0.90"), **TIMES)
    machine.configure(UP + "DHCPv4.ClientIdentifier = duid\n")
    machine.start()
    n.wait_for("the lease", lambda: machine.address() == "10.9.0.90/24")
    said = box["kea"].leases()[-1]["client_id"].lower().split(":")
    tap.check(said[0] == "ff" and said[5:7] == ["00", "04"] and len(said) == 23, str(said))
    box["kea"].close()


@tap.test("kea and radvd: DHCPv6 address, delegated prefix and time server; routes of the router where asked for")
def six():
    machine.stop()
    machine.lan.sh("ip -6 addr add 2001:db8:7::1/64 dev lan0 nodad; sysctl -qw net.ipv6.conf.all.forwarding=1")
    n.wait_for("the router's address", lambda: "tentative" not in machine.lan.sh("ip -6 addr show dev lan0"))
    machine.configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
                      "[bridge six]\nsubnet6 = delegated\n")
    subnet = {"subnet": "2001:db8:7::/64", "interface": "lan0",
              "pools": [{"pool": "2001:db8:7::100 - 2001:db8:7::100"}],
              "pd-pools": [{"prefix": "2001:db8:7700::", "prefix-len": 40, "delegated-len": 56}],
              "option-data": options(dns_servers="2001:db8:7::53", domain_search="six.example",
                                     sntp_servers="2001:db8:7::123")}
    box["kea"] = servers.Kea(machine.lan, 6, subnet, **{
        "preferred-lifetime": 50, "valid-lifetime": 60, "renew-timer": 2, "rebind-timer": 40})
    box["radvd"] = servers.Radvd(machine.lan, ROUTER)
    machine.start()
    n.wait_for("the address", lambda: "2001:db8:7::100/128" in sh("ip -6 addr show dev up0"))
    n.wait_for("the network below the prefix", lambda: "2001:db8:77" in sh("ip -6 addr show"))
    n.wait_for("the names", lambda: "nameserver 2001:db8:7::53" in resolv() and "six.example" in resolv())
    n.wait_for("the time server", lambda: "server 2001:db8:7::123" in shown("time"))
    n.wait_for("the route is told of", lambda: "route fd07:7::/48 via fe80" in shown("leases"))
    tap.check("not used" in shown("leases") and "fd07:7::" not in sh("ip -6 route"), "and not used unasked")
    machine.configure("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nIPv6AcceptRA.UseRoutePrefix = yes\n"
                      "DHCPv6.UseNTP = no\n[bridge six]\nsubnet6 = delegated\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the route", lambda: "fd07:7::/48 via fe80" in sh("ip -6 route"))
    n.wait_for("no time server", lambda: "no time server" in shown("time"))


def goodbye():
    """radvd ends, with one advertisement that nobody repeats: whether it came in on up0."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"up0")
        s.settimeout(5)
        box["radvd"].close()
        try:
            while True:
                data = s.recv(2048)
                if data[0] == ND_ROUTER_ADVERT and data[6:8] == b"\0\0":  # a lifetime of 0
                    return True
        except TimeoutError:
            return False


def say_goodbye():
    for _ in range(5):
        if goodbye():
            return
        tap.note("radvd's last advertisement did not come in on up0: once more")
        box["radvd"] = servers.Radvd(machine.lan, ROUTER)
        n.wait_for("the router", lambda: "default" in sh("ip -6 route show dev up0"))
    raise AssertionError("no goodbye of radvd came in on up0, five times")


@tap.test("kea: DHCPv6 renewals touch neither address nor prefix; radvd's goodbye takes route and router")
def six_renew():
    with open("/run/monitor.log", "wb") as log:
        monitor = subprocess.Popen(["ip", "-6", "monitor", "address"], stdout=log)
    before = len(box["kea"].leases())
    n.wait_for("renewals", lambda: len(box["kea"].leases()) >= before + 6)
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        tap.check("Deleted" not in f.read(), "something went")
    say_goodbye()
    n.wait_for("no default route", lambda: "default" not in sh("ip -6 route show dev up0"))
    n.wait_for("no route", lambda: "fd07:7::" not in sh("ip -6 route show dev up0"))
    box["kea"].close()


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
