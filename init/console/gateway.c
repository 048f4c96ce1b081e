/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default route after a change of the configuration. Pure; runs in the console program. Must
 * never call a change good because netd has not taken it up yet.
 */
#include "init/console/gateway.h"

void gateway_begin(struct gateway_watch *watch, int64_t now_ms, int64_t away_ms)
{
	*watch = (struct gateway_watch){ .began_ms = now_ms,
					 .since_ms = now_ms,
					 .away_ms = away_ms };
}

enum gateway_verdict gateway_look(struct gateway_watch *watch, bool there, int64_t now_ms)
{
	if (now_ms - watch->began_ms < GATEWAY_SETTLE_MS)
		return GATEWAY_WAIT;
	if (!watch->seen || there != watch->there)
		watch->since_ms = now_ms;
	watch->seen = true;
	watch->there = there;
	if (there && now_ms - watch->since_ms >= GATEWAY_STEADY_MS)
		return GATEWAY_GOOD;
	if (!there && now_ms - watch->since_ms >= watch->away_ms)
		return GATEWAY_LOST;
	return GATEWAY_WAIT;
}

unsigned gateway_listed(struct str routes)
{
	unsigned found = 0;
	struct str line;

	while (routes.len > 0 && str_cut(&routes, '\n', &line)) {
		struct str word;
		unsigned kind;

		if (!str_cut(&line, ' ', &word))
			continue;
		kind = str_is(word, "default") ? GATEWAY_IP4
		       : str_is(word, "::/0")  ? GATEWAY_IP6
					       : 0;
		line = str_trim(line);
		if (str_cut(&line, ' ', &word) && !str_is(word, "-") && !str_is(word, "prohibit"))
			found |= kind;
	}
	return found;
}
