/* SPDX-License-Identifier: Apache-2.0 */
/* One line, one write. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/log.h"
#include "tests/unit/tap.h"

/* What goes to stderr while fn runs. */
static size_t capture(void (*fn)(void), char *dst, size_t cap)
{
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	if (saved < 0 || pipe(ends) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		abort();
	(void)dup2(ends[1], STDERR_FILENO);
	fn();
	(void)dup2(saved, STDERR_FILENO);
	n = read(ends[0], dst, cap - 1);
	dst[n > 0 ? n : 0] = '\0';
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(saved);
	return n > 0 ? (size_t)n : 0;
}

static void say_plain(void)
{
	errno = ENOTTY;
	log_warn("disk full free=%d", 0);
}

static void say_less(void)
{
	log_debug("nobody wants to know");
}

static void say_controls(void)
{
	log_err("one\ntwo\x1b[2J\ttab");
}

static void say_much(void)
{
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

static void test_lines(void)
{
	char got[4000];
	size_t len;

	log_init("netd", LOG_PRIO_INFO);
	(void)capture(say_plain, got, sizeof(got));
	is_text(got, "<4>netd: disk full free=0\n", "priority, role, text");
	is_int(errno, ENOTTY, "errno is kept");
	is_int((long long)capture(say_less, got, sizeof(got)), 0, "less urgent lines are dropped");
	(void)capture(say_controls, got, sizeof(got));
	is_text(got, "<3>netd: one?two?[2J?tab\n", "a control byte never gets out");
	len = capture(say_much, got, sizeof(got));
	is_int((long long)len, 1000, "a long line is cut");
	is_int(got[len - 1], '\n', "and still ends");
	log_init("netd", LOG_PRIO_DEBUG);
	ok(capture(say_less, got, sizeof(got)) > 0, "unless they are asked for");
}

static void test_fatal(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)close(STDERR_FILENO);
		fatal("no way on");
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid, "a child that gives up");
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 70, "exits with 70");
}

static int ended_by;

/* As a crash: the line first, then the end that nothing of ours keeps off. */
static void crash(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		log_init("engine", LOG_PRIO_INFO);
		log_last_words();
		(void)raise(SIGABRT);
		_exit(0);
	}
	ended_by = waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_last_words(void)
{
	static const char head[] = "<3>engine: ended by signal 6: at +0x";
	char got[400];

	(void)capture(crash, got, sizeof(got));
	ok(!strncmp(got, head, sizeof(head) - 1), "a role that is ended by a fault says so: %s",
	   got);
	is_int(ended_by, SIGABRT, "and the fault ends it all the same");
}

int main(void)
{
	test_lines();
	test_fatal();
	test_last_words();
	return tap_done();
}
