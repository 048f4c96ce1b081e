/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the firewall holds of networks and published ports: the table whole, small changes of
 * it, the flows that a change makes stale. Run by netd main. It must never leave a mix of old and
 * new.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_publish.h"
#include "netd/main_splice.h"

void firewall_rows_done(struct firewall_rows *rows)
{
	free(rows->networks);
	free(rows->ports);
}

/* One that the kernel refuses is refused whole: the table stays as it was. */
static int say_why(const struct rules *rules, int r, struct err *err)
{
	for (size_t i = 0; i < rules->count && r == -ENOENT; i++)
		if (rules->list[i].log)
			return err_prefix(err,
					  "rule %s says log, which takes a kernel with "
					  "NF_LOG_SYSLOG",
					  rules->list[i].name);
	return r;
}

int main_firewall_load(struct netd *netd, struct err *err)
{
	OWN(firewall_rows_done) struct firewall_rows rows = { 0 };
	struct nft_content content;
	size_t count = 0, networks = 0;

	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		count += ATTACHMENT_ROWS * a->attach.port_count;
	rows.networks = calloc(netd->networks.count + 1, sizeof(*rows.networks));
	rows.ports = calloc(count + 1, sizeof(*rows.ports));
	if (!rows.networks || !rows.ports)
		return err_set(err, -ENOMEM, "no memory for the firewall's content");
	for (size_t i = 0; i < netd->networks.count; i++)
		if (network_is_bridge(&netd->networks.list[i]) && !netd->networks.list[i].clash[0])
			network_to_nft(&netd->networks.list[i], &rows.networks[networks++]);
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		int r = attachment_nft_ports(a, &netd->networks, rows.ports + rows.port_count,
					     NULL);

		rows.port_count += r < 0 ? 0 : (size_t)r;
	}
	content = (struct nft_content){ .networks = rows.networks,
					.network_count = networks,
					.ports = rows.ports,
					.port_count = rows.port_count,
					.splice_port = netd->splice_port,
					.splice_udp_port = netd->splice_udp_port,
					.rules = &netd->conf.rules };
	main_splice_need(netd, rows.ports, rows.port_count);
	return say_why(content.rules, nft_load(&netd->nft, &content, err), err);
}

int main_firewall_change(struct netd *netd, const struct nft_change *change, struct err *err)
{
	struct err first;

	if (nft_apply(&netd->nft, change, &first) == 0)
		return 0;
	log_warn("%s; loading the whole table", err_text(&first));
	return main_firewall_load(netd, err);
}

int firewall_rows_load(struct netd *netd, const struct attachment *attachment,
		       struct firewall_rows *rows, struct err *err)
{
	size_t count = attachment ? attachment->attach.port_count : 0;
	int r;

	rows->ports = calloc(ATTACHMENT_ROWS * count + 1, sizeof(*rows->ports));
	if (!rows->ports)
		return err_set(err, -ENOMEM, "no memory for the ports");
	r = count ? attachment_nft_ports(attachment, &netd->networks, rows->ports, NULL) : 0;
	rows->port_count = r < 0 ? 0 : (size_t)r;
	return 0;
}

static bool same_row(const struct nft_port *a, const struct nft_port *b)
{
	return a->proto == b->proto && a->host_ip4 == b->host_ip4 && a->host_port == b->host_port &&
	       a->to_ip4 == b->to_ip4 && a->to_port == b->to_port && a->count == b->count &&
	       a->v6 == b->v6 && a->routed == b->routed && ip6_equal(&a->host_ip6, &b->host_ip6) &&
	       ip6_equal(&a->to_ip6, &b->to_ip6);
}

/* The rows of `a` that `b` does not have; and all of those that are routed, of which two may stand
 * for one element: where one goes the other has to be said again. */
static size_t rows_beyond(const struct nft_port *a, size_t a_count, const struct nft_port *b,
			  size_t b_count, struct nft_port *ret_rows)
{
	size_t count = 0;

	for (size_t i = 0; i < a_count; i++) {
		bool found = false;

		for (size_t j = 0; j < b_count && !found && !a[i].routed; j++)
			found = same_row(&a[i], &b[j]);
		if (!found)
			ret_rows[count++] = a[i];
	}
	return count;
}

void main_flows_forget(struct netd *netd, const struct nft_port *ports, size_t count)
{
	struct err err;

	if (nft_forget_flows(ports, count, &err) < 0)
		log_warn("%s: clients with a fixed port may have to wait", err_text(&err));
	main_splice_forget(netd, ports, count);
}

int main_publish(struct netd *netd, const struct nft_port *old, size_t old_count,
		 const struct nft_port *now, size_t now_count, struct err *err)
{
	struct nft_port gone[ATTACHMENT_ROWS * NETD_PORTS_MAX], new[ARRAY_LEN(gone)];
	const struct nft_change change = {
		.port_del = gone,
		.port_del_count = rows_beyond(old, old_count, now, now_count, gone),
		.port_add = new,
		.port_add_count = rows_beyond(now, now_count, old, old_count, new),
	};
	int r;

	if (!change.port_del_count && !change.port_add_count)
		return 0;
	r = main_firewall_change(netd, &change, err);
	if (r < 0)
		return r;
	main_splice_need(netd, new, change.port_add_count);
	main_flows_forget(netd, gone, change.port_del_count);
	main_flows_forget(netd, new, change.port_add_count);
	return 0;
}
