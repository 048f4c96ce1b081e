/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_PATTERN_H
#define HOY_ENGINE_DOCKERFILE_PATTERN_H

#include <stdbool.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The patterns of ${v#p} and ${v/p/w}: * is any text and ? any character of one line, \ escapes * ?
 * and itself; all else, brackets too, means itself. Private to this folder.
 */

/* value without what the pattern takes of its start (or end); longest or shortest. Appends to out.
 * -EINVAL for a malformed pattern, or one that would take too much work. */
int pattern_trim(struct str pattern, struct str value, bool at_end, bool longest,
		 struct arena *arena, struct buf *out, struct err *err);
/* value with the first (or each) longest match replaced. */
int pattern_replace(struct str pattern, struct str value, struct str with, bool all,
		    struct arena *arena, struct buf *out, struct err *err);

#endif
