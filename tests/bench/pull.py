# SPDX-License-Identifier: Apache-2.0
"""Suite pull: the image's own engine beside docker, podman, containerd and skopeo with umoci of Debian 13.

Owns build/bench/pull/: a Debian tree with the peers, made by mmdebstrap from the machine's own apt
sources; two images made of it (one gzip layer, and the same files in 20), as OCI layouts; the stores
of all of them, on the same disk. Everything runs in one set of namespaces (pull_box). Needs root.
"""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys

import figures
import peer
from fixture import BUILD, TOP, FixtureError, deb

FOLDER = os.path.join(BUILD, "bench", "pull")
TREE = os.path.join(FOLDER, "tree")
PACKAGES = ("docker.io,docker-cli,containerd,podman,netavark,crun,runc,skopeo,umoci,docker-registry,iproute2,"
            "iptables,python3,mount,ca-certificates,procps")
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "5"))
LAYERS = 20
# The peers' own programs are left out: what remains is a Debian of about 170 MB.
LEFT_OUT = ("./usr/bin/docker*", "./usr/sbin/docker*", "./usr/bin/podman*", "./usr/libexec/podman", "./usr/lib/podman",
            "./usr/bin/skopeo", "./usr/bin/umoci", "./usr/bin/ctr", "./usr/bin/containerd*", "./usr/bin/runc", "./usr/sbin/runc",
            "./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*", "./tmp/*", "./proc/*", "./sys/*", "./dev/*",
            "./run/*", "./boot/*")
ENTER = """
set -e
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -o remount,bind,ro dev
mount -t tmpfs tmpfs run
mkdir -p old tmp/hoy
mount --bind "$2" tmp/hoy
pivot_root . old
cd /
umount -l /old
ip link set lo up
exec /usr/bin/python3 /tmp/hoy/tests/bench/pull_box "/tmp/hoy/$3" "$4"
"""
# name, ours, unit, the peer's, the peer, goal
ROWS = (
    ("pull.debian.docker", "hoy.debian", "docker.debian", "docker.io, Debian 13", "ratio <= 0.2"),
    ("pull.debian.podman", "hoy.debian", "podman.debian", "podman, Debian 13", "ratio <= 0.2"),
    ("pull.debian.containerd", "hoy.debian", "containerd.debian", "containerd, Debian 13", "ratio <= 0.2"),
    ("pull.debian.umoci", "hoy.debian", "umoci.debian", "skopeo with umoci, Debian 13", "ratio <= 0.2"),
    ("pull.layers20.docker", "hoy.layers20", "docker.layers20", "docker.io, Debian 13", "ratio <= 0.2"),
    ("pull.debian.gzip", "hoy.debian", "gzip", "gzip -dc | dd conv=fsync", "ratio <= 1.0"),
    ("image.remove.docker", "hoy.remove", "docker.remove", "docker.io, Debian 13", "ratio <= 0.05"),
)


def tree():
    """The peers' Debian tree."""
    if os.path.exists(TREE + "/usr/bin/umoci"):
        return
    peer.make_tree(TREE, PACKAGES, "docker, containerd, podman and umoci")


def names():
    """What the images consist of, in tar's own order."""
    argv = ["tar", "-C", TREE, "--sort=name"] + ["--exclude=" + name for name in LEFT_OUT] + ["-cf", "/dev/null", "-v", "."]
    out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return [name for name in out.decode("utf-8", "surrogateescape").split("\n") if name]


def groups(rows, count):
    """The names in `count` groups of about the same bytes."""
    sizes = [os.lstat(os.path.join(TREE, name)).st_size for name in rows]
    share, out, total = sum(sizes) / count, [[]], 0
    for name, size in zip(rows, sizes):
        if total > share * len(out) and len(out) < count:
            out.append([])
        out[-1].append(name)
        total += size
    return out


class Layout:
    """An OCI layout with one image."""

    def __init__(self, name, parts):
        self.path = os.path.join(FOLDER, name)
        if os.path.exists(os.path.join(self.path, "index.json")):
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(os.path.join(self.path, "blobs", "sha256"))
        layers, diffs = zip(*[self.layer(part) for part in parts])
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
                                       "rootfs": {"type": "layers", "diff_ids": diffs}}).encode())
        manifest = self.blob(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": dict(config, mediaType="application/vnd.oci.image.config.v1+json"), "layers": layers}).encode())
        self.write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        self.write("index.json", json.dumps({"schemaVersion": 2, "manifests": [dict(
            manifest, mediaType="application/vnd.oci.image.manifest.v1+json",
            annotations={"org.opencontainers.image.ref.name": "1"})]}).encode())

    def write(self, name, data):
        with open(os.path.join(self.path, name), "wb") as f:
            f.write(data)

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self.write("blobs/sha256/" + digest, data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def layer(self, part):
        """One gzip layer of these names; its descriptor and diffID."""
        argv = ["tar", "-C", TREE, "--numeric-owner", "--no-recursion", "--xattrs", "--null", "-T", "-", "-cf", "-"]
        made = subprocess.run(argv, input=b"\0".join(n.encode("utf-8", "surrogateescape") for n in part),
                              stdout=subprocess.PIPE, check=True).stdout
        row = self.blob(gzip.compress(made, 6, mtime=0))
        return dict(row, mediaType="application/vnd.oci.image.layer.v1.tar+gzip"), \
            "sha256:" + hashlib.sha256(made).hexdigest()


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the pull figures need root: namespaces and file systems are made")
    tree()
    for tool in ("busybox-static",):
        deb.tree(tool)
    rows = names()
    Layout("debian", [rows])
    Layout("layers20", groups(rows, LAYERS))
    done = subprocess.run(["unshare", "-m", "-p", "-n", "-i", "-u", "-C", "-f", "--kill-child",
                           "--propagation", "private", "sh", "-c", ENTER, "enter", TREE, TOP,
                           os.path.relpath(FOLDER, TOP), str(RUNS)], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("the pulls could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-2000:]))
    values = json.loads(done.stdout.decode().strip().split("\n")[-1])
    print("  layers    %s" % values.pop("note"), file=sys.stderr)
    made = [figures.row(name, values[ours], "ms", goal, other, values[theirs], "same namespaces and disk")
            for name, ours, theirs, other, goal in ROWS if values.get(ours) and values.get(theirs)]
    return made + [
        figures.row("pull.peak_rss_mib", values["peak_mib"], "MiB", "<= 32", where="PSS of all engine processes"),
        figures.row("pull.nochange.requests", values["requests"], "requests", "<= 1", where="registry's log"),
    ]
