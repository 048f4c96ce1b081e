# SPDX-License-Identifier: Apache-2.0
"""Servers of Debian that the tests of netd stand beside: kea (DHCPv4, DHCPv6) and radvd, unpacked and not
installed. They run in a namespace of the test, and what they keep lies in its own /run."""
import csv
import glob
import json
import os
import subprocess

import netd_peer as n
from fixture import deb

KEA = {4: ("kea-dhcp4-server", "usr/sbin/kea-dhcp4"), 6: ("kea-dhcp6-server", "usr/sbin/kea-dhcp6")}
KEA_LIBRARIES = "kea-common"  # by its name no library package
RADVD = ("radvd", "usr/sbin/radvd")
FOLDER = "/run/kea"


def kea_program(package, path):
    """(program, environment) of a package that stands on kea-common."""
    full = deb.file(package, path)
    folders = glob.glob(os.path.join(deb.tree(KEA_LIBRARIES), "usr/lib/*-linux-gnu"))
    for name in deb.library_packages(KEA_LIBRARIES):
        if not deb.missing_libraries(full, ":".join(folders)):
            break
        for place in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu"):
            folders += glob.glob(os.path.join(deb.tree(name), place))
    missing = deb.missing_libraries(full, ":".join(folders))
    if missing:
        raise SystemExit("%s: no package holds %s" % (path, ", ".join(missing)))
    return full, dict(os.environ, LD_LIBRARY_PATH=":".join(folders), KEA_PIDFILE_DIR=FOLDER,
                      KEA_LOCKFILE_DIR=FOLDER, KEA_DHCP_DATA_DIR=FOLDER, KEA_LOG_FILE_DIR=FOLDER)


def fetch():
    """While there is a network: see netd_peer.enter()."""
    for package, path in KEA.values():
        kea_program(package, path)
    deb.program(*RADVD)


class Kea:
    """kea on lan0 of a namespace. subnet: its one subnet, as in the configuration; more: of the server."""

    def __init__(self, ns, family, subnet, **more):
        os.makedirs(FOLDER, exist_ok=True)
        self.leases_file = os.path.join(FOLDER, "leases%d.csv" % family)
        self.log = os.path.join(FOLDER, "%d.log" % family)
        config = dict(more)
        config["interfaces-config"] = {"interfaces": ["lan0"]}
        config["lease-database"] = {"type": "memfile", "persist": True, "name": self.leases_file,
                                    "lfc-interval": 0}
        if family == 6:  # else a file beside its own, in a folder that only an installed one has
            config["server-id"] = {"type": "EN", "enterprise-id": 2495, "identifier": "706561", "persist": False}
        config["subnet%d" % family] = [dict(subnet, id=1)]
        path = os.path.join(FOLDER, "%d.json" % family)
        with open(path, "w", encoding="ascii") as f:
            json.dump({"Dhcp%d" % family: config}, f)
        n.sh("ip link set up0 up")  # it opens no socket on an interface without a cable
        n.wait_for("the cable", lambda: "LOWER_UP" in ns.sh("ip -o link show lan0"))
        program, env = kea_program(*KEA[family])
        with open(self.log, "ab") as log:
            self.child = ns.popen([program, "-c", path], env=env, stdout=log, stderr=log)
        n.wait_for("kea", lambda: self.child.poll() is not None or os.path.exists(self.leases_file))
        n.tap.check(self.child.poll() is None, "kea ended: " + self.text())

    def leases(self):
        """Each grant, the renewed ones again, as a dictionary."""
        with open(self.leases_file, encoding="ascii") as f:
            return [row for row in csv.DictReader(f) if None not in row.values()]

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def close(self, forget=False):
        self.child.terminate()
        self.child.wait()
        if forget:
            for path in glob.glob(self.leases_file + "*"):
                os.unlink(path)


class Radvd:
    """radvd on lan0 of a namespace; text: what stands within `interface lan0 { }`."""

    def __init__(self, ns, text):
        with open("/run/radvd.conf", "w", encoding="ascii") as f:
            f.write("interface lan0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; %s };\n" % text)
        program, env = deb.program(*RADVD)
        self.child = ns.popen([program, "-n", "-C", "/run/radvd.conf", "-p", "/run/radvd.pid"], env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.child.terminate()  # its last words: no default router any more
        self.child.wait()
