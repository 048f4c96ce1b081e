/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_HISTORY_H
#define HOY_ENGINE_BUILDKIT_HISTORY_H

#include "engine/buildkit/solve.h"

/*
 * Builds that are over, as clients list them (docker buildx history): what was asked, how it ended,
 * and all that was told of it. Kept in memory, the newest of them, each for the name and role that
 * asked for it.
 */
enum {
	HISTORY_RECORDS_MAX = 50,
	HISTORY_SAID_MAX = 512 << 10, /* bytes of what one build told */
	HISTORY_RECORD_MAX = 128 << 10,
	HISTORY_LISTENERS_MAX = 16,
};

/* Control.ListenBuildHistory, Control.UpdateBuildHistory */
void history_listen(struct grpc_call *call, struct str message);
void history_update(struct grpc_call *call, struct str message);

/* Whoever listens is told of it. */
void history_begin(const struct solve *solve);
/* The same, and it is kept. */
void history_end(const struct solve *solve);
/* Control.Status of one that is over: all that it told, and the call's end; false: it is not
 * known. */
bool history_status(struct grpc_call *call, const char *ref);

#endif
