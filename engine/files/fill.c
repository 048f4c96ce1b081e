/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first content of a volume: what the image holds at its path. Runs in the files role. Must
 * never change the image's tree, and is done only once everything is on the disk: the caller gives
 * the volume its name behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/files/files.h"
#include "engine/files/walk.h"
#include "engine/files/xattr.h"
#include "lib/fs.h"
#include "lib/own.h"

/* The volume's own directory gets owner, mode, attributes and time of the image's. */
static int take_attributes(int source_fd, int dest_fd, struct err *err)
{
	static struct xattr_set xattrs; /* one process, one call at a time */
	struct stat st;
	int r = xattr_read(source_fd, &xattrs, err);
	if (r < 0)
		return r;
	if (fstat(source_fd, &st) < 0)
		return err_sys(err, -errno, "cannot stat the image's directory");
	const struct timespec times[2] = { st.st_mtim, st.st_mtim };
	if (fchown(dest_fd, st.st_uid, st.st_gid) < 0)
		return err_sys(err, -errno, "cannot set the volume's owner");
	if (fchmod(dest_fd, st.st_mode & 07777) < 0)
		return err_sys(err, -errno, "cannot set the volume's mode");
	r = xattr_write(dest_fd, &xattrs, err);
	if (r == 0 && futimens(dest_fd, times) < 0)
		r = err_sys(err, -errno, "cannot set the volume's time");
	return r;
}

int files_fill(int root_fd, const char *path, int dest_fd, bool *ret_found,
	       struct files_totals *ret_totals, struct err *err)
{
	static struct files_copy copy;
	char clean[FILES_PATH_MAX];
	struct err why = { 0 };
	*ret_found = false;
	*ret_totals = (struct files_totals){ 0 };
	int r = walk_clean(str_from(path), clean, err);
	if (r < 0)
		return r;
	OWN_FD int source =
		fs_open(root_fd, *clean ? clean : ".", FS_IN_ROOT, O_RDONLY | O_DIRECTORY, 0, &why);
	if (source == -ENOENT || source == -ENOTDIR)
		return 0; /* the image has nothing to give there */
	if (source < 0)
		return err_set(err, source, "%s", err_text(&why));
	copy = (struct files_copy){ .source_count = 1, .dest = STR("/") };
	copy.sources[0] = STR(".");
	r = files_copy(source, dest_fd, &copy, ret_totals, err);
	if (r == 0)
		r = take_attributes(source, dest_fd, err);
	if (r == 0 && syncfs(dest_fd) < 0)
		r = err_sys(err, -errno, "cannot write the volume to the disk");
	*ret_found = r == 0;
	return r;
}
