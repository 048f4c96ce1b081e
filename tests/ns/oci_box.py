# SPDX-License-Identifier: Apache-2.0
"""What the tests of hoy-oci stand on: bundles with busybox, and the program in a private view.

enter() moves the test into mount, PID and network namespaces of its own with a pure cgroup v2 view.
HOY_OCI names another runtime (crun, runc) to see what it does with the same bundle.
"""
import atexit
import copy
import json
import os
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, deb, tap  # noqa: E402

NAME = os.path.basename(sys.argv[0]).replace(".py", "")
WORK = os.path.join(BUILD, "ns-" + NAME + os.environ.get("HOY_PLACE", ""))
RUNTIME = os.environ.get("HOY_OCI", os.path.join(BUILD, "x86_64/san/bin/tests/tool/hoy-oci"))
ROOT = os.path.join(WORK, "state")
GROUPS = "hoy-test-oci-" + os.environ.get("HOY_OCI_BOX", "")
LIMIT_S = 120
wait_for = tap.wait_for
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")
NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")


def enter():
    """Re-executes the test in its own namespaces (as root)."""
    if os.environ.get("HOY_OCI_BOX"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
        if os.environ.get("HOY_OCI_VIEW") != "host":
            subprocess.run(["umount", "-R", "/sys/fs/cgroup"], **quiet)
            subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK)
        make_root(os.path.join(WORK, "rootfs"))
        atexit.register(remove_parent)
        return
    if os.geteuid() != 0:
        raise SystemExit("needs root: namespaces, mounts and control groups are made")
    busybox()  # there is no network inside
    deb.seal()
    os.environ["HOY_OCI_BOX"] = str(os.getpid())
    # PID 1 is a shell: it waits for orphans, without which a PID namespace does not come to its end.
    os.execvp("unshare", ["unshare", "-m", "-p", "-n", "-f", "--mount-proc", "--kill-child",
                          "--propagation", "private", "sh", "-c", '"$@"; exit $?', "sh",
                          sys.executable] + sys.argv)


def remove_parent():
    """The group above those of the bundles: hoy-oci removes what is a container's, no parent."""
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        try:
            os.rmdir(os.path.join(top, GROUPS))
        except OSError:
            pass


def busybox():
    return deb.file("busybox-static", "bin/busybox")


def make_root(path):
    """A root directory with busybox and nothing else."""
    os.makedirs(os.path.join(path, "bin"))
    shutil.copy(busybox(), os.path.join(path, "bin/busybox"))
    listed = subprocess.run([busybox(), "--list"], stdout=subprocess.PIPE, check=True)
    for name in listed.stdout.decode().split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(path, "bin", name))
    for name, mode in (("etc", 0o755), ("tmp", 0o1777), ("root", 0o700)):
        os.makedirs(os.path.join(path, name))
        os.chmod(os.path.join(path, name), mode)
    with open(os.path.join(path, "etc/passwd"), "w", encoding="ascii") as f:
        f.write("root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
    return path


def alive(pid):
    """A process that is no zombie: orphans are waited for by the shell that is PID 1."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # it ended, perhaps while this was read
        return False


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")

    def __str__(self):
        return "exit %s\nstdout: %s\nstderr: %s" % (self.code, self.out[-1500:], self.err[-1500:])


def runtime(*args, stdin=b"", cwd=None, fds=(), env=None, limit=LIMIT_S):
    """One call of the program; output and exit status. `fds` are handed on as they are."""
    done = subprocess.run([RUNTIME, "--root", ROOT] + [str(a) for a in args], input=stdin, cwd=cwd,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          pass_fds=fds, env=dict(ENV, **(env or {})), timeout=limit)
    return Result(done.returncode, done.stdout, done.stderr)


def detached(*args):
    """A call whose child goes on: its output is not waited for."""
    code = subprocess.run([RUNTIME, "--root", ROOT] + [str(a) for a in args], env=ENV, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode
    tap.check(code == 0, "%s: exit %d" % (args[0], code))


def template():
    """The config.json that `spec` writes, without a terminal and with a writable root."""
    folder = os.path.join(WORK, "template")
    path = os.path.join(folder, "config.json")
    if not os.path.exists(path):
        os.makedirs(folder)
        done = runtime("spec", "--bundle", folder)
        tap.check(done.code == 0, "spec: %s" % done)
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config["process"]["terminal"] = False
    config["root"] = {"path": os.path.join(WORK, "rootfs"), "readonly": False}
    return config


class Bundle:
    """A bundle and its container; leaving the block removes both and looks for remains."""
    count = 0

    def __init__(self, *command, **process):
        Bundle.count += 1
        self.id = "%s-%d" % (NAME.replace("_", "-"), Bundle.count)
        self.dir = os.path.join(WORK, self.id)
        self.config = template()
        self.config["process"]["args"] = list(command) or ["true"]
        self.config["process"].update(process)
        self.config["linux"]["cgroupsPath"] = "/%s/%s" % (GROUPS, self.id)
        os.makedirs(self.dir)

    @property
    def linux(self):
        return self.config["linux"]

    @property
    def process(self):
        return self.config["process"]

    def own_root(self):
        """A root of its own in the bundle, for tests that change it."""
        path = make_root(os.path.join(self.dir, "rootfs"))
        self.config["root"]["path"] = "rootfs"
        return path

    def namespace(self, kind, path=None, remove=False):
        rows = [n for n in self.linux["namespaces"] if n["type"] != kind]
        if not remove:
            rows.append({"type": kind, "path": path} if path else {"type": kind})
        self.linux["namespaces"] = rows

    def mount(self, destination, source, *options, kind="bind"):
        self.config["mounts"].append({"destination": destination, "type": kind, "source": source,
                                      "options": list(options)})

    def write(self, text=None):
        with open(os.path.join(self.dir, "config.json"), "w", encoding="utf-8") as f:
            f.write(json.dumps(self.config) if text is None else text)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        runtime("delete", "--force", self.id)
        self.check_clean()
        shutil.rmtree(self.dir, ignore_errors=True)

    def check_clean(self):
        left = os.path.join(ROOT, self.id)
        tap.check(not os.path.exists(left), "%s is left" % left)
        group = self.group()
        tap.check(not os.path.exists(group), "the control group %s is left" % group)

    def group(self):
        top = "/sys/fs/cgroup"
        if os.path.isdir(top + "/unified"):
            top += "/unified"
        return top + self.linux["cgroupsPath"]

    def call(self, command, *args, **more):
        return runtime(command, *args, self.id, **more)

    def run(self, *args, **more):
        self.write()
        return runtime("run", "--bundle", self.dir, *args, self.id, **more)

    def create(self, *args, extra=None, **more):
        """`create` with stdout in a file, for the container keeps it open."""
        self.write()
        with open(os.path.join(self.dir, "out"), "wb") as out:
            done = subprocess.run([RUNTIME, "--root", ROOT, "create", "--bundle", self.dir]
                                  + [str(a) for a in args] + [self.id], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, check=False,
                                  env=dict(ENV, **(extra or {})), **more)
        return Result(done.returncode, b"", self.output().encode())

    def output(self):
        with open(os.path.join(self.dir, "out"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self):
        """create and start, which have to succeed."""
        for done in (self.create(), self.call("start")):
            tap.check(done.code == 0, str(done))

    def state(self):
        done = self.call("state")
        tap.check(done.code == 0, str(done))
        return json.loads(done.out)

    def status(self):
        return self.state()["status"]

    def exec(self, *args, options=(), **more):
        return runtime("exec", *options, self.id, *args, **more)


def good(done, out=None):
    tap.check(done.code == 0, str(done))
    if out is not None:
        tap.check(done.out == out, "expected %r, %s" % (out, done))
    return done


def refused(done, *texts, code=1):
    """The runtime said no: its exit status, one line, these words."""
    tap.check(done.code == code, "expected exit %d: %s" % (code, done))
    lines = done.err.strip().split("\n")
    tap.check(len(lines) == 1, "expected one line: %s" % done)
    for text in texts:
        tap.check(text in lines[0], "%r is not in %r" % (text, lines[0]))


class Console:
    """A socket that a runtime hands an fd to: a terminal's master, a process; take() gives it."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(path)
        self.sock.listen(1)
        self.sock.settimeout(LIMIT_S)

    def take(self, said=None):
        peer, _ = self.sock.accept()
        with peer:
            peer.settimeout(LIMIT_S)
            _, fds, _, _ = socket.recv_fds(peer, 4096, 1)
        tap.check(len(fds) == 1, "the console socket got %d fds" % len(fds))
        return fds[0]

    def close(self):
        self.sock.close()
        os.unlink(self.path)


def clone(config):
    return copy.deepcopy(config)
