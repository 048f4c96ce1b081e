/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_LAUNCH_H
#define HOY_ENGINE_BUNDLE_LAUNCH_H

#include "engine/bundle/command.h"
#include "engine/bundle/parser.h"
#include "engine/run/apply.h"
#include "engine/run/plan.h"

struct launch_paths {
	char bundle[4096], root[4096], group[CGROUP_PATH_MAX], notify[4096];
};

/*
 * From a bundle to a process that waits at its gate or runs. Everything that is made on the way
 * stands in here, so that an error takes away just that.
 */
struct launch {
	struct command *cmd;
	const char *id;
	bool gated; /* `create`: the process waits for `start` */
	int bundle, dir, void_fd, root, top, group, gate, report, console, notify;
	int pidfd_socket;  /* who wants to hold the process; -1 = nobody */
	int pidfd, master; /* what remains for the caller */
	struct launch_paths *paths;
	bool group_new, dir_new;
	enum cgroup_host host;
	struct buf config, memory;
	struct answer answer;
	struct plan plan;
	struct parser_job job;
	struct state state;
};

void launch_init(struct launch *launch, struct command *cmd, bool gated);
/* All of it; with an error everything is taken away again. */
int launch_run(struct launch *launch, struct err *err);
void launch_done(struct launch *launch);

/* ---- shared with exec ---- */

/* Where the directory of NOTIFY_SOCKET will stand, if there is to be one. */
int launch_notify(struct launch *launch, struct err *err);
/* The number of --preserve-fds; -EINVAL, also when one of those fds is not open. */
int launch_preserved(const struct options *options, uint32_t *ret_count, struct err *err);
/* The sockets that a service manager handed to us stand in front of them (sd_listen_fds(3)). */
int launch_listening(struct parser_job *job, struct err *err);
/* A terminal or not, and where its master goes: refused as runc does. */
int launch_check_terminal(const struct options *options, bool terminal, bool detached,
			  struct err *err);
/* --pidfd-socket, connected; -1 = there is none. */
int launch_pidfd_socket(const struct options *options, int *ret_fd, struct err *err);
/* The process behind the pidfd goes there: as data "standard", or "setns" for an exec, as runc
 * says. Nothing for -1. */
int launch_send_pidfd(int to, bool exec, int pidfd, struct err *err);
/* Our stdin, stdout and stderr as copies that apply may close. */
int launch_stdio(struct apply *apply, struct err *err);
/* Kills our child behind the pidfd, if there is one, and waits for it. */
void launch_end_child(int pidfd);
/* The pid in decimal into a file of the caller, by rename. */
int launch_pid_file(const char *path, uint32_t pid, struct err *err);

#endif
