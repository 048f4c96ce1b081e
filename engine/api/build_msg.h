/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_BUILD_MSG_H
#define HOY_ENGINE_API_BUILD_MSG_H

#include <stdint.h>
#include "engine/build/plan.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * Calls of engine main to the api role: Dockerfiles and .dockerignore are foreign text and are read
 * there. The api role's handler hands the body to build_serve() and sends what comes out.
 */
enum build_msg {
	/* {struct build_request} -> {struct build_plan}: stages, references and platforms only */
	BUILD_MSG_BASES = 0x460,
	/* {struct build_request, u32 count, blob image record...} -> {struct build_plan} */
	BUILD_MSG_PLAN,
	/* {blob .dockerignore} -> {u32 count, {u8 except, text pattern}...} */
	BUILD_MSG_IGNORE,
};

enum { BUILD_BODY_MAX = 8 << 20 };

/*
 * struct build_request is struct build_inputs: blob dockerfile, u32 count, {text, text}... args,
 * u32 count, {text, text}... labels, text target
 */
void build_inputs_put(struct buf *out, const struct build_inputs *inputs);
int build_inputs_get(struct wire *in, struct arena *arena, struct build_inputs *ret_inputs,
		     struct err *err);

/* Answers one of the calls above: pure, body in, reply body out. -EINVAL with the place. */
int build_serve(enum build_msg type, struct str body, struct buf *out, struct err *err);

#endif
