/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the mounts that make up a container's root: EROFS layers and overlays. Runs in engine main,
 * in its mount namespace. Must never mount a layer writable, and never take away a mount whose name
 * it was not asked about.
 */
#include "engine/run/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "engine/run/rootfs_map.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LOOP_TRIES = 16 };

int rootfs_init(struct rootfs *rootfs, int run_fd, struct err *err)
{
	int *const fds[] = { &rootfs->layers_fd, &rootfs->mnt_fd, &rootfs->mapped_fd };
	static const char *const names[] = { "layers", "mnt", "mapped" };
	int r = 0;

	*rootfs = (struct rootfs){ -1, -1, -1 };
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(fds); i++)
		r = *fds[i] = fs_open_dir(run_fd, names[i], FS_BENEATH_XDEV, 0700, err);
	if (r >= 0)
		r = rootfs_shown_clean(rootfs, err);
	if (r < 0)
		rootfs_done(rootfs);
	return r < 0 ? r : 0;
}

void rootfs_done(struct rootfs *rootfs)
{
	if (!rootfs)
		return;
	own_close(&rootfs->layers_fd);
	own_close(&rootfs->mnt_fd);
	own_close(&rootfs->mapped_fd);
}

/* What is mounted at a name: its root, when it is of the type. -ENOENT when nothing is. */
static int open_mounted(int dirfd, const char *name, long type)
{
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH_XDEV, O_PATH | O_DIRECTORY, 0, NULL);

	if (fd < 0)
		return fd;
	return k_fs_type(fd) == type ? take_fd(&fd) : -ENOENT;
}

/* Beside the layers: what stands below an image that has none. */
static const char *const nothing[] = { "nothing", "nothing-too" };

/* ---- layers ---- */

static int loop_setup(int control, int layer_fd, int *ret_loop, char *device, size_t cap,
		      struct err *err)
{
	struct loop_config config = {
		.fd = (__u32)layer_fd,
		.info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR },
	};

	/* Others may take the free number between the two calls. */
	for (int i = 0; i < LOOP_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		OWN_FD int fd = -1;

		if (number < 0)
			return err_sys(err, -errno, "find a free loop device");
		(void)snprintf(device, cap, "/dev/loop%d", number);
		fd = fs_open(AT_FDCWD, device, FS_HOST, O_RDONLY, 0, err);
		if (fd < 0)
			return fd;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_loop = take_fd(&fd);
			return 0;
		}
		if (errno != EBUSY)
			return err_sys(err, -errno, "set up %s", device);
	}
	return err_set(err, -EBUSY, "no loop device stays free");
}

/* A detached read-only EROFS mount of `source`. */
static int new_erofs(const char *source, struct err *err)
{
	OWN_FD int fs = k_fsopen("erofs");
	char message[160];
	int r = fs;

	if (r >= 0)
		r = k_fs_string(fs, "source", source);
	if (r >= 0)
		r = k_fs_flag(fs, "ro");
	if (r >= 0)
		r = k_fs_create(fs);
	if (r >= 0)
		r = k_fs_mount(fs, K_MOUNT_ATTR_RDONLY);
	return r < 0 ? err_sys(err, r, "mount the layer %s",
			       fs < 0 ? "" : k_fs_message(fs, message, sizeof(message)))
		     : r;
}

static int new_layer(int layer_fd, struct err *err)
{
	char path[FS_FD_PATH_MAX], device[32];
	OWN_FD int control = -1;
	OWN_FD int loop = -1;
	int fd = new_erofs(fs_fd_path(layer_fd, path), err);

	/* ENOTBLK: this file system (tmpfs) cannot stand behind EROFS. */
	if (fd != -ENOTBLK)
		return fd;
	control = fs_open(AT_FDCWD, "/dev/loop-control", FS_HOST, O_RDWR, 0, err);
	if (control < 0)
		return err_prefix(err, "the file system cannot back a layer and there is no loop "
				       "device");
	fd = loop_setup(control, layer_fd, &loop, device, sizeof(device), err);
	return fd < 0 ? fd : new_erofs(device, err);
}

bool rootfs_layer_mounted(struct rootfs *rootfs, const char *name)
{
	OWN_FD int fd = open_mounted(rootfs->layers_fd, name, K_EROFS_MAGIC);

	return fd >= 0;
}

/* The (made) directory `name` and what was mounted on it. */
static int attach_at(int dirfd, const char *name, int tree, struct err *err)
{
	OWN_FD int place = fs_open_dir(dirfd, name, FS_BENEATH_XDEV, 0700, err);
	int r;

	if (place < 0)
		return place;
	r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "attach %s", name) : 0;
}

int rootfs_layer_mount(struct rootfs *rootfs, const char *name, int layer_fd, struct err *err)
{
	OWN_FD int tree = -1;

	if (rootfs_layer_mounted(rootfs, name))
		return 0;
	tree = new_layer(layer_fd, err);
	if (tree < 0)
		return err_prefix(err, "layer %.12s", name);
	return attach_at(rootfs->layers_fd, name, tree, err);
}

/* ---- overlays ---- */

static int add_lower(struct rootfs_shown *shown, int fs, const char *name, struct err *err)
{
	char path[FS_FD_PATH_MAX];
	OWN_FD int layer = open_mounted(shown->rootfs->layers_fd, name, K_EROFS_MAGIC);
	OWN_FD int fd = -1;
	int r;

	if (layer < 0)
		return err_set(err, -ENOENT, "layer %.12s is not mounted", name);
	fd = rootfs_show(shown, layer, err);
	if (fd < 0)
		return err_prefix(err, "layer %.12s", name);
	/* By fd: no separators to escape, no limit of a page for all names together. */
	r = k_fs_string(fs, "lowerdir+", fs_fd_path(fd, path));
	return r < 0 ? err_sys(err, r, "overlay: add layer %.12s", name) : 0;
}

static int add_upper(int fs, const char *key, int fd, struct err *err)
{
	char path[FS_FD_PATH_MAX];
	int r = k_fs_string(fs, key, fs_fd_path(fd, path));

	return r < 0 ? err_sys(err, r, "overlay: %s", key) : 0;
}

/* An overlay has at least one lower: an image without a layer has an empty directory there, and one
 * that nobody writes to has two. */
static int add_nothing(struct rootfs_shown *shown, int fs, bool writable, struct err *err)
{
	char path[FS_FD_PATH_MAX];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < (writable ? 1 : ARRAY_LEN(nothing)); i++) {
		OWN_FD int dir =
			fs_open_dir(shown->rootfs->layers_fd, nothing[i], FS_BENEATH, 0755, err);
		OWN_FD int fd = dir < 0 ? -1 : rootfs_show(shown, dir, err);

		if (dir < 0 || fd < 0)
			return dir < 0 ? dir : fd;
		r = k_fs_string(fs, "lowerdir+", fs_fd_path(fd, path));
	}
	return r < 0 ? err_sys(err, r, "overlay: add an empty layer") : 0;
}

/*
 * userxattr already means that no redirect is followed and no metacopy is made; redirect_dir=off is
 * refused beside it (it means "follow" with some kernel configurations), nofollow says the same.
 */
static int add_options(int fs, struct err *err)
{
	static const char *const options[][2] = {
		{ "xino", "on" },
		{ "index", "off" },
		{ "metacopy", "off" },
		{ "redirect_dir", "nofollow" },
	};
	int r = k_fs_flag(fs, "userxattr");

	if (r < 0)
		return err_sys(err, r, "overlay: userxattr");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		r = k_fs_string(fs, options[i][0], options[i][1]);
		if (r < 0)
			return err_sys(err, r, "overlay: %s=%s", options[i][0], options[i][1]);
	}
	return 0;
}

/* Without it each unmount waits until all that the upper's file system holds is on the disk. */
static int add_volatile(int fs, struct err *err)
{
	int r = k_fs_flag(fs, "volatile");

	return r < 0 ? err_sys(err, r, "overlay: volatile") : 0;
}

static int create_overlay(int fs, bool writable, const struct rootfs_mapping *mapping,
			  struct err *err)
{
	char message[160];
	int r = mapping ? rootfs_act_as(mapping->root_id, err) : 0;

	if (r < 0)
		return r;
	r = k_fs_create(fs);
	if (mapping)
		rootfs_act_back();
	if (r == 0)
		r = k_fs_mount(fs, writable ? 0 : K_MOUNT_ATTR_RDONLY);
	return r < 0 ? err_sys(err, r, "overlay: mount %s",
			       k_fs_message(fs, message, sizeof(message)))
		     : r;
}

static int new_overlay(struct rootfs_shown *shown, const char *const *layers, size_t count,
		       int upper_fd, int work_fd, struct err *err)
{
	OWN_FD int fs = k_fsopen("overlay");
	bool writable = upper_fd >= 0;
	int r = 0;

	if (fs < 0)
		return err_sys(err, fs, "overlay: open");
	(void)k_fs_string(fs, "source", "overlay"); /* what /proc/mounts shows */
	/* The kernel takes the topmost first. */
	for (size_t i = count; i > 0 && r == 0; i--)
		r = add_lower(shown, fs, layers[i - 1], err);
	if (count == 0)
		r = add_nothing(shown, fs, writable, err);
	if (r == 0 && writable)
		r = add_upper(fs, "upperdir", upper_fd, err);
	if (r == 0 && writable)
		r = add_upper(fs, "workdir", work_fd, err);
	if (r == 0)
		r = add_options(fs, err);
	if (r == 0 && writable && shown->scratch)
		r = add_volatile(fs, err);
	return r < 0 ? r : create_overlay(fs, writable, shown->mapping, err);
}

/* An overlay needs an upper or two lowers: one layer alone is shown as it is. */
static int new_root(struct rootfs_shown *shown, const char *const *layers, size_t count,
		    int upper_fd, int work_fd, struct err *err)
{
	OWN_FD int layer = -1;
	int r;

	if (upper_fd >= 0 || count != 1)
		return new_overlay(shown, layers, count, upper_fd, work_fd, err);
	layer = open_mounted(shown->rootfs->layers_fd, layers[0], K_EROFS_MAGIC);
	if (layer < 0)
		return err_set(err, -ENOENT, "layer %.12s is not mounted", layers[0]);
	if (shown->mapping)
		return user_namespace_view(shown->mapping->userns_fd, layer, err);
	r = k_clone_tree(layer, 0);
	return r < 0 ? err_sys(err, r, "show layer %.12s", layers[0]) : r;
}

static int mount_root(struct rootfs_shown *shown, const char *id, const char *const *layers,
		      size_t count, int upper_fd, int work_fd, struct err *err)
{
	OWN_FD int tree = -1;
	int r;

	if (count > ROOTFS_LAYERS_MAX)
		return err_set(err, -EINVAL, "root of %.12s: %zu layers, at most %d", id, count,
			       ROOTFS_LAYERS_MAX);
	tree = new_root(shown, layers, count, upper_fd, work_fd, err);
	if (tree < 0)
		return err_prefix(err, "root of %.12s", id);
	r = attach_at(shown->rootfs->mnt_fd, id, tree, err);
	return r < 0 ? r : rootfs_open(shown->rootfs, id, err);
}

int rootfs_mount(struct rootfs *rootfs, const char *id, const char *const *layers, size_t count,
		 int upper_fd, int work_fd, struct err *err)
{
	struct rootfs_shown shown = { .rootfs = rootfs };
	int r = rootfs_open(rootfs, id, NULL);

	return r >= 0 ? r : mount_root(&shown, id, layers, count, upper_fd, work_fd, err);
}

int rootfs_mount_scratch(struct rootfs *rootfs, const char *id, const char *const *layers,
			 size_t count, int upper_fd, int work_fd, struct err *err)
{
	struct rootfs_shown shown = { .rootfs = rootfs, .scratch = true };

	return mount_root(&shown, id, layers, count, upper_fd, work_fd, err);
}

/* The upper and its work directory have to be of one mount: it is the one above both. */
static int open_mapped(struct rootfs_shown *shown, int dir_fd, int *ret_upper, int *ret_work,
		       struct err *err)
{
	OWN_FD int dir = rootfs_show(shown, dir_fd, err);

	if (dir < 0)
		return dir;
	*ret_upper = fs_open(dir, "upper", FS_BENEATH, O_PATH | O_DIRECTORY, 0, err);
	if (*ret_upper < 0)
		return *ret_upper;
	*ret_work = fs_open(dir, "work", FS_BENEATH, O_PATH | O_DIRECTORY, 0, err);
	return *ret_work < 0 ? *ret_work : 0;
}

int rootfs_mount_mapped(struct rootfs *rootfs, const char *id, const char *const *layers,
			size_t count, int dir_fd, const struct rootfs_mapping *mapping,
			struct err *err)
{
	struct rootfs_shown shown = { .rootfs = rootfs, .mapping = mapping };
	OWN_FD int upper = -1;
	OWN_FD int work = -1;
	int r = rootfs_open(rootfs, id, NULL);

	if (r >= 0)
		return r;
	r = dir_fd < 0 ? 0 : open_mapped(&shown, dir_fd, &upper, &work, err);
	if (r == 0)
		r = mount_root(&shown, id, layers, count, upper, work, err);
	rootfs_shown_done(&shown);
	return r;
}

int rootfs_open(struct rootfs *rootfs, const char *id, struct err *err)
{
	int fd = open_mounted(rootfs->mnt_fd, id, K_OVERLAY_MAGIC);

	if (fd < 0)
		fd = open_mounted(rootfs->mnt_fd, id, K_EROFS_MAGIC);
	return fd < 0 ? err_set(err, -ENOENT, "the root of %.12s is not mounted", id) : fd;
}

/* ---- taking away ---- */

static int take_away(int dirfd, const char *name, struct err *err)
{
	/* EINVAL: not a mount point (any more). */
	int r = fs_umount(dirfd, name, MNT_DETACH, err);

	if (r < 0 && r != -EINVAL && r != -ENOENT)
		return r;
	r = fs_rmdir(dirfd, name, err);
	return r == -ENOENT ? 0 : r;
}

int rootfs_umount(struct rootfs *rootfs, const char *id, struct err *err)
{
	return take_away(rootfs->mnt_fd, id, err);
}

struct prune {
	bool (*used)(const char *name, void *owner);
	void *owner;
	int gone;
};

static int prune_one(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct prune *prune = owner;
	int r;

	(void)type;
	if (prune->used(name, prune->owner) || strcmp(name, nothing[0]) == 0 ||
	    strcmp(name, nothing[1]) == 0)
		return 0;
	r = take_away(dirfd, name, err);
	if (r < 0)
		return r;
	prune->gone++;
	return 0;
}

static int prune(int dirfd, bool (*used)(const char *name, void *owner), void *owner,
		 struct err *err)
{
	struct prune job = { .used = used, .owner = owner };
	int r = fs_each(dirfd, prune_one, &job, err);

	return r < 0 ? r : job.gone;
}

int rootfs_layers_prune(struct rootfs *rootfs, bool (*used)(const char *name, void *owner),
			void *owner, struct err *err)
{
	return prune(rootfs->layers_fd, used, owner, err);
}

int rootfs_mounts_prune(struct rootfs *rootfs, bool (*used)(const char *id, void *owner),
			void *owner, struct err *err)
{
	return prune(rootfs->mnt_fd, used, owner, err);
}
