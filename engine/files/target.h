/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_TARGET_H
#define HOY_ENGINE_FILES_TARGET_H

#include <stdbool.h>
#include "engine/files/files.h"
#include "lib/err.h"

/*
 * Opens the directory `path` (clean, from walk_clean) of a foreign root, made with its parents
 * where it is missing: 0755, owner, or, where that is NULL, whose the kernel makes it: below one
 * with setgid its group's. ret_made: the last component is new. The fd is the caller's.
 * Private to this folder.
 */
int target_dir(int root_fd, const char *path, const struct files_owner *owner, bool *ret_made,
	       struct err *err);

#endif
