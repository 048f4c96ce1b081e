/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_SPEC_PROCESS_H
#define HOY_ENGINE_RUN_SPEC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of a run_spec that says how a process is started: the first one, and each exec. */
enum {
	RUN_ARGS_MAX = 4096, /* argv, and the same for env */
	RUN_GROUPS_MAX = 256,
	RUN_RLIMITS_MAX = 16,
	RUN_PRESERVE_MAX = 512, /* fds 3, 4, ... that are handed on */
	RUN_CPUS_MAX = 1024,
};

struct run_rlimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

enum run_seccomp {
	RUN_SECCOMP_DEFAULT,	/* Docker's profile for the given capabilities */
	RUN_SECCOMP_UNCONFINED, /* no filter */
	RUN_SECCOMP_GIVEN,	/* the caller's own: seccomp_filter */
};

/* SECCOMP_FILTER_FLAG_*, the ones a runtime may be asked for (seccomp(2)). */
enum run_seccomp_flag {
	RUN_SECCOMP_FLAG_TSYNC = 1,
	RUN_SECCOMP_FLAG_LOG = 2,
	RUN_SECCOMP_FLAG_SPEC_ALLOW = 4,
	RUN_SECCOMP_FLAG_WAIT_KILLABLE_RECV = 32,
	RUN_SECCOMP_FLAG_MASK = 39,
};

/* A compiled program. With `listener` its notify fd is sent over apply's listener socket. */
struct run_seccomp_filter {
	const void *program; /* struct sock_filter[] */
	size_t size_bytes;
	uint32_t flags; /* enum run_seccomp_flag */
	bool listener;
};

/* The five sets of capabilities(7), bit by number. */
struct run_caps {
	uint64_t bounding, permitted, effective, inheritable, ambient;
};

struct run_scheduler {
	uint32_t policy; /* SCHED_* */
	int32_t nice;
	uint32_t priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct run_ioprio {
	uint8_t class; /* 1 RT, 2 BE, 3 IDLE (ioprio_set(2)) */
	uint8_t level; /* 0..7 */
};

/* set_mempolicy(2): which NUMA nodes the process's memory comes from. */
struct run_memory_policy {
	uint32_t mode;	   /* MPOL_* with MPOL_F_* bits */
	const char *nodes; /* "0-3,7", NULL = none */
};

struct run_process {
	const char *const *argv; /* NULL-terminated; argv[0] without '/' is looked up in env's PATH
				  */
	const char *const *env;	 /* NULL-terminated "NAME=value" */
	const char *cwd;	 /* absolute; NULL = "/"; made when it is missing */
	uint32_t uid, gid;	 /* as the container counts them */
	const uint32_t *groups;	 /* supplementary */
	size_t group_count;
	uint64_t caps; /* bit set: bounding = permitted = effective; inheritable = ambient = 0 */
	const struct run_caps *cap_sets; /* instead of caps; NULL = caps */
	bool no_new_privs;
	bool keep_project;	/* no file leaves its quota project (quota.h) */
	bool tty;		/* a new pseudo terminal, else pipes */
	bool stdin_open;	/* else stdin is /dev/null */
	uint16_t rows, columns; /* of the tty, 0 = 24 x 80 */
	int oom_score_adj;
	bool oom_score_inherit; /* leave it as the runtime has it */
	enum run_seccomp seccomp;
	const struct run_seccomp_filter *seccomp_filter; /* RUN_SECCOMP_GIVEN */
	const struct run_rlimit *rlimits;
	size_t rlimit_count;
	uint32_t umask;			       /* of the program; run_spec_init() sets 022 */
	uint32_t preserve_fds;		       /* 3 .. 2 + n stay open in the program */
	const struct run_scheduler *scheduler; /* NULL = inherit, as all below */
	const struct run_ioprio *ioprio;
	const char *cpus_first, *cpus; /* "0-3,7": before and after joining the cgroup */
	const struct run_memory_policy *memory_policy;
	bool no_program; /* there is nothing to execute yet: the gate tells whoever wants to start
			  */
	const char *apparmor_profile, *selinux_label;
};

/* ---- capabilities (capabilities(7)) ---- */

struct err;
enum { RUN_CAP_LAST = 40 };

uint64_t run_caps_default(void); /* Docker's 14 */
uint64_t run_caps_all(void);

/* "NET_ADMIN", "cap_net_admin", "ALL": the bit set; -EINVAL names the nearest known one. */
int run_caps_parse(const char *name, uint64_t *ret_bits, struct err *err);
const char *run_cap_name(unsigned cap); /* "CAP_CHOWN"; NULL when there is none */

#endif
