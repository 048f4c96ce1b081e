/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_APPLY_H
#define HOY_ENGINE_RUN_APPLY_H

#include <sys/types.h>
#include "engine/api/shim_msg.h"
#include "engine/run/plan.h"

/*
 * Doing what a plan says. The shim prepares what can be made outside (apply_prepare), forks
 * (apply_start), and the child goes through the steps of apply_container.c or apply_exec.c and
 * executes the program. System calls only, no heap; the first error ends the child and comes back
 * through the report pipe as a struct err that names the step.
 */
struct apply {
	const struct plan *plan;
	int report;		 /* write end, CLOEXEC: its end of file means execve succeeded */
	int stdio[3];		 /* what becomes 0, 1 and 2; stdio[0] = -1: the container's null */
	int slave;		 /* of the tty, -1 without */
	int pidfd;		 /* exec: of the container's first process */
	int cgroup;		 /* to be born in */
	int root_tree, pts_tree; /* detached mounts */
	int trees[SHIM_FD_MAX + 1 - SHIM_FD_EXTRA]; /* of bind sources given by fd */
	/* The child's own: */
	int old_root, root, proc, sys, dev, null, mask, cwd;
};

void apply_init(struct apply *apply, const struct plan *plan);
void apply_close(struct apply *apply); /* the shim's copies, after the fork */

/*
 * In the shim, before the fork: the device program is attached to the cgroup, the root is cloned,
 * a devpts instance is made (and kept in *ret_pts for later terminals).
 */
int apply_prepare(struct apply *apply, int root_fd, int *ret_pts, struct err *err);

/* Opens a terminal of that devpts instance: master for the shim, slave into apply->slave. */
int apply_open_tty(struct apply *apply, int pts, int *ret_master, struct err *err);

/*
 * Forks the child into its namespaces and its cgroup. own_pidns_fd is the shim's own PID namespace,
 * restored when the child had to be born in another one. Returns the pid on the host.
 */
pid_t apply_start(struct apply *apply, int own_pidns_fd, int *ret_pidfd, struct err *err);

/* ---- between the apply_*.c files: the child's steps ---- */

struct apply_step {
	const char *name;
	int (*run)(struct apply *apply, struct err *err);
};
extern const struct apply_step apply_container_steps[];
extern const struct apply_step apply_exec_steps[];

int apply_session(struct apply *apply, struct err *err);
int apply_oom_score(struct apply *apply, struct err *err);
int apply_cwd_open(struct apply *apply, struct err *err);
int apply_stdio(struct apply *apply, struct err *err);
int apply_limits(struct apply *apply, struct err *err);
int apply_user(struct apply *apply, struct err *err);
int apply_execute(struct apply *apply, struct err *err); /* returns only with an error */

int apply_ops(struct apply *apply, struct err *err);

/* Operations by kind, in apply_mount.c, apply_dev.c and apply_guard.c. */
int apply_op_filesystem(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_bind(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_tmpfs(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_node(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_link(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_console(struct apply *apply, struct err *err);
int apply_op_sysctl(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_readonly(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_mask(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_mask_cpus(struct apply *apply, const struct plan_op *op, struct err *err);

/* Bits of enum run_mount_flag as mount attributes. */
uint64_t apply_attributes(uint32_t flags);
/* A new superblock of `type` with the given options (key, value pairs, NULL ends), detached. */
int apply_new_mount(const char *type, const char *const *options, uint64_t attributes,
		    struct err *err);

#endif
