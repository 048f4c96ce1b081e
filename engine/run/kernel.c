/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the raw calls behind kernel.h. Runs in the shim and in engine main. Must never add policy:
 * one call in, one result out.
 */
#include "engine/run/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/quota.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	K_FSOPEN_CLOEXEC = 1,
	K_FSMOUNT_CLOEXEC = 1,
	K_OPEN_TREE_CLONE = 1,
	K_MOVE_F_EMPTY = 0x04,
	K_MOVE_T_EMPTY = 0x40,
	K_AT_RECURSIVE = 0x8000,
	K_QUOTACTL_FD = 443, /* the same number on every architecture */
};

struct k_mount_attr {
	uint64_t set, clear, propagation, userns_fd;
};

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int k_fsopen(const char *type)
{
	return result(syscall(SYS_fsopen, type, K_FSOPEN_CLOEXEC));
}

int k_fs_string(int fs_fd, const char *key, const char *value)
{
	return result(syscall(SYS_fsconfig, fs_fd, K_FSCONFIG_SET_STRING, key, value, 0));
}

int k_fs_flag(int fs_fd, const char *key)
{
	return result(syscall(SYS_fsconfig, fs_fd, K_FSCONFIG_SET_FLAG, key, NULL, 0));
}

int k_fs_create(int fs_fd)
{
	return result(syscall(SYS_fsconfig, fs_fd, K_FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int k_fs_mount(int fs_fd, unsigned attributes)
{
	return result(syscall(SYS_fsmount, fs_fd, K_FSMOUNT_CLOEXEC, attributes));
}

const char *k_fs_message(int fs_fd, char *dst, size_t cap)
{
	int saved = errno;
	ssize_t n = read(fs_fd, dst, cap - 1);

	errno = saved;
	if (n <= 0)
		n = 0;
	dst[n] = '\0';
	for (char *c = dst; *c; c++)
		if (*c < ' ')
			*c = ' ';
	/* "e overlay: text": the letter is the severity. */
	return n > 2 && dst[1] == ' ' ? dst + 2 : dst;
}

int k_clone_tree(int fd, int recursive)
{
	unsigned flags = K_OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH |
			 (recursive ? (unsigned)K_AT_RECURSIVE : 0);

	return result(syscall(SYS_open_tree, fd, "", flags));
}

int k_attach(int tree_fd, int target_fd)
{
	return result(syscall(SYS_move_mount, tree_fd, "", target_fd, "",
			      K_MOVE_F_EMPTY | K_MOVE_T_EMPTY));
}

int k_change_mount(int mount_fd, const struct k_mount_change *change, int recursive)
{
	struct k_mount_attr attr = { .set = change->set,
				     .clear = change->clear,
				     .propagation = change->propagation };
	unsigned flags = AT_EMPTY_PATH | (recursive ? (unsigned)K_AT_RECURSIVE : 0);

	if (change->userns_fd >= 0) {
		attr.set |= K_MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)change->userns_fd;
	}
	return result(syscall(SYS_mount_setattr, mount_fd, "", flags, &attr, sizeof(attr)));
}

int k_set_attributes(int mount_fd, uint64_t set, uint64_t clear, int recursive)
{
	const struct k_mount_change change = { .set = set, .clear = clear, .userns_fd = -1 };

	return k_change_mount(mount_fd, &change, recursive);
}

int k_make_private(int mount_fd)
{
	const struct k_mount_change change = { .propagation = MS_PRIVATE, .userns_fd = -1 };

	return k_change_mount(mount_fd, &change, 1);
}

int k_ioctl(int fd, unsigned long request, void *arg)
{
	return result(syscall(SYS_ioctl, fd, request, arg));
}

int k_set_project_quota(int fd, uint32_t project, uint64_t kib, uint64_t inodes)
{
	struct if_dqblk limits;

	memset(&limits, 0, sizeof(limits));
	limits.dqb_bhardlimit = kib; /* quota blocks are of a KiB, whatever the disk's are */
	limits.dqb_ihardlimit = inodes;
	limits.dqb_valid = QIF_LIMITS;
	return result(
		syscall(K_QUOTACTL_FD, fd, (unsigned)QCMD(Q_SETQUOTA, PRJQUOTA), project, &limits));
}

int k_pivot_root(const char *new_root, const char *put_old)
{
	return result(syscall(SYS_pivot_root, new_root, put_old));
}

long k_fork(uint64_t namespaces, int cgroup_fd, int *ret_pidfd)
{
	struct clone_args args;
	long r;

	memset(&args, 0, sizeof(args));
	args.flags = namespaces | CLONE_PIDFD;
	args.pidfd = (uintptr_t)ret_pidfd;
	args.exit_signal = SIGCHLD;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)cgroup_fd;
	}
	r = syscall(SYS_clone3, &args, sizeof(args));
	return r < 0 ? -errno : r;
}

long k_fork_sibling(uint64_t namespaces)
{
	struct clone_args args;
	long r;

	memset(&args, 0, sizeof(args));
	args.flags = namespaces | CLONE_PARENT; /* the signal at its end is the caller's own */
	r = syscall(SYS_clone3, &args, sizeof(args));
	return r < 0 ? -errno : r;
}

int k_pidfd_ended(int pidfd)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) > 0;
}

int k_pidfd_open(int pid)
{
	return result(syscall(SYS_pidfd_open, pid, 0));
}

int k_sched_setattr(const void *attr)
{
	return result(syscall(SYS_sched_setattr, 0, attr, 0));
}

int k_ioprio_set(int value)
{
	enum { IOPRIO_WHO_PROCESS = 1 };

	return result(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value));
}

int k_close_range(unsigned first, unsigned last)
{
	return result(syscall(SYS_close_range, first, last, 0));
}

int k_pidfd_signal(int pidfd, int signal)
{
	return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

long k_fs_type(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 ? 0 : (long)fs.f_type;
}
