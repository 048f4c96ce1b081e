/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the capability sets and the seccomp filter of a process that is about to be executed. Runs
 * in the child of the shim or of hoy-oci. Must never leave a capability in any of the five sets
 * that the plan does not name.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/own.h"

enum { CAP_WORDS = 2, CAPS = 64, LISTENER_POLL_NS = 200000, PAGE = 4096 };

/* What we may hand on: no process gives what it does not have. */
static uint64_t caps_there;

/* One page that the child and its starter share: the only way to talk behind a strange filter. */
struct listener_page {
	_Atomic int fd; /* in the child, -1 = not there yet */
	_Atomic int taken;
};

static struct listener_page *listener_page;

/* Some seconds of one CPU: the taker polls five thousand times in each. */
#define LISTENER_TURNS ((uint64_t)1 << 33)

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = { 0 };

	for (int i = 0; i < CAP_WORDS; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(err, -errno, "set capabilities");
	return 0;
}

/* Drops what is not wanted from the bounding set, and looks what we ourselves have to give. */
int apply_bound_caps(const struct plan *plan, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAP_WORDS] = { 0 };
	uint64_t wanted = plan->caps.bounding;

	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(err, -errno, "read the own capabilities");
	caps_there = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	for (int cap = 0; cap < CAPS; cap++) {
		if (wanted >> cap & 1 || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break; /* the kernel knows no more */
		return err_sys(err, -errno, "drop capability %d", cap);
	}
	return 0;
}

/*
 * Without no_new_privs a filter can be loaded with CAP_SYS_ADMIN only, so that one is given back
 * behind it: after the filter come capset and execve, nothing else.
 */
int apply_caps_for_filter(const struct plan *plan, struct err *err)
{
	const uint64_t admin = (uint64_t)1 << CAP_SYS_ADMIN;
	uint64_t inheritable = plan->caps.inheritable & caps_there;
	uint64_t permitted = plan->caps.permitted & caps_there;
	uint64_t ambient = plan->caps.ambient & permitted & inheritable;
	int r;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, -errno, "clear ambient capabilities");
	r = set_caps(permitted | admin, permitted | admin, inheritable, err);
	for (int cap = 0; r == 0 && cap < CAPS; cap++)
		if (ambient >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			r = err_sys(err, -errno, "raise ambient capability %d", cap);
	return r;
}

int apply_caps(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;
	bool sets = plan->flags & PLAN_FLAG_CAP_SETS;
	uint64_t permitted = plan->caps.permitted & caps_there;
	uint64_t inheritable = plan->caps.inheritable & caps_there;

	if (!defence_on(DEFENCE_A10_INHERITABLE))
		inheritable = permitted;
	/* execve would take them from another user anyway; its own checks shall not have them. */
	if (!sets && plan->uid != 0)
		return set_caps(0, 0, 0, err);
	return set_caps(sets ? plan->caps.effective & permitted : permitted, permitted, inheritable,
			err);
}

/* ---- seccomp ---- */

int apply_listener_page(struct apply *apply, struct err *err)
{
	void *page;

	if (!(apply->plan->flags & PLAN_FLAG_LISTENER))
		return 0;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return err_sys(err, -errno, "seccomp listener: share a page");
	listener_page = page;
	atomic_store(&listener_page->fd, -1);
	return 0;
}

static void sleep_a_little(void)
{
	const struct timespec little = { .tv_nsec = LISTENER_POLL_NS };

	(void)nanosleep(&little, NULL);
}

int apply_take_listener(struct apply *apply, int pidfd, struct err *err)
{
	int theirs, ours;

	(void)apply;
	if (!listener_page)
		return err_set(err, -EINVAL, "seccomp listener: the plan has none");
	while ((theirs = atomic_load(&listener_page->fd)) < 0) {
		if (k_pidfd_signal(pidfd, 0) == -ESRCH || k_pidfd_ended(pidfd))
			return err_set(err, -ESRCH, "seccomp listener: the process ended first");
		sleep_a_little();
	}
	ours = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	if (ours < 0)
		ours = err_sys(err, -errno, "seccomp listener: take the fd");
	atomic_store(&listener_page->taken, 1);
	(void)munmap(listener_page, PAGE);
	listener_page = NULL;
	return ours;
}

/* No system call may be made until the fd is safe: each could wait for the one who gets it. */
static int give_listener(int fd)
{
	atomic_store(&listener_page->fd, fd);
	for (uint64_t turns = 0; turns < LISTENER_TURNS; turns++)
		if (atomic_load(&listener_page->taken))
			return 0;
	/* Whoever should have taken it is gone; an exit could wait for its answer. */
	__builtin_trap();
}

static int load_filter(const struct plan *plan, struct err *err)
{
	struct str filter = plan->seccomp;
	struct sock_fprog program = {
		.len = (unsigned short)(filter.len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)filter.ptr,
	};
	bool listener = plan->flags & PLAN_FLAG_LISTENER;
	unsigned flags = plan->seccomp_flags;
	long r;

	if (filter.len == 0)
		return 0;
	if (listener && !listener_page)
		return err_set(err, -EINVAL, "seccomp listener: nobody takes it");
	if (listener) /* with TSYNC the kernel could not tell an error from an fd */
		flags = (flags & ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC) |
			SECCOMP_FILTER_FLAG_NEW_LISTENER;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (r < 0)
		return err_sys(err, -errno, "load the seccomp filter");
	return listener ? give_listener((int)r) : 0;
}

int apply_filter_first(struct apply *apply, struct err *err)
{
	return apply->plan->flags & PLAN_FLAG_LISTENER ? load_filter(apply->plan, err) : 0;
}

int apply_filter(struct apply *apply, struct err *err)
{
	return apply->plan->flags & PLAN_FLAG_LISTENER ? 0 : load_filter(apply->plan, err);
}
