/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_RTNL_DEV_H
#define HOY_NETD_NL_RTNL_DEV_H

#include "netd/nl/rtnl.h"

/*
 * Virtual links: VLAN, bond, bridge, macvlan, ipvlan, veth, dummy (rtnetlink(7),
 * <linux/if_link.h>). Links that network.ini declares carry the link group RTNL_OURS, by which a
 * restarted netd knows them.
 */
enum rtnl_dev_kind {
	RTNL_DEV_VLAN = 1,
	RTNL_DEV_BOND,
	RTNL_DEV_BRIDGE,
	RTNL_DEV_MACVLAN,
	RTNL_DEV_IPVLAN,
	RTNL_DEV_VETH,
	RTNL_DEV_DUMMY,
};

struct rtnl_dev {
	const char *name;
	enum rtnl_dev_kind kind;
	int parent;	    /* ifindex: VLAN, macvlan, ipvlan */
	int netns_fd;	    /* where it is born, -1 = here */
	const uint8_t *mac; /* NULL = the kernel's choice */
	uint32_t mtu;	    /* 0 = the kernel's choice */
	uint8_t group;	    /* 0 = none */
	uint16_t vlan_id;
	uint8_t bond_mode; /* 0 balance-rr ... 6 balance-alb */
	uint32_t bond_watch_ms;
	bool bond_lacp_fast;
	bool stp, vlan_filtering;
	bool set_filtering; /* say it: not every kernel can */
	uint32_t mode;	    /* MACVLAN_MODE_* or IPVLAN_MODE_* */
	const char *peer;   /* name of a veth's other end */
};

/* "vlan", "bond" ...: IFLA_INFO_KIND. */
const char *rtnl_dev_kind_text(enum rtnl_dev_kind kind);
/* A new link; it must not exist. */
void rtnl_encode_dev(const struct rtnl_dev *dev, struct buf *out);
/* STP and VLAN filtering of a bridge that is there. */
void rtnl_encode_dev_bridge(int index, const struct rtnl_dev *dev, struct buf *out);

/* Fills in what IFLA_INFO_DATA of a link says, by its kind. */
void rtnl_read_dev(struct str data, struct rtnl_link *link);

#endif
