/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "engine/run/plan.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct plan_list list)
{
	const char *text;

	while ((text = plan_next_text(&list)))
		if (text[0] == '\0' && text[-1] == 1)
			continue;
}

/* Whatever is taken can be walked and printed without an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text OWN(buf_done) = { 0 };
	struct plan plan;
	struct plan_op op;

	buf_init(&text, 64 << 20);
	if (plan_decode(data, size, &plan, NULL) < 0)
		return 0;
	if (plan.argv.count == 0 || plan.cwd[0] != '/' || plan_print(&plan, &text) < 0)
		abort();
	walk(plan.argv);
	walk(plan.env);
	while (plan_next_op(&plan.ops, &op))
		if (!op.source || !op.target || op.kind >= PLAN_OP_KINDS)
			abort();
	return 0;
}
