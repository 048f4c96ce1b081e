/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink: framing, bounds, and the bytes of the requests that change the machine. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/nl/nft.h"
#include "netd/nl/rtnl.h"
#include "netd/nl/rtnl_tc.h"
#include "tests/unit/tap.h"

/* The whole table of one network and two ports. Changes only when the rules are meant to change:
 * then look at `nft list table inet hoy` in the namespace test and put the new hash here. */
static const char table_hash[] = "a60953be09366c050d7c352f7f1d62d2502c83926582f60548a5269ef6bc3220";
static const char resolver_hash[] =
	"a76fca45cf1a7873edc52dcdd258a64512c31a685e332074a905fbf766abddd1";

static void is_hex(const struct buf *got, const char *want, const char *name)
{
	char *hex = malloc(2 * got->len + 1);

	str_hex(got->data, got->len, hex);
	is_text(hex, want, "%s", name);
	free(hex);
}

/* A bucket that holds less than a packet never lets it go. */
static void test_rate(void)
{
	OWN(buf_done) struct buf out = { 0 };
	uint32_t burst;

	buf_init(&out, 1024);
	rtnl_encode_rate(1, 8000, 65535, &out);
	/* Its burst is the last attribute. */
	memcpy(&burst, out.data + out.len - sizeof(burst), sizeof(burst));
	is_int(burst, 65535 + 64, "a bucket holds the largest packet");
}

static void test_attributes(void)
{
	OWN(buf_done) struct buf out = { 0 };
	struct nl_attr attr;
	struct str rest;
	char text[4];
	size_t nest;

	buf_init(&out, 256);
	nl_put_u8(&out, 1, 7);
	nl_put_be32(&out, 2, 0x0a000001);
	nest = nl_nest(&out, 3);
	nl_put_text(&out, 4, "ab");
	nl_nest_end(&out, nest);
	is_hex(&out,
	       "0500010007000000"
	       "080002000a000001"
	       "0c000380"
	       "0700040061620000",
	       "attributes are padded, nested and in the right byte order");
	rest = buf_str(&out);
	ok(nl_attr_next(&rest, &attr) && attr.type == 1 && nl_attr_u8(&attr) == 7, "u8");
	ok(nl_attr_u32(&attr) == 0, "another size reads as 0");
	ok(nl_attr_next(&rest, &attr) && nl_attr_be32(&attr) == 0x0a000001, "be32");
	ok(nl_attr_next(&rest, &attr) && attr.type == 3, "the nested flag is not part of the type");
	ok(!nl_attr_next(&rest, &attr), "the end");
	rest = str_make("\x09\0\1\0abc", 7);
	ok(!nl_attr_next(&rest, &attr) && rest.len == 0, "longer than what is there");
	rest = str_make("\x03\0\1\0", 4);
	ok(!nl_attr_next(&rest, &attr), "shorter than its header");
	rest = str_make("\x08\0\1\0abcd", 8);
	ok(nl_attr_next(&rest, &attr) && !nl_attr_text(&attr, text, sizeof(text)),
	   "text that does not fit");
	out.max = out.len + 4;
	nl_put_text(&out, 1, "too long for the cap");
	is_int(buf_error(&out), -ENOSPC, "the cap is kept");
}

static void test_errors(void)
{
	struct nl_message message = { .type = 2 };
	char text[64];

	message.body = str_make("\xff\xff\xff\xff", 4);
	is_int(nl_message_error(&message, text, sizeof(text)), -EBADMSG, "a short error message");
	message.body = str_make("\xff\xff\xff\xff"
				"\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
				20);
	is_int(nl_message_error(&message, text, sizeof(text)), -EPERM, "its errno");
	message.body = str_make("\5\0\0\0"
				"\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
				20);
	is_int(nl_message_error(&message, text, sizeof(text)), -EBADMSG, "no positive one");
	message.flags = 0x300; /* capped, with attributes */
	message.body = str_make("\xff\xff\xff\xff"
				"\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				"\x08\0\1\0no!\0",
				28);
	is_int(nl_message_error(&message, text, sizeof(text)), -EPERM, "with the kernel's words");
	is_text(text, "no!", "the words");
}

static void test_rtnl_addr(void)
{
	const struct rtnl_addr addr = {
		.index = 3, .ip4 = 0x0a090032, .prefix = 24, .proto = RTNL_OURS, .valid_s = 7200
	};
	OWN(buf_done) struct buf out = { 0 };
	struct nl_message message;
	struct rtnl_addr back;
	struct rtnl_route route_back;
	struct str rest;

	buf_init(&out, 1024);
	rtnl_encode_addr(&addr, true, &out);
	is_hex(&out,
	       "4c000000"
	       "1400"
	       "0105"
	       "0000000000000000"
	       "02180000"
	       "03000000"
	       "080002000a090032"
	       "080001000a090032"
	       "080004000a0900ff"
	       "14000600"
	       "201c0000"
	       "201c0000"
	       "0000000000000000"
	       "05000b0048000000",
	       "an address with lifetime, broadcast and our mark");
	rest = buf_str(&out);
	ok(nl_message_next(&rest, &message) && rtnl_read_addr(&message, &back) == 0 &&
		   back.ip4 == addr.ip4 && back.prefix == 24 && back.valid_s == 7200 &&
		   back.proto == RTNL_OURS && back.index == 3,
	   "and it reads back");
	is_int(rtnl_read_route(&message, &route_back), -ENOMSG, "which is no route");
}

static void test_rtnl_route(void)
{
	const struct rtnl_route route = {
		.gateway = 0x0a090001, .out = 3, .metric = 100, .proto = RTNL_OURS
	};
	OWN(buf_done) struct buf out = { 0 };
	struct nl_message message;
	struct rtnl_route route_back;
	struct str rest;

	buf_init(&out, 1024);
	rtnl_encode_route(&route, true, &out);
	is_hex(&out,
	       "34000000"
	       "1800"
	       "0105"
	       "0000000000000000"
	       "02000000"
	       "fe480001"
	       "00000000"
	       "080005000a090001"
	       "0800040003000000"
	       "0800060064000000",
	       "a default route with metric and our mark");
	rest = buf_str(&out);
	ok(nl_message_next(&rest, &message) && rtnl_read_route(&message, &route_back) == 0 &&
		   route_back.gateway == route.gateway && route_back.metric == 100 &&
		   route_back.prefix == 0 && route_back.out == 3,
	   "and it reads back");
}

static void test_rtnl_ip6(void)
{
	const struct rtnl_addr addr = { .index = 3,
					.v6 = true,
					.ip6 = { { 0xfd, [15] = 1 } },
					.prefix = 64,
					.valid_s = 7200,
					.preferred_s = 100,
					.nodad = true,
					.noroute = true };
	const struct rtnl_route route = { .v6 = true,
					  .dst6 = { { 0x20, 1 } },
					  .prefix = 48,
					  .gateway6 = { { 0xfe, 0x80, [15] = 1 } },
					  .out = 3,
					  .metric = 100 };
	OWN(buf_done) struct buf out = { 0 };
	struct nl_message message;
	struct rtnl_route route_back;
	struct rtnl_addr back;
	struct str rest;

	buf_init(&out, 1024);
	rtnl_encode_addr(&addr, true, &out);
	rest = buf_str(&out);
	ok(nl_message_next(&rest, &message) && rtnl_read_addr(&message, &back) == 0 && back.v6 &&
		   ip6_equal(&back.ip6, &addr.ip6) && back.preferred_s == 100 &&
		   back.valid_s == 7200 && back.nodad && back.noroute && back.prefix == 64,
	   "an IPv6 address reads back");
	buf_clear(&out);
	rtnl_encode_route(&route, true, &out);
	rest = buf_str(&out);
	ok(nl_message_next(&rest, &message) && rtnl_read_route(&message, &route_back) == 0 &&
		   route_back.v6 && ip6_equal(&route_back.gateway6, &route.gateway6) &&
		   ip6_equal(&route_back.dst6, &route.dst6) && route_back.prefix == 48,
	   "so does a route");
}

static void test_rtnl_veth(void)
{
	const struct rtnl_veth veth = { .name = "v0",
					.peer_name = "eth0",
					.peer_mac = (const uint8_t *)"\2\x42\xac\x14\0\2",
					.peer_netns_fd = 9,
					.master = 5 };
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, 1024);
	rtnl_encode_veth(&veth, &out);
	is_hex(&out,
	       "78000000"
	       "1000"
	       "0106"
	       "0000000000000000"
	       "00000000"
	       "00000000"
	       "00000000"
	       "00000000"
	       "0700030076300000"
	       "08000a0005000000"
	       "48001280"
	       "0900010076657468"
	       "00000000"
	       "38000280"
	       "34000180"
	       "00000000"
	       "00000000"
	       "00000000"
	       "00000000"
	       "090003006574683000000000"
	       "0a0001000242ac1400020000"
	       "08001c0009000000",
	       "a veth pair, its peer born in the other namespace");
}

static void test_reading(void)
{
	struct nl_message message = { .type = RTM_NEWLINK, .body = str_make("\0\0\1\0", 4) };
	struct rtnl_link link;
	struct rtnl_addr addr;

	is_int(rtnl_read_link(&message, &link), -EBADMSG, "a link shorter than its header");
	message.body = str_make("\0\0\1\0\4\0\0\0\1\0\0\0\0\0\0\0"
				"\x18\0\3\0"
				"0123456789012345678\0",
				40);
	is_int(rtnl_read_link(&message, &link), -EBADMSG, "a name that is too long");
	message.body = str_make("\0\0\1\0\4\0\0\0\1\0\0\0\0\0\0\0"
				"\x08\0\3\0"
				"up0\0",
				24);
	ok(rtnl_read_link(&message, &link) == 0 && link.index == 4 && link.arp_type == 1 &&
		   !strcmp(link.name, "up0"),
	   "a plain one");
	message.type = RTM_NEWADDR;
	message.body = str_make("\2\x21\0\0\1\0\0\0", 8);
	is_int(rtnl_read_addr(&message, &addr), -EBADMSG, "a prefix of 33");
}

static const struct nft_port ports[] = {
	{ .proto = 6, .host_port = 8080, .to_ip4 = 0xac140002, .to_port = 80, .count = 1 },
	{ .proto = 17,
	  .host_ip4 = 0x7f000001,
	  .host_port = 5353,
	  .to_ip4 = 0xac140002,
	  .to_port = 53,
	  .count = 3 },
	{ .proto = 6,
	  .v6 = true,
	  .host_ip6 = { { 0xfd, [15] = 9 } },
	  .host_port = 80,
	  .to_ip6 = { { 0xfd, [15] = 2 } },
	  .to_port = 81,
	  .count = 1 },
};

static void test_nft_change(void)
{
	struct nft_change change = { .port_add = ports, .port_add_count = 1 };
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	nft_encode_change(&change, &out);
	is_hex(&out,
	       "1400000010000100"
	       "0000000000000000"
	       "0000000a"
	       "500000000c0a0104"
	       "0000000000000000"
	       "01000000"
	       "08000100686f7900"
	       "09000200616e793400000000"
	       "28000380"
	       "24000180"
	       "10000180"
	       "0c000100"
	       "06000000"
	       "1f900000"
	       "10000280"
	       "0c000100"
	       "ac140002"
	       "00500000"
	       "1400000011000100"
	       "0000000000000000"
	       "0000000a",
	       "publishing a port is one element in one batch");
	buf_clear(&out);
	change.port_add = &ports[2];
	nft_encode_change(&change, &out);
	is_hex(&out,
	       "1400000010000100"
	       "0000000000000000"
	       "0000000a"
	       "6c0000000c0a0104"
	       "0000000000000000"
	       "01000000"
	       "08000100686f7900"
	       "0900020070756236"
	       "00000000"
	       "44000380"
	       "40000180"
	       "20000180"
	       "1c000100"
	       "fd000000000000000000000000000009"
	       "06000000"
	       "00500000"
	       "1c000280"
	       "18000100"
	       "fd000000000000000000000000000002"
	       "00510000"
	       "1400000011000100"
	       "0000000000000000"
	       "0000000a",
	       "and one on an IPv6 address");
}

static void test_nft_forget(void)
{
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	nft_encode_forget(&ports[1], 5353, &out);
	is_hex(&out,
	       "4c00000002010100"
	       "0000000000000000"
	       "02000000"
	       "24000180"
	       "0c000180"
	       "080002007f000001"
	       "14000280"
	       "0500010011000000"
	       "0600030014e90000"
	       "14001980"
	       "080001002a000000"
	       "0800020000000000",
	       "forgetting flows names protocol, port and address");
}

/* A UDP flow to ::1: 40000 asked for 5300 and was led to 7200. */
static void test_flow(void)
{
	OWN(buf_done) struct buf out = { 0 };
	struct nl_message message;
	struct str rest;
	uint16_t port = 0;
	size_t start, tuple, part;

	buf_init(&out, 512);
	nft_encode_flow(40000, 7200, &out);
	is_hex(&out,
	       "6000000001010100"
	       "0000000000000000"
	       "0a000000"
	       "4c000280"
	       "2c000180"
	       "1400030000000000000000000000000000000001"
	       "1400040000000000000000000000000000000001"
	       "1c000280"
	       "0500010011000000"
	       "060002001c200000"
	       "060003009c400000",
	       "a flow is asked for by what its answers look like");
	rest = buf_str(&out);
	ok(nl_message_next(&rest, &message) && !nft_read_flow(&message, &port),
	   "the question is no answer");
	for (unsigned full = 0; full < 2; full++) {
		buf_clear(&out);
		start = nl_begin(&out, 0x100, 0, "\x0a\0\0\0", 4);
		tuple = nl_nest(&out, 1);
		part = nl_nest(&out, 2);
		nl_put_be16(&out, 2, 40000);
		if (full)
			nl_put_be16(&out, 3, 5300);
		nl_nest_end(&out, part);
		nl_nest_end(&out, tuple);
		nl_end(&out, start);
		rest = buf_str(&out);
		ok(nl_message_next(&rest, &message) &&
			   nft_read_flow(&message, &port) == (full != 0),
		   "an answer %s the port is read", full ? "with" : "without");
	}
	is_int(port, 5300, "the port that was asked for");
}

/* An object of the firewall's table as the kernel tells it: type 0x0a12, names by attribute 2. */
static void test_count(void)
{
	static const struct {
		const char *name;
		bool ours;
	} rows[] = {
		{ "count.policy.inbound", true },
		{ "limit.ssh", false },
		{ "count.x123456789x123456789x123456789x123456789x123456789x123456789x123456789",
		  false }
	};
	OWN(buf_done) struct buf out = { 0 };
	struct nl_message message;
	struct nft_count count;
	size_t start, data;
	struct str rest;

	buf_init(&out, 512);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&out);
		start = nl_begin(&out, 0x0a12, 0, "\1\0\0\0", 4);
		nl_put_text(&out, 2, rows[i].name);
		data = nl_nest(&out, 4);
		nl_put_be64(&out, 1, 720);
		nl_put_be64(&out, 2, UINT64_C(1) << 40);
		nl_nest_end(&out, data);
		nl_end(&out, start);
		rest = buf_str(&out);
		ok(nl_message_next(&rest, &message) &&
			   nft_read_count(&message, &count) == rows[i].ours,
		   "counter %s", rows[i].name);
		if (!i)
			ok(!strcmp(count.name, "policy.inbound") && count.bytes == 720 &&
				   count.packets == UINT64_C(1) << 40,
			   "its name and what it counted");
	}
	ok(nl_message_next(&rest, &message) == false, "and no more");
	message.type = 0x0a00;
	ok(!nft_read_count(&message, &count), "another message is no counter");
}

static void is_hash(const struct buf *out, const char *want, const char *what)
{
	struct digest digest;
	struct sha256 sha;
	char hex[65];

	sha256_init(&sha);
	sha256_add(&sha, out->data, out->len);
	sha256_end(&sha, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), hex);
	is_text(hex, want, "%s (%zu bytes)", what, out->len);
}

static struct rules operator_rules; /* every policy accepts */

static void test_nft_tables(void)
{
	const struct nft_network network = { .bridge = "hoy0",
					     .subnet = 0xac140000,
					     .prefix = 16,
					     .prefix6 = 64,
					     .subnet6 = { { 0xfd } },
					     .nat4 = true,
					     .nat6 = true,
					     .shut4 = true,
					     .gate6 = NETWORK_GATE_UNPROTECTED };
	const struct nft_content content = { &network, 1, ports, 3, &operator_rules, 7200, 7200 };
	const struct nft_change many = { .port_add = &(struct nft_port){ .proto = 6,
									 .host_port = 1,
									 .to_ip4 = 0xac140002,
									 .to_port = 1,
									 .count = 4096 },
					 .port_add_count = 1 };
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, 1 << 20);
	nft_encode_table(6, &content, &out);
	is_hash(&out, table_hash, "the whole table is what it was");
	buf_clear(&out);
	nft_encode_resolver(40000, 40001, &out);
	is_hash(&out, resolver_hash, "so is the table inside a container");
	buf_clear(&out);
	nft_encode_change(&many, &out);
	ok(buf_error(&out) == 0 && out.len > 4096 * 36, "4,096 ports fit in one batch");
}

int main(void)
{
	test_rate();
	test_flow();
	test_count();
	test_attributes();
	test_errors();
	test_rtnl_addr();
	test_rtnl_route();
	test_rtnl_ip6();
	test_rtnl_veth();
	test_reading();
	test_nft_change();
	test_nft_forget();
	test_nft_tables();
	return tap_done();
}
