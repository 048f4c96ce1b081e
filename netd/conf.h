/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONF_H
#define HOY_NETD_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/ini.h"
#include "netd/api/netd_msg.h"
#include "netd/conf_dns.h"
#include "netd/conf_netdev.h"
#include "netd/conf_refused.h"
#include "netd/driver.h"
#include "netd/ip4.h"
#include "netd/ip6.h"
#include "netd/rule.h"

/* network.ini (network.ini(5)) as netd uses it: fixed-size records, nothing to free. */
enum {
	CONF_UPLINKS_MAX = 16,
	CONF_NETDEVS_MAX = 16,
	CONF_VLANS_MAX = 8, /* on one link */
	CONF_ADDRS_MAX = 8,
	CONF_DNS_MAX = 4,
	CONF_DOMAINS_MAX = 6,
	CONF_BRIDGES_MAX = 32,
	CONF_ROUTES_MAX = 8,
	CONF_MATCH_MAX = 128,
	CONF_NTP_MAX = 4,
	CONF_MACS_MAX = 4,
	CONF_REQUEST_MAX = 16,
};

enum conf_probe { CONF_PROBE_NO, CONF_PROBE_YES, CONF_PROBE_STRICT };

struct conf_addr {
	uint32_t ip4;
	uint8_t prefix;
};

/* What [address NAME] says beyond the address itself. */
struct conf_addr_more {
	char label[IFNAMSIZ];
	uint8_t scope;
	bool deprecated, nodad, noroute;
};

struct conf_addr6 {
	struct ip6 ip6;
	uint8_t prefix;
};

/* One [route NAME] of an uplink. */
struct conf_route {
	struct conf_addr dst;
	bool v6; /* dst6 and gateway6 count */
	struct conf_addr6 dst6;
	struct ip6 gateway6;
	uint32_t gateway; /* 0 = on the link */
	uint32_t metric;  /* 0 = the uplink's */
	uint32_t mtu;	  /* 0 = the link's */
	uint32_t table;	  /* 0 = the main one */
	bool onlink;	  /* the gateway is, whatever the addresses say */
	uint8_t type;	  /* RTNL_TYPE_* of one that leads nowhere, on no link; 0 = on this link */
	uint32_t source;
	struct ip6 source6;
};

/* Which routes of a DHCP server count. */
enum conf_use_routes { CONF_USE_ROUTES_NO, CONF_USE_ROUTES_GATEWAY, CONF_USE_ROUTES_ALL };

enum conf_activation { CONF_ACTIVATION_UP, CONF_ACTIVATION_MANUAL, CONF_ACTIVATION_DOWN };

/* [network NAME] DHCPv4.*: what is sent to a server and what is taken from it. */
struct conf_dhcp4 {
	enum conf_use_routes use_routes;
	uint8_t request[CONF_REQUEST_MAX]; /* options beside those that are always asked for */
	size_t request_count;
	bool use_dns, use_domains, use_mtu, use_ntp, use_hostname;
	bool v6only; /* no IPv4 where the network asks for that (RFC 8925) */
	bool send_hostname, send_release;
	bool by_duid;	   /* the client names itself as it does in DHCPv6 (RFC 4361) */
	char hostname[64]; /* "" = the machine's */
	uint32_t metric;   /* 0 = the uplink's */
};

enum conf_without_ra { CONF_WITHOUT_RA_NO, CONF_WITHOUT_RA_INFORMATION, CONF_WITHOUT_RA_SOLICIT };

/* [network NAME] DHCPv6.*: what is asked of a server and taken from it. */
struct conf_dhcp6 {
	bool use_address, use_dns, use_domains, use_ntp, send_release;
	uint8_t hint_len; /* of the prefix that is asked for, 0 = none is asked for by this */
	enum conf_without_ra without_ra;
};

/* One [network NAME]: what the links that match it get. */
struct conf_uplink {
	char name[NETD_NAME_MAX + 1];
	char match[CONF_MATCH_MAX]; /* names with wildcards, "!" in front turns them around */
	uint8_t macs[CONF_MACS_MAX][6];
	size_t mac_count; /* 0 = any */
	uint8_t perm_macs[CONF_MACS_MAX][6];
	size_t perm_mac_count;	     /* the same of what the hardware came with */
	char type[CONF_MATCH_MAX];   /* as match, of "ether", "bridge" ...; "" = any */
	char driver[CONF_MATCH_MAX]; /* the same of the kernel's driver */
	bool refused;		     /* an issue was found in it: matching links are left alone */
	bool unmanaged;
	enum conf_activation activation;
	bool set_mac;
	uint8_t mac[6];
	bool dhcp;
	struct conf_dhcp4 dhcp4;
	struct conf_dhcp6 dhcp6;
	enum conf_probe probe;
	uint32_t mtu;	 /* 0 = as it is */
	uint32_t metric; /* of its routes */
	uint32_t gateway;
	struct conf_addr addrs[CONF_ADDRS_MAX];
	struct conf_addr_more more[CONF_ADDRS_MAX];
	size_t addr_count;
	char master[IFNAMSIZ];		      /* the bond or bridge it is a part of; "" = none */
	bool bonded;			      /* that is a bond */
	char vlans[CONF_VLANS_MAX][IFNAMSIZ]; /* also macvlan and ipvlan */
	size_t vlan_count;
	bool no_ip6;	/* LinkLocalAddressing = no: the link has no IPv6 at all */
	bool accept_ra; /* addresses and routes by router advertisements */
	bool ra_dns, ra_domains;
	bool ra_dhcp6, ra_routes; /* DHCPv6 where they call for it, routes they tell of */
	struct ip6 token; /* the last 64 bits of addresses by their prefixes; zero = stable ones */
	struct ip6 gateway6;
	struct conf_addr6 addrs6[CONF_ADDRS_MAX];
	struct conf_addr_more more6[CONF_ADDRS_MAX];
	size_t addr6_count;
	struct conf_route routes[CONF_ROUTES_MAX];
	size_t route_count;
	struct ip_any dns[CONF_DNS_MAX];
	size_t dns_count;
	char ntp[CONF_NTP_MAX][DOMAIN_MAX]; /* addresses or names */
	size_t ntp_count;
	char domains[CONF_DOMAINS_MAX][DOMAIN_MAX];
	size_t domain_count;
};

/* One [bridge NAME]: a container network. */
struct conf_bridge {
	char name[NETD_NAME_MAX + 1];
	uint32_t subnet; /* 0 = pick one */
	uint8_t prefix;
	bool internal;
	bool no_ip4, no_ip6;
	bool no_icc;	   /* its containers do not reach each other */
	uint32_t host_ip4; /* where ports without an address are published; 0 = everywhere */
	struct ip6 subnet6;
	uint8_t prefix6; /* 0 = pick one */
	bool delegated;	 /* subnet6 lies below the prefix that DHCPv6 delegates */
	struct network_traits traits;
	enum network_driver driver;
	uint8_t mode;
	char parent[IFNAMSIZ]; /* what containers share; "" = a bridge of its own */
	uint32_t gateway;      /* 0 = the first address */
	uint32_t range;
	uint8_t range_len; /* 0 = all of the subnet */
	uint32_t mtu;	   /* 0 = as the uplinks have it */
	uint64_t rate;	   /* bits per second, each way; 0 = no limit */
};

struct conf {
	/* In the order of the file; none at all means: DHCP on the first Ethernet link. */
	struct conf_uplink uplinks[CONF_UPLINKS_MAX];
	size_t uplink_count;
	struct conf_netdev netdevs[CONF_NETDEVS_MAX];
	size_t netdev_count;
	struct conf_bridge bridges[CONF_BRIDGES_MAX]; /* "bridge" is always the first */
	size_t bridge_count;
	struct conf_refused_list refused;
	struct conf_dns dns;
	struct rules rules;
};

extern const struct ini_schema conf_schema;

/* Turns a loaded configuration into records; mistakes found here are added to ini's issues. */
void conf_from_ini(struct ini_config *ini, struct conf *ret_conf);

/* What a link gets that no section names: DHCP with every default. */
void conf_uplink_default(struct conf_uplink *ret_uplink);

/* What a network may have as subnet6. */
bool conf_subnet6_ok(const struct ip6 *subnet6, uint8_t prefix6);

/* Shell-like match of an interface name: '*' and '?'. */
bool conf_match(const char *glob, const char *name);
/* The same with a list as in Match.Name ("en* eth0", "!wan0"). *ret_exact: it stands there in full.
 */
bool conf_match_list(const char *list, const char *name, bool *ret_exact);

#endif
