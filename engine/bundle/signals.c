/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns sending a signal to a whole control group, and receiving those that are handed on. Runs in
 * the commands. It must never signal by a pid that is not held by a pidfd.
 */
#include "engine/bundle/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/signame.h"

enum { PROCS_MAX = 4 << 20, TYPE_MAX = 64, PIDFD_OPEN = 434 };

int signals_parse(const char *text, int *ret_signal, struct err *err)
{
	int number = signame_number(str_from(text));
	char shown[40];

	if (number > 0 || strcmp(text, "0") == 0) {
		*ret_signal = number;
		return 0;
	}
	str_escape(str_from(text), shown, sizeof(shown));
	return err_set(err, -EINVAL, "unknown signal \"%s\"", shown);
}

/* ---- groups ---- */

struct walk {
	int (*fn)(uint32_t pid, void *owner);
	void *owner;
	bool threads;
};

static int walk_group(int group_fd, struct walk *walk, struct err *err);

static int walk_below(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	OWN_FD int fd = -1;

	if (type != DT_DIR)
		return 0;
	fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	return fd < 0 ? 0 : walk_group(fd, owner, err);
}

/* A thread that is no process is nobody to whom a pidfd can be had. */
static bool is_process(uint32_t pid)
{
	OWN_FD int pidfd = (int)syscall(PIDFD_OPEN, pid, 0);

	return pidfd >= 0;
}

static int walk_group(int group_fd, struct walk *walk, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str rest, line;
	uint64_t pid;
	int r;

	buf_init(&text, PROCS_MAX);
	r = fs_read(group_fd, walk->threads ? "cgroup.threads" : "cgroup.procs", FS_BENEATH,
		    PROCS_MAX - 1, &text, NULL);
	if (r == -EOPNOTSUPP) /* a threaded group: its processes are listed above */
		return 0;
	if (r < 0)
		return err_sys(err, r, "read the processes of the control group");
	rest = buf_str(&text);
	while (r == 0 && str_cut(&rest, '\n', &line))
		if (str_to_u64(line, 1, INT32_MAX, &pid) == 0 &&
		    (!walk->threads || is_process((uint32_t)pid)))
			r = walk->fn((uint32_t)pid, walk->owner);
	return r < 0 ? r : fs_each(group_fd, walk_below, walk, err);
}

int signals_each_pid(int group_fd, int (*fn)(uint32_t pid, void *owner), void *owner,
		     struct err *err)
{
	struct buf type OWN(buf_done) = { 0 };
	struct walk walk = { .fn = fn, .owner = owner };

	/* What is threaded itself lists its processes nowhere but among the threads. */
	buf_init(&type, TYPE_MAX);
	walk.threads =
		fs_read(group_fd, "cgroup.type", FS_BENEATH, TYPE_MAX - 1, &type, NULL) == 0 &&
		str_eq(buf_str(&type), STR("threaded\n"));
	return walk_group(group_fd, &walk, err);
}

static int send_one(uint32_t pid, void *owner)
{
	OWN_FD int pidfd = (int)syscall(PIDFD_OPEN, pid, 0);

	if (pidfd >= 0)
		(void)k_pidfd_signal(pidfd, *(const int *)owner);
	return 0;
}

int signals_send_group(int group_fd, int signal, struct err *err)
{
	return signals_each_pid(group_fd, send_one, &signal, err);
}

/* ---- receiving ---- */

int signals_open(struct err *err)
{
	sigset_t set;
	int fd;

	(void)sigfillset(&set);
	/* A fault of our own is no message. */
	(void)sigdelset(&set, SIGSEGV);
	(void)sigdelset(&set, SIGBUS);
	(void)sigdelset(&set, SIGFPE);
	(void)sigdelset(&set, SIGILL);
	(void)sigdelset(&set, SIGABRT);
	(void)sigdelset(&set, SIGSYS);
	(void)sigdelset(&set, SIGTSTP);
	(void)sigdelset(&set, SIGTTIN);
	(void)sigdelset(&set, SIGTTOU);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, -errno, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, -errno, "open a signal fd") : fd;
}

int signals_next(int signal_fd)
{
	struct signalfd_siginfo info;

	return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}
