/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP_DHCP_CLIENT_H
#define HOY_NETD_DHCP_DHCP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/mono.h"
#include "netd/dhcp/dhcp_codec.h"

/*
 * The DHCPv4 client of one link as a pure machine: an event and the time go in, actions come out
 * (RFC 2131 4.4, RFC 5227, RFC 4436 in spirit). It sends, sleeps and sets nothing itself.
 */
enum dhcp_state {
	DHCP_STATE_IDLE,      /* no carrier, or waiting after a NAK or a conflict */
	DHCP_STATE_REBOOTING, /* INIT-REBOOT: asks for the lease it had */
	DHCP_STATE_SELECTING,
	DHCP_STATE_REQUESTING,
	DHCP_STATE_PROBING, /* ARP for the granted address before it is used */
	DHCP_STATE_BOUND,
	DHCP_STATE_RENEWING,
	DHCP_STATE_REBINDING,
};

enum dhcp_probe { DHCP_PROBE_NONE, DHCP_PROBE_FAST, DHCP_PROBE_STRICT };

enum dhcp_action_kind {
	DHCP_ACTION_SEND,     /* request, to mac */
	DHCP_ACTION_PROBE,    /* ARP probe for ip4 */
	DHCP_ACTION_ANNOUNCE, /* ARP announcement of ip4 */
	DHCP_ACTION_LEASE,    /* client->lease is in force, or has new values */
	DHCP_ACTION_LOST,     /* the address must go; text says why */
};

struct dhcp_action {
	enum dhcp_action_kind kind;
	struct dhcp_request request;
	uint8_t mac[6]; /* destination of SEND */
	uint32_t ip4;
	const char *text;
};

enum { DHCP_ACTIONS_MAX = 8 };

struct dhcp_actions {
	struct dhcp_action list[DHCP_ACTIONS_MAX];
	size_t count;
};

struct dhcp_client {
	/* Set by the owner before the start. */
	uint8_t mac[6];
	enum dhcp_probe probe;
	char hostname[64];
	struct dhcp_id id; /* none: that of mac */
	struct dhcp_more more;
	bool v6only; /* no IPv4 where the network would rather have none (RFC 8925) */
	uint32_t (*random)(void);

	enum dhcp_state state;
	bool carrier;
	bool used;  /* the address was reported and not lost since */
	bool known; /* lease below is worth asking for again */
	uint32_t xid;
	unsigned attempt; /* sends in this state */
	unsigned rejects; /* NAKs and conflicts in a row: slows the restart */
	unsigned announces;
	struct dhcp_lease lease; /* in force, granted or offered */
	struct mono began;	 /* of this exchange, for secs */
	struct mono
		asked; /* when the REQUEST went out that was granted: lease time counts from here */
	struct mono sent; /* of the last REQUEST */
	struct mono due;  /* next timer */
	bool due_set;
	struct mono lost_carrier;
	struct mono defended;
};

/* Empty lease (ip4 0): nothing known. `bound_at` != NULL: the lease is in force since then
 * (adoption after a restart of ours) and the machine starts in BOUND. Otherwise it asks for it
 * again. */
void dhcp_client_start(struct dhcp_client *client, struct mono now, const struct dhcp_lease *lease,
		       const struct mono *bound_at, struct dhcp_actions *actions);
void dhcp_client_carrier(struct dhcp_client *client, struct mono now, bool carrier,
			 struct dhcp_actions *actions);
/* source_mac: link-level sender of the packet. */
void dhcp_client_receive(struct dhcp_client *client, struct mono now,
			 const struct dhcp_reply *reply, const uint8_t source_mac[6],
			 struct dhcp_actions *actions);
void dhcp_client_arp(struct dhcp_client *client, struct mono now, const struct arp *arp,
		     struct dhcp_actions *actions);
/* To be called at client->due (when due_set); early calls do nothing. */
void dhcp_client_timer(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions);
/* Gives the address back to the server (poweroff), when there is one. */
void dhcp_client_release(struct dhcp_client *client, struct mono now, struct dhcp_actions *actions);

const char *dhcp_state_name(enum dhcp_state state);

#endif
