/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a Dockerfile. What is refused says where; what is taken becomes a plan whose wire
 * form reads back as itself, with indexes that stay inside of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/build/plan.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_wire(const struct build_plan *plan, struct arena *arena)
{
	static struct build_plan copy;
	struct buf first OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct wire in;
	buf_init(&first, 64 << 20);
	buf_init(&second, 64 << 20);
	build_plan_put(&first, plan);
	if (buf_error(&first) < 0)
		return;
	wire_init(&in, first.data, first.len);
	struct err err = { 0 };
	int r = build_plan_get(&in, arena, &copy, &err);
	if (r == -ENOMEM)
		return;
	require(r == 0);
	build_plan_put(&second, &copy);
	require(str_eq(buf_str(&first), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct build_plan plan;
	struct image_pair args[] = { { "V", "value" }, { "e", "" } };
	struct build_inputs inputs = {
		.dockerfile = str_make(data, size),
		.args = { args, ARRAY_LEN(args) },
		.target = "",
	};
	struct arena arena OWN(arena_done) = { 0 };
	struct err err = { 0 };
	struct image bases[8];
	arena_init(&arena, 64 << 20);
	int r = build_plan_bases(&inputs, &arena, &plan, &err);
	require(r <= 0 && (r == 0) == (err.code == 0));
	if (r < 0) {
		require(strncmp(err.text, "Dockerfile", 10) == 0 || r == -ENOMEM);
		return 0;
	}
	if (plan.references.count > ARRAY_LEN(bases))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(bases); i++)
		image_init(&bases[i]);
	r = build_plan_make(&inputs, bases, plan.references.count, &arena, &plan, &err);
	require((r == 0) == (err.code == 0));
	if (r == 0)
		check_wire(&plan, &arena);
	return 0;
}
