/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_GATEWAY_H
#define HOY_INIT_CONSOLE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * Whether a change of the network cost the machine its way out, pure. A change is watched from the
 * moment it counts: it is good once the default route stood, and its gateway answered, for
 * STEADY_MS (netd takes the change up first), and lost once that was not so for the time that was
 * given.
 */
enum { GATEWAY_SETTLE_MS = 3000, GATEWAY_STEADY_MS = 3000, GATEWAY_AWAY_MS = 30000 };

enum gateway_verdict { GATEWAY_WAIT, GATEWAY_GOOD, GATEWAY_LOST };

struct gateway_watch {
	int64_t began_ms, since_ms; /* the change; since when it is as it is now */
	int64_t away_ms;	    /* how long it may be away */
	bool there, seen;
};

void gateway_begin(struct gateway_watch *watch, int64_t now_ms, int64_t away_ms);
enum gateway_verdict gateway_look(struct gateway_watch *watch, bool there, int64_t now_ms);

/*
 * Which default routes netd's list of gateways has, and whether one of them answers: bits. One
 * whose neighbour is nothing that can be asked for (no state) counts as answering.
 */
enum {
	GATEWAY_IP4 = 1,
	GATEWAY_IP6 = 2,
	GATEWAY_ROUTES = 3,
	GATEWAY_ANSWERS4 = 4,
	GATEWAY_ANSWERS6 = 8
};
unsigned gateway_listed(struct str gateways);
/* Whether each route of a list has a gateway that answers. */
bool gateway_answers(unsigned listed);

#endif
