# SPDX-License-Identifier: Apache-2.0
"""Suite build: the builder beside Debian's podman (buildah), natively, in one run. Needs root."""
import json
import os
import subprocess
import sys

import figures
from fixture import FixtureError

RUNS = int(os.environ.get("HOY_BENCH_RUNS", "5"))
# row, case of build_box, peer, goal
ROWS = (("build.cached.best", "cached", "podman", "ratio <= 0.3"),
        ("build.run20.best", "run20", "podman", "ratio <= 0.4"),
        ("build.copy10k.best", "copy10k", "podman", "ratio <= 0.5"),
        ("build.parallel2.sequential", "parallel2", "sequential", "ratio <= 0.6"))


def run():
    box = os.path.join(os.path.dirname(os.path.abspath(__file__)), "build_box")
    done = subprocess.run([sys.executable, box, str(RUNS)], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FixtureError("build_box failed: exit %d" % done.returncode)
    made = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return [figures.row(name, made[case]["ours"], "ms", goal, peer, made[case][peer], where="same machine")
            for name, case, peer, goal in ROWS]
