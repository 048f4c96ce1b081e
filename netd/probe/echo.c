/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading and writing of echo packets, and ping's sums. Pure; run by the probe role and
 * fuzzed. It must never read behind a packet's end.
 */
#include "netd/probe/echo.h"
#include <string.h>
#include "lib/own.h"

enum {
	TYPE_REPLY = 0,
	TYPE_UNREACHABLE = 3,
	TYPE_REQUEST = 8,
	TYPE_EXCEEDED = 11,
	TYPE6_UNREACHABLE = 1,
	TYPE6_TOO_BIG = 2,
	TYPE6_EXCEEDED = 3,
	TYPE6_REQUEST = 128,
	TYPE6_REPLY = 129,
};

void echo_write(bool v6, uint16_t seq, uint64_t nonce, uint32_t size, struct buf *out)
{
	const uint8_t head[ECHO_HEADER] = {
		v6 ? TYPE6_REQUEST : TYPE_REQUEST, [6] = (uint8_t)(seq >> 8), [7] = (uint8_t)seq
	};

	(void)buf_add(out, head, sizeof(head));
	(void)buf_add(out, &nonce, size < sizeof(nonce) ? size : sizeof(nonce));
	for (uint32_t i = sizeof(nonce); i < size; i++)
		(void)buf_add_byte(out, (unsigned char)i);
}

static bool number_of(struct str packet, uint8_t type, uint16_t *ret_seq)
{
	const uint8_t *bytes = (const uint8_t *)packet.ptr;

	if (packet.len < ECHO_HEADER || bytes[0] != type || bytes[1] != 0)
		return false;
	*ret_seq = (uint16_t)(bytes[6] << 8 | bytes[7]);
	return true;
}

bool echo_read(struct str packet, bool v6, uint64_t nonce, uint16_t *ret_seq)
{
	size_t len = packet.len < ECHO_HEADER ? 0 : packet.len - ECHO_HEADER;

	return number_of(packet, v6 ? TYPE6_REPLY : TYPE_REPLY, ret_seq) &&
	       memcmp(packet.ptr + ECHO_HEADER, &nonce,
		      len < sizeof(nonce) ? len : sizeof(nonce)) == 0;
}

bool echo_returned(struct str packet, bool v6, uint16_t *ret_seq)
{
	return number_of(packet, v6 ? TYPE6_REQUEST : TYPE_REQUEST, ret_seq);
}

static const char *const unreachable[] = {
	"Destination Net Unreachable",
	"Destination Host Unreachable",
	"Destination Protocol Unreachable",
	"Destination Port Unreachable",
	"Frag needed and DF set",
	"Source Route Failed",
	"Destination Net Unknown",
	"Destination Host Unknown",
	"Source Host Isolated",
	"Destination Net Prohibited",
	"Destination Host Prohibited",
	"Destination Net Unreachable for Type of Service",
	"Destination Host Unreachable for Type of Service",
	"Packet filtered",
	"Precedence Violation",
	"Precedence Cutoff",
};

static const char *const unreachable6[] = {
	"No route",
	"Administratively prohibited",
	"Beyond scope of source address",
	"Address unreachable",
	"Port unreachable",
	"Source address failed ingress/egress policy",
	"Reject route to destination",
};

const char *echo_error_text(bool v6, uint8_t type, uint8_t code)
{
	if (!v6 && type == TYPE_UNREACHABLE && code < ARRAY_LEN(unreachable))
		return unreachable[code];
	if (v6 && type == TYPE6_UNREACHABLE && code < ARRAY_LEN(unreachable6))
		return unreachable6[code];
	if (type == (v6 ? TYPE6_EXCEEDED : TYPE_EXCEEDED))
		return code ? "Frag reassembly time exceeded" : "Time to live exceeded";
	return v6 && type == TYPE6_TOO_BIG ? "Packet too big" : "an ICMP error";
}

void echo_count_reply(struct echo_count *count, int64_t us)
{
	if (!count->received || us < count->min_us)
		count->min_us = us;
	if (!count->received || us > count->max_us)
		count->max_us = us;
	count->sum_us += us;
	count->received++;
}

int64_t echo_count_average(const struct echo_count *count)
{
	return count->received ? count->sum_us / count->received : 0;
}

uint32_t echo_count_loss(const struct echo_count *count)
{
	if (!count->sent || count->received >= count->sent)
		return 0;
	return (count->sent - count->received) * 1000U / count->sent;
}
