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
DIRECT = os.path.join(BUILD, "x86_64/san/bin/tests/tool/run_direct")
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
    "userns": ["--userns", "524288", "--tty", "--uid", "1000", "--sysctl", "net.ipv4.ip_forward=1",
               "--device", "/dev/snd/pcm:116:2", "--bind", "/data/volumes/v:/var/lib/web",
               "--bind", "/run/x/hosts:/etc/hosts", "--tmpfs", "/var", "--", "/bin/web"],
    "unconfined": ["--seccomp", "none", "--host", "ipc", "--", "sh"],
}

FILES = ["--mount", "proc||/proc|nosuid;nodev;noexec",
         "--mount", "tmpfs|tmpfs|/dev|nosuid;strictatime;data=mode=755,size=65536k",
         "--mount", "devpts||/dev/pts|nosuid;noexec;data=newinstance,mode=0620,gid=5",
         "--mount", "sysfs||/sys|nosuid;nodev;noexec;ro"]
LISTED = {
    "listed": FILES + ["--new", "pid", "--new", "net", "--hook", "3:5:/bin/hook", "--caps",
                       "255:15:7:3:1", "--umask", "027", "--cpus", "0-2,5", "--scheduler",
                       "3:5:0:0:0:0:0", "--ioprio", "2:6", "--personality", "8", "--preserve", "2",
                       "--masked", "/proc/keys", "--readonly-path", "/proc/sys", "--rule",
                       "10:229:1", "--device", "10:229:/dev/fuse", "--mount",
                       "bind|/srv|/srv|rbind;rro;-nosuid;rshared", "--mount",
                       "tmpfs|tmpfs|/run|tmpcopyup;optional", "--tty", "--init", "/root", "--",
                       "sh"],
    "user": FILES + ["--new", "user", "--map", "0:100000:65536", "--new", "time", "--time",
                     "10:20", "--uid", "7", "--mount", "bind|/srv|/srv|ridmap", "--mount",
                     "bind|/srv|/opt|idmap=0:5:1", "--propagation", "3", "/root", "--", "sh"],
}


def printed(command, args):
    done = subprocess.run(command + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"), check=False)
    tap.check(done.returncode == 0, done.stderr.decode())
    return done.stdout.decode()


def compare(name, command, args):
    path = os.path.join(HERE, "run", name + ".plan")
    got = printed(command, args)
    if os.environ.get("HOY_RECORD"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(got)
    with open(path, encoding="utf-8") as f:
        want = f.read()
    diff = "".join(difflib.unified_diff(want.splitlines(True), got.splitlines(True), path, "now"))
    tap.check(got == want, "the plan changed:\n" + diff)


for plan, arguments in PLANS.items():
    tap.test("plan-" + plan)(lambda name=plan, args=arguments:
                             compare(name, [TOOL, "print"], args))
for plan, arguments in LISTED.items():
    tap.test("plan-" + plan)(lambda name=plan, args=arguments:
                             compare(name, [DIRECT, "--print"], args))
tap.run()
