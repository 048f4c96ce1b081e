#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd against the worse side of a network: DHCPv4 answers not to be believed, flaps, kills in the
middle of a change. HOY_FLAPS, HOY_KILLS, HOY_LOSS: rounds; HOY_SEED repeats a run."""
import os
import random
import subprocess
import sys
import threading
import time

import netd_peer as n
from netd_peer import TCP, Container, DhcpServer, Echo, Engine, Machine, Refused, sh, talk, tap

n.enter()
FLAPS = int(os.environ.get("HOY_FLAPS", "20"))
KILLS = int(os.environ.get("HOY_KILLS", "4"))
LOSS = int(os.environ.get("HOY_LOSS", "0"))
SEED = int(os.environ.get("HOY_SEED", "41"))
CONFIG = "[network up]\nMatch.Name = up0\nDuplicateAddressDetection = no\n"
machine = Machine(CONFIG)
dice = random.Random(SEED)
box = {}

ROGUE = r"""
import random, socket, struct, sys
dice = random.Random(int(sys.argv[1]))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, 25, b"lan0\0")
s.bind(("", 67))
me = socket.inet_aton("10.9.0.66")
def answer(p, kind, xid=None, chaddr=None, op=2, magic=b"\x63\x82\x53\x63", server=True, ip="10.9.0.99",
           htype=1, hlen=6, options=b""):
    out = bytes([op, htype, hlen, 0]) + (xid or p[4:8]) + bytes(8) + socket.inet_aton(ip) + bytes(8)
    out += (chaddr or p[28:34]) + bytes(10) + bytes(192) + magic + bytes([53, 1, kind])
    out += (bytes([54, 4]) + me if server else b"") + struct.pack(">BBI", 51, 4, 3600)
    return out + b"\1\4\xff\xff\xff\0\3\4" + me + options + b"\xff"
def flip(data):
    data = bytearray(data)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)
def bad(p):
    for kind in (2, 5):
        for _ in range(30):
            yield answer(p, kind, xid=flip(p[4:8]))
            yield answer(p, kind, chaddr=flip(p[28:34]))
        for op in (0, 1, 3, 255):
            yield answer(p, kind, op=op)
        for i in range(4):
            yield answer(p, kind, magic=b"\x63\x82\x53\x63"[:i] + b"\0" + b"\x63\x82\x53\x63"[i + 1:])
        yield answer(p, kind, server=False)
        for ip in ("0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "239.1.2.3"):
            yield answer(p, kind, ip=ip)
        whole = answer(p, kind)
        for cut in range(20):
            yield whole[:dice.randrange(1, 240)]
        for code in (1, 3, 6, 15, 51, 54, 119, 121):
            yield answer(p, kind, options=bytes([code, 255]) + b"x" * 9)  # longer than the packet
    for kind in (0, 1, 3, 4, 7, 8, 9, 200):
        yield answer(p, kind)
    for _ in range(8):
        yield answer(p, 6, xid=flip(p[4:8]))  # a NAK to somebody else
    yield b""
print("up", flush=True)
while True:
    p, peer = s.recvfrom(2000)
    at = p.find(b"\x35\1", 240)
    if at < 0:
        continue
    count = 0
    for packet in bad(p):
        s.sendto(packet, ("255.255.255.255", 68))
        count += 1
    print(p[at + 2], count, flush=True)
"""


@tap.test("200 DHCPv4 answers that a client must not believe bring no address; an honest one does")
def rogue():
    with open("/run/rogue.log", "wb") as log:
        child = subprocess.Popen(["nsenter", "--net=" + machine.lan.path(), sys.executable, "-c",
                                  ROGUE, str(SEED)], stdout=log)

    def heard():
        with open("/run/rogue.log", encoding="ascii") as f:
            return [line.split() for line in f.read().splitlines()[1:]]
    n.wait_for("the rogue server", lambda: os.path.getsize("/run/rogue.log") > 0)
    machine.start()
    n.wait_for("two rounds of it", lambda: len(heard()) >= 2)
    child.kill()
    child.wait()
    tap.check(int(heard()[0][1]) >= 200, "%s answers" % heard()[0][1])
    tap.check(all(kind == "1" for kind, _ in heard()), "nothing was asked of it: %s" % heard())
    tap.check(machine.address() is None, "no address: %s" % machine.address())
    box["server"] = DhcpServer(machine.lan, "10.9.0.50")
    n.wait_for("an honest one", lambda: machine.address() == "10.9.0.50/24")


@tap.test("flaps of the cable: the lease stays, no address goes, netd is the same")
def flaps():
    tap.note("HOY_FLAPS=%d" % FLAPS)
    n.wait_for("bound", lambda: "bound" in Engine().show("leases"))
    pids = [machine.child.pid, n.helper_pid(b"dhcp"), n.helper_pid(b"dns")]
    with open("/run/monitor.log", "wb") as log:
        monitor = subprocess.Popen(["ip", "-4", "monitor", "address", "dev", "up0"], stdout=log)
    for _ in range(FLAPS):
        machine.lan.sh("ip link set cable down; ip link set cable up")
        time.sleep(dice.random() * 0.05)
    n.wait_for("carrier", lambda: "up0             veth     up" in Engine().show("links"))
    n.wait_for("bound", lambda: "bound" in Engine().show("leases"))
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        tap.check("Deleted" not in f.read(), "no address went")
    tap.check(pids == [machine.child.pid, n.helper_pid(b"dhcp"), n.helper_pid(b"dns")], "alive")
    tap.check("default via 10.9.0.1" in sh("ip route"), sh("ip route"))


def table():
    return n.nft("list", "table", "inet", "hoy")


@tap.test("kills at random points of a change: never an open table, no stale rule, no address dropped")
def kills():
    tap.note("HOY_KILLS=%d HOY_SEED=%d" % (KILLS, SEED))
    web, other = Container("web"), Container("other")
    engine = Engine()
    ports = [(TCP, "0.0.0.0", 8080, 80, 1)]
    engine.attach(web, ports=ports)
    Echo(web.ns, "tcp", 80, "web")
    Echo(web.ns, "tcp", 22, "secret")
    machine.lan.sh("ip route replace 172.17.0.0/16 via 10.9.0.50")
    with open("/run/monitor.log", "wb") as log:
        monitor = subprocess.Popen(["ip", "monitor", "address"], stdout=log)
    for k in range(KILLS):
        def change(number=k, peer=engine):
            try:
                peer.attach(other, ports=[(TCP, "0.0.0.0", 9100 + number % 50, 80, 3)])
                peer.detach(other)
                peer.network_set("n%d" % number)
            except (AssertionError, OSError, Refused):
                pass  # cut off: that is the point
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(dice.random() * 0.08)
        machine.kill()
        now = table()
        tap.check("policy drop" in now and "172.17.0.0/16" in now, now)
        tap.check(n.silent(machine.lan, web.ip, 22), "closed while netd is dead")
        tap.check((talk(machine.lan, "10.9.0.50", 8080) or "").startswith("web"), "and served on")
        thread.join()
        machine.start()
        engine = Engine()
        engine.attach(web, ports=ports)
        engine.sync([web])
        try:
            engine.network_remove("n%d" % k)
        except Refused:
            pass  # it was not made yet
        now = table()
        tap.check("91%02d" % (k % 50) not in now, "a stale rule: %s" % now)
        left = sh("ip -o link")
        tap.check(left.count("master hoy0") == 1 and "br-" not in left, left)
        tap.check(sh("ip route").count("prohibit") == 1, sh("ip route"))
    monitor.terminate()
    monitor.wait()
    with open("/run/monitor.log", encoding="ascii") as f:
        gone = [line for line in f.read().splitlines() if "Deleted" in line and "inet " in line and
                ("up0" in line or "hoy0" in line)]
    tap.check(not gone, "addresses went: %s" % gone)


@tap.test("three of ten packets lost each way: a lease all the same")
def loss():
    tap.note("HOY_LOSS=%d" % LOSS)
    if not LOSS:
        return
    rules = ("table inet loss { chain in { type filter hook input priority 0; udp dport 67 numgen "
             "random mod 10 < 3 drop; }; chain out { type filter hook output priority 0; udp sport 67 "
             "numgen random mod 10 < 3 drop; }; };")
    path, env = n.deb.program("nftables", "usr/sbin/nft")
    subprocess.run(["nsenter", "--net=" + machine.lan.path(), path, rules], env=env, check=True)
    waits = []
    for _ in range(LOSS):
        machine.stop()
        sh("rm -f /run/hoy/netd/lease.up0; ip addr flush dev up0")
        start = time.monotonic()
        machine.start()
        n.wait_for("a lease", lambda: machine.address() == "10.9.0.50/24", 600)
        waits.append(time.monotonic() - start)
    tap.check(box["server"].child.poll() is None, "the server lives")
    tap.note("s to a lease: " + " ".join("%.1f" % wait for wait in waits))


@tap.test("the log points at no memory error and no forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
