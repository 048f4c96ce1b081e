/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_UNPACK_H
#define HOY_ENGINE_TAR_UNPACK_H

#include "engine/api/entry.h"
#include "engine/api/unpack_msg.h"
#include "engine/tar/stream.h"
#include "lib/err.h"

/*
 * One layer: a compressed tar from `source` into entry records, END included. The whole stream is
 * read and hashed, also what stands behind the tar's end. Errors as in unpack_msg.h.
 */
int tar_unpack(tar_source_fn *source, void *owner, const struct unpack_start *start,
	       unsigned window_log, struct entry_writer *out, struct unpack_result *ret_result,
	       struct err *err);

#endif
