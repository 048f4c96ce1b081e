#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The life of a container under its shim: start, streams, logs, exec, adoption, end."""
import json
import os
import signal
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from run_box import Box, Refused, tap  # noqa: E402

box.enter()


def refused(function, *words):
    """The error of a call that has to fail; each word has to stand in its text."""
    try:
        function()
    except Refused as error:
        for word in words:
            tap.check(word in str(error), "%r does not say %r" % (str(error), word))
        return error
    raise AssertionError("it was not refused")


@tap.test("hello-and-exit-code")
def hello():
    with Box(command=("sh", "-c", "echo hello; echo oops >&2; exit 7")) as c:
        record, out, err = c.run()
        tap.check(out == "hello\n" and err == "oops\n", "output %r %r" % (out, err))
        tap.check((record["code"], record["signal"], record["oom"]) == (7, 0, 0), str(record))
        tap.check(0 < record["started"] <= record["finished"], str(record))
        c.proc.wait(box.LIMIT_S)
        tap.check(c.exit_file().startswith("hoy-exit 1 7 0 0 "), "exit file %r" % c.exit_file())
        entry = c.records()[0]
        tap.check(set(entry) == {"log", "stream", "time"}, str(entry))
        tap.check_match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$", entry["time"], "time")


@tap.test("killed-by-a-signal")
def killed():
    with Box(command=("sh", "-c", "kill -9 $$; sleep 9")) as c:
        # PID 1 of a namespace cannot kill itself: the signal comes from outside.
        c.start()
        c.signal(signal.SIGKILL)
        record = c.wait()
        tap.check((record["code"], record["signal"]) == (137, 9), str(record))


@tap.test("signals-reach-the-first-process")
def signals():
    script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    with Box(command=("sh", "-c", script)) as c:
        c.start()
        box.wait_for("the first line", lambda: "ready" in c.logged("stdout"))
        c.signal(signal.SIGTERM)
        tap.check(c.wait()["code"] == 5, "the trap did not run")
        tap.check(c.logged("stdout") == "ready\ngot\n", c.logged("stdout"))


@tap.test("start-errors-name-the-step")
def start_errors():
    table = (
        (("nothing-here",), "exec", "not found in PATH"),
        (("/etc/passwd",), "exec", "Permission denied"),
        (("/bin/missing",), "exec", "No such file"),
    )
    for command, step, text in table:
        with Box(command=command) as c:
            refused(c.start, step, text)
            c.proc.wait(box.LIMIT_S)
    with Box("--bind", "/nonexistent/source:/mnt", command=("true",)) as c:
        refused(c.start, "mounts", "/mnt", "source")
    with Box("--cwd", "/etc/passwd", command=("true",)) as c:
        refused(c.start, "working directory", "/etc/passwd"[1:])


@tap.test("environment-user-names-and-directory")
def properties():
    script = "id; pwd; hostname; echo $A; umask; cat /proc/self/oom_score_adj; ulimit -n"
    with Box("--uid", 1000, "--gid", 1001, "--group", 44, "--cwd", "/made/here", "--hostname",
             "web-1", "--env", "A=b c", "--env", "PATH=/bin", "--oom", 300, "--rlimit",
             "7:333:444", command=("sh", "-c", script)) as c:
        _, out, _ = c.run()
        want = "uid=1000(user) gid=1001 groups=44\n/made/here\nweb-1\nb c\n0022\n300\n333\n"
        tap.check(out.replace("groups=44,1001", "groups=44") == want, "got %r" % out)


@tap.test("stdin-through-attach")
def stdin():
    with Box("--stdin", command=("sh", "-c", "cat; echo end >&2")) as c:
        sock, tty = c.attach()
        tap.check(tty == 0, "no terminal was asked for")
        c.start()
        sock.sendall(b"one\ntwo\n")
        sock.shutdown(socket.SHUT_WR)
        frames = box.read_frames(sock)
        tap.check(frames == {1: b"one\ntwo\n", 2: b"end\n"}, "frames %r" % frames)
        tap.check(c.wait()["code"] == 0, "exit")
        sock.close()


@tap.test("large-stdin-comes-through-unchanged")
def large_stdin():
    data = os.urandom(1 << 20)
    with Box("--stdin", command=("sh", "-c", "md5sum")) as c:
        sock, _ = c.attach()
        c.start()
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        import hashlib
        frames = box.read_frames(sock)
        tap.check(frames[1].split()[0].decode() == hashlib.md5(data).hexdigest(), str(frames))
        c.wait()
        sock.close()


@tap.test("without-stdin-there-is-an-end-of-file")
def no_stdin():
    with Box(command=("sh", "-c", "cat; ls -l /proc/self/fd/0")) as c:
        _, out, _ = c.run()
        tap.check(out.strip().endswith("/dev/null"), out)


@tap.test("slow-client-loses-its-connection-not-the-container")
def slow_client():
    script = "i=0; while [ $i -lt 3000 ]; do echo %s; i=$((i+1)); done; echo done >&2" % ("x" * 500)
    with Box(command=("sh", "-c", script)) as c:
        sock, _ = c.attach()
        c.start(max_size=200000)
        start = time.monotonic()
        record = c.wait()  # nobody reads sock
        tap.check(record["code"] == 0, str(record))
        tap.note("held up for %.1f s" % (time.monotonic() - start))
        sock.close()


@tap.test("output-of-four-clients")
def clients():
    with Box(command=("sh", "-c", "sleep 0.3; seq 1 2000")) as c:
        socks = [c.attach()[0] for _ in range(4)]
        refused(c.attach, "attached already")
        c.start()
        want = "".join("%d\n" % i for i in range(1, 2001)).encode()
        for sock in socks:
            tap.check(box.read_frames(sock)[1] == want, "a client missed something")
            sock.close()
        c.wait()
        tap.check(c.logged("stdout").encode() == want, "the log missed something")


def foreground(pid):
    """Name of the program that leads the foreground of a process' terminal."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
            group = f.read().rpartition(")")[2].split()[5]
        with open("/proc/%s/cmdline" % group, encoding="utf-8") as f:
            return f.read().split("\0")[0]
    except OSError:
        return ""


@tap.test("terminal")
def terminal():
    with Box("--tty", "--rows", 33, "--columns", 101, command=("sh",)) as c:
        sock, tty = c.attach()
        tap.check(tty == 0, "before the start nothing is known of a terminal")
        c.start()
        sock.sendall(b"tty; stty size; ls -l /dev/console; echo $((40+2))\n")
        data = box.read_tty(sock.fileno(), b"42\r\n")
        tap.check(b"/dev/pts/0" in data or b"/dev/console" in data, "tty says %r" % data)
        tap.check(b"33 101" in data, "size: %r" % data)
        c.peer.call(box.RESIZE, struct.pack("<IHH", 0, 50, 132))
        sock.sendall(b"stty size\n")
        box.read_tty(sock.fileno(), b"50 132")
        sock.sendall(b"sleep 900\n")
        box.wait_for("the sleep in the foreground", lambda: foreground(c.pid) == "sleep")
        sock.sendall(b"\x03")
        sock.sendall(b"echo inter''rupted\n")
        box.read_tty(sock.fileno(), b"interrupted")
        sock.sendall(b"exit 3\n")
        tap.check(c.wait()["code"] == 3, "exit code of the shell")
        tap.check("42" in c.logged("stdout"), "the terminal is logged")
        sock.close()


@tap.test("exec")
def execs():
    with Box("--env", "X=1", command=("sleep", "900")) as c:
        c.start()
        code, number, out, err = c.exec_output(
            "--env", "Y=2", "--uid", 1000, "--gid", 1000, "--cwd", "/tmp",
            command=("sh", "-c", "echo $X-$Y; pwd; id -u; cat; readlink /proc/self/ns/pid >&2;"
                     "exit 9"))
        tap.check((code, number) == (9, 0), "exit %s %s" % (code, number))
        tap.check(out == "-2\n/tmp\n1000\n", "out %r" % out)
        for kind in ("pid", "mnt", "uts", "ipc", "net", "cgroup", "time"):
            with open("/proc/%d/cmdline" % c.pid, encoding="ascii") as f:
                tap.check("sleep" in f.read(), "the pid is the host's")
            ours = os.readlink("/proc/self/ns/" + kind)
            theirs = os.readlink("/proc/%d/ns/%s" % (c.pid, kind))
            tap.check(ours != theirs, "the container shares our %s namespace" % kind)
            inside = c.exec_output(command=("readlink", "/proc/self/ns/" + kind))[2].strip()
            tap.check(inside == theirs, "%s: exec in %s, container %s" % (kind, inside, theirs))
        group = c.exec_output(command=("cat", "/proc/self/cgroup"))[2]
        tap.check("0::/\n" in group, "cgroup of an exec: %r" % group)
        refused(lambda: c.exec(command=("nothing",)), "exec", "not found")
        code, number, _, _ = c.exec_output(command=("sh", "-c", "kill -TERM $$"))
        tap.check((code, number) == (143, 15), "killed exec: %s %s" % (code, number))


@tap.test("exec-with-stdin-and-terminal")
def exec_streams():
    with Box(command=("sleep", "900")) as c:
        c.start()
        ident, _, tty, fds = c.exec("--stdin", command=("cat",))
        os.write(fds[0], b"abc")
        os.close(fds[0])
        with os.fdopen(fds[1], "rb") as pipe:
            tap.check(pipe.read() == b"abc", "stdin of an exec")
        os.close(fds[2])
        tap.check(struct.unpack("<IiI", c.peer.event(box.EXEC_EXITED)) == (ident, 0, 0), "end")
        ident, _, tty, fds = c.exec("--tty", command=("sh",))
        tap.check(tty == 1 and len(fds) == 1, "a terminal is one fd")
        os.write(fds[0], b"tty; echo $((6*7))\n")
        data = box.read_tty(fds[0], b"42\r\n")
        tap.check(b"/dev/pts/" in data, repr(data))
        c.peer.call(box.RESIZE, struct.pack("<IHH", ident, 12, 34))
        os.write(fds[0], b"stty size\n")
        box.read_tty(fds[0], b"12 34")
        tap.check(c.state()["execs"] == 1, "STATE knows the exec")
        c.signal(signal.SIGKILL, ident)
        got = struct.unpack("<IiI", c.peer.event(box.EXEC_EXITED))
        tap.check(got == (ident, 137, 9), str(got))
        os.close(fds[0])


@tap.test("execs-end-with-the-container")
def exec_ends():
    with Box(command=("sleep", "900")) as c:
        c.start()
        ids = [c.exec(command=("sleep", "100")) for _ in range(16)]
        refused(lambda: c.exec(command=("true",)), "16")
        for _, _, _, fds in ids:
            for fd in fds:
                os.close(fd)
        c.signal(signal.SIGKILL)
        tap.check(c.wait()["code"] == 137, "exit")


@tap.test("rotation")
def rotation():
    with Box(command=("sh", "-c", "for i in $(seq 1 2000); do echo line-$i-%s; done" % ("y" * 80))
             ) as c:
        c.start(max_size=20000, max_file=3)
        c.wait()
        tap.check(c.log_files() == ["json.log", "json.log.1", "json.log.2"], str(c.log_files()))
        for name in c.log_files():
            size = os.path.getsize(os.path.join(c.dir, "log", name))
            tap.check(size <= 20000 + 9000, "%s has %d bytes" % (name, size))
        numbers = [int(r["log"].split("-")[1]) for r in c.records()]
        tap.check(numbers[-1] == 2000 and numbers == list(range(numbers[0], 2001)),
                  "lines %s..%s are not in one piece" % (numbers[0], numbers[-1]))
    with Box(command=("sh", "-c", "seq 1 3000")) as c:
        c.start(max_size=10000, max_file=1)
        c.wait()
        tap.check(c.log_files() == ["json.log"], str(c.log_files()))
        tap.check(c.records()[-1]["log"] == "3000\n", "the last line")


@tap.test("any-byte-and-any-length-is-one-json-line")
def bytes_in_log():
    script = (r"printf '\001\002\t\042\\ \377\376 \303\244 \342\202\254 \355\240\200\n';"
              r"head -c 20000 /dev/zero | tr '\0' z; echo; printf unfinished")
    with Box(command=("sh", "-c", script)) as c:
        _, out, _ = c.run()
        first = out.split("\n")[0]
        tap.check("\x01\x02\t\"\\ " in first and "\u00e4 \u20ac" in first and "\ufffd" in first,
                  repr(first))
        tap.check("z" * 20000 + "\n" in out and out.endswith("unfinished"), "long or last line")
        tap.check(max(len(r["log"]) for r in c.records()) <= 8192, "a piece is too long")
        with open(os.path.join(c.dir, "log/json.log"), encoding="utf-8") as f:
            for line in f:
                json.loads(line)


@tap.test("half-a-line-of-an-earlier-life-swallows-nothing")
def torn_line():
    with Box(command=("echo", "new")) as c:
        os.makedirs(os.path.join(c.dir, "log"))
        path = os.path.join(c.dir, "log/json.log")
        with open(path, "w", encoding="ascii") as f:
            f.write('{"log":"torn')
        c.start()
        c.wait()
        with open(path, encoding="ascii") as f:
            lines = f.read().split("\n")
        tap.check(lines[0] == '{"log":"torn' and json.loads(lines[1])["log"] == "new\n", str(lines))


@tap.test("full-disk-holds-up-nothing-and-is-counted")
def full_disk():
    tree = box.make_tree(os.path.join(box.WORK, "full-root"))
    with Box(root=tree, disk="64k", command=("sh", "-c", "seq 1 50000; echo last >&2")) as c:
        c.start()
        tap.check(c.wait()["code"] == 0, "the container was held up")
        state = c.state()
        tap.check(state["state"] == box.DEAD and state["dropped"] > 10000, str(state))
        tap.check(c.exit_file() is None, "there was room for the exit file")
        tap.check(c.proc.poll() is None, "the shim went before its end was written down")
        os.truncate(os.path.join(c.dir, "log/json.log"), 0)
        c.proc.wait(box.LIMIT_S)
        tap.check(c.exit_file().startswith("hoy-exit 1 0 0 0 "), "exit file %r" % c.exit_file())


@tap.test("missing-lines-are-mentioned-where-they-are-missing")
def dropped_mention():
    tree = box.make_tree(os.path.join(box.WORK, "small-root"))
    script = "seq 1 20000; touch /tmp/full; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo after"
    with Box(root=tree, disk="64k", command=("sh", "-c", script)) as c:
        c.start()
        seen = [-1, -2, -3]  # dropped lines; no more come once three looks agree
        while not os.path.exists(os.path.join(tree, "tmp/full")) or len(set(seen)) > 1:
            seen = seen[1:] + [c.state()["dropped"]]
            time.sleep(0.5)
        tap.check(c.records()[-1]["log"] != "20000\n", "the disk was not full")
        os.truncate(os.path.join(c.dir, "log/json.log"), 0)
        with open(os.path.join(tree, "tmp/go"), "w", encoding="ascii"):
            pass
        c.wait()
        texts = [r["log"] for r in c.records()]
        tap.check("log lines are missing here" in texts[0] and texts[1:] == ["after\n"],
                  str(texts[-3:]))


@tap.test("killed-main-and-adoption")
def adoption():
    script = "while [ ! -e /tmp/go ]; do echo tick; sleep 0.05; done; exit 4"
    with Box(command=("sh", "-c", script)) as c:
        c.start()
        keeper = os.fork()
        if keeper == 0:
            signal.pause()
        c.peer.close()
        os.kill(keeper, signal.SIGKILL)  # the last holder of main's end is gone
        os.waitpid(keeper, 0)
        before = len(c.records())
        box.wait_for("a line that is logged without main", lambda: len(c.records()) > before)
        c.reconnect()
        state = c.state()
        tap.check(state["state"] == box.RUNNING and state["pid"] == c.pid, str(state))
        tap.check(c.exec_output(command=("echo", "in"))[2] == "in\n", "exec after adoption")
        sock, _ = c.attach(False)
        box.read_frames(sock, until=b"tick")
        sock.close()
        with open(os.path.join(c.tree, "tmp/go"), "w", encoding="ascii"):
            pass
        tap.check(c.wait()["code"] == 4, "the exit reaches the new main")


@tap.test("end-without-main-is-in-the-status-file")
def end_without_main():
    with Box(command=("sh", "-c", "sleep 0.3; exit 6")) as c:
        c.start()
        c.peer.close()
        c.proc.wait(box.LIMIT_S)
        tap.check(c.exit_file().startswith("hoy-exit 1 6 0 0 "), "exit file %r" % c.exit_file())


@tap.test("shim-ends-when-main-goes-before-the-start")
def no_start():
    with Box() as c:
        c.peer.close()
        c.proc.wait(box.LIMIT_S)
        tap.check(c.exit_file() is None, "nothing ran")


@tap.test("two-mains-the-newest-is-told")
def two_mains():
    with Box(command=("sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 2")) as c:
        c.start()
        old = c.peer
        c.reconnect()
        c.state()
        with open(os.path.join(c.tree, "tmp/go"), "w", encoding="ascii"):
            pass
        tap.check(c.wait()["code"] == 2, "the newest")
        tap.check(old.receive() is None, "the old one got it")
        old.close()


def stats(c):
    return box.tool("cgroup", "stats", c.group, c.name).stdout.decode()


def quiet(c):
    """Nothing is logged for half a second: what was on its way in the shim has come."""
    count = len(c.records())
    time.sleep(0.5)
    return len(c.records()) == count


@tap.test("stop-kills-all-of-it")
def stop():
    with Box(command=("sh", "-c", "for i in 1 2 3 4 5; do sleep 100 & done; wait")) as c:
        c.start()
        time.sleep(0.2)
        c.peer.call(box.STOP)
        tap.check(c.wait()["code"] == 137, "exit")
        box.wait_for("an empty group", lambda: "populated=0" in stats(c))


@tap.test("host-pid-namespace-leaves-nothing-behind")
def host_pid():
    with Box("--host", "pid", command=("sh", "-c", "setsid sleep 300 & exit 0")) as c:
        c.start()
        tap.check(c.wait()["code"] == 0, "exit")
        box.wait_for("an empty group", lambda: "populated=0" in stats(c))


@tap.test("freeze-and-thaw")
def freeze():
    with Box(command=("sh", "-c", "while :; do echo t; sleep 0.02; done")) as c:
        c.start()
        box.tool("cgroup", "freeze", c.group, c.name)
        box.wait_for("the freeze", lambda: "frozen=1" in stats(c))
        box.wait_for("half a second without a line", lambda: quiet(c))
        count = len(c.records())
        tap.check("frozen=1" in stats(c), stats(c))
        box.tool("cgroup", "thaw", c.group, c.name)
        box.wait_for("it to go on", lambda: len(c.records()) > count)
        c.signal(signal.SIGKILL)
        c.wait()


@tap.test("limits-hold-or-are-named")
def limits():
    with Box(command=("sh", "-c", "for i in $(seq 1 60); do sleep 5 & done; wait"), memory=64 << 20,
             pids=20) as c:
        if "pids" in c.missing:
            tap.check(c.missing.startswith("missing=") and "memory" in c.missing, c.missing)
            return
        c.start()
        c.wait()
        tap.check("fork" in c.logged("stderr"), "pids.max does not hold")


@tap.test("memory-limit-kills-all-of-it-and-says-so")
def oom():
    script = "sleep 900 & sleep 0.2; head -c 200000000 /dev/zero | tail -c 190000000 > /dev/null"
    with Box(command=("sh", "-c", script), memory=32 << 20) as c:
        if "memory" in c.missing:
            return
        c.start()
        tap.check(struct.unpack("<Q", c.peer.event(box.OOM, 120))[0] > 0, "no OOM event")
        record = c.wait(120)
        tap.check(record["oom"] == 1 and record["code"] == 137, str(record))


@tap.test("start-of-another-version-is-refused-and-says-which")
def versions():
    with Box(command=("true",)) as c:
        refused(lambda: c.start(version=box.VERSION + 1), "speaks version %d" % box.VERSION,
                "this engine version %d" % (box.VERSION + 1), "restart the engine")
        tap.check(c.state()["version"] == box.VERSION, "STATE says the version: %s" % c.state())
        c.start()
        tap.check(c.wait()["code"] == 0, "the right version starts it")


@tap.test("malformed-messages-harm-nothing")
def malformed():
    with Box(command=("sleep", "900")) as c:
        c.start()
        for kind, body in ((box.SIGNAL, b""), (box.RESIZE, b"123"), (box.ATTACH, b"\x07"),
                           (box.EXEC, b""), (0x7777, b"x"), (box.START, b"\1" + b"\0" * 14)):
            refused(lambda k=kind, b=body: c.peer.call(k, b))
        refused(lambda: c.signal(65), "signal")
        refused(lambda: c.signal(15, 99), "gone")
        unsealed = os.memfd_create("p")
        os.write(unsealed, b"HPL1" + b"\0" * 100)
        refused(lambda: c.peer.call(box.EXEC, b"", [unsealed]), "not sealed")
        os.close(unsealed)
        for data in (b"", b"junk", b"HPL1\x02" + b"\xff" * 300):
            if data:
                fd = box.plan_fd(data)
                refused(lambda f=fd: c.peer.call(box.EXEC, b"", [f]), "plan")
                os.close(fd)
        c.peer.sock.send(b"not a message")
        tap.check(c.reconnect().state()["state"] == box.RUNNING, "it does not run any more")
        c.peer.call(box.STOP)
        c.wait()


@tap.test("private-memory-of-the-shim")
def memory():
    script = "head -c 3000000 /dev/urandom; echo all >&2; read x; sleep 900"
    with Box("--stdin", command=("sh", "-c", script), shim=box.SHIPPED) as c:
        # After its work: an attached client, a rotated log, processes with and without terminal.
        sock, _ = c.attach()
        c.start(max_size=100000)
        box.read_frames(sock, until=b"all")
        sock.close()
        for args in ((), ("--tty",)):
            _, _, _, fds = c.exec(*args, command=("sleep", "900"))
            for fd in fds:
                os.close(fd)
        with open("/proc/%d/smaps_rollup" % c.proc.pid, encoding="ascii") as f:
            rows = dict(line.split()[:2] for line in f if "kB" in line)
        # Not Private_Dirty: pages of a program that was just built are not written back yet.
        tap.note("anonymous %s KiB, rss %s KiB" % (rows["Anonymous:"], rows["Rss:"]))
        tap.check(int(rows["Anonymous:"]) <= 150, "private memory %s KiB" % rows)
        with open("/proc/%d/maps" % c.proc.pid, encoding="ascii") as f:
            tap.check("[heap]" not in f.read(), "the shim has a heap")
        c.peer.call(box.STOP)
        c.wait()


@tap.test("shim-holds-only-what-it-needs")
def shim_fds():
    with Box(command=("sleep", "900")) as c:
        c.start()
        fds = {int(n): os.readlink("/proc/%d/fd/%s" % (c.proc.pid, n))
               for n in os.listdir("/proc/%d/fd" % c.proc.pid)}
        tap.check(not [v for v in fds.values() if "net:[" in v], "the netns is held: %s" % fds)
        tap.check(not [v for v in fds.values() if "memfd:" in v], "the plan's memory is held: %s" % fds)
        tap.check(c.tree not in fds.values(), "the root is held: %s" % fds)
        c.signal(signal.SIGKILL)
        c.wait()


@tap.test("init-of-a-service-reaps-and-ends-with-it")
def init_of_service():
    script = "trap 'echo bye; exit 6' TERM; (true &); echo in $$; while :; do sleep 0.05; done"
    with Box("--init", "--uid", 1000, "--gid", 1000, command=("sh", "-c", script)) as c:
        c.start()
        sock, _ = c.attach()
        sock.close()
        code, _, out, _ = c.exec_output(command=("sh", "-c", "ls /proc | grep -c '^[0-9]'; "
                                                 "readlink /proc/1/exe; ls /proc/1/fd; id -u"))
        tap.check(code == 0 and "shim" not in out, "%d %s" % (code, out))
        box.wait_for("the program as second process", lambda: "in 2" in c.logged("stdout"))
        c.signal(signal.SIGTERM)
        record = c.wait()
        tap.check(record["code"] == 6 and record["signal"] == 0, str(record))
        tap.check("bye" in c.logged("stdout"), c.logged("stdout"))
    with Box("--init", "--tty", command=("sh", "-c", "test -t 0 && tty; exit 3")) as c:
        record, out, _ = c.run()
        tap.check(record["code"] == 3 and "/dev/pts/0" in out, "%s %s" % (record, out))


box.run()
