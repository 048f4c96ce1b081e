/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what keeps the kernel's own files away from the container: sysctls, read-only paths, masks.
 * Runs in the child of the shim. /proc and /sys are reached through the fds of the mounts that were
 * made a moment ago, never through a path of the image. Must never skip a path for any reason but
 * its not being there.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { CPUS_MAX = 8192, NULL_MAJOR = 1, NULL_MINOR = 3 };

/* -ENOENT: there is nothing to guard. */
static int open_guarded(struct apply *apply, const char *path, struct err *err)
{
	static const struct str proc = STR("/proc/"), sys = STR("/sys/");
	struct str s = str_from(path);

	if (str_starts(s, proc) && apply->proc >= 0)
		return fs_open(apply->proc, path + proc.len, FS_BENEATH_XDEV, O_PATH | O_NOFOLLOW,
			       0, err);
	if (str_starts(s, sys) && apply->sys >= 0)
		return fs_open(apply->sys, path + sys.len, FS_BENEATH_XDEV, O_PATH | O_NOFOLLOW, 0,
			       err);
	while (*path == '/')
		path++;
	return fs_open(apply->root, *path ? path : ".", FS_IN_ROOT, O_PATH, 0, err);
}

int apply_op_sysctl(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char path[RUN_PATH_MAX + 8];

	/* A listed container may have no /proc: one that nobody sees does. */
	if (apply->proc < 0)
		apply->proc = apply_new_mount("proc", NULL, 0, err);
	if (apply->proc < 0)
		return apply->proc;
	(void)snprintf(path, sizeof(path), "sys/%s", op->target);
	return fs_write_control(apply->proc, path, str_from(op->source), err);
}

int apply_op_readonly(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int place = open_guarded(apply, op->target, err);
	OWN_FD int tree = -1;
	int r;

	if (place == -ENOENT)
		return 0;
	if (place < 0)
		return place;
	tree = k_clone_tree(place, 1);
	if (tree < 0)
		return err_sys(err, tree, "read-only %s: clone", op->target);
	r = k_set_attributes(tree, K_MOUNT_ATTR_RDONLY, 0, 1);
	if (r == 0)
		r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "read-only %s", op->target) : 0;
}

/* A container with the host's /dev: the host's null, if it is the device. */
static int open_host_null(struct apply *apply, struct err *err)
{
	OWN_FD int node =
		fs_open(apply->old_root, "dev/null", FS_BENEATH_XDEV, O_PATH | O_NOFOLLOW, 0, err);
	struct stat st;

	if (node < 0)
		return node;
	if (fstat(node, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(NULL_MAJOR, NULL_MINOR))
		return err_set(err, -ENODEV, "/dev/null is not the null device");
	return take_fd(&node);
}

static int count_entry(int dirfd, const char *name, unsigned char d_type, void *owner,
		       struct err *err)
{
	(void)dirfd;
	(void)name;
	(void)d_type;
	(void)err;
	(*(unsigned *)owner)++;
	return 0;
}

/*
 * A directory of sysfs that is for mounts only: empty, and the kernel lets nobody put anything into
 * it. As a mask it costs no file system of its own, of which a machine with a thousand containers
 * has a thousand less. -1: this /sys has none.
 */
static int open_empty(struct apply *apply)
{
	static const char *const places[] = { "fs/bpf", "kernel/debug", "kernel/tracing",
					      "fs/pstore" };
	struct statfs fs;

	if (apply->sys < 0 || fstatfs(apply->sys, &fs) < 0 || fs.f_type != SYSFS_MAGIC)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		OWN_FD int dir = fs_open(apply->sys, places[i], FS_BENEATH_XDEV,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
		unsigned entries = 0;

		if (dir >= 0 && fs_each(dir, count_entry, &entries, NULL) == 0 && entries == 0)
			return take_fd(&dir);
	}
	return -1;
}

/*
 * What masks directories: an empty directory of /sys, else an empty tmpfs. Where somebody else
 * wrote the list it is always the tmpfs: there the answer to a new file is that the file system is
 * read-only, as with other runtimes, and not that there is no such directory.
 */
static int mask_directory(struct apply *apply, struct err *err)
{
	static const char *const options[] = {
		"mode", "755", "size", "4096", "nr_inodes", "2", NULL
	};
	const uint64_t attributes = K_MOUNT_ATTR_RDONLY | K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NODEV |
				    K_MOUNT_ATTR_NOEXEC;
	int tree;

	if (apply->mask < 0 && !(apply->plan->flags & PLAN_FLAG_LISTED))
		apply->mask = open_empty(apply);
	if (apply->mask < 0) {
		/* The first directory takes it itself; a detached one could not be cloned for the
		 * next. */
		tree = apply_new_mount("tmpfs", options, attributes, err);
		if (tree >= 0)
			apply->mask = fcntl(tree, F_DUPFD_CLOEXEC, 0);
		return tree;
	}
	tree = k_clone_tree(apply->mask, 0);
	if (tree >= 0 && k_set_attributes(tree, attributes, 0, 0) < 0) {
		own_close(&tree);
		return err_set(err, -EIO, "make the mask read-only");
	}
	return tree < 0 ? err_sys(err, tree, "clone the mask") : tree;
}

/* Over files the container's own null node. */
static int mask_file(struct apply *apply, struct err *err)
{
	int tree;

	if (apply->null < 0) {
		tree = open_host_null(apply, err);
		if (tree < 0)
			return tree;
		apply->null = tree;
	}
	tree = k_clone_tree(apply->null, 0);
	if (tree < 0)
		return err_sys(err, tree, "clone the mask");
	/* Read-only: its owner and mode shall not be changed through the masked name. */
	if (k_set_attributes(tree, K_MOUNT_ATTR_RDONLY | K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NOEXEC,
			     0, 0) < 0) {
		own_close(&tree);
		return err_set(err, -EIO, "make the mask read-only");
	}
	return tree;
}

static int mask(struct apply *apply, const char *path, struct err *err)
{
	OWN_FD int place = open_guarded(apply, path, err);
	OWN_FD int tree = -1;
	struct stat st;
	int r;

	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return err_sys(err, -errno, "mask %s: stat", path);
	tree = S_ISDIR(st.st_mode) ? mask_directory(apply, err) : mask_file(apply, err);
	if (tree < 0)
		return err_prefix(err, "mask %s", path);
	r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "mask %s", path) : 0;
}

int apply_op_mask(struct apply *apply, const struct plan_op *op, struct err *err)
{
	int r = defence_on(DEFENCE_A24_MASKS) ? mask(apply, op->target, err) : 0;

	return r == -ENOENT ? 0 : r;
}

int apply_op_mask_cpus(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char path[128];

	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		int r;

		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpu);
		if (apply->sys < 0 || !fs_exists(apply->sys, path + 5, FS_BENEATH_XDEV))
			break;
		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/%s", cpu,
			       op->target);
		r = mask(apply, path, err);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}
