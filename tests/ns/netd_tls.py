#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""DNS over TLS against Debian's unbound: who is asked, who is refused, and that nothing goes in plain text."""
import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import time

import netd_peer as n
from fixture import deb
from fixture import registry as certificates
from netd_peer import Container, Engine, Machine, tap

n.PROGRAMS += (("unbound", "usr/sbin/unbound"),)
n.enter()

DIR = "/run/tls"
UPLINK = "[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nGateway = 10.9.0.1\nDNS = 10.9.0.1\n"
BIG = "\n".join('local-data: "%s.example. 300 TXT %s"' % (name, "b%02d" % i + "t" * 200)
                for name in ("big", "large") for i in range(12))
UNBOUND = """server:
  interface: 10.9.0.1@%(port)d
  tls-service-key: "%(dir)s/%(cert)s.key"
  tls-service-pem: "%(dir)s/%(cert)s.pem"
  tls-port: 853
  tcp-idle-timeout: %(idle)d
  do-daemonize: no
  use-syslog: no
  logfile: "%(dir)s/unbound.log"
  log-queries: yes
  chroot: ""
  username: ""
  pidfile: ""
  directory: "%(dir)s"
  module-config: "iterator"
  num-threads: 1
  access-control: 10.0.0.0/8 allow
  local-zone: "site.example." redirect
  local-data: "site.example. 300 A 192.0.2.10"
  local-zone: "example." static
%(big)s
remote-control:
  control-enable: no
"""
SPY = r"""
import select, socket
udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for s in (udp, tcp):
    s.bind(("10.9.0.1", 53))
tcp.listen(16)
print("up", flush=True)
while True:
    for s in select.select([udp, tcp], [], [])[0]:
        if s is udp:
            s.recv(2000)
        else:
            s.accept()
        print("plain", flush=True)
"""
# By TLS: hangs up on who comes first, and answers what is called slow when it is asked a second time.
SLOW = r"""
import socket, ssl, struct, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
context.sni_callback = lambda tls, name, context: print("sni", name, flush=True)
waiting = set()

def whole(tls, size):
    data = b""
    while len(data) < size:
        more = tls.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data

def talk(plain):
    try:
        tls = context.wrap_socket(plain, server_side=True)
        while True:
            query = whole(tls, struct.unpack("!H", whole(tls, 2))[0])
            end = query.index(0, 12) + 5
            name = query[12:end].lower()
            if name[1:5] == b"slow" and name not in waiting:
                waiting.add(name)
                continue
            answer = query[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + query[12:end] + struct.pack(
                "!HHHIH4B", 0xc00c, 1, 1, 300, 4, 192, 0, 2, 10)
            tls.sendall(struct.pack("!H", len(answer)) + answer)
    except (OSError, EOFError):
        plain.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.9.0.1", 853))
s.listen(16)
s.accept()[0].close()
print("hung up", flush=True)
while True:
    threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
"""
machine = Machine(UPLINK)
box = {}
DIG, DIG_ENV = deb.program("bind9-dnsutils", "usr/bin/dig")


def dig(*words, ns=None, server="127.0.0.11"):
    inside = ["nsenter", "--net=" + (ns or box["web"].ns).path()] if server == "127.0.0.11" else []
    done = subprocess.run(inside + [DIG, "@" + server, "+tries=1", "+time=60"] + list(words),
                          env=DIG_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace")


def status(answer):
    m = re.search(r"status: (\w+)", answer)
    return m.group(1) if m else answer


def address(answer):
    return [line.split()[-1] for line in answer.splitlines() if line and not line.startswith(";")]


def serve(cert="server", port=853, idle=30000):
    """unbound behind the uplink, with nothing but TLS where port is 853."""
    stop_serving()
    with open(DIR + "/unbound.conf", "w", encoding="ascii") as f:
        f.write(UNBOUND % {"port": port, "dir": DIR, "cert": cert, "idle": idle, "big": BIG})
    program, env = deb.program("unbound", "usr/sbin/unbound")
    with open(DIR + "/unbound.out", "ab") as out:
        box["unbound"] = machine.lan.popen([program, "-d", "-c", DIR + "/unbound.conf"], env=env,
                                           stdout=out, stderr=out)
    n.wait_for("unbound", lambda: ":%d" % port in machine.lan.sh("ss -Hltn"))


def stop_serving():
    if box.get("unbound"):
        box["unbound"].kill()
        box["unbound"].wait()
        box["unbound"] = None


def spied():
    with open(DIR + "/spy.log", encoding="ascii") as f:
        return f.read().count("plain")


def configure(section):
    """Says it in network.ini, and waits until netd was told of it and is done."""
    box["turn"] = box.get("turn", 0) + 1
    name = "turn%d.example" % box["turn"]
    machine.configure(UPLINK + "Domains = %s\n" % name + section)
    machine.init.send(n.RELOAD)
    n.wait_for("the new configuration", lambda: name in box["engine"].show("dns"))


def by_tls(server="10.9.0.1#dns.example", more="ca_file = %s/ca.pem\n" % DIR):
    return "[dns]\nover_tls = yes\nserver = %s\n%s" % (server, more)


def fresh():
    """A name that nothing has cached."""
    box["serial"] = box.get("serial", 0) + 1
    return "n%d.site.example" % box["serial"]


def connections(port=853):
    """Who is connected to the server, by port."""
    lines = machine.lan.sh("ss -Htn state established sport = :%d" % port).splitlines()
    return sorted(line.split()[-1] for line in lines)


def pin_of(cert):
    der = subprocess.run("openssl x509 -in %s/%s.pem -pubkey -noout | openssl pkey -pubin -outform der"
                         % (DIR, cert), shell=True, check=True, stdout=subprocess.PIPE).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def answered(why):
    """A handshake takes long on a machine that is busy: asked until there is an answer."""
    n.wait_for(why, lambda: address(dig(fresh())) == ["192.0.2.10"])


def all_answered(names, meanwhile=None, who="web"):
    """Whether all these are that are asked at the same time, once."""
    argv = ["nsenter", "--net=" + box[who].ns.path(), DIG, "@127.0.0.11", "+tries=1", "+time=60"]
    asking = [subprocess.Popen(argv + [name], env=DIG_ENV, stdout=subprocess.PIPE) for name in names]
    if meanwhile:
        meanwhile()
    answers = [child.communicate()[0].decode() for child in asking]
    return all(address(answer) == ["192.0.2.10"] for answer in answers)


def refused(why):
    """Nothing is answered, the state says why, and nobody heard a word in plain text."""
    def said():
        tap.check(status(dig(fresh())) == "SERVFAIL", "an answer from a server that is not the one")
        return re.search(r"server .* by TLS: .*" + why, box["engine"].show("dns"))

    n.wait_for("the reason: " + why, said)
    tap.check(spied() == 0, "asked in plain text")


@tap.test("questions go by TLS 853 to the server that has the name, and none in plain text")
def asked():
    os.makedirs(DIR)
    certificates.make_ca(DIR, "ca")
    certificates.make_ca(DIR, "foreign")
    certificates.make_server(DIR, "ca", "server", names="DNS:dns.example,IP:10.9.0.1")
    certificates.make_server(DIR, "ca", "named", names="DNS:dns.example")
    certificates.make_server(DIR, "ca", "old", "20210101000000Z", "DNS:dns.example")
    certificates.make_server(DIR, "foreign", "stranger", names="DNS:dns.example")
    with open(DIR + "/spy.log", "wb") as log:
        box["spy"] = machine.lan.popen([sys.executable, "-c", SPY], stdout=log)
    n.wait_for("the spy", lambda: os.path.getsize(DIR + "/spy.log"))
    serve()
    machine.configure(UPLINK + by_tls())
    machine.start()
    box["engine"] = Engine()
    box["web"], box["db"] = Container("web"), Container("db")
    for one in ("web", "db"):
        box["engine"].attach(box[one])
    answered("an answer by TLS")
    tap.check("server 10.9.0.1#dns.example by TLS: connected by TLS" in box["engine"].show("dns"),
              box["engine"].show("dns"))
    row = box["engine"].rows("dns")[0]
    tap.check(row["tls"] and row["state"] == "connected by TLS", row)
    tap.check(spied() == 0, "asked in plain text")


@tap.test("one connection carries them all, many at a time, and lasts")
def persistent():
    def one_carries_all():
        answered("an answer")
        before = connections()
        tap.check(all_answered([fresh() for _ in range(24)]), "an answer to each")
        # A server that was stopped for seconds is given up: then once more.
        return len(before) == 1 and connections() == before

    n.wait_for("one connection for all", one_carries_all)
    tap.check(dig("+tcp", "big.example", "TXT").count("t" * 200) == 12, "a long one")


@tap.test("a server that closes what is idle, dies or comes back late is asked again over a new connection")
def again():
    serve(idle=500)
    for _ in range(3):
        answered("an answer")
        n.wait_for("the server's goodbye", lambda: not connections())
    stop_serving()
    refused("no connection: Connection refused")
    serve()
    answered("the server again")
    pid = n.helper_pid(b"dns")
    os.kill(pid, signal.SIGKILL)
    n.wait_for("a new role", lambda: n.helper_pid(b"dns") not in (0, pid))
    answered("an answer by a new role")


@tap.test("what waits while the role is made anew gets its answer, not an error")
def kept():
    stop_serving()
    configure("[dns]\nserver = 10.9.0.1:5300\n")
    serve(port=5300)
    answered("an answer by UDP")
    role, main = n.helper_pid(b"dns"), machine.child.pid
    os.kill(main, signal.SIGSTOP)
    os.kill(role, signal.SIGKILL)

    def arrive():
        try:
            n.wait_for("questions in the socket", lambda: any(
                int(line.split()[1]) for line in box["db"].ns.sh("ss -Huan").splitlines()))
        finally:
            os.kill(main, signal.SIGCONT)

    tap.check(all_answered([fresh() for _ in range(8)], arrive, "db"), "an error")


@tap.test("a connection that breaks, or one slow answer, is no error to the others who asked; SNI has no address")
def slow():
    def once():
        stop_serving()
        configure("")
        with open(DIR + "/slow.log", "wb") as log:
            box["unbound"] = machine.lan.popen([sys.executable, "-c", SLOW, DIR + "/server"], stdout=log)
        n.wait_for("the slow server", lambda: ":853" in machine.lan.sh("ss -Hltn"))
        configure(by_tls())
        if not all_answered([fresh() for _ in range(8)]):
            return False
        before = connections()
        return (all_answered(["slow-" + fresh() for _ in range(8)]) and len(before) == 1 and
                connections() == before)

    # A handshake of seconds ends a try: then once more.
    n.wait_for("answers to all, and the slow ones over one connection", once)
    configure(by_tls("10.9.0.1"))
    answered("an answer of the address")
    with open(DIR + "/slow.log", encoding="ascii") as f:
        said = f.read().splitlines()
    tap.check(said[0] == "hung up" and said[1] == "sni dns.example" and said[-1] == "sni None", said)
    tap.check(spied() == 0, "asked in plain text")
    serve()


@tap.test("a certificate for another name, by a foreign authority or of the past is refused")
def strict():
    configure(by_tls("10.9.0.1#other.example"))
    refused("its certificate is not for other.example")
    configure(by_tls("10.9.0.1"))
    answered("the address stands in it as well")
    serve("named")
    configure(by_tls("10.9.0.1"))
    refused("its certificate is not for 10.9.0.1")
    serve("stranger")
    configure(by_tls("10.9.0.1"))
    refused("by no authority that is trusted")
    serve("old")
    configure(by_tls())
    refused("its certificate has expired")
    configure(by_tls(more=""))  # the system's authorities know nothing of it
    refused("its certificate")


@tap.test("a pin is enough where no name is given, and is asked for beside the name")
def pins():
    serve("stranger")
    configure(by_tls("10.9.0.1", "pin = %s\n" % pin_of("stranger")))
    answered("an answer of who has the pin")
    configure(by_tls("10.9.0.1", "pin = sha256//%s\n" % pin_of("server")))
    refused("its key is none of the pins")
    configure(by_tls(more="pin = %s\nca_file = %s/ca.pem\n" % (pin_of("stranger"), DIR)))
    refused("by no authority that is trusted")
    serve("server")
    configure(by_tls(more="pin = %s\nca_file = %s/ca.pem\n" % (pin_of("stranger"), DIR)))
    refused("its key is none of the pins")
    configure(by_tls(more="pin = %s\npin = %s\nca_file = %s/ca.pem\n" % (
        pin_of("stranger"), pin_of("server"), DIR)))
    answered("one of two")


@tap.test("the uplink's own servers are asked by TLS as well, and the second one while the first is dead")
def others():
    configure("[dns]\nover_tls = yes\nca_file = %s/ca.pem\n" % DIR)
    tap.check("server 10.9.0.1 by TLS" in box["engine"].show("dns"), box["engine"].show("dns"))
    answered("by its address")
    configure(by_tls("10.9.0.3#dns.example\nserver = 10.9.0.1#dns.example"))
    answered("the second server")
    start = time.monotonic()
    for _ in range(4):
        tap.check(address(dig(fresh())) == ["192.0.2.10"], "the first one is left alone")
    tap.note("four questions beside a dead server: %.0f ms" % ((time.monotonic() - start) * 1000))
    tap.check(spied() == 0, "asked in plain text")


@tap.test("the machine itself asks by TLS too, and learns no container's name by that")
def own():
    with open("/run/hoy/net/etc/resolv.conf", encoding="ascii") as f:
        text = f.read()
    tap.check(re.findall(r"nameserver (\S+)", text) == ["127.0.0.53"], text)
    tap.check(address(dig(fresh(), server="127.0.0.53")) == ["192.0.2.10"], "UDP")
    tap.check(address(dig("+tcp", fresh(), server="127.0.0.53")) == ["192.0.2.10"], "TCP")
    tap.check(status(dig("db")) == "NOERROR", "a container's name for containers")
    tap.check(status(dig("db", server="127.0.0.53")) != "NOERROR", "and not for the machine")


@tap.test("a mistake in [dns] stops all forwarding, and names of containers go on")
def mistake():
    configure("[dns]\nover_tls = maybe\nserver = 10.9.0.1#dns.example\n")
    tap.check(status(dig(fresh())) == "SERVFAIL", "asked somebody")
    tap.check("[dns] of network.ini has a mistake" in box["engine"].show("dns"), "said")
    tap.check(status(dig("db")) == "NOERROR", "names go on")
    configure("[dns]\npin = %s\nserver = 10.9.0.1\n" % pin_of("server"))
    tap.check(status(dig(fresh())) == "SERVFAIL", "a pin without TLS")
    tap.check(spied() == 0, "asked in plain text")


@tap.test("without TLS a server may have a port, and long answers share one TCP connection")
def plain():
    serve(port=5300)
    configure("[dns]\nserver = 10.9.0.1:5300\n")
    tap.check(address(dig(fresh())) == ["192.0.2.10"], "UDP")
    tap.check(dig("+tcp", "big.example", "TXT").count("t" * 200) == 12, "TCP")
    before = connections(5300)
    tap.check(len(before) == 1, before)
    tap.check(dig("+tcp", "large.example", "TXT").count("t" * 200) == 12, "another")
    tap.check(connections(5300) == before, "over the same connection")
    configure("")
    dig("+time=1", fresh())
    n.wait_for("the usual server", lambda: spied() > 0)


@tap.test("nothing in the log points at memory or a forbidden call")
def clean():
    stop_serving()
    machine.stop()
    machine.check_log()


tap.run()
