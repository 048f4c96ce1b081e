/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `rm`, `pause` and `unpause`: containers that no section of services.ini declares. Runs in the
 * console program. The engine refuses them for declared ones, and says what to do instead.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "lib/own.h"

enum { BOX_WAIT_MS = 120 * 1000 };

int verb_rm(struct console *console, const struct words *words, struct err *err)
{
	bool force = false, volumes = false;
	int first = 1, r = 0;

	for (; first < words->count && words->items[first][0] == '-'; first++) {
		const char *option = words->items[first];

		if (strcmp(option, "-f") != 0 && strcmp(option, "-v") != 0 &&
		    strcmp(option, "-fv") != 0 && strcmp(option, "-vf") != 0)
			return err_set(err, -EINVAL,
				       "rm: there is no option %s; -f stops it first, "
				       "-v takes its nameless volumes along",
				       option);
		force = force || strchr(option, 'f');
		volumes = volumes || strchr(option, 'v');
	}
	if (first == words->count)
		return err_set(err, -EINVAL, "usage: rm [-f] [-v] NAME...");
	for (int i = first; i < words->count && r >= 0; i++) {
		struct msg reply OWN(msg_done) = { 0 };
		struct buf body OWN(buf_done) = { 0 };

		buf_init(&body, 512);
		wire_put_text(&body, words->items[i]);
		wire_put_u8(&body, force);
		wire_put_u8(&body, volumes);
		r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_REMOVE,
					buf_str(&body), BOX_WAIT_MS, &reply, err);
	}
	return r;
}

int verb_pause(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 512);
	wire_put_text(&body, words->items[1]);
	wire_put_u8(&body, !strcmp(words->items[0], "pause"));
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PAUSE, buf_str(&body),
			    &reply, err);
}
