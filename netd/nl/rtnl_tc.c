/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding of requests for queueing disciplines. Pure, used by netd main. It must never
 * name another one than the root of an interface: what stands below is not ours.
 */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "netd/nl/nl.h"
#include "netd/nl/rtnl_tc.h"

enum {
	HANDLE = 0x480000, /* 48: */
	BURST_MIN = 16 << 10,
	HEADERS = 64,	   /* of the link layer: a packet above the burst is never sent */
	BURSTS_PER_S = 50, /* a bucket holds what comes in a fiftieth of a second */
	QUEUES_PER_S = 10,
	QUEUE_MIN = 64 << 10,
};

static uint32_t at_least(uint64_t value, uint32_t least)
{
	return value < least ? least : value > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)value;
}

void rtnl_encode_rate(int index, uint64_t bits_per_s, uint32_t mtu, struct buf *out)
{
	const struct tcmsg tc = { .tcm_ifindex = index,
				  .tcm_parent = TC_H_ROOT,
				  .tcm_handle = HANDLE };
	uint64_t bytes = bits_per_s / 8 ? bits_per_s / 8 : 1;
	uint32_t least = mtu + HEADERS > BURST_MIN ? mtu + HEADERS : BURST_MIN;
	uint32_t burst = at_least(bytes / BURSTS_PER_S, least);
	struct tc_tbf_qopt tbf = {
		/* With a burst in bytes and the link layer named the kernel reckons by itself,
		 * without a table of ticks. */
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes },
		.limit = burst + at_least(bytes / QUEUES_PER_S, QUEUE_MIN),
	};
	size_t start = nl_begin(out, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &tc, sizeof(tc));
	size_t options;

	nl_put_text(out, TCA_KIND, "tbf");
	options = nl_nest(out, TCA_OPTIONS);
	nl_put(out, TCA_TBF_PARMS, &tbf, sizeof(tbf));
	if (bytes > UINT32_MAX)
		nl_put(out, TCA_TBF_RATE64, &bytes, sizeof(bytes));
	nl_put_u32(out, TCA_TBF_BURST, burst);
	nl_nest_end(out, options);
	nl_end(out, start);
}

void rtnl_encode_no_rate(int index, struct buf *out)
{
	const struct tcmsg tc = { .tcm_ifindex = index,
				  .tcm_parent = TC_H_ROOT,
				  .tcm_handle = HANDLE };

	nl_end(out, nl_begin(out, RTM_DELQDISC, 0, &tc, sizeof(tc)));
}
