/* SPDX-License-Identifier: Apache-2.0 */
/* DHCPv4: packets with every trick in them, and the client machine event by event. */
#include <errno.h>
#include "lib/own.h"
#include "netd/dhcp/dhcp_msg.h"
#include "tests/unit/tap.h"

enum { MS = 1000000, HEADERS = 28, OPTIONS = HEADERS + 240 };

static const uint8_t me[6] = { 2, 0, 0, 0, 0, 1 }, server_mac[6] = { 2, 0, 0, 0, 0, 9 },
		     rival_mac[6] = { 2, 0, 0, 0, 0, 7 };
static uint32_t xid;

static uint32_t count_up(void)
{
	return ++xid;
}

/* ---- packets ---- */

struct packet {
	char data[1500];
	size_t len;
};

static void patch_lengths(struct packet *p)
{
	p->data[2] = (char)(p->len >> 8);
	p->data[3] = (char)p->len;
	p->data[24] = (char)((p->len - 20) >> 8);
	p->data[25] = (char)(p->len - 20);
}

static void make(struct packet *p, const void *options, size_t len)
{
	memset(p, 0, sizeof(*p));
	p->data[0] = 0x45;
	p->data[9] = 17;
	p->data[21] = 67;
	p->data[23] = 68;
	memcpy(p->data + HEADERS,
	       "\2\1\6\0"
	       "\0\0\0\5",
	       8);
	memcpy(p->data + HEADERS + 16, "\x0a\0\0\x05", 4);
	memcpy(p->data + HEADERS + 28, me, 6);
	memcpy(p->data + OPTIONS - 4, "\x63\x82\x53\x63", 4);
	memcpy(p->data + OPTIONS, options, len);
	p->len = OPTIONS + len;
	patch_lengths(p);
}

static int read_options(const void *options, size_t len, struct dhcp_reply *reply)
{
	struct packet p;

	make(&p, options, len);
	return dhcp_reply_read(str_make(p.data, p.len), reply);
}

#define READ(options, reply) read_options(options, sizeof(options) - 1, reply)
#define ACK		     "\x35\1\5\x36\4\x0a\0\0\1\x33\4\0\0\x0e\x10"

static void test_reading(void)
{
	struct dhcp_reply reply;
	struct packet p;
	bool refused = true;

	is_int(READ(ACK "\1\4\xff\xff\xff\0\3\4\x0a\0\0\1\6\x8\x8\x8\x8\x8\x7f\0\0\1\x0f\x0blab."
			"example\x1a\2"
			"\5\x78\xff",
		    &reply),
	       0, "a full ACK");
	ok(reply.type == DHCP_TYPE_ACK && reply.xid == 5 && reply.lease.ip4 == 0x0a000005 &&
		   reply.lease.prefix == 24 && reply.lease.server == 0x0a000001 &&
		   reply.lease.routers[0] == 0x0a000001 && reply.lease.mtu == 1400,
	   "its values");
	ok(reply.lease.dns_count == 1 && reply.lease.dns[0] == 0x08080808,
	   "127/8 is no name server");
	ok(reply.lease.lease_s == 3600 && reply.lease.t1_s == 1800 && reply.lease.t2_s == 3150,
	   "T1 and T2 by the rules when they are absent");
	is_text(reply.lease.domain, "lab.example", "the domain");
	ok(READ(ACK "\x0f\6a\nb; c\xff", &reply) == 0 && !reply.lease.domain[0],
	   "a domain that is none is left out");
	ok(READ(ACK "\x3a\4\0\0\x20\0\x3b\4\0\0\1\0\xff", &reply) == 0 &&
		   reply.lease.t1_s < reply.lease.t2_s && reply.lease.t2_s < reply.lease.lease_s,
	   "times in the wrong order are put right");
	ok(READ(ACK "\x1a\2\0\x44\xff", &reply) == 0 && reply.lease.mtu == 0, "an MTU below 576");
	ok(READ(ACK "\xff", &reply) == 0 && reply.lease.prefix == 8, "no mask: by class");
	is_int(READ("\x35\1\5\x33\4\0\0\1\0\xff", &reply), -EBADMSG, "no server id");
	is_int(READ(ACK "\1\4\xff\0\xff\0\xff", &reply), -EBADMSG, "a mask with a hole");
	is_int(READ(ACK "\3\3\1\2\3\xff", &reply), -EBADMSG, "a router of three bytes");
	is_int(READ(ACK "\6\xff\1\2\3", &reply), -EBADMSG, "a length beyond the end");
	is_int(READ(ACK "\6", &reply), -EBADMSG, "a code without a length");
	is_int(READ("\x35\1\x8\x36\4\x0a\0\0\1\xff", &reply), -ENOMSG,
	       "INFORM is not for a client");
	is_int(READ("\x36\4\x0a\0\0\1\xff", &reply), -EBADMSG, "no type");
	ok(READ(ACK "\x0f\4lab.\x0f\7example\xff", &reply) == 0 &&
		   !strcmp(reply.lease.domain, "lab.example"),
	   "an option in two pieces is joined (RFC 3396)");
	make(&p, ACK "\x34\1\3\xff", sizeof(ACK) - 1 + 4);
	memcpy(p.data + HEADERS + 108, "\x0f\7in.file\xff", 10);
	memcpy(p.data + HEADERS + 44, "\3\4\x0a\0\0\3\xff", 7);
	ok(dhcp_reply_read(str_make(p.data, p.len), &reply) == 0 &&
		   !strcmp(reply.lease.domain, "in.file") && reply.lease.routers[0] == 0x0a000003,
	   "options in file and sname (overload)");
	make(&p, ACK "\xff", sizeof(ACK));
	for (size_t n = 0; n < p.len; n++)
		refused &= dhcp_reply_read(str_make(p.data, n), &reply) < 0;
	ok(refused, "no shorter form is taken");
	p.data[6] = 0x20;
	is_int(dhcp_reply_read(str_make(p.data, p.len), &reply), -ENOMSG, "a fragment");
}

static void test_routes(void)
{
	struct dhcp_lease back;
	struct dhcp_reply reply;
	OWN(buf_done) struct buf out = { 0 };
	struct wire in;

	ok(READ(ACK "\x79\x14\0\x0a\0\0\2"   /* default */
		    "\x18\xc0\0\2\x0a\0\0\3" /* 192.0.2.0/24 */
		    "\x0c\xac\x1f\0\0\0\0"   /* 172.16.0.0/12 on the link */
		    "\1\4\xff\xff\xff\0\3\4\x0a\0\0\1\xff",
		&reply) == 0,
	   "classless routes are read");
	ok(reply.lease.classless && reply.lease.route_count == 3 &&
		   reply.lease.routes[0].prefix == 0 &&
		   reply.lease.routes[0].gateway == 0x0a000002 &&
		   reply.lease.routes[1].dst == 0xc0000200 && reply.lease.routes[1].prefix == 24 &&
		   reply.lease.routes[2].dst == 0xac100000 && reply.lease.routes[2].gateway == 0,
	   "default, a network, one on the link with its host bits cut off");
	ok(READ(ACK "\xf9\x08\x18\xc6\x33\x64\x0a\0\0\3\x21\x08\xc0\0\2\7\x0a\0\0\4\xff", &reply) ==
			   0 &&
		   reply.lease.classless && reply.lease.route_count == 1 &&
		   reply.lease.routes[0].dst == 0xc6336400,
	   "249 says the same and beats 33");
	ok(READ(ACK "\x21\x18\xc0\0\2\7\x0a\0\0\4\x0b\0\0\0\x0a\0\0\5\0\0\0\0\x0a\0\0\6\xff",
		&reply) == 0 &&
		   !reply.lease.classless && reply.lease.route_count == 2 &&
		   reply.lease.routes[0].prefix == 32 && reply.lease.routes[1].prefix == 8,
	   "33: a machine, a class A network, and never the default route");
	is_int(READ(ACK "\x79\4\x18\xc0\0\2\xff", &reply), -EBADMSG, "a route without its gateway");
	is_int(READ(ACK "\x79\5\x21\x0a\0\0\1\xff", &reply), -EBADMSG, "a prefix of 33");
	is_int(READ(ACK "\x21\4\xc0\0\2\7\xff", &reply), -EBADMSG, "half a pair");
	ok(READ(ACK "\x79\6\x08\x7f\x0a\0\0\1\xff", &reply) == 0 && !reply.lease.route_count,
	   "no route for loopback");
	ok(READ(ACK "\x2a\x08\x0a\0\0\x0b\x7f\0\0\1\x79\6\x08\x0a\x0a\0\0\1\xff", &reply) == 0 &&
		   reply.lease.ntp_count == 1 && reply.lease.ntp[0] == 0x0a00000b,
	   "time servers");
	buf_init(&out, 1024);
	dhcp_lease_encode(&reply.lease, &out);
	wire_init(&in, out.data, out.len);
	dhcp_lease_decode(&in, &back);
	ok(wire_end(&in) == 0 && back.route_count == 1 && back.routes[0].dst == 0x0a000000 &&
		   back.ntp[0] == 0x0a00000b && back.classless,
	   "a lease keeps routes and time servers");
	out.data[out.len - 2 - 4 - 4 - 4 - 1] = 60; /* the prefix of its route */
	wire_init(&in, out.data, out.len);
	dhcp_lease_decode(&in, &back);
	ok(wire_end(&in) < 0, "a lease with an impossible route is none");
}

static void test_writing(void)
{
	struct dhcp_request request = { .id = dhcp_id_of(me),
					.type = DHCP_TYPE_REQUEST,
					.xid = 0x01020304,
					.mac = { 2, 0, 0, 0, 0, 1 },
					.requested = 0x0a000005,
					.server = 0x0a000001,
					.hostname = "hoy" };
	OWN(buf_done) struct buf out = { 0 };
	uint32_t sum = 0;
	const uint8_t *b;

	buf_init(&out, 1500);
	dhcp_request_write(&request, &out);
	b = (const uint8_t *)out.data;
	ok(out.len >= 328 && b[0] == 0x45 && ((size_t)b[2] << 8 | b[3]) == out.len, "one packet");
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	is_int((sum >> 16) + (sum & 0xffff), 0xffff, "the header's checksum");
	sum = 17 + (uint32_t)out.len - 20;
	for (size_t i = 12; i < out.len; i += 2)
		sum += (uint32_t)(b[i] << 8 | (i + 1 < out.len ? b[i + 1] : 0));
	sum = (sum >> 16) + (sum & 0xffff);
	is_int((sum >> 16) + (sum & 0xffff), 0xffff, "the UDP checksum");
	ok(!memcmp(b + OPTIONS, "\x35\1\3\x3d\7\1\2\0\0\0\0\1\x32\4\x0a\0\0\5\x36\4\x0a\0\0\1", 24),
	   "type, client id, address and server");
	ok(memcmp(b + 16, "\xff\xff\xff\xff", 4) == 0 && b[21] == 68 && b[23] == 67,
	   "by broadcast");
	ok(!memcmp(b + OPTIONS + 28, "\x37\x0e\1\x79", 4), "what is asked for");
	request.more = (struct dhcp_more){ 2, { 43, 67 } };
	buf_clear(&out);
	dhcp_request_write(&request, &out);
	b = (const uint8_t *)out.data;
	ok(!memcmp(b + OPTIONS + 28, "\x37\x10\1\x79", 4) &&
		   !memcmp(b + OPTIONS + 44, "\x2b\x43", 2),
	   "and two options more, which network.ini names");
	request.v6only = true;
	buf_clear(&out);
	dhcp_request_write(&request, &out);
	b = (const uint8_t *)out.data;
	ok(!memcmp(b + OPTIONS + 28, "\x37\x11\1\x79", 4) && b[OPTIONS + 44] == 108,
	   "and for how long to do without IPv4, where that is wished");
}

/* ---- the machine ---- */

static struct dhcp_client client;
static struct dhcp_actions acts;
static int64_t now_ms;

static struct mono now(void)
{
	return (struct mono){ now_ms * MS };
}

static void start(const struct dhcp_lease *lease, const struct mono *bound)
{
	client = (struct dhcp_client){ .probe = DHCP_PROBE_FAST,
				       .random = count_up,
				       .carrier = true };
	memcpy(client.mac, me, 6);
	acts.count = 0;
	now_ms = 1000000;
	dhcp_client_start(&client, now(), lease, bound, &acts);
}

/* Jumps to the next timer. */
static void tick(void)
{
	acts.count = 0;
	if (!client.due_set)
		return;
	now_ms = client.due.ns / MS + 1;
	dhcp_client_timer(&client, now(), &acts);
}

static struct dhcp_id said_id;

static void reply(enum dhcp_type type, uint32_t ip4, uint32_t server)
{
	struct dhcp_reply r = { .type = type,
				.id = said_id,
				.xid = client.xid,
				.has_server = true,
				.lease = { .ip4 = ip4,
					   .prefix = 24,
					   .server = server,
					   .lease_s = 1000,
					   .t1_s = 500,
					   .t2_s = 875 } };

	memcpy(r.chaddr, me, 6);
	acts.count = 0;
	dhcp_client_receive(&client, now(), &r, server_mac, &acts);
}

static bool did(size_t i, enum dhcp_action_kind kind)
{
	return i < acts.count && acts.list[i].kind == kind;
}

static bool sent(enum dhcp_type type)
{
	return did(0, DHCP_ACTION_SEND) && acts.list[0].request.type == type;
}

static void bind_it(void)
{
	start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
	reply(DHCP_TYPE_OFFER, 0x0a000005, 1);
	reply(DHCP_TYPE_ACK, 0x0a000005, 1);
	for (int i = 0; i < 3; i++)
		tick();
}

static void test_binding(void)
{
	uint32_t first;

	start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
	ok(sent(DHCP_TYPE_DISCOVER) && client.state == DHCP_STATE_SELECTING, "DISCOVER at once");
	first = client.xid;
	tick();
	ok(sent(DHCP_TYPE_DISCOVER) && client.xid == first,
	   "again after a while, the same exchange");
	client.xid++;
	reply(DHCP_TYPE_ACK, 0x0a000005, 1);
	ok(acts.count == 0, "an ACK out of turn is ignored");
	reply(DHCP_TYPE_OFFER, 0x0a000005, 1);
	ok(sent(DHCP_TYPE_REQUEST) && acts.list[0].request.server == 1 &&
		   acts.list[0].request.requested == 0x0a000005 && !acts.list[0].request.ciaddr,
	   "REQUEST names server and address");
	reply(DHCP_TYPE_ACK, 0x0a000006, 2);
	ok(acts.count == 0 && client.state == DHCP_STATE_REQUESTING,
	   "another server's ACK is ignored");
	reply(DHCP_TYPE_ACK, 0x0a000005, 1);
	ok(did(0, DHCP_ACTION_PROBE) && acts.count == 1, "the address is probed first");
	tick();
	ok(did(0, DHCP_ACTION_PROBE), "twice");
	tick();
	ok(did(0, DHCP_ACTION_PROBE), "three times");
	tick();
	ok(did(0, DHCP_ACTION_LEASE) && did(1, DHCP_ACTION_ANNOUNCE) && client.used, "then used");
	tick();
	ok(did(0, DHCP_ACTION_ANNOUNCE) && acts.count == 1, "and announced once more");
}

static uint32_t dice_state;

static uint32_t dice(void)
{
	dice_state = dice_state * 1664525 + 1013904223;
	return dice_state >> 8;
}

/* ms to a lease where three of ten packets are lost each way; a server that answers at once. */
static int64_t lossy_start(void)
{
	int64_t began;

	start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
	client.random = dice;
	began = now_ms;
	while (!client.used && now_ms - began < 3600000) {
		bool asked = acts.count && acts.list[0].kind == DHCP_ACTION_SEND;

		if (asked && dice() % 10 >= 3 && dice() % 10 >= 3)
			reply(acts.list[0].request.type == DHCP_TYPE_DISCOVER ? DHCP_TYPE_OFFER
									      : DHCP_TYPE_ACK,
			      0x0a000005, 1);
		else
			tick();
	}
	return now_ms - began;
}

static void test_loss(void)
{
	unsigned late = 0, lost = 0;

	dice_state = 41;
	for (int i = 0; i < 2000; i++) {
		int64_t ms = lossy_start();

		late += ms > 60000;
		lost += ms > 300000;
	}
	/* The dice are always the same, and so are these numbers. */
	ok(late <= 10, "30 %% loss each way: a lease within a minute but for %u of 2000", late);
	is_int(lost, 0, "and always within five");
}

static void test_renewing(void)
{
	int sends = 0;

	bind_it();
	tick();
	tick();
	ok(sent(DHCP_TYPE_REQUEST) && client.state == DHCP_STATE_RENEWING &&
		   acts.list[0].request.ciaddr == 0x0a000005 && !acts.list[0].request.requested &&
		   !acts.list[0].request.server && acts.list[0].request.dst == 1 &&
		   !memcmp(acts.list[0].mac, server_mac, 6),
	   "renewing: unicast to the server, from the address, no options 50 and 54");
	reply(DHCP_TYPE_ACK, 0x0a000005, 1);
	ok(acts.count == 1 && did(0, DHCP_ACTION_LEASE) && client.state == DHCP_STATE_BOUND,
	   "its ACK: new times and nothing else");
	tick();
	while (client.state == DHCP_STATE_RENEWING && sends++ < 50)
		tick();
	ok(client.state == DHCP_STATE_REBINDING && acts.list[0].mac[0] == 255 && sends < 10,
	   "rebinding by broadcast after %d tries", sends);
	reply(DHCP_TYPE_ACK, 0x0a000005, 7);
	ok(client.state == DHCP_STATE_BOUND && client.lease.server == 7,
	   "any server may answer then");
	for (int i = 0; i < 60 && client.used; i++)
		tick();
	ok(!client.used && did(0, DHCP_ACTION_LOST) && sent(DHCP_TYPE_DISCOVER) == false &&
		   client.state == DHCP_STATE_SELECTING,
	   "without an answer it runs out, and all begins again");
}

static void test_refusals(void)
{
	struct arp arp = { .reply = true, .sender = 0x0a000005 };

	bind_it();
	tick();
	tick();
	reply(DHCP_TYPE_NAK, 0, 2);
	ok(client.used, "another server's NAK is ignored while renewing");
	reply(DHCP_TYPE_NAK, 0, 1);
	ok(!client.used && did(0, DHCP_ACTION_LOST) && client.state == DHCP_STATE_IDLE,
	   "ours counts");
	tick();
	ok(sent(DHCP_TYPE_DISCOVER) && !acts.list[0].request.requested, "from the start, later");

	start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
	reply(DHCP_TYPE_OFFER, 0x0a000005, 1);
	reply(DHCP_TYPE_ACK, 0x0a000005, 1);
	memcpy(arp.sender_mac, me, 6);
	acts.count = 0;
	dhcp_client_arp(&client, now(), &arp, &acts);
	ok(acts.count == 0, "our own probe is no conflict");
	memcpy(arp.sender_mac, rival_mac, 6);
	dhcp_client_arp(&client, now(), &arp, &acts);
	ok(sent(DHCP_TYPE_DECLINE) && acts.list[0].request.requested == 0x0a000005 &&
		   client.due.ns / MS - now_ms >= 10000,
	   "a used address is declined, then ten seconds of rest");

	bind_it();
	acts.count = 0;
	dhcp_client_arp(&client, now(), &arp, &acts);
	ok(did(0, DHCP_ACTION_ANNOUNCE) && client.used, "defended once");
	now_ms += 3000;
	acts.count = 0;
	dhcp_client_arp(&client, now(), &arp, &acts);
	ok(!client.used && did(1, DHCP_ACTION_LOST), "given up when it comes again");
}

/* RFC 2132 3.14: the name of this machine. */
static void test_hostname(void)
{
	static const struct {
		const char *option, *name, *what;
	} rows[] = {
		{ "\x0c\4boat\xff", "boat", "a name" },
		{ "\x0c\20boat.lab.example\xff", "boat", "of a longer one the first label" },
		{ "\x0c\5boat\0\xff", "boat", "a NUL at the end is none of it" },
		{ "\x0c\4b_at\xff", "", "no host name" },
		{ "\x0c\4-boa\xff", "", "none that begins with a hyphen" },
		{ "\x0c\4boa-\xff", "", "nor ends with one" },
		{ "\x0c\5bo at\xff", "", "nor has a blank" },
		{ "\x0c\0\xff", "", "nor an empty one" },
	};
	struct dhcp_lease back;
	OWN(buf_done) struct buf out = { 0 };
	struct wire in;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char options[64];
		size_t len = 2 + (size_t)rows[i].option[1] + 1;
		struct dhcp_reply read;

		memcpy(options, ACK, sizeof(ACK) - 1);
		memcpy(options + sizeof(ACK) - 1, rows[i].option, len);
		is_int(read_options(options, sizeof(ACK) - 1 + len, &read), 0, "%s is read",
		       rows[i].what);
		is_text(read.lease.hostname, rows[i].name, rows[i].what);
		if (i == 0) {
			buf_init(&out, 1024);
			dhcp_lease_encode(&read.lease, &out);
		}
	}
	wire_init(&in, out.data, out.len);
	dhcp_lease_decode(&in, &back);
	ok(wire_end(&in) == 0 && !strcmp(back.hostname, "boat"), "a lease keeps it");
	out.data[out.len - 1] = '/';
	wire_init(&in, out.data, out.len);
	dhcp_lease_decode(&in, &back);
	ok(wire_end(&in) < 0, "and a record with another one is none");
}

/* RFC 8925: a network that would rather have no IPv4. */
static void test_v6only(void)
{
	struct dhcp_start with = { .index = 1, .v6only = true }, back;
	OWN(buf_done) struct buf out = { 0 };
	struct dhcp_reply read, offer;

	ok(READ(ACK "\x6c\4\0\0\x0e\x10\xff", &read) == 0 && read.v6only && read.v6only_s == 3600,
	   "the time is read");
	ok(READ(ACK "\x6c\4\0\0\0\0\xff", &read) == 0 && read.v6only && read.v6only_s == 300,
	   "five minutes at least");
	ok(READ(ACK "\x6c\3\0\0\0\xff", &read) == 0 && !read.v6only,
	   "of another length it is none");
	for (int wish = 0; wish < 2; wish++) {
		start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
		client.v6only = wish;
		offer = read;
		offer.type = DHCP_TYPE_OFFER;
		offer.xid = client.xid;
		memcpy(offer.chaddr, me, 6);
		offer.id.len = 0;
		offer.v6only = true;
		offer.v6only_s = 3600;
		acts.count = 0;
		dhcp_client_receive(&client, now(), &offer, server_mac, &acts);
		if (!wish) {
			ok(sent(DHCP_TYPE_REQUEST), "without the wish an offer is an offer");
			continue;
		}
		ok(acts.count == 0 && client.state == DHCP_STATE_IDLE &&
			   client.due.ns / MS - now_ms == 3600000,
		   "with it nothing is asked for until the time is over");
		tick();
		ok(sent(DHCP_TYPE_DISCOVER), "then again");
	}
	buf_init(&out, 1024);
	dhcp_start_encode(&with, &out);
	ok(dhcp_start_decode(buf_str(&out), &back) == 0 && back.v6only, "main says so");
}

/* RFC 6842: a server may repeat who it means. RFC 4361: who the client is may be a DUID. */
static void test_identity(void)
{
	struct dhcp_start with = { .index = 1, .id = { .len = 3, .b = { 255, 8, 9 } } }, back;
	OWN(buf_done) struct buf out = { 0 };
	struct dhcp_reply read;

	ok(READ(ACK "\x3d\7\1\2\0\0\0\0\1\xff", &read) == 0 && read.id.len == 7 &&
		   read.id.b[6] == 1,
	   "whom a packet is for is read");
	start(&(struct dhcp_lease){ .ip4 = 0 }, NULL);
	ok(acts.list[0].request.id.len == 7 && acts.list[0].request.id.b[0] == 1,
	   "by its hardware address unless it is told who it is");
	said_id = (struct dhcp_id){ .len = 7, .b = { 1, 2, 0, 0, 0, 0, 2 } };
	reply(DHCP_TYPE_OFFER, 0x0a000005, 1);
	ok(acts.count == 0, "an offer to another client is ignored");
	said_id = dhcp_id_of(me);
	reply(DHCP_TYPE_OFFER, 0x0a000005, 1);
	ok(sent(DHCP_TYPE_REQUEST), "one that repeats ours is taken");
	said_id.len = 0;
	buf_init(&out, 1024);
	dhcp_start_encode(&with, &out);
	ok(dhcp_start_decode(buf_str(&out), &back) == 0 && back.id.len == 3 && back.id.b[2] == 9,
	   "main says who it is");
}

static void test_memory(void)
{
	const struct dhcp_lease lease = { .ip4 = 0x0a000005,
					  .prefix = 24,
					  .server = 1,
					  .lease_s = 1000,
					  .t1_s = 500,
					  .t2_s = 875 };
	struct mono bound = { (int64_t)999900 * MS };

	start(&lease, &bound);
	ok(acts.count == 1 && did(0, DHCP_ACTION_LEASE) && client.due.ns / MS == 999900 + 500000,
	   "a lease in force goes on without a packet");
	bound.ns = 0;
	start(&lease, &bound);
	ok(sent(DHCP_TYPE_REQUEST) && client.state == DHCP_STATE_REBOOTING && !client.used,
	   "one that ran out is asked for");
	start(&lease, NULL);
	ok(sent(DHCP_TYPE_REQUEST) && !acts.list[0].request.server &&
		   acts.list[0].request.requested == lease.ip4,
	   "an earlier boot's is asked for (INIT-REBOOT)");
	for (int i = 0; i < 3; i++)
		tick();
	ok(sent(DHCP_TYPE_DISCOVER), "nobody knows it: from the start");
}

static void test_carrier(void)
{
	bind_it();
	acts.count = 0;
	dhcp_client_carrier(&client, now(), false, &acts);
	now_ms += 3000;
	dhcp_client_carrier(&client, now(), true, &acts);
	ok(acts.count == 0 && client.state == DHCP_STATE_BOUND, "a short flap changes nothing");
	dhcp_client_carrier(&client, now(), false, &acts);
	now_ms += 9000;
	dhcp_client_carrier(&client, now(), true, &acts);
	ok(sent(DHCP_TYPE_REQUEST) && client.state == DHCP_STATE_REBOOTING && client.used,
	   "after a longer one the address is confirmed and kept meanwhile");
	for (int i = 0; i < 3; i++)
		tick();
	ok(client.used, "no answer: kept until its time is over");
	acts.count = 0;
	dhcp_client_release(&client, now(), &acts);
	ok(sent(DHCP_TYPE_RELEASE) && did(1, DHCP_ACTION_LOST) && acts.list[0].request.ciaddr,
	   "released");
}

int main(void)
{
	test_reading();
	test_routes();
	test_writing();
	test_binding();
	test_renewing();
	test_refusals();
	test_loss();
	test_identity();
	test_hostname();
	test_v6only();
	test_memory();
	test_carrier();
	return tap_done();
}
