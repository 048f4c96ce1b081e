# SPDX-License-Identifier: Apache-2.0
"""Makes what the virtual machine is given: the FAT configuration volume and the data disk.

Never writes to a file that it did not make, except that a data disk is created when absent.
"""
import os
import subprocess
import tempfile

CONFIG_LABEL = "HOY_CONF"
RESET_LABEL = "HOY_RESET"
FW_CFG_LIMIT_BYTES = 64 * 1024
CLUSTER_BYTES = 4096


class MediaError(Exception):
    """A text for the person at the terminal: what failed, why, and what to do."""


def tree_bytes(folder):
    """Bytes that the files of a folder take on a FAT volume, rounded to clusters."""
    total = 0
    for path, dirs, files in os.walk(folder):
        total += CLUSTER_BYTES * (len(dirs) + 1)
        for name in files:
            size = os.path.getsize(os.path.join(path, name))
            total += -(-size // CLUSTER_BYTES) * CLUSTER_BYTES + 96
    return total


def tool(args):
    """Runs one tool of dosfstools, mtools or qemu-utils; its stderr becomes the error text."""
    try:
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        raise MediaError("%s is not installed: apt-get install qemu-utils mtools dosfstools"
                         % args[0]) from None
    if done.returncode != 0:
        text = done.stdout.decode("utf-8", "replace").strip()
        raise MediaError("%s failed: %s" % (" ".join(args[:1]), text))


def config_volume(folder, out, label=CONFIG_LABEL, serial=None):
    """Builds the FAT volume HOY_CONF from a folder into the file `out`; returns its size."""
    if not os.path.isdir(folder):
        raise MediaError("--config %s: no such folder" % folder)
    size_kib = max(2048, tree_bytes(folder) * 11 // 10 // 1024 + 1024)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    if os.path.exists(out):
        os.unlink(out)
    mkfs = "/sbin/mkfs.vfat" if os.path.exists("/sbin/mkfs.vfat") else "mkfs.vfat"
    tool([mkfs, "-n", label] + (["-i", serial] if serial else []) + ["-C", out, str(size_kib)])
    entries = [os.path.join(folder, e) for e in sorted(os.listdir(folder))]
    if entries:
        tool(["mcopy", "-s", "-m", "-Q", "-i", out] + entries + ["::/"])
    return size_kib * 1024


def reset_volume(out, serial=None):
    """Builds the FAT volume HOY_RESET, which asks for a factory reset, into the file `out`."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "reset.txt"), "w", encoding="ascii") as f:
            f.write("erase all data\n")
        config_volume(folder, out, RESET_LABEL, serial)


def fw_cfg_args(folder):
    """QEMU arguments that hand over FOLDER/boot.ini as opt/hoy/config, or nothing."""
    path = os.path.join(folder, "boot.ini")
    if not os.path.exists(path):
        return []
    if os.path.getsize(path) > FW_CFG_LIMIT_BYTES:
        raise MediaError("%s: larger than %d bytes, which fw_cfg reads too slowly; move parts of it"
                         " into other INI files of the same folder" % (path, FW_CFG_LIMIT_BYTES))
    return ["-fw_cfg", "name=opt/hoy/config,file=%s" % path]


def disk_format(path):
    """qcow2 or raw: by the magic of an existing file, else by the name of a new one."""
    if os.path.exists(path):
        with open(path, "rb") as f:
            return "qcow2" if f.read(4) == b"QFI\xfb" else "raw"
    return "qcow2" if path.endswith(".qcow2") else "raw"


def data_disk(path, size):
    """Creates a sparse disk when the file is absent; returns its format."""
    kind = disk_format(path)
    if not os.path.exists(path):
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)
        tool(["qemu-img", "create", "-q", "-f", kind, path, size])
    return kind
