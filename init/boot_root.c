/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the change from the initramfs to the system image. Run once by PID 1, before anything else.
 *
 * The kernel mounts EROFS straight from a file, but not from one on tmpfs: the initramfs has to be
 * ramfs (rootfstype=ramfs). pivot_root(2) fails while / is the initial root, so the image is moved
 * over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>
#include "init/boot.h"
#include "lib/fs.h"
#include "lib/own.h"

#define IMAGE_PATH "/hoy.erofs"

static int enter_image(struct err *err)
{
	OWN_FD int root_fd = fs_open(AT_FDCWD, "/", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	OWN_FD int dir_fd = -1;
	int r;

	if (root_fd < 0)
		return root_fd;
	dir_fd = fs_open_dir(root_fd, "sysroot", FS_BENEATH, 0755, err);
	if (dir_fd < 0)
		return dir_fd;
	r = fs_mount(IMAGE_PATH, dir_fd, "erofs", MS_RDONLY, NULL, err);
	if (r < 0)
		return err_prefix(err, "system image %s (rootfstype=ramfs given?)", IMAGE_PATH);
	/* Three calls that only know paths; all of them literal. */
	if (chdir("/sysroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_sys(err, -errno, "make the system image the root");
	return 0;
}

void boot_root(const struct boot_reporter *reporter)
{
	struct err err = { 0 };

	if (fs_exists(AT_FDCWD, IMAGE_PATH, FS_HOST) && enter_image(&err) < 0)
		reporter->complain(reporter->owner, &err);
}
