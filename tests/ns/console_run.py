#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`hoy run`: the image's console program against the real engine, netd and a registry."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import deb, engine, image, pulling, tap, terminal  # noqa: E402

CONSOLE_GID = 900
PLACE = "10.99.0.1"  # the registry's address, which comes and goes
SLOW_S = 7           # how long it thinks about the image `slow`
if not os.environ.get("HOY_ENGINE_BOX"):
    deb.tree("busybox-static")
engine.enter()


def ip(*words):
    subprocess.run(["ip"] + list(words), check=True)


ip("link", "set", "lo", "up")
ip("address", "add", PLACE + "/32", "dev", "lo")
DECLARES = image.busybox(config={"Volumes": {"/vol": {}, "/said": {}, "/": {}}, "ExposedPorts": {"80/tcp": {}, "53/udp": {}}})
MADE = image.busybox(page="run", config={"Cmd": ["sh", "-c", "echo pulled and run"]})


def serve(handler):
    if handler.path.endswith("/slow/manifests/1"):
        time.sleep(SLOW_S)
    return pulling.serve_image(handler, MADE)


R = pulling.Server(serve, address=PLACE).__enter__()
HOST = "%s:%d" % (PLACE, R.port)
E = engine.Engine("run", images=[(image.busybox(), "busybox:latest"), (DECLARES, "declares:1")], config="[registry %s]\ninsecure = yes\n" % HOST,
                  services="[service declared]\nimage = busybox:latest\ncommand = sleep 100000\nstop_grace_period = 1s\n")


def hoy(*words):
    """What it prints; its exit code stands in `hoy.code`."""
    hoy.code, text = E.hoy(*words)
    return text


def row(name):
    found = re.search(r"(?m)^%s .*" % re.escape(name), hoy("ps"))
    return found.group(0) if found else ""


def screen_of(*words):
    """`hoy` on a terminal of its own."""
    return terminal.Terminal(["chroot", E.root, "/usr/bin/hoy"] + list(words), engine.LIMIT_S)


@tap.test("run: the output of both streams, escaped, and the command's exit code")
def _run():
    E.start()
    path = os.path.join(E.root, "run/hoy/engine.sock")
    os.chown(path, 0, CONSOLE_GID)
    os.chmod(path, 0o660)
    engine.wait_for("the declared one", lambda: " running " in row("declared"))
    text = hoy("run", "--rm", "--name", "first", "busybox", "sh", "-c", "echo out; echo 'a\033[31mb' >&2; printf open; exit 7")
    lines = text.splitlines()
    tap.check(hoy.code == 7 and sorted(lines) == sorted(["out", "a\\x1b[31mb", "open", "exit 7"]), "%d: %r" % (hoy.code, text))
    tap.check(hoy("run", "--rm", "busybox", "true") == "" and hoy.code == 0, "nothing said, nothing shown")
    text = hoy("run", "--rm", "busybox", "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
    tap.check(text.splitlines() == ["line %d" % i for i in range(2000)], "each line, in order: %d bytes" % len(text))
    engine.wait_for("they are gone", lambda: not re.search(r"(?m)^(first|busybox-)", hoy("ps", "-a")))


@tap.test("run -d: its name is printed, options are keys of a section, other verbs know it")
def _detached():
    text = hoy("run", "-d", "--name", "web", "-p", "127.0.0.1:8099:80", "-e", "WORD=a b", "-v", "kept:/kept", "-w", "/tmp", "-h", "there",
               "--label", "a=b", "busybox", "sh", "-c", "echo $WORD; hostname; pwd; exec httpd -f -p 80 -h /www")
    tap.check(hoy.code == 0 and text == "web\n", "%d: %r" % (hoy.code, text))
    engine.wait_for("what it says", lambda: hoy("logs", "web") == "a b\nthere\n/tmp\n")
    tap.check_match(r"running +up .*127\.0\.0\.1:8099->80/tcp", hoy("ps", "--json") and row("web"), "its port")
    row_json = [r for r in map(json.loads, hoy("ps", "--json").splitlines()) if r["name"] == "web"][0]
    tap.check(row_json["declared"] is False, row_json)
    hoy("run", "-d", "--name", "web", "busybox", "true")
    tap.check(hoy.code != 0 and hoy("run", "--name", "declared", "busybox") and hoy.code != 0, "a name that is taken")
    made = json.loads(hoy("--json", "run", "-d", "busybox", "sleep", "1000"))
    tap.check(re.match(r"busybox-[0-9a-f]{4}$", made["name"]) and len(made["id"]) == 64, made)
    for name in ("web", made["name"]):
        tap.check(hoy("rm", "-f", name) == "" and hoy.code == 0, name)


@tap.test("run: what cannot be is refused with the option's key, and what cannot start leaves nothing behind")
def _refused():
    for words, pattern in ((("-p", "80:99999999", "busybox"), "ports"), (("--memroy", "1m", "busybox"), "--memory"),
                           (("--name", "a b", "busybox"), "a name has"), (("-m", "x", "busybox"), "mem_limit"), ((), "usage")):
        text = hoy("run", *words)
        tap.check(hoy.code == 2 and pattern in text, "%s: %d %r" % (words, hoy.code, text))
    text = hoy("run", "--name", "gone", "busybox", "no-such-program")
    tap.check(hoy.code != 0 and "not found" in text, "%d: %r" % (hoy.code, text))
    hoy("run", "-d", "--name", "gone", "--network", "nowhere", "busybox", "true")
    tap.check(hoy.code != 0, "a network that is not there")
    tap.check(not row("gone"), hoy("ps", "-a"))


@tap.test("run pulls an image that is missing: progress is shown, a registry that thinks long is waited for aloud")
def _pull():
    text = hoy("run", "--rm", HOST + "/app:1")
    tap.check(hoy.code == 0 and text.startswith("%s/app:1 is not here: pulling it\n" % HOST), text)
    tap.check("layer 2/2 [" in text and text.endswith("\npulled and run\n"), text)
    asked = len(R.seen)
    tap.check(hoy("run", "--rm", HOST + "/app:1") == "pulled and run\n" and len(R.seen) == asked, "it is here now")
    text = hoy("run", "--rm", HOST + "/slow:1")
    tap.check(text.count("waiting for the registry to answer, 5 s\n") == 1 and text.endswith("\npulled and run\n"), text)
    tap.check(text.count("waiting") < 4, "it waits, it does not spin: " + text[-500:])
    text = hoy("run", "--rm", HOST + "/app:no-such-tag")
    tap.check(hoy.code != 0 and "next try" not in text, "who says no is not asked again: %r" % text)


@tap.test("run: while the registry cannot be reached it says so with the next try, and goes on when it is there")
def _away():
    ip("address", "del", PLACE + "/32", "dev", "lo")
    screen = screen_of("run", "--rm", HOST + "/late:1")
    screen.expect(r"next try in 2 s, Ctrl-C ends it\r*\n")
    screen.expect(r"next try in 4 s")
    ip("address", "add", PLACE + "/32", "dev", "lo")
    screen.expect(r"\r*\npulled and run\r*\n")
    tap.check(screen.end() == 0, "its exit code")
    ip("address", "del", PLACE + "/32", "dev", "lo")
    screen = screen_of("run", "--rm", HOST + "/never:1")
    screen.expect(r"next try in 2 s")
    screen.type(b"\x03")
    screen.end()
    ip("address", "add", PLACE + "/32", "dev", "lo")


@tap.test("run on a terminal: Ctrl-C stops it, -t passes keys in and bytes out")
def _terminal():
    screen = screen_of("run", "--name", "stops", "busybox", "sh", "-c", "trap 'echo asked; exit 3' TERM; echo runs; while :; do sleep 0.1; done")
    screen.expect(r"runs\r*\n")
    screen.type(b"\x03")
    screen.expect(r"stopping it; Ctrl-C again kills it\r*\n(?s:.*)asked\r*\n")
    tap.check(screen.end() == 3, "its exit code")
    tap.check(" exited " in row("stops") and hoy("rm", "stops") == "", row("stops"))
    screen = screen_of("run", "-it", "--rm", "busybox", "sh")
    screen.expect(r"# ")
    screen.type(b"echo $((6*7)); tty; exit 5\n")
    screen.expect(r"42\r*\n/dev/pts/0\r*\n")
    tap.check(screen.end() == 5, "its exit code")


@tap.test("run -i: a file goes in to its last byte, and its end is told; without -i there is none")
def _input():
    data = b"".join(b"line %d\n" % i for i in range(40000))
    done = subprocess.run(["chroot", E.root, "/usr/bin/hoy", "run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; echo done"], input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=engine.LIMIT_S, check=False)
    tap.check(done.returncode == 0 and done.stdout.decode() == "%d\ndone\n" % len(data), "%d: %r" % (done.returncode, done.stdout[-300:]))
    done = subprocess.run(["chroot", E.root, "/usr/bin/hoy", "run", "--rm", "-i", "busybox", "sh", "-c", "exec <&-; sleep 0.2; echo closed"],
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=engine.LIMIT_S, check=False)
    tap.check(done.returncode == 0 and done.stdout == b"closed\n", "who reads nothing: %d %r" % (done.returncode, done.stdout[-300:]))
    tap.check(hoy("run", "--rm", "busybox", "wc", "-c") == "0\n", "without -i")
    s = screen_of("run", "--rm", "-i", "busybox", "sh", "-c", "echo ready; while read l; do echo got-$l; done; echo over")
    s.expect("ready")
    s.type(b"one\r")
    s.expect("got-one")
    s.type(b"\x04")
    s.expect("over")
    tap.check(s.end() == 0, "the end of what is typed")


@tap.test("exec -i: bytes go in and come out as they are, errors apart, and the end is told; without -i there is none")
def _exec_input():
    def through(*words, data=b""):
        return subprocess.run(["chroot", E.root, "/usr/bin/hoy", "exec"] + list(words), input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=engine.LIMIT_S, check=False)
    data = bytes(range(256)) * 8192  # more than all pipes together hold
    done = through("-i", "declared", "cat", data=data)
    tap.check(done.returncode == 0 and done.stdout == data and not done.stderr, "%d of %d bytes, %r" % (len(done.stdout), len(data), done.stderr))
    done = through("-i", "declared", "sh", "-c", "wc -c; echo wrong >&2; exit 4", data=data)
    tap.check((done.returncode, done.stdout, done.stderr) == (4, b"%d\n" % len(data), b"wrong\n"), done)
    done = through("-i", "declared", "sh", "-c", "exec <&-; sleep 0.2; echo closed", data=data)
    tap.check((done.returncode, done.stdout) == (0, b"closed\n"), done)
    done = through("declared", "wc", "-c", data=data)
    tap.check((done.returncode, done.stdout) == (0, b"0\n"), done)
    done = through("-i", "-w", "/tmp", "-e", "A=b c", "-u", "5:6", "declared", "sh", "-c", "pwd; echo $A; id -u; id -g")
    tap.check(done.stdout == b"/tmp\nb c\n5\n6\n", done)
    done = through("declared", "printf", "a\\033[31mb")
    tap.check(done.stdout == b"a\\x1b[31mb\n", "without -i it is escaped: %s" % done)


@tap.test("exec -i on a terminal: lines are edited as on the console, Ctrl-D ends them, Ctrl-C the command; -t: keys as they are")
def _exec_terminal():
    s = screen_of("exec", "-i", "declared", "sh", "-c", "echo ready; while read l; do echo got-$l; done; echo over")
    s.expect("ready")
    s.type(b"onf\x7fe\r")
    s.expect("got-one")
    s.type(b"\x04")
    s.expect("over")
    tap.check(s.end() == 0, "the end of what is typed")
    E.engine.process.send_signal(signal.SIGSTOP)  # typed before the engine has answered
    try:
        s = screen_of("exec", "-i", "declared", "sh", "-c", "while read l; do echo got-$l; done; echo over")
        engine.wait_for("its terminal's keys come as they are", s.raw)
        s.type(b"early\r\x04")
        s.expect("early")
    finally:
        E.engine.process.send_signal(signal.SIGCONT)
    s.expect("got-early")
    s.expect("over")
    tap.check(s.end() == 0, "the end of what was typed early")
    s = screen_of("exec", "-i", "declared", "sh", "-c", "echo ready; cat")
    s.expect("ready")
    s.type(b"\x03")
    tap.check(s.end() != 0, "Ctrl-C")
    s = screen_of("exec", "-it", "declared", "sh")
    s.expect("# ")
    s.type(b"echo $((6*7)); tty; exit 5\r")
    s.expect(r"42\r*\n/dev/pts/\d")
    tap.check(s.end() == 5, "its exit code")


@tap.test("run: volumes that the image declares and that nobody named, ports of the image's and of -p without one here")
def _chance():
    hoy("run", "-d", "--name", "chance", "-P", "-p", "7070", "-v", "/own", "-v", "kept:/said", "declares:1", "sh", "-c",
        "echo in > /vol/file; ls -d /vol /own /said; exec sleep 1000")
    tap.check(hoy.code == 0, row("chance"))
    engine.wait_for("what it says", lambda: hoy("logs", "chance") == "/own\n/said\n/vol\n")
    found = re.findall(r"(\d+)->(\d+)/(tcp|udp)", row("chance"))
    tap.check(sorted((inner, proto) for _, inner, proto in found) == [("53", "udp"), ("7070", "tcp"), ("80", "tcp")], row("chance"))
    tap.check(len({outer for outer, _, _ in found}) == 3 and all(int(outer) > 1024 for outer, _, _ in found), row("chance"))
    volumes = lambda: [v for v in os.listdir(os.path.join(E.root, "data/volumes")) if len(v) == 64]  # noqa: E731
    tap.check(len(volumes()) == 2, volumes())
    tap.check(hoy("rm", "-f", "chance") == "" and hoy.code == 0, "gone")
    tap.check(len(volumes()) == 2, "without -v they stay, also where it ran: %s" % volumes())
    hoy("run", "-d", "--name", "other", "declares:1", "sleep", "1000")
    tap.check(len(volumes()) == 4 and hoy("rm", "-fv", "other") == "" and len(volumes()) == 2, "-v takes them along: %s" % volumes())
    hoy("run", "--rm", "declares:1", "true")
    tap.check(hoy.code == 0, "exit code %d" % hoy.code)
    engine.wait_for("volumes without a name to go with their containers", lambda: len(volumes()) == 2)


@tap.test("run: limits, kernel settings, groups, /dev/shm and search domains of its own")
def _own():
    text = hoy("run", "--rm", "--ulimit", "nofile=100:200", "--sysctl", "net.core.somaxconn=77", "--group-add", "44", "--shm-size", "1m",
               "--security-opt", "no-new-privileges", "--dns-search", "shop.example", "busybox", "sh", "-c",
               "ulimit -Sn; ulimit -Hn; cat /proc/sys/net/core/somaxconn; id -G; grep NoNewPrivs /proc/self/status; "
               "df -k /dev/shm | tail -n 1; grep search /etc/resolv.conf")
    tap.check(hoy.code == 0, "%d: %r" % (hoy.code, text))
    lines = text.splitlines()
    tap.check(lines[:3] == ["100", "200", "77"] and "44" in lines[3].split() and lines[4].split()[1] == "1", text)
    tap.check(lines[5].split()[1] == "1024" and lines[6].split() == ["search", "shop.example"], text)
    text = hoy("run", "--rm", "--ulimit", "nofile=x", "busybox", "true")
    tap.check(hoy.code == 2 and "ulimits" in text, text)


@tap.test("a command's own words stay its own: --json behind run and exec, and a pipe to json")
def _words():
    tap.check(hoy("run", "--rm", "busybox", "echo", "--json") == "--json\n", "run")
    tap.check(hoy("exec", "declared", "echo", "--json") == "--json\n", "exec")
    tap.check(hoy("--json", "run", "--rm", "busybox", "echo", "x") == '{"line":"x"}\n', "JSON in front")


try:
    tap.run()
finally:
    E.stop()
