/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_PULL_PROGRESS_H
#define HOY_ENGINE_API_PULL_PROGRESS_H

#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/* How far a pull or push is: PULL_MSG_PROGRESS, and what ENGINE_MSG_PULL_AS tells (pull_msg.c). */

/* How far a layer is. */
enum pull_stage {
	PULL_STAGE_MOVE,    /* `done` bytes of `total` are here, or there */
	PULL_STAGE_WAIT,    /* named by the manifest, not begun */
	PULL_STAGE_STORE,   /* all bytes came, not all of them are unpacked */
	PULL_STAGE_READY,   /* stored, or taken by the registry */
	PULL_STAGE_THERE,   /* it was there before */
	PULL_STAGE_MOUNTED, /* the registry took it from another of its repositories */
};

struct pull_progress {
	struct digest digest; /* of what is moved; of a push a layer's diffID, zero: no layer */
	uint64_t done, total;
	uint64_t rate;	  /* bytes a second, 0 = not known */
	const char *what; /* "layer 2/5" */
	enum pull_stage stage;
};

/*
 * For a person, at most 79 columns: "layer 2/5 [====>     ] 40.1 of 120.0 MiB, 9.8 MiB/s, 8 s
 * left".
 */
void pull_progress_line(const struct pull_progress *progress, char *dst, size_t cap);

void pull_progress_encode(const struct pull_progress *progress, struct buf *out);
int pull_progress_decode(struct str body, struct arena *arena, struct pull_progress *ret_progress,
			 struct err *err);

#endif
