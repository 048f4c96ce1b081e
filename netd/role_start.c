/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how an unprivileged role of netd begins and ends: the socket of main on fd 3, then the
 * sandbox, then its loop until main is gone. Must never serve before it is confined.
 */
#include "lib/log.h"
#include "netd/role.h"

enum { FD_MAIN = 3, UNSENT_BYTES_MAX = 64 << 10 };

static void main_gone(struct msg_peer *peer)
{
	peer->loop->quit = true;
}

void role_meet(struct loop *loop, struct msg_peer *main_peer, const char *name,
	       const struct msg_rule *rules, size_t rules_count)
{
	struct err err;

	log_init(name, LOG_PRIO_INFO);
	if (loop_init(loop, &err) < 0 ||
	    msg_peer_init(main_peer, loop, FD_MAIN, 1, rules, rules_count, UNSENT_BYTES_MAX,
			  main_gone, NULL, &err) < 0)
		fatal("%s", err_text(&err));
}

int role_serve(struct loop *loop, enum sandbox_profile profile, unsigned int uid,
	       unsigned int files_max)
{
	const struct sandbox sandbox = {
		.profile = profile,
		.uid = uid,
		.gid = uid,
		.root = ROLE_ROOT,
		.files_max = files_max,
	};
	struct err err;

	if (sandbox_enter(&sandbox, &err) < 0 || loop_run(loop, &err) < 0)
		fatal("%s", err_text(&err));
	return 0;
}
