#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`hoy -H HOST` against the real engine and its gate: the same verbs from elsewhere, by role."""
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, registry, tap, terminal  # noqa: E402

CONSOLE_GID = 900
HOY = os.path.join(engine.PROGRAMS, "hoy")
ROLES = ("reader", "operator", "deployer", "admin")
SERVICES = """
[service one]
image = busybox:latest
command = ["sh", "-c", "seq 1 20000; while :; do date +%s; sleep 1; done"]
stop_grace_period = 1s
ports = 8123:80

[service far]
image = 127.0.0.1:1/a/name/that/is/as/long/as/a/row:1
"""
REMOTE = """[remote]
listen = 127.0.0.1:2376
ca_file = /config/ca.pem
cert_file = /config/server.pem
key_file = /config/server.key
"""
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")  # there is no network in the box
engine.enter()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
E = engine.Engine("remote", images=[(image.busybox(), "busybox:latest")], services=SERVICES, config=REMOTE)
KEYS = os.path.join(E.work, "keys")
os.makedirs(KEYS)
registry.make_ca(KEYS, "ca")
registry.make_ca(KEYS, "foreign")
registry.make_server(KEYS, "ca", "server", names="IP:127.0.0.1,DNS:localhost")


def folder(name, role, ca="ca"):
    """What `access issue` makes a person keep: ca.pem, cert.pem, key.pem."""
    registry.make_client(KEYS, ca, name, name, role)
    path = os.path.join(E.work, "who", name)
    os.makedirs(path)
    for source, target in (("ca.pem", "ca.pem"), (name + ".pem", "cert.pem"), (name + ".key", "key.pem")):
        shutil.copy(os.path.join(KEYS, source), os.path.join(path, target))
    return path


for file in ("ca.pem", "server.pem", "server.key"):
    shutil.copy(os.path.join(KEYS, file), os.path.join(E.root, "config", file))
WHO = {role: folder(role, role) for role in ROLES}
WHO["foreign"] = folder("stranger", "admin", "foreign")
WHO["deceived"] = folder("deceived", "admin")
shutil.copy(os.path.join(KEYS, "foreign.pem"), os.path.join(WHO["deceived"], "ca.pem"))


def arguments(who, words, place="127.0.0.1"):
    return [HOY, "-H", place, "--cert", WHO[who], "--timeout", str(engine.LIMIT_S)] + list(words)


def remote(who, *words, place="127.0.0.1"):
    """(exit code, output, errors) of one command from elsewhere."""
    done = subprocess.run(arguments(who, words, place), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=engine.LIMIT_S, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@tap.test("hoy -H: the same verbs from elsewhere, with their output, JSON and exit codes")
def _verbs():
    E.hoy("version")  # the program is put into the machine's root
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("the port", lambda: remote("admin", "version")[0] == 0)
    engine.wait_for("the service", lambda: re.search(r"(?m)^one\s.*running", remote("reader", "ps")[1]))
    rows = [json.loads(line) for line in remote("reader", "--json", "ps")[1].splitlines()]
    tap.check(rows and rows[0]["name"] == "one", rows)
    tap.check(remote("admin", "exec", "one", "echo", "it's | 'quoted'") == (0, "it's | 'quoted'\n", ""), "words stay as they are")
    code, out, _ = remote("admin", "exec", "one", "sh", "-c", "exit 7")
    tap.check(code == 7, (code, out))
    code, out, _ = remote("reader", "health", "nobody", "--json")
    tap.check(code == 3 and json.loads(out)["code"] == 3, (code, out))
    tap.check(remote("reader", "statsu")[0] != 0, "an unknown verb")
    code, out, _ = remote("reader", "network")
    tap.check(code == 2 and re.search(r"WHAT is one of( [a-z]+)* links( [a-z]+)* routes", out), (code, out))
    done = subprocess.run([HOY, "-H", "127.0.0.1", "--cert", ".", "version"], cwd=WHO["reader"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=False)
    tap.check(done.returncode == 0 and b"Hoy" in done.stdout, "certificates of the folder one stands in: %s" % done)


@tap.test("hoy -H: a long output comes whole, also by the machine's name")
def _long():
    engine.wait_for("the last number", lambda: "\n20000\n" in remote("reader", "logs", "one", "-n", "20005")[1])
    code, out, err = remote("reader", "logs", "one", "-n", "20005", place="localhost:2376")
    tap.check(code == 0 and len(out.split()) >= 20000, (code, len(out), err))
    text = remote("admin", "exec", "one", "seq", "1", "50000")[1]
    tap.check(text.split() == [str(n) for n in range(1, 50001)], "%d bytes" % len(text))


@tap.test("hoy -H: what runs on ends with its client, and nothing of it is left on the machine")
def _follow():
    with subprocess.Popen(arguments("reader", ["logs", "-f", "one"]), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as child:
        for _ in range(5):
            tap.check(child.stdout.readline(), "nothing to read")
        tap.check(serving(), "no `hoy --serve`")
        child.kill()
    engine.wait_for("its end on the machine", lambda: not serving())


def serving():
    """Process ids of `hoy --serve`."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % name, "rb") as f:
                if b"--serve\0" in f.read():
                    found.append(name)
        except OSError:
            pass
    return found


@tap.test("hoy -H: exec -t takes what is typed")
def _typed():
    with subprocess.Popen(arguments("admin", ["exec", "-t", "one", "sh"]), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdin.write(b"echo got-$((40 + 2)); exit 5\n")
        child.stdin.flush()
        out = child.stdout.read()
        tap.check(child.wait(engine.LIMIT_S) == 5 and b"got-42" in out, out)


@tap.test("hoy -H: exec -t passes the end of what is typed on, behind a line and in the middle of one")
def _end_of_input():
    for typed, wanted in ((b"one\n", b"one"), (b"half", b"half"), (b"", b"")):
        done = subprocess.run(arguments("admin", ["exec", "-t", "one", "cat"]), input=typed, stdout=subprocess.PIPE,
                              timeout=engine.LIMIT_S, check=False)
        tap.check(done.returncode == 0 and wanted in done.stdout, (typed, done))


def bytes_through(*words, data=b""):
    return subprocess.run(arguments("admin", words), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=engine.LIMIT_S, check=False)


@tap.test("hoy -H: exec -i and run -i take bytes to their end and give bytes back, both ways at once, errors apart")
def _bytes():
    data = bytes(range(256)) * 32768  # more than all buffers on the way together
    for words in (("exec", "-i", "one", "cat"), ("run", "-i", "--rm", "busybox", "cat")):
        done = bytes_through(*words, data=data)
        tap.check(done.returncode == 0 and done.stdout == data and not done.stderr, "%s: %d of %d bytes, %r" % (words, len(done.stdout), len(data), done.stderr))
    done = bytes_through("exec", "-i", "one", "sh", "-c", "wc -c; echo wrong >&2; exit 4", data=data)
    tap.check((done.returncode, done.stdout, done.stderr) == (4, b"%d\n" % len(data), b"wrong\n"), done)
    done = bytes_through("exec", "-i", "one", "sh", "-c", "exec <&-; sleep 0.2; echo closed", data=data)
    tap.check((done.returncode, done.stdout) == (0, b"closed\n"), done)
    done = bytes_through("exec", "one", "wc", "-c", data=b"not read")
    tap.check((done.returncode, done.stdout) == (0, b"0\n"), done)


@tap.test("hoy -H: a tar goes into a container through exec -i, and comes out of it")
def _tar():
    tree = os.path.join(E.work, "tree")
    os.makedirs(tree + "/deep")
    for name, size in (("small", 5), ("deep/large", 3000000)):
        with open(os.path.join(tree, name), "wb") as f:
            f.write(os.urandom(size))
    packed = subprocess.run(["tar", "-C", tree, "-cf", "-", "."], stdout=subprocess.PIPE, check=True).stdout
    tap.check(bytes_through("exec", "-i", "one", "sh", "-c", "mkdir /t && tar -C /t -xf -", data=packed).returncode == 0, "in")
    done = bytes_through("exec", "-i", "one", "tar", "-C", "/t", "-cf", "-", ".")
    back = os.path.join(E.work, "back")
    os.makedirs(back)
    subprocess.run(["tar", "-C", back, "-xf", "-"], input=done.stdout, check=True)
    tap.check(subprocess.run(["diff", "-r", tree, back], check=False).returncode == 0, "what came back")


def screen(*words, rows=30, columns=100):
    return terminal.Terminal(arguments("admin", words), engine.LIMIT_S, rows, columns)


@tap.test("hoy -H: a terminal: its size and its changes, keys one by one, Ctrl-C; it is left as it was")
def _screen():
    s = screen("exec", "-it", "one", "sh")
    s.expect("# ")
    s.type(b"stty size; tty\r")
    s.expect(r"30 100\r*\n/dev/pts/\d")
    tap.check(s.raw(), "keys")
    s.resize(40, 120)
    for _ in range(100):  # the shell may ask before its terminal has changed
        s.text = ""
        s.type(b"stty size; echo then\r")
        s.expect(r"\d+ \d+\r*\n(?s:.*)then")
        if "40 120" in s.text:
            break
    tap.check("40 120" in s.text, s.text)
    s.type(b"exit 6\r")
    while s.process.poll() is None:
        s.take(0.1)
    tap.check(not s.raw() and s.end() == 6, "as it was")
    s = screen("ps", columns=80)
    s.expect(r"(?m)^far .*\n")
    row = re.search(r"(?m)^one .*", s.text).group(0).rstrip()
    tap.check(row.endswith("*:8123->80/tcp") or row.endswith("8123->80/tcp"), "the ports have their place beside a long name: %r" % row)
    tap.check(s.end() == 0, "ps")
    s = screen("run", "-it", "--rm", "busybox", "sh")
    s.expect("# ")
    s.type(b"stty size; exit 7\r")
    s.expect("30 100")
    tap.check(s.end() == 7, "run -it")
    s = screen("run", "--rm", "busybox", "sh", "-c", "trap 'echo asked; exit 3' TERM; echo runs; while :; do sleep 0.1; done")
    s.expect("runs")
    s.type(b"\x03")
    s.expect(r"stopping it; Ctrl-C again kills it\r*\n(?s:.*)asked")
    tap.check(s.end() == 3, "run: Ctrl-C")


@tap.test("hoy -H: dashboard and top fill the screen, q ends them; config import takes a file")
def _full_screens():
    for verb in ("dashboard", "top"):
        s = screen(verb)
        s.expect(r"q ends(?s:.*)")
        s.type(b"q")
        tap.check(s.end() == 0, verb)
    done = bytes_through("dashboard")
    tap.check(done.returncode == 5 and b"needs a terminal" in done.stdout, done)
    done = bytes_through("config", "import", data=b"[hoy]\n")
    tap.check(done.returncode == 4, "there is no init here: %s" % done)


# A loaded machine may have used up its patience one stage earlier.
GIVEN_UP = rb"no (connection|TLS handshake|answer) within 5 s|no TLS handshake in time|silent"


@tap.test("hoy -H: an address that swallows everything leaves time for the next one of the machine")
def _second_address():
    hosts = os.path.join(E.work, "hosts")
    with open(hosts, "w", encoding="ascii") as f:
        f.write("127.0.0.2 two.test\n127.0.0.3 two.test\n")
    with contextlib.ExitStack() as stack:
        def opened():
            s = stack.enter_context(socket.socket())
            s.settimeout(engine.LIMIT_S)
            return s
        full, free = opened(), opened()
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        for _ in range(8):  # its queue is full: it drops what else comes
            s = opened()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        free.bind(("127.0.0.3", full.getsockname()[1]))
        free.listen()
        line = [HOY, "-H", "two.test:%d" % full.getsockname()[1], "--cert", WHO["admin"], "--timeout", "10", "ps"]
        with subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts] + line,
                              stderr=subprocess.PIPE) as child:
            connection = free.accept()[0]
            connection.close()
            err = child.stderr.read()
            tap.check(child.wait(engine.LIMIT_S) == 4 and b"no connection" not in err, err)


@tap.test("hoy -H: a machine that is silent is given up in time: connected, in the handshake, behind the command")
def _silent():
    with socket.socket() as silent:  # takes connections, says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        done = subprocess.run([HOY, "-H", "127.0.0.1:%d" % silent.getsockname()[1], "--cert", WHO["admin"], "--timeout", "5", "ps"],
                              stderr=subprocess.PIPE, timeout=engine.LIMIT_S, check=False)
        tap.check(done.returncode == 4 and re.search(GIVEN_UP, done.stderr), done)
        tap.check(time.monotonic() - begun >= 5, "given up too early")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(KEYS + "/server.pem", KEYS + "/server.key")
    context.set_alpn_protocols(["hoy/2"])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(engine.LIMIT_S)
        with subprocess.Popen([HOY, "-H", "127.0.0.1:%d" % listener.getsockname()[1], "--cert", WHO["admin"], "--timeout", "5", "ps"],
                              stderr=subprocess.PIPE) as child:
            connection = listener.accept()[0]
            try:
                connection = context.wrap_socket(connection, server_side=True)
                connection.recv(100)
            except (ssl.SSLError, OSError):  # a machine so loaded that the handshake takes longer
                pass
            err = child.stderr.read()
            connection.close()
            tap.check(child.wait(engine.LIMIT_S) == 4 and re.search(GIVEN_UP, err), err)
    tap.check(remote("admin", "exec", "one", "sleep", "2")[0] == 0, "a command that says nothing for long")


@tap.test("hoy -H: each role may do what it may, the refusal names the role it lacks")
def _roles():
    for who, line, role in (("reader", "restart one", "operator"), ("operator", "tag busybox:latest x:1", "deployer"),
                            ("deployer", "exec one true", "admin"), ("deployer", "config set hoy hostname x", "admin"),
                            ("reader", "access list", "admin"), ("reader", "poweroff", "admin")):
        code, out, _ = remote(who, *line.split())
        tap.check(code == 5 and "needs the role %s, this certificate has %s" % (role, who) in out, (line, code, out))
    tap.check(remote("operator", "restart", "one")[0] == 0, "an operator restarts")
    tap.check(remote("deployer", "tag", "busybox:latest", "x:1")[0] == 0, "a deployer gives names")
    code, out, _ = remote("admin", "claim")
    tap.check(code == 5 and "own terminal" in out, (code, out))
    log = E.log()
    tap.check_match(r"audit: reader from 127\.0\.0\.1 \(reader\): hoy restart one: refused", log, "audit")
    tap.check_match(r"audit: operator from 127\.0\.0\.1 \(operator\): hoy restart one: begun", log, "audit")


# Words that each verb is tried with, and the exit code; there is no init here: what is its own is away (4).
TRIED = {
    "access": ("list", 0), "boot": ("chart", 4), "build": ("/nowhere", None), "claim": ("", 5), "clear": ("", 5),
    "commit": ("nobody", 3), "config": ("history", 4), "cp": ("nobody:/a /data/transfer/b", 3), "dashboard": ("", 5), "df": ("", 0),
    "diff": ("nobody", 3), "exec": ("nobody true", 3), "export": ("nobody /data/transfer/x", 3), "factory-reset": ("", 5),
    "follow": ("nobody", 3), "health": ("nobody", 3), "help": ("", 0), "history": ("one", 0), "image": ("sbom none:1", 3),
    "images": ("", 0), "import": ("/nowhere", None), "kill": ("nobody", 3), "load": ("/nowhere", None), "log": ("", 4),
    "logout": ("", 5), "logs": ("nobody", 3), "metrics": ("", 0), "network": ("show links", 0), "passwd": ("", 5),
    "poweroff": ("", 4), "prune": ("", 0), "ps": ("", 0), "pull": ("127.0.0.1:1/none:1", None), "push": ("none:1", None),
    "reboot": ("", 4), "restart": ("nobody", 3), "run": ("--colour busybox", 2), "rmi": ("none:1", 3), "save": ("/data/transfer/x none:1", 3), "start": ("nobody", 3),
    "status": ("", 4), "steps": ("none:1", 3), "stop": ("nobody", 3), "store": ("check", 0), "support": ("collect", None),
    "tag": ("none:1 x:2", 3), "top": ("", 0), "version": ("", 0), "app": ("/nowhere", None), "compose": ("/nowhere", None), "containers": ("", 0),
    "dig": ("localhost", None), "disk": ("", None), "keys": ("", 0), "lock": ("", 5), "pause": ("nobody", 3),
    "ping": ("127.0.0.1", None), "resize": ("", 5), "rm": ("nobody", 3), "sessions": ("", None), "stats": ("nobody", 3),
    "time": ("", None), "traceroute": ("127.0.0.1", None), "unpause": ("nobody", 3), "users": ("", None)}

LONG = ("access", "app", "build", "compose", "config", "exec", "follow", "log", "logs", "rm", "save", "stats")  # any number of words


def documented():
    """Names of --json by verb, as the table of hoy.1 has them."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(top, "docs/man/hoy.1"), encoding="utf-8") as f:
        table = f.read().split("prints JSON, one object", 1)[1].split(".Bl -tag", 1)[1].split(".El", 1)[0]
    names = {}
    for head, text in re.findall(r"\n\.It Ic (.+)\n(.+)", table):
        for part in head.split(" , "):
            names.setdefault(part.split()[0], set()).update(re.findall(r"\b[a-z_]+\b", text))
    del names["image"], names["config"]  # a document; several rows of the table
    return {**names, "app": names["compose"], "containers": names["ps"], "keys": names["access"]}


def check_json(verb, words, wanted):
    code, out, err = remote("admin", "--json", verb, *words)
    rows = [json.loads(line) for line in out.splitlines()]
    what = (verb, words, code, out[:500], err)
    tap.check(all(isinstance(row, dict) for row in rows) and not err, what)
    tap.check(0 <= code <= 6 and code == (code if wanted is None else wanted), what)
    names = documented()
    for row in rows:
        if "error" not in row and verb in names:
            tap.check(set(row) <= names[verb], "%s: names that hoy.1 has not: %s" % (verb, set(row) - names[verb]))
        tap.check("line" not in row or verb in ("exec", "run"), what)
    errors = [row for row in rows if "error" in row]
    tap.check(code == 0 or [row["code"] for row in errors] == [code], what)


@tap.test("every verb takes --json and ends with a code of the table, the same as in its JSON")
def _all_verbs():
    netd = os.path.join(E.root, "run/hoy/netd.sock")
    os.chown(netd, 0, CONSOLE_GID)
    os.chmod(netd, 0o660)
    listed = {line.split()[0] for line in remote("admin", "help")[1].splitlines() if re.match(r"[a-z-]+ ", line)}
    listed -= {"COMMAND", "Tab"}
    tap.check(listed == set(TRIED), "only in one of the two: %s" % sorted(listed ^ set(TRIED)))
    wrong = []
    for verb, (words, wanted) in sorted(TRIED.items()):
        tries = [(words.split(), wanted)]
        if wanted != 5 and verb != "run":  # to whom a dozen words are an image and its command
            tries.append((["x"] * 12, None if verb in LONG else 2))
        for line, code in tries:
            try:
                check_json(verb, line, code)
            except (AssertionError, ValueError, KeyError) as e:
                wrong.append("%s: %s" % (verb, e))
    tap.check(not wrong, "\n".join(wrong))


@tap.test("hoy -H: a stranger's certificate, another name and a silent client get nothing")
def _strangers():
    code, out, err = remote("foreign", "ps")
    tap.check(code == 5 and not out, (code, out, err))
    tap.check("does not take this certificate" in err, err)
    code, out, err = remote("deceived", "ps")
    tap.check(code == 5 and not out, (code, out, err))
    tap.check_match(r"^the certificate of 127\.0\.0\.1 is not good: .*not correctly signed", err, "another authority")
    code, out, err = remote("admin", "ps", place="127.1")  # the same machine, by a name that is not in its certificate
    tap.check(code == 5 and not out, (code, out, err))
    tap.check_match(r"^the certificate of 127\.1 is not good: .*Common Name", err, "another name")
    code, _, err = remote("admin", "ps", place="127.0.0.1:1")
    tap.check(code == 4 and "connect to 127.0.0.1 port 1" in err, (code, err))
    done = subprocess.run([HOY, "-H", "127.0.0.1"], stderr=subprocess.PIPE, check=False)
    tap.check(done.returncode == 2 and b"usage: hoy -H" in done.stderr, done)


@tap.test("hoy -H: a request that is none is refused, and the gate goes on")
def _hostile():
    for junk in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\5ps", b"\0\0\0\3ps\1", b"\0\0\0\2\0\0"):
        with subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:2376", "-alpn", "hoy/2",
                               "-CAfile", KEYS + "/ca.pem", "-cert", KEYS + "/admin.pem", "-key", KEYS + "/admin.key"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            child.stdin.write(junk)
            child.stdin.flush()
            if junk != b"\0\0\0\5ps":
                head = child.stdout.read(1)
                tap.check(head in (b"\1", b"\2"), (junk, head))
            child.kill()
    engine.wait_for("their end", lambda: not serving())
    tap.check(remote("reader", "ps")[0] == 0, "the gate is gone")


try:
    tap.run()
finally:
    E.stop()
