/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DRIVER_H
#define HOY_NETD_DRIVER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"
#include "netd/ip6.h"

/*
 * What carries a container network: a bridge of its own, or an interface of the host that
 * containers share (macvlan: each with a MAC address of its own; ipvlan: all with the interface's,
 * as one segment (l2) or routed (l3)). Pure.
 */
enum network_driver { NETWORK_BRIDGE, NETWORK_MACVLAN, NETWORK_IPVLAN };

const char *network_driver_text(enum network_driver driver);
/* "" = bridge. */
int network_driver_parse(struct str text, enum network_driver *ret_driver, struct err *err);
/* As the kernel counts them (MACVLAN_MODE_*, IPVLAN_MODE_*); "" = the usual one. */
int network_mode_parse(enum network_driver driver, struct str text, uint8_t *ret_mode,
		       struct err *err);
const char *network_mode_text(enum network_driver driver, uint8_t mode);
/* The way out is the interface itself, without a gateway. */
bool network_mode_routed(enum network_driver driver, uint8_t mode);

/*
 * What the machine is to a network of its own for one address family: it translates both ways (nat)
 * and, unprotected, routes to every port as well; it routes to published ports and translates
 * nothing (routed); or it has no address there (isolated, of internal networks alone).
 */
enum network_gate {
	NETWORK_GATE_NAT,
	NETWORK_GATE_UNPROTECTED,
	NETWORK_GATE_ROUTED,
	NETWORK_GATE_ISOLATED,
};

enum { NETWORK_RESERVED_MAX = 16 };

/* What clients of Docker's API say of a network beyond its subnets. */
struct network_traits {
	char bridge[IFNAMSIZ];	      /* what its bridge is called; "" = after the network's name */
	char ifname_prefix[IFNAMSIZ]; /* of interfaces in containers; "" = eth */
	enum network_gate gate4, gate6;
	bool no_masquerade; /* what leaves keeps its address, which others have a route to */
	bool inhibit4; /* somebody else on it is its IPv4 gateway: the machine has no address */
	struct ip6 gateway6;			      /* zero = the first address */
	struct ip_any reserved[NETWORK_RESERVED_MAX]; /* no container gets one of them */
	uint8_t reserved_count;
	bool told6; /* somebody asked for its IPv6: engines tell of it */
};

/* One more address that no container gets. */
int network_reserve(struct network_traits *traits, struct str text, struct err *err);
bool network_is_reserved(const struct network_traits *traits, const struct ip_any *address);
bool network_traits_same(const struct network_traits *a, const struct network_traits *b);

const char *network_gate_text(enum network_gate gate);
/* "" = nat. */
int network_gate_parse(struct str text, enum network_gate *ret_gate, struct err *err);

/* Bits per second: a number and k, M or G (of 1000); 8k to 100G. "" = 0, no limit. */
int network_rate_parse(struct str text, uint64_t *ret_rate, struct err *err);

#endif
