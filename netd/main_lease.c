/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the record of an uplink's DHCPv4 lease: when it was asked for, and what it says. Run by netd
 * main. */
#include "lib/own.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/main.h"
#include "netd/main_record.h"

static const struct record_kind lease_kind = {
	.name = "lease",
	.what = "the lease",
	.version = 3,
	.on_data = true,
};

void main_lease_save(const struct netd *netd, const struct uplink *uplink)
{
	OWN(buf_done) struct buf file = { 0 };

	main_record_begin(&file, &lease_kind, uplink);
	wire_put_i64(&file, uplink->asked.ns);
	dhcp_lease_encode(&uplink->lease, &file);
	main_record_save(netd, &lease_kind, uplink, &file);
}

void main_lease_drop(const struct netd *netd, const struct uplink *uplink)
{
	main_record_drop(netd, &lease_kind, uplink);
}

bool main_lease_read(int dirfd, const struct uplink *uplink, struct dhcp_start *start)
{
	OWN(buf_done) struct buf file = { 0 };
	struct dhcp_lease lease;
	struct wire in;
	int64_t asked;

	if (!main_record_read(dirfd, &lease_kind, uplink, &file, &in))
		return false;
	asked = wire_i64(&in);
	dhcp_lease_decode(&in, &lease);
	if (wire_end(&in) < 0)
		return false;
	start->lease = lease;
	start->bound_ns = asked;
	return true;
}
