/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP6_DHCP6_CODEC_H
#define HOY_NETD_DHCP6_DHCP6_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"
#include "netd/ip4.h"
#include "netd/ip6.h"

/* DHCPv6 packets with their IPv6 and UDP headers (RFC 8415, RFC 3646, RFC 4075, RFC 5908,
 * RFC 7083). Pure. */
enum {
	DHCP6_ADDRS_MAX = 2,
	DHCP6_PREFIXES_MAX = 2,
	DHCP6_DNS_MAX = 4,
	DHCP6_DOMAINS_MAX = 4,
	DHCP6_NTP_MAX = 4,
	DHCP6_DUID_MAX = 130,
	DHCP6_PACKET_MAX = 1500,
};

#define DHCP6_FOREVER UINT32_MAX

enum dhcp6_type {
	DHCP6_TYPE_SOLICIT = 1,
	DHCP6_TYPE_ADVERTISE = 2,
	DHCP6_TYPE_REQUEST = 3,
	DHCP6_TYPE_RENEW = 5,
	DHCP6_TYPE_REBIND = 6,
	DHCP6_TYPE_REPLY = 7,
	DHCP6_TYPE_RELEASE = 8,
	DHCP6_TYPE_DECLINE = 9,
	DHCP6_TYPE_INFORMATION = 11,
};

enum dhcp6_status {
	DHCP6_STATUS_SUCCESS = 0,
	DHCP6_STATUS_NO_BINDING = 3,
	DHCP6_STATUS_NOT_ON_LINK = 4,
};

struct dhcp6_duid {
	uint8_t len; /* 0 = none */
	uint8_t b[DHCP6_DUID_MAX];
};

/* An address (len 128) or a delegated prefix. */
struct dhcp6_item {
	struct ip6 ip6;
	uint8_t len;
	uint32_t preferred_s, valid_s; /* DHCP6_FOREVER = no end */
};

struct dhcp6_lease {
	struct dhcp6_duid server;
	struct dhcp6_item addrs[DHCP6_ADDRS_MAX];
	size_t addr_count;
	struct dhcp6_item prefixes[DHCP6_PREFIXES_MAX];
	size_t prefix_count;
	uint32_t t1_s, t2_s; /* DHCP6_FOREVER = never */
	struct ip6 dns[DHCP6_DNS_MAX];
	size_t dns_count;
	char domains[DHCP6_DOMAINS_MAX][DOMAIN_MAX];
	size_t domain_count;
	struct ip6 ntp[DHCP6_NTP_MAX];
	size_t ntp_count;
};

struct dhcp6_reply {
	enum dhcp6_type type; /* ADVERTISE or REPLY */
	uint32_t xid;
	struct dhcp6_duid client;
	uint8_t preference;
	bool rapid;		/* a REPLY to a SOLICIT */
	uint16_t status;	/* of the whole, else the worst of its parts; 0 = success */
	uint32_t iaid;		/* of what is in lease */
	uint32_t solicit_max_s; /* 0 = not said */
	uint32_t refresh_s;	/* of information without a lease; 0 = not said */
	struct dhcp6_lease lease;
};

struct dhcp6_request {
	enum dhcp6_type type;
	uint32_t xid;
	uint32_t elapsed_ms;
	struct ip6 source; /* link-local, of the interface */
	const struct dhcp6_duid *client;
	bool to_server; /* name have->server */
	bool addresses, prefixes;
	uint32_t iaid;
	uint8_t hint_len;		/* of the prefix that is asked for, 0 = any */
	const struct dhcp6_lease *have; /* NULL = nothing */
};

/*
 * Reads an IPv6 packet: -EBADMSG unless it is an ADVERTISE or REPLY with a right checksum and whole
 * options, from a server that names itself. What is beyond the bounds above, and items whose times
 * contradict each other, are left out. sum_open: the checksum was left to hardware that the packet
 * never came by (another namespace on this machine), so it is not there yet.
 */
int dhcp6_reply_read(struct str packet, bool sum_open, struct dhcp6_reply *ret_reply);
/* A whole IPv6 packet to all servers (ff02::1:2). */
void dhcp6_request_write(const struct dhcp6_request *request, struct buf *out);

void dhcp6_lease_encode(const struct dhcp6_lease *lease, struct buf *out);
/* Sets the reader's error where a value could not have come from dhcp6_reply_read(). */
void dhcp6_lease_decode(struct wire *in, struct dhcp6_lease *ret_lease);

#endif
