# SPDX-License-Identifier: Apache-2.0
"""Suite appliance: memory of the daemons with ten services, and what one changed service out of a hundred costs.

Memory is the sum of the proportional set sizes (PSS) of init, netd, the engine's roles, the console and the
shims, read by a container in the machine's PID namespace. Times are those between a key and the prompt, over
the serial line, and from the kernel's start to the last service; the peer's from systemd's start to the last of a
hundred quadlets of podman, in a machine of the same size.
"""
import http.client
import json
import os
import re
import shutil
import ssl
import time

import figures
import quadlet
from fixture import FixtureError, registry, site, vm

# A hundred podmans start at the same time, 40 MiB each; ours would do with 1 GiB.
MEMORY = "4G"
STARTS = max(1, int(os.environ.get("HOY_BENCH_STARTS", "3")))  # of a hundred: it takes long
RUNS = max(5, int(os.environ.get("HOY_BENCH_RUNS", "5")))
IDLE = '[service idle%d]\nimage = busybox:latest\ncommand = ["sleep", "1000000"]\nstop_grace_period = 1s\ntrial = 0s\n'
REMOTE = "[remote]\nca_file = /config/ca.pem\ncert_file = /config/server.pem\nkey_file = /config/server.key\n"
OURS = r"hoy-init|/init|hoy-netd|hoy-engine|hoy-shim|hoy-console|/usr/bin/hoy"
PSS = """for p in /proc/[0-9]*; do
	n=$(tr '\\\\0' ' ' < $p/cmdline 2> /dev/null)
	s=$(grep ^Pss: $p/smaps_rollup 2> /dev/null | tr -s ' ' | cut -d ' ' -f 2)
	[ -n "$s" ] && echo "pss $s $n"
done
"""


def make_site(count):
    s = site.Site("bench-appliance", with_registry=False)
    s.preload()
    registry.make_ca(s.folder, "ca")
    registry.make_server(s.folder, "ca", "server", names="IP:127.0.0.1")
    registry.make_client(s.folder, "ca", "admin", "bench", "admin")
    for name in ("ca.pem", "server.pem", "server.key"):
        shutil.copy(s.path(name), os.path.join(s.config, name))
    with open(os.path.join(s.config, "pss.sh"), "w", encoding="ascii") as f:
        f.write(PSS)
    s.write(services="".join(IDLE % n for n in range(count)), engine=REMOTE)
    return s


def ask(s, m, path, body=None):
    context = ssl.create_default_context(cafile=s.path("ca.pem"))
    context.load_cert_chain(s.path("admin.pem"), s.path("admin.key"))
    c = http.client.HTTPSConnection("127.0.0.1", m.ports[2376], timeout=vm.COMMAND_S, context=context)
    c.request("POST", path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
    answer = c.getresponse()
    if answer.status >= 300:
        raise FixtureError("POST %s: %d %s" % (path, answer.status, answer.read()))
    answer.read()
    c.close()


def count_running(m):
    return len(re.findall(r"(?m)^idle\d+\s+\S+\s+running", m.command("ps", 300)))


def wait_all(m, count):
    end = time.monotonic() + 1200
    while count_running(m) < count:
        if time.monotonic() > end:
            raise FixtureError("%d of %d services run" % (count_running(m), count))
        time.sleep(2)


def memory():
    """PSS in MiB with ten services, a sample every five seconds."""
    s = make_site(10)
    samples = []
    with s.machine(memory="256M", forward=(2376,)) as m:
        site.ready(m)
        wait_all(m, 10)
        ask(s, m, "/containers/create?name=look", {"Image": "busybox:latest", "Cmd": ["sleep", "1000000"], "HostConfig": {
            "PidMode": "host", "Privileged": True, "Binds": ["/config:/c"]}})
        ask(s, m, "/containers/look/start")
        for _ in range(RUNS):
            time.sleep(5)
            rows = re.findall(r"(?m)^pss (\d+) (\S+)", m.command("exec look sh /c/pss.sh", 300))
            samples.append(sum(int(kib) for kib, name in rows if re.match(OURS, name)) / 1024)
    print("  appliance  processes: %s" % " ".join("%s=%s" % (name, kib) for kib, name in rows), flush=True)
    return samples


def hundred():
    """(ms from the kernel's start to the last of 100 services, ms of `config apply` of one that changed)."""
    s = make_site(100)
    with s.machine(memory=MEMORY) as m:  # the image is taken in, the data partition made
        site.ready(m)
        wait_all(m, 100)
        m.send("poweroff\r")
        m.wait_end()
    starts, applies = [], []
    for turn in range(STARTS):
        with s.machine(memory=MEMORY) as m:
            site.ready(m)
            wait_all(m, 100)
            starts.append(max(int(ms) for ms in re.findall(r"started (\d+) ms after boot", m.command("log engine -n 1000", 300))))
            if turn < STARTS - 1:
                m.send("poweroff\r")
                m.wait_end()
                continue
            for n in range(RUNS):
                m.command('config set "service idle7" environment RUN=%d' % n)
                before = time.monotonic()
                m.command("config apply")
                applies.append(1000 * (time.monotonic() - before))
                wait_all(m, 100)
    return starts, applies


def run():
    """All rows of the suite."""
    rows = [figures.row("appliance.rss10_mib", memory(), "MiB", "<= 12")]
    starts, applies = hundred()
    return rows + [figures.row("appliance.start100.quadlet", starts, "ms", "ratio <= 0.2", quadlet.NAME,
                               quadlet.start(100, STARTS, MEMORY)),
                   figures.row("appliance.apply_one_of_100_ms", applies, "ms", "<= 300")]
