/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_PLACE_H
#define HOY_NETD_MAIN_PLACE_H

#include "netd/main.h"

/* Where a packet goes: what main_why.c and main_trace.c ask of it. Defined in main_why.c. */
struct place {
	bool v6; /* ip6 counts, else ip4 */
	uint32_t ip4;
	struct ip6 ip6;
	uint16_t port;
	uint8_t proto;
	char text[64]; /* "10.9.0.2:80/tcp", "[::1]:80/tcp" */
};

/* "ADDRESS:PORT[/udp]", an IPv6 address in brackets; -EINVAL. */
int place_parse(struct str what, struct place *ret_place, struct err *err);
/* The container network whose subnet it is in, NULL = none. */
const struct network *place_network(const struct netd *netd, const struct place *place);
/* An address of this machine? */
bool place_is_local(const struct rtnl_state *state, const struct place *place);
/* Who publishes the port: on this one address, or on every address. */
bool place_port(struct netd *netd, const struct place *place, bool one_address,
		const struct attachment **ret_holder, struct nft_port *ret_row);

#endif
