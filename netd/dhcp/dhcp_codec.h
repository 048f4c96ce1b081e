/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP_DHCP_CODEC_H
#define HOY_NETD_DHCP_DHCP_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"
#include "netd/ip4.h"

/* DHCPv4 (RFC 2131, 2132, 3396) and ARP (RFC 826) packets. Pure. IPv4 in host byte order. */
enum {
	DHCP_ROUTERS_MAX = 2,
	DHCP_DNS_MAX = 4,
	DHCP_NTP_MAX = 4,
	DHCP_ROUTES_MAX = 16,
	DHCP_PACKET_MAX = 1500,
	DHCP_ID_MAX = 64,
	DHCP_HOSTNAME_MAX = 64,
};

/* Option 61: who the client is. */
struct dhcp_id {
	uint8_t len; /* 0 = none */
	uint8_t b[DHCP_ID_MAX];
};

/* Of option 121, else 249, else 33. */
struct dhcp_route {
	uint32_t dst;
	uint8_t prefix;
	uint32_t gateway; /* 0 = on the link */
};

enum dhcp_type {
	DHCP_TYPE_DISCOVER = 1,
	DHCP_TYPE_OFFER,
	DHCP_TYPE_REQUEST,
	DHCP_TYPE_DECLINE,
	DHCP_TYPE_ACK,
	DHCP_TYPE_NAK,
	DHCP_TYPE_RELEASE,
};

/* What a server grants; also what is kept over restarts. */
struct dhcp_lease {
	uint32_t ip4;
	uint8_t prefix;
	uint32_t server;	      /* option 54 */
	uint8_t server_mac[6];	      /* who sent it: renewals go there */
	uint32_t lease_s, t1_s, t2_s; /* filled in by the rules of RFC 2131 4.4.5 when absent */
	uint32_t routers[DHCP_ROUTERS_MAX];
	uint32_t dns[DHCP_DNS_MAX];
	uint32_t ntp[DHCP_NTP_MAX]; /* option 42 */
	uint8_t router_count, dns_count, ntp_count;
	struct dhcp_route routes[DHCP_ROUTES_MAX];
	uint8_t route_count;
	bool classless; /* routes of 121 or 249: then the routers do not count (RFC 3442) */
	uint16_t mtu;	/* 0 = none given; never below 576 */
	char domain[DOMAIN_MAX];	  /* "" = none, or not a domain name */
	char hostname[DHCP_HOSTNAME_MAX]; /* one label for this machine; "" = none */
};

/* A server's packet, read. */
struct dhcp_reply {
	enum dhcp_type type; /* OFFER, ACK or NAK */
	uint32_t xid;
	uint8_t chaddr[6];
	bool has_server;
	struct dhcp_id id; /* whom it is for, where the server says so (RFC 6842) */
	struct dhcp_lease lease;
	bool v6only;	   /* the network would rather have no IPv4 (RFC 8925) ... */
	uint32_t v6only_s; /* ... for so long */
};

/* A client's packet, to be written. */
/* Options that are asked for beside those that count here (option 55). */
struct dhcp_more {
	uint8_t len, b[16];
};

struct dhcp_request {
	enum dhcp_type type;
	uint32_t xid;
	uint16_t secs;
	uint8_t mac[6];
	struct dhcp_id id;
	uint32_t ciaddr;      /* 0 = none */
	uint32_t requested;   /* option 50, 0 = leave out */
	uint32_t server;      /* option 54, 0 = leave out */
	const char *hostname; /* option 12, "" or NULL = leave out */
	struct dhcp_more more;
	bool v6only;	   /* asks for option 108 */
	uint32_t src, dst; /* of the IP header; dst 0 = broadcast */
};

/*
 * Reads an IPv4 packet as a packet socket gives it. 0; -ENOMSG when it is not DHCP for a client at
 * all; -EBADMSG when it is malformed (the caller drops it). Options are joined over repeats and
 * overload; lengths are checked, unknown options ignored, strings validated.
 */
int dhcp_reply_read(struct str packet, struct dhcp_reply *ret_reply);

/* The identity that follows from an Ethernet address. */
struct dhcp_id dhcp_id_of(const uint8_t mac[6]);
/* Appends IP header, UDP header and message. */
void dhcp_request_write(const struct dhcp_request *request, struct buf *out);

/* "REQUEST" and so on. */
const char *dhcp_type_name(enum dhcp_type type);

void dhcp_lease_encode(const struct dhcp_lease *lease, struct buf *out);
void dhcp_lease_decode(struct wire *in, struct dhcp_lease *ret_lease); /* sticky error in `in` */

struct arp {
	bool reply;
	uint8_t sender_mac[6];
	uint32_t sender, target;
};

enum { ARP_LEN = 28 };
int arp_read(struct str packet, struct arp *ret_arp); /* 0 or -EBADMSG */
/* A probe has sender 0, an announcement sender = target. */
void arp_write(const uint8_t mac[6], uint32_t sender, uint32_t target, uint8_t out[ARP_LEN]);

#endif
