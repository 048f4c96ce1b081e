/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a container that is there: opening its state, its signals, its end. Runs in the commands.
 * It must never leave the state directory away while a process or a group of the container is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/command.h"
#include "engine/bundle/hooks.h"
#include "engine/bundle/say.h"
#include "engine/bundle/signals.h"
#include "engine/run/cgroup.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { END_TIMEOUT_MS = 10000, REMOVE_TRIES = 200, REMOVE_PAUSE_MS = 10 };

#define VOID_NAME ".void"

int container_open(struct command *cmd, const char *id, struct container *ret, struct err *err)
{
	int r;

	*ret = (struct container){ .dir = -1 };
	ret->dir = state_dir_open(cmd->root_fd, id, err);
	if (ret->dir < 0)
		return ret->dir;
	r = state_load(ret->dir, STATE_RECORD, &ret->state, err);
	if (r == -ENOENT)
		return err_set(err, r,
			       "container \"%s\" does not exist completely; remove it with "
			       "delete --force",
			       id);
	return r < 0 ? err_prefix(err, "container %s", id) : 0;
}

void container_done(struct container *container)
{
	own_close(&container->dir);
	state_done(&container->state);
}

int command_void(struct command *cmd, struct err *err)
{
	int fd = fs_open(cmd->root_fd, VOID_NAME, FS_BENEATH, O_PATH | O_DIRECTORY, 0, NULL);

	if (fd == -ENOENT)
		fd = fs_open_dir(cmd->root_fd, VOID_NAME, FS_BENEATH, 0500, err);
	return fd < 0 ? err_sys(err, fd, "open the parser's empty directory") : fd;
}

/* ---- the end ---- */

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* All processes of the group, also those that are being forked. */
static int kill_group(int group, struct err *err)
{
	int r = cgroup_kill(group, err);

	if (r != -ENOENT && r != -EOPNOTSUPP)
		return r;
	/* Before cgroup.kill (Linux 5.14), and a threaded group. */
	return signals_send_group(group, SIGKILL, err);
}

static int remove_group(const struct state *state, struct err *err)
{
	enum cgroup_host host;
	OWN_FD int top = -1;
	OWN_FD int group = -1;
	int r;

	if (!(state->flags & STATE_FLAG_CGROUP))
		return 0;
	r = cgroup_host_open(&host, &top, err);
	if (r < 0)
		return r;
	/* Most are empty by now, and then there is nobody to end. */
	if (cgroup_path_remove(top, state->cgroup, NULL) == 0)
		return 0;
	group = cgroup_path_open(top, state->cgroup, NULL);
	if (group < 0)
		return group == -ENOENT ? 0 : err_sys(err, group, "open the control group");
	(void)kill_group(group, NULL);
	(void)cgroup_freeze(group, false, NULL);
	/* The kernel needs a moment for the last process to leave. */
	for (int i = 0; i < REMOVE_TRIES; i++) {
		r = cgroup_path_remove(top, state->cgroup, err);
		if (r != -EBUSY)
			break;
		pause_ms(REMOVE_PAUSE_MS);
	}
	return r;
}

static int wait_end(int pidfd, struct err *err)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, END_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0
		     : err_set(err, -ETIMEDOUT,
			       "the container's first process does not end; see "
			       "/proc/PID/stack");
}

int container_remove(struct command *cmd, const char *id, struct container *container,
		     struct err *err)
{
	OWN_FD int pidfd = state_process_open(&container->state, NULL);
	int r = 0;

	if (pidfd >= 0) {
		(void)k_pidfd_signal(pidfd, SIGKILL);
		/* Frozen processes die too, but their group has to run for it on old kernels. */
		r = wait_end(pidfd, err);
	}
	if (r == 0)
		r = remove_group(&container->state, err);
	if (r < 0)
		return r;
	if (container->state.hooks & ANSWER_HOOK_POSTSTOP) {
		struct err why = { 0 };

		if (hooks_run(container, RUN_HOOK_POSTSTOP, &why) < 0)
			say(SAY_LEVEL_WARNING, "%s", err_text(&why));
	}
	return fs_remove_tree(cmd->root_fd, id, err);
}

/* What a crash left: the state of a create that was not done, none, or a damaged one. */
static int remove_remains(struct command *cmd, const char *id, struct container *container,
			  struct err *err)
{
	if (state_load(container->dir, STATE_CREATING, &container->state, NULL) == 0)
		return container_remove(cmd, id, container, err);
	say(SAY_LEVEL_WARNING,
	    "container %s: the state cannot be read, only its directory is removed", id);
	return fs_remove_tree(cmd->root_fd, id, err);
}

int command_delete(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	const char *id = cmd->argv[0];
	enum state_status status;
	int r = container_open(cmd, id, &container, err);

	if (r < 0 && container.dir >= 0 && cmd->options.force)
		return remove_remains(cmd, id, &container, err);
	if (r == -ENOENT && cmd->options.force)
		return 0;
	if (r < 0)
		return r;
	status = state_status(container.dir, &container.state);
	if (!cmd->options.force && status != STATE_STATUS_STOPPED && status != STATE_STATUS_CREATED)
		return err_set(err, -EBUSY, "cannot delete container %s that is not stopped: %s",
			       id, state_status_name(status));
	return container_remove(cmd, id, &container, err);
}

/* ---- signals ---- */

/*
 * In the PID namespace of somebody else no process dies with the first one: SIGKILL is for all of
 * them. True when there were any.
 */
static bool kill_rest(const struct state *state)
{
	OWN_FD int group = state_cgroup_open(state, NULL);
	struct cgroup_stats stats;

	return group >= 0 && cgroup_stats(group, &stats, NULL) >= 0 && stats.populated &&
	       kill_group(group, NULL) >= 0;
}

int command_kill(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	OWN_FD int pidfd = -1;
	OWN_FD int group = -1;
	int signal_number = SIGTERM;
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r == 0 && cmd->argc > 1)
		r = signals_parse(cmd->argv[1], &signal_number, err);
	if (r < 0)
		return r;
	if (cmd->options.all) {
		group = state_cgroup_open(&container.state, NULL);
		/* A container that has stopped has nobody to hear it: no error, as with runc. */
		if (group < 0)
			return group == -ENOENT ? 0 : err_sys(err, group, "its control group");
		return signal_number == SIGKILL ? kill_group(group, err)
						: signals_send_group(group, signal_number, err);
	}
	pidfd = state_process_open(&container.state, err);
	if (pidfd < 0)
		return signal_number == SIGKILL && kill_rest(&container.state) ? 0 : pidfd;
	r = k_pidfd_signal(pidfd, signal_number);
	if (r == 0 && signal_number == SIGKILL)
		(void)kill_rest(&container.state);
	return r < 0 ? err_sys(err, r, "signal %d to the container", signal_number) : 0;
}

static int set_frozen(struct command *cmd, bool frozen, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	OWN_FD int group = -1;
	enum state_status status;
	struct cgroup_stats stats = { 0 };
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r < 0)
		return r;
	status = state_status(container.dir, &container.state);
	if (frozen ? status != STATE_STATUS_RUNNING && status != STATE_STATUS_CREATED
		   : status != STATE_STATUS_PAUSED)
		return err_set(err, -EINVAL, "container not %s: it is %s",
			       frozen ? "running" : "paused", state_status_name(status));
	group = state_cgroup_open(&container.state, err);
	if (group < 0)
		return group;
	r = cgroup_freeze(group, frozen, err);
	for (int i = 0; r == 0 && i < REMOVE_TRIES; i++) {
		r = cgroup_stats(group, &stats, err);
		if (r < 0 || stats.frozen == frozen)
			return r;
		pause_ms(REMOVE_PAUSE_MS);
	}
	return r < 0 ? r : err_set(err, -ETIMEDOUT, "the kernel does not freeze the container");
}

int command_pause(struct command *cmd, struct err *err)
{
	return set_frozen(cmd, true, err);
}

int command_resume(struct command *cmd, struct err *err)
{
	return set_frozen(cmd, false, err);
}
