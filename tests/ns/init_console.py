#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""init with the image's own console on its terminal: sessions, what the log keeps of them, their ends."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from fixture import tap  # noqa: E402
from pid1_box import BUILD, LIMIT_S, Machine, consoles  # noqa: E402

PASSWORD = "correct horse 7"
PROMPT = r"nshost> \Z"
M = None
TTY = consoles()[0]


def plain(text):
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[78])", "", text).replace("\r", "")


class Seat:
    """A person at the terminal: what stands on it since the last key."""

    def __init__(self, machine):
        self.m = machine

    def type(self, text):
        self.m.pump(0)
        self.m.pos = len(self.m.text)
        os.write(self.m.master, text.encode())

    def see(self, pattern):
        end = time.monotonic() + LIMIT_S
        while not re.search(pattern, plain(self.m.text[self.m.pos:])):
            tap.check(time.monotonic() < end, "nothing matches %r in:\n%s" % (pattern, plain(self.m.text[-3000:])))
            self.m.pump()
        return plain(self.m.text[self.m.pos:])

    def do(self, line, pattern=PROMPT):
        self.type(line + "\r")
        return self.see(pattern)

    def log_in(self):
        self.see(r"password: \Z")
        self.do(PASSWORD)


SEAT = None


def hoy(*words):
    return M.inside(["/usr/bin/hoy"] + list(words), stdin=subprocess.DEVNULL).stdout.decode()


def audit():
    return re.findall(r"(?m)^.*\binit: (audit: .*)$", hoy("log", "init", "-n", "0"))


def audited(*lines):
    """Waits for the newest lines `audit:` to be these."""
    end = time.monotonic() + LIMIT_S
    while audit()[-len(lines):] != ["audit: " + line.replace("TTY", "console " + TTY) for line in lines]:
        tap.check(time.monotonic() < end, "%r is not the end of %r" % (lines, audit()))
        time.sleep(0.2)


@tap.test("a new machine's console is open, and the log says so; claim has its line too")
def _claim():
    global M, SEAT
    M = Machine(console=os.path.join(BUILD, "bin", "hoy"))
    SEAT = Seat(M)
    SEAT.see(r"hoy \(unclaimed\)> \Z")
    audited("TTY: opened without a password")
    SEAT.do("claim", r"password[^\n]*: \Z")
    SEAT.do(PASSWORD, r"again: \Z")
    SEAT.do(PASSWORD)
    audited("TTY: opened without a password", "TTY: claim: begun")


@tap.test("the log has a line for each login, wrong password, lock and logout, and where")
def _sessions():
    SEAT.do("logout", r"password: \Z")
    audited("TTY: logout")
    SEAT.do("a secret that must not be shown", r"(?m)^wrong password\n(?s:.*)password: \Z")
    audited("TTY: wrong password")
    SEAT.log_in()
    audited("TTY: wrong password", "TTY: login")
    SEAT.do("lock", r"password: \Z")
    audited("TTY: login", "TTY: locked")
    SEAT.do(PASSWORD)
    audited("TTY: locked", "TTY: unlocked")
    tap.check("must not be shown" not in hoy("log", "-n", "0"), "what was typed is in the log")


@tap.test("config confirm and rollback, a reset with other words: the log says who began it, or nothing")
def _acts():
    SEAT.do("config confirm")
    audited("TTY: unlocked", "TTY: config confirm: begun")
    hoy("config", "rollback", "9")
    audited("TTY: config confirm: begun", "the hoy program: config rollback: begun")
    SEAT.do("factory-reset", r"to go on: \Z")
    SEAT.do("erase nothing", r"nothing was changed\n(?s:.*)" + PROMPT)
    audited("the hoy program: config rollback: begun")


@tap.test("| json gives the rows that --json does, and count counts them")
def _pipe_json():
    rows = [json.loads(line) for line in SEAT.do("sessions | json").splitlines() if line.startswith("{")]
    tap.check([row["name"] for row in rows] == ["console"] and rows[0]["state"] == "logged in on /dev/" + TTY, rows)
    again = [json.loads(line) for line in SEAT.do("sessions --json | json").splitlines() if line.startswith("{")]
    tap.check([row.keys() for row in again] == [row.keys() for row in rows], "asked for twice: %s" % again)
    tap.check_match(r"(?m)^1$", SEAT.do("sessions | json | count"), "count")


@tap.test("a page at a time: space, Enter, q; a search through the history; ? helps with the line that is typed")
def _keys():
    page = SEAT.do("help | more", r"-- more --\Z")
    tap.check(page.count("\n") >= 22, page)
    SEAT.type(" ")
    SEAT.see(r"(?s)\n.*-- more --\Z")
    SEAT.type("\r")
    SEAT.see(r"\A[^\n]*\n-- more --\Z")
    SEAT.type("q")
    SEAT.see(PROMPT)
    SEAT.type("\x12essi")
    SEAT.see(r"sessions \| json \| count")
    SEAT.type("\r")
    SEAT.see(r"(?m)^1$(?s:.*)" + PROMPT)
    SEAT.type("factory-reset ?")
    tap.check_match(r"\[--keep-data\]", SEAT.see(r"nshost> factory-reset \Z"), "help of the line")
    SEAT.type("\x15\r")
    SEAT.see(PROMPT)


@tap.test("a console that is killed ends its session, and the log says how")
def _killed():
    inside = re.search(r"(?m)^console +(\d+) ", hoy("sessions")).group(1)
    os.kill(M.outside(inside), signal.SIGKILL)
    audited("TTY: its session ended: killed by SIGKILL")
    M.pos = len(M.text)
    SEAT.log_in()
    audited("TTY: login")


@tap.test("logouts, as many as one likes, do not make the next prompt wait longer")
def _logouts():
    for _ in range(4):
        SEAT.do("logout", r"password: \Z")
        SEAT.do(PASSWORD)
    tap.check(all(int(ms) < 2000 for ms in re.findall(r"console ended: exit 0; next start in (\d+) ms", M.text)[-4:]), M.text[-1500:])


@tap.test("too many wrong passwords, those before a restart of the disk role too: the log says for how long none is looked at")
def _lockout():
    with open(M.path("/data/state/lockout"), "w", encoding="ascii") as file:
        file.write("5\n")
    row = json.loads(hoy("status", "--json").splitlines()[0])
    os.kill(M.outside(next(unit["pid"] for unit in row["units"] if unit["name"] == "disk")), signal.SIGKILL)
    M.expect(r"disk ready again")
    SEAT.do("logout", r"password: \Z")
    SEAT.do("wrong one", r"(?m)^wrong password\n(?s:.*)password: \Z")
    SEAT.do(PASSWORD, r"too many wrong passwords: it is looked at in \d+ s\n")
    end = time.monotonic() + LIMIT_S
    while not re.search(r"too many wrong passwords, none is looked at for \d+ s$", audit()[-1]):
        tap.check(time.monotonic() < end, audit())
        time.sleep(0.2)
    SEAT.see(PROMPT)
    audited("TTY: login")


def idle_logout(time_text, name):
    """Into the files of the data partition, which another revision has read again."""
    with open(M.path("/data/config/hoy.ini"), "w", encoding="ascii") as f:
        f.write("[hoy]\nidle_logout = %s\n" % time_text)
    M.inside(["/usr/bin/hoy-client"], input=("name %s\napply x 0\n" % name).encode())
    end = time.monotonic() + LIMIT_S
    while "idle_logout = " + time_text not in hoy("config", "show", "hoy"):
        tap.check(time.monotonic() < end, hoy("config", "show", "hoy"))


@tap.test("a login that nobody uses ends in a full screen and behind a log that is followed, too")
def _idle():
    idle_logout("3s", "nshost")
    for line, seen in (("dashboard", r"started by: "), ("log -f", r"audit: ")):
        SEAT.do("logout", r"password: \Z")
        SEAT.do(PASSWORD)
        SEAT.do(line, seen)
        SEAT.see(r"logged out: nobody typed anything for a while(?s:.*)password: \Z")
        audited("TTY: login", "TTY: logout: nobody typed anything")
        SEAT.log_in()
    idle_logout("15m", "nshost2")
    SEAT.see(r"password: \Z")
    SEAT.do(PASSWORD, r"nshost2?> \Z")


@tap.test("a terminal that hangs up, in a full screen too, ends the session: the next one needs the password")
def _hangup():
    SEAT.do("dashboard", r"started by: ")
    os.close(M.master)
    M.master = os.open("/dev/null", os.O_RDWR)
    audited("TTY: logout: the terminal is gone")
    tap.check_match(r"nobody|console +0|SESSION", hoy("sessions"), "sessions")
    tap.check("logged in" not in hoy("sessions"), hoy("sessions"))


@tap.test("while the fail-safe profile holds the engine back, a command that needs it says so and what to look at")
def _failsafe():
    m = Machine(network_ini=r"[network lan]\n%300000s", console=os.path.join(BUILD, "bin", "hoy"))
    try:
        seat = Seat(m)
        seat.see(r"hoy \(unclaimed\)> \Z")
        m.expect(r"fail-safe profile")
        for line in ("ps", "pull busybox"):
            seat.do(line, r"the engine does not run: waits: the fail-safe profile counts, see `config issues`; `status` tells its state(;|\n)")
    finally:
        m.close()


try:
    tap.run()
finally:
    if M:
        M.close()
