/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_MOUNTS_H
#define HOY_INIT_BOOT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/err.h"
#include "lib/str.h"

/* The table of mounts (proc_pid_mountinfo(5)): finding one, and taking a whole tree of them down.
 */

struct boot_mount {
	char target[256];
	char type[32];
	char source[64];
};

/* One line; false when it is malformed or a field does not fit. Octal escapes are undone. */
bool boot_mounts_parse(struct str line, struct boot_mount *ret_mount);

/* What is mounted on `target`, topmost; its source into dst. */
bool boot_mounts_find(const char *target, char *dst, size_t cap);

/* Unmounts everything on and below the two trees, newest first; the first refusal is the error. */
int boot_mounts_drop(const char *tree, const char *other_tree, int flags, struct err *err);

int boot_mounts_read_only(const char *target);

#endif
