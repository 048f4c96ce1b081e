# SPDX-License-Identifier: Apache-2.0
"""Suite docker: the engine's Docker API beside dockerd (docker.io of Debian 13), in the same namespaces.

One raw HTTP driver sends both sides the requests that the docker CLI sends. The peer's Debian tree is
suite pull's. No container has a network: neither side's bridge is measured. Needs root.
"""
import json
import os
import subprocess

import figures
import pull
from fixture import BUILD, TOP, FixtureError, deb, image

FOLDER = os.path.join(BUILD, "bench", "docker")
RUNS = int(os.environ.get("HOY_BENCH_RUNS", "5"))
PEER = "dockerd, Debian 13"
WHERE = "same namespaces and disk, network none"
# name, figure of the box, unit, goal
ROWS = (
    ("docker.run_rm.dockerd", "run_rm", "ms", "ratio <= 0.15"),
    ("docker.ps200.dockerd", "ps200", "ms", "ratio <= 0.3"),
    ("docker.logs100m.dockerd", "logs100m", "ms", "ratio <= 0.5"),
    ("docker.run200.dockerd", "run200", "ms", "ratio <= 0.2"),
    ("engine.memory10.dockerd", "memory10", "KiB", "ratio <= 0.08"),
)


def run():
    """All rows of the suite."""
    if os.geteuid() != 0:
        raise FixtureError("the docker figures need root: namespaces and control groups are made")
    if not os.path.exists(pull.TREE + "/usr/sbin/dockerd"):
        pull.tree()
    deb.tree("busybox-static")
    os.makedirs(FOLDER, exist_ok=True)
    image.write_archive(image.busybox(), "busybox:latest", os.path.join(FOLDER, "busybox.tar"))
    enter = pull.ENTER.replace("bench/pull_box", "bench/docker_box")
    done = subprocess.run(["unshare", "-m", "-p", "-n", "-i", "-u", "-C", "-f", "--kill-child", "--propagation", "private", "sh", "-c",
                           enter, "enter", pull.TREE, TOP, os.path.relpath(FOLDER, TOP), str(RUNS)], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("the Docker API could not be measured (exit %d): %s" % (
            done.returncode, done.stdout.decode("utf-8", "replace")[-2000:]))
    values = json.loads(done.stdout.decode().strip().split("\n")[-1])
    made = [figures.row(name, values["hoy." + key], unit, goal, PEER, values["dockerd." + key], WHERE) for name, key, unit, goal in ROWS]
    return made + [figures.row("api.p99_slow_clients_ms", values["p99_slow"], "ms", "<= 50", where="5,000 slow clients, unix socket")]
