# SPDX-License-Identifier: Apache-2.0
"""init as process 1 of new namespaces, its terminal a pty: what several programs test it with."""
import itertools
import os
import re
import select
import signal
import subprocess
import sys
import time

from fixture import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build", "x86_64")
SAN = os.path.join(BUILD, "san", "bin", "tests", "ns")
FAKE = os.path.join(SAN, "init_fake")
COUNT = itertools.count(1)
# The least of every wait for a condition: only what hangs gets that far.
LIMIT_S = int(os.environ.get("HOY_LIMIT_S", "120"))

# Runs as process 1 and becomes init. /dev holds no disk, /proc/sys cannot be written: the host is
# safe from what init does to a machine.
SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$R"
cd "$R"
mkdir -p proc sys dev/input run tmp data config etc/hoy usr/lib/hoy usr/bin usr/sbin
for p in "$INIT" "$FAKE"; do
    for lib in $(ldd "$p" 2>/dev/null | grep -o '/[^ ]*' || true); do
        mkdir -p ".$(dirname "$lib")"; [ -e ".$lib" ] || cp -L "$lib" ".$lib"
    done
done
cp "$INIT" init
cp "$FAKE" usr/lib/hoy/netd; cp "$FAKE" usr/lib/hoy/engine
cp "$CONSOLE" usr/bin/hoy; cp "$FAKE" usr/bin/hoy-client
printf '[hoy]\nhostname = nshost\ntimezone = CET-1\n[log]\nserver = 127.0.0.1\n' > etc/hoy/hoy.ini
mount -t proc proc proc
mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/input
for n in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9"; do
    set -- $n; mknod -m 666 "dev/$1" c "$2" "$3"
done
for t in $TTYS; do touch "dev/$t"; mount --bind "$PTS" "dev/$t"; done
mount -t tmpfs -o mode=755 tmpfs data
mkdir data/config
[ -z "$NETWORK_INI" ] || printf "$NETWORK_INI" > data/config/network.ini
[ -z "$SERVICES_INI" ] || printf "$SERVICES_INI" > data/config/services.ini
exec env -i ASAN_OPTIONS=abort_on_error=1 /usr/sbin/chroot . /init
"""


def consoles():
    """What init will take for its terminals, all of them the one pty."""
    try:
        with open("/sys/class/tty/console/active", encoding="ascii") as f:
            names = f.read().split()
    except OSError:
        names = []
    return ["tty1" if n == "tty0" else n for n in names][:1] or ["ttyS0"]


def cgroup_root():
    return next(p for p in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
                if os.path.exists(p + "/cgroup.procs"))


class Machine:
    """One init with its pty; `text` is all it printed."""

    def __init__(self, init=os.path.join(SAN, "init_pid1"), network_ini="", console=FAKE, services_ini=""):
        """network_ini, services_ini: on the data partition before it boots, as printf writes it."""
        self.master, slave = os.openpty()
        self.text, self.pos = "", 0
        name = "hoy-init-test-%d-%d" % (os.getpid(), next(COUNT))
        self.root = os.path.join(TOP, "build", "test-tmp", name)
        os.makedirs(self.root, exist_ok=True)
        self.group = os.path.join(cgroup_root(), name)
        os.makedirs(self.group, exist_ok=True)
        env = dict(os.environ, NETWORK_INI=network_ini, SERVICES_INI=services_ini, R=self.root, INIT=init, FAKE=FAKE, CONSOLE=console, PTS=os.ttyname(slave),
                   TTYS=" ".join(consoles()), PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        join = "echo $$ > %s/cgroup.procs; exec " % self.group
        self.process = subprocess.Popen(
            ["sh", "-c", join + "unshare -mpnuiC --fork --kill-child sh -c \"$SETUP\""],
            env=dict(env, SETUP=SETUP), stdin=subprocess.DEVNULL, stdout=sys.stderr)
        self.slave = slave
        os.set_blocking(self.master, False)

    def pump(self, seconds=0.1):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 65536).decode("utf8", "replace")
            except (BlockingIOError, OSError):
                pass

    def expect(self, pattern, seconds=LIMIT_S):
        """Waits for the pattern behind what was matched before."""
        end = time.monotonic() + max(seconds, LIMIT_S)
        while True:
            m = re.compile(pattern).search(self.text, self.pos)
            if m:
                self.pos = m.end()
                return m
            tap.check(time.monotonic() < end, "nothing matches %r in:\n%s" % (
                pattern, self.text[-3000:]))
            self.pump()

    def send(self, line):
        os.write(self.master, line.encode() + b"\n")

    def flood(self):
        """Lets the engine write as fast as it can; waits until the terminal is quiet again."""
        self.act("engine", "flood")
        self.send("unit engine 3")
        self.expect(r"engine: flood \d+", 30)
        before = -1
        while before != len(self.text):
            before = len(self.text)
            self.pump(1)
        self.act("engine", "")

    def command(self, line, seconds=LIMIT_S):
        self.pump(0)
        self.pos = len(self.text)
        self.send(line)
        return self.expect(r"(?s)%s\r\n(.*?)fake console> " % re.escape(line), seconds).group(1)

    def until(self, line, pattern, seconds=LIMIT_S):
        """Repeats a command until its answer matches."""
        end = time.monotonic() + max(seconds, LIMIT_S)
        while True:
            text = self.command(line)
            m = re.search(pattern, text, re.M)
            if m:
                return m
            tap.check(time.monotonic() < end, "%s: nothing matches %r in:\n%s" % (
                line, pattern, text))
            time.sleep(0.3)

    def pid(self):
        """Of init, as seen from here."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path, encoding="ascii") as f:
            return int(f.read().split()[0])

    def unit(self, name):
        """(state, pid inside, restarts, last end) of a unit."""
        m = self.until("status", r"unit %s (\w+) pid=(\d+) restarts=(\d+) exits=\d+ last=(.*) text"
                       % name)
        return m.group(1), int(m.group(2)), int(m.group(3)), m.group(4)

    def outside(self, inside):
        """The pid out here of a process in there."""
        for entry in os.listdir("/proc"):
            try:
                with open("/proc/%s/status" % entry, encoding="ascii") as f:
                    m = re.search(r"^NSpid:\t(.*)$", f.read(), re.M)
                same = os.readlink("/proc/%s/ns/pid" % entry) == os.readlink(
                    "/proc/%d/ns/pid" % self.pid())
            except (OSError, ValueError):
                continue
            if m and same and m.group(1).split()[-1] == str(inside):
                return int(entry)
        raise AssertionError("no process %d inside" % inside)

    def open_files(self):
        """What process 1 has open, as it calls it."""
        folder = "/proc/%d/fd" % self.pid()
        names = []
        for fd in os.listdir(folder):
            try:
                names.append(os.readlink(os.path.join(folder, fd)))
            except OSError:
                continue
        return names

    def path(self, name):
        return "/proc/%d/root%s" % (self.pid(), name)

    def act(self, name, word):
        with open(self.path("/tmp/%s.act" % name), "w", encoding="ascii") as f:
            f.write(word)

    def inside(self, command, **more):
        """Runs a command in all of its namespaces and its root."""
        return subprocess.run(["nsenter", "-t", str(self.pid()), "-m", "-p", "-n", "-u", "-i",
                               "-r", "-w"] + command, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False, **more)

    def wait_end(self, seconds=LIMIT_S):
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            tap.check(time.monotonic() < end, "it did not end:\n" + self.text[-3000:])
            self.pump()
        self.pump(0)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), signal.SIGKILL)
            except (OSError, IndexError):
                pass
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
        os.rmdir(self.root)
        end = time.monotonic() + LIMIT_S
        while os.path.exists(self.group):  # busy until the last of them is really gone
            for top, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(top)
                except OSError:
                    tap.check(time.monotonic() < end, top + " is still in use")
            time.sleep(0.1)


def boot(**more):
    m = Machine(**more)
    try:
        m.expect(r"hoy: data ready")
        m.expect(r"init: last end: first start")
        m.until("status", r"unit engine running")
        m.until("status", r"unit netd running")
    except Exception:
        m.close()
        raise
    return m
