/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_KERNEL_H
#define HOY_ENGINE_RUN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/*
 * The mount API on fds, cgroup-aware clone and their numbers, under names of our own: the headers
 * of the two C libraries we build with and linux/mount.h disagree on who defines what. No call
 * retries; results are the call's own or a negative errno.
 */
enum {
	K_FSCONFIG_SET_FLAG = 0,
	K_FSCONFIG_SET_STRING = 1,
	K_FSCONFIG_CMD_CREATE = 6,
	K_MOUNT_ATTR_RDONLY = 1,
	K_MOUNT_ATTR_NOSUID = 2,
	K_MOUNT_ATTR_NODEV = 4,
	K_MOUNT_ATTR_NOEXEC = 8,
	K_MOUNT_ATTR_ATIME_MASK = 0x70,
	K_MOUNT_ATTR_NOATIME = 0x10,
	K_MOUNT_ATTR_STRICTATIME = 0x20,
	K_MOUNT_ATTR_NODIRATIME = 0x80,
	K_MOUNT_ATTR_IDMAP = 0x100000,
	K_MOUNT_ATTR_NOSYMFOLLOW = 0x200000,
	K_NS_TIME = 0x80, /* CLONE_NEWTIME */
};

#define K_PROC_MAGIC	0x9fa0
#define K_SYSFS_MAGIC	0x62656572
#define K_CGROUP_MAGIC	0x63677270
#define K_DEVPTS_MAGIC	0x1cd1
#define K_OVERLAY_MAGIC 0x794c7630
#define K_EROFS_MAGIC	0xe0f5e1e2

/* A new superblock's configuration; then options, k_fs_create(), k_fs_mount() gives the detached
 * mount. All fds are CLOEXEC. */
int k_fsopen(const char *type);
int k_fs_string(int fs_fd, const char *key, const char *value);
int k_fs_flag(int fs_fd, const char *key);
int k_fs_create(int fs_fd);
int k_fs_mount(int fs_fd, unsigned attributes);
/* What the kernel says about a failed fs call ("e ..."), "" when nothing. */
const char *k_fs_message(int fs_fd, char *dst, size_t cap);

/* A detached copy of the mount that fd stands on, perhaps with what is mounted below. */
int k_clone_tree(int fd, int recursive);
/* Attaches a detached mount over what target_fd names. */
int k_attach(int tree_fd, int target_fd);
int k_set_attributes(int mount_fd, uint64_t set, uint64_t clear, int recursive);
/* Attributes, propagation (MS_PRIVATE ..., 0 = leave) and idmap (-1 = none) in one call. */
struct k_mount_change {
	uint64_t set, clear, propagation;
	int userns_fd;
};
int k_change_mount(int mount_fd, const struct k_mount_change *change, int recursive);
/* Nothing that is mounted elsewhere comes in, nothing goes out. */
int k_make_private(int mount_fd);
int k_pivot_root(const char *new_root, const char *put_old);

/* fork(2) with namespaces (CLONE_NEW*, K_NS_TIME), a pidfd and a cgroup (-1 = stay). */
long k_fork(uint64_t namespaces, int cgroup_fd, int *ret_pidfd);
/* The same with the caller's parent as parent: a sibling. No pidfd. */
long k_fork_sibling(uint64_t namespaces);
int k_pidfd_open(int pid);
/* Its process has ended (and may not be reaped yet). */
int k_pidfd_ended(int pidfd);
int k_sched_setattr(const void *attr);
int k_ioprio_set(int value);
int k_close_range(unsigned first, unsigned last);
int k_pidfd_signal(int pidfd, int signal);
/* ioctl(2); the C libraries disagree on the type of its numbers. */
int k_ioctl(int fd, unsigned long request, void *arg);
/* Hard limits of a project on the file system that fd is on. */
int k_set_project_quota(int fd, uint32_t project, uint64_t kib, uint64_t inodes);
/* The file system type of an fd, 0 when it cannot be told. */
long k_fs_type(int fd);

#endif
