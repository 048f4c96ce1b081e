/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patience with registries. Pure; runs in the pull role. It must never make a herd: each pause has
 * its jitter, also the one that a server asked all its clients for.
 */
#include "engine/registry/retry.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include "lib/mono.h"

enum { RETRY_DAY_S = 86400 };

bool retry_helps(int code)
{
	return code == -ECONNRESET || code == -ETIMEDOUT || code == -EAGAIN ||
	       code == -ECONNREFUSED || code == -EHOSTUNREACH || code == -ENETUNREACH ||
	       code == -EPROTO;
}

/* IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT": the one form that servers still write. */
static int date_parse(struct str value, int64_t *ret_s)
{
	char text[40];
	const char *end;
	struct tm tm = { 0 };

	if (str_copy(value, text, sizeof(text)) < 0)
		return -EINVAL;
	end = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
	if (!end || strcmp(end, " GMT") != 0)
		return -EINVAL;
	*ret_s = (int64_t)timegm(&tm);
	return 0;
}

int64_t retry_after_ms(struct str value, int64_t wall_s)
{
	uint64_t seconds;
	int64_t at;
	int r = str_to_u64(value, 0, RETRY_DAY_S, &seconds);

	if (r == -ERANGE)
		return RETRY_DAY_S * INT64_C(1000);
	if (r == 0)
		return (int64_t)seconds * 1000;
	if (date_parse(value, &at) < 0)
		return -1;
	if (at <= wall_s)
		return 0;
	return (at - wall_s < RETRY_DAY_S ? at - wall_s : RETRY_DAY_S) * 1000;
}

int64_t retry_pause_ms(unsigned attempt, int64_t asked_ms, uint32_t random)
{
	int64_t pause = backoff_ms(attempt, RETRY_PAUSE_MS, RETRY_PAUSE_MAX_MS, random);

	if (attempt + 1 >= RETRY_TRIES_MAX || asked_ms > RETRY_AFTER_MAX_MS)
		return -1;
	/* What was asked for is a minimum; the jitter comes on top of it. */
	if (asked_ms >= 0 && pause < asked_ms)
		pause = asked_ms + (int64_t)(random >> 24);
	return pause;
}
