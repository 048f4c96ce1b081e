/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses between tries, and what a server asks for. */
#include <errno.h>
#include "engine/registry/rate.h"
#include "engine/registry/retry.h"
#include "tests/unit/tap.h"

static void test_after(void)
{
	const int64_t wall_s = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

	is_int(retry_after_ms(STR("0"), wall_s), 0, "at once");
	is_int(retry_after_ms(STR("120"), wall_s), 120000, "seconds");
	is_int(retry_after_ms(STR("99999999999"), wall_s), 86400000, "years are a day");
	is_int(retry_after_ms(STR("999999999999999999999999"), wall_s), 86400000, "no overflow");
	is_int(retry_after_ms(STR("Sun, 06 Nov 1994 08:49:47 GMT"), wall_s), 10000, "a date");
	is_int(retry_after_ms(STR("Sun, 06 Nov 1994 08:49:30 GMT"), wall_s), 0, "a past date");
	is_int(retry_after_ms(STR("Sun, 06 Nov 2094 08:49:37 GMT"), wall_s), 86400000,
	       "a far date");
	is_int(retry_after_ms(STR("Sun, 06 Nov 1994 08:49:37"), wall_s), -1, "no zone");
	is_int(retry_after_ms(STR("soon"), wall_s), -1, "a word");
	is_int(retry_after_ms(STR("-1"), wall_s), -1, "a sign");
	is_int(retry_after_ms(STR(""), wall_s), -1, "nothing");
}

static void test_pause(void)
{
	int64_t last = 0;

	for (unsigned i = 0; i + 1 < RETRY_TRIES_MAX; i++) {
		int64_t low = retry_pause_ms(i, -1, 0), high = retry_pause_ms(i, -1, UINT32_MAX);

		ok(low > last && high > low, "pause %u is longer, and has a jitter", i);
		ok(high <= RETRY_PAUSE_MAX_MS, "pause %u has a limit", i);
		last = low;
	}
	is_int(retry_pause_ms(RETRY_TRIES_MAX - 1, -1, 0), -1, "then it gives up");
	is_int(retry_pause_ms(0, 30000, 0), 30000, "what a server asks for is the least");
	ok(retry_pause_ms(0, 30000, UINT32_MAX) > 30000, "and has a jitter behind it");
	ok(retry_pause_ms(0, 1, 0) > 1, "less than the own pause is no haste");
	is_int(retry_pause_ms(0, RETRY_AFTER_MAX_MS + 1, 0), -1, "too long is no retry");
	ok(retry_pause_ms(0, RETRY_AFTER_MAX_MS, 0) >= RETRY_AFTER_MAX_MS, "the limit is kept");
}

static void test_helps(void)
{
	ok(retry_helps(-ECONNRESET) && retry_helps(-EAGAIN) && retry_helps(-ETIMEDOUT), "a line");
	ok(!retry_helps(0) && !retry_helps(-ENOENT) && !retry_helps(-EACCES) &&
		   !retry_helps(-EBADMSG) && !retry_helps(-EKEYREJECTED),
	   "a verdict");
}

static void test_rate(void)
{
	struct mono t = { 1000000000 };
	struct rate rate;

	rate_init(&rate, t, 500);
	is_int((long long)rate_add(&rate, t, 1000), 0, "no time, no rate");
	is_int((long long)rate_add(&rate, mono_add_ms(t, 100), 1000), 0, "too short a time");
	is_int((long long)rate_add(&rate, mono_add_ms(t, 500), 1500), 2000,
	       "bytes since the beginning");
	is_int((long long)rate_add(&rate, mono_add_ms(t, 1500), 1500), 1500,
	       "a pause slows it down");
	is_int((long long)rate_add(&rate, mono_add_ms(t, 9500), 9500), 1000,
	       "what is long ago is forgotten");
	is_int((long long)rate_add(&rate, mono_add_ms(t, 19500), 0), 0,
	       "what begins anew has no speed");
}

int main(void)
{
	test_rate();
	test_after();
	test_pause();
	test_helps();
	return tap_done();
}
