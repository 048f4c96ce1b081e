/* SPDX-License-Identifier: Apache-2.0 */
/* The default route after a change. */
#include "init/console/gateway.h"
#include "tests/unit/tap.h"

static struct gateway_watch watch;

int main(void)
{
	gateway_begin(&watch, 1000, 10000);
	is_int(gateway_look(&watch, true, 3900), GATEWAY_WAIT, "netd may not have taken it up yet");
	is_int(gateway_look(&watch, true, 4000), GATEWAY_WAIT, "the first look that counts");
	is_int(gateway_look(&watch, false, 5000), GATEWAY_WAIT, "it goes");
	is_int(gateway_look(&watch, true, 9000), GATEWAY_WAIT, "and comes: a lease was asked for");
	is_int(gateway_look(&watch, true, 12000), GATEWAY_GOOD, "a route that stays is good");
	gateway_begin(&watch, 0, 10000);
	is_int(gateway_look(&watch, false, 3000), GATEWAY_WAIT, "it is away");
	is_int(gateway_look(&watch, false, 12999), GATEWAY_WAIT, "for a while");
	is_int(gateway_look(&watch, false, 13000), GATEWAY_LOST, "a route that stays away is lost");
	is_int((long)gateway_listed(STR("DESTINATION  GATEWAY   LINK  STATE\n"
					"default      10.0.2.2  eth0  reachable\n")),
	       GATEWAY_IP4 | GATEWAY_ANSWERS4, "a default route whose gateway answers");
	is_int((long)gateway_listed(STR("::/0   fe80::2   eth0  failed\n")), GATEWAY_IP6,
	       "one of IPv6 that does not");
	is_int((long)gateway_listed(STR("default 10.0.2.2 eth0 stale\n::/0 fe80::2 eth0 none\n")),
	       GATEWAY_IP4 | GATEWAY_IP6 | GATEWAY_ANSWERS6,
	       "one is asked only now, the other cannot be");
	ok(gateway_answers(GATEWAY_IP4 | GATEWAY_ANSWERS4) && gateway_answers(0) &&
		   !gateway_answers(GATEWAY_IP4 | GATEWAY_IP6 | GATEWAY_ANSWERS6),
	   "each route has one that answers");
	ok(!gateway_listed(STR("10.0.2.0/24 10.0.2.1 eth0 reachable\n")), "another route is none");
	ok(!gateway_listed(STR("default 10.0.2.2\n")) && !gateway_listed(STR("")), "nor nothing");
	return tap_done();
}
