#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hoy-oci's commands on real bundles: the life of a container, streams, terminals, further processes."""
import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess

import oci_box as box
from oci_box import Bundle, good, refused, runtime, tap, wait_for
from fixture.box import read_until  # noqa: E402


@tap.test("run-gives-output-and-exit-status")
def run():
    with Bundle("sh", "-c", "echo out; echo err >&2; exit 7") as b:
        done = b.run()
        tap.check((done.code, done.out, done.err) == (7, "out\n", "err\n"), str(done))
    with Bundle("sh", "-c", "kill -9 $$; sleep 100", **{"user": {"uid": 0, "gid": 0}}) as b:
        b.namespace("pid", remove=True)
        tap.check(b.run().code == 137, "128 + the signal")
    with Bundle("cat") as b:
        good(b.run(stdin=b"one\ntwo"), "one\ntwo")


@tap.test("the-life-of-a-container")
def life():
    with Bundle("sh", "-c", "echo ready; sleep 1000") as b:
        good(b.create())
        state = b.state()
        tap.check(state["status"] == "created" and state["id"] == b.id, str(state))
        tap.check(state["ociVersion"] == "1.2.0" and state["bundle"] == b.dir, str(state))
        tap.check(state["pid"] > 0 and b.output() == "", "the program ran before start")
        refused(runtime("resume", b.id), "not paused")
        good(b.call("start"))
        wait_for("the program", lambda: b.output() == "ready\n")
        tap.check(b.status() == "running", "running")
        refused(b.call("start"), "already running")
        refused(b.call("delete"), "not stopped: running")
        refused(b.create(), "already exists")
        tap.check(b.status() == "running", "the failed create touched the container")
        good(runtime("kill", b.id, "KILL"))
        wait_for("its end", lambda: b.status() == "stopped")
        tap.check(b.state()["pid"] == 0, "a stopped container has no pid")
        refused(runtime("kill", b.id, "TERM"), "not running")
        refused(b.call("start"), "stopped")
        refused(b.exec("true"), "stopped", code=255)
        good(b.call("delete"))
        refused(b.call("state"), "does not exist")
        refused(b.call("delete"), "does not exist")
        good(runtime("delete", "--force", b.id))


@tap.test("a-created-container-can-be-deleted")
def delete_created():
    with Bundle("sh", "-c", "echo ran") as b:
        good(b.create())
        pid = b.state()["pid"]
        good(b.call("delete"))
        tap.check(not box.alive(pid), "its process is left")
        tap.check(b.output() == "", "it ran")


@tap.test("list-names-what-is-there")
def listing():
    with Bundle("sleep", "1000") as b, Bundle("sleep", "1000") as other:
        b.start()
        good(other.create())
        rows = {row["id"]: row for row in json.loads(good(runtime("list", "--format", "json")).out)}
        tap.check(rows[b.id]["status"] == "running" and rows[other.id]["status"] == "created",
                  str(rows))
        tap.check(rows[b.id]["pid"] == b.state()["pid"], "pid")
        tap.check(set(runtime("list", "-q").out.split()) == {b.id, other.id}, "list -q")
        table = runtime("list").out
        tap.check(table.startswith("ID ") and re.search(r"%s +\d+ +running" % b.id, table), table)
        refused(runtime("list", "--format", "yaml"), "table or json")


@tap.test("the-program-gets-what-config-says")
def properties():
    script = "id -u; id -g; id -G; pwd; hostname; echo $A; umask; ulimit -n; cat /proc/self/oom_score_adj"
    with Bundle("sh", "-c", script) as b:
        b.process.update(user={"uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o77},
                         cwd="/made/here", env=["PATH=/bin", "A=b c"], oomScoreAdj=300,
                         rlimits=[{"type": "RLIMIT_NOFILE", "soft": 333, "hard": 444}])
        b.config["hostname"] = "web-1"
        good(b.run(), "1000\n1001\n1001 5 7\n/made/here\nweb-1\nb c\n0077\n333\n300\n")


@tap.test("capabilities-by-set")
def capabilities():
    with Bundle("grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status") as b:
        b.process["capabilities"] = {"bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SETUID"],
                                     "permitted": ["CAP_KILL", "CAP_CHOWN"],
                                     "effective": ["CAP_KILL"], "inheritable": [], "ambient": []}
        out = good(b.run()).out
        sets = dict(line.split() for line in out.strip().split("\n"))
        tap.check(int(sets["CapBnd:"], 16) == 0b10100001, out)
        tap.check(int(sets["CapInh:"], 16) == 0 and int(sets["CapAmb:"], 16) == 0, out)
        tap.check(sets["NoNewPrivs:"] == "1", out)
    with Bundle("true") as b:
        b.process["capabilities"]["bounding"].append("CAP_NOT_KNOWN")
        done = good(b.run())
        tap.check("unknown capability CAP_NOT_KNOWN" in done.err, "no warning: %s" % done)


@tap.test("namespaces-new-joined-and-left")
def namespaces():
    kinds = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt",
             "cgroup": "cgroup"}
    with Bundle("sleep", "1000") as first, Bundle("sh", "-c", "for n in /proc/self/ns/*; do readlink $n; done") as b:
        first.start()
        pid = first.state()["pid"]
        for kind, name in kinds.items():
            ours = os.readlink("/proc/self/ns/" + name)
            theirs = os.readlink("/proc/%d/ns/%s" % (pid, name))
            tap.check(ours != theirs, "the container shares our %s namespace" % name)
        for kind in ("network", "ipc", "uts", "pid"):
            b.namespace(kind, "/proc/%d/ns/%s" % (pid, kinds[kind]))
        b.config.pop("hostname")
        out = good(b.run()).out
        for kind in ("network", "ipc", "uts", "pid"):
            theirs = os.readlink("/proc/%d/ns/%s" % (pid, kinds[kind]))
            tap.check(theirs in out, "%s %s was not joined: %s" % (kind, theirs, out))
    with Bundle("readlink", "/proc/self/ns/net") as b:
        b.namespace("network", remove=True)
        good(b.run(), os.readlink("/proc/self/ns/net") + "\n")
    with Bundle("sh", "-c", "ls /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x 2>&1") as b:
        b.namespace("cgroup", remove=True)
        out = b.run().out
        tap.check(out.startswith("/sys/fs/cgroup/cgroup.procs\n") and "Read-only" in out, out)
        b.config["process"]["args"] = ["sh", "-c", "cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.procs;"
                                       "grep -c ' / /sys/fs/cgroup ro' /proc/self/mountinfo"]
        out = good(b.run()).out.split()  # all groups, to look at; the shell's own is where it says
        tap.check("1" in out[:-1] and out[-1] == "1", out)
        group = [m for m in b.config["mounts"] if m["destination"] == "/sys/fs/cgroup"][0]
        group["options"].remove("ro")
        b.config["process"]["args"] = ["sh", "-c", "cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x && rmdir "
                                       "/sys/fs/cgroup/x && grep -c ' / /sys/fs/cgroup ' /proc/self/mountinfo"]
        out = b.run().out.split()  # his own, to write in
        tap.check("1" in out[:-1] and out[-1] == "0", out)
    with Bundle() as b:
        b.namespace("network", "/etc/passwd")
        refused(b.run(), "is no namespace")
        b.namespace("network", "/nonexistent")
        refused(b.run(), "namespaces", "no such file")


@tap.test("mounts-with-their-options")
def mounts():
    with Bundle("cat", "/proc/self/mountinfo") as b:
        source = os.path.join(b.dir, "data")
        os.makedirs(source + "/sub")
        b.mount("/data", source, "rbind", "ro", "nosuid", "nodev")
        b.mount("/rel", "data", "bind", "noexec")
        b.mount("/scratch", "tmpfs", "size=64k", "mode=700", "noatime", kind="tmpfs")
        out = good(b.run()).out
        tap.check_match(r" /data ro,[^ ]*nosuid,nodev", out, "ro bind")
        tap.check_match(r" /rel rw,[^ ]*noexec", out, "relative source")
        tap.check_match(r" /scratch rw,[^ ]*noatime.*size=64k.*mode=700", out, "tmpfs")
        tap.check_match(r" /proc rw,[^-]*- proc ", out, "proc")
        tap.check_match(r" /sys ro,", out, "sysfs")
    with Bundle("true") as b:
        b.mount("/x", "/nonexistent-source", "bind")
        refused(b.run(), "/x", "no such file")
    with Bundle("sh", "-c", "touch /file 2>&1; touch /dev/x") as b:
        b.config["root"]["readonly"] = True
        done = b.run()
        tap.check(done.code == 0 and "Read-only" in done.out, str(done))


@tap.test("devices-masks-and-read-only-paths")
def guards():
    script = ("ls /dev | tr '\\n' ' '; cat /proc/kcore | wc -c; echo x 2>&1 >/proc/sys/kernel/domainname;"
              " ls -l /dev/fuse; cat /etc/masked | wc -c")
    with Bundle("sh", "-c", script) as b:
        root = b.own_root()
        with open(root + "/etc/masked", "w", encoding="ascii") as f:
            f.write("secret")
        b.linux["maskedPaths"].append("/etc/masked")
        b.linux["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229,
                               "fileMode": 0o640, "uid": 3, "gid": 4}]
        out = b.run().out
        tap.check(out.startswith("core fd full fuse mqueue null ptmx pts random shm stderr stdin "
                                 "stdout tty urandom zero 0\n"), out)
        tap.check("Read-only file system" in out, out)
        tap.check_match(r"crw-r----- +1 3 +4 +10, 229", out, "the node")
        tap.check(out.endswith("\n0\n"), "the mask: " + out)
    with Bundle("sh", "-c", "head -c1 /dev/zero | wc -c; head -c1 /dev/kmsg 2>&1 | wc -c") as b:
        b.linux["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]
        done = b.run()
        tap.check("Operation not permitted" in done.err or done.out == "1\n0\n" or
                  "Operation not permitted" in done.out or done.out.startswith("1\n"), str(done))


@tap.test("sysctls-of-the-container")
def sysctls():
    with Bundle("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shm_rmid_forced") as b:
        b.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}
        good(b.run(), "1\n1\n")
    with Bundle("cat", "/proc/sys/kernel/domainname") as b:
        b.linux["sysctl"] = {"kernel.domainname": "d1"}
        good(b.run(), "d1\n")
        b.config["domainname"] = "d2"
        refused(b.run(), "kernel.domainname", "conflicts with the field domainname")
        b.linux["sysctl"] = {"kernel.hostname": "h"}
        refused(b.run(), "kernel.hostname", "conflicts with the field hostname")
    with Bundle() as b:
        b.linux["sysctl"] = {"kernel.domainname": "d1"}
        b.config.pop("hostname")
        b.namespace("uts", remove=True)
        refused(b.run(), "kernel.domainname", "UTS namespace")
        b.linux["sysctl"] = {"kernel.core_pattern": "|/x"}
        refused(b.run(), "kernel.core_pattern", "whole machine")


@tap.test("errors-are-spelled-as-engines-look-for-them")
def spelling():
    with Bundle("/etc/passwd") as b:
        refused(b.run(), "/etc/passwd", ": permission denied")
    with Bundle("/nothing/here") as b:
        done = b.run()
        refused(done, "/nothing/here", ": no such file or directory")
        tap.check(done.err == "exec /nothing/here: no such file or directory\n", done.err)
    with Bundle("nothing-here") as b:
        refused(b.run("--no-subreaper"), "executable file not found in PATH")
    for name, why in (("/etc", "permission denied"), ("/nothing/here", "no such file or directory"),
                      ("nothing-here", "executable file not found in PATH")):
        with Bundle(name) as b:  # what podman looks for: exec, and why
            refused(b.create(), 'unable to start container process: exec: "%s": %s' % (name, why))
    with Bundle("") as b:
        refused(b.run(), "executable file not found in $PATH")


@tap.test("exec")
def execs():
    with Bundle("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done") as b:
        b.process["env"] = ["PATH=/bin", "A=1"]
        b.start()
        good(b.exec("sh", "-c", "echo $A-$B; pwd; id -u; id -g", options=(
            "-e", "B=2", "--cwd", "/tmp", "-u", "1000:1001")), "1-2\n/tmp\n1000\n1001\n")
        tap.check(b.exec("sh", "-c", "exit 9").code == 9, "its exit status")
        tap.check(b.exec("sh", "-c", "kill -TERM $$").code == 143, "its signal")
        good(b.exec("cat", stdin=b"in"), "in")
        refused(b.exec("nothing-here"), "nothing-here", "not found", code=255)
        refused(b.exec("true", options=("-u", "root")), "--user", code=255)
        refused(b.exec("true", options=("--cwd", "relative")), "cwd", code=255)
        refused(runtime("exec", b.id), code=255)
        file = os.path.join(b.dir, "process.json")
        with open(file, "w", encoding="ascii") as f:
            json.dump({"args": ["sh", "-c", "echo from-file $X"], "cwd": "/", "env": [
                "PATH=/bin", "X=y"], "user": {"uid": 0, "gid": 0}}, f)
        good(runtime("exec", "--process", file, b.id), "from-file y\n")
        inside = b.exec("readlink", "/proc/self/ns/pid").out.strip()
        tap.check(inside == os.readlink("/proc/%d/ns/pid" % b.state()["pid"]), "namespace")
        pid_file = os.path.join(b.dir, "pid")
        box.detached("exec", "-d", "--pid-file", pid_file, b.id, "sleep", "1000")
        with open(pid_file, encoding="ascii") as f, open("/proc/%s/cmdline" % f.read()) as cmd:
            tap.check("sleep" in cmd.read(), "the pid is that of the exec")
        table = json.loads(good(runtime("ps", "--format", "json", b.id)).out)
        tap.check(len(table) >= 2 and b.state()["pid"] in table, str(table))


@tap.test("pause-resume-and-signals-to-all")
def pause():
    with Bundle("sh", "-c", "sleep 1000 & sleep 1000 & wait") as b:
        b.start()
        good(b.call("pause"))
        tap.check(b.status() == "paused", "paused")
        refused(b.call("pause"), "it is paused")
        refused(b.exec("true"), "paused", code=255)
        good(b.call("resume"))
        tap.check(b.status() == "running", "resumed")
        refused(b.call("resume"), "not paused")
        good(runtime("kill", "--all", b.id, "SIGKILL"))
        wait_for("its end", lambda: b.status() == "stopped")
        refused(runtime("kill", b.id, "NOSUCH"), "unknown signal")
    with Bundle("sleep", "1000") as b:
        b.start()
        good(b.call("pause"))
        good(runtime("delete", "--force", b.id))


@tap.test("terminal-over-a-console-socket")
def console_socket():
    with Bundle("sh", "-c", "tty; stty size; read x; echo got $x") as b:
        b.process.update(terminal=True, consoleSize={"height": 33, "width": 101})
        refused(b.create(), "--console-socket")
        console = box.Console(os.path.join(b.dir, "console"))
        good(b.create("--console-socket", console.path))
        master = console.take()
        good(b.call("start"))
        text = read_until(master, b"101\r\n")
        tap.check(b"/dev/pts/0" in text or b"/dev/console" in text, repr(text))
        tap.check(b"33 101" in text, repr(text))
        os.write(master, b"hello\n")
        read_until(master, b"got hello")
        os.close(master)
        console.close()
    with Bundle("sleep", "1000") as b:
        b.start()
        console = box.Console(os.path.join(b.dir, "console"))
        good(runtime("exec", "-t", "-d", "--console-socket", console.path, b.id, "sh", "-c",
                     "tty; echo x; read y"))
        master = console.take()
        tap.check(b"/dev/pts/" in read_until(master, b"x\r\n"), "the exec's terminal")
        os.close(master)
        console.close()


@tap.test("pidfd-socket: who asked holds the process, of a container and of an exec")
def pidfd_socket():
    with Bundle("sleep", "1000") as b:
        refused(b.create("--pidfd-socket", os.path.join(b.dir, "nobody")), "--pidfd-socket")
        holder = box.Console(os.path.join(b.dir, "holder"))
        good(b.create("--pidfd-socket", holder.path))
        first = holder.take(b"standard")
        tap.check(pid_of(first) == b.state()["pid"], "the container's first process")
        good(b.call("start"))
        box.detached("exec", "-d", "--pidfd-socket", holder.path, b.id, "sleep", "1001")
        second = holder.take(b"setns")
        with open("/proc/%d/cmdline" % pid_of(second), "rb") as cmd:
            tap.check(b"1001" in cmd.read(), "the exec's process")
        refused(b.exec("true", options=("--pidfd-socket", os.path.join(b.dir, "nobody"))), "--pidfd-socket", code=255)
        signal.pidfd_send_signal(first, signal.SIGKILL)
        wait_for("its end", lambda: b.status() == "stopped")
        os.close(first)
        os.close(second)
        holder.close()


def pid_of(pidfd):
    with open("/proc/self/fdinfo/%d" % pidfd, encoding="ascii") as f:
        return int(re.search(r"(?m)^Pid:\s*(-?\d+)$", f.read()).group(1))


@tap.test("terminal-in-the-foreground")
def foreground():
    with Bundle("sh", "-c", "tty; read x; echo got $x; exit 5") as b:
        b.process["terminal"] = True
        b.write()
        pid, master = pty.fork()
        if pid == 0:
            os.execve(box.RUNTIME, [box.RUNTIME, "--root", box.ROOT, "run", "--bundle", b.dir, b.id],
                      box.ENV)
        read_until(master, b"/dev/")
        os.write(master, b"abc\n")
        read_until(master, b"got abc")
        _, status = os.waitpid(pid, 0)
        tap.check(os.waitstatus_to_exitcode(status) == 5, "exit status %r" % status)
        os.close(master)


@tap.test("signals-are-handed-on")
def hand_on():
    with Bundle("sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.1; done") as b:
        b.write()
        with subprocess.Popen([box.RUNTIME, "--root", box.ROOT, "run", "--bundle", b.dir, b.id],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=box.ENV) as p:
            tap.check(p.stdout.readline() == b"ready\n", "ready")
            p.send_signal(signal.SIGTERM)
            tap.check(p.stdout.read() == b"got\n" and p.wait(box.LIMIT_S) == 3, "the trap")


@tap.test("preserved-fds-and-no-others")
def preserve():
    read_end, write_end = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in os.pipe())
    with Bundle("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; echo; echo through >&3") as b:
        os.dup2(write_end, 3)
        os.set_inheritable(3, True)
        done = b.run("--preserve-fds", 1, fds=(3,))
        tap.check(done.code == 0, str(done))
        # ls itself opens one more for the directory
        tap.check(done.out.split() == ["0", "1", "2", "3", "4"], done.out)
        tap.check(os.read(read_end, 100) == b"through\n", "fd 3")
        done = b.run("--preserve-fds", 40, fds=(3,))  # what is not open is nobody's
        tap.check(done.code == 0 and done.out.split() == ["0", "1", "2", "3", "4"], str(done))
    with Bundle("ls", "/proc/self/fd") as b:
        good(b.run(fds=(3,)), "0\n1\n2\n3\n")
    os.close(3)
    os.close(read_end)


@tap.test("pid-file-and-detached-run")
def detached():
    with Bundle("sleep", "1000") as b:
        b.write()
        pid_file = os.path.join(b.dir, "the pid")
        box.detached("run", "-d", "--pid-file", pid_file, "--bundle", b.dir, b.id)
        with open(pid_file, encoding="ascii") as f:
            tap.check(int(f.read()) == b.state()["pid"], "the pid file")


@tap.test("the-log-file-in-json-and-text")
def log():
    with Bundle("nothing-here") as b:
        path = os.path.join(b.dir, "log")
        b.write()
        for form in ("json", "text"):
            done = box.Result(*run_logged(path, form, b))
            tap.check(done.code == 1, str(done))
        with open(path, encoding="utf-8") as f:
            lines = f.read().strip().split("\n")
        record = json.loads(lines[0])
        tap.check(record["level"] == "error" and "nothing-here" in record["msg"], str(record))
        tap.check_match(r"^\d{4}-\d\d-\d\dT", record["time"], "time")
        tap.check_match(r'^time="[^"]+" level=error msg="', lines[1], "text")


def run_logged(path, form, b):
    done = subprocess.run([box.RUNTIME, "--root", box.ROOT, "--log", path, "--log-format", form,
                           "run", "--bundle", b.dir, b.id], stdin=subprocess.DEVNULL, env=box.ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


HOOK = """#!/bin/sh
echo "%s $(readlink /proc/self/ns/mnt) $(cat)" >>%s
"""


@tap.test("hooks-at-their-moments")
def hooks():
    with Bundle("sh", "-c", "echo program >>/log") as b:
        root = b.own_root()
        trace = os.path.join(b.dir, "trace")
        names = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
        b.config["annotations"] = {"org.example": "a \"b\""}
        b.config["hooks"] = {}
        for name in names:
            path = os.path.join(b.dir, name)
            with open(path, "w", encoding="ascii") as f:
                f.write(HOOK % (name, trace))
            os.chmod(path, 0o755)
            b.config["hooks"][name] = [{"path": path, "env": ["PATH=/bin:/usr/bin"]}]
        with open(root + "/hook", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho startContainer $(cat) >>/log\n")
        os.chmod(root + "/hook", 0o755)
        b.config["hooks"]["startContainer"] = [{"path": "/hook", "env": ["PATH=/bin"]}]
        good(b.create())
        before = read_trace(trace)
        tap.check([row[0] for row in before] == list(names[:3]), str(before))
        ours = os.readlink("/proc/self/ns/mnt")
        tap.check(before[0][1] == ours and before[1][1] == ours and before[2][1] != ours,
                  "in whose namespaces: %s" % before)
        good(b.call("start"))
        wait_for("its end", lambda: b.status() == "stopped")
        with open(root + "/log", encoding="ascii") as f:
            lines = f.read().split("\n")
        tap.check(lines[0].startswith("startContainer {") and lines[1] == "program", str(lines))
        good(b.call("delete"))
        rows = read_trace(trace)
        tap.check([row[0] for row in rows] == list(names), str(rows))
        for name, _, state in rows:
            state = json.loads(state)
            tap.check(state["id"] == b.id and state["bundle"] == b.dir, str(state))
            tap.check(state["annotations"] == b.config["annotations"], str(state))
            want = {"poststart": ("running", "stopped"), "poststop": ("stopped",)}
            tap.check(state["status"] in want.get(name, ("created", "creating")), str(state))


@tap.test("a-hook-without-an-environment-has-its-starters")
def hook_environment():
    with Bundle("true") as b:
        trace, hook = os.path.join(b.dir, "trace"), os.path.join(b.dir, "hook")
        with open(hook, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho $HOY_TEST_WORD >>%s\n" % trace)
        os.chmod(hook, 0o755)
        b.config["hooks"] = {name: [{"path": hook}, {"path": hook, "env": ["HOY_TEST_WORD=given"]}]
                             for name in ("prestart", "createContainer", "poststop")}
        good(b.run(env={"HOY_TEST_WORD": "inherited"}))
        with open(trace, encoding="ascii") as f:
            tap.check(f.read().split() == ["inherited", "given"] * 3, "what the hooks were told")


def read_trace(path):
    with open(path, encoding="utf-8") as f:
        return [line.split(" ", 2) for line in f.read().strip().split("\n")]


@tap.test("a-failing-hook-stops-the-creation")
def failing_hook():
    for name in ("prestart", "createRuntime", "createContainer", "startContainer"):
        with Bundle("sh", "-c", "echo ran") as b:
            path = "/bin/false"
            b.config["hooks"] = {name: [{"path": path, "timeout": 5}]}
            done = b.run()
            tap.check(done.code == 1 and done.out == "", "%s: %s" % (name, done))
            tap.check(name in done.err and "exit status 1" in done.err, str(done))
    with Bundle("true") as b:
        b.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"],
                                                "timeout": 1}]}
        refused(b.run(), "createRuntime", "longer than 1 s")


@tap.test("seccomp-of-the-config")
def seccomp():
    with Bundle("sh", "-c", "mkdir /tmp/x 2>&1; mkdir /tmp/y 2>&1; chmod 777 /tmp 2>&1") as b:
        b.linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
                         {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO"},
                         {"names": ["not_a_call"], "action": "SCMP_ACT_KILL"}]}
        out = b.run().out
        tap.check(out.count("No space left") == 2 and "not permitted" in out, out)
    with Bundle("sh", "-c", "kill -0 1; echo alive") as b:
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["kill"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        done = b.run()
        tap.check(done.code == 159 and "alive" not in done.out, str(done))
    with Bundle() as b:
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_NOTIFY"}
        refused(b.run(), "SCMP_ACT_NOTIFY")


@tap.test("every-seccomp-action-is-in-force")
def seccomp_actions():
    # What sethostname(2) becomes: the exit status, and what is said behind it.
    for action, more, code, said in (
            ("SCMP_ACT_ALLOW", {}, 0, "moby\n"), ("SCMP_ACT_LOG", {}, 0, "moby\n"),
            ("SCMP_ACT_ERRNO", {}, 1, "not permitted"), ("SCMP_ACT_ERRNO", {"errnoRet": 5}, 1, "Input/output error"),
            ("SCMP_ACT_ERRNO", {"errnoRet": 0}, 0, "before\n"), ("SCMP_ACT_TRACE", {}, 1, "not implemented"),
            ("SCMP_ACT_TRAP", {}, 159, "Bad system call"), ("SCMP_ACT_KILL", {}, 159, "Bad system call"),
            ("SCMP_ACT_KILL_THREAD", {}, 159, "Bad system call"), ("SCMP_ACT_KILL_PROCESS", {}, 159, "Bad system call")):
        with Bundle("sh", "-c", "hostname moby 2>&1 || exit $?; hostname") as b:
            b.config["hostname"] = "before"
            caps = b.process["capabilities"]
            for kind in ("bounding", "permitted", "effective"):
                caps[kind] = caps.get(kind, []) + ["CAP_SYS_ADMIN"]
            b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                dict({"names": ["sethostname"], "action": action}, **more)]}
            done = b.run()
            tap.check(done.code == code and said in done.out,
                      "%s %s: %s" % (action, more, done))
    with Bundle() as b:
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_BOGUS"]}
        refused(b.run(), "SCMP_ARCH_BOGUS")


@tap.test("the-seccomp-agent-gets-the-listener")
def agent():
    with Bundle("sh", "-c", "echo go") as b:
        path = os.path.join(b.dir, "agent")
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path,
                              "listenerMetadata": "meta", "syscalls": [
                                  {"names": ["getcwd"], "action": "SCMP_ACT_NOTIFY"}]}
        refused(b.run(), "listenerPath")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(path)
            server.listen(1)
            good(b.create())
            peer, _ = server.accept()
            with peer:
                data, fds, _, _ = socket.recv_fds(peer, 65536, 4)
            record = json.loads(data)
            tap.check(len(fds) == 1 and record["fds"] == ["seccompFd"], str(record))
            tap.check("seccomp" in os.readlink("/proc/self/fd/%d" % fds[0]), "no listener")
            tap.check(record["metadata"] == "meta" and record["state"]["id"] == b.id, str(record))
            tap.check(record["pid"] == b.state()["pid"], str(record))
            os.close(fds[0])


@tap.test("update-and-events-name-what-the-host-lacks")
def update():
    with Bundle("sleep", "1000") as b:
        b.start()
        refused(runtime("update", "--memory", "lots", b.id), "--memory")
        refused(runtime("update", "--cpu-quota", "1e3", b.id), "--cpu-quota")
        refused(runtime("update", "--resources", "-", b.id, stdin=b'{"pids":{"limit":"x"}}'),
                "resources: pids.limit: expected a whole number, found text")
        for old in ("--kernel-memory", "--cpu-rt-runtime"):
            done = good(runtime("update", old, "65536", b.id))
            tap.check("warning: " in done.err and "cgroup v2 has no such" in done.err, str(done))
        refused(runtime("update", "--l3-cache-schema", "L3:0=f", b.id), "--l3-cache-schema", "not supported")
        refused(runtime("update", "--resources", b.dir, b.id), "--resources " + b.dir, "directory")
        refused(runtime("exec", "--process", b.dir, b.id), "--process " + b.dir, "directory", code=255)
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as f:
            have = f.read().split()
        with open(b.group() + "/cgroup.controllers", encoding="ascii") as f:
            handed = f.read().split()  # also without a limit: an update may set one, and all is counted
        tap.check(set(have) & {"memory", "pids", "io", "hugetlb"} <= set(handed), "%s of %s" % (handed, have))
        done = runtime("update", "--pids-limit", 50, b.id)
        if "pids" in have:
            good(done)
            with open(b.group() + "/pids.max", encoding="ascii") as f:
                tap.check(f.read() == "50\n", "pids.max")
        else:
            refused(done, "pids")
        event = json.loads(good(runtime("events", "--stats", b.id)).out)
        tap.check(event["type"] == "stats" and event["id"] == b.id, str(event))
        tap.check(event["data"]["pids"]["current"] == 1 and "kernel" in event["data"]["cpu"]["usage"], str(event))


@tap.test("features-and-spec")
def features():
    record = json.loads(good(runtime("features")).out)
    tap.check(record["ociVersionMin"] == "1.0.0", str(record["ociVersionMin"]))
    tap.check(len(record["hooks"]) == 6 and "rro" in record["mountOptions"], str(record))
    tap.check(record["linux"]["cgroup"]["v2"] and not record["linux"]["cgroup"]["systemd"], "cgroup")
    tap.check("SCMP_ARCH_X86_64" in record["linux"]["seccomp"]["archs"], "archs")
    with Bundle():
        refused(runtime("spec", "--bundle", os.path.join(box.WORK, "template")), "exists")
    for name in ("checkpoint", "restore"):
        refused(runtime(name, "x"), "not supported")
    refused(runtime("--systemd-cgroup", "list"), "cgroupfs")
    refused(runtime("bogus"), "No help topic for 'bogus'", "unknown command", code=3)
    refused(runtime("help", "bogus"), "No help topic for 'bogus'", code=3)
    tap.check(good(runtime("help")).out == good(runtime("--help")).out, "help is --help")
    tap.check(good(runtime("h", "delete")).out == good(runtime("delete", "--help")).out, "of a command as well")
    lines = good(runtime("delete", "--help")).out.split("\n")
    tap.check(lines[0] == "NAME:" and lines[1] == "   hoy-oci delete"
              and lines[4] == "   hoy-oci delete [--force] ID", "help of a command: %s" % lines)
    lines = good(runtime("--help")).out.split("\n")
    tap.check(lines[1] == "   hoy-oci - Open Container Initiative runtime", "help: %s" % lines)
    place = os.path.join(box.WORK, "template-users")
    os.makedirs(place)
    good(runtime("spec", "--rootless", "--bundle", place))
    with open(place + "/config.json", encoding="utf-8") as f:
        config = json.load(f)
    kinds = [n["type"] for n in config["linux"]["namespaces"]]
    tap.check("user" in kinds and "network" not in kinds, str(kinds))
    tap.check(config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 0, "size": 1}]
              and config["linux"]["gidMappings"] == config["linux"]["uidMappings"], "mappings")
    tap.check("resources" not in config["linux"] and "gid=5" not in json.dumps(config), "limits, gid")
    tap.check(runtime("--version").out.startswith("hoy-oci version "), "version")


if __name__ == "__main__":
    box.enter()
    tap.run()
