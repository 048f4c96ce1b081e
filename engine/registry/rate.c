/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of a transfer. Pure; runs in the pull role. It must never divide by a time that did not
 * pass.
 */
#include "engine/registry/rate.h"

enum { RATE_STEP_MS = 200, RATE_WINDOW_MS = 4000 };

void rate_init(struct rate *rate, struct mono now, uint64_t done)
{
	*rate = (struct rate){ .at = now, .done = done };
}

uint64_t rate_add(struct rate *rate, struct mono now, uint64_t done)
{
	int64_t ms = mono_diff_ms(now, rate->at);
	uint64_t latest, weight;

	if (ms < RATE_STEP_MS)
		return rate->per_s;
	/* What begins anew elsewhere goes back: nothing came meanwhile. */
	latest = done > rate->done ? (done - rate->done) * 1000 / (uint64_t)ms : 0;
	weight = ms < RATE_WINDOW_MS ? (uint64_t)ms : RATE_WINDOW_MS;
	if (rate->per_s == 0)
		rate->per_s = latest;
	else
		rate->per_s = (rate->per_s * (RATE_WINDOW_MS - weight) + latest * weight) /
			      RATE_WINDOW_MS;
	rate->at = now;
	rate->done = done;
	return rate->per_s;
}
