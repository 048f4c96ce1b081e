#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hoy-oci and where things stand in a container: the order of mounts, binds of what was mounted, a
root in the host's mount namespace, modes and owners."""
import os

import oci_box as box
from fixture import box as clients, mounts
from oci_box import Bundle, good, refused, tap, wait_for

MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def user(bundle, rows=None):
    """A user namespace that can reach its root directory."""
    root = bundle.own_root()
    rows = rows or MAP
    bundle.namespace("user")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = rows
    for path in (bundle.dir, root):
        os.chmod(path, 0o755)
    for folder, names, files in os.walk(root):
        for name in ["."] + names + files:
            os.chown(os.path.join(folder, name), rows[0]["hostID"], rows[0]["hostID"],
                     follow_symlinks=False)
    return root


def destinations(out):
    return [line.split()[4] for line in out.strip().split("\n")]


@tap.test("mounts-stand-in-the-order-of-config-json")
def order():
    source = os.path.join(box.WORK, "order")
    os.makedirs(source)
    for users in (False, True):
        with Bundle("cat", "/proc/self/mountinfo") as b:
            if users:
                user(b)
            b.mount("/one", source, "bind")
            b.mount("/two", "tmpfs", "size=64k", kind="tmpfs")
            b.mount("/three", source, "rbind", "rslave", "ro")
            b.mount("/four", "tmpfs", kind="tmpfs")
            wanted = [m["destination"] for m in b.config["mounts"]]
            places = [p for p in destinations(good(b.run()).out) if p in wanted]
            tap.check(places == wanted, "%s, expected %s" % (places, wanted))


@tap.test("a-bind-holds-what-was-mounted-below-the-root-before")
def before():
    source = os.path.join(box.WORK, "before")
    os.makedirs(source)
    with open(source + "/file", "w", encoding="ascii") as f:
        f.write("first\n")
    for users in (False, True):
        with Bundle("cat", "/again/deep/file") as b:
            root = user(b) if users else b.own_root()
            os.makedirs(root + "/place/deep")
            b.mount("/place/deep", source, "bind")
            b.mount("/again", root + "/place", "rbind")
            good(b.run(), "first\n")
            # The bundle may lie where the namespace's users cannot go.
            os.chmod(b.dir, 0o700)
            good(b.run(), "first\n")
    # Mapped ids change nothing of that: a mount that came before is there, as its mapping says.
    os.chown(source + "/file", 7, 8)
    with Bundle("stat", "-c", "%u:%g", "/again/deep/file", "/place/deep/file") as b:
        root = b.own_root()
        os.makedirs(root + "/place/deep")
        b.mount("/place/deep", source, "bind")
        b.mount("/again", root + "/place", "rbind", "ridmap")
        b.config["mounts"][-1]["uidMappings"] = b.config["mounts"][-1]["gidMappings"] = MAP
        good(b.run(), "100007:100008\n7:8\n")
    # Another runtime takes a destination by its name on the host as well.
    with Bundle("cat", "/inside/file") as b:
        b.mount(b.own_root() + "/inside", source, "bind")
        good(b.run(), "first\n")


@tap.test("idmap-without-mappings-takes-those-of-a-user-namespace-that-is-joined")
def joined():
    source = os.path.join(box.WORK, "joined")
    os.makedirs(source)
    with Bundle("sleep", "1000") as first:
        user(first)
        first.start()
        with Bundle("stat", "-c", "%u:%g", "/mapped") as b:
            user(b)
            b.linux["namespaces"][-1]["path"] = "/proc/%d/ns/user" % first.state()["pid"]
            del b.linux["uidMappings"], b.linux["gidMappings"]
            b.mount("/mapped", source, "bind", "idmap")
            good(b.run(), "0:0\n")


@tap.test("files-are-bound-with-every-propagation-and-in-a-user-namespace")
def files():
    source = os.path.join(box.WORK, "one-file")
    with open(source, "w", encoding="ascii") as f:
        f.write("text\n")
    for users in (False, True):
        for word in ("rprivate", "slave", "rshared", "unbindable"):
            with Bundle("cat", "/etc/bound") as b:
                if users:
                    user(b)
                b.mount("/etc/bound", source, "bind", word)
                good(b.run(), "text\n")


@tap.test("in-the-hosts-mount-namespace-the-root-is-the-containers-own")
def host_mounts():
    ours = os.readlink("/proc/self/ns/mnt")
    before = mounts.table()
    script = ("readlink /proc/self/ns/mnt; ls -d /bin/busybox /proc/self/ns /dev/null; cd /tmp; pwd; "
              "ls ../../.. | tr '\\n' ' '; cat /proc/keys 2>&1 | wc -c; sleep 1000")
    with Bundle("sh", "-c", script, cwd="/tmp") as b:
        root = b.own_root()
        b.namespace("mount", remove=True)
        b.start()
        wait_for("its words", lambda: b.output().count("\n") >= 6)
        lines = b.output().split("\n")
        tap.check(lines[0] == ours, "%s, expected %s" % (lines[0], ours))
        tap.check(lines[1:5] == ["/bin/busybox", "/dev/null", "/proc/self/ns", "/tmp"], str(lines))
        there = sorted(lines[5].split(" ")[:-1])
        tap.check(there == sorted(os.listdir(root)) and "proc" in there, str(lines))
        tap.check(lines[5].split(" ")[-1] == "0" or "0" in lines, "the mask of /proc/keys: %s" % lines)
        out = good(b.exec("sh", "-c", "readlink /proc/self/ns/mnt; pwd; ls / | tr '\\n' ' '")).out
        tap.check(out.split()[:2] == [ours, "/tmp"] and sorted(out.split()[2:]) == there, out)
        tap.check(not mounts.changed(before), "the host sees mounts of the container: %s" % mounts.changed(before))
    with Bundle("true") as b:
        user(b)
        b.namespace("mount", remove=True)
        refused(b.run(), "the host's mount namespace with a user namespace")


@tap.test("a-tmpfs-has-the-mode-of-what-it-covers")
def modes():
    for words, want in (((), "1710"), (("mode=0750",), "750")):
        with Bundle("stat", "-c", "%a", "/covered") as b:
            root = b.own_root()
            os.mkdir(root + "/covered")
            os.chmod(root + "/covered", 0o1710)
            b.mount("/covered", "tmpfs", *words, kind="tmpfs")
            good(b.run(), want + "\n")
    with Bundle("true") as b:
        root = b.own_root()
        os.mkdir(root + "/group")
        os.chmod(root + "/group", 0o7755)
        b.mount("/group/a/b", "tmpfs", kind="tmpfs")
        good(b.run())
        for name, want in (("/group", 0o7755), ("/group/a", 0o2755), ("/group/a/b", 0o2755)):
            mode = os.stat(root + name).st_mode & 0o7777
            tap.check(mode == want, "%s is %o" % (name, mode))


@tap.test("a-read-only-dev-has-its-nodes-and-mounts")
def readonly_dev():
    with Bundle("sh", "-c", "grep ' /dev ' /proc/mounts; ls /dev/null /dev/pts/ptmx; echo >/dev/null; "
                "touch /dev/x 2>&1") as b:
        for mount in b.config["mounts"]:
            if mount["destination"] == "/dev":
                mount["options"].append("ro")
        done = b.run()
        lines = done.out.split("\n")
        tap.check("ro" in lines[0].split()[3].split(","), str(done))
        tap.check(lines[1:3] == ["/dev/null", "/dev/pts/ptmx"] and "Read-only" in lines[3], str(done))


@tap.test("listed-devices-have-their-mode-and-owner-in-a-user-namespace-too")
def devices():
    node = {"path": "/dev/deep/foo", "type": "b", "major": 1, "minor": 5, "uid": 10, "gid": 11,
            "fileMode": 0o157}
    plain = {"path": "/dev/plain", "type": "c", "major": 1, "minor": 5}
    for rows in (None, MAP, [{"containerID": 0, "hostID": 0, "size": 65536}]):
        with Bundle("sh", "-c", "stat -c '%F %t:%T %a %u:%g' /dev/deep/foo; "
                    "head -c 2 /dev/plain | od -An -tx1; ls /dev | grep -c '^[0-9]'") as b:
            if rows:
                user(b, rows)
            b.linux["devices"] = [node, plain]
            b.linux.setdefault("resources", {})["devices"] = [
                {"allow": False, "access": "rwm"},
                {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"}]
            done = b.run()
            tap.check(done.out == "block special file 1:5 157 10:11\n 00 00\n0\n", str(done))


@tap.test("a-listed-device-may-be-a-standard-one")
def standard_device():
    for rows in (None, MAP):
        with Bundle("sh", "-c", "stat -c '%F %t:%T' /dev/full; ls /dev | grep -c full") as b:
            if rows:
                user(b, rows)
            b.linux["devices"] = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 7}]
            good(b.run(), "character special file 1:7\n1\n")


@tap.test("a-file-behind-stdout-belongs-to-the-containers-user")
def owner():
    with Bundle("stat", "-Lc", "%u:%g", "/proc/self/fd/1", user={"uid": 7, "gid": 8}) as b:
        good(b.run(), "7:8\n")
        b.id += "-file"
        b.linux["cgroupsPath"] += "-file"
        good(b.create())
        good(b.call("start"))
        wait_for("its words", b.output)
        tap.check(b.output() == "7:8\n", b.output())
    null = os.stat("/dev/null")
    with Bundle("true", user={"uid": 7, "gid": 8}) as b:
        b.write()
        box.detached("run", "--bundle", b.dir, b.id)
        now = os.stat("/dev/null")
        tap.check((now.st_uid, now.st_gid) == (null.st_uid, null.st_gid), "/dev/null got an owner")


@tap.test("a-hook-at-the-start-has-HOME-and-its-words-are-seen-on-the-terminal")
def hooks():
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "test $A = b && echo home is $HOME >&2; exit 3"]}
    with Bundle("true", env=["A=b", "PATH=/bin"]) as b:
        b.config["hooks"] = {"startContainer": [hook]}
        done = b.run()
        tap.check(done.code == 1 and "home is /\n" in done.err and "hook #0" in done.err, str(done))
        b.process["terminal"] = True
        b.write()
        said = []
        code = clients.on_terminal([box.RUNTIME, "--root", box.ROOT, "run", "--bundle", b.dir, b.id],
                                   box.ENV, lambda fd: said.append(clients.read_until(fd, b"home is /")))
        tap.check(code == 1, "exit %r: %r" % (code, said))


if __name__ == "__main__":
    box.enter()
    tap.run()
