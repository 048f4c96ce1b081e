/* SPDX-License-Identifier: Apache-2.0 */
/* What a spawned program finds: exactly its fds, default signals, its exit told. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/spawn.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

/* Runs `script` in a shell with the fds given; its output into dst, its status returned. */
static int run(struct spawn *spawn, const char *script, char *dst, size_t cap)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	OWN_FD int pidfd = -1;
	siginfo_t info = { 0 };
	struct err err = { 0 };
	size_t len = 0;
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	spawn->path = "/bin/sh";
	spawn->argv = argv;
	spawn->log_fd = ends[1];
	if (spawn_start(spawn, NULL, &pidfd, &err) < 0) {
		(void)snprintf(dst, cap, "%s", err.text);
		own_close(&ends[0]);
		own_close(&ends[1]);
		return -1;
	}
	own_close(&ends[1]);
	while ((n = read(ends[0], dst + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	dst[len] = '\0';
	own_close(&ends[0]);
	(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED);
	return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

static void test_plain(void)
{
	struct spawn spawn;
	char out[512];

	spawn_init(&spawn, NULL, NULL);
	(void)setenv("SECRET", "1", 1);
	is_int(run(&spawn, "echo \"$SECRET\"; ls /proc/self/fd; readlink /proc/self/fd/0; exit 3",
		   out, sizeof(out)),
	       3, "a program runs and exits");
	is_text(out, "\n0\n1\n2\n3\n/dev/null\n",
		"empty environment, three fds (and ls's own), stdin is /dev/null");
	{
		static const char *const env[] = { "ROLE=dns", NULL };

		spawn.envp = env;
		(void)run(&spawn, "echo $ROLE; echo error >&2", out, sizeof(out));
		is_text(out, "dns\nerror\n", "its environment; stderr goes the same way");
	}
}

/* The sources stand exactly where others have to go: each permutation must come out right. */
static void test_overlap(void)
{
	static const int orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 },
					 { 1, 2, 3, 0 }, { 2, 2, 2, 2 }, { 3, 0, 1, 2 } };
	int place = place_make("spawn"), files[4];
	char out[512], want[64];

	for (int i = 0; i < 4; i++) {
		char name[] = "0";

		name[0] = (char)('0' + i);
		place_write(place, name, name);
		files[i] = fs_open(place, name, FS_BENEATH, O_RDONLY, 0, NULL);
		if (files[i] < 0)
			abort();
	}
	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		struct spawn spawn;

		spawn_init(&spawn, NULL, NULL);
		spawn.nfds = 4;
		for (int i = 0; i < 4; i++)
			spawn.fds[i] = files[orders[o][i]];
		(void)run(&spawn,
			  "for i in 3 4 5 6; do b=$(readlink /proc/self/fd/$i); printf ${b##*/}; "
			  "done; [ -e /proc/self/fd/7 ] && echo more",
			  out, sizeof(out));
		(void)snprintf(want, sizeof(want), "%d%d%d%d", orders[o][0], orders[o][1],
			       orders[o][2], orders[o][3]);
		is_text(out, want, "order %s", want);
	}
	for (int i = 0; i < 4; i++)
		own_close(&files[i]);
	place_remove(place);
}

/* The same with the sources at 3..5 for certain, and a hole between. */
static void test_low_numbers(void)
{
	struct spawn spawn;
	char out[512];
	OWN_FD int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	OWN_FD int uptime = open("/proc/uptime", O_RDONLY | O_CLOEXEC);
	int a = fcntl(zero, F_DUPFD, 10), b = fcntl(uptime, F_DUPFD, 10);
	int low_a = dup2(a, 4), low_b = dup2(b, 3);

	spawn_init(&spawn, NULL, NULL);
	spawn.nfds = 3;
	spawn.fds[0] = low_a;
	spawn.fds[2] = low_b;
	(void)run(&spawn, "readlink /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5", out,
		  sizeof(out));
	is_text(out, "/dev/zero\n/proc/uptime\n", "4 becomes 3, 3 becomes 5, 4 stays closed");
	ok(fcntl(low_a, F_GETFD) >= 0 && fcntl(low_b, F_GETFD) >= 0, "the caller keeps its own");
	own_close(&a);
	own_close(&b);
	own_close(&low_a);
	own_close(&low_b);
}

static void test_signals(void)
{
	struct spawn spawn;
	sigset_t set, now;
	char out[512];
	unsigned long ignore[4] = { 1 };

	(void)signal(SIGPIPE, SIG_IGN);
	/* One that the C library keeps to itself: only the kernel lets it be ignored. */
	is_int(syscall(SYS_rt_sigaction, 32, ignore, NULL, 8), 0, "signal 32 is ignored here");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	spawn_init(&spawn, NULL, NULL);
	/* The program itself reads it: a shell blocks every signal while it waits for a child. */
	(void)run(&spawn, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status", out, sizeof(out));
	is_text(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
		"nothing blocked, nothing ignored");
	(void)sigprocmask(SIG_SETMASK, NULL, &now);
	ok(sigismember(&now, SIGTERM) && !sigismember(&now, SIGINT), "the parent's mask is kept");
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	is_int(run(&spawn, "kill -TERM $$", out, sizeof(out)), -SIGTERM, "signals end it");
}

static void test_options(void)
{
	struct spawn spawn;
	char out[512];

	spawn_init(&spawn, NULL, NULL);
	spawn.oom_score_adj = 321;
	spawn.new_session = true;
	(void)run(&spawn,
		  "cat /proc/self/oom_score_adj; set -- $(cat /proc/$$/stat); "
		  "[ $6 = $$ ] && echo leader",
		  out, sizeof(out));
	is_text(out, "321\nleader\n", "oom_score_adj and a session of its own");
	spawn.new_session = false;
	spawn.parent_death_signal = SIGKILL;
	is_int(run(&spawn, "exit 5", out, sizeof(out)), 5, "with a parent that lives");
}

/* A parent that dies takes the child with it. */
static void test_parent_death(void)
{
	int ends[2], status;
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		const char *argv[] = { "sleep", "100", NULL };
		struct spawn spawn;

		spawn_init(&spawn, "/bin/sleep", argv);
		spawn.parent_death_signal = SIGKILL;
		spawn.log_fd = ends[1];
		_exit(spawn_start(&spawn, NULL, NULL, NULL) < 0);
	}
	own_close(&ends[1]);
	(void)waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "a child that is bound to its parent");
	is_int(read(ends[0], &byte, 1), 0, "ends with it");
	own_close(&ends[0]);
}

static void test_failures(void)
{
	const char *argv[] = { "x", NULL };
	struct err err = { 0 };
	struct spawn spawn;
	int pidfd = -7;

	spawn_init(&spawn, "/nowhere/program", argv);
	is_int(spawn_start(&spawn, NULL, &pidfd, &err), -ENOENT, "no such program");
	is_text(err.text, "start /nowhere/program: execute: No such file or directory", "says so");
	is_int(pidfd, -7, "and gives no pidfd");
	spawn.path = "/etc/passwd";
	is_int(spawn_start(&spawn, NULL, &pidfd, &err), -EACCES, "no program");
	spawn.path = "/bin/true";
	spawn.nfds = 1;
	spawn.fds[0] = 999;
	is_int(spawn_start(&spawn, NULL, &pidfd, &err), -EBADF, "an fd that is not open");
	spawn.nfds = SPAWN_FDS_MAX + 1;
	is_int(spawn_start(&spawn, NULL, &pidfd, &err), -EINVAL, "too many fds");
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no zombie stays behind");
	spawn.nfds = 0;
	spawn.cgroup_fd = 0;
	ok(spawn_start(&spawn, NULL, &pidfd, &err) < 0, "stdin is no cgroup");
}

static void is_described(int code, int status, const char *want)
{
	char text[80];

	spawn_describe_exit(code, status, text, sizeof(text));
	is_text(text, want, "%s", want);
}

static void test_end(void)
{
	const char *argv[] = { "sleep", "100", NULL };
	siginfo_t info = { 0 };
	struct spawn spawn;
	int pidfd = -1;
	pid_t pid = 0;

	spawn_init(&spawn, "/bin/sleep", argv);
	is_int(spawn_start(&spawn, &pid, &pidfd, NULL), 0, "a program that waits");
	is_int(fcntl(pidfd, F_GETFD), FD_CLOEXEC, "its pidfd is close-on-exec");
	is_int(spawn_signal(pidfd, SIGKILL, NULL), 0, "a signal by pidfd");
	is_int(waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED), 0, "its end");
	is_int(info.si_pid, pid, "is the right one's");
	is_described(info.si_code, info.si_status, "killed by SIGKILL");
	is_int(spawn_signal(pidfd, SIGKILL, NULL), -ESRCH, "later nobody is hit");
	own_close(&pidfd);
	is_described(CLD_EXITED, 3, "exit 3");
	is_described(CLD_DUMPED, SIGSEGV, "killed by SIGSEGV (core dumped)");
	is_described(CLD_KILLED, SIGSYS, "killed by SIGSYS: a system call its sandbox forbids");
	is_described(CLD_KILLED, 40, "killed by signal 40");
	is_described(CLD_STOPPED, 19, "state 19 of code 5");
}

int main(void)
{
	test_plain();
	test_overlap();
	test_low_numbers();
	test_signals();
	test_options();
	test_parent_death();
	test_failures();
	test_end();
	return tap_done();
}
