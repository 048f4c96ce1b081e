/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what making a container and entering one have in common: handed-on fds, the terminal's
 * rules, the report, the pid file. Runs in `create`, `run` and `exec`. It must never hand on an fd
 * that the caller of hoy-oci did not name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/bundle/launch.h"
#include "engine/bundle/notify.h"
#include "engine/bundle/terminal.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

enum { STDIO_FIRST = 64 };

int launch_preserved(const struct options *options, uint32_t *ret_count, struct err *err)
{
	uint64_t count;

	*ret_count = 0;
	if (!options->preserve_fds)
		return 0;
	if (str_to_u64(str_from(options->preserve_fds), 0, RUN_PRESERVE_MAX, &count) < 0)
		return err_set(err, -EINVAL, "--preserve-fds: expected a number up to %d",
			       RUN_PRESERVE_MAX);
	/* A number in between that nobody handed to us may be one of ours: then it is CLOEXEC and
	 * ends with the exec. */
	*ret_count = (uint32_t)count;
	return 0;
}

int launch_listening(struct parser_job *job, struct err *err)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t count;

	if (!text)
		return 0;
	if (str_to_u64(str_from(text), 0, RUN_PRESERVE_MAX - job->preserve_fds, &count) < 0)
		return err_set(err, -EINVAL, "LISTEN_FDS: expected a number up to %d",
			       RUN_PRESERVE_MAX - (int)job->preserve_fds);
	job->listen_fds = (uint32_t)count;
	job->listen_names = getenv("LISTEN_FDNAMES");
	job->preserve_fds += job->listen_fds;
	return 0;
}

int launch_notify(struct launch *launch, struct err *err)
{
	const char *target = notify_target();
	char link[FS_FD_PATH_MAX];
	ssize_t n;
	int more;

	if (!target)
		return 0;
	n = readlinkat(AT_FDCWD, fs_fd_path(launch->cmd->root_fd, link), launch->paths->notify,
		       sizeof(launch->paths->notify) - 1);
	if (n < 0)
		return err_sys(err, -errno, "the path of --root");
	more = snprintf(launch->paths->notify + n, sizeof(launch->paths->notify) - (size_t)n,
			"/%s/" NOTIFY_DIR, launch->id);
	if (more < 0 || (size_t)more >= sizeof(launch->paths->notify) - (size_t)n)
		return err_set(err, -ENAMETOOLONG, "NOTIFY_SOCKET: --root is too long a path");
	launch->job.notify_source = launch->paths->notify;
	launch->job.notify_target = target;
	return 0;
}

int launch_check_terminal(const struct options *options, bool terminal, bool detached,
			  struct err *err)
{
	if (terminal && detached && !options->console_socket)
		return err_set(err, -EINVAL,
			       "cannot allocate a terminal and detach without --console-socket");
	if (options->console_socket && !(terminal && detached))
		return err_set(err, -EINVAL,
			       "--console-socket is for a detached container with a terminal");
	return 0;
}

int launch_pidfd_socket(const struct options *options, int *ret_fd, struct err *err)
{
	if (!options->pidfd_socket)
		return 0;
	*ret_fd = terminal_connect(options->pidfd_socket, err);
	return *ret_fd < 0 ? err_prefix(err, "--pidfd-socket") : 0;
}

int launch_send_pidfd(int to, bool exec, int pidfd, struct err *err)
{
	size_t sent;
	int r;

	if (to < 0)
		return 0;
	r = terminal_send_fd(to, exec ? STR("setns") : STR("standard"), pidfd, &sent, err);
	return r < 0 ? err_prefix(err, "--pidfd-socket") : 0;
}

int launch_stdio(struct apply *apply, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		apply->stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, STDIO_FIRST);
		if (apply->stdio[i] < 0)
			return err_sys(err, -errno, "hand on fd %d", i);
	}
	return 0;
}

void launch_end_child(int pidfd)
{
	siginfo_t info;

	if (pidfd < 0)
		return;
	(void)k_pidfd_signal(pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
}

int launch_pid_file(const char *path, uint32_t pid, struct err *err)
{
	char name[256], fresh[300], text[16];
	OWN_FD int dir = fs_open_parent(AT_FDCWD, path, FS_HOST, name, err);
	OWN_FD int fd = -1;
	int n = snprintf(text, sizeof(text), "%u", pid), r;

	if (dir < 0)
		return err_prefix(err, "--pid-file");
	if (strlen(name) > 240)
		return err_set(err, -ENAMETOOLONG, "--pid-file: the name is too long");
	(void)snprintf(fresh, sizeof(fresh), ".%s.new", name);
	fd = fs_open(dir, fresh, FS_BENEATH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666, err);
	if (fd < 0)
		return err_prefix(err, "--pid-file");
	r = fs_write_fd(fd, text, (size_t)n, err);
	if (r == 0)
		r = fs_rename(dir, fresh, dir, name, err);
	return r < 0 ? err_prefix(err, "--pid-file") : 0;
}
