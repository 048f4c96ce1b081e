/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_REMOTE_H
#define HOY_ENGINE_ROLE_MAIN_REMOTE_H

#include "engine/api/gate_msg.h"
#include "lib/err.h"

struct engine;

/*
 * Starts the machine's own `hoy` for a client that the gate has verified, with its bytes on
 * `stream` (stays the caller's). -EAGAIN: as many as may be run already.
 */
int engine_remote_start(struct engine *engine, const struct gate_client *client, int stream,
			struct err *err);

#endif
