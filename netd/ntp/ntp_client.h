/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NTP_NTP_CLIENT_H
#define HOY_NETD_NTP_NTP_CLIENT_H

#include <stdbool.h>
#include "lib/mono.h"
#include "netd/ntp/ntp_codec.h"

/*
 * The SNTP client as a pure machine: it says whom to ask and when, is given the replies, and says
 * how far the clock is off once a majority of those that answered agree. It reads no clock.
 */
enum { NTP_SERVERS_MAX = 8 };

enum ntp_state {
	NTP_STATE_IDLE,	   /* no servers */
	NTP_STATE_ASKING,  /* a round is under way */
	NTP_STATE_WAITING, /* for the next one */
};

enum ntp_verdict {
	NTP_VERDICT_NONE,     /* no round has ended yet */
	NTP_VERDICT_SILENT,   /* nobody answered */
	NTP_VERDICT_DISAGREE, /* no majority */
	NTP_VERDICT_AGREE,
};

struct ntp_server {
	bool asked;    /* in this round, and no answer yet */
	bool denied;   /* told us never to ask again */
	bool answered; /* in this round: offset and distance count */
	uint64_t nonce;
	struct mono sent;
	int64_t wall_sent_ns; /* our clock then */
	int64_t offset_ns, distance_ns;
	struct mono rests_until; /* after RATE */
	unsigned rated;
};

enum ntp_action_kind {
	NTP_ACTION_ASK,	  /* servers[server] with its nonce */
	NTP_ACTION_CLOSE, /* nothing is expected from servers[server] any more */
	NTP_ACTION_SLEW,  /* by offset_ns, slowly */
	NTP_ACTION_STEP,  /* by offset_ns, at once */
};

struct ntp_action {
	enum ntp_action_kind kind;
	size_t server;
	int64_t offset_ns;
};

struct ntp_actions {
	struct ntp_action list[2 * NTP_SERVERS_MAX + 1];
	size_t count;
};

struct ntp_client {
	struct ntp_server servers[NTP_SERVERS_MAX];
	size_t server_count;
	int64_t floor_s; /* no time before this one is believed */
	uint64_t (*random)(void);
	enum ntp_state state;
	enum ntp_verdict verdict;
	struct mono due; /* when ntp_client_timer() is to be called; not in NTP_STATE_IDLE */
	bool synchronised;
	bool step_seen; /* the last round wanted a step too: the second one is believed */
	unsigned failures;
	unsigned steady; /* rounds in a row that agreed */
	size_t agreed;	 /* servers of the last majority */
	int64_t offset_ns;
};

/* Servers by number: `count` of them, all forgotten that was known of earlier ones. */
void ntp_client_start(struct ntp_client *client, struct mono now, size_t count,
		      struct ntp_actions *actions);
/* wall_ns: the clock at `now`; each ASK is stamped with both. */
void ntp_client_timer(struct ntp_client *client, struct mono now, int64_t wall_ns,
		      struct ntp_actions *actions);
/* A packet that came on the socket of this server. */
void ntp_client_receive(struct ntp_client *client, struct mono now, size_t server,
			struct str packet, struct ntp_actions *actions);
/* The server cannot be reached or resolved: not waited for in this round. */
void ntp_client_unreachable(struct ntp_client *client, struct mono now, size_t server,
			    struct ntp_actions *actions);
/* A network came up: ask soon if the time is not known. */
void ntp_client_hurry(struct ntp_client *client, struct mono now);

#endif
