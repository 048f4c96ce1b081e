# SPDX-License-Identifier: Apache-2.0
"""The peer of the boot figures: Debian trixie's cloud kernel, systemd and docker.io in the same QEMU.

Owns build/bench/peer/: a root file system made by mmdebstrap (unpacked, not installed) from the
machine's own apt sources, as an ext4 disk; its kernel and initramfs. Needs root, as `make bench`.
"""
import os
import re
import shutil
import subprocess

from fixture import BUILD, FixtureError, deb, image

FOLDER = os.path.join(BUILD, "bench", "peer")
PACKAGES = ("systemd,systemd-sysv,udev,dbus,docker.io,docker-cli,iptables,iproute2,ca-certificates,"
            "linux-image-cloud-amd64,initramfs-tools,e2fsprogs")
DISK_SIZE = "3G"
CONTAINERS = 3

# First boot: load the image, create the containers, power off. Later boots: only report.
SETUP = """#!/bin/sh
exec >/dev/ttyS0 2>&1
docker load -i /root/busybox.tar
docker run -d --name first --restart=always --network none --device /dev/ttyS0 busybox:latest \\
  sh -c 'read up rest </proc/uptime; echo "peer: mark first_container $up" >/dev/ttyS0; exec sleep 1000000'
for n in 2 3; do
  docker run -d --name idle$n --restart=always --network none busybox:latest sleep 1000000
done
touch /var/lib/bench-done
sync
systemctl poweroff --force
"""
REPORT = """#!/bin/sh
while [ "$(docker ps -q | wc -l)" -lt %d ]; do sleep 1; done
sleep 10
exec >/dev/ttyS0 2>&1
echo "peer: mark pid1 $(systemctl show --value -p UserspaceTimestampMonotonic)"
echo "peer: mark console $(systemctl show --value -p ActiveEnterTimestampMonotonic serial-getty@ttyS0)"
echo "peer: memory $(grep -E 'MemTotal|MemAvailable' /proc/meminfo | tr -s '\\n ' ' ')"
echo "peer: done"
""" % CONTAINERS
UNIT = """[Unit]
After=docker.service
Requires=docker.service
ConditionPathExists=%s/var/lib/bench-done
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/%s
[Install]
WantedBy=multi-user.target
"""


def archive_address():
    """Address of the Debian archive that this machine's apt uses, by origin and label."""
    out = subprocess.run(["apt-get", "indextargets", "--format",
                          "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(CREATED_BY)"],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    for line in out.splitlines():
        origin, name, address, _ = line.split("|", 3)
        if origin == "Debian" and name == "Debian" and not address.startswith("cdrom:"):
            return address
    raise FixtureError("no apt source of this machine is Debian's archive: run apt-get update")


def write(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(content)
    os.chmod(path, mode)


def furnish(root, setup=SETUP, report=REPORT, unit=UNIT):
    """Puts the archive, the two units and a root login into the new root file system."""
    image.write_archive(image.busybox(), "busybox:latest", root + "/root/busybox.tar")
    for name, script, wanted in (("bench-setup", setup, "!"), ("bench-report", report, "")):
        write(root + "/usr/local/sbin/" + name, script, 0o755)
        write(root + "/etc/systemd/system/%s.service" % name, unit % (wanted, name))
        link = root + "/etc/systemd/system/multi-user.target.wants/%s.service" % name
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink("/etc/systemd/system/%s.service" % name, link)
    write(root + "/etc/fstab", "/dev/vda / ext4 rw,relatime 0 1\n")
    write(root + "/etc/hostname", "peer\n")


def make_tree(root, packages, what):
    """A Debian trixie with these packages (comma-separated) at root, which must not be there yet. Made in mount
    namespaces of its own: what mmdebstrap mounts inside is gone with it, however it ends, and no later removal of
    the tree finds the machine's own /dev in it."""
    tool = os.path.join(deb.tree("mmdebstrap"), "usr", "bin", "mmdebstrap")
    line = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main" % \
        archive_address()
    print("  peer     mmdebstrap trixie with " + what, flush=True)
    part = root + ".part"
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        held = [fields[4] for fields in map(str.split, f) if fields[4].startswith(os.path.realpath(part) + "/")]
    if held:
        raise FixtureError("%s is still mounted: umount it, then try again" % held[-1])
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(os.path.dirname(root), exist_ok=True)
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "perl", tool, "--mode=root", "--variant=apt",
                           "--include=" + packages, "--aptopt=APT::Install-Recommends false", "trixie", part, line],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise FixtureError("mmdebstrap: " + done.stdout.decode("utf-8", "replace")[-2000:])
    os.rename(part, root)


def boot_file(root, prefix):
    names = sorted(n for n in os.listdir(root + "/boot") if re.match(prefix, n))
    return os.path.join(root, "boot", names[-1])


def make(folder, packages, what, fill):
    """Disk, kernel, initramfs and sizes of a Debian with these packages, when they are not there; fill(root) puts
    into it what is the bench's own."""
    if os.path.exists(os.path.join(folder, "sizes")):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    root = os.path.join(folder, "root")
    make_tree(root, packages, what)
    fill(root)
    for name, prefix in (("kernel", "vmlinuz-"), ("initrd", "initrd.img-")):
        shutil.copyfile(boot_file(root, prefix), os.path.join(folder, name))
    used = subprocess.run(["du", "-sxB1", "--exclude=./boot", "."], cwd=root, stdout=subprocess.PIPE,
                          check=True).stdout.split()[0]
    pid1 = sum(os.path.getsize(os.path.join(path, n))
               for path, _, names in os.walk(root + "/usr/lib")
               for n in names if re.match(r"libsystemd-(core|shared)-.*\.so$", n))
    pid1 += os.path.getsize(root + "/usr/lib/systemd/systemd")
    disk = os.path.join(folder, "disk.raw")
    with open(disk, "wb") as f:
        f.truncate(3 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", root, disk], check=True,
                   env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin"))
    shutil.rmtree(root)
    kernel = sum(os.path.getsize(os.path.join(folder, n)) for n in ("kernel", "initrd"))
    write(os.path.join(folder, "sizes"), "%d %d\n" % (int(used) + kernel, pid1))
    return folder


def prepare():
    """The peer of suite boot; returns its folder."""
    return make(FOLDER, PACKAGES, "systemd and docker.io", furnish)


def sizes():
    """(bytes of kernel, initramfs and root file system, bytes of systemd as PID 1)."""
    with open(os.path.join(prepare(), "sizes"), encoding="ascii") as f:
        return tuple(int(n) for n in f.read().split())
