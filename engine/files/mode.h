/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_MODE_H
#define HOY_ENGINE_FILES_MODE_H

#include <sys/stat.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * --chmod: octal digits up to 7777, or clauses as in chmod(1): [ugoa]*([-+=][rwxXstugo]*)+ joined
 * by commas, u, g and o among the letters for those of another class. As BuildKit has it, which is
 * BSD's setmode(3): X looks at the mode of before. Private to this folder. -EINVAL with what is
 * wrong; "" is good and changes nothing.
 */
int mode_check(struct str text, struct err *err);
/* The permission bits of a file of this type and mode after it; text has been checked. */
mode_t mode_apply(struct str text, mode_t mode);

#endif
