#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever somebody takes away from netd's networks comes back by itself; nothing leaks meanwhile."""
import re
import time

import netd_peer as n
from netd_peer import TCP, Container, Echo, Engine, Machine, sh, talk, tap

n.enter()
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n"
                  "Gateway = 10.9.0.1\n[bridge shop]\nsubnet = 172.30.0.0/24\n")
box = {}


def served():
    return ((talk(machine.lan, "10.9.0.2", 8080, limit_s=1) or "").startswith("web") and
            (talk(box["web"].ns, "10.9.0.1", 4000, limit_s=1) or "").startswith("outside"))


def healed(command, whole):
    """Runs it as somebody else would; waits for the repair and for traffic."""
    sh(command)
    start = time.monotonic()
    n.wait_for("the repair", whole)
    tap.note("%s: %.0f ms" % (command.split(";")[0], (time.monotonic() - start) * 1000))
    n.wait_for("traffic", served)


def host_end():
    return next(line.split(":")[1].split("@")[0].strip() for line in sh("ip -o link").splitlines()
                if "master hoy0" in line or ": v" in line and ".0@" in line)


@tap.test("a container serves and reaches out")
def ready():
    machine.start()
    box["engine"] = Engine()
    box["web"] = Container("web")
    box["engine"].attach(box["web"], ports=[(TCP, "0.0.0.0", 8080, 80, 1)])
    Echo(box["web"].ns, "tcp", 80, "web")
    Echo(machine.lan, "tcp", 4000, "outside")
    n.wait_for("traffic", served)


@tap.test("a deleted bridge comes back with its containers on it")
def bridge():
    healed("ip link del hoy0", lambda: machine_has("hoy0", "172.17.0.1/16"))
    tap.check("its bridge is gone" in machine.log_text(), "it is said")
    healed("ip link del hoy0; ip link add hoy0 type bridge; ip link set hoy0 up",
           lambda: machine_has("hoy0", "172.17.0.1/16"))


def machine_has(dev, address):
    return address in sh("ip -4 addr show dev %s 2>/dev/null || true" % dev)


@tap.test("a removed gateway address, a bridge that was taken down, an interface taken off it")
def parts():
    healed("ip addr del 172.17.0.1/16 dev hoy0", lambda: machine_has("hoy0", "172.17.0.1/16"))
    healed("ip link set hoy0 down", lambda: ",UP" in sh("ip link show hoy0"))
    end = host_end()
    healed("ip link set %s nomaster" % end, lambda: "master hoy0" in sh("ip link show " + end))
    healed("ip link set %s down" % end, lambda: ",UP" in sh("ip link show " + end))


@tap.test("the uplink: a removed address and default route, a link that was taken down")
def uplink():
    healed("ip addr del 10.9.0.2/24 dev up0",
           lambda: machine_has("up0", "10.9.0.2/24") and "default via 10.9.0.1" in sh("ip route"))
    healed("ip route del default", lambda: "default via 10.9.0.1" in sh("ip route"))
    healed("ip link set up0 down", lambda: "default via 10.9.0.1" in sh("ip route"))


def nothing_left():
    heard = sh("cat /sys/class/net/up0/statistics/tx_packets")
    tap.check(talk(None, box["web"].ip, 80, limit_s=1) is None, "nothing answers")
    return sh("cat /sys/class/net/up0/statistics/tx_packets") == heard


@tap.test("while a bridge is away its subnet leads nowhere, also without netd; the next one repairs")
def guard():
    tap.check("prohibit 172.17.0.0/16" in sh("ip route"), sh("ip route show table all"))
    sh("ip route del prohibit 172.17.0.0/16 metric 4294967280")
    n.wait_for("the guard", lambda: "prohibit 172.17.0.0/16" in sh("ip route"))
    machine.kill()
    sh("ip link del hoy0")
    tap.check("Permission denied" in sh("ip route get 172.17.3.4 2>&1 || true"), "refused")
    # The kernel says something of its own on a link now and then; a SYN would be there each time.
    tap.check(any(nothing_left() for _ in range(20)), "nothing left")
    machine.start()
    box["engine"] = Engine()
    n.wait_for("traffic", served)


@tap.test("a network that is removed takes its guard along; netd leaves whole things alone")
def rest():
    subnet, _ = box["engine"].network_set("late")
    tap.check("prohibit %s" % subnet in sh("ip route"), "guarded")
    box["engine"].network_remove("late")
    tap.check(subnet not in sh("ip route"), sh("ip route"))
    before = len(machine.log_text())
    sh("ip link add other9 type veth peer name other8; ip link set other9 up; ip link del other9")
    machine.init.send(n.RELOAD)
    n.wait_for("an answer", lambda: "bridge" in box["engine"].show("networks"))
    time.sleep(0.5)
    tap.check("repairing" not in machine.log_text()[before:], machine.log_text()[before:])


@tap.test("a container that renames its interface follows the uplink's MTU, and no log fills with it")
def renamed():
    odd = Container("odd")
    box["engine"].attach(odd)
    odd.ns.sh("ip link set eth0 down; ip link set eth0 name mine; ip link set mine up")
    outer = int(re.search(r"mine@if(\d+):", odd.ns.sh("ip -o link show mine")).group(1))

    def mtu_outside(mtu):
        return any(line.startswith("%d: " % outer) and " mtu %d " % mtu in line
                   for line in sh("ip -o link show master hoy0").splitlines())

    before = len(machine.log_text())
    for mtu in (1400, 1500):
        sh("ip link set up0 mtu %d" % mtu)
        n.wait_for("the host end", lambda mtu=mtu: mtu_outside(mtu))
        tap.check(" mtu %d " % mtu in odd.ns.sh("ip link show mine"), "the inner one before it")
    tap.check("container odd" not in machine.log_text()[before:], machine.log_text()[before:])
    away = n.Netns("away")
    odd.ns.sh("ip link set mine netns /proc/%d/ns/net" % away.child.pid)
    sh("ip link set up0 mtu 1400")
    n.wait_for("the host end", lambda: mtu_outside(1400))
    # An interface that came up on the bridge again shows that netd has looked once more.
    for _ in range(3):
        end = host_end()
        sh("ip link set %s nomaster" % end)
        n.wait_for("another look", lambda end=end: "master hoy0" in sh("ip link show " + end))
    said = machine.log_text()[before:].count("its MTU stays")
    tap.check(said == 1, "said %d times" % said)
    sh("ip link set up0 mtu 1500")


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
