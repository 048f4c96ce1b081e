/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the last act of a role's start-up. Every role but PID 1 runs it once, before it reads
 * anything foreign. It must never go on after a step that failed.
 */
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sandbox_filter.h"

enum { CAPABILITY_BITS = 64 };

static int set_limit(int which, uint64_t value, const char *what, struct err *err)
{
	/* By number: the C libraries disagree about the type of `which`. */
	uint64_t limit[2] = { value, value }, now[2];
	int r = syscall(SYS_prlimit64, 0, which, limit, NULL) < 0 ? -errno : 0;

	/* Who may not raise it is held by the tighter one already. */
	if (r == -EPERM && syscall(SYS_prlimit64, 0, which, NULL, now) == 0 && now[1] < value) {
		limit[0] = limit[1] = now[1];
		r = syscall(SYS_prlimit64, 0, which, limit, NULL) < 0 ? -errno : 0;
	}
	return r < 0 ? err_sys(err, r, "sandbox: limit %s", what) : 0;
}

static int set_limits(const struct sandbox *sandbox, struct err *err)
{
	int r = 0;

	if (sandbox->files_max > 0)
		r = set_limit(RLIMIT_NOFILE, sandbox->files_max, "open files", err);
	if (r == 0 && sandbox->address_space_max > 0)
		r = set_limit(RLIMIT_AS, sandbox->address_space_max, "the address space", err);
	if (r == 0 && !sandbox->keep_setid) /* what main has, containers inherit */
		r = set_limit(RLIMIT_CORE, 0, "core files", err);
	return r;
}

static int change_root(const char *root, struct err *err)
{
	OWN_FD int fd = -1;
	int r;

	if (!root)
		return 0;
	/* The path is ours, written in the program. */
	fd = fs_open(AT_FDCWD, root, FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	r = fs_change_root(fd, err);
	if (r < 0)
		(void)err_prefix(err, "sandbox: %s", root);
	return r;
}

static int drop_bounding_set(uint64_t keep, struct err *err)
{
	for (unsigned cap = 0; cap < CAPABILITY_BITS; cap++) {
		int code;

		if ((keep >> cap & 1) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		code = errno;
		if (code == EINVAL) /* the first number that this kernel does not know */
			break;
		/* Who may not drop is not asked to when it is gone already. */
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return err_sys(err, -code, "sandbox: drop capability %u", cap);
	}
	return 0;
}

static int set_identity(const struct sandbox *sandbox, struct err *err)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "sandbox: keep capabilities");
	if (setgroups(0, NULL) < 0)
		return err_sys(err, -errno, "sandbox: drop groups");
	if (setresgid(sandbox->gid, sandbox->gid, sandbox->gid) < 0)
		return err_sys(err, -errno, "sandbox: become group %u", sandbox->gid);
	if (setresuid(sandbox->uid, sandbox->uid, sandbox->uid) < 0)
		return err_sys(err, -errno, "sandbox: become user %u", sandbox->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, -errno, "sandbox: stop keeping capabilities");
	return 0;
}

static int set_capabilities(uint64_t keep, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], data[2] = { 0 };

	if (syscall(SYS_capget, &head, now) < 0)
		return err_sys(err, -errno, "sandbox: read capabilities");
	for (int i = 0; i < 2; i++) {
		uint32_t want = (uint32_t)(keep >> (32 * i));

		/* All bits mean: what there is. A single one that is missing is an error. */
		data[i].permitted = keep == UINT64_MAX ? now[i].permitted : want;
		data[i].effective = data[i].permitted;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, -errno, "sandbox: clear ambient capabilities");
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(err, -errno, "sandbox: set capabilities");
	return 0;
}

#if defined(__SANITIZE_ADDRESS__)
/* Test builds say which call it was; see kill_action in sandbox_filter.c. */
static void name_denied_call(int signal, siginfo_t *info, void *context)
{
	char line[80];
	int len = snprintf(line, sizeof(line), "<3>sandbox: system call %d is forbidden\n",
			   info->si_syscall);

	(void)context;
	(void)!write(STDERR_FILENO, line, (size_t)len);
	(void)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

static void watch_denied_calls(void)
{
	struct sigaction action = { .sa_sigaction = name_denied_call,
				    .sa_flags = (int)(SA_SIGINFO | SA_NODEFER | SA_RESETHAND) };

	(void)sigaction(SIGSYS, &action, NULL);
}
#else
static void watch_denied_calls(void)
{
}
#endif

static int install_filter(const struct sandbox *sandbox, struct err *err)
{
	static struct sandbox_filter filter;
	struct sock_fprog program;

	if (sandbox->keep_setid)
		sandbox_filter_deny(&filter);
	else
		sandbox_filter_profile(&filter, sandbox->profile, (uint32_t)getpid());
	if (filter.overflow)
		return err_set(err, -E2BIG, "sandbox: the filter of profile %d is too long",
			       (int)sandbox->profile);
	program = (struct sock_fprog){ .len = (unsigned short)filter.len, .filter = filter.code };
	watch_denied_calls();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, -errno, "sandbox: install the system-call filter");
	return 0;
}

int sandbox_enter(const struct sandbox *sandbox, struct err *err)
{
	bool strict = !sandbox->keep_setid;
	int r = set_limits(sandbox, err);

	if (r == 0)
		r = change_root(sandbox->root, err);
	if (r == 0 && strict)
		r = drop_bounding_set(sandbox->capabilities, err);
	if (r == 0)
		r = set_identity(sandbox, err);
	if (r == 0 && strict && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_sys(err, -errno, "sandbox: set no_new_privs");
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = err_sys(err, -errno, "sandbox: forbid tracing");
	/* Without no_new_privs the filter needs CAP_SYS_ADMIN: it goes in before they go. */
	if (r == 0 && !strict)
		r = install_filter(sandbox, err);
	if (r == 0)
		r = set_capabilities(sandbox->capabilities, err);
	if (r == 0 && strict)
		r = install_filter(sandbox, err);
	return r;
}
