/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_API_NETD_NETWORK_MSG_H
#define HOY_NETD_API_NETD_NETWORK_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/* Networks as NETD_MSG_NETWORK_LIST and NETD_MSG_NETWORK_SET carry them (netd_msg.h). */
enum { NETD_NETWORK_MORE_MAX = 1280 /* netd_network_more_encode() */ };

struct netd_network {
	struct str name;
	struct str subnet;    /* "172.17.0.0/16"; "" without IPv4, as gateway */
	struct str gateway;   /* "172.17.0.1" */
	struct str bridge;    /* interface on the host */
	bool internal, fixed; /* fixed: declared in network.ini or built in */
	uint32_t containers;
	struct str subnet6, gateway6; /* "" without IPv6 */
	struct str driver;	      /* "bridge", "macvlan", "ipvlan" */
};

/* A network that a caller wants. */
struct netd_network_set {
	struct str name, subnet; /* subnet: "" = pick one */
	bool internal;
	bool no_ip6; /* on the wire the rest may be left out: IPv6, with a prefix that netd picks */
	struct str subnet6; /* "" = pick one */
	/* As [bridge NAME] of network.ini has them, where "" and 0 mean the default. */
	struct str driver, mode, parent, gateway, range, rate, host_ip;
	struct str bridge, ifname_prefix, gate4, gate6; /* gate: gateway_mode */
	struct str gateway6, reserved;			/* reserved: addresses between spaces */
	uint32_t mtu;
	bool no_ip4, no_icc, no_masquerade; /* IPv6 alone; icc = no; masquerade = no */
	bool inhibit4, told6;		    /* inhibit_ipv4 = yes; IPv6 was asked for */
};

/* As those of netd_msg.h. */
void netd_network_set_encode(const struct netd_network_set *set, struct buf *out);
/* What of it stands behind `internal`, for who keeps that without reading it. */
void netd_network_more_encode(const struct netd_network_set *set, struct buf *out);
int netd_network_set_decode(struct str body, struct netd_network_set *ret_set, struct err *err);

void netd_networks_encode(const struct netd_network *networks, uint32_t count, struct buf *out);
int netd_networks_decode(struct str body, struct arena *arena, struct netd_network **ret_networks,
			 uint32_t *ret_count, struct err *err);

#endif
