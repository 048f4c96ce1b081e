/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_PLAN_H
#define HOY_ENGINE_RUN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/run/spec.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * The plan: what is done to start one process, in order, decided and checked beforehand. Wire form,
 * little endian. A "text" here is a wire string whose last byte is a NUL, so that it can be handed
 * to the kernel straight out of the mapped memfd.
 *
 *   u32 "HPL2"  u8 kind  u32 flags  u32 uid  u32 gid  u32 owner (uid on the host)
 *   5 x u64 caps: bounding permitted effective inheritable ambient
 *   u32 oom_score_adj (as i32)  u16 rows  u16 columns  u32 umask  u32 preserved fds
 *   u32 personality  u32 seccomp flags  u8 ioprio class  u8 ioprio level
 *   scheduler {u32 policy, u32 nice, u32 priority, u64 flags runtime deadline period}
 *   blob first cpus  blob cpus (bit masks, empty = all)
 *   with PLAN_FLAG_MEMORY_POLICY: u32 mode  blob nodes (bit mask, empty = none)
 *   list {u32 group}  list {u32 resource, u64 soft, u64 hard}
 *   text cwd  list argv {text}  list env {text}  blob seccomp (struct sock_filter[])
 * and for a container:
 *   text hostname  text domainname
 *   8 x {u8 mode, u8 fd} pid ipc uts net cgroup time user mount
 *   text uid map  text gid map (as /proc/PID/uid_map takes them)
 *   u8 root propagation (enum plan_propagation)  text root path
 *   2 x {i64 secs, u32 nanosecs} monotonic boottime
 *   blob device program (struct bpf_insn[])  list of operations  list of hooks
 *   RUN_HOOK_POINTS x {text state head, text state tail}
 * operation: u8 kind  u32 flags  u8 fd  u32 mode uid gid major minor  u64 size  text source  target
 * and for PLAN_OP_BIND and PLAN_OP_FILESYSTEM:
 *   u32 clear set_below clear_below  u8 propagation  u8 idmap  u16 tree  text type  text data
 *   text uid map  text gid map
 * hook: u8 point  u32 timeout s  text path  list argv {text}  list env {text}
 */
enum {
	PLAN_MAGIC = 0x324c5048,
	PLAN_SIZE_MAX = 4 << 20,
	PLAN_OPS_MAX = 2048,
	PLAN_TEXT_MAX = 128 << 10, /* of one argument, as in execve(2) */
	PLAN_FILTER_MAX = 4096 * 8,
	PLAN_MAP_MAX = RUN_MAPPINGS_MAX * 36, /* the text of a mapping */
	PLAN_CPUS_BYTES = RUN_CPUS_MAX / 8,
	PLAN_HOOKS_MAX = RUN_HOOKS_MAX * RUN_HOOK_POINTS,
	PLAN_TTY_GROUP = 5, /* of terminals, as every distribution has it */
};

enum plan_kind { PLAN_KIND_CONTAINER = 1, PLAN_KIND_EXEC = 2 };

enum plan_flag {
	PLAN_FLAG_TTY = 1,
	PLAN_FLAG_STDIN = 2,
	PLAN_FLAG_NO_NEW_PRIVS = 4,
	PLAN_FLAG_PRIVILEGED = 8,
	PLAN_FLAG_LISTED = 16,	    /* RUN_LAYOUT_LISTED */
	PLAN_FLAG_OOM_INHERIT = 32, /* oom_score_adj is not written */
	PLAN_FLAG_USER_NS = 64,	    /* exec: the container has a user namespace of its own */
	PLAN_FLAG_SCHEDULER = 128,
	PLAN_FLAG_PERSONALITY = 256,
	PLAN_FLAG_LISTENER = 512, /* of the seccomp filter */
	PLAN_FLAG_INIT = 1024,
	PLAN_FLAG_NO_PIVOT = 2048,
	PLAN_FLAG_NO_KEYRING = 4096,
	PLAN_FLAG_TIME_OFFSETS = 8192,
	PLAN_FLAG_CAP_SETS = 16384, /* effective is in force until execve, also for a user */
	PLAN_FLAG_MEMORY_POLICY = 32768,
	PLAN_FLAG_NO_PROGRAM = 65536,	/* argv is nobody's; the gate refuses the start */
	PLAN_FLAG_PTS_INSIDE = 131072,	/* the child makes devpts, in its place among the mounts */
	PLAN_FLAG_HOST_MOUNTS = 262144, /* the mount namespace is the runtime's, the root is not */
	PLAN_FLAG_MASK = 524287,
};

enum plan_ns {
	PLAN_NS_PID,
	PLAN_NS_IPC,
	PLAN_NS_UTS,
	PLAN_NS_NET,
	PLAN_NS_CGROUP,
	PLAN_NS_TIME,
	PLAN_NS_USER,
	PLAN_NS_MOUNT,
	PLAN_NS_COUNT
};

enum plan_op_kind {
	PLAN_OP_PROC = 1,
	PLAN_OP_SYSFS,
	PLAN_OP_CGROUP,
	PLAN_OP_DEV,	 /* fresh tmpfs */
	PLAN_OP_PTS,	 /* the devpts instance that was made outside; gid 0 = PLAN_TTY_GROUP */
	PLAN_OP_SHM,	 /* tmpfs, size */
	PLAN_OP_MQUEUE,	 /* POSIX message queues */
	PLAN_OP_NODE,	 /* mode (with S_IFCHR, S_IFBLK, S_IFIFO), major, minor, uid, gid */
	PLAN_OP_LINK,	 /* symlink target -> source */
	PLAN_OP_CONSOLE, /* the tty's slave over target */
	PLAN_OP_BIND,
	PLAN_OP_TMPFS,
	PLAN_OP_SYSCTL,	   /* target: path below /proc/sys, source: the value */
	PLAN_OP_READONLY,  /* path, a missing one is skipped */
	PLAN_OP_MASK,	   /* path, a missing one is skipped */
	PLAN_OP_MASK_CPUS, /* a directory below each /sys/devices/system/cpu/cpuN */
	PLAN_OP_ROOT_READONLY,
	PLAN_OP_FILESYSTEM, /* any type, with data */
	PLAN_OP_NODE_BIND,  /* as NODE, in a user namespace: the host's node over target */
	PLAN_OP_NODE_MADE,  /* the same with a node made outside; uid and gid are the host's */
	PLAN_OP_KINDS,
};

/* enum run_propagation, and this bit for the recursive kind. */
enum plan_propagation { PLAN_PROPAGATION_BELOW = 128 };
enum plan_idmap { PLAN_IDMAP_BELOW = 128 }; /* the same for enum run_idmap */

struct plan_op {
	enum plan_op_kind kind;
	uint32_t flags; /* enum run_mount_flag */
	uint8_t fd;	/* source fd, 0 = by path */
	uint32_t mode, uid, gid, major, minor;
	uint64_t size;
	const char *source;
	const char *target;
	/* BIND and FILESYSTEM: */
	uint32_t clear, set_below, clear_below;
	uint8_t propagation, idmap;
	uint16_t tree; /* its place in apply's list of cloned sources */
	const char *type, *data, *uid_map, *gid_map;
};

/* Items that lie one behind another in the plan; read them with the plan_next_*() functions. */
struct plan_list {
	struct wire items;
	uint32_t count;
};

struct plan_hook {
	enum run_hook_point point;
	uint32_t timeout_s;
	const char *path;
	struct plan_list argv, env;
};

struct plan {
	enum plan_kind kind;
	uint32_t flags, uid, gid, owner;
	struct run_caps caps;
	int32_t oom_score_adj;
	uint16_t rows, columns;
	uint32_t umask, preserve_fds, personality, seccomp_flags;
	struct run_ioprio ioprio;
	struct run_scheduler scheduler;
	struct str cpus_first, cpus;
	uint32_t memory_mode;
	struct str memory_nodes;
	struct plan_list groups, rlimits, argv, env, ops, hooks;
	const char *cwd, *hostname, *domainname, *uid_map, *gid_map, *root_path;
	struct str seccomp, devices;
	struct run_ns ns[PLAN_NS_COUNT];
	uint8_t root_propagation;
	struct run_time_offset monotonic, boottime;
	uint32_t hook_points; /* bit set: which have a hook */
	const char *state_head[RUN_HOOK_POINTS], *state_tail[RUN_HOOK_POINTS];
};

/*
 * Reads and checks all of it; the plan's slices point into data, which has to stay. No heap.
 * -EBADMSG when anything is out of bounds, of an unknown kind or left over.
 */
int plan_decode(const void *data, size_t len, struct plan *ret_plan, struct err *err);

/* The next item; false (or NULL) at the end. A list may be copied to read it again. */
const char *plan_next_text(struct plan_list *list);
bool plan_next_u32(struct plan_list *list, uint32_t *ret_value);
bool plan_next_rlimit(struct plan_list *list, struct run_rlimit *ret_limit);
bool plan_next_op(struct plan_list *list, struct plan_op *ret_op);
bool plan_next_hook(struct plan_list *list, struct plan_hook *ret_hook);

/* One line for each operation and field, for tests and support; foreign bytes are escaped. */
int plan_print(const struct plan *plan, struct buf *out);

const char *plan_op_name(enum plan_op_kind kind);

#endif
