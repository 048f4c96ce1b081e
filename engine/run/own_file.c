/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the protection of the program's own file. Runs first of all in the shim and in hoy-oci's
 * commands that enter a container. Must never go on from a file that a container could write to.
 */
#include "engine/run/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

int own_file_protect(char *const *argv, struct err *err)
{
	OWN_FD int file = fs_open(AT_FDCWD, "/proc/self/exe", FS_HOST, O_PATH, 0, err);
	OWN_FD int clone = -1;
	struct statvfs st;
	int r;

	if (file < 0)
		return file;
	/* The clone is such a mount, and so is Hoy's own system image. */
	if ((fstatvfs(file, &st) == 0 && st.f_flag & ST_RDONLY) || !defence_on(DEFENCE_A1_OWN_FILE))
		return 0;
	clone = k_clone_tree(file, 0);
	if (clone < 0)
		return err_sys(err, clone, "protect the program's own file: clone its mount");
	r = k_set_attributes(clone, K_MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return err_sys(err, r, "protect the program's own file: make it read-only");
	(void)syscall(SYS_execveat, clone, "", argv, environ, AT_EMPTY_PATH);
	return err_sys(err, -errno, "protect the program's own file: execute it again");
}
