/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_MONO_H
#define HOY_LIB_MONO_H

#include <stdbool.h>
#include <stdint.h>

/* A point on CLOCK_BOOTTIME. A type of its own, so that wall time cannot be mixed in. */
struct mono {
	int64_t ns;
};

/* Now. One of the seams for tests: mono_fake(&t) makes it return t until mono_fake(NULL). */
struct mono mono_now(void);
void mono_fake(const struct mono *fixed);

struct mono mono_add_ms(struct mono t, int64_t ms); /* saturates */
int64_t mono_diff_ms(struct mono later, struct mono earlier);
bool mono_before(struct mono a, struct mono b);

/* Wall time in seconds since 1970, for display and certificates only. */
int64_t wall_now_s(void);

/* How long, for a person: "45 s", "14 min", "30 h", "12 days"; below 0 as 0. Gives dst. */
enum { SPAN_TEXT_MAX = 32 };
const char *span_text(int64_t seconds, char dst[SPAN_TEXT_MAX]);

/*
 * Delay of attempt n (0-based): base << n, at most cap, with +-12.5 % jitter taken from `random`
 * (any 32 bits). Never gives up and never returns less than base / 2. All in ms.
 */
int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms, uint32_t random);

#endif
