/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of what netd main and the dhcp role tell each other. Pure. It must never let a
 * lease through that netd main could not put on a link as it is.
 */
#include <errno.h>
#include "netd/dhcp/dhcp_msg.h"

void dhcp_start_encode(const struct dhcp_start *start, struct buf *out)
{
	wire_put_u32(out, start->index);
	wire_put_bytes(out, start->mac, sizeof(start->mac));
	wire_put_u8(out, start->carrier);
	wire_put_u8(out, (uint8_t)start->probe);
	wire_put_text(out, start->hostname);
	wire_put_u8(out, start->id.len);
	wire_put_bytes(out, start->id.b, start->id.len);
	wire_put_u8(out, start->more.len);
	wire_put_bytes(out, start->more.b, start->more.len);
	wire_put_u8(out, start->v6only);
	wire_put_u8(out, (uint8_t)start->memory);
	if (start->memory != DHCP_MEMORY_NONE) {
		wire_put_i64(out, start->bound_ns);
		dhcp_lease_encode(&start->lease, out);
	}
}

int dhcp_start_decode(struct str body, struct dhcp_start *ret_start)
{
	struct dhcp_start start = { 0 };
	struct wire in;
	uint8_t probe, memory;

	wire_init(&in, body.ptr, body.len);
	start.index = wire_u32(&in);
	wire_bytes(&in, start.mac, sizeof(start.mac));
	start.carrier = wire_bool(&in);
	probe = wire_u8(&in);
	wire_text(&in, start.hostname, sizeof(start.hostname));
	start.id.len = wire_u8(&in);
	if (start.id.len > sizeof(start.id.b))
		return -EBADMSG;
	wire_bytes(&in, start.id.b, start.id.len);
	start.more.len = wire_u8(&in);
	if (start.more.len > sizeof(start.more.b))
		return -EBADMSG;
	wire_bytes(&in, start.more.b, start.more.len);
	start.v6only = wire_bool(&in);
	memory = wire_u8(&in);
	if (memory != DHCP_MEMORY_NONE) {
		start.bound_ns = wire_i64(&in);
		dhcp_lease_decode(&in, &start.lease);
	}
	if (wire_end(&in) < 0 || probe > DHCP_PROBE_STRICT || memory > DHCP_MEMORY_BOUND)
		return -EBADMSG;
	start.probe = (enum dhcp_probe)probe;
	start.memory = (enum dhcp_memory)memory;
	*ret_start = start;
	return 0;
}

void dhcp_report_encode(const struct dhcp_report *report, struct buf *out)
{
	wire_put_u32(out, report->index);
	wire_put_i64(out, report->asked_ns);
	dhcp_lease_encode(&report->lease, out);
}

int dhcp_report_decode(struct str body, struct dhcp_report *ret_report)
{
	struct dhcp_report report = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	report.index = wire_u32(&in);
	report.asked_ns = wire_i64(&in);
	dhcp_lease_decode(&in, &report.lease);
	if (wire_end(&in) < 0)
		return -EBADMSG;
	*ret_report = report;
	return 0;
}
