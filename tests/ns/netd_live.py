#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Networks of a running container: connected and disconnected live, names, ports, kill -9."""
import threading
import time

import netd_peer as n
from netd_peer import TCP, Container, Echo, Engine, Machine, Refused, sh, talk, tap

n.enter()
CONFIG = ("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n"
          "[bridge shop]\nsubnet = 172.30.0.0/24\nsubnet6 = fd12:3456:789a:30::/64\n"
          "[bridge closed]\nsubnet = 172.31.0.0/24\ninternal = yes\n")
machine = Machine(CONFIG)
box = {}


def refused(function, code, *words):
    try:
        function()
    except Refused as e:
        tap.check(e.code == code, "code %d: %s" % (e.code, e))
        for word in words:
            tap.check(word in str(e), "'%s' names %s" % (e, word))
        return
    raise AssertionError("it was not refused")


class Flow(threading.Thread):
    """One connection that must not break."""

    def __init__(self, ip, port):
        super().__init__(daemon=True)
        self.place, self.answers, self.broken, self.quit = (ip, port), 0, None, False

    def run(self):
        try:
            s = n.socket.create_connection(self.place, 60)
            while not self.quit:
                s.sendall(b"x")
                tap.check(s.recv(100), "closed")
                self.answers += 1
                time.sleep(0.002)
        except (OSError, AssertionError) as e:
            self.broken = e


def published(ip="10.9.0.2"):
    return (talk(machine.lan, ip, 8080) or "").startswith("web")


@tap.test("connect: interface, static address, IPv6 and MAC, alias; nothing that flows is disturbed")
def connect():
    machine.start()
    box["engine"] = engine = Engine()
    box["web"], box["other"] = Container("web"), Container("other")
    engine.attach(box["web"], ports=[(TCP, "0.0.0.0", 8080, 80, 1)])
    engine.attach(box["other"], ["shop"])
    Echo(box["web"].ns, "tcp", 80, "web")
    tap.check(published(), "the port before")
    flow = Flow(box["web"].ip, 80)
    flow.start()
    n.wait_for("the flow", lambda: flow.answers > 10 or flow.broken)
    rows = engine.connect(box["web"], ("shop", ["shelf"], "172.30.0.77", "fd12:3456:789a:30::77",
                                       "02:00:00:00:00:77"))
    tap.check([r["network"] for r in rows] == ["bridge", "shop"], str(rows))
    tap.check(rows[1]["ip"] == "172.30.0.77" and rows[1]["ip6"] == "fd12:3456:789a:30::77" and
              rows[1]["mac"] == "02:00:00:00:00:77" and rows[1]["ifname"] == "eth1", str(rows[1]))
    tap.check(rows[0]["gateway"] and not rows[1]["gateway"], "the default route stays: %s" % rows)
    inside = box["web"].ns.sh("ip addr show eth1; ip route")
    for word in ("172.30.0.77/24", "fd12:3456:789a:30::77/64", "02:00:00:00:00:77",
                 "default via 172.17.0.1 dev eth0"):
        tap.check(word in inside, "%s in %s" % (word, inside))
    tap.check((talk(box["other"].ns, "172.30.0.77", 80) or "").startswith("web"), "it answers there")
    count = flow.answers
    n.wait_for("the flow to go on", lambda: flow.answers > count + 10 or flow.broken)
    flow.quit = True
    flow.join()
    tap.check(flow.broken is None, str(flow.broken))
    tap.check(published(), "and so is the port")
    dig = n.deb.program("bind9-dnsutils", "usr/bin/dig")
    done = n.subprocess.run(["nsenter", "--net=" + box["other"].ns.path(), dig[0], "@127.0.0.11",
                             "+short", "shelf"], env=dig[1], stdout=n.subprocess.PIPE, check=False)
    tap.check(done.stdout.decode().strip() == "172.30.0.77", "the alias: %s" % done.stdout)


@tap.test("connect and disconnect refuse what is wrong, and leave nothing of it")
def wrong():
    engine = box["engine"]
    refused(lambda: engine.connect(box["web"], "shop"), -17, "web", "shop")
    refused(lambda: engine.connect(box["web"], "shopp"), -2, "did you mean 'shop'")
    refused(lambda: engine.connect(box["other"], ("bridge", [], "172.30.0.5")), -22, "172.30.0.5")
    refused(lambda: engine.connect(box["other"], ("bridge", [], box["web"].ip)), -98, "web")
    refused(lambda: engine.connect(box["other"], ("bridge", [], "", "", "01:00:00:00:00:01")), -22,
            "01:00:00:00:00:01")
    refused(lambda: engine.disconnect(box["other"], "bridge"), -2, "other", "bridge")
    stray = Container("stray")
    refused(lambda: engine.connect(stray, "shop"), -2, "attach it first")
    stray.ident = box["web"].ident
    refused(lambda: engine.connect(stray, "closed"), -116, "another network namespace")
    stray.close()
    tap.check("eth1" not in box["other"].ns.sh("ip -o link"), "no interface of a refused one")
    tap.check(sh("ip -o link").count("master hoy0") == 1, sh("ip -o link"))


@tap.test("disconnect of the first network: default route and ports go over to the next one")
def disconnect():
    engine = box["engine"]
    before = box["web"].ns.sh("ip -o link show eth1")
    rows = engine.disconnect(box["web"], "bridge")
    tap.check([r["ifname"] for r in rows] == ["eth1"] and rows[0]["gateway"] == "172.30.0.1",
              str(rows))
    inside = box["web"].ns.sh("ip -o link; ip route; ip -6 route")
    tap.check("eth0" not in inside and "default via 172.30.0.1 dev eth1" in inside and
              "default via fd12:3456:789a:30::1 dev eth1" in inside, inside)
    tap.check(before == box["web"].ns.sh("ip -o link show eth1"), "the other one is as it was")
    tap.check("172.30.0.77:80" in engine.show("why 10.9.0.2:8080"), engine.show("ports"))
    tap.check(published(), "the port leads there")


@tap.test("disconnect of the last network that lets ports in: they wait for the next connect")
def waiting():
    engine = box["engine"]
    engine.connect(box["web"], "closed")
    rows = engine.disconnect(box["web"], "shop")
    tap.check([(r["network"], r["ifname"], r["gateway"]) for r in rows] == [("closed", "eth0", "")],
              str(rows))
    tap.check("default" not in box["web"].ns.sh("ip route"), box["web"].ns.sh("ip route"))
    tap.check(not n.answering((machine.lan, "10.9.0.2", 8080)), "no way in")
    rows = engine.connect(box["web"], "bridge")
    tap.check(rows[1]["ifname"] == "eth1" and rows[1]["gateway"] == "172.17.0.1", str(rows))
    tap.check(published(), "open again")
    engine.disconnect(box["web"], "closed")


def mtus(one):
    """MTU of the container's first interface, of its host end and of the bridge."""
    inner = one.ns.sh("ip -o link show eth0")
    peer = inner.split("@if")[1].split(":")[0]
    outer = [line for line in sh("ip -o link").splitlines() if line.startswith(peer + ":")][0]
    bridge = sh("ip -o link show %s" % outer.split(" master ")[1].split()[0])
    return tuple(int(text.split(" mtu ")[1].split()[0]) for text in (inner, outer, bridge))


@tap.test("the MTU of containers follows the uplink live, both ends and the bridge, over kill -9 too")
def mtu():
    engine = box["engine"]
    one, own = Container("narrow"), Container("fixed")
    engine.attach(one, ["shop"])
    machine.configure(CONFIG + "[bridge wide]\nsubnet = 172.29.0.0/24\nmtu = 1450\n")
    machine.init.send(n.RELOAD)
    n.wait_for("the network", lambda: "wide" in engine.show("networks"))
    engine.attach(own, ["wide"])
    tap.check(mtus(one) == (1500,) * 3, mtus(one))
    tap.check(mtus(own) == (1450,) * 3, mtus(own))
    before = one.ns.sh("ip -o link show eth0").split(":")[0]
    sh("ip link set up0 mtu 1380")
    n.wait_for("the narrow uplink", lambda: mtus(one) == (1380,) * 3)
    tap.check(mtus(own) == (1450,) * 3, "its own stays: %s" % (mtus(own),))
    late = Container("late")
    engine.attach(late, ["shop"])
    tap.check(mtus(late) == (1380,) * 3, mtus(late))
    sh("ip link set up0 mtu 1500")
    n.wait_for("the wide uplink", lambda: mtus(one) == (1500,) * 3 == mtus(late))
    machine.kill()
    sh("ip link set up0 mtu 1400")
    machine.start()
    box["engine"] = engine = Engine()
    engine.attach(one, ["shop"])
    n.wait_for("what changed meanwhile", lambda: mtus(one)[:2] == (1400, 1400))
    engine.attach(late, ["shop"])
    n.wait_for("the other one", lambda: mtus(late) == (1400,) * 3)
    tap.check(one.ns.sh("ip -o link show eth0").split(":")[0] == before, "it is another interface now")
    sh("ip link set up0 mtu 1500")
    n.wait_for("the wide uplink", lambda: mtus(one) == (1500,) * 3)
    for gone in (one, own, late):
        engine.detach(gone)
        gone.close()


@tap.test("kill -9 after live changes: the next netd adopts the interfaces by their places")
def kill():
    before = box["web"].ns.sh("ip -o link | sed 's/state.*//'; ip -4 -o addr; ip route")
    flow = Flow("10.9.0.2", 8080)
    flow.start()
    n.wait_for("the flow", lambda: flow.answers > 10 or flow.broken)
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    rows = box["engine"].attach(box["web"], ports=[(TCP, "0.0.0.0", 8080, 80, 1)])
    tap.check(rows[0]["ifname"] == "eth1", "adopted in its place: %s" % rows)
    tap.check(before == box["web"].ns.sh("ip -o link | sed 's/state.*//'; ip -4 -o addr; ip route"),
              "nothing changed inside")
    count = flow.answers
    n.wait_for("the flow to go on", lambda: flow.answers > count + 10 or flow.broken)
    flow.quit = True
    flow.join()
    tap.check(flow.broken is None, str(flow.broken))
    machine.stop()
    machine.check_log()


tap.run()
