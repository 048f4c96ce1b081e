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

/* ---- routes that routers tell of (RFC 4191) ---- */

/* A whole advertisement with these options behind its header. */
static int read_with(const void *options, size_t len, struct nd_advert *ret_advert)
{
	uint8_t packet[200] = { [0] = 0x60,  [6] = 58, [7] = 255, [8] = 0xfe, [9] = 0x80, [23] = 1,
				[24] = 0xff, [25] = 2, [39] = 1,  [40] = 134, [46] = 7 };
	size_t icmp = 16 + len;
	uint32_t sum = 58 + (uint32_t)icmp;

	packet[5] = (uint8_t)icmp;
	memcpy(packet + 56, options, len);
	for (size_t i = 8; i < 40 + icmp; i++)
		sum += (uint32_t)packet[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[42] = (uint8_t)(~sum >> 8);
	packet[43] = (uint8_t)~sum;
	return nd_advert_read(str_make(packet, 40 + icmp), ret_advert);
}

#define READ(options, advert) read_with(options, sizeof(options) - 1, advert)
#define FD07		      "\xfd\7\0\0\0\0\0\0"

static void test_route_options(void)
{
	struct nd_advert advert;

	ok(READ("\x18\2\x30\x08\0\0\x0e\x10" FD07 "\x18\1\0\x18\0\0\0\x3c"
		"\x18\3\x40\0\xff\xff\xff\xff" FD07 "\0\0\0\0\0\0\0\7",
		&advert) == 0 &&
		   advert.route_count == 3,
	   "routes of each length");
	ok(advert.routes[0].len == 48 && advert.routes[0].prefix.b[0] == 0xfd &&
		   advert.routes[0].preference == 1 && advert.routes[0].lifetime_s == 3600,
	   "half of a prefix");
	ok(advert.routes[1].len == 0 && advert.routes[1].preference == -1, "the default route");
	ok(advert.routes[2].len == 64 && advert.routes[2].prefix.b[15] == 0 &&
		   advert.routes[2].lifetime_s == ND_FOREVER,
	   "bits behind the prefix are cut off");
	ok(READ("\x18\1\x40\0\0\0\x0e\x10", &advert) == 0 && !advert.route_count,
	   "a prefix longer than its bytes is left out");
	ok(READ("\x18\3\x81\0\0\0\x0e\x10" FD07 FD07, &advert) == 0 && !advert.route_count,
	   "so is one of 129 bits");
	ok(READ("\x18\2\x30\x10\0\0\x0e\x10" FD07, &advert) == 0 && !advert.route_count,
	   "so is one of the reserved preference");
	ok(READ("\x18\2\x0a\0\0\0\x0e\x10\xfe\x80\0\0\0\0\0\0", &advert) == 0 &&
		   !advert.route_count,
	   "so is the link's own prefix");
}

static void hear_route(struct nd_client *client, uint8_t router, uint8_t len, int preference,
		       uint32_t lifetime_s)
{
	struct nd_advert advert = { .router = { { 0xfe, 0x80, [15] = router } },
				    .lifetime_s = router == 3 ? 0 : 1800,
				    .routes = { { .prefix = { { len ? 0xfd : 0 } },
						  .len = len,
						  .preference = preference,
						  .lifetime_s = lifetime_s } },
				    .route_count = 1 };
	struct nd_actions actions = { .report = false };

	nd_client_receive(client, now, &advert, &actions);
}

/* The last byte of the gateway to fd00::/len, 0 = there is no route. */
static int way(const struct nd_client *client, uint8_t len, bool use)
{
	struct uplink uplink = { .index = 3,
				 .conf = { .accept_ra = true, .metric = 100, .ra_routes = use },
				 .inner6 = { { { { 0xfd } }, 16 } },
				 .inner6_count = 1,
				 .known = client->known };
	struct link_wanted wanted;
	int found = 0;

	uplink_wanted(&uplink, now, &wanted);
	for (size_t i = 0; i < wanted.route_count; i++)
		if (wanted.routes[i].prefix == len && !ip6_is_zero(&wanted.routes[i].gateway6))
			found = found ? -1 : wanted.routes[i].gateway6.b[15];
	return found;
}

static void test_routes(void)
{
	struct nd_client client = { .random = no_dice };
	OWN(buf_done) struct buf out = { 0 };
	struct nd_known back;
	struct wire in;
	struct mono due;

	hear_route(&client, 1, 8, 0, 600);
	hear_route(&client, 3, 8, 1, 60);
	hear_route(&client, 1, 24, 0, 600);
	is_int(way(&client, 8, false), 0, "routes are not used unasked");
	is_int(way(&client, 8, true), 3, "the preferred one leads, of a router without a default");
	is_int(way(&client, 0, true), 1, "which is no default router by that");
	is_int(way(&client, 24, true), 0, "nothing leads into a container network");
	buf_init(&out, 4096);
	nd_known_encode(&client.known, &out);
	wire_init(&in, out.data, out.len);
	nd_known_decode(&in, &back);
	ok(wire_end(&in) == 0 && back.route_count == 3 && back.routes[1].preference == 1 &&
		   back.routes[1].until_ns == client.known.routes[1].until_ns,
	   "the record keeps them");
	client.report_set = false;
	ok(nd_client_due(&client, &due) && due.ns == now.ns + 60 * SECONDS,
	   "their time is watched");
	now.ns += 61 * SECONDS;
	ok(nd_known_expire(&client.known, now), "one runs out");
	is_int(way(&client, 8, true), 1, "then the other leads");
	hear_route(&client, 1, 8, 0, 0);
	is_int(way(&client, 8, true), 0, "until it is taken back");
	hear_route(&client, 2, 0, 1, 600);
	is_int(way(&client, 0, true), 2, "::/0 in an option says it better than the header");
	is_int(way(&client, 0, false), 1, "where options count");
	for (uint8_t i = 0; i < 40; i++)
		hear_route(&client, 1, (uint8_t)(65 + i), 0, 600);
	is_int((long long)client.known.route_count, ND_ROUTES_MAX, "no more than fit");
}

static void test_token(void)
{
	struct uplink uplink = { .name = "up0", .conf = { .token = { { [15] = 0x10 } } } };
	const struct ip6 prefix = { { 0x20, 1 } };
	struct ip6 ip6 = uplink_stable_address(&uplink, &prefix, 0);

	ok(ip6.b[0] == 0x20 && ip6_low(&ip6) == 0x10, "an address may have a given end");
	ip6 = uplink_stable_address(&uplink, &prefix, 1);
	ok(ip6_low(&ip6) != 0x10, "unless somebody else has it");
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
	test_route_options();
	test_routes();
	test_token();
	test_wanted();
	return tap_done();
}
