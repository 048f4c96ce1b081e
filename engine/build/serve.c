/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the api role answers to a build: Dockerfiles in, plans out. Pure; must never do I/O, nor
 * keep anything between two calls.
 */
#include "engine/build/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/build/plan.h"
#include "engine/dockerfile/ignore.h"
#include "lib/own.h"

enum { SERVE_ARENA_MAX = 192 << 20 };

static int malformed(struct err *err)
{
	return err_set(err, -EBADMSG, "build: malformed request");
}

/* What is warned of is told in front of what is wrong: a plan that only says both. */
static int tell(struct build_plan *plan, struct arena *arena, int r, struct err *err)
{
	const struct dockerfile_warnings warnings = plan->warnings;
	const char *why = r == -EINVAL && err ? arena_text(arena, str_from(err_text(err))) : NULL;

	if (!why || warnings.count == 0)
		return r;
	memset(plan, 0, sizeof(*plan));
	plan->warnings = warnings;
	plan->violation = why;
	plan->stage_count = 1;
	plan->stages[0] = (struct build_stage){ .name = "",
						.base_stage = BUILD_NONE,
						.base_image = BUILD_NONE,
						.base_context = BUILD_NONE };
	image_init(&plan->stages[0].image);
	return 0;
}

static int serve_bases(struct wire *in, struct arena *arena, struct build_plan *plan,
		       struct err *err)
{
	struct build_inputs inputs;
	int r = build_inputs_get(in, arena, &inputs, err);
	if (r == 0 && wire_end(in) < 0)
		r = malformed(err);
	return r < 0 ? r : tell(plan, arena, build_plan_bases(&inputs, arena, plan, err), err);
}

static int serve_plan(struct wire *in, struct arena *arena, struct build_plan *plan,
		      struct err *err)
{
	struct build_inputs inputs;
	int r = build_inputs_get(in, arena, &inputs, err);
	if (r < 0)
		return r;
	uint32_t count = wire_count(in, IMAGE_TEXTS_MAX);
	struct image *bases = arena_array(arena, count + 1, sizeof(*bases));
	if (!bases)
		return err_set(err, -ENOMEM, "build: out of memory");
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		struct str record = wire_blob(in, IMAGE_RECORD_MAX);
		struct wire inner;
		wire_init(&inner, record.ptr, record.len);
		r = image_decode(&inner, arena, &bases[i], err);
	}
	if (r == 0 && wire_end(in) < 0)
		r = malformed(err);
	return r < 0 ? r
		     : tell(plan, arena, build_plan_make(&inputs, bases, count, arena, plan, err),
			    err);
}

static int serve_ignore(struct wire *in, struct arena *arena, struct buf *out, struct err *err)
{
	struct str text = wire_blob(in, FILES_READ_MAX);
	if (wire_end(in) < 0)
		return malformed(err);
	struct files_ignore *list = arena_array(arena, FILES_IGNORE_MAX, sizeof(*list));
	if (!list)
		return err_set(err, -ENOMEM, "build: out of memory");
	int count = ignore_parse(text, arena, list, FILES_IGNORE_MAX, err);
	if (count < 0)
		return count;
	wire_put_u32(out, (uint32_t)count);
	for (int i = 0; i < count; i++) {
		wire_put_u8(out, list[i].except);
		wire_put_str(out, list[i].pattern);
	}
	return 0;
}

int build_serve(enum build_msg type, struct str body, struct buf *out, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct wire in;
	arena_init(&arena, SERVE_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	struct build_plan *plan = arena_alloc(&arena, sizeof(*plan));
	if (!plan)
		return err_set(err, -ENOMEM, "build: out of memory");
	int r = -EINVAL;
	switch (type) {
	case BUILD_MSG_BASES:
		r = serve_bases(&in, &arena, plan, err);
		break;
	case BUILD_MSG_PLAN:
		r = serve_plan(&in, &arena, plan, err);
		break;
	case BUILD_MSG_IGNORE:
		return serve_ignore(&in, &arena, out, err);
	}
	if (r < 0)
		return r;
	build_plan_put(out, plan);
	if (buf_error(out) < 0)
		return err_set(err, -EFBIG, "build: the plan is too big");
	return 0;
}
