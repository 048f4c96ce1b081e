#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hoy-oci and single fields of config.json: docs/oci-fields.md names these tests field by field."""
import fcntl
import json
import os
import re
import socket
import subprocess

import oci_box as box
from oci_box import Bundle, good, refused, runtime, tap, wait_for

BOTH = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"]}


@tap.test("home-is-that-of-the-user-when-nobody-gives-one")
def home():
    passwd = "a:x:0:0::/home/a:/bin/sh\nbroken\nb:x:1000:1000::/home/b:/bin/sh\nc:x:1001:1::rel:/bin/sh\n"
    for uid, want in ((0, "/home/a"), (1000, "/home/b"), (1001, "/"), (77, "/")):
        with Bundle("sh", "-c", "echo $HOME", user={"uid": uid, "gid": 0}, env=["PATH=/bin"]) as b:
            root = b.own_root()
            with open(root + "/etc/passwd", "w", encoding="ascii") as f:
                f.write(passwd)
            good(b.run(), want + "\n")
    with Bundle("sh", "-c", "echo $HOME", env=["PATH=/bin", "HOME=/given"]) as b:
        good(b.run(), "/given\n")
    with Bundle("sh", "-c", "echo $HOME", env=["PATH=/bin", "HOME="]) as b:
        root = b.own_root()
        os.unlink(root + "/etc/passwd")
        os.mkfifo(root + "/etc/passwd")
        good(b.run(), "/\n")
    with Bundle("sleep", "1000", env=["PATH=/bin"]) as b:
        b.start()
        good(b.exec("sh", "-c", "echo $HOME"), "/\n")


@tap.test("a-config-without-process-is-created-and-cannot-be-started")
def no_process():
    with Bundle() as b:
        b.config.pop("process")
        refused(b.run(), "config.json: process: missing")
        good(b.create())
        tap.check(b.status() == "created", b.status())
        refused(b.call("start"), "config.json: process: missing")
        wait_for("its end", lambda: b.status() == "stopped")


@tap.test("a-container-that-is-being-created-is-not-there-yet")
def creating():
    with Bundle() as b:
        out = os.path.join(b.dir, "seen")
        b.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
            "sh", "-c", "%s --root %s state %s >%s 2>&1; true" % (box.RUNTIME, box.ROOT, b.id, out)],
            "env": ["ASAN_OPTIONS=detect_leaks=0"]}]}
        good(b.run())
        with open(out, encoding="utf-8") as f:
            text = f.read()
        tap.check("does not exist completely" in text, text)


@tap.test("a-failing-poststart-hook-takes-the-container-with-it")
def poststart():
    for gated in (True, False):
        with Bundle("sleep", "1000") as b:
            trace = os.path.join(b.dir, "trace")
            b.config["hooks"] = {"poststart": [{"path": "/bin/false"}],
                                 "poststop": [{"path": "/bin/sh", "args": [
                                     "sh", "-c", "echo poststop >>" + trace]}]}
            if gated:
                good(b.create())
                refused(b.call("start"), "error running poststart hook #0: /bin/false: exit status 1")
            else:
                refused(b.run(), "error running poststart hook #0: /bin/false: exit status 1")
            refused(b.call("state"), "does not exist")
            with open(trace, encoding="ascii") as f:
                tap.check(f.read() == "poststop\n", "the poststop hook")
    with Bundle("true") as b:
        b.config["hooks"] = {"poststop": [{"path": "/bin/false"}]}
        done = good(b.run())
        tap.check("warning: error running poststop hook #0: /bin/false: exit status 1" in done.err, str(done))


@tap.test("createContainer-hooks-see-the-mounts-below-the-root-of-the-bundle")
def create_container():
    with Bundle("true") as b:
        b.own_root()
        b.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": [
            "sh", "-c", "test -e %s/rootfs/proc/self" % b.dir]}]}
        good(b.run())


@tap.test("the-working-directory-is-made-but-by-no-exec")
def cwd():
    with Bundle("pwd", cwd="/made/here") as b:
        b.own_root()
        b.config["root"]["readonly"] = True
        good(b.run(), "/made/here\n")
    with Bundle("sleep", "1000") as b:
        root = b.own_root()
        b.start()
        refused(b.exec("true", options=("--cwd", "/not/here")), "chdir to /not/here",
                "no such file", code=255)
        tap.check(not os.path.exists(root + "/not"), "exec made a directory")


@tap.test("capabilities-of-exec-and-ambient-ones-that-cannot-be")
def caps():
    with Bundle("sleep", "1000") as b:
        b.process["capabilities"] = dict(BOTH, ambient=["CAP_KILL"])
        b.start()
        out = good(b.exec("grep", "^Cap", "/proc/self/status", options=("--cap", "CAP_CHOWN"))).out
        sets = {line.split()[0]: int(line.split()[1], 16) for line in out.strip().split("\n")}
        tap.check(sets["CapEff:"] == 0x21 and sets["CapAmb:"] == 0x20, out)
        refused(b.exec("true", options=("--cap", "CAP_BOGUS")), "--cap", "CAP_BOGUS", code=255)
    with Bundle("grep", "CapAmb", "/proc/self/status") as b:
        b.process["capabilities"] = BOTH
        done = good(b.run())
        tap.check(int(done.out.split()[1], 16) == 0x20, str(done))
        tap.check("can't raise ambient capability CAP_CHOWN" in done.err, str(done))


@tap.test("sockets-of-a-service-manager-are-handed-on")
def listening():
    read_end, write_end = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in os.pipe())
    os.dup2(write_end, 3)
    os.set_inheritable(3, True)
    with Bundle("sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; echo through >&3") as b:
        done = b.run(fds=(3,), env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"})
        good(done, "1 1 web\n")
        tap.check(os.read(read_end, 100) == b"through\n", "fd 3")
    os.close(3)


READY = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct sockaddr_un a = { AF_UNIX, "" };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	strncpy(a.sun_path, getenv("NOTIFY_SOCKET"), sizeof(a.sun_path) - 1);
	for (int i = 2; i < argc; i++)
		if (sendto(fd, argv[i], strlen(argv[i]), 0, (struct sockaddr *)&a, sizeof(a)) < 0 && (perror(a.sun_path), 1))
			return 9;
	(void)write(1, a.sun_path, strlen(a.sun_path));
	sleep((unsigned)atoi(argv[1]));
	return 0;
}
"""


def notifier(root):
    """A program of the container that says its words to NOTIFY_SOCKET and sleeps."""
    subprocess.run(["gcc", "-static", "-O1", "-w", "-x", "c", "-", "-o", os.path.join(root, "bin/ready")],
                   input=READY.encode(), check=True)


@tap.test("readiness-goes-to-the-service-manager-and-nothing-else-does")
def notify():
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(box.WORK, "notify")
    manager.bind(path)
    manager.settimeout(box.LIMIT_S)
    words = ("STATUS=starting", "MAINPID=1\nSTOPPING=1", "NOTREADY=1", "STATUS=up\nREADY=1\nMAINPID=1", "READY=1")
    env = {"NOTIFY_SOCKET": path}
    # Who waited is gone when it is ready: a word more would find nobody there.
    try:
        with Bundle("ready", "0", *words) as b:
            notifier(b.own_root())
            b.process["env"] = ["NOTIFY_SOCKET=/of/somebody", "PATH=/bin"]
            good(b.run(env=env), path + "/notify")
            said = manager.recv(1000)
            tap.check(said.startswith(b"MAINPID=") and said.endswith(b"\nREADY=1") and
                      not said.startswith(b"MAINPID=1\n"), "the manager heard %r" % said)
        with Bundle("ready", "900", *words[:4]) as b:  # detached: `run` waits until it is ready
            notifier(b.own_root())
            with open(os.devnull, "r+b") as null:
                done = subprocess.run([box.RUNTIME, "--root", box.ROOT, "run", "-d", "--bundle", b.write().dir, b.id],
                                      stdin=null, stdout=null, stderr=null, env=dict(box.ENV, **env),
                                      check=False, timeout=box.LIMIT_S)
            tap.check(done.returncode == 0, "run -d: %d" % done.returncode)
            tap.check(manager.recv(1000) == b"MAINPID=%d\nREADY=1" % b.state()["pid"], "run -d")
        with Bundle("ready", "900", *words[:4]) as b:
            notifier(b.own_root())
            done = b.create(extra=env)
            tap.check(done.code == 0, str(done))
            good(runtime("start", b.id, env=env))
            tap.check(manager.recv(1000) == b"MAINPID=%d\nREADY=1" % b.state()["pid"], "start")
        with Bundle("true") as b:  # ends without a word: `start` does not wait for ever
            b.own_root()
            tap.check(b.create(extra=env).code == 0, "create")
            good(runtime("start", b.id, env=env))
        manager.setblocking(False)
        try:
            tap.check(not manager.recv(1000), "more than one word came")
        except BlockingIOError:
            pass
        for other in ("@abstract", ""):  # nothing that can be mounted: it is not handed on
            with Bundle("sh", "-c", "echo [$NOTIFY_SOCKET]") as b:
                good(b.run(env={"NOTIFY_SOCKET": other}), "[]\n")
    finally:
        manager.close()
        os.unlink(path)


@tap.test("memory-policies")
def memory_policy():
    there = os.path.exists("/proc/self/numa_maps")
    for policy, want in (({"mode": "MPOL_BIND", "nodes": "0"}, " bind:0 "),
                         ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
                          " prefer=static:0 "),
                         ({"mode": "MPOL_INTERLEAVE", "nodes": "0-0"}, " interleave:0 "),
                         ({"mode": "MPOL_LOCAL"}, " local ")):
        with Bundle("cat", "/proc/self/numa_maps") as b:
            b.linux["memoryPolicy"] = policy
            done = b.run()
            if there:
                tap.check(want in good(done).out, str(done))
            else:
                refused(done, "memory policy")
    for policy, want in (({"mode": "MPOL_BOGUS"}, "memoryPolicy.mode"), ({}, "mode"),
                         ({"mode": "MPOL_BIND", "nodes": "x"}, "'x'"),
                         ({"mode": "MPOL_BIND", "flags": ["F"]}, "memoryPolicy.flags")):
        with Bundle() as b:
            b.linux["memoryPolicy"] = policy
            refused(b.run(), want)


@tap.test("scheduler-io-priority-and-cpu-affinity")
def schedule():
    cpu = sorted(os.sched_getaffinity(0))[-1]
    with Bundle("sh", "-c", "cat /proc/1/stat; ionice -p 1; grep Cpus_allowed_list /proc/self/status",
                scheduler={"policy": "SCHED_BATCH", "nice": 5},
                ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6},
                execCPUAffinity={"initial": str(cpu), "final": str(cpu)}) as b:
        out = good(b.run()).out
        # proc_pid_stat(5): nice is field 19, the policy 41
        stat = out.split(") ", 1)[1].split()
        tap.check(stat[16] == "5" and stat[38] == "3" and "best-effort: prio 6" in out, out)
        tap.check(out.strip().endswith("\t%d" % cpu), out)
    for key, value, want in (("scheduler", {"policy": "SCHED_BOGUS"}, "process.scheduler.policy"),
                             ("scheduler", {"policy": "SCHED_OTHER", "nice": 99}, "nice"),
                             ("ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 9}, "ioPriority"),
                             ("execCPUAffinity", {"final": "9999"}, "CPUs '9999'")):
        with Bundle(**{key: value}) as b:
            refused(b.run(), want)


@tap.test("a-new-network-namespace-has-its-loopback")
def loopback():
    with Bundle("sh", "-c", "ip addr show lo | grep -c 127.0.0.1; ping -c 1 127.0.0.1 >/dev/null && echo up") as b:
        b.process["capabilities"]["bounding"].append("CAP_NET_RAW")
        for name in ("permitted", "effective"):
            b.process["capabilities"][name].append("CAP_NET_RAW")
        good(b.run(), "1\nup\n")


@tap.test("no-control-group-when-the-caller-wants-none")
def disabled():
    with Bundle("cat", "/proc/self/cgroup") as b:
        b.namespace("cgroup", remove=True)
        b.write()
        done = runtime("--cgroup-manager", "disabled", "run", "--bundle", b.dir, b.id)
        with open("/proc/self/cgroup", encoding="ascii") as f:
            ours = [line for line in f if line.startswith("0::")][0]
        tap.check(ours in good(done).out, str(done))
        tap.check(not os.path.exists(b.group()), "a group was made")


@tap.test("a-group-with-processes-or-a-frozen-one-is-refused")
def found_group():
    with Bundle("true") as b:
        group = b.group()
        os.makedirs(group)
        with open(group + "/cgroup.freeze", "w", encoding="ascii") as f:
            f.write("1")
        refused(b.run(), "container's cgroup unexpectedly frozen", "cgroup.freeze")
        with open(group + "/cgroup.freeze", "w", encoding="ascii") as f:
            f.write("0")
        with subprocess.Popen(["sleep", "1000"]) as guest:
            with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(guest.pid))
            refused(b.run(), "container's cgroup is not empty: 1 process")
            tap.check(guest.poll() is None, "the guest was killed")
            guest.kill()
        wait_for("an empty group", lambda: not open(group + "/cgroup.procs", encoding="ascii").read())
        good(b.run())


@tap.test("a-container-lives-below-a-threaded-group")
def threaded_group():
    def put(path, text):
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
    with Bundle("sleep", "1000") as b:
        above = b.group()
        os.makedirs(above + "/other")
        put(above + "/other/cgroup.type", "threaded")
        b.linux["cgroupsPath"] += "/box"
        b.start()
        with open(b.group() + "/cgroup.type", encoding="ascii") as f:
            tap.check(f.read() == "threaded\n", "the group's type")
        good(b.exec("true"))
        tap.check(json.loads(good(b.call("ps", "--format", "json")).out) == [b.state()["pid"]], "ps")
        for command, want in (("pause", "paused"), ("resume", "running")):
            good(b.call(command))
            tap.check(b.status() == want, b.status())
        good(runtime("kill", "--all", b.id, "KILL"))
        wait_for("its end", lambda: b.status() == "stopped")
        good(b.call("delete"))
        b.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 0}]
        refused(b.run(), "below a threaded group")
        b.check_clean()
        os.rmdir(above + "/other")
        os.rmdir(above)


RESOURCES = (
    ({"memory": {"limit": 33554432}}, "memory.max", "33554432"),
    ({"memory": {"limit": 33554432, "swap": 67108864}}, "memory.swap.max", "33554432"),
    ({"memory": {"reservation": 16777216}}, "memory.low", "16777216"),
    ({"cpu": {"shares": 512}}, "cpu.weight", "20"),
    ({"cpu": {"quota": 50000, "period": 100000}}, "cpu.max", "50000 100000"),
    ({"cpu": {"quota": 50000, "period": 100000, "burst": 1000}}, "cpu.max.burst", "1000"),
    ({"cpu": {"idle": 1}}, "cpu.idle", "1"),
    ({"cpu": {"cpus": "0"}}, "cpuset.cpus", "0"),
    ({"cpu": {"mems": "0"}}, "cpuset.mems", "0"),
    ({"pids": {"limit": 17}}, "pids.max", "17"),
    ({"blockIO": {"weight": 500}}, "io.weight", "default"),
    ({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]}}, "io.max",
     "8:0 rbps=600"),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}, "hugetlb.2MB.max", "2097152"),
    ({"rdma": {"mlx5_9": {"hcaHandles": 3}}}, "rdma.max", "mlx5_9 hca_handle=3"),
    ({"unified": {"memory.high": "33554432"}}, "memory.high", "33554432"),
)
V1_ONLY = (
    ({"memory": {"swappiness": 60}}, "linux.resources.memory.swappiness"),
    ({"memory": {"kernel": 1 << 20}}, "linux.resources.memory.kernel"),
    ({"memory": {"disableOOMKiller": True}}, "linux.resources.memory.disableOOMKiller"),
    ({"cpu": {"realtimeRuntime": 100}}, "linux.resources.cpu.realtimeRuntime"),
    ({"blockIO": {"leafWeight": 100}}, "linux.resources.blockIO.leafWeight"),
    ({"network": {"classID": 1, "priorities": [{"name": "lo", "priority": 5}]}},
     "linux.resources.network"),
)


@tap.test("each-resource-is-in-force-or-named")
def resources():
    for given, name, want in RESOURCES:
        with Bundle("cat", "/sys/fs/cgroup/" + name) as b:
            b.linux["resources"] = given
            done = b.run()
            tap.check(done.code == 0 and want in done.out or done.code == 1 and name in done.err,
                      "%s: %s" % (given, done))
    for given, want in V1_ONLY:
        with Bundle() as b:
            b.linux["resources"] = given
            done = good(b.run())
            tap.check("warning" in done.err and want in done.err, "%s: %s" % (given, done))
    for given, want in (({"unified": {"a/b": "1"}}, "unified.a/b"),
                        ({"unified": {"cgroup.freeze": "1"}}, "cgroup.freeze"),
                        ({"memory": {"limit": 10, "swap": 5}}, "swap"),
                        ({"pids": {"limit": "x"}}, "linux.resources.pids.limit"),
                        ({"cpu": {"idle": 7}}, "linux.resources.cpu.idle")):
        with Bundle() as b:
            b.linux["resources"] = given
            refused(b.run(), want)


@tap.test("personality-labels-and-what-is-refused")
def personality():
    with Bundle("uname", "-m") as b:
        b.linux["personality"] = {"domain": "LINUX32"}
        out = good(b.run()).out.strip()
        tap.check(out != os.uname().machine, out)
    for key, value, want in (("personality", {"domain": "LINUX", "flags": ["x"]}, "personality.flags"),
                             ("personality", {"domain": "BSD"}, "personality.domain"),
                             ("mountLabel", "system_u:object_r:x:s0", "linux.mountLabel"),
                             ("intelRdt", {"closID": "x"}, "linux.intelRdt"),
                             ("netDevices", {"eth0": {}}, "linux.netDevices")):
        with Bundle() as b:
            b.linux[key] = value
            refused(b.run(), want)


@tap.test("of-a-variable-that-is-given-twice-the-last-one-counts")
def variables():
    with Bundle("env", env=["A=1", "PATH=/bin", "A=2", "HOME=", "B", "AB=3"]) as b:
        lines = good(b.run()).out.split()
        tap.check([l for l in lines if l.startswith("A=")] == ["A=2"] and "AB=3" in lines, str(lines))
        tap.check([l for l in lines if l.startswith("HOME=")] == ["HOME=/"], str(lines))


@tap.test("what-can-be-asked-of-a-container-that-has-stopped")
def stopped():
    with Bundle("sleep", "1000") as b, Bundle("sleep", "1000") as a:
        b.start()
        a.start()
        ids = runtime("list", "-q").out.split()
        tap.check(ids == sorted(ids) and b.id in ids, str(ids))
        good(runtime("kill", b.id, "0"))
        tap.check(b.status() == "running", "signal 0 only asks")
        good(runtime("kill", b.id, "KILL"))
        wait_for("its end", lambda: b.status() == "stopped")
        refused(runtime("kill", b.id, "0"), "not running")
        good(runtime("kill", "--all", b.id, "0"))
        tap.check(json.loads(good(runtime("ps", "--format", "json", b.id)).out) in ([], None), "ps")


@tap.test("without-pivot-root-no-bare-proc-can-be-mounted")
def no_pivot():
    # One that another test has mounted on this machine was copied with the rest.
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        rows = [line.split() for line in f]
    for row in rows:
        if row[row.index("-") + 1] == "proc" and row[4] != "/proc":
            subprocess.run(["umount", "-l", row[4]], check=True)
    script = "mount -t proc none /proc && echo MOUNTED"
    for option in ((), ("--no-pivot",)):
        with Bundle("unshare", "-mrpf", "sh", "-c", script) as b:
            for name in ("bounding", "permitted", "effective"):
                b.process["capabilities"][name] += ["CAP_SETFCAP"]
            done = b.run(*option)
            tap.check(done.code != 0 and "MOUNTED" not in done.out and "denied" in done.err
                      or "permitted" in done.err, "%s: %s" % (option, done))


@tap.test("device-nodes-of-a-user-namespace-run-nothing")
def nodes():
    with Bundle("cat", "/proc/self/mountinfo") as b:
        b.own_root()
        os.chmod(b.dir, 0o755)
        b.namespace("user")
        b.linux["uidMappings"] = b.linux["gidMappings"] = [
            {"containerID": 0, "hostID": 0, "size": 65536}]
        out = good(b.run()).out
        for name in ("null", "zero", "full", "tty", "random", "urandom"):
            row = re.search(r" /dev/%s (\S+) " % name, out)
            tap.check(row and {"nosuid", "noexec"} <= set(row[1].split(",")), name + ": " + out)


@tap.test("ids-are-checked")
def ids():
    with Bundle() as b:
        b.write()
        for name, want in ((".void", "invalid character '.'"), ("a/b", "invalid character '/'"),
                           ("a b", "invalid character ' '"), ("", "1 to 255"), ("x" * 300, "1 to 255")):
            refused(runtime("run", "--bundle", b.dir, name), "invalid container ID", want)
        done = runtime("delete", "--force", ".void")
        tap.check(done.code == 1 and os.path.isdir(os.path.join(box.ROOT, ".void")), str(done))


@tap.test("a-hook-at-the-start-may-do-what-the-program-may")
def filtered_hook():
    with Bundle("echo", "started") as b:
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        for words, good_one in (("true", True), ("exec mkdir /dev/shm/x", False)):
            b.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", words]}]}
            if good_one:
                good(b.run(), "started\n")
            else:
                refused(b.run(), "error running startContainer hook #0: /bin/sh", "bad system call")


@tap.test("SIGKILL-is-for-all-where-the-pid-namespace-is-somebody-elses")
def kill_all():
    for first_is_gone in (False, True):
        with Bundle("sh", "-c", "sleep 1000 & sleep 1000 & wait") as b:
            b.namespace("pid", remove=True)
            b.start()
            wait_for("its processes", lambda b=b: len(pids(b)) == 3)
            if first_is_gone:
                os.kill(b.state()["pid"], 9)
                wait_for("its end", lambda b=b: b.status() == "stopped")
                tap.check(len(pids(b)) == 2, "the others run on: %s" % pids(b))
            good(runtime("kill", b.id, "KILL"))
            wait_for("the end of all", lambda b=b: not pids(b))
            if first_is_gone:
                refused(runtime("kill", b.id, "KILL"), "not running")


def pids(b):
    with open(b.group() + "/cgroup.procs", encoding="ascii") as f:
        return f.read().split()


@tap.test("debug-says-the-steps-in-the-form-of-the-log")
def debug():
    line = r'time="[0-9T:.Z-]+" level=debug msg="'
    with Bundle("echo", "x") as b:
        log = os.path.join(b.dir, "log")
        b.write()
        done = good(runtime("--debug", "run", "--bundle", b.dir, b.id), "x\n")
        tap.check(len(re.findall(line, done.err)) >= 4 and "first process is" in done.err, str(done))
        done = good(runtime("--debug", "--log", log, "--log-format", "json", "run", "--bundle", b.dir, b.id), "x\n")
        tap.check(done.err == "", "what is in the log is not on stderr: %s" % done)
        with open(log, encoding="utf-8") as f:
            levels = {json.loads(row)["level"] for row in f}
        tap.check(levels == {"debug"}, levels)
        good(runtime("run", "--bundle", b.dir, b.id), "x\n")
    with Bundle("sleep", "1000") as b:
        b.start()
        done = good(runtime("--debug", "exec", b.id, "echo", "y"), "y\n")
        tap.check(re.search(line, done.err) and "runs in the container" in done.err, str(done))


@tap.test("a-masked-directory-is-read-only-and-empty")
def masked_directory():
    with Bundle("sh", "-c", "ls /secret; touch /secret/new") as b:
        os.makedirs(b.own_root() + "/secret")
        with open(b.dir + "/rootfs/secret/file", "w", encoding="ascii"):
            pass
        b.linux["maskedPaths"] = ["/secret"]
        done = b.run()
        tap.check(done.code == 1 and done.out == "" and "Read-only file system" in done.err, str(done))


@tap.test("exec-joins-a-group-below-the-containers-and-no-other")
def exec_group():
    with Bundle("sleep", "1000") as b:
        b.start()
        refused(b.exec("true", options=("--cgroup", "..")), " .. is not a sub cgroup path", code=255)
        refused(b.exec("true", options=("--cgroup", "none")), " adding pid ",
                "/none/cgroup.procs: no such file or directory", code=255)
        good(b.exec("true", options=("--cgroup", "/")))


@tap.test("features-are-those-of-the-schema-and-true")
def features():
    record = json.loads(good(runtime("features")).out)
    tap.check(set(record) == {"ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux",
                              "annotations", "potentiallyUnsafeConfigAnnotations"}, str(set(record)))
    tap.check(set(record["linux"]) == {
        "namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt",
        "mountExtensions", "netDevices"}, str(set(record["linux"])))
    for name in ("apparmor", "selinux", "intelRdt", "netDevices"):
        tap.check(record["linux"][name] == {"enabled": False}, name)
    # What is listed is understood: a bind takes each option that is no option of a file system.
    with Bundle("true") as b:
        source = os.path.join(b.dir, "data")
        os.makedirs(source)
        for option in record["mountOptions"]:
            if option in ("idmap", "ridmap", "tmpcopyup", "runbindable", "unbindable"):
                continue
            config = box.clone(b.config)
            config["mounts"].append({"destination": "/m", "source": source, "options": ["bind", option]})
            b.write(json.dumps(config))
            done = runtime("run", "--bundle", b.dir, b.id)
            tap.check(done.code == 0 or "/m" in done.err and "bind" in done.err, "%s: %s" % (option, done))


if __name__ == "__main__":
    box.enter()
    tap.run()
