/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the DHCPv6 client of a link. Pure, used by the dhcp role. It must never take an answer that
 * does not repeat the transaction and our own identity, nor drop what is in force because a server
 * is silent.
 */
#include <string.h>
#include "netd/dhcp6/dhcp6_client.h"

enum {
	SOLICIT_FIRST_MS = 1000, /* RFC 8415 7.6 */
	SOLICIT_MAX_S = 3600,
	REQUEST_FIRST_MS = 1000,
	REQUEST_MAX_MS = 30000,
	REQUEST_TRIES = 10,
	RENEW_FIRST_MS = 10000,
	RENEW_MAX_MS = 600000,
	CHECK_FIRST_MS =
		1000, /* is the lease still good, after the cable or the machine came back */
	CHECK_TRIES = 4,
	ASK_MAX_MS = 3600000,
	SPREAD_MS = 200, /* machines that start together ask one after the other */
	REFRESH_S = 86400,
	REFRESH_LEAST_S = 600,
	BEST_PREFERENCE = 255,
};

int64_t dhcp6_lease_valid_s(const struct dhcp6_lease *lease)
{
	uint32_t longest = 0;

	for (size_t i = 0; i < lease->addr_count; i++)
		if (lease->addrs[i].valid_s > longest)
			longest = lease->addrs[i].valid_s;
	for (size_t i = 0; i < lease->prefix_count; i++)
		if (lease->prefixes[i].valid_s > longest)
			longest = lease->prefixes[i].valid_s;
	return longest;
}

static struct mono after_s(struct mono from, int64_t seconds)
{
	return mono_add_ms(from, seconds * 1000);
}

static void wake_at(struct dhcp6_client *client, struct mono due)
{
	client->due = due;
	client->due_set = true;
}

static enum dhcp6_type type_of(enum dhcp6_state state)
{
	switch (state) {
	case DHCP6_STATE_REQUESTING:
		return DHCP6_TYPE_REQUEST;
	case DHCP6_STATE_RENEWING:
		return DHCP6_TYPE_RENEW;
	case DHCP6_STATE_REBINDING:
		return DHCP6_TYPE_REBIND;
	case DHCP6_STATE_ASKING:
		return DHCP6_TYPE_INFORMATION;
	case DHCP6_STATE_IDLE:
	case DHCP6_STATE_SOLICITING:
	case DHCP6_STATE_BOUND:
	case DHCP6_STATE_INFORMED:
		break;
	}
	return DHCP6_TYPE_SOLICIT;
}

static void fill_request(struct dhcp6_client *client, struct mono now, enum dhcp6_type type,
			 struct dhcp6_actions *actions)
{
	bool requesting = client->state == DHCP6_STATE_REQUESTING;

	actions->send = true;
	actions->request = (struct dhcp6_request){
		.type = type,
		.xid = client->xid,
		.elapsed_ms = client->attempt ? (uint32_t)mono_diff_ms(now, client->began) : 0,
		.source = client->source,
		.client = &client->duid,
		.to_server = type != DHCP6_TYPE_SOLICIT && type != DHCP6_TYPE_REBIND &&
			     type != DHCP6_TYPE_INFORMATION,
		.addresses = client->wish.addresses && type != DHCP6_TYPE_INFORMATION,
		.prefixes = client->wish.prefixes && type != DHCP6_TYPE_INFORMATION,
		.iaid = client->iaid,
		.hint_len = client->wish.hint_len,
		.have = requesting	? &client->offer
			: client->known ? &client->lease
					: NULL,
	};
}

/* Once more, each time after about twice as long. */
static void send_again(struct dhcp6_client *client, struct mono now, struct dhcp6_actions *actions)
{
	int64_t first = SOLICIT_FIRST_MS, most = ASK_MAX_MS;

	if (client->state == DHCP6_STATE_SOLICITING)
		most = (int64_t)client->solicit_max_s * 1000;
	if (client->state == DHCP6_STATE_REQUESTING)
		most = REQUEST_MAX_MS;
	if (client->state == DHCP6_STATE_RENEWING || client->state == DHCP6_STATE_REBINDING) {
		first = client->used ? RENEW_FIRST_MS : CHECK_FIRST_MS;
		most = RENEW_MAX_MS;
	}
	fill_request(client, now, type_of(client->state), actions);
	client->pause_ms = client->attempt++ ? 2 * client->pause_ms : first;
	if (client->pause_ms > most)
		client->pause_ms = most;
	client->sent = now;
	wake_at(client, mono_add_ms(now, client->pause_ms +
						 client->pause_ms *
							 (int64_t)(client->random() % 200) / 1000 -
						 client->pause_ms / 10));
}

static void enter(struct dhcp6_client *client, struct mono now, enum dhcp6_state state)
{
	client->state = state;
	client->attempt = 0;
	client->began = now;
	client->xid = client->random() & 0xffffff;
}

static void solicit(struct dhcp6_client *client, struct mono now)
{
	bool leased = client->wish.addresses || client->wish.prefixes;

	enter(client, now, leased ? DHCP6_STATE_SOLICITING : DHCP6_STATE_ASKING);
	client->best = -1;
	wake_at(client, mono_add_ms(now, client->random() % SPREAD_MS));
}

/* Is what is known still good here? Any server may say. */
static void check(struct dhcp6_client *client, struct mono now, struct dhcp6_actions *actions)
{
	enter(client, now, DHCP6_STATE_REBINDING);
	send_again(client, now, actions);
}

static void lose(struct dhcp6_client *client, const char *why, struct dhcp6_actions *actions)
{
	if (client->used)
		actions->lost = why;
	client->used = client->known = false;
}

static void begin(struct dhcp6_client *client, struct mono now, struct dhcp6_actions *actions)
{
	if (client->known && (client->wish.addresses || client->wish.prefixes))
		check(client, now, actions);
	else
		solicit(client, now);
}

static void bind_until(struct dhcp6_client *client)
{
	client->state = DHCP6_STATE_BOUND;
	client->due_set = false;
	if (client->lease.t1_s != DHCP6_FOREVER)
		wake_at(client, after_s(client->asked, client->lease.t1_s));
}

void dhcp6_client_start(struct dhcp6_client *client, struct mono now,
			const struct dhcp6_lease *lease, const struct mono *bound_at,
			struct dhcp6_actions *actions)
{
	client->solicit_max_s = SOLICIT_MAX_S;
	client->best = -1;
	if (lease->addr_count || lease->prefix_count) {
		client->lease = *lease;
		client->known = true;
	}
	if (client->known && bound_at) {
		client->asked = *bound_at;
		client->used = true;
		bind_until(client);
		if (!client->carrier)
			client->state = DHCP6_STATE_IDLE;
		return;
	}
	if (client->carrier)
		begin(client, now, actions);
}

void dhcp6_client_carrier(struct dhcp6_client *client, struct mono now, bool carrier,
			  struct dhcp6_actions *actions)
{
	if (carrier == client->carrier)
		return;
	client->carrier = carrier;
	if (carrier) {
		begin(client, now, actions);
		return;
	}
	/* What is in force stays until it runs out: the kernel counts too. */
	client->state = DHCP6_STATE_IDLE;
	client->due_set = false;
}

static bool gives_what_is_wanted(const struct dhcp6_client *client, const struct dhcp6_reply *reply)
{
	return (client->wish.addresses && reply->lease.addr_count) ||
	       (client->wish.prefixes && reply->lease.prefix_count);
}

static void take_lease(struct dhcp6_client *client, const struct dhcp6_reply *reply,
		       struct dhcp6_actions *actions)
{
	client->lease = reply->lease;
	client->known = client->used = true;
	client->asked = client->sent;
	actions->report = true;
	bind_until(client);
}

static void take_offer(struct dhcp6_client *client, struct mono now,
		       const struct dhcp6_reply *reply, struct dhcp6_actions *actions)
{
	if (!gives_what_is_wanted(client, reply) || reply->preference <= client->best)
		return;
	client->offer = reply->lease;
	client->best = reply->preference;
	/* Others may be better: until the first pause is over (RFC 8415 18.2.9). */
	if (reply->preference != BEST_PREFERENCE && client->attempt < 2)
		return;
	enter(client, now, DHCP6_STATE_REQUESTING);
	send_again(client, now, actions);
}

static void take_information(struct dhcp6_client *client, struct mono now,
			     const struct dhcp6_reply *reply, struct dhcp6_actions *actions)
{
	uint32_t refresh_s = reply->refresh_s ? reply->refresh_s : REFRESH_S;

	client->lease = reply->lease;
	client->lease.addr_count = client->lease.prefix_count = 0;
	client->lease.t1_s = client->lease.t2_s = DHCP6_FOREVER;
	client->used = true;
	client->asked = now;
	client->state = DHCP6_STATE_INFORMED;
	actions->report = true;
	client->due_set = false;
	if (refresh_s != DHCP6_FOREVER)
		wake_at(client,
			after_s(now, refresh_s > REFRESH_LEAST_S ? refresh_s : REFRESH_LEAST_S));
}

/* A server answered one of REQUEST, RENEW and REBIND. */
static void take_reply(struct dhcp6_client *client, struct mono now,
		       const struct dhcp6_reply *reply, struct dhcp6_actions *actions)
{
	if (gives_what_is_wanted(client, reply)) {
		take_lease(client, reply, actions);
		return;
	}
	if (reply->status == DHCP6_STATUS_NO_BINDING && client->state != DHCP6_STATE_REQUESTING) {
		/* It does not know us, but will: RFC 8415 18.2.10.1. */
		client->offer = client->lease;
		client->offer.server = reply->lease.server;
		enter(client, now, DHCP6_STATE_REQUESTING);
		send_again(client, now, actions);
		return;
	}
	if (client->state == DHCP6_STATE_RENEWING && reply->status != DHCP6_STATUS_NOT_ON_LINK)
		return; /* another server may be of another mind */
	lose(client, "the server refused the lease", actions);
	solicit(client, now);
	/* Whoever refuses at once is not asked again at once. */
	wake_at(client, mono_add_ms(now, SOLICIT_FIRST_MS));
}

void dhcp6_client_receive(struct dhcp6_client *client, struct mono now,
			  const struct dhcp6_reply *reply, struct dhcp6_actions *actions)
{
	bool leased = reply->lease.addr_count || reply->lease.prefix_count;

	if (!client->attempt || reply->xid != client->xid ||
	    reply->client.len != client->duid.len ||
	    memcmp(reply->client.b, client->duid.b, client->duid.len) != 0 ||
	    (leased && reply->iaid != client->iaid))
		return;
	if (reply->solicit_max_s)
		client->solicit_max_s = reply->solicit_max_s;
	switch (client->state) {
	case DHCP6_STATE_SOLICITING:
		if (reply->type == DHCP6_TYPE_ADVERTISE)
			take_offer(client, now, reply, actions);
		else if (reply->rapid && gives_what_is_wanted(client, reply))
			take_lease(client, reply, actions);
		break;
	case DHCP6_STATE_REQUESTING:
	case DHCP6_STATE_RENEWING:
	case DHCP6_STATE_REBINDING:
		if (reply->type == DHCP6_TYPE_REPLY)
			take_reply(client, now, reply, actions);
		break;
	case DHCP6_STATE_ASKING:
		if (reply->type == DHCP6_TYPE_REPLY && !reply->status)
			take_information(client, now, reply, actions);
		break;
	case DHCP6_STATE_IDLE:
	case DHCP6_STATE_BOUND:
	case DHCP6_STATE_INFORMED:
		break;
	}
}

/* Nothing is left of the lease, or nobody confirmed a remembered one. */
static bool over(struct dhcp6_client *client, struct mono now, struct dhcp6_actions *actions)
{
	int64_t valid_s = dhcp6_lease_valid_s(&client->lease);

	if (!client->used && client->attempt >= CHECK_TRIES) {
		client->known = false;
		return true;
	}
	if (!client->used || valid_s == DHCP6_FOREVER ||
	    mono_before(now, after_s(client->asked, valid_s)))
		return false;
	lose(client, "it ran out and no server renewed it", actions);
	return true;
}

void dhcp6_client_timer(struct dhcp6_client *client, struct mono now, struct dhcp6_actions *actions)
{
	if (!client->due_set || mono_before(now, client->due))
		return;
	switch (client->state) {
	case DHCP6_STATE_SOLICITING:
		if (client->best >= 0)
			enter(client, now, DHCP6_STATE_REQUESTING);
		break;
	case DHCP6_STATE_REQUESTING:
		if (client->attempt >= REQUEST_TRIES) {
			solicit(client, now);
			return;
		}
		break;
	case DHCP6_STATE_BOUND:
		enter(client, now, DHCP6_STATE_RENEWING);
		break;
	case DHCP6_STATE_RENEWING:
		if (!mono_before(now, after_s(client->asked, client->lease.t2_s)))
			enter(client, now, DHCP6_STATE_REBINDING);
		break;
	case DHCP6_STATE_REBINDING:
		if (over(client, now, actions)) {
			solicit(client, now);
			return;
		}
		break;
	case DHCP6_STATE_INFORMED:
		enter(client, now, DHCP6_STATE_ASKING);
		break;
	case DHCP6_STATE_ASKING:
	case DHCP6_STATE_IDLE:
		break;
	}
	send_again(client, now, actions);
	if (client->state == DHCP6_STATE_RENEWING && client->lease.t2_s != DHCP6_FOREVER &&
	    mono_before(after_s(client->asked, client->lease.t2_s), client->due))
		client->due = after_s(client->asked, client->lease.t2_s);
}

void dhcp6_client_decline(struct dhcp6_client *client, struct mono now,
			  struct dhcp6_actions *actions)
{
	if (!client->used || !client->lease.addr_count)
		return;
	enter(client, now, DHCP6_STATE_BOUND);
	fill_request(client, now, DHCP6_TYPE_DECLINE, actions);
	actions->request.prefixes = false;
	actions->lost = "somebody else has the address";
	client->used = client->known = false;
	enter(client, now, DHCP6_STATE_SOLICITING);
	client->best = -1;
	wake_at(client, mono_add_ms(now, SOLICIT_FIRST_MS));
}

void dhcp6_client_release(struct dhcp6_client *client, struct mono now,
			  struct dhcp6_actions *actions)
{
	if (!client->used || (!client->lease.addr_count && !client->lease.prefix_count))
		return;
	enter(client, now, DHCP6_STATE_IDLE);
	fill_request(client, now, DHCP6_TYPE_RELEASE, actions);
	client->due_set = false;
	actions->lost = "it was given back";
	client->used = client->known = false;
}

const char *dhcp6_state_name(enum dhcp6_state state)
{
	static const char *const names[] = { "idle",	 "soliciting", "requesting", "bound",
					     "renewing", "rebinding",  "asking",     "informed" };

	return names[state];
}
