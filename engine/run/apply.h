/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_APPLY_H
#define HOY_ENGINE_RUN_APPLY_H

#include <stdbool.h>
#include <sys/types.h>
#include "engine/api/shim_msg.h"
#include "engine/run/plan.h"

/*
 * Doing what a plan says. The applying process (the shim, or hoy-oci itself) prepares what can be
 * made outside (apply_prepare), forks (apply_start), and the child goes through the steps of
 * apply_container.c or apply_exec.c and executes the program. System calls only, no heap; the first
 * error ends the child and comes back through the report pipe as a struct err that names the step.
 *
 * hoy-oci create: gate is a listening SEQPACKET socket. When all is done the report says
 * APPLY_WAITS, and the child waits for a connection on the gate; the one who connects (start) reads
 * apply_read_report() from it: the end of the start, or its error.
 */
struct apply {
	const struct plan *plan;
	int report;   /* write end, CLOEXEC: its end of file means execve succeeded */
	int sync[2];  /* apply_prepare() makes it when the child has to wait for the caller */
	int gate;     /* listening socket, -1 = execute at once */
	int listener; /* memfd of apply_listener_page(), for a seccomp listener */
	int stdio[3]; /* what becomes 0, 1 and 2; stdio[0] = -1: the container's null */
	int slave;    /* of the tty, -1 without */
	int pidfd; /* exec: of the container's first process; with PLAN_FLAG_HOST_MOUNTS root too */
	int cgroup;		 /* to be born in, -1 = stay */
	int root_tree, pts_tree; /* detached mounts */
	int device_tree;	 /* nodes for a user namespace, by what they are */
	int host_mount;		 /* the caller's mount namespace, to stay in */
	int group_tree; /* the cgroup, for a container that stays in our cgroup namespace */
	int trees[RUN_MOUNTS_MAX]; /* cloned bind sources */
	int sibling_report;	   /* of a child whose elder sibling joined the user namespace */
	bool patient; /* the caller has nothing to do until the program runs, or has failed to */
	/* The child's own: */
	int old_root, root, proc, sys, dev, null, mask, cwd;
	int devices_at;	  /* where device_tree is attached */
	int dev_readonly; /* 1: /dev becomes read-only when all is in it */
};

enum apply_state {
	APPLY_RUNS,  /* the program was executed */
	APPLY_HOOKS, /* run the hooks of the runtime, then apply_proceed() */
	APPLY_WAITS, /* at the gate */
	APPLY_CHILD, /* only inside of apply_start() */
};

void apply_init(struct apply *apply, const struct plan *plan);
void apply_close(struct apply *apply); /* the caller's copies, after the fork */

/*
 * In the caller, before the fork: the device program is attached to the cgroup (none with -1), the
 * root and the bind sources are cloned, a devpts instance is made if the plan has one (and kept in
 * *ret_pts for later terminals, else -1).
 */
int apply_prepare(struct apply *apply, int root_fd, int *ret_pts, struct err *err);

/* Opens a terminal of that devpts instance: master for the caller, slave into apply->slave. */
int apply_open_tty(struct apply *apply, int pts, int *ret_master, struct err *err);

/*
 * Forks the child into its namespaces and its cgroup. own_pidns_fd is the caller's own PID
 * namespace, restored when the child had to be born in another one; -1: it is opened when needed.
 * The caller is not dumpable afterwards. Returns the pid on the host.
 */
pid_t apply_start(struct apply *apply, int own_pidns_fd, int *ret_pidfd, struct err *err);

/* The next word of the child: enum apply_state, or its error. Blocks. */
int apply_read_report(int report_fd, struct err *err);
/* Behind APPLY_HOOKS: the child goes on. */
int apply_proceed(struct apply *apply, struct err *err);
/*
 * Runs the hooks of one kind, in order, each with the state (head, pid, tail) as stdin. The first
 * one that fails, or takes longer than its timeout, is the error; poststart and poststop go on
 * behind it and return the first error. pid 0 is written as 0.
 */
int apply_hooks(const struct plan *plan, enum run_hook_point point, int64_t pid, struct err *err);

/*
 * With PLAN_FLAG_LISTENER: a page that the child shares (into apply->listener, before
 * apply_start()), and taking the fd out of the child: waits until its filter is loaded. Without a
 * gate that is after apply_start(), with one too: the filter is then loaded before the gate.
 */
int apply_listener_page(struct apply *apply, struct err *err);
int apply_take_listener(struct apply *apply, int pidfd, struct err *err);

/* ---- between the apply_*.c files: the child's steps ---- */

struct apply_step {
	const char *name;
	int (*run)(struct apply *apply, struct err *err);
};
extern const struct apply_step apply_container_steps[];
extern const struct apply_step apply_exec_steps[];

/* apply_namespace.c: in the caller and in the child. */
uint64_t apply_new_namespaces(const struct plan *plan);
/* Writes the maps of a child that waits for them. */
int apply_write_maps(const struct plan *plan, int pid, struct err *err);
int apply_enter_joined_user(struct apply *apply, struct err *err);
int apply_join_outside(const struct plan *plan, int saved[PLAN_NS_COUNT], struct err *err);
int apply_return(int saved[PLAN_NS_COUNT], struct err *err);
int apply_time_offsets(const struct plan *plan, int *ret_saved, struct err *err);
int apply_become_root(void);
int apply_user_wait(struct apply *apply, struct err *err);
int apply_join(struct apply *apply, struct err *err);

/* apply_hook.c and apply_gate.c: the child's pauses. */
int apply_say(struct apply *apply, enum apply_state state);
int apply_wait_word(struct apply *apply, struct err *err);
int apply_hooks_before_pivot(struct apply *apply, struct err *err);
int apply_gate(struct apply *apply, struct err *err);
int apply_hooks_at_start(struct apply *apply, struct err *err);
int apply_first_process(struct apply *apply, struct err *err);
int apply_find_program(struct apply *apply, struct err *err);
const char *apply_search_path(const struct plan *plan);

int apply_session(struct apply *apply, struct err *err);
int apply_oom_score(struct apply *apply, struct err *err);
int apply_cwd_open(struct apply *apply, struct err *err);
/* Nobody without CAP_SYS_PTRACE on the host traces this process or reads its files in /proc, until
 * its next execve(2). 0 or a negative errno. */
int apply_hide(void);
int apply_stdio(struct apply *apply, struct err *err);
int apply_limits(struct apply *apply, struct err *err);
/*
 * "HOME=..." for an environment that has none (PLAN_FLAG_LISTED): what the container's passwd(5)
 * says of the user, else "/". NULL when nothing is to be added. Static memory.
 */
const char *apply_home(const struct plan *plan);
struct str apply_home_of(struct str passwd, uint32_t uid);
int apply_schedule(struct apply *apply, struct err *err);
int apply_user(struct apply *apply, struct err *err);
/* With a listener the filter comes before the gate, else it is the last thing but one. */
int apply_filter_first(struct apply *apply, struct err *err);
int apply_filter(struct apply *apply, struct err *err);
int apply_caps(struct apply *apply, struct err *err);
/* apply_caps.c */
int apply_bound_caps(const struct plan *plan, struct err *err);
int apply_caps_for_filter(const struct plan *plan, struct err *err);
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

int apply_op_listed(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_node_bind(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_op_node_made(struct apply *apply, const struct plan_op *op, struct err *err);

/* The control group that the first process behind pidfd lives in now; the caller owns the fd. */
int apply_group_of(int pidfd, struct err *err);

/* Places in the new root. */
int apply_open_own_dir(struct apply *apply, const char *target, struct err *err);
int apply_open_target_dir(struct apply *apply, const struct plan_op *op, struct err *err);
int apply_open_target_file(struct apply *apply, const struct plan_op *op, struct err *err);
/* /dev of the new root, also where nothing is mounted there. */
int apply_open_dev(struct apply *apply, struct err *err);
int apply_attach(int tree, int target_fd, const char *target, struct err *err);
/* What the image has at `from` goes into the fresh file system `to`. */
int apply_copy_up(int from, int to, struct err *err);

/* In the caller: clones of the root and of all bind sources, id-mapped where the plan says so. */
int apply_clone_sources(struct apply *apply, int root_fd, struct err *err);
/* In the caller: the nodes that a user namespace may not make, in a tmpfs that nobody sees. */
int apply_make_devices(struct apply *apply, struct err *err);
/*
 * In the child: a source that is cloned when its turn comes, out of the child's copy of the host's
 * mounts. So it holds what was mounted below the new root before.
 */
bool apply_clones_late(const struct plan *plan, const struct plan_op *op);
int apply_clone_late(struct apply *apply, const struct plan_op *op, struct err *err);

/* Bits of enum run_mount_flag as mount attributes. */
uint64_t apply_attributes(uint32_t flags);
/* Options, propagation and the recursive options of a mount that is not attached yet. */
int apply_options(int tree, const struct plan_op *op, int recursive, struct err *err);
/* A new superblock of `type` with the given options (key, value pairs, NULL ends), detached. */
int apply_new_mount(const char *type, const char *const *options, uint64_t attributes,
		    struct err *err);
/* The same with one text of options, "a=b,c". */
int apply_new_mount_data(const char *type, const char *source, const char *data,
			 uint64_t attributes, struct err *err);

#endif
