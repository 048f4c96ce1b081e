/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's schedule. What is taken has a next time behind now, on a full minute and matching again
 * one step before it, or none within ten years; what is refused says why.
 */
#include "engine/service/cron.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1795284060 };

static void require(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	int64_t next_s, again_s;
	struct cron cron;
	int r;

	if (size > 256)
		return 0;
	r = cron_parse(str_make(data, size), &cron, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return 0;
	r = cron_next(&cron, NOW, &next_s, &err);
	require(r == 0 || r == -ERANGE);
	if (r < 0)
		return 0;
	require(next_s > NOW);
	if (cron.every_s)
		return 0;
	require(next_s % 60 == 0);
	/* Nothing was skipped: from just before it, it is the next one too. */
	require(cron_next(&cron, next_s - 1, &again_s, NULL) == 0 && again_s == next_s);
	return 0;
}
