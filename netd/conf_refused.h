/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_REFUSED_H
#define HOY_NETD_CONF_REFUSED_H

#include <stddef.h>
#include "netd/api/netd_msg.h"

/* Networks that network.ini declares and that are not there, each with the mistake that costs it.
 */
enum { CONF_REFUSED_MAX = 32, CONF_REFUSED_WHY_MAX = 200 };

struct conf_refused_list {
	struct conf_refused {
		char name[NETD_NAME_MAX + 1];
		char why[CONF_REFUSED_WHY_MAX];
	} list[CONF_REFUSED_MAX];
	size_t count;
};

/* One more; beyond the last place it is left out. A longer text is cut. */
void conf_refuse(struct conf_refused_list *refused, const char *name, const char *why);
/* The mistake that costs the network of this name; NULL: it is not one of them. */
const char *conf_refused_why(const struct conf_refused_list *refused, struct str name);

#endif
