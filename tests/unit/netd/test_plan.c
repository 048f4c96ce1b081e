/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted links against the kernel's: golden plans, and which links are chosen. */
#include <net/if_arp.h>
#include "lib/own.h"
#include "netd/link/uplink.h"
#include "tests/unit/tap.h"

static struct rtnl_link links[] = {
	{ .index = 1, .name = "lo", .flags = IFF_UP | IFF_LOOPBACK, .arp_type = ARPHRD_LOOPBACK },
	{ .index = 2, .name = "hoy0", .kind = "bridge", .arp_type = ARPHRD_ETHER },
	{ .index = 4, .name = "eth1", .arp_type = ARPHRD_ETHER, .mtu = 1500 },
	{ .index = 3, .name = "eth0", .arp_type = ARPHRD_ETHER, .mtu = 1500 },
	{ .index = 5, .name = "eth2", .arp_type = ARPHRD_ETHER, .master = 2 },
};

static void is_plan(const struct uplink *uplink, const struct rtnl_state *state, int64_t now_s,
		    const char *want, const char *name)
{
	OWN(buf_done) struct buf text = { 0 };
	struct link_wanted wanted;
	struct link_plan plan;

	buf_init(&text, 4096);
	uplink_wanted(uplink, (struct mono){ now_s * 1000000000 }, &wanted);
	link_plan_make(&wanted, state, &plan);
	link_plan_print(&plan, &text);
	is_text(buf_text(&text), want, "%s", name);
}

static void test_lease(void)
{
	struct rtnl_addr addrs[4] = { { 0 } };
	struct rtnl_route routes[4] = { { 0 } };
	struct rtnl_state state = {
		.links = links, .link_count = ARRAY_LEN(links), .addrs = addrs, .routes = routes
	};
	struct uplink uplink = {
		.index = 3,
		.conf = { .dhcp = true, .metric = 100 },
		.has_lease = true,
		.lease = { .ip4 = 0x0a090032,
			   .prefix = 24,
			   .lease_s = 7200,
			   .t1_s = 3600,
			   .t2_s = 6300,
			   .routers = { 0x0a090001 },
			   .router_count = 1 },
	};

	is_plan(&uplink, &state, 0,
		"set up\nset address 10.9.0.50/24 for 7200 s\n"
		"set route 0.0.0.0/0 via 10.9.0.1 metric 100\n",
		"a fresh lease");
	links[3].flags = IFF_UP;
	addrs[0] = (struct rtnl_addr){ 3, 0x0a090032, 24, RTNL_OURS, 7000 };
	routes[0] = (struct rtnl_route){ .gateway = 0x0a090001,
					 .metric = 100,
					 .out = 3,
					 .proto = RTNL_OURS,
					 .prefsrc = 0x0a090032 };
	state.addr_count = state.route_count = 1;
	is_plan(&uplink, &state, 200, "", "nothing to do once it is there");
	is_plan(&uplink, &state, 100, "set address 10.9.0.50/24 for 7100 s\n",
		"a renewal changes the lifetime and nothing else");
	addrs[1] = (struct rtnl_addr){ 3, 0xc0000207, 32, 0, RTNL_FOREVER };
	addrs[2] = (struct rtnl_addr){ 4, 0x0a0a0001, 24, RTNL_OURS, RTNL_FOREVER };
	routes[1] = (struct rtnl_route){ .dst = 0xc6336400, .prefix = 24, .out = 3, .proto = 4 };
	state.addr_count = 3;
	state.route_count = 2;
	is_plan(&uplink, &state, 200, "", "what others set, and other links, are left alone");
	uplink.has_lease = false;
	is_plan(&uplink, &state, 200,
		"remove route 0.0.0.0/0 via 10.9.0.1 metric 100\n"
		"remove address 10.9.0.50/24 for 7000 s\n",
		"a lost lease takes ours away and only ours");
	uplink.index = 9;
	is_plan(&uplink, &state, 200, "", "a link that is gone");
	links[3].flags = 0;
}

static void test_static(void)
{
	struct rtnl_state state = { .links = links, .link_count = ARRAY_LEN(links) };
	struct uplink uplink = {
		.index = 4,
		.conf = { .metric = 5,
			  .mtu = 1400,
			  .gateway = 0xc0000201,
			  .addrs = { { 0x0a090002, 24 }, { 0x0a090003, 24 } },
			  .addr_count = 2 },
	};

	is_plan(&uplink, &state, 0,
		"set mtu 1400\nset up\nset address 10.9.0.2/24\nset address 10.9.0.3/24\n"
		"set route 0.0.0.0/0 via 192.0.2.1 metric 5\n",
		"static addresses and a gateway outside of them");
}

static void test_choice(void)
{
	const struct rtnl_state state = { .links = links, .link_count = ARRAY_LEN(links) };
	struct conf conf = { 0 };
	struct conf_uplink chosen;

	ok(uplink_configure(&state, &conf, &links[3], &chosen) && chosen.dhcp &&
		   chosen.probe == CONF_PROBE_YES,
	   "without a section: the first Ethernet link, by DHCP");
	ok(!uplink_configure(&state, &conf, &links[2], &chosen), "and not the second");
	ok(!uplink_configure(&state, &conf, &links[0], &chosen), "nor lo");
	ok(!uplink_configure(&state, &conf, &links[1], &chosen), "nor a bridge");
	ok(!uplink_configure(&state, &conf, &links[4], &chosen), "nor one that has a master");
	conf.uplink_count = 2;
	conf.uplinks[0] = (struct conf_uplink){ .name = "lan", .match = "eth1" };
	conf.uplinks[1] = (struct conf_uplink){ .name = "rest", .match = "e*", .refused = true };
	ok(uplink_configure(&state, &conf, &links[2], &chosen) && !strcmp(chosen.name, "lan"),
	   "the first section that matches");
	ok(!uplink_configure(&state, &conf, &links[3], &chosen),
	   "a refused section leaves it alone");
	conf.uplinks[1] = (struct conf_uplink){ .name = "any", .match = "*" };
	ok(!uplink_configure(&state, &conf, &links[1], &chosen), "a wildcard takes no bridge");
	ok(uplink_suits(&links[3]) && !uplink_suits(&links[1]), "what suits");
}

static void test_dns(void)
{
	struct uplinks uplinks = { 0 };
	OWN(buf_done) struct buf text = { 0 };
	struct uplink_dns dns;

	uplinks.list[0] = (struct uplink){
		.index = 3,
		.has_lease = true,
		.lease = { .dns = { 0x0a090001, 0x08080808 },
			   .dns_count = 2,
			   .domain = "lab.example" },
	};
	uplinks.list[1] = (struct uplink){
		.index = 4,
		.has_lease = true,
		.lease = { .dns = { 0x01010101 }, .dns_count = 1, .domain = "other.example" },
		.conf = { .dns = { 0x08080808 }, .dns_count = 1 },
	};
	buf_init(&text, 1024);
	uplink_dns(&uplinks, &dns);
	uplink_resolv_conf(&dns, &text);
	is_text(buf_text(&text),
		"# written by netd from network.ini and the leases\nnameserver 10.9.0.1\n"
		"nameserver 8.8.8.8\nsearch lab.example other.example\noptions timeout:2 "
		"attempts:2\n",
		"servers without repeats, network.ini before the lease");
}

int main(void)
{
	test_lease();
	test_static();
	test_choice();
	test_dns();
	return tap_done();
}
