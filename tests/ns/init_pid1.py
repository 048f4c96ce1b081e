#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""init as process 1 of new namespaces, with fake daemons: supervision, log, control, shutdown."""
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import tap  # noqa: E402
from pid1_box import BUILD, LIMIT_S, Machine, boot  # noqa: E402

HASH = "$2b$10$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvabcdefghi"
ZOMBIES = int(os.environ.get("HOY_ZOMBIES", "2000"))

M = None


@tap.test("boots: console, disk role, daemons with their sockets, milestones with marks")
def _boot():
    global M
    M = boot()
    for word in ("pid1 start", "console ready", "netd ready", "engine ready", "data ready"):
        tap.check("hoy: " + word in M.text, word)
    marks = dict(re.findall(r"hoy: mark (\w+) (\d+)", M.text))
    tap.check(set(marks) >= {"pid1", "console", "netd", "engine", "data"}, "marks: %r" % marks)
    log = M.command("log netd 100")
    tap.check_match(r"netd \| started fd4=1 fd5=1 fd6=1 CET-1", log, "netd's fds and time zone")
    M.until("log engine 100", r"told DATA 1")
    log = M.command("log engine 100")
    tap.check_match(r"started fd4=1 fd5=1 fd6=0", log, "engine's fds")
    tap.check_match(r"told CLOCK 1", log, "engine knows of the clock")
    tap.check_match(r"host=nshost data=ready", M.command("status"), "status")


@tap.test("a killed daemon is started again, its end is recorded, others keep running")
def _kill():
    engine = M.unit("engine")[1]
    before = M.unit("netd")
    os.kill(M.outside(before[1]), signal.SIGKILL)
    M.expect(r"init: netd ended: killed by SIGKILL; next start in \d+ ms")
    M.expect(r"init: netd ready again")
    after = M.unit("netd")
    tap.check(after[0] == "running" and after[1] != before[1] and after[2] == 1, repr(after))
    tap.check(after[3] == "killed by SIGKILL", after[3])
    tap.check(M.unit("engine")[1] == engine, "engine was touched")
    M.until("log netd 2", r"told DATA 1")  # it is told the state again, and got that far


@tap.test("one that crashes again and again: growing delays, no end of trying, then recovery")
def _crash():
    netd = M.outside(M.unit("netd")[1])
    M.act("netd", "crash")
    try:
        os.kill(netd, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has just read the word
    delays = [int(M.expect(r"netd ended: [^;]*; next start in (\d+) ms", 60).group(1))
              for _ in range(3)]
    tap.note(delays)
    tap.check(all(b > a * 3 // 2 for a, b in zip(delays, delays[1:])), "they double: %r" % delays)
    tap.check("exit 3" in M.unit("netd")[3], "the reason is kept")
    M.act("netd", "")
    M.expect(r"init: netd ready again", 60)


@tap.test("one that ignores STOP is killed after its grace")
def _deaf():
    M.act("netd", "deaf")
    M.send("unit netd 2")
    M.expect(r"netd: told STOP 5000")
    M.expect(r"init: netd does not answer \(stopping\): killed", 20)
    M.until("status", r"unit netd stopped")
    M.act("netd", "")
    M.command("unit netd 1")
    M.until("status", r"unit netd running")


@tap.test("readers of the log, as many as there may be, keep no line from its server")
def _readers():
    tap.check("syslog: LOG_FROM answered" in M.text, "before there is any reader")
    head, readers, answers = struct.Struct("<4sHHIIHH"), [], []
    for _ in range(9):
        reader = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        readers.append(reader)
        reader.settimeout(LIMIT_S)
        reader.connect(M.path("/run/hoy/init.sock"))
        body = struct.pack("<IIB", 0, 1, 1)  # every unit, one line, and those that come
        reader.send(head.pack(b"HOY1", 0x0124, 16, 1, len(body), 0, 0) + body)
        answers.append(head.unpack(reader.recv(1 << 16)[:head.size])[2])
    tap.check(answers == [5] * 8 + [3], "replies, and an error for one too many: %r" % answers)
    os.kill(M.outside(M.unit("syslog")[1]), signal.SIGKILL)
    M.expect(r"init: syslog ready again")
    tap.check(M.expect(r"syslog: LOG_FROM (\w+)").group(1) == "answered", "it was refused")
    for reader in readers:
        reader.close()


@tap.test("what role syslog left for metrics goes with it, however it ends")
def _no_metrics():
    shown = M.path("/run/hoy/syslog")
    M.until("status", r"unit syslog running")
    tap.check(os.path.exists(shown), "while it runs")
    M.act("syslog", "deaf")
    M.command("unit syslog 2")  # it is killed in the end
    M.until("status", r"unit syslog stopped")
    tap.check(not os.path.exists(shown), "it is still there")
    M.act("syslog", "")
    M.command("unit syslog 1")
    M.until("status", r"unit syslog running")


@tap.test("orphans are reaped")
def _orphans():
    script = "import os,time\nfor i in range(300):\n if os.fork()==0:\n  os.setsid()\n  time.sleep(0.2); os._exit(0)\n"
    subprocess.run(["nsenter", "-t", str(M.pid()), "-p", sys.executable, "-c", script],
                   timeout=LIMIT_S, check=True)
    end = time.monotonic() + LIMIT_S
    while True:
        with open("/proc/%d/task/%d/children" % (M.pid(), M.pid()), encoding="ascii") as f:
            count = len(f.read().split())
        if count <= 5:
            break
        tap.check(time.monotonic() < end, "%d children are left" % count)
        time.sleep(0.2)
    tap.check_match("host=", M.command("status"), "init answers")


@tap.test("a flood of log lines holds nothing up and loses no order")
def _flood():
    M.flood()
    M.until("status", r"unit engine running", 60)
    M.until("log engine 5", r"flood 19999", 60)
    numbers = [int(n) for n in re.findall(r"flood (\d+)", M.command("log engine 60"))]
    tap.check(numbers == sorted(numbers) and len(numbers) > 20, repr(numbers[:5]))


@tap.test("init.sock: root is served, a stranger is not, the password stays with the console")
def _control():
    out = M.inside(["/usr/bin/hoy-client"], input=b"status\nauth\n").stdout.decode()
    tap.check_match(r"status host=nshost", out, "root")
    tap.check_match(r"error: AUTH_GET: this peer may not send it", out, "password hash")
    out = M.inside(["-S", "12345", "-G", "12345", "/usr/bin/hoy-client"],
                   input=b"status\n").stdout.decode()
    tap.check("status host" not in out, "a stranger got: " + out)
    tap.check_match(r"no way to init: Permission denied", out, "stranger")


@tap.test("password: stored with mode 0600, known after a restart of the disk role")
def _password():
    tap.check_match(r"auth claimed=0", M.command("auth"), "unclaimed")
    tap.check_match(r"durable=1", M.command("set " + HASH), "set")
    tap.check(os.stat(M.path("/data/config/auth")).st_mode & 0o777 == 0o600, "mode")
    tap.check_match(r"error: .*form", M.command("set " + "x" * 60), "no hash")
    os.kill(M.outside(M.unit("disk")[1]), signal.SIGKILL)
    M.expect(r"init: disk ready again")
    tap.check_match(r"auth claimed=1 hash=%s login=1" % re.escape(HASH), M.command("auth"), "kept")
    tap.check_match(r"data=ready", M.command("status"), "data is still there")
    out = M.inside(["/usr/bin/hoy-client"], input=b"set %s\n" % HASH.encode()).stdout.decode()
    tap.check_match(r"error: the machine is claimed", out, "a client cannot change it")


@tap.test("a revision counts once it is applied and every daemon is told; rollback takes it back")
def _revision():
    tap.check("text <<>>" in M.command("name first"), "edited")
    tap.check("host=nshost" in M.command("status"), "an edit alone changes nothing")
    before = len(M.text)
    tap.check_match(r"revision 1 counts", M.command("apply x 0"), "applied")
    M.pos = before  # daemons are told before or after the answer
    M.expect(r"engine: told RELOAD")
    M.command("status")
    M.until("status", r"host=first")
    tap.check_match(r"error: nothing was edited", M.command("apply x 0"), "nothing to apply")
    M.command("name second")
    tap.check_match(r"revision 2 counts", M.command("apply x 0"), "applied")
    M.until("status", r"host=second")
    tap.check_match(r"revision 3 counts", M.command("rollback x 1"), "rollback")
    M.until("status", r"host=first")
    tap.check(os.stat(M.path("/data/config/revisions/00000003")).st_mode & 0o777 == 0o600, "mode")


@tap.test("a revision that nobody confirms is taken back by its time, one that is confirmed stays")
def _unconfirmed():
    M.command("name late")
    tap.check_match(r"revision 4 counts; `config confirm` within 2 s", M.command("apply x 2"), "unconfirmed")
    M.expect(r"disk: configuration revision 4 was not confirmed in time: back to 3")
    M.until("status", r"host=first")
    M.command("name kept")
    tap.check_match(r"revision 5 counts;", M.command("apply x 3600"), "unconfirmed")
    M.until("status", r"host=kept")
    tap.check("text <<>>" in M.command("confirm"), "confirmed")
    os.kill(M.outside(M.unit("disk")[1]), signal.SIGKILL)
    M.expect(r"init: disk ready again")
    M.until("status", r"host=kept")


@tap.test("a revision that was not confirmed is taken back by a start of the disk role")
def _unconfirmed_start():
    M.command("name lost")
    tap.check_match(r"revision 6 counts;", M.command("apply x 3600"), "unconfirmed")
    M.until("status", r"host=lost")
    os.kill(M.outside(M.unit("disk")[1]), signal.SIGKILL)
    M.expect(r"disk: configuration revision 6 was not confirmed: back to 5")
    M.until("status", r"host=kept")
    out = M.inside(["/usr/bin/hoy-client"], input=b"secrets\n").stdout.decode()
    tap.check_match(r"error: secrets are shown on the machine's own console only", out, "secrets")


@tap.test("the name that a DHCP server gives counts while hoy.ini has the shipped one, and only then")
def _leased_name():
    def act(text):
        M.act("netd", text)
        os.kill(M.outside(M.unit("netd")[1]), signal.SIGKILL)
        M.expect(r"init: netd ready again")

    act("named")
    M.command("name hoy")
    M.command("apply x 0")
    M.until("status", r"host=boat")
    tap.check("this machine is called boat now, as the DHCP server says" in M.text, "said")
    act("badly named")
    tap.check_match(r"host=boat", M.command("status"), "what is no name changes nothing")
    M.command("name kept")
    M.command("apply x 0")
    M.until("status", r"host=kept")
    M.act("netd", "")


def disk_log():
    """What the files of the log hold, oldest first."""
    text = ""
    for name in sorted((n for n in os.listdir(M.path("/data/log")) if n.startswith("hoy.log")), reverse=True):
        with open(M.path("/data/log/" + name), encoding="utf8") as f:
            text += f.read()
    return text


def until_logged(piece, begin=0):
    """Waits for it behind the first `begin` characters; what stands there."""
    end = time.monotonic() + LIMIT_S
    while piece not in disk_log()[begin:]:
        tap.check(time.monotonic() < end, "%r is not in:\n%s" % (piece, disk_log()[begin:][-2000:]))
        time.sleep(0.3)
    return disk_log()[begin:]


@tap.test("the log is on disk")
def _disk_log():
    text = until_logged("password set")
    tap.check_match(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+\.\d{3} <5 init> hoy: pid1 start$", text, "log")


@tap.test("what a disk role that is killed had not written yet, its successor writes")
def _disk_log_again():
    pid = M.outside(M.unit("disk")[1])
    os.kill(pid, signal.SIGSTOP)
    before = len(disk_log())
    os.kill(M.outside(M.unit("syslog")[1]), signal.SIGKILL)
    M.expect(r"syslog ended: killed by SIGKILL")
    time.sleep(3)  # it is sent to the disk role within one
    tap.check(len(disk_log()) == before, "a stopped role wrote: " + disk_log()[before:])
    os.kill(pid, signal.SIGKILL)
    M.expect(r"init: disk ready again")
    text = until_logged("disk ended: killed by SIGKILL", before)
    tap.check_match(r"(?s)syslog ended: killed by SIGKILL.*disk ended: killed by SIGKILL", text, "what was under way")


def hoy(*words):
    """The image's own console program, as a client; what it prints."""
    if not os.path.exists(M.path("/run/hoy-cli")):
        shutil.copy(os.path.join(BUILD, "bin", "hoy"), M.path("/run/hoy-cli"))
    return M.inside(["/run/hoy-cli"] + list(words), stdin=subprocess.DEVNULL).stdout.decode()


OLDER = """2026-01-02T03:04:05Z 0.100 <5 init> hoy: pid1 start
2026-01-02T03:04:06Z 1.000 <3 netd> dhcp: no Lease
2026-01-02T03:04:07Z 2.000 <6 engine> engine: up, password = hush-hush
"""


@tap.test("hoy shows the log of the boot before this one, by unit, level, text and time, as JSON too")
def _log():
    oldest = next(n for n in ("hoy.log.1", "hoy.log.2", "hoy.log.3") if not os.path.exists(M.path("/data/log/" + n)))
    with open(M.path("/data/log/" + oldest), "w", encoding="ascii") as f:
        f.write(OLDER)
    tap.check_match(r"(?m)^ *-1  2026-01-02 03:04:05  up to 2 s.*\n *0  \d{4}-", hoy("log", "--boots"), "boots")
    text = hoy("log", "--boot", "-1", "--grep", "LEASE")
    tap.check(text == "2026-01-02 03:04:06 [    1.000] dhcp: no Lease\n", text)
    for words in (("-u", "netd"), ("dhcp",), ("-p", "err"), ("--until", "2026-01-02 03:04:06", "-n", "1")):
        tap.check(hoy("log", "--boot", "-1", *words) == text, "%s: %s" % (words, hoy("log", "--boot", "-1", *words)))
    row = json.loads(hoy("log", "--boot", "-1", "-n", "1", "--json"))
    tap.check(row["boot"] == -1 and row["unit"] == "engine" and row["priority"] == 6 and row["uptime_ms"] == 2000 and
              row["time"] == "2026-01-02T03:04:07Z" and row["message"].startswith("up, password"), row)
    tap.check_match(r"(?m)^\d{4}-.* hoy: pid1 start$", hoy("log", "--boot", "0"), "this boot")
    tap.check("Lease" not in hoy("log", "--since", "1h"), "the older boot is older than that")
    tap.check_match(r"holds 2 boots", hoy("log", "--boot", "-2"), "one that is not known")
    tap.check_match(r"dhcp|nothing of", hoy("log", "-u", "nobody"), "nobody")


@tap.test("log system is everything but the kernel's; time, disk and sessions answer without netd and engine")
def _machine():
    text = hoy("log", "system", "-n", "100")
    tap.check_match(r"(?m)^\[ *\d+\.\d{3}\] (init|hoy): ", text, "init's lines")
    tap.check(" kernel: " not in text, "the kernel's lines")
    tap.check_match(r"(?m)^clock +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(.+\), up \d+ s\nstate +the network helper .+\nservers", hoy("time"),
                    "the clock, and who is away")
    row = json.loads(hoy("time", "--json"))
    tap.check(row["time"].endswith("Z") and not row["synchronised"] and "network helper" in row["unknown"], row)
    tap.check_match(r"(?m)^DISK +SIZE +KIND +LABEL/MODEL +USE\n(.+\n)*/data is ", hoy("disk"), "disks")
    for line in hoy("disk", "--json").splitlines():
        tap.check(json.loads(line)["kind"] in ("disk", "partition"), line)
    tap.check_match(r"(?m)^SESSION +PID +SECONDS +STATE\nconsole +\d+ +\d+ ", hoy("sessions"), "the console of init")
    for verb in ("resize", "lock"):
        tap.check_match("terminal|own console", hoy(verb), verb)


def rows(*words):
    return [json.loads(line) for line in hoy(*words, "--json").splitlines()]


@tap.test("--json: config, history, log --boots and boot chart have names of their own")
def _json_names():
    tap.check(set(rows("config", "set", "hoy", "idle_logout", "17m")[0]) == {"result"}, "config set")
    diff = rows("config", "diff")
    tap.check({"diff": "+ idle_logout = 17m"} in [{"diff": re.sub(r"\s+", " ", r["diff"])} for r in diff], diff)
    tap.check("idle_logout = 17m" in re.sub(r" +", " ", rows("config", "candidate")[0]["text"]), "the candidate as one text")
    tap.check(set(rows("config", "discard")[0]) == {"result"} and rows("config", "diff") == [], "config discard")
    shown = rows("config", "show")
    tap.check([r["file"] for r in shown] == ["hoy", "network", "engine", "services"] and "[hoy]" in shown[0]["text"], shown)
    revisions = rows("config", "history")
    tap.check(revisions and all(set(r) == {"revision", "when", "state", "note"} for r in revisions), revisions)
    tap.check([r for r in revisions if r["state"] == "counts"] and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", revisions[0]["when"]), revisions)
    boots = rows("history")
    tap.check(boots and set(boots[0]) == {"when", "reason"} and boots[0]["reason"], boots)
    tap.check([set(r) == {"boot", "time", "seconds"} for r in rows("log", "--boots")][-1], rows("log", "--boots"))
    marks = rows("boot", "chart")
    tap.check(marks[0]["name"] == "pid1" and set(marks[0]) == {"name", "service", "from_ms", "to_ms"}, marks[0])


@tap.test("hoy boot chart is SVG with the marks of this boot")
def _chart():
    svg = ElementTree.fromstring(hoy("boot", "chart"))
    texts = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    for name in ("pid1", "console", "data", "netd", "engine"):
        tap.check(name in texts, texts)


@tap.test("hoy support collect writes one tar without secrets")
def _support():
    path = re.search(r"(/data/transfer/support-\S+\.tar):", hoy("support", "collect"))
    tap.check(path, "no archive is named")
    with tarfile.open(M.path(path.group(1))) as tar:
        members = {os.path.basename(m.name): tar.extractfile(m).read() for m in tar}
    for name, piece in (("status.json", b'"uptime_ms"'), ("boot-before.txt", b"(redacted)"),
                        ("hoy.txt", b"hostname"), ("version.txt", b"Hoy ")):
        tap.check(piece in members[name], "%s: %r" % (name, members[name][:300]))
    # The last part of this boot: where it begins is up to how much of the flood reached the disk.
    lines = members["this-boot.txt"].decode().splitlines()
    tap.check(lines and all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[ *\d+\.\d{3}\] ", line) for line in lines),
              "this-boot.txt: %r" % lines[:3])
    tap.check(any("password set" in line for line in lines) and not any("no Lease" in line for line in lines),
              "this-boot.txt: %r" % lines[-3:])
    tap.check(not any(b"hush-hush" in data for data in members.values()), "a secret is in it")
    tap.check(os.stat(M.path(path.group(1))).st_mode & 0o777 == 0o600, "its mode")


class Screen:
    """The image's own `hoy` on a terminal of its own."""

    def __init__(self, *words):
        hoy("version")
        self.master, slave = os.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            ["nsenter", "-t", str(M.pid()), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "/run/hoy-cli"] + list(words),
            stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def expect(self, pattern):
        """Waits for it in what came since the last match; escape sequences are left out."""
        end = time.monotonic() + LIMIT_S
        while True:
            plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.text)
            if re.search(pattern, plain):
                self.text = ""
                return
            tap.check(time.monotonic() < end, "nothing matches %r in:\n%s" % (pattern, plain[-2000:]))
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode("utf8", "replace")
                except OSError:
                    tap.check(re.search(pattern, self.text), "it ended:\n" + self.text[-2000:])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@tap.test("config edit on a terminal: a mistake is marked while it is typed, and saved is what was mended")
def _edit():
    before = hoy("config", "candidate")
    screen = Screen("config", "edit")
    try:
        screen.expect(r"\^O save")
        os.write(screen.master, b"\x1b[B" * 60 + b"\x05\r[hoy]\rtimezon = UTC0")
        screen.expect(r"(?s)! timezon = UTC0.*line \d+: unknown key 'timezon' in \[hoy\]: did you mean 'timezone'")
        tap.check(hoy("config", "candidate") == before, "nothing is kept before it is saved")
        os.write(screen.master, b"\x1b[D" * 7 + b"e")
        screen.expect(r"  timezone = UTC0")
        os.write(screen.master, b"\x18")
        screen.expect(r"Ctrl-X once more leaves without")
        os.write(screen.master, b"\x0f")
        screen.expect(r"saved as the candidate")
        os.write(screen.master, b"\x18")
        screen.expect(r"done")
        tap.check(screen.process.wait(LIMIT_S) == 0, "exit code")
    finally:
        screen.close()
    tap.check_match(r"(?m)^timezone = UTC0$", hoy("config", "candidate"), "saved")
    hoy("config", "discard")
    tap.check(hoy("config", "candidate") == before, "discarded")


@tap.test("config edit: what somebody else saved meanwhile is not saved over, but by a second Ctrl-O")
def _edit_twice():
    screen = Screen("config", "edit")
    try:
        screen.expect(r"\^O save")
        os.write(screen.master, b"\x1b[B" * 60 + b"\x05\r[hoy]\rtimezone = UTC1")
        screen.expect(r"  timezone = UTC1")
        hoy("config", "set", "hoy", "idle_logout", "18m")
        other = hoy("config", "candidate")
        os.write(screen.master, b"\x0f")
        screen.expect(r"not saved: somebody else changed it meanwhile; Ctrl-O again saves over that")
        tap.check(hoy("config", "candidate") == other, "it was saved over")
        os.write(screen.master, b"\x0f")
        screen.expect(r"saved as the candidate")
        os.write(screen.master, b" ")
        screen.expect(r"UTC1")
        os.write(screen.master, b"\x0f")  # its own save is nobody else's
        screen.expect(r"saved as the candidate")
        os.write(screen.master, b"\x18")
        screen.expect(r"done")
    finally:
        screen.close()
    tap.check("UTC1" in hoy("config", "candidate") and "idle_logout" not in hoy("config", "candidate"), "the second one was told to")
    hoy("config", "discard")


class StandIn:
    """Answers console calls in a daemon's place, at its socket's path: answer(type) gives the body."""
    HEAD = struct.Struct("<4sHHIIHH")

    def __init__(self, name, answer):
        self.answer = answer
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.rename(M.path("/run/hoy/" + name), M.path("/run/hoy/%s.own" % name))
        self.place, self.name = os.open(M.path("/run/hoy"), os.O_PATH | os.O_DIRECTORY), name
        self.sock.bind("/proc/self/fd/%d/%s" % (self.place, name))
        os.chown(M.path("/run/hoy/" + name), 0, 900)
        os.chmod(M.path("/run/hoy/" + name), 0o660)
        self.sock.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                threading.Thread(target=self.serve, args=(self.sock.accept()[0],), daemon=True).start()
            except OSError:
                return

    def serve(self, sock):
        while True:
            try:
                head = self.HEAD.unpack(sock.recv(70000)[:self.HEAD.size])
                body = self.answer(head[1])
                sock.send(self.HEAD.pack(b"HOY1", head[1], 1, head[3], len(body), 0, 0) + body)
            except (OSError, struct.error):
                return

    def close(self):
        os.rename(M.path("/run/hoy/%s.own" % self.name), M.path("/run/hoy/" + self.name))
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        os.close(self.place)


def text_of(text):
    return struct.pack("<I", len(text)) + text.encode()


@tap.test("config apply: a gateway that no longer answers takes the change back at once, with --confirm too")
def _gateway():
    state = {"old": "", "loses": False, "route": True}

    def netd(kind):
        changed = hoy_current() != state["old"]
        if kind == 9:  # CHECK: until the revision counts it differs
            return struct.pack("<I", 0) + text_of("" if changed else "~ [network up] Gateway\n")
        lost = changed and state["loses"]
        row = "default 10.9.0.1 up0 %s\n" % ("failed" if lost else "reachable")
        return text_of("DESTINATION GATEWAY LINK STATE\n" + (row if state["route"] or not lost else ""))

    def hoy_current():
        return max(name for name in os.listdir(M.path("/data/config/revisions")) if name.isdigit())

    def apply(loses, route, *words):
        state.update(old=hoy_current(), loses=loses, route=route)
        hoy("config", "set", "network up", "Gateway", "10.9.0.%d" % (len(words) + 2 * loses + 4 * route + 2))
        return hoy("config", "apply", "--gateway", "2s", *words)

    stand_ins = [StandIn("netd.sock", netd), StandIn("engine.sock", lambda kind: struct.pack("<I", 0) + text_of("") + struct.pack("<I", 0) + text_of(""))]
    try:
        text = apply(False, True)
        tap.check("counts" in text and "taken back" not in text, "a gateway that answers: " + text)
        kept = hoy("config", "show", "network.ini")
        text = apply(True, True)
        tap.check_match(r"(?s)comes back.*the gateway does not answer any more: the change is taken back", text, "silent")
        text = apply(True, True, "--confirm", "1h")
        tap.check_match(r"(?s)comes back.*the gateway does not answer any more: the change is taken back", text, "silent, with --confirm")
        text = apply(True, False, "--confirm", "1h")
        tap.check_match(r"(?s)comes back.*the default route is gone: the change is taken back", text, "no route")
        tap.check(hoy("config", "show", "network.ini") == kept, "what counted before counts")
        text = apply(False, True, "--confirm", "1h")
        tap.check("within" in text and "taken back" not in text, "it waits for a person: " + text)
        tap.check("error" not in hoy("config", "confirm"), "who confirms it")
    finally:
        for one in stand_ins:
            one.close()


@tap.test("config set and apply of a key that the config media have too: said with layer, file and line, in --json as note")
def _covered():
    folder = M.path("/run/hoy/config/30-media")
    os.makedirs(folder + "/hoy.d")
    with open(folder + "/hoy.d/boot.ini", "w", encoding="ascii") as f:
        f.write("# from the media\n[hoy]\nhostname = media\n")
    nothing = struct.pack("<I", 0) + text_of("")
    stand_ins = [StandIn("netd.sock", lambda kind: nothing), StandIn("engine.sock", lambda kind: nothing + nothing)]
    before = str(rows("config", "history")[0]["revision"])
    said = "hostname in [hoy]: the config media have it too (media:hoy.d/boot.ini:3), and win"
    try:
        tap.check(said in hoy("config", "set", "hoy", "hostname", "void"), "config set")
        tap.check(rows("config", "set", "hoy", "hostname", "again")[1] == {"note": said}, "config set --json")
        tap.check("win" not in hoy("config", "set", "hoy", "idle_logout", "18m"), "a key of its own")
        for verb in ("validate", "apply"):
            tap.check(said in hoy("config", verb), verb)
        hoy("config", "set", "hoy", "idle_logout", "19m")
        tap.check("win" not in hoy("config", "apply"), "what was said once, and did not change, is not said again")
        tap.check(said in hoy("config", "unset", "hoy", "hostname"), "what is taken out here and stays there")
    finally:
        shutil.rmtree(folder)
        for one in stand_ins:
            one.close()
    hoy("config", "discard")
    hoy("config", "rollback", before)


@tap.test("ctrl-alt-del: engine, then netd, then /data, then reboot")
def _end():
    reason = M.path("/data/state/reason")
    with open(reason, encoding="ascii") as f:
        tap.check(f.read() == "running\n", "a session lasts")
    M.until("status", r"unit netd running")
    os.kill(M.pid(), signal.SIGINT)
    for line in (r"init: reboot: ctrl-alt-del", r"engine: told STOP 60000", r"netd: told STOP 5000",
                 r"init: unmounting the data partition", r"disk: /data unmounted clean",
                 r"init: rebooting"):
        M.expect(line)
    code = M.wait_end()
    tap.check(code in (-signal.SIGHUP, 128 + signal.SIGHUP), "a reboot ends with SIGHUP: %r" % code)


@tap.test("a data partition that turns read-only under its feet: status and the log say so, once, nothing else stops")
def _lost():
    m = boot()
    try:
        tap.check("took no more writes" not in m.command("status"), "before")
        # Over it, for PID 1 has a file open there: only the kernel itself takes writing away then.
        subprocess.run(["nsenter", "-t", str(m.pid()), "-m", "mount", "-t", "tmpfs", "-o", "ro", "lost", os.path.join(m.root, "data")], check=True)
        m.expect(r"disk: data: /dev/\S+ took no more writes \(see `log kernel`\) and is read-only: nothing is kept any more")
        m.until("status", r"data=lost .*took no more writes")
        for name in ("netd", "engine", "disk"):
            tap.check(m.unit(name)[0] == "running", name)
        tap.check(m.text.count("disk: data: /dev/") == 1, "said more than once")
        os.kill(m.pid(), signal.SIGINT)
        m.expect(r"disk: /data was lost before")
        m.expect(r"init: rebooting")
        m.wait_end()
    finally:
        m.close()


@tap.test("a broken configuration: fail-safe profile with console and link-local network, all else waits")
def _failsafe():
    m = Machine(network_ini=r"[network lan]\nDHCP = yes\n%300000s")
    try:
        m.expect(r"init: the configuration is broken: network\.ini: [^;]*; "
                 r"fail-safe profile: console and link-local network, everything else waits")
        m.until("status", r"unit netd running")
        m.until("status", r"unit engine stopped pid=0 .* text=waits: the fail-safe profile counts")
        with open(m.path("/run/hoy/config/20-data/network.ini"), encoding="ascii") as f:
            text = f.read()
        tap.check("[network failsafe]" in text and "DHCP = no" in text and "lan" not in text, text)
        tap.check(not os.path.exists(m.path("/run/hoy/config/30-media/services.ini")), "nothing is declared")
        os.kill(m.outside(m.unit("disk")[1]), signal.SIGKILL)
        m.expect(r"init: disk ready again")
        m.until("status", r"unit engine stopped")
        os.unlink(m.path("/data/config/network.ini"))  # a person mends it
        m.command("name mended")
        before = len(m.text)
        m.command("apply x 0")
        m.pos = before
        m.expect(r"init: the fail-safe profile counts no more")
        m.until("status", r"unit engine running")
        m.until("status", r"host=mended")
        with open(m.path("/data/config/network.ini"), "wb") as f:
            f.write(b"#" * 300000)
        m.command("name later")
        m.command("apply x 0")
        m.until("status", r"host=later")
        m.until("status", r"unit engine running")
    finally:
        m.close()


@tap.test("zero bytes cost the lines that they stand in, a services.ini that cannot be read what it declares; all else runs")
def _bytes():
    m = Machine(network_ini=r"[network lan]\nDHCP = yes\n\000\000\n", services_ini=r"[service web]\n%300000s")
    try:
        m.expect(r"disk: configuration file services\.ini: ")
        m.until("status", r"unit engine running")
        m.until("status", r"unit netd running")
        with open(m.path("/run/hoy/config/20-data/network.ini"), "rb") as f:
            tap.check(f.read() == b"[network lan]\nDHCP = yes\n\0\0\n", "netd reads the lines, and says where")
        tap.check(not os.path.exists(m.path("/run/hoy/config/20-data/services.ini")), "it is left out")
        m.until("config hoy", r"services\.ini: .*; what it declares is left out, all else runs")
        m.until("status", r"issues=1")
        tap.check("fail-safe" not in m.text, m.text[-2000:])
        os.unlink(m.path("/data/config/services.ini"))
        m.command("name mended")
        m.command("apply x 0")
        m.until("status", r"host=mended")
        m.until("status", r"issues=0")
    finally:
        m.close()


@tap.test("a fault of init: the reason is written, the machine starts again")
def _fault():
    m = boot()
    try:
        end = time.monotonic() + 60
        while not any(n.endswith("/data/state/fault") for n in m.open_files()):
            tap.check(time.monotonic() < end, "init does not open its file for a fault")
            time.sleep(0.1)
        with open(m.path("/data/state/fault"), "rb") as f:
            os.kill(m.pid(), signal.SIGSEGV)
            code = m.wait_end()
            text = f.read().decode()
        tap.check(code in (-signal.SIGHUP, 128 + signal.SIGHUP), "reboot: %r" % code)
        tap.check_match(r"^init fault: SIGSEGV at address 0x[0-9a-f]+, pc 0x", text, "reason")
    finally:
        m.close()


def zombies(m, count):
    """Children of children that end at once, as PID 1 of the namespace finds them."""
    script = "i=0; while [ $i -lt %d ]; do (: & : & : & : & : &); i=$((i + 5)); done" % count
    subprocess.run(["nsenter", "-t", str(m.pid()), "-p", "dash", "-c", script],
                   timeout=LIMIT_S + count // 10, check=True)
    end = time.monotonic() + LIMIT_S
    while True:
        with open("/proc/%d/task/%d/children" % (m.pid(), m.pid()), encoding="ascii") as f:
            left = f.read().split()
        if len(left) < 20:
            return
        tap.check(time.monotonic() < end, "%d children are left" % len(left))
        time.sleep(0.1)


@tap.test("the image's own init: no heap after the boot and thousands of zombies, less than 300 KiB")
def _heap():
    path = os.path.join(BUILD, "bin", "init")
    tap.check(os.path.getsize(path) < 300 * 1024, "%d bytes" % os.path.getsize(path))
    m = boot(init=path)

    def data_kib():
        with open("/proc/%d/status" % m.pid(), encoding="ascii") as f:
            return int(re.search(r"VmData:\s+(\d+)", f.read()).group(1))
    try:
        before = data_kib()
        m.flood()
        m.until("log engine 5", r"flood 19999", 60)
        for _ in range(20):
            m.command("status")
            m.command("config hoy")
            m.inside(["/usr/bin/hoy-client"], input=b"log all 200\n")
        os.kill(m.outside(m.unit("netd")[1]), signal.SIGKILL)
        m.expect(r"init: netd ready again")
        zombies(m, ZOMBIES)
        tap.check(data_kib() == before, "data memory grew from %d to %d KiB" % (before, data_kib()))
        with open("/proc/%d/maps" % m.pid(), encoding="ascii") as f:
            tap.check("[heap]" not in f.read(), "it has a heap")
    finally:
        m.close()


try:
    tap.run()
finally:
    if M is not None:
        M.close()
