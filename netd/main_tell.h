/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_TELL_H
#define HOY_NETD_MAIN_TELL_H

#include "netd/main.h"

/* What role main tells of itself. */

/* main_rules.c: the operator's rules. _silent: none is about connections of this kind from outside
 * to that port, and the policy accepts them; _why: those that are. */
void main_rules_show(const struct netd *netd, struct buf *out);
void main_rules_rows(const struct netd *netd, struct buf *out);
bool main_rules_silent(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		       bool v6);
void main_rules_why(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		    bool v6, struct buf *out);

/* main_why.c: what becomes of packets to "ADDRESS:PORT[/udp]", as lines; main_show.c: a word of
 * SHOW; main_rows.c: the same for programs. All: -EINVAL. */
int main_why(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	     struct err *err);
int main_show(struct netd *netd, struct str what, struct buf *out, struct err *err);
int main_rows(struct netd *netd, struct str what, struct buf *out, struct err *err);

#endif
