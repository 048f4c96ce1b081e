/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_H
#define HOY_ENGINE_RUN_SPEC_H

#include "engine/run/spec_mount.h"
#include "engine/run/spec_process.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * Everything a container needs, as engine main or hoy-oci says it. Pure data: strings and arrays
 * belong to the caller and have to live until run_plan_encode() returned. run_spec_init() fills in
 * Docker's defaults, run_spec_init_listed() those of the OCI runtime specification (nothing that is
 * not written down), so that a caller sets only what was asked for. What the runtime cannot carry
 * out is refused by run_plan_encode() with -ENOTSUP and the field's name; README.md lists it.
 */
enum {
	RUN_SYSCTLS_MAX = 256,
	RUN_PATHS_MAX = 512, /* masked paths, and the same for read-only paths */
	RUN_PATH_MAX = 4096,
	RUN_HOOKS_MAX = 64, /* of each kind */
	RUN_FD_MAX = 250,   /* the highest fd that a spec may name */
};

struct run_sysctl {
	const char *key; /* dots: "net.core.somaxconn"; see run_sysctl_check() */
	const char *value;
};

/* What comes from the runtime and what from the spec. */
enum run_layout {
	RUN_LAYOUT_ENGINE, /* Docker's file systems, nodes, links, masks; parents mount first */
	RUN_LAYOUT_LISTED, /* mounts and paths as listed; the standard nodes and links of /dev
			    * unless /dev is a bind */
};

/* OCI's hooks (config.md). The first two and the last two run in the runtime's namespaces. */
enum run_hook_point {
	RUN_HOOK_PRESTART,
	RUN_HOOK_CREATE_RUNTIME,
	RUN_HOOK_CREATE_CONTAINER, /* the container's namespaces, the host's files */
	RUN_HOOK_START_CONTAINER,  /* the container's namespaces and files */
	RUN_HOOK_POSTSTART,
	RUN_HOOK_POSTSTOP,
	RUN_HOOK_POINTS
};

struct run_hook {
	const char *path;	 /* absolute */
	const char *const *argv; /* NULL = { path } */
	const char *const *env;	 /* NULL = empty */
	uint32_t timeout_s;	 /* 0 = none */
};

/* A hook reads state_head, the container's pid in decimal and state_tail as its stdin. */
struct run_hooks {
	const struct run_hook *hooks;
	size_t count;
	const char *state_head, *state_tail;
};

struct run_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};

struct run_spec {
	enum run_layout layout;
	struct run_process process;
	const char *hostname; /* NULL = leave */
	const char *domainname;
	struct run_ns pid, ipc, uts, net, cgroup, time; /* the last one: new by default */
	struct run_ns user;				/* host by default */
	struct run_ns mount;				/* new by default */
	const struct run_mapping *uid_map, *gid_map;	/* of a new user namespace; of a joined one
							 * what it has, if it is known */
	size_t uid_map_count, gid_map_count;
	struct run_time_offset monotonic, boottime; /* of a new time namespace */
	const struct run_mount *mounts;
	size_t mount_count;
	const struct run_device *devices;
	size_t device_count;
	const struct run_device_rule *device_rules; /* besides the standard rows, behind them */
	size_t device_rule_count;
	bool devices_all;		   /* no device is denied, but by a row */
	const char *const *masked_paths;   /* NULL = Docker's list (listed layout: none) */
	const char *const *readonly_paths; /* the same */
	const struct run_sysctl *sysctls;
	size_t sysctl_count;
	uint64_t shm_bytes;
	bool readonly_root;
	enum run_propagation root_propagation;
	bool root_propagation_below;
	const char *root_path; /* the root on the host, where hooks look for it; NULL = nowhere */
	bool privileged; /* all capabilities, no seccomp, no masks, all devices, /sys and cgroup rw
			  */
	bool cgroup_writable; /* RUN_LAYOUT_ENGINE: /sys/fs/cgroup is no read-only mount */
	bool init;	      /* a small reaper is PID 1, the program its child */
	uint32_t personality; /* personality(2), with personality_set */
	bool personality_set;
	bool nested;	     /* who starts it is in a user namespace: no device can be made there */
	bool no_pivot;	     /* chroot instead of pivot_root: only for a root on rootfs */
	bool no_new_keyring; /* stay in the caller's session keyring */
	struct run_hooks hooks[RUN_HOOK_POINTS];
	const char *mount_label; /* SELinux */
	const char *rdt_group;	 /* intelRdt */
};

/* Docker's defaults: 14 capabilities, new namespaces, net by SHIM_FD_NETNS, 64 MiB of /dev/shm. */
void run_spec_init(struct run_spec *spec);

/*
 * What an empty config.json means: RUN_LAYOUT_LISTED, every namespace the runtime's own but the
 * mount namespace, no capabilities, no filter, umask 022, oom score inherited.
 */
void run_spec_init_listed(struct run_spec *spec);

/*
 * Checks the spec and writes the whole plan (run/plan.h) in wire form; the seccomp filter and the
 * device program are compiled into it. Nothing is executed. -EINVAL names the field and what was
 * expected, -ENOTSUP the field that is not carried out.
 */
int run_plan_encode(const struct run_spec *spec, struct buf *out, struct err *err);

/*
 * The plan of a further process in a running container (SHIM_MSG_EXEC). `privileged` as in the
 * container's own spec unless the exec asked for more.
 */
int run_plan_encode_exec(const struct run_process *process, bool privileged, struct buf *out,
			 struct err *err);

/*
 * The same for a container with a user namespace (or joined namespaces): the spec's process, user,
 * uid_map, gid_map, personality and time are used, the rest is ignored.
 */
int run_plan_encode_exec_spec(const struct run_spec *spec, struct buf *out, struct err *err);

/* A sealed memfd that holds the plan, for SHIM_FD_PLAN or SHIM_MSG_EXEC. The caller owns it. */
int run_plan_memfd(const struct buf *plan, struct err *err);

/*
 * Only what has a namespace of its own: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* (own IPC
 * namespace), net.* (own network namespace). The key may hold [a-z0-9_.-] only.
 */
int run_sysctl_check(const struct run_spec *spec, const char *key, struct err *err);

#endif
