/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the uplinks at run time: kernel notifications, leases and their files, resolv.conf.
 * Run by netd main. It must never wait for the network, and never drop an address because of
 * a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/link/netdev.h"
#include "netd/link/nowhere.h"
#include "netd/link/packet.h"
#include "netd/main_tell.h"

enum {
	SCAN_DELAY_MS = 20,
	RETRY_MS = 5000, /* after the kernel refused something */
};

static void scan(struct loop_timer *timer);

int main_link_state(struct netd *netd, struct rtnl_state *ret_state, struct err *err)
{
	int r = rtnl_state_load(&netd->route, ret_state, err);
	bool drivers = false;

	for (size_t i = 0; i < netd->conf.uplink_count; i++)
		drivers |= netd->conf.uplinks[i].driver[0] != 0;
	if (r == 0 && drivers)
		rtnl_state_drivers(&netd->route, ret_state);
	return r;
}

void main_link_scan_soon(struct netd *netd)
{
	if (!netd->scan.armed)
		loop_timer_set(&netd->loop, &netd->scan, SCAN_DELAY_MS, scan, netd);
}

/* ---- the dhcp role ---- */

static void fill_hostname(const struct conf_dhcp4 *conf, char *dst, size_t cap)
{
	if (conf->hostname[0])
		(void)str_copy(str_from(conf->hostname), dst, cap);
	else if (gethostname(dst, cap - 1) < 0)
		dst[0] = 0;
	if (!conf->send_hostname || !domain_ok(str_from(dst)) || !strcmp(dst, "localhost"))
		dst[0] = 0;
}

static void start_dhcp(struct netd *netd, struct uplink *uplink)
{
	struct dhcp_start start = { .index = (uint32_t)uplink->index,
				    .carrier = uplink->carrier,
				    .probe = (enum dhcp_probe)uplink->conf.probe };
	OWN(buf_done) struct buf body = { 0 };
	OWN_FD int ip_fd = -1, arp_fd = -1;
	struct err err;

	memcpy(start.mac, uplink->mac, 6);
	fill_hostname(&uplink->conf.dhcp4, start.hostname, sizeof(start.hostname));
	start.v6only = uplink->conf.dhcp4.v6only;
	start.more.len = (uint8_t)uplink->conf.dhcp4.request_count;
	memcpy(start.more.b, uplink->conf.dhcp4.request, start.more.len);
	if (uplink->conf.dhcp4.by_duid)
		main_dhcp6_id(netd, uplink, &start.id);
	/* This boot's lease is in force; an older one is worth asking for. */
	if (main_lease_read(netd->state_fd, uplink, &start))
		start.memory = DHCP_MEMORY_BOUND;
	else if (main_lease_read(netd->data_fd, uplink, &start))
		start.memory = DHCP_MEMORY_KNOWN;
	ip_fd = packet_open_dhcp(uplink->index, &err);
	if (ip_fd >= 0)
		arp_fd = packet_open_arp(uplink->index, &err);
	if (arp_fd < 0) {
		log_err("DHCP on %s: %s", uplink->name, err_text(&err));
		return;
	}
	buf_init(&body, DHCP_MSG_BODY_MAX);
	dhcp_start_encode(&start, &body);
	main_helper_send(&netd->dhcp, DHCP_MSG_START, buf_str(&body), (int[]){ ip_fd, arp_fd }, 2);
	uplink->dhcp_started = true;
}

static void send_carrier(struct netd *netd, const struct uplink *uplink)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)uplink->index);
	wire_put_u8(&body, uplink->carrier);
	main_helper_send(&netd->dhcp, DHCP_MSG_CARRIER, buf_str(&body), NULL, 0);
}

static void stop_dhcp(struct netd *netd, struct uplink *uplink, bool release)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)uplink->index);
	wire_put_u8(&body, release);
	main_helper_send(&netd->dhcp, DHCP_MSG_STOP, buf_str(&body), NULL, 0);
	uplink->dhcp_started = false;
}

void main_link_forget_dhcp(struct netd *netd)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		netd->uplinks.list[i].dhcp_started = netd->uplinks.list[i].nd_started =
			netd->uplinks.list[i].dhcp6_started = false;
	main_link_scan_soon(netd);
}

/* ---- what others see: resolv.conf, events ---- */

static void publish_dns(struct netd *netd, bool always)
{
	char servers[CONF_DNS_MAX * IP_ANY_TEXT_MAX] = "", text[IP_ANY_TEXT_MAX];
	OWN(buf_done) struct buf file = { 0 };
	struct uplink_dns dns;
	struct err err;

	memset(&dns, 0, sizeof(dns)); /* compared byte for byte below */
	uplink_dns(&netd->uplinks, &dns);
	if (!always && !netd->forwarder.stale && !memcmp(&dns, &netd->dns, sizeof(dns)))
		return;
	netd->dns = dns;
	netd->forwarder.stale = false;
	buf_init(&file, 4096);
	uplink_resolv_conf(&dns, main_dns_own(netd), &file);
	if (fs_replace(netd->etc_fd, "resolv.conf", file.data, file.len, 0644, &err) < 0)
		log_err("write resolv.conf: %s", err_text(&err));
	main_dns_upstreams(netd);
	for (size_t i = 0; i < dns.server_count; i++)
		snprintf(servers + strlen(servers), sizeof(servers) - strlen(servers), "%s%s",
			 i ? " " : "", ip_any_text(&dns.servers[i], text));
	if (!always)
		main_client_event(netd, NETD_EVENT_DNS, servers);
}

/* The first address that leads out, as one line. */
static void uplink_line(struct netd *netd, char *dst, size_t cap)
{
	char text[IP6_TEXT_MAX];

	dst[0] = 0;
	for (size_t i = 0; i < CONF_UPLINKS_MAX && !dst[0]; i++) {
		const struct uplink *uplink = &netd->uplinks.list[i];
		struct link_wanted wanted;

		if (!uplink->index || !uplink->carrier)
			continue;
		uplink_wanted(uplink, mono_now(), &wanted);
		for (size_t k = 0; k < wanted.addr_count; k++) {
			const struct rtnl_addr *addr = &wanted.addrs[k];

			/* IPv4 where there is any. */
			if (!addr->v6 || !dst[0])
				snprintf(dst, cap, "%s %s/%u", uplink->name,
					 addr->v6 ? ip6_text(&addr->ip6, text)
						  : ip4_text(addr->ip4, text),
					 addr->prefix);
			if (!addr->v6)
				return;
		}
	}
}

static void publish_uplink(struct netd *netd)
{
	char line[sizeof(netd->uplink_text)];

	uplink_line(netd, line, sizeof(line));
	if (!strcmp(line, netd->uplink_text))
		return;
	memcpy(netd->uplink_text, line, sizeof(line));
	log_notice("uplink %s", line[0] ? line : "down");
	main_init_status(netd, line[0] ? line : "no uplink");
	if (line[0])
		main_time_hurry(netd);
	main_client_event(netd, line[0] ? NETD_EVENT_UPLINK_UP : NETD_EVENT_UPLINK_DOWN, line);
}

/* ---- comparing and changing ---- */

static int apply(struct netd *netd, const struct uplink *uplink, const struct rtnl_state *state)
{
	struct link_wanted wanted;
	struct link_plan plan;
	struct err err;
	int r;

	uplink_wanted(uplink, mono_now(), &wanted);
	link_plan_make(&wanted, state, &plan);
	if (!plan.count)
		return 0;
	r = link_plan_apply(&plan, &netd->route, &err);
	if (r < 0)
		log_err("%s: %s", uplink->name, err_text(&err));
	return r;
}

static void forget_uplink(struct netd *netd, struct uplink *uplink)
{
	if (uplink->dhcp_started)
		stop_dhcp(netd, uplink, false);
	if (uplink->nd_started)
		main_nd_stop(netd, uplink);
	if (uplink->dhcp6_started)
		main_dhcp6_stop(netd, uplink, false);
	*uplink = (struct uplink){ .index = 0 };
}

/* Remembers what was in force before we started: the lease of this boot, so that nothing is
 * removed. */
static void recall_lease(struct netd *netd, struct uplink *uplink)
{
	struct dhcp_start start = { .index = 0 };
	int64_t age_s;

	if (!uplink->conf.dhcp || !main_lease_read(netd->state_fd, uplink, &start))
		return;
	uplink->asked.ns = start.bound_ns;
	age_s = mono_diff_ms(mono_now(), uplink->asked) / 1000;
	if (age_s < 0 || (start.lease.lease_s != UINT32_MAX && age_s >= start.lease.lease_s))
		return;
	uplink->lease = start.lease;
	uplink->has_lease = true;
}

static void note_networks(const struct netd *netd, struct uplink *uplink)
{
	uplink->inner_count = uplink->inner6_count = 0;
	for (size_t i = 0; i < netd->networks.count && i < UPLINK_INNER_MAX; i++) {
		const struct network *network = &netd->networks.list[i];

		if (network->prefix)
			uplink->inner[uplink->inner_count++] =
				(struct conf_addr){ network->subnet, network->prefix };
		if (network->prefix6)
			uplink->inner6[uplink->inner6_count++] =
				(struct conf_addr6){ network->subnet6, network->prefix6 };
	}
}

static void set_uplink_sysctls(struct netd *netd, const char *name)
{
	/* Loose: replies may come back over another uplink. A dead cable gives way to the next. */
	static const char *const rows[][2] = { { "rp_filter", "2" },
					       { "ignore_routes_with_linkdown", "1" } };
	char path[80];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(path, sizeof(path), "net/ipv4/conf/%s/%s", name, rows[i][0]);
		(void)sysctl_set(netd->sysctl_fd, path, rows[i][1], true, NULL);
	}
}

/* The lease and what routers said go along with the interface, under its new name. */
static void rename_uplink(struct netd *netd, struct uplink *uplink, const char *name)
{
	log_notice("%s is called %s now", uplink->name, name);
	main_lease_drop(netd, uplink);
	(void)str_copy(str_from(name), uplink->name, sizeof(uplink->name));
	if (uplink->has_lease)
		main_lease_save(netd, uplink);
	set_uplink_sysctls(netd, uplink->name);
	main_nd_sysctls(netd, uplink);
}

static void keep_uplink(struct netd *netd, const struct rtnl_state *state,
			const struct rtnl_link *link, const struct conf_uplink *conf)
{
	const struct rtnl_link *master = rtnl_state_named(state, conf->master);
	struct uplink *uplink = uplink_find(&netd->uplinks, link->index);
	bool carrier = link->carrier && (link->flags & IFF_UP);

	if (uplink && memcmp(uplink->mac, link->mac, 6) != 0)
		forget_uplink(netd, uplink);
	if (!uplink || !uplink->index) {
		uplink = uplink_find(&netd->uplinks, 0);
		if (!uplink)
			return;
		uplink->index = link->index;
		memcpy(uplink->name, link->name, sizeof(uplink->name));
		memcpy(uplink->mac, link->mac, 6);
		uplink->conf = *conf;
		recall_lease(netd, uplink);
		main_nd_recall(netd, uplink);
		main_dhcp6_recall(netd, uplink);
		set_uplink_sysctls(netd, link->name);
		main_nd_sysctls(netd, uplink);
	}
	if (uplink->conf.no_ip6 != conf->no_ip6) {
		uplink->conf = *conf;
		main_nd_sysctls(netd, uplink);
	}
	uplink->conf = *conf;
	uplink->master = conf->master[0] && master ? master->index : 0;
	if (strcmp(uplink->name, link->name) != 0)
		rename_uplink(netd, uplink, link->name);
	note_networks(netd, uplink);
	if (uplink->carrier != carrier) {
		uplink->carrier = carrier;
		if (uplink->dhcp_started || uplink->nd_started || uplink->dhcp6_started)
			send_carrier(netd, uplink);
	}
	if (conf->accept_ra && !uplink->nd_started && msg_peer_alive(&netd->dhcp.peer))
		main_nd_start(netd, uplink);
	if (!conf->accept_ra && uplink->nd_started)
		main_nd_stop(netd, uplink);
	main_dhcp6_keep(netd, uplink, state);
	if (conf->dhcp && !uplink->dhcp_started && msg_peer_alive(&netd->dhcp.peer))
		start_dhcp(netd, uplink);
	if (!conf->dhcp && uplink->dhcp_started) {
		stop_dhcp(netd, uplink, true);
		uplink->has_lease = false;
	}
}

/* *state is loaded anew where something was made; false = try again soon. */
static bool make_netdevs(struct netd *netd, struct rtnl_state *state)
{
	static struct netdev_plan plan;
	OWN(buf_done) struct buf text = { 0 };
	struct err err;
	int r;

	netdev_plan_make(&netd->conf, state, &plan);
	if (!plan.count)
		return true;
	buf_init(&text, 4096);
	netdev_plan_print(&plan, &text);
	if (text.len)
		log_notice("%.*s", (int)text.len - 1, text.data);
	r = netdev_plan_apply(&plan, &netd->route, &err);
	if (r < 0)
		log_err("%s", err_text(&err));
	rtnl_state_done(state);
	return main_link_state(netd, state, &err) == 0 && r == 0;
}

/* Routes that are on no link; false = try again soon. */
static bool make_nowhere(struct netd *netd, const struct rtnl_state *state)
{
	struct link_plan plan;
	struct err err;

	nowhere_plan_make(&netd->conf, state, &plan);
	if (link_plan_apply(&plan, &netd->route, &err) == 0)
		return true;
	log_err("%s", err_text(&err));
	return false;
}

static void scan(struct loop_timer *timer)
{
	struct netd *netd = timer->owner;
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	bool failed = false;
	struct err err;

	if (main_link_state(netd, &state, &err) < 0) {
		log_err("%s", err_text(&err));
		loop_timer_set(&netd->loop, timer, RETRY_MS, scan, netd);
		return;
	}
	failed = !main_heal(netd, &state);
	failed |= !make_netdevs(netd, &state);
	failed |= !make_nowhere(netd, &state);
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		struct uplink *uplink = &netd->uplinks.list[i];
		const struct rtnl_link *link = rtnl_state_link(&state, uplink->index);
		struct conf_uplink conf;

		if (uplink->index && (!link || !uplink_configure(&state, &netd->conf, link, &conf)))
			forget_uplink(netd, uplink);
	}
	for (size_t i = 0; i < state.link_count; i++) {
		struct conf_uplink conf;

		if (uplink_configure(&state, &netd->conf, &state.links[i], &conf))
			keep_uplink(netd, &state, &state.links[i], &conf);
	}
	uplinks_rank(&netd->uplinks);
	main_dhcp6_networks(netd);
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (netd->uplinks.list[i].index)
			failed |= apply(netd, &netd->uplinks.list[i], &state) < 0;
	publish_dns(netd, false);
	main_time_servers(netd);
	main_name_tell(netd);
	publish_uplink(netd);
	if (failed)
		loop_timer_set(&netd->loop, &netd->scan, RETRY_MS, scan, netd);
}

void main_link_lease(struct netd *netd, uint32_t index, struct mono asked,
		     const struct dhcp_lease *lease)
{
	struct uplink *uplink = index ? uplink_find(&netd->uplinks, (int)index) : NULL;
	char ip4[IP4_TEXT_MAX], server[IP4_TEXT_MAX];

	if (!uplink || !uplink->conf.dhcp)
		return;
	if (!uplink->has_lease || uplink->lease.ip4 != lease->ip4)
		log_notice("%s: lease %s/%u from %s for %u s", uplink->name,
			   ip4_text(lease->ip4, ip4), lease->prefix,
			   ip4_text(lease->server, server), lease->lease_s);
	uplink->lease = *lease;
	uplink->asked = asked;
	uplink->has_lease = true;
	main_lease_save(netd, uplink);
	main_link_scan_soon(netd);
}

void main_link_lost(struct netd *netd, uint32_t index, const char *why)
{
	struct uplink *uplink = index ? uplink_find(&netd->uplinks, (int)index) : NULL;
	char shown[160];

	if (!uplink)
		return;
	str_escape(str_from(why), shown, sizeof(shown));
	log_warn("%s: lease lost: %s", uplink->name, shown);
	uplink->has_lease = false;
	main_lease_drop(netd, uplink);
	if (uplink->releasing) {
		uplink->releasing = false;
		if (!main_link_releasing(netd))
			netd->loop.quit = true;
	}
	main_link_scan_soon(netd);
}

bool main_link_releasing(const struct netd *netd)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (netd->uplinks.list[i].releasing)
			return true;
	return false;
}

void main_link_stop(struct netd *netd, bool release)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		struct uplink *uplink = &netd->uplinks.list[i];
		bool give_back = release && uplink->conf.dhcp4.send_release;

		if (uplink->dhcp6_started)
			main_dhcp6_stop(netd, uplink, release && uplink->conf.dhcp6.send_release);
		if (!uplink->dhcp_started)
			continue;
		uplink->releasing = give_back && uplink->has_lease && uplink->carrier;
		stop_dhcp(netd, uplink, give_back);
	}
}

void main_link_data(struct netd *netd, bool ready)
{
	struct err err;

	own_close(&netd->data_fd);
	if (!ready)
		return;
	netd->data_fd = fs_open_dir(AT_FDCWD, "/data/state", FS_HOST, 0700, &err);
	if (netd->data_fd < 0) {
		log_warn("leases are not kept over a reboot: %s", err_text(&err));
		return;
	}
	main_self_data(netd);
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		struct uplink *uplink = &netd->uplinks.list[i];
		struct dhcp_start start;

		main_dhcp6_data(netd, uplink);
		if (uplink->has_lease)
			main_lease_save(netd, uplink);
		else if (uplink->dhcp_started && main_lease_read(netd->data_fd, uplink, &start))
			start_dhcp(netd, uplink); /* again, now that it knows what to ask for */
	}
}

/* ---- notifications ---- */

static void decline_leased(struct netd *netd, struct uplink *uplink, const struct rtnl_addr *addr)
{
	for (size_t i = 0; uplink->has_lease6 && i < uplink->lease6.addr_count; i++)
		if (addr->v6 && ip6_equal(&addr->ip6, &uplink->lease6.addrs[i].ip6))
			main_dhcp6_decline(netd, uplink);
}

/* The kernel takes an address with an end away itself when somebody else has it: that is to be seen
 * here only. */
static void note_conflicts(struct netd *netd, struct str datagram)
{
	struct nl_message message;
	struct rtnl_addr addr;

	while (nl_message_next(&datagram, &message)) {
		const struct rtnl_state one = { .addrs = &addr, .addr_count = 1 };

		if (rtnl_read_addr(&message, &addr) < 0 || !addr.dad_failed)
			continue;
		for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
			if (netd->uplinks.list[i].index == addr.index)
				decline_leased(netd, &netd->uplinks.list[i], &addr);
		for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
			if (netd->uplinks.list[i].index == addr.index &&
			    uplink_note_conflicts(&netd->uplinks.list[i], &one))
				log_warn("%s: somebody else has this machine's IPv6 address; "
					 "taking another",
					 netd->uplinks.list[i].name);
	}
}

static void events_ready(struct loop_io *io, uint32_t events)
{
	struct netd *netd = io->owner;
	static char data[NL_DATAGRAM_MAX];
	int n;

	(void)events;
	/* What else happened does not matter, only that something did: the scan takes a fresh look.
	 */
	for (int i = 0; i < 64; i++) {
		n = nl_receive(&netd->events, data, sizeof(data));
		if (n == 0)
			break;
		if (n > 0)
			note_conflicts(netd, str_make(data, (size_t)n));
		main_link_scan_soon(netd);
		if (n < 0 && n != -ENOBUFS)
			break;
	}
}

int main_link_start(struct netd *netd, struct err *err)
{
	int r = rtnl_watch(&netd->events, err);

	if (r == 0)
		r = loop_add(&netd->loop, &netd->events_io, netd->events.fd, EPOLLIN, events_ready,
			     netd, err);
	if (r < 0)
		return r;
	main_name_start(netd);
	publish_dns(netd, true);
	main_link_scan_soon(netd);
	return 0;
}
