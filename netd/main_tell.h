/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_TELL_H
#define HOY_NETD_MAIN_TELL_H

#include "netd/main.h"

/* What role main tells of itself. */

/*
 * main_rules.c: the operator's rules. _load: the firewall, with conf's rules; where the kernel
 * refuses them with those of before, or with what lets nothing in, and says so. _silent: none is
 * about connections of this kind from outside to that port, and the policy accepts them; _why:
 * those that are.
 */
typedef int main_rules_load_fn(struct netd *netd, struct err *err);
int main_rules_load(struct netd *netd, main_rules_load_fn *load, struct err *err);
void main_rules_show(struct netd *netd, struct buf *out);
void main_rules_rows(struct netd *netd, struct buf *out);
bool main_rules_silent(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		       bool v6);
void main_rules_why(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		    bool v6, struct buf *out);

/* main_trace.c: what "SRC -> ADDRESS:PORT[/udp]" meets on its way; -EINVAL. */
int main_trace(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	       struct err *err);
/* main_neigh.c */
int main_neigh_show(struct netd *netd, const struct rtnl_state *state, struct buf *out,
		    struct err *err);
/* The default routes' gateways, each asked anew whether it answers: the next look tells. */
int main_neigh_gateways(struct netd *netd, const struct rtnl_state *state, struct buf *out,
			struct err *err);
int main_neigh_rows(struct netd *netd, const struct rtnl_state *state, struct buf *out,
		    struct err *err);

/* main_conf.c: mistakes of the network.ini in force: a count, then texts. */
int main_conf_issues(struct netd *netd, struct buf *out, struct err *err);
/* main_name.c: follows the kernel's host name; what servers call the machine goes to init. */
void main_name_start(struct netd *netd);
void main_name_tell(struct netd *netd);
void main_init_hostname(struct netd *netd, const char *name); /* main_init.c */
/* main_link.c: the kernel's state, with the links' drivers where network.ini asks for them. */
int main_link_state(struct netd *netd, struct rtnl_state *ret_state, struct err *err);

/* main_why.c: what becomes of packets to "ADDRESS:PORT[/udp]", as lines; main_show.c: a word of
 * SHOW; main_rows.c: the same for programs. All: -EINVAL. */
int main_why(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	     struct err *err);
int main_show(struct netd *netd, struct str what, struct buf *out, struct err *err);
int main_rows(struct netd *netd, struct str what, struct buf *out, struct err *err);

#endif
