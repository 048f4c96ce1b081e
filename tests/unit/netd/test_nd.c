/* SPDX-License-Identifier: Apache-2.0 */
/* Router advertisements and what becomes of them, on a clock of the test's own. */
#include <errno.h>
#include "lib/own.h"
#include "netd/link/uplink.h"
#include "netd/nd/nd_client.h"
#include "tests/unit/tap.h"

#define SECONDS INT64_C(1000000000)

static struct mono now = { .ns = 1000 * SECONDS };

static uint32_t no_dice(void)
{
	return 100;
}

static void test_solicit(void)
{
	uint8_t packet[ND_SOLICIT_LEN];
	struct nd_advert advert;
	char hex[2 * ND_SOLICIT_LEN + 1];

	nd_solicit_write(packet);
	str_hex(packet, sizeof(packet), hex);
	is_text(hex,
		"60000000"
		"00083aff"
		"00000000000000000000000000000000"
		"ff020000000000000000000000000002"
		"85007bb8"
		"00000000",
		"a solicitation");
	is_int(nd_advert_read(str_make(packet, sizeof(packet)), &advert), -EBADMSG,
	       "which is no advertisement");
}

static struct nd_advert said(uint32_t valid_s, uint32_t preferred_s)
{
	return (struct nd_advert){
		.router = { { 0xfe, 0x80, [15] = 1 } },
		.lifetime_s = 1800,
		.prefixes = { { .prefix = { { 0x20, 1, 0x0d, 0xb8 } },
				.len = 64,
				.onlink = true,
				.autonomous = true,
				.valid_s = valid_s,
				.preferred_s = preferred_s } },
		.prefix_count = 1,
	};
}

static int64_t hear(struct nd_client *client, uint32_t valid_s, uint32_t preferred_s)
{
	const struct nd_advert advert = said(valid_s, preferred_s);
	struct nd_actions actions = { .report = false };

	nd_client_receive(client, now, &advert, &actions);
	return client->known.prefix_count ? (client->known.prefixes[0].valid_ns - now.ns) / SECONDS
					  : 0;
}

/* RFC 4862 5.5.3 e, case by case. */
static void test_two_hours(void)
{
	struct nd_client client = { .random = no_dice };

	is_int(hear(&client, 86400, 14400), 86400, "the first word counts");
	is_int(hear(&client, 100000, 14400), 100000, "longer is taken");
	is_int(hear(&client, 8000, 600), 8000, "more than two hours as well");
	is_int(hear(&client, 0, 0), 7200, "an end at once becomes two hours");
	is_int(client.known.prefixes[0].preferred_ns, now.ns, "but it is deprecated");
	now.ns += 3600 * SECONDS;
	is_int(hear(&client, 10, 10), 3600, "what is left below two hours stays");
	is_int(hear(&client, 5000, 10), 5000, "unless it becomes longer");
	is_int(hear(&client, ND_FOREVER, ND_FOREVER), (ND_NEVER - now.ns) / SECONDS, "for ever");
}

static void test_times(void)
{
	struct nd_client client = { .random = no_dice, .carrier = true };
	struct nd_actions actions = { .report = false };
	const struct nd_advert advert = said(60, 30);
	struct mono due;

	nd_client_start(&client, now, NULL, &actions);
	ok(actions.solicit && nd_client_due(&client, &due) && due.ns > now.ns, "asks at once");
	actions = (struct nd_actions){ .report = false };
	nd_client_timer(&client, due, &actions);
	ok(actions.solicit && client.solicit_due.ns - due.ns > 7 * SECONDS, "and again, later");
	now = due;
	actions = (struct nd_actions){ .report = false };
	nd_client_receive(&client, now, &advert, &actions);
	ok(actions.report && !client.solicit_set, "an answer is told and ends the asking");
	actions = (struct nd_actions){ .report = false };
	nd_client_receive(&client, now, &advert, &actions);
	ok(!actions.report && client.report_set, "the next one within a second waits");
	now.ns += 61 * SECONDS;
	actions = (struct nd_actions){ .report = false };
	nd_client_timer(&client, now, &actions);
	ok(actions.report && client.known.prefix_count == 0 && client.known.router_count == 1,
	   "a prefix that ran out is dropped and told");
	now.ns += 1800 * SECONDS;
	nd_client_timer(&client, now, &actions);
	is_int((int)client.known.router_count, 0, "so is the router");
	actions = (struct nd_actions){ .report = false };
	nd_client_carrier(&client, now, false, &actions);
	nd_client_carrier(&client, now, true, &actions);
	ok(actions.solicit, "a cable that is back: ask again");
}

static void test_wanted(void)
{
	struct uplink uplink = { .index = 3,
				 .name = "up0",
				 .conf = { .accept_ra = true, .metric = 100 },
				 .secret = "0123456789abcde" },
		      other;
	struct nd_client client = { .random = no_dice };
	struct link_wanted wanted;
	struct ip6 first;

	(void)hear(&client, 3600, 600);
	uplink.known = client.known;
	uplink_wanted(&uplink, now, &wanted);
	first = uplink_stable_address(&uplink, &uplink.known.prefixes[0].prefix, 0);
	ok(wanted.addr_count == 1 && ip6_equal(&wanted.addrs[0].ip6, &first) &&
		   wanted.addrs[0].valid_s == 3600 && wanted.addrs[0].preferred_s == 600 &&
		   wanted.addrs[0].noroute && wanted.route_count == 2,
	   "an address, the way to its prefix and a default route");
	other = uplink;
	other.secret[0]++;
	ok(!ip6_equal(&first, &(struct ip6){ .b = { 0 } }) &&
		   memcmp(first.b + 8,
			  uplink_stable_address(&other, &other.known.prefixes[0].prefix, 0).b + 8,
			  8) != 0,
	   "another secret is another address");
	{
		struct rtnl_addr there = {
			.index = 3, .v6 = true, .ip6 = first, .dad_failed = true
		};
		const struct rtnl_state state = { .addrs = &there, .addr_count = 1 };

		ok(uplink_note_conflicts(&uplink, &state) && uplink.tries[0] == 1,
		   "one that somebody else has gives way");
		uplink_wanted(&uplink, now, &wanted);
		ok(!ip6_equal(&wanted.addrs[0].ip6, &first), "to the next");
	}
	uplink.conf.accept_ra = false;
	uplink_wanted(&uplink, now, &wanted);
	is_int((int)(wanted.addr_count + wanted.route_count), 0, "nothing when they do not count");
}

int main(void)
{
	test_solicit();
	test_two_hours();
	test_times();
	test_wanted();
	return tap_done();
}
