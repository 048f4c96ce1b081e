#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine program's pull, load and unpack roles in their real sandboxes.

Runs in a mount namespace of its own with a /run whose hoy/net is the pull role's root. A system call
that a sandbox forbids kills the role, and the driver says so.
"""
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, image, registry, tap  # noqa: E402

if os.environ.get("HOY_PULL_BOX") != "in":
    os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] +
               sys.argv, dict(os.environ, HOY_PULL_BOX="in"))

WORK = os.path.join(BUILD, "ns-pull-roles")
DRIVER = os.environ.get("PULL_DRIVER", os.path.join(BUILD, "x86_64/san/bin/tests/tool/pull_driver"))
ENGINE = os.environ.get("PULL_ENGINE", os.path.join(BUILD, "x86_64/bin/engine"))


def folder(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def make_root():
    """The pull role's root, as netd keeps it."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.makedirs("/run/hoy/net/etc")
    for name, text in (("hosts", "127.0.0.1 registry.example\n"),
                       ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")):
        with open("/run/hoy/net/etc/" + name, "w", encoding="ascii") as f:
            f.write(text)


def drive(*args):
    done = subprocess.run([DRIVER, "--engine", ENGINE] + list(args), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=250, check=False)
    text = done.stdout.decode("utf-8", "replace")
    tap.check("broken" not in text and "gone\n" not in text, text)
    return done.returncode, text


def good(*args):
    code, text = drive(*args)
    tap.check(code == 0, text)
    return text


def refused(words, *args):
    code, text = drive(*args)
    tap.check(code == 1, text)
    for word in words:
        tap.check(word in text, "%r is not in:\n%s" % (word, text))
    return text


def check_blobs(where, img):
    wanted = {d[7:]: data for d, data in img.blobs.items()}
    tap.check(sorted(os.listdir(where)) == sorted(wanted), "other blobs: %s" % os.listdir(where))
    for name, data in wanted.items():
        with open(os.path.join(where, name), "rb") as f:
            tap.check(f.read() == data, "blob %s differs" % name)


folder("")
make_root()
SMALL = image.Image([{"etc": None, "etc/x": b"x\n"}, {"etc/y": b"y\n" * 50000}])


@tap.test("pull and push by name through hosts, over TLS, in the sandbox")
def _pull():
    reg = registry.Registry(os.path.join(WORK, "registry"))
    reg.start()
    try:
        reg.push(SMALL, "a/b", "1")
        host = "registry.example:%d" % reg.port
        args = ["--host", host, "--ca", reg.path("ca.pem"), "--user", registry.USER, "--password",
                registry.PASSWORD]
        where = folder("pull")
        good(*args, "pull", host + "/a/b:1", where)
        check_blobs(where, SMALL)
        record = os.path.join(WORK, "record")
        good("--save", record, *args, "pull", host + "/a/b:1", where)
        text = good("--known", record, *args, "push", host + "/c/d:2", where)
        tap.check("pushed" in text, text)
        big = image.Image([{"big": random.Random(1).randbytes(5 << 20)}])
        reg.push(big, "e/f", "1")
        where = folder("big")
        good("--save", record, *args, "pull", host + "/e/f:1", where)
        second = registry.Registry(os.path.join(WORK, "second"))
        second.start()
        try:
            far = "registry.example:%d" % second.port
            text = good("--known", record, "--host", far, "--ca", second.path("ca.pem"), "--user",
                        registry.USER, "--password", registry.PASSWORD, "push", far + "/g/h:1", where)
            tap.check(text.count("source ") == 3, text)
        finally:
            second.stop()
        where = folder("pull")
        good(*args, "pull", host + "/c/d:2", where)
        check_blobs(where, SMALL)
        refused(["certificate is not trusted"], "--host", host, "pull", host + "/a/b:1", where)
    finally:
        reg.stop()
    refused(["ECONNREFUSED", "connection refused"], *args, "pull", host + "/a/b:1", where)
    refused(["absent.example"], "--host", "absent.example", "pull", "absent.example/a:1", where)


def archive(name, img, ref):
    path = os.path.join(WORK, name)
    image.write_archive(img, ref, path)
    return path


@tap.test("load of an OCI archive, plain, gzip and zstd")
def _layout():
    path = archive("oci.tar", SMALL, "shop/web:2")
    with open(path, "rb") as f:
        data = f.read()
    with open(path + ".gz", "wb") as f:
        f.write(gzip.compress(data, mtime=0))
    subprocess.run(["zstd", "-q", "-f", path], check=True)
    for name in (path, path + ".gz", path + ".zst"):
        where = folder("layout")
        text = good("load", name, where)
        check_blobs(where, SMALL)
        tap.check("image docker.io/shop/web:2 " in text and "images 1" in text, text)


def docker_save(name, img, tags, link=False):
    """An archive as `docker save` of old wrote it: layers as plain tars under names of their own."""
    path = os.path.join(WORK, name)
    plain = [image.tar_bytes(entries) for entries in img]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
                         "rootfs": {"type": "layers",
                                    "diff_ids": [image.digest(p) for p in plain]}}).encode()
    names = ["layer%d/layer.tar" % n for n in range(len(plain))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": tags, "Layers": names}]).encode()
    with tarfile.open(path, "w") as tar:
        for member, data in list(zip(names, plain)) + [("config.json", config),
                                                        ("manifest.json", manifest)]:
            info = tarfile.TarInfo(member)
            if link and member == names[-1]:
                info.type, info.linkname = tarfile.SYMTYPE, "../layer0/layer.tar"
                tar.addfile(info)
                continue
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path, plain, config


@tap.test("load of docker save: every name, a manifest of what is really there")
def _docker():
    path, plain, config = docker_save("save.tar", [{"a": b"1"}, {"b": b"2"}], ["x:1", "r.example/y:2"])
    where = folder("docker")
    text = good("load", path, where)
    tap.check("image docker.io/library/x:1 " in text and "image r.example/y:2 " in text, text)
    for data in plain + [config]:
        with open(os.path.join(where, image.digest(data)[7:]), "rb") as f:
            tap.check(f.read() == data, "a blob differs")
    manifests = [n for n in os.listdir(where) if n not in
                 [image.digest(d)[7:] for d in plain + [config]]]
    with open(os.path.join(where, manifests[0]), "rb") as f:
        manifest = json.load(f)
    tap.check([d["digest"] for d in manifest["layers"]] == [image.digest(p) for p in plain],
              "layers of the manifest")
    path, plain, _ = docker_save("links.tar", [{"a": b"1"}, {"a": b"1"}], None, True)
    text = good("--reference", "given:3", "load", path, folder("links"))
    tap.check("image docker.io/library/given:3 " in text and text.count("blob layer") == 1, text)


@tap.test("bad archives are refused with what is wrong")
def _bad():
    where = folder("bad")
    path = os.path.join(WORK, "noise")
    with open(path, "wb") as f:
        f.write(b"noise" * 1000)
    refused(["no readable tar"], "load", path, where)
    with open(path, "wb") as f:
        f.write(image.tar_bytes({"x": b"y"}))
    refused(["neither index.json"], "load", path, where)
    path = archive("cut.tar", SMALL, "x")
    os.truncate(path, os.path.getsize(path) // 2)
    refused(["error "], "load", path, where)
    refused(["linux/arm64"], "--arch", "arm64", "load", archive("arm.tar", SMALL, "x"), where)
    wrong = image.wrong_digest(image.Image([{"z": os.urandom(5000)}]))
    refused(["digest"], "load", archive("wrong.tar", wrong, "x"), folder("bad"))


@tap.test("unpack in the sandbox: gzip and zstd layers as records, damage told")
def _unpack():
    plain = image.tar_bytes({"d": None, "d/f": b"data", "l": ("link", "d/f"), "d/.wh.gone": b"",
                             "d/.wh..wh..opq": b"", "\u00e9": b""})
    path = os.path.join(WORK, "layer")
    for kind in ("plain", "gzip", "zstd"):
        data = plain
        if kind == "gzip":
            data = gzip.compress(plain, mtime=0)
        elif kind == "zstd":
            data = subprocess.run(["zstd", "-q", "-c", "-19"], input=plain, stdout=subprocess.PIPE,
                                  check=True).stdout
        with open(path, "wb") as f:
            f.write(data)
        text = good("unpack", path)
        tap.check("layer %s 6 entries" % image.digest(plain) in text, text)
        for line in ("dir /d  755 0:0 0", "file /d/f  644 0:0 4", "gone /d/gone", "opaque /d",
                     "symlink /l -> d/f", "file /\u00e9"):
            tap.check(line in text, "%r is not in:\n%s" % (line, text))
        with open(path, "wb") as f:
            f.write(data[:1300] if kind == "plain" else data[:len(data) // 2])
        code, text = drive("unpack", path)
        tap.check(code == 1 and "records end early" in text and "error EBADMSG" in text, text)


def random_tree(rng, path):
    """A tar of 400 entries of all kinds that GNU tar and Python make; returns what should come."""
    kinds = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    wanted = []
    with tarfile.open(path, "w", format=kinds[rng.randrange(3)]) as tar:
        for number in range(400):
            deep = "/".join("d%d" % rng.randrange(5) for _ in range(rng.randrange(1, 6)))
            name = deep + "/" + "n" * rng.randrange(1, 60) + str(number)
            info = tarfile.TarInfo(rng.choice(("", "./", "/")) + name)
            info.mode = rng.choice((0o644, 0o755, 0o4755, 0o1777, 0))
            info.uid, info.gid = rng.randrange(1 << 18), rng.randrange(1 << 18)
            info.mtime = rng.randrange(1 << 31)
            kind, data, target = rng.randrange(6), b"", ""
            if kind <= 2:
                data = rng.randbytes(rng.choice((0, 1, 511, 512, 513, 70000, 300000)))
            elif kind == 3:
                info.type = tarfile.DIRTYPE
            elif kind == 4:
                info.type, target = tarfile.SYMTYPE, "../" * rng.randrange(3) + "t"
            else:
                info.type = tarfile.FIFOTYPE
            info.size, info.linkname = len(data), target
            tar.addfile(info, io.BytesIO(data))
            wanted.append("%s /%s %s%s %o %d:%d %d" % (
                ("file", "file", "file", "dir", "symlink", "fifo")[kind], name,
                "-> " if target else "", target, info.mode, info.uid, info.gid, len(data)))
            if data:
                wanted.append("  content " + image.digest(data))
    return wanted


@tap.test("twenty random tars: every entry and every byte")
def _random():
    path = os.path.join(WORK, "random")
    for seed in range(20):
        wanted = random_tree(random.Random(seed), path)
        got = good("unpack", path).splitlines()[:-1]
        for mine, theirs in zip(got, wanted):
            tap.check(mine == theirs, "seed %d: got %r, expected %r" % (seed, mine, theirs))
        tap.check(len(got) == len(wanted), "seed %d: %d lines" % (seed, len(got)))


@tap.test("GNU tar's sparse files and xattrs")
def _gnu():
    where = folder("gnu")
    with open(os.path.join(where, "holes"), "wb") as f:
        for at in (0, 1 << 20, 5 << 20):
            f.seek(at)
            f.write(b"x" * 5000)
        f.truncate(8 << 20)
    os.setxattr(os.path.join(where, "holes"), "user.note", b"kept")
    with open(os.path.join(where, "holes"), "rb") as f:
        content = image.digest(f.read())
    path = os.path.join(WORK, "gnu.tar")
    for style in ("--format=gnu", "--format=posix", "--sparse-version=0.1", "--sparse-version=0.0"):
        args = ["--format=posix", style] if "version" in style else [style]
        if "gnu" not in style:
            args += ["--xattrs"]
        subprocess.run(["tar", "-C", where, "-S"] + args + ["-cf", path, "holes"], check=True)
        tap.check(os.path.getsize(path) < 1 << 20, "tar made no sparse file")
        text = good("unpack", path)
        tap.check("  content " + content in text, "%s:\n%s" % (style, text))
        tap.check("8388608" in text and ("gnu" in style or "user.note" in text), text)


@tap.test("a bomb ends at its limit: zeros behind an empty tar, a file of zeros")
def _bombs():
    path = os.path.join(WORK, "bomb")
    for head in ("/dev/null", big_head()):
        with open(path, "wb") as f:
            subprocess.run("(head -c 512 '%s'; head -c 300000000 /dev/zero) | gzip -1" % head,
                           shell=True, stdout=f, check=True)
        refused(["EFBIG", "bomb"], "unpack", path)


def big_head():
    """The head of a file of 290 MB."""
    path = os.path.join(WORK, "head")
    info = tarfile.TarInfo("zeros")
    info.size = 290000000
    with open(path, "wb") as f:
        f.write(info.tobuf())
    return path


try:
    tap.run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
