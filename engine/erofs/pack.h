/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_EROFS_PACK_H
#define HOY_ENGINE_EROFS_PACK_H

#include "engine/api/entry.h"
#include "engine/api/pack_msg.h"
#include "lib/err.h"

/* Sees each record but END, in order; an error ends the whole. */
typedef int pack_each_fn(void *owner, const struct entry *entry, struct err *err);

/*
 * Reads one record stream from in_fd (blocking) to its end and writes the image into out_fd, an
 * empty regular file. -EBADMSG: malformed, or cut off before its end record; else as
 * erofs_writer_add(). each may be NULL; the tar of the result is not set here. What out_fd holds
 * after an error is of no use.
 */
int pack_stream(int in_fd, int out_fd, pack_each_fn *each, void *owner,
		struct pack_result *ret_result, struct err *err);

#endif
