#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`support send`: init, its disk role and role send of the image bring an archive to an HTTPS server."""
import itertools
import json
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import registry, tap  # noqa: E402
from pid1_box import BUILD, TOP, Machine  # noqa: E402

PORT = 8443  # in a network namespace of its own
WORK = tempfile.mkdtemp(prefix="hoy-support-")
KEYS, GOT = os.path.join(WORK, "keys"), os.path.join(WORK, "got")
TOKEN = "tok-123.abc"
M = None
SERVERS, SETTINGS, NAMES = [], {}, itertools.count(1)


def hoy(*words):
    done = M.inside(["/usr/bin/hoy"] + list(words), stdin=subprocess.DEVNULL)
    hoy.code = done.returncode
    return done.stdout.decode()


def within(*command):
    return ["nsenter", "-t", str(M.pid()), "-n"] + list(command)


def begin(program, *words):
    """A program of tests/fixture in the machine's network."""
    child = subprocess.Popen(within(sys.executable, os.path.join(TOP, "tests/fixture", program), *words), stdout=subprocess.PIPE)
    SERVERS.append(child)
    tap.check(child.stdout.readline() == b"ready\n", program + " does not run")


def serve(cert, *more):
    """The only server: with this certificate."""
    while SERVERS:
        SERVERS[0].kill()
        SERVERS.pop(0).wait()
    begin("upload.py", str(PORT), os.path.join(KEYS, cert + ".pem"), os.path.join(KEYS, cert + ".key"), GOT, *more)


def settings(**keys):
    """[support] as it is from here on; what was said before holds on."""
    SETTINGS.update(keys)
    with open(M.path("/data/config/hoy.ini"), "w", encoding="ascii") as f:
        f.write("[support]\n" + "".join("%s = %s\n" % row for row in SETTINGS.items()))
    name = "box%d" % next(NAMES)  # a revision of its own has the files read again
    M.inside(["/usr/bin/hoy-client"], input=("name %s\napply x 0\n" % name).encode())
    tap.wait_for("the settings", lambda: "hostname = " + name in hoy("config", "show", "hoy"))


def processes(name):
    """Those of the machine that were started by this name, as they are numbered out here."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as f:
                words = f.read().split(b"\0")
            inside = os.readlink("/proc/%s/ns/pid" % entry) == os.readlink("/proc/%d/ns/pid" % M.pid())
        except OSError:
            continue
        if inside and words[0] == name:
            found.append(int(entry))
    return found


def senders():
    return processes(b"hoy-send")


def archives():
    return sorted(os.listdir(M.path("/data/transfer")))


@tap.test("support send without a server keeps the archive, names it, and says what to set")
def _nowhere():
    global M
    os.makedirs(KEYS)
    os.makedirs(GOT)
    for name in ("ca", "foreign"):
        registry.make_ca(KEYS, name)
    registry.make_server(KEYS, "ca", "good", names="IP:127.0.0.1")
    registry.make_server(KEYS, "ca", "other", names="DNS:elsewhere.test")
    registry.make_server(KEYS, "foreign", "bad", names="IP:127.0.0.1")
    M = Machine(console=os.path.join(BUILD, "bin", "hoy"))
    M.expect(r"hoy: data ready")
    subprocess.run(within("ip", "link", "set", "lo", "up"), check=True)
    registry.make_client(KEYS, "ca", "client", "box", "support")
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(os.path.join(KEYS, name), M.path("/data/config/" + name))
    text = hoy("support", "send")
    name = re.search(r"(?m)^(/data/transfer/support-\S+\.tar): passwords", text)
    tap.check(hoy.code != 0 and name, text)
    tap.check("%s was not sent: no server is named: `config set support server NAME`, then `config apply`" % name.group(1) in text, text)
    tap.check(archives() == [os.path.basename(name.group(1))], archives())


@tap.test("support send: the archive arrives as it is, by PUT, with its size and the token; the rows of --json tell how far")
def _sent():
    serve("good")
    settings(server="127.0.0.1", port=str(PORT), path="/up/", ca_file="/data/config/ca.pem", token=TOKEN)
    text = hoy("support", "send")
    tap.check(hoy.code == 0 and re.search(r"(?m)^support archive: (\d+) of \1 KiB are sent\nsent: 127\.0\.0\.1 answers 201 Created$", text), text)
    name = os.path.basename(re.search(r"(\S+\.tar):", text).group(1))
    with open(os.path.join(GOT, name), "rb") as f, open(M.path("/data/transfer/" + name), "rb") as g:
        tap.check(f.read() == g.read(), "other bytes than those of the archive")
    with open(os.path.join(GOT, name + ".json"), encoding="ascii") as f:
        how = json.load(f)
    tap.check(how["method"] == "PUT" and how["path"] == "/up/" + name, how)
    tap.check(how["headers"]["Authorization"] == "Bearer " + TOKEN and how["headers"]["Content-Type"] == "application/x-tar", how)
    settings(method="post", path="/in/place")
    rows = [json.loads(line) for line in hoy("--json", "support", "send", "/data/transfer/" + name).splitlines()]
    tap.check(rows[-1] == {"answer": "127.0.0.1 answers 201 Created"} and rows[-2]["sent"] == rows[-2]["of"] > 0, rows)
    with open(os.path.join(GOT, "place.json"), encoding="ascii") as f:
        tap.check(json.load(f)["method"] == "POST", "by POST, where the path says")
    tap.check(len(archives()) == 2, "one that is named is sent again, none is made: %r" % archives())
    tap.check(re.search(r"audit: the hoy program: support send: begun", hoy("log", "init", "-n", "0")), "its line in the log")
    hoy("config", "set", "support", "token", TOKEN)
    text = hoy("config", "show", "hoy") + hoy("config", "candidate") + hoy("config", "diff")
    tap.check("token" in text and TOKEN not in text, text)
    hoy("config", "discard")
    tap.wait_for("the role to go", lambda: not senders())


@tap.test("support send: not a byte for a server of another authority or name; the error says which key decides")
def _untrusted():
    settings(path="/up/")
    before = os.listdir(GOT)
    for cert in ("bad", "other"):
        serve(cert)
        text = hoy("support", "send", "/data/transfer/" + archives()[0])
        tap.check(hoy.code != 0 and "the server's certificate is not good: " in text and "ca_file in [support]" in text, text)
    settings(ca_file="/data/config/none.pem")
    text = hoy("support", "send", "/data/transfer/" + archives()[0])
    tap.check("ca_file /data/config/none.pem: " in text, text)
    settings(ca_file="/data/config/ca.pem")
    tap.check(os.listdir(GOT) == before, "something arrived")


@tap.test("support send: a refusal, another place, a cut and a closed port are said with what to do, and the archive stays")
def _refused():
    serve("good")
    path = "/data/transfer/" + archives()[0]
    for place, words in (("/denied/", "127.0.0.1 answers 403 Forbidden: set token"), ("/cut/", "before it had answered"),
                         ("/moved/", "302 Found: it names another place, which is not followed")):
        settings(path=place)
        text = hoy("support", "send", path)
        tap.check(hoy.code != 0 and path + " was not sent: " in text and words in text, text)
    SERVERS[0].kill()
    SERVERS.pop().wait()
    text = hoy("support", "send", path)
    tap.check("127.0.0.1 port %d: Connection refused" % PORT in text and os.path.exists(M.path(path)), text)
    for other in ("/data/state/reason", "/data/transfer/../state/reason", "/etc/hoy/hoy.ini"):
        text = hoy("support", "send", other)
        tap.check("that is no support archive in /data/transfer" in text, text)


@tap.test("role send has a uid of its own, no capability and a filter; who stops waiting ends it, and another may send")
def _confined():
    serve("good")
    settings(path="/mute/")
    path = "/data/transfer/" + archives()[0]
    client = subprocess.Popen(["nsenter", "-t", str(M.pid()), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "/usr/bin/hoy", "support", "send", path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def confined():
        for pid in senders():
            with open("/proc/%d/status" % pid, encoding="ascii") as f:
                status = f.read()
            if re.search(r"Uid:\s938\s938\s938", status):
                return status
        return None

    status = tap.wait_for("role send", confined)
    for pattern in (r"CapEff:\s0+\n", r"CapBnd:\s0+\n", r"NoNewPrivs:\s1", r"Seccomp:\s2", r"Gid:\s938\s938\s938"):
        tap.check_match(pattern, status, "confinement")
    before = senders()
    settings(method="put")  # every unit is told of another configuration
    tap.check(senders() == before, "it was stopped")
    text = hoy("support", "send", path)
    tap.check("an archive is on its way already" in text, text)
    for pid in processes(b"/usr/bin/hoy"):
        os.kill(pid, signal.SIGKILL)
    client.wait()
    tap.wait_for("the role to go", lambda: not senders())
    settings(path="/up/")
    tap.check("answers 201" in hoy("support", "send", path), "the next one")


@tap.test("support send shows the machine's own certificate to a server that asks for one; half a pair is refused by its key's name")
def _own():
    serve("good", os.path.join(KEYS, "ca.pem"))
    path = "/data/transfer/" + archives()[0]
    text = hoy("support", "send", path)
    tap.check(hoy.code != 0 and "answers 201" not in text, "nobody is served without one: " + text)
    settings(cert_file="/data/config/client.pem")
    text = hoy("support", "send", path)
    tap.check("cert_file and key_file in [support] need each other" in text, text)
    settings(key_file="/data/config/ca.pem")
    text = hoy("support", "send", path)
    tap.check("key_file holds no readable private key" in text, text)
    settings(key_file="/data/config/client.key")
    text = hoy("support", "send", path)
    tap.check(hoy.code == 0 and "answers 201" in text, text)
    with open(os.path.join(GOT, os.path.basename(path) + ".json"), encoding="ascii") as f:
        tap.check(["commonName", "box"] in [pair[0] for pair in json.load(f)["client"]["subject"]], "whose certificate it is")


@tap.test("support send goes through a proxy that knows the server's name; a refusal is told with the proxy's words, and nothing is sent")
def _proxied():
    registry.make_server(KEYS, "ca", "named", names="DNS:support.test")
    serve("named")
    begin("proxy.py", str(PORT + 1), GOT)
    path = "/data/transfer/" + archives()[0]
    settings(server="support.test", proxy="127.0.0.1", proxy_port=str(PORT + 1))
    text = hoy("support", "send", path)
    tap.check(hoy.code == 0 and "support.test answers 201 Created" in text, text)
    with open(os.path.join(GOT, "asked"), encoding="ascii") as f:
        tap.check(f.read() == "CONNECT support.test:%d HTTP/1.1\n" % PORT, "it was asked for something else")
    for status, words in (("407 Who are you", "the proxy 127.0.0.1 answers 407 Who are you: it wants a password"),
                          ("503 Full\x1b[2J", "the proxy 127.0.0.1 answers 503 Full\\x1b[2J")):
        with open(os.path.join(GOT, "refuses"), "w", encoding="ascii") as f:
            f.write(status)
        text = hoy("support", "send", path)
        tap.check(hoy.code != 0 and words in text, text)
    settings(proxy_port=str(PORT + 2))
    text = hoy("support", "send", path)
    tap.check("127.0.0.1 port %d: Connection refused" % (PORT + 2) in text, text)


try:
    tap.run()
finally:
    for server in SERVERS:
        server.kill()
        server.wait()
    if M:
        M.close()
    shutil.rmtree(WORK)
