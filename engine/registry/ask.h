/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_ASK_H
#define HOY_ENGINE_REGISTRY_ASK_H

#include "engine/api/pull_msg.h"
#include "engine/registry/feed.h"
#include "engine/registry/push.h"

/* A job's questions to engine main (engine/api/pull_msg.h), over the socket of its role. */

enum {
	ASK_ENDS_MAX = 2 * PULL_LAYERS_AT_ONCE, /* blobs whose end is not answered yet */
};

/* A PULL_MSG_BLOB_END on its way. */
struct ask_ending {
	uint32_t serial; /* 0 = free */
	bool answered;
	struct err err; /* code 0 = stored */
};

/* Zero but for fd (borrowed) at the start of a job. */
struct ask {
	int fd;
	uint32_t last_call;
	struct ask_ending ends[ASK_ENDS_MAX];
};

/* Both borrow `ask`. The sink asks for room too; who needs none sets need = NULL. */
struct pull_sink ask_sink(struct ask *ask);
struct push_source ask_source(struct ask *ask);

#endif
