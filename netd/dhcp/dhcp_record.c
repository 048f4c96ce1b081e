/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the record of a lease, as it is kept in files and told between processes. Pure; fuzzed. It
 * must never give out a lease that no packet could have brought.
 */
#include <errno.h>
#include <string.h>
#include "netd/dhcp/dhcp_codec.h"

void dhcp_lease_encode(const struct dhcp_lease *lease, struct buf *out)
{
	wire_put_u32(out, lease->ip4);
	wire_put_u8(out, lease->prefix);
	wire_put_u32(out, lease->server);
	wire_put_bytes(out, lease->server_mac, sizeof(lease->server_mac));
	wire_put_u32(out, lease->lease_s);
	wire_put_u32(out, lease->t1_s);
	wire_put_u32(out, lease->t2_s);
	wire_put_u32(out, lease->router_count);
	for (size_t i = 0; i < lease->router_count; i++)
		wire_put_u32(out, lease->routers[i]);
	wire_put_u32(out, lease->dns_count);
	for (size_t i = 0; i < lease->dns_count; i++)
		wire_put_u32(out, lease->dns[i]);
	wire_put_u32(out, lease->ntp_count);
	for (size_t i = 0; i < lease->ntp_count; i++)
		wire_put_u32(out, lease->ntp[i]);
	wire_put_u8(out, lease->classless);
	wire_put_u32(out, lease->route_count);
	for (size_t i = 0; i < lease->route_count; i++) {
		wire_put_u32(out, lease->routes[i].dst);
		wire_put_u8(out, lease->routes[i].prefix);
		wire_put_u32(out, lease->routes[i].gateway);
	}
	wire_put_u16(out, lease->mtu);
	wire_put_text(out, lease->domain);
	wire_put_text(out, lease->hostname);
}

void dhcp_lease_decode(struct wire *in, struct dhcp_lease *ret_lease)
{
	struct dhcp_lease lease = { 0 };

	lease.ip4 = wire_u32(in);
	lease.prefix = wire_u8(in);
	lease.server = wire_u32(in);
	wire_bytes(in, lease.server_mac, sizeof(lease.server_mac));
	lease.lease_s = wire_u32(in);
	lease.t1_s = wire_u32(in);
	lease.t2_s = wire_u32(in);
	lease.router_count = (uint8_t)wire_count(in, DHCP_ROUTERS_MAX);
	for (size_t i = 0; i < lease.router_count; i++)
		lease.routers[i] = wire_u32(in);
	lease.dns_count = (uint8_t)wire_count(in, DHCP_DNS_MAX);
	for (size_t i = 0; i < lease.dns_count; i++)
		lease.dns[i] = wire_u32(in);
	lease.ntp_count = (uint8_t)wire_count(in, DHCP_NTP_MAX);
	for (size_t i = 0; i < lease.ntp_count; i++)
		lease.ntp[i] = wire_u32(in);
	lease.classless = wire_bool(in);
	lease.route_count = (uint8_t)wire_count(in, DHCP_ROUTES_MAX);
	for (size_t i = 0; i < lease.route_count; i++) {
		struct dhcp_route *route = &lease.routes[i];

		route->dst = wire_u32(in);
		route->prefix = wire_u8(in);
		route->gateway = wire_u32(in);
		if (route->prefix > 32 || (route->prefix && !ip4_is_host(route->dst)))
			in->error = in->error ? in->error : -EBADMSG;
	}
	lease.mtu = wire_u16(in);
	wire_text(in, lease.domain, sizeof(lease.domain));
	wire_text(in, lease.hostname, sizeof(lease.hostname));
	if (!ip4_is_host(lease.ip4) || !lease.prefix || lease.prefix > 32 ||
	    (lease.domain[0] && !domain_ok(str_from(lease.domain))) ||
	    (lease.hostname[0] && !domain_ok(str_from(lease.hostname))) ||
	    lease.t1_s >= lease.t2_s || lease.t2_s >= lease.lease_s)
		in->error = in->error ? in->error : -EBADMSG;
	*ret_lease = lease;
}
