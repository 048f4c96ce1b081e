/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns attaching and detaching containers and the networks they are on: addresses, interfaces,
 * firewall, names, in that order. Run by netd main. It must never leave half of it behind: a step
 * that fails takes back the ones before.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/conf_read.h"
#include "netd/container/direct.h"
#include "netd/container/veth.h"
#include "netd/main_publish.h"

/* ---- networks ---- */

uint32_t main_network_users(const struct netd *netd, const struct network *network)
{
	uint32_t users = 0;

	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.network_count; i++)
			users += str_is(a->attach.networks[i].name, network->name);
	return users;
}

int main_network_set(struct netd *netd, const struct network *wanted, struct network **ret_network,
		     struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	bool fresh = !network_find(&netd->networks, str_from(wanted->name));
	struct network *network;
	struct nft_network row;
	int r = rtnl_state_load(&netd->route, &state, err);

	if (r == 0)
		r = network_add(&netd->networks, wanted, &state, &network, err);
	if (r < 0)
		return r;
	network_to_nft(network, &row);
	/* The firewall knows the subnet before its bridge carries anything. */
	if (fresh && network_is_bridge(network))
		r = main_firewall_change(netd, &(struct nft_change){ .network_add = &row }, err);
	if (r == 0)
		r = network_ensure(network, &netd->route, netd->sysctl_fd, err);
	if (r == 0 && fresh)
		r = main_networks_save(netd, err);
	if (r < 0 && fresh) {
		(void)network_delete_bridge(network, &netd->route, NULL);
		network_remove(&netd->networks, network);
		(void)main_firewall_load(netd, NULL);
		return r;
	}
	*ret_network = network;
	return r;
}

int main_network_remove(struct netd *netd, struct network *network, struct err *err)
{
	uint32_t users = main_network_users(netd, network);
	struct nft_network row;
	bool bridge;
	int r;

	if (network->fixed)
		return err_set(err, -EPERM,
			       "network %s is declared in network.ini; remove its section there",
			       network->name);
	if (users)
		return err_set(err, -EBUSY, "network %s still has %u containers; stop them first",
			       network->name, users);
	r = network_delete_bridge(network, &netd->route, err);
	if (r < 0)
		return r;
	bridge = network_is_bridge(network);
	network_to_nft(network, &row);
	network_remove(&netd->networks, network);
	if (bridge)
		r = main_firewall_change(netd, &(struct nft_change){ .network_del = &row }, err);
	return r < 0 ? r : main_networks_save(netd, err);
}

/* ---- containers ---- */

/* Inside it is called as was asked, else as all of the network. */
static void name_interface(struct netd *netd, const struct attachment *attachment, uint32_t i,
			   struct veth *veth)
{
	const struct netd_attach_network *on = &attachment->attach.networks[i];
	const struct network *network = network_find(&netd->networks, on->name);

	veth_name(veth, attachment->tag, attachment->slots[i]);
	if (on->ifname.len)
		(void)str_copy(on->ifname, veth->ifname, sizeof(veth->ifname));
	else if (network && network->traits.ifname_prefix[0])
		snprintf(veth->ifname, sizeof(veth->ifname), "%.12s%u",
			 network->traits.ifname_prefix, attachment->slots[i] % 100U);
}

static int check_names(struct netd *netd, const struct attachment *fresh, struct err *err)
{
	struct veth names[NETD_NETWORKS_MAX] = { 0 };

	for (uint32_t i = 0; i < fresh->attach.network_count; i++) {
		struct str wanted = fresh->attach.networks[i].ifname;

		if (wanted.len && (conf_check_ifname(wanted, NULL) < 0 || str_is(wanted, "lo") ||
				   wanted.len >= sizeof(names[i].ifname)))
			return err_set(err, -EINVAL,
				       "interface name '%.*s': expected 1 to 15 letters, digits, "
				       "'_', '.', '-', and not lo",
				       STR_ARG(wanted));
		name_interface(netd, fresh, i, &names[i]);
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(names[k].ifname, names[i].ifname))
				return err_set(err, -EINVAL,
					       "two of its interfaces would be called %s",
					       names[i].ifname);
	}
	return 0;
}

/* Those of `attachment` that `keep` (or NULL) does not have. inside: NULL = the namespace goes with
 * what is in it. */
static void remove_interfaces(struct netd *netd, const struct attachment *attachment,
			      const struct attachment *keep, struct nl *inside)
{
	struct err err;

	for (uint32_t i = 0; i < attachment->attach.network_count; i++) {
		struct veth veth = { 0 };

		if (keep && attachment_has_slot(keep, attachment->slots[i]))
			continue;
		name_interface(netd, attachment, i, &veth);
		if (veth_remove(veth.host_name, &netd->route, &err) < 0)
			log_warn("%s", err_text(&err));
		if (inside)
			direct_remove(veth.ifname, inside);
	}
}

static uint32_t smaller_mtu(uint32_t a, uint32_t b)
{
	return b < 1500 && (!a || b < a) ? b : a;
}

uint32_t main_mtu(const struct netd *netd, const struct rtnl_state *state)
{
	uint32_t mtu = 0;

	/* Packets of containers leave over the uplink: what does not fit there would be cut up. */
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct rtnl_link *link =
			netd->uplinks.list[i].index
				? rtnl_state_link(state, netd->uplinks.list[i].index)
				: NULL;

		if (link)
			mtu = smaller_mtu(mtu, link->mtu);
	}
	return mtu;
}

/* The same without a look at all links: each start of a container comes through here. */
static uint32_t find_mtu(struct netd *netd)
{
	uint32_t mtu = 0;
	struct rtnl_link link;

	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (netd->uplinks.list[i].index &&
		    rtnl_find_link(&netd->route, netd->uplinks.list[i].name, &link, NULL) == 0 &&
		    link.index == netd->uplinks.list[i].index)
			mtu = smaller_mtu(mtu, link.mtu);
	return mtu;
}

/* Which families have their default route already. */
struct routed {
	bool ip4, ip6;
};

static void fill_way_out(const struct network *network, struct routed *routed, struct veth *veth)
{
	bool itself = network_mode_routed(network->driver, network->mode);

	if (network->internal)
		return;
	if (network->prefix && !routed->ip4) {
		veth->way_out = itself;
		veth->gateway = itself ? 0 : network_gateway(network);
		routed->ip4 = true;
	}
	if (network->prefix6 && !routed->ip6) {
		veth->way_out6 = itself;
		if (!itself)
			veth->gateway6 = network_gateway6(network);
		routed->ip6 = true;
	}
}

static void fill_veth(struct netd *netd, const struct attachment *attachment, uint32_t i,
		      struct routed *routed, struct veth *ret_veth)
{
	const struct network *network =
		network_find(&netd->networks, attachment->attach.networks[i].name);

	*ret_veth = (struct veth){ .bridge_index = network->index,
				   .prefix = network->prefix,
				   .mtu = network->mtu,
				   .isolated = network->no_icc };
	if (network->prefix)
		(void)ip4_parse(attachment->attach.networks[i].ip4, &ret_veth->ip4);
	if (network->prefix6 && ip6_parse(attachment->attach.networks[i].ip6, &ret_veth->ip6) == 0)
		ret_veth->prefix6 = network->prefix6;
	name_interface(netd, attachment, i, ret_veth);
	(void)mac_parse(attachment->attach.networks[i].mac, ret_veth->mac);
	ret_veth->rate = network->rate;
	fill_way_out(network, routed, ret_veth);
}

static int make_interface(struct netd *netd, const struct attachment *attachment, uint32_t i,
			  const struct veth *veth, int netns_fd, struct nl *inside, struct err *err)
{
	const struct network *network =
		network_find(&netd->networks, attachment->attach.networks[i].name);

	if (!network_is_bridge(network))
		return direct_ensure(veth, network, &netd->route, inside, netns_fd, err);
	direct_remove(veth->ifname, inside); /* of a network that had this place before */
	return veth_ensure(veth, &netd->route, inside, netns_fd, err);
}

/* Where its network publishes ports that name no address; empty: everywhere. */
static struct str host_ip(struct netd *netd, struct str name, struct arena *arena)
{
	const struct network *network = network_find(&netd->networks, name);
	char text[IP4_TEXT_MAX];

	return network && network->host_ip4
		       ? str_from(arena_text(arena, str_from(ip4_text(network->host_ip4, text))))
		       : STR("");
}

static uint8_t attached_flags(const struct network *network)
{
	uint8_t flags = 0;

	if (network_gate(network, false) == NETWORK_GATE_ROUTED)
		flags |= NETD_ATTACHED_ROUTED4;
	if (network_gate(network, true) == NETWORK_GATE_ROUTED)
		flags |= NETD_ATTACHED_ROUTED6;
	if (network->traits.told6 || network->given6)
		flags |= NETD_ATTACHED_TOLD6;
	return flags;
}

static int make_interfaces(struct netd *netd, const struct attachment *attachment, int netns_fd,
			   struct nl *inside, struct netd_attached *attached, struct arena *arena,
			   struct err *err)
{
	uint32_t mtu = find_mtu(netd);
	struct routed routed = { 0 };
	int r = veth_loopback(inside, err);

	for (uint32_t i = 0; i < attachment->attach.network_count && r == 0; i++) {
		struct netd_attached_network *out = &attached->networks[i];
		char text[MAC_TEXT_MAX], text6[IP6_TEXT_MAX];
		struct veth veth;

		fill_veth(netd, attachment, i, &routed, &veth);
		if (!veth.mtu)
			veth.mtu = mtu;
		r = make_interface(netd, attachment, i, &veth, netns_fd, inside, err);
		if (r < 0)
			break;
		out->network = attachment->attach.networks[i].name;
		out->ip4 = attachment->attach.networks[i].ip4;
		out->prefix = veth.prefix;
		out->mac = str_from(arena_text(arena, str_from(mac_text(veth.mac, text))));
		out->ifname = str_from(arena_text(arena, str_from(veth.ifname)));
		if (veth.gateway)
			out->gateway =
				str_from(arena_text(arena, str_from(ip4_text(veth.gateway, text))));
		if (veth.prefix6) {
			out->ip6 = attachment->attach.networks[i].ip6;
			out->prefix6 = veth.prefix6;
		}
		out->host_ip = host_ip(netd, out->network, arena);
		out->flags = attached_flags(network_find(&netd->networks, out->network));
		if (!ip6_is_zero(&veth.gateway6))
			out->gateway6 = str_from(
				arena_text(arena, str_from(ip6_text(&veth.gateway6, text6))));
	}
	return r;
}

static int keep_text(struct attachment *fresh, struct str *text, struct err *err)
{
	if (text->len)
		*text = str_make(arena_printf(&fresh->arena, "%.*s", STR_ARG(*text)), text->len);
	return text->len && !text->ptr ? err_set(err, -ENOMEM, "no memory for an address") : 0;
}

/* Of an IPv6 prefix that the network has now? */
static bool still_fits(struct netd *netd, const struct netd_attach_network *kept)
{
	const struct network *network = network_find(&netd->networks, kept->name);
	struct ip6 ip6;

	return network && network->prefix6 && ip6_parse(kept->ip6, &ip6) == 0 &&
	       ip6_in_prefix(&ip6, &network->subnet6, network->prefix6);
}

/* The addresses it had are its addresses, unless it asks for others. */
static int keep_addresses(struct netd *netd, struct attachment *fresh, const struct attachment *old,
			  struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; old && r == 0 && i < fresh->attach.network_count; i++) {
		struct netd_attach_network *network = &fresh->attach.networks[i];

		for (uint32_t j = 0; j < old->attach.network_count; j++) {
			const struct netd_attach_network *kept = &old->attach.networks[j];

			if (!str_eq(kept->name, network->name))
				continue;
			/* A wish of one family moves the other with it, unless that is said too. */
			if (!network->ip6.len && still_fits(netd, kept) &&
			    (!network->ip4.len || str_eq(network->ip4, kept->ip4)))
				network->ip6 = kept->ip6;
			if (!network->ip4.len)
				network->ip4 = kept->ip4;
		}
		r = keep_text(fresh, &network->ip4, err);
		if (r == 0)
			r = keep_text(fresh, &network->ip6, err);
	}
	return r;
}

static int check_macs(const struct attachment *fresh, struct err *err)
{
	uint8_t mac[6];

	for (uint32_t i = 0; i < fresh->attach.network_count; i++) {
		struct str text = fresh->attach.networks[i].mac;

		if (text.len && (mac_parse(text, mac) < 0 || mac[0] & 1))
			return err_set(err, -EINVAL,
				       "MAC address '%.*s': expected one of one machine, such as "
				       "02:42:ac:14:00:09",
				       STR_ARG(text));
	}
	return 0;
}

/* What the host's own addresses matter to alone. */
static bool shares_segment(struct netd *netd, const struct attachment *attachment)
{
	for (uint32_t i = 0; i < attachment->attach.network_count; i++) {
		const struct network *network =
			network_find(&netd->networks, attachment->attach.networks[i].name);

		if (network && !network_is_bridge(network))
			return true;
	}
	return false;
}

/* Everything that can be refused without having changed anything; the number of rows. */
static int check_attach(struct netd *netd, struct attachment *fresh, const struct attachment *old,
			struct nft_port *rows, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	int r = keep_addresses(netd, fresh, old, err);

	if (r == 0)
		r = check_macs(fresh, err);
	if (r == 0)
		r = check_names(netd, fresh, err);
	if (r == 0 && shares_segment(netd, fresh))
		r = rtnl_state_load(&netd->route, &state, err);
	if (r == 0)
		r = attachment_pick_addresses(&netd->attachments, &netd->networks, &state, fresh,
					      err);
	if (r == 0)
		r = attachment_check_macs(&netd->attachments, &netd->networks, fresh, err);
	if (r == 0)
		r = attachment_check_ports(&netd->attachments, &netd->networks, fresh, err);
	if (r == 0)
		r = attachment_check_host(fresh, old, &netd->networks, err);
	if (r == 0)
		r = attachment_nft_ports(fresh, &netd->networks, rows, err);
	return r;
}

static int note_namespace(struct attachment *attachment, int netns_fd, struct err *err)
{
	struct stat st;

	if (fstat(netns_fd, &st) < 0)
		return err_sys(err, -errno, "look at the network namespace");
	attachment->netns_dev = st.st_dev;
	attachment->netns_ino = st.st_ino;
	return 0;
}

static bool same_namespace(const struct attachment *a, const struct attachment *b)
{
	return a->netns_dev == b->netns_dev && a->netns_ino == b->netns_ino;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_in address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)(void *)&address, &len) < 0)
		return 0;
	return ntohs(address.sin_port);
}

/*
 * Takes the resolver's sockets, or keeps those it serves already where it is the same namespace.
 * *ret_fresh: there are new ones. A failed redirection costs the resolver only, so it is just said.
 */
static void take_sockets(struct attachment *fresh, struct attachment *old, struct msg *msg,
			 bool *ret_fresh)
{
	OWN_FD int netfilter_fd = msg_take_fd(msg, 4);
	struct err err;

	*ret_fresh = false;
	if (old && old->udp_fd >= 0 && old->tcp_fd >= 0 && same_namespace(old, fresh)) {
		fresh->udp_fd = take_fd(&old->udp_fd);
		fresh->tcp_fd = take_fd(&old->tcp_fd);
		return;
	}
	fresh->udp_fd = msg_take_fd(msg, 2);
	fresh->tcp_fd = msg_take_fd(msg, 3);
	if (fresh->udp_fd < 0 || fresh->tcp_fd < 0)
		return;
	*ret_fresh = true;
	if (netfilter_fd >= 0 &&
	    nft_redirect_resolver(take_fd(&netfilter_fd), bound_port(fresh->udp_fd),
				  bound_port(fresh->tcp_fd), &err) < 0)
		log_err("container %.*s: %s", STR_ARG(fresh->attach.name), err_text(&err));
}

static int attach_rows(struct netd *netd, struct attachment *fresh, struct attachment *old,
		       struct msg *msg, struct netd_attached *attached, struct err *err)
{
	OWN(firewall_rows_done) struct firewall_rows now = { 0 };
	OWN(firewall_rows_done) struct firewall_rows before = { 0 };
	OWN(nl_done) struct nl inside = { .fd = -1 };
	OWN_FD int netns_fd = msg_take_fd(msg, 0);
	bool sockets;
	int r = firewall_rows_load(netd, old, &before, err);

	now.ports = calloc(ATTACHMENT_ROWS * fresh->attach.port_count + 1, sizeof(*now.ports));
	if (r == 0 && !now.ports)
		r = err_set(err, -ENOMEM, "no memory for the ports");
	if (r == 0)
		r = note_namespace(fresh, netns_fd, err);
	if (r == 0) {
		/* A new namespace has no interfaces yet: its first one is eth0. */
		attachment_place(fresh, old && same_namespace(old, fresh) ? old : NULL);
		r = check_attach(netd, fresh, old, now.ports, err);
	}
	if (r < 0)
		return r;
	now.port_count = (size_t)r;
	r = nl_adopt(&inside, msg_take_fd(msg, 1), err);
	if (r < 0)
		return r;
	r = make_interfaces(netd, fresh, netns_fd, &inside, attached, &fresh->arena, err);
	if (r == 0)
		r = main_publish(netd, before.ports, before.port_count, now.ports, now.port_count,
				 err);
	if (r < 0) {
		remove_interfaces(netd, fresh, old, &inside);
		return r;
	}
	if (old)
		remove_interfaces(netd, old, fresh, same_namespace(old, fresh) ? &inside : NULL);
	take_sockets(fresh, old, msg, &sockets);
	fresh->inside = (struct nl){ take_fd(&inside.fd), inside.seq };
	r = attachment_put(&netd->attachments, fresh, err);
	if (r < 0) {
		(void)main_firewall_load(netd, NULL);
		remove_interfaces(netd, fresh, NULL, &fresh->inside);
		return r;
	}
	if (sockets)
		keep_put(&netd->keep, fresh);
	main_dns_attach(netd, fresh, sockets);
	return 0;
}

int main_attach(struct netd *netd, const struct netd_attach *attach, struct msg *msg,
		struct buf *reply, struct err *err)
{
	struct netd_attached_network networks[NETD_NETWORKS_MAX] = { 0 };
	struct netd_attached attached = { .networks = networks, .count = attach->network_count };
	struct attachment *old = attachment_find(&netd->attachments, attach->id);
	struct attachment *fresh = attachment_new(attach);
	int r;

	if (!fresh)
		return err_set(err, -ENOMEM, "no memory for the container");
	r = attach_rows(netd, fresh, old, msg, &attached, err);
	if (r < 0) {
		attachment_free(fresh);
		return err_prefix(err, "container %.*s", STR_ARG(attach->name));
	}
	netd_attached_encode(&attached, reply);
	return 0;
}

void main_detach(struct netd *netd, struct attachment *attachment)
{
	OWN(firewall_rows_done) struct firewall_rows rows = { 0 };
	struct nft_change change = { 0 };
	struct err err;

	if (firewall_rows_load(netd, attachment, &rows, &err) < 0)
		log_err("%s", err_text(&err));
	change.port_del = rows.ports;
	change.port_del_count = rows.port_count;
	remove_interfaces(netd, attachment, NULL, NULL);
	main_dns_detach(netd, attachment->attach.id);
	keep_drop(&netd->keep, attachment->attach.id);
	attachment_remove(&netd->attachments, attachment);
	if (!change.port_del_count)
		return;
	if (main_firewall_change(netd, &change, &err) < 0)
		log_err("%s", err_text(&err));
	main_flows_forget(netd, rows.ports, rows.port_count);
}
