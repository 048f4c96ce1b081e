/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the SNTP client machine. Pure; run by the ntp role. It must never believe a minority, nor
 * move the clock by much a second time because of one round alone.
 */
#include <errno.h>
#include <string.h>
#include "netd/ntp/ntp_client.h"

enum {
	ROUND_MS = 2500, /* how long answers are waited for */
	RETRY_FIRST_MS = 2000,
	RETRY_MAX_MS = 300000,
	POLL_FIRST_MS = 64000,
	POLL_MAX_MS = 1024000,
	CONFIRM_MS = 4000, /* until the second opinion about a step */
	RATE_MS = 1024000,
	HURRY_MS = 100,
	STEP_FROM_MS = 500,
	/* Good clocks in one room differ by more than their answers admit. */
	SLACK_MS = 10,
	QUORUM_FROM = 3, /* with so many servers two have to agree */
};

#define MS_NS INT64_C(1000000)

static void act(struct ntp_actions *actions, enum ntp_action_kind kind, size_t server,
		int64_t offset_ns)
{
	if (actions->count < sizeof(actions->list) / sizeof(actions->list[0]))
		actions->list[actions->count++] = (struct ntp_action){ .kind = kind,
								       .server = server,
								       .offset_ns = offset_ns };
}

void ntp_client_start(struct ntp_client *client, struct mono now, size_t count,
		      struct ntp_actions *actions)
{
	for (size_t i = 0; i < client->server_count; i++)
		act(actions, NTP_ACTION_CLOSE, i, 0);
	memset(client->servers, 0, sizeof(client->servers));
	client->server_count = count < NTP_SERVERS_MAX ? count : NTP_SERVERS_MAX;
	client->failures = client->steady = 0;
	client->step_seen = false;
	client->state = client->server_count ? NTP_STATE_WAITING : NTP_STATE_IDLE;
	client->due = now;
}

static void ask_all(struct ntp_client *client, struct mono now, int64_t wall_ns,
		    struct ntp_actions *actions)
{
	client->state = NTP_STATE_ASKING;
	client->due = mono_add_ms(now, ROUND_MS);
	for (size_t i = 0; i < client->server_count; i++) {
		struct ntp_server *server = &client->servers[i];

		server->answered = false;
		server->asked = !server->denied && !mono_before(now, server->rests_until);
		if (!server->asked)
			continue;
		server->nonce = client->random();
		server->sent = now;
		server->wall_sent_ns = wall_ns;
		act(actions, NTP_ACTION_ASK, i, 0);
	}
}

/* How many intervals hold this offset; their common part in *low and *high. */
static size_t holders(const struct ntp_client *client, int64_t at, int64_t *low, int64_t *high)
{
	size_t count = 0;

	*low = INT64_MIN;
	*high = INT64_MAX;
	for (size_t i = 0; i < client->server_count; i++) {
		const struct ntp_server *s = &client->servers[i];
		int64_t from = s->offset_ns - s->distance_ns, to = s->offset_ns + s->distance_ns;

		if (!s->answered || from > at || to < at)
			continue;
		count++;
		*low = from > *low ? from : *low;
		*high = to < *high ? to : *high;
	}
	return count;
}

/*
 * Marzullo's idea: the largest set of intervals with a common part begins at the low end of one of
 * them. True when it is a majority of those that answered, and of two at least where three are
 * configured.
 */
static bool agree(struct ntp_client *client, size_t *ret_answers)
{
	size_t best = 0, answers = 0, quorum = client->server_count >= QUORUM_FROM ? 2 : 1;

	for (size_t i = 0; i < client->server_count; i++) {
		const struct ntp_server *s = &client->servers[i];
		int64_t low, high;
		size_t count;

		if (!s->answered)
			continue;
		answers++;
		count = holders(client, s->offset_ns - s->distance_ns, &low, &high);
		if (count <= best)
			continue;
		best = count;
		client->offset_ns = low + (high - low) / 2;
	}
	*ret_answers = answers;
	client->agreed = best;
	return best * 2 > answers && best >= quorum;
}

static void wait_again(struct ntp_client *client, struct mono now)
{
	client->state = NTP_STATE_WAITING;
	client->steady = 0;
	client->step_seen = false;
	client->due = mono_add_ms(now, backoff_ms(client->failures++, RETRY_FIRST_MS, RETRY_MAX_MS,
						  (uint32_t)client->random()));
}

static void correct(struct ntp_client *client, struct mono now, struct ntp_actions *actions)
{
	int64_t offset = client->offset_ns;
	bool large = offset >= STEP_FROM_MS * MS_NS || offset <= -STEP_FROM_MS * MS_NS;
	unsigned shift = client->steady < 4 ? client->steady : 4;
	int64_t poll_ms = (int64_t)POLL_FIRST_MS << shift;

	client->state = NTP_STATE_WAITING;
	client->failures = 0;
	/* The first time is taken as it is. Later on the clock runs well: who says that it does not
	 * has to say so twice. */
	if (client->synchronised && large && !client->step_seen) {
		client->step_seen = true;
		client->due = mono_add_ms(now, CONFIRM_MS);
		return;
	}
	act(actions, !client->synchronised || large ? NTP_ACTION_STEP : NTP_ACTION_SLEW, 0, offset);
	client->steady = large ? 0 : client->steady + 1;
	client->synchronised = true;
	client->step_seen = false;
	client->due = mono_add_ms(now, poll_ms < POLL_MAX_MS ? poll_ms : POLL_MAX_MS);
}

static void end_round(struct ntp_client *client, struct mono now, struct ntp_actions *actions)
{
	size_t answers;
	bool agreed;

	for (size_t i = 0; i < client->server_count; i++) {
		act(actions, NTP_ACTION_CLOSE, i, 0);
		client->servers[i].asked = false;
	}
	agreed = agree(client, &answers);
	client->verdict = agreed    ? NTP_VERDICT_AGREE
			  : answers ? NTP_VERDICT_DISAGREE
				    : NTP_VERDICT_SILENT;
	if (agreed)
		correct(client, now, actions);
	else
		wait_again(client, now);
}

void ntp_client_timer(struct ntp_client *client, struct mono now, int64_t wall_ns,
		      struct ntp_actions *actions)
{
	if (client->state == NTP_STATE_IDLE || mono_before(now, client->due))
		return;
	if (client->state == NTP_STATE_ASKING)
		end_round(client, now, actions);
	else
		ask_all(client, now, wall_ns, actions);
}

static void end_when_all_answered(struct ntp_client *client, struct mono now,
				  struct ntp_actions *actions)
{
	for (size_t i = 0; i < client->server_count; i++)
		if (client->servers[i].asked)
			return;
	end_round(client, now, actions);
}

static void kissed(struct ntp_server *server, enum ntp_kiss kiss, struct mono now)
{
	if (kiss == NTP_KISS_DENY)
		server->denied = true;
	else
		server->rests_until = mono_add_ms(
			now, (int64_t)RATE_MS << (server->rated < 4 ? server->rated++ : 4));
}

void ntp_client_receive(struct ntp_client *client, struct mono now, size_t index, struct str packet,
			struct ntp_actions *actions)
{
	struct ntp_server *server = &client->servers[index];
	struct ntp_reply reply;
	int64_t elapsed, there;
	int r;

	if (client->state != NTP_STATE_ASKING || index >= client->server_count || !server->asked)
		return;
	r = ntp_reply_read(packet, server->nonce, client->floor_s, &reply);
	if (r == -ENOMSG) /* a stranger's: the real one may still come */
		return;
	server->asked = false;
	elapsed = now.ns - server->sent.ns;
	if (r == 0 && reply.kiss != NTP_KISS_NONE) {
		kissed(server, reply.kiss, now);
	} else if (r == 0) {
		there = reply.sent_ns - reply.received_ns;
		/* RFC 5905 8: the way there and back, without the time spent there, in halves. */
		server->offset_ns =
			reply.received_ns - server->wall_sent_ns - (elapsed - there) / 2;
		server->distance_ns = (elapsed > there ? elapsed - there : 0) / 2 +
				      reply.distance_ns + SLACK_MS * MS_NS;
		server->answered = true;
	}
	end_when_all_answered(client, now, actions);
}

void ntp_client_unreachable(struct ntp_client *client, struct mono now, size_t index,
			    struct ntp_actions *actions)
{
	if (client->state != NTP_STATE_ASKING || index >= client->server_count ||
	    !client->servers[index].asked)
		return;
	client->servers[index].asked = false;
	end_when_all_answered(client, now, actions);
}

void ntp_client_hurry(struct ntp_client *client, struct mono now)
{
	struct mono soon = mono_add_ms(now, HURRY_MS);

	if (client->state != NTP_STATE_WAITING || client->verdict == NTP_VERDICT_AGREE)
		return;
	client->failures = 0;
	if (mono_before(soon, client->due))
		client->due = soon;
}
