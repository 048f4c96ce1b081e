/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `create`, `start` and `run`. It must never say that a container is started before its
 * program was executed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/bundle/command.h"
#include "engine/bundle/hooks.h"
#include "engine/bundle/launch.h"
#include "engine/bundle/notify.h"
#include "engine/bundle/say.h"
#include "engine/bundle/signals.h"
#include "engine/bundle/terminal.h"
#include "lib/fs.h"
#include "lib/msg.h"
#include "lib/own.h"

int command_create(struct command *cmd, struct err *err)
{
	struct launch launch OWN(launch_done) = { 0 };
	int r;

	launch_init(&launch, cmd, true);
	r = launch_run(&launch, err);
	return r < 0 ? err_prefix(err, "create") : 0;
}

/* The container's process answers over the gate: end of file when its program runs. */
static int open_gate(int dir, struct err *err)
{
	OWN_FD int gate = msg_connect(dir, STATE_GATE, err);
	int r;

	if (gate < 0)
		return gate;
	r = apply_read_report(gate, err);
	(void)fs_unlink(dir, STATE_GATE, NULL);
	return r;
}

/* A hook that fails takes the container with it (config.md, POSIX-platform Hooks). */
static int run_poststart(struct command *cmd, const char *id, struct container *container,
			 struct err *err)
{
	struct err later = { 0 };
	int r;

	if (!(container->state.hooks & ANSWER_HOOK_POSTSTART))
		return 0;
	r = hooks_run(container, RUN_HOOK_POSTSTART, err);
	if (r < 0 && container_remove(cmd, id, container, &later) < 0)
		say(SAY_LEVEL_WARNING, "remove the container: %s", err_text(&later));
	return r;
}

int command_start(struct command *cmd, struct err *err)
{
	struct container container OWN(container_done) = { .dir = -1 };
	enum state_status status;
	OWN_FD int notify = -1;
	OWN_FD int pidfd = -1;
	int r = container_open(cmd, cmd->argv[0], &container, err);

	if (r < 0)
		return r;
	status = state_status(container.dir, &container.state);
	if (status == STATE_STATUS_STOPPED)
		return err_set(err, -ESRCH, "cannot start a container that has stopped");
	if (status != STATE_STATUS_CREATED)
		return err_set(err, -EBUSY, "cannot start an already running container");
	r = notify_open(container.dir, &notify, err);
	if (r == 0)
		r = open_gate(container.dir, err);
	if (r < 0)
		return err_prefix(err, "start");
	r = run_poststart(cmd, cmd->argv[0], &container, err);
	if (r == 0 && notify >= 0)
		pidfd = state_process_open(&container.state, NULL);
	if (pidfd >= 0)
		notify_wait(notify, pidfd, container.state.pid);
	return r < 0 ? err_prefix(err, "start") : 0;
}

/* Its state is what we made, unless somebody removed it, and then perhaps made another one. */
static int remove_ended(struct command *cmd, const struct launch *launch, struct err *err)
{
	struct container container = { .dir = launch->dir, .state = launch->state };
	struct stat st;

	if (fstat(launch->dir, &st) < 0 || st.st_nlink == 0)
		return 0;
	return container_remove(cmd, launch->id, &container, err);
}

static int attend(struct command *cmd, struct launch *launch, int signals, struct err *err)
{
	int status = terminal_attend(launch->pidfd, launch->master, signals, launch->notify,
				     launch->state.pid, err);
	struct err later = { 0 };

	if (status >= 0 && cmd->options.keep)
		return status;
	/* Also when it cannot be attended: nobody else knows of it. */
	if (remove_ended(cmd, launch, &later) < 0)
		say(SAY_LEVEL_WARNING, "run: %s", err_text(&later));
	return status;
}

int command_run(struct command *cmd, struct err *err)
{
	struct launch launch OWN(launch_done) = { 0 };
	OWN_FD int signals = cmd->options.detach ? -1 : signals_open(err);
	int r = signals < 0 && !cmd->options.detach ? signals : 0;

	launch_init(&launch, cmd, false);
	if (r == 0)
		r = launch_run(&launch, err);
	if (r < 0)
		return err_prefix(err, "run");
	if (launch.answer.hooks & ANSWER_HOOK_POSTSTART) {
		struct container container OWN(container_done) = { .dir = -1 };

		r = container_open(cmd, launch.id, &container, err);
		if (r == 0)
			r = run_poststart(cmd, launch.id, &container, err);
		if (r < 0)
			launch_end_child(launch.pidfd);
		if (r < 0)
			return err_prefix(err, "run");
	}
	if (cmd->options.detach) {
		notify_wait(launch.notify, launch.pidfd, launch.state.pid);
		return 0;
	}
	return attend(cmd, &launch, signals, err);
}
