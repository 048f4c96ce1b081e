/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_RUNTIME_LINUX_H
#define HOY_ENGINE_OCI_RUNTIME_LINUX_H

#include "engine/oci/runtime_seccomp.h"
#include "engine/oci/runtime_value.h"

/* The "linux" section of config.json. */

enum runtime_rlimit_type { /* the kernel's RLIMIT_ number + 1 */
			   RUNTIME_RLIMIT_TYPE_NONE,
			   RUNTIME_RLIMIT_TYPE_CPU,
			   RUNTIME_RLIMIT_TYPE_RTTIME = 16,
};

enum runtime_namespace_type {
	RUNTIME_NAMESPACE_NONE,
	RUNTIME_NAMESPACE_PID,
	RUNTIME_NAMESPACE_NETWORK,
	RUNTIME_NAMESPACE_MOUNT,
	RUNTIME_NAMESPACE_IPC,
	RUNTIME_NAMESPACE_UTS,
	RUNTIME_NAMESPACE_USER,
	RUNTIME_NAMESPACE_CGROUP,
	RUNTIME_NAMESPACE_TIME,
};

struct runtime_namespace {
	enum runtime_namespace_type type;
	const char *path; /* NULL = a new one */
};

struct runtime_device {
	const char *type; /* one of c b u p */
	const char *path;
	int64_t major, minor;
	struct runtime_u64 mode;
	uint32_t uid, gid;
};

struct runtime_device_rule {
	bool allow;
	const char *type, *access; /* NULL = all */
	struct runtime_i64 major, minor;
};

struct runtime_io_rate {
	int64_t major, minor;
	uint64_t rate;
};

struct runtime_io_rates {
	struct runtime_io_rate *items;
	size_t count;
};

struct runtime_resources {
	bool set;
	struct {
		struct runtime_device_rule *items;
		size_t count;
	} devices;
	struct runtime_pairs unified;
	struct runtime_i64 pids;
	struct {
		struct runtime_i64 limit, reservation, swap, kernel, kernel_tcp;
		struct runtime_u64 swappiness;
		bool disable_oom_killer, check_before_update;
	} memory;
	struct {
		struct runtime_u64 shares, period, burst, realtime_period;
		struct runtime_i64 quota, realtime_runtime, idle;
		const char *cpus, *mems;
	} cpu;
	struct {
		struct runtime_u64 weight, leaf_weight;
		struct {
			struct runtime_io_weight {
				int64_t major, minor;
				struct runtime_u64 weight, leaf_weight;
			} * items;
			size_t count;
		} weights;
		struct runtime_io_rates read_bps, write_bps, read_iops, write_iops;
	} io;
	struct {
		struct runtime_hugepages {
			const char *size;
			uint64_t limit;
		} * items;
		size_t count;
	} hugepages;
	struct {
		struct runtime_rdma {
			const char *name;
			struct runtime_u64 handles, objects;
		} * items;
		size_t count;
	} rdma;
	struct runtime_u64 net_class; /* cgroup v1 only */
	struct {
		struct runtime_pair *items; /* their number is all that is asked */
		size_t count;
	} net_priorities;
};

enum runtime_propagation {
	RUNTIME_PROPAGATION_NONE,
	RUNTIME_PROPAGATION_PRIVATE,
	RUNTIME_PROPAGATION_SHARED,
	RUNTIME_PROPAGATION_SLAVE,
	RUNTIME_PROPAGATION_UNBINDABLE,
	RUNTIME_PROPAGATION_RPRIVATE,
	RUNTIME_PROPAGATION_RSHARED,
	RUNTIME_PROPAGATION_RSLAVE,
	RUNTIME_PROPAGATION_RUNBINDABLE,
};

enum runtime_personality {
	RUNTIME_PERSONALITY_NONE,
	RUNTIME_PERSONALITY_LINUX,
	RUNTIME_PERSONALITY_LINUX32,
};

struct runtime_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

struct runtime_linux {
	bool set;
	struct {
		struct runtime_namespace *items;
		size_t count;
	} namespaces;
	struct runtime_idmaps uids, gids;
	struct {
		struct runtime_device *items;
		size_t count;
	} devices;
	struct {
		struct runtime_net_device {
			const char *host, *name;
		} * items;
		size_t count;
	} net_devices;
	const char *cgroups_path;
	struct runtime_resources resources;
	enum runtime_propagation propagation;
	struct runtime_seccomp seccomp;
	struct runtime_pairs sysctl;
	struct runtime_texts masked_paths, readonly_paths;
	const char *mount_label;
	bool intel_rdt;
	struct {
		bool set;
		int mode;	/* 1 + the kernel's MPOL_* */
		uint64_t flags; /* balancing, relative, static: the kernel's bits >> 13 */
		const char *nodes;
	} memory_policy;
	enum runtime_personality personality;
	struct runtime_texts personality_flags;
	struct runtime_offset boottime, monotonic;
};

#endif
