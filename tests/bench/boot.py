# SPDX-License-Identifier: Apache-2.0
"""Suite boot: size, memory and boot times of Hoy against Debian with systemd and docker.io.

Both run in the same QEMU with the same accelerator, one after the other. Times are read from what
the guests print: `hoy: mark NAME MS`, and systemd's own monotonic stamps for the peer. Its PID 1
starts counting when systemd starts, behind its initramfs: the comparison favours the peer.
"""
import os
import re
import statistics
import time

import figures
import peer
from fixture import BUILD, FixtureError, site, vm

RUNS = int(os.environ.get("HOY_BENCH_RUNS", "5"))
PEER = "Debian 13, systemd, docker.io"
ARCH = os.path.join(BUILD, os.uname().machine)
IMAGES = os.path.join(ARCH, "image")
SERVICES = "".join('[service idle%d]\nimage = busybox:latest\ncommand = ["sleep", "1000000"]\n' % n
                   for n in range(3))
MARKS = ("pid1", "console", "data", "netd", "engine", "first_container")


def hoy_boots(s):
    """RUNS boots with a cached image: list of {milestone: ms}."""
    with s.machine(memory="128M") as m:
        site.ready(m)
        site.wait_running(m, "idle0", "idle1", "idle2")
        m.send("poweroff\r")
        m.wait_end()
    boots = []
    memory = []
    for _ in range(RUNS):
        with s.machine(memory="128M") as m:
            m.prompt()
            site.wait_running(m, "idle0", "idle1", "idle2")
            boots.append({name: m.mark_ms(name) for name in MARKS})
            time.sleep(5)
            text = m.command("exec idle0 cat /proc/meminfo")
            memory.append(128 - int(re.search(r"MemAvailable:\s*(\d+)", text).group(1)) / 1024)
            m.send("poweroff\r")
            m.wait_end()
    return boots, memory


def peer_machine():
    folder = peer.prepare()
    return vm.Machine("bench-peer", disk=os.path.join(folder, "disk.raw"), memory="512M",
                      append="root=/dev/vda rw console=ttyS0 rootfstype=ext4 quiet",
                      options=["--kernel", os.path.join(folder, "kernel"), "--initrd",
                               os.path.join(folder, "initrd")])


def peer_setup():
    """The first boot loads the image and creates the containers, then powers off."""
    done = os.path.join(peer.prepare(), "set-up")
    if not os.path.exists(done):
        print("  peer     first boot: image and containers", flush=True)
        with peer_machine() as m:
            m.wait_end(600)
        peer.write(done, "yes\n")


def peer_mark(text, name, unit_ms):
    m = re.search(r"peer: mark %s ([0-9.]+)" % name, text)
    if not m:
        raise FixtureError("the peer printed no mark %s, see build/test-logs/bench-peer.console" % name)
    return float(m.group(1)) * unit_ms


def peer_boots():
    """RUNS boots of the peer: list of {milestone: ms}, and MiB in use with three containers."""
    peer_setup()
    boots = []
    memory = []
    for _ in range(RUNS):
        with peer_machine() as m:
            m.expect(r"peer: done", 300)
            text = vm.plain(m.text)
        boots.append({"pid1": peer_mark(text, "pid1", 1e-3), "console": peer_mark(text, "console", 1e-3),
                      "first_container": peer_mark(text, "first_container", 1e3)})
        available = int(re.search(r"MemAvailable: (\d+)", text).group(1))
        memory.append(512 - available / 1024)
    return boots, memory


def spans(boots, first, last):
    return [b[last] - b[first] for b in boots]


def size_rows():
    whole, pid1 = peer.sizes()
    rows = []
    for name, flavour, goal in (("image.bytes", "virtio", "<= 8 MiB"),
                                ("image.metal.bytes", "metal", "<= 12 MiB")):
        folder = os.path.join(IMAGES, flavour)
        files = [os.path.join(folder, n) for n in ("bzImage", "initramfs.cpio.zst")]
        if all(os.path.exists(f) for f in files):
            rows.append(figures.row(name, [sum(os.path.getsize(f) for f in files)], "bytes", goal,
                                    PEER, [whole], "files"))
    rows.append(figures.row("pid1.bytes", [os.path.getsize(os.path.join(ARCH, "bin", "init"))],
                            "bytes", "<= 300 KiB", "systemd and its libraries", [pid1], "files"))
    return rows


def time_rows(ours, theirs):
    return [
        figures.row("boot.kernel_to_pid1_ms", [b["pid1"] for b in ours], "ms", "", PEER,
                    [b["pid1"] for b in theirs]),
        figures.row("boot.pid1_to_console_ms", spans(ours, "pid1", "console"), "ms", "<= 1000",
                    PEER, spans(theirs, "pid1", "console")),
        figures.row("boot.pid1_to_first_container_ms", spans(ours, "pid1", "first_container"), "ms",
                    "<= 1000", PEER, spans(theirs, "pid1", "first_container")),
        figures.row("boot.pid1_to_first_container.ratio", spans(ours, "pid1", "first_container"),
                    "ms", "ratio <= 0.1", PEER, spans(theirs, "pid1", "first_container")),
    ]


def run():
    """All rows of the suite; draws the timeline of one boot of each."""
    s = site.Site("bench-boot", with_registry=False)
    s.preload()
    s.write(services=SERVICES)
    ours, memory = hoy_boots(s)
    theirs, peer_memory = peer_boots()
    hoy = [(name, statistics.median(b[name] for b in ours)) for name in MARKS]
    other = [(name, statistics.median(b[name] for b in theirs)) for name in theirs[0]]
    figures.plot_timeline([[("Hoy, second boot, ms after the kernel's start", hoy)],
                           [("The same at the peer's scale", hoy), (PEER, other)]],
                          "boot-timeline.svg")
    return size_rows() + time_rows(ours, theirs) + [
        figures.row("ram.idle3_mib", memory, "MiB", "<= 64", PEER, peer_memory)]
