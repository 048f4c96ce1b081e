#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd's ntp role against Debian's chrony and against servers that lie. The clock of this machine is
never touched: netd is started without the capability and says what it would have done."""
import os
import re
import struct
import subprocess
import sys
import time

import netd_peer as n
from fixture import deb
from netd_peer import Engine, Machine, sh, tap

CHRONY = ("chrony", "usr/sbin/chronyd")
n.PROGRAMS += (CHRONY,)
n.enter()
machine = Machine()
box = {}


def config(*servers):
    return ("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\n" +
            "".join("NTP = %s\n" % s for s in servers))


LIAR = r"""
import socket, struct, sys, time
ip, shift, mode = sys.argv[1], float(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in ip else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind((ip, 123))
other = socket.socket(family, socket.SOCK_DGRAM)
print("up", flush=True)
def stamp(t):
    t += 2208988800
    return struct.pack(">II", int(t) & 0xffffffff, int(t % 1 * 2**32))
while True:
    q, peer = s.recvfrom(200)
    print(peer[1], q[40:48].hex(), q[24:40].hex(), flush=True)
    t = stamp(time.time() + shift)
    head = struct.pack(">BBBB", 36, 0 if len(mode) == 4 else 2, 6, 0xe9) + bytes(8)
    ref = mode.encode() if len(mode) == 4 else b"\x7f\0\0\1"
    good = head + ref + t + q[40:48] + t + t
    if mode == "forge":
        bad = stamp(time.time() + 5000)
        s.sendto(head + ref + bad + bytes(8) + bad + bad, peer)
        other.sendto(head + ref + bad + q[40:48] + bad + bad, peer)
        s.sendto(b"\x24\2", peer)
    try:
        s.sendto(good, peer)
    except OSError:  # its address was not up yet: another question comes
        pass
"""


class Liar:
    """A time server that is off by `shift` seconds, or says a word (DENY), or is disturbed."""

    running = {}

    def __init__(self, ip, shift=0, mode="plain"):
        if ip in self.running:  # of a test that failed
            self.running[ip].close()
        self.running[ip] = self
        machine.lan.sh("ip addr replace %s dev lan0" % (ip + "/64 nodad" if ":" in ip else ip + "/24"))
        self.log = "/run/liar-%s.log" % ip
        with open(self.log, "wb") as log:
            self.child = machine.lan.popen([sys.executable, "-c", LIAR, ip, str(shift), mode],
                                           stdout=log)
        n.wait_for("the server", lambda: os.path.getsize(self.log))

    def questions(self):
        with open(self.log, encoding="ascii") as f:
            return [line.split() for line in f.read().splitlines()[1:]]

    def close(self):
        self.child.kill()
        self.child.wait()


def shown():
    return box["engine"].show("time")


def shown_anew():
    """By a connection of its own: netd lets go of its clients when a network gets an address."""
    try:
        return Engine().show("time")
    except (ConnectionError, AssertionError):
        return ""


def ask(*servers):
    """A fresh netd that knows these servers."""
    if machine.child:
        machine.stop()
    machine.configure(config(*servers))
    box["mark"] = len(machine.log_text())
    machine.start()
    box["engine"] = Engine()


def said():
    return machine.log_text()[box["mark"]:]


def offset():
    m = re.search(r"offset (-?\d+) us", shown())
    return int(m.group(1)) / 1e6 if m else None


@tap.test("without a time server there is no ntp role and the state says so")
def none():
    ask()
    tap.check("no time server" in shown(), shown())
    tap.check(not n.helper_pid(b"ntp"), "no process for nothing")


@tap.test("chrony is asked and believed; without the capability the clock stays and that is said")
def chrony():
    program, env = deb.program(*CHRONY)
    with open("/run/chrony.conf", "w", encoding="ascii") as f:
        f.write("local stratum 3\nallow all\nport 123\ncmdport 0\npidfile /run/chronyd.pid\n"
                "bindaddress 10.9.0.1\n")
    real = machine.lan.popen([program, "-x", "-d", "-u", "root", "-f", "/run/chrony.conf"], env=env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    # A local reference is announced after its first update.
    ask("10.9.0.1")
    n.wait_for("an answer", lambda: "agreed" in shown(), 60)
    tap.check(abs(offset()) < 0.5, "the same machine's clock: %s" % shown())
    tap.check("set the clock: EPERM" in said() or "Operation not permitted" in said(), said())
    tap.check("the clock cannot be set" in shown(), shown())
    pid = n.helper_pid(b"ntp")
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        status = f.read()
    for word in ("Uid:\t933\t933", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        tap.check(word in status, "%s in %s" % (word, status))
    real.kill()
    real.wait()


@tap.test("two of three win over one that lies; each question has its own port and nonce, and no time")
def majority():
    servers = [Liar("10.9.0.11"), Liar("10.9.0.12", 3600), Liar("10.9.0.13", 0.004)]
    ask("10.9.0.11", "10.9.0.12", "10.9.0.13")
    n.wait_for("a round", lambda: "agreed" in shown(), 30)
    tap.check(abs(offset()) < 1 and "by 2 servers" in shown(), shown())
    for s in servers:
        s.close()
    rows = [r for s in servers for r in s.questions()]
    tap.check(len({r[0] for r in rows}) == len(rows) and len({r[1] for r in rows}) == len(rows),
              "ports and nonces: %s" % rows)
    tap.check(all(r[2] == "0" * 32 for r in rows), "originate and receive are empty")
    year = [struct.unpack(">I", bytes.fromhex(r[1])[:4])[0] - 2208988800 for r in rows]
    tap.check(not all(abs(y - time.time()) < 1e6 for y in year), "the nonce is no clock")


@tap.test("one against one: nobody is believed")
def draw():
    servers = [Liar("10.9.0.11"), Liar("10.9.0.12", 3600)]
    ask("10.9.0.11", "10.9.0.12")
    n.wait_for("a round", lambda: "the servers disagree" in shown(), 30)
    tap.check("not synchronised" in shown(), shown())
    for s in servers:
        s.close()


@tap.test("forged answers are not taken: wrong nonce, wrong source, too short")
def forged():
    server = Liar("10.9.0.11", 0, "forge")
    ask("10.9.0.11")
    n.wait_for("a round", lambda: "agreed" in shown(), 30)
    tap.check(abs(offset()) < 1, shown())
    server.close()


@tap.test("a kiss of death is obeyed")
def kiss():
    server = Liar("10.9.0.11", 0, "DENY")
    ask("10.9.0.11")
    n.wait_for("its question", server.questions)
    n.wait_for("the round's end", lambda: "no answer" in shown(), 30)
    time.sleep(6)
    tap.check(len(server.questions()) == 1, "asked once: %s" % server.questions())
    server.close()


@tap.test("a time server by its IPv6 address; and by a name, whose next address is asked where the first is silent")
def six():
    machine.stop()
    server = Liar("2001:db8:8::11")
    config6 = config("%s").replace("\nNTP", "\nAddress = 2001:db8:8::2/64\nDNS = 10.9.0.1\nNTP")
    machine.configure(config6 % "2001:db8:8::11")
    machine.start()
    n.wait_for("a round", lambda: "agreed" in shown_anew())
    box["engine"] = Engine()
    tap.check("server 2001:db8:8::11" in shown() and abs(offset()) < 1, shown())
    machine.stop()
    before = len(server.questions())
    # Nobody has 10.9.0.99.
    machine.serve("--host-record=time.example,10.9.0.99,2001:db8:8::11")
    machine.configure(config6 % "time.example")
    machine.start()
    n.wait_for("its question", lambda: len(server.questions()) > before)
    n.wait_for("a round", lambda: "agreed" in shown_anew())
    box["engine"] = Engine()
    machine.stop_serving()
    server.close()


@tap.test("servers come by DHCP (option 42), and network.ini beats them")
def by_dhcp():
    machine.stop()
    sh("ip -4 addr flush dev up0")
    machine.configure("[network up]\nMatch.Name = up0\n")
    machine.serve("--dhcp-range=10.9.0.50,10.9.0.60,2h", "--dhcp-option=42,10.9.0.11")
    server = Liar("10.9.0.11")
    machine.start()
    box["engine"] = Engine()
    n.wait_for("its server", lambda: "server 10.9.0.11" in shown(), 20)
    n.wait_for("a round", lambda: "agreed" in shown(), 30)
    machine.configure("[network up]\nMatch.Name = up0\nDHCPv4.UseNTP = no\n")
    machine.init.send(n.RELOAD)
    n.wait_for("none", lambda: "no time server" in shown())
    machine.configure("[network up]\nMatch.Name = up0\nNTP = 10.9.0.77\n")
    machine.init.send(n.RELOAD)
    n.wait_for("its own", lambda: "server 10.9.0.77" in shown() and "10.9.0.11" not in shown())
    server.close()


@tap.test("kill -9 of the ntp role: a new one asks again")
def killed():
    server = Liar("10.9.0.11")
    ask("10.9.0.11")
    n.wait_for("a round", lambda: "agreed" in shown(), 30)
    before, pid = len(server.questions()), n.helper_pid(b"ntp")
    os.kill(pid, 9)
    n.wait_for("the new role's question", lambda: len(server.questions()) > before, 30)
    server.close()


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
