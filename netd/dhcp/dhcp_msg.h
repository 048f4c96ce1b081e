/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP_DHCP_MSG_H
#define HOY_NETD_DHCP_DHCP_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "netd/dhcp/dhcp_client.h"

/* Between netd main and its dhcp role; all one way, links are named by their index. */
enum dhcp_msg {
	/* main -> role: struct dhcp_start; fds: [0] packet socket for IPv4, [1] one for ARP, both
	 * bound to the link. A second START of a link replaces the first. */
	DHCP_MSG_START = 0x0201,
	DHCP_MSG_CARRIER = 0x0202, /* main -> role: {u32 index, u8 carrier} */
	DHCP_MSG_STOP = 0x0203,	   /* main -> role: {u32 index, u8 release} */
	DHCP_MSG_LEASE = 0x0211,   /* role -> main: struct dhcp_report */
	DHCP_MSG_LOST = 0x0212,	   /* role -> main: {u32 index, text why} */
	DHCP_MSG_STATE = 0x0213,   /* role -> main: {u32 index, text state} for SHOW */
	/* The same for routers of IPv6, whose advertisements this role reads as well. */
	DHCP_MSG_ND_START = 0x0204, /* main -> role: {u32 index, u8 carrier, u8 known, struct
				     * nd_known when known}; fd: [0] packet socket */
	DHCP_MSG_ND_STOP = 0x0205,  /* main -> role: {u32 index} */
	DHCP_MSG_ND_KNOWN = 0x0214, /* role -> main: {u32 index, struct nd_known} */
};

enum dhcp_memory {
	DHCP_MEMORY_NONE,
	DHCP_MEMORY_KNOWN, /* lease of an earlier boot: ask for it again */
	DHCP_MEMORY_BOUND, /* in force since bound_ns: go on with it */
};

struct dhcp_start {
	uint32_t index;
	uint8_t mac[6];
	bool carrier;
	enum dhcp_probe probe;
	char hostname[64];
	struct dhcp_id id; /* none: that of mac */
	struct dhcp_more more;
	bool v6only; /* IPv4 is done without where the network asks for it */
	enum dhcp_memory memory;
	int64_t bound_ns; /* CLOCK_BOOTTIME */
	struct dhcp_lease lease;
};

struct dhcp_report {
	uint32_t index;
	int64_t asked_ns; /* CLOCK_BOOTTIME: the lease time counts from here */
	struct dhcp_lease lease;
};

enum { DHCP_LINKS_MAX = 16, DHCP_MSG_BODY_MAX = 4096 };

void dhcp_start_encode(const struct dhcp_start *start, struct buf *out);
int dhcp_start_decode(struct str body, struct dhcp_start *ret_start); /* 0 or -EBADMSG */
void dhcp_report_encode(const struct dhcp_report *report, struct buf *out);
int dhcp_report_decode(struct str body, struct dhcp_report *ret_report);

#endif
