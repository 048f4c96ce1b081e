/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns further processes in a running container: their start, their pipes or terminal, their end.
 * Runs in the shim. The streams go to main as fds; the shim never reads them. Must never let a
 * process be born outside of the container's cgroup and PID namespace.
 */
#include "engine/run/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/own.h"
#include "lib/wire.h"

struct shim_exec *shim_exec_find(struct shim *shim, uint32_t id)
{
	for (size_t i = 0; id != 0 && i < SHIM_EXECS_MAX; i++)
		if (shim->execs[i].id == id)
			return &shim->execs[i];
	return NULL;
}

void shim_exec_forget(struct shim *shim, const struct msg_peer *peer)
{
	for (size_t i = 0; i < SHIM_EXECS_MAX; i++)
		if (shim->execs[i].asked_by == peer)
			shim->execs[i].asked_by = NULL;
}

static void close_given(struct shim_exec *exec)
{
	for (size_t i = 0; i < exec->give_count; i++)
		own_close(&exec->give[i]);
	exec->give_count = 0;
}

static void free_exec(struct shim_exec *exec)
{
	loop_remove(&exec->shim->loop, &exec->pidfd_io);
	loop_remove(&exec->shim->loop, &exec->report_io);
	own_close(&exec->pidfd);
	own_close(&exec->report);
	own_close(&exec->master);
	close_given(exec);
	exec->id = 0;
}

static struct shim_exec *new_exec(struct shim *shim)
{
	for (size_t i = 0; i < SHIM_EXECS_MAX; i++) {
		struct shim_exec *exec = &shim->execs[i];

		if (exec->id != 0)
			continue;
		if (++shim->last_exec_id == 0)
			++shim->last_exec_id;
		*exec = (struct shim_exec){
			.id = shim->last_exec_id,
			.shim = shim,
			.pidfd = -1,
			.report = -1,
			.master = -1,
		};
		return exec;
	}
	return NULL;
}

/* ---- streams ---- */

static int give_pipe(struct shim_exec *exec, int *ret_child, bool child_reads, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "exec: make a pipe");
	*ret_child = ends[child_reads ? 0 : 1];
	exec->give[exec->give_count++] = ends[child_reads ? 1 : 0];
	return 0;
}

static int make_streams(struct shim_exec *exec, struct apply *apply, struct err *err)
{
	bool stdin_open = apply->plan->flags & PLAN_FLAG_STDIN;
	int r;

	if (apply->plan->flags & PLAN_FLAG_TTY) {
		r = apply_open_tty(apply, exec->shim->pts, &exec->master, err);
		if (r < 0)
			return r;
		exec->give[0] = fcntl(exec->master, F_DUPFD_CLOEXEC, 3);
		exec->give_count = exec->give[0] >= 0;
		return exec->give[0] < 0 ? err_sys(err, -errno, "exec: copy the terminal") : 0;
	}
	r = give_pipe(exec, &apply->stdio[0], true, err);
	if (r == 0)
		r = give_pipe(exec, &apply->stdio[1], false, err);
	if (r == 0)
		r = give_pipe(exec, &apply->stdio[2], false, err);
	if (r < 0 || stdin_open)
		return r;
	/* An end of file for the process, a place to write for main. */
	own_close(&exec->give[0]);
	exec->give[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return exec->give[0] < 0 ? err_sys(err, -errno, "exec: open /dev/null") : 0;
}

/* ---- events ---- */

static void answer_started(struct shim_exec *exec)
{
	char memory[SHIM_BODY_MAX];
	struct buf body;

	exec->started = true;
	shim_body(&body, memory);
	wire_put_u32(&body, exec->id);
	wire_put_u32(&body, exec->pid);
	wire_put_u8(&body, exec->master >= 0);
	if (exec->asked_by)
		(void)msg_reply(exec->asked_by, SHIM_MSG_EXEC, exec->serial, buf_str(&body),
				exec->give, exec->give_count);
	close_given(exec);
}

static void on_report(struct loop_io *io, uint32_t events)
{
	struct shim_exec *exec = io->owner;
	struct err err = { 0 };

	(void)events;
	loop_remove(&exec->shim->loop, io);
	if (apply_read_report(exec->report, &err) == 0) {
		answer_started(exec);
	} else {
		if (exec->asked_by)
			(void)msg_reply_err(exec->asked_by, SHIM_MSG_EXEC, exec->serial, &err);
		close_given(exec);
	}
	own_close(&exec->report);
}

static void on_end(struct loop_io *io, uint32_t events)
{
	struct shim_exec *exec = io->owner;
	struct shim *shim = exec->shim;
	char memory[SHIM_BODY_MAX];
	struct buf body;
	int32_t code;
	uint32_t signal;

	(void)events;
	/* The end may be seen before the report: answer first. */
	if (exec->report >= 0)
		on_report(&exec->report_io, 0);
	if (shim_reap(exec->pidfd, &code, &signal) == 0)
		return;
	shim_body(&body, memory);
	wire_put_u32(&body, exec->id);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_u32(&body, signal);
	if (exec->started)
		shim_tell(shim, SHIM_MSG_EXEC_EXITED, &body);
	free_exec(exec);
}

/* ---- start ---- */

static int start(struct shim_exec *exec, const struct plan *plan, struct err *err)
{
	struct shim *shim = exec->shim;
	struct apply apply;
	int ends[2], r;
	pid_t pid;

	apply_init(&apply, plan);
	apply.pidfd = shim->pidfd;
	apply.cgroup = SHIM_FD_CGROUP;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "exec: make a pipe");
	exec->report = ends[0];
	apply.report = ends[1];
	r = make_streams(exec, &apply, err);
	if (r == 0) {
		pid = apply_start(&apply, shim->own_pidns, &exec->pidfd, err);
		exec->pid = pid > 0 ? (uint32_t)pid : 0;
		r = pid < 0 ? pid : 0;
	}
	apply_close(&apply);
	if (r == 0)
		r = loop_add(&shim->loop, &exec->report_io, exec->report, EPOLLIN, on_report, exec,
			     err);
	if (r == 0)
		r = loop_add(&shim->loop, &exec->pidfd_io, exec->pidfd, EPOLLIN, on_end, exec, err);
	if (r < 0 && exec->pidfd >= 0)
		(void)k_pidfd_signal(exec->pidfd, 9);
	return r;
}

static int start_from(struct shim_exec *exec, int plan_fd, struct err *err)
{
	struct plan plan;
	const void *data;
	size_t len;
	int r = shim_map_plan(plan_fd, &data, &len, &plan, err);

	if (r < 0)
		return r;
	if (plan.kind != PLAN_KIND_EXEC)
		r = err_set(err, -EINVAL, "exec: the plan is one of a container");
	else
		r = start(exec, &plan, err);
	shim_unmap_plan(data, len);
	return r;
}

void shim_exec_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	struct shim_exec *exec = NULL;
	struct err err = { 0 };
	int r = 0;

	if (shim->state != SHIM_STATE_RUNNING)
		r = err_set(&err, -ESRCH, "exec: the container does not run");
	if (r == 0) {
		exec = new_exec(shim);
		if (!exec)
			r = err_set(&err, -EAGAIN, "exec: %d processes were started already",
				    SHIM_EXECS_MAX);
	}
	if (r == 0) {
		exec->asked_by = peer;
		exec->serial = msg->serial;
		r = start_from(exec, msg->fds[0], &err);
		if (r < 0)
			free_exec(exec);
	}
	if (r < 0)
		(void)msg_reply_err(peer, SHIM_MSG_EXEC, msg->serial, &err);
}
