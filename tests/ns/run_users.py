#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The ways out of docs/confinement.md that tests/ns/run_guard.py tries on the engine's containers,
tried on hoy-oci as it is shipped inside a user namespace (A1, A2, A16, A18, A22, A23: run_rows.py)."""
import os
import subprocess
import sys

os.environ.setdefault("HOY_OCI", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "build/x86_64/bin/hoy-oci"))
sys.dont_write_bytecode = True
import oci_box as box  # noqa: E402
from fixture import box as clients  # noqa: E402
from oci_box import Bundle, good, tap, wait_for  # noqa: E402

MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]
CORE = "/proc/sys/kernel/core_pattern"
PLACES = ("proc", "sys", "dev")


def inside(*command, places=PLACES, **process):
    """A bundle with a user namespace and a root of its own that belongs to the container's root."""
    b = Bundle(*command, **process)
    root = b.own_root()
    b.namespace("user")
    b.linux["uidMappings"] = b.linux["gidMappings"] = MAP
    os.chmod(b.dir, 0o755)
    for name in places:
        os.makedirs(os.path.join(root, name))
    for folder, names, files in os.walk(root):
        for name in ["."] + names + files:
            os.chown(os.path.join(folder, name), 100000, 100000, follow_symlinks=False)
    return b, root


def canary(name):
    """A directory of the host's that everybody may write to, and nobody shall."""
    path = os.path.join(box.WORK, "canary-" + name)
    os.makedirs(path)
    os.chmod(path, 0o777)
    return path


def untouched(path):
    tap.check(os.listdir(path) == [], "the host's %s holds %s" % (path, os.listdir(path)))


def read(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return f.read()


def without(b, *targets):
    b.config["mounts"] = [m for m in b.config["mounts"] if m["destination"] not in targets]


@tap.test("A3-user-working-directory-is-no-way-out")
def directory():
    ways = ["/proc/self/fd/%d" % n for n in range(3, 12)] + ["/proc/self/cwd", "/proc/1/root/..", "/../.."]
    b, _ = inside("sleep", "1000")
    with b:
        b.start()
        for way in ways:
            done = b.exec("sh", "-c", "pwd; test -e /bin/busybox && echo inside", options=("--cwd", way))
            tap.check(done.code != 0 or done.out[0] == "/" and done.out.endswith("inside\n"),
                      "exec in %s: %s" % (way, done))
        done = good(b.exec("ls", "/proc/self/fd"))
        tap.check(done.out.split() == ["0", "1", "2", "3"], done.out)
    for way in ways[:3] + ways[-2:]:
        b, _ = inside("pwd", cwd=way)
        with b:
            done = b.run()
            tap.check(done.code != 0 or done.out in ("/\n", "/proc/1\n"), "run in %s: %s" % (way, done))


@tap.test("A5-user-null-of-the-image-is-never-a-mask")
def null():
    before = read(CORE)
    for link in (CORE, "/etc/passwd", "/"):
        b, root = inside("sh", "-c", "cat /proc/keys | wc -c; echo pwned >/dev/null; cat /proc/keys")
        with b:
            without(b, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
            os.symlink(link, root + "/dev/null")
            done = b.run()
            tap.check(done.code != 0 or done.out.startswith("0\n"), "%s: %s" % (link, done))
            tap.check("pwned" not in read(root + "/etc/passwd"), "the null of the image was written to")
        tap.check(read(CORE) == before, "core_pattern is %r" % read(CORE))


@tap.test("A6-A8-user-links-in-the-places-of-the-runtime")
def places():
    for name in ("proc", "sys", "dev", "dev/pts", "dev/shm", "dev/console", "dev/null"):
        path = canary(name.replace("/", "-"))
        b, root = inside("true", places=[p for p in PLACES if p != name])
        with b:
            os.symlink(path, os.path.join(root, name))
            if "/" in name:
                without(b, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
            b.run()
            untouched(path)
    path = canary("terminal")
    b, root = inside("sh", "-c", "tty; echo over", terminal=True)
    with b:
        without(b, "/dev", "/dev/shm", "/dev/mqueue")
        os.symlink(path + "/made", root + "/dev/console")
        b.write()
        clients.on_terminal([box.RUNTIME, "--root", box.ROOT, "run", "--bundle", b.dir, b.id], box.ENV,
                            lambda fd: None)
        untouched(path)


@tap.test("A4-A7-A9-A17-user-mounts-stay-inside-of-the-root")
def mounts():
    path = canary("mounts")
    source = os.path.join(box.WORK, "source")
    os.makedirs(source)
    for link, target in ((path, "/v"), ("../../../../../../../.." + path, "/v"), (path, "/v/made/here"),
                         ("/proc/sys", "/v"), ("/proc/self", "/v/attr")):
        b, root = inside("true")
        with b:
            os.symlink(link, root + "/v")
            b.mount(target, source, "bind")
            before = read(CORE)
            b.run()
            untouched(path)
            tap.check(read(CORE) == before and os.path.isdir("/proc/self/attr"), "the host's /proc")
    for target in ("/proc/sys", "/proc/self/attr", "/proc/sysrq-trigger"):
        b, _ = inside("true")
        with b:
            b.mount(target, source, "bind")
            done = b.run()
            tap.check(done.code == 1 and "/proc" in done.err, "%s: %s" % (target, done))


@tap.test("A10-A11-A24-user-capabilities-groups-and-masks")
def status():
    script = ("grep ^Cap /proc/self/status; for f in /sys/fs/cgroup/cgroup.*; do "
              "(echo 1 >$f) 2>/dev/null && echo wrote $f; done; for f in %s; do "
              "[ ! -e $f ] || [ \"$(ls -A $f 2>/dev/null || true)\" = $f -a ! -s $f ] || "
              "[ -d $f -a -z \"$(ls -A $f)\" ] || echo open $f; done; echo over")
    b, _ = inside("sleep", "1000")
    with b:
        masked = " ".join(b.linux["maskedPaths"])
        b.start()
        for options in ((), ("--user", "7:8")):
            out = good(b.exec("sh", "-c", script % masked, options=options)).out
            sets = {line.split()[0]: int(line.split()[1], 16) for line in out.split("\n")
                    if line.startswith("Cap")}
            tap.check(sets["CapInh:"] == 0 and sets["CapAmb:"] == 0, out)
            tap.check("wrote" not in out and "open" not in out and out.endswith("over\n"), out)


@tap.test("A19-user-sysctls-of-the-host-are-refused")
def sysctls():
    for key in ("kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shm/../core_pattern",
                "net/../kernel/core_pattern"):
        b, _ = inside("true")
        with b:
            b.linux["sysctl"] = {key: "1"}
            done = b.run()
            tap.check(done.code == 1 and "sysctl" in done.err, "%s: %s" % (key, done))


@tap.test("A20-user-session-keyring-of-its-own")
def keyring():
    probe = os.path.join(box.WORK, "probe")
    subprocess.run(["gcc", "-static", "-O1", "-o", probe, os.path.join(box.HERE, "run_probe.c")],
                   check=True)
    question = ["250", "0", "-3", "0"]  # KEYCTL_GET_KEYRING_ID of the session
    host = subprocess.run([probe] + question, stdout=subprocess.PIPE, check=True).stdout.decode()
    b, root = inside("/bin/probe", *question)
    with b:
        subprocess.run(["cp", probe, root + "/bin/probe"], check=True)
        out = good(b.run()).out
        tap.check(out.split()[1] != host.split()[1] or "-1" in out, out + host)


@tap.test("A21-user-devices-are-those-of-the-list")
def devices():
    script = ("mknod /tmp/k c 1 11 && echo made; (head -c 1 /dev/kmsg) 2>&1 | grep -c -i permitted; "
              "head -c 1 /dev/zero | wc -c; sleep 1000")
    b, _ = inside("sh", "-c", script)
    with b:
        b.linux["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]
        b.linux.setdefault("resources", {})["devices"] = [{"allow": False, "access": "rwm"}]
        b.start()
        wait_for("its words", lambda: b.output().endswith("1\n1\n"))
        tap.check("made" not in b.output(), b.output())
        done = b.exec("head", "-c", "1", "/dev/kmsg")
        tap.check(done.code != 0 and "permitted" in done.err, str(done))


if __name__ == "__main__":
    box.enter()
    tap.run()
