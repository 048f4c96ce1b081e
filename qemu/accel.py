# SPDX-License-Identifier: Apache-2.0
"""Decides between KVM and TCG. Reads /dev/kvm, runs a 64 KiB guest; touches nothing else.

A KVM device may exist, open and run 16-bit code, yet hang as soon as a guest turns on 64-bit paging
(nested clouds). So the probe enters long mode, counts for a while and leaves QEMU through
isa-debug-exit, under a time limit. The answer is kept per boot of the host: a hang costs seconds.
"""
import os
import struct
import subprocess
import tempfile

PROBE_LIMIT_S = 4
EXIT_CODE = 0x10 << 1 | 1  # isa-debug-exit ends QEMU with (value << 1) | 1

ROM_BASE = 0xFFFF0000
CODE_AT = 0xF000
PROBE_CODE = bytes.fromhex(
    "fa"                    # cli
    "2e660f011660f0"        # lgdtl %cs:0xf060
    "66b80000ffff0f22d8"    # cr3 = ROM_BASE: the page tables stand at the start of the ROM
    "66b8200000000f22e0"    # cr4 = PAE
    "66b9800000c00f32"      # read the register EFER
    "660d000100000f30"      # EFER |= LME
    "66b8010000800f22c0"    # cr0 = PE | PG
    "66ea3bf0ffff0800"      # far jump into the 64-bit segment
    "b940420f00ffc975fc"    # count one million down
    "66ba0105b010eef4"      # out 0x10 to port 0x501, hlt
    "0f1f4000"              # padding to the descriptor table at 0xf050
    "0000000000000000" "00000000009a2000"
    "0f0050f0ffff")         # its limit and address


def probe_rom():
    """64 KiB of firmware: page tables that map the ROM onto itself, the code, the reset vector."""
    rom = bytearray(0x3000) + bytearray(b"\xf4" * (65536 - 0x3000))
    struct.pack_into("<Q", rom, 0, ROM_BASE + 0x1000 | 0x23)
    struct.pack_into("<Q", rom, 0x1000 + 3 * 8, ROM_BASE + 0x2000 | 0x23)
    struct.pack_into("<Q", rom, 0x2000 + 511 * 8, 0xFFE00000 | 0xE3)
    rom[CODE_AT:CODE_AT + len(PROBE_CODE)] = PROBE_CODE
    rom[0xFFF0:0xFFF3] = b"\xe9" + struct.pack("<h", CODE_AT - 0xFFF3)
    return bytes(rom)


def guest_runs(qemu, accel):
    """True when a guest under this accelerator executes 64-bit code in time."""
    with tempfile.NamedTemporaryFile(suffix=".rom") as f:
        f.write(probe_rom())
        f.flush()
        cmd = [qemu, "-accel", accel, "-M", "pc", "-m", "16M", "-bios", f.name, "-display", "none",
               "-nodefaults", "-device", "isa-debug-exit,iobase=0x501,iosize=1"]
        try:
            done = subprocess.run(cmd, timeout=PROBE_LIMIT_S, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == EXIT_CODE


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        return f.read().strip()


def choose(qemu, state_dir):
    """(accelerator, reason): "kvm" or "tcg", and why in words for the screen."""
    if not os.path.exists("/dev/kvm"):
        return "tcg", "this machine has no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm may not be opened by this user (join the group kvm)"
    memo = os.path.join(state_dir, "kvm-probe")
    key = boot_id()
    try:
        with open(memo, encoding="ascii") as f:
            seen, works = f.read().split()
    except (OSError, ValueError):
        seen, works = "", ""
    if seen != key:
        works = "yes" if guest_runs(qemu, "kvm") else "no"
        os.makedirs(state_dir, exist_ok=True)
        with open(memo, "w", encoding="ascii") as f:
            f.write("%s %s\n" % (key, works))
    if works == "yes":
        return "kvm", "a probe guest ran"
    return "tcg", "/dev/kvm exists but a probe guest did not run within %d s" % PROBE_LIMIT_S


def cpu_args(accel, cpus):
    """QEMU arguments of the accelerator and the number of processors.

    QEMU 7.2's TCG breaks 6.12 kernels with plain `max`: cx16 and la57 are left out.
    """
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(cpus)]
    return ["-accel", "tcg,thread=multi", "-cpu", "max,-cx16,-la57", "-smp", str(cpus)]
