# SPDX-License-Identifier: Apache-2.0
"""Suite net: netd beside netavark, aardvark-dns and dnsmasq of Debian 13, in one set of namespaces.

Owns build/bench/net/: a Debian tree with the peers, made by mmdebstrap from the machine's own apt
sources. What asks (dnsperf), what is asked and what answers lie in namespaces of one machine; each
row says on which side the median is smaller. Needs root.
"""
import json
import os
import shutil
import subprocess

import figures
import peer
from fixture import BUILD, TOP, FixtureError, deb

FOLDER = os.path.join(BUILD, "bench", "net")
TREE = os.path.join(FOLDER, "tree")
PACKAGES = ("netavark,aardvark-dns,dnsmasq-base,dnsperf,nftables,iproute2,python3-minimal,python3,mount,"
            "util-linux,procps")
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "11"))
ENTER = """
set -e
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p old tmp/hoy
mount --bind "$2" tmp/hoy
pivot_root . old
cd /
umount -l /old
ip link set lo up
exec /usr/bin/python3 /tmp/hoy/tests/bench/net_box "$3"
"""
NETAVARK, AARDVARK, DNSMASQ = ("netavark, Debian 13", "aardvark-dns, Debian 13", "dnsmasq, Debian 13")
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
    ("netd.rss_mib", "pss", "MiB", "<= 6", "", None),
)


def tree():
    """The peers' Debian tree."""
    if os.path.exists(TREE + "/usr/bin/dnsperf"):
        return TREE
    shutil.rmtree(TREE, ignore_errors=True)
    os.makedirs(FOLDER, exist_ok=True)
    tool = os.path.join(deb.tree("mmdebstrap"), "usr", "bin", "mmdebstrap")
    line = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main" % \
        peer.archive_address()
    print("  peer     mmdebstrap trixie with netavark, aardvark-dns, dnsmasq and dnsperf", flush=True)
    done = subprocess.run(["perl", tool, "--mode=root", "--variant=apt", "--include=" + PACKAGES,
                           "--aptopt=APT::Install-Recommends false", "trixie", TREE + ".part", line],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise FixtureError("mmdebstrap: " + done.stdout.decode("utf-8", "replace")[-2000:])
    os.rename(TREE + ".part", TREE)
    return TREE


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the net figures need root: namespaces are made")
    done = subprocess.run(["unshare", "-m", "-p", "-n", "-f", "--kill-child", "--propagation", "private",
                           "sh", "-c", ENTER, "enter", tree(), TOP, str(RUNS)],
                          stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("the networks could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-3000:]))
    values = json.loads(done.stdout.decode().strip().split("\n")[-1])
    return [figures.row(name, values[ours], unit, goal, other, values[theirs] if theirs else (),
                        "same namespaces")
            for name, ours, unit, goal, other, theirs in ROWS]
