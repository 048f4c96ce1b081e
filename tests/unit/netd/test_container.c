/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, addresses and ports of containers, without a kernel. */
#include <errno.h>
#include <stdlib.h>
#include "lib/own.h"
#include "netd/container/attachment.h"
#include "netd/container/port_used.h"
#include "netd/container/network_subnet.h"
#include "tests/unit/tap.h"

static struct networks networks;
static struct attachments attachments = { .state_fd = -1 };

static struct attachment *make(const char *id, const char *name, const char *network,
			       const char *ip4, const struct netd_port *ports, uint32_t count)
{
	struct netd_attach_network list[] = { { str_from(network), NULL, 0, str_from(ip4),
						str_from(NULL), str_from(NULL), str_from(NULL) } };
	struct netd_port copy[4];
	struct netd_attach attach = { str_from(id), str_from(name), 0, list, 1, copy, count };

	for (uint32_t i = 0; i < count; i++)
		copy[i] = ports[i];
	return attachment_new(&attach);
}

static void test_networks(void)
{
	struct rtnl_link link = { .index = 2, .name = "eth0" };
	struct rtnl_addr addr = { .index = 2, .ip4 = 0xac130005, .prefix = 16 };
	struct rtnl_route route = { .dst = 0xac140000, .prefix = 16, .out = 2 };
	const struct rtnl_state state = { &link, &addr, &route, 1, 1, 1, false };
	struct network wanted = { .name = "bridge", .subnet = 0xac110000, .prefix = 16 }, *made;
	char name[IFNAMSIZ], other[IFNAMSIZ];
	struct err err;

	is_int(network_add(&networks, &wanted, &state, &made, &err), 0, "the default network");
	is_text(made->bridge, "hoy0", "its bridge");
	ok(network_add(&networks, &wanted, &state, &made, &err) == 0 && networks.count == 1,
	   "the same again is the same");
	wanted.internal = true;
	is_int(network_add(&networks, &wanted, &state, &made, &err), -EEXIST,
	       "other values are not");
	wanted = (struct network){ .name = "shop" };
	ok(network_add(&networks, &wanted, &state, &made, &err) == 0 && made->subnet == 0xac120000,
	   "a free subnet");
	wanted = (struct network){ .name = "next" };
	ok(network_add(&networks, &wanted, &state, &made, &err) == 0 && made->subnet == 0xac150000,
	   "past what an address and a route of the host use");
	wanted = (struct network){ .name = "bad", .subnet = 0xac13ff00, .prefix = 24 };
	ok(network_add(&networks, &wanted, &state, &made, &err) == -EADDRINUSE &&
		   strstr(err.text, "eth0"),
	   "overlap is refused: %s", err.text);
	ok(!network_require(&networks, STR("shpo"), &err) && strstr(err.text, "'shop'"),
	   "the nearest name: %s", err.text);
	network_bridge_name("shop", name);
	network_bridge_name("shop2", other);
	ok(strlen(name) < IFNAMSIZ && strcmp(name, other) != 0, "bridges have names of their own");
	network_remove(&networks, network_find(&networks, STR("shop")));
	ok(networks.count == 2 && network_find(&networks, STR("next")), "removed, the rest stays");
	wanted = (struct network){
		.name = "tiny", .subnet = 0x0a000000, .prefix = 29, .internal = true
	};
	is_int(network_add(&networks, &wanted, &state, &made, &err), 0, "a network of five");
}

static void test_addresses(void)
{
	struct attachment *a = make("aaaa", "web", "bridge", "", NULL, 0);
	char first[16];
	struct err err;
	int r = 0;

	is_int(attachment_pick_addresses(&attachments, &networks, NULL, a, &err), 0, "an address");
	(void)str_copy(a->attach.networks[0].ip4, first, sizeof(first));
	attachment_free(a);
	a = make("aaaa", "web", "bridge", "", NULL, 0);
	(void)attachment_pick_addresses(&attachments, &networks, NULL, a, &err);
	ok(str_is(a->attach.networks[0].ip4, first), "the same id gets the same again: %s", first);
	(void)attachment_put(&attachments, a, &err);
	a = make("bbbb", "db", "bridge", first, NULL, 0);
	ok(attachment_pick_addresses(&attachments, &networks, NULL, a, &err) == -EADDRINUSE &&
		   strstr(err.text, "web"),
	   "a taken one is refused: %s", err.text);
	attachment_free(a);
	a = make("bbbb", "db", "bridge", "172.17.0.1", NULL, 0);
	is_int(attachment_pick_addresses(&attachments, &networks, NULL, a, &err), -EINVAL,
	       "not the gateway's");
	attachment_free(a);
	for (int i = 0; i < 5; i++) {
		const char id[] = { 't', (char)('0' + i), 0 };

		a = make(id, id, "tiny", "", NULL, 0);
		r |= attachment_pick_addresses(&attachments, &networks, NULL, a, &err);
		r |= attachment_put(&attachments, a, &err);
	}
	is_int(r, 0, "five fit");
	a = make("t9", "t9", "tiny", "", NULL, 0);
	ok(attachment_pick_addresses(&attachments, &networks, NULL, a, &err) == -ENOSPC,
	   "the sixth: %s", err.text);
	attachment_free(a);
}

static void test_ports(void)
{
	const struct netd_port held[] = { { 6, 0, 8000, 80, 10, 0, { 0 } } },
			       any[] = { { 6, 0, 8009, 80, 1, 0, { 0 } } },
			       one[] = { { 6, 0x7f000001, 7999, 80, 2, 0, { 0 } } },
			       udp[] = { { 17, 0, 8000, 80, 1, 0, { 0 } } },
			       twice[] = { { 6, 0, 1, 1, 5, 0, { 0 } },
					   { 6, 0x01020304, 5, 1, 1, 0, { 0 } } },
			       six[] = { { 6, 0, 8001, 80, 1, NETD_PORT_IP6, { 0 } } },
			       four[] = {
				       { 6, 0, 7000, 80, 1, NETD_PORT_IP4, { 0 } },
				       { 6, 0, 7000, 80, 1, NETD_PORT_IP6, { 0xfd, [15] = 9 } }
			       };
	const struct {
		const struct netd_port *ports;
		uint32_t count;
		int want;
		const char *name;
	} rows[] = {
		{ any, 1, -EADDRINUSE, "the last one of a range" },
		{ one, 1, -EADDRINUSE, "one address against all of them" },
		{ udp, 1, 0, "UDP beside TCP" },
		{ six, 1, -EADDRINUSE, "IPv6 alone against both families" },
		{ four, 2, 0, "IPv4 alone beside one IPv6 address" },
		{ twice, 2, -EINVAL, "twice in one request" },
	};
	struct attachment *a = make("pppp", "holder", "bridge", "172.17.9.9", held, 1);
	struct nft_port row[2 * ATTACHMENT_ROWS];
	struct err err;

	ok(attachment_nft_ports(a, &networks, row, &err) == 1 && row[0].to_ip4 == 0xac110909 &&
		   row[0].count == 10,
	   "to the container's address");
	(void)attachment_put(&attachments, a, &err);
	is_int(attachment_check_ports(&attachments, &networks, a, &err), 0, "its own are no clash");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a = make("qqqq", "late", "bridge", "172.17.9.10", rows[i].ports, rows[i].count);
		is_int(attachment_check_ports(&attachments, &networks, a, &err), rows[i].want, "%s",
		       rows[i].name);
		if (rows[i].want == -EADDRINUSE)
			ok(strstr(err.text, "holder") != NULL, "it names the holder: %s", err.text);
		attachment_free(a);
	}
	a = make("qqqq", "late", "tiny", "10.0.0.3", any, 1);
	is_int(attachment_nft_ports(a, &networks, row, &err), -EINVAL,
	       "an internal network publishes nothing");
	attachment_free(a);
	a = make("qqqq", "late", "bridge", "172.17.9.10", six, 1);
	ok(attachment_nft_ports(a, &networks, row, &err) == -EINVAL && strstr(err.text, "ipv6"),
	   "IPv6 without an address: %s", err.text);
	attachment_free(a);
}

static void test_ip6(void)
{
	const struct netd_port both[] = { { 6, 0, 80, 8080, 1, 0, { 0 } },
					  { 6, 0, 81, 81, 1, NETD_PORT_IP6, { 0 } } };
	struct networks local = { .ula = { { 0xfd, 1, 2, 3, 4, 5 } } };
	struct network wanted = { .name = "one", .subnet = 0x0a010000, .prefix = 16 }, *one, *two;
	const struct rtnl_state nothing = { 0 };
	struct nft_port row[2 * ATTACHMENT_ROWS];
	struct attachment *a;
	struct err err;

	is_int(network_add(&local, &wanted, &nothing, &one, &err), 0, "a network");
	ok(one->prefix6 == 64 && ip6_in_prefix(&one->subnet6, &local.ula, 48),
	   "has a subnet below the machine's prefix");
	wanted = (struct network){ .name = "two", .subnet = 0x0a020000, .prefix = 16 };
	wanted.subnet6 = one->subnet6;
	wanted.prefix6 = 64;
	wanted.given6 = true;
	ok(network_add(&local, &wanted, &nothing, &two, &err) == -EADDRINUSE &&
		   strstr(err.text, "network one"),
	   "overlap is refused: %s", err.text);
	wanted.given6 = false;
	wanted.no_ip6 = true;
	ok(network_add(&local, &wanted, &nothing, &two, &err) == 0 && !two->prefix6, "none");
	a = make("cccc", "six", "one", "10.1.0.9", both, 2);
	ok(attachment_pick_addresses(&attachments, &local, NULL, a, &err) == 0 &&
		   str_ends(a->attach.networks[0].ip6, STR("::9")),
	   "the same place in both subnets: %.*s", STR_ARG(a->attach.networks[0].ip6));
	is_int(attachment_nft_ports(a, &local, row, &err), 3, "two families, and IPv6 alone");
	ok(!row[0].v6 && row[1].v6 && row[2].v6 && row[2].host_port == 81, "in order");
	attachment_free(a);
	networks_set_ula(&local, &(struct ip6){ { 0xfd, 9 } });
	ok(local.list[0].subnet6.b[1] == 9 && !local.list[1].prefix6, "renumbered");
}

/* One with IPv6 alone, and one beside it that has both. */
static void test_only6(void)
{
	const struct netd_port any[] = { { 6, 0, 80, 8080, 1, 0, { 0 } } };
	const struct netd_port ip4[] = { { 6, 0x7f000001, 80, 8080, 1, NETD_PORT_IP4, { 0 } } };
	struct networks local = { .ula = { { 0xfd, 1, 2, 3, 4, 5 } } };
	struct network wanted = { .name = "six", .no_ip4 = true }, *six;
	const struct rtnl_state nothing = { 0 };
	struct attachments list = { .state_fd = -1 };
	struct nft_port row[ATTACHMENT_ROWS];
	struct attachment *a;
	struct err err;

	ok(network_check(&wanted, &err) == 0 &&
		   network_add(&local, &wanted, &nothing, &six, &err) == 0 && !six->prefix &&
		   six->prefix6 == 64,
	   "a network with IPv6 alone");
	wanted = (struct network){ .name = "any", .subnet = 0x0a010000, .prefix = 8 };
	ok(network_add(&local, &wanted, &nothing, &six, &err) == 0,
	   "is in no IPv4 subnet's way: %s", err.text);
	wanted = (struct network){ .name = "x", .no_ip4 = true, .no_ip6 = true };
	is_int(network_check(&wanted, &err), -EINVAL, "neither is nothing: %s", err.text);
	wanted = (struct network){ .name = "x", .no_ip4 = true, .subnet = 1, .prefix = 8 };
	is_int(network_check(&wanted, &err), -EINVAL, "no IPv4 subnet: %s", err.text);
	wanted = (struct network){
		.name = "x", .no_ip4 = true, .driver = NETWORK_MACVLAN, .bridge = "eth0"
	};
	is_int(network_check(&wanted, &err), -EINVAL, "macvlan asks for subnet6: %s", err.text);
	a = make("cccc", "one", "six", "", any, 1);
	ok(attachment_pick_addresses(&list, &local, NULL, a, &err) == 0 &&
		   !a->attach.networks[0].ip4.len && a->attach.networks[0].ip6.len,
	   "an address of IPv6 alone: %.*s", STR_ARG(a->attach.networks[0].ip6));
	ok(attachment_nft_ports(a, &local, row, &err) == 1 && row[0].v6, "its port likewise");
	attachment_free(a);
	a = make("dddd", "two", "six", "", ip4, 1);
	(void)attachment_pick_addresses(&list, &local, NULL, a, &err);
	ok(attachment_nft_ports(a, &local, row, &err) == -EINVAL && strstr(err.text, "ipv4 = yes"),
	   "none on IPv4: %s", err.text);
	attachment_free(a);
	a = make("eeee", "three", "six", "10.1.0.9", NULL, 0);
	ok(attachment_pick_addresses(&list, &local, NULL, a, &err) == -EINVAL, "nor an address: %s",
	   err.text);
	attachment_free(a);
	wanted = (struct network){ .name = "none", .no_ip4 = true };
	ok(network_add(&(struct networks){ .count = 0 }, &wanted, &nothing, &six, &err) ==
		   -EAFNOSUPPORT,
	   "a kernel without IPv6: %s", err.text);
}

/* Whose MAC address it is, asked for or following from an address. */
static void test_macs(void)
{
	struct networks local = { .ula = { { 0 } } };
	struct network wanted = { .name = "lan", .subnet = 0x0a010000, .prefix = 16 }, *lan;
	struct attachments list = { .state_fd = -1 };
	const struct rtnl_state nothing = { 0 };
	struct attachment *a = make("aaaa", "first", "lan", "10.1.0.7", NULL, 0);
	struct err err;
	char own[16];

	(void)network_add(&local, &wanted, &nothing, &lan, &err);
	ok(attachment_check_macs(&list, &local, a, &err) == 0, "one that nobody has");
	(void)attachment_put(&list, a, &err);
	a = make("bbbb", "second", "lan", "10.1.0.8", NULL, 0);
	a->attach.networks[0].mac = STR("02:42:0a:01:00:07");
	ok(attachment_check_macs(&list, &local, a, &err) == -EADDRINUSE &&
		   strstr(err.text, "container first"),
	   "one that follows from another's address: %s", err.text);
	a->attach.networks[0].mac = STR("02:42:0a:01:00:01");
	ok(attachment_check_macs(&list, &local, a, &err) == -EADDRINUSE &&
		   strstr(err.text, "gateway"),
	   "the bridge's: %s", err.text);
	attachment_free(a);
	a = make("bbbb", "second", "lan", "", NULL, 0);
	(void)attachment_pick_addresses(&list, &local, NULL, a, &err);
	(void)str_copy(a->attach.networks[0].ip4, own, sizeof(own));
	attachment_free(a);
	a = make("cccc", "third", "lan", "10.1.0.9", NULL, 0);
	{
		uint8_t mac[6];
		char text[MAC_TEXT_MAX];
		uint32_t ip4;

		(void)ip4_parse(str_from(own), &ip4);
		network_mac_of(ip4, NULL, mac);
		a->attach.networks[0].mac =
			str_from(arena_text(&a->arena, str_from(mac_text(mac, text))));
	}
	(void)attachment_put(&list, a, &err);
	a = make("bbbb", "second", "lan", "", NULL, 0);
	ok(attachment_pick_addresses(&list, &local, NULL, a, &err) == 0 &&
		   !str_is(a->attach.networks[0].ip4, own) &&
		   attachment_check_macs(&list, &local, a, &err) == 0,
	   "who asked for nothing gives way: %.*s, not %s", STR_ARG(a->attach.networks[0].ip4),
	   own);
	attachment_free(a);
	attachment_done_all(&list);
}

static void test_places(void)
{
	struct netd_attach_network list[3] = { { .name = STR("one") }, { .name = STR("two") } };
	struct netd_attach attach = { .id = STR("dddd"), .networks = list, .network_count = 2 };
	struct attachment *before = attachment_new(&attach), *after;

	list[0].name = STR("two");
	list[1].name = STR("three");
	list[2].name = STR("four");
	attach.network_count = 3;
	after = attachment_new(&attach);
	attachment_place(after, before);
	ok(after->slots[0] == 1, "a network that stays keeps its interface");
	ok(after->slots[1] == 0 && after->slots[2] == 2, "new ones take the lowest free places");
	ok(attachment_has_slot(after, 2) && !attachment_has_slot(after, 3), "three in all");
	attachment_place(after, NULL);
	ok(after->slots[0] == 0 && after->slots[2] == 2, "in a new namespace the first is eth0");
	attachment_free(before);
	attachment_free(after);
}

/* Networks on a segment that others are on as well, the host among them. */
static void test_shared(void)
{
	struct rtnl_addr addrs[] = { { .index = 2, .ip4 = 0x0a090002, .prefix = 29 },
				     { .index = 2, .ip4 = 0x0a090003, .prefix = 29 } };
	const struct rtnl_state state = { .addrs = addrs, .addr_count = 2 };
	struct network wanted = { .name = "seg",
				  .bridge = "eth0",
				  .driver = NETWORK_MACVLAN,
				  .mode = 4,
				  .subnet = 0x0a090000,
				  .prefix = 29 };
	struct networks local = { 0 };
	struct attachment *a;
	struct network *made;
	struct err err;
	uint32_t ip4;

	wanted.internal = true;
	ok(network_check(&wanted, &err) == -EINVAL && strstr(err.text, "internal is for bridges"),
	   "an internal one is refused: %s", err.text);
	wanted.internal = false;
	ok(network_check(&wanted, &err) == 0 &&
		   network_add(&local, &wanted, &(struct rtnl_state){ 0 }, &made, &err) == 0,
	   "a share in an interface");
	for (char c = '0'; c <= '9'; c++) {
		const char id[] = { c, 0 };

		a = make(id, id, "seg", "", NULL, 0);
		if (attachment_pick_addresses(&attachments, &local, &state, a, &err) < 0 ||
		    ip4_parse(a->attach.networks[0].ip4, &ip4) < 0 || ip4 < 0x0a090004)
			ok(false, "%s has its own address", id);
		attachment_free(a);
	}
	a = make("x", "x", "seg", "10.9.0.3", NULL, 0);
	ok(attachment_pick_addresses(&attachments, &local, &state, a, &err) == -EADDRINUSE &&
		   strstr(err.text, "host's own"),
	   "not even by wish: %s", err.text);
	attachment_free(a);
	wanted = (struct network){ .name = "ip", .bridge = "eth0", .driver = NETWORK_IPVLAN };
	wanted.subnet = 0x0a0a0000;
	wanted.prefix = 24;
	ok(network_add(&local, &wanted, &(struct rtnl_state){ 0 }, &made, &err) == -EBUSY &&
		   strstr(err.text, "network seg"),
	   "one driver for an interface: %s", err.text);
	(void)str_copy(STR("eth1"), wanted.bridge, sizeof(wanted.bridge));
	is_int(network_add(&local, &wanted, &(struct rtnl_state){ 0 }, &made, &err), 0, "another");
	wanted.mode = 1;
	wanted.name[0] = 'x';
	wanted.subnet = 0x0a0b0000;
	is_int(network_add(&local, &wanted, &(struct rtnl_state){ 0 }, &made, &err), -EBUSY,
	       "one mode of ipvlan for an interface");
	wanted.mode = 0;
	is_int(network_add(&local, &wanted, &(struct rtnl_state){ 0 }, &made, &err), 0, "the same");
}

/* Of two addresses both are for machines; and no container has its gateway's IPv6 address. */
static void test_pair(void)
{
	const struct rtnl_state nothing = { 0 };
	struct networks local = { .ula = { { 0xfd, 1, 2, 3, 4, 5 } } };
	struct network wanted = { .name = "pair", .subnet = 0xc0a88700, .prefix = 31 }, *made;
	struct attachments list = { .state_fd = -1 };
	struct attachment *a = make("aaaa", "one", "pair", "", NULL, 0);
	struct err err;

	ok(network_check(&wanted, &err) == 0 &&
		   network_add(&local, &wanted, &nothing, &made, &err) == 0 &&
		   network_gateway(made) == 0xc0a88700,
	   "a subnet of two addresses, the first is the gateway's");
	ok(attachment_pick_addresses(&list, &local, NULL, a, &err) == 0 &&
		   str_is(a->attach.networks[0].ip4, "192.168.135.1") &&
		   str_ends(a->attach.networks[0].ip6, STR("::2")),
	   "the other one is a container's: %.*s", STR_ARG(a->attach.networks[0].ip6));
	(void)attachment_put(&list, a, &err);
	a = make("bbbb", "two", "pair", "", NULL, 0);
	is_int(attachment_pick_addresses(&list, &local, NULL, a, &err), -ENOSPC, "and no third");
	attachment_free(a);
	wanted = (struct network){
		.name = "last", .subnet = 0xc0a88800, .prefix = 24, .gateway = 0xc0a888fe
	};
	ok(network_check(&wanted, &err) == 0 &&
		   network_add(&local, &wanted, &nothing, &made, &err) == 0,
	   "a gateway at the end");
	a = make("cccc", "three", "last", "192.168.136.1", NULL, 0);
	ok(attachment_pick_addresses(&list, &local, NULL, a, &err) == 0 &&
		   str_ends(a->attach.networks[0].ip6, STR("::2")),
	   "the first address has not the gateway's place: %.*s",
	   STR_ARG(a->attach.networks[0].ip6));
	attachment_free(a);
	wanted = (struct network){
		.name = "bad", .subnet = 0xc0a88900, .prefix = 30, .gateway = 0xc0a88903
	};
	is_int(network_check(&wanted, &err), -EINVAL, "of four the last is no gateway: %s",
	       err.text);
	attachment_done_all(&list);
}

/* What /proc/net says of the host's sockets; bind(2) is asked about those ports alone. */
static void test_used(void)
{
	static struct port_used used;

	port_used_note(
		&used,
		STR("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
		    "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
		    "  17: 00000000000000000000000001000000:FFFF "
		    "00000000000000000000000000000000:0016\n"
		    "   2: 00000000:1F9\n   3: 00000000:xyzw 00:0035\n\n   4: 00000000:1F90"));
	ok(port_used_has(&used, 80) && port_used_has(&used, 65535), "ports of both families");
	ok(port_used_has(&used, 8080), "the last line without its end");
	ok(!port_used_has(&used, 22) && !port_used_has(&used, 0) && !port_used_has(&used, 505) &&
		   !port_used_has(&used, 53),
	   "not the other side's, nor what is no number");
	port_used_load(&used, 6);
	ok(used.loaded, "a look at this machine");
}

int main(void)
{
	test_networks();
	test_addresses();
	test_ports();
	test_ip6();
	test_only6();
	test_macs();
	test_places();
	test_shared();
	test_used();
	test_pair();
	attachment_done_all(&attachments);
	return tap_done();
}
