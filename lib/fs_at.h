/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_FS_AT_H
#define HOY_LIB_FS_AT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

/* What the fs_*.c files and msg share, for lib only. */

/* One path component that names an entry: not empty, no '/', not "." or "..". */
bool fs_is_name(const char *name);

/*
 * Makes dirfd the working directory for calls that know no dirfd (mount, bind, connect), so that
 * they need no /proc. ret_old takes the fd of the old one; fs_leave() goes back, closes it and
 * returns `result`, or its own error when that was none.
 */
int fs_enter(int dirfd, int *ret_old, struct err *err);
int fs_leave(int old, int result);

/* The kernel's own directory record (getdents64(2)); the same on all architectures. */
struct fs_dirent {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

/* The next record but "." and ".." in data[*at..len), NULL at the end; *at moves on. */
const struct fs_dirent *fs_next_entry(const void *data, long len, long *at);

#endif
