/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the id-mapped mounts under an overlay and the owner of what an overlay makes. Runs in engine
 * main. The kernel (6.12) takes only mounts that are attached as layers and then has copies of its
 * own: they stand below the run directory for as long as one mount takes, in a directory that
 * nobody else may enter. Must never leave this process with an id or a capability changed.
 */
#include "engine/run/rootfs_map.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { SHOWN_NAME_MAX = 16, CAPABILITY_WORDS = 2 };

static int take_away(int dirfd, const char *name, struct err *err)
{
	int r = fs_umount(dirfd, name, MNT_DETACH, err);

	if (r < 0 && r != -EINVAL) /* no mount point (any more) */
		return r;
	return fs_rmdir(dirfd, name, err);
}

static int clean_one(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	(void)type;
	(void)owner;
	return take_away(dirfd, name, err);
}

int rootfs_shown_clean(struct rootfs *rootfs, struct err *err)
{
	return fs_each(rootfs->mapped_fd, clean_one, NULL, err);
}

int rootfs_show(struct rootfs_shown *shown, int fd, struct err *err)
{
	char name[SHOWN_NAME_MAX];
	OWN_FD int tree = -1;
	OWN_FD int place = -1;
	int r;

	if (!shown->mapping) {
		r = dup(fd);
		return r < 0 ? err_sys(err, -errno, "keep a directory") : r;
	}
	(void)snprintf(name, sizeof(name), "%u", shown->count);
	tree = user_namespace_view(shown->mapping->userns_fd, fd, err);
	if (tree < 0)
		return tree;
	place = fs_open_dir(shown->rootfs->mapped_fd, name, FS_BENEATH_XDEV, 0700, err);
	if (place < 0)
		return place;
	shown->count++;
	r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "attach an id-mapped mount") : take_fd(&tree);
}

void rootfs_shown_done(struct rootfs_shown *shown)
{
	char name[SHOWN_NAME_MAX];

	while (shown->count > 0) {
		(void)snprintf(name, sizeof(name), "%u", --shown->count);
		(void)take_away(shown->rootfs->mapped_fd, name, NULL);
	}
}

/* ---- the owner ---- */

/* Another id than root's takes those capabilities away that are about files. */
static int have_all_permitted(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[CAPABILITY_WORDS] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int i = 0; i < CAPABILITY_WORDS; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Neither call says whether it did it; asked again with an id that is none, it says what is. */
static bool be(uint32_t id)
{
	(void)setfsgid(id);
	(void)setfsuid(id);
	return (uint32_t)setfsgid((gid_t)-1) == id && (uint32_t)setfsuid((uid_t)-1) == id;
}

void rootfs_act_back(void)
{
	if (!be(0) || have_all_permitted() < 0)
		abort();
}

int rootfs_act_as(uint32_t id, struct err *err)
{
	int r = be(id) ? have_all_permitted() : -EPERM;

	if (r == 0)
		return 0;
	rootfs_act_back();
	return err_sys(err, r, "act as the root of a user namespace");
}
