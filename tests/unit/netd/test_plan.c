/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted links against the kernel's: golden plans, and which links are chosen. */
#include <net/if_arp.h>
#include "lib/own.h"
#include "netd/link/nowhere.h"
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
		.conf = { .dhcp = true,
			  .metric = 100,
			  .dhcp4 = { .use_routes = CONF_USE_ROUTES_GATEWAY } },
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
	addrs[0] = (struct rtnl_addr){
		.index = 3, .ip4 = 0x0a090032, .prefix = 24, .proto = RTNL_OURS, .valid_s = 7000
	};
	routes[0] = (struct rtnl_route){ .gateway = 0x0a090001,
					 .metric = 100,
					 .out = 3,
					 .proto = RTNL_OURS,
					 .prefsrc = 0x0a090032 };
	state.addr_count = state.route_count = 1;
	is_plan(&uplink, &state, 200, "", "nothing to do once it is there");
	is_plan(&uplink, &state, 100, "set address 10.9.0.50/24 for 7100 s\n",
		"a renewal changes the lifetime and nothing else");
	addrs[1] = (struct rtnl_addr){
		.index = 3, .ip4 = 0xc0000207, .prefix = 32, .proto = 0, .valid_s = RTNL_FOREVER
	};
	addrs[2] = (struct rtnl_addr){ .index = 4,
				       .ip4 = 0x0a0a0001,
				       .prefix = 24,
				       .proto = RTNL_OURS,
				       .valid_s = RTNL_FOREVER };
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

static void test_leased_routes(void)
{
	struct rtnl_state state = { .links = links, .link_count = ARRAY_LEN(links) };
	struct uplink uplink = {
		.index = 3,
		.conf = { .dhcp = true, .metric = 100, .dhcp4 = { .metric = 7 } },
		.has_lease = true,
		.lease = { .ip4 = 0x0a090032,
			   .prefix = 24,
			   .lease_s = UINT32_MAX,
			   .routers = { 0x0a090001 },
			   .router_count = 1,
			   .classless = true,
			   .routes = { { 0, 0, 0x0a090002 },
				       { 0xc6336400, 24, 0x0a090003 },
				       { 0xac140500, 24, 0x0a090003 } },
			   .route_count = 3,
			   .mtu = 1400 },
		.inner = { { 0xac140000, 16 } },
		.inner_count = 1,
	};

	uplink.conf.dhcp4.use_routes = CONF_USE_ROUTES_GATEWAY;
	is_plan(&uplink, &state, 0,
		"set up\nset address 10.9.0.50/24\nset route 0.0.0.0/0 via 10.9.0.2 metric 7\n",
		"classless: its default route, not option 3, and no other by default");
	uplink.conf.dhcp4.use_routes = CONF_USE_ROUTES_ALL;
	uplink.conf.dhcp4.use_mtu = true;
	is_plan(&uplink, &state, 0,
		"set mtu 1400\nset up\nset address 10.9.0.50/24\n"
		"set route 0.0.0.0/0 via 10.9.0.2 metric 7\n"
		"set route 198.51.100.0/24 via 10.9.0.3 metric 7\n",
		"all of them on demand, but never one into a container network");
	uplink.conf.dhcp4.use_routes = CONF_USE_ROUTES_NO;
	uplink.conf.routes[0] =
		(struct conf_route){ .dst = { 0x0a000000, 8 }, .gateway = 0x0a090009, .mtu = 1300 };
	uplink.conf.route_count = 1;
	uplink.conf.dhcp4.use_mtu = false;
	is_plan(&uplink, &state, 0,
		"set up\nset address 10.9.0.50/24\n"
		"set route 10.0.0.0/8 via 10.9.0.9 metric 100 mtu 1300\n",
		"none of them; [route] counts in any case");
}

static void test_link(void)
{
	static struct rtnl_link link = {
		.index = 7, .name = "e7", .flags = IFF_UP, .mac = { 2, 0, 0, 0, 0, 1 }
	};
	const struct rtnl_state state = { .links = &link, .link_count = 1 };
	struct uplink uplink = { .index = 7,
				 .conf = { .set_mac = true, .mac = { 2, 0, 0, 0, 0, 2 } } };

	is_plan(&uplink, &state, 0, "set down\nset address 02:00:00:00:00:02\nset up\n",
		"another MAC address is given while the link is down");
	uplink.conf.set_mac = false;
	uplink.conf.activation = CONF_ACTIVATION_DOWN;
	uplink.conf.addrs[0] = (struct conf_addr){ 0x0a090002, 24 };
	uplink.conf.addr_count = 1;
	uplink.conf.gateway = 0x0a090001;
	is_plan(&uplink, &state, 0, "set down\nset address 10.9.0.2/24\n", "taken down: no routes");
	link.flags = 0;
	uplink.conf.activation = CONF_ACTIVATION_MANUAL;
	uplink.conf.gateway = 0;
	is_plan(&uplink, &state, 0, "set address 10.9.0.2/24\n", "left as it is");
}

static void test_rank(void)
{
	static struct uplinks uplinks;

	uplinks.list[0] = (struct uplink){ .index = 9, .conf = { .metric = 100 } };
	uplinks.list[1] = (struct uplink){ .index = 4, .conf = { .metric = 100 } };
	uplinks.list[2] = (struct uplink){ .index = 5, .conf = { .metric = 101 } };
	uplinks.list[3] = (struct uplink){ .index = 6, .conf = { .metric = 50 } };
	uplinks_rank(&uplinks);
	ok(uplinks.list[1].metric == 100 && uplinks.list[2].metric == 101 &&
		   uplinks.list[0].metric == 102 && uplinks.list[3].metric == 50,
	   "equal metrics are moved apart in the order of the indexes");
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
	conf.uplinks[1] = (struct conf_uplink){ .name = "rest", .match = "e*", .unmanaged = true };
	ok(!uplink_configure(&state, &conf, &links[3], &chosen), "so does an unmanaged one");
	conf.uplinks[1] = (struct conf_uplink){
		.name = "mac", .match = "*", .mac_count = 1, .macs = { { 2, 0, 0, 0, 0, 9 } }
	};
	ok(!uplink_configure(&state, &conf, &links[3], &chosen), "another MAC address");
	conf.uplinks[1] = (struct conf_uplink){ .name = "hardware",
						.match = "*",
						.perm_mac_count = 1,
						.perm_macs = { { 2, 0, 0, 0, 0, 7 } } };
	ok(!uplink_configure(&state, &conf, &links[3], &chosen), "another permanent one");
	memcpy(links[3].perm_mac, conf.uplinks[1].perm_macs[0], 6);
	ok(uplink_configure(&state, &conf, &links[3], &chosen), "the permanent one that is meant");
	conf.uplinks[1] = (struct conf_uplink){ .name = "not", .match = "!eth1 eth0" };
	ok(!uplink_configure(&state, &conf, &links[3], &chosen), "a list turned around");
	conf.uplinks[1] = (struct conf_uplink){ .name = "two", .match = "wan0 hoy0" };
	ok(uplink_configure(&state, &conf, &links[1], &chosen), "a bridge that is named in full");
	conf.uplinks[1] = (struct conf_uplink){ .name = "any", .match = "*" };
	ok(!uplink_configure(&state, &conf, &links[1], &chosen), "a wildcard takes no bridge");
	ok(uplink_suits(&links[3]) && !uplink_suits(&links[1]), "what suits");
}

/* Routes on no link, against those of the kernel: the guards of networks are not among them. */
static void test_nowhere(void)
{
	struct rtnl_route routes[] = {
		{ .dst = 0x0a000000,
		  .prefix = 8,
		  .type = 6,
		  .metric = 100,
		  .table = 254,
		  .proto = RTNL_OURS },
		{ .dst = 0xac140000,
		  .prefix = 16,
		  .type = 8,
		  .metric = 0xfffffff0,
		  .table = 254,
		  .proto = RTNL_OURS },
		{ .dst = 0x0b000000,
		  .prefix = 8,
		  .type = 7,
		  .metric = 9,
		  .table = 254,
		  .proto = 4 },
		{ .dst = 0x0c000000,
		  .prefix = 8,
		  .type = 9,
		  .metric = 100,
		  .table = 254,
		  .proto = RTNL_OURS },
	};
	const struct rtnl_state state = { .routes = routes, .route_count = ARRAY_LEN(routes) };
	static struct conf conf = {
		.uplink_count = 1,
		.uplinks[0] = { .metric = 100,
				.route_count = 3,
				.routes = { { .dst = { 0x0a000000, 8 }, .type = 6 },
					    { .dst = { 0x0d000000, 8 }, .metric = 7, .type = 8 },
					    { .dst = { 0x0e000000, 8 } } } }
	};
	OWN(buf_done) struct buf text = { 0 };
	struct link_plan plan;

	buf_init(&text, 1024);
	nowhere_plan_make(&conf, &state, &plan);
	link_plan_print(&plan, &text);
	is_text(buf_text(&text),
		"remove route 12.0.0.0/8 throw metric 100\nset route 13.0.0.0/8 prohibit metric "
		"7\n",
		"only those that are ours, declared no more or missing");
	conf.uplinks[0].refused = true;
	nowhere_plan_make(&conf, &state, &plan);
	is_int((int)plan.count, 2, "those of a refused section go, and no others");
}

/* Match.Type: what networkctl(1) calls it. */
static void test_type(void)
{
	struct rtnl_link link = { .index = 3, .name = "eth1", .arp_type = ARPHRD_ETHER };
	const struct rtnl_state state = { .links = &link, .link_count = 1 };
	static struct conf conf = {
		.uplink_count = 1, .uplinks[0] = { .name = "x", .match = "eth1", .type = "ether" }
	};
	struct conf_uplink chosen;

	ok(uplink_configure(&state, &conf, &link, &chosen), "a port is ether");
	memcpy(link.kind, "veth", 5);
	ok(uplink_configure(&state, &conf, &link, &chosen), "so is a veth");
	memcpy(link.kind, "bridge", 7);
	ok(!uplink_configure(&state, &conf, &link, &chosen), "a bridge is not");
	memcpy(conf.uplinks[0].type, "!ether bond", 12);
	ok(uplink_configure(&state, &conf, &link, &chosen), "a list turned around");
}

static void test_dns(void)
{
	struct uplinks uplinks = { 0 };
	OWN(buf_done) struct buf text = { 0 };
	struct uplink_dns dns;

	uplinks.list[0] = (struct uplink){
		.index = 3,
		.conf = { .dhcp = true, .dhcp4 = { .use_dns = true, .use_domains = true } },
		.has_lease = true,
		.lease = { .dns = { 0x0a090001, 0x08080808 },
			   .dns_count = 2,
			   .domain = "lab.example" },
	};
	uplinks.list[1] = (struct uplink){
		.index = 4,
		.has_lease = true,
		.lease = { .dns = { 0x01010101 }, .dns_count = 1, .domain = "other.example" },
		.conf = { .dhcp = true,
			  .dns = { { .ip4 = 0x08080808 } },
			  .dns_count = 1,
			  .dhcp4 = { .use_domains = true } },
	};
	buf_init(&text, 1024);
	uplink_dns(&uplinks, &dns);
	uplink_resolv_conf(&dns, false, &text);
	is_text(buf_text(&text),
		"# written by netd from network.ini, leases and routers\nnameserver 10.9.0.1\n"
		"nameserver 8.8.8.8\nsearch lab.example other.example\noptions timeout:2 "
		"attempts:2\n",
		"servers without repeats, network.ini before the lease");
}

int main(void)
{
	test_lease();
	test_static();
	test_leased_routes();
	test_link();
	test_rank();
	test_choice();
	test_nowhere();
	test_type();
	test_dns();
	return tap_done();
}
