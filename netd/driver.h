/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DRIVER_H
#define HOY_NETD_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * What carries a container network: a bridge of its own, or an interface of the host that
 * containers share (macvlan: each with a MAC address of its own; ipvlan: all with the interface's,
 * as one segment (l2) or routed (l3)). Pure.
 */
enum network_driver { NETWORK_BRIDGE, NETWORK_MACVLAN, NETWORK_IPVLAN };

const char *network_driver_text(enum network_driver driver);
/* "" = bridge. */
int network_driver_parse(struct str text, enum network_driver *ret_driver, struct err *err);
/* As the kernel counts them (MACVLAN_MODE_*, IPVLAN_MODE_*); "" = the usual one. */
int network_mode_parse(enum network_driver driver, struct str text, uint8_t *ret_mode,
		       struct err *err);
const char *network_mode_text(enum network_driver driver, uint8_t mode);
/* The way out is the interface itself, without a gateway. */
bool network_mode_routed(enum network_driver driver, uint8_t mode);

/* Bits per second: a number and k, M or G (of 1000); 8k to 100G. "" = 0, no limit. */
int network_rate_parse(struct str text, uint64_t *ret_rate, struct err *err);

#endif
