/* SPDX-License-Identifier: Apache-2.0 */
/* DHCPv6: packets there and back, and the client on a clock of the test's own. */
#include <errno.h>
#include "lib/own.h"
#include "netd/dhcp6/dhcp6_msg.h"
#include "tests/unit/tap.h"

#define SECONDS INT64_C(1000000000)

static struct mono now = { .ns = 1000 * SECONDS };
static const struct dhcp6_duid duid = { .len = 4, .b = { 0, 3, 0, 9 } };

static uint32_t no_dice(void)
{
	return 100;
}

static struct dhcp6_reply answer(const struct dhcp6_client *client, enum dhcp6_type type)
{
	return (struct dhcp6_reply){
		.type = type,
		.xid = client->xid,
		.client = duid,
		.iaid = client->iaid,
		.lease = { .server = { .len = 3, .b = { 1, 2, 3 } },
			   .addrs = { { { { 0x20, 1, 0xd, 0xb8, [15] = 9 } }, 128, 500, 1000 } },
			   .addr_count = 1,
			   .t1_s = 250,
			   .t2_s = 400 },
	};
}

static struct dhcp6_client start(struct dhcp6_wish wish, struct dhcp6_actions *actions)
{
	struct dhcp6_client client = {
		.duid = duid, .iaid = 7, .wish = wish, .random = no_dice, .carrier = true
	};

	*actions = (struct dhcp6_actions){ 0 };
	dhcp6_client_start(&client, now, &(struct dhcp6_lease){ 0 }, NULL, actions);
	now = client.due;
	dhcp6_client_timer(&client, now, actions);
	return client;
}

static void wake(struct dhcp6_client *client, struct dhcp6_actions *actions)
{
	*actions = (struct dhcp6_actions){ 0 };
	now = client->due;
	dhcp6_client_timer(client, now, actions);
}

static void hear(struct dhcp6_client *client, const struct dhcp6_reply *reply,
		 struct dhcp6_actions *actions)
{
	*actions = (struct dhcp6_actions){ 0 };
	dhcp6_client_receive(client, now, reply, actions);
}

/* The packet as a server would send it back: what is asked for stands in it. */
static void turn_round(uint8_t *at, size_t len)
{
	uint32_t sum = 17;

	at[40] = 2;
	at[41] = 0x23;
	at[43] = 0x22;
	at[48] = 7;
	at[46] = at[47] = 0;
	for (size_t i = 8; i < len; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	sum += (uint32_t)len - 40;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[46] = (uint8_t)(~sum >> 8);
	at[47] = (uint8_t)~sum;
}

static void test_packets(void)
{
	struct dhcp6_lease have = { .server = { .len = 3, .b = { 1, 2, 3 } },
				    .prefixes = { { { { 0x20, 1, 0xd, 0xb8 } }, 56, 1, 2 } },
				    .prefix_count = 1 };
	const struct dhcp6_request request = { .type = DHCP6_TYPE_RENEW,
					       .xid = 0x123456,
					       .elapsed_ms = 20,
					       .source = { { 0xfe, 0x80, [15] = 1 } },
					       .client = &duid,
					       .to_server = true,
					       .addresses = true,
					       .prefixes = true,
					       .iaid = 7,
					       .have = &have };
	OWN(buf_done) struct buf out = { 0 };
	struct dhcp6_reply reply;
	bool refused = true;
	uint8_t *at;

	buf_init(&out, 1500);
	dhcp6_request_write(&request, &out);
	at = (uint8_t *)out.data;
	ok(at[6] == 17 && at[7] == 255 && at[24] == 0xff && at[39] == 2 && at[48] == 5 &&
		   at[49] == 0x12,
	   "a RENEW to all servers");
	is_int(dhcp6_reply_read(buf_str(&out), false, &reply), -EBADMSG, "which is no answer");
	turn_round(at, out.len);
	ok(dhcp6_reply_read(buf_str(&out), false, &reply) == 0 && reply.xid == 0x123456 &&
		   reply.lease.server.len == 3 && reply.iaid == 7,
	   "the same as an answer");
	is_int((long long)reply.lease.prefix_count, 0, "times of nought are no lease");
	/* What is behind the last option is too short for one of its own: 1, 2 and 3 bytes. */
	for (size_t n = 1; n < 4; n++) {
		buf_add_byte(&out, 0);
		at = (uint8_t *)out.data;
		at[5]++;
		at[45]++;
		refused &= dhcp6_reply_read(buf_str(&out), true, &reply) == -EBADMSG;
	}
	ok(refused, "bytes behind the last option that are none");
	out.len -= 3;
	at[5] -= 3;
	at[45] -= 3;
	for (size_t n = 0; n < out.len; n++)
		refused &= dhcp6_reply_read(str_head(buf_str(&out), n), false, &reply) == -EBADMSG;
	ok(refused, "no shorter form of it is taken");
	at[60] ^= 1;
	is_int(dhcp6_reply_read(buf_str(&out), false, &reply), -EBADMSG,
	       "nor one with a wrong checksum");
}

/* A REPLY whose options are these, without a checksum. */
static int read_with(const void *options, size_t len, struct dhcp6_reply *ret_reply)
{
	uint8_t packet[200] = {
		[0] = 0x60, [6] = 17, [40] = 2, [41] = 0x23, [42] = 2, [43] = 0x22, [48] = 7
	};

	packet[5] = packet[45] = (uint8_t)(12 + len);
	memcpy(packet + 52, options, len);
	return dhcp6_reply_read(str_make(packet, 52 + len), true, ret_reply);
}

#define READ(options, reply) read_with(options, sizeof(options) - 1, reply)
#define IDS		     "\0\1\0\3\1\2\3\0\2\0\3\4\5\6"
#define DB8		     "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"

static void test_time_servers(void)
{
	struct dhcp6_lease back;
	struct dhcp6_reply reply;
	OWN(buf_done) struct buf out = { 0 };
	struct wire in;

	ok(READ(IDS "\0\x1f\0\x20" DB8 "\1" DB8 "\2", &reply) == 0 && reply.lease.ntp_count == 2 &&
		   reply.lease.ntp[1].b[15] == 2,
	   "SNTP servers (RFC 4075)");
	ok(READ(IDS "\0\x38\0\x14\0\1\0\x10" DB8 "\7", &reply) == 0 && reply.lease.ntp_count == 1 &&
		   reply.lease.ntp[0].b[15] == 7,
	   "an NTP server (RFC 5908)");
	ok(READ(IDS "\0\x38\0\x0a\0\3\0\6\4time\0", &reply) == 0 && !reply.lease.ntp_count,
	   "one by name is left out");
	is_int(READ(IDS "\0\x38\0\x0a\0\3\0\7\4time\0", &reply), -EBADMSG,
	       "what is inside stays inside");
	ok(READ(IDS "\0\x1f\0\x10\xff\5\0\0\0\0\0\0\0\0\0\0\0\0\0\1", &reply) == 0 &&
		   !reply.lease.ntp_count,
	   "a multicast address is none");
	reply.lease = (struct dhcp6_lease){ .server = { .len = 3 },
					    .ntp = { { { 0x20, [15] = 7 } } },
					    .ntp_count = 1 };
	buf_init(&out, 1024);
	dhcp6_lease_encode(&reply.lease, &out);
	wire_init(&in, out.data, out.len);
	dhcp6_lease_decode(&in, &back);
	ok(wire_end(&in) == 0 && back.ntp_count == 1 && back.ntp[0].b[15] == 7,
	   "a lease keeps them");
}

static void test_lease(void)
{
	struct dhcp6_actions actions;
	struct dhcp6_client client = start((struct dhcp6_wish){ true, false, 0 }, &actions);
	struct dhcp6_reply reply;

	ok(actions.send && actions.request.type == DHCP6_TYPE_SOLICIT && actions.request.addresses,
	   "SOLICIT");
	reply = answer(&client, DHCP6_TYPE_ADVERTISE);
	reply.xid ^= 1;
	hear(&client, &reply, &actions);
	ok(client.best < 0, "an answer to something else is not heard");
	reply = answer(&client, DHCP6_TYPE_ADVERTISE);
	reply.client.b[3]++;
	hear(&client, &reply, &actions);
	ok(client.best < 0, "nor one for somebody else");
	reply = answer(&client, DHCP6_TYPE_ADVERTISE);
	hear(&client, &reply, &actions);
	ok(!actions.send && client.best == 0, "a first offer: there may be better ones");
	reply.preference = 9;
	reply.lease.addrs[0].ip6.b[15] = 10;
	hear(&client, &reply, &actions);
	wake(&client, &actions);
	ok(actions.send && actions.request.type == DHCP6_TYPE_REQUEST &&
		   actions.request.have->addrs[0].ip6.b[15] == 10,
	   "REQUEST of the preferred one");
	reply = answer(&client, DHCP6_TYPE_REPLY);
	hear(&client, &reply, &actions);
	ok(actions.report && client.state == DHCP6_STATE_BOUND, "bound");
	wake(&client, &actions);
	ok(actions.send && actions.request.type == DHCP6_TYPE_RENEW && actions.request.to_server,
	   "RENEW at T1");
	while (client.state == DHCP6_STATE_RENEWING)
		wake(&client, &actions);
	ok(actions.request.type == DHCP6_TYPE_REBIND && !actions.request.to_server,
	   "REBIND at T2, to any server");
	reply = answer(&client, DHCP6_TYPE_REPLY);
	hear(&client, &reply, &actions);
	ok(actions.report && !actions.lost && client.state == DHCP6_STATE_BOUND, "granted");
	while (client.used)
		wake(&client, &actions);
	ok(actions.lost && client.state == DHCP6_STATE_SOLICITING, "lost at its end: %s",
	   actions.lost);
}

static void test_refusals(void)
{
	struct dhcp6_actions actions;
	struct dhcp6_client client = start((struct dhcp6_wish){ true, true, 56 }, &actions);
	struct dhcp6_reply reply = answer(&client, DHCP6_TYPE_REPLY);

	hear(&client, &reply, &actions);
	ok(!actions.report, "a REPLY to a SOLICIT only where it is said to be one");
	reply.rapid = true;
	reply.iaid++;
	hear(&client, &reply, &actions);
	ok(!actions.report, "not of another association");
	reply.iaid--;
	hear(&client, &reply, &actions);
	ok(actions.report, "rapid commit: at once");
	wake(&client, &actions);
	reply = answer(&client, DHCP6_TYPE_REPLY);
	reply.lease.addr_count = 0;
	reply.status = DHCP6_STATUS_NO_BINDING;
	hear(&client, &reply, &actions);
	ok(actions.send && actions.request.type == DHCP6_TYPE_REQUEST && !actions.lost,
	   "a server that forgot us is asked anew, nothing is dropped");
	reply.xid = client.xid;
	reply.status = 2;
	hear(&client, &reply, &actions);
	ok(actions.lost && client.due.ns - now.ns >= SECONDS / 2,
	   "refused: not asked again at once");
}

static void test_flap(void)
{
	struct dhcp6_actions actions;
	struct dhcp6_client client = start((struct dhcp6_wish){ true, false, 0 }, &actions);
	struct dhcp6_reply reply = answer(&client, DHCP6_TYPE_REPLY);

	reply.rapid = true;
	hear(&client, &reply, &actions);
	actions = (struct dhcp6_actions){ 0 };
	dhcp6_client_carrier(&client, now, false, &actions);
	ok(!actions.lost && !client.due_set, "without a cable the lease stays");
	dhcp6_client_carrier(&client, now, true, &actions);
	ok(actions.request.type == DHCP6_TYPE_REBIND, "with one again any server is asked");
	actions = (struct dhcp6_actions){ 0 };
	dhcp6_client_decline(&client, now, &actions);
	ok(actions.lost && actions.request.type == DHCP6_TYPE_DECLINE, "a conflict is declined");
	client = start((struct dhcp6_wish){ false, false, 0 }, &actions);
	ok(actions.request.type == DHCP6_TYPE_INFORMATION && !actions.request.addresses,
	   "information alone");
	reply = answer(&client, DHCP6_TYPE_REPLY);
	hear(&client, &reply, &actions);
	ok(actions.report && client.lease.addr_count == 0, "brings no address");
}

static void test_records(void)
{
	const struct dhcp6_client client = { .iaid = 7 };
	struct dhcp6_report report = { .index = 3,
				       .asked_ns = 5,
				       .lease = answer(&client, DHCP6_TYPE_REPLY).lease },
			    back;
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, 4096);
	dhcp6_report_encode(&report, &out);
	ok(dhcp6_report_decode(buf_str(&out), &back) == 0 && back.lease.addr_count == 1 &&
		   back.lease.t2_s == 400,
	   "a lease comes back as it went");
	report.lease.addrs[0].preferred_s = 2000;
	buf_clear(&out);
	dhcp6_report_encode(&report, &out);
	is_int(dhcp6_report_decode(buf_str(&out), &back), -EBADMSG, "not with times out of order");
	report.lease.addrs[0].preferred_s = 1;
	report.lease.addrs[0].ip6.b[0] = 0xff;
	buf_clear(&out);
	dhcp6_report_encode(&report, &out);
	is_int(dhcp6_report_decode(buf_str(&out), &back), -EBADMSG, "nor with a multicast address");
}

int main(void)
{
	test_packets();
	test_time_servers();
	test_lease();
	test_refusals();
	test_flap();
	test_records();
	return tap_done();
}
