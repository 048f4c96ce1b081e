/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the fork that reads JSON, and its sandbox. The parent never looks into the bytes of a
 * config; the child never has a file, a capability or a way back but the pipe. It must never be
 * forked before all that it must not inherit is CLOEXEC or closed by number.
 */
#include "engine/bundle/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum { ANSWER_FD = 3, NOBODY = 65534, FILES_MAX = 16 };

static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			_exit(1);
		data += n;
		len -= (size_t)n;
	}
}

static int shut_in(int answer_fd, int void_fd, struct err *err)
{
	static const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_PARSER,
						.uid = NOBODY,
						.gid = NOBODY,
						.files_max = FILES_MAX };
	int r = fs_change_root(void_fd, err);

	if (r < 0)
		return r;
	/* The library asks the kernel what it can: now, for later the calls are forbidden. */
	(void)seccomp_api_get();
	if (dup2(answer_fd, ANSWER_FD) < 0 || k_close_range(ANSWER_FD + 1, ~0u) < 0)
		return err_sys(err, -errno, "parser: close what it does not need");
	return sandbox_enter(&sandbox, err);
}

static _Noreturn void run_parser(const struct parser_job *job, int answer_fd, int void_fd)
{
	struct buf out = { 0 };
	struct err err = { 0 };

	buf_init(&out, ANSWER_MAX);
	if (shut_in(answer_fd, void_fd, &err) < 0)
		answer_encode_error(&err, &out);
	else
		parser_work(job, &out);
	write_all(ANSWER_FD, out.data, out.len);
	_exit(0);
}

int parser_begin(struct parser_job *job, int void_fd, struct err *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe for the parser");
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		run_parser(job, ends[1], void_fd);
	}
	(void)close(ends[1]);
	if (pid < 0) {
		int r = -errno;

		(void)close(ends[0]);
		return err_sys(err, r, "start the parser");
	}
	job->pid = pid;
	job->answer_fd = ends[0];
	return 0;
}

static int read_answer(int fd, struct buf *memory)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(memory, 16384) < 0)
			return -EFBIG;
		n = read(fd, memory->data + memory->len, memory->cap - memory->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		memory->len += (size_t)n;
	}
}

int parser_end(struct parser_job *job, struct buf *memory, struct answer *ret_answer,
	       struct err *err)
{
	int status = 0, r;

	buf_init(memory, ANSWER_MAX + 65536);
	r = read_answer(job->answer_fd, memory);
	own_close(&job->answer_fd);
	if (r < 0)
		(void)kill(job->pid, SIGKILL); /* our own child, not waited for yet */
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return err_sys(err, r, "read the parser's answer");
	if (WIFSIGNALED(status))
		return err_set(err, -EBADMSG,
			       "the parser of config.json was killed by signal %d: its content "
			       "is not to be trusted",
			       WTERMSIG(status));
	return answer_decode(memory->data, memory->len, ret_answer, err);
}
