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
 * The plan: what a shim does to start one process, in order, decided and checked beforehand. Wire
 * form, little endian. A "text" here is a wire string whose last byte is a NUL, so that it can be
 * handed to the kernel straight out of the mapped memfd.
 *
 *   u32 "HPL1"  u8 kind  u32 flags  u32 uid  u32 gid  u64 caps  u32 oom_score_adj (as i32)
 *   u16 rows  u16 columns  list {u32 group}  list {u32 resource, u64 soft, u64 hard}
 *   text cwd  list argv {text}  list env {text}  blob seccomp (struct sock_filter[])
 * and for a container:
 *   text hostname  text domainname  6 x {u8 mode, u8 fd} pid ipc uts net cgroup time
 *   blob device program (struct bpf_insn[])  list of operations
 * operation: u8 kind  u32 flags  u8 fd  u32 mode uid gid major minor  u64 size  text source  target
 */
enum {
	PLAN_MAGIC = 0x314c5048,
	PLAN_SIZE_MAX = 4 << 20,
	PLAN_OPS_MAX = 2048,
	PLAN_TEXT_MAX = 128 << 10, /* of one argument, as in execve(2) */
	PLAN_FILTER_MAX = 4096 * 8,
};

enum plan_kind { PLAN_KIND_CONTAINER = 1, PLAN_KIND_EXEC = 2 };

enum plan_flag {
	PLAN_FLAG_TTY = 1,
	PLAN_FLAG_STDIN = 2,
	PLAN_FLAG_NO_NEW_PRIVS = 4,
	PLAN_FLAG_PRIVILEGED = 8,
	PLAN_FLAG_MASK = 15,
};

enum plan_ns {
	PLAN_NS_PID,
	PLAN_NS_IPC,
	PLAN_NS_UTS,
	PLAN_NS_NET,
	PLAN_NS_CGROUP,
	PLAN_NS_TIME,
	PLAN_NS_COUNT
};

enum plan_op_kind {
	PLAN_OP_PROC = 1,
	PLAN_OP_SYSFS,
	PLAN_OP_CGROUP,
	PLAN_OP_DEV,	 /* fresh tmpfs */
	PLAN_OP_PTS,	 /* the devpts instance that the shim made */
	PLAN_OP_SHM,	 /* tmpfs, size */
	PLAN_OP_MQUEUE,	 /* POSIX message queues */
	PLAN_OP_NODE,	 /* mode (with S_IFCHR or S_IFBLK), major, minor, uid, gid */
	PLAN_OP_LINK,	 /* symlink target -> source */
	PLAN_OP_CONSOLE, /* the tty's slave over target */
	PLAN_OP_BIND,
	PLAN_OP_TMPFS,
	PLAN_OP_SYSCTL,	   /* target: path below /proc/sys, source: the value */
	PLAN_OP_READONLY,  /* path, a missing one is skipped */
	PLAN_OP_MASK,	   /* path, a missing one is skipped */
	PLAN_OP_MASK_CPUS, /* a directory below each /sys/devices/system/cpu/cpuN */
	PLAN_OP_ROOT_READONLY,
	PLAN_OP_KINDS,
};

struct plan_op {
	enum plan_op_kind kind;
	uint32_t flags; /* enum run_mount_flag */
	uint8_t fd;	/* source fd, 0 = by path */
	uint32_t mode, uid, gid, major, minor;
	uint64_t size;
	const char *source;
	const char *target;
};

/* Items that lie one behind another in the plan; read them with the plan_next_*() functions. */
struct plan_list {
	struct wire items;
	uint32_t count;
};

struct plan {
	enum plan_kind kind;
	uint32_t flags, uid, gid;
	uint64_t caps;
	int32_t oom_score_adj;
	uint16_t rows, columns;
	struct plan_list groups, rlimits, argv, env, ops;
	const char *cwd, *hostname, *domainname;
	struct str seccomp, devices;
	struct run_ns ns[PLAN_NS_COUNT];
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

/* One line for each operation and field, for tests and support; foreign bytes are escaped. */
int plan_print(const struct plan *plan, struct buf *out);

const char *plan_op_name(enum plan_op_kind kind);

#endif
