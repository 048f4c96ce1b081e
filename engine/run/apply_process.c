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
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum {
	REPORT_FD = 3,	 /* behind the preserved ones */
	FIRST_HIGH = 64, /* free for copies */
	KEYCTL_JOIN = 1,
	SIGNAL_LAST = 64,
	PTS_MAJOR_FIRST = 136,
	PTS_MAJOR_LAST = 143,
	IOPRIO_CLASS_SHIFT = 13,
};

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int set_cpus(struct str mask, struct err *err)
{
	if (mask.len && syscall(SYS_sched_setaffinity, 0, mask.len, mask.ptr) < 0)
		return err_sys(err, -errno, "CPU affinity");
	return 0;
}

/* The kernel counts bits, and one more than there are (set_mempolicy(2)). */
static int set_memory_policy(const struct plan *plan, struct err *err)
{
	struct str nodes = plan->memory_nodes;
	unsigned long bits = nodes.len ? nodes.len * 8 + 1 : 0;

	if (plan->flags & PLAN_FLAG_MEMORY_POLICY &&
	    syscall(SYS_set_mempolicy, plan->memory_mode, nodes.len ? nodes.ptr : NULL, bits) < 0)
		return err_sys(err, -errno, "memory policy %#x", plan->memory_mode);
	return 0;
}

int apply_schedule(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;
	const struct run_scheduler *from = &plan->scheduler;
	/* struct sched_attr of sched_setattr(2), its first version. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { sizeof(attr),   from->policy,     from->flags,	from->nice,
		   from->priority, from->runtime_ns, from->deadline_ns, from->period_ns };
	int r = 0;

	if (plan->flags & PLAN_FLAG_SCHEDULER)
		r = k_sched_setattr(&attr);
	if (r < 0)
		return err_sys(err, r, "scheduler policy %u", from->policy);
	if (plan->ioprio.class)
		r = k_ioprio_set(plan->ioprio.class << IOPRIO_CLASS_SHIFT | plan->ioprio.level);
	if (r < 0)
		return err_sys(err, r, "ioPriority %u:%u", plan->ioprio.class, plan->ioprio.level);
	if (plan->flags & PLAN_FLAG_PERSONALITY &&
	    syscall(SYS_personality, (unsigned long)plan->personality) < 0)
		return err_sys(err, -errno, "personality %#x", plan->personality);
	r = set_memory_policy(plan, err);
	return r < 0 ? r : set_cpus(plan->cpus, err);
}

int apply_session(struct apply *apply, struct err *err)
{
	/* The kernel's struct, all zero: SIG_DFL, no flags. The C library keeps some real-time
	 * signals to itself and refuses to touch them; an ignored one would stay so. */
	unsigned long plain[4] = { 0 };
	unsigned long none = 0;

	/* Else this end would keep us waiting for a starter that is gone. */
	own_close(&apply->sync[1]);
	for (int i = 1; i <= SIGNAL_LAST; i++)
		(void)syscall(SYS_rt_sigaction, i, plain, NULL, sizeof(none));
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	if (defence_on(DEFENCE_A22_SESSION) && setsid() < 0)
		return err_sys(err, -errno, "new session");
	/* A keyring of its own; a kernel without keyrings has nothing to share. */
	if (!(apply->plan->flags & PLAN_FLAG_NO_KEYRING) && defence_on(DEFENCE_A20_KEYRING) &&
	    syscall(SYS_keyctl, KEYCTL_JOIN, NULL) < 0 && errno != ENOSYS)
		return err_sys(err, -errno, "new session keyring");
	return set_cpus(apply->plan->cpus_first, err);
}

int apply_oom_score(struct apply *apply, struct err *err)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", apply->plan->oom_score_adj);

	/* In a user namespace the one who started us, or an elder sibling, has done it. */
	if (apply->plan->flags & PLAN_FLAG_OOM_INHERIT || apply->sibling_report >= 0 ||
	    (apply->plan->kind == PLAN_KIND_CONTAINER &&
	     apply->plan->ns[PLAN_NS_USER].mode == RUN_NS_MODE_NEW))
		return 0;
	return fs_write_control(AT_FDCWD, "/proc/self/oom_score_adj", str_make(text, (size_t)n),
				err);
}

/*
 * The directory is resolved inside the root, magic links refused: /proc/self/fd/N leads nowhere.
 * Opened before the user changes, as the image's WORKDIR may belong to root only.
 */
int apply_cwd_open(struct apply *apply, struct err *err)
{
	const enum fs_scope scope = defence_on(DEFENCE_A3_DIRECTORY) ? FS_IN_ROOT : FS_HOST;
	const char *path = apply->plan->cwd;

	/* A container's may be open already: it was made before the root became read-only. */
	if (apply->cwd >= 0)
		return 0;
	while (*path == '/')
		path++;
	/* An exec finds its directory or fails; it changes nothing in a container that runs. */
	if (apply->plan->kind == PLAN_KIND_EXEC) {
		apply->cwd = fs_open(apply->root, *path ? path : ".", scope, O_PATH | O_DIRECTORY,
				     0, NULL);
		return apply->cwd < 0 ? err_sys(err, apply->cwd, "chdir to /%s", path) : 0;
	}
	apply->cwd = fs_open_dir(apply->root, *path ? path : ".", scope, 0755, err);
	return apply->cwd < 0 ? apply->cwd : 0;
}

/*
 * Pipes and the tty are ours and verified; their owner becomes the container's user. So does that
 * of a file, which the caller of hoy-oci gave for the container to write.
 */
static void give_to_user(const struct apply *apply, int fd)
{
	const struct plan *plan = apply->plan;
	struct stat st;

	if (plan->uid == 0 || fstat(fd, &st) < 0)
		return;
	if (plan->flags & PLAN_FLAG_LISTED &&
	    (S_ISFIFO(st.st_mode) ||
	     (S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY))) {
		(void)fchown(fd, plan->uid, plan->gid);
		return;
	}
	if (S_ISFIFO(st.st_mode) ||
	    (apply->slave >= 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_MAJOR_FIRST &&
	     major(st.st_rdev) <= PTS_MAJOR_LAST && k_fs_type(fd) == K_DEVPTS_MAGIC))
		(void)fchown(fd, plan->uid, (gid_t)-1);
}

/* The preserved fds, behind them the report pipe and the gate, and nothing else. */
static int place_fds(struct apply *apply, struct err *err)
{
	const int first = REPORT_FD + (int)apply->plan->preserve_fds;
	int *const kept[] = { &apply->report, &apply->gate };
	int copies[2];

	for (int i = 0; i < 2; i++) {
		copies[i] = *kept[i];
		/* The target number may be the other one's. */
		if (copies[i] >= 0 && copies[i] < FIRST_HIGH + first)
			copies[i] = fcntl(copies[i], F_DUPFD_CLOEXEC, FIRST_HIGH + first);
		if (copies[i] < 0 && *kept[i] >= 0)
			return err_sys(err, -errno, "move fd %d", *kept[i]);
	}
	for (int i = 0; i < 2; i++) {
		if (*kept[i] >= 0 && dup3(copies[i], first + i, O_CLOEXEC) < 0)
			return err_sys(err, -errno, "place fd %d", first + i);
		if (*kept[i] < 0)
			(void)close(first + i);
		else
			*kept[i] = first + i;
	}
	if (defence_on(DEFENCE_A3_FILES) && k_close_range((unsigned)first + 2, ~0u) < 0)
		return err_sys(err, -errno, "close all other fds");
	return 0;
}

/* 0, 1, 2 and what place_fds() keeps. */
int apply_stdio(struct apply *apply, struct err *err)
{
	const int preserved = (int)apply->plan->preserve_fds;

	if (apply->slave >= 0)
		for (int i = 0; i < 3; i++)
			apply->stdio[i] = apply->slave;
	/* The container's own node: one of the host's could be chmodded through the fd. The root of
	 * a user namespace cannot, and has only the host's, bound there. */
	if (apply->stdio[0] < 0)
		apply->stdio[0] = fs_open(apply->dev, "null",
					  apply->plan->flags & PLAN_FLAG_USER_NS ? FS_BENEATH_XDEV
										 : FS_BENEATH,
					  O_RDWR | O_NOFOLLOW, 0, err);
	if (apply->stdio[0] < 0)
		return apply->stdio[0];
	for (int i = 0; i < 3; i++) {
		int copy = fcntl(apply->stdio[i], F_DUPFD_CLOEXEC, FIRST_HIGH + preserved);

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
	return place_fds(apply, err);
}

/*
 * Outside of the root the kernel answers "(unreachable)...". Asked before the filter is loaded,
 * which may forbid the question.
 */
static int check_cwd(struct err *err)
{
	static char cwd[PATH_MAX];

	if (defence_on(DEFENCE_A3_DIRECTORY) && (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/'))
		return err_set(err, -ENOENT, "the working directory is outside of the container");
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
	int r = check_cwd(err);

	if (r < 0)
		return r;
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

int apply_hide(void)
{
	if (!defence_on(DEFENCE_A2_HIDDEN))
		return 0;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
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
	/* The change of user may have opened it. */
	return plan->uid != 0 && apply_hide() < 0
		       ? err_sys(err, -errno, "stay hidden from the container")
		       : 0;
}

int apply_user(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;
	int r = apply_bound_caps(plan, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "keep capabilities over the change of user");
	r = become_user(plan, err);
	if (r < 0)
		return r;
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (plan->flags & PLAN_FLAG_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "no_new_privs");
	umask((mode_t)plan->umask);
	return apply_caps_for_filter(plan, err);
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

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && b[len] == '=' && a[len] == '=';
}

/* Of a name that is given twice the last one counts; home stands for one that is missing or empty.
 */
static void fill_env(char **dst, const struct plan *plan, const char *home)
{
	size_t count = fill(dst, plan->env), kept = 0;

	if (!(plan->flags & PLAN_FLAG_LISTED))
		return;
	if (home)
		dst[count++] = (char *)(uintptr_t)home;
	for (size_t i = 0; i < count; i++) {
		bool again = false;

		for (size_t j = i + 1; j < count && !again; j++)
			again = same_name(dst[i], dst[j]);
		if (!again)
			dst[kept++] = dst[i];
	}
	dst[kept] = NULL;
}

const char *apply_search_path(const struct plan *plan)
{
	struct plan_list env = plan->env;
	const char *text;

	while ((text = plan_next_text(&env)))
		if (strncmp(text, "PATH=", 5) == 0)
			return text + 5;
	return DEFAULT_PATH;
}

/* execvp(3) with the container's PATH. Returns the errno that says most. */
static int execute_by_name(const struct plan *plan, char *const *argv, char *const *env)
{
	static char file[PATH_MAX];
	struct str rest = str_from(apply_search_path(plan)), dir;
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

/* The program in the container: a file that somebody may execute. */
static int find_in(struct str dir, const char *name)
{
	static char file[PATH_MAX];
	OWN_FD int fd = -1;
	struct stat st;
	int n = snprintf(file, sizeof(file), "%.*s%s%s", STR_ARG(dir), dir.len ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(file))
		return -ENAMETOOLONG;
	fd = fs_open(AT_FDCWD, file, FS_HOST, O_PATH, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return !S_ISREG(st.st_mode) || !(st.st_mode & 0111) ? -EACCES : 0;
}

/* What create has to find out: behind the gate it would come too late for it. */
int apply_find_program(struct apply *apply, struct err *err)
{
	struct plan_list argv = apply->plan->argv;
	const char *name = plan_next_text(&argv);
	struct str rest = str_from(apply_search_path(apply->plan)), dir;
	char shown[128];
	int r = -ENOENT;

	if (apply->gate < 0 || apply->plan->flags & PLAN_FLAG_NO_PROGRAM)
		return 0;
	str_escape(str_from(name), shown, sizeof(shown));
	if (strchr(name, '/')) {
		r = find_in(STR(""), name);
		return r < 0 ? err_sys(err, r, "\"%s\"", shown) : 0;
	}
	while (str_cut(&rest, ':', &dir)) {
		int here = find_in(dir, name);

		if (here == 0)
			return 0;
		r = here == -ENOENT || here == -ENOTDIR ? r : here;
	}
	if (r == -ENOENT)
		return err_set(err, r, "\"%s\": executable file not found in PATH of the container",
			       shown);
	return err_sys(err, r, "\"%s\"", shown);
}

int apply_execute(struct apply *apply, struct err *err)
{
	static char *argv[RUN_ARGS_MAX + 1], *env[RUN_ARGS_MAX + 2];
	const char *home = apply_home(apply->plan);
	char shown[128];
	int code;

	fill(argv, apply->plan->argv);
	fill_env(env, apply->plan, home);
	str_escape(str_from(argv[0]), shown, sizeof(shown));
	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		return err_sys(err, -errno, "\"%s\"", shown);
	}
	code = execute_by_name(apply->plan, argv, env);
	if (code == ENOENT)
		return err_set(err, -ENOENT,
			       "\"%s\": executable file not found in PATH of the container", shown);
	return err_sys(err, -code, "\"%s\"", shown);
}
