/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_NETDEV_H
#define HOY_NETD_CONF_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* Virtual links of the host as network.ini declares them. */
enum conf_netdev_kind {
	CONF_NETDEV_VLAN,
	CONF_NETDEV_BOND,
	CONF_NETDEV_BRIDGE,
	CONF_NETDEV_MACVLAN,
	CONF_NETDEV_IPVLAN,
	CONF_NETDEV_VETH,
	CONF_NETDEV_DUMMY,
};

/* One [netdev NAME]: a virtual link of the host. */
struct conf_netdev {
	char name[IFNAMSIZ];
	enum conf_netdev_kind kind;
	bool set_mac;
	uint8_t mac[6];
	uint16_t vlan_id;
	uint8_t mode;	     /* MACVLAN_MODE_* or IPVLAN_MODE_* */
	char peer[IFNAMSIZ]; /* other end of a veth */
	uint8_t bond_mode;   /* 0 balance-rr ... 6 balance-alb */
	uint32_t bond_watch_ms;
	bool bond_lacp_fast;
	bool stp, vlan_filtering;
};

#endif
