# SPDX-License-Identifier: Apache-2.0
"""Suite build: `hoy build` beside `docker build` (BuildKit of docker 26) and `buildah build`, all of Debian 13.

Owns build/bench/build/: a Debian tree with the peers, made by mmdebstrap from the machine's own apt sources, and the
stores of all of them, on the same disk. Everything runs in one set of namespaces (build_box), each as a whole command,
in turns; no RUN has a network. The peer of a row is whichever of the two is faster in it. Needs root.
"""
import json
import os
import shutil
import statistics
import subprocess

import figures
import pull
from fixture import BUILD, TOP, FixtureError, deb, engine, image

FOLDER = os.path.join(BUILD, "bench", "build")
TREE = os.path.join(FOLDER, "tree")
PACKAGES = ("docker.io,docker-cli,docker-buildx,containerd,buildah,crun,runc,netavark,iproute2,iptables,python3,mount,"
            "ca-certificates,procps")
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "5"))
WHERE = "same namespaces and disk, network none"
PEERS = {"buildkit": "BuildKit of docker 26, Debian 13", "buildah": "buildah, Debian 13"}
# row, case of build_box, goal
ROWS = (("build.cached.best", "cached", "ratio <= 0.3"),
        ("build.run20.best", "run20", "ratio <= 0.4"),
        ("build.copy10k.best", "copy10k", "ratio <= 0.5"))


def measure():
    """{case: {side: [ms...]}} as the box says it."""
    if not os.path.exists(TREE + "/usr/bin/buildah"):
        pull.peer.make_tree(TREE, PACKAGES, "docker, buildx and buildah")
    deb.tree("busybox-static")
    image.write_archive(image.busybox(), "busybox:latest", os.path.join(FOLDER, "busybox.tar"))
    enter = pull.ENTER.replace("bench/pull_box", "bench/build_box")
    group = engine.own_group(os.getpid())
    try:
        done = subprocess.run(["unshare", "-m", "-p", "-n", "-i", "-u", "-C", "-f", "--kill-child", "--propagation", "private", "sh", "-c",
                               enter, "enter", TREE, TOP, os.path.relpath(FOLDER, TOP), str(RUNS)], stdout=subprocess.PIPE, check=False)
    finally:
        engine.leave_group(group)
        for path in (os.path.join(FOLDER, "work"), os.path.join(BUILD, "engine-bench-build")):
            shutil.rmtree(path, ignore_errors=True)
    if done.returncode != 0:
        raise FixtureError("the builds could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-2000:]))
    return json.loads(done.stdout.decode().strip().split("\n")[-1])


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the build figures need root: namespaces and control groups are made")
    made = measure()
    rows = []
    for name, case, goal in ROWS:
        best = min(PEERS, key=lambda side, case=case: statistics.median(made[case][side]))
        rows.append(figures.row(name, made[case]["hoy"], "ms", goal, PEERS[best], made[case][best], WHERE))
    for name, goal in (("parallel2", "ratio <= 0.6"), ("parallel2_short", "")):
        case = made[name]
        rows.append(figures.row("build.%s.sequential" % name, case["two"], "ms", goal, "the same in one stage", case["one"], WHERE))
        rows.append(figures.row("build.%s.buildkit" % name, case["two"], "ms", "", PEERS["buildkit"], case["buildkit"], WHERE))
    return rows
