# SPDX-License-Identifier: Apache-2.0
"""Suite runtime: hoy-oci against crun and runc of Debian 13, in one run, in the same namespaces.

Owns build/bench/runtime/: a Debian tree with both peers, made by mmdebstrap from the machine's own
apt sources (HOY_PEER_TREE names one that is there already). All three see a pure cgroup v2 and run
the same bundle; limits whose controller this machine's cgroup v2 does not have are left out of it,
and what is in it is checked to be in force. Needs root.
"""
import json
import os
import shutil
import subprocess
import sys

import figures
import peer
from fixture import BUILD, TOP, FixtureError

FOLDER = os.path.join(BUILD, "bench", "runtime")
PACKAGES = "crun,runc,conmon,busybox-static,python3,mount"
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "40"))
OURS = os.path.join(BUILD, os.uname().machine, "bin", "hoy-oci")
ENTER = """
set -e
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -o remount,bind,ro dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p tmp/hoy tmp/old
mount --bind "$2" tmp/hoy
pivot_root . tmp/old
cd /
umount -l /tmp/old
exec /usr/bin/python3 /tmp/hoy/tests/bench/runtime_box "$3" "$4"
"""
# name, what the box calls it, peer, goal
ROWS = (
    ("run_true", "run_true_ms", "ms", "crun", "ratio <= 0.7"),
    ("run_true", "run_true_ms", "ms", "runc", "ratio <= 0.25"),
    ("create_start_delete", "create_start_delete_ms", "ms", "crun", "ratio <= 0.7"),
    ("exec", "exec_ms", "ms", "crun", "ratio <= 0.7"),
    ("parallel100", "parallel100_ms", "ms", "crun", "ratio <= 0.6"),
    ("peak_rss", "peak_rss_kib", "KiB", "crun", "ratio <= 0.5"),
)


def tree():
    """The peers' Debian tree."""
    given = os.environ.get("HOY_PEER_TREE")
    root = given or os.path.join(FOLDER, "tree")
    if all(os.path.exists(root + "/usr/bin/" + name) for name in ("crun", "conmon")):
        return root
    shutil.rmtree(root, ignore_errors=True)
    peer.make_tree(root, PACKAGES, "crun and runc")
    return root


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the runtime figures need root: namespaces and control groups are made")
    ours = "/tmp/hoy/" + os.path.relpath(OURS, TOP)
    done = subprocess.run(["unshare", "-m", "-p", "-n", "-i", "-u", "-C", "-f", "--kill-child",
                           "--propagation", "private", "sh", "-c", ENTER, "enter", tree(), TOP, ours,
                           str(RUNS)], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("the runtimes could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-2000:]))
    record = json.loads(done.stdout.decode().strip().split("\n")[-1])
    print("  in force  %s" % ", ".join(record["in_force"]), file=sys.stderr)
    values = record["values"]
    rows = [figures.row("runtime.%s.%s" % (name, other), values["hoy-oci"][key], unit, goal,
                        "%s, Debian 13" % other, values[other][key], "same namespaces")
            for name, key, unit, other, goal in ROWS]
    return rows + [figures.row("runtime.shim_memory.conmon", shim_memory(), "KiB", "ratio <= 0.1",
                               "conmon, Debian 13", values["conmon"]["private_kib"],
                               "private memory of the second of two")]


def shim_memory():
    """What the shim has for itself, in KiB."""
    done = subprocess.run([os.path.join(TOP, "tests", "bench", "shim_box")], stdout=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        raise FixtureError("the shim could not be measured (exit %d)" % done.returncode)
    return json.loads(done.stdout.decode().strip().split("\n")[-1])
