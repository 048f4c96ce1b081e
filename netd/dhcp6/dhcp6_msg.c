/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of what main and the dhcp role tell each other about DHCPv6. Pure. It must
 * never let a value through that the packet's reader would have refused.
 */
#include <errno.h>
#include "netd/dhcp6/dhcp6_msg.h"

void dhcp6_start_encode(const struct dhcp6_start *start, struct buf *out)
{
	wire_put_u32(out, start->index);
	wire_put_u8(out, start->carrier);
	wire_put_bytes(out, start->source.b, sizeof(start->source.b));
	wire_put_u32(out, start->iaid);
	wire_put_u8(out, start->duid.len);
	wire_put_bytes(out, start->duid.b, start->duid.len);
	wire_put_u8(out, start->wish.addresses);
	wire_put_u8(out, start->wish.prefixes);
	wire_put_u8(out, start->wish.hint_len);
	wire_put_u8(out, start->known);
	wire_put_u8(out, start->bound);
	wire_put_i64(out, start->bound_ns);
	dhcp6_lease_encode(&start->lease, out);
}

int dhcp6_start_decode(struct str body, struct dhcp6_start *ret_start)
{
	struct dhcp6_start start = { .index = 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	start.index = wire_u32(&in);
	start.carrier = wire_bool(&in);
	wire_bytes(&in, start.source.b, sizeof(start.source.b));
	start.iaid = wire_u32(&in);
	start.duid.len = wire_u8(&in);
	if (start.duid.len < 3 || start.duid.len > DHCP6_DUID_MAX)
		return -EBADMSG;
	wire_bytes(&in, start.duid.b, start.duid.len);
	start.wish.addresses = wire_bool(&in);
	start.wish.prefixes = wire_bool(&in);
	start.wish.hint_len = wire_u8(&in);
	start.known = wire_bool(&in);
	start.bound = wire_bool(&in);
	start.bound_ns = wire_i64(&in);
	dhcp6_lease_decode(&in, &start.lease);
	if (wire_end(&in) < 0 || !start.index || start.wish.hint_len > 64)
		return -EBADMSG;
	*ret_start = start;
	return 0;
}

void dhcp6_report_encode(const struct dhcp6_report *report, struct buf *out)
{
	wire_put_u32(out, report->index);
	wire_put_i64(out, report->asked_ns);
	dhcp6_lease_encode(&report->lease, out);
}

int dhcp6_report_decode(struct str body, struct dhcp6_report *ret_report)
{
	struct dhcp6_report report;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	report.index = wire_u32(&in);
	report.asked_ns = wire_i64(&in);
	dhcp6_lease_decode(&in, &report.lease);
	if (wire_end(&in) < 0 || !report.index)
		return -EBADMSG;
	*ret_report = report;
	return 0;
}
