/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_H
#define HOY_ENGINE_RUN_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"

/*
 * Everything a container needs, as the engine's main process says it. Pure data: strings and arrays
 * belong to the caller and have to live until run_plan_encode() returned. run_spec_init() fills in
 * Docker's defaults, so that a caller sets only what the service or the API asked for.
 */
enum {
	RUN_ARGS_MAX = 4096,   /* argv, and the same for env */
	RUN_MOUNTS_MAX = 256,  /* mounts of the caller */
	RUN_DEVICES_MAX = 512, /* device nodes, and the same for device rules */
	RUN_GROUPS_MAX = 256,
	RUN_SYSCTLS_MAX = 256,
	RUN_PATHS_MAX = 512, /* masked paths, and the same for read-only paths */
	RUN_PATH_MAX = 4096,
	RUN_RLIMITS_MAX = 16,
};

enum run_ns_mode {
	RUN_NS_MODE_NEW,
	RUN_NS_MODE_HOST, /* stay in the engine's */
	RUN_NS_MODE_FD,	  /* join the one behind an fd that the shim was given */
};

struct run_ns {
	enum run_ns_mode mode;
	int fd; /* RUN_NS_MODE_FD: its number in the shim (SHIM_FD_NETNS, SHIM_FD_EXTRA + i) */
};

enum run_mount_kind {
	RUN_MOUNT_KIND_BIND, /* a directory or file of the host: volumes, binds, generated files */
	RUN_MOUNT_KIND_TMPFS,
};

enum run_mount_flag {
	RUN_MOUNT_FLAG_READONLY = 1,
	RUN_MOUNT_FLAG_NOSUID = 2,
	RUN_MOUNT_FLAG_NODEV = 4,
	RUN_MOUNT_FLAG_NOEXEC = 8,
	RUN_MOUNT_FLAG_RECURSIVE = 16, /* bind: with the mounts below the source */
	RUN_MOUNT_FLAG_MASK = 31,
};

/*
 * The target is an absolute path in the container; symlinks of the image are followed inside the
 * container's root, missing directories (or the missing file) are made. The order of the list does
 * not matter: parents are mounted before children.
 */
struct run_mount {
	enum run_mount_kind kind;
	const char *source; /* bind: absolute path on the host without any symlink; NULL: source_fd
			     */
	int source_fd;	    /* bind: number in the shim (SHIM_FD_EXTRA + i), used without source */
	const char *target;
	uint32_t flags;
	uint64_t size_bytes; /* tmpfs, 0 = half of the memory */
	uint32_t mode;	     /* tmpfs, 0 = 01777 */
};

/* A node below /dev that is made besides the standard ones. */
struct run_device {
	const char *path; /* in the container, absolute, below /dev */
	bool block;
	uint32_t major, minor;
	uint32_t mode, uid, gid;
};

enum run_access {
	RUN_ACCESS_MKNOD = 1,
	RUN_ACCESS_READ = 2,
	RUN_ACCESS_WRITE = 4,
	RUN_ACCESS_ALL = 7,
};

enum run_device_type { RUN_DEVICE_TYPE_ANY, RUN_DEVICE_TYPE_BLOCK, RUN_DEVICE_TYPE_CHAR };

/* One row of the allow list; all that no row allows is denied. */
struct run_device_rule {
	enum run_device_type type;
	int64_t major, minor; /* -1 = any */
	uint32_t access;      /* enum run_access bits */
};

struct run_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

struct run_sysctl {
	const char *key; /* dots: "net.core.somaxconn"; see run_sysctl_check() */
	const char *value;
};

enum run_seccomp {
	RUN_SECCOMP_DEFAULT,	/* Docker's profile for the given capabilities */
	RUN_SECCOMP_UNCONFINED, /* no filter */
};

/* What a process is started with: the container's first one, and each exec. */
struct run_process {
	const char *const *argv; /* NULL-terminated; argv[0] without '/' is looked up in env's PATH
				  */
	const char *const *env;	 /* NULL-terminated "NAME=value" */
	const char *cwd;	 /* absolute; NULL = "/"; made when it is missing */
	uint32_t uid, gid;
	const uint32_t *groups; /* supplementary */
	size_t group_count;
	uint64_t caps; /* bit set: bounding = permitted = effective; inheritable = ambient = 0 */
	bool no_new_privs;
	bool tty;		/* a new pseudo terminal, else pipes */
	bool stdin_open;	/* else stdin is /dev/null */
	uint16_t rows, columns; /* of the tty, 0 = 24 x 80 */
	int oom_score_adj;
	enum run_seccomp seccomp;
	const struct run_rlimit *rlimits;
	size_t rlimit_count;
};

struct run_spec {
	struct run_process process;
	const char *hostname; /* NULL = leave */
	const char *domainname;
	struct run_ns pid, ipc, uts, net, cgroup, time;
	const struct run_mount *mounts;
	size_t mount_count;
	const struct run_device *devices;
	size_t device_count;
	const struct run_device_rule *device_rules; /* besides the standard rows */
	size_t device_rule_count;
	const char *const *masked_paths;   /* NULL = Docker's list; empty list = none */
	const char *const *readonly_paths; /* the same */
	const struct run_sysctl *sysctls;
	size_t sysctl_count;
	uint64_t shm_bytes;
	bool readonly_root;
	bool privileged; /* all capabilities, no seccomp, no masks, all devices, /sys and cgroup rw
			  */
};

/* Docker's defaults: 14 capabilities, new namespaces, net by SHIM_FD_NETNS, 64 MiB of /dev/shm. */
void run_spec_init(struct run_spec *spec);

/*
 * Checks the spec and writes the whole plan (run/plan.h) in wire form; the seccomp filter and the
 * device program are compiled into it. Nothing is executed. -EINVAL names the field and what was
 * expected.
 */
int run_plan_encode(const struct run_spec *spec, struct buf *out, struct err *err);

/*
 * The plan of a further process in a running container (SHIM_MSG_EXEC). `privileged` as in the
 * container's own spec unless the exec asked for more.
 */
int run_plan_encode_exec(const struct run_process *process, bool privileged, struct buf *out,
			 struct err *err);

/* A sealed memfd that holds the plan, for SHIM_FD_PLAN or SHIM_MSG_EXEC. The caller owns it. */
int run_plan_memfd(const struct buf *plan, struct err *err);

/*
 * Only what has a namespace of its own: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* (own IPC
 * namespace), net.* (own network namespace). The key may hold [a-z0-9_.-] only.
 */
int run_sysctl_check(const struct run_spec *spec, const char *key, struct err *err);

/* ---- capabilities (capabilities(7)) ---- */

enum { RUN_CAP_LAST = 40 };

uint64_t run_caps_default(void); /* Docker's 14 */
uint64_t run_caps_all(void);

/* "NET_ADMIN", "cap_net_admin", "ALL": the bit set; -EINVAL names the nearest known one. */
int run_caps_parse(const char *name, uint64_t *ret_bits, struct err *err);
const char *run_cap_name(unsigned cap); /* "CAP_CHOWN"; NULL when there is none */

#endif
