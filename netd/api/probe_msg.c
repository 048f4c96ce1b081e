/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the console asks the probe role for, in wire form. Pure. Must never let a number out that
 * would make the role work without end.
 */
#include "netd/api/probe_msg.h"
#include <errno.h>
#include <stdio.h>
#include "lib/own.h"
#include "lib/wire.h"

enum { TRIES_MAX = 10 };

static const struct {
	const char *name;
	uint16_t type;
} types[] = { { "A", 1 },      { "NS", 2 },	{ "CNAME", 5 },	  { "SOA", 6 },	  { "PTR", 12 },
	      { "HINFO", 13 }, { "MX", 15 },	{ "TXT", 16 },	  { "AAAA", 28 }, { "SRV", 33 },
	      { "NAPTR", 35 }, { "DNAME", 39 }, { "OPT", 41 },	  { "DS", 43 },	  { "SSHFP", 44 },
	      { "RRSIG", 46 }, { "NSEC", 47 },	{ "DNSKEY", 48 }, { "TLSA", 52 }, { "SVCB", 64 },
	      { "HTTPS", 65 }, { "ANY", 255 },	{ "CAA", 257 } };

void probe_ask_put(struct buf *out, const struct probe_ask *ask)
{
	wire_put_u8(out, ask->kind);
	wire_put_u8(out, ask->family);
	wire_put_u8(out, ask->tcp);
	wire_put_u16(out, ask->type);
	wire_put_u32(out, ask->count);
	wire_put_u32(out, ask->interval_ms);
	wire_put_u32(out, ask->wait_ms);
	wire_put_u32(out, ask->size);
	wire_put_u32(out, ask->hops);
	wire_put_str(out, ask->host);
	wire_put_str(out, ask->server);
}

static bool in_bounds(const struct probe_ask *ask)
{
	if (ask->kind == 0 || ask->kind > PROBE_KIND_MAX || ask->tcp > 1 ||
	    (ask->family != 0 && ask->family != 4 && ask->family != 6))
		return false;
	if (ask->count == 0 ||
	    ask->count > (ask->kind == PROBE_TRACE ? TRIES_MAX : PROBE_COUNT_MAX))
		return false;
	if (ask->kind == PROBE_PING &&
	    (ask->interval_ms < PROBE_INTERVAL_MIN_MS || ask->interval_ms > PROBE_INTERVAL_MAX_MS))
		return false;
	return ask->wait_ms > 0 && ask->wait_ms <= PROBE_WAIT_MAX_MS &&
	       ask->size <= PROBE_SIZE_MAX && ask->hops <= PROBE_HOPS_MAX && ask->host.len > 0;
}

int probe_ask_get(struct str body, struct probe_ask *ret_ask)
{
	struct probe_ask ask;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	ask.kind = wire_u8(&in);
	ask.family = wire_u8(&in);
	ask.tcp = wire_u8(&in);
	ask.type = wire_u16(&in);
	ask.count = wire_u32(&in);
	ask.interval_ms = wire_u32(&in);
	ask.wait_ms = wire_u32(&in);
	ask.size = wire_u32(&in);
	ask.hops = wire_u32(&in);
	ask.host = wire_str(&in, PROBE_HOST_MAX);
	ask.server = wire_str(&in, PROBE_HOST_MAX);
	if (wire_end(&in) < 0 || !in_bounds(&ask))
		return -EBADMSG;
	*ret_ask = ask;
	return 0;
}

int probe_type_read(struct str text, uint16_t *ret_type)
{
	uint64_t number;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_is_nocase(text, types[i].name)) {
			*ret_type = types[i].type;
			return 0;
		}
	if (str_is_nocase(str_head(text, 4), "TYPE"))
		text = str_skip(text, 4);
	if (str_to_u64(text, 1, UINT16_MAX, &number) < 0)
		return -EINVAL;
	*ret_type = (uint16_t)number;
	return 0;
}

const char *probe_type_name(uint16_t type, char dst[16])
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return types[i].name;
	(void)snprintf(dst, 16, "TYPE%u", type);
	return dst;
}
