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
	is_int((long)gateway_listed(
		       STR("DESTINATION  GATEWAY\ndefault      10.0.2.2   eth0  100 netd\n")),
	       GATEWAY_IP4, "a default route");
	is_int((long)gateway_listed(STR("::/0   fe80::2   eth0  100 netd\n")), GATEWAY_IP6,
	       "one of IPv6");
	is_int((long)gateway_listed(STR("default  10.0.2.2  eth0\n::/0  fe80::2  eth0\n")),
	       GATEWAY_IP4 | GATEWAY_IP6, "both");
	ok(!gateway_listed(STR("10.0.2.0/24   -   eth0  100 netd\n")), "a link's own is none");
	ok(!gateway_listed(STR("default   prohibit   -  100 netd\n")), "a wall is none");
	ok(!gateway_listed(STR("default   -   eth0  100 netd\n")), "nor one without a gateway");
	ok(!gateway_listed(STR("")), "nor nothing");
	return tap_done();
}
