/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the clock: the only reader of time in the tree, and the seam at which tests replace it.
 * Every role runs it. It must never mix wall time into a struct mono.
 */
#include "lib/mono.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include "lib/own.h"

enum { NS_PER_MS = 1000000, MS_PER_S = 1000 };

static const struct mono *fake;

void mono_fake(const struct mono *fixed)
{
	fake = fixed;
}

struct mono mono_now(void)
{
	struct timespec ts = { 0 };

	if (fake)
		return *fake;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct mono){ (int64_t)ts.tv_sec * MS_PER_S * NS_PER_MS + ts.tv_nsec };
}

struct mono mono_add_ms(struct mono t, int64_t ms)
{
	int64_t delta, sum;

	if (__builtin_mul_overflow(ms, (int64_t)NS_PER_MS, &delta) ||
	    __builtin_add_overflow(t.ns, delta, &sum))
		return (struct mono){ ms < 0 ? INT64_MIN : INT64_MAX };
	return (struct mono){ sum };
}

int64_t mono_diff_ms(struct mono later, struct mono earlier)
{
	int64_t delta;

	if (__builtin_sub_overflow(later.ns, earlier.ns, &delta))
		delta = later.ns > earlier.ns ? INT64_MAX : INT64_MIN;
	return delta / NS_PER_MS;
}

bool mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

int64_t wall_now_s(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

const char *span_text(int64_t seconds, char dst[SPAN_TEXT_MAX])
{
	/* Twice a unit is where the next one begins: "90 min" says more than "1 h". */
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 24 * 3600, "days" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t unit = 0;

	if (seconds < 0)
		seconds = 0;
	while (unit < ARRAY_LEN(units) - 1 && seconds < 2 * units[unit].seconds)
		unit++;
	(void)snprintf(dst, SPAN_TEXT_MAX, "%lld %s", (long long)(seconds / units[unit].seconds),
		       units[unit].name);
	return dst;
}

int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms, uint32_t random)
{
	int64_t delay = base_ms > 0 ? base_ms : 1;
	int64_t low, high;

	if (cap_ms < delay)
		cap_ms = delay;
	while (attempt-- > 0 && delay < cap_ms)
		delay = delay > cap_ms / 2 ? cap_ms : delay * 2;
	/* At the cap the jitter only shortens, so that a herd spreads there too. */
	low = delay - delay / 8;
	high = delay > cap_ms - delay / 8 ? cap_ms : delay + delay / 8;
	return low + (int64_t)(((uint64_t)(high - low + 1) * (uint64_t)random) >> 32);
}
