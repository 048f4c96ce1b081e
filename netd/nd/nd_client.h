/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ND_ND_CLIENT_H
#define HOY_NETD_ND_ND_CLIENT_H

#include "lib/mono.h"
#include "lib/wire.h"
#include "netd/nd/nd_codec.h"

/*
 * What the routers of one link have said, as a pure machine: event and time in, "solicit" and
 * "report" out (RFC 4861 6.3, RFC 4862 5.5, RFC 7559, RFC 8106). Times are points on
 * CLOCK_BOOTTIME.
 */
enum { ND_ROUTERS_MAX = 4 };

#define ND_NEVER INT64_MAX /* ns of a point in time that does not come */

struct nd_known_prefix {
	struct ip6 prefix;
	uint8_t len;
	int64_t onlink_ns; /* on the link until then; 0 = not */
	int64_t valid_ns;  /* addresses of it until then; 0 = none */
	int64_t preferred_ns;
};

struct nd_known_router {
	struct ip6 ip6;
	int preference;
	int64_t until_ns;
};

struct nd_known_route {
	struct ip6 prefix;
	uint8_t len;
	struct ip6 router;
	int preference;
	int64_t until_ns;
};

struct nd_known {
	struct nd_known_router routers[ND_ROUTERS_MAX];
	size_t router_count;
	struct nd_known_prefix prefixes[ND_PREFIXES_MAX];
	size_t prefix_count;
	struct ip6 dns[ND_DNS_MAX];
	int64_t dns_ns[ND_DNS_MAX];
	size_t dns_count;
	char domains[ND_DOMAINS_MAX][DOMAIN_MAX];
	int64_t domain_ns[ND_DOMAINS_MAX];
	size_t domain_count;
	struct nd_known_route routes[ND_ROUTES_MAX];
	size_t route_count;
	uint32_t mtu;
	bool managed, other;
};

struct nd_actions {
	bool solicit, report;
};

struct nd_client {
	/* Set by the owner before the start. */
	uint32_t (*random)(void);
	bool carrier;

	struct nd_known known;
	bool heard;	  /* an advertisement since the link came up */
	unsigned attempt; /* solicitations since then */
	struct mono solicit_due, report_due, reported;
	bool solicit_set, report_set, reported_once;
};

/* `known` is what an earlier process had (or NULL). */
void nd_client_start(struct nd_client *client, struct mono now, const struct nd_known *known,
		     struct nd_actions *actions);
void nd_client_carrier(struct nd_client *client, struct mono now, bool carrier,
		       struct nd_actions *actions);
void nd_client_receive(struct nd_client *client, struct mono now, const struct nd_advert *advert,
		       struct nd_actions *actions);
/* To be called when nd_client_due() says so; early calls do nothing. */
void nd_client_timer(struct nd_client *client, struct mono now, struct nd_actions *actions);
/* The next point in time something happens by itself; false = none. */
bool nd_client_due(const struct nd_client *client, struct mono *ret_due);

/* Drops what has run out; true when that was something. */
bool nd_known_expire(struct nd_known *known, struct mono now);
/* The best default router, NULL = none. */
const struct nd_known_router *nd_known_router(const struct nd_known *known);
/* Is it the best way to its prefix of those that are known? One of each prefix is. */
bool nd_known_route_leads(const struct nd_known *known, const struct nd_known_route *route);

void nd_known_encode(const struct nd_known *known, struct buf *out);
/* Sets the reader's error where a value could not have come from nd_advert_read(). */
void nd_known_decode(struct wire *in, struct nd_known *ret_known);

#endif
