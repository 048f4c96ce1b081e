#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a container must not get: each test is a way out that was open somewhere once."""
import ctypes
import os
import shutil
import signal
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from run_box import Box, Refused, tap  # noqa: E402

box.enter()
DEFAULT_CAPS = 0xa80425fb
EPERM, ENOSYS = 1, 38
PROBE = os.path.join(box.WORK, "probe")


def probe():
    if not os.path.exists(PROBE):
        subprocess.run(["gcc", "-static", "-O1", "-o", PROBE,
                        os.path.join(box.HERE, "run_probe.c")], check=True)
    return PROBE


def with_probe(tree):
    shutil.copy(probe(), os.path.join(tree, "bin/probe"))


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@tap.test("A10-capabilities-in-run-and-exec-root-and-not")
def caps():
    cat = ("cat", "/proc/self/status")
    for uid, effective in ((0, DEFAULT_CAPS), (1000, 0)):
        args = ("--uid", uid, "--gid", uid)
        with Box(*args, command=cat) as c:
            run = status(c.run()[1])
        with Box(command=("sleep", "900")) as c:
            c.start()
            execed = status(c.exec_output(*args, command=cat)[2])
        for what, got in (("run", run), ("exec", execed)):
            have = {k: int(got[k], 16) for k in ("CapInh", "CapAmb", "CapPrm", "CapEff", "CapBnd")}
            want = {"CapInh": 0, "CapAmb": 0, "CapPrm": effective, "CapEff": effective,
                    "CapBnd": DEFAULT_CAPS}
            tap.check(have == want, "%s as %d: %s" % (what, uid, have))
            tap.check(got["Seccomp"] == "2" and got["NoNewPrivs"] == "0", "%s: %s" % (what, got))
    with Box("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--nnp", command=cat) as c:
        got = status(c.run()[1])
        tap.check(int(got["CapEff"], 16) == int(got["CapBnd"], 16) == 1 << 12, str(got))
        tap.check(got["NoNewPrivs"] == "1", "no_new_privs was asked for")


@tap.test("setuid-programs-work-without-no-new-privs")
def setuid():
    def make(tree):
        shutil.copy(box.busybox(), os.path.join(tree, "bin/rootsh"))
        os.chmod(os.path.join(tree, "bin/rootsh"), 0o4755)
        os.symlink("rootsh", os.path.join(tree, "bin/suid"))
    script = "printf x > /tmp/f; /bin/rootsh cat /etc/secret"

    def make_secret(tree):
        make(tree)
        path = os.path.join(tree, "etc/secret")
        with open(path, "w", encoding="ascii") as f:
            f.write("secret")
        os.chmod(path, 0o600)
        # Any other static program would do; busybox drops the bit unless it may keep it.
        os.makedirs(os.path.join(tree, "etc"), exist_ok=True)
        shutil.copy(probe(), os.path.join(tree, "bin/suidprobe"))
        os.chmod(os.path.join(tree, "bin/suidprobe"), 0o4755)
    del script
    geteuid = ("suidprobe", "107", "0", "0", "0")
    with Box("--uid", 1000, "--gid", 1000, tree=make_secret, command=geteuid) as c:
        tap.check(c.run()[1] == "call 0 0\n", "the setuid bit has no effect")
    with Box("--uid", 1000, "--gid", 1000, "--nnp", tree=make_secret, command=geteuid) as c:
        tap.check(c.run()[1] == "call 1000 0\n", "no_new_privs has no effect")


@tap.test("no-fd-leaks-into-run-or-exec")
def fds():
    script = ("sh", "-c", "echo /proc/self/fd/*; cd /proc/$$/fd; echo *")
    with Box(command=script) as c:
        out = c.run()[1]
        # The shell's own directory fd of the glob is 3.
        tap.check(out.split("\n")[1].split() in (["0", "1", "2"], ["0", "1", "2", "3"]), out)
    with Box(command=("sleep", "900")) as c:
        c.start()
        tap.check(sorted(os.listdir("/proc/%d/fd" % c.pid)) == ["0", "1", "2"], "fds of PID 1")
        ident, pid, _, given = c.exec("--stdin", command=("cat",))
        tap.check(sorted(os.listdir("/proc/%d/fd" % pid)) == ["0", "1", "2"], "fds of an exec")
        for fd in given:
            os.close(fd)
        ident, pid, _, given = c.exec("--tty", command=("sleep", "9"))
        tap.check(sorted(os.listdir("/proc/%d/fd" % pid)) == ["0", "1", "2"], "fds with a tty")
        os.close(given[0])
        del ident


@tap.test("no-signal-is-ignored-or-blocked")
def signals():
    # The C library refuses to touch 32 and 33, so raw calls: a runner may well ignore them.
    libc = ctypes.CDLL(None)

    def ignore_all():
        ignored = (ctypes.c_ulong * 4)(1, 0, 0, 0)
        for number in (1, 2, 13, *range(32, 65)):
            libc.syscall(13, number, ignored, None, 8)
        libc.syscall(14, 0, ctypes.byref(ctypes.c_ulong(1 << 33 | 1 << 40)), None, 8)
    cat = ("cat", "/proc/self/status")
    with Box(command=cat, before=ignore_all) as c:
        got = status(c.run()[1])
    with Box(command=("sleep", "900"), before=ignore_all) as c:
        c.start()
        execed = status(c.exec_output(command=cat)[2])
    for what, have in (("run", got), ("exec", execed)):
        bits = {k: int(have[k], 16) for k in ("SigIgn", "SigBlk", "SigCgt")}
        tap.check(not any(bits.values()), "%s: %s" % (what, bits))


@tap.test("A3-working-directory-is-no-way-out")
def workdir():
    for number in list(range(0, 24)) + [64, 100, 1023]:
        with Box("--cwd", "/proc/self/fd/%d" % number, command=("pwd",)) as c:
            try:
                c.start()
            except Refused as error:
                tap.check("working directory" in str(error), str(error))
                c.proc.wait(box.LIMIT_S)
            else:
                raise AssertionError("WORKDIR=/proc/self/fd/%d was taken" % number)
    with Box(command=("sleep", "900")) as c:
        c.start()
        for number in range(0, 64):
            for prefix in ("/proc/self/fd", "/proc/1/fd", "/dev/fd"):
                try:
                    c.exec("--cwd", "%s/%d" % (prefix, number), command=("pwd",))
                except Refused as error:
                    tap.check("working directory" in str(error), str(error))
                else:
                    raise AssertionError("exec in %s/%d" % (prefix, number))
        for cwd in ("/proc/self/cwd", "/proc/1/root", "/proc/self/exe"):
            try:
                c.exec("--cwd", cwd, command=("pwd",))
            except Refused:
                pass
            else:
                raise AssertionError("exec in %s" % cwd)


@tap.test("A2-an-exec-cannot-be-watched-before-it-runs")
def watch_exec():
    # Whoever could read a young exec process would see the shim's program or its open files.
    script = ("while :; do for p in /proc/[0-9]*; do for f in exe cwd root fd/0 fd/1 fd/2 fd/3 fd/4"
              " fd/5 fd/7; do readlink $p/$f; done; done; done 2>/dev/null | grep -v -e '^/$' "
              "-e busybox -e ^pipe: -e ^/dev/null -e ^/proc -e ^/tmp/found > /tmp/found")
    with Box(command=("sh", "-c", script)) as c:
        c.start()
        for _ in range(60):
            c.exec_output(command=("true",))
        with open(os.path.join(c.tree, "tmp/found"), encoding="utf-8") as f:
            found = f.read()
        tap.check(found == "", "seen: %s" % found[:500])


@tap.test("A24-masked-and-read-only-paths")
def masks():
    script = """
for f in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats; do
 p=/proc/$f; [ -e $p ] || continue
 grep -q " $p " /proc/mounts || { echo "NO MASK $p"; continue; }
 if [ -d $p ]; then echo "dir $p $(ls -A $p | wc -l)"; else echo "file $p $(cat $p | wc -c)"; fi
 chmod 777 $p 2>/dev/null && echo "CHMOD $p"
done
for d in /sys/firmware /sys/devices/virtual/powercap /sys/devices/system/cpu/cpu*/thermal_throttle; do
 [ -e $d ] && echo "dir $d $(ls -A $d | wc -l)"; done
for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do
 [ -e $p ] && grep -q " $p [^ ]* ro," /proc/mounts && echo "ro $p"; done
echo 1 > /proc/sys/kernel/core_pattern && echo WROTE core_pattern
echo h > /proc/sysrq-trigger && echo WROTE sysrq
echo 1 > /sys/kernel/mm/ksm/run && echo WROTE sys
touch /sys/fs/cgroup/x && echo WROTE cgroup
chmod 000 /proc/self/fd/0 ; true
"""
    before = os.stat("/dev/null")
    with Box(command=("sh", "-c", script)) as c:
        _, out, _ = c.run()
    tap.note(out)
    tap.check("WROTE" not in out and "CHMOD" not in out and "NO MASK" not in out, out)
    for line in out.splitlines():
        if line.startswith(("dir ", "file ")):
            tap.check(line.endswith(" 0"), "not empty: " + line)
    for path in ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"):
        tap.check("ro " + path in out, "%s is not read-only" % path)
    after = os.stat("/dev/null")
    tap.check(before.st_mode == after.st_mode and before.st_uid == after.st_uid,
              "the host's /dev/null was changed")


@tap.test("A11-nothing-below-the-cgroup-tree-can-be-written")
def cgroup_ro():
    # Opened for writing only: what some of them do to a writer is not this test's matter.
    script = ("cd /sys/fs/cgroup && for f in $(find . -type f); do "
              "(: >> $f) 2>/dev/null && echo WROTE $f; done; ls | head -3; mkdir sub; "
              "cat /proc/self/cgroup; mount -o remount,rw /sys/fs/cgroup")
    with Box(command=("sh", "-c", script)) as c:
        _, out, _ = c.run()
        tap.check("WROTE" not in out and "cgroup." in out and "0::/\n" in out, out)


@tap.test("A8-images-with-links-or-files-in-the-engines-places")
def links():
    canary = os.path.join(box.WORK, "canary")
    host_dev = sorted(os.listdir("/dev"))
    for name in ("dev", "dev/pts", "dev/shm", "dev/null", "sys", "proc", "etc"):
        for kind in ("absolute", "relative", "file"):
            os.makedirs(canary, exist_ok=True)

            def spoil(tree, name=name, kind=kind):
                path = os.path.join(tree, name)
                if name == "etc":
                    shutil.rmtree(path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if kind == "absolute":
                    os.symlink(canary, path)
                elif kind == "relative":
                    os.symlink("../" * 20 + canary.lstrip("/"), path)
                else:
                    with open(path, "w", encoding="ascii") as f:
                        f.write("x")
            hosts = os.path.join(box.WORK, "hosts")
            with open(hosts, "w", encoding="ascii") as f:
                f.write("127.0.0.1 localhost\n")
            # The check of masks is inside: whatever starts has to have them.
            script = "[ -c /dev/null ] && [ -z \"$(ls -A /sys/firmware)\" ] && grep -q . /proc/mounts"
            with Box("--tty", "--bind", hosts + ":/etc/hosts", tree=spoil,
                     command=("/bin/busybox", "sh", "-c", script)) as c:
                try:
                    c.start()
                    code = c.wait()["code"]
                    how = "starts"
                    tap.check(code == 0, "%s as %s: unsafe start (%d)" % (name, kind, code))
                except Refused as error:
                    how = "refused: %s" % error
                    tap.check("/" + name.split("/", 1)[0] in str(error), str(error))
                    c.proc.wait(box.LIMIT_S)
                tap.note("%s as %s link or file %s" % (name, kind, how))
            tap.check(os.listdir(canary) == [], "%s as %s wrote to the host: %s" % (
                name, kind, os.listdir(canary)))
            tap.check(sorted(os.listdir("/dev")) == host_dev, "the host's /dev changed")


@tap.test("A5-null-of-the-image-is-never-used")
def null():
    def spoil(tree):
        os.makedirs(os.path.join(tree, "dev"))
        os.symlink("/proc/sys/kernel/core_pattern", os.path.join(tree, "dev/null"))
    with Box(tree=spoil, command=("sh", "-c", "ls -l /dev/null; cat /proc/keys | wc -c")) as c:
        _, out, _ = c.run()
        tap.check(out.startswith("c") and out.strip().endswith("0"), out)
    # The running container takes its null away: exec and masks do not notice.
    with Box(command=("sh", "-c", "rm /dev/null; ln -s /etc/passwd /dev/null; sleep 900")) as c:
        c.start()
        code, _, out, _ = c.exec_output(command=("sh", "-c", "sleep 0.2; wc -c < /proc/keys; cat"))
        tap.check((code, out) == (0, "0\n"), "%s %r" % (code, out))
        with open(os.path.join(c.tree, "etc/passwd"), encoding="ascii") as f:
            tap.check(f.read().startswith("root"), "something was written through the link")


@tap.test("A7-no-mount-at-or-below-proc-and-sys")
def proc_mounts():
    volume = os.path.join(box.WORK, "volume")
    os.makedirs(volume)
    for target in ("/proc", "/proc/self/attr", "/sys", "/sys/fs/cgroup", "/proc/../proc", "//proc",
                   "/dev", "/", "/dev/pts", "relative"):
        try:
            with Box("--bind", "%s:%s" % (volume, target)):
                raise AssertionError("a mount at %s was planned" % target)
        except Refused as error:
            tap.check("mount" in str(error), str(error))
    for link in ("/proc", "/proc/sys", "/sys/fs", "/proc/self"):
        def spoil(tree, link=link):
            os.symlink(link, os.path.join(tree, "away"))
        with Box("--bind", volume + ":/away", tree=spoil) as c:
            try:
                c.start()
                raise AssertionError("a link led a mount into %s" % link)
            except Refused as error:
                tap.check("/proc or /sys" in str(error) or "away" in str(error), str(error))
                c.proc.wait(box.LIMIT_S)


@tap.test("A17-volumes-follow-links-inside-the-root-only")
def volumes():
    outside = os.path.join(box.WORK, "outside")
    volume = os.path.join(box.WORK, "vol")
    os.makedirs(outside)
    os.makedirs(os.path.join(volume, "sub"))
    with open(os.path.join(volume, "file"), "w", encoding="ascii") as f:
        f.write("volume\n")

    def spoil(tree):
        os.symlink("../" * 20 + outside.lstrip("/"), os.path.join(tree, "up"))
        os.symlink("/target", os.path.join(tree, "abs"))
        os.symlink("nowhere/at/all", os.path.join(tree, "etc/resolv.conf"))
    with Box("--bind", volume + ":/up/a", "--bind", volume + ":/abs:ro", "--bind",
             volume + "/file:/etc/resolv.conf", "--tmpfs", "/x/y", tree=spoil,
             command=("sh", "-c", "cat /abs/file /etc/resolv.conf; touch /abs/n; touch /x/y/n; "
                      "ls /up/a; grep ' /x/y ' /proc/mounts | cut -d' ' -f3")) as c:
        _, out, _ = c.run()
        tap.check(out == "volume\nvolume\nfile\nsub\ntmpfs\n", out)
        tap.check(os.path.isfile(os.path.join(c.tree, "etc/nowhere/at/all")), "a dangling link")
    tap.check(os.listdir(outside) == [] and sorted(os.listdir(volume)) == ["file", "sub"],
              "the host was written to")
    os.symlink(outside, os.path.join(volume, "link"))
    with Box("--bind", volume + "/link:/mnt") as c:
        try:
            c.start()
            raise AssertionError("a link as a bind source was followed")
        except Refused:
            c.proc.wait(box.LIMIT_S)
    given = os.open(volume, os.O_PATH)
    with Box("--bind", "fd:/given", extra=[given], command=("cat", "/given/file")) as c:
        tap.check(c.run()[1] == "volume\n", "a source given by fd")
    os.close(given)


@tap.test("A4-target-swapped-for-a-link-while-containers-start")
def swapped_target():
    shared, other, canary = (os.path.join(box.WORK, n) for n in ("shared", "other", "canary4"))
    for path in (shared + "/sub", other, canary):
        os.makedirs(path)
    with open(other + "/planted", "w", encoding="ascii"):
        pass
    os.symlink("../" * 20 + canary.lstrip("/"), shared + "/evil")
    swapper = os.fork()
    if swapper == 0:
        libc = ctypes.CDLL(None)
        a, b = (shared + "/sub").encode(), (shared + "/evil").encode()
        while True:
            libc.renameat2(-100, a, -100, b, 2)  # RENAME_EXCHANGE
    started = 0
    tree = box.make_tree(os.path.join(box.WORK, "swapped-root"))
    try:
        for _ in range(25):
            with Box("--bind", shared + ":/v", "--bind", other + ":/v/sub",
                     root=tree, command=("sh", "-c", "touch /v/sub/written")) as c:
                try:
                    c.start()
                    c.wait()
                    started += 1
                except Refused:
                    c.proc.wait(box.LIMIT_S)
            tap.check(os.listdir(canary) == [], "the host was written to: %s" % os.listdir(canary))
    finally:
        os.kill(swapper, signal.SIGKILL)
        os.waitpid(swapper, 0)
    tap.note("%d of 25 started" % started)


@tap.test("A21-devices-are-denied-but-those-of-the-list")
def devices():
    with open("/proc/partitions", encoding="ascii") as f:
        disk = f.read().split("\n")[2].split()
    script = """
for d in "b %s %s" "c 1 1" "c 1 11" "c 10 229" "c 4 64" "c 5 3" "c 10 1" "b 7 0"; do
 rm -f /tmp/n; mknod /tmp/n $d || { echo "mknod $d failed"; continue; }
 (exec 3<>/tmp/n) 2>/tmp/e && echo "OPENED $d"; (exec 3</tmp/n) 2>>/tmp/e && echo "OPENED $d"
 grep -q 'not permitted' /tmp/e || { echo "other error for $d"; cat /tmp/e; }
done
for d in "c 1 3" "c 1 5" "c 1 7" "c 1 8" "c 1 9"; do
 rm -f /tmp/n; mknod /tmp/n $d; (exec 3<>/tmp/n) || echo "REFUSED $d"; done
for n in null zero full random urandom; do (exec 3<>/dev/$n) || echo "REFUSED $n"; done
head -c 4 /dev/zero | wc -c; echo x > /dev/full; ls /dev
""" % (disk[0], disk[1])
    with Box(command=("sh", "-c", script)) as c:
        _, out, err = c.run()
        tap.check("OPENED" not in out and "REFUSED" not in out and "other" not in out, out + err)
        tap.check("4\n" in out and "No space left" in err, out + err)
        names = out.split("4\n", 1)[1].split()
        tap.check(names == ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
                            "stderr", "stdin", "stdout", "tty", "urandom", "zero"], str(names))
    with Box("--device", "/dev/x/fuse:10:229", command=("sh", "-c", "exec 3</dev/x/fuse && echo in")
             ) as c:
        tap.check(c.run()[1] == "in\n", "a device of the list")


@tap.test("seccomp-profile")
def seccomp():
    with Box("--cap-add", "SYS_NICE", "--cap-drop", "SYS_NICE", tree=with_probe,
             command=("probe",)) as c:
        _, out, err = c.run()
        rows = {r.split()[0]: (int(r.split()[1]), int(r.split()[2])) for r in out.splitlines()}
        tap.check(len(rows) > 60, out + err)
        for name, answer in rows.items():
            want = ENOSYS if name == "clone3" or name.startswith("newer") else EPERM
            tap.check(answer == (-1, want), "%s answers %s" % (name, answer))
    calls = (
        # personality: the five values, and one that is refused
        ((135, 0, 0, 0), 0), ((135, 8, 0, 0), 0), ((135, 0x20000, 0, 0), 0),
        ((135, 0xffffffff, 0, 0), 0), ((135, 0x40000, 0, 0), EPERM),
        # socket: AF_UNIX, AF_ALG, AF_NFC, AF_VSOCK, AF_KCM
        ((41, 1, 1, 0), 0), ((41, 38, 5, 0), EPERM), ((41, 39, 5, 0), "other"),
        ((41, 40, 1, 0), EPERM), ((41, 41, 1, 0), "other"),
        # clone with CLONE_NEWUSER, CLONE_NEWNET; ptrace, process_vm_readv; getpid
        ((56, 0x10000000, 0, 0), EPERM), ((56, 0x40000000, 0, 0), EPERM),
        ((101, 99, 0, 0), "other"), ((310, 0, 0, 0), "other"), ((39, 0, 0, 0), 0),
    )
    with Box(tree=with_probe, command=("sleep", "900")) as c:
        c.start()
        for call, want in calls:
            _, _, out, _ = c.exec_output(command=("probe",) + tuple("%d" % n for n in call))
            got = int(out.split()[2])
            good = got != EPERM if want == "other" else got == want
            tap.check(good, "call %s gives errno %d, expected %s" % (call, got, want))
    with Box("--seccomp", "none", tree=with_probe, command=("probe", "250", "0", "-1", "0")) as c:
        tap.check(c.run()[1].split()[2] != "1", "keyctl is refused without a filter too")
    with Box("--cap-add", "SYS_ADMIN", tree=with_probe, command=("probe", "272", "0", "0", "0")
             ) as c:
        tap.check(c.run()[1] == "call 0 0\n", "unshare with CAP_SYS_ADMIN")


@tap.test("privileged")
def privileged():
    script = ("grep Cap /proc/self/status; grep Seccomp: /proc/self/status; ls -A /sys/firmware |"
              " wc -l; grep ' /proc/sys ' /proc/mounts | wc -l; touch /tmp/a; mkdir /tmp/m;"
              "mount -t tmpfs x /tmp/m && echo mounted; mkdir /sys/fs/cgroup/sub && echo made;"
              "rmdir /sys/fs/cgroup/sub")
    own = status(open("/proc/self/status", encoding="ascii").read())
    with Box("--privileged", command=("sh", "-c", script)) as c:
        _, out, err = c.run()
        got = status(out)
        tap.check(int(got["CapBnd"], 16) == int(own["CapBnd"], 16), "bounding set: " + out)
        tap.check(got["Seccomp"] == "0" and "mounted" in out and "made" in out, out + err)
        tap.check("\n0\nmounted" in out, "/proc/sys is read-only: " + out)


@tap.test("read-only-root")
def readonly():
    script = "touch /x || echo refused; touch /tmp/t && echo tmp; touch /dev/shm/s && echo shm"
    with Box("--readonly", "--tmpfs", "/tmp", command=("sh", "-c", script)) as c:
        tap.check(c.run()[1] == "refused\ntmp\nshm\n", "the root is writable")


@tap.test("A19-sysctls")
def sysctls():
    with Box("--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmax=12345", "--sysctl",
             "fs.mqueue.msg_max=20", command=("sh", "-c", "cd /proc/sys; cat net/ipv4/ip_forward "
                                              "kernel/shmmax fs/mqueue/msg_max")) as c:
        tap.check(c.run()[1] == "1\n12345\n20\n", "values")
    for key in ("kernel.core_pattern", "vm.swappiness", "kernel.shm/../core_pattern",
                "net/../kernel/core_pattern", "net.ipv4+x", "fs.file-max", "kernel.shm_x", ""):
        try:
            with Box("--sysctl", key + "=1"):
                raise AssertionError("sysctl %s was planned" % key)
        except Refused as error:
            tap.check("sysctl" in str(error), str(error))


@tap.test("A20-keyring-is-not-the-hosts")
def keyring():
    with Box("--seccomp", "none", tree=with_probe,
             command=("probe", "250", "0", "-3", "0")) as c:  # KEYCTL_GET_KEYRING_ID, session
        inside = c.run()[1]
    host = subprocess.run([probe(), "250", "0", "-3", "0"], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    tap.check(inside.split()[1] != host.split()[1] or "-1" in inside, inside + host)


@tap.test("A22-each-terminal-is-its-own")
def terminals():
    with Box("--tty", command=("sh",)) as c:
        c.start()
        _, _, _, one = c.exec("--tty", command=("sh",))
        _, _, _, two = c.exec("--tty", command=("sh",))
        names = set()
        for fds in (one, two):
            os.write(fds[0], b"tty; echo o''k\n")
            data = box.read_tty(fds[0], b"ok\r\n").decode()
            names.add([w for w in data.split() if w.startswith("/dev/pts/")][0])
        tap.check(len(names) == 2 and "/dev/pts/0" not in names, str(names))
        tap.check(not [n for n in os.listdir("/dev/pts") if n in ("1", "2") and
                       stat.S_ISCHR(os.stat("/dev/pts/" + n).st_mode) and
                       os.stat("/dev/pts/" + n).st_dev == os.stat("/proc/%d/fd/0" % c.pid).st_dev],
                  "the host's devpts has them")
        for fds in (one, two):
            os.close(fds[0])
        c.signal(signal.SIGKILL)
        c.wait()


@tap.test("A6-A8-exec-with-a-hostile-dev")
def hostile_dev():
    script = ("rm -f /dev/ptmx /dev/null /dev/console /dev/tty; ln -s /etc/passwd /dev/ptmx;"
              "ln -s /etc/passwd /dev/null; mkdir /dev/console; echo ready; sleep 900")
    with Box(command=("sh", "-c", script)) as c:
        before = open(os.path.join(c.tree, "etc/passwd"), encoding="ascii").read()
        c.start()
        for _ in range(20):
            _, _, tty, fds = c.exec("--tty", "--uid", 1000, command=("echo", "fine"))
            box.read_tty(fds[0], b"fine")
            os.close(fds[0])
        path = os.path.join(c.tree, "etc/passwd")
        tap.check(open(path, encoding="ascii").read() == before and os.stat(path).st_uid == 0,
                  "something was written or chowned through the links")


@tap.test("namespaces-of-the-host-are-out-of-reach")
def namespaces():
    script = ("ls /proc | grep -c '^[0-9]'; hostname; ipcs 2>/dev/null | wc -l; "
              "ls /sys/class/net; kill -0 -1; echo $$")
    with Box("--hostname", "inner", command=("sh", "-c", script)) as c:
        out = c.run()[1].split()
        tap.check(int(out[0]) < 10 and out[1] == "inner" and out[-1] == "1", str(out))
        own = {"lo", "bonding_masters", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0",
               "ip_vti0", "ip6_vti0", "ip6gre0"}  # what the kernel puts into each new one
        tap.check(set(out[3:-1]) <= own, str(out))


box.run()
