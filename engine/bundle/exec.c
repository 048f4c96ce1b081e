/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `exec`: a further process in a running container. It must never enter a process that is not
 * the container's first one, nor open a path of the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/agent.h"
#include "engine/bundle/command.h"
#include "engine/bundle/group.h"
#include "engine/bundle/launch.h"
#include "engine/bundle/say.h"
#include "engine/bundle/signals.h"
#include "engine/bundle/terminal.h"
#include "engine/oci/runtime_config.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

struct entry {
	struct command *cmd;
	struct container container;
	struct buf config, process, memory;
	struct answer answer;
	struct plan plan;
	struct parser_exec exec;
	int target; /* pidfd of the container */
	int group, report, master, pidfd, console, pidfd_socket, own_pidns;
	uint32_t pid;
};

static void entry_done(struct entry *entry)
{
	int *const fds[] = { &entry->target,	&entry->group,	     &entry->report,
			     &entry->master,	&entry->pidfd,	     &entry->console,
			     &entry->own_pidns, &entry->pidfd_socket };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		own_close(fds[i]);
	answer_done(&entry->answer);
	buf_done(&entry->config);
	buf_done(&entry->process);
	buf_done(&entry->memory);
	container_done(&entry->container);
}

static int open_container(struct entry *entry, struct err *err)
{
	struct command *cmd = entry->cmd;
	enum state_status status;
	int r = container_open(cmd, cmd->argv[0], &entry->container, err);

	if (r < 0)
		return r;
	status = state_status(entry->container.dir, &entry->container.state);
	if (status == STATE_STATUS_STOPPED)
		return err_set(err, -ESRCH, "cannot exec in a stopped container");
	if (status == STATE_STATUS_PAUSED && !cmd->options.ignore_paused)
		return err_set(err, -EBUSY,
			       "cannot exec in a paused container (use --ignore-paused to "
			       "override)");
	entry->target = state_process_open(&entry->container.state, err);
	return entry->target < 0 ? entry->target : 0;
}

static int open_group(struct entry *entry, struct err *err)
{
	const char *below = entry->cmd->options.cgroup_path;
	OWN_FD int group = -1;

	if (!(entry->container.state.flags & STATE_FLAG_CGROUP))
		return 0;
	group = state_cgroup_open(&entry->container.state, err);
	if (group < 0)
		return group;
	if (below && below[strspn(below, "/")] != '\0') {
		int inner = fs_open(group, below + strspn(below, "/"), FS_BENEATH,
				    O_RDONLY | O_DIRECTORY, 0, err);

		if (inner == -EXDEV)
			return err_set(err, -EINVAL, "--cgroup: %.200s is not a sub cgroup path",
				       below);
		if (inner == -ENOENT)
			return err_set(
				err, inner,
				"--cgroup: error adding pid of the new process to %.200s/%.200s/"
				"cgroup.procs: no such file or directory",
				entry->container.state.cgroup, below + strspn(below, "/"));
		if (inner < 0)
			return err_prefix(err, "--cgroup");
		entry->group = inner;
		return 0;
	}
	entry->group = take_fd(&group);
	return 0;
}

static int read_files(struct entry *entry, struct err *err)
{
	const char *path = entry->cmd->options.process;
	OWN_FD int fd = -1;
	int r;

	buf_init(&entry->config, RUNTIME_CONFIG_MAX + 1);
	buf_init(&entry->process, RUNTIME_CONFIG_MAX + 1);
	r = fs_read(entry->container.dir, STATE_CONFIG, FS_BENEATH, RUNTIME_CONFIG_MAX,
		    &entry->config, err);
	if (r < 0 || !path)
		return r;
	/* The operator's own path. */
	fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDONLY, 0, err);
	if (fd < 0)
		return err_prefix(err, "--process");
	r = fs_read_fd(fd, RUNTIME_CONFIG_MAX, &entry->process, err);
	return r < 0 ? err_prefix(err, "--process %s", path) : 0;
}

static int parse(struct entry *entry, struct err *err)
{
	const struct options *o = &entry->cmd->options;
	struct parser_job job = { .kind = PARSER_KIND_EXEC,
				  .config = buf_str(&entry->config),
				  .process = buf_str(&entry->process),
				  .id = entry->container.state.id,
				  .bundle = entry->container.state.bundle,
				  .exec = &entry->exec };
	OWN_FD int void_fd = command_void(entry->cmd, err);
	int r = void_fd < 0 ? void_fd : launch_preserved(o, &job.preserve_fds, err);

	if (r < 0)
		return r;
	if (!o->process && !entry->cmd->argv[1])
		return err_set(err, -EINVAL, "exec: no command is given");
	entry->exec = (struct parser_exec){
		.argv = o->process ? NULL : (const char *const *)(entry->cmd->argv + 1),
		.env = &o->env,
		.caps = &o->caps,
		.groups = &o->groups,
		.cwd = o->cwd,
		.user = o->user,
		.apparmor = o->apparmor,
		.label = o->label,
		.tty = o->tty,
		.no_new_privs = o->no_new_privs,
	};
	r = parser_begin(&job, void_fd, err);
	if (r == 0)
		r = open_group(entry, err);
	if (job.pid > 0) {
		struct err later = { 0 };
		int end = parser_end(&job, &entry->memory, &entry->answer, r < 0 ? &later : err);

		r = r < 0 ? r : end;
	}
	if (r == 0)
		r = plan_decode(entry->answer.plan.ptr, entry->answer.plan.len, &entry->plan, err);
	if (r == 0 && entry->plan.kind != PLAN_KIND_EXEC)
		r = err_set(err, -EBADMSG, "the parser's answer has no plan of an exec");
	return r;
}

static int open_terminal(struct entry *entry, struct err *err)
{
	const struct options *o = &entry->cmd->options;
	int r = launch_check_terminal(o, entry->answer.terminal, o->detach, err);

	if (r == 0)
		r = launch_pidfd_socket(o, &entry->pidfd_socket, err);
	if (r < 0 || !o->console_socket)
		return r;
	entry->console = terminal_connect(o->console_socket, err);
	return entry->console < 0 ? entry->console : 0;
}

/* The container's root, reached by the process that we hold. */
static int open_root(struct entry *entry, struct err *err)
{
	OWN_FD int root = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%u/root", entry->container.state.pid);
	root = fs_open(AT_FDCWD, path, FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	if (root < 0)
		return root;
	/* Its number could be another's by now: then the fd that we hold is a dead one's. */
	if (k_pidfd_signal(entry->target, 0) < 0)
		return err_set(err, -ESRCH, "cannot exec in a stopped container");
	return take_fd(&root);
}

/*
 * A terminal of the container's own devpts, resolved inside its root; apply_open_tty() looks at
 * what the master really is.
 */
static int open_tty(struct entry *entry, struct apply *apply, struct err *err)
{
	OWN_FD int root = open_root(entry, err);
	OWN_FD int pts = -1;

	if (root < 0)
		return root;
	pts = fs_open(root, "dev/pts", FS_IN_ROOT, O_RDONLY | O_DIRECTORY, 0, err);
	if (pts < 0)
		return err_prefix(err, "terminal: /dev/pts of the container");
	return apply_open_tty(apply, pts, &entry->master, err);
}

static int start(struct entry *entry, struct err *err)
{
	OWN_FD int root = -1;
	struct apply apply;
	int ends[2], r = 0;
	pid_t pid;

	/* Where the mount namespace is the host's, it does not lead to the container's root. */
	if (entry->plan.flags & PLAN_FLAG_HOST_MOUNTS) {
		root = open_root(entry, err);
		if (root < 0)
			return root;
	}
	apply_init(&apply, &entry->plan);
	apply.root = root;
	apply.cgroup = entry->group;
	apply.pidfd = entry->target;
	entry->own_pidns = fs_open(AT_FDCWD, "/proc/self/ns/pid", FS_HOST, O_RDONLY, 0, err);
	if (entry->own_pidns < 0)
		return entry->own_pidns;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe for the report");
	entry->report = ends[0];
	apply.report = ends[1];
	r = entry->answer.terminal ? open_tty(entry, &apply, err) : launch_stdio(&apply, err);
	if (r == 0 && entry->master >= 0 && !entry->cmd->options.detach)
		terminal_plain(entry->master);
	if (r == 0)
		r = agent_prepare(&apply, err);
	if (r == 0) {
		pid = apply_start(&apply, entry->own_pidns, &entry->pidfd, err);
		r = pid < 0 ? (int)pid : 0;
		entry->pid = pid > 0 ? (uint32_t)pid : 0;
	}
	if (r == 0)
		r = agent_hand_over(&apply, &entry->answer, &entry->container.state, "running",
				    entry->pidfd, entry->pid, err);
	apply_close(&apply);
	if (r == 0)
		r = apply_read_report(entry->report, err);
	if (r == 0)
		say(SAY_LEVEL_DEBUG, "process %u runs in the container", entry->pid);
	if (r == 0 && entry->console >= 0)
		r = terminal_send(entry->console, entry->master, err);
	if (r == 0)
		r = launch_send_pidfd(entry->pidfd_socket, true, entry->pidfd, err);
	if (r == 0 && entry->cmd->options.pid_file)
		r = launch_pid_file(entry->cmd->options.pid_file, entry->pid, err);
	return r;
}

int command_exec(struct command *cmd, struct err *err)
{
	struct entry entry OWN(entry_done) = { .cmd = cmd,
					       .container = { .dir = -1 },
					       .target = -1,
					       .group = -1,
					       .report = -1,
					       .master = -1,
					       .pidfd = -1,
					       .console = -1,
					       .pidfd_socket = -1,
					       .own_pidns = -1 };
	OWN_FD int signals = cmd->options.detach ? -1 : signals_open(err);
	int r = signals < 0 && !cmd->options.detach ? signals : open_container(&entry, err);

	if (r == 0)
		r = read_files(&entry, err);
	if (r == 0)
		r = parse(&entry, err);
	if (r == 0)
		r = open_terminal(&entry, err);
	if (r == 0)
		r = start(&entry, err);
	if (r < 0) {
		launch_end_child(entry.pidfd);
		return err_prefix(err, "exec");
	}
	return cmd->options.detach
		       ? 0
		       : terminal_attend(entry.pidfd, entry.master, signals, -1, 0, err);
}
