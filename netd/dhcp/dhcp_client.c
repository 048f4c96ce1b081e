/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the DHCPv4 client machine of one link. Pure; run by the dhcp role. It must never report an
 * address that was not acknowledged and probed, never report LOST because of a renewal, and never
 * give up.
 */
#include <string.h>
#include "netd/dhcp/dhcp_client.h"

enum {
	RETRY_FIRST_MS = 1000,
	RETRY_MAX_MS = 64000,
	REQUEST_TRIES = 4,
	REBOOT_TRIES = 3,
	REBOOT_RETRY_MS = 1000,
	RENEW_RETRY_MIN_MS = 10000,
	PROBES = 3,
	PROBE_FAST_MS = 200,
	PROBE_STRICT_MIN_MS = 1000, /* RFC 5227 1.1: PROBE_MIN and PROBE_MAX */
	PROBE_STRICT_SPREAD_MS = 1000,
	PROBE_STRICT_END_MS = 2000,
	ANNOUNCES = 2,
	ANNOUNCE_EVERY_MS = 2000,
	CONFLICT_WAIT_MS = 10000, /* RFC 2131 3.1: at least ten seconds after DECLINE */
	NAK_WAIT_MS = 1000,
	DEFEND_EVERY_MS = 10000,
	FLAP_MS = 5000, /* a shorter loss of carrier is no move to another network */
};

static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static void set_due(struct dhcp_client *client, struct mono due)
{
	client->due = due;
	client->due_set = true;
}

static void set_delay(struct dhcp_client *client, struct mono now, int64_t ms)
{
	set_due(client, mono_add_ms(now, ms));
}

static struct dhcp_action *act(struct dhcp_actions *actions, enum dhcp_action_kind kind)
{
	/* Eight are more than any event gives; the last one is overwritten rather than the stack.
	 */
	size_t i = actions->count < DHCP_ACTIONS_MAX ? actions->count++ : DHCP_ACTIONS_MAX - 1;

	actions->list[i] = (struct dhcp_action){ .kind = kind };
	return &actions->list[i];
}

static struct mono lease_time(const struct dhcp_client *client, uint32_t seconds)
{
	return mono_add_ms(client->asked, (int64_t)seconds * 1000);
}

static bool lease_expired(const struct dhcp_client *client, struct mono now)
{
	return client->lease.lease_s != UINT32_MAX &&
	       !mono_before(now, lease_time(client, client->lease.lease_s));
}

static void send(struct dhcp_client *client, struct mono now, enum dhcp_type type,
		 struct dhcp_actions *actions)
{
	struct dhcp_action *action = act(actions, DHCP_ACTION_SEND);
	struct dhcp_request *request = &action->request;
	int64_t secs = mono_diff_ms(now, client->began) / 1000;

	memcpy(action->mac, broadcast, sizeof(broadcast));
	request->type = type;
	request->xid = client->xid;
	request->secs = (uint16_t)(secs < 0 ? 0 : secs > UINT16_MAX ? UINT16_MAX : secs);
	memcpy(request->mac, client->mac, 6);
	request->hostname = client->hostname;
	request->id = client->id;
	request->more = client->more;
	request->v6only = client->v6only;
	if (client->state == DHCP_STATE_RENEWING || client->state == DHCP_STATE_REBINDING ||
	    type == DHCP_TYPE_RELEASE) {
		request->ciaddr = request->src = client->lease.ip4;
		if (client->state != DHCP_STATE_REBINDING) {
			request->dst = client->lease.server;
			memcpy(action->mac, client->lease.server_mac, 6);
		}
	} else if (type != DHCP_TYPE_DISCOVER || client->known) {
		request->requested = client->lease.ip4;
	}
	if (type == DHCP_TYPE_DECLINE || type == DHCP_TYPE_RELEASE ||
	    client->state == DHCP_STATE_REQUESTING)
		request->server = client->lease.server;
	if (type == DHCP_TYPE_REQUEST)
		client->sent = now;
}

static void enter(struct dhcp_client *client, struct mono now, enum dhcp_state state)
{
	client->state = state;
	client->attempt = 0;
	client->began = now;
	client->due_set = false;
	client->xid = client->random();
}

static void lose(struct dhcp_client *client, const char *why, struct dhcp_actions *actions)
{
	if (client->used)
		act(actions, DHCP_ACTION_LOST)->text = why;
	client->used = false;
}

static void select_retry(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	send(client, now, DHCP_TYPE_DISCOVER, actions);
	/* Each wait twice: a cable or radio that loses much gets ten chances in the first minute
	 * and not six, and a network without a server hears no more in an hour. */
	set_delay(
		client, now,
		backoff_ms(client->attempt++ / 2, RETRY_FIRST_MS, RETRY_MAX_MS, client->random()));
}

static void begin(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	if (!client->carrier) {
		enter(client, now, DHCP_STATE_IDLE);
	} else {
		enter(client, now, DHCP_STATE_SELECTING);
		select_retry(client, now, actions);
	}
}

static void reboot(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	enter(client, now, DHCP_STATE_REBOOTING);
	client->attempt = 1;
	send(client, now, DHCP_TYPE_REQUEST, actions);
	set_delay(client, now, REBOOT_RETRY_MS);
}

static void restart_after(struct dhcp_client *client, struct mono now, int64_t wait_ms,
			  const char *why, struct dhcp_actions *actions)
{
	lose(client, why, actions);
	client->known = false;
	enter(client, now, DHCP_STATE_IDLE);
	set_delay(client, now,
		  wait_ms + backoff_ms(client->rejects++, NAK_WAIT_MS, RETRY_MAX_MS,
				       client->random()));
}

static void conflict(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	client->state = DHCP_STATE_PROBING; /* DECLINE carries the requested address, not ciaddr */
	send(client, now, DHCP_TYPE_DECLINE, actions);
	restart_after(client, now, CONFLICT_WAIT_MS, "another machine uses the address", actions);
}

static void bind_lease(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	bool fresh = !client->used;

	client->state = DHCP_STATE_BOUND;
	client->attempt = 0;
	client->rejects = 0;
	client->used = client->known = true;
	act(actions, DHCP_ACTION_LEASE);
	if (fresh) {
		act(actions, DHCP_ACTION_ANNOUNCE)->ip4 = client->lease.ip4;
		client->announces = 1;
		set_delay(client, now, ANNOUNCE_EVERY_MS);
	} else {
		set_due(client, lease_time(client, client->lease.t1_s));
	}
}

static void probe_next(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	bool strict = client->probe == DHCP_PROBE_STRICT;

	if (client->attempt == PROBES) {
		bind_lease(client, now, actions);
		return;
	}
	act(actions, DHCP_ACTION_PROBE)->ip4 = client->lease.ip4;
	if (++client->attempt == PROBES)
		set_delay(client, now, strict ? PROBE_STRICT_END_MS : PROBE_FAST_MS);
	else
		set_delay(client, now,
			  strict ? PROBE_STRICT_MIN_MS + client->random() % PROBE_STRICT_SPREAD_MS
				 : PROBE_FAST_MS);
}

static void granted(struct dhcp_client *client, struct mono now, const struct dhcp_lease *lease,
		    struct dhcp_actions *actions)
{
	bool same = client->used && client->lease.ip4 == lease->ip4;

	if (client->used && !same)
		lose(client, "the server gave another address", actions);
	client->lease = *lease;
	client->asked = client->sent;
	if (same || client->probe == DHCP_PROBE_NONE) {
		bind_lease(client, now, actions);
		return;
	}
	client->state = DHCP_STATE_PROBING;
	client->attempt = 0;
	probe_next(client, now, actions);
}

void dhcp_client_start(struct dhcp_client *client, struct mono now, const struct dhcp_lease *lease,
		       const struct mono *bound_at, struct dhcp_actions *actions)
{
	if (!client->id.len)
		client->id = dhcp_id_of(client->mac);
	client->known = lease->ip4 != 0;
	client->used = false;
	client->rejects = 0;
	client->lease = *lease;
	client->asked = bound_at ? *bound_at : now;
	if (client->known && bound_at && !lease_expired(client, now)) {
		enter(client, now, DHCP_STATE_BOUND);
		client->used = true;
		client->announces = ANNOUNCES;
		set_due(client, lease_time(client, client->lease.t1_s));
		act(actions, DHCP_ACTION_LEASE);
	} else if (client->known && client->carrier) {
		reboot(client, now, actions);
	} else {
		begin(client, now, actions);
	}
}

void dhcp_client_carrier(struct dhcp_client *client, struct mono now, bool carrier,
			 struct dhcp_actions *actions)
{
	int64_t away;

	if (carrier == client->carrier)
		return;
	client->carrier = carrier;
	if (!carrier) {
		client->lost_carrier = now;
		/* Timers of a lease go on: it may expire while the cable is out. */
		if (!client->used)
			enter(client, now, DHCP_STATE_IDLE);
		return;
	}
	away = mono_diff_ms(now, client->lost_carrier);
	if (client->used && away <= FLAP_MS)
		return;
	if (client->known)
		reboot(client, now, actions);
	else
		begin(client, now, actions);
}

static void receive_nak(struct dhcp_client *client, struct mono now, const struct dhcp_reply *reply,
			struct dhcp_actions *actions)
{
	/* While one server was chosen only that one may refuse. */
	if (client->state == DHCP_STATE_REQUESTING || client->state == DHCP_STATE_RENEWING) {
		if (reply->lease.server != client->lease.server)
			return;
	} else if (client->state != DHCP_STATE_REBOOTING && client->state != DHCP_STATE_REBINDING) {
		return;
	}
	restart_after(client, now, 0, "the server refused the address", actions);
}

/* A server may leave out whom it means; where it says so it is to be us (RFC 6842 3). */
static bool is_for_us(const struct dhcp_client *client, const struct dhcp_reply *reply)
{
	return reply->xid == client->xid && !memcmp(reply->chaddr, client->mac, 6) &&
	       (!reply->id.len || (reply->id.len == client->id.len &&
				   !memcmp(reply->id.b, client->id.b, reply->id.len)));
}

/* The network would rather have none of IPv4: nothing is asked for until that time is over, or the
 * cable was out (RFC 8925 3.2). */
static void stand_back(struct dhcp_client *client, struct mono now, uint32_t seconds,
		       struct dhcp_actions *actions)
{
	lose(client, "the network asks to do without IPv4", actions);
	client->known = false;
	enter(client, now, DHCP_STATE_IDLE);
	set_delay(client, now, (int64_t)seconds * 1000);
}

void dhcp_client_receive(struct dhcp_client *client, struct mono now,
			 const struct dhcp_reply *reply, const uint8_t source_mac[6],
			 struct dhcp_actions *actions)
{
	struct dhcp_lease lease = reply->lease;

	if (!is_for_us(client, reply) || !reply->has_server)
		return;
	memcpy(lease.server_mac, source_mac, 6);
	if (reply->type == DHCP_TYPE_NAK) {
		receive_nak(client, now, reply, actions);
		return;
	}
	if (reply->type == DHCP_TYPE_OFFER) {
		if (client->state != DHCP_STATE_SELECTING)
			return;
		if (client->v6only && reply->v6only) {
			stand_back(client, now, reply->v6only_s, actions);
			return;
		}
		client->lease = lease;
		client->state = DHCP_STATE_REQUESTING;
		client->attempt = 1;
		send(client, now, DHCP_TYPE_REQUEST, actions);
		set_delay(client, now, RETRY_FIRST_MS);
		return;
	}
	switch (client->state) {
	case DHCP_STATE_REQUESTING:
	case DHCP_STATE_RENEWING:
		if (lease.server != client->lease.server)
			return;
		granted(client, now, &lease, actions);
		break;
	case DHCP_STATE_REBOOTING:
		if (client->v6only && reply->v6only) {
			stand_back(client, now, reply->v6only_s, actions);
			return;
		}
		granted(client, now, &lease, actions);
		break;
	case DHCP_STATE_REBINDING:
		granted(client, now, &lease, actions);
		break;
	case DHCP_STATE_IDLE:
	case DHCP_STATE_SELECTING:
	case DHCP_STATE_PROBING:
	case DHCP_STATE_BOUND:
		break;
	}
}

void dhcp_client_arp(struct dhcp_client *client, struct mono now, const struct arp *arp,
		     struct dhcp_actions *actions)
{
	bool foreign = memcmp(arp->sender_mac, client->mac, 6) != 0;

	if (!foreign || !client->lease.ip4)
		return;
	if (client->state == DHCP_STATE_PROBING) {
		/* Somebody has it, or probes for it at this moment (RFC 5227 2.1.1). */
		if (arp->sender == client->lease.ip4 ||
		    (!arp->sender && !arp->reply && arp->target == client->lease.ip4))
			conflict(client, now, actions);
		return;
	}
	if (!client->used || arp->sender != client->lease.ip4)
		return;
	if (client->defended.ns && mono_diff_ms(now, client->defended) < DEFEND_EVERY_MS) {
		conflict(client, now, actions);
		return;
	}
	client->defended = now;
	act(actions, DHCP_ACTION_ANNOUNCE)->ip4 = client->lease.ip4;
}

/* Half of what is left until `end`, but not below the minimum, and never beyond it. */
static void retry_until(struct dhcp_client *client, struct mono now, uint32_t end_s)
{
	struct mono end = lease_time(client, end_s);
	int64_t left = mono_diff_ms(end, now), wait = left / 2;

	if (wait < RENEW_RETRY_MIN_MS)
		wait = RENEW_RETRY_MIN_MS;
	set_delay(client, now, wait < left ? wait : left);
}

static void bound_timer(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	const struct dhcp_lease *lease = &client->lease;

	if (lease->lease_s == UINT32_MAX && client->announces >= ANNOUNCES)
		return;
	if (lease_expired(client, now)) {
		lose(client, "the lease ran out", actions);
		client->known = false;
		begin(client, now, actions);
	} else if (!mono_before(now, lease_time(client, lease->t2_s))) {
		if (client->state != DHCP_STATE_REBINDING)
			enter(client, now, DHCP_STATE_REBINDING);
		send(client, now, DHCP_TYPE_REQUEST, actions);
		retry_until(client, now, lease->lease_s);
	} else if (!mono_before(now, lease_time(client, lease->t1_s))) {
		if (client->state != DHCP_STATE_RENEWING)
			enter(client, now, DHCP_STATE_RENEWING);
		send(client, now, DHCP_TYPE_REQUEST, actions);
		retry_until(client, now, lease->t2_s);
	} else {
		if (client->announces < ANNOUNCES) {
			act(actions, DHCP_ACTION_ANNOUNCE)->ip4 = lease->ip4;
			client->announces++;
		}
		set_due(client, lease_time(client, lease->t1_s));
	}
}

static void reboot_timer(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	if (client->attempt < REBOOT_TRIES) {
		client->attempt++;
		send(client, now, DHCP_TYPE_REQUEST, actions);
		set_delay(client, now, REBOOT_RETRY_MS << client->attempt);
	} else if (client->used && !lease_expired(client, now)) {
		/* Nobody answers on this network: the address stays until its time is over. */
		enter(client, now, DHCP_STATE_BOUND);
		bound_timer(client, now, actions);
	} else {
		lose(client, "the lease ran out", actions);
		begin(client, now, actions);
	}
}

void dhcp_client_timer(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	if (!client->due_set || mono_before(now, client->due))
		return;
	client->due_set = false;
	switch (client->state) {
	case DHCP_STATE_IDLE:
		begin(client, now, actions);
		break;
	case DHCP_STATE_REBOOTING:
		reboot_timer(client, now, actions);
		break;
	case DHCP_STATE_SELECTING:
		select_retry(client, now, actions);
		break;
	case DHCP_STATE_REQUESTING:
		if (client->attempt >= REQUEST_TRIES) {
			begin(client, now, actions);
			break;
		}
		send(client, now, DHCP_TYPE_REQUEST, actions);
		set_delay(client, now, RETRY_FIRST_MS << client->attempt++);
		break;
	case DHCP_STATE_PROBING:
		probe_next(client, now, actions);
		break;
	case DHCP_STATE_BOUND:
	case DHCP_STATE_RENEWING:
	case DHCP_STATE_REBINDING:
		bound_timer(client, now, actions);
		break;
	}
}

void dhcp_client_release(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions)
{
	if (!client->used)
		return;
	client->xid = client->random();
	client->state = DHCP_STATE_RENEWING;
	send(client, now, DHCP_TYPE_RELEASE, actions);
	lose(client, "released", actions);
	client->known = false;
	enter(client, now, DHCP_STATE_IDLE);
}

const char *dhcp_state_name(enum dhcp_state state)
{
	static const char *const names[] = { "idle",	"rebooting", "selecting", "requesting",
					     "probing", "bound",     "renewing",  "rebinding" };

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}
