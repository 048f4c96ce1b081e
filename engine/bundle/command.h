/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_COMMAND_H
#define HOY_ENGINE_BUNDLE_COMMAND_H

#include <stdbool.h>
#include "engine/bundle/args.h"
#include "engine/bundle/state.h"
#include "lib/err.h"

/*
 * The commands of hoy-oci. Each gets its arguments behind the options and answers with the exit
 * status of the program (0..255), or a negative errno with err set: then the program says it and
 * exits with 1 (255 for exec, as runc does).
 */
struct options {
	/* global */
	const char *root, *log, *log_format, *cgroup_manager, *rootless;
	bool debug, systemd_cgroup, help, version;
	/* create, run, exec */
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file, *preserve_fds;
	bool no_pivot, no_new_keyring, detach, keep;
	/* exec */
	const char *process, *cwd, *user, *apparmor, *label, *cgroup_path;
	struct args_list env, caps, groups;
	bool tty, no_new_privs, ignore_paused;
	/* kill, delete, list, ps, events */
	bool all, force, quiet, stats;
	bool users; /* spec */
	const char *format, *interval;
	/* update */
	const char *resources, *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share;
	const char *cpuset_cpus, *cpuset_mems, *memory, *memory_reservation, *memory_swap;
	const char *pids_limit, *cpu_idle, *cpu_rt_period, *cpu_rt_runtime;
	const char *kernel_memory, *kernel_memory_tcp, *cache_schema, *bandwidth_schema;
};

struct command {
	struct options options;
	int root_fd;	   /* of the state directories */
	char *const *argv; /* behind the options, NULL-terminated */
	int argc;
	uint8_t exec_failed; /* exit status for an error */
};

int command_create(struct command *cmd, struct err *err);
int command_run(struct command *cmd, struct err *err);
int command_start(struct command *cmd, struct err *err);
int command_exec(struct command *cmd, struct err *err);
int command_state(struct command *cmd, struct err *err);
int command_list(struct command *cmd, struct err *err);
int command_ps(struct command *cmd, struct err *err);
int command_kill(struct command *cmd, struct err *err);
int command_delete(struct command *cmd, struct err *err);
int command_pause(struct command *cmd, struct err *err);
int command_resume(struct command *cmd, struct err *err);
int command_update(struct command *cmd, struct err *err);
int command_events(struct command *cmd, struct err *err);
int command_spec(struct command *cmd, struct err *err);
int command_features(struct command *cmd, struct err *err);
int command_unsupported(struct command *cmd, struct err *err); /* checkpoint, restore */

/* A container that is there: its directory and its state. */
struct container {
	int dir;
	struct state state;
};
int container_open(struct command *cmd, const char *id, struct container *ret, struct err *err);
void container_done(struct container *container); /* accepts one that was never opened: dir -1 */

/* All that is left of it goes: processes, group, poststop hooks, directory. */
int container_remove(struct command *cmd, const char *id, struct container *container,
		     struct err *err);
/* An empty directory below the root, for the parser. */
int command_void(struct command *cmd, struct err *err);

#endif
