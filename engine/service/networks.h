/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_NETWORKS_H
#define HOY_ENGINE_SERVICE_NETWORKS_H

#include "engine/service/manager.h"

/* Whoever speaks to netd; owner is the manager's. Nothing happens while netd is not there. */
struct service_networks {
	/* A body of NETD_MSG_NETWORK_SET. */
	void (*set)(void *owner, const char *name, struct str body);
	void (*remove)(void *owner, const char *name);
};

/* Networks that Compose files declare: to netd, whenever it is (again) there. */
void manager_say_networks(struct manager *manager);
/* Those go that `next` has no more, or that are others there. */
void manager_drop_networks(struct manager *manager, const struct ini_config *next);

#endif
