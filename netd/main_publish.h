/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_PUBLISH_H
#define HOY_NETD_MAIN_PUBLISH_H

#include "netd/main.h"

/* Networks and published ports as rows of the firewall; an owned record. */
struct firewall_rows {
	struct nft_network *networks;
	struct nft_port *ports;
	size_t port_count;
};

void firewall_rows_done(struct firewall_rows *rows);
/* The ports of an attachment (or NULL), none of them when it has none. */
int firewall_rows_load(struct netd *netd, const struct attachment *attachment,
		       struct firewall_rows *rows, struct err *err);

/* Applies a small change; where the table is not what we think it is, loads it whole. */
int main_firewall_change(struct netd *netd, const struct nft_change *change, struct err *err);
/* Puts the new ports in place of the old ones: one batch of what differs, none when nothing does.
 */
int main_publish(struct netd *netd, const struct nft_port *old, size_t old_count,
		 const struct nft_port *now, size_t now_count, struct err *err);
/* Flows to these ports led elsewhere: the next packet decides anew. */
void main_flows_forget(struct netd *netd, const struct nft_port *ports, size_t count);

#endif
