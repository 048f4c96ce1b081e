/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_NETWORK_H
#define HOY_NETD_MAIN_NETWORK_H

#include "netd/container/network.h"

/* What a call says of a network, with the checks that network.ini's sections have; -EINVAL. */
int main_network_read(const struct netd_network_set *set, struct network *ret_network,
		      struct err *err);

#endif
