#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ping, traceroute and dig of the image's `hoy` over netd's probe role, to real neighbours."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import tty

import netd_peer as n
from netd_peer import Machine, sh, tap

n.enter()
HOY = "/run/hoy-cli"
shutil.copy(os.path.join(n.BUILD, os.uname().machine, "bin", "hoy"), HOY)
machine = Machine("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\nDNS = 10.9.0.1\n")
far = n.Netns("far")
CODE = {"code": 0}


def hoy(*words):
    done = subprocess.run([HOY] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=n.LIMIT_S, check=False)
    CODE["code"] = done.returncode
    return done.stdout.decode("utf-8", "replace")


def ping(*words):
    """On a slow machine an answer may come behind its interval: what is said meanwhile is left out."""
    return re.sub(r"(?m)^no answer yet.*\n", "", hoy("ping", "-W", "10", *words))


def is_code(code, text):
    tap.check(CODE["code"] == code, "exit code %d, not %d: %s" % (CODE["code"], code, text))


def probes():
    """Status files of the processes that probe."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[:2] != [b"hoy-netd", b"probe"]:
                    continue
            with open("/proc/%s/status" % pid, encoding="ascii") as f:
                found.append(f.read())
        except OSError:
            pass
    return found


@tap.test("netd runs beside a neighbour that routes on and serves names")
def start():
    machine.lan.sh("ip link add to-far type veth peer name from-lan netns %s; ip addr add 10.77.0.1/24 dev to-far;"
                   "ip link set to-far up; echo 1 > /proc/sys/net/ipv4/ip_forward" % far.path())
    far.sh("ip link set lo up; ip addr add 10.77.0.2/24 dev from-lan; ip link set from-lan up;"
           "ip route add default via 10.77.0.1")
    for ns in (machine.lan, far):
        ns.sh("echo 0 > /proc/sys/net/ipv4/icmp_ratemask")
    machine.start()
    os.chown("/run/hoy/netd.sock", 0, 900)
    os.chmod("/run/hoy/netd.sock", 0o660)
    machine.serve("--port=53", "--host-record=near.example,10.9.0.1,300", "--host-record=far.example,10.77.0.2,300",
                  "--txt-record=big.example," + ",".join(["t" * 200] * 12), "--mx-host=near.example,mx.near.example,7",
                  "--local=/example/", "--txt-record=odd.example,a\x1b[2Jb")
    n.wait_for("the address", lambda: machine.address() == "10.9.0.2/24")
    n.wait_for("the way", lambda: "default" in sh("ip route"))
    n.wait_for("the name server", lambda: "10.9.0.1" in hoy("dig", "+short", "near.example"))


@tap.test("ping prints a line for each answer and the summary, by address and by name, as JSON too")
def answers():
    text = ping("-c", "2", "-i", "0.2", "10.9.0.1")
    is_code(0, text)
    tap.check_match(r"^PING 10\.9\.0\.1 \(10\.9\.0\.1\): 56 data bytes\n"
                    r"64 bytes from 10\.9\.0\.1: icmp_seq=1 ttl=64 time=\d+\.\d{3} ms\n"
                    r"64 bytes from 10\.9\.0\.1: icmp_seq=2 ttl=64 time=\d+\.\d{3} ms\n\n"
                    r"--- 10\.9\.0\.1 ping statistics ---\n"
                    r"2 packets transmitted, 2 received, 0\.0% packet loss\n"
                    r"round-trip min/avg/max = \d+\.\d{3}/\d+\.\d{3}/\d+\.\d{3} ms\n$", text, "ping")
    text = ping("-4", "-c", "1", "-s", "1000", "far.example")
    is_code(0, text)
    tap.check_match(r"(?m)^PING far\.example \(10\.77\.0\.2\).*\n1008 bytes from 10\.77\.0\.2: .* ttl=63 ", text, "by name")
    rows = [json.loads(line) for line in ping("-c", "1", "10.9.0.1", "--json").splitlines()]
    tap.check([row["event"] for row in rows] == ["start", "reply", "end"], rows)
    tap.check(rows[1]["seq"] == 1 and rows[1]["ttl"] == 64 and rows[2]["received"] == 1 and
              rows[2]["min_us"] == rows[1]["time_us"], rows)


@tap.test("ping over IPv6")
def answers6():
    if not os.path.exists("/proc/net/if_inet6"):
        raise tap.Skip("this kernel has no IPv6")
    text = ping("-c", "1", "::1")
    is_code(0, text)
    tap.check_match(r"(?m)^64 bytes from ::1: icmp_seq=1 ttl=64 ", text, "ping")


@tap.test("who does not answer is lost, with an exit code of its own; what makes no sense is refused")
def lost():
    text = hoy("ping", "-c", "1", "-W", "0.3", "10.9.0.99")
    is_code(1, text)
    tap.check_match(r"(?m)^1 packets transmitted, 0 received, .*100\.0% packet loss\n.*does not answer$", text, "nobody")
    # A router says so once in a second only, whatever its other limits are: asked until it does.
    n.wait_for("no way on", lambda: re.search(r"(?m)^From 10\.9\.0\.1 icmp_seq=1 Destination Net Unreachable$",
                                              hoy("ping", "-c", "1", "-W", "10", "203.0.113.9")))
    is_code(1, "ping")
    text = hoy("ping", "-c", "1", "nobody.example")
    is_code(3, text)
    for words in (("ping",), ("ping", "-c", "0", "x"), ("ping", "-i", "0.01", "x"), ("traceroute", "-m", "99", "x"),
                  ("dig", "-x", "nonsense"), ("ping", "a", "b")):
        text = hoy(*words)
        is_code(2, text)


@tap.test("traceroute names each router on the way, and ends where it arrives")
def trace():
    text = hoy("traceroute", "-w", "10", "-q", "2", "far.example")
    is_code(0, text)
    tap.check_match(r"^traceroute to far\.example \(10\.77\.0\.2\), 30 hops at most\n"
                    r" 1  10\.9\.0\.1  \d+\.\d{3} ms  \d+\.\d{3} ms\n 2  10\.77\.0\.2  \d+\.\d{3} ms  \d+\.\d{3} ms\n$", text, "trace")
    n.wait_for("no way on", lambda: re.search(r"(?m)^ 1  10\.9\.0\.1  \d+\.\d{3} ms !N\n",
                                              hoy("traceroute", "-m", "1", "-w", "10", "-q", "1", "203.0.113.9")))
    is_code(1, "traceroute")
    rows = [json.loads(line) for line in hoy("traceroute", "-w", "10", "-q", "1", "10.77.0.2", "--json").splitlines()]
    tap.check([row.get("address") for row in rows] == ["10.77.0.2", "10.9.0.1", "10.77.0.2"], rows)


@tap.test("dig prints an answer by its sections: type, server, reverse, over TCP where it was cut")
def dig():
    text = hoy("dig", "near.example", "MX")
    is_code(0, text)
    tap.check_match(r"^NOERROR, flags qr [a-z ]*, from 10\.9\.0\.1 over udp in \d+\.\d{3} ms, \d+ bytes\n"
                    r"question +near\.example MX\nanswer +near\.example \d+ MX 7 mx\.near\.example\.\n", text, "a type")
    tap.check(hoy("dig", "+short", "@10.9.0.1", "near.example") == "10.9.0.1\n", "the data alone, of a named server")
    tap.check_match(r"(?m)^answer +2\.0\.77\.10\.in-addr\.arpa \d+ PTR far\.example\.$", hoy("dig", "-x", "10.77.0.2"), "reverse")
    text = hoy("dig", "big.example", "TXT")
    tap.check_match(r"over tcp in .*\n(.*\n)*answer +big\.example \d+ TXT \"t{200}\"( \"t{200}\"){11}\n", text, "cut over UDP")
    text = hoy("dig", "odd.example", "TXT")
    tap.check("\x1b" not in text and r'"a\x1b[2Jb"' in text, "foreign bytes: %r" % text)
    text = hoy("dig", "nobody.example")
    is_code(3, text)
    tap.check_match(r"^NXDOMAIN, (.*\n)*nobody\.example: NXDOMAIN\n$", text, "no such name")
    rows = [json.loads(line) for line in hoy("dig", "near.example", "--json").splitlines()]
    tap.check(rows[0]["rcode"] == "NOERROR" and rows[-1]["data"] == "10.9.0.1" and rows[-1]["ttl"] == 300, rows)


def left():
    """Children of netd but for the roles that stay: probes, whatever state their ends are in."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                role = f.read().split(b"\0")[1:2]
            if parent == machine.child.pid and role not in ([b"dhcp"], [b"dns"], [b"ntp"]):
                found.append(pid)
        except OSError:
            pass
    return found


@tap.test("network neigh lists neighbours with their addresses and states, as rows too")
def neighbours():
    ping("-c", "1", "10.9.0.1")
    mac = re.search(r"link/ether (\S+)", machine.lan.sh("ip link show lan0")).group(1)
    tap.check_match(r"(?m)^up0 +10\.9\.0\.1 +%s +(reachable|stale|delay|probe)\b" % mac, hoy("network", "neigh"), "neigh")
    rows = [json.loads(line) for line in hoy("network", "neigh", "--json").splitlines()]
    tap.check([r for r in rows if r["address"] == "10.9.0.1"][0]["mac"] == mac, rows)
    rows = [json.loads(line) for line in
            hoy("network", "trace", "10.9.0.1", "->", "10.9.0.2:80", "--json").splitlines()]
    tap.check(rows[0]["step"] == 1 and rows[0]["chain"] == "from" and "10.9.0.1" in rows[0]["what"], rows)
    tap.check("socket of the machine" in rows[-1]["verdict"], rows)
    rows = [json.loads(line) for line in hoy("network", "why", "10.9.0.2:80", "--json").splitlines()]
    tap.check("no container publishes 10.9.0.2:80/tcp" in rows[0]["line"], rows)
    tap.check_match(r"(?m)^ 1 from +10\.9\.0\.1: outside", hoy("network", "trace", "10.9.0.1", "->", "10.9.0.2:80"), "trace")


def gateway():
    found = re.search(r"(?m)^default +10\.9\.0\.1 +up0 +(\S+)$", hoy("network", "gateways"))
    return found.group(1) if found else "no route"


@tap.test("network gateways asks each default route's gateway anew: one that falls silent is seen within seconds")
def gateways():
    n.wait_for("its answer", lambda: gateway() == "reachable")
    machine.lan.sh("ip link set lan0 arp off")
    sh("ip neigh change 10.9.0.1 dev up0 nud stale")
    n.wait_for("its silence", lambda: gateway() in ("failed", "incomplete"))
    for _ in range(5):
        tap.check(gateway() in ("failed", "incomplete"), "silent as before")
        time.sleep(0.2)
    machine.lan.sh("ip link set lan0 arp on")
    n.wait_for("its answer", lambda: gateway() == "reachable")
    sh("ip neigh flush dev up0")
    n.wait_for("an unknown one is asked too", lambda: gateway() == "reachable")


class Terminal:
    """hoy on a pseudo terminal of its own."""

    def __init__(self, *words):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.child = subprocess.Popen([HOY] + list(words), stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.fd = ours
        self.text = ""

    def expect(self, pattern):
        end = time.monotonic() + n.LIMIT_S
        while not re.search(pattern, self.text):
            tap.check(time.monotonic() < end, "%r did not come: %r" % (pattern, self.text))
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode()
                except OSError:
                    tap.check(re.search(pattern, self.text), "it ended without %r: %r" % (pattern, self.text))

    def end(self):
        code = self.child.wait(n.LIMIT_S)
        os.close(self.fd)
        return code


@tap.test("Ctrl-C ends a ping with its summary; its process has no capability and is gone behind it")
def interrupt():
    n.wait_for("the end of those before", lambda: not left())
    there = Terminal("ping", "-c", "1000", "10.9.0.1")
    there.expect(r"icmp_seq=1 ")
    status = probes()
    tap.check(len(status) == 1, "%d processes" % len(status))
    for word in ("Uid:\t935\t935", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        tap.check(word in status[0], "%s in %s" % (word, status[0]))
    os.write(there.fd, b"\x03")
    there.expect(r"packets transmitted, [1-9]\d* received")
    tap.check(there.end() == 0, "exit code")
    n.wait_for("its end", lambda: not left())


@tap.test("at most four at once; whoever goes away takes the process along, and netd goes on")
def many():
    n.wait_for("netd has seen them end", lambda: not left())
    all_four = [Terminal("ping", "-c", "1000", "10.9.0.1") for _ in range(4)]
    for each in all_four:
        each.expect(r"icmp_seq=1 ")
    text = hoy("ping", "-c", "1", "10.9.0.1")
    is_code(6, text)
    for each in all_four:
        each.child.send_signal(signal.SIGKILL)
        each.child.wait()
        os.close(each.fd)
    n.wait_for("their ends", lambda: not left())
    tap.check("1 received" in hoy("ping", "-c", "1", "10.9.0.1"), "a place is free again")


@tap.test("no sanitizer report in the log")
def clean():
    machine.stop_serving()
    machine.stop()
    machine.check_log()


try:
    tap.run()
finally:
    far.close()
