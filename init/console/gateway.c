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

static bool answers(struct str state)
{
	return str_is(state, "reachable") || str_is(state, "permanent") || str_is(state, "none");
}

/* "default 10.0.2.2 eth0 reachable" */
unsigned gateway_listed(struct str gateways)
{
	unsigned found = 0;
	struct str line;

	while (gateways.len > 0 && str_cut(&gateways, '\n', &line)) {
		struct str words[4] = { { 0 } }, word;
		size_t count = 0;
		unsigned kind;

		while (count < 4 && str_cut(&line, ' ', &word))
			if (word.len)
				words[count++] = word;
		kind = str_is(words[0], "default") ? GATEWAY_IP4
		       : str_is(words[0], "::/0")  ? GATEWAY_IP6
						   : 0;
		if (kind && count == 4)
			found |= kind | (answers(words[3]) ? kind << 2 : 0);
	}
	return found;
}

bool gateway_answers(unsigned listed)
{
	return (listed & GATEWAY_ROUTES) == listed >> 2;
}
