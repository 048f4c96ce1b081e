/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink datagrams as the kernel would send them, and the records of netd's own messages. */
#include <string.h>
#include "lib/own.h"
#include "netd/api/netd_msg.h"
#include "netd/nl/nft.h"
#include "netd/nl/rtnl_neigh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_messages(struct str rest)
{
	struct nl_message message;
	struct rtnl_route route;
	struct rtnl_link link;
	struct rtnl_neigh neigh;
	struct rtnl_addr addr;
	char text[64];
	struct nft_count counted;
	uint16_t port;

	while (nl_message_next(&rest, &message)) {
		(void)rtnl_read_link(&message, &link);
		(void)rtnl_read_addr(&message, &addr);
		(void)rtnl_read_route(&message, &route);
		(void)rtnl_read_neigh(&message, &neigh);
		(void)nft_read_flow(&message, &port);
		if (nft_read_count(&message, &counted) &&
		    strlen(counted.name) >= sizeof(counted.name))
			__builtin_trap();
		if (nl_message_error(&message, text, sizeof(text)) > 0)
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_make(data, size);
	OWN(arena_done) struct arena arena = { 0 };
	struct netd_attached attached;
	struct netd_network *networks;
	struct netd_attach_network network;
	struct str id;
	struct netd_attach attach;
	struct netd_event event;
	uint32_t count;

	read_messages(input);
	arena_init(&arena, 1 << 20);
	(void)netd_attach_decode(input, &arena, &attach, NULL);
	(void)netd_connect_decode(input, &arena, &id, &network, NULL);
	(void)netd_attached_decode(input, &arena, &attached, NULL);
	(void)netd_networks_decode(input, &arena, &networks, &count, NULL);
	(void)netd_event_decode(input, &event, NULL);
	return 0;
}
