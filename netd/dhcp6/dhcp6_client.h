/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP6_DHCP6_CLIENT_H
#define HOY_NETD_DHCP6_DHCP6_CLIENT_H

#include "lib/mono.h"
#include "netd/dhcp6/dhcp6_codec.h"

/*
 * The DHCPv6 client of one link as a pure machine: an event and the time go in, actions come out
 * (RFC 8415 18.2). It sends, sleeps and sets nothing itself.
 */
enum dhcp6_state {
	DHCP6_STATE_IDLE, /* no carrier */
	DHCP6_STATE_SOLICITING,
	DHCP6_STATE_REQUESTING,
	DHCP6_STATE_BOUND,
	DHCP6_STATE_RENEWING,
	DHCP6_STATE_REBINDING,
	DHCP6_STATE_ASKING, /* for information alone */
	DHCP6_STATE_INFORMED,
};

/* What is wanted of the server. */
struct dhcp6_wish {
	bool addresses, prefixes; /* neither: information alone */
	uint8_t hint_len;	  /* of the prefix, 0 = any */
};

struct dhcp6_actions {
	bool send, report;
	struct dhcp6_request request; /* send; points into the client */
	const char *lost;	      /* the lease must go; why */
};

struct dhcp6_client {
	/* Set by the owner before the start. */
	struct dhcp6_duid duid;
	uint32_t iaid;
	struct ip6 source; /* link-local */
	struct dhcp6_wish wish;
	uint32_t (*random)(void);
	bool carrier;

	enum dhcp6_state state;
	bool used;  /* the lease was reported and not lost since */
	bool known; /* lease is worth asking for again */
	uint32_t xid;
	unsigned attempt;
	int64_t pause_ms;
	uint32_t solicit_max_s;
	struct dhcp6_lease lease, offer;
	int best; /* preference of the offer, -1 = none */
	struct mono began, asked, sent, due;
	bool due_set;
};

/* lease->server.len 0: nothing known. `bound_at`: in force since then (a restart of ours). */
void dhcp6_client_start(struct dhcp6_client *client, struct mono now,
			const struct dhcp6_lease *lease, const struct mono *bound_at,
			struct dhcp6_actions *actions);
void dhcp6_client_carrier(struct dhcp6_client *client, struct mono now, bool carrier,
			  struct dhcp6_actions *actions);
void dhcp6_client_receive(struct dhcp6_client *client, struct mono now,
			  const struct dhcp6_reply *reply, struct dhcp6_actions *actions);
/* To be called at client->due (when due_set); early calls do nothing. */
void dhcp6_client_timer(struct dhcp6_client *client, struct mono now,
			struct dhcp6_actions *actions);
/* Somebody else has an address of the lease: the server is told, another one is asked for. */
void dhcp6_client_decline(struct dhcp6_client *client, struct mono now,
			  struct dhcp6_actions *actions);
/* Gives the lease back (poweroff), when there is one. */
void dhcp6_client_release(struct dhcp6_client *client, struct mono now,
			  struct dhcp6_actions *actions);

/* The last point in time at which anything of the lease is valid, from when it was asked for. */
int64_t dhcp6_lease_valid_s(const struct dhcp6_lease *lease);
const char *dhcp6_state_name(enum dhcp6_state state);

#endif
