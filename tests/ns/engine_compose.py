#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""[compose NAME] file = ...: the services of a Compose file are declared ones. Real engine and netd."""
import os
import re
import socket
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, tap  # noqa: E402

CONSOLE_GID = 900
RELOAD, CHECK, CALL = 0x112, 0x341, 16
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()
SERVICES = "[compose shop]\nfile = /config/shop.yaml\n"
SHOP = """services:
  web:
    image: busybox:latest
    command: ["sh", "-c", "echo web says $$WORD; exec sleep 100000"]
    environment: {WORD: one}
    depends_on: [db]
    stop_grace_period: 1s
  db:
    image: busybox:latest
    command: sleep 100000
    stop_grace_period: 1s
networks: {default: {}}
"""
E = engine.Engine("compose", images=[(image.busybox(), "busybox:latest")], services=SERVICES)


def hoy(*words):
    """What it prints; its exit code stands in `hoy.code`."""
    hoy.code, text = E.hoy(*words)
    return text


def put(text, name="shop.yaml"):
    with open(os.path.join(E.root, "config", name), "w", encoding="ascii") as f:
        f.write(text)


def row(name):
    found = re.search(r"(?m)^%s .*" % name, hoy("ps"))
    return found.group(0) if found else ""


def ident(name):
    return re.search(r'"id":"(\w+)"', [line for line in hoy("ps", "--json").splitlines() if '"name":"%s"' % name in line][0]).group(1)


def open_netd():
    """The console may ask it."""
    path = os.path.join(E.root, "run/hoy/netd.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)


def reload(services=None):
    if services is not None:
        E.write("services.ini", services)
    E.engine.send(RELOAD)


def check(services):
    """What `config diff` asks the engine: the issues and the changes that services.ini would bring."""
    folder = os.path.join(E.root, "run/hoy/config/.try/30-media")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "services.ini"), "w", encoding="ascii") as f:
        f.write(services)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(engine.LIMIT_S)
        place = os.open(os.path.join(E.root, "run/hoy"), os.O_PATH | os.O_DIRECTORY)
        sock.connect("/proc/self/fd/%d/engine.sock" % place)
        os.close(place)
        sock.send(engine.HEADER.pack(b"HOY1", CHECK, CALL, 7, 0, 0, 0))
        body = sock.recv(1 << 20)[engine.HEADER.size:]
    count, at = struct.unpack("<I", body[:4])[0], 4
    texts = []
    for _ in range(count + 1):
        size = struct.unpack("<I", body[at:at + 4])[0]
        texts.append(body[at + 4:at + 4 + size].decode())
        at += 4 + size
    return texts[:-1], texts[-1]


@tap.test("the services of a Compose file run as declared ones: at the boot, in their order, in ps and history")
def _run():
    put(SHOP)
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    open_netd()
    engine.wait_for("both", lambda: " running " in row("web") and " running " in row("db"))
    engine.wait_for("its words", lambda: hoy("logs", "web") == "web says one\n")
    tap.check(re.search(r'"declared":true.*"name":"web"|"name":"web".*"declared":true', hoy("ps", "--json")), hoy("ps", "--json"))
    hoy("rm", "-f", "web")
    tap.check(hoy.code != 0, "a declared one is not removed by hand")


@tap.test("an engine that is killed adopts them")
def _adopt():
    before = ident("web"), ident("db")
    E.kill_engine()
    E.start_engine()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("both", lambda: " running " in row("web") and " running " in row("db"))
    tap.check((ident("web"), ident("db")) == before, "the same containers")


@tap.test("what another file or section would change is listed before, and touches only that")
def _diff():
    put(SHOP.replace("one", "two").replace("networks:", "  new:\n    image: busybox:latest\n    command: sleep 100000\nnetworks:"))
    issues, changes = check(SERVICES)
    tap.check(not issues and sorted(changes.splitlines()) == ["+ [service new]", "~ [service web] environment"], (issues, changes))
    db = ident("db")
    reload()
    engine.wait_for("its new word", lambda: "web says two" in hoy("logs", "web"))
    engine.wait_for("the new one", lambda: " running " in row("new"))
    tap.check(ident("db") == db, "db is the one of before")
    tap.check(check(SERVICES) == ([], ""), "now it is what runs")
    issues, changes = check(SERVICES + "[service web]\nenvironment = WORD=three\nrestart = no\n")
    tap.check(not issues and changes == "~ [service web] environment restart\n", "a section changes single keys: %r" % changes)
    tap.check(check("")[1].split("\n")[:3] == ["- [service web]", "- [service db]", "- [service new]"], check(""))
    put(SHOP)
    reload()
    engine.wait_for("it is gone", lambda: not row("new"))


@tap.test("a mistake names file, line and column, and refuses its service alone")
def _mistake():
    put(SHOP.replace("    depends_on: [db]\n", "    uts: host\n") + "x-note: 1\n")
    issues, _ = check(SERVICES)
    tap.check(issues == ["/config/shop.yaml:6:5: uts: not taken (this service is not started)"], issues)
    put(SHOP.replace("  db:\n    image", "  db:\n    mem_limit: much\n    image"))
    issues, _ = check(SERVICES)
    tap.check(len(issues) == 2 and re.match(r"/config/shop\.yaml:9:5: .*mem_limit", issues[0]), issues)
    tap.check(issues[1] == "/config/shop.yaml:2:3: service web depends on 'db', which is not declared", issues)
    web = ident("web")
    reload()
    engine.wait_for("the refusal", lambda: "mem_limit" in E.log())
    tap.check(" running " in row("web") and ident("web") == web, row("web"))
    tap.check("/config/shop.yaml:9:5: " in E.log(), "the log names the place")
    put("services: {web: [\n")
    issues, changes = check(SERVICES)
    tap.check(any(re.match(r"media:services\.ini:2:\d+: /config/shop\.yaml: line \d+, column \d+: ", i) for i in issues), issues)
    reload()
    engine.wait_for("it is said", lambda: "what it said before goes on" in E.log())
    tap.check(" running " in row("web") and ident("web") == web and " running " in row("db"), "a typing error stops nothing: " + hoy("ps"))
    tap.check(check("[compose shop]\nfile = /config/none.yaml\n")[0][0].startswith("media:services.ini:2:"), "a file that is not there")
    tap.check("did you mean 'file'" in check("[compose shop]\nfil = /config/x\n")[0][0], "a wrong key")


@tap.test("files as hostile as they come leave the engine as it was")
def _hostile():
    web = ident("web")
    for text in ("a: &a [*a, *a]\nservices: *a\n", "services: &a {<<: *a}\n", "\x00" * 100, "- " * 100000, "{" * 100000,
                 "services: {" + ", ".join("s%d: {image: busybox}" % i for i in range(5000)) + "}\n"):
        put(text)
        issues, _ = check(SERVICES)
        tap.check(issues, text[:40])
    os.unlink(os.path.join(E.root, "config/shop.yaml"))
    os.symlink("/etc/passwd", os.path.join(E.root, "config/shop.yaml"))
    tap.check(check(SERVICES)[0], "a link out of the media")
    os.unlink(os.path.join(E.root, "config/shop.yaml"))
    tap.check(ident("web") == web and " running " in row("web"), hoy("ps"))


@tap.test("without its section they go, containers and all")
def _gone():
    reload("")
    engine.wait_for("their end", lambda: not row("web") and not row("db"))


MANY = """include: [more/extra.yaml]
services:
  web:
    extends: {file: base.yaml, service: app}
    env_file: web.env
    environment: [FROM]
    secrets: [key]
    configs: [{source: conf, target: /etc/shop/conf}]
    volumes: ["./page:/page:ro"]
    networks:
      front: {ipv4_address: 10.77.0.9, mac_address: "02:00:0a:4d:00:09", aliases: [shopfront]}
networks:
  front: {ipam: {config: [{subnet: 10.77.0.0/24}]}}
secrets: {key: {file: key.txt}}
configs: {conf: {file: ./conf.txt}}
"""
OVERRIDE = """services:
  web: {environment: {TO: "${WHERE:-nowhere}"}}
"""
BASE = """services:
  app:
    image: busybox:latest
    command: ["sh", "-c", "cat /run/secrets/key /etc/shop/conf /page/index; echo $$FROM $$TO $$MORE; ip addr show eth0; exec sleep 100000"]
    stop_grace_period: 1s
"""
EXTRA = """services:
  extra:
    image: busybox:latest
    command: ["sh", "-c", "ulimit -n; cat /proc/sys/net/core/somaxconn; until nslookup shopfront; do sleep 0.1; done; exec sleep 100000"]
    ulimits: {nofile: {soft: 123, hard: 456}}
    sysctls: {net.core.somaxconn: 99}
    stop_grace_period: 1s
    networks: [front]
"""


@tap.test("an application of many files: override, include, extends, .env, env_file, secrets and configs")
def _many():
    for folder in ("app/more", "app/page"):
        os.makedirs(os.path.join(E.root, "config", folder), exist_ok=True)
    for name, text in (("compose.yaml", MANY), ("compose.override.yaml", OVERRIDE), ("base.yaml", BASE), ("more/extra.yaml", EXTRA),
                       (".env", "FROM=here\nWHERE='there'\n"), ("web.env", "MORE=${FROM}-more\n"), ("key.txt", "the key\n"),
                       ("conf.txt", "the conf\n"), ("page/index", "the page\n")):
        put(text, "app/" + name)
    services = "[compose app]\nfile = /config/app/compose.yaml\n"
    tap.check(check(services) == ([], "+ [service web]\n+ [service extra]\n+ [bridge front]\n+ [compose app]\n"), check(services))
    reload(services)
    engine.wait_for("all that they hold", lambda: "the key\nthe conf\nthe page\nhere there here-more\n" in hoy("logs", "web"))


@tap.test("networks of a Compose file are made, with the addresses and names that its services ask for there")
def _networks():
    engine.wait_for("its address", lambda: "inet 10.77.0.9/24" in hoy("logs", "web"))
    tap.check("02:00:0a:4d:00:09" in hoy("logs", "web"), hoy("logs", "web"))
    engine.wait_for("its limits", lambda: hoy("logs", "extra").startswith("123\n99\n"))
    engine.wait_for("its other name", lambda: "10.77.0.9" in hoy("logs", "extra"))
    E.netd.process.kill()
    E.netd.process.wait()
    E.start_netd()
    engine.wait_for("the network again", lambda: "front" in hoy("network", "show"))


@tap.test("what a file that another one names says now is listed as a change, and a missing one is said with its place")
def _named():
    put("MORE=new\n", "app/web.env")
    services = "[compose app]\nfile = /config/app/compose.yaml\n"
    tap.check(check(services) == ([], "~ [service web] environment\n"), check(services))
    os.unlink(os.path.join(E.root, "config/app/base.yaml"))
    issues, changes = check(services)
    tap.check(len(issues) == 1 and issues[0].startswith("media:services.ini:2:8: /config/app/compose.yaml: line 4: /config/app/base.yaml: ")
              and not changes, (issues, changes))
    put(BASE, "app/base.yaml")
    two = "[compose app]\nfile = /config/app/compose.yaml /config/app/compose.override.yaml\nfile = /config/app/third.yaml\n"
    put("services:\n  web: {uts: host}\n  extra: {command: !override sleep 1}\n", "app/third.yaml")
    issues, changes = check(two)
    tap.check(issues == ["/config/app/third.yaml:2:9: uts: not taken (this service is not started)"], issues)
    tap.check(changes == "~ [service web] environment\n~ [service extra] command\n~ [compose app] file\n", changes)


@tap.test("their networks go with them")
def _networks_gone():
    reload("")
    engine.wait_for("their end", lambda: not row("web") and not row("extra"))
    reload("[compose app]\nfile = /config/app/base.yaml\n")
    engine.wait_for("another file", lambda: row("app"))
    reload("")
    engine.wait_for("its end", lambda: not row("app"))
    engine.wait_for("the network to go", lambda: "10.77.0" not in hoy("network", "show"))


ENVY = ("[service envy]\nimage = busybox:latest\nstop_grace_period = 1s\nenv_file = /config/a.env\nenv_file = /config/$b.env\n"
        "environment = C=own\ncommand = [\"sh\", \"-c\", \"echo $A,$B,$C,$D; exec sleep 100000\"]\n")


@tap.test("env_file: one over the other, environment over both; another content is a change of the environment")
def _env_file():
    put("# the first\nexport A='one $x'\nB=${A}-two\nC=three\n", "a.env")
    put("B=\"over it\"\nD=\n", "$b.env")
    tap.check(check(ENVY) == ([], "+ [service envy]\n"), check(ENVY))
    reload(ENVY)
    engine.wait_for("its words", lambda: "one $x,over it,own,\n" in hoy("logs", "envy"))
    tap.check(check(ENVY) == ([], ""), check(ENVY))
    before = ident("envy")
    put("B=new\n", "$b.env")
    tap.check(check(ENVY) == ([], "~ [service envy] environment\n"), check(ENVY))
    reload(ENVY)
    engine.wait_for("a new one", lambda: " running " in row("envy") and ident("envy") != before)
    engine.wait_for("its words", lambda: "one $x,new,own,\n" in hoy("logs", "envy"))


@tap.test("env_file: a file that is not there or no env file refuses its service alone, with its place; what runs goes on")
def _env_file_bad():
    before = ident("envy")
    put("A=1\nno value\n", "a.env")
    place = "media:services.ini:4:12: env_file: "
    issues, _ = check(ENVY + "[service other]\nimage = busybox:latest\ncommand = sleep 100000\nstop_grace_period = 1s\n")
    tap.check(issues == [place + "/config/a.env: line 2: NAME=value is expected (this service is not started)"], issues)
    os.unlink(os.path.join(E.root, "config/a.env"))
    issues, _ = check(ENVY)
    tap.check(len(issues) == 1 and issues[0].startswith(place + "/config/a.env: ") and "No such file" in issues[0], issues)
    os.symlink("/etc/passwd", os.path.join(E.root, "config/a.env"))
    tap.check(len(check(ENVY)[0]) == 1, "a link out of the media")
    reload(ENVY)
    engine.wait_for("the line", lambda: "service envy is refused" in E.log())
    tap.check(ident("envy") == before and " running " in row("envy"), row("envy"))
    for wrong in ("env_file = a.env", "env_file = /config/a\\b", "env_file = /data/x"):
        issues, _ = check("[service envy]\nimage = x\n%s\n" % wrong)
        tap.check(len(issues) == 1 and ":3:12: env_file" in issues[0], (wrong, issues))
    reload("")
    engine.wait_for("its end", lambda: not row("envy"))


try:
    tap.run()
finally:
    E.stop()
