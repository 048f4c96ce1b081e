/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build request and a build plan as they come from the api role, which parses foreign text. What
 * is taken has no index that leads out of it, and is written as the very bytes it was read from.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/build/plan.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_indexes(const struct build_plan *plan)
{
	require(plan->target < plan->stage_count && plan->stage_count <= BUILD_STAGES_MAX);
	for (uint32_t i = 0; i < plan->stage_count; i++) {
		const struct build_stage *stage = &plan->stages[i];

		require(stage->base_stage < (int32_t)i);
		require(stage->base_image < (int32_t)plan->references.count);
		for (uint32_t n = 0; n < stage->op_count; n++) {
			require(stage->ops[n].from < (int32_t)plan->stage_count);
			require(stage->ops[n].history < stage->image.history_count);
		}
	}
}

static void check_plan(struct str body)
{
	static struct build_plan plan;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct wire in;
	int r;

	arena_init(&arena, 64 << 20);
	wire_init(&in, body.ptr, body.len);
	r = build_plan_get(&in, &arena, &plan, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	check_indexes(&plan);
	buf_init(&again, 4 << 20);
	build_plan_put(&again, &plan);
	require(str_eq(buf_str(&again), body));
}

static void check_inputs(struct str body)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 };
	struct build_inputs inputs = { 0 };
	struct err err = { 0 };
	struct wire in;
	int r;

	arena_init(&arena, 64 << 20);
	wire_init(&in, body.ptr, body.len);
	r = build_inputs_get(&in, &arena, &inputs, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0 || wire_end(&in) < 0)
		return;
	buf_init(&again, 4 << 20);
	build_inputs_put(&again, &inputs);
	require(str_eq(buf_str(&again), body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 20)
		return 0;
	check_plan(str_make(data, size));
	check_inputs(str_make(data, size));
	return 0;
}
