# SPDX-License-Identifier: Apache-2.0
"""Suite net: netd beside netavark, aardvark-dns, dnsmasq and docker.io of Debian 13, in namespaces.

Owns build/bench/net/: a Debian tree with the peers, made by mmdebstrap from the machine's own apt
sources. What asks (dnsperf, iperf3), what is asked and what answers lie in namespaces of one machine;
each row says on which side the median is smaller. Needs root.
"""
import json
import os
import shutil
import subprocess

import figures
import peer
from fixture import BUILD, TOP, FixtureError, deb, image

FOLDER = os.path.join(BUILD, "bench", "net")
TREE = os.path.join(FOLDER, "tree")
PACKAGES = ("netavark,aardvark-dns,dnsmasq-base,dnsperf,docker.io,containerd,runc,iptables,iperf3,nftables,iproute2,"
            "python3-minimal,python3,mount,util-linux,procps")
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "11"))
ENTER = """
set -e
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
if [ "$4" ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; fi
mount --rbind /dev dev
mount -o remount,bind,ro dev
mount -t tmpfs tmpfs run
mkdir -p old tmp/hoy
mount --bind "$2" tmp/hoy
pivot_root . old
cd /
umount -l /old
ip link set lo up
if [ "$4" ]; then exec /usr/bin/python3 /tmp/hoy/tests/bench/net_docker_box "/tmp/hoy/$4" "$3"; fi
exec /usr/bin/python3 /tmp/hoy/tests/bench/net_box "$3"
"""
NETAVARK, AARDVARK, DNSMASQ = ("netavark, Debian 13", "aardvark-dns, Debian 13", "dnsmasq, Debian 13")
DOCKERD = "dockerd, Debian 13"
# figure, what the box calls ours, unit, goal, peer, what the box calls the peer's
ROWS = (
    ("net.publish10k_ms", "publish10k", "ms", "<= 150", "", None),
    ("net.publish_one_ms", "publish_one", "ms", "<= 1", "", None),
    ("net.connect_10k.connect_10", "connect_10k", "us", "ratio <= 1.1", "netd with 10 published ports",
     "connect_10"),
    ("net.attach.netavark", "attach", "ms", "ratio <= 0.2", NETAVARK, "attach_netavark"),
    ("dns.local.dnsmasq", "dns_local", "us/query", "ratio <= 1.0", DNSMASQ, "dns_local_dnsmasq"),
    ("dns.local.aardvark", "dns_local", "us/query", "ratio <= 0.67", AARDVARK, "dns_local_aardvark"),
    ("dns.cached.dnsmasq", "dns_cached", "us/query", "ratio <= 1.0", DNSMASQ, "dns_cached_dnsmasq"),
    ("net.lease_ms", "lease", "ms", "<= 2000", "", None),
    ("netd.rss_mib", "pss", "MiB", "<= 6", "", None),
)
# The same of the second box. A throughput of at least 0.97 is at most 1.03 of the time for each MiB.
DOCKER_ROWS = (
    ("net.create200ports.dockerd", "create200ports", "ms", "ratio <= 0.01"),
    ("net.throughput.dockerd", "throughput", "us/MiB", "ratio <= 1.03"),
)


def tree():
    """The peers' Debian tree."""
    if not os.path.exists(TREE + "/usr/bin/iperf3"):
        shutil.rmtree(TREE, ignore_errors=True)  # of before, without all of them
        peer.make_tree(TREE, PACKAGES, "netavark, aardvark-dns, dnsmasq, dnsperf, docker.io and iperf3")
    return TREE


def box(flags, *arguments):
    """What the program in the box prints in its last line."""
    done = subprocess.run(["unshare", "-m", "-p", "-n", "-f", "--kill-child", "--propagation", "private"] + flags +
                          ["sh", "-c", ENTER, "enter", tree(), TOP, str(RUNS)] + list(arguments),
                          stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("the networks could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-3000:]))
    return json.loads(done.stdout.decode().strip().split("\n")[-1])


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the net figures need root: namespaces are made")
    deb.tree("busybox-static")
    tree()
    image.write_archive(image.busybox(), "busybox:latest", os.path.join(FOLDER, "busybox.tar"))
    values = box([])
    made = [figures.row(name, values[ours], unit, goal, other, values[theirs] if theirs else (), "same namespaces")
            for name, ours, unit, goal, other, theirs in ROWS]
    values = box(["-i", "-u", "-C"], os.path.relpath(FOLDER, TOP))
    return made + [figures.row(name, values["hoy." + key], unit, goal, DOCKERD, values["dockerd." + key], "two hosts in namespaces, one LAN")
                   for name, key, unit, goal in DOCKER_ROWS]
