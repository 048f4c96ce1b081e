#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""netd's resolver as containers see it: names, forwarding, refusal, forged replies, dead servers."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

import netd_peer as n
from fixture import deb
from netd_peer import Container, Engine, Machine, sh, tap

n.enter()


def config(*servers):
    return ("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\n" +
            "".join("DNS = %s\n" % s for s in servers) +
            "[bridge bridge]\nipv6 = no\n[bridge shop]\nsubnet = 172.30.0.0/24\n"
            "[bridge closed]\nsubnet = 172.31.0.0/24\ninternal = yes\n")


machine = Machine(config("10.9.0.1"))
box = {}
DIG, DIG_ENV = deb.program("bind9-dnsutils", "usr/bin/dig")


def dig(container, *words):
    """dig's whole answer, asked inside the container."""
    done = subprocess.run(["nsenter", "--net=" + container.ns.path(), DIG, "@127.0.0.11", "+tries=1",
                           "+time=60"] + list(words), env=DIG_ENV, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace")


def status(answer):
    m = re.search(r"status: (\w+)", answer)
    return m.group(1) if m else answer


def records(answer):
    return sorted(line.split()[-1] for line in answer.splitlines()
                  if line and not line.startswith(";"))


def upstream_queries():
    with open("/run/dnsmasq.log", encoding="utf-8", errors="replace") as f:
        return f.read().count("query[")


@tap.test("a container is found by name, alias, id and in any letter case")
def names():
    big = ",".join(["t" * 200] * 12)
    machine.serve("--port=53", "--address=/site.example/192.0.2.10", "--no-negcache",
                  "--txt-record=big.example," + big, "--host-record=www.example,192.0.2.11,300",
                  "--local-ttl=300", "--local=/nowhere.example/", "--auth-ttl=60")
    machine.start()
    box["engine"] = Engine()
    box["web"] = Container("web")
    box["db"] = Container("db", "0123456789abcdef" * 4)
    box["engine"].attach(box["web"])
    box["engine"].attach(box["db"], [("bridge", ["database", "sql"], "172.17.7.7")])
    for name in ("db", "DB", "Database", "sql", "0123456789ab", "db."):
        answer = dig(box["web"], name, "A")
        tap.check(status(answer) == "NOERROR" and records(answer) == ["172.17.7.7"], answer)
    tap.check("172.17.7.7" in dig(box["web"], "+tcp", "db"), "over TCP")
    ttl = int(re.search(r"db\.\s+(\d+)\s+IN\s+A", dig(box["web"], "db")).group(1))
    tap.check(ttl <= 5, "a short TTL")


@tap.test("the missing family is NODATA, the address has a name, an unknown one is NXDOMAIN")
def kinds():
    answer = dig(box["web"], "db", "AAAA")
    tap.check(status(answer) == "NOERROR" and "ANSWER: 0" in answer, answer)
    tap.check(records(dig(box["web"], "-x", "172.17.7.7")) == ["db."], "PTR")
    answer = dig(box["web"], "missing.nowhere.example")
    tap.check(status(answer) == "NXDOMAIN", answer)


@tap.test("SRV: a published port by number or name, each container of an alias, and NODATA, NXDOMAIN")
def services():
    for i in (1, 2):
        one = box["front%d" % i] = Container("shop-front-%d" % i)
        box["engine"].attach(one, [("bridge", ["front"], "172.17.8.%d" % i)],
                             [(n.TCP, "0.0.0.0", 8000 + i, 80, 1), (n.UDP, "0.0.0.0", 5300 + i, 53, 1)])
    answer = dig(box["web"], "_80._tcp.front", "SRV")
    tap.check(status(answer) == "NOERROR" and re.search(r"flags:[^;]* aa", answer), answer)
    for i in (1, 2):
        tap.check(re.search(r"_80\._tcp\.front\.\s+\d\s+IN\s+SRV\s+0 0 80 shop-front-%d\." % i, answer), answer)
        tap.check(re.search(r"shop-front-%d\.\s+\d\s+IN\s+A\s+172\.17\.8\.%d" % (i, i), answer), answer)
    answer = dig(box["web"], "+short", "_domain._udp.shop-front-2", "SRV")
    tap.check(answer == "0 0 53 shop-front-2.\n", answer)
    for name, kind, want in (("_80._tcp.front", "A", "NOERROR"), ("_tcp.front", "SRV", "NOERROR"),
                             ("front", "SRV", "NOERROR"), ("_81._tcp.front", "SRV", "NXDOMAIN"),
                             ("_80._udp.front", "SRV", "NXDOMAIN")):
        before = upstream_queries()
        answer = dig(box["web"], name, kind)
        tap.check(status(answer) == want and "ANSWER: 0" in answer, answer)
        tap.check(upstream_queries() == before, "%s %s was forwarded" % (name, kind))
    for i in (1, 2):
        box["engine"].detach(box.pop("front%d" % i))


@tap.test("names of another network are not told")
def scope():
    box["shop"] = Container("till")
    box["engine"].attach(box["shop"], ["shop"])
    before = upstream_queries()
    answer = dig(box["shop"], "db")
    tap.check("172.17.7.7" not in answer, answer)
    tap.check(upstream_queries() > before, "it is a name like any other there")
    tap.check("172." not in "".join(records(dig(box["web"], "till"))), "nor the other way")
    box["engine"].attach(box["shop"], ["shop", "bridge"])
    tap.check(records(dig(box["shop"], "db")) == ["172.17.7.7"], "until they share one")


@tap.test("the rest is forwarded, once for many, and kept as long as it may")
def forward():
    tap.check(records(dig(box["web"], "a.site.example")) == ["192.0.2.10"], "forwarded")
    before = upstream_queries()
    tap.check(records(dig(box["web"], "www.example")) == ["192.0.2.11"], "first")
    asked = upstream_queries()  # more than one when the server was slow
    tap.check(asked > before, "asked")
    answer = dig(box["web"], "+noedns", "WWW.example")
    tap.check(records(answer) == ["192.0.2.11"] and upstream_queries() == asked, "kept")
    tap.check("WWW.example." in answer, "the client's spelling comes back")


@tap.test("a long answer: TC over UDP without EDNS, whole over TCP")
def truncated():
    answer = dig(box["web"], "+noedns", "+ignore", "big.example", "TXT")
    tap.check(re.search(r"flags:[^;]* tc", answer), answer)
    answer = dig(box["web"], "+tcp", "big.example", "TXT")
    tap.check(answer.count("t" * 200) == 12, answer)
    tap.check(dig(box["web"], "big.example", "TXT").count("t" * 200) == 12, "by dig's own retry")


@tap.test("a container on internal networks only gets names and nothing else: no packet leaves")
def internal():
    box["inner"], box["twin"] = Container("inner"), Container("twin")
    box["engine"].attach(box["inner"], ["closed"])
    box["engine"].attach(box["twin"], ["closed"])
    before = upstream_queries()
    answer = dig(box["inner"], "secret.site.example")
    tap.check(status(answer) == "NXDOMAIN", answer)
    tap.check(upstream_queries() == before, "the server heard nothing")
    tap.check(records(dig(box["inner"], "twin")) == [box["twin"].ip], "its neighbour")


@tap.test("malformed questions get FORMERR or silence; the resolver lives")
def malformed():
    with box["web"].ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(60)
    s.connect(("127.0.0.11", 53))
    for bad in (b"", b"\1", b"\0" * 11, b"\xff" * 600, os.urandom(300),
                b"\x12\x34\x81\x80" + bytes(8),                      # an answer
                b"\x12\x34\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"):    # points at itself
        s.send(bad)
    s.send(b"\x43\x21\1\0\0\2\0\0\0\0\0\0" + b"\1a\0\0\1\0\1" * 2)
    while True:
        data = s.recv(512)
        if data[:2] == b"\x43\x21":
            break
    tap.check(data[3] & 15 == 1, "FORMERR for two questions")
    with box["web"].ns.inside():
        t = [socket.create_connection(("127.0.0.11", 53), 60) for _ in range(40)]
    t[0].send(b"\0\1x")
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "UDP is served on")
    for c in t:
        c.close()
    tap.check(records(dig(box["web"], "+tcp", "db")) == ["172.17.7.7"], "TCP again")


@tap.test("the role runs as nobody special: own user, no capability, own root, a filter")
def confined():
    for role, uid in ((b"dns", 932), (b"dhcp", 931)):
        pid = n.wait_for("the role", lambda r=role: n.helper_pid(r))
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            text = f.read()
        for word in ("Uid:\t%d\t%d" % (uid, uid), "CapEff:\t0000000000000000",
                     "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
            tap.check(word in text, "%s of %s in %s" % (word, role, text))
        tap.check(os.readlink("/proc/%d/root" % pid) == "/run/hoy/net", "its root")
    with open("/proc/%d/status" % machine.child.pid, encoding="ascii") as f:
        text = f.read()
    tap.check("CapEff:\t00000000000435c0" in text and "Seccomp:\t2" in text, text)


@tap.test("kill -9 of the dns role: containers' sockets live on and are served again")
def role_killed():
    pid = n.helper_pid(b"dns")
    tap.check(pid, "no dns role runs")
    os.kill(pid, signal.SIGKILL)
    n.wait_for("a new role", lambda: n.helper_pid(b"dns") not in (0, pid))
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "names")
    tap.check(records(dig(box["web"], "a.site.example")) == ["192.0.2.10"], "forwarding")


@tap.test("an engine that attaches again with new sockets disturbs nobody")
def again():
    box["engine"] = Engine()
    box["engine"].attach(box["web"])
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "UDP")
    tap.check(records(dig(box["web"], "+tcp", "db")) == ["172.17.7.7"], "TCP")
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    for name in ("web", "db"):
        box["engine"].attach(box[name], [("bridge", [], "172.17.7.7")] if name == "db" else
                             ["bridge"])
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "after kill -9 of main")


@tap.test("kill -9 of netd: questions wait and are answered before any engine is back")
def kept():
    machine.kill()
    with box["web"].ns.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect(("127.0.0.11", 53))
    s.send(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\2db\0\0\1\0\1")
    machine.start()
    data = s.recv(512)
    tap.check(data[:2] == b"\x12\x34" and data.endswith(socket.inet_aton("172.17.7.7")), data)
    tap.check(records(dig(box["web"], "+tcp", "db")) == ["172.17.7.7"], "TCP as well")
    box["engine"] = Engine()
    gone = Container("gone")
    box["engine"].attach(gone)
    box["engine"].detach(gone)
    for _ in range(2):  # what the first netd left, and what the second one put back
        machine.kill()
        machine.start()
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "after two more")
    with gone.ns.inside():
        tap.check("unconn" not in sh("ss -Hlun").lower(), "nothing is served in a detached one")
    gone.close()
    box["engine"] = Engine()


@tap.test("a container that listens on port 53 itself still has its resolver")
def own_server():
    box["ns"] = Container("nameserver", redirect=True)
    box["engine"].attach(box["ns"], ports=[(n.UDP, "0.0.0.0", 53, 53, 1)])
    tap.check(records(dig(box["ns"], "db")) == ["172.17.7.7"], "UDP")
    tap.check(records(dig(box["ns"], "+tcp", "db")) == ["172.17.7.7"], "TCP")
    n.Echo(box["ns"].ns, "udp", 53, "own")
    n.Echo(box["ns"].ns, "tcp", 53, "own")
    tap.check(records(dig(box["ns"], "db")) == ["172.17.7.7"], "UDP beside its own")
    tap.check(records(dig(box["ns"], "+tcp", "a.site.example")) == ["192.0.2.10"], "TCP beside it")
    tap.check(n.talk(machine.lan, "10.9.0.2", 53, "udp") == "own 10.9.0.1 hello", "published")
    tap.check((n.talk(box["web"].ns, box["ns"].ip, 53) or "").startswith("own"), "on its address")
    box["engine"].attach(box["ns"], ports=[(n.UDP, "0.0.0.0", 53, 53, 1)])
    tap.check(records(dig(box["ns"], "db")) == ["172.17.7.7"], "after a second ATTACH")
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    box["engine"].attach(box["ns"], ports=[(n.UDP, "0.0.0.0", 53, 53, 1)])
    box["engine"].attach(box["db"], [("bridge", [], "172.17.7.7")])
    box["engine"].attach(box["web"])
    tap.check(records(dig(box["ns"], "db")) == ["172.17.7.7"], "after kill -9")


FORGER = r"""
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.0.1", 53))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("up", flush=True)
ports, ids = set(), set()
def reply(q, ip):
    end = q.index(b"\0", 12) + 5
    return (q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:end] + b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4" +
            socket.inet_aton(ip))
while True:
    q, peer = s.recvfrom(2000)
    end = q.index(b"\0", 12)
    print(peer[1], q[:2].hex(), q[12:end].hex(), flush=True)
    bad = "198.51.100.66"
    s.sendto(struct.pack(">H", (struct.unpack(">H", q[:2])[0] + 1) & 65535) + reply(q, bad)[2:], peer)
    other.sendto(reply(q, bad), peer)
    swapped = bytes(b ^ 0x20 if 65 <= b & 0xdf <= 90 and i >= 12 and i < end else b
                    for i, b in enumerate(q))
    s.sendto(reply(swapped, bad), peer)
    s.sendto(reply(q[:end + 1] + b"\0\x1c\0\1" + q[end + 5:], bad), peer)
    s.sendto(reply(q[:12] + b"\3bad\3org" + q[end:], bad), peer)
    s.sendto(reply(q, bad)[:-2], peer)
    s.sendto(reply(q, "192.0.2.20"), peer)
"""


@tap.test("forged replies are not taken: wrong id, source, letter case, type, name, length")
def forged():
    machine.stop_serving()
    with open("/run/forger.log", "wb") as log:
        forger = machine.lan.popen([sys.executable, "-c", FORGER], stdout=log)
    n.wait_for("the forger", lambda: os.path.getsize("/run/forger.log"))
    for i in range(40):
        answer = dig(box["web"], "name-of-some-length%d.forged.example" % i)
        tap.check(records(answer) == ["192.0.2.20"], answer)
    forger.kill()
    forger.wait()
    with open("/run/forger.log", encoding="ascii") as f:
        rows = [line.split() for line in f.read().splitlines()[1:]]
    tap.check(len({r[0] for r in rows}) > 35, "random ports: %s" % rows[:3])
    tap.check(len({r[1] for r in rows}) > 35, "random ids")
    cases = "".join(bytes.fromhex(r[2]).decode("latin-1") for r in rows)
    upper = sum(c.isupper() for c in cases) / sum(c.isalpha() for c in cases)
    tap.check(0.35 < upper < 0.65, "mixed case: %.2f" % upper)


@tap.test("a dead first server costs one question, then it is asked last")
def dead_first():
    machine.serve("--port=53", "--address=/site.example/192.0.2.10")
    machine.lan.sh("ip addr add 10.9.0.3/24 dev lan0")
    hole = n.Echo(machine.lan, "udp", 53, "hole", "10.9.0.3")
    hole.child.send_signal(signal.SIGSTOP)  # takes questions and never answers
    machine.configure(config("10.9.0.3", "10.9.0.1"))
    machine.init.send(n.RELOAD)
    n.wait_for("the new servers", lambda: "10.9.0.3" in box["engine"].show("dns"))
    times = []
    for i in range(6):
        start = time.monotonic()
        tap.check(records(dig(box["web"], "n%d.site.example" % i)) == ["192.0.2.10"], "answered")
        times.append(time.monotonic() - start)
    tap.note("ms: " + " ".join("%.0f" % (t * 1000) for t in times))
    tap.check(min(times[1:]) < times[0] / 2, "the later ones do not wait for it: %s" % times)
    hole.child.kill()


THINKER = r"""
import socket, struct, threading, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.0.1", 53))
print("up", flush=True)
def soa(minimum):
    return (b"\xc0\x0c\0\6\0\1" + struct.pack(">IH", 300, 22) + b"\0\0" +
            struct.pack(">5I", 1, 2, 3, 4, minimum))
def answer(q, peer):
    end = q.index(b"\0", 12) + 5
    name = q[13:13 + q[12]].lower().decode()
    kind = struct.unpack(">H", q[end - 4:end - 2])[0]
    print(name, kind, flush=True)
    if name.startswith("slow"):
        time.sleep(0.5)
    if name.startswith("no") or kind != 1:
        code = 3 if name.startswith("no") else 0
        minimum = 1 if name.startswith("no-brief") else 60
        out = q[:2] + bytes([0x81, 0x80 | code]) + b"\0\1\0\0\0\1\0\0" + q[12:end] + soa(minimum)
    else:
        out = (q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:end] + b"\xc0\x0c\0\1\0\1" +
               struct.pack(">IH", 60, 4) + socket.inet_aton("192.0.2.30"))
    s.sendto(out, peer)
while True:
    q, peer = s.recvfrom(2000)
    threading.Thread(target=answer, args=(q, peer), daemon=True).start()
"""


def thinker_heard(name):
    with open("/run/thinker.log", encoding="ascii") as f:
        return [line.split()[1] for line in f.read().splitlines() if line.split()[0] == name]


@tap.test("what does not exist is kept as well, as long as its SOA says; the missing family too")
def negative():
    machine.stop_serving()
    with open("/run/thinker.log", "wb") as log:
        box["thinker"] = machine.lan.popen([sys.executable, "-c", THINKER], stdout=log)
    n.wait_for("the server", lambda: os.path.getsize("/run/thinker.log"))
    machine.configure(config("10.9.0.1"))
    machine.init.send(n.RELOAD)
    n.wait_for("the new servers", lambda: "10.9.0.3" not in box["engine"].show("dns"))
    for _ in range(3):
        tap.check(status(dig(box["web"], "no-such.example")) == "NXDOMAIN", "NXDOMAIN")
        answer = dig(box["web"], "half.example", "AAAA")
        tap.check(status(answer) == "NOERROR" and "ANSWER: 0" in answer, answer)
    tap.check(records(dig(box["web"], "half.example")) == ["192.0.2.30"], "the other family")
    tap.check(thinker_heard("no-such") == ["1"], "asked once: %s" % thinker_heard("no-such"))
    tap.check(thinker_heard("half") == ["28", "1"], "once for each: %s" % thinker_heard("half"))
    dig(box["web"], "no-brief.example")
    time.sleep(1.1)
    dig(box["web"], "no-brief.example")
    tap.check(len(thinker_heard("no-brief")) == 2, "no longer than that")


@tap.test("twelve who ask the same at once are one question to the server")
def merged():
    argv = ["nsenter", "--net=" + box["web"].ns.path(), DIG, "@127.0.0.11", "+tries=1", "+time=30",
            "slow.example"]
    asking = [subprocess.Popen(argv, env=DIG_ENV, stdout=subprocess.PIPE) for _ in range(12)]
    answers = [child.communicate()[0].decode() for child in asking]
    tap.check(all(records(a) == ["192.0.2.30"] for a in answers), answers[0])
    tap.check(len(thinker_heard("slow")) <= 2, "heard: %s" % thinker_heard("slow"))
    box["thinker"].kill()
    box["thinker"].wait()


@tap.test("no server answers: SERVFAIL before the client gives up")
def all_dead():
    machine.stop_serving()
    start = time.monotonic()
    answer = dig(box["web"], "lost.site.example")
    tap.check(status(answer) == "SERVFAIL", answer)
    tap.note("%.1f s" % (time.monotonic() - start))
    tap.check(records(dig(box["web"], "db")) == ["172.17.7.7"], "names go on")


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    machine.stop()
    machine.check_log()


tap.run()
