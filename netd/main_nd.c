/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what main does about the routers of an uplink: the socket for the role that hears them, the
 * record of what they said, the kernel's own settings. Run by netd main. It must never let the
 * kernel itself act on an advertisement, nor drop an address because netd was restarted.
 */
#include <stdio.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/link/packet.h"
#include "netd/main.h"
#include "netd/main_record.h"

static const struct record_kind routers_kind = {
	.name = "routers",
	.what = "what routers said",
	.version = 2,
};

static void save(const struct netd *netd, const struct uplink *uplink)
{
	OWN(buf_done) struct buf file = { 0 };

	main_record_begin(&file, &routers_kind, uplink);
	wire_put_bytes(&file, uplink->tries, sizeof(uplink->tries));
	nd_known_encode(&uplink->known, &file);
	main_record_save(netd, &routers_kind, uplink, &file);
}

void main_nd_recall(struct netd *netd, struct uplink *uplink)
{
	OWN(buf_done) struct buf file = { 0 };
	uint8_t tries[ND_PREFIXES_MAX];
	struct nd_known known;
	struct wire in;

	memcpy(uplink->secret, netd->self.secret, sizeof(uplink->secret));
	if (!main_record_read(netd->state_fd, &routers_kind, uplink, &file, &in))
		return;
	wire_bytes(&in, tries, sizeof(tries));
	nd_known_decode(&in, &known);
	if (wire_end(&in) < 0)
		return;
	uplink->known = known;
	uplink->managed = known.managed;
	uplink->other = known.other;
	memcpy(uplink->tries, tries, sizeof(tries));
	(void)nd_known_expire(&uplink->known, mono_now());
}

void main_nd_sysctls(struct netd *netd, const struct uplink *uplink)
{
	/* Advertisements are netd's to judge, and its addresses come from its own secret. */
	const char *const rows[][2] = { { "accept_ra", "0" },
					{ "autoconf", "0" },
					{ "accept_redirects", "0" },
					{ "disable_ipv6", uplink->conf.no_ip6 ? "1" : "0" } };
	char path[80];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", uplink->name, rows[i][0]);
		(void)sysctl_set(netd->sysctl_fd, path, rows[i][1], true, NULL);
	}
}

void main_nd_start(struct netd *netd, struct uplink *uplink)
{
	OWN(buf_done) struct buf body = { 0 };
	OWN_FD int fd = -1;
	struct err err;

	if (ip6_is_zero(&netd->self.ula)) /* a kernel without IPv6 */
		return;
	fd = packet_open_nd(uplink->index, &err);
	if (fd < 0) {
		log_err("routers on %s: %s", uplink->name, err_text(&err));
		return;
	}
	buf_init(&body, DHCP_MSG_BODY_MAX);
	wire_put_u32(&body, (uint32_t)uplink->index);
	wire_put_u8(&body, uplink->carrier);
	wire_put_u8(&body, true);
	nd_known_encode(&uplink->known, &body);
	main_helper_send(&netd->dhcp, DHCP_MSG_ND_START, buf_str(&body), (int[]){ fd }, 1);
	uplink->nd_started = true;
}

void main_nd_stop(struct netd *netd, struct uplink *uplink)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)uplink->index);
	main_helper_send(&netd->dhcp, DHCP_MSG_ND_STOP, buf_str(&body), NULL, 0);
	uplink->nd_started = false;
}

/* Conflicts belong to a prefix, not to its place in the list. */
static void carry_tries(struct uplink *uplink, const struct nd_known *known)
{
	uint8_t tries[ND_PREFIXES_MAX] = { 0 };

	for (size_t i = 0; i < known->prefix_count; i++)
		for (size_t k = 0; k < uplink->known.prefix_count; k++)
			if (ip6_equal(&known->prefixes[i].prefix,
				      &uplink->known.prefixes[k].prefix))
				tries[i] = uplink->tries[k];
	memcpy(uplink->tries, tries, sizeof(tries));
}

void main_link_known(struct netd *netd, uint32_t index, const struct nd_known *known)
{
	struct uplink *uplink = index ? uplink_find(&netd->uplinks, (int)index) : NULL;
	const struct nd_known_router *router = nd_known_router(known);
	char text[IP6_TEXT_MAX], mtu[16], path[80];

	if (!uplink || !uplink->conf.accept_ra)
		return;
	if (router && !uplink->known.router_count)
		log_notice("%s: router %s", uplink->name, ip6_text(&router->ip6, text));
	if (!router && uplink->known.router_count)
		log_warn("%s: no router any more", uplink->name);
	carry_tries(uplink, known);
	if (known->mtu && known->mtu != uplink->known.mtu) {
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/mtu", uplink->name);
		snprintf(mtu, sizeof(mtu), "%u", known->mtu);
		(void)sysctl_set(netd->sysctl_fd, path, mtu, true, NULL);
	}
	uplink->known = *known;
	uplink->managed |= known->managed;
	uplink->other |= known->other;
	save(netd, uplink);
	main_link_scan_soon(netd);
}
