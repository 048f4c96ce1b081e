#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The operator's own firewall rules on a real kernel: each way that a connection can take, order,
parts of a rule, live changes, mistakes, and what is told of it."""
import errno
import socket

import netd_peer as n
from netd_peer import TCP, UDP, Container, Echo, Engine, Machine, Netns, answering, sh, talk, tap

n.enter()
BASE = ("[network up]\nMatch.Name = up0\nAddress = 10.9.0.2/24\nAddress = fd99::2/64\n"
        "Gateway = 10.9.0.1\nDNS = 10.9.0.1\n[network more]\nMatch.Name = up1\nAddress = 10.8.0.2/24\n"
        "[bridge bridge]\nsubnet6 = fd00:20::/64\n[bridge other]\nsubnet = 172.30.0.0/24\n")
machine = Machine(BASE)
box = {}


def rules(text):
    """Gives the machine these rules and waits until they hold."""
    machine.configure(BASE + text)
    machine.init.send(n.RELOAD)
    box["count"] = box.get("count", 0) + 1
    mark = "mark%d" % box["count"]
    machine.configure(BASE + text + "[rule %s]\non = routed\naction = drop\nsource = 192.0.2.%d\n"
                      % (mark, box["count"]))
    machine.init.send(n.RELOAD)
    n.wait_for("the rules", lambda: mark in box["engine"].show("rules") or
               "mistakes" in box["engine"].show("rules"))
    machine.init.settle(box["engine"])  # the first RELOAD may have shown what the second one loads again


def opened(ns, ip, port, proto="tcp", source=None):
    """Does it answer? A yes is waited for."""
    return talk(ns, ip, port, proto, 60.0, source) is not None


def opened_soon(ns, ip, port):
    """The same where a no is likely: it costs no minute."""
    return bool(answering((ns, ip, port)))


def how_refused(ip, port):
    """What a neighbour's connect() answers; a silent drop would be no errno at all."""
    with machine.lan.inside():
        s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    s.settimeout(60)
    try:
        s.connect((ip, port))
        return "open"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    finally:
        s.close()


def closed(*probes):
    """None of (namespace, address, port[, proto[, source]]) answers."""
    heard = answering(*probes)
    tap.check(not heard, "open: %s\n%s" % (heard, n.nft("list", "table", "inet", "hoy")))


@tap.test("without rules all is as it was: own sockets and published ports open, nothing is routed")
def before():
    box["beyond"] = Netns("beyond")
    sh("ip link add up1 type veth peer name wire1 netns %s; ip link set up1 up" % box["beyond"].path())
    box["beyond"].sh("ip addr add 10.8.0.1/24 dev wire1; ip link set wire1 up; ip link set lo up;"
                     "ip route add default via 10.8.0.2")
    machine.lan.sh("ip addr add 10.9.0.7/24 dev lan0; ip -6 addr add fd99::1/64 dev lan0 nodad;"
                   "ip route add 10.8.0.0/24 via 10.9.0.2")
    machine.start()
    box["engine"] = Engine()
    n.wait_for("the addresses", lambda: machine.address() == "10.9.0.2/24" and
               machine.address("up1") == "10.8.0.2/24")
    box["web"], box["far"] = Container("web"), Container("far")
    box["engine"].attach(box["web"], ports=[(TCP, "*", 8080, 80, 4), (UDP, "*", 8080, 80, 1)])
    box["engine"].attach(box["far"], ["other"])
    for port in (80, 81, 82, 83):
        Echo(box["web"].ns, "tcp", port, "web", "::")
    Echo(box["web"].ns, "udp", 80, "web", "::")
    for proto in ("tcp", "udp"):
        Echo(None, proto, 7000, "own", "::")
    for ns, name in ((machine.lan, "outside"), (box["beyond"], "beyond")):
        Echo(ns, "tcp", 4000, name, "::")
        Echo(ns, "tcp", 4001, name, "::")
    for ns, ip, port in ((machine.lan, "10.9.0.2", 8080), (machine.lan, "fd99::2", 8080),
                         (machine.lan, "10.9.0.2", 7000), (machine.lan, "fd99::2", 7000),
                         (box["web"].ns, "10.9.0.1", 4000), (box["web"].ns, "172.17.0.1", 7000),
                         (None, "10.9.0.1", 4000), (None, "127.0.0.1", 7000)):
        tap.check(opened(ns, ip, port), "%s %d" % (ip, port))
    closed((machine.lan, "10.8.0.1", 4000))


@tap.test("published ports: by host port, source and family; the first that matches decides")
def published():
    rules("[firewall]\npublished = drop\n"
          "[rule no]\non = published\naction = drop\nprotocol = tcp\nport = 8081\n"
          "[rule some]\non = published\naction = accept\nsource = 10.9.0.1\nsource = fd99::/64\n"
          "protocol = tcp\nport = 8080-8082\n")
    tap.check(opened(machine.lan, "10.9.0.2", 8080, source=("10.9.0.1", 0)), "from the one address")
    tap.check(opened(machine.lan, "10.9.0.2", 8082, source=("10.9.0.1", 0)), "the range's end")
    tap.check(opened(machine.lan, "fd99::2", 8080), "from the IPv6 subnet")
    closed((machine.lan, "10.9.0.2", 8080, "tcp", ("10.9.0.7", 0)),  # another source
           (machine.lan, "10.9.0.2", 8081, "tcp", ("10.9.0.1", 0)),  # an earlier rule
           (machine.lan, "10.9.0.2", 8083, "tcp", ("10.9.0.1", 0)),  # not in the range
           (machine.lan, "10.9.0.2", 8080, "udp", ("10.9.0.1", 0)))  # another protocol
    tap.check(opened(None, "10.9.0.2", 8083) and opened(None, "127.0.0.1", 8083), "the host itself")
    tap.check(opened(box["far"].ns, "10.9.0.2", 8083), "a container of another network")
    tap.check(opened(box["web"].ns, "10.9.0.2", 8083), "the container itself")


@tap.test("published ports: the address that was asked for is what a destination means")
def asked_for():
    sh("ip addr add 10.9.0.3/24 dev up0")
    rules("[rule old]\non = published\naction = drop\ndestination = 10.9.0.3\n"
          "[rule six]\non = published\naction = reject\ndestination = fd99::2\nprotocol = tcp\n")
    tap.check(opened(machine.lan, "10.9.0.2", 8080), "the other address")
    closed((machine.lan, "10.9.0.3", 8080), (machine.lan, "fd99::2", 8080))
    sh("ip addr del 10.9.0.3/24 dev up0")


@tap.test("own sockets: interface, protocol, order; answers, neighbours and the host itself pass")
def inbound():
    rules("[firewall]\ninbound = drop\n"
          "[rule udp]\non = inbound\naction = accept\nprotocol = udp\nprotocol = icmp\n"
          "[rule lan]\non = inbound\naction = accept\ninterface = up1\n")
    tap.check(opened(machine.lan, "10.9.0.2", 7000, "udp"), "UDP from anywhere")
    tap.check(opened(box["beyond"], "10.8.0.2", 7000), "TCP over the interface")
    machine.lan.sh("ip -6 neigh flush dev lan0")
    tap.check(opened(machine.lan, "fd99::2", 7000, "udp"), "a new neighbour finds the host")
    closed((machine.lan, "10.9.0.2", 7000), (machine.lan, "fd99::2", 7000),
           (box["web"].ns, "172.17.0.1", 7000))
    tap.check(opened(None, "10.9.0.1", 4000) and opened(None, "127.0.0.1", 7000), "outward and inside")
    tap.check(opened(machine.lan, "10.9.0.2", 8080), "a published port is not an own socket")
    tap.check(n.echoed(machine.lan, "10.9.0.2"), "an echo request is answered")
    rules("[rule all]\non = inbound\naction = drop\ninterface = up*\nprotocol = tcp\nport = 7000\n")
    closed((machine.lan, "10.9.0.2", 7000), (box["beyond"], "10.8.0.2", 7000))
    tap.check(opened(box["web"].ns, "172.17.0.1", 7000), "not over a bridge")


@tap.test("outward: destinations and ports are closed to containers, not to the host")
def outbound():
    rules("[rule lan]\non = outbound\naction = reject\ndestination = 10.9.0.0/24\n"
          "destination = fd99::/64\nprotocol = tcp\nport = 4000\n"
          "[rule wire]\non = outbound\naction = drop\ninterface = up1\n")
    closed((box["web"].ns, "10.9.0.1", 4000), (box["web"].ns, "fd99::1", 4000),
           (box["web"].ns, "10.8.0.1", 4001))
    tap.check(opened(box["web"].ns, "10.9.0.1", 4001), "another port")
    tap.check(opened(None, "10.9.0.1", 4000), "the host")
    tap.check(opened(machine.lan, "10.9.0.2", 8080), "answers of a published port")


@tap.test("routed: from one uplink to the other where a rule says so, and no further")
def routed():
    rules("[rule through]\non = routed\naction = accept\ninterface = up0\nsource = 10.9.0.0/24\n"
          "destination = 10.8.0.0/24\nprotocol = tcp\nport = 4000\n")
    tap.check(opened(machine.lan, "10.8.0.1", 4000), "as the rule says")
    closed((machine.lan, "10.8.0.1", 4001), (box["beyond"], "10.9.0.1", 4000))
    machine.lan.sh("ip route add 172.17.0.0/16 via 10.9.0.2")
    closed((machine.lan, box["web"].ip, 80))
    machine.lan.sh("ip route del 172.17.0.0/16")


@tap.test("reject says so at once, drop is silent")
def rejected():
    rules("[firewall]\npublished = reject\ninbound = reject\n"
          "[rule silent]\non = published\naction = drop\nprotocol = tcp\nport = 8081\n")
    for ip, port in (("10.9.0.2", 8080), ("10.9.0.2", 7000), ("fd99::2", 8080), ("fd99::2", 7000)):
        tap.check(how_refused(ip, port) in ("EHOSTUNREACH", "EACCES", "ECONNREFUSED"),
                  "%s %d: %s" % (ip, port, how_refused(ip, port)))
    closed((machine.lan, "10.9.0.2", 8081))


@tap.test("rules change in one transaction: a stream goes on, and a killed netd keeps them")
def lasting():
    rules("")
    with machine.lan.inside():
        s = socket.socket()
    s.settimeout(60)
    s.connect(("10.9.0.2", 8080))
    s.sendall(b"x")
    tap.check(s.recv(100), "before")
    rules("[firewall]\npublished = drop\n")
    s.sendall(b"x")
    tap.check(s.recv(100), "what was let through goes on")
    closed((machine.lan, "10.9.0.2", 8080))
    machine.kill()
    closed((machine.lan, "10.9.0.2", 8080))
    machine.start()
    box["engine"] = Engine()
    closed((machine.lan, "10.9.0.2", 8080))
    s.sendall(b"x")
    tap.check(s.recv(100), "over a killed netd too")
    s.close()


@tap.test("a mistake changes nothing, and lets nothing in where there was nothing before")
def mistakes():
    rules("[rule one]\non = published\naction = drop\nprotocol = tcp\nport = 8081\n")
    for bad in ("[rule one]\non = published\naction = accept\nport = 8081\n",
                "[rule one]\non = published\n", "[rule one]\naction = drop\n",
                "[rule one]\non = published\naction = drop\nsource = 10.9.0.1/24\n",
                "[rule one]\non = inbound\naction = drop\nsource = 10.9.0.1\ndestination = fd99::1\n",
                "[firewall]\npublished = open\n", "[firewal]\npublished = accept\n",
                "[rule one\non = published\naction = accept\n"):
        machine.configure(BASE + bad)
        machine.init.send(n.RELOAD)
        n.wait_for("the verdict on " + bad, lambda: "rules from before" in box["engine"].show("rules"))
        tap.check("one" in box["engine"].show("rules"), box["engine"].show("rules"))
        closed((machine.lan, "10.9.0.2", 8081))
        tap.check(opened(machine.lan, "10.9.0.2", 8080), "and no more than before")
        rules("[rule one]\non = published\naction = drop\nprotocol = tcp\nport = 8081\n")
    machine.configure(BASE + "[rule one]\non = published\n")
    machine.kill()
    machine.start()
    box["engine"] = Engine()
    tap.check("nothing is let in" in box["engine"].show("rules"), box["engine"].show("rules"))
    closed((machine.lan, "10.9.0.2", 8080), (machine.lan, "10.9.0.2", 7000))
    tap.check(opened(None, "10.9.0.1", 4000) and opened(box["web"].ns, "10.9.0.1", 4000), "outward goes on")
    tap.check("network.ini" in machine.log_text() and "action is missing" in machine.log_text(),
              "the log names it")
    rules("")
    tap.check(opened(machine.lan, "10.9.0.2", 8080), "open again")


@tap.test("network rules, their rows and network why say what decides")
def told():
    rules("[firewall]\npublished = drop\n[rule office]\non = published\naction = accept\n"
          "source = 10.9.0.0/24\nprotocol = tcp\nport = 8080\ninterface = up0\n"
          "[rule ssh]\non = inbound\naction = drop\nprotocol = tcp\nport = 7000\n")
    shown = box["engine"].show("rules")
    for word in ("office", "10.9.0.0/24", "8080", "published  drop", "routed     drop", "all else"):
        tap.check(word in shown, "%s in %s" % (word, shown))
    row = [r for r in box["engine"].rows("rules") if r.get("rule") == "office"][0]
    tap.check((row.pop("packets"), row.pop("bytes")) == (0, 0), "nothing met it yet")
    tap.check(row == {"on": "published", "action": "accept", "rule": "office", "interface": "up0",
                      "protocol": "tcp", "port": "8080", "source": "10.9.0.0/24",
                      "destination": "*", "limit": "*", "log": False}, str(row))
    policies = {r["on"]: r["action"] for r in box["engine"].rows("rules") if r.get("policy") == "set"}
    tap.check(policies == {"inbound": "accept", "published": "drop", "outbound": "accept",
                           "routed": "drop"}, str(policies))
    why = box["engine"].show("why 10.9.0.2:8080")
    tap.check("rule office: accept from 10.9.0.0/24 over up0" in why and
              "[firewall] published: drop" in why, why)
    why = box["engine"].show("why 10.9.0.2:7000")
    tap.check("rule ssh: drop" in why and "[firewall] inbound" not in why, why)
    why = box["engine"].show("why 10.9.0.2:7001")
    tap.check("from outside" not in why, why)
    tap.check('comment "office"' in n.nft("list", "chain", "inet", "hoy", "oppub"), "named in the kernel")


@tap.test("network trace says the same as packets do, station by station")
def traced():
    web, far = box["web"].ip, box["far"].ip

    def trace(flow, *stations):
        text = box["engine"].show("trace " + flow)
        lines = [line.split(None, 1)[1] for line in text.splitlines()[:-1]]
        tap.check([line.split()[0] for line in lines] == [s.split()[0] for s in stations] and
                  all(s.split(None, 1)[-1] in line for s, line in zip(stations, lines)), "%s: %s" % (flow, text))
        return text.splitlines()[-1]

    through = "verdict: it goes on over "
    tap.check(trace("10.9.0.1 -> 10.9.0.2:8080", "from outside, in over up0", "guard nothing drops it",
                    "pre map any4: published by container web, on to %s:80" % web, "route over hoy0",
                    "oppub rule office: accept", "pst stays") == through + "hoy0", "published")
    tap.check(opened(machine.lan, "10.9.0.2", 8080, source=("10.9.0.1", 0)), "and so it is")
    tap.check("not get through" in trace("10.9.0.1 -> 10.9.0.2:8081", "from", "guard", "pre :81", "route",
                                         "oppub no rule fits; [firewall] published: drop"), "the policy")
    tap.check("not get in" in trace("10.9.0.1->10.9.0.2:7000", "from", "guard", "pre no container publishes",
                                    "opin rule ssh: drop"), "an own socket")
    tap.check("socket of the machine" in trace("10.9.0.1 10.9.0.2:7000/udp", "from", "guard", "pre",
                                               "opin no rule fits; [firewall] inbound: accept"), "the other protocol")
    tap.check("not get through" in trace("10.9.0.1 -> %s:80" % web, "from", "guard drop: from outside"), "direct")
    tap.check("not get through" in trace("%s -> %s:80" % (far, web), "from network other", "guard", "pre no address of",
                                         "route over hoy0", "fwdc drop: bridges"), "another network")
    tap.check("not get through" in trace("10.9.0.1 -> 10.8.0.1:4000", "from", "guard", "pre", "route over up1",
                                         "oproute [firewall] routed: drop"), "routed")
    closed((machine.lan, "10.9.0.2", 8081, "tcp", ("10.9.0.1", 0)), (machine.lan, "10.9.0.2", 7000),
           (box["far"].ns, web, 80), (machine.lan, "10.8.0.1", 4000))
    tap.check(trace("%s -> 10.9.0.1:4000" % web, "from network bridge, in over hoy0", "guard", "pre", "route over up0",
                    "opout accept", "pst becomes this machine's address on up0") == through + "up0", "outward")
    tap.check(trace("%s -> 10.9.0.2:8080" % far, "from", "guard", "pre on to", "route over hoy0",
                    "fwdc accept: a container by a published port", "pst goes back to a container") == through + "hoy0",
              "a container by a published port")
    tap.check(trace("127.0.0.1 -> 127.0.0.1:8080", "from this machine itself", "out on to", "route over hoy0",
                    "pst becomes this machine's address") == through + "hoy0", "the machine itself")
    tap.check(opened(box["web"].ns, "10.9.0.1", 4000) and opened(box["far"].ns, "10.9.0.2", 8080) and
              opened(None, "127.0.0.1", 8080), "and so they are")
    for flow in ("nonsense", "10.9.0.1", "10.9.0.1 -> ", "10.9.0.1 -> [::1]:80", "10.9.0.1 -> 10.9.0.2:0"):
        try:
            raise AssertionError("taken: " + box["engine"].show("trace " + flow))
        except n.Refused as e:
            tap.check(e.code == -errno.EINVAL, str(e))
@tap.test("limit: so many connections meet the rule, the next one goes on; over several interfaces")
def limited():
    rules("[rule few]\non = inbound\naction = accept\nprotocol = tcp\nport = 7000\nport = 7001\n"
          "interface = up0\ninterface = up1\nlimit = 5/h\nlog = yes\n"
          "[rule none]\non = inbound\naction = drop\nprotocol = tcp\nport = 7000-7001\nlog = yes\n")
    count = 0
    while opened_soon(machine.lan, "10.9.0.2", 7000):
        count += 1
        tap.check(count <= 5, "%d connections" % count)
    tap.check(count >= 3, "only %d connections" % count)  # a SYN sent twice counts twice
    closed((box["beyond"], "10.8.0.2", 7000))  # one limit for all that the rule is about
    why = box["engine"].show("why 10.9.0.2:7000")
    tap.check("rule few: accept over up0 up1 at most 5/h logged; what comes faster goes on to the next"
              in why and "rule none: drop logged" in why, why)
    row = [r for r in box["engine"].rows("rules") if r.get("rule") == "few"][0]
    tap.check(row["limit"] == "5/h" and row["log"] is True and row["interface"] == "up0 up1", row)
    rules("[rule wires]\non = inbound\naction = drop\nprotocol = tcp\nport = 7000\n"
          "interface = up0\ninterface = up1\n")
    closed((machine.lan, "10.9.0.2", 7000), (box["beyond"], "10.8.0.2", 7000))


def met():
    """{rule, or the way of a policy: (packets, bytes)}, by the rows; what is shown says the same."""
    rows = box["engine"].rows("rules")
    shown = [line.split()[2:5] for line in box["engine"].show("rules").splitlines()]
    for row in rows:
        want = [row.get("rule", "-"), str(row["packets"]), str(row["bytes"])]
        tap.check(want in shown, "%s in %s" % (want, shown))
    return {row.get("rule", row["on"]): (row["packets"], row["bytes"]) for row in rows}


@tap.test("network rules counts the packets that met each rule and each policy")
def counted():
    rules("[rule first]\non = inbound\naction = reject\nprotocol = tcp\nport = 7000\n"
          "[rule second]\non = inbound\naction = reject\nprotocol = tcp\nport = 7000\nport = 7001\nlimit = 2/h\n"
          "[rule third]\non = published\naction = accept\nprotocol = tcp\nport = 8080\n")
    before = {name: seen for name, seen in met().items() if not name.startswith("mark")}
    tap.check(before == {"first": (0, 0), "second": (0, 0), "third": (0, 0), "inbound": (0, 0), "published": (0, 0),
                         "outbound": (0, 0), "routed": (0, 0)}, str(before))
    for _ in range(3):
        tap.check(how_refused("10.9.0.2", 7000) == "ECONNREFUSED", "the first")
    for _ in range(4):  # two of them meet it, the others the policy, which accepts: nobody listens there
        tap.check(how_refused("10.9.0.2", 7001) == "ECONNREFUSED", "the second or nobody")
    after = met()
    tap.check(after["first"] == (3, 180) and after["second"] == (2, 120), str(after))
    tap.check(after["inbound"][0] == 2 and after["third"] == (0, 0), str(after))
    tap.check(talk(machine.lan, "10.9.0.2", 8080) is not None, "published")
    tap.check(met()["third"][0] == 1, "a connection is one packet: its others are answers or follow: %s" % met())


@tap.test("log: a bounded line in the kernel's log, then the action in any case")
def logged():
    rules("[rule told]\non = inbound\naction = reject\nprotocol = tcp\nport = 7000\nlog = yes\n")
    for _ in range(30):  # more than the log takes
        tap.check(how_refused("10.9.0.2", 7000) == "ECONNREFUSED", "the action")
    table = n.nft("list", "table", "inet", "hoy")
    tap.check(met()["told"] == (30, 30 * 60), "counted are all of them: %s" % met())
    for part in ('log prefix "hoy rule told reject: "', "limit logs", "rate 1/second burst 20 packets",
                 'limit name "logs"'):
        tap.check(part in table, "%s in %s" % (part, table))
    rules("")
    tap.check("log prefix" not in n.nft("list", "table", "inet", "hoy"), "nothing of it is left")


@tap.test("no sanitizer report, no forbidden system call")
def log():
    machine.check_log()


tap.run()
