/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_NETWORK_H
#define HOY_NETD_CONTAINER_NETWORK_H

#include "lib/err.h"
#include "netd/api/netd_msg.h"
#include "netd/conf.h"
#include "netd/driver.h"
#include "netd/nl/nft.h"
#include "netd/nl/rtnl.h"

/* The container networks: each a bridge on the host with its gateway address, or a share in an
 * interface of the host (driver.h): such a one has no firewall, guards or ports of ours. */
enum { NETWORKS_MAX = 64, NETWORK_CLASH_MAX = 48 };

struct network {
	char name[NETD_NAME_MAX + 1];
	char bridge[IFNAMSIZ]; /* or the interface that containers share */
	enum network_driver driver;
	uint8_t mode; /* network_mode_parse() */
	uint32_t subnet;
	uint8_t prefix; /* 0 = no IPv4 */
	bool internal;
	bool no_ip4, no_ip6;
	bool no_icc;	   /* its containers do not reach each other */
	uint32_t host_ip4; /* where ports without an address are published; 0 = everywhere */
	bool delegated;	   /* subnet6 lies below networks->delegated */
	bool given6;	   /* subnet6 was asked for; else it lies below the machine's prefix */
	struct ip6 subnet6;
	uint8_t prefix6;   /* 0 = no IPv6 */
	bool fixed;	   /* from network.ini or built in: not to be removed by a call */
	int index;	   /* of the bridge, 0 = not made yet; of what is shared, 0 = not there */
	uint32_t gateway;  /* 0 = the first address */
	uint32_t range;	   /* addresses are picked from it */
	uint8_t range_len; /* 0 = from all of the subnet */
	uint32_t mtu;	   /* 0 = as the uplinks have it */
	uint64_t rate;	   /* bits per second of each container, each way; 0 = no limit */
	struct network_traits traits;
	/* An address of the machine that lies in its subnet and came later: it is closed; else "".
	 */
	char clash[NETWORK_CLASH_MAX];
};

struct networks {
	struct network list[NETWORKS_MAX];
	size_t count;
	/* The machine's own prefix fdXX:XXXX:XXXX::/48 (RFC 4193); zero = the kernel has no IPv6.
	 */
	struct ip6 ula;
	/* What DHCPv6 delegates; length 0 = nothing (yet). */
	struct ip6 delegated;
	uint8_t delegated_len;
	struct conf_refused_list refused; /* declared, and not here */
};

/* Pure. The name of a network's bridge: "hoy0" for "bridge", else "br-" and ten hex digits of the
 * name's hash, so that a restarted netd finds it again. */
void network_bridge_name(const char *name, char dst[IFNAMSIZ]);
uint32_t network_gateway(const struct network *network);
/* Pure. One of its addresses for a machine: of a subnet of two both are (RFC 3021). */
bool network_ip4_fits(const struct network *network, uint32_t ip4);
/* Pure. The MAC address that follows from an IPv4 address, or from an IPv6 one where that is 0. */
void network_mac_of(uint32_t ip4, const struct ip6 *ip6, uint8_t ret_mac[6]);
void network_mac(const struct network *network, uint8_t ret_mac[6]); /* of its bridge */
/* Has it a bridge of its own? */
bool network_is_bridge(const struct network *network);
/* What the fields say together, before network_add(). -EINVAL with the reason. */
int network_check(struct network *network, struct err *err);
/* Does what leaves it carry the machine's address? */
bool network_translates(const struct network *network, bool v6);
/* Is nobody outside let in to its addresses, whatever they ask for there? */
bool network_is_shut(const struct network *network, bool v6);
/* Has the machine an address there? */
bool network_has_gateway(const struct network *network, bool v6);
enum network_gate network_gate(const struct network *network, bool v6);
struct ip6 network_gateway6(const struct network *network);
struct network *network_find(struct networks *networks, struct str name);
/* As network_find(), with an error that says why it is not there, or names the nearest one. */
struct network *network_require(struct networks *networks, struct str name, struct err *err);
/*
 * Adds one, or finds that it is there with the same values (0; subnet 0 then means: as it is).
 * Picks a subnet that overlaps nothing in `networks` or `state` when subnet is 0. -EEXIST: other
 * values; -EADDRINUSE: the subnet overlaps; -EBUSY: its parent is shared in
 * another way; -ENOSPC. ret_network points into networks.
 */
int network_add(struct networks *networks, const struct network *wanted,
		const struct rtnl_state *state, struct network **ret_network, struct err *err);
void network_remove(struct networks *networks, struct network *network);
void network_to_nft(const struct network *network, struct nft_network *ret_nft);

/*
 * Makes or adopts the bridge: address, up, its sysctls; and a guard, a route of the last resort
 * that refuses packets to the subnet while the bridge is not there, so that none leaves by the
 * uplink.
 */
int network_ensure(struct network *network, struct nl *nl, int sysctl_fd, struct err *err);
/* Takes the guard of an IPv6 subnet away that is no longer the network's. */
void network_drop_guard6(const struct network *network, struct nl *nl);
/* Takes guards away that are no network's. */
void networks_drop_guards(const struct networks *networks, const struct rtnl_state *state,
			  struct nl *nl);
/* Pure. Is it such a route? */
bool network_is_guard(const struct rtnl_route *route);
/* Pure: do the guards stand? */
bool network_has_guard(const struct network *network, const struct rtnl_state *state);
int network_delete_bridge(const struct network *network, struct nl *nl, struct err *err);

/* One control file below /proc/sys; 0 also when `optional` and it does not exist. */
int sysctl_set(int sysctl_fd, const char *path, const char *value, bool optional, struct err *err);

#endif
