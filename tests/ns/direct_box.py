# SPDX-License-Identifier: Apache-2.0
"""A plan carried out without a shim, by run_direct (RUN_DIRECT names another one), in a small root."""
import os
import subprocess

import run_box as box
from run_box import BUILD, tap

DIRECT = os.environ.get("RUN_DIRECT", os.path.join(BUILD, "x86_64/san/bin/tests/tool/run_direct"))
ROOT = os.path.join(box.WORK, "root")
NOT_REACHED = 125
FILES = ["--mount", "proc||/proc|nosuid;nodev;noexec",
         "--mount", "tmpfs|tmpfs|/dev|nosuid;strictatime;data=mode=755,size=65536k",
         "--mount", "devpts||/dev/pts|nosuid;noexec;data=newinstance,ptmxmode=0666,mode=0620,gid=5",
         "--mount", "mqueue||/dev/mqueue|nosuid;nodev;noexec",
         "--mount", "tmpfs|shm|/dev/shm|nosuid;nodev;noexec;data=mode=1777,size=64m",
         "--mount", "sysfs||/sys|nosuid;nodev;noexec;ro"]
NEW = [w for kind in ("pid", "ipc", "uts", "net", "cgroup") for w in ("--new", kind)]
FULL = (1 << 41) - 1
USER = ["--new", "user", "--map", "0:100000:65536", "--caps", "%d:%d:%d:0:0" % ((FULL,) * 3)]


def direct(*args, command=("true",), files=None, root=None, check=0, timeout=60, **kwargs):
    """stdout of the container; with another end than 0 expected, what is on stderr, too."""
    done = subprocess.run([DIRECT] + (FILES if files is None else files) + [str(a) for a in args]
                          + [root or ROOT, "--"] + list(command), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, env=box.ENV, check=False,
                          **kwargs)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if check is not None:
        tap.check(done.returncode == check, "exit %d, expected %d: %s%s" % (
            done.returncode, check, out, err))
    return out if check == 0 else out + err


def again(first, count, *args, command=("true",), files=None, root=None, abreast=1):
    """What each of `count` starts of the same container says, in one go and several side by side; % in a
    target is its number."""
    done = subprocess.run([DIRECT, "--repeat", "%d:%d:%d" % (first, count, abreast)]
                          + (FILES if files is None else files)
                          + list(args) + [root or ROOT, "--"] + list(command), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * count, env=box.ENV, check=False)
    texts = done.stdout.decode("utf-8", "replace").split("\0")
    tap.check(done.returncode == 0 and len(texts) == count + 1 and not texts[-1],
              "%d of %d starts, exit %d: %s" % (len(texts) - 1, count, done.returncode, texts[-1]))
    return texts[:-1]


def sh(*args, script, **kwargs):
    return direct(*args, command=("sh", "-c", script), **kwargs)


def status(*args, **kwargs):
    text = direct(*args, command=("cat", "/proc/self/status"), **kwargs)
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def options(text, target):
    """The options of the last mount at target, out of /proc/mounts."""
    rows = [line.split() for line in text.splitlines()]
    found = [row[3].split(",") for row in rows if len(row) > 3 and row[1] == target]
    tap.check(found, "nothing is mounted at %s: %s" % (target, text))
    return found[-1]


def volume(name, **files):
    path = os.path.join(box.WORK, name)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    for key, text in files.items():
        with open(os.path.join(path, key), "w", encoding="ascii") as f:
            f.write(text)
    return path


def direct_root():
    """The root, with the places that the root of a user namespace could not make."""
    box.make_tree(ROOT)
    for name in ("dev", "proc", "sys"):
        os.makedirs(os.path.join(ROOT, name))
