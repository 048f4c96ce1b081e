# SPDX-License-Identifier: Apache-2.0
"""The peer of suite appliance: Debian trixie's cloud kernel, systemd and podman with a hundred quadlets.

Owns build/bench/quadlet/, made as peer.py makes its own. The first boot loads the image and puts the quadlets in
their place; each later one starts them all and says when the last of them was active.
"""
import os
import re

import peer
from fixture import BUILD, FixtureError, vm

FOLDER = os.path.join(BUILD, "bench", "quadlet")
NAME = "Debian 13, systemd, podman quadlets"
PACKAGES = ("systemd,systemd-sysv,udev,dbus,podman,crun,conmon,netavark,aardvark-dns,nftables,iptables,iproute2,"
            "ca-certificates,linux-image-cloud-amd64,initramfs-tools,e2fsprogs")
# A hundred podmans at once wait for one database until they give up ("database is locked") and are started again, for
# longer than 45 minutes here. Four at a time do not.
ABREAST = 4
QUADLET = """[Unit]
%s
[Container]
Image=docker.io/library/busybox:latest
Pull=never
Exec=sleep 1000000
[Service]
Restart=always
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""
# What it says goes to the kernel's log: the terminal is hung up when the getty comes, and whoever writes to it ends.
SETUP = """#!/bin/sh
{
  podman load -i /root/busybox.tar && podman run --rm docker.io/library/busybox:latest true &&
    mkdir -p /etc/containers/systemd && mv /root/quadlets/* /etc/containers/systemd/ &&
    touch /var/lib/bench-done && echo "set up"
} 2>&1 | while read -r line; do echo "<2>peer: $line" >/dev/kmsg; done
sync
systemctl poweroff --force
"""
# As many as are wanted are active; then when the last one was, since systemd started.
REPORT = """#!/bin/sh
while [ "$(systemctl list-units --plain --no-legend --state=active 'idle*.service' | wc -l)" -lt %d ]; do sleep 5; done
exec >/dev/ttyS0 2>&1
echo "peer: start $(systemctl show --value -p UserspaceTimestampMonotonic)"
systemctl show --value -p ActiveEnterTimestampMonotonic 'idle*.service' | sort -n | sed -n 's/^[0-9]/peer: active &/p'
echo "peer: done"
"""
UNIT = """[Unit]
After=local-fs.target
ConditionPathExists=%s/var/lib/bench-done
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/local/sbin/%s
[Install]
WantedBy=multi-user.target
"""


def fill(root, count):
    peer.furnish(root, SETUP, REPORT % count, UNIT)
    for n in range(count):
        after = "After=idle%d.service" % (n - ABREAST) if n >= ABREAST else ""
        peer.write(root + "/root/quadlets/idle%d.container" % n, QUADLET % after)


def machine(folder, memory):
    return vm.Machine("bench-quadlet", disk=os.path.join(folder, "disk.raw"), memory=memory,
                      append="root=/dev/vda rw console=ttyS0 rootfstype=ext4 quiet",
                      options=["--kernel", os.path.join(folder, "kernel"), "--initrd", os.path.join(folder, "initrd")])


def set_up(count, memory):
    folder = peer.make("%s-%d" % (FOLDER, count), PACKAGES, "systemd and podman", lambda root: fill(root, count))
    done = os.path.join(folder, "set-up")
    if not os.path.exists(done):
        print("  peer     first boot: the image is loaded", flush=True)
        with machine(folder, memory) as m:
            m.expect(r"peer: set up", 900)
            m.wait_end(900)
        peer.write(done, "yes\n")
    return folder


def start(count, runs, memory, limit_s=5400):
    """ms from systemd's start to the last of `count` quadlets, of each run; its disk is made and set up first."""
    folder = set_up(count, memory)
    spans = []
    for _ in range(runs):
        with machine(folder, memory) as m:
            m.expect(r"peer: done", limit_s)
            text = vm.plain(m.text)
        active = [int(us) for us in re.findall(r"peer: active (\d+)", text)]
        began = re.search(r"peer: start (\d+)", text)
        if len(active) != count or not began:
            raise FixtureError("the peer told of %d quadlets, see build/test-logs/bench-quadlet.console" % len(active))
        spans.append((max(active) - int(began.group(1))) / 1000)
    return spans
