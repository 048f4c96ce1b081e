# SPDX-License-Identifier: Apache-2.0
"""What the tests of engine/run stand on: a private view of the machine, and a peer that plays main.

enter() moves the test into mount and PID namespaces of its own with a pure cgroup v2 view; all that
a test leaves behind there ends with it, except control groups, which Box removes and check_clean()
looks for.
"""
import array
import contextlib
import fcntl
import glob
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, deb, tap  # noqa: E402

WORK = os.path.join(BUILD, "ns-run-%s%s" % (os.path.basename(sys.argv[0]).replace(".py", ""),
                                           os.environ.get("HOY_PLACE", "")))
TOOL = os.environ.get("RUN_TOOL", os.path.join(BUILD, "x86_64/san/bin/tests/tool/run_tool"))
SHIM = os.environ.get("RUN_SHIM", os.path.join(BUILD, "x86_64/san/bin/tests/tool/run_shim"))
SHIPPED = os.path.join(BUILD, "x86_64/bin/shim")  # what the image holds, without sanitisers
GROUP_PREFIX = "hoy-test-run-"
# By the pid that the machine knows: inside its namespace every run has the same one.
GROUP = GROUP_PREFIX + os.environ.get("HOY_RUN_BOX", "")
TOP = "/sys/fs/cgroup"  # where cgroup v2 is
STALE_S = 3600
LIMIT_S = 120  # of every wait for a condition: only what hangs gets that far
wait_for = tap.wait_for

START, SIGNAL, RESIZE, ATTACH, EXEC, STATE, STOP, RELEASE, EXITED, EXEC_EXITED, OOM = range(
    0x0601, 0x060c)
VERSION = 1
REPLY, ERROR, CALL = 1, 2, 16
HEADER = struct.Struct("<4sHHIIHH")
CREATED, STARTING, RUNNING, DEAD = range(4)
PASSED = ("ASAN_OPTIONS", "HOY_DEFENCE_OFF", "RUN_FAULT", "RUN_FAULT_PROGRAM", "RUN_FAULT_LOG")
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")


class Refused(Exception):
    """An error that the shim answered with."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def enter():
    """Re-executes the test in its own namespaces (as root)."""
    if os.environ.get("HOY_RUN_BOX"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        subprocess.run(["umount", "-R", "/sys/fs/cgroup"], **quiet)
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK)
        return
    if os.geteuid() != 0:
        raise SystemExit("needs root: namespaces, mounts and control groups are made")
    os.environ["HOY_RUN_BOX"] = str(os.getpid())
    remove_stale_groups()
    os.execvp("unshare", ["unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child",
                          "--propagation", "private", sys.executable] + sys.argv)


def remove_stale_groups():
    """Control groups of runs that were killed an hour ago or earlier: their pid is gone. Those of a
    run under way may well be empty, and must stay. Called outside, where pids are the machine's."""
    for path in glob.glob("/sys/fs/cgroup/%s[0-9]*" % GROUP_PREFIX) + glob.glob(
            "/sys/fs/cgroup/unified/%s[0-9]*" % GROUP_PREFIX):
        if (os.path.exists("/proc/" + path.rpartition("-")[2])
                or time.time() - os.stat(path).st_mtime < STALE_S):
            continue
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


@contextlib.contextmanager
def short_name(path):
    """The same place by a name that a socket address has room for, however deep the tree stands."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        yield "/proc/self/fd/%d/%s" % (folder, os.path.basename(path))
    finally:
        os.close(folder)


def busybox():
    return deb.file("busybox-static", "bin/busybox")


def make_tree(path, applets=None):
    """A root directory with busybox and nothing else."""
    os.makedirs(os.path.join(path, "bin"))
    shutil.copy(busybox(), os.path.join(path, "bin/busybox"))
    listed = subprocess.run([busybox(), "--list"], stdout=subprocess.PIPE, check=True)
    for name in applets or listed.stdout.decode().split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(path, "bin", name))
    os.makedirs(os.path.join(path, "etc"))
    os.makedirs(os.path.join(path, "tmp"), mode=0o1777)
    with open(os.path.join(path, "etc/passwd"), "w", encoding="ascii") as passwd:
        passwd.write("root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
    return path


def tool(*args, check=True):
    done = subprocess.run([TOOL] + [str(a) for a in args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=ENV, check=False)
    if check and done.returncode != 0:
        raise AssertionError("run_tool %s: %s" % (" ".join(map(str, args[:3])),
                                                  done.stderr.decode("utf-8", "replace")))
    return done


def plan_fd(data):
    fd = os.memfd_create("plan", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK
                | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd


class Peer:
    """Main's end of the conversation with a shim."""

    def __init__(self, sock):
        self.sock = sock
        self.serial = 0
        self.events = []

    def send(self, kind, body=b"", fds=(), flags=CALL):
        self.serial += 1
        head = HEADER.pack(b"HOY1", kind, flags, self.serial, len(body), len(fds), 0)
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([head + body], anc)
        return self.serial

    def receive(self, timeout=LIMIT_S):
        """(type, flags, serial, body, fds), or None when the shim is gone."""
        if not select.select([self.sock], [], [], timeout)[0]:
            raise AssertionError("the shim says nothing for %s s" % timeout)
        try:
            data, anc, _, _ = self.sock.recvmsg(70000, socket.CMSG_SPACE(64))
        except ConnectionResetError:
            return None
        if not data:
            return None
        fds = array.array("i")
        for level, kind, value in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(value[:len(value) - len(value) % 4])
        magic, kind, flags, serial, length, count, _ = HEADER.unpack(data[:HEADER.size])
        tap.check(magic == b"HOY1" and length == len(data) - HEADER.size and count == len(fds),
                  "malformed message %r" % data[:40])
        return kind, flags, serial, data[HEADER.size:], list(fds)

    def call(self, kind, body=b"", fds=(), timeout=LIMIT_S):
        """(body, fds) of the answer; events that come before it are kept."""
        serial = self.send(kind, body, fds)
        while True:
            got = self.receive(timeout)
            if got is None:
                raise AssertionError("the shim is gone instead of answering %#x" % kind)
            if got[1] & REPLY and got[2] == serial:
                break
            self.events.append(got)
        if got[1] & ERROR:
            code, length = struct.unpack_from("<iI", got[3])
            raise Refused(code, got[3][8:8 + length].decode())
        return got[3], got[4]

    def event(self, kind, timeout=LIMIT_S):
        """The body of the next one-way message of this kind."""
        until = time.monotonic() + timeout
        while True:
            for i, got in enumerate(self.events):
                if got[0] == kind and not got[1] & REPLY:
                    del self.events[i]
                    return got[3]
            got = self.receive(max(0.1, until - time.monotonic()))
            if got is None:
                raise AssertionError("the shim is gone before event %#x" % kind)
            self.events.append(got)

    def close(self):
        self.sock.close()


def exit_record(body):
    """{code, signal, oom, started, finished} of a shim_exit record."""
    return dict(zip(("code", "signal", "oom", "started", "finished"),
                    struct.unpack_from("<iIBqq", body)))


class Box:
    """One container: directory, control group, netns, shim."""
    count = 0

    def __init__(self, *args, command=("true",), tree=None, root=None, extra=(), memory=0, pids=0,
                 shim=None, disk=None, before=None):
        Box.count += 1
        self.name = "c%d" % Box.count
        self.dir = os.path.join(WORK, self.name)
        os.makedirs(self.dir)
        self.before = before  # runs in the shim's process, before it is executed
        self.disk = disk
        if disk:  # a disk of its own that can be full
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + disk, "tmpfs", self.dir],
                           check=True)
        self.tree = root or os.path.join(self.dir, "root")
        if root is None:
            make_tree(self.tree)
            if tree:
                tree(self.tree)
        self.pidfd = self.proc = self.peer = None
        self.group = GROUP
        self.missing = tool("cgroup", "make", self.group, self.name, memory, 0,
                            pids).stdout.decode().strip()
        self.cgroup = os.path.join(TOP, self.group, self.name)
        self.sock_path = os.path.join(self.dir, "shim.sock")
        done = tool("plan", *args, "--", *command, check=False)
        if done.returncode != 0:
            self.remove()
            raise Refused(-22, done.stderr.decode().strip())
        self.spawn(done.stdout, extra, shim or SHIM)

    def spawn(self, plan, extra, shim):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with short_name(self.sock_path) as path:
            listener.bind(path)
        listener.listen(4)
        listener.setblocking(False)
        netns = subprocess.Popen(["unshare", "-n", "sleep", "900"])
        fds = [theirs.fileno(), plan_fd(plan), os.open(self.dir, os.O_RDONLY),
               os.open(self.cgroup, os.O_RDONLY), listener.fileno(), self.open_netns(netns),
               os.open(self.tree, os.O_PATH | os.O_DIRECTORY)] + [os.dup(fd) for fd in extra]
        self.log = open(os.path.join(self.dir, "shim.log"), "wb")
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]

        def place():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
            os.closerange(3 + len(high), 1000)
            if self.before:
                self.before()
        self.proc = subprocess.Popen([shim, self.name], stdin=subprocess.DEVNULL,
                                     stdout=self.log, stderr=self.log, close_fds=False,
                                     preexec_fn=place,
                                     env={k: v for k, v in ENV.items() if k in PASSED})
        for fd in high + fds[1:4] + fds[5:]:
            os.close(fd)
        theirs.close()
        listener.close()
        netns.kill()
        netns.wait()
        self.peer = Peer(ours)

    @staticmethod
    def open_netns(process):
        own = os.readlink("/proc/self/ns/net")
        path = "/proc/%d/ns/net" % process.pid
        for _ in range(LIMIT_S * 100):
            if os.readlink(path) != own:
                return os.open(path, os.O_RDONLY)
            time.sleep(0.01)
        raise AssertionError("no network namespace came")

    # ---- messages

    def start(self, max_size=0, max_file=3, off=0, version=VERSION):
        body, fds = self.peer.call(START, struct.pack("<HQIB", version, max_size, max_file, off))
        self.pid = struct.unpack("<I", body)[0]
        self.pidfd = fds[0]
        return self

    def wait(self, timeout=LIMIT_S):
        """The exit record."""
        return exit_record(self.peer.event(EXITED, timeout))

    def run(self, **log):
        """Start and end; (exit record, stdout, stderr) from the log."""
        self.start(**log)
        record = self.wait()
        return record, self.logged("stdout"), self.logged("stderr")

    def state(self):
        body, fds = self.peer.call(STATE)
        for fd in fds:
            os.close(fd)
        version, state, pid = struct.unpack_from("<HBI", body)
        dropped, execs = struct.unpack_from("<QI", body, 7 + 25)
        return {"version": version, "state": state, "pid": pid, "exit": exit_record(body[7:32]),
                "dropped": dropped, "execs": execs}

    def signal(self, number, exec_id=0):
        self.peer.call(SIGNAL, struct.pack("<II", exec_id, number))

    def attach(self, stdin=True):
        body, fds = self.peer.call(ATTACH, struct.pack("<B", stdin))
        return socket.socket(fileno=fds[0]), body[0]

    def exec(self, *args, command):
        """(exec id, pid, tty, fds)"""
        fd = plan_fd(tool("plan-exec", *args, "--", *command).stdout)
        try:
            body, fds = self.peer.call(EXEC, b"", [fd])
        finally:
            os.close(fd)
        return struct.unpack("<IIB", body) + (fds,)

    def exec_output(self, *args, command):
        """(code, signal, stdout, stderr) of a process in the container."""
        ident, _, _, fds = self.exec(*args, command=command)
        os.close(fds[0])
        texts = []
        for fd in fds[1:]:
            with os.fdopen(fd, "rb") as pipe:
                texts.append(pipe.read().decode("utf-8", "replace"))
        while True:
            got, code, number = struct.unpack("<IiI", self.peer.event(EXEC_EXITED))
            if got == ident:
                return code, number, texts[0], texts[1]

    def reconnect(self):
        """What a new main does."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with short_name(self.sock_path) as path:
            sock.connect(path)
        self.peer = Peer(sock)
        return self

    # ---- files

    def log_files(self):
        folder = os.path.join(self.dir, "log")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def records(self):
        """Lines of all log files, oldest first, parsed."""
        import json
        out = []
        for name in sorted(self.log_files(), key=lambda n: -int(n.split(".")[2])
                           if n.count(".") == 2 else 0):
            with open(os.path.join(self.dir, "log", name), encoding="utf-8") as f:
                out += [json.loads(line) for line in f if line.endswith("\n")]  # it may be written
        return out

    def logged(self, stream):
        return "".join(r["log"] for r in self.records() if r["stream"] == stream)

    def exit_file(self):
        path = os.path.join(self.dir, "exit")
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as f:
            return f.read()

    def remove(self):
        """Ends what runs and checks that the shim went by itself."""
        if self.proc:
            if self.proc.poll() is None and os.path.isdir(self.cgroup):
                tool("cgroup", "kill", self.group, self.name, check=False)
            if self.peer:
                self.peer.close()
            try:
                self.proc.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError("the shim of %s does not end" % self.name) from None
            finally:
                self.log.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self.disk:
            subprocess.run(["umount", self.dir], check=True)
        wait_for("the control group to be empty", lambda: tool(
            "cgroup", "remove", self.group, self.name, check=False).returncode == 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def read_frames(sock, until=None, timeout=LIMIT_S):
    """Bytes by stream number from an attached socket, until its end or until a text is there."""
    data, out, end = b"", {1: b"", 2: b""}, time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([sock], [], [], 0.1)[0]:
            continue
        got = sock.recv(65536)
        if not got:
            return out
        data += got
        while len(data) >= 8 and len(data) >= 8 + struct.unpack(">I", data[4:8])[0]:
            size = struct.unpack(">I", data[4:8])[0]
            out[data[0]] += data[8:8 + size]
            data = data[8 + size:]
        if until and until in out[1] + out[2]:
            return out
    raise AssertionError("no end of the stream; so far %r" % out)


def read_tty(fd, until, timeout=LIMIT_S):
    """Bytes of a terminal until a text is there or it ends."""
    data, end = b"", time.monotonic() + timeout
    while time.monotonic() < end and until not in data:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        data += got
    tap.check(until in data, "%r does not come; so far %r" % (until, data))
    return data


def others_alive():
    """Pids in this namespace that are neither ours nor dead."""
    alive = []
    for pid in [int(n) for n in os.listdir("/proc") if n.isdigit() and int(n) != os.getpid()]:
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
                if ") Z" not in f.read():
                    alive.append(pid)
        except OSError:
            pass
    return alive


def check_clean():
    """No process but ours, no mount below our folder, no control group of ours."""
    group = os.path.join("/sys/fs/cgroup", GROUP)
    if os.path.isdir(group):
        left = [n for n in os.listdir(group) if os.path.isdir(os.path.join(group, n))]
        tap.check(not left, "control groups are left: %s" % left)
        os.rmdir(group)
    end = time.monotonic() + LIMIT_S
    while others_alive() and time.monotonic() < end:
        time.sleep(0.1)  # what was killed may take a moment
    tap.check(not others_alive(), "processes are left: %s" % others_alive())
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        left = [line for line in f if " " + WORK + "/" in line]
    tap.check(not left, "mounts are left: %s" % left)
    shutil.rmtree(WORK, ignore_errors=True)


def run():
    """Runs the registered tests, then looks for what they left behind."""
    tap.test("nothing is left behind")(check_clean)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    tap.run()
