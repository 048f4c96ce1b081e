/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ND_ND_CODEC_H
#define HOY_NETD_ND_ND_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "netd/ip4.h"
#include "netd/ip6.h"

/* Router advertisements and solicitations with their IPv6 headers (RFC 4861, 4191, 8106). Pure. */
enum {
	ND_PREFIXES_MAX = 8,
	ND_DNS_MAX = 4,
	ND_DOMAINS_MAX = 4,
	ND_ROUTES_MAX = 8,
	ND_PACKET_MAX = 1500,
	ND_SOLICIT_LEN = 48,
};

#define ND_FOREVER UINT32_MAX

struct nd_prefix {
	struct ip6 prefix;
	uint8_t len;
	bool onlink, autonomous;
	uint32_t valid_s, preferred_s; /* ND_FOREVER = no end */
};

/* Of a route information option (RFC 4191). */
struct nd_route {
	struct ip6 prefix;
	uint8_t len;	     /* 0: what the router's own lifetime and preference say, said better */
	int preference;	     /* as below */
	uint32_t lifetime_s; /* ND_FOREVER = no end */
};

struct nd_advert {
	struct ip6 router;
	uint16_t lifetime_s; /* 0 = no default router */
	int preference;	     /* -1 low, 0, 1 high */
	bool managed, other; /* there is DHCPv6 for addresses, for the rest */
	uint32_t mtu;	     /* 0 = not said */
	struct nd_prefix prefixes[ND_PREFIXES_MAX];
	size_t prefix_count;
	struct ip6 dns[ND_DNS_MAX];
	uint32_t dns_s[ND_DNS_MAX];
	size_t dns_count;
	char domains[ND_DOMAINS_MAX][DOMAIN_MAX];
	uint32_t domain_s[ND_DOMAINS_MAX];
	size_t domain_count;
	struct nd_route routes[ND_ROUTES_MAX];
	size_t route_count;
};

/*
 * Reads an IPv6 packet: -EBADMSG unless it is an advertisement that a host may believe (RFC 4861
 * 6.1.2: hop limit 255, link-local source, right checksum, whole options). What is beyond the
 * bounds above is left out.
 */
int nd_advert_read(struct str packet, struct nd_advert *ret_advert);
/* A solicitation from :: to all routers; ND_SOLICIT_LEN bytes. */
void nd_solicit_write(uint8_t packet[ND_SOLICIT_LEN]);

#endif
