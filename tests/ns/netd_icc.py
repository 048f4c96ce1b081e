#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Networks whose containers do not reach each other (icc = no): what is closed, what stays open, and that it stays so."""
import struct

import netd_peer as n
from netd_peer import TCP, Container, Echo, Engine, Machine, Refused, sh, talk, tap, text

n.enter()
UP = "[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
machine = Machine(UP + "[bridge shut]\nsubnet = 10.40.0.0/24\nsubnet6 = fd40::/64\nicc = no\n")
machine.start()
n.wait_for("the address", lambda: machine.address() == "10.9.0.2/24")
box = {"engine": Engine()}


def attach(name, network, ports=()):
    box[name] = Container(name)
    rows = box["engine"].attach(box[name], [(network, [name])], ports)
    Echo(box[name].ns, "tcp", 80, name)
    Echo(box[name].ns, "tcp", 80, name, box[name].ip6)
    return rows


def ends(network):
    """The host's ends of the containers on that bridge."""
    bridge = {row["name"]: row["bridge"] for row in box["engine"].rows("networks")}[network]
    return [line.split()[1].split("@")[0] for line in sh("ip -o link show master " + bridge).splitlines()]


def apart(one, other):
    heard = n.answering((box[one].ns, box[other].ip, 80), (box[one].ns, box[other].ip6, 80),
                        (box[other].ns, box[one].ip, 80), (box[other].ns, box[one].ip6, 80))
    tap.check(not heard, "they reach each other: %s" % heard)


@tap.test("icc = no: two containers do not reach each other, on neither family")
def closed():
    attach("web", "shut", [(TCP, "*", 8080, 80, 1)])
    attach("eve", "shut")
    apart("eve", "web")
    told = box["engine"].show("trace %s -> %s:80" % (box["eve"].ip, box["web"].ip))
    tap.check("network shut has icc = no" in told, told)
    tap.check([row["icc"] for row in box["engine"].rows("networks") if row["name"] == "shut"] == [False], "shown")


@tap.test("nor by way of the machine, which passes nothing on that is not published")
def around():
    web, eve = box["web"], box["eve"]
    eve.ns.sh("ip route add %s/32 via 10.40.0.1; ip -6 route add %s/128 via fd40::1" % (web.ip, web.ip6))
    web.ns.sh("ip route add %s/32 via 10.40.0.1; ip -6 route add %s/128 via fd40::1" % (eve.ip, eve.ip6))
    apart("eve", "web")
    eve.ns.sh("ip route del %s/32; ip -6 route del %s/128" % (web.ip, web.ip6))
    web.ns.sh("ip route del %s/32; ip -6 route del %s/128" % (eve.ip, eve.ip6))


@tap.test("the way out, the machine and published ports are open as on any network")
def still_open():
    server, host = Echo(machine.lan, "tcp", 4000, "outside"), Echo(None, "tcp", 4001, "host")
    tap.check(talk(box["eve"].ns, "10.9.0.1", 4000) == "outside 10.9.0.2 hello", "out")
    tap.check((talk(box["eve"].ns, "10.40.0.1", 4001) or "").startswith("host"), "the machine")
    tap.check((talk(box["eve"].ns, "10.9.0.2", 8080) or "").startswith("web"), "a published port")
    tap.check((talk(machine.lan, "10.9.0.2", 8080) or "").startswith("web 10.9.0.1"), "from outside")
    server.close()
    host.close()


@tap.test("who takes an end out of the bridge or opens it gets it back as it was, and kill -9 changes nothing")
def healed():
    end = ends("shut")[0]
    sh("ip link set %s type bridge_slave isolated off" % end)
    n.wait_for("it to be closed", lambda: "isolated on" in sh("ip -d link show " + end))
    sh("ip link set %s nomaster" % end)
    n.wait_for("it to be back", lambda: end in ends("shut") and "isolated on" in sh("ip -d link show " + end))
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    box["engine"].sync([box["web"], box["eve"]])
    apart("eve", "web")


@tap.test("a network made by a call has it too; another value is another network; macvlan cannot have it")
def by_call():
    def more(driver="", parent="", icc_off=b"\1" + text("")):
        return (b"\0" + text("") + text(driver) + text("") + text(parent) + text("") + text("") + text("") +
                struct.pack("<I", 0) + b"\0" + icc_off)
    box["engine"].network_set("made", "10.41.0.0/24", more=more())
    box["engine"].network_set("made", "10.41.0.0/24", more=more())
    for wrong in (more(icc_off=b"\0" + text("")), more(icc_off=b"")):
        try:
            box["engine"].network_set("made", "10.41.0.0/24", more=wrong)
            tap.check(False, "it was taken")
        except Refused as e:
            tap.check("other values" in str(e), str(e))
    try:
        box["engine"].network_set("seg", "10.9.0.0/24", more=more("macvlan", "up0"))
        tap.check(False, "it was taken")
    except Refused as e:
        tap.check("icc = no and host_binding are for bridges" in str(e), str(e))
    box["engine"].network_set("bound", "10.42.0.0/30", more=more(icc_off=b"\0" + text("127.0.0.1")))
    attach("one", "made")
    attach("two", "made")
    apart("one", "two")
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    box["engine"].sync([box[name] for name in ("web", "eve", "one", "two")])
    apart("one", "two")
    tap.check(all("isolated on" in sh("ip -d link show " + end) for end in ends("made")), "after kill -9")


@tap.test("host_binding: a port that names no address is published there alone, one that does where it says; of a subnet of four")
def host_binding():
    attach("low", "bound", [(TCP, "*", 8090, 80, 1), (TCP, "0.0.0.0", 8091, 80, 1)])
    tap.check(box["low"].ip == "10.42.0.2", "the one address that is free: %s" % box["low"].ip)
    heard = n.answering((None, "127.0.0.1", 8090), (None, "10.9.0.2", 8090), (machine.lan, "10.9.0.2", 8090), (None, "::1", 8090),
                        (None, "127.0.0.1", 8091), (machine.lan, "10.9.0.2", 8091))
    tap.check([probe[1:] for probe in heard if probe[2] == 8090] == [("127.0.0.1", 8090)], heard)
    tap.check(len([probe for probe in heard if probe[2] == 8091]) == 2, heard)
    told = [row["address"] for row in box["engine"].rows("ports") if row["container"] == "low"]
    tap.check("127.0.0.1" in told, "network show: %s" % box["engine"].rows("ports"))
    box["engine"].detach(box["low"])


@tap.test("another value at RELOAD is refused like every other of a network; the next netd opens what is attached")
def opened():
    machine.configure(UP + "[bridge shut]\nsubnet = 10.40.0.0/24\nsubnet6 = fd40::/64\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the refusal", lambda: "network shut exists with other values" in machine.log_text())
    apart("eve", "web")
    machine.kill()
    machine.start()
    n.wait_for("an answer", lambda: (talk(box["eve"].ns, box["web"].ip, 80, limit_s=1) or "").startswith("web"))
    tap.check((talk(box["eve"].ns, box["web"].ip6, 80) or "").startswith("web"), "IPv6")


@tap.test("the log points at no memory error and no forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
