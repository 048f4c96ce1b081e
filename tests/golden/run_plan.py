#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mount plans against recorded ones: tests/golden/run/NAME.plan. HOY_RECORD=1 writes them anew."""
import difflib
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from fixture import BUILD, tap  # noqa: E402

TOOL = os.path.join(BUILD, "x86_64/san/bin/tests/tool/run_tool")
PLANS = {
    "default": ["--", "sh"],
    "full": ["--tty", "--stdin", "--uid", "1000", "--gid", "1001", "--group", "44", "--cwd", "/srv",
             "--hostname", "web", "--env", "PATH=/bin", "--env", "ODD=a\n\"b", "--nnp", "--readonly",
             "--cap-drop", "ALL", "--cap-add", "CHOWN", "--rlimit", "7:1024:524288", "--oom", "200",
             "--sysctl", "net.ipv4.ip_forward=1", "--device", "/dev/snd/pcm:116:2",
             "--bind", "/data/volumes/v:/var/lib/web", "--bind", "/run/x/hosts:/etc/hosts",
             "--bind", "fd:/given:ro", "--tmpfs", "/var", "--tmpfs", "/dev/shm",
             "--host", "uts", "--", "/bin/web", "--port", "80"],
    "privileged": ["--privileged", "--host", "net", "--host", "pid", "--", "init"],
    "unconfined": ["--seccomp", "none", "--host", "ipc", "--", "sh"],
}


def printed(args):
    done = subprocess.run([TOOL, "print"] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"), check=False)
    tap.check(done.returncode == 0, done.stderr.decode())
    return done.stdout.decode()


def compare(name, args):
    path = os.path.join(HERE, "run", name + ".plan")
    got = printed(args)
    if os.environ.get("HOY_RECORD"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(got)
    with open(path, encoding="utf-8") as f:
        want = f.read()
    diff = "".join(difflib.unified_diff(want.splitlines(True), got.splitlines(True), path, "now"))
    tap.check(got == want, "the plan changed:\n" + diff)


for plan, arguments in PLANS.items():
    tap.test("plan-" + plan)(lambda name=plan, args=arguments: compare(name, args))
tap.run()
