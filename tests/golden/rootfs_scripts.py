#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The parts of rootfs/ that need neither root nor network: host packages, cache bounds, wrapper."""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import TOP, deb, tap, vm  # noqa: E402

FOLDER = vm.scratch("golden-rootfs")
# A machine whose apt knows nothing before `apt-get update`; clang is 19 there. `installed` lists what
# dpkg has; what apt-get installs is added to it.
FAKES = {
    "dpkg-query": 'for p; do :; done; [ "$2" != \'${Depends}\\n\' ] || exit 1\n'
                  'grep -qx "$p" "$STATE/installed" && echo "install ok installed"',
    "apt-cache": '[ -e "$STATE/updated" ] || exit 0\n'
                 'case $1:$2 in depends:clang) echo "  Depends: clang-19";; esac',
    "apt-get": 'echo "$@" >>"$STATE/calls"\n'
               'case " $* " in\n*" update "*) touch "$STATE/updated";;\n'
               '*" install "*) for p; do echo "$p"; done >>"$STATE/installed";; esac',
    "sudo": 'exec "$@"',
}
FAKES["apt-cache"] += '\ncase $1 in show) [ -e "$STATE/updated" ];; esac'


def fake_machine(name):
    """A folder with fake package tools in front of PATH."""
    state = os.path.join(FOLDER, name)
    os.makedirs(os.path.join(state, "bin"))
    for tool, text in FAKES.items():
        path = os.path.join(state, "bin", tool)
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n%s\n" % text)
        os.chmod(path, 0o755)
    for file in ("installed", "calls"):
        with open(os.path.join(state, file), "w", encoding="ascii"):
            pass
    return state


def run(args, **env):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=TOP, check=False,
                          env=dict(os.environ, **env))
    tap.check(done.returncode == 0, "%s: %s" % (" ".join(args), done.stdout.decode()))
    return done.stdout.decode()


def read(state, name):
    with open(os.path.join(state, name), encoding="ascii") as f:
        return f.read()


def deps(state, mode):
    return run(["rootfs/deps", mode], STATE=state, PATH=state + "/bin:" + os.environ["PATH"])


@tap.test("a machine that never ran apt-get update gets the sanitizers of its clang too")
def _deps():
    state = fake_machine("stale")
    deps(state, "run")
    installed = read(state, "installed").split()
    for package in ("gcc", "qemu-system-x86", "clang", "libclang-rt-19-dev"):
        tap.check(package in installed, "%s was not installed: %r" % (package, installed))
    deps(state, "run")
    calls = read(state, "calls").splitlines()
    tap.check(sum("install" in c for c in calls) == 1, "installed twice: %r" % calls)


@tap.test("what there is already is not installed, and apt is not asked")
def _deps_there():
    state = fake_machine("ready")
    deps(state, "build")
    before = read(state, "calls")
    deps(state, "build")
    tap.check(read(state, "calls") == before, "apt-get ran again")
    tap.check("clang" not in read(state, "installed").split(), "building needs no clang")


def aged(cache, path, days):
    """A file or folder of the cache that was used so long ago."""
    full = os.path.join(cache, path)
    if path.endswith("/"):
        os.makedirs(full)
    else:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as f:
            f.write(path)
    when = os.stat(full).st_mtime - days * 86400
    os.utime(full, (when, when))


def left(cache):
    return sorted(os.path.relpath(os.path.join(path, n), cache)
                  for path, folders, names in os.walk(cache) for n in names + folders
                  if not n.endswith(".lock"))


@tap.test("prune keeps the newest results of each kind, two kernel trees and what the lock names")
def _prune():
    cache = os.path.join(FOLDER, "cache")
    with open(os.path.join(TOP, "rootfs", "sources.lock"), encoding="utf-8") as f:
        pinned = next(w for line in f for w in line.split() if len(w) == 64)
    for n in range(4):
        aged(cache, "libs/zlib-target-%032x.tar.zst" % n, n)
        aged(cache, "libs/zlib-host-%032x.tar.zst" % n, 100 + n)
        aged(cache, "kernel/virtio-6.12-%032x.tar.zst" % n, n)
    for n in range(3):
        aged(cache, "kernel/linux-6.12.%d/" % n, n)
    aged(cache, "files/" + pinned, 400)
    aged(cache, "files/" + "0" * 64, 400)
    aged(cache, "files/" + "1" * 64, 4)
    run(["rootfs/cache", "prune"], HOY_CACHE=cache, HOY_CACHE_KEEP="2")
    want = sorted(["files", "kernel", "libs", "files/" + pinned, "files/" + "1" * 64,
                   "kernel/linux-6.12.0", "kernel/linux-6.12.1"]
                  + ["%s-%032x.tar.zst" % (p, n) for n in range(2)
                     for p in ("libs/zlib-target", "libs/zlib-host", "kernel/virtio-6.12")])
    tap.check(left(cache) == want, "left:\n%s\nwanted:\n%s" % (left(cache), want))


@tap.test("a kernel tree stays while its flavour is being built")
def _prune_busy():
    cache = os.path.join(FOLDER, "busy")
    for n in range(3):
        aged(cache, "kernel/linux-6.12.%d/" % n, n)
    run(["flock", os.path.join(cache, "kernel", "metal.lock"), "rootfs/cache", "prune"],
        HOY_CACHE=cache)
    tap.check("kernel/linux-6.12.2" in left(cache), "removed under a build: %r" % left(cache))


@tap.test("clean empties the cache")
def _clean():
    cache = os.path.join(FOLDER, "clean")
    aged(cache, "libs/x-target-0.tar.zst", 0)
    run(["rootfs/cache", "clean"], HOY_CACHE=cache)
    tap.check(not os.path.exists(cache), "something is left")


@tap.test("the compiler wrapper finds its folder, also one whose name begins with hoy")
def _wrapper():
    for name in ("plain", "hoy", "hoyden/hoy"):
        folder = os.path.join(FOLDER, "wrapper", name)
        for file in ("bin/musl-gcc", "lib/musl-gcc.specs"):
            path = os.path.join(folder, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as f:
                f.write("-isystem /hoy/include /hoy/lib/crt1.o /hoyx -L/hoy\n")
        run(["rootfs/libs", "place", folder])
        for file in ("bin/musl-gcc", "lib/musl-gcc.specs"):
            with open(os.path.join(folder, file), encoding="ascii") as f:
                got = f.read()
            tap.check(got == "-isystem %s/include %s/lib/crt1.o /hoyx -L%s\n" % (folder, folder, folder),
                      "%s: %s" % (name, got))


@tap.test("a program is found in packages of Debian 12 and of Debian 13, where all is below usr")
def _merged():
    deb.CACHE = os.path.join(FOLDER, "debs")
    for package, path in (("twelve", "bin/tool"), ("thirteen", "usr/bin/tool")):
        full = os.path.join(deb.CACHE, "x", package + "_1_amd64", path)
        os.makedirs(os.path.dirname(full))
        for name in (full, os.path.join(deb.CACHE, package + "_1_amd64.deb")):
            with open(name, "w", encoding="ascii"):
                pass
        for asked in ("bin/tool", "usr/bin/tool"):
            tap.check(deb.file(package, asked) == full, (package, asked))


try:
    tap.run()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
