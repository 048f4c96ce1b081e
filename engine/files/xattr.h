/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_XATTR_H
#define HOY_ENGINE_FILES_XATTR_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/entry.h"
#include "lib/err.h"

/* The extended attributes that belong to an image: user.* but overlayfs's, security.capability. */
struct xattr_set {
	struct entry_xattr items[ENTRY_XATTRS_MAX]; /* sorted by name; slices into text */
	uint32_t count;
	bool opaque; /* user.overlay.opaque=y was there */
	char text[ENTRY_XATTR_BYTES_MAX];
};

/* Of an open file or directory; a file system without them gives none. -E2BIG: too many. */
int xattr_read(int fd, struct xattr_set *ret_set, struct err *err);
/* Whether an attribute belongs to an image. */
bool xattr_is_kept(struct str name);
/* Sets them all on an open file or directory. */
int xattr_write(int fd, const struct xattr_set *set, struct err *err);

#endif
