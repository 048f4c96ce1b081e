/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_CGROUP_RESOURCE_H
#define HOY_ENGINE_RUN_CGROUP_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * All that cgroup v2 can limit, in cgroup v2's own terms (Documentation/admin-guide/cgroup-v2.rst).
 * The functions that turn OCI's v1 terms into these stand below. Strings belong to the caller.
 */
#define CGROUP_UNSET INT64_MIN	   /* leave as it is */
#define CGROUP_MAX   ((int64_t)-1) /* no limit: "max" */

enum { CGROUP_ROWS_MAX = 64, CGROUP_PATH_MAX = 1024 };

/* A row of io.max; CGROUP_UNSET leaves a value out. */
struct cgroup_io_limit {
	uint32_t major, minor;
	int64_t rbps, wbps, riops, wiops;
};

struct cgroup_io_weight {
	uint32_t major, minor;
	int64_t weight; /* 1..10000 */
};

struct cgroup_hugetlb {
	const char *size; /* "2MB", "1GB": hugetlb.<size>.max */
	int64_t limit_bytes;
};

struct cgroup_rdma {
	const char *device;
	int64_t handles, objects; /* CGROUP_UNSET leaves it out */
};

struct cgroup_unified {
	const char *file; /* one name, "memory.high" */
	const char *value;
};

struct cgroup_resources {
	int64_t memory_max, memory_low, memory_min, memory_high, swap_max; /* bytes */
	bool memory_check;  /* refuse a memory_max below what is in use (checkBeforeUpdate) */
	int64_t cpu_weight; /* 1..10000 */
	int64_t cpu_quota_us, cpu_period_us, cpu_burst_us;
	int64_t cpu_idle;	 /* 0 or 1 */
	const char *cpus, *mems; /* "0-3,7"; NULL = unset */
	int64_t pids_max;
	int64_t io_weight; /* 1..10000 */
	const struct cgroup_io_limit *io_limits;
	size_t io_limit_count;
	const struct cgroup_io_weight *io_weights;
	size_t io_weight_count;
	const struct cgroup_hugetlb *hugetlb;
	size_t hugetlb_count;
	const struct cgroup_rdma *rdma;
	size_t rdma_count;
	const struct cgroup_unified *unified; /* written last, as they are */
	size_t unified_count;
};

/* Everything unset. */
void cgroup_resources_init(struct cgroup_resources *resources);

/* OCI's cpu.shares (2..262144) as cpu.weight (1..10000), the way all runtimes do it; 0 = unset. */
int64_t cgroup_weight_of_shares(uint64_t shares);
/* OCI's blockIO.weight (10..1000) as io.weight (1..10000). */
int64_t cgroup_weight_of_blkio(uint64_t weight);
/*
 * OCI's memory.swap counts memory and swap together. -EINVAL when swap is below memory, or set
 * without memory.
 */
int cgroup_swap_of_oci(int64_t memory, int64_t memory_and_swap, int64_t *ret_swap, struct err *err);

/* Bits of enum cgroup_controller that the resources need, also for `unified`. */
uint32_t cgroup_resources_controllers(const struct cgroup_resources *resources);

/*
 * Writes what is set into the group. A limit whose file is not there is left out and its name
 * appended to `missing` (", " between, cut at cap; "" when nothing is missing): the caller warns or
 * refuses. -EINVAL names the value that the kernel did not take.
 */
int cgroup_resources_set(int cgroup_fd, const struct cgroup_resources *resources, char *missing,
			 size_t cap, struct err *err);

/* What kind of control groups a host has. */
enum cgroup_host {
	CGROUP_HOST_UNIFIED, /* pure cgroup v2 */
	CGROUP_HOST_HYBRID,  /* v1 with a cgroup2 at /sys/fs/cgroup/unified: no limits */
	CGROUP_HOST_LEGACY,  /* v1 only: no group at all */
};

/* Opens the top of the cgroup v2 hierarchy into *ret_fd (-1 for CGROUP_HOST_LEGACY). */
int cgroup_host_open(enum cgroup_host *ret_host, int *ret_fd, struct err *err);

/*
 * Makes the group "a/b/c" below the top with the wanted controllers handed down on the way where
 * the kernel allows it; an existing one is opened. *ret_new (may be NULL) tells which. Returns its
 * fd. The path is one of clean components, without "..".
 */
int cgroup_path_make(int top_fd, const char *path, uint32_t controllers, bool *ret_new,
		     struct err *err);
int cgroup_path_open(int top_fd, const char *path, struct err *err);
/* Removes it and what is below it; -EBUSY while a process is in it. Parents stay. */
int cgroup_path_remove(int top_fd, const char *path, struct err *err);

#endif
