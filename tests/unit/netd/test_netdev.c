/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual links of network.ini: records, mistakes, plans, parts of bonds and bridges. */
#include <net/if_arp.h>
#include "lib/own.h"
#include "netd/link/netdev.h"
#include "netd/link/uplink.h"
#include "tests/unit/tap.h"

static struct conf conf;
static char issue[400];

static unsigned load(const char *text)
{
	OWN(ini_done) struct ini_config ini;

	ini_init(&ini);
	if (ini_add_text(&ini, &conf_schema, 0, "test:network.ini", str_from(text), NULL) < 0)
		return 99;
	conf_from_ini(&ini, &conf);
	snprintf(issue, sizeof(issue), "%s", ini.issues ? ini.issues->text : "");
	return ini.issue_count;
}

static struct rtnl_link links[] = {
	{ .index = 2, .name = "eth0", .arp_type = ARPHRD_ETHER, .mtu = 1500, .flags = IFF_UP },
	{ .index = 3, .name = "eth1", .arp_type = ARPHRD_ETHER, .mtu = 1500, .flags = IFF_UP },
	{ .index = 4, .name = "hoy0", .arp_type = ARPHRD_ETHER, .kind = "bridge" },
	{ .index = 5, .name = "veth1", .arp_type = ARPHRD_ETHER, .kind = "veth", .master = 4 },
	{ 0 },
	{ 0 },
};

static void is_plan(size_t link_count, const char *want, const char *name)
{
	const struct rtnl_state state = { .links = links, .link_count = link_count };
	static struct netdev_plan plan;
	OWN(buf_done) struct buf text = { 0 };

	buf_init(&text, 4096);
	netdev_plan_make(&conf, &state, &plan);
	netdev_plan_print(&plan, &text);
	is_text(buf_text(&text), want, "%s", name);
}

static void test_vlan(void)
{
	is_int(load("[network trunk]\nMatch.Name = eth0\nVLAN = vlan10\nVLAN = vlan20\n"
		    "[netdev vlan10]\nKind = vlan\nVLAN.Id = 10\n"
		    "[netdev vlan20]\nKind = vlan\nVLAN.Id = 20\n"
		    "[network ten]\nMatch.Name = vlan10\nAddress = 10.10.0.2/24\n"),
	       0, "two VLANs");
	is_plan(4, "make vlan vlan10 id 10 on 2\nmake vlan vlan20 id 20 on 2\n", "both are made");
	is_plan(0, "", "without their interface they wait");
	links[4] = (struct rtnl_link){ .index = 6,
				       .name = "vlan10",
				       .kind = "vlan",
				       .parent = 2,
				       .arp_type = ARPHRD_ETHER,
				       .vlan_id = 10,
				       .group = RTNL_OURS };
	is_plan(5, "make vlan vlan20 id 20 on 2\n", "the one that is there stays");
	links[4].parent = 3;
	is_plan(5, "remove vlan10\nmake vlan vlan10 id 10 on 2\nmake vlan vlan20 id 20 on 2\n",
		"on another interface it is made anew");
	links[4].group = 0;
	is_plan(5, "make vlan vlan20 id 20 on 2\n", "a foreign one in the way is left alone");
	links[4].group = RTNL_OURS;
	links[4].parent = 2;
	is_int(load("[network trunk]\nMatch.Name = eth0\n[netdev vlan10]\nKind = vlan\nVLAN.Id = "
		    "10\n"),
	       0, "no section lists it");
	is_plan(5, "remove vlan10\n", "one that no interface's section lists any more goes");
	(void)load("");
	is_plan(5, "remove vlan10\n", "one that is declared no more goes");
}

/* What shares an interface, a pair, and one that leads nowhere. */
static void test_kinds(void)
{
	const struct rtnl_dev veth = {
		.name = "a", .kind = RTNL_DEV_VETH, .netns_fd = -1, .peer = "b"
	};
	OWN(buf_done) struct buf request = { 0 };

	is_int(load("[network up]\nMatch.Name = eth0\nMACVLAN = mv0\nIPVLAN = iv0\n"
		    "[netdev mv0]\nKind = macvlan\n[netdev iv0]\nKind = ipvlan\nIPVLAN.Mode = L3\n"
		    "[netdev a]\nKind = veth\nPeer.Name = b\n[netdev d]\nKind = dummy\n"),
	       0, "of each one: %s", issue);
	is_plan(4, "make macvlan mv0 on 2\nmake ipvlan iv0 on 2\nmake veth a to b\nmake dummy d\n",
		"all are made");
	ok(conf.netdevs[0].mode == 4 && conf.netdevs[1].mode == 1, "with their modes");
	is_plan(0, "make veth a to b\nmake dummy d\n", "without their interface two wait");
	links[4] = (struct rtnl_link){ .index = 6,
				       .name = "mv0",
				       .kind = "macvlan",
				       .parent = 2,
				       .mode = 4,
				       .group = RTNL_OURS };
	links[5] =
		(struct rtnl_link){ .index = 7, .name = "a", .kind = "veth", .group = RTNL_OURS };
	is_plan(6, "make ipvlan iv0 on 2\nmake dummy d\n", "those that are there stay");
	links[4].mode = 8;
	is_plan(6, "remove mv0\nmake macvlan mv0 on 2\nmake ipvlan iv0 on 2\nmake dummy d\n",
		"of another mode it is made anew");
	is_int(load("[netdev a]\nKind = veth\n"), 1, "a pair of one: %s", issue);
	ok(strstr(issue, "Peer.Name") != NULL && !conf.netdev_count, "is refused");
	is_int(load("[netdev a]\nKind = veth\nPeer.Name = a\n"), 1, "as one with itself");
	buf_init(&request, 512);
	rtnl_encode_dev(&veth, &request);
	ok(str_find(buf_str(&request), 'b') > 0 &&
		   !memcmp(request.data + request.len - 8, "\6\0\3\0b", 5),
	   "the other end's name is in its own header");
	links[4] = links[5] = (struct rtnl_link){ 0 };
}

static void test_mistakes(void)
{
	is_int(load("[netdev vlan10]\nKind = vlan\n"), 1, "a VLAN without a number");
	ok(strstr(issue, "VLAN.Id") != NULL && conf.netdev_count == 0, "%s", issue);
	is_int(load("[netdev a/b]\nKind = bond\n"), 1, "a name that is none");
	is_int(load("[network up]\nBond = b\nAddress = 10.0.0.2/24\n"), 1,
	       "a part of a bond with an address");
	ok(conf.uplinks[0].refused, "is refused: %s", issue);
	is_int(load("[address x]\nNetwork = up\nAddress = 10.0.0.2/24\n"), 1,
	       "an address of no network: %s", issue);
	is_int(load("[network up]\n[address x]\nNetwork = up\n"), 1, "a section without: %s",
	       issue);
	is_int(load("[network up]\n[route x]\nNetwork = up\nDestination = 10.0.0.0/8\n"
		    "Gateway = fe80::1\n"),
	       1, "a route of two families: %s", issue);
	is_int(load("[netdev b]\nKind = bond\nBond.Mode = fastest\n"), 1, "an unknown mode: %s",
	       issue);
}

/* The section that eth1 gets, NULL = it is left alone. */
static const struct conf_uplink *section_of(size_t i, size_t count)
{
	const struct rtnl_state state = { .links = links, .link_count = count };
	static struct conf_uplink found;

	return uplink_configure(&state, &conf, &links[i], &found) ? &found : NULL;
}

static void test_parts(void)
{
	const struct rtnl_state state = { .links = links, .link_count = 5 };
	struct uplink uplink = { .index = 3, .name = "eth1" };
	OWN(buf_done) struct buf text = { 0 };
	struct link_wanted wanted;
	struct link_plan plan;

	is_int(load("[network part]\nMatch.Name = eth1\nBond = bond0\n"
		    "[network all]\nMatch.Name = bond0\nDHCP = yes\n"
		    "[netdev bond0]\nKind = bond\nBond.Mode = 802.3ad\n"
		    "Bond.LACPTransmitRate = fast\n"),
	       0, "a bond: %s", issue);
	ok(conf.netdevs[0].bond_mode == 4 && conf.netdevs[0].bond_lacp_fast &&
		   conf.netdevs[0].bond_watch_ms == 100,
	   "with its mode");
	ok(section_of(1, 4) && !section_of(1, 4)->dhcp && section_of(1, 4)->no_ip6,
	   "its part has no address of its own");
	links[4] = (struct rtnl_link){ .index = 6,
				       .name = "bond0",
				       .kind = "bond",
				       .arp_type = ARPHRD_ETHER,
				       .bond_mode = 4,
				       .group = RTNL_OURS };
	ok(section_of(4, 5) && section_of(4, 5)->dhcp, "the whole has");
	uplink.conf = *section_of(1, 5);
	uplink.master = 6;
	buf_init(&text, 4096);
	uplink_wanted(&uplink, (struct mono){ 0 }, &wanted);
	link_plan_make(&wanted, &state, &plan);
	link_plan_print(&plan, &text);
	is_text(buf_text(&text), "set down\nset master 6\nset up\n", "it joins while it is down");
	links[1].master = 6;
	ok(section_of(1, 5) != NULL, "and is ours when it has joined");
	ok(section_of(3, 5) == NULL, "a port of a container network is nobody's uplink");
	(void)load("[network free]\nMatch.Name = eth1\n");
	uplink.conf = *section_of(1, 5);
	uplink.master = 0;
	buf_clear(&text);
	uplink_wanted(&uplink, (struct mono){ 0 }, &wanted);
	link_plan_make(&wanted, &state, &plan);
	link_plan_print(&plan, &text);
	is_text(buf_text(&text), "set master 0\n", "taken out again");
	links[1].master = 0;
}

static void test_addresses(void)
{
	struct uplink uplink = { .index = 2, .name = "eth0" };
	struct link_wanted wanted;

	is_int(load("[network up]\nMatch.Name = eth0\nAddress = 10.0.0.2/24\n"
		    "[address second]\nNetwork = up\nAddress = 10.0.0.3/24\nLabel = eth0:b\n"
		    "Scope = link\nPreferredLifetime = 0\nAddPrefixRoute = no\n"
		    "[address six]\nNetwork = up\nAddress = 2001:db8::3/64\n"
		    "DuplicateAddressDetection = none\nPreferredLifetime = 0\n"
		    "[route t]\nNetwork = up\nDestination = 10.5.0.0/16\nGateway = 192.0.2.1\n"
		    "GatewayOnLink = yes\nTable = 300\nPreferredSource = 10.0.0.3\n"),
	       0, "addresses and routes in sections of their own: %s", issue);
	uplink.conf = conf.uplinks[0];
	uplink_wanted(&uplink, (struct mono){ 0 }, &wanted);
	ok(wanted.addr_count == 3 && wanted.addrs[0].nodad && wanted.addrs[0].preferred_s == 0,
	   "IPv6");
	ok(wanted.addrs[2].scope == 253 && wanted.addrs[2].deprecated && wanted.addrs[2].noroute &&
		   !strcmp(wanted.addrs[2].label, "eth0:b"),
	   "IPv4 with label and scope");
	ok(wanted.route_count == 1 && wanted.routes[0].table == 300 && wanted.routes[0].onlink &&
		   wanted.routes[0].prefsrc == 0x0a000003,
	   "a route of another table");
}

int main(void)
{
	test_vlan();
	test_kinds();
	test_mistakes();
	test_parts();
	test_addresses();
	return tap_done();
}
