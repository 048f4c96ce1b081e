/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the properties of the process itself: session, limits, user, capabilities, seccomp, and the
 * execve. Runs in the child of the shim. Must never start a program with a capability, an fd or a
 * working directory that the plan does not name.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	REPORT_FD = 3,
	KEYCTL_JOIN = 1,
	SIGNAL_LAST = 64,
	CAP_WORDS = 2,
	PTS_MAJOR_FIRST = 136,
	PTS_MAJOR_LAST = 143,
	CONTAINER_UMASK = 022,
};

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int apply_session(struct apply *apply, struct err *err)
{
	/* The kernel's struct, all zero: SIG_DFL, no flags. The C library keeps some real-time
	 * signals to itself and refuses to touch them; an ignored one would stay so. */
	unsigned long plain[4] = { 0 };
	unsigned long none = 0;

	(void)apply;
	for (int i = 1; i <= SIGNAL_LAST; i++)
		(void)syscall(SYS_rt_sigaction, i, plain, NULL, sizeof(none));
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	if (setsid() < 0)
		return err_sys(err, -errno, "new session");
	/* A keyring of its own; a kernel without keyrings has nothing to share. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN, NULL) < 0 && errno != ENOSYS)
		return err_sys(err, -errno, "new session keyring");
	return 0;
}

int apply_oom_score(struct apply *apply, struct err *err)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", apply->plan->oom_score_adj);

	return fs_write_control(AT_FDCWD, "/proc/self/oom_score_adj", str_make(text, (size_t)n),
				err);
}

/*
 * The directory is resolved inside the root, magic links refused: /proc/self/fd/N leads nowhere.
 * Opened before the user changes, as the image's WORKDIR may belong to root only.
 */
int apply_cwd_open(struct apply *apply, struct err *err)
{
	const char *path = apply->plan->cwd;

	while (*path == '/')
		path++;
	apply->cwd = fs_open_dir(apply->root, *path ? path : ".", FS_IN_ROOT, 0755, err);
	return apply->cwd < 0 ? apply->cwd : 0;
}

/* Pipes and the tty are ours and verified; their owner becomes the container's user. */
static void give_to_user(const struct apply *apply, int fd)
{
	struct stat st;

	if (apply->plan->uid == 0 || fstat(fd, &st) < 0)
		return;
	if (S_ISFIFO(st.st_mode) ||
	    (S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_MAJOR_FIRST &&
	     major(st.st_rdev) <= PTS_MAJOR_LAST && k_fs_type(fd) == K_DEVPTS_MAGIC))
		(void)fchown(fd, apply->plan->uid, (gid_t)-1);
}

/* 0, 1, 2, the report pipe as 3, the directories the next steps need, and nothing else. */
int apply_stdio(struct apply *apply, struct err *err)
{
	if (apply->slave >= 0)
		for (int i = 0; i < 3; i++)
			apply->stdio[i] = apply->slave;
	/* The container's own node: one of the host's could be chmodded through the fd. */
	if (apply->stdio[0] < 0)
		apply->stdio[0] =
			fs_open(apply->dev, "null", FS_BENEATH, O_RDWR | O_NOFOLLOW, 0, err);
	if (apply->stdio[0] < 0)
		return apply->stdio[0];
	for (int i = 0; i < 3; i++) {
		int copy = fcntl(apply->stdio[i], F_DUPFD_CLOEXEC, 64);

		if (copy < 0)
			return err_sys(err, -errno, "stdio %d", i);
		apply->stdio[i] = copy;
	}
	for (int i = 0; i < 3; i++) {
		give_to_user(apply, apply->stdio[i]);
		if (dup2(apply->stdio[i], i) < 0)
			return err_sys(err, -errno, "stdio %d", i);
	}
	if (apply->slave >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
		return err_sys(err, -errno, "make the terminal the controlling one");
	if (fchdir(apply->cwd) < 0)
		return err_sys(err, -errno, "%s", apply->plan->cwd);
	if (apply->report != REPORT_FD && dup3(apply->report, REPORT_FD, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "place the report pipe");
	apply->report = REPORT_FD;
	if (k_close_range(REPORT_FD + 1, ~0u) < 0)
		return err_sys(err, -errno, "close all other fds");
	return 0;
}

/*
 * A hard limit can be raised with CAP_SYS_RESOURCE only. Where the machine does not give it to us
 * (containers in containers) the limit stays at what is allowed.
 */
int apply_limits(struct apply *apply, struct err *err)
{
	struct plan_list limits = apply->plan->rlimits;
	struct run_rlimit limit;
	struct rlimit now, wanted;

	while (plan_next_rlimit(&limits, &limit)) {
		wanted = (struct rlimit){ .rlim_cur = (rlim_t)limit.soft,
					  .rlim_max = (rlim_t)limit.hard };
		if (prlimit(0, limit.resource, &wanted, NULL) == 0)
			continue;
		if (errno != EPERM || getrlimit(limit.resource, &now) < 0)
			return err_sys(err, -errno, "ulimit %d", limit.resource);
		if (wanted.rlim_max > now.rlim_max)
			wanted.rlim_max = now.rlim_max;
		if (wanted.rlim_cur > wanted.rlim_max)
			wanted.rlim_cur = wanted.rlim_max;
		if (prlimit(0, limit.resource, &wanted, NULL) < 0)
			return err_sys(err, -errno, "ulimit %d", limit.resource);
	}
	return 0;
}

/* Permitted and effective; inheritable is always empty. */
static int set_caps(uint64_t caps, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = { 0 };

	for (int i = 0; i < CAP_WORDS; i++) {
		data[i].permitted = (uint32_t)(caps >> (32 * i));
		data[i].effective = data[i].permitted;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(err, -errno, "set capabilities");
	return 0;
}

/* Drops what is not wanted from the bounding set; returns what is there of the wanted ones. */
static int bound_caps(uint64_t wanted, uint64_t *ret_caps, struct err *err)
{
	uint64_t have = 0;

	for (int cap = 0; cap < 64; cap++) {
		int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r < 0)
			break; /* the kernel knows no more */
		if (r == 0)
			continue;
		if (wanted >> cap & 1)
			have |= (uint64_t)1 << cap;
		else if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(err, -errno, "drop capability %d", cap);
	}
	*ret_caps = have;
	return 0;
}

static int become_user(const struct plan *plan, struct err *err)
{
	static gid_t groups[RUN_GROUPS_MAX];
	struct plan_list list = plan->groups;
	size_t count = 0;
	uint32_t group;

	while (plan_next_u32(&list, &group))
		groups[count++] = group;
	if (setgroups(count, groups) < 0)
		return err_sys(err, -errno, "set %zu groups", count);
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0)
		return err_sys(err, -errno, "set group %u", plan->gid);
	if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
		return err_sys(err, -errno, "set user %u", plan->uid);
	return 0;
}

static int load_filter(struct str filter, struct err *err)
{
	struct sock_fprog program = {
		.len = (unsigned short)(filter.len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)filter.ptr,
	};

	if (filter.len == 0)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, -errno, "load the seccomp filter");
	return 0;
}

/*
 * Without no_new_privs a filter can be loaded with CAP_SYS_ADMIN only, so that one is given back
 * behind it: after the filter come capset and execve, nothing else.
 */
int apply_user(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;
	uint64_t caps = 0;
	int r = bound_caps(plan->caps, &caps, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "keep capabilities over the change of user");
	r = become_user(plan, err);
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, -errno, "clear ambient capabilities");
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (plan->flags & PLAN_FLAG_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "no_new_privs");
	umask(CONTAINER_UMASK);
	r = set_caps(caps | (uint64_t)1 << CAP_SYS_ADMIN, err);
	if (r == 0)
		r = load_filter(plan->seccomp, err);
	/* execve would take them from another user anyway; its own checks shall not have them. */
	return r < 0 ? r : set_caps(plan->uid == 0 ? caps : 0, err);
}

static size_t fill(char **dst, struct plan_list list)
{
	size_t n = 0;
	const char *text;

	while ((text = plan_next_text(&list)))
		dst[n++] = (char *)(uintptr_t)text;
	dst[n] = NULL;
	return n;
}

static const char *find_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_PATH;
}

/* execvp(3) with the container's PATH. Returns the errno that says most. */
static int execute_by_name(char *const *argv, char *const *env)
{
	static char file[PATH_MAX];
	struct str rest = str_from(find_path(env)), dir;
	int best = ENOENT;

	while (str_cut(&rest, ':', &dir)) {
		int n = snprintf(file, sizeof(file), "%.*s%s%s", STR_ARG(dir), dir.len ? "/" : "",
				 argv[0]);

		if (n < 0 || (size_t)n >= sizeof(file))
			continue;
		execve(file, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			best = errno;
	}
	return best;
}

int apply_execute(struct apply *apply, struct err *err)
{
	static char *argv[RUN_ARGS_MAX + 1], *env[RUN_ARGS_MAX + 1];
	static char cwd[PATH_MAX];
	char shown[128];
	int code;

	/* Outside of the root the kernel answers "(unreachable)...". */
	if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
		return err_set(err, -ENOENT, "the working directory is outside of the container");
	fill(argv, apply->plan->argv);
	fill(env, apply->plan->env);
	str_escape(str_from(argv[0]), shown, sizeof(shown));
	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		return err_sys(err, -errno, "\"%s\"", shown);
	}
	code = execute_by_name(argv, env);
	if (code == ENOENT)
		return err_set(err, -ENOENT, "\"%s\": not found in PATH of the container", shown);
	return err_sys(err, -code, "\"%s\"", shown);
}
