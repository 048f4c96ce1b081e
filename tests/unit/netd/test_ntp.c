/* SPDX-License-Identifier: Apache-2.0 */
/* SNTP: packets, rounds, majority, slew and step, kiss of death. */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/ntp/ntp_client.h"
#include "tests/unit/tap.h"

#define FLOOR	  INT64_C(1760000000)
#define SECOND_NS INT64_C(1000000000)
#define MS	  INT64_C(1000000)
#define WALL	  (INT64_C(1770000000) * SECOND_NS)

static struct ntp_client client;
static struct ntp_actions acts;
static struct mono now;
static int64_t wall;
static uint64_t counter;

static uint64_t count_up(void)
{
	return ++counter * UINT64_C(0x0101010101010101);
}

static void put32(char *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(v >> (24 - 8 * i));
}

static void put_time(char *at, int64_t ns)
{
	put32(at, (uint32_t)(ns / SECOND_NS + 2208988800));
	put32(at + 4, (uint32_t)(((ns % SECOND_NS) << 32) / SECOND_NS));
}

static void make(char packet[NTP_PACKET], uint64_t nonce, int64_t there_ns)
{
	memset(packet, 0, NTP_PACKET);
	packet[0] = 4 << 3 | 4;
	packet[1] = 2;
	packet[7] = 0;
	put32(packet + 4, 1 << 8); /* root delay 4 ms */
	put32(packet + 24, (uint32_t)(nonce >> 32));
	put32(packet + 28, (uint32_t)nonce);
	put_time(packet + 32, there_ns);
	put_time(packet + 40, there_ns + MS);
}

static void test_codec(void)
{
	char packet[NTP_PACKET];
	uint8_t request[NTP_PACKET];
	struct ntp_reply reply;
	bool refused = true;

	ntp_request_write(UINT64_C(0x1122334455667788), request);
	ok(request[0] == 0x23 && request[40] == 0x11 && request[47] == 0x88 && !request[32],
	   "a request: version 4, client, the nonce and nothing of ours");
	make(packet, 7, WALL);
	ok(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply) == 0 &&
		   reply.received_ns / 1000 == WALL / 1000 &&
		   reply.sent_ns - reply.received_ns <= MS && reply.distance_ns > MS &&
		   reply.distance_ns < 3 * MS && reply.stratum == 2,
	   "its answer");
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 8, FLOOR, &reply), -ENOMSG,
	       "an answer to something else");
	for (size_t n = 0; n < NTP_PACKET; n++)
		refused &= ntp_reply_read(str_make(packet, n), 7, FLOOR, &reply) == -ENOMSG;
	ok(refused, "cut anywhere it is refused");
	packet[0] = (char)(3 << 6 | 4 << 3 | 4);
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -EBADMSG,
	       "a server that is not synchronised");
	packet[0] = 4 << 3 | 3;
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -ENOMSG,
	       "a client's packet");
	make(packet, 7, WALL);
	packet[1] = 16;
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -EBADMSG,
	       "stratum 16");
	make(packet, 7, WALL);
	put32(packet + 8, 2 << 16);
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -EBADMSG,
	       "two seconds of dispersion");
	make(packet, 7, WALL);
	put_time(packet + 40, WALL - SECOND_NS);
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -EBADMSG,
	       "sent before it was received");
	make(packet, 7, WALL);
	packet[1] = 0;
	memcpy(packet + 12, "DENY", 4);
	ok(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply) == 0 &&
		   reply.kiss == NTP_KISS_DENY,
	   "a kiss of death");
	memcpy(packet + 12, "INIT", 4);
	is_int(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply), -EBADMSG,
	       "stratum 0 with another word");
	make(packet, 7, INT64_C(2100000000) * SECOND_NS);
	ok(ntp_reply_read(str_make(packet, NTP_PACKET), 7, FLOOR, &reply) == 0 &&
		   reply.received_ns / SECOND_NS == 2100000000,
	   "2036 is no end: the first such time after the floor");
}

static void begin(size_t servers)
{
	client = (struct ntp_client){ .random = count_up, .floor_s = FLOOR };
	now.ns = 1000 * SECOND_NS;
	wall = WALL;
	acts.count = 0;
	ntp_client_start(&client, now, servers, &acts);
}

static void due(void)
{
	wall += client.due.ns - now.ns;
	now = client.due;
	acts.count = 0;
	ntp_client_timer(&client, now, wall, &acts);
}

/* A server whose clock is ahead by offset answers; the way takes 20 ms in all. */
static void answer(size_t server, int64_t offset_ns)
{
	const struct ntp_server *s = &client.servers[server];
	struct mono at = { s->sent.ns + 21 * MS };
	char packet[NTP_PACKET];

	make(packet, s->nonce, s->wall_sent_ns + 10 * MS + offset_ns);
	acts.count = 0;
	ntp_client_receive(&client, at, server, str_make(packet, NTP_PACKET), &acts);
	now = at;
}

static const struct ntp_action *adjustment(void)
{
	for (size_t i = 0; i < acts.count; i++)
		if (acts.list[i].kind >= NTP_ACTION_SLEW)
			return &acts.list[i];
	return NULL;
}

static bool adjusts(enum ntp_action_kind kind, int64_t offset_ns, int64_t slack_ns)
{
	const struct ntp_action *a = adjustment();

	return a && a->kind == kind && a->offset_ns >= offset_ns - slack_ns &&
	       a->offset_ns <= offset_ns + slack_ns;
}

static void test_one(void)
{
	begin(1);
	due();
	ok(client.state == NTP_STATE_ASKING && acts.count == 1 &&
		   acts.list[0].kind == NTP_ACTION_ASK &&
		   client.servers[0].nonce == counter * UINT64_C(0x0101010101010101),
	   "asked at once, with a random nonce");
	answer(0, 100 * MS);
	ok(adjusts(NTP_ACTION_STEP, 100 * MS, MS) && client.synchronised,
	   "the first time is set at once, however near");
	due();
	answer(0, 50 * MS);
	ok(adjusts(NTP_ACTION_SLEW, 50 * MS, MS), "later on small differences go slowly");
	ok(client.due.ns - now.ns >= 60 * SECOND_NS, "and it asks less often");
	due();
	answer(0, 7 * SECOND_NS);
	ok(!adjustment() && client.due.ns - now.ns < 10 * SECOND_NS,
	   "a large one is not believed at once");
	due();
	answer(0, 7 * SECOND_NS);
	ok(adjusts(NTP_ACTION_STEP, 7 * SECOND_NS, MS), "but the second time");
	begin(0);
	is_int(client.state, NTP_STATE_IDLE, "no servers: nothing to do");
}

static void test_majority(void)
{
	begin(3);
	due();
	answer(0, 5 * SECOND_NS);
	answer(1, 3600 * SECOND_NS);
	ok(!adjustment(), "it waits for all");
	answer(2, 5 * SECOND_NS + 3 * MS);
	ok(adjusts(NTP_ACTION_STEP, 5 * SECOND_NS, 20 * MS) && client.agreed == 2,
	   "two of three win over one that lies");
	begin(2);
	due();
	answer(0, 0);
	answer(1, 15 * MS);
	ok(adjusts(NTP_ACTION_STEP, 8 * MS, 5 * MS) && client.agreed == 2,
	   "some milliseconds are no lie: the middle of both");
	begin(2);
	due();
	answer(0, 0);
	answer(1, 3600 * SECOND_NS);
	ok(!adjustment() && client.verdict == NTP_VERDICT_DISAGREE && !client.synchronised,
	   "one against one: nobody is believed");
	begin(3);
	due();
	answer(0, SECOND_NS);
	due();
	ok(!adjustment() && client.verdict == NTP_VERDICT_DISAGREE,
	   "of three one alone is not enough, even when the others are silent");
	begin(3);
	due();
	answer(0, SECOND_NS);
	answer(1, SECOND_NS);
	due();
	ok(adjusts(NTP_ACTION_STEP, SECOND_NS, 10 * MS), "two are, after the time is over");
}

static void test_silence(void)
{
	int64_t last = 0;
	bool longer = true;

	begin(1);
	for (int i = 0; i < 12; i++) {
		int64_t wait;

		due();
		due();
		ok(client.verdict == NTP_VERDICT_SILENT, "round %d is over", i);
		wait = client.due.ns - now.ns;
		longer &= wait > last / 2 && wait < 340 * SECOND_NS;
		last = wait;
	}
	ok(longer && last > 200 * SECOND_NS, "it asks less and less often, and never gives up");
	ntp_client_hurry(&client, now);
	ok(client.due.ns - now.ns < SECOND_NS, "a network that comes up makes it hurry");
	due();
	acts.count = 0;
	ntp_client_unreachable(&client, now, 0, &acts);
	ok(client.state == NTP_STATE_WAITING, "an unreachable server is not waited for");
}

static void kiss(size_t server, const char *code)
{
	char packet[NTP_PACKET];

	make(packet, client.servers[server].nonce, wall);
	packet[1] = 0;
	memcpy(packet + 12, code, 4);
	acts.count = 0;
	ntp_client_receive(&client, now, server, str_make(packet, NTP_PACKET), &acts);
}

static void test_kiss(void)
{
	char packet[NTP_PACKET];

	begin(2);
	due();
	kiss(0, "DENY");
	kiss(1, "RATE");
	is_int(client.state, NTP_STATE_WAITING, "both said no");
	due();
	is_int((int64_t)acts.count, 0, "neither is asked again soon");
	now = mono_add_ms(now, 1100000);
	client.due = now;
	client.state = NTP_STATE_WAITING;
	due();
	ok(acts.count == 1 && acts.list[0].server == 1, "after RATE later, after DENY never");
	make(packet, 12345, wall);
	packet[1] = 0;
	memcpy(packet + 12, "DENY", 4);
	ntp_client_receive(&client, now, 1, str_make(packet, NTP_PACKET), &acts);
	ok(!client.servers[1].denied && client.servers[1].asked, "a forged kiss is none");
}

int main(void)
{
	test_codec();
	test_one();
	test_majority();
	test_silence();
	test_kiss();
	return tap_done();
}
