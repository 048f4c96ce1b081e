/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what main does about DHCPv6: when a link needs it, the socket for the role, the lease and
 * its file, the networks that live below a delegated prefix. Run by netd main. It must never drop
 * an address because of a restart.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/container/network_subnet.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/dhcp6/dhcp6_msg.h"
#include "netd/link/packet.h"
#include "netd/main.h"
#include "netd/main_record.h"

enum { DUID_UUID = 4, ID_BY_DUID = 255, NEXT_S = 1000000000 };

static const struct record_kind lease6_kind = {
	.name = "lease6",
	.what = "the DHCPv6 lease",
	.version = 2,
	.on_data = true,
};

static void save(const struct netd *netd, const struct uplink *uplink)
{
	OWN(buf_done) struct buf file = { 0 };

	main_record_begin(&file, &lease6_kind, uplink);
	wire_put_i64(&file, uplink->asked6.ns);
	dhcp6_lease_encode(&uplink->lease6, &file);
	main_record_save(netd, &lease6_kind, uplink, &file);
}

static bool read_file(int dirfd, const struct uplink *uplink, struct dhcp6_lease *ret_lease,
		      int64_t *ret_asked_ns)
{
	OWN(buf_done) struct buf file = { 0 };
	struct wire in;

	if (!main_record_read(dirfd, &lease6_kind, uplink, &file, &in))
		return false;
	*ret_asked_ns = wire_i64(&in);
	dhcp6_lease_decode(&in, ret_lease);
	return wire_end(&in) == 0;
}

void main_dhcp6_recall(struct netd *netd, struct uplink *uplink)
{
	int64_t asked_ns, valid_s;
	struct dhcp6_lease lease;

	if (!read_file(netd->state_fd, uplink, &lease, &asked_ns))
		return;
	valid_s = dhcp6_lease_valid_s(&lease);
	if (valid_s != DHCP6_FOREVER && asked_ns + valid_s * NEXT_S <= mono_now().ns)
		return;
	uplink->lease6 = lease;
	uplink->asked6.ns = asked_ns;
	uplink->has_lease6 = true;
}

/* A DUID by UUID (RFC 6355), the machine's for its whole life. */
static struct dhcp6_duid own_duid(const struct netd *netd)
{
	struct dhcp6_duid duid = { .len = 18, .b = { 0, DUID_UUID } };
	struct digest digest;
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, "DHCPv6 DUID", 11);
	sha256_add(&sha, netd->self.secret, sizeof(netd->self.secret));
	sha256_end(&sha, &digest);
	memcpy(duid.b + 2, digest.bytes, 16);
	duid.b[8] = (uint8_t)((duid.b[8] & 0x0f) | 0x80); /* version 8: by our own rule */
	duid.b[10] = (uint8_t)((duid.b[10] & 0x3f) | 0x80);
	return duid;
}

static uint32_t own_iaid(const struct uplink *uplink)
{
	uint32_t iaid;

	memcpy(&iaid, uplink->mac + 2, sizeof(iaid));
	return iaid;
}

void main_dhcp6_id(const struct netd *netd, const struct uplink *uplink, struct dhcp_id *ret_id)
{
	const struct dhcp6_duid duid = own_duid(netd);
	uint32_t iaid = htonl(own_iaid(uplink)); /* as it stands in DHCPv6 packets */

	*ret_id = (struct dhcp_id){ .len = (uint8_t)(5 + duid.len), .b = { ID_BY_DUID } };
	memcpy(ret_id->b + 1, &iaid, sizeof(iaid));
	memcpy(ret_id->b + 5, duid.b, duid.len);
}

static bool find_source(const struct rtnl_state *state, int index, struct ip6 *ret_source)
{
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];

		if (addr->v6 && addr->index == index && ip6_is_link_local(&addr->ip6) &&
		    !addr->tentative && !addr->dad_failed) {
			*ret_source = addr->ip6;
			return true;
		}
	}
	return false;
}

static bool wants_prefix(const struct netd *netd, const struct uplink *uplink)
{
	if (uplink->conf.dhcp6.hint_len)
		return true;
	for (size_t i = 0; i < netd->networks.count; i++)
		if (netd->networks.list[i].delegated)
			return true;
	return false;
}

static bool find_wish(const struct netd *netd, const struct uplink *uplink,
		      struct dhcp6_wish *ret_wish)
{
	const struct conf_dhcp6 *conf = &uplink->conf.dhcp6;
	bool by_router = uplink->conf.accept_ra && uplink->conf.ra_dhcp6;
	bool managed = by_router && uplink->known.managed;
	bool other = by_router && uplink->known.other;

	*ret_wish = (struct dhcp6_wish){ .addresses =
						 conf->use_address && (managed || conf->without_ra),
					 .prefixes = wants_prefix(netd, uplink),
					 .hint_len = conf->hint_len };
	/* A prefix is asked for where there is DHCPv6 at all. */
	if (uplink->conf.no_ip6 || !(managed || other || conf->without_ra))
		return false;
	return true;
}

static void start(struct netd *netd, struct uplink *uplink, const struct dhcp6_wish *wish,
		  const struct ip6 *source)
{
	struct dhcp6_start start = { .index = (uint32_t)uplink->index,
				     .carrier = uplink->carrier,
				     .source = *source,
				     .duid = own_duid(netd),
				     .wish = *wish };
	OWN(buf_done) struct buf body = { 0 };
	OWN_FD int fd = -1;
	struct err err;

	start.iaid = own_iaid(uplink);
	start.bound = start.known =
		read_file(netd->state_fd, uplink, &start.lease, &start.bound_ns);
	if (!start.known)
		start.known = read_file(netd->data_fd, uplink, &start.lease, &start.bound_ns);
	if (!start.known)
		start.lease = (struct dhcp6_lease){ .addr_count = 0 };
	fd = packet_open_dhcp6(uplink->index, &err);
	if (fd < 0) {
		log_err("DHCPv6 on %s: %s", uplink->name, err_text(&err));
		return;
	}
	buf_init(&body, DHCP_MSG_BODY_MAX);
	dhcp6_start_encode(&start, &body);
	main_helper_send(&netd->dhcp, DHCP6_MSG_START, buf_str(&body), (int[]){ fd }, 1);
	uplink->dhcp6_started = true;
	uplink->wish6 = *wish;
	uplink->source6 = *source;
}

void main_dhcp6_stop(struct netd *netd, struct uplink *uplink, bool release)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)uplink->index);
	wire_put_u8(&body, release);
	main_helper_send(&netd->dhcp, DHCP6_MSG_STOP, buf_str(&body), NULL, 0);
	uplink->dhcp6_started = false;
}

void main_dhcp6_decline(struct netd *netd, struct uplink *uplink)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)uplink->index);
	main_helper_send(&netd->dhcp, DHCP6_MSG_DECLINE, buf_str(&body), NULL, 0);
}

/* To another wish: asked anew, while what is in force stays. */
void main_dhcp6_keep(struct netd *netd, struct uplink *uplink, const struct rtnl_state *state)
{
	struct dhcp6_wish wish;
	struct ip6 source;

	if (!find_wish(netd, uplink, &wish)) {
		if (!uplink->dhcp6_started)
			return;
		main_dhcp6_stop(netd, uplink, true);
		main_link_lost6(netd, (uint32_t)uplink->index, "it is not wanted any more");
		return;
	}
	if (!msg_peer_alive(&netd->dhcp.peer) || ip6_is_zero(&netd->self.ula) ||
	    !find_source(state, uplink->index, &source))
		return;
	if (uplink->dhcp6_started && ip6_equal(&uplink->source6, &source) &&
	    !memcmp(&wish, &uplink->wish6, sizeof(wish)))
		return;
	start(netd, uplink, &wish, &source);
}

void main_dhcp6_data(struct netd *netd, struct uplink *uplink)
{
	int64_t asked_ns;
	struct dhcp6_lease lease;

	if (uplink->has_lease6)
		save(netd, uplink);
	else if (uplink->dhcp6_started && read_file(netd->data_fd, uplink, &lease, &asked_ns))
		uplink->dhcp6_started = false; /* again, now that it knows what to ask for */
}

/* ---- networks below a delegated prefix ---- */

static const struct dhcp6_item *delegated_now(const struct netd *netd)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *uplink = &netd->uplinks.list[i];

		if (uplink->index && uplink->has_lease6 && uplink->lease6.prefix_count)
			return &uplink->lease6.prefixes[0];
	}
	return NULL;
}

static void renumber(struct netd *netd, const struct ip6 *prefix, uint8_t len)
{
	bool users = false;
	struct err err;

	for (size_t i = 0; i < netd->networks.count; i++) {
		if (!netd->networks.list[i].delegated)
			continue;
		network_drop_guard6(&netd->networks.list[i], &netd->route);
		users |= main_network_users(netd, &netd->networks.list[i]) > 0;
	}
	networks_set_delegated(&netd->networks, prefix, len);
	if (main_firewall_load(netd, &err) < 0)
		log_err("%s", err_text(&err));
	for (size_t i = 0; i < netd->networks.count; i++)
		if (netd->networks.list[i].delegated &&
		    network_ensure(&netd->networks.list[i], &netd->route, netd->sysctl_fd, &err) <
			    0)
			log_err("%s", err_text(&err));
	if (users)
		main_client_renew(netd);
}

/* ---- what the role says ---- */

void main_link_lease6(struct netd *netd, uint32_t index, struct mono asked,
		      const struct dhcp6_lease *lease)
{
	struct uplink *uplink = index ? uplink_find(&netd->uplinks, (int)index) : NULL;
	char text[IP6_TEXT_MAX];

	if (!uplink || !uplink->dhcp6_started)
		return;
	for (size_t i = 0; i < lease->addr_count; i++)
		if (!uplink->has_lease6 ||
		    !ip6_equal(&lease->addrs[i].ip6, &uplink->lease6.addrs[i].ip6))
			log_notice("%s: DHCPv6 address %s for %u s", uplink->name,
				   ip6_text(&lease->addrs[i].ip6, text), lease->addrs[i].valid_s);
	for (size_t i = 0; i < lease->prefix_count; i++)
		if (!uplink->has_lease6 ||
		    !ip6_equal(&lease->prefixes[i].ip6, &uplink->lease6.prefixes[i].ip6))
			log_notice("%s: DHCPv6 prefix %s/%u for %u s", uplink->name,
				   ip6_text(&lease->prefixes[i].ip6, text), lease->prefixes[i].len,
				   lease->prefixes[i].valid_s);
	uplink->lease6 = *lease;
	uplink->asked6 = asked;
	uplink->has_lease6 = true;
	save(netd, uplink);
	main_link_scan_soon(netd);
}

void main_link_lost6(struct netd *netd, uint32_t index, const char *why)
{
	struct uplink *uplink = index ? uplink_find(&netd->uplinks, (int)index) : NULL;
	char shown[160];

	if (!uplink || !uplink->has_lease6)
		return;
	str_escape(str_from(why), shown, sizeof(shown));
	log_warn("%s: DHCPv6 lease lost: %s", uplink->name, shown);
	uplink->has_lease6 = false;
	main_record_drop(netd, &lease6_kind, uplink);
	if (netd->networks.delegated_len && !delegated_now(netd)) {
		renumber(netd, &(struct ip6){ { 0 } }, 0);
		(void)fs_unlink(netd->state_fd, "delegated", NULL);
	}
	main_link_scan_soon(netd);
}

static void save_delegated(const struct netd *netd)
{
	OWN(buf_done) struct buf file = { 0 };
	struct err err;

	buf_init(&file, 64);
	wire_put_bytes(&file, netd->networks.delegated.b, sizeof(netd->networks.delegated.b));
	wire_put_u8(&file, netd->networks.delegated_len);
	if (fs_replace(netd->state_fd, "delegated", file.data, file.len, 0600, &err) < 0)
		log_warn("keep the delegated prefix: %s", err_text(&err));
}

void main_dhcp6_networks_recall(struct netd *netd)
{
	OWN(buf_done) struct buf file = { 0 };
	struct ip6 prefix;
	struct wire in;
	uint8_t len;

	buf_init(&file, 64);
	if (fs_read(netd->state_fd, "delegated", FS_BENEATH, 63, &file, NULL) < 0)
		return;
	wire_init(&in, file.data, file.len);
	wire_bytes(&in, prefix.b, sizeof(prefix.b));
	len = wire_u8(&in);
	if (wire_end(&in) == 0 && len >= 16 && len <= 64)
		networks_set_delegated(&netd->networks, &prefix, len);
}

void main_dhcp6_networks(struct netd *netd)
{
	const struct dhcp6_item *item = delegated_now(netd);

	if (!item || (item->len == netd->networks.delegated_len &&
		      ip6_equal(&item->ip6, &netd->networks.delegated)))
		return;
	renumber(netd, &item->ip6, item->len);
	save_delegated(netd);
}
