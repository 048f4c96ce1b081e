/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_NAME_H
#define HOY_ENGINE_TAR_NAME_H

#include <stdbool.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * Names in layer tars (OCI image-spec v1.1, layer.md): brought into the form of entry.h, whiteouts
 * told apart. Pure.
 */
enum { TAR_NAME_MAX = 4096 }; /* with the NUL */

enum tar_name_kind {
	TAR_NAME_PLAIN,
	TAR_NAME_WHITEOUT, /* the path is the one that is gone */
	TAR_NAME_OPAQUE,   /* the path is the directory */
	TAR_NAME_IGNORE,   /* bookkeeping of aufs that old tools left in layers */
};

/*
 * Drops leading "/" and "./", single "." components, doubled and trailing slashes: absolute names
 * are re-rooted. ".." anywhere, an over-long name or component is refused: -EBADMSG. "" = the root.
 */
int tar_name_clean(struct str name, char dst[TAR_NAME_MAX], struct err *err);

/* The same, but ".." leads to where it does in a root of its own: "a/../../b" is "b". */
int tar_name_root(struct str name, char dst[TAR_NAME_MAX], struct err *err);

/*
 * What a cleaned name means in a layer; dst gets the path it speaks of. A ".wh." that names
 * nothing,
 * ".", ".." or stands in the middle of a path is refused.
 */
int tar_name_classify(const char *clean, enum tar_name_kind *ret_kind, char dst[TAR_NAME_MAX],
		      struct err *err);

/* Whether an xattr of an image is kept: user.* but overlayfs's own, and security.capability. */
bool tar_xattr_kept(struct str name);

#endif
