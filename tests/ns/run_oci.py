#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each field of the OCI runtime configuration, carried out without a shim and seen from inside."""
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_box as box  # noqa: E402
from run_box import BUILD, tap  # noqa: E402
from direct_box import (DIRECT, FILES, FULL, NEW, NOT_REACHED, ROOT, USER, direct, direct_root, options,  # noqa: E402
                        sh, status, volume)

box.enter()
@tap.test("an-empty-configuration-runs-a-program-in-its-root")
def empty():
    out = direct(files=[], command=("/bin/sh", "-c", "pwd; ls /; id -u; echo $#"))
    tap.check(out.split() == ["/", "bin", "dev", "etc", "proc", "sys", "tmp", "0", "0"], out)
    tap.check(direct(files=[], command=("/bin/sh", "-c", "exit 7"), check=7) == "", "exit status")
    tap.check("not found" in direct(command=("nothing",), check=NOT_REACHED), "a missing program")


@tap.test("namespaces-are-new-or-the-hosts")
def namespaces():
    kinds = ("pid", "ipc", "uts", "net", "cgroup", "time", "user", "mnt")
    own = {k: os.readlink("/proc/self/ns/" + k) for k in kinds}
    script = "cd /proc/self/ns; for n in %s; do readlink $n; done" % " ".join(kinds)
    got = sh(script=script).split()
    same = [k for k, text in zip(kinds, got) if text == own[k]]
    tap.check(same == [k for k in kinds if k != "mnt"], "the host's: %s" % same)
    got = sh(*NEW, *USER, "--new", "time", script=script).split()
    same = [k for k, text in zip(kinds, got) if text == own[k]]
    tap.check(same == [], "still the host's: %s" % same)


@tap.test("namespaces-are-joined-by-path")
def joined():
    keeper = subprocess.Popen(["unshare", "-n", "-u", "-i", "-C", "-p", "-f", "--kill-child", "-T",
                               "sleep", "900"])
    try:
        own = os.readlink("/proc/self/ns/net")
        for _ in range(2000):
            with open("/proc/%d/task/%d/children" % (keeper.pid, keeper.pid),
                      encoding="ascii") as f:
                child = f.read().split()
            if child and os.readlink("/proc/%s/ns/net" % child[0]) != own:
                break
            time.sleep(0.01)
        kinds = {"pid": "pid", "ipc": "ipc", "uts": "uts", "net": "net", "cgroup": "cgroup",
                 "time": "time"}
        want = [os.readlink("/proc/%s/ns/%s" % (child[0], k)) for k in kinds]
        args = [w for k in kinds for w in ("--join", "%s=/proc/%s/ns/%s" % (k, child[0], k))]
        script = "cd /proc/self/ns; for n in %s; do readlink $n; done" % " ".join(kinds)
        tap.check(sh(*args, script=script).split() == want, "joined")
        # A hook of the runtime is born outside, though the container's process was born there.
        hook = os.path.join(box.WORK, "hook-where")
        with open(hook, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nreadlink /proc/self/ns/pid > %s.out\n" % hook)
        os.chmod(hook, 0o755)
        direct(*args, "--hook", "1:10:" + hook)
        with open(hook + ".out", encoding="ascii") as f:
            tap.check(f.read().strip() == os.readlink("/proc/self/ns/pid"), "the hook's place")
    finally:
        keeper.kill()
        keeper.wait()


@tap.test("A25-user-namespace-with-mappings")
def user():
    script = ("id -u; cat /proc/self/uid_map /proc/self/gid_map; touch /dev/shm/x; "
              "stat -c %u:%g /dev/shm/x; mount -t tmpfs t /mnt && echo mounted; hostname inside; "
              "echo x > /dev/null && echo null; cat /proc/self/oom_score_adj")
    os.makedirs(os.path.join(ROOT, "mnt"), exist_ok=True)
    out = sh(*NEW, *USER, "--oom", "321", script=script).split()
    tap.check(out == ["0", "0", "100000", "65536", "0", "100000", "65536", "0:0", "mounted",
                      "null", "321"], str(out))
    # Seen from outside it is nobody of importance.
    proc = subprocess.Popen([DIRECT] + FILES + NEW + USER + ["--uid", "7", ROOT, "--", "sh", "-c",
                                                             "echo in; read x"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=box.ENV)
    tap.check(proc.stdout.readline() == b"in\n", "it runs")
    with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid), encoding="ascii") as f:
        child = f.read().split()[0]
    tap.check(os.stat("/proc/" + child).st_uid == 100007, "its user on the host")
    proc.communicate(b"\n")
    for args, word in ((["--new", "user"], "uidMappings"),
                       (["--new", "user", "--map", "0:1:0"], "mapping 0"),
                       (["--new", "user", "--map", "0:1000:10", "--uid", "10"], "user 10")):
        tap.check(word in direct(*args, check=NOT_REACHED), "refused: %s" % word)


@tap.test("a-user-namespace-is-joined-by-path")
def joined_user():
    keeper = subprocess.Popen(["unshare", "-U", "-n", "sleep", "900"])
    try:
        own = os.readlink("/proc/self/ns/net")
        base = "/proc/%d/" % keeper.pid
        for _ in range(2000):
            if os.readlink(base + "ns/net") != own:
                break
            time.sleep(0.01)
        for name in ("uid_map", "gid_map"):
            with open(base + name, "w", encoding="ascii") as f:
                f.write("0 200000 1000\n")
        want = [os.readlink(base + "ns/user"), os.readlink(base + "ns/net")]
        args = ["--join", "user=%sns/user" % base, "--join", "net=%sns/net" % base,
                "--new", "pid", "--new", "ipc", "--new", "uts", "--map", "0:200000:1000", "--caps",
                "%d:%d:%d:0:0" % ((FULL,) * 3), "--oom", "123"]
        out = sh(*args, script="for n in user net; do readlink /proc/self/ns/$n; done; hostname new; "
                               "cat /proc/self/uid_map; echo $$; cat /proc/self/oom_score_adj").split()
        tap.check(out == want + ["0", "200000", "1000", "1", "123"], "%s, expected %s" % (out, want))
    finally:
        keeper.kill()
        keeper.wait()


@tap.test("mount-options-of-a-bind")
def bind_options():
    path = volume("options", file="text\n")
    sub = os.path.join(path, "sub")
    os.makedirs(sub)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "below", sub], check=True)
    try:
        def at(words, target="/v"):
            return options(direct("--mount", "bind|%s|/v|%s" % (path, words),
                                  command=("cat", "/proc/mounts")), target)
        for words, there, gone in (
                ("ro;nosuid", {"ro", "nosuid"}, {"nodev"}), ("rbind;nodev;noexec",
                                                             {"nodev", "noexec", "rw"}, {"ro"}),
                ("noatime", {"noatime"}, {"relatime"}), ("strictatime", set(),
                                                         {"noatime", "relatime"}),
                ("nodiratime", {"nodiratime"}, set()), ("nosymfollow", {"nosymfollow"}, set())):
            got = set(at(words))
            tap.check(there <= got and not gone & got, "%s gives %s" % (words, got))
        tap.check("ro" not in at("rbind;ro", "/v/sub"), "ro is for the top")
        tap.check("ro" in at("rbind;rro", "/v/sub") and "ro" in at("rbind;rro"), "rro is for all")
        got = at("rbind;-rnoexec", "/v/sub")
        tap.check("noexec" not in got, "rexec takes it away below: %s" % got)
        tap.check("/v/sub" not in sh("--mount", "bind|%s|/v|" % path, script="cat /proc/mounts"),
                  "a bind that is not recursive brings nothing along")
    finally:
        subprocess.run(["umount", sub], check=True)
    tap.check(sh("--mount", "bind|%s/file|/a/new/file|ro" % path, script="cat /a/new/file")
              == "text\n", "a file as target is made")
    os.symlink(path, os.path.join(box.WORK, "link"))
    link = os.path.join(box.WORK, "link")
    tap.check(sh("--mount", "bind|%s/file|/f|follow" % link, script="cat /f") == "text\n",
              "a link in the source is followed when that is said")
    direct("--mount", "bind|%s/file|/f|" % link, check=NOT_REACHED)
    tap.check(sh("--mount", "bind|/nowhere/at/all|/f|optional", script="echo on") == "on\n",
              "an optional source")


@tap.test("propagation-of-mounts-and-root")
def propagation():
    path = volume("propagated")
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    try:
        def field(words, *args, target="/v"):
            text = direct(*args, "--mount", "bind|%s|/v|%s" % (path, words),
                          command=("cat", "/proc/self/mountinfo"))
            row = [r.split() for r in text.splitlines() if r.split()[4] == target][-1]
            return " ".join(row[6:row.index("-")])
        tap.check(field("") == "", "private when nothing is said")
        tap.check(field("rprivate") == "", "rprivate")
        tap.check(field("rslave").startswith("master:"), "rslave")
        tap.check(field("rshared").startswith("shared:"), "rshared")
        tap.check(field("unbindable") == "unbindable", "unbindable")
        for number, want in ((1, ""), (3, "shared:"), (4, "unbindable")):
            got = field("", "--propagation", number, target="/")
            tap.check(got.startswith(want) and bool(got) == bool(want), "root %d: %s" % (
                number, got))
        tap.check(field("", "--propagation", 2).startswith("master:"), "a root that is slave")
        # What the container mounts in a shared bind is seen outside, in a private one not.
        for words, seen in (("rshared", True), ("rprivate", False)):
            os.makedirs(os.path.join(path, "m"), exist_ok=True)
            out = sh("--caps", "%d:%d:%d:0:0" % ((FULL,) * 3), "--mount",
                     "bind|%s|/v|%s" % (path, words), script="mount -t tmpfs x /v/m && echo done")
            tap.check(out == "done\n", out)
            tap.check(os.path.ismount(os.path.join(path, "m")) == seen, words)
            if seen:
                subprocess.run(["umount", os.path.join(path, "m")], check=True)
    finally:
        subprocess.run(["umount", path], check=True)


@tap.test("id-mapped-mounts")
def idmap():
    path = os.path.join(box.WORK, "mapped")
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "mapped", path], check=True)
    try:
        with open(os.path.join(path, "file"), "w", encoding="ascii") as f:
            f.write("mine\n")
        os.chmod(os.path.join(path, "file"), 0o600)
        plain = ["--mount", "bind|%s|/v|" % path]
        if sh("--mount", "bind|%s|/v|idmap=0:5000:10" % path, script="true", check=None,
              ) and "idmap" in direct("--mount", "bind|%s|/v|idmap=0:5000:10" % path, check=None):
            tap.skip("tmpfs cannot be id-mapped by this kernel")
        out = sh("--mount", "bind|%s|/v|idmap=0:5000:10" % path, script="stat -c %u /v/file")
        tap.check(out == "5000\n", "mapped for the host: " + out)
        out = sh(*NEW, *USER, *plain, script="stat -c %u /v/file; cat /v/file || echo refused")
        tap.check(out == "65534\nrefused\n", "unmapped it is nobody's: " + out)
        out = sh(*NEW, *USER, "--mount", "bind|%s|/v|idmap" % path,
                 script="stat -c %u /v/file; cat /v/file; echo new > /v/new")
        tap.check(out == "0\nmine\n", "by the container's own mapping: " + out)
        tap.check(os.stat(os.path.join(path, "new")).st_uid == 0, "what it writes is root's")
    finally:
        subprocess.run(["umount", path], check=True)


@tap.test("tmpcopyup-and-other-file-systems")
def filesystems():
    tree = os.path.join(ROOT, "seed")
    os.makedirs(os.path.join(tree, "deep/er"))
    with open(os.path.join(tree, "deep/er/file"), "w", encoding="ascii") as f:
        f.write("x" * 100000)
    os.chmod(os.path.join(tree, "deep"), 0o2755)
    os.chown(os.path.join(tree, "deep"), 3, 4)
    os.symlink("/etc/passwd", os.path.join(tree, "link"))
    out = sh("--mount", "tmpfs|tmpfs|/seed|tmpcopyup;data=mode=700",
             script="wc -c < /seed/deep/er/file; stat -c %a:%u:%g /seed/deep; readlink /seed/link;"
                    "echo y > /seed/new; grep ' /seed ' /proc/mounts | cut -d' ' -f3")
    tap.check(out.split() == ["100000", "2755:3:4", "/etc/passwd", "tmpfs"], out)
    tap.check(sorted(os.listdir(tree)) == ["deep", "link"], "the image was written to")
    shutil.rmtree(tree)
    out = sh("--mount", "ramfs|ramfs|/ram|nodev;data=mode=711",
             script="stat -f -c %T /ram; stat -c %a /ram")
    tap.check(out.split()[-1] == "711", out)
    out = direct("--mount", "nosuchfs||/x|", check=NOT_REACHED)
    tap.check("nosuchfs" in out, out)
    tap.check(direct("--mount", "nosuchfs||/x|optional") == "", "an optional type")
    out = direct("--mount", "tmpfs||/x|data=nosuch=1", check=NOT_REACHED)
    tap.check("nosuch" in out and "/x" in out, out)


@tap.test("A7-only-proc-at-proc-and-only-known-files-below")
def proc_places():
    path = volume("fake")
    for mount in ("bind|%s|/proc|" % path, "tmpfs||/proc|", "bind|%s|/proc/self/attr|" % path,
                  "bind|%s|/proc/sys/kernel|" % path):
        out = direct("--mount", mount, check=NOT_REACHED)
        tap.check("/proc" in out, out)
    for link, mount in (("/proc/sys/kernel", "tmpfs||/away|"), ("/sys/kernel", "tmpfs||/away|")):
        os.symlink(link, os.path.join(ROOT, "away"))
        out = direct("--mount", mount, check=NOT_REACHED)
        tap.check("link" in out, out)
        os.unlink(os.path.join(ROOT, "away"))
    with open(os.path.join(path, "uptime"), "w", encoding="ascii") as f:
        f.write("1.00 1.00\n")
    tap.check(sh("--mount", "bind|%s/uptime|/proc/uptime|" % path, script="cat /proc/uptime")
              == "1.00 1.00\n", "what LXCFS does")
    for name in ("proc", "sys", "dev"):
        tree = os.path.join(box.WORK, "root-" + name)
        canary = volume("canary-" + name)
        box.make_tree(tree)
        os.symlink("../" * 20 + canary.lstrip("/"), os.path.join(tree, name))
        out = direct(root=tree, check=NOT_REACHED)
        tap.check("must be mounted on ordinary directory" in out and os.listdir(canary) == [], out)


@tap.test("masked-and-read-only-paths-as-listed")
def guards():
    script = ("wc -c < /proc/keys; ls -A /sys/kernel | wc -l; grep ' /proc/sys ' /proc/mounts | "
              "cut -d' ' -f4; ls /etc | wc -l; touch /tmp/x || echo refused")
    out = sh("--masked", "/proc/keys", "--masked", "/sys/kernel", "--masked", "/etc", "--masked",
             "/not/there", "--readonly-path", "/proc/sys", "--readonly-path", "/tmp",
             script=script).split()
    tap.check(out[:2] == ["0", "0"] and out[2].startswith("ro,") and out[3:] == ["0", "refused"],
              str(out))


@tap.test("capability-sets")
def caps():
    bounding, permitted, effective, inheritable, ambient = 0xff, 0x3f, 0x0f, 0x07, 0x03
    args = ("--caps", "%d:%d:%d:%d:%d" % (bounding, permitted, effective, inheritable, ambient))
    # execve of root's gives what is inheritable or in the bounding set.
    got = status(*args, "--uid", "1000")
    have = {k: int(got["Cap" + k], 16) for k in ("Bnd", "Prm", "Eff", "Inh", "Amb")}
    tap.check(have == {"Bnd": bounding, "Prm": ambient, "Eff": ambient, "Inh": inheritable,
                       "Amb": ambient}, str(have))
    got = status(*args)
    have = {k: int(got["Cap" + k], 16) for k in ("Bnd", "Inh", "Amb")}
    tap.check(have == {"Bnd": bounding, "Inh": inheritable, "Amb": 0} or
              have == {"Bnd": bounding, "Inh": inheritable, "Amb": ambient}, str(have))
    got = status()
    tap.check(all(int(got["Cap" + k], 16) == 0 for k in ("Bnd", "Prm", "Eff", "Inh", "Amb")),
              "none without capabilities: %s" % got)


@tap.test("properties-of-the-process")
def process():
    script = ("umask; cat /proc/self/personality; ulimit -n; cat /proc/self/oom_score_adj;"
              "grep Cpus_allowed_list /proc/self/status | cut -f2; cut -d' ' -f19,41 "
              "/proc/self/stat; pwd")
    cpu = min(os.sched_getaffinity(0))
    out = sh("--umask", "0o27".replace("0o", "0"), "--personality", "0x8", "--rlimit", "7:100:200",
             "--oom", "77", "--cpus", cpu, "--scheduler", "3:5:0:0:0:0:0", "--ioprio", "2:6",
             "--cwd", "/made/here", script=script).split()
    tap.check(out == ["0027", "00000008", "100", "77", str(cpu), "5", "3", "/made/here"], str(out))
    with open("/proc/self/oom_score_adj", encoding="ascii") as f:
        own = f.read()
    tap.check(sh(script="cat /proc/self/oom_score_adj; umask") == own + "0022\n", "inherited")
    for option, word in (("--cpus", "CPUs"), ("--umask", "umask"), ("--ioprio", "ioPriority")):
        tap.check(word in direct(option, "99999", check=NOT_REACHED), word)


@tap.test("time-offsets")
def times():
    day = 86400
    with open("/proc/uptime", encoding="ascii") as f:
        before = float(f.read().split()[0])
    out = sh("--new", "time", "--time", "%d:%d" % (day, 2 * day),
             script="cat /proc/self/timens_offsets; cut -d' ' -f1 /proc/uptime").split()
    tap.check(out[1] == str(day) and out[4] == str(2 * day), str(out))
    tap.check(0 <= float(out[6]) - before - 2 * day < 3600, "boot time is %s" % out[6])
    out = sh("--new", "time", "--time", "%d:%d" % (day, day), *USER, "--new", "pid", "--new",
             "ipc", "--new", "net", script="cat /proc/self/timens_offsets").split()
    tap.check(out[1] == str(day), "with a user namespace: %s" % out)
    tap.check("time namespace" in direct("--time", "1:1", check=NOT_REACHED), "without one")


@tap.test("names-and-sysctls")
def names():
    out = sh(*NEW, "--hostname", "inner", "--domainname", "example", "--sysctl",
             "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmax=4242",
             script="hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward "
                    "/proc/sys/kernel/shmmax").split()
    tap.check(out == ["inner", "example", "1", "4242"], str(out))
    tap.check("UTS" in direct("--hostname", "x", check=NOT_REACHED), "the host's name is safe")
    # Without /proc in the container, too.
    direct("--new", "net", "--sysctl", "net.ipv4.ip_forward=1", files=[])


@tap.test("a device program that cannot be replaced is an error, and no second one hangs beside it")
def device_replace():
    tool = os.path.join(BUILD, "x86_64/san/bin/tests/tool/device_tool")
    group = os.path.join("/sys/fs/cgroup", box.GROUP + "-device")
    os.makedirs(group, exist_ok=True)
    try:
        done = subprocess.run([tool, group], stdout=subprocess.PIPE, env=box.ENV, check=True)
    finally:
        os.rmdir(group)
    words = done.stdout.decode().split(None, 3)
    tap.check(words[:3] == ["0", "-1", "1"] and "old device program" in words[-1], done)


@tap.test("A21-devices-by-rules-that-deny-and-allow")
def devices():
    # Empty between two runs: a name that no other run's tidying knows.
    path = "/sys/fs/cgroup/hoy-oci-rules-" + os.environ["HOY_RUN_BOX"]
    os.makedirs(path)
    script = "for d in null zero full; do (exec 3<>/dev/$d) 2>/dev/null && echo $d; done; " \
             "(exec 3</dev/x) 2>/dev/null && echo x; true"
    try:
        out = sh("--cgroup", path, "--device", "10:229:/dev/x", script=script).split()
        tap.check(out == ["null", "zero", "full"], "no rule for x: %s" % out)
        out = sh("--cgroup", path, "--device", "10:229:/dev/x", "--rule", "10:229:0",
                 script=script).split()
        tap.check(out == ["null", "zero", "full", "x"], "a rule for x: %s" % out)
        out = sh("--cgroup", path, "--device", "10:229:/dev/x", "--devices-all", "--rule", "10:229:1",
                 script=script).split()
        tap.check(out == ["null", "zero", "full"], "all but x: %s" % out)
        out = sh("--cgroup", path, script="cat /proc/self/cgroup")
        tap.check(os.path.basename(path) in out, "born in its group: " + out)
    finally:
        os.rmdir(path)


@tap.test("hooks-run-at-their-points-with-the-state")
def hooks():
    log = os.path.join(box.WORK, "hooks.log")
    paths = []
    for i, name in enumerate(("prestart", "runtime", "create", "start", "poststart", "poststop")):
        inside = name == "start"
        path = os.path.join("/bin" if inside else box.WORK, "hook-" + name)
        real = ROOT + path if inside else path
        where = "/hooks.log" if inside else log
        with open(real, "w", encoding="ascii") as f:
            f.write("#!%s\necho \"%s $(%s) $(test -e %s && echo host)\" >> %s\n" % (
                "/bin/sh", name, "cat", box.WORK, where))
        os.chmod(real, 0o755)
        paths += ["--hook", "%d:10:%s" % (i, path)]
    direct("--new", "pid", *paths)
    with open(log, encoding="ascii") as f:
        rows = [row.split(" ", 1) for row in f.read().splitlines()]
    tap.check([r[0] for r in rows] == ["prestart", "runtime", "create", "poststart", "poststop"],
              str(rows))
    tap.check(all("host" in r[1] and "\"pid\": " in r[1] for r in rows), str(rows))
    with open(ROOT + "/hooks.log", encoding="ascii") as f:
        inside = f.read()
    tap.check(inside.strip() == 'start {"pid": 1}', "startContainer: %r" % inside)
    for name, text, word in (("bad", "exit 3", "status 3"), ("slow", "exec sleep 100", "longer")):
        path = os.path.join(box.WORK, "hook-" + name)
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n%s\n" % text)
        os.chmod(path, 0o755)
        for point in (1, 2):
            out = direct("--new", "pid", "--hook", "%d:1:%s" % (point, path), check=NOT_REACHED)
            tap.check(word in out, out)


@tap.test("create-waits-at-the-gate-until-start")
def gate():
    path = os.path.join(box.WORK, "gate")
    proc = subprocess.Popen([DIRECT] + FILES + NEW + ["--gate", path, ROOT, "--", "sh", "-c",
                                                      "echo started; read x; echo $x"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=box.ENV)
    line = proc.stdout.readline().split()
    tap.check(line[0] == b"waits" and proc.wait(30) == 0, "create has ended: %s" % line)
    pid = int(line[1])
    with open("/proc/%d/comm" % pid, encoding="ascii") as f:
        tap.check(f.read() != "sh\n", "the program runs before its start")
    done = subprocess.run([DIRECT, "start", path], env=box.ENV, check=False,
                          stderr=subprocess.PIPE)
    tap.check(done.returncode == 0, done.stderr.decode())
    out, _ = proc.communicate(b"word\n")
    tap.check(out == b"started\nword\n", repr(out))
    os.unlink(path)
    tap.check("not found" in direct("--gate", path, command=("nothing",), check=NOT_REACHED),
              "create finds out that there is no program")
    os.unlink(path)
    # A file that cannot be executed after all is start's error.
    with open(os.path.join(ROOT, "bin/empty"), "w", encoding="ascii") as f:
        f.write("\0no program")
    os.chmod(os.path.join(ROOT, "bin/empty"), 0o755)
    subprocess.run([DIRECT] + FILES + ["--gate", path, ROOT, "--", "/bin/empty"], env=box.ENV,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    done = subprocess.run([DIRECT, "start", path], env=box.ENV, check=False,
                          stderr=subprocess.PIPE)
    tap.check(done.returncode == NOT_REACHED and b"/bin/empty" in done.stderr, str(done))
    done = subprocess.run([DIRECT, "start", path], env=box.ENV, check=False,
                          stderr=subprocess.PIPE)
    tap.check(done.returncode == NOT_REACHED, "nobody waits there any more")


@tap.test("exec-into-a-running-container")
def execs():
    for extra in ([], USER):
        proc = subprocess.Popen([DIRECT] + FILES + NEW + list(extra) +
                                ["--hostname", "box", ROOT, "--", "sh", "-c", "echo in; read x"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=box.ENV)
        tap.check(proc.stdout.readline() == b"in\n", "it runs")
        with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid), encoding="ascii") as f:
            child = f.read().split()[0]
        kinds = ("pid", "ipc", "uts", "net", "mnt", "user")
        want = [os.readlink("/proc/%s/ns/%s" % (child, k)) for k in kinds]
        args = [a for a in extra if a not in ("--new", "user")]
        if extra:
            args += ["--new", "user"]
        out = direct("--exec", child, *args, files=[], command=(
            "sh", "-c", "hostname; cd /proc/self/ns; for n in %s; do readlink $n; done; id -u"
            % " ".join(kinds)))
        tap.check(out.split() == ["box"] + want + ["0"], "%s, expected %s" % (out, want))
        proc.communicate(b"\n")


@tap.test("A3-fds-are-preserved-as-asked-and-no-others")
def preserved():
    script = "cd /proc/self/fd; for f in *; do readlink $f; done | grep -c memfd; cat <&3; cat <&4"
    fds = []
    texts = (b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine")
    for i, text in enumerate(texts):
        fd = os.memfd_create("given", 0)
        os.write(fd, text)
        os.lseek(fd, 0, os.SEEK_SET)
        os.dup2(fd, 200 + i)
        fds += [fd, 200 + i]

    def place():
        for i in range(len(texts)):
            os.dup2(200 + i, 3 + i)
        os.closerange(3 + len(texts), 300)
    try:
        out = subprocess.run([DIRECT] + FILES + ["--preserve", "2", ROOT, "--", "sh", "-c", script],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=place,
                             close_fds=False, env=box.ENV, check=False).stdout
        tap.check(out == b"2\nthreefour", repr(out))
    finally:
        for fd in fds:
            os.close(fd)


def filter_program(path, number, action):
    """ld nr; jeq number -> action, else allow."""
    rows = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, action), (6, 0, 0, 0x7fff0000))
    with open(path, "wb") as f:
        for row in rows:
            f.write(struct.pack("<HBBI", *row))
    return path


@tap.test("seccomp-as-given-with-flags-and-listener")
def seccomp():
    path = os.path.join(box.WORK, "filter")
    sethostname = 170
    for args in ((), ("--nnp",), ("--seccomp-flags", "2"), ("--seccomp-flags", "5")):
        filter_program(path, sethostname, 0x50000 | 93)
        out = sh(*NEW, "--caps", "%d:%d:%d:0:0" % ((FULL,) * 3), "--seccomp", path, *args,
                 script="hostname new 2>&1; grep Seccomp: /proc/self/status | cut -f2")
        tap.check(out.split()[-1] == "2" and "hostname" in out, "%s: %s" % (args, out))
    tap.check("flags" in direct("--seccomp", path, "--seccomp-flags", "64", check=NOT_REACHED),
              "an unknown flag")
    filter_program(path, sethostname, 0x7fc00000)
    for args in ((), ("--nnp",)):
        # The one who has the listener is gone: the call fails instead of waiting.
        proc = subprocess.Popen([DIRECT] + FILES + NEW + ["--seccomp", path, "--listener", *args,
                                                          ROOT, "--", "sh", "-c", "echo on"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.ENV)
        out, err = proc.communicate(timeout=60)
        tap.check(out == b"on\n" and b"listener taken" in err, "%r %r" % (out, err))


@tap.test("a-terminal-of-the-containers-own-devpts")
def terminal():
    for extra in ([], USER):
        out = sh(*NEW, *extra, "--tty", "--uid", "33", script="tty; stat -c %u $(tty) /dev/console;"
                 " id -u; echo x > /dev/tty; stty size")
        words = out.split()
        tap.check(words[0] == "/dev/pts/0" and words[1:3] == ["33", "33"] and "24" in words, out)


@tap.test("init-reaps-passes-signals-on-and-ends-with-the-program")
def init():
    script = "cat /proc/1/cmdline | tr '\\0' ' '; echo; echo $$; (sleep 0.1 &) ; exit 9"
    out = sh("--new", "pid", "--init", script=script, check=9)
    lines = out.split("\n")
    tap.check(int(lines[1]) == 2, "the program is the second process: %s" % out)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        proc = subprocess.Popen([DIRECT] + FILES + ["--new", "pid", "--init", ROOT, "--", "sh",
                                                    "-c", "trap 'echo got; exit 5' TERM USR1; "
                                                    "echo in; while :; do sleep 0.05; done"],
                                stdout=subprocess.PIPE, env=box.ENV)
        tap.check(proc.stdout.readline() == b"in\n", "it runs")
        with open("/proc/%d/task/%d/children" % (proc.pid, proc.pid), encoding="ascii") as f:
            first = int(f.read().split()[0])
        # It lets go of them while the program runs already.
        tap.wait_for("the reaper to hold no fd", lambda pid=first: not os.listdir("/proc/%d/fd" % pid))
        os.kill(first, number)
        out, _ = proc.communicate(timeout=30)
        tap.check(out == b"got\n" and proc.returncode == 5, "%r %d" % (out, proc.returncode))
    # Orphans are reaped: no zombie is left behind.
    out = sh("--new", "pid", "--init", script="for i in 1 2 3 4 5; do (true &) ; done; "
             "for i in $(seq 100); do grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | "
             "grep -q . || { echo clean; break; }; sleep 0.05; done")
    tap.check(out == "clean\n", "zombies: " + out)
    out = sh("--new", "pid", "--init", script="kill -9 $$", check=137)


@tap.test("A1-the-runtime-cannot-be-reached-through-proc")
def exe():
    script = ("readlink /proc/1/exe; cat /proc/1/maps /proc/1/environ | wc -c; "
              "(exec 3>>/proc/1/exe) 2>&1; ls /proc/1/fd 2>&1 | head -1")
    out = sh("--new", "pid", "--init", script=script)
    tap.check("run_direct" not in out and "ermission denied" in out, out)
    # A program that is a script of itself ends in the kernel, not in the runtime.
    with open(os.path.join(ROOT, "bin/self"), "w", encoding="ascii") as f:
        f.write("#!/proc/self/exe\n")
    os.chmod(os.path.join(ROOT, "bin/self"), 0o755)
    digest = subprocess.run(["sha256sum", DIRECT], stdout=subprocess.PIPE, check=True).stdout
    for _ in range(20):
        subprocess.run([DIRECT] + FILES + ["--new", "pid", ROOT, "--", "/bin/self"], env=box.ENV,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    now = subprocess.run(["sha256sum", DIRECT], stdout=subprocess.PIPE, check=True).stdout
    tap.check(digest == now, "the runtime was changed")


@tap.test("a-failed-start-leaves-nothing-behind")
def leftovers():
    def count():
        return len([n for n in os.listdir("/proc") if n.isdigit()])
    before = count()
    for args in (["--mount", "nosuchfs||/x|"], ["--cwd", "/bin/sh"], ["--join", "net=/dev/null"],
                 ["--mount", "bind|/nowhere|/x|"], ["--scheduler", "99:0:0:0:0:0:0"]):
        for extra in ([], USER):
            out = direct("--new", "pid", *extra, *args, check=NOT_REACHED)
            tap.check(out.strip() and len(out.splitlines()) == 1, "one line: %r" % out)
    for _ in range(100):
        if count() <= before:
            break
        time.sleep(0.05)
    tap.check(count() <= before, "processes are left")


direct_root()
box.run()
