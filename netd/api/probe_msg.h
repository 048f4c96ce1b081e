/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_API_PROBE_MSG_H
#define HOY_NETD_API_PROBE_MSG_H

#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * ping, traceroute and dig. Whoever may SHOW calls NETD_MSG_PROBE and is given one end of a pair;
 * behind the other end stands a process of its own without any capability, role probe. It takes one
 * RUN, answers with ROWs and one END and is gone. Closing the pair ends it as well.
 */
enum probe_msg {
	PROBE_MSG_RUN = 0x0601,	 /* -> struct probe_ask */
	PROBE_MSG_STOP = 0x0602, /* -> {}: no more packets; what was found so far, and END */
	PROBE_MSG_ROW = 0x0611,	 /* <- one row of netd_rows_msg.h; its first field is "event" */
	PROBE_MSG_END = 0x0612,	 /* <- {u32 errno or 0, text}: the text is for a person */
};

enum probe_kind { PROBE_PING = 1, PROBE_TRACE, PROBE_DIG, PROBE_KIND_MAX = PROBE_DIG };

enum {
	PROBE_HOST_MAX = 253,
	PROBE_COUNT_MAX = 1000,
	PROBE_SIZE_MAX = 1400, /* bytes of an echo's payload */
	PROBE_HOPS_MAX = 64,
	PROBE_WAIT_MAX_MS = 10000,
	PROBE_INTERVAL_MIN_MS = 200,
	PROBE_INTERVAL_MAX_MS = 60000,
	PROBE_ASK_BYTES_MAX = 1024,
	PROBE_TOTAL_MS = 600 * 1000, /* whatever was asked for ends then */
};

/* What is asked for; numbers that its kind does not use are ignored. */
struct probe_ask {
	uint8_t kind;	/* enum probe_kind */
	uint8_t family; /* 0 either, 4, 6 */
	uint8_t tcp;	/* dig: not over UDP first */
	uint16_t type;	/* dig: of the record */
	uint32_t count; /* ping: packets; traceroute: tries for each hop, at most 10 */
	uint32_t interval_ms, wait_ms, size, hops;
	struct str host;   /* an address or a name */
	struct str server; /* dig: an address, "" = the machine's own */
};

/* get: 0, or -EBADMSG where a field is out of its bounds. Strings are slices into body. */
void probe_ask_put(struct buf *out, const struct probe_ask *ask);
int probe_ask_get(struct str body, struct probe_ask *ret_ask);

/* A type of DNS records by name or number ("AAAA", "TYPE65", "65"); -EINVAL. */
int probe_type_read(struct str text, uint16_t *ret_type);
/* "AAAA", or "TYPE65" into dst. */
const char *probe_type_name(uint16_t type, char dst[16]);

#endif
