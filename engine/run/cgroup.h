/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_CGROUP_H
#define HOY_ENGINE_RUN_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * Control groups of containers, cgroup v2 only: /sys/fs/cgroup/containers/<id>, on a hybrid host
 * /sys/fs/cgroup/unified/containers/<id>. On a host whose cgroup v2 lacks a controller (a hybrid
 * one has none) the limits of that controller are left out and the missing ones are named by
 * cgroup_missing(); a host without cgroup v2 is refused with the next step in the message.
 */
enum cgroup_controller {
	CGROUP_CONTROLLER_CPU = 1,
	CGROUP_CONTROLLER_MEMORY = 2,
	CGROUP_CONTROLLER_PIDS = 4,
	CGROUP_CONTROLLER_IO = 8,
	CGROUP_CONTROLLER_CPUSET = 16,
	CGROUP_CONTROLLER_HUGETLB = 32,
	CGROUP_CONTROLLER_RDMA = 64,
	CGROUP_CONTROLLER_MISC = 128,
};

struct cgroup_root {
	int fd;		      /* the directory that holds the groups: "containers" or "builds" */
	uint32_t controllers; /* what its children have */
};

struct cgroup_limits {
	uint64_t memory_bytes; /* memory.max, 0 = none */
	uint64_t swap_bytes;   /* memory.swap.max, with memory_bytes only; 0 = no swap */
	uint32_t cpu_milli;    /* cpu.max in thousandths of one CPU, 0 = none */
	uint32_t pids;	       /* pids.max, 0 = none */
};

struct cgroup_stats {
	uint64_t memory_bytes;	/* memory.current */
	uint64_t memory_max;	/* UINT64_MAX = none */
	uint64_t memory_cache;	/* memory.stat inactive_file */
	uint64_t cpu_usec;	/* cpu.stat usage_usec */
	uint64_t pids;		/* pids.current */
	uint64_t oom_kills;	/* memory.events oom_kill */
	bool populated, frozen; /* cgroup.events */
};

/*
 * Opens <name> at the top of cgroup v2, makes it where it is missing and hands the controllers down
 * to its children as far as the kernel allows. -EOPNOTSUPP where neither /sys/fs/cgroup nor its
 * directory unified is cgroup v2.
 */
int cgroup_root_open(struct cgroup_root *root, const char *name, struct err *err);
void cgroup_root_close(struct cgroup_root *root);

/* "memory, pids" of what `limits` wants and the host cannot do; "" when all is there. */
const char *cgroup_missing(const struct cgroup_root *root, const struct cgroup_limits *limits,
			   char *dst, unsigned cap);

/* Makes <id> (an existing one is taken over) with its limits; returns its directory fd. */
int cgroup_create(struct cgroup_root *root, const char *id, const struct cgroup_limits *limits,
		  struct err *err);
int cgroup_open(struct cgroup_root *root, const char *id, struct err *err);
/* Changes the limits of a group that runs. */
int cgroup_set(struct cgroup_root *root, int cgroup_fd, const struct cgroup_limits *limits,
	       struct err *err);

/* The one line of a group's file, in the caller's memory; empty where it cannot be read. */
struct str cgroup_read_line(int cgroup_fd, const char *name, char *dst, size_t cap);

/* Bits of enum cgroup_controller that a group has, and handing wanted ones down to its children. */
uint32_t cgroup_controllers(int cgroup_fd);
void cgroup_hand_down(int cgroup_fd, uint32_t wanted);

int cgroup_freeze(int cgroup_fd, bool frozen, struct err *err);
/* SIGKILL to every process in it, also to those that are being forked (cgroup.kill). */
int cgroup_kill(int cgroup_fd, struct err *err);
int cgroup_stats(int cgroup_fd, struct cgroup_stats *ret_stats, struct err *err);

/* Removes the group and the groups below it; -EBUSY while a process is in it: kill first. */
int cgroup_remove(struct cgroup_root *root, const char *id, struct err *err);

#endif
