/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DHCP6_DHCP6_MSG_H
#define HOY_NETD_DHCP6_DHCP6_MSG_H

#include "netd/dhcp6/dhcp6_client.h"

/* Between netd main and its dhcp role, for DHCPv6 (numbers beside those of dhcp/dhcp_msg.h). */
enum dhcp6_msg {
	/* main -> role: struct dhcp6_start; fd: [0] packet socket. Replaces an earlier one. */
	DHCP6_MSG_START = 0x0221,
	DHCP6_MSG_STOP = 0x0222,    /* main -> role: {u32 index, u8 release} */
	DHCP6_MSG_DECLINE = 0x0223, /* main -> role: {u32 index}: an address is somebody else's */
	DHCP6_MSG_LEASE = 0x0231,   /* role -> main: struct dhcp6_report */
	DHCP6_MSG_LOST = 0x0232,    /* role -> main: {u32 index, text why} */
	DHCP6_MSG_STATE = 0x0233,   /* role -> main: {u32 index, text state} for SHOW */
};

struct dhcp6_start {
	uint32_t index;
	bool carrier;
	struct ip6 source;
	uint32_t iaid;
	struct dhcp6_duid duid;
	struct dhcp6_wish wish;
	bool known, bound; /* lease: worth asking for; in force since bound_ns */
	int64_t bound_ns;  /* CLOCK_BOOTTIME */
	struct dhcp6_lease lease;
};

struct dhcp6_report {
	uint32_t index;
	int64_t asked_ns; /* CLOCK_BOOTTIME: times of the lease count from here */
	struct dhcp6_lease lease;
};

void dhcp6_start_encode(const struct dhcp6_start *start, struct buf *out);
int dhcp6_start_decode(struct str body, struct dhcp6_start *ret_start); /* 0 or -EBADMSG */
void dhcp6_report_encode(const struct dhcp6_report *report, struct buf *out);
int dhcp6_report_decode(struct str body, struct dhcp6_report *ret_report);

#endif
