/* SPDX-License-Identifier: Apache-2.0 */
/* Records of netd's messages: there and back, and every truncation refused. */
#include <errno.h>
#include "lib/own.h"
#include "lib/wire.h"
#include "netd/api/netd_msg.h"
#include "netd/dhcp/dhcp_msg.h"
#include "tests/unit/tap.h"

static void test_attach(void)
{
	struct str aliases[] = { STR("db"), STR("sql") };
	struct netd_attach_network networks[] = {
		{ STR("bridge"), aliases, 2, STR("172.20.0.9"), STR("fd00::9"),
		  STR("02:00:00:00:00:09"), STR("lan7") },
		{ STR("shop"), NULL, 0, STR(""), STR(""), STR(""), STR("") }
	};
	struct netd_port ports[] = { { 6, 0x7f000001, 8080, 80, 1, 0, { 0 } },
				     { 17, 0, 65535, 53, 1, NETD_PORT_IP6, { 0xfd, [15] = 1 } } };
	const struct netd_attach attach = { STR("0123"), STR("web"), 1, networks, 2, ports, 2 };
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct netd_attach back;
	bool refused = true;
	struct err err;

	buf_init(&out, 4096);
	arena_init(&arena, 1 << 20);
	netd_attach_encode(&attach, &out);
	ok(netd_attach_decode(buf_str(&out), &arena, &back, &err) == 0, "an attach record");
	ok(str_is(back.name, "web") && back.network_count == 2 &&
		   str_is(back.networks[0].aliases[1], "sql") && back.ports[1].host_port == 65535 &&
		   back.flags == 1 && str_is(back.networks[0].ip4, "172.20.0.9") &&
		   str_is(back.networks[0].ip6, "fd00::9") && back.ports[1].host_ip6[15] == 1 &&
		   str_is(back.networks[0].mac, "02:00:00:00:00:09") &&
		   str_is(back.networks[0].ifname, "lan7") && !back.networks[1].ifname.len,
	   "comes back as it went");
	for (size_t n = 0; n < out.len; n++)
		refused &= netd_attach_decode(str_head(buf_str(&out), n), &arena, &back, &err) < 0;
	ok(refused, "no shorter form of it is taken");
	ports[0].proto = 132;
	buf_clear(&out);
	netd_attach_encode(&attach, &out);
	ok(netd_attach_decode(buf_str(&out), &arena, &back, &err) == -EINVAL &&
		   strstr(err.text, "tcp or udp"),
	   "SCTP is refused: %s", err.text);
	ports[0] = (struct netd_port){ 6, 0x7f000001, 80, 80, 1, NETD_PORT_IP6, { 0 } };
	buf_clear(&out);
	netd_attach_encode(&attach, &out);
	is_int(netd_attach_decode(buf_str(&out), &arena, &back, &err), -EINVAL,
	       "an IPv4 address on IPv6 alone");
	ports[0] = (struct netd_port){ 6, 0, 65530, 80, 10, 0, { 0 } };
	buf_clear(&out);
	netd_attach_encode(&attach, &out);
	is_int(netd_attach_decode(buf_str(&out), &arena, &back, &err), -EINVAL,
	       "a range beyond 65535");
}

static void test_lease(void)
{
	struct dhcp_report report = { .index = 3,
				      .asked_ns = 5,
				      .lease = { .ip4 = 0x0a000005,
						 .prefix = 24,
						 .server = 0x0a000001,
						 .lease_s = 100,
						 .t1_s = 50,
						 .t2_s = 87,
						 .dns = { 1 },
						 .dns_count = 1,
						 .domain = "lab.example" } };
	OWN(buf_done) struct buf out = { 0 };
	struct dhcp_report back;

	buf_init(&out, 1024);
	dhcp_report_encode(&report, &out);
	ok(dhcp_report_decode(buf_str(&out), &back) == 0 && back.lease.t2_s == 87 &&
		   !strcmp(back.lease.domain, "lab.example"),
	   "a lease comes back as it went");
	memcpy(report.lease.domain, "a\nb", 4);
	buf_clear(&out);
	dhcp_report_encode(&report, &out);
	is_int(dhcp_report_decode(buf_str(&out), &back), -EBADMSG,
	       "a role cannot smuggle a line into resolv.conf");
	report.lease.domain[0] = 0;
	report.lease.t1_s = 90;
	buf_clear(&out);
	dhcp_report_encode(&report, &out);
	is_int(dhcp_report_decode(buf_str(&out), &back), -EBADMSG, "nor times out of order");
}

static void test_network_set(void)
{
	const struct netd_network_set set = { .name = STR("shop"),
					      .internal = true,
					      .subnet6 = STR("fd00::/64"),
					      .driver = STR("macvlan"),
					      .parent = STR("eth0"),
					      .mtu = 1400,
					      .no_ip4 = true,
					      .no_icc = true,
					      .bridge = STR("br7"),
					      .gate6 = STR("routed"),
					      .no_masquerade = true,
					      .inhibit4 = true,
					      .told6 = true,
					      .gateway6 = STR("fd00::2"),
					      .reserved = STR("fd00::3 10.0.0.4") };
	/* What stands last, and before that. */
	enum { LATER = 1 + 4 + 7 + 4 + 16 + 1, TRAITS = 4 + 3 + 4 + 4 + 4 + 6 + 1 };
	OWN(buf_done) struct buf out = { 0 };
	struct netd_network_set back;

	buf_init(&out, 1024);
	netd_network_set_encode(&set, &out);
	ok(netd_network_set_decode(buf_str(&out), &back, NULL) == 0 && back.internal &&
		   str_is(back.subnet6, "fd00::/64") && str_is(back.driver, "macvlan") &&
		   str_is(back.parent, "eth0") && back.mtu == 1400 && back.no_ip4 && back.no_icc &&
		   str_is(back.bridge, "br7") && str_is(back.gate6, "routed") && !back.gate4.len &&
		   back.no_masquerade && back.inhibit4 && back.told6 &&
		   str_is(back.gateway6, "fd00::2") && str_is(back.reserved, "fd00::3 10.0.0.4"),
	   "a wanted network");
	is_int(netd_network_set_decode(str_head(buf_str(&out), out.len - 1), &back, NULL), -EBADMSG,
	       "not in part");
	out.len -= LATER;
	ok(netd_network_set_decode(buf_str(&out), &back, NULL) == 0 && back.no_masquerade &&
		   !back.inhibit4 && !back.gateway6.len && !back.reserved.len && !back.told6,
	   "what was added last may be left out");
	out.len -= TRAITS;
	ok(netd_network_set_decode(buf_str(&out), &back, NULL) == 0 && back.no_icc &&
		   !back.bridge.len && !back.no_masquerade,
	   "what the machine is to it may be left out");
	ok(netd_network_set_decode(str_head(buf_str(&out), out.len - 45), &back, NULL) == 0 &&
		   str_is(back.subnet6, "fd00::/64") && !back.driver.len,
	   "what carries it may be left out");
	ok(netd_network_set_decode(str_head(buf_str(&out), out.len - 59), &back, NULL) == 0 &&
		   !back.no_ip6 && !back.subnet6.len,
	   "what it says of IPv6 may be left out");
	is_int(netd_network_set_decode(str_head(buf_str(&out), out.len - 7), &back, NULL), -EBADMSG,
	       "but not in part");
	ok(netd_network_set_decode(str_head(buf_str(&out), out.len - 5), &back, NULL) == 0 &&
		   back.no_ip4 && !back.no_icc,
	   "so may what it says of its containers");
	ok(netd_network_set_decode(str_head(buf_str(&out), out.len - 6), &back, NULL) == 0 &&
		   !back.no_ip4 && back.mtu == 1400,
	   "what it says of IPv4 may be left out");
}

static void test_connect(void)
{
	struct str aliases[] = { STR("db") };
	const struct netd_attach_network network = {
		STR("shop"),	   aliases,	   1,
		STR("172.30.0.7"), STR("fd00::7"), STR("02:00:00:00:00:07"),
		STR("lan7")
	};
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct netd_attach_network back;
	bool refused = true;
	struct err err;
	struct str id;

	buf_init(&out, 4096);
	arena_init(&arena, 1 << 20);
	netd_connect_encode(STR("0123"), &network, &out);
	ok(netd_connect_decode(buf_str(&out), &arena, &id, &back, &err) == 0 &&
		   str_is(id, "0123") && str_is(back.aliases[0], "db") &&
		   str_is(back.mac, "02:00:00:00:00:07") && str_is(back.ifname, "lan7"),
	   "a network to connect comes back as it went");
	for (size_t n = 0; n < out.len; n++)
		refused &= netd_connect_decode(str_head(buf_str(&out), n), &arena, &id, &back,
					       &err) == -EBADMSG;
	ok(refused, "no shorter form of it is taken");
}

static void test_lists(void)
{
	const struct netd_network networks[] = {
		{ STR("bridge"), STR("172.20.0.0/16"), STR("172.20.0.1"), STR("hoy0"), false, true,
		  4, STR("fd00::/64"), STR("fd00::1"), STR("bridge") }
	};
	struct netd_attached_network row = { STR("bridge"),
					     STR("172.20.0.2"),
					     16,
					     STR("172.20.0.1"),
					     STR("02:42:ac:14:00:02"),
					     STR("eth0"),
					     STR("fd00::2"),
					     64,
					     STR("fd00::1"),
					     STR("127.0.0.1"),
					     NETD_ATTACHED_ROUTED4 };
	const struct netd_attached attached = { &row, 1 };
	const struct netd_event event = { NETD_EVENT_DNS, STR("9.9.9.9") };
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf out = { 0 };
	struct netd_attached attached_back;
	struct netd_network *networks_back;
	struct netd_event event_back;
	uint32_t count;

	buf_init(&out, 4096);
	arena_init(&arena, 1 << 20);
	netd_networks_encode(networks, 1, &out);
	ok(netd_networks_decode(buf_str(&out), &arena, &networks_back, &count, NULL) == 0 &&
		   count == 1 && networks_back[0].containers == 4 && networks_back[0].fixed,
	   "a list of networks");
	buf_clear(&out);
	netd_attached_encode(&attached, &out);
	ok(netd_attached_decode(buf_str(&out), &arena, &attached_back, NULL) == 0 &&
		   str_is(attached_back.networks[0].mac, "02:42:ac:14:00:02") &&
		   str_is(attached_back.networks[0].host_ip, "127.0.0.1") &&
		   attached_back.networks[0].flags == NETD_ATTACHED_ROUTED4,
	   "what a container got");
	buf_clear(&out);
	netd_event_encode(&event, &out);
	ok(netd_event_decode(buf_str(&out), &event_back, NULL) == 0 &&
		   str_is(event_back.text, "9.9.9.9"),
	   "an event");
	ok(netd_event_decode(STR("\7\0\0\0\0"), &event_back, NULL) < 0, "an unknown kind");
}

int main(void)
{
	test_attach();
	test_lease();
	test_network_set();
	test_connect();
	test_lists();
	return tap_done();
}
