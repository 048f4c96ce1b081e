/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_H
#define HOY_NETD_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/ini.h"
#include "netd/api/netd_msg.h"
#include "netd/ip4.h"

/* network.ini (network.ini(5)) as netd uses it: fixed-size records, nothing to free. */
enum {
	CONF_UPLINKS_MAX = 8,
	CONF_ADDRS_MAX = 8,
	CONF_DNS_MAX = 4,
	CONF_DOMAINS_MAX = 6,
	CONF_BRIDGES_MAX = 32,
};

enum conf_probe { CONF_PROBE_NO, CONF_PROBE_YES, CONF_PROBE_STRICT };

struct conf_addr {
	uint32_t ip4;
	uint8_t prefix;
};

/* One [network NAME]: what the links that match it get. */
struct conf_uplink {
	char name[NETD_NAME_MAX + 1];
	char match[IFNAMSIZ]; /* glob */
	bool refused;	      /* an issue was found in it: matching links are left alone */
	bool dhcp;
	enum conf_probe probe;
	uint32_t mtu;	 /* 0 = as it is */
	uint32_t metric; /* of its routes */
	uint32_t gateway;
	struct conf_addr addrs[CONF_ADDRS_MAX];
	size_t addr_count;
	uint32_t dns[CONF_DNS_MAX];
	size_t dns_count;
	char domains[CONF_DOMAINS_MAX][DOMAIN_MAX];
	size_t domain_count;
};

/* One [bridge NAME]: a container network. */
struct conf_bridge {
	char name[NETD_NAME_MAX + 1];
	uint32_t subnet; /* 0 = pick one */
	uint8_t prefix;
	bool internal;
};

struct conf {
	/* In the order of the file; none at all means: DHCP on the first Ethernet link. */
	struct conf_uplink uplinks[CONF_UPLINKS_MAX];
	size_t uplink_count;
	struct conf_bridge bridges[CONF_BRIDGES_MAX]; /* "bridge" is always the first */
	size_t bridge_count;
};

extern const struct ini_schema conf_schema;

/* Turns a loaded configuration into records; mistakes found here are added to ini's issues. */
void conf_from_ini(struct ini_config *ini, struct conf *ret_conf);

/* Shell-like match of an interface name: '*' and '?'. */
bool conf_match(const char *glob, const char *name);

#endif
