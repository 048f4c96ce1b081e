/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the making of a container: bundle, state directory, control group, process. Runs in `create`
 * and `run`. It must never leave anything behind when a step fails.
 */
#include "engine/bundle/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "engine/bundle/agent.h"
#include "engine/bundle/group.h"
#include "engine/bundle/notify.h"
#include "engine/bundle/say.h"
#include "engine/bundle/terminal.h"
#include "engine/oci/runtime_config.h"
#include "engine/run/kernel.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/msg.h"
#include "lib/own.h"

enum { NSFS_MAGIC = 0x6e736673 };

void launch_init(struct launch *launch, struct command *cmd, bool gated)
{
	/* Not on the stack, whose pages each fork copies: a command makes one container. */
	static struct launch_paths paths;

	*launch = (struct launch){ .cmd = cmd,
				   .id = cmd->argv[0],
				   .gated = gated,
				   .paths = &paths,
				   .bundle = -1,
				   .dir = -1,
				   .void_fd = -1,
				   .root = -1,
				   .top = -1,
				   .group = -1,
				   .gate = -1,
				   .report = -1,
				   .console = -1,
				   .pidfd_socket = -1,
				   .notify = -1,
				   .pidfd = -1,
				   .master = -1 };
}

void launch_done(struct launch *launch)
{
	int *const fds[] = { &launch->bundle,	   &launch->dir,    &launch->void_fd,
			     &launch->root,	   &launch->top,    &launch->group,
			     &launch->gate,	   &launch->report, &launch->console,
			     &launch->pidfd,	   &launch->master, &launch->notify,
			     &launch->pidfd_socket };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		own_close(fds[i]);
	answer_done(&launch->answer);
	buf_done(&launch->config);
	buf_done(&launch->memory);
}

/* ---- the bundle ---- */

static int read_config(struct launch *launch, struct err *err)
{
	const struct options *options = &launch->cmd->options;
	OWN_FD int fd = -1;
	struct stat st;
	int r;

	/* Both are the operator's own paths. */
	fd = options->config
		     ? fs_open(AT_FDCWD, options->config, FS_HOST, O_RDONLY | O_NONBLOCK, 0, err)
		     : fs_open(launch->bundle, STATE_CONFIG, FS_HOST, O_RDONLY | O_NONBLOCK, 0,
			       err);
	if (fd < 0)
		return err_prefix(err, "bundle %s", launch->paths->bundle);
	buf_init(&launch->config, RUNTIME_CONFIG_MAX + 1);
	/* A byte more than there is finds the end. */
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < RUNTIME_CONFIG_MAX)
		(void)buf_reserve(&launch->config, (size_t)st.st_size + 1);
	r = fs_read_fd(fd, RUNTIME_CONFIG_MAX, &launch->config, err);
	return r < 0 ? err_prefix(err, "bundle %s: config.json", launch->paths->bundle) : 0;
}

static int open_bundle(struct launch *launch, struct err *err)
{
	const char *path = launch->cmd->options.bundle;
	char link[FS_FD_PATH_MAX];
	ssize_t n;

	launch->bundle =
		fs_open(AT_FDCWD, path ? path : ".", FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	if (launch->bundle < 0)
		return err_prefix(err, "--bundle");
	n = readlinkat(AT_FDCWD, fs_fd_path(launch->bundle, link), launch->paths->bundle,
		       sizeof(launch->paths->bundle) - 1);
	if (n < 0)
		return err_sys(err, -errno, "the path of the bundle");
	launch->paths->bundle[n] = '\0';
	return read_config(launch, err);
}

static int begin_parser(struct launch *launch, struct err *err)
{
	const struct options *options = &launch->cmd->options;
	int r;

	launch->job = (struct parser_job){ .kind = PARSER_KIND_CONTAINER,
					   .config = buf_str(&launch->config),
					   .id = launch->id,
					   .bundle = launch->paths->bundle,
					   .no_pivot = options->no_pivot,
					   .nested = user_namespace_is_nested(),
					   .may_miss_process = launch->gated,
					   .no_new_keyring = options->no_new_keyring };
	r = launch_preserved(options, &launch->job.preserve_fds, err);
	if (r == 0)
		r = launch_listening(&launch->job, err);
	if (r == 0)
		r = launch_notify(launch, err);
	if (r < 0)
		return r;
	launch->void_fd = command_void(launch->cmd, err);
	return launch->void_fd < 0 ? launch->void_fd
				   : parser_begin(&launch->job, launch->void_fd, err);
}

static int end_parser(struct launch *launch, struct err *err)
{
	int r = parser_end(&launch->job, &launch->memory, &launch->answer, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < launch->answer.warning_count; i++)
		say(SAY_LEVEL_WARNING, "%s", launch->answer.warnings[i]);
	say(SAY_LEVEL_DEBUG, "config.json of %s: %zu bytes became a plan of %zu",
	    launch->paths->bundle, launch->config.len, launch->answer.plan.len);
	r = plan_decode(launch->answer.plan.ptr, launch->answer.plan.len, &launch->plan, err);
	if (r == 0 && launch->plan.kind != PLAN_KIND_CONTAINER)
		r = err_set(err, -EBADMSG, "the parser's answer has no plan of a container");
	return r;
}

/* While the parser works: what does not depend on it. */
static int make_dir(struct launch *launch, struct err *err)
{
	int r = 0;

	launch->dir = state_dir_make(launch->cmd->root_fd, launch->id, err);
	if (launch->dir < 0)
		return launch->dir;
	launch->dir_new = true;
	r = state_file_make(launch->dir, STATE_CONFIG, launch->config.data, launch->config.len,
			    err);
	if (r == 0 && launch->job.notify_target)
		r = notify_make(launch->dir, err);
	if (r == 0 && !launch->gated) /* else `start` listens */
		r = notify_open(launch->dir, &launch->notify, err);
	if (r < 0 || !launch->gated)
		return r;
	launch->gate = msg_listen(launch->dir, STATE_GATE, 0600, err);
	if (launch->gate < 0)
		return launch->gate;
	/* The one who waits there has nothing else to do. */
	return fcntl(launch->gate, F_SETFL, 0) < 0 ? err_sys(err, -errno, "the gate") : 0;
}

/* ---- what the answer names ---- */

static int open_root(struct launch *launch, struct err *err)
{
	const char *root = launch->answer.root;
	int n;

	/* The path is of whoever wrote config.json, who names the root of a container as he likes;
	 * only a link is refused, as it could be the work of the one whose image lies there. */
	launch->root =
		fs_open(launch->bundle, root, FS_HOST, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
	if (launch->root == -ELOOP || launch->root == -ENOTDIR)
		return err_set(err, launch->root,
			       "config.json: root.path: %.200s is a link or no directory", root);
	if (launch->root < 0)
		return err_sys(err, launch->root, "config.json: root.path: open %.200s", root);
	n = snprintf(launch->paths->root, sizeof(launch->paths->root), "%s%s%s",
		     root[0] == '/' ? "" : launch->paths->bundle, root[0] == '/' ? "" : "/", root);
	if (n < 0 || (size_t)n >= sizeof(launch->paths->root))
		return err_set(err, -ENAMETOOLONG, "config.json: root.path: it is too long");
	return 0;
}

static int open_namespaces(struct launch *launch, struct err *err)
{
	for (size_t i = 0; i < launch->answer.namespace_count; i++) {
		const struct answer_namespace *ns = &launch->answer.namespaces[i];
		OWN_FD int fd = fs_open(AT_FDCWD, ns->path, FS_HOST, O_RDONLY | O_NONBLOCK, 0, err);

		if (fd < 0)
			return err_prefix(err, "config.json: linux.namespaces");
		if (k_fs_type(fd) != NSFS_MAGIC)
			return err_set(err, -EINVAL,
				       "config.json: linux.namespaces: %.200s is no namespace",
				       ns->path);
		if (dup3(fd, ns->fd, O_CLOEXEC) < 0)
			return err_sys(err, -errno, "config.json: linux.namespaces: place an fd");
	}
	return 0;
}

/*
 * Once before the control group is made, so that delete --force finds it whenever we die; once with
 * the pid.
 */
static int save_state(struct launch *launch, struct err *err)
{
	struct state *state = &launch->state;
	struct timespec now = { 0 };

	if (state->pid) {
		state->start_time = state_start_time_of(state->pid);
		return state_save(launch->dir, STATE_RECORD, state, err);
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*state = (struct state){
		.id = launch->id,
		.bundle = launch->paths->bundle,
		.root = launch->paths->root,
		.cgroup = launch->paths->group,
		.created_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
		.uid = (uint32_t)getuid(),
		.flags = (uint8_t)((launch->answer.terminal ? STATE_FLAG_TERMINAL : 0) |
				   (launch->top >= 0 ? STATE_FLAG_CGROUP : 0)),
		.hooks = launch->answer.hooks,
		.pairs = launch->answer.pairs,
		.pair_count = launch->answer.pair_count,
	};
	return state_save(launch->dir, STATE_CREATING, state, err);
}

static int prepare(struct launch *launch, struct err *err)
{
	const struct options *options = &launch->cmd->options;
	int r = launch_check_terminal(options, launch->answer.terminal,
				      launch->gated || options->detach, err);

	if (r == 0)
		r = open_root(launch, err);
	if (r == 0)
		r = open_namespaces(launch, err);
	if (r == 0)
		r = group_plan(launch, err);
	if (r == 0)
		r = save_state(launch, err);
	if (r == 0)
		r = group_make(launch, err);
	if (r == 0)
		say(SAY_LEVEL_DEBUG, "root %s, control group %s", launch->paths->root,
		    launch->top >= 0 ? launch->paths->group : "(none)");
	if (r == 0 && options->console_socket && launch->answer.terminal) {
		launch->console = terminal_connect(options->console_socket, err);
		r = launch->console < 0 ? launch->console : 0;
	}
	return r < 0 ? r : launch_pidfd_socket(options, &launch->pidfd_socket, err);
}

/* ---- the process ---- */

/* The hooks of the runtime, between the child's namespaces and its mounts. */
static int run_hooks(struct launch *launch, struct apply *apply, struct err *err)
{
	const unsigned points = 1u << RUN_HOOK_PRESTART | 1u << RUN_HOOK_CREATE_RUNTIME;
	int r = launch->plan.hook_points & points ? apply_read_report(launch->report, err) : 0;

	if (r != APPLY_HOOKS)
		return r;
	r = apply_hooks(&launch->plan, RUN_HOOK_PRESTART, launch->state.pid, err);
	if (r == 0)
		r = apply_hooks(&launch->plan, RUN_HOOK_CREATE_RUNTIME, launch->state.pid, err);
	return r < 0 ? r : apply_proceed(apply, err);
}

/* Until the program runs, or waits at the gate. */
static int follow(struct launch *launch, struct apply *apply, struct err *err)
{
	int r = run_hooks(launch, apply, err);

	if (r == 0)
		r = agent_hand_over(apply, &launch->answer, &launch->state, "creating",
				    launch->pidfd, launch->state.pid, err);
	if (r == 0)
		r = apply_read_report(launch->report, err);
	return r < 0 ? r : 0;
}

static int fork_container(struct launch *launch, struct apply *apply, struct err *err)
{
	int ends[2], pts = -1, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe for the report");
	launch->report = ends[0];
	apply->report = ends[1];
	apply->cgroup = launch->group;
	apply->gate = take_fd(&launch->gate);
	apply->patient = true;
	r = apply_prepare(apply, launch->root, &pts, err);
	if (r == 0)
		r = launch->answer.terminal ? apply_open_tty(apply, pts, &launch->master, err)
					    : launch_stdio(apply, err);
	if (r == 0 && launch->master >= 0 && !launch->gated && !launch->cmd->options.detach)
		terminal_plain(launch->master);
	if (r == 0)
		r = agent_prepare(apply, err);
	if (r < 0)
		return r;
	pid = apply_start(apply, -1, &launch->pidfd, err);
	if (pid < 0)
		return (int)pid;
	launch->state.pid = (uint32_t)pid;
	/* Its end of file is the news: only the child may hold the other end. */
	own_close(&apply->report);
	return 0;
}

static int start_process(struct launch *launch, struct err *err)
{
	const char *pid_file = launch->cmd->options.pid_file;
	struct apply apply;
	int r;

	apply_init(&apply, &launch->plan);
	r = fork_container(launch, &apply, err);
	if (r == 0)
		say(SAY_LEVEL_DEBUG, "the container's first process is %u", launch->state.pid);
	if (r == 0)
		r = follow(launch, &apply, err);
	apply_close(&apply);
	if (r == 0)
		say(SAY_LEVEL_DEBUG, launch->gated ? "it waits for start" : "its program runs");
	if (r == 0)
		r = save_state(launch, err);
	if (r == 0 && launch->console >= 0)
		r = terminal_send(launch->console, launch->master, err);
	if (r == 0)
		r = launch_send_pidfd(launch->pidfd_socket, false, launch->pidfd, err);
	if (r == 0 && launch->answer.hooks)
		r = state_file_put(launch->dir, STATE_PLAN, launch->answer.plan.ptr,
				   launch->answer.plan.len, err);
	return r < 0 || !pid_file ? r : launch_pid_file(pid_file, launch->state.pid, err);
}

/* Backwards through what was made; errors here would only hide the first one. */
static void undo(struct launch *launch)
{
	launch_end_child(launch->pidfd);
	if (!launch->gated && !launch->cmd->options.detach)
		terminal_drain(launch->master);
	group_undo(launch);
	if (launch->dir_new)
		(void)fs_remove_tree(launch->cmd->root_fd, launch->id, NULL);
}

int launch_run(struct launch *launch, struct err *err)
{
	bool parsing = false;
	int r = state_id_check(launch->id, err);

	if (r == 0)
		r = open_bundle(launch, err);
	if (r == 0) {
		r = begin_parser(launch, err);
		parsing = r == 0;
	}
	if (r == 0)
		r = make_dir(launch, err);
	if (parsing) {
		/* Also after an error: the parser has to be waited for. */
		struct err later = { 0 };
		int end = end_parser(launch, r < 0 ? &later : err);

		r = r < 0 ? r : end;
	}
	if (r == 0)
		r = prepare(launch, err);
	if (r == 0)
		r = start_process(launch, err);
	if (r < 0)
		undo(launch);
	return r;
}
