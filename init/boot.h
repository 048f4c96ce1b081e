/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_H
#define HOY_INIT_BOOT_H

#include <stdbool.h>
#include "lib/err.h"

/*
 * The first steps of PID 1, in this order. Each is complete when it returns; a failed one is
 * reported through `complain` and the boot goes on: a machine with a console beats a panic.
 */
typedef void boot_complain_fn(void *owner, const struct err *err);

struct boot_reporter {
	boot_complain_fn *complain;
	void *owner;
};

/* Mounts /hoy.erofs of the initramfs and makes it the root. Does nothing where there is no such
 * file: then the root is what it shall be already. */
void boot_root(const struct boot_reporter *reporter);

/* proc sys dev devpts shm run tmp cgroup2 pstore, the directories below /run/hoy; what is mounted
 * already is left as it is. */
void boot_mount(const struct boot_reporter *reporter);

/* The cgroup tree: hoy.init (with this process), hoy/<unit>, hoy/shims, containers, builds. */
void boot_cgroup(const struct boot_reporter *reporter);
/*
 * Directory of hoy/<name>, made anew; -1 where there are no cgroups. Anew, because newer kernels
 * (seen on 6.18) kill every process that is born into a group whose cgroup.kill was once written.
 */
int boot_cgroup_unit(const char *name);

/* Keeps the OOM killer away from this process; false where that is not allowed (then the daemons
 * cannot be favoured either). */
bool boot_shield(void);

/* sysctl settings, resource limits, memory lock, no reboot by ctrl-alt-del behind our back. */
void boot_kernel(const struct boot_reporter *reporter);

/* The listening sockets below /run/hoy, -1 where one could not be made. */
struct boot_sockets {
	int init_fd, netd_fd, engine_fd, docker_fd;
};

void boot_socket(struct boot_sockets *ret_sockets, const struct boot_reporter *reporter);

#endif
